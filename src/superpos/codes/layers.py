"""Layers that pass features on, each in a code of its own, and the noise that adds up in them.

Layer t writes what it was given, h = W_t x, reads f = R_t h + c_t, and hands a function of f on.
R_t is W_tᵀ, or a read-out fitted to the features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from superpos import checks
from superpos.errors import InvalidArgument

Response = Callable[[Tensor], Tensor]


def unchanged(f: Tensor) -> Tensor:
    """Hand readings on as they are."""
    return f


def relu(f: Tensor) -> Tensor:
    """Hand on 2 ReLU(f − 1/2): 0 below a half, and 1 at 1; above 1 it goes on.

    Examples
    --------
    >>> relu(torch.tensor([0.4, 1.0, 1.25]))
    tensor([0.0000, 1.0000, 1.5000])
    """
    return 2 * (checks.finite("f", f) - 0.5).clamp_min(0)


def saturating(f: Tensor) -> Tensor:
    """Hand on the difference of two ReLUs, that rises from 0 at 1/4 to 1 at 3/4 and stays there.

    Examples
    --------
    >>> saturating(torch.tensor([0.2, 0.5, 1.25]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    return (2 * checks.finite("f", f) - 0.5).clamp(0, 1)


def step(f: Tensor) -> Tensor:
    """Hand on 1 above a half, else 0.

    Examples
    --------
    >>> step(torch.tensor([0.4, 1.25]))
    tensor([0., 1.])
    """
    f = checks.finite("f", f)
    return (f > 0.5).to(f.dtype)


@dataclass(frozen=True)
class Noise:
    """How well boolean features are told apart after each layer.

    Attributes
    ----------
    noise
        ``(layers,)``: the standard deviation of readings of features in one state (the root of the
        mean of the variances of the two), over the difference of the two means; infinite where
        active features do not have the larger mean.
    wrong
        ``(layers,)``: the share of inputs of which a threshold in the middle of the two means
        reads some feature wrong.
    """

    noise: Tensor
    wrong: Tensor


def pass_through(
    codes: Sequence[Tensor], x: Tensor, response: Response, *, fitted: Tensor | None = None
) -> Noise:
    """Hand features through layers and measure the noise of each layer's readings.

    Parameters
    ----------
    codes
        A matrix of unit columns ``(m, n)`` for each layer.
    x
        Boolean features, ``(inputs, n)``, some on and some off.
    response
        What is handed on, of the readings; with a fitted read-out, of the readings shifted and
        scaled so that silent features are at 0 and active ones at 1, on average.
    fitted
        Other features like ``x`` on which to fit each layer's read-out, by least squares, to what
        was given to the first layer; without them the read-out is Wᵀ.

    Examples
    --------
    Orthogonal codes make no noise:

    >>> x = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    >>> pass_through([torch.eye(3)] * 2, x, unchanged).noise
    tensor([0., 0.])
    """
    x = checks.finite("x", x)
    if isinstance(codes, Tensor | str) or not isinstance(codes, Sequence) or not len(codes):
        raise InvalidArgument(f"codes is {checks.shortly(codes)}: a list of matrices is needed")
    codes = [checks.one_model(W, name="codes").to(x) for W in codes]
    if x.ndim != 2 or not x.numel() or any(W.shape[-1] != x.shape[-1] for W in codes):
        raise InvalidArgument(
            f"x has shape {tuple(x.shape)}: (inputs, n) is needed, with the n of every matrix of "
            "codes"
        )
    if not callable(response):
        raise InvalidArgument(f"response is {checks.shortly(response)}: a function is needed")
    if fitted is not None:
        fitted = checks.inputs("fitted", fitted, x.shape[-1], like=x)
        if fitted.ndim != 2 or not len(fitted):
            raise InvalidArgument(f"fitted has shape {tuple(fitted.shape)}: (inputs, n) is needed")
    for name, given in (("x", x), ("fitted", fitted)):
        if given is None:
            continue
        if ((given < 0) | (given > 1)).any():
            raise InvalidArgument(f"{name} has an entry outside of 0 to 1: features are 0 or 1")
        if (given > 0.5).all() or not (given > 0.5).any():
            raise InvalidArgument(
                f"{name} has features in one state only: some on and some off are needed"
            )
    on = x > 0.5
    given, known = x, fitted
    noise, wrong = [], []
    for W in codes:
        h = given @ W.mT
        if fitted is None or known is None:
            f = h @ W
        else:
            learnt = known @ W.mT
            readout, offset = _least_squares(learnt, fitted)
            f, learnt = h @ readout + offset, learnt @ readout + offset
            high, low = (_mean(learnt, state) for state in (fitted, 1 - fitted))
            f, learnt = ((values - low) / (high - low) for values in (f, learnt))
            known = response(learnt)
        active, silent = f[on], f[~on]
        apart = active.mean() - silent.mean()
        spread = ((active.var() + silent.var()) / 2).sqrt()
        noise.append(spread / apart if apart > 0 else torch.full_like(spread, torch.inf))
        middle = (active.mean() + silent.mean()) / 2
        wrong.append(((f > middle) != on).any(-1).to(f.dtype).mean())
        given = response(f)
    return Noise(torch.stack(noise), torch.stack(wrong))


def _least_squares(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return R ``(m, n)`` and c ``(n,)`` with the least mean of ‖x − hR − c‖²."""
    mean_h, mean_x = h.mean(0), x.mean(0)
    off = h - mean_h
    square = off.double().mT @ off.double()
    mean = square.diagonal().mean()  # 0 where all inputs are the same
    # only against a singular matrix
    square.diagonal().add_(torch.where(mean > 0, 1e-9 * mean, 1.0))
    readout = torch.linalg.solve(square, (off.mT @ (x - mean_x)).double()).to(h.dtype)
    return readout, mean_x - mean_h @ readout


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum()
