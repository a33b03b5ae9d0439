"""What the chapter on computation, revisited, draws."""

from __future__ import annotations

import torch

from superpos.claims.registry import thresholds
from superpos.figures.axes import plain_ticks, reference
from superpos.figures.explorers import Explorer, real, whole
from superpos.figures.palette import ACCENT, DIGON, FAINT, INK, MEDIUM, PRODUCTS, THIN, sequence
from superpos.figures.style import LOW, MIDDLE, Picture, figure
from superpos.neurons import compressed
from superpos.stats import listed
from superpos.studies import computation_revisited as study
from superpos.studies.computation_revisited import AS_PUBLISHED, P_TWO, STREAMS, M, N, P


def codes(universal, paired, raw) -> Picture:
    """Neurons that suffice, against features or ANDs."""
    fig, axes = figure(1, 2, height=MIDDLE)
    for ax, cases in zip(
        axes,
        (
            {"superposed inputs": (universal, INK)},
            {"superposed inputs": (paired, INK), "a dimension each": (raw, ACCENT)},
        ),
        strict=True,
    ):
        for name, (found, colour) in cases.items():
            ax.plot(found.sizes, found.count.T, color=FAINT, lw=THIN)
            ax.plot(found.sizes, found.count.double().mean(0), "o-", color=colour, label=name)
        ax.set(xscale="log", yscale="log")
        ax.legend(loc="upper left" if len(cases) == 1 else "center right")
    for ax, found, power in ((axes[0], universal, 2 / 3), (axes[1], paired, 1 / 2)):
        sizes = torch.tensor(found.sizes, dtype=torch.float64)
        guide = sizes**power
        guide = guide * found.count.double().mean() / guide.mean()
        ax.plot(sizes, guide, "--", color=DIGON, lw=MEDIUM)
        ax.set_xticks(found.sizes, [str(size) for size in found.sizes])
        ax.minorticks_off()
        plain_ticks(ax.yaxis)
    axes[0].set(xlabel="features n, all pairs", ylabel="neurons that suffice")
    axes[1].set(xlabel="ANDs k of disjoint pairs")

    def row(found) -> str:
        return listed(found.count.double().mean(0), ".0f")

    pairs = universal.sizes[-1] * (universal.sizes[-1] - 1) // 2
    return Picture(
        fig,
        f"Left, neurons for the ANDs of all pairs of {listed(universal.sizes, 'd')} features: "
        f"{row(universal)}. Right, neurons for {listed(paired.sizes, 'd')} ANDs: {row(paired)} "
        f"where inputs are in superposition, {row(raw)} where each has a dimension.",
        "The fewest neurons that suffice (grey: single draws). Dashed: the powers 2/3, left, and "
        "1/2, right, of the sources' bounds, at a height that fits.",
        {
            "pairs": f"{pairs:,}".replace(",", " "),
            "neurons": f"{universal.count[:, -1].double().mean():.0f}",
            "raw": f"{raw.count[:, -1].double().mean():.0f}",
            "superposed": f"{paired.count[:, -1].double().mean():.0f}",
            "ands": f"{paired.sizes[-1]}",
        },
    )


def layer_losses(layers) -> Picture:
    """The losses of layers over the naive one, by stream, with the bound."""
    naive = compressed.naive_loss(N, M, P)
    fig, ax = figure(width=5.6, height=MIDDLE)
    places = range(len(STREAMS))
    ax.plot(places, (naive + layers.mixed.mean(1)) / naive, "s--", color=FAINT, label="naive")
    ax.plot(places, layers.loss / naive, "o", color=INK, ms=3, alpha=0.5)
    ax.plot(places, layers.loss.mean(1) / naive, "-", color=INK, label="trained")
    ax.plot(places, layers.least.mean(1) / naive, "v:", color=ACCENT, label="bound")
    reference(ax, y=[1.0])
    names = ["none", *(f"{1 / d**0.5:.2g}" for d in STREAMS[1:])]
    ax.set_xticks(places, names)
    ax.set(xlabel="mixing: standard deviation of the entries of M", ylabel="loss over 50 p/6")
    ax.legend()
    trained = listed(layers.loss.mean(1) / naive)
    return Picture(
        fig,
        f"Losses over 50 p/6 for mixing {', '.join(names)}: trained layers {trained}, the bound "
        f"{listed(layers.least.mean(1) / naive)}, the naive model, which leaves the mixing, "
        f"{listed((naive + layers.mixed.mean(1)) / naive)}.",
        "Layers of 50 neurons for 100 ReLU functions. Dotted line at 1: 50 perfect functions, the "
        "others 0, on labels without mixing. Naive: the same model's loss on the labels as they "
        "are. Bound: the sum of the 50 smallest eigenvalues of the labels' covariance.",
        {
            "mixed": f"{1 - layers.loss[STREAMS.index(AS_PUBLISHED)].mean() / naive:.0%}",
            "allowed": f"{1 - layers.least[STREAMS.index(AS_PUBLISHED)].mean() / naive:.0%}",
            "strongest": f"{1 - layers.loss[-1].mean() / naive:.0%}",
        },
    )


def two(two_layers, two_by_density) -> Picture:
    """Two residual layers over the naive model, by density."""
    fig, axes = figure(1, 2, height=MIDDLE)
    p = two_by_density.p
    axes[0].plot(p, two_by_density.ratio, "o-", color=INK, label="the code")
    for values, colour, name in (
        (two_layers.trained, ACCENT, "trained from it"),
        (two_layers.drawn, DIGON, "trained from random values"),
    ):
        axes[0].plot([P_TWO] * len(values), values, "o", color=colour, ms=3, label=name)
    reference(axes[0], y=[1.0])
    axes[0].set(xscale="log", yscale="log", xlabel="p", ylabel="loss over the naive model's")
    axes[0].legend(fontsize=7.5)
    axes[1].plot(p, two_by_density.computed, "o-", color=INK)
    reference(axes[1], y=[float(study.M_TWO)])
    axes[1].set(xscale="log", xlabel="p", ylabel="functions computed")
    for ax in axes:
        plain_ticks(ax.xaxis)
    plain_ticks(axes[0].yaxis)
    at = listed(p, "g")
    return Picture(
        fig,
        f"At p = {at} the code by hand has {listed(two_by_density.ratio)} of the naive loss and "
        f"computes {listed(two_by_density.computed, 'd')} of 40 functions. At p = {P_TWO:g}, "
        f"trained from the code, {two_layers.trained.mean():.2f}; from random values "
        f"{two_layers.drawn.mean():.2f}.",
        "Two residual layers of ten neurons that compute tents of |x| for 40 features. Dotted: the "
        "best that neurons of their own can do, left, and as many as a layer has neurons, right.",
        {
            "trained": f"{1 - two_layers.trained.mean():.0%}",
            "code": f"{1 - two_by_density.ratio[p.index(P_TWO)]:.0%}",
            "sparsest": f"{two_by_density.ratio[-1]:.0%}",
            "computed": f"{two_by_density.computed[-1]}",
            "sparsest p": f"{p[-1]:g}",
            "drawn": f"{two_layers.drawn.mean() - 1:.0%}",
        },
    )


def dropped(half_dropped, undropped) -> Picture:
    """Weights without dropout and with half of the hidden layer dropped."""
    fig, axes = figure(1, 2, height=LOW, width_ratios=[1, 1])
    for ax, W, title in zip(
        axes, (undropped[0], half_dropped[0]), ("without dropout", "half dropped"), strict=True
    ):
        ax.imshow(W, cmap=PRODUCTS, vmin=-1, vmax=1, aspect="auto")
        ax.set(title=title, xlabel="feature", yticks=range(len(W)))
        ax.set_xticks([0, 5, 10, 15])
        ax.grid(False)
    axes[0].set_ylabel("dimension")
    fits = [study.variants.evenness(W).mean().item() for W in (undropped, half_dropped)]
    return Picture(
        fig,
        "The weights of two models of the same seed. With dropout they are near 0 or of one size; "
        f"the mean fit of features to axes is {fits[1]:.2f}, without dropout {fits[0]:.2f}.",
        "W of the ReLU-output model, five dimensions by twenty features, from red for 1 over white "
        "for 0 to blue for −1: without dropout, and with half of the hidden layer dropped in "
        f"training. The mean fit to axes is {fits[0]:.2f} and {fits[1]:.2f}.",
    )


def variants(kinds, softmax) -> Picture:
    """How many features each variant embeds, or functions it computes."""
    marks = thresholds("cis-variants")
    found = study.counted(kinds, embedded=marks["embedded"], left=marks["left"])
    found["softmax"] = softmax.double().sum(-1).T
    fig, ax = figure(width=6.4, height=MIDDLE)
    for place, count in enumerate(found.values()):
        for density, colour in enumerate((sequence(0, 3), sequence(2, 3))):
            label = f"p = {study.DENSITIES[density, 0]:g}" if not place else None
            ax.plot(
                [place + 0.2 * density - 0.1] * len(count), count[:, density], "o", color=colour,
                ms=4, alpha=0.6, label=label,
            )  # fmt: skip
    reference(ax, y=[float(study.M_VARIANTS)])
    ax.set_xticks(range(len(found)), list(found))
    ax.set(ylabel="features, functions or classes")
    ax.legend()
    told = "; ".join(f"{name} {listed(count.mean(0), '.1f')}" for name, count in found.items())
    return Picture(
        fig,
        f"Features embedded, or functions computed, at p = 0.5 and 0.02: {told}.",
        "Variants of the toy models, at two densities. Dotted: as many as there are dimensions (of "
        "x² and max: as neurons of their own would compute).",
        {
            "softmax": listed(found["softmax"].mean(0), ".1f"),
            "gelu": f"{found['GELU'][:, 1].mean():.1f}",
            "uniform": f"{found['uniform'][:, 1].mean():.1f}",
        },
    )


def explorer() -> Picture:
    """The bound on a layer with a linear output, by sliders."""

    def draw(features, neurons, dimensions, density):
        neurons = min(neurons, features - 1)
        mixing = compressed.mixing(features, dimensions, seeds=[0])
        values = torch.linalg.eigvalsh(compressed.covariance(mixing[0].double(), density)).flip(0)
        least = compressed.least_loss(mixing, neurons, density).item()
        naive = compressed.naive_loss(features, neurons, density)
        fig, ax = figure(width=5.6, height=LOW)
        ax.bar(range(features), values, color=[INK] * neurons + [ACCENT] * (features - neurons))
        reference(ax, y=[density / 6])
        ax.set(xlabel="direction, by variance", ylabel="variance of the labels")
        return fig, (
            f"{neurons} neurons reach {neurons} of {features} directions; the others, red, cost "
            f"{least / naive:.0%} of what {neurons} perfect functions leave."
        )

    return Explorer(
        draw,
        features=whole("functions n", 40, 4, 100),
        neurons=whole("neurons m", 20, 1, 99),
        dimensions=whole("dimensions of the stream", 400, 50, 4000),
        density=real("p", 0.02, 0.01, 1.0, 0.01),
    ).picture(
        "The explorer at its first setting: the variances of the labels' directions, of which half "
        "are out of a linear output's reach.",
        live=("toy", {"n": 20, "m": 5, "S": 0.98}),
    )
