"""One claim, measured again: what is run, what is refused, and what the answer says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from superpos.book.chapters import load_chapter
from superpos.claims.registry import load_registry
from superpos.cli import main
from superpos.errors import InvalidArgument
from superpos.studies.kept import load
from superpos.studies.retest import listed, load_study, retest

ROOT = Path(__file__).parents[2]
CLAIMS = load_registry(ROOT / "book" / "claims.yml")
MEASURED = [claim for claim in CLAIMS.values() if not claim.unmeasured]
TINY = {"n_features": 20, "n_hidden": 4, "n_sparsities": 12, "steps_replicates": 100}


@pytest.fixture(autouse=True)
def _store(tmp_path, monkeypatch):
    monkeypatch.setenv("SUPERPOS_STORE", str(tmp_path))


def tiny(**settings):
    return retest(ROOT, "uniform-sum-is-m", TINY, **{"seeds": 2, **settings})


def test_a_retest_says_what_it_found_and_how_it_differs_from_the_book():
    found = tiny()
    assert found.verdict.id == "uniform-sum-is-m"
    assert found.verdict.seeds == 2
    assert found.expected == load_registry()["uniform-sum-is-m"].expected
    assert found.changed["n_features"] == (400, 20)
    assert found.changed["n_seeds"] == (10, 2)
    assert "device" not in found.changed
    told = found.told()
    assert found.verdict.evidence in told
    assert "n_features 400 -> 20" in told
    assert "64 inputs" in told


def test_other_seeds_give_other_models():
    same, fresh = tiny(), tiny(first_seed=50)
    assert tiny().verdict == same.verdict
    assert fresh.verdict.measured != same.verdict.measured
    assert fresh.changed["first_seed"] == (0, 50)


def test_a_verdict_by_this_run_alone_is_told_from_the_books():
    found = tiny()
    assert "against the book: the same" in replace(found, expected=found.verdict.verdict).told()
    other = replace(found, expected="qualified").told()
    assert "there qualified, with its curve and what is kept as published and at rest" in other


def test_the_published_procedure_is_another():
    published = tiny(procedure="published")
    assert "AdamW at a constant 0.001" in published.procedure
    assert published.verdict.measured != tiny().verdict.measured


def test_the_published_procedure_brings_its_own_number_of_steps_which_quick_cuts_last():
    chapter = load_chapter(ROOT, "uniform_superposition")
    few = {"n_features": 20, "n_hidden": 4, "n_sparsities": 12}
    found = retest(ROOT, "uniform-sum-is-m", few, procedure="published", quick=True)
    assert found.cut[0] == f"n_seeds 10 -> {chapter.quick['n_seeds']}"
    assert found.cut[-1] == "steps_replicates 10000 -> 1500"
    assert found.verdict.quick
    assert "does not count" in found.told()


def test_what_is_asked_for_is_not_cut():
    found = tiny(quick=True)
    assert found.settings["n_seeds"] == 2
    assert found.settings["steps_replicates"] == 100


@pytest.mark.parametrize(
    ("claim", "settings", "message"),
    [
        ("uniform-sum-is-n", {}, "has no claim uniform-sum-is-n; did you mean uniform-sum-is-m"),
        ("uniform-sum-is-m", {"procedure": "publish"}, "no procedure publish; did you mean publi"),
        ("uniform-sum-is-m", {"given": {"n_seeds_sizes": 3}}, "no parameter n_seeds_sizes; did"),
        ("uniform-sum-is-m", {"given": {"n_hidden": "many"}}, "n_hidden must be a whole number"),
        ("uniform-sum-is-m", {"keep": True}, "is kept: published"),
        ("loss-L0", {"keep": True}, "is kept: none"),
        ("uniform-sum-is-m", {"keep": True, "quick": True}, "a quick run measures is not kept"),
        ("uniform-sum-is-m", {"seeds": 1}, r"n_seeds must be a whole number in \[2, 1000\]"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(claim, settings, message):
    with pytest.raises(InvalidArgument, match=message):
        retest(ROOT, claim, **settings)


def test_a_chapter_without_a_study_says_where_its_claims_are_measured():
    with pytest.raises(InvalidArgument, match="superpos run gardening"):
        load_study("gardening")


def test_a_claim_without_a_test_says_why_nothing_is_measured():
    with pytest.raises(InvalidArgument, match="nothing is measured of cost-correction: The source"):
        retest(ROOT, "cost-correction", {})


def test_the_list_has_every_claim_with_its_settings_and_ranges():
    text = listed(ROOT)
    with_study = [
        claim.id for claim in MEASURED
        if (ROOT / "src" / "superpos" / "studies" / f"{claim.chapter}.py").exists()
    ]  # fmt: skip
    assert [line.split()[0] for line in text.splitlines() if line[0] != " "] == with_study
    own = text[text.index("uniform-sum-is-m ") :].partition("\nuniform-tegum-split")[0]
    assert "n_seeds: int = 10  replicates, at half the size [2, 1000]" in own
    assert "--procedure published: AdamW" in own
    assert "n_seeds_sizes" not in own


def test_the_command_of_every_claim_is_one_that_retest_takes(monkeypatch):
    """It names the claim and a procedure that the claim has."""
    asked = []

    def retested(root, claim_id, given, *, procedure, **_):
        assert procedure in {"ours", *load_study(CLAIMS[claim_id].chapter).ways(claim_id)}
        asked.append((claim_id, procedure))
        return SimpleNamespace(as_json=dict, told=str)

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("superpos.studies.retest.retest", retested)
    for claim in MEASURED:
        program, *options = load_study(claim.chapter).command(claim.id).split()
        assert program == "superpos"
        assert main(options) == 0
    assert [name for name, _ in asked] == [claim.id for claim in MEASURED]
    assert {procedure for _, procedure in asked} == {"ours", "published"}


def test_the_command_prints_json_and_leaves_the_ledger_alone(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    executed = ROOT / "book" / "executed"
    before = sorted(executed.rglob("*")) if executed.exists() else []
    options = [text for name, value in TINY.items() for text in ("-p", name, str(value))]
    assert main(["retest", "uniform-sum-is-m", "--seeds", "2", "--json", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"]["id"] == "uniform-sum-is-m"
    assert found["changed"]["n_hidden"] == [30, 4]
    assert found["seconds"] > 0
    assert (sorted(executed.rglob("*")) if executed.exists() else []) == before


def test_what_the_published_procedure_finds_is_kept_if_asked(tmp_path, monkeypatch):
    folder = tmp_path / "measured"
    monkeypatch.setattr("superpos.studies.kept.folder", lambda: folder)
    found = tiny(procedure="published", keep=True, first_seed=3)
    (path,) = folder.iterdir()
    assert path.name == "uniform-sum-is-m.published.json"
    kept = load(path)
    assert (kept.of, kept.first_seed) == (found.verdict.seeds, 3)
    assert f"{kept.shown} of {kept.of}" == found.verdict.rate
    assert kept.settings == found.settings
    assert kept.procedure == found.procedure


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["retest"], "retest needs a claim"),
        (["retest", "uniform-sum-is-m", "--seed-offset", "-1"], "--seed-offset must be at least 0"),
        (["retest", "uniform-sum-is-m", "--seeds", "few"], "a whole number is needed; got 'few'"),
    ],
)
def test_the_command_refuses_in_a_sentence(options, message, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert main(options) == 2
    assert message in capsys.readouterr().err
