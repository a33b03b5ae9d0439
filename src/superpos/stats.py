"""Rates and means with the interval that says how well they are known; the best of some tries."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from superpos import checks
from superpos.compute.gates import gate
from superpos.errors import InvalidArgument


def rate_interval(outcomes: Tensor) -> tuple[float, float]:
    """Return the 95 % Wilson interval of the rate of true outcomes.

    Parameters
    ----------
    outcomes
        Booleans of shape ``(trials,)``, at least one.

    Examples
    --------
    >>> low, high = rate_interval(torch.ones(20, dtype=torch.bool))
    >>> round(low, 3), high
    (0.839, 1.0)
    """
    outcomes = checks.outcomes("outcomes", outcomes)
    from scipy import stats

    test = stats.binomtest(int(outcomes.sum()), len(outcomes))
    interval = test.proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def chance_of_difference(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Return how probable two counts at least as unlike are, as samples of one rate.

    Fisher's exact test: of all tables with these totals, those that are no more probable.

    Parameters
    ----------
    first, second
        How many of how many.

    Examples
    --------
    >>> round(chance_of_difference((3, 3), (0, 3)), 3), chance_of_difference((3, 3), (5, 5))
    (0.1, 1.0)
    """
    import numpy as np
    from scipy import stats

    (shown, of), (others, among) = _counts("first", first), _counts("second", second)
    count = np.arange(of + 1)
    chance = stats.hypergeom.pmf(count, of + among, shown + others, of)
    return float(chance[chance <= chance[shown] * (1 + 1e-9)].sum().clip(max=1))


def _counts(name: str, counts: tuple[int, int]) -> list[int]:
    found = checks.whole_numbers(name, counts)
    if len(found) != 2 or found[0] > found[1]:
        raise InvalidArgument(f"{name} is {checks.shortly(counts)}: how many of how many is needed")
    return found


def mean_interval(values: Tensor) -> tuple[float, float, float]:
    """Return a mean and its 95 % interval (Student's t) over the entries of ``values``.

    Parameters
    ----------
    values
        ``(trials,)``, at least two.

    Examples
    --------
    >>> [round(v, 3) for v in mean_interval(torch.tensor([1.0, 2.0, 3.0]))]
    [2.0, -0.484, 4.484]
    """
    values = checks.finite("values", values).double().flatten()
    if len(values) < 2:
        raise InvalidArgument(f"values has {len(values)} entries: an interval needs at least two")
    mean, error = values.mean().item(), (values.std() / len(values) ** 0.5).item()
    from scipy import stats

    half = stats.t.ppf(0.975, len(values) - 1).item() * error
    return mean, mean - half, mean + half


def told(values: Tensor, *, digits: int = 3) -> str:
    """Return a mean with its interval as text.

    Examples
    --------
    >>> told(torch.tensor([1.0, 2.0, 3.0]))
    '2.000 [−0.484, 4.484]'
    """
    digits = checks.whole_number("digits", digits, least=0)
    mean, low, high = mean_interval(values)
    return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]".replace("-", "−")


def told_rate(outcomes: Tensor) -> str:
    """Return a rate of true outcomes with its interval as short text.

    Examples
    --------
    >>> told_rate(torch.tensor([True] * 9 + [False]))
    '90% [60%, 98%]'
    """
    outcomes = checks.outcomes("outcomes", outcomes)
    low, high = rate_interval(outcomes)
    return f"{outcomes.double().mean().item():.0%} [{low:.0%}, {high:.0%}]"


def _form_fits(given: dict[str, Any]) -> None:
    """Refuse a form in which some value cannot be written."""
    values, form = given["values"], given.get("form", ".2f")
    some = [values.min(), values.max()] if isinstance(values, Tensor) else values
    try:
        _ = [f"{value:{form}}" for value in some]
    except (TypeError, ValueError):
        raise InvalidArgument(
            f"form is {checks.shortly(form)} and values is {checks.shortly(values)}: numbers, and "
            'a form of them such as ".2f", are needed'
        ) from None


def _some(name: str, values: Tensor) -> Tensor:
    found = checks.array(name, values)
    if not found.numel():
        raise InvalidArgument(f"{name} has shape {tuple(found.shape)}: at least one is needed")
    return found


def _each(name: str, values: Iterable) -> list:
    try:
        return list(values)
    except (TypeError, RuntimeError, NotImplementedError):  # of tensors without axes or data, too
        raise InvalidArgument(f"{name} is {checks.shortly(values)}: numbers are needed") from None


def _for_scipy(name: str, values: Tensor) -> Tensor:
    found = checks.array(name, values)
    return found.float() if found.dtype is torch.bfloat16 else found  # which NumPy has not


@gate(_form_fits, values=_some)
def span(values: Tensor, form: str = ".2f") -> str:
    """Return the lowest and the highest of some values as text.

    Examples
    --------
    >>> span(torch.tensor([0.2, 1.0, 0.5]), ".0%")
    '20% to 100%'
    """
    return f"{values.min():{form}} to {values.max():{form}}"


@gate(_form_fits, values=_each)
def listed(values: Iterable, form: str = ".2f") -> str:
    """Return numbers, or the entries of a tensor ``(k,)``, as text, one after the other.

    Examples
    --------
    >>> listed(torch.tensor([0.2, 1.0, 0.5]), ".0%")
    '20%, 100%, 50%'
    """
    return ", ".join(f"{value:{form}}" for value in values)


@gate(values=_for_scipy, order=_for_scipy)
def rank_correlation(values: Tensor, order: Tensor) -> Tensor:
    """Return Spearman's rank correlation of each row of ``values`` with ``order``.

    Parameters
    ----------
    values
        ``(trials, k)``.
    order
        ``(k,)``, or ``(trials, k)`` where each row has its own.

    Returns
    -------
    Tensor
        ``(trials,)``, in [−1, 1].

    Examples
    --------
    >>> rank_correlation(torch.tensor([[3.0, 2.0, 1.0]]), torch.tensor([1.0, 10.0, 100.0]))
    tensor([-1.], dtype=torch.float64)
    """
    from scipy import stats

    values, order = (
        checks.array(name, given).detach() for name, given in (("values", values), ("order", order))
    )
    if values.ndim != 2 or order.shape not in (values.shape, values.shape[1:]):
        raise InvalidArgument(
            f"values has shape {tuple(values.shape)} and order {tuple(order.shape)}: (trials, k) "
            "and (k,) or (trials, k) are needed"
        )
    pairs = zip(values.cpu(), order.expand(values.shape).cpu(), strict=True)
    found = [stats.spearmanr(row, own)[0] for row, own in pairs]
    return torch.tensor(found, device=values.device)


def best_of(loss: Tensor, values: Tensor) -> Tensor:
    """Return, for each setting, the values of the try with the lowest loss.

    Parameters
    ----------
    loss
        ``(tries, *settings)``.
    values
        ``(tries, *settings, ...)``: anything that belongs to a try.

    Returns
    -------
    Tensor
        ``(*settings, ...)``.

    Examples
    --------
    >>> loss = torch.tensor([[0.3, 0.1], [0.2, 0.4]])
    >>> best_of(loss, torch.tensor([[1, 2], [3, 4]]))
    tensor([3, 2])
    """
    loss, values = _tries(loss, values)
    winner = loss.argmin(0, keepdim=True)
    index = winner.reshape(*winner.shape, *[1] * (values.ndim - winner.ndim))
    return values.gather(0, index.expand(1, *values.shape[1:]))[0]


def _tries(loss: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Return losses ``(tries, *settings)`` and what belongs to them, checked."""
    loss, values = _losses(loss), checks.array("values", values)
    if not loss.ndim or not len(loss) or values.shape[: loss.ndim] != loss.shape:
        raise InvalidArgument(
            f"loss has shape {tuple(loss.shape)} and values {tuple(values.shape)}: (tries, "
            "*settings) and (tries, *settings, ...) are needed, with at least one try"
        )
    return loss, values


def _losses(loss: Tensor) -> Tensor:
    found = checks.array("loss", loss)
    if found.dtype is torch.bool:
        raise InvalidArgument("loss has dtype torch.bool: real numbers are needed")
    return found


def best_of_each(loss: Tensor, values: Tensor, tries: int) -> Tensor:
    """Return `best_of` for every so many tries, in order: ``(groups, *settings, ...)``.

    Parameters
    ----------
    loss, values
        As for `best_of`; what is left at the end, too few for a group, does not count.
    tries
        In a group, at least 1.

    Examples
    --------
    >>> loss, values = torch.tensor([0.3, 0.2, 0.4, 0.1, 0.0]), torch.tensor([1, 2, 3, 4, 5])
    >>> best_of_each(loss, values, 2)
    tensor([2, 4])
    """
    loss, values = _tries(loss, values)
    tries = checks.whole_number("tries", tries)
    groups = len(loss) // tries

    def grouped(each: Tensor) -> Tensor:
        return each[: groups * tries].unflatten(0, (groups, tries)).transpose(0, 1)

    return best_of(grouped(loss), grouped(values))


def share_of_best(loss: Tensor, shown: Tensor, tries: int) -> Tensor:
    """Return how often the best of some tries shows something, over all choices of them: ``(...)``.

    With the N losses in order, the try in place r, from 0, is the best of k drawn without
    replacement with probability C(N − 1 − r, k − 1) / C(N, k).

    Parameters
    ----------
    loss
        ``(N, *settings)``: of all tries.
    shown
        Booleans, shaped as the losses: which tries show it.
    tries
        k, from 1 to N.

    Examples
    --------
    >>> share_of_best(torch.tensor([3.0, 1.0, 2.0]), torch.tensor([False, True, False]), 2)
    tensor(0.6667, dtype=torch.float64)
    """
    loss, shown = _losses(loss), checks.array("shown", shown)
    if not loss.ndim or shown.shape != loss.shape:
        raise InvalidArgument(
            f"loss has shape {tuple(loss.shape)} and shown {tuple(shown.shape)}: the same, with "
            "tries on the first axis, is needed"
        )
    count = len(loss)
    tries = checks.whole_number("tries", tries)
    if tries > count:
        raise InvalidArgument(f"tries is {tries}: there are {count} losses")
    place = torch.arange(count, dtype=torch.float64, device=loss.device)
    left = count - 1 - place
    # one factor of C(N − 1 − r, k − 1) / C(N, k) after another, as logarithms
    log = (
        torch.lgamma(left + 1) - torch.lgamma((left - tries + 2).clamp_min(1))
        + math.lgamma(count - tries + 1) - math.lgamma(count + 1) + math.log(tries)
    )  # fmt: skip
    chance = torch.where(left >= tries - 1, log.exp(), 0.0)
    ordered = shown.gather(0, loss.argsort(0)).double()
    return torch.tensordot(chance, ordered, dims=1)
