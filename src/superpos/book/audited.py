"""The audit of the claims as a page: what git knows of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from superpos.book.lines import one_line
from superpos.claims.audit import REGISTRY, Audit, Change, Record, audit, summary
from superpos.claims.clone import Commit, NoHistory

_INTRODUCTION = """\
# Audit

What git knows of each claim, derived anew by `superpos claims --audit`: the commit that
**registered** it, the first with its entry in the registry; the first with the **code** that
decides it, in a notebook or a study; the first after that whose registry expects a **verdict**;
and every change between and after. The claim was measured between code and verdict: git cannot
know when. Times are UTC and those that commits carry; what is sure is their order.

Of an entry all fields are compared, as a reader sees them: a threshold that got its name is the
same number. Of the code what decides is compared, without names of tests, comments and what is
merely told beside a verdict: the test, and the functions and constants of the same file that it
uses. What these import from elsewhere is not. A change of code may be one of form alone; the
commit shows it. In the first edition tests stood in notebooks: when they moved into studies they
were written anew, which no comparison can follow.
"""


def history(root: Path) -> Audit | None:
    """Return the audit of the book in ``root``; None where the history is not, or not all of it."""
    try:
        return audit(root)
    except NoHistory:
        return None


def registered(found: Audit | None) -> dict[str, Commit]:
    """Return the commit that registered each claim, as far as an audit knows."""
    return {
        each.id: each.registered for each in (found.records if found else ()) if each.registered
    }


def as_markdown(
    found: Audit | None, ledger: Iterable[Mapping[str, Any]], titles: Mapping[str, str]
) -> str:
    """Return the audit as a MyST page, which says how to make it where there is no history.

    Parameters
    ----------
    found
        What `history` returns.
    ledger
        What `superpos.book.ledger.collect` returns.
    titles
        The title of each chapter, by name, in reading order.
    """
    if found is None:
        lines = [
            _INTRODUCTION,
            "These pages were built where the history is not, or not all of it. In a full clone "
            "`superpos claims --audit` shows the audit.",
            "",
        ]
        return "\n".join(lines)
    return "\n".join([_INTRODUCTION, *_pages(found, ledger, titles)])


def _pages(
    found: Audit, ledger: Iterable[Mapping[str, Any]], titles: Mapping[str, str]
) -> Iterable[str]:
    yield from (f"**{one_line(summary(found.records))}**", "")
    records = {record.id: record for record in found.records}
    place = {chapter: number for number, chapter in enumerate(titles)}
    rows = sorted(ledger, key=lambda row: place.get(row["chapter"], len(place)))
    for chapter, of_chapter in groupby(rows, key=lambda row: row["chapter"]):
        yield from (f"## {titles.get(chapter, chapter)}", "", "::::{div} superpos-audit")
        yield "| Claim | Registered | Code | Verdict | Changes |"
        yield "|---|---|---|---|---|"
        for row in of_chapter:
            name = row["id"]
            link = f'<a id="audit-{name}" href="../claims/{name}.html">{name}</a>'
            yield f"| {link} | {' | '.join(_cells(records.get(name)))} |"
        yield from ("::::", "")
    if removed := [record for record in found.records if record.removed]:
        yield from ("## Taken out of the registry", "")
        yield from (f"- {record.id}: {_told(record.removed)}" for record in removed)
        yield ""
    if found.rule:
        yield from (
            "## The rule",
            "",
            "What turns rates into verdicts was written, then changed:",
            "",
        )
        yield from (f"- {_told(commit)} {one_line(commit.subject)}" for commit in found.rule)
        yield ""


def _cells(record: Record | None) -> list[str]:
    if record is None:
        return ["not committed yet", "", "", ""]
    commits = (record.registered, record.recorded, record.verdict)
    return [*(_told(commit, "<br>") for commit in commits), "<br>".join(_changes(record))]


def _changes(record: Record) -> Iterable[str]:
    """Yield the changes of a claim, those of one commit in a line."""
    for commit, changes in groupby(record.changes, key=lambda change: change.commit):
        several = list(changes)
        early = "" if several[0].phase == "judged" else " (before the verdict)"
        yield f"`{commit.short}` {'; '.join(map(_what, several))}{early}"


def _what(change: Change) -> str:
    told = one_line(change.told).replace("_", "\\_")
    return f"**{told}**" if change.of == REGISTRY and change.decides else told


def _told(commit: Commit | None, between: str = " ") -> str:
    return f"`{commit.short}`{between}{commit.date}" if commit else "not yet"
