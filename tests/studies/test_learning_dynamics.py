"""The tests of the claims on learning dynamics, each on runs made by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from superpos.studies import learning_dynamics as learning

judged = learning.study.judge


# Energy levels

AT = torch.linspace(0, 1, 201)


def exchanges(*times: float, by: float, slope: float = 1.0, seeds: int = 3) -> SimpleNamespace:
    """At each time one feature goes from 1/4 to 1/2, and the loss falls by more than elsewhere."""
    D = torch.stack([0.25 + 0.25 * (time <= AT) for time in times], -1)
    loss = 10 - slope * AT - by * sum((time <= AT).double() for time in times)
    return SimpleNamespace(D=D.expand(seeds, *D.shape), loss=loss.expand(seeds, -1))


def test_features_that_jump_while_the_loss_drops_show_the_claim():
    found = judged("dyn-energy-jumps", exchanges(0.3, 0.5, 0.7, by=0.1), 2000)
    assert found.shown.all()
    assert found.weaker.all()
    assert found.measured["Jumps a run"] == "3.00"


def test_a_loss_that_falls_by_half_as_much_again_is_the_weaker_reading():
    found = judged("dyn-energy-jumps", exchanges(0.3, 0.5, 0.7, by=0.01), 2000)
    assert not found.shown.any()
    assert found.weaker.all()


@pytest.mark.parametrize(
    "runs",
    [
        exchanges(0.3, 0.5, by=0.1),  # too few
        exchanges(0.02, 0.05, 0.07, by=0.1),  # too early
        exchanges(0.3, 0.5, 0.7, by=-0.005),  # the loss falls less than elsewhere
    ],
)
def test_few_or_early_jumps_and_a_loss_that_does_not_drop_show_nothing(runs):
    found = judged("dyn-energy-jumps", runs, 2000)
    assert not found.shown.any()
    assert not found.weaker.any()


def test_features_that_glide_do_not_jump():
    runs = exchanges(0.5, by=0.0)
    runs.D = (0.25 + 0.5 * (AT - 0.3)).clamp(0.25, 0.5)[:, None].expand(3, 201, 4)
    found = judged("dyn-energy-jumps", runs, 2000)
    assert not found.weaker.any()
    told = found.measured["Steps that a feature takes from D_i = 0.3 to 0.45"]
    assert told == "610, the median of 12"  # 0.15 at half a D a training


def rests(transit: int, *, drop: float, back: bool = False, seeds: int = 3) -> SimpleNamespace:
    """One feature rests at 0, takes some records to 1/2, and rests there; the loss falls by 1."""
    D = torch.cat([torch.zeros(70), torch.linspace(0, 0.5, transit), torch.full((70,), 0.5)])
    D = 0.5 - D if back else D
    on_the_way = (D > 0.1) & (D < 0.4)
    loss = 10 - torch.cumsum(torch.where(on_the_way, drop, 1.0) / len(D), 0)
    return SimpleNamespace(D=D[:, None].expand(seeds, -1, 1), loss=loss.expand(seeds, -1))


def test_a_feature_that_changes_its_level_in_less_time_than_it_rests_jumps():
    for found in (rests(60, drop=4), rests(5, drop=4), rests(60, drop=4, back=True)):
        assert judged("dyn-energy-jumps-2", found).shown.all()
    slow = judged("dyn-energy-jumps-2", rests(300, drop=4))
    assert not slow.weaker.any()
    assert slow.measured["How long a jump takes"] == "there is none"


def test_a_jump_without_a_sudden_drop_of_the_loss_is_the_weaker_reading():
    for drop in (1.0, -4.0):
        found = judged("dyn-energy-jumps-2", rests(60, drop=drop))
        assert not found.shown.any()
        assert found.weaker.all()


def test_runs_that_jump_at_a_larger_rate_alone_show_the_weaker_reading():
    slow, jumping = rests(300, drop=4), rests(60, drop=4, seeds=6)
    found = judged("dyn-energy-jumps-3", slow, jumping)
    assert not found.shown.any()
    assert found.weaker.tolist() == [True] * 6
    found = judged("dyn-energy-jumps-3", jumping, slow)
    assert found.shown.all()
    assert not found.weaker.any()


def test_runs_at_a_larger_rate_are_others():
    asked = {"inverse_probability": 3.0, "steps": 200, "n_seeds_energy": 6, "device": "cpu"}
    run = learning.study.run(asked)
    assert len(run.uniform_faster.D) == 2
    assert not run.uniform_faster.D[0].eq(run.uniform_others.D[0]).all()


def test_the_notebooks_initial_values_are_those_of_an_array_of_ten():
    how = learning.from_the_notebook(learning.ours(6, 3, 100), 6, 3, factor=0.5)
    assert how.initial_scale == pytest.approx(0.5 * (9 / 16) ** 0.5)
    assert how.batch_size == 64


# The octahedron

AXES = torch.eye(3)
OCTAHEDRON = torch.cat([AXES, -AXES[:, [2, 0, 1]]], 1)
LOST = OCTAHEDRON * torch.tensor([1.0, 1, 1, 1, 1, 0.3])


def ended(models: list[Tensor], loss: list[float]) -> SimpleNamespace:
    """Runs that end as these models, at these losses, from a start that they share."""
    W = torch.stack(models)[:, None].expand(-1, 3, 3, 6).clone()
    W[:, 0] = 0.1 * OCTAHEDRON
    return SimpleNamespace(W=W, loss=torch.tensor(loss)[:, None].expand(-1, 3))


def test_runs_that_end_as_octahedra_show_the_claim():
    found = judged("dyn-octahedron", ended([OCTAHEDRON] * 20, [1.0] * 20))
    assert found.shown.all()
    assert found.weaker.tolist() == [True, True]


def test_the_best_of_ten_may_be_an_octahedron_where_most_are_not():
    models, losses = [LOST] * 20, [1.0] * 20
    models[7], losses[7] = OCTAHEDRON, 0.5
    models[12], losses[12] = OCTAHEDRON, 1.5
    found = judged("dyn-octahedron", ended(models, losses))
    assert found.shown.nonzero().flatten().tolist() == [7, 12]
    assert found.weaker.tolist() == [True, False]
    assert (
        found.measured["Of the others"] == "18 have lost a feature, 0 are not yet at right angles"
    )


def test_an_octahedron_is_one_whichever_way_it_is_turned_and_paired():
    rotation, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)))
    models = [OCTAHEDRON, rotation @ OCTAHEDRON, 0.8 * OCTAHEDRON]
    assert judged("dyn-octahedron", ended(models * 4, [1.0] * 12)).shown.all()


@pytest.mark.parametrize("order", [[0, 3, 1, 4, 2, 5], [0, 1, 2, 3, 4, 4]])
def test_pairs_within_a_set_and_doubled_partners_are_no_octahedron(order):
    W = torch.cat([AXES, -AXES], 1)[:, order]
    assert not judged("dyn-octahedron", ended([W] * 10, [1.0] * 10)).shown.any()


def test_short_or_twisted_features_are_no_octahedron():
    twist = torch.tensor([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    twisted = torch.cat([AXES, -(twist @ AXES)], 1)
    models = [0.7 * OCTAHEDRON, twisted] * 5
    assert not judged("dyn-octahedron", ended(models, [1.0] * 10)).shown.any()


# Plateaus

COLLAPSED = torch.tensor([[1.0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0]])


def resting(*levels: float, first: Tensor = COLLAPSED, seeds: int = 3) -> SimpleNamespace:
    """Runs that rest at losses between 1 and 0, as long on each, and end in a steady fall to 0."""
    part = 80 // len(levels)
    loss = [1.0, *(level for level in levels for _ in range(part))]
    loss = torch.cat([torch.tensor(loss), torch.linspace(levels[-1], 0, 101 - len(loss))])
    W = OCTAHEDRON.expand(101, 3, 6).clone()
    W[1 : part + 1] = first
    return SimpleNamespace(W=W.expand(seeds, 101, 3, 6), loss=loss.expand(seeds, 101))


def test_two_rests_the_first_of_them_linear_show_the_claim():
    found = judged("dyn-plateaus", resting(0.6, 0.3))
    assert found.shown.all()
    assert found.weaker.all()


def test_two_rests_of_which_none_is_linear_are_the_weaker_reading():
    found = judged("dyn-plateaus", resting(0.6, 0.3, first=OCTAHEDRON))
    assert not found.shown.any()
    assert found.weaker.all()


@pytest.mark.parametrize("levels", [(0.6,), (0.6, 0.58), tuple(torch.linspace(0.99, 0.2, 80))])
def test_one_rest_two_at_the_same_loss_and_a_steady_fall_show_nothing(levels):
    found = judged("dyn-plateaus", resting(*map(float, levels)))
    assert not found.shown.any()
    assert not found.weaker.any()


def test_the_rest_in_which_a_run_ends_is_told_but_not_counted():
    runs = resting(0.6, 0.3)
    runs.loss = (runs.loss - 0.3).clamp_min(0)  # the second is its end
    found = judged("dyn-plateaus", runs)
    assert not found.weaker.any()
    assert found.measured["Two plateaus, one of them the last"].startswith("3 of 3")


def test_plateaus_in_some_cases_are_counted_from_the_notebooks_initial_values():
    rests, falls = resting(0.6, 0.3), resting(0.6)
    assert judged("dyn-plateaus-2", [rests, falls]).shown.all()
    assert not judged("dyn-plateaus-2", [rests, falls]).weaker.any()
    found = judged("dyn-plateaus-2", [resting(0.6, 0.3, first=OCTAHEDRON), rests])
    assert not found.shown.any()
    assert found.weaker.all()
