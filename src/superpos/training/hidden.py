"""The loss of models with a ReLU hidden layer, and its gradient by hand.

Such a model computes y = ReLU(Vᵀ ReLU(W x + c) + b), with V = W when tied and c = 0 without hidden
biases; it is to compute t(x) = x, |x| or another function of the features (`Model.target`).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from superpos import checks
from superpos.checks import Numbers
from superpos.compute import streams
from superpos.compute.gates import gate, instance_of, one_precision, shapes
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument
from superpos.features import FeatureDistribution, checked
from superpos.models import Model, identity

_INPUTS_AT_ONCE, _MODELS_AT_ONCE = 128, 512  # whose arrays stay in a core's cache


@gate(model=instance_of(Model))
def fits(model: Model) -> bool:
    """Whether a model's hidden layer and output are ReLUs, and it does nothing else of its own."""
    return model.is_layered and model.hidden is torch.relu and model.output is torch.relu


class HiddenRelu:
    """The mean loss over a distribution's `strata`, by their `shares`.

    That is, as a rule, over sampled inputs with an active feature, the silent input counted
    exactly: E L = P(silent) L(0) + (1 − P(silent)) E[L | some feature is active]. It is an
    `superpos.training.objectives.Objective` for tied and untied models, with and without hidden
    biases.

    Arrays are ``(models, n, inputs)``: with few features and neurons, products are several
    times as fast when the batch, the long axis, comes last.
    """

    def __init__(self, model: Model, features: FeatureDistribution, importance: Tensor) -> None:
        self.model, self.features, self.importance = model, features, importance
        self._made_for: tuple | None = None

    def loss(self, parameters: dict[str, Tensor], u: Tensor) -> Tensor:
        _, scale, _, out, target = self._forward(parameters, u)
        # the scale holds the 2 of the square's derivative
        found = (scale * torch.sub(out, target).square_()).sum((-2, -1)) / 2
        return found.view(parameters["W"].shape[:2])

    def gradients(self, parameters: dict[str, Tensor], u: Tensor) -> dict[str, Tensor]:
        """Return the gradient.

        With e = 2 I (y − t) where y > 0 and d = V e where h > 0 it is d xᵀ for W, h eᵀ for V (and
        both for a tied W), d for c and e for b.
        """
        V = _flat(parameters.get("V", parameters["W"]))
        x, scale, h, out, target = self._forward(parameters, u)
        error = torch.sub(out, target)
        _where_positive(error, out)
        error.mul_(scale)
        by_h = torch.bmm(V, error)
        _where_positive(by_h, h)
        by_W, by_V = torch.bmm(by_h, x.mT), torch.bmm(h, error.mT)
        found = {"b": error.sum(-1)}
        if "V" in parameters:
            found |= {"W": by_W, "V": by_V}
        else:
            found["W"] = by_W.add_(by_V)
        if "c" in parameters:
            found["c"] = by_h.sum(-1)
        return {name: found[name].view_as(value) for name, value in parameters.items()}

    def _forward(self, parameters: dict[str, Tensor], u: Tensor) -> tuple[Tensor, ...]:
        """Return inputs, the weights of errors, the hidden layer, the output and the target."""
        W = _flat(parameters["W"])
        V = _flat(parameters.get("V", parameters["W"]))
        x, scale, h, out = self._arrays_for(u, W)
        # draws that all seeds share are spread over them
        x.view(-1, len(self.importance), *x.shape[1:]).copy_(self.features.strata(u).mT)
        if "c" in parameters:
            torch.baddbmm(parameters["c"].flatten(0, 1)[..., None], W, x, out=h)
        else:
            torch.bmm(W, x, out=h)
        h.relu_()
        torch.baddbmm(parameters["b"].flatten(0, 1)[..., None], V.mT, h, out=out)
        out.relu_()
        return x, scale, h, out, self._target(x)

    def _target(self, x: Tensor) -> Tensor:
        return x if self.model.target is identity else self.model.target(x.mT).mT

    def _arrays_for(self, u: Tensor, W: Tensor) -> tuple[Tensor, ...]:
        """Return arrays to work in for such draws, the same ones at every step."""
        if self._made_for != (u.shape, W.shape):
            models, m, n = W.shape
            shares = self.features.shares(u)
            inputs = shares.shape[-1]
            scale = 2 * self.importance[..., None] * shares[..., None, :]
            self._arrays = (
                W.new_empty(models, n, inputs),
                scale.to(W).repeat(models // len(scale), 1, 1),
                W.new_empty(models, m, inputs),
                W.new_empty(models, n, inputs),
            )
            self._made_for = (u.shape, W.shape)
        return self._arrays


def _parameters_fit(given: dict[str, Any]) -> None:
    """Refuse parameters that are not the model's, or not of the features and their settings."""
    model, features = given["model"], given["features"]
    if not fits(model):
        return  # which is told first
    found = checks.tensors("parameters", given["parameters"], [*model.axes])
    given["parameters"] = {name: found[name].detach() for name in model.axes}
    one_precision("parameters")(given)
    settings = " settings" if features.shape else ""
    if len(features.shape) > 1:
        raise InvalidArgument(
            f"features has settings {tuple(features.shape)}: on one axis at most is needed"
        )
    axes = {name: f"models{settings} {' '.join(ends)}" for name, ends in model.axes.items()}
    shapes(parameters=axes)(given)
    W = found["W"]
    if W.shape[-1] != features.n or (*W.shape[1:-2],) != (*features.shape,):
        raise InvalidArgument(
            f"W has shape {tuple(W.shape)}: (models, *{tuple(features.shape)}, m, {features.n}) of "
            "these features is needed"
        )
    I = checks.importances("importance", given.get("importance"), features.n)
    if checks.broadcast_shape(features=features.shape, importance=I.shape[:-1]) != features.shape:
        raise InvalidArgument(
            f"importance has shape {tuple(I.shape)}: (*{tuple(features.shape)}, n) is needed"
        )


@gate(
    _parameters_fit,
    model=instance_of(Model),
    features=lambda _, features: checked(features),
)
def expected_loss(
    model: Model,
    parameters: dict[str, Tensor],
    features: FeatureDistribution,
    importance: Numbers | None = None,
    *,
    samples: int = 10_000,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Estimate the expected loss of models with a ReLU hidden layer, with its standard error.

    All models see the same inputs, so that differences between them are better known than losses.

    Parameters
    ----------
    model
        With ReLU hidden layer and output.
    parameters
        As `Model` has them: ``W`` ``(models, *settings, m, n)`` and so on.
    features
        With one axis of settings at most.
    importance
        I ≥ 0, broadcasts to ``(*settings, n)``; all ones by default.
    samples
        About how many inputs with an active feature, at least 256; the silent one is exact.
    seed
        Selects the inputs, which are not those of any training.

    Returns
    -------
    mean, standard_error
        ``(models, *settings)`` each, float64.

    Examples
    --------
    Four neurons for two absolute values make no error:

    >>> from superpos import Model, SignedFeatures
    >>> W = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> model = Model("absolute values", hidden=torch.relu, tied=False, target=torch.abs)
    >>> exact = {"W": W[None], "V": W.abs()[None], "b": torch.zeros(1, 2)}
    >>> bool(expected_loss(model, exact, SignedFeatures(2, 0.5))[0] < 1e-12)
    True
    """
    if not fits(model):
        raise InvalidArgument(
            f"model is {model.name!r}: one whose hidden layer and output are ReLUs is needed"
        )
    samples = checks.whole_number("samples", samples, least=2 * _INPUTS_AT_ONCE)
    seed = checks.whole_number("seed", seed, least=0)
    b = parameters["b"]
    I = checks.importances("importance", importance, features.n, dtype=b.dtype, device=b.device)
    features = features.to(b.device)
    shape = features.shape
    flat = {name: value if shape else value[:, None] for name, value in parameters.items()}
    target = HiddenRelu(
        model, features.settings(shape, 0, shape.numel()), I.expand(shape.numel(), features.n)
    )
    models = len(parameters["W"])
    chunk = max(1, _MODELS_AT_ONCE // shape.numel())
    found = []
    for first in range(0, models, chunk):
        some = {name: value[first : first + chunk] for name, value in flat.items()}
        losses = []
        for number in range(-(-samples // _INPUTS_AT_ONCE)):
            u = streams.uniforms(
                [seed], Purpose.EVALUATION, number, (_INPUTS_AT_ONCE, features.uniforms)
            )
            losses.append(target.loss(some, u.to(some["W"])).double())
        losses = torch.stack(losses)
        found.append((losses.mean(0), losses.std(0) / len(losses) ** 0.5))
    mean, error = (torch.cat(values) for values in zip(*found, strict=True))
    return mean.reshape(models, *shape), error.reshape(models, *shape)


def _where_positive(values: Tensor, of: Tensor) -> None:
    """Set values to 0, in place, where ``of`` is not positive: one pass, and fast."""
    torch.ops.aten.threshold_backward.grad_input(values, of, 0, grad_input=values)


def _flat(t: Tensor) -> Tensor:
    return t.reshape(-1, *t.shape[-2:])
