from __future__ import annotations

import itertools

import mpmath
import pytest
import torch
from mpmath import mpf

from superpos.ramps import ramp_integrals


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
