"""Computation in superposition: absolute values and pairwise ANDs with more functions than neurons.

Elhage et al. 2022, "Computation in Superposition".
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import torch
from torch import Tensor

from superpos import neurons, stats, sweep, train
from superpos.claims import rate
from superpos.claims.registry import thresholds
from superpos.compute.sweeps import tensors
from superpos.features import BooleanFeatures, SignedFeatures
from superpos.neurons import computation
from superpos.neurons.computation import ABSOLUTE_VALUE, PAIRWISE_AND
from superpos.stats import listed
from superpos.studies.study import Outcome, Study, Way, fresh
from superpos.studies.ways import elhage_notebook
from superpos.training.procedures import Procedure

PROBABILITY = torch.tensor([1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001])
DENSE = torch.tensor([1.0])
DENSITY = torch.tensor([0.5, 0.2, 0.1, 0.05, 0.02, 0.003])  # of the ANDs' inputs
ENDS = [0, len(DENSITY) - 1]
COMPUTED = thresholds("and-superposed")["left"]  # of an AND's variance, at most
AND_IMPORTANCE = (0.9 ** (torch.arange(20) // 2)) * (torch.arange(20) % 2 == 0)
STARTS = [0, 3, 6]  # probabilities at which ways to start are compared
SEEDS_OF_STARTS = 3


def ours(n: int, m: int, steps: int, *, ands: bool = False) -> Procedure:
    """The chapter's procedure: plain for a few features, a long warm-up for many, slow for ANDs."""
    if ands:
        return Procedure(
            steps=steps, batch_size=16, learning_rate=0.01, warmup=steps * 5 // 6, beta2=0.99,
            initial_scale=0.1,
        )  # fmt: skip
    if n <= 3:
        return Procedure(steps=steps, learning_rate=0.03)
    return Procedure(
        steps=steps, learning_rate=0.01, warmup=steps // 2, beta2=0.99, initial_scale=3.0
    )


study = Study(
    "computation_in_superposition",
    {
        "ours": Way(
            "Adam at 0.01 with β₂ = 0.99 and a warm-up over half of the steps (0.03 for three "
            "features; five sixths and 16 inputs for ANDs), a decoder that starts at |W₁| unless a "
            "claim says otherwise",
            ours,
        ),
        "published": elhage_notebook(
            "the array of densities, biases 0 (the authors' notebook; the section does not say "
            "otherwise), a decoder that starts at |W₁| unless a claim says otherwise",
            lambda n, ands=False: 1 if n <= 3 else len(PROBABILITY),
            {"steps_plain": 1000, "steps": 500, "steps_and": 500},
        ),
    },
)


def absolute_values(n, m, decay, p, *, seeds, procedure, model=ABSOLUTE_VALUE, device="cpu"):
    """Train models of the absolute values of n features: W, V, b and loss by seed and p."""

    def experiment(seed, p):
        run = train(
            SignedFeatures(n, p[:, None]), m, model=model, importance=decay ** torch.arange(n),
            seeds=seed, procedure=procedure, device=device,
        )  # fmt: skip
        weights = {name: (["neuron", "feature"], run.parameters[name]) for name in "WV"}
        loss, _ = run.expected_loss(samples=2000)
        return weights | {"b": (["feature"], run.b), "loss": loss}

    return sweep(experiment, {"seed": seeds, "p": p}, cells_at_once=280)


def pairwise_ands(m, p, *, seeds, procedure, model=PAIRWISE_AND, device="cpu"):
    """Train models of ten ANDs in m neurons: W, V, b and the variance ``left`` of each AND."""

    def experiment(seed, p):
        features = BooleanFeatures(20, p[:, None])
        run = train(
            features, m, model=model, importance=AND_IMPORTANCE,
            seeds=seed, procedure=procedure, device=device,
        )  # fmt: skip
        weights = {name: (["neuron", "feature"], run.parameters[name]) for name in "WV"}
        left = computation.and_errors(run.parameters, features)
        return weights | {"b": (["feature"], run.b), "left": (["and"], left)}

    return sweep(experiment, {"seed": seeds, "p": p}, cells_at_once=280)


# Three features, six neurons


@study.experiment
def plain(seeds_plain, steps_plain, procedure, device):
    """Three features in six neurons, dense inputs."""
    at = {"seeds": seeds_plain, "procedure": procedure(3, 6, steps_plain), "device": device}
    return absolute_values(3, 6, 1.0, DENSE, **at)


@study.experiment
def plain_variants(plain, seeds_plain, steps_plain, procedure, device):
    """The same, sparser, with unequal importance, and from a decoder of its own, by name."""
    seeds = seeds_plain[: max(10, len(seeds_plain) // 40 * 10)]
    at = {"seeds": seeds, "procedure": procedure(3, 6, steps_plain), "device": device}
    free = replace(ABSOLUTE_VALUE, start=None)
    return {
        "ours": plain,
        "p = 0.1": tensors(absolute_values(3, 6, 1.0, torch.tensor([0.1]), **at)),
        "importance 0.8^i": tensors(absolute_values(3, 6, 0.8, DENSE, **at)),
        "decoder drawn anew": tensors(absolute_values(3, 6, 1.0, DENSE, model=free, **at)),
    }


@study.test("abs-plain")
def two_neurons_each(plain, *, rest, low, high, runs):
    """Each feature has one neuron for either side."""
    loss = plain.loss[:, 0]
    shown = computation.two_sided(plain.W[:, 0], plain.V[:, 0], rest=rest, low=low, high=high)
    W, _ = computation.scaled(plain.W[:, 0], plain.V[:, 0])
    sides = torch.stack([(W >= 0.999).any(-2), (W <= -0.999).any(-2)], -1)
    others = loss[~shown]
    return Outcome(
        shown,
        stats.best_of_each(loss, shown, runs),
        {
            "Largest loss of the runs that show it": f"{loss[shown].max():.1e}"
            if shown.any()
            else "there are none",
            "Runs in which a side has no neuron": rate((~sides).flatten(1).any(-1)),
            "Median loss of the runs that do not show it": f"{others.median():.1e}"
            if len(others)
            else "there are none",
        },
    )


# A hundred features, forty neurons


@study.experiment
def large(seeds, steps, decay, procedure, device):
    """A hundred features in forty neurons, at seven densities."""
    at = {"seeds": seeds, "procedure": procedure(100, 40, steps), "device": device}
    return absolute_values(100, 40, decay, PROBABILITY, **at)


def regimes(served: Tensor, *, dense: float, both: float, sparse: float) -> dict[str, Tensor]:
    """The four parts of abs-superposed by name, ``(seeds,)`` each, of ``(seeds, settings, m, n)``.

    The thresholds are the share of the serving neurons that must be pure when dense, of either kind
    in between, and polysemantic when sparse.
    """
    pure = neurons.monosemantic(served).sum(-1)
    mixed = neurons.polysemantic(served).sum(-1)
    used = (pure + mixed).clamp_min(1)
    return {
        "pure when dense": pure[:, 0] >= dense * used[:, 0],
        "both in between": ((pure >= both * used) & (mixed >= both * used)).any(-1),
        "polysemantic when sparse": mixed[:, -1] >= sparse * used[:, -1],
        "important ones stay pure": computation.important_stay_pure(served),
    }


@study.test("abs-superposed")
def superposed(large, *, slope, dense, both, sparse):
    """Neurons are pure, then of both kinds, then polysemantic; the weaker reading: three parts."""
    served = computation.serving(large.W, large.V, least=slope)
    parts = regimes(served, dense=dense, both=both, sparse=sparse)
    passed = torch.stack(list(parts.values())).sum(0)
    counts = served.any(-2).sum(-1).double().mean(0).tolist()
    told = {name: rate(part) for name, part in parts.items()}
    told["Features served at the seven p"] = listed(counts, ".1f")
    return Outcome(passed == 4, passed == 3, told)


@study.experiment
def large_anew(seeds, steps, decay, procedure, device):
    """Other models of a hundred features, ten at each density, from a decoder of its own."""
    at = {"seeds": fresh(seeds)[:10], "procedure": procedure(100, 40, steps), "device": device}
    free = replace(ABSOLUTE_VALUE, start=None)
    return absolute_values(100, 40, decay, PROBABILITY, model=free, **at)


@study.test("abs-superposed-2")
def superposed_anew(large_anew, large, *, slope, dense, both, sparse):
    """As abs-superposed, from a decoder of its own; weaker: from one that starts at |W₁|."""
    marks = {"slope": slope, "dense": dense, "both": both, "sparse": sparse}
    found = superposed(large_anew, **marks)
    return replace(found, weaker=superposed(large, **marks).shown)


def kinds_of_motif(W: Tensor, V: Tensor, **marks) -> Tensor:
    """How many neurons are asymmetric, repaired, and by one inhibitor: (3, seeds, settings)."""
    found = computation.find_motifs(W, V, **marks)
    return torch.stack([found.asymmetric, found.cancelled, found.complete]).sum(-1)


@study.test("abs-asymmetric")
def asymmetric(large, n_shuffles, first_seed, *, share, ratio, single, left, least, chance):
    """Partly superposed models hold the motif, more often than shuffles of them."""
    served = computation.serving(large.W, large.V)
    partly = computation.partly_superposed(served, share=share)
    marks = {"ratio": ratio, "inhibition": 1 / single, "left": 1 / left}
    found = kinds_of_motif(large.W, large.V, **marks)
    shuffles = [
        computation.shuffled(large.W, large.V, seed=seed)
        for seed in range(first_seed, first_seed + n_shuffles)
    ]
    shuffled = torch.stack([kinds_of_motif(large.W, V, **marks) for V in shuffles])
    counts, by_chance = (found * partly).sum(-1), (shuffled * partly).sum(-1)
    limit = by_chance.double().quantile(chance, dim=0)
    shown = (counts >= least) & (counts > limit)  # (kinds, seeds)
    two = ((served.sum(-1) == 2).sum(-1) * partly).sum(0)
    mean, random = counts[2].double().mean(), by_chance[:, 2].double().mean()

    def repaired(kind):
        return (
            f"{counts[kind].sum() / counts[0].sum():.0%}, "
            f"{by_chance[:, kind].sum() / by_chance[:, 0].sum():.0%} in the shuffles"
        )

    return Outcome(
        shown[2],
        shown[1],
        {
            "Motifs in the partly superposed models of a seed": f"{mean:.1f} on average, "
            f"{random:.1f} in their shuffles",
            "Asymmetric, of the neurons that serve two features": (
                f"{counts[0].sum() / two.sum():.0%}"
            ),
            "Asymmetric neurons repaired": repaired(1),
            "Asymmetric neurons repaired by one neuron": repaired(2),
        },
        SimpleNamespace(
            partly=partly, found=found, shuffled=shuffled, counts=counts, by_chance=by_chance,
            shown=shown, two=two,
        ),
    )  # fmt: skip


# Pairwise ANDs


@study.experiment
def logic(seeds_and, steps_and, procedure, device):
    """Ten ANDs in five neurons, at six densities."""
    at = {"seeds": seeds_and, "procedure": procedure(20, 5, steps_and, ands=True)}
    return pairwise_ands(5, DENSITY, **at, device=device)


@study.experiment
def by_hand():
    """The variance that the code by hand leaves of each AND: ``(densities, ands)``."""
    code = dict(zip("WVb", computation.pair_code(5), strict=True))
    return computation.and_errors(
        {name: value.expand(len(DENSITY), *value.shape) for name, value in code.items()},
        BooleanFeatures(20, DENSITY[:, None]),
    )


@study.experiment
def logic_variants(logic, seeds_and, steps_and, procedure, device):
    """What is left of each AND at both ends, from other starts and in fewer neurons, by name."""
    seeds = seeds_and[: max(2, len(seeds_and) // 4)]
    at = {"seeds": seeds, "procedure": procedure(20, 5, steps_and, ands=True), "device": device}
    ends = DENSITY[[0, -1]]
    free = replace(PAIRWISE_AND, start=None)
    return {
        "ours, 5 neurons": logic.left[:, [0, -1]],
        "decoder drawn anew": tensors(pairwise_ands(5, ends, model=free, **at)).left,
        "4 neurons": tensors(pairwise_ands(4, ends, **at)).left,
        "3 neurons": tensors(pairwise_ands(3, ends, **at)).left,
    }


@study.test("and-superposed")
def ands_superposed(logic, *, left, own):
    """More ANDs than neurons once inputs are sparse, and not while they are dense."""
    number = (logic.left <= left).sum(-1).double()
    counts = number.mean(0).tolist()
    at = listed(DENSITY, "g")
    return Outcome(
        (number[:, 0] <= own) & (number[:, -1] > own),
        measured={f"ANDs computed at p = {at}": listed(counts, ".1f")},
    )


def above_kink(W: Tensor, p: float) -> Tensor:
    """How often neurons are above their kink, on inputs with an active feature."""
    u = torch.rand(2000, 21, generator=torch.Generator().manual_seed(0))
    x = BooleanFeatures(20, p).active_inputs(u)
    return (x @ W.mT > 0).double().mean()


@study.test("and-neurons")
def and_neurons(logic, *, slope, enough, several, cosine, share):
    """One AND a neuron while dense and several while sparse, with both members alike."""
    serves = computation.and_serving(logic.W, logic.V, least=slope)
    computed = logic.left <= COMPUTED
    between = torch.nn.functional.cosine_similarity(logic.W[..., ::2], logic.W[..., 1::2], dim=-2)
    alike = ((between >= cosine) & computed).sum(-1) >= share * computed.sum(-1)
    one = (serves[:, 0].sum(-1) == 1).sum(-1) >= enough
    many = (serves[:, -1].sum(-1) >= several).sum(-1) >= enough
    product = logic.V[:, 0, :, :10:2].mT @ logic.W[:, 0, :, :10]
    ideal = torch.eye(5).repeat_interleave(2, -1)
    levelled = computation.and_errors(
        {"W": computation.pair_means(logic.W), "V": logic.V, "b": logic.b},
        BooleanFeatures(20, DENSITY[:, None]),
    )

    def told_left(k):
        return f"from {logic.left[:, k].mean():.2f} to {levelled[:, k].mean():.2f}"

    return Outcome(
        one & many & alike[:, ENDS].all(-1),
        measured={
            "One AND a neuron at p = 0.5": rate(one),
            "Several ANDs a neuron at p = 0.003": rate(many),
            "Members alike at p = 0.5": rate(alike[:, 0]),
            "Members alike at p = 0.003": rate(alike[:, -1]),
            "Variance left, if both members get the mean of their weights": "at p = 0.5 "
            f"{told_left(0)}, at p = 0.003 {told_left(-1)}",
            "Neurons above their kink at p = 0.5": f"{above_kink(logic.W[:, 0], 0.5):.0%} of the "
            "time",
            "W₂W₁ of the first five ANDs at p = 0.5": "entries differ from 1 (own pair) and 0 by "
            f"{(product - ideal).abs().mean():.2f} on average",
        },
    )


# How training starts


@study.experiment
def starts(large, seeds, steps, decay, procedure, device):
    """The loss over that of a model that returns 0, at three densities, by how training starts."""
    own = procedure(100, 40, steps)
    brief = replace(own, steps=steps // 4, warmup=steps // 8)
    free = replace(ABSOLUTE_VALUE, start=None)
    ways = {
        "ours, a quarter of the steps": (brief, ABSOLUTE_VALUE),
        "decoder drawn anew": (brief, free),
        "short warm-up": (replace(brief, warmup=100), ABSOLUTE_VALUE),
    }
    nothing = PROBABILITY / 3 * (decay ** torch.arange(100)).sum()
    found = {"ours": (large.loss / nothing)[:, STARTS].mean(0)}
    for name, (descent, model) in ways.items():
        at = {"seeds": seeds[:SEEDS_OF_STARTS], "procedure": descent, "device": device}
        run = tensors(absolute_values(100, 40, decay, PROBABILITY[STARTS], model=model, **at))
        found[name] = (run.loss / nothing[STARTS]).mean(0)
    return found
