from __future__ import annotations

import pytest
import torch

from superpos.errors import InvalidArgument
from superpos.learning import posterior


def bowl(place):
    return place.square().sum(-1) / 2


def two_valleys(place):
    """Of depths 0.05 and 0, at −1 and at 1; the deeper one is narrower."""
    x = place[..., 0]
    return torch.minimum(0.05 + (x + 1) ** 2 / 8, 2 * (x - 1) ** 2)


def test_of_a_bowl_mean_and_spread_are_those_of_a_normal_distribution():
    sizes = torch.tensor([10.0, 14.0, 20.0])
    found = posterior.sample(bowl, torch.zeros(2), sizes, seeds=range(8), sweeps=600)
    spread = found.place.square().mean((0, 1, 3))
    assert torch.allclose(spread, 1 / (1 + sizes), rtol=0.12)
    assert bool((found.accepted > 0.5).all())
    assert bool((found.exchanged > 0.4).all())


def test_the_prior_alone_is_sampled_where_nothing_is_known():
    flat = posterior.sample(
        lambda place: 0 * place.sum(-1), torch.zeros(3), torch.tensor([1.0]),
        seeds=range(8), sweeps=600, centre=torch.full((3,), 2.0), precision=4.0,
    ).place  # fmt: skip
    assert flat.mean().item() == pytest.approx(2, abs=0.05)
    assert flat.std().item() == pytest.approx(0.5, abs=0.05)


def test_exchanges_carry_samples_into_the_deeper_valley_which_they_would_not_find_alone():
    sizes = torch.logspace(0, 3, 16)
    start = torch.tensor([-1.0])
    at = {"seeds": range(4), "sweeps": 300}
    alone = posterior.sample(two_valleys, start, sizes, exchange=False, **at)
    together = posterior.sample(two_valleys, start, sizes, **at)
    assert (alone.place[..., -1, 0] > 0).double().mean() < 0.1
    assert (together.place[..., -1, 0] > 0).double().mean() > 0.9


def test_a_wide_valley_has_more_of_the_posterior_until_samples_are_many():
    sizes = torch.logspace(0.5, 3, 16)
    found = posterior.sample(two_valleys, torch.zeros(1), sizes, seeds=range(4), sweeps=600)
    deeper = (found.place[..., 0] > 0).double().mean((0, 1))
    assert deeper[0] < 0.45
    assert deeper[-1] > 0.95


def test_a_leap_that_diverges_is_a_move_that_is_rejected():
    def wall(place):
        assert place.isfinite().all()
        return place.pow(4).sum(-1)

    # stable near 0 alone: from far away leaps of the usual length diverge
    found = posterior.sample(
        wall, torch.full((2,), 1e70, dtype=torch.float64), torch.tensor([1e3]), seeds=[0], sweeps=40
    )
    assert found.place.isfinite().all()
    assert found.accepted.item() < 0.5


def test_a_run_is_the_same_whatever_runs_beside_it():
    at = {"start": torch.zeros(2), "sizes": torch.tensor([5.0, 8.0]), "sweeps": 20}
    both = posterior.sample(bowl, seeds=[3, 4], **at)
    alone = posterior.sample(bowl, seeds=[4], **at)
    assert torch.allclose(both.place[:, 1], alone.place[:, 0], atol=1e-6)


def test_each_curved_direction_counts_half_and_a_flat_one_nothing():
    def groove(place):
        return place[..., :3].square().sum(-1)

    found = posterior.local_coefficient(
        groove, torch.zeros(1, 5), size=1e4, seeds=range(6), sweeps=600
    )
    assert found.shape == (6, 1)
    assert found.mean().item() == pytest.approx(1.5, abs=0.15)


def test_a_fourth_power_counts_a_quarter():
    found = posterior.local_coefficient(
        lambda place: place[..., 0] ** 4, torch.zeros(1, 1), size=1e7, seeds=range(8), sweeps=600
    )
    assert found.mean().item() == pytest.approx(0.25, abs=0.06)


@pytest.mark.parametrize("sizes", [torch.tensor([1.0, 0.0]), torch.tensor(3.0)])
def test_no_samples_at_sizes_that_are_none(sizes):
    with pytest.raises(InvalidArgument, match="sizes"):
        posterior.sample(bowl, torch.zeros(2), sizes, seeds=[0], sweeps=4)
