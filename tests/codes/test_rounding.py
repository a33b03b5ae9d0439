"""Rounding to few bits: how many values there are, and how the loss falls with them."""

import pytest
import torch

from superpos import InvalidArgument, losses
from superpos.codes import rounding

W = torch.randn(3, 2, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("bits", [1, 3, 5])
def test_there_are_two_to_the_bits_values_and_both_ends_stay(bits):
    values = torch.rand(2, 4000, generator=torch.Generator().manual_seed(0))
    found = rounding.rounded(values, bits, axes=(-1,))
    for row, rounded in zip(values, found, strict=True):
        assert len(rounded.mul(1e4).round().unique()) == 2**bits
        assert rounded.min() == row.min()
        assert rounded.max().item() == pytest.approx(row.max().item())
        half = (row.max() - row.min()) / (2**bits - 1) / 2
        assert (rounded - row).abs().max() <= half * (1 + 1e-4)


def test_rounding_again_changes_nothing():
    once = rounding.rounded(W, 3)
    torch.testing.assert_close(rounding.rounded(once, 3), once)


def test_what_is_constant_stays():
    same = torch.full((2, 3), 0.7)
    assert torch.equal(rounding.rounded(same, 2), same)


def test_without_rounding_the_loss_is_the_exact_one():
    draws = torch.Generator().manual_seed(1)
    b = -0.1 * torch.rand(3, 5, generator=draws)
    x = torch.rand(200_000, 5, generator=draws) * (torch.rand(200_000, 5, generator=draws) < 0.3)
    exact = losses.exact_loss(W, b, 0.3)
    torch.testing.assert_close(rounding.rounded_loss(W, b, x).double(), exact, rtol=0.02, atol=0)


def test_a_bit_more_quarters_what_rounding_costs_without_superposition():
    x = torch.rand(20_000, 6, generator=torch.Generator().manual_seed(0))
    costs = [
        rounding.rounded_loss(torch.eye(6), torch.zeros(6), x, activations=bits).item()
        for bits in (4, 5, 6)
    ]
    for bits, cost in zip((4, 5, 6), costs, strict=True):
        assert cost == pytest.approx(6 / 12 / (2**bits - 1) ** 2, rel=0.05)


def test_no_bits_are_refused():
    with pytest.raises(InvalidArgument, match="bits is 0"):
        rounding.rounded(W, 0)
