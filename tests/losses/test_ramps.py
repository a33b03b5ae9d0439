from __future__ import annotations

import itertools

import mpmath
import pytest
import torch
from mpmath import mpf

from superpos.losses.ramps import ramp_integrals, ramp_moments


def precise(c: float, g: list[float], e: list[float], varying: list[int]) -> tuple[mpf, mpf]:
    """∫ z₊² and ∫ (e·x) z₊ from the formula over corners, with digits enough to cancel."""
    with mpmath.workdps(400):
        c = mpf(c)
        # a slope of 0 is a limit: one of 1e-60 is as good
        slopes = [mpf(g[j]) if g[j] else mpf("1e-60") for j in varying]
        k = len(slopes)

        def corners(c: mpf, slopes: list[mpf], power: int) -> mpf:
            """∫ z₊^power over the cube of the given slopes."""
            total = mpf(0)
            for corner in itertools.product((0, 1), repeat=len(slopes)):
                z = c + sum(slope for slope, at in zip(slopes, corner, strict=True) if at)
                if z > 0:
                    total += (-1) ** (len(slopes) - sum(corner)) * z ** (power + len(slopes))
            scale = mpmath.factorial(power) / mpmath.factorial(power + len(slopes))
            return scale * total / mpmath.fprod(slopes)

        own = mpf(0)
        for place in range(k):  # by parts: x_j z₊ is the derivative of z₊²/2g_j, times x_j
            others = slopes[:place] + slopes[place + 1 :]
            slope = slopes[place]
            by_parts = (corners(c + slope, others, 2) - corners(c, slopes, 2)) / (2 * slope)
            own += mpf(e[varying[place]]) * by_parts
        return corners(c, slopes, 2), own


SLOPES = {
    "plain": [0.7, -0.4, 0.3, 0.9, -0.2],
    "a zero": [0.7, -0.4, 0.0, 0.9, -0.2],
    "equal": [0.5, -0.5, 0.5, -0.5, 0.5],
    "tiny": [0.7, -1e-9, 1e-5, -1e-3, 1e-12],
    "all tiny": [1e-9, -1e-9, 2e-9, 1e-10, -1e-10],
    "large": [70.0, -40.0, 30.0, -90.0, 20.0],
}


@pytest.mark.parametrize("c", [-0.35, 0.0, 0.2, -1e-9])
@pytest.mark.parametrize("slopes", SLOPES.values(), ids=SLOPES)
def test_every_choice_agrees_with_high_precision(c, slopes):
    n = len(slopes)
    e = [1.0, 0.0, 0.5, 0.0, 2.0]
    second, own = ramp_integrals(*(torch.tensor(v, dtype=torch.float64) for v in (c, slopes, e)))
    assert second.shape == own.shape == (2**n,)
    for mask in range(2**n):
        varying = [j for j in range(n) if mask >> j & 1]
        exact_second, exact_own = precise(c, slopes, e, varying)
        assert second[mask].item() == pytest.approx(float(exact_second), rel=1e-12, abs=1e-45)
        assert own[mask].item() == pytest.approx(float(exact_own), rel=1e-12, abs=1e-45)


def test_ten_coordinates_lose_no_digits():
    generator = torch.Generator().manual_seed(0)
    g = torch.randn(10, generator=generator, dtype=torch.float64)
    e = torch.eye(10, dtype=torch.float64)[3]
    second, own = ramp_integrals(torch.tensor(-0.4, dtype=torch.float64), g, e)
    exact_second, exact_own = precise(-0.4, g.tolist(), e.tolist(), list(range(10)))
    assert second[-1].item() == pytest.approx(float(exact_second), rel=1e-12)
    assert own[-1].item() == pytest.approx(float(exact_own), rel=1e-12)


def test_what_is_never_positive_is_0_and_what_always_is_has_its_moments():
    g = torch.tensor([0.5, -0.3, 0.2], dtype=torch.float64)
    e = torch.tensor([1.0, 0, 0], dtype=torch.float64)
    below, _ = ramp_integrals(torch.tensor(-0.75).double(), g, e)
    assert (below == 0).all()
    above, own = ramp_integrals(torch.tensor(2.0).double(), g, e)
    mean, variance = 2 + g.sum() / 2, g.square().sum() / 12
    assert above[-1] == pytest.approx((mean**2 + variance).item(), rel=1e-14)
    assert own[-1] == pytest.approx((mean / 2 + g[0] / 12).item(), rel=1e-14)


def test_leading_axes_are_models():
    g = torch.randn(2, 3, 4, dtype=torch.float64)
    c, e = torch.randn(3, dtype=torch.float64), torch.eye(4, dtype=torch.float64)[0]
    second, own = ramp_integrals(c, g, e)
    assert second.shape == own.shape == (2, 3, 16)
    for i, k in itertools.product(range(2), range(3)):
        alone = ramp_integrals(c[k], g[i, k], e)
        assert torch.allclose(second[i, k], alone[0], rtol=1e-13)
        assert torch.allclose(own[i, k], alone[1], rtol=1e-13)


@pytest.mark.parametrize("slopes", [SLOPES["plain"][:3], SLOPES["equal"][:3]])
def test_it_can_be_differentiated_twice(slopes):
    e = torch.tensor([1.0, 0, 0], dtype=torch.float64)
    c = torch.tensor(-0.13, dtype=torch.float64, requires_grad=True)
    g = torch.tensor(slopes, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c, g: ramp_integrals(c, g, e), (c, g))
    assert torch.autograd.gradgradcheck(lambda c, g: ramp_integrals(c, g, e), (c, g))


# autograd is wrong at slopes of exactly 0, where the range of z has a kink
@pytest.mark.parametrize("slopes", [*(s for s in SLOPES.values() if 0.0 not in s), [0.7]])
def test_moments_are_what_the_integrals_change_by(slopes):
    n = len(slopes)
    g = torch.tensor(slopes, dtype=torch.float64)
    c = torch.tensor([-0.351, -0.103, 1e-3, 0.207, -3.0, 9.0], dtype=torch.float64)
    r = torch.cat([c[:, None], g.expand(len(c), n)], dim=-1).requires_grad_()
    weight = torch.rand(len(c), 2**n, generator=torch.Generator().manual_seed(0)).double()
    x_1 = torch.eye(n, dtype=torch.float64)[0]
    A, B = ramp_moments(c, r[:, 1:].detach(), weight)
    for value, slope, curvature in zip(
        (weight * integral for integral in ramp_integrals(r[:, 0], r[:, 1:], x_1)),
        (2 * (A @ r.detach()[..., None])[..., 0], A[:, 1]),
        (2 * A, B),
        strict=True,
    ):
        by_r, by_r_twice = derivatives(value.sum(), r)
        torch.testing.assert_close(slope, by_r)
        torch.testing.assert_close(curvature, by_r_twice, rtol=1e-7, atol=1e-9)


def derivatives(value: torch.Tensor, r: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The first and second derivatives by the last axis of r, by autograd."""
    (first,) = torch.autograd.grad(value, r, create_graph=True, retain_graph=True)
    rows = [torch.autograd.grad(by.sum(), r, retain_graph=True)[0] for by in first.unbind(-1)]
    return first.detach(), torch.stack(rows, dim=-2)


@pytest.mark.parametrize("c", [0.0, -0.1, -0.3])
@pytest.mark.parametrize("slopes", [[0.6, -0.5], [0.3, 0.3], [0.1, 0.2, -0.4], SLOPES["plain"]])
def test_a_corner_with_z_0_changes_nothing(c, slopes):
    """As with biases of 0, where descents start: the corner at the origin has z = 0."""
    g = torch.tensor(slopes, dtype=torch.float64).expand(3, -1)
    weight = torch.zeros(3, 2 ** len(slopes), dtype=torch.float64)
    weight[:, -1] = 1.0
    near = c + torch.tensor([-1e-9, 0.0, 1e-9], dtype=torch.float64)
    for before, at, after in ramp_moments(near, g, weight):
        torch.testing.assert_close(at, before, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(at, after, rtol=1e-6, atol=1e-6)


def test_a_slope_of_0_is_the_limit_of_small_ones():
    g = torch.tensor(SLOPES["a zero"], dtype=torch.float64)
    near = g + torch.tensor([-1e-9, 0.0, 1e-9])[:, None] * (g == 0)
    c, weight = torch.full((3,), -0.35).double(), torch.ones(3, 32).double()
    for before, at, after in ramp_moments(c, near, weight):
        torch.testing.assert_close(at, before, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(at, after, rtol=1e-6, atol=1e-6)


def test_moments_count_the_volume_and_the_surface_where_z_is_positive_and_0():
    """x + y > ½ is 7/8 of the square; ∫ δ(x + y − ½) is the line's length over √2, which is ½."""
    weight = torch.tensor([[0.0, 0, 0, 1]]).double()
    A, B = ramp_moments(torch.tensor([-0.5]).double(), torch.ones(1, 2).double(), weight)
    assert A[0, 0, 0].item() == pytest.approx(7 / 8)
    assert B[0, 0, 0].item() == pytest.approx(1 / 8)  # times the mean x there, ¼
