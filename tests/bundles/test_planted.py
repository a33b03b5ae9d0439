from __future__ import annotations

import pytest
import torch

from superpos.bundles import planted
from superpos.errors import InvalidArgument

NAMES = ["digon", "triangle", "tetrahedron", "polygon 7", "simplex 5", "antiprism 4", "antiprism 7"]


@pytest.mark.parametrize("name", NAMES)
def test_a_summand_spreads_unit_vectors_evenly(name):
    W = planted.summand(name)
    assert torch.allclose(W.norm(dim=0), torch.ones(W.shape[1], dtype=W.dtype))
    even = W.shape[1] / W.shape[0] * torch.eye(len(W), dtype=W.dtype)
    assert torch.allclose(W @ W.mT, even, atol=1e-12)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_all_cosines_of_a_simplex_are_equal(k):
    products = planted.simplex(k).mT @ planted.simplex(k)
    assert products[~torch.eye(k + 1, dtype=torch.bool)].unique().tolist() == pytest.approx(
        [-1 / k] * len(products[~torch.eye(k + 1, dtype=torch.bool)].unique())
    )


def test_a_rotation_keeps_products_and_noise_has_its_size():
    g = torch.Generator().manual_seed(0)
    W, sets = planted.direct_sum(["polygon 5", "antiprism 4", "digon"])
    assert [len(part) for part in sets] == [5, 8, 2]
    turned = planted.rotated(W, g)
    assert torch.allclose(turned.mT @ turned, W.mT @ W)
    assert not torch.allclose(turned, W)
    many = torch.zeros(100, 100, dtype=torch.float64)
    assert planted.disturbed(many, 0.3, g).std().item() == pytest.approx(0.3, rel=0.05)


def test_draws_fit():
    g = torch.Generator().manual_seed(0)
    for _ in range(50):
        names = planted.draw(NAMES[:6], g, parts=(2, 3), most=6)
        assert 2 <= len(names) <= 3
        assert sum(len(planted.summand(name)) for name in names) <= 6


@pytest.mark.parametrize("name", ["cube", "polygon", "polygon five", "simplex -1"])
def test_an_unknown_summand_is_told(name):
    with pytest.raises(InvalidArgument, match=r"digon, triangle, tetrahedron"):
        planted.summand(name)


def test_summands_that_cannot_fit_are_told():
    with pytest.raises(InvalidArgument, match="do not fit"):
        planted.draw(["tetrahedron"], torch.Generator(), parts=(2, 2), most=5)


@pytest.mark.parametrize(
    ("call", "message"),
    [(lambda g: planted.rotated(torch.eye(3), None), "generator is None"),
     (lambda g: planted.disturbed(torch.eye(3), 0.1, None), "generator is None"),
     (lambda g: planted.draw(["digon"], None, parts=(1, 2), most=4), "generator is None"),
     (lambda g: planted.draw(["digon"], g, parts=(1, 2), most=float("nan")), "most is nan"),
     (lambda g: planted.draw(["digon"], g, parts=(2, 1), most=4), "parts is"),
     (lambda g: planted.draw([], g, parts=(1, 2), most=4), "kinds is")],
)  # fmt: skip
def test_bad_arguments_are_refused_and_nothing_is_drawn_from_torchs_own_generator(call, message):
    before = torch.get_rng_state()
    with pytest.raises(InvalidArgument, match=message):
        call(torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)
