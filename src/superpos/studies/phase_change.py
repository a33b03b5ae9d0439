"""Superposition as a phase change: which features are stored, by density and importance.

Elhage et al. 2022, "Superposition as a Phase Change".
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import torch
from torch import Tensor

from superpos import (
    PUBLISHED,
    RELU_OUTPUT,
    IndependentFeatures,
    Procedure,
    geometry,
    optima,
    stats,
    sweep,
    train,
)
from superpos.claims import rate
from superpos.compute.sweeps import tensors
from superpos.losses import exact_loss
from superpos.optima import branches, phases
from superpos.studies.study import Outcome, Study, Way
from superpos.studies.ways import at_rest, elhage_notebook

APART = 1_000_000  # between the seeds of a cell's initial values and those of the next
JOINT = phases.THREE_FEATURES.index("joint")
NO_KIND = phases.TWO_FEATURES.index("none of these")
NEARLY = replace(PUBLISHED, batch_size=64, integrate=True)  # less work, and less noise


def ours(n: int, m: int, steps: int, *, patient: bool = False) -> Procedure:
    """The published rate and length with less noise; or, patiently, the book's default."""
    batch_size = 64 if n == 2 else 16  # a model of three features costs more
    return Procedure() if patient else replace(NEARLY, steps=steps, batch_size=batch_size)


DEFAULT = (
    "the book's default: Adam at a rate of 0.01, warmed up and lowered to 0 as a cosine, 3000 "
    "steps of 64 inputs, each output's own input integrated"
)

study = Study(
    "phase_change",
    {
        "ours": Way(
            "AdamW at the published rate and for as many steps, 64 inputs a step (16 with three "
            "features), each output's own input integrated",
            ours,
        ),
        "published": elhage_notebook(
            "an array of 10 models, biases 0 (the authors' notebook; for these diagrams the "
            "source does not say)",
            10,
            {"steps_published": 1000},
        ),
    },
)


# Exact optima


def cells(count: int) -> tuple[Tensor, Tensor]:
    """Densities from 1 to 0.01 and importances from 0.1 to 10: ``(count,)`` each."""
    return (
        torch.logspace(0, -2, count, dtype=torch.float64),
        torch.logspace(-1, 1, count, dtype=torch.float64),
    )


def diagram(features: int, p: Tensor, r: Tensor, *, seed: int):
    """Find the exact optimum of every cell: the best descent from the candidates, off-symmetry.

    ``W``, ``b`` and ``loss`` of the best, with axes p and r, density and importance of the extra
    feature; ``descents`` and ``kinds``: the losses and kinds that all starts ended with.
    """

    def exact_optimum(p, r):
        W = phases.candidates(features)
        W = W + 0.05 * torch.randn(W.shape, generator=torch.Generator().manual_seed(seed))
        if features == 2:  # and from pairs of unequal lengths
            W = torch.cat([W, torch.tensor([[[1.0, -0.4]], [[0.4, -1.0]]])])
        W = W[:, None, None].expand(-1, len(p), len(r), -1, -1)
        importance = phases.importances(r, features=features)
        found = optima.minimise(W, torch.zeros_like(W[..., 0, :]), p[:, None, None], importance)
        best = found.best()
        return {
            "W": (["dimension", "feature"], best.W),
            "b": (["feature"], best.b),
            "loss": best.loss,
            "descents": (["start"], found.loss.movedim(0, -1)),
            "kinds": (["start"], phases.kind(found.W).movedim(0, -1)),
        }

    return sweep(exact_optimum, {"p": p, "r": r}, cells_at_once=2500)


@study.experiment
def two(n_cells, first_seed):
    """The diagram of two features in one dimension."""
    return diagram(2, *cells(n_cells), seed=first_seed)


@study.experiment
def coarse(n_trained, first_seed):
    """The same in the cells in which models are trained."""
    return diagram(2, *cells(n_trained), seed=first_seed)


@study.experiment
def three(n_cells, first_seed):
    """The diagram of three features in two dimensions."""
    return diagram(3, *cells(n_cells), seed=first_seed)


@study.experiment
def coarse_three(n_trained, first_seed):
    """The same in the cells in which models are trained."""
    return diagram(3, *cells(n_trained), seed=first_seed)


@study.experiment
def near(n_cells, first_seed):
    """The part of it where three features may be joint: dense inputs, nearly equal importance."""
    p = torch.linspace(1.0, 0.4, 3 * n_cells // 10, dtype=torch.float64)
    r = torch.logspace(-0.3, 0.3, 3 * n_cells // 10, dtype=torch.float64)
    return diagram(3, p, r, seed=first_seed)


def candidate(found, *, features: int = 2) -> Tensor:
    """The candidate with the lowest loss in each cell of a diagram: ``(p, r)``."""
    losses = phases.candidate_losses(found.p[:, None], found.r, features=features)
    return losses.argmin(0)


def shares(kinds: Tensor, count: int) -> Tensor:
    """Which share of the cells has each of so many kinds."""
    return torch.bincount(kinds.flatten(), minlength=count).double() / kinds.numel()


@study.test("phase-theory-2-1")
def theory_2_1(two, *, kept, left_out, least):
    """The optimum is of the cheapest candidate's kind; the weaker reading: of one of the three."""
    exact = phases.kind(two.W, kept=kept, left_out=left_out)
    fills = shares(exact, len(phases.TWO_FEATURES))[:NO_KIND]
    return Outcome(
        ((exact == candidate(two)) & (fills >= least).all()).flatten(),
        (exact < NO_KIND).flatten(),
        {
            name: f"{share:.1%} of the cells"
            for name, share in zip(phases.TWO_FEATURES, fills.tolist(), strict=False)
        },
    )


@study.test("phase-3-2")
def theory_3_2(three, *, left_out, paired, right):
    """The same with three features and four candidates."""
    exact = phases.kind(three.W, left_out=left_out, paired=paired, right=right)
    theory = candidate(three, features=3)
    found, told = (shares(kinds, len(phases.THREE_FEATURES)).tolist() for kinds in (exact, theory))
    return Outcome(
        (exact == theory).flatten(),
        measured={
            name: f"{one:.1%} of the cells (candidates: {other:.1%})"
            for name, one, other in zip(phases.THREE_FEATURES, found, told, strict=True)
        },
    )


def saved(near) -> Tensor:
    """What joint features save against the best other arrangement, as a share of the loss."""
    joint = near.kinds == JOINT
    together = near.descents.masked_fill(~joint, torch.inf).amin(-1)
    apart = near.descents.masked_fill(joint, torch.inf).amin(-1)
    return apart / together - 1


@study.test("phase-joint-omitted")
def joint_omitted(three, near, *, kept, paired, apart):
    """The optimum is not three joint features."""
    joint = phases.kind(three.W, kept=kept, paired=paired, apart=apart) == JOINT
    gain = saved(near)
    return Outcome(
        ~joint.flatten(),
        measured={
            "Cells where it is the best": f"{joint.double().mean():.2%}",
            "The most it saves": f"{gain[gain.isfinite()].max():.2%} of the loss",
        },
    )


# Trained models


def models(p: Tensor, r: Tensor, *, seeds, procedure: Procedure, n: int = 2, device: str = "cpu"):
    """Train n features in n − 1 dimensions: W and its start (seed, p, r, dimension, feature), loss.

    Each cell has draws of its own: from the same ones they would be no independent trials.
    """
    importances = phases.importances(r, features=n).expand(len(p), -1, -1).flatten(0, 1)
    densities = p.repeat_interleave(len(r))

    def trained(seed, cell):
        features = IndependentFeatures(n, densities[cell, None].expand(-1, n))
        importance = importances[cell]
        start = own_starts(n, seed, cell, procedure.initial_scale)
        if procedure.centred:
            start["b"] = RELU_OUTPUT.centred(start, features.mean.to(start["W"]))
        run = train(
            features, n - 1, importance=importance, seeds=seed, procedure=procedure, device=device,
            start=start,
        )  # fmt: skip
        loss = exact_loss(run.W, run.b, densities[cell, None], importance)
        axes = ["dimension", "feature"]
        return {"W": (axes, run.W), "start": (axes, start["W"]), "loss": loss}

    grid = {"seed": seeds, "cell": torch.arange(len(densities))}
    found = tensors(sweep(trained, grid, cells_at_once=1200))
    shape = len(p), len(r)
    return SimpleNamespace(
        **{name: getattr(found, name).unflatten(1, shape) for name in ("W", "start", "loss")}
    )


def own_starts(n: int, seeds, cells, scale: float) -> dict[str, Tensor]:
    """Initial values of which no two cells share any: ``(seed, cell, ...)``."""
    own = [APART * int(cell) + int(seed) for seed in seeds for cell in cells]
    drawn = RELU_OUTPUT.initial(n, n - 1, seeds=own, scale=scale)
    return {k: v[:, 0].unflatten(0, (len(seeds), len(cells))) for k, v in drawn.items()}


@study.experiment
def trained(n_trained, steps_published, seeds, procedure, device):
    """Models trained at the published rate, and for as long."""
    how = procedure(2, 1, steps_published)
    return models(*cells(n_trained), seeds=seeds, procedure=how, device=device)


@study.experiment
def trained_three(n_trained, steps_published, seeds, procedure, device):
    """The same of three features in two dimensions."""
    how = procedure(3, 2, steps_published)
    return models(*cells(n_trained), seeds=seeds, procedure=how, n=3, device=device)


@study.experiment
def hasty(n_trained, steps_published, seeds, procedure, device):
    """The same for a tenth of the steps."""
    how = procedure(2, 1, max(100, steps_published // 10))
    return models(*cells(n_trained), seeds=seeds, procedure=how, device=device)


@study.experiment
def patient(n_trained, steps_published, seeds, procedure, device):
    """Models trained to the end."""
    how = procedure(2, 1, steps_published, patient=True)
    return models(*cells(n_trained), seeds=seeds, procedure=how, device=device)


@study.experiment
def large_start(n_trained, seeds, device):
    """The same from weights four times as large."""
    how = Procedure(initial_scale=4.0)
    return models(*cells(n_trained), seeds=seeds, procedure=how, device=device)


def majority(run) -> tuple[Tensor, Tensor]:
    """Return the kind of most models of a cell, and how many, without the one of highest loss."""
    return vote(phases.kind(run.W), run.loss, len(phases.TWO_FEATURES))


def vote(kinds: Tensor, loss: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The same of any ``count`` kinds, ``(models, ...)``."""
    votes = torch.nn.functional.one_hot(kinds, count)
    worst = loss.argmax(0, keepdim=True)[..., None].expand(1, *votes.shape[1:])
    kept = votes.sum(0) - votes.gather(0, worst)[0]
    return kept.argmax(-1), kept.max(-1).values


def best_kind(run) -> Tensor:
    """The kind of the model with the lowest loss in each cell."""
    return stats.best_of(run.loss, phases.kind(run.W))


def agreement(kinds: Tensor, coarse) -> str:
    """The share of the cells (or of models and cells) with the exact optimum's kind, in words."""
    return f"{(kinds == phases.kind(coarse.W)).double().mean():.0%}"


@study.test("phase-empirical-2-1", rest=at_rest({"steps_published": 20_000}))
def empirical_2_1(trained, coarse):
    """Most models are of the cheapest candidate's kind; the weaker reading: the best one is."""
    most, votes = majority(trained)
    exact = phases.kind(coarse.W)
    return Outcome(
        (most == candidate(coarse)).flatten(),
        (best_kind(trained) == exact).flatten(),
        {
            "Most of the kept models are the exact optimum": rate((most == exact).flatten())
            + " cells",
            "Kept models of one kind": f"{votes.double().mean() / (len(trained.loss) - 1):.0%} "
            "on average",
        },
    )


@study.test("phase-peers", ours=Way(DEFAULT, ours), published=Way(f"{DEFAULT}, as claimed", ours))
def peers(patient, hasty, coarse):
    """The best of the models that are trained to the end is of the exact optimum's kind."""
    return Outcome(
        (best_kind(patient) == phases.kind(coarse.W)).flatten(),
        measured={
            "Single models": agreement(phases.kind(patient.W), coarse),
            "Ten models, the worst left out": agreement(majority(patient)[0], coarse),
            "The same with a tenth of the published steps": agreement(majority(hasty)[0], coarse),
        },
    )


EXTRA = ("left out", "in superposition", "alone")  # what may become of the extra feature


def becomes(W: Tensor, *, left_out: float, right: float) -> Tensor:
    """Return what becomes of the extra one of three features: positions in `EXTRA`, ``(...)``.

    It is alone if it is at right angles to all others that are not left out.

    >>> becomes(phases.candidates(3), left_out=0.1, right=0.2)
    tensor([0, 2, 1, 2, 1])
    """
    out = geometry.squared_norms(W) <= left_out
    across = (geometry.cosines(W)[..., 2, :2].abs() <= right) | out[..., :2]
    return torch.where(out[..., 2], 0, torch.where(across.all(-1), 2, 1))


@study.test("phase-3-2-trained", rest=at_rest({"steps_published": 20_000}))
def empirical_3_2(trained_three, coarse_three, *, left_out, right):
    """What becomes of the extra feature in most models; the weaker reading: in the best one."""

    def extra(W):
        return becomes(W, left_out=left_out, right=right)

    found, kinds = extra(trained_three.W), phases.kind(trained_three.W)
    told = extra(phases.candidates(3))[candidate(coarse_three, features=3)]
    most, votes = vote(found, trained_three.loss, len(EXTRA))
    arranged, _ = vote(kinds, trained_three.loss, len(phases.THREE_FEATURES))
    cheapest, exact = candidate(coarse_three, features=3), phases.kind(coarse_three.W)
    best = stats.best_of(trained_three.loss, found)
    return Outcome(
        (most == told).flatten(),
        (best == extra(coarse_three.W)).flatten(),
        {
            "Most of the kept models are arranged as the cheapest candidate": rate(
                (arranged == cheapest).flatten()
            )
            + " cells",
            "As the exact optimum": rate((arranged == exact).flatten()) + " cells",
            "Kept models that agree": f"{votes.double().mean() / (len(found) - 1):.0%} on average",
        },
    )


# How one arrangement gives way to another


def at_half(p: Tensor) -> tuple[Tensor, Tensor]:
    """Settings by p: the importances are 1 and 1/2."""
    return p[..., None], torch.tensor([1.0, 0.5])


@study.experiment
def half():
    """The crossing of the pair, which comes first, and of the first feature alone, at r = 1/2."""
    alone = (torch.tensor([[1.0, 0.0]]), torch.tensor([0.0, 0.2]))
    pair = (torch.tensor([[1.0, -0.9]]), torch.tensor([0.05, 0.1]))
    return branches.crossing(pair, alone, at_half, 0.1, 0.7)


@study.experiment
def followed(half):
    """Both branches from their crossing to dense and to sparse inputs.

    ``at`` (k,) has the densities; ``W`` (2, k, 1, 2), ``loss`` and ``slope`` (2, k) the branches.
    """
    rising = torch.linspace(half.at.item(), 1, 41, dtype=torch.float64)
    falling = torch.linspace(half.at.item(), 0.1, 41, dtype=torch.float64)
    at = torch.cat([falling.flip(0), rising])
    found = []
    for branch in (0, 1):
        sparse, dense = (
            branches.follow(half.W[branch], half.b[branch], at_half, values)
            for values in (falling, rising)
        )
        W, b, loss = (
            torch.cat([getattr(sparse, name).flip(0), getattr(dense, name)])
            for name in ("W", "b", "loss")
        )
        found.append((W, loss, branches.slope(W, b, at_half, at)))
    W, loss, slope = (torch.stack(values) for values in zip(*found, strict=True))
    return SimpleNamespace(at=at, W=W, loss=loss, slope=slope)


@study.experiment
def landscapes(half):
    """The loss over both weights at r = 1/2, before, at and after the crossing.

    ``weights`` (61,), ``p`` (3,) and ``height`` (3, 61, 61), W_2 first.
    """
    weights = torch.linspace(-1.35, 1.35, 61)
    p = [factor * half.at.item() for factor in (1.6, 1, 1 / 1.6)]
    height = [phases.landscape(weights, weights[:, None], density, 0.5) for density in p]
    return SimpleNamespace(weights=weights, p=torch.tensor(p), height=torch.stack(height))


@study.experiment
def boundary(two, n_boundary):
    """Where the losses of neighbouring cells of different kinds cross: along p, and along r.

    Each is a `superpos.optima.branches.Crossing`, with its densities ``p`` besides, and ``sides``
    (2, points), the kinds of the optima of the two cells.
    """
    kinds, crossings = phases.kind(two.W), []
    for axis, values in ((0, two.p), (1, two.r)):
        kind = kinds.movedim(axis, 0)
        where = (kind[:-1] != kind[1:]).nonzero()
        k, other = where[:: max(1, len(where) // n_boundary)].unbind(-1)

        def settings(at, axis=axis, other=other):
            p, r = (at, two.r[other]) if axis == 0 else (two.p[other], at)
            return p[..., None], phases.importances(r)

        def models(k, axis=axis, other=other):
            place = (k, other) if axis == 0 else (other, k)
            return two.W[place], two.b[place]

        low, high = (k + 1, k) if axis == 0 else (k, k + 1)  # p falls along its axis
        ends = values[low], values[high]
        found = branches.crossing(models(low), models(high), settings, *ends)
        p = settings(found.at)[0][:, 0].expand(len(found.at))
        sides = torch.stack([kind[k, other], kind[k + 1, other]])
        crossings.append(SimpleNamespace(**vars(found), p=p, sides=sides))
    return crossings


@study.experiment
def entering(n_cells):
    """How the extra feature enters where inputs are dense: its length in the exact optimum.

    ``extra`` (p, r) is that length; ``first_step`` (p,) the jump with which it leaves 0, along r;
    ``continuous`` the density above which it leaves 0 without one.
    """
    p = torch.linspace(1, 0.4, n_cells // 2 + 1, dtype=torch.float64)
    r = torch.linspace(0.4, 1, 2 * (n_cells // 2) + 1, dtype=torch.float64)
    starts = torch.tensor([[[1.0, -0.02]], [[1.0, -0.9]], [[1.0, -0.4]]])[:, None, None]
    W = optima.minimise(
        starts.expand(-1, len(p), len(r), 1, 2), torch.zeros(1, 2), p[:, None, None],
        phases.importances(r),
    ).best().W  # fmt: skip
    extra = W[..., 0, :].abs().amin(-1)  # the shorter one: r is at most 1
    leaves = (extra[:, :-1] < 0.02) & (extra[:, 1:] >= 0.02)
    first_step = torch.where(leaves, extra.diff(dim=1), 0.0).amax(1)
    abrupt = p[first_step >= 0.5].max()
    continuous = (abrupt + (p[0] - p[1]) / 2).item()
    return SimpleNamespace(p=p, r=r, extra=extra, first_step=first_step, continuous=continuous)


@study.experiment
def candidate_boundary(n_cells):
    """Where the lowest of the paper's candidates changes: p and r of each such point, and both."""
    p, r = cells(n_cells)
    lowest = phases.candidate_losses(p[:, None], r).argmin(0)
    points, pairs = [], []
    for axis in (0, 1):
        kind = lowest.movedim(axis, 0)
        k, other = (kind[:-1] != kind[1:]).nonzero(as_tuple=True)
        pair = torch.stack([kind[k, other], kind[k + 1, other]])
        values = (p, r)[axis].log()
        low, high, fixed = values[k], values[k + 1], (r, p)[axis].log()[other]
        for _ in range(60):
            middle = (low + high) / 2
            at = torch.stack([middle, fixed] if axis == 0 else [fixed, middle])
            one, two = _losses_of(pair, at)
            low, high = torch.where(one < two, middle, low), torch.where(one < two, high, middle)
        points.append(at)
        pairs.append(pair)
    return SimpleNamespace(at=torch.cat(points, dim=1), pair=torch.cat(pairs, dim=1))


def _losses_of(pair: Tensor, at: Tensor) -> Tensor:
    """Return what two candidates ``(2, points)`` cost at log p and log r ``(2, points)``."""
    p, r = at.exp()
    return phases.candidate_losses(p, r).gather(0, pair)


@study.test("phase-first-order-2")
def candidates_kink(candidate_boundary, *, kink):
    """The lowest candidate's loss has a kink wherever another becomes the lowest."""
    at = candidate_boundary.at.clone().requires_grad_()
    one, two = _losses_of(candidate_boundary.pair, at)
    (slopes,) = torch.autograd.grad((one - two).sum(), at)  # by log p and by log r
    jump = slopes.abs().amax(0) / one.detach()
    return Outcome(jump >= kink, measured={"Smallest kink": f"{jump.min():.0%} of the loss"})


def with_kink(found, kink: float) -> Tensor:
    """Return where both kinds are minima as they cross, and the slopes differ enough.

    At least by a share ``kink`` of the loss, over the setting's logarithm.
    """
    minima = (found.curvature > 0).all(0) & found.crosses
    kinds = phases.kind(found.W)
    jump = (found.slope[0] - found.slope[1]).abs() * found.at / found.loss[0]
    return minima & (kinds[0] != kinds[1]) & (jump >= kink)


@study.test("phase-first-order")
def first_order(boundary, entering, half, *, kink):
    """The loss has a kink at the boundary; the weaker reading: between the two features alone."""
    kinked = torch.cat([with_kink(found, kink) for found in boundary])
    sparse = torch.cat([found.p for found in boundary]) < entering.continuous
    along_r = boundary[1]
    single = (along_r.sides < phases.TWO_FEATURES.index("antipodal pair")).all(0)
    between = with_kink(along_r, kink)[single]
    limit = f"{entering.continuous:.2f}"
    parts = {
        f"Boundary points with p < {limit}": kinked[sparse],
        f"Boundary points with p ≥ {limit}": kinked[~sparse],
    }
    return Outcome(
        kinked,
        between if len(between) else torch.tensor([False]),  # no such point: nothing shows it
        {
            **{name: rate(part) for name, part in parts.items() if len(part)},
            "Crossing at r = 1/2": f"p = {half.at:.4f} (candidates: {2 / 4.5:.4f})",
        },
    )
