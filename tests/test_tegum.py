from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from superpos import losses, tegum
from superpos.codes import thomson
from superpos.errors import InvalidArgument

SETTINGS = [(1000, 100, 1.0), (10**5, 200, 1.0), (64, 16, 0.3), (30, 28, 1.0), (500.0, 90.5, 2.0)]
ALPHAS = [0.3, 1.0, 1.7, 2.0, 2.1, 3.0]


def plain_log_loss(n, d, alpha, C, *, cubic, k):
    """The loss with the cubic's root by bisection: no formula is shared."""
    y = C * k / d * np.log(n / k)
    if not cubic:
        return alpha / 2 * np.log(y) - np.log(k)
    low, high = np.zeros_like(k), np.ones_like(k)
    for _ in range(60):
        middle = (low + high) / 2
        below = middle**2 / 2 - middle**3 / 3 < y
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.where(y <= 1 / 6, alpha * np.log(low) - np.log(k), np.inf)


@pytest.mark.parametrize("cubic", [True, False])
@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize(("n", "d", "C"), SETTINGS)
def test_the_best_k_is_the_lowest_of_a_fine_grid(n, d, C, alpha, cubic):
    best = tegum.optimal_subspaces(n, d, alpha, C, cubic=cubic)
    k = np.concatenate([np.geomspace(1, min(n, d), 20001), [best]])
    loss = plain_log_loss(n, d, alpha, C, cubic=cubic, k=k)
    assert loss[-1] <= loss.min() + 1e-9
    around = plain_log_loss(n, d, alpha, C, cubic=cubic, k=best * np.array([1 - 1e-5, 1 + 1e-5]))
    assert best in (1, d) or (around > loss[-1] - 1e-12).all() or not np.isfinite(around).all()


def test_an_interior_optimum_is_exact_to_one_in_a_million():
    bound, best = tegum.Bound(1000, 100), tegum.optimal_subspaces(1000, 100, 1.0)
    assert 1 < best < bound.domain()[0][1]
    assert bound.slope(best - 1e-6, 1.0) < 0 < bound.slope(best + 1e-6, 1.0)


def test_the_cubics_root_is_a_root_down_to_the_smallest():
    for k in (1.0, 1.7, 2.5):
        e = tegum.Bound(1000, 100).cosine(k).item()
        assert e**2 / 2 - e**3 / 3 == pytest.approx(k / 100 * math.log(1000 / k), rel=1e-12)
    tiny = tegum.Bound(1000, 1e12).cosine(1.0).item()
    assert tiny == pytest.approx(math.sqrt(2e-12 * math.log(1000)), rel=1e-5)
    assert tegum.Bound(1000, 100).cosine(50.0).isnan()


def test_the_slope_is_that_of_the_loss():
    for cubic in (True, False):
        bound, k, step = tegum.Bound(1000, 100, cubic=cubic), 1.8, 1e-6
        ahead, behind = (bound.log_loss(k * math.exp(s * step), 1.3).item() for s in (1, -1))
        assert bound.slope(k, 1.3).item() == pytest.approx((ahead - behind) / 2 / step, rel=1e-6)


def test_the_range_ends_where_the_cosine_is_one_and_may_have_a_gap():
    ((_, most),) = tegum.Bound(1000, 100).domain()
    assert most / 100 * math.log(1000 / most) == pytest.approx(1 / 6)
    assert tegum.Bound(1000, 100).cosine(most).item() == pytest.approx(1, abs=1e-6)
    (_, low), (high, top) = tegum.Bound(110, 100).domain()
    assert low < 110 / math.e < high < top == 100
    assert tegum.Bound(110, 100).cosine((low + high) / 2).isnan()
    assert tegum.Bound(1000, 100, cubic=False).domain() == [(1, 100)]
    assert tegum.Bound(1000, 20).domain() == []


def test_features_that_fit_orthogonally_get_a_line_each():
    assert tegum.optimal_subspaces(20, 50, 3.0) == 20
    assert tegum.optimal_subspaces(50, 50, 1.0) == 50


@pytest.mark.parametrize("n", [100, 10**4])
def test_the_quadratic_bound_is_best_at_an_end(n):
    d = n // 4
    at = tegum.critical_alpha(n, d, cubic=False)
    closed = 2 * math.log(d) / (math.log(d) + math.log(1 - math.log(d) / math.log(n)))
    assert at == pytest.approx(closed, rel=1e-9)
    assert tegum.optimal_subspaces(n, d, at - 1e-6, cubic=False) == d
    assert tegum.optimal_subspaces(n, d, at + 1e-6, cubic=False) == 1


@pytest.mark.parametrize(("n", "d"), [(1000, 100), (1000, 500), (10**6, 10**5), (10**4, 100)])
def test_one_space_is_best_from_the_critical_alpha_on(n, d):
    at = tegum.critical_alpha(n, d)
    assert tegum.optimal_subspaces(n, d, at + 1e-4) == 1
    assert tegum.optimal_subspaces(n, d, at - 1e-4) > 1


def test_with_a_gap_one_space_need_never_be_best():
    assert tegum.critical_alpha(101, 100) == math.inf
    assert tegum.optimal_subspaces(101, 100, 50.0) == 100


@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.5])
@pytest.mark.parametrize(("n", "d"), [(4, 2), (6, 3), (9, 3), (8, 4)])
def test_below_two_an_orthonormal_basis_repeated_is_best(n, d, alpha):
    found = tegum.search(n, d, alpha, tries=20)
    frame = n**2 / d - n  # Σ cos² of a tight frame: a bound for Σ |cos|^α
    assert found.energy[0] >= frame - 1e-9
    value, blocks = tegum.best_product({}, n, d)
    assert value == pytest.approx(frame)
    assert blocks == ((n // d, 1),) * d


def test_above_two_equiangular_lines_are_best():
    for n, d in ((3, 2), (4, 3), (6, 3)):
        cosine = math.sqrt((n - d) / (d * (n - 1)))
        found = tegum.search(n, d, 4.0, tries=20)
        assert found.energy[0].item() == pytest.approx(n * (n - 1) * cosine**4)
        assert tegum.orthogonal_pairs(found.best, tolerance=1e-3) == 0


def test_a_spare_feature_makes_a_simplex_that_grows_with_alpha():
    for alpha, corners in ((1.5, 2), (1.7, 3), (2.2, 5)):
        lowest = {(s + 1, s): (s + 1) * s ** (1 - alpha) for s in (2, 3, 4)}
        products = tegum.best_product(lowest, 5, 4)
        whole = lowest[5, 4]
        assert (whole < products[0]) == (corners == 5)
        if corners < 5:
            assert max(n for n, m in products[1] if n > m) == corners
            assert products[0] == pytest.approx(corners * (corners - 1) ** (1 - alpha))


def test_no_arrangement_has_more_orthogonal_pairs_than_copies_of_a_basis():
    axes = torch.eye(3)[:, [0, 0, 0, 1, 1, 1, 2, 2]]
    turan = 8**2 - 3**2 - 3**2 - 2**2
    assert tegum.orthogonal_pairs(axes) == turan
    for alpha in (0.5, 1.0):
        found = tegum.search(8, 3, alpha, tries=10).points
        assert tegum.orthogonal_pairs(found, tolerance=1e-3).max() <= turan


@pytest.mark.parametrize("n", [3, 5])
def test_the_exact_losses_are_the_lowest_over_length_and_bias(n):
    V, p = thomson.polygon(n)[None], torch.tensor([0.3, 0.05], dtype=torch.float64)
    found = tegum.readouts(V, p)
    r = torch.linspace(0.7, 1.3, 25, dtype=torch.float64)
    b = torch.linspace(-0.4, 0.1, 51, dtype=torch.float64)
    r, b = torch.meshgrid(r, b, indexing="ij")
    W = r.flatten()[:, None, None] * V
    every = losses.exact_loss(W, b.flatten()[:, None], p[:, None, None]).amin(-1)
    assert (found.loss()[0] <= 1.002 * every).all()
    torch.testing.assert_close(found.loss()[0], every, rtol=0.02, atol=0)  # a coarse grid of r
    # the features of a regular polygon are alike, and so are their biases
    torch.testing.assert_close(found.loss_with_own_biases(), found.loss(), rtol=5e-3, atol=0)


def test_a_digon_saves_no_more_than_two_features():
    p = torch.tensor([1.0, 0.1, 0.001], dtype=torch.float64)
    assert (tegum.readouts(torch.tensor([[[1.0, -1.0]]]), p).loss() >= 0).all()


def test_the_effective_alpha_is_found_where_the_loss_is_such_a_sum():
    draw = torch.Generator().manual_seed(0)
    V = torch.randn(60, 3, 5, generator=draw, dtype=torch.float64)
    V = V / V.norm(dim=-2, keepdim=True)
    for alpha, side in ((1.25, False), (3.5, True)):
        sums = thomson.energy(V, thomson.power(alpha, one_sided=side))
        found, correlation, one_sided = tegum.effective_alpha(V, sums[:, None].exp())
        assert found.item() == pytest.approx(alpha, abs=0.1)
        assert correlation.item() == pytest.approx(1)
        assert one_sided.item() == side


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tegum.optimal_subspaces(1000, 20, 1.0), r"no number of subspaces .* at most 1/6"),
        (lambda: tegum.optimal_subspaces(1000, 100, 0.0), "alpha is 0"),
        (lambda: tegum.optimal_subspaces(1000, 100, 1.0, 0.0), "C is 0"),
        (lambda: tegum.optimal_subspaces(0.5, 100, 1.0), "n is 0.5: it must be at least 1"),
        (lambda: tegum.optimal_subspaces(10, -1, 1.0), "d is -1"),
        (lambda: tegum.critical_alpha(1000, 20), "one single space"),
        (lambda: tegum.search(4, 2, -1.0), "alpha is -1"),
        (lambda: tegum.best_product({}, 4, 1), "d is 1"),
        (lambda: tegum.readouts(torch.eye(3), torch.tensor([0.1])), r"\(tries, m, n\)"),
        (lambda: thomson.minimise(4, 2, starts=torch.eye(2)[None]), r"\(tries, 2, 4\)"),
    ],
)
def test_a_bad_argument_is_named(call, message):
    with pytest.raises(InvalidArgument, match=message):
        call()
