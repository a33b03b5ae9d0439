"""The tests of the claims on non-uniform superposition, each on models made by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from shapes import JUST, evenly
from torch import Tensor

from superpos.studies import nonuniform_importance as nonuniform

judged = nonuniform.study.judge


def pentagon(beside: float = 72) -> Tensor:
    """Five features with such an angle on either side of feature 0."""
    rest = (360 - 2 * beside) / 3
    return evenly(0, beside, beside + rest, beside + 2 * rest, beside + 3 * rest)


DIGONS = torch.tensor([[0.0, 1, 0, -1, 0], [0, 0, 1, 0, -1]], dtype=torch.float64)


def trained(*models: Tensor) -> SimpleNamespace:
    """The same models for three seeds, at the densities of the claims."""
    W = torch.stack(models)[:, None]
    return SimpleNamespace(W=W.expand(3, *W.shape), relative=torch.tensor(nonuniform.CLAIMED))


def bending(angle_of) -> SimpleNamespace:
    """Pentagons whose angle beside feature 0 is a function of its relative density."""
    return trained(*(pentagon(angle_of(value)) for value in nonuniform.CLAIMED))


# The pentagon


def stretched(longest: float) -> Tensor:
    """A regular pentagon whose first feature is longer than the mean by a share."""
    W = pentagon()
    W[:, 0] *= (1 + longest) * 4 / (4 - longest)
    return W


REGULAR = {
    "regular": (pentagon(), True),
    "of any length": (3 * pentagon(), True),
    "out of order": (evenly(144, 0, 288, 216, 72), True),
    "just not too narrow": (evenly(0, 70 + JUST, 142, 214, 287), True),
    "too narrow": (evenly(0, 70 - JUST, 142, 214, 287), False),
    "just not too wide": (evenly(0, 74 - JUST, 146, 218, 289), True),
    "too wide": (evenly(0, 74 + JUST, 146, 218, 289), False),
    "just not too long": (stretched(0.02 - JUST), True),
    "too long": (stretched(0.02 + JUST), False),
    "nothing": (torch.zeros(2, 5, dtype=torch.float64), False),
    "two pairs": (DIGONS, False),
}


@pytest.mark.parametrize(("model", "holds"), REGULAR.values(), ids=REGULAR)
def test_a_regular_pentagon_has_even_angles_and_lengths(model, holds):
    draw = torch.randn(2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    turn = torch.linalg.qr(draw).Q
    for W in (model, turn @ model, model.flip(0), model.float()):  # turned and mirrored
        found = judged("nonuniform-pentagon", trained(*[W] * len(nonuniform.CLAIMED)))
        assert found.shown.tolist() == [holds] * 3


def test_only_the_pentagon_of_equal_features_is_asked_for():
    models = [pentagon() if value == 1 else DIGONS for value in nonuniform.CLAIMED]
    assert judged("nonuniform-pentagon", trained(*models)).shown.all()


def test_neighbours_that_move_away_at_every_step_are_repelled_and_close_in_on_a_sparser_one():
    moving = bending(lambda value: 72 + 2 * math.log(value))
    for claim in ("nonuniform-denser-repels", "nonuniform-sparser-yields"):
        found = judged(claim, moving)
        assert found.shown.all()
        assert found.weaker.all()
        assert found.measured["Of the seeds with all five features"] == "3 of 3 move as claimed"


@pytest.mark.parametrize("angle_of", [lambda value: 72 - 2 * math.log(value), lambda value: 72.0])
def test_neighbours_that_stay_or_move_the_other_way_show_neither(angle_of):
    still = bending(angle_of)
    for claim in ("nonuniform-denser-repels", "nonuniform-sparser-yields"):
        found = judged(claim, still)
        assert not found.shown.any()
        assert not found.weaker.any()


def test_the_weaker_reading_ends_at_a_smaller_factor():
    near = bending(lambda value: 72 + 2 * math.log(min(max(value, 0.65), 1.5)))
    for claim in ("nonuniform-denser-repels", "nonuniform-sparser-yields"):
        found = judged(claim, near)
        assert not found.shown.any()
        assert found.weaker.all()


def test_a_feature_that_is_lost_on_the_way_shows_nothing():
    models = [pentagon(72 + 2 * math.log(value)) for value in nonuniform.CLAIMED]
    models[nonuniform.CLAIMED.index(0.8)] = DIGONS
    found = judged("nonuniform-sparser-yields", trained(*models))
    assert not found.shown.any()
    assert not found.weaker.any()
    models = [
        DIGONS if value == 0.5 else W for W, value in zip(models, nonuniform.CLAIMED, strict=True)
    ]
    told = judged("nonuniform-sparser-yields", trained(*models)).measured
    assert told["Mean angle, half as dense"].startswith("not known")


# Where it breaks


BOTH = (pentagon(), DIGONS)


def crossing(at: float = 3.7, *, slopes=(-0.3, -0.7), minima=True, W=BOTH) -> SimpleNamespace:
    """A crossing at the same factor for three densities and the chapter's own, of both kinds."""
    return SimpleNamespace(
        p=torch.tensor([0.02, 0.06, 0.2, 0.05]),
        at=torch.tensor([at * 1.2, at, at / 1.2, at], dtype=torch.float64)[:, None].expand(4, 2),
        loss=torch.ones(4, 2),
        slopes=torch.tensor(slopes).expand(4, 2, 2),
        W=torch.stack(W).expand(4, 2, 2, 2, 5),
        minima=torch.full((4, 2), minima),
    )


def switching(factor: float) -> SimpleNamespace:
    """Optima that are a pentagon up to a factor, and two digons beyond."""
    factors = torch.linspace(1, 5, 9)
    W = torch.stack([pentagon() if value < factor else DIGONS for value in factors.tolist()])
    return SimpleNamespace(factor=factors, W=W[:, None].expand(-1, 2, 2, 5))


def test_the_pentagon_collapses_at_the_papers_factor_or_elsewhere():
    assert judged("nonuniform-collapse", switching(2.5), crossing()).shown.all()
    later = judged("nonuniform-collapse", switching(3.7), crossing())
    assert later.shown.tolist() == [True, True, True, False, False, True, True, True]
    assert later.measured["Pentagon below and digons above that factor"].startswith("9 of 9")


def test_a_feature_that_is_not_quite_dropped_is_no_collapse():
    for length, holds in ((0.1 - JUST, True), (0.1 + JUST, False)):
        found = switching(2.5)
        found.W = found.W.clone()
        found.W[found.factor > 2.5, :, 0, 0] = length**0.5
        assert judged("nonuniform-collapse", found, crossing()).shown.all() == holds


@pytest.mark.parametrize("claim", ["nonuniform-crossover", "nonuniform-importance"])
def test_the_losses_of_two_minima_cross_with_a_kink(claim):
    found = judged(claim, crossing(), 0.05)
    assert found.shown.tolist() == [True] * 3  # the chapter's own density is no trial
    assert found.measured["Smallest kink"] == "40% of the loss"


@pytest.mark.parametrize("claim", ["nonuniform-crossover", "nonuniform-importance"])
@pytest.mark.parametrize(
    "changed",
    [
        {"slopes": (-0.3, -0.305)},
        {"minima": False},
        {"at": 0.8},  # before feature 0 is any sparser
        {"at": 25.0},
        {"W": (DIGONS, DIGONS)},
        {"W": (pentagon(), pentagon())},
    ],
)
def test_without_any_of_these_there_is_no_such_crossing(claim, changed):
    assert not judged(claim, crossing(**changed), 0.05).shown.all()


# Length and bias


def pentagons(length_of) -> SimpleNamespace:
    """Regular pentagons whose length is a function of their bias."""
    b = torch.tensor([-0.1, -0.2, -0.3], dtype=torch.float64)
    W = length_of(b)[:, None, None] * pentagon()
    b = b[:, None].expand(3, 5)
    return SimpleNamespace(
        p=torch.tensor([0.01, 0.05, 0.2]), W=W, b=b, W_ones=W, b_ones=b,
        sparsest=SimpleNamespace(W=W[0], b=b[0]),
    )  # fmt: skip


def test_lengths_by_either_relation_show_that_one():
    paper = judged("nonuniform-radius", pentagons(lambda b: 1 / (1 - b)))
    assert paper.shown.all()
    assert not paper.weaker.any()
    other = judged("nonuniform-radius", pentagons(lambda b: (1 - b).sqrt()))
    assert not other.shown.any()
    assert other.weaker.all()


def test_our_sparse_limit_is_the_one_that_the_loss_has():
    """The best length for a given bias, by a search over lengths."""
    x0 = torch.tensor(0.15, dtype=torch.float64)
    x = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    for c in (0.0, nonuniform.COS_72):
        a, b = nonuniform.length_given_bias(x0, c)
        tried = a * torch.linspace(0.98, 1.02, 401, dtype=torch.float64)[:, None]
        own = (x - (tried * x + b).clamp_min(0)).square().mean(-1)
        others = 2 * (c * tried * x + b).clamp_min(0).square().mean(-1)
        assert tried[(own + others).argmin()].item() == pytest.approx(a.item(), rel=2e-4)


def test_of_several_models_at_a_density_the_best_one_counts():
    repelled = torch.stack([pentagon(72 + 2 * value) for value in nonuniform.DENSER])
    still = pentagon().expand_as(repelled)
    W = torch.stack([repelled, still, still, still, still])
    models = SimpleNamespace(W=W, relative=torch.tensor(nonuniform.DENSER))
    for best, holds in ((0, True), (1, False)):
        models.loss = torch.ones(5, len(nonuniform.DENSER))
        models.loss[best] = 0.5
        found = judged("nonuniform-denser-repels-2", models)
        assert (found.shown.tolist(), found.weaker.tolist()) == ([holds], [holds])
