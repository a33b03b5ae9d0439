"""Codes that compute ANDs of pairs in few neurons, and how few suffice.

A neuron adds up the features of a set that it hears and answers ReLU(sum − 1): nothing to one of
them, 1 to two. Which features a neuron hears is drawn at random, so that a pair is told by the
neurons that hear both. Features reach the layer either with a dimension each or *in
superposition*: as random unit vectors in as many dimensions as there are neurons, so that a
neuron hears a little of all.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from superpos import checks, geometry
from superpos.compute import streams
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument

STEP = 2**0.25  # from one number of neurons that is tried to the next
OVERLAPS = (3, 6, 12)  # neurons that hear both features of a pair, on average, which are tried
SIZES = (4, 8, 16)  # neurons of a set, which are tried


def _arriving(n: int, active: Tensor, dimensions: int, draw: torch.Generator) -> Tensor:
    """Return how much of each feature arrives, ``(n, inputs)``, for active ones ``(inputs, s)``.

    Features in superposition, in ``dimensions``, arrive as their inner products with the input.
    """
    if not dimensions:
        return torch.zeros(n, len(active)).scatter_(0, active.mT, 1.0)
    directions = geometry.directions(torch.randn(dimensions, n, generator=draw))
    return directions.mT @ directions[:, active].sum(-1)


def universal(
    n: int, neurons: int, density: float, *, seed: int, superposed: bool = True, queries: int = 150
) -> float:
    """Return how often the ANDs of all pairs of n features are read out right, linearly.

    Each neuron hears each feature with probability ``density``. The AND of two features is the
    mean answer of the neurons that hear both, 0 if there are none. Two features are active: both of
    the pair that is asked for, or one, or none, a third of the queries each.

    Parameters
    ----------
    n
        At least 4.
    neurons
        At least 1; also the dimensions that the features arrive in, if ``superposed``.
    density
        In (0, 1].
    seed
        Selects sets, directions and queries.
    superposed
        Whether features arrive as random unit vectors; else each has a dimension of its own.
    queries
        How many, a multiple of 3.

    Returns
    -------
    float
        The share of answers that are off by less than one half.

    Raises
    ------
    InvalidArgument
        If an argument is not as above.

    References
    ----------
    Hänni et al. 2024, "Mathematical Models of Computation in Superposition" (abstract).

    Examples
    --------
    >>> universal(20, 2000, 0.1, seed=0) > 0.98, universal(20, 5, 0.1, seed=0) < 0.9
    (True, True)
    """
    n, neurons = checks.whole_number("n", n, least=4), checks.whole_number("neurons", neurons)
    density = checks.positive_number("density", density)
    if density > 1:
        raise InvalidArgument(f"density is {density}: one in (0, 1] is needed")
    if checks.whole_number("queries", queries) % 3:
        raise InvalidArgument(f"queries is {queries}: a multiple of 3 is needed")
    superposed = checks.flag("superposed", superposed)
    draw = streams.generator(seed, Purpose.TRUTH, n, neurons)
    hears = (torch.rand(neurons, n, generator=draw) < density).float()
    drawn = torch.rand(queries, n, generator=draw).topk(4, dim=-1).indices
    kinds = torch.tensor([[0, 1], [0, 2], [2, 3]]).repeat(queries // 3, 1)
    arriving = _arriving(n, drawn.gather(1, kinds), neurons if superposed else 0, draw)
    own = hears[:, drawn[:, 0]] * hears[:, drawn[:, 1]]
    k, query = own.nonzero(as_tuple=True)  # no other answer is asked for
    answers = ((hears[k] * arriving.mT[query]).sum(-1) - 1).relu()
    told = torch.zeros(queries).index_add_(0, query, answers) / own.sum(0).clamp_min(1)
    truth = torch.tensor([1.0, 0.0, 0.0]).repeat(queries // 3)
    return ((told - truth).abs() < 0.5).double().mean().item()


def paired(
    k: int, neurons: int, size: int, *, seed: int, superposed: bool = True, inputs: int = 100
) -> float:
    """Return how often all of k ANDs of disjoint pairs are right, with a threshold at the output.

    Each AND has a random set of neurons, which hear both of its features; its output is 1 where
    their mean answer is three quarters or more. Four of 2k features are active: a whole pair, and
    one of two other pairs each.

    Parameters
    ----------
    k
        At least 3.
    neurons, size
        How many, and how many of them an AND has: ``size`` ≤ ``neurons``. Also the dimensions that
        the features arrive in, if ``superposed``.
    seed
        Selects sets, directions and inputs.
    superposed
        As for `universal`.
    inputs
        How many are tried.

    Returns
    -------
    float
        The share of inputs at which every output is right.

    Raises
    ------
    InvalidArgument
        If an argument is not as above.

    References
    ----------
    Adler and Shavit 2024, "On the Complexity of Neural Computation in Superposition" (abstract).

    Examples
    --------
    >>> paired(20, 500, 8, seed=0) > 0.98, paired(20, 8, 4, seed=0) < 0.5
    (True, True)
    """
    k, size = checks.whole_number("k", k, least=3), checks.whole_number("size", size)
    neurons = checks.whole_number("neurons", neurons, least=size)
    superposed = checks.flag("superposed", superposed)
    inputs = checks.whole_number("inputs", inputs)
    draw = streams.generator(seed, Purpose.TRUTH, k, neurons)
    sets = torch.rand(k, neurons, generator=draw).topk(size, dim=-1).indices
    own = torch.zeros(k, neurons).scatter_(1, sets, 1.0)
    pairs = torch.rand(inputs, k, generator=draw).topk(3, dim=-1).indices
    active = torch.cat([2 * pairs, 2 * pairs[:, :1] + 1], dim=1)
    arriving = _arriving(2 * k, active, neurons if superposed else 0, draw)
    answers = (own.mT @ arriving.unflatten(0, (k, 2)).sum(1) - 1).relu()
    told = own @ answers / size >= 0.75  # (k, inputs)
    truth = torch.zeros_like(told).scatter_(0, pairs[:, :1].mT, True)
    return (told == truth).all(0).double().mean().item()


def fewest(right: Callable[[int], float], *, share: float, most: int = 4096) -> int:
    """Return the fewest neurons, in steps of a fourth root of 2 from 4, for which enough is right.

    By halving: as if more neurons were never worse.

    Parameters
    ----------
    right
        What share is right with a number of neurons.
    share
        What is enough.
    most
        The most neurons, at least 4; returned as well where not even these are enough.

    Raises
    ------
    InvalidArgument
        If one of these is not as above.

    Examples
    --------
    >>> fewest(lambda neurons: neurons / 100, share=0.9)
    91
    """
    checks.function("right", right)
    share, most = checks.number("share", share), checks.whole_number("most", most, least=4)
    tried, count = [], 4.0
    while round(count) < most:
        tried.append(round(count))
        count *= STEP
    low, high = 0, len(tried)  # at `high`, enough is right or the end is reached
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if right(tried[middle]) >= share else (middle + 1, high)
    return tried[low] if low < len(tried) else most
