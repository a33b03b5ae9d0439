"""Thomson problems: unit vectors that repel each other, and the polytopes they end in.

Points are columns, as features are: ``(..., m, n)`` on the unit sphere of m dimensions. An energy
is a sum over pairs of a potential of their cosine.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from superpos import checks, geometry
from superpos.compute import streams
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument

_RECENT = 10  # an accepted step must fall below the highest of so many energies before it
_TOGETHER = 1e-5  # points this near to each other count as one place
_FLAT = 1e-5  # normals this near to each other are of one face


@dataclass(frozen=True)
class Potential:
    """What two points on the sphere cost each other, by the cosine c between them.

    Attributes
    ----------
    name
        What readers call it.
    value, slope
        The cost of an ordered pair, φ(c), and its derivative φ′(c).
    """

    name: str
    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]


def _one_sided(c: Tensor) -> Tensor:
    return c.clamp_min(0).square()


def _one_sided_slope(c: Tensor) -> Tensor:
    return 2 * c.clamp_min(0)


def _inverse_distance(c: Tensor) -> Tensor:
    # half of it: each pair is counted twice
    return (2 - 2 * c).clamp_min(1e-12).rsqrt() / 2


def _inverse_distance_slope(c: Tensor) -> Tensor:
    return (2 - 2 * c).clamp_min(1e-12) ** -1.5 / 2


INTERFERENCE = Potential("interference", _one_sided, _one_sided_slope)
"""Σ_{i≠j} ReLU(W_i·W_j)²: what a feature that is active alone does to the other outputs."""

COULOMB = Potential("Coulomb", _inverse_distance, _inverse_distance_slope)
"""Σ_{i<j} 1/‖W_i − W_j‖: Thomson's own problem."""


def power(alpha: float, *, rounding: float = 0.0, one_sided: bool = False) -> Potential:
    """Return the potential |c|^α, or max(c, 0)^α where only positive overlap costs something.

    Parameters
    ----------
    alpha
        α, above 0.
    rounding
        δ of (c² + δ²)^(α/2) − δ^α, which is |c|^α away from 0 and has a slope there. To descend
        with α below 2 it must be above 0.
    one_sided
        Whether a negative cosine costs nothing.

    Examples
    --------
    With α = 2 every tight frame costs n²/m − n, however its points are arranged:

    >>> [round(energy(polygon(n), power(2.0)).item(), 9) for n in (4, 5)]
    [4.0, 7.5]
    """
    alpha = checks.positive_number("alpha", alpha)
    rounding = checks.positive_number("rounding", rounding, allow_zero=True)

    def part(c: Tensor) -> Tensor:
        return c.clamp_min(0) if one_sided else c

    def value(c: Tensor) -> Tensor:
        return (part(c).square() + rounding**2) ** (alpha / 2) - rounding**alpha

    def slope(c: Tensor) -> Tensor:
        c = part(c)
        # where c is 0 the slope is taken as 0
        square = (c.square() + rounding**2).clamp_min(1e-300)
        return alpha * c * square ** (alpha / 2 - 1)

    sides = "max(cos, 0)" if one_sided else "|cos|"
    return Potential(f"{sides}^{alpha:g}", value, slope)


def energy(points: Tensor, potential: Potential = INTERFERENCE) -> Tensor:
    """Return Σ_{i≠j} φ(W_i·W_j), of shape ``(...)``.

    Parameters
    ----------
    points
        Unit columns, ``(..., m, n)``.
    potential
        Which φ.

    Raises
    ------
    InvalidArgument
        If a column is not of length 1 (within 1e-6).

    References
    ----------
    Elhage et al. 2022, "Mathematical Understanding" (the generalised Thomson problem).

    Examples
    --------
    A square costs nothing: no two features are closer than a right angle. As charges, each
    corner has two neighbours at √2 and one at 2.

    >>> square = polygon(4)
    >>> round(energy(square).item(), 9), round(energy(square, COULOMB).item(), 9)
    (0.0, 3.828427125)
    """
    return _energy_and_gradient(_on_sphere(points), potential)[0]


def tangent_gradient(points: Tensor, potential: Potential = INTERFERENCE) -> Tensor:
    """Return the energy's gradient along the spheres, ``(..., m, n)``; 0 at a stationary point.

    Examples
    --------
    >>> tangent_gradient(polygon(5)).abs().max() < 1e-12
    tensor(True)
    """
    return _energy_and_gradient(_on_sphere(points), potential)[1]


def polygon(n: int) -> Tensor:
    """Return the corners of a regular polygon, ``(2, n)`` in float64."""
    angle = 2 * math.pi * torch.arange(checks.whole_number("n", n), dtype=torch.float64) / n
    return torch.stack([angle.cos(), angle.sin()])


def digon_energy(n: int, m: int) -> float:
    """Return the interference n (n − 2m) / 2m of n/2 antipodal pairs that are a tight frame.

    ReLU(c)² = (c² + c|c|)/2. The squares add up to at least n²/m, with equality for a tight frame,
    WWᵀ = (n/m) 1. The other terms change sign with a point: over antipodal pairs they cancel.

    Examples
    --------
    The twelve corners of an icosahedron are six such pairs:

    >>> digon_energy(12, 3)
    12.0
    """
    n, m = checks.whole_number("n", n), checks.whole_number("m", m)
    return n * (n - 2 * m) / (2 * m)


@dataclass(frozen=True, eq=False)
class Arrangements:
    """Where descents from random starts ended, the lowest energy first.

    Attributes
    ----------
    points
        ``(tries, m, n)``, unit columns in float64.
    energy, gradient_norm
        ``(tries,)``: the energy there, and the Euclidean norm of its gradient along the spheres.
    """

    points: Tensor
    energy: Tensor
    gradient_norm: Tensor

    @property
    def best(self) -> Tensor:
        """The points of lowest energy, ``(m, n)``."""
        return self.points[0]

    def lowest(self, *, within: float = 1e-8) -> Tensor:
        """Return all that end within this much of the lowest energy, ``(tries, m, n)``."""
        return self.points[self.energy <= self.energy[0] + within]


def minimise(
    n: int,
    m: int,
    potential: Potential = INTERFERENCE,
    *,
    tries: int = 200,
    seed: int = 0,
    starts: Tensor | None = None,
    tolerance: float = 1e-10,
    max_steps: int = 2000,
) -> Arrangements:
    """Let n points on the sphere of m dimensions repel each other, from many random starts at once.

    Gradient descent along the spheres with the exact gradient. A step is as long as the last one's
    change of the gradient suggests, and shortened until the energy falls below the
    highest of the last ten.

    Parameters
    ----------
    n, m
        Numbers of points and of dimensions, at least 2.
    potential
        What they cost each other.
    tries
        How many random starts, at least 1.
    seed
        Selects the starts.
    starts
        Unit columns to start from, ``(tries, m, n)``, instead of random ones.
    tolerance
        The gradient norm at which a descent is done, above 0.
    max_steps
        When to give up, at least 1. Where minima are not isolated the last digits take long.

    Returns
    -------
    Arrangements

    References
    ----------
    Barzilai and Borwein 1988, "Two-point step size gradient methods" (the length of a step).

    Examples
    --------
    >>> found = minimise(6, 3, COULOMB, tries=5)
    >>> round(found.energy[0].item(), 6), describe(found.best)
    (9.985281, 'octahedron')
    """
    n = checks.whole_number("n", n, least=2)
    m = checks.whole_number("m", m, least=2)
    tries = checks.whole_number("tries", tries)
    seed = checks.whole_number("seed", seed, least=0)
    tolerance = min(checks.positive_number("tolerance", tolerance), 1e100)  # to be squared
    max_steps = checks.whole_number("max_steps", max_steps)
    if starts is None:
        draws = streams.generator(seed, Purpose.INITIAL_VALUES)
        points = _unit(torch.randn(tries, m, n, generator=draws, dtype=torch.float64))
    else:
        points = _on_sphere(starts)
        if points.ndim != 3 or points.shape[1:] != (m, n):
            raise InvalidArgument(
                f"starts has shape {tuple(points.shape)}: (tries, {m}, {n}) is needed"
            )
        tries = len(points)
    value, gradient = _energy_and_gradient(points, potential)
    length = value.new_full((tries,), 0.1)
    recent = value.repeat(_RECENT, 1)
    for step in range(max_steps):
        square = gradient.square().sum((-2, -1))
        going = square > tolerance**2
        if not going.any():
            break
        tried = _unit(points - length[:, None, None] * gradient)
        new_value, new_gradient = _energy_and_gradient(tried, potential)
        enough = recent.amax(0) - 1e-4 * length * square
        better = (new_value <= enough + 1e-15 * enough.abs()) & going
        moved, bent = tried - points, new_gradient - gradient
        along = (moved * bent).sum((-2, -1))
        suggested = torch.where(along > 0, moved.square().sum((-2, -1)) / along, 2 * length)
        length = torch.where(better, suggested.clamp(1e-4, 10), length / 4)
        chosen = better[:, None, None]
        points = torch.where(chosen, tried, points)
        gradient = torch.where(chosen, new_gradient, gradient)
        value = torch.where(better, new_value, value)
        recent[step % _RECENT] = value
    order = value.argsort(stable=True)
    norm = gradient.square().sum((-2, -1)).sqrt()
    return Arrangements(points=points[order], energy=value[order], gradient_norm=norm[order])


def kinds(points: Tensor, *, tolerance: float = 1e-3) -> int:
    """Return how many of some arrangements ``(tries, m, n)`` differ by more than a rotation.

    Two count as one if their inner products, sorted, agree within the tolerance (rounding may
    count a borderline case as two).

    Examples
    --------
    >>> kinds(torch.stack([polygon(5), -polygon(5), polygon(5)[:, [0, 0, 1, 2, 3]]]))
    2
    """
    tolerance = checks.positive_number("tolerance", tolerance)
    products = geometry.gram(_on_sphere(points)).flatten(-2).sort(-1).values
    return len(torch.unique((products / tolerance).round(), dim=0))


def places(points: Tensor) -> tuple[Tensor, list[int]]:
    """Return the different places of one arrangement ``(m, n)``, and how many points each holds.

    Returns
    -------
    places, counts
        ``(m, k)``, and k numbers that add up to n.

    Examples
    --------
    >>> places(polygon(4)[:, [0, 0, 1, 2]])[1]
    [2, 1, 1]
    """
    points = _on_sphere(points)
    if points.ndim != 2:
        raise InvalidArgument(f"points has shape {tuple(points.shape)}: (m, n) is needed")
    found: list[Tensor] = []
    counts: list[int] = []
    for point in points.mT:
        near = [k for k, place in enumerate(found) if (place - point).norm() < _TOGETHER]
        if near:
            counts[near[0]] += 1
        else:
            found.append(point)
            counts.append(1)
    return torch.stack(found, dim=-1), counts


@dataclass(frozen=True)
class Face:
    """A flat face of a polytope in space: its corners in order around it, and its outer normal."""

    corners: tuple[int, ...]
    normal: tuple[float, float, float]


def faces(points: Tensor) -> list[Face]:
    """Return the faces of the convex hull of points in space, ``(3, k)`` at different places.

    Examples
    --------
    >>> axes = torch.eye(3)
    >>> [len(face.corners) for face in faces(torch.cat([axes, -axes], dim=-1))]
    [3, 3, 3, 3, 3, 3, 3, 3]
    """
    from scipy.spatial import ConvexHull

    points = _on_sphere(points)
    if points.ndim != 2 or points.shape[0] != 3:
        raise InvalidArgument(f"points has shape {tuple(points.shape)}: (3, k) is needed")
    where = points.detach().double().mT.cpu().numpy()
    hull = ConvexHull(where)
    found: list[tuple[np.ndarray, set[int]]] = []
    for normal, triangle in zip(hull.equations[:, :3], hull.simplices, strict=True):
        flat = [corners for known, corners in found if np.linalg.norm(known - normal) < _FLAT]
        if flat:
            flat[0].update(triangle.tolist())
        else:
            found.append((normal, set(triangle.tolist())))
    return [
        Face(tuple(_around(where, sorted(corners), normal)), tuple(normal.tolist()))
        for normal, corners in found
    ]


def describe(points: Tensor) -> str:
    """Return the name of the polytope that one arrangement ``(m, n)`` forms, for m of 2 or 3.

    In the plane it is told by the gaps, in space by how many faces meet at each corner of the
    convex hull, so that a slightly stretched antiprism is still one. Where several points share a
    place, the name says so.

    Examples
    --------
    >>> describe(polygon(5)), describe(polygon(5)[:, [0, 0, 1, 2, 3, 4]])
    ('regular pentagon', 'regular pentagon, 1 corner doubled')
    """
    where, counts = places(points)
    m, k = where.shape
    if m == 2:
        gaps = geometry.angular_gaps(where)
        even, plain = (gaps - 360 / k).abs().max() < 1e-3, _POLYGONS.get(k, f"{k}-gon")
        name = f"{'regular' if even else 'irregular'} {plain}"
        name = {"regular square": "square", "irregular square": "quadrilateral"}.get(name, name)
    elif m == 3:
        meeting = Counter(corner for face in faces(where) for corner in face.corners)
        degrees = Counter(meeting[corner] for corner in range(k))
        name = _POLYTOPES.get(tuple(sorted(degrees.items())), f"polytope with {k} corners")
    else:
        raise InvalidArgument(f"points has m = {m} dimensions: names are for 2 and 3")
    if max(counts) == 1:
        return name
    told = [name]
    for times, number in sorted(Counter(count for count in counts if count > 1).items()):
        which = "every corner" if number == k else f"{number} corner{'s' if number > 1 else ''}"
        told.append(f"{which} {_TIMES.get(times, f'{times}-fold')}")
    return ", ".join(told)


# by how many corners have how many faces meeting there
_POLYTOPES = {
    ((3, 4),): "tetrahedron",
    ((3, 2), (4, 3)): "triangular bipyramid",
    ((3, 4), (4, 1)): "square pyramid",
    ((4, 6),): "octahedron",
    ((3, 6),): "triangular prism",
    ((4, 5), (5, 2)): "pentagonal bipyramid",
    ((3, 8),): "cube",
    ((4, 8),): "square antiprism",
    ((4, 3), (5, 6)): "tricapped triangular prism",
    ((4, 2), (5, 8)): "gyroelongated square bipyramid",
    ((4, 2), (5, 8), (6, 1)): "edge-contracted icosahedron",
    ((5, 12),): "icosahedron",
}
_POLYGONS = {
    1: "point", 2: "digon", 3: "triangle", 4: "square", 5: "pentagon", 6: "hexagon",
    7: "heptagon", 8: "octagon",
}  # fmt: skip
_TIMES = {2: "doubled", 3: "tripled"}


def _around(where: np.ndarray, corners: list[int], normal: np.ndarray) -> list[int]:
    """Return a face's corners in order around its normal."""
    middle = where[corners].mean(0)
    x = where[corners[0]] - middle
    x /= np.linalg.norm(x)
    y = np.cross(normal, x)
    return sorted(
        corners, key=lambda k: math.atan2((where[k] - middle) @ y, (where[k] - middle) @ x) % 7
    )


def _energy_and_gradient(points: Tensor, potential: Potential) -> tuple[Tensor, Tensor]:
    cosine = points.mT @ points
    own = torch.eye(cosine.shape[-1], dtype=torch.bool, device=cosine.device)
    cosine = cosine.masked_fill(own, -1.0)  # anything that is finite: it is left out below
    value = potential.value(cosine).masked_fill(own, 0.0).sum((-2, -1))
    # a pair has two terms, each of which changes with W_i by W_j
    gradient = 2 * points @ potential.slope(cosine).masked_fill(own, 0.0)
    return value, gradient - (gradient * points).sum(-2, keepdim=True) * points


def _unit(points: Tensor) -> Tensor:
    return points / points.norm(dim=-2, keepdim=True)


def _on_sphere(points: Tensor) -> Tensor:
    points, _ = checks.weights(points, name="points")
    points = points.double()
    length = points.norm(dim=-2)
    if (length - 1).abs().max() > 1e-6:
        furthest = length.flatten()[(length - 1).abs().argmax()].item()
        raise InvalidArgument(f"points has a column of length {furthest:g}: it must be 1")
    return points
