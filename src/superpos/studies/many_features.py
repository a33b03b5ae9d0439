"""What replaces polytopes where features are many: rugs, tight frames, 1/m, and correlations.

Cowsik et al. 2024, Ivanov et al. 2026, Liu et al. 2025, Prieto et al. 2026.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from types import SimpleNamespace

import torch
from torch import Tensor

from superpos import CorrelatedSets, IndependentFeatures, Procedure, losses, optima, train
from superpos.codes import random_code, rugs
from superpos.compute.processes import in_parallel, one_thread
from superpos.errors import InvalidArgument
from superpos.learning import widths
from superpos.losses.linear import active_moments
from superpos.measure import spectral
from superpos.optima import crowds, ladder
from superpos.stats import listed, span
from superpos.studies.study import Outcome, Study, Way

N = 256  # features of the trained models
LOADS = (2, 4, 8)  # n/m
DENSITIES = (0.3, 0.1, 0.03, 0.01)
LOADS_EXACT = (2, 4, 8, 16)  # of exact losses
DENSITIES_EXACT = (0.5, 0.3, 0.1, 0.03, 0.01, 0.003)
SAMPLES = 2048  # of what the losses of trained models are told by
SMALL = ((5, 2), (6, 2), (6, 3), (8, 3))  # n and m of the exact optima
SPARSER = (0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02)
WIDTHS = (10, 30, 90)
STRONG, WEAK = -1.0, 1.0  # weight decay
LONG = 0.5  # a feature of such a length counts as represented
SIZES = (3, 4)  # of two sets of correlated features
ROOMS = (1, 2, 3, 4, 5)  # their dimensions
DENSITIES_SETS = (0.5, 0.2, 0.1, 0.05)
DECAY = 0.3


def ours(what: str, n: int, m: int, steps: int) -> Procedure:
    """The chapter's way to train each of its three kinds of models."""
    how = Procedure.fast(n, m, steps=steps)
    return replace(how, learning_rate=0.01, batch_size=32) if what == "wide" else how


def longer(what: str, n: int, m: int, steps: int) -> Procedure:
    """A third of the rates."""
    how = ours(what, n, m, steps)
    return replace(how, learning_rate=how.learning_rate / 3)


study = Study(
    "many_features",
    {
        "ours": Way(
            "Adam at a rate that falls to 0 as a cosine: at most 2/n, 64 inputs a step; of 1000 "
            "features at most 0.01, 32 inputs a step",
            ours,
        ),
        "published": Way(
            "what could be read of the sources does not say; a third of the chapter's rates, for "
            "five times as many steps",
            longer,
            settings={"steps": 7500, "steps_wide": 2000, "steps_sets": 5000},
            quick={"steps": 300, "steps_wide": 60, "steps_sets": 300},
        ),
    },
)


# Polytopes, rugs, random codes


def known(n: int, loads: Iterable[int], densities: tuple[float, ...]) -> dict[str, Tensor]:
    """Return what a feature loses, ``(loads, densities)`` each, by the kind of arrangement.

    ``rug`` and ``antipodal`` and ``stack`` exactly, ``gaussian`` by two statistics, ``linear`` with
    m features of their own dimension; ``names`` says what the stacks are made of.
    """
    p = torch.tensor(densities, dtype=torch.float64)
    variance = active_moments(p)[1]

    def at(load: int) -> dict:
        m = n // load
        stacks = [ladder.stack(n, m, one) for one in densities]
        with one_thread():
            return {
                "rug": ladder.rung(rugs.as_polytope(n, m), p).loss,
                "antipodal": ladder.rung(rugs.as_polytope(n, m, antipodal=True), p).loss,
                "gaussian": crowds.gaussian(p, float(load)).loss,
                "stack": torch.tensor([each.loss / n for each in stacks], dtype=torch.float64),
                "linear": variance * (1 - 1 / load),
                "names": [max(each.counts, key=each.counts.__getitem__) for each in stacks],
            }

    found = [at(load) for load in loads]
    kinds = {
        name: torch.stack([one[name] for one in found]) for name in found[0] if name != "names"
    }
    return kinds | {"variance": variance, "names": [one["names"] for one in found]}


@study.experiment
def exactly(n_exact):
    """Losses of a feature by arrangement, in at least 32 dimensions: ``(load, p)`` each."""
    loads = [load for load in LOADS_EXACT if n_exact >= 32 * load] or LOADS_EXACT[:1]
    return known(n_exact, loads, DENSITIES_EXACT) | {"n": n_exact, "loads": loads}


@study.experiment
def beside():
    """The same of as many features as the trained models have, with a random code."""
    found = known(N, LOADS, DENSITIES)
    rows = []
    for load in LOADS:
        code, row = random_code(N, N // load), []
        for p in DENSITIES:
            W, b = crowds.of_code(code, p, samples=SAMPLES)
            row.append(losses.expected_loss(W, b, p, samples=SAMPLES, seed=1)[0] / N)
        rows.append(torch.stack(row))
    return found | {"random": torch.stack(rows)}


@study.experiment
def large(steps, seeds, procedure):
    """Trained models of 256 features, by load: W, b ``(seed, p, …)`` and each feature's loss."""
    p = torch.tensor(DENSITIES)[:, None]
    found = {}
    for load in LOADS:
        m = N // load
        run = train(
            IndependentFeatures(N, p), m, seeds=seeds, procedure=procedure("many", N, m, steps)
        )
        loss = losses.expected_loss(run.W, run.b, p, samples=SAMPLES, seed=1)[0] / N
        found[load] = SimpleNamespace(W=run.W, b=run.b, loss=loss.double())
    return found


def trained_loss(large) -> Tensor:
    """The mean over seeds ``(load, p)``."""
    return torch.stack([large[load].loss.mean(0) for load in large])


def near(loss: Tensor, other: Tensor, within: float) -> Tensor:
    """Return whether a loss is within a share of another."""
    return (loss / other - 1).abs() <= within


def ranged(values: Tensor, form: str = ".0%") -> str:
    """Return the least and the greatest of some numbers, in words."""
    return span(values.flatten(), form).replace("-", "−")


@study.test("many-rug-trained")
def as_trained(large, beside, *, within, nearly):
    """The loss of trained models is that of the rug."""
    loss = trained_loss(large)
    ratio = loss / beside["rug"] - 1
    return Outcome(
        near(loss, beside["rug"], within).flatten(),
        near(loss, beside["rug"], nearly).flatten(),
        {
            "Trained above the rug": ranged(ratio),
            "Trained above the antipodal rug": ranged(loss / beside["antipodal"] - 1),
            "Trained above the stack of polytopes": ranged(loss / beside["stack"] - 1),
            "Trained above Gaussian interference": ranged(loss / beside["gaussian"] - 1),
            "A random code above the rug": ranged(beside["random"] / beside["rug"] - 1),
        },
    )


@study.test("many-statistics")
def by_statistics(exactly, *, within, nearly):
    """Mean and variance of the interference tell the rug's loss."""
    found = exactly["gaussian"] / exactly["rug"] - 1
    return Outcome(
        near(exactly["gaussian"], exactly["rug"], within).flatten(),
        near(exactly["gaussian"], exactly["rug"], nearly).flatten(),
        {
            f"Gaussian above the rug at p = {p:g}": ranged(found[:, k], ".1%")
            for k, p in enumerate(DENSITIES_EXACT)
        },
    )


def spreads(W: Tensor, b: Tensor) -> Tensor:
    """Return how unlike features are: of ‖W_i‖², b_i and interference, ``(3, ...)``.

    Standard deviations over features, by the mean of ‖W_i‖², and for interference by its own.

    >>> spreads(torch.eye(3), torch.zeros(3)).tolist()
    [0.0, 0.0, 0.0]
    """
    products = W.mT @ W
    size = products.diagonal(dim1=-2, dim2=-1)
    others = (products.square().sum(-1) - size**2).clamp_min(0).sqrt()
    mean = size.mean(-1).clamp_min(1e-9)
    return torch.stack([
        size.std(-1) / mean,
        b.std(-1) / mean,
        others.std(-1) / others.mean(-1).clamp_min(1e-9),
    ])  # fmt: skip


@study.test("many-symmetric")
def privileges_none(large, *, spread, some):
    """Lengths, biases and interference are the same for all features."""
    found = torch.stack([spreads(one.W, one.b).mean(1) for one in large.values()], 1)
    return Outcome(
        (found <= spread).all(0).flatten(),
        (found[0] <= some).flatten(),
        {
            "Spread of lengths": ranged(found[0], ".1%"),
            "Spread of biases": ranged(found[1], ".1%"),
            "Spread of interference": ranged(found[2], ".1%"),
        },
    )


@study.test("many-polytopes")
def stacked(exactly, *, less):
    """The best stack of polytopes loses less than the rug."""
    gain = 1 - exactly["stack"] / exactly["rug"]
    kinds = {name: None for row in exactly["names"] for name in row}
    return Outcome(
        (gain > less).flatten(),
        measured={"Polytopes below the rug": ranged(gain), "Most frequent ones": ", ".join(kinds)},
    )


@study.test("many-antipodal")
def opposed(exactly, *, less):
    """The rug of pairs loses less than the rug."""
    gain = 1 - exactly["antipodal"] / exactly["rug"]
    return Outcome((gain > less).flatten(), measured={"Pairs below the rug": ranged(gain, ".1%")})


# Eigenspaces


@study.experiment
def small(n_starts, first_seed):
    """The best models of few features of equal importance, by (n, m): W is ``(p, m, n)``."""
    found = {}
    for n, m in SMALL:
        draw = torch.Generator().manual_seed(first_seed)
        W = torch.randn(n_starts, 1, m, n, generator=draw) / m**0.5
        p = torch.tensor(SPARSER, dtype=torch.float64)[:, None]
        start = W.expand(n_starts, len(p), m, n)
        found[n, m] = optima.minimise(start, torch.zeros(n), p, max_steps=300).best()
    return found


@study.test("many-localised")
def localised_optima(small, *, localised, saturated, long):
    """Every feature of a best model is in one eigenspace."""
    worst, capacity, counts = [], [], []
    for found in small.values():
        for W in found.W:
            kept = W.norm(dim=0) >= long
            values = spectral.localisation(W)[kept]
            worst.append(float(values.min()) if kept.any() else 0.0)
            capacity.append(float(spectral.saturation(W)))
            counts.append(int(kept.sum()))
    worst, capacity = torch.tensor(worst), torch.tensor(capacity)
    full = capacity >= saturated
    return Outcome(
        worst >= localised,
        ((worst >= localised) | ~full) & (full.double().mean() > 0.5),
        {
            "Optima that use all capacity": f"{int(full.sum())} of {len(full)}",
            "Least localised, of these": f"{worst[full].min():.3f}" if full.any() else "none",
            "Least localised, of the others": f"{worst[~full].min():.3f}"
            if (~full).any()
            else "none",
        },
    )


@study.test("many-tight")
def tight_frames(large, *, localised, tight, nearly):
    """Trained models are tight frames, and their features eigenvectors."""
    median = torch.stack(
        [spectral.localisation(one.W).median(-1).values.mean(0) for one in large.values()]
    )
    frame = torch.stack([spectral.tightness(one.W).mean(0) for one in large.values()])
    return Outcome(
        ((median >= localised) & (frame >= tight)).flatten(),
        (median >= nearly).flatten(),
        {
            "Localisation of the median feature": ranged(median, ".3f"),
            "Tightness": ranged(frame, ".3f"),
        },
    )


# Frequencies


@study.experiment
def wide(n_wide, steps_wide, seeds_wide, procedure):
    """Models of many features of unequal frequencies: by decay, ``(m, law)`` each.

    ``loss`` is the mean over seeds; ``long`` the mean number of features at least `LONG` long;
    ``left_out`` what is lost if the m most frequent features are all that is represented.
    """
    laws = torch.stack(list(widths.frequencies(n_wide).values()))
    p = laws.float()

    def one(which: tuple[float, int]) -> tuple[Tensor, Tensor]:
        decay, m = which
        how = procedure("wide", n_wide, m, steps_wide)
        W, b = widths.train(p, m, decay, how, seeds=seeds_wide)
        loss = losses.expected_loss(W, b, p, samples=512, seed=1)[0]
        return loss.mean(0).double(), (W.norm(dim=-2) >= LONG).double().sum(-1).mean(0)

    pieces = [(decay, m) for decay in (STRONG, WEAK) for m in sorted(WIDTHS, reverse=True)]
    found = dict(zip(pieces, in_parallel(one, pieces), strict=True))
    return {
        decay: SimpleNamespace(
            loss=torch.stack([found[decay, m][0] for m in WIDTHS]),
            long=torch.stack([found[decay, m][1] for m in WIDTHS]),
            left_out=torch.stack([widths.left_out(laws, m) for m in WIDTHS]),
            n=n_wide,
        )
        for decay in (STRONG, WEAK)
    }


def laws() -> list[str]:
    """The names of the laws of frequencies."""
    return list(widths.frequencies(2))


@study.test("many-inverse-m")
def inversely(wide, *, least, most, low, high):
    """The loss of strong superposition falls as 1/m."""
    alpha = widths.exponent(wide[STRONG].loss, WIDTHS)
    told = [f"{one:.2f} ({name})" for one, name in zip(alpha.tolist(), laws(), strict=True)]
    return Outcome(
        (alpha >= least) & (alpha <= most),
        (alpha >= low) & (alpha <= high),
        {"Exponents": ", ".join(told)},
    )


@study.test("many-weak")
def left_out(wide, *, within, loosely):
    """The loss of weak superposition is that of the features left out."""
    loss, tail = wide[WEAK].loss, wide[WEAK].left_out
    alpha, of_tail = widths.exponent(loss, WIDTHS), widths.exponent(tail, WIDTHS)
    return Outcome(
        near(loss, tail, within).flatten(),
        near(loss, tail, loosely).flatten(),
        {
            "Loss above that of the features left out": ranged(loss / tail - 1),
            "Exponents": listed(alpha.tolist()).replace("-", "−"),
            "Exponents of what is left out": listed(of_tail.tolist()).replace("-", "−"),
        },
    )


@study.test("many-switch")
def switches(wide, *, half, all, times):
    """Decay decides how many features are represented, of half a length (`wide`) or more."""
    if half != LONG:
        raise InvalidArgument(f"half is {half}: features were counted from {LONG} on")
    strong, weak, n = wide[STRONG].long, wide[WEAK].long, wide[STRONG].n
    m = torch.tensor(WIDTHS)[:, None]
    return Outcome(
        ((strong >= all * n) & (weak <= times * m)).flatten(),
        (strong > weak).flatten(),
        {
            "Represented with negative decay": ranged(strong / n),
            "Represented with positive decay, by dimension": ranged(weak / m, ".2f"),
        },
    )


# Correlated features


@study.experiment
def sets(steps_sets, seeds_sets, procedure):
    """Trained models of two sets: by size, m and decay, W ``(seed, p, m, n)`` and b."""
    p = torch.tensor(DENSITIES_SETS)[:, None]
    found = {}
    for size in SIZES:
        for m in ROOMS:
            how = procedure("sets", 2 * size, m, steps_sets)
            for decay in (0.0, DECAY):
                found[size, m, decay] = train(
                    CorrelatedSets(2, size, p),
                    m,
                    seeds=seeds_sets,
                    procedure=replace(how, weight_decay=decay),
                )
    return {which: SimpleNamespace(W=run.W, b=run.b) for which, run in found.items()}


@study.experiment
def sets_at_best(steps_sets, seeds_sets, steps_best):
    """The exact optima that the best of short descents leads to: W ``(p, m, n)`` by size and m."""
    short = max(10, steps_sets // 4)
    p = torch.tensor(DENSITIES_SETS)[:, None]

    def one(which: tuple[int, int]) -> Tensor:
        size, m = which
        features = CorrelatedSets(2, size, p)
        how = Procedure.fast(2 * size, m, steps=short)
        run = train(features, m, seeds=seeds_sets, procedure=how, progress=False)
        first = losses.exact_loss(run.W, run.b, features).argmin(0)
        k = torch.arange(len(DENSITIES_SETS))
        start = run.W[first, k], run.b[first, k]
        return optima.minimise(*start, features, max_steps=steps_best).W

    which = [(size, m) for size in SIZES for m in ROOMS]
    return dict(zip(which, in_parallel(one, which), strict=True))


def helped(W: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the mean of W_i·W_j in a set and between sets, as shares of the mean ‖W_i‖².

    >>> W = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]])
    >>> [value.item() for value in helped(W, 2)]
    [1.0, 0.0]
    """
    products = W.mT @ W
    n = products.shape[-1]
    of = torch.arange(n) // size
    same = of[:, None] == of
    other = ~torch.eye(n, dtype=torch.bool)
    mean = products.diagonal(dim1=-2, dim2=-1).mean(-1).clamp_min(1e-9)
    inside, between = same & other, ~same
    return products[..., inside].mean(-1) / mean, products[..., between].mean(-1) / mean


@study.test("many-constructive")
def constructive(sets_at_best, *, helps, apart):
    """Interference is positive within sets, and not between them."""
    found = [helped(W, size) for (size, _), W in sets_at_best.items()]
    inside, between = (torch.cat(values) for values in zip(*found, strict=True))
    return Outcome(
        (inside >= helps) & (between <= apart),
        inside > between,
        {
            "Within sets": ranged(inside, ".2f"),
            "Between sets": ranged(between, ".2f"),
            "Positive within sets at all": f"{int((inside > 1e-3).sum())} of {len(inside)}",
        },
    )


@study.test("many-decay")
def decayed(sets, *, more):
    """Decay makes interference within sets more constructive."""
    gains = []
    for size in SIZES:
        for m in ROOMS:
            inside = [helped(sets[size, m, decay].W, size)[0].mean(0) for decay in (0.0, DECAY)]
            gains.append(inside[1] - inside[0])
    gains = torch.cat(gains)
    return Outcome(gains >= more, measured={"Gain with decay": ranged(gains, ".2f")})


@study.test("many-room")
def room(sets_at_best, *, helps):
    """Members help each other where they have no dimension each, and only there."""
    shown, crowded, roomy = [], [], []
    for (size, m), W in sets_at_best.items():
        sparse = torch.tensor(DENSITIES_SETS) <= 0.2
        inside = helped(W[sparse], size)[0]
        shown.append(inside >= helps if m < size else inside.abs() < helps)
        (crowded if m < size else roomy).append(inside)
    return Outcome(
        torch.cat(shown),
        measured={
            "Within sets, more members than dimensions": ranged(torch.cat(crowded), ".2f"),
            "Within sets, a dimension for each": ranged(torch.cat(roomy), ".2f"),
        },
    )
