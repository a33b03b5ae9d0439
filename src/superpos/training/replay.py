"""A block of steps recorded once and replayed, where launching kernels takes longer than they do.

On a GPU a step of small models is some seventy kernels of a few microseconds each, and the
interpreter needs several times as long to launch them. A CUDA graph launches those of a whole block
at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Walk = Callable[[Tensor, Sequence[Tensor]], Tensor]  # of draws and the rate of each step


def can_record(device: torch.device) -> bool:
    """Return whether work on a device can be recorded."""
    return device.type == "cuda"


def _recorded(walk: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """Record what a function launches, and return what launches it again.

    The function is called, but nothing is computed yet. What it reads and writes must stay where it
    is in memory; numbers of Python's are forever those of the recording.

    Parameters
    ----------
    walk
        Of no arguments; what it needs once, such as arrays to work in, it has from an earlier call.

    Raises
    ------
    RuntimeError
        If the function waits for the device, or cannot be recorded for another reason.
    """
    graph = torch.cuda.CUDAGraph()
    # a recording that fails may leave its own stream the current one
    with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(graph):
        found = walk()

    def replay() -> Tensor:
        graph.replay()
        return found.clone()

    return replay


class Replay:
    """A block of steps, recorded: give it other draws and rates, and it takes other steps.

    Parameters
    ----------
    walk
        Takes the steps, and returns a tensor.
    u
        The draws ``(seeds, steps, batch, ...)`` of a block; those of others have the same shape.
    """

    def __init__(self, walk: Walk, u: Tensor) -> None:
        self._u, self._rates = u.clone(), torch.zeros(u.shape[1], device=u.device)
        self._replay = _recorded(lambda: walk(self._u, self._rates.unbind()))

    def __call__(self, u: Tensor, rates: Sequence[float]) -> Tensor:
        """Take the steps of these draws, at these rates; return what ``walk`` does."""
        self._u.copy_(u)
        self._rates.copy_(torch.tensor(rates))
        return self._replay()
