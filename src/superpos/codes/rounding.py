"""Few bits: the loss of models whose weights or hidden activations are rounded."""

from __future__ import annotations

import torch
from torch import Tensor

from superpos import checks
from superpos.errors import InvalidArgument


def rounded(values: Tensor, bits: int, *, axes: tuple[int, ...] = (-2, -1)) -> Tensor:
    """Round to the nearest of 2^bits evenly spaced values, from the smallest value to the largest.

    Parameters
    ----------
    values
        Any shape.
    bits
        From 1 to 24, which is what float32 can tell apart.
    axes
        Over which there is one range: for each index along the other axes there is another.

    Examples
    --------
    >>> rounded(torch.tensor([0.0, 0.1, 0.4, 1.0]), 1, axes=(0,))
    tensor([0., 0., 0., 1.])
    """
    bits = checks.whole_number("bits", bits)
    if bits > 24:
        raise InvalidArgument(f"bits is {bits}: at most 24 can be told apart")
    values = checks.finite("values", values)
    if values.ndim < max([-axis if axis < 0 else axis + 1 for axis in axes], default=0) or (
        0 in values.shape
    ):
        raise InvalidArgument(
            f"values has shape {tuple(values.shape)}: numbers along the axes {axes} are needed"
        )
    low = values.amin(axes, keepdim=True)
    width = values.amax(axes, keepdim=True) - low
    spaces = 2**bits - 1
    unit = torch.where(width > 0, width / spaces, 1.0)
    return low + ((values - low) / unit).round() * unit


def rounded_loss(
    W: Tensor,
    b: Tensor,
    x: Tensor,
    *,
    weights: int | None = None,
    activations: int | None = None,
    axes: tuple[int, ...] = (-2, -1),
) -> Tensor:
    """Return the mean loss Σ_j (x_j − ReLU(W_j·h + b_j))² with W, b or h = Wx in few bits.

    Parameters
    ----------
    W, b
        Models ``(..., m, n)`` and ``(..., n)``.
    x
        Inputs, ``(..., inputs, n)``.
    weights
        Bits of W and of b, each over a model's range; exact by default.
    activations
        Bits of h, over the range that it has on these inputs; exact by default.
    axes
        Over which W, and h ``(..., inputs, m)``, have one range. With ``(-2,)`` every feature of W
        and every dimension of h has a range of its own.

    Returns
    -------
    Tensor
        ``(...)``.

    Examples
    --------
    >>> x = torch.rand(100, 4)
    >>> rounded_loss(torch.eye(4), torch.zeros(4), x)
    tensor(0.)
    >>> losses = [rounded_loss(torch.eye(4), torch.zeros(4), x, activations=k) for k in (2, 4)]
    >>> bool(losses[0] > 10 * losses[1])
    True
    """
    W, b = checks.weights(W, b)
    x = checks.inputs("x", x, W.shape[-1], like=W)
    if x.ndim < 2:
        raise InvalidArgument(f"x has shape {tuple(x.shape)}: (..., inputs, n) is needed")
    checks.broadcast_shape(W=W.shape[:-2], b=b.shape[:-1], x=x.shape[:-2])
    for name, bits in (("weights", weights), ("activations", activations)):
        if bits is not None and checks.whole_number(name, bits) > 24:
            raise InvalidArgument(f"{name} is {bits}: at most 24 bits can be told apart")
    if weights is not None:
        W, b = rounded(W, weights, axes=axes), rounded(b, weights, axes=(-1,))
    h = x @ W.mT
    if activations is not None:
        h = rounded(h, activations, axes=axes)
    return (x - torch.relu(h @ W + b[..., None, :])).square().sum(-1).mean(-1)
