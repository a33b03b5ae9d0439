"""Branches of optima: followed along a setting, to where two of them cost the same.

An optimum moves smoothly as a setting of the problem (a density, an importance) changes: it is one
point of a branch. Two branches may both be minima over a range of settings; where their losses
cross, the best arrangement jumps from one to the other, and the best loss has a kink.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from superpos import checks
from superpos.checks import Numbers
from superpos.errors import InvalidArgument
from superpos.losses import exact_loss
from superpos.optima import Optimum, least_curvature, minimise

Settings = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From values ``(...)`` of the setting to probability and importance, differentiably: each
broadcasts to ``(..., n)``. Values may have more axes before the models' own."""

_SAME = 1e-3  # the largest difference of WᵀW between two models that are one and the same
_MOST_STEPS = 100


@dataclass(frozen=True, eq=False)
class Crossing:
    """Where the losses of two branches cross. The first axis is that of the two branches.

    Attributes
    ----------
    at
        The setting, ``(...)``.
    W, b, loss
        The two optima there: ``(2, ..., m, n)``, ``(2, ..., n)`` and ``(2, ...)``.
    slope
        The derivatives of the two losses by the setting, ``(2, ...)``; see `slope`.
    curvature
        The least curvature of either, ``(2, ...)``: both are minima where it is above 0; see
        `superpos.optima.least_curvature`.
    crosses
        Whether the losses are equal there, of two different models, ``(...)``. If not, one
        branch has ended before it crossed the other, or the ends are on one side.
    """

    at: Tensor
    W: Tensor
    b: Tensor
    loss: Tensor
    slope: Tensor
    curvature: Tensor
    crosses: Tensor


def follow(
    W: Tensor, b: Tensor, settings: Settings, at: Tensor, *, tolerance: float = 1e-8
) -> Optimum:
    """Follow optima along a setting: at each value, descend from the optimum at the one before.

    Where a branch ends, descent falls to another one, and what follows is on that. A branch
    that turns into a saddle without moving is followed on; `superpos.optima.least_curvature`
    tells.

    Parameters
    ----------
    W, b
        Near the optima at the first value: ``(..., m, n)`` and ``(..., n)``.
    settings
        From values ``(...)`` to probability and importance, which broadcast to ``(..., n)``.
    at
        The values, in order: ``(k,)``, or ``(k, ...)`` for values of its own for each model.
    tolerance
        As for `superpos.optima.minimise`.

    Returns
    -------
    Optimum
        With a first axis of length k.

    Raises
    ------
    InvalidArgument
        If one of these is not as above, or ``settings`` gives no probability and importance.

    Examples
    --------
    A feature alone in its dimension needs no bias, however sparse it is:

    >>> def density(p):
    ...     return p[..., None], torch.ones(1)
    >>> branch = follow(torch.ones(1, 1), torch.zeros(1), density, torch.tensor([0.5, 0.1]))
    >>> branch.W.shape, branch.loss.round(decimals=6)
    (torch.Size([2, 1, 1]), tensor([0., 0.], dtype=torch.float64))
    """
    W, b = checks.weights(W, b)
    at = checks.finite("at", at, dtype=torch.float64, device=W.device)
    if at.ndim == 0 or not len(at):
        raise InvalidArgument(f"at has shape {tuple(at.shape)}: some values along an axis needed")
    found = []
    for value in at:
        given = checks.settings(settings, "at", value, W.shape[-1])
        found.append(minimise(W, b, *given, tolerance=tolerance))
        W, b = found[-1].W, found[-1].b
    return Optimum(
        **{name: torch.stack([getattr(each, name) for each in found]) for name in vars(found[0])}
    )


def slope(W: Tensor, b: Tensor, settings: Settings, at: Tensor) -> Tensor:
    """Return the derivative of an optimum's loss by the setting, ``(...)``.

    The optimum (W, b) moves with the setting s, but at an optimum the loss does not change with W
    and b to first order: dL/ds = ∂L/∂s, with W and b held (the envelope theorem).

    Parameters
    ----------
    W, b
        Optima, ``(..., m, n)`` and ``(..., n)``.
    settings, at
        As for `follow`, with one value for each model: ``(...)``.

    Raises
    ------
    InvalidArgument
        As for `follow`.

    Examples
    --------
    What is not represented costs p/3 − p²/4, its variance:

    >>> def density(p):
    ...     return p[..., None], torch.ones(1)
    >>> slope(torch.zeros(1, 1), torch.tensor([0.2]), density, torch.tensor(0.4))  # 1/3 − p/2
    tensor(0.1333, dtype=torch.float64)
    """
    W, b = checks.weights(W, b)
    at = checks.finite("at", at, dtype=torch.float64, device=W.device)
    at = at.expand(checks.broadcast_shape(W=W.shape[:-2], b=b.shape[:-1], at=at.shape))
    at = at.detach().clone().requires_grad_()
    with torch.enable_grad():  # whatever a notebook has set
        given = checks.settings(settings, "at", at, W.shape[-1])
        return torch.autograd.grad(exact_loss(W, b, *given).sum(), at)[0]


def crossing(
    one: tuple[Tensor, Tensor],
    other: tuple[Tensor, Tensor],
    settings: Settings,
    low: Numbers,
    high: Numbers,
    *,
    accuracy: float = 1e-9,
) -> Crossing:
    """Find the settings where the losses of two branches are equal, for many pairs at once.

    One branch is the better at ``low``, the other at ``high``. Each pair's interval shrinks by
    Newton's steps, and by halving where these leave it. A branch that ends on the way falls to the
    other; there the other counts as the better.

    Parameters
    ----------
    one, other
        W ``(..., m, n)`` and b ``(..., n)`` near an optimum of the branch that is the better at
        ``low``, and near one, at ``high``, of that which is the better there.
    settings
        As for `follow`.
    low, high
        The ends, broadcast to ``(...)``.
    accuracy
        The difference of the losses, as a share of the loss, that counts as none. Where there is
        no crossing, the search ends when the interval is as small, as a share of the setting.

    Returns
    -------
    Crossing

    Raises
    ------
    InvalidArgument
        If one of these is not as above, or ``settings`` gives no probability and importance.

    Examples
    --------
    Two features, one dimension and dense inputs: the more important one is kept, and which one
    that is changes where both are equally important. (The other is kept a little, too: from a
    start with exactly 0 of it, descent would end at a saddle.)

    >>> def importance(r):
    ...     return torch.tensor(0.8), torch.stack([torch.ones_like(r), r], dim=-1)
    >>> first = torch.tensor([[0.9, -0.4]]), torch.tensor([0.2, 0.5])
    >>> second = torch.tensor([[-0.4, 0.9]]), torch.tensor([0.5, 0.2])
    >>> found = crossing(first, second, importance, 0.95, 1.04)
    >>> round(found.at.item(), 6), (found.curvature > 0).tolist()
    (1.0, [True, True])
    """
    accuracy = checks.positive_number("accuracy", accuracy)
    models = [_model("one", one), _model("other", other)]
    device, (m, n) = models[0][0].device, models[0][0].shape[-2:]
    if models[1][0].shape[-2:] != (m, n):
        raise InvalidArgument(
            f"other has W of shape {tuple(models[1][0].shape)}: the (m, n) of one, {(m, n)}, is "
            "needed"
        )
    low = checks.finite("low", low, dtype=torch.float64, device=device).detach()
    high = checks.finite("high", high, dtype=torch.float64, device=device).detach()
    checks.settings(settings, "high", high, n)
    probability, importance = checks.settings(settings, "low", low, n)
    shape = checks.broadcast_shape(
        one=models[0][0].shape[:-2],
        other=models[1][0].shape[:-2],
        low=low.shape,
        high=high.shape,
        probability=probability.shape[:-1],
        importance=importance.shape[:-1],
    )
    if not shape.numel():
        raise InvalidArgument(f"low and high broadcast to {tuple(shape)}: no value is there")
    W = torch.stack([W.double().expand(*shape, m, n) for W, _ in models])
    b = torch.stack([b.double().expand(*shape, n) for _, b in models])
    low, high = low.expand(shape), high.expand(shape)
    at = (low + high) / 2
    for _ in range(_MOST_STEPS):
        found = minimise(W, b, *settings(at))
        lead, fallen = _lead(found, W)
        level = lead.abs() <= accuracy * found.loss.amax(0)
        if (level | (high - low <= accuracy * at.abs())).all():
            break
        low, high = torch.where(lead > 0, at, low), torch.where(lead > 0, high, at)
        W = torch.where(fallen[..., None, None], W, found.W)
        b = torch.where(fallen[..., None], b, found.b)
        slopes = slope(found.W, found.b, settings, at)
        newton = at - lead / (slopes[1] - slopes[0])
        inside = (newton > low) & (newton < high) & ~fallen.any(0)
        at = torch.where(level, at, torch.where(inside, newton, (low + high) / 2))
    return Crossing(
        at=at,
        W=found.W,
        b=found.b,
        loss=found.loss,
        slope=slope(found.W, found.b, settings, at),
        curvature=least_curvature(found.W, found.b, *settings(at)),
        crosses=level & ~fallen.any(0),
    )


def end(
    W: Tensor,
    b: Tensor,
    settings: Settings,
    low: Numbers,
    high: Numbers,
    there: Callable[[Tensor], Tensor],
    *,
    accuracy: float = 1e-3,
) -> Tensor:
    """Find how far a branch reaches as a minimum, by halving: the last setting, ``(...)``.

    Parameters
    ----------
    W, b
        Near the branch's optima at ``low``: ``(..., m, n)`` and ``(..., n)``.
    settings
        As for `follow`.
    low, high
        The branch is a minimum at ``low``. Where it still is one at ``high``, that is returned.
        They broadcast to ``(...)``; ``high`` may be the smaller.
    there
        Whether models W ``(..., m, n)`` are on the branch, ``(...)``.
    accuracy
        The difference from the true end, in the setting's unit; not below what float64 tells apart.

    Raises
    ------
    InvalidArgument
        If one of these is not as above, ``settings`` gives no probability and importance, or W and
        b lead to no minimum of the branch at ``low``.

    Examples
    --------
    A single feature of two, kept alone in one dimension, is no minimum where inputs are sparse:

    >>> def density(p):
    ...     return p[..., None], torch.ones(2)
    >>> def alone(W):
    ...     return (W.square() > 0.5).sum((-2, -1)) == 1
    >>> start = torch.tensor([[0.9, -0.4]]), torch.tensor([0.2, 0.5])
    >>> round(end(*start, density, 0.8, 0.5, alone, accuracy=0.01).item(), 1)
    0.7
    """
    accuracy = checks.positive_number("accuracy", accuracy)
    W, b = checks.weights(W, b)
    low = checks.finite("low", low, dtype=torch.float64, device=W.device).detach()
    high = checks.finite("high", high, dtype=torch.float64, device=W.device).detach()
    for name, each in (("low", low), ("high", high)):
        checks.settings(settings, name, each, W.shape[-1])
    checks.function("there", there)
    shape = checks.broadcast_shape(low=low.shape, high=high.shape)
    if not shape.numel():
        raise InvalidArgument(f"low and high broadcast to {tuple(shape)}: no value is there")
    first, tried = low.expand(shape).clone(), high.expand(shape).clone()

    def reached(at: Tensor, W: Tensor, b: Tensor) -> tuple[Tensor, Optimum]:
        found = minimise(W, b, *settings(at))
        least = least_curvature(found.W, found.b, *settings(at))
        return there(found.W) & (least > 0), found

    good, found = reached(first, W, b)
    if not good.all():
        raise InvalidArgument("W and b lead to no minimum of the branch at low")
    W, b, last, beyond = found.W, found.b, first, tried
    while True:
        good, found = reached(tried, W, b)
        last, beyond = torch.where(good, tried, last), torch.where(good, beyond, tried)
        W = torch.where(good[..., None, None], found.W, W)
        b = torch.where(good[..., None], found.b, b)
        tried = (last + beyond) / 2
        if (((beyond - last).abs() <= accuracy) | (tried == last) | (tried == beyond)).all():
            return last


def _model(name: str, value: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return W and b of a model, which messages call so."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise InvalidArgument(f"{name} is {checks.shortly(value)}: W and b are needed")
    try:
        return checks.weights(*value)
    except InvalidArgument as refused:
        raise InvalidArgument(f"{name} is no model: {refused}") from None


def _lead(found: Optimum, W: Tensor) -> tuple[Tensor, Tensor]:
    """Return by how much the first of two branches is the better, and which one has ended.

    ``W`` is where each came from. If both are now the same model, then the branch that moved
    further to get there has ended, and is worse by a mark that is no difference of losses.
    """
    gram = found.W.mT @ found.W
    moved = (gram - W.mT @ W).flatten(-2).abs().amax(-1)
    same = (gram[0] - gram[1]).flatten(-2).abs().amax(-1) <= _SAME
    first = moved[0] > moved[1]
    fallen = torch.stack([same & first, same & ~first])
    lead = found.loss[1] - found.loss[0]
    return torch.where(same, torch.where(first, -torch.inf, torch.inf), lead), fallen
