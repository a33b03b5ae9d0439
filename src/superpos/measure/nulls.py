"""What a matrix is held against: random directions, its own spectrum, a code that was optimised."""

from __future__ import annotations

import torch
from torch import Tensor

from superpos import checks
from superpos.errors import InvalidArgument

RANDOM, SPECTRUM, CODE = "random directions", "same spectrum", "optimised code"
_STEPS = 150  # of the descent to a code of a few hundred features
_POWERS = (2, 8, 32)  # of the cosine, in turn: the last one sees the worst pairs only


def random_directions(length: Tensor, m: int, count: int, draws: torch.Generator) -> Tensor:
    """Return matrices of random directions with these lengths: ``(count, m, n)``.

    Parameters
    ----------
    length
        ``(n,)``, above 0.
    m
        How many dimensions.
    count
        How many matrices.
    draws
        Where the draws come from.

    Examples
    --------
    >>> W = random_directions(torch.tensor([1.0, 2.0]), 3, 5, torch.Generator().manual_seed(0))
    >>> W.shape, W.norm(dim=-2)[0].round(decimals=4)
    (torch.Size([5, 3, 2]), tensor([1., 2.]))
    """
    length, m, count = _lengths(length), checks.whole_number("m", m), _count(count, draws)
    drawn = _normal((count, m, len(length)), length.dtype, draws)
    return drawn.mul_(length / drawn.norm(dim=-2, keepdim=True))


def same_spectrum(eigenvalues: Tensor, n: int, count: int, draws: torch.Generator) -> Tensor:
    """Return matrices whose WWᵀ has these eigenvalues, rotated at random: ``(count, m, n)``.

    W = √Λ Q with orthonormal rows Q, uniform over all of them: what is left of a matrix after a
    random rotation of its features.

    Parameters
    ----------
    eigenvalues
        Of WWᵀ, at least 0, ``(m,)``; at most n of them above 0.
    n
        How many features.
    count, draws
        As for `random_directions`.

    Examples
    --------
    >>> W = same_spectrum(torch.tensor([4.0, 1.0]), 9, 1, torch.Generator().manual_seed(0))[0]
    >>> torch.linalg.svdvals(W).round(decimals=4)
    tensor([2., 1.])
    """
    eigenvalues = checks.along("eigenvalues", eigenvalues).detach()
    n, count = checks.whole_number("n", n), _count(count, draws)
    size = eigenvalues[: min(len(eigenvalues), n)].clamp_min(0).sqrt()
    G = _normal((count, len(size), n), eigenvalues.dtype, draws)
    L = torch.linalg.cholesky((G @ G.mT).double())
    turned = torch.linalg.solve_triangular(L, size.double().diag(), upper=False, left=False)
    return turned.to(G.dtype) @ G


def optimised_code(length: Tensor, m: int, draws: torch.Generator) -> Tensor:
    """Return directions with these lengths whose worst cosines a short descent made small: (m, n).

    A few gradient steps on Σ cos², Σ cos⁸ and Σ cos³²: nearly a tight frame, with small worst
    cosines, in a second for 400 features, where `superpos.codes.vectors.optimised_code`, which
    descends until it is at rest, takes minutes. It takes n × n numbers.

    Examples
    --------
    >>> W = optimised_code(torch.ones(6), 3, torch.Generator().manual_seed(0))
    >>> bool(((W.T @ W).fill_diagonal_(0).abs().max() < 0.6))
    True
    """
    length, m, _ = _lengths(length), checks.whole_number("m", m), _count(1, draws)
    W = _normal((m, len(length)), torch.float32, draws)
    W /= W.norm(dim=0)
    if m > 1 and len(length) > 1:
        steps = max(10, min(_STEPS, int(1e8 / len(length) ** 2)) // len(_POWERS))
        for power in _POWERS:
            for k in range(steps):
                W = _step(W, power, 0.15 * (1 - k / steps))
    return W.to(length.dtype) * length


def _lengths(length: Tensor) -> Tensor:
    length = checks.along("length", length).detach()
    if not (length > 0).all():
        raise InvalidArgument(f"length has an entry of {length.min():g}: they are above 0")
    return length


def _count(count: int, draws: torch.Generator) -> int:
    checks.generator("draws", draws)
    return checks.whole_number("count", count)


def _step(W: Tensor, power: int, size: float) -> Tensor:
    cosine = (W.mT @ W).fill_diagonal_(0)
    scale = cosine.abs().max().clamp_min(1e-9)
    slope = W @ (cosine / scale).pow(power - 1)
    slope -= W * (slope * W).sum(0)  # along the sphere
    W = W - size * slope / slope.norm(dim=0).max().clamp_min(1e-9)
    return W / W.norm(dim=0)


def _normal(shape: tuple[int, ...], dtype: torch.dtype, draws: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=draws, dtype=dtype)
