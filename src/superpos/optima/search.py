"""The best model known of many features: a crowd that is trained alone, or a stack of polytopes.

Patience is not rest. Where features have the same probability, those that are left out add a
constant to the loss, and noise to every gradient: without them the others find better places in a
small part of the time. Who is left out is known. If a feature had a place and a more important
one had none, to change them over would lower the loss, for a place costs less than v = p/3 − p²/4
or it would not be taken. So the represented are the k most important ones, and only k is to be
found.

That holds for features of one probability, whatever their importance; where probabilities differ,
places and features do not change over freely, and `best_known` refuses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from superpos import checks
from superpos.checks import Numbers
from superpos.compute import streams
from superpos.compute.gates import gate, optional, seeds_of
from superpos.compute.processes import in_parallel
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument
from superpos.features import IndependentFeatures
from superpos.losses import active_moments, even_loss
from superpos.optima.ladder import stack
from superpos.training.procedures import Procedure
from superpos.training.train import train

_WIDER = 1.25  # from one number of features to the next of the first look
_NEAR = 1.07  # of the second
_SHORT = 5  # how many times fewer steps the first look takes
_HOPELESS = 0.97  # of what the stack saves: a crowd that short training leaves below is left there
_DEAD = 1e-2  # ‖W_i‖² of a feature that has lost its place
_BESIDE = 0.02  # the standard deviation of what is added to the entries of W
_LOOK, _JUDGE = 16_384, 65_536  # inputs by which to choose, and by which to tell


@dataclass(frozen=True, eq=False)
class Crowd:
    """Features that were trained alone, as a model of all n.

    Those that lost their place while they were trained are taken out.

    Attributes
    ----------
    W, b
        ``(m, n)`` and ``(n,)``; features left out come last.
    represented
        How many features have a place.
    loss, error
        Its expected loss, all features counted, and the standard error.
    tried
        What crowds of other k saved, as shares of Σ I v: by k, the best of the seeds.
    """

    W: Tensor
    b: Tensor
    represented: int
    loss: float
    error: float
    tried: dict[int, float]


@dataclass(frozen=True, eq=False)
class BestKnown:
    """The best models known, by setting.

    Attributes
    ----------
    W, b
        ``(*settings, m, n)`` and ``(*settings, n)``.
    loss, error
        ``(*settings,)``: expected, in float64, and its standard error; 0 where it is exact.
    kind
        What each is: "30 digon", "crowd of 43", "1 pentagon + 1 Higman-Sims 100, trained on".
    crowd_loss, stack_loss
        ``(*settings,)``: of the best of each kind; NaN where a kind does not apply.
    """

    W: Tensor
    b: Tensor
    loss: Tensor
    error: Tensor
    kind: list[str]
    crowd_loss: Tensor
    stack_loss: Tensor


def _of_one_model(name: str, value: Numbers) -> Tensor:
    found = checks.finite(name, value, dtype=torch.float64)
    if found.ndim > 1:
        raise InvalidArgument(f"{name} has shape {tuple(found.shape)}: (n,) is needed")
    return found


def _probability(name: str, value: float) -> float:
    found = checks.positive_number(name, value)
    if found > 1:
        raise InvalidArgument(f"{name} is {found:g}: one in (0, 1] is needed")
    return found


def _aim(name: str, value: float) -> float:
    return value if isinstance(value, float) and value == math.inf else checks.number(name, value)


def _of_features(name: str, value: Tensor) -> Tensor:
    found = checks.along(name, value)
    if not (found > 0).any():
        raise InvalidArgument(f"{name} has no entry above 0: there is nothing to save")
    return found


@gate(probability=partial(checks.some, dtype=torch.float64), importance=optional(_of_one_model))
def best_known(
    n: int,
    m: int,
    probability: Numbers,
    importance: Numbers | None = None,
    *,
    seeds: int | Sequence[int] = 2,
    steps: int = 3000,
) -> BestKnown:
    """Return the best tied ReLU-output models that we know how to find, for each p.

    Crowds of k features are trained for a series of k, first shortly, then near the best of these;
    with equal importance they compete with the best stack of polytopes (`superpos.optima.ladder`),
    which is trained on where it is of several kinds.

    Parameters
    ----------
    n, m
        Numbers of features and of hidden dimensions, at least 1.
    probability
        p ``(*settings)``, in (0, 1], of all features.
    importance
        I ≥ 0, ``(n,)``, falling; all ones by default.
    seeds
        Whole numbers, or how many of them: each crowd is trained from so many starts.
    steps
        Of 128 inputs each, for a crowd of the second look; at least 5.

    Returns
    -------
    BestKnown

    Raises
    ------
    InvalidArgument
        If an argument is not as above.

    References
    ----------
    Elhage et al. 2022, "The Geometry of Superposition" (the models that these are the rest of).

    Examples
    --------
    >>> found = best_known(40, 4, [0.4, 0.15], steps=300)
    >>> found.kind, found.W.shape
    (['4 digon', '1 rectified 5-cell'], torch.Size([2, 4, 40]))
    """
    n = checks.whole_number("n", n)
    m = checks.whole_number("m", m)
    steps = checks.whole_number("steps", steps, least=_SHORT)
    p = checks.probabilities("probability", probability, dtype=torch.float64)
    if (p == 0).any():
        raise InvalidArgument("probability has a 0: a feature that is never active has no place")
    device = p.device
    I = checks.importances("importance", importance, n, dtype=torch.float64, device=device)
    I = I.expand(n)
    if (I.diff() > 0).any():
        raise InvalidArgument("importance must fall from feature to feature: sort them first")
    seeds = streams.seed_list(seeds)
    settings = p.flatten().tolist()
    equal = bool((I[0] == I).all())

    def work(at: float) -> tuple[_Model, float, float]:
        stacked = stack(n, m, at) if equal else None
        aim = math.inf if stacked is None else stacked.loss * I[0].item()
        alone = crowd(m, at, I, seeds=seeds, steps=steps, aim=aim)
        known = [_Model(f"crowd of {alone.represented}", alone.W, alone.b, alone.loss, alone.error)]
        if stacked is not None:
            kind = " + ".join(f"{count} {name}" for name, count in stacked.counts.items())
            W, b = (value.float().to(device) for value in (stacked.W, stacked.b))
            known.append(_Model(kind, W, b, aim, 0.0))
            if len(stacked.counts) > 1:  # what fills the last dimensions can be better than that
                known.append(_trained_on(known[-1], at, I, seed=seeds[0], steps=steps))
        return min(known, key=lambda one: one.loss + 2 * one.error), alone.loss, aim

    on_cpu = device.type == "cpu"
    best, crowds, stacks = zip(*in_parallel(work, settings, spread=on_cpu), strict=True)

    def each(values) -> Tensor:
        return torch.tensor(list(values), dtype=torch.float64, device=device).reshape(p.shape)

    return BestKnown(
        W=torch.stack([one.W for one in best]).reshape(*p.shape, m, n),
        b=torch.stack([one.b for one in best]).reshape(*p.shape, n),
        loss=each(one.loss for one in best),
        error=each(one.error for one in best),
        kind=[one.kind for one in best],
        crowd_loss=each(crowds),
        stack_loss=each(math.nan if aim == math.inf else aim for aim in stacks),
    )


@dataclass(frozen=True, eq=False)
class _Model:
    """A model of all n features, and what it loses."""

    kind: str
    W: Tensor
    b: Tensor
    loss: float
    error: float


def _trained_on(one: _Model, probability: float, I: Tensor, *, seed: int, steps: int) -> _Model:
    """The same after training of its represented features, from a little beside it."""
    (live,) = one.W.square().sum(0).nonzero(as_tuple=True)
    draws = streams.generator(seed, Purpose.INITIAL_VALUES, len(live))
    beside = torch.randn(len(one.W), len(live), generator=draws)
    W = one.W[:, live] + _BESIDE * beside.to(one.W)
    run = train(
        IndependentFeatures(len(live), torch.tensor(probability)),
        len(W),
        importance=I[live],
        seeds=[seed],
        procedure=Procedure.fast(
            len(live), len(W), steps=max(1, steps // 3), batch_size=512, learning_rate=0.01
        ),
        start={"W": W, "b": one.b[live]},
        device=W.device,
        progress=False,
    )
    W, b = one.W.clone(), one.b.clone()
    W[:, live], b[live] = run.W[0], run.b[0]
    loss, error = even_loss(W[:, live], b[live], probability, I[live], samples=_JUDGE, seed=1)
    left_out = active_moments(torch.tensor(probability, dtype=torch.float64))[1].item()
    rest = left_out * (I.sum() - I[live].sum()).item()
    return _Model(f"{one.kind}, trained on", W, b, loss.item() + rest, error.item())


@gate(
    m=checks.whole_number,
    probability=_probability,
    importance=_of_features,
    seeds=seeds_of,
    steps=checks.whole_number,
    aim=_aim,
)
def crowd(
    m: int,
    probability: float,
    importance: Tensor,
    *,
    seeds: Sequence[int],
    steps: int,
    aim: float = math.inf,
) -> Crowd:
    """Return the best crowd found in m dimensions, and as many features as make it the best.

    Parameters
    ----------
    m, probability, importance, seeds, steps
        As for `best_known`; importance is ``(n,)``.
    aim
        A loss that is known to be possible: where a first look stays far above, it is the end.

    Examples
    --------
    >>> found = crowd(2, 0.15, torch.ones(9), seeds=[0], steps=1000)
    >>> found.represented
    5
    """
    n = len(importance)
    left_out = active_moments(torch.tensor(probability, dtype=torch.float64))[1].item()
    everything = left_out * importance.sum().item()  # what there is to save
    tried: dict[int, tuple[float, Tensor, Tensor]] = {}

    def saved(k: int, steps: int) -> float:
        """What the best of crowds of k features saves; it is kept."""
        run = train(
            IndependentFeatures(k, torch.tensor(probability)),
            m,
            importance=importance[:k],
            seeds=seeds if steps == long else seeds[:1],
            procedure=Procedure.fast(k, m, steps=steps, batch_size=128, learning_rate=0.02),
            device=importance.device,
            progress=False,
        )
        loss, _ = even_loss(run.W, run.b, probability, importance[:k], samples=_LOOK, seed=0)
        best = loss.argmin()
        share = left_out * importance[:k].sum().item() - loss[best].item()
        if k not in tried or share > tried[k][0]:
            tried[k] = share, run.W[best], run.b[best]
        return share

    long, short = steps, max(1, steps // _SHORT)
    _first_look(m, n, lambda k: saved(k, short))
    looked = {k: found[0] for k, found in tried.items()}
    if max(looked.values()) >= _HOPELESS * (everything - aim):
        k = _peak(looked)
        near = [round(k / _NEAR), k, round(k * _NEAR)]
        for k in dict.fromkeys(min(n, max(1, k)) for k in near):
            saved(k, long)
        best = max(tried, key=lambda k: tried[k][0])
        beyond = {min(near): best / _NEAR, max(near): best * _NEAR}.get(best)
        if beyond is not None and (k := min(n, max(1, round(beyond)))) not in near:
            saved(k, long)
    _, W, b = max(tried.values(), key=lambda found: found[0])
    dead = W.square().sum(0) < _DEAD
    places = dead.long().argsort(stable=True)[: int((~dead).sum())]  # for the most important
    W, b, k = W[:, places], b[places], len(places)
    loss, error = even_loss(W, b, probability, importance[:k], samples=_JUDGE, seed=1)
    return Crowd(
        torch.nn.functional.pad(W, (0, n - k)),
        torch.nn.functional.pad(b, (0, n - k), value=probability / 2),
        k,
        loss.item() + left_out * importance[k:].sum().item(),
        error.item(),
        {k: found[0] / everything for k, found in sorted(tried.items())},
    )


def _first_look(m: int, n: int, saved: Callable[[int], float]) -> None:
    """Try more and more features, until they save less twice in a row."""
    most, worse, k = -math.inf, 0, min(m, n)
    while True:
        now = saved(k)
        most, worse = max(most, now), 0 if now > most else worse + 1
        if worse == 2 or k == n:
            return
        k = min(n, math.ceil(k * _WIDER))


def _peak(looked: dict[int, float]) -> int:
    """Return where a parabola in log k through the best and its neighbours is highest."""
    ks = sorted(looked)
    at = ks.index(max(ks, key=lambda k: looked[k]))
    if at in (0, len(ks) - 1):
        return ks[at]
    around = ks[at - 1 : at + 2]
    x = torch.tensor(around, dtype=torch.float64).log()
    y = torch.tensor([looked[k] for k in around], dtype=torch.float64)
    bend, slope, _ = torch.linalg.solve(x[:, None] ** torch.tensor([2, 1, 0]), y)
    return round(math.exp(-slope / (2 * bend)))
