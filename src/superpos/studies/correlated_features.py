"""Correlated and anticorrelated features: where sets of features go in the hidden space.

Elhage et al. 2022, "Correlated and Anticorrelated Features"; Pfeifle 2022, "Validating
Superpositions" (a talk), on direct sums.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from superpos import geometry, losses, optima, sweep, train
from superpos.claims import rate
from superpos.compute.executors import scheduler
from superpos.compute.processes import in_parallel
from superpos.compute.sweeps import tensors
from superpos.features import AnticorrelatedSets, CorrelatedSets
from superpos.stats import best_of_each, listed, told, told_rate
from superpos.studies import sets
from superpos.studies.study import Outcome, Study, Way, fresh, on_cores
from superpos.studies.ways import elhage_notebook
from superpos.training.procedures import PUBLISHED, Procedure

SPARSE, SPARSER = 0.1, 0.03  # p at which most is compared
BASELINE = 0.05  # the one p that the paper prints for its section on non-uniform superposition
DENSE = 0.5  # p at which anticorrelation is felt
DENSITIES = torch.logspace(-1.5, 0, 7).tolist()  # p of the curves of two pairs
REPRESENTED = 0.5  # ‖W_i‖² of a represented feature, as everywhere in the book
COMPONENT = 0.25  # ‖W_i‖²: half of what a feature of a collapsed pair has
ALIGNED = 0.95  # the cosine from which the pictures count two features as one direction
POLYGONS = ("hexagon", "pentagon", "square", "triangle")  # of three pairs, by how many collapsed
WRONG = 20  # how many pairings with the wrong partners are followed to their optima


def ours(n: int, m: int, steps: int, **changes) -> Procedure:
    """The chapter's procedure: a rate that falls with n."""
    return Procedure(**{"steps": steps, "learning_rate": min(0.03, 0.4 / n), **changes})


LENGTHS = ("steps", "steps_sets", "steps_sums", "steps_parts", "steps_collapse")

study = Study(
    "correlated_features",
    {
        "ours": Way(
            "Adam at a rate of at most 0.03 or 0.4/n, warmed up and lowered to 0 as a cosine, 64 "
            "inputs a step, each output's own input integrated",
            ours,
        ),
        "published": elhage_notebook(
            "an array of 10 models, biases 0 (the authors' notebook, which has no sets of "
            "features: for these the source does not say; the talk trains nothing)",
            10,
            dict.fromkeys(LENGTHS, 1500),
        ),
    },
)


# Models of sets


@dataclass(frozen=True)
class Case:
    """So many sets of so many features in m dimensions, at some densities p."""

    kind: type
    count: int
    size: int
    m: int
    p: tuple[float, ...] = (SPARSE,)

    @property
    def n(self) -> int:
        return self.count * self.size

    def features(self, p: float | Tensor):
        """The distribution of the inputs where a set is active with probability p."""
        return self.kind(self.count, self.size, p)


PAIRS = Case(CorrelatedSets, 2, 2, 2)
ANTIPAIRS = Case(AnticorrelatedSets, 2, 2, 2)
THREE_PAIRS = Case(CorrelatedSets, 3, 2, 2, (SPARSER,))
SIX_ALONE = Case(CorrelatedSets, 6, 1, 2, (SPARSER,))  # sets of one feature: independent ones
TWO_SETS = Case(CorrelatedSets, 2, 10, 10, (SPARSE, SPARSER))
ANTIPAIRS_AGAIN = Case(AnticorrelatedSets, 2, 2, 2, (BASELINE,))
TWO_SETS_AGAIN = Case(CorrelatedSets, 2, 10, 10, (BASELINE, SPARSER))
SUMS = {
    "correlated pairs": Case(CorrelatedSets, 6, 2, 6, (SPARSE, DENSE)),
    "independent features": Case(CorrelatedSets, 12, 1, 6, (SPARSE, DENSE)),
    "anticorrelated pairs": Case(AnticorrelatedSets, 6, 2, 6, (SPARSE, DENSE)),
}
LARGER = {
    "3 correlated sets of 2, m = 4": Case(CorrelatedSets, 3, 2, 4, (SPARSER,)),
    "4 correlated sets of 2, m = 4": Case(CorrelatedSets, 4, 2, 4, (SPARSER,)),
    "5 correlated sets of 2, m = 4": Case(CorrelatedSets, 5, 2, 4, (SPARSER,)),
    "2 anticorrelated sets of 3, m = 4": Case(AnticorrelatedSets, 2, 3, 4),
    "3 anticorrelated sets of 3, m = 6": Case(AnticorrelatedSets, 3, 3, 6),
    "2 anticorrelated sets of 4, m = 4": Case(AnticorrelatedSets, 2, 4, 4),
    "2 anticorrelated sets of 4, dense, m = 4": Case(AnticorrelatedSets, 2, 4, 4, (0.9,)),
}


def trained(
    case: Case, *, steps: int, seeds: Sequence[int], procedure: Callable, device: str = "cpu"
) -> SimpleNamespace:
    """Train a model for every seed and p: W is (seed, p, dimension, feature); b and the loss."""
    settings = procedure(case.n, case.m, steps)

    def experiment(seed, p):
        run = train(
            case.features(p[:, None]), case.m, seeds=seed, procedure=settings, device=device
        )
        loss, _ = run.expected_loss(samples=8000)
        return {"W": (["dimension", "feature"], run.W), "b": (["feature"], run.b), "loss": loss}

    grid = {"seed": seeds, "p": torch.tensor(case.p)}
    return tensors(sweep(experiment, grid, cells_at_once=300))


def all_trained(cases: Mapping[Any, Case], **settings) -> dict[Any, SimpleNamespace]:
    """The same for several cases by name, each on a core of its own.

    Settings of `trained` are the same for all, or mappings by the names of the cases.
    """

    def of(name):
        own = {k: v[name] if isinstance(v, Mapping) else v for k, v in settings.items()}
        return trained(cases[name], **own)

    if "://" in scheduler():  # a cluster, whose workers share the pieces of each
        return {name: of(name) for name in cases}
    largest_first = sorted(cases, key=lambda name: cases[name].n, reverse=True)
    found = dict(zip(largest_first, in_parallel(of, largest_first), strict=True))
    return {name: found[name] for name in cases}


def best_run(run: SimpleNamespace, place: int = 0) -> tuple[Tensor, Tensor]:
    """W and b of the run of lowest loss at one of the densities."""
    chosen = run.loss[:, place].argmin()
    return run.W[chosen, place], run.b[chosen, place]


# Two pairs in a plane


@study.experiment
def two_pairs(steps, seeds, seeds_curve, procedure, device):
    """Two pairs in a plane, correlated or not: many runs at one p, and a curve over p."""
    everywhere = tuple(DENSITIES)
    cases = {
        "correlated": PAIRS,
        "anticorrelated": ANTIPAIRS,
        "curve": Case(CorrelatedSets, 2, 2, 2, everywhere),
        "anticurve": Case(AnticorrelatedSets, 2, 2, 2, everywhere),
    }
    each = {name: seeds_curve if "curve" in name else seeds for name in cases}
    at = {"steps": steps, "seeds": each, "procedure": procedure, "device": device}
    return SimpleNamespace(**all_trained(cases, **at))


def pairs_orthogonal(W: Tensor, *, kept: float, cosine: float) -> Tensor:
    """Return whether all features are represented and partners at right angles: ``(...)``.

    Every ‖W_i‖² is at least ``kept``, partners' cosines at most ``cosine`` in size.

    >>> W = torch.tensor([[1.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, -1.0]])
    >>> pairs_orthogonal(W, kept=0.5, cosine=0.1), pairs_antipodal(W, kept=0.5, cosine=-0.95)
    (tensor(True), tensor(False))
    """
    right = sets.partner_cosines(W).abs() <= cosine
    return geometry.represented(W, threshold=kept).all(-1) & right.all(-1)


def pairs_antipodal(W: Tensor, *, kept: float, cosine: float) -> Tensor:
    """Return whether all features are represented and partners antipodal: ``(...)``."""
    opposite = sets.partner_cosines(W) <= cosine
    return geometry.represented(W, threshold=kept).all(-1) & opposite.all(-1)


def collapsed_pairs(W: Tensor, *, cosine: float, kept: float = REPRESENTED) -> Tensor:
    """Return which pairs are collapsed, represented in one direction: booleans ``(..., n/2)``.

    A pair stored as nothing but its sum has W_i = W_j with ‖W_i‖² = 1/2: the read-out of each is
    then the mean of both.

    >>> collapsed_pairs(torch.tensor([[0.8, 0.8, 1.0, -1.0]]), cosine=0.95)
    tensor([ True, False])
    """
    both = geometry.represented(W, threshold=kept).unflatten(-1, (-1, 2)).all(-1)
    return both & (sets.partner_cosines(W) >= cosine)


def over_p(shown: Tensor) -> str:
    """The rates of some outcome ``(seeds, densities)``, in words."""
    return listed(shown.double().mean(0), ".0%")


@study.test("corr-orthogonal")
def orthogonal(two_pairs, *, kept, cosine):
    """Correlated partners are at a right angle."""

    def right(W):
        return pairs_orthogonal(W, kept=kept, cosine=cosine)

    measured = {"Right angle, over p": over_p(right(two_pairs.curve.W))}
    return Outcome(right(two_pairs.correlated.W[:, 0]), measured=measured)


@study.test("corr-anti-antipodal")
def antipodal(two_pairs, *, kept, cosine):
    """Anticorrelated partners are antipodal; other pairings are followed to their optima."""

    def opposite(W):
        return pairs_antipodal(W, kept=kept, cosine=cosine)

    run = two_pairs.anticorrelated
    W, b = run.W[:, 0], run.b[:, 0]
    shown = opposite(W)
    best = "are" if shown[run.loss[:, 0].argmin()] else "are not"
    measured = {"The best run": f"partners {best} antipodal"}
    if not shown.all():
        ends = optima.minimise(W[~shown][:WRONG], b[~shown][:WRONG], ANTIPAIRS.features(SPARSE))
        still = ends.converged & ~opposite(ends.W)
        measured |= {
            "Loss of other pairings, exact": f"{ends.loss.mean():.5f} "
            f"(p²/6 is {SPARSE**2 / 6:.5f})",
            "Other pairings that are optima": f"{still.sum()} of {len(still)} tried",
        }
    return Outcome(shown, measured=measured)


@study.experiment
def antipairs_again(steps, seeds, procedure, device):
    """Two anticorrelated pairs in a plane at the paper's baseline density, from fresh seeds."""
    at = {"steps": steps, "seeds": fresh(seeds), "procedure": procedure, "device": device}
    return trained(ANTIPAIRS_AGAIN, **at)


@study.test("corr-anti-antipodal-2")
def prefers_antipodal(antipairs_again, two_pairs, *, kept, cosine, tries):
    """Anticorrelated partners are antipodal; in the weaker reading in the best of some tries."""
    run = antipairs_again
    shown = pairs_antipodal(run.W[:, 0], kept=kept, cosine=cosine)
    best = best_of_each(run.loss[:, 0], shown, min(tries, len(shown)))
    over = over_p(pairs_antipodal(two_pairs.anticurve.W, kept=kept, cosine=cosine))
    return Outcome(shown, best, {"Antipodal partners, over p from 0.03 to 1": over})


# Three pairs in a plane


@study.experiment
def three_pairs(steps, seeds, procedure, device):
    """Six features in a plane: three correlated pairs, and all independent."""
    cases = {"pairs": THREE_PAIRS, "alone": SIX_ALONE}
    at = {"steps": steps, "seeds": seeds, "procedure": procedure, "device": device}
    return SimpleNamespace(**all_trained(cases, **at))


def hexagonal(W: Tensor, *, low: float, high: float) -> Tensor:
    """Return whether the angles between neighbours are all from low to high, in degrees: ``(...)``.

    >>> angle = torch.arange(6) * torch.pi / 3
    >>> hexagonal(torch.stack([angle.cos(), angle.sin()]), low=40, high=80)
    tensor(True)
    """
    gaps = geometry.angular_gaps(W)
    return ((gaps >= low) & (gaps <= high)).all(-1)


def pairs_in_hexagon(W: Tensor, *, low: float, high: float) -> tuple[Tensor, Tensor]:
    """Return whether all features make a hexagon, and whether it has partners side by side."""
    hexagon = geometry.represented(W).all(-1) & hexagonal(W, low=low, high=high)
    return hexagon, hexagon & sets.partners_adjacent(W)


@study.test("corr-side-by-side")
def side_by_side(three_pairs, *, low, high):
    """Three pairs make a hexagon, side by side, and independent features of that seed none."""
    hexagon, adjacent = pairs_in_hexagon(three_pairs.pairs.W[:, 0], low=low, high=high)
    independent = hexagonal(three_pairs.alone.W[:, 0], low=low, high=high)
    return Outcome(
        adjacent & ~independent,
        adjacent,
        {
            "Hexagon with partners side by side": rate(adjacent),
            "Any hexagon, of pairs": rate(hexagon),
            "Hexagon without pairs": rate(independent),
        },
    )


def on_corners(corners: int) -> Tensor:
    """Six features on the corners of a regular polygon, those without one near length 0."""
    turn = 2 * torch.pi * torch.arange(6) / corners
    length = torch.where(torch.arange(6) < corners, 0.95, 0.05)
    return torch.stack([turn.cos(), turn.sin()]) * length


@study.experiment
def hexagon_losses():
    """The exact loss of the optimum next to each of four starts, by name."""

    def lowest_near(starts, features):
        b = torch.full((len(starts), 6), -0.15)
        return optima.minimise(torch.stack(starts), b, features, tolerance=1e-6).loss

    opposite = on_corners(6)[:, [0, 3, 1, 4, 2, 5]]
    hexagon, pentagon = lowest_near([on_corners(6), on_corners(5)], SPARSER)
    pairs = THREE_PAIRS.features(SPARSER)
    adjacent, across = lowest_near([on_corners(6), opposite], pairs)
    return {
        "six independent features, hexagon": hexagon.item(),
        "six independent features, pentagon": pentagon.item(),
        "three pairs, hexagon with partners side by side": adjacent.item(),
        "three pairs, hexagon with partners opposite": across.item(),
    }


# Two sets of ten


@study.experiment
def two_sets(steps_sets, seeds_sets, procedure, device):
    """Two sets of ten correlated features in ten dimensions."""
    return trained(TWO_SETS, steps=steps_sets, seeds=seeds_sets, procedure=procedure, device=device)


def parts_of_basis(
    W: Tensor, *, mean: float, largest: float, facing: float | None = None
) -> dict[str, Tensor]:
    """What makes two sets two almost orthogonal bases, by name: booleans ``(seeds, p)``.

    And bases that face each other, where ``facing`` says how nearly.
    """
    size = TWO_SETS.size
    within = sets.within_sets(W, size)
    parts = {
        "all represented": geometry.represented(W).all(-1),
        f"mean cosine at most {mean:g}": (within.mean(-1) <= mean).all(-1),
        f"largest at most {largest:g}": (within.amax(-1) <= largest).all(-1),
    }
    if facing is not None:
        parts["facing the other set"] = (sets.nearest_outside(W, size) >= facing).all(-1)
    return parts


@study.test("corr-local-basis")
def local_basis(two_sets, *, mean, largest, facing):
    """Two sets of ten are two almost orthogonal bases that face each other."""
    parts = parts_of_basis(two_sets.W, mean=mean, largest=largest, facing=facing)
    kept, even, bounded, face = parts.values()
    whole = kept & even & bounded & face
    # the mean of Ŵ·W_i, with Ŵ the direction of Σ_i W_i
    along = two_sets.W.mean(-1).norm(dim=-1)
    rates = {
        f"p = {p}: {name}": rate(holds[:, k])
        for k, p in enumerate(TWO_SETS.p)
        for name, holds in {**parts, "all of these": whole}.items()
    }
    lengths = {
        f"p = {p}: mean length along the sum of all features": told(along[:, k])
        for k, p in enumerate(TWO_SETS.p)
    }
    return Outcome(whole[:, 0], (kept & even & face)[:, 0], rates | lengths)


@study.experiment
def two_sets_again(steps_sets, seeds_sets, procedure, device):
    """The same at the paper's baseline density and a sparser one, from fresh seeds."""
    at = {"steps": steps_sets, "seeds": fresh(seeds_sets), "procedure": procedure}
    return trained(TWO_SETS_AGAIN, device=device, **at)


@study.test("corr-local-basis-2")
def almost_orthogonal(two_sets_again, *, mean, largest, sparser):
    """Either set is almost orthogonal; in the weaker reading with sparser inputs."""
    parts = parts_of_basis(two_sets_again.W, mean=mean, largest=largest)
    whole = torch.stack(list(parts.values())).all(0)
    rates = {
        f"p = {p}: {name}": rate(holds[:, k])
        for k, p in enumerate(TWO_SETS_AGAIN.p)
        for name, holds in parts.items()
    }
    return Outcome(whole[:, 0], whole[:, TWO_SETS_AGAIN.p.index(sparser)], rates)


# Collapse into principal components


def polygon(collapsed: int) -> Tensor:
    """Three pairs on the corners of a polygon, the last ones sharing a corner each."""
    corner = torch.tensor([0, 1, 2, 3, 4, 5])
    for pair in range(3 - collapsed, 3):
        corner[2 * pair + 1 :] -= 1
    turn = 2 * torch.pi * corner / (6 - collapsed)
    single = torch.arange(6) < 6 - 2 * collapsed
    return torch.stack([turn.cos(), turn.sin()]) * torch.where(single, 0.95, 0.7)


def made_by_hand() -> Tensor:
    """Starts near every kind of optimum: four polygons, and two components of three."""
    two = torch.eye(2).repeat_interleave(2, -1) * 0.66
    two = torch.cat([two, torch.full((2, 2), 0.2)], dim=-1)
    return torch.stack([*(polygon(collapsed) for collapsed in range(4)), two])


@study.experiment
def optimum(n_densities, steps_collapse, seeds_collapse, procedure):
    """The exact optima of three pairs in a plane, over p.

    At each p descent starts from polygons made by hand, from the best of some trained models, and
    from the optima of the densities beside it. ``p`` ``(k,)``; all ends, ``all_W`` ``(starts, k, 2,
    6)`` and ``all_loss``; of the best, ``W`` and ``loss``; ``agree``, at how many p no neighbour's
    optimum was better.
    """
    p = torch.logspace(torch.tensor(0.02).log10(), 0, n_densities, dtype=torch.float64)
    by_hand, settings = made_by_hand(), procedure(6, 2, steps_collapse)

    def collapse(p):
        features = THREE_PAIRS.features(p[:, None])
        run = train(features, 2, seeds=seeds_collapse, procedure=settings)
        few = losses.exact_loss(run.W, run.b, features).argsort(0)[:3]
        place = torch.arange(len(p))
        W = torch.cat([by_hand[:, None].expand(-1, len(p), -1, -1), run.W[few, place]])
        b = torch.cat([torch.zeros(len(by_hand), len(p), 6), run.b[few, place]])
        found = optima.minimise(W, b, features, tolerance=1e-7)
        return {
            "W": (["start", "dimension", "feature"], found.W.movedim(0, 1)),
            "b": (["start", "feature"], found.b.movedim(0, 1)),
            "loss": (["start"], found.loss.mT),
        }

    found = tensors(sweep(collapse, {"p": p}, cells_at_once=10, executor=on_cores()))
    first, each = found.loss.argmin(1), torch.arange(len(p))
    W, b = found.W[each, first], found.b[each, first]
    beside = torch.stack([(each - 1).clamp_min(0), (each + 1).clamp_max(len(p) - 1)])
    features = THREE_PAIRS.features(p[:, None])
    followed = optima.minimise(W[beside], b[beside], features, tolerance=1e-6)
    all_W = torch.cat([found.W.movedim(0, 1), followed.W])
    all_loss = torch.cat([found.loss.mT, followed.loss])
    agree = (followed.loss.amin(0) >= found.loss.amin(1) * (1 - 1e-6)).sum().item()
    best = all_W[all_loss.argmin(0), each]
    return SimpleNamespace(
        p=p, all_W=all_W, all_loss=all_loss, W=best, loss=all_loss.amin(0), agree=agree
    )


def kinds(W: Tensor) -> dict[str, Tensor]:
    """What each model is, by name: a polygon of all features, two components; booleans."""
    count = collapsed_pairs(W, kept=COMPONENT, cosine=ALIGNED).sum(-1)
    shown = geometry.represented(W, threshold=COMPONENT).sum(-1)
    whole = {name: (count == k) & (shown == 6) for k, name in enumerate(POLYGONS)}
    return whole | {"two components": (count == 2) & (shown == 4)}


def kind(W: Tensor) -> str:
    """What one model is, in words."""
    return next((name for name, member in kinds(W).items() if member), "neither")


def branches(optimum) -> dict[str, Tensor]:
    """The lowest loss of each kind, over p; infinite where it was not found."""
    return {
        name: torch.where(member, optimum.all_loss, torch.inf).amin(0)
        for name, member in kinds(optimum.all_W).items()
    }


def changes(optimum) -> list[tuple[str, str, float]]:
    """Where the kind of the optimum changes: from what, to what, at which p two losses cross."""
    of_best, loss, p = [kind(one) for one in optimum.W], branches(optimum), optimum.p

    def crossing(k):
        middle = torch.tensor(0.5)
        if "neither" not in of_best[k : k + 2]:
            gap = (loss[of_best[k + 1]] / loss[of_best[k]])[k : k + 2].log()
            middle = gap[0] / (gap[0] - gap[1]) if gap.isfinite().all() else middle
        return (p[k].log() + middle * (p[k + 1] / p[k]).log()).exp().item()

    return [
        (of_best[k], of_best[k + 1], crossing(k))
        for k in range(len(p) - 1)
        if of_best[k] != of_best[k + 1]
    ]


def told_changes(optimum) -> str:
    """The changes of the optimum, in words."""
    return ", ".join(f"{old} → {new} at p = {p:.2g}" for old, new, p in changes(optimum))


def as_printed(
    W: Tensor, p: Tensor, *, kept: float, cosine: float, bounds: Sequence[float], margin: float
) -> tuple[Tensor, bool]:
    """Return whether the optimum is as printed where that counts, and whether pairs collapse so.

    The ``bounds`` are the p from which one, two and, after a gap, three pairs are collapsed, and
    all that are there; a p is left out within a share ``margin`` of one.
    """
    first, second, third, again, dense = bounds
    collapsed = collapsed_pairs(W, kept=kept, cosine=cosine)
    both = geometry.represented(W, threshold=kept).unflatten(-1, (-1, 2)).all(-1)
    number = collapsed.sum(-1)
    wanted = sum((p >= bound).int() for bound in (first, second, third))
    fits = torch.where(p < dense, number == wanted, (collapsed | ~both).all(-1))
    near = ((p[:, None] / torch.tensor(bounds) - 1).abs() <= margin).any(-1)
    out = near | ((p > third) & (p < again))
    sparse = number[p <= dense]
    grows = bool((sparse.diff() >= 0).all()) and {*sparse.tolist()} == {0, 1, 2, 3}
    return fits[~out], grows


@study.test("corr-pca-collapse")
def pca_collapse(optimum, *, cosine, first, second, third, again, dense, margin):
    """Pairs collapse one after the other, at the printed densities or at others."""
    printed = {"cosine": cosine, "bounds": (first, second, third, again, dense), "margin": margin}
    shown, grows = as_printed(optimum.W, optimum.p, kept=REPRESENTED, **printed)
    looser, looser_grows = as_printed(optimum.W, optimum.p, kept=COMPONENT, **printed)
    return Outcome(
        shown,
        torch.full((len(optimum.p),), grows),
        {
            "Changes of the exact optimum": told_changes(optimum),
            f"As printed, if ‖W_i‖² ≥ {COMPONENT} counts as represented": rate(looser),
            f"Number of collapsed pairs never falls, with {COMPONENT}": "yes"
            if looser_grows
            else "no",
            "Densities at which no neighbour's optimum was better": f"{optimum.agree} of "
            f"{len(optimum.p)}",
        },
    )


def one_after_another(number: Tensor) -> Tensor:
    """Return at which p no fewer pairs are collapsed than at any sparser p: ``(k,)``, p rising.

    At none if the numbers are not 0, 1, 2 and 3.

    >>> one_after_another(torch.tensor([0, 1, 2, 1, 3]))
    tensor([ True,  True,  True, False,  True])
    """
    return (number == number.cummax(0).values) & ({*number.tolist()} == {0, 1, 2, 3})


@study.test("corr-pca-collapse-2")
def pairs_collapse(optimum, *, kept, cosine, first, second, third, again, dense, margin):
    """Pairs collapse at the printed densities; in the weaker reading one after the other."""
    bounds = (first, second, third, again, dense)
    printed = {"kept": kept, "cosine": cosine, "bounds": bounds, "margin": margin}
    shown, _ = as_printed(optimum.W, optimum.p, **printed)
    number = collapsed_pairs(optimum.W, kept=kept, cosine=cosine).sum(-1)
    return Outcome(
        shown,
        one_after_another(number[optimum.p <= dense]),
        {"Changes of the exact optimum": told_changes(optimum)},
    )


# Direct sums


@study.experiment
def sums(steps_sums, seeds_sums, procedure, device):
    """Twelve features in six dimensions: pairs of either kind, and independent features."""
    at = {"steps": steps_sums, "seeds": seeds_sums, "procedure": procedure, "device": device}
    return all_trained(SUMS, **at)


@study.test("corr-summand")
def summand(sums, *, share):
    """Most correlated partners are in one component of the feature graph."""
    together = {name: sets.sharing_partners(run.W[:, 0]) for name, run in sums.items()}
    pairs = "correlated pairs"
    return Outcome(
        together[pairs] > share,
        measured={
            **{f"Share of partners in one part, {name}": told(v) for name, v in together.items()},
            **{
                f"Correlated pairs, with edges from {least}": told(
                    sets.sharing_partners(sums[pairs].W[:, 0], threshold=least)
                )
                for least in (0.05, 0.25)
            },
        },
    )


@study.experiment
def parts(most_parts, steps_parts, seeds_sums, procedure, device):
    """Two sets of k correlated features in k dimensions, by k."""
    cases = {k: Case(CorrelatedSets, 2, k, k, (SPARSE, SPARSER)) for k in range(2, most_parts + 1)}
    at = {"steps": steps_parts, "seeds": seeds_sums, "procedure": procedure, "device": device}
    return all_trained(cases, **at)


@study.experiment
def against_digons(parts):
    """The exact loss of the best run relative to k digons at their best: by k, a share for each p.

    The digons are orthogonal to each other.
    """

    def excess(k, place):
        p, (W, b) = (SPARSE, SPARSER)[place], best_run(parts[k], place)
        digon = optima.minimise(torch.tensor([[0.9, -0.9]]), torch.zeros(2), p).loss
        return (losses.exact_loss(W, b, CorrelatedSets(2, k, p)) / (k * digon) - 1).item()

    return {k: [excess(k, place) for place in range(2)] for k in parts}


def digons(parts) -> dict[int, Tensor]:
    """Which runs are k digons with one feature of either set: by k, booleans ``(seeds, p)``."""
    return {k: sets.one_of_every_set(run.W, k) for k, run in parts.items()}


@study.test("corr-three-summands")
def three_summands(parts, against_digons):
    """For every k the parts are k digons, each with one feature of either set."""
    found = digons(parts)
    together = torch.stack(list(found.values())).all(0)
    return Outcome(
        together[:, 0],
        measured={
            **{
                f"k = {k}": f"{told_rate(shown[:, 0])}; best run {against_digons[k][0]:+.1%} "
                f"against orthogonal digons; at p = {SPARSER} {told_rate(shown[:, 1])}, "
                f"{against_digons[k][1]:+.1%}"
                for k, shown in found.items()
            },
            f"All k, at p = {SPARSER}": rate(together[:, 1]),
        },
    )


@study.experiment
def larger(steps, seeds_sums, procedure, device):
    """Sets that might form parts larger than digons, or share one, by name."""
    at = {"steps": 2 * steps, "seeds": seeds_sums, "procedure": procedure, "device": device}
    return all_trained(LARGER, **at)


@study.experiment
def against_polygons(larger):
    """The exact loss of the best run, and of planes with a regular polygon each, by name."""

    def of_polygon(corners, p):
        turn = 2 * torch.pi * torch.arange(corners) / corners
        start = torch.stack([turn.cos(), turn.sin()])
        biases = torch.full((corners,), -0.1 if corners > 4 else 0.0)
        return optima.minimise(start, biases, p).loss.item()

    found = {}
    for name in ("3 correlated sets of 2, m = 4", "5 correlated sets of 2, m = 4"):
        case, (p,) = LARGER[name], LARGER[name].p
        loss = losses.exact_loss(*best_run(larger[name]), case.features(p)).item()
        found[name] = loss, case.size * of_polygon(case.count, p)
    return found


# What the sources leave out


@study.experiment
def variants(steps, steps_published, seeds, seeds_published, device):
    """The small experiments with other procedures: W by its name and that of the experiment."""
    some = seeds[: max(2, len(seeds) // 8)]
    changed = {
        "twice as long": (some[: max(2, len(some) // 2)], {"steps": 2 * steps}),
        "initial weights × 3": (some, {"initial_scale": 3.0}),
        "initial weights ÷ 3": (some, {"initial_scale": 1 / 3}),
        "published procedure": (
            seeds_published, {**vars(PUBLISHED), "steps": steps_published}
        ),
    }  # fmt: skip
    small = {"right angle": PAIRS, "antipodal": ANTIPAIRS, "hexagon": THREE_PAIRS}
    names = [("published procedure", "antipodal")]
    names += [(name, shape) for name in list(changed)[:3] for shape in small]

    def procedure_of(change):
        return lambda n, m, steps: ours(n, m, **{"steps": steps, **change})

    found = all_trained(
        {(name, shape): small[shape] for name, shape in names},
        steps=steps,
        seeds={(name, shape): changed[name][0] for name, shape in names},
        procedure={(name, shape): procedure_of(changed[name][1]) for name, shape in names},
        device=device,
    )
    return {name: run.W[:, 0] for name, run in found.items()}
