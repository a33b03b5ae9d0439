"""The spectrum of the frame operator F = W Wᵀ: whether features keep to single eigenspaces of it.

By the Cauchy-Schwarz inequality a feature's dimensionality D_i = ‖W_i‖⁴ / (W_iᵀ F W_i) is at most
its leverage W_iᵀ F⁺ W_i, and equal to it only if W_i is an eigenvector of F. Leverages add up to
the rank of W. So the D_i add up to at most the number of dimensions, and do so only where every
feature lies in one eigenspace: capacity that is saturated is localised.
"""

from __future__ import annotations

import torch
from torch import Tensor

from superpos import checks, geometry

_RANK = 1e-6  # of the largest eigenvalue: below is rounding


def localisation(W: Tensor) -> Tensor:
    """Return how nearly each feature lies in one eigenspace of W Wᵀ: D_i over its leverage.

    Parameters
    ----------
    W
        ``(..., m, n)``.

    Returns
    -------
    Tensor
        ``(..., n)``, in [0, 1]: 1 for eigenvectors; 0 for features of length 0.

    References
    ----------
    Ivanov et al. 2026, "Spectral Superposition", abstract (spectral localization).

    Examples
    --------
    Of a pair and a third feature, at a right angle each lies in an eigenspace, aslant none does:

    >>> localisation(torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]]))
    tensor([1., 1., 1.])
    >>> localisation(torch.tensor([[1.0, -1.0, 0.6], [0.0, 0.0, 0.8]])).max() < 0.99
    tensor(True)
    """
    W = checks.weights(W)[0]
    F = W @ W.mT
    D = geometry.feature_dimensionality(W)
    leverage = ((torch.linalg.pinv(F, rtol=_RANK, hermitian=True) @ W) * W).sum(-2)
    return torch.where(D > 0, D / leverage.clamp_min(_RANK), 0.0).clamp_max(1)


def saturation(W: Tensor) -> Tensor:
    """Return Σ D_i over the rank of W, ``(...)``: 1 where all capacity is used.

    Parameters
    ----------
    W
        ``(..., m, n)``.

    Examples
    --------
    >>> saturation(torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]]))
    tensor(1.)
    """
    W = checks.weights(W)[0]
    rank = torch.linalg.matrix_rank(W @ W.mT, rtol=_RANK, hermitian=True)
    return geometry.feature_dimensionality(W).sum(-1) / rank.clamp_min(1)


def tightness(W: Tensor) -> Tensor:
    """Return (Σ λ)² / (m Σ λ²) over the eigenvalues of W Wᵀ, ``(...)``: 1 for a tight frame.

    Parameters
    ----------
    W
        ``(..., m, n)``.

    Examples
    --------
    >>> tightness(torch.eye(2)), tightness(torch.tensor([[1.0, 1.0], [0.0, 0.0]]))
    (tensor(1.), tensor(0.5000))
    """
    W = checks.weights(W)[0]
    F = W @ W.mT
    trace = F.diagonal(dim1=-2, dim2=-1).sum(-1)
    squares = F.square().sum((-2, -1))
    return torch.where(squares > 0, trace**2 / (W.shape[-2] * squares), 0.0)
