"""The binary Golay code, and the designs, graphs and codes that are cut from it."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

_PRIME = 23


@cache
def golay_code() -> Tensor:
    """Return the 4096 words of the extended binary Golay code: ``(4096, 24)``, of 0 and 1.

    Any two differ in at least 8 places. The first 23 places are those of the cyclic code of the
    squares modulo 23, the last is the parity.

    References
    ----------
    Conway and Sloane 1999, "Sphere Packings, Lattices and Groups", chapter 3.

    Examples
    --------
    >>> golay_code().sum(-1).bincount()[::4].tolist()
    [1, 0, 759, 2576, 759, 0, 1]
    """
    squares = {k * k % _PRIME for k in range(1, _PRIME)}
    word = torch.tensor([int(k in squares) for k in range(_PRIME)])
    shifts = torch.stack([word.roll(k) for k in range(12)])
    shifts = torch.cat([shifts, shifts.sum(-1, keepdim=True) % 2], dim=-1)
    chosen = torch.arange(4096)[:, None] >> torch.arange(12) & 1
    return chosen @ shifts % 2


def octads() -> Tensor:
    """Return the 759 words of weight 8, ``(759, 24)``: every five places lie in one of them."""
    words = golay_code()
    return words[words.sum(-1) == 8]


def nordstrom_robinson() -> Tensor:
    """Return the words of the Nordstrom-Robinson code: ``(256, 16)``, of 0 and 1.

    Any two differ in at least 6 places. With an octad in the first eight places, they are what
    follows in the Golay code's words that begin with eight zeros, or have there exactly the last
    and one other.

    Examples
    --------
    >>> nordstrom_robinson().sum(-1).bincount().nonzero().flatten().tolist()
    [0, 6, 8, 10, 16]
    """
    words, octad = golay_code(), octads()[0]
    words = words[:, octad.argsort(descending=True, stable=True)]
    start, rest = words[:, :8], words[:, 8:]
    silent = start.sum(-1) == 0
    return rest[silent | ((start.sum(-1) == 2) & (start[:, 7] == 1))]


def higman_sims() -> Tensor:
    """Return which vertices of the Higman-Sims graph are neighbours: ``(100, 100)``, booleans.

    Its vertices are a point, the 22 points of the design of hexads (octads through two fixed
    places), and its 77 hexads. The first is joined to the 22, a point to the hexads through it,
    and hexads are joined where they have no point in common.

    References
    ----------
    Higman and Sims 1968, "A simple group of order 44,352,000".

    Examples
    --------
    >>> higman_sims().sum(-1).unique()
    tensor([22])
    """
    blocks = octads()
    hexads = blocks[(blocks[:, 0] == 1) & (blocks[:, 1] == 1)][:, 2:]
    joined = torch.zeros(100, 100, dtype=torch.bool)
    joined[0, 1:23] = True
    joined[1:23, 23:] = hexads.T == 1
    joined[23:, 23:] = hexads @ hexads.T == 0
    return joined | joined.T


def mclaughlin() -> Tensor:
    """Return which vertices of the McLaughlin graph are neighbours: ``(275, 275)``, booleans.

    The octads through one place are 253 blocks of 7 of the other 23. Of these 23 one is fixed: 77
    blocks hold it, 176 do not. The vertices are the other 22 places and all blocks. A place is
    joined to the 77 that do not hold it, and to the 176 that do; blocks of one kind are joined
    where they meet in one place, of different kinds where they meet in three.

    References
    ----------
    McLaughlin 1969, "A simple group of order 898,128,000".

    Examples
    --------
    >>> mclaughlin().sum(-1).unique()
    tensor([112])
    """
    blocks = octads()
    blocks = blocks[blocks[:, 0] == 1][:, 1:]
    with_it, without = blocks[blocks[:, 0] == 1], blocks[blocks[:, 0] == 0]
    places = torch.eye(23, dtype=torch.long)[1:]
    joined = torch.zeros(275, 275, dtype=torch.bool)
    joined[:22, 22:99] = places @ with_it.T == 0
    joined[:22, 99:] = places @ without.T == 1
    joined[22:99, 99:] = with_it @ without.T == 3
    joined[22:99, 22:99] = with_it @ with_it.T == 1
    joined[99:, 99:] = without @ without.T == 1
    return joined | joined.T
