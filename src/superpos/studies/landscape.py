"""Which minimum training finds, and why: k-gons, capacity, chance and initial biases.

Chen et al. 2023, Scherlis et al. 2022, Lecomte et al. 2023, Jermyn et al. 2022, Olah et al. 2025.
"""

from __future__ import annotations

import math
from collections import Counter
from types import SimpleNamespace

import torch
from torch import Tensor

from superpos import IndependentFeatures, Procedure, geometry, optima, sweep
from superpos.claims import rate
from superpos.claims.registry import thresholds
from superpos.compute import streams
from superpos.compute.processes import in_parallel
from superpos.compute.streams import Purpose
from superpos.compute.sweeps import tensors
from superpos.learning import decoder, incidental, polygons, posterior
from superpos.neurons import interference
from superpos.optima import Optimum
from superpos.stats import listed, rank_correlation, span, told
from superpos.studies.study import Outcome, Study, Way, on_cores

N = 6  # features of the plane, and of the optima
CORNERS = (3, 4, 5, 6)
SAMPLES = torch.logspace(1.5, 4, 24)  # N of the posterior
COEFFICIENT_AT = 10_000  # N at which learning coefficients are sampled
EXACT = 1e-6  # how regular a k-gon is, that descent has come to
INDEPENDENT = 0.1  # p of the inputs at which critical points are looked at as well
SMALL = 0.1  # standard deviation of the weights that SGD starts from
DISTURBED = 0.02  # that of what is added to a k-gon
RECORDS = 60
FALLOFF = (1.0, 0.9, 0.7, 0.5)  # r of importance r^i; at 1 all features are equal
DENSITIES = torch.tensor([0.5, 0.2, 0.1, 0.05, 0.02], dtype=torch.float64)
DIMENSIONS = (2, 3)
RARER = 0.6  # how much rarer each feature is than the one before
BLOCKS = {"n": 7, "m": 3, "falloff": (1.0, 0.95, 0.9, 0.85, 0.8, 0.7)}  # with blocks of a plane
CROWD = {"n": 8, "m": 2, "rarer": (0.9, 0.75, 0.6)}  # so many that some weights are positive
PENALTY = 0.2
FEATURES = (32, 64, 96)
NEURONS = (1, 2, 4, 8)  # for each feature
DECODER = decoder.Sizes(features=64, inputs=24, neurons=64, probability=0.03)
BIASES = (0.0, -0.1, -0.2, -0.4)


def ours(what: str, steps: int) -> Procedure:
    """The chapter's way to train each of its three kinds of models."""
    kinds = {
        "polygons": {"learning_rate": 0.1, "warmup": 0, "cosine": False},
        "incidental": {"learning_rate": 0.05, "warmup": 0, "cosine": False},
        "decoder": {"learning_rate": 0.003, "batch_size": 128},
    }
    return Procedure(steps=steps, **kinds[what])


def slower(what: str, steps: int) -> Procedure:
    """At a fifth of the rates, which do not fall."""
    how = ours(what, steps)
    return Procedure(
        steps=steps,
        learning_rate=how.learning_rate / 5,
        batch_size=how.batch_size,
        warmup=0,
        cosine=False,
    )


study = Study(
    "landscape",
    {
        "ours": Way(
            "k-gons: plain SGD at a constant 0.1, 64 inputs a step; incidental polysemanticity: "
            "the full gradient at 0.05; the decoder: Adam at 0.003, falling to 0 as a cosine",
            ours,
        ),
        "published": Way(
            "what could be read of the sources does not say; a fifth of the chapter's rates, "
            "constant, for five times as many steps",
            slower,
            settings={"steps": 100_000, "steps_l1": 10_000, "steps_decoder": 15_000},
            quick={"steps": 4000, "steps_l1": 400, "steps_decoder": 400},
        ),
    },
)


# Polygons


@study.experiment
def critical_points():
    """The best k-gon for each n from 3 to 8 and k from 3 to n, of both kinds of inputs."""

    def both(size: tuple[int, int]) -> tuple[int, int, Optimum, Optimum]:
        independent = IndependentFeatures(size[0], INDEPENDENT)
        return (
            *size,
            polygons.regular(*size),
            polygons.regular(*size, features=independent),
        )

    return in_parallel(both, [(n, k) for n in range(8, 2, -1) for k in range(3, n + 1)])


def not_regular(W: Tensor, k: int) -> float:
    """Return how far W ``(2, n)`` is from the regular polygon that begins with its feature 0.

    >>> round(not_regular(torch.tensor([[1.0, 0, -1, 0, 0], [0, 1, 0, -1, 0.1]]), 4), 2)
    0.1
    """
    angle = 2 * math.pi * torch.arange(k, dtype=W.dtype) / k
    regular = torch.zeros_like(W)
    regular[0, :k] = W[0, 0] * angle.cos() - W[1, 0] * angle.sin()
    regular[1, :k] = W[0, 0] * angle.sin() + W[1, 0] * angle.cos()
    return float((W - regular).abs().max())


@study.test("land-kgons")
def are_critical(critical_points, *, gradient, long):
    """At the best k-gons the gradient by all parameters vanishes."""
    shown = [
        all(
            at.gradient_norm <= gradient
            and at.W[:, :k].norm(dim=0).min() >= long
            # descent began there, and must not have left it
            and not_regular(at.W, k) <= EXACT
            for at in (one, independent)
        )
        for _, k, one, independent in critical_points
    ]
    largest = max(
        float(max(one.gradient_norm, independent.gradient_norm))
        for _, _, one, independent in critical_points
    )
    return Outcome(torch.tensor(shown), measured={"Largest gradient": f"{largest:.0e}"})


@study.experiment
def kgons():
    """The k-gons of six features, by k and by how many of the others have a positive bias.

    W, b, ``loss`` and ``least``, the least curvature but for rotations, by ``(k, positive)``. Up to
    four corners disturb nobody and have biases of 0, where the loss has a kink: no curvature tells
    how it rises from there.
    """
    found = {}
    for k in CORNERS:
        for positive in range(N - k + 1):
            at = polygons.regular(N, k, positive=positive)
            least = optima.least_curvature(at.W, at.b, polygons.inputs(N))
            found[k, positive] = SimpleNamespace(
                W=at.W,
                b=at.b,
                loss=at.loss.item(),
                least=least.item(),
            )
    return found


def height(place: Tensor) -> Tensor:
    """Half the loss of models of six features in a plane, ``(..., 18)``: what N multiplies."""
    return polygons.loss(place[..., : 2 * N].unflatten(-1, (2, N)), place[..., 2 * N :]) / 2


def sampled_coefficients(kgons, seeds, **how) -> Tensor:
    """Return the learning coefficients of some k-gons, ``(seeds, k-gons)``."""
    minima = torch.stack([torch.cat([one.W.flatten(), one.b]) for one in kgons])

    def experiment(seed):
        found = posterior.local_coefficient(height, minima, seeds=seed, **how)
        return {"coefficient": (["k"], found)}

    found = sweep(experiment, {"seed": seeds}, cells_at_once=10, executor=on_cores())
    return tensors(found).coefficient


@study.experiment
def coefficients(kgons, sweeps, seeds_posterior):
    """Learning coefficients of the k-gons whose other features are silent, ``(seeds, k)``."""
    silent = [kgons[k, 0] for k in CORNERS]
    return sampled_coefficients(silent, seeds_posterior, size=COEFFICIENT_AT, sweeps=sweeps)


@study.experiment
def close_coefficients(kgons, sweeps, seeds_posterior):
    """Those of all k-gons, so near them that hardly anything else holds the samples.

    ``(seeds,)`` by ``(k, positive)``. Below 0 where samples fell into another valley: such a k-gon
    is no minimum.
    """
    how = thresholds("land-complexity-2", "size", "precision")
    found = sampled_coefficients(list(kgons.values()), seeds_posterior, sweeps=sweeps, **how)
    return dict(zip(kgons, found.unbind(1), strict=True))


@study.test("land-complexity")
def more_complex(kgons, coefficients, *, more):
    """From each k to the next the loss falls and the coefficient rises."""
    loss = torch.tensor([kgons[k, 0].loss for k in CORNERS])
    mean = coefficients.mean(0)
    falls, rises = loss.diff() < 0, mean.diff() >= more
    return Outcome(
        falls & rises,
        falls & ~rises,
        {
            "Loss of 3 to 6 corners": listed(loss, ".4f"),
            "Learning coefficient": listed(mean),
        },
    )


@study.test("land-complexity-2")
def more_complex_close_by(kgons, close_coefficients, *, more, size, precision):
    """From each k to the next the loss falls and the coefficient rises; weaker: the loss falls."""
    loss = torch.tensor([kgons[k, 0].loss for k in CORNERS])
    each = torch.stack([close_coefficients[k, 0] for k in CORNERS], 1)
    falls = loss.diff() < 0
    return Outcome(
        falls & (each.mean(0).diff() >= more),
        falls,
        {
            "Loss of 3 to 6 corners": listed(loss, ".4f"),
            f"Learning coefficient at N = {size:,.0f}, held by {precision:g}": listed(each.mean(0)),
            "Its standard deviation over seeds": listed(each.std(0)),
        },
    )


@study.experiment
def samples(sweeps, seeds_posterior):
    """What the posterior is made of at each N: shares by corners, mean loss, and a few models.

    ``share`` (seeds, N, 7), ``loss`` (seeds, N) and ``W`` (seeds, N, 2, 6), the last one.
    """

    def experiment(seed):
        start = torch.zeros(3 * N, dtype=torch.float64)
        found = posterior.sample(height, start, SAMPLES, seeds=seed, sweeps=sweeps)
        W = found.place[..., : 2 * N].unflatten(-1, (2, N))
        k = polygons.corners(W)
        share = torch.stack([(k == corners).double().mean(0) for corners in range(N + 1)], -1)
        return {
            "share": (["N", "corners"], share),
            "loss": (["N"], 2 * found.height.mean(0)),
            "W": (["N", "dimension", "feature"], W[-1]),
        }

    found = sweep(experiment, {"seed": seeds_posterior}, cells_at_once=10, executor=on_cores())
    return tensors(found)


def meeting(loss: Tensor, coefficient: Tensor) -> float:
    """Return the N at which N L/2 + λ log N is equal for two k-gons, the larger one of two.

    Infinite where the second one never has less, 1 where it always has.

    >>> round(meeting(torch.tensor([0.2, 0.1]), torch.tensor([1.0, 2.0])))
    90
    """
    gain, price = float(loss[0] - loss[1]) / 2, float(coefficient[1] - coefficient[0])
    if gain <= 0:
        return math.inf
    if price <= 0 or price / gain < math.e:
        return 1.0
    low, high = price / gain, 1e12
    for _ in range(100):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if gain * middle < price * math.log(middle) else (low, middle)
    return low


def arrives(share: Tensor, sizes: Tensor, *, most: float) -> Tensor:
    """Return from which N on a share ``(..., N)`` is at least ``most``; infinite if not at the end.

    >>> arrives(torch.tensor([0.6, 0.2, 0.7, 0.9]), torch.arange(1.0, 5), most=0.5)
    tensor(3.)
    """
    from_there = (share >= most).flip(-1).cumprod(-1).flip(-1).bool()
    return torch.where(from_there, sizes.to(share), torch.inf).amin(-1)


@study.test("land-bayes")
def posterior_moves(samples, kgons, coefficients, *, factor, most):
    """The posterior passes on to more corners, at the N that loss and coefficient give."""
    mean = coefficients.mean(0)
    loss = torch.tensor([kgons[k, 0].loss for k in CORNERS])
    shown = torch.ones(len(samples.share), dtype=torch.bool)
    measured = {}
    for k in (5, 6):
        pair = slice(CORNERS.index(k) - 1, CORNERS.index(k) + 1)
        at = meeting(loss[pair], mean[pair])
        there = arrives(samples.share[..., k:].sum(-1), SAMPLES, most=most)
        shown &= (there / at).log().abs() <= math.log(factor)
        expected = f"{at:.0f}" if math.isfinite(at) else "none"
        measured[f"N from which on {k} or more are likely"] = (
            f"{span(there, '.0f')}; by loss and coefficient {expected}"
        )
    likely = samples.share.argmax(-1)
    return Outcome(shown, (likely.diff(dim=-1) >= 0).all(-1) & (likely[:, -1] == N), measured)


def leaders(kgons, coefficients, sizes: Tensor) -> Tensor:
    """Return how many corners the k-gon with the least N L/2 + λ log N has, at each N.

    Parameters
    ----------
    kgons
        By name, with ``loss``; names begin with the number of corners.
    coefficients
        λ by name, ``(seeds,)`` each; a k-gon whose mean is not above 0 is no minimum, and left out.
    sizes
        N.

    >>> two = {(3, 0): SimpleNamespace(loss=0.2), (4, 0): SimpleNamespace(loss=0.1)}
    >>> complexity = {(3, 0): torch.tensor([1.0]), (4, 0): torch.tensor([2.0])}
    >>> leaders(two, complexity, torch.tensor([80.0, 100.0])).tolist()
    [3, 4]
    """
    minima = [name for name, found in coefficients.items() if found.mean() > 0]
    loss = torch.tensor([kgons[name].loss for name in minima], dtype=sizes.dtype)
    price = torch.stack([coefficients[name].mean() for name in minima]).to(sizes)
    least = (sizes[:, None] * loss / 2 + price * sizes[:, None].log()).argmin(1)
    return torch.tensor([name[0] for name in minima])[least]


def passages(kgons, coefficients) -> dict[int, float]:
    """Return from which N on, of those sampled, another k-gon is to lead: N by its corners."""
    first, last = SAMPLES[[0, -1]].log10().tolist()
    sizes = torch.logspace(first, last, 2000, dtype=torch.float64)
    corners = leaders(kgons, coefficients, sizes)
    begins = (corners.diff() > 0).nonzero()[:, 0] + 1
    return {int(corners[at]): float(sizes[at]) for at in begins}


@study.test("land-bayes-2")
def posterior_passes(samples, kgons, close_coefficients, *, factor, most):
    """More corners become likely at the N at which their k-gon is to lead."""
    share = samples.share.mean(0)
    shown, measured = [], {}
    for k, at in passages(kgons, close_coefficients).items():
        there = float(arrives(share[:, k:].sum(-1), SAMPLES, most=most))
        shown.append(abs(math.log(there / at)) <= math.log(factor))
        measured[f"N from which on {k} or more are likely"] = (
            f"{there:.0f}; by loss and coefficient {at:.0f}"
        )
    likely = share.argmax(-1)
    order = bool((likely.diff() >= 0).all() and likely[-1] == N)
    # without a passage to be seen, none was where it should be
    shown = torch.tensor(shown or [False])
    return Outcome(shown, torch.full_like(shown, order), measured)


def records(steps: int) -> list[int]:
    """Return after how many steps models are kept, logarithmically even.

    >>> records(100)[:3], records(100)[-1]
    ([0, 10, 11], 100)
    """
    spread = torch.logspace(1, math.log10(steps), RECORDS, dtype=torch.float64)
    return sorted({0, *(round(step) for step in spread.tolist())})


def normal(shape: tuple[int, ...], seeds) -> Tensor:
    """Return normal draws ``(seeds, *shape)``, a stream of their own for each seed."""
    draws = [streams.generator(seed, Purpose.INITIAL_VALUES, 1) for seed in seeds]
    return torch.stack([torch.randn(*shape, generator=draw) for draw in draws])


@study.experiment
def descents(steps, seeds, procedure):
    """SGD from small weights: ``step`` (records,), W, b and the loss by (record, seed)."""
    how = procedure("polygons", steps)
    W = SMALL * how.initial_scale * normal((2, N), seeds)
    kept = records(steps)
    W, b = polygons.descend(W, torch.zeros(len(seeds), N), how, seeds=seeds, record=kept)
    return SimpleNamespace(step=torch.tensor(kept), W=W, b=b, loss=polygons.loss(W, b))


def stands_still(loss: Tensor, step: Tensor, *, still: float, longer: float = 1.25) -> Tensor:
    """Return at which records ``(records, ...)`` the loss falls by less than a share from there on.

    Until the number of steps has grown by a quarter. The last records, which have no such later
    one, are compared with the end.

    >>> stands_still(torch.tensor([1.0, 0.5, 0.499]), torch.tensor([10, 20, 40]), still=0.02)
    tensor([False,  True,  True])
    """
    later = torch.searchsorted(step.double(), longer * step.double()).clamp_max(len(step) - 1)
    return loss[later] > (1 - still) * loss


@study.test("land-plateaus")
def plateaus(descents, *, long, still, degrees, share):
    """Where the loss stands still the model is a k-gon, and k does not fall."""
    k = polygons.corners(descents.W, long=long)
    is_one = polygons.is_regular(descents.W, long=long, degrees=degrees)
    counted = stands_still(descents.loss, descents.step, still=still) & (k >= 3)
    shown, last = [], is_one[-1]
    for seed in range(k.shape[1]):
        at = counted[:, seed]
        regular = (is_one[at, seed].double().mean() >= share) if at.any() else False
        shown.append(bool(regular and (k[at, seed].diff() >= 0).all()))
    ends = {corners: int((k[-1] == corners).sum()) for corners in range(N + 1)}
    alive = [f"{count} of {k.shape[1]} at {corners}" for corners, count in ends.items() if count]
    positive = (descents.b[-1] > 0) & (descents.W[-1].norm(dim=-2) < long)
    return Outcome(
        torch.tensor(shown),
        last,
        {
            "Features at the end": "; ".join(alive),
            "Passed through four": rate(
                torch.tensor([bool((k[counted[:, s], s] == 4).any()) for s in range(k.shape[1])])
            ),
            "Others with a positive bias": f"{int(positive.sum())} of "
            f"{int((descents.W[-1].norm(dim=-2) < long).sum())}",
        },
    )


@study.experiment
def from_kgons(kgons, steps, seeds, procedure):
    """SGD from the 4-gon and the 5-gon, other biases positive: W ``(4 or 5, seed, 2, 6)``."""
    W = torch.stack([kgons[k, N - k].W for k in (4, 5)]).float()[None]
    b = torch.stack([kgons[k, N - k].b for k in (4, 5)]).float()[None]
    W = W + DISTURBED * normal((2, 2, N), seeds)
    how = procedure("polygons", steps)
    W, _ = polygons.descend(W, b.expand(len(seeds), -1, -1), how, seeds=seeds)
    return SimpleNamespace(W=W[0].transpose(0, 1), inputs=steps * how.batch_size)


@study.test("land-stays")
def stays(from_kgons, samples, *, long, most):
    """SGD still is where it started, and the posterior is not."""
    reached = max(from_kgons.inputs, float(SAMPLES[0])) >= SAMPLES
    six = samples.share[:, reached][:, -1, N].mean()
    four, five = (
        polygons.corners(W, long=long) == k for k, W in zip((4, 5), from_kgons.W, strict=True)
    )
    return Outcome(
        four & five & (six >= most),
        measured={
            "Still at four": rate(four),
            "Still at five": rate(five),
            "Six in the posterior": f"{six:.0%}",
        },
    )


# Capacity


def best(importance: Tensor, p: Tensor, m: int, starts: int, seed: int) -> Optimum:
    """Return the best of descents from random starts, at every setting.

    Parameters
    ----------
    importance, p
        ``(..., n)`` each, or what broadcasts.
    m, starts, seed
        Dimensions; how many starts, and which.
    """
    *shape, n = torch.broadcast_shapes(importance.shape, p.shape)
    draw = torch.Generator().manual_seed(seed)
    W = torch.randn(starts, *(1 for _ in shape), m, n, generator=draw) / m**0.5
    found = optima.minimise(
        W.expand(starts, *shape, m, n), torch.zeros(n), p, importance, max_steps=200
    )
    return found.best()


@study.experiment
def allocated(n_starts, first_seed):
    """The best models at falling importance, by number of dimensions: W is (p, r, m, n)."""
    r = torch.tensor(FALLOFF, dtype=torch.float64)
    importance = r[:, None] ** torch.arange(N)
    p = DENSITIES[:, None, None]
    return {m: best(importance, p, m, n_starts, first_seed) for m in DIMENSIONS}


@study.test("land-capacity")
def by_importance(allocated, *, tolerance, whole, nothing):
    """Capacity never rises along falling importance, and falls among those that share."""
    orders, both, kinds = [], [], []
    for found in allocated.values():
        D = geometry.feature_dimensionality(found.W[:, 1:]).flatten(0, 1)
        for one in D:
            falls = bool((one.diff() <= tolerance).all())
            shared = one[(one > nothing) & (one < whole)]
            graded = len(shared) < 2 or float(shared[0] - shared[-1]) >= tolerance
            orders.append(falls)
            both.append(falls and graded)
            kinds.append(bool((one >= whole).any() and len(shared) and (one <= nothing).any()))
    return Outcome(
        torch.tensor(both),
        torch.tensor(orders),
        {"Whole, shared and none at once": f"{sum(kinds)} of {len(kinds)}"},
    )


def blocks(W: Tensor, *, cosine: float, least: float = 0.1) -> list[list[int]]:
    """Return the features of each block: sets between which all cosines are small.

    >>> blocks(torch.tensor([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.01]]), cosine=0.05)
    [[0, 1], [2]]
    """
    kept = (W.norm(dim=0) >= least).nonzero()[:, 0].tolist()
    near = geometry.cosines(W).abs() >= cosine
    found: list[list[int]] = []
    for feature in kept:
        joined = [block for block in found if any(near[feature, other] for other in block)]
        found = [block for block in found if block not in joined]
        found.append(sorted([feature, *(other for block in joined for other in block)]))
    return sorted(found)


def extents(W: Tensor, block: list[int]) -> Tensor:
    """Return the singular values of a block, one for each dimension that it has."""
    values = torch.linalg.svdvals(W[:, block])
    return values[values > 1e-3 * values[0]]


def dimension(W: Tensor, block: list[int]) -> int:
    """Return how many dimensions the features of a block span.

    >>> dimension(torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]]), [0, 1])
    1
    """
    return len(extents(W, block))


def unevenness(W: Tensor, block: list[int]) -> float:
    """Return how much the singular values of a block differ, as a share of the largest.

    >>> round(unevenness(torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]]), [0, 1]), 6)
    0.0
    """
    values = extents(W, block)
    return float(1 - values[-1] / values[0])


@study.test("land-blocks")
def semi_orthogonal(allocated, *, cosine, equal, nearly):
    """Each block's singular values are equal."""
    worst, counts = [], []
    for found in allocated.values():
        for W in found.W.flatten(0, 1):
            parts = blocks(W, cosine=cosine)
            worst.append(max((unevenness(W, part) for part in parts), default=0.0))
            counts.append(len(parts))
    worst = torch.tensor(worst)
    equal_ones = torch.tensor([count > 1 for count in counts])
    return Outcome(
        worst <= equal,
        worst <= nearly,
        {
            "More than one block": f"{int(equal_ones.sum())} of {len(counts)}",
            "Unevenness": f"median {worst.median():.0%}, at most {worst.max():.0%}",
        },
    )


@study.experiment
def allocated_in_blocks(n_starts, first_seed):
    """The best models of more features, whose blocks may be planes: W is (p, r, m, n)."""
    r = torch.tensor(BLOCKS["falloff"], dtype=torch.float64)
    importance = r[:, None] ** torch.arange(BLOCKS["n"])
    return best(importance, DENSITIES[:, None, None], BLOCKS["m"], n_starts, first_seed)


@study.test("land-blocks-2")
def semi_orthogonal_planes(allocated_in_blocks, *, cosine, equal, nearly):
    """Each block's singular values are equal, in models with a block that is no line."""
    worst, several, sizes = [], [], Counter()
    for W in allocated_in_blocks.W.flatten(0, 1):
        parts = blocks(W, cosine=cosine)
        dimensions = [dimension(W, part) for part in parts]
        if max(dimensions, default=0) < 2:
            continue
        worst.append(max(unevenness(W, part) for part in parts))
        several.append(len(parts) > 1)
        sizes[" + ".join(str(size) for size in sorted(dimensions, reverse=True))] += 1
    # without such a model, none has the structure
    worst = torch.tensor(worst or [math.inf])
    return Outcome(
        worst <= equal,
        worst <= nearly,
        {
            "Models with a block of two dimensions or more": f"{len(several)} of "
            f"{allocated_in_blocks.W[..., 0, 0].numel()}",
            "Of these with another block": f"{sum(several)} of {len(several)}",
            "Dimensions of the blocks": "; ".join(
                f"{size} in {count}" for size, count in sorted(sizes.items())
            ),
            "Unevenness": f"median {worst.median():.0%}, at most {worst.max():.0%}",
        },
    )


@study.experiment
def rarer(n_starts, first_seed):
    """The best models where each feature is rarer than the one before: a list of p, W and b."""
    p = DENSITIES[:, None] * RARER ** torch.arange(N)
    found = {m: best(torch.ones(N), p, m, n_starts, first_seed) for m in DIMENSIONS}
    return [
        SimpleNamespace(p=p[k], W=each.W[k], b=each.b[k])
        for each in found.values()
        for k in range(len(p))
    ]


@study.experiment
def crowded(n_starts, first_seed):
    """The same with so many features that some weights are positive: a list of p, W and b."""
    r = torch.tensor(CROWD["rarer"], dtype=torch.float64)
    p = DENSITIES[:, None, None] * r[:, None] ** torch.arange(CROWD["n"])
    found = best(torch.ones(CROWD["n"]), p, CROWD["m"], n_starts, first_seed)
    flat = (values.flatten(0, 1) for values in (p, found.W, found.b))
    return [SimpleNamespace(p=p, W=W, b=b) for p, W, b in zip(*flat, strict=True)]


def weighed(model) -> SimpleNamespace:
    """Return every weight between two features of a model, by each measure.

    ``size`` (signed), ``expected`` (times E[x_j]), ``first`` and ``harm``; ``back``, the harm of
    the weight the other way, which is as large; ``from_rarer``, whether its source is rarer.
    """
    off = ~torch.eye(len(model.p), dtype=torch.bool)
    features = IndependentFeatures(len(model.p), model.p)
    V = model.W.mT @ model.W
    harm = interference.harm(model.W, model.b, features)
    return SimpleNamespace(
        size=V[off],
        expected=(V * model.p / 2)[off],
        first=interference.first_order(model.W, model.b, features)[off],
        harm=harm[off],
        back=harm.mT[off],
        from_rarer=(model.p < model.p[:, None])[off],
    )


@study.experiment
def weights(rarer):
    """Every weight between two features of those models."""
    return [weighed(one) for one in rarer]


@study.experiment
def crowded_weights(crowded):
    """Every weight between two features of the crowded ones."""
    return [weighed(one) for one in crowded]


def harm_told(one, *, least: float) -> SimpleNamespace | None:
    """Return how well each measure ranks the harm of a model's positive weights.

    Rank correlations ``size``, ``expected`` and ``first``; ``ratio``, the mean harm of negative
    weights over that of positive ones. None with fewer than three positive ones or no negative one.
    """
    positive, negative = one.size >= least, one.size <= -least
    if int(positive.sum()) < 3 or not negative.any():
        return None
    harm = one.harm[positive]
    told = {
        name: rank_correlation(getattr(one, name)[positive][None], harm).item()
        for name in ("size", "expected", "first")
    }
    return SimpleNamespace(**told, ratio=(one.harm[negative].mean() / harm.mean()).item())


def ranked(told, *, agree: float, little: float) -> bool:
    """Whether size times activity ranks the harm of positive weights, and negative ones do none."""
    return told.expected >= agree and told.expected > told.size and told.ratio <= little


def spreads(told: list[SimpleNamespace]) -> dict[str, str]:
    """Return the ranges of what `harm_told` gives, in words."""
    names = {
        "size": "Rank correlation of size with harm",
        "expected": "Rank correlation of size times activity",
        "first": "Rank correlation of the first-order change",
        "ratio": "Harm of negative weights over that of positive ones",
    }
    return {
        words: span(torch.tensor([getattr(one, name) for one in told])).replace("-", "−")
        if told
        else "nowhere"
        for name, words in names.items()
    }


@study.test("land-interference")
def told_by(weights, *, agree, little):
    """Size times activity ranks the harm of positive weights; negative ones do hardly any."""
    each = [harm_told(one, least=0.01) for one in weights]
    shown = [one is not None and ranked(one, agree=agree, little=little) for one in each]
    return Outcome(torch.tensor(shown), measured=spreads([one for one in each if one]))


@study.test("land-interference-2")
def told_where_positive(crowded_weights, *, agree, little, least):
    """The same of models that have positive weights."""
    each = [told for one in crowded_weights if (told := harm_told(one, least=least))]
    # without such a model, nothing is told
    shown = [ranked(one, agree=agree, little=little) for one in each] or [False]
    more = [(one.harm > one.back)[(one.size >= least) & one.from_rarer] for one in crowded_weights]
    return Outcome(
        torch.tensor(shown),
        measured={
            "Models with three positive weights or more": f"{len(each)} of {len(crowded_weights)}"
        }
        | spreads(each)
        | {"More harm from the rarer of two features": rate(torch.cat(more))},
    )


# Chance


@study.experiment
def collisions(steps_l1, seeds_l1, procedure):
    """Models of the n unit vectors with an L1 penalty: W ``(seeds, m, n)`` by (n, m)."""
    how = procedure("incidental", steps_l1)

    def trained(size: tuple[int, int]) -> Tensor:
        start = incidental.initial(*size, seeds=seeds_l1, scale=how.initial_scale)
        return incidental.descend(start, PENALTY, how)

    # the largest first, so that cores have work to the end
    sizes = sorted(
        ((n, k * n) for n in FEATURES for k in NEURONS), key=lambda size: -size[0] * size[1]
    )
    return dict(zip(sizes, in_parallel(trained, sizes), strict=True))


def pairs(collisions, half: float) -> dict[tuple[int, int], float]:
    """Return the mean number of collisions by (n, m)."""
    return {
        size: incidental.collisions(W, half=half).double().mean().item()
        for size, W in collisions.items()
    }


def constant(found: dict[tuple[int, int], float]) -> float:
    """Return the c of c n²/m that fits best: the mean of counts over that of n²/m.

    >>> constant({(10, 10): 5.0, (10, 20): 2.5})
    0.5
    """
    return sum(found.values()) / sum(n * n / m for n, m in found)


@study.test("land-collisions")
def by_chance(collisions, *, half, within, slope):
    """The number of collisions is c n²/m at every size."""
    found = pairs(collisions, half)
    c = constant(found)
    shown, weaker = [], []
    for (n, m), count in found.items():
        shown.append(abs(count / (c * n * n / m) - 1) <= within)
        of_n = {size[1]: number for size, number in found.items() if size[0] == n}
        x = torch.tensor(list(of_n), dtype=torch.float64).log()
        y = torch.tensor(list(of_n.values()), dtype=torch.float64).clamp_min(1e-3).log()
        fitted = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
        weaker.append(abs(float(fitted) + 1) <= slope)
    enough = {m / n: count for (n, m), count in sorted(found.items()) if n == max(FEATURES)}
    return Outcome(
        torch.tensor(shown),
        torch.tensor(weaker),
        {
            "The constant c": f"{c:.3f}",
            "Collisions of 96 features": ", ".join(
                f"{count:.1f} at m = {times:.0f}n" for times, count in enough.items()
            ),
        },
    )


# Initial biases


@study.experiment
def decoders(steps_decoder, seeds_decoder, procedure):
    """Feature decoders from each initial bias: the loss and every neuron's responses.

    ``loss`` (bias, seeds) and ``response`` (bias, seeds, neurons, features).
    """
    how = procedure("decoder", steps_decoder)

    def trained(bias: float) -> tuple[Tensor, Tensor]:
        start = decoder.initial(DECODER, bias, seeds=seeds_decoder)
        model = decoder.train(DECODER, start, how, seeds=seeds_decoder)
        return decoder.loss(DECODER, model, seeds=seeds_decoder), decoder.responses(model)

    loss, response = zip(*in_parallel(trained, BIASES), strict=True)
    return SimpleNamespace(loss=torch.stack(loss), response=torch.stack(response))


@study.test("land-initial-bias")
def purer(decoders, *, second, more, loss, some):
    """A negative initial bias makes more neurons monosemantic, for no more loss."""
    share = decoder.monosemantic(decoders.response, second=second)
    cheap = decoders.loss[1:] <= (1 + loss) * decoders.loss[0]
    gain = share[1:] - share[0]
    return Outcome(
        (cheap & (gain >= more)).any(0),
        (cheap & (gain >= some)).any(0),
        {
            f"Monosemantic from {bias:g}".replace("-", "−"): told(share[k], digits=2)
            for k, bias in enumerate(BIASES)
        }
        | {
            f"Loss from {bias:g}, over that from 0".replace("-", "−"): told(
                decoders.loss[k] / decoders.loss[0], digits=2
            )
            for k, bias in enumerate(BIASES)
            if k
        },
    )
