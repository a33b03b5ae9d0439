"""The tests of the claims on the loss, each on models and numbers made by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from shapes import draw, evenly, rotation
from torch import Tensor

from superpos import losses
from superpos.codes import thomson
from superpos.studies import loss_anatomy as anatomy
from superpos.studies.loss_anatomy import FEATURES, SPARSE, study

PENTAGON = evenly(0, 72, 144, 216, 288)
PAIR = torch.tensor([[1.0, -1.0]], dtype=torch.float64)


def given(W: Tensor, b: float, p: float = 0.5) -> anatomy.Given:
    """A model with equal biases and importances."""
    ones = torch.ones(W.shape[1], dtype=torch.float64)
    draws = torch.Generator().manual_seed(0)
    return anatomy.Given(W=W, b=b * ones, I=ones, p=p * ones[0], draw=draws)


# Formulas


@pytest.mark.parametrize("seed", range(5))
def test_two_forces_are_the_linear_loss_with_the_best_biases(seed):
    model = anatomy.random_model(seed)
    b = anatomy.best_biases(model.W, model.p)
    exact = losses.linear_loss(model.W, b, model.p.expand(model.n), model.I)
    formula = (model.p / 3 - model.p**2 / 4) * anatomy.two_forces(model.W, model.I)
    assert formula.item() == pytest.approx(exact.item(), rel=1e-12)
    other = losses.linear_loss(model.W, b + 0.1, model.p.expand(model.n), model.I)
    assert other > exact


def test_the_numbers_of_active_features_are_binomial():
    assert anatomy.by_k(torch.tensor([0.0, 1.0]), 3).tolist() == [[1, 0, 0, 0], [0, 0, 0, 1]]
    assert anatomy.by_k(0.3, 9).sum().item() == pytest.approx(1)
    assert (anatomy.by_k(0.3, 9) * torch.arange(10)).sum().item() == pytest.approx(2.7)


def test_an_antipodal_pair_reads_one_active_feature_rightly_and_equal_ones_do_not():
    ones = torch.ones(2, dtype=torch.float64)
    assert [term.item() for term in anatomy.one_active(PAIR, 0 * ones, ones)] == [0, 0, 0]
    benefit, squared, unsquared = anatomy.one_active(PAIR.abs(), 0 * ones, ones)
    assert benefit == 0
    assert squared.item() == pytest.approx(2 / 3, rel=1e-6)  # two times ∫ x² dx
    assert unsquared.item() == pytest.approx(1, rel=1e-6)


def test_sampling_a_model_agrees_with_its_loss_within_the_error_it_states():
    model = given(PENTAGON, -0.1, p=0.3)
    mean, error = anatomy.sampled(model, anatomy.inputs(model, 20_000))
    exact = losses.exact_loss(model.W, model.b, 0.3)
    assert abs(mean - exact) < 4 * error < 0.1 * exact


# The claims on formulas

OFF = torch.tensor([0.0, 3.9, -3.9, 4.1, -4.1])
ONCE = torch.ones(30, 25)
CONDITIONS = {"exact": {"b = 0": ONCE, "best b, unequal p": ONCE}}


def test_a_formula_holds_within_four_standard_errors():
    found = study.judge("loss-linear-two-forces", SimpleNamespace(off=OFF), CONDITIONS)
    assert found.shown.tolist() == [True, True, True, False, False]
    found = study.judge("loss-binomial", SimpleNamespace(binomial=OFF))
    assert found.shown.tolist() == [True, True, True, False, False]


def test_the_loss_on_the_zero_input_is_exact():
    off = torch.tensor([0.0, 1e-16, -1e-8])
    assert study.judge("loss-L0", SimpleNamespace(silent=off)).shown.tolist() == [True, True, False]


def test_the_integrals_must_agree_with_sampling_and_with_the_closed_form():
    terms = SimpleNamespace(
        single=torch.tensor([0.0, 5.0, 0.0]),
        closed=torch.tensor([1e-8, 0.0, 1e-5]),
        unsquared=torch.tensor([70.0, 3.0, 80.0]),
        too_much=torch.tensor([0.5, 0.4, 0.6]),
    )
    found = study.judge("loss-L1-closed", terms)
    assert found.shown.tolist() == [True, False, False]
    assert found.measured["Without the square"].endswith("four standard errors in 1 of 3 models")


def test_negative_interference_is_free_with_negative_biases_only():
    filtered, open_ = (anatomy.negative_interference(given(PAIR, bias)) for bias in (-0.1, 0.2))
    assert filtered.shape == (2, 3)  # both ordered pairs
    together = torch.tensor([[0.0, 0.0, 0.0]])  # free, but read rightly with both active
    found = study.judge("loss-free-negative", [filtered, open_, together])
    assert found.shown.tolist() == [True, False, False]


def test_where_no_product_is_negative_there_is_no_pair():
    assert anatomy.negative_interference(given(PAIR.abs(), -0.1)) is None


# Sparse inputs


def share_of(first: list[float], n: int) -> Tensor:
    """Shares of L_0, …, L_n as p falls, with L_1 as given and the rest in L_2: one case."""
    share = torch.zeros(1, len(SPARSE), n + 1, dtype=torch.float64)
    share[..., 1] = torch.tensor(first)
    share[..., 2] = 1 - share[..., 1]
    return share


RISES = [0.2, 0.4, 0.6, 0.8, 0.95, 0.995]
STOPS = [0.2, 0.4, 0.6, 0.8, 0.95, 0.985]
DIPS = [0.2, 0.4, 0.3, 0.8, 0.95, 0.995]


def parts_of(pairs: list[float], crowded: list[float]) -> dict:
    best = {n: share_of(pairs if n <= 4 else crowded, n) for n in FEATURES}
    return {"random": {n: share_of(RISES, n) for n in FEATURES}, "best": best}


def test_one_active_feature_dominates_if_its_share_grows_at_each_step_to_99_percent():
    found = study.judge("loss-sparse-limit", parts_of(RISES, RISES))
    assert found.shown.tolist() == [True] * 8
    assert found.weaker.tolist() == [True] * 6
    for share in (STOPS, DIPS, RISES[::-1]):
        found = study.judge("loss-sparse-limit", parts_of(share, share))
        assert found.shown.tolist() == [True] * 4 + [False] * 4
        assert found.weaker.tolist() == [True] * 4 + [False] * 2


def test_the_weaker_reading_leaves_out_what_fits_as_pairs():
    found = study.judge("loss-sparse-limit", parts_of(RISES[::-1], RISES))
    assert found.shown.sum() == 6
    assert found.weaker.all()


def test_shares_add_up_to_the_whole_loss_and_pairs_have_nothing_in_L_0_and_L_1():
    W, b = torch.block_diag(PAIR, PAIR), torch.zeros(4, dtype=torch.float64)
    share = anatomy.shares(W.expand(6, 2, 4), b.expand(6, 4), torch.ones(4), SPARSE)
    assert share.sum(-1).tolist() == pytest.approx([1] * 6)
    assert share[:, :2].abs().max() < 1e-12


def by_tenths(first: float, ratio: float, steps: int) -> tuple[Tensor, Tensor]:
    """Shares of L_0 and L_1, and of the rest, whose ratio falls so at each step: ``(1, steps)``."""
    rest = first * ratio ** torch.arange(steps, dtype=torch.float64)
    return 1 / (1 + rest)[None], (rest / (1 + rest))[None]


@pytest.mark.parametrize(
    ("first", "ratio", "holds"),
    [
        (0.5, 0.1, True),
        (50.0, 0.1, True),  # far from the limit, and on its way
        (0.5, 0.01, True),  # the zero input has a loss
        (0.5, 0.12, False),  # too slow
        (0.5, 1.0, False),
        (1e7, 0.1, False),  # does not dominate yet
    ],
)
def test_a_limit_is_a_rest_that_falls_with_p(first, ratio, holds):
    few, more = by_tenths(first, ratio, 6)
    found = study.judge("loss-sparse-limit-2", SimpleNamespace(few=few, more=more))
    assert found.shown.tolist() == [holds]


def test_a_limit_counts_from_a_thousandth_on():
    few, more = by_tenths(0.5, 0.1, 6)
    few[:, :2], more[:, :2] = 1, 0  # as p falls to 0.001 the rest grows
    found = study.judge("loss-sparse-limit-2", SimpleNamespace(few=few, more=more))
    assert found.shown.tolist() == [True]


def test_the_best_models_that_fit_as_pairs_must_go_the_other_way():
    few, more = (share[0] for share in by_tenths(0.2, 0.1, 3))
    crowded, paired = SimpleNamespace(few=few, more=more), SimpleNamespace(few=more, more=few)
    right = {n: paired if n <= 4 else crowded for n in FEATURES}
    assert study.judge("loss-sparse-limit-best", right).shown.tolist() == [True] * 4
    found = study.judge("loss-sparse-limit-best", dict.fromkeys(FEATURES, crowded))
    assert found.shown.tolist() == [False, False, True, True]


def test_the_shares_of_given_models_are_a_whole_and_of_seeds_of_their_own():
    found = anatomy.given_models(range(3))
    assert torch.allclose(found.few + found.more, torch.ones(3, 6, dtype=torch.float64))
    model = anatomy.random_model(10_001)
    whole = losses.exact_loss(model.W, model.b, 0.1, model.I)
    L_k, _ = losses.k_sparse(model.W, model.b, model.I, sizes=[0, 1])
    few = (anatomy.by_k(0.1, model.n)[:2] * L_k).sum()
    assert found.few[1, 0].item() == pytest.approx((few / whole).item(), rel=1e-9)


# Points on a sphere


def icosahedron() -> Tensor:
    golden = (1 + 5**0.5) / 2
    corners = [(0, a, b * golden) for a in (1, -1) for b in (1, -1)]
    points = torch.tensor([c[k:] + c[:k] for c in corners for k in range(3)], dtype=torch.float64)
    return points.T / (1 + golden**2) ** 0.5


def both(ours: Tensor, charges: Tensor) -> dict:
    return {"ours": ours, "charges": charges}


def test_thomsons_solutions_may_be_minima_or_rest_or_neither():
    ours = thomson.polygon(5)[:, [k // 2 for k in range(10)]]  # every corner doubled
    moved = draw(0, 3, 5)
    found = study.judge(
        "loss-thomson",
        {
            (2, 5): both(PENTAGON, rotation(0, 2) @ PENTAGON),
            (2, 10): both(ours, thomson.polygon(10)),
            (3, 5): both(torch.cat([PENTAGON, 0 * PENTAGON[:1]]), moved / moved.norm(dim=0)),
            (3, 12): both(icosahedron(), icosahedron()),
        },
    )
    assert found.shown.tolist()[:2] == [True, False]
    assert found.shown.tolist()[3]
    assert found.weaker.tolist() == [True, True, False, True]
    assert found.measured["It is a stationary point"].startswith("in the plane for n = 5, 10;")
    assert found.measured["Icosahedron"].startswith("E = 12.000000 against 12.000000")


def test_points_that_cost_more_than_the_lowest_are_no_minimum():
    pushed = torch.cat([PENTAGON, 0 * PENTAGON[:1]])  # costs more than a bipyramid, which is free
    bipyramid = torch.cat([evenly(0, 120, 240), torch.zeros(2, 2)], 1)
    bipyramid = torch.cat([bipyramid, torch.tensor([[0.0, 0, 0, 1, -1]])])
    same = both(icosahedron(), icosahedron())
    found = study.judge("loss-thomson", {(3, 5): both(bipyramid, pushed), (3, 12): same})
    assert found.shown.tolist() == [False, True]


def test_thomsons_problem_is_the_models_where_all_of_his_solutions_are_minima():
    few = both(rotation(0, 2) @ PENTAGON, PENTAGON)
    doubled = both(PENTAGON[:, [k // 2 for k in range(10)]], thomson.polygon(10))
    found = study.judge("loss-thomson-2", {(2, 5): few, (2, 10): doubled})
    assert found.shown.tolist() == [True, False]
    assert found.weaker.tolist() == [True]
    pushed = PENTAGON.clone()
    pushed[:, 0] = PENTAGON[:, 1]
    found = study.judge("loss-thomson-2", {(2, 5): both(PENTAGON, pushed)})
    assert not found.shown.any()
    assert not found.weaker.any()


@pytest.mark.parametrize(
    ("off", "rises", "holds"), [(1e-12, 1e-16, True), (1e-6, 0, False), (0, 1e-6, False)]
)
def test_a_generalised_thomson_problem_is_all_of_the_loss_and_a_repulsion(off, rises, holds):
    models = SimpleNamespace(off=torch.tensor([off]), rises=torch.tensor([rises]))
    assert study.judge("loss-thomson-generalised", models).shown.tolist() == [holds]


def test_features_that_are_left_out_cost_a_third_each_beside_the_interference():
    found = anatomy.unit_models(range(4))
    assert found.off.max() < 1e-12
    assert found.rises.max() < 1e-12
    one = torch.tensor(1.0, dtype=torch.float64)
    W = torch.cat([PENTAGON[:, :2], torch.zeros(2, 3)], dim=1)  # two at 72°, three left out
    L_1, _ = losses.k_sparse(W, torch.zeros(5, dtype=torch.float64), sizes=[1])
    assert 5 * L_1.item() == pytest.approx((3 + 2 * (72 * one).deg2rad().cos().item() ** 2) / 3)


def test_the_first_negative_weight_is_that_of_five_fold_symmetry():
    weights = anatomy.odd_weights()
    assert [k for k, weight in weights.items() if weight < 0] == [5, 9]


# Free decoders


def decoders_of(W: Tensor, V: Tensor, seeds: int = 3) -> dict:
    """The same W and V at both sizes, for every seed and p."""
    shape = (seeds, 3, *W.shape)
    models = SimpleNamespace(W=W.expand(shape), V=V.expand(shape), loss=torch.ones(seeds, 3))
    return {5: models, 20: models}


TIED = decoders_of(PENTAGON, PENTAGON)
UNEVEN = torch.diag(torch.tensor([1.0, 0.5], dtype=torch.float64)) @ PENTAGON
SHEARED = torch.tensor([[1.0, 0.8], [0.0, 1.0]], dtype=torch.float64) @ PENTAGON


@pytest.mark.parametrize(
    ("W", "V", "shown", "weaker"),
    [
        (PENTAGON, 3 * PENTAGON, True, True),  # a multiple
        (PENTAGON, SHEARED, False, True),  # BW
        (UNEVEN, UNEVEN, False, True),  # no tight frame
        (PENTAGON, PENTAGON[:, [0, 2, 4, 1, 3]], False, False),  # other rows
    ],
)
def test_a_free_decoder_is_tied_if_it_is_a_multiple_of_a_tight_frame(W, V, shown, weaker):
    found = study.judge("loss-tied-decoder", decoders_of(W, V), TIED)
    assert found.shown.tolist() == [shown] * 3
    assert found.weaker.tolist() == [weaker] * 3


def test_a_decoder_must_be_tied_at_both_sizes():
    free = decoders_of(PENTAGON, PENTAGON) | {20: decoders_of(PENTAGON, SHEARED)[20]}
    assert not study.judge("loss-tied-decoder", free, TIED).shown.any()
