"""How rough the boundaries between outcomes are, on a grid of settings: smooth lines, or fractal.

A smooth line has dimension 1. If the boundary's dimension is D, a setting known to within ε has an
uncertain outcome with a probability that falls as ε^(2 − D) (McDonald et al. 1985); were outcomes
drawn at random, it would not fall at all, and D were 2.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from superpos import checks
from superpos.errors import InvalidArgument


def box_shares(outcomes: Tensor, sizes: Tensor) -> Tensor:
    """Return the share of boxes, of each size, that hold more than one outcome.

    A boundary of dimension D crosses as many as size^(−D), of size^(−2) boxes: the share grows as
    size^(2 − D).

    Parameters
    ----------
    outcomes
        Whole numbers ``(rows, columns)``.
    sizes
        Widths of the boxes in cells, whole numbers of at least 1. Cells are points, and those on
        the edge of two boxes belong to both; what does not fill a box at the end of a row or
        column is left out.

    Returns
    -------
    Tensor
        As many shares, float64.

    Examples
    --------
    A straight boundary crosses one box in each row of boxes:

    >>> line = torch.arange(25).expand(25, -1) >= 9
    >>> box_shares(line, torch.tensor([2, 4]))
    tensor([0.0833, 0.1667], dtype=torch.float64)
    """
    outcomes = _grid(outcomes)
    shares = []
    for size in _some("sizes", sizes):
        if size >= min(outcomes.shape):
            raise InvalidArgument(f"sizes has {size}: the grid is {tuple(outcomes.shape)}")
        boxes = outcomes.unfold(0, size + 1, size).unfold(1, size + 1, size).flatten(2)
        shares.append((boxes.amax(-1) != boxes.amin(-1)).double().mean())
    return torch.stack(shares)


def uncertainty(outcomes: Tensor, distances: Tensor) -> Tensor:
    """Return how often two cells at a distance, along a row or a column, differ in their outcome.

    Parameters
    ----------
    outcomes
        Whole numbers ``(rows, columns)``.
    distances
        In cells, whole numbers from 1 to less than the grid is wide and high.

    Returns
    -------
    Tensor
        As many shares, float64.

    Examples
    --------
    >>> uncertainty(torch.arange(4).expand(4, -1) >= 2, torch.tensor([1]))
    tensor([0.1667], dtype=torch.float64)
    """
    outcomes = _grid(outcomes)
    shares = []
    for distance in _some("distances", distances):
        if distance >= min(outcomes.shape):
            raise InvalidArgument(f"distances has {distance}: the grid is {tuple(outcomes.shape)}")
        along = (outcomes[:, distance:] != outcomes[:, :-distance]).flatten()
        across = (outcomes[distance:] != outcomes[:-distance]).flatten()
        shares.append(torch.cat([along, across]).double().mean())
    return torch.stack(shares)


def exponent(sizes: Tensor, values: Tensor) -> float:
    """Return the slope of log values over log sizes, by least squares; NaN if a value is 0.

    Examples
    --------
    >>> round(exponent(torch.tensor([1, 2, 4]), torch.tensor([3, 12, 48])), 6)
    2.0
    """
    sizes, values = checks.along("sizes", sizes, least=2), checks.along("values", values, least=2)
    if len(sizes) != len(values) or not (sizes > 0).all() or (sizes == sizes[0]).all():
        raise InvalidArgument("sizes has to be as long as values, above 0 and not all the same")
    if (values <= 0).any():
        return float("nan")
    x, y = (each.detach().double().log().cpu().numpy() for each in (sizes, values))
    return float(np.polyfit(x, y, 1)[0])


def _some(name: str, values: Tensor) -> list[int]:
    found = checks.whole_numbers(name, values, least=1)
    if not found:
        raise InvalidArgument(f"{name} is empty: at least one whole number is needed")
    return found


def _grid(outcomes: Tensor) -> Tensor:
    outcomes = checks.array("outcomes", outcomes)
    if outcomes.ndim != 2 or outcomes.is_floating_point() or not outcomes.numel():
        raise InvalidArgument(
            f"outcomes has dtype {outcomes.dtype} and shape {tuple(outcomes.shape)}: whole numbers "
            "(rows, columns) are needed"
        )
    return outcomes.int()
