"""What an autoencoder sees: hidden activations h = W x of toy models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from superpos import checks, geometry
from superpos.compute import streams
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument
from superpos.features import FeatureDistribution

_OTHERS = 1 << 40  # numbers of blocks that no training of a toy model reaches


@dataclass(frozen=True, eq=False)
class Activations:
    """Hidden activations h = W x, one W for each seed.

    Parameters
    ----------
    W
        The encoders, ``(seeds, m, n)``: those of a trained ensemble (`superpos.Trained.W`).
    features
        How x is drawn, with one setting.
    seeds
        One for each W, whole numbers; they choose the inputs, which are not those that a toy model
        with the same seed was trained on.

    Raises
    ------
    InvalidArgument
        If the three do not fit each other.

    Examples
    --------
    >>> from superpos import IndependentFeatures, Procedure, train
    >>> features = IndependentFeatures(6, 0.2)
    >>> toys = train(features, 3, seeds=2, procedure=Procedure.fast(6, 3, steps=50))
    >>> data = Activations(toys.W, features, toys.seeds)
    >>> data.hidden(0, 5, batch=4).shape
    torch.Size([5, 2, 4, 3])
    """

    W: Tensor
    features: FeatureDistribution
    seeds: Sequence[int]

    def __post_init__(self) -> None:
        checks.finite("W", self.W)
        seeds = streams.seed_list(self.seeds)
        if self.W.ndim != 3 or len(self.W) != len(seeds):
            raise InvalidArgument(
                f"W has shape {tuple(self.W.shape)}: (seeds, m, n) for {len(seeds)} seeds is needed"
            )
        if self.W.shape[-1] != self.features.n or self.features.shape.numel() != 1:
            raise InvalidArgument(
                f"features are {self.features.n} of {self.features.shape.numel()} settings: "
                f"{self.W.shape[-1]} of one are needed"
            )

    @property
    def m(self) -> int:
        return self.W.shape[-2]

    @property
    def directions(self) -> Tensor:
        """The true features at length 1, ``(seeds, m, n)``."""
        return geometry.directions(self.W)

    def embedded(self, length: float = 0.5) -> Tensor:
        """Return which features are represented, ‖W_i‖ ≥ ``length``: booleans ``(seeds, n)``."""
        return self.W.norm(dim=-2) >= length

    def taken(self, part: slice) -> Activations:
        """Return those of some of the seeds."""
        return Activations(self.W[part], self.features, list(self.seeds)[part])

    def draw(
        self, number: int, steps: int, *, batch: int, purpose: Purpose = Purpose.INPUTS
    ) -> Tensor:
        """Return x of some steps, ``number`` tells which: ``(steps, seeds, batch, n)``."""
        shape = (steps, batch, self.features.uniforms)
        u = streams.uniforms(self.seeds, purpose, _OTHERS + number, shape, device=self.W.device)
        x = self.features.inputs(u.flatten(1, 2)).reshape(len(self.W), steps, batch, -1)
        return x.transpose(0, 1).to(self.W)

    def hidden(
        self, number: int, steps: int, *, batch: int, purpose: Purpose = Purpose.INPUTS
    ) -> Tensor:
        """Return h = W x of the same: ``(steps, seeds, batch, m)``."""
        x = self.draw(number, steps, batch=batch, purpose=purpose)
        return torch.matmul(x, self.W.mT)
