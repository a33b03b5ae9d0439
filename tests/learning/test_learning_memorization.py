from __future__ import annotations

import pytest
import torch

from superpos import Procedure
from superpos.errors import Diverged, InvalidArgument
from superpos.learning import memorization
from superpos.learning.memorization import (
    SparseExamples,
    descend,
    draw,
    loss,
    trained,
)


def parameters(n, m=2, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(m, n, generator=g), torch.randn(n, generator=g) / 4


def dense_loss(W, b, x):
    return (torch.relu(x @ W.T @ W + b) - x).square().sum(-1).mean()


# Examples


def test_examples_have_length_one_and_no_feature_twice():
    examples = draw(50, 400, 0.1, seed=3)
    assert torch.allclose(examples.dense().norm(dim=1), torch.ones(400))
    number = (examples.values > 0).sum(1)
    assert torch.equal((examples.dense() > 0).sum(1), number)
    assert number.min() >= 1


def test_features_are_active_as_often_as_asked_given_that_some_is():
    p, n = 0.02, 60
    often = (draw(n, 20_000, p, seed=0).dense() > 0).float().mean()
    expected = p / (1 - (1 - p) ** n)
    assert abs(often - expected) < 5 * (expected / (20_000 * n)) ** 0.5


def test_a_seed_selects_the_examples_and_tests_are_others():
    first, again = draw(100, 9, 0.05, seed=1), draw(100, 9, 0.05, seed=1)
    assert torch.equal(first.dense(), again.dense())
    for other in (draw(100, 9, 0.05, seed=2), draw(100, 9, 0.05, seed=1, test=True)):
        assert not torch.equal(first.dense(), other.dense())


@pytest.mark.parametrize("probability", [0, 1, -0.1, 1.5])
def test_a_probability_must_leave_something_to_draw(probability):
    with pytest.raises(InvalidArgument, match="probability"):
        draw(10, 3, probability, seed=0)


def test_hidden_vectors_and_loss_are_those_of_the_dense_inputs(monkeypatch):
    examples, (W, b) = draw(80, 30, 0.05, seed=0), parameters(80)
    x = examples.dense()
    assert torch.allclose(examples.hidden(W), W @ x.T, atol=1e-5)
    whole = loss(W, b, examples)
    assert torch.allclose(whole, dense_loss(W, b, x), rtol=1e-5)
    monkeypatch.setattr(memorization, "_AT_ONCE", 7 * 80)  # in pieces of seven
    assert torch.allclose(loss(W, b, examples), whole, rtol=1e-5)


def test_seen_features_are_those_of_the_examples():
    examples = draw(40, 6, 0.1, seed=0)
    assert torch.equal(examples.seen(), (examples.dense() > 0).any(0))


# Training


def test_the_gradient_is_that_of_the_dense_loss():
    examples, (W, b) = draw(80, 30, 0.05, seed=0), parameters(80)
    P = torch.cat([W, b[None]])
    leaf = P.clone().requires_grad_()
    (expected,) = torch.autograd.grad(dense_loss(leaf[:2], leaf[2], examples.dense()), leaf)
    assert torch.allclose(memorization._gradient(P, examples), expected, atol=1e-6)


def test_leaving_out_outputs_that_are_off_changes_nothing_that_is_used(monkeypatch):
    examples, procedure = draw(400, 5, 0.02, seed=0), Procedure(steps=300, batch_size=5)
    W, b = descend(examples, 2, seed=0, procedure=procedure)
    seen = examples.seen()
    monkeypatch.setattr(SparseExamples, "seen", lambda self: torch.ones(self.n, dtype=torch.bool))
    whole_W, whole_b = descend(examples, 2, seed=0, procedure=procedure)
    assert torch.allclose(W[:, seen], whole_W[:, seen], atol=1e-3)
    assert torch.allclose(b[seen], whole_b[seen], atol=1e-3)
    on = torch.addmm(b, examples.hidden(W).T, W)[:, ~seen]
    assert (on <= 0).float().mean() > 0.99


def test_three_examples_are_learnt_by_heart():
    run = trained(
        300, 2, [3], 0.03, seeds=[0, 1], procedure=Procedure(steps=1500, learning_rate=0.02)
    )
    assert (run["train"] < 1e-3).all()
    assert (run["test"] > 0.5).all()


def test_a_seed_gives_the_same_model_whichever_others_are_trained_beside_it():
    procedure = Procedure(steps=50, batch_size=6)
    both = trained(60, 2, [4, 9], 0.05, seeds=[0, 5], procedure=procedure)
    alone = trained(60, 2, [9], 0.05, seeds=[5], procedure=procedure)
    for name, value in alone.items():
        assert torch.equal(value[0, 0], both[name][1, 1]), name


def test_divergence_is_told():
    with pytest.raises(Diverged, match="seed 2"):
        descend(
            draw(20, 3, 0.1, seed=0), 2, seed=2, procedure=Procedure(steps=60, learning_rate=1e30)
        )
