from __future__ import annotations

import math

import pytest
import torch

from superpos.errors import InvalidArgument
from superpos.learning import polygons
from superpos.losses import exact_loss
from superpos.training.procedures import Procedure


def models(count: int, n: int, seed: int = 0):
    draw = torch.Generator().manual_seed(seed)
    W = torch.randn(count, 2, n, generator=draw, dtype=torch.float64)
    return W, 0.4 * torch.randn(count, n, generator=draw, dtype=torch.float64)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_closed_form_is_the_exact_loss_on_inputs_of_one_active_feature(n):
    W, b = models(40, n)
    assert torch.allclose(
        polygons.loss(W, b), exact_loss(W, b, polygons.inputs(n)), rtol=0, atol=1e-12
    )


def test_the_closed_form_is_the_mean_over_many_values():
    W, b = models(5, 4, seed=1)
    x = torch.diag_embed(((torch.arange(20_000) + 0.5) / 20_000).double()[:, None].expand(-1, 4))
    x = x.reshape(-1, 4)
    y = (x @ W.mT @ W + b[:, None]).relu()
    assert torch.allclose(polygons.loss(W, b), (y - x).square().sum(-1).mean(-1), atol=1e-6)


def test_the_gradient_is_the_slope_of_the_closed_form():
    W, b = models(3, 4, seed=2)
    assert torch.autograd.gradcheck(
        polygons.loss, (W.requires_grad_(), b.requires_grad_()), atol=1e-6
    )


def test_three_corners_do_without_loss_and_each_further_one_left_out_costs_a_mean_square():
    assert polygons.regular(3, 3).loss.item() == pytest.approx(0, abs=1e-12)
    for n in (4, 6):
        assert polygons.regular(n, 4).loss.item() == pytest.approx((n - 4) / n / 3, abs=1e-9)
    # with its mean as its answer, a feature costs its variance
    one = polygons.regular(5, 4, positive=1)
    assert one.b[4].item() == pytest.approx(1 / 10, abs=1e-6)
    assert one.loss.item() == pytest.approx(1 / 15 - 1 / 100, abs=1e-9)


@pytest.mark.parametrize(("k", "positive"), [(2, 0), (7, 0), (5, 2), (5, -1)])
def test_what_is_no_polygon_of_six_features_is_refused(k, positive):
    with pytest.raises(InvalidArgument, match="corners"):
        polygons.regular(6, k, positive=positive)


def test_corners_are_counted_by_length_and_regular_whichever_way_they_are_turned_and_named():
    W = polygons.regular(6, 5).W.float()
    turn = torch.tensor([[math.cos(1.0), -math.sin(1.0)], [math.sin(1.0), math.cos(1.0)]])
    for one in (W, turn @ W, W[:, [5, 3, 0, 4, 1, 2]]):
        assert polygons.corners(one) == 5
        assert polygons.is_regular(one, long=0.5, degrees=0.01)
    bent = W.clone()
    bent[:, 0] = turn @ W[:, 0]
    assert not polygons.is_regular(bent, long=0.5, degrees=15)
    assert polygons.is_regular(bent, long=0.5, degrees=90)
    assert polygons.corners(0.3 * W) == 0
    assert not polygons.is_regular(0.3 * W, long=0.5, degrees=15)


def test_two_opposite_features_are_no_polygon():
    W = torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.0, 0.0]])
    assert not polygons.is_regular(W, long=0.5, degrees=15)


def descent(seeds, steps=400, batch_size=32, **how):
    W = torch.stack(
        [0.3 * torch.randn(2, 4, generator=torch.Generator().manual_seed(s)) for s in seeds]
    )
    procedure = Procedure(
        steps=steps, batch_size=batch_size, learning_rate=0.1, warmup=0, cosine=False
    )
    return polygons.descend(W, torch.zeros(len(seeds), 4), procedure, seeds=seeds, **how)


def test_descent_takes_the_gradient_of_the_mean_error_of_its_batch():
    # one step on very many inputs is one step along the closed form's slope
    W = torch.randn(1, 2, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    b = torch.full((1, 4), 0.05, dtype=torch.float64)
    procedure = Procedure(steps=1, batch_size=10_000, learning_rate=1.0, warmup=0, cosine=False)
    moved_W, moved_b = polygons.descend(W, b, procedure, seeds=[0])
    leaf_W, leaf_b = W.clone().requires_grad_(), b.clone().requires_grad_()
    by_W, by_b = torch.autograd.grad(polygons.loss(leaf_W, leaf_b).sum(), (leaf_W, leaf_b))
    assert torch.allclose(moved_W[0], W - by_W, atol=0.02)
    assert torch.allclose(moved_b[0], b - by_b, atol=0.02)


def test_descent_goes_down_and_a_seed_has_its_own_course_whatever_runs_beside_it():
    W, b = descent([0, 1, 2], record=[0, 400])
    assert bool((polygons.loss(W[1], b[1]) < polygons.loss(W[0], b[0])).all())
    alone, _ = descent([1])
    assert torch.allclose(alone[0, 0], W[1, 1], atol=1e-5)


def test_models_of_one_seed_side_by_side_see_the_same_inputs():
    W = torch.randn(1, 1, 2, 4, generator=torch.Generator().manual_seed(0)).expand(1, 2, 2, 4)
    procedure = Procedure(steps=30, batch_size=8, learning_rate=0.1, warmup=0, cosine=False)
    found, _ = polygons.descend(W, torch.zeros(1, 2, 4), procedure, seeds=[5])
    assert torch.equal(found[0, 0, 0], found[0, 0, 1])
