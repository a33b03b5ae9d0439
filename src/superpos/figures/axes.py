"""Axes: ticks, lines that one compares with, bars of colour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from torch import Tensor

from superpos import checks
from superpos.checks import Numbers
from superpos.errors import InvalidArgument
from superpos.figures.palette import FAINT, INK, POLYTOPES, THIN

P = ParamSpec("P")
R = TypeVar("R")
_MOST_SETS = 10_000  # whose edges are drawn


def drawing(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function draw numbers of any library, on any device, in any precision.

    Tensors come to it detached, on the CPU, and not in half precision; arrays come as tensors.

    >>> import torch
    >>> drawing(lambda ax, W: W.numpy())(None, torch.nn.Parameter(torch.ones(2)))
    array([1., 1.], dtype=float32)
    """

    @wraps(function)
    def plain(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(
            *(_plain(value) for value in args),
            **{name: _plain(value) for name, value in kwargs.items()},
        )

    return plain


def _plain(value):
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if type(value) is np.ndarray and value.dtype.kind in "fiub":
        # truth values, too, may lie in memory backwards
        value = checks.array("an array", value.copy() if value.dtype.kind == "b" else value)
    if not isinstance(value, Tensor) or value.device.type == "meta":
        return value  # which whoever asked for it says
    value = value.detach().cpu()
    return value.float() if value.is_floating_point() and value.itemsize < 4 else value


def scale_bar(fig: Figure, axes, colours, *, low: float, high: float, label: str) -> None:
    """Add a colour bar for one of the book's colour maps."""
    mappable = ScalarMappable(Normalize(low, high), colours)
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


def _fraction(value: float) -> str:
    return next(
        f"{top}/{bottom}" for bottom in range(1, 10) for top in range(1, bottom)
        if abs(top / bottom - value) < 1e-9
    )  # fmt: skip


def square(axes: Axes, limit: float, *, cross: bool = False) -> None:
    """Make axes a square around the origin, without ticks or edges, perhaps with a cross."""
    limit = checks.positive_number("limit", limit)
    if cross:
        axes.axhline(0, color=FAINT, lw=0.5, zorder=0)
        axes.axvline(0, color=FAINT, lw=0.5, zorder=0)
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def plain_ticks(axis: Axis) -> None:
    """Write a logarithmic axis's ticks as 1, 2, 5, 10, … instead of powers."""
    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axis.set_minor_formatter(ticker.NullFormatter())


def percent_ticks(axis: Axis) -> None:
    """Mark shares by whole per cents, at most six of them."""
    axis.set_major_locator(ticker.MaxNLocator(5, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(ticker.PercentFormatter(1, decimals=0))


def size_axis(axes: Axes, sizes: Sequence[int], name: str) -> None:
    """Make the x axis one of model sizes: logarithmic, with a tick for each."""
    found = checks.along("sizes", sizes)
    if not (found > 0).all():
        raise InvalidArgument("sizes has an entry that is not above 0")
    if not isinstance(name, str):
        raise InvalidArgument(f"name is {checks.shortly(name)}: a text is needed")
    axes.set_xscale("log")
    axes.set_xticks(found.tolist(), [str(size) for size in sizes])
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.set_xlabel(name)


def set_lines(axes: Axes, n: int, size: int) -> None:
    """Draw lines between the sets of n features into a picture of WᵀW (see `products`)."""
    n, size = checks.whole_number("n", n), checks.whole_number("size", size)
    if n > _MOST_SETS * size:
        raise InvalidArgument(f"n is {n}: over {_MOST_SETS} sets of {size} are too many to draw")
    for edge in range(size, n, size):
        axes.plot([edge, edge], [0, n], color=INK, lw=0.8)
        axes.plot([0, n], [edge, edge], color=INK, lw=0.8)


def against_sparsity(axes: Axes) -> None:
    """Make the x axis one of 1/p, logarithmic, from dense to sparse."""
    axes.set(xscale="log", xlabel="1/p")
    plain_ticks(axes.xaxis)


def reference(axes: Axes, *, x: Sequence[float] = (), y: Sequence[float] = ()) -> None:
    """Draw what a reader compares with: dotted lines at values y, dashed ones at places x."""
    for value in _values("y", y):
        axes.axhline(value, color=INK, lw=THIN, ls=":", zorder=0)
    for place in _values("x", x):
        axes.axvline(place, color=INK, lw=THIN, ls="--", zorder=0)


def band(
    axes: Axes, x: Numbers, trials: Tensor, *, label: str = "", color=FAINT, alpha: float = 0.5
) -> None:
    """Shade between the lowest and the highest of some trials ``(trials, k)``, at x ``(k,)``."""
    x, trials = checks.along("x", x).detach(), checks.real("trials", trials).detach()
    alpha = checks.number("alpha", alpha)
    if trials.ndim != 2 or not len(trials) or trials.shape[1] != len(x):
        raise InvalidArgument(
            f"trials has shape {tuple(trials.shape)}: (trials, k) is needed, with k = {len(x)} of x"
        )
    if not 0 <= alpha <= 1:
        raise InvalidArgument(f"alpha is {alpha}: a number from 0 to 1 is needed")
    low, high = trials.amin(0), trials.amax(0)
    axes.fill_between(x, low, high, color=color, alpha=alpha, lw=0, label=label or None)


def _values(name: str, values: Sequence[float]) -> list[float]:
    found = checks.finite(name, values)
    if found.ndim != 1:
        raise InvalidArgument(f"{name} has shape {tuple(found.shape)}: a list of numbers is needed")
    return found.tolist()
