"""What happens during training: jumps of features, plateaus of the loss, and what they look like.

Everything here is about records of one run, equally spaced in steps from its start to its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor

from superpos import checks
from superpos.compute.gates import gate
from superpos.errors import InvalidArgument

T = TypeVar("T")


@dataclass(frozen=True)
class Jump:
    """A feature's jump from one energy level to another, and what the loss does meanwhile.

    Attributes
    ----------
    feature
        Which.
    start, end
        The records at the ends of its window.
    before, after
        D_i there.
    drop
        By how much the loss falls in the window.
    quiet_drop
        The median of that over the windows without a jump in the same fifth of training; NaN
        where there is none.
    """

    feature: int
    start: int
    end: int
    before: float
    after: float
    drop: float
    quiet_drop: float


def jumps(
    dimensionality: Tensor,
    loss: Tensor,
    *,
    window: float = 0.02,
    least: float = 0.2,
    after: float = 0.1,
) -> list[Jump]:
    """Return every jump of a feature in one run, in the order of their windows.

    D_i is compared at the ends of all windows. Windows that follow each other without a gap and all
    have a change of at least ``least`` are one jump; its window is the one with the largest change.

    Parameters
    ----------
    dimensionality
        D_i at each record, ``(records, n)``.
    loss
        The expected loss at each record, ``(records,)``.
    window
        The length of a window as a share of training; at least the time between two records.
    least
        The smallest change of D_i that counts.
    after
        Which share of training goes by before jumps are looked for.

    Raises
    ------
    InvalidArgument
        If the shapes do not fit, or records are too few for windows of that length.

    References
    ----------
    Elhage et al. 2022, "Superposition and Learning Dynamics" (discrete energy level jumps).

    Examples
    --------
    A feature that had a dimension to itself now shares it, and the loss is lower by 1:

    >>> D = torch.tensor([1.0] * 60 + [0.5] * 41)[:, None]
    >>> (jump,) = jumps(D, torch.linspace(2, 2, 101) - (D[:, 0] < 1).float())
    >>> jump.before, jump.after, jump.drop, jump.quiet_drop
    (1.0, 0.5, 1.0, 0.0)
    """
    dimensionality = checks.real("dimensionality", dimensionality).detach()
    loss = checks.real("loss", loss).detach()
    if loss.ndim != 1 or dimensionality.ndim != 2 or dimensionality.shape[:-1] != loss.shape:
        raise InvalidArgument(
            f"dimensionality has shape {tuple(dimensionality.shape)} and loss "
            f"{tuple(loss.shape)}: (records, n) and (records,) are needed"
        )
    least, after = checks.number("least", least), checks.fraction("after", after)
    window = checks.fraction("window", window)
    spans = len(loss) - 1
    length = _records("window", window, spans)
    change = (dimensionality[length:] - dimensionality[:-length]).abs()
    moving = change >= least
    moving[: round(after * spans)] = False
    drop = loss[:-length] - loss[length:]
    # five equal parts of training; a window belongs to the one its middle is in
    starts = torch.arange(len(drop), device=drop.device)
    fifth = ((starts + length / 2) * 5 / spans).long()
    looked_at = starts >= round(after * spans)
    quiet = looked_at & ~moving.any(-1)
    medians = [_median(drop[quiet & (fifth == part)]) for part in range(5)]
    found = []
    for feature, rows in enumerate(moving.T):
        for first, last in _runs(rows):
            start = first + int(change[first : last + 1, feature].argmax())
            found.append(
                Jump(
                    feature,
                    start,
                    start + length,
                    dimensionality[start, feature].item(),
                    dimensionality[start + length, feature].item(),
                    drop[start].item(),
                    medians[int(fifth[start])],
                )
            )
    return sorted(found, key=lambda jump: (jump.start, jump.feature))


def drops_at_jumps(found: list[Jump], *, times: float, share: float = 0.8, fewest: int = 3) -> bool:
    """Return whether a run has jumps, and the loss falls faster at most of them.

    Parameters
    ----------
    found
        A run's jumps.
    times
        How many times the median fall of quiet windows, at least, if that is a fall.
    share, fewest
        At which share of the jumps, and of how many.

    Examples
    --------
    >>> drops_at_jumps([], times=2)
    False
    """
    found = _all(found, Jump)
    times, share = checks.number("times", times), checks.number("share", share)
    fewest = checks.whole_number("fewest", fewest, least=0)
    lower = [jump.drop > 0 and jump.drop >= times * jump.quiet_drop for jump in found]
    return len(found) >= fewest and sum(lower) >= share * len(found)


@dataclass(frozen=True)
class LevelJump:
    """A feature's way from a rest on one level to a rest on another, shorter than either.

    Attributes
    ----------
    feature
        Which.
    start, end
        The last record of the first rest, and the first of the second.
    fall, resting_fall
        By how much the loss falls a record, on the way and on average over the two rests.
    """

    feature: int
    start: int
    end: int
    fall: float
    resting_fall: float

    def falls_faster(self, times: float) -> bool:
        """Return whether the loss falls, and that many times as fast as over the rests."""
        return self.fall > 0 and self.fall >= times * self.resting_fall


def _numbers(name: str, values: Sequence[float]) -> list[float]:
    return checks.finite(name, values, dtype=torch.float64).flatten().tolist()


@gate(
    dimensionality=checks.floating,
    loss=checks.floating,
    levels=_numbers,
    near=checks.number,
)
def level_jumps(
    dimensionality: Tensor, loss: Tensor, *, levels: Sequence[float], near: float
) -> list[LevelJump]:
    """Return every jump of a feature between levels in one run, feature by feature.

    A feature rests while its D_i is within ``near`` of a level. How long a jump may take is not
    set: only less than each of the rests beside it.

    Parameters
    ----------
    dimensionality
        D_i at each record, ``(records, n)``.
    loss
        The expected loss at each record, ``(records,)``.
    levels
        Values of D_i, more than twice ``near`` apart.
    near
        How far from a level D_i may be.

    Raises
    ------
    InvalidArgument
        If the shapes do not fit, or levels overlap.

    References
    ----------
    Elhage et al. 2022, "Superposition and Learning Dynamics" (discrete energy level jumps).

    Examples
    --------
    >>> D = torch.tensor([0.0] * 9 + [0.25] + [0.5] * 10)[:, None]
    >>> (jump,) = level_jumps(D, 2 - D[:, 0], levels=(0.0, 0.5), near=0.1)
    >>> jump.start, jump.end, jump.fall, jump.resting_fall
    (8, 10, 0.25, 0.0)
    """
    if loss.ndim != 1 or dimensionality.shape[:-1] != loss.shape:
        raise InvalidArgument(
            f"dimensionality has shape {tuple(dimensionality.shape)} and loss "
            f"{tuple(loss.shape)}: (records, n) and (records,) are needed"
        )
    centres = torch.tensor(sorted(levels), dtype=dimensionality.dtype, device=dimensionality.device)
    if len(centres) < 2 or centres.diff().min() <= 2 * near:
        raise InvalidArgument(
            f"levels are {list(levels)} and near is {near}: two and more levels are needed, "
            "further apart than twice that"
        )
    on = (dimensionality[..., None] - centres).abs() <= near  # (records, n, levels)
    found = []
    for feature in range(dimensionality.shape[-1]):
        rests = sorted(
            (first, last, level)
            for level in range(len(centres))
            for first, last in _runs(on[:, feature, level])
        )
        for (first, start, before), (end, last, after) in pairwise(rests):
            shorter = end - start < min(start - first, last - end)
            if before != after and shorter:
                rested = (start - first) + (last - end)
                by_rest = (loss[first] - loss[start] + loss[end] - loss[last]).item()
                fall = (loss[start] - loss[end]).item() / (end - start)
                found.append(LevelJump(feature, start, end, fall, by_rest / rested))
    return found


@dataclass(frozen=True)
class Plateau:
    """A stretch of training over which the loss hardly changes.

    Attributes
    ----------
    start, end
        Its first and last record.
    loss
        The mean loss over it.
    """

    start: int
    end: int
    loss: float

    @property
    def middle(self) -> int:
        """The record in its middle."""
        return (self.start + self.end) // 2


@gate(loss=checks.finite, length=checks.fraction, within=checks.number)
def plateaus(loss: Tensor, *, length: float = 0.05, within: float = 0.01) -> list[Plateau]:
    """Return the plateaus of one run, from its start to its end; none overlaps another.

    Each begins at the first record from which the loss stays within ``within`` of its fall, from
    the first record to the last, for a share ``length`` of training, and lasts as long as it does.

    Parameters
    ----------
    loss
        At each record, ``(records,)``; lower at the end than at the start.
    length
        How long a plateau is at least, as a share of training.
    within
        By how much the loss may change on it, as a share of its fall.

    Raises
    ------
    InvalidArgument
        If the loss does not fall, or records are too few for plateaus of that length.

    References
    ----------
    Elhage et al. 2022, "Superposition and Learning Dynamics" (learning as a series of
    geometric transformations).

    Examples
    --------
    >>> loss = torch.tensor([4.0] + [2.0] * 10 + [0.0] * 10)
    >>> [(found.start, found.end, found.loss) for found in plateaus(loss, length=0.2)]
    [(1, 10, 2.0), (11, 20, 0.0)]
    """
    values = checks.finite("loss", loss).double()
    if values.ndim != 1 or len(values) < 2 or values[-1] >= values[0]:
        raise InvalidArgument(
            f"loss has shape {tuple(loss.shape)}: (records,), lower at the end than at the start, "
            "is needed"
        )
    fewest = _records("length", length, len(values) - 1)
    allowed = within * (values[0] - values[-1]).item()
    listed, found, start = values.tolist(), [], 0
    while start < len(listed) - 1:
        low = high = listed[start]
        end = start
        while end + 1 < len(listed):
            low, high = min(low, listed[end + 1]), max(high, listed[end + 1])
            if high - low > allowed:
                break
            end += 1
        if end - start >= fewest:
            found.append(Plateau(start, end, values[start : end + 1].mean().item()))
            start = end + 1
        else:
            start += 1
    return found


@gate(found=lambda _, found: _all(found, Plateau), fall=checks.number, least=checks.number)
def apart(found: list[Plateau], fall: float, *, least: float = 0.05) -> bool:
    """Return whether some two plateaus differ in their loss by a share ``least`` of its fall.

    Examples
    --------
    >>> apart([Plateau(0, 9, 1.0), Plateau(20, 29, 0.5)], 2.0)
    True
    """
    levels = [plateau.loss for plateau in found]
    return bool(levels) and max(levels) - min(levels) >= least * fall


def dimensions_of_sets(W: Tensor, size: int, *, threshold: float = 0.5) -> Tensor:
    """Return how many dimensions each set of features spans, the larger number first.

    A set that is stored as one direction spans 1; one whose features all have their own, ``size``.

    Parameters
    ----------
    W
        ``(..., m, n)``, with the features set by set.
    size
        Features in a set.
    threshold
        Counted are the singular values of a set's columns above it.

    Returns
    -------
    Tensor
        ``(..., sets)``, counts that do not increase.

    Examples
    --------
    >>> dimensions_of_sets(torch.tensor([[1.0, 0.0, 0.7, 0.7], [0.0, 1.0, 0.7, 0.7]]), 2)
    tensor([2, 1])
    """
    W, _ = checks.weights(W)
    size = checks.whole_number("size", size)
    threshold = checks.number("threshold", threshold)
    n = W.shape[-1]
    if n % size:
        raise InvalidArgument(f"size is {size}: {n} features do not make sets of it")
    sets = W.unflatten(-1, (n // size, size)).movedim(-2, -3)
    return (torch.linalg.svdvals(sets) > threshold).sum(-1).sort(-1, descending=True).values


def route(stages: Tensor) -> str:
    """Return the stages that one run goes through, each time it enters another, as text.

    Parameters
    ----------
    stages
        The stage at each record, as small whole numbers: ``(records, k)``.

    Examples
    --------
    >>> route(torch.tensor([[1, 1], [2, 1], [2, 1], [2, 2]]))
    '1+1 → 2+1 → 2+2'
    """
    stages = checks.whole_array("stages", stages)
    if stages.ndim != 2 or not stages.shape[1]:
        raise InvalidArgument(
            f"stages has shape {tuple(stages.shape)}: (records, k), with k of at least 1, is needed"
        )
    return " → ".join(
        "+".join(map(str, row)) for row in torch.unique_consecutive(stages, dim=0).tolist()
    )


def _all(found: Sequence[T], kind: type[T]) -> list[T]:
    if not isinstance(found, Sequence) or not all(isinstance(each, kind) for each in found):
        raise InvalidArgument(
            f"found is {checks.shortly(found)}: a list of {kind.__name__} is needed"
        )
    return list(found)


def _median(values: Tensor) -> float:
    """Return the median, the mean of the two middle values if need be; NaN of nothing."""
    return values.double().quantile(0.5).item() if len(values) else float("nan")


def _records(name: str, share: float, spans: int) -> int:
    """Return how many records further a share of training is."""
    checks.fraction(name, share)
    count = round(share * spans)
    if count < 1:
        raise InvalidArgument(f"{name} is {share}: {spans + 1} records are too few for it")
    return count


def _runs(rows: Tensor) -> list[tuple[int, int]]:
    """Return the first and the last place of each run of true entries."""
    padded = torch.cat([rows.new_zeros(1), rows, rows.new_zeros(1)]).int().diff()
    firsts, ends = (padded == 1).nonzero(), (padded == -1).nonzero() - 1
    return list(zip(firsts.flatten().tolist(), ends.flatten().tolist(), strict=True))
