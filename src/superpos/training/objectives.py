"""What training descends: a loss estimated from uniform draws, with its gradient.

`Sampled` works for every model and distribution. The others integrate exactly what can be
integrated: the same expected loss, with less noise for less work. `objective` chooses.

An objective's ``parameters`` have leading axes ``(seeds, settings)``; its draws ``u`` are
``(seeds, batch, features.uniforms)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from superpos import checks, losses
from superpos.compute.gates import gate, instance_of
from superpos.features import FeatureDistribution, IndependentFeatures, checked
from superpos.models import LINEAR, RELU_OUTPUT, Model
from superpos.training import hidden


class Objective(Protocol):
    """A loss to descend."""

    def loss(self, parameters: dict[str, Tensor], u: Tensor) -> Tensor:
        """Return the estimated loss of each model, ``(seeds, settings)``."""
        ...

    def gradients(self, parameters: dict[str, Tensor], u: Tensor) -> dict[str, Tensor]:
        """Return the gradient of each model's loss, shaped and named as its parameters."""
        ...


@gate(
    model=instance_of(Model),
    features=lambda _, features: checked(features),
    importance=checks.floating,
    integrate=checks.flag,
    skip_silent=checks.flag,
)
def objective(
    model: Model,
    features: FeatureDistribution,
    importance: Tensor,
    *,
    integrate: bool,
    skip_silent: bool = False,
) -> Objective:
    """Return the objective with the least noise, or the plainly sampled one.

    Parameters
    ----------
    model, features
        Features with one axis of settings. A distribution with a method ``objective(model,
        importance)``, such as `superpos.adversarial.Attacked`, brings its own.
    importance
        ``(settings, n)``.
    integrate
        Whether to integrate what can be; else inputs are only sampled, as in the paper.
    skip_silent
        Whether then to sample only inputs with an active feature.
    """
    if own := getattr(features, "objective", None):  # of inputs that depend on the model
        return own(model, importance)
    if integrate and isinstance(features, IndependentFeatures):
        if model == RELU_OUTPUT:
            return IntegratedRelu(features, importance)
        if model == LINEAR:
            return ExactLinear(features, importance)
    if integrate and hidden.fits(model):
        return hidden.HiddenRelu(model, features, importance)
    return (SampledActive if skip_silent else Sampled)(model, features, importance)


@dataclass(frozen=True, eq=False)
class Sampled:
    """The mean loss over sampled inputs, differentiated automatically."""

    model: Model
    features: FeatureDistribution
    importance: Tensor

    def loss(self, parameters: dict[str, Tensor], u: Tensor) -> Tensor:
        x = self.features.inputs(u)
        return _batch_loss(self.model, parameters, x, self.importance)

    def gradients(self, parameters: dict[str, Tensor], u: Tensor) -> dict[str, Tensor]:
        leaves = {name: value.detach().requires_grad_() for name, value in parameters.items()}
        with torch.enable_grad():  # whatever a notebook has set
            # models share no parameter: the gradient of the sum holds each model's own
            total = self.loss(leaves, u).sum()
        return dict(zip(leaves, torch.autograd.grad(total, list(leaves.values())), strict=True))


def _batch_loss(model: Model, parameters: dict, x: Tensor, importance: Tensor) -> Tensor:
    return losses.batch_loss(model.target(x), model.reconstruct(parameters, x), importance)


class SampledActive(Sampled):
    """The same, over inputs with at least one active feature; the silent input is counted exactly.

    E L = P(silent) L(0) + (1 − P(silent)) E[L | some feature is active].
    """

    def loss(self, parameters: dict[str, Tensor], u: Tensor) -> Tensor:
        x = self.features.active_inputs(u)
        active = _batch_loss(self.model, parameters, x, self.importance)
        silent = _batch_loss(self.model, parameters, x[..., :1, :] * 0, self.importance)
        return torch.lerp(active, silent, self.features.silence.to(active))

    def gradients(self, parameters: dict[str, Tensor], u: Tensor) -> dict[str, Tensor]:
        """Return the gradient; of the tied ReLU-output model without autograd, in half the time.

        With h = W x and e = 2 I (x' − x) where x' > 0, it is e hᵀ and W e xᵀ for W, and e for b.
        """
        if self.model != RELU_OUTPUT:
            return super().gradients(parameters, u)
        W, b = parameters["W"], parameters["b"]
        x = _flat(self.features.active_inputs(u))
        flat, bias = _flat(W), b.flatten(0, 1)[:, None]
        h = torch.bmm(x, flat.mT)
        out = torch.baddbmm(bias, h, flat).relu_()
        silence = self.features.silence.to(x)
        scale = 2 * self.importance * (1 - silence)[:, None] / x.shape[-2]  # (settings, n)
        error = torch.where(out > 0, out - x, 0.0) * scale.repeat(len(u), 1)[:, None]
        by_W = torch.bmm(h.mT, error) + torch.bmm(torch.bmm(error, flat.mT).mT, x)
        silent = 2 * self.importance * silence[:, None] * b.relu()
        return {"W": by_W.view_as(W), "b": error.sum(-2).view_as(b) + silent}


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
    """The ReLU-output model's loss: each output's own input integrated exactly.

    Of an input x only the part that interferes is sampled. Output i is ReLU(a x_i + c), with
    a = ‖W_i‖² and c from the other features and the bias; `losses.own_input_loss` is the average
    over x_i. It depends on the others only, so that the silent input can be taken with its exact
    probability, and the rest drawn with at least one active feature.
    """

    def __init__(self, features: IndependentFeatures, importance: Tensor) -> None:
        self.features, self.importance = features, importance
        self.probability = features.probability.to(importance)
        self._arrays: _Arrays | None = None

    def loss(self, parameters: dict[str, Tensor], u: Tensor) -> Tensor:
        x, share = self.features.strata(u), self.features.shares(u)
        p, I = self.probability, self.importance
        return (share * losses.own_input_loss(parameters["W"], parameters["b"], p, I, x)).sum(-1)

    def gradients(self, parameters: dict[str, Tensor], u: Tensor) -> dict[str, Tensor]:
        """Return the gradient, from how far each output is above its kink.

        As x_i runs over [0, 1], output i is positive on a share y = clamp(r, 0, 1) of it, where
        r = ReLU(1 + c/a). With e = r − y, `losses.own_input_loss` has the derivatives

        ∂/∂c = I (p y ((1 + a) y − 2) + 2a e),
        ∂/∂a = I p (a e − 2y + (2 + a)(y² − y³/3)).

        The second is needed only in the mean over the inputs, as a sum of the means of y, r, the
        first and y times the first.
        """
        W, b = _flat(parameters["W"]), parameters["b"].flatten(0, 1)[:, None]
        at = self._arrays_for(u)
        p, I, share, y_and_r, by_c = at.p, at.I, at.share, at.y_and_r, at.by_c
        y, r = y_and_r
        x = _flat(self.features.strata(u, out=at.x))
        a = W.square().sum(-2, keepdim=True).clamp_min_(_TINY)
        one_a = 1 + a
        h = _with_constant(torch.bmm(W, x.mT))  # the bias is what a constant hidden unit adds
        scaled = torch.cat([W, b + a], dim=-2).div_(a)
        torch.baddbmm(x, h.mT, scaled, beta=-1, out=r).relu_()  # c leaves out the own input
        torch.clamp_max(r, 1, out=y)
        torch.addcmul(-2 * (p + a), y, p * one_a, out=by_c).mul_(y).addcmul_(r, a, value=2)

        mean_y, mean_r = torch.bmm(at.share_twice, _flat(y_and_r)).chunk(2)
        by_scaled = torch.bmm(h.mul_(share), by_c)
        by_b = by_scaled[:, -1:]
        py, ae = p * mean_y, a * (mean_r - mean_y)
        pyy = torch.add(by_b, py - ae, alpha=2) / one_a  # the mean of p y²
        cubic = (1 + 1 / one_a) / 3
        by_a = p * ae - 2 * py + (1 + one_a) * pyy - 2 * cubic * (pyy - ae)
        # what by_a lacks of y³ is in y by_c; and c leaves out a x_i
        product = torch.addcmul(x, y, cubic, out=r).mul_(by_c)
        own = torch.baddbmm(by_a, share, product, alpha=-1)

        weighted = I * W
        by_h = torch.bmm(weighted, by_c.mT).mul_(share)
        by_W = torch.bmm(by_h, x).addcmul_(by_scaled[:, :-1], I).addcmul_(weighted, own, value=2)
        return {"W": by_W.view_as(parameters["W"]), "b": (I * by_b).view_as(parameters["b"])}

    def _arrays_for(self, u: Tensor) -> _Arrays:
        """Return arrays to work in for draws shaped as ``u``, the same ones at every step."""
        if self._arrays is None or self._made_for != u.shape:
            share = self.features.shares(u)
            self._arrays = _Arrays.like(u, share, self.probability, self.importance)
            self._made_for = u.shape
        return self._arrays


@dataclass(frozen=True, eq=False)
class _Arrays:
    """What a gradient is computed in: filling it is nearly all of the work.

    Few passes, in place, and the same memory at every step, for fresh memory is slow.
    """

    x: Tensor  # (seeds, settings, batch, n)
    y_and_r: Tensor  # (2, models, batch, n)
    by_c: Tensor  # (models, batch, n)
    share: Tensor  # (models, 1, batch), of an input in a mean
    share_twice: Tensor
    p: Tensor  # (models, 1, n)
    I: Tensor  # (models, 1, n)

    @staticmethod
    def like(u: Tensor, share: Tensor, p: Tensor, I: Tensor) -> _Arrays:
        seeds, (settings, n) = len(u), p.shape
        models, batch = seeds * settings, share.shape[-1]
        return _Arrays(
            x=u.new_empty(seeds, settings, batch, n),
            y_and_r=u.new_empty(2, models, batch, n),
            by_c=u.new_empty(models, batch, n),
            share=share[:, None].repeat(seeds, 1, 1),
            share_twice=share[:, None].repeat(2 * seeds, 1, 1),
            p=p[:, None].repeat(seeds, 1, 1),
            I=I[:, None].repeat(seeds, 1, 1),
        )


_TINY = 1e-30  # keeps what is 0 from dividing


def _with_constant(h: Tensor) -> Tensor:
    """Return ``h`` with one more hidden unit, which is always 1."""
    return torch.nn.functional.pad(h, (0, 0, 0, 1), value=1.0)


def _flat(t: Tensor) -> Tensor:
    return t.reshape(-1, *t.shape[-2:])
