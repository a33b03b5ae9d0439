"""Processes that do not outlive the one that began them."""

from __future__ import annotations

import ctypes
import os
import signal
import sys


def end_with_parent(parent: int) -> None:
    """Have this process killed when its parent ends, however that ends (on Linux).

    Parameters
    ----------
    parent
        The number of the parent's process, which may have ended already.
    """
    if sys.platform != "linux":
        return
    set_signal = 1  # PR_SET_PDEATHSIG
    ctypes.CDLL(None).prctl(set_signal, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
