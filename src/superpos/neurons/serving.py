"""Which features each neuron of a hidden layer serves, and names for the codes that result.

And whether features lie along neurons at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from superpos import checks, geometry
from superpos.compute.gates import gate, optional, shapes
from superpos.errors import InvalidArgument

SHARE = 0.1
"""Of a feature's squared length, what a neuron which serves it holds at least."""

_REPRESENTED = 0.5


@gate(share=checks.number)
def serves(W: Tensor, V: Tensor | None = None, *, share: float = SHARE) -> Tensor:
    """Return which features each neuron serves: booleans ``(..., m, n)``.

    Neuron k passes |W_ki| V_ki on from feature i to output i; with V = W that is ±W_ki². It serves
    a feature to which all neurons together pass at least 0.5 (in size), if it adds, rather than
    takes away, at least ``share`` of that.

    Parameters
    ----------
    W
        Encoder ``(..., m, n)``: row k are the weights of neuron k.
    V
        Decoder, shaped as W; W itself by default.
    share
        In (0, 1].

    Raises
    ------
    InvalidArgument
        If the shapes differ, an entry is NaN or the share lies outside.

    Examples
    --------
    Feature 2 is stored in both neurons:

    >>> serves(torch.tensor([[1.0, 0.0, 0.7], [0.0, 1.0, 0.7]])).int()
    tensor([[1, 0, 1],
            [0, 1, 1]], dtype=torch.int32)
    """
    W, _ = checks.weights(W)
    V = W if V is None else checks.finite("V", V)
    if V.shape != W.shape:
        raise InvalidArgument(
            f"V has shape {tuple(V.shape)} and W {tuple(W.shape)}: they must be the same"
        )
    if not 0 < share <= 1:
        raise InvalidArgument(f"share is {share!r}: a number above 0 and at most 1 is needed")
    passed = W.abs() * V
    total = passed.abs().sum(-2, keepdim=True)
    return (total >= _REPRESENTED) & (passed >= share * total)


@gate(serving=partial(checks.truths, least_axes=2))
def monosemantic(serving: Tensor) -> Tensor:
    """Return which neurons serve exactly one feature: from ``(..., m, n)``, ``(..., m)``.

    Examples
    --------
    >>> monosemantic(torch.tensor([[True, False, False], [False, True, True]]))
    tensor([ True, False])
    """
    return serving.sum(-1) == 1


@gate(serving=partial(checks.truths, least_axes=2))
def polysemantic(serving: Tensor) -> Tensor:
    """Return which neurons serve two features or more: from ``(..., m, n)``, ``(..., m)``.

    Examples
    --------
    >>> polysemantic(torch.tensor([[True, False, False], [False, True, True]]))
    tensor([False,  True])
    """
    return serving.sum(-1) >= 2


def canonical(serving: Tensor) -> Tensor:
    """Return the same with neurons in an order of their own, ``(..., m, n)``.

    Neurons have no natural order: two models have the same code if they are equal in this one.
    First come those that serve the first feature, and among them those that serve the second, and
    so on.

    Examples
    --------
    >>> canonical(torch.tensor([[False, True, True], [True, False, True]])).int()
    tensor([[1, 0, 1],
            [0, 1, 1]], dtype=torch.int32)
    """
    serving = checks.truths("serving", serving, least_axes=2)
    return serving.gather(-2, order(serving)[..., None].expand_as(serving))


def order(serving: Tensor) -> Tensor:
    """Return the neurons in the order of `canonical`: indices ``(..., m)``.

    Examples
    --------
    >>> order(torch.tensor([[False, True, True], [True, False, True]]))
    tensor([1, 0])
    """
    serving = checks.truths("serving", serving, least_axes=2)
    places = torch.arange(serving.shape[-2], device=serving.device).expand(serving.shape[:-1])
    for feature in reversed(range(serving.shape[-1])):  # a stable sort by each, the first last
        key = serving[..., feature].gather(-1, places)
        places = places.gather(-1, key.int().argsort(dim=-1, descending=True, stable=True))
    return places


def groups(serving: Tensor) -> list[tuple[int, int]]:
    """Return the groups of one model: how many features are in how many neurons, largest first.

    Neurons and features that are linked, directly or through others, make a group. Neurons that
    serve nothing, and features that no neuron serves, are in none.

    Parameters
    ----------
    serving
        Booleans ``(m, n)``, as `serves` gives them.

    Examples
    --------
    >>> groups(serves(torch.tensor([[1.0, 0, 0.7, 0], [0, 1, 0.7, 0], [0, 0, 0, 1]])))
    [(3, 2), (1, 1)]
    """
    serving = checks.truths("serving", serving)
    if serving.ndim != 2:
        raise InvalidArgument(
            f"serving has shape {tuple(serving.shape)}: that of one model, (m, n), is needed"
        )
    found: list[tuple[set[int], int]] = []
    for row in serving.tolist():
        features = {i for i, served in enumerate(row) if served}
        if not features:
            continue
        linked = [group for group in found if group[0] & features]
        found = [group for group in found if not group[0] & features]
        found.append((features.union(*(f for f, _ in linked)), 1 + sum(k for _, k in linked)))
    return sorted(((len(features), k) for features, k in found), key=_size, reverse=True)


def _size(group: tuple[int, int]) -> tuple[int, int]:
    return group[1], group[0]


def code_name(found: Sequence[tuple[int, int]]) -> str:
    """Return the name of a code, that is, of the groups of a model.

    Examples
    --------
    >>> code_name([(3, 2), (1, 1), (1, 1), (1, 1)])
    '3 in 2 + 3 × 1 in 1'
    """
    if isinstance(found, Tensor) or not isinstance(found, Sequence):
        raise InvalidArgument(f"found is {checks.shortly(found)}: a list of groups is needed")
    for group in found:
        if len(checks.whole_numbers("found", group, least=1)) != 2:
            raise InvalidArgument(
                f"found has {checks.shortly(group)}: (features, neurons) is needed"
            )
    counted = Counter((int(k), int(m)) for k, m in found)
    ordered = sorted(counted, key=_size, reverse=True)
    return (
        " + ".join(
            (f"{counted[group]} × " if counted[group] > 1 else "") + f"{group[0]} in {group[1]}"
            for group in ordered
        )
        or "nothing"
    )


def each_groups(serving: Tensor) -> list[list[tuple[int, int]]]:
    """Return the `groups` of every model of an ensemble ``(..., m, n)``, as a flat list.

    Examples
    --------
    >>> each_groups(torch.eye(2, dtype=torch.bool).expand(3, 2, 2))[0]
    [(1, 1), (1, 1)]
    """
    flat = canonical(serving)
    flat = flat.reshape(-1, *flat.shape[-2:])
    kinds, kind_of = flat.unique(dim=0, return_inverse=True)  # there are few
    found = [groups(kind) for kind in kinds]
    return [found[kind] for kind in kind_of.tolist()]


def code_names(serving: Tensor) -> list[str]:
    """Return the name of the code of every model of an ensemble ``(..., m, n)``, as a flat list.

    Examples
    --------
    >>> code_names(torch.eye(2, dtype=torch.bool).expand(3, 2, 2))
    ['2 × 1 in 1', '2 × 1 in 1', '2 × 1 in 1']
    """
    return [code_name(found) for found in each_groups(serving)]


REGIMES = ("all monosemantic", "3 in 2", "5 in 3", "6 in 4", "8 in 5", "pairs of neurons")
"""The codes that the source describes for ten features in five neurons, from dense to sparse."""


def regimes(W: Tensor, *, share: float = SHARE) -> Tensor:
    """Return which of the codes in `REGIMES` each model has: booleans ``(..., 6)``.

    Parameters
    ----------
    W
        ``(..., 5, n)``; with ReLU(W) inhibition does not count.
    share
        As for `serves`.

    References
    ----------
    Elhage et al. 2022, "Visualizing Superposition in Terms of Neurons".

    Examples
    --------
    >>> W = torch.block_diag(torch.tensor([[1.0, 0, 0.7], [0, 1, 0.7]]), torch.eye(3))
    >>> [name for name, shown in zip(REGIMES, regimes(W)) if shown]
    ['3 in 2']
    """
    W, _ = checks.weights(W)
    if W.shape[-2] != 5:
        raise InvalidArgument(f"W has shape {tuple(W.shape)}: (..., 5, n) is needed")
    share = checks.positive_number("share", share)
    serving = serves(W, share=share)
    alone = (1, 1)
    found = torch.tensor(
        [
            (
                g == 5 * [alone],
                (3, 2) in g and {*g} <= {(3, 2), alone},
                g.count((5, 3)) == 1 and {*g} <= {(5, 3), alone},
                g == [(6, 4), alone],
                g == [(8, 5)],
            )
            for g in each_groups(serving)
        ],
        device=W.device,
    )
    kept = W.square().sum(-2) >= _REPRESENTED
    paired = (serving.sum(-2) == 2) | ~kept
    in_pairs = paired.all(-1) & kept.any(-1)
    return torch.cat([found.reshape(*W.shape[:-2], 5), in_pairs[..., None]], dim=-1)


def effective_number(W: Tensor) -> Tensor:
    """Return the effective number of neurons of each feature: (Σ_k w_k)² / Σ_k w_k², ``(..., n)``.

    w_k = ReLU(W_ki) are its positive weights. It is k for k equal ones; NaN for a feature whose
    Σ_k w_k² is below 0.5.

    Examples
    --------
    >>> effective_number(torch.tensor([[1.0, 0.7, 0.0], [-2.0, 0.7, 0.1]]))
    tensor([1., 2., nan])
    """
    W, _ = checks.weights(W)
    positive = W.relu()
    square = positive.square().sum(-2)
    number = positive.sum(-2).square() / square
    return torch.where(square >= _REPRESENTED, number, torch.nan)


@gate(shapes(W="... m n", among="... n"), W=checks.floating, among=optional(checks.truths))
def off_sets(W: Tensor, *, among: Tensor | None = None) -> Tensor:
    """Return how far represented features are from sets of neurons, on average: ``(...)``.

    sin² of the angle between a feature's positive weights w_k = ReLU(W_ki) and the nearest set of
    neurons in equal parts; a single neuron is a set. 0 where all lie along sets; NaN where there
    are no features to look at.

    Parameters
    ----------
    W
        ``(..., m, n)``.
    among
        Which features, booleans ``(..., n)``, at any length, unless they have no positive weight;
        by default those with Σ_k w_k² ≥ 0.5.

    Examples
    --------
    >>> off_sets(torch.tensor([[1.0, 1.0, 1.0], [-2.0, 1.0, 0.5]])) < 0.04
    tensor(True)
    >>> off_sets(torch.eye(3)), off_sets(0.1 * torch.eye(3))
    (tensor(0.), tensor(nan))
    """
    W, _ = checks.weights(W)
    positive = W.relu()
    square = positive.square().sum(-2)
    sizes = torch.arange(1, W.shape[-2] + 1).to(W)[:, None]
    largest = positive.sort(dim=-2, descending=True).values.cumsum(-2)
    along = (largest.square() / sizes).amax(-2) / square  # cos²; NaN without a positive weight
    kept = square >= _REPRESENTED if among is None else among
    return torch.where(kept, 1 - along, torch.nan).nanmean(-1)


def spread(W: Tensor) -> Tensor:
    """Return Σ_k |W_ki| / ‖W_i‖, on average over the represented features: ``(...)``.

    It is 1 where every feature lies along a neuron, and √m where all neurons share all features
    equally; NaN where no feature is represented (‖W_i‖² ≥ 0.5).

    Examples
    --------
    >>> spread(torch.tensor([[1.0, 0.0], [0.0, -2.0]]))
    tensor(1.)
    """
    W, _ = checks.weights(W)
    square = W.square().sum(-2)
    kept = square >= _REPRESENTED
    ratio = W.abs().sum(-2) / square.sqrt().clamp_min(1e-30)
    return (ratio * kept).sum(-1) / kept.sum(-1)


@gate(
    rotations=checks.whole_number,
    seed=partial(checks.whole_number, least=0),
    measure=checks.function,
)
def rotations_more_spread(
    W: Tensor,
    *,
    rotations: int = 100,
    seed: int = 0,
    measure: Callable[[Tensor], Tensor] = spread,
) -> Tensor:
    """Return for which share of random rotations R the features of RW are more spread: ``(...)``.

    Without preferred directions that is a number drawn uniformly from 0 to 1. All models are
    rotated alike.

    Parameters
    ----------
    W
        ``(..., m, n)``.
    rotations, seed
        How many rotations, and which.
    measure
        From ``(..., m, n)`` to ``(...)``: how spread features are. One that is NaN after a rotation
        does not count as more.

    Examples
    --------
    >>> rotations_more_spread(torch.eye(4))
    tensor(1.)
    """
    W, _ = checks.weights(W)
    own = measure(W)
    more = torch.zeros_like(own)
    generator = torch.Generator().manual_seed(seed)
    for R in geometry.random_rotations(W.shape[-2], rotations, generator).to(W):
        more += measure(R @ W) > own
    return more / rotations
