from __future__ import annotations

import pytest
import torch

from superpos import geometry, losses
from superpos.errors import InvalidArgument
from superpos.features import CorrelatedSets
from superpos.losses import exact_loss
from superpos.optima import minimise, newton


def starts(models: int, n: int, m: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(models, m, n, generator=generator) * 0.5, torch.zeros(models, n)


@pytest.fixture(scope="module")
def planes():
    """Forty starts of five features in a plane at 90 % sparsity."""
    return minimise(*starts(40, 5, 2), 0.1, 0.9 ** torch.arange(5))


def test_every_start_ends_where_the_gradient_vanishes(planes):
    assert planes.converged.all()
    W, b = planes.W.clone().requires_grad_(), planes.b.clone().requires_grad_()
    loss = exact_loss(W, b, 0.1, 0.9 ** torch.arange(5))
    gradients = torch.autograd.grad(loss.sum(), (W, b))
    norm = torch.cat([gradients[0].flatten(1), gradients[1]], dim=-1).norm(dim=-1)
    assert (norm <= 1.01e-8).all()
    assert torch.allclose(planes.gradient_norm, norm, atol=1e-12)
    assert torch.allclose(planes.loss, loss, rtol=1e-12)


def test_where_it_ends_is_no_saddle(planes):
    W, b = planes.W, planes.b
    generator = torch.Generator().manual_seed(1)
    for _ in range(20):
        nearby = exact_loss(
            W + 1e-3 * torch.randn(W.shape, generator=generator),
            b + 1e-3 * torch.randn(b.shape, generator=generator),
            0.1,
            0.9 ** torch.arange(5),
        )
        assert (nearby > planes.loss).all()


def test_the_best_of_many_starts_is_the_pentagon(planes):
    best = planes.best()
    assert best.loss == planes.loss.min()
    assert geometry.represented(best.W).all()
    gaps = geometry.angular_gaps(best.W)
    assert gaps.min() > 54
    assert gaps.max() < 90


def test_a_pair_of_sparse_features_costs_less_than_without_biases():
    found = minimise(*starts(20, 2, 1), 0.1).best()
    assert geometry.cosines(found.W)[0, 1] == pytest.approx(-1)
    assert 0.9 * 0.1**2 / 3 < found.loss < 0.1**2 / 3  # an exact pair costs p²/3


def test_dense_inputs_leave_the_less_important_of_two_features_out():
    found = minimise(*starts(20, 2, 1), 1.0, [0.5, 1.0]).best()
    assert geometry.squared_norms(found.W).tolist() == pytest.approx([0, 1], abs=1e-6)
    assert found.loss.item() == pytest.approx(0.5 / 12)  # the variance of the one left out


def test_settings_are_minimised_each_for_itself():
    W, b = starts(6, 3, 2)
    p = torch.tensor([[0.2], [0.6]])
    importance = torch.tensor([1.0, 0.5, 0.2])
    both = minimise(W[:, None], b[:, None], p, importance)
    assert both.W.shape == (6, 2, 2, 3)
    assert both.loss.shape == both.steps.shape == (6, 2)
    for k in range(2):
        alone = minimise(W, b, p[k], importance)
        assert torch.allclose(both.loss[:, k], alone.loss, rtol=1e-9)


def test_it_does_not_matter_how_models_are_cut(monkeypatch):
    whole = minimise(*starts(9, 2, 1), 0.3)
    monkeypatch.setattr(newton, "_FACES_AT_ONCE", 40)
    cut = minimise(*starts(9, 2, 1), 0.3)
    assert torch.allclose(whole.W, cut.W, atol=1e-9)


def test_it_takes_a_distribution():
    features = CorrelatedSets(2, 2, 0.1)
    found = minimise(*starts(10, 4, 2), features).best()
    assert found.loss.item() == pytest.approx(exact_loss(found.W, found.b, features).item())


def test_rotated_starts_end_at_the_same_loss():
    W, b = starts(5, 3, 2)
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]])
    one, other = minimise(W, b, 0.2), minimise(turn @ W, b, 0.2)
    assert torch.allclose(one.loss, other.loss, rtol=1e-6)


def test_giving_up_is_told():
    found = minimise(*starts(5, 5, 2), 0.1, max_steps=1)
    assert not found.converged.any()
    assert (found.steps == 1).all()
    assert (found.gradient_norm > 1e-8).all()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"tolerance": 0}, "tolerance"),
        ({"max_steps": 0}, "max_steps"),
        ({"probability": 1.5}, "probability is 1.5"),
        ({"probability": CorrelatedSets(2, 2, 0.1)}, "has 4 features: n = 3 is needed"),
        ({"W": torch.full((2, 3), torch.nan)}, "W has an entry that is NaN"),
        ({"W": torch.zeros(2, 15), "b": torch.zeros(15)}, "n of at most 14"),
    ],
)
def test_bad_input_is_told(change, told):
    good = dict(W=torch.zeros(2, 3), b=torch.zeros(3), probability=0.5)
    with pytest.raises(InvalidArgument, match=told):
        minimise(**good | change)


def test_descent_from_the_published_start_is_beaten():
    """Gradient descent, even long, cannot be better than the best of ten exact optima."""
    from superpos import IndependentFeatures, Procedure, train

    run = train(IndependentFeatures(3, 0.2), 2, seeds=3, procedure=Procedure(steps=500))
    best = minimise(*starts(10, 3, 2), 0.2).best()
    assert (losses.exact_loss(run.W, run.b, 0.2) >= best.loss * (1 - 1e-9)).all()


def test_the_hessian_is_that_of_the_loss():
    W, b = starts(2, 3, 2)
    found = newton.hessian(W, b + 0.1, 0.3, [1.0, 0.5, 0.2])
    for k in range(2):

        def loss(place, k=k):
            return exact_loss(place[:6].reshape(2, 3), place[6:], 0.3, [1.0, 0.5, 0.2])

        place = torch.cat([W[k].flatten(), b[k] + 0.1]).double()
        expected = torch.autograd.functional.hessian(loss, place)
        assert torch.allclose(found[k], expected, atol=1e-10)


def test_minima_curve_upwards_but_for_rotations(planes):
    curvature = newton.least_curvature(planes.W, planes.b, 0.1, 0.9 ** torch.arange(5))
    assert (curvature > 1e-4).all()
    flat = torch.linalg.eigvalsh(newton.hessian(planes.W, planes.b, 0.1, 0.9 ** torch.arange(5)))
    assert (flat[:, 0].abs() < 1e-6).all()  # one turn of the plane
    assert torch.allclose(flat[:, 1], curvature, rtol=1e-6)


def test_a_symmetric_start_may_end_at_a_saddle_and_its_curvature_tells():
    found = minimise(torch.zeros(1, 2), torch.full((2,), 0.1), 0.1)
    assert found.converged
    assert newton.least_curvature(found.W, found.b, 0.1) < 0
