"""The tests of the claims on uniform superposition, each on models made by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from superpos.claims.registry import load_registry
from superpos.studies import uniform_superposition as uniform

INVERSE_P = torch.logspace(0, 2, 41)


def judged(claim_id: str, *found):
    """What the claim's test says, with the registry's thresholds."""
    return uniform.study.tests[claim_id](*found, **load_registry()[claim_id].thresholds)


def polygon(k: int) -> Tensor:
    """k unit vectors spread evenly over the circle: D_i = 2/k."""
    angle = 2 * torch.pi * torch.arange(k) / k
    return torch.stack([angle.cos(), angle.sin()])


def tetrahedron() -> Tensor:
    return torch.tensor([[1.0, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]) / 3**0.5


def antiprism() -> Tensor:
    """Two squares, one turned by 45°: lengths along and across chosen so that W Wᵀ ∝ 1."""
    angle = torch.pi / 4 * torch.arange(8)
    side = (2 / 3) ** 0.5
    up = torch.tensor([1.0, -1.0]).repeat(4) / 3**0.5
    return torch.stack([side * angle.cos(), side * angle.sin(), up])


DIGON = torch.tensor([[1.0, -1.0]])


def model(*parts: Tensor, m: int, n: int) -> Tensor:
    """A direct sum of parts in m dimensions, with features of length 0 up to n."""
    W = torch.block_diag(*parts)
    padded = torch.zeros(m, n)
    padded[: W.shape[0], : W.shape[1]] = W
    return padded


def repeated(W: Tensor, seeds: int = 3) -> SimpleNamespace:
    """The same model for every seed; ``W`` is (sparsities, m, n)."""
    return SimpleNamespace(W=W.expand(seeds, *W.shape), inverse_p=INVERSE_P[: len(W)])


def with_D_star(D_star: Tensor) -> SimpleNamespace:
    """One-dimensional models with the given D* = 1/‖W‖²."""
    return repeated(D_star.rsqrt()[:, None, None])


def test_D_star_falls_if_it_is_lower_at_every_step():
    assert judged("uniform-Dstar-falls", with_D_star(1 / INVERSE_P)).shown.all()
    assert not judged("uniform-Dstar-falls", with_D_star(INVERSE_P / 100)).shown.any()


def test_D_star_does_not_fall_if_it_falls_by_a_tenth_only():
    slightly = 1 - 0.1 * torch.arange(41) / 41
    assert not judged("uniform-Dstar-falls", with_D_star(slightly)).shown.any()


def test_a_stair_sticks_and_a_slope_does_not():
    stair = torch.cat([torch.full((14,), 1.0), torch.full((14,), 0.5), torch.full((13,), 0.05)])
    found = judged("uniform-sticky", with_D_star(stair), with_D_star(stair))
    assert found.shown.all()
    assert not found.weaker.any()
    slope = torch.logspace(0.1, -1.5, 41)
    assert not judged("uniform-sticky", with_D_star(slope), with_D_star(slope)).shown.any()


def test_one_step_of_the_stair_is_the_weaker_reading():
    late = torch.cat(
        [torch.logspace(0.3, -0.25, 14), torch.full((14,), 0.5), torch.full((13,), 0.05)]
    )
    found = judged("uniform-sticky", with_D_star(late), with_D_star(late))
    assert not found.shown.any()
    assert found.weaker.all()


def test_lengths_of_one_and_none_are_two_values():
    W = model(DIGON, DIGON, m=2, n=20).expand(41, 2, 20)
    found = judged("uniform-unit-norms", repeated(W))
    assert found.shown.all()
    assert found.weaker.all()
    half = judged("uniform-unit-norms", repeated(0.6 * W + 0.4 * torch.ones(2, 20)))
    assert not half.shown.any()
    assert not half.weaker.any()


def test_lengths_may_be_mixed_outside_of_the_range_of_the_weaker_reading():
    W = model(DIGON, DIGON, m=2, n=4).expand(41, 2, 4).clone()
    W[(INVERSE_P < 3) | (INVERSE_P > 30)] *= 0.7
    found = judged("uniform-unit-norms", repeated(W))
    assert not found.shown.any()
    assert found.weaker.all()


def test_polytopes_make_peaks():
    parts = (tetrahedron(), polygon(3), DIGON, polygon(5))
    found = judged("uniform-fractions", repeated(model(*parts, m=8, n=30).expand(4, 8, 30)))
    assert found.weaker.all()
    alone = judged("uniform-fractions", repeated(model(DIGON, m=1, n=9).expand(4, 1, 9)))
    assert not alone.shown.any()
    assert not alone.weaker.any()


def test_the_registered_window_has_no_place_for_pentagons_beside_antiprisms():
    """2/5 and 3/8 lie in each other's flanks, so that no model at all can show all six peaks."""
    for pentagons in range(1, 5):
        parts = (tetrahedron(), polygon(3), DIGON, *[polygon(5)] * pentagons, antiprism())
        W = model(*parts, m=9 + 2 * pentagons, n=40).expand(4, 9 + 2 * pentagons, 40)
        assert not judged("uniform-fractions", repeated(W)).shown.any()
    window = {"near": 0.01, "inner": 0.02, "outer": 0.03, "times": 2}
    D = torch.tensor([3 / 8] * 8 + [2 / 5] * 3)
    assert uniform.peaks_at(D, 3 / 8, **window)
    assert not uniform.peaks_at(D, 2 / 5, **window)


def test_dimensionalities_of_a_direct_sum_add_up_to_m_and_an_empty_dimension_is_missed():
    full = model(polygon(5), DIGON, m=3, n=9).expand(41, 3, 9)
    assert judged("uniform-sum-is-m", repeated(full)).shown.all()
    empty = model(polygon(5), DIGON, m=4, n=9).expand(41, 4, 9)
    found = judged("uniform-sum-is-m", repeated(empty))
    assert not found.shown.any()
    assert not found.weaker.any()
    once = model(polygon(5), DIGON, DIGON, m=4, n=9).expand(41, 4, 9).clone()
    once[:3] = model(polygon(5), DIGON, m=4, n=9)
    found = judged("uniform-sum-is-m", repeated(once))
    assert not found.shown.any()
    assert found.weaker.all()


def test_factors_split_the_space_and_a_bipyramid_is_none():
    split = model(polygon(3), polygon(5), DIGON, DIGON, DIGON, m=7, n=20).expand(5, 7, 20)
    assert judged("uniform-tegum-split", repeated(split)).shown.all()
    # the same with a dimension that no feature is in
    parts = (polygon(3), polygon(5), polygon(5), DIGON)
    empty = model(*parts, m=8, n=20).expand(5, 8, 20)
    found = judged("uniform-tegum-split", repeated(empty))
    assert not found.shown.any()
    assert not found.weaker.any()


def test_without_triangles_only_the_weaker_reading_of_the_split_can_hold():
    W = model(polygon(5), DIGON, DIGON, m=4, n=20).expand(5, 4, 20)
    found = judged("uniform-tegum-split", repeated(W))
    assert not found.shown.any()
    assert found.weaker.all()


@pytest.mark.parametrize(
    ("claim_id", "letter"), [("uniform-n-irrelevant", "n"), ("uniform-m-scales", "m")]
)
def test_sizes_are_alike_if_they_learn_the_same_per_dimension(claim_id, letter):
    seeds, sparse = torch.ones(4, 3), torch.full((4, 3), 0.2)
    alike = {letter: {10: (seeds, sparse), 20: (1.05 * seeds, sparse), 40: (seeds, sparse)}}
    assert judged(claim_id, alike).shown.all()
    apart = {letter: {10: (seeds, sparse), 20: (1.5 * seeds, sparse), 40: (seeds, sparse)}}
    assert not judged(claim_id, apart).shown.any()


def test_sizes_that_are_full_are_not_compared():
    seeds, sparse = torch.ones(4, 3), torch.full((4, 3), 0.2)
    filled = sparse.clone()
    filled[:, 2] = 0.9  # at the sparsest setting the smallest n has nothing left to learn
    other = seeds.clone()
    other[:, 2] = 2.0
    table = {"n": {10: (seeds, filled), 20: (other, sparse), 40: (seeds, sparse)}}
    assert judged("uniform-n-irrelevant", table).shown.all()
