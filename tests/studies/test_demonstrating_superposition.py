"""The tests of the claims on the smallest models, each on models made by hand."""

from __future__ import annotations

import inspect
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from shapes import JUST, angle_of, columns, evenly, polar, rotation, told
from torch import Tensor

from superpos.claims.registry import thresholds
from superpos.studies import demonstrating_superposition as demo
from superpos.studies.demonstrating_superposition import PROBABILITY, study


def registered(function, claim_id: str):
    """A function of the study with the thresholds of a claim."""
    marks, asked = thresholds(claim_id), inspect.getfullargspec(function).kwonlyargs
    return partial(function, **{name: marks[name] for name in asked if name in marks})


orthogonal_pair = registered(demo.orthogonal_pair, "demo-dense-orthogonal")
pentagon = registered(demo.pentagon, "demo-90-pentagon")
only_top_features = registered(demo.only_top_features, "demo-linear-top-m")
mean_biases = registered(demo.mean_biases, "demo-linear-top-m")
superposed = registered(demo.superposed, "demo-more-features")
growing_number = registered(demo.growing_number, "demo-more-features")
unimportant_first = registered(demo.unimportant_first, "demo-more-features")
antipodal_first = registered(demo.antipodal_first, "demo-more-features")
positive_interference = registered(demo.positive_interference, "demo-negative-bias")
negative_biases = registered(demo.negative_biases, "demo-negative-bias")


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
    assert told(orthogonal_pair(model)) is holds


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
    assert told(pentagon(model)) is holds


each_picture = pytest.mark.parametrize(
    ("test", "cases"),
    [
        (orthogonal_pair, RIGHT_ANGLES),
        (pentagon, PENTAGONS),
    ],
    ids=["right angle", "pentagon"],
)


@each_picture
def test_what_a_picture_shows_does_not_depend_on_how_it_is_turned_or_mirrored(test, cases):
    for W, holds in cases.values():
        mirror = torch.eye(len(W), dtype=W.dtype).flip(0)
        for turn in (rotation(0, len(W)), rotation(1, len(W)), mirror):
            assert told(test(turn @ W)) is holds


def test_a_pentagon_is_one_in_any_order():
    for seed in range(20):
        order = torch.randperm(5, generator=torch.Generator().manual_seed(seed))
        for W, holds in PENTAGONS.values():
            assert told(pentagon(W[:, order])) is holds


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
    assert told(only_top_features(W))
    assert not told(only_top_features(W[:, [0, 1, 3, 2, 4, 5]]))
    assert told(only_top_features(W[:, [2, 0, 1, 5, 4, 3]]))
    ensemble = torch.stack([W, W.roll(1, -1)])[:, None]
    assert only_top_features(ensemble).tolist() == [[True], [False]]


@pytest.mark.parametrize(
    ("diagonal", "holds"), [(0.9 - JUST, False), (0.9 + JUST, True), (1.09, True), (1.3, True)]
)
def test_a_top_feature_has_at_least_0_9_on_the_diagonal(diagonal, holds):
    W = top(3, 6)
    W[1, 1] = diagonal**0.5
    assert told(only_top_features(W)) is holds


@pytest.mark.parametrize(("size", "holds"), [(0.1 - JUST, True), (0.1 + JUST, False)])
def test_everything_else_is_at_most_0_1_in_size(size, holds):
    for product in (size, -size):
        G = torch.eye(3, dtype=torch.float64)
        G[0, 1] = G[1, 0] = product
        two_at_the_top = torch.cat([torch.linalg.cholesky(G).T, torch.zeros(3, 3)], dim=1)
        assert told(only_top_features(two_at_the_top)) is holds
        dropped_along_the_top = top(3, 6)
        dropped_along_the_top[2, 5] = product
        assert told(only_top_features(dropped_along_the_top)) is holds
    a_long_dropped_one = top(20, 21)  # with little along each of the others
    a_long_dropped_one[:, 20] = (size / 20) ** 0.5
    assert told(only_top_features(a_long_dropped_one)) is holds


def test_biases_are_0_for_what_is_learnt_and_the_mean_for_the_rest():
    mean = torch.tensor([0.5, 0.4, 0.3, 0.2, 0.1])
    good = torch.tensor([0.0, 0.0, 0.3, 0.2, 0.1])
    assert mean_biases(good, mean, learnt=2).item()
    for learnt in (0, 1, 3, 4, 5):
        assert not mean_biases(good, mean, learnt=learnt).item()
    for i in range(5):  # within a tenth of the mean on either side
        for sign in (1, -1):
            b = good.clone()
            b[i] += sign * 0.099 * mean[i]
            assert mean_biases(b, mean, learnt=2).item()
            b[i] = good[i] + sign * 0.101 * mean[i]
            assert not mean_biases(b, mean, learnt=2).item()


def test_each_setting_has_a_mean_of_its_own():
    p = torch.tensor([[1.0], [0.01]])
    b = (p / 2 * torch.tensor([0, 1, 1])).expand(4, 2, 3).clone()
    assert mean_biases(b, p / 2, learnt=1).all()
    b[3, 1] += 0.001  # a fifth of E[x] where p = 0.01, nothing where p = 1
    b[3, 0] += 0.001
    expected = [[True, True]] * 3 + [[True, False]]
    assert mean_biases(b, p / 2, learnt=1).tolist() == expected


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
        found = superposed(columns((1, 0, 0), (along, rest, 0), (0, 0, 1), (0, 0, 0)))
        assert found.tolist() == [shared, shared, False, False]
    # what is too short to be represented is not superposed, but it interferes
    short = (0.5 - JUST) ** 0.5
    assert superposed(columns((1, 0), (-short, 0))).tolist() == [True, False]


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
    assert told(growing_number(ladder(*settings))) is holds


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
    assert told(unimportant_first(ladder(*settings))) is holds


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
    assert told(antipodal_first(ladder(*settings))) is holds


@pytest.mark.parametrize(
    ("product", "holds"), [(0.1 + JUST, True), (0.1 - JUST, False), (-0.9, False)]
)
def test_positive_interference_is_a_product_above_0_1_of_two_represented_features(product, holds):
    W = columns((1, 0), (product, (1 - product**2) ** 0.5))
    assert told(positive_interference(W)) is holds
    assert told(positive_interference(rotation(0, 2) @ W.flip(-1))) is holds
    assert not told(positive_interference(columns((1, 0), (0.7, 0))))  # 0.49 is too short
    assert told(positive_interference(columns((1, 0), (0.71, 0))))


@pytest.mark.parametrize(("bias", "holds"), [(-0.051, True), (-0.049, False), (0.3, False)])
def test_negative_biases_are_those_of_represented_features_below_minus_0_05(bias, holds):
    W = columns((1, 0), (0, 1), (0.1, 0))
    assert negative_biases(W, torch.tensor([0.0, bias, 0.0])).item() is holds
    assert not negative_biases(W, torch.tensor([0.0, 0.0, bias])).item()


SWEEPS = [
    growing_number,
    unimportant_first,
    antipodal_first,
]


@pytest.mark.parametrize("test", SWEEPS, ids=lambda test: test.func.__name__)
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


# The claims

RIGHT_ANGLE = evenly(0, 90) @ torch.eye(2, 5, dtype=torch.float64)
TWO_PAIRS_IN_A_PLANE = polar((1, 0), (1, 90), (1, 180), (1, 270), NOTHING)
PENTAGON = evenly(0, 72, 144, 216, 288)
PLANES = [
    ("demo-dense-orthogonal", RIGHT_ANGLE, PENTAGON),
    ("demo-80-antipodal", TWO_PAIRS_IN_A_PLANE, RIGHT_ANGLE),
    ("demo-90-pentagon", PENTAGON, TWO_PAIRS_IN_A_PLANE),
]
each_plane = pytest.mark.parametrize(("claim_id", "claimed", "other"), PLANES)


def plane_of(*models: Tensor, loss: list[float]) -> SimpleNamespace:
    """Runs that find the same at each of three sparsities."""
    W = torch.stack(models)[:, None].expand(-1, 3, 2, 5)
    return SimpleNamespace(W=W, loss=torch.tensor(loss)[:, None].expand(-1, 3))


@each_plane
def test_runs_show_the_picture_of_their_sparsity_and_no_other(claim_id, claimed, other):
    found = study.judge(claim_id, plane_of(*[claimed] * 10, loss=[1.0] * 10))
    assert found.shown.all()
    assert found.weaker.tolist() == [True]
    assert found.measured == {}
    found = study.judge(claim_id, plane_of(*[other] * 10, loss=[1.0] * 10))
    assert not found.shown.any()
    assert found.weaker.tolist() == [False]


@each_plane
def test_the_weaker_reading_is_of_the_best_of_ten_alone(claim_id, claimed, other):
    models = [*[other] * 9, claimed, *[other] * 9, claimed]
    found = study.judge(claim_id, plane_of(*models, loss=[1.1] * 9 + [1.0] + [1.1] * 9 + [1.2]))
    assert found.shown.sum() == 2
    assert found.weaker.tolist() == [True, False]
    (gap,) = found.measured.values()
    assert gap == "lose 10.0% more than the best, on average"


def run_of(*settings: tuple[Tensor, Tensor], seeds: int = 3) -> SimpleNamespace:
    """The same W and b for every seed, at the seven p; the last one is repeated."""
    W, b = (torch.stack(list(values)) for values in zip(*settings, strict=True))
    last = (7 - len(settings), *[1] * (W.ndim - 1))
    W, b = torch.cat([W, W[-1:].repeat(last)]), torch.cat([b, b[-1:].repeat(last[:2])])
    return SimpleNamespace(W=W.expand(seeds, *W.shape), b=b.expand(seeds, *b.shape), p=PROBABILITY)


NO_BIASES = torch.zeros(6)
IDEAL = [(top(3, 6), p / 2 * torch.tensor([0, 0, 0, 1, 1, 1])) for p in PROBABILITY]
BIASES_WRONG_ONCE = [*IDEAL[:3], (top(3, 6), NO_BIASES), *IDEAL[4:]]
BIASES_WRONG_WHERE_DENSE = [(top(3, 6), NO_BIASES), *IDEAL[1:]]
WRONG_WHERE_DENSE = [(top(3, 6).flip(-1), NO_BIASES), *IDEAL[1:]]
WRONG_WHERE_SPARSE = [*IDEAL[:6], (top(3, 6).flip(-1), NO_BIASES)]


@pytest.mark.parametrize(
    ("claim_id", "settings", "shown", "weaker"),
    [
        ("demo-linear-top-m", IDEAL, True, True),
        ("demo-linear-top-m", BIASES_WRONG_ONCE, False, True),
        ("demo-linear-top-m", WRONG_WHERE_SPARSE, False, False),
        ("demo-relu-dense-top-m", IDEAL, True, True),
        ("demo-relu-dense-top-m", WRONG_WHERE_SPARSE, True, True),
        ("demo-relu-dense-top-m", BIASES_WRONG_WHERE_DENSE, False, True),
        ("demo-relu-dense-top-m", WRONG_WHERE_DENSE, False, False),
    ],
)
def test_what_a_linear_model_learns(claim_id, settings, shown, weaker):
    found = study.judge(claim_id, run_of(*settings))
    assert found.shown.tolist() == [shown] * 3
    assert found.weaker.tolist() == [weaker] * 3


@pytest.mark.parametrize(
    ("settings", "shown", "weaker"),
    [
        ([DENSE, ONE_PAIR, TWO_PAIRS], True, True),
        ([DENSE, WRONG_PAIR, TWO_PAIRS], False, True),  # not the unimportant first
        ([DENSE, TRIANGLE, ALL_SHARE], False, True),  # not as pairs first
        ([DENSE, DENSE, ALL_SHARE], False, True),
        ([DENSE, ONE_PAIR, DENSE], False, False),  # does not grow
    ],
)
def test_ever_more_features_enter_as_pairs(settings, shown, weaker):
    found = study.judge("demo-more-features", run_of(*((W, NO_BIASES) for W in settings)))
    assert found.shown.tolist() == [shown] * 3
    assert found.weaker.tolist() == [weaker] * 3


TOGETHER = placed({0: X, 1: (0.5, 0.75**0.5, 0), 2: Z})  # W_0·W_1 = 1/2
FILTERED = torch.full((6,), -0.2)
DENSE_TWICE = [(DENSE, NO_BIASES)] * 2


@pytest.mark.parametrize(
    ("settings", "shown", "weaker"),
    [
        ([*DENSE_TWICE, (TOGETHER, FILTERED)], True, True),
        ([*DENSE_TWICE, (TOGETHER, NO_BIASES)], False, True),
        ([*DENSE_TWICE, (DENSE, FILTERED)], False, True),
        ([(DENSE, NO_BIASES), (TOGETHER, NO_BIASES), (TOGETHER, FILTERED)], False, True),
        ([(DENSE, NO_BIASES), (TOGETHER, FILTERED)], False, False),  # at p = 0.3 already
        (DENSE_TWICE, False, False),
    ],
)
def test_negative_biases_and_positive_interference_belong_to_sparse_inputs(settings, shown, weaker):
    found = study.judge("demo-negative-bias", run_of(*settings))
    assert found.shown.tolist() == [shown] * 3
    assert found.weaker.tolist() == [weaker] * 3


def test_the_larger_model_must_pass_all_four_tests_or_all_but_one():
    first = (DENSE, IDEAL[0][1])
    grows = run_of(first, (ONE_PAIR, NO_BIASES), *[(TWO_PAIRS, NO_BIASES)] * 4)
    grows.W, grows.b = grows.W.clone(), grows.b.clone()
    grows.W[:, -1] = placed({0: X, 1: (0.5, 0.75**0.5, 0), 2: Z, 3: MINUS[Z], 4: MINUS[Y]})
    grows.b[:, -1] = FILTERED
    found = study.judge("demo-rescaled", run_of(*IDEAL), grows)
    assert found.shown.all()
    assert not found.weaker.any()
    found = study.judge("demo-rescaled", run_of(*WRONG_WHERE_SPARSE), grows)
    assert not found.shown.any()
    assert found.weaker.all()
    assert found.measured["linear top m"] == "0% of seeds"
    found = study.judge("demo-rescaled", run_of(*WRONG_WHERE_SPARSE), run_of(*IDEAL))
    assert not found.weaker.any()
