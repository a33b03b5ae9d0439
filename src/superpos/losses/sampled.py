"""The loss over sampled inputs: of a batch; expected, with each output's own input integrated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from superpos import checks
from superpos.checks import Numbers
from superpos.compute import streams
from superpos.compute.gates import gate, one_precision, shapes
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument
from superpos.features import FeatureDistribution, IndependentFeatures, as_features, checked

_TINY = 1e-30  # keeps a feature that is not represented from dividing by 0
_SCRAMBLINGS = 8  # of Sobol's sequence, whose means tell the error of theirs
_ENTRIES_AT_ONCE = 4_000_000  # of an (ensemble, samples, n) block: bounds the memory


@gate(
    shapes(x="... batch n", reconstruction="... batch n", importance="... *n"),
    x=checks.floating,
    reconstruction=checks.floating,
    importance=checks.floating,
)
def batch_loss(x: Tensor, reconstruction: Tensor, importance: Tensor) -> Tensor:
    """Return the loss of each model on its batch: Σ_i I_i (x_i − x'_i)², averaged over inputs.

    Parameters
    ----------
    x, reconstruction
        ``(..., batch, n)``.
    importance
        I, broadcasts to ``(..., n)``.

    Returns
    -------
    Tensor
        ``(...)``.

    References
    ----------
    Elhage et al. 2022, "Demonstrating Superposition", The Loss.

    Examples
    --------
    >>> batch_loss(torch.ones(1, 2), torch.zeros(1, 2), torch.tensor([1.0, 0.5]))
    tensor(1.5000)
    """
    return ((x - reconstruction).square() * importance[..., None, :]).sum(-1).mean(-1)


def expected_loss(
    W: Tensor,
    b: Tensor,
    probability: Numbers | FeatureDistribution,
    importance: Numbers | None = None,
    *,
    samples: int,
    seed: int,
) -> tuple[Tensor, Tensor]:
    """Estimate the expected loss of tied ReLU-output models, with its standard error.

    Where features are independent, each output's own input is integrated exactly, and only the
    interference from the others is sampled; of other distributions all is, but silent inputs. All
    models see the same draws.

    Parameters
    ----------
    W
        ``(..., m, n)``.
    b
        ``(..., n)``.
    probability
        p of independent features, in [0, 1], broadcasts to ``(..., n)``; or a distribution.
    importance
        I ≥ 0, broadcasts to ``(..., n)``; all ones by default.
    samples
        Number of inputs drawn, at least 2.
    seed
        Selects the draws.

    Returns
    -------
    mean, standard_error
        ``(...)`` each.

    Raises
    ------
    InvalidArgument
        If an entry is NaN, a probability lies outside [0, 1] or shapes do not broadcast.

    References
    ----------
    Elhage et al. 2022, "Demonstrating Superposition", The Loss.

    Examples
    --------
    A feature that is not represented costs E[x²] = p/3:

    >>> mean, error = expected_loss(torch.zeros(1, 1), torch.zeros(1), 0.3, samples=2, seed=0)
    >>> round(mean.item(), 6), error.item()
    (0.1, 0.0)

    Of two features that are always active together:

    >>> from superpos import CorrelatedSets
    >>> W, b, pair = torch.ones(1, 2), torch.zeros(2), CorrelatedSets(1, 2, 0.3)
    >>> mean, error = expected_loss(W, b, pair, samples=10_000, seed=0)  # exactly 0.3 · 2/3
    >>> bool((mean - 0.2).abs() < 4 * error)
    True
    """
    samples = checks.whole_number("samples", samples, least=2)
    seed = checks.whole_number("seed", seed, least=0)
    W, b = checks.weights(W, b)
    features = as_features(probability, W.shape[-1])
    if not isinstance(features, IndependentFeatures):
        features = features.to(W.device)
        like: dict[str, Any] = {"dtype": W.dtype, "device": W.device}
        I = checks.importances("importance", importance, W.shape[-1], **like)
        shape = checks.broadcast_shape(
            W=W.shape[:-2], b=b.shape[:-1], features=features.shape, importance=I.shape[:-1]
        )

        def of_inputs(u: Tensor) -> Tensor:
            return _all_sampled(W, b, features, I, u.to(W))

        return _mean_and_error(of_inputs, features.uniforms, shape, W, samples, seed)
    W, b, p, I, shape = _models(W, b, features.probability, importance)

    def of_others(u: Tensor) -> Tensor:
        x = torch.where(u < p[..., None, :], u / p[..., None, :], 0.0).to(W.dtype)
        return own_input_loss(W, b, p, I, x)

    return _mean_and_error(of_others, W.shape[-1], shape, W, samples, seed)


def _all_sampled(
    W: Tensor, b: Tensor, features: FeatureDistribution, I: Tensor, u: Tensor
) -> Tensor:
    """Return, for each draw, the loss on an active input, and on the silent one by its share."""
    x = features.active_inputs(u)
    output = torch.relu((x @ W.mT) @ W + b[..., None, :])
    active = ((x - output).square() * I[..., None, :]).sum(-1)
    silent = (b.relu().square() * I).sum(-1)[..., None]
    silence = features.silence.to(W)[..., None]
    return (1 - silence) * active + silence * silent


def _mean_and_error(
    of_inputs: Callable[[Tensor], Tensor],
    uniforms: int,
    shape: torch.Size,
    W: Tensor,
    samples: int,
    seed: int,
) -> tuple[Tensor, Tensor]:
    """Return the mean over inputs of what ``(*shape, batch)`` they cost, and its standard error."""
    n = W.shape[-1]
    chunk = max(1, _ENTRIES_AT_ONCE // (max(1, shape.numel()) * n))
    total = torch.zeros(shape, dtype=torch.float64, device=W.device)
    squares = torch.zeros_like(total)
    first = total[..., None]  # sums are about the first loss: the variance survives rounding
    draws = streams.generator(seed, Purpose.EVALUATION)
    for start in range(0, samples, chunk):
        u = torch.rand(min(chunk, samples - start), uniforms, generator=draws).to(W.device)
        loss = of_inputs(u).double()
        if start == 0:
            first = loss[..., :1]
        total += (loss - first).sum(-1)
        squares += (loss - first).square().sum(-1)
    offset = total / samples
    variance = (squares / samples - offset.square()).clamp_min(0) * samples / (samples - 1)
    mean = (offset + first[..., 0]).expand(shape)
    return mean.to(W.dtype), (variance / samples).sqrt().to(W.dtype)


def even_loss(
    W: Tensor,
    b: Tensor,
    probability: Numbers,
    importance: Numbers | None = None,
    *,
    samples: int,
    seed: int,
) -> tuple[Tensor, Tensor]:
    """Estimate what `expected_loss` does from inputs that are spread evenly.

    Eight sequences of Sobol's, scrambled independently; the standard error is from how their means
    differ. It is several times smaller than that of as many independent inputs.

    Parameters
    ----------
    W, b, probability, importance, seed
        As for `expected_loss`.
    samples
        Number of inputs, at least 8; eight times a power of 2 is best.

    Returns
    -------
    mean, standard_error
        ``(...)`` each, in float64.

    Raises
    ------
    InvalidArgument
        As for `expected_loss`.

    Examples
    --------
    >>> from superpos.losses import exact_loss
    >>> angle = 2 * torch.pi * torch.arange(5) / 5
    >>> W, b = torch.stack([angle.cos(), angle.sin()]), torch.zeros(5)
    >>> mean, error = even_loss(W, b, 0.1, samples=8 * 512, seed=0)
    >>> bool((mean - exact_loss(W, b, 0.1)).abs() < 4 * error), bool(error < 0.02 * mean)
    (True, True)
    """
    samples = checks.whole_number("samples", samples, least=_SCRAMBLINGS)
    seed = checks.whole_number("seed", seed, least=0)
    W, b, p, I, shape = _models(W, b, probability, importance)
    n = W.shape[-1]
    chunk = max(1, _ENTRIES_AT_ONCE // (max(1, shape.numel()) * n))
    means, each = [], samples // _SCRAMBLINGS
    for number in range(_SCRAMBLINGS):
        draws = torch.quasirandom.SobolEngine(n, scramble=True, seed=_SCRAMBLINGS * seed + number)
        total = torch.zeros(shape, dtype=torch.float64, device=W.device)
        for start in range(0, each, chunk):
            u = draws.draw(min(chunk, each - start)).to(W)
            x = torch.where(u < p[..., None, :], u / p[..., None, :], 0.0)
            total += own_input_loss(W, b, p, I, x).double().sum(-1)
        means.append(total / each)
    means = torch.stack(means)
    return means.mean(0), means.std(0) / _SCRAMBLINGS**0.5


def _models(
    W: Tensor, b: Tensor, probability: Numbers, importance: Numbers | None
) -> tuple[Tensor, Tensor, Tensor, Tensor, torch.Size]:
    """Return W, b, p and I ``(..., n)``, checked, and the shape that they broadcast to."""
    W, b = checks.weights(W, b)
    like: dict[str, Any] = {"dtype": W.dtype, "device": W.device}
    p = checks.probabilities("probability", probability, **like)
    p = checks.per_feature("probability", p, W.shape[-1])
    I = checks.importances("importance", importance, W.shape[-1], **like)
    shape = checks.broadcast_shape(
        W=W.shape[:-2], b=b.shape[:-1], probability=p.shape[:-1], importance=I.shape[:-1]
    )
    return W, b, p, I, shape


def common_loss(
    W: Tensor, b: Tensor, features: FeatureDistribution, *, samples: int, seed: int
) -> Tensor:
    """Estimate the expected loss of tied ReLU-output models on the same inputs for all.

    For many models, such as those that one run goes through. Inputs have at least one active
    feature, and are spread evenly (Sobol's sequence, scrambled); the silent one is counted exactly.

    Parameters
    ----------
    W, b
        ``(..., m, n)`` and ``(..., n)``.
    features
        A distribution with a single setting.
    samples
        Number of inputs drawn, at least 1; a power of 2 is best.
    seed
        Selects the draws.

    Returns
    -------
    Tensor
        ``(...)``.

    Examples
    --------
    >>> from superpos import CorrelatedSets
    >>> from superpos.losses import exact_loss
    >>> W, b, pair = torch.tensor([[1.0, -1.0]]), torch.zeros(2), CorrelatedSets(1, 2, 0.3)
    >>> common_loss(W, b, pair, samples=1024, seed=0), exact_loss(W, b, pair).float()
    (tensor(0.1...), tensor(0.1000))
    """
    W, b = checks.weights(W, b)
    samples = checks.whole_number("samples", samples)
    seed = checks.whole_number("seed", seed, least=0)
    features = checked(features)
    if features.n != W.shape[-1]:
        raise InvalidArgument(f"features has n = {features.n}: that of W, {W.shape[-1]}, is needed")
    if features.shape:
        raise InvalidArgument(f"features has settings {tuple(features.shape)}: one is needed")
    # spread more evenly than independent draws, so that few of them err little
    draws = torch.quasirandom.SobolEngine(features.uniforms, scramble=True, seed=seed)
    x = features.active_inputs(draws.draw(samples)).to(W)
    n = W.shape[-1]
    shape = checks.broadcast_shape(W=W.shape[:-2], b=b.shape[:-1])
    if not shape.numel():
        return W.new_empty(shape)
    products = (W.mT @ W).expand(*shape, n, n).reshape(-1, n, n)
    biases = b.expand(*shape, n).reshape(-1, n)
    silence = features.silence.item()
    chunk = max(1, _ENTRIES_AT_ONCE // 16 // x.numel())  # of models: small enough for a cache
    found = []
    for G, bias in zip(products.split(chunk), biases.split(chunk), strict=True):
        # one product for all models: their outputs lie side by side
        z = torch.addmm(bias.flatten(), x, G.movedim(0, 1).flatten(1))
        error = z.relu_().view(-1, *bias.shape).sub_(x[:, None]).square_()
        found.append((1 - silence) * error.mean(0).sum(-1) + silence * bias.relu().square().sum(-1))
    return torch.cat(found).reshape(shape)


@gate(
    shapes(W="... m n", b="... *n", p="... *n", I="... *n", x="... batch n"),
    one_precision("W", "x"),
    W=checks.floating,
    b=checks.floating,
    p=checks.floating,
    I=checks.floating,
    x=checks.floating,
)
def own_input_loss(W: Tensor, b: Tensor, p: Tensor, I: Tensor, x: Tensor) -> Tensor:
    """Return, for each input, the loss averaged exactly over each output's own feature.

    Output i is ReLU(a x_i + c) with a = ‖W_i‖² and c what the other features and the bias
    add. With x_i = 0 (probability 1 − p) it costs ReLU(c)²; with x_i uniform on [0, 1] it costs
    ∫₀¹ (x − ReLU(ax + c))² dx. It is positive on a share y of that interval, and where all of it
    is, it starts at ae: r = ReLU(1 + c/a), y = min(r, 1), e = r − y. Where it becomes
    positive, the error is g = 1 − y − ae, and from there it grows with slope 1 − a.

    Parameters
    ----------
    W, b
        ``(..., m, n)`` and ``(..., n)``.
    p, I
        Probability and importance, broadcast to ``(..., n)``.
    x
        ``(..., batch, n)``, of which output i uses all but x_i.

    Returns
    -------
    Tensor
        ``(..., batch)``.
    """
    a = W.square().sum(-2)[..., None, :].clamp_min(_TINY)
    p, I = p[..., None, :], I[..., None, :]
    r = torch.relu((x @ W.mT) @ (W / a) + (1 + b[..., None, :] / a) - x)
    y = r.clamp_max(1)
    silent, start = 1 - y, a * (r - y)
    g, grown = silent - start, (1 - a) * y
    squared = silent**3 / 3 + y * (g.square() + grown * (g + grown / 3))
    return (I * ((1 - p) * start.square() + p * squared)).sum(-1)
