"""What can be read from a code: against codes whose readings are known, and normal noise."""

import math

import pytest
import torch

from superpos import InvalidArgument, codes
from superpos.codes import capacity


def test_an_orthogonal_code_reads_everything():
    W = torch.eye(12)
    for active in (1, 5, 12):
        found = capacity.read(W, active, inputs=50)
        assert torch.equal(found.f, found.x)
        assert found.all_right() == 1.0
    assert capacity.most_active(W, inputs=50) == 12
    assert capacity.most_active(W, together=True, inputs=50) == 12


def test_readings_are_those_of_the_matrix_and_have_that_many_active():
    W = codes.random_code(30, 10)
    found = capacity.read(W, 7, inputs=40, amplitudes=True)
    torch.testing.assert_close(found.f, found.x @ W.T @ W, atol=1e-5, rtol=1e-5)
    assert ((found.x > 0).sum(1) == 7).all()
    assert found.x.max() <= 1


def test_sets_are_nested():
    W = codes.random_code(30, 10)
    few, more = (capacity.read(W, k, inputs=40).x > 0 for k in (4, 9))
    assert (more | ~few).all()


def test_noise_grows_as_the_root_of_the_number_of_active_features():
    W = codes.random_code(2000, 100)
    for active in (1, 4, 16):
        noise = capacity.read(W, active, inputs=200).noise
        assert noise == pytest.approx(math.sqrt(active / 100), rel=0.05)


def test_rotations_change_no_reading():
    W = codes.random_code(40, 10).double()
    R = torch.linalg.qr(codes.random_code(10, 10, seed=1).double()).Q
    one, other = (capacity.read(code, 3, inputs=30).f for code in (W, R @ W))
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_margin_and_all_right_by_hand():
    f = torch.tensor([[0.9, 0.1, 0.2], [0.3, 0.8, 0.2], [0.4, 0.5, 1.0]])
    x = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    found = capacity.Readings(f, x)
    assert found.margin(0.01) == pytest.approx(0.8 - 0.5)
    assert found.all_right() == 1.0
    wrong = capacity.Readings(f.flip(1), x)  # inputs 1 and 3 are now read wrong
    assert wrong.all_right() == pytest.approx(1 / 3)


def test_the_capacity_of_random_codes_is_that_of_normal_noise():
    W = codes.random_code(1024, 256)
    alone = capacity.most_active(W)
    assert alone == pytest.approx(capacity.gaussian_capacity(1024, 256), rel=0.15)
    assert capacity.most_active(W, error=0.001) < alone < capacity.most_active(W, error=0.05)
    assert capacity.most_active(W, together=True) < alone


def test_for_many_features_reading_all_at_once_allows_the_lemmas_number():
    n, m = 10**60, 1.0
    together = capacity.gaussian_capacity(n, m, together=True)
    assert together == pytest.approx(m / (8 * math.log(n)), rel=0.05)


def test_levels_grow_with_the_root_of_the_dimensions():
    few, many = (capacity.levels(codes.random_code(500, m), 4) for m in (256, 4096))
    assert (many - 1) / (few - 1) == pytest.approx(4, rel=0.15)


def test_levels_are_told_by_the_readings_of_active_features():
    W = codes.random_code(60, 30)
    found = capacity.read(W, 5, inputs=200, amplitudes=True)
    on = found.x > 0
    off = (found.f[on] - found.x[on]).abs().sort().values
    expected = 1 + 1 / (2 * off[math.ceil(0.99 * len(off)) - 1])
    assert capacity.levels(W, 5, inputs=200) == pytest.approx(expected.item(), rel=1e-4)


def test_an_orthogonal_code_stores_the_entropy_of_its_features():
    found = capacity.stored_bits(torch.eye(64), 8.0, inputs=3000)
    entropy = -(math.log2(1 / 8) / 8 + math.log2(7 / 8) * 7 / 8)
    assert found.dedicated == pytest.approx(entropy)
    for bits in (found.read, found.thresholded):
        assert abs(bits.value - entropy) < 4 * bits.standard_error + 1e-3


def test_information_is_that_of_a_channel_with_normal_noise():
    # counts of x in {0, 1}, p = 1/2, through a binary channel that errs one time in ten
    counts = torch.tensor([[45.0, 5.0], [5.0, 45.0]], dtype=torch.float64)
    entropy = -(0.1 * math.log2(0.1) + 0.9 * math.log2(0.9))
    assert capacity._information(counts).item() == pytest.approx(1 - entropy)
    assert capacity._information(torch.ones(3, 2, dtype=torch.float64)).item() == pytest.approx(
        0, abs=1e-12
    )


def test_the_correction_takes_the_bias_off():
    # readings that know nothing of the features: all that is found is bias
    draws = torch.Generator().manual_seed(0)
    cell = torch.randint(0, 10, (400, 50, 10), generator=draws)
    on = torch.randint(0, 2, (400, 50, 10), generator=draws)
    values = []
    for place, x in zip(cell, on, strict=True):
        counts = torch.zeros(10, 10, 2, dtype=torch.float64)
        for block in range(10):
            counts[block].view(-1).index_add_(
                0, place[:, block] * 2 + x[:, block], torch.ones(50, dtype=torch.float64)
            )
        values.append(capacity._bits(counts, 1.0))
    left = torch.tensor([bits.value for bits in values]).mean()
    bias = torch.tensor([bits.bias for bits in values]).mean()
    assert abs(left) < 0.1 * bias


def test_a_threshold_keeps_less_than_the_reading_and_both_less_than_what_was_written():
    found = capacity.stored_bits(codes.random_code(512, 128), 6.0)
    assert found.thresholded.value < found.read.value < found.written
    low, high = found.read.interval
    assert low < found.read.value < high


def test_what_makes_no_sense_is_refused():
    with pytest.raises(InvalidArgument, match="active is 9"):
        capacity.read(torch.eye(8), 9)
    with pytest.raises(InvalidArgument, match="columns of length"):
        capacity.read(2 * torch.eye(8), 1)
    with pytest.raises(InvalidArgument, match="active is 8"):
        capacity.stored_bits(torch.eye(8), 8.0)


@pytest.mark.parametrize("active", [1, 12, 36, 60])
def test_the_noise_of_a_harmonic_frame_is_that_of_draws_without_repetition(active):
    W = codes.harmonic_code(72, 64).double()
    theory = capacity.frame_variance(72, 64, active)
    others = W.mT @ W - torch.eye(72, dtype=torch.float64)
    mean, square = others.sum(1) / 71, others.square().sum(1) / 71
    exact = active * (71 - active) / 70 * (square - mean**2)  # of a sum drawn from 71 numbers
    assert exact.allclose(torch.tensor(theory, dtype=torch.float64), rtol=1e-6)
    sampled = capacity.read(W, active, inputs=2000).silent.var().item()
    assert sampled == pytest.approx(theory, rel=0.03)
