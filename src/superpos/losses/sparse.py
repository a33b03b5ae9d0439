"""The loss on inputs with exactly k active features, L_k of the paper."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from superpos import checks
from superpos.checks import Numbers
from superpos.compute import streams
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument
from superpos.losses.exact import MOST_FEATURES, loss_by_active_set
from superpos.losses.ramps import ramp_integrals


def k_sparse(
    W: Tensor,
    b: Tensor,
    importance: Numbers | None = None,
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
        Where n is above 14 and k above 1, the number of inputs drawn (at least 2) and which.

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
    I = checks.importances("importance", importance, n, dtype=torch.float64, device=W.device)
    samples = checks.whole_number("samples", samples, least=2)
    seed = checks.whole_number("seed", seed, least=0)
    sizes = list(range(n + 1)) if sizes is None else checks.whole_numbers("sizes", sizes)
    if not sizes or any(not 0 <= k <= n for k in sizes):
        raise InvalidArgument(f"sizes is {sizes}: numbers of active features, 0 to n = {n}")
    W, b = W.double(), b.double()
    if n <= MOST_FEATURES:
        by_set = loss_by_active_set(W, b, I)
        active = torch.tensor([mask.bit_count() for mask in range(2**n)], device=W.device)
        mean = torch.stack([by_set[..., active == k].mean(-1) for k in sizes], dim=-1)
        return mean, torch.zeros_like(mean)
    found = [
        _sampled_k_sparse(W, b, I, k, samples, streams.generator(seed, Purpose.EVALUATION, k))
        for k in sizes
    ]
    mean, error = (torch.stack(values, dim=-1) for values in zip(*found, strict=True))
    return mean, error


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
