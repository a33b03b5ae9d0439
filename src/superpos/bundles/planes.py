"""Planes and spheres through features, one by one: what they are as points, and their clusters.

A plane is represented by a matrix: the projector onto it, or the one that a talk proposed. A
sphere through points is a plane too, after the points are lifted to one dimension more.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from superpos import checks
from superpos.errors import InvalidArgument, need

MOST_SETS = 20_000


def projector(A: Tensor) -> Tensor:
    """Return the projectors P = QQᵀ onto the spans of columns, Q any orthonormal basis.

    Parameters
    ----------
    A
        Independent columns, ``(..., m, k)``.

    Returns
    -------
    Tensor
        ``(..., m, m)``.

    References
    ----------
    Conway, Hardin and Sloane 1996.

    Examples
    --------
    >>> projector(torch.tensor([[2.0], [0.0]])).abs()
    tensor([[1., 0.],
            [0., 0.]])
    """
    A, _ = checks.weights(A, name="A")
    Q = torch.linalg.qr(A).Q
    return Q @ Q.mT


def column_reduced(A: Tensor) -> Tensor:
    """Return RRᵀ, R being the reduced column-echelon form: a talk's representative of a span.

    It is the same for every basis of the span, and no projector. It jumps where a pivot vanishes.
    Of and in the shapes of `projector`.

    References
    ----------
    Pfeifle 2022, "How to cluster k-planes".

    Examples
    --------
    The line through (1, 2), and one that has nearly no part in the first coordinate:

    >>> column_reduced(torch.tensor([[[2.0], [4.0]], [[0.01], [1.0]]]))
    tensor([[[1.0000e+00, 2.0000e+00],
             [2.0000e+00, 4.0000e+00]],
            [[1.0000e+00, 1.0000e+02],
             [1.0000e+02, 1.0000e+04]]])
    """
    A, _ = checks.weights(A, name="A")
    R = A.reshape(-1, *A.shape[-2:]).clone()
    count, (m, k) = len(R), R.shape[-2:]
    every = torch.arange(count, device=R.device)
    done = torch.zeros_like(every)
    place = torch.arange(k, device=R.device)
    zero = 1e-9 * R.abs().amax((1, 2))
    for row in range(m):
        left = R[:, row].abs().masked_fill(place < done[:, None], -1.0)
        value, best = left.max(-1)
        at = every[(done < k) & (value > zero)]
        if not len(at):
            continue
        first, best = done[at], best[at]
        chosen, other = R[at, :, best], R[at, :, first]
        R[at, :, best] = other
        chosen = chosen / chosen[:, row, None]
        R[at] = R[at] - chosen[:, :, None] * R[at, row][:, None, :]
        R[at, :, first] = chosen
        done[at] += 1
    R = R.reshape(A.shape)
    return R @ R.mT


def chordal_distance(P: Tensor, Q: Tensor) -> Tensor:
    """Return ‖P − Q‖/√2 of projectors: √Σ sin²θ_i over the angles between their spaces, ``(...)``.

    Examples
    --------
    >>> chordal_distance(torch.diag(torch.tensor([1.0, 0])), torch.diag(torch.tensor([0.0, 1])))
    tensor(1.)
    """
    P, Q = checks.weights(P, name="P")[0], checks.weights(Q, name="Q")[0]
    checks.broadcast_shape(P=P.shape, Q=Q.shape)
    return (P - Q).square().sum((-2, -1)).div(2).sqrt()


def lifted(points: Tensor) -> Tensor:
    """Return points x as (x, ‖x‖², 1), ``(..., m + 2, n)``: spheres become planes through 0.

    k + 1 points that span a k-dimensional flat lie on one sphere in it. The span of their lifts has
    k + 1 dimensions and contains the lifts of the points of that sphere, and of no others.

    Examples
    --------
    >>> lifted(torch.tensor([[3.0], [4.0]])).flatten()
    tensor([ 3.,  4., 25.,  1.])
    """
    points, _ = checks.weights(points, name="points")
    square = points.square().sum(-2, keepdim=True)
    return torch.cat([points, square, torch.ones_like(square)], dim=-2)


def plane_clusters(
    vectors: Tensor,
    sizes: Sequence[int],
    radius: float,
    *,
    represent: Callable[[Tensor], Tensor] = projector,
) -> list[tuple[int, ...]]:
    """Return the sets of vectors whose k-subsets span nearly the same plane, pyramids left out.

    All sets of k independent vectors are enumerated, their planes clustered by DBSCAN; a cluster's
    vectors are all in its sets. Left out are planes alone, and pyramids: one vector is in all sets.

    Parameters
    ----------
    vectors
        Columns, ``(m, n)``.
    sizes
        The values of k.
    radius
        DBSCAN's: how near two representatives are (as ‖P − Q‖/√2) that are joined.
    represent
        From independent columns ``(sets, m, k)`` to a matrix each: `projector` or `column_reduced`.

    Returns
    -------
    list of tuple
        For each cluster the numbers of its vectors; every set once, in order.

    Raises
    ------
    InvalidArgument
        If a k exceeds m, or there are more than 20 000 sets of k vectors.

    References
    ----------
    Pfeifle 2022, "Finding feature bundles in weight space, I".

    Examples
    --------
    >>> from superpos.bundles import planted
    >>> W, _ = planted.direct_sum(["triangle", "polygon 5"])
    >>> plane_clusters(W, [2, 3], 1e-6)
    [(0, 1, 2), (3, 4, 5, 6, 7)]
    """
    need("studies", "sklearn")
    from sklearn.cluster import DBSCAN  # takes a second to import

    vectors = checks.one_model(vectors, name="vectors").detach().cpu()  # scikit-learn is there
    m, n = vectors.shape
    radius = checks.positive_number("radius", radius)
    found = set()
    for k in checks.whole_numbers("sizes", sizes, least=1):
        if k > m:
            raise InvalidArgument(f"sizes has {k}: planes have at most m = {m} dimensions")
        if torch.tensor([n - i for i in range(k)]).prod() > MOST_SETS * np.prod(range(1, k + 1)):
            raise InvalidArgument(f"vectors has {n} columns: too many sets of {k} to enumerate")
        sets = torch.tensor(list(combinations(range(n), k))).reshape(-1, k)
        spans = vectors[:, sets].movedim(1, 0)
        spread = torch.linalg.svdvals(spans)
        full = spread[:, -1] > 1e-6 * spread[:, 0]
        sets, spans = sets[full], spans[full]
        if not len(sets):
            continue
        points = represent(spans).flatten(1).numpy() / np.sqrt(2)
        labels = DBSCAN(eps=radius, min_samples=2).fit(points).labels_
        for label in range(labels.max() + 1):
            members, counts = sets[torch.from_numpy(labels == label)].unique(return_counts=True)
            if counts.max() < (labels == label).sum():
                found.add(tuple(members.tolist()))
    return sorted(found)


def sparse_subspaces(W: Tensor, count: int, *, nonzero: int = 3) -> list[tuple[int, ...]]:
    """Return features clustered by sparse subspace clustering, given how many clusters there are.

    Each feature is written as a combination of few others (orthogonal matching pursuit); who uses
    whom is a graph, which spectral clustering cuts. Both steps are scikit-learn's.

    Parameters
    ----------
    W
        One model without zero columns, ``(m, n)``.
    count
        How many subspaces.
    nonzero
        How many others a feature may use, the dimension of the largest subspace.

    References
    ----------
    You, Robinson and Vidal 2016.

    Examples
    --------
    >>> sparse_subspaces(torch.tensor([[1.0, -1, 1, 0, 0, 0], [0, 0, 0, 1, -1, 1]]), 2, nonzero=1)
    [(0, 1, 2), (3, 4, 5)]
    """
    need("studies", "sklearn")
    from sklearn.cluster import SpectralClustering
    from sklearn.linear_model import orthogonal_mp

    W = checks.one_model(W).detach()
    n = W.shape[1]
    count, nonzero = (
        checks.whole_number(name, value) for name, value in (("count", count), ("nonzero", nonzero))
    )
    if count > n or n < 2:
        raise InvalidArgument(f"count is {count}: W has {n} columns, and at least 2 are needed")
    if not W.any(0).all():
        raise InvalidArgument("W has a column of zeros, which has no direction")
    unit = W.double() / W.abs().amax()
    unit = (unit / unit.norm(dim=0)).cpu().numpy()
    used = np.zeros((n, n))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that fewer others suffice, or that the graph falls apart
        for i in range(n):
            others = [j for j in range(n) if j != i]
            used[others, i] = orthogonal_mp(
                unit[:, others], unit[:, i], n_nonzero_coefs=min(nonzero, n - 1)
            )
        cut = SpectralClustering(n_clusters=count, affinity="precomputed", random_state=0)
        labels = cut.fit(np.abs(used) + np.abs(used.T)).labels_
    return sorted(tuple(np.flatnonzero(labels == k).tolist()) for k in range(count))
