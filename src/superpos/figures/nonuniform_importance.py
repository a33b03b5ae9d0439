"""What the chapter on non-uniform superposition draws."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from superpos import geometry, optima
from superpos.figures.axes import plain_ticks, reference
from superpos.figures.explorers import Explorer, real, whole
from superpos.figures.palette import ACCENT, DIGON, FAINT, INK, MEDIUM, PENTAGON, THIN
from superpos.figures.plane import plane, planes
from superpos.figures.style import HIGH, MIDDLE, Picture, Table, figure
from superpos.stats import span, told_rate
from superpos.studies import nonuniform_importance as study
from superpos.studies.nonuniform_importance import COS_72, KINDS, PATH, RISING

PAPERS = 2.5  # the factor that the paper gives


def intact(curve) -> Tensor:
    """Where the pentagon's branch still is one: booleans (s, kind)."""
    return study.all_five(curve.W[0, :, 0])


def against_factor(ax, kind: int, crossed=None, label: str = "factor f: feature 0 is {}") -> None:
    """Make the x axis one of the factor, with a dotted line where the losses cross."""
    ax.set(xscale="log", xlabel=label.format(KINDS[kind]))
    plain_ticks(ax.xaxis)
    if crossed is not None:
        ax.axvline(crossed.at[-1, kind], color=INK, lw=THIN, ls=":", zorder=0)


def shapes(curve) -> Picture:
    """Exact pentagons as feature 0 changes."""
    fig, axes = figure(1, 2, height=HIGH)
    W, loss, factor = curve.W[0, :, 0], curve.loss[0], curve.s.exp()
    beside, length = geometry.angles_beside(W).mean(-1), geometry.squared_norms(W)[..., 0]
    told = []
    for kind, ax in enumerate(axes):
        best = (loss[:, 0, kind] < loss[:, 1, kind]) & intact(curve)[:, kind]
        usable = best.nonzero().flatten()
        picked = usable[torch.linspace(0, len(usable) - 1, min(7, len(usable))).long()]
        planes(ax, geometry.upright(W[picked, kind]), limit=1.45)
        ax.set_title(f"feature 0 {KINDS[kind]} by 1/3 to {factor[usable[-1]]:.2g}")
        first, last = picked[0], picked[-1]
        told.append(
            f"{KINDS[kind]}: from {beside[first, kind]:.0f}° to {beside[last, kind]:.0f}°, and its "
            f"squared length from {length[first, kind]:.2f} to {length[last, kind]:.2f}"
        )
    return Picture(
        fig,
        "Overlaid pentagons with feature 0 up, for factors from 1/3 to where the digons become "
        f"better. The angle beside feature 0 goes, with it {'; '.join(told)}.",
        "Exact pentagons, each turned so that feature 0 points up, from where it is three times as "
        "dense or important as the others (light) to where the pentagon stops being the best "
        "(dark).",
    )


def angles(curve, shown) -> Picture:
    """The angle beside feature 0, of the exact pentagon and of trained models."""
    fig, axes = figure(1, 2, height=MIDDLE, sharey=True)
    beside, relative = geometry.angles_beside(curve.W[0, :, 0]).mean(-1), (-curve.s).exp()
    angle, five = geometry.angles_beside(shown.W).mean(-1), study.all_five(shown.W)
    for kind, ax in enumerate(axes):
        reference(ax, y=[72])
        on, there = intact(curve)[:, kind], five[..., kind]
        ax.plot(relative[on], beside[on, kind], color=PENTAGON, label="exact")
        dots = {"ms": 4, "alpha": 0.5, "color": INK, "label": "trained"}
        ax.plot(shown.relative.expand(there.shape)[there], angle[..., kind][there], "o", **dots)
        name = ("relative density 1/f", "relative importance 1/f")[kind]
        against_factor(ax, kind, label=name)
        ax.set_xlim(3.4, 0.1)
    axes[0].set_ylabel("mean angle beside feature 0 (°)")
    axes[0].legend()
    half = study.at(shown, 0.5)
    at_half = [angle[:, half, kind][five[:, half, kind]].median() for kind in (0, 1)]
    return Picture(
        fig,
        "Mean angle between feature 0 and its neighbours against its relative density, and its "
        f"relative importance. Trained models lie on the exact line: {five[..., 0].sum()} and "
        f"{five[..., 1].sum()} models that represent all five features. Three times as dense it is "
        f"{beside[0, 0]:.1f}°, regular 72°, and at half the density {at_half[0]:.1f}°; at half the "
        f"importance {at_half[1]:.1f}°.",
        "The mean of the two angles beside feature 0, for all trained models that represent all "
        "five features (dots) and for the exact pentagon (line), as far as it is a minimum.",
    )


def losses(curve, optimum, crossed, p_others) -> Picture:
    """Losses of both arrangements against the factor."""
    fig, axes = figure(1, 2, sharey=True)
    loss, factor = curve.loss[0], curve.s.exp()
    for kind, ax in enumerate(axes):
        high = factor >= 0.99
        on = intact(curve)[:, kind] & high
        ax.plot(factor[on], loss[on, 0, kind], color=PENTAGON, label="pentagon")
        ax.plot(factor[high], loss[high, 1, kind], color=DIGON, label="two digons")
        best = {"ms": 3, "color": INK, "label": "best of all starts"}
        ax.plot(optimum.factor, optimum.loss[:, kind], ".", **best)
        ax.axvline(PAPERS, color=ACCENT, lw=THIN, ls="--", zorder=0)
        against_factor(ax, kind, crossed)
        ax.set(xlim=(1, 9), title=f"they cross at f = {crossed.at[-1, kind]:.3g}")
    axes[0].set(ylabel="expected loss", ylim=(0, 1.05 * loss[:, 0].max()))
    axes[0].legend(loc="upper right")
    told = (
        f"f = {crossed.at[-1, kind]:.3g} where it is {name}, and the pentagon ceases to be a "
        f"minimum at {crossed.last[-1, kind]:.3g}"
        for kind, name in enumerate(KINDS)
    )
    return Picture(
        fig,
        "Loss curves of the pentagon and of two digons against the factor by which feature 0 is "
        f"sparser, or less important. Each falls smoothly; they cross at {'; '.join(told)}. The "
        "best of all starts follows the lower of the two.",
        f"Exact losses of the two branches at $p = {p_others:g}$. Dotted: where they cross. "
        f"Dashed: the paper's factor of {PAPERS:g}. The pentagon's line ends where it is no "
        "minimum any more.",
    )


def crossings(crossed) -> Picture:
    """The factor at the crossing against the density of the others."""
    fig, ax = figure(height=MIDDLE)
    p, at, last = crossed.p[:-1], crossed.at[:-1], crossed.last[:-1]
    for kind, colour in enumerate((INK, ACCENT)):
        ax.plot(p, at[:, kind], color=colour, label=KINDS[kind])
        ax.fill_between(p, at[:, kind], last[:, kind], color=colour, alpha=0.15, lw=0)
    ax.axhline(PAPERS, color=FAINT, lw=MEDIUM, ls="--", zorder=0)
    ax.set(xscale="log", yscale="log", xlabel="p of the other four features")
    ax.set_ylabel("factor f at the crossing")
    plain_ticks(ax.xaxis)
    plain_ticks(ax.yaxis)
    ax.legend()
    ends = [f"{at[0, kind]:.3g} to {at[-1, kind]:.3g}" for kind in (0, 1)]
    papers = [study.density_at(crossed, kind, PAPERS) for kind in (0, 1)]
    return Picture(
        fig,
        f"The factor at which pentagon and digons cost the same against p from {p[0]:.2g} to "
        f"{p[-1]:.2g}. It falls from {ends[0]} where feature 0 is sparser and from {ends[1]} where "
        f"it is less important, and is {PAPERS:g} at p = {papers[0]:.3f} and p = {papers[1]:.3f}.",
        "Lines: where the two losses cross. Shaded: the pentagon is still a minimum, but not the "
        f"best one. Dashed: {PAPERS:g}.",
        {name: f"{value:.2f}" for name, value in zip(KINDS, papers, strict=True)},
    )


def random_starts(shown, crossed, n_seeds_shown) -> Picture:
    """What models trained from random starts become."""
    fig, axes = figure(1, 2, height=MIDDLE, sharey=True)
    five = study.all_five(shown.W).double().mean(0)
    pairs = study.two_digons(shown.W).double().mean(0)
    factor, told = 1 / shown.relative, []
    for kind, ax in enumerate(axes):
        look = {"marker": "o", "ms": 4}
        ax.plot(factor, five[:, kind], color=PENTAGON, label="all five features", **look)
        ax.plot(factor, pairs[:, kind], color=DIGON, label="two digons without feature 0", **look)
        against_factor(ax, kind, crossed)
        ax.set_ylim(-0.03, 1.03)
        told.append(
            ", ".join(f"{pairs[k, kind]:.0%} at f = {factor[k]:.2g}" for k in (4, 7, 9, 11))
        )
    axes[0].set_ylabel("share of trained models")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return Picture(
        fig,
        "Share of models trained from random starts that represent all five features, and that "
        "drop feature 0 for two digons, against the factor. A sparser one is dropped by "
        f"{told[0]}; a less important one by {told[1]}. The optimum changes at "
        f"f = {crossed.at[-1, 0]:.3g} and {crossed.at[-1, 1]:.3g}.",
        f"What {n_seeds_shown} models a factor, trained from random starts, have become. Dotted: "
        "where the losses cross. Models that are neither have dropped another feature.",
    )


def hysteresis(curve, drifting, crossed, n_seeds_drifting, steps_drift) -> Picture:
    """The length of feature 0 while the factor goes up and down."""
    fig, axes = figure(1, 2, sharey=True)
    exact = geometry.squared_norms(curve.W[0, :, 0])[..., 0]
    size = geometry.squared_norms(drifting.W)[..., 0]  # (seed, s, kind)
    up, told = len(RISING), []
    for kind, ax in enumerate(axes):
        on = intact(curve)[:, kind]
        exactly = {"lw": 4, "alpha": 0.5, "label": "exact pentagon"}
        ax.plot(curve.s.exp()[on], exact[on, kind], color=PENTAGON, **exactly)
        paths(ax, size[:, :up, kind], PATH[:up], INK, "trained, f rising")
        paths(ax, size[:, up - 1 :, kind], PATH[up - 1 :], ACCENT, "trained, f falling")
        against_factor(ax, kind, crossed)
        lost = torch.where(size[:, :up, kind] < 0.5, PATH[:up].exp(), math.inf).amin(1).median()
        b = drifting.b[:, -1, kind, 0]
        told.append(
            f"{KINDS[kind]}: it is first below 1/2 at f = {lost:.2g} (median), and in the end at "
            f"1/2 or more in {(size[:, -1, kind] >= 0.5).sum()} of {n_seeds_drifting} models, with "
            f"b_0 from {span(b, '.3f')}"
        )
    axes[0].set_ylabel("$\\|W_0\\|^2$")
    axes[0].legend()
    return Picture(
        fig,
        "Squared length of feature 0 in models trained while the factor rises from 1 to "
        f"{PATH.max().exp():.2g} and falls to {PATH[-1].exp():.2g}, with the exact pentagon. "
        f"{'; '.join(told)}. The losses cross at {crossed.at[-1, 0]:.3g} and "
        f"{crossed.at[-1, 1]:.3g}.",
        f"Hysteresis: {n_seeds_drifting} models trained while the factor drifts, {steps_drift} "
        "steps at each of its values. Dotted: where the losses cross.",
    )


def paths(ax, size: Tensor, s: Tensor, colour: str, name: str) -> None:
    """Draw the lengths of all seeds along a path, with one entry in the legend."""
    for k, values in enumerate(size):
        ax.plot(s.exp(), values, color=colour, lw=MEDIUM, label=None if k else name)


def valley_table(curve, p_others) -> Table:
    """The least curvature of the loss at two digons."""
    settings = study.varied(p_others)(curve.s[:, None])
    least = optima.least_curvature(curve.W[0, :, 1], curve.b[0, :, 1], *settings)
    picked = [int((curve.s - math.log(value)).abs().argmin()) for value in (1 / 3, 1, 3, 9)]
    return Table(
        [f"f = {curve.s[k].exp():.2g}" for k in picked],
        {
            f"feature 0 {name}": [f"{least[k, kind]:.3f}" for k in picked]
            for kind, name in enumerate(KINDS)
        },
        "least curvature at two digons",
    )


def radius(pentagons) -> Picture:
    """Length against bias of exact pentagons, with what texts say of them."""
    fig, ax = figure(height=HIGH)
    minus_b = torch.linspace(0, 0.47, 200, dtype=torch.float64)
    x0 = torch.linspace(0, 0.33, 200, dtype=torch.float64)
    ax.plot(minus_b, (1 + minus_b) ** -2, ":", color=INK, label="1/(1 − b)²")
    ax.plot(minus_b, 1 + minus_b, "--", color=INK, label="1 − b")
    limits = {"one feature alone": (0.0, FAINT), "pentagon, sparse limit": (COS_72, PENTAGON)}
    for name, (c, colour) in limits.items():
        a, b = study.length_given_bias(x0, c)
        ax.plot(-b, a, color=colour, label=name)
    uniform, ones = (pentagons.W, pentagons.b), (pentagons.W_ones, pentagons.b_ones)
    for (W, b), marker, colour, name in (
        (uniform, "o", ACCENT, "amplitude uniform"),
        (ones, "s", DIGON, "amplitude 1"),
    ):
        size = geometry.squared_norms(W)[:, 0]
        ax.plot(-b[:, 0], size, marker, ms=4, color=colour, label=name)
    ax.set(xlabel="−b", ylabel="$\\|W_i\\|^2$", xlim=(0, 0.47), ylim=(0.15, 1.65))
    ax.legend(loc="lower left", ncols=2)
    printed, other = study.printed(*uniform), study.other(*uniform)
    of_ones, p = study.other(*ones)[:, 0], pentagons.p
    return Picture(
        fig,
        "Squared length against minus the bias of exact pentagons at p from "
        f"{p[0]:.2g} to {p[-1]:.2g}. The printed relation falls as the bias grows, the pentagons' "
        f"length rises: ‖W‖(1 − b) is {span(printed)}. For uniform "
        f"amplitudes ‖W‖² + b is {other.max():.3f} at the sparsest and {other.min():.3f} at the "
        f"densest; for amplitudes of exactly 1, {of_ones[0]:.3f} and {of_ones[-1]:.3f}.",
        "Length and bias of exact pentagons, from sparse (right) to dense inputs (left), for "
        "amplitudes uniform on $[0, 1]$ and exactly 1, with the relations of the text.",
    )


def variant_table(trained, variants) -> Table:
    """How often a pentagon is regular, and yields to a sparser feature, by procedure."""
    claims = {
        "regular pentagon": "nonuniform-pentagon",
        "yields to a sparser one": "nonuniform-sparser-yields",
    }
    rows = {
        name: [told_rate(study.study.judge(claim, models).shown) for claim in claims.values()]
        for name, models in {"ours": trained, **variants}.items()
    }
    return Table(list(claims), rows)


def explorer() -> Picture:
    """Both arrangements at any factor, by sliders."""

    def draw(log_factor, probability, importance):
        W, b = study.starts(probability)
        p, I = study.varied(probability)(torch.tensor(log_factor, dtype=torch.float64))
        kind = int(importance)
        p, I = (values.expand(2, 5)[kind] for values in (p, I))
        found = optima.minimise(W, b, p, I)
        curvature = optima.least_curvature(found.W, found.b, p, I)
        fig, axes = figure(1, 2)
        told = []
        for k, ax in enumerate(axes):
            kept = geometry.represented(found.W[k])
            # a feature of no length has no direction to turn up
            plane(ax, geometry.upright(found.W[k]) if kept[0] else found.W[k])
            minimum = "a minimum" if curvature[k] > 0 else "no strict minimum"
            ax.set_title(f"from {('a pentagon', 'two digons')[k]}: loss {found.loss[k]:.5f}")
            told.append(f"{kept.sum()} features, loss {found.loss[k]:.5f}, {minimum}")
        return fig, (
            f"Feature 0 is {math.exp(log_factor):.2f} times {KINDS[kind]}, p = {probability:.2f}. "
            f"From a pentagon: {told[0]}. From two digons: {told[1]}."
        )

    return Explorer(
        draw,
        log_factor=real("log f", 1.2, -1.0, 3.0, 0.05),
        probability=real("p of the others", 0.05, 0.01, 0.25, 0.01),
        importance=whole("0 density, 1 importance", 0, 0, 1),
    ).picture(
        "The explorer at its first setting: the two arrangements and what they cost.",
        live=("toy", {"n": 5, "S": 0.95, "decay": 1, "density": 0.4}),
    )
