from __future__ import annotations

import pytest
import torch

from superpos.models import LINEAR, RELU_HIDDEN, RELU_OUTPUT, Model

UNTIED = Model("untied", tied=False)


def parameters(*names: str) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    return {
        name: torch.randn((3, 4) if name in "WV" else (4,), generator=draw)
        for name in names
    }  # fmt: skip


X = torch.rand(6, 4, generator=torch.Generator().manual_seed(1))


def test_the_linear_model_multiplies_by_W_transposed_W():
    given = parameters("W", "b")
    W, b = given["W"], given["b"]
    assert torch.allclose(LINEAR.reconstruct(given, X), X @ (W.T @ W) + b, atol=1e-5)


def test_the_relu_output_model_cuts_the_linear_one_off_at_0():
    given = parameters("W", "b")
    expected = LINEAR.reconstruct(given, X).clamp_min(0)
    assert (expected == 0).any()
    assert torch.equal(RELU_OUTPUT.reconstruct(given, X), expected)


def test_the_relu_hidden_model_cuts_off_both_layers():
    given = parameters("W", "b")
    W, b = given["W"], given["b"]
    expected = ((X @ W.T).clamp_min(0) @ W + b).clamp_min(0)
    assert torch.allclose(RELU_HIDDEN.reconstruct(given, X), expected, atol=1e-5)


def test_an_untied_model_reads_out_with_V():
    given = parameters("W", "V", "b")
    expected = (X @ given["W"].T @ given["V"] + given["b"]).clamp_min(0)
    assert torch.allclose(UNTIED.reconstruct(given, X), expected, atol=1e-5)


def test_initial_weights_of_a_seed_are_the_same_whichever_others_are_beside_it():
    many = UNTIED.initial(5, 2, seeds=[0, 7, 3], count=2)
    one = UNTIED.initial(5, 2, seeds=[7])
    assert {name: value.shape for name, value in many.items()} == {
        "b": (3, 2, 5), "W": (3, 2, 2, 5), "V": (3, 2, 2, 5),
    }  # fmt: skip
    for name, value in many.items():
        assert torch.equal(value[1, :1], one[name][0])


def test_the_models_of_one_seed_start_alike_and_those_of_others_do_not():
    W = RELU_OUTPUT.initial(5, 2, seeds=[0, 1], count=3)["W"]
    assert torch.equal(W[:, 0], W[:, 2])
    assert not torch.equal(W[0], W[1])


def test_the_encoder_and_an_untied_decoder_start_apart():
    started = UNTIED.initial(5, 2, seeds=[0])
    assert not torch.equal(started["W"], started["V"])


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_initial_weights_have_the_stated_size_and_biases_are_0(scale):
    n, m = 60, 10
    started = RELU_OUTPUT.initial(n, m, seeds=range(40), scale=scale)
    expected = scale * (2 / (m * (n + m))) ** 0.5
    count = started["W"].numel()
    # a sample standard deviation has a standard error of σ/√(2N)
    assert started["W"].std().item() == pytest.approx(expected, rel=5 / (2 * count) ** 0.5)
    assert started["W"].mean().abs() < 5 * expected / count**0.5
    assert (started["b"] == 0).all()


@pytest.mark.parametrize("model", [LINEAR, RELU_HIDDEN, UNTIED], ids=lambda model: model.name)
def test_with_centred_biases_the_mean_input_comes_out_as_it_is(model):
    parameters = model.initial(5, 2, seeds=[0, 1], count=3, scale=3.0)
    mean = torch.rand(3, 5, generator=torch.Generator().manual_seed(0))
    parameters["b"] = model.centred(parameters, mean)
    output = model.reconstruct(parameters, mean[:, None])[..., 0, :]
    assert torch.allclose(output, mean.expand(2, 3, 5), atol=1e-6)
