from __future__ import annotations

import math

import pytest
import torch

from superpos.bundles import planes, planted
from superpos.errors import InvalidArgument

pytest.importorskip("sklearn")


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


@pytest.mark.parametrize("represent", [planes.projector, planes.column_reduced])
@pytest.mark.parametrize(("m", "k"), [(2, 1), (4, 2), (5, 3), (6, 6)])
def test_a_representative_depends_on_the_span_alone(represent, m, k):
    A = random(50, m, k)
    change = random(50, k, k, seed=1)
    assert torch.allclose(represent(A), represent(A @ change), rtol=1e-6, atol=1e-8)


def test_a_projector_is_one():
    P = planes.projector(random(20, 5, 3))
    assert torch.allclose(P, P.mT)
    assert torch.allclose(P @ P, P)
    assert torch.allclose(P.diagonal(dim1=-2, dim2=-1).sum(-1), torch.full((20,), 3.0).double())


def test_column_reduction_finds_its_pivots_further_down():
    A = torch.tensor([[0.0, 0], [2, 4], [1, 2], [0, 3]], dtype=torch.float64)
    R = torch.tensor([[0.0, 0], [1, 0], [0.5, 0], [0, 1]], dtype=torch.float64)
    assert torch.allclose(planes.column_reduced(A), R @ R.mT)


def test_column_reduction_jumps_and_the_projector_does_not():
    A = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    near = torch.tensor([[1e-3], [1.0]], dtype=torch.float64)
    assert planes.chordal_distance(planes.projector(A), planes.projector(near)) < 2e-3
    assert planes.chordal_distance(planes.column_reduced(A), planes.column_reduced(near)) > 1e5


def test_the_chordal_distance_is_that_of_the_angles():
    A, B = (torch.linalg.qr(random(10, 6, 2, seed=seed)).Q for seed in (0, 1))
    cosines = torch.linalg.svdvals(A.mT @ B)
    expected = (1 - cosines.square()).sum(-1).sqrt()
    found = planes.chordal_distance(planes.projector(A), planes.projector(B))
    assert torch.allclose(found, expected)


def test_lifts_of_a_sphere_span_one_dimension_more_and_others_leave_it():
    points = planted.rotated(planted.antiprism(4), generator(0)) * 2 + 1.5
    sphere = planes.projector(planes.lifted(points[:, :4] + 0)[:, [0, 1, 2]])
    assert torch.linalg.matrix_rank(planes.lifted(points)) == 4
    on, off = planes.lifted(points[:, 3:4]), planes.lifted(points[:, 3:4] * 1.1)
    assert (sphere @ on - on).norm() < 1e-9
    assert (sphere @ off - off).norm() > 0.01


def test_clusters_are_the_summands_and_pyramids_are_left_out():
    W, features = planted.direct_sum(["triangle", "polygon 7", "antiprism 4"])
    assert planes.plane_clusters(planted.rotated(W, generator(0)), [2, 3], 1e-6) == features


def test_spheres_are_planes_of_lifts():
    W, features = planted.direct_sum(["polygon 5", "polygon 6"])
    points = planes.lifted(planted.rotated(W, generator(0)))
    assert planes.plane_clusters(points, [3], 1e-6) == features


@pytest.mark.parametrize("seed", range(3))
def test_sparse_subspaces_of_tetrahedra(seed):
    W, features = planted.direct_sum(["tetrahedron", "tetrahedron"])
    assert planes.sparse_subspaces(planted.rotated(W, generator(seed)), 2) == features


def test_what_cannot_be_enumerated_is_told():
    with pytest.raises(InvalidArgument, match="at most m = 2"):
        planes.plane_clusters(torch.eye(2), [3], 0.1)
    with pytest.raises(InvalidArgument, match="too many sets of 4"):
        planes.plane_clusters(torch.ones(5, 200), [4], 0.1)
    with pytest.raises(InvalidArgument, match="NaN"):
        planes.plane_clusters(torch.tensor([[math.nan]]), [1], 0.1)
