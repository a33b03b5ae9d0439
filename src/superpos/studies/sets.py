"""How sets of correlated or anticorrelated features are arranged.

Features come set by set, as `CorrelatedSets` and `AnticorrelatedSets` draw them: with sets of
``size`` features, set s has the features from s · size on. What counts as an arrangement that a
claim speaks of is decided in the study of the chapter.
"""

from __future__ import annotations

import torch
from torch import Tensor

from superpos import checks, geometry
from superpos.errors import InvalidArgument


def partner_cosines(W: Tensor) -> Tensor:
    """Return the cosine between the two features of each pair, 0 and 1, 2 and 3, …: ``(..., n/2)``.

    >>> partner_cosines(torch.tensor([[1.0, -1.0, 2.0, 3.0]]))
    tensor([-1.,  1.])
    """
    _check_sets(W, 2)
    return geometry.cosines(W)[..., ::2, 1::2].diagonal(dim1=-2, dim2=-1)


def partners_adjacent(W: Tensor) -> Tensor:
    """Return whether, going round the plane, the two features of each pair are neighbours.

    >>> angle = torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0, 5.0]) * torch.pi / 3
    >>> W = torch.stack([angle.cos(), angle.sin()])
    >>> partners_adjacent(W), partners_adjacent(W[:, [0, 3, 1, 4, 2, 5]])
    (tensor(True), tensor(False))
    """
    _check_sets(W, 2)
    n = W.shape[-1]
    geometry.angular_gaps(W)  # refuses what is not a plane
    order = torch.atan2(W[..., 1, :], W[..., 0, :]).argsort(-1)
    place = order.argsort(-1)
    apart = (place[..., ::2] - place[..., 1::2]).remainder(n)
    return ((apart == 1) | (apart == n - 1)).all(-1)


def within_sets(W: Tensor, size: int) -> Tensor:
    """Return the sizes of the cosines between features of one set.

    ``(..., n/size, size (size − 1))``: each pair twice.

    >>> within_sets(torch.tensor([[1.0, -1.0], [0.0, 0.0]]), 2)
    tensor([[1., 1.]])
    """
    sets = _check_sets(W, size)
    cosine = geometry.cosines(W).unflatten(-1, (sets, size)).unflatten(-3, (sets, size))
    own = cosine.diagonal(dim1=-4, dim2=-2).movedim(-1, -3).abs()
    return own[..., ~torch.eye(size, dtype=torch.bool, device=W.device)]


def nearest_outside(W: Tensor, size: int) -> Tensor:
    """Return each feature's largest cosine in size with a feature of another set: ``(..., n)``.

    >>> nearest_outside(torch.tensor([[1.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, -1.0]]), 2)
    tensor([1., 1., 1., 1.])
    """
    _check_sets(W, size)
    number = torch.arange(W.shape[-1], device=W.device) // size
    same = number[:, None] == number
    return geometry.cosines(W).abs().masked_fill(same, 0.0).amax(-1)


def sets_of_parts(W: Tensor, size: int, *, threshold: float = 0.15) -> list[tuple[int, ...]]:
    """Return which sets the members of each part of a model come from.

    For each component of the feature graph, those with the most features first, the sets of its
    features in rising order. From a ``threshold`` on, W_i·W_j makes an edge.

    >>> sets_of_parts(torch.tensor([[1.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, -1.0]]), 2)
    [(0, 1), (0, 1)]
    >>> sets_of_parts(torch.tensor([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0]]), 2)
    [(0, 0), (1, 1)]
    """
    _check_sets(W, size)
    parts = geometry.components(W, threshold=threshold)
    return [tuple(feature // size for feature in part) for part in parts]


def one_of_every_set(W: Tensor, size: int, *, threshold: float = 0.15) -> Tensor:
    """Return whether the parts are ``size`` components with one feature of every set each.

    All features are then represented.

    >>> W = torch.tensor([[1.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, -1.0]])
    >>> one_of_every_set(W, 2), one_of_every_set(W[:, [0, 2, 1, 3]], 2)
    (tensor(True), tensor(False))
    """
    sets = _check_sets(W, size)
    wanted = [tuple(range(sets))] * size
    return _each(W, lambda one: sets_of_parts(one, size, threshold=threshold) == wanted)


def sets_apart(W: Tensor, size: int, *, threshold: float = 0.15) -> Tensor:
    """Return whether all features are represented and no part has features of two sets: ``(...)``.

    >>> W = torch.tensor([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0]])
    >>> sets_apart(W, 2), sets_apart(W[:, [0, 2, 1, 3]], 2)
    (tensor(True), tensor(False))
    """
    parts_of = _each(
        W,
        lambda one: all(
            len(set(part)) == 1 for part in sets_of_parts(one, size, threshold=threshold)
        ),
    )
    return parts_of & geometry.represented(W).all(-1)


def sharing_partners(W: Tensor, *, threshold: float = 0.15) -> Tensor:
    """Return the share of pairs whose two features are in one component: ``(...)``, float64.

    >>> sharing_partners(torch.tensor([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0]]))
    tensor(1., dtype=torch.float64)
    """
    pairs = _check_sets(W, 2)

    def share(one: Tensor) -> float:
        parts = sets_of_parts(one, 2, threshold=threshold)
        return sum(part.count(pair) == 2 for part in parts for pair in set(part)) / pairs

    return _each(W, share)


def facing(W: Tensor, size: int) -> Tensor:
    """Return a model's features ``(m, n)``, each set in the order in which it faces the first.

    Within every later set, features are ordered so that the products with the features of the first
    set in the same places add up to as little as possible: antipodes line up.

    >>> facing(torch.tensor([[1.0, 0.0, 0.0, -1.0], [0.0, 1.0, -1.0, 0.0]]), 2)
    tensor([[ 1.,  0., -1.,  0.],
            [ 0.,  1.,  0., -1.]])
    """
    from scipy.optimize import linear_sum_assignment

    sets = _check_sets(W, size)
    products = geometry.gram(W)[:size]
    order = list(range(size))
    for first in range(size, sets * size, size):
        _, columns = linear_sum_assignment(products[:, first : first + size].numpy())
        order += [first + column for column in columns.tolist()]
    return W[:, order]


def _each(W: Tensor, of_one) -> Tensor:
    flat = W.flatten(0, -3) if W.ndim > 2 else W[None]
    found = [of_one(one) for one in flat]
    kind = torch.bool if isinstance(found[0], bool) else torch.float64
    return torch.tensor(found, dtype=kind).reshape(W.shape[:-2])


def _check_sets(W: Tensor, size: int) -> int:
    """Return the number of sets; raise if the features do not come in sets of ``size``."""
    checks.weights(W)
    size = checks.whole_number("size", size)
    sets, rest = divmod(W.shape[-1], size)
    if rest:
        raise InvalidArgument(
            f"W has n = {W.shape[-1]} features: they do not come in sets of {size}"
        )
    return sets
