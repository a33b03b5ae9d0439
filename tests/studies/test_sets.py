"""How sets of features are arranged: known arrangements, invariances, and thresholds."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from superpos.errors import InvalidArgument
from superpos.studies import sets

CROSS = torch.tensor([[1.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, -1.0]])  # pairs at right angles
LINES = CROSS[:, [0, 2, 1, 3]]  # pairs antipodal


def at(*degrees: float) -> Tensor:
    turn = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([turn.cos(), turn.sin()])


def rotated(W: Tensor, seed: int = 0) -> Tensor:
    m = W.shape[-2]
    draws = torch.randn(m, m, generator=torch.Generator().manual_seed(seed), dtype=W.dtype)
    return torch.linalg.qr(draws).Q @ W


TESTS = {
    "one of every set": lambda W: sets.one_of_every_set(W, 2),
    "sets apart": lambda W: sets.sets_apart(W, 2),
}


@pytest.mark.parametrize("name", TESTS)
@pytest.mark.parametrize("W", [CROSS, LINES], ids=["cross", "lines"])
def test_nothing_changes_when_hidden_space_is_rotated_or_sets_change_places(name, W):
    expected = TESTS[name](W)
    assert TESTS[name](rotated(W)) == expected
    assert TESTS[name](W[:, [2, 3, 0, 1]]) == expected
    assert TESTS[name](W[:, [1, 0, 2, 3]]) == expected


@pytest.mark.parametrize("name", TESTS)
def test_an_ensemble_gives_what_its_models_give(name):
    ensemble = torch.stack([torch.stack([CROSS, LINES]), torch.stack([LINES, CROSS])])
    found = TESTS[name](ensemble)
    assert found.shape == (2, 2)
    assert found.dtype is torch.bool
    assert found.flatten().tolist() == [TESTS[name](W).item() for W in ensemble.flatten(0, 1)]


def test_cosines_are_those_of_features_0_and_1_then_2_and_3():
    W = at(0, 60, 10, 190)
    torch.testing.assert_close(
        sets.partner_cosines(W), torch.tensor([0.5, -1.0], dtype=torch.float64)
    )


def test_partners_that_meet_over_the_seam_of_the_circle_are_adjacent():
    assert sets.partners_adjacent(at(170, 190, 50, 110, 290, 350))
    assert sets.partners_adjacent(at(-10, 10, 50, 110, 240, 290))
    assert not sets.partners_adjacent(at(-10, 50, 10, 110, 240, 290))


@pytest.mark.parametrize("turn", range(0, 360, 30))
def test_adjacency_does_not_depend_on_where_the_circle_starts(turn):
    W = at(*(turn + angle for angle in (0, 60, 120, 180, 240, 300)))
    assert sets.partners_adjacent(W)
    assert not sets.partners_adjacent(W[:, [0, 2, 1, 3, 4, 5]])


def test_cosines_within_and_outside_sets_are_kept_apart():
    W = at(0, 90, 30, 120)
    within = sets.within_sets(W, 2)
    assert within.shape == (2, 2)
    assert within.abs().max() < 1e-9
    expected = torch.full((4,), math.cos(math.radians(30)), dtype=torch.float64)
    torch.testing.assert_close(sets.nearest_outside(W, 2), expected)


def test_cosines_within_sets_of_three_are_those_of_the_gram_matrix():
    W = torch.randn(5, 4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    unit = W / W.norm(dim=-2, keepdim=True)
    cosine = (unit.mT @ unit).abs()
    for one in range(2):
        block = cosine[:, 3 * one : 3 * one + 3, 3 * one : 3 * one + 3]
        expected = torch.stack([block[:, i, j] for i in range(3) for j in range(3) if i != j], -1)
        torch.testing.assert_close(sets.within_sets(W, 3)[:, one], expected)


def test_parts_tell_the_sets_of_their_features():
    assert sets.sets_of_parts(CROSS, 2) == [(0, 1), (0, 1)]
    assert sets.sets_of_parts(LINES, 2) == [(0, 0), (1, 1)]
    assert sets.sets_of_parts(CROSS, 1) == [(0, 2), (1, 3)]


def test_two_triangles_are_parts_with_one_of_every_set_or_sets_apart():
    triangles = torch.block_diag(at(0, 120, 240), at(0, 120, 240))
    by_set = triangles[:, [0, 3, 1, 4, 2, 5]]  # three sets of two
    assert sets.one_of_every_set(by_set, 2)
    assert sets.sets_apart(triangles, 3)
    assert not sets.sets_apart(by_set, 2)


def test_partners_share_a_part_in_a_share_between_none_and_all():
    some = torch.block_diag(LINES, CROSS)
    found = sets.sharing_partners(torch.stack([some, torch.block_diag(LINES, LINES)]))
    assert found.tolist() == [0.5, 1.0]


def test_facing_lines_up_antipodes_and_keeps_each_set():
    W = rotated(torch.eye(4).double(), 1)
    mixed = torch.cat([W, -W[:, [2, 0, 3, 1]]], dim=1)
    ordered = sets.facing(mixed, 4)
    torch.testing.assert_close(ordered, torch.cat([W, -W], dim=1))
    torch.testing.assert_close(sets.facing(ordered, 4), ordered)


@pytest.mark.parametrize("size", [0, 3])
def test_features_that_do_not_come_in_such_sets_are_refused(size):
    with pytest.raises(InvalidArgument, match=r"size|sets of 3"):
        sets.within_sets(CROSS, size)
    with pytest.raises(InvalidArgument, match="sets of 2"):
        sets.partner_cosines(torch.eye(3))
