"""Integrals of a ramp over cubes, exactly: what a ReLU passes of independent uniform inputs.

For z(x) = c + g·x on the cube [0, 1]^k the loss needs

    first  = ∫ z₊ dx,      second = ∫ z₊² dx,      own = ∫ (e·x) z₊ dx.

The textbook formula sums z₊^(k+q) over the cube's corners and divides by Π g_j: it cancels
badly for small g_j, and fails where one is 0. Here they come from the divergence theorem instead.
For any point t, ∇·((x − t) z₊^q) = k z₊^q + q z₊^(q−1) (z − z(t)), so that where z(t) = 0

    (k + q) ∫ z₊^q = Σ_j [(1 − t_j) ∫_{x_j = 1} z₊^q + t_j ∫_{x_j = 0} z₊^q].

All choices of coordinates that vary are wanted, the others being 0. So let t be the corner
(1, …, 1), moved along the one coordinate with the steepest slope to where z is 0: every other x_j
then counts by its face x_j = 0 alone, which is the cube of a smaller choice, and only the steepest,
the pivot, adds a face, x_p = 1. Steepest first, a face is at 1 in some coordinates before its first
that varies, and nowhere else: (n + 2) 2^(n−1) faces instead of the cube's 3ⁿ.

Where z changes sign, |z(1, …, 1)| is at most k |g_p|, so that the weights t_p and 1 − t_p are at
most k in size, and small slopes do no harm. Where it does not, z₊ is z or 0. Faces are
cubes again: the recursion ends at the corners. It is that of box splines, by de Boor and Höllig
1982, "B-splines from parallelepipeds", in a fixed order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from superpos import checks
from superpos.compute.gates import gate, one_precision, shapes
from superpos.errors import InvalidArgument

_FACES_IN_CACHE = 100_000  # of all cubes that are integrated over at once


@dataclass(frozen=True)
class _Faces:
    """The faces with k free coordinates that the integrals need, in a fixed order.

    Coordinates have the steepest first. Those that are fixed are at 1, if they come before all
    that are free, or at 0.

    Attributes
    ----------
    pivot
        ``(faces,)``: the first free coordinate.
    lower, upper
        ``(faces,)``: which faces of dimension k − 1 have the pivot at 0, at 1.
    others
        ``(k − 1, faces)``: which have another free coordinate at 0, the second and so on.
    origin
        ``(choices,)``: the faces that have no coordinate at 1.
    free
        ``(choices, k)``: the free coordinates of these.
    """

    pivot: Tensor
    lower: Tensor
    upper: Tensor
    others: Tensor
    origin: Tensor
    free: Tensor


@lru_cache(maxsize=32)
def _faces(n: int, device: torch.device) -> tuple[_Faces, ...]:
    """Return the faces by dimension, 1 to n; those of dimension 0 are the corners, Σ_j 2^j."""
    masks = torch.arange(2**n)  # of free coordinates
    bits = masks[:, None] >> torch.arange(n) & 1
    sizes, first = bits.sum(-1), bits.argmax(-1)
    # faces with the same free coordinates follow each other, numbered by those at 1
    alike = torch.where(masks > 0, 2**first, 2**n)
    start = torch.empty_like(masks)
    levels = []
    for k in range(n + 1):
        (chosen,) = (sizes == k).nonzero(as_tuple=True)
        start[chosen] = alike[chosen].cumsum(0) - alike[chosen]
        if k == 0:
            continue
        free = bits[chosen].nonzero()[:, 1].reshape(len(chosen), k)
        mask, pivot = (v.repeat_interleave(alike[chosen]) for v in (chosen, first[chosen]))
        at_one = torch.arange(len(mask)) - start[mask]
        others = [
            start[mask - 2 ** free[:, j].repeat_interleave(alike[chosen])] + at_one
            for j in range(1, k)
        ]
        lower = start[mask - 2**pivot] + at_one
        found = _Faces(
            pivot=pivot,
            lower=lower,
            upper=lower + 2**pivot,
            others=torch.stack(others) if others else pivot.new_empty(0, len(mask)),
            origin=start[chosen],
            free=free,
        )
        levels.append(_Faces(**{name: v.to(device) for name, v in vars(found).items()}))
    return tuple(levels)


@gate(n=partial(checks.whole_number, least=0))
def count_faces(n: int) -> int:
    """Return how many faces of an n-cube the integrals need, corners among them.

    Examples
    --------
    >>> count_faces(3), 3**3
    (20, 27)
    """
    return (n + 2) * 2**n // 2


def _at_corners(start: Tensor, slopes: Tensor) -> Tensor:
    """Return start + slopes·x at the corners, ``(2ⁿ, batch)``; ``slopes`` is ``(n, batch)``.

    Corners that differ by a slope of 0 have the same value, to the last digit.
    """
    values = start.expand(slopes.shape[1])[None]
    for slope in slopes:
        values = torch.cat([values, values + slope])
    return values


@dataclass(frozen=True)
class _Ramps:
    """Ramps on the faces of one dimension, ``(faces, batch)`` each.

    Attributes
    ----------
    slope, e_slope
        g and e of the pivot.
    low, high
        The least and the largest z.
    back
        1 − t of the pivot, where z changes sign.
    e_zero
        e·t there.
    """

    slope: Tensor
    e_slope: Tensor
    low: Tensor
    high: Tensor
    back: Tensor
    e_zero: Tensor

    @property
    def crosses(self) -> Tensor:
        """Where z changes sign. A corner with z = 0 counts as positive."""
        return (self.low < 0) & (self.high >= 0)


def _by_dimension(
    top: Tensor, e_top: Tensor, g: Tensor, e: Tensor
) -> Iterator[tuple[_Faces, _Ramps]]:
    """Yield the faces of dimension 1 to n, and z and e·x there, from those at the corners."""
    low = high = top.detach()
    for faces in _faces(len(g), g.device):
        lower, upper = faces.lower, faces.upper
        # from one pair of faces: all that meet in a corner see the same sign there
        low, high = torch.minimum(low[lower], low[upper]), torch.maximum(high[lower], high[upper])
        top, e_top = top[upper], e_top[upper]  # at the corner next to (1, …, 1)
        slope, e_slope = g[faces.pivot], e[faces.pivot]
        back = top / torch.where((low < 0) & (high >= 0), slope, 1.0)
        yield faces, _Ramps(slope, e_slope, low, high, back, e_top - e_slope * back)


@gate(
    shapes(c="...", g="... n", e="... n"),
    c=checks.floating,
    g=checks.floating,
    e=checks.floating,
)
def ramp_integrals(c: Tensor, g: Tensor, e: Tensor) -> tuple[Tensor, Tensor]:
    """Integrate z₊² and (e·x) z₊, with z = c + g·x, for every choice of which x_j vary.

    Coordinates outside a choice are 0; those in it are uniform on [0, 1].

    Parameters
    ----------
    c
        ``(...)``.
    g, e
        ``(..., n)``.

    Returns
    -------
    second, own
        ``(..., 2ⁿ)`` each: ∫ z₊² dx and ∫ (e·x) z₊ dx. Entry Σ_j 2^j over the coordinates that
        vary belongs to that choice. Errors are of the order of rounding, as a share of the
        largest z² and |e·x z| on the cube.

    Examples
    --------
    ∫ x² and ∫ x·x over [0, 1]; without the coordinate z is 0:

    >>> one = torch.ones(1, dtype=torch.float64)
    >>> ramp_integrals(torch.zeros(()).double(), one, one)
    (tensor([0.0000, 0.3333], dtype=torch.float64), tensor([0.0000, 0.3333], dtype=torch.float64))
    """
    n = g.shape[-1]
    batch = checks.broadcast_shape(c=c.shape, g=g.shape[:-1], e=e.shape[:-1])
    # coordinates, then faces, are the first axis: what is gathered are whole rows
    c = c.expand(batch).reshape(-1)
    g, e = (values.expand(*batch, n).reshape(-1, n).mT for values in (g, e))
    many = max(1, _FACES_IN_CACHE // count_faces(n))
    pieces = zip(c.split(many), g.split(many, dim=1), e.split(many, dim=1), strict=True)
    seconds, owns = zip(*(_integrals(*piece) for piece in pieces), strict=True)
    return torch.cat(seconds).reshape(*batch, 2**n), torch.cat(owns).reshape(*batch, 2**n)


def _integrals(c: Tensor, g: Tensor, e: Tensor) -> tuple[Tensor, Tensor]:
    """Return what `ramp_integrals` does, of c ``(batch,)`` and g and e ``(n, batch)``."""
    n = len(g)
    steepest = g.detach().abs().argsort(0, descending=True)
    g, e = g.gather(0, steepest), e.gather(0, steepest)
    # means over a face, variance and covariance
    mean, e_mean = _at_corners(c, g), _at_corners(torch.zeros_like(c), e)
    variance = covariance = torch.zeros_like(mean)
    positive = mean.clamp_min(0)
    found = torch.stack([positive, positive.square(), e_mean * positive], dim=1)
    choices = [found[:1]]
    for k, (faces, z) in enumerate(_by_dimension(mean, e_mean, g, e), 1):
        lower, upper = faces.lower, faces.upper
        mean, e_mean = (mean[lower] + mean[upper]) / 2, (e_mean[lower] + e_mean[upper]) / 2
        variance = variance[lower] + z.slope.square() / 12
        covariance = covariance[lower] + z.slope * z.e_slope / 12
        above = torch.stack([mean, mean.square() + variance, mean * e_mean + covariance], dim=1)
        across = (1 - z.back)[:, None] * found[lower] + z.back[:, None] * found[upper]
        for other in faces.others:
            across = across + found[other]
        first, second, own = across.unbind(1)
        first = first / (k + 1)
        # for (e·x) z₊ the theorem has one term more: e·t times the integral of z₊
        own = (own + z.e_zero * first) / (k + 2)
        across = torch.stack([first, second / (k + 2), own], dim=1)
        positive = torch.where((z.low >= 0)[:, None], above, 0.0)
        found = torch.where(z.crosses[:, None], across, positive)
        choices.append(found[faces.origin])
    by_choice = torch.cat(choices)[_order(n, g.device)]
    place = _renamed(steepest.argsort(0))
    second, own = (by_choice[:, kind].gather(0, place).mT for kind in (1, 2))
    return second, own


@lru_cache(maxsize=32)
def _order(n: int, device: torch.device) -> Tensor:
    """Return where, by dimension, each choice of free coordinates stands: Σ_j 2^j over them."""
    sizes = _at_corners(torch.zeros(1, dtype=torch.long), torch.ones(n, 1, dtype=torch.long))[:, 0]
    return sizes.argsort(stable=True).argsort().to(device)


def _renamed(order: Tensor) -> Tensor:
    """Return each choice's number if coordinate j is number ``order[j]``: ``(2ⁿ, batch)``."""
    return _at_corners(order.new_zeros(1), 2**order)


def _one_weight_a_choice(given: dict[str, Any]) -> None:
    shape, n = tuple(given["weight"].shape), given["g"].shape[-1]
    if shape[-1] != 2**n:
        raise InvalidArgument(f"weight has shape {shape}: (batch, {2**n}) is needed, 2 to the {n}")


@gate(
    shapes(c="batch", g="batch n", e="batch n", weight="batch choices"),
    _one_weight_a_choice,
    one_precision("c", "g", "e", "weight"),
    c=checks.detached,
    g=checks.detached,
    e=checks.detached,
    weight=checks.detached,
)
def ramp_moments(c: Tensor, g: Tensor, e: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Integrate the products of X = (1, x) over where z = c + g·x is positive, and where it is 0.

    They say how integrals of a ramp change with r = (c, g), for z = r·X. With θ(z) = 1 where
    z > 0 and δ its derivative, A = ∫ θ(z) X Xᵀ dx and B = ∫ δ(z) (e·x) X Xᵀ dx:

        ∫ z₊² = rᵀ A r,              its slopes 2 A r,           its curvatures 2 A;
        ∫ (e·x) z₊ = (0, e)·A r,     its slopes A (0, e),        its curvatures B.

    They come from faces as the ramps do. For a polynomial P whose terms all have degree d, and
    the same point t,

        (k + d) ∫ P θ(z) = ∫ (t·∇P) θ(z)
                           + Σ_j [(1 − t_j) ∫_{x_j = 1} P θ(z) + t_j ∫_{x_j = 0} P θ(z)],

    the same with k + d − 1 for δ(z); and ∫ δ(z) = 1/|g| on an edge.

    Parameters
    ----------
    c, g, e
        ``(batch,)``, ``(batch, n)`` and ``(batch, n)``.
    weight
        ``(batch, 2ⁿ)``: how much each choice of which x_j vary counts, Σ_j 2^j over them. The
        other x_j are 0.

    Returns
    -------
    A, B
        ``(batch, n + 1, n + 1)`` each: the weighted sums over the choices.

    Examples
    --------
    With z = x − ½ on [0, 1]: the upper half, and the point ½.

    >>> one = torch.ones(1, 1)
    >>> A, B = ramp_moments(torch.tensor([-0.5]), one, one, torch.tensor([[0.0, 1.0]]))
    >>> A[0]
    tensor([[0.5000, 0.3750],
            [0.3750, 0.2917]])
    >>> B[0]
    tensor([[0.5000, 0.2500],
            [0.2500, 0.1250]])
    """
    batch, n = g.shape
    g, e = g.mT, e.mT
    steepest = g.abs().argsort(0, descending=True)
    rank = steepest.argsort(0)
    g, e = g.gather(0, steepest), e.gather(0, steepest)
    weight = weight.mT.gather(0, _renamed(steepest))
    top, e_top = _at_corners(c, g), _at_corners(torch.zeros_like(c), e)
    found = torch.zeros(2**n, 1, 3, batch).to(g)
    found[:, 0, 0] = (top >= 0).to(g)
    total = torch.zeros((n + 1) * (n + 2) // 2, 2, batch).to(g)
    total[0, 0] = weight[0] * found[0, 0, 0]
    for rows, (faces, z) in zip(_rows(n, g.device), _by_dimension(top, e_top, g, e), strict=True):
        found = _moments_from_faces(faces, rows, z, found)
        counts = weight[(2**faces.free).sum(-1)]
        of_choices = counts[:, None, None] * found[faces.origin, :, :2]
        total.index_add_(0, rows.products.flatten(), of_choices.flatten(0, 1))
    place = torch.empty(n + 1, n + 1, dtype=torch.long, device=g.device)
    one, other = torch.triu_indices(n + 1, n + 1, device=g.device)
    place[one, other] = place[other, one] = torch.arange(len(one), device=g.device)
    back = torch.nn.functional.pad(rank + 1, (0, 0, 1, 0)).mT  # to the order of the arguments
    A, B = (
        values[place[back[:, :, None], back[:, None, :]], torch.arange(batch)[:, None, None]]
        for values in total.unbind(1)
    )
    return A, B


def _moments_from_faces(faces: _Faces, rows: _Rows, z: _Ramps, below: Tensor) -> Tensor:
    """Return integrals over faces from those over their own faces.

    ``(faces, P, 3, batch)``: of the polynomials P of `_Rows`, times θ(z), (e·x) δ(z) and δ(z).
    """
    k, batch = faces.free.shape[1], z.low.shape[1]
    at_one = below[faces.upper].mul_(z.back[:, None, None])
    at_both = below[faces.lower].mul_((1 - z.back)[:, None, None]).add_(at_one)
    which, starts = rows.others
    flat = below.flatten(2).flatten(0, 1)
    found = torch.nn.functional.embedding_bag(which, flat, starts, mode="sum")
    found = found.view(len(faces.pivot), -1, 3, batch)
    # of each degree, the first polynomials have the pivot as a factor
    one, x, xx = found.split([1, k, k * (k + 1) // 2], dim=1)
    one += at_both[:, :1]
    x[:, 1:] += at_both[:, 1:k]
    xx[:, k:] += at_both[:, k:]
    x[:, :1] += at_one[:, :1]
    xx[:, :k] += at_one[:, :k]
    if k == 1:
        one[:, 0, 1], one[:, 0, 2] = 0.0, 1 / (z.high - z.low)
    t = torch.ones(len(faces.pivot), k, 1, batch).to(below)
    t[:, 0, 0] -= z.back
    for degree, values in enumerate((one, x, xx)):
        if degree == 1:
            values.addcmul_(t, one)
        elif degree == 2:
            _add_pairs(values, t, x)
        values[:, :, 2] /= max(k + degree - 1, 1)
        values[:, :, 1].addcmul_(z.e_zero[:, None], values[:, :, 2])
        values[:, :, :2] /= k + degree
    # of the edges at a corner with z = 0, z crosses 0 on some: it counts as positive
    found.masked_fill_(~z.crosses[:, None, None], 0.0)
    found[:, :, 0] += rows.mean[:, None] * (z.low >= 0)[:, None]
    return found


@dataclass(frozen=True)
class _Rows:
    """Polynomials of a face's k free coordinates: 1; x_j; x_j x_l with j ≤ l.

    Attributes
    ----------
    mean
        ``(polynomials,)``: their means.
    others
        For each face's every polynomial, the faces at 0 in a free coordinate that is neither the
        pivot nor in the polynomial, where it is one of theirs: which of all these there are, and
        where in this list each polynomial's begin.
    products
        ``(choices, polynomials)``: where they stand among the products of all of (1, x).
    """

    mean: Tensor
    others: tuple[Tensor, Tensor]
    products: Tensor


@lru_cache(maxsize=32)
def _rows(n: int, device: torch.device) -> tuple[_Rows, ...]:
    """Return the polynomials of faces of dimension 1 to n."""
    place = torch.empty(n + 1, n + 1, dtype=torch.long)
    place[tuple(torch.triu_indices(n + 1, n + 1))] = torch.arange((n + 1) * (n + 2) // 2)
    levels = []
    for k, faces in enumerate(_faces(n, torch.device("cpu")), 1):
        factors = _factors(k)
        squares = (factors[:, 0] == factors[:, 1]) & (factors[:, 0] > 0)
        mean = torch.where(factors > 0, 0.5, 1.0).double().prod(-1) + squares.double() / 12
        # (polynomials, coordinates but the pivot): in which each does not occur
        lacks = (factors[:, :, None] != torch.arange(2, k + 1)).all(1)
        row, other = lacks.nonzero(as_tuple=True)
        below = lacks.cumsum(0)[row, other] - 1
        which = faces.others.mT[:, other] * (k * (k + 1) // 2) + below
        first = torch.nn.functional.pad(lacks.sum(-1).cumsum(0), (1, 0))
        starts = torch.arange(len(which))[:, None] * first[-1] + first[:-1]
        # of all of (1, x): each free coordinate by its own number
        own = torch.nn.functional.pad(faces.free + 1, (1, 0))[:, factors]
        levels.append(
            _Rows(
                mean=mean.to(device),
                others=(which.flatten().to(device), starts.flatten().to(device)),
                products=place[own[..., 0], own[..., 1]].to(device),
            )
        )
    return tuple(levels)


def _factors(k: int) -> Tensor:
    """Return the two factors of each polynomial, in order: 0 is the constant 1, j is x_j."""
    pairs = torch.triu_indices(k + 1, k + 1).mT
    degree = (pairs > 0).sum(-1)
    return pairs[degree.argsort(stable=True)]


def _add_pairs(to: Tensor, t: Tensor, values: Tensor) -> None:
    """Add t_j v_l + t_l v_j to the pairs j ≤ l, which are the second axis."""
    k, start = t.shape[1], 0
    for j in range(k):
        row = to[:, start : start + k - j]
        row.addcmul_(t[:, j, None], values[:, j:])
        row.addcmul_(t[:, j:], values[:, j, None])
        start += k - j
