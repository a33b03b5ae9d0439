"""A dictionary of directions beside its nulls, and what is unusual in it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from superpos import checks, losses
from superpos.bundles import find_bundles
from superpos.checks import Numbers
from superpos.codes.vectors import welch_bound
from superpos.compute import streams
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument
from superpos.measure import nulls
from superpos.measure.nulls import CODE, RANDOM, SPECTRUM
from superpos.measure.statistics import OF_SPECTRUM, STATISTICS, components, joined_from, read

FALSE_POSITIVES = 0.05  # of all statistics of one matrix together
# so many replicates that none of all statistics is outside of their range by chance
RANKED = math.ceil(2 * len(STATISTICS) / FALSE_POSITIVES) - 1
SHORTEST = 1e-6  # of the longest feature's length: up to it a feature has no direction, by default
_ALL_PAIRS, _SAMPLED = 4000, 1000  # up to so many features all are looked at, else a sample
_CODED = 2000  # features for which codes are optimised, at most
LONG = 0.5  # of the longest: shorter features join no bundle, chance decides their directions
_BUNDLED = 400  # features of which bundles are looked for
_WORK = 5e11  # operations for the replicates of a null
_ENTRIES_AT_ONCE = 4_000_000
_DRAWN = 19  # replicates whose whole distributions are kept for figures
_SINGLE = 2_000_000  # entries of W from which on single precision is enough
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


@dataclass(frozen=True)
class Interval:
    """Where a null's statistic lies: by its replicates' range, or predicted by Student's t."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class Compared:
    """One statistic beside the nulls.

    Attributes
    ----------
    name
        One of `superpos.measure.statistics.STATISTICS`.
    value
        Of the dictionary; NaN where there is none, as for pairs of a single feature.
    nulls
        Its interval in each null.
    chance
        The joint interval of the two nulls that chance makes: that of random directions and of the
        same spectrum (which says nothing on a statistic of the spectrum itself).
    verdict
        "above", "below", or "within" that; "none" without a value.
    """

    name: str
    value: float
    nulls: Mapping[str, Interval]
    chance: tuple[float, float]
    verdict: str

    @property
    def unusual(self) -> bool:
        """Whether it lies outside of what chance gives."""
        return self.verdict in ("above", "below")


@dataclass(frozen=True)
class Shapes:
    """The distributions that figures show, of a matrix or of a null's replicates.

    Attributes
    ----------
    dimensionality, cosines
        Shares in equal bins, of [0, 1] and of [−1, 1]: ``(replicates, bins)``.
    eigenvalues
        Of WWᵀ, the largest first: ``(replicates, m)``.
    """

    dimensionality: Tensor
    cosines: Tensor
    eigenvalues: Tensor


@dataclass(frozen=True)
class Measurement:
    """What `measure` found.

    Attributes
    ----------
    n, m
        How many features have a direction, and in how many dimensions.
    without
        How many features have none: they are left out.
    shortest
        Up to which share of the longest's length a feature counts as having none.
    dimensions_per_feature
        D* = m/‖W‖_F². Both nulls have it too.
    dimensionality, lengths
        D_i and ‖W_i‖ at the `QUANTILES`.
    statistics
        Each beside its nulls.
    sampled
        How many features were held against all others; n, or a sample.
    errors
        The standard errors that sampling leaves, by statistic.
    welch
        The least rms cosine that n directions can have; NaN for one.
    joined_at
        From which |cosine| on features count as close partners: what any pair of random directions
        reaches in one matrix of 400.
    parts
        The sizes of the parts of the graph of close partners, above 1; None for over 4000 features.
    bundles
        How many bundles there are by (features, dimension), most features first, of features at
        least half as long as the longest; None for more than 400 features.
    pairs
        The closest and the most opposed pairs: (feature, feature, cosine), numbered as in W.
    replicates
        Of each of the two nulls of chance.
    ranked
        Whether intervals are the replicates' range, exact at any size; else they are predicted.
    loss
        The expected loss and its standard error, if a probability was given.
    no_loss
        Why there is none, if there is none.
    shapes
        What figures show, by "here" and null.
    """

    n: int
    m: int
    without: int
    shortest: float
    dimensions_per_feature: float
    dimensionality: tuple[float, ...]
    lengths: tuple[float, ...]
    statistics: tuple[Compared, ...]
    sampled: int
    errors: Mapping[str, float]
    welch: float
    joined_at: float
    parts: tuple[int, ...] | None
    bundles: Mapping[tuple[int, int], int] | None
    pairs: tuple[tuple[int, int, float], ...]
    replicates: int
    ranked: bool
    loss: tuple[float, float] | None
    no_loss: str
    shapes: Mapping[str, Shapes]


def measure(
    W: Numbers,
    *,
    b: Numbers | None = None,
    probability: Numbers | None = None,
    seed: int = 0,
    replicates: int | None = None,
    codes: int = 2,
    shortest: float = SHORTEST,
) -> Measurement:
    """Measure a dictionary of directions beside nulls: what in it is more than chance?

    A statistic is unusual if it lies outside of the joint interval of random directions of the same
    lengths and of matrices with the same spectrum. Where no feature does more than chance, at most
    5 % of all dictionaries have any unusual statistic.

    Parameters
    ----------
    W
        One matrix ``(m, n)``: column i is the direction of feature i.
    b
        ``(n,)``, the bias of a toy model.
    probability
        p in [0, 1], one or ``(n,)``: asks for the expected loss of the toy model.
    seed
        Selects the nulls, and the features that are sampled.
    replicates
        Of each null of chance, at least 5; by default 399, or as many as can be had in a minute.
    codes
        How many codes are optimised to compare with, for at most 2000 features; 0 for none.
    shortest
        In [0, 1): features up to this share of the longest's length are left out, by default those
        up to a millionth. Of a toy model, 0.1 leaves out what it hardly represents. D* and the loss
        are always of all features.

    Returns
    -------
    Measurement

    Raises
    ------
    InvalidArgument
        If W is not one matrix of finite numbers or is zero, b is not ``(n,)``, a probability lies
        outside [0, 1], or ``shortest`` outside [0, 1).

    Notes
    -----
    Nothing of n × n entries is in memory where n is large: D_i needs WWᵀ only, as does the rms
    cosine; nearest features are looked for in blocks, for 1000 features if there are over 4000.

    What is found, for example: one pair with a cosine of 0.9 or −0.9 among 64 random directions in
    24 dimensions, and 20 triangles on planes of their own through noise of half their length.

    Examples
    --------
    Twenty opposite pairs are no chance:

    >>> half = torch.randn(60, 20, generator=torch.Generator().manual_seed(0))
    >>> found = measure(torch.cat([half, -half], 1), replicates=99)
    >>> [each.verdict for each in found.statistics if each.name == "antipode"], found.bundles
    (['below'], {(2, 1): 20})
    """
    whole, _ = checks.weights(W)
    whole = whole.detach()
    if whole.ndim != 2:
        raise InvalidArgument(f"W has shape {tuple(whole.shape)}: one matrix, (m, n), is needed")
    seed = checks.whole_number("seed", seed, least=0)
    codes = checks.whole_number("codes", codes, least=0)
    shortest = checks.fraction("shortest", shortest)
    if replicates is not None:
        replicates = checks.whole_number("replicates", replicates, least=5)
    scale = whole.abs().max()
    if scale == 0:
        raise InvalidArgument("W is zero: no feature is represented")
    if probability is not None:
        checks.probabilities("probability", probability)
    loss, no_loss = _loss(whole, b, probability, seed)
    kind = torch.float64 if whole.numel() <= _SINGLE else torch.float32
    kept = _with_direction(whole / scale, shortest)
    W = (whole if len(kept) == whole.shape[-1] else whole[:, kept]).to("cpu", kind) / scale.cpu()
    m, n = W.shape

    draws = streams.generator(seed, Purpose.EVALUATION)
    rows = torch.arange(n)
    if n > _ALL_PAIRS:
        rows = torch.randperm(n, generator=draws)[:_SAMPLED].sort().values
    joined_at = joined_from(n, m)
    here = read(W, rows, joined_at, histogram=True)
    count = _replicates(n, m, len(rows)) if replicates is None else replicates
    length, eigenvalues = W.norm(dim=0), here.eigenvalues.to(kind)

    makers = {
        RANDOM: lambda some: nulls.random_directions(length, m, some, draws),
        SPECTRUM: lambda some: nulls.same_spectrum(eigenvalues, n, some, draws),
        CODE: lambda some: torch.stack(
            [nulls.optimised_code(length, m, draws) for _ in range(some)]
        ),
    }
    counts = {RANDOM: count, SPECTRUM: count} | ({CODE: codes} if codes and n <= _CODED else {})
    found, shapes = {}, {"here": _shapes(here, n)}
    for null, some in counts.items():
        values, drawn = [], []
        for each in _chunks(some, n * max(m, len(rows))):
            shown = sum(len(one.eigenvalues) for one in drawn) < _DRAWN
            got = read(makers[null](each), rows, joined_at, histogram=shown)
            values.append(got.values)
            if shown:
                drawn.append(_shapes(got, n))
        found[null] = {name: torch.cat([one[name] for one in values]) for name in STATISTICS}
        shapes[null] = _joined(drawn)
    ranked = count >= RANKED
    statistics = tuple(
        _compared(
            name,
            here.values[name].item(),
            {null: _interval(found[null][name], ranked=ranked or null == CODE) for null in found},
            tolerance=1e-7 if kind is torch.float64 else 1e-4,
        )
        for name in STATISTICS
    )
    sampled = n > len(rows)
    return Measurement(
        n=n,
        m=m,
        without=whole.shape[-1] - n,
        shortest=shortest,
        dimensions_per_feature=m / whole.double().square().sum().item(),
        dimensionality=_quantiles(here.dimensionality),
        lengths=_quantiles(length * scale.cpu()),
        statistics=statistics,
        sampled=len(rows),
        errors={
            name: (value.double().std() / len(rows) ** 0.5).item()
            for name, value in (("nearest", here.nearest), ("antipode", here.antipode))
        }
        if sampled
        else {},
        welch=welch_bound(n, m) if n > 1 else math.nan,
        joined_at=joined_at,
        parts=None if sampled else _parts(W, joined_at),
        bundles=_bundles(W) if n <= _BUNDLED else None,
        pairs=_pairs(here, rows, kept) if n > 1 else (),
        replicates=count,
        ranked=ranked,
        loss=loss,
        no_loss=no_loss,
        shapes=shapes,
    )


def _with_direction(W: Tensor, shortest: float) -> Tensor:
    length = W.norm(dim=0)
    return (length > shortest * length.max()).nonzero().flatten().cpu()


def _replicates(n: int, m: int, rows: int) -> int:
    """Return how many replicates of a null the work that we allow is enough for, from 5 to 399."""
    work = 2.0 * n * m * (2 * m + rows) + 20.0 * n * rows
    return max(5, min(RANKED, int(_WORK / work)))


def _chunks(count: int, entries: int) -> Iterator[int]:
    each = max(1, _ENTRIES_AT_ONCE // entries)
    for start in range(0, count, each):
        yield min(each, count - start)


def _interval(values: Tensor, *, ranked: bool) -> Interval:
    """Return where one more replicate lies, at a level that leaves 5 % for all statistics."""
    values = values.double()
    middle = values.median().item() if ranked else values.mean().item()
    if ranked:  # each of R + 1 is as probably the largest: 2/(R + 1) to be outside of the others
        return Interval(values.min().item(), middle, values.max().item())
    from scipy import stats

    count = len(values)
    level = 1 - FALSE_POSITIVES / len(STATISTICS) / 2
    half = stats.t.ppf(level, count - 1) * values.std().item() * (1 + 1 / count) ** 0.5
    return Interval(middle - half, middle, middle + half)


def _compared(
    name: str, value: float, intervals: Mapping[str, Interval], *, tolerance: float
) -> Compared:
    counted = (RANDOM,) if name in OF_SPECTRUM else (RANDOM, SPECTRUM)
    low = min(intervals[null].low for null in counted)
    high = max(intervals[null].high for null in counted)
    # rounding is no structure, and less than a thousandth is not worth a word
    margin = tolerance + 1e-3 * abs(value)
    verdict = "within"
    if math.isnan(value) or math.isnan(low):
        verdict = "none"
    elif value < low - margin:
        verdict = "below"
    elif value > high + margin:
        verdict = "above"
    return Compared(name, value, intervals, (low, high), verdict)


def _quantiles(values: Tensor) -> tuple[float, ...]:
    ordered = values.double().sort().values
    places = [round(q * (len(ordered) - 1)) for q in QUANTILES]
    return tuple(ordered[places].tolist())


def _shapes(found, n: int) -> Shapes:
    """Return the distributions of readings, one row for each matrix."""
    from superpos.measure.statistics import DIMENSIONALITY_BINS

    D = found.dimensionality.reshape(-1, n).float()
    counted = torch.stack([torch.histc(each, DIMENSIONALITY_BINS, 0, 1) for each in D]) / n
    cosines = found.cosines.reshape(len(D), -1)
    cosines = cosines / cosines.sum(-1, keepdim=True).clamp_min(1)
    return Shapes(counted, cosines, found.eigenvalues.reshape(len(D), -1))


def _joined(drawn: list[Shapes]) -> Shapes:
    return Shapes(
        torch.cat([each.dimensionality for each in drawn])[:_DRAWN],
        torch.cat([each.cosines for each in drawn])[:_DRAWN],
        torch.cat([each.eigenvalues for each in drawn])[:_DRAWN],
    )


def _parts(W: Tensor, joined_at: float) -> tuple[int, ...]:
    sizes = components(W, joined_at).bincount().sort(descending=True).values
    return tuple(size for size in sizes.tolist() if size > 1)


def _bundles(W: Tensor) -> dict[tuple[int, int], int]:
    counts: dict[tuple[int, int], int] = {}
    for bundle in find_bundles(W, shortest=LONG):
        kind = (len(bundle.features), bundle.dimension)
        counts[kind] = counts.get(kind, 0) + 1
    return dict(sorted(counts.items(), reverse=True))


def _pairs(found, rows: Tensor, kept: Tensor) -> tuple[tuple[int, int, float], ...]:
    closest, opposed = found.nearest.argmax(), found.antipode.argmin()
    return tuple(
        (int(kept[rows[row]]), int(kept[other[row]]), cosine[row].item())
        for row, other, cosine in (
            (closest, found.neighbour, found.nearest),
            (opposed, found.opposite, found.antipode),
        )
    )


def _loss(
    W: Tensor, b: Numbers | None, probability: Numbers | None, seed: int
) -> tuple[tuple[float, float] | None, str]:
    if probability is None:
        return None, "no probability was given"
    if b is None:
        return None, "there is no bias for each feature: this is no toy model"
    _, b = checks.weights(W, b)
    if b.ndim != 1:
        raise InvalidArgument(f"b has shape {tuple(b.shape)}: one model's, (n,), is needed")
    chance = checks.probabilities("probability", probability)
    if chance.ndim > 1 or chance.shape not in ((), (1,), W.shape[-1:]):
        raise InvalidArgument(
            f"probability has shape {tuple(chance.shape)}: one, or (n,) with n = {W.shape[-1]}, is "
            "needed"
        )
    mean, error = losses.expected_loss(W, b.detach(), probability, samples=4096, seed=seed)
    return (mean.item(), error.item()), ""
