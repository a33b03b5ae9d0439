"""What the chapter on the tegum loss draws."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from superpos import codes, geometry, tegum
from superpos.claims.registry import thresholds
from superpos.codes import thomson
from superpos.figures.axes import against_sparsity, plain_ticks, reference, size_axis
from superpos.figures.explorers import Explorer, real
from superpos.figures.palette import (
    ACCENT,
    DIGON,
    FAINT,
    FEATURES,
    FINE,
    INK,
    MEDIUM,
    POLYTOPES,
    THIN,
    sequence,
)
from superpos.figures.style import HIGH, MIDDLE, Picture, Table, figure
from superpos.stats import listed, span
from superpos.studies import tegum_loss as study
from superpos.studies.tegum_loss import CODE_DIMENSIONS, DENSITY, PAIRS, REGISTERED, SEARCHED, SIZES

SHOWN_N, SHOWN_D = 10000, 1000  # of the picture of the bounds
SHOWN_ALPHAS = (0.5, 1.0, 1.5, 2.0, 2.5)
TENS = (2, 3, 4, 5, 6)  # powers of ten: numbers of features
WINDOW = (1.5, 1.6, 1.7, 1.8, 1.9, 2.1)  # α between which the best blocks change
SPLIT = ((3, 2), (4, 3), (5, 4), (6, 4), (5, 3), (7, 4), (8, 4))  # n and d of the table of blocks


def bound() -> Picture:
    """The loss over k for several α, with either bound."""
    fig, axes = figure(1, 2, height=HIGH)
    told = []
    for ax, cubic in zip(axes, (False, True), strict=True):
        bound = tegum.Bound(SHOWN_N, SHOWN_D, cubic=cubic)
        ((_, most),) = bound.domain()
        best = [lowest_loss(ax, bound, most, place) for place in range(len(SHOWN_ALPHAS))]
        ax.set(xscale="log", yscale="log", xlabel="number of subspaces k", ylim=(0.003, 8))
        ax.set_title("cubic bound" if cubic else "quadratic bound")
        plain_ticks(ax.yaxis)
        ax.set_yticks([0.01, 0.1, 1], ["0.01", "0.1", "1"])
        pairs = zip(best, SHOWN_ALPHAS, strict=True)
        told.append(", ".join(f"{k:.4g} at α = {alpha:g}" for k, alpha in pairs))
    axes[0].set_ylabel("loss / loss at k = 1")
    fig.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return Picture(
        fig,
        f"Loss against the number of subspaces for n = {SHOWN_N}, d = {SHOWN_D}. With the "
        f"quadratic bound the lowest loss is at an end: k = {told[0]}. With the cubic bound k goes "
        f"up to {most:.3g}, and the lowest loss is at k = {told[1]}.",
        f"The loss of {{eq}}`eq-tegum` for $n = {SHOWN_N}$, $d = {SHOWN_D}$, $C = 1$. Dots: the "
        "lowest loss of each $\\alpha$. Left, for $\\alpha = 2.5$, the stationary point is a "
        "maximum; the best is at one of the ends.",
    )


def lowest_loss(ax, bound: tegum.Bound, most: float, place: int) -> float:
    """Draw the loss over k for one α, with a dot at its lowest; return the k there."""
    alpha, colour = SHOWN_ALPHAS[place], sequence(place, len(SHOWN_ALPHAS))

    def relative(k):
        return (bound.log_loss(k, alpha) - bound.log_loss(1.0, alpha)).exp()

    ks = torch.logspace(0, math.log10(most), 400, dtype=torch.float64)
    ax.plot(ks, relative(ks), color=colour, label=f"α = {alpha:g}")
    best = tegum.optimal_subspaces(SHOWN_N, SHOWN_D, alpha, cubic=bound.cubic)
    ax.plot(best, relative(best), "o", color=colour, ms=6, mec="white", clip_on=False)
    return best


def critical(transition) -> Picture:
    """The critical α against n/d, and the best k against α."""
    fig, axes = figure(1, 2, height=MIDDLE)
    ratio = torch.logspace(math.log10(2), 2, 40, dtype=torch.float64).tolist()
    near = torch.linspace(1.0, 2.4, 141).tolist()
    for place, e in enumerate(TENS):
        n, colour = 10**e, sequence(place, len(TENS))
        curve = [(r, tegum.critical_alpha(n, n / r)) for r in ratio if math.log(n) * r / n <= 1 / 6]
        axes[0].plot(*zip(*curve, strict=True), color=colour, label=f"n = $10^{e}$")
        axes[1].plot(near, [tegum.optimal_subspaces(n, n // 2, a) for a in near], color=colour)
    reference(axes[0], y=[2])
    axes[0].set(xscale="log", xlabel="n/d", ylabel="critical α", ylim=(0, 2.5))
    plain_ticks(axes[0].xaxis)
    axes[0].legend(loc="lower right", fontsize=7.5)
    axes[1].set(yscale="log", xlabel="α", ylabel="best k, with n/d = 2")
    found = transition.critical
    edge = [f"{n:g} and {d:g}: {a:.2f}" for (n, d), a in zip(PAIRS, found.tolist(), strict=True)]
    jump = transition.jump[PAIRS.index((10**6, 10**6 // 2))]
    return Picture(
        fig,
        f"Left, the critical α against n/d for five n: it lies between {found.min():.2f} and "
        f"{found.max():.2f}, and falls where d is small for n. For n and d of {'; '.join(edge)}. "
        "Right, the best k against α for n/d = 2: it falls, and ends at 1, for n = 1000 steadily, "
        f"for n = 1000000 with a jump from {jump:.0f}.",
        "Left: the $\\alpha$ from which one single space is best. Right: the best number of "
        "subspaces for $n/d = 2$ (colours as on the left).",
    )


def best_codes(best_codes, n_code) -> Picture:
    """What the bounds say of cosines, and what codes reach."""
    sizes, largest, typical = best_codes.sizes, best_codes.largest, best_codes.typical
    d = CODE_DIMENSIONS
    fig, ax = figure(width=5.6, height=MIDDLE)
    axis = torch.logspace(math.log10(d + 1), math.log10(n_code), 100, dtype=torch.float64).tolist()
    for name, style in (("quadratic", "--"), ("cubic", "-")):
        curve = [tegum.Bound(n, d, cubic=name == "cubic").cosine(1.0).item() for n in axis]
        ax.plot(axis, curve, style, color=ACCENT, label=f"bound, {name}")
    ax.plot(sizes, largest, "o-", color=INK, ms=4, label="best code, largest |cos|")
    ax.plot(sizes, typical, "s", color=DIGON, ms=5, label="best code, root mean square")
    every = range(d + 1, n_code + 1)
    welch = [codes.welch_bound(n, d) for n in every]
    ax.plot(every, welch, color=DIGON, lw=MEDIUM, label="Welch's bound")
    size_axis(ax, sizes, f"n vectors in {d} dimensions")
    ax.set(ylim=(0, 1), ylabel="cosine")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    quadratic, cubic = (tegum.Bound(64, d, cubic=c).cosine(1.0).item() for c in (False, True))
    told_cubic = "has no solution" if math.isnan(cubic) else f"says {cubic:.2f}"
    return Picture(
        fig,
        f"Cosines of n vectors in {d} dimensions. At n = 64 the quadratic bound with C = 1 says "
        f"{quadratic:.2f} and the cubic one {told_cubic}; the best code found has a largest cosine "
        f"of {largest[1]:.2f} and a root mean square of {typical[1]:.3f}, where Welch's bound is "
        f"{codes.welch_bound(64, d):.3f}. At n = {sizes[-1]} the largest is {largest[-1]:.2f}.",
        f"What the bound says and what vectors can do, $d = {d}$.",
    )


def example_table(examples) -> Table:
    """Orthogonal pairs and parts of the comments' examples."""
    rows = {
        name: [
            f"{tegum.orthogonal_pairs(V)} of {V.shape[1] * (V.shape[1] - 1)}",
            f"{len(geometry.components(V, threshold=1e-6))}",
        ]
        for name, V in examples.items()
    }
    return Table(["orthogonal pairs (ordered)", "parts that are orthogonal to each other"], rows)


def search(compared) -> Picture:
    """The lowest sums found, over that of the best tegum product."""
    fig, axes = figure(1, 3, height=MIDDLE, sharey=True)
    alphas = SEARCHED.tolist()
    for ax, d in zip(axes, (2, 3, 4), strict=True):
        for n in [n for n, dimensions in SIZES if dimensions == d]:
            each = [compared[alpha, n, d] for alpha in alphas]
            ratios, colour = [one.sum / one.product for one in each], sequence(n - 3, 10)
            ax.plot(alphas, ratios, "o-", ms=2.5, lw=MEDIUM, color=colour, label=f"n = {n}")
        reference(ax, y=[1])
        ax.set(xscale="log", xlabel="α", title=f"d = {d}", ylim=(0, 1.35))
        plain_ticks(ax.xaxis)
    axes[0].set_ylabel("best found / best tegum product")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return Picture(
        fig,
        "The lowest sum found without subspaces, divided by that of the best tegum product, "
        "against α for n up to 12 in 2, 3 and 4 dimensions. Up to α = 1 no search got below 1; "
        f"at α = 2.5 it is {told_range(compared, 2.5)}, at α = 8 {told_range(compared, 8.0)}.",
        "At 1 the search found the best tegum product, or one as good; below 1, something that is "
        "no tegum product and better. A value above 1 would be a search that got stuck.",
    )


def told_range(compared, alpha: float) -> str:
    """From where to where the found sums are, over the products', for one α."""
    ratios = [each.relative + 1 for (power, _, _), each in compared.items() if power == alpha]
    return f"{min(ratios):.2f} to {max(ratios):.2f}"


def blocks(compared) -> Table:
    """The blocks of the best arrangements for α just below 2."""
    tolerance = thresholds("tegum-not-only")["below"]
    rows = {
        f"{n} in {d}": [told_blocks(compared[alpha, n, d], tolerance) for alpha in WINDOW]
        for n, d in SPLIT
    }
    return Table([f"α = {alpha:g}" for alpha in WINDOW], rows, "n in d")


def told_blocks(each: study.Compared, tolerance: float) -> str:
    """The blocks of the better of the two, such as 3 in 2, 1 in 1."""
    if each.relative <= -tolerance:
        return "one space"
    names = []
    for n, m in each.blocks:  # as many features as dimensions: one on each axis
        names += ["1 in 1"] * n if n <= m else [f"{n} in {m}"]
    names.sort(key=lambda name: name.split()[::-2], reverse=True)
    counts = {name: names.count(name) for name in names}
    return " ⊕ ".join((f"{count} × " if count > 1 else "") + name for name, count in counts.items())


def moments(arrangements) -> Picture:
    """The largest cosine and the share of interfering pairs, against α."""
    edge = thresholds("tegum-moments")["edge"]
    found = study.interference(arrangements, edge=edge)
    fig, axes = figure(1, 2, height=MIDDLE)
    names = ("largest |cos|", "share of pairs that interfere")
    for ax, values, name in zip(axes, found, names, strict=True):
        over_trials(ax, REGISTERED, values, values.mean(0), lw=THIN)
        ax.set(xscale="log", xlabel="α", ylabel=name, ylim=(0, 1.05))
        plain_ticks(ax.xaxis)
    largest, share = (listed(values.mean(0)) for values in found)
    return Picture(
        fig,
        f"Over α of {listed(REGISTERED, 'g')}, the best arrangements of "
        f"{len(SIZES)} pairs of n and d: the mean largest cosine is {largest}, the mean share of "
        f"pairs that interfere {share}.",
        "The best arrangements found: grey, each pair of $n$ and $d$; black, their mean.",
    )


def over_trials(ax, x, trials: Tensor, middle: Tensor, *, lw: float) -> None:
    """Draw every trial ``(trials, k)`` in grey, and what stands for them in black."""
    ax.plot(x, trials.T, color=FAINT, lw=lw)
    ax.plot(x, middle, "o-", color=INK)


def effective(effective, n_seeds) -> Picture:
    """The effective α and how well it fits, against 1/p."""
    fig, axes = figure(1, 2, height=MIDDLE)
    drawn = {"effective α": effective.alpha, "its rank correlation": effective.correlation}
    for ax, (name, values) in zip(axes, drawn.items(), strict=True):
        over_trials(ax, 1 / DENSITY, values, values.median(0).values, lw=FINE)
        against_sparsity(ax)
        ax.set(ylabel=name)
    reference(axes[0], y=[2])
    axes[0].set_ylim(bottom=0)
    axes[1].set_ylim(0, 1.03)
    alpha, fit = (listed(values.median(0).values) for values in drawn.values())
    dense = {
        "dense fit": effective.correlation,
        "own": effective.own_alpha,
        "own fit": effective.own_correlation,
    }
    return Picture(
        fig,
        f"The effective α at p = {listed(DENSITY, 'g')}: median {alpha}, "
        f"over {n_seeds} sets of arrangements. The rank correlation with the exact loss is {fit}.",
        "The $\\alpha$ that orders arrangements as the exact loss does, and how well; grey, sets "
        "of random arrangements; black, the median. Dotted: the critical $\\alpha$.",
        {name: f"{values[:, 0].median():.2f}" for name, values in dense.items()},
    )


def candidate_table(candidates) -> Table:
    """The candidate of lowest exact loss at each density, and the prediction where it differs."""
    rows, worst = {}, 0.0
    for (n, d), found in candidates.items():
        each = zip(found.truth, found.guess, found.excess.tolist(), strict=True)
        rows[f"{n} in {d}"] = [
            thomson.describe(found.V[truth])
            + ("" if excess < 1e-4 else f" ({thomson.describe(found.V[guess])}, {excess:+.1%})")
            for truth, guess, excess in each
        ]
        worst = max(worst, found.excess[1:].max().item())
    heads = [f"p = {x:g}" for x in DENSITY.tolist()]
    return Table(heads, rows, "n in d", {"worst": f"{worst:.1%}"})


def factors(factors) -> Picture:
    """What each kind of factor saves per dimension, against 1/p."""
    fig, ax = figure(height=HIGH)
    colours = {name: colour for name, (_, colour) in POLYTOPES.items()}
    colours |= {"own dimension": INK, "hexagon": FAINT, "heptagon": FEATURES[5]}
    for name, values in factors.saved.items():
        ax.plot(1 / factors.p, values, color=colours[name], label=name)
    against_sparsity(ax)
    ax.set(ylabel="features' worth of loss saved\nper dimension")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return Picture(
        fig,
        "Exact loss saved per dimension by each kind of factor, against 1/p. The best: "
        f"{best_ranges(factors)}.",
        "What a tegum factor saves, per dimension, in units of the loss of one feature left out. "
        "The highest curve is the best factor at that density.",
    )


def best_ranges(factors) -> str:
    """Which factor saves most from where to where, in words."""
    winner = torch.stack(list(factors.saved.values())).argmax(0)
    names, ranges = list(factors.saved), []
    for x, which in zip((1 / factors.p).tolist(), winner.tolist(), strict=True):
        if not ranges or ranges[-1][0] != names[which]:
            ranges.append([names[which], x, x])
        ranges[-1][2] = x
    return "; ".join(f"{name} from 1/p = {low:.3g} to {high:.3g}" for name, low, high in ranges)


def constant_table(constants) -> Table:
    """What the cubic bound says for other constants."""
    low, high = thresholds("tegum-transition", "low", "high").values()
    rows = {}
    for C, found in constants.items():
        at, furthest = found.T
        rows[f"C = {C:g}"] = [
            f"{len(found)}",
            span(at),
            f"{((at > low) & (at <= high)).double().mean():.0%}",
            span(furthest, ".3f"),
        ]
    return Table(["pairs", "critical α", f"of them in ({low}, {high}]", "largest k/d"], rows)


def explorer() -> Picture:
    """The bound, by sliders."""

    def draw(log_n, log_ratio, alpha, C):
        n, d = 10**log_n, 10 ** (log_n - log_ratio)
        best_k = tegum.optimal_subspaces(n, d, alpha, C)
        bound = tegum.Bound(n, d, C)
        fig, axes = figure(1, 2, height=MIDDLE)
        for low, high in bound.domain():
            ks = torch.logspace(math.log10(low), math.log10(high), 400, dtype=torch.float64)
            axes[0].plot(ks, (bound.log_loss(ks, alpha) + 2 * math.log(n)).exp(), color=INK)
        value = math.exp(bound.log_loss(best_k, alpha).item() + 2 * math.log(n))
        axes[0].plot(best_k, value, "o", color=ACCENT, ms=6)
        axes[0].set(xscale="log", yscale="log", xlabel="subspaces k", ylabel="loss")
        many = torch.linspace(0.1, 4, 80).tolist()
        axes[1].plot(many, [tegum.optimal_subspaces(n, d, x, C) for x in many], color=INK)
        axes[1].plot(alpha, best_k, "o", color=ACCENT, ms=6)
        axes[1].set(xlabel="α", ylabel="best k", yscale="log")
        return fig, (
            f"n = {n:.0f}, d = {d:.0f}, C = {C:g}: k can be up to {bound.domain()[-1][1]:.4g}. For "
            f"α = {alpha:g} the best is k = {best_k:.4g}, at a cosine of "
            f"{bound.cosine(best_k):.2f}."
        )

    return Explorer(
        draw,
        log_n=real("log₁₀ n", 4.0, 1.0, 6.0, 0.1),
        log_ratio=real("log₁₀ n/d", 1.0, 0.05, 3.0, 0.05),
        alpha=real("α", 1.5, 0.1, 4.0, 0.05),
        C=real("C", 1.0, 0.1, 8.0, 0.1),
    ).picture(
        "The explorer at its first setting: the loss over $k$ with its minimum, and the best $k$ "
        "over $\\alpha$."
    )
