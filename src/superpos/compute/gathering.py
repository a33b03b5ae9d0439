"""Pieces of work, given to an executor and taken back as they finish."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from typing import Any

MOST_DEATHS = 3  # of processes in a row, without a finished piece in between; of one piece


def gather(
    pool: Executor,
    task: Callable[[Any], Any],
    pieces: Sequence[Any],
    left: set[int],
    done: Callable[[int, Any], None],
) -> None:
    """Give the pieces to an executor; take those that are done out of ``left``.

    Parameters
    ----------
    pool
        The executor.
    task
        What is computed of each piece.
    pieces
        All of them.
    left
        The numbers of those that are to be computed.
    done
        Called with the number of each finished piece, and with what was found.
    """
    waiting: dict[Future, int] = {}
    losses = dict.fromkeys(left, 0)
    try:
        for number in sorted(left):
            waiting[pool.submit(task, pieces[number])] = number
        while waiting:
            finished, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in finished:
                number = waiting.pop(future)
                try:
                    found = future.result()
                except (CancelledError, ValueError) as problem:
                    losses[number] += 1
                    if not _was_lost(problem) or losses[number] == MOST_DEATHS:
                        raise
                    waiting[pool.submit(task, pieces[number])] = number
                    continue
                done(number, found)
                left.discard(number)
    finally:
        for future in waiting:
            future.cancel()


def _was_lost(problem: BaseException) -> bool:
    """Return whether an executor has lost a piece, with the worker that had it.

    We cancel none that we wait for. Dask's executor knows no outcome of a task that was cancelled
    while its worker died, and fails in the place where it unpacks one.
    """
    if isinstance(problem, CancelledError):
        return True
    *_, raised = traceback.walk_tb(problem.__traceback__)
    return raised[0].f_code.co_name == "_cascade_future"
