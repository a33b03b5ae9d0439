"""The cells of specification curves, measured."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any

from superpos.claims.registry import load_registry
from superpos.claims.specifications import labels, reading
from superpos.compute.executors import connected
from superpos.compute.processes import on_one_core
from superpos.compute.settings import STORE, cores
from superpos.errors import Diverged, InvalidArgument
from superpos.studies.grids import Job, changed
from superpos.studies.retest import load_study
from superpos.studies.study import Outcome

FIRST_SEED = 40_000  # from where seeds are counted: no chapter's reach so far


def measure(job: Job, store: str | None = None) -> dict[str, Any]:
    """Measure a cell on one core: return what is counted for each claim, and the seconds.

    Parameters
    ----------
    job
        The cell.
    store
        Where sweeps keep their pieces; by default where the book's do, or as the environment says.
    """
    study = load_study(job.chapter)
    found: dict[str, list[dict[str, Any]]] = {}
    begin = time.thread_time()  # of this core: others may be at work on it
    with on_one_core(), _environment(STORE, store):
        claim, *_ = job.detectors
        way = study.way(claim, job.way) if job.way else None
        if way is not None:
            way = changed(way, job.fields, job.times)
        run = study.run({**job.settings, "quick": False}, way=way, first_seed=FIRST_SEED)
        for claim, detectors in job.detectors.items():
            found[claim] = []
            for detector in detectors:
                thresholds, best = reading(detector)
                counted = _counted(partial(run.outcome, claim, **thresholds), claim, best=best)
                found[claim].append({"options": labels(detector), **counted})
    return {"claims": found, "seconds": time.thread_time() - begin}


def _counted(outcome: Callable[[], Outcome], claim_id: str, *, best: bool) -> dict[str, Any]:
    """Return the counts of an outcome, or why there are none: that does not hold either."""
    try:
        found = outcome()
    except (InvalidArgument, Diverged) as problem:
        return {"holds": False, "of": 0, "shown": 0, "why": str(problem)}
    shown = found.weaker if best else found.shown
    if shown is None:
        raise InvalidArgument(f"{claim_id} has no weaker reading: no best of some runs")
    if not len(shown):
        return {"holds": False, "of": 0, "shown": 0, "why": "there is no trial to count"}
    count, share = int(shown.sum()), load_registry()[claim_id].share
    counted = {"holds": count / len(shown) > share, "of": len(shown), "shown": count}
    if found.weaker is not None and not best:
        counted |= {"weaker": int(found.weaker.sum()), "weaker_of": len(found.weaker)}
    return counted


@contextlib.contextmanager
def _environment(name: str, value: str | None) -> Iterator[None]:
    before = os.environ.get(name)
    if value is None:
        yield
        return
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


def at_once(scheduler: str) -> int:
    """Return how many cells are computed at a time, as far as that is known."""
    kind, _, number = scheduler.partition(":")
    if kind == "processes":
        return int(number) if number else cores()
    return 1


def measured(
    waiting: Sequence[tuple[Any, Job]], scheduler: str, store: str | None = None
) -> Iterator[tuple[tuple[Any, Job], dict[str, Any]]]:
    """Yield cells with what was measured, as they are finished.

    Parameters
    ----------
    waiting
        The cells, each with what it belongs to.
    scheduler
        Where: an address of `superpos.compute.executors`; ``""`` is this process, in turn.
    store
        As for `measure`.

    Raises
    ------
    InvalidArgument
        If a process was killed.
    """
    if not waiting:
        return
    if not scheduler:
        for asked in waiting:
            yield asked, measure(asked[1], store)
        return
    with connected(scheduler) as executor:
        tasks = {executor.submit(measure, asked[1], store): asked for asked in waiting}
        try:
            for task in as_completed(tasks):
                yield tasks[task], task.result()
        except BrokenProcessPool:
            raise InvalidArgument(
                "a process was killed; is there enough memory? What was finished is stored: run "
                "it again"
            ) from None
        finally:
            for task in tasks:
                task.cancel()
