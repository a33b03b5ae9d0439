"""Crowds: features so many that what others add to an output is known by its distribution alone.

An output of a tied ReLU-output model is (b_i + a (x_i + Z))₊, with a = ‖W_i‖² and the interference
Z = Σ cos · x_j. Where all features have the same Z, the best length and bias, and the loss, follow
from its distribution, as in `superpos.optima.ladder`; and where many small terms add up, Z is
Gaussian, of which mean and variance tell everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from superpos import checks
from superpos.checks import Numbers
from superpos.compute import streams
from superpos.compute.gates import gate
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument
from superpos.features import IndependentFeatures
from superpos.losses.linear import active_moments

_DEVIATIONS = 8.0  # up to which a Gaussian is laid out
_POINTS = 801
_GRID = 41  # biases that are tried side by side
_ROUNDS = 8  # in each of which the best one's surroundings are searched


@dataclass(frozen=True, eq=False)
class Crowd:
    """Features at their best length and bias, for each setting ``(...)``, in float64.

    Attributes
    ----------
    size, bias
        ‖W_i‖² and b_i.
    loss
        Of each feature.
    """

    size: Tensor
    bias: Tensor
    loss: Tensor


def at_best(places: Tensor, weights: Tensor, probability: float) -> Crowd:
    """Return the best length and bias for a given distribution of interference.

    Parameters
    ----------
    places, weights
        Values of Z, of unit vectors, and how likely they are: ``(points,)`` each; weights are
        divided by their sum.
    probability
        p of the own feature, in (0, 1].

    Returns
    -------
    Crowd

    Raises
    ------
    InvalidArgument
        If one of these is not as above.

    Examples
    --------
    A feature that is alone comes out as it is:

    >>> alone = at_best(torch.zeros(1), torch.ones(1), 0.1)
    >>> round(alone.size.item(), 4), alone.bias.abs().item() < 1e-6, alone.loss.abs().item() < 1e-9
    (1.0, True, True)
    """
    p = _probability(probability)
    z = checks.finite("places", places, dtype=torch.float64)
    w = checks.finite("weights", weights, dtype=torch.float64)
    if z.ndim != 1 or z.shape != w.shape or w.sum() <= 0:
        raise InvalidArgument(
            f"places and weights have shapes {tuple(z.shape)} and {tuple(w.shape)}: one weight for "
            "each place, and a sum above 0, are needed"
        )
    w = w / w.sum()

    def moments(beta: Tensor) -> tuple[Tensor, Tensor]:
        """P = E x (β + x + Z)₊ and Q = E (β + x + Z)₊², for each β."""
        c = beta[:, None] + z
        up, at = (c + 1).relu(), c.relu()
        P = p * ((up**3 - at**3) / 3 - c * (up**2 - at**2) / 2)
        Q = (1 - p) * at**2 + p * (up**3 - at**3) / 3
        return P @ w, Q @ w

    reach = z.abs().max() + 1
    spread = w @ (z - w @ z) ** 2
    low, high = -reach, reach + 6 * spread / (4 - 3 * p)  # the best of biases that never silence
    for _ in range(_ROUNDS):
        beta = torch.linspace(float(low), float(high), _GRID, dtype=torch.float64, device=z.device)
        P, Q = moments(beta)
        taken = torch.where(Q > 1e-12, P**2 / Q, 0.0)  # off E x²
        best = int(taken.argmax())
        low, high = beta[max(best - 1, 0)], beta[min(best + 1, _GRID - 1)]
    size = P[best] / Q[best]
    return Crowd(size, beta[best] * size, p / 3 - taken[best])


_exactly = partial(checks.finite, dtype=torch.float64)


def _some(given: dict[str, Any]) -> None:
    shape = checks.broadcast_shape(probability=given["probability"].shape, load=given["load"].shape)
    if not shape.numel():
        raise InvalidArgument("probability or load is empty: at least one of each is needed")


@gate(_some, probability=_exactly, load=_exactly)
def gaussian(probability: Numbers, load: Numbers) -> Crowd:
    """Return the best that features can do whose interference is Gaussian and least.

    n/m features a dimension, in a tight frame that sums to zero: the cosines of a unit vector with
    the others sum to −1 and their squares to n/m − 1, so that Z has the mean −p/2 and the variance
    (n/m − 1)(p/3 − p²/4).

    Parameters
    ----------
    probability
        p ``(...)``, in (0, 1].
    load
        n/m, at least 1; broadcasts with it.

    Returns
    -------
    Crowd
        ``(...)``.

    Raises
    ------
    InvalidArgument
        If one of these is not as above.

    References
    ----------
    Cowsik, Dolev and Infanger 2024, "The Persian Rug", abstract (large-scale statistics).

    Examples
    --------
    The same number of features a dimension costs the less the rarer they are:

    >>> saved = 1 - gaussian([0.3, 0.1, 0.01], 4.0).loss / torch.tensor([0.0775, 0.0308, 0.0033])
    >>> bool((saved.diff() > 0).all())
    True
    """
    p = checks.probabilities("probability", probability, dtype=torch.float64)
    load = checks.finite("load", load, dtype=torch.float64).to(p.device)
    if (p == 0).any() or (load < 1).any():
        raise InvalidArgument("probability must be above 0, and load at least 1")
    p, load = torch.broadcast_tensors(p, load)
    grid = torch.linspace(-_DEVIATIONS, _DEVIATIONS, _POINTS, dtype=torch.float64, device=p.device)
    found = []
    for one, many in zip(p.flatten(), load.flatten(), strict=True):  # type: ignore[union-attr]
        mean, variance = active_moments(one)
        places = -mean + ((many - 1) * variance).sqrt() * grid
        found.append(at_best(places, (-(grid**2) / 2).exp(), float(one)))
    names = ("size", "bias", "loss")
    return Crowd(*(torch.stack([getattr(c, k) for c in found]).reshape(p.shape) for k in names))


@gate(
    code=lambda name, code: checks.one_model(code, name=name),
    seed=partial(checks.whole_number, least=0),
)
def of_code(code: Tensor, probability: float, *, samples: int, seed: int = 0) -> tuple[Tensor, ...]:
    """Return a code as a model: one length for all, biases that take each mean away, at their best.

    The distribution of interference is that of sampled inputs, of all outputs together, each about
    its own mean.

    Parameters
    ----------
    code
        Unit columns ``(m, n)``.
    probability
        p, in (0, 1].
    samples
        Of inputs, at least 2.
    seed
        Selects them.

    Returns
    -------
    W, b
        ``(m, n)`` and ``(n,)``, float64.

    Examples
    --------
    >>> W, b = of_code(torch.eye(3), 0.1, samples=50)
    >>> W.round(decimals=3).diagonal().tolist(), b.abs().max().item() < 1e-3
    ([1.0, 1.0, 1.0], True)
    """
    samples = checks.whole_number("samples", samples, least=2)
    code = checks.weights(code)[0].double()
    p = _probability(probability)
    n = code.shape[-1]
    features = IndependentFeatures(n, p).to(code.device)
    shape = (samples, features.uniforms)
    u = streams.uniforms([seed], Purpose.EVALUATION, n, shape, device=code.device)[0]
    x = features.inputs(u).reshape(samples, n).double()
    own = (code**2).sum(0)
    Z = (x @ code.mT) @ code - own * x
    mean = (code.mT @ code.sum(1) - own) * p / 2
    values = (Z - mean).flatten()
    low, high = values.min(), values.max() + 1e-9
    place = ((values - low) / (high - low) * (_POINTS - 1)).round().long()
    weights = torch.bincount(place, minlength=_POINTS).double()
    grid = low + (high - low) * torch.arange(_POINTS, device=code.device) / (_POINTS - 1)
    best = at_best(grid, weights, p)
    return code * best.size.sqrt(), best.bias - best.size * mean


def _probability(value: float) -> float:
    """A probability above 0."""
    p = checks.probabilities("probability", value, dtype=torch.float64)
    if p.ndim or p == 0:
        raise InvalidArgument(
            f"probability is {checks.shortly(value)}: one number above 0 is needed"
        )
    return float(p)
