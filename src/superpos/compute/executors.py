"""Where the pieces of a sweep are computed: here, in processes, on a Dask cluster."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import Executor

from superpos.compute.settings import SCHEDULER, cores
from superpos.errors import InvalidArgument

_SECONDS_TO_CONNECT = 20


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
    if kind == "processes" and (not rest or (rest.isdecimal() and int(rest) > 0)):
        return address
    if not address or "://" in address:
        return address
    raise InvalidArgument(
        f"scheduler is {address!r}: 'processes', 'processes:NUMBER' or a Dask scheduler's address "
        "such as 'tcp://host:8786' is needed"
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

        with processes.processes(int(rest) if rest else cores()) as pool:
            yield pool
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
