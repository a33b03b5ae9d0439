"""What the chapter on feature bundles draws."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from superpos import bundles, geometry
from superpos.bundles import planted, regions
from superpos.figures.axes import against_sparsity, size_axis
from superpos.figures.explorers import Explorer, real, whole
from superpos.figures.palette import ACCENT, FAINT, FEATURES, INK, MEDIUM, PRODUCTS
from superpos.figures.style import HIGH, MIDDLE, Picture, Table, figure
from superpos.stats import listed
from superpos.studies.feature_bundles import (
    NOISE,
    compared,
    most_persistent,
    stream,
)

HOLES = (("triangle", "triangle"), ("triangle", "polygon 5"), ("digon", "tetrahedron"))
FEW = 8  # seeds whose models are drawn
EDGE = 0.15  # of the feature graphs drawn


def noise(noise_curves) -> Picture:
    """The share of sums that each method finds, against the noise."""
    fig, axes = figure(1, 2, height=MIDDLE, sharey=True)
    pairs, curves = noise_curves.pairs, noise_curves.curves
    colours = iter((*FEATURES[3:5], *FEATURES[:3]))
    for ax, group in zip(axes, (pairs, curves), strict=True):
        for name, share in group.items():
            ax.plot(NOISE, share, "o-", color=next(colours), label=name)
        ax.axvline(0.05, color=FAINT, lw=MEDIUM, ls=":")
        ax.set(xlabel="noise σ", ylim=(-0.05, 1.08))
    axes[0].set(title="two polygons", ylabel="sums found")
    axes[1].set(title="two to four summands")
    axes[0].legend(loc="center right")
    axes[1].legend(loc="lower left")
    told = (f"{name} {listed(share, '.0%')}" for name, share in (pairs | curves).items())
    return Picture(
        fig,
        f"Share of direct sums that are found, at σ = {', '.join(map(str, NOISE))}: "
        + "; ".join(told)
        + ".",
        "How much noise each method tolerates. Left: clusters of planes at the radius that serves "
        "each best. Right: sparse subspace clustering is told the number of summands. Dotted: "
        "σ = 0.05 for each coordinate of unit vectors.",
    )


def holes(homology) -> Picture:
    """When the holes of three direct sums are born and die."""
    fig, axes = figure(1, len(HOLES), height=MIDDLE, sharey=True)
    for ax, names in zip(axes, HOLES, strict=True):
        ax.plot([0.9, 2.05], [0.9, 2.05], color=FAINT, lw=MEDIUM)
        ax.axvline(2**0.5, color=FAINT, lw=MEDIUM, ls=":")
        ax.axhline(3**0.5, color=FAINT, lw=MEDIUM, ls=":")
        for k in sorted({degree for degree, *_ in homology[names]}):
            places = [(start, end) for degree, start, end in homology[names] if degree == k]
            colour = FEATURES[(k - 1) % len(FEATURES)]
            ax.plot(*zip(*places, strict=True), "o", ms=6, color=colour, label=f"degree {k}")
        ax.set(title=title(names), xlabel="born", xlim=(0.9, 2.05), ylim=(0.9, 2.05))
        ax.set_aspect("equal")
        ax.legend(loc="lower right", fontsize=7.5)
    axes[0].set_ylabel("dies")
    told = (
        f"{title(names)}: "
        + ", ".join(f"degree {k} from {a:.2f} to {z:.2f}" for k, a, z in homology[names])
        for names in HOLES
    )
    return Picture(
        fig,
        "Births and deaths of the holes of direct sums. " + "; ".join(told) + ".",
        "When holes of three direct sums are born and die, by their degree: a circle is a "
        "hole of degree 1, a sphere one of degree 2. Dotted: √2 and √3, where the talk expects "
        "them.",
    )


def title(names: Iterable[str]) -> str:
    """A direct sum as one writes it."""
    return " ⊕ ".join(names).replace("polygon 5", "pentagon")


def longest_holes(homology) -> Table:
    """The most persistent hole of each sum of two."""
    rows = {}
    for names, lives in homology.items():
        if len(names) == 2:
            best = most_persistent(lives)
            k, start, end = best[0]
            rows[title(names)] = [f"{start:.3f}", f"{end:.3f}", str(k), str(len(best))]
    return Table(["born", "dies", "degree", "how many"], rows, "most persistent")


def region_table(random_biases, arrangements) -> Table:
    """Regions of planted sums, random normals and trained models."""
    rows = {}
    for name, found in random_biases.items():
        n, m = found.size
        cells = (found.counts, found.products, [regions.general_position(n, m)])
        rows[f"{name} (n = {n}, m = {m})"] = [*map(told_counts, cells)]
    cells = (arrangements.counts, arrangements.products, [arrangements.general])
    rows["trained (n = 8, m = 4)"] = [*map(told_counts, cells)]
    heads = ["regions, bounded", "product over bundles", "general position"]
    return Table(heads, rows, "hyperplanes")


def told_counts(found: Iterable[tuple[int, int]]) -> str:
    return "; ".join(f"{number}, {bounded}" for number, bounded in sorted(set(found)))


POLYGONS = {"polygon 5": "pentagon", "polygon 6": "hexagon", "polygon 7": "heptagon"}


def minima_by_sparsity(curvatures, curvatures_alone, basins) -> Picture:
    """The least curvature of each small direct sum, by the polygon in it."""
    fig, ax = figure(width=5.6, height=HIGH)
    inverse = 1 / curvatures.p
    colours = {None: INK, **dict(zip(POLYGONS, FEATURES[1:4], strict=True))}
    told = set()
    for kinds, least in zip(curvatures.sums, curvatures.least, strict=True):
        polygon = next((kind for kind in kinds if kind in POLYGONS), None)
        name = f"with a {POLYGONS[polygon]}" if polygon else "simplices alone"
        ax.plot(inverse, least, "o-", ms=3, lw=MEDIUM, color=colours[polygon],
                label=None if name in told else name)  # fmt: skip
        told.add(name)
    ax.axhline(0, color=FAINT, lw=MEDIUM)
    turn = dict(zip(curvatures_alone.codes, curvatures_alone.turn.tolist(), strict=True))
    for polygon in POLYGONS:
        ax.axvline(turn[polygon], color=colours[polygon], lw=MEDIUM, ls=":")
    ax.set_yscale("symlog", linthresh=1e-3)
    ax.set(ylabel="least curvature over p", yticks=[-0.1, -0.01, 0, 0.01, 0.1, 1])
    against_sparsity(ax)
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.18), ncols=2)
    simple = torch.tensor([not set(kinds) & set(POLYGONS) for kinds in curvatures.sums])
    minimum = curvatures.least > 0
    alone = dict(zip(curvatures_alone.codes, curvatures_alone.least > 0, strict=True))
    expected = torch.stack([
        torch.stack([alone[kind] for kind in kinds]).all(0) for kinds in curvatures.sums
    ])  # fmt: skip
    same = expected == minimum
    shares = minimum[simple].double().mean(0)
    return Picture(
        fig,
        "Least curvature, over p, of 25 direct sums against 1/p. Share of the sums of simplices "
        f"that are minima: {listed(shares, '.0%')} at 1/p = {listed(inverse, '.3g')}. Those with "
        "a polygon are minima from near where it alone becomes one: "
        + ", ".join(f"{name} {turn[kind]:.2f}" for kind, name in POLYGONS.items())
        + ".",
        "The least curvature of direct sums at their best lengths and biases, rotations apart: "
        "above 0 a minimum, below a saddle. Dotted: where the polygon, alone in its plane, turns "
        "from a saddle into a minimum.",
        {
            **{name: f"{turn[kind]:.1f}" for kind, name in POLYGONS.items()},
            "same": f"{int(same.sum())} of {same.numel()}",
            "simplices": f"{inverse[shares < 1].max():.2f}",
            **{f"back from {sigma}": str(back) for sigma, back in basins.items()},
        },
    )


def trained_models(trained) -> Picture:
    """How often bundles and components of trained models agree, against sparsity."""
    rows = [
        [compared(W, edge=EDGE) for W in models if geometry.represented(W).any()]
        for models in trained.W[:FEW].transpose(0, 1)
    ]
    shares = {
        name: [sum(row[place] for row in at_p) / max(1, len(at_p)) for at_p in rows]
        for place, name in enumerate(("bundles are the components", "components are a direct sum"))
    }
    fig, ax = figure(width=5.6, height=MIDDLE)
    for (name, share), colour in zip(shares.items(), (INK, ACCENT), strict=True):
        ax.plot(trained.inverse_p, share, "o-", color=colour, label=name)
    size_axis(ax, [2, 3, 4, 6, 8], "1/p")
    ax.set(ylabel="share of models", ylim=(-0.04, 1.04))
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    told = (f"{name} in {listed(share, '.0%')}" for name, share in shares.items())
    at = listed(trained.inverse_p, ".2g")
    return Picture(
        fig,
        f"Shares of trained models, for 1/p = {at}: " + "; ".join(told) + ".",
        "Trained models, $n = 200$, $m = 15$: how often the bundles of the represented "
        "features are the components of the feature graph, and how often these are a direct sum.",
    )


def explorer() -> Picture:
    """A planted sum, stretched and disturbed, by sliders."""

    def draw(corners, stretch, sigma, seed):
        W, sets = planted.direct_sum([f"polygon {corners}", "digon", "tetrahedron"])
        random = stream(seed)
        along = torch.linspace(1, stretch, len(W), dtype=W.dtype)
        W = planted.disturbed(along[:, None] * planted.rotated(W, random), sigma, random)
        fig, axes = figure(1, 2, height=MIDDLE)
        named = {"cosines": geometry.cosines(W), "projector onto rows": bundles.row_cosines(W)}
        for ax, (name, picture) in zip(axes, named.items(), strict=True):
            ax.imshow(picture.numpy(), cmap=PRODUCTS, vmin=-1, vmax=1)
            ax.set(title=name, xticks=[], yticks=[])
        found = bundles.find_bundles(W)
        right = sorted(each.features for each in found) == sorted(sets)
        text = ", ".join(f"{len(each.features)} in {each.dimension}" for each in found)
        return fig, (
            f"Bundles found (features in dimensions): {text}. They {'are' if right else 'are not'} "
            "the planted ones."
        )

    return Explorer(
        draw,
        corners=whole("corners", 7, 3, 16),
        stretch=real("stretched by", 2.0, 1.0, 4.0, 0.1),
        sigma=real("noise", 0.05, 0.0, 0.3, 0.01),
        seed=whole("seed", 0, 0, 50),
    ).picture(
        "A polygon, a digon and a tetrahedron in six dimensions, rotated, stretched and "
        "disturbed: cosines between the features, and the projector whose blocks are the bundles."
    )
