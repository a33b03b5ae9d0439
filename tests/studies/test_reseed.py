"""Verdicts with other seeds: what is compared, what is left out, what is said of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from superpos.claims.registry import load_registry
from superpos.claims.verdicts import conclude
from superpos.cli import main
from superpos.studies import reseed

ROOT = Path(__file__).parents[2]
CLAIMS = load_registry()
SEEDED, OTHER, UNSEEDED = "uniform-sum-is-m", "demo-90-pentagon", "nonuniform-collapse"
UNMEASURED = "cost-correction"
ALL, NONE = [True] * 20, [False] * 20


@pytest.fixture
def pretend(monkeypatch):
    """Let claims be measured at once: what was asked for, and what is to come of each seed."""
    told = SimpleNamespace(asked=[], shown={})

    def retest(root, name, *, first_seed, seeds, quick):
        told.asked.append((name, first_seed, seeds, quick))
        shown = told.shown.get((name, first_seed), ALL)
        verdict = conclude(CLAIMS[name], shown, measured={}, quick=quick)
        return SimpleNamespace(verdict=verdict)

    monkeypatch.setattr(reseed, "retest", retest)
    return told


def test_each_claim_is_measured_with_the_books_seeds_and_with_others(pretend):
    found, left = reseed.of_all(ROOT, 500, seeds=30, claims=[SEEDED])
    assert pretend.asked == [(SEEDED, 0, 30, False), (SEEDED, 500, 30, False)]
    assert [each.agrees for each in found] == [True]
    assert left == {}


def test_all_is_every_claim_that_no_other_amends(pretend):
    found, left = reseed.of_all(ROOT, 500)
    every = {claim.id for claim in CLAIMS.values() if not claim.amended_by}
    assert {each.id for each in found} | {*left} == every
    assert {name for name, *_ in pretend.asked} == {each.id for each in found}
    assert left[UNSEEDED] == "it counts no seeds: nothing is drawn at random"
    assert left[UNMEASURED].startswith(f"nothing is measured of {UNMEASURED}: ")


def test_a_verdict_that_moves_is_told_with_both_rates(pretend):
    pretend.shown[SEEDED, 500] = NONE
    found, _ = reseed.of_all(ROOT, 500, claims=[SEEDED, OTHER])
    assert [each.agrees for each in found] == [False, True]
    told = reseed.summary(found)
    assert told.startswith(
        "1 of 2 verdicts are the same with other seeds (50%; the goal of 95% is m"
    )
    assert f"\n  {SEEDED}: " in told
    assert "20 of 20" in told
    assert "0 of 20" in told
    assert OTHER not in told


def test_the_goal_is_nineteen_of_twenty(pretend):
    (one,), _ = reseed.of_all(ROOT, 500, claims=[SEEDED])
    pretend.shown[SEEDED, 500] = NONE
    (other,), _ = reseed.of_all(ROOT, 500, claims=[SEEDED])
    assert "is reached" in reseed.summary([one] * 19 + [other])
    assert "is missed" in reseed.summary([one] * 18 + [other] * 2)
    assert reseed.summary([]) == "no claim was measured with other seeds"
    assert "none of this counts" in reseed.summary(
        [replace(one, other=replace(one.other, quick=True))]
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--all"], "--all needs other seeds than the book's"),
        (["--all", "--seed-offset", "0"], "--all needs other seeds"),
        (["--all", "--seed-offset", "-5"], "--all needs other seeds"),
        (["--all", "--seed-offset", "9", SEEDED], "no claim, -p or --keep"),
        (["--all", "--seed-offset", "9", "--keep"], "no claim, -p or --keep"),
        (["--all", "--seed-offset", "9", "--procedure", "published"], "not with --procedure"),
        (["--seed-offset", "9"], "retest needs a claim"),
    ],
)
def test_what_does_not_fit_is_refused(capsys, arguments, told):
    assert main(["retest", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_the_command_fails_where_the_goal_is_missed(pretend, capsys):
    assert main(["retest", "--all", "--seed-offset", "500"]) == 0
    assert "is reached" in capsys.readouterr().out
    for name in CLAIMS:
        pretend.shown[name, 500] = NONE
    assert main(["retest", "--all", "--seed-offset", "500"]) == 1
    assert main(["retest", "--all", "--seed-offset", "500", "--quick"]) == 0
