from __future__ import annotations

import torch

from superpos.losses import exact_loss
from superpos.neurons import interference

DRAW = torch.Generator().manual_seed(0)
W = torch.randn(2, 4, generator=DRAW).double()
B = 0.2 * torch.randn(4, generator=DRAW).double()


def test_a_tied_model_has_the_exact_loss():
    found = interference.weights_loss(W.mT @ W, B, 0.2)
    assert torch.allclose(found, exact_loss(W, B, 0.2), atol=1e-12)


def test_harm_is_what_setting_one_weight_to_zero_takes_off():
    found = interference.harm(W, B, 0.2)
    V = W.mT @ W
    before = interference.weights_loss(V, B, 0.2)
    V[1, 3] = 0
    assert torch.allclose(found[1, 3], before - interference.weights_loss(V, B, 0.2))
    assert bool((found.diagonal() == 0).all())


def test_orthogonal_features_do_no_harm():
    found = interference.harm(torch.eye(3), torch.zeros(3), 0.3)
    assert float(found.abs().max()) < 1e-12


def test_to_first_order_harm_is_the_weight_times_the_slope_where_weights_are_small():
    tilted = torch.eye(3).double()
    tilted[0, 1] = 1e-4
    b = torch.full((3,), 0.05, dtype=torch.float64)
    exact = interference.harm(tilted, b, 0.2)
    linear = interference.first_order(tilted, b, 0.2)
    assert torch.allclose(linear, exact, rtol=1e-2, atol=1e-10)
    assert float(linear[0, 1].abs()) > 1e-7


def test_positive_weights_harm_more_than_negative_ones_between_sparse_features():
    found = interference.harm(torch.tensor([[1.0, 0.5, -0.5]]), torch.zeros(3), 0.05)
    assert float(found[0, 1]) > 5 * abs(float(found[0, 2]))
