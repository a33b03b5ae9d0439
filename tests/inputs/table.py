"""Public functions with arguments that are right: what `test_any_input` begins with.

Arguments go by name, so that what a message says of them can be looked up. Of what kind an argument
is, its value says. A public function that is not here has not been tried.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

import superpos
from superpos import (
    AnticorrelatedSets,
    BooleanFeatures,
    CorrelatedSets,
    Examples,
    IndependentFeatures,
    Model,
    Procedure,
    SignedFeatures,
    adversarial,
    bundles,
    codes,
    geometry,
    losses,
    measure,
    models,
    neurons,
    optima,
    stats,
    tegum,
)
from superpos.codes import capacity, rounding, rugs, thomson
from superpos.figures import features as of_features
from superpos.figures import maps, matrices, plane
from superpos.measure import spectral
from superpos.optima import crowds, decoders


@dataclass(frozen=True)
class Call:
    """A call that is right; one argument after the other is made wrong."""

    function: Callable[..., Any]
    arguments: dict[str, Any]

    def __str__(self) -> str:
        home = self.function.__module__.removeprefix("superpos.")
        return f"{home}.{self.function.__name__}"


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def call(function: Callable[..., Any], **arguments: Any) -> Call:
    return Call(function, arguments)


def on_axes(function: Callable[..., Any], **arguments: Any) -> Call:
    """A drawing, on axes that nobody looks at."""

    def draw(**given: Any) -> None:
        function(Figure().subplots(), **given)

    draw.__module__, draw.__name__ = function.__module__, function.__name__
    return Call(draw, arguments)


W, B = 0.7 * drawn(2, 4), 0.1 * drawn(4, seed=1)
SPACE = drawn(3, 5)
X = torch.rand(16, 4, generator=torch.Generator().manual_seed(0))
P, I = torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([1.0, 0.9, 0.8, 0.7])
WHETHER = torch.tensor([True, False, True, True])
UNIT = geometry.directions(drawn(2, 4)).double()

CALLS = [
    *[
        call(function, W=W)
        for function in (
            geometry.gram, geometry.directions, geometry.cosines, geometry.squared_norms,
            geometry.interference, geometry.feature_dimensionality, geometry.dimensions_per_feature,
            geometry.upright, geometry.angular_gaps, geometry.room, adversarial.leverage,
            adversarial.attack_directions, codes.coherence, codes.typical_cosine,
            neurons.effective_number, neurons.spread, decoders.tightness,
        )
    ],
    call(geometry.represented, W=W, threshold=0.5),
    call(geometry.antipodal_partners, W=W, cosine=-0.9),
    call(geometry.aligned, W=SPACE, to=SPACE.flip(-1)),
    call(geometry.seen_from, W=SPACE, azimuth=30.0, elevation=20.0),
    call(geometry.angles_beside, W=W, feature=1),
    call(geometry.feature_graph, W=W, threshold=0.2),
    call(geometry.components, W=W, threshold=0.2),
    call(geometry.span_dimension, W=W, features=[0, 1], tolerance=0.3),
    call(losses.exact_loss, W=W, b=B, probability=P, importance=I),
    call(losses.expected_loss, W=W, b=B, probability=P, importance=I, samples=8, seed=0),
    call(losses.even_loss, W=W, b=B, probability=P, importance=I, samples=8, seed=0),
    call(losses.common_loss, W=W, b=B, features=IndependentFeatures(4, 0.3), samples=8, seed=0),
    call(losses.k_sparse, W=W, b=B, importance=I, sizes=[0, 1], samples=8, seed=0),
    call(decoders.free_loss, W=W, V=W.flip(0), b=B, probability=P, importance=I),
    call(decoders.distance_from_encoder, W=W, V=W.flip(0)),
    call(decoders.distance_from_row_space, W=W, V=W.flip(0)),
    call(optima.minimise, W=W, b=B, probability=P, importance=I, tolerance=1e-3, max_steps=3),
    call(optima.hessian, W=W, b=B, probability=P, importance=I),
    call(optima.least_curvature, W=W, b=B, probability=P, importance=I),
    *[
        call(function, W=W, tolerance=0.4)
        for function in (bundles.find_bundles, bundles.enumerate_bundles, bundles.row_cosines)
    ],
    call(codes.chance_above, cosine=0.3, m=5),
    call(codes.harmonic_code, n=4, m=2, seed=0),
    call(codes.largest_cosine, error=0.1, grid=5),
    call(codes.lemma_noise, n=10, m=5),
    call(codes.optimised_code, n=4, m=2, tries=1, seed=0, steps=3),
    call(codes.random_code, n=4, m=2, seed=0),
    call(codes.roots, m=4),
    call(rugs.rug, n=8, m=3, seed=0, antipodal=True),
    call(crowds.at_best, places=drawn(5), weights=drawn(5).abs(), probability=0.3),
    call(crowds.gaussian, probability=P[:2], load=2.5),
    call(spectral.localisation, W=W),
    call(codes.welch_bound, n=4, m=2),
    call(capacity.read, W=UNIT.float(), active=2, inputs=5, seed=0),
    call(capacity.gaussian_capacity, n=100, m=50, error=0.1),
    call(capacity.frame_variance, n=100, m=50, active=3.0),
    call(rounding.rounded, values=W, bits=4),
    call(rounding.rounded_loss, W=W, b=B, x=X, weights=4, activations=4),
    *[
        call(function, points=UNIT)
        for function in (thomson.energy, thomson.tangent_gradient, thomson.places, thomson.describe)
    ],
    call(thomson.polygon, n=5),
    call(thomson.digon_energy, n=4, m=2),
    call(thomson.minimise, n=4, m=2, tries=2, seed=0, tolerance=1e-3, max_steps=3),
    call(thomson.kinds, points=UNIT, tolerance=1e-3),
    call(tegum.optimal_subspaces, n=200.0, d=60.0, alpha=0.5, C=1.0),
    call(tegum.critical_alpha, n=200.0, d=60.0, C=1.0),
    call(tegum.orthogonal_pairs, points=UNIT, tolerance=1e-6),
    call(stats.rate_interval, outcomes=WHETHER),
    call(stats.told_rate, outcomes=WHETHER),
    call(stats.chance_of_difference, first=(3, 10), second=(5, 10)),
    call(stats.mean_interval, values=P),
    call(stats.told, values=P, digits=2),
    call(stats.rank_correlation, values=drawn(3, 4), order=I),
    call(stats.best_of, loss=drawn(3, 2), values=drawn(3, 2, 5)),
    call(stats.best_of_each, loss=drawn(4, 2), values=drawn(4, 2, 5), tries=2),
    call(stats.share_of_best, loss=drawn(4, 2), shown=drawn(4, 2) > 0, tries=2),
    call(adversarial.attacked_loss, W=W, b=B, x=X, attack=0.1 * X),
    call(adversarial.best_analytic, W=W, b=B, x=X, size=torch.tensor(0.1)),
    call(adversarial.random_analytic, W=W, b=B, x=X, size=torch.tensor(0.1), seed=0),
    call(adversarial.projected_gradient, W=W, b=B, x=X, size=torch.tensor(0.1), steps=2, seed=0),
    call(adversarial.gradient_ascent, W=W, b=B, x=X, size=torch.tensor(0.1), steps=2),
    call(
        adversarial.vulnerability,
        W=W, b=B, features=IndependentFeatures(4, 0.3), size=0.1, samples=8, seed=0,
    ),
    call(IndependentFeatures, n=4, probability=P),
    call(SignedFeatures, n=4, probability=P),
    call(BooleanFeatures, n=4, probability=0.3),
    call(CorrelatedSets, sets=2, size=2, probability=P[:2]),
    call(AnticorrelatedSets, sets=2, size=2, probability=P[:2]),
    call(Examples, x=X),
    call(IndependentFeatures(4, P).inputs, u=torch.rand(3, 5)),
    call(IndependentFeatures(4, P).active_inputs, u=torch.rand(3, 5)),
    call(CorrelatedSets(2, 2, 0.3).inputs, u=torch.rand(3, 7)),
    call(Model, name="mine", hidden=torch.relu, tied=True, hidden_bias=False),
    call(models.RELU_OUTPUT.shapes, n=4, m=2),
    call(models.RELU_OUTPUT.initial, n=4, m=2, seeds=[0, 1], count=2, scale=1.0),
    call(models.RELU_OUTPUT.reconstruct, parameters={"W": W, "b": B}, x=X),
    call(models.RELU_OUTPUT.centred, parameters={"W": W, "b": B}, mean=X[0]),
    call(
        Procedure,
        steps=5, batch_size=4, learning_rate=0.1, warmup=1, cosine=True, weight_decay=0.1,
        beta2=0.9, initial_scale=1.0, centred=False, integrate=True, skip_silent=False,
    ),
    call(Procedure.fast, n=4, m=2),
    call(
        superpos.train,
        features=IndependentFeatures(4, 0.3), n_hidden=2, model=models.RELU_OUTPUT, importance=I,
        seeds=[0, 1], procedure=Procedure(steps=2, batch_size=4), start={"W": W, "b": B},
        snapshots=[0, 1], device="cpu",
    ),
    call(measure.measure, W=drawn(6, 9), b=drawn(9), probability=0.1, replicates=5, codes=0),
    on_axes(plane.plane, W=W, importance=I, limit=1.6),
    on_axes(plane.zones, W=W, b=B, limit=1.6),
    on_axes(plane.planes, W=W[None], limit=1.6),
    on_axes(plane.arrangement, points=UNIT, limit=1.3),
    on_axes(of_features.feature_graph, W=W, threshold=0.2),
    on_axes(of_features.dimensionality_scatter, inverse_probability=P[:2], W=W.expand(2, 2, 4)),
    on_axes(matrices.products, W=W, b=B),
    on_axes(matrices.weights, W=W),
    on_axes(maps.heat, x=P[:3], y=P, values=drawn(3, 4).abs(), label="a"),
]  # fmt: skip
