"""The verdicts in the executed notebooks, against the registry of claims."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from superpos.book import entries
from superpos.book.chapters import EXECUTED, chapter_names
from superpos.book.evidence import evidence
from superpos.book.failures import NotPublishable
from superpos.book.judgements import Judgement
from superpos.claims.registry import MIME_TYPE, VERDICTS, Claim, deviations_of, load_registry
from superpos.claims.wording import label, mark

if TYPE_CHECKING:
    from nbformat import NotebookNode

PAGES = "claims"  # the folder of the site that has a page for each claim


def registry(root: Path) -> dict[str, Claim]:
    """Return the claims under test, by id, in the registry's order.

    Raises
    ------
    InvalidArgument
        If the files of the registry are not as they must be (`superpos.book.entries`).
    """
    path = root / "book" / "claims.yml"
    if not path.exists():
        return {}
    entries.check(path, chapter_names(root))
    return load_registry(path)


def recorded(notebook: NotebookNode) -> Iterable[dict[str, Any]]:
    """Yield the verdicts among a notebook's outputs."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if MIME_TYPE in output.get("data", {}):
                yield output["data"][MIME_TYPE]


def collect(
    claims: Mapping[str, Claim],
    notebooks: Mapping[str, NotebookNode],
    judgements: Mapping[str, Judgement] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """Return the ledger: every claim of the registry with its verdict.

    Parameters
    ----------
    claims
        The registry.
    notebooks
        The fresh executed notebooks, by chapter.
    judgements
        What we make of verdicts, by claim; each stands with the verdict that it was written about.

    Raises
    ------
    NotPublishable
        If a verdict's id is not registered, is another chapter's, or is recorded
        twice, if the verdict is not one of `VERDICTS`, or if it has no numbers.
    """
    found: dict[str, dict[str, Any]] = {}
    for chapter, notebook in notebooks.items():
        for verdict in recorded(notebook):
            name = verdict["id"]
            if name not in claims:
                raise NotPublishable(
                    f"chapter {chapter} records a verdict on {name}, which book/claims.yml "
                    "does not register"
                )
            if claims[name].chapter != chapter:
                raise NotPublishable(
                    f"chapter {chapter} records a verdict on {name}, which book/claims.yml "
                    f"gives to chapter {claims[name].chapter}"
                )
            if name in found:
                raise NotPublishable(f"chapter {chapter} records a verdict on {name} twice")
            if verdict["verdict"] not in VERDICTS:
                raise NotPublishable(
                    f"chapter {chapter} records {verdict['verdict']!r} on {name}; "
                    f"a verdict is one of {', '.join(VERDICTS)}"
                )
            found[name] = verdict
    return [
        _row(claim, found.get(name, {}), claim.chapter in notebooks, judgements.get(name))
        for name, claim in claims.items()
    ]


def _row(
    claim: Claim, verdict: Mapping[str, Any], published: bool, judgement: Judgement | None
) -> dict[str, Any]:
    command = verdict.get("command")
    if verdict.get("quick"):  # too few seeds to say anything
        verdict = {}
    entry = asdict(claim)
    shown = label(verdict["verdict"], verdict.get("held")) if verdict else None
    return {
        "id": claim.id,
        "source": {
            part: entry.pop(f"source_{part}") for part in ("key", "section", "place", "address")
        },
        "statement": claim.statement,
        "chapter": claim.chapter,
        "verdict": verdict.get("verdict", "untested"),
        "held": verdict.get("held"),  # where what we expected stands, if the verdict is `new`
        "why": claim.unmeasured or verdict.get("why"),
        "judgement": judgement.text if judgement and judgement.of == shown else None,
        "expected": claim.expected,
        "measured": verdict.get("measured"),
        "evidence": evidence(claim, verdict),
        "seeds": verdict.get("seeds"),
        "curve": verdict.get("curve"),
        **{
            name: entry[name]
            for name in (
                "setting",
                "share",
                "lower",
                "counts",
                "qualified",
                "trials",
                "new",
                "complete",
            )
        },
        **{
            name: entry[name]
            for name in ("no_weaker", "known", "unmeasured", "amends", "amendment", "amended_by")
        },
        "mark": mark(claim),
        **{name: list(entry[name]) for name in ("amendments", "responses")},
        "moved": claim.moved,
        "deviations": deviations_of(claim),
        "command": command,
        "page": f"{EXECUTED}/{claim.chapter}.html" if published else None,
        "permalink": permalink(claim.id),
    }


def permalink(claim_id: str) -> str:
    """Return where in the site the page of a claim is, whatever chapter has it."""
    return f"{PAGES}/{claim_id}.html"


def unexpected(ledger: Iterable[Mapping[str, Any]], stale: Mapping[str, str]) -> list[str]:
    """Return a sentence for each claim that is not as its registry entry expects.

    Parameters
    ----------
    ledger
        What `collect` returns.
    stale
        Why a chapter is stale, for those that are.
    """
    return [
        f"{row['id']}: {row['verdict']}, expected {row['expected']}"
        + (f" ({row['chapter']} is stale: {reason})" if reason else "")
        for row in ledger
        if (reason := stale.get(row["chapter"], "")) or row["verdict"] != row["expected"]
    ]
