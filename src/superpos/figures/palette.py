"""Colours and widths of lines: the same quantity has the same colour in every chapter."""

from __future__ import annotations

import matplotlib as mpl
import torch
from torch import Tensor

IMPORTANCE = mpl.colormaps["viridis_r"]  # dark is important
INTERFERENCE = mpl.colormaps["cividis"]  # how superposed a feature is, from 0 to 1
PRODUCTS = mpl.colormaps["RdBu_r"]  # entries of WᵀW, centred on 0
SETTINGS = mpl.colormaps["magma_r"]  # a few settings, from dense to sparse
INK, FAINT, ACCENT = "#22272e", "#9aa4ad", "#b5472f"
FINE, THIN, MEDIUM, BOLD = 0.5, 0.7, 1.0, 2.4  # widths of lines

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


def sequence(k: int, count: int) -> tuple:
    """Return the colour of setting ``k`` of ``count``, from dense to sparse."""
    return SETTINGS(0.15 + 0.65 * k / max(1, count - 1))


def set_colours(n: int, size: int) -> list[str]:
    """Return a colour for each of n features that come in sets of ``size``.

    Examples
    --------
    >>> colours = set_colours(4, 2)
    >>> colours[0] == colours[1], colours[1] == colours[2]
    (True, False)
    """
    return [SETS[i // size % len(SETS)] for i in range(n)]


def shades(importance: Tensor | None, n: int) -> list:
    if importance is None:
        return [INK] * n
    weight = torch.as_tensor(importance, dtype=torch.float64)
    low, high = weight.min(), weight.max()
    position = (weight - low) / (high - low) if high > low else torch.ones_like(weight)
    return [IMPORTANCE(0.1 + 0.85 * value) for value in position.tolist()]
