"""Restarts: the best of several tries at the same setting."""

from __future__ import annotations

from torch import Tensor


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
