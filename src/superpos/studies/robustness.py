"""Specification curves, computed: what ``superpos robustness`` runs.

Finished cells are stored one by one, so that a run that is killed goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from superpos.book.provenance import commit
from superpos.claims import curves
from superpos.claims.specifications import FILE
from superpos.compute import fingerprint
from superpos.studies import code
from superpos.studies.cells import at_once, measured
from superpos.studies.grids import Job, State, duration

_SECONDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)  # as exact as they are stored
_MADE_OF = ("src", "notebooks", "book/claims.yml", f"book/{FILE}")  # what a curve is made from


def here() -> dict[str, str]:
    """Return the kind of processor and the versions that counts depend on, by name."""
    versions = fingerprint.versions("superpos", "torch")
    return {
        "processor": fingerprint.machine(),
        "superpos": versions["superpos"],
        "torch": versions["torch"],
    }


def compute(
    found: Sequence[State],
    root: Path,
    *,
    scheduler: str = "",
    say: Callable[[str], None] = print,
) -> None:
    """Compute the missing cells of some pools, and store each as it is finished.

    Parameters
    ----------
    found
        The pools.
    root
        The checkout, in whose ``book/robustness`` they are stored.
    scheduler
        Where cells are computed, each on one core: an address of `superpos.compute.executors`;
        ``""`` is this process.
    say
        Told of each finished cell, with the time left.

    Raises
    ------
    InvalidArgument
        If a process was killed: what was finished is stored.
    """
    progress = [_Progress(each, root) for each in found]
    waiting = [(each, job) for each in progress for job in each.state.missing]
    left, planned, took = sum(each.state.seconds for each in progress), 0.0, 0.0
    together = at_once(scheduler)

    def finish(each: _Progress, job: Job, found: Mapping[str, Any]) -> None:
        nonlocal left, planned, took
        one = each.state.seconds / len(each.state.missing)
        left, planned, took = left - one, planned + one, took + found["seconds"]
        each.keep(job, found)
        options = "; ".join(f"{factor} {option}" for factor, option in job.options.items())
        rest = duration(max(left, 0.0) * took / planned / together)
        say(
            f"{job.pool}: cell {job.number + 1} of {len(each.state.jobs)} ({options}) took "
            f"{found['seconds']:.0f} s; about {rest} left"
        )

    for (each, job), counted in measured(waiting, scheduler):
        finish(each, job, counted)


class _Progress:
    """A pool while its cells are computed."""

    def __init__(self, state: State, root: Path) -> None:
        self.state, self.book = state, root / "book"
        begins_anew = any(state.stale.values())
        self.cells: list[Mapping[str, Any] | None] = list(state.stored)
        if begins_anew:
            self.cells = [None] * len(state.jobs)
        self.made = [] if begins_anew else [dict(each) for each in state.made]
        self.here = {"commit": commit(root, *_MADE_OF), "python": code.PYTHON, **here()}

    def keep(self, job: Job, counted: Mapping[str, Any]) -> None:
        if self.here not in self.made:
            self.made.append(self.here)
        self.cells[job.number] = {
            "head": job.head(),
            "claims": counted["claims"],
            "made": self.made.index(self.here),
            "seconds": next((s for s in _SECONDS if counted["seconds"] <= s), _SECONDS[-1]),
        }
        curves.write(
            self.book,
            {
                "pool": job.pool,
                "keys": dict(self.state.keys),
                "made": self.made,
                "cells": [cell for cell in self.cells if cell is not None],
            },
        )


def listed(found: Sequence[State]) -> str:
    """Return the pools with their grids, what they cost and how far they are, as text."""
    lines = []
    for each in found:
        pool = each.pool
        whole = duration(pool.seconds * len(each.jobs))
        lines.append(each.told())
        lines.append(
            f"    {pool.chapter}: {len(each.jobs)} cells of about {pool.seconds:g} s, {whole} "
            "of one core"
        )
        for factor, options in pool.factors.items():
            lines.append(f"    {factor}: {' | '.join(options)}")
        for claim in pool.claims:
            lines.append(f"    {claim}: {pool.count(claim)} specifications")
            for name, values in pool.thresholds.get(claim, {}).items():
                lines.append(f"        {name}: {' | '.join(map(str, values))}")
    return "\n".join(lines)
