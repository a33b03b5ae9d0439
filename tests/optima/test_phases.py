from __future__ import annotations

import pytest
import torch

from superpos import geometry
from superpos.errors import InvalidArgument
from superpos.losses import exact_loss
from superpos.optima import minimise, phases

P = torch.tensor([0.03, 0.3, 0.9], dtype=torch.float64)[:, None]
R = torch.tensor([0.1, 1.0, 7.0], dtype=torch.float64)


@pytest.mark.parametrize("features", [2, 3])
def test_the_candidates_cost_what_the_exact_loss_says(features):
    W = phases.candidates(features)
    formulas = phases.candidate_losses(P, R, features=features)
    for k, formula in enumerate(formulas):
        left_out = geometry.squared_norms(W[k]) == 0
        b = left_out * P[..., None] / 2
        exact = exact_loss(W[k], b, P[..., None], phases.importances(R, features=features))
        assert torch.allclose(exact, formula, rtol=1e-12)


@pytest.mark.parametrize("features", [2, 3])
def test_each_candidate_is_its_own_kind(features):
    W = phases.candidates(features)
    assert phases.kind(W).tolist() == list(range(len(W)))


@pytest.mark.parametrize("features", [2, 3])
def test_a_kind_does_not_depend_on_rotation_or_on_the_order_of_the_equal_features(features):
    generator = torch.Generator().manual_seed(0)
    W = phases.candidates(features)
    W = W + 0.02 * torch.randn(20, *W.shape, generator=generator, dtype=torch.float64)
    m = W.shape[-2]
    turn = torch.linalg.qr(torch.randn(20, 1, m, m, generator=generator, dtype=torch.float64)).Q
    assert torch.equal(phases.kind(turn @ W), phases.kind(W))
    if features == 3:
        assert torch.equal(phases.kind(W[..., [1, 0, 2]]), phases.kind(W))


@pytest.mark.parametrize(
    "W",
    [
        torch.tensor([[1.0, 1.0]]),  # two features that share a direction
        torch.tensor([[0.4, 0.0]]),  # too short to be kept
        torch.zeros(2, 3),
        torch.tensor([[1.0, -1.0, -1.0], [0.0, 0.01, -0.01]]),  # the third is not apart
    ],
)
def test_what_is_no_candidate_is_none_of_these(W):
    names = phases.TWO_FEATURES if W.shape[-1] == 2 else phases.THREE_FEATURES
    assert names[phases.kind(W)] == "none of these"


def test_the_joint_candidate_is_orthogonal_to_all_ones():
    joint = phases.candidates(3)[-1]
    assert torch.allclose(joint.sum(-1), torch.zeros(2, dtype=torch.float64))
    cosines = geometry.cosines(joint)
    assert torch.allclose(cosines[[0, 0, 1], [1, 2, 2]], torch.tensor(-0.5, dtype=torch.float64))


@pytest.mark.parametrize("p", [0.45, 0.6, 0.8])
def test_leaving_the_extra_feature_out_stops_being_a_minimum_at_the_onset(p):
    r = phases.onset(torch.tensor(p)) * torch.tensor([0.98, 1.02])
    start = torch.tensor([[1.0, -0.02]]).expand(2, 1, 2)
    bias = torch.tensor([0.0, p / 2]).expand(2, 2)
    found = minimise(start, bias, p, phases.importances(r))
    extra = found.W[..., 0, 1].abs()
    assert extra[0] < 1e-3
    assert extra[1] > 0.05


def test_the_landscape_touches_the_optimum_from_above():
    weights = torch.linspace(-1.2, 1.2, 25)
    height = phases.landscape(weights[:, None], weights, 0.3, 0.5)
    start = torch.tensor([[1.0, -0.9]])
    best = minimise(start, torch.zeros(2), 0.3, torch.tensor([1.0, 0.5])).loss
    assert best < height.min() < 1.05 * best


def test_the_landscape_is_the_same_upside_down():
    weights = torch.linspace(-1, 1, 5)
    height = phases.landscape(weights[:, None], weights, 0.4, 2.0)
    assert torch.allclose(height, height.flip(0, 1))


@pytest.mark.parametrize("W", [torch.eye(3), torch.zeros(1, 3)])
def test_other_shapes_are_refused(W):
    with pytest.raises(InvalidArgument, match="W has shape"):
        phases.kind(W)


@pytest.mark.parametrize("call", [lambda: phases.candidates(4),
                                  lambda: phases.candidate_losses(P, R, features=4)])  # fmt: skip
def test_other_numbers_of_features_are_refused(call):
    with pytest.raises(InvalidArgument, match="features is 4: 2 or 3 are needed"):
        call()
