from __future__ import annotations

import pytest
import torch

from superpos import losses
from superpos.errors import InvalidArgument
from superpos.learning import widths
from superpos.training.procedures import Procedure

HOW = Procedure(steps=400, learning_rate=0.02, batch_size=64)
P = widths.frequencies(40, 1.5)["i^-1"][None].float()


def test_decay_that_is_negative_keeps_all_features_and_positive_drops_the_rare():
    strong, weak = (widths.train(P, 4, decay, HOW, seeds=[0, 1])[0] for decay in (-5.0, 2.0))
    assert (strong.norm(dim=-2) > 0.5).double().mean() > 0.9
    kept = weak.norm(dim=-2) > 0.5
    assert 1 <= kept.sum(-1).max() <= 12
    assert kept[..., :5].sum() > kept[..., 20:].sum()


def test_training_lowers_the_loss_and_seeds_are_models_of_their_own():
    W, b = widths.train(P, 4, 0.0, HOW, seeds=[3, 4])
    none = losses.expected_loss(0 * W, P.expand_as(b) / 2, P, samples=2000, seed=0)[0]
    assert (losses.expected_loss(W, b, P, samples=2000, seed=0)[0] < 0.9 * none).all()
    alone, _ = widths.train(P, 4, 0.0, HOW, seeds=[4])
    assert torch.allclose(W[1], alone[0], atol=1e-4)
    assert not torch.allclose(W[0], W[1], atol=1e-2)


def test_frequencies_are_falling_probabilities():
    for name, p in widths.frequencies(50, 3.0).items():
        assert (p.diff() <= 0).all(), name
        assert (p > 0).all(), name
        assert (p <= 1).all(), name
    laws = widths.frequencies(50)
    assert widths.exponent(laws["i^-1.5"], range(1, 51)).item() == pytest.approx(1.5)


def test_what_is_left_out_is_what_a_model_of_the_rest_loses():
    p = torch.tensor([0.1, 0.5, 0.3])
    W, b = torch.zeros(1, 3), p / 2
    W[0, 1], b[1] = 1, 0
    found = losses.exact_loss(W, b, p).item()
    assert widths.left_out(p, 1).item() == pytest.approx(found, abs=1e-6)


def test_probabilities_without_settings_are_refused():
    with pytest.raises(InvalidArgument, match="settings, n"):
        widths.train(P[0], 4, 0.0, HOW, seeds=[0])
