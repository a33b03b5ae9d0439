"""Incidental polysemanticity: neurons that serve two features though there are enough of them.

The model is y = ReLU(Wᵀ W x) with n unit vectors as inputs and m ≥ n hidden neurons, whose
activations, the entries of W, are penalised by their size: so each feature ends on one neuron, the
one that served it best at the beginning, which may be another feature's as well.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from superpos import checks
from superpos.compute import streams
from superpos.compute.gates import gate, instance_of, seeds_of, shapes
from superpos.compute.streams import Purpose
from superpos.training.procedures import Procedure


@gate(n=checks.whole_number, m=checks.whole_number, seeds=seeds_of, scale=checks.number)
def initial(n: int, m: int, *, seeds: Sequence[int], scale: float = 1.0) -> Tensor:
    """Return W ``(seeds, m, n)``, normal with variance scale²/m: features about as long as scale.

    Examples
    --------
    >>> initial(3, 1000, seeds=[0, 1]).norm(dim=1).round().tolist()
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """
    draws = [streams.generator(seed, Purpose.INITIAL_VALUES, n, m) for seed in seeds]
    return torch.stack([torch.randn(m, n, generator=draw) for draw in draws]) * scale / m**0.5


@gate(shapes(W="... m n"), W=checks.floating, procedure=instance_of(Procedure))
def descend(W: Tensor, penalty: float, procedure: Procedure) -> Tensor:
    """Descend Σ_i ‖ReLU(Wᵀ W e_i) − e_i‖² + penalty Σ|W| by the full gradient.

    Parameters
    ----------
    W
        The starts, ``(..., m, n)``.
    penalty
        λ ≥ 0 of the activations' sizes.
    procedure
        Of it count ``steps``, ``learning_rate``, ``warmup`` and ``cosine``.

    Returns
    -------
    Tensor
        ``(..., m, n)``.

    References
    ----------
    Lecomte et al. 2023, "What Causes Polysemanticity?".

    Examples
    --------
    One feature keeps the neuron that it had most of:

    >>> W = torch.tensor([[0.5], [0.4]])
    >>> descend(W, 0.2, Procedure(steps=1000, learning_rate=0.05)).round(decimals=1).T
    tensor([[1., 0.]])
    """
    checks.positive_number("penalty", penalty, allow_zero=True)
    W = W.clone()
    own = torch.eye(W.shape[-1], dtype=W.dtype, device=W.device)
    for step in range(procedure.steps):
        products = W.mT @ W
        error = torch.where(products > 0, products - own, 0.0)
        rate = procedure.rate(step)
        # products are symmetric, and each of W's columns is in a row and in a column of them
        moved = W - 4 * rate * (W @ error)
        # what the penalty would take past 0 stays there
        W = moved.sign() * (moved.abs() - rate * penalty).clamp_min(0)
    return W


@gate(shapes(W="... m n"), W=checks.floating, half=checks.number)
def collisions(W: Tensor, *, half: float = 0.5) -> Tensor:
    """Return how many pairs of features share a neuron, ``(...)``.

    Parameters
    ----------
    W
        ``(..., m, n)``.
    half
        From which size on a weight counts.

    Examples
    --------
    >>> collisions(torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]]))
    tensor(1)
    """
    served = (W.abs() >= half).sum(-1)
    return (served * (served - 1) // 2).sum(-1)
