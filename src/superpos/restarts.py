"""Restarts: the best of several tries at the same setting."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from superpos import checks
from superpos.errors import InvalidArgument


def best_of(loss: Tensor, values: Tensor) -> Tensor:
    """Return, for each setting, the values of the try with the lowest loss.

    Parameters
    ----------
    loss
        ``(tries, *settings)``.
    values
        ``(tries, *settings, ...)``: anything that belongs to a try.

    Returns
    -------
    Tensor
        ``(*settings, ...)``.

    Examples
    --------
    >>> import torch
    >>> loss = torch.tensor([[0.3, 0.1], [0.2, 0.4]])
    >>> best_of(loss, torch.tensor([[1, 2], [3, 4]]))
    tensor([3, 2])
    """
    winner = loss.argmin(0, keepdim=True)
    index = winner.reshape(*winner.shape, *[1] * (values.ndim - winner.ndim))
    return values.gather(0, index.expand(1, *values.shape[1:]))[0]


def share_of_best(loss: Tensor, shown: Tensor, tries: int) -> Tensor:
    """Return how often the best of some tries shows something, over all choices of them: ``(...)``.

    With the N losses in order, the try in place r, from 0, is the best of k drawn without
    replacement with probability C(N − 1 − r, k − 1) / C(N, k).

    Parameters
    ----------
    loss
        ``(N, *settings)``: of all tries.
    shown
        Booleans, shaped as the losses: which tries show it.
    tries
        k, from 1 to N.

    Examples
    --------
    >>> import torch
    >>> share_of_best(torch.tensor([3.0, 1.0, 2.0]), torch.tensor([False, True, False]), 2)
    tensor(0.6667, dtype=torch.float64)
    """
    count = len(loss)
    checks.whole_number("tries", tries)
    if tries > count:
        raise InvalidArgument(f"tries is {tries}: there are {count} losses")
    place = torch.arange(count, dtype=torch.float64)
    left = count - 1 - place
    # one factor of C(N − 1 − r, k − 1) / C(N, k) after another, as logarithms
    log = (
        torch.lgamma(left + 1) - torch.lgamma((left - tries + 2).clamp_min(1))
        + math.lgamma(count - tries + 1) - math.lgamma(count + 1) + math.log(tries)
    )  # fmt: skip
    chance = torch.where(left >= tries - 1, log.exp(), 0.0)
    ordered = shown.gather(0, loss.argsort(0)).double()
    return torch.tensordot(chance, ordered, dims=1)
