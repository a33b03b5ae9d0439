from __future__ import annotations

import pytest
import torch
from torch import Tensor

from superpos import losses
from superpos.features import AnticorrelatedSets, CorrelatedSets, IndependentFeatures
from superpos.models import LINEAR, RELU_HIDDEN, RELU_OUTPUT, Model
from superpos.training.hidden import HiddenRelu
from superpos.training.objectives import (
    ExactLinear,
    IntegratedRelu,
    Sampled,
    SampledActive,
    objective,
)

SEEDS, SETTINGS, M, N = 2, 3, 2, 4


@pytest.fixture(autouse=True)
def _in_float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def features() -> IndependentFeatures:
    p = torch.tensor([[1.0] * N, [0.4] * N, [0.05, 0.0, 0.9, 0.3]])
    return IndependentFeatures(N, p)


def importance() -> Tensor:
    return 0.7 ** torch.arange(N) * torch.tensor([[1.0], [2.0], [0.5]])


def parameters() -> dict[str, Tensor]:
    W = draw(0, SEEDS, SETTINGS, M, N) * 0.7
    W[0, 1, :, 2] = 0  # a feature that is not represented
    return {"W": W, "b": draw(1, SEEDS, SETTINGS, N) * 0.3}


def uniforms(of=None, batch: int = 6, seeds: int = SEEDS, seed: int = 0) -> Tensor:
    shape = (seeds, batch, (of or features()).uniforms)
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def targets() -> dict:
    return {
        "integrated": IntegratedRelu(features(), importance()),
        "exact linear": ExactLinear(features(), importance()),
        "sampled": Sampled(RELU_OUTPUT, features(), importance()),
        "sampled linear": Sampled(LINEAR, features(), importance()),
        "sampled hidden": Sampled(RELU_HIDDEN, features(), importance()),
        "active": SampledActive(RELU_OUTPUT, features(), importance()),
        "active hidden": SampledActive(RELU_HIDDEN, features(), importance()),
    }


each_target = pytest.mark.parametrize("name", targets())


@each_target
def test_gradients_are_those_of_the_loss(name):
    target, u = targets()[name], uniforms()
    leaves = {key: value.requires_grad_() for key, value in parameters().items()}
    automatic = torch.autograd.grad(target.loss(leaves, u).sum(), list(leaves.values()))
    with torch.no_grad():
        found = parameters()
    found = target.gradients(found, u)
    for (key, gradient), expected in zip(found.items(), automatic, strict=True):
        assert torch.allclose(gradient, expected, rtol=1e-9, atol=1e-11), key


@each_target
def test_gradients_are_differences_of_the_loss(name):
    target, u, given = targets()[name], uniforms(), parameters()
    given["W"][0, 1, :, 2] = 0.1  # at 0 it alone would be on the kink of a hidden ReLU
    towards = {"W": draw(2, *given["W"].shape), "b": draw(3, *given["b"].shape)}
    step = 1e-6

    def moved(by: float) -> Tensor:
        return target.loss({key: given[key] + by * towards[key] for key in given}, u)

    found = target.gradients(given, u)
    slope = sum((found[key] * towards[key]).flatten(2).sum(-1) for key in given)
    # a kink between the two points errs by step × curvature
    assert torch.allclose((moved(step) - moved(-step)) / (2 * step), slope, atol=1e-4, rtol=1e-5)


@each_target
def test_gradients_leave_the_parameters_alone(name):
    target, given = targets()[name], parameters()
    target.gradients(given, uniforms())
    assert all(torch.equal(value, parameters()[key]) for key, value in given.items())
    assert not any(value.requires_grad for value in given.values())


def replicates(target, batch: int, count: int, seed: int) -> Tensor:
    """The loss of one seed's models on many batches: ``(count, settings)``."""
    repeated = {key: value[:1].repeat(count, *[1] * (value.ndim - 1)) for key, value in
                parameters().items()}  # fmt: skip
    return target.loss(repeated, uniforms(target.features, batch, count, seed))


@pytest.mark.parametrize("integrated", ["integrated", "exact linear"])
def test_integrating_keeps_the_expected_loss(integrated):
    plain = "sampled linear" if integrated == "exact linear" else "sampled"
    one = replicates(targets()[integrated], 500, 100, seed=0)
    other = replicates(targets()[plain], 500, 100, seed=1)
    error = ((one.var(0) + other.var(0)) / 100).sqrt()
    assert ((one.mean(0) - other.mean(0)).abs() <= 5 * error + 1e-12).all()


def test_skipping_the_silent_input_keeps_the_expected_loss():
    of = CorrelatedSets(2, 2, torch.tensor([[0.5, 0.1], [0.05, 0.05], [1.0, 0.0]]))
    given = {"W": parameters()["W"], "b": parameters()["b"].abs()}  # the silent input costs
    u = uniforms(of, 100_000)
    found = SampledActive(RELU_OUTPUT, of, importance()).loss(given, u)
    expected = losses.exact_loss(given["W"], given["b"], of, importance())
    assert torch.allclose(found, expected, rtol=0.02)


def test_integrating_lessens_the_noise_at_a_trained_model():
    count = 200
    of = IndependentFeatures(N, torch.tensor([[0.5], [0.2], [0.05]]))
    pairs = 0.97 * torch.tensor([[1.0, -1, 0, 0], [0, 0, 1, -1]])
    given = {"W": pairs.expand(count, SETTINGS, M, N), "b": torch.full((count, SETTINGS, N), -0.02)}
    noise = []
    for seed, target in enumerate(
        (IntegratedRelu(of, torch.ones(3, N)), Sampled(RELU_OUTPUT, of, torch.ones(3, N)))
    ):
        u = uniforms(of, 32, count, seed)
        gradient = target.gradients(given, u)["W"]
        noise.append([target.loss(given, u).var(0), gradient.var(0).sum((-2, -1))])
    # a ratio of two variances over 200 draws has a relative standard error of √(4/200) = 14 %;
    # the ratios are below 0.1 here
    for integrated, sampled in zip(*noise, strict=True):
        assert (integrated < 0.5 * sampled).all()


def test_the_exact_linear_loss_has_no_noise():
    target = targets()["exact linear"]
    assert torch.equal(
        target.loss(parameters(), uniforms(seed=0)), target.loss(parameters(), uniforms(seed=1))
    )


def test_settings_of_one_seed_are_fed_from_the_same_draws():
    p = torch.tensor([[0.3], [0.3]])
    target = IntegratedRelu(IndependentFeatures(N, p), torch.ones(2, N))
    given = {key: value[:, :1].repeat(1, 2, *[1] * (value.ndim - 2))
             for key, value in parameters().items()}  # fmt: skip
    loss = target.loss(given, uniforms())
    assert torch.equal(loss[:, 0], loss[:, 1])
    assert not torch.equal(loss[0], loss[1])


UNTIED = Model("untied", tied=False)
SAME_NAME = Model("ReLU output", hidden=torch.relu)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (RELU_OUTPUT, IntegratedRelu),
        (LINEAR, ExactLinear),
        (RELU_HIDDEN, HiddenRelu),
        (UNTIED, Sampled),
        (SAME_NAME, HiddenRelu),
        (Model("squares", target=torch.square), Sampled),
    ],
)
def test_what_can_be_integrated_is(model, expected):
    chosen = objective(model, features(), importance(), integrate=True)
    assert type(chosen) is expected
    plain = objective(model, features(), importance(), integrate=False)
    assert type(plain) is Sampled
    assert plain.model is model
    active = objective(model, features(), importance(), integrate=False, skip_silent=True)
    assert type(active) is SampledActive


@pytest.mark.parametrize("kind", [CorrelatedSets, AnticorrelatedSets])
def test_dependent_features_are_sampled(kind):
    of = kind(2, 2, torch.full((SETTINGS, 1), 0.5))
    chosen = objective(RELU_OUTPUT, of, importance(), integrate=True)
    assert type(chosen) is Sampled
    assert chosen.gradients(parameters(), uniforms(of))["W"].shape == (SEEDS, SETTINGS, M, N)
