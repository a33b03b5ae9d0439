"""What is read off a matrix agrees with the plain formulas, in blocks as whole."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from superpos import geometry
from superpos.codes import vectors
from superpos.codes.polytopes import simplex
from superpos.measure import statistics
from superpos.measure.nulls import optimised_code, random_directions, same_spectrum


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 9), st.integers(1, 6), st.integers(1, 3), st.integers(0, 99))
def test_statistics_are_those_of_all_pairs(n, m, models, seed):
    W = drawn(models, m, n, seed=seed)
    found = statistics.read(W, torch.arange(n), 0.9, histogram=True)
    torch.testing.assert_close(found.dimensionality, geometry.feature_dimensionality(W))
    torch.testing.assert_close(
        found.values["rms_cosine"], vectors.typical_cosine(W), atol=1e-7, rtol=1e-6
    )
    torch.testing.assert_close(found.values["worst_cosine"], vectors.coherence(W))
    cosine = geometry.cosines(W)
    others = cosine[:, ~torch.eye(n, dtype=torch.bool)].reshape(models, n, n - 1)
    torch.testing.assert_close(found.nearest, others.amax(-1))
    torch.testing.assert_close(found.antipode, others.amin(-1))
    torch.testing.assert_close(found.values["mean_cosine"], others.mean((-2, -1)))
    chosen = cosine.gather(-1, found.neighbour[..., None]).squeeze(-1)
    torch.testing.assert_close(chosen, found.nearest)
    assert (found.neighbour != torch.arange(n)).all()
    assert found.cosines.sum(-1).tolist() == [n * (n - 1)] * models


def test_blocks_are_no_other_than_the_whole(monkeypatch):
    W = drawn(5, 40)
    whole = statistics.read(W, torch.arange(40), 0.5, histogram=True)
    parts = statistics.components(W, 0.7)
    monkeypatch.setattr(statistics, "_ENTRIES_AT_ONCE", 100)
    block = statistics.read(W, torch.arange(40), 0.5, histogram=True)
    assert torch.equal(statistics.components(W, 0.7), parts)
    for name in ("dimensionality", "nearest", "antipode", "cosines", "neighbour", "opposite"):
        torch.testing.assert_close(getattr(block, name), getattr(whole, name))
    for name, value in whole.values.items():
        torch.testing.assert_close(block.values[name], value, rtol=1e-9, atol=1e-9)


def test_a_triangle_has_its_values():
    found = statistics.read(simplex(2), torch.arange(3), 0.9)
    for name, value in {
        "dimensionality": 2 / 3, "dimensionality_spread": 0, "rms_cosine": 0.5, "nearest": -0.5,
        "antipode": -0.5, "worst_cosine": 0.5, "effective_rank": 2, "participation_ratio": 2,
        "mean_cosine": -0.5, "joined": 0,
    }.items():  # fmt: skip
        assert found.values[name].item() == pytest.approx(value, abs=1e-9), name


def test_effective_ranks_are_scale_free_and_at_most_the_rank():
    eigenvalues = drawn(30, 6).square()
    for rank in (statistics.effective_rank, statistics.participation_ratio):
        torch.testing.assert_close(rank(7 * eigenvalues), rank(eigenvalues))
        assert ((rank(eigenvalues) <= 6) & (rank(eigenvalues) >= 1)).all()


def test_few_random_matrices_have_a_pair_as_close_as_partners_are():
    n, m = 30, 5
    at = statistics.joined_from(n, m, chance=0.05)
    W = random_directions(torch.ones(n).double(), m, 4000, torch.Generator().manual_seed(1))
    rate = (vectors.coherence(W) >= at).double().mean().item()
    assert 0.04 < rate < 0.06  # at most 5 %, and nearly that: pairs are nearly independent


def test_parts_are_chains_of_close_pairs():
    angle = torch.deg2rad(torch.tensor([0.0, 10, 20, 90, 270]))
    W = torch.stack([angle.cos(), angle.sin()])
    assert statistics.components(W, 0.98).tolist() == [0, 0, 0, 1, 1]


def test_random_directions_have_the_lengths_and_no_favourite_direction():
    length = torch.tensor([1.0, 2.0, 0.5])
    W = random_directions(length, 3, 4000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(W.norm(dim=-2), length.expand(4000, 3))
    second = (W[..., 0] @ torch.eye(3)).square().mean(0)
    assert (second - 1 / 3).abs().max() < 0.02


@pytest.mark.parametrize(("m", "n"), [(3, 8), (3, 3), (5, 2), (1, 4)])
def test_the_spectrum_is_kept_and_the_rotation_is_uniform(m, n):
    W = drawn(m, n)
    eigenvalues = torch.linalg.eigvalsh(W @ W.mT).flip(-1)
    found = same_spectrum(eigenvalues, n, 3000, torch.Generator().manual_seed(0))
    own = torch.linalg.svdvals(W)
    torch.testing.assert_close(
        torch.linalg.svdvals(found), own.expand(3000, -1), atol=1e-7, rtol=1e-6
    )
    # every feature is as long as every other, on average
    mean = found.square().sum(-2).mean(0)
    assert (mean / (own.square().sum() / n) - 1).abs().max() < 0.1


def test_a_code_is_better_than_chance_in_its_worst_pair():
    length = torch.full((60,), 2.0)
    code = optimised_code(length, 12, torch.Generator().manual_seed(0))
    torch.testing.assert_close(code.norm(dim=0), length)
    chance = random_directions(length, 12, 50, torch.Generator().manual_seed(1))
    assert vectors.coherence(code) < 0.8 * vectors.coherence(chance).min()
    assert vectors.typical_cosine(code) < 1.02 * vectors.welch_bound(60, 12)
