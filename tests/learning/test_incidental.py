from __future__ import annotations

import pytest
import torch

from superpos.learning import incidental
from superpos.training.procedures import Procedure

HOW = Procedure(steps=1500, learning_rate=0.05, warmup=0, cosine=False)


def test_each_feature_ends_on_one_neuron():
    W = incidental.descend(incidental.initial(6, 24, seeds=range(4)), 0.2, HOW)
    large = W.abs() >= 0.5
    assert bool((large.sum(-2) == 1).all())
    assert bool((W.abs()[~large] < 1e-3).all())


def test_without_a_penalty_features_stay_spread_over_neurons():
    W = incidental.descend(incidental.initial(3, 24, seeds=range(4)), 0.0, HOW)
    assert torch.allclose(W.norm(dim=-2), torch.ones(4, 3), atol=0.01)
    assert bool((W.abs() < 0.9).all())


def test_two_features_of_opposite_signs_share_a_neuron_and_two_of_the_same_sign_part():
    strong = torch.tensor([[0.6, 0.6], [0.2, 0.1]])
    apart = incidental.descend(strong, 0.2, HOW)
    shared = incidental.descend(strong * torch.tensor([1.0, -1.0]), 0.2, HOW)
    assert incidental.collisions(shared) == 1
    assert incidental.collisions(apart) == 0


def test_collisions_are_pairs_on_a_neuron():
    W = torch.zeros(3, 5)
    W[0, :3] = 1  # three pairs
    W[1, 3:] = torch.tensor([0.5, -0.5])
    W[2, 0] = 0.4
    assert incidental.collisions(W) == 4
    assert incidental.collisions(W, half=0.6) == 3
    assert incidental.collisions(W.expand(2, 3, 5)).tolist() == [4, 4]


def test_initial_values_have_the_variance_told():
    W = incidental.initial(20, 400, seeds=range(3), scale=2.0)
    assert W.var().item() == pytest.approx(4 / 400, rel=0.05)
    assert torch.equal(W[1:2], incidental.initial(20, 400, seeds=[1], scale=2.0))
