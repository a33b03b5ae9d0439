"""The registry of claims, ``book/claims.yml``: what each claim is, and what would count for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from superpos.errors import InvalidArgument
from superpos.project import find_root

VERDICTS = ("reproduced", "qualified", "contradicted", "new", "untested")
MIME_TYPE = "application/vnd.superpos.verdict+json"  # of a verdict in a notebook's outputs

_REQUIRED = ("id", "chapter", "source", "statement", "setting", "share", "counts", "expected")


@dataclass(frozen=True)
class Claim:
    """One entry of the registry; the fields are explained at the top of ``book/claims.yml``."""

    id: str
    chapter: str
    source_key: str
    source_section: str
    statement: str
    setting: str
    share: float
    counts: str
    qualified: str | None
    expected: str
    deviations: tuple[Mapping[str, str], ...]
    trials: str = "seeds"
    new: bool = False
    complete: bool = False


def load_registry(path: str | Path | None = None) -> dict[str, Claim]:
    """Return all claims by id, in the order of the registry.

    Parameters
    ----------
    path
        A registry; by default the book's, ``book/claims.yml``. Deviations are looked up in
        ``deviations.yml`` beside it.

    Raises
    ------
    InvalidArgument
        If an entry lacks a field, repeats an id, or names an unknown verdict or deviation.
    """
    path = find_root() / "book" / "claims.yml" if path is None else Path(path)
    deviations = yaml.safe_load(path.with_name("deviations.yml").read_text("utf-8")) or {}
    registry: dict[str, Claim] = {}
    for entry in yaml.safe_load(path.read_text("utf-8")) or []:
        name = entry.get("id", "without an id")
        if missing := [field for field in _REQUIRED if field not in entry]:
            raise InvalidArgument(f"{path.name}: claim {name} lacks {', '.join(missing)}")
        if name in registry:
            raise InvalidArgument(f"{path.name}: claim {name} is there twice")
        if entry["expected"] not in VERDICTS:
            raise InvalidArgument(
                f"{path.name}: claim {name} expects {entry['expected']!r}, "
                f"which is none of {', '.join(VERDICTS)}"
            )
        if not isinstance(entry["share"], float | int) or not 0 <= entry["share"] < 1:
            raise InvalidArgument(
                f"{path.name}: claim {name} has a share of {entry['share']!r}: a rate of at least "
                "0 and less than 1 is needed"
            )
        if entry["expected"] == "new" and entry.get("new") is not True:
            raise InvalidArgument(f"{path.name}: claim {name} expects 'new', but is not marked new")
        if missing := {"key", "section"} - set(entry["source"]):
            raise InvalidArgument(
                f"{path.name}: claim {name} lacks its source's {', '.join(sorted(missing))}"
            )
        if unknown := set(entry.get("deviations", ())) - set(deviations):
            raise InvalidArgument(
                f"{path.name}: claim {name} names deviations that deviations.yml lacks: "
                f"{', '.join(sorted(unknown))}"
            )
        registry[name] = Claim(
            id=name,
            chapter=entry["chapter"],
            source_key=entry["source"]["key"],
            source_section=entry["source"]["section"],
            statement=entry["statement"],
            setting=entry["setting"],
            share=float(entry["share"]),
            counts=entry["counts"],
            qualified=entry.get("qualified"),
            expected=entry["expected"],
            deviations=tuple(deviations[key] for key in entry.get("deviations", ())),
            trials=entry.get("trials", "seeds"),
            new=entry.get("new", False) is True,
            complete=entry.get("complete", False) is True,
        )
    return registry


def one_line(text: str) -> str:
    """Return a text of the registry as one line of Markdown, in which D* is no emphasis.

    Examples
    --------
    >>> print(one_line("D* falls"))
    D\\* falls
    """
    return " ".join(text.split()).replace("*", "\\*")


def deviation_text(deviation: Mapping[str, str]) -> str:
    """Return one deviation of the registry as a line of Markdown."""
    told = {name: one_line(text) for name, text in deviation.items()}
    return (
        f"**{told['setting']}.** Source: {told['source']} Ours: {told['ours']} "
        f"Does a verdict depend on it? {told['depends']}"
    )
