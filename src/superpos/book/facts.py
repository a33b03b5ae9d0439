"""What the ledger says of a claim, by name, in HTML: for the scoreboard and for each claim's page.

A card in a chapter says the same in the moment of measuring (`superpos.claims.verdicts`).
"""

from __future__ import annotations

import html
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from superpos.book.evidence import field
from superpos.claims.amendments import Amendment, Response
from superpos.claims.cards import JUDGEMENT
from superpos.claims.curves import address
from superpos.claims.typeset import typeset
from superpos.claims.wording import KEPT

if TYPE_CHECKING:
    from superpos.claims.clone import Commit


@dataclass(frozen=True)
class Rate:
    """How many trials showed a claim: of ``of`` trials; ``by`` says by which measurement."""

    shown: int
    of: int
    by: str = ""

    @property
    def share(self) -> float:
        """The share of the trials that showed it, from 0 to 1."""
        return self.shown / self.of

    @property
    def percent(self) -> str:
        """The share in per cent: all or none only where it is all or none.

        >>> Rate(199, 200).percent, Rate(200, 200).percent, Rate(1, 2).percent
        ('99.5%', '100%', '50%')
        """
        told = f"{self.share:.0%}"
        return (
            told
            if told not in ("0%", "100%") or self.shown in (0, self.of)
            else (f"{self.share:.1%}")
        )

    def __str__(self) -> str:
        """Return the rate in words: per cent, and counts."""
        return f"{self.percent} ({self.shown} of {self.of})"


def rate(row: Mapping[str, Any]) -> Rate | None:
    """Return the rate that a claim of the ledger is judged by first; None if it is not measured.

    Where a claim was measured as published, or at rest, these decide: it is the first of them.

    Examples
    --------
    >>> found = {"shown": 9, "of": 20, "as_published": None, "at_rest": {"shown": 1, "of": 2}}
    >>> print(rate({"evidence": found}))
    50% (1 of 2)
    """
    found = row["evidence"]
    if not found:
        return None
    ways = ((found[field(kind)], told.lower()) for kind, told in KEPT.items())
    counts, by = next((way for way in ways if way[0]), (found, ""))
    return Rate(counts["shown"], counts["of"], by) if counts["of"] else None


def facts(
    row: Mapping[str, Any],
    sources: Mapping[str, str],
    *,
    folder: str,
    registered: Commit | None = None,
) -> dict[str, str]:
    """Return all that the ledger says of a claim beside its statement and verdict.

    Parameters
    ----------
    row
        Of what `superpos.book.ledger.collect` returns.
    sources
        Each source in words, by its key: `superpos.book.citation.sources`.
    folder
        Of the page that tells it, in the site.
    registered
        The commit that registered the claim, where git knows.

    Returns
    -------
    dict
        HTML by name, also in HTML, in the order in which one reads it.
    """
    source = row["source"]
    who = sources.get(source["key"], source["key"])
    place = f'<a href="{html.escape(source["address"])}">{typeset(source["place"])}</a>'
    told = {
        "Source": f"{_text(who)}; {_text(source['section'])}: {place}",
        "Setting": typeset(row["setting"]),
    }
    if not row["unmeasured"]:
        told |= {"What counts": typeset(row["counts"]), "Mark": typeset(row["mark"])}
    if row["qualified"]:
        told["Weaker reading"] = typeset(row["qualified"])
    elif row["no_weaker"]:
        told["Weaker reading"] = f"None. {typeset(row['no_weaker'])}"
    if row["evidence"]:
        told["Evidence"] = typeset(row["evidence"]["told"])
    if row["why"]:
        told["Why"] = typeset(row["why"])
    if row["judgement"]:
        told[JUDGEMENT] = typeset(row["judgement"])
    for name, other in (("Amended by", row["amended_by"]), ("Amends", row["amends"])):
        if other:
            to = _to(f"{posixpath.dirname(row['permalink'])}/{other}.html", folder)
            told[name] = f'<a href="{to}">{_text(other)}</a>'
    if row["amends"]:
        told["Amends"] += f" ({row['amendment']['date']}): {typeset(row['amendment']['why'])}"
    told |= {typeset(name): typeset(text) for name, text in (row["measured"] or {}).items()}
    if curve := row["curve"]:
        to = _to(f"book/{address(row['id'], row['chapter'])}", folder)
        told["Robustness"] = (
            f'<a href="{to}">holds in {curve["holds"]} of {curve["of"]} specifications</a>'
        )
    if changed := [Amendment(**each).told() for each in row["amendments"]]:
        told["Changed"] = "<br>".join(map(typeset, changed))
    if replies := [Response(**each) for each in row["responses"]]:
        told["Responses"] = "<br>".join(
            f"{_text(each.who)}, {each.date}: “{_text(each.text)}” "
            f'(<a href="{html.escape(each.address)}">in full</a>)'
            for each in replies
        )
    if row["page"] and not row["unmeasured"]:
        card = f"#claim-{row['id']}" if row["evidence"] else ""
        told["Experiment"] = f'<a href="{_to(row["page"], folder)}{card}">in its chapter</a>'
    if when := registration(row, registered, folder=folder):
        told["Registered"] = when
    if row["command"]:
        told["Run it again"] = f"<code>{_text(row['command'])}</code>"
    return told


def registration(row: Mapping[str, Any], commit: Commit | None, *, folder: str) -> str:
    """Return when a claim was registered, as far as git and its entry know, in HTML.

    Parameters
    ----------
    row
        Of the ledger.
    commit
        The one that registered the claim, where git knows.
    folder
        Of the page that tells it, in the site: the commit leads to the audit.
    """
    audit = _to(f"book/audit.html#audit-{row['id']}", folder)
    when = f'<a href="{audit}"><code>{commit.short}</code></a> {commit.date}' if commit else ""
    known = "knowing the outcome" if row["known"] else ""
    return ", ".join(filter(None, (when, known)))


def as_list(told: Mapping[str, str]) -> str:
    """Return facts as a list of names and what they say, in HTML."""
    items = "".join(f"<dt>{name}</dt><dd>{text}</dd>\n" for name, text in told.items())
    return f"<dl>\n{items}</dl>"


def _to(path: str, folder: str) -> str:
    """Return a link from a page in a folder of the site to a path in it."""
    return html.escape(posixpath.relpath(path, folder))


def _text(text: str) -> str:
    return html.escape(" ".join(text.split()))
