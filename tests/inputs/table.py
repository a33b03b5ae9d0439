"""Public functions with arguments that are right: what `test_any_input` begins with.

Arguments go by name, so that what a message says of them can be looked up. Of what kind an argument
is, its value says. A public function that is not here has not been tried.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
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
    features,
    geometry,
    losses,
    measure,
    models,
    neurons,
    optima,
    stats,
    tegum,
    weights,
    zoo,
)
from superpos.bundles import planes, planted, regions
from superpos.claims import verdicts
from superpos.codes import ands, capacity, decoding, layers, polytopes, rounding, rugs, thomson
from superpos.compute.streams import Purpose
from superpos.figures import axes, maps, matrices, plane
from superpos.figures import features as of_features
from superpos.learning import (
    boundaries,
    decoder,
    dynamics,
    incidental,
    memorization,
    onehot,
    polygons,
    posterior,
    resampling,
    widths,
)
from superpos.learning import sae as learnt
from superpos.learning import variants as otherwise
from superpos.losses import exact, linear, ramps, sampled
from superpos.measure import files, nulls, spectral, statistics
from superpos.neurons import compressed, computation, interference, residual, serving
from superpos.optima import branches, crowds, decoders, ladder, phases, search
from superpos.sae import Activations, descent, recovery
from superpos.sae import variants as sparse
from superpos.training import drift, hidden, objectives, procedures
from superpos.zoo import certificates, layouts


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


def holding(
    function: Callable[..., Any], *held: Any, fixed: dict[str, Any] | None = None, **arguments: Any
) -> Call:
    """A call of which some arguments stay as they are: functions, and what only we make."""

    def partly(**given: Any) -> Any:
        return function(*held, **(fixed or {}), **given)

    partly.__module__, partly.__name__ = function.__module__, function.__name__
    return Call(partly, arguments)


def on_axes(
    function: Callable[..., Any], *, projection: str = "rectilinear", **arguments: Any
) -> Call:
    """A drawing, on axes that nobody looks at."""

    def draw(**given: Any) -> None:
        function(Figure().subplots(subplot_kw={"projection": projection}), **given)

    draw.__module__, draw.__name__ = function.__module__, function.__name__
    return Call(draw, arguments)


W, B = 0.7 * drawn(2, 4), 0.1 * drawn(4, seed=1)
SPACE = drawn(3, 5)
X = torch.rand(16, 4, generator=torch.Generator().manual_seed(0))
P, I = torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([1.0, 0.9, 0.8, 0.7])
WHETHER = torch.tensor([True, False, True, True])
UNIT = geometry.directions(drawn(2, 4)).double()
GENERATOR = torch.Generator().manual_seed(0)
MANY = geometry.directions(drawn(6, 2, 4)).double()
OUTCOMES = torch.arange(6).expand(6, 6) >= 3
FALLING = torch.linspace(2, 1, 101)
JUMPS = dynamics.jumps((FALLING < 1.5)[:, None].double(), FALLING)
SQUARE = 0.7 * drawn(2, 5)
DATA = learnt.Superposed(6, 3, 0.2, seeds=[0, 1])
STATE = learnt.start(DATA, 4)
DEAD = torch.tensor([[True, False, False, True]] * 2)
SERVING = drawn(3, 4) > 0
COSINE = geometry.directions(drawn(3, 5)).mT @ geometry.directions(drawn(3, 4, seed=1))
ALIVE = torch.tensor([True, True, False, True, True])
BRIEF = Procedure(steps=2, batch_size=4)
FOUR = IndependentFeatures(4, 0.3)
PAIR = torch.tensor([[0.9, -0.4]]), torch.tensor([0.2, 0.5])
OTHER = torch.tensor([[-0.4, 0.9]]), torch.tensor([0.5, 0.2])
POLYTOPE = polytopes.POLYTOPES["triangle"]
EXAMPLES = memorization.draw(6, 4, 0.3, seed=0)
SIZES = decoder.Sizes(6, 4, 5, 0.2)
DECODER = decoder.initial(SIZES, -0.1, seeds=[0, 1])
MIXING = compressed.mixing(4, 3, seeds=[0, 1])
LAYER = {"W": drawn(2, 2, 4), "V": drawn(2, 2, 4, seed=1), "b": 0.1 * drawn(2, 4)}
V = W.flip(0)
ACTIVATIONS = Activations(0.7 * drawn(2, 3, 6), IndependentFeatures(6, 0.2), [0, 1])
JUMPS_UP = sparse.Variant("jumprelu", 0.1, prefixes=(0.5, 1.0))
SPARSE = descent.start(ACTIVATIONS, 4, JUMPS_UP)
HIDDEN, LATENTS = drawn(2, 5, 3), drawn(2, 5, 4).relu()
FILE = str(Path(zoo.__file__).with_name("models.safetensors"))


def bowl(place: Tensor) -> Tensor:
    return place.square().sum(-1) / 2


def density(p: Tensor) -> tuple[Tensor, Tensor]:
    return p[..., None], torch.ones(4)


def second(r: Tensor) -> tuple[Tensor, Tensor]:
    return torch.tensor(0.8), torch.stack([torch.ones_like(r), r], dim=-1)


def of_two(p: Tensor) -> tuple[Tensor, Tensor]:
    return p[..., None], torch.ones(2)


def alone(W: Tensor) -> Tensor:
    return (W.square() > 0.5).sum((-2, -1)) == 1


def squares(parameters: dict[str, Tensor], _: Tensor) -> Tensor:
    return torch.stack([value.square().flatten(1).sum(-1) for value in parameters.values()]).sum(0)


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
    # what is fixed in four of these calls has no check: one would make stored results stale
    holding(rugs.rug, fixed={"antipodal": True}, n=8, m=3, seed=0),
    call(crowds.at_best, places=drawn(5), weights=drawn(5).abs(), probability=0.3),
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
    call(adversarial.own_norm, x=X, weight=torch.full((16,), 1 / 16)),
    call(adversarial.weighted_inputs, features=IndependentFeatures(4, 0.3), samples=8, seed=0),
    call(adversarial.mean_input_norm, features=IndependentFeatures(4, 0.3), samples=8),
    call(
        adversarial.analytic,
        W=W, b=B, x=X, size=torch.tensor(0.1), feature=torch.zeros(16, dtype=torch.long),
    ),
    call(
        adversarial.vulnerability_parts,
        W=W, b=B, features=IndependentFeatures(4, 0.3), size=0.1, samples=8, seed=0,
    ),
    call(
        adversarial.feature_vulnerability,
        W=W, b=B, features=IndependentFeatures(4, 0.3), size=0.1, samples=8, seed=0,
    ),
    call(
        adversarial.arrangement_loss,
        points=UNIT, features=IndependentFeatures(4, 0.3), n_hidden=2,
        sizes=torch.tensor([0.5, 1.0]), left_out=0.1, samples=8, seed=0,
    ),
    call(planes.projector, A=drawn(3, 2)),
    call(planes.column_reduced, A=drawn(3, 2)),
    call(planes.chordal_distance, P=torch.eye(3), Q=drawn(3, 3)),
    call(planes.lifted, points=SPACE),
    call(planes.plane_clusters, vectors=SPACE, sizes=[1, 2], radius=0.1),
    call(planes.sparse_subspaces, W=SPACE, count=2, nonzero=1),
    call(planted.simplex, k=3),
    call(planted.antiprism, n=4),
    call(planted.summand, name="polygon 5"),
    call(planted.direct_sum, names=["digon", "triangle"]),
    call(planted.rotated, W=SPACE, generator=GENERATOR),
    call(planted.disturbed, W=SPACE, sigma=0.1, generator=GENERATOR),
    call(planted.draw, kinds=["digon"], generator=GENERATOR, parts=(1, 2), most=8),
    call(regions.regions, W=W, b=B, tolerance=1e-6),
    call(regions.general_position, n=5, m=2),
    call(capacity.most_active, W=UNIT.float(), error=0.01, together=True, inputs=5, seed=0),
    call(capacity.levels, W=UNIT.float(), active=2, error=0.01, inputs=5, seed=0),
    call(capacity.stored_bits, W=UNIT.float(), active=2.0, inputs=100, bins=4, seed=0),
    call(decoding.read_in_rounds, W=UNIT.float(), active=2, rounds=3, inputs=5, seed=0),
    call(decoding.read_by_pseudoinverse, W=UNIT.float(), active=2, inputs=5, seed=0),
    *[
        call(function, f=X)
        for function in (layers.unchanged, layers.relu, layers.saturating, layers.step)
    ],
    holding(
        layers.pass_through, fixed={"response": layers.relu},
        codes=[UNIT, UNIT], x=(X > 0.5).double(), fitted=(X > 0.6).double(),
    ),
    call(polytopes.simplex, dimension=3),
    call(polytopes.square_antiprism, height=0.5),
    call(thomson.faces, points=geometry.directions(drawn(3, 6)).double()),
    call(thomson.power, alpha=2.0, rounding=0.1, one_sided=True),
    call(boundaries.box_shares, outcomes=OUTCOMES, sizes=torch.tensor([1, 2])),
    call(boundaries.uncertainty, outcomes=OUTCOMES, distances=torch.tensor([1, 2])),
    call(boundaries.exponent, sizes=torch.tensor([1, 2, 4]), values=P[:3]),
    call(
        dynamics.jumps,
        dimensionality=torch.rand(101, 2, generator=GENERATOR), loss=FALLING, window=0.02,
        least=0.2, after=0.1,
    ),
    call(dynamics.drops_at_jumps, found=JUMPS, times=2.0, share=0.8, fewest=3),
    call(dynamics.dimensions_of_sets, W=W, size=2, threshold=0.5),
    call(dynamics.route, stages=torch.tensor([[1, 1], [2, 1]])),
    *[
        call(function, W=SQUARE, b=torch.zeros(5))
        for function in (onehot.outputs, onehot.loss, onehot.gradients)
    ],
    call(onehot.regular, n=5),
    call(onehot.failure, n=5),
    call(polygons.inputs, n=4),
    call(polygons.regular, n=6, k=5, positive=0, silent=-1.0),
    holding(
        posterior.sample, bowl,
        start=torch.zeros(3), sizes=torch.tensor([10.0, 20.0]), seeds=[0], sweeps=4,
        centre=torch.zeros(3), precision=1.0, exchange=True,
    ),
    holding(
        posterior.local_coefficient, bowl,
        minimum=torch.zeros(2, 3), size=10.0, seeds=[0], sweeps=4, precision=100.0,
    ),
    holding(
        resampling.published, fixed={"sparsity": 0.1}, state=STATE, data=DATA, dead=DEAD, norm=0.2
    ),
    call(
        resampling.attractor_repulsor,
        state=STATE, data=DATA, dead=DEAD, bias=0.1, fraction=0.05, noise=0.001,
    ),
    call(resampling.mean_length, encoder=drawn(2, 4, 3), alive=~DEAD),
    holding(learnt.Superposed, fixed={"seeds": [0, 1]}, n=6, m=3, probability=0.2),
    holding(learnt.start, fixed={"bias": -0.1}, data=DATA, latents=4),
    call(learnt.encode, parameters=STATE.parameters, h=drawn(2, 5, 3)),
    call(learnt.decode, parameters=STATE.parameters, f=drawn(2, 5, 4)),
    call(
        learnt.Training,
        sparsity=0.1, rate=0.003, batch=4, auxiliary=0.1, dead_after=10, most=2,
    ),
    call(learnt.train, state=STATE, data=DATA, training=learnt.Training(batch=4), steps=2),
    call(learnt.example_losses, state=STATE, h=drawn(2, 5, 3), sparsity=0.1),
    call(learnt.loss, state=STATE, data=DATA, sparsity=0.1, samples=5),
    call(learnt.found, state=STATE, data=DATA, cosine=0.9),
    *[
        call(function, serving=SERVING)
        for function in (
            neurons.canonical, neurons.order, neurons.groups, neurons.each_groups,
            neurons.code_names,
        )
    ],
    call(neurons.code_name, found=[(3, 2), (1, 1)]),
    call(neurons.regimes, W=drawn(5, 10), share=0.1),
    call(computation.pair_code, m=4),
    call(interference.weights_loss, V=drawn(4, 4), b=B, probability=P),
    call(interference.harm, W=W, b=B, probability=P),
    call(interference.first_order, W=W, b=B, probability=P),
    holding(branches.follow, fixed={"settings": density}, W=W, b=B, at=P[:2], tolerance=1e-3),
    holding(branches.slope, fixed={"settings": density}, W=W, b=B, at=torch.tensor(0.3)),
    call(decoders.descend, W=W, V=W.flip(0), b=B, probability=P, steps=2, learning_rate=0.02),
    call(decoders.ranking, n=5, ratio=0.5),
    call(phases.onset, p=P),
    call(phases.landscape, weight=P, extra=P, p=0.1, r=0.5),
    holding(
        ladder.takes_over, polytopes.POLYTOPES["digon"], polytopes.POLYTOPES["triangle"],
        low=0.5, high=0.8,
    ),
    call(recovery.nearest, cosine=COSINE, alive=ALIVE),
    call(recovery.matched, cosine=COSINE, alive=ALIVE),
    call(recovery.mean_max_cosine, cosine=COSINE, alive=ALIVE, embedded=WHETHER),
    call(recovery.found_share, cosine=COSINE, alive=ALIVE, embedded=WHETHER, least=0.5),
    call(recovery.duplicates, cosine=COSINE, alive=ALIVE, least=0.5),
    call(
        recovery.taken_in,
        cosine=COSINE, alive=ALIVE, between=torch.eye(4), parents=torch.tensor([0, 0, 2, 2]),
        one_each=True,
    ),
    call(weights.from_state_dict, state={"W": W, "b": B}, name="W", layout="features-last"),
    call(nulls.random_directions, length=P, m=3, count=2, draws=GENERATOR),
    call(nulls.same_spectrum, eigenvalues=I, n=6, count=2, draws=GENERATOR),
    call(nulls.optimised_code, length=P, m=3, draws=GENERATOR),
    call(statistics.effective_rank, eigenvalues=I),
    call(statistics.participation_ratio, eigenvalues=I),
    call(statistics.joined_from, n=10, m=5, chance=0.01),
    call(statistics.components, W=SPACE, joined_at=0.5),
    call(tegum.effective_alpha, points=MANY, losses=drawn(6, 2).double()),
    call(zoo.load, name="pentagon"),
    call(zoo.shape_of, W=W),
    call(certificates.with_error, value=0.1234, error=0.001),
    holding(
        drift.drift, fixed={"settings": density},
        W=W, b=B, at=P[:2], seeds=[0, 1], steps=2, batch_size=4, learning_rate=0.01,
    ),
    call(tegum.search, n=4, d=2, alpha=3.0, one_sided=False, tries=2, seed=0, max_steps=3),
    call(tegum.best_product, lowest={(3, 2): 0.375}, n=5, d=3),
    call(tegum.readouts, points=MANY, probability=P[:2], biases=3),
    call(weights.load, path=FILE, name="pentagon/W", layout="features-last"),
    call(
        files.measure_file,
        path=FILE, name="pentagon/W", layout="features-last", instance=0, probability=0.1,
        shortest=1e-6,
    ),
    call(statistics.read, W=SPACE, rows=torch.arange(5), joined_at=0.5, histogram=True),
    holding(
        branches.crossing, fixed={"settings": second},
        one=PAIR, other=OTHER, low=0.95, high=1.04, accuracy=1e-3,
    ),
    holding(
        branches.end, fixed={"settings": of_two, "there": alone},
        W=PAIR[0], b=PAIR[1], low=0.8, high=0.5, accuracy=0.1,
    ),
    call(learnt.fitting, state=STATE, data=DATA),
    call(
        certificates.measured,
        model=models.RELU_OUTPUT, parameters={"W": W, "b": B}, features=FOUR, importance=I, seed=0,
    ),
    call(
        models.checked_parameters,
        model=models.RELU_OUTPUT, parameters={"W": W, "b": B}, one=True,
    ),
    call(
        certificates.curvature_apart,
        hessian=optima.hessian(W, B, 0.5), parameters={"W": W.double(), "b": B.double()},
    ),
    call(
        layouts.state_dict,
        model=models.RELU_OUTPUT, parameters={"W": W, "b": B}, layout="authors",
    ),
    holding(ands.fewest, lambda neurons: neurons / 100, share=0.4, most=64),
    call(ands.paired, k=4, neurons=20, size=3, seed=0, superposed=True, inputs=5),
    call(ands.universal, n=6, neurons=20, density=0.3, seed=0, superposed=True, queries=6),
    call(rugs.as_polytope, n=8, m=3, seed=0, antipodal=True),
    call(otherwise.alignment, W=W),
    call(otherwise.evenness, W=W),
    *[
        call(function, x=X)
        for function in (otherwise.thirds, otherwise.upper_half, otherwise.pairwise_max)
    ],
    call(otherwise.classifiers, features=FOUR, m=2, procedure=BRIEF, seeds=[0, 1]),
    holding(
        otherwise.descend, squares,
        parameters={"W": drawn(2, 2, 4), "b": drawn(2, 4)}, procedure=BRIEF, seeds=[0, 1],
        uniforms=3,
    ),
    call(otherwise.named, model={"W": W, "b": B}),
    call(
        otherwise.variance_left,
        model=models.RELU_OUTPUT, parameters={"W": W, "b": B}, features=FOUR, samples=8, seed=0,
    ),
    call(
        otherwise.with_dropout,
        features=FOUR, m=2, rate=0.5, procedure=BRIEF, importance=I, seeds=[0, 1],
    ),
    call(widths.exponent, loss=P[:3], m=[1, 2, 4]),
    call(widths.frequencies, n=5, active=1.0),
    call(widths.left_out, probability=P, m=2),
    call(widths.train, probability=P[None], m=2, decay=-1.0, procedure=BRIEF, seeds=[0, 1]),
    call(spectral.saturation, W=W),
    call(spectral.tightness, W=W),
    call(residual.edge_code, n=3, m=3),
    call(residual.exact, n=3, m=2),
    call(residual.linear_bound, n=3, m=1, p=0.5),
    call(residual.naive_loss, n=4, m=1, single=[1.0, 0.8]),
    call(residual.single_losses, p=[0.1, 0.2], starts=2, steps=3, seed=0),
    call(residual.tent, x=X),
    call(features.checked, features=FOUR),
    call(features.as_features, probability=P, n=4),
    call(models.identity, z=X),
    call(models.checked, model=models.RELU_OUTPUT, n=4, m=2),
    call(polytopes.kneser),
    call(polytopes.schlafli),
    call(procedures.published, n=4, m=2, instances=2, steps=5, beta2=0.9),
    on_axes(plane.output_plane, projection="3d", W=W, b=B, shown=[0, 1, 2]),
    on_axes(of_features.dimensionality_dots, inverse_probability=P[:2], D=drawn(2, 4).abs()),
    on_axes(of_features.cloud, place=2.0, values=P, width=0.1),
    on_axes(of_features.strips, groups={"a": P, "b": I}),
    on_axes(matrices.stacks, W=SPACE, serving=SPACE > 0, lowest=-1.0),
    on_axes(matrices.shares, names=["a", "b"], parts={"c": P[:2]}, colours=["k"]),
    on_axes(matrices.neuron_bars, slopes=SPACE.abs(), served=SPACE > 0, shades=5),
    on_axes(
        maps.phase_map,
        p=P, r=I, kinds=torch.zeros(4, 4, dtype=torch.long), names=list(phases.TWO_FEATURES),
    ),
    on_axes(maps.contours, x=P, y=P, height=drawn(4, 4).abs()),
    on_axes(axes.polytope_lines, labels=True),
    on_axes(axes.square, limit=1.6, cross=True),
    on_axes(axes.size_axis, sizes=[10, 20], name="n"),
    on_axes(axes.set_lines, n=6, size=2),
    on_axes(axes.reference, x=[1.0], y=[2.0]),
    on_axes(axes.band, x=P, trials=drawn(3, 4), label="a", alpha=0.5),
    # what stored results come from: checked by gates
    call(adversarial.mean_norm, x=X, weight=torch.full((16,), 1 / 16)),
    call(geometry.random_rotations, m=3, count=2, generator=GENERATOR),
    call(polytopes.eigenvectors, joined=polytopes.kneser(), eigenvalue=-2.0),
    call(polytopes.signs, words=torch.tensor([[0, 1, 1, 0], [1, 1, 0, 0]])),
    call(stats.rank_correlation, values=drawn(3, 5), order=drawn(5)),
    call(stats.span, values=P, form=".0%"),
    call(stats.listed, values=P, form=".0%"),
    call(verdicts.rate, outcomes=WHETHER),
    call(linear.active_moments, p=P),
    call(linear.linear_loss, W=W, b=B, p=P, I=I),
    call(linear.linear_errors, W=W, b=B, mean=P / 2),
    call(ramps.count_faces, n=3),
    call(ramps.ramp_integrals, c=B, g=drawn(4, 3), e=drawn(4, 3, seed=1)),
    call(
        ramps.ramp_moments,
        c=B, g=drawn(4, 3), e=drawn(4, 3, seed=1), weight=drawn(4, 8).abs(),
    ),
    call(sampled.batch_loss, x=X, reconstruction=X.flip(0), importance=I),
    call(sampled.own_input_loss, W=W, b=B, p=P, I=I, x=X),
    call(exact.check_few_features, n=4),
    call(exact.error_by_active_set, c=B.double(), g=drawn(4, 4).double()),
    call(exact.loss_by_active_set, W=W.double(), b=B.double(), I=I.double()),
    call(hidden.fits, model=computation.ABSOLUTE_VALUE),
    call(
        hidden.expected_loss,
        model=computation.ABSOLUTE_VALUE, parameters=LAYER, features=SignedFeatures(4, 0.5),
        importance=I, samples=256, seed=0,
    ),
    call(
        objectives.objective,
        model=models.RELU_OUTPUT, features=FOUR, importance=I[None], integrate=True,
        skip_silent=False,
    ),
    *[
        call(function, serving=SERVING) for function in (serving.monosemantic, serving.polysemantic)
    ],
    call(serving.serves, W=W, V=V, share=0.1),
    call(serving.off_sets, W=W, among=torch.tensor([[True, True, False, False]] * 2)),
    holding(
        serving.rotations_more_spread, fixed={"measure": neurons.spread}, W=W, rotations=2, seed=0
    ),
    *[
        call(function, W=W, V=V, least=0.25)
        for function in (computation.serving, computation.and_serving)
    ],
    *[call(function, W=W, V=V) for function in (computation.slopes, computation.scaled)],
    call(computation.two_sided, W=W, V=V, rest=0.1, low=0.9, high=1.1),
    call(computation.find_motifs, W=W, V=V, least=0.25, ratio=2.0, inhibition=0.5, left=0.1),
    call(computation.shuffled, W=W, V=V, seed=0, least=0.25),
    call(computation.pairwise_and, x=(X > 0.5).float()),
    call(computation.pair_means, W=W),
    call(computation.pure_features, served=SERVING),
    call(computation.important_stay_pure, served=SERVING[None]),
    call(computation.partly_superposed, served=SERVING, share=0.1),
    call(
        computation.and_errors,
        parameters={name: value[:1] for name, value in LAYER.items()},
        features=BooleanFeatures(4, torch.tensor([[0.3]])), samples=1000, seed=0,
    ),
    call(compressed.mixing, n=4, dimensions=3, seeds=[0, 1]),
    call(compressed.covariance, M=MIXING, p=0.3),
    call(compressed.least_loss, M=MIXING, m=2, p=0.3),
    call(compressed.naive_loss, n=4, m=2, p=0.3, bias=True),
    call(compressed.train, M=MIXING, m=2, p=0.3, procedure=BRIEF, seeds=[0, 1], bias=True),
    call(compressed.loss, model=LAYER, M=MIXING, p=0.3, seeds=[0, 1], count=8),
    call(compressed.in_top, W=W, M=MIXING[0], count=2),
    call(decoder.initial, sizes=SIZES, bias=-0.1, seeds=[0, 1]),
    call(decoder.answers, model=DECODER, x=torch.rand(2, 3, 6)),
    call(decoder.features, sizes=SIZES, count=3, block=0, seeds=[0], purpose=Purpose.INPUTS),
    call(decoder.train, sizes=SIZES, start=DECODER, procedure=BRIEF, seeds=[0, 1]),
    call(decoder.loss, sizes=SIZES, model=DECODER, seeds=[0, 1], count=8),
    call(decoder.responses, model=DECODER),
    call(decoder.monosemantic, response=drawn(3, 4).relu(), second=0.3),
    call(incidental.initial, n=4, m=3, seeds=[0, 1], scale=1.0),
    call(incidental.descend, W=W, penalty=0.1, procedure=BRIEF),
    call(incidental.collisions, W=W, half=0.5),
    call(memorization.draw, n=6, count=4, probability=0.3, seed=0, test=True),
    call(memorization.loss, W=drawn(2, 6), b=drawn(6), examples=EXAMPLES),
    call(memorization.descend, examples=EXAMPLES, m=2, seed=0, procedure=BRIEF),
    call(
        memorization.trained,
        n=6, m=2, counts=[2], probability=0.3, seeds=[0], procedure=BRIEF, test_examples=4,
    ),
    call(onehot.hessian, W=SQUARE[:, :3], b=torch.zeros(3)),
    call(
        onehot.descend,
        W=SQUARE, b=torch.zeros(5), optimiser=onehot.GradientDescent(0.1), steps=2, record=[0, 2],
        moving=[0, 1],
    ),
    call(
        onehot.disturbed,
        disturbance=torch.tensor([0.1, 0.2]), rate=torch.tensor(1.0), settle=2, steps=2, record=[1],
    ),
    call(polygons.loss, W=SQUARE, b=torch.zeros(5)),
    call(polygons.corners, W=SQUARE, long=0.5),
    call(polygons.is_regular, W=SQUARE, long=0.5, degrees=15.0),
    call(
        polygons.descend,
        W=SQUARE[None], b=torch.zeros(1, 5), procedure=BRIEF, seeds=[0], record=[0, 2],
    ),
    call(
        dynamics.level_jumps,
        dimensionality=torch.rand(101, 2), loss=FALLING, levels=[0.0, 0.5], near=0.1,
    ),
    call(dynamics.plateaus, loss=FALLING, length=0.05, within=0.1),
    call(dynamics.apart, found=dynamics.plateaus(FALLING, within=0.1), fall=1.0, least=0.05),
    call(crowds.gaussian, probability=P, load=2.0),
    call(crowds.of_code, code=UNIT, probability=0.3, samples=8, seed=0),
    call(ladder.interference, polytope=POLYTOPE, probability=P, step=0.05),
    call(ladder.rung, polytope=POLYTOPE, probability=P),
    call(ladder.ladder, probability=P, polytopes=[POLYTOPE]),
    call(ladder.stack, n=5, m=2, probability=0.3, polytopes=[POLYTOPE]),
    call(phases.candidate_losses, p=P, r=I, features=2),
    call(phases.candidates, features=2),
    call(phases.importances, r=I, features=2),
    call(
        phases.kind,
        W=drawn(2, 3), left_out=0.1, kept=0.5, paired=-0.9, right=0.2, apart=-0.1,
    ),
    call(
        search.best_known,
        n=4, m=2, probability=[0.3], importance=I.tolist(), seeds=[0], steps=5,
    ),
    call(
        search.crowd,
        m=2, probability=0.3, importance=I, seeds=[0], steps=2, aim=0.1,
    ),
    call(descent.start, data=ACTIVATIONS, latents=4, variant=JUMPS_UP, settings=1, threshold=0.1),
    call(descent.train, state=SPARSE, data=ACTIVATIONS, variant=JUMPS_UP, procedure=BRIEF),
    call(
        recovery.seen,
        state=SPARSE, data=ACTIVATIONS, variant=JUMPS_UP, samples=8,
        parents=torch.tensor([0, 0, 2, 2, 4, 4]),
    ),
    call(recovery.true_share, cosine=COSINE, alive=ALIVE, least=0.5),
    call(
        recovery.mixing,
        cosine=COSINE, alive=ALIVE, between=torch.eye(4), partner=torch.tensor([1, 0, 3, 2]),
    ),
    *[
        call(function, parameters=SPARSE.parameters, h=HIDDEN, variant=JUMPS_UP)
        for function in (sparse.encode, sparse.gradients, sparse.losses)
    ],
    call(sparse.before, parameters=SPARSE.parameters, h=HIDDEN),
    call(sparse.decode, parameters=SPARSE.parameters, f=LATENTS, size=3),
    call(sparse.let_through, z=LATENTS, parameters=SPARSE.parameters, variant=JUMPS_UP),
    call(sparse.thresholds, parameters=SPARSE.parameters),
]  # fmt: skip
