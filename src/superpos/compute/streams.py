"""Random draws: every stream has a key, and a key always gives the same draws."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor

from superpos import checks
from superpos.errors import InvalidArgument


class Purpose(IntEnum):
    """What a stream is for: part of its key, so that no two uses share draws by accident."""

    INITIAL_VALUES = 0
    INPUTS = 1  # that are trained on
    EVALUATION = 2
    TRUTH = 3  # what is to be found again, such as directions by an autoencoder
    RESAMPLING = 4  # of latents that are dead


def generator(
    seed: int, purpose: Purpose, *block: int, device: str | torch.device = "cpu"
) -> torch.Generator:
    """Return a generator for a key of whole numbers from 0 to 2⁶⁴ − 1: (seed, purpose, block).

    No state is carried from one key to the next: a run may be cut, resumed or
    spread over machines without changing a draw.

    Examples
    --------
    >>> purposes = Purpose.INPUTS, Purpose.INPUTS, Purpose.EVALUATION
    >>> first, again, other = (torch.rand(3, generator=generator(1, use)) for use in purposes)
    >>> torch.equal(first, again), torch.equal(first, other)
    (True, False)
    """
    key = checks.whole_number("seed", seed, least=0), Purpose(purpose), *block
    # numpy joins the 32-bit words of all numbers and ignores zeros at the end: equal lengths only
    words = [len(key)] + [word for number in key for word in (number % 2**32, number >> 32)]
    state = np.random.SeedSequence(words).generate_state(1, dtype=np.uint64)[0]
    return torch.Generator(device=device).manual_seed(int(state) >> 1)


def uniforms(
    seeds: Sequence[int],
    purpose: Purpose,
    block: int,
    shape: Sequence[int],
    *,
    device: str | torch.device = "cpu",
) -> Tensor:
    """Return draws from [0, 1) of shape ``(len(seeds), *shape)``, one stream per seed."""
    out = torch.empty((len(seeds), *shape), device=device)
    for row, seed in zip(out, seeds, strict=True):
        torch.rand(row.shape, generator=generator(seed, purpose, block, device=device), out=row)
    return out


def seed_list(seeds: int | Sequence[int]) -> list[int]:
    """Return ``seeds`` as a list; a number stands for that many, from 0.

    Examples
    --------
    >>> seed_list(3)
    [0, 1, 2]
    """
    if isinstance(seeds, int | np.integer) or getattr(seeds, "ndim", 1) == 0:
        return list(range(checks.whole_number("seeds", seeds)))  # type: ignore[arg-type]
    listed = checks.whole_numbers("seeds", seeds)
    if not listed:
        raise InvalidArgument("seeds is empty: at least one is needed")
    return listed
