"""Codes: n unit vectors in m dimensions, one for each feature, and how much they interfere.

A code is a matrix W of unit columns, ``(..., m, n)``. Feature i, active alone at 1, makes the
reading W_j·W_i of every other feature: the cosines of a code are its interference.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from superpos import checks, geometry
from superpos.codes import thomson
from superpos.compute import streams
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument

_POWERS = (2, 4, 8, 16, 32, 64)  # of the cosine, in turn: the last ones see the worst pairs only


def random_code(n: int, m: int, *, seed: int = 0) -> Tensor:
    """Return n unit vectors in m dimensions, each in a random direction: ``(m, n)``, float32.

    Examples
    --------
    >>> random_code(5, 2).norm(dim=0).round(decimals=5)
    tensor([1., 1., 1., 1., 1.])
    """
    n = checks.whole_number("n", n)
    m = checks.whole_number("m", m)
    draws = streams.generator(
        checks.whole_number("seed", seed, least=0), Purpose.INITIAL_VALUES, n, m
    )
    drawn = torch.randn(m, n, generator=draws)
    return drawn / drawn.norm(dim=0)


def optimised_code(n: int, m: int, *, tries: int = 1, seed: int = 0, steps: int = 100) -> Tensor:
    """Return n unit vectors whose largest cosine, in size, is as small as descent makes it.

    From random starts Σ cos² is minimised, then Σ cos⁴, and so on up to the 64th power, whose sum
    is little but the worst pairs. Nothing says that the result is the best there is.

    Parameters
    ----------
    n, m
        Numbers of vectors and of dimensions, at least 2.
    tries
        How many random starts; the best end is returned.
    seed
        Selects the starts.
    steps
        At most so many for each power.

    Returns
    -------
    Tensor
        ``(m, n)``, float64.

    See Also
    --------
    superpos.codes.thomson.minimise : the descent.

    Examples
    --------
    Six lines in space are best as the diagonals of an icosahedron, which attain the Welch bound:

    >>> best = coherence(optimised_code(6, 3, tries=5))
    >>> round(best.item(), 4), round(welch_bound(6, 3), 4)
    (0.4472, 0.4472)
    """
    steps = checks.whole_number("steps", steps)
    minimise = partial(thomson.minimise, n, m, tries=tries, seed=seed, max_steps=steps)
    points = minimise(_even_power(_POWERS[0], 1.0)).points
    for power in _POWERS[1:]:
        scale = coherence(points).max().item()
        if scale < 1e-6:  # orthogonal: nothing is left to improve
            break
        points = minimise(_even_power(power, scale), starts=points).points
    return points[coherence(points).argmin()]


def harmonic_code(n: int, m: int, *, seed: int = 0) -> Tensor:
    """Return n unit vectors in m dimensions that sum to zero and are a tight frame, WWᵀ = (n/m) 1.

    Row pairs are the cosine and the sine of m/2 different frequencies, drawn at random; the
    cosine of two features depends on the difference of their numbers alone. For vectors that
    neither favour a direction nor have a mean, the noise of many active features is least.

    Parameters
    ----------
    n, m
        m even, and n above m.
    seed
        Selects the frequencies.

    Returns
    -------
    Tensor
        ``(m, n)``, float64.

    Examples
    --------
    >>> W = harmonic_code(9, 4)
    >>> torch.allclose(W @ W.T, torch.eye(4).double() * 9 / 4), W.sum(1).abs().max() < 1e-9
    (True, tensor(True))
    """
    m = checks.whole_number("m", m, least=2)
    n = checks.whole_number("n", n)
    if m % 2 or n <= m:
        raise InvalidArgument(f"m is {m} and n is {n}: an even m below n is needed")
    draws = streams.generator(
        checks.whole_number("seed", seed, least=0), Purpose.INITIAL_VALUES, n, m
    )
    frequency = 1 + torch.randperm((n - 1) // 2, generator=draws)[: m // 2]
    angle = 2 * math.pi / n * (frequency[:, None] * torch.arange(n) % n).double()
    return torch.cat([angle.cos(), angle.sin()]) * (2 / m) ** 0.5


def roots(m: int) -> Tensor:
    """Return the 2m(m − 1) vectors (±e_i ± e_j)/√2, the roots of D_m: ``(m, 2m(m − 1))``, float64.

    No two of them have a cosine above 1/2.

    Examples
    --------
    >>> roots(4).shape, round(float((roots(4).T @ roots(4)).unique()[-2]), 9)
    (torch.Size([4, 24]), 0.5)
    """
    m = checks.whole_number("m", m, least=2)
    pairs = torch.combinations(torch.arange(m)).mT  # (2, m(m − 1)/2)
    signs = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    found = torch.zeros(4, m, pairs.shape[1], dtype=torch.float64)
    for place in (0, 1):
        found.scatter_(
            1,
            pairs[place].expand(4, 1, -1),
            signs[:, place, None, None].expand(4, 1, pairs.shape[1]),
        )
    return found.movedim(0, 1).flatten(1) / 2**0.5


def chance_above(cosine: float, m: int) -> float:
    """Return how probable it is that two random directions in m dimensions have a larger cosine.

    The square of the cosine has a beta distribution with parameters 1/2 and (m − 1)/2.

    Examples
    --------
    A third of the circle lies within 60° of a direction:

    >>> round(chance_above(0.5, 2), 6)
    0.333333
    """
    from scipy import special

    m = checks.whole_number("m", m, least=2)
    cosine = checks.fraction("cosine", cosine)
    return float(special.betainc((m - 1) / 2, 0.5, 1 - cosine**2)) / 2


def coherence(W: Tensor) -> Tensor:
    """Return the largest cosine of two columns, in size: the worst pair, ``(...)``.

    Examples
    --------
    >>> coherence(thomson.polygon(3)).round(decimals=6)
    tensor(0.5000, dtype=torch.float64)
    """
    return _cosines(W).abs().amax((-2, -1))


def typical_cosine(W: Tensor) -> Tensor:
    """Return the root mean square cosine of two columns: the typical pair, ``(...)``.

    Examples
    --------
    >>> typical_cosine(thomson.polygon(3)).round(decimals=6)
    tensor(0.5000, dtype=torch.float64)
    """
    cosine = _cosines(W)
    n = cosine.shape[-1]
    return (cosine.square().sum((-2, -1)) / (n * (n - 1))).sqrt()


def welch_bound(n: int, m: int) -> float:
    """Return √((n − m)/(m(n − 1))), below which no typical cosine lies, and so no worst one.

    WᵀW has trace n and at most m eigenvalues above 0, so that its squares sum to at least n²/m.

    References
    ----------
    Welch 1974, "Lower bounds on the maximum cross correlation of signals".

    Examples
    --------
    >>> welch_bound(100, 100), round(welch_bound(10**6, 100), 4)
    (0.0, 0.1)
    """
    n = checks.whole_number("n", n, least=2)
    m = checks.whole_number("m", m)
    return math.sqrt(max(n - m, 0) / (m * (n - 1)))


def lemma_noise(n: int, m: int) -> float:
    """Return √(8 ln n / m), with which the source estimates the interference of two features.

    References
    ----------
    Linsefors 2024, "Some costs of superposition", Sparsity (there n and m are swapped).

    Examples
    --------
    >>> round(lemma_noise(1000, 100), 3)
    0.743
    """
    n = checks.whole_number("n", n)
    m = checks.whole_number("m", m)
    return math.sqrt(8 * math.log(n) / m)


def largest_cosine(error: float, *, grid: int = 21) -> float:
    """Return the largest |cos θ| of two vectors that were orthogonal and of length 1.

    Their lengths are now within ``error`` of 1, and their distance is within ``error`` of √2:
    cos θ = (a² + b² − d²)/2ab by the law of cosines, over a grid of such a, b and d with corners.

    Parameters
    ----------
    error
        ε, above 0 and below 1.
    grid
        Values of each of the three, at least 2.

    References
    ----------
    Linsefors 2024, "Some costs of superposition", footnote.

    Examples
    --------
    >>> round(largest_cosine(1e-4) / 1e-4, 2), round(2 + 2**0.5, 2)
    (3.41, 3.41)
    """
    error = checks.positive_number("error", error)
    if error >= 1:
        raise InvalidArgument(f"error is {error}: it must be below 1")
    off = error * torch.linspace(-1, 1, checks.whole_number("grid", grid, least=2)).double()
    a, b, d = torch.meshgrid(1 + off, 1 + off, 2**0.5 + off, indexing="ij")
    cosine = (a.square() + b.square() - d.square()) / (2 * a * b)
    return cosine.abs().max().item()


def _cosines(W: Tensor) -> Tensor:
    """Return the cosines of all pairs, with 0 on the diagonal."""
    W, _ = checks.weights(W)
    if W.shape[-1] < 2:
        raise InvalidArgument("W has one column: a pair is needed")
    return geometry.cosines(W) * (1 - torch.eye(W.shape[-1], dtype=W.dtype, device=W.device))


def _even_power(power: int, scale: float) -> thomson.Potential:
    """Return (c/scale)^power, whose worst pair costs about 1 whatever the power, a power of two.

    As `superpos.codes.thomson.power`, but by repeated squaring, which takes a tenth of the time.
    """
    halvings = power.bit_length() - 2

    def value(c: Tensor) -> Tensor:
        square = (c / scale).square()
        for _ in range(halvings):
            square = square.square()
        return square

    def slope(c: Tensor) -> Tensor:
        c = c / scale
        square, product = c.square(), c  # c^(power − 1) is c · c² · c⁴ · …
        for _ in range(halvings):
            product = product * square
            square = square.square()
        return power / scale * product

    return thomson.Potential(f"|cos|^{power}", value, slope)
