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

from superpos import geometry, neurons, outcomes, thomson
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

# sets of features, from the same palette
SETS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9")

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


def plane(
    axes: Axes,
    W: Tensor,
    importance: Tensor | None = None,
    *,
    size: int | None = None,
    limit: float = 1.6,
) -> None:
    """Draw the features of one model in its hidden plane, one line from the origin to each W_i.

    Parameters
    ----------
    axes
        Where to draw.
    W
        ``(2, n)``.
    importance
        ``(n,)``, for the colour; all equal by default.
    size
        How many features a set has, where they come in sets: the colour then tells the set.
    limit
        Half the width of the plane shown.
    """
    if W.ndim != 2 or W.shape[0] != 2:
        raise InvalidArgument(f"W has shape {tuple(W.shape)}: a plane needs (2, n)")
    shade = _shades(importance, W.shape[1]) if size is None else set_colours(W.shape[1], size)
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


def planes(axes: Axes, W: Tensor, *, limit: float = 1.6) -> None:
    """Draw the features of several models in one plane, coloured in the order of the models.

    Parameters
    ----------
    axes
        Where to draw.
    W
        ``(models, 2, n)``, to be turned alike beforehand; see `superpos.geometry.upright`.
    limit
        Half the width of the plane shown.
    """
    axes.axhline(0, color=FAINT, lw=0.5, zorder=0)
    axes.axvline(0, color=FAINT, lw=0.5, zorder=0)
    for k, model in enumerate(W):
        colour = sequence(k, len(W))
        for x, y in model.T.tolist():
            axes.plot([0, x], [0, y], color=colour, lw=0.8, alpha=0.6)
            axes.plot(x, y, "o", color=colour, ms=5, mec="white", mew=0.5)
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def set_colours(n: int, size: int) -> list[str]:
    """Return a colour for each of n features that come in sets of ``size``.

    Examples
    --------
    >>> colours = set_colours(4, 2)
    >>> colours[0] == colours[1], colours[1] == colours[2]
    (True, False)
    """
    return [SETS[i // size % len(SETS)] for i in range(n)]


def set_lines(axes: Axes, n: int, size: int) -> None:
    """Draw lines between the sets of n features into a picture of WᵀW (see `products`)."""
    for edge in range(size, n, size):
        axes.plot([edge, edge], [0, n], color=INK, lw=0.8)
        axes.plot([0, n], [edge, edge], color=INK, lw=0.8)


def arrangement(axes: Axes, points: Tensor, *, limit: float = 1.3) -> None:
    """Draw points on the circle or the sphere, as the polygon or polytope that they form.

    A place that several points share has their number in it. A polytope stands on its axis, the
    eigenvector of WWᵀ whose eigenvalue is furthest from the others; what lies behind is faint.

    Parameters
    ----------
    axes
        Where to draw.
    points
        Unit columns, ``(2, n)`` or ``(3, n)``.
    limit
        Half the width of what is shown.
    """
    where, counts = thomson.places(points)
    if len(where) == 2:
        flat = geometry.upright(where).numpy()
        axes.add_patch(mpl.patches.Circle((0, 0), 1, fill=False, ec=FAINT, lw=0.7))
        for x, y in flat.T:
            axes.plot([0, x], [0, y], color=INK, lw=1.6)
        near = np.ones(len(counts), dtype=bool)
    else:
        turned = _standing(where)
        flat, near = turned[:2], turned[2] > -1e-6
        sides: dict[tuple[int, int], bool] = {}  # by their ends: whether a face in front has it
        for face in thomson.faces(torch.from_numpy(turned)):
            corners = face.corners
            for ends in zip(corners, corners[1:] + corners[:1], strict=True):
                side = (min(ends), max(ends))
                sides[side] = sides.get(side, False) or face.normal[2] > 0
        for (i, j), front in sorted(sides.items()):
            colour, width = (INK, 1.4) if front else (FAINT, 0.8)
            axes.plot(*flat[:, [i, j]], color=colour, lw=width, zorder=2 if front else 1)
        near |= np.array([any(sides[s] for s in sides if k in s) for k in range(len(counts))])
    for (x, y), count, front in zip(flat.T, counts, near, strict=True):
        colour = ACCENT if count > 1 else INK if front else FAINT
        size = 12 if count > 1 else 5
        axes.plot(x, y, "o", color=colour, ms=size, mec="white", mew=0.7, zorder=3)
        if count > 1:
            axes.annotate(
                str(count), (x, y), color="white", fontsize=8, ha="center", va="center_baseline",
                zorder=4,
            )  # fmt: skip
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _standing(points: Tensor) -> np.ndarray:
    """Turn points in space so that their axis is nearly upright: x to the right, z to the eye."""
    points = points.double().numpy()
    values, vectors = np.linalg.eigh(points @ points.T)
    apart = np.abs(values - np.median(values))
    axis = vectors[:, apart.argmax()] if apart.max() > 1e-6 else points[:, 0]
    along = axis @ points
    around = points - np.outer(axis, along)
    first = around[:, np.linalg.norm(around, axis=0).argmax()]
    first /= np.linalg.norm(first)
    turned = np.stack([first, np.cross(axis, first), axis]) @ points
    (s, t), (c, d) = np.sin([0.4, 0.3]), np.cos([0.4, 0.3])  # a little to the side, a little above
    x, y, up = c * turned[0] - s * turned[1], s * turned[0] + c * turned[1], turned[2]
    return np.stack([y, d * up - t * x, d * x + t * up])


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


def weights(axes: Axes, W: Tensor) -> None:
    """Draw the weights of neurons on a diverging scale from −1 to 1: a row a neuron.

    Parameters
    ----------
    axes
        Where to draw.
    W
        ``(m, n)``.
    """
    m, n = W.shape
    axes.imshow(W.numpy(), cmap=PRODUCTS, vmin=-1, vmax=1, interpolation="nearest", aspect="equal")
    axes.set(xticks=range(n), yticks=range(m), yticklabels=range(1, m + 1))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def stacks(axes: Axes, W: Tensor, serving: Tensor, *, lowest: float | None = None) -> None:
    """Draw each neuron as a stack of its weights, the negative ones below the axis.

    A weight has the colour of its feature, dark for the most important, and its number; features
    that the neuron does not serve are pale. Polysemantic neurons have numbers in the accent colour.

    Parameters
    ----------
    axes
        Where to draw.
    W
        ``(m, n)``, features by falling importance.
    serving
        Which features each neuron serves, booleans ``(m, n)``: see `superpos.neurons.serves`.
    lowest
        Where the axis ends below; stacks may be cut off there.

    References
    ----------
    Elhage et al. 2022, "Visualizing Superposition in Terms of Neurons" (stacks of weights).
    """
    m, n = W.shape
    colours = [IMPORTANCE(0.95 - 0.85 * i / max(1, n - 1)) for i in range(n)]
    for neuron in range(m):
        top = bottom = 0.0
        for i, (weight, served) in enumerate(zip(W[neuron].tolist(), serving[neuron], strict=True)):
            start = top if weight > 0 else bottom
            axes.bar(
                neuron + 1, weight, 0.72, bottom=start, color=colours[i], ec="white", lw=0.6,
                alpha=1.0 if served else 0.3,
            )  # fmt: skip
            if served and weight > 0.2:
                light = i > n / 2
                axes.annotate(
                    str(i), (neuron + 1, start + weight / 2), ha="center", va="center_baseline",
                    color=INK if light else "white", fontsize=8,
                )  # fmt: skip
            if weight > 0:
                top += weight
            else:
                bottom += weight
    axes.axhline(0, color=INK, lw=0.8)
    axes.set(xticks=range(1, m + 1), ylim=(lowest, None))
    for tick, many in zip(axes.get_xticklabels(), serving.sum(-1) >= 2, strict=True):
        tick.set_color(ACCENT if many else INK)


def shares(axes: Axes, names: Sequence[str], parts: Mapping[str, Tensor], colours) -> None:
    """Draw bars of parts that add up to a whole, from left to right, one bar a name.

    Parameters
    ----------
    axes
        Where to draw.
    names
        Of the bars, from the top.
    parts
        ``(len(names),)`` each, by what they are called.
    colours
        One for each part.
    """
    start = torch.zeros(len(names), dtype=torch.float64)
    for (label, part), colour in zip(parts.items(), colours, strict=True):
        axes.barh(
            range(len(names)), part.numpy(), 0.8, left=start.numpy(), color=colour, label=label,
            ec="white", lw=0.5,
        )  # fmt: skip
        start += part
    axes.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(mpl.ticker.PercentFormatter(1, decimals=0))


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


def neuron_bars(axes: Axes, slopes: Tensor, served: Tensor, *, shades: int | None = None) -> None:
    """Draw each neuron as a stack of the slopes that it gives the outputs which it serves.

    Neurons are in the order of the most important feature that they serve. The colour is that of
    the feature, dark for the most important; polysemantic neurons have a grey ground.

    Parameters
    ----------
    axes
        Where to draw.
    slopes, served
        ``(m, n)``, as `superpos.computation.slopes` and `serving` give them, features by falling
        importance.
    shades
        How many features the colours tell apart, counted from the first; all by default.

    References
    ----------
    Elhage et al. 2022, "Computation in Superposition" (stacks of weights).
    """
    shades = shades or served.shape[-1]
    place = neurons.order(served)
    slopes, served = slopes[place], served[place]
    neuron, feature = served.nonzero(as_tuple=True)
    heights = torch.where(served, slopes, 0.0)
    bottoms = (heights.cumsum(-1) - heights)[served]
    rank = (feature / max(1, shades - 1)).clamp_max(1)
    top = 1.05 * heights.sum(-1).max().clamp_min(1).item()
    axes.bar(
        neurons.polysemantic(served).nonzero()[:, 0], top, 1, color=FAINT, alpha=0.3, lw=0, zorder=0
    )
    axes.bar(
        neuron, heights[served], 0.8, bottom=bottoms, color=IMPORTANCE(0.95 - 0.85 * rank.numpy()),
        ec="white", lw=0.4,
    )  # fmt: skip
    axes.set(xlim=(-0.7, len(served) - 0.3), ylim=(0, top), xticks=[])


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


def feature_graph(
    axes: Axes, W: Tensor, *, size: int | None = None, threshold: float = 0.15
) -> None:
    """Draw the feature graph of one model, each component by itself, coloured by its D_i.

    A component takes the colour of the polytope whose dimensionality is nearest to its mean, and
    grey where none is within 0.03. Edges are as wide as the inner product is large. Where features
    come in sets of ``size``, the dots have the colours of their sets instead.

    References
    ----------
    Elhage et al. 2022, "Uniform Superposition" (the feature geometry graphs).
    """
    graph = geometry.feature_graph(W, threshold=threshold)
    dimensionality = geometry.feature_dimensionality(W)
    parts = geometry.components(W, threshold=threshold)
    for part, (x, y, box) in zip(parts, _packed([len(part) for part in parts]), strict=True):
        sub = graph.subgraph(part)
        # a fixed start and whole-number node order: the same picture every time
        layout = nx.circular_layout(sorted(sub))
        if len(part) > 5:
            layout = nx.spring_layout(sub, pos=layout, weight=None, seed=0, iterations=100)
        spread = max(1e-9, *(np.hypot(*place) for place in layout.values())) if len(part) > 1 else 1
        where = {
            node: (x + box * 0.42 * place[0] / spread, y + box * 0.42 * place[1] / spread)
            if len(part) > 1
            else (x, y)
            for node, place in layout.items()
        }
        colour = _polytope_colour(dimensionality[part].mean().item()) if size is None else FAINT
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


def cloud(axes: Axes, place: float, values: Tensor, *, width: float = 0.1) -> None:
    """Draw values as a cloud of dots at one place of a logarithmic x axis, ``width`` decades wide.

    Parameters
    ----------
    axes
        Where to draw.
    place
        Where on the x axis, above 0.
    values
        ``(k,)``; of more than 2000, every few are drawn.
    """
    some = values.flatten()[:: 1 + len(values) // 2000]
    spread = np.random.default_rng(0).uniform(-width / 2, width / 2, len(some))
    axes.scatter(
        place * 10**spread, some.numpy(), s=4, color=INK, alpha=0.35, lw=0, rasterized=True
    )


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


# kind of solution → colour, for the phase diagrams; names as in `superpos.phases`
KINDS = {
    "extra left out": "#cfd8dc",
    "other left out": "#56B4E9",
    "another left out": "#56B4E9",
    "antipodal pair": "#009E73",
    "extra paired": "#E69F00",
    "others paired": "#009E73",
    "joint": "#b5472f",
    "none of these": INK,
}


def phase_map(axes: Axes, p: Tensor, r: Tensor, kinds: Tensor, names: Sequence[str]) -> None:
    """Draw which kind of solution each cell of density and relative importance has.

    Parameters
    ----------
    axes
        Where to draw; p falls to the right, so that sparse is right.
    p, r
        ``(rows,)`` and ``(columns,)``, both evenly spaced on a logarithmic scale.
    kinds
        ``(rows, columns)``: positions in ``names``.
    names
        Keys of `KINDS`.
    """
    colours = mpl.colors.ListedColormap([KINDS[name] for name in names])
    axes.pcolormesh(
        p.numpy(), r.numpy(), kinds.T.numpy(), cmap=colours, vmin=-0.5, vmax=len(names) - 0.5,
        shading="nearest", rasterized=True,
    )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="density p", ylabel="relative importance r")
    axes.set_xlim(p.max().item(), p.min().item())
    axes.set_ylim(r.min().item(), r.max().item())
    plain_ticks(axes.xaxis)
    plain_ticks(axes.yaxis)
    axes.xaxis.set_major_locator(mpl.ticker.LogLocator())
    axes.yaxis.set_major_locator(mpl.ticker.LogLocator())


def contours(axes: Axes, x: Tensor, y: Tensor, height: Tensor) -> None:
    """Draw a landscape by contours, from its lowest point up: dark is low.

    Parameters
    ----------
    axes
        Where to draw.
    x, y
        ``(columns,)`` and ``(rows,)``.
    height
        ``(rows, columns)``, above the lowest point, as a share of the value there.
    """
    levels = [0, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20]
    norm = mpl.colors.BoundaryNorm(levels, 256)
    axes.contourf(
        x.numpy(), y.numpy(), height.numpy(), levels, cmap="bone", norm=norm, extend="max"
    )
    axes.axhline(0, color=FAINT, lw=0.5)
    axes.axvline(0, color=FAINT, lw=0.5)


def heat(axes: Axes, x: Tensor, y: Tensor, values: Tensor, *, label: str) -> None:
    """Draw values over a grid on the sequential map, with a bar that says what they are.

    Parameters
    ----------
    axes
        Where to draw.
    x, y
        ``(rows,)`` and ``(columns,)`` of the values: x is the first axis.
    values
        ``(rows, columns)``, at least 0.
    label
        Of the bar.
    """
    drawn = axes.pcolormesh(
        x.numpy(), y.numpy(), values.T.numpy(), cmap="magma_r", vmin=0, shading="nearest",
        rasterized=True,
    )  # fmt: skip
    axes.figure.colorbar(drawn, ax=axes, label=label).outline.set_visible(False)


def kind_legend(fig: Figure, names: Sequence[str]) -> None:
    """Add a legend of the kinds of solutions below a figure."""
    patches = [mpl.patches.Patch(color=KINDS[name], label=name) for name in names]
    fig.legend(handles=patches, loc="outside lower center", ncols=3)


def polytope_legend(fig: Figure) -> None:
    """Add a legend of the polytopes' colours below a figure."""
    marks = {"dimension of its own": INK}
    marks |= {name: colour for name, (_, colour) in POLYTOPES.items()}
    handles = [
        mpl.lines.Line2D([], [], marker="o", ls="", color=colour, label=name)
        for name, colour in marks.items()
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=3)
