"""Integrals of a ramp over cubes, exactly: what a ReLU passes of independent uniform inputs.

For z(x) = c + g·x on the cube [0, 1]^k the loss needs

    first  = ∫ z₊ dx,      second = ∫ z₊² dx,      own = ∫ x_i z₊ dx.

The textbook formula sums z₊^(k+q) over the cube's corners and divides by Π g_j: it cancels
badly for small g_j, and fails where one is 0. Here they come from the divergence theorem instead.
For any point t of the cube, ∇·((x − t) z₊^q) = k z₊^q + q z₊^(q−1) (z − z(t)), so that

    (k + q) ∫ z₊^q = q z(t) ∫ z₊^(q−1) + Σ_j [(1 − t_j) ∫_{x_j = 1} z₊^q + t_j ∫_{x_j = 0} z₊^q].

Where z changes sign in the cube, choose t with z(t) = 0: a sum of integrals over faces with
weights between 0 and 1, in which nothing cancels and nothing is divided by g. Where it does
not, z₊ is z or 0. Faces are cubes again: the recursion ends at the corners.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from superpos import checks


@dataclass(frozen=True)
class _Faces:
    """The faces of an n-cube with k free coordinates, in a fixed order.

    Attributes
    ----------
    free
        ``(faces, k)``: the free coordinates.
    at_one
        ``(faces, n)``: 1.0 where a coordinate is fixed at 1.
    upper, lower
        ``(faces, k)``: for each free coordinate, which face of dimension k − 1 fixes it at 1, at 0.
    """

    free: Tensor
    at_one: Tensor
    upper: Tensor
    lower: Tensor


@lru_cache(maxsize=16)
def _faces(n: int) -> tuple[_Faces, ...]:
    """Return the faces of the n-cube by dimension, 0 to n."""
    # A face is a number in base 3: digit j is 0 or 1 where x_j is fixed there, 2 where it is free.
    power = 3 ** torch.arange(n)
    number = torch.arange(3**n)
    digits = number[:, None] // power % 3
    dimension = (digits == 2).sum(-1)
    place = torch.empty_like(number)  # of a face among those of its dimension
    levels = []
    for k in range(n + 1):
        (chosen,) = (dimension == k).nonzero(as_tuple=True)
        place[chosen] = torch.arange(len(chosen))
        free = (digits[chosen] == 2).nonzero()[:, 1].reshape(len(chosen), k)
        levels.append(
            _Faces(
                free=free,
                at_one=(digits[chosen] == 1).double(),
                upper=place[chosen[:, None] - power[free]],
                lower=place[chosen[:, None] - 2 * power[free]],
            )
        )
    return tuple(levels)


@lru_cache(maxsize=16)
def _from_origin(n: int) -> tuple[Tensor, ...]:
    """Return, by dimension, which faces have every fixed coordinate at 0."""
    return tuple((faces.at_one.sum(-1) == 0).nonzero()[:, 0] for faces in _faces(n))


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
        vary belongs to that choice. Relative errors are of the order of rounding.

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
    c = c.expand(batch).reshape(1, -1)
    g, e = (values.expand(*batch, n).reshape(-1, n).mT for values in (g, e))
    seconds, owns = [], []
    for k, faces in enumerate(_faces(n)):
        at_one = faces.at_one.to(g)
        start, e_start = c + at_one @ g, at_one @ e
        if k == 0:
            first = start.clamp_min(0)
            second, own = first.square(), e_start * first
        else:
            first, second, own = _from_faces(
                faces, start, e_start, g[faces.free], e[faces.free], first, second, own
            )
        origin = _from_origin(n)[k]
        seconds.append(second[origin])
        owns.append(own[origin])
    order = _order(n)
    second, own = (torch.cat(values)[order].mT.reshape(*batch, 2**n) for values in (seconds, owns))
    return second, own


def _from_faces(
    faces: _Faces,
    start: Tensor,
    e_start: Tensor,
    g: Tensor,
    e: Tensor,
    first: Tensor,
    second: Tensor,
    own: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the three integrals over faces from those over their own faces.

    ``start`` and ``e_start`` are z and e·x at a face's corner nearest the origin,
    ``(faces, batch)``; ``g`` and ``e`` its free coordinates' slopes, ``(faces, k, batch)``.
    """
    k = g.shape[1]
    low, high = start + g.clamp_max(0).sum(1), start + g.clamp_min(0).sum(1)
    t, to_one = _zero(g, low, high)

    def over_faces(values: Tensor) -> Tensor:
        return (to_one * values[faces.upper] + t * values[faces.lower]).sum(1)

    first_across = over_faces(first) / (k + 1)
    second_across = over_faces(second) / (k + 2)
    # for (e·x) z₊ the theorem has one term more: e·t times the integral of z₊
    own_across = ((e_start + (e * t).sum(1)) * first_across + over_faces(own)) / (k + 2)
    mean, e_mean = start + g.sum(1) / 2, e_start + e.sum(1) / 2
    second_above = mean.square() + g.square().sum(1) / 12
    own_above = mean * e_mean + (g * e).sum(1) / 12

    def choose(above: Tensor, across: Tensor) -> Tensor:
        return torch.where(low >= 0, above, torch.where(high <= 0, 0.0, across))

    return (
        choose(mean, first_across),
        choose(second_above, second_across),
        choose(own_above, own_across),
    )


def _zero(g: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Return t on the way from the lowest corner to the highest, where z is 0; and 1 − t."""
    width = torch.where(high > low, high - low, 1.0)
    part, rest = (-low / width)[:, None], (high / width)[:, None]
    return torch.where(g > 0, part, rest), torch.where(g > 0, rest, part)


@lru_cache(maxsize=16)
def _order(n: int) -> Tensor:
    """Return where, in the order of `_from_origin`, each set of free coordinates stands."""
    masks = torch.cat([
        (2 ** faces.free[origin]).sum(-1)
        for faces, origin in zip(_faces(n), _from_origin(n), strict=True)
    ])  # fmt: skip
    return masks.argsort()


def ramp_moments(c: Tensor, g: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Integrate the products of X = (1, x) over where z = c + g·x is positive, and where it is 0.

    They say how integrals of a ramp change with r = (c, g), for z = r·X. With θ(z) = 1 where
    z > 0 and δ its derivative, A = ∫ θ(z) X Xᵀ dx and B = ∫ δ(z) x_1 X Xᵀ dx:

        ∫ z₊² = rᵀ A r,      its slopes 2 A r,             its curvatures 2 A;
        ∫ x_1 z₊ = A_1·r,    its slopes A_1, x_1's row,    its curvatures B.

    They come from faces as the ramps do. For a polynomial P whose terms all have degree d,

        (k + d) ∫ P θ(z) = ∫ (t·∇P) θ(z)
                           + Σ_j [(1 − t_j) ∫_{x_j = 1} P θ(z) + t_j ∫_{x_j = 0} P θ(z)],

    the same with k + d − 1 for δ(z); and ∫ δ(z) = 1/|g| on an edge.

    Parameters
    ----------
    c, g
        ``(batch,)`` and ``(batch, n)``.
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

    >>> A, B = ramp_moments(torch.tensor([-0.5]), torch.ones(1, 1), torch.tensor([[0.0, 1.0]]))
    >>> A[0]
    tensor([[0.5000, 0.3750],
            [0.3750, 0.2917]])
    >>> B[0]
    tensor([[0.5000, 0.2500],
            [0.2500, 0.1250]])
    """
    n, batch = g.shape[-1], len(c)
    g, weight = g.mT, weight.mT
    pairs = n * (n + 1) // 2
    # of 1, x_j, x_j x_l (j ≤ l) with θ(z); of these and x_1 x_j x_l with δ(z)
    sizes = [1, n, pairs, 1, n, pairs, pairs]
    sums = g.new_zeros(sum(sizes), batch)
    below = g.new_zeros(0, 0, 0)
    for k, (faces, origin) in enumerate(zip(_faces(n), _from_origin(n), strict=True)):
        at_one = faces.at_one.to(g)
        if k == 0:
            low = high = c + at_one @ g
        else:  # from one pair of faces: all that meet in a corner see the same sign there
            one, other = faces.upper[:, 0], faces.lower[:, 0]
            low, high = torch.minimum(low[one], low[other]), torch.maximum(high[one], high[other])
        found = g.new_zeros(len(at_one), sum(sizes), batch)  # the integrals over each face
        if k > 0:
            t, to_one = _zero(g[faces.free], low, high)
            for j in range(k):
                found.addcmul_(to_one[:, j, None], below[faces.upper[:, j]])
                found.addcmul_(t[:, j, None], below[faces.lower[:, j]])
            t_full = at_one[..., None].repeat(1, 1, batch)  # with coordinates that are fixed
            t_full[torch.arange(len(t_full))[:, None], faces.free] = t
            parts = found.split(sizes, dim=1)
            if k == 1:
                parts[3][:] = 1 / (high - low)[:, None]
            _by_degree(parts[:3], t_full, k)
            _by_degree(parts[3:], t_full, k - 1)
            # a corner with z = 0 counts as positive: of the edges there, z crosses 0 on some
            found.masked_fill_(((low >= 0) | (high < 0))[:, None], 0.0)
        mean = _means(n)[k].to(g)
        found[:, : mean.shape[1]] += mean[..., None] * (low >= 0)[:, None]
        counts = weight[(2 ** faces.free[origin]).sum(-1)]
        sums += (counts[:, None] * found[origin]).sum(0)
        below = found
    first = torch.arange(n)
    place = torch.empty(n + 1, n + 1, dtype=torch.long)  # of each product of X in the sums
    one, other = torch.triu_indices(n, n)
    place[0, 0] = 0
    place[0, 1:] = place[1:, 0] = 1 + first
    place[1 + one, 1 + other] = place[1 + other, 1 + one] = 1 + n + torch.arange(pairs)
    _, _, _, _, single, double, triple = sums.split(sizes)
    with_first = torch.cat([single[:1], double[:n], triple])  # x_1 x_j is the j-th pair
    return sums[place].movedim(-1, 0), with_first[place].movedim(-1, 0)


def _by_degree(found: Sequence[Tensor], t: Tensor, scale: int) -> None:
    """Turn what faces' own faces add into the integrals of polynomials of degree 0, 1, 2, 3.

    Each is ``(faces, polynomials, batch)``: of 1; x_j; x_j x_l with j ≤ l; x_1 x_j x_l. ``t`` is
    ``(faces, n, batch)``; each integral is divided by ``scale`` + its degree, where that is not 0.
    """
    for degree, values in enumerate(found):
        if degree == 1:
            values.addcmul_(t, found[0])
        elif degree == 2:
            _add_pairs(values, t, found[1])
        elif degree == 3:
            values.addcmul_(t[:, :1], found[2])
            _add_pairs(values, t, found[2][:, : t.shape[1]])
        values /= max(scale + degree, 1)


def _add_pairs(to: Tensor, t: Tensor, values: Tensor) -> None:
    """Add t_j v_l + t_l v_j to the pairs j ≤ l."""
    n, start = t.shape[1], 0
    for j in range(n):
        row = to[:, start : start + n - j]
        row.addcmul_(t[:, j, None], values[:, j:]).addcmul_(t[:, j:], values[:, j, None])
        start += n - j


@lru_cache(maxsize=16)
def _means(n: int) -> tuple[Tensor, ...]:
    """Return ∫ P over each face for P = 1, x_j and x_j x_l: by dimension, ``(faces, P)``."""
    one, other = torch.triu_indices(n, n)
    levels = []
    for faces in _faces(n):
        mean = faces.at_one.scatter(1, faces.free, 0.5)
        varies = torch.zeros_like(mean).scatter_(1, faces.free, 1.0)
        pairs = mean[:, one] * mean[:, other] + varies[:, one] * (one == other) / 12
        levels.append(torch.cat([torch.ones_like(mean[:, :1]), mean, pairs], dim=1))
    return tuple(levels)
