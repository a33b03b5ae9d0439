"""Figures in one style: the same quantity has the same colour in every chapter."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import networkx as nx
import numpy as np
import torch
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from superpos import geometry, outcomes
from superpos.errors import InvalidArgument

IMPORTANCE = mpl.colormaps["viridis_r"]  # dark is important
INTERFERENCE = mpl.colormaps["cividis"]  # how superposed a feature is, from 0 to 1
PRODUCTS = mpl.colormaps["RdBu_r"]  # entries of WᵀW, centred on 0
SETTINGS = mpl.colormaps["magma_r"]  # a few settings, from dense to sparse
INK, FAINT, ACCENT = "#22272e", "#9aa4ad", "#b5472f"

# name → D_i of the polytopes that the paper draws lines for (Elhage et al. 2022, "Uniform
# Superposition"); colours by Okabe and Ito, told apart by readers with any colour vision
POLYTOPES = {
    "tetrahedron": (3 / 4, "#0072B2"),
    "triangle": (2 / 3, "#56B4E9"),
    "digon": (1 / 2, "#009E73"),
    "pentagon": (2 / 5, "#E69F00"),
    "square antiprism": (3 / 8, "#D55E00"),
}

DIGON, PENTAGON = POLYTOPES["digon"][1], POLYTOPES["pentagon"][1]

# features told apart by number, by Okabe and Ito
FEATURES = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#22272e", "#B8A800",
)  # fmt: skip

_STYLE = {
    "figure.dpi": 110,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "svg.hashsalt": "superpos",  # with no date: two builds of a figure are the same bytes
    "svg.fonttype": "path",
}


def figure(rows: int = 1, columns: int = 1, *, width: float = 7.2, height: float = 3.2, **kinds):
    """Return a figure in the book's style and its axes, as ``matplotlib.pyplot.subplots`` does.

    Parameters
    ----------
    rows, columns
        The grid of axes.
    width, height
        In inches; 7.2 fills a page's column.
    **kinds
        Handed on to ``Figure.subplots``: ``sharex``, ``sharey``, ``squeeze``, ``width_ratios``, …

    Examples
    --------
    >>> fig, axes = figure(1, 2)
    >>> len(axes)
    2
    """
    mpl.rcParams.update(_STYLE)  # texts look their size up when they are made, after this returns
    fig = Figure(figsize=(width, height), layout="constrained")
    return fig, fig.subplots(rows, columns, **kinds)


def svg(fig: Figure) -> str:
    """Return a figure as SVG: the same bytes for the same figure, at any time."""
    buffer = io.StringIO()
    with mpl.rc_context(_STYLE):
        if fig.get_layout_engine() is not None:
            fig.draw_without_rendering()
            fig.set_layout_engine("none")  # laid out once: again would move everything a little
        fig.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def show(fig: Figure, *, name: str, alt: str, caption: str) -> None:
    """Show a figure in a notebook, and on the page as a numbered figure.

    Parameters
    ----------
    fig
        The figure.
    name
        What the text refers to it by, unique in the book: letters, digits and hyphens.
    alt
        What a reader who cannot see it should know, with the result in numbers.
    caption
        The text below it, in Markdown.

    Raises
    ------
    InvalidArgument
        If the name, the alternative text or the caption is missing.
    """
    display_figure(fig, {}, name=name, alt=alt, caption=caption)


def display_figure(fig: Figure, others: dict, *, name: str, alt: str, caption: str) -> None:
    """Display a figure together with other forms of it, by MIME type; `show` without any."""
    for argument, value in {"name": name, "alt": alt, "caption": caption}.items():
        if not isinstance(value, str) or not value.strip():
            raise InvalidArgument(f"{argument} is {value!r}: every figure needs a text for it")
    display(
        {**others, "image/svg+xml": svg(fig), "text/plain": alt},
        raw=True,
        metadata={"superpos": {"name": name, "alt": alt, "caption": caption}},
    )
    display(
        {"text/markdown": f"*{caption}*", "text/plain": caption},
        raw=True,
        metadata={"superpos": {"caption_of": name}},
    )


def plane(axes: Axes, W: Tensor, importance: Tensor | None = None, *, limit: float = 1.6) -> None:
    """Draw the features of one model in its hidden plane, one line from the origin to each W_i.

    Parameters
    ----------
    axes
        Where to draw.
    W
        ``(2, n)``.
    importance
        ``(n,)``, for the colour; all equal by default.
    limit
        Half the width of the plane shown.
    """
    if W.ndim != 2 or W.shape[0] != 2:
        raise InvalidArgument(f"W has shape {tuple(W.shape)}: a plane needs (2, n)")
    shade = _shades(importance, W.shape[1])
    axes.axhline(0, color=FAINT, lw=0.5, zorder=0)
    axes.axvline(0, color=FAINT, lw=0.5, zorder=0)
    for (x, y), colour in zip(W.T.tolist(), shade, strict=True):
        axes.plot([0, x], [0, y], color=colour, lw=2.4, solid_capstyle="round")
        axes.plot(x, y, "o", color=colour, ms=6, mec="white", mew=0.8)
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def zones(axes: Axes, W: Tensor, b: Tensor, *, limit: float | None = None) -> None:
    """Draw each feature in the hidden plane with its zone, where its output W_i·h + b_i is above 0.

    Parameters
    ----------
    axes
        Where to draw.
    W, b
        ``(2, n)`` with n of at most 8, and ``(n,)``.
    limit
        Half the width of the plane shown; by default a little more than the longest feature.
    """
    if W.ndim != 2 or W.shape[0] != 2 or W.shape[1] > len(FEATURES):
        raise InvalidArgument(
            f"W has shape {tuple(W.shape)}: a plane of at most {len(FEATURES)} features is needed"
        )
    limit = limit or 1.15 * W.norm(dim=0).max().item()
    side = torch.linspace(-limit, limit, 41, dtype=W.dtype)
    x, y = torch.meshgrid(side, side, indexing="xy")
    height = W[0, :, None, None] * x + W[1, :, None, None] * y + b[:, None, None]
    axes.axhline(0, color=FAINT, lw=0.5, zorder=0)
    axes.axvline(0, color=FAINT, lw=0.5, zorder=0)
    for i, colour in zip(range(W.shape[1]), FEATURES, strict=False):
        if height[i].max() > 0:
            top = height[i].max().item() + 1
            axes.contourf(x, y, height[i], levels=[0, top], colors=[colour], alpha=0.14)
        if height[i].min() < 0 < height[i].max():
            axes.contour(x, y, height[i], levels=[0], colors=[colour], linewidths=0.8)
        axes.plot([0, W[0, i]], [0, W[1, i]], color=colour, lw=2, solid_capstyle="round")
        axes.plot(W[0, i], W[1, i], "o", color=colour, ms=6, mec="white", mew=0.8)
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def output_plane(axes, W: Tensor, b: Tensor, shown: Sequence[int]) -> None:
    """Draw the hidden plane where it lies in three of the output dimensions, before the ReLU.

    The polygon is that of the features; where the last of the three outputs is above 0, it has
    that feature's colour. The grey plane is where that output is 0.

    Parameters
    ----------
    axes
        Of projection ``"3d"``.
    W, b
        ``(2, n)`` and ``(n,)``.
    shown
        Three features: the outputs drawn along x, y and z.
    """
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection

    order = torch.atan2(W[1], W[0]).argsort()
    order = order[W.norm(dim=0)[order] > 0.05]  # one at the origin is no corner
    corners = W[:, order].mT
    shown = list(shown)

    def place(h: Tensor) -> np.ndarray:
        return (h @ W + b)[..., shown].numpy()

    above = _clipped(corners, W[:, shown[2]], b[shown[2]])
    faces = [place(corners)] + ([place(above)] if len(above) > 2 else [])
    colours = [FAINT, FEATURES[shown[2]]]
    axes.add_collection3d(
        Poly3DCollection(faces, facecolors=colours[: len(faces)], edgecolors=INK, lw=0.6, alpha=0.5)
    )
    points = place(W.mT)
    for i, point in enumerate(points):
        axes.plot(*point[:, None], "o", color=FEATURES[i], ms=5, mec="white", mew=0.6)
    low, high = points.min(0), points.max(0)
    low[2], high[2] = min(low[2], 0), max(high[2], 0)
    x, y = np.meshgrid([low[0], high[0]], [low[1], high[1]])
    axes.plot_surface(x, y, 0 * x, color=FAINT, alpha=0.15, lw=0)
    names = [f"output {i + 1}" for i in shown]
    axes.set(xlabel=names[0], ylabel=names[1], zlabel=names[2])
    axes.tick_params(labelsize=7, pad=-2)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_major_locator(mpl.ticker.MaxNLocator(3))
    margin = 0.05 * (high - low)
    limits = zip(low - margin, high + margin, strict=True)
    axes.set(**dict(zip(("xlim", "ylim", "zlim"), limits, strict=True)))
    axes.view_init(elev=18, azim=-60)


def _clipped(corners: Tensor, normal: Tensor, offset: Tensor) -> Tensor:
    """Return the part of a polygon ``(corners, 2)`` where normal·h + offset is at least 0."""
    kept = []
    for here, there in zip(corners, corners.roll(-1, 0), strict=True):
        a, c = here @ normal + offset, there @ normal + offset
        if a >= 0:
            kept.append(here)
        if (a >= 0) != (c >= 0):
            kept.append(here + (there - here) * (a / (a - c)).clamp(0, 1))
    return torch.stack(kept) if kept else corners[:0]


def products(axes: Axes, W: Tensor, b: Tensor | None = None) -> None:
    """Draw WᵀW on a diverging scale from −1 to 1, with b and ‖W_i‖ beside it where b is given.

    The bars are ‖W_i‖, dark for a feature alone in its direction, yellow where its interference
    Σ_{j≠i}(Ŵ_i·W_j)² reaches 1. The dotted line is length 1.

    Parameters
    ----------
    axes
        Where to draw.
    W
        ``(m, n)``.
    b
        ``(n,)``.

    References
    ----------
    Elhage et al. 2022, "Demonstrating Superposition" (WᵀW with b, and the bars of norms).
    """
    n = W.shape[-1]
    scale = {"cmap": PRODUCTS, "vmin": -1, "vmax": 1, "interpolation": "nearest"}
    axes.imshow(geometry.gram(W).numpy(), extent=(0, n, n, 0), **scale)
    right = n
    if b is not None:
        column = (1.06 * n, 1.06 * n + max(0.09 * n, 1))
        axes.imshow(b[:, None].numpy(), extent=(*column, n, 0), aspect="auto", **scale)
        start, unit = column[1] + 0.08 * n, 0.3 * n  # where bars begin, and a bar of length 1
        lengths = geometry.squared_norms(W).sqrt().numpy()
        colours = INTERFERENCE(geometry.interference(W).clamp(0, 1).numpy())
        axes.barh(np.arange(n) + 0.5, unit * lengths, 0.8, left=start, color=colours)
        axes.axvline(start + unit, color=FAINT, lw=0.7, ls=":")
        right = start + 1.4 * unit
    axes.set(xlim=(0, right), ylim=(n, 0), xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set_visible(False)


def strips(axes: Axes, groups: Mapping[str, Tensor]) -> None:
    """Draw each group of values as a strip of dots, the first in the accent colour.

    Parameters
    ----------
    axes
        Where to draw.
    groups
        Values ``(k,)`` by name; a name that has none still has its row.
    """
    spread = np.random.default_rng(0)  # so that dots do not hide each other
    for row, (_, values) in enumerate(groups.items()):
        height = row + spread.uniform(-0.28, 0.28, len(values))
        colour = DIGON if row == 0 else ACCENT
        axes.scatter(values.numpy(), height, s=9, color=colour, alpha=0.5, lw=0)
    axes.set(yticks=range(len(groups)), ylim=(len(groups) - 0.4, -0.6))
    axes.set_yticklabels(groups)
    furthest = max((values.max().item() for values in groups.values() if len(values)), default=0)
    axes.set_xlim(-0.06 * max(furthest, 0.1), 1.06 * max(furthest, 0.1))
    axes.xaxis.set_major_formatter(mpl.ticker.PercentFormatter(1, decimals=0))


def feature_kinds(axes: Axes, probability: Tensor, W: Tensor) -> None:
    """Draw represented features per hidden dimension against p, by how they share their dimension.

    Parameters
    ----------
    axes
        Where to draw.
    probability
        ``(settings,)``, drawn from dense to sparse.
    W
        ``(seeds, settings, m, n)``.
    """
    m, p = W.shape[-2], probability.numpy()
    shared = outcomes.superposed(W)
    paired = shared & (geometry.antipodal_partners(W, cosine=-0.9) > 0)
    kinds = {
        "own dimension": geometry.represented(W) & ~shared,
        "antipodal pair": paired,
        "other superposition": shared & ~paired,
    }
    heights = [kind.sum(-1).double().mean(0).numpy() / m for kind in kinds.values()]
    axes.stackplot(p, heights, labels=kinds, colors=[INK, DIGON, PENTAGON], alpha=0.85, lw=0)
    axes.set(xscale="log", xlim=(p.max(), p.min()))
    axes.set_ylim(0, auto=True)  # panels that share the axis may be higher


def scale_bar(fig: Figure, axes, colours, *, low: float, high: float, label: str) -> None:
    """Add a colour bar for one of the book's colour maps."""
    mappable = mpl.cm.ScalarMappable(mpl.colors.Normalize(low, high), colours)
    bar = fig.colorbar(mappable, ax=axes, shrink=0.8, aspect=25, pad=0.02, label=label)
    bar.outline.set_visible(False)


def polytope_lines(axes: Axes, *, labels: bool = True) -> None:
    """Draw the dimensionalities of the polytopes as horizontal lines, named at the right."""
    for name, (value, colour) in POLYTOPES.items():
        axes.axhline(value, color=colour, lw=1, alpha=0.8, zorder=0)
        if labels:
            # the two lowest lines are closer than a line of text is high
            place = {"pentagon": "bottom", "square antiprism": "top"}.get(name, "center")
            axes.annotate(
                f"{name} {_fraction(value)}", (1.01, value), xycoords=("axes fraction", "data"),
                color=colour, fontsize=8.5, va=place, annotation_clip=False,
            )  # fmt: skip


def feature_graph(axes: Axes, W: Tensor, *, threshold: float = 0.15) -> None:
    """Draw the feature graph of one model, each component by itself, coloured by its D_i.

    A component takes the colour of the polytope whose dimensionality is nearest to its mean, and
    grey where none is within 0.03. Edges are as wide as the inner product is large.

    References
    ----------
    Elhage et al. 2022, "Uniform Superposition" (the feature geometry graphs).
    """
    graph = geometry.feature_graph(W, threshold=threshold)
    dimensionality = geometry.feature_dimensionality(W)
    parts = geometry.components(W, threshold=threshold)
    for part, (x, y, size) in zip(parts, _packed([len(part) for part in parts]), strict=True):
        sub = graph.subgraph(part)
        # a fixed start and whole-number node order: the same picture every time
        layout = nx.circular_layout(sorted(sub))
        if len(part) > 5:
            layout = nx.spring_layout(sub, pos=layout, weight=None, seed=0, iterations=100)
        spread = max(1e-9, *(np.hypot(*place) for place in layout.values())) if len(part) > 1 else 1
        where = {
            node: (x + size * 0.42 * place[0] / spread, y + size * 0.42 * place[1] / spread)
            if len(part) > 1
            else (x, y)
            for node, place in layout.items()
        }
        colour = _polytope_colour(dimensionality[part].mean().item())
        for i, j, data in sub.edges(data=True):
            axes.plot(
                *zip(where[i], where[j], strict=True), color=colour, zorder=1,
                lw=0.4 + 1.4 * min(1, abs(data["weight"])),
            )  # fmt: skip
        axes.scatter(*zip(*where.values(), strict=True), s=9, color=colour, zorder=2, lw=0)
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


def _polytope_colour(dimensionality: float) -> str:
    value, colour = min(POLYTOPES.values(), key=lambda entry: abs(entry[0] - dimensionality))
    if abs(1 - dimensionality) < 0.03:
        return INK  # a dimension of its own
    return colour if abs(value - dimensionality) < 0.03 else FAINT


def _fraction(value: float) -> str:
    return next(
        f"{top}/{bottom}" for bottom in range(1, 10) for top in range(1, bottom)
        if abs(top / bottom - value) < 1e-9
    )  # fmt: skip


def _shades(importance: Tensor | None, n: int) -> list:
    if importance is None:
        return [INK] * n
    weight = torch.as_tensor(importance, dtype=torch.float64)
    low, high = weight.min(), weight.max()
    position = (weight - low) / (high - low) if high > low else torch.ones_like(weight)
    return [IMPORTANCE(0.1 + 0.85 * value) for value in position.tolist()]


def show_table(
    columns: Sequence[str], rows: Mapping[str, Sequence[str]], *, corner: str = ""
) -> None:
    """Show a table of texts, as Markdown.

    Parameters
    ----------
    columns
        The heads of the columns.
    rows
        The cells of each row by its name.
    corner
        The head of the column of names.
    """
    lines = [[corner, *columns], ["---"] * (len(columns) + 1)]
    lines += [[name, *cells] for name, cells in rows.items()]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    display({"text/markdown": text, "text/plain": text}, raw=True)


def dimensionality_scatter(
    axes: Axes, inverse_probability: Tensor, W: Tensor, *, labels: bool = True
) -> None:
    """Draw D_i of the represented features against 1/p, with D* as a line and the polytopes' lines.

    Parameters
    ----------
    axes
        Where to draw.
    inverse_probability
        ``(settings,)``.
    W
        ``(settings, m, n)``.
    labels
        Whether to name the polytopes at the right.

    References
    ----------
    Elhage et al. 2022, "Uniform Superposition" (D_i over D*).
    """
    kept = geometry.represented(W)
    dimensionality = geometry.feature_dimensionality(W)
    setting, feature = kept.nonzero(as_tuple=True)
    jitter = np.random.default_rng(0).uniform(-0.4, 0.4, len(setting))  # within its own column
    step = (inverse_probability[1] / inverse_probability[0]).log().item()
    place = inverse_probability[setting].numpy() * np.exp(step * jitter)
    axes.scatter(
        place, dimensionality[setting, feature].numpy(), s=2.5, color=INK, alpha=0.35, lw=0,
        rasterized=True,
    )  # fmt: skip
    axes.plot(
        inverse_probability, geometry.dimensions_per_feature(W), color=ACCENT, label="D* = m/‖W‖²"
    )
    polytope_lines(axes, labels=labels)
    axes.set(xscale="log", ylim=(0, 1.05), xlabel="1/p", ylabel="dimensionality $D_i$")
    plain_ticks(axes.xaxis)


def plain_ticks(axis: mpl.axis.Axis) -> None:
    """Write a logarithmic axis's ticks as 1, 2, 5, 10, … instead of powers."""
    axis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(mpl.ticker.FormatStrFormatter("%g"))
    axis.set_minor_formatter(mpl.ticker.NullFormatter())


def sequence(k: int, count: int) -> tuple:
    """Return the colour of setting ``k`` of ``count``, from dense to sparse."""
    return SETTINGS(0.15 + 0.65 * k / max(1, count - 1))


def size_axis(axes: Axes, sizes: Sequence[int], name: str) -> None:
    """Make the x axis one of model sizes: logarithmic, with a tick for each."""
    axes.set_xscale("log")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.xaxis.set_minor_locator(mpl.ticker.NullLocator())
    axes.set_xlabel(name)


def polytope_legend(fig: Figure) -> None:
    """Add a legend of the polytopes' colours below a figure."""
    marks = {"dimension of its own": INK}
    marks |= {name: colour for name, (_, colour) in POLYTOPES.items()}
    handles = [
        mpl.lines.Line2D([], [], marker="o", ls="", color=colour, label=name)
        for name, colour in marks.items()
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=3)
