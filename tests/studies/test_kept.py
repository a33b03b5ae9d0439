"""What is measured once and kept: it decides, as long as the code that measured it is the same."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from superpos.claims.curves import Curve, Specification
from superpos.claims.registry import load_registry
from superpos.claims.verdicts import conclude, judge
from superpos.errors import InvalidArgument
from superpos.studies import code, kept
from superpos.studies.study import Outcome, Study, Way

CLAIM = {
    "id": "heads-fall", "chapter": "coins", "training": "decides", "share": 0.5,
    "source": {"key": "k", "section": "s", "place": "there", "address": "https://a.org/b"},
    "statement": "Coins fall on heads.", "setting": "one coin", "counts": "It is {level}.",
    "thresholds": {"level": 1}, "qualified": "Or on tails.", "expected": "untested",
}  # fmt: skip


def registered(book, *others, **changes) -> None:
    (book / "book" / "claims.yml").write_text(yaml.safe_dump([CLAIM | changes, *others]))
    (book / "book" / "deviations.yml").write_text("{}")


@pytest.fixture(autouse=True)
def _a_book_of_coins(book):
    registered(book)


def study(bias: float | str = 0.5, force: int = 10) -> Study:
    coins = Study(
        "coins",
        {
            "ours": Way("Softly.", lambda n: n),
            "published": Way("As the source does.", lambda n: force * n),
            "rest": Way("Until it lies.", lambda n: n),
            "other": Way("In another way.", lambda n: n),
        },
    )

    @coins.experiment
    def throws(seeds, procedure):
        return torch.rand(len(seeds)) < bias + 0 * procedure(1)

    @coins.experiment
    def unused(seeds):
        return bias + 1

    @coins.test("heads-fall")
    def heads_fall(throws, *, level):
        return Outcome(throws == level, throws != level)

    return coins


def made(kind: str = "published", shown: int = 3, of: int = 60, **changes) -> kept.Kept:
    found = Outcome(torch.arange(of) < shown, torch.arange(of) >= shown, {"width": "2"})
    arguments = {"first_seed": 7, "seconds": 3.4, **changes}
    arguments["code"] = kept.code(study(), "heads-fall", kind)
    return kept.measured(study(), "heads-fall", kind, found, {"n_seeds": of}, **arguments)


def test_what_is_kept_comes_back():
    one = made()
    path = kept.keep(one)
    assert path.name == "heads-fall.published.json"
    assert kept.load(path) == one
    assert kept.fresh(study(), "heads-fall") == {"published": one}
    shown, weaker = one.outcomes()
    assert (shown.sum(), len(shown), weaker.sum(), len(weaker)) == (3, 60, 57, 60)
    again = made(shown=4)
    assert kept.keep(again) == path
    assert kept.fresh(study(), "heads-fall") == {"published": again}


@pytest.mark.parametrize("change", [{"bias": 0.6}, {"force": 11}])
def test_other_code_makes_it_stale(change):
    kept.keep(made())
    assert kept.fresh(study(**change), "heads-fall") == {}
    assert list(kept.stale(lambda chapter: study(**change))) == ["heads-fall.published.json"]
    assert list(kept.stale(lambda chapter: study())) == []


def test_what_another_python_has_measured_cannot_be_compared_and_counts():
    one = made()
    kept.keep(replace(one, code="another"))
    assert kept.fresh(study(), "heads-fall") == {}
    older = {**one.made, "python": "3.9.1"}
    kept.keep(replace(one, code="another", made=older))
    assert list(kept.fresh(study(), "heads-fall")) == ["published"]


def test_what_another_python_has_measured_is_told_by_a_digest_of_this_one():
    one = made()
    elsewhere = {**one.made, "python": "3.9.1", "digest": one.made["python"]}
    kept.keep(replace(one, made=elsewhere))
    assert list(kept.fresh(study(), "heads-fall")) == ["published"]
    kept.keep(replace(one, code="another", made=elsewhere))
    assert kept.fresh(study(), "heads-fall") == {}


def test_another_threshold_makes_it_stale_and_another_wording_does_not(book):
    kept.keep(made())
    registered(book, statement="Coins land on heads.")
    assert list(kept.fresh(study(), "heads-fall")) == ["published"]
    registered(book, thresholds={"level": 0})
    assert kept.fresh(study(), "heads-fall") == {}


def test_the_threshold_of_another_claim_counts_where_the_code_names_it(book):
    names, names_none = study("tails-fall"), study("tails-falls")  # nothing is run
    other = CLAIM | {"id": "tails-fall"}
    registered(book, other)
    before = [code.of(each, "heads-fall", []) for each in (names, names_none)]
    registered(book, other | {"thresholds": {"level": 0}})
    after = [code.of(each, "heads-fall", []) for each in (names, names_none)]
    assert [a == b for a, b in zip(before, after, strict=True)] == [False, True]


def test_another_way_to_train_leaves_the_one_fresh():
    kept.keep(made("rest"))
    assert list(kept.fresh(study(force=11), "heads-fall")) == ["rest"]


def test_the_file_of_a_claim_that_is_gone_is_stale(book):
    kept.keep(made())
    registered(book, id="tails-fall")
    assert list(kept.stale(lambda chapter: study())) == ["heads-fall.published.json"]


@pytest.mark.parametrize("kind", ["ours", "other", "nonsense"])
def test_only_what_is_published_or_at_rest_is_kept(kind):
    with pytest.raises(InvalidArgument, match=r"only what is measured .* is kept: published, rest"):
        kept.check(study(), "heads-fall", kind)


def test_models_that_are_not_at_rest_are_not_kept():
    moving = Outcome(torch.ones(3).bool(), at_rest=torch.tensor([True, False]))
    with pytest.raises(InvalidArgument, match="not all are at rest: nothing is kept"):
        kept.measured(study(), "heads-fall", "rest", moving, {}, first_seed=0, seconds=1, code="")


@pytest.mark.parametrize("text", ["{", "[]", '{"claim": "heads-fall"}', "{}"])
def test_a_file_that_is_no_measurement_is_refused_by_name(text):
    path = kept.keep(made())
    path.write_text(text)
    with pytest.raises(InvalidArgument, match=r"^heads-fall\.published\.json is no kept"):
        kept.fresh(study(), "heads-fall")


def test_a_file_tells_no_time_of_day_and_no_place(tmp_path):
    text = kept.keep(made()).read_text()
    assert json.loads(text)["seconds"] == 3
    assert "/" not in json.loads(text)["made"]["machine"]
    assert str(tmp_path) not in text


def test_the_digest_is_the_same_wherever_the_checkout_is_and_whatever_is_loaded(tmp_path_factory):
    apart = tmp_path_factory.mktemp("apart")  # from the book of coins
    root = Path(__file__).parents[2]
    copied = shutil.copytree(root / "src" / "superpos", apart / "other" / "superpos")
    registry = copied / "registry" / "book"  # as an installed package has it
    registry.mkdir(parents=True)
    for name in ("claims.yml", "deviations.yml"):
        shutil.copy(root / "book" / name, registry / name)
    ask = (
        "from superpos.studies import kept; from superpos.studies.retest import load_study; "
        "print(kept.code(load_study('correlated_features'), 'corr-summand', 'published'))"
    )
    loaded = "import networkx, scipy.stats, scipy.optimize; "
    found = [
        subprocess.run(
            [sys.executable, "-c", before + ask], cwd=apart, check=True, text=True,
            capture_output=True, env={**os.environ, "PYTHONPATH": str(folder)},
        ).stdout
        for folder, before in ((root / "src", ""), (root / "src", loaded), (copied.parent, ""))
    ]  # fmt: skip
    assert len({*found}) == 1


# Judging


@pytest.mark.parametrize(
    ("published", "rest", "verdict"),
    [
        (60, None, "reproduced"),
        (60, 60, "reproduced"),
        (60, 0, "qualified"),
        (0, 60, "qualified"),
        (24, None, "untested"),  # 40 % of 60 may be above one half or below three tenths
        (0, None, "qualified"),  # the weaker reading holds
        (30, 60, "untested"),
    ],
)
def test_what_is_kept_decides_in_place_of_the_books_own_runs(published, rest, verdict):
    claim = load_registry()["heads-fall"]
    beside = {"published": made(shown=published)}
    if rest is not None:
        beside["rest"] = made("rest", shown=rest)
    for own in (0, 60):
        assert judge(claim, torch.arange(60) < own, None, beside) == verdict


def test_without_a_weaker_reading_nothing_is_contradicted_as_long_as_something_is_missing():
    claim = load_registry()["heads-fall"]
    fails = replace(made(shown=0), weaker=None)
    beside = {"published": fails, "rest": replace(fails, kind="rest")}
    assert judge(claim, torch.ones(60).bool(), None, beside) == "untested"


def curve(holds: int) -> Curve:
    found = [Specification({"p": str(k)}, 1, 1, k < holds) for k in range(24)]
    return Curve("heads-fall", "coins", 0.5, tuple(found))


@pytest.mark.parametrize(
    ("published", "rest", "holds", "verdict"),
    [
        (0, 0, 12, "contradicted"),
        (0, 0, 13, "qualified"),
        (0, 60, 0, "qualified"),
        (60, 60, 13, "reproduced"),
        (60, 60, 12, "qualified"),
        (0, None, 0, "untested"),
        (0, 0, None, "untested"),
    ],
)
def test_contradicted_is_what_fails_as_published_at_rest_and_in_most_specifications(
    published, rest, holds, verdict
):
    claim = load_registry()["heads-fall"]
    beside = {"published": replace(made(shown=published), weaker=None)}
    if rest is not None:
        beside["rest"] = replace(made("rest", shown=rest), weaker=None)
    specifications = None if holds is None else curve(holds)
    found = conclude(claim, torch.ones(60).bool(), beside=beside, curve=specifications)
    assert found.verdict == verdict
    assert bool(found.why) == (verdict in ("untested", "qualified"))
    if verdict == "untested":
        assert found.why.endswith("at rest." if rest is None else "in reasonable specifications.")


def test_of_what_is_about_the_way_there_nothing_is_asked_at_rest(book):
    registered(book, not_at_rest="It is about the way there.")
    beside = {"published": replace(made(shown=0), weaker=None)}
    claim, nothing = load_registry()["heads-fall"], torch.zeros(60).bool()
    assert conclude(claim, nothing, beside=beside, curve=curve(0)).verdict == "contradicted"


def test_the_card_tells_what_is_kept():
    claim = load_registry()["heads-fall"]
    found = conclude(claim, torch.ones(60).bool(), beside={"published": made(shown=58)})
    assert found.verdict == "reproduced"
    assert found.measured["As published"].startswith("shown by 58 of 60 (97%")
    assert found.measured["As published"].endswith("As the source does.")


def test_a_run_knows_what_is_kept_before_it_computes_anything(monkeypatch):
    kept.keep(made(shown=58))
    shown = []
    monkeypatch.setattr("superpos.claims.verdicts.display", lambda found, **_: shown.append(found))
    coins = study()
    for quick in (False, True):
        run = coins.run({"n_seeds": 60, "quick": quick})
        coins.experiments["throws"].made = "something"  # what computing may leave behind
        run.record("heads-fall")
        del coins.experiments["throws"].made
    told = [found["text/html"] for found in shown]
    assert ["As published" in text for text in told] == [True, False]
