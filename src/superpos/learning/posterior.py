"""Samples from exp(−N φ(θ)): a Bayesian posterior, at many N at once, and local complexity.

Hamiltonian Monte Carlo moves each sample, and samples at neighbouring N are exchanged, so that
those at large N come out of valleys which they would not leave by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from superpos import checks
from superpos.compute import streams
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument

Height = Callable[[Tensor], Tensor]
_LEAPS = 8  # of a move
_AT_FIRST = 0.2  # of the longest stable leap, until it has been adapted
_AIM = 0.8  # share of moves accepted to which leaps are adapted


@dataclass(frozen=True, eq=False)
class Samples:
    """What was sampled, the first half of the sweeps left out.

    Attributes
    ----------
    place
        θ, ``(draws, runs, N, parameters)``.
    height
        φ there, ``(draws, runs, N)``.
    accepted
        The share of moves accepted, ``(runs, N)``.
    exchanged
        The share of exchanges accepted between neighbours, ``(N − 1,)``; empty for one N.
    """

    place: Tensor
    height: Tensor
    accepted: Tensor
    exchanged: Tensor


def sample(
    height: Height,
    start: Tensor,
    sizes: Tensor,
    *,
    seeds: Sequence[int],
    sweeps: int,
    centre: Tensor | None = None,
    precision: float = 1.0,
    exchange: bool = True,
) -> Samples:
    """Sample from exp(−N φ(θ) − precision ‖θ − centre‖² / 2) at every N.

    Parameters
    ----------
    height
        φ: from ``(..., parameters)`` to ``(...)``, differentiable.
    start
        ``(runs, N, parameters)``, or what broadcasts to that.
    sizes
        N, ``(N,)``, above 0; increasing, and close to each other where samples are exchanged.
    seeds
        One for each run.
    sweeps
        How many moves; at least 4. The length of leaps is adapted in the first half, which is
        not counted.
    centre, precision
        Of the normal prior; by default 0 and 1.
    exchange
        Whether samples at neighbouring N are exchanged.

    Returns
    -------
    Samples

    References
    ----------
    Neal 2011, "MCMC using Hamiltonian dynamics"; Hukushima and Nemoto 1996, "Exchange Monte Carlo
    method and application to spin glass simulations".

    Examples
    --------
    Of a bowl in three dimensions, N φ is 3/2 on average, whatever N:

    >>> bowl = lambda place: place.square().sum(-1) / 2
    >>> found = sample(bowl, torch.zeros(3), torch.tensor([1e3, 2e3]), seeds=[0], sweeps=2000)
    >>> bool(((found.height.mean(0) * torch.tensor([1e3, 2e3]) - 1.5).abs() < 0.2).all())
    True
    """
    sweeps = checks.whole_number("sweeps", sweeps, least=4)
    seeds = streams.seed_list(seeds)
    precision = checks.positive_number("precision", precision)
    exchange = checks.flag("exchange", exchange)
    start, sizes = checks.finite("start", start).detach(), checks.along("sizes", sizes).detach()
    if not (sizes > 0).all():
        raise InvalidArgument(f"sizes has an entry of {sizes.min():g}: they are above 0")
    sizes = sizes.to(start)
    prior = torch.zeros_like(start) if centre is None else checks.finite("centre", centre).to(start)
    wanted = (len(seeds), len(sizes), *start.shape[-1:])
    for name, value in (("start", start), ("centre", prior)):
        if not value.ndim or checks.broadcast_shape(runs=wanted, **{name: value.shape}) != wanted:
            raise InvalidArgument(
                f"{name} has shape {tuple(value.shape)}: (runs, N, parameters) = "
                f"{wanted}, or what broadcasts to it, is needed"
            )
    place = start.expand(len(seeds), len(sizes), start.shape[-1]).clone()

    def both(place: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            at = place.detach().requires_grad_()
            found = height(at)
            (slope,) = torch.autograd.grad(found.sum(), at)
        return found.detach(), slope

    def energy(place: Tensor, found: Tensor) -> Tensor:
        return sizes * found + precision * (place - prior).square().sum(-1) / 2

    def force(place: Tensor, slope: Tensor) -> Tensor:
        return sizes[:, None] * slope + precision * (place - prior)

    draws = [streams.generator(seed, Purpose.EVALUATION) for seed in seeds]
    normal = torch.empty(len(seeds), len(sizes), place.shape[-1])
    chances = torch.empty(len(seeds), 2 * len(sizes) + 1)
    leap = (_AT_FIRST * 2 / (precision + 4 * sizes).sqrt()).expand(len(seeds), -1).clone()
    found, slope = both(place)
    kept, heights = [], []
    moves, swaps, tries = torch.zeros_like(leap), torch.zeros_like(sizes[1:]), 0
    for sweep in range(sweeps):
        for row, chance, draw in zip(normal, chances, draws, strict=True):
            row.normal_(generator=draw)
            chance.uniform_(generator=draw)
        momentum, chance = normal.to(place), chances.to(place)
        # leaps of slightly different lengths do not come back to where they began
        length = (leap * (0.8 + 0.4 * chance[:, -1:]))[..., None]
        at, at_found, at_slope, speed = place, found, slope, momentum
        for _ in range(_LEAPS):
            speed = speed - length / 2 * force(at, at_slope)
            there = at + length * speed
            # a leap that diverges goes nowhere: its speed is not finite, and the move is rejected
            at = torch.where(there.isfinite().all(-1, keepdim=True), there, at)
            at_found, at_slope = both(at)
            speed = speed - length / 2 * force(at, at_slope)
        gain = (
            energy(place, found) + momentum.square().sum(-1) / 2
            - energy(at, at_found) - speed.square().sum(-1) / 2
        )  # fmt: skip
        moved = chance[:, : len(sizes)].log() < gain
        place = torch.where(moved[..., None], at, place)
        slope = torch.where(moved[..., None], at_slope, slope)
        found = torch.where(moved, at_found, found)
        if exchange and len(sizes) > 1:
            first = sweep % 2
            lower, upper = slice(first, len(sizes) - 1, 2), slice(first + 1, None, 2)
            lead = (sizes[upper] - sizes[lower]) * (found[:, upper] - found[:, lower])
            swap = chance[:, len(sizes) : len(sizes) + lead.shape[1]].log() < lead
            for values in (place, slope, found):
                both_ways = swap if values is found else swap[..., None]
                low, high = values[:, lower].clone(), values[:, upper].clone()
                values[:, lower] = torch.where(both_ways, high, low)
                values[:, upper] = torch.where(both_ways, low, high)
            if 2 * sweep >= sweeps:
                swaps[lower] += swap.double().mean(0).to(swaps)
                tries += 1
        if 2 * sweep < sweeps:
            leap = leap * torch.exp((moved.to(leap) - _AIM) * 4 / (10 + sweep) ** 0.6)
        else:
            moves += moved.to(moves)
            kept.append(place.clone())
            heights.append(found.clone())
    return Samples(
        place=torch.stack(kept),
        height=torch.stack(heights),
        accepted=moves / len(kept),
        exchanged=swaps / max(1, tries / 2),
    )


def local_coefficient(
    height: Height,
    minimum: Tensor,
    *,
    size: float,
    seeds: Sequence[int],
    sweeps: int,
    precision: float = 100.0,
) -> Tensor:
    """Return the local learning coefficient at minima, sampled: N (mean of φ − φ at the minimum).

    Where all curvatures are positive this is half the number of parameters, and each direction that
    is flat takes off a half.

    Parameters
    ----------
    height
        As for `sample`.
    minimum
        ``(minima, parameters)``.
    size
        N: so large that exp(−N φ) is narrow against what holds the samples near the minimum.
    seeds, sweeps
        As for `sample`.
    precision
        Of the normal distribution around the minimum that holds them there.

    Returns
    -------
    Tensor
        ``(seeds, minima)``.

    References
    ----------
    Lau, Furman, Wang, Murfet and Wei 2023, "The Local Learning Coefficient: A Singularity-Aware
    Complexity Measure".

    Examples
    --------
    One of two directions is flat:

    >>> groove = lambda place: place[..., 0] ** 2
    >>> found = local_coefficient(groove, torch.zeros(1, 2), size=1e4, seeds=[0], sweeps=2000)
    >>> bool(abs(found.item() - 0.5) < 0.1)
    True
    """
    minimum = checks.finite("minimum", minimum).detach()
    if minimum.ndim != 2 or not minimum.numel():
        raise InvalidArgument(
            f"minimum has shape {tuple(minimum.shape)}: (minima, parameters) is needed"
        )
    size = checks.positive_number("size", size)
    sizes = torch.full((len(minimum),), size, dtype=torch.float64).float()
    if not (sizes > 0).all() or not torch.isfinite(sizes).all():
        raise InvalidArgument(f"size is {size:g}, which single precision does not hold")
    at = {"seeds": seeds, "sweeps": sweeps, "centre": minimum, "precision": precision}
    found = sample(height, minimum, sizes, exchange=False, **at)
    return size * (found.height - height(minimum)).mean(0)
