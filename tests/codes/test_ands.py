from __future__ import annotations

import pytest

from superpos.codes import ands
from superpos.errors import InvalidArgument


def test_more_neurons_read_more_pairs_right_and_superposition_costs_some():
    few, many = (ands.universal(200, count, (6 / count) ** 0.5, seed=0) for count in (40, 800))
    assert few < many
    raw = ands.universal(200, 200, 0.17, seed=0, superposed=False)
    assert ands.universal(200, 200, 0.17, seed=0) < raw


def test_all_outputs_of_disjoint_pairs_are_right_in_enough_neurons():
    assert ands.paired(50, 800, 8, seed=1, superposed=False) == 1
    assert ands.paired(50, 20, 8, seed=1, superposed=False) < 0.5
    assert ands.paired(50, 100, 8, seed=1) < ands.paired(50, 100, 8, seed=1, superposed=False)


def test_the_fewest_neurons_are_found_by_halving_or_the_most_are_told():
    tried = []

    def right(count):
        tried.append(count)
        return float(count >= 100)

    assert ands.fewest(right, share=0.95) == 108  # 4 · 2^(19/4)
    assert len(tried) < 8
    assert ands.fewest(lambda count: 0.0, share=0.5, most=64) == 64


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ands.universal(10, 5, 1.5, seed=0), "density is 1.5"),
        (lambda: ands.universal(10, 5, 0.5, seed=0, queries=10), "queries is 10"),
        (lambda: ands.universal(3, 5, 0.5, seed=0), "n is 3"),
        (lambda: ands.paired(10, 5, 6, seed=0), "neurons is 5"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_by_name(call, message):
    with pytest.raises(InvalidArgument, match=message):
        call()
