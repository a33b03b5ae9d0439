"""Adversarial robustness: what attacks do to models in superposition, and training under attack.

Elhage et al. 2022, "Superposition and Adversarial Robustness".
"""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import torch
from torch import Tensor

from superpos import adversarial, geometry, losses, optima, sweep, train
from superpos.adversarial import Attacked, attacked_loss, mean_input_norm, vulnerability
from superpos.claims import rate
from superpos.compute.sweeps import tensors
from superpos.features import IndependentFeatures
from superpos.stats import rank_correlation, span, told
from superpos.studies.study import Outcome, Study, Way, fresh
from superpos.studies.ways import elhage_notebook
from superpos.training.procedures import Procedure

ATTACK_SIZES = torch.arange(16) / 10  # of the mean input norm, in training
N, M, P = 24, 6, 0.1  # of the models trained under attack


def ours(n: int, m: int, steps: int, *, attacked: bool = False) -> Procedure:
    """The chapter's procedure: a rate that falls with n, and a lower one under attack."""
    return Procedure(steps=steps, learning_rate=0.02 if attacked else min(0.03, 2 / n))


study = Study(
    "adversarial_robustness",
    {
        "ours": Way(
            "Adam at a rate of at most 0.03 or 2/n (0.02 under attack), warmed up and lowered to 0 "
            "as a cosine, 64 inputs a step",
            ours,
        ),
        "published": elhage_notebook(
            "the array of sparsities or sizes of attacks, biases 0 (the authors' notebook; the "
            "section on attacks does not say otherwise)",
            lambda n, attacked=False: len(ATTACK_SIZES) if attacked else 13,
            {"steps": 1000, "steps_training": 1000},
        ),
    },
)


def attacked_models(n, m, steps, inverse_p, *, seeds, procedure, device="cpu"):
    """Train a model for every seed and sparsity, and measure the two parts of its vulnerability.

    ``W``, ``b``, and by (seed, inverse_p) what attacks of 0.1 of the mean norm have ``added``, and
    by how much they have ``enlarged`` the errors that were there.
    """

    def experiment(seed, inverse_p):
        features = IndependentFeatures(n, 1 / inverse_p[:, None])
        run = train(features, m, seeds=seed, procedure=procedure(n, m, steps), device=device)
        W, b = run.W.cpu(), run.b.cpu()
        added, enlarged = adversarial.vulnerability_parts(W, b, features)
        W, b = (["dimension", "feature"], W), (["feature"], b)
        return {"W": W, "b": b, "added": added, "enlarged": enlarged}

    grid = {"seed": seeds, "inverse_p": inverse_p}
    return sweep(experiment, grid, cells_at_once=max(1, 8000 // n))


@study.experiment
def models(n_features, n_hidden, n_sparsities, seeds, steps, procedure, device):
    """The chapter's models, at each sparsity."""
    inverse_p = torch.logspace(0, 2, n_sparsities)
    at = {"seeds": seeds, "procedure": procedure, "device": device}
    return attacked_models(n_features, n_hidden, steps, inverse_p, **at)


@study.experiment
def sizes(n_features, n_hidden, n_sparsities, seeds_few, steps, procedure, device):
    """Models of other sizes, by (n, m)."""
    halves = (n_features // 2, n_hidden // 2), (n_features // 2, n_hidden)
    at = {"seeds": seeds_few, "procedure": procedure, "device": device}
    inverse_p = torch.logspace(0, 2, n_sparsities)
    return {
        (n, m): tensors(attacked_models(n, m, steps, inverse_p, **at))
        for n, m in (*halves, (n_features, 2 * n_hidden))
    }


@study.experiment
def short(n_features, n_hidden, n_sparsities, seeds_few, steps, procedure, device):
    """The chapter's models after a third of the steps."""
    fewer = max(100, steps // 3)
    return models(n_features, n_hidden, n_sparsities, seeds_few, fewer, procedure, device)


@study.experiment
def control(n_sparsities, seeds, steps, procedure, device):
    """Models with as many dimensions as features."""
    inverse_p = torch.logspace(0, 2, n_sparsities)
    at = {"seeds": seeds, "procedure": procedure, "device": device}
    return attacked_models(20, 20, steps, inverse_p, **at)


@study.test("adv-rises")
def rises(models, *, times, weaker, packed):
    """The highest vulnerability is many times that at p = 1, where features are packed."""
    vulnerable = models.added + models.enlarged
    per_dimension = 1 / geometry.dimensions_per_feature(models.W)
    peak = vulnerable.max(-1)
    rise = peak.values / vulnerable[:, 0]
    is_packed = per_dimension.gather(-1, peak.indices[:, None])[:, 0] >= packed
    return Outcome(
        (rise > times) & is_packed,
        (rise > weaker) & is_packed,
        {
            "Highest over that at p = 1": told(rise, digits=1),
            "Reached at 1/p": told(models.inverse_p[peak.indices], digits=0),
            "What attacks add, highest over that at p = 1": told(
                models.added.amax(-1) / models.added[:, 0], digits=1
            ),
        },
    )


@study.test("adv-tracks")
def tracks(models, *, correlation, factor):
    """Vulnerability rises with 1/D* and stays near it."""
    vulnerable = models.added + models.enlarged
    per_dimension = 1 / geometry.dimensions_per_feature(models.W)

    def follows(values):
        return rank_correlation(values, per_dimension) >= correlation

    def near(values):
        ratio = values / per_dimension
        return ((ratio <= factor) & (ratio >= 1 / factor)).all(-1)

    added = models.added / per_dimension
    return Outcome(
        follows(vulnerable) & near(vulnerable),
        follows(vulnerable),
        {
            "Rank correlation": told(rank_correlation(vulnerable, per_dimension)),
            "Largest vulnerability over 1/D*": told((vulnerable / per_dimension).amax(-1)),
            "The same test of what attacks add alone": rate(
                follows(models.added) & near(models.added)
            ),
            "What attacks add over 1/D*": span(added),
        },
    )


@study.test("adv-control")
def stays(control, *, within):
    """Without superposition vulnerability is 1 at every sparsity."""
    vulnerable = control.added + control.enlarged
    return Outcome(
        ((vulnerable - 1).abs() <= within).all(-1),
        measured={
            "Vulnerability over all seeds and sparsities": f"{vulnerable.min():.3f} to "
            f"{vulnerable.max():.3f}"
        },
    )


# Other attacks on the same models


@study.experiment
def some(models, n_features, n_seeds_few):
    """A few seeds of the models at five sparsities, with the inputs that they see."""
    chosen = torch.linspace(0, len(models.inverse_p) - 1, 5).round().long()
    inverse_p = models.inverse_p[chosen]
    return SimpleNamespace(
        W=models.W[:n_seeds_few, chosen],
        b=models.b[:n_seeds_few, chosen],
        inverse_p=inverse_p,
        features=IndependentFeatures(n_features, 1 / inverse_p[:, None]),
    )


def inside(W, b, x, size):
    """The best analytic attack, cut off where it leaves the inputs' range."""
    return (x + adversarial.best_analytic(W, b, x, size)).clamp(0, 1) - x


@study.experiment
def other_attacks(some):
    """Vulnerability to other attacks: by name, ``(sparsities,)``; what silent inputs lose."""
    W, b, features = some.W, some.b, some.features
    represented = partial(adversarial.random_analytic, among=geometry.represented(W))
    variants = {
        "best analytic attack (the verdicts)": {},
        "the same, inputs kept in [0, 1]": {"attack": inside},
        "projected gradient": {"attack": adversarial.projected_gradient},
        "on a random represented feature": {"attack": represented},
        "a tenth of each input's own norm": {"scale": adversarial.own_norm},
        "0.01 of the mean norm": {"size": 0.01},
        "0.3 of the mean norm": {"size": 0.3},
        "0.8 of the mean norm": {"size": 0.8},
    }
    found = {name: vulnerability(W, b, features, **kind).mean(0) for name, kind in variants.items()}
    x, weight = adversarial.weighted_inputs(features, samples=128, seed=0)
    length = 0.1 * adversarial.mean_norm(x, weight)
    attack = adversarial.best_analytic(W, b, x, length)
    follows = torch.relu((x + attack) @ W.mT @ W + b[..., None, :]) - x - attack
    before = attacked_loss(W, b, x)
    rise = ((follows.square().sum(-1) - before) * weight).sum(-1) / length[..., 0] ** 2
    found["best analytic, the target moves along"] = rise.mean(0).round(decimals=2) + 0.0
    found["features per dimension, 1/D*"] = (1 / geometry.dimensions_per_feature(W)).mean(0)
    on_silence = attacked_loss(W, b, x, attack)[..., -1] - before[..., -1]
    silence = (on_silence[:, -1] / length[-1, -1] ** 2).mean().item()
    return SimpleNamespace(by_name=found, silence=silence)


@study.experiment
def masked(models, n_features):
    """Attacks on the sparsest models, by formula and by climbing from the inputs: ``(seeds,)``.

    ``analytic`` and ``climbed``, by how much they raise the loss; ``silent``, the share of outputs
    that are 0 on the inputs, and so without a gradient; ``without``, of inputs without any; and
    ``there``, how much of what the analytic attack gains it gains on those.
    """
    W, b = models.W[:, -1:], models.b[:, -1:]
    features = IndependentFeatures(n_features, 1 / models.inverse_p[-1:, None])
    analytic, climbed = (
        vulnerability(W, b, features, attack=attack)[:, 0]
        for attack in (adversarial.best_analytic, adversarial.gradient_ascent)
    )
    x, weight = adversarial.weighted_inputs(features, samples=128, seed=0)
    out = torch.relu(x @ W.mT @ W + b[..., None, :])
    zero = (out == 0).double()
    attack = adversarial.best_analytic(W, b, x, 0.1 * adversarial.mean_norm(x, weight))
    gain = attacked_loss(W, b, x, attack) - attacked_loss(W, b, x)
    per_input = (zero.mean(-1), zero.amin(-1), gain * zero.amin(-1), gain)
    silent, without, there, all_gain = ((each * weight).sum(-1)[:, 0] for each in per_input)
    return SimpleNamespace(
        analytic=analytic, climbed=climbed, silent=silent, without=without, there=there / all_gain
    )


@study.test("adv-masking")
def gradients_are_masked(masked, *, zero, little, less):
    """Most outputs are 0, and climbing finds far weaker attacks; weaker: somewhat weaker."""
    share = masked.climbed / masked.analytic
    return Outcome(
        (masked.silent >= zero) & (share <= little),
        share <= 1 - less,
        {
            "Outputs that are 0": told(masked.silent),
            "Inputs on which all are": told(masked.without),
            "Of what the analytic attack gains, on these": told(masked.there, digits=4),
            "What climbing finds, as a share of the analytic attack": told(share),
        },
    )


@study.experiment
def single_features(some):
    """Vulnerability of each output, where its feature is active and where it is silent."""
    active, silent = adversarial.feature_vulnerability(some.W, some.b, some.features)
    return SimpleNamespace(active=active, silent=silent)


def polygon(k: int) -> Tensor:
    """k unit vectors evenly on a circle: (2, k)."""
    angle = torch.arange(k) * (2 * torch.pi / k)
    return torch.stack([angle.cos(), angle.sin()])


ARRANGEMENTS = {
    "digon": torch.tensor([[1.0, -1.0]]),
    "triangle": polygon(3),
    "tetrahedron": 3**-0.5 * torch.tensor([[1.0, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]),
    "pentagon": polygon(5),
}


@study.experiment
def polytopes(n_features):
    """What attacks do to exact optima at p = 0.1, with the attack of the large models: by name."""
    length = 0.1 * mean_input_norm(IndependentFeatures(n_features, 0.1)).item()
    found = {}
    for name, points in ARRANGEMENTS.items():
        best = optima.minimise(points, torch.zeros(points.shape[1]), 0.1)
        own = IndependentFeatures(points.shape[1], 0.1)
        size = length / mean_input_norm(own).item()
        at = {"size": size, "samples": 2048}
        active, silent = adversarial.feature_vulnerability(best.W, best.b, own, **at)
        whole = [
            vulnerability(best.W, best.b, own, size=size, attack=attack, samples=512).item()
            for attack in (adversarial.best_analytic, adversarial.projected_gradient)
        ]
        found[name] = [
            (1 / geometry.feature_dimensionality(best.W)).mean().item(),
            adversarial.leverage(best.W).square().mean().item(),
            active.mean().item(),
            silent.mean().item(),
            *whole,
        ]
    return found


# Training under attack


def under_attack(p, steps, *, seeds, procedure, device="cpu", climbs=0):
    """Train models at each size of attack: W, and their loss on clean and on attacked inputs.

    Each attack climbs the whole loss in ``climbs`` steps; 0 stands for the analytic one.
    """

    def experiment(seed, size):
        features = IndependentFeatures(N, p)
        attacked = Attacked(features, size * mean_input_norm(features), climbs)
        descent = procedure(N, M, steps, attacked=True)
        run = train(attacked, M, seeds=seed, procedure=descent, device=device)
        hurt, _ = run.expected_loss(samples=4000)
        clean, _ = losses.expected_loss(run.W, run.b, p, samples=4000, seed=0)
        return {"W": (["dimension", "feature"], run.W), "clean": clean, "attacked": hurt}

    return sweep(experiment, {"seed": seeds, "size": ATTACK_SIZES}, cells_at_once=80)


@study.experiment
def hardened(seeds_training, steps_training, procedure, device):
    """Models trained under analytic attacks."""
    at = {"seeds": seeds_training, "procedure": procedure, "device": device}
    return under_attack(P, steps_training, **at)


@study.experiment
def stronger(hardened, seeds_few, steps_training, procedure, device):
    """The same, and at other densities and under attacks that climb: by (attack, p)."""
    at = {"seeds": seeds_few, "procedure": procedure, "device": device}
    fewer = max(100, steps_training // 2)

    def trained(p, climbs):
        return tensors(under_attack(p, fewer, climbs=climbs, **at))

    found = {("analytic", P): hardened, ("climbing", P): trained(P, 3)}
    for density in (0.03, 0.3):
        for name, climbs in (("analytic", 0), ("climbing", 3)):
            found[name, density] = trained(density, climbs)
    return found


def alone_loss(p: float) -> float:
    """The clean loss of six orthogonal features of unit length, the others left out."""
    return (N - M) * (p / 3 - p**2 / 4)


def longest(W: Tensor, *, share: float) -> Tensor:
    """Return which features have at least a share of the largest ‖W_i‖²: booleans ``(..., n)``.

    Where everything is short, as after adversarial training, these are the ones that count.

    >>> longest(torch.tensor([[0.5, 0.4, 0.1]]), share=0.5)
    tensor([ True,  True, False])
    """
    size = geometry.squared_norms(W)
    return size >= size.amax(-1, keepdim=True) * share


def free_of_superposition(W: Tensor, *, share: float, alone: float, learnt: float) -> Tensor:
    """Return whether something is learnt and all of it has dimensions of its own: ``(...)``.

    Features count from a ``share`` of the largest ‖W_i‖² on, which is at least ``learnt``; a D_i
    from ``alone`` on is a dimension of its own.

    >>> marks = {"share": 0.5, "alone": 0.9, "learnt": 0.1}
    >>> free_of_superposition(torch.tensor([[0.5, 0.0], [0.0, 0.6]]), **marks)
    tensor(True)
    >>> free_of_superposition(torch.tensor([[0.5, -0.5]]), **marks)
    tensor(False)
    >>> free_of_superposition(torch.zeros(1, 2), **marks)
    tensor(False)
    """
    has_own = geometry.feature_dimensionality(W) >= alone
    largest = geometry.squared_norms(W).amax(-1)
    return (has_own | ~longest(W, share=share)).all(-1) & (largest >= learnt)


@study.test("adv-training")
def training(hardened, *, share, alone, learnt, correlation, smallest, largest):
    """Features per dimension fall with the attack's size, and superposition is gone near 80 %."""
    sizes = hardened.size
    gone = free_of_superposition(hardened.W, share=share, alone=alone, learnt=learnt)
    first = torch.where(gone.any(-1), sizes[gone.int().argmax(-1)], torch.inf)
    per_dimension = 1 / geometry.dimensions_per_feature(hardened.W)
    falls = rank_correlation(per_dimension, sizes) <= correlation
    half = 0.05  # of the step between sizes, so that rounding does not matter
    near_80 = (first > smallest - half) & (first < largest + half)
    reached = first[first.isfinite()]
    return Outcome(
        falls & near_80,
        falls & first.isfinite(),
        {
            "1/D* falls": rate(falls),
            "Smallest size without superposition": ", ".join(
                f"{size:.1f} ({int((first == size).sum())} seeds)" for size in reached.unique()
            ),
            "Clean loss without attacks": told(hardened.clean[:, 0]),
            "Clean loss after attacks of 1.0": told(hardened.clean[:, 10]),
            "Clean loss of six orthogonal features": f"{alone_loss(P):.3f}",
        },
    )


@study.experiment
def hardened_again(seeds_training, steps_training, procedure, device):
    """Other models trained under analytic attacks, half as many."""
    seeds = fresh(seeds_training)[: max(2, len(seeds_training) // 2)]
    return under_attack(P, steps_training, seeds=seeds, procedure=procedure, device=device)


@study.test("adv-training-2")
def training_again(hardened_again, *, share, alone, learnt, correlation, size):
    """As adv-training, but superposition is gone from one size on."""
    marks = {"correlation": correlation, "smallest": size, "largest": size}
    return training(hardened_again, share=share, alone=alone, learnt=learnt, **marks)


@study.experiment
def arrangement_costs():
    """The lowest loss under attack of each arrangement: for features left out that cannot be
    attacked and for such that can, by name ``(sizes,)``; ``none`` is orthogonal features."""
    lengths = ATTACK_SIZES * mean_input_norm(IndependentFeatures(N, P))
    all_of_them = {"none": torch.ones(1, 1), **ARRANGEMENTS}
    return [
        {
            name: adversarial.arrangement_loss(
                points, IndependentFeatures(N, P), M, lengths, left_out=left_out
            )
            for name, points in all_of_them.items()
        }
        for left_out in (0.0, 1e-6)
    ]


@study.experiment
def balance():
    """The ε at which a pair and a single feature cost the same, and the mean input norm: by p."""
    return {
        p: (
            (N / 3 * (p / 3 - 7 * p**2 / 12)) ** 0.5,
            mean_input_norm(IndependentFeatures(N, p)).item(),
        )
        for p in (0.03, 0.1, 0.3)
    }
