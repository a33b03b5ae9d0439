"""Whether a trained model shows what a claim says: the tests worded in ``book/claims.yml``.

Each takes an ensemble and returns one boolean for each model (or each seed), never an average.
"""

from __future__ import annotations

from torch import Tensor

from superpos import geometry

KEPT, DROPPED = 0.5, 0.1  # ‖W_i‖² of a feature that is embedded, and of one that is not
RIGHT_ANGLE = 0.1  # the largest |cosine| that counts as orthogonal


def antipodal_pairs(
    W: Tensor,
    *,
    kept: float = KEPT,
    dropped: float = DROPPED,
    opposite: float = -0.95,
    right: float = RIGHT_ANGLE,
) -> Tensor:
    """Return whether all features but the last form orthogonal antipodal pairs, the last dropped.

    Parameters
    ----------
    W
        ``(..., m, n)``.
    kept, dropped
        ‖W_i‖² of a feature that is embedded, at least, and of one that is not, at most.
    opposite
        The cosine of partners, at most.
    right
        The size of the cosine of features that are no partners, at most.

    Returns
    -------
    Tensor
        Booleans ``(...)``.

    Examples
    --------
    >>> import torch
    >>> W = torch.tensor([[1.0, 0.0, -1.0, 0.0, 0.0], [0.0, 1.0, 0.0, -1.0, 0.0]])
    >>> antipodal_pairs(W), antipodal_pairs(W.roll(1, -1))
    (tensor(True), tensor(False))
    """
    size, cosine = geometry.squared_norms(W), geometry.cosines(W)[..., :-1, :-1]
    sizes_fit = (size[..., :-1] >= kept).all(-1) & (size[..., -1] <= dropped)
    paired = ((cosine <= opposite).sum(-1) == 1).all(-1)
    angles_fit = ((cosine.abs() <= right) | (cosine.abs() >= -opposite)).flatten(-2).all(-1)
    return sizes_fit & paired & angles_fit


def two_circles(W: Tensor) -> Tensor:
    """Return whether features come in two lengths: one gap between sorted lengths towers.

    Parameters
    ----------
    W
        ``(..., m, n)`` with n of at least 3.

    Returns
    -------
    Tensor
        Booleans ``(...)``: all but one of the gaps are below a tenth of the largest.

    Examples
    --------
    >>> import torch
    >>> two_circles(torch.diag(torch.tensor([1.0, 1.01, 2.0, 2.01])))
    tensor(True)
    >>> two_circles(torch.diag(torch.tensor([1.0, 1.5, 2.0, 2.5])))
    tensor(False)
    """
    gaps = W.norm(dim=-2).sort(-1).values.diff(dim=-1)
    return (gaps < gaps.amax(-1, keepdim=True) / 10).sum(-1) == gaps.shape[-1] - 1


def one_missing(W: Tensor, b: Tensor) -> Tensor:
    """Return whether the shortest feature is missing: ‖W_i‖ ≤ 0.05, b_i within 0.02 of 1/n.

    Parameters
    ----------
    W, b
        ``(..., m, n)`` and ``(..., n)``, trained on one-hot data.

    Returns
    -------
    Tensor
        Booleans ``(...)``.

    Examples
    --------
    >>> from superpos.learning import onehot
    >>> one_missing(*onehot.failure(7)), one_missing(*onehot.regular(7))
    (tensor(True), tensor(False))
    """
    length, which = W.norm(dim=-2).min(-1, keepdim=True)
    near = (b.gather(-1, which) - 1 / W.shape[-1]).abs() <= 0.02
    return ((length <= 0.05) & near)[..., 0]


def symmetric_failure(W: Tensor, b: Tensor) -> Tensor:
    """Return whether one feature is missing and the others form a regular polygon.

    Lengths within 5 % of their mean, gaps within 5° of an equal share; see `one_missing`.

    Parameters
    ----------
    W, b
        ``(..., 2, n)`` and ``(..., n)``, trained on one-hot data.

    Returns
    -------
    Tensor
        Booleans ``(...)``.

    Examples
    --------
    >>> from superpos.learning import onehot
    >>> symmetric_failure(*onehot.failure(7)), symmetric_failure(*onehot.regular(7))
    (tensor(True), tensor(False))
    """
    n = W.shape[-1]
    longest = W.norm(dim=-2).argsort(-1)[..., None, 1:].expand(*W.shape[:-1], n - 1)
    others = W.gather(-1, longest)
    lengths, gaps = others.norm(dim=-2), geometry.angular_gaps(others)
    even = ((lengths / lengths.mean(-1, keepdim=True) - 1).abs() <= 0.05).all(-1)
    return one_missing(W, b) & even & ((gaps - 360 / (n - 1)).abs() <= 5).all(-1)
