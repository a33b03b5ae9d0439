"""What can be read from a code: noise, active features at once, levels and bits.

Features x are written as h = Wx with unit columns W_i, and feature j is read as
W_j·h = x_j + Σ_{i≠j} W_j·W_i x_i. The sum is the noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from superpos import checks
from superpos.compute import streams
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument

_ENOUGH = 300_000  # readings of silent features, to know how high one in a hundred is
_BLOCKS = 20  # of inputs, from whose differences an interval is known


@dataclass(frozen=True, eq=False)
class Readings:
    """Readings of inputs that have the same number of active features.

    Attributes
    ----------
    f
        W_j·h of every feature, ``(inputs, n)``.
    x
        What was written, ``(inputs, n)``.
    """

    f: Tensor
    x: Tensor

    @property
    def active(self) -> Tensor:
        """Readings of active features, on one axis."""
        return self.f[self.x > 0]

    @property
    def silent(self) -> Tensor:
        """Readings of silent features, on one axis."""
        return self.f[self.x == 0]

    @property
    def noise(self) -> float:
        """The root mean square reading of silent features; 0 where there are none."""
        silent = self.silent
        return silent.square().mean().sqrt().item() if len(silent) else 0.0

    def margin(self, error: float = 0.01) -> float:
        """Return how far the best threshold is from being wrong in a share ``error`` of cases.

        The reading that all but this share of the active features exceed, less the one that all but
        this share of the silent features stay below: while it is positive, a threshold in between
        is wrong less often for both. There are so many silent features that those of some inputs
        are enough.
        """
        low = _quantile(self.active, error)
        some = slice(max(1, _ENOUGH // self.f.shape[1]))
        silent = self.f[some][self.x[some] == 0]
        return low - (_quantile(silent, 1 - error) if len(silent) else -math.inf)

    def all_right(self) -> float:
        """Return the share of inputs of which one threshold, the best, reads every feature right.

        An input is read right by the thresholds between its highest silent reading and its lowest
        active one; the best threshold is in most of these ranges.
        """
        on = self.x > 0
        high = self.f.masked_fill(on, -math.inf).amax(-1)
        low = self.f.masked_fill(~on, math.inf).amin(-1)
        readable = high < low
        starts, ends = high[readable].sort().values, low[readable].sort().values
        if not len(starts):
            return 0.0
        begun = torch.arange(1, len(starts) + 1, device=starts.device)
        inside = begun - torch.searchsorted(ends, starts, right=True)
        return inside.max().item() / len(self.f)


def read(
    W: Tensor, active: int, *, inputs: int = 1000, seed: int = 0, amplitudes: bool = False
) -> Readings:
    """Read inputs in which ``active`` features, drawn at random, are active.

    The sets are nested: with the same seed, input k with one more active feature has all those that
    it had before.

    Parameters
    ----------
    W
        Unit columns, ``(m, n)``.
    active
        l, from 1 to n.
    inputs
        How many.
    seed
        Selects the sets.
    amplitudes
        Whether active features are uniform on [0, 1]; else they are 1.

    Examples
    --------
    In an orthogonal code there is no noise:

    >>> read(torch.eye(8), 3, inputs=10).noise
    0.0
    """
    W, n = _code(W)
    which, size = _draw(W, active, inputs=inputs, seed=seed, amplitudes=amplitudes)
    h = embedding_bag(which, W.mT.contiguous(), mode="sum", per_sample_weights=size)
    x = W.new_zeros(inputs, n).scatter_(1, which, size)
    return Readings(h @ W, x)


def most_active(
    W: Tensor,
    *,
    error: float = 0.01,
    together: bool = False,
    inputs: int = 1000,
    seed: int = 0,
    reader: Callable[..., Readings] = read,
) -> float:
    """Return how many boolean features can be active at once and still be read with a threshold.

    Parameters
    ----------
    W
        Unit columns, ``(m, n)``.
    error
        How often a reading may be wrong, active and silent features counted apart.
    together
        Whether it is the input that counts: all n features are right, but for this share of inputs.
    inputs, seed
        As for `read`.
    reader
        How they are read, from W, the number of active features, ``inputs`` and ``seed``.

    Returns
    -------
    float
        Where the error is crossed, interpolated between whole numbers; n if it never is, and
        below 1 if it is with one active feature.

    Examples
    --------
    >>> most_active(torch.eye(8), inputs=50)
    8.0
    """
    W, n = _code(W)
    error = checks.fraction("error", error)

    def spare(active: int) -> float:
        if active == 0:
            return 1.0 if not together else error
        found = reader(W, active, inputs=inputs, seed=seed)
        return found.all_right() - (1 - error) if together else found.margin(error)

    return _crossing(spare, n)


def levels(
    W: Tensor, active: int, *, error: float = 0.01, inputs: int = 1000, seed: int = 0
) -> float:
    """Return how many evenly spaced levels of an active feature can be told apart.

    Amplitudes are uniform on [0, 1]. With q the error that a share ``error`` of the readings of
    active features exceed, neighbouring levels may be 2q apart: there are 1 + 1/(2q).

    Examples
    --------
    >>> from superpos.codes import random_code
    >>> few, many = (levels(random_code(64, m), 2, inputs=200) for m in (32, 8192))
    >>> few < many
    True
    """
    W, _ = _code(W)
    error = checks.fraction("error", error)
    which, size = _draw(W, active, inputs=inputs, seed=seed, amplitudes=True)
    columns = W.mT[which]  # (inputs, active, m): nothing else needs to be read
    h = (columns * size[..., None]).sum(-2)
    off = (columns @ h[..., None])[..., 0] - size
    return 1 + 1 / (2 * _quantile(off.abs().flatten(), 1 - error))


@dataclass(frozen=True)
class Bits:
    """An information estimate in bits per dimension, with its standard error.

    Attributes
    ----------
    value, standard_error
        Of Σ_j I(x_j; ·)/m, corrected for its bias.
    bias
        What was taken off.
    """

    value: float
    standard_error: float
    bias: float

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval."""
        half = 1.96 * self.standard_error
        return self.value - half, self.value + half


@dataclass(frozen=True)
class Stored:
    """What readings tell about independent boolean features, in bits per dimension.

    Attributes
    ----------
    read, thresholded
        What a reading W_j·h tells of feature j, and what is left of it after the best threshold.
    dedicated
        What m of the features hold, stored without error in a dimension each.
    written
        The entropy of all n features: what the exact h holds.
    """

    read: Bits
    thresholded: Bits
    dedicated: float
    written: float


def stored_bits(
    W: Tensor, active: float, *, inputs: int = 1000, bins: int = 100, seed: int = 0
) -> Stored:
    """Return how much readings tell about independent boolean features.

    Each is 1 with probability p = active/n. As they are independent, Σ_j I(x_j; W_j·h) is at most
    I(x; h): it is what a reader gets who takes each feature's reading alone. All readings share one
    table of counts; a table for each feature would give as much or more, for information is
    convex in the channel. The readings are put into ``bins`` with equally many each.

    Parameters
    ----------
    W
        Unit columns, ``(m, n)``.
    active
        Mean number of active features, above 0 and below n.
    inputs, seed
        How many inputs, at least 20, and which.
    bins
        At least 2.

    References
    ----------
    Miller 1955, "Note on the bias of information estimates".

    Examples
    --------
    Without superposition every feature is read without error:

    >>> found = stored_bits(torch.eye(8), 4.0, inputs=2000)
    >>> round(found.dedicated, 6), abs(found.read.value - 1) < 0.01
    (1.0, True)
    """
    W, n = _code(W)
    m = W.shape[0]
    p = checks.positive_number("active", active) / n
    if p >= 1:
        raise InvalidArgument(f"active is {active}: the code has {n} features")
    inputs = checks.whole_number("inputs", inputs, least=_BLOCKS)
    bins = checks.whole_number("bins", bins, least=2)
    draws = streams.generator(seed, Purpose.INPUTS, n, 1)
    x = (torch.rand(inputs, n, generator=draws) < p).float().to(W.device)
    f = x @ W.mT @ W
    some = f.flatten()[:: max(1, f.numel() // 100_000)]  # edges need not be exact
    edges = some.quantile(torch.linspace(0, 1, bins + 1, device=W.device)[1:-1])
    place = torch.bucketize(f, edges)
    block = torch.arange(inputs, device=W.device)[:, None] * _BLOCKS // inputs
    cell = ((block * bins + place) * 2 + x.long()).flatten()
    counts = torch.bincount(cell, minlength=_BLOCKS * bins * 2).double().view(_BLOCKS, bins, 2)
    whole = counts.sum(0)
    # the threshold with the most information
    below = whole.cumsum(0)[:-1]
    splits = torch.stack([below, whole.sum(0) - below], dim=-2)
    cut = int(_information(splits).argmax()) + 1
    two = torch.stack([counts[:, :cut].sum(1), counts[:, cut:].sum(1)], dim=1)
    entropy = -(p * math.log2(p) + (1 - p) * math.log2(1 - p))
    per_dimension = n / m
    return Stored(
        read=_bits(counts, per_dimension),
        thresholded=_bits(two, per_dimension),
        dedicated=entropy,
        written=entropy * per_dimension,
    )


def gaussian_capacity(n: float, m: float, *, error: float = 0.01, together: bool = False) -> float:
    """Return how many features can be active at once if the noise is normal with variance l/m.

    A threshold at 1/2 is z = √(m/l)/2 standard deviations from both sides. With z such that a
    reading is wrong with probability ``error``, or any of n together, l = m/4z². For large n
    the latter is m/(8 ln n), with the source's 8 and its logarithm.

    Examples
    --------
    >>> round(gaussian_capacity(1000, 100), 2)
    4.62
    >>> round(gaussian_capacity(1000, 100, together=True), 2)
    1.38
    """
    from scipy import stats

    n, m = checks.positive_number("n", n), checks.positive_number("m", m)
    error = checks.positive_number("error", error)
    if error >= 0.5:
        raise InvalidArgument(f"error is {error}: it must be below 0.5")
    share = error if not together else -math.expm1(math.log1p(-error) / n)
    return m / (4 * float(stats.norm.isf(share)) ** 2)


def frame_variance(n: int, m: int, active: float) -> float:
    """Return the variance of a silent feature's reading in a tight frame that sums to zero.

    The other n − 1 features have cosines with it that add up to −1, and squares that add up to
    (n − m)/m. Of these, ``active`` are drawn without repetition: the variance of their sum is
    l (n − 1 − l)/(n − 2) times that of one of them.

    Parameters
    ----------
    n, m
        Features and dimensions, n > m.
    active
        l, from 0 to n − 1: all others together make no noise.

    Examples
    --------
    >>> round(frame_variance(72, 64, 36), 4), frame_variance(72, 64, 71)
    (0.0281, 0.0)
    """
    n, m = checks.whole_number("n", n, least=3), checks.whole_number("m", m)
    active = checks.positive_number("active", active, allow_zero=True)
    of_one = (n - m) / (m * (n - 1)) - 1 / (n - 1) ** 2
    return active * (n - 1 - active) / (n - 2) * of_one


def _bits(counts: Tensor, features: float) -> Bits:
    """Return Σ_j I over a number of features from counts ``(blocks, bins, 2)``."""
    whole = counts.sum(0)
    total = whole.sum()
    used = (whole.sum(1) > 0).sum().item()
    bias = (used - 1) / (2 * total.item() * math.log(2))
    # leave one block out: the blocks are independent, the features of one input are not
    left_out = _information(whole - counts)
    blocks = len(counts)
    spread = (left_out - left_out.mean()).square().sum() * (blocks - 1) / blocks
    value = _information(whole).item() - bias
    return Bits(features * value, features * spread.sqrt().item(), features * bias)


def _information(counts: Tensor) -> Tensor:
    """Return the plug-in mutual information in bits of counts ``(..., rows, columns)``."""
    share = counts / counts.sum((-2, -1), keepdim=True)
    independent = share.sum(-1, keepdim=True) * share.sum(-2, keepdim=True)
    return (torch.special.xlogy(share, share) - torch.special.xlogy(share, independent)).sum(
        (-2, -1)
    ) / math.log(2)


def _draw(
    W: Tensor, active: int, *, inputs: int, seed: int, amplitudes: bool
) -> tuple[Tensor, Tensor]:
    """Return which features are active and how much, ``(inputs, active)`` each."""
    n = W.shape[1]
    if not 1 <= checks.whole_number("active", active) <= n:
        raise InvalidArgument(f"active is {active}: the code has {n} features")
    inputs = checks.whole_number("inputs", inputs)
    draws = streams.generator(seed, Purpose.INPUTS, n)
    which = torch.rand(inputs, n, generator=draws).topk(active, sorted=True).indices
    size = torch.ones(inputs, active)
    if amplitudes:
        size = 1 - torch.rand(inputs, active, generator=draws)  # above 0
    return which.to(W.device), size.to(W.device)


def _crossing(spare: Callable[[int], float], most: int) -> float:
    """Return where a falling function of whole numbers from 0 crosses 0, or ``most``."""
    low, above = 0, spare(0)
    high = 1
    while (below := spare(high)) >= 0:
        low, above = high, below
        if high == most:
            return float(most)
        high = min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        value = spare(middle)
        if value >= 0:
            low, above = middle, value
        else:
            high, below = middle, value
    return low + above / (above - below)


def _quantile(values: Tensor, share: float) -> float:
    """Return the value that a share of the values are at most; `torch.quantile` takes too few."""
    rank = min(len(values), max(1, math.ceil(share * len(values))))
    return values.kthvalue(rank).values.item()


def _code(W: Tensor) -> tuple[Tensor, int]:
    """Return a code in float32 and its number of features, checked."""
    W, _ = checks.weights(W)
    if W.ndim != 2 or (W.norm(dim=0) - 1).abs().max() > 1e-4:
        raise InvalidArgument(
            f"W has shape {tuple(W.shape)} and columns of length {W.norm(dim=-2).min():g} to "
            f"{W.norm(dim=-2).max():g}: (m, n) with columns of length 1 is needed"
        )
    return W.float(), W.shape[1]
