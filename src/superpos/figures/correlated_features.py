"""What the chapter on correlated features draws."""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch
from torch import Tensor

from superpos import AnticorrelatedSets, CorrelatedSets, geometry, train
from superpos.claims.registry import thresholds
from superpos.figures.axes import plain_ticks, reference, scale_bar, set_lines
from superpos.figures.explorers import Explorer, real, whole
from superpos.figures.features import feature_graph
from superpos.figures.matrices import products
from superpos.figures.palette import ACCENT, FAINT, INK, PRODUCTS, SETS
from superpos.figures.plane import plane
from superpos.figures.style import HIGH, LOW, MIDDLE, TALL, Picture, Table, figure
from superpos.stats import listed, rate_interval, told, told_rate
from superpos.studies import correlated_features as study
from superpos.studies import sets

PRINTED = ((0.02, 0.05), (0.05, 0.15), (0.15, 0.2), (0.25, 0.5))  # p of 0, 1, 2, 3 collapsed pairs
DRAWN = torch.tensor([0.03, 0.1, 0.25, 0.45, 0.7, 0.9])  # p of the planes
SQUARES = 6.4  # width of a figure of squares, in inches


def pairs(two_pairs) -> Picture:
    """Two pairs in a plane: the best run of each kind, and rates of arrangements over p."""
    fig, axes = figure(1, 3, height=MIDDLE, width_ratios=[1, 1, 1.9])
    for ax, name in zip(axes, ("correlated", "anticorrelated"), strict=False):
        W, _ = study.best_run(getattr(two_pairs, name))
        plane(ax, geometry.upright(W), size=2)
        ax.set_title(name)
    curve, anticurve = two_pairs.curve.W, two_pairs.anticurve.W
    collapsed = study.collapsed_pairs(curve, kept=study.COMPONENT, cosine=study.ALIGNED).all(-1)
    orthogonal = study.pairs_orthogonal(curve, **thresholds("corr-orthogonal"))
    antipodal = study.pairs_antipodal(anticurve, **thresholds("corr-anti-antipodal"))
    rates(axes[2], orthogonal, "correlated: right angle", INK)
    rates(axes[2], collapsed, "correlated: one direction", FAINT)
    rates(axes[2], antipodal, "anticorrelated: antipodal", ACCENT)
    reference(axes[2], y=[1 / 3])
    against_density(axes[2])
    axes[2].set(ylim=(-0.03, 1.03), ylabel="share of runs")
    fig.legend(loc="outside lower center", ncols=3)
    return Picture(
        fig,
        "Left, the best run of each kind at p = 0.1: correlated partners at a right angle, "
        "anticorrelated partners antipodal. Right, shares of runs at p = "
        + listed(study.DENSITIES, ".2g")
        + f": correlated partners at a right angle {study.over_p(orthogonal)}; correlated partners "
        f"in one direction {study.over_p(collapsed)}; anticorrelated partners antipodal "
        f"{study.over_p(antipodal)}.",
        "Two pairs in a plane, partners in one colour. Left and middle: the best run at "
        "$p = 0.1$. Right: how often both pairs are arranged as named, with 95 % intervals; "
        "dotted, the chance that four features in antipodal pairs meet their partners.",
    )


def rates(ax, shown: Tensor, label: str, colour) -> None:
    """Draw the rate of some outcome ``(seeds, densities)``, with its interval."""
    low, high = zip(*map(rate_interval, shown.T), strict=True)
    ax.fill_between(study.DENSITIES, low, high, color=colour, alpha=0.2, lw=0)
    ax.plot(study.DENSITIES, shown.double().mean(0), "o-", ms=4, color=colour, label=label)


def against_density(ax) -> None:
    """Make the x axis one of p, logarithmic."""
    ax.set(xscale="log", xlabel="p, probability that a pair is active")
    plain_ticks(ax.xaxis)


def hexagon(three_pairs) -> Picture:
    """Typical runs of three pairs and of six independent features, as planes and products."""
    fig, axes = figure(1, 4, height=LOW)
    drawn = ((three_pairs.pairs, 2, "three pairs"), (three_pairs.alone, 1, "six independent"))
    for (left, right), (run, size, title) in zip(axes.reshape(2, 2), drawn, strict=True):
        typical = run.loss[:, 0].argsort()[len(run.loss) // 2]
        plane(left, geometry.upright(run.W[typical, 0]), size=size)
        left.set_title(title)
        products(right, run.W[typical, 0])
        set_lines(right, 6, size)
    angles = thresholds("corr-side-by-side")
    W = three_pairs.pairs.W[:, 0]
    _, adjacent = study.pairs_in_hexagon(W, **angles)
    independent = study.hexagonal(three_pairs.alone.W[:, 0], **angles)
    angle = torch.rad2deg(sets.partner_cosines(W[adjacent]).acos()).mean()
    return Picture(
        fig,
        "Planes and products of typical runs with three correlated pairs and with six independent "
        f"features. The pairs form a hexagon with partners side by side in {told_rate(adjacent)} "
        f"of the runs, {angle:.0f}° apart on average; independent features make a hexagon in "
        f"{told_rate(independent)}.",
        "$p = 0.03$, a typical run of each (the one of median loss): the plane, and $W^\\top W$.",
    )


def hexagon_losses(hexagon_losses) -> Table:
    """Exact losses of hexagons and a pentagon."""
    rows = {name: [f"{loss:.4f}"] for name, loss in hexagon_losses.items()}
    return Table(["exact loss"], rows)


def local_basis(two_sets) -> Picture:
    """Products of the best run of two sets of ten, at both densities."""
    size = study.TWO_SETS.size
    within = sets.within_sets(two_sets.W, size)
    parts = study.parts_of_basis(two_sets.W, **thresholds("corr-local-basis"))
    whole = torch.stack(list(parts.values())).all(0)
    kept = geometry.represented(two_sets.W).sum(-1).double()
    fig, axes = figure(1, 2, width=SQUARES, height=MIDDLE)
    lines = []
    for k, (ax, p) in enumerate(zip(axes, study.TWO_SETS.p, strict=True)):
        W, _ = study.best_run(two_sets, k)
        products(ax, sets.facing(W, size))
        set_lines(ax, 2 * size, size)
        ax.set_title(f"p = {p}")
        lines.append(
            f"at p = {p} {told_rate(whole[:, k])} of the runs are two local bases, with "
            f"{kept[:, k].mean():.1f} features represented and a mean cosine of "
            f"{within[:, k].mean():.3f} within sets"
        )
    scale_bar(fig, axes, PRODUCTS, low=-1, high=1, label="$W^\\top W$")
    return Picture(
        fig,
        "Products of twenty features in two sets of ten, for the best run at each density; "
        + "; ".join(lines)
        + ".",
        "$W^\\top W$ of the best runs, set by set. The second set is ordered so that features face "
        "those of the first.",
    )


def collapse(optimum) -> Picture:
    """Losses of the kinds of optima over p, and collapsed pairs beside those printed."""
    fig, axes = figure(2, 1, height=TALL, sharex=True, height_ratios=[1.5, 1])
    p, branches = optimum.p, study.branches(optimum)
    for colour, (name, loss) in zip(SETS, branches.items(), strict=False):
        ratio = loss / optimum.loss
        excess = torch.where(ratio < 1.25, ratio - 1, torch.nan)
        axes[0].plot(p, 100 * excess, "o-", ms=2.5, color=colour, label=name)
    axes[0].set(ylabel="loss above the best (%)", ylim=(-0.6, 16))
    axes[0].legend(ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.0), columnspacing=1.2)
    for k, place in enumerate(PRINTED):
        label = None if k else "printed in the paper"
        around = {"color": FAINT, "alpha": 0.55, "lw": 0, "label": label}
        axes[1].fill_between(place, k - 0.18, k + 0.18, **around)
    axes[1].plot(p, collapsed(optimum), "o", ms=4, color=INK, label="exact optimum")
    against_density(axes[1])
    axes[1].set(ylabel="collapsed pairs", ylim=(-0.4, 3.5), yticks=range(4))
    axes[1].legend(loc="upper left")
    starts = {new: f"{at:.2g}" for _, new, at in reversed(study.changes(optimum))}
    return Picture(
        fig,
        "Above, the loss of the best hexagon, pentagon, square, triangle and of two components, "
        "relative to the best of all; below, the number of collapsed pairs of the exact optimum "
        "against p, beside the ranges printed in the paper. The optimum changes: "
        f"{study.told_changes(optimum)}.",
        "Three correlated pairs in a plane: the exact optima. Above: how much more the best "
        "of each kind loses than the best of all. Below: collapsed pairs of the best; grey, the "
        "paper's ranges.",
        {name: starts.get(name, "nowhere") for name in (*study.POLYGONS[1:], "two components")},
    )


def collapsed(optimum) -> Tensor:
    """How many pairs of each optimum are collapsed, by the lower threshold."""
    return study.collapsed_pairs(optimum.W, kept=study.COMPONENT, cosine=study.ALIGNED).sum(-1)


def collapse_planes(optimum) -> Picture:
    """The optimum at six densities."""
    fig, axes = figure(2, 3, width=SQUARES, height=TALL)
    p, count = optimum.p, collapsed(optimum)
    lines = []
    drawn = (p.log() - DRAWN.log()[:, None]).abs().argmin(1).tolist()
    for ax, k in zip(axes.flat, drawn, strict=True):
        plane(ax, geometry.upright(optimum.W[k].float()), size=2, limit=1.2)
        ax.set_title(f"p = {p[k]:.2f}: {study.kind(optimum.W[k])}")
        lengths = sorted(geometry.squared_norms(optimum.W[k]).tolist())
        lines.append(
            f"at p = {p[k]:.2f} the number of collapsed pairs is {count[k]} and the squared "
            "lengths are " + listed(lengths)
        )
    return Picture(
        fig,
        f"Six planes with the exact optimum, from sparse to dense: {'; '.join(lines)}.",
        "The exact optimum at six densities, partners in one colour. Collapsed partners lie on top "
        "of each other.",
    )


def six_pairs(sums) -> Picture:
    """Feature graphs of the best runs of twelve features in six dimensions."""
    fig, axes = figure(1, 3, height=LOW)
    for ax, (name, run) in zip(axes, sums.items(), strict=True):
        k = 1 if name.startswith("anti") else 0
        W, _ = study.best_run(run, k)
        feature_graph(ax, W, size=None if study.SUMS[name].size == 1 else 2)
        ax.set_title(f"{name}\np = {study.SUMS[name].p[k]}")
    lines = [
        f"{name} {told(share[:, 0], digits=2)} and {told(share[:, 1], digits=2)}"
        for name, share in sharing(sums).items()
    ]
    return Picture(
        fig,
        "Feature graphs of twelve features in six dimensions. Share of partners in one component "
        f"at p = 0.1 and p = 0.5: {'; '.join(lines)}.",
        "The best run of each kind: feature graphs, partners in one colour.",
    )


def sharing(sums) -> dict[str, Tensor]:
    """The share of partners in one part: by name, ``(seeds, p)``."""
    return {name: sets.sharing_partners(run.W) for name, run in sums.items()}


def partner_cosine(W: Tensor) -> Tensor:
    """The mean cosine between the two features of a pair, ``(...)``.

    >>> partner_cosine(torch.tensor([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]]))
    tensor(0.)
    """
    first = torch.arange(0, W.shape[-1], 2)
    return geometry.cosines(W)[..., first, first + 1].mean(-1)


def shares(sums) -> Table:
    """How often partners share a part, and how they stand to each other."""
    rows = {}
    for name, share in sharing(sums).items():
        cosine = partner_cosine(sums[name].W)
        rows[name] = [told(each[:, k]) for k in range(2) for each in (share, cosine)]
    heads = [f"{what}, p = {p}" for p in (0.1, 0.5) for what in ("in one part", "cosine")]
    return Table(heads, rows, "partners")


def parts(parts, against_digons) -> Picture:
    """Products of the best runs of two sets of k features, at both densities."""
    digons = study.digons(parts)
    fig, axes = figure(2, len(parts), height=HIGH)
    for row, p in zip(range(2), (study.SPARSE, study.SPARSER), strict=True):
        for ax, (k, run) in zip(np.atleast_1d(axes[row]), parts.items(), strict=True):
            W, _ = study.best_run(run, row)
            products(ax, sets.facing(W, k))
            set_lines(ax, 2 * k, k)
            rate = digons[k][:, row].double().mean()
            ax.set_title(f"k = {k}, p = {p}\ndigons in {rate:.0%}")
    lines = [
        f"k = {k}, p = {p}: {told_rate(digons[k][:, i])}, best run {against_digons[k][i]:+.1%}"
        for k in parts
        for i, p in enumerate((study.SPARSE, study.SPARSER))
    ]
    return Picture(
        fig,
        "Products of the best runs for two sets of k correlated features at two densities. "
        "Share of runs that are digons with one feature of either set, and exact loss of the "
        f"best run relative to orthogonal digons: {'; '.join(lines)}.",
        "$W^\\top W$ of the best runs, with two sets of $k$ features in $k$ dimensions. Titles: "
        "how many runs end as $k$ digons with one feature of each set.",
    )


def sizes_of_parts(W: Tensor, size: int) -> str:
    """The commonest sizes of parts, and how often they occur."""
    found = Counter(
        " + ".join(str(len(part)) for part in sets.sets_of_parts(one, size)) for one in W
    )
    name, times = found.most_common(1)[0]
    return f"{name} ({times} of {len(W)})"


def none_twice(W: Tensor, size: int) -> Tensor:
    """Whether no part has two features of one set, for each model."""
    parts_of = [sets.sets_of_parts(one, size) for one in W]
    return torch.tensor([all(len({*part}) == len(part) for part in found) for found in parts_of])


def larger_table(larger) -> Table:
    """What parts form where they might be larger than digons."""
    rows = {}
    for name, case in study.LARGER.items():
        W = larger[name].W[:, 0]
        rows[name] = [
            f"{case.p[0]}",
            sizes_of_parts(W, case.size),
            told_rate(none_twice(W, case.size)),
            told_rate(sets.sets_apart(W, case.size)),
        ]
    heads = ["sizes of parts, most often", "no part has two of a set", "no part has two sets"]
    return Table(["p", *heads], rows)


def larger_parts(larger) -> Picture:
    """Feature graphs of the best runs of six of these."""
    fig, axes = figure(2, 3, height=TALL)
    for ax, (name, case) in zip(axes.flat, study.LARGER.items(), strict=False):
        W, _ = study.best_run(larger[name])
        feature_graph(ax, W, size=case.size)
        what, where = name.rsplit(", ", 1)
        ax.set_title(f"{what}\n{where}, p = {case.p[0]}")
    lines = [
        f"{name} at p = {case.p[0]}: {sizes_of_parts(larger[name].W[:, 0], case.size)}"
        for name, case in list(study.LARGER.items())[: axes.size]
    ]
    return Picture(
        fig,
        f"Feature graphs of the best runs. {'; '.join(lines)}.",
        "Feature graphs of the best runs, with a colour for each set.",
    )


def polygon_losses(against_polygons) -> Table:
    """The best runs against planes with a polygon each."""
    rows = {
        name: [f"{loss:.5f}", f"{planes:.5f}", f"{loss / planes - 1:+.0%}"]
        for name, (loss, planes) in against_polygons.items()
    }
    heads = ["best run", "planes of one feature of each set", "difference"]
    return Table(heads, rows, "exact loss")


def variant_table(two_pairs, three_pairs, variants) -> Table:
    """The share of runs that pass the tests, by procedure."""
    found = {
        ("ours", "right angle"): two_pairs.correlated.W[:, 0],
        ("ours", "antipodal"): two_pairs.anticorrelated.W[:, 0],
        ("ours", "hexagon"): three_pairs.pairs.W[:, 0],
        **variants,
    }
    angles = thresholds("corr-side-by-side")
    tests = {
        "right angle": lambda W: study.pairs_orthogonal(W, **thresholds("corr-orthogonal")),
        "antipodal": lambda W: study.pairs_antipodal(W, **thresholds("corr-anti-antipodal")),
        "hexagon": lambda W: study.pairs_in_hexagon(W, **angles)[1],
    }
    names = ["ours", *(name for name, _ in variants if name != "published procedure")]
    rows = {
        name: [
            told_rate(test(found[name, shape])) if (name, shape) in found else ""
            for shape, test in tests.items()
        ]
        for name in dict.fromkeys([*names, "published procedure"])
    }
    return Table(["right angle", "antipodal", "hexagon, side by side"], rows)


def explorer(procedure) -> Picture:
    """Sets of either kind, by sliders."""

    def draw(count, size, m, log_p, anticorrelated, seed):
        kind = AnticorrelatedSets if anticorrelated else CorrelatedSets
        settings = procedure(count * size, m, 1500)
        features = kind(count, size, 10**log_p)
        run = train(features, m, seeds=[seed], progress=False, procedure=settings)
        W = run.W[0]
        fig, axes = figure(1, 2, width=SQUARES, height=MIDDLE)
        if m == 2:
            plane(axes[0], geometry.upright(W), size=size)
        else:
            feature_graph(axes[0], W, size=size)
        products(axes[1], W, run.b[0])
        set_lines(axes[1], count * size, size)
        name = "anticorrelated" if anticorrelated else "correlated"
        return fig, (
            f"{count} sets of {size} {name} features in {m} dimensions at p = {10**log_p:.2f}: "
            f"{geometry.represented(W).sum()} features are represented; parts of their sum: "
            f"{len(geometry.components(W))}."
        )

    return Explorer(
        draw,
        count=whole("sets", 3, 1, 6),
        size=whole("features in a set", 2, 1, 6),
        m=whole("dimensions m", 2, 2, 8),
        log_p=real("log₁₀ p", -1.5, -2.0, 0.0, 0.05),
        anticorrelated=whole("anticorrelated (1) or not", 0, 0, 1),
        seed=whole("seed", 0, 0, 50),
    ).picture(
        "The explorer at its first setting: the plane with partners in one colour (in more "
        "dimensions, the feature graph), and $W^\\top W$ with $b$ and $\\|W_i\\|$.",
        live=("toy", {"n": 4, "S": 0.9, "decay": 1, "sets": "correlated"}),
    )
