"""Tegum products: how many orthogonal subspaces to split features over, by a bound and by search.

n features share d dimensions, split into k orthogonal subspaces of d/k. Pairs in different
subspaces cost nothing, the n²/k in the same one ε^α each, with ε their typical cosine. One part
of this module takes ε from the Johnson–Lindenstrauss bound; the other looks for actual vectors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from superpos import checks, geometry
from superpos.checks import Numbers
from superpos.codes import thomson
from superpos.errors import InvalidArgument
from superpos.losses.ramps import ramp_integrals

_MOST = 1 / 6  # ε²/2 − ε³/3 at ε = 1
_GRID = 4001  # points of ln k between which the slope changes its sign at most once


@dataclass(frozen=True)
class Bound:
    """The Johnson–Lindenstrauss bound for n features in d dimensions as an equality for ε.

    Attributes
    ----------
    n, d
        Numbers of features and of dimensions, at least 1.
    C
        The bound's constant, above 0.
    cubic
        Whether ε²/2 − ε³/3 = C (k/d) ln(n/k), or else ε² = C (k/d) ln(n/k).

    References
    ----------
    Jermyn 2022, "Loss-Minimizing Subspaces".

    Examples
    --------
    >>> [round(e, 4) for e in Bound(1000, 100).cosine([1.0, 2.0]).tolist()]
    [0.4427, 0.6704]
    """

    n: float
    d: float
    C: float = 1.0
    cubic: bool = True

    def __post_init__(self) -> None:
        for name in ("n", "d"):
            number = checks.positive_number(name, getattr(self, name))
            if number < 1:
                raise InvalidArgument(f"{name} is {number}: it must be at least 1")
            object.__setattr__(self, name, number)
        object.__setattr__(self, "C", checks.positive_number("C", self.C))

    @property
    def most(self) -> float:
        """The largest k of all, the smaller of n and d."""
        return float(min(self.n, self.d))

    def right(self, k: Numbers) -> Tensor:
        """Return the bound's right-hand side C (k/d) ln(n/k)."""
        k = torch.as_tensor(k, dtype=torch.float64)
        return self.C * k / self.d * torch.log(self.n / k)

    def cosine(self, k: Numbers) -> Tensor:
        """Return ε for each k; NaN where there is none between 0 and 1 (cubic) or at all.

        The cubic's root is by Vieta's cosines: ε = ½ + cos θ with cos 3θ = 1 − 12 y.
        """
        y = self.right(k)
        if not self.cubic:
            return y.sqrt()
        y = torch.where((y - _MOST).abs() < 1e-14, _MOST, y)  # at the edge, but for rounding
        turn = (6 * y).sqrt().asin() * 2 / 3  # written so that nothing cancels for small y
        return ((turn / 2).sin().square() + turn.sin() * 0.75**0.5).clamp_max(1)

    def log_loss(self, k: Numbers, alpha: float) -> Tensor:
        """Return ln(L/n²) = α ln ε − ln k."""
        k = torch.as_tensor(k, dtype=torch.float64)
        return alpha * self.cosine(k).log() - k.log()

    def slope(self, k: Numbers, alpha: float) -> Tensor:
        """Return d ln L/d ln k."""
        k = torch.as_tensor(k, dtype=torch.float64)
        growth = 1 - 1 / torch.log(self.n / k)  # d ln y/d ln k
        if not self.cubic:
            return alpha / 2 * growth - 1
        e = self.cosine(k)
        return alpha * growth * (3 - 2 * e) / (6 * (1 - e)) - 1

    def domain(self) -> list[tuple[float, float]]:
        """Return the ranges of k from 1 to `most` that have an ε, in order: none, one or two.

        The right-hand side rises up to k = n/e and falls after it.
        """
        top = self.most
        if not self.cubic:
            return [(1.0, top)]

        def excess(u: float) -> float:
            return self.C / self.d * math.exp(u) * (math.log(self.n) - u) - _MOST

        low, high, peak = 0.0, math.log(top), math.log(self.n) - 1
        if peak <= 0 or peak >= high or excess(peak) <= 0:  # one way only, or never too high
            if max(excess(low), excess(high)) <= 0:
                return [(1.0, top)]
            if min(excess(low), excess(high)) > 0:
                return []
            edge = math.exp(_root(excess, low, high))
            return [(1.0, edge)] if excess(low) <= 0 else [(edge, top)]
        found = []
        if excess(low) <= 0:
            found.append((1.0, math.exp(_root(excess, low, peak))))
        if excess(high) <= 0:
            found.append((math.exp(_root(excess, peak, high)), top))
        return found


def optimal_subspaces(
    n: float, d: float, alpha: float, C: float = 1.0, *, cubic: bool = True
) -> float:
    """Return the number of subspaces k with the lowest loss n²/k · ε^α, to 1e-6.

    Over 1 ≤ k ≤ d, and k ≤ n. With the cubic bound only where it has a cosine 0 ≤ ε ≤ 1; the
    quadratic one, made for small ε, is taken for all k. Of equal losses, the smaller k.

    Parameters
    ----------
    n, d
        Numbers of features and of dimensions, at least 1.
    alpha
        α, above 0.
    C
        The bound's constant, above 0.
    cubic
        Whether ε²/2 − ε³/3 = C (k/d) ln(n/k), or else ε² = C (k/d) ln(n/k).

    Raises
    ------
    InvalidArgument
        If an argument is out of its range, or no k has a cosine.

    References
    ----------
    Jermyn 2022, "Loss-Minimizing Subspaces".

    Examples
    --------
    >>> round(optimal_subspaces(1000, 100, 1.0), 4), optimal_subspaces(1000, 100, 3.0)
    (2.5156, 1.0)
    >>> optimal_subspaces(1000, 100, 1.0, cubic=False)
    100.0
    """
    bound = Bound(n, d, C, cubic)
    alpha = checks.positive_number("alpha", alpha)
    ranges = bound.domain()
    if not ranges:
        raise InvalidArgument(
            f"n is {n:g}, d is {d:g} and C is {C:g}: no number of subspaces k from 1 to "
            f"{bound.most:g} has a cosine of at most 1; one space needs C ln(n)/d of at most 1/6 "
            f"and has {bound.right(1.0).item():.3g}"
        )
    if n <= d:
        return float(n)  # orthogonal vectors: the loss is 0
    candidates = []
    for low, high in ranges:
        k = torch.linspace(math.log(low), math.log(high), _GRID, dtype=torch.float64).exp()
        k[0], k[-1] = low, high
        slope = bound.slope(k, alpha)
        rises = ((slope[:-1] < 0) & (slope[1:] >= 0)).nonzero().flatten().tolist()
        for place in rises:
            ends = k[place].log().item(), k[place + 1].log().item()
            candidates.append(_zero(lambda u: bound.slope(math.exp(u), alpha).item(), *ends))
        candidates += [low, high]
    losses = bound.log_loss(candidates, alpha).tolist()
    return min(zip(losses, candidates, strict=True))[1]


def critical_alpha(n: float, d: float, C: float = 1.0, *, cubic: bool = True) -> float:
    """Return the α from which one single space is best.

    k = 1 is best while ln k ≤ α ln(ε(k)/ε(1)) for all k, so α_c is the largest
    ln k / ln(ε(k)/ε(1)). It is infinite where some k > 1 has no larger cosine than k = 1.

    Raises
    ------
    InvalidArgument
        If k = 1 has no cosine of at most 1.

    Examples
    --------
    >>> round(critical_alpha(1000, 100, cubic=False), 3)
    2.627
    """
    bound = Bound(n, d, C, cubic)
    ranges = bound.domain()
    if not ranges or ranges[0][0] > 1:
        raise InvalidArgument(
            f"n is {n:g}, d is {d:g} and C is {C:g}: one single space has no cosine of at most 1"
        )
    from scipy.optimize import minimize_scalar

    first = bound.cosine(1.0)
    best = 0.0
    start = bound.slope(1.0, 1.0).item() + 1  # d ln ε/d ln k at k = 1
    if start <= 0:
        return math.inf
    if math.isfinite(start):
        best = 1 / start

    def ratio(u: float) -> float:
        return u / math.log(bound.cosine(math.exp(u)).item() / first.item())

    for low, high in ranges:
        u = torch.linspace(math.log(low), math.log(high), _GRID, dtype=torch.float64)
        u = u[1:] if low == 1 else u
        k = u.exp().clamp(low, high)
        grown = torch.log(bound.cosine(k) / first)
        if not len(u) or (grown <= 0).any():
            return math.inf if len(u) else best
        ratios = u / grown
        top = int(ratios.argmax())
        best = max(best, ratios[top].item())
        if 0 < top < len(u) - 1:
            ends = (u[top - 1].item(), u[top + 1].item())
            found: Any = minimize_scalar(
                lambda x: -ratio(x), bounds=ends, method="bounded", options={"xatol": 1e-12}
            )
            best = max(best, -found.fun)
    return best


def search(
    n: int,
    d: int,
    alpha: float,
    *,
    one_sided: bool = False,
    tries: int = 40,
    seed: int = 0,
    max_steps: int = 600,
) -> thomson.Arrangements:
    """Look for unit vectors with the lowest Σ_{i≠j} |cos|^α, with no subspaces given.

    For α below 2 the potential has no slope at right angles; there it is rounded off, less and
    less. The energies are of |cos|^α itself, the lowest first.

    Parameters
    ----------
    n, d
        Numbers of vectors and of dimensions, at least 2.
    alpha
        α, above 0.
    one_sided
        Whether to take max(cos, 0)^α: then a negative cosine costs nothing.
    tries, seed, max_steps
        As `superpos.codes.thomson.minimise` takes them.

    Raises
    ------
    InvalidArgument
        If one of these is not as above.

    Examples
    --------
    Three vectors in a plane: 60° apart as lines if α is large, two alike and one across if small.

    >>> [round(search(3, 2, alpha, tries=5).energy[0].item(), 4) for alpha in (1.0, 4.0)]
    [2.0, 0.375]
    """
    n, d = (checks.whole_number(name, each, least=2) for name, each in (("n", n), ("d", d)))
    alpha = checks.positive_number("alpha", alpha)
    one_sided = checks.flag("one_sided", one_sided)
    settings = {"tries": tries, "seed": seed, "max_steps": max_steps}

    def lowest(power: float, rounding: float, starts: Tensor | None = None) -> Tensor:
        potential = thomson.power(power, rounding=rounding, one_sided=one_sided)
        return thomson.minimise(n, d, potential, starts=starts, **settings).points

    def descent(power: float) -> Tensor:
        first, *later = [0.0] if power >= 2 else [0.3, 0.1, 0.03, 0.01]
        points = lowest(power, first)
        for rounding in later:
            points = lowest(power, rounding, points)
        return points

    points = descent(alpha)
    if alpha < 2:  # what is rounded off resembles a larger α; so come from a smaller one as well
        points = torch.cat([points, lowest(alpha, 0.01, descent(alpha / 2))])
    potential = thomson.power(alpha, one_sided=one_sided)
    energy = thomson.energy(points, potential)
    order = energy.argsort(stable=True)
    norm = thomson.tangent_gradient(points, potential).square().sum((-2, -1)).sqrt()
    return thomson.Arrangements(
        points=points[order], energy=energy[order], gradient_norm=norm[order]
    )


Blocks = tuple[tuple[int, int], ...]  # (features, dimensions) of each


def best_product(lowest: dict[tuple[int, int], float], n: int, d: int) -> tuple[float, Blocks]:
    """Return the lowest sum of a tegum product of two subspaces or more, and its blocks.

    Parameters
    ----------
    lowest
        The lowest sum found for (n, d), for all smaller n and d with 1 < d < n. Vectors along one
        line cost 1 each pair; up to d in d dimensions cost nothing.
    n, d
        Numbers of features and of dimensions, d at least 2.

    Raises
    ------
    InvalidArgument
        If one of these is not as above.

    Examples
    --------
    Five vectors in a plane: the lines of two axes, one doubled and one tripled.

    >>> best_product({}, 5, 2)
    (8.0, ((3, 1), (2, 1)))
    """
    n = checks.whole_number("n", n)
    d = checks.whole_number("d", d, least=2)
    if not isinstance(lowest, Mapping):
        told = checks.shortly(lowest)
        raise InvalidArgument(f"lowest is {told}: a sum for each (n, d) is needed")
    sums = {each: checks.number("lowest", lowest[each]) for each in lowest}
    return _Products(sums).product(n, d)


class _Products:
    """All splits, each looked at once."""

    def __init__(self, lowest: dict[tuple[int, int], float]) -> None:
        self.lowest, self.known = lowest, {}

    def block(self, n: int, d: int) -> tuple[float, Blocks]:
        if d == 1 or n <= d:
            return float(n * (n - 1) if d == 1 else 0), ((n, d),)
        whole = (self.lowest.get((n, d), math.inf), ((n, d),))
        split = self.product(n, d)
        return whole if whole[0] < split[0] - 1e-9 else split

    def product(self, n: int, d: int) -> tuple[float, Blocks]:
        if (n, d) not in self.known:
            found = (math.inf, ((n, d),))
            for dimensions in range(1, d):
                for features in range(n - 1, 0, -1):
                    one, rest = (
                        self.block(features, dimensions),
                        self.block(n - features, d - dimensions),
                    )
                    if one[0] + rest[0] < found[0] - 1e-9:
                        blocks = sorted(one[1] + rest[1], key=lambda b: (-b[1], -b[0]))
                        found = (one[0] + rest[0], tuple(blocks))
            self.known[n, d] = found
        return self.known[n, d]


def orthogonal_pairs(points: Tensor, *, tolerance: float = 1e-6) -> Tensor:
    """Return how many ordered pairs of vectors are orthogonal, ``(...)``.

    Examples
    --------
    >>> orthogonal_pairs(thomson.polygon(8)), orthogonal_pairs(torch.eye(2)[:, [0] * 4 + [1] * 4])
    (tensor(16), tensor(32))
    """
    points, _ = checks.weights(points, name="points")
    tolerance = checks.positive_number("tolerance", tolerance, allow_zero=True)
    return (geometry.cosines(points).abs() <= tolerance).sum((-2, -1))


@dataclass(frozen=True, eq=False)
class Readouts:
    """What exact losses of arrangements are made of, for any common length and over many biases.

    With W = r V for unit columns V and b = r² β, an output is r² (V_i·Vx + β)₊. The loss is
    Σ_i E x_i² − 2 r² P_i + r⁴ S_i, with P_i = E x_i (V_i·Vx + β)₊ and S_i = E (V_i·Vx + β)₊².

    Attributes
    ----------
    product, square
        P_i and S_i, ``(biases, tries, settings, n)``.
    zero_loss
        Σ_i E x_i² = n p/3, ``(settings,)``.
    """

    product: Tensor
    square: Tensor
    zero_loss: Tensor

    def loss(self) -> Tensor:
        """Return the loss at the best common length and the best common bias.

        Whatever β is, the best r² is ΣP/ΣS.

        Returns
        -------
        Tensor
            ``(tries, settings)``.
        """
        gain = self.product.sum(-1).clamp_min(0).square()
        return self.zero_loss - (gain / self.square.sum(-1).clamp_min(1e-300)).amax(0)

    def loss_with_own_biases(self, *, scales: int = 80) -> Tensor:
        """Return the loss at the best common length and the best bias of each feature.

        No output depends on another's bias, so each takes its best β; r² is the best of a grid
        from 0.025 to 2.
        """
        scales = checks.whole_number("scales", scales)
        gains = [
            (2 * r * self.product - r**2 * self.square).amax(0).sum(-1)
            for r in torch.linspace(0.025, 2, scales, dtype=torch.float64)
        ]
        return self.zero_loss - torch.stack(gains).amax(0)


def readouts(points: Tensor, probability: Tensor, *, biases: int = 30) -> Readouts:
    """Return what exact losses of some arrangements are made of.

    Parameters
    ----------
    points
        Unit columns, ``(tries, m, n)`` with n of at most 10.
    probability
        p, ``(settings,)``.
    biases
        How many β there are on each side of 0, from −1 to 50 (dense inputs take large ones);
        they lie closest near 0, where the loss has a kink.

    Raises
    ------
    InvalidArgument
        If one of these is not as above.

    Examples
    --------
    An antipodal pair errs, without a bias, by the smaller value: p² · 2 · 1/6. A length a
    little below 1 is a little better.

    >>> digon = torch.tensor([[[1.0, -1.0]]])
    >>> readouts(digon, torch.tensor([0.3])).loss() / 0.03
    tensor([[0.9771]], dtype=torch.float64)
    """
    V, _ = checks.weights(points, name="points")
    V, n = V.double(), V.shape[-1]
    if V.ndim != 3 or n > 10:
        raise InvalidArgument(
            f"points has shape {tuple(V.shape)}: (tries, m, n) with n of at most 10 is needed"
        )
    p = checks.probabilities("probability", probability, dtype=torch.float64, device=V.device)
    if p.ndim != 1:
        raise InvalidArgument(f"probability has shape {tuple(p.shape)}: (settings,) is needed")
    biases = checks.whole_number("biases", biases)
    count = torch.tensor([mask.bit_count() for mask in range(2**n)], device=V.device)
    chance = p[:, None] ** count * (1 - p[:, None]) ** (n - count)  # (settings, 2ⁿ)
    side = torch.linspace(0, 1, biases + 1, dtype=torch.float64, device=V.device) ** 2
    betas = torch.cat([-side[1:].flip(0), (side * math.atan(50)).tan()])
    own = torch.eye(n, dtype=torch.float64, device=V.device)
    found = []
    for beta in betas:
        square, product = ramp_integrals(beta.expand(len(V), n), V.mT @ V, own)
        found.append([(each @ chance.T).mT for each in (product, square)])
    product, square = (torch.stack(each) for each in zip(*found, strict=True))
    return Readouts(product=product, square=square, zero_loss=n * p / 3)


ALPHAS = torch.linspace(0.25, 8, 156, dtype=torch.float64)
"""The α among which the effective one is looked for."""


def effective_alpha(points: Tensor, losses: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the α whose sums order arrangements as some losses do, and how well.

    Parameters
    ----------
    points
        Unit columns, ``(tries, m, n)``.
    losses
        ``(tries, settings)``.

    Returns
    -------
    alpha, correlation, one_sided
        ``(settings,)`` each: the α of `ALPHAS` with the highest rank correlation, that correlation,
        and whether it is for max(cos, 0)^α instead of |cos|^α.
    """
    points, losses = checks.weights(points, name="points")[0], checks.finite("losses", losses)
    points, losses = points.detach(), losses.detach()
    if points.ndim != 3 or losses.ndim != 2 or len(points) != len(losses) or len(losses) < 2:
        raise InvalidArgument(
            f"points has shape {tuple(points.shape)} and losses {tuple(losses.shape)}: "
            "(tries, m, n) and (tries, settings), with at least two tries, are needed"
        )
    if not losses.shape[1] or (losses == losses[0]).all(0).any():
        raise InvalidArgument("losses has a setting without different losses: nothing is ordered")
    sums = torch.stack(
        [
            thomson.energy(points, thomson.power(alpha, one_sided=side))
            for side in (False, True)
            for alpha in ALPHAS.tolist()
        ]
    )
    from scipy import stats

    both = np.concatenate([sums.cpu().numpy(), losses.T.cpu().numpy()])
    table = torch.from_numpy(stats.spearmanr(both, axis=1)[0])
    table = table[len(sums) :, : len(sums)]
    highest, place = table.max(-1)
    found = ALPHAS[place % len(ALPHAS)], highest, place >= len(ALPHAS)
    alpha, correlation, one_sided = (value.to(points.device) for value in found)
    return alpha, correlation, one_sided


def _zero(slope, low: float, high: float) -> float:
    if not math.isfinite(slope(high)):  # the edge, where the cubic's slope is infinite
        high -= (high - low) * 1e-12
    return math.exp(_root(slope, low, high))


def _root(function, low: float, high: float) -> float:
    from scipy.optimize import brentq

    root: Any = brentq(function, low, high, xtol=1e-15)
    return root
