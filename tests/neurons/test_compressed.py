from __future__ import annotations

import pytest
import torch

from superpos import Procedure, SignedFeatures
from superpos.errors import InvalidArgument
from superpos.neurons import compressed


def test_the_covariance_is_that_of_sampled_targets():
    M = compressed.mixing(6, 20, seeds=[0])[0]
    features = SignedFeatures(6, 0.4)
    x = features.inputs(torch.rand(400_000, 7, generator=torch.Generator().manual_seed(0)))
    sampled = torch.cov((x.relu() + x @ M.T).T)
    torch.testing.assert_close(compressed.covariance(M, 0.4), sampled, atol=1e-3, rtol=0.02)


def test_no_linear_read_out_of_a_perfect_code_is_below_the_bound():
    # hidden units that are told the best of all: the targets' principal components
    M = compressed.mixing(8, 30, seeds=[3])
    x = SignedFeatures(8, 0.3).inputs(torch.rand(200_000, 9))
    y = x.relu() + x @ M[0].T
    centred = (y - y.mean(0)).double()
    vectors = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -5:]
    left = (centred - centred @ vectors @ vectors.T).square().sum(-1).mean()
    assert left == pytest.approx(compressed.least_loss(M, 5, 0.3).item(), rel=0.02)


def test_mixing_lowers_the_bound_and_without_it_biases_alone_reach_it():
    none, some, much = (
        compressed.least_loss(compressed.mixing(40, d, seeds=[0]), 20, 0.05)
        for d in (None, 1000, 200)
    )
    assert none > some > much
    assert none.item() == pytest.approx(compressed.naive_loss(40, 20, 0.05, bias=True), rel=1e-6)
    assert none.item() < compressed.naive_loss(40, 20, 0.05)


def test_the_loss_of_a_layer_by_hand_is_what_it_leaves_out():
    M = torch.zeros(1, 4, 4)
    own = torch.eye(3, 4)[None]
    model = {"W": own, "V": own, "b": torch.zeros(1, 4)}
    loss, error = compressed.loss(model, M, 0.2, seeds=[0])
    assert abs(loss.item() - compressed.naive_loss(4, 3, 0.2)) < 4 * error.item()


def test_training_with_mixing_uses_its_large_eigenvalues_and_biases_only_if_told():
    M = compressed.mixing(20, 60, seeds=[0, 1])
    how = Procedure(steps=400, learning_rate=0.01)
    model = compressed.train(M, 10, 0.05, how, seeds=[0, 1])
    assert (model["b"] == 0).all()
    assert (compressed.in_top(model["W"], M, 10) > 0.6).all()
    assert (compressed.in_top(torch.eye(20)[None], M, 10) - 0.5).abs().max() < 1e-4
    biased = compressed.train(0 * M, 10, 1.0, how, seeds=[0, 1], bias=True)
    assert (biased["b"].abs().amax(-1) > 0.05).all()


def test_seeds_give_the_same_layer_whatever_others_are_trained():
    M = compressed.mixing(6, 30, seeds=[4, 5])
    how = Procedure(steps=20)
    both = compressed.train(M, 3, 0.1, how, seeds=[4, 5])
    alone = compressed.train(M[1:], 3, 0.1, how, seeds=[5])
    torch.testing.assert_close(both["W"][1:], alone["W"])


def test_densities_and_sizes_are_checked():
    with pytest.raises(InvalidArgument, match="p is 2"):
        compressed.naive_loss(4, 2, 2.0)
    with pytest.raises(InvalidArgument, match="m is 5"):
        compressed.least_loss(torch.zeros(4, 4), 5, 0.1)
