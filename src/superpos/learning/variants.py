"""Variants of the toy models: other values of features, dropout, and a softmax.

What `superpos.train` cannot be told: a loss with draws of its own, or another one than squares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from superpos import checks
from superpos.compute import streams
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument
from superpos.features import FeatureDistribution, IndependentFeatures, checked
from superpos.models import RELU_OUTPUT, Model, checked_parameters
from superpos.training.adam import Adam
from superpos.training.procedures import Procedure

_BLOCK = 100  # steps whose draws are made together


class Valued(FeatureDistribution):
    """Independent features whose values are a function of uniform ones.

    Parameters
    ----------
    features
        How many, and how often each is active.
    values
        What x in (0, 1], uniform, becomes; 0 must stay 0.

    Examples
    --------
    >>> x = Valued(IndependentFeatures(3, 0.5), torch.sign).inputs(torch.rand(100, 4))
    >>> x.unique()
    tensor([0., 1.])
    """

    def __init__(self, features: IndependentFeatures, values: Callable[[Tensor], Tensor]) -> None:
        self.features, self.values, self.n = features, values, features.n

    @property
    def uniforms(self) -> int:
        """How many uniform draws one input takes."""
        return self.features.uniforms

    @property
    def shape(self) -> torch.Size:
        """The settings' axes."""
        return self.features.shape

    @property
    def silence(self) -> Tensor:
        """How probably no feature is active."""
        return self.features.silence

    def inputs(self, u: Tensor) -> Tensor:
        """Return inputs for uniform draws."""
        return self.values(self.features.inputs(u))

    def active_inputs(self, u: Tensor) -> Tensor:
        """Return inputs with at least one active feature."""
        return self.values(self.features.active_inputs(u))

    def settings(self, shape: Sequence[int], start: int, stop: int) -> Valued:
        """Return some of the settings, on one axis."""
        return Valued(self.features.settings(shape, start, stop), self.values)

    def to(self, device: torch.device) -> Valued:
        """Return the same on a device."""
        return Valued(self.features.to(device), self.values)


def thirds(x: Tensor) -> Tensor:
    """Return x in (0, 1] rounded up to 1/3, 2/3 or 1: features with three values.

    Examples
    --------
    >>> thirds(torch.tensor([0.0, 0.1, 0.5, 0.9])) * 3
    tensor([0., 1., 2., 3.])
    """
    return (3 * checks.real("x", x)).ceil() / 3


def upper_half(x: Tensor) -> Tensor:
    """Return x in (0, 1] squeezed into (1/2, 1]; 0 stays.

    Examples
    --------
    >>> upper_half(torch.tensor([0.0, 0.5, 1.0]))
    tensor([0.0000, 0.7500, 1.0000])
    """
    x = checks.real("x", x)
    return (x + x.sign()) / 2


def pairwise_max(x: Tensor) -> Tensor:
    """Return, of features ``(..., n)``, max(x_2c, x_2c+1) at output 2c; 0 at the others.

    Examples
    --------
    >>> pairwise_max(torch.tensor([0.2, 0.5, 0.0, 0.3]))
    tensor([0.5000, 0.0000, 0.3000, 0.0000])
    """
    x = checks.real("x", x)
    if not x.ndim or x.shape[-1] % 2:
        raise InvalidArgument(f"x has shape {tuple(x.shape)}: (..., n) with n even is needed")
    y = torch.zeros_like(x)
    y[..., ::2] = torch.maximum(x[..., ::2], x[..., 1::2])
    return y


def variance_left(
    model: Model,
    parameters: dict[str, Tensor],
    features: FeatureDistribution,
    *,
    samples: int = 20_000,
    seed: int = 0,
) -> Tensor:
    """Return the expected squared error of each output as a share of its target's variance.

    Parameters
    ----------
    model, parameters
        Parameters ``(..., *settings, ...)``.
    features
        How inputs are drawn.
    samples, seed
        How many with an active feature, and which; silence is counted with its probability.

    Returns
    -------
    Tensor
        ``(..., *settings, n)``; 0 where the target never varies.

    Raises
    ------
    InvalidArgument
        If one of these is not as above.

    Examples
    --------
    >>> silent = {"W": torch.zeros(1, 3), "b": torch.full((3,), 0.05)}
    >>> features = IndependentFeatures(3, torch.tensor([0.1, 0.1, 0.1]))
    >>> variance_left(RELU_OUTPUT, silent, features).round(decimals=2)
    tensor([1., 1., 1.])
    """
    parameters = checked_parameters(model, parameters)
    samples = checks.whole_number("samples", samples)
    device = next(iter(parameters.values())).device
    features = checked(features).to(device)
    u = streams.uniforms([seed], Purpose.EVALUATION, 0, (samples, features.uniforms)).to(device)[0]
    x = features.active_inputs(u)
    silence = features.silence[..., None].to(x)
    target = model.target(x)
    error = (model.reconstruct(parameters, x) - target).square().mean(-2)
    zero = x[..., :1, :] * 0
    at_zero = (model.reconstruct(parameters, zero) - model.target(zero)).square().mean(-2)
    heard = 1 - silence
    variance = heard * target.square().mean(-2) - (heard * target.mean(-2)).square()
    error = heard * error + silence * at_zero
    return torch.where(variance > 1e-9, error / variance.clamp_min(1e-9), 0.0)


def descend(
    loss: Callable[[dict[str, Tensor], Tensor], Tensor],
    parameters: dict[str, Tensor],
    procedure: Procedure,
    *,
    seeds: Sequence[int],
    uniforms: int,
) -> dict[str, Tensor]:
    """Descend a loss of parameters and uniform draws by Adam.

    Parameters
    ----------
    loss
        Of the parameters and of u ``(seeds, batch, uniforms)``; one number a model.
    parameters
        ``(seeds, ...)``; they are left as they are.
    procedure
        Of it count the rate and its course, ``steps``, ``batch_size`` and ``beta2``.
    seeds
        Which draws.
    uniforms
        How many an input takes.

    Raises
    ------
    InvalidArgument
        If one of these is not as above.

    Examples
    --------
    >>> start = {"b": torch.ones(2, 1)}
    >>> how = Procedure(steps=500, learning_rate=0.03)
    >>> end = descend(
    ...     lambda at, u: at["b"].square().sum(-1), start, how, seeds=[0, 1], uniforms=1
    ... )
    >>> bool(end["b"].abs().max() < 0.1)
    True
    """
    checks.function("loss", loss)
    uniforms = checks.whole_number("uniforms", uniforms)
    size = checks.instance("procedure", procedure, Procedure).batch_size
    seeds = streams.seed_list(seeds)
    if not isinstance(parameters, Mapping) or not parameters:
        raise InvalidArgument(
            f"parameters is {checks.shortly(parameters)}: tensors by name are needed"
        )
    start = {
        name: checks.finite(f"parameters[{name!r}]", value).detach().clone()
        for name, value in parameters.items()
    }
    for name, value in start.items():
        if not value.ndim or len(value) != len(seeds):
            raise InvalidArgument(
                f"parameters[{name!r}] has shape {tuple(value.shape)}: (seeds, ...) with "
                f"{len(seeds)} seeds is needed"
            )
    adam = Adam(start, beta2=procedure.beta2)
    for step in range(procedure.steps):
        if step % _BLOCK == 0:
            device = next(iter(start.values())).device
            shape = (_BLOCK * size, uniforms)
            drawn = streams.uniforms(seeds, Purpose.INPUTS, step, shape, device=device)
            drawn = drawn.unflatten(1, (_BLOCK, size))
        leaves = {name: value.detach().requires_grad_() for name, value in adam.parameters.items()}
        with torch.enable_grad():
            total = loss(leaves, drawn[:, step % _BLOCK]).sum()
        found = torch.autograd.grad(total, list(leaves.values()))
        adam.step(dict(zip(leaves, found, strict=True)), procedure.rate(step))
    return adam.parameters


def with_dropout(
    features: IndependentFeatures,
    m: int,
    rate: float,
    procedure: Procedure,
    *,
    importance: Tensor,
    seeds: Sequence[int],
) -> dict[str, Tensor]:
    """Train ReLU-output models whose hidden dimensions are dropped at random.

    Parameters
    ----------
    features
        Of one setting.
    m
        Hidden dimensions.
    rate
        How probably each is 0, in [0, 1), for each input; the others are divided by 1 − rate.
    procedure
        As for `descend`.
    importance
        ``(n,)``.
    seeds
        Initial values and draws; the same for all rates.

    Returns
    -------
    dict of Tensor
        W ``(seeds, m, n)`` and b ``(seeds, n)``.

    Raises
    ------
    InvalidArgument
        If one of these is not as above.

    Examples
    --------
    >>> how = Procedure(steps=10)
    >>> kind = {"importance": torch.ones(5), "seeds": [0, 1]}
    >>> with_dropout(IndependentFeatures(5, 0.1), 2, 0.5, how, **kind)["W"].shape
    torch.Size([2, 2, 5])
    """
    rate = checks.fraction("rate", rate)
    _check_one_setting(features)
    checks.instance("procedure", procedure, Procedure)
    seeds, m = streams.seed_list(seeds), checks.whole_number("m", m)
    importance = checks.importances("importance", importance, features.n).detach()
    if importance.ndim != 1:
        raise InvalidArgument(f"importance has shape {tuple(importance.shape)}: (n,) is needed")
    device, own = importance.device, features.uniforms
    features = features.to(device)
    start = RELU_OUTPUT.initial(
        features.n, m, seeds=seeds, scale=procedure.initial_scale, device=device
    )

    def loss(at: dict[str, Tensor], u: Tensor) -> Tensor:
        x = features.active_inputs(u[..., :own])
        kept = (u[..., own:] >= rate) / (1 - rate)
        out = ((x @ at["W"].mT * kept) @ at["W"] + at["b"][:, None]).relu()
        silent = float(features.silence)
        active = (importance * (out - x).square()).sum(-1).mean(-1)
        return (1 - silent) * active + silent * (importance * at["b"].relu().square()).sum(-1)

    start = {name: value[:, 0].contiguous() for name, value in start.items()}
    return descend(loss, start, procedure, seeds=seeds, uniforms=own + m)


def classifiers(
    features: IndependentFeatures, m: int, procedure: Procedure, *, seeds: Sequence[int]
) -> dict[str, Tensor]:
    """Train Wᵀ W x + b, through m dimensions, to name the largest active feature, by softmax.

    Parameters
    ----------
    features
        Of one setting.
    m
        Hidden dimensions.
    procedure, seeds
        As for `descend`; only inputs with an active feature are shown.

    Returns
    -------
    dict of Tensor
        W ``(seeds, m, n)`` and b ``(seeds, n)``.

    Raises
    ------
    InvalidArgument
        If one of these is not as above.

    Examples
    --------
    >>> classifiers(IndependentFeatures(5, 0.1), 2, Procedure(steps=10), seeds=[0])["b"].shape
    torch.Size([1, 5])
    """
    _check_one_setting(features)
    seeds = streams.seed_list(seeds)
    checks.instance("procedure", procedure, Procedure)
    start = RELU_OUTPUT.initial(features.n, m, seeds=seeds, scale=procedure.initial_scale)

    def loss(at: dict[str, Tensor], u: Tensor) -> Tensor:
        x = features.active_inputs(u)
        logits = x @ at["W"].mT @ at["W"] + at["b"][:, None]
        label = x.argmax(-1, keepdim=True)
        return -logits.log_softmax(-1).gather(-1, label).mean((-2, -1))

    start = {name: value[:, 0].contiguous() for name, value in start.items()}
    return descend(loss, start, procedure, seeds=seeds, uniforms=features.uniforms)


def _check_one_setting(features: FeatureDistribution) -> None:
    if checked(features).shape.numel() != 1:
        raise InvalidArgument(f"features have settings {tuple(features.shape)}: one is needed")


def named(model: dict[str, Tensor]) -> Tensor:
    """Return which features a classifier names when they are active alone, at 1: ``(..., n)``.

    Raises
    ------
    InvalidArgument
        If the model is not one of W ``(..., m, n)`` and b ``(..., n)``.

    Examples
    --------
    >>> named({"W": torch.tensor([[1.0, -1.0, 0.5]]), "b": torch.zeros(3)})
    tensor([ True,  True, False])
    """
    if not isinstance(model, Mapping) or not {"W", "b"} <= model.keys():
        raise InvalidArgument(f"model is {checks.shortly(model)}: W and b, by name, are needed")
    W, b = checks.weights(model["W"], model["b"])
    logits = W.mT @ W + b[..., None, :]
    return logits.argmax(-1) == torch.arange(logits.shape[-1], device=logits.device)


def alignment(W: Tensor) -> Tensor:
    """Return how much features lie along axes: the mean of the largest share of ‖W_i‖² on one.

    Over features at least half as long as the longest; between 1/m and 1.

    Parameters
    ----------
    W
        ``(..., m, n)``.

    Returns
    -------
    Tensor
        ``(...)``.

    Examples
    --------
    >>> alignment(torch.tensor([[1.0, 0.6, 0.0], [0.0, 0.8, 0.1]]))
    tensor(0.8200)
    """
    W, _ = checks.weights(W)
    return _of_long(W, W.square().amax(-2))


def evenness(W: Tensor) -> Tensor:
    """Return how well features fit axes: on some with equally large entries, not at all on others.

    For each feature the largest squared cosine with a vector of entries ±1 and 0; the mean over
    features at least half as long as the longest.

    Parameters
    ----------
    W
        ``(..., m, n)``.

    Returns
    -------
    Tensor
        ``(...)``, at most 1.

    Examples
    --------
    >>> evenness(torch.tensor([[1.0, 0.6, 0.0], [0.0, -0.6, 2.0]]))
    tensor(1.)
    >>> bool(evenness(torch.tensor([[1.0], [0.5]])) < 0.91)
    True
    """
    W, _ = checks.weights(W)
    size = W.abs().sort(dim=-2, descending=True).values.cumsum(-2)
    count = torch.arange(1, W.shape[-2] + 1, device=W.device, dtype=W.dtype)[:, None]
    return _of_long(W, (size.square() / count).amax(-2))


def _of_long(W: Tensor, part: Tensor) -> Tensor:
    """Return the mean of ``part / ‖W_i‖²`` over features at least half as long as the longest."""
    square = W.square().sum(-2)
    long = square >= square.amax(-1, keepdim=True) / 4
    return (part / square.clamp_min(1e-12) * long).sum(-1) / long.sum(-1)
