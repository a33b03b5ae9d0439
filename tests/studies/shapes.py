"""Models built by hand, for the tests of claims."""

from __future__ import annotations

import math

import torch
from torch import Tensor

JUST = 1e-4  # a little to either side of a threshold


def columns(*features: tuple[float, ...]) -> Tensor:
    return torch.tensor(features, dtype=torch.float64).T


def polar(*features: tuple[float, float]) -> Tensor:
    """Features of the plane by squared length and angle in degrees."""
    return columns(
        *(
            (size**0.5 * math.cos(math.radians(angle)), size**0.5 * math.sin(math.radians(angle)))
            for size, angle in features
        )
    )


def evenly(*angles: float) -> Tensor:
    return polar(*((1, angle) for angle in angles))


def angle_of(cosine: float) -> float:
    return math.degrees(math.acos(cosine))


def draw(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def rotation(seed: int, m: int) -> Tensor:
    return torch.linalg.qr(draw(seed, m, m)).Q


def told(found: Tensor) -> bool:
    """Return the outcome of one model, which is one boolean."""
    assert found.shape == ()
    assert found.dtype is torch.bool
    return found.item()
