"""The tests of the claims on a privileged basis, each on weights made by hand."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from superpos import neurons
from superpos.studies import privileged_basis as chapter

P = len(chapter.DENSITIES)


judged = chapter.study.judge


def code(*sets: tuple[int, ...], veto: float = 0.0) -> Tensor:
    """Weights of ten features in five neurons: feature i is held by its set in equal parts."""
    W = torch.zeros(5, 10)
    for i, held in enumerate(sets):
        W[:, i] = veto
        W[list(held), i] = len(held) ** -0.5
    return W


PAIRS = list(itertools.combinations(range(5), 2))
ALONE = code((0,), (1,), (2,), (3,), (4,))
CODES = [  # one for each of the source's regimes
    ALONE,
    code((0,), (1,), (0, 1), (2,), (3,), (4,)),
    code((0,), (0, 1), (1, 2), (0, 2), (2,), (3,), (4,)),
    code(*itertools.combinations(range(4), 2), (4,)),
    code((0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3), (0, 4), (1, 4), (2, 4), (3, 4)),
    code(*PAIRS),
]


def test_the_hand_made_codes_are_those_of_the_source():
    assert neurons.regimes(torch.stack(CODES)).int().argmax(-1).tolist() == list(range(6))


def as_the_source_has_them() -> Tensor:
    """The best model of each of the fourteen densities: ``(densities, m, n)``."""
    number = [0] * 3 + [1] * 3 + [2, 3, 4] + [4] * 3 + [5] * 2
    return torch.stack([CODES[k] for k in number])


def models(best: Tensor) -> SimpleNamespace:
    return SimpleNamespace(W=best.expand(2, *best.shape))


CLAIMS = ("basis-regimes", "basis-regimes-positive")


@pytest.mark.parametrize("claim_id", CLAIMS)
def test_the_six_regimes_hold_where_the_best_models_have_their_codes(claim_id):
    best = as_the_source_has_them()
    assert judged(claim_id, best, models(best)).shown.all()
    dense = ALONE.expand(P, 5, 10)
    found = judged(claim_id, dense, models(dense))
    assert found.shown.tolist() == [True, False, False, False, False, False]
    assert found.weaker.tolist() == [True, False, False, False, False, False]


@pytest.mark.parametrize("claim_id", CLAIMS)
def test_a_code_at_the_next_density_is_the_weaker_reading(claim_id):
    best = as_the_source_has_them()
    best[7], best[8] = CODES[4], CODES[3]  # 6 in 4 at 0.1 instead of 0.12
    found = judged(claim_id, best, models(best))
    assert not found.shown[3]
    assert found.weaker[3]


def test_vetoes_hide_what_neurons_hold_from_the_first_detector_alone():
    best = as_the_source_has_them()
    best[-2:] = code(*PAIRS, veto=-2.5)
    hidden, seen = (judged(claim_id, best, models(best)).shown for claim_id in CLAIMS)
    assert not hidden[5]
    assert seen[5]


def rotated(**changes) -> SimpleNamespace:
    ones = torch.ones(3, P)
    found = {
        "before": ones, "after": ones * (1 + 1e-12), "exact": torch.ones(2, P), "lost": ones,
        "found": 1.5 * ones, "error": 0.01 * ones,
    }  # fmt: skip
    return SimpleNamespace(**found | changes)


def test_a_rotation_must_leave_one_loss_and_raise_the_other():
    assert judged("basis-rotation", rotated()).shown.all()
    changed = judged("basis-rotation", rotated(after=1.001 * torch.ones(3, P)))
    assert not changed.weaker.any()
    noisy = judged("basis-rotation", rotated(error=0.2 * torch.ones(3, P)))
    assert not noisy.weaker.any()


def test_a_loss_that_a_rotation_lowers_is_changed_but_not_raised():
    found = judged("basis-rotation", rotated(found=0.5 * torch.ones(3, P)))
    assert not found.shown.any()
    assert found.weaker.all()


def test_alignment_counts_models_that_nearly_all_rotations_spread():
    relu = torch.ones(1, P)
    relu[0, 0], relu[0, 1] = 0.99, 0.98
    spreads = SimpleNamespace(relu=relu, linear=torch.tensor([[0.5, 0.99, 0.0]]))
    outcome = judged("basis-aligned", spreads)
    assert outcome.shown.tolist() == [True, False] + [True] * (P - 2)
    assert outcome.measured["Without a hidden ReLU"].startswith("1 of 3")


@pytest.mark.parametrize("claim_id", ["basis-aligned-2", "basis-aligned-3"])
def test_alignment_with_sets_may_leave_dense_inputs_out(claim_id):
    relu = torch.ones(1, P)
    relu[0, 0] = 0.5
    found = judged(claim_id, SimpleNamespace(relu=relu, linear=0 * relu))
    assert found.shown.tolist() == [False] + [True] * (P - 1)
    assert found.weaker.tolist() == [True] * (P - 1)


def test_sets_are_features_in_equal_parts_that_rotations_tear_apart():
    whole = torch.full((2, P, 10), 2.05)
    between = torch.full((20, 2, P, 10), 2.5)
    numbers = SimpleNamespace(own=whole, rotated=between)
    assert judged("basis-sets", numbers).shown.all()
    numbers = SimpleNamespace(own=whole + 0.1, rotated=between)
    assert not judged("basis-sets", numbers).shown.any()
    numbers = SimpleNamespace(own=whole, rotated=between + 0.45)
    assert not judged("basis-sets", numbers).shown.any()


def test_features_that_are_not_represented_do_not_count_as_near_a_whole_number():
    number = torch.tensor([[[1.0, torch.nan, 2.3, torch.nan]]])
    assert chapter.near_whole(number, near=0.1).item() == 0.5


CLAIMS_OF_RISE = ("basis-polysemantic", "basis-polysemantic-positive")


@pytest.mark.parametrize("claim_id", CLAIMS_OF_RISE)
def test_polysemantic_neurons_rise_from_none_to_all(claim_id):
    rising = as_the_source_has_them()[None]
    assert judged(claim_id, rising).shown.all()
    flat = ALONE.expand(1, P, 5, 10)
    found = judged(claim_id, flat)
    assert not found.shown.any()
    assert not found.weaker.any()


@pytest.mark.parametrize("claim_id", CLAIMS_OF_RISE)
def test_a_rise_to_one_neuron_only_is_the_weaker_reading(claim_id):
    one = code((0,), (0,), (1,), (2,), (3,), (4,))
    slightly = torch.stack([ALONE] * 7 + [one] * 7)[None]
    found = judged(claim_id, slightly)
    assert not found.shown.any()
    assert found.weaker.all()


def test_models_with_hidden_biases_must_be_linear_at_every_density():
    def found(above, lowest, loss=1.0):
        return SimpleNamespace(
            above=torch.full((4, 3), above), lowest=torch.full((4, 3), lowest),
            loss=torch.full((4, 3), loss),
        )  # fmt: skip

    unbiased = SimpleNamespace(above=torch.full((4, 3), 0.5), best_linear=torch.ones(3))
    assert judged("basis-hidden-bias", found(0.995, 0.1), unbiased).shown.all()
    for above, lowest in ((0.95, 0.1), (0.995, -0.1)):
        some = judged("basis-hidden-bias", found(above, lowest), unbiased)
        assert not some.shown.any()
        assert some.weaker.all()
    for above, loss in ((0.85, 1.0), (0.95, 1.05)):
        assert not judged("basis-hidden-bias", found(above, 0.1, loss), unbiased).weaker.any()


# Many features in place of a hidden bias


def crowd(above: list[float], beyond: list[float], few: float = 0.5) -> dict:
    """Two seeds with ten features, and with 160 these values at three densities."""
    alike = {"above": torch.full((2, 3), few), "beyond": torch.zeros(2, 3)}
    values = {"above": torch.tensor([above] * 2), "beyond": torch.tensor([beyond] * 2)}
    return {10: SimpleNamespace(**alike), 160: SimpleNamespace(**values)}


def test_many_features_simulate_a_bias_where_they_keep_neurons_above_the_kink():
    found = judged("tms-simulated-bias", crowd([0.99, 0.95, 0.91], [0.9, 0.8, 0.6]))
    assert found.shown.all()
    assert found.weaker.all()


@pytest.mark.parametrize(
    ("above", "beyond", "weaker"),
    [
        ([0.99, 0.95, 0.89], [0.9, 0.8, 0.6], True),  # not at the sparsest
        ([0.99, 0.95, 0.95], [0.9, 0.8, 0.4], True),  # by the important features
        ([0.99, 0.95, 0.5], [0.9, 0.8, 0.6], False),  # no more than with ten
    ],
)
def test_they_do_not_where_neurons_are_often_below_or_others_hold_them_up(above, beyond, weaker):
    found = judged("tms-simulated-bias", crowd(above, beyond))
    assert not found.shown.any()
    assert found.weaker.all() == weaker


def test_models_with_many_features_are_counted_at_each_density(monkeypatch):
    monkeypatch.setattr(chapter, "NUMBERS", (10, 12))
    found = chapter.study.experiments["many"](range(2), 100, chapter.ours)
    assert list(found) == [10, 12]
    assert found[12].above.shape == found[12].beyond.shape == (2, 3)
    assert not found[10].beyond.any()  # there are none beyond the tenth


# A price on activity

DIGONS = torch.eye(5).repeat_interleave(2, dim=1) * torch.tensor([1.0, -1.0]).repeat(5)


def paying(*by_price: tuple[Tensor, Tensor, float]) -> SimpleNamespace:
    """Two seeds of models by price: W with unequal and with equal importance, and the loss."""
    W = torch.stack([torch.stack(both) for *both, _ in by_price])
    loss = torch.tensor([value for *_, value in by_price])[:, None].expand(-1, 2)
    return SimpleNamespace(W=W.expand(2, *W.shape), loss=loss.expand(2, *loss.shape))


def test_superposition_is_gone_where_a_price_leaves_features_alone_at_a_higher_loss():
    found = judged("tms-hidden-l1", paying((DIGONS, DIGONS, 1.0), (0.9 * ALONE, ALONE, 2.0)))
    assert found.shown.all()
    assert found.weaker.all()
    told = found.measured["Unequal importance, at the lowest such price"]
    assert told == "0.01 in the median, 5.0 features represented, the loss is 2.0 times as large"


@pytest.mark.parametrize(
    "at_price",
    [
        (DIGONS, DIGONS, 2.0),  # still there
        (0.1 * ALONE, 0.1 * ALONE, 2.0),  # nothing is represented any more
        (ALONE, ALONE, 0.9),  # for nothing
    ],
)
def test_it_is_not_where_it_stays_or_everything_goes_or_nothing_is_paid(at_price):
    found = judged("tms-hidden-l1", paying((DIGONS, DIGONS, 1.0), at_price))
    assert not found.shown.any()
    assert not found.weaker.any()


def test_what_was_never_in_superposition_has_not_lost_it():
    found = judged("tms-hidden-l1", paying((ALONE, ALONE, 1.0), (ALONE, ALONE, 2.0)))
    assert not found.weaker.any()


def test_unequal_importance_alone_is_the_weaker_reading():
    found = judged("tms-hidden-l1", paying((DIGONS, DIGONS, 1.0), (ALONE, DIGONS, 2.0)))
    assert not found.shown.any()
    assert found.weaker.all()
