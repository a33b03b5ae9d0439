from __future__ import annotations

import pytest
import torch

from superpos.codes import rugs
from superpos.errors import InvalidArgument


@pytest.mark.parametrize("antipodal", [False, True])
@pytest.mark.parametrize("m", [8, 20])
def test_a_rug_is_a_tight_frame_whose_features_are_alike(m, antipodal):
    n = 64
    W = rugs.rug(n, m, antipodal=antipodal)
    assert torch.allclose(W.norm(dim=0), torch.ones(n).double())
    assert torch.allclose(W @ W.T, n / m * torch.eye(m).double())
    assert W.sum(1).abs().max() < 1e-9
    cosines = (W.T @ W).sort(-1).values
    assert (cosines - cosines[0]).abs().max() < 1e-9  # or `Polytope` would refuse it
    squares = (W.T @ W).square().sum(-1) - 1
    assert torch.allclose(squares, torch.full((n,), n / m - 1).double())


def test_every_feature_of_an_antipodal_rug_has_an_opposite_and_of_others_few_do():
    pairs = rugs.rug(64, 16, antipodal=True)
    assert (pairs.T @ pairs).min(-1).values.allclose(torch.tensor(-1.0).double())
    plain = rugs.rug(64, 16)
    assert (plain.T @ plain).min() > -1


def test_seeds_choose_other_rows():
    assert not torch.equal(rugs.rug(64, 16, seed=1), rugs.rug(64, 16))
    assert torch.equal(rugs.rug(64, 16, seed=1), rugs.rug(64, 16, seed=1))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"n": 12, "m": 4}, "n is 12"),
        ({"n": 8, "m": 8}, "m is 8"),
        ({"n": 8, "m": 5, "antipodal": True}, "m is 5"),
    ],
)
def test_what_has_no_rug_is_told(given, told):
    with pytest.raises(InvalidArgument, match=told):
        rugs.rug(**given)
