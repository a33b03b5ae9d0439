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
    """Return whether all features but the last form orthogonal antipodal pairs: booleans ``(...)``.

    ‖W_i‖² is at least ``kept``, and of the last at most ``dropped``; partners' cosine is at most
    ``opposite``, that of others at most ``right`` in size.

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
