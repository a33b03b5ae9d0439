"""The tests of the claims on computation in superposition, each on models made by hand."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import Tensor

from superpos.neurons import computation
from superpos.studies import computation_in_superposition as chapter

judged = chapter.study.judge


PLUS, MINUS = torch.eye(3), -torch.eye(3)
EXACT = torch.cat([PLUS, MINUS])  # two neurons for each of three features
DOUBLED = torch.cat([PLUS, PLUS])  # two on the same side


def plain(*models: Tensor, loss: list[float]) -> SimpleNamespace:
    W = torch.stack(models)[:, None]
    return SimpleNamespace(W=3 * W, V=W.abs() / 3, loss=torch.tensor(loss)[:, None])


def test_three_features_have_two_neurons_each_or_they_do_not():
    outcome = judged("abs-plain", plain(*[EXACT] * 9, DOUBLED, loss=[0.1] * 9 + [0.3]))
    assert outcome.shown.tolist() == [True] * 9 + [False]
    assert outcome.weaker.tolist() == [True]
    assert outcome.measured["Runs in which a side has no neuron"].startswith("1 of 10")


def test_the_best_of_ten_is_the_one_with_the_lowest_loss():
    lucky = plain(*[DOUBLED] * 9, EXACT, loss=[0.3] * 9 + [0.1])
    assert judged("abs-plain", lucky).weaker.tolist() == [True]
    unlucky = plain(*[DOUBLED] * 9, EXACT, loss=[0.3] * 9 + [0.5])
    assert judged("abs-plain", unlucky).weaker.tolist() == [False]


def test_a_neuron_that_says_too_little_or_too_much_computes_no_absolute_value():
    for size, holds in ((0.95, True), (0.85, False), (1.15, False)):
        found = plain(*[EXACT] * 10, loss=[0.1] * 10)
        found.V[..., 0, 0] *= size
        assert bool(judged("abs-plain", found).shown.all()) is holds


def serving(*rows: tuple[int, ...], m: int = 4, n: int = 8) -> Tensor:
    """Weights of neurons that serve the named features with slope 1, and no others."""
    W = torch.zeros(m, n)
    for k, features in enumerate(rows):
        W[k, list(features)] = 1.0
    return W


PURE = serving((0,), (1,), (2,), (3,))
BOTH = serving((0,), (1,), (2, 3), (4, 5))
SHARED = serving((0, 1), (2, 3), (4, 5), (6, 7))
MOSTLY_SHARED = serving((7,), (2, 3), (4, 5), (0, 1))


def large(*models: Tensor, seeds: int = 2) -> SimpleNamespace:
    W = torch.stack(models).expand(seeds, -1, -1, -1)
    return SimpleNamespace(W=W, V=W)


def test_neurons_are_pure_then_of_both_kinds_then_shared():
    assert judged("abs-superposed", large(PURE, BOTH, SHARED)).shown.all()
    never = judged("abs-superposed", large(PURE, PURE, PURE))
    assert not never.shown.any()
    assert not never.weaker.any()


def test_one_part_that_fails_is_the_weaker_reading():
    unimportant = serving((7,), (6,), (0, 1), (2, 3))  # the pure ones are the least important
    found = judged("abs-superposed", large(PURE, unimportant, SHARED))
    assert not found.shown.any()
    assert found.weaker.all()
    assert found.measured["important ones stay pure"].startswith("0 of 2")


def test_the_four_parts_may_need_a_decoder_that_starts_at_the_encoder():
    right, wrong = large(PURE, BOTH, SHARED), large(PURE, PURE, PURE)
    for own, started in ((right, wrong), (wrong, right), (wrong, wrong)):
        found = judged("abs-superposed-2", own, started)
        assert found.shown.all() == (own is right)
        assert found.weaker.all() == (started is right)


def motif_model(inhibited: bool) -> tuple[Tensor, Tensor]:
    """A motif of the paper's weights, with its inhibitor or without, among many pure neurons."""
    W, V = torch.zeros(60, 60), torch.zeros(60, 60)
    W[0, 0], W[0, 1], V[0, 0], V[0, 1] = 2.0, -0.5, 0.5, 2.0
    W[1, 0], V[1, 1] = 1.0, -4.0 * inhibited
    for k in range(2, 9):  # pure neurons
        W[k, k], V[k, k] = 1.0, 1.0
    return W, V


def with_motifs(inhibited: bool, seeds: int = 2) -> SimpleNamespace:
    W, V = motif_model(inhibited)
    return SimpleNamespace(W=W.expand(seeds, 1, 60, 60), V=V.expand(seeds, 1, 60, 60))


def test_the_papers_motif_is_found_and_is_no_chance():
    outcome = judged("abs-asymmetric", with_motifs(True), 20, 0)
    assert outcome.seen.partly.all()
    assert outcome.seen.counts.tolist() == [[1, 1], [1, 1], [1, 1]]
    assert outcome.shown.all()
    assert outcome.weaker.all()


def test_without_its_inhibitor_there_is_no_motif():
    outcome = judged("abs-asymmetric", with_motifs(False), 20, 0)
    assert outcome.seen.counts[0].tolist() == [1, 1]
    assert not outcome.shown.any()
    assert not outcome.weaker.any()


def test_several_inhibitors_together_are_the_weaker_reading():
    found = with_motifs(False)
    W, V = found.W.clone(), found.V.clone()
    for k in (1, 2, 3):  # a third of the disturbance of 4 each
        W[..., k, 0], V[..., k, 1] = 1.0, -4 / 3
    outcome = judged("abs-asymmetric", SimpleNamespace(W=W, V=V), 50, 0)
    assert outcome.seen.counts[1].tolist() == [1, 1]
    assert not outcome.shown.any()
    assert outcome.weaker.all()


def logic(dense: int, sparse: int) -> SimpleNamespace:
    """How many ANDs are computed at the two ends."""
    left = torch.full((3, len(chapter.DENSITY), 10), 0.5)
    left[:, 0, :dense] = 0.1
    left[:, -1, :sparse] = 0.1
    return SimpleNamespace(left=left)


def test_more_ands_than_neurons_when_sparse_and_not_when_dense():
    assert judged("and-superposed", logic(5, 6)).shown.all()
    assert not judged("and-superposed", logic(6, 9)).shown.any()
    assert not judged("and-superposed", logic(5, 5)).shown.any()


def and_models(dense: Tensor, sparse: Tensor) -> SimpleNamespace:
    """Weights of ten ANDs at the six densities; both are (neurons, 20)."""
    W = torch.stack([dense] * 5 + [sparse]).expand(3, -1, -1, -1)
    V = (W > 0).float()
    zeros = torch.zeros(3, 6, 20)
    left = torch.zeros(3, 6, 10)
    left[:, :5, 5:] = 1.0  # five ANDs are computed until inputs are sparse
    return SimpleNamespace(W=W, V=V, b=zeros, left=left)


def own_pair() -> Tensor:
    """Neuron k adds up the members of pair k."""
    return torch.eye(5, 10).repeat_interleave(2, -1)


def test_neurons_serve_one_and_while_dense_and_several_while_sparse():
    by_hand, _, _ = computation.pair_code(5)
    assert judged("and-neurons", and_models(own_pair(), by_hand)).shown.all()
    assert not judged("and-neurons", and_models(own_pair(), own_pair())).shown.any()
    assert not judged("and-neurons", and_models(by_hand, by_hand)).shown.any()


def test_members_that_neurons_treat_differently_are_not_alike():
    by_hand, _, _ = computation.pair_code(5)
    apart = by_hand.clone()
    apart[:, ::2] += 2 * torch.rand(5, 10, generator=torch.Generator().manual_seed(0))
    assert not judged("and-neurons", and_models(own_pair(), apart)).shown.any()
