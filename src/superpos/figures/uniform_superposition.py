"""What the chapter on uniform superposition draws."""

from __future__ import annotations

import torch
from torch import Tensor

from superpos import geometry
from superpos.codes.polytopes import POLYTOPES as POINTS
from superpos.figures.axes import (
    against_sparsity,
    band,
    percent_ticks,
    plain_ticks,
    reference,
    size_axis,
)
from superpos.figures.explorers import Explorer, real, whole
from superpos.figures.features import (
    dimensionality_dots,
    dimensionality_scatter,
    feature_graph,
    polytope_legend,
)
from superpos.figures.palette import ACCENT, DIGON, FAINT, INK, POLYTOPES, sequence
from superpos.figures.style import HIGH, LOW, MIDDLE, TALL, Picture, Table, figure
from superpos.studies import uniform_superposition as study
from superpos.studies.uniform_superposition import CHECKED, FRACTIONS, TRIED

DENSEST, SPARSEST = 1.8, 9  # 1/p between which polytopes are looked for
DRAWN = torch.tensor([2.2, 2.8, 4.0, 4.5, 5.0, 6.3])  # 1/p of the feature graphs
NORM_RANGES = ((1, 3), (3, 30), (30, 101))
GATHERED = (("3/4", 3 / 4), ("2/3", 2 / 3), ("1/2", 1 / 2), ("2/5", 2 / 5), ("3/8", 3 / 8))


def ladder(ladder, large) -> Picture:
    """The best polytope's fraction beside trained D*, and how near the others come."""
    fig, axes = figure(2, 1, height=TALL, sharex=True, height_ratios=[1.2, 1])
    places = list(ladder.takeovers.values())
    winners = [ladder.names.index(name) for name in ladder.takeovers]
    fractions = [ladder.fractions[k].item() for k in winners]
    axes[0].stairs(
        fractions, [*places, 100.0], baseline=None, color=INK, lw=2, label="best polytope"
    )
    D_star = geometry.dimensions_per_feature(large.W[0])
    axes[0].plot(large.inverse_p, D_star, "o", ms=3, color=ACCENT, label="trained, all features")
    axes[0].set(yscale="log", ylabel="dimensions per feature", ylim=(0.03, 1.2))
    plain_ticks(axes[0].yaxis)
    axes[0].legend(loc="lower left")
    best = ladder.saved.amax(0)
    for number, (k, low, high) in enumerate(
        zip(winners, places, [*places[1:], 100.0], strict=True), start=1
    ):
        name, middle = ladder.names[k], (low * high) ** 0.5
        colour = POLYTOPES[name][1] if name in POLYTOPES else sequence(number, len(winners))
        axes[1].plot(ladder.inverse_p, 100 * (ladder.saved[k] / best - 1), color=colour)
        axes[0].annotate(
            str(number), (middle, fractions[number - 1]), xytext=(0, -3), color=colour,
            textcoords="offset points", ha="center", va="top",
        )  # fmt: skip
    axes[1].set(ylabel="saved, against the best (%)", ylim=(-6, 0.4))
    against_sparsity(axes[1])
    told = ", ".join(f"the {name} from 1/p = {at:.4g}" for name, at in ladder.takeovers.items())
    return Picture(
        fig,
        "Above, dimensions per feature of the polytope that saves most, a staircase falling with "
        f"1/p: {told}; and D* of the trained sweep. Below, by how much each of these saves less "
        "than the best, in per cent.",
        "The ladder of polytopes, from exact optima. Above: the best one's dimensions per feature, "
        "by the numbers of the table; dots: $D^*$ of the large sweep, which is that only where "
        "lengths are 1. Below: how near others come.",
        {name: f"{at:.4g}" for name, at in ladder.takeovers.items()},
    )


def ladder_table(ladder) -> Table:
    """The steps of the ladder."""
    rows = {}
    for number, (name, place) in enumerate(ladder.takeovers.items(), start=1):
        polytope = POINTS[name]
        k, d = polytope.corners, polytope.dimension
        saved = ladder.saved[ladder.names.index(name), (ladder.inverse_p - place).abs().argmin()]
        since = f"{place:.4g}" if number > 1 else f"{place:.4g} or less"  # where one begins to look
        rows[f"{number}: {name}"] = [f"{k} in {d}", since, f"{saved:.3f}"]
    return Table(
        ["corners in dimensions", "best from 1/p =", "saved there, in v"], rows, "polytope"
    )


def at_size(at_size, ladder) -> Picture:
    """D_i of models of the paper's size, and the staircase of the best polytopes."""
    fig, axes = figure(3, 1, height=2.4 * MIDDLE, sharex=True, sharey=True)
    titles = {
        "published": "as published: 10 000 steps",
        "patient": "with patience: 100 000 steps",
        "best": "the best known",
    }
    places = [*ladder.takeovers.values(), 100.0]
    fractions = [POINTS[name].fraction for name in ladder.takeovers]
    for ax, (kind, title) in zip(axes, titles.items(), strict=True):
        some = at_size[kind]
        dimensionality_dots(ax, some.inverse_p, some.dimensionality)
        ax.stairs(fractions, places, baseline=None, color=DIGON, lw=1.6, label="best polytope")
        ax.plot(some.inverse_p, some.dimensions, color=ACCENT, label="$D^*$")
        ax.set(title=title, xlim=(1, 10), ylim=(0.15, 1.05), ylabel="$D_i$")
    axes[0].legend(loc="upper right")
    against_sparsity(axes[-1])
    near = {
        kind: {name: study.gathered(at_size[kind].dimensionality, D) for name, D in GATHERED}
        for kind in titles
    }
    told = "; ".join(
        f"{title}: " + ", ".join(f"{count} near {name}" for name, count in near[kind].items())
        for kind, title in titles.items()
    )
    return Picture(
        fig,
        "Dimensionality of the represented features of models with 400 features in 30 dimensions, "
        f"within 0.01 of the paper's fractions. {told}.",
        "Models of the paper's size, $n = 400$, $m = 30$: $D_i$ of every represented feature, "
        "$D^*$, and, with no free parameter, the fraction of the polytope that saves most. With "
        f"patience: only up to $1/p = {at_size['patient'].inverse_p.max():.2g}$.",
        {
            f"{kind} {name}": f"{count:,}".replace(",", " ")
            for kind, counts in near.items()
            for name, count in counts.items()
        }
        | {"best ahead": study.ahead(at_size["best"], at_size["patient"])},
    )


def dstar(large, replicates, ladder, n_features, n_hidden, n_seeds) -> Picture:
    """D* against 1/p."""
    D_star = geometry.dimensions_per_feature(large.W[0])
    trials = geometry.dimensions_per_feature(replicates.W)
    inverse_p = large.inverse_p
    fig, ax = figure(height=MIDDLE)
    reference(ax, x=[ladder.takeovers["digon"]], y=[1, 1 / 2])
    band(ax, inverse_p, trials, label="replicates")
    ax.plot(inverse_p, D_star, color=ACCENT, label=f"n = {n_features}, m = {n_hidden}")
    against_sparsity(ax)
    ax.set(ylim=(0, 1.1), ylabel="$D^* = m/\\|W\\|_F^2$")
    ax.legend()
    unsaturated = geometry.represented(replicates.W).double().mean((0, 2)) <= 0.5
    apart = (trials.mean(0) / D_star - 1).abs()[unsaturated].max()
    return Picture(
        fig,
        f"D* against 1/p on a logarithmic axis, falling from {D_star[0]:.2f} at 1/p = 1 to "
        f"{D_star[-1]:.3f} at 1/p = 100. It is within 5 % of 1 for 1/p from "
        f"{study.stay(D_star, inverse_p, 1)} and within 5 % of 1/2 from "
        f"{study.stay(D_star, inverse_p, 0.5)}. The replicates differ from it by at most "
        f"{apart:.0%} while at most half of their features are represented.",
        "Dimensions per feature. Dashed: where digons become the best polytope. "
        f"Band: lowest and highest of {n_seeds} replicates with "
        f"$n = {n_features // 2}$, $m = {n_hidden // 2}$.",
        {"apart": f"{apart:.0%}"},
    )


def scatter(large) -> Picture:
    """D_i of every represented feature, with the polytopes' lines."""
    fig, axes = figure(1, 2, height=HIGH, sharey=True, width_ratios=[1, 1.25])
    W, inverse_p, window = large.W[0], large.inverse_p, in_window(large)
    dimensionality_scatter(axes[0], inverse_p, W, labels=False)
    dimensionality_scatter(axes[1], inverse_p[window], W[window])
    axes[0].axvspan(DENSEST, SPARSEST, color=FAINT, alpha=0.15, lw=0)
    axes[1].set_ylabel("")
    axes[0].legend(loc="upper right")
    D = geometry.feature_dimensionality(W)[geometry.represented(W)]
    near = {name: int(((D - v).abs() <= 0.01).sum()) for name, (v, _) in POLYTOPES.items()}
    return Picture(
        fig,
        "Scatter of feature dimensionalities against 1/p with lines at 3/4, 2/3, 1/2, 2/5 and "
        "3/8. Within 0.01 of a line lie "
        + ", ".join(f"{count} ({name})" for name, count in near.items())
        + f" of {len(D)} represented features; beyond 1/p of about 7 they form a falling cloud.",
        "Every represented feature of the large sweep; right, the shaded range enlarged. "
        "Lines: the dimensionalities of regular polytopes.",
        {name: str(count) for name, count in near.items()},
    )


def in_window(models) -> Tensor:
    """Which sparsities are looked at for polytopes: booleans ``(settings,)``."""
    return (models.inverse_p >= DENSEST) & (models.inverse_p <= SPARSEST)


def sharpness(short, large, steps) -> Picture:
    """D_i after a tenth of the steps, and after all."""
    fig, axes = figure(1, 2, height=LOW, sharey=True)
    lengths, shares = (max(100, steps // 10), steps), []
    for ax, models, length in zip(axes, (short, large), lengths, strict=True):
        W = models.W[0, in_window(models)]
        values = geometry.feature_dimensionality(W)[geometry.represented(W)]
        histogram(ax, values, torch.linspace(0.2, 1, 161))
        at_line = torch.stack([(values - v).abs() <= 0.01 for v in FRACTIONS.values()]).any(0)
        shares.append(f"{at_line.double().mean():.0%}")
        ax.set(title=f"{length} steps: {len(values)} features", xlabel="$D_i$")
    percent_ticks(axes[0].yaxis)
    axes[0].set_ylabel("share of them")
    told = (
        f"after {k} steps {share} lie within 0.01 of a polytope's fraction"
        for k, share in zip(lengths, shares, strict=True)
    )
    return Picture(
        fig,
        f"Two histograms of D_i for 1/p from {DENSEST} to {SPARSEST}. " + "; ".join(told) + ".",
        f"Short and long training: represented features with $1/p$ between {DENSEST} and "
        f"{SPARSEST}. Coloured: the fractions of {{numref}}`uniform-scatter`.",
        dict(zip(("short", "long"), shares, strict=True)),
    )


def histogram(ax, values: Tensor, edges: Tensor) -> None:
    """Draw how D_i are spread, over stripes at the polytopes' fractions."""
    share = torch.full_like(values, 1 / max(1, len(values))).numpy()
    ax.hist(values.numpy(), bins=edges.tolist(), weights=share, color=INK)
    for value, colour in POLYTOPES.values():
        ax.axvline(value, color=colour, lw=3, alpha=0.35, zorder=0)


def norms(large) -> Picture:
    """‖W_i‖² in three ranges of sparsity."""
    fig, axes = figure(1, 3, height=LOW)
    shares = []
    for ax, (low, high) in zip(axes, NORM_RANGES, strict=True):
        chosen = (large.inverse_p >= low) & (large.inverse_p < high)
        size = geometry.squared_norms(large.W[0, chosen]).flatten()
        ax.hist(size.numpy(), bins=torch.linspace(0, 2, 81).tolist(), color=INK)
        ax.set(title=f"1/p from {low} to {min(high, 100)}", xlabel="$\\|W_i\\|^2$", yticks=[])
        two_valued = (size <= 0.1) | ((size >= 0.8) & (size <= 1.2))
        shares.append(f"{two_valued.double().mean():.0%}")
    return Picture(
        fig,
        "Histograms of squared norms with a peak at 0 and one near 1. In the ranges of 1/p 1 to 3, "
        f"3 to 30 and 30 to 100, {', '.join(shares)} of the features are near 0 or within 0.2 of "
        "1.",
        "Squared norms of all features of the large sweep, in three ranges of sparsity.",
    )


def graphs(large) -> Picture:
    """Feature graphs of six models."""
    fig, axes = figure(2, 3, height=TALL)
    D_star = geometry.dimensions_per_feature(large.W[0])
    told = []
    for ax, k in zip(axes.flat, (large.inverse_p - DRAWN[:, None]).abs().argmin(1), strict=True):
        W, inverse_p = large.W[0, k], large.inverse_p[k]
        feature_graph(ax, W)
        parts = [len(part) for part in geometry.components(W)]
        told.append(
            f"at 1/p = {inverse_p:.1f}, components: {len(parts)}, pairs among them: "
            f"{parts.count(2)}, features of the largest: {max(parts, default=0)}"
        )
        ax.set_title(f"1/p = {inverse_p:.1f}, $D^*$ = {D_star[k]:.2f}")
    polytope_legend(fig)
    return Picture(
        fig,
        "Six feature graphs, from dense to sparse: " + "; ".join(told) + ".",
        "Feature graphs of six models of the large sweep. A component has the colour of a polytope "
        "if it has as many features, of that dimensionality on average; grey: others.",
    )


def other_sizes(sizes, published_sizes, n_features, n_hidden, n_seeds_sizes) -> Picture:
    """Features learnt per dimension, over n and over m."""
    fig, axes = figure(1, 2, height=MIDDLE, sharey=True)
    for ax, letter in zip(axes, "nm", strict=True):
        table, once = sizes[letter], published_sizes[letter]
        for k, value in enumerate(CHECKED.tolist()):
            colour = sequence(k, 3)
            mean = [per_dimension[:, k].mean() for per_dimension, _ in table.values()]
            error = [per_dimension[:, k].std() for per_dimension, _ in table.values()]
            label = f"1/p = {value:g}"
            ax.errorbar(list(table), mean, error, fmt="o-", color=colour, label=label)
            large_ones = [per_dimension[0, k] for per_dimension, _ in once.values()]
            ax.plot(list(table), large_ones, "o", mfc="none", color=colour, ms=9)
        size_axis(ax, list(table), letter)
    axes[0].set(ylabel="features learnt per dimension", ylim=(0, None))
    axes[1].legend()
    half = {letter: study.spread(sizes[letter]).mean(0).max() for letter in "nm"}
    full = {letter: study.spread(published_sizes[letter]).max() for letter in "nm"}
    return Picture(
        fig,
        "Features learnt per dimension for three n at fixed m, and three m at fixed n, at three "
        f"sparsities. At half the published size they differ by at most {half['n']:.0%} over n and "
        f"{half['m']:.0%} over m, on average over {n_seeds_sizes} seeds; at the published size by "
        f"at most {full['n']:.0%} and {full['m']:.0%}.",
        "Features learnt per dimension, $\\|W\\|_F^2/m = 1/D^*$: mean and standard deviation over "
        f"{n_seeds_sizes} seeds, left with $m = {n_hidden // 2}$, right with "
        f"$n = {n_features // 2}$. Open: one seed with $n$ and $m$ twice as large.",
    )


def variant_table(variants) -> Table:
    """D* by procedure."""
    rows = {name: [f"{value:.3f}" for value in D.tolist()] for name, D in variants.items()}
    return Table([f"1/p = {value:g}" for value in TRIED.tolist()], rows, "Procedure")


def explorer(procedure, device) -> Picture:
    """One model, by sliders."""

    def draw(n_features, n_hidden, log_inverse_p, seed):
        inverse_p = 10**log_inverse_p
        W = torch.from_numpy(
            study.models(
                n_features, n_hidden, 1000, torch.tensor([inverse_p]),
                seeds=[seed], procedure=procedure, device=device,
            ).W.values
        )[0, 0]  # fmt: skip
        fig, axes = figure(1, 2, height=MIDDLE)
        D = geometry.feature_dimensionality(W)[geometry.represented(W)]
        D_star = geometry.dimensions_per_feature(W)
        histogram(axes[0], D, torch.linspace(0, 1, 101))
        feature_graph(axes[1], W)
        axes[0].set(xlabel="$D_i$", title=f"1/p = {inverse_p:.1f}, $D^*$ = {D_star:.2f}")
        return fig, (
            f"{n_features} features in {n_hidden} dimensions at 1/p = {inverse_p:.1f}: {len(D)} "
            f"are represented; components of the feature graph: {len(geometry.components(W))}; "
            f"D* = {D_star:.2f}."
        )

    return Explorer(
        draw,
        n_features=whole("features n", 80, 4, 200),
        n_hidden=whole("dimensions m", 8, 2, 20),
        log_inverse_p=real("log₁₀ 1/p", 0.6, 0.0, 2.0, 0.05),
        seed=whole("seed", 0, 0, 50),
    ).picture(
        "The explorer at its first setting: the distribution of $D_i$ and the feature graph.",
        live=("ladder", {}),
    )
