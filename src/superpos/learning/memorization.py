"""Finite data: sparse examples of thousands of features, and gradient descent on them.

Of n = 10 000 features about ten are active in an example, and `SparseExamples` keeps only
these. So h = Wx costs as much as is active; only ReLU(Wᵀh + b) fills a T × n array.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from superpos import checks
from superpos.compute import streams
from superpos.compute.gates import gate, instance_of, one_precision, shapes
from superpos.compute.processes import in_parallel
from superpos.compute.streams import Purpose
from superpos.errors import Diverged, InvalidArgument
from superpos.models import RELU_OUTPUT
from superpos.training.adam import Adam
from superpos.training.procedures import Procedure

_LOOK = 20  # steps between two looks for outputs that no example turns on
_AT_ONCE = 2_000_000  # entries of a T × n array, where the loss is measured piece by piece


@dataclass(frozen=True, eq=False)
class SparseExamples:
    """T examples of n features, by what is active in each.

    Parameters
    ----------
    n
        Number of features.
    active
        Which features may be active in each example: whole numbers below n, ``(T, k)``.
    values
        Their values, ``(T, k)``; 0 where an example has fewer than k.

    Examples
    --------
    >>> examples = SparseExamples(4, torch.tensor([[0, 3]]), torch.tensor([[0.6, 0.8]]))
    >>> examples.dense().tolist()
    [[0.6000000238418579, 0.0, 0.0, 0.800000011920929]]
    """

    n: int
    active: Tensor
    values: Tensor

    def __len__(self) -> int:
        return len(self.active)

    def __getitem__(self, chosen: Tensor | slice) -> SparseExamples:
        return replace(self, active=self.active[chosen], values=self.values[chosen])

    def dense(self) -> Tensor:
        """Return the examples as inputs x, ``(T, n)``."""
        x = self.values.new_zeros(len(self), self.n)
        return x.scatter_add_(1, self.active, self.values)

    def hidden(self, W: Tensor) -> Tensor:
        """Return the hidden vectors h_j = W x_j as columns, ``(m, T)``, for W ``(m, n)``."""
        return (W[:, self.active] * self.values).sum(-1)

    def seen(self) -> Tensor:
        """Return which features are active in some example: booleans ``(n,)``."""
        mark = torch.zeros(self.n, dtype=torch.bool, device=self.active.device)
        mark[self.active[self.values > 0]] = True
        return mark


def _soon_drawn(given: dict[str, Any]) -> None:
    """Refuse a probability at which examples would be drawn again for ever.

    Those in which nothing is active are, and those in which some feature comes twice.
    """
    n, p = given["n"], given["probability"]
    most = min(n, round(n * p + 4 * (n * p) ** 0.5) + 1)  # that are active
    apart = math.lgamma(n + 1) - math.lgamma(n - most + 1) - most * math.log(n)
    if 0 < n * p < 1e-4 or apart < -16:
        raise InvalidArgument(
            f"probability is {p:g}: examples of n = {n} features, some but not most of them "
            "active, are needed"
        )


@gate(
    _soon_drawn,
    n=checks.whole_number,
    probability=checks.fraction,
    seed=partial(checks.whole_number, least=0),
    test=checks.flag,
)
def draw(
    n: int, count: int, probability: float, *, seed: int, test: bool = False
) -> SparseExamples:
    """Return examples of independent features, normalised to length 1.

    A feature is active with the given probability, then uniform on (0, 1]. An example in which
    none is active has no direction, and is drawn again.

    Parameters
    ----------
    n, count
        Numbers of features and of examples, at least 1.
    probability
        p = 1 − S, above 0 and below 1.
    seed
        Selects the examples.
    test
        Whether to draw others than those that a model of this seed is trained on.

    References
    ----------
    Henighan et al. 2023, "Experimental Setup".

    Examples
    --------
    >>> draw(1000, 5, 0.01, seed=0).dense().norm(dim=1)
    tensor([1.0000, 1.0000, 1.0000, 1.0000, 1.0000])
    """
    n = checks.whole_number("n", n)
    count = checks.whole_number("count", count)
    checks.positive_number("probability", checks.fraction("probability", probability))
    g = streams.generator(seed, Purpose.EVALUATION if test else Purpose.INPUTS, 0)
    total, p = torch.full((count,), float(n)), torch.tensor(float(probability))
    number = torch.binomial(total, p, generator=g)
    while (silent := number == 0).any():
        number[silent] = torch.binomial(total[silent], p, generator=g)
    width = int(number.max())
    place = torch.arange(width)
    entry = place < number[:, None]
    active = torch.randint(n, (count, width), generator=g)
    while (again := _repeats(torch.where(entry, active, n + place))).any():
        active[again] = torch.randint(n, (int(again.sum()), width), generator=g)
    values = (1 - torch.rand(count, width, generator=g)) * entry
    return SparseExamples(n, active * entry, values / values.norm(dim=1, keepdim=True))


def _repeats(active: Tensor) -> Tensor:
    return (active.sort(dim=1).values.diff(dim=1) == 0).any(1)


def _of_these_examples(given: dict[str, Any]) -> None:
    W, examples = given["W"], given["examples"]
    if W.shape[-1] != examples.n:
        raise InvalidArgument(f"W has n = {W.shape[-1]}: that of examples, {examples.n}, is needed")
    if W.dtype != examples.values.dtype:  # which nothing can be scattered between
        widest = torch.promote_types(W.dtype, examples.values.dtype)
        given |= {name: given[name].to(widest) for name in "Wb"}
        given["examples"] = replace(examples, values=examples.values.to(widest))


@gate(
    shapes(W="m n", b="n"),
    one_precision("W", "b"),
    _of_these_examples,
    W=checks.floating,
    b=checks.floating,
    examples=instance_of(SparseExamples),
)
def loss(W: Tensor, b: Tensor, examples: SparseExamples) -> Tensor:
    """Return the mean over the examples of Σ_i (x_i − x'_i)²; 1 for a model that is 0.

    Examples
    --------
    >>> examples = SparseExamples(4, torch.tensor([[0], [3]]), torch.ones(2, 1))
    >>> loss(torch.zeros(2, 4), torch.zeros(4), examples)
    tensor(1.)
    """
    total = W.new_zeros(())
    for part in _cut(examples):
        error = torch.addmm(b, part.hidden(W).T, W).relu_()
        total += error.scatter_add_(1, part.active, -part.values).square().sum()
    return total / len(examples)


def _cut(examples: SparseExamples) -> list[SparseExamples]:
    size = max(1, _AT_ONCE // examples.n)
    return [examples[first : first + size] for first in range(0, len(examples), size)]


def _counts(name: str, values: Sequence[int]) -> list[int]:
    found = checks.whole_numbers(name, values, least=1)
    if not found:
        raise InvalidArgument(f"{name} is empty: at least one number of examples is needed")
    return found


@gate(
    _soon_drawn,
    n=checks.whole_number,
    counts=_counts,
    probability=checks.fraction,
    procedure=instance_of(Procedure),
    test_examples=checks.whole_number,
)
def trained(
    n: int,
    m: int,
    counts: Sequence[int],
    probability: float,
    *,
    seeds: Sequence[int],
    procedure: Procedure,
    test_examples: int = 2000,
) -> dict[str, Tensor]:
    """Train a ReLU-output model on each number of examples, for each seed.

    At every step a model sees all of its examples, or ``procedure.batch_size`` of them, drawn
    anew, if it has more.

    Parameters
    ----------
    n, m
        Numbers of features and of hidden dimensions, at least 1.
    counts
        The numbers of training examples, T.
    probability
        p = 1 − S, above 0 and below 1.
    seeds
        A seed selects initial values, examples and batches.
    procedure
        How gradient descent is run.
    test_examples
        How many new examples the test loss is a mean of; the same ones for every T.

    Returns
    -------
    dict
        ``W`` ``(counts, seeds, m, n)``, ``b`` ``(counts, seeds, n)``, and the losses on the
        training examples and on new ones, ``train`` and ``test``, ``(counts, seeds)``.

    References
    ----------
    Henighan et al. 2023, "Experimental Setup".

    Examples
    --------
    >>> few = Procedure(steps=20)
    >>> run = trained(200, 2, [3, 8], 0.01, seeds=[0], procedure=few, test_examples=50)
    >>> run["W"].shape, run["test"].shape
    (torch.Size([2, 1, 2, 200]), torch.Size([2, 1]))
    """
    m = checks.whole_number("m", m)
    counts = [checks.whole_number("counts", int(count)) for count in counts]

    def one(task: tuple[int, int]) -> tuple[Tensor, ...]:
        count, seed = task
        examples = draw(n, count, probability, seed=seed)
        W, b = descend(examples, m, seed=seed, procedure=procedure)
        new = draw(n, test_examples, probability, seed=seed, test=True)
        return W, b, loss(W, b, examples), loss(W, b, new)

    found = in_parallel(one, list(itertools.product(counts, streams.seed_list(seeds))))
    stacked = [torch.stack(each) for each in zip(*found, strict=True)]
    shape = (len(counts), len(found) // len(counts))
    return {
        name: values.reshape(*shape, *values.shape[1:])
        for name, values in zip(("W", "b", "train", "test"), stacked, strict=True)
    }


@gate(
    examples=instance_of(SparseExamples),
    m=checks.whole_number,
    seed=partial(checks.whole_number, least=0),
    procedure=instance_of(Procedure),
)
def descend(
    examples: SparseExamples, m: int, *, seed: int, procedure: Procedure
) -> tuple[Tensor, Tensor]:
    """Train one ReLU-output model with AdamW on a fixed set of examples.

    An output that no example turns on has no gradient. With all examples at every step such
    outputs (most of those of features that are in no example) are left out once they are at
    rest, except that their parameters decay; every 20 steps they are looked at again.

    Parameters
    ----------
    examples
        The training examples.
    m
        Number of hidden dimensions.
    seed
        Selects initial values, and batches where there are more examples than fit in one.
    procedure
        How gradient descent is run.

    Returns
    -------
    tuple
        W ``(m, n)`` and b ``(n,)``.

    Raises
    ------
    Diverged
        If a parameter stops being finite.
    """
    n = examples.n
    device = examples.values.device
    start = RELU_OUTPUT.initial(n, m, seeds=[seed], scale=procedure.initial_scale, device=device)
    whole = torch.cat([start["W"][0, 0], start["b"][0]])  # W, and below it b: (m + 1, n)
    adam = Adam({"P": whole}, beta2=procedure.beta2, weight_decay=procedure.weight_decay)
    few = len(examples) <= procedure.batch_size
    g = streams.generator(seed, Purpose.INPUTS, 1)
    seen = examples.seen()
    now, batch, left_out, decayed = adam, examples, None, 1.0
    for step in range(procedure.steps):
        if few and step % _LOOK == 0:
            if left_out is not None:
                _put_back(adam, now, left_out, decayed)
            left_out = ~seen & _at_rest(adam) & ~_on(whole, examples)
            now, decayed = _without(adam, left_out, step), 1.0
            batch = _renumbered(examples, ~left_out)
        elif not few:
            chosen = torch.randint(len(examples), (procedure.batch_size,), generator=g)
            batch = examples[chosen]
        rate = procedure.rate(step)
        now.step({"P": _gradient(now.parameters["P"], batch)}, rate)
        decayed *= 1 - rate * procedure.weight_decay
    if left_out is not None:
        _put_back(adam, now, left_out, decayed)
    if not torch.isfinite(whole).all():
        raise Diverged(
            f"training on {len(examples)} examples diverged (seed {seed}): a parameter is not "
            "finite; a smaller learning_rate may help",
            last_good={"W": whole[:m], "b": whole[m]},
        )
    return whole[:m], whole[m]


def _at_rest(adam: Adam) -> Tensor:
    """Return which columns Adam moves by less than a thousandth of its rate: booleans ``(n,)``."""
    return (adam.mean["P"].abs() <= 1e-3 * adam.square["P"].sqrt()).all(0)


def _without(adam: Adam, left_out: Tensor, steps: int) -> Adam:
    """Return the descent of the columns that are not left out, after so many steps."""
    kept, mean, square = (
        {"P": kind["P"][:, ~left_out]} for kind in (adam.parameters, adam.mean, adam.square)
    )
    return Adam(
        kept,
        beta2=adam.beta2,
        weight_decay=adam.weight_decay,
        mean=mean,
        square=square,
        steps=steps,
    )


def _put_back(adam: Adam, now: Adam, left_out: Tensor, decayed: float) -> None:
    """Put back what has descended without some; those have only decayed."""
    adam.parameters["P"].mul_(decayed)
    for kind in ("parameters", "mean", "square"):
        getattr(adam, kind)["P"][:, ~left_out] = getattr(now, kind)["P"]


def _on(P: Tensor, examples: SparseExamples) -> Tensor:
    """Return which outputs some example turns on: booleans ``(n,)``."""
    return (torch.addmm(P[-1], examples.hidden(P[:-1]).T, P[:-1]) > 0).any(0)


def _renumbered(examples: SparseExamples, kept: Tensor) -> SparseExamples:
    """Return the examples in terms of the kept features, to which all active ones belong."""
    place = kept.cumsum(0) - 1
    return SparseExamples(int(kept.sum()), place[examples.active].clamp_min(0), examples.values)


def _gradient(P: Tensor, examples: SparseExamples) -> Tensor:
    """Return the gradient of the mean loss by W and b, ``(m + 1, n)``.

    With e_ji = x'_ji − x_ji where output i is on, else 0, half of it is Σ_j e_ji h_j by the
    column W_i as a decoder, Σ_j x_ji Σ_k e_jk W_k as an encoder, and Σ_j e_ji by b_i. All but e
    at the active features is dense, and made of two thin products.
    """
    m, T = len(P) - 1, len(examples)
    h = P.new_ones(m + 1, T)  # the bias is what a constant hidden unit adds
    h[:m] = examples.hidden(P[:m])
    error = torch.mm(h.T, P).relu_()
    on = error.gather(1, examples.active) > 0
    error.scatter_add_(1, examples.active, -examples.values * on)
    gradient = torch.mm(h, error)
    by_h = torch.mm(P[:m], error.T)
    by_x = (by_h[:, :, None] * examples.values).reshape(m, -1)
    gradient[:m].index_add_(1, examples.active.flatten(), by_x)
    return gradient.mul_(2 / T)
