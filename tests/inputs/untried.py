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
    # a check in one of these would make stored curves and measurements stale: with the next ones
    "reached by stored results": [
        "adversarial.mean_norm", "geometry.random_rotations", "losses.linear.*",
        "losses.sampled.batch_loss", "losses.sampled.own_input_loss",
        "losses.exact.check_few_features", "losses.exact.error_by_active_set",
        "losses.exact.loss_by_active_set", "losses.ramps.*", "neurons.serving.monosemantic",
        "neurons.serving.off_sets", "neurons.serving.polysemantic",
        "neurons.serving.rotations_more_spread", "neurons.serving.serves", "sae.variants.*",
        "sae.descent.*", "sae.recovery.seen", "sae.recovery.true_share", "sae.recovery.mixing",
        "stats.rank_correlation", "stats.span", "stats.listed", "codes.polytopes.eigenvectors",
        "codes.polytopes.signs", "learning.decoder.*", "learning.dynamics.level_jumps",
        "learning.dynamics.plateaus", "learning.dynamics.apart", "learning.incidental.*",
        "learning.memorization.*", "learning.onehot.*", "learning.polygons.*",
        "neurons.compressed.*", "neurons.computation.*", "optima.crowds.gaussian",
        "optima.crowds.of_code", "optima.ladder.*", "optima.phases.*", "optima.search.*",
        "training.hidden.*", "training.objectives.*",
    ],
}  # fmt: skip
