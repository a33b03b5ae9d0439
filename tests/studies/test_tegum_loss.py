"""The tests of the claims on the tegum loss, each on losses and vectors made by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from superpos.studies import tegum_loss as tegum
from superpos.studies.tegum_loss import DENSITY, REGISTERED, SIZES, Compared

TRIALS = 3


judged = tegum.study.judge


def tensor(values) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


# The quadratic bound

DERIVATION = tegum.derivation()


def valley(sign: list[int], *, star: float = 2.5, below: int = -1, excess: float = 0.0):
    """Settings whose slope has these signs at k = 1, 2, 3, 4."""
    return SimpleNamespace(
        star=tensor([star] * TRIALS),
        k=tensor([[1, 2, 3, 4]] * TRIALS),
        sign=tensor([sign] * TRIALS),
        below=tensor([[below] * 4] * TRIALS),
        excess=tensor([excess] * TRIALS),
    )


def test_a_valley_at_k_star_shows_the_claim_and_a_hill_its_weaker_reading():
    assert judged("tegum-quadratic", DERIVATION, valley([-1, -1, 1, 1])).shown.all()
    hill = judged("tegum-quadratic", DERIVATION, valley([1, 1, -1, -1], excess=0.4))
    assert not hill.shown.any()
    assert hill.weaker.all()


@pytest.mark.parametrize(
    "wrong",
    [
        valley([-1, -1, 1, 1], star=3.5),
        valley([-1, 1, -1, 1], star=1.5),
        valley([-1, -1, -1, -1]),
        valley([-1, -1, 1, 1], below=1),
    ],
    ids=["elsewhere", "several", "none", "one below 2"],
)
def test_a_stationary_point_elsewhere_or_another_one_shows_neither(wrong):
    found = judged("tegum-quadratic", DERIVATION, wrong)
    assert not found.shown.any()
    assert not found.weaker.any()


def test_the_stationary_point_must_be_the_source_s():
    other = dict(DERIVATION)
    other["v^*"] = other["v^*"] + 1
    assert not judged("tegum-quadratic", other, valley([-1, -1, 1, 1])).weaker.any()


def test_the_stationary_point_is_a_maximum_at_any_settings():
    found = judged("tegum-quadratic", DERIVATION, tegum.quadratic(5, 100))
    assert not found.shown.any()
    assert found.weaker.all()


# The cubic bound


def bounded(best: list[float], *, gain: float = 0.05, most: float = 9.0) -> SimpleNamespace:
    return SimpleNamespace(
        pairs=[(100, 50)], best=tensor([best]), most=tensor([most]), gain=tensor([gain])
    )


def test_an_optimum_that_falls_inside_the_range_and_gains_little_shows_the_claim():
    assert judged("tegum-cubic", bounded([8, 6, 3, 1.5])).shown.all()
    much = judged("tegum-cubic", bounded([8, 6, 3, 1.5], gain=0.3))
    assert not much.shown.any()
    assert much.weaker.all()


@pytest.mark.parametrize("best", [[8, 6, 3, 1.0], [8, 6, 6, 2], [8.999, 6, 3, 2], [3, 6, 5, 2]])
def test_an_optimum_at_an_end_or_one_that_does_not_fall_shows_neither(best):
    found = judged("tegum-cubic", bounded(best))
    assert not found.shown.any()
    assert not found.weaker.any()
    assert found.measured["(n, d) whose optimum reaches k = 1 at α = 2 or before"] == "(100, 50)"


def plotted(best: list[float], most: float = 10.0) -> SimpleNamespace:
    return SimpleNamespace(best=tensor([best] * 2), most=tensor([most] * 2))


def test_the_plots_optimum_must_be_inside_fall_and_begin_near_the_end():
    assert judged("tegum-cubic-2", plotted([9.5, 6, 3, 1.5])).shown.all()
    early = judged("tegum-cubic-2", plotted([8.5, 6, 3, 1.5]))
    assert not early.shown.any()
    assert early.weaker.all()


@pytest.mark.parametrize("best", [[9.5, 6, 3, 1.0], [9.5, 6, 6, 2], [9.999, 6, 3, 2]])
def test_a_plotted_optimum_at_an_end_or_one_that_does_not_fall_shows_neither(best):
    found = judged("tegum-cubic-2", plotted(best))
    assert not found.shown.any()
    assert not found.weaker.any()


def roots(*holds: bool) -> SimpleNamespace:
    """Whether there is a root at k = 1, 2, 4, 8, with d = 8."""
    return SimpleNamespace(k=tensor([[1, 2, 4, 8]]), root=torch.tensor([holds]))


def test_a_range_that_ends_at_half_of_d_or_before_shows_the_claim():
    assert judged("tegum-domain", roots(True, True, True, False)).shown.all()
    assert judged("tegum-domain", roots(True, False, False, False)).shown.all()


@pytest.mark.parametrize(
    "holds", [(True,) * 4, (False,) * 4, (True, False, True, False), (False, False, True, True)]
)
def test_a_range_without_an_end_or_with_a_gap_does_not(holds):
    assert not judged("tegum-domain", roots(*holds)).shown.any()


def test_a_range_that_ends_beyond_half_of_d_does_not():
    late = SimpleNamespace(k=tensor([[1, 5, 8]]), root=torch.tensor([[True, True, False]]))
    assert not judged("tegum-domain", late).shown.any()


def crossing(critical: float, *, above: float = 1.0, under: float = 1.2) -> SimpleNamespace:
    return SimpleNamespace(
        critical=tensor([critical]),
        above=tensor([[1.0, above]]),
        under=tensor([[9.0, under]]),
        jump=tensor([3.0]),
    )


def test_one_space_must_be_best_above_the_critical_value_alone():
    assert judged("tegum-transition", crossing(2.1)).shown.all()
    for wrong in (crossing(2.1, above=1.01), crossing(2.1, under=1.0)):
        found = judged("tegum-transition", wrong)
        assert not found.shown.any()
        assert not found.weaker.any()


@pytest.mark.parametrize("critical", [1.9, 2.0, 2.6])
def test_a_critical_value_that_is_not_a_little_over_two_shows_the_weaker_reading(critical):
    found = judged("tegum-transition", crossing(critical))
    assert not found.shown.any()
    assert found.weaker.all()


# The search


def test_products_must_be_best_up_to_three_halves_and_not_from_five_halves():
    right = {
        (alpha, n, d): Compared(1.0 if alpha < 2 else 0.9, 1.0, ())
        for alpha in (*REGISTERED, 1.8)
        for n, d in SIZES
    }
    found = judged("tegum-not-only", right)
    assert found.shown.all()
    assert len(found.shown) == len(REGISTERED) * len(SIZES)
    other = dict(right)
    other[1.5, 3, 2] = Compared(0.9, 1.0, ())  # something better than products
    other[4.0, 3, 2] = Compared(1.0, 1.0, ())  # a product as good as anything
    assert (~judged("tegum-not-only", other).shown).sum() == 2
    stuck = dict(right)
    stuck[1.5, 3, 2] = Compared(1.2, 1.0, ())
    assert judged("tegum-not-only", stuck).shown.all()
    measured = judged("tegum-not-only", stuck).measured
    assert measured["Searches above the best product, α up to 1.5"].startswith("1 of ")


SIMPLICES = torch.tensor([n == d + 1 for n, d in SIZES])


def simplex(d: int) -> Tensor:
    """d + 1 unit vectors in d dimensions, with equal cosines of −1/d."""
    centred = torch.eye(d + 1, dtype=torch.float64) - 1 / (d + 1)
    W = torch.linalg.svd(centred).Vh[:d]
    return W / W.norm(dim=0)


def doubled(d: int) -> Tensor:
    """d + 1 unit vectors on d axes, two of them on the first."""
    return torch.eye(d, dtype=torch.float64)[:, [0, *range(d)]]


def course(*shapes) -> SimpleNamespace:
    """Arrangements by α, where there is one vector more than dimensions; elsewhere none."""
    V = torch.zeros(len(REGISTERED), len(SIZES), 4, 12, dtype=torch.float64)
    for row, shape in enumerate(shapes):
        for column, (n, d) in enumerate(SIZES):
            if n == d + 1:
                V[row, column, :d, :n] = shape(d)
    return SimpleNamespace(alpha=tensor(REGISTERED), V=V)


def test_few_large_cosines_that_become_many_small_ones_show_the_trade():
    found = judged("tegum-moments", course(*[doubled] * 3, *[simplex] * 3))
    assert found.shown.equal(SIMPLICES)
    assert found.weaker.equal(SIMPLICES)


def test_a_trade_that_goes_back_in_between_shows_the_weaker_reading():
    back = course(doubled, doubled, simplex, doubled, simplex, simplex)
    found = judged("tegum-moments", back)
    assert not found.shown.any()
    assert found.weaker.equal(SIMPLICES)


def test_a_trade_the_other_way_or_none_shows_neither():
    for shapes in ([simplex] * 3 + [doubled] * 3, [simplex] * 6):
        found = judged("tegum-moments", course(*shapes))
        assert not found.shown.any()
        assert not found.weaker.any()


def test_the_largest_alpha_must_have_the_mildest_worst_pair_and_the_smallest_the_fewest():
    assert judged("tegum-moments-2", course(*[doubled] * 3, *[simplex] * 3)).shown.equal(SIMPLICES)
    between = course(
        doubled, simplex, doubled, simplex, doubled, simplex
    )  # the ends are what counts
    assert judged("tegum-moments-2", between).shown.equal(SIMPLICES)
    for shapes in ([simplex] * 3 + [doubled] * 3, [simplex] * 6, [doubled] * 6):
        found = judged("tegum-moments-2", course(*shapes))
        assert not found.shown.any()
        assert not found.weaker.any()


def test_a_worst_pair_that_is_milder_elsewhere_shows_the_weaker_reading():
    orthogonal = SIMPLICES & torch.tensor([d == 4 for _, d in SIZES])

    def between(d):  # a triangle and axes of their own: milder than a double, worse than a simplex
        if d < 4:
            return simplex(d)
        V = torch.zeros(4, 5, dtype=torch.float64)
        V[:2, :3], V[2:, 3:] = simplex(2), torch.eye(2)
        return V

    found = judged("tegum-moments-2", course(doubled, *[simplex] * 4, between))
    assert found.shown.equal(SIMPLICES & ~orthogonal)
    assert found.weaker.equal(SIMPLICES)


# The α of the toy model


def fitted(alpha: list[float]) -> SimpleNamespace:
    values = tensor([alpha] * TRIALS)
    return SimpleNamespace(
        alpha=values, correlation=values, one_sided=values,
        own_alpha=values, own_correlation=values,
    )  # fmt: skip


def test_an_alpha_that_rises_through_two_shows_the_regimes():
    found = judged("tegum-regimes", fitted([1.2, 2.5, 2.8, 3.0, 3.5]))
    assert found.shown.all()
    assert found.weaker.all()


@pytest.mark.parametrize(
    "alpha", [[2.1, 2.5, 2.8, 3, 3.5], [1, 1.2, 1.3, 1.8, 1.9], [1, 5, 4, 3, 2.5]]
)
def test_an_alpha_on_one_side_of_two_or_without_order_shows_the_weaker_reading(alpha):
    found = judged("tegum-regimes", fitted(alpha))
    assert not found.shown.any()
    assert found.weaker.all()


def test_with_a_bias_each_two_itself_is_not_below_the_critical_value():
    rising = [1.9, 2.5, 2.8, 3.0, 3.5]
    assert judged("tegum-regimes-2", fitted(rising)).shown.all()
    found = judged("tegum-regimes-2", fitted([2.0, *rising[1:]]))
    assert not found.shown.any()
    assert found.weaker.all()
    assert not judged("tegum-regimes-2", fitted(rising[::-1])).weaker.any()


def test_an_alpha_that_falls_shows_neither():
    found = judged("tegum-regimes", fitted([3.5, 3, 2.5, 2, 1.5]))
    assert not found.shown.any()
    assert not found.weaker.any()
    assert len(DENSITY) == 5
