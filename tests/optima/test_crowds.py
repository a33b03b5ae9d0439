from __future__ import annotations

import pytest
import torch

from superpos import losses
from superpos.codes import random_code, rugs
from superpos.codes.polytopes import POLYTOPES
from superpos.errors import InvalidArgument
from superpos.optima import crowds, ladder


@pytest.mark.parametrize("name", ["digon", "pentagon", "half 5-cube"])
def test_the_best_of_a_known_distribution_is_that_of_the_ladder(name):
    p = torch.tensor([0.2], dtype=torch.float64)
    places, weights = ladder.interference(POLYTOPES[name], p)
    rung, found = ladder.rung(POLYTOPES[name], p), crowds.at_best(places, weights[0], 0.2)
    assert found.loss.item() == pytest.approx(rung.loss.item(), abs=1e-8)
    assert found.size.item() == pytest.approx(rung.size.item(), abs=1e-3)
    assert found.bias.item() == pytest.approx(rung.bias.item(), abs=1e-3)


def test_a_large_rug_loses_what_gaussian_interference_does():
    rug = ladder.rung(rugs.as_polytope(512, 128), 0.3)
    assert crowds.gaussian(0.3, 4.0).loss.item() == pytest.approx(rug.loss.item(), rel=0.01)


def test_no_interference_costs_nothing_and_more_of_it_more():
    loss = crowds.gaussian(0.1, torch.tensor([1.0, 1.5, 3.0, 9.0])).loss
    assert loss[0] < 1e-9
    assert (loss.diff() > 0).all()
    assert loss[-1] < 0.1 / 3 - 0.1**2 / 4  # that of leaving the feature out


def test_a_random_code_loses_more_than_a_rug_and_less_at_its_own_length_and_bias():
    code = random_code(128, 32)
    W, b = crowds.of_code(code, 0.1, samples=500)
    given = {"samples": 4000, "seed": 3}
    loss = losses.expected_loss(W, b, 0.1, **given)[0] / 128
    assert loss > ladder.rung(rugs.as_polytope(128, 32), 0.1).loss
    for other in ((W * 1.1, b), (W * 0.9, b), (W, b + 0.03), (W, b - 0.03), (W, b.mean())):
        b_other = other[1].expand(128)
        assert losses.expected_loss(other[0], b_other, 0.1, **given)[0] / 128 > loss


@pytest.mark.parametrize(
    "call",
    [
        lambda: crowds.gaussian(0.0, 2.0),
        lambda: crowds.gaussian(0.1, 0.5),
        lambda: crowds.at_best(torch.zeros(2), torch.ones(3), 0.1),
        lambda: crowds.at_best(torch.zeros(2), torch.ones(2), 0.0),
        lambda: crowds.at_best(torch.zeros(2), torch.zeros(2), 0.1),
        lambda: crowds.of_code(torch.eye(2), 1.5, samples=10),
    ],
)
def test_what_is_no_crowd_is_refused(call):
    with pytest.raises(InvalidArgument):
        call()


@pytest.mark.parametrize("load", [16.0, 64.0, 100.0])
def test_where_all_are_active_and_crowded_it_is_as_good_as_a_linear_model(load):
    found = crowds.gaussian(1.0, load).loss.item()
    assert found <= (1 - 1 / load) / 12 * (1 + 1e-6)


def test_wide_interference_costs_no_more_than_leaving_out():
    found = crowds.at_best(torch.tensor([-3.0, 3.0]), torch.ones(2), 1.0)
    assert found.loss.item() <= 1 / 12 * 9 / (9 + 1 / 12) * (1 + 1e-6)  # a linear answer
