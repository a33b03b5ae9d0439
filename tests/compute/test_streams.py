from __future__ import annotations

import pytest
import torch
from scipy import stats

from superpos.compute import streams
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument


def draws(*key: int) -> list[float]:
    return torch.rand(8, generator=streams.generator(*key)).tolist()


def test_a_key_always_gives_the_same_draws():
    first = draws(3, 1, 2)
    torch.rand(5)  # nothing else that is drawn matters
    assert draws(3, 1, 2) == first


def test_keys_that_differ_in_any_place_give_different_draws():
    keys = [(a, b, c) for a in (0, 1, 2) for b in (0, 1, 2) for c in (0, 1, 19)]
    assert len({tuple(draws(*key)) for key in keys}) == len(keys)


def test_what_has_no_purpose_has_no_draws():
    with pytest.raises(ValueError, match="7 is not a valid Purpose"):
        streams.generator(0, 7)


def test_a_seed_that_needs_two_words_shares_no_draws_with_a_small_one():
    assert draws(2**32, Purpose.INPUTS, 0) != draws(0, Purpose.INPUTS, 1)


def test_a_seed_has_the_same_draws_whichever_others_are_beside_it():
    together = streams.uniforms([4, 7, 9], Purpose.INPUTS, 2, (5, 3))
    alone = streams.uniforms([7], Purpose.INPUTS, 2, (5, 3))
    assert together.shape == (3, 5, 3)
    assert torch.equal(together[1], alone[0])


def test_draws_of_many_streams_are_uniform_together():
    u = streams.uniforms(range(2000), Purpose.EVALUATION, 0, (3,)).flatten()
    assert u.min() >= 0
    assert u.max() < 1
    assert stats.kstest(u.numpy(), "uniform").pvalue > 1e-4


def test_streams_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    streams.uniforms([1, 2], Purpose.INPUTS, 0, (10,))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("seeds", "listed"), [(2, [0, 1]), ([5, 0], [5, 0]), (range(3), [0, 1, 2]), ((2**40,), [2**40])]
)
def test_seeds_are_listed_or_counted(seeds, listed):
    assert streams.seed_list(seeds) == listed


@pytest.mark.parametrize(
    "seeds", [0, -1, True, 2.0, None, "12", [-1], [1.5], [float("nan")], [True], []]
)
def test_what_is_no_list_of_seeds_is_refused_by_name(seeds):
    with pytest.raises(InvalidArgument, match="seeds"):
        streams.seed_list(seeds)
