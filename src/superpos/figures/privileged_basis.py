"""What the chapter on a privileged basis draws."""

from __future__ import annotations

import torch
from torch import Tensor

from superpos import RELU_HIDDEN, IndependentFeatures, losses, neurons, stats
from superpos.claims import rate
from superpos.claims.registry import thresholds
from superpos.figures.axes import plain_ticks
from superpos.figures.explorers import Explorer, whole
from superpos.figures.features import cloud
from superpos.figures.matrices import shares, stacks, weights
from superpos.figures.palette import ACCENT, DIGON, FAINT, INK, SETS, sequence
from superpos.figures.style import HIGH, MIDDLE, TALL, Picture, Table, figure
from superpos.studies import privileged_basis as study
from superpos.studies.privileged_basis import AT_BIAS, DENSITIES, IMPORTANCE, M, N
from superpos.training import hidden

ANGLES = torch.linspace(0, 180, 61)
SHOWN = (0, 4, 6, 7, 10, 13)  # densities whose models are drawn
NAMED = (1, 4, 6, 7, 10, 13)  # one density for each of the source's codes


def turned(W: Tensor) -> Tensor:
    """W with neurons 1 and 2 turned in their plane: (angles, m, n)."""
    R = torch.eye(M).repeat(len(ANGLES), 1, 1)
    c, s = ANGLES.deg2rad().cos(), ANGLES.deg2rad().sin()
    R[:, 0, 0], R[:, 0, 1], R[:, 1, 0], R[:, 1, 1] = c, -s, s, c
    return R @ W


def rotation(models, linear) -> Picture:
    """The loss while the plane of two neurons turns."""
    fig, ax = figure(width=6.4, height=HIGH)
    told = []
    for k, place in enumerate([2, 6, 13]):
        p, first = DENSITIES[place], models.loss[:, place].argmin()
        b = models.b[first, place].expand(len(ANGLES), N)
        given = {"W": turned(models.W[first, place]), "b": b}
        loss, _ = hidden.expected_loss(RELU_HIDDEN, given, IndependentFeatures(N, p), IMPORTANCE)
        label = f"hidden ReLU, p = {p:g}"
        ax.plot(ANGLES, loss / loss[0], color=sequence(k, 3), label=label)
        told.append(f"{(loss.max() / loss[0]).item():.3g} times at p = {p:g}")
    W, b = turned(linear.W[0, 6]), linear.b[0, 6].expand(len(ANGLES), N)
    flat, _ = losses.expected_loss(W, b, DENSITIES[6], IMPORTANCE, samples=4096, seed=0)
    ax.plot(ANGLES, flat / flat[0], "--", color=INK, label=f"without, p = {DENSITIES[6]:g}")
    ax.set(yscale="log", xticks=range(0, 181, 45))
    ax.set(xlabel="rotation of two neurons (°)", ylabel="loss, as a multiple")
    ax.legend()
    return Picture(
        fig,
        "Loss against the angle by which two neurons are turned. Without a hidden ReLU it is flat. "
        f"With one it rises to {'; '.join(told)}.",
        "The loss of trained models (the best of each density, and one without a hidden ReLU) "
        "while the plane of two neurons turns, as a multiple of that at 0°. At 90° one neuron has "
        "become another, up to its sign, which the ReLU does not forgive.",
    )


def codes(best, models) -> Picture:
    """Weights of one model at each of six densities, as a matrix and as stacks."""
    pictures = {k: best[k] for k in SHOWN}
    six_in_four = neurons.regimes(models.W[:, 7].relu())[:, 3]
    if six_in_four.any():
        pictures[7] = models.W[models.loss[:, 7].where(six_in_four, torch.inf).argmin(), 7]
    fig, axes = figure(len(SHOWN), 2, height=12.5, width_ratios=[1.35, 1])
    told = []
    for (left, right), (k, W) in zip(axes, pictures.items(), strict=True):
        found = neurons.serves(W.relu())
        order, (name,) = neurons.order(found), neurons.code_names(found)
        weights(left, W[order])
        left.set(title=f"p = {DENSITIES[k]:g}: {name}", ylabel="neuron")
        stacks(right, W[order], found[order], lowest=-2)
        told.append(
            f"At p = {DENSITIES[k]:g}: {name}, {neurons.polysemantic(found).sum()} of 5 neurons "
            f"polysemantic, smallest weight {W.min():.1f}."
        )
    axes[-1, 0].set_xlabel("feature")
    axes[-1, 1].set_xlabel("neuron")
    return Picture(
        fig,
        "Weights of models. " + " ".join(told),
        "Models at six densities, sparser from top to bottom. Left, $W$ from −1 (blue) to 1 "
        "(red). Right, each neuron's weights, stacked, dark for the most important feature; pale "
        "ones are of features that it does not serve, and stacks are cut off at −2. The number of "
        "a polysemantic neuron is red.",
    )


def alignment(spreads, numbers) -> Picture:
    """How many models are aligned, and over how many neurons features are spread."""
    least = thresholds("basis-aligned", "rotations")["rotations"] / 100
    near = thresholds("basis-sets", "near")
    share = (spreads.relu >= least).double().mean(0)
    linear = (spreads.linear >= least).double()
    fig, axes = figure(1, 2, height=HIGH)
    axes[0].plot(DENSITIES, share, "o-", ms=4, label="hidden ReLU")
    axes[0].plot(DENSITIES, linear.mean(0), "s--", ms=4, color=FAINT, label="without")
    axes[0].set(ylabel="models less spread than 99 of 100 rotations", ylim=(0, 1.03))
    axes[0].legend()
    for k, p in enumerate(DENSITIES):
        kept = numbers.own[:, k][numbers.own[:, k].isfinite()]
        cloud(axes[1], p.item(), kept, width=0.05)
    axes[1].set(ylabel="effective number of neurons", yticks=[1, 2, 3, 4, 5])
    for ax in axes:
        ax.set(xscale="log", xlim=(1.15, 0.017), xlabel="density p")
        plain_ticks(ax.xaxis)
    whole_numbers = study.near_whole(numbers.own, **near).mean()
    by_chance = study.near_whole(numbers.rotated, **near).mean(0).mean()
    return Picture(
        fig,
        "Left: the share of models whose features are less spread than in 99 of 100 rotations is "
        + ", ".join(f"{share[k]:.0%} at p = {DENSITIES[k]:g}" for k in (0, 2, 4, 6, 9, 13))
        + f"; without a hidden ReLU {linear.mean():.1%} at all. Right: effective numbers of "
        f"neurons gather at 1, 2 and 3; {whole_numbers:.0%} lie within 0.1 of a whole number, "
        f"after random rotations {by_chance:.0%}.",
        "Left: the share of models whose features are spread less than in 99 of 100 "
        "random rotations; 2 % would be chance. Right: over how many neurons each feature is "
        "spread by its positive weights alone, in the best of every fifty models.",
    )


def all_codes(models, best) -> Picture:
    """Every model by its code, and the code of the best."""
    has = neurons.regimes(models.W.relu())  # (models, densities, codes)
    names = neurons.code_names(neurons.serves(best.relu()))
    parts = {  # some models of eight features have pairs alone: they count as pairs
        name: (has[..., k] & ~has[..., k + 1 :].any(-1)).double().mean(0)
        for k, name in enumerate(neurons.REGIMES)
    }
    parts["another"] = (~has.any(-1)).double().mean(0)
    fig, ax = figure(height=TALL)
    shares(ax, [f"p = {p:g}" for p in DENSITIES], parts, [*SETS, "#dfe3e7"])
    beside = {"xycoords": ("axes fraction", "data"), "annotation_clip": False}
    for row, name in enumerate(names):
        ax.annotate(name, (1.02, row), va="center", **beside)
    ax.annotate("the best", (1.02, -0.9), **beside)
    ax.set_xlabel("share of models")
    fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    told = (
        f"p = {DENSITIES[k]:g}: best {names[k]}; "
        + ", ".join(f"{part[k]:.0%} {name}" for name, part in parts.items() if part[k] >= 0.05)
        + "."
        for k in range(len(DENSITIES))
    )
    return Picture(
        fig,
        "Share of models with each code, and the best model's code. " + " ".join(told),
        "The share of all models with each of the codes that the source names, at each "
        "density, and at the right the code of the best model.",
    )


def ranking(finalists, best) -> Table:
    """The best code at each density, the next one, and whether sets contain each other."""
    serving = neurons.serves(best.relu())
    rows = {}
    for k, p in enumerate(DENSITIES):
        ranked = neurons.code_names(neurons.serves(finalists.W[k].relu()))
        other = next((r for r, name in enumerate(ranked) if name != ranked[0]), None)
        sets = serving[k].T[serving[k].any(0)]
        contained = sum(
            bool((a <= c).all()) for i, a in enumerate(sets) for j, c in enumerate(sets) if i != j
        )
        rest = ["–", "–"]
        if other is not None:
            costs = finalists.loss[k, other] / finalists.loss[k, 0] - 1
            rest = [ranked[other], f"{costs:.2%}"]
        rows[f"{p:g}"] = [ranked[0], *rest, str(contained), f"{best[k].min():.1f}"]
    heads = ["the best", "the next code", "costs more by", "sets in another", "smallest weight"]
    return Table(heads, rows, "p")


def best_of_some(models, n_seeds_models) -> Picture:
    """How often the best of k models has the source's code."""
    counts = [k for k in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if k <= n_seeds_models]
    has = neurons.regimes(models.W.relu())
    fig, ax = figure(width=6.4, height=HIGH)
    told = []
    for k, at in enumerate(NAMED):
        curve = [
            stats.share_of_best(models.loss[:, at], has[:, at, k], tries).item() for tries in counts
        ]
        name = f"{neurons.REGIMES[k]}, p = {DENSITIES[at]:g}"
        ax.plot(counts, curve, "o-", ms=4, color=SETS[k], label=name)
        told.append(
            f"{neurons.REGIMES[k]} at p = {DENSITIES[at]:g}, {curve[0]:.0%} of single models and "
            f"{curve[-1]:.0%} of the best of {counts[-1]}"
        )
    ax.set(xscale="log", xlabel="models tried", ylabel="the best has the code", ylim=(-0.03, 1.03))
    plain_ticks(ax.xaxis)
    fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return Picture(
        fig,
        "How often the best of k models has the source's code: " + "; ".join(told) + ".",
        "How often the best of some models, drawn from all, has the code that the source names "
        "at that density, by the loss before refinement.",
    )


def biases(biased, unbiased) -> Picture:
    """How often neurons are above their kink, with hidden biases and without."""
    fig, ax = figure(width=6.4, height=HIGH)
    count = len(biased.above)
    shuffled = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    jitter = torch.linspace(-0.16, 0.16, count)[shuffled]
    groups = ((biased, -0.2, DIGON, "hidden biases"), (unbiased, 0.2, ACCENT, "none"))
    for found, shift, colour, label in groups:
        rows = torch.arange(len(AT_BIAS)) + shift + jitter[:, None]
        values = found.above.flatten()
        ax.plot(values, rows.flatten(), "o", ms=3, alpha=0.5, color=colour, label=label)
    ax.set_yticks(range(len(AT_BIAS)), [f"p = {DENSITIES[at]:g}" for at in AT_BIAS])
    ax.set(ylim=(2.6, -0.6), xlim=(0, 1.03), xlabel="neurons and inputs above the kink")
    ax.legend(loc="lower left")
    medians = "; ".join(study.told_above(biased, unbiased))
    return Picture(
        fig,
        f"How often neurons are above their kink, one dot a model. Medians: {medians}.",
        "The share of neurons and inputs (with an active feature) above the kink: one dot a "
        "model, with hidden biases and without.",
    )


def prices(priced) -> Picture:
    """What a price on activity leaves, and what that costs."""
    long, crowded = study.stored(priced.W, **thresholds("tms-hidden-l1"))
    count, shared = (each.sum(-1).double().mean(0) for each in (long, crowded))
    loss = priced.loss / priced.loss[:, :1]
    middle, paid = loss.median(0).values, study.PRICES[1:]
    fig, axes = figure(1, 2, height=MIDDLE)
    looks = ((study.UNEQUAL, DIGON, "unequal"), (study.EQUAL, INK, "equal"))
    for case, colour, name in looks:
        lines = {"-": ("represented", count), "--": ("in superposition", shared)}
        for style, (what, values) in lines.items():
            label = what if case == study.EQUAL else None
            axes[0].plot(paid, values[1:, case], style, color=colour, label=label)
        axes[1].plot(paid, middle[1:, case], color=colour, label=f"{name} importance")
    axes[0].axhline(M, color=FAINT, lw=1)
    axes[0].set(xscale="log", xlabel="price λ", title="features", ylim=(-0.3, 10.5))
    axes[1].set(xscale="log", yscale="log", xlabel="price λ", title="loss, × that without a price")
    for ax in axes:
        ax.legend()
    p = study.SPARSE
    alone = IMPORTANCE[M:].sum() * (p / 3 - p**2 / 4) / priced.loss[:, 0, study.UNEQUAL].median()
    own = (neurons.effective_number(priced.W.abs()) <= 1.1)[
        long & (study.PRICES[:, None, None] >= 0.1)
    ]
    return Picture(
        fig,
        "Left, how many of ten features are represented in five dimensions and how many of these "
        "are in superposition, against the price of activity; both fall together. With unequal "
        f"importance {count[1, 0]:.1f} are represented at a price of {paid[0]:.2f} and "
        f"{count[-1, 0]:.1f} at {paid[-1]:.0f}, with equal importance {count[1, 1]:.1f} and "
        f"{count[-1, 1]:.1f}. Right, the loss rises to {middle[-1, 0]:.0f} and "
        f"{middle[-1, 1]:.0f} times that without a price.",
        "What a price on activity leaves of ten features in five dimensions (grey line), and the "
        "loss, without the price; means and medians.",
        {"alone": f"{alone:.0f}", "own": f"{own.double().mean():.0%}"},
    )


def detectors(best) -> Table:
    """The regimes that hold with other shares of the positive squared length."""
    rows = {}
    for share in (0.05, 0.1, 0.2):
        exactly, nearly = study.held(neurons.regimes(best.relu(), share=share))
        rows[f"a share of {share:g}"] = [f"{exactly.sum()} of 6", f"{nearly.sum()} of 6"]
    return Table(["regimes held", "held at or next to"], rows, "detector")


def other_descents(descents) -> Table:
    """What the best of fifty models are like, by other procedures."""
    names = ("share", "correlation", "least")
    tests, many = study.rise(descents.W.relu(), **thresholds("basis-polysemantic-positive", *names))
    rows = {
        name: [
            f"{study.held(neurons.regimes(descents.W[k].relu()))[0].sum()} of 6",
            f"{many[k].double().mean():.1f}",
            "yes" if tests[:, k].all() else "no",
            f"{(descents.loss[k] / descents.loss[0] - 1).mean():+.1%}",
        ]
        for k, name in enumerate(descents.names)
    }
    heads = ["regimes held", "polysemantic neurons, mean", "the rise", "loss"]
    return Table(heads, rows, "descent")


def other_biases(biased, biased_fast, steps) -> Table:
    """Whether models with hidden biases become linear, by two procedures."""
    above = thresholds("basis-hidden-bias", "above")
    rows = {
        "rate 0.02": [rate(study.escaped(biased, **above))],
        f"rate 0.06, {steps} steps": [rate(study.escaped(biased_fast, **above))],
    }
    return Table(["shows basis-hidden-bias"], rows, "hidden biases")


def explorer(finalists, n_refined) -> Picture:
    """The ranking of models at each density, by sliders."""

    def draw(density, rank):
        W, loss = finalists.W[density - 1, rank - 1], finalists.loss[density - 1]
        found = neurons.serves(W.relu())
        order = neurons.order(found)
        fig, axes = figure(1, 2, height=MIDDLE, width_ratios=[1.35, 1])
        weights(axes[0], W[order])
        stacks(axes[1], W[order], found[order], lowest=-2)
        axes[0].set(xlabel="feature", ylabel="neuron")
        axes[1].set_xlabel("neuron")
        return fig, (
            f"p = {DENSITIES[density - 1]:g}, rank {rank}: {neurons.code_names(found)[0]}, loss "
            f"{loss[rank - 1] / loss[0] - 1:.2%} above the best."
        )

    return Explorer(
        draw,
        density=whole("density, dense to sparse", 11, 1, len(DENSITIES)),
        rank=whole("rank", 1, 1, n_refined),
    ).picture("The explorer at its first setting: weights, and neurons as stacks.")
