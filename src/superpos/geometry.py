"""How features share the hidden space. Column ``W[..., :, i]`` is feature i."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from superpos import checks
from superpos.compute.gates import gate
from superpos.errors import InvalidArgument

if TYPE_CHECKING:
    import networkx as nx


_FEW = 1000  # features, of which all pairs of products are cheap


def gram(W: Tensor) -> Tensor:
    """Return the inner products of all features, WᵀW, of shape ``(..., n, n)``.

    Examples
    --------
    >>> gram(torch.eye(2)[:, :1])
    tensor([[1.]])
    """
    W, _ = checks.weights(W)
    return W.mT @ W


def directions(W: Tensor) -> Tensor:
    """Return each feature at unit length, Ŵ_i, of shape ``(..., m, n)``; 0 for a zero column."""
    W, _ = checks.weights(W)
    return _unit_and_length(W)[0]


def cosines(W: Tensor) -> Tensor:
    """Return the cosine between any two features, of shape ``(..., n, n)``; 0 with a zero column.

    Examples
    --------
    >>> cosines(torch.tensor([[2.0, -3.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    unit = directions(W)
    return (unit.mT @ unit).clamp(-1, 1)


def squared_norms(W: Tensor) -> Tensor:
    """Return ‖W_i‖², how fully each feature is represented, of shape ``(..., n)``."""
    W, _ = checks.weights(W)
    return W.square().sum(-2)


def represented(W: Tensor, *, threshold: float = 0.5) -> Tensor:
    """Return which features are represented, ‖W_i‖² ≥ threshold: booleans ``(..., n)``.

    Examples
    --------
    >>> represented(torch.tensor([[1.0, 0.1]]))
    tensor([ True, False])
    """
    return squared_norms(W) >= checks.number("threshold", threshold)


def interference(W: Tensor) -> Tensor:
    """Return Σ_{j≠i} (Ŵ_i·W_j)², how much of the others lies along each feature: ``(..., n)``.

    References
    ----------
    Elhage et al. 2022, "Demonstrating Superposition" (the colour of its bars).

    Examples
    --------
    >>> interference(torch.tensor([[1.0, -1.0]]))
    tensor([1., 1.])
    """
    W, _ = checks.weights(W)
    return _others_along(_unit_and_length(W)[0], W)


def feature_dimensionality(W: Tensor) -> Tensor:
    """Return D_i = ‖W_i‖² / Σ_j (Ŵ_i·W_j)², the share of a dimension each feature has.

    Of thousands of vectors too (features, or the hidden vectors of as many examples): with far
    more of them than dimensions it takes m × m numbers, not n × n.

    Parameters
    ----------
    W
        ``(..., m, n)``.

    Returns
    -------
    Tensor
        ``(..., n)``, in [0, 1]; 0 for a zero column.

    References
    ----------
    Elhage et al. 2022, "Uniform Superposition", The Geometry of Superposition. Henighan et al.
    2023, "Results" (of training examples).

    Examples
    --------
    An antipodal pair shares one dimension:

    >>> feature_dimensionality(torch.tensor([[1.0, -1.0]]))
    tensor([0.5000, 0.5000])
    """
    W, _ = checks.weights(W)
    unit, length = _unit_and_length(W)
    # D_i = 1 / (1 + Σ_{j≠i} (Ŵ_i·W_j / ‖W_i‖)²): no square of ‖W_i‖ underflows
    share = 1 / (1 + _others_along(unit, W, torch.where(length > 0, length, 1.0)))
    return torch.where(length.squeeze(-2) > 0, share, 0.0)


def dimensions_per_feature(W: Tensor) -> Tensor:
    """Return D* = m/‖W‖_F², hidden dimensions per feature learnt, of shape ``(...)``.

    Infinite where W is zero: no feature is learnt.

    References
    ----------
    Elhage et al. 2022, "Uniform Superposition".

    Examples
    --------
    >>> dimensions_per_feature(torch.tensor([[1.0, -1.0]]))
    tensor(0.5000)
    """
    W, _ = checks.weights(W)
    return W.shape[-2] / W.square().sum((-2, -1))


def antipodal_partners(W: Tensor, *, cosine: float = -0.95) -> Tensor:
    """Return how many represented features point away from each one: counts ``(..., n)``.

    A feature that is not represented has none.
    """
    cosine = checks.number("cosine", cosine)
    kept = represented(W)
    both = kept[..., :, None] & kept[..., None, :]
    return ((cosines(W) <= cosine) & both).sum(-1)


@gate(count=partial(checks.whole_number, least=0), generator=checks.generator)
def random_rotations(m: int, count: int, generator: torch.Generator) -> Tensor:
    """Return ``count`` orthogonal matrices ``(count, m, m)``, uniform over all of them, float64.

    Examples
    --------
    >>> R = random_rotations(3, 2, torch.Generator().manual_seed(0))
    >>> torch.allclose(R @ R.mT, torch.eye(3).double().expand(2, 3, 3))
    True
    """
    m = checks.whole_number("m", m)
    normal = torch.randn(
        count, m, m, dtype=torch.float64, generator=generator, device=generator.device
    )
    Q, R = torch.linalg.qr(normal)
    return Q * R.diagonal(dim1=-2, dim2=-1).sign()[..., None, :]


def upright(W: Tensor) -> Tensor:
    """Return features in the plane turned together so that feature 0, if it has length, is up.

    The models with a linear hidden layer have no preferred direction there (RW has the loss
    of W for every rotation R), so pictures may choose one.

    Parameters
    ----------
    W
        ``(..., 2, n)``.

    Examples
    --------
    >>> upright(torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
    tensor([[ 0., -1.],
            [ 3.,  0.]])
    """
    x, y = _in_plane(W).unbind(-2)
    along = directions(W)[..., :, 0]
    up = along.new_tensor([0.0, 1.0])
    along = torch.where((along == 0).all(-1, keepdim=True), up, along)
    sine, cosine = along[..., 0, None], along[..., 1, None]
    return torch.stack([cosine * x - sine * y, sine * x + cosine * y], dim=-2)


def aligned(W: Tensor, to: Tensor) -> Tensor:
    """Return features of a space turned so that the first three columns of ``to`` become its axes.

    As nearly as a rotation (or its mirror image) can; RW has the loss of W. With the models of one
    run and its last one, they are all turned alike.

    Parameters
    ----------
    W
        ``(..., 3, n)``.
    to
        One model, ``(3, n)`` with n of at least 3.

    Examples
    --------
    >>> aligned(torch.eye(3), torch.tensor([[0.0, 0, 2], [2, 0, 0], [0, 2, 0]]))
    tensor([[0., 1., 0.],
            [0., 0., 1.],
            [1., 0., 0.]])
    """
    W, to = _in_space(W), _in_space(to, "to")
    if to.ndim != 2:
        raise InvalidArgument(f"to has shape {tuple(to.shape)}: one model, (3, n), is needed")
    left, _, right = torch.linalg.svd(to[:, :3])
    return (left @ right).mT.to(W) @ W


def seen_from(W: Tensor, azimuth: Tensor | float, elevation: float = 20.0) -> Tensor:
    """Return features of a space as they are seen from a direction, far away: ``(..., 2, n)``.

    Parameters
    ----------
    W
        ``(..., 3, n)``.
    azimuth
        From where, around the third axis, in degrees: finite, ``(...)``.
    elevation
        How far above the plane of the first two, in degrees.

    Examples
    --------
    From along the first axis one sees the second go right and the third go up:

    >>> seen_from(torch.eye(3), 0.0, 0.0).round() + 0
    tensor([[0., 1., 0.],
            [0., 0., 1.]])
    """
    W = _in_space(W)
    x, y, z = W.unbind(-2)
    like = {"dtype": W.dtype, "device": W.device}
    azimuth = checks.finite("azimuth", azimuth, **like)
    checks.broadcast_shape(W=W.shape[:-2], azimuth=azimuth.shape)
    around = torch.deg2rad(azimuth)[..., None]
    up = torch.deg2rad(torch.as_tensor(checks.number("elevation", elevation), **like))
    towards = around.cos() * x + around.sin() * y
    across = around.cos() * y - around.sin() * x
    return torch.stack([across, up.cos() * z - up.sin() * towards], dim=-2)


def angular_gaps(W: Tensor) -> Tensor:
    """Return the angles between neighbouring features in the plane, in degrees.

    Parameters
    ----------
    W
        ``(..., 2, n)``.

    Returns
    -------
    Tensor
        ``(..., n)``: the gaps in order around the circle, which add up to 360.

    Raises
    ------
    InvalidArgument
        If the hidden space is not a plane.

    Examples
    --------
    >>> angular_gaps(torch.tensor([[1.0, 0.0, -1.0], [0.0, 1.0, 0.0]]))
    tensor([ 90.,  90., 180.])
    """
    W = _in_plane(W)
    angle = torch.rad2deg(torch.atan2(W[..., 1, :], W[..., 0, :])).remainder(360).sort(-1).values
    return torch.cat([angle.diff(dim=-1), angle[..., :1] + 360 - angle[..., -1:]], dim=-1)


def room(W: Tensor) -> Tensor:
    """Return the sum of the two angles beside each feature of the plane, in degrees: ``(..., n)``.

    Examples
    --------
    >>> room(torch.tensor([[1.0, 0.0, -1.0], [0.0, 1.0, 0.0]]))
    tensor([270., 180., 270.])
    """
    W = _in_plane(W)
    order = torch.rad2deg(torch.atan2(W[..., 1, :], W[..., 0, :])).remainder(360).argsort(-1)
    gaps = angular_gaps(W)
    return torch.empty_like(gaps).scatter_(-1, order, gaps + gaps.roll(1, -1))


def angles_beside(W: Tensor, feature: int = 0) -> Tensor:
    """Return the angles in the plane from a feature to its neighbours on either side, in degrees.

    Neighbours are represented features; without any, both angles are 360.

    Parameters
    ----------
    W
        ``(..., 2, n)``.
    feature
        Which feature, from 0 to n − 1.

    Returns
    -------
    Tensor
        ``(..., 2)``: anticlockwise, clockwise.

    Examples
    --------
    >>> angles_beside(torch.tensor([[0.0, 1.0, -1.0], [1.0, 0.0, -1.0]]))
    tensor([135.,  90.])
    """
    W = _in_plane(W)
    feature = checks.index("feature", feature, W.shape[-1])
    if W.shape[-1] == 1:
        return W.new_full((*W.shape[:-2], 2), 360.0)
    others = [i for i in range(W.shape[-1]) if i != feature]
    angle = torch.rad2deg(torch.atan2(W[..., 1, :], W[..., 0, :]))
    ahead = (angle[..., others] - angle[..., feature, None]).remainder(360)
    there = represented(W)[..., others]
    sides = torch.stack([ahead, (360 - ahead).remainder(360)], dim=-2)
    return sides.masked_fill(~there[..., None, :], 360.0).amin(-1)


def feature_graph(W: Tensor, *, threshold: float = 0.15) -> nx.Graph:
    """Return the graph of represented features, joined where |W_i·W_j| ≥ threshold.

    Parameters
    ----------
    W
        One model, ``(m, n)``.
    threshold
        The smallest inner product that counts as an edge, above 0.

    Returns
    -------
    networkx.Graph
        Nodes are feature numbers; each edge has the inner product as its ``weight``.

    References
    ----------
    Elhage et al. 2022, "Uniform Superposition" (the feature geometry graphs).

    Examples
    --------
    >>> feature_graph(torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]])).edges
    EdgeView([(0, 1)])
    """
    W = _one_model(W)
    threshold = checks.positive_number("threshold", threshold)
    kept = represented(W)
    products = gram(W)
    joined = (products.abs() >= threshold) & kept[:, None] & kept & ~_diagonal(products)
    import networkx as nx

    graph = nx.Graph()
    graph.add_nodes_from(kept.nonzero().flatten().tolist())
    rows, columns = joined.triu().nonzero(as_tuple=True)
    values = products[rows, columns].tolist()
    graph.add_weighted_edges_from(zip(rows.tolist(), columns.tolist(), values, strict=True))
    return graph


def components(W: Tensor, *, threshold: float = 0.15) -> list[list[int]]:
    """Return the connected components of the feature graph, the largest first.

    Examples
    --------
    >>> components(torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]]))
    [[0, 1], [2]]
    """
    import networkx as nx

    found = nx.connected_components(feature_graph(W, threshold=threshold))
    return sorted((sorted(part) for part in found), key=lambda part: (-len(part), part))


def span_dimension(W: Tensor, features: Sequence[int], *, tolerance: float = 0.3) -> int:
    """Return how many dimensions the given features span: singular values above ``tolerance``.

    Parameters
    ----------
    W
        One model, ``(m, n)``.
    features
        Which, from 0 to n − 1.
    tolerance
        At least 0.

    Examples
    --------
    >>> span_dimension(torch.tensor([[1.0, -1.0]]), [0, 1])
    1
    """
    W = _one_model(W)
    some = checks.whole_numbers("features", features)
    some = [checks.index("features", feature, W.shape[-1]) for feature in some]
    tolerance = checks.positive_number("tolerance", tolerance, allow_zero=True)
    return int((torch.linalg.svdvals(W[:, some]) > tolerance).sum()) if some else 0


def _one_model(W: Tensor) -> Tensor:
    W, _ = checks.weights(W)
    if W.ndim != 2:
        raise InvalidArgument(f"W has shape {tuple(W.shape)}: one model, (m, n), is needed")
    return W


def _in_plane(W: Tensor) -> Tensor:
    W, _ = checks.weights(W)
    if W.shape[-2] != 2:
        raise InvalidArgument(f"W has shape {tuple(W.shape)}: a plane, (..., 2, n), is needed")
    return W


def _in_space(W: Tensor, name: str = "W") -> Tensor:
    W, _ = checks.weights(W, name=name)
    if W.shape[-2] != 3:
        raise InvalidArgument(f"{name} has shape {tuple(W.shape)}: a space, (..., 3, n), is needed")
    return W


def _unit_and_length(W: Tensor) -> tuple[Tensor, Tensor]:
    # scaling by the largest entry first keeps the squares of tiny or huge columns representable
    scale = W.abs().amax(dim=-2, keepdim=True)
    scaled = W / torch.where(scale > 0, scale, 1.0)
    norm = scaled.norm(dim=-2, keepdim=True)
    return scaled / torch.where(norm > 0, norm, 1.0), scale * norm


def _others_along(unit: Tensor, W: Tensor, per: Tensor | None = None) -> Tensor:
    """Return Σ_{j≠i} (Ŵ_i·W_j)² of each feature, ``(..., n)``, ``per_i``² where that is given."""
    m, n = W.shape[-2:]
    if n > max(_FEW, 4 * m):
        return _others_by_directions(unit, W, per)
    along = unit.mT @ W
    if per is not None:
        along = along / per.mT
    # leave the diagonal out instead of subtracting it: nothing cancels
    return along.square().masked_fill(_diagonal(along), 0.0).sum(-1)


def _others_by_directions(unit: Tensor, W: Tensor, per: Tensor | None) -> Tensor:
    """Return the same from WWᵀ, as Ŵᵀ (WWᵀ) Ŵ − ‖W_i‖²: for many features in few dimensions.

    Much cancels where others leave little along a feature. In double precision no more is lost
    than the entries of W themselves are known to, unless a feature is a millionth as long as
    others and at right angles to all of them.
    """
    size = W.abs().amax((-2, -1), keepdim=True)
    size = torch.where(size > 0, size, 1.0).double()
    V, u = W / size, unit.double() * (1.0 if per is None else size / per)
    along = (u * (V @ V.mT @ u)).sum(-2)
    others = (along - (u * V).sum(-2).square()).clamp_min(0)
    return (others if per is not None else others * size[..., 0].square()).to(W.dtype)


def _diagonal(square: Tensor) -> Tensor:
    return torch.eye(square.shape[-1], dtype=torch.bool, device=square.device)
