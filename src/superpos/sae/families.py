"""Families of features: a parent and children that are more likely where it is active."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from superpos import checks
from superpos.checks import Numbers
from superpos.errors import InvalidArgument
from superpos.features import FeatureDistribution


@dataclass(frozen=True, eq=False)
class Families(FeatureDistribution):
    """Families of a parent and some children; each member that is active has a value of its own.

    With ``otherwise`` = 0 it is a hierarchy: no child is active without its parent. With one child,
    and both chances between 0 and 1, it is a correlated pair, and with both the same an
    independent one.

    Parameters
    ----------
    families, children
        How many families, and how many children in each, at least 1; n = families × (1 + children),
        family by family, parents first.
    probability
        That a parent is active, in [0, 1]: a number, or a tensor of one axis or more of settings.
    given, otherwise
        How likely each child is where its parent is active, and where it is not, in [0, 1].
    spread
        In [0, 1]: values are uniform on [1 − spread, 1].

    Examples
    --------
    >>> features = Families(4, 2, 0.2, given=0.5, otherwise=0.0)
    >>> x = features.inputs(torch.rand(1000, features.uniforms))
    >>> x.shape, bool(((x[:, 1] > 0) <= (x[:, 0] > 0)).all())
    (torch.Size([1000, 12]), True)
    """

    families: int
    children: int
    probability: Numbers
    given: float
    otherwise: float
    spread: float = 1.0

    def __post_init__(self) -> None:
        checks.whole_number("families", self.families)
        checks.whole_number("children", self.children)
        for name in ("given", "otherwise", "spread"):
            checks.probabilities(name, getattr(self, name))
        p = checks.probabilities("probability", self.probability, dtype=torch.float64)
        object.__setattr__(self, "probability", p)

    @property
    def chance(self) -> Tensor:
        """The probability that a parent is active, ``(*shape)``."""
        return torch.as_tensor(self.probability)

    @property
    def n(self) -> int:
        return self.families * (1 + self.children)

    @property
    def shape(self) -> torch.Size:
        return self.chance.shape

    @property
    def uniforms(self) -> int:
        return 2 * self.n

    @property
    def mean(self) -> Tensor:
        return self.active * (1 - self.spread / 2)

    @property
    def active(self) -> Tensor:
        """The probability that each feature is active, ``(*shape, n)``."""
        p = self.chance
        child = p * self.given + (1 - p) * self.otherwise
        family = torch.stack([p, *[child] * self.children], dim=-1)
        return family.repeat(*[1] * p.ndim, self.families)

    @property
    def silence(self) -> Tensor:
        return ((1 - self.chance) * (1 - self.otherwise) ** self.children) ** self.families

    @property
    def parents(self) -> Tensor:
        """For each feature the number of its parent; a parent is its own: ``(n,)``."""
        return torch.arange(self.n) // (1 + self.children) * (1 + self.children)

    def inputs(self, u: Tensor) -> Tensor:
        """Return inputs ``(..., *shape, batch, n)`` of draws ``(..., batch, uniforms)``."""
        u = u.reshape(*u.shape[:-2], *[1] * len(self.shape), *u.shape[-2:])
        drawn, value = (
            part.unflatten(-1, (self.families, 1 + self.children)) for part in u.chunk(2, dim=-1)
        )
        p = self.chance.to(u)[..., None, None, None]
        parent = drawn[..., :1] < p
        own = torch.where(parent, self.given, self.otherwise)
        children = drawn[..., 1:] < own
        active = torch.cat([parent, children], dim=-1)
        return (active * (1 - self.spread * value)).flatten(-2)

    def strata(self, u: Tensor) -> Tensor:
        """Return inputs: each has the same share in a mean."""
        return self.inputs(u)

    def shares(self, u: Tensor) -> Tensor:
        """Return the share of each of the `strata` in a mean, ``(*shape, batch)``."""
        return u.new_full((*self.shape, u.shape[-2]), 1 / u.shape[-2])

    def active_inputs(self, u: Tensor) -> Tensor:
        """Refuse: which family comes first is not drawn."""
        raise InvalidArgument("families are drawn with silent inputs: set skip_silent to False")

    def active_sets(self) -> Tensor:
        """Refuse: exact losses, which ask for this, are for features on [0, 1]."""
        raise InvalidArgument("families have no exact loss: sample it")

    def settings(self, shape: Sequence[int], start: int, stop: int) -> Families:
        return replace(
            self, probability=self.chance.expand(torch.Size(shape)).reshape(-1)[start:stop]
        )

    def to(self, device: torch.device) -> Families:
        return replace(self, probability=self.chance.to(device))
