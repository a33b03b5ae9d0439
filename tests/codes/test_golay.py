"""The Golay code and what is cut from it, by what is known of them."""

from __future__ import annotations

import pytest
import torch

from superpos.codes import golay


def test_the_golay_code_is_linear_and_its_words_differ_in_eight_places():
    words = golay.golay_code()
    assert words.shape == (4096, 24)
    assert len(words.unique(dim=0)) == 4096
    chosen = torch.randint(4096, (300, 2), generator=torch.Generator().manual_seed(0))
    sums = (words[chosen[:, 0]] + words[chosen[:, 1]]) % 2
    known = {tuple(word) for word in words.tolist()}
    assert all(tuple(word) in known for word in sums.tolist())
    assert words.sum(-1)[words.sum(-1) > 0].min() == 8


def test_every_five_places_lie_in_one_octad():
    octads = golay.octads()
    for seed in range(50):
        five = torch.randperm(24, generator=torch.Generator().manual_seed(seed))[:5]
        assert octads[:, five].prod(-1).sum() == 1


def test_the_nordstrom_robinson_code_has_its_distances_from_every_word():
    words = golay.nordstrom_robinson()
    distances = (words[:, None] != words).sum(-1)
    for row in distances:
        assert row.bincount(minlength=17)[[0, 6, 8, 10, 16]].tolist() == [1, 112, 30, 112, 1]


@pytest.mark.parametrize(
    ("graph", "parameters", "least", "multiplicity"),
    [
        (golay.higman_sims, (100, 22, 0, 6), -8, 22),
        (golay.mclaughlin, (275, 112, 30, 56), -28, 22),
    ],
)
def test_the_graphs_are_strongly_regular(graph, parameters, least, multiplicity):
    joined = graph().double()
    size, degree, shared, apart = parameters
    assert joined.shape == (size, size)
    common = joined @ joined
    both = torch.eye(size) * degree + joined * shared + (1 - joined - torch.eye(size)) * apart
    assert torch.equal(common, both.double())
    values = torch.linalg.eigvalsh(joined)
    assert ((values - least).abs() < 1e-8).sum() == multiplicity
