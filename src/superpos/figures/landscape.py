"""What the chapter on the landscape draws."""

from __future__ import annotations

import torch

from superpos import geometry
from superpos.claims.registry import thresholds
from superpos.figures.axes import percent_ticks, plain_ticks, reference
from superpos.figures.explorers import Explorer, real, whole
from superpos.figures.palette import ACCENT, DIGON, FAINT, INK, THIN, sequence
from superpos.figures.plane import plane
from superpos.figures.style import LOW, MIDDLE, Picture, figure
from superpos.learning import decoder, polygons
from superpos.stats import listed
from superpos.studies import landscape as study
from superpos.studies.landscape import BIASES, CORNERS, NEURONS, SAMPLES, N
from superpos.training.procedures import Procedure

SHOWN_FALLOFF = 0.7  # r of the picture of capacity


def kgon_planes(kgons, close_coefficients) -> Picture:
    """The k-gons with their loss and learning coefficient."""
    fig, axes = figure(1, len(CORNERS), height=LOW)
    mean = [close_coefficients[k, 0].mean().item() for k in CORNERS]
    for ax, k, complexity in zip(axes, CORNERS, mean, strict=True):
        plane(ax, kgons[k, 0].W)
        ax.set_title(f"L = {kgons[k, 0].loss:.4f}, $\\lambda$ = {complexity:.1f}")
    loss = listed([kgons[k, 0].loss for k in CORNERS], ".4f")
    return Picture(
        fig,
        "Four models of six features in a plane: a triangle, a square, a pentagon and a hexagon, "
        f"with the other features at the origin. Their losses are {loss}, their learning "
        f"coefficients {listed(mean, '.1f')}.",
        "The regular polygons of six features, with loss and sampled learning coefficient. The "
        "other features lie at the origin and are never answered.",
        {
            "fifth": f"{kgons[5, 0].loss:.4f}",
            "fifth alive": f"{kgons[5, 1].loss:.4f}",
            "sixth": f"{kgons[6, 0].loss:.4f}",
            "least": f"{kgons[5, 1].least:.3f}",
            "coefficients": listed(mean, ".1f"),
            "square alive": f"{close_coefficients[4, 2].mean():.1f}",
        },
    )


def posterior_shares(samples, kgons, close_coefficients) -> Picture:
    """Which number of corners is how probable, over N."""
    fig, axes = figure(1, 2, height=MIDDLE)
    share = samples.share.mean(0)
    for place, k in enumerate(CORNERS):
        axes[0].plot(SAMPLES, share[:, k], color=sequence(place, 4), label=f"{k} corners")
    to_lead = study.passages(kgons, close_coefficients)
    reference(axes[0], x=list(to_lead.values()))
    axes[0].set(xscale="log", xlabel="number of samples N", ylabel="probability")
    percent_ticks(axes[0].yaxis)
    axes[0].legend()
    axes[1].plot(SAMPLES, samples.loss.mean(0), color=INK)
    reference(axes[1], y=[kgons[k, 0].loss for k in CORNERS])
    axes[1].set(xscale="log", yscale="log", xlabel="number of samples N", ylabel="mean loss")
    axes[1].set_yticks([0.05, 0.1, 0.2], ["0.05", "0.1", "0.2"])
    axes[1].minorticks_off()
    begins = share[0].argmax().item()
    half = float(study.arrives(share[:, N], SAMPLES, most=0.5))
    return Picture(
        fig,
        f"Left, the probability of 3, 4, 5 and 6 corners against N: at the smallest N {begins} are "
        f"the most probable, with {share[0, begins]:.0%}, and six have more than half from "
        f"N = {half:.0f} on. Right, the mean loss falls from {samples.loss[:, 0].mean():.3f} to "
        f"{samples.loss[:, -1].mean():.4f}.",
        "The posterior of six features in a plane. Left: how probable each number of features of a "
        "length of at least 0.5 is; dashed: from where on five corners should lead by loss and "
        "learning coefficient, and then six. Right: the mean loss; dotted: that of the k-gons.",
        {
            "begins": f"{begins}",
            "half": f"{half:.0f}",
            "to five": f"{to_lead[5]:.0f}" if 5 in to_lead else "none",
            "to six": f"{to_lead[6]:.0f}" if 6 in to_lead else "none",
        },
    )


def courses(descents, kgons) -> Picture:
    """The loss of every run of SGD, with the levels of the k-gons."""
    marks = thresholds("land-plateaus")
    alive = polygons.corners(descents.W, long=marks["long"])
    still = study.stands_still(descents.loss, descents.step, still=marks["still"]) & (alive >= 3)
    several = [len(set(alive[still[:, seed], seed].tolist())) > 1 for seed in range(still.shape[1])]
    fig, axes = figure(1, 2, height=MIDDLE, width_ratios=[1.6, 1])
    ends = polygons.corners(descents.W[-1], long=marks["long"])
    step = descents.step.clamp_min(1)
    for seed, k in enumerate(ends.tolist()):
        colour = sequence(CORNERS.index(k), 4) if k in CORNERS else FAINT
        axes[0].plot(step[1:], descents.loss[1:, seed], color=colour, lw=THIN)
    levels = {f"{k}{'+' * (N - k)}": kgons[k, N - k].loss for k in CORNERS}
    reference(axes[0], y=list(levels.values()))
    for name, level in levels.items():
        axes[0].annotate(
            name, (1.01, level), xycoords=("axes fraction", "data"), va="center", fontsize=8.5
        )
    axes[0].set(xscale="log", xlabel="steps", ylabel="loss", yscale="log")
    axes[0].set_yticks([0.05, 0.1, 0.2, 0.3], ["0.05", "0.1", "0.2", "0.3"])
    axes[0].minorticks_off()
    plane(axes[1], descents.W[-1, 0])
    axes[1].set_title("one of them, at the end")
    count = {k: int((ends == k).sum()) for k in (*CORNERS,)}
    final = listed(torch.stack(descents.loss[-1].aminmax()))
    return Picture(
        fig,
        f"The loss of {len(ends)} runs against steps, with dotted lines at the k-gons whose other "
        f"biases are positive. Runs that end with four long features: {count[4]}; with five: "
        f"{count[5]}; with six: {count[6]}. Their losses lie between "
        f"{final.replace(', ', ' and ')}. On the right one model at the end.",
        "Plain SGD from small weights. Dotted: losses of the k-gons that answer each other feature "
        "with its mean (a plus for each). Right: a model at the end.",
        {
            "four": f"{count[4]}",
            "five": f"{count[5]}",
            "six": f"{count[6]}",
            "of": f"{len(ends)}",
            "more than one plateau": f"{sum(several)}",
        },
    )


def capacity(allocated) -> Picture:
    """How much capacity each feature has, over density."""
    row = study.FALLOFF.index(SHOWN_FALLOFF)
    fig, axes = figure(1, 2, height=MIDDLE, sharey=True)
    told = []
    for ax, (m, found) in zip(axes, allocated.items(), strict=True):
        D = geometry.feature_dimensionality(found.W[:, row])
        for place, p in enumerate(study.DENSITIES.tolist()):
            colour = sequence(place, len(D))
            ax.plot(range(1, N + 1), D[place], "o-", color=colour, ms=4, label=f"p = {p:g}")
        ax.set(xlabel="feature, from the most important", title=f"m = {m}")
        told.append(f"m = {m}, at p = 0.5 {listed(D[0])}, at p = 0.02 {listed(D[-1])}")
    axes[0].set_ylabel("capacity $D_i$")
    axes[1].legend(fontsize=7.5)
    return Picture(
        fig,
        "The capacity of each of six features in the best models, for five densities. With "
        + "; with ".join(told)
        + ".",
        f"Capacity in exact optima with importance ${SHOWN_FALLOFF}^i$: from whole dimensions for "
        "the first features, where inputs are dense, to shares.",
    )


def chance(collisions) -> Picture:
    """Collisions against the number of neurons."""
    half = thresholds("land-collisions")["half"]
    found = study.pairs(collisions, half)
    c = study.constant(found)
    fig, ax = figure(width=5.6, height=MIDDLE)
    for place, n in enumerate(study.FEATURES):
        sizes = [times * n for times in NEURONS]
        colour = sequence(place, len(study.FEATURES))
        ax.plot(sizes, [found[n, m] for m in sizes], "o", color=colour, label=f"n = {n}")
        ax.plot(sizes, [c * n * n / m for m in sizes], color=colour, lw=THIN)
    ax.set(xscale="log", yscale="log", xlabel="neurons m", ylabel="pairs on one neuron")
    plain_ticks(ax.xaxis)
    plain_ticks(ax.yaxis)
    ax.legend()
    largest = max(study.FEATURES)
    row = [found[largest, times * largest] for times in NEURONS]
    return Picture(
        fig,
        f"Pairs of features on one neuron, against m, for three n, with lines c n²/m for "
        f"c = {c:.3f}. With n = {largest} there are {listed(row, '.1f')} at m = n, 2n, 4n and 8n.",
        "Features that share a neuron by chance: means over seeds. Lines: $c\\,n^2/m$.",
        {"constant": f"{c:.2f}"},
    )


def biases(decoders) -> Picture:
    """What an initial bias does to neurons and to the loss."""
    share = decoder.monosemantic(
        decoders.response, second=thresholds("land-initial-bias")["second"]
    )
    ratio = decoders.loss / decoders.loss[0]
    fig, axes = figure(1, 2, height=LOW)
    names = [f"{bias:g}".replace("-", "−") for bias in BIASES]
    for ax, values, label in zip(
        axes, (share, ratio), ("monosemantic neurons", "loss, over that from 0"), strict=True
    ):
        ax.plot(range(len(BIASES)), values, color=FAINT, lw=THIN)
        ax.plot(range(len(BIASES)), values.mean(1), "o-", color=INK)
        ax.set_xticks(range(len(BIASES)), names)
        ax.set(xlabel="initial bias", ylabel=label)
    percent_ticks(axes[0].yaxis)
    return Picture(
        fig,
        f"From initial biases of {', '.join(names)}, {listed(share.mean(1), '.0%')} of the neurons "
        f"end monosemantic, and the loss is {listed(ratio.mean(1))} of that from 0.",
        "Feature decoders that differ in their initial biases alone. Left: the share of neurons "
        "that respond to one feature nearly alone. Right: the loss. Grey: single seeds.",
        {
            "pure from zero": f"{share[0].mean():.0%}",
            "pure from the lowest": f"{share[-1].mean():.0%}",
            "loss from the lowest": f"{1 - ratio[-1].mean():.0%}",
        },
    )


def measures(crowded_weights) -> Picture:
    """Harm of single weights against their size, their expected input, and the first order."""
    weights, least = crowded_weights, thresholds("land-interference-2")["least"]
    fig, axes = figure(1, 3, height=MIDDLE, sharey=True)
    names = {"size": "size", "expected": "size × activity", "first": "first-order change"}
    signs = {"positive": (ACCENT, 1), "negative": (DIGON, -1)}
    for ax, (name, label) in zip(axes, names.items(), strict=True):
        for sign, (colour, side) in signs.items():
            values = torch.cat([getattr(each, name)[side * each.size >= least] for each in weights])
            harm = torch.cat([each.harm[side * each.size >= least] for each in weights])
            ax.plot(values.abs(), harm, "o", color=colour, ms=2.5, alpha=0.6, label=sign)
        ax.set(xscale="log", yscale="log", xlabel=label)
    axes[0].set_ylabel("harm: fall of the loss without it")
    plain_ticks(axes[0].xaxis)
    axes[0].legend()
    every = torch.cat([each.harm[each.size.abs() >= least] for each in weights])
    helps = (every < 0).double().mean()
    return Picture(
        fig,
        f"The harm of {len(every)} single weights against three measures of them. Without "
        f"{helps:.0%} of them the loss would rise; these are left out of the logarithmic axis.",
        "Weights between features of exact optima: how much the loss falls when one alone is set "
        "to 0, against its size, its size times the mean activity of its source, and the change to "
        "first order.",
        {"helps": f"{helps:.0%}", "weights": f"{len(every)}"},
    )


def explorer() -> Picture:
    """A k-gon disturbed and let go, by sliders."""

    def draw(corners, positive, disturbed, rate, seed):
        start = polygons.regular(N, corners, positive=min(positive, N - corners))
        W = start.W[None] + disturbed * study.normal((2, N), [seed])
        how = Procedure(steps=1500, learning_rate=rate, warmup=0, cosine=False)
        kept = list(range(0, 1501, 25))
        W, b = polygons.descend(W, start.b[None], how, seeds=[seed], record=kept)
        loss = polygons.loss(W, b)[:, 0]
        fig, axes = figure(1, 3, height=LOW, width_ratios=[1, 1.4, 1])
        plane(axes[0], W[0, 0])
        axes[1].plot(kept, loss, color=INK)
        axes[1].set(xlabel="steps", ylabel="loss")
        plane(axes[2], W[-1, 0])
        return fig, (
            f"From {corners} corners, disturbed by {disturbed:g}, SGD comes in 1500 steps to "
            f"{int(polygons.corners(W[-1, 0]))} long features and a loss of {loss[-1]:.4f}."
        )

    return Explorer(
        draw,
        corners=whole("corners k", 4, 3, 6),
        positive=whole("others with a positive bias", 2, 0, 3),
        disturbed=real("disturbed by", 0.2, 0.0, 0.6, 0.02),
        rate=real("rate", 0.1, 0.01, 0.5, 0.01),
        seed=whole("seed", 0, 0, 50),
    ).picture(
        "The explorer at its first setting: a square, disturbed, before and after 1500 steps.",
        live=("toy", {"n": 6, "m": 2, "S": 0.97}),
    )
