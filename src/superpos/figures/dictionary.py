"""Figures of a dictionary of directions beside its nulls."""

from __future__ import annotations

import torch
from torch import Tensor

from superpos.figures.palette import ACCENT, FAINT, FEATURES, FINE, INK, MEDIUM, POLYTOPES
from superpos.figures.style import MIDDLE, figure, svg
from superpos.measure import Measurement
from superpos.measure.nulls import RANDOM, SPECTRUM

_WIDTH = 4.8  # inches: a phone's width at the size of its text
_NULLS = {RANDOM: FEATURES[0], SPECTRUM: FEATURES[1]}


def pictures(found: Measurement) -> dict[str, str]:
    """Return the figures of a measurement's page, SVG by caption."""
    range_of = "the range of the replicates that are drawn"
    drawn = {
        "How much of a dimension each feature has. Bands: the nulls, "
        f"{range_of}. Vertical lines: the polytopes of the paper.": _dimensionality(found),
        "How the singular values fall, as shares of ‖W‖². Blue: random directions.": _spectrum(
            found
        ),
    }
    if found.n > 1:
        drawn["Cosines of pairs, a share of them in each bin. Bands: the nulls."] = _cosines(found)
    return drawn


def _dimensionality(found: Measurement) -> str:
    fig, ax = figure(width=_WIDTH, height=MIDDLE)
    _bands(ax, {key: shape.dimensionality for key, shape in found.shapes.items()}, 0.0, 1.0)
    for name, (share, colour) in POLYTOPES.items():
        ax.axvline(share, color=colour, lw=MEDIUM, ls=":")
        ax.text(
            share, 1.02, name, color=colour, fontsize=6.5, rotation=90, ha="center",
            transform=ax.get_xaxis_transform(),
        )  # fmt: skip
    ax.set(xlabel="dimensionality D_i", ylabel="share of features", xlim=(0, 1))
    ax.legend(loc="best")
    return svg(fig)


def _cosines(found: Measurement) -> str:
    fig, ax = figure(width=_WIDTH, height=MIDDLE)
    _bands(ax, {key: shape.cosines for key, shape in found.shapes.items()}, -1.0, 1.0)
    bins = found.shapes["here"].cosines.shape[-1]
    least = 0.5 / (found.sampled * max(1, found.n - 1))
    ax.set(xlabel="cosine", ylabel="share of pairs", xlim=(-1, 1), yscale="log")
    ax.set_ylim(bottom=least, top=max(2.0 / bins, 1.0))
    for bound in (-found.welch, found.welch):
        ax.axvline(bound, color=FAINT, lw=MEDIUM, ls=":")
    ax.text(
        -found.welch, 0.97, "Welch's bound ", color=FAINT, fontsize=7, va="top", ha="right",
        transform=ax.get_xaxis_transform(),
    )  # fmt: skip
    ax.legend(loc="upper right")
    return svg(fig)


def _spectrum(found: Measurement) -> str:
    fig, ax = figure(width=_WIDTH, height=MIDDLE)
    here = _shares(found.shapes["here"].eigenvalues)[0]
    null = _shares(found.shapes[RANDOM].eigenvalues)
    place = torch.arange(1, len(here) + 1)
    colour = _NULLS[RANDOM]
    ax.fill_between(
        place, null.amin(0), null.amax(0), color=colour, alpha=0.35, lw=MEDIUM, label=RANDOM
    )
    ax.plot(place, here, color=INK, marker="." if len(here) < 100 else "", label="here")
    ax.set(xlabel="singular value, the largest first", ylabel="share of ‖W‖²")
    ax.set_ylim(bottom=0)
    ax.legend(loc="upper right")
    return svg(fig)


def _bands(ax, shares: dict[str, Tensor], low: float, high: float) -> None:
    """Draw a histogram, and behind it where the nulls' replicates have theirs."""
    bins = shares["here"].shape[-1]
    edges = torch.linspace(low, high, bins + 1)
    for name, colour in _NULLS.items():
        least, most = shares[name].amin(0).numpy(), shares[name].amax(0).numpy()
        ax.stairs(
            most, edges.numpy(), baseline=least, fill=True, color=colour, alpha=0.35, lw=FINE,
            label=name,
        )  # fmt: skip
    ax.stairs(shares["here"][0].numpy(), edges.numpy(), color=ACCENT, lw=1.6, label="here")


def _shares(eigenvalues: Tensor) -> Tensor:
    return eigenvalues / eigenvalues.sum(-1, keepdim=True)
