"""The tests of the claims on attacks, each on numbers made by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from shapes import JUST, polar
from torch import Tensor

from superpos.studies import adversarial_robustness as chapter

INVERSE_P = torch.logspace(0, 2, 13)


judged = chapter.study.judge


def models(per_dimension: Tensor, vulnerable: Tensor, seeds: int = 3) -> SimpleNamespace:
    """One-dimensional models with the given 1/D* = ‖W‖², and the given vulnerability."""
    W = per_dimension.sqrt()[:, None, None]
    return SimpleNamespace(
        W=W.expand(seeds, *W.shape),
        added=vulnerable.expand(seeds, -1),
        enlarged=torch.zeros(seeds, len(vulnerable)),
        inverse_p=INVERSE_P,
    )


RISING = torch.linspace(1, 5, 13)


def test_vulnerability_must_rise_by_more_than_three_times_where_features_are_packed():
    assert judged("adv-rises", models(RISING, RISING)).shown.all()
    twice = judged("adv-rises", models(RISING, torch.linspace(1, 2.5, 13)))
    assert not twice.shown.any()
    assert twice.weaker.all()
    assert not judged("adv-rises", models(RISING, torch.linspace(1, 1.5, 13))).weaker.any()


def test_a_rise_without_superposition_does_not_count():
    found = judged("adv-rises", models(torch.full((13,), 1.2), RISING))
    assert not found.shown.any()
    assert not found.weaker.any()


def test_both_parts_of_vulnerability_count():
    found = models(RISING, torch.ones(13))
    found.enlarged = RISING - 1 + torch.zeros(3, 13)
    assert judged("adv-rises", found).shown.all()


def test_to_track_is_to_rise_with_features_per_dimension_and_to_stay_near_them():
    assert judged("adv-tracks", models(RISING, 1.2 * RISING)).shown.all()
    faster = judged("adv-tracks", models(RISING, RISING**2))
    assert not faster.shown.any()
    assert faster.weaker.all()
    assert not judged("adv-tracks", models(RISING, RISING.flip(0))).weaker.any()


def test_what_falls_at_the_end_does_not_track():
    there_and_back = torch.cat([torch.linspace(1, 2, 7), torch.linspace(1.9, 1, 6)])
    assert not judged("adv-tracks", models(torch.linspace(1, 1.4, 13), there_and_back)).shown.any()


def test_the_control_must_stay_at_one_everywhere():
    steady = models(torch.ones(13), torch.linspace(0.9, 1.1, 13))
    assert judged("adv-control", steady).shown.all()
    once = torch.ones(13)
    once[5] = 1.3
    assert not judged("adv-control", models(torch.ones(13), once)).shown.any()


def packed(count: int) -> Tensor:
    """``count`` features of one length in two dimensions, spread evenly: D_i = 2/count."""
    W = torch.zeros(2, 6)
    W[:, :count] = chapter.polygon(count)
    return W


ALONE = torch.eye(2, 6)


def hardened(first_alone: int, seeds: int = 3) -> SimpleNamespace:
    """Six features, then five, … in a plane; alone from a size of attacks on, then shorter."""
    counts = torch.linspace(6, 3, max(1, first_alone)).round().int().tolist()
    W = [packed(k) for k in counts[:first_alone]]
    W += [ALONE * 0.99**k for k in range(16 - first_alone)]
    return SimpleNamespace(
        W=torch.stack(W).expand(seeds, 16, 2, 6), size=chapter.ATTACK_SIZES,
        clean=torch.ones(seeds, 16),
    )  # fmt: skip


def test_superposition_must_go_near_eighty_per_cent():
    for first in (6, 8, 10):
        assert judged("adv-training", hardened(first)).shown.all(), first
    for first in (2, 12):
        found = judged("adv-training", hardened(first))
        assert not found.shown.any(), first
        assert found.weaker.all(), first


def test_eighty_per_cent_is_neither_seventy_nor_ninety():
    assert judged("adv-training-2", hardened(8)).shown.all()
    for first in (7, 9):
        found = judged("adv-training-2", hardened(first))
        assert not found.shown.any(), first
        assert found.weaker.all(), first


def test_superposition_must_go_at_all_and_fall_on_the_way():
    assert not judged("adv-training", hardened(16)).weaker.any()
    backwards = hardened(8)
    backwards.W = backwards.W.flip(1)
    assert not judged("adv-training", backwards).weaker.any()


def test_nothing_learnt_is_not_free_of_superposition():
    assert chapter.free_of_superposition(0.4 * ALONE, **MARKS)
    assert not chapter.free_of_superposition(0.3 * ALONE, **MARKS)
    beside = ALONE + 0.05 * packed(6)  # little remainders beside two long features
    assert chapter.free_of_superposition(beside, **MARKS)


MARKS = {"share": 0.5, "alone": 0.9, "learnt": 0.1}


@pytest.mark.parametrize(
    ("model", "holds"),
    [
        (polar((0.2, 0), (0.3, 90)), True),  # at any scale
        (polar((0.099, 0), (0.09, 90)), False),  # nothing is learnt
        (polar((1, 0), (1, 90), (0.1, 0)), True),  # D_0 = 1/1.1
        (polar((1, 0), (1, 90), (0.12, 0)), False),
        (polar((1, 0), (1, 180)), False),
        (polar((1, 0), (0.51, 180), (1, 90)), False),
    ],
)
def test_superposition_is_gone_where_all_that_is_learnt_has_a_dimension_of_its_own(model, holds):
    assert chapter.free_of_superposition(model, **MARKS).item() is holds


def test_the_longest_features_have_at_least_half_of_the_largest_squared_length():
    model = polar((1, 0), (0.5 + JUST, 10), (0.5 - JUST, 20))
    assert chapter.longest(model, share=0.5).tolist() == [True, True, False]


def attacks(silent: float, climbed: float) -> SimpleNamespace:
    """Two seeds of which climbing finds so much of an analytic attack that raises the loss by 4."""
    values = {
        "silent": silent,
        "climbed": 4 * climbed,
        "analytic": 4.0,
        "without": 0.5,
        "there": 0.1,
    }
    return SimpleNamespace(**{name: torch.full((2,), value) for name, value in values.items()})


def test_gradients_are_masked_where_outputs_are_silent_and_climbing_finds_little():
    found = judged("adv-masking", attacks(0.97, 0.4))
    assert found.shown.all()
    assert found.weaker.all()
    assert not judged("adv-masking", attacks(0.8, 0.4)).shown.any()
    some = judged("adv-masking", attacks(0.97, 0.7))
    assert not some.shown.any()
    assert some.weaker.all()
    assert not judged("adv-masking", attacks(0.97, 0.95)).weaker.any()
