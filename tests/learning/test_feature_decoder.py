from __future__ import annotations

import pytest
import torch

from superpos.compute.streams import Purpose
from superpos.learning import decoder
from superpos.training.procedures import Procedure

SIZES = decoder.Sizes(features=8, inputs=6, neurons=12, probability=0.1)
HOW = Procedure(steps=300, batch_size=64, learning_rate=0.01)


def trained(seeds, bias=0.0, procedure=HOW):
    start = decoder.initial(SIZES, bias, seeds=seeds)
    return start, decoder.train(SIZES, start, procedure, seeds=seeds)


def test_training_lowers_the_loss_on_fresh_inputs_by_much():
    start, end = trained([0, 1])
    before, after = (decoder.loss(SIZES, model, seeds=[0, 1]) for model in (start, end))
    silent = SIZES.features * SIZES.probability / 3  # what no answer costs
    assert bool((after < 0.5 * silent).all())
    assert bool((after < before).all())


def test_the_projection_is_not_trained_and_a_seed_is_alone():
    start, end = trained([0, 1])
    assert torch.equal(start["P"], end["P"])
    _, alone = trained([1])
    assert all(torch.allclose(alone[name][0], end[name][1], atol=1e-5) for name in end)


def test_one_step_goes_against_the_gradient():
    start, end = trained([0], procedure=Procedure(steps=1, batch_size=512, learning_rate=1e-3))
    leaves = {name: value.clone().requires_grad_() for name, value in start.items()}
    decoder.loss(SIZES, leaves, seeds=[0]).sum().backward()
    for name in ("U", "c", "V"):
        moved, slope = end[name] - start[name], leaves[name].grad
        clear = slope.abs() > 0.5 * slope.abs().max()  # Adam's first step has the slope's sign
        assert bool((moved[clear].sign() == -slope[clear].sign()).all()), name


def test_features_have_their_probability_and_are_uniform():
    x = decoder.features(SIZES, 20_000, 0, seeds=[0], purpose=Purpose.INPUTS)
    assert (x > 0).double().mean().item() == pytest.approx(0.1, abs=0.005)
    assert x[x > 0].mean().item() == pytest.approx(0.5, abs=0.01)
    assert x.max() <= 1


def test_models_with_other_biases_start_alike_else():
    one, other = (decoder.initial(SIZES, bias, seeds=[3]) for bias in (0.0, -0.4))
    assert torch.equal(one["U"], other["U"])
    assert torch.equal(other["c"], torch.full_like(other["c"], -0.4))


def test_a_neuron_is_monosemantic_by_its_second_largest_response_and_silent_ones_do_not_count():
    response = torch.tensor([[1.0, 0.3, 0.0], [0.5, 0.2, 0.0], [0.0, 0.0, 0.0], [0.0, 2.0, 0.1]])
    assert decoder.monosemantic(response, second=0.3).item() == pytest.approx(2 / 3)
    assert decoder.monosemantic(response, second=0.4).item() == 1
    assert decoder.monosemantic(torch.zeros(2, 3), second=0.3) == 0


def test_responses_are_those_to_single_features_at_one():
    model = decoder.initial(SIZES, -0.1, seeds=[0])
    x = torch.eye(8)[None]
    hidden = (x @ model["P"].mT @ model["U"].mT + model["c"][:, None]).relu()
    assert torch.allclose(decoder.responses(model), hidden.mT, atol=1e-6)
    assert torch.allclose(decoder.answers(model, x), hidden @ model["V"].mT, atol=1e-6)
