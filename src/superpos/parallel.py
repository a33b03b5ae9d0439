"""Work in pieces, on every core."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Piece, Result = TypeVar("Piece"), TypeVar("Result")


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_parallel(work: Callable[[Piece], Result], pieces: Sequence[Piece]) -> list[Result]:
    """Return the results of every piece of work, in order, one piece on each core at a time.

    A piece computes on one core: its arrays are too small to share, cores need not wait for each
    other, and the rounding does not depend on how many there are. After a failure no
    further piece is started.

    Examples
    --------
    >>> in_parallel(lambda number: number**2, range(4))
    [0, 1, 4, 9]
    """
    with ThreadPoolExecutor(
        max(1, min(cores(), len(pieces))), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        tasks = [pool.submit(work, piece) for piece in pieces]
        try:
            return [task.result() for task in tasks]
        finally:
            pool.shutdown(cancel_futures=True)
