"""Families of features: how often what is active, with which values."""

from __future__ import annotations

import pytest
import torch

from superpos import Procedure, train
from superpos.errors import InvalidArgument
from superpos.sae import Families

HIERARCHY = Families(3, 2, 0.3, given=0.5, otherwise=0.0, spread=0.2)
PAIRS = Families(4, 1, torch.tensor([0.1, 0.4]), given=0.7, otherwise=0.2)


def inputs(features: Families, batch: int = 40_000) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return features.inputs(torch.rand(batch, features.uniforms, generator=generator))


@pytest.mark.parametrize("features", [HIERARCHY, PAIRS])
def test_means_and_chances_are_those_that_are_drawn(features):
    x = inputs(features).double()
    torch.testing.assert_close((x > 0).double().mean(-2), features.active, rtol=0, atol=0.015)
    torch.testing.assert_close(x.mean(-2), features.mean, rtol=0, atol=0.015)
    silent = (x == 0).all(-1).double().mean(-1)
    torch.testing.assert_close(silent, features.silence, rtol=0, atol=0.015)


def test_no_child_of_a_hierarchy_is_active_without_its_parent():
    on = inputs(HIERARCHY) > 0
    parents = HIERARCHY.parents
    assert parents.tolist() == [0, 0, 0, 3, 3, 3, 6, 6, 6]
    assert (on <= on[:, parents]).all()
    both = (on[:, 1] & on[:, 2]).double().mean()
    assert both == pytest.approx(0.3 * 0.25, abs=0.01)  # children know of their parent alone


def test_values_lie_within_the_spread():
    x = inputs(HIERARCHY)
    assert x[x > 0].min() >= 0.8
    assert x.max() <= 1


def test_settings_are_taken_apart_as_training_does():
    one = PAIRS.settings((2,), 1, 2)
    assert one.shape == (1,)
    torch.testing.assert_close(inputs(one)[0], inputs(PAIRS)[1])
    assert train(HIERARCHY, 4, seeds=2, procedure=Procedure(steps=20)).W.shape == (2, 4, 9)


def test_what_is_not_known_of_families_is_refused():
    u = torch.rand(3, HIERARCHY.uniforms)
    for ask in (lambda: HIERARCHY.active_inputs(u), HIERARCHY.active_sets):
        with pytest.raises(InvalidArgument):
            ask()
    for wrong in ({"given": 1.2}, {"spread": -0.1}, {"families": 0}, {"probability": 2.0}):
        kinds = {"families": 3, "children": 1, "probability": 0.1, "given": 0.5, "otherwise": 0}
        with pytest.raises(InvalidArgument):
            Families(**(kinds | wrong))
