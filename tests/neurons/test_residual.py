from __future__ import annotations

import pytest
import torch

from superpos import Procedure, SignedFeatures, train
from superpos.errors import InvalidArgument
from superpos.neurons import residual
from superpos.neurons.residual import RESIDUAL, RESIDUAL_LINEAR, tent


def alone(n: int) -> torch.Tensor:
    """Inputs ``(values × n, n)`` with one active feature."""
    return (torch.linspace(-1, 1, 41)[:, None, None] * torch.eye(n)).flatten(0, 1)


@pytest.mark.parametrize(("n", "m"), [(3, 3), (10, 5), (40, 10), (45, 10)])
def test_the_edge_code_is_exact_while_one_feature_is_active(n, m):
    x = alone(n)
    assert (RESIDUAL.reconstruct(residual.edge_code(n, m), x) - tent(x)).abs().max() < 1e-5


def test_the_edge_code_needs_its_output_relu_and_a_pair_of_neurons_for_each():
    x = alone(10)
    code = residual.edge_code(10, 5)
    assert (RESIDUAL_LINEAR.reconstruct(code, x) - tent(x)).abs().max() > 0.5
    with pytest.raises(InvalidArgument, match="n is 11: at most"):
        residual.edge_code(11, 5)


def test_as_many_functions_as_a_layer_has_neurons_are_exact_whatever_the_others_do():
    x = 2 * torch.rand(200, 6, generator=torch.Generator().manual_seed(0)) - 1
    y = RESIDUAL.reconstruct(residual.exact(6, 4), x)
    torch.testing.assert_close(y[:, :4], tent(x)[:, :4])
    torch.testing.assert_close(y[:, 4:], x[:, 4:].relu())


def test_one_neuron_helps_one_function_but_does_not_do_it():
    none, one = residual.single_losses([0.02, 0.5]) / torch.tensor([0.02, 0.5])
    # |x| · 1/2 with its best slope, on both sides, is one that a single neuron reaches
    slope = tent(torch.linspace(0, 1, 1001)) @ torch.linspace(0, 1, 1001) / 333.5
    folded = (tent(torch.linspace(0, 1, 1001)) - slope * torch.linspace(0, 1, 1001)).square().mean()
    assert (one <= folded + 1e-3).all()
    assert (none > one).all()
    assert (one > 0.01).all()
    assert none[0] < 1 / 12  # that of a model that answers 0


def test_the_naive_model_divides_its_neurons_as_is_best():
    assert residual.naive_loss(10, 3, [1.0, 1.0]) == 7  # exact ones
    assert residual.naive_loss(10, 3, [1.0, 0.1]) == pytest.approx(4.6)  # six halves
    assert residual.naive_loss(4, 3, [1.0, 0.4]) == pytest.approx(0.8)  # two exact, two halves


def test_no_model_with_a_linear_output_is_below_its_bound():
    features = SignedFeatures(8, 0.5)
    how = Procedure(steps=200, integrate=False)
    run = train(features, 2, model=RESIDUAL_LINEAR, seeds=2, procedure=how)
    assert (run.expected_loss(samples=4000)[0] > residual.linear_bound(8, 2, 0.5)).all()
    assert residual.linear_bound(4, 2, 0.5) == 0
