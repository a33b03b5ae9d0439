"""Work in pieces, on every core."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import pickle
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextvars import ContextVar
from typing import TypeVar

import torch

from superpos.compute.orphans import end_with_parent
from superpos.compute.settings import KEPT_MEMORY, cores

Piece = TypeVar("Piece")
Result = TypeVar("Result")

_SECONDS_BETWEEN_LOOKS = 0.1
_works: dict[int, Callable] = {}  # what each thread's forked processes are for: they find it here
_alone = ContextVar("_alone", default=False)
_setting_threads = threading.Lock()


def in_parallel(
    work: Callable[[Piece], Result],
    pieces: Sequence[Piece],
    *,
    spread: bool = True,
    watch: Callable[[], object] | None = None,
) -> list[Result]:
    """Return the results of every piece of work, in order, one piece on each core at a time.

    A piece computes on one core: its arrays are too small to share, cores need not wait for each
    other, and the rounding does not depend on how many there are. On Linux each core gets a
    forked process, for threads with small operations wait for each other's turns; elsewhere it
    is a thread. After a failure no further piece is started.

    Parameters
    ----------
    work
        What to do with a piece. In a process of its own it cannot change this one's variables,
        save tensors in shared memory.
    pieces
        Anything; what they give must be picklable.
    spread
        Whether there is work for several cores: a process takes some hundredths of a second to
        start. Else the pieces are done here, in turn: those with tensors on another device than
        the CPU, too, for no process that is forked can use it.
    watch
        Called now and then while other processes work.

    Examples
    --------
    >>> in_parallel(lambda number: number**2, range(4))
    [0, 1, 4, 9]
    """
    watch = watch or (lambda: None)
    count = min(at_once(), len(pieces))
    if not spread or count <= 1:
        with one_thread():
            return [work(piece) for piece in pieces]
    number = threading.get_ident()  # which waits for this work, and begins no other meanwhile
    _works[number] = work
    try:
        if sys.platform == "linux":
            with processes(count) as pool:
                told = _gather([pool.submit(_told, number, piece) for piece in pieces], watch)
                return [pickle.loads(result) for result in told]
        with _threads(count) as pool:
            return _gather([pool.submit(work, piece) for piece in pieces], watch)
    finally:
        del _works[number]


def at_once() -> int:
    """Return how many pieces `in_parallel` does at a time: one where it is itself in a piece."""
    return 1 if _alone.get() or multiprocessing.parent_process() is not None else cores()


def _gather(tasks: list[Future], watch: Callable) -> list:
    """Wait for all results; the first failure ends it."""
    waiting = set(tasks)
    while waiting:
        done, waiting = wait_for(waiting, _SECONDS_BETWEEN_LOOKS, FIRST_EXCEPTION)
        watch()
        for task in done:
            task.result()
    return [task.result() for task in tasks]


def _told(number: int, piece: object) -> bytes:
    """Do a piece in a process of its own; tensors go back as bytes, not as open files."""
    return pickle.dumps(_works[number](piece))


@contextlib.contextmanager
def on_one_core() -> Iterator[None]:
    """Make what is done in the block use one core: `in_parallel` does its pieces in turn."""
    token = _alone.set(True)
    try:
        with one_thread():
            yield
    finally:
        _alone.reset(token)


@contextlib.contextmanager
def processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Give a pool of processes on one core each, which end with the block, however it ends.

    On Linux they are forked, elsewhere begun anew.
    """
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with ProcessPoolExecutor(count, context, _begin, (os.getpid(),)) as pool:
        try:
            with warnings.catch_warnings():
                # children need no lock that a thread could hold: they compute on one, and end
                told = "This process .* is multi-threaded"
                warnings.filterwarnings("ignore", told, DeprecationWarning)
                pool.submit(os.getpid)  # the first task forks them all
            yield pool
        except BaseException:
            for process in list((pool._processes or {}).values()):
                process.terminate()
            raise


@contextlib.contextmanager
def _threads(count: int) -> Iterator[ThreadPoolExecutor]:
    all_begun = threading.Barrier(count)  # no piece begins threads while a number is being set

    def begin() -> None:
        _set_threads(1)
        all_begun.wait()

    with ThreadPoolExecutor(count, "piece", begin) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _begin(parent: int) -> None:
    """Make this process one that computes on one core and does not outlive its parent."""
    torch.set_num_threads(1)
    _keep_memory()
    end_with_parent(parent)


def _keep_memory() -> None:
    """Keep freed memory (with the GNU library), in a process of our own: it is never undone."""
    if sys.platform == "linux" and hasattr(c := ctypes.CDLL(None), "mallopt"):
        for option, (_, size) in KEPT_MEMORY.items():
            c.mallopt(option, size)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute in one thread meanwhile: for arrays that are too small to share."""
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    try:
        _set_threads(1)
        yield
    finally:
        _set_threads(before)


def _set_threads(number: int) -> None:
    """Let this thread compute on so many cores, and leave every other thread as it is.

    Each thread has its own number, but one that is new to torch takes the number that was set
    last, in whatever thread: another sets that again.
    """
    with _setting_threads, ThreadPoolExecutor(1) as other:
        usual = other.submit(torch.get_num_threads).result()
        torch.get_num_threads()  # now this thread is not new any more
        try:
            torch.set_num_threads(number)
        finally:
            other.submit(torch.set_num_threads, usual).result()
