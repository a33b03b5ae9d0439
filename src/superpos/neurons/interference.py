"""Interference weights: which of the weights between features do harm, by several measures.

Of a tied model W_i·W_j is taken as a weight from feature j to output i. All weights off the
diagonal are interference in the sense that a model with room for all features would have none.
"""

from __future__ import annotations

import torch
from torch import Tensor

from superpos import checks
from superpos.checks import Numbers
from superpos.errors import InvalidArgument
from superpos.features import FeatureDistribution, as_features
from superpos.losses.exact import check_few_features, error_by_active_set


def weights_loss(V: Tensor, b: Tensor, probability: Numbers | FeatureDistribution) -> Tensor:
    """Return the exact loss of x' = ReLU(V x + b) for any weights V between features.

    Parameters
    ----------
    V, b
        ``(..., n, n)``, row i for output i, and ``(..., n)``; n of at most 14.
    probability
        As for `superpos.losses.exact_loss`.

    Returns
    -------
    Tensor
        ``(...)``, float64. It can be differentiated.

    Examples
    --------
    >>> weights_loss(torch.eye(3), torch.zeros(3), 0.3)
    tensor(0., dtype=torch.float64)
    """
    V, b = checks.weights(V, b, name="V")
    n = V.shape[-1]
    if V.shape[-2] != n:
        raise InvalidArgument(f"V has shape {tuple(V.shape)}: (..., n, n) is needed")
    check_few_features(n)
    chance = as_features(probability, n).active_sets().to(V.device)
    checks.broadcast_shape(V=V.shape[:-2], b=b.shape[:-1], probability=chance.shape[:-1])
    errors = error_by_active_set(b.double(), V.double())
    return (errors.sum(-2) * chance).sum(-1)


def _one(
    W: Tensor, b: Tensor, probability: Numbers | FeatureDistribution
) -> tuple[Tensor, Tensor, FeatureDistribution]:
    """Return WᵀW in float64, b and the inputs of one model, checked."""
    W, b = checks.weights(W, b)
    if W.ndim != 2 or b.ndim != 1:
        raise InvalidArgument(
            f"W has shape {tuple(W.shape)} and b {tuple(b.shape)}: one model, (m, n) and (n,), is "
            "needed"
        )
    V = (W.mT @ W).double()
    if not torch.isfinite(V).all():
        raise InvalidArgument(f"W has entries so large that {W.dtype} does not hold their products")
    features = as_features(probability, W.shape[-1])
    if features.shape:
        raise InvalidArgument(
            f"probability has settings {tuple(features.shape)}: one of each feature is needed"
        )
    return V, b, features


def harm(W: Tensor, b: Tensor, probability: Numbers | FeatureDistribution) -> Tensor:
    """Return how much the exact loss falls when one weight between features alone is set to 0.

    Parameters
    ----------
    W, b
        One tied ReLU-output model, ``(m, n)`` and ``(n,)``.
    probability
        As for `superpos.losses.exact_loss`, without settings.

    Returns
    -------
    Tensor
        ``(n, n)``, 0 on the diagonal: entry (i, j) of the weight from feature j to output i.

    Raises
    ------
    InvalidArgument
        If one of these is not as above.

    References
    ----------
    Olah et al. 2025, "A Toy Model of Interference Weights", asks for definitions to be compared.

    Examples
    --------
    A positive weight does harm, and a negative one alone hardly:

    >>> found = harm(torch.tensor([[1.0, 0.5, -0.5]]), torch.zeros(3), 0.1)
    >>> bool(found[0, 1] > 0), bool(abs(found[0, 2]) < found[0, 1] / 4)
    (True, True)
    """
    V, b, features = _one(W, b, probability)
    n = V.shape[-1]
    i, j = (~torch.eye(n, dtype=torch.bool)).nonzero(as_tuple=True)
    without = V.expand(len(i), n, n).clone()
    without[range(len(i)), i, j] = 0
    found = torch.zeros_like(V)
    found[i, j] = weights_loss(V, b, features) - weights_loss(without, b, features)
    return found


def first_order(W: Tensor, b: Tensor, probability: Numbers | FeatureDistribution) -> Tensor:
    """Return what `harm` is to first order: each weight times the loss's slope by it, ``(n, n)``.

    Raises
    ------
    InvalidArgument
        As for `harm`.

    Examples
    --------
    >>> first_order(torch.tensor([[1.0, 0.5]]), torch.zeros(2), 0.1).shape
    torch.Size([2, 2])
    """
    V, b, features = _one(W, b, probability)
    with torch.enable_grad():
        V = V.detach().requires_grad_()
        (slope,) = torch.autograd.grad(weights_loss(V, b, features), V)
    return (V.detach() * slope).fill_diagonal_(0)
