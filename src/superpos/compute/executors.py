"""Where the pieces of a sweep are computed: here, in processes, on a Dask cluster."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from superpos.compute.settings import SCHEDULER, cores
from superpos.errors import InvalidArgument

_SECONDS_TO_CONNECT = 20
_MOST_PROCESSES = 4096
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.ASCII)


def scheduler() -> str:
    """Return the address that the environment names; ``""``, this process, where it names none."""
    return os.environ.get(SCHEDULER, "")


def check_scheduler(address: str) -> str:
    """Return an address that may be one, without trying to reach it.

    Raises
    ------
    InvalidArgument
        If it is none of those that `connected` knows.
    """
    kind, _, rest = address.partition(":")
    number = rest if re.fullmatch("[0-9]{1,9}", rest) else "0"
    if address in ("", "processes") or (kind == "processes" and 0 < int(number) <= _MOST_PROCESSES):
        return address
    if _ADDRESS.fullmatch(address):
        return address
    raise InvalidArgument(
        f"scheduler is {address[:60]!r}: 'processes', 'processes:NUMBER' up to {_MOST_PROCESSES} "
        "or a Dask scheduler's address such as 'tcp://host:8786' is needed"
    )


@contextlib.contextmanager
def connected(address: str) -> Iterator[Executor]:
    """Give an executor for an address, and end it with the block.

    Parameters
    ----------
    address
        ``processes`` (one for each core), ``processes:N``, or a Dask scheduler's, such as
        ``tcp://host:8786``.

    Raises
    ------
    InvalidArgument
        If the address is none of these, nobody answers there, or Dask is not installed.
    """
    kind, _, rest = check_scheduler(address).partition(":")
    if kind == "processes":
        from superpos.compute import processes

        try:
            with processes.processes(int(rest) if rest else cores()) as pool:
                yield pool
        except BrokenProcessPool:
            if unguarded := _without_guard():
                raise InvalidArgument(
                    f"{unguarded} starts processes, which run it anew on this system: what it does "
                    'when it is run must stand under `if __name__ == "__main__":`'
                ) from None
            raise
        return
    try:
        from distributed import Client
    except ImportError:
        raise InvalidArgument(
            f"scheduler is {address!r}, and Dask is not installed: install superpos[cluster]"
        ) from None
    try:
        client = Client(address, timeout=_SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as problem:  # a time-out is an OSError too
        reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise InvalidArgument(
            f"no Dask scheduler can be reached at {address!r}: {reason}"
        ) from None
    with client:
        yield client.get_executor(pure=False)


def _without_guard() -> str:
    """Return the script that runs, where begun processes read it anew and nothing guards it."""
    if sys.platform == "linux":  # they are forked
        return ""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if script is None or not Path(script).is_file():
        return ""
    return "" if "__main__" in Path(script).read_text("utf-8", "replace") else script
