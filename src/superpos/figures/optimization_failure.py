"""What the chapter on optimization failure draws."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from matplotlib import ticker
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from torch import Tensor

from superpos import RELU_OUTPUT
from superpos.claims.registry import thresholds
from superpos.figures.animations import Animation
from superpos.figures.axes import reference, scale_bar, square
from superpos.figures.explorers import Explorer, real, whole
from superpos.figures.palette import ACCENT, DIGON, FAINT, INK, sequence
from superpos.figures.plane import output_plane, zones
from superpos.figures.style import HIGH, LOW, MIDDLE, TALL, Picture, Table, figure
from superpos.learning import boundaries, onehot
from superpos.learning.onehot import AdamW
from superpos.stats import listed, mean_interval, told, told_rate
from superpos.studies import optimization_failure as study

DRAWN = 60  # models whose features are drawn
FLAT = 6 * 2**0.5  # Σ‖W_j‖ of the shortest hexagon
OUTCOMES = ListedColormap([DIGON, *(sequence(k, 7) for k in range(7)), FAINT])
CELLS = {"vmin": -0.5, "vmax": 8.5, "origin": "lower", "interpolation": "nearest"}
NAMED = {0: "all learnt", 1: "one output dead", 2: "two dead", 3: "three dead", 8: "not finished"}


# Six features


def three_planes(asymmetric) -> Picture:
    """The regular hexagon, an uneven one, and the symmetric failure, with their zones."""
    example = asymmetric[6]
    uneven = study.longest_over_shortest(example.W)
    pick = uneven.argmax()
    fig, axes = figure(1, 3, height=MIDDLE)
    for ax, (W, b), title in zip(
        axes,
        (onehot.regular(6), (example.W[pick], example.b[pick]), onehot.failure(7)),
        ("regular, no loss", "asymmetric, no loss", "one of seven missing"),
        strict=True,
    ):
        zones(ax, W, b, limit=2.1)
        ax.set_title(title)
    return Picture(
        fig,
        "Three planes with features and the half-planes in which their outputs are active. Left: a "
        "regular hexagon, each of its six zones touched by two neighbours and entered by one "
        f"feature. Middle: a hexagon whose longest feature is {uneven[pick]:.2f} times as long as "
        "its shortest, also without loss. Right: a hexagon and a missing feature, whose zone is "
        "the whole plane.",
        "Features and their zones: the regular hexagon, the most uneven of the disturbed "
        "solutions, and the symmetric failure, where the seventh feature's output is active "
        "everywhere.",
    )


def lengths(lopsided) -> Picture:
    """What goes with the length of a feature."""
    fig, axes = figure(1, 3, height=LOW)
    for ax, value, name in zip(
        axes,
        (lopsided.tilt, lopsided.room, lopsided.edge),
        ("tilt $\\sqrt{D_i}$", "angles beside it, degrees", "distance of the zone"),
        strict=True,
    ):
        ax.plot(lopsided.length[:DRAWN], value[:DRAWN], ".", ms=3, color=INK, alpha=0.5)
        ax.set(xlabel="length $\\|W_i\\|$", title=name)
    means = [each.mean() for each in (lopsided.tilts, lopsided.rooms, lopsided.edges)]
    return Picture(
        fig,
        "Three scatter plots against the length of a feature: its tilt, the angles beside it, and "
        "the distance of its zone from the origin. The rank correlations within a model are on "
        f"average {means[0]:.2f}, {means[1]:.2f} and {means[2]:.2f}.",
        f"Every feature of up to {DRAWN} asymmetric solutions with six features.",
    )


def output_planes() -> Picture:
    """The plane of hidden vectors where it lies among three outputs."""
    fig, axes = figure(1, 2, height=HIGH, subplot_kw={"projection": "3d"})
    failed = onehot.failure(7)
    output_plane(axes[0], *onehot.regular(6), (0, 1, 2))
    axes[0].set_title("hexagon, no loss")
    output_plane(axes[1], *failed, (0, 1, 6))
    axes[1].set_title("symmetric failure, output 7 upwards")
    return Picture(
        fig,
        "Two polygons in three output dimensions. Left: a hexagon that crosses the level 0 of the "
        "third output so that one corner, at height 1, is above. Right: a hexagon lying flat at "
        f"the height b = {failed[1][6]:.3f}: it is active everywhere, and its seventh feature is "
        "at its centre, at the same height.",
        "The polygon of the features among three outputs, before the ReLU. Coloured: where the "
        "upward output is active.",
    )


# The symmetric failure


def scan_table(scan, fit) -> Table:
    """How many fail, at each rate and scale."""
    failing = scan.loss > study.LOST
    shares = torch.stack([fit.symmetric[..., 0], failing[..., 1], failing[..., -1]])
    shares = shares.double().mean(-1).permute(1, 2, 0).tolist()
    return Table(
        [f"scale {scale:g}" for scale in scan.scale],
        {
            f"rate {rate:g}": [" · ".join(f"{share:.0%}" for share in cell) for cell in row]
            for rate, row in zip(scan.rate, shares, strict=True)
        },
    )


def training(trained, phases, fit, n_seeds) -> Picture:
    """How many models have failed at each step; one that recovers."""
    step, missing = trained.step, (phases.loss > study.LOST).double().mean(0)
    symmetric = phases.symmetric.double().mean(0)
    seed = int((phases.symmetric.any(1) & (phases.loss[:, -1] < study.LOST)).int().argmax())
    fig, axes = figure(1, 2, height=MIDDLE)
    axes[0].plot(step, missing, color=INK, label="loss above 0.01")
    axes[0].plot(step, phases.missing.double().mean(0), color=DIGON, label="one missing")
    axes[0].plot(step, symmetric, color=ACCENT, label="symmetric failure")
    axes[0].set(xlabel="step", ylabel="share of models", ylim=(0, 1.02))
    axes[0].legend(loc="upper right")
    length = trained.W[seed].norm(dim=1)
    order = length[study.nearest(step, 3500)].argsort().tolist()
    plateau = length[study.nearest(step, 3500), order[3]]
    for place, feature in enumerate(order):
        axes[1].plot(step, length[:, feature], color=INK if place else ACCENT, lw=1.2)
    axes[1].set(xlabel="step", ylabel="length $\\|W_i\\|$", title=f"one model (seed {seed})")
    for ax in axes:
        ax.xaxis.set_major_locator(ticker.MaxNLocator(4))
    return Picture(
        fig,
        f"Left: the share of {n_seeds} models that miss a feature, against steps: "
        f"{missing[study.nearest(step, 5000)]:.0%} at step 5000 and {missing[-1]:.1%} at the end; "
        f"at most {symmetric.max():.0%} are in the symmetric failure at one time. "
        f"Right: in one model six lengths stay near {plateau:.2f}, the seventh near 0, "
        f"until they grow, to {length.max():.1f} at most.",
        f"Seven features, AdamW at a rate of {fit.rate:g}. Left: how many models have "
        "failed, at each step. Right: a model that recovers; orange, the feature that was missing.",
        {"end": f"{missing[-1]:.1%}", "at once": f"{symmetric.max():.0%}"},
    )


def curvatures(curvature) -> Picture:
    """The lowest curvature of exact and of trained failures."""
    exact, lowest = curvature.exact, curvature.lowest
    fig, axes = figure(1, 2, height=MIDDLE)
    axes[0].plot(curvature.slack[1:], exact[1:], color=INK)
    reference(axes[0], y=[0])
    axes[0].set(
        xscale="log",
        xlabel="hexagon longer by a factor of 1 + …",
        ylabel="lowest curvature",
        title="exact failure",
    )
    axes[1].hist(1e4 * lowest.numpy(), bins=40, color=INK)
    reference(axes[1], x=[0])
    axes[1].set(
        xlabel="lowest curvature · 10⁴",
        ylabel="models",
        title=f"trained models, step {curvature.step}",
    )
    return Picture(
        fig,
        "Left: the lowest eigenvalue of the Hessian at the failure, against how much longer the "
        f"hexagon is than it need be: {exact[1]:.1e} as soon as it is longer at all, falling to "
        f"{exact.min():.1e}. Right: the same for {len(lowest)} trained models in the "
        f"symmetric failure, with a median of {lowest.median():.1e}; "
        f"{(lowest < 0).double().mean():.0%} are negative.",
        "The curvature of the failure is negative: a saddle, if a very flat one.",
        {"median": f"{lowest.median():.1e}"},
    )


# Splay and sweep


def runaway(slow, n_disturbances) -> Picture:
    """Slow descent from the middle one of the disturbances, as an animation."""
    middle = n_disturbances // 2
    W, b = slow.track[middle, 0, :, :2], slow.track[middle, 0, :, 2]
    moving = (onehot.loss(W, b) > 1e-6).sum().clamp(40, study.FRAMES)
    turns = torch.linspace(0, moving.item(), 41).long().clamp_max(study.FRAMES)
    W, when = W[turns], study.waits(slow, **thresholds("opt-runaway", "learnt"))[middle]
    fig, ax = figure(width=TALL, height=TALL)
    square(ax, 1.12 * W.norm(dim=1).max().item())
    animation = Animation(fig, [f"step {step}" for step in slow.frame[turns].tolist()], seconds=10)
    for i in range(7):
        colour = ACCENT if i == 6 else INK
        x, y = W[:, 0, i], W[:, 1, i]
        lines = (torch.stack([torch.zeros_like(each), each], 1) for each in (x, y))
        animation.add(ax, *lines, color=colour, lw=2)
        animation.add(ax, x[:, None], y[:, None], color=colour, marker="o", ms=7, ls="")
    return Picture(
        animation,
        "Seven features in the plane during slow descent. At first six form a hexagon and the "
        "seventh is at the origin. The six lean away from one side and grow, to at most "
        f"{W[-1].norm(dim=0).max():.2f}, until the seventh grows into the gap, to "
        f"{W[-1, :, 6].norm():.2f}, after about {when:.0f} steps.",
        f"Splay and sweep, at a rate of 1 from a disturbance of {slow.disturbance[middle]:.2f}: "
        "orange, the missing feature.",
    )


# The map


def maps(whole) -> Picture:
    """How far features splay, and what comes out, over disturbance and rate."""
    found = study.classes(whole.loss)
    high = whole.total.nan_to_num(0).max().item()
    low = round(FLAT, 3)
    view = {"extent": (0.5, 3, 0, 0.2), "aspect": "auto"}
    fig, axes = figure(1, 2, sharey=True)
    axes[0].imshow(whole.total, cmap="magma", **{**CELLS, "vmin": low, "vmax": high}, **view)
    axes[0].set(
        xlabel="learning rate", ylabel="disturbance of $b_6$ and $b_1$", title="$\\Sigma\\|W_j\\|$"
    )
    axes[1].imshow(found, cmap=OUTCOMES, **CELLS, **view)
    axes[1].set(xlabel="learning rate", title="outcome")
    scale_bar(fig, axes[0], "magma", low=low, high=high, label="")
    legend_of_outcomes(fig, found)
    part = {
        name: (found == k).double().mean()
        for k, name in enumerate(("learnt", "one dead", "two dead"))
    }
    rows = (len(found) - 1, int(0.3 * len(found)), max(1, len(found) // 20))
    edge = [whole.rate[(found[row] == 0).int().argmax()].item() for row in rows]
    return Picture(
        fig,
        "Two maps over learning rate and disturbance. Left: the sum of the lengths rises "
        f"smoothly with the rate from {low:.1f} to {high:.1f} and is speckled beyond a rate of "
        "2.2. Right: outcomes: "
        + ", ".join(f"{name} {share:.0%}" for name, share in part.items())
        + f"; recovery begins at a rate of {edge[0]:.2f} for the largest disturbance, "
        f"{edge[1]:.2f} at three tenths of it and {edge[2]:.2f} at a twentieth.",
        "Left: how far the features splay. Right: what comes out.",
    )


def legend_of_outcomes(fig, *found: Tensor) -> None:
    """Put below a figure the colours of the outcomes that are common in it."""
    every = torch.cat([each.long().flatten() for each in found])
    shares = every.bincount(minlength=OUTCOMES.N)
    common = [k for k in NAMED if shares[k] > 0.002 * len(every)]
    patches = [Patch(color=OUTCOMES(k), label=NAMED[k]) for k in common]
    fig.legend(handles=patches, loc="outside lower center", ncols=len(patches))


def hardly_disturbed(slightly) -> Picture:
    """How far features splay from smaller and smaller disturbances."""
    over = slightly.total >= (1 + thresholds("opt-splay-zero")["grown"]) * FLAT
    begins = torch.where(over, slightly.rate, torch.inf).amin(1).tolist()
    fig, ax = figure(height=MIDDLE)
    names = [f"{by:g}" for by in slightly.disturbance.tolist()]
    for k, (name, total) in enumerate(zip(names, slightly.total, strict=True)):
        ax.plot(slightly.rate, total, color=sequence(k, len(names)) if k else INK, label=name)
    ax.set(xlabel="learning rate", title="$\\Sigma\\|W_j\\|$")
    ax.legend(title="disturbance", loc="upper left")
    told_begins = [
        f"{name} it has grown by a hundredth from a rate of {rate:.2f} on"
        for name, rate in zip(names, begins, strict=True)
        if rate < torch.inf
    ]
    return Picture(
        fig,
        "The sum of the lengths in the end against the learning rate, from five disturbances. "
        f"Without one it is {slightly.total[0].max():.2f} at every rate. From "
        f"{', from '.join(told_begins)}.",
        "How far the features splay from almost no disturbance, by learning rate.",
        {"hundredth": f"{begins[2] - begins[3]:.1f}" if begins[2] < torch.inf else "over 2"},
    )


def zooms(windows) -> Picture:
    """Enlargements of the speckled part of the map."""
    speckled = [found for (name, _), found in windows.items() if name == "speckled"]
    fig, axes = figure(1, len(speckled), height=LOW)
    sizes = [zoom for name, zoom in windows if name == "speckled"]
    for ax, found, zoom in zip(axes, speckled, sizes, strict=True):
        ax.imshow(study.classes(found.loss), cmap=OUTCOMES, **CELLS)
        wide, high = (0.5 * (each.max() - each.min()) for each in (found.rate, found.disturbance))
        ax.set(xticks=[], yticks=[], title=f"× {1 / zoom:g}")
        ax.set(xlabel=f"rate ± {wide:.2g}", ylabel=f"disturbance ± {high:.2g}")
    legend_of_outcomes(fig, *(study.classes(found.loss) for found in speckled))
    dimension = [float(f"{_rough(found)[1]:.2f}") for found in speckled]
    return Picture(
        fig,
        "Four enlargements of the speckled part of the map, each ten times the one before. All "
        "look alike: cells of different outcomes beside each other without order. The dimension "
        f"from the uncertainty is {min(dimension):.2f} to {max(dimension):.2f}.",
        "Outcomes around a rate of 2.42 and a disturbance of 0.1, as in {numref}`opt-map`.",
        {"dimension": f"{min(dimension):.2f} to {max(dimension):.2f}"},
    )


def _rough(window) -> tuple[Tensor, float, float]:
    """How uncertain outcomes are at some distances; their boundary's dimension, in two ways."""
    found = study.classes(window.loss)
    distances, boxes = torch.tensor([1, 2, 4, 8]), torch.tensor([2, 3, 4, 6, 8])
    if len(found) < 20:
        distances, boxes = distances[:3], boxes[:3]
    unsure, mixed = boundaries.uncertainty(found, distances), boundaries.box_shares(found, boxes)
    by_pairs, by_boxes = (
        2 - boundaries.exponent(*pair) for pair in ((distances, unsure), (boxes, mixed))
    )
    return unsure, by_pairs, by_boxes


def zoom_table(windows) -> Table:
    """How rough the boundaries are in each enlargement."""
    rows = {}
    for (name, zoom), window in windows.items():
        unsure, *dimensions = _rough(window)
        rows[f"{name}, × {1 / zoom:g}"] = [
            listed(unsure),
            *(f"{value:.2f}" for value in dimensions),
        ]
    return Table(
        ["uncertain at 1, 2, 4, 8 cells", "dimension, uncertainty", "dimension, boxes"],
        rows,
        numbers={"edge": rows["edge, × 1"][1]},
    )


def map_table(coarse_maps) -> Table:
    """Where recovery begins with other numbers of steps, and how patchy it is."""
    rows = {}
    for name, variant in coarse_maps.items():
        found, rate = study.classes(variant.loss), variant.rate
        begins = rate[(found == 0).int().argmax(1)][(found == 0).any(1)]
        beyond = found[:, rate > 2.3]
        rows[name] = [
            f"{begins.median():.2f}" if len(begins) else "nowhere",
            f"{(found == 0).double().mean():.0%}",
            f"{(beyond[:, 1:] != beyond[:, :-1]).double().mean():.0%}",
        ]
    return Table(["recovery begins", "learnt", "neighbours differ"], rows)


# Bringing lost features back


def methods(autoencoders, other_autoencoders, n_seeds_sae) -> Picture:
    """True features found by each method, in two ways of training."""
    cosine = thresholds("opt-resampling", "cosine")["cosine"]
    first, second = (
        study.number_found(each, cosine) for each in (autoencoders, other_autoencoders)
    )
    fig, axes = figure(1, 2, height=MIDDLE, sharey=True)
    panels = ((first, "rate 0.005, bias −1"), (second, "rate 0.01, bias −0.8"))
    for ax, (found, title) in zip(axes, panels, strict=True):
        for row, name in enumerate(study.METHODS):
            mean, low, high = mean_interval(found[:, row])
            colour = ACCENT if name.startswith("repulsor") else DIGON
            ax.plot([low, high], [row, row], color=colour, lw=3)
            ax.plot(mean, row, "o", color=colour, ms=5)
        ax.set(xlabel="features found, of 40", title=title, yticks=range(len(study.METHODS)))
    axes[0].set_yticklabels([name.replace("repulsor", "repulsor, Δ =") for name in study.METHODS])
    axes[0].invert_yaxis()
    means = "; ".join(
        f"{name} {first[:, row].mean():.1f}" for row, name in enumerate(study.METHODS)
    )
    return Picture(
        fig,
        "True features found by sparse autoencoders after each method, means of "
        f"{n_seeds_sae} seeds. At a rate of 0.005: {means}.",
        "True features found, mean and 95 % interval, in two ways of training. Orange: the "
        "attractor–repulsor method.",
    )


def method_table(autoencoders) -> Table:
    """What each method and variant finds, wakes and costs."""
    found = study.number_found(autoencoders, thresholds("opt-resampling", "cosine")["cosine"])
    rows = {
        name: [
            told(found[:, k], digits=1),
            told(autoencoders.back[:, k], digits=2),
            told(autoencoders.loss[:, k], digits=4),
        ]
        for k, name in enumerate(study.METHODS | study.VARIANTS)
    }
    heads = ["features found", "dead latents that fire again", "final loss"]
    means = {name: found[:, k].mean().item() for k, name in enumerate(rows)}
    best = max(mean for name, mean in means.items() if name.startswith("repulsor"))
    numbers = {name: f"{mean:.1f}" for name, mean in means.items()}
    return Table(heads, rows, numbers=numbers | {"best repulsor": f"{best:.1f}"})


def toy_table(toys) -> Table:
    """How long the toy models need after each repair."""
    return Table(
        ["steps until all are learnt", "learnt in the end"],
        {name: [_waited(learnt), told_rate(learnt[-1])] for name, learnt in toys.items()},
    )


def _waited(learnt: Tensor) -> str:
    """Steps until the loss stays below 0.01: the median, and the range of the middle 80 %."""
    steps = 100.0 * (~learnt).sum(0).double()
    low, middle, high = steps.quantile(torch.tensor([0.1, 0.5, 0.9]).double()).tolist()
    return f"{middle:.0f} [{low:.0f}, {high:.0f}]"


def explorer() -> Picture:
    """One model, by sliders."""

    def draw(n_features, log_rate, scale, seed):
        start = RELU_OUTPUT.initial(n_features, 2, seeds=[seed], scale=scale)
        at: Sequence[int] = range(0, 8001, 100)
        how = AdamW(10**log_rate, study.DECAY)
        run = onehot.descend(start["W"][:, 0], start["b"][:, 0], how, 8000, record=at)
        curve = onehot.loss(run.W_at, run.b_at)[:, 0].clamp_min(1e-9)
        fig, axes = figure(1, 2)
        zones(axes[0], run.W[0], run.b[0])
        axes[1].plot(at, curve, color=INK)
        reference(axes[1], y=[(1 - 1 / n_features) / n_features**2])
        axes[1].set(yscale="log", xlabel="step", title="loss")
        return fig, (
            f"{n_features} one-hot features, AdamW at a rate of {10**log_rate:.2g}: the loss is "
            f"{curve[-1]:.1e} after 8000 steps."
        )

    return Explorer(
        draw,
        n_features=whole("features n", 7, 3, 8),
        log_rate=real("log₁₀ rate", -2.0, -4.0, -1.5, 0.1),
        scale=real("initial scale", 1.0, 0.1, 4.0, 0.1),
        seed=whole("seed", 4, 0, 50),
    ).picture(
        "The explorer at its first setting: features with their zones, and the loss; "
        "dotted, the loss of the symmetric failure.",
        live=("zones", {"n": 7}),
    )
