from __future__ import annotations

import itertools
import math

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mpf
from torch import Tensor

from superpos import losses
from superpos.errors import InvalidArgument
from superpos.features import AnticorrelatedSets, CorrelatedSets
from superpos.losses import sampled, sparse

N, M = 5, 2


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def model(seed: int, m: int = M, n: int = N) -> tuple[Tensor, Tensor]:
    """A model as training leaves them, with a feature that is not represented."""
    W = torch.randn(m, n, generator=generator(seed), dtype=torch.float64) * 0.7
    b = torch.randn(n, generator=generator(seed + 1000), dtype=torch.float64) * 0.3
    W[:, -1] = 0
    return W, b


def settings_of(seed: int, n: int = N) -> tuple[Tensor, Tensor]:
    """Probabilities, among them 0 and 1, and importances, among them 0."""
    p = torch.rand(n, generator=generator(seed + 2000), dtype=torch.float64)
    I = torch.rand(n, generator=generator(seed + 3000), dtype=torch.float64)
    p[0], p[1], I[2] = 1, 0, 0
    return p, I


def brute_force(W, b, p, I, *, count=200_000, seed=0, output=torch.relu) -> tuple[Tensor, Tensor]:
    """Mean and standard error of the plainly sampled loss: a second source for the truth."""
    draws = [torch.rand(count, W.shape[-1], generator=generator(seed + k)) for k in (0, 1)]
    x = ((draws[0] < p) * draws[1]).to(W)
    loss = (I * (x - output(x @ W.T @ W + b)) ** 2).sum(-1)
    return loss.mean(), loss.std() / count**0.5


def assert_same(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> None:
    """Two estimates agree within 5 standard errors of their difference."""
    error = (one[1] ** 2 + other[1] ** 2).sqrt()
    assert (one[0] - other[0]).abs() <= 5 * error + 1e-12


@pytest.mark.parametrize("seed", range(6))
def test_the_expected_loss_is_that_of_plain_sampling(seed):
    (W, b), (p, I) = model(seed), settings_of(seed)
    estimate = losses.expected_loss(W, b, p, I, samples=20_000, seed=0)
    assert_same(estimate, brute_force(W, b, p, I, seed=10 * seed + 1))


@pytest.mark.parametrize("seed", range(3))
def test_the_linear_loss_is_that_of_plain_sampling(seed):
    (W, b), (p, I) = model(seed), settings_of(seed)
    exact = losses.linear_loss(W, b, p, I)
    sampled = brute_force(W, b, p, I, seed=10 * seed + 1, output=lambda z: z)
    assert_same((exact, torch.tensor(0.0)), sampled)


def test_the_standard_error_covers_the_truth_as_often_as_it_says():
    W, b = model(0)
    truth, error = losses.expected_loss(W, b, 0.4, samples=400_000, seed=10**6)
    runs = [losses.expected_loss(W, b, 0.4, samples=400, seed=seed) for seed in range(400)]
    mean, standard = (torch.stack(values) for values in zip(*runs, strict=True))
    assert error < standard.mean() / 20
    share = ((mean - truth).abs() <= 2 * standard).double().mean().item()
    # 95.4 % of a normal law; four standard errors of a rate over 400 runs are 4.2 %
    assert share == pytest.approx(0.954, abs=0.042)
    # and the mean of all runs is the truth: no bias
    assert (mean.mean() - truth).abs() <= 5 * (mean.std() / 400**0.5 + error)


@settings(derandomize=True, max_examples=10, deadline=None)
@given(seed=st.integers(0, 999))
def test_the_loss_does_not_depend_on_the_basis(seed):
    (W, b), (p, I) = model(seed), settings_of(seed)
    R = torch.linalg.qr(torch.randn(M, M, generator=generator(seed), dtype=torch.float64)).Q
    one, turned = (
        losses.expected_loss(V, b, p, I, samples=100, seed=seed)[0] for V in (W, R @ W)
    )  # fmt: skip
    assert torch.allclose(one, turned, rtol=1e-12)
    assert torch.allclose(losses.linear_loss(W, b, p, I), losses.linear_loss(R @ W, b, p, I))


@settings(derandomize=True, max_examples=10, deadline=None)
@given(seed=st.integers(0, 999))
def test_the_loss_does_not_depend_on_the_order_of_the_features(seed):
    (W, b), (p, I) = model(seed), settings_of(seed)
    order = torch.randperm(N, generator=generator(seed))
    x = torch.rand(50, N, generator=generator(seed), dtype=torch.float64)
    one = losses.own_input_loss(W, b, p, I, x)
    other = losses.own_input_loss(W[:, order], b[order], p[order], I[order], x[:, order])
    assert torch.allclose(one, other, rtol=1e-10)
    exact, permuted = (
        losses.linear_loss(W[:, k], b[k], p[k], I[k]) for k in (torch.arange(N), order)
    )
    assert torch.allclose(exact, permuted, rtol=1e-10)


P = [0.0, 0.01, 0.3, 1.0]


@pytest.mark.parametrize("p", P)
def test_a_model_of_zeros_costs_the_second_moments(p):
    I = torch.tensor([1.0, 0.5, 0.0])
    mean, error = losses.expected_loss(torch.zeros(2, 3), torch.zeros(3), p, I, samples=9, seed=0)
    assert mean.item() == pytest.approx(1.5 * p / 3)
    assert error.item() == 0


@pytest.mark.parametrize("p", P)
def test_ignoring_a_feature_costs_its_variance_at_best(p):
    def cost(bias: float) -> float:
        b = torch.tensor([bias], dtype=torch.float64)
        W = torch.zeros(1, 1, dtype=torch.float64)
        return losses.expected_loss(W, b, p, samples=2, seed=0)[0].item()

    assert cost(p / 2) == pytest.approx(p / 3 - p**2 / 4)
    assert cost(p / 2) <= min(cost(p / 2 - 0.01), cost(p / 2 + 0.01))


@pytest.mark.parametrize("p", P)
@pytest.mark.parametrize("r", [0.0, 0.5, 1.0])
def test_an_antipodal_pair_costs_only_what_happens_when_both_are_active(p, r):
    # with both active, of x_0 − x_1 only the positive part of one output is left; each
    # output errs by min(x_0, x_1), whose square has the mean 1/6
    W, b = torch.tensor([[1.0, -1.0]]).double(), torch.zeros(2).double()
    mean, error = losses.expected_loss(W, b, p, torch.tensor([1, r]), samples=20_000, seed=1)
    assert abs(mean.item() - (1 + r) * p**2 / 6) <= 5 * error.item() + 1e-12


def test_a_feature_in_a_dimension_of_its_own_costs_nothing():
    mean, error = losses.expected_loss(torch.eye(3), torch.zeros(3), 0.7, samples=100, seed=0)
    assert mean.item() == pytest.approx(0, abs=1e-10)
    assert error.item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_the_own_input_is_integrated_as_by_quadrature(seed):
    (W, b), (p, I) = model(seed), settings_of(seed)
    x = torch.rand(8, N, generator=generator(seed), dtype=torch.float64)
    x *= torch.rand(8, N, generator=generator(seed + 1)) < 0.5
    points = 4000
    grid = (torch.arange(points, dtype=torch.float64) + 0.5) / points
    expected = torch.zeros(8, dtype=torch.float64)
    for i in range(N):
        for weight, values in ((p[i], grid), (1 - p[i], torch.zeros(1).double())):
            inputs = x[:, None].repeat(1, len(values), 1)
            inputs[..., i] = values
            output = torch.relu(inputs @ W.T @ W[:, i] + b[i])
            expected += I[i] * weight * (values - output).square().mean(-1)
    # the midpoint rule errs by less than f''/24 h² with f'' < 50
    found = losses.own_input_loss(W, b, p, I, x)
    assert torch.allclose(found, expected, atol=50 / 24 / points**2 * N)


def test_the_loss_of_an_output_does_not_depend_on_its_own_drawn_input():
    W, b = model(1)
    one_output = torch.eye(N, dtype=torch.float64)[2]
    x = torch.rand(2, N, generator=generator(0), dtype=torch.float64)
    x[1, [0, 1, 3, 4]] = x[0, [0, 1, 3, 4]]
    first, second = losses.own_input_loss(W, b, torch.full((N,), 0.3), one_output, x)
    assert x[0, 2] != x[1, 2]
    assert torch.allclose(first, second)


def test_the_batch_loss_sums_over_features_and_averages_over_inputs():
    x = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    loss = losses.batch_loss(x, torch.zeros(2, 2), torch.tensor([[1.0, 1.0], [1.0, 0.5]]))
    assert loss.tolist() == [2.5, 1.5]


def test_a_model_costs_the_same_alone_and_in_an_ensemble():
    W, b = (torch.stack(values) for values in zip(*map(model, range(3)), strict=True))
    p = torch.tensor([[0.1], [0.6]], dtype=torch.float64)
    together = losses.expected_loss(W[:, None], b[:, None], p, samples=200, seed=4)
    assert together[0].shape == together[1].shape == (3, 2)
    for i in range(3):
        for k in range(2):
            alone = losses.expected_loss(W[i], b[i], p[k], samples=200, seed=4)
            assert torch.allclose(together[0][i, k], alone[0], rtol=1e-12)
            assert torch.allclose(together[1][i, k], alone[1], rtol=1e-9)


def test_all_models_see_the_same_draws():
    W, b = model(0)
    mean, _ = losses.expected_loss(torch.stack([W, W]), b, 0.5, samples=100, seed=0)
    assert mean[0] == mean[1]


@pytest.mark.parametrize("entries", [1, 40, 700])
def test_the_expected_loss_does_not_depend_on_how_samples_are_cut(monkeypatch, entries):
    W, b = model(0)
    whole = losses.expected_loss(W, b, 0.3, samples=300, seed=0)
    monkeypatch.setattr(sampled, "_ENTRIES_AT_ONCE", entries)
    pieces = losses.expected_loss(W, b, 0.3, samples=300, seed=0)
    for one, other in zip(whole, pieces, strict=True):
        assert torch.allclose(one, other, rtol=1e-9)


def test_seeds_select_the_draws():
    W, b = model(0)
    first, again, other = (
        losses.expected_loss(W, b, 0.5, samples=50, seed=seed)[0] for seed in (1, 1, 2)
    )
    assert first == again != other


def test_more_samples_err_less():
    W, b = model(0)
    few, many = (losses.expected_loss(W, b, 0.5, samples=k, seed=0)[1] for k in (500, 50_000))
    assert (few / many).item() == pytest.approx(10, rel=0.2)  # √100; 5 × 1/√(2·500) is 0.16


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"W": torch.full((2, 3), math.nan)}, "W has an entry that is NaN"),
        ({"W": torch.zeros(3)}, r"W has shape \(3,\)"),
        ({"b": torch.full((3,), math.inf)}, "b has an entry that is NaN or infinite"),
        ({"b": torch.zeros(2)}, r"b has shape \(2,\)"),
        ({"probability": 1.01}, "probability is 1.01"),
        ({"probability": torch.zeros(4)}, r"probability has shape \(4,\)"),
        ({"importance": -1.0}, "importance has a negative entry"),
        ({"importance": torch.zeros(2, 2, 2)}, r"importance has shape \(2, 2, 2\)"),
        ({"W": torch.zeros(2, 2, 3), "b": torch.zeros(5, 3)}, r"W \(2,\), b \(5,\)"),
        ({"b": torch.zeros(2, 3), "probability": torch.zeros(5, 3)}, "do not broadcast"),
        ({"samples": 1}, "samples is 1: it must be at least 2"),
        ({"samples": 10.0}, "samples is 10.0"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 0.5}, "seed is 0.5"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_by_name(change, told):
    good = dict(W=torch.zeros(2, 3), b=torch.zeros(3), probability=0.5, samples=10, seed=0)
    with pytest.raises(InvalidArgument, match=told):
        losses.expected_loss(**good | change)


# The exact loss


def precise_loss(W, b, p, I) -> float:
    """The loss by sums over corners with 300 digits, for few features."""
    n = len(b)
    with mpmath.workdps(300):
        G = [[mpmath.fdot(zip(W[:, i], W[:, j], strict=True)) for j in range(n)] for i in range(n)]
        total = mpmath.mpf(0)
        for active in itertools.product((0, 1), repeat=n):
            chance = mpmath.fprod(
                mpf(q) if a else 1 - mpf(q) for a, q in zip(active, p, strict=True)
            )
            for i in range(n):
                # a slope of 0 is a limit
                slopes = {j: G[i][j] or mpf("1e-80") for j in range(n) if active[j]}
                square = ramp(mpf(b[i]), list(slopes.values()), 2)
                if active[i]:
                    a = slopes.pop(i)
                    others = list(slopes.values())
                    by_parts = ramp(mpf(b[i]) + a, others, 2) - ramp(mpf(b[i]), [*others, a], 2)
                    square += mpf(1) / 3 - by_parts / a
                total += chance * mpf(I[i]) * square
        return float(total)


def ramp(c, slopes, power):
    k = len(slopes)
    corners = mpmath.fsum(
        (-1) ** (k - sum(at)) * max(0, c + mpmath.fdot(zip(slopes, at, strict=True))) ** (power + k)
        for at in itertools.product((0, 1), repeat=k)
    )
    scale = mpmath.factorial(power) / mpmath.factorial(power + k)
    return scale * corners / mpmath.fprod(slopes)


@pytest.mark.parametrize("case", ["plain", "zero column", "equal columns", "tiny", "no bias"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_exact_loss_agrees_with_high_precision(case, seed):
    draws = generator(seed)
    W = torch.randn(2, 4, generator=draws, dtype=torch.float64)
    b = 0.3 * torch.randn(4, generator=draws, dtype=torch.float64)
    p = torch.rand(4, generator=draws, dtype=torch.float64)
    I = torch.rand(4, generator=draws, dtype=torch.float64)
    if case == "zero column":
        W[:, 1] = 0
    elif case == "equal columns":
        W[:, 1] = W[:, 0]
    elif case == "tiny":
        W *= torch.tensor([1.0, 1e-7, 1e-3, 1e-12], dtype=torch.float64)
    elif case == "no bias":
        b.zero_()
    expected = precise_loss(*(v.numpy() for v in (W, b, p, I)))
    assert losses.exact_loss(W, b, p, I).item() == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("n", [1, 5, 10])
def test_the_exact_loss_is_what_sampling_estimates(n):
    W = 0.5 * torch.randn(2, 2, n, generator=generator(n), dtype=torch.float64)
    b = 0.2 * torch.randn(2, n, generator=generator(n), dtype=torch.float64)
    p = torch.tensor([[0.8], [0.1]], dtype=torch.float64)
    mean, error = losses.expected_loss(W, b, p, samples=20_000, seed=0)
    exact = losses.exact_loss(W, b, p)
    assert exact.shape == (2,)
    assert (mean - exact).abs().le(5 * error + 1e-9 * exact).all()


@pytest.mark.parametrize(
    "features",
    [CorrelatedSets(2, 2, 0.3), AnticorrelatedSets(2, 2, 0.4), AnticorrelatedSets(1, 4, 1.0)],
    ids=["correlated", "anticorrelated", "one-hot"],
)
def test_the_exact_loss_knows_the_distributions(features):
    W = 0.6 * torch.randn(2, 4, generator=generator(3))
    b = 0.2 * torch.randn(4, generator=generator(4))
    x = features.inputs(torch.rand(100_000, features.uniforms, generator=generator(5)))
    loss = (x - torch.relu(x @ W.T @ W + b)).square().sum(-1)
    error = loss.std() / len(loss) ** 0.5
    assert abs(losses.exact_loss(W, b, features) - loss.mean()) < 5 * error


def test_one_hot_inputs_have_a_closed_form():
    # one output each: x_i against ReLU(x_i) = x_i, and ReLU(−x_i) = 0 for its partner
    W = torch.tensor([[1.0, -1.0]])
    assert losses.exact_loss(W, torch.zeros(2), AnticorrelatedSets(1, 2, 1.0)) == 0
    assert losses.exact_loss(0 * W, torch.zeros(2), AnticorrelatedSets(1, 2, 1.0)) == pytest.approx(
        1 / 3
    )


def test_the_exact_loss_can_be_differentiated_twice():
    W, b = (v[..., :3].clone().requires_grad_() for v in model(0))
    p = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(losses.exact_loss, (W, b, p))
    assert torch.autograd.gradgradcheck(losses.exact_loss, (W, b, p))


def test_the_exact_loss_does_not_change_with_rotation_or_the_features_order():
    W, b = model(2)
    p = torch.linspace(0.1, 0.9, N, dtype=torch.float64)
    plain = losses.exact_loss(W, b, p)
    turn, _ = torch.linalg.qr(torch.randn(len(W), len(W), generator=generator(1)).double())
    order = torch.randperm(N, generator=generator(2))
    assert losses.exact_loss(turn @ W, b, p).item() == pytest.approx(plain.item(), rel=1e-12)
    permuted = losses.exact_loss(W[:, order], b[order], p[order])
    assert permuted.item() == pytest.approx(plain.item(), rel=1e-12)


def test_more_features_than_the_exact_loss_takes_are_refused():
    with pytest.raises(InvalidArgument, match=r"W has n = 15 .* at most 14; expected_loss samples"):
        losses.exact_loss(torch.zeros(2, 15), torch.zeros(15), 0.1)


def test_twelve_features_in_orthogonal_halves_cost_what_the_halves_do():
    (one, b), (other, d) = model(0, n=6), model(1, n=6)
    W, bias = torch.block_diag(one, other).requires_grad_(), torch.cat([b, d])
    p = torch.linspace(0.1, 1, 12, dtype=torch.float64)
    whole = losses.exact_loss(W, bias, p)
    halves = [losses.exact_loss(one, b, p[:6]), losses.exact_loss(other, d, p[6:])]
    assert whole.item() == pytest.approx(sum(halves).item(), rel=1e-13)
    (slope,) = torch.autograd.grad(whole, W)
    assert torch.isfinite(slope).all()
    move = torch.randn(W.shape, generator=generator(2), dtype=torch.float64)
    after, before = (losses.exact_loss(W + h * move, bias, p).item() for h in (1e-5, -1e-5))
    assert (after - before) / 2e-5 == pytest.approx((slope * move).sum().item(), rel=1e-8)


# The loss by number of active features


@pytest.mark.parametrize("p", [0.05, 0.5, 1.0])
def test_the_losses_by_number_of_active_features_make_up_the_whole(p):
    W, b = model(0)
    by_count, error = losses.k_sparse(W, b)
    assert (error == 0).all()
    chance = torch.tensor(
        [math.comb(N, k) * p**k * (1 - p) ** (N - k) for k in range(N + 1)], dtype=torch.float64
    )
    whole = losses.exact_loss(W, b, p)
    assert (chance * by_count).sum().item() == pytest.approx(whole.item(), rel=1e-12)


def test_without_active_features_only_positive_biases_cost():
    W, b = model(1)
    I = torch.linspace(1, 0.1, N)
    expected = (I * b.clamp_min(0).square()).sum()
    assert losses.k_sparse(W, b, I, sizes=[0])[0].item() == pytest.approx(expected.item())


def test_the_sampled_losses_agree_with_the_exact_ones(monkeypatch):
    W, b = model(3)
    exact, _ = losses.k_sparse(W, b)
    monkeypatch.setattr(sparse, "MOST_FEATURES", 2)
    drawn, error = losses.k_sparse(W, b, samples=20_000)
    assert (error[:2] == 0).all()
    assert (error[2:] > 0).all()
    assert torch.allclose(drawn[:2], exact[:2], rtol=1e-12)
    assert ((drawn - exact).abs() <= 5 * error + 1e-12).all()


def test_a_number_of_active_features_that_cannot_be_is_refused():
    with pytest.raises(InvalidArgument, match="sizes"):
        losses.k_sparse(*model(0), sizes=[N + 1])
