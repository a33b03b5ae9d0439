"""Free decoders: models x → ReLU(Vᵀ W x + b) whose V need not be W, and what ties V to W.

The hidden layer is linear, so the loss knows W and V only through VᵀW: for every invertible A the
pair AW, A⁻ᵀV has the loss of W, V. What depends on A is not determined by the loss.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from superpos import checks
from superpos.checks import Numbers
from superpos.compute.processes import in_parallel
from superpos.errors import InvalidArgument
from superpos.features import FeatureDistribution, as_features
from superpos.losses import check_few_features, error_by_active_set
from superpos.training.adam import Adam
from superpos.training.procedures import Procedure

_MODELS_AT_ONCE = 16


def free_loss(
    W: Tensor,
    V: Tensor,
    b: Tensor,
    probability: Numbers | FeatureDistribution,
    importance: Numbers | None = None,
) -> Tensor:
    """Return the expected loss of ReLU-output models with a free decoder, in closed form.

    As `superpos.losses.exact_loss`, which it equals where V is W.

    Parameters
    ----------
    W, V
        Encoder and decoder, ``(..., m, n)`` each, with n of at most 14.
    b, probability, importance
        As there.

    Returns
    -------
    Tensor
        ``(...)``, float64. It can be differentiated by W, V and b.

    Raises
    ------
    InvalidArgument
        If n is above 14, W and V have different shapes, or an entry is NaN.

    References
    ----------
    Pfeifle 2022, "Revisiting Wᵀ".

    Examples
    --------
    Twice the encoder and half the decoder make the same model:

    >>> W = torch.tensor([[1.0, -1.0]])
    >>> free_loss(2 * W, W / 2, torch.zeros(2), 0.3)
    tensor(0.0300, dtype=torch.float64)
    """
    W, b = checks.weights(W, b)
    W, V = _same_shape(W, V)
    n = W.shape[-1]
    check_few_features(n)
    I = checks.importances("importance", importance, n, dtype=torch.float64, device=W.device)
    chance = as_features(probability, n).active_sets().to(W.device)
    errors = error_by_active_set(b.double(), V.double().mT @ W.double())
    return ((I[..., None] * errors).sum(-2) * chance).sum(-1)


@dataclass(frozen=True, eq=False)
class FreeModels:
    """Models with a free decoder: W and V ``(..., m, n)``, b ``(..., n)``, and loss ``(...)``."""

    W: Tensor
    V: Tensor
    b: Tensor
    loss: Tensor


def descend(
    W: Tensor,
    V: Tensor,
    b: Tensor,
    probability: Numbers,
    *,
    steps: int = 1500,
    learning_rate: float = 0.02,
) -> FreeModels:
    """Descend the exact loss of models with a free decoder: Adam with a falling rate, no noise.

    Parameters
    ----------
    W, V, b
        The starts, as for `free_loss`, with the same leading axes.
    probability
        p, broadcasts to ``(..., n)``.
    steps, learning_rate
        How many steps, and the rate they begin with.

    Returns
    -------
    FreeModels

    Examples
    --------
    >>> start = torch.tensor([[[0.9, -0.8]]])
    >>> found = descend(start, start, torch.zeros(1, 2), 0.1, steps=200)
    >>> bool(found.loss < free_loss(start, start, torch.zeros(1, 2), 0.1))
    True
    """
    W, b = checks.weights(W, b)
    W, V = _same_shape(W, V)
    schedule = Procedure(steps=steps, learning_rate=learning_rate, warmup=0)
    shape, (m, n) = W.shape[:-2], W.shape[-2:]
    p = checks.probabilities("probability", probability, dtype=torch.float64, device=W.device)
    p = checks.per_feature("probability", p, n)
    for name, value in (("b", b), ("probability", p)):
        if checks.broadcast_shape(W=shape, **{name: value.shape[:-1]}) != shape:
            raise InvalidArgument(
                f"{name} has shape {tuple(value.shape)}: it must broadcast to {(*shape, n)}"
            )
    flat = [value.double().reshape(-1, m, n) for value in (W, V)]
    flat += [value.double().expand(*shape, n).reshape(-1, n) for value in (b, p)]

    def piece(first: int) -> tuple[Tensor, ...]:
        some = slice(first, first + _MODELS_AT_ONCE)
        W, V, b, chance = (value[some] for value in flat)
        adam = Adam({"W": W.clone(), "V": V.clone(), "b": b.clone()}, beta2=0.99)
        for step in range(steps):
            W, V, b = (place.detach().requires_grad_() for place in adam.parameters.values())
            with torch.enable_grad():  # whatever a notebook has set
                total = free_loss(W, V, b, chance).sum()  # models share no parameter
            gradients = torch.autograd.grad(total, (W, V, b))
            adam.step(dict(zip("WVb", gradients, strict=True)), schedule.rate(step))
        W, V, b = adam.parameters.values()
        return W, V, b, free_loss(W, V, b, chance)

    spread = W.device.type == "cpu"
    pieces = in_parallel(piece, range(0, len(flat[0]), _MODELS_AT_ONCE), spread=spread)
    W, V, b, loss = (torch.cat(values) for values in zip(*pieces, strict=True))
    return FreeModels(
        W=W.reshape(*shape, m, n),
        V=V.reshape(*shape, m, n),
        b=b.reshape(*shape, n),
        loss=loss.reshape(shape),
    )


def ranking(n: int, ratio: float) -> tuple[Tensor, Tensor]:
    """Return W and V ``(2, n)`` that read any number of features in a plane, one at a time.

    Feature k is ``ratio`` times as long as the one before it and stands a little further round, all
    within half a turn. Its decoder is at a right angle to the feature before: what is longer
    it gets with negative sign, what is shorter with a factor of at most ratio/sin(π/n).

    Parameters
    ----------
    n
        At least 2.
    ratio
        Above 0; the smaller, the less interference.

    Examples
    --------
    >>> W, V = ranking(3, 0.01)
    >>> (V.T @ W).relu().round(decimals=2)
    tensor([[1.0000, 0.0100, 0.0000],
            [0.0000, 1.0000, 0.0100],
            [0.0000, 0.0000, 1.0000]], dtype=torch.float64)
    """
    n = checks.whole_number("n", n, least=2)
    ratio = checks.positive_number("ratio", ratio)
    k = torch.arange(n, dtype=torch.float64)
    angle, length = torch.pi * k / n, ratio**k
    across = angle - torch.pi / n + torch.pi / 2
    W = length * torch.stack([angle.cos(), angle.sin()])
    V = torch.stack([across.cos(), across.sin()]) / (length * math.sin(math.pi / n))
    return W, V


def distance_from_encoder(W: Tensor, V: Tensor) -> Tensor:
    """Return how far V is from the best multiple of W: min_c ‖V − cW‖ / ‖V‖, ``(...)``.

    It is 0 where V is a multiple of W, and 1 where they have nothing in common.

    Examples
    --------
    >>> distance_from_encoder(torch.eye(2), 3 * torch.eye(2))
    tensor(0.)
    """
    W, V = _same_shape(W, V)
    along = (W * V).sum((-2, -1)) / W.square().sum((-2, -1))
    return _norm(V - along[..., None, None] * W) / _norm(V)


def distance_from_row_space(W: Tensor, V: Tensor) -> Tensor:
    """Return how far V is from any BW with a square matrix B: min_B ‖V − BW‖ / ‖V‖, ``(...)``.

    It does not change with W → AW, and is 0 exactly where V has the row space of W.

    Examples
    --------
    >>> W = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    >>> distance_from_row_space(W, torch.tensor([[2.0, 1.0], [0.0, 1.0]]) @ W).round(decimals=5)
    tensor(0.)
    """
    W, V = _same_shape(W, V)
    return _norm(V - V @ torch.linalg.pinv(W) @ W) / _norm(V)


def tightness(W: Tensor) -> Tensor:
    """Return the smallest eigenvalue of WWᵀ over the largest, ``(...)``: 1 for a tight frame.

    Examples
    --------
    >>> tightness(torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]]))
    tensor(0.5000)
    """
    W, _ = checks.weights(W)
    values = torch.linalg.eigvalsh(W @ W.mT)
    return values[..., 0] / values[..., -1]


def _same_shape(W: Tensor, V: Tensor) -> tuple[Tensor, Tensor]:
    """Return W and V, checked."""
    W, _ = checks.weights(W)
    V = checks.finite("V", V)
    if V.dtype != W.dtype:
        W, V = W.double(), V.double()
    if V.shape != W.shape:
        raise InvalidArgument(
            f"V has shape {tuple(V.shape)} and W {tuple(W.shape)}: they must be the same"
        )
    return W, V


def _norm(values: Tensor) -> Tensor:
    return values.square().sum((-2, -1)).sqrt()
