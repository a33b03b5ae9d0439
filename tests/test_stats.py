from __future__ import annotations

import math
from itertools import combinations
from statistics import NormalDist

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from superpos.errors import InvalidArgument
from superpos.stats import (
    best_of,
    best_of_each,
    mean_interval,
    rank_correlation,
    rate_interval,
    share_of_best,
    told,
    told_rate,
)

Z = NormalDist().inv_cdf(0.975)


def outcomes(shown: int, trials: int) -> Tensor:
    return torch.arange(trials) < shown


def wilson(shown: int, trials: int) -> tuple[float, float]:
    # Wilson 1927: the rates p with |k/n − p| = z √(p(1 − p)/n), the roots of a square equation
    rate, middle = shown / trials, (shown + Z**2 / 2) / (trials + Z**2)
    half = Z / (1 + Z**2 / trials) * math.sqrt(rate * (1 - rate) / trials + Z**2 / 4 / trials**2)
    return middle - half, middle + half


some = settings(derandomize=True, max_examples=50, deadline=None)
counts = st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


# Rates


@some
@given(counts)
def test_the_interval_of_a_rate_is_wilsons(count):
    assert rate_interval(outcomes(*count)) == pytest.approx(wilson(*count), abs=1e-12)


@some
@given(counts)
def test_the_interval_of_a_rate_lies_within_0_and_1_and_holds_the_rate(count):
    shown, trials = count
    low, high = rate_interval(outcomes(shown, trials))
    assert 0 <= low <= shown / trials <= high <= 1


@some
@given(counts)
def test_what_is_not_shown_has_the_mirrored_interval(count):
    low, high = rate_interval(outcomes(*count))
    other_low, other_high = rate_interval(~outcomes(*count))
    assert (1 - other_high, 1 - other_low) == pytest.approx((low, high), abs=1e-12)


def test_the_order_of_outcomes_does_not_matter():
    assert rate_interval(outcomes(7, 20).flip(0)) == rate_interval(outcomes(7, 20))


@pytest.mark.parametrize("trials", [10, 20, 100])
def test_the_interval_of_a_rate_covers_it_95_times_in_a_hundred(trials):
    interval = np.array([rate_interval(outcomes(k, trials)) for k in range(trials + 1)])
    rates = np.linspace(0.0005, 0.9995, 1000)[:, None]
    covered = (interval[:, 0] <= rates) & (rates <= interval[:, 1])
    chance = stats.binom.pmf(np.arange(trials + 1), trials, rates)
    coverage = (covered * chance).sum(1)
    assert coverage.mean() == pytest.approx(0.95, abs=0.01)  # exactly, over all rates alike
    assert coverage.min() > 0.82


def test_a_rate_needs_a_trial():
    with pytest.raises(InvalidArgument, match="outcomes is empty: a rate needs at least one trial"):
        rate_interval(torch.zeros(0, dtype=torch.bool))


# Means


def test_the_interval_of_two_values_is_students():
    # t of one degree of freedom is Cauchy's: its 97.5 % point is tan(0.475 π)
    mean, low, high = mean_interval(torch.tensor([1.0, 5.0]))
    half = math.tan(0.475 * math.pi) * 2
    assert (mean, low, high) == pytest.approx((3, 3 - half, 3 + half))


def test_the_interval_of_three_values_is_students():
    # t of two degrees of freedom at P is (2P − 1)/√(2P(1 − P)); the error is √(var/3)
    mean, low, high = mean_interval(torch.tensor([0.0, 1.0, 5.0]))
    half = 0.95 / math.sqrt(2 * 0.975 * 0.025) * math.sqrt(7 / 3)
    assert (mean, low, high) == pytest.approx((2, 2 - half, 2 + half))


def test_many_values_have_the_normal_interval():
    values = torch.tensor([-1.0, 1.0]).repeat(50_000)
    _, low, high = mean_interval(values)
    assert (low, high) == pytest.approx((-Z / 100_000**0.5, Z / 100_000**0.5), rel=1e-4)


def test_the_interval_of_a_mean_covers_it_95_times_in_a_hundred():
    samples = torch.randn(1000, 4, generator=torch.Generator().manual_seed(0)) + 3
    intervals = [mean_interval(sample) for sample in samples]
    covered = sum(low <= 3 <= high for _, low, high in intervals) / 1000
    assert covered == pytest.approx(0.95, abs=0.02)  # its standard error is 0.007


def test_an_interval_follows_its_values_when_they_are_moved_and_stretched():
    values = torch.tensor([0.3, 0.9, 0.4, 0.7])
    expected = [10 - 2 * end for end in mean_interval(values)]
    mean, low, high = mean_interval(10 - 2 * values)
    assert [mean, high, low] == pytest.approx(expected)


def test_large_values_lose_no_digits():
    values = torch.tensor([1e7 + 1, 1e7 + 2, 1e7 + 4])
    assert mean_interval(values) == pytest.approx(
        [end + 1e7 for end in mean_interval(torch.tensor([1.0, 2.0, 4.0]))], abs=1e-6
    )


def test_equal_values_have_an_interval_without_width():
    assert mean_interval(torch.full((5,), 0.25)) == (0.25, 0.25, 0.25)


@pytest.mark.parametrize("count", [0, 1])
def test_an_interval_of_a_mean_needs_two_values(count):
    message = f"values has {count} entries: an interval needs at least two"
    with pytest.raises(InvalidArgument, match=message):
        mean_interval(torch.ones(count))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_mean_of_what_is_not_finite_is_refused(bad):
    with pytest.raises(InvalidArgument, match="values has an entry that is NaN or infinite"):
        told(torch.tensor([1.0, bad, 2.0]))


@pytest.mark.parametrize(
    ("values", "digits", "text"),
    [
        ([0.25, 0.25], 3, "0.250 [0.250, 0.250]"),
        ([-0.5, -0.5], 1, "−0.5 [−0.5, −0.5]"),
        ([1.0, 5.0], 0, "3 [−22, 28]"),
        ([99.0, 100.0, 101.0], 2, "100.00 [97.52, 102.48]"),
    ],
)
def test_a_mean_is_told_with_its_interval_digits_and_the_sign_of_minus(values, digits, text):
    assert told(torch.tensor(values), digits=digits) == text
    assert "-" not in text


def test_a_rate_is_told_in_percent():
    assert told_rate(outcomes(0, 20)) == "0% [0%, 16%]"
    assert told_rate(outcomes(100, 200)) == "50% [43%, 57%]"


# Ranks


def by_hand(row: Tensor, order: Tensor) -> float:
    # Spearman 1904, without ties: 1 − 6 Σd²/(k(k² − 1)), d the differences of ranks
    difference = row.argsort().argsort() - order.argsort().argsort()
    k = len(row)
    return 1 - 6 * difference.square().sum().item() / (k * (k**2 - 1))


def test_a_rank_correlation_is_spearmans():
    generator = torch.Generator().manual_seed(0)
    values, order = torch.rand(20, 7, generator=generator), torch.rand(7, generator=generator)
    found = rank_correlation(values, order)
    assert found.tolist() == pytest.approx([by_hand(row, order) for row in values])
    assert found.shape == (20,)


def test_ranks_know_no_scale():
    order = torch.logspace(0, 2, 9)
    rising = torch.stack([order, order.log(), order**3, -1 / order])
    assert rank_correlation(rising, order).tolist() == pytest.approx([1] * 4)
    assert rank_correlation(rising.flip(1), order).tolist() == pytest.approx([-1] * 4)


def test_equal_values_share_their_rank():
    # ranks 1.5, 1.5, 3 against 1, 2, 3: the covariance 1.5 over √(1.5 · 2)
    found = rank_correlation(torch.tensor([[5.0, 5.0, 9.0]]), torch.tensor([1.0, 2.0, 3.0]))
    assert found.item() == pytest.approx(1.5 / 3**0.5)


def test_each_row_may_have_an_order_of_its_own():
    generator = torch.Generator().manual_seed(0)
    values, order = torch.rand(2, 4, 9, generator=generator)
    alone = [
        rank_correlation(row[None], own).item() for row, own in zip(values, order, strict=True)
    ]
    assert rank_correlation(values, order).tolist() == alone
    assert rank_correlation(values, order[0]).tolist() != alone


def test_an_infinite_value_is_the_largest():
    found = rank_correlation(torch.tensor([[1.0, math.inf, 0.0]]), torch.tensor([2.0, 3.0, 1.0]))
    assert found.item() == pytest.approx(1)


def test_every_setting_gets_the_values_of_its_own_best_try():
    generator = torch.Generator().manual_seed(0)
    loss = torch.rand(5, 3, 4, generator=generator)
    values = torch.rand(5, 3, 4, 2, 6, generator=generator)
    found = best_of(loss, values)
    assert found.shape == (3, 4, 2, 6)
    for i in range(3):
        for j in range(4):
            assert torch.equal(found[i, j], values[loss[:, i, j].argmin(), i, j])


def test_the_loss_itself_comes_out_as_its_minimum():
    loss = torch.rand(7, 2, generator=torch.Generator().manual_seed(1))
    assert torch.equal(best_of(loss, loss), loss.amin(0))


def test_without_settings_one_try_is_left():
    assert best_of(torch.tensor([2.0, 1.0]), torch.tensor([[1, 2], [3, 4]])).tolist() == [3, 4]


@pytest.mark.parametrize("tries", [1, 3, 7, 8])
def test_the_best_of_each_group_is_that_of_the_group_alone(tries):
    generator = torch.Generator().manual_seed(2)
    loss = torch.rand(7, 2, generator=generator)
    values = torch.rand(7, 2, 3, generator=generator)
    found = best_of_each(loss, values, tries)
    assert found.shape == (7 // tries, 2, 3)
    for group, one in enumerate(found):
        own = slice(group * tries, (group + 1) * tries)
        assert torch.equal(one, best_of(loss[own], values[own]))


@pytest.mark.parametrize("tries", [1, 2, 3, 5])
def test_the_share_of_the_best_is_that_over_all_choices(tries):
    generator = torch.Generator().manual_seed(0)
    loss = torch.rand(5, 2, generator=generator)
    shown = torch.rand(5, 2, generator=generator) < 0.5
    choices = torch.tensor(list(combinations(range(5), tries)))
    expected = torch.stack([best_of(loss[c], shown[c]) for c in choices]).double().mean(0)
    assert torch.allclose(share_of_best(loss, shown, tries), expected)


def test_more_tries_than_losses_are_refused():
    with pytest.raises(InvalidArgument, match="tries is 4"):
        share_of_best(torch.rand(3), torch.ones(3).bool(), 4)
