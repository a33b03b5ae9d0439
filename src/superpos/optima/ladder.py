"""The ladder of polytopes: the best that features of equal importance can do in orthogonal factors.

Features of equal importance and probability p, many more than dimensions. One that is left out
costs v = p/3 − p²/4, the variance of its input. One that has a dimension to itself costs nothing:
it saves v. Those that are the corners of a polytope with alike corners share a length and a bias;
the best of both, and what they save, follow from the distribution of the interference alone:

    loss = E x² − 2 a P + a² Q,   P = E x (β + x + Z)₊,   Q = E (β + x + Z)₊²,

with a = ‖W_i‖², β = b_i/a, the own input x, and Z what the others add, Σ cos · x_j. The best a is
P/Q, whatever β is, and P²/Q is what it takes off E x². What is saved by each dimension, in units of
v, makes polytopes comparable: the best is another one as inputs get sparser, and where each takes
over is a number. No model is trained.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from superpos import checks
from superpos.checks import Numbers
from superpos.codes.polytopes import POLYTOPES, Polytope
from superpos.compute.gates import gate, instance_of, shapes
from superpos.compute.processes import one_thread
from superpos.errors import InvalidArgument
from superpos.losses.linear import active_moments

_STEP = 1 / 128  # of the lattice on which interference lies: losses are right to about 1e-8
_BIASES = 40  # of which the best starts the search
_LEAST_PASSED = 1e-9  # of Q: below, it is no more than rounding
_ROUNDING = 1e-9  # of cosines
_UNLIKELY = 1e-15  # as a place of the lattice
_MOST_STEPS = 60  # of Newton's method

Gains = Callable[[Tensor], tuple[Tensor, ...]]
"""From β to P, Q and their derivatives by it."""


@dataclass(frozen=True, eq=False)
class Rung:
    """A polytope at its best, for each probability ``(...)``.

    Attributes
    ----------
    polytope
        Which one.
    probability
        p of its features.
    size, bias
        ‖W_i‖² and b_i of each of them.
    loss
        Of each of them.
    saved
        What its corners save together by each of its dimensions, in units of v = p/3 − p²/4: 1 for
        a feature that has a dimension to itself.
    """

    polytope: Polytope
    probability: Tensor
    size: Tensor
    bias: Tensor
    loss: Tensor
    saved: Tensor


_LEAST_STEP = 1e-5  # of a lattice that has room in memory


def _step(name: str, value: float) -> float:
    found = checks.positive_number(name, value)
    if found < _LEAST_STEP:
        raise InvalidArgument(f"{name} is {found:g}: at least {_LEAST_STEP:g} is needed")
    return found


@gate(
    shapes(probability="settings"),
    polytope=instance_of(Polytope),
    probability=checks.floating,
    step=_step,
)
def interference(
    polytope: Polytope, probability: Tensor, step: float = _STEP
) -> tuple[Tensor, Tensor]:
    """Return how what the other corners add to one is distributed, on an even lattice.

    The sum of cos · x over the others, each x uniform on [0, 1] with probability p, else 0. Each
    term's distribution is laid out in triangles on the lattice, which keeps its mean and adds
    step²/6 to its variance; by that all expectations are off in proportion to step². The same with
    half the step removes it (Richardson's extrapolation), for which some weights are below 0.

    Parameters
    ----------
    polytope
        With k corners.
    probability
        ``(settings,)``, in (0, 1].
    step
        Of the coarser lattice at most, above 0.

    Returns
    -------
    places, weights
        ``(points,)`` and ``(settings, points)``: an expectation is the sum of weight times value.

    Examples
    --------
    >>> places, weights = interference(POLYTOPES["pentagon"], torch.tensor([0.4]).double())
    >>> mean = 0.4 / 2 * sum(count * cosine for cosine, count in POLYTOPES["pentagon"].cosines)
    >>> round((weights @ places).item(), 7), round(mean, 7)
    (-0.2, -0.2)
    """
    least = min((abs(c) for c, _ in polytope.cosines if abs(c) > _ROUNDING), default=1.0)
    step = least / math.ceil(least / step)  # the ends of most terms lie on the lattice
    fine = step / 2
    reach = [sum(k * max(sign * c, 0) for c, k in polytope.cosines) for sign in (1, -1)]
    half = 1 << math.ceil(math.log2(sum(reach) / step + 8))  # points of the coarser lattice
    number = torch.arange(2 * half, dtype=torch.float64, device=probability.device)
    beyond = number > reach[0] / fine + 4  # what is left of 0 lies at the end, as on a circle
    places = torch.where(beyond, number - 2 * half, number) * fine
    weights = _distribution(polytope, probability, places, fine) * (4 / 3)
    weights[:, ::2] -= _distribution(polytope, probability, places[::2], step) / 3
    likely = weights.abs().amax(0) > _UNLIKELY
    return places[likely], weights[:, likely]


def _distribution(polytope: Polytope, probability: Tensor, places: Tensor, step: float) -> Tensor:
    """The weights ``(settings, points)`` on one lattice: a product of characteristic functions."""
    together = torch.ones(1, dtype=torch.complex128, device=places.device)
    for cosine, count in polytope.cosines:
        if abs(cosine) > _ROUNDING:
            term = _spread_evenly(abs(cosine), places * math.copysign(1, cosine), step)
            absent = 1 - probability[:, None]
            together = together * (absent + probability[:, None] * torch.fft.rfft(term)) ** count
    shape = (len(probability), len(places) // 2 + 1)
    return torch.fft.irfft(together.expand(shape), n=len(places))


def _spread_evenly(end: float, places: Tensor, step: float) -> Tensor:
    """The uniform distribution on [0, end], in triangles on the lattice."""

    def twice_integrated(z: Tensor) -> Tensor:
        return (z.relu().square() - (z - end).relu().square()) / (2 * end)

    ahead, behind = twice_integrated(places + step), twice_integrated(places - step)
    even = (ahead - 2 * twice_integrated(places) + behind) / step
    return torch.where((places > -step) & (places < end + step), even, 0.0)  # beyond is rounding


_some = partial(checks.some, dtype=torch.float64)


def _polytopes(name: str, value: Iterable[Polytope]) -> list[Polytope]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InvalidArgument(f"{name} is {checks.shortly(value)}: polytopes are needed")
    return [checks.instance(name, each, Polytope) for each in value]


@gate(polytope=instance_of(Polytope), probability=_some)
def rung(polytope: Polytope, probability: Numbers) -> Rung:
    """Return a polytope of the best length and bias, and what it saves.

    Parameters
    ----------
    polytope
        Whose corners are the features.
    probability
        p ``(...)``, in (0, 1].

    Returns
    -------
    Rung
        In float64; losses to about 1e-8, and 1e-9 for polytopes of few corners.

    Raises
    ------
    InvalidArgument
        If a probability is outside (0, 1].

    Examples
    --------
    A pair of opposite features saves more than one that is alone, at every p below 1:

    >>> rung(POLYTOPES["digon"], [0.9, 0.5, 0.1]).saved
    tensor([1.0003, 1.2677, 1.8923], dtype=torch.float64)
    """
    p = checks.probabilities("probability", probability, dtype=torch.float64)
    if (p == 0).any():
        raise InvalidArgument("probability has a 0: a feature that is never active saves nothing")
    flat = p.flatten()
    places, weights = interference(polytope, flat)

    def gains(beta: Tensor) -> tuple[Tensor, ...]:
        """P and Q, and their first and second derivatives by β: ``(settings,)`` each."""
        return tuple(
            (weights * value).sum(-1) for value in _own_integrals(beta[:, None] + places, flat)
        )

    beta = _climb(gains, _first_bias(gains, places, len(flat)))
    P, Q, *_ = gains(beta)
    least = flat / 3 - P.square() / Q
    left_out = active_moments(flat)[1]
    saved = (left_out - least) * polytope.corners / (polytope.dimension * left_out)
    found = (P / Q, beta * P / Q, least, saved)
    return Rung(polytope, p, *(value.reshape(p.shape) for value in found))


def _own_integrals(c: Tensor, p: Tensor) -> tuple[Tensor, ...]:
    """Averages over the own input x of x (c + x)₊ and (c + x)₊², and their derivatives by c."""
    p = p[:, None]
    up, at = (c + 1).relu(), c.relu()
    silent = (-c).clamp(0, 1)  # the part of [0, 1] on which the output is 0
    P = p * ((up**3 - at**3) / 3 - c * (up**2 - at**2) / 2)
    Q = (1 - p) * at**2 + p * (up**3 - at**3) / 3
    P1 = p * (1 - silent**2) / 2
    Q1 = 2 * (1 - p) * at + p * (up**2 - at**2)
    P2 = p * torch.where(silent < 1, silent, 0.0)
    Q2 = 2 * (1 - p) * (c > 0) + 2 * p * (up - at)
    return P, Q, P1, Q1, P2, Q2


def _first_bias(gains: Gains, places: Tensor, settings: int) -> Tensor:
    """The best β = b/‖W_i‖² of some: below them nothing is passed, above them all inputs are."""
    low, high = -places.max().clamp_min(0.5).item(), 1.5 * places.abs().max().clamp_min(0.5).item()
    side = torch.linspace(0, 1, _BIASES // 2, dtype=torch.float64, device=places.device)
    side = side**2  # dense near 0
    tried = torch.cat([low * side[1:-1], high * side])
    quality = []
    for beta in tried:
        P, Q, *_ = gains(beta.expand(settings))
        quality.append(torch.where(Q > _LEAST_PASSED, P.square() / Q, 0.0))
    return tried[torch.stack(quality).argmax(0)]


def _climb(gains: Gains, beta: Tensor) -> Tensor:
    """Climb to where P²/Q is stationary by β: Newton's method, its steps shortened if need be."""

    def quality(beta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        P, Q, P1, Q1, P2, Q2 = gains(beta)
        by, by_twice = 2 * P1 / P - Q1 / Q, 2 * (P2 / P - (P1 / P) ** 2) - Q2 / Q + (Q1 / Q) ** 2
        return 2 * P.log() - Q.log(), by, by_twice

    value, slope, curvature = quality(beta)
    reach = torch.full_like(beta, 0.1)
    for _ in range(_MOST_STEPS):
        step = slope / curvature.abs().clamp_min(1e-9)
        step = torch.minimum(torch.maximum(step, -reach), reach)
        if (step.abs() < 1e-12).all():
            break
        tried = quality(beta + step)
        better = tried[0] >= value - 1e-15
        reach = torch.where(better, 2 * reach, step.abs() / 4)
        beta = torch.where(better, beta + step, beta)
        value, slope, curvature = (
            torch.where(better, new, old)
            for new, old in zip(tried, (value, slope, curvature), strict=True)
        )
    return beta


@gate(probability=_some, polytopes=_polytopes)
def ladder(
    probability: Numbers, polytopes: Iterable[Polytope] = tuple(POLYTOPES.values())
) -> list[Rung]:
    """Return what each polytope saves, for each probability: see `rung`.

    Examples
    --------
    As inputs get sparser another polytope is the best:

    >>> rungs = ladder([0.95, 0.85, 0.7, 0.5, 0.22])
    >>> best = torch.stack([rung.saved for rung in rungs]).argmax(0)
    >>> [rungs[k].polytope.name for k in best]
    ['5-cell', 'tetrahedron', 'triangle', 'digon', 'pentagon']
    """
    with one_thread():  # arrays are too small to share
        return [rung(polytope, probability) for polytope in polytopes]


def takes_over(sparser: Polytope, denser: Polytope, low: float, high: float) -> float:
    """Return p between two at which a polytope begins to save as much as another.

    Parameters
    ----------
    sparser, denser
        Which saves more at ``low``, and which at ``high``.
    low, high
        p, between which to look.

    Raises
    ------
    InvalidArgument
        If neither or one polytope is the better at both ends.

    Examples
    --------
    >>> 1 / takes_over(POLYTOPES["digon"], POLYTOPES["triangle"], 0.5, 0.8)
    1.5522...
    """
    from scipy.optimize import root_scalar

    for name, polytope in (("sparser", sparser), ("denser", denser)):
        checks.instance(name, polytope, Polytope)
    low, high = (checks.positive_number(n, value) for n, value in (("low", low), ("high", high)))
    if not low < high <= 1:
        raise InvalidArgument(f"low is {low:g} and high {high:g}: low < high up to 1 are needed")

    def lead(p: float) -> float:
        return (rung(sparser, p).saved - rung(denser, p).saved).item()

    with one_thread():
        if lead(low) > 0 > lead(high):
            return root_scalar(lead, bracket=(low, high), xtol=1e-12).root
    raise InvalidArgument(
        f"low is {low:g} and high {high:g}: {sparser.name} does not overtake {denser.name} between"
    )


@dataclass(frozen=True, eq=False)
class Stack:
    """Polytopes in orthogonal factors, for one p; a model of n features in m dimensions.

    Attributes
    ----------
    W, b
        ``(m, n)`` and ``(n,)`` in float64, polytope by polytope; features left out come last.
    loss
        Its expected loss.
    counts
        How often it has each polytope, by name.
    """

    W: Tensor
    b: Tensor
    loss: float
    counts: dict[str, int]


@gate(probability=checks.number, polytopes=_polytopes)
def stack(
    n: int,
    m: int,
    probability: float,
    polytopes: Iterable[Polytope] = tuple(POLYTOPES.values()),
) -> Stack:
    """Return the best orthogonal sum of polytopes with at most n corners in m dimensions.

    Parameters
    ----------
    n, m
        Numbers of features and of dimensions, at least 1.
    probability
        p, in (0, 1].
    polytopes
        To choose from.

    Returns
    -------
    Stack

    Raises
    ------
    InvalidArgument
        If one of these is not as above.

    Examples
    --------
    >>> stack(400, 30, 0.4).counts
    {'digon': 30}
    >>> stack(5, 2, 0.1).counts
    {'pentagon': 1}
    """
    n = checks.whole_number("n", n)
    m = checks.whole_number("m", m)
    rungs = [r for r in ladder(float(probability), polytopes) if r.polytope.dimension <= m]
    chosen = _fill(n, m, rungs)
    W = torch.zeros(m, n, dtype=torch.float64)
    b = torch.full((n,), float(probability) / 2, dtype=torch.float64)
    row = column = 0
    loss = 0.0
    for one in chosen:
        d, k = one.polytope.dimension, one.polytope.corners
        W[row : row + d, column : column + k] = one.polytope.points * one.size.sqrt()
        b[column : column + k] = one.bias
        loss += k * one.loss.item()
        row, column = row + d, column + k
    left_out = active_moments(torch.tensor(float(probability), dtype=torch.float64))[1]
    names = [one.polytope.name for one in chosen]
    counts = {name: names.count(name) for name in dict.fromkeys(names)}
    return Stack(W, b, loss + (n - column) * left_out.item(), counts)


def _fill(n: int, m: int, rungs: list[Rung]) -> list[Rung]:
    """Return the rungs that together save most, with at most n corners in m dimensions."""
    best = np.zeros((m + 1, n + 1))  # saved by so many dimensions and features at most
    last = np.full((m + 1, n + 1), -1)
    for d in range(1, m + 1):
        best[d] = best[d - 1]
        for number, one in enumerate(rungs):
            high, k = one.polytope.dimension, one.polytope.corners
            if high > d or k > n:
                continue
            tried = best[d - high, : n + 1 - k] + one.saved.item() * high
            better = tried > best[d, k:] + 1e-12
            best[d, k:][better] = tried[better]
            last[d, k:][better] = number
    chosen, d, k = [], m, n
    while d > 0:
        if last[d, k] < 0:
            d -= 1
            continue
        one = rungs[last[d, k]]
        chosen.append(one)
        d, k = d - one.polytope.dimension, k - one.polytope.corners
    return sorted(chosen, key=lambda one: rungs.index(one))
