"""Bundles: the direct summands of a set of features, found from the projector onto the rows of W.

A set of features is a direct sum of others if the spaces that these span share nothing: their
dimensions add up. The finest such split is unique. `find_bundles` is the method of the book,
`enumerate_bundles` the definition, tried on all splits.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from superpos import checks
from superpos.errors import InvalidArgument

MOST_ENUMERATED = 10
"""The most features of which all splits are tried."""


@dataclass(frozen=True)
class Bundle:
    """A direct summand of a set of features.

    Attributes
    ----------
    features
        Their numbers, in ascending order.
    dimension
        How many dimensions they span.
    overlap
        The largest cosine between a vector in their span and one in the span of all others: 0 for
        a summand that is orthogonal to the rest, a factor of a tegum product.
    """

    features: tuple[int, ...]
    dimension: int
    overlap: float


def find_bundles(W: Tensor, *, tolerance: float = 0.4, shortest: float = 1e-6) -> list[Bundle]:
    """Return the direct summands of the features of a model, the largest first.

    The projector onto the row space of W has one block for each summand, whatever the basis of the
    hidden space. Features are joined in the order of its entries, scaled to a diagonal of 1, until
    the dimensions of the parts add up to that of all (or in the order of their cosines, if that
    gives more parts, or as many that fit their dimensions better); then each part is split in the
    same way. What is returned is thus always a direct sum within the tolerance; noise beyond it can
    only hide a finer one.

    Parameters
    ----------
    W
        One model, ``(m, n)``. Lengths of features play no role, only directions do.
    tolerance
        Features at unit length span as many dimensions as they have singular values above it: at
        least 0, below 1. Two features nearer than about 1.4 times it count as one direction.
    shortest
        Features with at most this share of the longest one's length have no direction, and are
        in no bundle.

    Returns
    -------
    list of Bundle
        Every feature with a direction is in exactly one; one alone in its direction, and
        independent of the others, is a bundle of its own. Empty if W is 0.

    Raises
    ------
    InvalidArgument
        If W is not one model, or has an entry that is NaN or infinite;
        if a setting is out of range.

    References
    ----------
    Costeira and Kanade 1998 (the projector, as a shape interaction matrix).

    Examples
    --------
    A pair of opposite features and three in a plane, at an angle to it:

    >>> W = torch.tensor([[1.0, -2.0, 0.0, 0.6, -0.6], [0, 0, 1, 0, -1], [0, 0, 0, 0.8, -0.8]])
    >>> for bundle in find_bundles(W):
    ...     print(bundle.features, bundle.dimension, round(bundle.overlap, 2))
    (2, 3, 4) 2 0.6
    (0, 1) 1 0.6
    """
    tolerance = checks.fraction("tolerance", tolerance)
    unit, kept = _directions(W, tolerance, shortest)
    if not kept:
        return []
    return _bundles(unit, kept, _split(unit, list(range(len(kept))), tolerance))


def row_cosines(W: Tensor, *, tolerance: float = 0.4) -> Tensor:
    """Return the projector onto the row space of W, scaled to a diagonal of 1: ``(n, n)``.

    These are the cosines between the features after the hidden space is transformed so that
    WWᵀ is the identity. Between bundles they are 0.

    Parameters
    ----------
    W
        One model, ``(m, n)``; its features are taken at unit length.
    tolerance
        Singular values up to it count as 0.

    Examples
    --------
    Two oblique pairs become orthogonal:

    >>> row_cosines(torch.tensor([[1.0, -1.0, 1.0, -1.0], [0.0, 0.0, 1.0, -1.0]])).round() + 0
    tensor([[ 1., -1.,  0.,  0.],
            [-1.,  1.,  0.,  0.],
            [ 0.,  0.,  1., -1.],
            [ 0.,  0., -1.,  1.]], dtype=torch.float64)
    """
    W, _ = checks.weights(W)
    tolerance = checks.fraction("tolerance", tolerance)
    unit, kept = _directions(W, tolerance, 0.0)
    cosines = torch.zeros(W.shape[-1], W.shape[-1], dtype=torch.float64)
    if kept:
        cosines[np.ix_(kept, kept)] = _row_cosines(unit, _dimension(unit, tolerance))
    return cosines.to(W.device)


def enumerate_bundles(W: Tensor, *, tolerance: float = 0.4, shortest: float = 1e-6) -> list[Bundle]:
    """Return the finest split of at most ten features into a direct sum, by trying all splits.

    Parameters and result are those of `find_bundles`.

    Examples
    --------
    >>> [bundle.features for bundle in enumerate_bundles(torch.tensor([[1.0, 0, 1], [0, 1, 0]]))]
    [(0, 2), (1,)]
    """
    tolerance = checks.fraction("tolerance", tolerance)
    unit, kept = _directions(W, tolerance, shortest)
    n = len(kept)
    if n > MOST_ENUMERATED:
        raise InvalidArgument(
            f"W has {n} features with a direction: at most {MOST_ENUMERATED} can be enumerated"
        )
    if not kept:
        return []
    rank, left = [0] * 2**n, [0.0] * 2**n
    for k in range(1, n + 1):
        sets = list(combinations(range(n), k))
        values = torch.linalg.svdvals(unit[:, torch.tensor(sets)].movedim(1, 0))
        counts = (values > tolerance).sum(-1).tolist()
        outside = values.square().masked_fill(values > tolerance, 0.0).sum(-1).tolist()
        for members, count, rest in zip(sets, counts, outside, strict=True):
            part = sum(1 << i for i in members)
            rank[part], left[part] = count, rest
    whole = rank[-1]
    # best[S]: for each total of dimensions up to that of all, the most parts that S splits into,
    # and less what lies outside of their dimensions
    best: list[dict[int, tuple]] = [{0: ((0, 0.0), [])}] + [{} for _ in range(2**n - 1)]
    for S in range(1, 2**n):
        first, rest = S & -S, S & (S - 1)
        others = rest
        while True:  # over all subsets of the rest
            part = first | (rest ^ others)
            for total, ((count, fit), parts) in best[others].items():
                total += rank[part]
                value = (count + 1, fit - left[part])
                if total <= whole and value > best[S].get(total, ((0, 0.0),))[0]:
                    best[S][total] = (value, [*parts, part])
            if not others:
                break
            others = (others - 1) & rest
    split = best[-1][whole][1]
    members = [[i for i in range(n) if part >> i & 1] for part in split]
    return _bundles(unit, kept, [(each, rank[p]) for each, p in zip(members, split, strict=True)])


def _directions(W: Tensor, tolerance: float, shortest: float) -> tuple[Tensor, list[int]]:
    """Return the features that have a direction at unit length, in double precision, and which."""
    W, _ = checks.weights(W)
    if W.ndim != 2:
        raise InvalidArgument(f"W has shape {tuple(W.shape)}: one model, (m, n), is needed")
    shortest = checks.fraction("shortest", shortest)
    W = W.detach().double().cpu()
    largest = W.abs().max()
    if largest == 0:
        return W[:, :0], []
    W = W / largest  # the squares of tiny or huge entries stay representable
    length = W.norm(dim=0)
    kept = (length > shortest * length.max()).nonzero().flatten()
    return W[:, kept] / length[kept], kept.tolist()


def _dimension(unit: Tensor, tolerance: float) -> int:
    if unit.shape[1] == 1:
        return 1
    # what rounding leaves is no dimension, even with a tolerance of 0
    return int((torch.linalg.svdvals(unit) > max(tolerance, 1e-10)).sum())


def _left(unit: Tensor, tolerance: float) -> float:
    """Return how much of the features lies outside of the dimensions that they span."""
    values = torch.linalg.svdvals(unit)
    return values[values <= tolerance].square().sum().item()


def _row_cosines(unit: Tensor, dimension: int) -> Tensor:
    rows = torch.linalg.svd(unit, full_matrices=False).Vh[:dimension]
    rows = rows / rows.norm(dim=0).clamp_min(1e-300)
    return (rows.mT @ rows).clamp(-1, 1)


def _split(unit: Tensor, part: list[int], tolerance: float) -> list[tuple[list[int], int]]:
    """Return the parts of a direct sum with their dimensions, split as far as it goes."""
    own = unit[:, part]
    whole = _dimension(own, tolerance)
    # by the plain cosines too: near a tolerance, features that are nearly one must come first
    orders = _row_cosines(own, whole), own.mT @ own
    splits = [_joined(own, whole, tolerance, order.abs()) for order in orders]
    found = max(
        splits, key=lambda parts: (len(parts), -sum(_left(own[:, p], tolerance) for p in parts))
    )
    if len(found) == 1:
        return [(part, whole)]
    within = [[part[i] for i in members] for members in found]
    return [piece for members in within for piece in _split(unit, members, tolerance)]


def _joined(unit: Tensor, whole: int, tolerance: float, alike: Tensor) -> list[list[int]]:
    """Join features, most alike first, until the dimensions of the parts add up to ``whole``."""
    from scipy.cluster.hierarchy import linkage

    n = unit.shape[1]
    parts, sizes, alive = [[i] for i in range(n)], [1] * n, set(range(n))
    apart = (1 - alike).numpy()[np.triu_indices(n, 1)]
    tree: Any = linkage(apart, "single") if n > 1 else ()
    joins = iter(tree)
    while sum(sizes[k] for k in alive) != whole:
        a, b = (int(k) for k in next(joins)[:2])
        parts.append(sorted(parts[a] + parts[b]))
        sizes.append(_dimension(unit[:, parts[-1]], tolerance))
        alive = alive - {a, b} | {len(parts) - 1}  # a join has the next number
    return [parts[k] for k in alive]


def _bundles(unit: Tensor, kept: list[int], parts: list[tuple[list[int], int]]) -> list[Bundle]:
    parts = sorted(parts, key=lambda each: (-len(each[0]), each[0]))
    bases = [torch.linalg.svd(unit[:, part], full_matrices=False).U[:, :d] for part, d in parts]
    found = []
    for k, (part, dimension) in enumerate(parts):
        others = torch.cat([unit[:, :0], *bases[:k], *bases[k + 1 :]], dim=1)
        overlap = 0.0
        if others.shape[1]:
            span = torch.linalg.qr(others).Q
            overlap = min(1.0, torch.linalg.svdvals(span.mT @ bases[k])[0].item())
        found.append(Bundle(tuple(kept[i] for i in part), dimension, overlap))
    return found
