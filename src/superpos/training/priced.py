"""A price on the activity of the hidden layer: λ Σ_k |h_k|, added to the loss that is descended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from superpos import checks
from superpos.errors import InvalidArgument
from superpos.features import IndependentFeatures
from superpos.models import RELU_OUTPUT, Model
from superpos.training.objectives import objective


@dataclass(frozen=True, eq=False, kw_only=True)
class Priced(IndependentFeatures):
    """Inputs for models that pay for the activity of their hidden layer.

    `superpos.train` on it descends E[loss + price Σ_k |h_k|], with h = W x.

    Parameters
    ----------
    n, probability
        As for `superpos.IndependentFeatures`.
    price
        λ, at least 0; broadcasts with the settings of ``probability``.
    integrate
        Whether the loss itself is integrated over each output's own input; the price is sampled.

    Raises
    ------
    InvalidArgument
        If a price is negative.

    References
    ----------
    Elhage et al. 2022, "The Strategic Picture of Superposition" (an L1 term on hidden activations).

    Examples
    --------
    >>> from superpos import Procedure, train
    >>> priced = Priced(n=5, probability=0.1, price=torch.tensor([0.0, 10.0]))
    >>> W = train(priced, 2, seeds=4, procedure=Procedure(steps=200)).W
    >>> W.shape, bool(W[:, 1].abs().max() < 0.1 < W[:, 0].abs().max())
    (torch.Size([4, 2, 2, 5]), True)
    """

    price: Tensor
    integrate: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        price = checks.finite("price", self.price, dtype=torch.get_default_dtype())
        if (price < 0).any():
            raise InvalidArgument(f"price has an entry of {price.min():g}: at least 0 is needed")
        own, entries = self.probability.shape[:-1], self.probability.shape[-1]
        shape = checks.broadcast_shape(probability=own, price=price.shape)
        object.__setattr__(self, "price", price.expand(shape))
        object.__setattr__(self, "probability", self.probability.expand(*shape, entries))

    def settings(self, shape: Sequence[int], start: int, stop: int) -> Self:
        price = self.price.expand(shape).reshape(-1)[start:stop]
        spread = self.probability.expand(*shape, -1)
        probability = spread.reshape(-1, spread.shape[-1])[start:stop]
        return replace(self, probability=probability, price=price)

    def to(self, device: torch.device) -> Self:
        return replace(self, probability=self.probability.to(device), price=self.price.to(device))

    def objective(self, model: Model, importance: Tensor) -> PricedRelu:
        """Return what training descends; see `superpos.training.objectives.objective`."""
        if model != RELU_OUTPUT:
            raise InvalidArgument(
                f"model is {model.name!r}: prices are for the tied ReLU-output model"
            )
        return PricedRelu(self, importance)


class PricedRelu:
    """The ReLU-output model's loss and what its activity costs."""

    def __init__(self, features: Priced, importance: Tensor) -> None:
        self.features = features
        plain = IndependentFeatures(features.n, features.probability)
        self.unpriced = objective(RELU_OUTPUT, plain, importance, integrate=features.integrate)

    def loss(self, parameters: dict[str, Tensor], u: Tensor) -> Tensor:
        x, share = self._inputs(u)
        activity = (x @ parameters["W"].mT).abs().sum(-1)
        return self.unpriced.loss(parameters, u) + (share * activity).sum(-1)

    def gradients(self, parameters: dict[str, Tensor], u: Tensor) -> dict[str, Tensor]:
        found = self.unpriced.gradients(parameters, u)
        x, share = self._inputs(u)
        sign = (x @ parameters["W"].mT).sign() * share[..., None]
        return found | {"W": found["W"] + sign.mT @ x}

    def _inputs(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Return inputs, ``(seeds, settings, inputs, n)``, and what each adds per activity."""
        price = self.features.price.to(u)[:, None]
        if self.features.integrate:
            return self.features.strata(u), price * self.features.shares(u)
        return self.features.inputs(u), price / u.shape[-2]
