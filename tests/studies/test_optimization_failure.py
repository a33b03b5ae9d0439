"""The tests of the claims on optimization failure, each on features placed by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from shapes import JUST, polar
from torch import Tensor

from superpos.claims.registry import thresholds
from superpos.errors import InvalidArgument
from superpos.learning import onehot
from superpos.studies import optimization_failure as chapter

judged = chapter.study.judge


def several(W: Tensor, b: Tensor, count: int = 3) -> SimpleNamespace:
    return SimpleNamespace(W=W.expand(count, *W.shape), b=b.expand(count, *b.shape))


def ring(lengths: list[float]) -> tuple[Tensor, Tensor]:
    """Features at equal angles, with biases that make each right at its own example."""
    length = torch.tensor(lengths, dtype=torch.float64)
    angle = 2 * torch.pi * torch.arange(len(lengths), dtype=torch.float64) / len(lengths)
    return chapter.in_the_plane(length, angle), 1 - length.square()


# Six features


def test_hexagons_without_loss_fulfil_the_equation_and_keep_out_of_other_zones():
    for stretch in (1.0, 1.1):
        W, _ = onehot.regular(6)
        six = several(stretch * W, 1 - 2 * stretch**2 * torch.ones(6, dtype=W.dtype))
        assert judged("opt-circle", six).shown.all()
        assert judged("opt-zones", six).shown.all()


def test_models_with_more_loss_are_left_out():
    W, b = onehot.regular(6)
    six = SimpleNamespace(W=torch.stack([W, W]), b=torch.stack([b, b + 0.01]))
    assert len(judged("opt-circle", six).shown) == 1
    assert judged("opt-circle", six).measured["Models without loss"] == "1 of 2"


@pytest.mark.parametrize("claim_id", ["opt-circle", "opt-zones"])
def test_the_registered_bound_on_the_loss_leaves_no_model_that_could_fail(claim_id):
    """An output that is off by d costs d²/36: below a loss of 1e-8 none is off by 0.001."""
    marks = thresholds(claim_id)
    assert 6 * marks["learnt"] ** 0.5 < marks.get("within", marks.get("reach"))


def just_without_loss() -> SimpleNamespace:
    W, b = onehot.regular(6)
    b = b.clone()
    b[0] += 3e-4  # too much at its own example, and into its zone reach two neighbours
    return several(W, b)


def test_with_sharper_bounds_they_could():
    six = just_without_loss()
    assert judged("opt-circle", six).shown.all()
    sharp = thresholds("opt-circle") | {"within": 1e-4}
    assert not chapter.circle(six, **sharp).shown.any()
    assert judged("opt-zones", six).shown.all()
    assert not chapter.zones(six, learnt=1e-8, reach=1e-4).shown.any()


def hexagon(lengths: list[float] | None = None, *, off: float = 0.0) -> SimpleNamespace:
    W, b = ring(lengths or [1.5] * 6)
    return several(W, b + off)


def test_learnt_features_on_a_circle_may_be_a_little_off():
    assert judged("opt-circle-2", hexagon(off=0.005)).shown.all()
    for other in (hexagon([1.5, 1.7] * 3), hexagon(off=0.02)):  # uneven; too much at their own
        assert not judged("opt-circle-2", other).shown.any()
    assert judged("opt-circle-2", hexagon([1.5, 1.7] * 3)).weaker.all()
    assert not judged("opt-circle-2", hexagon(off=0.02)).weaker.any()
    turned = hexagon()
    turned.W = turned.W.clone()
    turned.W[..., 0] = 1.5 * torch.tensor([math.cos(0.1), math.sin(0.1)])
    assert not judged("opt-circle-2", turned).shown.any()


def test_a_learnt_feature_must_be_alone_in_its_zone():
    assert judged("opt-zones-2", hexagon(off=0.005)).shown.all()
    crowded = hexagon([1.39] * 6)  # neighbours reach in by 0.034
    found = judged("opt-zones-2", crowded)
    assert not found.shown.any()
    assert found.weaker.all()
    W, b = onehot.failure(6)  # the missing one is in no zone of its own
    lost = SimpleNamespace(W=W[None], b=b[None])
    assert not chapter.zones_of_learnt(lost, learnt=1.0, reach=0.01).weaker.any()


UNEVEN = [2.5, 2.55, 2.6, 2.65, 2.7, 2.75, 2.8]


def test_uneven_rings_without_loss_are_many_solutions():
    found = judged("opt-many", {n: several(*ring(UNEVEN[:n])) for n in (6, 7)})
    assert found.shown.all()
    assert found.measured["Two lengths, n = 6"].startswith("0%")


@pytest.mark.parametrize(
    "lengths",
    [
        [2.5] * 7,  # all equal
        [2.5, 2.5, 2.5, 2.7, 2.7, 2.7, 2.7],  # two circles
        [1.3, 1.31, 1.32, 1.33, 1.34, 1.35, 1.36],  # too short to be without loss
    ],
)
def test_even_ones_two_circles_and_lossy_ones_are_not(lengths):
    both = {6: several(*ring(UNEVEN[:6])), 7: several(*ring(lengths))}
    assert not judged("opt-many", both).shown.any()


def test_solutions_of_other_lengths_count_for_both_numbers_of_features_or_for_one():
    uneven, even = (several(*ring(lengths)) for lengths in (UNEVEN[:6], [2.5] * 6))
    lossy = several(*ring([1.3, 1.31, 1.32, 1.33, 1.34, 1.35, 1.36]))
    seven = several(*ring(UNEVEN))
    assert judged("opt-many-2", {6: uneven, 7: seven}).shown.all()
    for both in ({6: even, 7: seven}, {6: uneven, 7: lossy}):
        found = judged("opt-many-2", both)
        assert not found.shown.any()
        assert found.weaker.all()
    assert not judged("opt-many-2", {6: even, 7: lossy}).weaker.any()


def test_longer_polygons_start_right_at_their_own_examples_from_draws_of_their_own():
    found = chapter.from_longer(range(3), 0)
    assert {n: tuple(end.W.shape) for n, end in found.items()} == {6: (3, 2, 6), 7: (3, 2, 7)}
    other = chapter.from_longer(range(3), 5)
    assert not torch.equal(found[6].W, other[6].W)


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
    assert chapter.two_circles(W, tenth=thresholds("opt-many")["tenth"]).item() is two


def lopsided(tilts: float, rooms: float, edges: float, *, tilt: float = 0.5) -> SimpleNamespace:
    """Three models with these rank correlations."""
    found = {"tilts": tilts, "rooms": rooms, "edges": edges}
    return SimpleNamespace(
        tilt=torch.full((3, 6), tilt), **{name: torch.full((3,), r) for name, r in found.items()}
    )


def test_longer_features_must_be_tilted_more():
    strict = judged("opt-tilt", lopsided(0.95, 0, 0))
    assert strict.shown.all()
    some = judged("opt-tilt", lopsided(0.7, 0, 0))
    assert not some.shown.any()
    assert some.weaker.all()
    assert not judged("opt-tilt", lopsided(0.3, 0, 0)).weaker.any()
    assert not judged("opt-tilt", lopsided(0.95, 0, 0, tilt=1.1)).weaker.any()


def test_shorter_features_must_have_room_and_zones_close_to_the_origin():
    assert judged("opt-gap", lopsided(0, -0.8, 1)).shown.all()
    for one in (judged("opt-gap", lopsided(0, *each)) for each in ((-0.2, 1), (-0.8, 0.5))):
        assert not one.shown.any()
        assert one.weaker.all()
    assert not judged("opt-gap", lopsided(0, -0.2, 0.5)).weaker.any()


def test_what_goes_with_length_is_measured_on_uneven_solutions_alone():
    uneven, even = ring(UNEVEN[:6]), ring([2.5] * 6)
    both = SimpleNamespace(W=torch.stack([uneven[0], even[0]]), b=torch.stack([uneven[1], even[1]]))
    found = chapter.lopsided({6: both})
    assert found.length.shape == (1, 6)
    assert found.edges.tolist() == [1]  # a function of length alone
    with pytest.raises(InvalidArgument, match="all solutions are even"):
        chapter.lopsided({6: several(*even)})


# Where superposition begins


def counts(densest: dict[int, float]) -> dict[int, Tensor]:
    """Models that represent seven features from a density on, and five at denser inputs."""
    return {n: torch.where(p >= chapter.DENSITIES, 7, 5).expand(3, -1) for n, p in densest.items()}


def test_superposition_that_begins_at_one_active_feature_shows_the_claim(monkeypatch):
    monkeypatch.setattr(chapter, "DENSITIES", 1.15 ** -torch.arange(40.0))
    with_one = {n: 1.7 / (n + 1) for n in chapter.SIZES}
    found = judged("opt-mode-one", counts(with_one))
    assert found.shown.all()
    assert "with 1.0 active features" in found.measured["n = 20"]
    assert not judged("opt-mode-one", counts(with_one | {50: 0.3})).shown.any()


def test_one_active_feature_is_beyond_the_densities_that_are_tried():
    """At the sparsest inputs of the grid an input has three active features and more."""
    assert ((torch.tensor(chapter.SIZES) + 1) * chapter.DENSITIES[-1]).floor().min() > 1
    for p in chapter.DENSITIES.tolist():
        assert not judged("opt-mode-one", counts(dict.fromkeys(chapter.SIZES, p))).shown.any()


def at_modes(one: int, two: int, **other: tuple[int, int]) -> dict[int, Tensor]:
    """Models that represent so many features where one is active, and where two are."""
    counts = {n: other.get(f"n{n}", (one, two)) for n in chapter.SIZES}
    return {n: torch.tensor(each).expand(3, 2) for n, each in counts.items()}


def test_superposition_at_one_active_feature_and_none_at_two_shows_the_claim():
    assert judged("opt-mode-one-2", at_modes(7, 6)).shown.all()
    too_soon = judged("opt-mode-one-2", at_modes(9, 5, n50=(9, 7)))
    assert not too_soon.shown.any()
    assert too_soon.weaker.all()
    assert not judged("opt-mode-one-2", at_modes(9, 5, n50=(6, 5))).weaker.any()


def test_six_of_five_dimensions_are_not_enough():
    assert chapter.onset(torch.full((2, 13), 6), 1.2).isnan().all()


# The symmetric failure


MARKS = ("short", "near", "within", "degrees")


def symmetric(W: Tensor, b: Tensor) -> Tensor:
    marks = thresholds("opt-symmetric-failure")
    return chapter.symmetric_failure(W, b, **{name: marks[name] for name in MARKS})


def missing(W: Tensor, b: Tensor) -> Tensor:
    marks = thresholds("opt-symmetric-failure")
    return chapter.one_missing(W, b, short=marks["short"], near=marks["near"])


def failed(length: float, bias: float) -> tuple[Tensor, Tensor]:
    W, b = (value.clone() for value in onehot.failure(7))
    W[0, 6], b[6] = length, bias
    return W, b


@pytest.mark.parametrize(
    ("length", "bias", "is_missing"),
    [
        (0.0, 1 / 7, True),
        (0.05 - JUST, 1 / 7, True),
        (0.05 + JUST, 1 / 7, False),
        (0.0, 1 / 7 + 0.02 - JUST, True),
        (0.0, 1 / 7 - 0.02 - JUST, False),
    ],
)
def test_a_missing_feature_is_short_and_its_output_the_mean(length, bias, is_missing):
    W, b = failed(length, bias)
    assert missing(W, b).item() is is_missing
    assert symmetric(W, b).item() is is_missing


@pytest.mark.parametrize(
    ("stretch", "turn", "is_symmetric"),
    [(1.05, 0, True), (1.07, 0, False), (1.0, 4.9, True), (1.0, 5.1, False)],
)
def test_the_symmetric_failure_is_regular(stretch, turn, is_symmetric):
    W, b = failed(0.0, 1 / 7)
    angle = torch.tensor(math.radians(turn), dtype=W.dtype)
    W[:, 0] = stretch * 2**0.5 * torch.stack([angle.cos(), angle.sin()])
    W = W[:, torch.randperm(7, generator=torch.Generator().manual_seed(0))]
    order = W.norm(dim=0).argsort()
    b = torch.full((7,), -1.0, dtype=W.dtype).scatter(0, order[:1], 1 / 7)
    assert symmetric(W, b).item() is is_symmetric
    assert missing(W, b)
    assert symmetric(W.expand(3, 4, 2, 7), b.expand(3, 4, 7)).shape == (3, 4)


def pressed(stretch: float = 0.999) -> tuple[Tensor, Tensor]:
    """The failure with a hexagon too short, whose interference keeps it from leaning."""
    W, b = onehot.failure(7)
    W = stretch * W
    return W, torch.cat([1 - W[:, :6].square().sum(0), b[6:]])


def scan(*states: tuple[Tensor, Tensor]):
    """Three seeds of one setting that are in these states at the four checkpoints; and its fit."""
    W, b = (torch.stack(part) for part in zip(*states, strict=True))
    W, b = W.expand(1, 1, 3, *W.shape), b.expand(1, 1, 3, *b.shape)
    found = SimpleNamespace(
        W=W, b=b, loss=onehot.loss(W, b), rate=(0.001,), scale=(1.0,),
        checkpoint=[3500, 5000, 8000, 25000],
    )  # fmt: skip
    return found, chapter.fit(found)


def test_failing_models_must_be_in_the_failure_and_at_an_optimum():
    found = judged("opt-symmetric-failure", *scan(*[pressed()] * 4))
    assert found.shown.all()
    assert found.weaker.all()


def test_a_shelf_or_an_uneven_hexagon_is_the_weaker_reading():
    longer = pressed(1.001)  # it may lean without loss, and slopes
    uneven = pressed()
    uneven[0][:, 0] *= 1.2
    for state in (longer, uneven):
        found = judged("opt-symmetric-failure", *scan(*[state] * 4))
        assert not found.shown.any()
        assert found.weaker.all()


def test_a_dead_output_is_another_failure():
    W, b = pressed()
    b[6] = -1
    found = judged("opt-symmetric-failure", *scan(*[(W, b)] * 4))
    assert not found.weaker.any()
    assert found.measured["Dead outputs (49 · loss a whole number)"].startswith("100%")


def test_where_no_model_fails_there_is_nothing_to_count():
    learnt = scan(*[onehot.regular(7)] * 4)
    with pytest.raises(InvalidArgument, match=r"no model ends with a loss above 0\.01"):
        judged("opt-symmetric-failure", *learnt)


def test_nothing_may_move_after_the_first_checkpoint():
    assert judged("opt-stuck", scan(*[pressed()] * 4)[0]).shown.all()
    W, b = pressed()
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=W.dtype)
    turned = scan(*[pressed()] * 3, (turn @ W, b))[0]
    assert judged("opt-stuck", turned).shown.all()  # products of features are what counts
    for moved in (pressed(1.2), (W, b - 0.1)):
        assert not judged("opt-stuck", scan(*[pressed()] * 3, moved)[0]).shown.any()


def test_adam_must_fail_where_adamw_does():
    fails, learns = scan(*[pressed()] * 4)[0], scan(*[pressed()] * 3, onehot.regular(7))[0]
    assert judged("opt-not-adamw", fails, fails).shown.all()
    assert not judged("opt-not-adamw", fails, learns).shown.any()


def watched(*states: tuple[Tensor, Tensor]) -> SimpleNamespace:
    """Three models that go through these states, as many steps apart as 25 000 allows."""
    W, b = (torch.stack(part) for part in zip(*states, strict=True))
    W, b = W[:, None].expand(-1, 3, -1, -1), b[:, None].expand(-1, 3, -1)
    step = torch.linspace(0, 25_000, len(states))
    return SimpleNamespace(W=W, b=b, step=step, symmetric=chapter.failed_as_registered(W, b))


def started() -> tuple[Tensor, Tensor]:
    return 0.1 * ring(UNEVEN)[0], torch.zeros(7, dtype=torch.float64)


def test_failed_models_must_have_been_in_the_failure_at_some_point():
    fails = [started(), pressed(), ring(UNEVEN)], [started(), pressed(), pressed()]
    for states in fails:
        assert judged("opt-symmetric-failure-2", watched(*states)).shown.all()
    lopsided = pressed()
    lopsided[0][:, 0] *= 1.2
    found = judged("opt-symmetric-failure-2", watched(started(), lopsided, ring(UNEVEN)))
    assert not found.shown.any()
    assert found.weaker.all()
    straight = judged("opt-symmetric-failure-2", watched(started(), started(), ring(UNEVEN)))
    assert not straight.weaker.any()
    assert straight.measured["Failed"].startswith("3 of 3, of which 0 miss")


def test_even_models_without_loss_have_not_failed():
    with pytest.raises(InvalidArgument, match="no model has failed"):
        judged("opt-symmetric-failure-2", watched(started(), pressed(), onehot.regular(7)))


def test_a_model_in_the_failure_must_stay_there_to_the_end():
    # steps 0, 3571, 7143, 10 714, …, 25 000
    for_good = judged("opt-stuck-2", watched(started(), *[pressed()] * 7))
    assert for_good.shown.all()
    for_some_time = judged("opt-stuck-2", watched(started(), *[pressed()] * 6, ring(UNEVEN)))
    assert not for_some_time.shown.any()
    assert for_some_time.weaker.all()
    assert for_some_time.measured["Of these in it at the end"].startswith("0%")
    gone = judged("opt-stuck-2", watched(started(), pressed(), *[ring(UNEVEN)] * 6))
    assert not gone.weaker.any()


def test_where_no_model_is_in_the_failure_there_is_nothing_to_count():
    with pytest.raises(InvalidArgument, match="no model is in the failure at step 3500"):
        judged("opt-stuck-2", watched(*[started()] * 8))


def test_adam_must_get_where_adamw_is():
    there = watched(started(), *[pressed()] * 7)
    later = watched(*[started()] * 3, *[pressed()] * 5)
    assert judged("opt-not-adamw-2", there, there).shown.all()
    found = judged("opt-not-adamw-2", there, later)
    assert not found.shown.any()
    assert found.weaker.all()
    assert not judged("opt-not-adamw-2", there, watched(*[started()] * 8)).weaker.any()


def test_uneven_models_must_not_be_of_two_lengths():
    solutions = {7: several(*ring(UNEVEN))}
    two = ring([2.5, 2.5, 2.5, 2.7, 2.7, 2.7, 2.7])
    assert judged("opt-two-circles", watched(started(), ring(UNEVEN)), solutions).shown.all()
    found = judged("opt-two-circles", watched(started(), two), solutions)
    assert not found.shown.any()
    assert found.weaker.all()
    assert not judged("opt-two-circles", watched(started(), two), {7: several(*two)}).weaker.any()
    with pytest.raises(InvalidArgument, match="no model is uneven and without loss"):
        judged("opt-two-circles", watched(started(), pressed()), solutions)


def run_of(*states: tuple[Tensor, Tensor]) -> SimpleNamespace:
    """Three models that go through these states, every 2500 steps."""
    W, b = (torch.stack(part) for part in zip(*states, strict=True))
    return SimpleNamespace(
        W=W.expand(3, *W.shape), b=b.expand(3, *b.shape), step=2500 * torch.arange(len(states))
    )


def run_by_step(*states):
    """Three models that go through these states, 2500 steps apart; the step comes first."""
    run = run_of(*states)
    return SimpleNamespace(W=run.W.transpose(0, 1), b=run.b.transpose(0, 1), step=run.step)


def test_a_feature_that_is_learnt_after_all_is_a_recovery():
    setting = SimpleNamespace(rate=0.003, scale=0.1)
    stays = judged("opt-recovery-rare", run_of(*[pressed()] * 4), setting)
    assert stays.shown.all()
    assert "Median step of recovery" not in stays.measured
    back = judged("opt-recovery-rare", run_of(*[pressed()] * 3, onehot.regular(7)), setting)
    assert not back.shown.any()
    assert back.measured["Median step of recovery"] == "7500"
    assert back.measured["Rate and scale"] == "0.003, 0.1"


def test_recovery_is_looked_for_at_the_best_rate_and_at_a_lower_one():
    fit = SimpleNamespace(rate=0.001)
    stays, back = run_by_step(*[pressed()] * 4), run_by_step(*[pressed()] * 3, onehot.regular(7))
    found = judged("opt-recovery-rare-2", [back, stays], fit)
    assert not found.shown.any()
    assert found.weaker.all()
    assert "0 of 3" in found.measured["Recovered at a rate of 0.0001"]
    turned = judged("opt-recovery-rare-2", [stays, back], fit)
    assert turned.shown.all()
    assert not turned.weaker.any()
    learnt = run_by_step(*[onehot.regular(7)] * 4)
    with pytest.raises(InvalidArgument, match="no model misses a feature at step 5000"):
        judged("opt-recovery-rare-2", [learnt, stays], fit)


def test_the_setting_that_keeps_most_models_in_the_failure_fits_best():
    first, second = scan(*[pressed()] * 4)[0], scan(*[onehot.regular(7)] * 4)[0]
    W, b = (torch.cat([getattr(each, k) for each in (second, first)]) for k in "Wb")
    found = SimpleNamespace(W=W, b=b, rate=(0.01, 0.02), scale=(1.0,))
    fit = chapter.fit(found)
    assert (fit.rate, fit.scale, fit.place) == (0.02, 1.0, (1, 0))


# The gradient, and what it leads to


def test_the_gradient_at_the_failure_points_along_the_missing_feature():
    short = chapter.short(range(5), 0)
    assert (short.norm(dim=0) <= 0.05).all()
    assert judged("opt-gradient", chapter.gradients(short)).shown.all()


@pytest.mark.parametrize(
    "change",
    [
        {"by_w": torch.tensor([[-1.0, 0.0]])},  # descent would lengthen it
        {"by_w": torch.tensor([[1.0, 0.1]])},  # beside it
        {"by_w": torch.tensor([[3.0, 0.0], [1.0, 0.0], [1.0, 0.0]])},  # more than one constant
    ],
)
def test_another_direction_or_length_of_the_gradient_is_told_apart(change):
    along = torch.tensor([[1.0, 0.0]]).expand(3, 2)
    found = {"w": along, "by_w": along, "formula": along, "along": torch.ones(3)}
    assert judged("opt-gradient", SimpleNamespace(**found)).shown.all()
    changed = {name: value.expand(3, 2) for name, value in change.items()}
    assert not judged("opt-gradient", SimpleNamespace(**found | changed)).shown.all()


def frozen(scale: float, *, turned: bool = False) -> SimpleNamespace:
    """W_7 at a multiple of W_6 + W_1, or across."""
    length, turn = (
        torch.tensor(each, dtype=torch.float64) for each in (chapter.LENGTHS, chapter.TURNS)
    )
    hexagon = chapter.in_the_plane(length, -torch.pi * turn)
    pair = hexagon[:, 5] + hexagon[:, 0]
    settled = scale * (pair.flip(0) * torch.tensor([-1, 1]) if turned else pair)
    W = torch.cat([hexagon, settled[:, None]], dim=1)
    b = torch.cat([1 - length.square(), torch.tensor([1 / 7], dtype=torch.float64)])
    return SimpleNamespace(**vars(several(W, b)), hexagon=hexagon)


def test_a_frozen_hexagon_leaves_the_missing_feature_short_and_between_two():
    assert judged("opt-frozen", frozen(0.001)).shown.all()
    for wrong in (frozen(1.0), frozen(0.0), frozen(0.001, turned=True), frozen(-0.001)):
        assert not judged("opt-frozen", wrong).shown.any()


def slow(*states: tuple[Tensor, Tensor]) -> SimpleNamespace:
    """Two disturbances at two rates that go through these states."""
    track = torch.stack([torch.cat([W, b[None]]) for W, b in states])
    return SimpleNamespace(
        end=track[-1].expand(2, 2, 3, 7), track=track.expand(2, 2, *track.shape),
        frame=1000 * torch.arange(len(states) + 1),
    )  # fmt: skip


def test_the_runaway_ends_with_all_features_learnt():
    found = judged("opt-runaway", slow(onehot.failure(7), onehot.regular(7)))
    assert found.shown.all()
    told = found.measured["Steps at rate 1, smallest and largest disturbance"]
    assert told == "1000, 1000"


def test_features_that_have_only_grown_are_the_weaker_reading():
    W, b = pressed(1.1)
    W[0, 6] = 0.01
    grown = judged("opt-runaway", slow(onehot.failure(7), (W, b)))
    assert not grown.shown.any()
    assert grown.weaker.all()
    for not_both in (pressed(), pressed(1.1)):  # nothing has grown; the missing one has not
        assert not judged("opt-runaway", slow(onehot.failure(7), not_both)).weaker.any()


# The map


def chaos(total: Callable[[Tensor], Tensor], claim_id: str = "opt-chaos"):
    rate = torch.linspace(0.5, 3, 51, dtype=torch.float64)
    found = total(rate).expand(4, -1)
    empty = torch.zeros_like(found)
    found = SimpleNamespace(rate=rate, total=found, loss=empty, sharpness=empty)
    return judged(claim_id, found)


def test_a_map_must_rise_and_then_be_patchy():
    def speckled(by):
        return lambda rate: rate + by * torch.where(rate > 2.3, (-1.0) ** torch.arange(51), 0.0)

    assert chaos(speckled(0.1), "opt-chaos-2").shown.all()
    assert not chaos(speckled(0.1)).shown.any()  # less than five times as much
    for smooth in (lambda rate: rate, lambda rate: rate.square()):
        found = chaos(smooth, "opt-chaos-2")
        assert not found.shown.any()
        assert found.weaker.all()
    assert not chaos(lambda rate: speckled(0.1)(rate) - 2 * rate, "opt-chaos-2").weaker.any()


def from_no_disturbance(single: float, small: float) -> dict[str, SimpleNamespace]:
    """Failures at two rates, the second of which has grown by a factor."""
    W, b = onehot.failure(7)

    def grown(by):
        return SimpleNamespace(
            rate=torch.tensor([1.0, 2.0]), W=torch.stack([W, by * W]), b=torch.stack([b, b])
        )

    return {"single": grown(single), "double": grown(1.0), "small": grown(small)}


def test_what_has_grown_without_a_disturbance_has_splayed_and_what_burst_has_not():
    found = judged("opt-splay-zero", from_no_disturbance(1.02, 1.005))
    assert found.shown.tolist() == [False, True]
    assert not found.weaker.any()
    told = list(found.measured.values())
    assert told[0] == "at 1 of 2 rates, from 2.00 on"
    assert told[1] == told[2] == "at none of the rates"
    found = judged("opt-splay-zero", from_no_disturbance(torch.inf, 1.02))
    assert not found.shown.any()
    assert found.weaker.tolist() == [False, True]


def test_descents_without_a_disturbance_start_at_the_failure_and_stay_there_for_a_while():
    found = chapter.study.experiments["undisturbed"](3, 50)
    for name in ("single", "double"):
        W, b = found[name].W.double(), found[name].b.double()
        assert chapter.symmetric_failure(
            W, b, short=0.05, near=0.02, within=1e-3, degrees=0.1
        ).all()
    assert found["single"].W.dtype == torch.float32
    assert found["small"].b[0, 0] > found["double"].b[0, 0] + 1e-7  # the disturbance is there


def test_a_map_must_rise_and_then_jump():
    def jumps(rate):
        speckles = torch.where(rate > 2.3, (-1.0) ** torch.arange(51), 0.0)
        return rate + speckles

    assert chaos(jumps).shown.all()
    assert not chaos(lambda rate: rate).shown.any()  # smooth throughout
    assert not chaos(lambda rate: jumps(rate) - 2 * rate).shown.any()  # it falls
    assert not chaos(torch.zeros_like).shown.any()  # nothing moves


def test_each_output_that_is_dead_costs_one_forty_ninth():
    W, b = onehot.regular(7)
    for dead in range(3):
        b = b.clone()
        b[:dead] = -10
        assert chapter.classes(onehot.loss(W, b)) == dead


# Bringing lost features back


def autoencoders(**number: int) -> SimpleNamespace:
    """How many of 40 features each method finds, for three seeds; others find none."""
    names = list(chapter.METHODS | chapter.VARIANTS)
    cosine = torch.full((3, len(names), 40), 0.5)
    for name, count in number.items():
        cosine[:, names.index(name.replace("_", " ")), :count] = 0.95
    return SimpleNamespace(cosine=cosine, dead=torch.full((3, len(names)), 12))


def test_resampling_must_find_as_many_features_as_the_best_repulsor():
    assert judged("opt-resampling", autoencoders(published=20)).shown.all()
    even = judged("opt-resampling", autoencoders(published=20, **{"repulsor_0.6": 20}))
    assert even.shown.all()
    assert even.measured["best repulsor (repulsor 0.6)"].startswith("20.0")
    best = {"repulsor_0.2": 3, "repulsor_0.4,_rows_0.2": 21}
    assert not judged("opt-resampling", autoencoders(published=20, **best)).shown.any()


def test_a_toy_is_repaired_at_its_missing_feature():
    start = failed(0.01, 1 / 7)
    W, b = (part.repeat(2, *[1] * part.ndim) for part in start)
    chapter.repair_toy(W, b, "none", 0.0)
    assert torch.equal(W[0], start[0])
    chapter.repair_toy(W, b, "published", 0.0)
    torch.testing.assert_close(W[:, :, 6], 0.2 * 2**0.5 * torch.tensor([[1.0, 0]] * 2).double())
    assert (b[:, 6] == 0).all()


def test_the_repulsor_raises_the_biases_on_its_side():
    W, b = (part[None] for part in pressed())
    W[:, :, 0] *= 2  # the living lean to the right: the repulsor is on the left
    before = b.clone()
    chapter.repair_toy(W, b, "repulsor", 0.1)
    assert W[0, 0, 6] < 0
    assert ((b - before)[0] > 0).tolist() == (W[0, 0] < -1e-9).tolist()
