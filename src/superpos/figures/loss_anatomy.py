"""What the chapter on the anatomy of the loss draws."""

from __future__ import annotations

import math

import torch
from matplotlib.axes import Axes
from torch import Tensor

from superpos.claims.registry import in_words
from superpos.codes import thomson
from superpos.figures.axes import plain_ticks
from superpos.figures.explorers import Explorer, whole
from superpos.figures.palette import ACCENT, DIGON, FAINT, INK, PENTAGON, PRODUCTS, THIN, sequence
from superpos.figures.plane import arrangement
from superpos.figures.style import LOW, MIDDLE, PAGE, Picture, Table, figure
from superpos.optima import decoders
from superpos.stats import span
from superpos.studies import loss_anatomy as study

# Formulas against sampling


def two_forces(conditions) -> Picture:
    """The linear model's loss over the two-force formula, where its conditions hold and not."""
    fig, axes = figure(1, 3, height=MIDDLE, sharey=True)
    p, exact = conditions["p"], conditions["exact"]
    for ax, (name, found) in zip(axes, exact.items(), strict=True):
        ax.plot(p, found.T, color=FAINT, lw=THIN)
        ax.plot(*zip(*conditions["sampled"][name], strict=True), "o", color=ACCENT, ms=4)
        ax.set(title=name, xlabel="p", xscale="log", yscale="log")
        plain_ticks(ax.xaxis)
        plain_ticks(ax.yaxis)
        ax.set_xticks([0.01, 0.1, 1])
    axes[0].set_ylabel("loss / formula")
    third, unequal = exact["b = 0"].median(0).values, exact["best b, unequal p"]
    return Picture(
        fig,
        "The linear model's loss divided by the two-force formula against p, for 30 random models. "
        f"With the best biases it is 1 within {(exact['best b'] - 1).abs().max():.0e}. With b = 0 "
        f"its median is {third[0]:.3f} at p = 0.01, {third[12]:.2f} at p = 0.1 and {third[-1]:.1f} "
        f"at p = 1. With unequal p it lies between {unequal.min():.2f} and {unequal.max():.2f}.",
        "Loss of the linear model over {eq}`eq-two-forces`, 30 random models with $n = 6$, "
        "$m = 2$. Lines: exact; dots: sampled, for three of them. Right: each $p_i$ is $p$ times a "
        "factor between 1/2 and 2, and the formula has the mean variance.",
    )


def residuals(linear, terms) -> Picture:
    """Each formula's distance from the sampled loss, over random models."""
    fig, axes = figure(1, 3, height=LOW, sharey=True)
    found = {
        "two forces, linear": linear.off,
        "binomial sum": terms.binomial,
        "$L_1$": terms.single,
    }
    z = torch.linspace(-4.5, 4.5, 200)
    bins = torch.arange(-4.5, 4.6, 0.5).tolist()
    for ax, (name, values) in zip(axes, found.items(), strict=True):
        ax.hist(values.numpy(), bins=bins, density=True, color=FAINT)
        ax.plot(z, torch.exp(-z.square() / 2) / (2 * math.pi) ** 0.5, color=ACCENT)
        ax.set(title=name, xlabel="standard errors", yticks=[])
    told = (f"{values.std():.2f} ({name.replace('$', '')})" for name, values in found.items())
    return Picture(
        fig,
        f"Three histograms over {len(linear.off)} random models of the difference between a "
        "formula and the sampled loss, in standard errors; all follow the normal law. Their "
        f"standard deviations are {', '.join(told)}.",
        "Each formula against plain sampling, over random models: the differences are those of "
        "chance (line: the normal law).",
    )


# When inputs are sparse


def shares(between) -> Picture:
    """The share of each L_k in the loss, as p falls."""
    fig, axes = figure(1, 3, height=MIDDLE, sharey=True)
    names = ["$L_0$", "$L_1$", "$L_2$", "$L_3$ and more"]
    for ax, (title, share) in zip(axes, between["shares"].items(), strict=True):
        share = torch.cat([share[:, :3], share[:, 3:].sum(-1, keepdim=True)], dim=-1)
        colours = [INK, DIGON, PENTAGON, FAINT]
        ax.stackplot(between["p"], share.T.numpy(), labels=names, colors=colours, alpha=0.85, lw=0)
        ax.set(title=title, xlabel="p", xscale="log", xlim=(0.3, 0.001), ylim=(0, 1))
        ax.set_xticks([0.1, 0.01, 0.001], ["0.1", "0.01", "0.001"])
    axes[0].set_ylabel("share of the loss")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    ends = {title: share[-1, :2].sum().item() for title, share in between["shares"].items()}
    return Picture(
        fig,
        "Shares of L_0, L_1, L_2 and the rest in the loss, against p from 0.3 to 0.001. At "
        "p = 0.001 inputs with at most one active feature make up "
        + ", ".join(f"{value:.2%} ({title})" for title, value in ends.items())
        + ".",
        "Where the loss comes from, $m = 2$, equal importances for the best models. Left: two "
        f"antipodal pairs; middle: below $p = {between['pentagon']:.2f}$ a pentagon; right: one "
        "random model.",
        {"L_2 of the pentagon": f"{between['shares']['best, n = 5'][-1, 2]:.1%}"},
    )


def share_table(parts) -> Table:
    """The share of L_0 and L_1 in the best models' loss, equal importances."""
    return Table(
        [f"p = {p:g}" for p in study.SPARSE.tolist()],
        {
            f"n = {n}": [f"{value:.3%}" for value in share[-1, :, :2].sum(-1).tolist()]
            for n, share in parts["best"].items()
        },
        "share of $L_0$ and $L_1$, best model, equal importances",
    )


# A Thomson problem


def thomson_table_plane(arrangements, n_tries) -> Table:
    """Thomson's solutions beside the arrangements of least interference, in the plane."""
    return thomson_table(arrangements, 2, n_tries, "n, in the plane")


def thomson_table_space(arrangements, n_tries) -> Table:
    """The same in space."""
    return thomson_table(arrangements, 3, n_tries, "n, in space")


def thomson_table(arrangements, m: int, n_tries: int, corner: str) -> Table:
    """What is best for n points in m dimensions, in words, by n."""
    rows = {}
    for n in study.SPACES[m]:
        found = arrangements[m, n]
        flexible = found["kinds"] > n_tries // 4
        rows[str(n)] = [
            thomson.describe(found["charges"]),
            f"{thomson.energy(found['charges']).item():.6f}",
            f"{thomson.energy(found['ours']).item():.6f}",
            "any with no angle below 90°" if flexible else thomson.describe(found["ours"]),
            f"{found['found']} of {n_tries}",
        ]
    heads = ["Thomson's solution", "its sum E", "lowest E", "where", "descents that end there"]
    return Table(heads, rows, corner, {"doubled from": doubled_from(arrangements, m)})


def doubled_from(arrangements, m: int) -> str:
    """The least n at which features in m dimensions share places, in words."""
    places = {n: len(thomson.places(arrangements[m, n]["ours"])[1]) for n in study.SPACES[m]}
    return in_words(next(n for n, count in places.items() if count < n), "word")


def thomson_space(arrangements) -> Picture:
    """Charges and features on the sphere."""
    return Picture(
        both_arrangements(arrangements, 3, [(7, 8, 9), (10, 11, 12)]),
        "Thomson's solutions in space and the arrangements of lowest interference, with their sums "
        f"E. {told_pairs(arrangements, 3, range(7, 13))}.",
        "Points on a sphere. Upper rows: charges at rest, with their interference $E$ "
        "{eq}`eq-thomson`; lower rows: the features with the least interference. A number in a "
        "corner: so many features share it.",
    )


def thomson_plane(arrangements) -> Picture:
    """Charges and features on the circle."""
    return Picture(
        both_arrangements(arrangements, 2, [(5, 6, 7, 8), (9, 10, 11, 12)]),
        f"The same in the plane. {told_pairs(arrangements, 2, range(5, 13))}.",
        "Points on a circle: charges above, features below. From "
        f"{doubled_from(arrangements, 2)} on features take five places only.",
    )


def both_arrangements(arrangements, m: int, blocks):
    """Thomson's solutions above ours, in blocks of some n."""
    fig, axes = figure(2 * len(blocks), len(blocks[0]), height=PAGE)
    for block, sizes in enumerate(blocks):
        for column, n in enumerate(sizes):
            found = arrangements[m, n]
            upper, lower = axes[2 * block, column], axes[2 * block + 1, column]
            arrangement(upper, found["charges"])
            arrangement(lower, found["ours"])
            upper.set_title(f"n = {n}\nE = {thomson.energy(found['charges']):.4f}")
            lower.set_title(f"E = {thomson.energy(found['ours']):.4f}")
        axes[2 * block, 0].set_ylabel("charges")
        axes[2 * block + 1, 0].set_ylabel("features")
    return fig


def told_pairs(arrangements, m: int, sizes) -> str:
    """Both arrangements of each n, in words."""

    def told(points):
        return f"{thomson.describe(points)} ({thomson.energy(points):.4f})"

    found = {n: arrangements[m, n] for n in sizes}
    return "; ".join(
        f"n = {n}: {told(both['charges'])} against {told(both['ours'])}"
        for n, both in found.items()
    )


# Free decoders


def rewritten_table(rewritten) -> Table:
    """One model, written in four ways."""
    names = ["A = 1", *(f"A random, {k}" for k in (1, 2, 3))]
    values = zip(rewritten["loss"], rewritten["distance"], rewritten["tightness"], strict=True)
    return Table(
        ["loss", "distance of V from a multiple of W", "tightness of W"],
        {
            name: [f"{loss:.12f}", f"{distance:.2f}", f"{tight:.2f}"]
            for name, (loss, distance, tight) in zip(names, values, strict=True)
        },
    )


def free_decoder(free, tied, exact) -> Picture:
    """Losses of free decoders over that of the best tied model, by how they began."""
    best_tied = exact["best_tied"]
    groups = {"trained": (free[5].loss / best_tied).T}
    for kind, found in zip(study.STARTS, exact["loss"], strict=True):
        groups[kind] = found / best_tied[:, None]
    fig, ax = figure(width=5.4, height=MIDDLE)
    rows_of_dots(ax, groups)
    ax.axvline(1, color=INK, lw=THIN, ls=":")
    ax.set(xscale="log", xlabel="loss / loss of the best tied model")
    plain_ticks(ax.xaxis)
    fig.legend(loc="outside upper center", ncols=3)
    # by the same mark: the best of the tied models that were trained
    worse = {
        name: (runs[5].loss > 1.01 * tied[5].loss.amin(0)).double().mean()
        for name, runs in (("worse", free), ("worse, tied", tied))
    }
    gain = best_tied / exact["loss"].amin((0, 2))
    reached = [f"{1 / g:.2f} (p = {p:g})" for g, p in zip(gain, study.FREE_P, strict=True)]
    better = groups["V = W"] < 1
    return Picture(
        fig,
        "Losses of models with a free decoder relative to the best tied one, n = 5, m = 2. Trained "
        f"from random starts {worse['worse']:.0%} of them are more than 1 % above the best trained "
        f"tied one, of the tied ones {worse['worse, tied']:.0%}. The best exact descents reach "
        f"{', '.join(reached)} times the loss of the best tied model.",
        "Free decoders, $n = 5$, $m = 2$: each dot is a model, by how it began. The first row is "
        "trained on samples, the others descend the exact loss.",
        {
            **{name: f"{share:.0%}" for name, share in worse.items()},
            "reached": ", ".join(reached),
            "better": f"{int(better.sum())} of {better.numel()}",
        },
    )


def rows_of_dots(ax: Axes, groups: dict[str, Tensor]) -> None:
    """Draw a row of dots for each group ``(p, models)``, a colour and a height for each p."""
    for row, values in enumerate(groups.values()):
        for k, p in enumerate(study.FREE_P.tolist()):
            height = [row + 0.22 * (k - 1)] * values.shape[1]
            label = f"p = {p:g}" if row == 0 else None
            colour = sequence(k, len(study.FREE_P))
            ax.plot(values[k], height, "o", color=colour, ms=4, alpha=0.7, label=label)
    ax.set_yticks(range(len(groups)), groups)
    ax.set_ylim(len(groups) - 0.4, -0.6)


def free_products(exact) -> Picture:
    """What outputs get from inputs at p = 0.1, tied and free."""
    kind, number = divmod(int(exact["loss"][:, 1].argmin()), exact["loss"].shape[2])
    W, V = exact["W"][kind, 1, number], exact["V"][kind, 1, number]
    order = (W.norm(dim=0) / V.norm(dim=0)).argsort(descending=True)
    tied, free = exact["tied"][1].T @ exact["tied"][1], (V.T @ W)[order][:, order]
    fig, axes = figure(1, 2, width=5.4, height=MIDDLE)
    panels = {"tied: $W^\\top W$": tied, "free: $V^\\top W$": free}
    for ax, (title, values) in zip(axes, panels.items(), strict=True):
        written(ax, values)
        ax.set(title=title, xticks=[], yticks=[], xlabel="input")
    axes[0].set_ylabel("output")
    return Picture(
        fig,
        "What each output gets from each input at p = 0.1. Tied: a symmetric matrix with entries "
        f"from {span(tied, '.1f')}. Free: entries below the diagonal reach "
        f"{free.tril(-1).min():.0f}, above it at most {free.triu(1).abs().max():.1f} in size.",
        "What output $i$ gets from input $j$ at $p = 0.1$, in the best tied model and in the best "
        "free one (features ordered by $\\|W_i\\|/\\|V_i\\|$; colours end at $\\pm 1$).",
    )


def written(ax: Axes, values: Tensor) -> None:
    """Draw a matrix with its numbers in it."""
    ax.imshow(values.numpy(), cmap=PRODUCTS, vmin=-1, vmax=1)
    for i, row in enumerate(values.tolist()):
        for j, value in enumerate(row):
            told = f"{value:.0f}" if abs(value) >= 9.95 else f"{value:.1f}"
            told = told.replace("-", "−").replace("−0.0", "0.0")
            colour = "white" if abs(value) > 0.6 else INK
            ax.text(j, i, told, color=colour, ha="center", va="center")


def ranking_table(arrangements) -> Table:
    """n L_1 of rankings in the plane, beside the least that a tied model can have."""
    sizes = (5, 8, 12)
    rows = {
        f"ratio of lengths {ratio:g}": [
            f"{study.single_loss(*decoders.ranking(n, ratio)):.1e}" for n in sizes
        ]
        for ratio in (0.1, 0.01, 0.001)
    }
    rows["tied, least interference"] = [
        f"{thomson.energy(arrangements[2, n]['ours']) / 3:.2f}" for n in sizes
    ]
    corner = "$n L_1$ in the plane, unit products, no biases"
    return Table([f"n = {n}" for n in sizes], rows, corner)


def start_table(exact) -> Table:
    """How far V is from a multiple of W after exact descents, by how they began."""
    return Table(
        [f"p = {p:g}" for p in study.FREE_P.tolist()],
        {
            kind: [span(value) for value in decoders.distance_from_encoder(W, V)]
            for kind, W, V in zip(study.STARTS, exact["W"], exact["V"], strict=True)
        },
        "start",
    )


def explorer() -> Picture:
    """Charges and features, by sliders."""

    def draw(n_points, dimensions, seed):
        at = {"tries": 20, "seed": seed}
        ours = thomson.minimise(n_points, dimensions, **at).best
        charges = thomson.minimise(n_points, dimensions, thomson.COULOMB, **at).best
        fig, axes = figure(1, 2, width=6.4, height=MIDDLE)
        energies = [thomson.energy(points).item() for points in (charges, ours)]
        for ax, points, name, value in zip(
            axes, (charges, ours), ("charges", "features"), energies, strict=True
        ):
            arrangement(ax, points)
            ax.set_title(f"{name}, E = {value:.4f}")
        return fig, (
            f"{n_points} points: charges rest as {thomson.describe(charges)}, with an interference "
            f"of {energies[0]:.4f}; least interference, {energies[1]:.4f}: "
            f"{thomson.describe(ours)}."
        )

    return Explorer(
        draw,
        n_points=whole("points n", 12, 4, 20),
        dimensions=whole("dimensions m", 3, 2, 3),
        seed=whole("seed", 0, 0, 50),
    ).picture("The explorer at its first setting: twelve charges, and twelve features.")
