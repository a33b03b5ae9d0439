"""A price on hidden activity: its gradient, and what it does to one feature."""

from __future__ import annotations

import pytest
import torch

from superpos import RELU_OUTPUT, IndependentFeatures, Procedure, losses, train
from superpos.errors import InvalidArgument
from superpos.models import LINEAR
from superpos.training.objectives import objective
from superpos.training.priced import Priced

PRICES = torch.tensor([0.2, 0.5])


def some(seed: int = 0):
    """Parameters of three seeds at two settings, and draws."""
    draw = torch.Generator().manual_seed(seed)
    W = torch.randn(3, 2, 2, 4, generator=draw, dtype=torch.float64)
    b = torch.randn(3, 2, 4, generator=draw, dtype=torch.float64)
    return {"W": W, "b": b}, torch.rand(3, 50, 5, generator=draw, dtype=torch.float64)


@pytest.mark.parametrize("integrate", [True, False])
def test_the_gradient_is_that_of_the_loss(integrate):
    priced = Priced(
        n=4, probability=torch.tensor([[0.3], [0.6]]), price=PRICES, integrate=integrate
    )
    target, (parameters, u) = (
        objective(RELU_OUTPUT, priced, torch.ones(2, 4), integrate=True),
        some(),
    )
    leaves = {name: value.clone().requires_grad_() for name, value in parameters.items()}
    wanted = torch.autograd.grad(target.loss(leaves, u).sum(), list(leaves.values()))
    for found, value in zip(target.gradients(parameters, u).values(), wanted, strict=True):
        torch.testing.assert_close(found, value)


@pytest.mark.parametrize("integrate", [True, False])
def test_the_price_is_paid_for_the_expected_activity(integrate):
    """With one unit and positive weights, E|h| is Σ_i W_i p/2."""
    plain = IndependentFeatures(4, torch.tensor([[0.3], [0.6]]))
    priced = Priced(n=4, probability=plain.probability, price=PRICES, integrate=integrate)
    W = torch.tensor([[0.2, 0.5, 1.0, 0.3]]).expand(1, 2, 1, 4)
    parameters = {"W": W, "b": torch.zeros(1, 2, 4)}
    u = torch.rand(1, 200_000, 5, generator=torch.Generator().manual_seed(0))
    paid = priced.objective(RELU_OUTPUT, torch.ones(2, 4)).loss(parameters, u)
    free = objective(RELU_OUTPUT, plain, torch.ones(2, 4), integrate=integrate).loss(parameters, u)
    wanted = PRICES * torch.tensor([0.3, 0.6]) / 2 * 2.0
    torch.testing.assert_close((paid - free)[0], wanted, rtol=0.01, atol=0)


def test_one_feature_gets_shorter_with_the_price_and_at_last_dies():
    """Its length is the larger root of 8 (w - w³) = 3 λ, which there is up to λ = 1.03."""
    priced = Priced(n=1, probability=torch.tensor(0.1), price=torch.tensor([0.0, 0.4, 1.2]))
    start = {"W": torch.ones(1, 3, 1, 1), "b": torch.zeros(1, 3, 1)}
    run = train(priced, 1, seeds=1, procedure=Procedure(steps=1500), start=start)
    length = run.W[0, :, 0, 0].abs()
    torch.testing.assert_close(length[:2], torch.tensor([1.0, 0.9143]), rtol=0.03, atol=0)
    assert length[2] < 0.01
    loss = losses.exact_loss(run.W, run.b, 0.1)[0]
    assert (loss.diff() > 0).all()


def test_what_cannot_be_priced_is_refused():
    with pytest.raises(InvalidArgument, match="price has an entry of -1"):
        Priced(n=2, probability=torch.tensor(0.1), price=torch.tensor(-1.0))
    priced = Priced(n=2, probability=torch.tensor(0.1), price=torch.tensor(1.0))
    with pytest.raises(InvalidArgument, match="tied ReLU-output"):
        train(priced, 1, model=LINEAR, procedure=Procedure(steps=1))
