"""The tests of the claims on the phase change, each on diagrams made by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from superpos import IndependentFeatures, Procedure, train
from superpos.optima import phases
from superpos.studies import phase_change as change

# one cell of each kind, as the candidates have it: dense or sparse, by what the extra one is worth
P = torch.tensor([0.9, 0.05], dtype=torch.float64)
R = torch.tensor([0.1, 8.0], dtype=torch.float64)
KINDS = torch.tensor([[0, 1], [2, 2]])
JOINT = phases.candidates(3)[-1]


judged = change.study.judge


def test_candidates_that_cross_have_a_kink_and_parallel_ones_none():
    boundary = change.study.experiments["candidate_boundary"](40)
    found = judged("phase-first-order-2", boundary)
    assert found.shown.all()
    one, two = change._losses_of(boundary.pair, boundary.at)
    torch.testing.assert_close(one, two, rtol=1e-12, atol=0)
    # at r = 1 one feature alone takes over from the other: the whole loss is the kink
    alone = (boundary.pair < 2).all(0)
    torch.testing.assert_close(boundary.at[1, alone], torch.zeros(int(alone.sum())).double())
    same = SimpleNamespace(at=boundary.at, pair=boundary.pair[:1].repeat(2, 1))
    assert not judged("phase-first-order-2", same).shown.any()


def diagram(W: Tensor, **more) -> SimpleNamespace:
    """Models for the cells of P and R, ``(2, 2, m, n)``."""
    return SimpleNamespace(p=P, r=R, W=W, **more)


def of_kinds(kinds: Tensor, features: int = 2) -> Tensor:
    """The candidates of these kinds."""
    return phases.candidates(features)[kinds]


# Exact optima


def test_the_candidates_are_the_diagram():
    assert torch.equal(change.candidate(diagram(of_kinds(KINDS))), KINDS)
    found = judged("phase-theory-2-1", diagram(of_kinds(KINDS)))
    assert found.shown.all()
    assert found.weaker.all()
    # a pair of other lengths is still one
    assert judged("phase-theory-2-1", diagram(1.1 * of_kinds(KINDS))).shown.all()


def test_the_diagram_turned_over_is_not_the_candidates():
    found = judged("phase-theory-2-1", diagram(of_kinds(KINDS.flip(1))))
    assert found.shown.tolist() == [False, False, True, True]
    assert found.weaker.all()


def test_a_diagram_without_one_of_the_kinds_shows_nothing():
    found = judged("phase-theory-2-1", diagram(of_kinds(torch.full((2, 2), 2))))
    assert not found.shown.any()
    assert found.weaker.all()


def test_two_features_that_share_a_direction_are_of_no_kind():
    found = judged("phase-theory-2-1", diagram(torch.ones(2, 2, 1, 2)))
    assert not found.shown.any()
    assert not found.weaker.any()


def test_three_features_are_arranged_as_the_cheapest_candidate_of_four():
    kinds = change.candidate(diagram(None), features=3)
    assert kinds.tolist() == [[0, 1], [2, 3]]
    assert judged("phase-3-2", diagram(of_kinds(kinds, 3))).shown.all()
    swapped = of_kinds(kinds.flip(0), 3)
    assert not judged("phase-3-2", diagram(swapped)).shown.any()


def test_a_pair_is_none_if_the_third_feature_leans_on_it():
    W = of_kinds(change.candidate(diagram(None), features=3), 3).clone()
    W[1, :, :, 0] += torch.tensor([0.3, 0.3])
    shown = judged("phase-3-2", diagram(W)).shown
    assert shown[:2].all()
    assert not shown[2:].any()


def test_joint_features_are_the_best_where_the_optimum_is_joint():
    W = torch.stack([JOINT, *phases.candidates(3)[:3]]).unflatten(0, (2, 2))
    # of two descents in each cell the first is joint, and better by 5 % in the first cell
    near = diagram(
        W,
        kinds=torch.tensor([change.JOINT, 0]).expand(2, 2, 2),
        descents=torch.tensor([[[1.0, 1.05], [1.0, 0.9]], [[1.0, 0.9], [1.0, 0.9]]]),
    )
    found = judged("phase-joint-omitted", diagram(W), near)
    assert found.shown.tolist() == [False, True, True, True]
    assert found.measured["The most it saves"] == "5.00% of the loss"
    short = judged("phase-joint-omitted", diagram(0.6 * W), near)
    assert short.shown.all()


# Trained models


def trained(kinds: list[Tensor], loss: list[float]) -> SimpleNamespace:
    """Models of these kinds, each of one loss in all cells."""
    W = torch.stack([of_kinds(each) for each in kinds])
    return SimpleNamespace(W=W, loss=torch.tensor(loss)[:, None, None].expand(W.shape[:3]))


def three_trained(kinds: list[Tensor], loss: list[float]) -> SimpleNamespace:
    """The same of three features."""
    W = torch.stack([of_kinds(each, 3) for each in kinds])
    return SimpleNamespace(W=W, loss=torch.tensor(loss)[:, None, None].expand(W.shape[:3]))


EXACT = diagram(of_kinds(KINDS))
OTHER = 2 - KINDS  # right nowhere but where the other feature is left out


def test_most_of_the_models_decide_once_the_worst_is_left_out():
    run = trained([KINDS, KINDS, OTHER, OTHER], [1.0, 1.0, 1.0, 2.0])
    assert judged("phase-empirical-2-1", run, EXACT).shown.all()
    run = trained([OTHER, OTHER, KINDS, KINDS], [1.0, 1.0, 1.0, 2.0])
    found = judged("phase-empirical-2-1", run, EXACT)
    assert found.shown.tolist() == [False, True, False, False]


def test_the_best_model_may_be_right_where_most_are_not():
    run = trained([KINDS, OTHER, OTHER, OTHER], [0.5, 1.0, 1.0, 1.0])
    found = judged("phase-empirical-2-1", run, EXACT)
    assert not found.shown.all()
    assert found.weaker.all()
    run = trained([KINDS, OTHER, OTHER, OTHER], [2.0, 1.0, 1.0, 0.5])
    assert not judged("phase-empirical-2-1", run, EXACT).weaker.all()


def test_the_best_of_patient_models_decides_whatever_the_others_are():
    few = trained([KINDS, OTHER, OTHER], [0.5, 1.0, 1.0])
    assert judged("phase-peers", few, few, EXACT).shown.all()
    lost = trained([KINDS, OTHER, OTHER], [1.5, 1.0, 1.0])
    found = judged("phase-peers", lost, few, EXACT)
    assert found.shown.tolist() == [False, True, False, False]


# by kind of three features: what becomes of the extra one
THREE = torch.tensor([[0, 1], [2, 3]])  # the cheapest candidates of P and R


def test_no_two_cells_start_alike_and_a_seed_starts_a_cell_as_it_always_does():
    start = change.own_starts(3, [0, 7], torch.arange(4), 1.0)["W"]
    assert start.shape == (2, 4, 2, 3)
    assert len(start.flatten(0, 1).flatten(1).unique(dim=0)) == 8
    alone = change.own_starts(3, [7], torch.tensor([2]), 1.0)["W"]
    assert torch.equal(alone[0, 0], start[1, 2])


def test_the_models_of_a_cell_are_trained_with_its_density_and_its_importance():
    p, r = torch.tensor([1.0, 0.1]).double(), torch.tensor([0.5, 1.0, 2.0]).double()
    how = Procedure(steps=50, centred=False)
    found = change.models(p, r, seeds=[3, 4], procedure=how)
    assert (found.W.shape, found.loss.shape) == ((2, 2, 3, 1, 2), (2, 2, 3))
    for place, (row, column) in {1: (0, 1), 5: (1, 2)}.items():
        start = change.own_starts(2, [3, 4], torch.tensor([place]), how.initial_scale)
        alone = train(
            IndependentFeatures(2, p[row]), 1, importance=phases.importances(r[column]),
            seeds=[3, 4], procedure=how, start={name: value[:, 0] for name, value in start.items()},
        )  # fmt: skip
        torch.testing.assert_close(found.W[:, row, column], alone.W)


def test_only_what_becomes_of_the_extra_feature_counts():
    exact = diagram(of_kinds(THREE, 3))
    other = THREE.clone()
    other[:, 1] = other[:, 1].flip(0)  # it has its own dimension, whatever the others do
    shown = judged("phase-3-2-trained", three_trained([other] * 3, [1.0, 1.0, 2.0]), exact)
    assert shown.shown.all()
    assert shown.weaker.all()
    swapped = THREE.flip(0)  # left out where it should be paired
    found = judged("phase-3-2-trained", three_trained([swapped] * 3, [1.0, 1.0, 2.0]), exact)
    assert found.shown.tolist() == found.weaker.tolist() == [False, True, False, True]


def test_most_of_the_kept_models_of_three_features_decide_and_the_best_for_the_weaker_reading():
    exact, swapped = diagram(of_kinds(THREE, 3)), THREE.flip(0)
    run = three_trained([THREE, swapped, swapped, swapped], [0.5, 1.0, 1.0, 2.0])
    found = judged("phase-3-2-trained", run, exact)
    assert found.shown.tolist() == [False, True, False, True]
    assert found.weaker.all()
    run = three_trained([THREE, THREE, swapped, swapped], [1.0, 1.0, 0.5, 2.0])
    found = judged("phase-3-2-trained", run, exact)
    assert found.shown.all()
    assert found.weaker.tolist() == [False, True, False, True]


def test_a_feature_at_120_degrees_is_in_superposition_and_one_beside_ignored_ones_alone():
    short = torch.tensor([[[1.0, 0.1, 0.9], [0.0, 0.0, 0.9]]])
    W = torch.cat([JOINT[None], short.double()])
    assert change.becomes(W, left_out=0.1, right=0.2).tolist() == [1, 1]
    W[1, :, 0] *= 0.1  # now both others are short
    assert change.becomes(W, left_out=0.1, right=0.2).tolist() == [1, 2]


# Kinks


def crossing(*, slopes=(0.5, 0.2), curvature=(1.0, 1.0), kinds=(2, 0), crosses=True, sides=None):
    """Three points where branches of two kinds cross, at 0.3, with a loss of 0.1."""
    return SimpleNamespace(
        at=torch.full((3,), 0.3),
        p=torch.full((3,), 0.3),
        W=of_kinds(torch.tensor(kinds))[:, None].expand(2, 3, 1, 2),
        loss=torch.full((2, 3), 0.1),
        slope=torch.tensor(slopes)[:, None].expand(2, 3),
        curvature=torch.tensor(curvature)[:, None].expand(2, 3),
        crosses=torch.tensor([crosses] * 3),
        sides=torch.tensor(sides or kinds)[:, None].expand(2, 3),
    )


def kinks(along_p, along_r):
    entering, half = SimpleNamespace(continuous=0.5), SimpleNamespace(at=torch.tensor(0.48))
    return judged("phase-first-order", [along_p, along_r], entering, half)


def test_a_kink_is_a_crossing_of_two_minima_with_different_slopes():
    single = crossing(kinds=(0, 1))
    found = kinks(crossing(), single)
    assert found.shown.all()
    assert found.weaker.all()


@pytest.mark.parametrize(
    "changed",
    [
        {"slopes": (0.5, 0.498)},  # 0.3 · 0.002 / 0.1 is 0.6 % of the loss
        {"curvature": (1.0, 0.0)},  # a saddle
        {"kinds": (0, 0), "sides": (0, 1)},  # one and the same
        {"crosses": False},
    ],
)
def test_without_any_of_these_there_is_none(changed):
    single = crossing(**{"kinds": (0, 1), **changed})
    found = kinks(crossing(**changed), single)
    assert not found.shown.any()
    assert not found.weaker.any()


def test_the_weaker_reading_looks_at_one_feature_against_the_other_alone():
    flat = crossing(slopes=(0.5, 0.5))
    found = kinks(flat, crossing(kinds=(0, 1)))
    assert not found.shown.all()
    assert found.weaker.all()
    nowhere = kinks(flat, crossing())  # no such boundary among the points
    assert not nowhere.weaker.any()
