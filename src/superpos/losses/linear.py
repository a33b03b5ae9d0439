"""The expected loss of linear models, in closed form."""

from __future__ import annotations

import torch
from torch import Tensor

from superpos import checks
from superpos.compute.gates import gate, one_precision, shapes


@gate(p=checks.floating)
def active_moments(p: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean p/2 and variance p/3 − p²/4 of a feature active with probability p.

    Examples
    --------
    >>> active_moments(torch.tensor(1.0))
    (tensor(0.5000), tensor(0.0833))
    """
    return p / 2, p / 3 - p.square() / 4


@gate(
    shapes(W="... m n", b="... *n", p="... *n", I="... *n"),
    one_precision("W", "p"),
    W=checks.floating,
    b=checks.floating,
    p=checks.floating,
    I=checks.floating,
)
def linear_loss(W: Tensor, b: Tensor, p: Tensor, I: Tensor) -> Tensor:
    """Return the expected loss of tied linear models on independent features, in closed form.

    Output j errs by its mean offset and by each input's variance:
    L = Σ_j I_j [ (Σ_i M_ij μ_i + b_j − μ_j)² + Σ_i (M_ij − δ_ij)² σ_i² ] with M = WᵀW.

    Parameters
    ----------
    W, b
        ``(..., m, n)`` and ``(..., n)``.
    p, I
        Probability and importance, broadcast to ``(..., n)``.

    Examples
    --------
    >>> linear_loss(torch.zeros(1, 1), torch.zeros(1), torch.tensor([0.3]), torch.ones(1))
    tensor(0.1000)
    """
    mean, variance = active_moments(p)
    offset, error = linear_errors(W, b, mean)
    spread = (variance[..., :, None] * error.square()).sum(-2)
    return (I * (offset.square() + spread)).sum(-1)


@gate(
    shapes(W="... m n", b="... *n", mean="... *n"),
    one_precision("W", "mean"),
    W=checks.floating,
    b=checks.floating,
    mean=checks.floating,
)
def linear_errors(W: Tensor, b: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """Return a linear model's mean error ``(..., n)`` and WᵀW − 1 ``(..., n, n)``."""
    error = W.mT @ W - torch.eye(W.shape[-1], dtype=W.dtype, device=W.device)
    return (mean[..., None, :] @ error)[..., 0, :] + b, error
