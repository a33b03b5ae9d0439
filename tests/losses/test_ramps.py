from __future__ import annotations

import itertools

import mpmath
import pytest
import torch
from mpmath import mpf

from superpos.losses import ramps
from superpos.losses.ramps import count_faces, ramp_integrals, ramp_moments


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
    "steps": [1.0, -1e-2, 1e-4, -1e-6, 1e-8],
    "pairs": [0.8, -0.8, 0.8, 0.0, 0.0],
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
        z = abs(c) + sum(abs(slopes[j]) for j in varying)  # the largest on the cube, at most
        z = max(z, 1e-30)  # slopes of 0 are not quite 0 in what is precise
        assert second[mask].item() == pytest.approx(float(exact_second), rel=0, abs=5e-16 * z**2)
        assert own[mask].item() == pytest.approx(float(exact_own), rel=0, abs=5e-16 * z * sum(e))


def test_a_smaller_choice_is_integrated_as_if_there_were_no_other_coordinates():
    c, g, e = (torch.tensor(v).double() for v in (-0.2, SLOPES["plain"], [0.0, 1, 0, 0, 0]))
    keep = [1, 2, 4]
    for whole, part in zip(
        ramp_integrals(c, g, e), ramp_integrals(c, g[keep], e[keep]), strict=True
    ):
        for mask in range(8):
            same = sum(2 ** keep[j] for j in range(3) if mask >> j & 1)
            assert whole[same].item() == pytest.approx(part[mask].item(), abs=1e-16)


@pytest.mark.parametrize("seed", range(3))
def test_ten_coordinates_lose_no_digits(seed):
    generator = torch.Generator().manual_seed(seed)
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


@pytest.mark.parametrize("n", [1, 2, 5])
def test_each_face_is_made_of_faces_that_are_there(n):
    levels = ramps._faces(n, torch.device("cpu"))
    assert 2**n + sum(len(faces.pivot) for faces in levels) == count_faces(n)
    below = 2**n
    for k, faces in enumerate(levels, 1):
        assert faces.free.shape == (len(list(itertools.combinations(range(n), k))), k)
        for child in (faces.lower, faces.upper, *faces.others):
            assert ((child >= 0) & (child < below)).all()
        below = len(faces.pivot)


def test_it_does_not_matter_how_cubes_are_cut(monkeypatch):
    c, g = torch.linspace(-1, 1, 9).double(), torch.randn(9, 4, dtype=torch.float64)
    whole = ramp_integrals(c, g, g.flip(-1))
    monkeypatch.setattr(ramps, "_FACES_IN_CACHE", 2 * count_faces(4))
    for one, other in zip(whole, ramp_integrals(c, g, g.flip(-1)), strict=True):
        assert torch.equal(one, other)


def test_leading_axes_are_models():
    g = torch.randn(2, 3, 4, dtype=torch.float64)
    c, e = torch.randn(3, dtype=torch.float64), torch.eye(4, dtype=torch.float64)[0]
    second, own = ramp_integrals(c, g, e)
    assert second.shape == own.shape == (2, 3, 16)
    for i, k in itertools.product(range(2), range(3)):
        alone = ramp_integrals(c[k], g[i, k], e)
        assert torch.allclose(second[i, k], alone[0], rtol=1e-13)
        assert torch.allclose(own[i, k], alone[1], rtol=1e-13)


@pytest.mark.parametrize("slopes", [SLOPES["plain"][:3], SLOPES["equal"][:3], [0.7, 0.0, -0.4]])
def test_it_can_be_differentiated_twice(slopes):
    e = torch.tensor([1.0, 0, 0], dtype=torch.float64)
    c = torch.tensor(-0.13, dtype=torch.float64, requires_grad=True)
    g = torch.tensor(slopes, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c, g: ramp_integrals(c, g, e), (c, g))
    assert torch.autograd.gradgradcheck(lambda c, g: ramp_integrals(c, g, e), (c, g))


@pytest.mark.parametrize("slopes", [*SLOPES.values(), [0.7]])
def test_moments_are_what_the_integrals_change_by(slopes):
    n = len(slopes)
    g = torch.tensor(slopes, dtype=torch.float64)
    c = torch.tensor([-0.351, -0.103, 9e-4, 0.207, -3.0, 9.0], dtype=torch.float64)
    r = torch.cat([c[:, None], g.expand(len(c), n)], dim=-1).requires_grad_()
    weight = torch.rand(len(c), 2**n, generator=torch.Generator().manual_seed(0)).double()
    x_i = torch.eye(n, dtype=torch.float64)[n // 2]
    A, B = ramp_moments(c, r[:, 1:].detach(), x_i.expand(len(c), n), weight)
    for value, slope, curvature in zip(
        (weight * integral for integral in ramp_integrals(r[:, 0], r[:, 1:], x_i)),
        (2 * (A @ r.detach()[..., None])[..., 0], A[:, 1 + n // 2]),
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
    for before, at, after in ramp_moments(near, g, own_first(g), weight):
        torch.testing.assert_close(at, before, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(at, after, rtol=1e-6, atol=1e-6)


def own_first(g: torch.Tensor) -> torch.Tensor:
    """e for x_1."""
    return torch.eye(g.shape[-1], dtype=g.dtype)[0].expand_as(g)


def test_a_slope_of_0_is_the_limit_of_small_ones():
    g = torch.tensor(SLOPES["a zero"], dtype=torch.float64)
    near = g + torch.tensor([-1e-9, 0.0, 1e-9])[:, None] * (g == 0)
    c, weight = torch.full((3,), -0.35).double(), torch.ones(3, 32).double()
    for before, at, after in ramp_moments(c, near, own_first(near), weight):
        torch.testing.assert_close(at, before, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(at, after, rtol=1e-6, atol=1e-6)


def test_slopes_of_0_do_not_matter_where_corners_add_up_to_0():
    """0.1 + 0.2 − 0.3 is 0 or not, as it is added up; faces along which z is the same agree."""
    g = torch.tensor([[0.1, 0.2, -0.3, 0.0, 0.0, 0.0, 0.0]]).double().repeat(50, 1)
    c, weight = torch.linspace(0, -0.1, 50).double(), torch.ones(50, 128).double()
    few = g[:, :3]
    for whole, part in zip(ramp_integrals(c, g, g), ramp_integrals(c, few, few), strict=True):
        torch.testing.assert_close(whole, part.repeat(1, 16), rtol=0, atol=1e-16)
    for moments in ramp_moments(c, g, own_first(g), weight):
        assert torch.isfinite(moments).all()


def test_moments_count_the_volume_and_the_surface_where_z_is_positive_and_0():
    """x + y > ½ is 7/8 of the square; ∫ δ(x + y − ½) is the line's length over √2, which is ½."""
    weight = torch.tensor([[0.0, 0, 0, 1]]).double()
    one = torch.ones(1, 2).double()
    A, B = ramp_moments(torch.tensor([-0.5]).double(), one, own_first(one), weight)
    assert A[0, 0, 0].item() == pytest.approx(7 / 8)
    assert B[0, 0, 0].item() == pytest.approx(1 / 8)  # times the mean x there, ¼
