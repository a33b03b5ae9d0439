"""Finding feature bundles: the direct summands of a set of vectors, in spite of noise.

Pfeifle 2022, "Validating Superpositions" (a talk): "Finding feature bundles in weight space".
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from superpos import (
    AnticorrelatedSets,
    CorrelatedSets,
    Examples,
    IndependentFeatures,
    Procedure,
    Trained,
    bundles,
    geometry,
    optima,
    sweep,
    train,
)
from superpos.bundles import planes, planted, regions
from superpos.claims import rate
from superpos.claims.registry import thresholds
from superpos.codes.polytopes import Polytope
from superpos.errors import need
from superpos.optima.ladder import rung
from superpos.stats import span
from superpos.studies.study import FRESH, Outcome, Study, Way, fresh
from superpos.studies.ways import elhage_notebook

NO_DIGONS = ("triangle", "polygon 5", "polygon 6", "polygon 7", "tetrahedron", "antiprism 4")
ALL_KINDS = ("digon", *NO_DIGONS, "polygon 8")
CODES = ("polygon 5", "polygon 6", "polygon 7", "antiprism 4")
RADII = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # of DBSCAN: each method has its best
NOISE = (0.0, 0.001, 0.01, 0.03, 0.05, 0.08, 0.12)
SIMPLICES = ("digon", "triangle", "tetrahedron", "simplex 4")
SMALL_CODES = (*SIMPLICES, "polygon 5", "polygon 6", "polygon 7")
MOST_FEATURES = 9  # of the sums whose curvature is taken
REPRESENTATIVES = {"talk": planes.column_reduced, "projectors": planes.projector}


def ours(n: int, m: int, steps: int) -> Procedure:
    """The chapter's procedure: a rate that falls with n."""
    return Procedure(steps=steps, learning_rate=min(0.02, 2 / n))


study = Study(
    "feature_bundles",
    {
        "ours": Way(
            "Adam at a rate of at most 0.02 or 2/n, warmed up and lowered to 0 as a cosine, 64 "
            "inputs a step, each output's own input integrated",
            ours,
        ),
        "published": elhage_notebook(
            "an array of 6 models, biases 0 (the notebook of Elhage et al.; the talk trains "
            "nothing)",
            6,
            {"steps": 1500},
        ),
    },
)


def stream(seed: int) -> torch.Generator:
    """A stream of random numbers."""
    return torch.Generator().manual_seed(seed)


# Planes as points


@study.experiment
def subspaces(first_seed):
    """What is said of projectors onto subspaces, for sixteen pairs of each size.

    By trial: ``wrong``, the largest deviation from an equation; ``rank`` of the derivative along
    all turns and ``expected``, k(m − k); ``apart``, how far AAᵀ of two bases of a space differ.
    """
    sizes = [(m, k) for m in range(2, 9) for k in range(1, m)]
    found = [facts(m, k, seed) for m, k in sizes for seed in range(first_seed, first_seed + 16)]
    wrong, rank, expected, apart = (torch.tensor(column) for column in zip(*found, strict=True))
    return SimpleNamespace(wrong=wrong, rank=rank, expected=expected, apart=apart)


def facts(m: int, k: int, seed: int) -> tuple[float, int, int, float]:
    """The entries of `subspaces` for one pair of k-dimensional subspaces of m dimensions."""
    random = stream(100 * m + 10 * k + seed)
    A, B, R = (
        torch.linalg.qr(torch.randn(*size, generator=random, dtype=torch.double)).Q
        for size in [(m, k), (m, k), (k, k)]
    )
    P, Q = A @ A.mT, B @ B.mT
    centre, angles = k / m * torch.eye(m), torch.linalg.svdvals(A.mT @ B)
    chordal = 2 * (1 - angles.square()).sum()
    wrong = [
        (P - P.mT).norm(), (P @ P - P).norm(), P.trace() - k,
        (P - centre).norm() - math.sqrt(k * (m - k) / m), (P - Q).square().sum() - chordal,
    ]  # fmt: skip
    turns = A.new_zeros(m * (m - 1) // 2, m, m)
    for turn, (i, j) in zip(turns, itertools.combinations(range(m), 2), strict=True):
        turn[i, j], turn[j, i] = 1.0, -1.0  # along e^(turn) A, P changes by turn P − P turn
    moves = (turns @ P - P @ turns).flatten(1)
    rank = int(torch.linalg.matrix_rank(moves, atol=1e-9))
    apart = float((P - A @ R @ (A @ R).mT).norm())
    return max(abs(float(x)) for x in wrong), rank, k * (m - k), apart


@study.test("bundle-projector")
def projector(subspaces, *, exact):
    """The equations hold, and the manifold has its dimension."""
    return Outcome(
        (subspaces.wrong < exact) & (subspaces.rank == subspaces.expected),
        measured={"Largest deviation": f"{subspaces.wrong.max():.1e}"},
    )


@study.test("bundle-basis")
def basis(subspaces, *, exact):
    """AAᵀ depends on the basis."""
    return Outcome(
        subspaces.apart > exact,
        measured={"Largest difference": f"{subspaces.apart.max():.1e}"},
    )


# The talk's method


def mixed(kinds: Sequence[str], seed: int, parts=(2, 3), most: int = 8):
    """A rotated direct sum drawn at random, its summands, and the stream it was drawn from."""
    random = stream(seed)
    W, sets = planted.direct_sum(planted.draw(kinds, random, parts=parts, most=most))
    return planted.rotated(W, random), sorted(sets), random


def polygons(seed: int):
    """Two polygons in the coordinate planes of four dimensions; as `mixed`."""
    random = stream(seed)
    corners = torch.randint(3, 9, (2,), generator=random).tolist()
    W, sets = planted.direct_sum([f"polygon {k}" for k in corners])
    return W, sets, random


def by_talk(W: Tensor, sets: list) -> tuple[bool, bool]:
    """Whether the talk's method finds the summands exactly, and whether it finds them at all."""
    found = planes.plane_clusters(W, (2, 3), 1e-6, represent=planes.column_reduced)
    return found == sets, set(sets) <= set(found)


@study.experiment
def rotated_sums(seeds_enumerated):
    """The talk's method on rotated sums without noise: (trials, exact and among)."""
    return torch.tensor([by_talk(*mixed(NO_DIGONS, seed)[:2]) for seed in seeds_enumerated])


@study.experiment
def rotated_again(seeds_sums):
    """Both representatives on other rotated sums without noise, at the smallest of `RADII`.

    By name, ``(trials, 2)``: the summands exactly, and the summands among others.
    """
    found = {name: [] for name in REPRESENTATIVES}
    for seed in fresh(seeds_sums):
        W, sets, _ = mixed(NO_DIGONS, seed)
        for name, represent in REPRESENTATIVES.items():
            clusters = planes.plane_clusters(W, (2, 3), RADII[0], represent=represent)
            found[name].append((clusters == sets, set(sets) <= set(clusters)))
    return {name: torch.tensor(rows) for name, rows in found.items()}


@study.experiment
def disturbed_within(seeds_sums):
    """The talk's method on polygons that are each disturbed within its plane: as above."""
    found = []
    for seed in seeds_sums:
        W, sets, random = polygons(seed)
        within = torch.block_diag(*(torch.ones(2, len(part)) for part in sets)).double()
        noise = torch.randn(W.shape, generator=random, dtype=W.dtype)
        found.append(by_talk(W + 0.05 * within * noise, sets))
    return torch.tensor(found)


@study.experiment
def disturbed_whole(seeds_sums):
    """Which sums of two polygons each representative finds: by name, (radii, trials)."""
    return {
        name: at_radii(represent, 0.001, seeds_sums, sizes=(2, 3))
        for name, represent in REPRESENTATIVES.items()
    }


def at_radii(
    represent: Callable, sigma: float, seeds: Sequence[int], sizes: Sequence[int] = (2,)
) -> Tensor:
    """Whether both of two disturbed polygons are clusters: booleans ``(radii, trials)``."""
    found = []
    for radius, seed in itertools.product(RADII, seeds):
        W, sets, random = polygons(seed)
        W = planted.disturbed(W, sigma, random)
        clusters = planes.plane_clusters(W, sizes, radius, represent=represent)
        found.append(set(sets) <= set(clusters))
    return torch.tensor(found).reshape(len(RADII), -1)


def at_best(found: Tensor) -> Tensor:
    """The trials at the radius that serves best, the smallest of those: booleans ``(trials,)``."""
    return max(found, key=lambda trials: int(trials.sum()))


@study.test("bundle-hough")
def hough(rotated_sums):
    """The talk's method finds the summands, and nothing else."""
    exact, among = rotated_sums.T
    return Outcome(exact, among, {"All summands among the clusters": rate(among)})


@study.test("bundle-hough-2")
def hough_among(rotated_again):
    """The talk's method finds the summands; weaker: projectors do."""
    exact, among = rotated_again["talk"].T
    return Outcome(
        among,
        rotated_again["projectors"][:, 1],
        {"Nothing else among the clusters": rate(exact)},
    )


@study.test("bundle-perturb2")
def perturb2(disturbed_within):
    """It does so in spite of noise within the planes."""
    return Outcome(*disturbed_within.T)


@study.test("bundle-perturb4")
def perturb4(disturbed_whole):
    """It fails on noise of the whole, where projectors do not."""
    reduced, projected = (at_best(disturbed_whole[name]) for name in ("talk", "projectors"))
    return Outcome(
        ~reduced & projected,
        ~reduced,
        {
            "Both found, column-reduced": rate(reduced),
            "Both found, projectors": rate(projected),
        },
    )


# One projector for all


def recovered(seed: int, sigma: float):
    """Whether bundles and the feature graph are exactly what was planted; W; what was planted."""
    W, sets, random = mixed(ALL_KINDS, seed, parts=(2, 4))
    W = planted.disturbed(W, sigma, random)
    found = sorted(bundle.features for bundle in bundles.find_bundles(W))
    graph = sorted(map(tuple, geometry.components(W)))
    return [found == sets, graph == sets], W, sets


@study.experiment
def rows_of_sums(seeds_sums):
    """What `recovered` says without noise and with it: by σ, (trials, bundles and graph)."""
    seeds = range(seeds_sums.start, seeds_sums.start + 2 * len(seeds_sums))
    return {
        sigma: torch.tensor([recovered(seed, sigma)[0] for seed in seeds]) for sigma in (0.0, 0.05)
    }


@study.test("bundle-hardened")
def hardened(rows_of_sums):
    """find_bundles is exact without noise and with it."""
    clean, noisy = rows_of_sums[0.0], rows_of_sums[0.05]
    return Outcome(
        clean[:, 0] & noisy[:, 0],
        measured={
            "Without noise": rate(clean[:, 0]),
            "σ = 0.05": rate(noisy[:, 0]),
            "Feature graph, σ = 0.05": rate(noisy[:, 1]),
        },
    )


@study.experiment
def noise_curves(seeds_curve):
    """The share of sums that each method finds, at each σ of `NOISE`, by its name."""
    curves = {name: [] for name in ("find_bundles", "feature graph", "sparse subspaces")}
    pairs = {name: [] for name in REPRESENTATIVES}
    few = seeds_curve[: max(4, len(seeds_curve) // 4)]
    for sigma in NOISE:
        rows = []
        for seed in seeds_curve:
            right, W, sets = recovered(1000 + seed, sigma)
            rows.append([*right, planes.sparse_subspaces(W, len(sets)) == sets])
        for name, share in zip(curves, torch.tensor(rows).double().mean(0).tolist(), strict=True):
            curves[name].append(share)
        for name, represent in REPRESENTATIVES.items():
            pairs[name].append(at_best(at_radii(represent, sigma, few)).double().mean().item())
    return SimpleNamespace(pairs=pairs, curves=curves)


# As many features as a model has


@study.experiment
def scales(seeds_scale):
    """A small case that can be enumerated beside a large one that cannot, by trial."""
    big, big_sets = planted.direct_sum(
        ["polygon 24", "antiprism 16"] * 5 + ["polygon 40", "antiprism 40"]
    )
    same, right, seconds = [], [], []
    for seed in seeds_scale:
        random = stream(seed)
        small = small_sum(random, generic=seed % 3 == 0)
        same.append(bundles.find_bundles(small) == bundles.enumerate_bundles(small))
        large = planted.disturbed(planted.rotated(big, random), 0.02, random)
        begin = time.perf_counter()
        found = sorted(bundle.features for bundle in bundles.find_bundles(large))
        seconds.append(time.perf_counter() - begin)
        right.append(found == big_sets)
    return SimpleNamespace(
        same=torch.tensor(same), right=torch.tensor(right), seconds=torch.tensor(seconds),
        size=big.shape,
    )  # fmt: skip


def small_sum(random: torch.Generator, *, generic: bool) -> Tensor:
    """A disturbed sum of 6 to 10 features, perhaps beside generic ones."""
    W = torch.zeros(6, 11)
    while not 6 <= W.shape[1] <= 10:
        kinds = ["digon", "triangle", "polygon 5", "tetrahedron"]
        W, _ = planted.direct_sum(planted.draw(kinds, random, parts=(2, 3), most=7))
        if generic:
            more = torch.randn(2, 3, generator=random, dtype=W.dtype)
            W = torch.block_diag(W, more / more.norm(dim=0))
    return planted.disturbed(planted.rotated(W, random), 0.02, random)


@study.test("bundle-scale")
def scale(scales, *, seconds):
    """It agrees with enumeration, and is right and quick where that is hopeless."""
    m, n = scales.size
    return Outcome(
        scales.same & scales.right & (scales.seconds < seconds),
        measured={"Size of the large case": f"n = {n}, m = {m}"},
    )


# Persistent homology


@study.experiment
def homology():
    """The holes of direct sums: by the names of their summands, (degree, born, dies) of each."""
    need("studies", "gudhi")
    import gudhi

    names = ("digon", "triangle", "tetrahedron", "polygon 5")
    found = {}
    for number in (2, 3):
        for kinds in itertools.combinations_with_replacement(names, number):
            W, _ = planted.direct_sum(kinds)
            if W.shape[1] > 12:
                continue
            distances = torch.cdist(W.mT, W.mT).numpy()
            tree: Any = gudhi.RipsComplex(distance_matrix=distances, max_edge_length=2.1)
            tree = tree.create_simplex_tree(max_dimension=len(W))
            lives = tree.persistence(min_persistence=1e-6)
            found[kinds] = [(degree, *life) for degree, life in lives if degree > 0]
    return found


def most_persistent(lives: list) -> list:
    """The holes that last as long as any."""
    longest = max(end - start for _, start, end in lives)
    return [life for life in lives if life[2] - life[1] > longest - 1e-6]


@study.test("bundle-tda")
def tda(homology, *, within):
    """The most persistent holes are born near √2 and die near √3."""
    best = [most_persistent(lives) for lives in homology.values()]
    born = torch.tensor([all(abs(a / 2**0.5 - 1) < within for _, a, _ in each) for each in best])
    dies = torch.tensor([all(abs(z / 3**0.5 - 1) < within for *_, z in each) for each in best])
    return Outcome(born & dies, born)


# Spheres through points


@study.experiment
def spheres(seeds_sums):
    """Whether the summands are clusters of spheres, and how many other clusters there are."""
    among, others = [], []
    for seed in seeds_sums:
        W, sets, _ = mixed(CODES, seed, parts=(2, 2), most=6)
        found = planes.plane_clusters(planes.lifted(W), [3, 4], 0.01)
        among.append(set(sets) <= set(found))
        others.append(len(set(found) - set(sets)))
    return SimpleNamespace(among=torch.tensor(among), others=others)


@study.test("bundle-spheres")
def spheres_of_summands(spheres):
    """Both summands are among the spheres found."""
    others = f"{sum(spheres.others) / len(spheres.others):.1f} on average"
    return Outcome(spheres.among, measured={"Other spheres beside the summands": others})


# Hyperplanes


@study.experiment
def small_models(seeds, steps, procedure, device):
    """Trained models of eight features in four dimensions, at p = 0.2."""
    return eight_in_four(seeds, steps, procedure, device)


def eight_in_four(seeds: range, steps: int, procedure: Callable, device: str) -> Trained:
    """At least ten of them."""
    seeds = range(seeds.start, seeds.start + max(10, len(seeds)))
    return train(
        IndependentFeatures(8, torch.tensor(0.2)), 4, seeds=seeds,
        procedure=procedure(8, 4, steps), device=device,
    )  # fmt: skip


@study.experiment
def arrangements(small_models):
    """Regions and bounded ones of each trained model, and of its bundles multiplied."""
    counts, products, sharp = [], [], []
    for W, b in zip(small_models.W, small_models.b, strict=True):
        products.append(over_bundles(W, b, bundles.find_bundles(W), tolerance=0.1))
        counts.append(regions.regions(W, b, tolerance=0.1))
        sharp.append(regions.regions(W, b))
    general = regions.general_position(8, 4)
    return SimpleNamespace(counts=counts, products=products, sharp=sharp, general=general)


def over_bundles(W: Tensor, b: Tensor, found: Sequence, **options) -> tuple[int, int]:
    """The numbers of regions and of bounded ones, multiplied over bundles."""
    parts = [list(bundle.features) for bundle in found]
    each = [regions.regions(W[:, part], b[part], **options) for part in parts]
    regions_of, bounded = (math.prod(numbers) for numbers in zip(*each, strict=True))
    return regions_of, bounded


@study.test("bundle-arrangement")
def arrangement(arrangements):
    """Fewer regions than in general position: as many as the bundles' multiplied."""
    found = arrangements
    fewer = [
        whole == product and whole[0] < found.general[0]
        for whole, product in zip(found.counts, found.products, strict=True)
    ]
    return Outcome(
        torch.tensor(fewer),
        measured={
            "Regions, bounded ones": "; ".join(map(str, sorted(set(found.counts)))),
            "General position": str(found.general),
            "With a tolerance of 10⁻⁶": "; ".join(map(str, sorted(set(found.sharp)))),
        },
    )


@study.experiment
def random_biases(first_seed):
    """The same of planted sums and of random normals, whose biases are random, ten of each.

    By name: n and m, the pairs of regions and bounded ones, and those multiplied over bundles.
    """
    named = {
        "four digons": ["digon"] * 4,
        "triangle ⊕ pentagon": ["triangle", "polygon 5"],
        "digon ⊕ tetrahedron": ["digon", "tetrahedron"],
    }
    sums = {name: planted.direct_sum(kinds)[0] for name, kinds in named.items()}
    sums["random normals"] = torch.randn(4, 8, generator=stream(first_seed), dtype=torch.double)
    found = {}
    for name, W in sums.items():
        pairs = set()
        for seed in range(first_seed, first_seed + 10):
            turned = planted.rotated(W, stream(seed))
            b = torch.randn(W.shape[1], generator=stream(seed), dtype=W.dtype)
            parts = bundles.find_bundles(turned, tolerance=1e-6)
            pairs.add((regions.regions(turned, b), over_bundles(turned, b, parts)))
        found[name] = SimpleNamespace(
            size=W.shape[::-1], counts=[a for a, _ in pairs], products=[b for _, b in pairs]
        )
    return found


# Minima and saddles


def small_sums() -> list[tuple[str, ...]]:
    """All direct sums of two or more of `SMALL_CODES` with at most `MOST_FEATURES` features."""
    size = {kind: planted.summand(kind).shape[1] for kind in SMALL_CODES}
    return [
        kinds
        for parts in range(2, MOST_FEATURES // 2 + 1)
        for kinds in itertools.combinations_with_replacement(SMALL_CODES, parts)
        if sum(size[kind] for kind in kinds) <= MOST_FEATURES
    ]


def at_their_best(kinds: Sequence[str], p: Tensor) -> tuple[Tensor, Tensor]:
    """A direct sum whose summands have the length and bias that are best at p: (p, m, n), (p, n).

    A summand's features and all of another are orthogonal: what is best for it alone is best.
    """
    best = [rung(Polytope(kind, lambda kind=kind: planted.summand(kind)), p) for kind in kinds]
    rows = [
        torch.block_diag(*(r.size[k].sqrt() * r.polytope.points for r in best))
        for k in range(len(p))
    ]
    b = [r.bias[:, None].expand(-1, r.polytope.corners) for r in best]
    return torch.stack(rows), torch.cat(b, dim=1)


def densities(count: int) -> Tensor:
    """Values of p, with 1/p from 1.25 to 100: ``(count,)``."""
    return torch.logspace(math.log10(1.25), 2, count, dtype=torch.double).reciprocal()


@study.experiment
def curvatures(n_densities):
    """Of each small sum at its best, for each density ``p``: ``least`` and ``gradient``.

    The least curvature along anything but a rotation, over p, and the length of the gradient:
    ``(sums, densities)``; and the ``sums`` themselves.
    """
    p = densities(n_densities)
    least, gradient = [], []
    for kinds in small_sums():
        W, b = at_their_best(kinds, p)
        # lengths and biases as exact as floats are; so few steps do not fall off a saddle
        found = optima.minimise(W, b, p[:, None], tolerance=1e-10, max_steps=2)
        gradient.append(found.gradient_norm)
        least.append(least_of(found.W, found.b, p))
    return SimpleNamespace(
        sums=small_sums(), least=torch.stack(least), gradient=torch.stack(gradient), p=p
    )


def least_of(W: Tensor, b: Tensor, p: Tensor) -> Tensor:
    """The least curvature of models along anything but a rotation, over p: ``(densities,)``."""
    return optima.least_curvature(W, b, p[:, None]) / p


@study.experiment
def curvatures_alone(n_densities):
    """The same ``least`` of each of `SMALL_CODES` alone, ``(codes, densities)``, and ``turn``.

    From that 1/p on it is a minimum at all sparser densities, ``(codes,)``; 1 if it always is.
    """
    p = densities(n_densities)
    least, turn = [], []
    for code in SMALL_CODES:
        least.append(least_of(*at_their_best([code], p), p))
        saddles = (least[-1] < 0).nonzero().flatten().tolist()
        if not saddles:
            turn.append(1.0)
            continue
        dense, sparse = p[saddles[-1]], p[saddles[-1] + 1]
        for _ in range(12):
            middle = (dense * sparse).sqrt()
            is_saddle = least_of(*at_their_best([code], middle[None]), middle[None]) < 0
            dense, sparse = (middle, sparse) if is_saddle else (dense, middle)
        turn.append(1 / dense.item())
    return SimpleNamespace(codes=SMALL_CODES, least=torch.stack(least), turn=torch.tensor(turn))


@study.experiment
def basins(first_seed):
    """How many of twenty disturbed pairs of triangles, 1/p = 6, descend to the pair again.

    By the size of the disturbance of every weight.
    """
    p = torch.tensor([1 / 6], dtype=torch.double)
    W, b = at_their_best(("triangle", "triangle"), p)
    back = {}
    for sigma in (0.01, 0.03, 0.1):
        random = stream(first_seed)
        starts = torch.stack([planted.disturbed(W[0], sigma, random) for _ in range(20)])
        found = optima.minimise(starts, b, p, tolerance=1e-6)
        apart = (found.W.mT @ found.W - W.mT @ W).flatten(1).norm(dim=1)
        back[sigma] = int((apart < 0.01).sum())
    return back


@study.test("bundle-minima")
def minima(curvatures, *, still, flat):
    """Sums of simplices are minima at every p, others at some and saddles at the smallest."""
    least = curvatures.least
    minimum, saddle = least > flat, least < -flat
    simplices = torch.tensor([set(kinds) <= set(SIMPLICES) for kinds in curvatures.sums])
    turns = minimum.any(1) & saddle[:, -1]
    stationary = (curvatures.gradient <= still).all(1)
    told = {
        "Minima at every p": minimum.all(1),
        "Minima at some p, saddles at the smallest": turns,
        "Saddles at every p": saddle.all(1),
    }
    return Outcome(
        stationary & torch.where(simplices, minimum.all(1), turns),
        measured={
            **{
                name: f"{int(which[simplices].sum())} of {int(simplices.sum())} sums of simplices, "
                f"{int(which[~simplices].sum())} of {int((~simplices).sum())} others"
                for name, which in told.items()
            },
            "Longest gradient": f"{curvatures.gradient.max():.0e}",
        },
    )


# Layers on top


COMPOSED = 2000  # inputs of what is on top
FEW = 250  # of them, where many second components are trained
TRIES = thresholds("bundle-composed-2")["tries"]  # of these for each first one


def some_inputs(first_seed: int, *, active: bool) -> Tensor:
    """Inputs of eight features at p = 0.2, all of them or those with an active one: (inputs, 8)."""
    features = IndependentFeatures(8, torch.tensor(0.2))
    u = torch.rand(COMPOSED, features.uniforms, generator=stream(first_seed))
    return features.active_inputs(u) if active else features.inputs(u)


@study.experiment
def on_top(small_models, first_seed, steps, procedure):
    """A second component on the outputs of each small model, and the bundles of both.

    ``below`` and ``above``: for each model, the sets of features of its bundles, sorted.
    """
    W, b = small_models.W.cpu(), small_models.b.cpu()
    given = outputs(W, b, some_inputs(first_seed, active=False))
    upper = train(Examples(given), 4, seeds=[first_seed], procedure=procedure(8, 4, steps))
    return SimpleNamespace(below=[*map(sets_of, W)], above=[*map(sets_of, upper.W[0])])


@study.experiment
def on_top_again(seeds, first_seed, steps, procedure, device):
    """The same of other models, each with `TRIES` second components.

    ``above`` and the ``loss``, ``(tries, models)``, of these; and the first ones' ``W``.
    """
    models = eight_in_four(fresh(seeds), steps, procedure, device)
    W, b = models.W.cpu(), models.b.cpu()
    given = outputs(W, b, some_inputs(first_seed + FRESH, active=False)[:FEW])
    tried = range(first_seed, first_seed + TRIES)
    upper = train(Examples(given), 4, seeds=tried, procedure=procedure(8, 4, steps))
    off = outputs(upper.W, upper.b, given) - given
    loss = off.square().sum(-1).mean(-1)  # (tries, models)
    below = [*map(sets_of, W)]
    above = [[*map(sets_of, models)] for models in upper.W]
    return SimpleNamespace(below=below, above=above, loss=loss, W=W)


def outputs(W: Tensor, b: Tensor, x: Tensor) -> Tensor:
    """What models make of inputs: ``(..., inputs, n)``."""
    return torch.relu(x @ W.mT @ W + b[..., None, :])


def sets_of(W: Tensor) -> list[tuple[int, ...]]:
    """The sets of features of a model's bundles, sorted."""
    return sorted(bundle.features for bundle in bundles.find_bundles(W))


@study.experiment
def two_nodes(small_models, on_top, first_seed):
    """How often two nodes on h label other inputs right, by what the classes are: (models,).

    ``split`` where each class has one of every pair, ``whole`` where each has two pairs; 0 for a
    model whose bundles are no pairs.
    """
    return labelled_right(small_models.W.cpu(), on_top.below, first_seed)


@study.experiment
def two_nodes_again(on_top_again, first_seed):
    """The same of other models and inputs."""
    return labelled_right(on_top_again.W, on_top_again.below, first_seed + FRESH)


def labelled_right(models: Tensor, below: Sequence, first_seed: int) -> dict[str, Tensor]:
    """See `two_nodes`; models are ``(models, 4, 8)``."""
    x, other = (some_inputs(first_seed + k, active=True) for k in (1, 2))
    found = {"split": [], "whole": []}
    for W, pairs in zip(models, below, strict=True):
        for name, shares in found.items():
            if not four_pairs(pairs):
                shares.append(0.0)
                continue
            members = [pair[0] for pair in pairs] if name == "split" else [*pairs[0], *pairs[1]]
            sign = torch.full((8,), -1.0)
            sign[members] = 1.0
            label, true = x @ sign > 0, other @ sign > 0
            direction, offset = logistic(x @ W.mT, label)
            shares.append(float(((other @ W.mT @ direction + offset > 0) == true).float().mean()))
    return {name: torch.tensor(shares) for name, shares in found.items()}


def four_pairs(sets: Sequence[tuple[int, ...]]) -> bool:
    """Whether all bundles are pairs."""
    return [len(each) for each in sets] == [2, 2, 2, 2]


def logistic(h: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """A logistic regression of booleans on ``(inputs, m)``, by Newton's method: (m,) and ().

    Two nodes with a softmax are one logit, the difference of theirs. Weights are held back a
    little: of classes that can be told exactly they would grow without end.
    """
    design = torch.cat([h, torch.ones(len(h), 1)], dim=1).double()
    weight = design.new_zeros(design.shape[1])
    held = 1e-3 * len(h) * torch.eye(len(weight), dtype=torch.double)
    for _ in range(20):
        chance = torch.sigmoid(design @ weight)
        slope = design.mT @ (chance - label.double()) + held @ weight
        curvature = (design * (chance * (1 - chance))[:, None]).mT @ design + held
        weight = weight - torch.linalg.solve(curvature, slope)
    return weight[:-1].to(h), weight[-1].to(h)


@study.test("bundle-composed")
def composed(on_top, two_nodes, *, right, chance):
    """The same bundles above; classes are told if every bundle is split, not if they are whole."""
    return judged_composed(on_top, two_nodes, right=right, chance=chance)


@study.test("bundle-composed-2")
def composed_again(on_top_again, two_nodes_again, *, tries, right, chance):
    """The same of the best of several second components."""
    below, above, loss = on_top_again.below, on_top_again.above, on_top_again.loss
    best = [above[k][at] for at, k in enumerate(loss[:tries].argmin(0).tolist())]
    found = judged_composed(
        SimpleNamespace(below=below, above=best), two_nodes_again, right=right, chance=chance
    )
    same = torch.tensor([[a == b for a, b in zip(row, below, strict=True)] for row in above])
    told = {"Single second components with the same bundles": rate(same.flatten())}
    if same.any() and not same.all():
        told["Loss with other bundles over that with the same"] = (
            f"{loss[~same].median() / loss[same].median():.0f} (medians)"
        )
    return replace(found, measured={**found.measured, **told})


def judged_composed(on_top, two_nodes, *, right: float, chance: float) -> Outcome:
    """Judge what is on top of models; see `composed`."""
    pairs = torch.tensor([four_pairs(sets) for sets in on_top.below])
    same = torch.tensor([a == b for a, b in zip(on_top.below, on_top.above, strict=True)])
    split, whole = two_nodes["split"], two_nodes["whole"]

    def told(shares: Tensor) -> str:
        return span(shares[pairs], ".0%") if pairs.any() else "none"

    return Outcome(
        pairs & same & (split >= right) & (whole <= chance),
        measured={
            "First components of four pairs": rate(pairs),
            "Second components with the same bundles": rate(same),
            "Labelled right, every bundle split": told(split),
            "Labelled right, whole bundles": told(whole),
        },
    )


# Large direct sums


DEPENDENT = {
    "independent": IndependentFeatures(36, 0.1),
    "together": CorrelatedSets(18, 2, 0.1),
    "at most one": AnticorrelatedSets(18, 2, 0.2),
}


@study.experiment
def large_sums(seeds, steps, procedure, device):
    """Models of 36 features in 18 dimensions, by how their pairs are dependent; see `many`."""
    return {
        name: many(features, seeds, procedure(36, 18, steps), device)
        for name, features in DEPENDENT.items()
    }


@study.experiment
def large_sums_again(seeds, steps, procedure, device):
    """The same of other seeds, of dependent pairs alone."""
    return {
        name: many(DEPENDENT[name], fresh(seeds), procedure(36, 18, steps), device)
        for name in ("together", "at most one")
    }


def many(features, seeds: range, procedure: Procedure, device: str) -> SimpleNamespace:
    """Train models and look for pairs in their bundles: ``(seeds,)`` each.

    ``bundles``, how many; ``within``, the share of the pairs that lie in one bundle, and
    ``chance``, that of any two features; the largest ``cosine`` of a pair, in size; the ``loss``.
    """
    models = train(features, 18, seeds=seeds, procedure=procedure, device=device)
    W = models.W.cpu()
    n, sets = W.shape[-1], [*map(sets_of, W)]
    alike = [sum(len(part) * (len(part) - 1) for part in each) / (n * (n - 1)) for each in sets]
    cosines = torch.nn.functional.cosine_similarity(W[..., 0::2], W[..., 1::2], dim=-2)
    return SimpleNamespace(
        bundles=torch.tensor([len(each) for each in sets]),
        within=torch.tensor([pairs_within(each, n) for each in sets]),
        chance=torch.tensor(alike),
        cosine=cosines.abs().amax(-1),
        loss=models.expected_loss()[0].cpu(),
    )


def pairs_within(sets: Sequence[tuple[int, ...]], n: int) -> float:
    """The share of the pairs (0, 1), (2, 3), … of n features that lie in one of some sets.

    >>> pairs_within([(0, 1, 2), (3,)], 4)
    0.5
    """
    return sum({i, i + 1} <= set(each) for i in range(0, n, 2) for each in sets) / (n // 2)


@study.test("bundle-large")
def large(large_sums, *, components, together, apart):
    """Pairs of which at most one is active share bundles; those active together do not."""
    exclusive, joint = large_sums["at most one"], large_sums["together"]
    many = (exclusive.bundles >= components) & (joint.bundles >= components)
    measured = {
        f"Pairs in one bundle, {name}": f"{span(each.within, '.0%')}, mean "
        f"{each.within.mean():.0%}; {span(each.bundles, 'd')} bundles"
        for name, each in large_sums.items()
    }
    return Outcome(
        many & (exclusive.within >= together) & (joint.within <= apart), measured=measured
    )


@study.test("bundle-large-2")
def large_again(large_sums_again, *, components, times, cosine):
    """The former share bundles more often than by chance; the latter are nearly orthogonal."""
    exclusive, joint = large_sums_again["at most one"], large_sums_again["together"]
    enough = (exclusive.bundles >= components) & (joint.bundles >= components)
    apart = joint.cosine <= cosine
    together = exclusive.within >= times * exclusive.chance
    seen = torch.stack([exclusive.within, exclusive.loss.to(exclusive.within)])
    return Outcome(
        enough & together & apart,
        measured={
            "Pairs in one bundle, at most one active": f"{span(exclusive.within, '.0%')}, mean "
            f"{exclusive.within.mean():.0%}; by chance {exclusive.chance.mean():.0%}",
            "Correlation of that share with the loss": f"{torch.corrcoef(seen)[0, 1]:.2f}",
            "Largest cosine of two features active together": span(joint.cosine, ".2f"),
        },
    )


# Trained models


@study.experiment
def trained(seeds, n_sparsities, steps, procedure, device):
    """Models of 200 features in 15 dimensions, 1/p from 2 to 8: W by seed and sparsity."""

    def experiment(seed, inverse_p):
        run = train(
            IndependentFeatures(200, 1 / inverse_p[:, None]), 15, seeds=seed,
            procedure=procedure(200, 15, steps), device=device,
        )  # fmt: skip
        return {"W": (["dimension", "feature"], run.W)}

    inverse_p = torch.logspace(math.log10(2), 3 * math.log10(2), n_sparsities)
    return sweep(experiment, {"seed": seeds, "inverse_p": inverse_p}, cells_at_once=12)


def compared(W: Tensor, *, edge: float) -> tuple[bool, bool, float]:
    """How bundles and components of a model ``(m, n)`` compare.

    Whether they are the same sets; whether the dimensions of the components add up to that of all
    represented features; the largest overlap of a bundle.
    """
    kept = geometry.represented(W).nonzero().flatten()
    found = bundles.find_bundles(W[:, kept])
    sets = sorted(tuple(kept[list(each.features)].tolist()) for each in found)
    graph = geometry.components(W, threshold=edge)
    whole = geometry.span_dimension(W, kept.tolist())
    factors = sum(geometry.span_dimension(W, part) for part in graph) == whole
    return sets == sorted(map(tuple, graph)), factors, max(each.overlap for each in found)


@study.test("bundle-trained")
def bundles_are_components(trained, *, share, least_D, most_D, edge):
    """In most models of a range, bundles, components and tegum factors are the same sets."""
    D_star = geometry.dimensions_per_feature(trained.W)
    in_range = (D_star >= least_D) & (D_star <= most_D)
    shown, rows = [], []
    for models, inside in zip(trained.W, in_range, strict=True):
        own = [compared(W, edge=edge) for W in models[inside]]
        shown.append(sum(same and factors for same, factors, _ in own) >= share * max(1, len(own)))
        rows += own
    overlap = f"{torch.tensor([row[2] for row in rows]).median():.2f}" if rows else "none"
    return Outcome(
        torch.tensor(shown),
        measured={
            "Models in the range": str(len(rows)),
            "Bundles are the components": f"{sum(row[0] for row in rows)} of {len(rows)}",
            "Components are a direct sum": f"{sum(row[1] for row in rows)} of {len(rows)}",
            "Median largest overlap of a bundle": overlap,
        },
    )
