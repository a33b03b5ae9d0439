"""The tests of the claims on sparse autoencoders, each on dictionaries made by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from superpos import IndependentFeatures
from superpos.claims.registry import thresholds
from superpos.codes.vectors import random_code
from superpos.figures import sparse_autoencoders as drawn
from superpos.sae import Activations, Variant
from superpos.studies import sparse_autoencoders as chapter

judged = chapter.study.judge
SEEDS = 3
KINDS = list(chapter.NESTED)
COLUMNS = (
    "found", "mmcs", "true", "explained", "mixing", "silent", "taken", "absorbed", "taken_own",
)  # fmt: skip


def per_seed(values: Tensor) -> Tensor:
    return values.expand(SEEDS, *values.shape).clone()


# The penalty


def window(best: Tensor, *, dead: Tensor | None = None, agrees: Tensor | None = None):
    """Dictionaries whose best cosines are, for every feature, ``best`` by λ, at every width."""
    prices, features = len(best), 5
    cosine = per_seed(best[None, :, None].expand(3, prices, features))
    by_price = {"mmcs": best, "dead": dead, "agrees": agrees}
    return SimpleNamespace(
        best=cosine,
        embedded=torch.ones(SEEDS, features, dtype=torch.bool),
        **{
            name: per_seed((torch.zeros(prices) if one is None else one).expand(3, prices))
            for name, one in by_price.items()
        },
    )


ARCH = torch.tensor([0.6, 0.7, 0.8, 0.99, 0.98, 0.9, 0.8, 0.6, 0.5])


def test_features_are_recovered_where_nearly_all_have_a_latent():
    found = judged("sae-recovers", window(ARCH))
    assert found.shown.all()
    assert found.weaker.all()
    nearly = judged("sae-recovers", window(ARCH.clamp_max(0.92)))
    assert not nearly.shown.any()
    assert nearly.weaker.all()
    assert not judged("sae-recovers", window(ARCH.clamp_max(0.8))).weaker.any()


def test_a_high_mean_with_a_feature_missing_too_many_is_not_all():
    missing = window(ARCH)
    missing.best[..., 0] = 0.5  # one of five
    found = judged("sae-recovers", missing)
    assert not found.shown.any()
    assert found.weaker.all()


def test_features_that_the_toy_model_does_not_have_are_not_asked_for():
    missing = window(ARCH)
    missing.best[..., 0] = 0.5
    missing.embedded[:, 0] = False
    assert judged("sae-recovers", missing).shown.all()


WINDOWS = {"sae-window": 8, "sae-window-2": 9}  # how many λ each test looks at


@pytest.mark.parametrize(("claim", "prices"), WINDOWS.items())
def test_a_window_has_two_ends_and_deaths_above_it(claim, prices):
    dead = torch.zeros(9)
    dead[prices - 1] = 0.6
    assert judged(claim, window(ARCH, dead=dead)).shown.all()
    alive = judged(claim, window(ARCH, dead=0.6 - dead))
    assert not alive.shown.any()
    assert alive.weaker.all()
    flat = judged(claim, window(torch.full((9,), 0.9), dead=dead))
    assert not flat.weaker.any()


def test_what_was_registered_for_eight_penalties_does_not_see_the_ninth():
    only_there = torch.tensor([0.5] * 8 + [0.99])
    assert not judged("sae-recovers", window(only_there)).weaker.any()
    assert not judged("sae-window", window(only_there)).weaker.any()
    agrees = torch.cat([torch.zeros(3), torch.tensor([0.9]), torch.zeros(4), torch.ones(1)])
    assert judged("sae-larger-agrees", window(ARCH, agrees=agrees)).shown.all()


def test_agreement_chooses_a_penalty_which_is_good_or_is_not():
    lost = {3: (True, True), 5: (False, True), 7: (False, False)}
    for place, expected in lost.items():
        agrees = torch.zeros(9)
        agrees[place] = 1
        found = judged("sae-larger-agrees", window(ARCH, agrees=agrees))
        assert (bool(found.shown.all()), bool(found.weaker.all())) == expected, place
        assert bool(found.shown.any()) == expected[0]


def test_agreement_counts_living_latents_of_both():
    eye, both = torch.eye(2), torch.tensor([True, True])
    one = torch.tensor([True, False])
    assert chapter.agreement(eye, both, eye, both) == 1
    assert chapter.agreement(eye, one, eye, one) == 1
    assert chapter.agreement(eye, both, eye, one) == 0.5
    assert chapter.agreement(eye, ~both, eye, both) == 0


# Load


def loads(share: Tensor, explained: float = 0.9):
    """Models of which a share ``(n, active)`` of the features is found, by L1 and TopK alike."""
    features = 20
    count = (share * features).round()[..., None]
    best = (torch.arange(features) < count).float()  # (n, active, feature)
    best = per_seed(best[:, :, None].expand(4, 3, 6, features))
    return SimpleNamespace(
        best=best,
        explained=torch.full(best.shape[:-1], explained),
        embedded=torch.ones(SEEDS, 4, 3, features, dtype=torch.bool),
    )


FALLING = torch.tensor([[1.0, 1, 0.9], [1, 0.9, 0.7], [1, 0.7, 0.4], [0.8, 0.5, 0.1]])


def test_few_are_found_where_reconstruction_is_good_all_the_same():
    assert judged("sae-few-found", loads(FALLING)).shown.all()
    half = judged("sae-few-found", loads(FALLING.clamp_min(0.4)))
    assert not half.shown.any()
    assert half.weaker.all()
    assert not judged("sae-few-found", loads(FALLING.clamp_min(0.6))).weaker.any()
    assert not judged("sae-few-found", loads(FALLING, explained=0.5)).weaker.any()


def test_both_kinds_must_show_it_and_l1_is_taken_at_its_best():
    models = loads(FALLING)
    models.best[..., 0, :] = 1  # one λ finds everything
    assert not judged("sae-few-found", models).shown.any()
    assert judged("sae-few-found-2", models).shown.all()  # TopK does not
    models.best[..., -1, :] = 1
    assert not judged("sae-few-found-2", models).weaker.any()


def test_a_penalty_that_was_not_tried_at_first_may_find_more():
    models = loads(FALLING)
    models.best[..., -1, :] = 1  # TopK
    models.best[..., 4, :] = 1  # λ = 0.8
    assert not judged("sae-few-found-2", models).weaker.any()
    models.best[..., 4, :] = 0
    assert judged("sae-few-found-2", models).shown.all()
    models = loads(FALLING)
    models.best[..., 3:5, :] = 1
    assert judged("sae-few-found", models).shown.all()  # looks at three λ


def test_load_and_activity_each_must_lower_what_is_found():
    assert judged("sae-load-decides", loads(FALLING)).shown.all()
    assert not judged("sae-load-decides", loads(torch.ones(4, 3))).shown.any()
    only_load = torch.tensor([1.0, 0.8, 0.6, 0.4])[:, None].expand(4, 3)
    assert not judged("sae-load-decides", loads(only_load)).shown.any()
    never = FALLING - 0.1
    assert not judged("sae-load-decides", loads(never.clamp_max(0.8))).shown.any()


# Variants


def compared(**columns: dict[str, float]):
    """Columns of the comparison, the same at all settings but for ``active``: 1, 2, 3, 4 and 6."""
    shape = (SEEDS, len(KINDS), 5)
    made = SimpleNamespace(active=torch.tensor([1.0, 2, 3, 4, 6]).expand(shape).clone())
    for name in COLUMNS:
        setattr(made, name, torch.zeros(shape))
    made.best = torch.zeros(*shape, 10)
    made.best[..., 8:] = torch.nan  # not embedded
    for name, by_kind in columns.items():
        for kind, value in by_kind.items():
            getattr(made, name)[:, KINDS.index(kind)] = value
    return made


def test_a_frozen_decoder_explains_as_much_or_does_not():
    trained = {"TopK": 0.9, "frozen decoder": 0.8}
    assert judged("sae-frozen", compared(explained=trained)).shown.all()
    lucky = compared(explained=trained)
    lucky.best[:, KINDS.index("frozen decoder"), :, 0] = 0.95  # one of eight
    assert not judged("sae-frozen", lucky).shown.any()
    poor = trained | {"frozen decoder": 0.5}
    assert not judged("sae-frozen", compared(explained=poor)).shown.any()


def test_better_reconstruction_is_asked_of_both_or_for_the_weaker_of_one():
    better = {"L1": 0.8, "TopK": 0.9, "JumpReLU": 0.9}
    assert judged("sae-fidelity", compared(explained=better)).shown.all()
    one = judged("sae-fidelity", compared(explained=better | {"TopK": 0.7}))
    assert not one.shown.any()
    assert one.weaker.all()
    none = judged("sae-fidelity", compared(explained={"L1": 0.9, "TopK": 0.8, "JumpReLU": 0.8}))
    assert not none.weaker.any()


def test_values_are_read_between_two_settings_and_at_the_ends():
    values, active = torch.tensor([0.0, 1.0, 3.0]), torch.tensor([1.0, 2.0, 4.0])
    wanted = {0.5: 0.0, 1.0: 0.0, 1.5: 0.5, 3.0: 2.0, 9.0: 3.0}
    for place, value in wanted.items():
        assert chapter.at_active(values, active, place).item() == pytest.approx(value)
        turned = chapter.at_active(values.flip(0), active.flip(0), place)
        assert turned.item() == pytest.approx(value)


# which test, and the columns that it reads
ABSORPTION = {"sae-absorption": ("silent", "taken"), "sae-absorption-2": ("absorbed", "taken_own")}
NESTED = {"sae-matryoshka": ("silent", "Matryoshka"),
          "sae-matryoshka-2": ("absorbed", "Matryoshka, thirds")}  # fmt: skip


@pytest.mark.parametrize("claim", ABSORPTION)
def test_absorption_needs_a_silent_parent_and_a_child_that_has_it(claim):
    silence, weight = ABSORPTION[claim]
    shown = judged(claim, compared(**{silence: {"L1": 0.5}, weight: {"L1": 0.6}}))
    assert shown.shown.all()
    for change in ({silence: {"L1": 0.5}}, {weight: {"L1": 0.6}}, {}):
        assert not judged(claim, compared(**change)).weaker.any()
    elsewhere = compared(**{weight: {"L1": 0.6}})
    getattr(elsewhere, silence)[:, 0, 4] = 0.9
    found = judged(claim, elsewhere)
    assert not found.shown.any()
    assert found.weaker.all()


@pytest.mark.parametrize("claim", NESTED)
def test_nested_dictionaries_must_absorb_less_without_losing_much(claim):
    silence, nested = NESTED[claim]
    silent, explained = {"L1": 0.5, "TopK": 0.4, nested: 0.1}, {"TopK": 0.9}
    good = compared(**{silence: silent}, explained=explained | {nested: 0.85})
    assert judged(claim, good).shown.all()
    costly = judged(claim, compared(**{silence: silent}, explained=explained))
    assert not costly.shown.any()
    assert costly.weaker.all()
    against_topk = judged(claim, compared(**{silence: silent | {"L1": 0.1}}))
    assert against_topk.weaker.all()
    same = judged(claim, compared(**{silence: silent | {nested: 0.48}}))
    assert not same.weaker.any()


# Width


def narrow(correlated: list[float], independent: float = 0.0):
    mixing = torch.stack([torch.full((4,), independent), torch.tensor(correlated)])
    return SimpleNamespace(mixing=per_seed(mixing))


def test_hedging_is_more_mixing_in_correlated_pairs_that_falls_with_width():
    assert judged("sae-hedging", narrow([0.6, 0.4, 0.1, 0.0])).shown.all()
    rising = judged("sae-hedging", narrow([0.3, 0.4, 0.1, 0.0]))
    assert not rising.shown.any()
    assert rising.weaker.all()
    assert not judged("sae-hedging", narrow([0.6, 0.4, 0.1, 0.0], 0.35)).weaker.any()


# What is measured


def test_an_autoencoder_that_is_fitted_is_that_of_its_seed_and_penalty():
    data = Activations(torch.eye(4).expand(2, 4, 4), IndependentFeatures(4, 0.2), [0, 1])
    how = chapter.ours(150)
    found, decoder = chapter.fitted(data, 6, "l1", [0.01, 3.0], how)
    assert found.cosine.shape == (2, 2, 6, 4)
    assert decoder.shape == (2, 2, 4, 6)
    assert (found.explained[:, 0] > found.explained[:, 1]).all()
    rows = chapter.described(found)
    assert {"found", "mmcs", "explained", "active"} < set(rows)
    assert all(values.shape == (2, 2) for values in rows.values())


def test_all_three_kinds_of_features_have_about_two_active():
    for features in chapter.datasets().values():
        assert 1.9 <= chapter.on_average(features) <= 2.4
    assert Variant("topk", 2).sizes(24) == [24]
    assert thresholds("sae-frozen")["cosine"] == thresholds("sae-recovers")["cosine"] == 0.9


# What it is drawn beside


def test_chance_is_what_random_directions_have():
    others = random_code(2000, chapter.M, seed=1)
    for latents in (1, 40, 160):
        cosine = random_code(latents, chapter.M).mT @ others
        expected = cosine.amax(0).clamp_min(0).mean().item()
        assert drawn.by_chance(latents) == pytest.approx(expected, abs=0.02)


def test_most_is_found_at_a_setting_of_the_variants_own():
    models = compared(found={"TopK": 0.5})
    models.found[:, KINDS.index("TopK"), 3] = 0.75
    assert drawn.most_found(models, "TopK") == "0.75 (4.0)"
    assert chapter.chosen(models, "found", "correlated", "TopK").tolist() == [0.5] * SEEDS
    assert chapter.with_two(models, "active", "TopK").tolist() == [2] * SEEDS


def test_the_least_found_is_told_with_what_is_explained_there():
    found, explained = (
        torch.tensor([[0.9, 0.1], [0.8, 0.2]]),
        torch.tensor([[0.3, 0.5], [0.4, 0.7]]),
    )
    assert drawn.least_found(found, explained) == pytest.approx(0.6)


def test_each_width_is_read_at_its_seeds_own_best_penalty():
    mmcs = torch.tensor([[0.5, 0.9], [0.8, 0.7]])[:, None].expand(2, 3, 2)
    models = SimpleNamespace(mmcs=mmcs, active=torch.tensor([3.0, 2.0]).expand(2, 3, 2))
    assert drawn.at_best(models, "active", 2).tolist() == [2, 3]
