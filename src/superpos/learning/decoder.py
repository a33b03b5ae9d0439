"""A feature decoder: hidden neurons that find features in a random projection of them.

Sparse features x reach the model as P x, of fewer dimensions. It answers
V ReLU(U P x + c), which should be x.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from superpos import checks
from superpos.compute import streams
from superpos.compute.gates import gate, instance_of, one_precision, seeds_of, shapes, tensors
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument
from superpos.training.adam import Adam
from superpos.training.procedures import Procedure

_BLOCK = 200  # steps whose draws are made at once


@dataclass(frozen=True)
class Sizes:
    """How large a decoder is.

    Attributes
    ----------
    features, inputs, neurons
        n features, projected to so many inputs; hidden neurons.
    probability
        p of each feature, in (0, 1].
    """

    features: int
    inputs: int
    neurons: int
    probability: float

    def __post_init__(self) -> None:
        for name in ("features", "inputs", "neurons"):
            checks.whole_number(name, getattr(self, name))
        if not 0 < self.probability <= 1:
            raise InvalidArgument(f"probability is {self.probability}: one in (0, 1] is needed")


_AXES = {"P": "... d n", "U": "... k d", "c": "... k", "V": "... n k"}
_OF_SEEDS = {name: axes.replace("...", "models") for name, axes in _AXES.items()}


def _in_single_precision(given: dict[str, Any]) -> None:
    """Refuse what the inputs, which are drawn so, cannot be multiplied with."""
    for name, value in given["start"].items():
        if name in _AXES and value.dtype is not torch.float32:
            raise InvalidArgument(f"{name} has dtype {value.dtype}: torch.float32 is needed")


def _of_these_sizes(name: str) -> Callable[[dict[str, Any]], None]:
    """Return what refuses a model with another number of features."""

    def check(given: dict[str, Any]) -> None:
        n, wanted = given[name]["P"].shape[-1], given["sizes"].features
        if n != wanted:
            raise InvalidArgument(f"{name} has n = {n}: that of sizes, {wanted}, is needed")

    return check


def _bias(name: str, value: float) -> float:
    found = checks.number(name, value)
    if abs(found) > torch.finfo(torch.float32).max:
        raise InvalidArgument(f"{name} is {found:g}: a number in single precision is needed")
    return found


@gate(sizes=instance_of(Sizes), bias=_bias, seeds=seeds_of)
def initial(sizes: Sizes, bias: float, *, seeds: Sequence[int]) -> dict[str, Tensor]:
    """Return a projection P of unit columns, and initial U, c and V.

    Parameters
    ----------
    sizes
        Of the model.
    bias
        What all of c is.
    seeds
        One for each model; models with other biases have the same P, U and V.

    Examples
    --------
    >>> start = initial(Sizes(6, 4, 5, 0.1), -0.1, seeds=[0, 1])
    >>> {name: tuple(value.shape) for name, value in start.items()}
    {'P': (2, 4, 6), 'U': (2, 5, 4), 'c': (2, 5), 'V': (2, 6, 5)}
    """
    n, d, k = sizes.features, sizes.inputs, sizes.neurons
    draws = [streams.generator(seed, Purpose.INITIAL_VALUES, n, d, k) for seed in seeds]
    P = torch.stack([torch.randn(d, n, generator=draw) for draw in draws])
    U = torch.stack([torch.randn(k, d, generator=draw) for draw in draws]) / d**0.5
    V = torch.stack([torch.randn(n, k, generator=draw) for draw in draws]) / k**0.5
    c = torch.full((len(seeds), k), float(bias))
    return {"P": P / P.norm(dim=-2, keepdim=True), "U": U, "c": c, "V": V}


@gate(
    shapes(model=_AXES, x="... batch n"),
    one_precision("model", "x"),
    model=tensors(*_AXES),
    x=checks.floating,
)
def answers(model: dict[str, Tensor], x: Tensor) -> Tensor:
    """Return what models answer to features x ``(..., inputs, n)``, of the same shape.

    Examples
    --------
    >>> answers(initial(Sizes(6, 4, 5, 0.1), 0.0, seeds=[0]), torch.zeros(1, 3, 6)).abs().max()
    tensor(0.)
    """
    hidden = (x @ (model["U"] @ model["P"]).mT + model["c"][..., None, :]).relu()
    return hidden @ model["V"].mT


@gate(
    sizes=instance_of(Sizes),
    count=checks.whole_number,
    block=partial(checks.whole_number, least=0),
    seeds=seeds_of,
    purpose=instance_of(Purpose),
)
def features(
    sizes: Sizes,
    count: int,
    block: int,
    *,
    seeds: Sequence[int],
    purpose: Purpose,
    device: str | torch.device = "cpu",
) -> Tensor:
    """Return features x ``(seeds, count, n)``: active with probability p, then uniform on [0, 1].

    Examples
    --------
    >>> features(Sizes(6, 4, 5, 1e-9), 3, 0, seeds=[0], purpose=Purpose.INPUTS).sum()
    tensor(0.)
    """
    u = streams.uniforms(seeds, purpose, block, (count, sizes.features), device=device)
    return torch.where(u < sizes.probability, u / sizes.probability, 0.0)


@gate(
    shapes(start=_OF_SEEDS, seeds="models"),
    _in_single_precision,
    _of_these_sizes("start"),
    sizes=instance_of(Sizes),
    start=tensors(*_AXES),
    procedure=instance_of(Procedure),
    seeds=seeds_of,
)
def train(
    sizes: Sizes, start: dict[str, Tensor], procedure: Procedure, *, seeds: Sequence[int]
) -> dict[str, Tensor]:
    """Train U, c and V by Adam on the squared error, summed over features.

    Parameters
    ----------
    sizes, start
        As `initial` takes and returns them.
    procedure
        How; each model of a seed sees the same inputs whatever its biases.
    seeds
        Which inputs are drawn.

    Returns
    -------
    dict of Tensor
        As ``start``.

    Examples
    --------
    >>> sizes = Sizes(6, 4, 5, 0.1)
    >>> at = {"seeds": [0]}
    >>> start = initial(sizes, 0.0, **at)
    >>> end = train(sizes, start, Procedure(steps=100), **at)
    >>> bool(loss(sizes, end, **at) < loss(sizes, start, **at))
    True
    """
    names = ("U", "c", "V")
    adam = Adam({name: start[name].clone() for name in names}, beta2=procedure.beta2,
                weight_decay=procedure.weight_decay)  # fmt: skip
    model = {"P": start["P"], **adam.parameters}
    for step in range(procedure.steps):
        if step % _BLOCK == 0:
            many = _BLOCK * procedure.batch_size
            drawn = features(
                sizes, many, step, seeds=seeds, purpose=Purpose.INPUTS, device=start["P"].device
            )
            drawn = drawn.unflatten(1, (_BLOCK, procedure.batch_size))
        x = drawn[:, step % _BLOCK]
        seen = x @ model["P"].mT
        z = seen @ model["U"].mT + model["c"][:, None]
        hidden = z.relu()
        error = (hidden @ model["V"].mT - x) * (2 / procedure.batch_size)
        back = torch.where(z > 0, error @ model["V"], 0.0)
        by = {"U": back.mT @ seen, "c": back.sum(1), "V": error.mT @ hidden}
        adam.step(by, procedure.rate(step))
    return model


@gate(
    shapes(model=_OF_SEEDS, seeds="models"),
    one_precision("model"),
    _of_these_sizes("model"),
    sizes=instance_of(Sizes),
    model=tensors(*_AXES),
    seeds=seeds_of,
    count=checks.whole_number,
)
def loss(
    sizes: Sizes, model: dict[str, Tensor], *, seeds: Sequence[int], count: int = 20_000
) -> Tensor:
    """Return the squared error on fresh inputs, summed over features, ``(seeds,)``.

    Examples
    --------
    >>> sizes = Sizes(2, 2, 2, 0.3)
    >>> silent = {name: 0 * value for name, value in initial(sizes, 0.0, seeds=[0]).items()}
    >>> bool((loss(sizes, silent, seeds=[0]) - 0.2).abs() < 0.01)  # 2 p / 3
    True
    """
    at = {"seeds": seeds, "purpose": Purpose.EVALUATION, "device": model["P"].device}
    x = features(sizes, count, 0, **at)
    return (answers(model, x) - x).square().sum(-1).mean(-1)


@gate(
    shapes(model={name: _AXES[name] for name in "PUc"}),
    one_precision("model"),
    model=tensors("P", "U", "c"),
)
def responses(model: dict[str, Tensor]) -> Tensor:
    """Return how strongly each neuron responds to each feature alone at 1, ``(..., neurons, n)``.

    Examples
    --------
    >>> responses(initial(Sizes(6, 4, 5, 0.1), -10.0, seeds=[0])).max()
    tensor(0.)
    """
    return (model["U"] @ model["P"] + model["c"][..., None]).relu()


def _at_least_two(given: dict[str, Any]) -> None:
    shape = tuple(given["response"].shape)
    if shape[-1] < 2:
        raise InvalidArgument(
            f"response has shape {shape}: (..., neurons, n), with n of at least 2, is needed"
        )


@gate(
    shapes(response="... neurons n"),
    _at_least_two,
    response=checks.floating,
    second=checks.number,
)
def monosemantic(response: Tensor, *, second: float) -> Tensor:
    """Return the share of responding neurons that respond to one feature, nearly alone.

    Parameters
    ----------
    response
        ``(..., neurons, n)``, at least 0.
    second
        The most that the second largest response may be, as a share of the largest.

    Returns
    -------
    Tensor
        ``(...)``; 0 where no neuron responds.

    Examples
    --------
    >>> monosemantic(torch.tensor([[1.0, 0.1], [1.0, 0.9], [0.0, 0.0]]), second=0.3)
    tensor(0.5000)
    """
    top = response.topk(2, dim=-1).values
    alive = top[..., 0] > 0
    alone = alive & (top[..., 1] <= second * top[..., 0])
    return alone.sum(-1) / alive.sum(-1).clamp_min(1)
