"""Specification curves, computed: what ``superpos robustness`` runs.

A cell of a pool is a set of models that serves all claims of the pool: it is measured as
``superpos retest`` measures one claim, by a `Study`'s run, once for each combination of thresholds.
Finished cells are stored one by one, so that a run that is killed goes on where it was.

A curve counts while its *key* is unchanged. That covers what the claim's test, the experiments that
it uses and the way to train do, and everything of this package that they use, whatever that is
(`superpos.compute.content`: by content, so that a comment or a moved file changes nothing); the
thresholds of every claim that is named there, and the claim's own share. It does not cover the
versions of torch and of other packages, nor the machine: these stand beside the counts. It is read
from the bytecode, which differs between minor versions of Python. The settings of a cell are
compared themselves.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from superpos.book.parameters import unknown
from superpos.book.provenance import commit
from superpos.claims import curves
from superpos.claims.curves import Curve
from superpos.claims.registry import Claim, load_registry
from superpos.claims.specifications import FILE, Pool, load_pools
from superpos.compute import fingerprint
from superpos.compute.content import described
from superpos.errors import InvalidArgument
from superpos.project import find_root
from superpos.studies.cells import Job, at_once, jobs, measured
from superpos.studies.retest import load_study, way_of
from superpos.studies.study import OURS, Study

_SECONDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)  # as exact as they are stored
_MADE_OF = ("src", "notebooks", "book/claims.yml", f"book/{FILE}")  # what a curve is made from


@dataclass(frozen=True)
class State:
    """What is known of a pool: its cells, those that are stored and count, and keys.

    Attributes
    ----------
    pool, jobs
        The pool, and its cells.
    stored
        What is stored of each cell; None where that is nothing, or nothing that counts.
    keys
        The key that each claim has now, by its id.
    stale
        Why what is stored of a claim does not count, by its id; empty if it does.
    made
        Where the counts come from: versions, machine, commit.
    """

    pool: Pool
    jobs: Sequence[Job]
    stored: Sequence[Mapping[str, Any] | None]
    keys: Mapping[str, str]
    stale: Mapping[str, str]
    made: Sequence[Mapping[str, str]]

    @property
    def missing(self) -> list[Job]:
        """The cells that are to be computed: all if a claim is stale."""
        if any(self.stale.values()):
            return list(self.jobs)
        return [job for job, cell in zip(self.jobs, self.stored, strict=True) if cell is None]

    @property
    def seconds(self) -> float:
        """How long the missing cells take on one core: as stored ones took, or else as planned."""
        took = [cell["seconds"] for cell in self.stored if cell is not None]
        each = sum(took) / len(took) if took else self.pool.seconds
        return each * len(self.missing)

    def told(self) -> str:
        """Return in words how far it is."""
        if reasons := {claim: why for claim, why in self.stale.items() if why}:
            listed = "; ".join(f"{claim}: {why}" for claim, why in reasons.items())
            return f"{self.pool.name}  stale: {listed}"
        if missing := len(self.missing):
            whole = len(self.jobs)
            done = "missing" if missing == whole else f"missing: {missing} of {whole} cells"
            return f"{self.pool.name}  {done}, about {duration(self.seconds)} of one core"
        return f"{self.pool.name}  fresh"


def pools(root: Path) -> dict[str, Pool]:
    """Return the registered pools, each checked against the study that is to measure it.

    Raises
    ------
    InvalidArgument
        As `load_pools`; and naming the pool if a claim depends on none of what a factor changes, a
        parameter or a field has no such value, or claims are trained in different ways.
    """
    registry = load_registry(root / "book" / "claims.yml")
    found = load_pools(root / "book", registry)
    for pool in found.values():
        try:
            jobs(root, pool)
        except InvalidArgument as problem:
            raise InvalidArgument(f"{FILE}: pool {pool.name}: {problem}") from None
    return found


def key(study: Study, claim: Claim, pool: Pool) -> str:
    """Return the key of a claim's curve: see the top of this module.

    Raises
    ------
    InvalidArgument
        If something that the claim uses cannot be told from others.
    """
    names = {cell.changes.way or OURS for cell in pool.cells()}
    ways = {name: way_of(study, claim.id, name) for name in names if study.ways(claim.id)}
    procedures = [way.procedure for _, way in sorted(ways.items()) if way is not None]
    text = described((*study.functions(claim.id).values(), *procedures), anywhere=True)
    named = {
        other.id: dict(other.thresholds)
        for other in load_registry().values()
        if other.id == claim.id or f"'{other.id}'" in text
    }
    parts = {"code": text, "thresholds": named, "share": claim.share}
    return fingerprint.digest(json.dumps(parts, sort_keys=True))[:32]


def state(root: Path, pool: Pool) -> State:
    """Return what is known of a pool, its code read and its stored cells compared."""
    book, study, registry = root / "book", load_study(pool.chapter), load_registry()
    found, wanted = curves.read(book, pool.name), jobs(root, pool)
    keys = {claim: key(study, registry[claim], pool) for claim in pool.claims}
    stale = dict.fromkeys(pool.claims, "")
    if found["cells"]:
        for claim in pool.claims:
            if found["keys"].get(claim) != keys[claim]:
                stale[claim] = _why_stale(found["made"])
    by_head = {_text(cell["head"], _options(cell)): cell for cell in found["cells"]}
    stored = [by_head.pop(_text(job.head(), job.options_of()), None) for job in wanted]
    if by_head:  # what was registered differently does not count
        for claim in pool.claims:
            stale[claim] = stale[claim] or "its settings have changed"
    return State(pool, wanted, stored, keys, stale, found["made"])


def _text(*values: Any) -> str:
    return json.dumps(values, sort_keys=True)


def _options(cell: Mapping[str, Any]) -> dict[str, list[Mapping[str, str]]]:
    return {claim: [each["options"] for each in found] for claim, found in cell["claims"].items()}


def _why_stale(made: Sequence[Mapping[str, str]]) -> str:
    mine = _python()
    others = sorted({each["python"] for each in made} - {mine})
    if others:
        return f"computed with Python {', '.join(others)}, whose code {mine} cannot compare"
    return "its code, thresholds or share have changed"


def here() -> dict[str, str]:
    """Return the kind of processor and the versions that counts depend on, by name."""
    versions = fingerprint.versions("superpos", "torch")
    return {
        "processor": fingerprint.machine(),
        "superpos": versions["superpos"],
        "torch": versions["torch"],
    }


def _python() -> str:
    return ".".join(platform.python_version_tuple()[:2])


def states(root: Path, claims: Iterable[str] = ()) -> list[State]:
    """Return the state of every pool, or of those that serve some claims.

    Raises
    ------
    InvalidArgument
        If a claim has no registered grid.
    """
    found = pools(root)
    served = {claim: pool.name for pool in found.values() for claim in pool.claims}
    wanted = list(claims)
    for claim in wanted:
        if claim not in served:
            raise InvalidArgument(unknown("grid of the claim", claim, served, owner=FILE))
    names = {served[claim] for claim in wanted} or {*found}
    return [state(root, pool) for pool in found.values() if pool.name in names]


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
        self.here = {"commit": commit(root, *_MADE_OF), "python": _python(), **here()}

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


def curves_of(root: Path) -> dict[str, Curve]:
    """Return every complete curve by claim, in the order of the grids; what is stale says so."""
    found = {}
    for each in states(root):
        stored = curves.read(root / "book", each.pool.name)["cells"]
        factors = list(each.pool.factors)
        for claim in each.pool.claims:
            stale = each.stale[claim]
            if stored and (stale or len(stored) == len(each.jobs)):
                share, name = load_registry()[claim].share, each.pool.name
                found[claim] = curves.curve_of(claim, share, name, factors, stored, stale)
    return found


def curve(claim_id: str, root: Path | None = None) -> Curve | None:
    """Return a claim's specification curve, or None where none has been computed.

    Parameters
    ----------
    claim_id
        As in the registry.
    root
        The checkout; by default the one that is worked in.

    Notes
    -----
    A specification holds by the registry's rule applied to its trials: the rate itself, not an
    end of its interval, lies above the claim's ``share``. Where there is nothing to count, as where
    no model fails, it does not hold. A curve that is ``stale`` counts as missing.
    """
    return curves_of(find_root() if root is None else root).get(claim_id)


def duration(seconds: float) -> str:
    """Return a time in words.

    Examples
    --------
    >>> duration(42), duration(700), duration(9000)
    ('42 s', '12 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


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
