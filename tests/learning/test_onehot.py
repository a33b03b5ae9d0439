from __future__ import annotations

import math

import pytest
import torch

from superpos import losses
from superpos.errors import InvalidArgument
from superpos.learning import onehot
from superpos.learning.onehot import AdamW, GradientDescent


def random_models(*shape: int, n: int = 5, m: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    W = torch.randn(*shape, m, n, generator=draw, dtype=torch.float64)
    return W, 0.3 * torch.randn(*shape, n, generator=draw, dtype=torch.float64)


def test_the_loss_is_the_book_s_over_n():
    W, b = random_models(3)
    x = torch.eye(5, dtype=torch.float64)
    summed = losses.batch_loss(x, (x @ W.mT @ W + b[:, None]).relu(), torch.ones(5))
    assert torch.allclose(onehot.loss(W, b), summed / 5)


@pytest.mark.parametrize("m", [1, 2, 3])
def test_the_gradient_is_that_of_the_loss(m):
    W, b = (value.requires_grad_() for value in random_models(4, m=m))
    by_W, by_b = torch.autograd.grad(onehot.loss(W, b).sum(), (W, b))
    found_W, found_b = onehot.gradients(W.detach(), b.detach())
    assert torch.allclose(by_W, found_W)
    assert torch.allclose(by_b, found_b)


def test_the_hessian_tells_how_the_gradient_changes():
    W, b = random_models()
    H = onehot.hessian(W, b)
    assert torch.allclose(H, H.mT)
    draw = torch.Generator().manual_seed(1)
    d = 1e-6 * torch.randn(15, generator=draw, dtype=torch.float64)
    gradients = [
        torch.cat(
            [part.flatten() for part in onehot.gradients(W + s * d[:10].view(2, 5), b + s * d[10:])]
        )
        for s in (-1, 1)
    ]
    assert torch.allclose((gradients[1] - gradients[0]) / 2, H @ d, atol=1e-11)


@pytest.mark.parametrize("n", [3, 4, 5, 6, 7, 12])
def test_the_regular_polygon_has_no_loss_and_none_shorter_has(n):
    W, b = onehot.regular(n)
    assert onehot.loss(W, b) < 1e-28
    shorter = 0.99 * W
    assert onehot.loss(shorter, 1 - shorter.square().sum(0)) > 1e-7


def test_the_failure_is_stationary_and_costs_a_feature():
    for n in (5, 7, 9):
        W, b = onehot.failure(n)
        assert max(part.abs().max() for part in onehot.gradients(W, b)) < 1e-14
        assert onehot.loss(W, b).item() == pytest.approx((1 - 1 / n) / n**2)


def test_the_failure_with_room_is_a_saddle_whose_way_down_leans():
    W, b = onehot.failure(7)
    W = W.clone()
    W[:, :6] *= 1.05
    b = torch.cat([1 - W[:, :6].square().sum(0), b[6:]])
    values, vectors = torch.linalg.eigh(onehot.hessian(W, b))
    assert values[0] < -1e-4
    down = vectors[:14, 0].view(2, 7)
    assert down[:, 6].norm() > 1e-3
    assert torch.cosine_similarity(down[:, 6], down[:, :6].sum(1), dim=0) < -0.999


def test_a_leaning_hexagon_lowers_the_loss_by_what_the_formula_says():
    W, b = onehot.failure(7)
    W = W.clone()
    W[:, :6] *= 1.1
    W[0, :6] += 0.01
    b = torch.cat([1 - W[:, :6].square().sum(0), b[6:]])
    end = onehot.descend(W, b, GradientDescent(0.5), 4000, moving=[6])
    s, beta = W[:, :6].sum(1), end.b[6]
    tensor = W[:, :6] @ W[:, :6].mT - 2 * (1 - beta) * torch.eye(2, dtype=W.dtype)
    assert torch.allclose(end.W[:, 6], -beta * torch.linalg.solve(tensor, s), rtol=1e-3)
    gain = beta**2 * s @ torch.linalg.solve(tensor, s) / 49
    assert (onehot.loss(W, b) - onehot.loss(end.W, end.b)).item() == pytest.approx(
        gain.item(), rel=0.05
    )


def test_descent_takes_the_steps_of_torch_s_optimisers():
    W, b = random_models(3, n=7)
    for ours, theirs in (
        (GradientDescent(0.3), lambda p: torch.optim.SGD(p, lr=0.3)),
        (AdamW(0.01, 0.1), lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1)),
        (AdamW(0.01), lambda p: torch.optim.Adam(p, lr=0.01)),
    ):
        leaves = [value.clone().requires_grad_() for value in (W, b)]
        optimiser = theirs(leaves)
        for _ in range(50):
            optimiser.zero_grad()
            onehot.loss(*leaves).sum().backward()
            optimiser.step()
        end = onehot.descend(W, b, ours, 50)
        assert torch.allclose(end.W, leaves[0], atol=1e-9)
        assert torch.allclose(end.b, leaves[1], atol=1e-9)


def test_models_do_not_depend_on_those_beside_them(monkeypatch):
    W, b = random_models(300, n=4)
    rate = torch.linspace(0.05, 0.3, 300, dtype=torch.float64)
    whole = onehot.descend(W, b, GradientDescent(rate), 400, record=[7])
    monkeypatch.setattr(onehot, "_MODELS_AT_ONCE", 70)
    cut = onehot.descend(W, b, GradientDescent(rate), 400, record=[7])
    alone = onehot.descend(W[200], b[200], GradientDescent(rate[200]), 400, record=[7])
    assert torch.allclose(whole.W, cut.W, atol=1e-9)
    assert torch.allclose(whole.W[200], alone.W, atol=1e-9)
    assert torch.allclose(whole.b_at[:, 200], alone.b_at, atol=1e-9)


def test_records_are_of_the_steps_asked_for_and_leading_axes_stay():
    W, b = random_models(2, 3)
    run = onehot.descend(W, b, GradientDescent(0.1), 5, record=[0, 2, 5])
    assert run.W.shape == (2, 3, 2, 5)
    assert run.W_at.shape == (3, 2, 3, 2, 5)
    assert run.b_at.shape == (3, 2, 3, 5)
    assert torch.equal(run.W_at[0], W)
    assert torch.equal(run.W_at[2], run.W)
    assert torch.allclose(run.b_at[1], onehot.descend(W, b, GradientDescent(0.1), 2).b)


def test_what_is_frozen_does_not_move():
    W, b = random_models(4)
    end = onehot.descend(W, b, AdamW(0.1), 10, moving=[1, 3])
    still = [0, 2, 4]
    assert torch.equal(end.W[..., still], W[..., still])
    assert torch.equal(end.b[..., still], b[..., still])
    assert (end.W[..., [1, 3]] != W[..., [1, 3]]).all()


def test_an_undisturbed_hexagon_stays_and_a_disturbed_one_leans():
    zero = torch.zeros(1, dtype=torch.float64)
    same = onehot.disturbed(zero, zero + 1, settle=10, steps=100)
    expected, _ = onehot.failure(7)
    assert torch.allclose(same.W[0], expected, atol=1e-6)
    leaning = onehot.disturbed(zero + 0.2, zero + 1, settle=2000, steps=100)
    assert leaning.W[0, :, :6].sum(-1).norm() > 1e-3
    assert leaning.W[0].norm(dim=0).sum() > 6 * math.sqrt(2)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"record": [3, 1]}, r"record is \[3, 1\]: rising steps"),
        ({"record": [11]}, r"record is \[11\]"),
        ({"moving": [5]}, r"moving is \[5\]: features from 0 to 4"),
    ],
)
def test_what_makes_no_sense_is_refused(change, told):
    W, b = random_models()
    with pytest.raises(InvalidArgument, match=told):
        onehot.descend(W, b, GradientDescent(0.1), **{"steps": 10} | change)


def test_a_polygon_needs_three_corners():
    with pytest.raises(InvalidArgument, match="n is 2"):
        onehot.regular(2)
