"""Memorization: what a model stores that is trained on few examples.

Henighan et al. 2023, "Superposition, Memorization, and Double Descent".
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import torch
from torch import Tensor

from superpos import Procedure, geometry, sweep
from superpos.claims.registry import in_words
from superpos.compute.sweeps import tensors
from superpos.learning import memorization
from superpos.stats import listed, told, told_rate
from superpos.studies.study import Outcome, Study, Way, fresh

FEW = (3, 5, 8)  # numbers of examples of many features
ALL_AT_ONCE = (3, 8, 30, 100, 300)  # of fewer, with every example at every step
IN_BATCHES = (100, 300, 1000)  # the same with some at every step; then the largest
ALL = 1_000_000_000  # a batch that no set of examples fills
RATES = (0.005, 0.01, 0.02, 0.04)  # of which one is taken by the training loss
TRIED = 4  # seeds that each rate is tried with
XAVIER = 2**0.5  # the scale at which `Model.initial` draws W by Xavier's rule, for m = 2


def ours(steps: int, *, rate: float, batch: int, decay: float) -> Procedure:
    """The chapter's: the source's schedule at other rates, in batches where there are many."""
    return Procedure(
        steps=steps, warmup=steps // 20, learning_rate=rate, batch_size=batch, weight_decay=decay,
        initial_scale=XAVIER,
    )  # fmt: skip


def theirs(steps: int, *, rate: float, batch: int, decay: float) -> Procedure:
    """The source's: its own rate, and all examples at every step."""
    return ours(steps, rate=0.001, batch=ALL, decay=decay)


study = Study(
    "memorization",
    {
        "ours": Way(
            "AdamW with weight decay 0.01 at rates of 0.01 to 0.04, warmed up and lowered to 0 as "
            "a cosine, 4000 to 6000 steps, Xavier weights; all examples at every step up to "
            "300, beyond that 64",
            ours,
        ),
        "published": Way(
            "AdamW with weight decay 0.01 at a rate of 0.001, warmed up and lowered to 0 as a "
            "cosine, 50 000 steps of all examples, Xavier weights",
            theirs,
            settings={"steps_few": 50_000, "steps": 50_000, "steps_batches": 50_000},
            quick={"largest": 10_000, "steps_few": 1000, "steps": 600, "steps_batches": 100},
        ),
    },
)


def models(n: int, counts: Sequence[int], sparsity: float, *, seeds: Sequence, procedure):
    """Models of n features in a plane: W, b and the losses, by number of examples and seed."""

    def experiment(T, seed):
        return memorization.trained(n, 2, T, 1 - sparsity, seeds=seed, procedure=procedure)

    return sweep(experiment, {"T": counts, "seed": seeds}, cells_at_once=len(seeds))


@study.experiment
def few(n_features_few, sparsity, steps_few, weight_decay, seeds_few, procedure):
    """Three, five and eight examples of very many features."""
    how = procedure(steps_few, rate=0.04, batch=64, decay=weight_decay)
    return models(n_features_few, FEW, sparsity, seeds=seeds_few, procedure=how)


@study.experiment
def few_others(n_features_few, sparsity, steps_few, weight_decay, seeds_few, procedure):
    """The same from other seeds, for each T at the rate with the lowest training loss.

    That is taken on the seeds before them. ``W`` and ``train`` by T and seed, and ``rate`` by T.
    """
    seeds = fresh(seeds_few)[: max(2, len(seeds_few) // 2)]
    before = range(seeds.start - TRIED, seeds.start)

    def at(rate, T, seeds):
        how = procedure(steps_few, rate=rate, batch=64, decay=weight_decay)
        return tensors(models(n_features_few, [T], sparsity, seeds=seeds, procedure=how))

    found, rates = [], []
    for T in FEW:
        tried = [at(rate, T, before).train.mean().item() for rate in RATES]
        rates.append(RATES[tried.index(min(tried))])
        found.append(at(rates[-1], T, seeds))
    W, train = (torch.cat([getattr(run, name) for run in found]) for name in ("W", "train"))
    return SimpleNamespace(
        W=W, train=train, T=torch.tensor(FEW), seed=torch.tensor(list(seeds)), rate=rates
    )


@study.experiment
def full(n_features, sparsity, steps, weight_decay, seeds, procedure):
    """Up to 300 examples of fewer features, all of them at every step."""
    how = procedure(steps, rate=0.01, batch=1000, decay=weight_decay)
    return models(n_features, ALL_AT_ONCE, sparsity, seeds=seeds, procedure=how)


@study.experiment
def batches(n_features, sparsity, steps_batches, weight_decay, largest, seeds, procedure):
    """The same for 100 examples and more; ``at_once`` says how many of them a step uses."""
    how = procedure(steps_batches, rate=0.02, batch=64, decay=weight_decay)
    counts = [*IN_BATCHES, largest]
    found = tensors(models(n_features, counts, sparsity, seeds=seeds, procedure=how))
    found.at_once = str(how.batch_size) if how.batch_size < largest else "all"
    return found


@study.experiment
def largest_others(n_features, sparsity, steps_batches, weight_decay, largest, seeds, procedure):
    """Other seeds of the largest number of examples."""
    how = procedure(steps_batches, rate=0.02, batch=64, decay=weight_decay)
    return models(n_features, [largest], sparsity, seeds=fresh(seeds), procedure=how)


@study.experiment
def few_others_hidden(few_others, n_features_few, sparsity):
    """The hidden vectors of `few_others`."""
    return hidden(few_others, n_features_few, sparsity)


@study.experiment
def few_hidden(few, n_features_few, sparsity):
    """The hidden vectors of `few`."""
    return hidden(few, n_features_few, sparsity)


@study.experiment
def full_hidden(full, n_features, sparsity):
    """The hidden vectors of `full`."""
    return hidden(full, n_features, sparsity)


@study.experiment
def batches_hidden(batches, n_features, sparsity):
    """The hidden vectors of `batches`."""
    return hidden(batches, n_features, sparsity)


def hidden(models, n: int, sparsity: float) -> list[Tensor]:
    """The hidden vectors of all examples, for each number of them: ``(seeds, 2, T)``."""
    return [
        torch.stack(
            [
                memorization.draw(n, T, 1 - sparsity, seed=seed).hidden(W)
                for seed, W in zip(models.seed.tolist(), of_T, strict=True)
            ]
        )
        for T, of_T in zip(models.T.tolist(), models.W, strict=True)
    ]


@study.experiment
def sizes(n_features, sparsity, steps, steps_batches, weight_decay, largest, first_seed, procedure):
    """Two seeds each of other numbers of features and of steps.

    By name: ``test``, the losses on new examples at T = 3, at 300 and at the largest, and
    ``W`` at the largest, ``(seeds, 2, n)``.
    """
    seeds = range(first_seed, first_seed + 2)
    changes = {
        f"n = {n_features // 2}": (n_features // 2, 1),
        f"n = {2 * n_features}": (2 * n_features, 1),
        f"n = {n_features}, half the steps": (n_features, 0.5),
    }
    found = {}
    for name, (n, length) in changes.items():
        few_steps = procedure(int(steps * length), rate=0.01, batch=1000, decay=weight_decay)
        how = procedure(int(steps_batches * length), rate=0.02, batch=64, decay=weight_decay)
        some = tensors(models(n, [3, 300], sparsity, seeds=seeds, procedure=few_steps))
        many = tensors(models(n, [largest], sparsity, seeds=seeds, procedure=how))
        test = [*some.test.mean(1).tolist(), many.test.mean().item()]
        found[name] = SimpleNamespace(test=test, W=many.W[0])
    return found


def regular_polygon(vectors: Tensor, *, within: float, narrow: float, wide: float) -> Tensor:
    """Return whether vectors ``(..., 2, k)`` stand about evenly on a circle: booleans ``(...)``.

    Lengths are ``within`` a share of their mean, and angles between neighbours from ``narrow`` to
    ``wide`` times an equal share of 360°.

    >>> angles = torch.tensor([0.0, 72.0, 144.0, 216.0, 288.0]).deg2rad()
    >>> pentagon = torch.stack([angles.cos(), angles.sin()])
    >>> marks = dict(within=0.25, narrow=0.5, wide=2)
    >>> regular_polygon(pentagon, **marks), regular_polygon(pentagon[:, :2], **marks)
    (tensor(True), tensor(False))
    """
    length = vectors.norm(dim=-2)
    even = ((length / length.mean(-1, keepdim=True) - 1).abs() <= within).all(-1)
    gaps = geometry.angular_gaps(vectors) * vectors.shape[-1] / 360
    return even & ((gaps >= narrow) & (gaps <= wide)).all(-1)


def largest_share(models, hidden_vectors: Sequence[Tensor]) -> Tensor:
    """The largest D_i of the features over the mean D of the examples: ``(T, seeds)``."""
    of_features = geometry.feature_dimensionality(models.W).amax(-1)
    of_examples = [geometry.feature_dimensionality(h).mean(-1) for h in hidden_vectors]
    return of_features / torch.stack(of_examples)


@study.test("mem-examples")
def examples(few, few_hidden, *, within, narrow, wide, share):
    """Examples form a polygon at every T, and no feature is as large as they are."""
    marks = {"within": within, "narrow": narrow, "wide": wide}
    polygons, small, told = polygons_of_examples(few, few_hidden, share=share, **marks)
    return Outcome((polygons & small).all(0), polygons.all(0), told)


def polygons_of_examples(
    models, hidden_vectors: Sequence[Tensor], *, share: float, **marks: float
) -> tuple[Tensor, Tensor, dict[str, str]]:
    """Return where examples form a polygon, and where no feature is as large as they are.

    Both ``(T, seeds)``; and that in words.
    """
    polygons = torch.stack([regular_polygon(h, **marks) for h in hidden_vectors])
    small = largest_share(models, hidden_vectors) <= share
    told = {
        f"T = {T}: polygons; no D_i above {in_words(share, 'word')} of the examples'": (
            f"{told_rate(shown)}; {told_rate(each)}"
        )
        for T, shown, each in zip(models.T.tolist(), polygons, small, strict=True)
    }
    return polygons, small, told | {"Training loss": listed(models.train.mean(1), ".3f")}


@study.test("mem-examples-2")
def examples_at_the_rate_of_least_loss(
    few_others, few_others_hidden, *, within, narrow, wide, share
):
    """As `examples`, at rates chosen by the training loss; weaker: for all T but the largest."""
    marks = {"within": within, "narrow": narrow, "wide": wide}
    polygons, small, told = polygons_of_examples(
        few_others, few_others_hidden, share=share, **marks
    )
    shown = polygons & small
    rates = ", ".join(f"{rate:g}" for rate in few_others.rate)
    return Outcome(shown.all(0), shown[:-1].all(0), told | {"Rate by T": rates})


def long_features(W: Tensor, *, share: float) -> Tensor:
    """Return which features have at least a share of the longest's length: booleans ``(..., n)``.

    >>> long_features(torch.tensor([[1.0, 0.6, 0.2]]), share=0.5)
    tensor([ True,  True, False])
    """
    length = W.norm(dim=-2)
    return length >= length.amax(-1, keepdim=True) * share


@study.test("mem-features")
def features(batches, *, fewest, most, long, within, narrow, wide, total):
    """A few features are long at the largest T; they form a polygon, and fill the plane."""
    W = batches.W[-1]
    marks = {"within": within, "narrow": narrow, "wide": wide}
    even, of_polygon, told_of = polygon_of_features(W, fewest=fewest, most=most, long=long, **marks)
    added = geometry.feature_dimensionality(W).sum(-1)
    return Outcome(
        even & (added >= total),
        measured=told_of
        | {
            "Σ D_i of all features": f"{added.mean():.2f}, lowest {added.min():.2f}",
            "Σ D_i of the polygon's features": told(of_polygon, digits=2),
        },
    )


def polygon_of_features(
    W: Tensor, *, fewest: float, most: float, long: float, **marks: float
) -> tuple[Tensor, Tensor, dict[str, str]]:
    """Return whether a few features are long and form a polygon, for models ``(seeds, 2, n)``.

    With it the sum of their D_i, ``(seeds,)``, and how many there are, in words.
    """
    kept = long_features(W, share=long)
    number = kept.sum(-1)
    even = [
        fewest <= count <= most and bool(regular_polygon(model[:, chosen], **marks))
        for count, model, chosen in zip(number.tolist(), W, kept, strict=True)
    ]
    counted = {k: int((number == k).sum()) for k in sorted(set(number.tolist()))}
    name = f"Features of at least {in_words(long, 'word')} the longest's length"
    in_runs = ", ".join(f"{k} in {times}" for k, times in counted.items()) + " runs"
    of_polygon = (geometry.feature_dimensionality(W) * kept).sum(-1)
    return torch.tensor(even), of_polygon, {name: in_runs}


@study.test("mem-features-2")
def features_have_the_plane(largest_others, *, fewest, most, long, within, narrow, wide, total):
    """The polygon's features have a good part of the dimensions; weaker: they form a polygon."""
    marks = {"within": within, "narrow": narrow, "wide": wide}
    even, of_polygon, told_of = polygon_of_features(
        largest_others.W[-1], fewest=fewest, most=most, long=long, **marks
    )
    return Outcome(
        even & (of_polygon >= total),
        even,
        told_of | {"Σ D_i of the polygon's features": told(of_polygon, digits=2)},
    )


def rises_and_falls(loss: Tensor, *, by: float) -> Tensor:
    """Return whether some loss is a share ``by`` above the first and the last: ``(...)``.

    >>> rises_and_falls(torch.tensor([1.0, 1.2, 0.9]), by=0.05)
    tensor(True)
    >>> rises_and_falls(torch.tensor([1.0, 1.2]), by=0.05)
    tensor(False)
    """
    return ((loss >= (1 + by) * loss[..., :1]) & (loss > loss[..., -1:])).any(-1)


@study.test("mem-double-descent")
def double_descent(full, batches, *, by):
    """The loss on new examples is higher at some T than at the smallest and at the largest."""
    test = torch.cat([full.test, batches.test[-1:]]).T
    from_100 = torch.cat([full.test[: ALL_AT_ONCE.index(100)], batches.test]).T
    at_once = f"{batches.at_once} at every step"
    return Outcome(
        rises_and_falls(test, by=by),
        measured={
            "Highest test loss over that of T = 3": told(test.amax(1) / test[:, 0], digits=1),
            f"Test loss at T = {batches.T[-1]}": told(test[:, -1], digits=4),
            f"The same test with {at_once} from T = 100 on": told_rate(
                rises_and_falls(from_100, by=by)
            ),
        },
    )
