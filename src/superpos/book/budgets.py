"""Budgets of chapters: what the last whole build took, and a margin.

A budget is what a run took times 1 + `MARGIN`, rounded up to the next `STEP`: seconds of the book's
own build, one chapter after another on two cores; CI runs two at a time. ``superpos status`` tells
what is over; ``superpos budgets`` says what budgets would be by the runs that are there, and writes
them, after `make book` on an idle machine. A budget is no part of what a chapter depends on.
"""

from __future__ import annotations

import math
import re
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path

from superpos.book.building import Status

MARGIN = 0.25  # machines of one kind differ by a tenth, a busy neighbour costs as much again
STEP = {"seconds": 5, "mebibytes": 50}
LEAST = {"seconds": 30, "mebibytes": 500}  # below, budgets would mark noise
_LINE = r"^  budget_{}: *(\S+)"


@dataclass(frozen=True)
class Proposed:
    """What a chapter's last run took, what it may, and what it should be allowed.

    Attributes
    ----------
    name, path
        Of the chapter, and of its source.
    took, budget, follows
        By unit, ``seconds`` and ``mebibytes``; without those that have no budget or are not known.
    """

    name: str
    path: Path
    took: dict[str, float]
    budget: dict[str, float]
    follows: dict[str, int]

    @property
    def differs(self) -> bool:
        return any(self.budget[unit] != of for unit, of in self.follows.items())

    def told(self) -> str:
        """Return it in a line."""
        if not self.took:
            return f"{self.name}: not run"
        parts = []
        for unit, took in self.took.items():
            now, then = self.budget[unit], self.follows[unit]
            change = f"{then:g}" if now == then else f"{now:g} -> {then:g}"
            over = ", over" if took > now else ""
            parts.append(f"{took:.0f} of {change} {'s' if unit == 'seconds' else 'MiB'}{over}")
        return f"{self.name}: {'; '.join(parts)}"


def follows(took: float, unit: str) -> int:
    """Return the budget that follows from what a run took.

    Examples
    --------
    >>> follows(100.0, "seconds"), follows(101.0, "seconds"), follows(3.0, "seconds")
    (125, 130, 30)
    """
    return max(LEAST[unit], STEP[unit] * math.ceil(took * (1 + MARGIN) / STEP[unit]))


def proposed(found: Iterable[Status], apart: Container[str] = ()) -> list[Proposed]:
    """Return what follows for each chapter from its last run, stale or not.

    Those ``apart``, the tutorials, are left out: what they may take is fixed.
    """
    told = []
    for status in found:
        chapter = status.chapter
        if chapter.name in apart:
            continue
        took = {"seconds": status.seconds, "mebibytes": status.mebibytes}
        budgets = {"seconds": chapter.budget_seconds, "mebibytes": chapter.budget_mebibytes}
        budget = {unit: of for unit, of in budgets.items() if of}
        known = {unit: of for unit, of in took.items() if of and unit in budget}
        told.append(
            Proposed(
                chapter.name,
                chapter.path,
                known,
                budget,
                {unit: follows(of, unit) for unit, of in known.items()},
            )
        )
    return told


def write(each: Proposed) -> None:
    """Write the budgets that follow into a chapter's front matter, where it has such."""
    text = each.path.read_text("utf-8")
    for unit, of in each.follows.items():
        text = re.sub(_LINE.format(unit), f"  budget_{unit}: {of}", text, count=1, flags=re.M)
    each.path.write_text(text, "utf-8")
