from __future__ import annotations

import pytest
import torch
from torch import Tensor

from superpos import drift
from superpos.errors import Diverged, InvalidArgument
from superpos.losses import exact_loss
from superpos.optima import minimise

PAIR = torch.tensor([[1.0, -0.8]]), torch.zeros(2)


def density(p: Tensor) -> tuple[Tensor, Tensor]:
    return p[..., None], torch.ones(2)


def two_kinds(s: Tensor) -> tuple[Tensor, Tensor]:
    """The second of two features less important by the factor 1, or s."""
    return torch.tensor(0.2), torch.stack([torch.ones(2), torch.stack([torch.ones(()), s])], -1)


def test_a_slow_drift_stays_close_to_the_optimum():
    at = torch.linspace(0.1, 0.3, 5, dtype=torch.float64)
    W, b = drift(*PAIR, density, at, seeds=2, steps=150, batch_size=256, learning_rate=0.003)
    best = minimise(*PAIR, at[:, None])
    loss = exact_loss(W, b, at[:, None, None])
    assert W.shape == (5, 2, 1, 2)
    assert (loss[1:] < 1.02 * best.loss[1:, None]).all()
    assert (loss > best.loss[:, None] * (1 - 1e-6)).all()


def test_a_seed_gives_the_same_models_whichever_others_are_trained_beside_it():
    at = torch.tensor([0.1, 0.2])
    W, b = drift(*PAIR, density, at, seeds=[3, 5], steps=5)
    alone, of_alone = drift(*PAIR, density, at, seeds=[5], steps=5)
    assert torch.allclose(W[:, 1:], alone)
    assert torch.allclose(b[:, 1:], of_alone)
    assert not torch.allclose(W[:, :1], alone)


def test_settings_are_trained_each_for_itself_on_the_same_inputs():
    W, b = drift(*PAIR, two_kinds, torch.tensor([1.0, 0.1]), seeds=2, steps=20)
    assert W.shape == (2, 2, 2, 1, 2)
    assert b.shape == (2, 2, 2, 2)
    assert torch.allclose(W[0, :, 0], W[0, :, 1])  # where s = 1 they are the same
    assert not torch.allclose(W[1, :, 0], W[1, :, 1])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"at": torch.tensor(0.1)}, "a list of values is needed"),
        ({"steps": 0}, "steps is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"learning_rate": -1.0}, "learning_rate is -1"),
        ({"seeds": []}, "seeds is empty"),
        ({"at": torch.tensor([1.5])}, "probability is 1.5"),
    ],
)
def test_bad_input_is_told(change, told):
    good = dict(at=torch.tensor([0.1]), seeds=1, steps=1)
    with pytest.raises(InvalidArgument, match=told):
        drift(*PAIR, density, **good | change)


def test_the_start_may_lie_in_memory_as_it_likes():
    W, at = torch.tensor([[1.0, -0.8], [0.3, 0.4]]), torch.tensor([0.1, 0.2])
    plain = drift(W, PAIR[1], density, at, seeds=1, steps=5)
    turned = drift(W.mT.contiguous().mT, PAIR[1], density, at, seeds=1, steps=5)
    assert torch.equal(turned[0], plain[0])


def test_adam_keeps_its_averages_from_one_value_to_the_next():
    W, _ = drift(*PAIR, density, torch.full((4,), 0.2), seeds=1, steps=1)
    steps = torch.cat([PAIR[0][None], W[:, 0]]).diff(dim=0).abs()
    assert steps[0].flatten().tolist() == pytest.approx([1e-3] * 2, rel=0.01)  # the rate: a start
    assert (steps[1:] < 0.99e-3).any()


def test_divergence_is_told_with_the_value_and_the_state_before():
    at = torch.tensor([0.5])
    with pytest.raises(Diverged, match="at the value 0") as stopped:
        drift(*PAIR, density, at, seeds=1, steps=30, learning_rate=1e30)
    assert torch.equal(stopped.value.last_good["W"][0, 0], PAIR[0])
