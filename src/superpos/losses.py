"""The loss: importance-weighted squared error, summed over features, expected over inputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from superpos import checks, streams
from superpos.errors import InvalidArgument
from superpos.features import FeatureDistribution, as_features
from superpos.ramps import ramp_integrals

_MOST_FEATURES = 10  # of the exact loss, whose cost grows as 3ⁿ
_TINY = 1e-30  # keeps a feature that is not represented from dividing by 0
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
    >>> from superpos.features import CorrelatedSets
    >>> W, b, pair = torch.tensor([[1.0, -1.0]]), torch.zeros(2), CorrelatedSets(1, 2, 0.3)
    >>> common_loss(W, b, pair, samples=1024, seed=0), exact_loss(W, b, pair).float()
    (tensor(0.1...), tensor(0.1000))
    """
    W, b = checks.weights(W, b)
    checks.whole_number("samples", samples)
    checks.whole_number("seed", seed, least=0)
    if features.shape:
        raise InvalidArgument(f"features has settings {tuple(features.shape)}: one is needed")
    # spread more evenly than independent draws, so that few of them err little
    draws = torch.quasirandom.SobolEngine(features.uniforms, scramble=True, seed=seed)
    x = features.active_inputs(draws.draw(samples)).to(W)
    n = W.shape[-1]
    checks.broadcast_shape(W=W.shape[:-2], b=b.shape[:-1])
    products, biases = (W.mT @ W).reshape(-1, n, n), b.reshape(-1, n)
    silence = features.silence.item()
    chunk = max(1, _ENTRIES_AT_ONCE // 16 // x.numel())  # of models: small enough for a cache
    found = []
    for G, bias in zip(products.split(chunk), biases.split(chunk), strict=True):
        # one product for all models: their outputs lie side by side
        z = torch.addmm(bias.flatten(), x, G.movedim(0, 1).flatten(1))
        error = z.relu_().view(-1, *bias.shape).sub_(x[:, None]).square_()
        found.append((1 - silence) * error.mean(0).sum(-1) + silence * bias.relu().square().sum(-1))
    return torch.cat(found).reshape(W.shape[:-2])


def exact_loss(
    W: Tensor,
    b: Tensor,
    probability: Tensor | float | FeatureDistribution,
    importance: Tensor | float | None = None,
) -> Tensor:
    """Return the expected loss of tied ReLU-output models in closed form, in float64.

    Given which features are active, output i is a ramp over a cube,
    z_i = b_i + Σ_j W_i·W_j x_j, and E (x_i − z_i₊)² = E x_i² − 2 E x_i z_i₊ + E z_i₊² has a closed
    form (see `superpos.ramps`). The loss is the mean over all 2ⁿ sets of active features.
    Time and memory grow as 3ⁿ.

    Parameters
    ----------
    W
        ``(..., m, n)`` with n of at most 10. Computed, and to be differentiated, in float64.
    b
        ``(..., n)``.
    probability
        p of independent features, in [0, 1], broadcasts to ``(..., n)``; or a distribution.
    importance
        I ≥ 0, broadcasts to ``(..., n)``; all ones by default.

    Returns
    -------
    Tensor
        ``(...)``, float64. It can be differentiated twice by W, b and p.

    Raises
    ------
    InvalidArgument
        If n is above 10, an entry is NaN, a probability lies outside [0, 1] or shapes do not
        broadcast.

    References
    ----------
    Elhage et al. 2022, "Demonstrating Superposition", The Loss.

    Examples
    --------
    An antipodal pair errs when both are active, by the smaller of the two: p² · 2 · 1/6.

    >>> exact_loss(torch.tensor([[1.0, -1.0]]), torch.zeros(2), 0.3)
    tensor(0.0300, dtype=torch.float64)
    """
    W, b = checks.weights(W, b)
    n = W.shape[-1]
    I = checks.importances("importance", importance, n, dtype=torch.float64)
    chance = as_features(probability, n).active_sets().to(W.device)
    by_set = loss_by_active_set(W.double(), b.double(), I)
    checks.broadcast_shape(loss=by_set.shape[:-1], probability=chance.shape[:-1])
    return (by_set * chance).sum(-1)


def loss_by_active_set(W: Tensor, b: Tensor, I: Tensor) -> Tensor:
    """Return the loss given which features are active, ``(..., 2ⁿ)``: entry Σ_j 2^j over them."""
    n = W.shape[-1]
    check_few_features(n)
    checks.broadcast_shape(W=W.shape[:-2], b=b.shape[:-1], importance=I.shape[:-1])
    return (I[..., None] * error_by_active_set(b, W.mT @ W)).sum(-2)


def check_few_features(n: int) -> None:
    """Refuse more features than the exact loss is for."""
    if n > _MOST_FEATURES:
        raise InvalidArgument(
            f"W has n = {n} features: the exact loss is for n of at most {_MOST_FEATURES}; "
            "expected_loss samples it for any n"
        )


def error_by_active_set(c: Tensor, g: Tensor) -> Tensor:
    """Return the squared error of each output x'_i = (c_i + Σ_j g_ij x_j)₊, given what is active.

    Parameters
    ----------
    c
        ``(..., n)``.
    g
        ``(..., n, n)``: row i belongs to output i.

    Returns
    -------
    Tensor
        ``(..., n, 2ⁿ)``: entry Σ_j 2^j over the active features j.
    """
    n = g.shape[-1]
    own = torch.eye(n, dtype=torch.float64, device=g.device)
    square, product = ramp_integrals(c, g, own)
    active = (torch.arange(2**n, device=g.device) >> torch.arange(n, device=g.device)[:, None]) & 1
    return active.double() / 3 - 2 * product + square


def k_sparse(
    W: Tensor,
    b: Tensor,
    importance: Tensor | float | None = None,
    *,
    sizes: Sequence[int] | None = None,
    samples: int = 1000,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Return the loss on inputs with exactly k active features, for each k, with its error.

    With every set of k features equally likely. If features are independent with one p, the
    losses L_k make up the whole: Σ_k C(n, k) p^k (1 − p)^(n−k) L_k.

    Parameters
    ----------
    W, b
        ``(..., m, n)`` and ``(..., n)``, of tied ReLU-output models.
    importance
        I ≥ 0, broadcasts to ``(..., n)``; all ones by default.
    sizes
        Which k, each from 0 to n; all by default.
    samples, seed
        Where n is above 10 and k above 1, the number of inputs drawn (at least 2) and which.

    Returns
    -------
    mean, standard_error
        ``(..., len(sizes))`` each, float64. The error is 0 where the mean is exact.

    References
    ----------
    Elhage et al. 2022, "Demonstrating Superposition", Mathematical Understanding.

    Examples
    --------
    >>> mean, error = k_sparse(torch.tensor([[1.0, -1.0]]), torch.zeros(2))
    >>> mean
    tensor([0.0000, 0.0000, 0.3333], dtype=torch.float64)
    """
    W, b = checks.weights(W, b)
    n = W.shape[-1]
    I = checks.importances("importance", importance, n, dtype=torch.float64)
    checks.whole_number("samples", samples, least=2)
    checks.whole_number("seed", seed, least=0)
    sizes = list(range(n + 1)) if sizes is None else [int(k) for k in sizes]
    if any(not 0 <= k <= n for k in sizes):
        raise InvalidArgument(f"sizes is {sizes}: numbers of active features, 0 to n = {n}")
    W, b = W.double(), b.double()
    if n <= _MOST_FEATURES:
        by_set = loss_by_active_set(W, b, I)
        active = torch.tensor([mask.bit_count() for mask in range(2**n)], device=W.device)
        mean = torch.stack([by_set[..., active == k].mean(-1) for k in sizes], dim=-1)
        return mean, torch.zeros_like(mean)
    found = [
        _sampled_k_sparse(W, b, I, k, samples, streams.generator(seed, streams.EVALUATION, k))
        for k in sizes
    ]
    return tuple(torch.stack(values, dim=-1) for values in zip(*found, strict=True))


def _sampled_k_sparse(
    W: Tensor, b: Tensor, I: Tensor, k: int, samples: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    n = W.shape[-1]
    if k <= 1:
        # the active feature i (rows) is the only coordinate of what output j (columns) sees
        own = torch.eye(n, dtype=torch.float64, device=W.device)
        square, product = ramp_integrals(b[..., None, :], (W.mT @ W)[..., None], own[..., None])
        by_pair = k * own / 3 - 2 * product[..., k] + square[..., k]
        mean = (I[..., None, :] * by_pair).sum(-1).mean(-1)
        return mean, torch.zeros_like(mean)
    order = torch.rand(samples, n, generator=generator, dtype=torch.float64).argsort(-1)
    x = torch.rand(samples, n, generator=generator, dtype=torch.float64)
    x = torch.where(order < k, x, 0.0).to(W.device)
    output = torch.relu((x @ W.mT) @ W + b[..., None, :])
    loss = ((x - output).square() * I[..., None, :]).sum(-1)
    return loss.mean(-1), loss.std(-1) / samples**0.5


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
