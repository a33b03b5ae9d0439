"""Reading a code in rounds: what several layers read from it that one linear reading does not.

Each round reads with Wᵀ, turns readings of boolean features into guesses by a sigmoid, and takes
off h what the guesses explain, so that the next round reads with less noise: approximate message
passing. Unrolled, a round is a linear layer and a non-linearity.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from superpos import checks
from superpos.codes.capacity import Readings, read

_LEAST_VARIANCE = 1e-6  # of readings: what rounding leaves of h is no noise


def read_in_rounds(
    W: Tensor, active: int, *, rounds: int = 20, inputs: int = 1000, seed: int = 0
) -> Readings:
    """Read inputs in which ``active`` boolean features are active, in rounds.

    With the guesses x' of the round before (0 at first), and r what they leave of h,

        f = x' + Wᵀr,   x'_new = σ((f − 1/2)/s² + ln(l/(n − l))),   s² = ‖r‖²/m,
        r_new = h − W x'_new + r · (n/m) · mean of dx'_new/df.

    Readings f are a feature plus noise of variance s², which is nearly normal by the last term; the
    sigmoid is then the probability that the feature is active.

    Parameters
    ----------
    W, active, inputs, seed
        As for `superpos.codes.capacity.read`, of whose inputs these are the same.
    rounds
        At least 1. One round reads with Wᵀ alone.

    Returns
    -------
    Readings
        Of the last round, before the sigmoid.

    References
    ----------
    Donoho, Maleki and Montanari 2009, "Message-passing algorithms for compressed sensing".

    Examples
    --------
    >>> from superpos.codes import random_code
    >>> W = random_code(128, 32)
    >>> first, last = (read_in_rounds(W, 4, rounds=k, inputs=100).noise for k in (1, 20))
    >>> last < first / 2
    True
    """
    rounds = checks.whole_number("rounds", rounds)
    first = read(W, active, inputs=inputs, seed=seed)
    x, f = first.x, first.f
    W = checks.one_model(W).to(f)
    m, n = W.shape
    h = x @ W.mT
    left = h
    rare = math.log(active / (n - active)) if active < n else math.inf
    for _ in range(rounds - 1):
        variance = left.square().mean(-1, keepdim=True).clamp_min(_LEAST_VARIANCE)
        guess = torch.sigmoid((f - 0.5) / variance + rare)
        slope = (guess * (1 - guess) / variance).mean(-1, keepdim=True)
        left = h - guess @ W.mT + left * (n / m) * slope
        f = guess + left @ W
    return Readings(f, x)


def read_by_pseudoinverse(W: Tensor, active: int, *, inputs: int = 1000, seed: int = 0) -> Readings:
    """Read the same inputs with the pseudoinverse of W, scaled so that a feature alone reads as 1.

    Of the linear read-outs of independent features it has the least noise for its signal.

    Examples
    --------
    It undoes any stretching of the hidden space:

    >>> W = torch.tensor([[1.0, 0.6], [0.0, 0.8]])
    >>> read_by_pseudoinverse(W, 1, inputs=10).noise < 1e-6
    True
    """
    x = read(W, active, inputs=inputs, seed=seed).x
    W = checks.one_model(W).to(x)
    readout = torch.linalg.pinv(W)
    readout = readout / (readout * W.mT).sum(-1, keepdim=True)
    return Readings(x @ W.mT @ readout.mT, x)
