"""What the chapter on sparse autoencoders draws."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.colors import to_hex
from torch import Tensor

from superpos import IndependentFeatures, Procedure
from superpos.claims.registry import thresholds
from superpos.figures.axes import band, percent_ticks, plain_ticks, reference, size_axis
from superpos.figures.explorers import Explorer, real, whole
from superpos.figures.palette import FAINT, FEATURES, INTERFERENCE, THIN, sequence
from superpos.figures.style import MIDDLE, TALL, Picture, Table, figure
from superpos.sae import recovery
from superpos.stats import listed, told
from superpos.studies.sparse_autoencoders import (
    ACTIVE,
    KINDS,
    NARROW,
    PRICES,
    SIZES,
    WIDTHS,
    M,
    N,
    P,
    best_l1_and_topk,
    chosen,
    fitted,
    hundredths,
    toys,
)

COLOURS = dict(zip(KINDS, (*FEATURES[:4], FAINT), strict=True))
WIDTH_NAMES = ("n latents", "2n latents", "4n latents")


def window(window, n_seeds) -> Picture:
    """MMCS, agreement with a larger dictionary and active latents, against λ."""
    fig, axes = figure(1, 2, height=MIDDLE)
    for k, name in enumerate(WIDTH_NAMES):
        colour = to_hex(sequence(k, len(WIDTHS)))
        axes[0].plot(PRICES, window.mmcs[:, k].mean(0), "o-", ms=3, color=colour, label=name)
        band(axes[0], PRICES, window.mmcs[:, k], color=colour, alpha=0.2)
        if k + 1 < len(WIDTHS):
            label = f"{name} with 4n"
            axes[1].plot(PRICES, window.agrees[:, k].mean(0), "o-", ms=3, color=colour, label=label)
    for ax, title in zip(axes, ("with the true features", "with a larger dictionary"), strict=True):
        ax.set(xscale="log", xlabel="penalty λ", ylabel="mean largest cosine", title=title)
        ax.set_ylim(0.4, 1.02)
        plain_ticks(ax.xaxis)
        ax.legend(loc="lower center")
    best = window.mmcs.mean(0).amax(-1)
    middle = window.mmcs[:, 1].mean(0)
    return Picture(
        fig,
        "Mean over features of the largest cosine with a living latent, against λ. At best it is "
        f"{listed(best)} with n, 2n and 4n latents; with 2n it is {middle[0]:.2f} at the smallest "
        f"λ and {middle[-1]:.2f} at the largest. Agreement with the dictionary of 4n latents "
        "rises and falls with it.",
        f"L1 autoencoders on trained toy models ($n = {N}$, $m = {M}$, $p = {P}$), mean and range "
        f"over {n_seeds} seeds. Left: with the true features (MMCS). Right: of each dictionary's "
        "living latents with the largest dictionary at the same λ, which needs no truth.",
        {
            "best": listed(best),
            "active at the best": f"{at_best(window, 'active'):.1f}",
            "dead at the best": f"{at_best(window, 'dead'):.0%}",
        },
    )


def at_best(window, name: str) -> float:
    """A column of dictionaries of 2n latents at each seed's best λ, on average."""
    best = window.mmcs[:, 1].argmax(1, keepdim=True)
    return getattr(window, name)[:, 1].gather(1, best).mean().item()


def loads(loads, n_seeds_loads) -> Picture:
    """Share found and variance explained against n/m, by number of active features."""
    found, explained = best_l1_and_topk(loads, thresholds("sae-few-found")["cosine"])
    fig, axes = figure(1, 2, height=MIDDLE, sharey=True)
    ratios = [n / M for n in SIZES]
    for column, (ax, title) in enumerate(zip(axes, ("L1, best λ", "TopK"), strict=True)):
        for k, active in enumerate(ACTIVE):
            colour = sequence(k, len(ACTIVE))
            ax.plot(
                ratios, found[:, :, k, column].mean(0), "o-", ms=4, color=colour,
                label=f"{active} active",
            )  # fmt: skip
            ax.plot(ratios, explained[:, :, k, column].mean(0), "--", lw=THIN, color=colour)
        size_axis(ax, [1.5, 2.5, 5, 10], "features per dimension, n/m")  # pyright: ignore[reportArgumentType]
        ax.set_title(title)
        ax.set_ylim(-0.02, 1.02)
        percent_ticks(ax.yaxis)
    axes[0].legend(loc="lower left")
    few, many = found[:, 0, 0].mean(0), found[:, -1, -1].mean(0)
    left = explained[:, -1, -1].mean(0)
    return Picture(
        fig,
        "Share of features found, and variance explained, against features per dimension. With 1.5 "
        f"per dimension and one active, L1 and TopK find {listed(few, '.0%')}; with ten and four "
        f"active {listed(many, '.0%')}, while {listed(left, '.0%')} of the variance is explained.",
        "Solid: share of the embedded features that a living latent has at a cosine of 0.8. "
        f"Dashed: variance explained. Means over {n_seeds_loads} seeds; $2n$ latents.",
        {
            "found by TopK, fewest": f"{found[..., 1].mean(0).min():.0%}",
            "found by L1, fewest": f"{found[..., 0].mean(0).min():.0%}",
            "explained by TopK there": f"{least_found(found, explained, 1):.0%}",
            "explained by L1 there": f"{least_found(found, explained, 0):.0%}",
        },
    )


def least_found(found: Tensor, explained: Tensor, kind: int) -> float:
    """The variance explained in the setting in which the fewest features are found."""
    place = found[..., kind].mean(0).argmin()
    return explained[..., kind].mean(0).flatten()[place].item()


def fidelity(variants, n_seeds) -> Picture:
    """Variance left unexplained against the number of active latents."""
    fig, axes = figure(1, 2, height=MIDDLE)
    for k, name in enumerate(KINDS):
        style = {"color": COLOURS[name], "ms": 4}
        active = variants.active[:, 0, k].mean(0)
        order = active.argsort()
        left = 1 - variants.explained[:, 0, k].mean(0)
        axes[0].plot(active[order], left[order], "o-", label=name, **style)
        axes[1].plot(active[order], variants.found[:, 0, k].mean(0)[order], "o-", **style)
    axes[0].set(yscale="log", ylabel="variance left unexplained")
    axes[1].set(ylabel="features found")
    percent_ticks(axes[1].yaxis)
    for ax in axes:
        reference(ax, x=[N * P])
        ax.set(xlim=(0, 8), xlabel="active latents")
    plain_ticks(axes[0].yaxis)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    found = [variants.found[:, 0, k].mean(0).max() for k in range(len(KINDS))]
    rows = ", ".join(f"{name} {best:.0%}" for name, best in zip(KINDS, found, strict=True))
    return Picture(
        fig,
        "Left: variance left unexplained against the number of active latents. Right: share of "
        f"features found. At their best settings the variants find: {rows}.",
        f"Five variants with $n$ latents on independent features ($n = {N}$, $m = {M}$), at five "
        f"settings each, means over {n_seeds} seeds. Dashed: as many latents active as features. "
        "Found: a cosine of 0.9.",
        {
            "frozen explained": f"{variants.explained[:, 0, 4, 1].mean():.0%}",
            "TopK explained": f"{variants.explained[:, 0, 1, 1].mean():.0%}",
        },
    )


def hedging(narrow, price_narrow, n_seeds) -> Picture:
    """Mixing against the number of latents."""
    fig, axes = figure(1, 2, height=MIDDLE)
    names = ("independent pairs", "correlated pairs")
    for k, (name, colour) in enumerate(zip(names, (FAINT, FEATURES[3]), strict=True)):
        axes[0].plot(NARROW, narrow.mixing[:, k].mean(0), "o-", ms=4, color=colour, label=name)
        band(axes[0], NARROW, narrow.mixing[:, k], color=colour, alpha=0.2)
        axes[1].plot(NARROW, narrow.true[:, k].mean(0), "o-", ms=4, color=colour)
    axes[0].set_ylabel("mixing")
    axes[1].set_ylabel("latents along one feature")
    percent_ticks(axes[1].yaxis)
    for ax in axes:
        ax.set(xscale="log", xlabel="latents per feature")
        ax.set_xticks(NARROW, ["¼", "½", "1", "2"], minor=False)
        ax.set_xticks([], minor=True)
        reference(ax, y=[0])
    axes[0].legend(loc="upper right")
    mixed = narrow.mixing[:, 1].mean(0)
    return Picture(
        fig,
        "Mixing against latents per feature: in correlated pairs "
        f"{hundredths(mixed)} with a quarter, a half, one and two latents per feature; in others "
        f"{hundredths(narrow.mixing[:, 0].mean(0))}.",
        f"Twelve pairs of features in 16 dimensions, L1 at λ = {price_narrow:g}. Left: what "
        "latents have of a feature's partner, as a share of what they have of it; mean and range "
        f"over {n_seeds} seeds. Right: share of living latents that lie along a feature (0.9).",
        {"correlated": hundredths(mixed), "independent": hundredths(narrow.mixing[:, 0].mean(0))},
    )


def absorption(variants, n_seeds) -> Picture:
    """How much more often parents are silent where a child is active, against active latents."""
    fig, axes = figure(1, 2, height=MIDDLE)
    for k, name in enumerate(list(KINDS)[:4]):
        active = variants.active[:, 2, k].mean(0)
        order = active.argsort()
        for ax, values in zip(axes, (variants.silent, variants.taken), strict=True):
            y = values[:, 2, k].mean(0)[order]
            ax.plot(active[order], y, "o-", ms=4, color=COLOURS[name], label=name)
    for ax, name in zip(
        axes, ("parent silent, beyond when alone", "parent in the child's latent"), strict=True
    ):
        ax.set(xlabel="active latents", ylabel=name, xlim=(0, 8))
        reference(ax, x=[1.92], y=[0])
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    at = [chosen(variants, "silent", "hierarchical", name).mean() for name in list(KINDS)[:4]]
    return Picture(
        fig,
        "Left: how much more often a parent's latent is silent where a child is active, against "
        "active latents. With as many latents active as features it is "
        f"{listed(at)} for L1, TopK, JumpReLU and Matryoshka. Right: the weight of the parent in "
        "the child's latent.",
        "Eight parents with two children each in 16 dimensions, 24 latents; means over families "
        f"and {n_seeds} seeds. Dashed: as many latents active as features.",
        {"at the features' number": listed(at)},
    )


def independent_table(variants) -> Table:
    """What each variant finds of independent features."""
    return comparison_table(variants, "independent", ("found", "mmcs", "true", "dead", "explained"))


def correlated_table(variants) -> Table:
    """What each variant finds of correlated pairs, and how much it mixes them."""
    return comparison_table(variants, "correlated", ("found", "mmcs", "explained", "mixing"))


def hierarchical_table(variants) -> Table:
    """What each variant finds of parents and children, and how much it absorbs."""
    columns = ("found", "mmcs", "explained", "silent", "taken")
    return comparison_table(variants, "hierarchical", columns)


HEADS = {
    "found": "features found", "mmcs": "MMCS", "true": "latents along one", "dead": "dead",
    "explained": "explained", "mixing": "mixing", "silent": "parent silent",
    "taken": "parent in child",
}  # fmt: skip


def comparison_table(variants, data: str, columns: Sequence[str]) -> Table:
    """Columns of `variants` by kind, at the setting next to as many latents active as features."""
    rows = {
        name: [
            f"{chosen(variants, 'active', data, name).mean():.1f}",
            *(told(chosen(variants, column, data, name), digits=2) for column in columns),
        ]
        for name in KINDS
    }
    return Table(["active", *(HEADS[column] for column in columns)], rows, data)


def explorer() -> Picture:
    """One toy model and one autoencoder, by sliders."""

    def draw(n, p, latents, price, seed):
        data = toys(IndependentFeatures(n, p), [seed], 600)
        how = Procedure(steps=600, batch_size=128, learning_rate=0.02, warmup=20)
        found, _ = fitted(data, latents, "l1", [price], how)
        cosine, alive = found.cosine[0, 0], found.alive[0, 0]
        embedded = found.embedded[0, 0]
        order = cosine.argmax(1).argsort()
        fig, ax = figure(height=TALL)
        ax.imshow(cosine[order].clamp(0, 1), cmap=INTERFERENCE, vmin=0, vmax=1, aspect="auto")
        ax.set(xlabel="features", ylabel="latents, by their nearest feature")
        share = recovery.found_share(cosine, alive, embedded, least=0.9)
        return fig, (
            f"Cosines of {latents} latents with {n} features in {M} dimensions, "
            f"{int(embedded.sum())} of them embedded: {share:.0%} are found at 0.9, and "
            f"{found.explained[0, 0]:.0%} of the variance is explained by "
            f"{found.active[0, 0]:.1f} active latents."
        )

    return Explorer(
        draw,
        n=whole("features n", 40, 16, 120),
        p=real("p", 0.05, 0.01, 0.3, 0.01),
        latents=whole("latents", 40, 8, 160),
        price=real("λ", 0.2, 0.01, 1.5, 0.01),
        seed=whole("seed", 0, 0, 50),
    ).picture("The explorer at its first setting: cosines of all latents with all true features.")
