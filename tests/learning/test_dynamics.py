from __future__ import annotations

import math

import pytest
import torch

from superpos import CorrelatedSets, IndependentFeatures, geometry, losses
from superpos.errors import InvalidArgument
from superpos.learning import dynamics

RECORDS = 101
AT = torch.linspace(0, 1, RECORDS)


def levels(*changes: tuple[float, float]) -> torch.Tensor:
    """D of one feature: it starts at 0.25 and is set to a level from a time on."""
    D = torch.full((RECORDS,), 0.25)
    for time, level in changes:
        D[time <= AT] = level
    return D


def falling(*times: float, by: float = 1.0, slope: float = 0.1) -> torch.Tensor:
    """A loss that falls evenly, and by more at some times."""
    return 10 - slope * AT - by * sum((time <= AT).float() for time in times)


# Jumps


def test_a_jump_is_found_with_its_levels_and_its_drop():
    D = torch.stack([levels((0.5, 0.0)), levels()], dim=-1)
    (jump,) = dynamics.jumps(D, falling(0.5))
    assert (jump.feature, jump.before, jump.after) == (0, 0.25, 0.0)
    assert jump.start < 50 <= jump.end
    assert jump.drop == pytest.approx(1.002, abs=1e-4)
    assert jump.quiet_drop == pytest.approx(0.002, abs=1e-4)


def test_a_feature_that_comes_back_has_jumped_twice():
    D = levels((0.4, 0.0), (0.7, 0.5))[:, None]
    assert [round(jump.after, 2) for jump in dynamics.jumps(D, falling())] == [0.0, 0.5]


def test_what_changes_slowly_or_little_or_early_is_no_jump():
    slow = 0.25 + 0.5 * AT
    little, early = levels((0.5, 0.44)), levels((0.05, 0.5))
    assert dynamics.jumps(torch.stack([slow, little, early], -1), falling()) == []


def test_longer_windows_find_slower_jumps():
    slow = (0.25 + 2.5 * (AT - 0.5).clamp(0, 0.1))[:, None]  # within a tenth of training
    assert dynamics.jumps(slow, falling()) == []
    assert len(dynamics.jumps(slow, falling(), window=0.1)) == 1


def test_quiet_windows_are_of_the_same_fifth():
    loss = torch.where(AT < 0.4, 10 - 10 * AT, 6 - AT)
    early, late = dynamics.jumps(torch.stack([levels((0.3, 0)), levels((0.7, 0))], -1), loss)
    assert early.quiet_drop == pytest.approx(0.2, abs=1e-4)
    assert late.quiet_drop == pytest.approx(0.02, abs=1e-4)


def test_where_no_window_is_quiet_there_is_nothing_to_compare_with():
    restless = torch.arange(RECORDS).remainder(4).ge(2).float()[:, None]
    found = dynamics.jumps(restless, falling())
    assert found
    assert all(math.isnan(jump.quiet_drop) for jump in found)
    assert not dynamics.drops_at_jumps(found, times=1)


@pytest.mark.parametrize(("count", "by", "shown"), [(3, 1.0, True), (2, 1.0, False), (3, 0, False)])
def test_a_run_needs_three_jumps_and_a_loss_that_falls_at_them(count, by, shown):
    times = [0.3, 0.5, 0.7][:count]
    D = torch.stack([levels((time, 0.0)) for time in times], -1)
    found = dynamics.jumps(D, falling(*times, by=by))
    assert dynamics.drops_at_jumps(found, times=2) is shown


def test_a_rise_is_no_fall_even_where_the_loss_rises_everywhere():
    D = torch.stack([levels((time, 0.0)) for time in (0.3, 0.5, 0.7)], -1)
    found = dynamics.jumps(D, falling(slope=-1.0))
    assert not dynamics.drops_at_jumps(found, times=2)


@pytest.mark.parametrize(("D", "loss"), [((9, 2), (8,)), ((9,), (9, 1)), ((9, 2), (9, 2))])
def test_shapes_that_do_not_fit_are_refused(D, loss):
    with pytest.raises(InvalidArgument, match=r"\(records, n\) and \(records,\) are needed"):
        dynamics.jumps(torch.zeros(D), torch.zeros(loss))


def test_too_few_records_for_the_window_are_refused():
    with pytest.raises(InvalidArgument, match=r"window is 0\.02: 11 records are too few"):
        dynamics.jumps(torch.zeros(11, 1), torch.zeros(11))


# Jumps between levels

LEVELS = {"levels": (0.0, 0.5), "near": 0.1}


def test_a_jump_between_levels_is_shorter_than_both_rests():
    D = torch.tensor([0.0] * 30 + [0.25] * 10 + [0.5] * 15)
    (jump,) = dynamics.level_jumps(D[:, None], 5 - D, **LEVELS)
    assert (jump.feature, jump.start, jump.end) == (0, 29, 40)
    assert jump.fall == pytest.approx(0.5 / 11)
    assert jump.resting_fall == 0
    assert dynamics.level_jumps(D[:50, None], 5 - D[:50], **LEVELS) == []  # the second is too short


def test_a_feature_that_comes_back_to_its_level_has_not_jumped():
    D = torch.tensor([0.0] * 30 + [0.25] * 10 + [0.0] * 30)
    assert dynamics.level_jumps(D[:, None], 5 - D, **LEVELS) == []


def test_a_loss_that_rises_is_no_fall_however_slowly_it_rises_at_a_jump():
    D = torch.tensor([0.0] * 30 + [0.5] * 30)
    (jump,) = dynamics.level_jumps(D[:, None], torch.arange(60.0), **LEVELS)
    assert not jump.falls_faster(2)


def test_levels_that_overlap_or_records_that_do_not_fit_are_refused():
    D = torch.zeros(30, 1)
    with pytest.raises(InvalidArgument, match="further apart"):
        dynamics.level_jumps(D, D[:, 0], levels=(0.0, 0.2), near=0.1)
    with pytest.raises(InvalidArgument, match="are needed"):
        dynamics.level_jumps(D, D, **LEVELS)


# Plateaus


def stairs(*steps: tuple[float, float]) -> torch.Tensor:
    """A loss that starts at 1 and is set to a level from a time on."""
    loss = torch.ones(RECORDS)
    for time, level in steps:
        loss[time <= AT] = level
    return loss


def test_plateaus_are_found_with_their_levels():
    found = dynamics.plateaus(stairs((0.015, 0.6), (0.295, 0.2), (0.795, 0.0)))
    assert [round(plateau.loss, 3) for plateau in found] == [0.6, 0.2, 0.0]
    assert [(plateau.start, plateau.end) for plateau in found] == [(2, 29), (30, 79), (80, 100)]


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_plateaus_do_not_depend_on_the_unit_of_the_loss(factor):
    loss = stairs((0.015, 0.6), (0.295, 0.2), (0.795, 0.0))
    places = [(plateau.start, plateau.end) for plateau in dynamics.plateaus(loss)]
    scaled = [(plateau.start, plateau.end) for plateau in dynamics.plateaus(factor * loss + 5)]
    assert scaled == places


def test_a_steady_fall_has_no_plateau_and_a_short_rest_is_none():
    assert dynamics.plateaus(1 - AT) == []
    resting = torch.cat(
        [torch.linspace(1, 0.5, 49), torch.full((4,), 0.5), torch.linspace(0.48, 0, 48)]
    )
    assert dynamics.plateaus(resting) == []


def test_plateaus_are_apart_if_some_two_are():
    loss = stairs((0.015, 0.6), (0.295, 0.2), (0.795, 0.0))
    found = dynamics.plateaus(loss)
    assert dynamics.apart(found, 1.0)
    assert not dynamics.apart(found[:1], 1.0)
    assert not dynamics.apart([], 1.0)
    assert not dynamics.apart(found, 100.0)


@pytest.mark.parametrize("loss", [torch.ones(9), AT, torch.ones(2, 2), torch.tensor([1.0])])
def test_a_loss_that_does_not_fall_is_refused(loss):
    with pytest.raises(InvalidArgument, match="lower at the end than at the start"):
        dynamics.plateaus(loss)


# Stages


def test_sets_span_what_their_columns_do_whichever_way_they_are_turned():
    W = torch.zeros(2, 3, 6)
    W[:, :, :3] = torch.eye(3)
    W[0, 0, 3:] = 0.6  # all along one direction
    W[1, 0, 3:5] = W[1, 1, 5] = 1
    rotation, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0)))
    expected = [[3, 1], [3, 2]]
    assert dynamics.dimensions_of_sets(W, 3).tolist() == expected
    assert dynamics.dimensions_of_sets(rotation @ W, 3).tolist() == expected
    assert dynamics.dimensions_of_sets(W.flip(-1), 3).tolist() == expected


def test_features_that_are_no_sets_are_refused():
    with pytest.raises(InvalidArgument, match="size is 4: 6 features"):
        dynamics.dimensions_of_sets(torch.zeros(3, 6), 4)


def test_a_route_names_each_stage_when_it_is_entered():
    stages = torch.tensor([[1, 1], [1, 1], [2, 1], [1, 1], [2, 2]])
    assert dynamics.route(stages) == "1+1 → 2+1 → 1+1 → 2+2"


# The loss along the course


@pytest.mark.parametrize("features", [CorrelatedSets(2, 3, 0.1), IndependentFeatures(6, 0.1)])
def test_the_common_loss_is_the_exact_one(features):
    generator = torch.Generator().manual_seed(0)
    W = 0.6 * torch.randn(4, 5, 3, 6, generator=generator)
    b = 0.2 * torch.randn(4, 5, 6, generator=generator)
    found = losses.common_loss(W, b, features, samples=4096, seed=0)
    assert found.shape == (4, 5)
    exact = losses.exact_loss(W, b, features).float()
    assert torch.allclose(found, exact, rtol=0.01)


def test_the_common_loss_of_a_model_does_not_depend_on_others():
    W, b = torch.randn(3, 2, 4, generator=torch.Generator().manual_seed(0)), torch.zeros(3, 4)
    features = IndependentFeatures(4, 0.3)
    together = losses.common_loss(W, b, features, samples=64, seed=1)
    alone = losses.common_loss(W[1], b[1], features, samples=64, seed=1)
    assert torch.allclose(together[1], alone, rtol=1e-5)


def test_the_common_loss_is_for_one_setting():
    features = IndependentFeatures(4, torch.tensor([[0.1], [0.2]]))
    with pytest.raises(InvalidArgument, match=r"features has settings \(2,\)"):
        losses.common_loss(torch.zeros(2, 4), torch.zeros(4), features, samples=8, seed=0)


# How it is seen


def test_aligned_features_keep_their_angles_and_the_last_model_lies_along_the_axes():
    W = torch.randn(5, 3, 6, generator=torch.Generator().manual_seed(0))
    turned = geometry.aligned(W, W[-1])
    assert torch.allclose(geometry.gram(turned), geometry.gram(W), atol=1e-5)
    first = turned[-1, :, :3]
    assert torch.allclose(first, first.mT, atol=1e-5)  # stretched, but not turned


def test_seen_from_above_the_third_axis_is_a_point_and_no_angle_of_view_lengthens():
    W = torch.randn(7, 3, 4, generator=torch.Generator().manual_seed(0))
    above = geometry.seen_from(torch.eye(3), 30.0, 90.0)
    assert torch.allclose(above[:, 2], torch.zeros(2), atol=1e-6)
    seen = geometry.seen_from(W, torch.linspace(0, 360, 7))
    assert seen.shape == (7, 2, 4)
    assert (seen.norm(dim=-2) <= W.norm(dim=-2) + 1e-6).all()


@pytest.mark.parametrize("of", [geometry.aligned, geometry.seen_from])
def test_a_space_has_three_dimensions(of):
    with pytest.raises(InvalidArgument, match=r"a space, \(\.\.\., 3, n\), is needed"):
        of(torch.zeros(2, 4), torch.eye(3) if of is geometry.aligned else 0.0)
