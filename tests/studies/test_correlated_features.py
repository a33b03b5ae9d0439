"""The tests of the claims on correlated features, each on models made by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from superpos.studies import correlated_features as correlated

CROSS = torch.tensor([[1.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, -1.0]])  # pairs at right angles
LINES = CROSS[:, [0, 2, 1, 3]]  # pairs antipodal
SEEDS = 4


judged = correlated.study.judge


def at(*degrees: float) -> Tensor:
    turn = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([turn.cos(), turn.sin()])


def runs(*models: Tensor) -> SimpleNamespace:
    """Every seed has these models, one for each p."""
    W = torch.stack(models).expand(SEEDS, len(models), *models[0].shape)
    return SimpleNamespace(W=W, b=torch.zeros(*W.shape[:2], W.shape[-1]), loss=W.sum((-2, -1)))


# Two pairs in a plane


def two_pairs(W: Tensor) -> SimpleNamespace:
    return SimpleNamespace(correlated=runs(W), anticorrelated=runs(W), curve=runs(W, LINES))


def test_right_angles_and_antipodes_exclude_each_other():
    assert judged("corr-orthogonal", two_pairs(CROSS)).shown.all()
    assert not judged("corr-anti-antipodal", two_pairs(CROSS)).shown.any()
    assert judged("corr-anti-antipodal", two_pairs(LINES)).shown.all()
    assert not judged("corr-orthogonal", two_pairs(LINES)).shown.any()


@pytest.mark.parametrize(
    ("claim_id", "W"), [("corr-orthogonal", CROSS), ("corr-anti-antipodal", LINES)]
)
def test_a_feature_that_is_not_represented_fails(claim_id, W):
    short = W.clone()
    short[:, 3] *= 0.7  # ‖W_i‖² = 0.49
    assert not judged(claim_id, two_pairs(short)).shown.any()


@pytest.mark.parametrize(("degrees", "holds"), [(84.3, True), (84.2, False), (95.7, True)])
def test_a_right_angle_allows_a_cosine_of_a_tenth(degrees, holds):
    found = judged("corr-orthogonal", two_pairs(at(0, degrees, 180, 270).float()))
    assert found.shown.tolist() == [holds] * SEEDS


def test_the_curve_over_p_is_told_for_every_density():
    found = judged("corr-orthogonal", two_pairs(LINES))
    assert found.measured["Right angle, over p"] == "0%, 0%"
    mixed = two_pairs(CROSS)
    mixed.curve.W = torch.stack([torch.stack([CROSS, LINES]), torch.stack([CROSS, CROSS])])
    assert judged("corr-orthogonal", mixed).measured["Right angle, over p"] == "100%, 50%"


def test_a_square_with_the_wrong_partners_is_an_optimum_that_costs_p_squared_over_six():
    measured = judged("corr-anti-antipodal", two_pairs(CROSS)).measured
    assert measured["Other pairings that are optima"] == f"{SEEDS} of {SEEDS} tried"
    loss = float(measured["Loss of other pairings, exact"].split()[0])
    assert loss == pytest.approx(0.1**2 / 6, rel=0.01)


def again(right: int, of: int, best: int) -> SimpleNamespace:
    """So many runs with antipodal partners, the first ones; one of them all has the lowest loss."""
    W = torch.stack([LINES if k < right else CROSS for k in range(of)])[:, None]
    return SimpleNamespace(W=W, loss=torch.arange(of)[:, None].sub(best).abs().double())


def test_a_preference_for_antipodes_is_counted_by_runs_and_by_the_best_of_ten():
    curve = SimpleNamespace(anticurve=runs(CROSS, LINES))
    found = judged("corr-anti-antipodal-2", again(4, 10, best=0), curve)
    assert found.shown.tolist() == [True] * 4 + [False] * 6
    assert found.weaker.tolist() == [True]
    assert found.measured["Antipodal partners, over p from 0.03 to 1"] == "0%, 100%"
    found = judged("corr-anti-antipodal-2", again(4, 20, best=7), curve)
    assert found.weaker.tolist() == [False, False]
    short = again(10, 10, best=0)
    short.W = 0.7 * short.W
    found = judged("corr-anti-antipodal-2", short, curve)
    assert not found.shown.any()
    assert not found.weaker.any()


# Three pairs in a plane

HEXAGON = at(0, 60, 120, 180, 240, 300)
OPPOSITE = HEXAGON[:, [0, 3, 1, 4, 2, 5]]
PENTAGON = torch.cat([at(0, 72, 144, 216, 288), at(0) / 20], dim=1)


def three_pairs(pairs: Tensor, alone: Tensor) -> SimpleNamespace:
    return SimpleNamespace(pairs=runs(pairs), alone=runs(alone))


def test_a_hexagon_side_by_side_counts_where_independent_features_make_none():
    assert judged("corr-side-by-side", three_pairs(HEXAGON, PENTAGON)).shown.all()
    found = judged("corr-side-by-side", three_pairs(HEXAGON, HEXAGON))
    assert not found.shown.any()
    assert found.weaker.all()


@pytest.mark.parametrize("W", [OPPOSITE, PENTAGON, 0.7 * HEXAGON])
def test_partners_that_are_opposite_or_left_out_are_not_side_by_side(W):
    found = judged("corr-side-by-side", three_pairs(W, PENTAGON))
    assert not found.shown.any()
    assert not found.weaker.any()


@pytest.mark.parametrize(("second", "holds"), [(41, True), (39, False)])
def test_angles_of_a_hexagon_are_within_bounds(second, holds):
    found = judged("corr-side-by-side", three_pairs(at(0, second, 120, 180, 240, 300), PENTAGON))
    assert found.shown.tolist() == [holds] * SEEDS


# Two sets of ten

BASES = torch.cat([torch.eye(10), -torch.eye(10)], dim=1)


def test_a_basis_and_its_negative_are_two_local_bases():
    found = judged("corr-local-basis", runs(BASES, BASES))
    assert found.shown.all()
    assert found.weaker.all()


def test_one_small_angle_within_a_set_breaks_the_claim_and_not_its_weaker_reading():
    W = BASES.clone()
    W[:, 0] = W[:, 0] + 0.5 * W[:, 1]  # a cosine of 0.45
    found = judged("corr-local-basis", runs(W, BASES))
    assert not found.shown.any()
    assert found.weaker.all()


def waves() -> Tensor:
    """An orthonormal basis of ten dimensions with no entry above 0.45 in size."""
    step = torch.pi * torch.arange(10)[:, None] * (torch.arange(10) + 0.5) / 10
    return step.cos() * math.sqrt(2 / 10) / torch.tensor([2**0.5] + [1.0] * 9)[:, None]


def test_bases_that_do_not_face_each_other_or_miss_a_feature_are_none():
    missing = BASES.clone()
    missing[:, 3] *= 0.5
    for W in (torch.cat([torch.eye(10), waves()], dim=1), missing):
        found = judged("corr-local-basis", runs(W, BASES))
        assert not found.shown.any()
        assert not found.weaker.any()


def test_a_local_basis_need_not_face_the_other_one():
    turned = torch.cat([torch.eye(10), waves()], dim=1)
    found = judged("corr-local-basis-2", runs(turned, turned))
    assert found.shown.all()
    assert found.weaker.all()


def test_a_local_basis_has_all_features_and_no_small_angle():
    leaning, missing = BASES.clone(), BASES.clone()
    leaning[:, 0] = leaning[:, 0] + 0.5 * leaning[:, 1]  # a cosine of 0.45
    missing[:, 3] *= 0.5
    crowded = BASES + 0.2 * BASES.roll(1, -1)  # many cosines of 0.2, none larger
    for W in (leaning, missing, torch.cat([crowded[:, :10] + 0.05, BASES[:, 10:]], dim=1)):
        found = judged("corr-local-basis-2", runs(W, BASES))
        assert not found.shown.any()
        assert found.weaker.all()


# Collapse


def over_densities(number, length: float = 1.0) -> SimpleNamespace:
    """Optima with so many collapsed pairs, by a function of p."""
    p = torch.logspace(-1.7, 0, 40, dtype=torch.float64)
    W = torch.stack([length * at(*angles(number(each))) for each in p.tolist()])
    return SimpleNamespace(
        p=p, W=W, all_W=W[None], loss=torch.ones(40), all_loss=torch.ones(1, 40), agree=40
    )


def angles(collapsed: int) -> list[float]:
    """Directions of three pairs, the first of them collapsed."""
    return [60.0 * (k - k % 2 if k < 2 * collapsed else k) for k in range(6)]


def printed(p: float) -> int:
    return sum(p >= bound for bound in (0.05, 0.15, 0.2))


def test_pairs_that_collapse_where_it_is_printed_show_the_claim():
    found = judged("corr-pca-collapse", over_densities(printed))
    assert found.shown.all()
    assert 20 < len(found.shown) < 40
    assert found.weaker.all()


@pytest.mark.parametrize(("factor", "holds"), [(1.08, True), (1.2, False)])
def test_densities_near_a_printed_bound_are_left_out(factor, holds):
    found = judged("corr-pca-collapse", over_densities(lambda p: printed(factor * p)))
    assert found.shown.all() == holds


def test_pairs_that_collapse_elsewhere_show_the_weaker_reading_alone():
    found = judged("corr-pca-collapse", over_densities(lambda p: printed(p / 1.5)))
    assert not found.shown.all()
    assert found.weaker.all()


def test_pairs_that_never_collapse_or_come_apart_again_show_neither():
    found = judged("corr-pca-collapse", over_densities(lambda p: 0))
    assert found.shown.double().mean() < 0.5
    assert not found.weaker.any()
    back = judged("corr-pca-collapse", over_densities(lambda p: 2 if p > 0.3 else printed(p)))
    assert not back.weaker.any()


def test_a_pair_stored_as_nothing_but_its_sum_needs_the_lower_threshold():
    short = over_densities(printed, length=0.69)  # ‖W_i‖² = 0.48
    found = judged("corr-pca-collapse", short)
    assert not found.weaker.any()
    assert found.measured["Number of collapsed pairs never falls, with 0.25"] == "yes"
    assert found.measured["As printed, if ‖W_i‖² ≥ 0.25 counts as represented"].startswith(
        f"{len(found.shown)} of {len(found.shown)}"
    )


def test_a_collapsed_pair_may_have_the_length_of_a_principal_component():
    for length in (0.5**0.5 - 1e-6, 0.51):  # ‖W_i‖² is a little below 1/2, and above 1/4
        found = judged("corr-pca-collapse-2", over_densities(printed, length=length))
        assert found.shown.all()
        assert found.weaker.all()
    short = judged("corr-pca-collapse-2", over_densities(printed, length=0.49))
    assert short.shown.double().mean() < 0.7
    assert not short.weaker.any()


def test_each_density_answers_for_itself():
    def back(p: float) -> int:
        return 2 if 0.35 < p < 0.38 else printed(p)

    found = judged("corr-pca-collapse-2", over_densities(back))
    assert (~found.shown).sum() == 1
    assert (~found.weaker).sum() == 1
    later = judged("corr-pca-collapse-2", over_densities(lambda p: printed(p / 1.5)))
    assert not later.shown.all()
    assert later.weaker.all()
    never = judged("corr-pca-collapse-2", over_densities(lambda p: min(2, printed(p))))
    assert not never.weaker.any()


def test_a_collapsed_pair_needs_both_features_in_one_direction():
    half = math.sqrt(0.5) * (1 + 1e-6)
    W = at(30, 30, 90, 108) * torch.tensor([half, half, 1, 1])
    at_95 = {"cosine": 0.95}
    assert correlated.collapsed_pairs(W, **at_95).tolist() == [True, True]
    assert correlated.collapsed_pairs(0.99 * W, **at_95).tolist() == [False, True]
    assert correlated.collapsed_pairs(0.99 * W, kept=0.25, **at_95).tolist() == [True, True]
    assert correlated.collapsed_pairs(at(30, 210, 90, 109), **at_95).tolist() == [False, False]


def test_the_changes_of_the_optimum_are_told_with_the_p_between():
    ((old, new, p),) = correlated.changes(over_densities(lambda p: int(p > 0.3)))
    assert (old, new) == ("hexagon", "pentagon")
    assert p == pytest.approx(0.3, rel=0.06)
    kinds = [correlated.kind(at(*angles(collapsed))) for collapsed in range(4)]
    assert kinds == list(correlated.POLYGONS)


@pytest.mark.parametrize("collapsed", range(4))
def test_the_starts_made_by_hand_are_the_kinds_they_are_meant_to_be(collapsed):
    assert correlated.kind(correlated.made_by_hand()[collapsed]) == correlated.POLYGONS[collapsed]


# Direct sums


def six_pairs(*order: int) -> dict[str, SimpleNamespace]:
    """Twelve features as six digons, in an order: features 0 and 1 are partners, 2 and 3, …"""
    digons = torch.block_diag(*[torch.tensor([[1.0, -1.0]])] * 6)
    return {name: runs(digons[:, list(order)], digons) for name in correlated.SUMS}


def test_partners_share_a_summand_if_most_pairs_are_digons():
    assert judged("corr-summand", six_pairs(*range(12))).shown.all()
    half = six_pairs(0, 1, 2, 3, 4, 5, 6, 8, 7, 10, 9, 11)
    assert not judged("corr-summand", half).shown.any()
    assert not judged("corr-summand", six_pairs(*range(0, 12, 2), *range(1, 12, 2))).shown.any()


def two_sets_of(k: int) -> Tensor:
    return torch.cat([torch.eye(k), -torch.eye(k)], dim=1)


def test_digons_of_both_sets_must_form_for_every_k():
    parts = {k: runs(two_sets_of(k), two_sets_of(k)) for k in (2, 3)}
    excess = {k: [0.0, 0.0] for k in parts}
    assert judged("corr-three-summands", parts, excess).shown.all()
    within = two_sets_of(3)[:, [0, 3, 1, 4, 2, 5]]  # the digons are partners of one set
    parts[3] = runs(within, two_sets_of(3))
    found = judged("corr-three-summands", parts, excess)
    assert not found.shown.any()
    assert found.measured["All k, at p = 0.03"].startswith(f"{SEEDS} of {SEEDS}")


def test_the_best_run_is_compared_with_digons_of_the_best_length():
    found = correlated.against_digons({2: runs(two_sets_of(2), 0.5 * two_sets_of(2))})
    assert 0 < found[2][0] < 0.05
    assert found[2][1] > 1
