"""The best models known, at sizes where it is known what they are."""

from __future__ import annotations

import pytest
import torch

from superpos import geometry, losses
from superpos.codes.polytopes import POLYTOPES
from superpos.errors import InvalidArgument
from superpos.optima import ladder, search


def test_a_crowd_has_as_many_features_as_pay():
    found = search.crowd(2, 0.15, torch.ones(12), seeds=[0], steps=1000)
    assert found.represented == 5  # a pentagon
    D = geometry.feature_dimensionality(found.W)
    assert torch.allclose(D[:5], torch.full((5,), 0.4), atol=0.01)
    assert (found.W[:, 5:] == 0).all()
    assert torch.allclose(found.b[5:], torch.tensor(0.075))
    mean, error = losses.even_loss(found.W, found.b, 0.15, samples=16_384, seed=3)
    assert abs(mean - found.loss) < 4 * (error**2 + found.error**2) ** 0.5


def test_the_better_of_crowd_and_stack_is_taken():
    found = search.best_known(30, 3, [[0.9], [0.4]], seeds=1, steps=400)
    assert found.W.shape == (2, 1, 3, 30)
    assert found.loss.shape == (2, 1)
    assert (found.loss <= found.crowd_loss + 4 * found.error + 1e-9).all()
    assert (found.loss <= found.stack_loss + 1e-9).all()
    assert found.kind[1] == "3 digon"
    mean, error = losses.even_loss(found.W, found.b, [[[0.9]], [[0.4]]], samples=16_384, seed=3)
    assert ((mean - found.loss).abs() <= 4 * (error + found.error) + 1e-6).all()


def test_with_unequal_importance_the_most_important_are_represented():
    importance = torch.linspace(1, 0.1, 12)
    found = search.best_known(12, 2, 0.3, importance, seeds=1, steps=600)
    kept = geometry.represented(found.W, threshold=0.1)
    assert kept[: kept.sum()].all()
    assert torch.isnan(found.stack_loss)
    mean, error = losses.even_loss(found.W, found.b, 0.3, importance, samples=16_384, seed=3)
    assert abs(mean - found.loss) < 4 * (error + found.error)


def test_the_same_seeds_find_the_same_model():
    one, other = (search.best_known(9, 2, 0.4, seeds=[4], steps=100) for _ in range(2))
    assert torch.equal(one.W, other.W)
    assert one.kind == other.kind


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"probability": 0.0}, "probability has a 0"),
        ({"importance": [0.5, 1.0, 1.0]}, "importance must fall"),
        ({"steps": 4}, "steps is 4"),
        ({"seeds": []}, "seeds is empty"),
    ],
)
def test_nonsense_is_refused(arguments, told):
    with pytest.raises(InvalidArgument, match=told):
        search.best_known(3, 2, **{"probability": 0.5, **arguments})


def test_training_on_improves_a_stack_whose_parts_do_not_fit():
    parts = [POLYTOPES["digon"], POLYTOPES["icosahedron"]]
    stacked = ladder.stack(16, 4, 0.06, parts)
    begun = search._Model("both", stacked.W.float(), stacked.b.float(), stacked.loss, 0.0)
    ones = torch.ones(16, dtype=torch.float64)
    found = search._trained_on(begun, 0.06, ones, seed=0, steps=900)
    assert found.kind == "both, trained on"
    assert found.loss < stacked.loss - 4 * found.error
    assert (found.W[:, 14:] == 0).all()
    mean, error = losses.even_loss(found.W, found.b, 0.06, samples=16_384, seed=3)
    assert abs(mean - found.loss) < 4 * (error + found.error)
