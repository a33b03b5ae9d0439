from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from superpos.learning import polygons
from superpos.studies import landscape
from superpos.studies.landscape import CORNERS, SAMPLES, N, study


def polygon(k: int, n: int = N, *, turned: float = 0.0) -> torch.Tensor:
    angle = 2 * math.pi * torch.arange(k) / k + turned
    W = torch.zeros(2, n)
    W[:, :k] = torch.stack([angle.cos(), angle.sin()])
    return W


@pytest.fixture(scope="module")
def kgons():
    return {
        (k, positive): SimpleNamespace(W=at.W, b=at.b, loss=at.loss.item())
        for k in CORNERS
        for positive in range(N - k + 1)
        for at in [polygons.regular(N, k, positive=positive)]
    }


# land-kgons


def test_polygons_are_critical_unless_a_gradient_is_left_or_descent_has_left_them():
    at = polygons.regular(5, 4)
    steep = replace(at, gradient_norm=torch.tensor(1e-7))
    bent = replace(at, W=at.W + torch.eye(2, 5) / 10)
    gone = replace(at, W=0 * at.W)
    cases = [(5, 4, at, at), (5, 4, at, steep), (5, 4, bent, at), (5, 4, gone, gone)]
    assert study.judge("land-kgons", cases).shown.tolist() == [True, False, False, False]


def test_the_polygons_of_few_features_are_measured_at_rest():
    for features in (None, landscape.IndependentFeatures(4, 0.1)):
        at = polygons.regular(4, 3, features=features)
        assert study.judge("land-kgons", [(4, 3, at, at)]).shown.all()


# land-complexity


def test_complexity_rises_by_enough_or_the_loss_alone_falls(kgons):
    rising = torch.tensor([[3.0, 4.0, 4.1, 4.3]])
    found = study.judge("land-complexity", kgons, rising + torch.tensor([[0.0], [0.1]]))
    assert found.shown.tolist() == [True, False, False]
    assert found.weaker.tolist() == [False, True, True]
    dear = kgons | {(6, 0): SimpleNamespace(loss=0.2)}
    found = study.judge("land-complexity", dear, torch.tensor([[3.0, 4.0, 5.0, 6.0]]))
    assert found.shown.tolist() == [True, True, False]
    assert not found.weaker.any()


def complexities(**changed: float) -> dict[tuple[int, int], torch.Tensor]:
    """What theory gives for the k-gons of six features; 5+ is the pentagon with a positive bias."""
    known = {"3": 6.0, "4": 7.5, "5": 7.0, "5+": 8.5, "6": 8.5} | changed
    return {(int(name[0]), len(name) - 1): torch.full((2,), value) for name, value in known.items()}


def test_near_the_polygons_the_pentagon_is_flatter_than_the_square(kgons):
    found = study.judge("land-complexity-2", kgons, complexities())
    assert found.shown.tolist() == [True, False, True]
    assert found.weaker.all()
    rising = study.judge("land-complexity-2", kgons, complexities(**{"5": 8.0}))
    assert rising.shown.all()


def test_the_coefficients_are_those_of_theory(kgons):
    run = study.run({"sweeps": 1000, "n_seeds_posterior": 2, "quick": True})
    found = run.call(landscape.close_coefficients)
    for name, value in complexities().items():
        assert found[name].mean().item() == pytest.approx(value.mean().item(), abs=0.5)
    assert found[3, 3].mean() < 0  # no minimum: samples fall out of it


# land-bayes


def shares(four: float, five: float) -> torch.Tensor:
    """Of a posterior with 4 corners until the first N, with 5 until the second, then with 6."""
    k = 4 + (four <= SAMPLES).long() + (five <= SAMPLES).long()
    return torch.nn.functional.one_hot(k, N + 1).double()


def test_the_posterior_moves_where_loss_and_coefficient_say_or_in_order_at_least(kgons):
    coefficient = torch.tensor([[4.0, 5.5, 7.0, 8.5]])
    loss = torch.tensor([kgons[k, 0].loss for k in CORNERS])
    first, second = (
        landscape.meeting(loss[[i, i + 1]], coefficient[0, [i, i + 1]]) for i in (1, 2)
    )
    back = shares(first, second)
    back[-3:] = back[0]
    runs = [
        shares(first, second), shares(1.6 * first, second / 1.6), shares(first / 4, second),
        shares(first, 4 * second), back,
    ]  # fmt: skip
    samples = SimpleNamespace(share=torch.stack(runs))
    found = study.judge("land-bayes", samples, kgons, coefficient)
    assert found.shown.tolist() == [True, True, False, False, False]
    assert found.weaker.tolist() == [True, True, True, True, False]


def test_the_polygon_with_the_least_exponent_leads_unless_it_is_no_minimum(kgons):
    found = landscape.passages(kgons, complexities())
    assert list(found) == [5, 6]
    for k, before in ((5, 3), (6, 5)):
        gain = (kgons[before, 0].loss - kgons[k, 0].loss) / 2
        price = (complexities()[k, 0] - complexities()[before, 0]).mean().item()
        assert gain * found[k] == pytest.approx(price * math.log(found[k]), rel=0.02)
    saddle = complexities() | {(6, 0): torch.tensor([-1.0])}
    assert 6 not in landscape.leaders(kgons, saddle, SAMPLES)


def test_the_posterior_passes_where_a_polygon_begins_to_lead_or_in_order_at_least(kgons):
    first, second = landscape.passages(kgons, complexities()).values()

    def judged(share):
        samples = SimpleNamespace(share=share[None])
        return study.judge("land-bayes-2", samples, kgons, complexities())

    assert judged(shares(first, second)).shown.tolist() == [True, True]
    late = judged(shares(first, 4 * second))
    assert late.shown.tolist() == [True, False]
    assert late.weaker.all()
    back = shares(first, second)
    back[-3:] = back[0]
    assert not judged(back).weaker.any()


def test_two_polygons_meet_where_their_exponents_are_equal():
    at = landscape.meeting(torch.tensor([0.10, 0.06]), torch.tensor([5.0, 6.5]))
    assert 0.02 * at == pytest.approx(1.5 * math.log(at), rel=1e-6)
    assert landscape.meeting(torch.tensor([0.1, 0.2]), torch.tensor([5.0, 6.0])) == math.inf
    assert landscape.meeting(torch.tensor([0.2, 0.1]), torch.tensor([6.0, 5.0])) == 1


def test_a_share_that_falls_again_has_not_arrived():
    share = torch.tensor([[0.9, 0.2, 0.6], [0.9, 0.9, 0.4], [0.5, 0.5, 0.5]])
    found = landscape.arrives(share, torch.tensor([1.0, 2.0, 3.0]), most=0.5)
    assert found.tolist() == [3, math.inf, 1]


# land-plateaus


def course(*models: torch.Tensor) -> SimpleNamespace:
    """One run whose loss falls between models that it stays at for three records each."""
    W = torch.stack([model for model in models for _ in range(3)])[:, None]
    loss = torch.tensor([0.5 / 2 ** (k // 3) for k in range(len(W))])[:, None]
    step = torch.tensor([round(10 * 1.25**k) for k in range(len(W))])
    return SimpleNamespace(W=W, b=torch.zeros(len(W), 1, N), loss=loss, step=step)


LOOSE = torch.cat([torch.eye(2), torch.tensor([[0.6], [0.6]]), torch.zeros(2, 3)], 1)


@pytest.mark.parametrize(
    ("models", "shown", "weaker"),
    [
        ([0 * LOOSE, polygon(4), polygon(5, turned=1.0)], True, True),
        ([polygon(4), polygon(6)], True, True),
        ([polygon(5), polygon(4)], False, True),  # k falls
        ([LOOSE, LOOSE, polygon(5)], False, True),
        ([polygon(4), LOOSE], False, False),
        ([0 * LOOSE, 0 * LOOSE], False, False),  # no plateau with three long features
    ],
)
def test_plateaus_are_polygons_with_more_and_more_corners(models, shown, weaker):
    found = study.judge("land-plateaus", course(*models))
    assert found.shown.tolist() == [shown]
    assert found.weaker.tolist() == [weaker]


def test_a_loss_stands_still_until_the_number_of_steps_has_grown_by_a_quarter():
    step = torch.tensor([100, 110, 130, 200, 300])
    loss = torch.tensor([1.0, 0.999, 0.99, 0.5, 0.5])
    found = landscape.stands_still(loss, step, still=0.02)
    assert found.tolist() == [True, False, False, True, True]


def test_models_are_kept_at_the_beginning_and_at_the_end():
    kept = landscape.records(20_000)
    assert kept[0] == 0
    assert kept[-1] == 20_000
    assert kept == sorted(set(kept))


# land-stays


def test_descent_stays_at_both_polygons_while_the_posterior_has_left():
    stayed = torch.stack([polygon(4), polygon(5)])
    moved = torch.stack([polygon(5), polygon(5)])
    ends = SimpleNamespace(W=torch.stack([stayed, moved], 1), inputs=10**6)
    samples = SimpleNamespace(share=shares(50, 500)[None])
    assert study.judge("land-stays", ends, samples).shown.tolist() == [True, False]
    few = SimpleNamespace(W=ends.W, inputs=100)  # at which the posterior has five corners
    assert not study.judge("land-stays", few, samples).shown.any()


# land-capacity and land-blocks


def allocated(*models: torch.Tensor) -> dict:
    """As the optima of two dimensions: (p, r, m, n), the first r being that of equal importance."""
    return {2: SimpleNamespace(W=torch.stack(models)[None].double())}


PAIR_LAST = torch.tensor([[1.0, 0, 0, 0, 0, 0], [0, 1.0, -1.0, 0, 0, 0]])
PAIR_FIRST = torch.tensor([[1.0, -1.0, 0, 0, 0, 0], [0, 0, 1.0, 0, 0, 0]])
GRADED = torch.tensor([[0, 0, 0, 0, 0, 0.0], [1.0, 0.8, -0.7, 0, 0, 0]])


def test_capacity_falls_with_importance_and_is_graded_among_those_that_share():
    # the first model is that of equal importance, of which the claim says nothing
    found = study.judge(
        "land-capacity", allocated(PAIR_FIRST, PAIR_LAST, PAIR_FIRST, GRADED, torch.eye(2, N))
    )
    assert found.shown.tolist() == [False, False, True, True]
    assert found.weaker.tolist() == [True, False, True, True]


def test_blocks_are_semi_orthogonal_where_their_singular_values_are_equal():
    triangle = polygon(3, 6)
    bent = torch.tensor([[1.0, 0.5, 0, 0, 0, 0], [0, 1.0, 0, 0, 0, 0]])
    slightly = triangle * torch.tensor([[1.0], [0.9]])
    models = torch.stack([PAIR_LAST, triangle, slightly, bent, torch.eye(2, N)])
    found = study.judge("land-blocks", allocated(*models))
    assert found.shown.tolist() == [True, True, False, False, True]
    assert found.weaker.tolist() == [True, True, True, False, True]


def test_only_models_with_a_block_that_is_no_line_tell_of_semi_orthogonality():
    triangle = torch.zeros(3, 7)
    triangle[:2, :3] = polygon(3, 3)
    beside = triangle.clone()
    beside[2, 3:5] = torch.tensor([1.0, -1.0])
    uneven = beside * torch.tensor([[1.0], [0.9], [1.0]])
    bent = beside * torch.tensor([[1.0], [0.5], [1.0]])
    models = torch.stack([triangle, beside, uneven, bent, torch.eye(3, 7)])
    found = study.judge("land-blocks-2", SimpleNamespace(W=models[None].double()))
    assert found.shown.tolist() == [True, True, False, False]
    assert found.weaker.tolist() == [True, True, True, False]
    lines = study.judge("land-blocks-2", SimpleNamespace(W=torch.eye(3, 7)[None, None].double()))
    assert lines.shown.tolist() == [False]


def test_blocks_join_features_that_are_joined_by_a_third():
    W = torch.tensor([[1.0, 0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0, 0.01], [0, 0, 0, 1.0, 0.0]])
    assert landscape.blocks(W, cosine=0.05) == [[0, 1, 2], [3]]


# land-interference


def measured(size, harm, activity) -> SimpleNamespace:
    size, harm, activity = (torch.tensor(values) for values in (size, harm, activity))
    return SimpleNamespace(
        size=size, expected=size * activity, first=harm, harm=harm, back=harm - 1,
        from_rarer=size > 0.15,
    )  # fmt: skip


def test_size_times_activity_ranks_harm_better_than_size_and_negative_weights_do_little():
    size, harm = [0.1, 0.2, 0.3, 0.4, -0.3], [4.0, 3.0, 2.0, 1.0, 0.1]
    active = [1.0, 0.3, 0.1, 0.01, 1.0]
    right = measured(size, harm, active)
    by_size = measured(size, [1.0, 2.0, 3.0, 4.0, 0.1], [1.0] * 5)
    signless = measured(size, [*harm[:4], 3.0], active)
    none_negative = measured(size[:4], harm[:4], active[:4])
    found = study.judge("land-interference", [right, by_size, signless, none_negative])
    assert found.shown.tolist() == [True, False, False, False]
    two_positive = measured([0.3, 0.4, -0.3], [2.0, 1.0, 0.1], [0.1, 0.01, 1.0])
    cases = [right, by_size, signless, none_negative, two_positive]
    again = study.judge("land-interference-2", cases)
    assert again.shown.tolist() == [True, False, False]  # the last two could not show it
    assert again.measured["More harm from the rarer of two features"].startswith("14 of 14")


def test_of_two_weights_between_a_pair_the_one_from_the_rarer_is_told():
    p = torch.tensor([0.4, 0.1, 0.2], dtype=torch.float64)
    W = torch.tensor([[1.0, 0.5, -0.3], [0.0, 0.8, 0.9]], dtype=torch.float64)
    found = landscape.weighed(SimpleNamespace(W=W, b=torch.zeros(3).double(), p=p))
    # weights to 0 from 1, to 0 from 2, to 1 from 0, to 1 from 2, to 2 from 0, to 2 from 1
    assert found.from_rarer.tolist() == [True, True, False, False, False, True]
    assert torch.equal(found.back, found.harm[[2, 4, 0, 5, 1, 3]])


# land-collisions


def sharing(n: int, m: int, pairs: int) -> torch.Tensor:
    """One model of n features whose first ``pairs`` neurons have two each."""
    W = torch.zeros(1, m, n)
    for neuron in range(pairs):
        W[0, neuron, [2 * neuron, 2 * neuron + 1]] = torch.tensor([1.0, -1.0])
    return W


def collisions(*pairs: int) -> dict:
    return {
        (32, 32 * k): sharing(32, 32 * k, each) for k, each in zip((1, 2, 4, 8), pairs, strict=True)
    }


def test_collisions_in_proportion_are_so_at_every_size():
    found = study.judge("land-collisions", collisions(16, 8, 4, 2))
    assert found.shown.all()
    assert found.weaker.all()
    found = study.judge("land-collisions", collisions(16, 8, 4, 1))
    assert found.shown.tolist() == [True, True, True, False]
    found = study.judge("land-collisions", collisions(6, 6, 6, 6))
    assert not found.weaker.any()


# land-initial-bias


def decoders(*pure: float, loss: tuple[float, ...] = (1, 1, 1, 1)) -> SimpleNamespace:
    """Decoders of ten neurons from two seeds, of which a share responds to one feature alone."""
    response = torch.zeros(4, 2, 10, 3)
    response[..., 0] = 1.0
    for bias, share in enumerate(pure):
        response[bias, :, round(10 * share) :, 1] = 0.9
    return SimpleNamespace(response=response, loss=torch.tensor(loss)[:, None].expand(-1, 2))


@pytest.mark.parametrize(
    ("pure", "loss", "shown", "weaker"),
    [
        ((0.1, 0.1, 0.4, 0.1), (1, 1, 1.04, 1), True, True),
        ((0.1, 0.1, 0.2, 0.1), (1, 1, 1.0, 1), False, True),
        ((0.1, 0.1, 0.9, 0.1), (1, 1, 1.1, 1), False, False),
        ((0.4, 0.1, 0.3, 0.4), (1, 1, 1, 1), False, False),
    ],
)
def test_a_negative_bias_makes_neurons_purer_for_no_more_loss(pure, loss, shown, weaker):
    found = study.judge("land-initial-bias", decoders(*pure, loss=loss))
    assert found.shown.tolist() == [shown, shown]
    assert found.weaker.tolist() == [weaker, weaker]


# The ways to train


def test_every_kind_of_model_has_a_slower_procedure_of_its_own():
    for what in ("polygons", "incidental", "decoder"):
        quick, slow = landscape.ours(what, 100), landscape.slower(what, 100)
        assert slow.learning_rate == pytest.approx(quick.learning_rate / 5)
        assert not slow.cosine
