from __future__ import annotations

import pytest
import torch

from superpos.errors import InvalidArgument
from superpos.training.adam import Adam

SHAPES = {"W": (5, 2, 3), "b": (5, 3)}


def draws(steps: int) -> list[dict[str, torch.Tensor]]:
    """Gradients of very different sizes for each of some steps."""
    draw = torch.Generator().manual_seed(0)

    def one(shape):
        size = 10 ** (6 * torch.rand(shape, generator=draw, dtype=torch.float64) - 4)
        return size * torch.randn(shape, generator=draw, dtype=torch.float64)

    return [{name: one(shape) for name, shape in SHAPES.items()} for _ in range(steps)]


def begun(**settings) -> Adam:
    draw = torch.Generator().manual_seed(1)
    return Adam(
        {name: torch.randn(shape, generator=draw).double() for name, shape in SHAPES.items()},
        **settings,
    )


@pytest.mark.parametrize(("beta2", "weight_decay"), [(0.999, 0.0), (0.9, 0.1)])
def test_the_steps_are_those_of_the_formula(beta2, weight_decay):
    adam = begun(beta2=beta2, weight_decay=weight_decay)
    value = adam.parameters["W"].clone()
    mean, square = torch.zeros_like(value), torch.zeros_like(value)
    for t, gradients in enumerate(draws(20), 1):
        rate, g = 0.1 / t, gradients["W"]
        adam.step(gradients, rate)
        mean = 0.9 * mean + 0.1 * g
        square = beta2 * square + (1 - beta2) * g**2
        value *= 1 - rate * weight_decay
        value -= rate * (mean / (1 - 0.9**t)) / ((square / (1 - beta2**t)).sqrt() + 1e-8)
        assert torch.allclose(adam.parameters["W"], value, rtol=1e-12, atol=1e-14)


def test_a_gradient_may_lie_in_memory_as_it_likes():
    plain, transposed = begun(), begun()
    for gradients in draws(3):
        plain.step(gradients, 0.1)
        transposed.step(gradients | {"W": gradients["W"].mT.contiguous().mT}, 0.1)
    assert torch.equal(transposed.parameters["W"], plain.parameters["W"])


def test_parameters_that_are_not_contiguous_are_refused():
    with pytest.raises(InvalidArgument, match=r"W has strides \(1, 2\): a contiguous tensor"):
        Adam({"W": torch.zeros(3, 2).mT})


def test_a_model_takes_the_same_steps_in_any_company():
    whole = begun()
    alone = Adam({name: value[3:4].clone() for name, value in whole.parameters.items()})
    for gradients in draws(5):
        whole.step(gradients, 0.1)
        alone.step({name: value[3:4] for name, value in gradients.items()}, 0.1)
    for name, value in alone.parameters.items():
        assert torch.equal(value[0], whole.parameters[name][3])


def test_it_goes_on_from_what_it_remembered():
    whole, first = begun(), begun()
    for gradients in draws(6):
        whole.step(gradients, 0.1)
    for gradients in draws(6)[:4]:
        first.step(gradients, 0.1)
    new = Adam(first.parameters, mean=first.mean, square=first.square, steps=4)
    resumed = Adam({name: value.clone() for name, value in first.parameters.items()})
    resumed.mean, resumed.square = (
        {n: v.clone() for n, v in kind.items()} for kind in (first.mean, first.square)
    )
    resumed.resume(4)
    for gradients in draws(6)[4:]:
        new.step(gradients, 0.1)
        resumed.step(gradients, 0.1)
    for name, value in whole.parameters.items():
        assert torch.equal(new.parameters[name], value)
        assert torch.equal(resumed.parameters[name], value)
