"""The toy models: autoencoders from n features through m dimensions and back.

A model's parameters are a dictionary of tensors with leading ensemble axes:
``W`` ``(..., m, n)``, ``b`` ``(..., n)``, ``V`` ``(..., m, n)`` where the decoder is
not tied to the encoder, and ``c`` ``(..., m)`` where hidden units have biases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from superpos.compute import streams
from superpos.compute.streams import Purpose


def identity(z: Tensor) -> Tensor:
    """Return ``z``."""
    return z


@dataclass(frozen=True)
class Model:
    """A model x → hidden(W x + c) → output(Vᵀ h + b), with V = W when tied: an autoencoder, mostly.

    Parameters
    ----------
    name
        What readers call it.
    hidden, output
        Element-wise functions of the hidden layer and of the output.
    tied
        Whether the decoder is the encoder's transpose.
    hidden_bias
        Whether hidden units have biases c; they start at 0.
    target
        What is to come out for inputs ``(..., n)``: the inputs themselves, by default.
    start
        What an untied decoder starts as, given the encoder's initial values; by default it has
        initial values of its own. An output that starts below its kink for every input stays
        there: `torch.abs` keeps both signs of a feature above it.

    References
    ----------
    Elhage et al. 2022, "Demonstrating Superposition", The Model (x → x').

    Examples
    --------
    >>> parameters = RELU_OUTPUT.initial(5, 2, seeds=[0, 1])
    >>> RELU_OUTPUT.reconstruct(parameters, torch.rand(2, 1, 64, 5)).shape
    torch.Size([2, 1, 64, 5])
    """

    name: str
    hidden: Callable[[Tensor], Tensor] = identity
    output: Callable[[Tensor], Tensor] = torch.relu
    tied: bool = True
    hidden_bias: bool = False
    target: Callable[[Tensor], Tensor] = identity
    start: Callable[[Tensor], Tensor] | None = None

    def shapes(self, n: int, m: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of one model's parameters, by name.

        Examples
        --------
        >>> RELU_OUTPUT.shapes(5, 2)
        {'b': (5,), 'W': (2, 5)}
        """
        shapes = {"b": (n,)} | ({"c": (m,)} if self.hidden_bias else {})
        return shapes | {"W": (m, n)} | ({} if self.tied else {"V": (m, n)})

    def initial(
        self,
        n: int,
        m: int,
        *,
        seeds: Sequence[int],
        count: int = 1,
        scale: float = 1.0,
        device: str | torch.device = "cpu",
    ) -> dict[str, Tensor]:
        """Return initial parameters of ``count`` models for each seed: ``(seeds, count, ...)``.

        Weights are normal with standard deviation ``scale``·√(2/(m(n + m))), which makes features
        short, ‖W_i‖² ≈ 2/(n + m); biases are 0. With longer ones and dense inputs many outputs
        start, and stay, below the ReLU's kink. The models of one seed start from the same values.
        """
        names = ("W",) if self.tied else ("W", "V")
        parameters = {"b": torch.zeros(len(seeds), count, n, device=device)}
        if self.hidden_bias:
            parameters["c"] = torch.zeros(len(seeds), count, m, device=device)
        for number, name in enumerate(names):
            values = torch.empty(len(seeds), 1, m, n, device=device)
            for row, seed in zip(values, seeds, strict=True):
                key = (seed, Purpose.INITIAL_VALUES, number)
                row.normal_(generator=streams.generator(*key, device=device))
            deviation = scale * (2 / (m * (n + m))) ** 0.5
            parameters[name] = (values * deviation).repeat(1, count, 1, 1)
        if not self.tied and self.start is not None:
            parameters["V"] = self.start(parameters["W"])
        return parameters

    def centred(self, parameters: dict[str, Tensor], mean: Tensor) -> Tensor:
        """Return the biases ``(..., n)`` for which the mean input ``(..., n)`` comes out as it is.

        Before the output function: b = μ − Vᵀ hidden(W μ + c).
        """
        W = parameters["W"]
        h = self._hidden_layer(parameters, mean[..., None, :])
        return mean - (h @ parameters.get("V", W))[..., 0, :]

    def reconstruct(self, parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        """Return the reconstruction of inputs ``x`` ``(..., batch, n)``."""
        W, b = parameters["W"], parameters["b"]
        V = parameters.get("V", W)
        return self.output(self._hidden_layer(parameters, x) @ V + b[..., None, :])

    def _hidden_layer(self, parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        z = x @ parameters["W"].mT
        return self.hidden(z + parameters["c"][..., None, :] if "c" in parameters else z)


LINEAR = Model("linear", output=identity)
"""Wᵀ W x + b, which superposition does not pay."""

RELU_OUTPUT = Model("ReLU output")
"""ReLU(Wᵀ W x + b), the toy model of most chapters."""

RELU_HIDDEN = Model("ReLU hidden and output", hidden=torch.relu)
"""ReLU(Wᵀ ReLU(W x) + b), whose hidden axes are neurons."""
