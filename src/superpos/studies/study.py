"""A study: the experiments of a chapter and the tests of its claims, wired by what they ask for.

An *experiment* is a function of explicit settings that returns labelled arrays (a dataset of
`superpos.sweep`). A *test* is a pure function from such arrays, and the thresholds that the
registry names for the claim, to one boolean a trial. Neither knows where its arguments come from:
as with a fixture of pytest, the name of a parameter says what it is.

==================================  ==============================================================
a name                              stands for
==================================  ==============================================================
of an experiment of the study       what that returns, computed once a run
of a parameter of the chapter       its value
``seeds``, ``seeds_sizes``, …       the seeds counted by ``n_seeds``, ``n_seeds_sizes``, …
``first_seed``                      the first of them: a retest with fresh seeds moves it
``procedure``                       how models are trained: a function that the study names
``outcome``                         what a claim's test found, by id: for drawings
of a threshold of the claim         its value; keyword-only, and of tests alone
==================================  ==============================================================

So the settings that a claim depends on are known without running anything, and the notebook,
``superpos retest`` and a specification curve all call the same two functions.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from superpos.claims.registry import load_registry, thresholds
from superpos.compute.executors import scheduler
from superpos.compute.sweeps import tensors
from superpos.errors import InvalidArgument

OURS = "ours"  # the procedure of the book
PUBLISHED = "published"  # that of a claim's source
FRESH = 10_000  # further on than a chapter's own seeds
_GIVEN = ("first_seed", "procedure", "outcome")  # by a run, whatever the chapter
_KEYWORD = inspect.Parameter.KEYWORD_ONLY


@dataclass(frozen=True)
class Outcome:
    """What a test found.

    Attributes
    ----------
    shown
        For each trial whether it shows the claim: booleans ``(trials,)``.
    weaker
        The same for the claim's weaker reading, where it has one.
    measured
        What else was measured, in words, by name.
    seen
        What was counted on the way, where a drawing shows it.
    at_rest
        Where the claim is one about models at rest: for each model whether it was, as
        `superpos.Trained.rest` tells. No verdict is given on others, but in quick runs.
    """

    shown: Tensor
    weaker: Tensor | None = None
    measured: Mapping[str, str] = field(default_factory=dict)
    seen: Any = None
    at_rest: Tensor | None = None


@dataclass(frozen=True)
class Way:
    """A way to train: what ``--procedure NAME`` chooses.

    Attributes
    ----------
    told
        In a sentence: optimiser, rate, steps, batch, initial values, models side by side.
    procedure
        What experiments are given as ``procedure``; they call it with what it asks for, usually
        ``(n, m, steps)``, and get a `superpos.Procedure`.
    settings
        Parameters of the chapter that go with it, say the number of steps.
    quick
        The same for quick retests; where silent, the chapter's own quick values hold.
    """

    told: str
    procedure: Callable[..., Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    quick: Mapping[str, Any] = field(default_factory=dict)


class Study:
    """The experiments and tests of one chapter.

    Parameters
    ----------
    chapter
        Its name.
    procedures
        The ways to train, by name. ``"ours"`` is the chapter's, ``"published"`` the source's.

    Examples
    --------
    >>> import torch
    >>> coins = Study("coins")
    >>> @coins.experiment
    ... def throws(seeds, chance):
    ...     drawn = [torch.rand((), generator=torch.Generator().manual_seed(s)) for s in seeds]
    ...     return {"heads": torch.stack(drawn) < chance}
    >>> @coins.test("heads-fall")
    ... def heads_fall(throws):
    ...     return Outcome(throws["heads"])
    >>> coins.parameters("heads-fall")
    ['n_seeds', 'chance']
    >>> coins.run({"n_seeds": 4, "chance": 0.9}).throws["heads"]
    tensor([True, True, True, True])
    """

    def __init__(self, chapter: str, procedures: Mapping[str, Way] | None = None) -> None:
        self.chapter = chapter
        self.procedures = dict(procedures or {})
        self.experiments: dict[str, Callable] = {}
        self.tests: dict[str, Callable] = {}
        self._own_procedures: dict[str, Mapping[str, Way]] = {}

    def experiment(self, function: Callable) -> Callable:
        """Make a function an experiment, under its own name."""
        self.experiments[function.__name__] = function
        return function

    def test(self, claim_id: str, **procedures: Way) -> Callable[[Callable], Callable]:
        """Make a function the test of a claim.

        Parameters
        ----------
        claim_id
            As in the registry.
        **procedures
            Ways to train that are this claim's own, where its source is another than the
            chapter's.
        """

        def add(function: Callable) -> Callable:
            self.tests[claim_id] = function
            self._own_procedures[claim_id] = procedures
            return function

        return add

    def test_of(self, claim_id: str) -> Callable:
        """Return the test of a claim.

        Raises
        ------
        InvalidArgument
            If the study has none.
        """
        if claim_id not in self.tests:
            raise InvalidArgument(f"the study {self.chapter} has no test of the claim {claim_id}")
        return self.tests[claim_id]

    def judge(self, claim_id: str, *found: Any) -> Outcome:
        """Return what a claim's test says of some arrays, by the registry's thresholds.

        For arrays that do not come from the chapter's own experiments: made by hand, or trained in
        another way.
        """
        return self.test_of(claim_id)(*found, **thresholds(claim_id))

    def ways(self, claim_id: str) -> dict[str, Way]:
        """Return the ways to train a claim's models, by name; none where nothing is trained."""
        if "procedure" not in self.needs(claim_id):
            return {}
        return {**self.procedures, **self._own_procedures[claim_id]}

    def command(self, claim_id: str) -> str:
        """Return the command that measures a claim again, as its source has it where that trains.

        Examples
        --------
        >>> from superpos.studies.retest import load_study
        >>> load_study("uniform_superposition").command("uniform-sticky")
        'superpos retest uniform-sticky --procedure published'
        >>> load_study("loss_anatomy").command("loss-L0")
        'superpos retest loss-L0'
        """
        published = f" --procedure {PUBLISHED}" if PUBLISHED in self.ways(claim_id) else ""
        return f"superpos retest {claim_id}{published}"

    def needs(self, claim_id: str) -> list[str]:
        """Return what a claim's test asks for, itself and through its experiments, but those."""
        return list(dict.fromkeys(self._needs(self.test_of(claim_id))))

    def parameters(self, claim_id: str) -> list[str]:
        """Return the parameters of the chapter that a claim depends on."""
        return [_parameter(name) for name in self.needs(claim_id) if name not in _GIVEN]

    def experiments_of(self, claim_id: str) -> list[Callable]:
        """Return the experiments that a claim's test needs, itself and through others."""
        found: dict[str, Callable] = {}
        waiting = [self.test_of(claim_id)]
        while waiting:
            for name in _asked(waiting.pop()):
                if name in self.experiments and name not in found:
                    found[name] = self.experiments[name]
                    waiting.append(found[name])
        return list(found.values())

    def _needs(self, function: Callable) -> Iterator[str]:
        for name in _asked(function):
            if name in self.experiments:
                yield from self._needs(self.experiments[name])
            else:
                yield name

    def run(
        self, settings: Mapping[str, Any], *, way: Way | None = None, first_seed: int = 0
    ) -> Run:
        """Return a run of this study: nothing is computed until it is asked for.

        Parameters
        ----------
        settings
            The values of the chapter's parameters, by name. What else it holds is left alone, so
            that a notebook may hand in its ``globals()``.
        way
            How models are trained; by default the one named ``ours``.
        first_seed
            From where seeds are counted.
        """
        way = way or self.procedures.get(OURS)
        procedure = None if way is None else way.procedure
        return Run(self, settings, procedure=procedure, first_seed=first_seed)


class Run:
    """A study with its settings. Its experiments are its attributes, computed when first used.

    Attributes
    ----------
    settings
        The values of the chapter's parameters, by name.
    """

    def __init__(
        self,
        study: Study,
        settings: Mapping[str, Any],
        *,
        procedure: Callable | None,
        first_seed: int,
    ) -> None:
        self.study, self.settings = study, settings
        self._procedure, self._first_seed = procedure, first_seed
        # before anything is computed: features keep what they have made of draws
        self._kept = {} if settings.get("quick") else _kept(study)
        self._found: dict[str, Any] = {}
        self._outcomes: dict[str, Outcome] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self.study.experiments:
            raise AttributeError(f"study {self.study.chapter} has no experiment {name!r}")
        if name not in self._found:
            found = self.call(self.study.experiments[name])
            self._found[name] = tensors(found) if hasattr(found, "data_vars") else found
        return self._found[name]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.study.experiments]

    def call(self, function: Callable, **thresholds: Any) -> Any:
        """Call a function with what its parameters name.

        Parameters
        ----------
        function
            An experiment, a test, a drawing: anything whose parameters are names of this run.
        **thresholds
            Values for its keyword-only parameters.

        Raises
        ------
        InvalidArgument
            If a parameter names nothing that this run has.
        """
        self.check(function)
        return function(*map(self._value, _asked(function)), **thresholds)

    def check(self, function: Callable) -> None:
        """Refuse a function that asks for what this run does not have, without calling it.

        Raises
        ------
        InvalidArgument
            Naming the function and what it asks for.
        """
        for name in _asked(function):
            known = name in self.study.experiments or name in _GIVEN
            if not known and _parameter(name) not in self.settings:
                raise InvalidArgument(
                    f"{function.__name__} of the study {self.study.chapter} asks for {name}, which "
                    "is neither an experiment nor a parameter of the chapter"
                )

    def outcome(self, claim_id: str) -> Outcome:
        """Measure a claim: run what its test needs, and put it to that test.

        Raises
        ------
        InvalidArgument
            If the test has a weaker reading and the registry none, or the other way round.
        """
        if claim_id not in self._outcomes:
            claim = load_registry()[claim_id]
            found = self.call(self.study.test_of(claim_id), **claim.thresholds)
            if (found.weaker is None) is not (claim.qualified is None):
                raise InvalidArgument(
                    f"the test of {claim_id} has {'no' if found.weaker is None else 'a'} weaker "
                    "reading, unlike the registry"
                )
            self._outcomes[claim_id] = found
        return self._outcomes[claim_id]

    def record(self, *claim_ids: str) -> None:
        """Measure claims and show their verdicts, which also puts them into the notebook."""
        from superpos.claims.verdicts import record

        quick = self.settings.get("quick", False)
        for claim_id in claim_ids:
            found = self.outcome(claim_id)
            record(
                claim_id,
                found.shown,
                weaker=found.weaker,
                measured=found.measured,
                at_rest=found.at_rest,
                quick=quick,
                command=self.study.command(claim_id),
                beside=self._kept.get(claim_id),
            )

    def show(self, drawing: Callable, name: str) -> None:
        """Show a figure or a table.

        Parameters
        ----------
        drawing
            A function of experiments and settings that returns what has a ``show`` method.
        name
            What the text refers to it by.
        """
        self.call(drawing).show(name=name)

    def show_claims(self) -> None:
        """Show the claims of the chapter, each linked to its verdict."""
        from superpos.claims.verdicts import show_claims

        show_claims(self.study.chapter)

    def show_deviations(self) -> None:
        """Show the settings that the sources of the chapter leave open."""
        from superpos.claims.verdicts import show_deviations

        show_deviations(self.study.chapter)

    def _value(self, name: str) -> Any:
        if name in self.study.experiments:
            return getattr(self, name)
        if name == "first_seed":
            return self._first_seed
        if name == "procedure":
            return self._procedure
        if name == "outcome":
            return self.outcome
        parameter = _parameter(name)
        value = self.settings[parameter]
        return value if name == parameter else range(self._first_seed, self._first_seed + value)


def _kept(study: Study) -> dict[str, Any]:
    """Return what was measured once of a study's claims, by id and kind."""
    from superpos.claims.registry import measured
    from superpos.studies import kept

    return {claim: kept.fresh(study, claim) for claim in study.tests if measured(claim)}


def fresh(seeds: range) -> range:
    """Return as many other seeds, for a test that was written when the outcome on these was known.

    Parameters
    ----------
    seeds
        A chapter's own, of which there are at most 10 000.

    Examples
    --------
    >>> fresh(range(3))
    range(10000, 10003)
    """
    return range(seeds.start + FRESH, seeds.stop + FRESH)


def on_cores() -> str:
    """Return where sweeps of many small pieces are computed: on all cores, or as a run is told."""
    return scheduler() or "processes"


def _asked(function: Callable) -> list[str]:
    """Return the names of a function's parameters, but those of keywords alone."""
    parameters = inspect.signature(function).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is not _KEYWORD]


def _parameter(name: str) -> str:
    """Return the chapter's parameter behind a name: seeds are counted by one.

    Examples
    --------
    >>> _parameter("seeds_sizes"), _parameter("n_hidden")
    ('n_seeds_sizes', 'n_hidden')
    """
    return f"n_{name}" if name == "seeds" or name.startswith("seeds_") else name
