"""Each test of a claim against models built by hand, at the thresholds of ``book/claims.yml``."""

from __future__ import annotations

import pytest
import torch
from shapes import JUST, angle_of, columns, evenly, polar, rotation, told
from torch import Tensor

from superpos.learning import onehot
from superpos.studies import outcomes


def each(cases: dict):
    return pytest.mark.parametrize(("model", "holds"), cases.values(), ids=cases)


# Five features in a plane

NOTHING = (0, 0)


def two_pairs(angle: float) -> Tensor:
    return polar((1, 0), (1, angle), (1, 180), (1, angle + 180), NOTHING)


def bent_pair(cosine: float) -> Tensor:
    """Two pairs in orthogonal planes, the second at a cosine."""
    first, second = columns((1,), (-1,)), evenly(0, angle_of(cosine))
    return torch.block_diag(first, second, torch.zeros(0, 1, dtype=torch.float64))


PAIRS = {
    "two pairs at a right angle": (two_pairs(90), True),
    "paired in another order": (polar((1, 0), (1, 180), (1, 270), (1, 90), NOTHING), True),
    "lengths at the threshold": (
        polar(*((0.5 + JUST, angle) for angle in (0, 90, 180, 270)), (0.1 - JUST, 30)),
        True,
    ),
    "one too short": (polar((1, 0), (1, 90), (1, 180), (0.5 - JUST, 270), NOTHING), False),
    "the last too long": (polar((1, 0), (1, 90), (1, 180), (1, 270), (0.1 + JUST, 30)), False),
    "the most important one dropped": (polar(NOTHING, *((1, 90 * k) for k in range(4))), False),
    "just wide enough": (two_pairs(angle_of(0.1 - JUST)), True),
    "too narrow": (two_pairs(angle_of(0.1 + JUST)), False),
    "just opposite enough": (bent_pair(-0.95 - JUST), True),
    "not opposite enough": (bent_pair(-0.95 + JUST), False),
    "two partners": (polar((1, 0), (1, 180), (1, 180), (1, 0), NOTHING), False),
    "an only pair": (polar((1, 0), (1, 180), NOTHING, NOTHING, NOTHING), False),
    "one pair and two alone": (
        columns((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0)),
        False,
    ),
    "four at right angles": (torch.eye(4, 5, dtype=torch.float64), False),
    "a pentagon": (evenly(0, 72, 144, 216, 288), False),
}


@each(PAIRS)
def test_antipodal_pairs_are_of_all_features_but_the_last(model, holds):
    assert told(outcomes.antipodal_pairs(model)) is holds


def test_what_is_a_pair_does_not_depend_on_how_it_is_turned_or_mirrored():
    for W, holds in PAIRS.values():
        mirror = torch.eye(len(W), dtype=W.dtype).flip(0)
        for turn in (rotation(0, len(W)), rotation(1, len(W)), mirror):
            assert told(outcomes.antipodal_pairs(turn @ W)) is holds


def test_pairs_are_in_any_order_of_their_four():
    for seed in range(20):
        order = torch.randperm(5, generator=torch.Generator().manual_seed(seed))
        among_four = torch.cat([order[order < 4], torch.tensor([4])])
        for W, holds in PAIRS.values():
            assert told(outcomes.antipodal_pairs(W[:, among_four])) is holds


def test_each_model_of_an_ensemble_is_judged_by_itself():
    flat = [(W, holds) for W, holds in PAIRS.values() if W.shape == (2, 5)]
    ensemble = torch.stack([W for W, _ in flat])[:, None].expand(-1, 3, 2, 5)
    for models in (ensemble, ensemble.float()):
        assert outcomes.antipodal_pairs(models).tolist() == [[holds] * 3 for _, holds in flat]


def failed(length: float, bias: float) -> tuple[Tensor, Tensor]:
    W, b = (value.clone() for value in onehot.failure(7))
    W[0, 6], b[6] = length, bias
    return W, b


# Superposition is gone
