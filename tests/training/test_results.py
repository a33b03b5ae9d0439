from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from superpos import CorrelatedSets, IndependentFeatures, Procedure, losses, optima, train
from superpos.errors import InvalidArgument
from superpos.models import LINEAR, RELU_HIDDEN

P = torch.tensor([[1.0], [0.3], [0.05]])
IMPORTANCE = 0.8 ** torch.arange(4)


@pytest.fixture(scope="module")
def run():
    return train(
        IndependentFeatures(4, P), 2, importance=IMPORTANCE, seeds=[3, 1],
        procedure=Procedure.fast(4, 2, steps=150),
    )  # fmt: skip


def test_the_estimated_loss_is_the_exact_one_within_its_error(run):
    exact = losses.exact_loss(run.W, run.b, P, IMPORTANCE)
    deviations = []
    for seed in range(40):
        mean, error = run.expected_loss(samples=400, seed=seed)
        assert mean.shape == error.shape == (2, 3)
        deviations.append(((mean - exact) / error)[:, 1:])  # with p = 1 it nearly has no noise
    deviations = torch.stack(deviations)
    # 40 seeds × 2 models × 2 settings, of which the models of one seed share the draws
    assert (deviations.abs() < 2.1).double().mean() > 0.85
    assert deviations.abs().max() < 8


def test_held_out_inputs_are_chosen_by_their_seed_alone(run):
    again, other = run.expected_loss(samples=100)[0], run.expected_loss(samples=100, seed=1)[0]
    assert torch.equal(run.expected_loss(samples=100)[0], again)
    assert not torch.equal(other, again)


@pytest.mark.parametrize("model", [LINEAR, RELU_HIDDEN], ids=lambda model: model.name)
def test_every_model_and_distribution_is_evaluated(model):
    features = CorrelatedSets(2, 2, torch.tensor([[0.2], [0.7]]))
    run = train(features, 2, model=model, seeds=2, procedure=Procedure(steps=5))
    mean, error = run.expected_loss(samples=2000)
    x = features.inputs(torch.rand(20_000, features.uniforms))
    parameters = {name: value[1] for name, value in run.parameters.items()}
    sampled = losses.batch_loss(x, model.reconstruct(parameters, x), torch.ones(4))
    assert torch.allclose(mean[1], sampled.double(), rtol=0.1)
    assert (error < 0.1 * mean).all()


def test_the_best_of_the_seeds_has_the_lowest_loss(run):
    exact = losses.exact_loss(run.W, run.b, P, IMPORTANCE)
    best = run.best()
    assert best["W"].shape == (3, 2, 4)
    assert torch.allclose(
        losses.exact_loss(best["W"], best["b"], P, IMPORTANCE), exact.amin(0), rtol=1e-2
    )


def test_an_optimum_is_at_rest_and_the_first_steps_are_not(run):
    short = train(
        IndependentFeatures(4, P), 2, importance=IMPORTANCE, seeds=[3, 1],
        procedure=Procedure.fast(4, 2, steps=20),
    )  # fmt: skip
    going_on = short.rest(30, samples=20_000)
    assert not going_on.holds.any()
    assert (going_on.fall > 0.1).all()
    found = optima.minimise(run.W, run.b, P, IMPORTANCE)
    there = {"W": found.W.float(), "b": found.b.float()}
    level = replace(run, parameters=there, procedure=Procedure.fast(4, 2, steps=300))
    at_rest = level.rest(2)
    assert (at_rest.fall < 3 * at_rest.error + 1e-4)[:, 1:].all()
    assert at_rest.holds[:, 1:].all()


def test_the_fall_is_that_of_the_exact_loss():
    features = IndependentFeatures(3, 0.2)
    short = train(features, 2, seeds=[3], procedure=Procedure.fast(3, 2, steps=30))
    rest = short.rest(40, samples=40_000)
    ended = train(features, 2, seeds=[3], procedure=Procedure.fast(3, 2, steps=1200))
    before, after = (losses.exact_loss(found.W, found.b, 0.2) for found in (short, ended))
    assert rest.fall == pytest.approx((1 - after / before).float().item(), abs=0.02)


@pytest.mark.parametrize(
    ("allowed", "holds"),
    [
        ({"most_fall": 10, "most_move": 10}, True),
        ({"most_fall": 1e-3, "most_move": 10}, False),
        ({"most_fall": 10, "most_move": 1e-3}, False),
    ],
)
def test_neither_the_loss_nor_the_features_may_move(allowed, holds):
    features = IndependentFeatures(3, 0.2)
    short = train(features, 2, seeds=[3], procedure=Procedure.fast(3, 2, steps=30))
    assert short.rest(10, samples=2000, **allowed).holds.tolist() == [holds]


def test_leaving_a_model_as_it_is_moves_nothing(run):
    still = replace(run, procedure=replace(run.procedure, learning_rate=1e-12))
    rest = still.rest(0.1, samples=1000)
    assert rest.fall.abs().max() < 1e-6
    assert rest.move.max() < 1e-6
    assert rest.holds.all()
    assert rest.holds.shape == run.loss_history.shape[1:]


@pytest.mark.parametrize(("n", "m"), [(3, 1), (5, 2)])
def test_the_converged_procedure_comes_to_rest(n, m):
    features = IndependentFeatures(n, torch.tensor([[0.3], [0.05]]))
    procedure = Procedure.converged(n, m, steps=6000)  # less than it takes by itself
    assert train(features, m, seeds=2, procedure=procedure).rest(0.5).holds.all()


@pytest.mark.parametrize(("name", "value"), [("samples", 1), ("seed", -1)])
def test_nonsense_is_refused_by_name(run, name, value):
    with pytest.raises(InvalidArgument, match=f"{name} is {value}"):
        run.expected_loss(**{name: value})
    with pytest.raises(InvalidArgument, match="times is 0"):
        run.rest(0)
