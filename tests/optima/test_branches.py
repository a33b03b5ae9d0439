from __future__ import annotations

import pytest
import torch
from torch import Tensor

from superpos.errors import InvalidArgument
from superpos.optima import least_curvature, minimise
from superpos.optima.branches import crossing, end, follow, slope

FIRST = (
    torch.tensor([[0.9, -0.4]]),
    torch.tensor([0.2, 0.5]),
)  # each keeps mostly one of two features
SECOND = torch.tensor([[-0.4, 0.9]]), torch.tensor([0.5, 0.2])


def second_importance(probability: float | Tensor):
    """Two features with the same p, the second r times as important as the first."""

    def settings(r: Tensor) -> tuple[Tensor, Tensor]:
        p = torch.as_tensor(probability, dtype=torch.float64)
        return p[..., None], torch.stack([torch.ones_like(r), r], dim=-1)

    return settings


def density(p: Tensor) -> tuple[Tensor, Tensor]:
    return p[..., None], torch.tensor([1.0, 0.5])


def test_a_branch_is_an_optimum_at_every_setting():
    at = torch.linspace(0.5, 0.1, 5, dtype=torch.float64)
    branch = follow(torch.tensor([[1.0, -0.5]]), torch.zeros(2), density, at)
    assert branch.converged.all()
    assert branch.W.shape == (5, 1, 2)
    for k, p in enumerate(at):
        again = minimise(branch.W[k], branch.b[k], p, [1.0, 0.5])
        assert again.steps == 0
        assert again.loss == branch.loss[k]


def test_each_model_may_have_settings_of_its_own():
    at = torch.tensor([[0.5, 0.3], [0.4, 0.2]], dtype=torch.float64)
    both = follow(torch.tensor([[1.0, -0.5]]), torch.zeros(2), density, at)
    for k in range(2):
        alone = follow(torch.tensor([[1.0, -0.5]]), torch.zeros(2), density, at[:, k])
        assert torch.allclose(both.loss[:, k], alone.loss, rtol=1e-9)


def test_the_slope_is_that_of_the_optimal_loss():
    step = 1e-4
    at = 0.3 + step * torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)
    branch = follow(torch.tensor([[1.0, -0.5]]), torch.zeros(2), density, at, tolerance=1e-11)
    measured = ((branch.loss[2] - branch.loss[0]) / (2 * step)).item()
    assert slope(branch.W[1], branch.b[1], density, at[1]).item() == pytest.approx(
        measured, rel=1e-6
    )


def test_losses_that_are_mirror_images_cross_in_the_middle():
    """L_second(r) = r L_first(1/r): the losses cross at r = 1, where the slopes add up to L."""
    p = torch.tensor([0.78, 0.8, 0.82], dtype=torch.float64)
    found = crossing(FIRST, SECOND, second_importance(p), 0.95, 1.04)
    assert found.crosses.all()
    assert found.at.tolist() == pytest.approx([1, 1, 1], abs=1e-6)
    assert torch.allclose(found.loss[0], found.loss[1], rtol=1e-8)
    assert torch.allclose(found.slope.sum(0), found.loss[0], rtol=1e-6)
    assert (found.slope[0] > found.slope[1]).all()
    assert (found.curvature > 0).all()
    assert torch.allclose(found.W[0].abs(), found.W[1].abs().flip(-1), atol=1e-4)


def test_every_pair_has_ends_of_its_own_and_does_not_notice_the_others():
    low, high = torch.tensor([0.95, 0.97]), torch.tensor([1.04, 1.06])
    p = torch.tensor([0.78, 0.82], dtype=torch.float64)
    both = crossing(FIRST, SECOND, second_importance(p), low, high)
    for k in range(2):
        alone = crossing(FIRST, SECOND, second_importance(p[k]), low[k], high[k])
        assert both.at[k].item() == pytest.approx(alone.at.item(), abs=1e-7)


@pytest.mark.parametrize(("low", "high"), [(0.95, 0.99), (1.01, 1.04)])
def test_losses_that_do_not_cross_between_the_ends_are_told(low, high):
    found = crossing(FIRST, SECOND, second_importance(0.8), low, high, accuracy=1e-4)
    assert not found.crosses


def test_a_branch_that_has_ended_does_not_cross():
    """At p = 0.3 the pair is the only minimum: whatever is kept at first, both are kept."""
    found = crossing(FIRST, SECOND, second_importance(0.3), 0.6, 1.5, accuracy=1e-4)
    assert not found.crosses


def single(W: Tensor) -> Tensor:
    return (W.square() > 0.5).sum((-2, -1)) == 1


def equal_density(p: Tensor) -> tuple[Tensor, Tensor]:
    return p[..., None], torch.ones(2)


def test_a_branch_ends_where_it_is_no_minimum_any_more():
    last = end(*FIRST, equal_density, 0.8, 0.5, single, accuracy=0.01)
    just, beyond = (minimise(*FIRST, p) for p in (last, last - 0.02))
    assert single(just.W)
    assert least_curvature(just.W, just.b, last) > 0
    assert not single(beyond.W) or least_curvature(beyond.W, beyond.b, last - 0.02) <= 0


def test_a_branch_that_does_not_end_reaches_the_other_side():
    assert end(*FIRST, equal_density, 0.8, 0.78, single) == 0.78


def test_the_end_of_a_branch_is_found_to_the_last_digit_that_there_is():
    exact, near = (end(*FIRST, equal_density, 0.8, 0.7, single, accuracy=a) for a in (1e-300, 1e-3))
    assert abs(exact - near) <= 1e-3


def test_a_branch_must_be_there_at_first():
    with pytest.raises(InvalidArgument, match="no minimum of the branch at low"):
        end(*FIRST, equal_density, 0.3, 0.5, single)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: follow(*FIRST, density, torch.tensor(0.3)), "at has shape"),
        (lambda: follow(*FIRST, density, torch.tensor([2.0])), "probability is 2"),
        (lambda: crossing(FIRST, SECOND, density, 0.1, torch.nan), "high has an entry"),
        (lambda: crossing(FIRST, SECOND, density, 0.1, 2.0), "high leads settings to what cannot"),
        (lambda: crossing(FIRST, None, density, 0.1, 0.2), "other is None: W and b are needed"),
        (lambda: crossing(FIRST, SECOND, density, 0.1, 0.2, accuracy=0), "accuracy is 0"),
    ],
)
def test_bad_input_is_told(call, told):
    with pytest.raises(InvalidArgument, match=told):
        call()
