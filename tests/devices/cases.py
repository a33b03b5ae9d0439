"""Calls of the package's public functions with small tensors, put somewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from typing import Any

import pytest
import torch
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
    geometry,
    losses,
    models,
    neurons,
    optima,
    stats,
    tegum,
)
from superpos.bundles import planes, planted, regions
from superpos.codes import capacity, decoding, layers, polytopes, rounding, thomson, vectors
from superpos.features import FeatureDistribution, as_features
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
    sae,
    widths,
)
from superpos.learning import variants as of_toys
from superpos.losses import ramps
from superpos.measure import spectral
from superpos.neurons import compressed, computation, interference, residual
from superpos.optima import branches, crowds, decoders, ladder, phases, search
from superpos.sae import Activations, Families, Variant, recovery, variants
from superpos.sae import descent as of_sae
from superpos.training import drift, hidden, priced
from superpos.training.objectives import objective

Place = Callable[[Tensor], Tensor]  # puts a tensor where it is to be


@dataclass(frozen=True)
class Case:
    """A call of public functions, with tensors put somewhere."""

    of: tuple[Callable, ...]
    call: Callable[[Place, torch.device], Any]
    told: str = ""  # what tells it from other cases of the same
    no_tensor: bool = False  # numbers, text, graphs, lists of features: they belong to no device
    on_cpu: tuple[str, ...] = ()  # parts of the result that stay there
    real_only: str = ""  # why it is not tried on a pretended device
    own_draws: bool = False  # a device's own generator has other draws than the CPU's

    def __str__(self) -> str:
        names = [f"{each.__module__}.{each.__name__}" for each in self.of]
        return " ".join([", ".join(names).replace("superpos.", ""), self.told]).strip()


def tensors(found: Any, but: tuple[str, ...] = ()) -> Iterator[Tensor]:
    """The tensors in a result, however deep, but those of the given names."""
    if isinstance(found, Tensor):
        yield found
    elif isinstance(found, dict):
        for name, value in found.items():
            if name not in but:
                yield from tensors(value, but)
    elif isinstance(found, list | tuple):
        for value in found:
            yield from tensors(value, but)
    elif is_dataclass(found):
        yield from tensors({own.name: getattr(found, own.name) for own in fields(found)}, but)


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def unit(*shape: int) -> Tensor:
    return geometry.directions(drawn(*shape, dtype=torch.float64))


W, B = 0.7 * drawn(3, 2, 4), 0.1 * drawn(3, 4, seed=1)  # three models
PLANE = drawn(2, 5)
SPACE = drawn(3, 5)
SERVING = torch.tensor([[True, False, True], [True, True, False]])
U = torch.rand(16, 5, generator=torch.Generator().manual_seed(0))
X = U[:, :4]
PENTAGON = thomson.polygon(5)
OCTAHEDRON = torch.cat([torch.eye(3), -torch.eye(3)], dim=-1).double()
SAE_DATA = sae.Superposed(6, 3, 0.3, seeds=[0, 1])
RELATED = Families(2, 2, 0.3, given=0.5, otherwise=0.1)
ABSOLUTE = Model("absolute values", hidden=torch.relu, tied=False, target=torch.abs)
FEW = Procedure(steps=5, batch_size=16)
MIXED = compressed.mixing(4, 20, seeds=[0, 1])
DECODER = decoder.Sizes(features=6, inputs=4, neurons=5, probability=0.1)


def decoders_start(at: Place) -> dict[str, Tensor]:
    start = decoder.initial(DECODER, 0.1, seeds=[0, 1])
    return {name: at(value) for name, value in start.items()}


def density(p: Tensor) -> tuple[Tensor, Tensor]:
    return p[..., None], torch.ones(2)


def one_model(at: Place) -> tuple[Tensor, Tensor]:
    return at(torch.tensor([[0.9, -0.8]])), at(torch.zeros(2))


def few_judged(function: Callable, *given: Any, **settings: Any) -> Any:
    """What a search finds among one polytope, and with few inputs to judge by."""
    few = partial(ladder.stack, polytopes=[polytopes.POLYTOPES["digon"]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "stack", few)
        patch.setattr(search, "_LOOK", 64)
        patch.setattr(search, "_JUDGE", 64)
        return function(*given, **settings)


def best_known(at: Place, device: torch.device) -> search.BestKnown:
    return few_judged(search.best_known, 2, 1, at(DENSITY[:2]), seeds=1, steps=8)


def sae_state(at: Place) -> sae.State:
    begun = sae.start(SAE_DATA, 6)
    kinds = {
        kind: {name: at(value.clone()) for name, value in getattr(begun, kind).items()}
        for kind in ("parameters", "mean", "square")
    }
    return sae.State(**kinds, steps=0, silent=at(begun.silent))


def toys_hidden(at: Place) -> Activations:
    return Activations(at(drawn(2, 3, 6)), RELATED, [0, 1])


def sparse_examples(at: Place) -> memorization.SparseExamples:
    examples = memorization.draw(30, 6, 0.1, seed=0)
    return memorization.SparseExamples(30, at(examples.active), at(examples.values))


def of_features(make: Callable[[Place], Any]) -> Callable[[Place, torch.device], Any]:
    """All that a distribution gives, from draws of a given place."""

    def call(at: Place, device: torch.device) -> Any:
        features = make(at)
        u = torch.rand(16, features.uniforms, generator=torch.Generator().manual_seed(0))
        given = [
            features.inputs(at(u)), features.active_inputs(at(u)), features.strata(at(u)),
            features.shares(at(u)),
        ]  # fmt: skip
        return given, features.to(device).mean

    return call


def of_examples(at: Place, device: torch.device) -> Any:
    features = Examples(at(X))
    return features.mean, features.settings((), 0, 1).x, features.active_inputs(at(U[:, :1]))


class Squares(FeatureDistribution):
    n = 4

    def inputs(self, u: Tensor) -> Tensor:
        return u.square()


def trained(at: Place, device: torch.device) -> Any:
    features = IndependentFeatures(4, torch.tensor([[0.5], [0.1]]))
    run = superpos.train(
        features, 2, seeds=2, procedure=FEW, snapshots=[0, 5], device=device, progress=False,
        start={"W": at(W[0]), "b": at(B[0])},
    )  # fmt: skip
    return run, run.expected_loss(samples=64), run.best(samples=64), run.rest(1, samples=64)


def trained_models(model: Model, features: Any, **changes: Any) -> Callable:
    def call(at: Place, device: torch.device) -> Any:
        procedure = Procedure(steps=5, batch_size=16, **changes)
        settings = dict(seeds=2, procedure=procedure, device=device, progress=False, model=model)
        return superpos.train(features, 2, **settings).parameters

    return call


def several(function: Callable, *given: Tensor, **settings: Any) -> Callable:
    """A call with tensors that are all put there."""
    return lambda at, device: function(*map(at, given), **settings)


def called(function: Callable, *given: Tensor, **changes: Any) -> Case:
    """A case of a function that is given tensors, and settings that are none."""
    own = {name: changes.pop(name) for name in ("no_tensor", "real_only") if name in changes}
    return Case((function,), several(function, *given, **changes), **own)


def each(functions: list[Callable], *given: Tensor, **changes: Any) -> list[Case]:
    return [called(function, *given, **changes) for function in functions]


def case(of: Callable | tuple[Callable, ...], call: Callable, **changes: Any) -> Case:
    return Case(of if isinstance(of, tuple) else (of,), call, **changes)


DENSITY = torch.tensor([0.2, 0.5, 0.9]).double()
SIXTEEN = 0.5 * drawn(3, 16), torch.zeros(16)  # too many features for exact losses


def gradient(at: Place, device: torch.device) -> Tensor:
    here = at(W.double()).requires_grad_()
    return torch.autograd.grad(losses.exact_loss(here, at(B), 0.3).sum(), here)[0]


CASES = [
    case(losses.exact_loss, lambda at, _: losses.exact_loss(at(W), at(B), 0.3)),
    case(losses.exact_loss, told="of lists", call=lambda at, _: losses.exact_loss(
        at(W), at(B), [0.1, 0.2, 0.3, 0.4], [1.0, 0.9, 0.8, 0.7])),
    case(losses.exact_loss, told="of sets", call=lambda at, _: losses.exact_loss(
        at(W), at(B), AnticorrelatedSets(2, 2, at(DENSITY[:2])))),
    case(losses.exact_loss, told="its gradient", call=gradient),
    case(losses.k_sparse, lambda at, _: losses.k_sparse(at(W), at(B))),
    case(losses.k_sparse, told="sampled", call=lambda at, _: losses.k_sparse(
        *map(at, SIXTEEN), sizes=[0, 1, 2], samples=50)),
    case(losses.expected_loss, lambda at, _: losses.expected_loss(
        at(W), at(B), 0.3, samples=50, seed=0)),
    case(losses.even_loss, lambda at, _: losses.even_loss(
        at(W), at(B), 0.3, samples=64, seed=0)),
    case(losses.common_loss, lambda at, _: losses.common_loss(
        at(W), at(B), CorrelatedSets(2, 2, at(DENSITY[:2])), samples=64, seed=0)),
    case(losses.common_loss, told="of a number", call=lambda at, _: losses.common_loss(
        at(W), at(B), IndependentFeatures(4, 0.3), samples=64, seed=0)),
    called(losses.own_input_loss, W, B, DENSITY[:1].float(), torch.ones(4), X),
    called(losses.batch_loss, X, X.flip(0), torch.ones(4)),
    called(losses.linear_loss, W, B, torch.full((4,), 0.3), torch.ones(4)),
    called(losses.linear_errors, W, B, torch.full((4,), 0.3)),
    called(losses.active_moments, DENSITY),
    called(losses.loss_by_active_set, W.double(), B.double(), torch.ones(4).double()),
    called(losses.error_by_active_set, B.double(), drawn(3, 4, 4).double()),
    called(ramps.ramp_integrals, B.double(), *2 * [drawn(3, 4, 3).double()]),
    called(ramps.ramp_moments, B[:, 0].double(), *2 * [drawn(3, 3).double()],
           U[:3].repeat(1, 2)[:, :8].double()),
    *each([geometry.gram, geometry.directions, geometry.cosines, geometry.squared_norms,
           geometry.represented, geometry.interference, geometry.feature_dimensionality,
           geometry.dimensions_per_feature, geometry.antipodal_partners], W),
    called(geometry.feature_dimensionality, drawn(2, 5000)),
    *each([geometry.upright, geometry.angular_gaps, geometry.room, geometry.angles_beside], PLANE),
    called(geometry.aligned, SPACE, SPACE.flip(-1)),
    called(geometry.seen_from, SPACE, azimuth=30.0),
    called(geometry.seen_from, SPACE, torch.tensor([10.0, 20.0])),
    *each([geometry.feature_graph, geometry.components], PLANE, no_tensor=True),
    called(geometry.span_dimension, PLANE, features=[0, 1], no_tensor=True),
    called(bundles.row_cosines, PLANE),
    *each([bundles.find_bundles, bundles.enumerate_bundles], PLANE, no_tensor=True),
    *each([planes.projector, planes.column_reduced], drawn(4, 3, 2)),
    called(planes.chordal_distance, drawn(4, 3, 3), drawn(4, 3, 3, seed=1)),
    called(planes.lifted, SPACE),
    called(planes.plane_clusters, SPACE, sizes=[2], radius=0.1, no_tensor=True),
    called(planes.sparse_subspaces, torch.tensor([[1.0, -1, 1, 0, 0, 0], [0, 0, 0, 1, -1, 1]]),
           count=2, nonzero=1, no_tensor=True),
    case(planted.rotated, lambda at, _: planted.rotated(
        at(PLANE), torch.Generator().manual_seed(0))),
    case(planted.disturbed, lambda at, _: planted.disturbed(
        at(PLANE), 0.1, torch.Generator().manual_seed(0))),
    called(regions.regions, PLANE, torch.zeros(5), no_tensor=True),
    called(tegum.orthogonal_pairs, OCTAHEDRON),
    case(tegum.readouts, lambda at, _: (
        (found := tegum.readouts(at(unit(2, 2, 4)), at(DENSITY), biases=3)), found.loss(),
        found.loss_with_own_biases(scales=3))),
    called(tegum.effective_alpha, unit(6, 2, 4), drawn(6, 2).double()),
    case(capacity.read, lambda at, _: (
        (found := capacity.read(at(unit(8, 12).float()), 2, inputs=20)), found.noise,
        found.margin(), found.all_right())),
    case(decoding.read_in_rounds, lambda at, _: (
        (found := decoding.read_in_rounds(at(unit(8, 12).float()), 2, inputs=20)).f, found.x,
    )),
    case(decoding.read_by_pseudoinverse, lambda at, _: (
        (found := decoding.read_by_pseudoinverse(at(unit(8, 12).float()), 2, inputs=20)).f, found.x,
    )),
    called(capacity.most_active, torch.eye(8), inputs=20, no_tensor=True),
    called(capacity.levels, unit(8, 12), active=2, inputs=20, no_tensor=True),
    called(capacity.stored_bits, unit(8, 12), active=3.0, inputs=200, no_tensor=True),
    case(layers.pass_through, lambda at, _: layers.pass_through(
        [at(unit(3, 4).float())] * 2, at((X > 0.5).float()), layers.step,
        fitted=at((X > 0.3).float()))),
    *each([layers.unchanged, layers.relu, layers.saturating, layers.step], X),
    case(polytopes.eigenvectors, lambda at, _: geometry.gram(  # which has no choice of axes
        polytopes.eigenvectors(at(polytopes.kneser()), -2))),
    called(polytopes.signs, torch.tensor([[0, 1], [1, 1]])),
    called(rounding.rounded, W, bits=4),
    called(rounding.rounded_loss, W[0], B[0], X, weights=4, activations=4),
    *each([thomson.energy, thomson.tangent_gradient], OCTAHEDRON[None]),
    case(thomson.minimise, lambda at, _: thomson.minimise(
        4, 2, starts=at(unit(3, 2, 4)), max_steps=20)),
    called(thomson.kinds, unit(3, 2, 4), no_tensor=True),
    called(thomson.places, PENTAGON),
    *each([thomson.faces, thomson.describe], OCTAHEDRON, no_tensor=True),
    *each([vectors.coherence, vectors.typical_cosine], W),
    case(optima.minimise, lambda at, _: optima.minimise(at(W), at(B), 0.3, max_steps=10)),
    case(optima.hessian, lambda at, _: optima.hessian(at(W), at(B), 0.3)),
    case(optima.least_curvature, lambda at, _: optima.least_curvature(
        at(W), at(B), 0.3, [1.0, 0.9, 0.8, 0.7])),
    case(branches.follow, lambda at, _: branches.follow(
        *one_model(at), density, torch.tensor([0.2, 0.1]))),
    case(branches.slope, lambda at, _: branches.slope(
        *one_model(at), density, torch.tensor(0.1))),
    case(branches.crossing, lambda at, _: branches.crossing(
        one_model(at), (at(torch.tensor([[0.9, -0.1]])), at(torch.tensor([0.0, 0.3]))),
        density, 0.5, 0.9, accuracy=0.5)),
    case(branches.end, lambda at, _: branches.end(
        *one_model(at), density, 0.1, 0.2, lambda W: W.prod(-1)[..., 0] < 0)),
    case(decoders.free_loss, lambda at, _: decoders.free_loss(
        at(W), at(W.flip(0)), at(B), 0.3)),
    case(decoders.descend, lambda at, _: decoders.descend(
        at(W), at(W.flip(0)), at(B), 0.3, steps=3)),
    *each([decoders.distance_from_encoder, decoders.distance_from_row_space], W, W.flip(0)),
    called(decoders.tightness, W),
    case(ladder.interference, lambda at, _: ladder.interference(
        polytopes.POLYTOPES["digon"], at(DENSITY), 0.1)),
    case(ladder.rung, lambda at, _: ladder.rung(
        polytopes.POLYTOPES["digon"], at(DENSITY))),
    case(ladder.ladder, lambda at, _: ladder.ladder(
        at(DENSITY), [polytopes.POLYTOPES["triangle"]])),
    called(phases.candidate_losses, DENSITY, DENSITY, features=3),
    called(phases.kind, PLANE[:, :3]),
    called(phases.importances, DENSITY),
    called(phases.onset, DENSITY),
    called(phases.landscape, drawn(2), drawn(2, seed=1), p=0.5, r=0.9),
    case(search.best_known, best_known, own_draws=True),
    case(search.crowd, told="with some importance", call=lambda at, device: few_judged(
        search.crowd, 1, 0.3, at(torch.tensor([1.0, 0.5])), seeds=[0], steps=8), own_draws=True),
    case(as_features, lambda at, _: as_features(at(DENSITY), 3).active_sets()),
    case(CorrelatedSets, told="their active sets", call=lambda at, _: CorrelatedSets(
        2, 2, at(DENSITY[:2])).active_sets()),
    case(IndependentFeatures, of_features(
        lambda at: IndependentFeatures(4, at(DENSITY[:, None])))),
    case(IndependentFeatures, told="of a number", call=of_features(
        lambda at: IndependentFeatures(4, 0.3))),
    case(SignedFeatures, of_features(lambda at: SignedFeatures(4, at(DENSITY[:1])))),
    case(BooleanFeatures, of_features(
        lambda at: BooleanFeatures(4, at(DENSITY[:, None])))),
    case(BooleanFeatures, told="of a number", call=of_features(lambda at: BooleanFeatures(4, 0.3))),
    case(CorrelatedSets, of_features(lambda at: CorrelatedSets(2, 2, at(DENSITY[:2])))),
    case(AnticorrelatedSets, of_features(
        lambda at: AnticorrelatedSets(2, 2, at(DENSITY[:2])))),
    case(Examples, of_features(lambda at: Examples(at(X)))),
    case(Examples, told="of the CPU's", call=of_features(lambda at: Examples(X))),
    case(Examples, told="what they are", call=of_examples),
    case(IndependentFeatures, told="draws of two places", call=lambda at, device: (
        (features := IndependentFeatures(4, 0.3)).inputs(U), features.inputs(at(U)))[1]),
    called(models.identity, X),
    case(models.checked_parameters, lambda at, _: models.checked_parameters(
        models.RELU_OUTPUT, {"W": at(W), "b": at(B)})),
    case(Model, lambda at, device: (
        (parameters := models.RELU_HIDDEN.initial(4, 2, seeds=[0, 1], device=device)),
        models.RELU_HIDDEN.reconstruct(parameters, at(X)),
        models.RELU_HIDDEN.centred(parameters, at(X[0]))), own_draws=True),
    case(superpos.train, trained, on_cpu=("recorded_steps", "snapshots"), own_draws=True),
    case(superpos.train, told="linear", call=trained_models(
        models.LINEAR, IndependentFeatures(4, 0.3)), own_draws=True),
    case(superpos.train, told="the source's procedure", call=trained_models(
        models.RELU_OUTPUT, CorrelatedSets(2, 2, 0.3), integrate=False), own_draws=True),
    case(superpos.train, told="hidden ReLUs", call=trained_models(
        ABSOLUTE, SignedFeatures(4, 0.3)), own_draws=True),
    case(superpos.train, told="attacked", call=trained_models(
        models.RELU_OUTPUT, adversarial.Attacked(IndependentFeatures(4, 0.3), torch.tensor(0.1))),
        own_draws=True),
    case(superpos.train, told="priced", call=trained_models(
        models.RELU_OUTPUT,
        priced.Priced(n=4, probability=torch.tensor(0.3), price=torch.tensor(0.1))),
        own_draws=True),
    case(superpos.train, told="a function, on inputs of one's own", call=trained_models(
        Model.of(lambda x, W: (x @ W.T @ W).relu(), {"W": "mn"}), Squares()), own_draws=True),
    case(losses.expected_loss, told="on inputs of one's own", call=lambda at, _:
         losses.expected_loss(at(W), at(B), Squares(), samples=64, seed=0)),
    *[case(objective, told=f"of the {model.name} model", call=lambda at, _, model=model: (
        (target := objective(model, IndependentFeatures(4, at(DENSITY[:, None])),
                             at(torch.ones(3, 4)), integrate=True, skip_silent=True)).loss(
            (parameters := {"W": at(W[None]), "b": at(B[None])}), at(U[None])),
        target.gradients(parameters, at(U[None]))))
      for model in (models.LINEAR, models.RELU_OUTPUT)],
    case(drift.drift, lambda at, _: drift.drift(
        *one_model(at), density, torch.tensor([0.1, 0.2]), seeds=2, steps=3), own_draws=True),
    case(hidden.expected_loss, lambda at, _: hidden.expected_loss(
        ABSOLUTE, {"W": at(W), "V": at(W.abs()), "b": at(B)}, SignedFeatures(4, 0.3),
        samples=600)),
    called(boundaries.box_shares, (X > 0.5).int(), torch.tensor([1, 2])),
    called(boundaries.uncertainty, (X > 0.5).int(), torch.tensor([1, 2])),
    called(boundaries.exponent, torch.tensor([1, 2]), torch.tensor([3, 8]), no_tensor=True),
    called(dynamics.jumps, torch.linspace(1, 0, 60)[:, None].round(), torch.linspace(2, 0, 60),
           window=0.1, no_tensor=True),
    called(dynamics.plateaus, torch.linspace(2, 0, 60).round(), no_tensor=True),
    called(dynamics.level_jumps, torch.linspace(1, 0, 60)[:, None].round(), torch.ones(60),
           levels=(0.0, 1.0), near=0.1, no_tensor=True),
    called(dynamics.dimensions_of_sets, W, size=2),
    called(dynamics.route, torch.tensor([[1, 1], [2, 1]]), no_tensor=True),
    case(memorization.SparseExamples, lambda at, _: (
        (examples := sparse_examples(at)).dense(), examples.hidden(at(drawn(2, 30))),
        examples.seen(), examples[1:3].values)),
    case(memorization.loss, lambda at, _: memorization.loss(
        at(drawn(2, 30)), at(drawn(30)), sparse_examples(at))),
    case(memorization.descend, lambda at, _: memorization.descend(
        sparse_examples(at), 2, seed=0, procedure=Procedure(steps=25)), own_draws=True),
    case(memorization.descend, told="batches", call=lambda at, _: memorization.descend(
        sparse_examples(at), 2, seed=0, procedure=Procedure(steps=5, batch_size=3)),
        own_draws=True),
    *each([onehot.outputs, onehot.loss, onehot.gradients], W, B),
    called(onehot.hessian, W, B, real_only="torch.func has no place for pretended tensors"),
    case(onehot.descend, lambda at, _: onehot.descend(
        at(W), at(B), onehot.GradientDescent(at(DENSITY)), 4, record=[2], moving=[0, 1])),
    case(onehot.descend, told="AdamW", call=lambda at, _: onehot.descend(
        at(W), at(B), onehot.AdamW(0.01), 4)),
    called(onehot.disturbed, torch.tensor([0.1]), torch.tensor([1.0]), settle=3, steps=3),
    case(sae.train, lambda at, _: sae.train(
        sae_state(at), SAE_DATA, sae.Training(auxiliary=0.1, dead_after=1), 5)),
    case((sae.loss, sae.found, sae.encode, sae.decode, sae.example_losses), lambda at, _: (
        sae.loss((state := sae_state(at)), SAE_DATA, samples=20), sae.found(state, SAE_DATA),
        state.dead(0), sae.encode(state.parameters, at(drawn(2, 5, 3))))),
    case(resampling.published, lambda at, _: resampling.published(
        sae_state(at), SAE_DATA, at(torch.arange(6).expand(2, 6) == 2))),
    case(resampling.attractor_repulsor, lambda at, _: resampling.attractor_repulsor(
        sae_state(at), SAE_DATA, at(torch.arange(6).expand(2, 6) == 2), bias=0.1)),
    called(resampling.mean_length, drawn(2, 4, 3), torch.ones(2, 4) > 0),
    called(polygons.loss, W, B),
    called(polygons.corners, W),
    called(polygons.is_regular, W, long=0.5, degrees=15.0),
    case(polygons.descend, lambda at, _: polygons.descend(
        at(W), at(B), FEW, seeds=[0, 1, 2], record=[0, 5])),
    case(posterior.sample, lambda at, _: posterior.sample(
        lambda place: place.square().sum(-1), at(W[0]), at(torch.tensor([2.0, 3.0])), seeds=[0],
        sweeps=4)),
    case(posterior.local_coefficient, lambda at, _: posterior.local_coefficient(
        lambda place: place.square().sum(-1), at(W[0]), size=10.0, seeds=[0], sweeps=4)),
    case(incidental.descend, lambda at, _: incidental.descend(at(W), 0.1, FEW)),
    called(incidental.collisions, W),
    case(widths.train, lambda at, _: widths.train(
        at(torch.full((2, 6), 0.2)), 2, -1.0, FEW, seeds=[0])),
    called(widths.left_out, torch.tensor([0.2, 0.5, 0.9]), m=1),
    called(widths.exponent, torch.tensor([0.9, 0.5, 0.2]), m=[1, 2, 3]),
    *each([spectral.localisation, spectral.saturation, spectral.tightness], W),
    called(crowds.at_best, torch.tensor([-0.1, 0.0, 0.2]), torch.ones(3), probability=0.1),
    called(crowds.gaussian, torch.tensor([0.1, 0.5]), load=2.0),
    called(crowds.of_code, W[0], probability=0.3, samples=20),
    case((decoder.answers, decoder.responses), lambda at, _: (
        decoder.answers((model := decoders_start(at)), at(torch.ones(2, 3, 6))),
        decoder.responses(model))),
    case((decoder.train, decoder.loss), lambda at, _: (
        model := decoder.train(DECODER, decoders_start(at), FEW, seeds=[0, 1]),
        decoder.loss(DECODER, model, seeds=[0, 1], count=10))),
    called(decoder.monosemantic, X[None], second=0.3),
    *each([interference.harm, interference.first_order], W[0], B[0], torch.tensor(0.2)),
    called(interference.weights_loss, W.mT @ W, B, torch.tensor(0.2)),
    *[case((of_sae.start, of_sae.train, variants.gradients, variants.thresholds), told=kind,
           call=lambda at, _, kind=kind: of_sae.train(
               of_sae.start(toys_hidden(at), 6, Variant(kind, at(torch.ones(2)))), toys_hidden(at),
               Variant(kind, at(torch.ones(2)), prefixes=(0.5, 1.0)), Procedure(steps=3)))
      for kind in variants.KINDS],
    case((variants.losses, variants.encode, variants.before, variants.let_through,
          variants.decode), lambda at, _: variants.losses(
        of_sae.start(toys_hidden(at), 6, Variant("l1", 0.1)).parameters, at(drawn(2, 5, 3)),
        Variant("l1", 0.1))),
    case(recovery.seen, lambda at, _: recovery.seen(
        of_sae.start(toys_hidden(at), 6, Variant("l1", 0.1)), toys_hidden(at), Variant("l1", 0.1),
        samples=9, parents=at(RELATED.parents))),
    called(recovery.nearest, drawn(2, 4, 3), torch.ones(2, 4) > 0),
    called(recovery.matched, drawn(2, 4, 3), torch.ones(2, 4) > 0),
    called(recovery.mean_max_cosine, drawn(2, 4, 3), torch.ones(2, 4) > 0),
    called(recovery.found_share, drawn(2, 4, 3), torch.ones(2, 4) > 0, torch.ones(2, 3) > 0,
           least=0.9),
    called(recovery.true_share, drawn(2, 4, 3), torch.ones(2, 4) > 0, least=0.9),
    called(recovery.duplicates, drawn(2, 4, 3), torch.ones(2, 4) > 0, least=0.9),
    called(recovery.mixing, drawn(2, 4, 3), torch.ones(2, 4) > 0, drawn(2, 3, 3),
           torch.tensor([1, 0, 0])),
    called(recovery.taken_in, drawn(2, 4, 3), torch.ones(2, 4) > 0, drawn(2, 3, 3),
           torch.tensor([0, 0, 0])),
    called(recovery.taken_in, drawn(2, 4, 3), torch.ones(2, 4) > 0, drawn(2, 3, 3),
           torch.tensor([0, 0, 0]), one_each=True),
    called(compressed.covariance, drawn(2, 4, 4), p=0.3),
    called(compressed.least_loss, drawn(2, 4, 4), m=2, p=0.3),
    case((compressed.train, compressed.loss), lambda at, _: (
        model := compressed.train(at(MIXED), 2, 0.3, FEW, seeds=[0, 1], bias=True),
        compressed.loss(model, at(MIXED), 0.3, seeds=[0, 1], count=10))),
    called(compressed.in_top, W[:2], MIXED, count=2),
    called(residual.tent, X),
    case(residual.naive_loss, lambda at, _: residual.naive_loss(
        4, 1, at(torch.tensor([1.0, 0.5]))), no_tensor=True),
    *each([of_toys.thirds, of_toys.upper_half, of_toys.pairwise_max], X),
    *each([of_toys.alignment, of_toys.evenness], W),
    case(of_toys.variance_left, lambda at, _: of_toys.variance_left(
        models.RELU_OUTPUT, {"W": at(W[0]), "b": at(B[0])}, IndependentFeatures(4, 0.3),
        samples=10)),
    case(of_toys.named, lambda at, _: of_toys.named({"W": at(W), "b": at(B)})),
    case(of_toys.descend, lambda at, _: of_toys.descend(
        lambda given, u: given["b"].square().sum(-1) * u.mean((-2, -1)), {"b": at(B)}, FEW,
        seeds=[0, 1, 2], uniforms=2)),
    case(of_toys.with_dropout, lambda at, _: of_toys.with_dropout(
        IndependentFeatures(4, 0.3), 2, 0.5, FEW, importance=at(torch.ones(4)), seeds=[0, 1])),
    *each([computation.slopes, computation.serving, computation.and_serving, computation.scaled,
           computation.two_sided, computation.find_motifs], W, W.flip(0)),
    *each([computation.pure_features, computation.important_stay_pure,
           computation.partly_superposed], SERVING.expand(2, 2, 3)),
    called(computation.pairwise_and, X),
    called(computation.pair_means, W),
    case(computation.shuffled, lambda at, _: computation.shuffled(
        at(W), at(W.flip(0)), seed=0), own_draws=True),
    case(computation.and_errors, lambda at, _: computation.and_errors(
        {"W": at(W[:1]), "V": at(W[1:2]), "b": at(B[:1])},
        BooleanFeatures(4, torch.tensor([[0.3]])), samples=1000)),
    *each([neurons.serves, neurons.effective_number, neurons.spread,
           neurons.off_sets], W),
    case(neurons.rotations_more_spread, lambda at, _: neurons.rotations_more_spread(
        at(W), rotations=3)),
    called(neurons.regimes, drawn(2, 5, 6)),
    *each([neurons.monosemantic, neurons.polysemantic, neurons.canonical, neurons.order], SERVING),
    *each([neurons.groups, neurons.each_groups, neurons.code_names], SERVING, no_tensor=True),
    *each([adversarial.leverage, adversarial.attack_directions], W),
    *each([adversarial.mean_norm, adversarial.own_norm], X, X[:, 0]),
    case(adversarial.weighted_inputs, lambda at, _: adversarial.weighted_inputs(
        IndependentFeatures(4, at(DENSITY[:, None])), samples=8, seed=0)),
    case(adversarial.mean_input_norm, lambda at, _: adversarial.mean_input_norm(
        IndependentFeatures(4, at(DENSITY[:, None])), samples=8)),
    case(adversarial.attacked_loss, lambda at, _: adversarial.attacked_loss(
        at(W), at(B), at(X), 0.1)),
    *each([adversarial.best_analytic, adversarial.random_analytic], W, B, X, torch.tensor(0.1)),
    called(adversarial.gradient_ascent, W, B, X, torch.tensor(0.1), steps=2),
    called(adversarial.projected_gradient, W, B, X, torch.tensor(0.1), steps=2),
    called(adversarial.analytic, W, B, X, torch.tensor(0.1), torch.arange(16).expand(3, 16) % 4),
    *[case(function, lambda at, _, function=function: function(
        at(W), at(B), IndependentFeatures(4, 0.3), samples=8))
      for function in (adversarial.vulnerability, adversarial.vulnerability_parts,
                       adversarial.feature_vulnerability)],
    case(adversarial.arrangement_loss, lambda at, _: adversarial.arrangement_loss(
        at(torch.tensor([[1.0, -1.0]])), IndependentFeatures(4, 0.3), 2,
        at(torch.tensor([0.0, 0.1])), left_out=0.1, samples=16)),
    *each([stats.rate_interval, stats.told_rate], X[0] > 0.5, no_tensor=True),
    *each([stats.mean_interval, stats.told, stats.span, stats.listed], X[0], no_tensor=True),
    called(stats.rank_correlation, X, torch.arange(4.0)),
    called(stats.best_of, X[:, :2], X[:, 2:]),
    called(stats.best_of_each, X[:, :2], X[:, 2:], tries=3),
    called(stats.share_of_best, X[:, 0], X[:, 1] > 0.5, tries=3),
]  # fmt: skip
