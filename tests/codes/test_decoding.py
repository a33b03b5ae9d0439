"""Reading in rounds: what it must share with one reading, and where it must do better."""

from __future__ import annotations

import pytest
import torch

from superpos import InvalidArgument, codes
from superpos.codes import capacity, decoding

CODE = codes.random_code(128, 32)


def test_one_round_is_the_plain_reading():
    plain = capacity.read(CODE, 3, inputs=50, seed=1)
    first = decoding.read_in_rounds(CODE, 3, rounds=1, inputs=50, seed=1)
    torch.testing.assert_close(first.f, plain.f)
    assert torch.equal(first.x, plain.x)


def test_few_features_are_read_without_noise_and_too_many_are_not():
    few = decoding.read_in_rounds(CODE, 2, inputs=200)
    assert few.noise < 0.05
    assert few.all_right() > 0.95
    assert decoding.read_in_rounds(CODE, 40, inputs=200).all_right() < 0.1


def test_an_orthogonal_code_is_read_right_even_where_all_features_are_active():
    for active in (1, 7, 8):
        found = decoding.read_in_rounds(torch.eye(8), active, inputs=20)
        torch.testing.assert_close(found.f, found.x, atol=1e-4, rtol=0)


def test_the_pseudoinverse_reads_a_feature_alone_as_one_with_less_noise_than_the_transpose():
    found = decoding.read_by_pseudoinverse(CODE, 1, inputs=200)
    torch.testing.assert_close(found.active, torch.ones_like(found.active))
    several = decoding.read_by_pseudoinverse(CODE, 4, inputs=500)
    least = (4 * (128 - 32) / (32 * 127)) ** 0.5  # that of a tight frame
    assert several.noise == pytest.approx(least, rel=0.1)
    assert several.noise < capacity.read(CODE, 4, inputs=500).noise


def test_how_it_is_read_decides_how_many_can_be_active():
    plain = capacity.most_active(CODE, inputs=100)
    rounds = capacity.most_active(CODE, inputs=100, reader=decoding.read_in_rounds)
    assert rounds > plain


def test_no_rounds_are_refused():
    with pytest.raises(InvalidArgument, match="rounds is 0"):
        decoding.read_in_rounds(CODE, 1, rounds=0)
