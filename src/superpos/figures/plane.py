"""Features as vectors: in the plane, as points on a sphere, with the zones of their outputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from torch import Tensor

from superpos import checks, geometry
from superpos.codes import thomson
from superpos.errors import InvalidArgument
from superpos.figures.axes import drawing, square
from superpos.figures.palette import ACCENT, FAINT, FEATURES, INK, sequence, set_colours, shades


@drawing
def plane(
    axes: Axes,
    W: Tensor,
    importance: Tensor | None = None,
    *,
    size: int | None = None,
    limit: float = 1.6,
) -> None:
    """Draw the features of one model ``(2, n)``, one line from the origin to each W_i.

    The colour tells the importance; or, where features come in sets of ``size``, the set.
    """
    W, _ = checks.weights(W)
    if W.ndim != 2 or W.shape[0] != 2:
        raise InvalidArgument(f"W has shape {tuple(W.shape)}: a plane needs (2, n)")
    limit = checks.positive_number("limit", limit)
    if importance is not None:
        importance = checks.importances("importance", importance, W.shape[1])
        if importance.ndim != 1:
            raise InvalidArgument(f"importance has shape {tuple(importance.shape)}: (n,) is needed")
    shade = shades(importance, W.shape[1]) if size is None else set_colours(W.shape[1], size)
    square(axes, limit, cross=True)
    for (x, y), colour in zip(W.T.tolist(), shade, strict=True):
        axes.plot([0, x], [0, y], color=colour, lw=2.4, solid_capstyle="round")
        axes.plot(x, y, "o", color=colour, ms=6, mec="white", mew=0.8)


@drawing
def zones(axes: Axes, W: Tensor, b: Tensor, *, limit: float | None = None) -> None:
    """Draw each feature in the hidden plane with its zone, where its output W_i·h + b_i is above 0.

    W is ``(2, n)`` with n of at most 8; the plane reaches a little further than the longest
    feature.
    """
    W, b = checks.weights(W, b)
    if b.ndim != 1:
        raise InvalidArgument(f"b has shape {tuple(b.shape)}: one model's, (n,), is needed")
    if W.ndim != 2 or W.shape[0] != 2 or W.shape[1] > len(FEATURES):
        raise InvalidArgument(
            f"W has shape {tuple(W.shape)}: a plane of at most {len(FEATURES)} features is needed"
        )
    if limit is None:
        limit = 1.15 * W.norm(dim=0).max().item() or 1.0
    limit = checks.positive_number("limit", limit)
    side = torch.linspace(-limit, limit, 41, dtype=torch.float64)
    x, y = torch.meshgrid(side, side, indexing="xy")
    height = W[0, :, None, None] * x + W[1, :, None, None] * y + b[:, None, None]
    if not torch.isfinite(height).all():
        raise InvalidArgument(f"limit is {limit:g}: outputs so far from the origin have no number")
    square(axes, limit, cross=True)
    for i, colour in zip(range(W.shape[1]), FEATURES, strict=False):
        if height[i].max() > 0:
            top = height[i].max().item() + 1
            axes.contourf(x, y, height[i], levels=[0, top], colors=[colour], alpha=0.14)
        if height[i].min() < 0 < height[i].max():
            axes.contour(x, y, height[i], levels=[0], colors=[colour], linewidths=0.8)
        right, up = W[:, i].tolist()
        axes.plot([0, right], [0, up], color=colour, lw=2, solid_capstyle="round")
        axes.plot(right, up, "o", color=colour, ms=6, mec="white", mew=0.8)


@drawing
def output_plane(axes, W: Tensor, b: Tensor, shown: Sequence[int]) -> None:
    """Draw the hidden plane where it lies in three of the output dimensions, before the ReLU.

    The polygon is that of the features; where the last of the three outputs ``shown`` is above 0,
    it has that feature's colour. The grey plane is where that output is 0. Axes are of projection
    ``"3d"``.
    """
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection

    W, b = checks.weights(W, b)
    if W.ndim != 2 or len(W) != 2 or W.shape[1] > len(FEATURES) or b.ndim != 1:
        raise InvalidArgument(
            f"W has shape {tuple(W.shape)} and b {tuple(b.shape)}: one model in the plane, with at "
            f"most {len(FEATURES)} features, is needed"
        )
    shown = checks.whole_numbers("shown", shown)
    if len(shown) != 3 or max(shown) >= W.shape[1]:
        raise InvalidArgument(f"shown is {checks.shortly(shown)}: three features are needed")
    order = torch.atan2(W[1], W[0]).argsort()
    order = order[W.norm(dim=0)[order] > 0.05]  # one at the origin is no corner
    corners = W[:, order].mT

    def place(h: Tensor) -> np.ndarray:
        return (h @ W + b)[..., shown].numpy()

    above = _clipped(corners, W[:, shown[2]], b[shown[2]])
    faces = [place(corners)] + ([place(above)] if len(above) > 2 else [])
    colours = [FAINT, FEATURES[shown[2]]]
    axes.add_collection3d(
        Poly3DCollection(faces, facecolors=colours[: len(faces)], edgecolors=INK, lw=0.6, alpha=0.5)
    )
    points = place(W.mT)
    if not np.isfinite(points).all():
        raise InvalidArgument("W has entries so large that its outputs have no number")
    for i, point in enumerate(points):
        axes.plot(*point[:, None], "o", color=FEATURES[i], ms=5, mec="white", mew=0.6)
    low, high = points.min(0), points.max(0)
    low[2], high[2] = min(low[2], 0), max(high[2], 0)
    x, y = np.meshgrid([low[0], high[0]], [low[1], high[1]])
    axes.plot_surface(x, y, 0 * x, color=FAINT, alpha=0.15, lw=0)
    names = [f"output {i + 1}" for i in shown]
    axes.set(xlabel=names[0], ylabel=names[1], zlabel=names[2])
    axes.tick_params(labelsize=7, pad=0)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_major_locator(ticker.MaxNLocator(3))
    margin = 0.05 * (high - low)
    limits = zip(low - margin, high + margin, strict=True)
    axes.set(**dict(zip(("xlim", "ylim", "zlim"), limits, strict=True)))
    axes.view_init(elev=18, azim=-60)
    axes.set_box_aspect(None, zoom=0.82)  # or the names of the axes are cut off


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


@drawing
def planes(axes: Axes, W: Tensor, *, limit: float = 1.6) -> None:
    """Draw the features of models ``(models, 2, n)`` in one plane, coloured in their order.

    They are to be turned alike beforehand; see `superpos.geometry.upright`.
    """
    W, _ = checks.weights(W)
    if W.ndim != 3 or W.shape[-2] != 2:
        raise InvalidArgument(f"W has shape {tuple(W.shape)}: models (models, 2, n) are needed")
    square(axes, checks.positive_number("limit", limit), cross=True)
    for k, model in enumerate(W):
        colour = sequence(k, len(W))
        for x, y in model.T.tolist():
            axes.plot([0, x], [0, y], color=colour, lw=0.8, alpha=0.6)
            axes.plot(x, y, "o", color=colour, ms=5, mec="white", mew=0.5)


@drawing
def arrangement(axes: Axes, points: Tensor, *, limit: float = 1.3) -> None:
    """Draw unit columns ``(2, n)`` or ``(3, n)`` as the polygon or polytope that they form.

    A place that several points share has their number in it. A polytope stands on its axis, the
    eigenvector of WWᵀ whose eigenvalue is furthest from the others; what lies behind is faint.
    """
    limit = checks.positive_number("limit", limit)
    where, counts = thomson.places(points)
    if len(where) == 2:
        flat = geometry.upright(where).numpy()
        axes.add_patch(Circle((0, 0), 1, fill=False, ec=FAINT, lw=0.7))
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
    square(axes, limit)


def _standing(where: Tensor) -> np.ndarray:
    """Turn points in space so that their axis is nearly upright: x to the right, z to the eye."""
    points = where.double().numpy()
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
