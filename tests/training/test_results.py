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


def test_the_slope_is_steep_at_first_and_level_at_an_optimum(run):
    short = train(
        IndependentFeatures(4, P), 2, importance=IMPORTANCE, seeds=[3, 1],
        procedure=Procedure.fast(4, 2, steps=1),
    )  # fmt: skip
    found = optima.minimise(run.W, run.b, P, IMPORTANCE)
    level = replace(run, parameters={"W": found.W.float(), "b": found.b.float()})
    assert (short.slope() > 0.3).all()
    assert not short.converged().any()
    assert (level.slope(samples=100_000) < 0.1).all()
    assert level.converged().all()


def test_the_slope_is_that_of_the_exact_loss(run):
    W, b = (value.double().requires_grad_() for value in (run.W, run.b + 0.1))
    loss = losses.exact_loss(W, b, P, IMPORTANCE)
    by_W, by_b = torch.autograd.grad(loss.sum(), (W, b))

    def length(W, b):
        return (W.square().sum((-2, -1)) + b.square().sum(-1)).sqrt()

    moved = replace(run, parameters={"W": run.W, "b": run.b + 0.1})
    expected = length(by_W, by_b) * length(W, b) / loss
    assert torch.allclose(moved.slope(samples=100_000), expected.detach(), rtol=0.05)


@pytest.mark.parametrize(("name", "value"), [("samples", 1), ("seed", -1)])
def test_nonsense_is_refused_by_name(run, name, value):
    with pytest.raises(InvalidArgument, match=f"{name} is {value}"):
        run.expected_loss(**{name: value})
    with pytest.raises(InvalidArgument, match="tolerance is 0"):
        run.converged(0)
