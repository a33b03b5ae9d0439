"""What training descends: a loss estimated from uniform draws, with its gradient.

`Sampled` works for every model and distribution. The other two integrate exactly what can be
integrated: the same expected loss, with less noise for less work. `objective` chooses.

An objective's ``parameters`` have leading axes ``(seeds, settings)``; its draws ``u`` are
``(seeds, batch, features.uniforms)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from superpos import losses
from superpos.features import FeatureDistribution, IndependentFeatures
from superpos.models import LINEAR, RELU_OUTPUT, Model


class Objective(Protocol):
    """A loss to descend."""

    def loss(self, parameters: dict[str, Tensor], u: Tensor) -> Tensor:
        """Return the estimated loss of each model, ``(seeds, settings)``."""

    def gradients(self, parameters: dict[str, Tensor], u: Tensor) -> dict[str, Tensor]:
        """Return the gradient of each model's loss, shaped and named as its parameters."""


def objective(
    model: Model, features: FeatureDistribution, importance: Tensor, *, integrate: bool
) -> Objective:
    """Return the objective with the least noise, or the plainly sampled one.

    Parameters
    ----------
    model, features
        Features with one axis of settings.
    importance
        ``(settings, n)``.
    integrate
        Whether to integrate what can be; else inputs are only sampled, as in the paper.
    """
    if integrate and isinstance(features, IndependentFeatures):
        if model == RELU_OUTPUT:
            return IntegratedRelu(features, importance)
        if model == LINEAR:
            return ExactLinear(features, importance)
    return Sampled(model, features, importance)


@dataclass(frozen=True, eq=False)
class Sampled:
    """The mean loss over sampled inputs, differentiated automatically."""

    model: Model
    features: FeatureDistribution
    importance: Tensor

    def loss(self, parameters: dict[str, Tensor], u: Tensor) -> Tensor:
        x = self.features.inputs(u)
        return losses.batch_loss(x, self.model.reconstruct(parameters, x), self.importance)

    def gradients(self, parameters: dict[str, Tensor], u: Tensor) -> dict[str, Tensor]:
        leaves = {name: value.detach().requires_grad_() for name, value in parameters.items()}
        # models share no parameter: the gradient of the sum holds each model's own
        total = self.loss(leaves, u).sum()
        return dict(zip(leaves, torch.autograd.grad(total, list(leaves.values())), strict=True))


@dataclass(frozen=True, eq=False)
class ExactLinear:
    """The expected loss of the linear model, from the inputs' means and variances: no noise."""

    features: IndependentFeatures
    importance: Tensor

    def loss(self, parameters: dict[str, Tensor], u: Tensor) -> Tensor:
        return losses.linear_loss(
            parameters["W"], parameters["b"], self.features.probability, self.importance
        )

    def gradients(self, parameters: dict[str, Tensor], u: Tensor) -> dict[str, Tensor]:
        W, b = parameters["W"], parameters["b"]
        mean, variance = losses.active_moments(self.features.probability)
        offset, error = losses.linear_errors(W, b, mean)
        by_output = 2 * (self.importance * offset)
        # dL/dM for M = WᵀW (row: input, column: output); M depends on W twice
        by_product = 2 * self.importance[..., None, :] * variance[..., :, None] * error
        by_product = by_product + mean[..., :, None] * by_output[..., None, :]
        return {"W": W @ (by_product + by_product.mT), "b": by_output}


@dataclass(frozen=True, eq=False)
class IntegratedRelu:
    """The ReLU-output model's loss: silence and each output's own input integrated exactly.

    Of an input x only the part that interferes is sampled. Output i is ReLU(a x_i + c), with
    a = ‖W_i‖² and c from the other features and the bias; `losses.own_input_loss` is the average
    over x_i. It depends on the others only, so that E = P(x = 0)·[c = b] + P(x ≠ 0)·E[· | x ≠ 0],
    and inputs are drawn with at least one active feature.
    """

    features: IndependentFeatures
    importance: Tensor

    def loss(self, parameters: dict[str, Tensor], u: Tensor) -> Tensor:
        W, b = parameters["W"], parameters["b"]
        p, I, silence = self.features.probability, self.importance, self.features.silence
        sampled = losses.own_input_loss(W, b, p, I, self.features.active_inputs(u)).mean(-1)
        silent = losses.own_input_loss(W, b, p, I, torch.zeros_like(b[..., None, :]))[..., 0]
        return (1 - silence) * sampled + silence * silent

    def gradients(self, parameters: dict[str, Tensor], u: Tensor) -> dict[str, Tensor]:
        W, b = parameters["W"], parameters["b"]
        p, I, silence = self.features.probability, self.importance, self.features.silence[:, None]
        x = self.features.active_inputs(u)
        a = W.square().sum(-2)
        h = x @ W.mT
        c = (h @ W).add_(b[..., None, :]).addcmul_(x, a[..., None, :], value=-1)
        weight = (1 - silence) / x.shape[-2]
        by_c, by_a = _derivatives(c, a, weight * I * p, weight * I * (1 - p))
        silent_c, silent_a = _derivatives(
            b[..., None, :], a, silence * I * p, silence * I * (1 - p)
        )
        # c holds W_i·W_j x_j for j ≠ i: take the diagonal of WᵀW out again
        own = by_a + silent_a - (by_c * x).sum(-2)
        by_W = h.mT @ by_c + (by_c @ W.mT).mT @ x + 2 * W * own[..., None, :]
        return {"W": by_W, "b": by_c.sum(-2) + silent_c[..., 0, :]}


def _derivatives(c: Tensor, a: Tensor, active: Tensor, silent: Tensor) -> tuple[Tensor, Tensor]:
    """Differentiate Σ over inputs of `losses.own_input_loss` by c, and by a (summed over inputs).

    With the kink at x₀ = clamp(−c/a, 0, 1):

    ∂/∂c = silent·2 ReLU(c) + active·(2c (1 − x₀) − (1 − a)(1 − x₀²)),
    ∂/∂a = active·(c (1 − x₀²) − ⅔ (1 − a)(1 − x₀³)).

    Parameters
    ----------
    c
        ``(..., batch, n)``.
    a, active, silent
        ``(..., n)``: ‖W_i‖², and the weights of an active and a silent own input.
    """
    x0 = losses.kink(c, a[..., None, :])
    square = x0 * x0
    cubes = (square * x0).sum(-2)
    # in place from here on: these arrays are the bulk of the memory traffic
    by_c = (1 - x0).mul_(c).mul_(2 * active[..., None, :])
    above = 1 - square
    by_c.addcmul_(above, (active * (a - 1))[..., None, :])
    by_c.addcmul_(c.clamp_min(0), (2 * silent)[..., None, :])
    by_a = active * (above.mul_(c).sum(-2) - 2 / 3 * (1 - a) * (c.shape[-2] - cubes))
    return by_c, by_a
