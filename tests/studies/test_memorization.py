"""The tests of the claims on memorization, each on models made by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from superpos.claims.registry import thresholds
from superpos.studies import memorization as chapter

judged = chapter.study.judge


def polygon(k: int, lengths=1.0, turned: float = 0.0) -> Tensor:
    angle = 2 * torch.pi * torch.arange(k) / k + turned
    return torch.stack([angle.cos(), angle.sin()]) * lengths


def repeated(W: Tensor, seeds: int = 3) -> Tensor:
    return W.expand(seeds, *W.shape)


# Polygons


def regular(vectors: Tensor) -> bool:
    marks = thresholds("mem-examples", "within", "narrow", "wide")
    return chapter.regular_polygon(vectors, **marks).item()


@pytest.mark.parametrize("k", [3, 5, 8])
def test_a_regular_polygon_is_one_at_any_size_and_angle(k):
    for vectors in (polygon(k), polygon(k, 7.0, 0.3), polygon(k).flip(-1)):
        assert regular(vectors)


def test_what_has_a_short_corner_or_a_gap_is_no_regular_polygon():
    assert not regular(polygon(5, torch.tensor([1.0, 1.0, 0.6, 1.0, 1.0])))
    assert not regular(polygon(8)[:, :4])
    assert regular(polygon(5, torch.tensor([1.0, 1.0, 0.8, 1.0, 1.0])))


# Few examples


def few(*, long: float = 0.0, short_eighth: bool = False):
    """Three, five and eight examples at the corners of polygons, over bundles of short features.

    ``long`` is the length of a feature of its own; of eight examples one may be near 0.
    """
    hidden = [polygon(3), polygon(5), polygon(8)]
    if short_eighth:
        hidden[2] = torch.cat([polygon(7), torch.full((2, 1), 1e-3)], dim=1)
    W = torch.stack([0.1 * polygon(k).repeat(1, 120 // k) for k in (3, 5, 8)])
    W = torch.cat([W, torch.tensor([[long], [0.0]]).expand(3, 2, 1)], dim=-1)
    models = SimpleNamespace(
        T=torch.tensor([3, 5, 8]), W=W[:, None].expand(3, 3, 2, 121), train=torch.rand(3, 3)
    )
    return models, [repeated(h) for h in hidden]


def test_examples_are_stored_if_they_form_polygons_and_no_feature_is_as_large():
    found = judged("mem-examples", *few())
    assert found.shown.all()
    assert found.weaker.all()
    assert "T = 8: polygons; no D_i above half of the examples'" in found.measured


def test_a_feature_with_a_dimension_of_its_own_leaves_the_weaker_reading():
    found = judged("mem-examples", *few(long=2.0))
    assert not found.shown.any()
    assert found.weaker.all()


def test_a_heptagon_of_eight_examples_is_no_octagon():
    found = judged("mem-examples", *few(short_eighth=True))
    assert not found.shown.any()
    assert not found.weaker.any()


def test_a_heptagon_of_eight_leaves_what_fewer_examples_show():
    def judge(**change: float | bool):
        models, hidden = few(**change)
        models.rate = [0.01, 0.01, 0.02]
        return judged("mem-examples-2", models, hidden)

    assert judge().shown.all()
    assert judge().measured["Rate by T"] == "0.01, 0.01, 0.02"
    heptagon = judge(short_eighth=True)
    assert not heptagon.shown.any()
    assert heptagon.weaker.all()
    assert not judge(long=2.0).weaker.any()


def test_the_rate_is_that_of_the_lowest_training_loss_on_seeds_that_do_not_count(monkeypatch):
    asked = []

    def models(n, counts, sparsity, *, seeds, procedure):
        asked.append((counts[0], list(seeds), procedure))
        best = {3: 0.005, 5: 0.02, 8: 0.04}[counts[0]]
        train = torch.full((1, len(seeds)), abs(procedure - best))
        return SimpleNamespace(W=torch.zeros(1, len(seeds), 2, n), train=train)

    monkeypatch.setattr(chapter, "models", models)
    monkeypatch.setattr(chapter, "tensors", lambda found: found)
    rate_of = lambda steps, *, rate, batch, decay: rate  # noqa: E731
    found = chapter.few_others(10, 0.9, 5, 0.0, range(4), rate_of)
    assert found.rate == [0.005, 0.02, 0.04]
    counted = [seeds for T, seeds, rate in asked if len(seeds) == 2]
    assert counted == [[10_000, 10_001]] * 3
    assert {seed for _, seeds, _ in asked if len(seeds) > 2 for seed in seeds} == {
        *range(9996, 10_000)
    }


def test_hidden_vectors_are_those_of_the_examples_that_a_seed_has_seen():
    W = torch.randn(2, 2, 2, 200, generator=torch.Generator().manual_seed(0))
    models = SimpleNamespace(T=torch.tensor([3, 4]), seed=torch.tensor([5, 6]), W=W)
    found = chapter.hidden(models, 200, 0.95)
    assert [each.shape for each in found] == [(2, 2, 3), (2, 2, 4)]
    seen = chapter.memorization.draw(200, 4, 0.05, seed=6).dense()
    torch.testing.assert_close(found[1][1], W[1, 1] @ seen.T, rtol=1e-5, atol=1e-6)


# Very many examples


def many(long: Tensor, short: Tensor):
    """Models whose largest T has these features, beside a smaller T that has none of them."""
    W = torch.cat([long, short], dim=1)
    return SimpleNamespace(W=torch.stack([torch.rand_like(W), W])[:, None].expand(2, 3, *W.shape))


@pytest.mark.parametrize("k", [3, 5, 8])
def test_features_are_stored_if_a_few_form_a_polygon_among_short_ones(k):
    found = judged("mem-features", many(polygon(k), 0.2 * polygon(40)))
    assert found.shown.all()
    assert found.measured["Features of at least half the longest's length"] == f"{k} in 3 runs"


@pytest.mark.parametrize(
    "long", [polygon(2), polygon(9), polygon(8)[:, :4], polygon(5, torch.tensor([1, 1, 0.6, 1, 1]))]
)
def test_too_few_too_many_or_uneven_ones_are_no_polygon_of_features(long):
    assert not judged("mem-features", many(long, 0.2 * polygon(40))).shown.any()


def test_a_polygon_does_not_count_where_a_crowd_on_one_line_has_the_plane():
    line = torch.tensor([[0.4], [0.0]]).repeat(1, 2000)
    assert not judged("mem-features", many(polygon(4, turned=torch.pi / 4), line)).shown.any()


def test_the_polygons_own_features_must_have_half_of_the_plane():
    for k in (3, 5, 8):
        assert judged("mem-features-2", many(polygon(k), 0.2 * polygon(40))).shown.all()
    crowd = judged("mem-features-2", many(polygon(5), 0.2 * polygon(400)))
    assert not crowd.shown.any()
    assert crowd.weaker.all()
    assert not judged("mem-features-2", many(polygon(9), 0.2 * polygon(40))).weaker.any()


# Double descent


def losses(full: list[float], later: list[float]):
    """Models at five T with all examples at every step, and at four with some of them."""
    as_seeds = [torch.tensor(each)[:, None].expand(-1, 3) for each in (full, later)]
    batches = SimpleNamespace(
        test=as_seeds[1], T=torch.tensor([100, 300, 1000, 9000]), at_once="64"
    )
    return SimpleNamespace(test=as_seeds[0]), batches


def test_the_loss_descends_twice_if_it_peaks_in_between():
    assert judged("mem-double-descent", *losses([1.1, 1, 1, 2, 3], [1, 1, 1, 0.99])).shown.all()


@pytest.mark.parametrize(
    ("full", "last"),
    [
        ([1.1, 1, 1, 1, 1.14], 0.99),  # less than a twentieth above the first
        ([1.1, 1, 1, 2, 3], 4.0),  # it goes on rising
        ([3.0, 2, 1.5, 1.2, 1], 0.99),  # it only falls
    ],
)
def test_the_loss_does_not_descend_twice_without_a_peak(full, last):
    assert not judged("mem-double-descent", *losses(full, [1, 1, 1, last])).shown.any()


def test_how_many_examples_a_step_uses_is_told_as_it_was():
    full, batches = losses([1.1, 1, 1, 2, 3], [1, 1, 1, 0.99])
    batches.at_once = "all"
    told = judged("mem-double-descent", full, batches).measured
    assert "The same test with all at every step from T = 100 on" in told
