from __future__ import annotations

import math

import pytest
import torch

from superpos import bundles
from superpos.bundles import planted
from superpos.errors import InvalidArgument

KINDS = ["digon", "triangle", "polygon 5", "polygon 7", "polygon 8", "tetrahedron", "antiprism 4"]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sets(found: list[bundles.Bundle]) -> list[tuple[int, ...]]:
    return sorted(bundle.features for bundle in found)


def a_sum(seed: int, sigma: float = 0.0):
    g = generator(seed)
    W, features = planted.direct_sum(planted.draw(KINDS, g, parts=(2, 4), most=8))
    return planted.disturbed(planted.rotated(W, g), sigma, g), features


@pytest.mark.parametrize(
    "names",
    [
        ["digon", "polygon 3", "polygon 5"],
        ["simplex 2", "simplex 3", "simplex 4", "digon"],
        ["antiprism 4", "antiprism 5"],
        ["polygon 6", "polygon 8", "polygon 12"],
        ["digon"] * 8,
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_planted_summands_are_found_in_any_rotation(names, seed):
    W, features = planted.direct_sum(names)
    found = bundles.find_bundles(planted.rotated(W, generator(seed)))
    assert sets(found) == features
    sizes = {part: len(planted.summand(name)) for part, name in zip(features, names, strict=True)}
    assert all(bundle.dimension == sizes[bundle.features] for bundle in found)
    assert max(bundle.overlap for bundle in found) < 1e-6


@pytest.mark.parametrize("seed", range(20))
def test_planted_summands_are_found_in_noise(seed):
    W, features = a_sum(seed, 0.05)
    assert sets(bundles.find_bundles(W)) == features


@pytest.mark.parametrize("seed", range(5))
def test_lengths_order_and_basis_do_not_matter(seed):
    W, features = a_sum(seed)
    g = generator(seed + 100)
    lengths = torch.rand(W.shape[1], generator=g) + 0.1
    order = torch.randperm(W.shape[1], generator=g)
    stretched = torch.diag(torch.rand(len(W), generator=g, dtype=W.dtype) + 0.7) @ W
    found = bundles.find_bundles((stretched * lengths)[:, order])
    place = {old: new for new, old in enumerate(order.tolist())}
    assert sets(found) == sorted(tuple(sorted(place[i] for i in part)) for part in features)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_found_is_a_direct_sum_whatever_is_handed_in(seed):
    W = torch.randn(5, 4 + seed, generator=generator(seed))
    found = bundles.find_bundles(W)
    assert sorted(i for bundle in found for i in bundle.features) == list(range(4 + seed))
    unit = (W / W.norm(dim=0)).double()
    assert sum(bundle.dimension for bundle in found) == (torch.linalg.svdvals(unit) > 0.4).sum()


@pytest.mark.parametrize("seed", range(10))
def test_enumeration_agrees(seed):
    g = generator(seed)
    while True:
        names = planted.draw(
            ["digon", "triangle", "polygon 5", "tetrahedron"], g, parts=(2, 3), most=6
        )
        W, _ = planted.direct_sum(names)
        if W.shape[1] <= 10:
            break
    W = planted.disturbed(planted.rotated(W, g), 0.03, g)
    assert bundles.find_bundles(W) == bundles.enumerate_bundles(W)


def test_enumeration_agrees_on_exact_generic_sets():
    for seed in range(5):
        W = torch.randn(3, 6, generator=generator(seed), dtype=torch.float64)
        W[2, :2] = 0.0
        found = bundles.find_bundles(W, tolerance=1e-6)
        assert found == bundles.enumerate_bundles(W, tolerance=1e-6)


def test_400_features_in_30_dimensions():
    names = ["polygon 24", "antiprism 16"] * 6
    g = generator(0)
    W, features = planted.direct_sum(names)
    W = planted.disturbed(planted.rotated(W, g), 0.02, g)
    assert W.shape[0] == 30
    assert sets(bundles.find_bundles(W)) == features


def test_features_without_a_direction_are_in_no_bundle():
    W = torch.tensor([[1.0, 0.0, -1.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1e-9]])
    assert sets(bundles.find_bundles(W)) == [(0, 2)]
    assert bundles.find_bundles(torch.zeros(3, 4)) == []
    assert sets(bundles.find_bundles(1e-30 * torch.eye(2))) == [(0,), (1,)]


def test_equal_features_share_a_bundle_of_one_dimension():
    W = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert [(b.features, b.dimension) for b in bundles.find_bundles(W)] == [((0, 1), 1), ((2,), 1)]


def test_fewer_features_than_dimensions():
    W = torch.tensor([[1.0, -1.0], [0.0, 0.0], [0.0, 0.0]])
    assert [(b.features, b.dimension) for b in bundles.find_bundles(W)] == [((0, 1), 1)]
    assert sets(bundles.find_bundles(torch.ones(3, 1))) == [(0,)]


def test_independent_features_are_bundles_of_their_own_and_tell_their_overlap():
    W = torch.tensor([[1.0, math.cos(1.0)], [0.0, math.sin(1.0)]])
    found = bundles.find_bundles(W)
    assert sets(found) == [(0,), (1,)]
    assert [bundle.overlap for bundle in found] == pytest.approx([math.cos(1.0)] * 2, abs=1e-6)


def test_the_projector_is_0_between_bundles():
    W, features = a_sum(3)
    cosines = bundles.row_cosines(W)
    for part in features:
        others = [i for i in range(W.shape[1]) if i not in part]
        assert cosines[list(part)][:, others].abs().max() < 1e-9


@pytest.mark.parametrize("find", [bundles.find_bundles, bundles.enumerate_bundles])
def test_bad_input_is_told(find):
    with pytest.raises(InvalidArgument, match="NaN"):
        find(torch.tensor([[1.0, math.nan]]))
    with pytest.raises(InvalidArgument, match="one model"):
        find(torch.ones(2, 3, 4))
    with pytest.raises(InvalidArgument, match=r"tolerance is 1\.5"):
        find(torch.eye(2), tolerance=1.5)
    with pytest.raises(InvalidArgument, match="m and n of at least 1"):
        find(torch.ones(2, 0))


def test_too_many_features_to_enumerate():
    with pytest.raises(InvalidArgument, match="11 features"):
        bundles.enumerate_bundles(torch.ones(2, 11))
