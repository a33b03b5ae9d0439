"""What an autoencoder found of the true features, and what it made of them.

All take the cosines of decoder columns with true features, ``(..., k, n)``, which latents are alive
``(..., k)`` and which features are embedded ``(..., n)``, as `seen` returns them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from superpos import checks, geometry
from superpos.compute.gates import gate, instance_of, shapes
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument
from superpos.learning.sae import State
from superpos.sae.activations import Activations
from superpos.sae.variants import Variant, decode, encode


@dataclass(frozen=True, eq=False)
class Seen:
    """What autoencoders did on held-out inputs.

    Attributes
    ----------
    cosine
        Of each decoder column with each true feature, ``(models, k, n)``.
    alive
        Which latents fired on some of the inputs, ``(models, k)``.
    embedded
        Which features the toy model represents, ``(models, n)``.
    explained
        The share of the activations' variance that is explained, ``(models,)``.
    active
        How many latents are active on average, ``(models,)``.
    silent
        With families: for each feature, in what share of the inputs in which it is active its own
        parent's latent does not fire, ``(models, n)``; of a parent, those with the parent alone.
        The parent's latent is the living one with the largest cosine. NaN where there are no such
        inputs, and without families.
    absorbed
        With families: for each child, how much more often its parent's own latent (`matched`) is
        silent where both are active than where the parent is without children, in inputs that have
        as many features active, ``(models, n)``. So what a budget of active latents silences does
        not count, nor a latent that fires for both. NaN for parents, and without families.
    """

    cosine: Tensor
    alive: Tensor
    embedded: Tensor
    explained: Tensor
    active: Tensor
    silent: Tensor
    absorbed: Tensor

    def by_seed(self, seeds: int) -> Seen:
        """Return the same with two first axes, ``(seeds, settings, ...)``."""
        return Seen(**{name: value.unflatten(0, (seeds, -1)) for name, value in vars(self).items()})


def _numbers_of_features(name: str, value: Tensor, n: int) -> Tensor:
    found = checks.whole_array(name, value)
    if found.shape != (n,) or not ((found >= 0) & (found < n)).all():
        raise InvalidArgument(
            f"{name} has shape {tuple(found.shape)}: for each of {n} features the number of one is "
            "needed"
        )
    return found


def _parents_fit(given: dict[str, Any]) -> None:
    parents = given.get("parents")
    if parents is not None:
        n = given["data"].W.shape[-1]
        given["parents"] = _numbers_of_features("parents", parents, n)


@gate(
    _parents_fit,
    state=instance_of(State),
    data=instance_of(Activations),
    variant=instance_of(Variant),
    samples=checks.whole_number,
)
def seen(
    state: State,
    data: Activations,
    variant: Variant,
    *,
    samples: int = 4000,
    parents: Tensor | None = None,
) -> Seen:
    """Return what autoencoders do on held-out inputs.

    Parameters
    ----------
    state, data, variant
        As they were trained.
    samples
        How many inputs, at least 1.
    parents
        For each feature the number of its parent (`superpos.sae.Families.parents`).

    Examples
    --------
    >>> from superpos import IndependentFeatures
    >>> from superpos.sae import start
    >>> data = Activations(torch.eye(3)[None], IndependentFeatures(3, 0.2), [0])
    >>> variant = Variant("l1", 0.05)
    >>> perfect = start(data, 3, variant)
    >>> for name in ("encoder", "decoder"):
    ...     _ = perfect.parameters[name].copy_(torch.eye(3))
    >>> found = seen(perfect, data, variant, samples=100)
    >>> found.explained.item(), round(mean_max_cosine(found.cosine, found.alive).item(), 6)
    (1.0, 1.0)
    """
    checks.whole_number("samples", samples)
    each = len(state.silent) // len(data.W)
    rows = []
    for place in range(len(data.W)):  # a seed at a time, which bounds the memory
        own = data.taken(slice(place, place + 1))
        models = slice(place * each, (place + 1) * each)
        x = own.draw(0, 1, batch=samples, purpose=Purpose.EVALUATION)[0, 0]
        h = (x @ own.W[0].T).expand(each, -1, -1)
        parameters = {name: value[models] for name, value in state.parameters.items()}
        f = encode(parameters, h, variant.taken(models))
        left = (decode(parameters, f) - h).square().sum(-1).mean(-1)
        total = (h - h.mean(1, keepdim=True)).square().sum(-1).mean(-1)
        cosine = geometry.directions(parameters["decoder"]).mT @ own.directions
        fires = f > 0
        alive = fires.any(1)
        row = [cosine, alive, own.embedded().expand(each, -1), 1 - left / total]
        row.append(fires.double().sum(-1).mean(-1).to(left))
        if parents is None:
            row += [torch.full_like(cosine[:, 0], torch.nan)] * 2
        else:
            row.append(_silent(fires, x > 0, cosine, alive, parents))
            row.append(_absorbed(fires, x > 0, matched(cosine, alive), parents).to(cosine))
        rows.append(row)
    return Seen(*(torch.cat(part) for part in zip(*rows, strict=True)))


def _silent(fires: Tensor, on: Tensor, cosine: Tensor, alive: Tensor, parents: Tensor) -> Tensor:
    """Return `Seen.silent` of models of one seed, from what fires and which features are on."""
    living = cosine.masked_fill(~alive[..., None], -2)
    of_parent = living.argmax(-2)[:, parents]  # (models, n)
    heads = parents == torch.arange(len(parents), device=parents.device)
    children = on.double() @ torch.nn.functional.one_hot(parents, len(parents)).double().to(
        on.device
    )
    alone = on & (children == 1)  # of a family only the parent
    when = torch.where(heads, alone, on).double()  # (samples, n)
    quiet = (~fires).double().gather(-1, of_parent[:, None].expand(-1, len(on), -1))
    return ((quiet * when).sum(1) / when.sum(0)).to(cosine)


def _absorbed(fires: Tensor, on: Tensor, own: Tensor, parents: Tensor) -> Tensor:
    """Return `Seen.absorbed` of models of one seed; ``own`` has each feature's latent."""
    heads = parents == torch.arange(len(parents), device=parents.device)
    families = torch.nn.functional.one_hot(parents, len(parents)).double().to(on.device)
    alone = on & ((on.double() @ families) == 1)  # of a family only this one
    of_parent = own[:, parents]
    fired = fires.double().gather(-1, of_parent.clamp_min(0)[:, None].expand(-1, len(on), -1))
    quiet = 1 - fired * (of_parent >= 0)[:, None]  # (models, samples, n)
    together = (on & on[:, parents]).double()
    without = alone[:, parents].double()
    by_number = torch.nn.functional.one_hot(on.sum(-1)).double()  # (samples, how many are active)
    both, single = by_number.T @ together, by_number.T @ without  # (how many, n)
    quiet_both, quiet_single = (by_number.T @ (quiet * when) for when in (together, without))
    more = quiet_both / both.clamp_min(1) - quiet_single / single.clamp_min(1)
    weight = both * (single > 0)
    found = (more * weight).sum(1) / weight.sum(0)
    return found.masked_fill(heads.to(found.device), torch.nan)


def _given(
    cosine: Tensor, alive: Tensor, embedded: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return cosines ``(..., k, n)``, of which some may be NaN, and truth values, checked."""
    cosine, alive = checks.real("cosine", cosine), checks.truths("alive", alive)
    if cosine.ndim < 2 or 0 in cosine.shape[-2:]:
        raise InvalidArgument(f"cosine has shape {tuple(cosine.shape)}: (..., k, n) is needed")
    latents = cosine.shape[:-1]
    if checks.broadcast_shape(cosine=latents, alive=alive.shape) != latents:
        raise InvalidArgument(
            f"alive has shape {tuple(alive.shape)}: (..., k) of cosine's {tuple(cosine.shape)} is "
            "needed"
        )
    if embedded is None:
        return cosine, alive, None
    embedded = checks.truths("embedded", embedded)
    checks.broadcast_shape(cosine=(*cosine.shape[:-2], cosine.shape[-1]), embedded=embedded.shape)
    if embedded.ndim < 1 or embedded.shape[-1] not in (1, cosine.shape[-1]):
        raise InvalidArgument(
            f"embedded has shape {tuple(embedded.shape)}: (..., n) of cosine's "
            f"{tuple(cosine.shape)} is needed"
        )
    return cosine, alive, embedded


def nearest(cosine: Tensor, alive: Tensor) -> Tensor:
    """Return each feature's largest cosine with a living latent, ``(..., n)``; at least 0.

    Examples
    --------
    >>> nearest(torch.tensor([[0.9, 0.1], [0.2, 1.0]]), torch.tensor([True, False]))
    tensor([0.9000, 0.1000])
    """
    cosine, alive, _ = _given(cosine, alive)
    return cosine.masked_fill(~alive[..., None], 0).amax(-2).clamp_min(0)


def matched(cosine: Tensor, alive: Tensor) -> Tensor:
    """Return each feature's own latent, ``(..., n)``: no living latent is that of two features.

    Of all ways to give each feature a living latent, that with the largest sum of cosines; −1 where
    none is left.

    Examples
    --------
    >>> cosine = torch.tensor([[1.0, 0.9], [0.8, 0.1], [0.0, 0.9]])
    >>> matched(cosine, torch.tensor([True, True, False]))
    tensor([1, 0])
    """
    from scipy.optimize import linear_sum_assignment

    cosine, alive, _ = _given(cosine, alive)
    n = cosine.shape[-1]
    dead = -2.0  # below every cosine
    fit = cosine.masked_fill(~alive[..., None], dead).nan_to_num(dead).double().cpu()
    found = torch.full((*cosine.shape[:-2], n), -1)
    for row, one in zip(found.view(-1, n), fit.reshape(-1, *fit.shape[-2:]), strict=True):
        latents, features = map(torch.from_numpy, linear_sum_assignment(one.numpy(), maximize=True))
        living = one[latents, features] > dead
        row[features[living]] = latents[living]
    return found.to(cosine.device)


def mean_max_cosine(cosine: Tensor, alive: Tensor, embedded: Tensor | None = None) -> Tensor:
    """Return the mean over features of the largest cosine with a living latent: MMCS, ``(...)``.

    References
    ----------
    Sharkey et al. 2022.

    Examples
    --------
    >>> mean_max_cosine(torch.tensor([[1.0, 0.0], [0.0, 0.5]]), torch.tensor([True, True]))
    tensor(0.7500)
    """
    cosine, alive, embedded = _given(cosine, alive, embedded)
    best = nearest(cosine, alive)
    if embedded is None:
        return best.mean(-1)
    return (best * embedded).sum(-1) / embedded.sum(-1).clamp_min(1)


def found_share(cosine: Tensor, alive: Tensor, embedded: Tensor, *, least: float) -> Tensor:
    """Return the share of embedded features that a living latent has at such a cosine, ``(...)``.

    Examples
    --------
    >>> cosine, both = torch.tensor([[1.0, 0.0], [0.0, 0.5]]), torch.tensor([True, True])
    >>> found_share(cosine, both, both, least=0.9)
    tensor(0.5000)
    """
    cosine, alive, kept = _given(cosine, alive, embedded)
    if kept is None:
        raise InvalidArgument("embedded is None: which features are embedded is needed")
    found = (nearest(cosine, alive) >= checks.number("least", least)) & kept
    return found.sum(-1) / kept.sum(-1).clamp_min(1)


def _latents(given: dict[str, Any]) -> None:
    given["cosine"], given["alive"], _ = _given(given["cosine"], given["alive"])


@gate(_latents, least=checks.number)
def true_share(cosine: Tensor, alive: Tensor, *, least: float) -> Tensor:
    """Return the share of living latents that have some feature at such a cosine, ``(...)``.

    Examples
    --------
    >>> cosine = torch.tensor([[1.0, 0.0], [0.0, 0.5]])
    >>> true_share(cosine, torch.tensor([True, False]), least=0.9)
    tensor(1.)
    """
    true = (cosine.amax(-1) >= least) & alive
    return true.sum(-1) / alive.sum(-1).clamp_min(1)


def duplicates(cosine: Tensor, alive: Tensor, *, least: float) -> Tensor:
    """Return the share of living latents whose feature another one has as well, ``(...)``.

    Of the latents that have one feature at such a cosine all but one are duplicates.

    Examples
    --------
    >>> cosine = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> round(duplicates(cosine, torch.ones(3, dtype=torch.bool), least=0.9).item(), 3)
    0.333
    """
    cosine, alive, _ = _given(cosine, alive)
    least = checks.number("least", least)
    best, which = cosine.max(-1)
    own = torch.nn.functional.one_hot(which, cosine.shape[-1])
    own = own * ((best >= least) & alive)[..., None]
    return (own.sum(-2) - 1).clamp_min(0).sum(-1) / alive.sum(-1).clamp_min(1)


def _partner_fits(given: dict[str, Any]) -> None:
    n = given["cosine"].shape[-1]
    given["partner"] = _numbers_of_features("partner", given["partner"], n)


@gate(
    _latents,
    shapes("cosine", cosine="... k n", between="... n n"),
    _partner_fits,
    between=checks.floating,
)
def mixing(cosine: Tensor, alive: Tensor, between: Tensor, partner: Tensor) -> Tensor:
    """Return how much of a partner living latents have, as a share of their own: ``(..., k)``.

    Of a latent d and its nearest feature i with partner j, the weights a, b of d ≈ a Ŵ_i + b Ŵ_j by
    least squares; b / a, within −1 and 1. What the two features share in direction is so taken out.
    Dead latents have NaN.

    Parameters
    ----------
    cosine, alive
        As of `seen`.
    between
        Cosines of the true features, ``(..., n, n)``.
    partner
        For each feature its partner, ``(n,)``.

    References
    ----------
    Our measure of the hedging of Chanin et al. 2025, of which the abstract could be read.

    Examples
    --------
    >>> merged = torch.tensor([[0.8, 0.6], [0.0, 1.0]])
    >>> mixing(merged, torch.tensor([True, True]), torch.eye(2), torch.tensor([1, 0]))
    tensor([0.7500, 0.0000])
    """
    own = cosine.argmax(-1)
    other = partner.to(own.device)[own]
    at_own, at_other = (cosine.gather(-1, k[..., None])[..., 0] for k in (own, other))
    rows = between.expand(*cosine.shape[:-2], *between.shape[-2:])
    pairs = rows.gather(-2, own[..., None].expand(*own.shape, rows.shape[-1]))
    shared = pairs.gather(-1, other[..., None])[..., 0]
    a, b = at_own - shared * at_other, at_other - shared * at_own  # both over 1 − shared²
    ratio = torch.where(a > 0, b / a.clamp_min(1e-9), 0.0).clamp(-1, 1)
    return ratio.masked_fill(~alive, torch.nan)


def taken_in(
    cosine: Tensor,
    alive: Tensor,
    between: Tensor,
    parents: Tensor,
    *,
    one_each: bool = False,
) -> Tensor:
    """Return how much of its parent the latent of each child has, as `mixing` does: ``(..., n)``.

    A child's latent is the living one that is nearest to it, or with ``one_each`` its own
    (`matched`). NaN for parents, and where a child has none.

    Examples
    --------
    >>> cosine = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    >>> taken_in(cosine, torch.tensor([True, True]), torch.eye(2), torch.tensor([0, 0]))
    tensor([   nan, 0.7500])
    """
    cosine, alive, _ = _given(cosine, alive)
    n = cosine.shape[-1]
    between = checks.real("between", between).to(cosine)
    parents = checks.whole_array("parents", parents).to(cosine.device)
    if parents.shape != (n,) or not ((parents >= 0) & (parents < n)).all():
        raise InvalidArgument(
            f"parents has shape {tuple(parents.shape)}: for each of {n} features the number of one "
            "is needed"
        )
    models = cosine.shape[:-2]
    fits = between.shape[-2:] == (n, n)
    if not fits or checks.broadcast_shape(cosine=models, between=between.shape[:-2]) != models:
        raise InvalidArgument(
            f"between has shape {tuple(between.shape)}: (..., {n}, {n}), with cosine's leading "
            f"axes {tuple(models)} or none, is needed"
        )
    nearest_one = cosine.masked_fill(~alive[..., None], -2).argmax(-2)
    latent = matched(cosine, alive) if one_each else nearest_one  # (..., n)
    index = latent.clamp_min(0)[..., None].expand(*latent.shape, cosine.shape[-1])
    rows = cosine.gather(-2, index)
    at_own = rows.diagonal(dim1=-2, dim2=-1)
    index = parents[:, None].expand(*rows.shape[:-1], 1)
    at_parent = rows.gather(-1, index)[..., 0]
    whole = between.expand(*rows.shape[:-2], n, n)
    shared = whole.gather(-1, index)[..., 0]
    a, b = at_own - shared * at_parent, at_parent - shared * at_own
    ratio = torch.where(a > 0, b / a.clamp_min(1e-9), 0.0).clamp(-1, 1)
    own = parents == torch.arange(n, device=parents.device)
    return ratio.masked_fill(own | (latent < 0), torch.nan)
