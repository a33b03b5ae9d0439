from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from superpos.errors import InvalidArgument
from superpos.neurons import compressed
from superpos.studies import computation_revisited as revisited
from superpos.studies.computation_revisited import N_VARIANTS, STREAMS, M, N, P, study

SIZES = [64, 256, 1024]


def counts(*powers: float, log: float = 0.0) -> SimpleNamespace:
    """Neurons that grow as a power of the size, and of its logarithm, one trial for each power."""
    size = torch.tensor(SIZES, dtype=torch.float64)
    return SimpleNamespace(
        sizes=SIZES, count=torch.stack([size**power * size.log() ** log for power in powers])
    )


# Codes


def test_neurons_of_universal_ands_grow_as_the_power_two_thirds_or_below_one_at_least():
    found = study.judge("cis-universal", counts(0.6, 0.9, 1.1))
    assert found.shown.tolist() == [True, False, False]
    assert found.weaker.tolist() == [True, True, False]


@pytest.mark.parametrize(("log", "shown"), [(1.0, True), (0.5, True), (2.0, False)])
def test_neurons_of_paired_ands_grow_between_both_bounds(log, shown):
    found = study.judge("cis-paired", counts(0.5, 0.5, log=log))
    assert found.shown.tolist() == [shown] * 2
    assert found.weaker.tolist() == [shown] * 2


def test_fewer_neurons_than_the_lower_bound_meet_the_upper_one_alone():
    found = study.judge("cis-paired", counts(0.2, 0.5))
    assert (found.shown.tolist(), found.weaker.tolist()) == ([False, True], [True, True])


def test_raw_inputs_need_hardly_more_neurons_for_more_ands_and_few():
    assert study.judge("cis-raw", counts(0.1, 0.4)).shown.tolist() == [True, False]
    many = SimpleNamespace(sizes=SIZES, count=torch.full((2, 3), 40.0))  # 40² > 1024
    assert study.judge("cis-raw", many).shown.tolist() == [False, False]


def test_neurons_are_counted_at_the_registered_share_alone():
    with pytest.raises(InvalidArgument, match="neurons were counted at"):
        revisited.raw_slope(counts(0.1), right=0.5, slope=0.25)


# Compressed computation


def layers(gains: list[list[float]], *, top: float = 0.8, least: float = 0.6) -> SimpleNamespace:
    """Layers with these gains, by stream, and one seed or more each."""
    naive = compressed.naive_loss(N, M, P)
    loss = (1 - torch.tensor(gains)) * naive
    bound = torch.full_like(loss, least * naive)
    bound[0] = 0.99 * naive
    share = torch.full_like(loss, top)
    mixed = torch.arange(len(loss))[:, None] * naive / 2 * torch.ones_like(loss)
    return SimpleNamespace(
        loss=loss, error=torch.zeros_like(loss), least=bound, top=share, mixed=mixed
    )


def test_a_gain_at_the_published_stream_counts():
    found = study.judge("cis-compressed", layers([[0.0, 0.1], [0.0, 0.1], [0.2, 0.01], [0.3, 0.3]]))
    assert found.shown.tolist() == [True, False]


def test_the_gain_grows_with_mixing_from_none_or_is_largest_at_the_end():
    rising, bent, falling, always = (
        [0, 0.1, 0.2, 0.3],
        [0, 0.2, 0.1, 0.3],
        [0, 0.3, 0.2, 0.1],
        [0.1] * 4,
    )
    gains = torch.tensor([rising, bent, falling, always]).T.tolist()
    found = study.judge("cis-mixing", layers(gains))
    assert found.shown.tolist() == [True, False, False, False]
    assert found.weaker.tolist() == [True, True, False, False]


def test_over_a_model_that_leaves_the_mixing_the_same_losses_are_a_rising_gain():
    # 1 − L / (naive + mixed), where what is mixed in grows by half of the naive loss each time
    falling, too_good = [0, 0.3, 0.2, 0.1], [0.1, 0.3, 0.2, 0.1]
    lost = [0, 0.0, -0.8, -1.5]
    found = study.judge("cis-mixing-2", layers(torch.tensor([falling, too_good, lost]).T.tolist()))
    assert found.shown.tolist() == [True, False, False]
    assert found.weaker.tolist() == [True, False, False]


def test_directions_lie_in_the_subspace_or_more_than_by_chance():
    cases = [layers([[0.1, 0.1]] * 4, top=top) for top in (0.8, 0.6, 0.5)]
    tops = [study.judge("cis-directions", found) for found in cases]
    assert [bool(found.shown.all()) for found in tops] == [True, False, False]
    assert [bool(found.weaker.all()) for found in tops] == [True, True, False]


def dense(without: float, with_bias: float) -> SimpleNamespace:
    naive = compressed.naive_loss(N, M, 1.0)
    floor = compressed.naive_loss(N, M, 1.0, bias=True)
    loss = torch.tensor([[without * naive], [with_bias * floor]]).repeat(1, 2)
    return SimpleNamespace(loss=loss, error=torch.zeros_like(loss))


def test_the_bound_decides_if_nothing_is_below_it_and_half_of_what_it_allows_is_reached():
    good = layers([[0.0] * 2, [0.1] * 2, [0.25] * 2, [0.3] * 2])
    assert study.judge("cis-rank", good, dense(0.7, 1.05)).shown.all()
    cases = [
        (
            layers([[0.0] * 2, [0.1] * 2, [0.15] * 2, [0.3] * 2]),
            dense(0.7, 1.05),
        ),  # too little of the gain
        (
            layers([[0.05] * 2, [0.1] * 2, [0.25] * 2, [0.3] * 2]),
            dense(0.7, 1.05),
        ),  # below the bound
        (good, dense(0.99, 1.05)),  # no gain where inputs are dense
        (good, dense(0.7, 1.5)),  # biases do not explain it
        (good, dense(0.7, 0.9)),
    ]
    for found in cases:
        assert not study.judge("cis-rank", *found).shown.any()
    sampled = layers([[0.02] * 2, [0.1] * 2, [0.25] * 2, [0.3] * 2])
    sampled.error = sampled.loss / 100
    assert study.judge("cis-rank", sampled, dense(0.7, 1.05)).shown.all()


def test_small_layers_are_measured_by_stream(monkeypatch):
    monkeypatch.setattr(revisited, "N", 6)
    monkeypatch.setattr(revisited, "M", 3)
    found = study.run({"n_seeds_layers": 2, "steps": 5, "first_seed": 0}).layers
    assert found.loss.shape == found.top.shape == (len(STREAMS), 2)
    assert (found.least[0] < compressed.naive_loss(6, 3, P)).all()
    assert (found.loss > found.least).all()


# Two layers


def two(trained: float, computed: int, linear: float = 2.0) -> SimpleNamespace:
    left = torch.ones(2, 40)
    left[:, :computed] = 0.1
    return SimpleNamespace(
        trained=torch.full((2,), trained), left=left, linear=torch.full((2,), linear),
        drawn=torch.ones(2),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (two(0.8, 11), True),
        (two(0.95, 40), False),
        (two(0.8, 10), False),
        (two(0.8, 40, 0.9), False),
    ],
)
def test_two_layers_beat_the_naive_model_with_more_functions_and_an_output_relu(found, shown):
    assert study.judge("cis-two-layers", found).shown.tolist() == [shown] * 2


# Variants


def test_features_along_axes_are_aligned_and_those_turned_are_not():
    axes = torch.eye(5).repeat(2, 1, 4)
    turn = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(1)))[0]
    found = study.judge("cis-dropout", torch.stack([turn @ axes, axes]))
    assert found.shown.tolist() == found.weaker.tolist() == [True, True]
    found = study.judge("cis-dropout", torch.stack([axes, turn @ axes]))
    assert found.shown.tolist() == found.weaker.tolist() == [False, False]


def test_features_that_fit_some_axes_evenly_show_a_basis_and_turned_ones_do_not():
    pairs = torch.zeros(2, 5, 20)
    for feature in range(20):
        pairs[:, feature % 5, feature] = 1.0
        pairs[:, (feature + 1 + feature // 5) % 5, feature] = 1.0
    draw = torch.Generator().manual_seed(1)
    turn = torch.linalg.qr(torch.randn(5, 5, generator=draw))[0]
    none = torch.stack([turn @ pairs, pairs])
    assert study.judge("cis-dropout-2", pairs, none).shown.tolist() == [True, True]
    found = study.judge("cis-dropout-2", turn @ pairs, none)
    assert found.shown.tolist() == found.weaker.tolist() == [False, False]


def test_dropout_is_the_reason_or_a_model_without_it_fits_as_well():
    pairs = torch.zeros(2, 4, 6)
    pairs[:, :2, :3] = pairs[:, 2:, 3:] = 0.7
    turn = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(1)))[0]
    found = study.judge("cis-dropout-3", pairs, torch.stack([turn @ pairs[0], pairs[1]]))
    assert found.shown.tolist() == [True, False]
    assert found.weaker.tolist() == [True, True]
    assert not study.judge("cis-dropout-3", turn @ pairs, pairs).weaker.any()


def variant(dense: int, sparse: int) -> SimpleNamespace:
    """One seed that embeds, and computes, so many at both densities."""
    W, left = torch.zeros(1, 2, 5, N_VARIANTS), torch.ones(1, 2, N_VARIANTS)
    for place, count in enumerate((dense, sparse)):
        W[0, place, 0, :count] = 1
        left[0, place, :count] = 0
    return SimpleNamespace(W=W, left=left)


def test_every_variant_must_superpose_where_sparse_and_only_there():
    names = ("uniform", "0 or 1", "0 to 3", "[1/2, 1]", "GELU", "x²", "max")
    good = {name: variant(5, 12) for name in names}
    all_named = torch.ones(2, 1, N_VARIANTS, dtype=torch.bool)
    assert study.judge("cis-variants", good, all_named).shown.all()
    assert study.judge("cis-variants", good | {"uniform": variant(9, 9)}, all_named).shown.all()
    for name in names[1:]:
        for other in (variant(7, 12), variant(5, 5)):
            assert not study.judge("cis-variants", good | {name: other}, all_named).shown.any()
    few = all_named.clone()
    few[0, :, 14:] = False
    assert not study.judge("cis-variants", good, few).shown.any()
