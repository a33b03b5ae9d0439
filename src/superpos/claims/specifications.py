"""The registered grids of specification curves, ``book/specifications.yml``.

A claim that training decides is measured under every combination of what a reasonable person could
have chosen. What is combined is written down before any of it is run, and none is dropped
afterwards (Simonsohn, Simmons and Nelson 2020, "Specification curve analysis").
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from superpos.claims.registry import Claim, in_words
from superpos.compute import yamls
from superpos.errors import InvalidArgument

FILE = "specifications.yml"  # in the book's folder
LEAST = 24  # specifications of a claim
BEST_OF = "best_of"  # beside a claim's thresholds: of how many runs the best one counts
_TRIES = "tries"  # the threshold by which a weaker reading is that of the best of some runs
_REQUIRED = {"pool", "chapter", "claims", "why", "seconds", "settings", "factors"}
_OPTIONAL = {"fraction", "thresholds", "amendments"}
_PROCEDURE, _TIMES = "procedure.", "times."  # how changes of the way to train begin
_WAY = "way"
OURS = "ours"  # the way to train that is the book's


@dataclass(frozen=True)
class Option:
    """One thing that could have been chosen, and what it changes.

    Attributes
    ----------
    settings
        Parameters of the chapter, by name.
    fields, times
        Fields of the procedure, by name: their values, and factors on them.
    way
        The way to train; empty where that is left to others.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    times: Mapping[str, float] = field(default_factory=dict)
    way: str = ""

    @staticmethod
    def of(changes: Mapping[str, Any]) -> Option:
        """Return the option that a registry's line describes.

        Examples
        --------
        >>> Option.of({"density": 0.1, "times.initial_scale": 3}).times
        {'initial_scale': 3}
        """

        def beginning(text: str) -> dict[str, Any]:
            return {k.removeprefix(text): v for k, v in changes.items() if k.startswith(text)}

        others = {name: value for name, value in changes.items() if "." not in name}
        way = others.pop(_WAY, "")
        return Option(others, beginning(_PROCEDURE), beginning(_TIMES), way)

    def __or__(self, other: Option) -> Option:
        """Return both together; what the other says counts."""
        return Option(
            {**self.settings, **other.settings},
            {**self.fields, **other.fields},
            {**self.times, **other.times},
            other.way or self.way,
        )


@dataclass(frozen=True)
class Cell:
    """A combination of options: models that are trained once, for all claims of its pool."""

    options: Mapping[str, str]  # by factor
    changes: Option


@dataclass(frozen=True)
class Pool:
    """Models that serve some claims of one chapter, in all combinations of some factors.

    Attributes
    ----------
    name, chapter, claims
        Its name, the chapter whose study measures it, and the claims that it decides.
    why
        Why these factors and options, in a sentence or two.
    seconds
        How long a cell is planned to take on one core.
    settings
        What all cells have in common: fewer seeds and smaller sizes than the book.
    factors
        By name, options by label.
    fraction
        Of the combinations those are kept whose numbers of options (from 0) add up to a multiple
        of it; 1 keeps all.
    thresholds
        By claim and name: the values that a threshold of its test is given. They need no models.
    amendments
        What was changed after it was registered, when, and why.
    """

    name: str
    chapter: str
    claims: tuple[str, ...]
    why: str
    seconds: float
    settings: Mapping[str, Any]
    factors: Mapping[str, Mapping[str, Option]]
    fraction: int
    thresholds: Mapping[str, Mapping[str, tuple[float, ...]]]
    amendments: tuple[str, ...] = ()

    def cells(self) -> list[Cell]:
        """Return what is to be trained, in order."""
        common = Option(settings=self.settings)
        found = []
        for chosen in itertools.product(*(enumerate(o.items()) for o in self.factors.values())):
            if sum(number for number, _ in chosen) % self.fraction:
                continue
            changes = common
            for _, (_, option) in chosen:
                changes |= option
            labels = (label for _, (label, _) in chosen)
            found.append(Cell(dict(zip(self.factors, labels, strict=True)), changes))
        return found

    def detectors(self, claim_id: str) -> list[dict[str, float]]:
        """Return the combinations of thresholds that a claim is judged by, in order.

        Examples
        --------
        >>> pool = Pool("a", "b", ("c",), "", 1, {}, {}, 1, {"c": {"kept": (0.25, 0.5)}})
        >>> pool.detectors("c"), pool.detectors("d")
        ([{'kept': 0.25}, {'kept': 0.5}], [{}])
        """
        varied = self.thresholds.get(claim_id, {})
        return [dict(zip(varied, v, strict=True)) for v in itertools.product(*varied.values())]

    def count(self, claim_id: str) -> int:
        """Return how many specifications a claim has."""
        return len(self.cells()) * len(self.detectors(claim_id))


def labels(detector: Mapping[str, float]) -> dict[str, str]:
    """Return the options that a combination of thresholds stands for, in words, by factor.

    Examples
    --------
    >>> labels({"kept": 0.25, "best_of": 10}), labels({"best_of": 1})
    ({'kept': '0.25', 'what counts': 'the best of ten runs'}, {'what counts': 'each run'})
    """
    told = {name: in_words(value) for name, value in detector.items() if name != BEST_OF}
    if BEST_OF in detector:
        k = detector[BEST_OF]
        told["what counts"] = "each run" if k == 1 else f"the best of {in_words(k, 'word')} runs"
    return told


def reading(detector: Mapping[str, float]) -> tuple[dict[str, float], bool]:
    """Return the thresholds that a test is given, and whether the best of some runs counts.

    Examples
    --------
    >>> reading({"kept": 0.25, "best_of": 5}), reading({"best_of": 1})
    (({'kept': 0.25, 'tries': 5}, True), ({}, False))
    """
    own = {name: value for name, value in detector.items() if name != BEST_OF}
    best = detector.get(BEST_OF, 1)
    return (own | {_TRIES: best}, True) if best > 1 else (own, False)


def load_pools(book: Path, registry: Mapping[str, Claim]) -> dict[str, Pool]:
    """Return the registered pools by name, in the file's order; none where there is no file.

    Parameters
    ----------
    book
        The folder of ``specifications.yml``.
    registry
        The claims, by id.

    Raises
    ------
    InvalidArgument
        Naming the pool and what is wrong with it: a field that is missing or unknown, an unknown
        claim or threshold, a threshold outside its stated range, fewer specifications of a claim
        than `LEAST`, a claim in two pools, a fraction that is not balanced.
    """
    path = book / FILE
    if not path.exists():
        return {}
    try:
        entries = yamls.load(path.read_text("utf-8")) or []
    except yaml.YAMLError as problem:
        raise InvalidArgument(f"{FILE} is not valid YAML: {problem}") from None
    if not isinstance(entries, list):
        raise InvalidArgument(f"{FILE}: a list of pools is needed")
    pools: dict[str, Pool] = {}
    for entry in entries:
        pool = _read(entry, registry)
        if pool.name in pools:
            raise InvalidArgument(f"{FILE}: pool {pool.name} is there twice")
        for other in pools.values():
            if both := {*pool.claims} & {*other.claims}:
                raise InvalidArgument(
                    f"{FILE}: {', '.join(sorted(both))} is in two pools, {other.name} and "
                    f"{pool.name}: a claim has one curve"
                )
        pools[pool.name] = pool
    return pools


def _read(entry: Any, registry: Mapping[str, Claim]) -> Pool:
    if not isinstance(entry, dict) or not isinstance(entry.get("pool"), str):
        raise InvalidArgument(f"{FILE}: {entry!r} is no pool: it needs a name under `pool`")
    where = f"{FILE}: pool {entry['pool']}"
    if missing := _REQUIRED - entry.keys():
        raise InvalidArgument(f"{where} lacks {', '.join(sorted(missing))}")
    if unknown := entry.keys() - _REQUIRED - _OPTIONAL:
        raise InvalidArgument(f"{where} has unknown fields: {', '.join(map(str, unknown))}")
    seconds, fraction = entry["seconds"], entry.get("fraction", 1)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise InvalidArgument(f"{where} has {seconds!r} seconds: a number above 0 is needed")
    if isinstance(fraction, bool) or not isinstance(fraction, int) or fraction < 1:
        raise InvalidArgument(f"{where} has a fraction of {fraction!r}: a whole number is needed")
    claims = tuple(entry["claims"]) if isinstance(entry["claims"], list) else ()
    for claim in claims:
        if claim not in registry:
            raise InvalidArgument(f"{where} decides {claim}, which claims.yml does not register")
        if registry[claim].chapter != entry["chapter"]:
            raise InvalidArgument(
                f"{where} is of the chapter {entry['chapter']}, and {claim} is of "
                f"{registry[claim].chapter}"
            )
    if not claims or len({*claims}) < len(claims):
        raise InvalidArgument(f"{where} has the claims {entry['claims']!r}: a list is needed")
    pool = Pool(
        name=entry["pool"],
        chapter=entry["chapter"],
        claims=claims,
        why=str(entry["why"]).strip(),
        seconds=float(seconds),
        settings=MappingProxyType(_mapping(entry["settings"], where, "settings")),
        factors=_factors(entry["factors"], where),
        fraction=fraction,
        thresholds={
            claim: _thresholds(claim, varied, registry, claims, where)
            for claim, varied in _mapping(entry.get("thresholds", {}), where, "thresholds").items()
        },
        amendments=_texts(entry.get("amendments", []), where),
    )
    for claim, varied in pool.thresholds.items():
        told = labels({name: 1.0 for name in varied})
        if both := told.keys() & pool.factors.keys():
            raise InvalidArgument(
                f"{where} has a factor {both.pop()}, which is a threshold of {claim}, too"
            )
    _check_fraction(pool, where)
    for claim in claims:
        if pool.count(claim) < LEAST:
            raise InvalidArgument(
                f"{where} has {pool.count(claim)} specifications of {claim}: at least {LEAST} "
                "are needed"
            )
    return pool


def _mapping(value: Any, where: str, name: str) -> dict:
    if not isinstance(value, dict):
        raise InvalidArgument(f"{where} has {value!r} for {name}: names with values are needed")
    return value


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) and text for text in value):
        raise InvalidArgument(f"{where} has amendments {value!r}: a list of texts is needed")
    return tuple(text.strip() for text in value)


def _factors(entry: Any, where: str) -> dict[str, dict[str, Option]]:
    found = {}
    for factor, options in _mapping(entry, where, "factors").items():
        if not isinstance(options, dict) or len(options) < 2:
            raise InvalidArgument(f"{where}: {factor} needs two options or more, by their labels")
        found[str(factor)] = {
            str(label): Option.of(_changes(changes, f"{where}: {factor}, {label}"))
            for label, changes in options.items()
        }
    used = [set(_names(options.values())) for options in found.values()]
    for one, other in itertools.combinations(used, 2):
        if both := one & other:
            raise InvalidArgument(
                f"{where}: {', '.join(sorted(both))} is changed by two factors, of which one would "
                "have no effect"
            )
    return found


def _names(options: Sequence[Option] | Any) -> list[str]:
    found: list[str] = []
    for option in options:
        found += [*option.settings, *option.fields, *option.times]
        found += [_WAY] if option.way else []
    return found


def _changes(changes: Any, where: str) -> dict[str, Any]:
    for name, value in _mapping(changes, where, "its changes").items():
        known = "." not in str(name) or str(name).startswith((_PROCEDURE, _TIMES))
        if not known:
            raise InvalidArgument(
                f"{where} changes {name}: the name of a parameter, {_WAY}, {_PROCEDURE}FIELD or "
                f"{_TIMES}FIELD is needed"
            )
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if str(name).startswith(_TIMES) and not (is_number and value > 0):
            raise InvalidArgument(f"{where}: {name} is {value!r}: a factor above 0 is needed")
        if name == _WAY and not isinstance(value, str):
            raise InvalidArgument(f"{where}: {_WAY} is {value!r}: a name is needed")
    return changes


def _thresholds(
    claim: str, varied: Any, registry: Mapping[str, Claim], claims: Sequence[str], where: str
) -> dict[str, tuple[float, ...]]:
    """Return the values of a claim's thresholds, each within the range that is stated for it."""
    if claim not in claims:
        raise InvalidArgument(f"{where} has thresholds of {claim}, which it does not decide")
    known = registry[claim].thresholds
    found = {}
    for name, entry in _mapping(varied, where, f"thresholds of {claim}").items():
        here = f"{where}: {name} of {claim}"
        if name == BEST_OF:
            registered = 1  # each run by itself
            is_there = _TRIES in known
        else:
            is_there = name in known
            registered = known.get(name)
        if not is_there:
            raise InvalidArgument(f"{here} is no threshold of it; known: {', '.join(known)}")
        if not isinstance(entry, dict) or entry.keys() != {"values", "range"}:
            raise InvalidArgument(f"{here}: `values` and the `range` they are from are needed")
        values, (low, high) = entry["values"], _range(entry["range"], here)
        if not isinstance(values, list) or len({*values}) < 2:
            raise InvalidArgument(f"{here} has the values {values!r}: two or more are needed")
        for value in (*values, registered):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise InvalidArgument(f"{here} is {value!r}: a number is needed")
            if not low <= value <= high:
                raise InvalidArgument(f"{here} is {value}, outside of its range, {low} to {high}")
        if registered not in values:
            raise InvalidArgument(f"{here} lacks the registered value, {registered}")
        found[name] = tuple(values)
    return found


def _range(entry: Any, here: str) -> tuple[float, float]:
    numbers = isinstance(entry, list) and all(isinstance(end, int | float) for end in entry)
    if not numbers or len(entry) != 2 or not entry[0] < entry[1]:
        raise InvalidArgument(f"{here} has the range {entry!r}: its two ends are needed")
    return entry[0], entry[1]


def _check_fraction(pool: Pool, where: str) -> None:
    """Refuse a fraction in which some option would be met more often than another."""
    if pool.fraction == 1:
        return
    whole = [name for name, o in pool.factors.items() if len(o) % pool.fraction == 0]
    if len(whole) < 2:
        raise InvalidArgument(
            f"{where} keeps one combination in {pool.fraction}: that is balanced only where two "
            f"factors or more have a multiple of {pool.fraction} options"
        )
