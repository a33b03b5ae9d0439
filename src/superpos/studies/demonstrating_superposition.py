"""Demonstrating superposition: what the smallest models do as their inputs become sparser.

Elhage et al. 2022, the introduction and "Demonstrating Superposition".
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from superpos import geometry, live, sweep, train
from superpos.compute.sweeps import tensors
from superpos.features import IndependentFeatures
from superpos.models import LINEAR, RELU_OUTPUT
from superpos.stats import best_of_each, listed
from superpos.studies.outcomes import antipodal_pairs
from superpos.studies.study import Outcome, Study, Way
from superpos.studies.ways import at_rest, elhage_notebook
from superpos.training.procedures import PUBLISHED, Procedure

PLANE = torch.tensor([1.0, 0.2, 0.1])  # p with five features
PROBABILITY = torch.tensor([1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001])  # p with twenty and eighty


def ours(n: int, m: int, steps: int, **changes) -> Procedure:
    """The chapter's procedure."""
    return Procedure(**{"steps": steps, "learning_rate": 0.03, **changes})


study = Study(
    "demonstrating_superposition",
    {
        "ours": Way(
            "Adam at a rate of 0.03, warmed up and lowered to 0 as a cosine, 64 inputs a step, "
            "each output's own input integrated; the linear model's loss is exact",
            ours,
        ),
        "published": elhage_notebook(
            "an array of 10 models with five features, as in the authors' notebook, and of 20 with "
            "more (the source does not say; there it has 100 features), biases 0",
            lambda n: 10 if n == 5 else 20,
            {"steps": 2000, "steps_large": 1000},
        ),
    },
)


STILL = at_rest({"steps": 20_000})  # of five features


def models(n, m, p, *, decay, seeds, procedure, model=RELU_OUTPUT, device="cpu"):
    """Train a model for every seed and p ``(k,)``: W, b and the expected loss, (seed, p, ...).

    Importances fall by the factor ``decay`` from feature to feature.
    """
    importance = decay ** torch.arange(n)

    def experiment(seed, p):
        run = train(
            IndependentFeatures(n, p[:, None]), m,
            model=model, importance=importance, seeds=seed, procedure=procedure, device=device,
        )  # fmt: skip
        loss, _ = run.expected_loss(samples=4000)
        return {"W": (["dimension", "feature"], run.W), "b": (["feature"], run.b), "loss": loss}

    return sweep(experiment, {"seed": seeds, "p": p}, cells_at_once=300)


@study.experiment
def plane(steps, decay_plane, seeds_plane, procedure, device):
    """Five features in two dimensions, at three sparsities."""
    at = {"decay": decay_plane, "seeds": seeds_plane, "device": device}
    return models(5, 2, PLANE, procedure=procedure(5, 2, steps), **at)


@study.experiment
def small_linear(steps, decay_small, seeds_small, procedure, device):
    """Twenty features in five dimensions without a ReLU, at seven p."""
    at = {"decay": decay_small, "seeds": seeds_small, "model": LINEAR, "device": device}
    return models(20, 5, PROBABILITY, procedure=procedure(20, 5, steps), **at)


@study.experiment
def small(steps, decay_small, seeds_small, procedure, device):
    """The same with a ReLU."""
    at = {"decay": decay_small, "seeds": seeds_small, "device": device}
    return models(20, 5, PROBABILITY, procedure=procedure(20, 5, steps), **at)


@study.experiment
def large_linear(steps_large, decay_plane, seeds_large, procedure, device):
    """Eighty features in twenty dimensions without a ReLU."""
    at = {"decay": decay_plane, "seeds": seeds_large, "model": LINEAR, "device": device}
    return models(80, 20, PROBABILITY, procedure=procedure(80, 20, steps_large), **at)


@study.experiment
def large(steps_large, decay_plane, seeds_large, procedure, device):
    """The same with a ReLU."""
    at = {"decay": decay_plane, "seeds": seeds_large, "device": device}
    return models(80, 20, PROBABILITY, procedure=procedure(80, 20, steps_large), **at)


@study.experiment
def exact(decay_plane, seeds_plane):
    """Five features at 80 and 90 % sparsity without noise, as the instrument on the page descends.

    W, b and the loss, by seed and p, for half of the seeds.
    """
    importance = decay_plane ** torch.arange(5)

    def experiment(seed, p):
        start = RELU_OUTPUT.initial(5, 2, seeds=seed, count=len(p))
        W, b, loss = live.descend(start["W"], start["b"], p[:, None], importance)
        return {"W": (["dimension", "feature"], W), "b": (["feature"], b), "loss": loss}

    over = {"seed": seeds_plane[: len(seeds_plane) // 2], "p": PLANE[1:]}
    return tensors(sweep(experiment, over, cells_at_once=20))


@study.experiment
def variants(plane, steps, steps_published, decay_plane, seeds_plane, seeds_published, device):
    """Five features where the source leaves the procedure open."""
    fewer = seeds_plane[: len(seeds_plane) // 4]
    changed = {
        "initial weights × 3": (fewer, ours(5, 2, steps, initial_scale=3.0)),
        "initial weights ÷ 3": (fewer, ours(5, 2, steps, initial_scale=1 / 3)),
        "published procedure": (seeds_published, replace(PUBLISHED, steps=steps_published)),
    }
    at = {"decay": decay_plane, "device": device}
    return {"ours": plane} | {
        name: tensors(models(5, 2, PLANE, seeds=seeds, procedure=procedure, **at))
        for name, (seeds, procedure) in changed.items()
    }


# Five features in a plane


def orthogonal_pair(W: Tensor, *, kept: float, dropped: float, right: float) -> Tensor:
    """Return whether features 0 and 1 are embedded at a right angle and nothing else is: ``(...)``.

    ‖W_i‖² is at least ``kept`` for them and at most ``dropped`` for the others, the cosine at most
    ``right`` in size.

    >>> limits = {"kept": 0.5, "dropped": 0.1, "right": 0.1}
    >>> orthogonal_pair(torch.eye(2, 5), **limits), orthogonal_pair(torch.ones(2, 5), **limits)
    (tensor(True), tensor(False))
    """
    size = geometry.squared_norms(W)
    two = (size[..., :2] >= kept).all(-1) & (size[..., 2:] <= dropped).all(-1)
    return two & (geometry.cosines(W)[..., 0, 1].abs() <= right)


def pentagon(W: Tensor, *, kept: float, narrow: float, wide: float) -> Tensor:
    """Return whether all five features of a plane are embedded, at such angles: ``(...)``.

    >>> angle = torch.arange(5) * 2 * torch.pi / 5
    >>> pentagon(torch.stack([angle.cos(), angle.sin()]), kept=0.5, narrow=54, wide=90)
    tensor(True)
    """
    gaps = geometry.angular_gaps(W)
    embedded = (geometry.squared_norms(W) >= kept).all(-1)
    return embedded & ((gaps >= narrow) & (gaps <= wide)).all(-1)


def cross(W: Tensor) -> Tensor:
    """Return whether four of five features are two antipodal pairs, whichever: ``(...)``.

    >>> W = torch.tensor([[1.0, 0.0, -1.0, 0.0, 0.0], [0.0, 1.0, 0.0, -1.0, 0.0]])
    >>> cross(W), cross(W.roll(1, -1)), cross(torch.ones(2, 5))
    (tensor(True), tensor(True), tensor(False))
    """
    order = geometry.squared_norms(W).argsort(-1, descending=True)
    return antipodal_pairs(W.gather(-1, order[..., None, :].expand(W.shape)))


def picture(shown: Tensor, loss: Tensor, tries: int) -> Outcome:
    """Judge single runs, and in the weaker reading the best of some, the one of lowest loss."""
    gap = loss[~shown].mean() / loss.min() - 1
    told = {"Runs that show something else": f"lose {gap:.1%} more than the best, on average"}
    return Outcome(shown, best_of_each(loss, shown, tries), {} if shown.all() else told)


@study.test("demo-dense-orthogonal", rest=STILL)
def dense_orthogonal(plane, *, kept, dropped, right, tries):
    """Dense inputs: two features at a right angle."""
    shown = orthogonal_pair(plane.W[:, 0], kept=kept, dropped=dropped, right=right)
    return picture(shown, plane.loss[:, 0], tries)


@study.test("demo-80-antipodal", rest=STILL)
def sparse_antipodal(plane, *, kept, dropped, opposite, right, tries):
    """80 % sparsity: four features as two antipodal pairs."""
    limits = {"kept": kept, "dropped": dropped, "opposite": opposite, "right": right}
    return picture(antipodal_pairs(plane.W[:, 1], **limits), plane.loss[:, 1], tries)


@study.test("demo-90-pentagon", rest=STILL)
def sparser_pentagon(plane, *, kept, narrow, wide, tries):
    """90 % sparsity: five features as a pentagon."""
    shown = pentagon(plane.W[:, 2], kept=kept, narrow=narrow, wide=wide)
    return picture(shown, plane.loss[:, 2], tries)


# Linear against ReLU


def only_top_features(W: Tensor, *, least: float, most: float) -> Tensor:
    """Return whether WᵀW is about 1 or more for the first m features, and else 0: ``(...)``.

    >>> W = torch.eye(2, 5)
    >>> [bool(only_top_features(W, least=0.9, most=0.1)) for W in (W, W.flip(-1))]
    [True, False]
    """
    first = torch.diag(torch.arange(W.shape[-1], device=W.device) < W.shape[-2])
    G = geometry.gram(W)
    return torch.where(first, least <= G, G.abs() <= most).flatten(-2).all(-1)


def mean_biases(b: Tensor, mean: Tensor, *, learnt: int, near: float) -> Tensor:
    """Return whether biases are 0 for the first ``learnt`` features and else E[x_i]: ``(...)``.

    They may be off by a share ``near`` of E[x_i].

    >>> mean_biases(torch.tensor([0.0, 0.5]), torch.tensor(0.5), learnt=1, near=0.1)
    tensor(True)
    """
    wanted = mean * (torch.arange(b.shape[-1], device=b.device) >= learnt)
    return ((b - wanted).abs() <= near * mean).all(-1)


def top_features(run, *, least: float, most: float, near: float) -> tuple[Tensor, Tensor]:
    """Return whether WᵀW and the biases are those of the top m features: ``(seeds, settings)``."""
    mean = run.p[:, None] / 2
    biases = mean_biases(run.b, mean, learnt=run.W.shape[-2], near=near)
    return only_top_features(run.W, least=least, most=most), biases


@study.test("demo-linear-top-m")
def linear_top_m(small_linear, *, least, most, near):
    """The linear model learns the top m, at every p; the weaker reading leaves the biases out."""
    products, biases = top_features(small_linear, least=least, most=most, near=near)
    m, n = small_linear.W.shape[-2:]
    ideal = torch.diag((torch.arange(n) < m) * 1.0)
    error = (geometry.gram(small_linear.W) - ideal).abs().max()
    return Outcome(
        (products & biases).all(1), products.all(1), {"Largest error of WᵀW": f"{error:.1e}"}
    )


@study.test("demo-relu-dense-top-m")
def relu_dense_top_m(small, *, least, most, near):
    """The same with a ReLU, at p = 1."""
    products, biases = top_features(small, least=least, most=most, near=near)
    return Outcome(products[:, 0] & biases[:, 0], products[:, 0])


# How features enter superposition


def superposed(W: Tensor, *, kept: float, interference: float) -> Tensor:
    """Return which represented features share their dimension: booleans ``(..., n)``.

    ‖W_i‖² is at least ``kept``, and Σ_{j≠i}(Ŵ_i·W_j)² at least ``interference``.

    >>> superposed(torch.tensor([[1.0, -1.0, 0], [0, 0, 1.0]]), kept=0.5, interference=0.1)
    tensor([ True,  True, False])
    """
    kept_features = geometry.represented(W, threshold=kept)
    return kept_features & (geometry.interference(W) >= interference)


def paired(W: Tensor, *, kept: float, interference: float, opposite: float) -> Tensor:
    """Return which superposed features have an antipodal partner: booleans ``(..., n)``.

    As `superposed`, with the largest cosine between partners.
    """
    shared = superposed(W, kept=kept, interference=interference)
    others = geometry.represented(W, threshold=kept)[..., None, :]
    return shared & ((geometry.cosines(W) <= opposite) & others).any(-1)


def growing_number(W: Tensor, *, kept: float) -> Tensor:
    """Return whether ever more features are represented, from dense to sparse: ``(...)``.

    Over the settings of ``(..., settings, m, n)`` the number never falls, and ends larger than it
    began.
    """
    count = geometry.represented(W, threshold=kept).sum(-1)
    return (count.diff(dim=-1) >= 0).all(-1) & (count[..., -1] > count[..., 0])


def unimportant_first(W: Tensor, *, kept: float, interference: float) -> Tensor:
    """Return whether, wherever both kinds exist, the superposed features are the less important.

    W is ``(..., settings, m, n)``, features in order of falling importance. False if no setting has
    both kinds.
    """
    shared = superposed(W, kept=kept, interference=interference)
    alone = geometry.represented(W, threshold=kept) & ~shared
    both = shared.any(-1) & alone.any(-1)
    rank = torch.arange(W.shape[-1], device=W.device)

    def mean_rank(chosen: Tensor) -> Tensor:
        return (rank * chosen).sum(-1) / chosen.sum(-1).clamp_min(1)

    return both.any(-1) & ((mean_rank(shared) > mean_rank(alone)) | ~both).all(-1)


def antipodal_first(
    W: Tensor, *, kept: float, interference: float, opposite: float, share: float
) -> Tensor:
    """Return whether the first superposition to appear is mostly of antipodal pairs.

    W is ``(..., settings, m, n)``, from dense to sparse; in the first setting with superposed
    features a ``share`` of them needs a partner, see `paired`. False if nothing is superposed.
    """
    shared = superposed(W, kept=kept, interference=interference)
    pairs = paired(W, kept=kept, interference=interference, opposite=opposite).sum(-1)
    any_shared = shared.any(-1)
    first = any_shared.int().argmax(-1, keepdim=True)
    fraction = pairs / shared.sum(-1).clamp_min(1)
    return any_shared.any(-1) & (fraction.gather(-1, first)[..., 0] >= share)


def entering(W: Tensor, *, kept, interference, opposite, share) -> tuple[Tensor, Tensor, Tensor]:
    """Return whether the number grows, the unimportant come first, and first as pairs."""
    limits = {"kept": kept, "interference": interference}
    return (
        growing_number(W, kept=kept),
        unimportant_first(W, **limits),
        antipodal_first(W, **limits, opposite=opposite, share=share),
    )


def mean_counts(W: Tensor) -> str:
    """The mean number of represented features in each setting, in words."""
    count = geometry.represented(W).sum(-1).double().mean(0)
    return listed(count, ".1f")


@study.test("demo-more-features")
def more_features(small, *, kept, interference, opposite, share):
    """More features the sparser; the weaker reading asks for the growth and one of the others."""
    limits = {"kept": kept, "interference": interference, "opposite": opposite, "share": share}
    grows, order, pairs = entering(small.W, **limits)
    rate = {"number grows": grows, "unimportant first": order, "antipodal first": pairs}
    return Outcome(
        grows & order & pairs,
        grows & (order | pairs),
        {
            "Parts": ", ".join(f"{name} {part.double().mean():.0%}" for name, part in rate.items()),
            "Features at the seven p": mean_counts(small.W),
        },
    )


def positive_interference(W: Tensor, *, product: float) -> Tensor:
    """Return whether two represented features have W_i·W_j above ``product``: booleans ``(...)``.

    >>> W = torch.tensor([[1.0, 1.0]])
    >>> positive_interference(W, product=0.1), positive_interference(torch.eye(2), product=0.1)
    (tensor(True), tensor(False))
    """
    kept = geometry.represented(W)
    pairs = kept[..., :, None] & kept[..., None, :]
    pairs = pairs & ~torch.eye(W.shape[-1], dtype=torch.bool, device=W.device)
    return ((geometry.gram(W) > product) & pairs).flatten(-2).any(-1)


def negative_biases(W: Tensor, b: Tensor, *, bias: float) -> Tensor:
    """Return whether a represented feature has a bias below ``bias``: booleans ``(...)``.

    >>> negative_biases(torch.eye(2), torch.tensor([0.0, -0.2]), bias=-0.05)
    tensor(True)
    """
    return (geometry.represented(W) & (b < bias)).any(-1)


def only_where_sparse(run, *, dense, sparse, bias, product) -> tuple[Tensor, Tensor]:
    """Return whether negative biases, and positive interference, belong to sparse inputs alone.

    Booleans ``(seeds,)`` each: neither occurs down to p = ``dense``, both do from ``sparse`` on.
    """
    occurs = negative_biases(run.W, run.b, bias=bias), positive_interference(run.W, product=product)
    at_dense, at_sparse = run.p >= dense, run.p <= sparse
    biases, interference = (
        ~each[:, at_dense].any(1) & each[:, at_sparse].all(1) for each in occurs
    )
    return biases, interference


@study.test("demo-negative-bias")
def negative_bias(small, *, dense, sparse, bias, product):
    """Both only where inputs are sparse; the weaker reading asks it of one of the two."""
    limits = {"dense": dense, "sparse": sparse, "bias": bias, "product": product}
    biases, interference = only_where_sparse(small, **limits)
    return Outcome(biases & interference, biases | interference)


@study.test("demo-rescaled")
def rescaled(
    large_linear, large, *, least, most, near, kept, interference, opposite, share,
    dense, sparse, bias, product,
):  # fmt: skip
    """All of it at four times the size; the weaker reading lets one of the four tests fail."""
    top = {"least": least, "most": most, "near": near}
    linear_products, linear_biases = top_features(large_linear, **top)
    products, biases = top_features(large, **top)
    enters = entering(large.W, kept=kept, interference=interference, opposite=opposite, share=share)
    sparse_only = only_where_sparse(large, dense=dense, sparse=sparse, bias=bias, product=product)
    parts = {
        "linear top m": (linear_products & linear_biases).all(1),
        "dense ReLU top m": products[:, 0] & biases[:, 0],
        "more features": torch.stack(enters).all(0),
        "negative bias": torch.stack(sparse_only).all(0),
    }
    passed = torch.stack(list(parts.values())).sum(0)
    return Outcome(
        passed == len(parts),
        passed == len(parts) - 1,
        {name: f"{part.double().mean():.0%} of seeds" for name, part in parts.items()},
    )
