from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from superpos import neurons
from superpos.errors import InvalidArgument

PAIRS = torch.tensor([[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]])


def six_in_four() -> Tensor:
    """Each of six features in a pair of four neurons of its own."""
    W = torch.zeros(4, 6)
    W[PAIRS.T, torch.arange(6)] = 0.7
    return W


def some(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_neuron_serves_what_it_holds_a_share_of():
    W = torch.tensor([[0.96, 0.8, 0.6], [0.28, 0.6, 0.0]])  # shares 0.92, 0.08; 0.64, 0.36
    assert neurons.serves(W).tolist() == [[True, True, False], [False, True, False]]
    assert neurons.serves(W, share=0.05).tolist() == [[True, True, False], [True, True, False]]
    assert neurons.serves(W, share=0.5).tolist() == [[True, True, False], [False, False, False]]


def test_inhibition_is_no_service():
    W = torch.tensor([[0.8], [-0.6]])
    assert neurons.serves(W).tolist() == [[True], [False]]


def test_of_an_untied_model_a_neuron_must_read_and_write_a_feature():
    W = torch.tensor([[1.0, 1.0], [-1.0, 0.0]])  # |x_0| from two neurons
    V = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    assert neurons.serves(W, V).tolist() == [[True, False], [True, False]]


def test_a_tied_model_is_an_untied_one_with_the_same_decoder():
    W = some(0, 20, 4, 6)
    assert torch.equal(neurons.serves(W), neurons.serves(W, W))


def test_service_does_not_depend_on_how_input_and_output_share_a_scale():
    W, V, scale = some(0, 20, 4, 6), some(1, 20, 4, 6), some(2, 20, 4, 1).exp()
    assert torch.equal(neurons.serves(W, V), neurons.serves(W * scale, V / scale))


def test_kinds_of_neurons_exclude_each_other():
    serving = neurons.serves(some(0, 50, 4, 6))
    one, more = neurons.monosemantic(serving), neurons.polysemantic(serving)
    assert not (one & more).any()
    assert torch.equal(~(one | more), ~serving.any(-1))


def test_the_order_of_neurons_does_not_matter():
    serving = neurons.serves(some(0, 40, 4, 6))
    shuffled = serving[:, [2, 0, 3, 1]]
    assert torch.equal(neurons.canonical(serving), neurons.canonical(shuffled))
    assert neurons.code_names(serving) == neurons.code_names(shuffled)
    assert torch.equal(neurons.canonical(serving).sum(-2), serving.sum(-2))


def test_the_canonical_order_begins_with_the_first_feature():
    found = neurons.canonical(neurons.serves(six_in_four()[[3, 1, 2, 0]])).int()
    assert found.tolist() == (six_in_four() > 0).int().tolist()


@pytest.mark.parametrize(
    ("W", "name"),
    [
        (torch.eye(3), "3 × 1 in 1"),
        (six_in_four(), "6 in 4"),
        (torch.block_diag(torch.tensor([[1.0, 0, 0.7], [0, 1, 0.7]]), torch.eye(2)),
         "3 in 2 + 2 × 1 in 1"),
        (torch.tensor([[1.0, 1.0], [0.0, 0.0]]), "2 in 1"),
        (torch.zeros(2, 3), "nothing"),
    ],
)  # fmt: skip
def test_codes_are_named_by_their_groups(W, name):
    assert neurons.code_names(neurons.serves(W)) == [name]


def test_groups_link_through_others():
    chain = torch.tensor([[1, 1, 0, 0], [0, 0, 1, 1], [0, 1, 1, 0]]).bool()
    assert neurons.groups(chain) == [(4, 3)]


def test_groups_hold_what_is_served():
    for serving in neurons.serves(some(3, 40, 5, 8)):
        found = neurons.groups(serving)
        assert sum(f for f, _ in found) == serving.any(0).sum()
        assert sum(k for _, k in found) == serving.any(1).sum()


def test_what_makes_no_sense_is_refused():
    W = torch.eye(2)
    with pytest.raises(InvalidArgument, match="share is 0"):
        neurons.serves(W, share=0)
    with pytest.raises(InvalidArgument, match="the same"):
        neurons.serves(W, torch.eye(3))
    with pytest.raises(InvalidArgument, match="one model"):
        neurons.groups(torch.ones(3, 2, 2).bool())


def test_features_along_neurons_are_spread_less_than_any_rotation():
    assert neurons.spread(torch.diag(torch.tensor([1.0, -2.0, 3.0]))) == 1
    assert neurons.spread(torch.ones(4, 3)).item() == pytest.approx(2)
    assert (neurons.rotations_more_spread(torch.eye(5).expand(3, 5, 5)) == 1).all()


def test_short_features_are_not_asked_for_their_direction():
    W = torch.tensor([[1.0, 0.1], [0.0, 0.1]])
    assert neurons.spread(W) == 1


def test_without_preferred_directions_a_rotation_is_as_likely_above_as_below():
    W = some(0, 2000, 5, 8)  # isotropic
    share = neurons.rotations_more_spread(W)
    # uniform on 0 to 1: 2000 draws have a mean with a standard error of 0.0065
    assert share.mean().item() == pytest.approx(0.5, abs=0.06)
    assert (share >= 0.99).double().mean() < 0.05


def block(*parts: Tensor) -> Tensor:
    W = torch.block_diag(*parts)
    return torch.nn.functional.pad(W, (0, 10 - W.shape[1], 0, 5 - W.shape[0]))


THREE_IN_TWO = torch.tensor([[1.0, 0, 0.7], [0, 1, 0.7]])
FIVE_IN_THREE = torch.tensor([[1.0, 0, 0, 0.7, 0.6], [0, 1, 0, 0.7, 0.6], [0, 0, 1, 0, 0.6]])
TEN_IN_FIVE = torch.zeros(5, 10).index_put(
    (torch.combinations(torch.arange(5)).T, torch.arange(10)), torch.tensor(0.7)
)
EIGHT_IN_FIVE = torch.cat([TEN_IN_FIVE[:, :4] + 0.5 * TEN_IN_FIVE[:, [9, 8, 7, 4]],
                           TEN_IN_FIVE[:, 4:8], torch.zeros(5, 2)], dim=1)  # fmt: skip


@pytest.mark.parametrize(
    ("W", "expected"),
    [
        (block(torch.eye(5)), ["all monosemantic"]),
        (block(THREE_IN_TWO, torch.eye(3)), ["3 in 2"]),
        (block(THREE_IN_TWO, THREE_IN_TWO, torch.eye(1)), ["3 in 2"]),
        (block(FIVE_IN_THREE, torch.eye(2)), ["5 in 3"]),
        (block(six_in_four(), torch.eye(1)), ["6 in 4"]),
        (EIGHT_IN_FIVE, ["8 in 5"]),
        (TEN_IN_FIVE, ["pairs of neurons"]),
        (block(THREE_IN_TWO, FIVE_IN_THREE), []),
        (torch.zeros(5, 10), []),
    ],
)
def test_each_regime_is_known_by_its_groups(W, expected):
    found = neurons.regimes(W)
    assert [name for name, shown in zip(neurons.REGIMES, found, strict=True) if shown] == expected
    assert torch.equal(neurons.regimes(W[[3, 0, 4, 1, 2]].expand(2, 3, 5, 10))[1, 2], found)


def test_strong_inhibition_hides_a_feature_unless_it_is_left_out():
    W = TEN_IN_FIVE.clone()
    W[4, 0] = -3.0
    assert not neurons.regimes(W)[5]
    assert neurons.regimes(W.relu())[5]


def test_the_effective_number_counts_equal_neurons_and_ignores_inhibition():
    number = neurons.effective_number(torch.tensor([[1.0, 0.5], [-3.0, 0.5], [0.0, 0.5]]))
    assert number.tolist() == pytest.approx([1, 3])
    W = some(4, 30, 5, 8)
    number = neurons.effective_number(W)
    assert (number[number.isfinite()] >= 1 - 1e-6).all()
    assert torch.equal(number.isfinite(), W.relu().square().sum(-2) >= 0.5)


def test_vetoes_hide_from_the_spread_that_features_lie_along_sets_of_neurons():
    pairs = torch.full((5, 2), -1.0)
    pairs[:2, 0] = pairs[3:, 1] = 0.7  # each on two neurons, and vetoed by three
    everything = neurons.rotations_more_spread(pairs)
    along_sets = neurons.rotations_more_spread(pairs, measure=neurons.off_sets)
    assert everything < 0.1 < 0.9 < along_sets
    assert neurons.off_sets(pairs) == pytest.approx(0, abs=1e-6)


def test_the_nearest_set_of_neurons_may_have_any_size():
    three, uneven = torch.tensor([[1.0, 2, 3], [1, 2, 0], [1, 2, -5]]), torch.tensor([[2.0], [1.0]])
    assert neurons.off_sets(three) == pytest.approx(0, abs=1e-6)
    assert neurons.off_sets(uneven) == pytest.approx(0.1)  # of (1, 1): cos² = 9/10; of (1, 0): 4/5
    assert neurons.off_sets(torch.full((3, 4), 0.1)).isnan()


def test_features_along_neurons_are_nearer_than_any_rotation_where_these_may_be_shorter():
    W, every = torch.eye(5), torch.ones(5, dtype=torch.bool)
    assert neurons.rotations_more_spread(W, measure=neurons.off_sets) < 1
    nearness = partial(neurons.off_sets, among=every)
    assert neurons.rotations_more_spread(W, measure=nearness) == 1
    silenced = torch.tensor([[1.0, -1.0], [0.0, -1.0]])  # nothing to be along: left out
    assert neurons.off_sets(silenced, among=torch.tensor([True, True])) == 0


def test_of_the_same_features_those_without_preferred_directions_are_rarely_nearer():
    W = some(1, 2000, 5, 8)
    nearness = partial(neurons.off_sets, among=W.relu().square().sum(-2) >= 0.5)
    share = neurons.rotations_more_spread(W, measure=nearness)
    assert (share >= 0.99).double().mean() < 0.02
    assert share.mean() < 0.55


def test_without_preferred_directions_sets_are_as_near_as_after_a_rotation():
    share = neurons.rotations_more_spread(some(0, 2000, 5, 8), measure=neurons.off_sets)
    assert share.mean().item() == pytest.approx(0.5, abs=0.06)
