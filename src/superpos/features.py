"""Feature distributions: how the inputs x of a toy model are drawn.

A distribution is a fixed map from uniform draws to inputs. Models that differ
only in their settings (say, in sparsity) are fed from the same draws, which
makes differences between settings sharper than independent draws would; models
with different seeds have draws of their own.

A distribution has

``n``
    the number of features;
``shape``
    the settings: the leading axes of its parameters, ``()`` for a single setting;
``uniforms``
    how many uniform draws one input takes;
``inputs(u)``
    the map, from ``(..., batch, uniforms)`` to ``(..., *shape, batch, n)``;
``silence``
    the probability that no feature is active, of the settings' shape;
``active_sets()``
    the probability of each set of active features, for small n;
``settings(shape, start, stop)``
    some of its settings on one axis, once broadcast to ``shape`` and flattened;
``to(device)``
    the same, with its parameters on a device;
``active_inputs(u)``
    the map to inputs given that some feature is active. Very sparse inputs are mostly
    silent; with these, what happens at x = 0 need not be sampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from superpos import checks
from superpos.errors import InvalidArgument


class FeatureDistribution(Protocol):
    """What training asks of a distribution; see the module's text."""

    @property
    def n(self) -> int: ...
    @property
    def shape(self) -> torch.Size: ...
    @property
    def uniforms(self) -> int: ...
    @property
    def silence(self) -> Tensor: ...
    def inputs(self, u: Tensor) -> Tensor: ...
    def active_inputs(self, u: Tensor) -> Tensor: ...
    def active_sets(self) -> Tensor: ...
    def settings(self, shape: Sequence[int], start: int, stop: int) -> FeatureDistribution: ...
    def to(self, device: torch.device) -> FeatureDistribution: ...


class _Probable:
    """What the distributions share: entries (features, or sets) with a probability each."""

    probability: Tensor  # (..., entries)

    @property
    def shape(self) -> torch.Size:
        return self.probability.shape[:-1]

    @property
    def silence(self) -> Tensor:
        return (1 - self.probability).prod(-1)

    def settings(self, shape: Sequence[int], start: int, stop: int):
        spread = self.probability.expand(*shape, -1)
        return replace(self, probability=spread.reshape(-1, spread.shape[-1])[start:stop])

    def to(self, device: torch.device):
        return replace(self, probability=self.probability.to(device))

    def active_sets(self) -> Tensor:
        """Return how probable each set of active features is: ``(*shape, 2ⁿ)``, float64.

        Entry Σ_j 2^j over some features j is the probability that exactly they are active.
        """
        joint = self.probability.new_ones(*self.shape, 1)
        for entry in self._entries().unbind(-2):  # independent: later ones are the higher bits
            joint = (entry[..., :, None] * joint[..., None, :]).flatten(-2)
        return joint


@dataclass(frozen=True, eq=False)
class IndependentFeatures(_Probable):
    """Each feature is 0 with probability S = 1 − p, else uniform on [0, 1].

    Parameters
    ----------
    n
        Number of features, at least 1.
    probability
        p, the probability that a feature is active, in [0, 1]: a number, or a tensor that
        broadcasts to ``(..., n)``. The leading axes are settings: ``(40, 1)`` is
        forty sparsities.

    References
    ----------
    Elhage et al. 2022, "Demonstrating Superposition", The Feature Vector (x).

    Examples
    --------
    >>> features = IndependentFeatures(5, torch.tensor([[1.0], [0.1]]))
    >>> features.inputs(torch.rand(64, features.uniforms)).shape
    torch.Size([2, 64, 5])
    """

    n: int
    probability: Tensor | float

    def __post_init__(self) -> None:
        checks.whole_number("n_features", self.n)
        p = checks.probabilities("probability", self.probability, dtype=torch.float64)
        object.__setattr__(self, "probability", checks.per_feature("probability", p, self.n))

    @property
    def uniforms(self) -> int:
        return 1 + self.n

    def inputs(self, u: Tensor) -> Tensor:
        """Return inputs: one uniform decides whether a feature is active and its value."""
        return _values(*_over_settings(u, self.probability))

    def active_inputs(self, u: Tensor) -> Tensor:
        """Return inputs with at least one active feature; the first uniform chooses the first."""
        return _values(*_over_settings(u, self.probability), given_any=True)

    def _entries(self) -> Tensor:
        return torch.stack([1 - self.probability, self.probability], dim=-1)

    def strata(self, u: Tensor, out: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return inputs and what each counts for in a mean: sampled active ones, and silence.

        The inputs are ``(..., *shape, batch + 1, n)``, their weights ``(*shape, batch + 1)``.
        """
        values, p = _over_settings(u, self.probability)
        batch = u.shape[-2]
        if out is None:
            out = u.new_empty(*u.shape[:-2], *self.shape, batch + 1, self.n)
        _values(values, p, given_any=True, out=out[..., :-1, :])
        out[..., -1, :] = 0
        silence = self.silence[..., None]
        sampled = ((1 - silence) / batch).expand(*silence.shape[:-1], batch)
        return out, torch.cat([sampled, silence], dim=-1).to(u)


@dataclass(frozen=True, eq=False)
class CorrelatedSets(_Probable):
    """Features come in sets; a whole set is active or not, each member with a value of its own.

    Parameters
    ----------
    sets, size
        How many sets, and how many features in each; n = sets × size, set by set.
    probability
        Probability that a set is active, in [0, 1]: a number, or a tensor that broadcasts
        to ``(..., sets)``; leading axes are settings.

    References
    ----------
    Elhage et al. 2022, "Correlated and Anticorrelated Features".

    Examples
    --------
    >>> x = CorrelatedSets(2, 3, 0.5).inputs(torch.rand(1000, 9))
    >>> torch.equal(x[:, 0] > 0, x[:, 2] > 0)
    True
    """

    sets: int
    size: int
    probability: Tensor | float

    def __post_init__(self) -> None:
        _check_sets(self)

    @property
    def n(self) -> int:
        return self.sets * self.size

    @property
    def uniforms(self) -> int:
        return 1 + self.sets + self.n

    def inputs(self, u: Tensor) -> Tensor:
        """Return inputs: one uniform per set decides activity, one per feature is its value."""
        return self._members(u, given_any=False)

    def _entries(self) -> Tensor:
        p = self.probability[..., None]
        none_of_some = p.new_zeros(*p.shape[:-1], 2**self.size - 2)
        return torch.cat([1 - p, none_of_some, p], dim=-1)

    def active_inputs(self, u: Tensor) -> Tensor:
        """Return inputs with at least one active set; the first uniform chooses the first."""
        return self._members(u, given_any=True)

    def _members(self, u: Tensor, *, given_any: bool) -> Tensor:
        of_sets, of_members = u.split([1 + self.sets, self.n], dim=-1)
        u, p = _over_settings(of_sets, self.probability)
        active = _active(u, p, given_any=given_any).repeat_interleave(self.size, dim=-1)
        return active * _over_settings(of_members, self.probability)[0]


@dataclass(frozen=True, eq=False)
class AnticorrelatedSets(_Probable):
    """Features come in sets; when a set is active, exactly one of its members is.

    Parameters
    ----------
    sets, size
        How many sets, and how many features in each; n = sets × size, set by set.
    probability
        Probability that a set is active, in [0, 1]: a number, or a tensor that broadcasts
        to ``(..., sets)``; leading axes are settings.

    References
    ----------
    Elhage et al. 2022, "Correlated and Anticorrelated Features".

    Examples
    --------
    >>> x = AnticorrelatedSets(2, 2, 1.0).inputs(torch.rand(1000, 5))
    >>> (x[:, :2] > 0).sum(-1).unique().tolist()
    [1]
    """

    sets: int
    size: int
    probability: Tensor | float

    def __post_init__(self) -> None:
        _check_sets(self)

    @property
    def n(self) -> int:
        return self.sets * self.size

    @property
    def uniforms(self) -> int:
        return 1 + 2 * self.sets

    def inputs(self, u: Tensor) -> Tensor:
        """Return inputs: one uniform per set for activity and value, one for the member."""
        return self._members(u, given_any=False)

    def _entries(self) -> Tensor:
        p = self.probability[..., None]
        chance = (p / self.size).repeat_interleave(2**self.size, dim=-1)
        count = torch.tensor([subset.bit_count() for subset in range(2**self.size)])
        return torch.where(count == 1, chance, torch.where(count == 0, 1 - p, 0.0))

    def active_inputs(self, u: Tensor) -> Tensor:
        """Return inputs with at least one active set; the first uniform chooses the first."""
        return self._members(u, given_any=True)

    def _members(self, u: Tensor, *, given_any: bool) -> Tensor:
        of_sets, of_members = u.split([1 + self.sets, self.sets], dim=-1)
        value = _values(*_over_settings(of_sets, self.probability), given_any=given_any)
        member = (of_members * self.size).long().clamp_max(self.size - 1)
        chosen = torch.nn.functional.one_hot(member, self.size)
        chosen = chosen.reshape(*member.shape[:-2], *([1] * len(self.shape)), *chosen.shape[-3:])
        return (value[..., None] * chosen).flatten(-2)


def as_features(
    probability: Tensor | float | Sequence | FeatureDistribution, n: int
) -> FeatureDistribution:
    """Return a distribution over n features: itself, or independent ones of given probability.

    Raises
    ------
    InvalidArgument
        If the distribution is over another number of features.

    Examples
    --------
    >>> as_features(0.5, 2).active_sets()
    tensor([0.2500, 0.2500, 0.2500, 0.2500], dtype=torch.float64)
    """
    if isinstance(probability, Tensor | float | int | list | tuple):
        return IndependentFeatures(n, probability)
    if probability.n != n:
        raise InvalidArgument(f"the distribution has {probability.n} features: n = {n} is needed")
    return probability


def _check_sets(features: CorrelatedSets | AnticorrelatedSets) -> None:
    checks.whole_number("sets", features.sets)
    checks.whole_number("size", features.size)
    p = checks.probabilities("probability", features.probability, dtype=torch.float64)
    object.__setattr__(features, "probability", checks.per_feature("probability", p, features.sets))


def _over_settings(u: Tensor, probability: Tensor) -> tuple[Tensor, Tensor]:
    """Give draws ``(..., batch, k)`` an axis a setting, and probabilities one for the batch."""
    settings = [1] * (probability.ndim - 1)
    return u.reshape(*u.shape[:-2], *settings, *u.shape[-2:]), probability[..., None, :].to(u)


def _active(u: Tensor, p: Tensor, *, given_any: bool) -> Tensor:
    """Return which entries are active; ``u`` has one draw more, at its front."""
    return _scaled(u, p, given_any=given_any) < 1


def _values(u: Tensor, p: Tensor, *, given_any: bool = False, out: Tensor | None = None) -> Tensor:
    """Return entries that are 0 or, where active, uniform on [0, 1]; ``u`` as in `_active`."""
    # 0 from 1 on: `threshold` does so from −1 down, ten times as fast as `where`
    negative = _scaled(u, p, given_any=given_any, out=out).neg_()
    return torch.nn.functional.threshold_(negative, -1, 0).neg_()


def _scaled(u: Tensor, p: Tensor, *, given_any: bool, out: Tensor | None = None) -> Tensor:
    """Return numbers that are below 1 with probability p, and then uniform on [0, 1).

    Given that some entry is active, the first draw chooses the first active one: entry k comes
    first with probability p_k Π_{j<k} (1 − p_j) / (1 − Π_j (1 − p_j)). Those before it are silent,
    and those after it are as likely as ever.
    """
    own = u[..., 1:]
    per_p = 1 / p.clamp_min(torch.finfo(p.dtype).tiny)
    if not given_any:
        return torch.mul(own, per_p, out=out)
    reached = 1 - (1 - p.double()).cumprod(-1).squeeze(-2)  # one at or before each position
    target = u[..., 0].double() * reached[..., -1:]
    reached = reached.expand(*target.shape[:-1], -1).contiguous()
    first = torch.searchsorted(reached, target.contiguous(), right=True)
    first = first.clamp_max(p.shape[-1] - 1)[..., None]
    position = torch.arange(p.shape[-1], device=p.device, dtype=p.dtype)
    scaled = torch.sub(first.to(p.dtype), position, out=out).clamp_min_(0)  # 1 or more before it
    scaled.addcmul_(own, per_p)
    return scaled.scatter_(-1, first, own.expand_as(scaled).gather(-1, first))
