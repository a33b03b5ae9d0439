"""What the chapter on demonstrating superposition draws."""

from __future__ import annotations

import torch
from matplotlib.axes import Axes
from torch import Tensor

from superpos import IndependentFeatures, geometry, train
from superpos.claims.registry import thresholds
from superpos.figures.axes import scale_bar
from superpos.figures.explorers import Explorer, real, whole
from superpos.figures.features import strips
from superpos.figures.matrices import products
from superpos.figures.palette import DIGON, IMPORTANCE, INK, PENTAGON, PRODUCTS
from superpos.figures.plane import plane as draw_plane
from superpos.figures.style import LOW, MIDDLE, TALL, Picture, Table, figure
from superpos.stats import told_rate
from superpos.studies import demonstrating_superposition as study

PICTURES = {
    "demo-dense-orthogonal": "two at a right angle",
    "demo-80-antipodal": "two antipodal pairs",
    "demo-90-pentagon": "a pentagon",
}
SPARSITIES = [f"{1 - p:.0%} sparsity" for p in study.PLANE.tolist()]


def shown(models) -> Tensor:
    """Which runs show the picture of their sparsity: booleans ``(3, seeds)``."""
    return torch.stack([study.study.judge(claim_id, models).shown for claim_id in PICTURES])


def plane(plane, decay_plane) -> Picture:
    """The best run at each sparsity, in its plane."""
    fig, axes = figure(1, 3, height=MIDDLE)
    importance = decay_plane ** torch.arange(5)
    found = shown(plane)
    told = [f"{count} of {found.shape[1]}" for count in found.sum(1).tolist()]
    for k, (ax, name) in enumerate(zip(axes, PICTURES.values(), strict=True)):
        best = plane.loss[:, k].argmin()
        draw_plane(ax, geometry.upright(plane.W[best, k]), importance)
        ax.set_title(f"{SPARSITIES[k]}: {name}\nin {told[k]} runs")
    scale_bar(fig, axes, IMPORTANCE, low=importance.min(), high=1, label="importance")
    return Picture(
        fig,
        "Three planes with five feature directions each. Without sparsity two features stand at a "
        f"right angle and three have length zero ({told[0]} runs). At 80 % sparsity four features "
        f"form two antipodal pairs ({told[1]}). At 90 % all five form a pentagon ({told[2]}).",
        "The best of the runs at each sparsity: the columns of $W$ as points of the plane.",
    )


def losses(plane) -> Picture:
    """The loss of every run, by what it found."""
    fig, axes = figure(1, 3, height=LOW, sharey=True)
    found, kept = shown(plane), geometry.represented(plane.W).sum(-1)
    above = plane.loss / plane.loss.amin(0) - 1
    for k, ax in enumerate(axes):
        groups = {"as claimed": above[found[k], k]}
        for count in (2, 3, 4, 5):
            groups[f"other, {count} features"] = above[~found[k] & (kept[:, k] == count), k]
        strips(ax, groups)
        ax.set(title=SPARSITIES[k], xlabel="loss above the best")
    lowest = [
        bool(found[k].any()) and plane.loss[found[k], k].min() <= plane.loss[:, k].min() * 1.001
        for k in range(3)
    ]
    return Picture(
        fig,
        "Strips of the losses of all runs. The claimed arrangement has the lowest loss at "
        f"{sum(map(bool, lowest))} of 3 sparsities; at 80 % sparsity "
        f"{1 - found[1].double().mean():.0%} of the runs end in worse arrangements, with losses up "
        f"to {above[:, 1].max().item():.0%} above the best.",
        "Every run, by what it found: loss relative to the best run at that sparsity.",
    )


def products_of_small(small_linear, small) -> Picture:
    """WᵀW of twenty features, one seed."""
    return Picture(
        all_products(small_linear, small),
        "Eight panels of W-transpose-W with biases and norms, n = 20, m = 5. The linear model and "
        "the ReLU model at p = 1 show an identity block of five features. As p falls to 0.001 the "
        f"ReLU model represents more: on average {study.mean_counts(small.W)} features at the "
        "seven p, first in antipodal pairs, then with interference of both signs.",
        "$n = 20$, $m = 5$, one seed: $W^\\top W$ (blue negative, red positive), the biases "
        "beside it, and $\\|W_i\\|$ as bars (dark: alone; yellow: in superposition).",
    )


def products_of_large(large_linear, large) -> Picture:
    """WᵀW of eighty features, one seed."""
    return Picture(
        all_products(large_linear, large),
        "The same eight panels for n = 80, m = 20: an identity block of twenty features for the "
        f"linear model and for ReLU at p = 1, then on average {study.mean_counts(large.W)} "
        "represented features.",
        "$n = 80$, $m = 20$, one seed; as {numref}`demo-small`.",
    )


def all_products(linear, relu):
    """One seed of each: the linear model once, for it hardly changes, and ReLU at every p."""
    fig, axes = figure(3, 3, height=TALL)
    axes[-1, -1].set_axis_off()
    panels = [("linear, p = 1", linear, 0)]
    panels += [(f"p = {p:g}", relu, k) for k, p in enumerate(study.PROBABILITY.tolist())]
    for ax, (title, run, k) in zip(axes.flat[:-1], panels, strict=True):
        products(ax, run.W[0, k], run.b[0, k])
        ax.set_title(title)
    scale_bar(fig, axes, PRODUCTS, low=-1, high=1, label="$W^\\top W$ and $b$")
    return fig


def kinds(small, large) -> Picture:
    """Represented features per dimension, by kind, at both sizes."""
    fig, axes = figure(1, 2, height=MIDDLE, sharey=True)
    for ax, run in zip(axes, (small, large), strict=True):
        feature_kinds(ax, run.p, run.W)
        m, n = run.W.shape[-2:]
        ax.set(title=f"n = {n}, m = {m}", xlabel="p, probability that a feature is active")
    axes[0].set_ylabel("represented features / m")
    axes[1].legend(loc="upper left")
    count = geometry.represented(small.W).sum(-1).double().mean(0) / small.W.shape[-2]
    dense, sparse = (f"{count[k]:.2f}" for k in (0, -1))
    return Picture(
        fig,
        "Stacked areas of represented features per dimension against p, for both sizes: first with "
        "a dimension of their own, then in antipodal pairs, last in other superposition. For "
        f"n = 20 there are {dense} features per dimension at p = 1 and {sparse} at p = 0.001.",
        "Features per hidden dimension, by kind, averaged over seeds.",
        {"dense": dense, "sparse": sparse},
    )


def feature_kinds(axes: Axes, probability: Tensor, W: Tensor) -> None:
    """Draw represented features per dimension against p, by the kinds that demo-more-features has.

    W is ``(seeds, settings, m, n)``, from dense to sparse.
    """
    m, p = W.shape[-2], probability.numpy()
    limits = thresholds("demo-more-features", "kept", "interference", "opposite")
    pairs = study.paired(W, **limits)
    shared = study.superposed(W, kept=limits["kept"], interference=limits["interference"])
    parts = {
        "own dimension": geometry.represented(W, threshold=limits["kept"]) & ~shared,
        "antipodal pair": pairs,
        "other superposition": shared & ~pairs,
    }
    heights = [part.sum(-1).double().mean(0).numpy() / m for part in parts.values()]
    axes.stackplot(p, heights, labels=parts, colors=[INK, DIGON, PENTAGON], alpha=0.85, lw=0)
    axes.set(xscale="log", xlim=(p.max(), p.min()))
    axes.set_ylim(0, auto=True)  # panels that share the axis may be higher


def variant_table(variants) -> Table:
    """How often each picture appears, by procedure."""
    rows = {name: [told_rate(row) for row in shown(models)] for name, models in variants.items()}
    return Table(["right angle at 0 %", "pairs at 80 %", "pentagon at 90 %"], rows)


def piles(plane, exact) -> Table:
    """How often four or five features are found, whichever the four, with noise and without."""
    found = {"trained as above": plane.W[:, 1:], "without noise, as the instrument": exact.W}
    five = thresholds("demo-90-pentagon", "kept", "narrow", "wide")
    rows = {
        name: [told_rate(study.cross(W[:, 0])), told_rate(study.pentagon(W[:, 1], **five))]
        for name, W in found.items()
    }
    numbers = {
        name: f"{found.double().mean():.0%}"
        for name, found in (
            ("pairs", study.cross(exact.W[:, 0])),
            ("pentagon", study.pentagon(exact.W[:, 1], **five)),
        )
    }
    return Table(["two pairs, of any four, at 80 %", "pentagon at 90 %"], rows, numbers=numbers)


def explorer(procedure, device) -> Picture:
    """One model, by sliders."""

    def draw(n_features, sparsity, decay, seed):
        importance = decay ** torch.arange(n_features)
        run = train(
            IndependentFeatures(n_features, 1 - sparsity), 2, importance=importance, seeds=[seed],
            procedure=procedure(n_features, 2, 1000), device=device, progress=False,
        )  # fmt: skip
        fig, axes = figure(1, 2, height=MIDDLE)
        draw_plane(axes[0], geometry.upright(run.W[0]), importance)
        products(axes[1], run.W[0], run.b[0])
        found = geometry.represented(run.W[0]).sum()
        return fig, (
            f"{n_features} features at a sparsity of {sparsity:.2f}: "
            f"{found} are represented in the plane."
        )

    return Explorer(
        draw,
        n_features=whole("features n", 5, 2, 12),
        sparsity=real("sparsity S", 0.9, 0.0, 0.99, 0.01),
        decay=real("importance ratio", 0.9, 0.5, 1.0, 0.01),
        seed=whole("seed", 0, 0, 50),
    ).picture(
        "The explorer at its first setting: the hidden plane, and $W^\\top W$ with $b$ and "
        "$\\|W_i\\|$.",
        live=("toy", {"S": 0.9}),
    )
