from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from superpos import geometry
from superpos.errors import InvalidArgument


def polygon(k: int) -> Tensor:
    angle = torch.arange(k, dtype=torch.float64) * 2 * math.pi / k
    return torch.stack([angle.cos(), angle.sin()])


def antiprism(height: float) -> Tensor:
    top = polygon(4) * (1 - height**2) ** 0.5
    turn = torch.tensor([[1.0, -1.0], [1.0, 1.0]], dtype=torch.float64) / 2**0.5
    level = torch.full((1, 4), height, dtype=torch.float64)
    return torch.cat([torch.cat([top, level]), torch.cat([turn @ top, -level])], dim=1)


DIGON = torch.tensor([[1.0, -1.0]], dtype=torch.float64)
TETRAHEDRON = torch.tensor(
    [[1.0, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]], dtype=torch.float64
) / 3**0.5  # fmt: skip
# a tight frame: the squares of each coordinate add up to 8/3
ANTIPRISM = antiprism(1 / 3**0.5)

# D_i = m/n for n unit vectors that form a tight frame in m dimensions; the fractions are those
# of Elhage et al. 2022, "Uniform Superposition"
POLYTOPES = {
    "digon": (DIGON, 1 / 2),
    "triangle": (polygon(3), 2 / 3),
    "tetrahedron": (TETRAHEDRON, 3 / 4),
    "pentagon": (polygon(5), 2 / 5),
    "square antiprism": (ANTIPRISM, 3 / 8),
}
each_polytope = pytest.mark.parametrize(("W", "share"), POLYTOPES.values(), ids=POLYTOPES)


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(
        *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )  # fmt: skip


def rotation(seed: int, m: int) -> Tensor:
    return torch.linalg.qr(draw(seed, m, m)).Q


def matrices(test):
    """Run a test on a few random models, n and m of 1 to 6, with a zero column at times."""

    def on_model(m, n, seed, zero):
        W = draw(seed, m, n)
        W[:, 0] *= not zero
        test(W)

    on_model.__name__ = test.__name__
    some = given(
        m=st.integers(1, 6), n=st.integers(1, 6), seed=st.integers(0, 99), zero=st.booleans()
    )
    return settings(derandomize=True, max_examples=25, deadline=None)(some(on_model))


MEASURES = [
    geometry.feature_dimensionality,
    geometry.interference,
    geometry.squared_norms,
    geometry.antipodal_partners,
    geometry.represented,
]


@matrices
def test_measures_of_features_do_not_depend_on_the_basis(W):
    turned = rotation(1, len(W)) @ W
    for measure in MEASURES:
        assert torch.allclose(measure(turned).double(), measure(W).double(), atol=1e-12)
    assert torch.allclose(geometry.gram(turned), geometry.gram(W), atol=1e-12)
    assert torch.allclose(
        geometry.dimensions_per_feature(turned), geometry.dimensions_per_feature(W)
    )


@matrices
def test_measures_of_features_follow_their_order(W):
    order = torch.randperm(W.shape[1], generator=torch.Generator().manual_seed(0))
    for measure in MEASURES:
        one, other = measure(W[:, order]).double(), measure(W)[order].double()
        assert torch.allclose(one, other, atol=1e-12)
    assert torch.allclose(geometry.cosines(W[:, order]), geometry.cosines(W)[order][:, order])


def test_an_ensemble_is_measured_model_by_model():
    W = draw(0, 2, 3, 4, 5)
    for measure in (*MEASURES, geometry.gram, geometry.cosines, geometry.directions):
        assert torch.allclose(measure(W)[1, 2].double(), measure(W[1, 2]).double())


@each_polytope
def test_a_polytope_has_its_dimensionality(W, share):
    D = geometry.feature_dimensionality(W)
    assert D.tolist() == pytest.approx([share] * W.shape[1])


@pytest.mark.parametrize("k", range(3, 12))
def test_each_corner_of_a_regular_polygon_has_two_kth_of_a_dimension(k):
    assert geometry.feature_dimensionality(polygon(k)).tolist() == pytest.approx([2 / k] * k)


@each_polytope
def test_dimensionality_does_not_depend_on_length(W, share):
    for size in (1e-30, 0.3, 1e30):
        assert geometry.feature_dimensionality(size * W.float()).tolist() == pytest.approx(
            [share] * W.shape[1], rel=1e-5
        )


@matrices
def test_orthogonal_parts_keep_their_dimensionalities(W):
    other = polygon(5)
    whole = geometry.feature_dimensionality(torch.block_diag(W, other))
    assert torch.allclose(whole[: W.shape[1]], geometry.feature_dimensionality(W))
    assert torch.allclose(whole[W.shape[1] :], geometry.feature_dimensionality(other))


@matrices
def test_dimensionalities_are_shares_and_add_up_to_m_at_most(W):
    D = geometry.feature_dimensionality(W)
    assert ((D >= 0) & (D <= 1)).all()
    assert D.sum() <= len(W) + 1e-9
    assert D.sum() <= torch.linalg.matrix_rank(W) + 1e-9


@pytest.mark.parametrize(("m", "n"), [(1, 4), (2, 5), (3, 3), (4, 9)])
def test_dimensionalities_of_a_tight_frame_add_up_to_m(m, n):
    W = rotation(0, n)[:m]  # m rows of an orthogonal matrix: WWᵀ = 1
    assert geometry.feature_dimensionality(W).sum().item() == pytest.approx(m)


@matrices
def test_dimensionality_is_the_papers_formula(W):
    length = W.norm(dim=0)
    W, kept = W[:, length > 0], length > 0
    unit = W / W.norm(dim=0)
    formula = W.square().sum(0) / (unit.T @ W).square().sum(1)
    padded = torch.zeros(len(kept), dtype=W.dtype)
    padded[kept] = formula
    whole = torch.zeros(len(W), len(kept), dtype=W.dtype)
    whole[:, kept] = W
    assert torch.allclose(geometry.feature_dimensionality(whole), padded)


def test_a_zero_column_has_no_direction_no_dimension_and_no_interference():
    W = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    for measure in (geometry.feature_dimensionality, geometry.squared_norms, geometry.interference):
        assert measure(W)[1] == 0
    assert geometry.feature_dimensionality(W)[0] == 1
    assert (geometry.directions(W)[:, 1] == 0).all()
    assert (geometry.cosines(W)[1] == 0).all()


@pytest.mark.parametrize("size", [1e-42, 1e-30, 1e30])
def test_a_column_of_any_length_has_a_direction(size):
    W = torch.tensor([[size, 1.0], [size, 0.0]])
    assert geometry.directions(W)[:, 0].tolist() == pytest.approx([0.5**0.5] * 2, rel=1e-4)
    assert geometry.cosines(W)[0, 1].item() == pytest.approx(0.5**0.5, rel=1e-4)


def test_a_tiny_feature_along_a_large_one_has_no_share_and_takes_none():
    D = geometry.feature_dimensionality(torch.tensor([[1e-30, 1.0]]))
    assert D.tolist() == [0, 1]


# Many features in few dimensions


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("m", [1, 2, 5])
def test_measures_by_pairs_and_by_directions_agree(monkeypatch, m, dtype):
    W = (draw(0, 2, m, 40) * torch.logspace(0, -3, 40, dtype=torch.float64)).to(dtype)
    W[1, :, 7] = 0
    for measure in (geometry.feature_dimensionality, geometry.interference):
        monkeypatch.setattr(geometry, "_FEW", 1000)
        pairs = measure(W)
        monkeypatch.setattr(geometry, "_FEW", 0)
        directions = measure(W)
        assert directions.dtype == dtype
        assert directions[1, 7] == 0
        assert torch.allclose(directions, pairs, rtol=1e-6, atol=0)


def test_many_features_share_the_dimensions_whatever_their_order_and_the_basis():
    W = draw(0, 3, 5000)
    W[:, 11] = 0
    D = geometry.feature_dimensionality(W)
    assert D[11] == 0
    assert ((D >= 0) & (D <= 1)).all()
    assert D.sum() <= 3 + 1e-9
    assert torch.allclose(geometry.feature_dimensionality(rotation(1, 3) @ W), D)
    assert torch.allclose(geometry.feature_dimensionality(W.flip(1)), D.flip(0))


@pytest.mark.parametrize(("dtype", "size"), [(torch.float32, 1e30), (torch.float64, 1e200)])
def test_twenty_thousand_vectors_are_measured_whatever_their_length(dtype, size):
    W = polygon(5).repeat(1, 4000).to(dtype)
    for scale in (size, 1 / size):
        D = geometry.feature_dimensionality(scale * W)
        assert D[[0, 7, -1]].tolist() == pytest.approx([1 / 10_000] * 3, rel=1e-6)


def test_a_small_feature_keeps_its_own_dimension_beside_thousands_of_large_ones():
    turn = rotation(2, 6)
    W = torch.block_diag(draw(0, 5, 4000), torch.tensor([[1e-3]], dtype=torch.float64))
    assert geometry.feature_dimensionality((turn @ W).float())[-1].item() == pytest.approx(1, 1e-4)
    assert geometry.interference(turn @ W)[-1] < 1e-12


def test_half_precision_is_measured_in_single():
    W = torch.zeros(16, 65_536, dtype=torch.float16)
    W[0] = 1
    assert geometry.dimensions_per_feature(W).item() == 16 / 65_536
    assert geometry.feature_dimensionality(W.bfloat16())[5].item() == pytest.approx(1 / 65_536)
    assert geometry.squared_norms(torch.full((1, 2), 260.0).half()).tolist() == [67_600] * 2


def test_interference_is_what_others_leave_along_a_feature():
    W = torch.tensor([[2.0, 0.5, 0.0], [0.0, 0.5, 3.0]])
    # along (1,0): 0.5²; along (1,1)/√2: 2²/2 + 3²/2; along (0,1): 0.5²
    assert geometry.interference(W).tolist() == pytest.approx([0.25, 6.5, 0.25])


@each_polytope
def test_interference_of_a_polytope_is_what_its_share_leaves(W, share):
    # D = 1/(1 + interference) for unit features
    expected = [1 / share - 1] * W.shape[1]
    assert geometry.interference(W).tolist() == pytest.approx(expected)


@each_polytope
def test_a_polytope_has_m_over_n_dimensions_per_feature(W, share):
    assert geometry.dimensions_per_feature(W).item() == pytest.approx(share)


def test_dimensions_per_feature_count_lengths_and_are_infinite_without_any():
    assert geometry.dimensions_per_feature(torch.tensor([[2.0, 0.0]])).item() == 0.25
    assert geometry.dimensions_per_feature(torch.zeros(3, 4)).item() == math.inf


def test_antipodal_partners_are_counted_among_represented_features():
    W = torch.tensor([[1.0, -1.0, -0.9, -0.1, 0.0], [0.0, 0.0, 0.1, 0.0, 1.0]])
    assert geometry.antipodal_partners(W).tolist() == [2, 1, 1, 0, 0]
    assert geometry.antipodal_partners(W, cosine=-0.9999).tolist() == [1, 1, 0, 0, 0]


def test_a_feature_counts_as_represented_from_the_threshold_on():
    W = torch.tensor([[0.5, 0.49, 0.0]])
    assert geometry.represented(W, threshold=0.25).tolist() == [True, False, False]


@settings(derandomize=True, max_examples=25, deadline=None)
@given(n=st.integers(1, 7), seed=st.integers(0, 99))
def test_gaps_around_the_circle_add_up_to_360_degrees(n, seed):
    gaps = geometry.angular_gaps(draw(seed, 3, 2, n))
    assert gaps.shape == (3, n)
    assert (gaps >= 0).all()
    assert torch.allclose(gaps.sum(-1), torch.full((3,), 360.0, dtype=gaps.dtype))


def test_the_gaps_of_a_polygon_are_equal_in_any_order():
    gaps = geometry.angular_gaps(polygon(5)[:, [3, 1, 0, 4, 2]])
    assert gaps.tolist() == pytest.approx([72] * 5)


@settings(derandomize=True, max_examples=25, deadline=None)
@given(n=st.integers(1, 7), seed=st.integers(0, 99))
def test_turning_upright_only_turns(n, seed):
    W = draw(seed, 2, n)
    turned = geometry.upright(W)
    assert torch.allclose(geometry.gram(turned), geometry.gram(W))
    assert turned[0, 0].abs() < 1e-12
    assert turned[1, 0] > 0
    if n > 1:  # and does not mirror
        assert torch.allclose(torch.linalg.det(turned[:, :2]), torch.linalg.det(W[:, :2]))


def test_a_picture_without_feature_0_is_kept_when_turned_upright():
    W = torch.tensor([[0.0, 1.0, 0.5], [0.0, 0.0, 0.5]])
    assert torch.allclose(geometry.gram(geometry.upright(W)), geometry.gram(W))


@pytest.mark.parametrize("measure", [geometry.angular_gaps, geometry.upright])
def test_what_needs_a_plane_refuses_other_spaces(measure):
    with pytest.raises(InvalidArgument, match=r"W has shape \(3, 4\): a plane"):
        measure(torch.ones(3, 4))


WHOLE = torch.block_diag(DIGON, polygon(3), polygon(5), torch.eye(1, dtype=torch.float64))


def test_the_components_of_a_direct_sum_are_its_parts_the_largest_first():
    expected = [[5, 6, 7, 8, 9], [2, 3, 4], [0, 1], [10]]
    assert geometry.components(WHOLE) == expected
    order = torch.arange(10, -1, -1)
    flipped = [sorted(10 - i for i in part) for part in expected]
    assert geometry.components(WHOLE[:, order]) == flipped


def test_the_parts_of_a_direct_sum_span_their_dimensions():
    turned = rotation(3, 6) @ WHOLE
    spans = [geometry.span_dimension(turned, part) for part in geometry.components(turned)]
    assert spans == [2, 2, 1, 1]


def test_the_feature_graph_joins_represented_features_by_their_inner_products():
    W = torch.tensor([[1.0, -1.0, 0.0, 0.6], [0.0, 0.2, 1.0, 0.0]])
    graph = geometry.feature_graph(W)  # feature 3, with ‖W_3‖² = 0.36, is not represented
    assert list(graph) == [0, 1, 2]
    assert graph.edges[0, 1]["weight"] == pytest.approx(-1)
    assert graph.edges[1, 2]["weight"] == pytest.approx(0.2)
    assert not graph.has_edge(0, 2)
    assert not geometry.feature_graph(W, threshold=0.3).has_edge(1, 2)


def test_a_model_that_represents_nothing_has_no_components():
    assert geometry.components(torch.zeros(2, 3)) == []


def test_a_feature_graph_is_of_one_model():
    with pytest.raises(InvalidArgument, match=r"W has shape \(4, 2, 3\): one model"):
        geometry.feature_graph(torch.ones(4, 2, 3))


@pytest.mark.parametrize("threshold", [0, -0.1, math.nan])
def test_a_feature_graph_needs_a_threshold_above_0(threshold):
    with pytest.raises(InvalidArgument, match="threshold is"):
        geometry.feature_graph(torch.ones(2, 3), threshold=threshold)


PUBLIC = [
    *MEASURES, geometry.gram, geometry.directions, geometry.cosines,
    geometry.dimensions_per_feature, geometry.angular_gaps, geometry.upright,
    geometry.feature_graph, geometry.components, lambda W: geometry.span_dimension(W, [0]),
]  # fmt: skip


@pytest.mark.parametrize("measure", PUBLIC)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_every_measure_refuses_what_is_not_finite(measure, bad):
    with pytest.raises(InvalidArgument, match="W has an entry that is NaN or infinite"):
        measure(torch.tensor([[1.0, bad], [0.0, 1.0]]))


@pytest.mark.parametrize("measure", PUBLIC)
def test_every_measure_refuses_a_vector(measure):
    with pytest.raises(InvalidArgument, match=r"W has shape \(3,\)"):
        measure(torch.ones(3))


def test_the_room_of_a_feature_is_the_angles_to_both_of_its_neighbours():
    angles = torch.tensor([100.0, 0.0, 250.0, 30.0]).deg2rad()
    W = torch.stack([angles.cos(), angles.sin()]) * torch.tensor([1.0, 2.0, 0.5, 3.0])
    expected = [220.0, 140.0, 260.0, 100.0]
    assert geometry.room(W).tolist() == pytest.approx(expected, abs=1e-4)
    both = geometry.room(torch.stack([W, W.flip(-1)]))
    assert both[1].tolist() == pytest.approx(expected[::-1], abs=1e-4)
    assert both.sum(-1).tolist() == pytest.approx([720.0, 720.0], abs=1e-3)


def test_the_angles_beside_each_corner_of_a_polygon_are_equal():
    angle = torch.deg2rad(torch.tensor([10.0, 154.0, 298.0, 82.0, 226.0]))
    W = torch.stack([angle.cos(), angle.sin()])
    for feature in range(5):
        assert torch.allclose(geometry.angles_beside(W, feature), torch.full((2,), 72.0), atol=1e-4)


def test_neighbours_are_features_that_are_represented():
    W = torch.tensor([[1.0, 0.5, 0.0, -1.0], [0.0, 0.2, 1.0, 0.0]])
    assert torch.allclose(geometry.angles_beside(W), torch.tensor([90.0, 180.0]), atol=1e-4)
    assert geometry.angles_beside(W[:, :2]).tolist() == [360, 360]


def test_a_mirror_swaps_the_sides():
    W = torch.tensor([[1.0, 0.2, -1.0], [0.1, 1.0, 0.3]])
    mirrored = geometry.angles_beside(W * torch.tensor([[1.0], [-1.0]]))
    assert torch.allclose(mirrored, geometry.angles_beside(W).flip(-1), atol=1e-4)


def test_random_rotations_keep_lengths_and_have_no_preferred_direction():
    R = geometry.random_rotations(3, 4000, torch.Generator().manual_seed(1))
    assert torch.allclose(R.mT @ R, torch.eye(3).double().expand_as(R))
    assert R.mean(0).abs().max() < 0.05  # a standard error is √(1/3/4000) = 0.009
    assert not torch.equal(R, geometry.random_rotations(3, 4000, torch.Generator().manual_seed(2)))
