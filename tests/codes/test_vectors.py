"""Codes: what holds for all of them, and the known best ones."""

import math

import pytest
import torch

from superpos import InvalidArgument, codes
from superpos.codes import capacity, thomson, vectors


@pytest.mark.parametrize(("n", "m"), [(3, 2), (6, 3), (7, 5), (40, 16), (12, 12)])
def test_no_code_is_below_the_welch_bound(n, m):
    for W in (codes.random_code(n, m), codes.optimised_code(n, m)):
        assert codes.typical_cosine(W) >= codes.welch_bound(n, m) - 1e-6
        assert codes.coherence(W) >= codes.typical_cosine(W) - 1e-9


@pytest.mark.parametrize(("n", "m"), [(3, 2), (6, 3), (10, 5), (16, 6)])
def test_the_known_equiangular_lines_are_found(n, m):
    # Welch's bound is attained by n equiangular lines: (3, 2), (6, 3), (10, 5), (16, 6) have them
    best = codes.optimised_code(n, m, tries=30, steps=300)
    assert codes.coherence(best).item() == pytest.approx(codes.welch_bound(n, m), abs=2e-3)


def test_four_lines_in_the_plane_are_45_degrees_apart():
    best = codes.optimised_code(4, 2, tries=5)
    assert codes.coherence(best).item() == pytest.approx(math.cos(math.pi / 4), abs=1e-3)


def test_as_many_vectors_as_dimensions_become_orthogonal():
    W = codes.optimised_code(20, 20)
    assert torch.allclose(W.T @ W, torch.eye(20, dtype=W.dtype), atol=1e-6)


def test_cosines_do_not_change_with_a_rotation_nor_with_the_order():
    W = codes.random_code(9, 4).double()
    R = torch.linalg.qr(codes.random_code(4, 4, seed=1).double()).Q
    turned = (R @ W)[:, torch.randperm(9, generator=torch.Generator().manual_seed(0))]
    for measure in (codes.coherence, codes.typical_cosine):
        torch.testing.assert_close(measure(turned), measure(W))


def test_random_cosines_have_variance_one_over_m():
    W = codes.random_code(800, 50)
    assert codes.typical_cosine(W).item() == pytest.approx(50**-0.5, rel=0.02)


def test_the_chance_of_a_larger_cosine_is_that_of_random_directions():
    W = codes.random_code(2000, 8)
    upper = torch.ones(2000, 2000).triu(1) > 0
    share = ((W.T @ W)[upper] > 0.4).double().mean().item()
    assert share == pytest.approx(codes.chance_above(0.4, 8), rel=0.03)
    assert codes.chance_above(0.0, 8) == pytest.approx(0.5)


@pytest.mark.parametrize(("n", "m"), [(5, 4), (9, 4), (20, 8), (76, 64)])
def test_harmonic_codes_are_tight_frames_of_unit_vectors_that_sum_to_zero(n, m):
    W = codes.harmonic_code(n, m)
    one = torch.eye(m, dtype=W.dtype)
    assert torch.allclose(W @ W.T, one * n / m)
    assert torch.allclose(W.norm(dim=0), torch.ones(n, dtype=W.dtype))
    assert W.sum(1).abs().max() < 1e-9
    assert codes.typical_cosine(W).item() == pytest.approx(codes.welch_bound(n, m))


def test_harmonic_codes_read_any_number_of_slightly_too_many_features():
    found = codes.harmonic_code(72, 64)
    assert capacity.most_active(found) == 72
    assert capacity.most_active(codes.random_code(72, 64)) < 10


@pytest.mark.parametrize("m", [2, 3, 4, 7])
def test_roots_are_different_unit_vectors_none_closer_than_60_degrees(m):
    W = codes.roots(m)
    assert W.shape == (m, 2 * m * (m - 1))
    cosine = W.T @ W
    assert torch.allclose(cosine.diagonal(), torch.ones(W.shape[1], dtype=W.dtype))
    off = cosine - 2 * torch.eye(W.shape[1], dtype=W.dtype)
    assert off.max() < 0.5 + 1e-9


@pytest.mark.parametrize("power", [2, 4, 8, 64])
def test_repeated_squaring_is_the_power(power):
    ours, plain = vectors._even_power(power, 0.5), thomson.power(float(power))
    c = torch.linspace(-0.5, 0.5, 11, dtype=torch.float64)
    torch.testing.assert_close(ours.value(c), plain.value(c / 0.5))
    torch.testing.assert_close(ours.slope(c), plain.slope(c / 0.5) / 0.5)


def test_the_largest_angle_is_that_of_two_long_sides_and_a_short_distance_or_the_reverse():
    for error in (0.001, 0.03, 0.1):
        # derived by hand: both lengths 1 − ε, distance √2 + ε
        closed = ((2 + 2**0.5) * error - error**2 / 2) / (1 - error) ** 2
        assert codes.largest_cosine(error) == pytest.approx(closed, rel=1e-6)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(InvalidArgument, match=r"error is 1\.5"):
        codes.largest_cosine(1.5)
    with pytest.raises(InvalidArgument, match="one column"):
        codes.coherence(torch.ones(3, 1))
    with pytest.raises(InvalidArgument, match="an even m below n"):
        codes.harmonic_code(8, 8)
    with pytest.raises(InvalidArgument, match="cosine is 1"):
        codes.chance_above(1, 3)
