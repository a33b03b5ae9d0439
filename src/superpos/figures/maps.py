"""Maps over two settings: phases, landscapes, heat."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor

from superpos import checks
from superpos.errors import InvalidArgument
from superpos.figures.axes import drawing, plain_ticks
from superpos.figures.palette import FAINT, INK

# kind of solution → colour, for the phase diagrams; names as in `superpos.optima.phases`
KINDS = {
    "extra left out": "#cfd8dc",
    "other left out": "#56B4E9",
    "another left out": "#56B4E9",
    "antipodal pair": "#009E73",
    "extra paired": "#E69F00",
    "others paired": "#009E73",
    "joint": "#b5472f",
    "none of these": INK,
    "left out": "#cfd8dc",
    "in superposition": "#E69F00",
    "alone": "#56B4E9",
}


@drawing
def phase_map(axes: Axes, p: Tensor, r: Tensor, kinds: Tensor, names: Sequence[str]) -> None:
    """Draw which kind of solution each density and relative importance has: sparse is right.

    p ``(rows,)`` and r ``(columns,)`` are evenly spaced on a logarithmic scale; kinds ``(rows,
    columns)`` are positions in ``names``, keys of `KINDS`.
    """
    names = checks.texts("names", names)
    if unknown := [name for name in names if name not in KINDS]:
        raise InvalidArgument(f"names has {checks.shortly(unknown[0])}: there is no such kind")
    p, r = checks.along("p", p, least=2), checks.along("r", r, least=2)
    kinds = checks.whole_array("kinds", kinds)
    if kinds.shape != (len(p), len(r)) or not ((kinds >= 0) & (kinds < len(names))).all():
        raise InvalidArgument(
            f"kinds has shape {tuple(kinds.shape)}: places in names, {(len(p), len(r))} for p "
            "and r, are needed"
        )
    for name, value in (("p", p), ("r", r)):
        if not (value > 0).all() or (value == value[0]).all():
            raise InvalidArgument(f"{name} has to be above 0, and not the same everywhere")
    colours = ListedColormap([KINDS[name] for name in names])
    axes.pcolormesh(
        p.numpy(), r.numpy(), kinds.T.numpy(), cmap=colours, vmin=-0.5, vmax=len(names) - 0.5,
        shading="nearest", rasterized=True,
    )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="density p", ylabel="relative importance r")
    axes.set_xlim(p.max().item(), p.min().item())
    axes.set_ylim(r.min().item(), r.max().item())
    plain_ticks(axes.xaxis)
    plain_ticks(axes.yaxis)
    axes.xaxis.set_major_locator(ticker.LogLocator())
    axes.yaxis.set_major_locator(ticker.LogLocator())


@drawing
def contours(axes: Axes, x: Tensor, y: Tensor, height: Tensor) -> None:
    """Draw a landscape ``(rows, columns)`` by contours, from its lowest point up: dark is low.

    Heights are those above the lowest point, as a share of the value there.
    """
    x, y = checks.along("x", x, least=2), checks.along("y", y, least=2)
    height = checks.finite("height", height)
    if height.shape != (len(y), len(x)):
        raise InvalidArgument(
            f"height has shape {tuple(height.shape)}: {(len(y), len(x))} is needed, for y and x"
        )
    levels = [0, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20]
    norm = BoundaryNorm(levels, 256)
    axes.contourf(
        x.numpy(), y.numpy(), height.numpy(), levels, cmap="bone", norm=norm, extend="max"
    )
    axes.axhline(0, color=FAINT, lw=0.5)
    axes.axvline(0, color=FAINT, lw=0.5)


@drawing
def heat(axes: Axes, x: Tensor, y: Tensor, values: Tensor, *, label: str) -> None:
    """Draw values ``(rows, columns)`` of at least 0 on the sequential map; x is the first axis."""
    x, y = checks.finite("x", x), checks.finite("y", y)
    values = checks.finite("values", values)
    if x.ndim != 1 or y.ndim != 1 or values.shape != (len(x), len(y)) or not values.numel():
        raise InvalidArgument(
            f"x has shape {tuple(x.shape)}, y {tuple(y.shape)} and values {tuple(values.shape)}: "
            "(rows,), (columns,) and (rows, columns) are needed"
        )
    drawn = axes.pcolormesh(
        x.numpy(), y.numpy(), values.T.numpy(), cmap="magma_r", vmin=0, shading="nearest",
        rasterized=True,
    )  # fmt: skip
    axes.figure.colorbar(drawn, ax=axes, label=label).outline.set_visible(False)


def kind_legend(fig: Figure, names: Sequence[str]) -> None:
    """Add a legend of the kinds of solutions below a figure."""
    patches = [Patch(color=KINDS[name], label=name) for name in names]
    columns = len(names) if len(names) <= 4 else -(-len(names) // 2)
    fig.legend(handles=patches, loc="outside lower center", ncols=columns)
