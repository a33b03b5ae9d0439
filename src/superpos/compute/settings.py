"""What the environment's variables set: where sweeps are computed and stored, on how many cores."""

from __future__ import annotations

import os

from superpos.errors import InvalidArgument

SCHEDULER = "SUPERPOS_SCHEDULER"  # where sweeps are computed: an address, see `executors`
STORE = "SUPERPOS_STORE"  # where their pieces are stored
USED = "SUPERPOS_PIECES"  # a file to which to add the names of the pieces that were used
CORES = "SUPERPOS_CORES"  # how many cores to use


def cores() -> int:
    """Return how many cores this process may use: ``SUPERPOS_CORES``, or all that it is given."""
    if asked := os.environ.get(CORES):
        if not asked.isdecimal() or int(asked) < 1:
            raise InvalidArgument(f"{CORES} is {asked!r}: a number of cores is needed")
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
