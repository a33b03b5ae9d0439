"""Regular k-gons in a plane while one feature is active at a time, and the ways between them.

Inputs have exactly one active feature, each as often, with a value uniform on [0, 1]: what is left
of independent features as p goes to 0. Output i on feature j is a ramp over that value,
ReLU(W_i·W_j x + b_i), and everything has a closed form.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from superpos import checks
from superpos.compute import streams
from superpos.compute.gates import gate, instance_of, seeds_of, shapes
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument
from superpos.features import AnticorrelatedSets, FeatureDistribution
from superpos.geometry import squared_norms
from superpos.losses.exact import check_few_features
from superpos.optima.newton import Optimum, minimise
from superpos.training.procedures import Procedure

_BLOCK = 200  # steps whose draws are made at once


def inputs(n: int) -> AnticorrelatedSets:
    """Return how inputs are drawn: one set of n features, of which exactly one is active.

    Examples
    --------
    >>> inputs(4).mean.tolist()
    [0.125, 0.125, 0.125, 0.125]
    """
    return AnticorrelatedSets(1, checks.whole_number("n", n), 1.0)


@gate(shapes("W", W="... m n", b="... *n"), W=checks.floating, b=checks.floating)
def loss(W: Tensor, b: Tensor) -> Tensor:
    """Return the expected loss of tied ReLU-output models, in closed form.

    The same as `superpos.losses.exact_loss` on `inputs`, for any n and some hundred times sooner;
    in the precision of W.

    Parameters
    ----------
    W, b
        ``(..., m, n)`` and ``(..., n)``.

    Returns
    -------
    Tensor
        ``(...)``, summed over outputs. It can be differentiated.

    References
    ----------
    Chen et al. 2023, "Dynamical versus Bayesian Phase Transitions in a Toy Model of Superposition",
    derive it for this limit too.

    Examples
    --------
    Two features on two axes are read without error; a third that is left out costs a third of the
    mean square of an active feature, 1/3:

    >>> W = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    >>> round(loss(W, torch.zeros(3)).item(), 4)
    0.1111
    """
    W, b = checks.weights(W, b)
    slope = W.mT @ W
    own = torch.eye(W.shape[-1], dtype=W.dtype, device=W.device)
    return _ramp_errors(b[..., :, None].expand_as(slope), slope, own).sum((-2, -1)) / W.shape[-1]


def _ramp_errors(start: Tensor, slope: Tensor, own: Tensor) -> Tensor:
    """Return ∫₀¹ (own x − ReLU(start + slope x))² dx.

    The ramp is above 0 on one interval [low, high] of [0, 1], on which the error is a square of a
    straight line; elsewhere it is own² x².
    """
    end = start + slope
    steep = torch.where(slope.abs() < 1e-12, 1.0, slope)
    kink = (-start / steep).clamp(0, 1)
    low = torch.where(start > 0, 0.0, torch.where(end > 0, kink, 1.0))
    high = torch.where(end > 0, 1.0, torch.where(start > 0, kink, 1.0))
    high = torch.maximum(high, low)
    first, last = start + (slope - own) * low, start + (slope - own) * high
    inside = (high - low) * (first**2 + first * last + last**2) / 3
    return inside + own**2 * (1 - high**3 + low**3) / 3


def regular(
    n: int,
    k: int,
    *,
    positive: int = 0,
    silent: float = -1.0,
    features: FeatureDistribution | None = None,
) -> Optimum:
    """Return the best regular k-gon of n features, the others left out.

    Descent from a symmetric start stays symmetric, so it finds the best radius and biases.

    Parameters
    ----------
    n, k
        Numbers of features and of corners, with 3 ≤ k ≤ n ≤ 14.
    positive
        Of how many of the others the bias is free and ends at their mean; the first ones.
    silent
        The bias of the rest, below 0: they are never answered, and nothing moves them.
    features
        Another distribution of inputs; by default `inputs`.

    Raises
    ------
    InvalidArgument
        If k or ``positive`` is not as above.

    Examples
    --------
    The corners of a square do not disturb each other, those of a pentagon do:

    >>> [round(abs(regular(6, k).b[0].item()), 3) for k in (4, 5)]
    [0.0, 0.282]
    """
    n, k = checks.whole_number("n", n, least=3), checks.whole_number("k", k)
    positive = checks.whole_number("positive", positive, least=-n)
    silent = checks.number("silent", silent)
    check_few_features(n)
    if not 3 <= k <= n or not 0 <= positive <= n - k:
        raise InvalidArgument(
            f"k is {k} and positive {positive}: of n = {n} features at least 3 are corners, and "
            "at most the others have a positive bias"
        )
    angle = 2 * math.pi * torch.arange(k, dtype=torch.float64) / k
    W, b = torch.zeros(2, n, dtype=torch.float64), torch.full((n,), silent, dtype=torch.float64)
    W[:, :k] = 1.05 * torch.stack([angle.cos(), angle.sin()])
    b[:k], b[k : k + positive] = -0.1, 0.1
    return minimise(W, b, inputs(n) if features is None else features)


def _length(name: str, value: float) -> float:
    """A length, of which the square is a number too."""
    found = checks.number(name, value)
    if abs(found) > 1e100:
        raise InvalidArgument(f"{name} is {found:g}: a length of a feature is needed")
    return found


@gate(shapes(W="... m n"), W=checks.floating, long=_length)
def corners(W: Tensor, *, long: float = 0.5) -> Tensor:
    """Return how many features are at least ``long``, ``(...)``.

    Examples
    --------
    >>> corners(regular(6, 5).W)
    tensor(5)
    """
    return (squared_norms(W) >= long**2).sum(-1)


def _in_a_plane(given: dict[str, Any]) -> None:
    shape = tuple(given["W"].shape)
    if shape[-2] != 2:
        raise InvalidArgument(f"W has shape {shape}: (..., 2, n) is needed")


@gate(
    shapes(W="... m n"),
    _in_a_plane,
    W=checks.floating,
    long=_length,
    degrees=checks.number,
)
def is_regular(W: Tensor, *, long: float, degrees: float) -> Tensor:
    """Return whether at least three features are that long, and as far apart as corners are.

    Parameters
    ----------
    W
        ``(..., 2, n)``.
    long
        What counts as a corner.
    degrees
        How far an angle between neighbours may be from 360°/k.

    Returns
    -------
    Tensor
        ``(...)``.

    Examples
    --------
    >>> W = torch.stack([regular(6, 4).W, torch.eye(2, 6).double().cumsum(-1)])
    >>> is_regular(W, long=0.5, degrees=15)
    tensor([ True, False])
    """
    kept = squared_norms(W) >= long**2
    k = kept.sum(-1)
    angle = torch.atan2(W[..., 1, :], W[..., 0, :])
    # features that are left out sort behind the others, and the first comes again after the last
    order = torch.where(kept, angle, torch.inf).sort(-1).values
    last = order.masked_fill(order.isinf(), -torch.inf).amax(-1)
    gaps = torch.cat([order.diff(dim=-1), (order[..., 0] + 2 * math.pi - last)[..., None]], -1)
    off = (gaps - 2 * math.pi / k[..., None]).abs()
    off = torch.where(gaps.isfinite(), off, 0.0)
    return (k >= 3) & (off.amax(-1) <= math.radians(degrees))


def _one_row_a_seed(given: dict[str, Any]) -> None:
    """Refuse starts that are not one for each seed, and records that no step reaches."""
    W, b, seeds, steps = given["W"], given["b"], given["seeds"], given["procedure"].steps
    shape = checks.broadcast_shape(W=W.shape[:-2], b=b.shape[:-1])
    if W.ndim < 3 or shape[0] != len(seeds):
        raise InvalidArgument(
            f"W has shape {tuple(W.shape)} and b {tuple(b.shape)}: (seeds, ..., m, n) and "
            f"(seeds, ..., n) for {len(seeds)} seeds are needed"
        )
    record = given.get("record", ())
    if record and (record != sorted(record) or record[-1] > steps):
        raise InvalidArgument(f"record is {record}: rising steps from 0 to {steps} are needed")
    if 0 in record:  # then the starts are joined with what they become
        given["W"], given["b"] = W.expand(*shape, *W.shape[-2:]), b.expand(*shape, W.shape[-1])


@gate(
    shapes(W="... m n", b="... *n"),
    _one_row_a_seed,
    W=checks.floating,
    b=checks.floating,
    procedure=instance_of(Procedure),
    seeds=seeds_of,
    record=checks.whole_numbers,
)
def descend(
    W: Tensor,
    b: Tensor,
    procedure: Procedure,
    *,
    seeds: Sequence[int],
    record: Sequence[int] = (),
) -> tuple[Tensor, Tensor]:
    """Descend by plain stochastic gradient descent: no momentum, no adaptive rate.

    A batch has the same features for all models of a seed.

    Parameters
    ----------
    W, b
        The starts, ``(seeds, ..., m, n)`` and ``(seeds, ..., n)``.
    procedure
        Of it count ``steps``, ``batch_size``, ``learning_rate``, ``warmup`` and ``cosine``.
    seeds
        Which batches are drawn, one for each row of the starts.
    record
        After how many steps to keep the models, increasing, from 0 to all steps; by default at the
        end.

    Returns
    -------
    W, b
        ``(record, seeds, ..., m, n)`` and ``(record, seeds, ..., n)``.

    Examples
    --------
    >>> start = regular(6, 6)
    >>> W, b = descend(start.W[None], start.b[None], Procedure(steps=10), seeds=[0], record=[0, 10])
    >>> W.shape, corners(W)[-1]
    (torch.Size([2, 1, 2, 6]), tensor([6]))
    """
    W, b = checks.weights(W, b)
    W, b, n = W.clone(), b.clone(), W.shape[-1]
    kept: list[tuple[Tensor, Tensor]] = []
    record = list(record) or [procedure.steps]
    if record[0] == 0:
        kept.append((W.clone(), b.clone()))
    inner = (1,) * (W.dim() - 3)
    for block in range(0, procedure.steps, _BLOCK):
        steps = min(_BLOCK, procedure.steps - block)
        drawn = streams.uniforms(
            seeds, Purpose.INPUTS, block, (2, _BLOCK, procedure.batch_size), device=W.device
        )
        which = (drawn[:, 0] * n).long().clamp_max(n - 1)
        value = drawn[:, 1].to(W.dtype)
        for step in range(steps):
            some = torch.nn.functional.one_hot(which[:, step], n).to(W.dtype)
            x = (some * value[:, step, :, None]).reshape(len(seeds), *inner, -1, n)
            h = x @ W.mT
            z = h @ W + b[..., None, :]
            error = torch.where(z > 0, z - x, 0.0) * (2 / procedure.batch_size)
            by_W = h.mT @ error + (x.mT @ (error @ W.mT)).mT
            rate = procedure.rate(block + step)
            W, b = W - rate * by_W, b - rate * error.sum(-2)
            if block + step + 1 in record:
                kept.append((W, b))
    return torch.stack([each[0] for each in kept]), torch.stack([each[1] for each in kept])
