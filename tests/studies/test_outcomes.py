"""Each test of a claim against models built by hand, at the thresholds of ``book/claims.yml``."""

from __future__ import annotations

import math

import pytest
import torch
from shapes import JUST, angle_of, columns, evenly, polar, rotation, told
from torch import Tensor

from superpos.learning import onehot
from superpos.studies import outcomes


def each(cases: dict):
    return pytest.mark.parametrize(("model", "holds"), cases.values(), ids=cases)


# Five features in a plane

NOTHING = (0, 0)
RIGHT_ANGLES = {
    "two at a right angle": (polar((1, 0), (1, 90), NOTHING, NOTHING, NOTHING), True),
    "as long as need be": (polar((0.5 + JUST, 0), (0.5 + JUST, 90), *[NOTHING] * 3), True),
    "one too short": (polar((1, 0), (0.5 - JUST, 90), *[NOTHING] * 3), False),
    "the rest as long as may be": (polar((1, 0), (1, 90), *[(0.1 - JUST, 45)] * 3), True),
    "another too long": (polar((1, 0), (1, 90), NOTHING, NOTHING, (0.1 + JUST, 45)), False),
    "just wide enough": (polar((1, 0), (1, angle_of(0.1 - JUST)), *[NOTHING] * 3), True),
    "too narrow": (polar((1, 0), (1, angle_of(0.1 + JUST)), *[NOTHING] * 3), False),
    "just not too wide": (polar((1, 0), (1, angle_of(-0.1 + JUST)), *[NOTHING] * 3), True),
    "too wide": (polar((1, 0), (1, angle_of(-0.1 - JUST)), *[NOTHING] * 3), False),
    "the wrong two": (polar((1, 0), NOTHING, (1, 90), NOTHING, NOTHING), False),
    "a pentagon": (evenly(0, 72, 144, 216, 288), False),
}


@each(RIGHT_ANGLES)
def test_a_right_angle_is_two_features_at_90_degrees_and_no_others(model, holds):
    assert told(outcomes.orthogonal_pair(model)) is holds


def two_pairs(angle: float) -> Tensor:
    return polar((1, 0), (1, angle), (1, 180), (1, angle + 180), NOTHING)


def bent_pair(cosine: float) -> Tensor:
    """Two pairs in orthogonal planes, the second at a cosine."""
    first, second = columns((1,), (-1,)), evenly(0, angle_of(cosine))
    return torch.block_diag(first, second, torch.zeros(0, 1, dtype=torch.float64))


PAIRS = {
    "two pairs at a right angle": (two_pairs(90), True),
    "paired in another order": (polar((1, 0), (1, 180), (1, 270), (1, 90), NOTHING), True),
    "lengths at the threshold": (
        polar(*((0.5 + JUST, angle) for angle in (0, 90, 180, 270)), (0.1 - JUST, 30)),
        True,
    ),
    "one too short": (polar((1, 0), (1, 90), (1, 180), (0.5 - JUST, 270), NOTHING), False),
    "the last too long": (polar((1, 0), (1, 90), (1, 180), (1, 270), (0.1 + JUST, 30)), False),
    "the most important one dropped": (polar(NOTHING, *((1, 90 * k) for k in range(4))), False),
    "just wide enough": (two_pairs(angle_of(0.1 - JUST)), True),
    "too narrow": (two_pairs(angle_of(0.1 + JUST)), False),
    "just opposite enough": (bent_pair(-0.95 - JUST), True),
    "not opposite enough": (bent_pair(-0.95 + JUST), False),
    "two partners": (polar((1, 0), (1, 180), (1, 180), (1, 0), NOTHING), False),
    "an only pair": (polar((1, 0), (1, 180), NOTHING, NOTHING, NOTHING), False),
    "one pair and two alone": (
        columns((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0)),
        False,
    ),
    "four at right angles": (torch.eye(4, 5, dtype=torch.float64), False),
    "a pentagon": (evenly(0, 72, 144, 216, 288), False),
}


@each(PAIRS)
def test_antipodal_pairs_are_of_all_features_but_the_last(model, holds):
    assert told(outcomes.antipodal_pairs(model)) is holds


PENTAGONS = {
    "regular": (evenly(0, 72, 144, 216, 288), True),
    "out of order": (evenly(144, 0, 288, 216, 72), True),
    "as narrow as may be": (evenly(0, 54.01, 130, 206, 282), True),
    "too narrow": (evenly(0, 53.99, 130, 206, 282), False),
    "as wide as may be": (evenly(0, 89.99, 155, 220, 290), True),
    "too wide": (evenly(0, 90.01, 155, 220, 290), False),
    "too wide across the start": (evenly(20, 85, 150, 215, 289), False),
    "lengths at the threshold": (polar(*((0.5 + JUST, 72 * k) for k in range(5))), True),
    "one too short": (polar((0.5 - JUST, 0), *((1, 72 * k) for k in range(1, 5))), False),
    "two pairs": (polar((1, 0), (1, 90), (1, 180), (1, 270), NOTHING), False),
    "a pentagram's lines": (evenly(0, 0, 144, 216, 288), False),
}


@each(PENTAGONS)
def test_a_pentagon_has_five_features_with_54_to_90_degrees_between_neighbours(model, holds):
    assert told(outcomes.pentagon(model)) is holds


def stretched(longest: float) -> Tensor:
    """A regular pentagon whose first feature is longer than the mean by a share."""
    W = evenly(0, 72, 144, 216, 288)
    W[:, 0] *= (1 + longest) * 4 / (4 - longest)
    return W


REGULAR = {
    "regular": (evenly(0, 72, 144, 216, 288), True),
    "of any length": (3 * evenly(0, 72, 144, 216, 288), True),
    "out of order": (evenly(144, 0, 288, 216, 72), True),
    "just not too narrow": (evenly(0, 70 + JUST, 142, 214, 287), True),
    "too narrow": (evenly(0, 70 - JUST, 142, 214, 287), False),
    "just not too wide": (evenly(0, 74 - JUST, 146, 218, 289), True),
    "too wide": (evenly(0, 74 + JUST, 146, 218, 289), False),
    "just not too long": (stretched(0.02 - JUST), True),
    "too long": (stretched(0.02 + JUST), False),
    "nothing": (torch.zeros(2, 5, dtype=torch.float64), False),
    "two pairs": (polar((1, 0), (1, 90), (1, 180), (1, 270), NOTHING), False),
}


@each(REGULAR)
def test_a_regular_pentagon_has_even_angles_and_lengths(model, holds):
    assert told(outcomes.regular_pentagon(model)) is holds


each_picture = pytest.mark.parametrize(
    ("test", "cases"),
    [
        (outcomes.orthogonal_pair, RIGHT_ANGLES),
        (outcomes.antipodal_pairs, PAIRS),
        (outcomes.pentagon, PENTAGONS),
        (outcomes.regular_pentagon, REGULAR),
    ],
    ids=["right angle", "pairs", "pentagon", "regular pentagon"],
)


@each_picture
def test_what_a_picture_shows_does_not_depend_on_how_it_is_turned_or_mirrored(test, cases):
    for W, holds in cases.values():
        mirror = torch.eye(len(W), dtype=W.dtype).flip(0)
        for turn in (rotation(0, len(W)), rotation(1, len(W)), mirror):
            assert told(test(turn @ W)) is holds


def test_a_pentagon_is_one_in_any_order_and_pairs_are_in_any_order_of_their_four():
    for seed in range(20):
        order = torch.randperm(5, generator=torch.Generator().manual_seed(seed))
        among_four = torch.cat([order[order < 4], torch.tensor([4])])
        for W, holds in PENTAGONS.values():
            assert told(outcomes.pentagon(W[:, order])) is holds
        for W, holds in PAIRS.values():
            assert told(outcomes.antipodal_pairs(W[:, among_four])) is holds


@each_picture
def test_each_model_of_an_ensemble_is_judged_by_itself(test, cases):
    flat = [(W, holds) for W, holds in cases.values() if W.shape == (2, 5)]
    ensemble = torch.stack([W for W, _ in flat])[:, None].expand(-1, 3, 2, 5)
    assert test(ensemble).tolist() == [[holds] * 3 for _, holds in flat]
    assert test(ensemble.float()).tolist() == [[holds] * 3 for _, holds in flat]


# The top m features


def top(m: int, n: int) -> Tensor:
    """A model whose WᵀW is the identity on its first m features."""
    return torch.eye(m, n, dtype=torch.float64)


def test_the_top_features_are_the_first_m_turned_in_any_way():
    W = rotation(0, 3) @ top(3, 6)
    assert told(outcomes.only_top_features(W))
    assert not told(outcomes.only_top_features(W[:, [0, 1, 3, 2, 4, 5]]))
    assert told(outcomes.only_top_features(W[:, [2, 0, 1, 5, 4, 3]]))
    ensemble = torch.stack([W, W.roll(1, -1)])[:, None]
    assert outcomes.only_top_features(ensemble).tolist() == [[True], [False]]


@pytest.mark.parametrize(
    ("diagonal", "holds"), [(0.9 - JUST, False), (0.9 + JUST, True), (1.09, True), (1.3, True)]
)
def test_a_top_feature_has_at_least_0_9_on_the_diagonal(diagonal, holds):
    W = top(3, 6)
    W[1, 1] = diagonal**0.5
    assert told(outcomes.only_top_features(W)) is holds


@pytest.mark.parametrize(("size", "holds"), [(0.1 - JUST, True), (0.1 + JUST, False)])
def test_everything_else_is_at_most_0_1_in_size(size, holds):
    for product in (size, -size):
        G = torch.eye(3, dtype=torch.float64)
        G[0, 1] = G[1, 0] = product
        two_at_the_top = torch.cat([torch.linalg.cholesky(G).T, torch.zeros(3, 3)], dim=1)
        assert told(outcomes.only_top_features(two_at_the_top)) is holds
        dropped_along_the_top = top(3, 6)
        dropped_along_the_top[2, 5] = product
        assert told(outcomes.only_top_features(dropped_along_the_top)) is holds
    a_long_dropped_one = top(20, 21)  # with little along each of the others
    a_long_dropped_one[:, 20] = (size / 20) ** 0.5
    assert told(outcomes.only_top_features(a_long_dropped_one)) is holds


def test_biases_are_0_for_what_is_learnt_and_the_mean_for_the_rest():
    mean = torch.tensor([0.5, 0.4, 0.3, 0.2, 0.1])
    good = torch.tensor([0.0, 0.0, 0.3, 0.2, 0.1])
    assert outcomes.mean_biases(good, mean, learnt=2).item()
    for learnt in (0, 1, 3, 4, 5):
        assert not outcomes.mean_biases(good, mean, learnt=learnt).item()
    for i in range(5):  # within a tenth of the mean on either side
        for sign in (1, -1):
            b = good.clone()
            b[i] += sign * 0.099 * mean[i]
            assert outcomes.mean_biases(b, mean, learnt=2).item()
            b[i] = good[i] + sign * 0.101 * mean[i]
            assert not outcomes.mean_biases(b, mean, learnt=2).item()


def test_each_setting_has_a_mean_of_its_own():
    p = torch.tensor([[1.0], [0.01]])
    b = (p / 2 * torch.tensor([0, 1, 1])).expand(4, 2, 3).clone()
    assert outcomes.mean_biases(b, p / 2, learnt=1).all()
    b[3, 1] += 0.001  # a fifth of E[x] where p = 0.01, nothing where p = 1
    b[3, 0] += 0.001
    expected = [[True, True]] * 3 + [[True, False]]
    assert outcomes.mean_biases(b, p / 2, learnt=1).tolist() == expected


# From dense to sparse


def ladder(*settings: Tensor) -> Tensor:
    return torch.stack(settings)


def placed(places: dict[int, tuple[float, ...]], n: int = 6) -> Tensor:
    """Features by number, the others zero; in three dimensions."""
    W = torch.zeros(3, n, dtype=torch.float64)
    for i, feature in places.items():
        W[:, i] = torch.tensor(feature, dtype=torch.float64)
    return W


X, Y, Z = (1, 0, 0), (0, 1, 0), (0, 0, 1)
MINUS = {X: (-1, 0, 0), Y: (0, -1, 0), Z: (0, 0, -1)}
DENSE = placed({0: X, 1: Y, 2: Z})
ONE_PAIR = placed({0: X, 1: Y, 2: Z, 3: MINUS[Z]})
TWO_PAIRS = placed({0: X, 1: Y, 2: Z, 3: MINUS[Z], 4: MINUS[Y]})
WRONG_PAIR = placed({0: X, 1: Y, 2: Z, 3: MINUS[X]})  # feature 0 shares; 1 and 2 do not


def test_superposed_are_represented_features_with_an_interference_of_0_1_or_more():
    both = (0.1 + JUST) ** 0.5, (0.1 - JUST) ** 0.5
    for along, shared in zip(both, (True, False), strict=True):
        rest = (1 - along**2) ** 0.5
        found = outcomes.superposed(columns((1, 0, 0), (along, rest, 0), (0, 0, 1), (0, 0, 0)))
        assert found.tolist() == [shared, shared, False, False]
    # what is too short to be represented is not superposed, but it interferes
    short = (0.5 - JUST) ** 0.5
    assert outcomes.superposed(columns((1, 0), (-short, 0))).tolist() == [True, False]


@pytest.mark.parametrize(
    ("settings", "holds"),
    [
        ([DENSE, ONE_PAIR, TWO_PAIRS], True),
        ([DENSE, DENSE, ONE_PAIR], True),
        ([DENSE, TWO_PAIRS, ONE_PAIR], False),  # it falls once
        ([TWO_PAIRS, ONE_PAIR, TWO_PAIRS], False),
        ([DENSE, DENSE, DENSE], False),
        ([DENSE, DENSE * (0.5 - JUST) ** 0.5, ONE_PAIR], False),  # too short to count
        ([DENSE, DENSE * (0.5 + JUST) ** 0.5, ONE_PAIR], True),
    ],
)
def test_the_number_of_features_grows_if_it_never_falls_and_ends_larger(settings, holds):
    assert told(outcomes.growing_number(ladder(*settings))) is holds


ALL_SHARE = placed({i: v for i, v in enumerate((X, MINUS[X], Y, MINUS[Y], Z, MINUS[Z]))})


@pytest.mark.parametrize(
    ("settings", "holds"),
    [
        ([DENSE, ONE_PAIR, TWO_PAIRS], True),
        ([DENSE, WRONG_PAIR, TWO_PAIRS], False),  # 0 and 3 against 1 and 2: a draw
        ([DENSE, placed({0: X, 1: MINUS[X], 2: Y})], False),
        ([DENSE, ONE_PAIR, placed({0: X, 1: MINUS[X], 2: Y})], False),  # at every p
        ([DENSE, ALL_SHARE], False),  # nowhere are there both kinds
        ([ALL_SHARE, ONE_PAIR, ALL_SHARE], True),
        ([DENSE, ONE_PAIR, ALL_SHARE], True),
        ([0 * DENSE, DENSE], False),
    ],
)
def test_the_unimportant_are_first_where_there_are_both_kinds(settings, holds):
    assert told(outcomes.unimportant_first(ladder(*settings))) is holds


TRIANGLE = placed({0: X, **{i + 1: (0, *evenly(120 * i)[:, 0].tolist()) for i in range(3)}})


def pairs_and_triangles(pairs: int, triangles: int) -> Tensor:
    """So many antipodal pairs and triangles, all orthogonal."""
    blocks = [columns((1,), (-1,))] * pairs + [evenly(0, 120, 240)] * triangles
    return torch.block_diag(*blocks)


@pytest.mark.parametrize(
    ("settings", "holds"),
    [
        ([DENSE, ONE_PAIR, TRIANGLE], True),
        ([DENSE, TRIANGLE, ONE_PAIR], False),
        ([DENSE, DENSE, WRONG_PAIR], True),
        ([DENSE, DENSE], False),
        ([pairs_and_triangles(6, 1)], True),  # 12 of 15 superposed features: 80 %
        ([pairs_and_triangles(11, 2)], False),  # 22 of 28: 79 %
        ([placed({0: X, 1: (-0.9 - JUST, (1 - (0.9 + JUST) ** 2) ** 0.5, 0)})], True),
        ([placed({0: X, 1: (-0.9 + JUST, (1 - (0.9 - JUST) ** 2) ** 0.5, 0)})], False),
        ([placed({0: X, 1: X})], False),
    ],
)
def test_antipodal_pairs_are_first_if_the_first_superposition_is_mostly_theirs(settings, holds):
    assert told(outcomes.antipodal_first(ladder(*settings))) is holds


@pytest.mark.parametrize(
    ("product", "holds"), [(0.1 + JUST, True), (0.1 - JUST, False), (-0.9, False)]
)
def test_positive_interference_is_a_product_above_0_1_of_two_represented_features(product, holds):
    W = columns((1, 0), (product, (1 - product**2) ** 0.5))
    assert told(outcomes.positive_interference(W)) is holds
    assert told(outcomes.positive_interference(rotation(0, 2) @ W.flip(-1))) is holds
    assert not told(outcomes.positive_interference(columns((1, 0), (0.7, 0))))  # 0.49 is too short
    assert told(outcomes.positive_interference(columns((1, 0), (0.71, 0))))


@pytest.mark.parametrize(("bias", "holds"), [(-0.051, True), (-0.049, False), (0.3, False)])
def test_negative_biases_are_those_of_represented_features_below_minus_0_05(bias, holds):
    W = columns((1, 0), (0, 1), (0.1, 0))
    assert outcomes.negative_biases(W, torch.tensor([0.0, bias, 0.0])).item() is holds
    assert not outcomes.negative_biases(W, torch.tensor([0.0, 0.0, bias])).item()


SWEEPS = [
    outcomes.growing_number,
    outcomes.unimportant_first,
    outcomes.antipodal_first,
]


@pytest.mark.parametrize("test", SWEEPS, ids=lambda test: test.__name__)
def test_seeds_are_judged_one_by_one_and_in_any_basis(test):
    seeds = [
        ladder(DENSE, ONE_PAIR, TWO_PAIRS),
        ladder(DENSE, DENSE, DENSE),
        ladder(DENSE, WRONG_PAIR, TRIANGLE),
        ladder(TRIANGLE, ALL_SHARE, TWO_PAIRS),
    ]
    alone = [test(W).item() for W in seeds]
    assert {True, False} == set(alone)
    together = rotation(2, 3) @ torch.stack(seeds)
    assert test(together).tolist() == alone
    assert test(together.float()).tolist() == alone


@pytest.mark.parametrize(
    ("lengths", "two"),
    [
        ([1.0, 1.0, 1.5, 1.5], True),
        ([1.0, 1.04, 1.5, 1.5], True),
        ([1.0, 1.06, 1.5, 1.5], False),  # a gap above a tenth of the largest
        ([1.0, 1.2, 1.4, 1.6], False),
    ],
)
def test_two_circles_are_two_tight_groups_of_lengths(lengths, two):
    W = polar(*((length**2, 70.0 * k) for k, length in enumerate(lengths)))
    assert outcomes.two_circles(W).item() is two


def failed(length: float, bias: float) -> tuple[Tensor, Tensor]:
    W, b = (value.clone() for value in onehot.failure(7))
    W[0, 6], b[6] = length, bias
    return W, b


@pytest.mark.parametrize(
    ("length", "bias", "missing"),
    [
        (0.0, 1 / 7, True),
        (0.05 - JUST, 1 / 7, True),
        (0.05 + JUST, 1 / 7, False),
        (0.0, 1 / 7 + 0.02 - JUST, True),
        (0.0, 1 / 7 - 0.02 - JUST, False),
    ],
)
def test_a_missing_feature_is_short_and_its_output_the_mean(length, bias, missing):
    W, b = failed(length, bias)
    assert outcomes.one_missing(W, b).item() is missing
    assert outcomes.symmetric_failure(W, b).item() is missing


@pytest.mark.parametrize(
    ("stretch", "turn", "symmetric"),
    [(1.05, 0, True), (1.07, 0, False), (1.0, 4.9, True), (1.0, 5.1, False)],
)
def test_the_symmetric_failure_is_regular(stretch, turn, symmetric):
    W, b = failed(0.0, 1 / 7)
    angle = torch.tensor(math.radians(turn), dtype=W.dtype)
    W[:, 0] = stretch * 2**0.5 * torch.stack([angle.cos(), angle.sin()])
    W, b = W[:, torch.randperm(7, generator=torch.Generator().manual_seed(0))], b
    order = W.norm(dim=0).argsort()
    b = torch.full((7,), -1.0, dtype=W.dtype).scatter(0, order[:1], 1 / 7)
    assert outcomes.symmetric_failure(W, b).item() is symmetric
    assert outcomes.one_missing(W, b)
    many = outcomes.symmetric_failure(W.expand(3, 4, 2, 7), b.expand(3, 4, 7))
    assert many.shape == (3, 4)


def polygon(k, lengths=1.0, turned=0.0):
    angles = torch.arange(k) * 2 * torch.pi / k + turned
    return torch.stack([angles.cos(), angles.sin()]) * lengths


@pytest.mark.parametrize("k", [3, 5, 8])
def test_a_regular_polygon_is_one_at_any_size_and_angle(k):
    for vectors in (polygon(k), polygon(k, 7.0, 0.3), polygon(k).flip(-1)):
        assert outcomes.regular_polygon(vectors)


def test_what_has_a_short_corner_or_a_gap_is_no_regular_polygon():
    short = torch.tensor([1.0, 1.0, 0.6, 1.0, 1.0])
    assert not outcomes.regular_polygon(polygon(5, short))
    assert not outcomes.regular_polygon(polygon(8)[:, :4])
    assert outcomes.regular_polygon(polygon(5, torch.tensor([1.0, 1.0, 0.8, 1.0, 1.0])))


def test_a_loss_rises_and_falls_only_with_a_peak_in_between():
    rows = torch.tensor([[1, 1.06, 1], [1, 1.04, 0.5], [1, 1.1, 1.1], [1.1, 1.1, 1]])
    assert outcomes.rises_and_falls(rows).tolist() == [True, False, False, False]


# Superposition is gone
