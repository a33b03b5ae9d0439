"""Gradient descent while a setting drifts: what trained models do as their inputs change."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from superpos import checks
from superpos.compute import streams
from superpos.errors import Diverged, InvalidArgument
from superpos.features import IndependentFeatures
from superpos.models import RELU_OUTPUT
from superpos.training.descent import Descent
from superpos.training.objectives import Objective, objective
from superpos.training.procedures import Procedure


def drift(
    W: Tensor,
    b: Tensor,
    settings: Callable[[Tensor], tuple[Tensor, Tensor]],
    at: Tensor,
    *,
    seeds: int | Sequence[int],
    steps: int,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
) -> tuple[Tensor, Tensor]:
    """Train tied ReLU-output models with Adam while a setting goes through given values.

    Parameters
    ----------
    W, b
        The start, ``(*settings, m, n)`` and ``(*settings, n)``: the same for every seed.
    settings
        From a value to probability and importance, as for `superpos.optima.branches.follow`.
    at
        The values, in order: ``(k,)``.
    seeds
        Whole numbers, or how many of them, counted from 0: they select the batches.
    steps
        Steps of Adam at each value, at least 1; Adam keeps its averages from one to the next.
    batch_size
        Inputs in a step, of which each output's own is integrated (see
        `superpos.training.objectives`).
    learning_rate
        Adam's rate, constant.

    Returns
    -------
    W, b
        At the end of each value: ``(k, seeds, *settings, m, n)`` and ``(k, seeds, *settings, n)``.

    Raises
    ------
    InvalidArgument
        If one of these is not as above, or ``settings`` gives no probability and importance.
    Diverged
        If a loss stops being finite; carries the parameters at the end of the value before.

    Examples
    --------
    >>> def density(p):
    ...     return p[..., None], torch.ones(1)
    >>> start = torch.tensor([[1.0, -1.0]]), torch.zeros(2)
    >>> W, b = drift(*start, density, torch.tensor([0.1, 0.2, 0.3]), seeds=2, steps=5)
    >>> W.shape
    torch.Size([3, 2, 1, 2])
    """
    W, b = (each.detach() for each in checks.weights(W, b))
    at = checks.finite("at", at, dtype=torch.float64, device=W.device).detach()
    if at.ndim != 1 or not len(at):
        raise InvalidArgument(f"at has shape {tuple(at.shape)}: a list of values is needed")
    seeds, steps = streams.seed_list(seeds), checks.whole_number("steps", steps)
    constant = Procedure(
        steps=steps * len(at),
        batch_size=batch_size,
        learning_rate=learning_rate,
        warmup=0,
        cosine=False,
    )
    m, n = W.shape[-2:]
    probability, importance = checks.settings(settings, "at", at[0], n)
    shape = checks.broadcast_shape(
        W=W.shape[:-2],
        b=b.shape[:-1],
        probability=probability.shape[:-1],
        importance=importance.shape[:-1],
    )
    start = {
        "W": W.float().expand(len(seeds), *shape, m, n).reshape(len(seeds), -1, m, n),
        "b": b.float().expand(len(seeds), *shape, n).reshape(len(seeds), -1, n),
    }
    parameters = {
        name: value.clone(memory_format=torch.contiguous_format) for name, value in start.items()
    }

    def target(value: Tensor) -> Objective:
        p, I = (
            values.to(W.device, torch.float32).expand(*shape, n).reshape(-1, n)
            for values in checks.settings(settings, "at", value, n)
        )
        return objective(RELU_OUTPUT, IndependentFeatures(n, p), I, integrate=True)

    descent = Descent(target(at[0]), parameters, constant, uniforms=1 + n, seeds=seeds, block=steps)
    found = []
    for number, value in enumerate(at):
        descent.target = target(value)
        try:
            descent.block()
        except Diverged as error:
            raise Diverged(
                f"training diverged at the value {value:g}, number {number}: a smaller "
                "learning_rate may help",
                last_good=error.last_good,
            ) from None
        found.append({name: values.clone() for name, values in parameters.items()})
    W, b = (torch.stack([each[name] for each in found]) for name in ("W", "b"))
    return W.reshape(*W.shape[:2], *shape, m, n), b.reshape(*b.shape[:2], *shape, n)
