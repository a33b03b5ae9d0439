from __future__ import annotations

import math

import pytest
import torch

from superpos.errors import InvalidArgument
from superpos.learning import boundaries

SIZES = torch.tensor([2, 4, 8, 16])
HALF = (torch.arange(256)[:, None] + 0.37 * torch.arange(256) > 150).long()


def test_a_line_has_dimension_1_by_boxes_and_by_uncertainty():
    by_boxes = 2 - boundaries.exponent(SIZES, boundaries.box_shares(HALF, SIZES))
    by_uncertainty = 2 - boundaries.exponent(SIZES, boundaries.uncertainty(HALF, SIZES))
    assert by_boxes == pytest.approx(1, abs=0.1)
    assert by_uncertainty == pytest.approx(1, abs=0.1)


def test_random_outcomes_fill_the_plane():
    noise = torch.randint(0, 2, (256, 256), generator=torch.Generator().manual_seed(0))
    assert boundaries.exponent(SIZES, boundaries.uncertainty(noise, SIZES)) == pytest.approx(
        0, abs=0.02
    )
    assert 2 - boundaries.exponent(SIZES, boundaries.box_shares(noise, SIZES)) == pytest.approx(
        2, abs=0.1
    )


def test_lines_over_a_cantor_set_have_their_known_dimension():
    # middle thirds left out, five times; the outcome is when a cell was left out
    level = torch.zeros(1, dtype=torch.long)
    for step in range(1, 6):
        level = torch.cat([level, torch.full_like(level, step), level])
    stripes = level.expand(243, -1)
    sizes = torch.tensor([1, 3, 9, 27])
    shares = boundaries.uncertainty(stripes, sizes)
    expected = 1 - math.log(2) / math.log(3)  # 2 − D, of lines over a Cantor set
    assert boundaries.exponent(sizes, shares) == pytest.approx(expected, abs=0.12)


def test_where_all_is_one_outcome_there_is_no_boundary():
    same = torch.zeros(8, 8, dtype=torch.long)
    assert boundaries.box_shares(same, torch.tensor([2, 4])).tolist() == [0, 0]
    assert math.isnan(boundaries.exponent(SIZES, torch.zeros(4)))


def test_grids_of_numbers_that_are_not_whole_are_refused():
    with pytest.raises(InvalidArgument, match="outcomes has dtype torch"):
        boundaries.box_shares(torch.zeros(4, 4), SIZES)
    with pytest.raises(InvalidArgument, match=r"distances has 8: the grid is \(8, 8\)"):
        boundaries.uncertainty(torch.zeros(8, 8).long(), torch.tensor([8]))
    with pytest.raises(InvalidArgument, match="sizes is 0"):
        boundaries.box_shares(torch.zeros(4, 4).long(), torch.tensor([0]))
