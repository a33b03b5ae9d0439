"""Measures of recovery, on dictionaries of which the answer can be seen."""

from __future__ import annotations

import pytest
import torch

from superpos import IndependentFeatures
from superpos.sae import Activations, Families, Variant, recovery, start

TRUE = torch.eye(3)
ALL = torch.ones(3, dtype=torch.bool)


def cosines(decoder: torch.Tensor) -> torch.Tensor:
    return (decoder / decoder.norm(dim=0)).T @ TRUE


def test_a_perfect_dictionary_has_found_everything_once():
    cosine = cosines(TRUE[:, [2, 0, 1]])
    assert recovery.mean_max_cosine(cosine, ALL) == 1
    assert recovery.found_share(cosine, ALL, ALL, least=0.99) == 1
    assert recovery.true_share(cosine, ALL, least=0.99) == 1
    assert recovery.duplicates(cosine, ALL, least=0.99) == 0


def test_the_two_directions_differ_where_a_dictionary_repeats_itself():
    cosine = cosines(TRUE[:, [0, 0, 0]])
    assert recovery.found_share(cosine, ALL, ALL, least=0.9) == pytest.approx(1 / 3)
    assert recovery.true_share(cosine, ALL, least=0.9) == 1
    assert recovery.duplicates(cosine, ALL, least=0.9) == pytest.approx(2 / 3)


def test_dead_latents_find_nothing_and_features_that_are_not_embedded_do_not_count():
    cosine, alive = cosines(TRUE), torch.tensor([True, False, True])
    assert recovery.found_share(cosine, alive, ALL, least=0.9) == pytest.approx(2 / 3)
    assert recovery.found_share(cosine, alive, torch.tensor([True, False, True]), least=0.9) == 1
    assert recovery.mean_max_cosine(cosine, alive, torch.tensor([False, True, False])) == 0
    none = torch.zeros(3, dtype=torch.bool)
    assert recovery.true_share(cosine, none, least=0.9) == 0


def test_mixing_is_the_weight_of_the_partner_whatever_the_two_share():
    angle = torch.tensor(0.3)
    W = torch.stack([torch.tensor([1.0, 0.0]), torch.stack([angle.cos(), angle.sin()])], dim=1)
    between = W.T @ W
    alive = torch.tensor([True, True, False])
    decoder = torch.stack([W[:, 0], W[:, 0] + 0.4 * W[:, 1], W[:, 1]], dim=1)
    cosine = (decoder / decoder.norm(dim=0)).T @ W
    found = recovery.mixing(cosine, alive, between, torch.tensor([1, 0]))
    torch.testing.assert_close(found[:2], torch.tensor([0.0, 0.4]), rtol=0, atol=1e-5)
    assert found[2].isnan()
    child = W[:, 1] + 0.4 * W[:, 0]
    cosine = torch.stack([W[:, 0], child / child.norm()]) @ W
    taken = recovery.taken_in(cosine, alive[:2], between, torch.tensor([0, 0]))
    assert taken[0].isnan()
    assert taken[1].item() == pytest.approx(0.4, abs=1e-5)


def made(features: Families, encoder: torch.Tensor, decoder: torch.Tensor, *, samples: int):
    """What a dictionary made by hand does with orthogonal features, without a penalty."""
    data = Activations(torch.eye(features.n)[None], features, [0])
    variant = Variant("l1", 0.0)
    state = start(data, features.n, variant)
    for name, value in (("encoder", encoder), ("decoder", decoder)):
        state.parameters[name].copy_(value)
    return recovery.seen(state, data, variant, samples=samples, parents=features.parents)


def absorbing(n: int):
    """Encoder and decoder by which feature 1 takes in feature 0: (1, 1) is its latent alone."""
    encoder, decoder = torch.eye(n), torch.eye(n)
    encoder[0, 1], decoder[0, 1] = -1, 1
    return encoder, decoder


def family(absorbed: bool):
    """One parent and one child at a right angle: a dictionary that absorbs, or does not."""
    features = Families(1, 1, 0.6, given=0.5, otherwise=0.0, spread=0.0)
    both = absorbing(2) if absorbed else (torch.eye(2), torch.eye(2))
    return made(features, *both, samples=500)


def test_a_parent_that_is_absorbed_is_silent_where_the_child_is_active():
    silent = family(absorbed=True).silent
    assert silent.tolist() == [[0.0, 1.0]]
    clean = family(absorbed=False).silent
    assert clean.tolist() == [[0.0, 0.0]]
    assert family(absorbed=True).explained.item() == pytest.approx(1)


def test_what_was_seen_is_counted_on_inputs_held_out():
    data = Activations(torch.eye(3)[None], IndependentFeatures(3, 0.5), [0])
    variant = Variant("topk", 1)
    state = start(data, 3, variant)
    for name in ("encoder", "decoder"):
        state.parameters[name].copy_(torch.eye(3))
    state.parameters["encoder"][0, 2] = 0  # dead
    found = recovery.seen(state, data, variant, samples=2000)
    assert found.alive.tolist() == [[True, True, False]]
    assert found.active.item() == pytest.approx(0.75, abs=0.05)  # at most one, of two alive
    assert 0 < found.explained.item() < 0.9
    assert found.embedded.all()


def test_each_feature_has_a_latent_of_its_own():
    cosine = torch.tensor([[0.9, 0.8, 0.0], [0.7, 0.1, 0.0], [0.0, 0.0, 0.3], [0.0, 0.95, 0.0]])
    every = torch.ones(4, dtype=torch.bool)
    assert recovery.matched(cosine, every).tolist() == [0, 3, 2]
    assert recovery.matched(cosine, torch.tensor([True, True, True, False])).tolist() == [1, 0, 2]
    few = recovery.matched(cosine, torch.tensor([True, False, False, False]))
    assert few.tolist() == [0, -1, -1]
    both = recovery.matched(torch.stack([cosine, cosine.flip(0)]), every)
    assert both.tolist() == [[0, 3, 2], [3, 0, 1]]


def perfect(features: Families, variant: Variant):
    """What a dictionary that has every feature makes of orthogonal ones."""
    n = features.n
    data = Activations(torch.eye(n)[None], features, [0])
    state = start(data, n, variant, settings=variant.price.numel())
    for name in ("encoder", "decoder"):
        state.parameters[name].copy_(torch.eye(n))
    return recovery.seen(state, data, variant, samples=100_000, parents=features.parents)


FAMILIES = Families(8, 2, 0.15, given=0.3, otherwise=0.0, spread=0.2)


def test_a_budget_alone_silences_parents_but_absorbs_none():
    found = perfect(FAMILIES, Variant("topk", torch.tensor([1, 2, FAMILIES.n])))
    children = FAMILIES.parents != torch.arange(FAMILIES.n)
    beyond = found.silent[:, children] - found.silent[:, FAMILIES.parents[children]]
    assert beyond[0].mean() > beyond[1].mean()
    assert beyond[1].mean().item() == pytest.approx(0.396 - 0.226, abs=0.01)  # counted apart
    assert beyond[2].mean() == 0
    assert found.absorbed[:, ~children].isnan().all()
    assert (found.absorbed[:, children].mean(-1).abs() < 0.01).all()


# some inputs with two active have no child of the first: a parent of either family
TWO_FAMILIES = Families(2, 1, 0.5, given=0.5, otherwise=0.0, spread=0.0)


def test_what_is_absorbed_is_counted_whole():
    assert family(absorbed=True).absorbed[0, 1].isnan()  # no parent is one of two without its child
    found = made(TWO_FAMILIES, *absorbing(4), samples=2000)
    assert found.absorbed[0, 1] == 1
    assert found.absorbed[0, 3] == 0


def test_a_latent_that_fires_for_both_absorbs_nothing():
    shared = torch.eye(4)
    shared[:, 0], shared[:, 1] = torch.tensor([1.0, 1, 0, 0]), 0.0
    found = made(TWO_FAMILIES, shared.T, shared, samples=2000)
    assert found.absorbed[0, 1] == 0


def test_a_child_has_its_own_latent_or_none():
    cosine = torch.tensor([[0.95, 0.9], [0.1, 0.6]])
    parents, both = torch.tensor([0, 0]), torch.tensor([True, True])
    nearest = recovery.taken_in(cosine, both, torch.eye(2), parents)
    assert nearest[1].item() == 1  # 0.95 / 0.9, no more than 1
    own = recovery.taken_in(cosine, both, torch.eye(2), parents, one_each=True)
    assert own[1].item() == pytest.approx(0.1 / 0.6)
    one = torch.tensor([True, False])
    assert recovery.taken_in(cosine, one, torch.eye(2), parents, one_each=True)[1].isnan()


def test_a_parent_whose_nearest_latent_is_its_childs_is_absorbed_where_its_own_is_silent():
    encoder, decoder = torch.eye(4), torch.eye(4)
    encoder[:2, :2] = torch.tensor(
        [[1.0, 1.0], [1.0, -1.0]]
    )  # fires for both; for the parent alone
    decoder[:, 0], decoder[:, 1] = torch.tensor([0.7, 0.714, 0, 0]), torch.tensor([0.6, 0, 0.8, 0])
    found = made(TWO_FAMILIES, encoder, decoder, samples=2000)
    assert found.cosine[0].argmax(0).tolist() == [0, 0, 2, 3]
    assert found.absorbed[0, 1] == 1
