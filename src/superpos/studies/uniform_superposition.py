"""Uniform superposition: features of equal importance, from dense inputs to very sparse ones.

Elhage et al. 2022, "The Geometry of Superposition", Uniform Superposition.
"""

from __future__ import annotations

import math
from itertools import pairwise
from types import SimpleNamespace

import torch
from torch import Tensor

from superpos import IndependentFeatures, Procedure, geometry, optima, sweep, train
from superpos.claims import rate
from superpos.codes.polytopes import POLYTOPES
from superpos.errors import InvalidArgument
from superpos.optima import ladder as rungs
from superpos.stats import rank_correlation, span, told
from superpos.studies import uniform_models
from superpos.studies.study import Outcome, Study, Way, fresh
from superpos.studies.ways import BEST_KNOWN, Search, elhage_notebook, search

NONE = "not represented"
FRACTIONS = {
    "tetrahedron": 3 / 4,
    "triangle": 2 / 3,
    "digon": 1 / 2,
    "pentagon": 2 / 5,
    "square antiprism": 3 / 8,
    NONE: 0.0,
}
CHECKED = torch.tensor([3.0, 4.5, 6.0])  # 1/p at which sizes are compared
DIGONS = torch.logspace(0.25, 0.625, 10)  # 1/p at which D* is near 1/2
TRIED = torch.tensor([2.5, 4.0, 10.0, 100.0])  # 1/p at which procedures are compared


def ours(n: int, m: int, steps: int, **changes) -> Procedure:
    """The chapter's procedure: a rate that falls with n, for every feature is noise to others."""
    return Procedure(**{"steps": steps, "learning_rate": min(0.03, 2 / n), **changes})


def patient(n: int, m: int, steps: int) -> Procedure:
    """All features for very long, which is not rest: see `superpos.optima.search`."""
    return Procedure.patient(n, m, steps=steps)


LENGTHS = ("steps", "steps_replicates", "steps_sizes")

study = Study(
    "uniform_superposition",
    {
        "ours": Way(
            "Adam at a rate of at most 2/n, warmed up and lowered to 0 as a cosine, 64 inputs a "
            "step, each output's own input integrated",
            ours,
        ),
        "published": elhage_notebook(
            "an array of 41 models, biases 0 (the authors' notebook)",
            41,
            dict.fromkeys(LENGTHS, 1500),
        ),
        "rest": Way(
            f"at the paper's size, {BEST_KNOWN}",
            search,
            {"n_features": 800, "n_hidden": 60, **dict.fromkeys(LENGTHS, 3000)},
            {"n_features": 200, "n_hidden": 8, "n_sparsities": 12, **dict.fromkeys(LENGTHS, 100)},
        ),
        "patient": Way(
            "as ours, but 100 000 steps of 1024 inputs at a rate of 0.003 that falls to 0, with "
            "all features: patience, which takes hours without a GPU",
            patient,
            dict.fromkeys(LENGTHS, 100_000),
            dict.fromkeys(LENGTHS, 1500),
        ),
    },
)


def models(n, m, steps, inverse_p, *, seeds, procedure, device="cpu"):
    """Train a model for every seed and sparsity: W is (seed, inverse_p, dimension, feature)."""

    how = procedure(n, m, steps)

    def experiment(seed, inverse_p):
        if isinstance(how, Search):
            found = how.models(n, m, 1 / inverse_p.to(device), list(seed))
            return {"W": (["dimension", "feature"], found)}
        features = IndependentFeatures(n, 1 / inverse_p[:, None])
        run = train(features, m, seeds=seed, procedure=how, device=device)
        return {"W": (["dimension", "feature"], run.W)}

    grid = {"seed": seeds, "inverse_p": inverse_p}
    return sweep(experiment, grid, cells_at_once=max(1, 2400 // n))


@study.experiment
def large(n_features, n_hidden, n_sparsities, steps, first_seed, procedure, device):
    """The paper's size, once."""
    inverse_p = torch.logspace(0, 2, n_sparsities)
    at = {"seeds": [first_seed], "procedure": procedure, "device": device}
    return models(n_features, n_hidden, steps, inverse_p, **at)


@study.experiment
def short(n_features, n_hidden, n_sparsities, steps, first_seed, procedure, device):
    """The same after a tenth of the steps."""
    fewer = max(100, steps // 10)
    return large(n_features, n_hidden, n_sparsities, fewer, first_seed, procedure, device)


@study.experiment
def replicates(n_features, n_hidden, n_sparsities, steps_replicates, seeds, procedure, device):
    """Half the size, n/m the same, many times."""
    inverse_p = torch.logspace(0, 2, n_sparsities)
    at = {"seeds": seeds, "procedure": procedure, "device": device}
    return models(n_features // 2, n_hidden // 2, steps_replicates, inverse_p, **at)


@study.experiment
def others(n_features, n_hidden, steps_replicates, seeds, procedure, device):
    """Replicates from other seeds, where features may split into tegum factors."""
    at = {"seeds": fresh(seeds), "procedure": procedure, "device": device}
    return models(n_features // 2, n_hidden // 2, steps_replicates, DIGONS, **at)


@study.experiment
def finer(n_features, n_hidden, n_sparsities, steps_replicates, seeds, procedure, device):
    """Replicates from other seeds, where the six polytopes of the paper take over one by one."""
    at = {"seeds": fresh(seeds), "procedure": procedure, "device": device}
    inverse_p = torch.logspace(0, 1, n_sparsities)
    return models(n_features // 2, n_hidden // 2, steps_replicates, inverse_p, **at)


def sizes_of(n, m, steps, *, seeds, procedure, device):
    """‖W‖²/m and the share of features represented, ``(seeds, 3)``, by three n and by three m."""

    def learnt(n, m):
        at = {"seeds": seeds, "procedure": procedure, "device": device}
        W = torch.from_numpy(models(n, m, steps, CHECKED, **at).W.values)
        share = geometry.represented(W).double().mean(-1)
        return 1 / geometry.dimensions_per_feature(W), share

    by_n = {size: learnt(size, m) for size in (n // 2, n, 2 * n)}
    by_m = {size: by_n[n] if size == m else learnt(n, size) for size in (m // 2, m, 2 * m)}
    return {"n": by_n, "m": by_m}


@study.experiment
def sizes(n_features, n_hidden, steps_sizes, seeds_sizes, procedure, device):
    """Other n and m, at half the paper's size, many times."""
    at = {"seeds": seeds_sizes, "procedure": procedure, "device": device}
    return sizes_of(n_features // 2, n_hidden // 2, steps_sizes, **at)


@study.experiment
def published_sizes(n_features, n_hidden, steps_sizes, first_seed, procedure, device):
    """Other n and m at the paper's size, once."""
    at = {"seeds": [first_seed], "procedure": procedure, "device": device}
    return sizes_of(n_features, n_hidden, steps_sizes, **at)


@study.experiment
def variants(n_features, n_hidden, steps_replicates, first_seed, device):
    """D* at four sparsities where the source leaves the procedure open: means over two seeds."""
    constant = {"weight_decay": 0.01, "learning_rate": 0.001, "cosine": False}
    changes = {
        "ours": (1, {}),
        "three times longer": (3, {}),
        "weight decay 0.01": (1, {"weight_decay": 0.01}),
        "initial weights × 4": (1, {"initial_scale": 4.0}),
        "rate 0.001, constant, weight decay 0.01, five times longer": (5, constant),
    }
    found = {}
    for name, (times, change) in changes.items():

        def changed(n, m, steps, change=change):
            return ours(n, m, steps, **change)

        W = models(
            n_features // 2, n_hidden // 2, steps_replicates * times, TRIED,
            seeds=range(first_seed, first_seed + 2), procedure=changed, device=device,
        ).W  # fmt: skip
        found[name] = geometry.dimensions_per_feature(torch.from_numpy(W.values)).mean(0)
    return found


@study.experiment
def ladder():
    """What every polytope saves by each of its dimensions, from exact optima, over 1/p.

    Returns
    -------
    SimpleNamespace
        ``inverse_p`` ``(k,)``, ``names``, ``fractions`` ``(polytopes,)``, ``saved``
        ``(polytopes, k)`` and, by 1/p, the ``takeovers``: each polytope that is the best somewhere.
    """
    inverse_p = torch.logspace(0.005, 2, 81, dtype=torch.float64)
    found = rungs.ladder(1 / inverse_p)
    saved = torch.stack([rung.saved for rung in found])
    best = saved.argmax(0).tolist()
    takeovers = {found[best[0]].polytope.name: inverse_p[0].item()}
    for k, (before, after) in enumerate(pairwise(best)):
        if before != after:
            pair = found[after].polytope, found[before].polytope
            ends = 1 / inverse_p[k + 1].item(), 1 / inverse_p[k].item()
            takeovers[pair[0].name] = 1 / rungs.takes_over(*pair, *ends)
    return SimpleNamespace(
        inverse_p=inverse_p,
        names=[rung.polytope.name for rung in found],
        fractions=torch.tensor([rung.polytope.fraction for rung in found]),
        saved=saved,
        takeovers=takeovers,
    )


@study.experiment
def at_size():
    """Models of the paper's own size, as published, with patience and the best known: kept."""
    return uniform_models.kept()


def gathered(D: Tensor, fraction: float, *, within: float = 0.01) -> int:
    """Return how many dimensionalities are within 0.01 of a fraction.

    >>> gathered(torch.tensor([0.5, 0.509, 0.52, torch.nan]), 1 / 2)
    2
    """
    return int(((D - fraction).abs() < within).sum())


def ahead(best: uniform_models.Kept, others: uniform_models.Kept) -> str:
    """Return at how many of the others' 1/p the best save more, as "3 of 4"."""
    apart = (best.inverse_p[:, None] - others.inverse_p).abs() < 1e-4 * others.inverse_p
    at, other = apart.nonzero(as_tuple=True)
    return f"{int((best.saved[at] > others.saved[other]).sum())} of {len(other)}"


def exactly_saved(name: str, p: float) -> float:
    """What a polytope saves by each dimension by exact descent from its corners, in units of v."""
    points = POLYTOPES[name].points
    dimension, n = points.shape
    best = optima.minimise(points, torch.full((n,), -0.1, dtype=points.dtype), p)
    v = p / 3 - p * p / 4
    return n * (1 - best.loss.item() / (n * v)) / dimension


@study.test("uniform-ladder")
def in_order(ladder):
    """Each of the paper's polytopes is the best in its range, and the ranges follow each other."""
    names, places = list(ladder.takeovers), [*ladder.takeovers.values(), ladder.inverse_p[-1]]
    paper = [name for name in FRACTIONS if name != NONE]
    begins = [ladder.takeovers.get(name, math.nan) for name in paper]
    found, told_ends = [], []
    for k, name in enumerate(paper):
        if name not in names:
            found.append(False)
            continue
        end = float(places[names.index(name) + 1])
        p = 1 / math.sqrt(begins[k] * end)
        saved = {other: exactly_saved(other, p) for other in paper}
        best = max(saved, key=lambda other: saved[other]) == name
        found.append(best and (k == 0 or begins[k] > begins[k - 1]))
        told_ends.append(f"{name} {begins[k]:.6g} to {end:.6g}")
    return Outcome(torch.tensor(found), measured={"The best for 1/p from": "; ".join(told_ends)})


@study.test("uniform-Dstar-falls")
def falls(replicates, *, correlation, fall):
    """D* falls along 1/p, in rank and by a factor."""
    D_star = geometry.dimensions_per_feature(replicates.W)
    ranks = rank_correlation(D_star, replicates.inverse_p)
    return Outcome(
        (ranks <= correlation) & (D_star[:, -1] <= D_star[:, 0] * fall),
        measured={
            "Rank correlation with 1/p": told(ranks),
            "D* at 1/p = 100": told(D_star[:, -1]),
        },
    )


def sticks_at(D_star: Tensor, value: float, *, within: float, times: float) -> Tensor:
    """Return whether D* ``(..., settings)`` lingers at a value, longer than a straight fall would.

    It is within a share of the value for that many times as long as a fall that is straight in log
    D* over the settings, which are logarithmically even, between the two ends.

    >>> sticks_at(torch.tensor([1.0, 0.5, 0.5, 0.5, 0.25]), 0.5, within=0.05, times=2)
    tensor(True)
    >>> sticks_at(torch.logspace(0, -1, 50), 0.5, within=0.05, times=2)
    tensor(False)
    """
    height = D_star.double().log()
    low, high = math.log(value * (1 - within)), math.log(value * (1 + within))
    near = ((height >= low) & (height <= high)).double().mean(-1)
    top, bottom = height[..., 0], height[..., -1]
    overlap = (top.clamp_max(high) - bottom.clamp_min(low)).clamp_min(0)
    return (near > 0) & (near >= times * overlap / (top - bottom).clamp_min(1e-12))


def stay(D_star: Tensor, inverse_p: Tensor, value: float) -> str:
    """The range of 1/p over which D* is within 5 % of a value, in words."""
    near = inverse_p[(D_star / value - 1).abs() <= 0.05]
    return span(near, ".1f") if len(near) else "nowhere"


@study.test("uniform-sticky")
def sticky(replicates, large, *, within, times):
    """D* sticks at 1 and at 1/2."""
    D_star = geometry.dimensions_per_feature(replicates.W)
    at_one, at_half = (sticks_at(D_star, v, within=within, times=times) for v in (1, 0.5))
    once = geometry.dimensions_per_feature(large.W[0])
    return Outcome(
        at_one & at_half,
        at_one | at_half,
        {
            "Sticks at 1": rate(at_one),
            "Sticks at 1/2": rate(at_half),
            "1/p near 1, near 1/2": "; ".join(stay(once, large.inverse_p, v) for v in (1, 0.5))
            + " (large sweep)",
        },
    )


@study.test("uniform-unit-norms")
def unit_norms(replicates, *, gone, low, high, share, dense, sparse):
    """Nearly every ‖W_i‖² is about 0 or about 1; the weaker reading looks at a range of 1/p."""
    size = geometry.squared_norms(replicates.W)
    two_valued = (size <= gone) | ((size >= low) & (size <= high))
    middle = (replicates.inverse_p >= dense) & (replicates.inverse_p <= sparse)
    whole, part = (kept.double().mean((1, 2)) for kept in (two_valued, two_valued[:, middle]))
    return Outcome(
        whole >= share,
        part >= share,
        {
            "Share near 0 or 1": told(whole),
            f"The same for 1/p from {dense:g} to {sparse:g}": told(part),
        },
    )


def peaks_at(
    values: Tensor, centre: float, *, near: float, inner: float, outer: float, times: float
) -> Tensor:
    """Return whether values ``(..., k)`` cluster: many more ``near`` the centre than in the flanks.

    The flanks are from ``inner`` to ``outer`` away; at 0, which has one flank only, that is twice
    as wide.

    >>> window = dict(near=0.01, inner=0.02, outer=0.03, times=2)
    >>> peaks_at(torch.tensor([0.5, 0.5, 0.5, 0.525]), 0.5, **window)
    tensor(True)
    >>> peaks_at(torch.linspace(0, 1, 999), 0.5, **window)
    tensor(False)
    """
    distance = (values - centre).abs()
    reach = outer if centre > 0 else 2 * outer - inner
    flank = ((distance >= inner) & (distance < reach)).sum(-1)
    return (distance <= near).sum(-1) > times * flank


@study.test("uniform-fractions")
def fractions(replicates, *, near, inner, outer, times, others):
    """D_i cluster at each of the six fractions; the weaker reading lets some of them miss."""
    pooled = geometry.feature_dimensionality(replicates.W).flatten(1)
    window = {"near": near, "inner": inner, "outer": outer, "times": times}
    peaks = {name: peaks_at(pooled, value, **window) for name, value in FRACTIONS.items()}
    rest = sum(found.int() for name, found in peaks.items() if name not in ("digon", NONE))
    return Outcome(
        torch.stack(list(peaks.values())).all(0),
        peaks["digon"] & peaks[NONE] & (rest >= others),
        {f"Peak at {FRACTIONS[name]:.3g} ({name})": rate(peaks[name]) for name in peaks},
    )


@study.test("uniform-fractions-2")
def fractions_apart(finer, *, near, outer, times, others):
    """The same with flanks so narrow that none of the six fractions is in another's."""
    window = {"near": near, "inner": near, "outer": outer, "times": times}
    return fractions(finer, others=others, **window)


@study.test("uniform-sum-is-m")
def sum_is_m(replicates, *, within, share):
    """Σ D_i is m, at every sparsity or at most of them."""
    m = replicates.W.shape[-2]
    total = geometry.feature_dimensionality(replicates.W).sum(-1) / m
    efficient = (total - 1).abs() <= within
    return Outcome(
        efficient.all(1),
        efficient.double().mean(1) >= share,
        {"Σ D_i / m": f"{told(total.mean(1))}, lowest {total.min():.3f}"},
    )


def tegum_excess(W: Tensor, *, threshold: float) -> int:
    """Return by how much the dimensions of a feature graph's components exceed m, added up.

    More than 0 says that components share dimensions, at angles too small for an edge; less, that
    there are dimensions without a feature; 0, that the components are tegum factors. Two digons at
    an angle of 89° fill a plane, and leave a dimension of space empty:

    >>> angles = torch.tensor([0.0, 180.0, 89.0, 269.0]).deg2rad()
    >>> W = torch.stack([angles.cos(), angles.sin()])
    >>> tegum_excess(W, threshold=0.15)
    0
    >>> tegum_excess(torch.cat([W, torch.zeros(1, 4)]), threshold=0.15)
    -1
    """
    parts = geometry.components(W, threshold=threshold)
    return sum(geometry.span_dimension(W, part) for part in parts) - W.shape[-2]


@study.test("uniform-tegum-split")
def tegum_split(replicates, *, least_D, most_D, near, tenth, share, edge):
    """Components fill orthogonal subspaces, and no D_i shows a bipyramid as a whole."""
    D_star = geometry.dimensions_per_feature(replicates.W)
    D = geometry.feature_dimensionality(replicates.W)
    in_range = (D_star >= least_D) & (D_star <= most_D)

    def count(value):
        return (((D - value).abs() <= near) & in_range[..., None]).sum((1, 2))

    def excess(threshold):
        return [
            torch.tensor([tegum_excess(W, threshold=threshold) for W in models[inside]])
            for models, inside in zip(replicates.W, in_range, strict=True)
        ]

    def mean(found):
        return torch.stack([each.double().mean() for each in found])

    triangles = count(3 / 5) < count(2 / 3) * tenth
    pentagons = count(3 / 7) < count(2 / 5) * tenth
    added = excess(edge)
    orthogonal = mean(each == 0 for each in added)
    split = orthogonal >= share
    return Outcome(
        split & triangles & pentagons,
        split & (triangles ^ pentagons),
        {
            "D_i near 3/5, near 2/3": f"{count(3 / 5).sum()}, {count(2 / 3).sum()}",
            "D_i near 3/7, near 2/5": f"{count(3 / 7).sum()}, {count(2 / 5).sum()}",
            "Models whose components are orthogonal": told(orthogonal),
            "Models whose components have fewer than m dimensions": told(
                mean(each < 0 for each in added)
            ),
            "Models whose components have more": told(mean(each > 0 for each in added)),
            **{
                f"Orthogonal, with edges from {other:g}": told(mean(e == 0 for e in excess(other)))
                for other in (0.05, 0.25)
            },
        },
    )


def shared_dimensions(W: Tensor, *, threshold: float) -> int:
    """Return how many more dimensions a feature graph's components have, added up, than together.

    0 says that they are tegum factors of the space that they span, be it all of W's or not.

    >>> angles = torch.tensor([0.0, 180.0, 89.0, 269.0]).deg2rad()
    >>> W = torch.stack([angles.cos(), angles.sin(), torch.zeros(4)])
    >>> shared_dimensions(W, threshold=0.15)
    0
    """
    parts = geometry.components(W, threshold=threshold)
    each = sum(geometry.span_dimension(W, part) for part in parts)
    return each - geometry.span_dimension(W, [feature for part in parts for feature in part])


@study.test("uniform-tegum-split-2")
def tegum_factors(others, *, least_D, most_D, near, tenth, share, edge, half):
    """Components are orthogonal, whether they fill the space or not; no D_i is a bipyramid's."""
    D_star = geometry.dimensions_per_feature(others.W)
    D = geometry.feature_dimensionality(others.W)
    in_range = (D_star >= least_D) & (D_star <= most_D)

    def count(value):
        return (((D - value).abs() <= near) & in_range[..., None]).sum((1, 2))

    orthogonal = torch.stack([
        torch.tensor([shared_dimensions(W, threshold=edge) == 0 for W in models[inside]])
        .double().mean()
        for models, inside in zip(others.W, in_range, strict=True)
    ])  # fmt: skip
    digons = count(1 / 2)
    split = (count(3 / 5) <= tenth * digons) & (count(3 / 7) <= tenth * digons)
    return Outcome(
        split & (orthogonal >= share),
        split & (orthogonal >= half),
        {
            "D_i near 3/5, 3/7, 2/3, 2/5, 1/2": ", ".join(
                str(int(count(value).sum())) for value in (3 / 5, 3 / 7, 2 / 3, 2 / 5, 1 / 2)
            ),
            "Models whose components are orthogonal": told(orthogonal),
        },
    )


def spread(table: dict) -> Tensor:
    """For each seed and sparsity, largest minus smallest over the sizes, relative to the mean."""
    values = torch.stack([per_dimension for per_dimension, _ in table.values()])
    return (values.amax(0) - values.amin(0)) / values.mean(0)


def alike(table: dict, most_full: int, *, within: float, filled: float) -> Outcome:
    """Whether ‖W‖²/m is the same for all sizes, where few features of one size are represented.

    Refused if that is so at no sparsity: of nothing all is alike.
    """
    spreads = spread(table)
    allowed = (table[most_full][1] <= filled).all(0)
    if not allowed.any():
        raise InvalidArgument(f"above {filled:.0%} of the features are represented everywhere")
    note = {True: "", False: " (not counted: too many features are represented)"}
    return Outcome(
        (spreads[:, allowed] <= within).all(1),
        measured={
            f"Difference at 1/p = {value:g}": f"{told(100 * spreads[:, k], digits=1)} %"
            + note[bool(allowed[k])]
            for k, value in enumerate(CHECKED.tolist())
        },
    )


@study.test("uniform-n-irrelevant")
def n_irrelevant(sizes, *, within, filled):
    """D* is the same for three n; the smallest is the fullest."""
    return alike(sizes["n"], min(sizes["n"]), within=within, filled=filled)


@study.test("uniform-m-scales")
def m_scales(sizes, *, within, filled):
    """‖W‖²/m is the same for three m; the largest is the fullest."""
    return alike(sizes["m"], max(sizes["m"]), within=within, filled=filled)
