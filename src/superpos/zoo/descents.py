"""What a recipe of the zoo is; descents of the exact loss, from given weights or many starts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from superpos.compute import streams
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument
from superpos.features import AnticorrelatedSets, CorrelatedSets, Examples, FeatureDistribution
from superpos.models import RELU_OUTPUT, Model
from superpos.optima import minimise

TOLERANCE = 1e-11  # of the gradient's norm: as far as rounding lets descent come
SAME = 1e-9  # losses within it are of one optimum
_WIDE = 0.7  # the standard deviation of a random start's column, about

Parameters = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Found:
    """What a recipe gives.

    Attributes
    ----------
    parameters
        Of one model.
    best
        The lowest loss known, and its standard error; None for that of this model.
    search, proof, shape, beside
        As in `Certificate`; without a shape it is told by `shape_of`.
    """

    parameters: Parameters
    best: tuple[float, float] | None = None
    search: str = ""
    proof: str = ""
    shape: str = ""
    beside: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Recipe:
    """How one model is made.

    Attributes
    ----------
    name, group, about, made
        As `superpos.zoo.Specimen` has them.
    features, m
        The inputs, and the number of hidden dimensions.
    make
        Returns the model, and what is found with it.
    importance
        I, ``(n,)``, or (1,) for all.
    model
        Which model it is.
    starts
        Of the search for the best model, where the loss is exact; 0 for no search.
    """

    name: str
    group: str
    about: str
    made: str
    features: FeatureDistribution
    m: int
    make: Callable[[Recipe], Found]
    importance: tuple[float, ...] = (1.0,)
    model: Model = RELU_OUTPUT
    starts: int = 100

    @property
    def weights(self) -> Tensor:
        """I for each feature, ``(n,)`` in float64."""
        return torch.tensor(self.importance, dtype=torch.float64).expand(self.features.n)

    @property
    def probability(self) -> float:
        """p, which is one for all."""
        return _probability(self.features)

    @property
    def problem(self) -> str:
        """What has the same best model, as a key."""
        told = {"inputs": told_inputs(self.features), "importance": self.importance, "m": self.m}
        return json.dumps(told | {"model": self.model.name})


def _probability(features: FeatureDistribution) -> float:
    p: Tensor = vars(features)["probability"]
    return p.flatten()[0].item()


def told_inputs(features: FeatureDistribution) -> dict[str, Any]:
    """Return a distribution as numbers and words."""
    kind = {"kind": type(features).__name__}
    if isinstance(features, Examples):
        return kind | {"count": len(features.x)}
    told = {"probability": _probability(features)}
    sets = isinstance(features, CorrelatedSets | AnticorrelatedSets)
    return (
        kind
        | {name: getattr(features, name) for name in (("sets", "size") if sets else "n")}
        | told
    )


# Second-order descent, from where one likes


def settled(W: Tensor, b: Tensor | None = None) -> Callable[[Recipe], Found]:
    """Return what descends the exact loss from given weights until it is at rest."""

    def make(recipe: Recipe) -> Found:
        first = torch.zeros(W.shape[-1], dtype=torch.float64) if b is None else b
        at = minimise(W, first, recipe.features, recipe.weights, tolerance=TOLERANCE)
        return Found({"W": at.W, "b": at.b})

    return make


def level(number: int) -> Callable[[Recipe], Found]:
    """Return what takes one of the optima that random starts come to: 0 is the lowest loss."""

    def make(recipe: Recipe) -> Found:
        levels = search(recipe).levels
        if number >= len(levels):
            raise InvalidArgument(f"{recipe.name}: there are only {len(levels)} levels")
        W, b, _, _ = levels[number]
        return settled(W, b)(recipe)

    return make


def stationary(W: Tensor, b: Tensor) -> Callable[[Recipe], Found]:
    """Return what takes weights as they are."""
    return lambda recipe: Found({"W": W.double(), "b": b.double()})


@dataclass(frozen=True, eq=False)
class Searched:
    """Where random starts came: W, b, loss and how many starts, by optimum, the lowest first."""

    starts: int
    levels: list[tuple[Tensor, Tensor, float, int]]


def random_starts(n: int, m: int, count: int) -> tuple[Tensor, Tensor]:
    """Return W ``(count, m, n)`` with normal entries and b 0, ``(count, n)``: always the same."""
    draws = streams.generator(0, Purpose.INITIAL_VALUES, n, m)
    W = torch.randn(count, m, n, generator=draws, dtype=torch.float64)
    return W * _WIDE / m**0.5, torch.zeros(count, n, dtype=torch.float64)


def search(recipe: Recipe) -> Searched:
    """Return where second-order descent comes from random starts; once for each problem."""
    if recipe.problem not in _SEARCHED:
        n = recipe.features.n
        at = minimise(*random_starts(n, recipe.m, recipe.starts), recipe.features, recipe.weights)
        levels: list[tuple[Tensor, Tensor, float, int]] = []
        for k in at.loss.argsort().tolist():
            loss = at.loss[k].item()
            if levels and loss - levels[-1][2] < SAME:
                levels[-1] = (*levels[-1][:3], levels[-1][3] + 1)
            else:
                levels.append((at.W[k], at.b[k], loss, 1))
        _SEARCHED[recipe.problem] = Searched(recipe.starts, levels)
    return _SEARCHED[recipe.problem]


_SEARCHED: dict[str, Searched] = {}
