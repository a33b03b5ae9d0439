"""Cutting a grid into pieces of about equal size."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

Piece = tuple[slice, ...]


def cut(shape: Sequence[int], most: int) -> list[Piece]:
    """Return pieces of a grid, each of at most ``most`` cells: for each axis a slice.

    Later axes are kept whole for as long as they can be, and parts of an axis are about equal.

    Examples
    --------
    >>> cut((2, 5), 3)[:2]
    [(slice(0, 1, None), slice(0, 3, None)), (slice(0, 1, None), slice(3, 5, None))]
    >>> len(cut((6, 5), 10))
    3
    """
    sides, room = [], most
    for size in reversed(shape):
        parts = math.ceil(size / max(1, min(room, size)))
        sides.append(math.ceil(size / parts))
        room = room // size if parts == 1 else 1
    starts = (range(0, size, side) for size, side in zip(shape, reversed(sides), strict=True))
    return [
        tuple(
            slice(start, min(start + side, size))
            for start, side, size in zip(corner, reversed(sides), shape, strict=True)
        )
        for corner in itertools.product(*starts)
    ]
