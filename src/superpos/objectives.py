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

    @property
    def probability(self) -> Tensor:
        return self.features.probability.to(self.importance)

    def loss(self, parameters: dict[str, Tensor], u: Tensor) -> Tensor:
        return losses.linear_loss(
            parameters["W"], parameters["b"], self.probability, self.importance
        )

    def gradients(self, parameters: dict[str, Tensor], u: Tensor) -> dict[str, Tensor]:
        W, b = parameters["W"], parameters["b"]
        mean, variance = losses.active_moments(self.probability)
        offset, error = losses.linear_errors(W, b, mean)
        by_output = 2 * (self.importance * offset)
        # dL/dM for M = WᵀW (row: input, column: output); M depends on W twice
        by_product = 2 * self.importance[..., None, :] * variance[..., :, None] * error
        by_product = by_product + mean[..., :, None] * by_output[..., None, :]
        return {"W": W @ (by_product + by_product.mT), "b": by_output}


class IntegratedRelu:
    """The ReLU-output model's loss: silence and each output's own input integrated exactly.

    Of an input x only the part that interferes is sampled. Output i is ReLU(a x_i + c), with
    a = ‖W_i‖² and c from the other features and the bias; `losses.own_input_loss` is the average
    over x_i. It depends on the others only, so that the silent input can be taken with its exact
    probability, and the rest drawn with at least one active feature.
    """

    def __init__(self, features: IndependentFeatures, importance: Tensor) -> None:
        self.features, self.importance = features, importance
        self.probability = features.probability.to(importance)
        self._space = torch.empty(0)

    def loss(self, parameters: dict[str, Tensor], u: Tensor) -> Tensor:
        x, chance = self.features.strata(u)
        p, I = self.probability, self.importance
        return (chance * losses.own_input_loss(parameters["W"], parameters["b"], p, I, x)).sum(-1)

    def gradients(self, parameters: dict[str, Tensor], u: Tensor) -> dict[str, Tensor]:
        """Return the gradient, from how far each output is above its kink.

        As x_i runs over [0, 1], output i is positive on a share y = clamp(1 + c/a, 0, 1) of it.
        With this and e = ReLU(c/a), `losses.own_input_loss` has the derivatives

        ∂/∂c = I (p y ((1 + a) y − 2) + 2a e),
        ∂/∂a = I p (a e − 2y + (2 + a)(y² − y³/3)).
        """
        W, b = parameters["W"], parameters["b"]
        p, I = self.probability[..., None, :], self.importance[..., None, :]
        x, y, e, by_c, product = self._arrays(u)
        x, chance = self.features.strata(u, out=x)
        chance = chance[..., None, :]
        a = W.square().sum(-2, keepdim=True).clamp_min(_TINY)
        h = _with_constant(W @ x.mT)  # the bias is what a constant hidden unit adds
        scaled = torch.cat([W, b[..., None, :]], dim=-2) / a
        torch.baddbmm(_flat(x), _flat(h).mT, _flat(scaled), beta=-1, out=_flat(e))  # c/a
        torch.clamp(e, -1, 0, out=y).add_(1)
        e.relu_()
        steepness = p * (1 + a)
        torch.addcmul(-2 * p, y, steepness, out=by_c).mul_(y)
        y1 = chance @ y  # means over the inputs, (..., 1, n)
        below = chance @ by_c  # p((1 + a) y² − 2y)
        y2 = (below + 2 * p * y1) / steepness.clamp_min(_TINY)
        y3 = chance @ torch.mul(y, by_c, out=product)
        y3 = (y3 + 2 * p * y2) / steepness.clamp_min(_TINY)
        by_c.addcmul_(e, 2 * a)
        by_scaled = (h * chance) @ by_c
        by_b = by_scaled[..., -1:, :]
        by_a = p * ((by_b - below) / 2 - 2 * y1 + (2 + a) * (y2 - y3 / 3))
        # c leaves out the own input, which h has: so does the gradient
        own = by_a - chance @ torch.mul(by_c, x, out=product)
        by_h = ((I * W) @ by_c.mT) * chance
        by_W = (by_h @ x).addcmul_(by_scaled[..., :-1, :], I).addcmul_(W, 2 * I * own)
        return {"W": by_W, "b": (I * by_b)[..., 0, :]}

    def _arrays(self, u: Tensor) -> Tensor:
        """Return five arrays ``(seeds, settings, batch + 1, n)`` to work in.

        What fills them is nearly all of the work: few passes, in place, and the same arrays at
        every step, for fresh memory is slow.
        """
        shape = (*u.shape[:-2], *self.features.shape, u.shape[-2] + 1, self.features.n)
        if self._space.shape[1:] != shape:
            self._space = u.new_empty(5, *shape)
        return self._space


_TINY = 1e-30  # keeps what is 0 from dividing


def _with_constant(h: Tensor) -> Tensor:
    """Return ``h`` with one more hidden unit, which is always 1."""
    return torch.nn.functional.pad(h, (0, 0, 0, 1), value=1.0)


def _flat(t: Tensor) -> Tensor:
    return t.view(-1, *t.shape[-2:])
