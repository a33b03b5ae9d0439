from __future__ import annotations

from itertools import combinations

import pytest
import torch

from superpos.errors import InvalidArgument
from superpos.restarts import best_of, share_of_best


def test_every_setting_gets_the_values_of_its_own_best_try():
    generator = torch.Generator().manual_seed(0)
    loss = torch.rand(5, 3, 4, generator=generator)
    values = torch.rand(5, 3, 4, 2, 6, generator=generator)
    found = best_of(loss, values)
    assert found.shape == (3, 4, 2, 6)
    for i in range(3):
        for j in range(4):
            assert torch.equal(found[i, j], values[loss[:, i, j].argmin(), i, j])


def test_the_loss_itself_comes_out_as_its_minimum():
    loss = torch.rand(7, 2, generator=torch.Generator().manual_seed(1))
    assert torch.equal(best_of(loss, loss), loss.amin(0))


def test_without_settings_one_try_is_left():
    assert best_of(torch.tensor([2.0, 1.0]), torch.tensor([[1, 2], [3, 4]])).tolist() == [3, 4]


@pytest.mark.parametrize("tries", [1, 2, 3, 5])
def test_the_share_of_the_best_is_that_over_all_choices(tries):
    generator = torch.Generator().manual_seed(0)
    loss = torch.rand(5, 2, generator=generator)
    shown = torch.rand(5, 2, generator=generator) < 0.5
    choices = torch.tensor(list(combinations(range(5), tries)))
    expected = torch.stack([best_of(loss[c], shown[c]) for c in choices]).double().mean(0)
    assert torch.allclose(share_of_best(loss, shown, tries), expected)


def test_more_tries_than_losses_are_refused():
    with pytest.raises(InvalidArgument, match="tries is 4"):
        share_of_best(torch.rand(3), torch.ones(3).bool(), 4)
