from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from superpos.codes import random_code, rugs
from superpos.optima import ladder
from superpos.studies import many_features as many
from superpos.studies.many_features import study

SHAPE = (len(many.LOADS), len(many.DENSITIES))


def arranged(**changed):
    one = torch.ones(SHAPE).double()
    return dict.fromkeys(("rug", "antipodal", "stack", "gaussian", "random"), one) | changed


def trained(ratio: float):
    return {load: SimpleNamespace(loss=torch.full((3, 4), ratio).double()) for load in many.LOADS}


# rugs


@pytest.mark.parametrize(
    ("ratio", "shown", "weaker"),
    [(1.04, True, True), (0.96, True, True), (0.9, False, True), (1.3, False, False)],
)
def test_trained_models_lose_what_the_rug_does_to_either_side(ratio, shown, weaker):
    found = study.judge("many-rug-trained", trained(ratio), arranged())
    assert found.shown.tolist() == [shown] * 12
    assert found.weaker.tolist() == [weaker] * 12


def test_two_numbers_tell_the_loss_or_do_not():
    shape = (len(many.LOADS_EXACT), len(many.DENSITIES_EXACT))
    rug = torch.ones(shape)
    gaussian = rug.clone()
    gaussian[0, 0], gaussian[0, 1] = 1.05, 0.5
    found = study.judge("many-statistics", {"n": 1024, "rug": rug, "gaussian": gaussian})
    assert found.shown.tolist() == [False, False] + [True] * 22
    assert found.weaker.tolist() == [True, False] + [True] * 22


def test_features_are_alike_or_some_are_longer_or_have_other_biases():
    rug = rugs.rug(64, 16).float()
    b = torch.full((64,), -0.2)
    one = SimpleNamespace(W=rug.expand(2, 4, 16, 64), b=b.expand(2, 4, 64).clone())
    found = study.judge("many-symmetric", {2: one})
    assert found.shown.all()
    one.b[:, 1, :32] = 0.3
    one.W = one.W.clone()
    one.W[:, 2, :, :10] *= 1.5
    found = study.judge("many-symmetric", {2: one})
    assert found.shown.tolist() == [True, False, False, True]
    assert found.weaker.tolist() == [True, True, False, True]


@pytest.mark.parametrize(
    ("id_", "kind"), [("many-polytopes", "stack"), ("many-antipodal", "antipodal")]
)
def test_our_expectations_of_losses_can_be_met_and_missed(id_, kind):
    lower = torch.full(SHAPE, 0.9).double()
    lower[0, 0] = 1.1
    found = study.judge(id_, arranged(**{kind: lower}) | {"names": [["digon"] * 4] * 3})
    assert found.shown.tolist() == [False] + [True] * 11


def test_stacks_are_the_best_of_all_polytopes():
    found = many.known(256, [16], (0.01,))
    assert found["stack"].item() == ladder.stack(256, 16, 0.01).loss / 256


# eigenspaces


def optima_of(*models):
    return {(5, 2): SimpleNamespace(W=torch.stack(models))}


def test_optima_are_localised_or_aslant():
    pairs = torch.tensor([[1.0, -1.0, 0, 0, 0], [0, 0, 1.0, -1.0, 0]]).double()
    aslant = torch.tensor([[1.0, -1.0, 0, 0.7, 0], [0, 0, 1.0, -0.7, 0]]).double()
    found = study.judge("many-localised", optima_of(pairs, aslant, pairs))
    assert found.shown.tolist() == [True, False, True]
    assert found.weaker.tolist() == [True, True, True]  # what is aslant does not use all capacity
    assert not study.judge("many-localised", optima_of(aslant, aslant, pairs)).weaker.any()
    assert not study.judge("many-localised", optima_of(0 * pairs)).shown.any()


def test_rugs_are_tight_and_random_codes_are_not():
    rug, code = (W.float().expand(2, 1, 32, 128) for W in (rugs.rug(128, 32), random_code(128, 32)))
    frames = {2: SimpleNamespace(W=rug), 4: SimpleNamespace(W=code)}
    found = study.judge("many-tight", frames)
    assert found.shown.tolist() == [True, False]
    assert found.weaker.tolist() == [True, False]


# frequencies


def by_width(loss, long, left_out=None):
    return SimpleNamespace(loss=loss, long=long, left_out=left_out, n=1000)


def test_losses_fall_as_one_over_m_or_more_slowly():
    m = torch.tensor(many.WIDTHS, dtype=torch.float64)[:, None]
    power = torch.tensor([1.0, 1.1, 0.7, 0.3, 1.4, 2.0])
    found = study.judge("many-inverse-m", {many.STRONG: by_width(m**-power, m)})
    assert found.shown.tolist() == [True, True, False, False, False, False]
    assert found.weaker.tolist() == [True, True, True, False, True, False]


def test_losses_are_those_of_what_is_left_out_or_lower():
    tail = torch.rand(3, 6, dtype=torch.float64)
    lower = tail.clone()
    lower[0, 0] *= 0.6
    lower[1, 0] *= 0.3
    found = study.judge("many-weak", {many.WEAK: by_width(lower, None, tail)})
    assert (~found.shown).nonzero().flatten().tolist() == [0, 6]
    assert (~found.weaker).nonzero().flatten().tolist() == [6]


def test_as_many_features_are_trained_as_are_asked_for(monkeypatch):
    def trained(p, m, *_, seeds):
        assert p.shape == (6, 300)
        return torch.full((1, 6, m, 300), m**-0.5), torch.zeros(1, 6, 300)

    monkeypatch.setattr(many.widths, "train", trained)
    found = study.run({"n_wide": 300, "steps_wide": 2, "n_seeds_wide": 1}).wide[many.WEAK]
    assert found.n == 300
    assert found.long.tolist() == [[300.0] * 6] * 3
    equal = torch.full((290,), 1 / 300, dtype=torch.float64)
    assert torch.isclose(found.left_out[0, 0], (equal / 3 - equal**2 / 4).sum())
    assert (found.left_out.diff(dim=0) < 0).all()


def test_decay_switches_or_does_not():
    m = torch.tensor(many.WIDTHS, dtype=torch.float64)[:, None]
    strong, weak = torch.full((3, 6), 950.0), (1.5 * m).expand(3, 6).clone()
    strong[0, 0], weak[0, 1], weak[0, 0] = 800, 25, 850
    given = {many.STRONG: by_width(None, strong), many.WEAK: by_width(None, weak)}
    found = study.judge("many-switch", given)
    assert found.shown.tolist() == [False, False] + [True] * 16
    assert found.weaker.tolist() == [False] + [True] * 17


# correlated features


def of_sets(**by_room):
    """W of two sets of 3 that lie close together, at right angles, or apart, for all p."""
    close = torch.zeros(5, 6)
    close[0, :3] = close[1, 3:] = 1
    kinds = {"close": close, "right": torch.eye(5, 6), "one": torch.ones(5, 6)}
    return {
        (3, int(m.removeprefix("m"))): kinds[kind].expand(len(many.DENSITIES_SETS), 5, 6)
        for m, kind in by_room.items()
    }


def test_interference_helps_within_sets_alone():
    found = study.judge("many-constructive", of_sets(m1="close", m2="right", m3="one"))
    assert found.shown.view(3, -1).all(1).tolist() == [True, False, False]
    assert found.weaker.view(3, -1).any(1).tolist() == [True, False, False]


def test_room_decides_or_does_not():
    found = study.judge("many-room", of_sets(m1="close", m3="right", m2="right", m4="close"))
    shown = found.shown.view(4, -1)
    assert shown.shape == (4, 3)  # p of at most 0.2
    assert shown.all(1).tolist() == [True, True, False, False]
    assert shown.any(1).tolist() == [True, True, False, False]


def test_decay_brings_members_closer_or_does_not():
    close, right = torch.zeros(5, 8), torch.eye(5, 8)
    close[0] = 1
    sets = {
        (size, m, decay): SimpleNamespace(
            W=(close if decay and m > 3 else right)[:, : 2 * size].expand(2, 4, 5, 2 * size)
        )
        for size in many.SIZES
        for m in many.ROOMS
        for decay in (0.0, many.DECAY)
    }
    found = study.judge("many-decay", sets)
    assert found.shown.view(2, 5, 4).all(-1).tolist() == [[False] * 3 + [True] * 2] * 2
    assert not found.shown.view(2, 5, 4)[:, :3].any()
