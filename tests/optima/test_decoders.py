from __future__ import annotations

import pytest
import torch

from superpos import losses
from superpos.errors import InvalidArgument
from superpos.optima import decoders


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


W, V, B = draw(2, 5), draw(2, 5, seed=1), 0.3 * draw(5, seed=2)


def test_the_free_loss_is_that_of_plain_sampling():
    count = 200_000
    generator = torch.Generator().manual_seed(3)
    u, x = torch.rand(2, count, 5, generator=generator, dtype=torch.float64)
    x = torch.where(u < 0.4, x, 0.0)
    importance = torch.tensor([1.0, 0.5, 2.0, 0.0, 1.0]).double()
    loss = (importance * (x - torch.relu(x @ W.T @ V + B)) ** 2).sum(-1)
    exact = decoders.free_loss(W, V, B, 0.4, importance)
    assert (exact - loss.mean()).abs() <= 5 * loss.std() / count**0.5


def test_with_V_equal_to_W_it_is_the_tied_loss():
    tied = losses.exact_loss(W, B, 0.2)
    torch.testing.assert_close(decoders.free_loss(W, W, B, 0.2), tied)


def test_the_loss_knows_only_the_product_of_encoder_and_decoder():
    A = draw(2, 2, seed=4)
    other = decoders.free_loss(A @ W, torch.linalg.inv(A).T @ V, B, 0.2)
    torch.testing.assert_close(other, decoders.free_loss(W, V, B, 0.2))


def test_distances_are_zero_for_multiples_and_products():
    A = draw(2, 2, seed=4)
    assert decoders.distance_from_encoder(W, -3 * W) < 1e-12
    assert decoders.distance_from_encoder(W, A @ W) > 0.1
    assert decoders.distance_from_row_space(W, A @ W) < 1e-12
    assert decoders.distance_from_row_space(W, V) > 0.1
    # the second does not change with W → AW, and is never above the first
    other = decoders.distance_from_row_space(A @ W, V)
    torch.testing.assert_close(other, decoders.distance_from_row_space(W, V))
    assert decoders.distance_from_row_space(W, V) <= decoders.distance_from_encoder(W, V)


def test_tightness_is_one_for_regular_polygons_and_zero_in_a_line():
    angle = torch.arange(5) * 2 * torch.pi / 5
    assert decoders.tightness(torch.stack([angle.cos(), angle.sin()])) == pytest.approx(1, abs=1e-5)
    assert decoders.tightness(torch.tensor([[1.0, 2.0], [0.0, 0.0]])) == 0


def test_descent_lowers_the_loss_and_keeps_models_apart():
    starts = draw(20, 2, 3), draw(20, 2, 3, seed=1), torch.zeros(20, 3).double()
    found = decoders.descend(*starts, 0.2, steps=60)
    assert (found.loss < decoders.free_loss(*starts, 0.2)).all()
    torch.testing.assert_close(found.loss, decoders.free_loss(found.W, found.V, found.b, 0.2))
    alone = decoders.descend(*(value[17:18] for value in starts), 0.2, steps=60)
    torch.testing.assert_close(alone.W[0], found.W[17])


def test_a_free_decoder_beats_the_pentagon():
    """By ranking its features: the best tied model is not even a minimum among free ones."""
    angle = torch.arange(5) * 2 * torch.pi / 5
    pentagon = 1.1 * torch.stack([angle.cos(), angle.sin()]).double()
    nudged = pentagon + 0.1 * W, pentagon + 0.1 * V, torch.full((5,), -0.1).double()
    found = decoders.descend(*(value[None] for value in nudged), 0.1, steps=300)
    # 0.026305: the best tied model of 5 features in 2 dimensions at p = 0.1 (optima.minimise)
    assert found.loss < 0.026


@pytest.mark.parametrize("n", [2, 5, 12])
def test_a_ranking_reads_single_features_and_lets_the_longer_one_win(n):
    W, V = decoders.ranking(n, 1e-4)
    value = 0.7
    read = torch.relu(value * (V.T @ W))  # column i: what comes out with feature i alone
    assert (read - value * torch.eye(n)).abs().max() < 1e-3
    both = torch.relu(V.T @ (W[:, 0] + W[:, -1]) * value)
    assert both[0] == pytest.approx(value, abs=1e-3)
    assert n == 2 or both[-1] == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: decoders.free_loss(W, V[:, :4], B, 0.1), "V has shape"),
        (lambda: decoders.free_loss(draw(2, 15), draw(2, 15), B.new_zeros(15), 0.1), "n = 15"),
        (lambda: decoders.free_loss(W, V, B, 1.5), "probability"),
        (lambda: decoders.descend(W, V, B, 0.1, steps=0), "steps is 0"),
    ],
)
def test_a_bad_argument_is_named(call, message):
    with pytest.raises(InvalidArgument, match=message):
        call()
