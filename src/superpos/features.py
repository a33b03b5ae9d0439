"""Feature distributions: how the inputs x of a toy model are drawn.

A distribution is a fixed map from uniform draws to inputs. Models that differ
only in their settings (say, in sparsity) are fed from the same draws, which
makes differences between settings sharper than independent draws would; models
with different seeds have draws of their own.

`FeatureDistribution` says what a distribution has, and is the base class of your own, which need
no more than ``n`` and ``inputs(u)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import Field, dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from superpos import checks
from superpos.checks import Numbers
from superpos.compute.defaults import default
from superpos.errors import InvalidArgument

_DRAWN, _MOST_ENTRIES = 2**14, 2**24  # inputs for a mean, and the numbers that they consist of


class FeatureDistribution:
    """How inputs are drawn; the base class of distributions of your own.

    A subclass says how many features there are, ``n``, and makes inputs of uniform draws: one
    ``u`` of shape ``(..., batch, uniforms)`` becomes ``(..., batch, n)``. Everything else has a
    default, which samples where it must; what can only be known in closed form (`active_sets`, for
    exact losses) is refused by name. Where the distribution has settings of its own, such as forty
    sparsities, it says so by ``shape`` and defines `settings`.

    Attributes
    ----------
    n
        The number of features.
    uniforms
        How many uniform draws one input takes; n by default.
    shape
        The settings: the leading axes of its parameters, ``()`` for a single one.
    mean
        The mean input, ``(*shape, n)``; sampled by default.
    silence
        The probability that no feature is active, of the settings' shape, where silent inputs are
        counted apart; 0, by default, where they are drawn like all others.

    Examples
    --------
    Pairs of features, of which the second is half of the first:

    >>> class Echoes(FeatureDistribution):
    ...     n = 4
    ...     uniforms = 2
    ...
    ...     def inputs(self, u):
    ...         first = torch.where(u < 0.1, 10 * u, 0.0)
    ...         return torch.stack([first, first / 2], dim=-1).flatten(-2)
    >>> from superpos import Procedure, train
    >>> run = train(Echoes(), 2, seeds=3, procedure=Procedure(steps=20))
    >>> run.W.shape, run.expected_loss(samples=100)[0].shape
    (torch.Size([3, 2, 4]), torch.Size([3]))
    """

    n: int

    @default
    def uniforms(self) -> int:
        return self.n

    @default
    def shape(self) -> torch.Size:
        return torch.Size([])

    @default
    def mean(self) -> Tensor:
        draws = torch.quasirandom.SobolEngine(
            min(self.uniforms, torch.quasirandom.SobolEngine.MAXDIM), scramble=True, seed=0
        )
        count = min(
            _DRAWN, max(1, _MOST_ENTRIES // max(self.uniforms, self.shape.numel() * self.n))
        )
        u = draws.draw(count, dtype=torch.get_default_dtype())
        if (lacking := self.uniforms - u.shape[-1]) > 0:  # evenly spread ones are not made for more
            more = torch.rand(count, lacking, generator=torch.Generator().manual_seed(0))
            u = torch.cat([u, more.to(u)], dim=-1)
        return self.inputs(u).mean(-2)

    @default
    def silence(self) -> Tensor:
        return torch.zeros(self.shape, dtype=torch.float64)

    def inputs(self, u: Tensor) -> Tensor:
        """Return inputs ``(..., *shape, batch, n)`` for uniform draws ``(..., batch, uniforms)``.

        The same for the same draws, on their device and in their precision.
        """
        raise InvalidArgument(f"{type(self).__name__} has no inputs(u), which draws them")

    def active_inputs(self, u: Tensor) -> Tensor:
        """Return inputs given that some feature is active, or any, where silence is not told.

        Very sparse inputs are mostly silent; with these, what happens at x = 0 need not be sampled.
        """
        return self.inputs(u)

    def active_sets(self) -> Tensor:
        """Return how probable each set of active features is: ``(*shape, 2ⁿ)``, for small n.

        Raises
        ------
        InvalidArgument
            By default, for this cannot be sampled.
        """
        raise InvalidArgument(
            f"{type(self).__name__} has no active_sets, which exact losses need: sample the loss"
        )

    def strata(self, u: Tensor) -> Tensor:
        """Return the inputs that make a mean, ``(..., *shape, inputs, n)``: any, by default."""
        return self.inputs(u)

    def shares(self, u: Tensor) -> Tensor:
        """Return the share of each of the `strata` in it, ``(*shape, inputs)``."""
        return u.new_full((*self.shape, u.shape[-2]), 1 / u.shape[-2])

    def settings(self, shape: Sequence[int], start: int, stop: int) -> FeatureDistribution:
        """Return some of the settings on one axis, once broadcast to ``shape`` and flattened.

        Raises
        ------
        InvalidArgument
            By default, where there are any, or an objective of its own.
        """
        name, own = type(self).__name__, getattr(self, "objective", None)
        if self.shape or own:
            told = "an objective of its own" if own else f"settings {tuple(self.shape)}"
            raise InvalidArgument(
                f"{name} has {told}, and no method settings, which is to give some of its settings"
            )
        return _Alike(self, stop - start)

    def to(self, device: torch.device) -> FeatureDistribution:
        """Return the same with its parameters on a device; by default it has none."""
        return self


@dataclass(frozen=True, eq=False)
class _Alike(FeatureDistribution):
    """One distribution as several settings, whose models see the same inputs."""

    of: FeatureDistribution
    count: int

    @property
    def n(self) -> int:
        return self.of.n

    @property
    def uniforms(self) -> int:
        return self.of.uniforms

    @property
    def shape(self) -> torch.Size:
        return torch.Size([self.count])

    @property
    def mean(self) -> Tensor:
        return self.of.mean.expand(self.count, -1)

    @property
    def silence(self) -> Tensor:
        return self.of.silence.expand(self.count)

    def inputs(self, u: Tensor) -> Tensor:
        return self._repeated(self.of.inputs(u))

    def active_inputs(self, u: Tensor) -> Tensor:
        return self._repeated(self.of.active_inputs(u))

    def _repeated(self, x: Tensor) -> Tensor:
        return x[..., None, :, :].expand(*x.shape[:-2], self.count, *x.shape[-2:])

    def strata(self, u: Tensor) -> Tensor:
        return self._repeated(self.of.strata(u))

    def shares(self, u: Tensor) -> Tensor:
        return self.of.shares(u).expand(self.count, -1)

    def settings(self, shape: Sequence[int], start: int, stop: int) -> FeatureDistribution:
        return _Alike(self.of, stop - start)

    def to(self, device: torch.device) -> FeatureDistribution:
        return _Alike(self.of.to(device), self.count)


def checked(features: Any) -> FeatureDistribution:
    """Return a distribution that gives what it should, before anything is trained on it.

    Raises
    ------
    InvalidArgument
        Naming what is missing, or not as it should be.

    Examples
    --------
    >>> checked(IndependentFeatures(5, 0.1)).n
    5
    """
    name = type(features).__name__
    if not callable(getattr(features, "inputs", None)) or isinstance(features, type):
        raise InvalidArgument(
            f"features is {checks.shortly(features)}: a distribution is needed, with n and "
            "inputs(u); superpos.FeatureDistribution is the base class of your own"
        )
    if isinstance(features, _SilenceCounted):
        return features  # one of ours
    parts = ["n", *(own for own in vars(FeatureDistribution) if not own.startswith("_"))]
    if lacking := [own for own in parts if own not in dir(features)]:
        raise InvalidArgument(
            f"{name} lacks {', '.join(lacking)}: "
            + (
                f"say how many features {name} has"
                if lacking == ["n"]
                else "make it a subclass of superpos.FeatureDistribution, which has them"
            )
        )
    n = checks.whole_number(f"{name}.n", features.n)
    uniforms = checks.whole_number(f"{name}.uniforms", features.uniforms)
    draws = torch.Generator().manual_seed(0)
    u = torch.rand(2, 3, uniforms, generator=draws, dtype=torch.get_default_dtype())
    x, wanted = features.inputs(u), (2, *features.shape, 3, n)
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.shape != wanted:
        told = f"shape {tuple(x.shape)}, {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
        raise InvalidArgument(
            f"{name}.inputs gives {told} for draws (2, 3, {uniforms}): real numbers "
            f"{wanted} are needed, (..., *shape, batch, n)"
        )
    if not torch.isfinite(x).all():
        raise InvalidArgument(f"{name}.inputs gives an entry that is NaN or infinite")
    return features


class _Held:
    """The type of a field that is given numbers and holds a tensor."""

    def __get__(self, owner: object, kind: type | None = None) -> Tensor:
        raise NotImplementedError

    def __set__(self, owner: object, value: Numbers) -> None:
        raise NotImplementedError


class _SilenceCounted(FeatureDistribution):
    """A mean over inputs with an active feature, each as likely, and the silent one."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse inputs of one's own where losses are known in closed form, of those drawn here."""
        super().__init_subclass__(**kwargs)
        own = [name for name in ("inputs", "active_inputs") if name in vars(cls)]
        if own and cls.__module__ != __name__:
            ours = next(base for base in cls.__mro__ if base.__module__ == __name__).__name__
            raise InvalidArgument(
                f"{cls.__name__} has {' and '.join(own)} of its own, and {ours} has losses in "
                "closed form, which are not those of other inputs: derive "
                f"{cls.__name__} from superpos.FeatureDistribution"
            )

    def _given(self, u: Tensor) -> Tensor:
        """Return draws ``(..., batch, uniforms)``, which are seen at every step: by shape alone."""
        if not isinstance(u, Tensor) or not u.is_floating_point() or u.itemsize < 4:
            u = checks.finite("u", u)
        if u.ndim < 2 or u.shape[-1] != self.uniforms:
            raise InvalidArgument(
                f"u has shape {tuple(u.shape)}: draws (..., batch, {self.uniforms}) are needed"
            )
        if u.layout != torch.strided or u.device.type == "meta":
            u = checks.finite("u", u)
        return u

    def strata(self, u: Tensor) -> Tensor:
        """Return active inputs and, last, the silent one: ``(..., *shape, batch + 1, n)``."""
        return torch.nn.functional.pad(self.active_inputs(u), (0, 0, 0, 1))

    def shares(self, u: Tensor) -> Tensor:
        """Return the share of each of the `strata` in a mean, ``(*shape, batch + 1)``."""
        silence, batch = self.silence[..., None], u.shape[-2]
        sampled = ((1 - silence) / batch).expand(*silence.shape[:-1], batch)
        return torch.cat([sampled, silence], dim=-1).to(u)


class _Probable(_SilenceCounted):
    """What the distributions share: entries (features, or sets) with a probability each."""

    __dataclass_fields__: ClassVar[dict[str, Field]]  # each of them is a dataclass
    probability: _Held  # (..., entries)
    _made: _Draws | None = None

    @property
    def shape(self) -> torch.Size:
        return self.probability.shape[:-1]

    @property
    def silence(self) -> Tensor:
        return (1 - self.probability).prod(-1)

    def _draws(self, u: Tensor) -> _Draws:
        """Return what makes inputs of draws like ``u``, the same one at every step."""
        made = self._made
        if made is None or (made.per_p.dtype, made.per_p.device) != (u.dtype, u.device):
            made = _Draws(self.probability, u)
            object.__setattr__(self, "_made", made)
        return made

    def settings(self, shape: Sequence[int], start: int, stop: int) -> Self:
        spread = self.probability.expand(*shape, -1)
        return replace(self, probability=spread.reshape(-1, spread.shape[-1])[start:stop])

    def to(self, device: torch.device) -> Self:
        return replace(self, probability=self.probability.to(device))

    def _entries(self) -> Tensor:
        """Return how probable each set of an entry's features is: ``(*shape, entries, sets)``."""
        raise NotImplementedError

    def active_sets(self) -> Tensor:
        """Return how probable each set of active features is: ``(*shape, 2ⁿ)``, float64.

        Entry Σ_j 2^j over some features j is the probability that exactly they are active.
        """
        joint = self.probability.new_ones(*self.shape, 1)
        for entry in self._entries().unbind(-2):  # independent: later ones are the higher bits
            joint = (entry[..., :, None] * joint[..., None, :]).flatten(-2)
        return joint


@dataclass(frozen=True, eq=False)
class _OneByOne(_Probable):
    """Features that are active or not each for itself: one uniform for each, and one more."""

    n: int
    probability: _Held

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", checks.whole_number("n", self.n))
        _check_probability(self, self.n)

    @property
    def uniforms(self) -> int:
        return 1 + self.n

    def inputs(self, u: Tensor) -> Tensor:
        """Return inputs: one uniform decides whether a feature is active and its value."""
        u = self._given(u)
        return self._values(self._draws(u).values(u))

    def active_inputs(self, u: Tensor) -> Tensor:
        """Return inputs with at least one active feature; the first uniform chooses the first."""
        u = self._given(u)
        return self._values(self._draws(u).values_given_any(u))

    def _values(self, drawn: Tensor) -> Tensor:
        """Return the features' values; ``drawn`` is uniform on (0, 1] where they are active."""
        return drawn


@dataclass(frozen=True, eq=False)
class IndependentFeatures(_OneByOne):
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

    @property
    def mean(self) -> Tensor:
        return self.probability / 2

    def _entries(self) -> Tensor:
        return torch.stack([1 - self.probability, self.probability], dim=-1)

    def strata(self, u: Tensor, out: Tensor | None = None) -> Tensor:
        """Return active inputs and, last, the silent one, into ``out`` if it is given."""
        u = self._given(u)
        if out is None:
            out = u.new_empty(*u.shape[:-2], *self.shape, u.shape[-2] + 1, self.n)
        self._draws(u).values_given_any(u, out=out[..., :-1, :])
        out[..., -1, :].zero_()
        return out


@dataclass(frozen=True, eq=False)
class SignedFeatures(_OneByOne):
    """Each feature is 0 with probability S = 1 − p, else uniform on [−1, 1].

    Parameters
    ----------
    n, probability
        As for `IndependentFeatures`.

    References
    ----------
    Elhage et al. 2022, "Computation in Superposition".

    Examples
    --------
    >>> x = SignedFeatures(2, 1.0).inputs(torch.rand(1000, 3))
    >>> bool(x.min() < -0.9), bool(x.max() > 0.9)
    (True, True)
    """

    @property
    def mean(self) -> Tensor:
        return torch.zeros_like(self.probability)

    def _values(self, drawn: Tensor) -> Tensor:
        # spread (0, 1] over [−1, 1], in place; 0 stays
        return torch.sub(2 * drawn, drawn.sign(), out=drawn)

    def active_sets(self) -> Tensor:
        """Refuse: exact losses, which ask for this, are for features on [0, 1]."""
        raise InvalidArgument(
            "the features are signed: exact losses are for features on [0, 1]; sample the loss"
        )


@dataclass(frozen=True, eq=False)
class BooleanFeatures(_OneByOne):
    """Each feature is 1 with probability p, else 0.

    With sparse inputs, functions of several features differ on the rare inputs where two of them
    meet. So the inputs with at most two active features are all listed (`strata`), and those with
    three and more are sampled.

    Parameters
    ----------
    n
        Number of features, at least 3.
    probability
        p in [0, 1], the same for all features: a number, or a tensor that broadcasts to
        ``(..., n)``.

    Examples
    --------
    >>> features = BooleanFeatures(4, 0.1)
    >>> u = torch.rand(8, features.uniforms)
    >>> features.strata(u).shape, round(features.shares(u).sum().item(), 6)
    (torch.Size([19, 4]), 1.0)
    """

    def __post_init__(self) -> None:
        checks.whole_number("n", self.n, least=3)
        super().__post_init__()
        if (self.probability != self.probability[..., :1]).any():
            raise InvalidArgument("probability differs between features: one for all is needed")

    @property
    def mean(self) -> Tensor:
        return self.probability

    def _values(self, drawn: Tensor) -> Tensor:
        return drawn.sign()

    def active_sets(self) -> Tensor:
        """Refuse: exact losses, which ask for this, are for features on [0, 1]."""
        raise InvalidArgument("the features are boolean: exact losses are for features on [0, 1]")

    def strata(self, u: Tensor) -> Tensor:
        """Return inputs ``(..., *shape, batch + n (n − 1) / 2 + n + 1, n)``.

        First, for each draw, one with three or more active features: the first uniform chooses
        their number, the smallest of the others which. Then every pair, every feature alone and,
        last, silence.
        """
        u = _spread(self._given(u), len(self.shape))
        log = self._log_chances()[..., 3:].to(u.device)
        chances = (log - log.amax(-1, keepdim=True)).exp().cumsum(-1)
        target = u[..., 0].double() * chances[..., -1:]
        chances = chances.expand(*target.shape[:-1], -1).contiguous()
        above = torch.searchsorted(chances, target, right=True).clamp_max_(self.n - 3)
        own = u[..., 1:]
        order = own.sort(dim=-1).values.expand(*above.shape, self.n)
        many = (own <= order.gather(-1, 2 + above[..., None])).to(u)
        one = torch.eye(self.n, dtype=u.dtype, device=u.device)
        i, j = torch.triu_indices(self.n, self.n, 1, device=u.device)
        few = torch.cat([one[i] + one[j], one, 0 * one[:1]])
        return torch.cat([many, few.expand(*many.shape[:-2], *few.shape)], dim=-2)

    def shares(self, u: Tensor) -> Tensor:
        """Return the share of each of the `strata` in a mean, ``(*shape, inputs)``."""
        chances, batch = self._log_chances().exp(), u.shape[-2]
        pairs = self.n * (self.n - 1) // 2
        each = [
            (chances[..., 3:].sum(-1, keepdim=True) / batch, batch),
            (chances[..., 2:3] / pairs, pairs),
            (chances[..., 1:2] / self.n, self.n),
            (chances[..., :1], 1),
        ]
        return torch.cat([share.expand(*share.shape[:-1], k) for share, k in each], -1).to(u)

    def _log_chances(self) -> Tensor:
        """Return the logarithms of how probable each number of active features is, from 0 to n."""
        p = self.probability[..., :1]
        k = torch.arange(self.n + 1.0, dtype=torch.float64, device=p.device)
        n = k[-1]
        ways = torch.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)
        return ways + torch.xlogy(k, p) + torch.xlogy(n - k, 1 - p)


@dataclass(frozen=True, eq=False)
class _Sets(_Probable):
    """Features that come in sets: one uniform for each set and one more, then the members'."""

    sets: int
    size: int
    probability: _Held

    def __post_init__(self) -> None:
        object.__setattr__(self, "sets", checks.whole_number("sets", self.sets))
        object.__setattr__(self, "size", checks.whole_number("size", self.size))
        _check_probability(self, self.sets)

    @property
    def n(self) -> int:
        return self.sets * self.size

    def inputs(self, u: Tensor) -> Tensor:
        """Return inputs: one uniform per set decides whether it is active, others its members."""
        of_sets, of_members = self._split(self._given(u))
        return self._members(self._draws(of_sets).values(of_sets), of_members)

    def active_inputs(self, u: Tensor) -> Tensor:
        """Return inputs with at least one active set; the first uniform chooses the first."""
        of_sets, of_members = self._split(self._given(u))
        return self._members(self._draws(of_sets).values_given_any(of_sets), of_members)

    def _split(self, u: Tensor) -> tuple[Tensor, Tensor]:
        return u[..., : 1 + self.sets], u[..., 1 + self.sets :]

    def _members(self, of_sets: Tensor, of_members: Tensor) -> Tensor:
        """Return inputs, from the sets' values and the draws for their members."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class CorrelatedSets(_Sets):
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

    @property
    def uniforms(self) -> int:
        return 1 + self.sets + self.n

    @property
    def mean(self) -> Tensor:
        return (self.probability / 2).repeat_interleave(self.size, dim=-1)

    def _entries(self) -> Tensor:
        p = self.probability[..., None]
        none_of_some = p.new_zeros(*p.shape[:-1], 2**self.size - 2)
        return torch.cat([1 - p, none_of_some, p], dim=-1)

    def _members(self, of_sets: Tensor, of_members: Tensor) -> Tensor:
        # one uniform a feature, its value
        active = (of_sets > 0).repeat_interleave(self.size, dim=-1)
        return active * _spread(of_members, len(self.shape))


@dataclass(frozen=True, eq=False)
class AnticorrelatedSets(_Sets):
    """Features come in sets; when a set is active, exactly one of its members is.

    Parameters
    ----------
    sets, size, probability
        As for `CorrelatedSets`.

    References
    ----------
    Elhage et al. 2022, "Correlated and Anticorrelated Features".

    Examples
    --------
    >>> x = AnticorrelatedSets(2, 2, 1.0).inputs(torch.rand(1000, 5))
    >>> (x[:, :2] > 0).sum(-1).unique().tolist()
    [1]
    """

    @property
    def uniforms(self) -> int:
        return 1 + 2 * self.sets

    @property
    def mean(self) -> Tensor:
        return (self.probability / (2 * self.size)).repeat_interleave(self.size, dim=-1)

    def _entries(self) -> Tensor:
        p = self.probability[..., None]
        chance = (p / self.size).repeat_interleave(2**self.size, dim=-1)
        count = [subset.bit_count() for subset in range(2**self.size)]
        count = torch.tensor(count, device=p.device)
        return torch.where(count == 1, chance, torch.where(count == 0, 1 - p, 0.0))

    def _members(self, of_sets: Tensor, of_members: Tensor) -> Tensor:
        # one uniform a set, for the member that has the set's value
        member = (_spread(of_members, len(self.shape)) * self.size).long().clamp_max(self.size - 1)
        chosen = member[..., None] == torch.arange(self.size, device=member.device)
        return (of_sets[..., None] * chosen).flatten(-2)


@dataclass(frozen=True, eq=False)
class Examples(_SilenceCounted):
    """A fixed set of examples: every batch is all of them, and the loss their exact mean.

    For training on finite data: full-batch descent. `Procedure.batch_size` then only tells how
    large an ensemble's arrays are, by which it is cut.

    Parameters
    ----------
    x
        The examples, finite, of either sign: ``(*settings, T, n)`` with at least one example and
        one feature. A feature is active where it is not 0.

    References
    ----------
    Henighan et al. 2023, "Superposition, Memorization, and Double Descent" (T training examples).

    Examples
    --------
    One example of each of three features:

    >>> features = Examples(torch.eye(3))
    >>> features.inputs(torch.rand(1, features.uniforms)).tolist() == torch.eye(3).tolist()
    True
    """

    x: Tensor

    def __post_init__(self) -> None:
        x = checks.finite("x", self.x)
        if x.ndim < 2 or 0 in x.shape[-2:]:
            raise InvalidArgument(
                f"x has shape {tuple(x.shape)}: (..., T, n) with T and n of at least 1 is needed"
            )
        object.__setattr__(self, "x", x)

    @property
    def n(self) -> int:
        return self.x.shape[-1]

    @property
    def shape(self) -> torch.Size:
        return self.x.shape[:-2]

    @property
    def uniforms(self) -> int:
        return 1

    @property
    def mean(self) -> Tensor:
        return self.x.mean(-2)

    @property
    def silence(self) -> Tensor:
        return (~self._heard()).double().mean(-1)

    def inputs(self, u: Tensor) -> Tensor:
        """Return all examples, whatever the draws: ``(..., *settings, T, n)``."""
        u = self._given(u)
        return self.x.to(u).expand(*u.shape[:-2], *self.x.shape)

    def active_inputs(self, u: Tensor) -> Tensor:
        """Return, for each draw, one of the examples in which some feature is active."""
        u = self._given(u)
        heard = self._heard().to(u.device)
        count = heard.sum(-1)
        if (count == 0).any():
            raise InvalidArgument("x has a setting in which no example has an active feature")
        order = (~heard).int().argsort(dim=-1, stable=True)  # the active ones first
        u = u[..., 0].reshape(*u.shape[:-2], *[1] * len(self.shape), u.shape[-2])
        place = (u.double() * count[..., None]).long().clamp_max(count[..., None] - 1)
        chosen = order.expand(*place.shape[:-1], -1).gather(-1, place)
        x = self.x.to(u).expand(*place.shape[:-1], *self.x.shape[-2:])
        return x.gather(-2, chosen[..., None].expand(*chosen.shape, self.n))

    def active_sets(self) -> Tensor:
        """Refuse: exact losses, which ask for this, are for values spread evenly on [0, 1]."""
        raise InvalidArgument(
            "the features are those of given examples: exact losses are for values spread evenly "
            "on [0, 1]; sample the loss"
        )

    def settings(self, shape: Sequence[int], start: int, stop: int) -> Examples:
        spread = self.x.expand(*shape, *self.x.shape[-2:])
        return Examples(spread.reshape(-1, *self.x.shape[-2:])[start:stop])

    def to(self, device: torch.device) -> Examples:
        return Examples(self.x.to(device))

    def _heard(self) -> Tensor:
        return (self.x != 0).any(-1)


def as_features(probability: Numbers | FeatureDistribution, n: int) -> FeatureDistribution:
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
    if not isinstance(probability, FeatureDistribution) and not hasattr(probability, "inputs"):
        return IndependentFeatures(n, probability)
    features = checked(probability)
    if features.n != n:
        raise InvalidArgument(f"the distribution has {features.n} features: n = {n} is needed")
    return features


def _check_probability(features: _OneByOne | _Sets, entries: int) -> None:
    p = checks.probabilities("probability", features.probability, dtype=torch.float64)
    object.__setattr__(features, "probability", checks.per_feature("probability", p, entries))


class _Draws:
    """Entries with a probability each, from uniform draws ``(..., batch, 1 + entries)``.

    An entry is active where its draw is above 1 − p; what is above, over p, is its value:
    uniform on [0, 1].
    """

    def __init__(self, probability: Tensor, like: Tensor) -> None:
        self.settings = probability.ndim - 1
        # one at or before each position
        self.reached = (1 - (1 - probability).cumprod(-1)).to(like.device)
        p = probability[..., None, :].to(like)
        self.per_p = 1 / p.clamp_min(torch.finfo(p.dtype).tiny)
        self.offset = 1 - self.per_p
        self.position = torch.arange(p.shape[-1], device=p.device, dtype=p.dtype)

    def values(self, u: Tensor) -> Tensor:
        """Return entries ``(..., *settings, batch, entries)``, 0 where they are not active."""
        own = _spread(u[..., 1:], self.settings)
        return torch.addcmul(self.offset, own, self.per_p).relu_()

    def values_given_any(self, u: Tensor, out: Tensor | None = None) -> Tensor:
        """Return the same given that some entry is active; the first draw chooses the first.

        Entry k comes first with probability p_k Π_{j<k} (1 − p_j) / (1 − Π_j (1 − p_j)). Those
        before it are silent, and those after it are as likely as ever.
        """
        u = _spread(u, self.settings)
        own, target = u[..., 1:], u[..., 0].double() * self.reached[..., -1:]
        reached = self.reached.expand(*target.shape[:-1], -1).contiguous()
        first = torch.searchsorted(reached, target, right=True).clamp_max_(own.shape[-1] - 1)
        first = first[..., None]
        # −1 or less before it
        values = torch.sub(self.position, first.to(u.dtype), out=out).clamp_max_(0)
        values.add_(self.offset).addcmul_(own, self.per_p).relu_()
        return values.scatter_(-1, first, own.expand_as(values).gather(-1, first))


def _spread(u: Tensor, settings: int) -> Tensor:
    """Give draws ``(..., batch, k)`` an axis a setting."""
    return u.reshape(*u.shape[:-2], *[1] * settings, *u.shape[-2:])
