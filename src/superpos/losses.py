"""The loss: importance-weighted squared error, summed over features, expected over inputs."""

from __future__ import annotations

import torch
from torch import Tensor

from superpos import checks, streams

_ENTRIES_AT_ONCE = 4_000_000  # of an (ensemble, samples, n) block: bounds the memory


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
    probability: Tensor | float,
    importance: Tensor | float | None = None,
    *,
    samples: int,
    seed: int,
) -> tuple[Tensor, Tensor]:
    """Estimate the expected loss of tied ReLU-output models, with its standard error.

    The inputs are independent features. Each output's own input is integrated exactly, only
    the interference from the others is sampled; all models see the same draws.

    Parameters
    ----------
    W
        ``(..., m, n)``.
    b
        ``(..., n)``.
    probability
        p in [0, 1], broadcasts to ``(..., n)``.
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
    """
    W, b = checks.weights(W, b)
    n = W.shape[-1]
    p = checks.per_feature(
        "probability", checks.probabilities("probability", probability, dtype=W.dtype), n
    )
    I = checks.importances("importance", importance, n, dtype=W.dtype)
    checks.whole_number("samples", samples, least=2)
    checks.whole_number("seed", seed, least=0)
    shape = checks.broadcast_shape(
        W=W.shape[:-2], b=b.shape[:-1], probability=p.shape[:-1], importance=I.shape[:-1]
    )
    chunk = max(1, _ENTRIES_AT_ONCE // (max(1, shape.numel()) * n))
    total = torch.zeros(shape, dtype=torch.float64, device=W.device)
    squares = torch.zeros_like(total)
    first = None  # sums are taken about the first loss: the variance survives rounding
    draws = streams.generator(seed, streams.EVALUATION)
    for start in range(0, samples, chunk):
        u = torch.rand(min(chunk, samples - start), n, generator=draws).to(W.device)
        x = torch.where(u < p[..., None, :], u / p[..., None, :], 0.0).to(W.dtype)
        loss = own_input_loss(W, b, p, I, x).double()
        if first is None:
            first = loss[..., :1]
        total += (loss - first).sum(-1)
        squares += (loss - first).square().sum(-1)
    offset = total / samples
    variance = (squares / samples - offset.square()).clamp_min(0) * samples / (samples - 1)
    mean = (offset + first[..., 0]).expand(shape)
    return mean.to(W.dtype), (variance / samples).sqrt().to(W.dtype)


def own_input_loss(W: Tensor, b: Tensor, p: Tensor, I: Tensor, x: Tensor) -> Tensor:
    """Return, for each input, the loss averaged exactly over each output's own feature.

    Output i is ReLU(a x_i + c) with a = ‖W_i‖² and c what the other features and the bias
    add. With x_i = 0 (probability 1 − p) it costs ReLU(c)²; with x_i uniform on [0, 1] it costs
    ∫₀¹ (x − ReLU(ax + c))² dx, a polynomial in the kink's place x₀.

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
    a = W.square().sum(-2)[..., None, :]
    c = (x @ W.mT) @ W + b[..., None, :] - a * x
    p, I = p[..., None, :], I[..., None, :]
    x0 = kink(c, a)
    below = x0**3 / 3
    above = (
        (1 - a).square() * (1 - x0**3) / 3 - (1 - a) * c * (1 - x0.square()) + c.square() * (1 - x0)
    )
    return (I * ((1 - p) * torch.relu(c).square() + p * (below + above))).sum(-1)


def kink(c: Tensor, a: Tensor) -> Tensor:
    """Return where in [0, 1] ReLU(ax + c) starts to rise: clamp(−c/a, 0, 1)."""
    # with a = 0 the ratio is huge or 0: never rising, or (c ≥ 0) from the start
    return (c * (-1 / a.clamp_min(torch.finfo(a.dtype).tiny))).clamp_(0, 1)


def active_moments(p: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean p/2 and variance p/3 − p²/4 of a feature active with probability p.

    Examples
    --------
    >>> active_moments(torch.tensor(1.0))
    (tensor(0.5000), tensor(0.0833))
    """
    return p / 2, p / 3 - p.square() / 4


def linear_loss(W: Tensor, b: Tensor, p: Tensor, I: Tensor) -> Tensor:
    """Return the expected loss of tied linear models on independent features, in closed form.

    Output j errs by its mean offset and by each input's variance:
    L = Σ_j I_j [ (Σ_i M_ij μ_i + b_j − μ_j)² + Σ_i (M_ij − δ_ij)² σ_i² ] with M = WᵀW.

    Parameters
    ----------
    W, b
        ``(..., m, n)`` and ``(..., n)``.
    p, I
        Probability and importance, broadcast to ``(..., n)``.

    Examples
    --------
    >>> linear_loss(torch.zeros(1, 1), torch.zeros(1), torch.tensor([0.3]), torch.ones(1))
    tensor(0.1000)
    """
    mean, variance = active_moments(p)
    offset, error = linear_errors(W, b, mean)
    spread = (variance[..., :, None] * error.square()).sum(-2)
    return (I * (offset.square() + spread)).sum(-1)


def linear_errors(W: Tensor, b: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """Return a linear model's mean error ``(..., n)`` and WᵀW − 1 ``(..., n, n)``."""
    error = W.mT @ W - torch.eye(W.shape[-1], dtype=W.dtype, device=W.device)
    return (mean[..., None, :] @ error)[..., 0, :] + b, error
