"""Matrices of weights: WᵀW, stacks, what neurons serve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.colors import is_color_like
from torch import Tensor

from superpos import checks, geometry, neurons
from superpos.errors import InvalidArgument
from superpos.figures.axes import drawing
from superpos.figures.palette import ACCENT, FAINT, IMPORTANCE, INK, INTERFERENCE, PRODUCTS


@drawing
def products(axes: Axes, W: Tensor, b: Tensor | None = None) -> None:
    """Draw WᵀW on a diverging scale from −1 to 1, with b and ‖W_i‖ beside it where b is given.

    The bars are ‖W_i‖, dark for a feature alone in its direction, yellow where its interference
    Σ_{j≠i}(Ŵ_i·W_j)² reaches 1. The dotted line is length 1. As in Elhage et al. 2022,
    "Demonstrating Superposition".
    """
    W = _one_model(W)
    n = W.shape[-1]
    if b is not None:
        b = checks.inputs("b", b, n)
        if b.ndim != 1:
            raise InvalidArgument(f"b has shape {tuple(b.shape)}: one model's, (n,), is needed")
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


def _one_model(W: Tensor) -> Tensor:
    W, _ = checks.weights(W)
    if W.ndim != 2:
        raise InvalidArgument(f"W has shape {tuple(W.shape)}: one model, (m, n), is needed")
    return W


@drawing
def weights(axes: Axes, W: Tensor) -> None:
    """Draw the weights of neurons ``(m, n)`` on a diverging scale from −1 to 1: a row a neuron."""
    W = _one_model(W)
    m, n = W.shape
    axes.imshow(W.numpy(), cmap=PRODUCTS, vmin=-1, vmax=1, interpolation="nearest", aspect="equal")
    axes.set(xticks=range(n), yticks=range(m), yticklabels=range(1, m + 1))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


@drawing
def stacks(axes: Axes, W: Tensor, serving: Tensor, *, lowest: float | None = None) -> None:
    """Draw each neuron as a stack of its weights ``(m, n)``, the negative ones below the axis.

    A weight has the colour of its feature, dark for the most important, the first, and its number;
    features that the neuron does not serve, see `superpos.neurons.serves`, are pale. Polysemantic
    neurons have numbers in the accent colour. Stacks may be cut off at ``lowest``. As in Elhage et
    al. 2022, "Visualizing Superposition in Terms of Neurons".
    """
    W, serving = _one_model(W), checks.truths("serving", serving)
    if serving.shape != W.shape:
        raise InvalidArgument(
            f"serving has shape {tuple(serving.shape)} and W {tuple(W.shape)}: they differ"
        )
    lowest = None if lowest is None else checks.number("lowest", lowest)
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


@drawing
def shares(axes: Axes, names: Sequence[str], parts: Mapping[str, Tensor], colours) -> None:
    """Draw bars of parts that add up to a whole, from left to right, one bar a name, from the top.

    Parts are ``(len(names),)`` each, by what they are called.
    """
    names = checks.texts("names", names)
    colours = [] if isinstance(colours, str) or not isinstance(colours, Iterable) else [*colours]
    if not isinstance(parts, Mapping) or len(colours) != len(parts):
        raise InvalidArgument(
            f"parts is {checks.shortly(parts)}: values by name are needed, as many as colours"
        )
    if not all(is_color_like(colour) for colour in colours):
        raise InvalidArgument(f"colours is {checks.shortly(colours)}: one for each part is needed")
    parts = {label: checks.along("parts", part) for label, part in parts.items()}
    if any(len(part) != len(names) for part in parts.values()):
        raise InvalidArgument(f"parts has not one value for each of {len(names)} names")
    start = torch.zeros(len(names), dtype=torch.float64)
    for (label, part), colour in zip(parts.items(), colours, strict=True):
        axes.barh(
            range(len(names)), part.numpy(), 0.8, left=start.numpy(), color=colour, label=label,
            ec="white", lw=0.5,
        )  # fmt: skip
        start += part
    axes.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(ticker.PercentFormatter(1, decimals=0))


@drawing
def neuron_bars(axes: Axes, slopes: Tensor, served: Tensor, *, shades: int | None = None) -> None:
    """Draw each neuron as a stack of the slopes ``(m, n)`` that it gives the outputs it serves.

    Neurons are in the order of the most important feature that they serve. The colour is that of
    the feature, dark for the most important, the first; it tells ``shades`` of them apart.
    Polysemantic neurons have a grey ground. As in Elhage et al. 2022, "Computation in
    Superposition".
    """
    slopes, served = checks.one_model(slopes, name="slopes"), checks.truths("served", served)
    if served.shape != slopes.shape:
        raise InvalidArgument(
            f"served has shape {tuple(served.shape)} and slopes {tuple(slopes.shape)}: they differ"
        )
    shades = served.shape[-1] if shades is None else checks.whole_number("shades", shades)
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
