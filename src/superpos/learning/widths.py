"""Models of many features of different frequencies, with weight decay of either sign.

Decay that is positive makes features shorter, so that those that earn little are dropped; decay
that is negative draws every feature to length 1, so that all are represented and overlap.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from superpos import checks
from superpos.checks import Numbers
from superpos.compute import streams
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument
from superpos.features import IndependentFeatures
from superpos.models import RELU_OUTPUT
from superpos.training.adam import Adam
from superpos.training.objectives import objective
from superpos.training.procedures import Procedure


def frequencies(n: int, active: float = 1.0) -> dict[str, Tensor]:
    """Return probabilities of n features from the most frequent on, by the name of their law.

    Parameters
    ----------
    n
        How many, at least 2.
    active
        Of which so many are active on average, above 0; no probability is above 1.

    Returns
    -------
    dict
        ``(n,)`` each, in float64.

    Examples
    --------
    >>> laws = frequencies(1000)
    >>> list(laws)
    ['equal', 'i^-0.5', 'i^-1', 'i^-1.5', 'exponential', 'linear']
    >>> [round(p.sum().item(), 6) for p in laws.values()] == [1.0] * 6
    True
    """
    n = checks.whole_number("n", n, least=2)
    active = checks.positive_number("active", active)
    i = torch.arange(1, n + 1, dtype=torch.float64)
    weights = {
        "equal": torch.ones_like(i),
        "i^-0.5": i**-0.5,
        "i^-1": i**-1,
        "i^-1.5": i**-1.5,
        "exponential": (-5 * i / n).exp(),
        "linear": n + 1 - i,
    }
    return {name: (active * w / w.sum()).clamp_max(1) for name, w in weights.items()}


def train(
    probability: Numbers, m: int, decay: float, procedure: Procedure, *, seeds: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Train tied ReLU-output models with weight decay of either sign.

    Each step of Adam at rate η is followed by W_i ← W_i − η γ W_i where γ is positive, and by
    W_i ← W_i + η |γ| W_i (1/‖W_i‖ − 1) where it is negative. Features begin half as long as 1.

    Parameters
    ----------
    probability
        Of the features, ``(settings, n)``.
    m
        Dimensions.
    decay
        γ.
    procedure
        Of it count steps, batch size, rates and ``beta2``.
    seeds
        Of initial values and inputs.

    Returns
    -------
    W, b
        ``(seeds, settings, m, n)`` and ``(seeds, settings, n)``.

    Raises
    ------
    InvalidArgument
        If one of these is not as above.

    References
    ----------
    Liu, Liu and Gore 2025, "Superposition Yields Robust Neural Scaling", abstract.

    Examples
    --------
    >>> how = Procedure(steps=100, learning_rate=0.05)
    >>> W, b = train(torch.full((1, 20), 0.05), 4, -1.0, how, seeds=[0])
    >>> W.shape, bool((W.norm(dim=-2) > 0.5).all())
    (torch.Size([1, 1, 4, 20]), True)
    """
    m = checks.whole_number("m", m)
    decay = checks.number("decay", decay)
    checks.instance("procedure", procedure, Procedure)
    seeds = streams.seed_list(seeds)
    p = checks.probabilities("probability", probability, dtype=torch.get_default_dtype()).detach()
    if p.ndim != 2 or not p.numel():
        raise InvalidArgument(f"probability has shape {tuple(p.shape)}: (settings, n) is needed")
    count, n = p.shape
    draws = [streams.generator(seed, Purpose.INITIAL_VALUES, n, m) for seed in seeds]
    W = torch.stack([torch.randn(m, n, generator=draw) for draw in draws]) / (2 * m**0.5)
    W = W[:, None].repeat(1, count, 1, 1).to(p.device)
    parameters = {"W": W, "b": torch.zeros(len(seeds), count, n, device=p.device)}
    features = IndependentFeatures(n, p)
    target = objective(RELU_OUTPUT, features, torch.ones_like(p), integrate=False, skip_silent=True)
    adam = Adam(parameters, beta2=procedure.beta2)
    for step in range(procedure.steps):
        shape = (procedure.batch_size, features.uniforms)
        u = streams.uniforms(seeds, Purpose.INPUTS, step, shape, device=p.device)
        rate = procedure.rate(step)
        adam.step(target.gradients(parameters, u), rate)
        if decay > 0:
            W.mul_(1 - rate * decay)
        elif decay < 0:
            W.mul_(1 - rate * decay * (1 / W.norm(dim=-2, keepdim=True).clamp_min(1e-6) - 1))
    return W, parameters["b"]


def left_out(probability: Tensor, m: int) -> Tensor:
    """Return what a model loses that represents its m most frequent features alone, exactly.

    Parameters
    ----------
    probability
        ``(..., n)``.
    m
        How many are represented, at least 0.

    Raises
    ------
    InvalidArgument
        If one of these is not as above.

    Examples
    --------
    >>> left_out(torch.tensor([0.5, 0.1, 0.1]), 1)
    tensor(0.0617)
    """
    p, m = checks.probabilities("probability", probability), checks.whole_number("m", m, least=0)
    if not p.ndim:
        raise InvalidArgument(f"probability is {p.item():g}: (..., n) is needed")
    p = p.sort(-1, descending=True).values[..., m:]
    return (p / 3 - p**2 / 4).sum(-1)


def exponent(loss: Tensor, m: Sequence[int]) -> Tensor:
    """Return α of the law loss ∝ m^−α that fits best, by least squares of logarithms.

    Parameters
    ----------
    loss
        ``(len(m), ...)``, above 0.
    m
        At least two different numbers of dimensions.

    Raises
    ------
    InvalidArgument
        If one of these is not as above.

    Examples
    --------
    >>> round(exponent(torch.tensor([6.0, 3.0, 2.0]), [1, 2, 3]).item(), 6)
    1.0
    """
    m, loss = checks.whole_numbers("m", m, least=1), checks.finite("loss", loss)
    if len({*m}) < 2:
        raise InvalidArgument(f"m is {checks.shortly(m)}: two different numbers are needed")
    if not loss.ndim or len(loss) != len(m) or (loss <= 0).any():
        raise InvalidArgument(
            f"loss has shape {tuple(loss.shape)}: ({len(m)}, ...), all above 0, is needed"
        )
    x = torch.tensor(m, dtype=torch.float64).log()
    x = (x - x.mean()).to(loss.device)
    y = loss.double().log()
    return -torch.tensordot(x, y - y.mean(0), 1) / (x**2).sum()
