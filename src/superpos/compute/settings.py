"""What the environment's variables set: where sweeps are computed and stored, on how many cores."""

from __future__ import annotations

import os

from superpos.errors import InvalidArgument

SCHEDULER = "SUPERPOS_SCHEDULER"  # where sweeps are computed: an address, see `executors`
STORE = "SUPERPOS_STORE"  # where their pieces are stored
USED = "SUPERPOS_PIECES"  # a file to which to add the names of the pieces that were used
CORES = "SUPERPOS_CORES"  # how many cores to use

# The GNU library's settings for memory that a process keeps rather than give back, by mallopt's
# number: the variable of the environment, and bytes. Where arrays come and go, fresh pages cost up
# to a fifth of the time. For processes of our own: forked ones, and the kernels of the book.
KEPT_MEMORY = {
    -1: ("MALLOC_TRIM_THRESHOLD_", 256 << 20),
    -3: ("MALLOC_MMAP_THRESHOLD_", 32 << 20),
}


def cores() -> int:
    """Return how many cores this process may use: ``SUPERPOS_CORES``, or all that it is given."""
    if asked := os.environ.get(CORES):
        if not asked.isdecimal() or int(asked) < 1:
            raise InvalidArgument(f"{CORES} is {asked!r}: a number of cores is needed")
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
