"""The registered grids of specification curves: what their cells are, which are stored and count.

A cell of a pool is a set of models that serves all claims of the pool: it is measured as
``superpos retest`` measures one claim, by a `Study`'s run, once for each combination of thresholds.

A curve counts while its *key* is unchanged: all the code that measures the claim
(`superpos.studies.code`), and its share. The key does not cover the versions of torch and of other
packages, nor the machine: these stand beside the counts. The settings of a cell are compared
themselves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from superpos.book.chapters import Chapter, load_chapter
from superpos.book.parameters import unknown
from superpos.claims import curves
from superpos.claims.curves import Curve
from superpos.claims.registry import Claim, load_registry
from superpos.claims.specifications import FILE, OURS, Cell, Option, Pool, labels, load_pools
from superpos.compute import fingerprint
from superpos.errors import InvalidArgument
from superpos.studies import code

if TYPE_CHECKING:
    from superpos.studies.study import Study, Way

StudyOf = Callable[[str], "Study"]  # of a chapter: `superpos.studies.retest.load_study`


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


def jobs(root: Path, pool: Pool, study: Study) -> list[Job]:
    """Return the cells of a pool of a study with their settings, checked.

    Raises
    ------
    InvalidArgument
        If the chapter, the study or its procedure has no place for what is asked.
    """
    chapter = load_chapter(root, pool.chapter)
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
    ways = [study.way(claim, name) for claim in pool.claims]
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
    >>> from superpos.studies.study import Way
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
        others = [each for each in _pythons(self.made) if not code.is_of_this_python(each)]
        if others:
            told = f"as far as code of Python {', '.join(others)} can be compared"
            return f"{self.pool.name}  fresh, {told}"
        return f"{self.pool.name}  fresh"


def pools(root: Path, study_of: StudyOf, chapter: str = "") -> dict[str, Pool]:
    """Return the registered pools, or a chapter's, each checked against the study that measures it.

    Raises
    ------
    InvalidArgument
        As `load_pools`; and naming the pool if a claim depends on none of what a factor changes, a
        parameter or a field has no such value, or claims are trained in different ways.
    """
    registry = load_registry(root / "book" / "claims.yml")
    found = load_pools(root / "book", registry)
    if chapter:
        found = {name: pool for name, pool in found.items() if pool.chapter == chapter}
    for pool in found.values():
        try:
            jobs(root, pool, study_of(pool.chapter))
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
    ways = {name: study.way(claim.id, name) for name in names if study.ways(claim.id)}
    procedures = [way.procedure for _, way in sorted(ways.items()) if way is not None]
    return fingerprint.digest(f"{code.of(study, claim.id, procedures)} {claim.share}")[:32]


def state(root: Path, pool: Pool, study: Study) -> State:
    """Return what is known of a pool, its code read and its stored cells compared."""
    book, registry = root / "book", load_registry()
    found, wanted = curves.read(book, pool.name), jobs(root, pool, study)
    keys = {claim: key(study, registry[claim], pool) for claim in pool.claims}
    stale = dict.fromkeys(pool.claims, "")
    if found["cells"]:
        for claim in pool.claims:
            comparable = all(map(code.is_of_this_python, _pythons(found["made"])))
            if comparable and found["keys"].get(claim) != keys[claim]:
                stale[claim] = "its code, thresholds or share have changed"
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


def _pythons(made: Sequence[Mapping[str, str]]) -> list[str]:
    return sorted({each["python"] for each in made})


def states(
    root: Path, study_of: StudyOf, claims: Iterable[str] = (), *, chapter: str = ""
) -> list[State]:
    """Return the state of every pool, or of those that serve some claims or a chapter.

    Raises
    ------
    InvalidArgument
        If a claim has no registered grid.
    """
    found = pools(root, study_of, chapter)
    served = {claim: pool.name for pool in found.values() for claim in pool.claims}
    wanted = list(claims)
    for claim in wanted:
        if claim not in served:
            raise InvalidArgument(unknown("grid of the claim", claim, served, owner=FILE))
    names = {served[claim] for claim in wanted} or {*found}
    chosen = [pool for pool in found.values() if pool.name in names]
    return [state(root, pool, study_of(pool.chapter)) for pool in chosen]


def curves_of(root: Path, study_of: StudyOf, chapter: str = "") -> dict[str, Curve]:
    """Return every complete curve by claim, or those of a chapter; what is stale says so.

    A specification holds by the registry's mark: the rate of its trials, not an end of an interval,
    lies above the claim's ``share``. Where there is nothing to count, as where no model fails, it
    does not hold.
    """
    found = {}
    for each in states(root, study_of, chapter=chapter):
        stored = curves.read(root / "book", each.pool.name)["cells"]
        factors = list(each.pool.factors)
        for claim in each.pool.claims:
            stale = each.stale[claim]
            if stored and (stale or len(stored) == len(each.jobs)):
                share, name = load_registry()[claim].share, each.pool.name
                found[claim] = curves.curve_of(claim, share, name, factors, stored, stale)
    return found


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
