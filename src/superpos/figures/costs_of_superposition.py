"""What the chapter on the costs of superposition draws."""

from __future__ import annotations

import torch
from matplotlib.axes import Axes
from torch import Tensor

from superpos import codes
from superpos.codes import capacity
from superpos.figures.axes import band, plain_ticks, size_axis
from superpos.figures.explorers import Explorer, real, whole
from superpos.figures.palette import ACCENT, DIGON, FAINT, INK, MEDIUM, PENTAGON, THIN, sequence
from superpos.figures.style import HIGH, MIDDLE, TALL, Picture, Table, figure
from superpos.stats import listed, span
from superpos.studies import costs_of_superposition as study
from superpos.studies.costs_of_superposition import (
    BITS,
    CROWDS,
    DECODED,
    ERRORS,
    LAYERS,
    NUMBERS,
    OCCUPIED,
    READ,
    ROUNDS,
    SHARED,
    SHOWN,
    P,
    bound,
)

POST_BOUND = r"blog post: $m/(8\,\ln n)$"
MARKED = [64, 128, 256, 512]  # numbers of features that have a tick


def legend_below(ax: Axes, *, columns: int = 1, left: float = 0.0) -> None:
    """Put the legend of one of several axes below it."""
    ax.legend(loc="upper left", bbox_to_anchor=(left, -0.2), ncols=columns)


def legend_of(ax: Axes) -> None:
    """Put the legend of a figure's only axes below the figure, in two columns."""
    ax.figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2)


def note(ax: Axes, text: str, at: tuple[float, float], **place) -> None:
    """Write beside a line what it is."""
    ax.annotate(text, at, textcoords="offset points", **place)


# Signal and noise


def codes_by_number(by_number) -> Picture:
    """The worst and the typical cosine against the number of features."""
    best, random = by_number["optimised"], by_number["random"]
    lemma = [codes.lemma_noise(n, 64) for n in NUMBERS]
    welch = [codes.welch_bound(n, 64) for n in NUMBERS]
    worst, typical = random.worst.mean(1), random.typical.mean(1)
    fig, ax = figure(height=HIGH)
    ax.plot(NUMBERS, lemma, color=ACCENT, ls="--", label=r"blog post: $\sqrt{8\,\ln n/m}$")
    ax.plot(NUMBERS, worst, "o-", color=INK, label="random, worst pair")
    ax.plot(NUMBERS, best.worst[:, 0], "o-", color=DIGON, label="optimised, worst pair")
    ax.axhline(64**-0.5, color=FAINT, ls=":", label=r"a reader: $1/\sqrt{m}$")
    ax.plot(NUMBERS, typical, "s-", color=FAINT, ms=4, label="random, typical pair")
    ax.plot(
        NUMBERS, best.typical[:, 0], "s-", color=PENTAGON, ms=4, label="optimised, typical pair"
    )
    ax.plot(NUMBERS, welch, color=INK, ls=":", lw=MEDIUM, label="Welch bound")
    size_axis(ax, MARKED, "features $n$")
    ax.set(ylim=(0, 1), ylabel="cosine of two features")
    legend_of(ax)
    return Picture(
        fig,
        "Cosines of two features against their number n from 64 to 512, in 64 dimensions. At "
        f"n = 512 the post's estimate is {lemma[-1]:.2f}, the worst pair of random codes has "
        f"{worst[-1]:.2f} and of the optimised code {best.worst[-1, 0]:.2f}; the typical "
        f"pair has {typical[-1]:.3f} and {best.typical[-1, 0]:.3f}, the Welch bound is "
        f"{welch[-1]:.3f}. At n = 64 the optimised code is orthogonal.",
        "Interference in $m = 64$ dimensions: the worst pair and the typical (root mean "
        "square) pair, of random and of optimised codes, with the estimates.",
        {"random": f"{worst[-1]:.2f}", "optimised": f"{best.worst[-1, 0]:.2f}"},
    )


# How many at once


def at_once(readings, by_number) -> Picture:
    """How many features can be active at once: random codes of three sizes, codes of 64."""
    fig, axes = figure(1, 2, height=TALL)
    by_size(axes[0], readings)
    by_code(axes[1], by_number)
    for ax in axes:
        plain_ticks(ax.yaxis)
        legend_below(ax)
    (best, frame), random = (
        [by_number[kind].most[:, 0] for kind in ("optimised", "harmonic")],
        by_number["random"].most.mean(1),
    )
    m, n = READ[SHOWN]
    at = {number: place for place, number in enumerate(NUMBERS)}
    return Picture(
        fig,
        f"Left: how many features can be active at once. For random codes with m = {m}, n = {n} "
        f"{readings.alone[SHOWN].mean():.1f} if 1 % of readings may be wrong and "
        f"{readings.together[SHOWN].mean():.1f} if all features must be right in 99 % of inputs; "
        f"the post says {bound(n, m):.1f}, the comment {m}. Right: for m = 64 the optimised code "
        f"allows {best[0]:.0f} of 64, {best[at[76]]:.0f} of 76, {best[at[128]]:.1f} of 128 and "
        f"{best[-1]:.1f} of 512 features, the harmonic frame {frame[at[76]]:.0f} of 76 and "
        f"{frame[at[80]]:.0f} of 80, random codes {random[0]:.1f} to {random[-1]:.1f}.",
        "Left: each dot a random code, bars the normal law {eq}`eq-costs-z`. Right: codes of 64 "
        "dimensions, from as many features as dimensions to eight times as many.",
        {"harmonic, of 76": f"{frame[at[76]]:.0f}", "optimised, of 76": f"{best[at[76]]:.0f}"},
    )


def by_size(ax: Axes, readings) -> None:
    """Dots for random codes, beside what theory says for their sizes."""
    place = torch.arange(len(READ))
    for found, shift, colour, together, label in (
        (readings.alone, -0.12, INK, False, "1 % of readings wrong"),
        (readings.together, 0.12, DIGON, True, "1 % of inputs wrong"),
    ):
        for k, some in enumerate(found):
            beside = k + shift + torch.linspace(-0.06, 0.06, len(some))
            ax.plot(beside, some, "o", ms=3, color=colour)
        normal = [capacity.gaussian_capacity(n, m, together=together) for m, n in READ]
        ax.plot(place + shift, normal, "_", ms=22, color=colour, label=label)
    ax.plot(place, [bound(n, m) for m, n in READ], "D", ms=6, color=ACCENT, label=POST_BOUND)
    ax.plot(place, [m for m, _ in READ], "s", ms=6, color=PENTAGON, label=r"a reader: $m$")
    ax.set(yscale="log", xlim=(-0.5, 2.5), ylabel=r"features active at once, $\ell$")
    ax.set(title="random codes")
    ax.set_xticks(place.tolist(), [f"m = {m}\nn = {n}" for m, n in READ])


def by_code(ax: Axes, by_number) -> None:
    """l* of codes in 64 dimensions against the number of features."""
    looks = (
        ("optimised", "o-", DIGON, 6, "optimised codes"),
        ("random", "o-", INK, 6, "random codes"),
        ("harmonic", "s-", PENTAGON, 4, "harmonic frames"),
    )
    for kind, style, colour, size, label in looks:
        most = by_number[kind].most.mean(1)
        ax.plot(NUMBERS, most, style, ms=size, color=colour, label=label)
    ax.plot(NUMBERS, [bound(n, 64) for n in NUMBERS], ls="--", color=ACCENT, label=POST_BOUND)
    fine = range(78, 513, 2)
    frame = [frame_capacity(n, 64) for n in fine]
    ax.plot(fine, frame, ls=":", lw=MEDIUM, color=PENTAGON, label="harmonic, by the normal law")
    size_axis(ax, MARKED, "features $n$")
    ax.set(yscale="log", title="m = 64, 1 % of readings")


def frame_capacity(n: int, m: int, *, deviations: float = 2.326) -> float:
    """How many can be active where the frame's noise is the allowed one: a root of a square."""
    others = n - 1
    most = capacity.frame_variance(n, m, others / 2)  # of the variances over l, a parabola
    allowed = 1 / (2 * deviations) ** 2 / most
    return others * (1 - max(0.0, 1 - allowed) ** 0.5) / 2


# Levels


def levels(told_apart) -> Picture:
    """Levels that can be told apart against the number of active features."""
    found, post = told_apart.levels, study.post_levels()
    fig, ax = figure(height=MIDDLE)
    ax.plot(SHARED, found.mean(0), "o-", color=INK, label="measured")
    band(ax, SHARED, found)
    others = torch.linspace(2, 16, 50)
    normal = 1 + (3 * 1024 / (others - 1)).sqrt() / (2 * 2.576)
    law = r"normal noise: $1 + \sqrt{3m/(\ell - 1)}/5.15$"
    ax.plot(others, normal, ls=":", color=INK, label=law)
    ax.plot(SHARED, post, "D--", color=ACCENT, label=r"blog post: $\sqrt{m/(8\,\ell\,\ln n)}$")
    ax.axhline(2, color=FAINT, lw=THIN)
    note(ax, "on or off", (16, 2), xytext=(0, 3), ha="right")
    size_axis(ax, SHARED, r"features active at once, $\ell$")
    ax.set(ylim=(0, None), ylabel="levels told apart")
    ax.legend()
    measured = zip(SHARED, found.mean(0), strict=True)
    return Picture(
        fig,
        "Levels of an active feature that can be told apart at 1 % error, against the number of "
        "active features, m = 1024, n = 4096: "
        + ", ".join(f"{value:.1f} at l = {k}" for k, value in measured)
        + ". The post's estimate is "
        + listed(post, ".1f")
        + ".",
        "Distinguishable levels for $m = 1024$, $n = 4096$: mean and range over random codes, "
        "against the post's estimate and the normal law.",
    )


# Layer after layer

KINDS = (
    ("$W^\\top$ alone", ACCENT, "-"),
    ("ReLU", PENTAGON, "-"),
    ("two ReLUs", DIGON, "-"),
    ("threshold", INK, "-"),
    ("fitted alone", ACCENT, ":"),
    ("fitted, threshold", INK, ":"),
)


def in_layers(chains, crowds) -> Picture:
    """The noise in each layer, and inputs read wrong."""
    noise = chains.noise.nan_to_num(posinf=1e3).median(0).values
    wrong, depth = crowds.wrong.mean(1), torch.arange(1, LAYERS + 1)
    fig, axes = figure(1, 2, height=TALL)
    for values, (name, colour, style) in zip(noise, KINDS, strict=True):
        axes[0].plot(depth, values, "o" + style, ms=3, color=colour, label=name)
    growth = noise[0, 0] * (1 + 512 / 128) ** ((depth - 1) / 2)
    rate = r"$\times\sqrt{1 + n/m}$ a layer"
    axes[0].plot(depth, growth, color=FAINT, lw=THIN, ls="--", label=rate)
    axes[0].set(yscale="log", ylim=(0.05, 50), ylabel="noise over signal", title=r"$\ell$ = 2")
    plain_ticks(axes[0].yaxis)
    for k, active in enumerate(CROWDS):
        colour = sequence(k, len(CROWDS))
        axes[1].plot(depth, wrong[k], "o-", ms=3, color=colour, label=rf"$\ell$ = {active}")
    axes[1].set(ylim=(-0.02, 1.02), ylabel="share of inputs read wrong")
    axes[1].set_title("$W^\\top$ and threshold")
    for ax, left in zip(axes, (-0.15, 0), strict=True):
        ax.set_xlabel("layer")
        legend_below(ax, columns=2, left=left)
    errors = [f"{share:.0%}" for share in wrong[:, -1]]
    told = ", ".join(f"{e} with l = {k}" for e, k in zip(errors, CROWDS, strict=True))
    return Picture(
        fig,
        "Left: noise over signal in eight layers, n = 512, m = 128, l = 2. From "
        f"{noise[0, 0]:.2f} it reaches {noise[0, 3]:.1f} at the fourth layer with the transposed "
        f"code alone; at the eighth {noise[1, -1]:.2f} with a ReLU, {noise[2, -1]:.2f} with two, "
        f"{noise[3, -1]:.2f} with a threshold, and fitted read-outs go from {noise[4, 0]:.2f} to "
        f"{noise[4, -1]:.2f}. Right: inputs with an error after eight layers with a threshold: "
        f"{told}.",
        "Left: the noise of each layer's readings, median over chains. Right: with "
        "a threshold, the share of inputs of which some feature is read wrong.",
        {f"wrong, l = {k}": e for e, k in zip(errors, CROWDS, strict=True)},
    )


# Few bits


def few_bits(trained, dedicated) -> Picture:
    """What rounding adds to the loss, and by which share it raises it."""
    higher, four, five = study.rise(trained)[:, :, 2].mean(0), BITS.index(4), BITS.index(5)
    exact = trained.exact.mean(0)
    extra = (trained.rounded - trained.exact[:, :, None, None])[:, :, 2].mean(0)
    fig, axes = figure(1, 2, height=HIGH, sharex=True)
    for k, p in enumerate(P):
        colour = sequence(k, len(P))
        look = {"ms": 3, "color": colour}
        axes[0].plot(BITS, extra[k], "o-", label=f"rounding, p = {p:g}", **look)
        axes[0].axhline(exact[k], color=colour, ls="--", lw=MEDIUM)
        axes[1].plot(BITS, higher[k], "o-", **look)
    axes[0].plot(BITS, dedicated, "o:", ms=3, color=FAINT, label="no superposition")
    axes[0].plot([], [], "--", color=INK, lw=MEDIUM, label="interference")
    axes[1].axhline(0.1, color=INK, lw=THIN)
    note(axes[1], "a tenth", (BITS[-1], 0.1), xytext=(0, 3), ha="right")
    axes[0].set(yscale="log", xlabel="bits", ylabel="loss / signal")
    axes[1].set(yscale="log", xlabel="bits", ylabel="rise of the loss by rounding")
    legend_below(axes[0], columns=2, left=-0.1)
    return Picture(
        fig,
        "Loss of trained models against bits for weights and activations. "
        "Without rounding the loss is "
        + ", ".join(f"{exact[k]:.0%} of the signal at p = {p:g}" for k, p in enumerate(P))
        + ". Four bits raise it by "
        + listed(higher[:, four], ".0%")
        + ", five by "
        + listed(higher[:, five], ".1%")
        + f". Without superposition four bits cost {dedicated[four]:.1%} of the signal.",
        "Left: what rounding adds to the loss (lines) beside the loss without rounding, "
        "which is interference (dashed); grey: 20 features in 20 dimensions. Right: the rise "
        "relative to that loss. Weights, biases and activations rounded alike.",
        {"times": f"{extra[1, four] / dedicated[four]:.0f}"},
    )  # fmt: skip


# Bits in all


def bits_by_load(by_load, readings) -> Picture:
    """Bits per dimension against the mean number of active features."""
    looks = (
        ("written", "written: entropy of all n features", FAINT, "-"),
        ("read", "read, feature by feature", INK, "o-"),
        ("thresholded", "after a threshold", DIGON, "o-"),
        ("dedicated", "m features with a dimension each", PENTAGON, "s-"),
    )
    mean = {name: getattr(by_load, name).mean(1) for name, *_ in looks}
    fig, ax = figure(height=HIGH)
    for name, label, colour, style in looks:
        ax.plot(OCCUPIED, mean[name], style, ms=4, color=colour, label=label)
    ax.axhline(1, color=ACCENT, ls="--", lw=MEDIUM, label="m dense boolean features")
    limit = readings.alone[SHOWN].mean().item()
    ax.axvline(limit, color=INK, lw=THIN)
    note(ax, "1 % misread", (limit, 1.15), xytext=(3, 0))
    ax.set(xscale="log", ylim=(0, 1.25), ylabel="bits per dimension")
    ax.set_xlabel("mean number of active features, $pn$")
    plain_ticks(ax.xaxis)
    legend_of(ax)
    read = zip(OCCUPIED, mean["read"].tolist(), strict=True)
    return Picture(
        fig,
        "Bits per dimension against the mean number of active features, n = 1024, m = 256. Read "
        "feature by feature: "
        + ", ".join(f"{value:.2f} at {k}" for k, value in read)
        + f"; after a threshold at most {mean['thresholded'].max():.2f}. "
        f"Features with a dimension each hold {mean['dedicated'][2]:.2f} at 8 and "
        f"{mean['dedicated'][-1]:.2f} at 256. The dense limit is 1.",
        "Information about boolean features in $m = 256$ dimensions, $n = 1024$, two random "
        "codes. To the right of the line more than 1 % of the readings are wrong.",
        {
            "crossing": crossing(mean["read"], mean["dedicated"]),
            "read": span(readings.read[..., 0]),
        },
    )


def crossing(falls: Tensor, rises: Tensor) -> str:
    """One in how many of 1024 features is active where a curve over the loads meets another."""
    gap = rises - falls
    k = int((gap > 0).int().argmax())  # the first load at which the other is higher
    part = -gap[k - 1] / (gap[k] - gap[k - 1])
    return f"{1024 / (OCCUPIED[k - 1] * (OCCUPIED[k] / OCCUPIED[k - 1]) ** part.item()):.0f}"


# More layers to read with


def rounds_of_reading(by_rounds, decoded) -> Picture:
    """How many features can be active at once against the number of rounds."""
    m, n = DECODED[-1]
    most, linear = by_rounds.most.mean(1), decoded.pseudoinverse[-1].mean().item()
    fig, ax = figure(width=5.6, height=MIDDLE)
    ax.plot(ROUNDS, most, "o-", color=INK, label="in rounds")
    ax.axhline(linear, color=DIGON, label="pseudoinverse")
    ax.axhline(bound(n, m), color=ACCENT, ls="--", label=POST_BOUND)
    size_axis(ax, list(ROUNDS), "rounds")
    ax.set(ylim=(0, None), ylabel=r"features active at once, $\ell^*$")
    ax.legend(loc="upper left")
    told = (f"{value:.1f} after {rounds}" for rounds, value in zip(ROUNDS, most, strict=True))
    bits = study.bits_read(most[-1], n, m)
    return Picture(
        fig,
        f"Features that can be active at once, m = {m}, n = {n}, by rounds of reading: "
        + ", ".join(told)
        + f". The pseudoinverse reads {linear:.1f}, the post's estimate is {bound(n, m):.1f}.",
        f"How many of {n} features in {m} dimensions can be active and be read with 1 % of errors, "
        "against the number of rounds; one round reads with $W^\\top$. Mean of two random codes.",
        {
            "times": f"{most[-1] / linear:.1f}",
            "three": f"{most[ROUNDS.index(3)] / linear:.1f}",
            "bits": f"{bits:.1f}",
        },
    )


# Other settings


def errors(by_error, by_number) -> Table:
    """l* for other errors, and for optimised codes, over the two estimates."""
    rows = {}
    for error, most in zip(ERRORS, by_error.most.mean(1).tolist(), strict=True):
        rows[f"random, {error:.1%} wrong, m = 256, n = 1024"] = over_estimates(most, 1024, 256)
    for n in (128, 256, 512):
        for kind in ("random", "optimised"):
            most = by_number[kind].most[NUMBERS.index(n)].mean().item()
            rows[f"{kind}, 1.0% wrong, m = 64, n = {n}"] = over_estimates(most, n, 64)
    return Table(["ℓ*", "over m/(8 ln n)", "over m"], rows, "code")


def over_estimates(most: float, n: int, m: int) -> list[str]:
    """A number of features, over the post's estimate and over the comment's."""
    return [f"{most:.1f}", f"{most / bound(n, m):.2f}", f"1/{m / most:.0f}"]


def other_training(trained, trained_variants) -> Table:
    """What four bits for everything add to the loss, for other ways of training."""
    four = BITS.index(4)
    rows = {
        name: [f"{share:.0%}" for share in study.rise(models)[:, :, 2, four].mean(0)]
        for name, models in {"ours": trained, **trained_variants}.items()
    }
    return Table([f"p = {p:g}" for p in P], rows, "training")


def orders(interference, readings, hundred, told_apart) -> Table:
    """Each estimate beside what was measured, and why they differ."""
    m, n = READ[SHOWN]
    typical = interference.typical[study.SIZES.index((m, n))].mean().item()
    alone, together = (
        values[SHOWN].mean().item() for values in (readings.alone, readings.together)
    )
    read_right = (hundred.right == 1).all(0)
    most = max(k for k, right in zip(study.ORTHOGONAL, read_right, strict=True) if right)
    cases = {  # post, comments, measured, why
        "typical cosine": (
            codes.lemma_noise(n, m), m**-0.5, typical, "the lemma is about the worst pair"
        ),
        "active at once, 1 % of readings wrong": (
            bound(n, m), m, alone,
            "the post's number is that for reading all features right, the comment's "
            "that for a noise as large as the signal",
        ),
        "active at once, 1 % of inputs wrong": (
            bound(n, m), m, together,
            "one reading in a hundred thousand may be wrong: 4.3 standard deviations",
        ),
        "active at once, 100 features in 100 dimensions": (
            bound(100, 100), 100, most, "an orthogonal code has no noise"
        ),
        f"levels with {SHARED[-1]} active, m = 1024, n = 4096": (
            study.post_levels()[-1].item(), None, told_apart.levels[:, -1].mean().item(),
            "the lemma again; amplitudes below 1 make less noise",
        ),
    }  # fmt: skip
    rows = {
        name: [
            f"{post:.3g}", "" if comment is None else f"{comment:.3g}", f"{measured:.3g}",
            f"{post / measured:.2g}", why,
        ]
        for name, (post, comment, measured, why) in cases.items()
    }  # fmt: skip
    columns = ["blog post", "readers", "measured", "post over measured", "why"]
    return Table(columns, rows, f"m = {m}, n = {n}")


def explorer() -> Picture:
    """Readings of active and silent features, and a threshold, by sliders."""

    def draw(dimensions, per_dimension, together, threshold):
        n = max(together, round(dimensions * per_dimension))
        found = capacity.read(codes.random_code(n, dimensions), together, inputs=400)
        missed = (found.active <= threshold).float().mean()
        false = (found.silent > threshold).float().mean().nan_to_num()  # where none is silent
        fig, ax = figure(height=MIDDLE)
        edges = torch.linspace(-1.5, 2.5, 81).tolist()
        for values, colour, label in (
            (found.silent, FAINT, "silent features"),
            (found.active, DIGON, "active features"),
        ):
            ax.hist(values.numpy(), edges, density=True, color=colour, alpha=0.7, label=label)
        ax.axvline(threshold, color=ACCENT, lw=MEDIUM)
        ax.set(xlabel="reading $W_j \\cdot h$", yticks=[], xlim=(-1.5, 2.5))
        ax.legend()
        return fig, (
            f"{n} features in {dimensions} dimensions, {together} active: a threshold at "
            f"{threshold:.2f} misses {missed:.1%} of the active and reports {false:.1%} of the "
            "silent."
        )

    return Explorer(
        draw,
        dimensions=whole("dimensions m", 128, 8, 512),
        per_dimension=real("features per dimension", 4.0, 1.0, 16.0, 0.5),
        together=whole("active at once l", 6, 1, 128),
        threshold=real("threshold", 0.5, 0.1, 0.9, 0.01),
    ).picture(
        "The explorer at its first setting: readings of active and of silent features, and the "
        "threshold."
    )
