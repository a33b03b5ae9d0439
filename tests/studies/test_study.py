"""A study is wired by the names that its functions ask for."""

from __future__ import annotations

import pytest
import torch

from superpos import sweep
from superpos.claims.registry import load_registry
from superpos.errors import InvalidArgument
from superpos.studies import study as module
from superpos.studies.study import Outcome, Study, Way


@pytest.fixture
def coins():
    """A study of coins that may be loaded; ``coins.thrown`` counts how often they were thrown."""
    coins = Study(
        "coins",
        {
            "ours": Way("Throw them softly.", lambda n: n, settings={}),
            "published": Way("Throw them as the source does.", lambda n: 10 * n),
        },
    )
    coins.thrown = []

    @coins.experiment
    def throws(seeds, chance):
        coins.thrown.append((tuple(seeds), chance))
        return sweep(
            lambda seed: {"heads": torch.tensor(list(seed)) % 4 < 4 * chance},
            {"seed": seeds},
            store=False,
        )

    @coins.experiment
    def heights(seeds_high, procedure, first_seed):
        return {"seeds": list(seeds_high), "force": procedure(2), "first": first_seed}

    @coins.test("heads-fall")
    def heads_fall(throws, chance, *, least):
        return Outcome(throws.heads.expand(4) & (chance >= least))

    @coins.test("coins-rise")
    def coins_rise(heights):
        return Outcome(torch.tensor([heights["force"] > 2] * 3))

    return coins


SETTINGS = {"n_seeds": 4, "n_seeds_high": 2, "chance": 0.5, "unrelated": object()}


def test_an_experiment_is_computed_once_and_given_to_all_who_ask(coins):
    run = coins.run(SETTINGS)
    assert run.throws.heads.tolist() == [True, True, False, False]
    assert run.call(lambda throws: throws) is run.throws
    assert coins.thrown == [((0, 1, 2, 3), 0.5)]
    coins.run(SETTINGS).throws  # noqa: B018
    assert len(coins.thrown) == 2


def test_the_axes_of_a_sweep_come_with_it(coins):
    assert coins.run(SETTINGS).throws.seed.tolist() == [0, 1, 2, 3]


def test_seeds_are_counted_from_the_first(coins):
    run = coins.run(SETTINGS, first_seed=100)
    assert run.throws.seed.tolist() == [100, 101, 102, 103]
    assert run.heights["seeds"] == [100, 101]
    assert run.heights["first"] == 100


def test_the_settings_of_a_claim_are_known_without_running_it(coins):
    assert coins.parameters("heads-fall") == ["n_seeds", "chance"]
    assert coins.parameters("coins-rise") == ["n_seeds_high"]
    assert coins.thrown == []


def test_only_what_is_trained_has_ways_to_train(coins):
    assert coins.ways("heads-fall") == {}
    assert list(coins.ways("coins-rise")) == ["ours", "published"]
    assert coins.run(SETTINGS).heights["force"] == 2
    published = coins.ways("coins-rise")["published"]
    assert coins.run(SETTINGS, way=published).heights["force"] == 20


def test_a_claim_may_have_a_way_of_its_own(coins):
    @coins.test("coins-roll", published=Way("Roll them.", lambda n: -n))
    def coins_roll(heights):
        return Outcome(torch.tensor([True]))

    assert coins.ways("coins-roll")["published"].procedure(3) == -3
    assert coins.ways("coins-rise")["published"].procedure(3) == 30


def test_the_command_of_a_claim_asks_for_the_sources_way_where_there_is_one(coins):
    @coins.test("coins-spin")
    def coins_spin(heights):
        return Outcome(torch.tensor([True]))

    assert coins.command("heads-fall") == "superpos retest heads-fall"
    assert coins.command("coins-rise") == "superpos retest coins-rise --procedure published"
    del coins.procedures["published"]
    assert coins.command("coins-spin") == "superpos retest coins-spin"


def test_a_recorded_verdict_names_its_command(coins, monkeypatch):
    recorded = []
    monkeypatch.setattr(
        "superpos.claims.verdicts.record", lambda name, *_, **how: recorded.append((name, how))
    )
    run = coins.run(SETTINGS)
    monkeypatch.setattr(run, "outcome", lambda _: Outcome(torch.tensor([True])))
    run.record("coins-rise")
    ((name, how),) = recorded
    assert (name, how["command"]) == ("coins-rise", coins.command("coins-rise"))


def test_what_nobody_has_is_refused_by_name_before_anything_is_computed(coins):
    with pytest.raises(InvalidArgument, match="colour_of of the study coins asks for colour,"):
        coins.run(SETTINGS).call(colour_of)
    assert coins.thrown == []


def colour_of(throws, colour):
    return colour


def test_an_unknown_experiment_is_no_attribute(coins):
    run = coins.run(SETTINGS)
    assert not hasattr(run, "dice")
    assert {"throws", "heights", "record"} <= set(dir(run))


def test_a_claim_without_a_test_is_refused_by_name(coins):
    with pytest.raises(InvalidArgument, match="the study coins has no test of the claim dice-fall"):
        coins.parameters("dice-fall")


def claims(**changes):
    """Registry entries of the study's claims, of which one has a threshold."""
    any_claim = next(iter(load_registry().values()))
    return {
        name: type(any_claim)(**{**vars(any_claim), "id": name, "qualified": None, **each})
        for name, each in {"heads-fall": {"thresholds": {"least": 0.5}, **changes}}.items()
    }


def test_a_test_is_given_the_thresholds_of_the_registry(coins, monkeypatch):
    monkeypatch.setattr(module, "load_registry", claims)
    assert coins.run(SETTINGS).outcome("heads-fall").shown.any()
    monkeypatch.setattr(module, "load_registry", lambda: claims(thresholds={"least": 0.6}))
    assert not coins.run(SETTINGS).outcome("heads-fall").shown.any()


def test_a_weaker_reading_that_is_not_measured_is_refused(coins, monkeypatch):
    monkeypatch.setattr(module, "load_registry", lambda: claims(qualified="Some fall."))
    with pytest.raises(InvalidArgument, match="test of heads-fall has no weaker reading"):
        coins.run(SETTINGS).outcome("heads-fall")
