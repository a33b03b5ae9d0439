"""Optimization failure: seven one-hot features in a plane, of which descent first learns six.

"Optimization Failure" 2023, a post that takes apart a remark of Henighan et al. 2023.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import torch
from torch import Tensor

from superpos import RELU_OUTPUT, IndependentFeatures, Procedure, geometry, stats, sweep, train
from superpos.claims import rate as rate_in_words
from superpos.claims.registry import thresholds
from superpos.compute.sweeps import tensors
from superpos.errors import InvalidArgument
from superpos.learning import onehot, resampling, sae
from superpos.learning.onehot import AdamW, GradientDescent, Optimiser
from superpos.studies.study import FRESH, Outcome, Study, Way, fresh
from superpos.studies.ways import BEST_KNOWN, Search, search
from superpos.training.procedures import published

DECAY = 0.01  # AdamW's, by default
STEPS = 25_000  # of AdamW in the source
LOST = 0.01  # a loss above it says that a feature is missing
SIZES = (20, 50, 100, 200)  # n, where the onset of superposition is looked for in m dimensions
M = 5
DENSITIES = 1.15 ** -torch.arange(13.0)
DELTAS = (0.1, 0.2, 0.3, 0.4, 0.6, 0.8)  # by which the repulsor raises biases
PRICE = 0.2  # of activity, in sparse autoencoders
FRAMES = 400  # recorded of slow descent
# the source's slightly asymmetric hexagon: lengths, and angles from W_2, clockwise, in units of π
LENGTHS = (1.41, 1.4227, 1.4244, 1.4244, 1.4227, 1.41)
TURNS = (1.6639, 0.0, 0.3314, 0.6621, 0.9934, 1.3295)


@dataclass(frozen=True)
class Descents:
    """How this chapter trains; called with (n, m, steps), models of independent features.

    Attributes
    ----------
    independent
        What the call returns.
    rates, scales
        AdamW's rates, and factors on the initial weights, that seven features are tried with.
    rate, decay, scale
        AdamW's rate and weight decay, and a factor on the initial weights, where there is one of
        each: for six features, and for seven that are watched.
    still
        What takes the loss from disturbed solutions.
    by_hand
        From a rate to what descends from a state that was made by hand.
    settle
        Steps of six features before a seventh joins them, in the map.
    autoencoder_rate
        Adam's rate for sparse autoencoders.
    """

    independent: Callable[[int, int, int], Procedure]
    rates: tuple[float, ...]
    still: Optimiser
    scales: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0)
    rate: float = 1e-3
    decay: float = DECAY
    scale: float = 1.0
    by_hand: Callable[[float], Optimiser] = GradientDescent
    settle: int = 2000
    autoencoder_rate: float = 5e-3

    def __call__(self, n: int, m: int, steps: int) -> Procedure:
        return self.independent(n, m, steps)

    @property
    def usual(self) -> AdamW:
        """AdamW at that rate, with that decay."""
        return AdamW(self.rate, self.decay)


def fast(n: int, m: int, steps: int) -> Procedure:
    """The chapter's procedure for independent features, which finds good optima soon."""
    return Procedure.fast(n, m, steps=steps)


def theirs(n: int, m: int, steps: int) -> Procedure:
    """That of the notebook of Elhage et al., with a model for each density in one array."""
    return published(n, m, instances=len(DENSITIES), steps=steps)


OURS = Descents(fast, (3e-4, 1e-3, 2e-3, 3e-3, 1e-2), GradientDescent(0.5))
THEIRS = Descents(theirs, (1e-3,), AdamW(1e-3, DECAY))

study = Study(
    "optimization_failure",
    {
        "ours": Way(
            "AdamW with weight decay 0.01 on all one-hot examples, 25 000 steps, biases from 0; "
            "five rates from 0.0003 to 0.01 and four initial scales",
            OURS,
        ),
        "published": Way(
            "AdamW on all one-hot examples, 25 000 steps, biases from 0; the source does not say "
            "the rate, the decay or the initial scale: torch's 0.001 and 0.01, and four scales",
            THEIRS,
        ),
    },
)


def ways(told: str, unsaid: str, theirs: Descents = THEIRS) -> dict[str, Way]:
    """The ways to train a claim's own models; the source leaves something unsaid."""
    return {"ours": Way(told, OURS), "published": Way(told + unsaid, theirs)}


SIX = ways(
    "AdamW at 0.001 with weight decay 0.01 on all one-hot examples, 25 000 steps, biases from 0",
    "; the source does not say rate, decay and initial scale",
)
BY_HAND = ways(
    "plain descent on all one-hot examples, from a state made by hand",
    "; the source does not say for how many steps",
)
SPARSE = ways(
    "Adam at 0.005 on 64 activations a step, a price of 0.2, encoder biases from −1",
    ": the claim is this book's own, at a size of its own",
)
UNEVEN = ways(
    "plain descent at a rate of 0.5 on all one-hot examples, 20 000 steps",
    "; how the source found uneven solutions it does not say, and AdamW leaves hardly any",
    OURS,
)
STILL = UNEVEN | {
    "published": Way(
        "AdamW at 0.001 with weight decay 0.01 on all one-hot examples, 20 000 steps; how the "
        "source found such solutions it does not say",
        THEIRS,
    )
}


def stream(seed: int) -> torch.Generator:
    """A stream of random numbers."""
    return torch.Generator().manual_seed(seed)


def in_the_plane(length: Tensor, angle: Tensor) -> Tensor:
    """Vectors ``(..., 2, n)`` of the plane by their lengths and angles, ``(..., n)``."""
    return length[..., None, :] * torch.stack([angle.cos(), angle.sin()], dim=-2)


# Six features


def six_features(seeds: range, how: Optimiser, scale: float):
    """Six features, trained from small random weights: a sweep."""

    def experiment(seed):
        start = RELU_OUTPUT.initial(6, 2, seeds=seed)
        end = onehot.descend(scale * start["W"][:, 0], start["b"][:, 0], how, STEPS)
        return {"W": end.W, "b": end.b}

    return sweep(experiment, {"seed": seeds}, cells_at_once=len(seeds))


@study.experiment
def six(seeds_still, procedure):
    """Six features, trained from small random weights."""
    return six_features(seeds_still, procedure.usual, procedure.scale)


@study.experiment
def six_others(seeds_scan, procedure):
    """The same from other seeds."""
    return six_features(fresh(seeds_scan), procedure.usual, procedure.scale)


def without_loss(six, learnt: float) -> tuple[Tensor, Tensor]:
    """W and b of the models that end with a loss below a threshold, in double precision."""
    kept = onehot.loss(six.W, six.b) < learnt
    return six.W[kept].double(), six.b[kept].double()


@study.test("opt-circle", **SIX)
def circle(six, *, exact, learnt, within):
    """The regular hexagon has no loss, and trained models without loss fulfil the equation."""
    W, b = without_loss(six, learnt)
    sums = (W.square().sum(1) + b - 1).abs().amax(1)
    return Outcome(
        (sums <= within) & (onehot.loss(*onehot.regular(6)) <= exact),
        measured={
            "Models without loss": f"{len(W)} of {len(six.W)}",
            "Largest |‖W_i‖² + b_i − 1|": f"{sums.max():.1e}",
        },
    )


@study.test("opt-zones", **SIX)
def zones(six, *, learnt, reach):
    """Each feature is in its own zone, and reaches into no other."""
    z = onehot.outputs(*without_loss(six, learnt))
    own = torch.eye(6, dtype=torch.bool)
    others = z.masked_fill(own, -torch.inf).amax((1, 2))
    return Outcome(
        (z.diagonal(dim1=1, dim2=2) > 0).all(1) & (others <= reach),
        measured={"Furthest that another feature reaches in": f"{others.max():.1e}"},
    )


def regular_polygon(W: Tensor, *, within: float, degrees: float) -> Tensor:
    """Return whether features form a regular polygon: booleans ``(...)`` of W ``(..., 2, n)``.

    Lengths are ``within`` a share of their mean, the angles between neighbours within ``degrees``
    of an equal share.

    >>> regular_polygon(onehot.regular(6)[0], within=0.05, degrees=5)
    tensor(True)
    """
    lengths, gaps = W.norm(dim=-2), geometry.angular_gaps(W)
    even = ((lengths / lengths.mean(-1, keepdim=True) - 1).abs() <= within).all(-1)
    return even & ((gaps - 360 / W.shape[-1]).abs() <= degrees).all(-1)


@study.test("opt-circle-2", **SIX)
def stand_on_a_circle(six_others, *, learnt, within, degrees, exact):
    """Learnt features are equally long, equally spaced, and fulfil the equation; weaker: that."""
    W, b = without_loss(six_others, learnt)
    right = (W.square().sum(1) + b - 1).abs().amax(1) <= exact
    return Outcome(
        regular_polygon(W, within=within, degrees=degrees) & right,
        right,
        {
            "Models in which no feature is missing": f"{len(W)} of {len(six_others.W)}",
            "Longest over shortest": stats.told(longest_over_shortest(W)),
        },
    )


@study.test("opt-zones-2", **SIX)
def zones_of_learnt(six_others, *, learnt, reach):
    """Each learnt feature is alone in its zone; weaker: it is the furthest in."""
    z = onehot.outputs(*without_loss(six_others, learnt))
    own = z.diagonal(dim1=1, dim2=2)
    others = z.masked_fill(torch.eye(6, dtype=torch.bool), -torch.inf).amax(2)
    return Outcome(
        ((own > 0) & (others <= reach)).all(1),
        (own > others).all(1),
        {"Furthest that another feature reaches in": f"{others.max():.1e}"},
    )


def disturbed_polygons(n: int, count: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """Regular n-gons whose lengths, angles and biases are off by up to a tenth: W and b."""
    W, b = onehot.regular(n)
    u = 0.2 * torch.rand(3, count, n, generator=stream(seed), dtype=W.dtype) - 0.1
    angle = 2 * torch.pi / n * (torch.arange(n) + u[0])
    return in_the_plane(W.norm(dim=0) * (1 + u[1]), angle), b * (1 + u[2])


@study.experiment
def asymmetric(seeds_still, first_seed, procedure):
    """By n: descents from regular n-gons whose lengths, angles and biases were disturbed."""
    starts = {n: disturbed_polygons(n, len(seeds_still), seed=n + first_seed) for n in (6, 7)}
    return {n: onehot.descend(*at, procedure.still, 20_000) for n, at in starts.items()}


@study.experiment
def from_longer(seeds_still, first_seed):
    """By n: descents from longer n-gons, disturbed, each feature right at its own example."""
    longer, found = thresholds("opt-many-2")["longer"], {}
    for n in (6, 7):
        W, _ = disturbed_polygons(n, len(seeds_still), seed=n + FRESH + first_seed)
        W = longer * W
        found[n] = onehot.descend(W, 1 - W.square().sum(1), GradientDescent(0.5), 20_000)
    return found


def longest_over_shortest(W: Tensor) -> Tensor:
    """How uneven features are: ``(...)`` of W ``(..., m, n)``."""
    length = W.norm(dim=-2)
    return length.amax(-1) / length.amin(-1)


def are_uneven(W: Tensor, by: float) -> Tensor:
    """Whether the longest feature is a share longer than the shortest: booleans ``(...)``."""
    length = W.norm(dim=-2)
    return length.amax(-1) >= (1 + by) * length.amin(-1)


def two_circles(W: Tensor, *, tenth: float) -> Tensor:
    """Return whether features come in two lengths, one gap between them towering: ``(...)``.

    All other gaps between sorted lengths are below a share of it.

    >>> two_circles(torch.diag(torch.tensor([1.0, 1.01, 2.0, 2.01])), tenth=0.1)
    tensor(True)
    >>> two_circles(torch.diag(torch.tensor([1.0, 1.5, 2.0, 2.5])), tenth=0.1)
    tensor(False)
    """
    gaps = W.norm(dim=-2).sort(-1).values.diff(dim=-1)
    return (gaps < gaps.amax(-1, keepdim=True) * tenth).sum(-1) == gaps.shape[-1] - 1


@study.test("opt-many", **STILL)
def many(asymmetric, *, lossless, uneven, tenth):
    """There is no loss, lengths differ, and they are not of two kinds."""

    def shown(end):
        exact = onehot.loss(end.W, end.b) <= lossless
        return exact & are_uneven(end.W, uneven) & ~two_circles(end.W, tenth=tenth)

    return Outcome(
        torch.stack([shown(end) for end in asymmetric.values()]).all(0),
        measured={
            f"Longest over shortest, n = {n}": stats.told(longest_over_shortest(end.W))
            for n, end in asymmetric.items()
        }
        | {
            f"Two lengths, n = {n}": stats.told_rate(two_circles(end.W, tenth=tenth))
            for n, end in asymmetric.items()
        },
    )


@study.test("opt-many-2")
def many_of_other_lengths(from_longer, *, longer, lossless, uneven):
    """There is no loss, and lengths differ, for both n; weaker: for one."""
    shown = torch.stack(
        [
            (onehot.loss(end.W, end.b) <= lossless) & are_uneven(end.W, uneven)
            for end in from_longer.values()
        ]
    )
    return Outcome(
        shown.all(0),
        shown.any(0),
        {
            f"Longest over shortest, n = {n}, from {longer:g} times the length": stats.told(
                longest_over_shortest(end.W)
            )
            for n, end in from_longer.items()
        },
    )


@study.experiment
def lopsided(asymmetric):
    """The solutions with six features that are uneven, and what may go with their lengths.

    Arrays ``(models, 6)``: ``length``; ``tilt``, √D_i; ``room``, the two angles beside a feature,
    in degrees; ``edge``, how far its zone is from the origin. And ``(models,)``: ``tilts``,
    ``rooms`` and ``edges``, the rank correlations of each with the length.
    """
    end = asymmetric[6]
    kept = are_uneven(end.W, thresholds("opt-many", "uneven")["uneven"])
    if not kept.any():
        raise InvalidArgument("all solutions are even: lengths that are equal go with nothing")
    W, b = end.W[kept], end.b[kept]
    length = W.norm(dim=1)
    tilt, room, edge = geometry.feature_dimensionality(W).sqrt(), geometry.room(W), -b / length
    tilts, rooms, edges = (by_model(value, length) for value in (tilt, room, edge))
    return SimpleNamespace(
        length=length, tilt=tilt, room=room, edge=edge, tilts=tilts, rooms=rooms, edges=edges
    )


def by_model(values: Tensor, order: Tensor) -> Tensor:
    """The rank correlation over the features of each model; 0 if all are equal."""
    found = [
        stats.rank_correlation(v[None], o)[0] if o.max() - o.min() > 1e-9 else torch.tensor(0.0)
        for v, o in zip(values, order, strict=True)
    ]
    return torch.stack(found).double().nan_to_num(0)


@study.test("opt-tilt", **UNEVEN)
def tilt(lopsided, *, correlation, weaker):
    """The tilt is a cosine from 0 to 1, and rises with length."""
    tilt, tilts = lopsided.tilt, lopsided.tilts
    bounded = ((tilt >= 0) & (tilt <= 1)).all(1)
    return Outcome(
        bounded & (tilts >= correlation),
        bounded & (tilts >= weaker),
        {
            "Rank correlation": stats.told(tilts),
            "Range": stats.span(tilt),
        },
    )


@study.test("opt-gap", **UNEVEN)
def gap(lopsided, *, room, edge):
    """Shorter features have more room, and zones that begin closer to the origin."""
    wide, near = lopsided.rooms <= room, lopsided.edges >= edge
    return Outcome(
        wide & near,
        wide | near,
        {
            "Angles beside it": stats.told(lopsided.rooms),
            "Distance of the zone": stats.told(lopsided.edges),
        },
    )


# Where superposition begins


@study.experiment
def represented(steps_mode, seeds_mode, procedure):
    """By n: how many of n features are represented in five dimensions, ``(seeds, densities)``."""

    def counts(n):
        how = procedure(n, M, steps_mode)

        def counted(seed, p):
            run = train(IndependentFeatures(n, p[:, None]), M, seeds=seed, procedure=how)
            return {"count": geometry.represented(run.W).sum(-1)}

        return tensors(sweep(counted, {"seed": seeds_mode, "p": DENSITIES}, cells_at_once=65)).count

    return {n: counts(n) for n in SIZES}


def onset(count: Tensor, times: float) -> Tensor:
    """The densest p with more than ``times`` m features, for each seed; NaN if there is none."""
    over = count > times * M
    return torch.where(over.any(1), DENSITIES[over.int().argmax(1)], torch.nan)


MODE = {
    "ours": Way("Adam as `Procedure.fast` has it: batches of 64, centred biases, a cosine", OURS),
    "published": Way(
        "AdamW at a constant 0.001 with weight decay 0.01, 10 000 steps of 1024 inputs, Glorot "
        "weights over an array of 13 models, biases 0 (the notebook of Elhage et al.; the source "
        "trains no such models)",
        THEIRS,
        settings={"steps_mode": 10_000},
        quick={"steps_mode": 100},
    ),
}
BEST = Way(
    BEST_KNOWN,
    search,
    settings={"steps_mode": 3000},
    quick={"steps_mode": 100},
)


@study.test("opt-mode-one", **MODE)
def mode_one(represented, *, times, mode):
    """Superposition begins where the most common number of active features is one."""
    onsets = {n: onset(count, times) for n, count in represented.items()}
    active = torch.stack([((n + 1) * p).floor() for n, p in onsets.items()])
    return Outcome(
        (active == mode).all(0),
        measured={
            f"n = {n}": f"begins at p = {p.nanmean():.2f}, with {k.nanmean():.1f} active features"
            for (n, p), k in zip(onsets.items(), active, strict=True)
        },
    )


@study.experiment
def at_modes(steps_mode, seeds_mode, procedure):
    """By n: how many are represented where the most common number active is 1 and 2.

    Of shape ``(seeds, 2)``.
    """

    def counts(n):
        how = procedure(n, M, steps_mode)

        def counted(seed, mode):
            p = (mode + 0.5) / (n + 1)
            if isinstance(how, Search):
                W = how.models(n, M, p, list(seed))
            else:
                features = IndependentFeatures(n, p[:, None])
                W = train(features, M, seeds=seed, procedure=how).W
            return {"count": geometry.represented(W).sum(-1)}

        grid = {"seed": fresh(seeds_mode), "mode": torch.tensor([1.0, 2.0])}
        return tensors(sweep(counted, grid, cells_at_once=65)).count

    return {n: counts(n) for n in SIZES}


@study.test("opt-mode-one-2", **MODE, rest=BEST)
def sets_in_at_one(at_modes, *, times):
    """There is superposition at one active feature, and none at two; weaker: there is at one."""
    over = torch.stack([count > times * M for count in at_modes.values()])
    return Outcome(
        (over[..., 0] & ~over[..., 1]).all(0),
        over[..., 0].all(0),
        {
            f"Represented, n = {n}": "{:.1f} where one is active, {:.1f} where two are".format(
                *count.double().mean(0)
            )
            for n, count in at_modes.items()
        },
    )


# The symmetric failure


def one_missing(W: Tensor, b: Tensor, *, short: float, near: float) -> Tensor:
    """Return whether the shortest feature is missing, and its output the mean, 1/n: ``(...)``.

    Its ‖W_i‖ is at most ``short``, and b_i within ``near`` of 1/n.

    >>> one_missing(*onehot.failure(7), short=0.05, near=0.02)
    tensor(True)
    >>> one_missing(*onehot.regular(7), short=0.05, near=0.02)
    tensor(False)
    """
    length, which = W.norm(dim=-2).min(-1, keepdim=True)
    at_mean = (b.gather(-1, which) - 1 / W.shape[-1]).abs() <= near
    return ((length <= short) & at_mean)[..., 0]


def symmetric_failure(
    W: Tensor, b: Tensor, *, short: float, near: float, within: float, degrees: float
) -> Tensor:
    """Return whether one feature is missing and the others form a regular polygon: ``(...)``.

    Their lengths are ``within`` a share of the mean, the angles between them within ``degrees`` of
    an equal share; ``short`` and ``near`` are those of `one_missing`.

    >>> marks = dict(short=0.05, near=0.02, within=0.05, degrees=5)
    >>> symmetric_failure(*onehot.failure(7), **marks)
    tensor(True)
    >>> symmetric_failure(*onehot.regular(7), **marks)
    tensor(False)
    """
    longest = W.norm(dim=-2).argsort(-1)[..., None, 1:].expand(*W.shape[:-1], W.shape[-1] - 1)
    regular = regular_polygon(W.gather(-1, longest), within=within, degrees=degrees)
    return one_missing(W, b, short=short, near=near) & regular


def failed_as_registered(W: Tensor, b: Tensor) -> Tensor:
    """`symmetric_failure` by the thresholds of opt-symmetric-failure."""
    names = ("short", "near", "within", "degrees")
    return symmetric_failure(W, b, **thresholds("opt-symmetric-failure", *names))


def scanned(decay: float, steps: int, seeds: Sequence[int], how: Descents) -> SimpleNamespace:
    """Seven features, by learning rate, initial scale and seed, at some steps.

    ``W`` ``(rates, scales, seeds, checkpoints, 2, 7)``, ``b`` and ``loss``; and what each of those
    axes holds: ``rate``, ``scale``, ``checkpoint``.
    """
    checkpoints = [3500, 5000, 8000] if steps > 8000 else [3500, 5000]
    record = [*checkpoints, steps]

    def trained_all(rate, scale, seed):
        found = []
        starts = [RELU_OUTPUT.initial(7, 2, seeds=seed, scale=s) for s in scale]
        W, b = (torch.stack([start[k][:, 0] for start in starts]) for k in "Wb")
        for each in rate:
            run = onehot.descend(W, b, AdamW(each, decay), steps, record=record)
            found.append(torch.cat([run.W_at, run.b_at[..., None, :]], dim=-2))
        found = torch.stack(found).movedim(1, 3)
        return {"found": (["checkpoint", "row", "feature"], found)}

    grid = {"rate": list(how.rates), "scale": list(how.scales), "seed": seeds}
    found = tensors(sweep(trained_all, grid, cells_at_once=len(how.scales) * len(seeds))).found
    W, b = found[..., :2, :], found[..., 2, :]
    return SimpleNamespace(
        W=W, b=b, loss=onehot.loss(W, b), rate=how.rates, scale=how.scales, checkpoint=record
    )


@study.experiment
def scan(steps, seeds_scan, procedure):
    """Seven features trained with AdamW at all rates and scales."""
    return scanned(DECAY, steps, seeds_scan, procedure)


@study.experiment
def scan_without_decay(steps, seeds_scan, procedure):
    """The same with Adam."""
    return scanned(0.0, steps, seeds_scan, procedure)


@study.experiment
def fit(scan):
    """The setting that has the most models in the failure at the first and last checkpoint.

    ``symmetric`` says which models are, at every checkpoint of the scan; ``place`` where in the
    scan the setting's ``rate`` and ``scale`` are.
    """
    symmetric = failed_as_registered(scan.W, scan.b)
    shares = (symmetric[..., 0] & symmetric[..., -2]).double().mean(-1)
    place = divmod(int(shares.argmax()), len(scan.scale))
    rate, scale = scan.rate[place[0]], scan.scale[place[1]]
    return SimpleNamespace(symmetric=symmetric, place=place, rate=rate, scale=scale)


@study.experiment
def trained(fit, steps, seeds):
    """Many models of seven features at that setting: W by seed and step."""
    rate, scale, record = fit.rate, fit.scale, list(range(0, steps + 1, steps // 50))

    def fitted(seed):
        start = RELU_OUTPUT.initial(7, 2, seeds=seed, scale=scale)
        W, b = start["W"][:, 0], start["b"][:, 0]
        run = onehot.descend(W, b, AdamW(rate, DECAY), steps, record=record)
        axes = ["step", "dimension", "feature"]
        return {"W": (axes, run.W_at.transpose(0, 1)), "b": (axes[::2], run.b_at.transpose(0, 1))}

    found = sweep(fitted, {"seed": seeds}, cells_at_once=-(-len(seeds) // 4))
    return found.assign_coords(step=record)


@study.experiment
def phases(trained):
    """What those models are at each step, ``(seeds, steps)``: loss, symmetric, missing."""
    W, b = trained.W, trained.b
    return SimpleNamespace(
        loss=onehot.loss(W, b),
        symmetric=failed_as_registered(W, b),
        missing=one_missing(W, b, **thresholds("opt-symmetric-failure", "short", "near")),
    )


def nearest(steps: Tensor, step: int) -> int:
    """Where the recorded step nearest to one is.

    >>> nearest(torch.tensor([0, 500, 1000]), 700)
    1
    """
    return int((steps - step).abs().argmin())


@study.test("opt-recovery-rare")
def recovery_rare(trained, fit, *, failed, early):
    """Those that miss a feature at some step still do in the end."""
    loss = onehot.loss(trained.W, trained.b)
    missing = loss[:, nearest(trained.step, early)] > failed
    back = missing & (loss[:, -1] <= failed)
    measured = {"Recovered by the last step": rate_in_words(back[missing])}
    if back.sum() > 1:
        W = trained.W[back, -1]
        done = (loss > failed).sum(1)[back].double() * trained.step.diff()[0]
        tenth = thresholds("opt-many", "tenth")
        measured |= {
            "Median step of recovery": f"{done.median():.0f}",
            "Longest feature in recovered models": stats.told(W.norm(dim=1).amax(1), digits=2),
            "Longest over shortest in them": stats.told(longest_over_shortest(W), digits=2),
            "Two lengths in them": stats.told_rate(two_circles(W, **tenth)),
        }
    return Outcome(
        ~back[missing], measured=measured | {"Rate and scale": f"{fit.rate:g}, {fit.scale:g}"}
    )


def failing(scan, failed: float) -> Tensor:
    """Which models end with a loss above a threshold: booleans ``(rates, scales, seeds)``.

    Refused if none does, for what is said of them could not be counted.
    """
    ended = scan.loss[..., -1] > failed
    if not ended.any():
        raise InvalidArgument(f"no model ends with a loss above {failed}: there is none to look at")
    return ended


@study.test("opt-symmetric-failure")
def ends_in_symmetric_failure(scan, fit, *, failed, short, near, within, degrees, flat):
    """Models that end with a feature missing are in the failure, and it is an optimum."""
    ended = failing(scan, failed)
    W, b = scan.W[..., -1, :, :][ended].double(), scan.b[..., -1, :][ended].double()
    curvature = torch.linalg.eigvalsh(onehot.hessian(W, b))[:, 0]
    units = 49 * onehot.loss(W, b)
    kinds = {
        "Dead outputs (49 · loss a whole number)": (units - units.round()).abs() < 0.02,
        "One left out, two half in, the others very long": (units > 0.6) & (units < 0.76),
    }
    first = scan.checkpoint[0]
    symmetric = symmetric_failure(W, b, short=short, near=near, within=within, degrees=degrees)
    return Outcome(
        symmetric & (curvature >= -flat),
        one_missing(W, b, short=short, near=near),
        {name: stats.told_rate(kind) for name, kind in kinds.items()}
        | {
            f"Symmetric failure at step {first}, best setting": stats.told_rate(
                fit.symmetric[*fit.place, :, 0]
            )
        },
    )


@study.test("opt-stuck")
def stuck(scan, *, failed, early, moved):
    """In models that end with a feature missing nothing has changed since an early step."""
    ended, k = failing(scan, failed), scan.checkpoint.index(early)
    before, after = (geometry.gram(scan.W[..., place, :, :][ended]) for place in (k, -1))
    change = torch.maximum(
        (after - before).abs().amax((1, 2)),
        (scan.b[..., -1, :] - scan.b[..., k, :])[ended].abs().amax(1),
    )
    return Outcome(
        change <= moved,
        measured={"Median of the largest change": f"{change.median():.2f}"},
    )


@study.test("opt-not-adamw")
def not_adamw(scan, scan_without_decay, *, failed):
    """Where AdamW ends with a feature missing, Adam does."""
    ended = failing(scan, failed)
    return Outcome(scan_without_decay.loss[..., -1][ended] > failed)


def watched_by(how: Optimiser, scale: float, seeds: range) -> SimpleNamespace:
    """Models of seven features, every 500 steps: ``W`` ``(steps, models, 2, 7)`` and ``b``.

    ``step`` says which, ``symmetric`` who is in the failure, ``(steps, models)``.
    """
    start = RELU_OUTPUT.initial(7, 2, seeds=seeds)
    record = list(range(0, STEPS + 1, 500))
    W = scale * start["W"][:, 0]
    run = onehot.descend(W, start["b"][:, 0], how, STEPS, record=record)
    symmetric = failed_as_registered(run.W_at, run.b_at)
    return SimpleNamespace(W=run.W_at, b=run.b_at, step=torch.tensor(record), symmetric=symmetric)


@study.experiment
def watched(seeds_still, procedure):
    """Seven features by AdamW at its usual rate and from usual weights, from other seeds."""
    return watched_by(procedure.usual, procedure.scale, fresh(seeds_still))


@study.experiment
def watched_without_decay(seeds_still, procedure):
    """The same seeds with Adam."""
    how = AdamW(procedure.rate, 0.0)
    return watched_by(how, procedure.scale, fresh(seeds_still))


@study.experiment
def recovering(fit, seeds_scan):
    """Still other models at the setting that fits best, and at a lower rate: as `watched_by`."""
    slow, seeds = thresholds("opt-recovery-rare-2")["slow"], fresh(fresh(seeds_scan))
    return [watched_by(AdamW(rate, DECAY), fit.scale, seeds) for rate in (fit.rate, slow)]


@study.test("opt-recovery-rare-2")
def seldom_recovers(recovering, fit, *, failed, early, slow):
    """Those that miss a feature at some step do in the end; weaker: at a lower rate."""

    def stay(run) -> Tensor:
        loss = onehot.loss(run.W, run.b)
        missing = loss[nearest(run.step, early)] > failed
        if not missing.any():
            raise InvalidArgument(f"no model misses a feature at step {early}: none to look at")
        return loss[-1, missing] > failed

    usual, slowly = map(stay, recovering)
    return Outcome(
        usual,
        slowly,
        {f"Recovered at a rate of {fit.rate:g}": rate_in_words(~usual)}
        | {f"Recovered at a rate of {slow:g}": rate_in_words(~slowly)},
    )


@study.test("opt-symmetric-failure-2", **SIX)
def passes_through(watched, *, failed, uneven, short, near, within, degrees):
    """Failed models have been in the failure; weaker: have had one feature missing."""
    loss = onehot.loss(watched.W[-1], watched.b[-1])
    lost, lopsided = loss > failed, are_uneven(watched.W[-1], uneven)
    ended = lost | lopsided
    if not ended.any():
        raise InvalidArgument("no model has failed: there is none to look at")
    W, b = watched.W[:, ended], watched.b[:, ended]
    marks = {"short": short, "near": near}
    through = symmetric_failure(W, b, **marks, within=within, degrees=degrees)
    return Outcome(
        through.any(0),
        one_missing(W, b, **marks).any(0),
        {
            "Failed": f"{int(ended.sum())} of {len(ended)}, of which {int(lost.sum())} miss a "
            "feature in the end",
        },
    )


def in_the_failure(watched, early: int) -> Tensor:
    """Which models are in the failure at a step: booleans ``(models,)``. Refused if none is."""
    found = watched.symmetric[nearest(watched.step, early)]
    if not found.any():
        raise InvalidArgument(f"no model is in the failure at step {early}: none to look at")
    return found


@study.test("opt-stuck-2", **SIX)
def stays(watched, *, early, later, moved):
    """Nothing changes in the failure until the end; weaker: until a later step."""
    chosen = in_the_failure(watched, early)
    W, b = geometry.gram(watched.W[:, chosen]), watched.b[:, chosen]
    k, middle = (nearest(watched.step, step) for step in (early, later))

    def change(to: int) -> Tensor:
        return torch.maximum((W[to] - W[k]).abs().amax((1, 2)), (b[to] - b[k]).abs().amax(1))

    still = watched.symmetric[-1, chosen]
    return Outcome(
        change(-1) <= moved,
        change(middle) <= moved,
        {
            f"In the failure at step {early}": f"{int(chosen.sum())} of {len(chosen)}",
            "Of these in it at the end": stats.told_rate(still),
            "Median of the largest change": f"{change(-1).median():.2g} to the end, "
            f"{change(middle).median():.2g} to step {watched.step[middle]}",
        },
    )


@study.test("opt-not-adamw-2", **SIX)
def adam_gets_there(watched, watched_without_decay, *, early):
    """Who is in the failure with AdamW is with Adam; weaker: is at some step."""
    chosen = in_the_failure(watched, early)
    by_adam = watched_without_decay.symmetric[:, chosen]
    return Outcome(
        by_adam[nearest(watched.step, early)],
        by_adam.any(0),
        {f"In the failure with AdamW at step {early}": f"{int(chosen.sum())} of {len(chosen)}"},
    )


@study.test("opt-two-circles", **SIX)
def not_on_two_circles(watched, from_longer, *, learnt, uneven, tenth):
    """Uneven models that have learnt all are not of two lengths; weaker: nor are solutions."""
    W, b = watched.W[-1], watched.b[-1]
    kept = (onehot.loss(W, b) < learnt) & are_uneven(W, uneven)
    if not kept.any():
        raise InvalidArgument("no model is uneven and without loss: there is none to look at")
    solutions = from_longer[7].W
    return Outcome(
        ~two_circles(W[kept], tenth=tenth),
        ~two_circles(solutions[are_uneven(solutions, uneven)], tenth=tenth),
        {
            "Uneven models that have learnt all": f"{int(kept.sum())} of {len(kept)}",
            "Longest over shortest in them": stats.told(longest_over_shortest(W[kept]), digits=2),
        },
    )


# Is it a local optimum?


@study.experiment
def short(seeds_still, first_seed):
    """Random W_7 of a length of up to 0.05: ``(2, count)``."""
    draw = stream(first_seed)
    angle, size = torch.rand(2, len(seeds_still), generator=draw, dtype=torch.float64)
    turn = 2 * torch.pi * angle
    return 0.05 * size * torch.stack([turn.cos(), turn.sin()])


@study.experiment
def gradients(short):
    """The gradient by W_7 at the failure: ``by_w`` and the source's ``formula``, ``(count, 2)``.

    And ``along``, Σ_j (Ŵ_7·W_j)², and ``w`` itself.
    """
    W, b = onehot.failure(7)
    W = W.repeat(short.shape[1], 1, 1)
    W[:, :, 6] = w = short.T
    by_w = onehot.gradients(W, b)[0][:, :, 6]
    along = (geometry.directions(W)[:, :, 6, None] * W[:, :, :6]).sum(1).square().sum(1)
    formula = (2 * (short.square().sum(0) + b[6] - 1) + along)[:, None] * w
    return SimpleNamespace(w=w, by_w=by_w, formula=formula, along=along)


@study.test("opt-gradient")
def gradient(gradients, *, cosine, within):
    """The gradient points along W_7, and is the source's formula up to a constant."""
    w, by_w, formula = gradients.w, gradients.by_w, gradients.formula
    ratio = ((by_w * formula).sum(1) / formula.square().sum(1)).median()
    parallel = torch.nn.functional.cosine_similarity(by_w, w) >= cosine
    fits = ((by_w - ratio * formula).norm(dim=1) / by_w.norm(dim=1)) <= within
    along = gradients.along
    return Outcome(
        parallel & ((by_w * w).sum(1) > 0) & fits,
        measured={
            "The constant": f"{ratio:.6f} (2/49 = {2 / 49:.6f})",
            "Σ_j (Ŵ_7·W_j)²": stats.span(along, ".6f"),
        },
    )


@study.experiment
def curvature(trained, phases):
    """The lowest curvature, of exact failures and of trained ones.

    ``exact`` ``(51,)``, where the hexagon is longer by ``slack`` than it need be; ``lowest``, of
    the models that are in the failure at ``step``.
    """
    slack = torch.cat([torch.zeros(1), torch.logspace(-4, -0.5, 50)]).double()
    W = onehot.failure(7)[0] * (1 + slack[:, None, None])
    b = torch.cat([1 - W[:, :, :6].square().sum(1), W.new_full((len(W), 1), 1 / 7)], dim=1)
    k = nearest(trained.step, 3500)
    chosen = phases.symmetric[:, k]
    exact, lowest = (
        torch.linalg.eigvalsh(onehot.hessian(*at))[:, 0]
        for at in ((W, b), (trained.W[chosen, k].double(), trained.b[chosen, k].double()))
    )
    return SimpleNamespace(slack=slack, exact=exact, lowest=lowest, step=int(trained.step[k]))


# Splay and sweep


@study.experiment
def frozen(short, procedure):
    """Descent of W_7 and b_7 alone, beside the source's slightly asymmetric hexagon.

    ``W`` ``(count, 2, 7)`` and ``b`` at the end; ``hexagon`` ``(2, 6)``.
    """
    length, turn = (torch.tensor(each, dtype=torch.float64) for each in (LENGTHS, TURNS))
    hexagon = in_the_plane(length, -torch.pi * turn)
    count = short.shape[1]
    W = torch.cat([hexagon.repeat(count, 1, 1), (6 * short.T)[:, :, None]], dim=-1)
    b = torch.cat([1 - length.square(), torch.tensor([1 / 7], dtype=torch.float64)])
    end = onehot.descend(W, b.repeat(count, 1), procedure.by_hand(0.5), 5000, moving=[6])
    return SimpleNamespace(W=end.W, b=end.b, hexagon=hexagon)


@study.test("opt-frozen", **BY_HAND)
def settles(frozen, *, cosine, longest):
    """W_7 settles at a small multiple of W_6 + W_1."""
    settled, hexagon, beta = frozen.W[:, :, 6], frozen.hexagon, frozen.b[0, 6]
    pair = hexagon[:, 5] + hexagon[:, 0]
    size = settled.norm(dim=1)
    parallel = torch.nn.functional.cosine_similarity(settled, pair[None]) >= cosine
    lam = torch.tensor(LENGTHS, dtype=torch.float64).square().sum() / 2 - 2 * (1 - beta)
    return Outcome(
        parallel & (size > 0) & (size <= longest),
        measured={
            "‖W_7‖": stats.span(size, ".5f"),
            "β‖s‖/λ": f"{beta * hexagon.sum(1).norm() / lam:.5f}",
            "ε": f"{(size.mean() / pair.norm()):.5f}",
        },
    )


@study.experiment
def slow(steps_slow, n_disturbances, procedure):
    """Slow descent from the failure with biases 6 and 1 raised, at a rate of 1 and at half.

    By disturbance and rate: ``end``, W and below it b, ``(3, 7)``; ``track``, the same at frames.
    """
    frames = [int(steps_slow * k / FRAMES) for k in range(FRAMES + 1)]
    descent = procedure.by_hand

    def runaway(disturbance, rate):
        """A rate's steps are as many as it needs."""
        ends, tracks = [], []
        for each in rate.tolist():
            W, b = (
                part.expand(len(disturbance), *part.shape).clone() for part in onehot.failure(7)
            )
            b[:, [0, 5]] += disturbance[:, None]
            at = [int(frame / each) for frame in frames]
            run = onehot.descend(W, b, descent(each), int(steps_slow / each), record=at)
            ends.append(torch.cat([run.W, run.b[:, None]], dim=1))
            tracks.append(torch.cat([run.W_at, run.b_at[:, :, None]], dim=2).transpose(0, 1))
        names = ["row", "feature"]
        return {
            "end": (names, torch.stack(ends, dim=1)),
            "track": (["frame", *names], torch.stack(tracks, dim=1)),
        }

    disturbances = torch.linspace(0.01, 0.2, n_disturbances, dtype=torch.float64)
    grid = {"disturbance": disturbances, "rate": torch.tensor([1.0, 0.5])}
    return sweep(runaway, grid, cells_at_once=n_disturbances).assign_coords(frame=frames)


def waits(slow, learnt: float) -> Tensor:
    """The step at which each loss falls below a threshold, at a rate of 1: ``(disturbances,)``."""
    track = slow.track[:, 0]
    losses = onehot.loss(track[:, :, :2], track[:, :, 2])
    return slow.frame[(losses > learnt).sum(1).clamp_max(FRAMES)].double()


@study.test("opt-runaway", **BY_HAND)
def runs_away(slow, *, learnt):
    """The missing feature is learnt; or it and the others have at least grown."""
    once, half = (onehot.loss(slow.end[:, k, :2], slow.end[:, k, 2]) < learnt for k in (0, 1))
    lengths = slow.end[:, 0, :2].norm(dim=1)
    when = waits(slow, learnt)
    return Outcome(
        once,
        (lengths[:, 6] > 0) & (lengths[:, :6].sum(1) > 6 * 2**0.5),
        {
            "Steps at rate 1, smallest and largest disturbance": f"{when[0]:.0f}, {when[-1]:.0f}",
            "At half the rate": f"the same outcome for {stats.told_rate(half == once)}",
        },
    )


# The map


def splayed(disturbance: Tensor, rate: Tensor, steps: int, settle: int):
    """Where features are after a fixed number of steps: a cell for each disturbance and rate.

    ``total``, Σ‖W_j‖; ``loss``; ``sharpness``, the largest curvature where all are learnt, else
    NaN. A sweep.
    """

    def experiment(disturbance, rate):
        end = onehot.disturbed(disturbance[:, None], rate, settle=settle, steps=steps)
        loss = onehot.loss(end.W, end.b)
        sharpness = torch.full_like(loss, torch.nan)
        done = loss < 1e-3
        if done.any():
            curvature = torch.linalg.eigvalsh(onehot.hessian(end.W[done], end.b[done]))
            sharpness[done] = curvature[:, -1]
        return {"total": end.W.norm(dim=-2).sum(-1), "loss": loss, "sharpness": sharpness}

    grid = {"disturbance": disturbance, "rate": rate}
    return sweep(experiment, grid, cells_at_once=max(2 * len(rate), 2000))


@study.experiment
def whole(n_map, steps_map, procedure):
    """The source's map."""
    disturbance = torch.linspace(0, 0.2, n_map, dtype=torch.float64)
    rate = torch.linspace(0.5, 3, n_map, dtype=torch.float64)
    return splayed(disturbance, rate, steps_map, procedure.settle)


def classes(loss: Tensor) -> Tensor:
    """0: all learnt; k: that many outputs dead; 8: not done, or not finite.

    >>> classes(torch.tensor([0.0, 1 / 49, 1.5 / 49, torch.nan]))
    tensor([0, 1, 8, 8])
    """
    units = (49 * loss).nan_to_num(1e6)
    near = (units - units.round()).abs() < 0.02
    return torch.where(near & (units < 7.5), units.round().clamp(0, 8), 8.0).long()


@study.test("opt-chaos", **BY_HAND)
def chaos(whole, *, correlation, low, times, wild, calm):
    """Along the rates Σ‖W_j‖ first rises, and then jumps."""
    rate, total = whole.rate, whole.total.nan_to_num(0)
    rising = torch.tensor([rises(row[rate <= low], rate[rate <= low]) for row in total])
    jumps, steady = rate > wild, rate < calm
    change = total.diff(dim=1).abs()
    above, below = (change[:, here[:-1] & here[1:]].mean(1) for here in (jumps, steady))
    ratio = (above / below).nan_to_num(0)
    limit = whole.sharpness * rate
    return Outcome(
        (rising >= correlation) & (ratio >= times),
        measured={
            f"Rank correlation with the rate, to {low:g}": f"median {rising.median():.2f}",
            f"Change above {wild:g} over that below {calm:g}": f"median {ratio.median():.1f}",
            "Rate · largest curvature where all are learnt": f"median {limit.nanmedian():.2f}, "
            f"90th percentile {limit.nanquantile(0.9):.2f}",
            "Not finite": f"{(~whole.loss.isfinite()).double().mean():.1%} of cells",
        },
    )


@study.test("opt-chaos-2", **BY_HAND)
def patchy(whole, *, correlation, low, wild, calm):
    """Along the rates Σ‖W_j‖ first rises, and then changes more and falls more often."""
    rate, total = whole.rate, whole.total.nan_to_num(0)
    rising = torch.tensor([rises(row[rate <= low], rate[rate <= low]) for row in total])
    change = total.diff(dim=1)
    above, below = (change[:, here[:-1] & here[1:]] for here in (rate > wild, rate < calm))
    falls = [(part < 0).double().mean(1) for part in (above, below)]
    more = (above.abs().mean(1) > below.abs().mean(1)) & (falls[0] > falls[1])
    grows = rising >= correlation
    return Outcome(
        grows & more,
        grows,
        {
            f"Falls from one cell to the next, above {wild:g} and below {calm:g}": " and ".join(
                f"{part.mean():.0%}" for part in falls
            )
        },
    )


def rises(row: Tensor, rate: Tensor) -> float:
    """The rank correlation of a row with the rate; 0 where nothing moves, without a disturbance."""
    moves = row.max() - row.min() > 1e-9
    return float(stats.rank_correlation(row[None], rate)[0]) if moves else 0.0


@study.experiment
def undisturbed(n_map, steps_map):
    """By name: where plain descent from the exact failure ends, at each of the map's rates.

    ``single`` and ``double``: without a disturbance, in single and in double precision. ``small``:
    with the small one of opt-splay-zero. Each has ``rate``, and W and b at the end.
    """
    rate = torch.linspace(0.5, 3, n_map, dtype=torch.float64)

    def descended(dtype, by):
        W, b = onehot.failure(7, dtype=dtype)
        b[[0, 5]] += by
        W, b = W.expand(n_map, 2, 7), b.expand(n_map, 7)
        end = onehot.descend(W, b, GradientDescent(rate.to(dtype)), steps_map)
        return SimpleNamespace(rate=rate, W=end.W, b=end.b)

    return {
        "single": descended(torch.float32, 0.0),
        "double": descended(torch.float64, 0.0),
        "small": descended(torch.float64, thresholds("opt-splay-zero")["least"]),
    }


def has_splayed(end, grown: float) -> Tensor:
    """Whether Σ‖W_j‖ is a share above that of the failure, and finite: booleans ``(rates,)``."""
    total = end.W.norm(dim=-2).sum(-1)
    return total.isfinite() & (total >= (1 + grown) * onehot.failure(7)[0].norm(dim=0).sum())


@study.test("opt-splay-zero")
def splays_anyway(undisturbed, *, grown, least):
    """The features splay without a disturbance; weaker: with a very small one."""
    shown = {name: has_splayed(end, grown) for name, end in undisturbed.items()}

    def where(name: str) -> str:
        rate = undisturbed[name].rate[shown[name]]
        if not len(rate):
            return "at none of the rates"
        return f"at {len(rate)} of {len(shown[name])} rates, from {rate.min():.2f} on"

    return Outcome(
        shown["single"],
        shown["small"],
        {
            "They splay in single precision": where("single"),
            "In double precision": where("double"),
            f"From a disturbance of {least:g}": where("small"),
        },
    )


@study.experiment
def slightly(n_map, steps_map):
    """Descents from the failure, by disturbance and rate: ``total``, Σ‖W_j‖ at the end."""
    disturbance = torch.tensor([0, 1e-7, 1e-5, 1e-3, 1e-1], dtype=torch.float64)
    rate = torch.linspace(0.5, 3, max(10, n_map // 4), dtype=torch.float64)
    W, b = onehot.failure(7)
    b = b.repeat(len(disturbance), len(rate), 1)
    b[..., [0, 5]] += disturbance[:, None, None]
    end = onehot.descend(W.expand(*b.shape[:-1], 2, 7), b, GradientDescent(rate), steps_map)
    return SimpleNamespace(disturbance=disturbance, rate=rate, total=end.W.norm(dim=-2).sum(-1))


@study.experiment
def windows(n_zoom, steps_map, procedure):
    """Enlargements of the speckled part, and one of the edge: by name and size."""
    side = torch.linspace(-1, 1, n_zoom, dtype=torch.float64)
    places = {("speckled", zoom): (0.1, 2.42) for zoom in (1.0, 1e-1, 1e-2, 1e-3)}
    places["edge", 1.0] = (0.1, 1.67)
    return {
        (name, zoom): tensors(
            splayed(
                disturbance + 0.01 * zoom * side, rate + 0.05 * zoom * side, steps_map,
                procedure.settle,
            )
        )
        for (name, zoom), (disturbance, rate) in places.items()
    }  # fmt: skip


@study.experiment
def coarse_maps(n_map, steps_map, procedure):
    """Coarser maps with other numbers of steps: by name, ``rate`` and ``loss``."""
    grid = {
        "disturbance": torch.linspace(0.02, 0.2, max(5, n_map // 10), dtype=torch.float64),
        "rate": torch.linspace(0.5, 3, max(10, n_map // 4), dtype=torch.float64),
    }

    def variant(settle, steps):
        def lost(disturbance, rate):
            end = onehot.disturbed(disturbance[:, None], rate, settle=settle, steps=steps)
            return {"loss": onehot.loss(end.W, end.b)}

        return tensors(sweep(lost, grid, cells_at_once=1000))

    return {
        "ours": variant(procedure.settle, steps_map),
        "half of the steps": variant(procedure.settle, steps_map // 2),
        "no first phase": variant(1, steps_map),
    }


# Bringing lost features back


def repulsor(delta: float, fraction: float) -> Callable:
    """The source's repair of dead latents, with biases raised by delta."""

    def repair(state, data, dead):
        return resampling.attractor_repulsor(state, data, dead, bias=delta, fraction=fraction)

    return repair


def resampled(norm: float) -> Callable:
    """The published repair, with encoder rows of a share of the mean length."""

    def repair(state, data, dead):
        return resampling.published(state, data, dead, norm=norm, sparsity=PRICE)

    return repair


# by name: the repair of dead latents, and the weight of the auxiliary loss
METHODS = {
    "none": (None, 0.0),
    "published": (resampled(0.2), 0.0),
    **{f"repulsor {delta:g}": (repulsor(delta, 0.05), 0.0) for delta in DELTAS},
    "auxiliary loss": (None, 1 / 32),
}
VARIANTS = {
    "published, norm 1": (resampled(1.0), 0.0),
    **{f"repulsor {delta:g}, rows 0.2": (repulsor(delta, 0.2), 0.0) for delta in DELTAS},
}


def repaired(methods: Mapping, rate: float, bias: float, steps: int, seeds: Sequence[int]):
    """Sparse autoencoders after the same steps, by seed and method.

    ``cosine``, of each true feature with the decoder column nearest to it; ``back``, the share of
    latents dead at the first repair that fire in the end; ``loss``; ``dead``, at the first repair.
    A sweep.
    """

    def experiment(seed):
        data = sae.Superposed(40, 16, 0.05, seeds=list(seed))
        plain = sae.Training(sparsity=PRICE, rate=rate)
        base = sae.train(sae.start(data, 40, bias=bias), data, plain, steps)
        dead = base.dead(200)
        rows = []
        for repair, weight in methods.values():
            how, state = sae.Training(sparsity=PRICE, rate=rate, auxiliary=weight), base
            for _ in range(3):
                if repair is not None:
                    state = repair(state, data, state.dead(200))
                state = sae.train(state, data, how, steps // 2)
            state = sae.train(state, data, how, steps // 2)
            rows.append(
                (
                    nearest_columns(state, data),
                    (dead & ~state.dead(200)).sum(1) / dead.sum(1).clamp_min(1),
                    sae.loss(state, data, sparsity=PRICE),
                    dead.sum(1),
                )
            )
        cosine, back, loss, dead = (torch.stack(each, 1) for each in zip(*rows, strict=True))
        return {
            "cosine": (["method", "feature"], cosine), "back": (["method"], back),
            "loss": (["method"], loss), "dead": (["method"], dead),
        }  # fmt: skip

    return sweep(experiment, {"seed": seeds}, cells_at_once=12)


def nearest_columns(state: sae.State, data: sae.Superposed) -> Tensor:
    """The largest cosine of a decoder column with each true feature: ``(models, n)``."""
    return (geometry.directions(state.parameters["decoder"]).mT @ data.directions).amax(-2)


@study.experiment
def autoencoders(steps_sae, seeds_sae, procedure):
    """All methods and their variants, with encoder biases that start at −1."""
    rate = procedure.autoencoder_rate
    return repaired(METHODS | VARIANTS, rate, -1.0, steps_sae, seeds_sae)


@study.experiment
def other_autoencoders(steps_sae, seeds_sae, procedure):
    """The methods, trained twice as fast, from higher biases."""
    return repaired(METHODS, 2 * procedure.autoencoder_rate, -0.8, steps_sae, seeds_sae)


def number_found(models, cosine: float) -> Tensor:
    """How many true features were found: ``(seeds, methods)``."""
    return (models.cosine >= cosine).sum(-1).double()


@study.test("opt-resampling", **SPARSE)
def resampling_finds_more(autoencoders, *, cosine):
    """The published resampling finds at least as many features as the best repulsor."""
    names, found = list(METHODS | VARIANTS), number_found(autoencoders, cosine)
    tried = [k for k, name in enumerate(names) if name.startswith("repulsor")]
    best = max(tried, key=lambda k: found[:, k].mean())
    resampled = found[:, names.index("published")]
    auxiliary = found[:, names.index("auxiliary loss")]
    return Outcome(
        resampled >= found[:, best],
        measured={
            "Features found, none": stats.told(found[:, 0], digits=1),
            "published": stats.told(resampled, digits=1),
            f"best repulsor ({names[best]})": stats.told(found[:, best], digits=1),
            "auxiliary loss": stats.told(auxiliary, digits=1),
            "Dead latents at the first repair": stats.told(
                autoencoders.dead[:, 0].double(), digits=1
            ),
        },
    )


@study.experiment
def toys(trained, phases, fit):
    """The models that are in the failure at about step 3500, repaired, and trained for longer.

    By name: whether all is learnt, booleans ``(101, models)``, every 100 steps.
    """
    k = nearest(trained.step, 3500)
    chosen = phases.symmetric[:, k].nonzero()[:, 0]
    later = list(range(0, 10_001, 100))

    def learnt(name, delta=0.0):
        W, b = trained.W[chosen, k].clone(), trained.b[chosen, k].clone()
        repair_toy(W, b, name, delta)
        run = onehot.descend(W, b, AdamW(fit.rate, DECAY), later[-1], record=later)
        return onehot.loss(run.W_at, run.b_at) < LOST

    found = {"none": learnt("none"), "published": learnt("published")}
    return found | {f"repulsor, Δ = {d:g}": learnt("repulsor", d) for d in (0.03, 0.1, 0.2, 0.4)}


def repair_toy(W: Tensor, b: Tensor, name: str, delta: float) -> None:
    """Repair toy models ``(models, 2, 7)``, ``(models, 7)`` in place; their shortest is missing."""
    rows = torch.arange(len(W))
    length, order = W.norm(dim=1).sort(1)
    dead, mean = order[:, 0], length[:, 1:].mean(1)[:, None]
    if name == "published":
        W[rows, :, dead] = 0.2 * mean * geometry.directions(W)[rows, :, dead]
        b[rows, dead] = 0
    if name == "repulsor":
        away = -(W.sum(2) - W[rows, :, dead])
        away = away / away.norm(dim=1, keepdim=True)
        W[rows, :, dead] = 0.05 * mean * away
        b += delta * ((W * away[:, :, None]).sum(1) > 0)
