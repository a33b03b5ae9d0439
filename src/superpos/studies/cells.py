"""The cells of specification curves: what each trains, and what is counted in it."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from superpos.book.chapters import Chapter, load_chapter
from superpos.book.parameters import unknown
from superpos.claims.registry import load_registry
from superpos.claims.specifications import Cell, Option, Pool, labels, reading
from superpos.compute.executors import connected
from superpos.compute.processes import on_one_core
from superpos.compute.settings import STORE, cores
from superpos.errors import Diverged, InvalidArgument
from superpos.studies.retest import load_study, way_of
from superpos.studies.study import OURS, Outcome, Study, Way

FIRST_SEED = 10_000  # from where seeds are counted: no chapter's reach so far


@dataclass(frozen=True)
class Job:
    """A cell with all that is needed to measure it, anywhere.

    Attributes
    ----------
    pool, number, chapter
        Of which pool, which of its cells, and whose study measures it.
    options
        What was chosen, in words, by factor.
    settings
        The parameters that its claims depend on, by name.
    way, fields, times
        How models are trained: by name, and what of the procedure is otherwise.
    detectors
        By claim, the combinations of thresholds.
    """

    pool: str
    number: int
    chapter: str
    options: Mapping[str, str]
    settings: Mapping[str, Any]
    way: str
    fields: Mapping[str, Any]
    times: Mapping[str, float]
    detectors: Mapping[str, Sequence[Mapping[str, float]]]

    def head(self) -> dict[str, Any]:
        """Return what tells it from other cells, as JSON knows it."""
        procedure = {"fields": dict(self.fields), "times": dict(self.times), "way": self.way}
        head = {
            "options": dict(self.options),
            "procedure": procedure,
            "settings": dict(self.settings),
        }
        return json.loads(json.dumps(head))

    def options_of(self) -> dict[str, list[dict[str, str]]]:
        """Return by claim the options that its combinations of thresholds are, in words."""
        return {claim: [labels(each) for each in found] for claim, found in self.detectors.items()}


def jobs(root: Path, pool: Pool) -> list[Job]:
    """Return the cells of a pool with their settings, checked.

    Raises
    ------
    InvalidArgument
        If the chapter, the study or its procedure has no place for what is asked.
    """
    study, chapter = load_study(pool.chapter), load_chapter(root, pool.chapter)
    for claim in pool.claims:
        needed = {*study.parameters(claim)}
        for factor, options in pool.factors.items():
            for option in options.values():
                _check_effect(study, claim, needed, factor, option)
    detectors = {claim: pool.detectors(claim) for claim in pool.claims}
    return [
        _job(study, chapter, pool, number, cell, detectors)
        for number, cell in enumerate(pool.cells())
    ]


def _check_effect(study: Study, claim: str, needed: set[str], factor: str, option: Option) -> None:
    """Refuse an option that changes nothing for a claim: its specifications would be copies."""
    for name in option.settings:
        if name not in needed:
            raise InvalidArgument(f"{factor} changes {name}, on which {claim} does not depend")
    trains = (*option.fields, *option.times, *([option.way] if option.way else []))
    if trains and not study.ways(claim):
        raise InvalidArgument(f"{factor} changes {trains[0]}, and nothing is trained for {claim}")


def _job(
    study: Study,
    chapter: Chapter,
    pool: Pool,
    number: int,
    cell: Cell,
    detectors: Mapping[str, Sequence[Mapping[str, float]]],
) -> Job:
    needed = {name for claim in pool.claims for name in study.parameters(claim)}
    parameters = {each.name: each for each in chapter.parameters if each.name in needed}
    name = cell.changes.way or OURS
    ways = [way_of(study, claim, name) for claim in pool.claims]
    if len({None if way is None else id(way.procedure) for way in ways}) > 1:
        raise InvalidArgument(f"{', '.join(pool.claims)} are trained in different ways")
    way = ways[0]
    chosen = {name: each.default for name, each in parameters.items()}
    if way is not None:
        chosen |= {name: value for name, value in way.settings.items() if name in parameters}
        changed(way, cell.changes.fields, cell.changes.times)
    for parameter, value in cell.changes.settings.items():
        if parameter not in parameters:
            raise InvalidArgument(unknown("parameter", parameter, parameters, owner="it"))
        chosen[parameter] = parameters[parameter].read(value)
    return Job(
        pool.name, number, pool.chapter, cell.options, chosen, "" if way is None else name,
        cell.changes.fields, cell.changes.times, detectors,
    )  # fmt: skip


def changed(way: Way, own: Mapping[str, Any], times: Mapping[str, float]) -> Way:
    """Return a way to train with some fields of its procedure otherwise.

    Parameters
    ----------
    way
        Whose ``procedure`` is a function that returns a `superpos.Procedure`; or an object with
        fields of its own, which are then meant where it has those.
    own
        Fields and their values.
    times
        Fields and factors on what they are.

    Raises
    ------
    InvalidArgument
        If neither has such a field, or a procedure no such value.

    Examples
    --------
    >>> from superpos import Procedure
    >>> way = Way("fast", Procedure.fast)
    >>> changed(way, {"cosine": False}, {"batch_size": 4}).procedure(5, 2).batch_size
    256
    """
    from superpos.training.procedures import Procedure

    of_procedure = {each.name for each in fields(Procedure)}
    of_way = {each.name for each in fields(way.procedure)} if is_dataclass(way.procedure) else set()
    for name in (*own, *times):
        if name not in of_procedure | of_way:
            raise InvalidArgument(unknown("field", name, sorted(of_procedure), owner="a procedure"))
    of_made = {name: value for name, value in own.items() if name not in of_way}
    Procedure(**of_made)  # refuses what no procedure can have
    return replace(way, procedure=_Changed.of(way.procedure, of_way, dict(own), dict(times)))


@dataclass(frozen=True)
class _Changed:
    """A procedure that gives another's, with some fields otherwise."""

    procedure: Callable[..., Any]
    own: Mapping[str, Any]
    times: Mapping[str, float]

    @staticmethod
    def of(procedure: Any, of_way: set[str], own: dict[str, Any], times: dict[str, float]) -> Any:
        inner = {name: tuple(v) if isinstance(v, list) else v for name, v in own.items()}
        outer = {name: inner.pop(name) for name in own if name in of_way}
        if outer:
            procedure = replace(procedure, **outer)
        if not inner and not times:
            return procedure
        return _Changed(procedure, inner, times)

    def __call__(self, *arguments: Any, **kind: Any) -> Any:
        made = self.procedure(*arguments, **kind)
        products = {name: getattr(made, name) * factor for name, factor in self.times.items()}
        whole = {
            name: round(value) if isinstance(getattr(made, name), int) else value
            for name, value in products.items()
        }
        return replace(made, **{**whole, **self.own})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("procedure", "own", "times"):
            raise AttributeError(name)
        return getattr(self.procedure, name)


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
        way = way_of(study, claim, job.way) if job.way else None
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
