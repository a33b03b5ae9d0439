"""The tests of the claims on uniform superposition, each on models made by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from shapes import JUST, angle_of, columns, evenly, rotation, told
from torch import Tensor

from superpos import geometry
from superpos.errors import InvalidArgument
from superpos.optima.search import best_known
from superpos.studies import uniform_superposition as uniform
from superpos.studies import ways

INVERSE_P = torch.logspace(0, 2, 41)


judged = uniform.study.judge


def polygon(k: int) -> Tensor:
    """k unit vectors spread evenly over the circle: D_i = 2/k."""
    angle = 2 * torch.pi * torch.arange(k) / k
    return torch.stack([angle.cos(), angle.sin()])


def tetrahedron() -> Tensor:
    return torch.tensor([[1.0, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]) / 3**0.5


def antiprism() -> Tensor:
    """Two squares, one turned by 45°: lengths along and across chosen so that W Wᵀ ∝ 1."""
    angle = torch.pi / 4 * torch.arange(8)
    side = (2 / 3) ** 0.5
    up = torch.tensor([1.0, -1.0]).repeat(4) / 3**0.5
    return torch.stack([side * angle.cos(), side * angle.sin(), up])


DIGON = torch.tensor([[1.0, -1.0]])


def model(*parts: Tensor, m: int, n: int) -> Tensor:
    """A direct sum of parts in m dimensions, with features of length 0 up to n."""
    W = torch.block_diag(*parts)
    padded = torch.zeros(m, n)
    padded[: W.shape[0], : W.shape[1]] = W
    return padded


def repeated(W: Tensor, seeds: int = 3) -> SimpleNamespace:
    """The same model for every seed; ``W`` is (sparsities, m, n)."""
    return SimpleNamespace(W=W.expand(seeds, *W.shape), inverse_p=INVERSE_P[: len(W)])


def with_D_star(D_star: Tensor) -> SimpleNamespace:
    """One-dimensional models with the given D* = 1/‖W‖²."""
    return repeated(D_star.rsqrt()[:, None, None])


def test_D_star_falls_if_it_is_lower_at_every_step():
    assert judged("uniform-Dstar-falls", with_D_star(1 / INVERSE_P)).shown.all()
    assert not judged("uniform-Dstar-falls", with_D_star(INVERSE_P / 100)).shown.any()


def test_D_star_does_not_fall_if_it_falls_by_a_tenth_only():
    slightly = 1 - 0.1 * torch.arange(41) / 41
    assert not judged("uniform-Dstar-falls", with_D_star(slightly)).shown.any()


def test_a_stair_sticks_and_a_slope_does_not():
    stair = torch.cat([torch.full((14,), 1.0), torch.full((14,), 0.5), torch.full((13,), 0.05)])
    found = judged("uniform-sticky", with_D_star(stair), with_D_star(stair))
    assert found.shown.all()
    assert found.weaker.all()
    slope = torch.logspace(0.1, -1.5, 41)
    assert not judged("uniform-sticky", with_D_star(slope), with_D_star(slope)).weaker.any()


def test_one_step_of_the_stair_is_the_weaker_reading():
    late = torch.cat(
        [torch.logspace(0.3, -0.25, 14), torch.full((14,), 0.5), torch.full((13,), 0.05)]
    )
    found = judged("uniform-sticky", with_D_star(late), with_D_star(late))
    assert not found.shown.any()
    assert found.weaker.all()


def test_lengths_of_one_and_none_are_two_values():
    W = model(DIGON, DIGON, m=2, n=20).expand(41, 2, 20)
    found = judged("uniform-unit-norms", repeated(W))
    assert found.shown.all()
    assert found.weaker.all()
    half = judged("uniform-unit-norms", repeated(0.6 * W + 0.4 * torch.ones(2, 20)))
    assert not half.shown.any()
    assert not half.weaker.any()


def test_lengths_may_be_mixed_outside_of_the_range_of_the_weaker_reading():
    W = model(DIGON, DIGON, m=2, n=4).expand(41, 2, 4).clone()
    W[(INVERSE_P < 3) | (INVERSE_P > 30)] *= 0.7
    found = judged("uniform-unit-norms", repeated(W))
    assert not found.shown.any()
    assert found.weaker.all()


def test_polytopes_make_peaks():
    parts = (tetrahedron(), polygon(3), DIGON, polygon(5))
    found = judged("uniform-fractions", repeated(model(*parts, m=8, n=30).expand(4, 8, 30)))
    assert found.weaker.all()
    alone = judged("uniform-fractions", repeated(model(DIGON, m=1, n=9).expand(4, 1, 9)))
    assert not alone.shown.any()
    assert not alone.weaker.any()


def test_the_registered_window_has_no_place_for_pentagons_beside_antiprisms():
    """2/5 and 3/8 lie in each other's flanks, so that no model at all can show all six peaks."""
    for pentagons in range(1, 5):
        parts = (tetrahedron(), polygon(3), DIGON, *[polygon(5)] * pentagons, antiprism())
        W = model(*parts, m=9 + 2 * pentagons, n=40).expand(4, 9 + 2 * pentagons, 40)
        assert not judged("uniform-fractions", repeated(W)).shown.any()
    window = {"near": 0.01, "inner": 0.02, "outer": 0.03, "times": 2}
    D = torch.tensor([3 / 8] * 8 + [2 / 5] * 3)
    assert uniform.peaks_at(D, 3 / 8, **window)
    assert not uniform.peaks_at(D, 2 / 5, **window)


def test_fractions_apart_have_a_place_for_all_six_and_miss_one_that_is_not_there():
    polytopes = [tetrahedron(), polygon(3), DIGON, polygon(5), antiprism()]
    for missing in (None, 0, 1, 3, 4):
        parts = [each for k, each in enumerate(polytopes) if k != missing]
        m = sum(len(each) for each in parts)
        found = judged("uniform-fractions-2", repeated(model(*parts, m=m, n=40).expand(4, m, 40)))
        assert found.shown.all() == (missing is None)
        assert found.weaker.all()
    # pairs that share a direction unequally: D of one and 1 − D of the other, spread evenly
    pairs = [torch.tensor([[D, 1 - D]]).sqrt() for D in torch.linspace(0.001, 0.999, 150)]
    found = judged("uniform-fractions-2", repeated(model(*pairs, m=150, n=300).expand(4, 150, 300)))
    assert not (found.shown | found.weaker).any()


def test_dimensionalities_of_a_direct_sum_add_up_to_m_and_an_empty_dimension_is_missed():
    full = model(polygon(5), DIGON, m=3, n=9).expand(41, 3, 9)
    assert judged("uniform-sum-is-m", repeated(full)).shown.all()
    empty = model(polygon(5), DIGON, m=4, n=9).expand(41, 4, 9)
    found = judged("uniform-sum-is-m", repeated(empty))
    assert not found.shown.any()
    assert not found.weaker.any()
    once = model(polygon(5), DIGON, DIGON, m=4, n=9).expand(41, 4, 9).clone()
    once[:3] = model(polygon(5), DIGON, m=4, n=9)
    found = judged("uniform-sum-is-m", repeated(once))
    assert not found.shown.any()
    assert found.weaker.all()


def test_factors_split_the_space_and_a_bipyramid_is_none():
    split = model(polygon(3), polygon(5), DIGON, DIGON, DIGON, m=7, n=20).expand(5, 7, 20)
    assert judged("uniform-tegum-split", repeated(split)).shown.all()
    # the same with a dimension that no feature is in
    parts = (polygon(3), polygon(5), polygon(5), DIGON)
    empty = model(*parts, m=8, n=20).expand(5, 8, 20)
    found = judged("uniform-tegum-split", repeated(empty))
    assert not found.shown.any()
    assert not found.weaker.any()


def test_without_triangles_only_the_weaker_reading_of_the_split_can_hold():
    W = model(polygon(5), DIGON, DIGON, m=4, n=20).expand(5, 4, 20)
    found = judged("uniform-tegum-split", repeated(W))
    assert not found.shown.any()
    assert found.weaker.all()


def test_the_ladder_is_confirmed_by_exact_losses_and_a_wrong_order_is_not():
    names = ["5-cell", "tetrahedron", "triangle", "digon", "pentagon", "square antiprism", "end"]
    places = [1.01, 1.0779, 1.2496, 1.5522, 4.4469, 4.9099, 5.276]

    def judge(places):
        ladder = SimpleNamespace(takeovers=dict(zip(names, places, strict=True)), inverse_p=[100.0])
        return judged("uniform-ladder", ladder).shown.tolist()

    assert judge(places) == [True] * 5
    # in the middle of a range up to 4 triangles are no longer the best
    assert judge([*places[:3], 4.0, *places[4:]]) == [True, False, True, True, True]
    del names[2], places[2]
    assert judge(places) == [False, False, False, True, True]


def test_factors_may_leave_a_dimension_empty_and_need_no_triangle():
    for m in (6, 7):
        W = model(polygon(5), *[DIGON] * 4, m=m, n=20).expand(5, m, 20)
        assert judged("uniform-tegum-split-2", repeated(W)).shown.all()


def test_factors_that_share_a_dimension_are_none_and_the_weaker_reading_asks_for_half():
    simplex = 0.7**0.5 * geometry.directions(torch.eye(6) - 1 / 6)  # products are 0.14
    digons = [1.35**0.5 * DIGON] * 8  # so that D* is in the range
    shared = model(simplex, *digons, m=14, n=40)
    assert uniform.shared_dimensions(shared, threshold=0.15) == 1
    assert uniform.shared_dimensions(shared, threshold=0.13) == 0  # one component
    apart = model(*[DIGON] * 14, m=14, n=40)
    for of_ten, shown, weaker in ((10, True, True), (6, False, True), (4, False, False)):
        found = judged(
            "uniform-tegum-split-2",
            repeated(torch.stack([apart] * of_ten + [shared] * (10 - of_ten))),
        )
        assert (found.shown.all().item(), found.weaker.any().item()) == (shown, weaker)


@pytest.mark.parametrize(("corners", "passes"), [(4, True), (5, False), (7, False)])
def test_a_bipyramid_as_a_whole_is_no_split(corners, passes):
    """Unit vectors spread evenly over space, among digons: D_i is 3/5 of five, 3/7 of seven."""
    angle = 2 * torch.pi * torch.arange(corners) / corners
    even = torch.stack([angle.cos(), angle.sin(), torch.full((corners,), 0.5**0.5)])
    W = model(even / 1.5**0.5, *[DIGON] * 9, m=12, n=40)
    assert judged("uniform-tegum-split-2", repeated(W.expand(3, 12, 40))).shown.all() == passes


@pytest.mark.parametrize(
    ("claim_id", "letter"), [("uniform-n-irrelevant", "n"), ("uniform-m-scales", "m")]
)
def test_sizes_are_alike_if_they_learn_the_same_per_dimension(claim_id, letter):
    seeds, sparse = torch.ones(4, 3), torch.full((4, 3), 0.2)
    alike = {letter: {10: (seeds, sparse), 20: (1.05 * seeds, sparse), 40: (seeds, sparse)}}
    assert judged(claim_id, alike).shown.all()
    apart = {letter: {10: (seeds, sparse), 20: (1.5 * seeds, sparse), 40: (seeds, sparse)}}
    assert not judged(claim_id, apart).shown.any()


def test_sizes_that_are_full_are_not_compared():
    seeds, sparse = torch.ones(4, 3), torch.full((4, 3), 0.2)
    filled = sparse.clone()
    filled[:, 2] = 0.9  # at the sparsest setting the smallest n has nothing left to learn
    other = seeds.clone()
    other[:, 2] = 2.0
    table = {"n": {10: (seeds, filled), 20: (other, sparse), 40: (seeds, sparse)}}
    assert judged("uniform-n-irrelevant", table).shown.all()


@pytest.mark.parametrize(
    ("claim_id", "letter"), [("uniform-n-irrelevant", "n"), ("uniform-m-scales", "m")]
)
def test_of_nothing_all_is_alike_so_that_it_is_refused(claim_id, letter):
    seeds, full = torch.ones(4, 3), torch.full((4, 3), 0.6)
    with pytest.raises(InvalidArgument, match="above 50% of the features are represented every"):
        judged(claim_id, {letter: {10: (seeds, full), 20: (seeds, full), 40: (seeds, full)}})


# The detectors, at their thresholds

STAY = {"within": 0.05, "times": 2}
WINDOW = {"near": 0.01, "inner": 0.02, "outer": 0.03, "times": 2}


# Values that linger and cluster


def fall(*stops: tuple[int, float], low: float = 0.25) -> Tensor:
    """D* that falls from 1 evenly on a logarithmic scale, with stops of a length at a value."""
    values: list[float] = []
    start = 1.0
    for length, value in (*stops, (0, low)):
        steps = round(20 * math.log(start / value))
        values += torch.logspace(math.log10(start), math.log10(value), steps + 1).tolist()[:-1]
        values += [value] * length
        start = value
    return torch.tensor([*values, low])


@pytest.mark.parametrize("value", [0.9, 0.5, 0.4])
def test_what_stays_at_a_value_sticks_there_and_nowhere_else(value):
    D = fall((10, value))
    assert told(uniform.sticks_at(D, value, **STAY))
    assert not told(uniform.sticks_at(D, 0.7, **STAY))
    assert not told(uniform.sticks_at(fall(), value, **STAY))


@pytest.mark.parametrize("k", range(12, 18))
def test_to_stick_is_to_stay_twice_as_long_as_a_straight_fall_would(k):
    # from 1 to 1/4 a straight fall spends ln(1.05/0.95)/ln 4 = 7.22 % within 5 % of a half
    D = torch.cat([torch.ones(30), torch.full((k,), 0.5), torch.full((69 - k,), 0.25)])
    share, needed = k / 99, 2 * math.log(1.05 / 0.95) / math.log(4)
    assert told(uniform.sticks_at(D, 0.5, **STAY)) is (share >= needed)


def test_at_the_upper_end_half_of_the_range_counts():
    # a fall from 1 spends ln(1/0.95)/ln 4 = 3.70 % within 5 % of 1: 8 of 100 are enough, 7 not
    for k, holds in ((7, False), (8, True)):
        D = torch.cat([torch.ones(k), torch.full((100 - k,), 0.25)])
        assert told(uniform.sticks_at(D, 1, **STAY)) is holds


@pytest.mark.parametrize(
    ("value", "holds"), [(0.4751, True), (0.4749, False), (0.5249, True), (0.5251, False)]
)
def test_near_is_within_5_percent(value, holds):
    D = torch.cat([torch.ones(5), torch.full((50,), value), torch.full((5,), 0.25)])
    assert told(uniform.sticks_at(D, 0.5, **STAY)) is holds


def test_a_value_that_is_never_reached_is_not_stuck_at():
    for value in (0.1, 0.2, 1.2):
        assert not told(uniform.sticks_at(fall(), value, **STAY))


def test_seeds_stick_one_by_one():
    D = torch.stack([fall((10, 0.5)), fall((10, 0.7))])
    assert uniform.sticks_at(D, 0.5, **STAY).tolist() == [True, False]
    assert uniform.sticks_at(D.double(), 0.7, **STAY).tolist() == [False, True]


def clustered(near: int, flank: int, centre: float, distance: float) -> Tensor:
    """Some values at the centre and some at a distance, on either side in turn."""
    sides = [1] if centre == 0 else [1, -1]
    beside = [centre + sides[k % len(sides)] * distance for k in range(flank)]
    return torch.tensor([centre] * near + beside + [0.9] * 50, dtype=torch.float64)


@pytest.mark.parametrize("centre", [0, 3 / 8, 2 / 5, 1 / 2, 2 / 3, 3 / 4])
def test_a_peak_has_more_than_twice_as_many_as_its_flanks(centre):
    for near, flank, holds in ((5, 2, True), (4, 2, False), (1, 0, True), (0, 0, False)):
        values = clustered(near, flank, centre, 0.025)
        assert told(uniform.peaks_at(values, centre, **WINDOW)) is holds


@pytest.mark.parametrize(
    ("centre", "distance", "counts"),
    [
        (0.5, 0.0199, False),
        (0.5, 0.0201, True),
        (0.5, 0.0299, True),
        (0.5, 0.0301, False),
        (0, 0.0199, False),
        (0, 0.0201, True),
        (0, 0.0399, True),
        (0, 0.0401, False),
    ],
)
def test_the_flanks_are_at_0_02_to_0_03_and_at_0_twice_as_wide(centre, distance, counts):
    values = clustered(2, 1, centre, distance)
    assert uniform.peaks_at(values, centre, **WINDOW).item() is not counts


def test_a_peak_is_within_0_01():
    for distance, holds in ((0.0099, True), (0.0101, False)):
        for sign in (1, -1):
            assert (
                uniform.peaks_at(torch.tensor([0.4 + sign * distance]), 0.4, **WINDOW).item()
                is holds
            )


def test_peaks_are_those_of_each_seed_in_any_order():
    values = torch.stack([clustered(5, 2, 0.5, 0.025), clustered(4, 3, 0.5, 0.025)])
    assert uniform.peaks_at(values, 0.5, **WINDOW).tolist() == [True, False]
    assert uniform.peaks_at(values.flip(-1), 0.5, **WINDOW).tolist() == [True, False]


# Tegum factors


def tegum_factors(W: Tensor, *, threshold: float = 0.15) -> bool:
    return uniform.tegum_excess(W, threshold=threshold) == 0


DIRECT_SUM = torch.block_diag(columns((1,), (-1,)), evenly(0, 120, 240), columns((1,)))


def test_orthogonal_polytopes_that_fill_the_space_are_tegum_factors():
    assert tegum_factors(DIRECT_SUM) is True
    assert tegum_factors(rotation(0, 4) @ DIRECT_SUM) is True
    order = torch.randperm(6, generator=torch.Generator().manual_seed(0))
    assert tegum_factors(DIRECT_SUM[:, order]) is True


def test_a_space_that_is_not_filled_is_not_made_of_tegum_factors():
    room = torch.cat([DIRECT_SUM, torch.zeros(1, 6, dtype=torch.float64)])
    assert tegum_factors(room) is False
    assert uniform.tegum_excess(room, threshold=0.15) == -1
    assert tegum_factors(torch.zeros(2, 3)) is False
    assert uniform.tegum_excess(torch.zeros(2, 3), threshold=0.15) == -2
    short = DIRECT_SUM.clone()
    short[:, 5] *= (0.5 - JUST) ** 0.5  # no longer represented
    assert tegum_factors(short) is False


@pytest.mark.parametrize(("product", "factors"), [(0.15 - JUST, False), (0.15 + JUST, True)])
def test_parts_are_joined_by_a_product_of_0_15_or_more(product, factors):
    # the five corners of a simplex in four dimensions have equal products: joined they are one
    # part of rank 4, else five parts that share the four dimensions
    corners = torch.linalg.svd(torch.eye(5, dtype=torch.float64) - 1 / 5).Vh[:4]
    length = (4 * product) ** 0.5 / (4 / 5) ** 0.5
    assert tegum_factors(length * corners) is factors
    assert uniform.tegum_excess(length * corners, threshold=0.15) == (0 if factors else 1)
    assert tegum_factors(corners, threshold=0.19) is True  # products are 1/5
    assert tegum_factors(corners, threshold=0.21) is False


@pytest.mark.parametrize(("value", "factors"), [(0.3 + JUST, True), (0.3 - JUST, False)])
def test_a_part_spans_the_dimensions_with_singular_values_above_0_3(value, factors):
    # two unit features at the cosine c have the singular values √(1 ± c)
    assert tegum_factors(evenly(0, angle_of(1 - value**2))) is factors


def test_the_ladder_has_the_papers_fractions_as_steps_and_each_takes_over_where_it_ties():
    found = uniform.study.run({}).ladder
    fractions = [found.fractions[found.names.index(name)].item() for name in found.takeovers]
    assert fractions == sorted(fractions, reverse=True)
    listed = {value for value in uniform.FRACTIONS.values() if value}
    assert all(min(abs(value - own) for own in fractions) < 1e-6 for value in listed)
    places = list(found.takeovers.values())
    assert places == sorted(places)
    between = (found.inverse_p > places[3]) & (found.inverse_p < places[4])
    assert (found.saved.argmax(0)[between] == found.names.index("digon")).all()


def test_at_rest_models_are_the_best_known():
    at = torch.tensor([2.0, 5.0])
    found = uniform.models(12, 2, 200, at, seeds=[3, 4], procedure=ways.search)
    assert found.W.dims == ("seed", "inverse_p", "dimension", "feature")
    W = torch.from_numpy(found.W.values)
    torch.testing.assert_close(W[1], best_known(12, 2, 1 / at, seeds=[4], steps=200).W)
    assert geometry.dimensions_per_feature(W[:, 0]).tolist() == pytest.approx([0.5, 0.5], abs=0.1)


def test_every_seed_and_sparsity_has_a_search_of_its_own(monkeypatch):
    def found(n, m, p, *, seeds, steps):
        (seed,) = seeds
        return SimpleNamespace(W=(seed + p)[:, None, None].expand(-1, m, n))

    monkeypatch.setattr(ways, "best_known", found)
    W = ways.Search(200).models(6, 2, torch.tensor([0.5, 0.25]), [3, 4])
    assert W.shape == (2, 2, 2, 6)
    assert W[..., 0, 0].tolist() == [[3.5, 3.25], [4.5, 4.25]]
    at = torch.tensor([2.0, 4.0])
    models = uniform.models(6, 2, 200, at, seeds=[3, 4], procedure=ways.search)
    assert models.W.values[..., 0, 0].tolist() == [[3.5, 3.25], [4.5, 4.25]]
