from __future__ import annotations

import pytest
import torch
from torch import Tensor

from superpos import losses, neurons
from superpos.features import CorrelatedSets, IndependentFeatures, SignedFeatures
from superpos.models import RELU_HIDDEN, Model, identity
from superpos.training.hidden import HiddenRelu, expected_loss
from superpos.training.objectives import SampledActive
from superpos.training.procedures import Procedure
from superpos.training.train import train

SEEDS, SETTINGS, M, N = 2, 3, 3, 4
MODELS = [
    Model("hidden", hidden=torch.relu, tied=tied, hidden_bias=bias, target=target)
    for tied in (True, False)
    for bias in (True, False)
    for target in (identity, torch.abs, torch.square)
]
each_model = pytest.mark.parametrize(
    "model", MODELS, ids=lambda m: f"{m.tied}-{m.hidden_bias}-{m.target.__name__}"
)


@pytest.fixture(autouse=True)
def _in_float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def features(kind=SignedFeatures):
    return kind(N, torch.tensor([[1.0] * N, [0.4] * N, [0.05, 0.0, 0.9, 0.3]]))


def importance() -> Tensor:
    return 0.7 ** torch.arange(N) * torch.tensor([[1.0], [2.0], [0.5]])


def parameters(model: Model) -> dict[str, Tensor]:
    found = {"W": draw(0, SEEDS, SETTINGS, M, N), "b": 0.3 * draw(1, SEEDS, SETTINGS, N)}
    if not model.tied:
        found["V"] = draw(2, SEEDS, SETTINGS, M, N)
    if model.hidden_bias:
        found["c"] = 0.3 * draw(3, SEEDS, SETTINGS, M)
    return found


def uniforms(of, batch: int = 6, seed: int = 0) -> Tensor:
    shape = (SEEDS, batch, of.uniforms)
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@each_model
def test_gradients_are_those_of_the_loss(model):
    target, u = HiddenRelu(model, features(), importance()), uniforms(features())
    plain = SampledActive(model, features(), importance())
    for _ in range(2):  # its arrays are used again
        leaves = {key: value.requires_grad_() for key, value in parameters(model).items()}
        automatic = torch.autograd.grad(plain.loss(leaves, u).sum(), list(leaves.values()))
        found = target.gradients(parameters(model), u)
        assert list(found) == list(leaves)
        for (key, gradient), expected in zip(found.items(), automatic, strict=True):
            assert torch.allclose(gradient, expected, rtol=1e-9, atol=1e-11), key
        u = uniforms(features(), seed=1)


@each_model
@pytest.mark.parametrize(
    "of", [features(), features(IndependentFeatures), CorrelatedSets(2, 2, [[0.3], [0.5], [1.0]])],
    ids=lambda of: type(of).__name__,
)  # fmt: skip
def test_it_is_the_mean_loss_with_the_silent_input_counted_exactly(model, of):
    u = uniforms(of, 50)
    expected = SampledActive(model, of, importance()).loss(parameters(model), u)
    found = HiddenRelu(model, of, importance()).loss(parameters(model), u)
    assert torch.allclose(found, expected, rtol=1e-9)


def test_neurons_above_their_kinks_make_a_model_without_hidden_relu():
    # c so large that every neuron is linear, and b takes it back: then the closed form holds
    of = features(IndependentFeatures)
    model = Model("shifted", hidden=torch.relu, hidden_bias=True)
    W, b = draw(0, SEEDS, SETTINGS, M, N), 0.3 * draw(1, SEEDS, SETTINGS, N)
    c = torch.full((SEEDS, SETTINGS, M), 20.0)
    shifted = b - (c[..., None, :] @ W)[..., 0, :]
    found = HiddenRelu(model, of, importance()).loss(
        {"W": W, "b": shifted, "c": c}, uniforms(of, 100_000)
    )
    expected = losses.exact_loss(W, b, of.probability, importance())
    assert torch.allclose(found, expected, rtol=0.03)


def test_permuted_neurons_are_the_same_model_and_a_rotation_is_another():
    of, given = features(IndependentFeatures), parameters(RELU_HIDDEN)
    target, u = HiddenRelu(RELU_HIDDEN, of, importance()), uniforms(of, 100)
    loss = target.loss(given, u)
    permuted = target.loss(given | {"W": given["W"][..., [2, 0, 1], :]}, u)
    assert torch.allclose(permuted, loss)
    R = torch.linalg.qr(draw(5, M, M)).Q
    rotated = target.loss(given | {"W": R @ given["W"]}, u)
    assert ((rotated - loss).abs() > 1e-3 * loss).all()


def test_dense_features_get_a_neuron_each():
    torch.set_default_dtype(torch.float32)
    procedure = Procedure(steps=600, learning_rate=0.03, warmup=50)
    run = train(
        IndependentFeatures(4, 1.0), 2, model=RELU_HIDDEN, importance=0.5 ** torch.arange(4),
        seeds=20, procedure=procedure,
    )  # fmt: skip
    best = run.best()["W"]
    assert neurons.code_names(neurons.serves(best)) == ["2 × 1 in 1"]
    assert neurons.serves(best)[:, :2].any(0).all()


def test_a_neuron_for_each_sign_computes_absolute_values_without_loss():
    torch.set_default_dtype(torch.float32)
    model = Model("absolute value", hidden=torch.relu, tied=False, target=torch.abs)
    W = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    of = SignedFeatures(2, torch.tensor([[0.5]]))
    target = HiddenRelu(model, of, torch.ones(1, 2))
    exact = {"W": W[None, None], "V": W.abs()[None, None], "b": torch.zeros(1, 1, 2)}
    u = torch.rand(1, 1000, 3, generator=torch.Generator().manual_seed(0))
    assert target.loss(exact, u).item() < 1e-12
    run = train(
        SignedFeatures(2, 0.5), 4, model=model, seeds=10,
        procedure=Procedure(steps=600, learning_rate=0.03),
    )  # fmt: skip
    assert run.expected_loss()[0].min() < 1e-3


def test_a_model_without_hidden_biases_is_one_whose_hidden_biases_are_0():
    model = Model("with", hidden=torch.relu, hidden_bias=True)
    without = Model("without", hidden=torch.relu)
    of, given = features(), parameters(without)
    zero = given | {"c": torch.zeros(SEEDS, SETTINGS, M)}
    u = uniforms(of)
    assert torch.allclose(
        HiddenRelu(model, of, importance()).loss(zero, u),
        HiddenRelu(without, of, importance()).loss(given, u),
    )


@pytest.mark.parametrize("settings", [(), (3,)])
def test_the_expected_loss_is_the_mean_over_plain_inputs(settings):
    of = IndependentFeatures(N, torch.full((*settings, 1), 0.4))
    given = {"W": draw(0, 50, *settings, M, N), "b": 0.3 * draw(1, 50, *settings, N)}
    mean, error = expected_loss(RELU_HIDDEN, given, of, importance()[0], samples=20_000)
    x = of.inputs(torch.rand(40_000, of.uniforms, generator=torch.Generator().manual_seed(9)))
    plain = losses.batch_loss(x, RELU_HIDDEN.reconstruct(given, x), importance()[0])
    assert mean.shape == error.shape == (50, *settings)
    assert torch.allclose(mean, plain, rtol=0.05)
    assert (error < 0.03 * mean).all()


def test_a_model_has_the_same_expected_loss_in_any_company():
    of = IndependentFeatures(N, torch.tensor([[0.4], [0.1]]))
    given = {"W": draw(0, 600, 2, M, N), "b": torch.zeros(600, 2, N)}
    whole, _ = expected_loss(RELU_HIDDEN, given, of, samples=256)
    alone, _ = expected_loss(RELU_HIDDEN, {k: v[-1:] for k, v in given.items()}, of, samples=256)
    assert torch.allclose(whole[-1:], alone)


def test_training_on_lowers_the_loss_of_models_that_see_the_same_inputs():
    p = torch.tensor([[0.4], [0.1]])
    given = {"W": 0.5 * draw(0, 8, 2, M, N), "b": torch.zeros(8, 2, N)}
    procedure, each = Procedure(steps=200), IndependentFeatures(N, p.expand(8, 2, 1))
    at = {"model": RELU_HIDDEN, "importance": importance()[0], "procedure": procedure}
    run = train(each, M, seeds=1, start=given, **at)
    here = IndependentFeatures(N, p)
    start, _ = expected_loss(RELU_HIDDEN, given, here, importance()[0], samples=512)
    end = {name: value[0] for name, value in run.parameters.items()}
    found, _ = expected_loss(RELU_HIDDEN, end, here, importance()[0], samples=512)
    assert (found < start).all()
