"""Pieces of an ensemble divided among more cores, where that moves no bit.

What a model's numbers are rounded to depends on where its entries stand in the arrays that it
shares with others, so that the pieces of an ensemble must be the same on every machine. They are
cut so that two cores lose nothing: a step costs much however few models it is for. More cores take
parts of them, which begin where a vector register does; on the processors that we know such a part
has the numbers that it has in its piece. It is tried: where it has not, the piece stays whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from superpos.compute.cutting import Piece, cut
from superpos.compute.processes import on_one_core
from superpos.errors import Diverged
from superpos.training.descent import Descent

_LANES = 8  # a whole number of vector registers, and what compilers make of the ends of loops
_OVERHEAD = 30_000  # a step takes the time of so many entries more than it has
_BEGINNING = 1_500_000  # entries, over all steps, that a core does while a process is begun
_WORTH_IT = 0.9  # of the time that undivided pieces take: less, or they stay as they are
_TRIED_STEPS = 3


def parts_of_each(pieces: int, entries: float, steps: int, cores: int) -> int:
    """Return into how many parts to divide every piece, so that all are done soonest.

    Cores take the parts in turn, and a step of a part of ``entries / parts`` costs as much as so
    many entries and `_OVERHEAD` more. Each core's process has to be begun, and the parts tried.

    Parameters
    ----------
    pieces
        How many there are, about equal.
    entries
        Of a piece's arrays.
    steps
        How often they are gone through.
    cores
        How many work at once.

    Examples
    --------
    >>> [parts_of_each(2, 128_000, 3000, cores) for cores in (1, 2, 4, 8, 16)]
    [1, 1, 2, 4, 8]
    >>> [parts_of_each(2, 128_000, 300, cores) for cores in (1, 2, 4, 8, 16)]
    [1, 1, 2, 4, 4]
    """

    def cost(parts: int) -> float:
        count = pieces * parts
        trying = 2 * _TRIED_STEPS * (_OVERHEAD + entries) if parts > 1 else 0
        turns = math.ceil(count / cores) * steps
        return turns * (_OVERHEAD + entries / parts) + min(cores, count) * _BEGINNING + trying

    if cores <= max(2, pieces):  # pieces are cut for two; where no core is idle, parts cost more
        return 1
    best = min(range(1, cores + 1), key=cost)
    return best if cost(best) < _WORTH_IT * cost(1) else 1


def divided(piece: Piece, parts: int, n: int) -> list[Piece]:
    """Return about so many parts of a piece of seeds × settings, with n entries a model.

    Each begins at a whole vector register, and so does each of its seeds. There are fewer parts
    where there are not enough such places, and more where seeds are kept whole.

    Examples
    --------
    >>> divided((slice(3, 4), slice(10, 20)), 3, n=100)
    [(slice(3, 4, None), slice(10, 14, None)), (slice(3, 4, None), slice(14, 18, None)),
     (slice(3, 4, None), slice(18, 20, None))]
    """
    seeds, settings = (side.stop - side.start for side in piece)
    unit = 1, _LANES // math.gcd(n, _LANES)
    if seeds > 1 and settings % unit[1]:  # then a seed begins anywhere, if not with many others
        unit = _LANES // math.gcd(settings * n, _LANES), settings
    grid = math.ceil(seeds / unit[0]), math.ceil(settings / unit[1])
    return [
        tuple(
            slice(side.start + some.start * size, min(side.start + some.stop * size, side.stop))
            for side, some, size in zip(piece, part, unit, strict=True)
        )
        for part in cut(grid, math.ceil(math.prod(grid) / parts))
    ]


def exact(piece: Piece, parts: Sequence[Piece], descent: Callable[[Piece], Descent]) -> bool:
    """Whether each part has the same numbers as in its piece, to the last bit: try a few steps.

    Parameters
    ----------
    piece, parts
        Slices of seeds and settings.
    descent
        Begins the descent of a piece.
    """

    def tried(some: Piece) -> list[torch.Tensor]:
        begun = descent(some)
        begun.size = _TRIED_STEPS
        begun.block()
        kept = begun.parameters, begun.adam.mean, begun.adam.square
        return [*begun.history, *(value for kind in kept for value in kind.values())]

    try:
        with on_one_core():
            whole = tried(piece)
            return all(
                torch.equal(own, value[_within(part, piece)])
                for part in parts
                for own, value in zip(tried(part), whole, strict=True)
            )
    except Diverged:  # which the piece is to tell
        return False


def _within(part: Piece, piece: Piece) -> Piece:
    return tuple(
        slice(own.start - side.start, own.stop - side.start)
        for own, side in zip(part, piece, strict=True)
    )
