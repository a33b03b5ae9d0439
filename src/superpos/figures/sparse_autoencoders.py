"""What the chapter on sparse autoencoders draws."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from matplotlib.colors import to_hex
from torch import Tensor

from superpos import IndependentFeatures, Procedure
from superpos.claims.registry import thresholds
from superpos.codes.vectors import chance_above
from superpos.figures.axes import band, percent_ticks, plain_ticks, reference, size_axis
from superpos.figures.explorers import Explorer, real, whole
from superpos.figures.palette import FAINT, FEATURES, INTERFERENCE, MEDIUM, THIN, sequence
from superpos.figures.style import HIGH, MIDDLE, TALL, Picture, Table, figure
from superpos.sae import Families, recovery
from superpos.stats import listed, told
from superpos.studies.sparse_autoencoders import (
    ACTIVE,
    FAMILIES,
    KINDS,
    NARROW,
    NESTED,
    PRICES,
    SIZES,
    SOME_PRICES,
    SPREAD,
    WIDTHS,
    M,
    N,
    P,
    best_l1_and_topk,
    chosen,
    column,
    fitted,
    found_at,
    hundredths,
    on_average,
    toys,
    with_two,
)

COLOURS = dict(zip(NESTED, (*FEATURES[:4], FAINT, FEATURES[4]), strict=True))
WIDTH_NAMES = ("n latents", "2n latents", "4n latents")


def window(window, n_seeds) -> Picture:
    """MMCS, agreement with a larger dictionary and active latents, against λ."""
    fig, axes = figure(1, 2, height=MIDDLE)
    chance = [by_chance(width * N) for width in WIDTHS]
    for k, name in enumerate(WIDTH_NAMES):
        colour = to_hex(sequence(k, len(WIDTHS)))
        drawn = [(axes[0], window.mmcs[:, k], name, chance[k])]
        if k + 1 < len(WIDTHS):
            drawn.append((axes[1], window.agrees[:, k], f"{name} with 4n", chance[-1]))
        for ax, values, label, random in drawn:
            ax.plot(PRICES, values.mean(0), "o-", ms=3, color=colour, label=label)
            band(ax, PRICES, values, color=colour, alpha=0.2)
            ax.axhline(random, color=colour, lw=MEDIUM, ls=":", zorder=0)
    for ax, title in zip(axes, ("with the true features", "with a larger dictionary"), strict=True):
        ax.set(xscale="log", xlabel="penalty λ", ylabel="mean largest cosine", title=title)
        ax.set_ylim(0, 1.02)
        plain_ticks(ax.xaxis)
        ax.legend(loc="lower center")
    best = window.mmcs.mean(0).amax(-1)
    middle = window.mmcs[:, 1].mean(0)
    return Picture(
        fig,
        "Mean over features of the largest cosine with a living latent, against λ. At best it is "
        f"{listed(best)} with n, 2n and 4n latents; with 2n it is {middle[0]:.2f} at the smallest "
        f"λ and {middle[-1]:.2f} at the largest. So many random directions have {listed(chance)}. "
        "Agreement with the dictionary of 4n latents rises and falls with it.",
        f"L1 autoencoders on trained toy models ($n = {N}$, $m = {M}$, $p = {P}$), mean and range "
        f"over {n_seeds} seeds. Left: with the true features (MMCS). Right: of each dictionary's "
        "living latents with the largest dictionary at the same λ, which needs no truth. Dotted: "
        "what a dictionary of random directions would have.",
        {
            "best": listed(best),
            "best λ": f"{PRICES[int(window.mmcs[:, 1].mean(0).argmax())]:g}",
            "active at the best": f"{at_best(window, 'active', 1).mean():.1f}",
            "active at the smallest": f"{window.active[:, 1, 0].mean():.0f}",
            "found at the smallest": f"{window.found[:, 1, 0].mean():.0%}",
            "smallest": f"{middle[0]:.2f}",
            "chance": f"{chance[1]:.2f}",
        },
    )


def at_best(window, name: str, width: int) -> Tensor:
    """A column of dictionaries of one of `WIDTHS` at each seed's best λ."""
    best = window.mmcs[:, width].argmax(1, keepdim=True)
    return getattr(window, name)[:, width].gather(1, best)[:, 0]


def by_chance(latents: int) -> float:
    """The largest cosine of a direction with so many random ones, on average."""
    grid = torch.linspace(0, 0.999, 201)
    below = 1 - torch.tensor([chance_above(cosine, M) for cosine in grid.tolist()])
    return torch.trapezoid(1 - below**latents, grid).item()


def widths_table(window) -> Table:
    """What dictionaries of each width have found at their best λ, and how many latents it takes."""
    columns = ("found", "mmcs", "true", "twice", "dead")
    rows = {
        name: [
            f"{at_best(window, 'active', k).mean():.1f}",
            *(told(at_best(window, column, k), digits=2) for column in columns),
        ]
        for k, name in enumerate(WIDTH_NAMES)
    }
    return Table(["active", *(HEADS[column] for column in columns)], rows, "at the best λ")


def loads(loads, n_seeds_loads) -> Picture:
    """Share found and variance explained against n/m, by number of active features."""
    cosine = thresholds("sae-few-found")["cosine"]
    found, explained = best_l1_and_topk(loads, cosine)
    fig, axes = figure(1, 2, height=MIDDLE, sharey=True)
    ratios = [n / M if n % M else n // M for n in SIZES]
    titles = (f"L1, best of λ = {listed(SOME_PRICES, 'g')}", "TopK")
    for which, (ax, title) in enumerate(zip(axes, titles, strict=True)):
        for k, active in enumerate(ACTIVE):
            colour = sequence(k, len(ACTIVE))
            ax.plot(
                ratios, found[:, :, k, which].mean(0), "o-", ms=4, color=colour,
                label=f"{active} active",
            )  # fmt: skip
            ax.plot(ratios, explained[:, :, k, which].mean(0), "--", lw=THIN, color=colour)
        size_axis(ax, ratios, "features per dimension, n/m")  # pyright: ignore[reportArgumentType]
        ax.set_title(title)
        ax.set_ylim(-0.02, 1.02)
        percent_ticks(ax.yaxis)
    axes[0].legend(loc="lower left")
    few, many = found[:, 0, 0].mean(0), found[:, -1, -1].mean(0)
    left = explained[:, -1, -1].mean(0)
    stricter = found_at(loads, thresholds("sae-recovers")["cosine"])[..., -1]
    return Picture(
        fig,
        "Share of features found, and variance explained, against features per dimension. With 1.5 "
        f"per dimension and one active, L1 and TopK find {listed(few, '.0%')}; with ten and four "
        f"active {listed(many, '.0%')}, while {listed(left, '.0%')} of the variance is explained.",
        "Solid: share of the embedded features that a living latent has at a cosine of "
        f"{cosine:g}. Dashed: variance explained. Means over {n_seeds_loads} seeds; $2n$ latents.",
        {
            "found by TopK, fewest": f"{found[..., 1].mean(0).min():.0%}",
            "found by L1, fewest": f"{found[..., 0].mean(0).min():.0%}",
            "found by L1, n = 80": f"{found[:, SIZES.index(80), :, 0].mean(0).min():.0%}",
            "found by TopK at 0.9, fewest": f"{stricter.mean(0).min():.0%}",
            "explained by L1 there": f"{least_found(found[..., 0], explained[..., 0]):.0%}",
            "embedded, most crowded": f"{loads.embedded[:, -1, -1].sum(-1).double().mean():.0f}",
            "prices": listed(SOME_PRICES, "g"),
        },
    )


def least_found(found: Tensor, explained: Tensor) -> float:
    """The variance explained in the setting in which the fewest features are found."""
    return explained.mean(0).flatten()[found.mean(0).argmin()].item()


def fidelity(independent, n_seeds) -> Picture:
    """Variance left unexplained against the number of active latents."""
    fig, axes = figure(1, 2, height=MIDDLE)
    for name in KINDS:
        style = {"color": COLOURS[name], "ms": 4}
        active, explained, found = (
            column(independent, each, name).mean(0) for each in ("active", "explained", "found")
        )
        order = active.argsort()
        axes[0].plot(active[order], 1 - explained[order], "o-", label=name, **style)
        axes[1].plot(active[order], found[order], "o-", **style)
    axes[0].set(yscale="log", ylabel="variance left unexplained")
    axes[1].set(ylabel="features found")
    percent_ticks(axes[1].yaxis)
    for ax in axes:
        reference(ax, x=[N * P])
        ax.set(xlim=(0, 8), xlabel="active latents")
    plain_ticks(axes[0].yaxis)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    best = {name: column(independent, "found", name).mean(0).max() for name in KINDS}
    rows = ", ".join(f"{name} {found:.0%}" for name, found in best.items())
    return Picture(
        fig,
        "Left: variance left unexplained against the number of active latents. Right: share of "
        f"features found. At their best settings the variants find: {rows}.",
        f"Five variants with $n$ latents on independent features ($n = {N}$, $m = {M}$), at five "
        f"settings each, means over {n_seeds} seeds. Dashed: as many latents active as features. "
        "Found: a cosine of 0.9.",
        {
            f"{name} explained": f"{with_two(independent, 'explained', name).mean():.0%}"
            for name in ("TopK", "frozen decoder")
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
        {
            "correlated": hundredths(mixed),
            "independent": hundredths(narrow.mixing[:, 0].mean(0)),
            "correlated, as many": f"{mixed[NARROW.index(1)]:.2f}",
            "independent, along one": listed(narrow.true[:, 0, :2].mean(0), ".0%"),
        },
    )


def absorption(hierarchical, n_seeds) -> Picture:
    """How much more often parents are silent where a child is active, against active latents."""
    fig, axes = figure(1, 2, height=HIGH)
    features = Families(**FAMILIES, spread=SPREAD)
    for name in NESTED:
        active = column(hierarchical, "active", name).mean(0)
        order = active.argsort()
        for ax, each in zip(axes, ("absorbed", "taken_own"), strict=True):
            y = column(hierarchical, each, name).mean(0)[order]
            ax.plot(active[order], y, "o-", ms=4, color=COLOURS[name], label=name)
    for ax, name in zip(
        axes, ("parent silent, beyond without a child", "parent in the child's latent"), strict=True
    ):
        ax.set(xlabel="active latents", ylabel=name, xlim=(0, 8))
        reference(ax, x=[on_average(features)], y=[0])
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    names = [name for name in NESTED if name != "frozen decoder"]
    at = [chosen(hierarchical, "absorbed", "hierarchical", name).mean() for name in names]
    frozen = with_two(hierarchical, "absorbed", "frozen decoder").mean()
    return Picture(
        fig,
        "Left: how much more often a parent's latent is silent where a child is active than "
        "without a child, against active latents. With as many latents active as features it is "
        f"{hundredths(torch.stack(at))} for {', '.join(names[:-1])} and {names[-1]}; with two "
        f"active {hundredths(frozen[None])} for a frozen decoder. Right: the weight of the parent "
        "in the child's latent.",
        "Eight parents with two children each in 16 dimensions, 24 latents; means over families "
        f"and {n_seeds} seeds. Left: among inputs with as many features active. Dashed: as many "
        "latents active as features.",
        {
            name: hundredths(value[None])
            for name, value in zip((*names, "frozen decoder"), (*at, frozen), strict=True)
        },
    )


def independent_table(independent) -> Table:
    """What each variant finds of independent features."""
    columns = ("found", "mmcs", "true", "explained")
    return comparison_table(independent, "independent", KINDS, columns)


def correlated_table(correlated) -> Table:
    """What each variant finds of correlated pairs, and how much it mixes them."""
    return comparison_table(
        correlated, "correlated", KINDS, ("found", "mmcs", "explained", "mixing")
    )


def hierarchical_table(hierarchical) -> Table:
    """What each variant finds of parents and children, and how much it absorbs."""
    columns = ("found", "mmcs", "explained", "absorbed", "taken_own")
    return comparison_table(hierarchical, "hierarchical", NESTED, columns)


HEADS = {
    "found": "features found", "mmcs": "MMCS", "true": "latents along one", "twice": "duplicates",
    "dead": "dead", "explained": "explained", "mixing": "mixing", "absorbed": "parent silent",
    "taken_own": "parent in child",
}  # fmt: skip


def comparison_table(models, data: str, kinds: Collection[str], columns: Sequence[str]) -> Table:
    """Columns of what is compared by kind, where about as many latents are active as features.

    The last column is of another setting: that of the five at which most features are found.
    """
    rows, numbers = {}, {}
    for name in kinds:
        values = {each: chosen(models, each, data, name) for each in ("active", *columns)}
        numbers |= {f"{name}, {HEADS[each]}": f"{values[each].mean():.2f}" for each in columns}
        rows[name] = [
            f"{values['active'].mean():.1f}",
            *(told(values[each], digits=2) for each in columns),
            most_found(models, name),
        ]
    heads = ["active", *(HEADS[each] for each in columns), "most found (active)"]
    return Table(heads, rows, data, numbers)


def most_found(models, kind: str) -> str:
    """The largest share found at any of a variant's settings, and the active latents there."""
    found, active = (column(models, each, kind).mean(0) for each in ("found", "active"))
    return f"{found.max():.2f} ({active[found.argmax()]:.1f})"


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
