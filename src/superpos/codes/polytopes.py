"""Polytopes whose corners are alike: what features of equal importance settle into.

Corners are alike if each has the same cosines with the others. Then all their features have the
same loss, and two numbers, a length and a bias, are all that is left to choose (see
`superpos.optima.ladder`). The larger ones are the sharp codes of coding theory: few different
cosines, none of them far above 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import combinations

import torch
from torch import Tensor

from superpos import checks
from superpos.codes import golay, thomson
from superpos.compute.gates import gate, shapes
from superpos.errors import InvalidArgument

_ROUNDING = 1e-6  # how far apart cosines may lie that are the same


@dataclass(frozen=True)
class Polytope:
    """Unit vectors whose corners are alike.

    Parameters
    ----------
    name
        What it is called.
    build
        Returns the corners, unit columns ``(dimension, corners)`` in float64.

    Raises
    ------
    InvalidArgument
        From what is asked of it, if the columns are not of length 1 or not alike.

    Examples
    --------
    >>> pentagon = Polytope("pentagon", lambda: thomson.polygon(5))
    >>> pentagon.dimension, pentagon.corners, pentagon.fraction
    (2, 5, 0.4)
    >>> [(round(cosine, 3), count) for cosine, count in pentagon.cosines]
    [(-0.809, 2), (0.309, 2)]
    """

    name: str
    build: Callable[[], Tensor]

    @cached_property
    def points(self) -> Tensor:
        """The corners, unit columns ``(dimension, corners)`` in float64."""
        points = self.build()
        cosines = (points.mT @ points).sort(-1).values
        if (cosines[:, -1] - 1).abs().max() > _ROUNDING:
            raise InvalidArgument(f"{self.name} has a corner that is not of length 1")
        if (cosines - cosines[0]).abs().max() > _ROUNDING:
            raise InvalidArgument(f"the corners of {self.name} are not alike")
        return points

    @property
    def dimension(self) -> int:
        """Of the space that it takes."""
        return self.points.shape[0]

    @property
    def corners(self) -> int:
        """How many features it holds."""
        return self.points.shape[1]

    @property
    def fraction(self) -> float:
        """The dimensionality D_i of each of its features."""
        return self.dimension / self.corners

    @cached_property
    def cosines(self) -> tuple[tuple[float, int], ...]:
        """The different cosines of a corner with the others, and how often each occurs."""
        others = (self.points[:, :1].mT @ self.points[:, 1:]).flatten()
        _, kind, counts = (
            others.div(_ROUNDING).round().unique(return_inverse=True, return_counts=True)
        )
        sums = others.new_zeros(len(counts)).index_add(0, kind, others)
        return tuple(zip((sums / counts).tolist(), counts.tolist(), strict=True))


def simplex(dimension: int) -> Tensor:
    """Return the corners of a regular simplex: ``(dimension, dimension + 1)`` in float64.

    Examples
    --------
    >>> simplex(1)
    tensor([[-1.,  1.]], dtype=torch.float64)
    """
    dimension = checks.whole_number("dimension", dimension)
    if dimension == 1:
        return torch.tensor([[-1.0, 1.0]], dtype=torch.float64)
    return eigenvectors(torch.eye(dimension + 1) == 0, -1)


@gate(shapes(joined="k k"), joined=checks.truths, eigenvalue=checks.number)
def eigenvectors(joined: Tensor, eigenvalue: float) -> Tensor:
    """Return the vertices of a graph in an eigenspace of it, as unit columns.

    Parameters
    ----------
    joined
        Which vertices are neighbours, ``(k, k)`` booleans.
    eigenvalue
        Of this matrix.

    Returns
    -------
    Tensor
        ``(multiplicity, k)`` in float64. In a strongly regular graph of degree r the cosine of
        neighbours is eigenvalue/r.

    References
    ----------
    Brouwer and Van Maldeghem 2022, "Strongly Regular Graphs".

    Examples
    --------
    >>> points = eigenvectors(kneser(), -2)
    >>> points.shape, (points.mT @ points)[0, 1:].mul(6).round().unique().tolist()
    (torch.Size([4, 10]), [-4.0, 1.0])
    """
    values, vectors = torch.linalg.eigh(joined.double())
    points = vectors[:, (values - eigenvalue).abs() < 1e-6].mT
    return points / points.norm(dim=0)


def kneser() -> Tensor:
    """Return the Petersen graph, ``(10, 10)``: pairs of five things, joined where they differ."""
    pairs = [set(pair) for pair in combinations(range(5), 2)]
    return torch.tensor([[not (one & other) for other in pairs] for one in pairs])


def schlafli() -> Tensor:
    """Return which of the 27 lines on a cubic surface meet, ``(27, 27)``: ten others each.

    Schläfli's double six: lines a_i and b_i, and c_ij for each pair. a_i meets the b_j of other
    numbers, both meet the c that have their number, and c meet that have none in common.

    Examples
    --------
    >>> schlafli().sum(-1).unique()
    tensor([10])
    """
    pairs = [set(pair) for pair in combinations(range(6), 2)]
    joined = torch.zeros(27, 27, dtype=torch.bool)
    joined[:6, 6:12] = torch.eye(6) == 0
    joined[:6, 12:] = joined[6:12, 12:] = torch.tensor(
        [[number in pair for pair in pairs] for number in range(6)]
    )
    joined[12:, 12:] = torch.tensor([[not (one & other) for other in pairs] for one in pairs])
    return joined | joined.T


def square_antiprism(height: float = 0.555) -> Tensor:
    """Return two squares, at ±height, one turned by 45° against the other: ``(3, 8)``.

    Where a square antiprism is the best polytope, near 1/p = 5, it saves most at this height.
    """
    height = checks.fraction("height", height)
    turn = torch.arange(8, dtype=torch.float64) * torch.pi / 4
    up = height * torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(4)
    wide = (1 - height**2) ** 0.5
    return torch.stack([wide * turn.cos(), wide * turn.sin(), up])


def _icosahedron() -> Tensor:
    """The cyclic orders of (0, ±1, ±φ)."""
    golden = (1 + 5**0.5) / 2
    corner = torch.tensor([0.0, 1.0, golden], dtype=torch.float64)
    signed = torch.cartesian_prod(torch.tensor([1.0]), *[torch.tensor([1.0, -1.0])] * 2).double()
    points = torch.cat([(corner * signed).roll(turn, -1) for turn in range(3)])
    return points.mT / points[0].norm()


@gate(words=partial(checks.truths, least_axes=2))
def signs(words: Tensor) -> Tensor:
    """Return words of 0 and 1 ``(k, length)`` as unit columns of equal entries ± ``(length, k)``.

    Examples
    --------
    >>> signs(torch.tensor([[0, 1, 1, 0]])).flatten().tolist()
    [0.5, -0.5, -0.5, 0.5]
    """
    return (1 - 2 * words.mT.double()) / words.shape[-1] ** 0.5


def _half_cube() -> Tensor:
    words = torch.arange(32)[:, None] >> torch.arange(5) & 1
    return signs(words[words.sum(-1) % 2 == 0])


def _gosset() -> Tensor:
    """The 56 of E₇: 4(e_i + e_j) − 1 for the pairs of eight, and their opposites."""
    chosen = list(combinations(range(8), 2))
    points = torch.full((28, 8), -1.0, dtype=torch.float64)
    for row, pair in zip(points, chosen, strict=True):
        row[list(pair)] = 3
    flat = torch.linalg.svd(points).Vh[:7]  # they lie in a hyperplane
    points = flat @ torch.cat([points, -points]).mT
    return points / points.norm(dim=0)


def _forty() -> Tensor:
    """Forty charges in ten dimensions find ten tetrahedra, from any start that was tried."""
    return thomson.minimise(40, 10, thomson.COULOMB, tries=1).best


def _sixty_four() -> Tensor:
    words = golay.nordstrom_robinson()
    return signs(words[(words[:, 0] == 0) & (words[:, 1] == 0)][:, 2:])


def _beside(neighbours: bool) -> Tensor:
    """The McLaughlin graph's vertices that are, or are not, neighbours of its first."""
    joined = golay.mclaughlin()
    chosen = joined[0] if neighbours else ~joined[0] & (torch.arange(275) > 0)
    return joined[chosen][:, chosen]


POLYTOPES = {
    polytope.name: polytope
    for polytope in (
        Polytope("single feature", lambda: torch.ones(1, 1, dtype=torch.float64)),
        Polytope("digon", lambda: simplex(1)),
        Polytope("triangle", lambda: simplex(2)),
        Polytope("tetrahedron", lambda: simplex(3)),
        Polytope("5-cell", lambda: simplex(4)),
        Polytope("simplex of 6", lambda: simplex(5)),
        Polytope("simplex of 7", lambda: simplex(6)),
        Polytope("pentagon", lambda: thomson.polygon(5)),
        Polytope("square antiprism", square_antiprism),
        Polytope("rectified 5-cell", lambda: eigenvectors(kneser(), -2)),
        Polytope("icosahedron", _icosahedron),
        Polytope("half 5-cube", _half_cube),
        Polytope("Schläfli's 27", lambda: eigenvectors(schlafli(), -5)),
        Polytope("Gosset's 56", _gosset),
        Polytope("40 in ten dimensions", _forty),
        Polytope("64 in fourteen dimensions", _sixty_four),
        Polytope("Higman-Sims 100", lambda: eigenvectors(golay.higman_sims(), -8)),
        Polytope("112 beside McLaughlin's", lambda: eigenvectors(_beside(True), -10)),
        Polytope("162 beside McLaughlin's", lambda: eigenvectors(_beside(False), -16)),
        Polytope("McLaughlin's 275", lambda: eigenvectors(golay.mclaughlin(), -28)),
    )
}
"""Those of which one or another is the best, at some sparsity or in some number of dimensions.

From the icosahedron on they are sharp or universally optimal codes: of all arrangements of so many
points in so many dimensions, the best for a whole family of repulsions. 40 and 64 are known from
coding theory; the last four come from strongly regular graphs.

References
----------
Cohn and Kumar 2007, "Universally optimal distribution of points on spheres".
Ballinger et al. 2009, "Experimental study of energy-minimizing point configurations on spheres".
"""
