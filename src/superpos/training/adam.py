"""Adam: the one step that every descent with an adaptive rate takes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from superpos.errors import InvalidArgument


class Adam:
    """Parameters on their way down, and what Adam remembers of their gradients.

    A step moves θ by −rate · m̂ / (√v̂ + 10⁻⁸), where m̂ and v̂ are running averages of the gradient
    and of its square, freed of their bias towards the 0 that they begin with. With weight decay,
    θ first shrinks by the factor 1 − rate · weight_decay. Entries do not know of each other, so
    leading axes may be those of an ensemble.

    Parameters
    ----------
    parameters
        Tensors by name, contiguous in memory. Steps change them in place.
    beta2
        β₂, in [0, 1): the memory of the squared gradient; β₁ is 0.9.
    weight_decay
        At least 0.
    mean, square
        The averages to go on with, by the same names, changed in place too; by default 0.
    steps
        How many steps have been taken, by which the averages' bias is known.

    Raises
    ------
    InvalidArgument
        If a tensor is not contiguous: the fused step walks through memory, whatever the strides.

    References
    ----------
    Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization" (AdamW; without decay it is
    the Adam of Kingma and Ba 2015).

    Examples
    --------
    The first step is as long as the rate, whatever the gradient's size:

    >>> adam = Adam({"W": torch.zeros(2)})
    >>> adam.step({"W": torch.tensor([1e-3, -1e3])}, rate=0.1)
    >>> adam.parameters["W"]
    tensor([-0.1000,  0.1000])
    """

    def __init__(
        self,
        parameters: dict[str, Tensor],
        *,
        beta2: float = 0.999,
        weight_decay: float = 0.0,
        mean: dict[str, Tensor] | None = None,
        square: dict[str, Tensor] | None = None,
        steps: int = 0,
    ) -> None:
        self.parameters, self.beta2, self.weight_decay = parameters, beta2, weight_decay
        self.mean = _zeros(parameters) if mean is None else mean
        self.square = _zeros(parameters) if square is None else square
        for kind in (self.parameters, self.mean, self.square):
            for name, value in kind.items():
                if not value.is_contiguous():
                    raise InvalidArgument(
                        f"{name} has strides {value.stride()}: a contiguous tensor is needed"
                    )
        # one for each tensor and on its device, as the fused step wants them
        self._counters = [
            torch.full((), steps, dtype=torch.float32, device=value.device)
            for value in parameters.values()
        ]

    def step(self, gradients: Mapping[str, Tensor], rate: float | Tensor) -> None:
        """Take a step against the gradients, which are named as the parameters are."""
        names = list(self.parameters)
        adamw(
            list(self.parameters.values()),
            # automatic differentiation may give a gradient transposed
            [gradients[name].contiguous() for name in names],
            [self.mean[name] for name in names],
            [self.square[name] for name in names],
            [],
            self._counters,
            lr=rate,
            beta1=0.9,
            beta2=self.beta2,
            eps=1e-8,
            weight_decay=self.weight_decay,
            amsgrad=False,
            maximize=False,
            fused=True,  # one pass over the memory
        )

    def resume(self, steps: int) -> None:
        """Count on from so many steps, after what they made has been put back in place."""
        for counter in self._counters:
            counter.fill_(steps)


def _zeros(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: torch.zeros_like(value) for name, value in parameters.items()}
