"""Non-uniform superposition: a pentagon of which one feature differs from the rest.

Elhage et al. 2022, "Non-Uniform Superposition".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace

import torch
from torch import Tensor

from superpos import drift, geometry, optima, stats, sweep, train
from superpos.claims import rate
from superpos.features import IndependentFeatures
from superpos.optima import branches
from superpos.studies.outcomes import antipodal_pairs
from superpos.studies.study import Outcome, Study, Way, fresh
from superpos.studies.ways import elhage_notebook
from superpos.training.procedures import Procedure

FIRST = torch.tensor([1.0, 0, 0, 0, 0], dtype=torch.float64)
KINDS = ("sparser", "less important")  # what feature 0 is, by a factor f
DENSER, SPARSER = (1.0, 1.25, 1.5, 2.0, 3.0), (1.0, 0.8, 0.65, 0.5)  # 1/f at which claims look
CLAIMED = (*DENSER[:0:-1], *SPARSER)
SHOWN = (*CLAIMED, 0.4, 0.33, 0.27, 0.2, 0.15)
COS_72 = math.cos(2 * math.pi / 5)

RISING = torch.linspace(0, 2.6, 27, dtype=torch.float64)  # log f while it drifts
FALLING = torch.linspace(2.6, -1.4, 11, dtype=torch.float64)
PATH = torch.cat([RISING, FALLING[1:]])


def ours(n: int, m: int, steps: int) -> Procedure:
    """The chapter's procedure."""
    return Procedure(steps=steps, learning_rate=0.03)


study = Study(
    "nonuniform_importance",
    {
        "ours": Way(
            "Adam at a rate of 0.03, warmed up and lowered to 0 as a cosine, 64 inputs a step, "
            "each output's own input integrated; then exact descent to rest",
            ours,
        ),
        "published": elhage_notebook(
            "an array of 10 models, biases 0 (the authors' notebook; for this experiment the "
            "source does not say); then exact descent to rest",
            10,
            {"steps": 1500},
        ),
        "rest": Way(
            "Adam at a rate of 0.03, warmed up and lowered to 0 as a cosine, 64 inputs a step; "
            "then descent of the exact loss, until its slope is nothing",
            ours,
        ),
    },
)


# Settings, and the two arrangements


def varied(p) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """Settings by s = log f, two each: feature 0 sparser, or less important than the others.

    From s, which broadcasts to ``(..., 2)``, to probability and importance, as for
    `superpos.optima.branches.follow`; p is that of the other four features.

    >>> p, I = varied(0.1)(torch.tensor(2.0).log())
    >>> p[:, :2], I[:, :2]
    (tensor([[0.0500, 0.1000],
            [0.1000, 0.1000]], dtype=torch.float64), tensor([[1.0000, 1.0000],
            [0.5000, 1.0000]], dtype=torch.float64))
    """
    p = torch.as_tensor(p, dtype=torch.float64)[..., None]
    kind = torch.tensor([1.0, 0.0], dtype=torch.float64)

    def settings(s):
        sparser = (s * kind)[..., None] * FIRST
        less_important = (s * (1 - kind))[..., None] * FIRST
        return p[..., None] * torch.exp(-sparser), torch.exp(-less_important)

    return settings


def starts(p: float) -> tuple[Tensor, Tensor]:
    """A pentagon and two digons, feature 0 up, near their optima: (2, 2, 5) and (2, 5)."""
    angle = torch.arange(5, dtype=torch.float64) * 2 * math.pi / 5
    pentagon = 1.1 * torch.stack([angle.sin(), angle.cos()])
    digons = torch.tensor([[0.0, 1, 0, -1, 0], [0, 0, 1, 0, -1]], dtype=torch.float64)
    b = torch.zeros(2, 5, dtype=torch.float64)
    b[0] = -0.15
    b[1, 0] = p / 10
    return torch.stack([pentagon, digons]), b


def all_five(W: Tensor) -> Tensor:
    """Which models represent all features."""
    return geometry.represented(W).all(-1)


def two_digons(W: Tensor, **limits: float) -> Tensor:
    """Which models are two digons of features 1 to 4, without feature 0."""
    return antipodal_pairs(W.roll(-1, -1), **limits)


@study.experiment
def curve(p_others, n_curve):
    """Both branches, pentagon and digons, followed along the factor: axes p, s, branch, kind."""

    def curves(p, s):
        W, b = starts(p[0])
        found = branches.follow(W[:, None], b[:, None], varied(p[0]), s)
        axes = ["branch", "kind"]
        return {
            "W": ([*axes, "dimension", "feature"], found.W[None]),
            "b": ([*axes, "feature"], found.b[None]),
            "loss": (axes, found.loss[None]),
        }

    s = torch.linspace(-math.log(3), math.log(9), n_curve, dtype=torch.float64)
    return sweep(curves, {"p": [p_others], "s": s}, cells_at_once=n_curve)


# Trained models


def at_rest(p_others, relative, kinds, steps, *, seeds, procedure, device="cpu"):
    """Train models from random starts and bring them to rest: (seed, relative, kind, 2, 5).

    The density or importance of feature 0 is ``relative`` (1/f) to the others'; kinds are places in
    `KINDS`.
    """

    def descended(seed, relative, kind):
        s = -relative.double().log()
        p, I = torch.broadcast_tensors(*varied(p_others)(s[:, None]))
        p, I = p[:, kind], I[:, kind]
        run = train(
            IndependentFeatures(5, p), 2, importance=I, seeds=seed,
            procedure=procedure(5, 2, steps), device=device,
        )  # fmt: skip
        rest = optima.minimise(run.W, run.b, p, I)
        return {"W": (["dimension", "feature"], rest.W)}

    grid = {"seed": seeds, "relative": torch.tensor(relative), "kind": kinds}
    return sweep(descended, grid, cells_at_once=160)


@study.experiment
def trained(p_others, steps, seeds, procedure, device):
    """Models at the densities that the claims need."""
    at = {"seeds": seeds, "procedure": procedure, "device": device}
    return at_rest(p_others, CLAIMED, [0], steps, **at)


@study.experiment
def shown(p_others, steps, seeds_shown, procedure, device):
    """Fewer models at more densities, and at as many importances."""
    at = {"seeds": seeds_shown, "procedure": procedure, "device": device}
    return at_rest(p_others, SHOWN, [0, 1], steps, **at)


@study.experiment
def variants(p_others, steps, seeds, device):
    """Models at three steps of a sparser feature, trained otherwise: as `trained`, by name."""
    common = ours(5, 2, steps)
    changes = {
        "initial weights × 3": {"initial_scale": 3.0},
        "initial weights ÷ 3": {"initial_scale": 1 / 3},
        "rate and weight decay as published, as many steps": {
            "learning_rate": 0.001, "cosine": False, "weight_decay": 0.01
        },
    }  # fmt: skip
    few = seeds[: max(2, len(seeds) // 3)]
    relative = torch.tensor(SPARSER)
    p = p_others * torch.where(FIRST > 0, relative[:, None].double(), 1.0)
    found = {}
    for name, change in changes.items():
        how = replace(common, **change)
        run = train(IndependentFeatures(5, p), 2, seeds=few, procedure=how, device=device)
        rest = optima.minimise(run.W, run.b, p)
        found[name] = SimpleNamespace(W=rest.W[:, :, None], relative=relative)
    return found


def at(found, value: float) -> int:
    """Where a relative density is among those of some models."""
    return int((found.relative - value).abs().argmin())


def regular_pentagon(W: Tensor, *, angle: float, length: float) -> Tensor:
    """Return whether five features have even angles between neighbours and even lengths: ``(...)``.

    Angles are within ``angle`` degrees of 72°, lengths within a share ``length`` of their mean.

    >>> corners = torch.arange(5) * 2 * torch.pi / 5
    >>> W = torch.stack([corners.cos(), corners.sin()])
    >>> regular_pentagon(W, angle=2, length=0.02)
    tensor(True)
    """
    lengths = geometry.squared_norms(W).sqrt()
    mean = lengths.mean(-1, keepdim=True)
    even = ((geometry.angular_gaps(W) - 72).abs() <= angle).all(-1)
    return even & (mean[..., 0] > 0) & ((lengths - mean).abs() <= length * mean).all(-1)


@study.test("nonuniform-pentagon")
def pentagon(trained, *, angle, length):
    """Five equal features are a regular pentagon."""
    return Outcome(regular_pentagon(trained.W[:, at(trained, 1.0), 0], angle=angle, length=length))


def moving(trained, values: Sequence[float], sign: int) -> tuple[Tensor, Tensor]:
    """Which seeds have all five features at some densities, and which of those move as claimed.

    The mean angle beside feature 0 should grow at every step, or fall where ``sign`` is −1.
    """
    W = trained.W[:, [at(trained, value) for value in values], 0]
    there = all_five(W).all(1)
    moves = (geometry.angles_beside(W).mean(-1).diff(dim=1) * sign > 0).all(1)
    return there, there & moves


def mean_angle(trained, value: float) -> str:
    """The mean angle beside feature 0 where all five features are represented, in words."""
    W = trained.W[:, at(trained, value), 0]
    angles = geometry.angles_beside(W).mean(-1)[all_five(W)]
    if len(angles) < 2:
        return "not known: fewer than two seeds have all five features"
    return stats.told(angles, digits=1) + "°"


@study.test("nonuniform-denser-repels")
def denser_repels(trained, *, weaker):
    """The angle grows as feature 0 becomes denser; the weaker reading: up to a factor."""
    there, moves = moving(trained, DENSER, 1)
    return Outcome(
        moves,
        moving(trained, [value for value in DENSER if value <= weaker], 1)[1],
        {
            "Mean angle, three times as dense": mean_angle(trained, 3.0),
            "Of the seeds with all five features": f"{moves.sum()} of {there.sum()} move as "
            "claimed",
        },
    )


@study.experiment
def denser_again(p_others, steps, seeds, procedure, device):
    """Other models with a denser feature, at rest, and their loss: the source took the best."""

    def descended(seed, relative):
        p = p_others * torch.where(FIRST > 0, relative[:, None].double(), 1.0)
        run = train(
            IndependentFeatures(5, p), 2, seeds=seed, procedure=procedure(5, 2, steps),
            device=device,
        )  # fmt: skip
        rest = optima.minimise(run.W, run.b, p)
        return {"W": (["dimension", "feature"], rest.W), "loss": rest.loss}

    some = fresh(seeds)[: max(2, len(seeds) // 2)]
    return sweep(descended, {"seed": some, "relative": torch.tensor(DENSER)}, cells_at_once=160)


@study.test("nonuniform-denser-repels-2")
def best_denser_repels(denser_again, *, weaker, tries):
    """As nonuniform-denser-repels, of the best of some models; in quick runs of all there are."""
    W = stats.best_of_each(denser_again.loss, denser_again.W, min(tries, len(denser_again.W)))
    return denser_repels(
        SimpleNamespace(W=W[:, :, None], relative=denser_again.relative), weaker=weaker
    )


@study.test("nonuniform-sparser-yields")
def sparser_yields(trained, *, weaker):
    """The angle falls as feature 0 becomes sparser; the weaker reading: down to a factor."""
    there, moves = moving(trained, SPARSER, -1)
    return Outcome(
        moves,
        moving(trained, [value for value in SPARSER if value >= weaker], -1)[1],
        {
            "Mean angle, half as dense": mean_angle(trained, 0.5),
            "Of the seeds with all five features": f"{moves.sum()} of {there.sum()} move as "
            "claimed",
        },
    )


# Where the pentagon breaks


@study.experiment
def optimum(p_others, n_factors, n_starts, first_seed):
    """The exact optimum at each factor, from random starts, a pentagon and two digons."""

    def best(factor):
        generator = torch.Generator().manual_seed(first_seed)
        W, b = starts(p_others)
        tried = 0.6 * torch.randn(n_starts, 2, 5, generator=generator)
        W = torch.cat([W, tried])[:, None, None]
        b = torch.cat([b, torch.zeros(n_starts, 5)])[:, None, None]
        p, I = varied(p_others)(factor.double().log()[:, None])
        found = optima.minimise(W, b, p, I).best()
        return {"W": (["kind", "dimension", "feature"], found.W), "loss": (["kind"], found.loss)}

    return sweep(best, {"factor": torch.linspace(1, 5, n_factors)}, cells_at_once=10)


@study.experiment
def crossed(n_densities, p_others):
    """Where the losses of the branches cross, and where the pentagon ends: axes p, kind.

    The last p is that of the chapter.
    """

    def crossings(p):
        W, b = zip(*(starts(value) for value in p.tolist()), strict=True)
        W, b = torch.stack(W)[..., None, :, :], torch.stack(b)[..., None, :]
        pentagon, digons = ((W[:, k], b[:, k]) for k in (0, 1))
        settings = varied(p)
        found = branches.crossing(pentagon, digons, settings, 0.0, math.log(20), accuracy=1e-7)
        last = branches.end(
            found.W[0], found.b[0], settings, found.at, found.at + 1, all_five, accuracy=0.04
        )
        return {
            "at": (["kind"], found.at.exp()),
            "last": (["kind"], last.exp()),
            "loss": (["kind"], found.loss[0]),
            "slopes": (["kind", "branch"], found.slope.movedim(0, -1)),
            "W": (["kind", "branch", "dimension", "feature"], found.W.movedim(0, -3)),
            "minima": (["kind"], found.crosses & (found.curvature > 0).all(0)),
        }

    densities = torch.logspace(math.log10(0.02), math.log10(0.2), n_densities)
    p = torch.cat([densities, torch.tensor([p_others])])
    return sweep(crossings, {"p": p}, cells_at_once=len(p))


def density_at(crossed, kind: int, factor: float) -> float:
    """The density at which the losses cross at a factor, between those that were looked at."""
    x, y = crossed.at[:-1, kind].log().flip(0), crossed.p[:-1].double().log().flip(0)
    k = int(torch.searchsorted(x, torch.tensor(factor).double().log()).clamp(1, len(x) - 1))
    share = (math.log(factor) - x[k - 1]) / (x[k] - x[k - 1])
    return (y[k - 1] + share * (y[k] - y[k - 1])).exp().item()


@study.test("nonuniform-collapse")
def collapse(optimum, crossed, *, factor, within, dropped):
    """The optimum is a pentagon below the factor, and two digons without feature 0 above it."""
    looked_at = (optimum.factor / factor - 1).abs() > within
    five, digons = all_five(optimum.W[:, 0]), two_digons(optimum.W[:, 0], dropped=dropped)
    where = crossed.at[-1, 0]
    at_crossing = torch.where(optimum.factor < where, five, digons)
    return Outcome(
        torch.where(optimum.factor < factor, five, digons)[looked_at],
        measured={
            "The losses cross at": f"{where:.3f} times sparser",
            "Pentagon below and digons above that factor": rate(at_crossing),
            f"They would cross at {factor:g} for": f"p = {density_at(crossed, 0, factor):.3f}",
        },
    )


def slope_by_hand(crossed, p_others: float) -> Tensor:
    """The slopes of the digons' loss by log f, from its formula, at the chapter's density."""
    p = (crossed.at[-1, 0].reciprocal() * p_others).item()
    variance = p_others / 3 - p_others**2 / 4
    return torch.tensor([-(p / 3 - p**2 / 2), -variance / crossed.at[-1, 1].item()])


def gives_way(crossed, p_others, kind: int, *, least, most, kink) -> Outcome:
    """Where both arrangements are minima of equal loss within some factors, with a kink."""
    size = ((crossed.slopes[..., 0] - crossed.slopes[..., 1]) / crossed.loss)[:, kind].abs()
    here = crossed.at[:, kind]
    both = all_five(crossed.W[:, kind, 0]) & two_digons(crossed.W[:, kind, 1])
    shown = crossed.minima[:, kind] & both & (here >= least) & (here <= most) & (size >= kink)
    error = (crossed.slopes[-1, :, 1] / slope_by_hand(crossed, p_others) - 1).abs().max()
    steepness = (crossed.slopes[-1, kind] / crossed.loss[-1, kind]).tolist()
    return Outcome(
        shown[:-1],
        measured={
            f"Factor at the crossing, p from {crossed.p[0]:.2g} to {crossed.p[-2]:.2g}": (
                f"{here[0]:.3g} to {here[-2]:.3g}; {here[-1]:.3f} at p = {p_others:g}"
            ),
            "Slopes by log f there, as shares of the loss": " and ".join(
                f"{value:.2f}".replace("-", "−") for value in steepness
            )
            + " (pentagon, digons)",
            "Smallest kink": f"{size[:-1].min():.0%} of the loss",
            "Largest error of the digons' slope against the formula": f"{error:.0e}",
        },
    )


@study.test("nonuniform-crossover")
def crossover(crossed, p_others, *, least, most, kink):
    """The arrangements trade places with a kink as feature 0 becomes sparser."""
    return gives_way(crossed, p_others, 0, least=least, most=most, kink=kink)


@study.test("nonuniform-importance")
def importance(crossed, p_others, *, least, most, kink):
    """The same as it becomes less important."""
    return gives_way(crossed, p_others, 1, least=least, most=most, kink=kink)


@study.experiment
def drifting(p_others, steps_drift, seeds_drifting):
    """A pentagon trained while log f goes along `PATH`: axes seed, s, kind."""

    def drifted(seed, s):
        W, b = starts(p_others)
        settings = varied(p_others)
        begun = optima.minimise(W[0], b[0], *settings(s[0]))
        how = {"steps": steps_drift, "batch_size": 256, "learning_rate": 0.005}
        W, b = drift(begun.W, begun.b, settings, s, seeds=seed, **how)
        return {
            "W": (["kind", "dimension", "feature"], W.movedim(0, 1)),
            "b": (["kind", "feature"], b.movedim(0, 1)),
        }

    whole = len(seeds_drifting) * len(PATH)  # one piece: the path cannot be cut
    return sweep(drifted, {"seed": seeds_drifting, "s": PATH}, cells_at_once=whole)


# Length and bias


def length_given_bias(x0: Tensor, c: float = COS_72) -> tuple[Tensor, Tensor]:
    """Return ‖W_i‖² and b_i of the best feature that is silent for values up to x0 = −b_i/‖W_i‖².

    Its two neighbours, which never are active with it, have the cosine c; 0 is for one alone.

    >>> a, b = length_given_bias(torch.tensor(0.01), c=0)
    >>> a.round(decimals=4), (1 - 3 / 2 * b).round(decimals=4)
    (tensor(1.0152), tensor(1.0152))
    """

    def A(u):
        return (1 - u**3) / 3

    def B(u):
        return (1 - u**2) / 2

    x1 = (x0 / c).clamp(max=1) if c else torch.ones_like(x0)
    neighbours = 2 * c**2 * A(x1) - 2 * c * x0 * B(x1)
    a = A(x0) / (A(x0) - x0 * B(x0) + neighbours)
    return a, -a * x0


def pentagons_of_ones(p: Tensor, p_start: float) -> tuple[Tensor, Tensor]:
    """W and b of the best pentagon for features that are 0 or 1, at each p.

    There are only 2⁵ inputs, and the loss is a sum over them.
    """
    x = torch.tensor([[k >> j & 1 for j in range(5)] for k in range(32)]).double()
    chance = IndependentFeatures(5, p[:, None]).active_sets()
    W = starts(p_start)[0][0].repeat(len(p), 1, 1).requires_grad_()
    b = torch.full((len(p), 5), -0.4, dtype=torch.float64).requires_grad_()
    descent = torch.optim.LBFGS(
        [W, b], max_iter=2000, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def loss():
        descent.zero_grad()
        output = torch.relu(x @ (W.mT @ W) + b[:, None])
        total = ((x - output).square().sum(-1) * chance).sum(-1) / p
        total.sum().backward()
        return total.sum()

    descent.step(loss)
    return W.detach(), b.detach()


@study.experiment
def pentagons(n_densities, p_others):
    """Exact regular pentagons from sparse to dense inputs.

    ``p`` (k,); ``W`` (k, 2, 5) and ``b`` (k, 5) for amplitudes uniform on [0, 1], ``W_ones`` and
    ``b_ones`` for amplitudes of 1; ``sparsest``, an `superpos.optima.Optimum` at p = 0.00001.
    """
    p = torch.logspace(-2, math.log10(0.2), n_densities, dtype=torch.float64)
    W, b = starts(p_others)
    uniform = optima.minimise(W[0], b[0], p[:, None])
    W_ones, b_ones = pentagons_of_ones(p, p_others)
    return SimpleNamespace(
        p=p, W=uniform.W, b=uniform.b, W_ones=W_ones, b_ones=b_ones,
        sparsest=optima.minimise(W[0], b[0], 1e-5, tolerance=1e-12),
    )  # fmt: skip


def printed(W: Tensor, b: Tensor) -> Tensor:
    """‖W_i‖ (1 − b_i), which should be 1 by the paper."""
    return geometry.squared_norms(W).sqrt() * (1 - b)


def other(W: Tensor, b: Tensor) -> Tensor:
    """‖W_i‖² + b_i, which should be 1 by the text on optimisation failure."""
    return geometry.squared_norms(W) + b


def missed(W: Tensor, b: Tensor) -> Tensor:
    """By which share our sparse limit misses ‖W_0‖², given b_0."""
    a = geometry.squared_norms(W)[..., 0]
    return (length_given_bias(-b[..., 0] / a)[0] / a - 1).abs()


@study.test("nonuniform-radius")
def radius(pentagons, *, within):
    """The paper's relation of length and bias; the weaker reading: the other text's."""
    ones, p = (pentagons.W_ones, pentagons.b_ones), pentagons.p
    relation, relation_of_ones = printed(pentagons.W, pentagons.b), printed(*ones)
    sum_, sum_of_ones = other(pentagons.W, pentagons.b), other(*ones)
    sparsest = missed(pentagons.sparsest.W, pentagons.sparsest.b)
    gap = missed(pentagons.W, pentagons.b)

    def ends(values: Tensor) -> str:
        return f"{values[0, 0]:.3f} to {values[-1, 0]:.3f}"

    return Outcome(
        ((relation - 1).abs() <= within).all(-1),
        ((sum_ - 1).abs() <= within).all(-1),
        {
            f"‖W_i‖ (1 − b_i), p from {p[0]:.2g} to {p[-1]:.2g}": ends(relation),
            "‖W_i‖² + b_i": ends(sum_),
            "‖W_i‖ (1 − b_i) for amplitudes of exactly 1": ends(relation_of_ones),
            "‖W_i‖² + b_i for amplitudes of exactly 1": ends(sum_of_ones),
            "Our sparse limit misses ‖W_i‖² by": f"{sparsest:.0e} at p = 0.00001, "
            f"{gap[0]:.1%} at p = {p[0]:.2g}, {gap[-1]:.0%} at p = {p[-1]:.2g}",
        },
    )
