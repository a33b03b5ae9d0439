"""The ladder against the exact loss, closed forms, and what it says of itself."""

from __future__ import annotations

import pytest
import torch

from superpos import losses, optima
from superpos.codes import thomson
from superpos.codes.polytopes import POLYTOPES, Polytope
from superpos.errors import InvalidArgument
from superpos.optima import ladder

P = torch.tensor([0.95, 0.7, 0.5, 0.2, 0.1], dtype=torch.float64)


@pytest.mark.parametrize("name", ["digon", "triangle", "pentagon", "square antiprism"])
def test_a_rung_has_the_exact_loss_and_is_stationary(name):
    polytope = POLYTOPES[name]
    found = ladder.rung(polytope, P)
    W = (polytope.points * found.size[:, None, None].sqrt()).requires_grad_()
    b = found.bias[:, None].repeat(1, polytope.corners).requires_grad_()
    exact = losses.exact_loss(W, b, P[:, None])
    assert torch.allclose(exact / polytope.corners, found.loss, atol=2e-7, rtol=0)
    by_W, by_b = torch.autograd.grad(exact.sum(), (W, b))
    assert by_b.abs().max() < 1e-4
    if polytope.name != "square antiprism":  # whose height is not the best at every p
        assert by_W.abs().max() < 1e-4


def test_newton_on_the_exact_loss_stays_there():
    polytope = POLYTOPES["pentagon"]
    found = ladder.rung(polytope, 0.1)
    W, b = polytope.points * found.size.sqrt(), found.bias.expand(5)
    optimum = optima.minimise(W, b, 0.1)
    assert optimum.loss / 5 == pytest.approx(found.loss.item(), abs=1e-7)


def test_a_feature_alone_is_read_as_it_is():
    alone = ladder.rung(POLYTOPES["single feature"], P)
    assert torch.allclose(alone.loss, torch.zeros_like(P), atol=1e-9)
    assert torch.allclose(alone.saved, torch.ones_like(P), atol=1e-7)


def test_a_large_polytope_has_the_loss_that_sampling_gives():
    polytope = POLYTOPES["half 5-cube"]
    found = ladder.rung(polytope, 0.15)
    mean, error = losses.even_loss(
        polytope.points * found.size.sqrt(), found.bias.expand(16), 0.15, samples=16_384, seed=0
    )
    assert abs(mean / 16 - found.loss) < 4 * error / 16
    assert error < 0.002 * mean


def test_interference_has_the_moments_of_a_sum():
    polytope = POLYTOPES["half 5-cube"]
    places, weights = ladder.interference(polytope, P)
    mean, variance = losses.active_moments(P)
    c = torch.tensor([value for value, count in polytope.cosines for _ in range(count)]).double()
    assert torch.allclose(weights.sum(-1), torch.ones_like(P))
    assert torch.allclose(weights @ places, mean * c.sum())
    second = variance * c.square().sum() + (mean * c.sum()) ** 2
    assert torch.allclose(weights @ places.square(), second)


def test_interference_is_extrapolated_to_the_fourth_order():
    polytope = POLYTOPES["triangle"]

    def expectation(step):
        places, weights = ladder.interference(polytope, P[-1:], step)
        return weights @ (3 * places).cos()

    rough, fine, exact = (expectation(step) for step in (1 / 8, 1 / 16, 1 / 128))
    assert (rough - exact).abs() > 12 * (fine - exact).abs()


def test_a_wide_lattice_does_not_add_up_rounding():
    polytope, sparse = POLYTOPES["McLaughlin's 275"], torch.tensor([0.02], dtype=torch.float64)
    squares = [
        weights @ places.square()
        for places, weights in (
            ladder.interference(polytope, sparse, step) for step in (1 / 64, 1 / 512)
        )
    ]
    assert torch.allclose(*squares, rtol=1e-10)


# where one takes over from the next, from exact losses by all faces of the cube, to twelve digits
TAKEOVERS = {
    ("tetrahedron", "5-cell"): 0.927751800430,
    ("triangle", "tetrahedron"): 0.800264589213,
    ("digon", "triangle"): 0.644240364461,
    ("pentagon", "digon"): 0.224875449364,
}


@pytest.mark.parametrize(("sparser", "denser"), TAKEOVERS)
def test_polytopes_take_over_where_exact_losses_do(sparser, denser):
    at = TAKEOVERS[sparser, denser]
    pair = POLYTOPES[sparser], POLYTOPES[denser]
    assert ladder.takes_over(*pair, at - 0.02, at + 0.02) == pytest.approx(at, abs=3e-6)


def test_two_polytopes_save_as_much_where_one_takes_over():
    pair = POLYTOPES["half 5-cube"], POLYTOPES["square antiprism"]
    at = ladder.takes_over(*pair, 0.15, 0.21)
    one, other = (ladder.rung(polytope, at).saved for polytope in pair)
    assert one == pytest.approx(other.item(), abs=1e-10)


def test_a_stack_has_the_loss_of_its_model():
    found = ladder.stack(11, 4, 0.3)
    assert found.W.shape == (4, 11)
    mean, error = losses.even_loss(found.W, found.b, 0.3, samples=16_384, seed=0)
    assert abs(mean - found.loss) < 4 * error + 1e-7
    gram = found.W.mT @ found.W
    assert gram[8:].abs().max() == 0  # four digons, and three features left out
    assert found.counts == {"digon": 4}


def test_a_stack_fills_what_dimensions_are_left_and_has_no_more_features_than_there_are():
    sparse = ladder.stack(400, 7, 0.15)
    assert sum(POLYTOPES[name].dimension * k for name, k in sparse.counts.items()) == 7
    few = ladder.stack(6, 7, 0.15)
    assert sum(POLYTOPES[name].corners * k for name, k in few.counts.items()) <= 6
    assert few.loss == pytest.approx(0, abs=1e-7)


def test_nothing_saves_more_than_its_variance_and_every_rung_less_when_denser():
    for rung in ladder.ladder(P, list(POLYTOPES.values())[:10]):
        assert (rung.saved <= rung.polytope.corners / rung.polytope.dimension + 1e-9).all()
        assert (rung.saved.diff() >= -1e-9).all()  # P falls


def test_nonsense_is_refused():
    with pytest.raises(InvalidArgument, match="probability has a 0"):
        ladder.rung(POLYTOPES["digon"], [0.5, 0.0])
    with pytest.raises(InvalidArgument, match="does not overtake"):
        ladder.takes_over(POLYTOPES["digon"], POLYTOPES["triangle"], 0.9, 0.95)
    with pytest.raises(InvalidArgument, match="m is 0"):
        ladder.stack(5, 0, 0.5)


def test_polytopes_of_ones_own_can_be_compared():
    hexagon = Polytope("hexagon", lambda: thomson.polygon(6))
    assert ladder.rung(hexagon, 0.02).saved > ladder.rung(POLYTOPES["pentagon"], 0.02).saved
