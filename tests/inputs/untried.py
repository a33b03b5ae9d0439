"""Public functions that `table` has no right call for, by the reason; a star is any name."""

from __future__ import annotations

UNTRIED = {
    "of the book: claims, studies, executors and pages take what the registry and the book hold": [
        "claims.*", "studies.*", "compute.*", "errors.need", "training.division.*",
        "training.replay.*", "figures.explorers.*", "figures.style.*", "figures.dictionary.*",
        "measure.report.*", "zoo.specimens.*", "codes.golay.*",
    ],
    "draws a legend, a bar or ticks: takes what only Matplotlib makes": [
        "figures.features.polytope_legend", "figures.maps.kind_legend", "figures.axes.drawing",
        "figures.axes.scale_bar", "figures.axes.plain_ticks", "figures.axes.percent_ticks",
        "figures.axes.against_sparsity",
    ],
}  # fmt: skip
