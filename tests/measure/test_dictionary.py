"""Measured beside chance: what is planted is found, what is chance is not called unusual."""

from __future__ import annotations

import math

import pytest
import torch

from superpos import losses, measure
from superpos.codes.polytopes import simplex
from superpos.errors import InvalidArgument
from superpos.measure import dictionary
from superpos.measure.dictionary import Interval
from superpos.measure.nulls import random_directions, same_spectrum


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def unusual(W: torch.Tensor, **options) -> dict[str, str]:
    found = measure.measure(W, **options)
    return {each.name: each.verdict for each in found.statistics if each.unusual}


def triangles(count: int, noise: float = 0.0) -> torch.Tensor:
    W = torch.block_diag(*[simplex(2)] * count).float()
    return W + noise * drawn(*W.shape)


@pytest.mark.parametrize("sign", [-1, 1])
def test_one_pair_on_nearly_a_line_is_found(sign):
    W = drawn(24, 64)
    along, across = torch.linalg.qr(W[:, :2]).Q.T
    W[:, 0], W[:, 1] = along, sign * (0.9 * along + 0.19**0.5 * across)
    assert unusual(W, codes=0)["worst_cosine"] == "above"


def test_opposite_pairs_are_found_among_ten_times_as_many_random_directions():
    W = drawn(24, 64)
    W[:, :3] = -W[:, 3:6]  # 3 pairs: 6 of 64 features
    found = unusual(W)
    assert found["joined"] == found["worst_cosine"] == "above"


def test_an_antipodal_dictionary_has_antipodes_and_bundles():
    half = drawn(60, 20)
    found = measure.measure(torch.cat([half, -half], 1))
    verdicts = {each.name: each.verdict for each in found.statistics}
    assert verdicts["antipode"] == "below"
    assert found.bundles == {(2, 1): 20}
    assert found.parts == (2,) * 20


def test_triangles_are_found_through_noise_of_half_their_length():
    names = {"nearest", "antipode", "dimensionality_spread"}
    assert names & set(unusual(triangles(20, noise=0.5 / 40**0.5), codes=0))


def test_triangles_are_bundles_through_noise_of_a_fifth_of_their_length():
    found = measure.measure(triangles(20, noise=0.2 / 40**0.5), codes=0, replicates=5)
    assert found.bundles == {(3, 2): 20}


def test_only_what_is_outside_of_both_nulls_together_is_unusual():
    intervals = {"random directions": Interval(1, 2, 3), "same spectrum": Interval(5, 6, 7)}
    for value, verdict in (
        (0.9, "below"),
        (2, "within"),
        (4, "within"),
        (6, "within"),
        (8, "above"),
    ):
        found = dictionary._compared("nearest", value, intervals, tolerance=1e-7)
        assert (found.verdict, found.chance) == (verdict, (1, 7))
    # its own spectrum says nothing about a spectrum
    found = dictionary._compared("effective_rank", 6, intervals, tolerance=1e-7)
    assert (found.verdict, found.chance) == ("above", (1, 3))


def test_intervals_leave_five_percent_to_all_statistics_together():
    share = 0.05 / len(dictionary.STATISTICS)
    assert 2 / (dictionary.RANKED + 1) <= share < 2 / dictionary.RANKED
    samples = torch.randn(4000, 21, generator=torch.Generator().manual_seed(0)).double()
    outside = 0
    for new, *others in samples:
        found = dictionary._interval(torch.stack(others), ranked=False)
        outside += not found.low <= new <= found.high
    assert 0.5 * share < outside / len(samples) < 1.7 * share


def test_features_that_come_twice_are_found():
    W = drawn(16, 50)
    W[:, 1] = W[:, 0] + 0.05 * drawn(16, seed=1)
    found = measure.measure(W)
    assert [each.verdict for each in found.statistics if each.name == "worst_cosine"] == ["above"]
    assert found.pairs[0][:2] in ((0, 1), (1, 0))


def test_a_direction_in_common_is_found():
    W = drawn(8, 60) + 0.5
    assert unusual(W)["mean_cosine"] == "above"


@pytest.mark.parametrize("kind", ["random directions", "same spectrum"])
def test_chance_is_called_unusual_at_most_as_often_as_stated(kind):
    # a sample of the thousand that `benchmarks/nulls.py` tries: 25 at a rate of 5 % give six or
    # more in one of 140 runs; the seeds are fixed
    draws = torch.Generator().manual_seed(0)
    eigenvalues = torch.tensor([4.0, 2.0, 1.0, 0.5]).double()
    if kind == "same spectrum":
        matrices = same_spectrum(eigenvalues, 10, 25, draws)
        names = set(dictionary.STATISTICS) - set(dictionary.OF_SPECTRUM)
    else:
        matrices = random_directions(torch.linspace(0.5, 2, 10).double(), 4, 25, draws)
        names = set(dictionary.STATISTICS)
    wrong = sum(
        any(name in names for name in unusual(W, seed=k, codes=0)) for k, W in enumerate(matrices)
    )
    assert wrong <= 5


def test_predicted_intervals_are_wider_than_what_replicates_show():
    W = drawn(6, 30)
    ranked = measure.measure(W)
    predicted = measure.measure(W, replicates=20)
    assert ranked.ranked
    assert not predicted.ranked
    for one, other in zip(ranked.statistics, predicted.statistics, strict=True):
        if one.name != "joined":
            few, many = (each.nulls["random directions"] for each in (other, one))
            assert few.high - few.low > 0.7 * (many.high - many.low)


def test_zero_columns_are_counted_left_out_and_keep_their_numbers():
    W = torch.zeros(3, 9)
    W[:, 4:] = drawn(3, 5)
    found, own = measure.measure(W, replicates=5), measure.measure(W[:, 4:], replicates=5)
    assert (found.without, found.n) == (4, 5)
    assert found.dimensionality == own.dimensionality
    assert found.pairs[0][0] == own.pairs[0][0] + 4


def test_scale_and_the_kind_of_numbers_change_nothing():
    W = drawn(4, 12)
    before = W.clone()
    own = measure.measure(W, replicates=5)
    for other in (1e-12 * W, 1e12 * W, W.numpy(), W.double(), torch.nn.Parameter(W)):
        found = measure.measure(other, replicates=5)
        for one, two in zip(own.statistics, found.statistics, strict=True):
            assert one.value == pytest.approx(two.value, rel=1e-5, abs=1e-6)
            assert one.verdict == two.verdict
    assert torch.equal(W, before)


def test_a_seed_selects_the_nulls():
    W = drawn(4, 12)
    first, again, other = (measure.measure(W, replicates=9, seed=seed) for seed in (1, 1, 2))
    assert first.statistics == again.statistics
    assert first.statistics != other.statistics


DEGENERATE = {
    "one dimension": drawn(1, 7),
    "two features": drawn(3, 2),
    "one feature": drawn(3, 1),
    "one number": torch.ones(1, 1),
    "all equal": torch.ones(4, 6),
    "all of them twice": drawn(4, 5).repeat(1, 2),
    "fewer features than dimensions": drawn(9, 4),
    "orthogonal": torch.eye(5),
    "rank one": drawn(4, 1) @ drawn(1, 6),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_input_gets_values(name: str):
    found = measure.measure(DEGENERATE[name], replicates=7)
    n = DEGENERATE[name].shape[1]
    for each in found.statistics:
        pairs = each.name.startswith(("rms", "worst", "mean", "nearest", "antipode", "joined"))
        assert math.isnan(each.value) == (pairs and n == 1 and each.name != "joined"), each
    assert found.n == n


@pytest.mark.parametrize("W", [drawn(1, 7), torch.ones(1, 1), drawn(3, 1)])
def test_where_nothing_can_differ_nothing_is_unusual(W):
    assert unusual(W, replicates=399) == {}


@pytest.mark.parametrize(
    ("W", "options", "message"),
    [(torch.zeros(2, 3), {}, "W is zero"), (torch.ones(2, 2, 3), {}, "one matrix, "),
     (torch.tensor([[math.nan]]), {}, "NaN"), (torch.ones(2, 3), {"seed": -1}, "seed is -1"),
     (torch.ones(2, 3), {"replicates": 4}, "replicates is 4"),
     (torch.ones(2, 3), {"probability": 1.5}, "probability is 1.5")],
)  # fmt: skip
def test_what_cannot_be_measured_is_refused(W, options, message):
    with pytest.raises(InvalidArgument, match=message):
        measure.measure(W, **options)


def test_the_loss_is_that_of_the_whole_model_and_its_absence_is_explained():
    W, b = drawn(2, 5), drawn(5, seed=1)
    W[:, 0] = 0
    found = measure.measure(W, b=b, probability=0.3, replicates=5)
    assert found.loss is not None
    mean, error = found.loss
    assert abs(mean - losses.exact_loss(W, b, 0.3).item()) < 5 * error
    assert "no bias" in measure.measure(W, probability=0.3, replicates=5).no_loss


def test_many_features_are_sampled_and_the_error_is_told(monkeypatch):
    W = drawn(8, 300)
    own = measure.measure(W, replicates=5)
    monkeypatch.setattr(dictionary, "_ALL_PAIRS", 100)
    monkeypatch.setattr(dictionary, "_SAMPLED", 100)
    found = measure.measure(W, replicates=5)
    assert found.sampled == 100
    assert found.parts is None
    value, all_pairs = (
        next(each.value for each in one.statistics if each.name == "nearest")
        for one in (found, own)
    )
    assert 0 < abs(value - all_pairs) < 4 * found.errors["nearest"]


def test_hardly_represented_features_are_left_out_where_that_is_asked_for():
    W = drawn(3, 9)
    W[:, :4] *= 0.01
    found, own = (
        measure.measure(W, replicates=5, shortest=0.1),
        measure.measure(W[:, 4:], replicates=5),
    )
    assert (found.without, found.n, found.shortest) == (4, 5, 0.1)
    assert found.dimensionality == own.dimensionality
    assert measure.measure(W, replicates=5).without == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [({"b": torch.zeros(3, 1, 5), "probability": 0.1}, "b has shape"),
     ({"b": torch.zeros(5), "probability": torch.full((2, 1), 0.1)}, "probability has shape"),
     ({"shortest": 1.0}, "shortest is 1.0"), ({"shortest": float("nan")}, "shortest is nan")],
)  # fmt: skip
def test_of_one_dictionary_there_is_one_bias_and_one_probability(options, message):
    with pytest.raises(InvalidArgument, match=message):
        measure.measure(drawn(2, 5), replicates=5, **options)
