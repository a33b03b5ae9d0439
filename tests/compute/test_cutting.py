from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superpos.compute.cutting import cut


@given(st.lists(st.integers(1, 7), min_size=1, max_size=4), st.integers(1, 50))
def test_every_cell_is_in_one_piece_and_no_piece_is_too_large(shape, most):
    times = np.zeros(shape, int)
    for piece in cut(shape, most):
        times[piece] += 1
        assert times[piece].size <= most
    assert (times == 1).all()


@pytest.mark.parametrize(
    ("shape", "most", "sizes"),
    [
        ((10, 41), 205, {205}),
        ((1, 20), 10, {10}),
        ((3, 40), 30, {20}),
        ((7,), 3, {3, 1}),
        ((2, 3, 4), 12, {12}),
        ((2, 3, 4), 23, {12, 8, 4}),
    ],
)
def test_later_axes_are_kept_whole_and_parts_are_even(shape, most, sizes):
    whole = np.zeros(shape)
    assert {whole[piece].size for piece in cut(shape, most)} <= sizes
