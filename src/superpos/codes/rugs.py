"""The rug: a code of rows of a Hadamard matrix, in which no feature and no direction is special.

The entries of Sylvester's matrix are (−1)^(s·x), for rows s and columns x written in binary and s·x
the number of ones that they share. With m of its rows as dimensions, columns are vectors whose
cosines depend on where x and y differ alone: every feature has the same cosines with the others.
"""

from __future__ import annotations

import torch
from torch import Tensor

from superpos import checks
from superpos.codes.polytopes import Polytope
from superpos.compute import streams
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument


def rug(n: int, m: int, *, seed: int = 0, antipodal: bool = False) -> Tensor:
    """Return n unit vectors in m dimensions that are columns of rows of a Hadamard matrix.

    They are a tight frame, WWᵀ = (n/m) 1, and sum to zero: the cosines of one with the others sum
    to −1, and their squares to n/m − 1, the least that there is (Welch's bound).

    Parameters
    ----------
    n
        A power of two, at least 2.
    m
        Fewer than n; for pairs at most n/2.
    seed
        Selects the rows.
    antipodal
        Whether only rows are taken that change their sign between x and x + n/2, so that these are
        opposite.

    Returns
    -------
    Tensor
        ``(m, n)``, float64.

    Raises
    ------
    InvalidArgument
        If n is not a power of two, or m too large.

    References
    ----------
    Cowsik, Dolev and Infanger 2024, "The Persian Rug" (a model of these symmetries; how it is made
    could not be read).
    Welch 1974, "Lower bounds on the maximum cross correlation of signals".

    Examples
    --------
    >>> W = rug(64, 16)
    >>> torch.allclose(W @ W.T, 4 * torch.eye(16).double()), W.sum(1).abs().max().item()
    (True, 0.0)
    >>> pairs = rug(64, 16, antipodal=True)
    >>> torch.equal(pairs[:, :32], -pairs[:, 32:])
    True
    """
    n = checks.whole_number("n", n, least=2)
    m = checks.whole_number("m", m)
    if n & (n - 1):
        raise InvalidArgument(f"n is {n}: a power of two is needed")
    first = n // 2 if antipodal else 1  # the row 0 is constant
    if m > n - first:
        raise InvalidArgument(f"m is {m}: at most {n - first} is needed where n is {n}")
    draws = streams.generator(
        checks.whole_number("seed", seed, least=0), Purpose.INITIAL_VALUES, n, m, int(antipodal)
    )
    rows = first + torch.randperm(n - first, generator=draws)[:m].sort().values
    shared = rows[:, None] & torch.arange(n)
    ones = sum(shared >> bit & 1 for bit in range(n.bit_length()))
    return (1 - 2 * (ones % 2)).double() / m**0.5  # type: ignore[union-attr]


def as_polytope(n: int, m: int, *, seed: int = 0, antipodal: bool = False) -> Polytope:
    """Return the rug as a polytope, of which `superpos.optima.ladder.rung` tells the exact loss.

    Parameters
    ----------
    n, m, seed, antipodal
        As for `rug`.

    Examples
    --------
    Of n/m = 2 an antipodal rug is pairs at right angles:

    >>> from superpos.codes.polytopes import POLYTOPES
    >>> from superpos.optima.ladder import rung
    >>> pairs = rung(as_polytope(32, 16, antipodal=True), [0.3, 0.1])
    >>> torch.allclose(pairs.loss, rung(POLYTOPES["digon"], [0.3, 0.1]).loss)
    True
    """
    name = f"{'antipodal ' if antipodal else ''}rug of {n} in {m} dimensions"
    return Polytope(name, lambda: rug(n, m, seed=seed, antipodal=antipodal))
