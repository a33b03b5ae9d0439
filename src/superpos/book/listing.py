"""The ledger in a terminal: totals, then a line or a few for each claim."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from superpos.book.facts import rate
from superpos.claims.wording import LABELS, label
from superpos.errors import InvalidArgument

KINDS = ("sources", "ours")
NARROWEST = 40  # columns: in fewer, words would break


def chosen(
    ledger: Iterable[Mapping[str, Any]],
    *,
    verdict: str | None = None,
    source: str | None = None,
    chapter: str | None = None,
    words: Sequence[str] = (),
) -> list[Mapping[str, Any]]:
    """Return the claims of a ledger that fit all that is asked for.

    Parameters
    ----------
    ledger
        What `superpos.book.ledger.collect` returns.
    verdict
        One of `superpos.claims.wording.LABELS`, or ``new`` for all that begin so.
    source
        The key of a source, or one of `KINDS`.
    chapter
        Its name.
    words
        What the id, the statement, the setting or what counts must have, in any case.

    Raises
    ------
    InvalidArgument
        If no claim could have the verdict, the source or the chapter.
    """
    ledger = list(ledger)
    known = {
        "verdict": (verdict, [*LABELS, "new"]),
        "source": (source, [*KINDS, *dict.fromkeys(row["source"]["key"] for row in ledger)]),
        "chapter": (chapter, list(dict.fromkeys(row["chapter"] for row in ledger))),
    }
    for name, (asked, names) in known.items():
        if asked is not None and asked not in names:
            raise InvalidArgument(f"--{name} must be one of {', '.join(names)}; got {asked}")

    def fits(row: Mapping[str, Any]) -> bool:
        text = " ".join(row[part] for part in ("id", "statement", "setting", "counts")).lower()
        return (
            verdict in (None, row["verdict"], label(row["verdict"], row["held"]))
            and source in (None, row["source"]["key"], "ours" if row["new"] else "sources")
            and chapter in (None, row["chapter"])
            and all(word.lower() in text for word in words)
        )

    return [row for row in ledger if fits(row)]


def listed(rows: Iterable[Mapping[str, Any]], *, width: int) -> str:
    """Return claims in words: how many have which verdict, then each with its rate.

    Parameters
    ----------
    rows
        Of a ledger.
    width
        Of the terminal, in columns. No line is longer, unless it has fewer than `NARROWEST`.
    """
    rows = list(rows)
    width = max(width, NARROWEST)
    of_force = Counter(label(row["verdict"], row["held"]) for row in rows if not row["amended_by"])
    totals = ", ".join(f"{of_force[each]} {each}" for each in LABELS if of_force[each])
    old = sum(bool(row["amended_by"]) for row in rows)
    beside = f"; {old} superseded" if old else ""
    noun = "claim" if of_force.total() == 1 else "claims"
    total = f"{of_force.total()} {noun}{': ' if totals else ''}{totals}{beside}"
    lines = textwrap.wrap(total, width)
    for row in rows:
        found = rate(row)
        told = [row["id"], label(row["verdict"], row["held"])]
        told += [str(found)] if found else []
        told += [f"superseded by {row['amended_by']}"] if row["amended_by"] else []
        lines += ["", *textwrap.wrap("  ".join(told), width, break_on_hyphens=False)]
        lines += textwrap.wrap(
            " ".join(row["statement"].split()),
            width,
            initial_indent="  ",
            subsequent_indent="  ",
            break_on_hyphens=False,
        )
    return "\n".join(lines)
