"""Into how many regions the hyperplanes W_i·h + b_i = 0 of a model cut its hidden space."""

from __future__ import annotations

import math
from itertools import combinations

import torch
from torch import Tensor

from superpos import checks
from superpos.errors import InvalidArgument

MOST_HYPERPLANES = 14


def regions(W: Tensor, b: Tensor, *, tolerance: float = 1e-6) -> tuple[int, int]:
    """Return how many regions n hyperplanes make, and how many of these are bounded.

    With χ(t) = Σ_B (−1)^|B| t^(m − rank B) over all sets B of hyperplanes that have a point in
    common, there are (−1)^m χ(−1) regions, |χ(1)| of them bounded. Where the normals span less than
    the hidden space, those are counted that are bounded within the normals' span.

    Parameters
    ----------
    W, b
        One model, ``(m, n)`` and ``(n,)``. A zero column is no hyperplane.
    tolerance
        Unit normals are dependent where a singular value is at most this, and hyperplanes with
        dependent normals have a common point where their offsets fit as well as that.

    Raises
    ------
    InvalidArgument
        If W is not one model, or has more than 14 features.

    References
    ----------
    Zaslavsky 1975.

    Examples
    --------
    Three lines in general position, and two parallel ones:

    >>> W = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    >>> regions(W, torch.tensor([0.0, 0.0, -1.0]))
    (7, 1)
    >>> regions(torch.tensor([[1.0, -1.0]]), torch.tensor([-1.0, -1.0]))
    (3, 1)
    """
    W, b = (value.cpu() for value in checks.weights(W, b))  # what comes out are two counts
    if W.ndim != 2 or b.ndim != 1:
        raise InvalidArgument(f"W has shape {tuple(W.shape)}: one model, (m, n), is needed")
    tolerance = checks.fraction("tolerance", tolerance)
    length = W.double().norm(dim=0)
    there = length > 0
    normals, offsets = W.double()[:, there] / length[there], b.double()[there] / length[there]
    n = normals.shape[1]
    if n > MOST_HYPERPLANES:
        raise InvalidArgument(f"W has {n} hyperplanes: at most {MOST_HYPERPLANES} are counted")
    of_rank = [0] * (len(W) + 1)  # Σ (−1)^|B| over the sets of that rank
    of_rank[0] = 1
    for k in range(1, n + 1):
        sets = torch.tensor(list(combinations(range(n), k)))
        _, S, Vh = torch.linalg.svd(normals[:, sets].movedim(1, 0), full_matrices=False)
        kept = tolerance < S
        rows = Vh * kept[..., None]
        wanted = offsets[sets]
        fitted = (rows.mT @ (rows @ wanted[..., None])).squeeze(-1)
        meet = (wanted - fitted).norm(dim=-1) <= max(tolerance, 1e-9)
        for rank in kept.sum(-1)[meet].tolist():
            of_rank[rank] += (-1) ** k
    together = sum((-1) ** rank * value for rank, value in enumerate(of_rank))
    return together, abs(sum(of_rank))


def general_position(n: int, m: int) -> tuple[int, int]:
    """Return the numbers of `regions` for n hyperplanes in general position in m dimensions.

    Examples
    --------
    >>> general_position(3, 2)
    (7, 1)
    """
    n = checks.whole_number("n", n)
    m = checks.whole_number("m", m)
    return sum(math.comb(n, i) for i in range(m + 1)), math.comb(n - 1, m)
