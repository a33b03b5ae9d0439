"""The tests of the claims on the costs of superposition, each on measurements made by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from superpos import codes
from superpos.studies import costs_of_superposition as costs

judged = costs.study.judge


def alike(values, trials: int = 3) -> Tensor:
    """The same value for every trial: ``(sizes, trials)``."""
    return torch.tensor(values)[:, None].expand(-1, trials).clone()


LEMMA = alike([codes.lemma_noise(n, m) for m, n in costs.SIZES])
RANDOM_WALK = alike([m**-0.5 for m, _ in costs.SIZES])


def cosines(typical: Tensor, worst: Tensor) -> SimpleNamespace:
    return SimpleNamespace(typical=typical, worst=worst)


def test_a_typical_cosine_like_the_lemmas_shows_the_estimate():
    assert judged("cost-noise", cosines(1.9 * LEMMA, LEMMA)).shown.all()


def test_the_lemma_may_hold_for_the_worst_pair_alone_or_for_none():
    found = judged("cost-noise", cosines(RANDOM_WALK, 0.6 * LEMMA))
    assert not found.shown.any()
    assert found.weaker.all()
    assert not judged("cost-noise", cosines(RANDOM_WALK, 0.4 * LEMMA)).weaker.any()


def test_an_order_of_magnitude_is_a_factor_of_ten_either_way():
    for times in (1 / 9.9, 9.9):
        assert judged("cost-noise-2", cosines(times * LEMMA, LEMMA)).shown.all()
    for times in (1 / 10.1, 10.1):
        found = judged("cost-noise-2", cosines(times * LEMMA, LEMMA))
        assert not found.shown.any()
        assert found.weaker.all()
    assert not judged("cost-noise-2", cosines(LEMMA, 11 * LEMMA)).weaker.any()


@pytest.mark.parametrize(
    ("times", "shown"), [(1.0, True), (1.04, True), (1.06, False), (0.9, False)]
)
def test_a_random_walk_is_that_within_a_twentieth(times, shown):
    found = judged("cost-noise-rms", cosines(times * RANDOM_WALK, LEMMA)).shown
    assert found.tolist() == [shown] * 12


def test_the_footnotes_angle_is_neither_exceeded_nor_undercut():
    error = torch.logspace(-3, -1, 5, dtype=torch.float64)
    first = (2 + 2**0.5) * error
    for added, shown in (
        (0, True),
        (9 * error**2, True),
        (11 * error**2, False),
        (-0.5 * first, False),
    ):
        found = judged("cost-angle", {"error": error, "cosine": first + added}).shown
        assert found.all() if shown else not found.any()


def noise(exponent: float, times: float) -> dict[str, SimpleNamespace]:
    """Noise that is a power of l, times the typical cosine."""
    count = torch.tensor(costs.ACTIVE).float()
    typical = torch.tensor([0.05, 0.1])
    kind = SimpleNamespace(noise=times * typical[:, None] * count**exponent, typical=typical)
    return {"random": kind, "optimised": kind}


def test_noise_that_adds_up_like_a_random_walk_shows_the_root():
    found = judged("cost-sqrt-l", noise(0.5, 1.0))
    assert found.shown.all()
    assert found.weaker.all()
    assert found.measured["Exponent of l"].startswith("0.500 to 0.500 (random)")


def test_larger_noise_may_still_grow_as_the_root():
    found = judged("cost-sqrt-l", noise(0.5, 1.2))
    assert not found.shown.any()
    assert found.weaker.all()
    assert not judged("cost-sqrt-l", noise(1.0, 1.0)).weaker.any()


# How many at once

BOUND = alike([costs.bound(n, m) for m, n in costs.READ])
DIMENSIONS = alike([float(m) for m, _ in costs.READ])


def read(**values) -> SimpleNamespace:
    """Readings of codes of three sizes, with some values of them."""
    usual = {"alone": 2.5 * BOUND, "together": BOUND, "noise_at_m": 1.0 + 0 * BOUND}
    usual["loud"] = DIMENSIONS
    return SimpleNamespace(**{**usual, **values})


def test_as_many_as_the_post_says_show_its_bound():
    assert judged("cost-capacity", read(alone=1.5 * BOUND)).shown.all()


def test_the_post_may_be_right_about_reading_everything_or_about_nothing():
    found = judged("cost-capacity", read())
    assert not found.shown.any()
    assert found.weaker.all()
    assert not judged("cost-capacity", read(together=BOUND / 3)).weaker.any()


def test_a_tenth_or_ten_times_as_many_as_the_post_says_are_of_its_order():
    for times, shown in ((0.11, True), (9.9, True), (0.09, False), (10.1, False)):
        found = judged("cost-capacity-2", read(alone=times * BOUND)).shown
        assert found.all() if shown else not found.any()
    few = judged("cost-capacity-2", read(alone=11 * BOUND, together=BOUND / 11))
    assert not few.weaker.any()
    loud = judged("cost-capacity-2", read(loud=5 * BOUND)).measured
    assert loud["Noise as large as the signal, over m/(8 ln n)"].startswith("5 to 5")


@pytest.mark.parametrize(
    ("times", "shown"), [(0.51, True), (1.9, True), (0.49, False), (2.1, False)]
)
def test_noise_must_reach_the_signal_near_as_many_features_as_dimensions(times, shown):
    found = judged("cost-capacity-rms-2", read(loud=times * DIMENSIONS)).shown
    assert found.tolist() == [shown] * 9


def test_as_many_as_dimensions_show_the_comments_bound():
    assert judged("cost-capacity-rms", read(alone=0.6 * DIMENSIONS)).shown.all()


def test_where_as_many_as_dimensions_are_active_the_noise_may_be_as_large_as_the_signal():
    found = judged("cost-capacity-rms", read())
    assert not found.shown.any()
    assert found.weaker.all()
    assert not judged("cost-capacity-rms", read(noise_at_m=0.8 + 0 * BOUND)).weaker.any()


def test_one_input_read_wrong_at_one_number_spoils_a_code():
    right = torch.ones(3, len(costs.ORTHOGONAL))
    right[1, -1] = 0.999
    hundred = SimpleNamespace(right=right, worst=torch.full((3,), 1e-9))
    assert judged("cost-loose", hundred, [5.0, 5.2]).shown.tolist() == [True, False, True]


def stored(number=1e9, silent=0.5, active=1.0) -> dict[str, Tensor]:
    m = torch.arange(2, 65)
    values = {"number": number, "silent": silent, "active": active}
    made = {name: torch.full((63,), value).double() for name, value in values.items()}
    return {"m": m, **made}


def test_only_few_or_unreadable_vectors_leave_the_bound_on_features_standing():
    assert not judged("cost-features", stored()).shown.any()
    for kept in (stored(number=1.0), stored(silent=0.6), stored(active=0.9)):
        assert judged("cost-features", kept).shown.all()


def test_the_roots_can_be_read_and_are_more_than_the_bound():
    found = costs.root_codes()
    assert found["number"].tolist() == [2 * m * (m - 1) for m in range(2, 65)]
    assert found["silent"][1:].allclose(torch.tensor(0.5).double())  # in the plane they are a cross
    assert not judged("cost-features", found).shown.any()


# Levels


def levels(values: Tensor) -> SimpleNamespace:
    return SimpleNamespace(levels=values.expand(3, -1))


def test_levels_like_the_posts_show_its_estimate_whatever_they_are_for_two():
    post = costs.post_levels()
    far = post.clone()
    far[0] *= 5
    assert judged("cost-levels", levels(post)).shown.all()
    assert judged("cost-levels", levels(far)).shown.all()


def test_more_levels_may_still_fall_as_one_over_the_root():
    root = torch.tensor(costs.SHARED).float().sqrt()
    found = judged("cost-levels", levels(1 + 12 / root))
    assert not found.shown.any()
    assert found.weaker.all()
    assert not judged("cost-levels", levels(torch.full((4,), 40.0))).weaker.any()


def test_levels_must_be_of_the_posts_order_for_two_features_as_well():
    post = costs.post_levels()
    assert judged("cost-levels-2", levels(9.9 * post)).shown.all()
    far = post.clone()
    far[0] *= 10.1
    found = judged("cost-levels-2", levels(far))
    assert not found.shown.any()
    assert not judged("cost-levels-2", levels(torch.full((4,), 40.0))).weaker.any()


# Layers


def chain(alone: float, threshold: float, fitted: float) -> SimpleNamespace:
    """Noise that grows evenly from the first layer to the last, by these factors."""
    times = torch.tensor([alone, 5.0, 2.0, threshold, fitted, 1.0])
    grown = times[:, None] ** torch.linspace(0, 1, costs.LAYERS)
    return SimpleNamespace(
        noise=0.1 * grown.expand(3, -1, -1), wrong=torch.zeros(3, 6, costs.LAYERS)
    )


@pytest.mark.parametrize(
    ("times", "shown"),
    [
        ((3, 1.1, 1.0), True),
        ((1.5, 1.1, 1.0), False),
        ((3, 1.3, 1.0), False),
        ((3, 1.1, 2.0), False),
    ],
)
def test_noise_grows_alone_and_is_kept_by_a_threshold_and_by_a_fit(times, shown):
    crowds = SimpleNamespace(times=torch.ones(len(costs.CROWDS), 2))
    found = judged("cost-compounding", chain(*map(float, times)), crowds).shown
    assert found.tolist() == [shown] * 3


# Few bits


def models(four_bits: Tensor) -> SimpleNamespace:
    """Losses of three models, raised by rounding everything to four bits by these shares."""
    rounded = torch.ones(3, len(costs.P), 3, len(costs.BITS)) * 9
    rounded[:, :, 2, costs.BITS.index(4)] = 1 + four_bits
    return SimpleNamespace(exact=torch.ones(3, 3), apart=torch.ones(3, 3), rounded=rounded)


def test_four_bits_are_enough_where_they_raise_the_loss_by_little_at_every_density():
    rise = torch.full((3, 3), 0.05)
    rise[1, 2] = 0.2
    assert judged("cost-precision", models(rise)).shown.tolist() == [True, False, True]


# Bits in all


def information(value: float, low: float, high: float, dedicated: float) -> SimpleNamespace:
    """Bits a dimension with their interval, the same for readings and after a threshold."""
    estimate = torch.tensor([value, low, high, 0.001]).expand(len(costs.READ), 2, 4)
    alone = torch.full((len(costs.READ), 2), dedicated)
    return SimpleNamespace(
        read=estimate, thresholded=estimate[..., :3], dedicated=alone, written=2 * alone
    )


def test_less_than_a_bit_a_dimension_must_be_known_to_be_less():
    assert judged("cost-bits", information(0.3, 0.2, 0.4, 0.1)).shown.all()
    assert not judged("cost-bits", information(0.9, 0.7, 1.1, 0.1)).shown.any()


def test_superposition_wins_if_it_surely_tells_more_than_dedicated_dimensions():
    assert judged("cost-win", information(0.3, 0.2, 0.4, 0.1)).shown.all()
    assert not judged("cost-win", information(0.3, 0.2, 0.4, 0.25)).shown.any()


def test_the_posts_bound_is_that_of_the_normal_law_for_many_features():
    n = 10**9
    z2 = 1 / (4 * costs.bound(n, 1))  # l = m/4z²
    assert z2 == pytest.approx(2 * math.log(n))


# More layers to read with, and dependent features


def by_reader(rounds: float, transpose: float = 5.0, pseudoinverse: float = 7.0):
    named = {"transpose": transpose, "pseudoinverse": pseudoinverse, "rounds": rounds}
    return SimpleNamespace(**{name: torch.full((2, 3), value) for name, value in named.items()})


def test_rounds_must_read_twice_what_the_better_linear_reading_does():
    assert judged("cost-nonlinear", by_reader(14.5)).shown.tolist() == [True] * 6
    assert not judged("cost-nonlinear", by_reader(13.0)).shown.any()
    assert not judged("cost-nonlinear", by_reader(14.5, transpose=8.0)).shown.any()


def test_what_is_read_without_superposition_is_the_entropy_less_what_errors_take():
    known = costs.bits_read(torch.tensor([32.0]), 64, 64)  # p = 1/2: 1 − H(0.01)
    assert known.item() == pytest.approx(1 - 0.0808, abs=1e-4)


EXPECTED = torch.tensor([10.0, 6.0, 10.5])


def kinds(noise=1.0, times=(1.0, 1.0, 1.0)) -> SimpleNamespace:
    most = EXPECTED * torch.tensor(times)
    spread = (costs.MEAN / 256) ** 0.5
    return SimpleNamespace(noise=alike([noise * spread] * 3), most=alike(most.tolist()))


def test_dependence_must_leave_the_noise_and_change_what_is_read_as_expected():
    assert judged("cost-dependent", kinds(), EXPECTED).shown.all()
    assert not judged("cost-dependent", kinds(noise=1.1), EXPECTED).shown.any()
    assert not judged("cost-dependent", kinds(times=(0.7, 1.0, 1.0)), EXPECTED).shown.any()
    unlike = kinds(times=(1.0, 1.4, 1.0))
    assert not judged("cost-dependent", unlike, EXPECTED).shown.any()
    as_many = kinds(times=(1.0, 1.5, 1.0))  # known, but no fewer
    assert not judged("cost-dependent", as_many, EXPECTED * torch.tensor([1, 1.5, 1])).shown.any()


def test_judged_again_dependence_must_matter_by_a_tenth():
    for together, shown in ((8.8, True), (9.2, False)):
        expected = torch.tensor([10.0, together, 10.0])
        found = kinds(times=(1.0, together / 6, 10 / 10.5))
        assert judged("cost-dependent-2", found, expected).shown.tolist() == [shown] * 3


@pytest.mark.parametrize("kind", costs.KINDS)
def test_others_active_are_counted_as_they_are_drawn(kind):
    features = costs.dependent(kind, 8.0)
    draws = torch.Generator().manual_seed(0)
    x = features.inputs(torch.rand(4000, features.uniforms, generator=draws)).sign()
    assert x.mean().item() * 1024 == pytest.approx(8, rel=0.05)
    for active in (True, False):
        count, chance = costs.others_active(kind, 8.0, active=active)
        assert chance.sum().item() == pytest.approx(1, abs=1e-6)
        state = (x == active).float()
        drawn = (state * (x.sum(-1, keepdim=True) - x)).sum() / state.sum()
        assert (count * chance).sum().item() == pytest.approx(drawn.item(), rel=0.05)


def test_normal_noise_of_a_varying_number_is_worse_than_that_of_its_mean():
    of_eight = 1 - 2 * 2.326 * (8 / 256) ** 0.5  # by hand: 1 % is 2.326 standard deviations away
    margin = {kind: costs.normal_margin(kind, 8.0) for kind in costs.KINDS}
    assert margin["active together"] < margin["independent"] < of_eight
    assert margin["independent"] == pytest.approx(of_eight, abs=0.1)


def test_halving_finds_where_a_function_crosses():
    assert costs.halved(lambda l: 7.0 - l) == pytest.approx(7, rel=0.01)
