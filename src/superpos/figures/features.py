"""Features by their dimensionality: graphs, clouds, how many there are of which kind."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from superpos import checks, geometry
from superpos.codes.polytopes import POLYTOPES as CORNERS
from superpos.errors import InvalidArgument
from superpos.figures.axes import drawing, percent_ticks, plain_ticks, polytope_lines
from superpos.figures.palette import ACCENT, DIGON, FAINT, INK, POLYTOPES, set_colours


@drawing
def feature_graph(
    axes: Axes, W: Tensor, *, size: int | None = None, threshold: float = 0.15
) -> None:
    """Draw the feature graph of one model, each component by itself, coloured by its D_i.

    A component takes the colour of the polytope that has as many corners and whose dimensionality
    is within 0.03 of its mean; grey are those of no such polytope. Edges are as wide as the inner
    product is large. Where features come in sets of ``size``, the dots have the colours of their
    sets instead. As in Elhage et al. 2022, "Uniform Superposition".
    """
    graph = geometry.feature_graph(W, threshold=threshold)
    dimensionality = geometry.feature_dimensionality(W)
    parts = geometry.components(W, threshold=threshold)
    for part, (x, y, box) in zip(parts, _packed([len(part) for part in parts]), strict=True):
        sub = graph.subgraph(part)
        # a fixed start and whole-number node order: the same picture every time
        in_order = nx.Graph()
        in_order.add_nodes_from(sorted(sub))
        layout = nx.circular_layout(in_order)
        if len(part) > 5:
            layout = nx.spring_layout(sub, pos=layout, weight=None, seed=0, iterations=100)
        spread = max(1e-9, *(np.hypot(u, v) for u, v in layout.values())) if len(part) > 1 else 1
        where = {
            node: (x + box * 0.42 * place[0] / spread, y + box * 0.42 * place[1] / spread)
            if len(part) > 1
            else (x, y)
            for node, place in layout.items()
        }
        colour = FAINT if size else _polytope_colour(len(part), dimensionality[part].mean().item())
        for i, j, data in sub.edges(data=True):
            axes.plot(
                *zip(where[i], where[j], strict=True), color=colour, zorder=1,
                lw=0.4 + 1.4 * min(1, abs(data["weight"])),
            )  # fmt: skip
        dots = {"s": 9, "color": colour}
        if size is not None:
            colours = set_colours(W.shape[-1], size)
            dots = {"s": 26, "color": [colours[node] for node in where]}
        axes.scatter(*zip(*where.values(), strict=True), **dots, zorder=2, lw=0)
    axes.set(aspect="equal", anchor="N", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.margins(0.05)


def _packed(sizes: Sequence[int]) -> list[tuple[float, float, float]]:
    """Return a centre and a width for each component: rows of boxes, filling a square."""
    boxes = [float(np.sqrt(size)) for size in sizes]
    across = 1.15 * np.sqrt(sum(box**2 for box in boxes)) if boxes else 0
    places, x, y, row = [], 0.0, 0.0, 0.0
    for box in boxes:
        if x and x + box > across:
            x, y, row = 0.0, y - row, 0.0
        row = max(row, box)
        places.append((x + box / 2, y - row / 2, box))
        x += box
    return places


def _polytope_colour(corners: int, dimensionality: float) -> str:
    """Return the colour of what has so many features with so much of a dimension each."""
    shapes = [(1, 1.0, INK)]  # a feature with a dimension of its own
    for name, (value, colour) in POLYTOPES.items():
        shapes.append((CORNERS[name].points.shape[1], value, colour))
    for count, value, colour in shapes:
        if count == corners and abs(value - dimensionality) < 0.03:
            return colour
    return FAINT


@drawing
def dimensionality_dots(axes: Axes, inverse_probability: Tensor, D: Tensor) -> None:
    """Draw D_i ``(settings, n)`` against 1/p, each setting as a column of dots; NaN is left out."""
    inverse_probability = checks.along("inverse_probability", inverse_probability, least=2)
    D = checks.real("D", D)
    if D.ndim != 2 or len(D) != len(inverse_probability):
        raise InvalidArgument(
            f"D has shape {tuple(D.shape)}: (settings, n) is needed, a row for each of "
            f"{len(inverse_probability)} entries of inverse_probability"
        )
    if not (inverse_probability > 0).all():
        raise InvalidArgument("inverse_probability has an entry that is not above 0")
    setting, feature = D.isfinite().nonzero(as_tuple=True)
    jitter = np.random.default_rng(0).uniform(-0.4, 0.4, len(setting))  # within its own column
    step = (inverse_probability[1] / inverse_probability[0]).log().item()
    place = inverse_probability[setting].numpy() * np.exp(step * jitter)
    axes.scatter(
        place, D[setting, feature].numpy(), s=2.5, color=INK, alpha=0.35, lw=0, rasterized=True
    )


@drawing
def dimensionality_scatter(
    axes: Axes, inverse_probability: Tensor, W: Tensor, *, labels: bool = True
) -> None:
    """Draw D_i of the represented features against 1/p, with D* as a line and the polytopes' lines.

    W is ``(settings, m, n)``. As in Elhage et al. 2022, "Uniform Superposition" (D_i over D*).
    """
    W, _ = checks.weights(W)
    inverse_probability = checks.finite("inverse_probability", inverse_probability)
    if W.ndim != 3 or inverse_probability.shape != W.shape[:1]:
        raise InvalidArgument(
            f"inverse_probability has shape {tuple(inverse_probability.shape)} and W "
            f"{tuple(W.shape)}: (settings,) and (settings, m, n) are needed"
        )
    D = geometry.feature_dimensionality(W).where(geometry.represented(W), math.nan)
    dimensionality_dots(axes, inverse_probability, D)
    axes.plot(
        inverse_probability, geometry.dimensions_per_feature(W), color=ACCENT, label="D* = m/‖W‖²"
    )
    polytope_lines(axes, labels=labels)
    axes.set(xscale="log", ylim=(0, 1.05), xlabel="1/p", ylabel="dimensionality $D_i$")
    plain_ticks(axes.xaxis)


@drawing
def cloud(axes: Axes, place: float, values: Tensor, *, width: float = 0.1) -> None:
    """Draw values as a cloud of dots at one place of a logarithmic x axis.

    It is ``width`` decades wide; of more than 2000, every few are drawn.
    """
    place, width = checks.positive_number("place", place), checks.positive_number("width", width)
    values = checks.real("values", values)
    if not values.ndim:
        raise InvalidArgument(f"values has shape {tuple(values.shape)}: (k,) is needed")
    some = values.flatten()[:: 1 + len(values) // 2000]
    spread = np.random.default_rng(0).uniform(-width / 2, width / 2, len(some))
    axes.scatter(
        place * 10**spread, some.numpy(), s=4, color=INK, alpha=0.35, lw=0, rasterized=True
    )


@drawing
def strips(axes: Axes, groups: Mapping[str, Tensor]) -> None:
    """Draw each group of values ``(k,)`` as a strip of dots, the first in the accent colour.

    A name that has none still has its row.
    """
    if not isinstance(groups, Mapping) or not groups:
        raise InvalidArgument(f"groups is {checks.shortly(groups)}: values by name are needed")
    groups = {name: checks.finite("groups", values).flatten() for name, values in groups.items()}
    spread = np.random.default_rng(0)  # so that dots do not hide each other
    for row, (_, values) in enumerate(groups.items()):
        height = row + spread.uniform(-0.28, 0.28, len(values))
        colour = DIGON if row == 0 else ACCENT
        axes.scatter(values.numpy(), height, s=9, color=colour, alpha=0.5, lw=0)
    axes.set(yticks=range(len(groups)), ylim=(len(groups) - 0.4, -0.6))
    axes.set_yticklabels(groups)
    furthest = max((values.max().item() for values in groups.values() if len(values)), default=0)
    axes.set_xlim(-0.06 * max(furthest, 0.1), 1.06 * max(furthest, 0.1))
    percent_ticks(axes.xaxis)


def polytope_legend(fig: Figure) -> None:
    """Add a legend of the polytopes' colours below a figure."""
    marks = {"dimension of its own": INK}
    marks |= {name: colour for name, (_, colour) in POLYTOPES.items()}
    handles = [
        Line2D([], [], marker="o", ls="", color=colour, label=name)
        for name, colour in marks.items()
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=3)
