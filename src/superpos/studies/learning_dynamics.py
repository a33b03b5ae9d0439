"""Learning dynamics: the course of training, recorded: energy levels, plateaus, an octahedron.

Elhage et al. 2022, "Superposition and Learning Dynamics".
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from superpos import geometry, losses, sweep, train
from superpos.claims import rate
from superpos.compute.sweeps import tensors
from superpos.features import CorrelatedSets, IndependentFeatures
from superpos.learning import dynamics
from superpos.stats import best_of_each
from superpos.studies.study import Outcome, Study, Way, fresh
from superpos.studies.ways import elhage_notebook
from superpos.training.procedures import PUBLISHED, Procedure, published

SET = 3  # features in each of the two sets, and dimensions
LONGER = (0.05, 0.1)  # windows in which jumps are looked for as well
RECORDS = 200  # of the uniform model: spans between its records
CLIMB = (0.3, 0.45)  # between which D_i the climb of a feature to 1/2 is timed
LEVELS = (0.0, 0.5)  # of D_i, where models end in digons
ARRAY = 10  # models in one array of the authors' notebook


def ours(n: int, m: int, steps: int, **changes) -> Procedure:
    """The published procedure on 64 inputs a step, which tell as much as its 1024 do.

    Each output's own input is integrated where features are independent; where they are not, no
    input is silent, and the silent one is counted exactly.
    """
    few = {"steps": steps, "batch_size": 64, "integrate": True, "skip_silent": True}
    return replace(PUBLISHED, **{**few, **changes})


study = Study(
    "learning_dynamics",
    {
        "ours": Way(
            "AdamW at a constant 0.001 with weight decay 0.01, 64 inputs a step, each output's own "
            "input integrated or the silent input counted exactly",
            ours,
        ),
        "published": elhage_notebook(
            "an array of 10 models, biases 0 (the authors' notebook; this section of the source "
            "says neither how long it trains nor how many models)",
            10,
            {"steps": None},
        ),
    },
)


def from_the_notebook(how: Procedure, n: int, m: int, *, factor: float = 1.0) -> Procedure:
    """A procedure from the initial values of the authors' notebook, times a factor."""
    scale = published(n, m, instances=ARRAY).initial_scale
    return replace(how, initial_scale=factor * scale)


def uniform_models(inverse_probability, *, seeds, procedure, device="cpu"):
    """Record D_i of 100 features in 20 dimensions, and the loss on held-out inputs.

    The procedure takes a multiple of 200 steps.
    """
    p = 1 / inverse_probability
    kept = range(0, procedure.steps + 1, procedure.steps // RECORDS)

    def experiment(seed):
        features = IndependentFeatures(100, p)
        run = train(features, 20, seeds=seed, procedure=procedure, snapshots=kept, device=device)
        W, b = (run.trajectory[name].transpose(0, 1) for name in ("W", "b"))
        loss = [
            losses.expected_loss(*model, p, samples=400, seed=0)[0]
            for model in zip(W, b, strict=True)
        ]
        D = geometry.feature_dimensionality(W)
        return {"D": (["record", "feature"], D), "loss": (["record"], torch.stack(loss))}

    return sweep(experiment, {"seed": seeds}, cells_at_once=10)


@study.experiment
def uniform(inverse_probability, steps, seeds_energy, procedure, device):
    """The uniform model: D is (seed, record, feature), the loss (seed, record)."""
    at = {"seeds": seeds_energy, "procedure": procedure(100, 20, steps), "device": device}
    return uniform_models(inverse_probability, **at)


@study.experiment
def uniform_others(inverse_probability, steps, seeds_energy, procedure, device):
    """Other runs of the uniform model, from the notebook's initial values."""
    how = from_the_notebook(procedure(100, 20, steps), 100, 20)
    seeds = fresh(seeds_energy)[: max(2, len(seeds_energy) // 5)]
    return uniform_models(inverse_probability, seeds=seeds, procedure=how, device=device)


@study.experiment
def uniform_faster(inverse_probability, steps, seeds_energy, procedure, device):
    """Still others, at three times the rate."""
    how = from_the_notebook(procedure(100, 20, steps), 100, 20)
    how = replace(how, learning_rate=3 * how.learning_rate)
    seeds = fresh(fresh(seeds_energy))[: max(2, len(seeds_energy) // 5)]
    return uniform_models(inverse_probability, seeds=seeds, procedure=how, device=device)


@study.experiment
def uniform_variants(inverse_probability, steps, seeds_energy, device):
    """The same at a larger rate, and with larger batches."""
    faster, steadier = {"learning_rate": 0.003}, {"batch_size": 256}
    cases = {
        "rate × 3": (faster, max(2, len(seeds_energy) // 12)),
        "batch × 4": (steadier, 2),
    }
    found = {}
    for name, (change, count) in cases.items():
        at = {"seeds": seeds_energy[:count], "procedure": ours(100, 20, steps, **change)}
        found[name] = tensors(uniform_models(inverse_probability, **at, device=device))
    return found


def pairs_of_sets(density, *, seeds, procedure, device="cpu"):
    """Record two correlated sets of three features in three dimensions, and their loss.

    The procedure takes a multiple of 100 steps.
    """
    kept = range(0, procedure.steps + 1, procedure.steps // 100)

    def experiment(seed):
        features = CorrelatedSets(2, SET, density)
        run = train(features, SET, seeds=seed, procedure=procedure, snapshots=kept, device=device)
        W, b = (run.trajectory[name].transpose(0, 1) for name in ("W", "b"))
        loss = losses.common_loss(W, b, features, samples=2048, seed=0)
        axes = ["record", "dimension", "feature"]
        return {"W": (axes, W), "b": (axes[::2], b), "loss": (axes[:1], loss)}

    return sweep(experiment, {"seed": seeds}, cells_at_once=250)


@study.experiment
def triples(density, steps, seeds, procedure, device):
    """Two sets of three: W is (seed, record, dimension, feature), the loss (seed, record)."""
    at = {"seeds": seeds, "procedure": procedure(2 * SET, SET, steps), "device": device}
    return pairs_of_sets(density, **at)


@study.experiment
def triples_others(density, steps, seeds, procedure, device):
    """Other runs from the notebook's initial values, and from a tenth of these."""
    found = []
    for factor, share in ((1.0, 5), (0.1, 20)):  # what hardly ever occurs takes more runs
        how = from_the_notebook(procedure(2 * SET, SET, steps), 2 * SET, SET, factor=factor)
        some = fresh(seeds)[: max(2, len(seeds) // share)]
        found.append(tensors(pairs_of_sets(density, seeds=some, procedure=how, device=device)))
    return found


@study.experiment
def small_triples(density, steps, seeds_variants, procedure, device):
    """The same from initial values a tenth as large."""
    usual = procedure(2 * SET, SET, steps)
    smaller = replace(usual, initial_scale=0.1 * usual.initial_scale)
    first, count = seeds_variants[0], 2 * len(seeds_variants)
    return pairs_of_sets(
        density, seeds=range(first, first + count), procedure=smaller, device=device
    )


@study.experiment
def triple_variants(density, steps, seeds_variants, device):
    """The same with larger batches, at other densities, and from smaller values at one."""
    cases = {
        "batch × 4": (density, {"batch_size": 256}),
        "p = 0.01": (0.01, {}),
        "p = 0.1": (0.1, {}),
        "p = 0.3": (0.3, {}),
        "p = 0.1, initial values ÷ 10": (0.1, {"initial_scale": 0.1}),
    }
    found = {}
    for name, (p, change) in cases.items():
        at = {"seeds": seeds_variants, "procedure": ours(2 * SET, SET, steps, **change)}
        found[name] = tensors(pairs_of_sets(p, **at, device=device))
    return found


# Jumps


def jumps_of(models, *, window: float, least: float, after: float) -> list[list[dynamics.Jump]]:
    """The jumps of each run."""
    pairs = zip(models.D, models.loss, strict=True)
    return [dynamics.jumps(D, loss, window=window, least=least, after=after) for D, loss in pairs]


def largest_change(D: Tensor, *, window: float, after: float) -> Tensor:
    """The largest change of a D_i within a window, for each run.

    D is ``(seeds, records, features)``, the window a share of training, of which a share ``after``
    goes by first.

    >>> D = torch.tensor([0.0] * 30 + [0.5] * 71)[None, :, None]
    >>> largest_change(D, window=0.02, after=0.1), largest_change(D, window=0.02, after=0.5)
    (tensor([0.5000]), tensor([0.]))
    """
    spans = D.shape[1] - 1
    length = round(window * spans)
    change = (D[:, length:] - D[:, :-length]).abs()
    return change[:, round(after * spans) :].amax((1, 2))


def climbs(D: Tensor) -> list[int]:
    """How many records each feature that ends high takes from the last low D_i to a high one."""
    low, high = CLIMB
    found = []
    for course in D.transpose(1, 2).flatten(0, 1):
        if course[-1] > high and course.min() < low:
            leaves, arrives = (course < low).nonzero().max(), (course > high).nonzero().min()
            found += [int(arrives - leaves)] if arrives > leaves else []
    return found


@study.test("dyn-energy-jumps")
def energy_jumps(uniform, steps, *, window, least, after, fewest, share, times):
    """A run has jumps, and the loss falls faster at them; weaker: falls more than elsewhere."""
    at = {"least": least, "after": after}
    found = jumps_of(uniform, window=window, **at)
    largest = largest_change(uniform.D, window=window, after=after)
    taken = [count * (steps // RECORDS) for count in climbs(uniform.D)]

    def falls(times):
        cases = {"times": times, "share": share, "fewest": fewest}
        return torch.tensor([dynamics.drops_at_jumps(run, **cases) for run in found])

    def number(found, digits):
        return f"{sum(map(len, found)) / len(found):.{digits}f}"

    longer = [number(jumps_of(uniform, window=each, **at), 1) for each in LONGER]
    return Outcome(
        falls(times),
        falls(1),
        {
            "Jumps a run": number(found, 2),
            f"Largest change of a D_i in {100 * window:g} % of the steps": (
                f"{largest.mean():.2f} on average over runs, {largest.max():.2f} at most"
            ),
            "Steps that a feature takes from D_i = {} to {}".format(*CLIMB): (
                f"{torch.tensor(taken).double().median():.0f}, the median of {len(taken)}"
                if taken
                else "none does"
            ),
            "Jumps a run, within 5 % and 10 % of the steps": " and ".join(longer),
        },
    )


def level_jumps_of(runs, near: float) -> list[list[dynamics.LevelJump]]:
    """Return each run's jumps between 0 and 1/2."""
    pairs = zip(runs.D, runs.loss, strict=True)
    return [dynamics.level_jumps(D, loss, levels=LEVELS, near=near) for D, loss in pairs]


def sudden(found: list[list[dynamics.LevelJump]], times: float) -> Tensor:
    """Return which runs have a jump over which the loss falls faster than over both rests."""
    return torch.tensor([any(jump.falls_faster(times) for jump in run) for run in found])


def jumps_told(found: list[list[dynamics.LevelJump]], runs, times: float) -> dict[str, str]:
    """Return in words how many jumps runs have, and how long these take."""
    jumps = [jump for run in found for jump in run]
    faster = sum(jump.falls_faster(times) for jump in jumps)
    lengths = torch.tensor([jump.end - jump.start for jump in jumps]).double()
    spans = runs.D.shape[1] - 1
    return {
        "Jumps a run": f"{len(jumps) / len(found):.1f}, with a sudden drop of the loss in "
        f"{faster / len(found):.1f}",
        "How long a jump takes": f"{(lengths / spans).median():.0%} of training, the median"
        if jumps
        else "there is none",
    }


@study.test("dyn-energy-jumps-2")
def jumps_between_levels(uniform_others, *, near, times):
    """A feature jumps from level to level, and the loss falls faster; weaker: a feature jumps."""
    found = level_jumps_of(uniform_others, near)
    return Outcome(
        sudden(found, times),
        torch.tensor([bool(run) for run in found]),
        jumps_told(found, uniform_others, times),
    )


@study.test("dyn-energy-jumps-3")
def jumps_at_a_larger_rate(uniform_others, uniform_faster, *, near, times):
    """A feature jumps from level to level, and the loss falls faster; weaker: at a larger rate."""
    found, faster = (level_jumps_of(runs, near) for runs in (uniform_others, uniform_faster))
    at_three = jumps_told(faster, uniform_faster, times)
    return Outcome(
        sudden(found, times),
        sudden(faster, times),
        {
            **jumps_told(found, uniform_others, times),
            **{f"{name}, at three times the rate": told for name, told in at_three.items()},
        },
    )


# The octahedron


def octahedron(W: Tensor, *, size: int = SET, kept: float, partner: float, right: float) -> Tensor:
    """Return whether features form antipodal pairs across sets, all at right angles: ``(...)``.

    Every ‖W_i‖² is at least ``kept``; one cosine, with a feature of another set, is at most
    ``partner``, and all others at most ``right`` in size (Elhage et al. 2022, "Superposition and
    Learning Dynamics").

    >>> axes, marks = torch.eye(3), dict(kept=0.5, partner=-0.95, right=0.15)
    >>> octahedron(torch.cat([axes, -axes], 1), **marks)
    tensor(True)
    >>> octahedron(torch.cat([axes, axes], 1), **marks)
    tensor(False)
    """
    cosine = geometry.cosines(W)
    n = W.shape[-1]
    of_set = torch.arange(n, device=W.device) // size
    paired = cosine <= partner
    own = torch.eye(n, dtype=torch.bool, device=W.device)
    one = (paired.sum(-1) == 1).all(-1)
    across = ~(paired & (of_set[:, None] == of_set)).any((-2, -1))
    apart = ((cosine.abs() <= right) | paired | own).all((-2, -1))
    return (geometry.squared_norms(W) >= kept).all(-1) & one & across & apart


@study.test("dyn-octahedron")
def ends_as_octahedron(triples, *, kept, partner, right, tries):
    """A run ends as an octahedron; weaker: the best of some runs does."""
    marks = {"kept": kept, "partner": partner, "right": right}
    half = (triples.W.shape[1] - 1) // 2
    ends = octahedron(triples.W[:, -1], **marks)
    lost = (geometry.squared_norms(triples.W[:, -1]) < kept).any(-1)
    return Outcome(
        ends,
        best_of_each(triples.loss[:, -1], ends, tries),
        {
            "After half of the steps": rate(octahedron(triples.W[:, half], **marks)),
            "Of the others": f"{int(lost.sum())} have lost a feature, "
            f"{int((~ends & ~lost).sum())} are not yet at right angles",
        },
    )


# Plateaus


def least_cosine(W: Tensor) -> float:
    """The smallest cosine between two features of one set, of one model ``(3, 6)``."""
    cosine = geometry.cosines(W)
    return min(cosine[:SET, :SET].min(), cosine[SET:, SET:].min()).item()


def plateau_tests(
    W: Tensor, loss: Tensor, *, length: float, within: float, apart: float, alike: float
) -> dict[str, Tensor]:
    """Return what plateaus each run has: booleans ``(seeds,)`` by name.

    ``two`` plateaus before the end that are ``apart``, a share of the fall; ``counting the last``;
    and sets ``collapsed`` on the first one, all cosines within a set at least ``alike``. See
    `superpos.learning.dynamics.plateaus` for ``length`` and ``within``.
    """
    fall, last = loss[:, 0] - loss[:, -1], loss.shape[1] - 1
    found: dict[str, list[bool]] = {"two": [], "counting the last": [], "collapsed": []}
    for models, course, size in zip(W, loss, fall.tolist(), strict=True):
        rests = dynamics.plateaus(course, length=length, within=within)
        passed = [plateau for plateau in rests if plateau.end < last]
        found["two"].append(dynamics.apart(passed, size, least=apart))
        found["counting the last"].append(dynamics.apart(rests, size, least=apart))
        collapsed = bool(rests) and least_cosine(models[rests[0].middle]) >= alike
        found["collapsed"].append(collapsed)
    return {name: torch.tensor(values) for name, values in found.items()}


def stages(W: Tensor) -> Tensor:
    """How many dimensions each set spans, the larger number first: ``(..., 2)``."""
    return dynamics.dimensions_of_sets(W, SET)


def linear_at_some_time(W: Tensor) -> Tensor:
    """Whether each set is one direction at some record after the first: booleans ``(seeds,)``."""
    return (stages(W)[:, 1:] == 1).all(-1).any(-1)


@study.test("dyn-plateaus")
def plateaus(triples, *, length, within, apart, alike):
    """Two plateaus before the end, the first of them linear; weaker: any two."""
    marks = {"length": length, "within": within, "apart": apart, "alike": alike}
    found = plateau_tests(triples.W, triples.loss, **marks)
    return Outcome(
        found["two"] & found["collapsed"],
        found["two"],
        {
            "Two plateaus, one of them the last": rate(found["counting the last"]),
            "On the first plateau the sets are collapsed": rate(found["collapsed"]),
            "Sets collapsed (1+1) at some time": rate(linear_at_some_time(triples.W)),
        },
    )


@study.test("dyn-plateaus-2")
def plateaus_in_some_cases(triples_others, *, length, within, apart, alike):
    """The two plateaus of `plateaus`; weaker: from smaller initial values."""
    marks = {"length": length, "within": within, "apart": apart, "alike": alike}
    usual, small = (plateau_tests(runs.W, runs.loss, **marks) for runs in triples_others)
    return Outcome(
        usual["two"] & usual["collapsed"],
        small["two"] & small["collapsed"],
        {
            "Two plateaus": rate(usual["two"]),
            "On the first plateau the sets are collapsed": rate(usual["collapsed"]),
        },
    )
