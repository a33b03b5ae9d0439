from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

from superpos.claims.registry import (
    deviation_text,
    deviations_of,
    load_registry,
    one_line,
    thresholds,
)
from superpos.errors import InvalidArgument

ROOT = Path(__file__).parents[2]
RISES = {
    "id": "rises",
    "chapter": "lines",
    "source": {
        "key": "elhage2022toy",
        "section": "Introduction",
        "place": "the first figure",
        "address": "https://lines.org/toy_model/index.html#rise",
    },
    "statement": "The line rises.",
    "setting": "n = 5",
    "share": 0.8,
    "counts": "The last point lies above the first.",
    "qualified": "It does not fall.",
    "expected": "reproduced",
    "deviations": ["steps", "colour"],
}
FALLS = {name: value for name, value in RISES.items() if name not in ("qualified", "deviations")}
FALLS |= {"id": "falls", "expected": "untested", "share": 0}
DEVIATIONS = {
    name: {"setting": name, "source": "Silent.", "ours": "Five.", "depends": "No."}
    for name in ("colour", "steps")
}
REQUIRED = ["id", "chapter", "source", "statement", "setting", "share", "counts", "expected"]


@pytest.fixture
def load(tmp_path):
    """Load a registry of the given entries."""

    def load_entries(*entries, deviations=DEVIATIONS):
        (tmp_path / "deviations.yml").write_text(yaml.safe_dump(deviations))
        (tmp_path / "claims.yml").write_text(yaml.safe_dump(list(entries)))
        return load_registry(tmp_path / "claims.yml")

    return load_entries


def test_claims_come_by_id_in_the_registrys_order_with_all_that_is_written_there(load):
    registry = load(RISES, FALLS)
    assert list(registry) == ["rises", "falls"]
    assert list(load(FALLS, RISES)) == ["falls", "rises"]
    claim = registry["rises"]
    for name in ("id", "chapter", "statement", "setting", "share", "counts", "qualified"):
        assert getattr(claim, name) == RISES[name]
    source = {part: getattr(claim, f"source_{part}") for part in RISES["source"]}
    assert source == RISES["source"]
    assert claim.expected == "reproduced"
    assert claim.deviations == (DEVIATIONS["steps"], DEVIATIONS["colour"])


def test_a_registry_is_read_again_once_its_files_have_changed(load):
    load(RISES).clear()
    assert list(load(RISES)) == ["rises"]
    assert load(RISES | {"share": 0.5})["rises"].share == 0.5
    colour = DEVIATIONS["colour"] | {"ours": "Six."}
    found = load(RISES, deviations=DEVIATIONS | {"colour": colour})["rises"]
    assert found.deviations == (DEVIATIONS["steps"], colour)


def test_a_deviation_that_tells_chapters_apart_tells_each_claim_its_own(load):
    steps = DEVIATIONS["steps"] | {"depends": {"lines": "Yes.", "circles": "Partly."}}
    turns = RISES | {"id": "turns", "chapter": "circles"}
    registry = load(RISES, turns, deviations=DEVIATIONS | {"steps": steps})
    told = {name: [d["depends"] for d in deviations_of(each)] for name, each in registry.items()}
    assert told == {"rises": ["Yes.", "No."], "turns": ["Partly.", "No."]}


def test_thresholds_are_those_asked_for_in_that_order_or_all():
    found = thresholds("demo-90-pentagon", "wide", "narrow")
    assert list(found) == ["wide", "narrow"]
    whole = load_registry()["demo-90-pentagon"].thresholds
    assert thresholds("demo-90-pentagon") == whole
    assert found["wide"] == whole["wide"]
    with pytest.raises(KeyError, match="height"):
        thresholds("demo-90-pentagon", "height")


def test_a_weaker_reading_and_deviations_may_be_left_out(load):
    claim = load(FALLS)["falls"]
    assert claim.qualified is None
    assert claim.deviations == ()


def test_an_empty_registry_has_no_claims(load, tmp_path):
    assert load() == {}
    (tmp_path / "claims.yml").write_text("# none yet\n")
    (tmp_path / "deviations.yml").write_text("")
    assert load_registry(tmp_path / "claims.yml") == {}


@pytest.mark.parametrize("field", REQUIRED[1:])
def test_a_field_that_is_missing_is_named_with_its_claim(load, field):
    entry = {name: value for name, value in RISES.items() if name != field}
    with pytest.raises(InvalidArgument, match=f"^claims.yml: claim rises lacks {field}$"):
        load(FALLS, entry)


def test_all_missing_fields_are_named_at_once(load):
    with pytest.raises(InvalidArgument, match=r"claim without an id lacks id, share, counts$"):
        load({name: RISES[name] for name in RISES if name not in ("id", "share", "counts")})


@pytest.mark.parametrize("field", ["key", "section", "place", "address"])
def test_a_source_that_is_half_there_is_named_with_its_claim(load, field):
    source = {name: value for name, value in RISES["source"].items() if name != field}
    with pytest.raises(InvalidArgument, match=f"claim rises lacks its source's {field}$"):
        load(RISES | {"source": source})


@pytest.mark.parametrize("field", ["key", "section", "place", "address"])
@pytest.mark.parametrize("value", ["", " \n", None, 7, ["a figure"]])
def test_a_source_says_in_words_where_a_claim_is_made(load, field, value):
    with pytest.raises(InvalidArgument, match=f"claim rises has the {field} .* words are needed"):
        load(RISES | {"source": RISES["source"] | {field: value}})


@pytest.mark.parametrize(
    "address",
    [
        "lines.org/page.html",
        "http://lines.org/page.html",
        "ftp://lines.org/page.html",
        "https:/lines.org",
        "https://lines",
        "https://",
        "https://lines.org/a page.html",
        'https://lines.org/"onclick',
        "https://lines.org/<b>",
        "see https://lines.org",
        "#rise",
    ],
)
def test_an_address_that_no_reader_can_follow_is_refused_with_its_claim(load, address):
    with pytest.raises(InvalidArgument, match=r"claim rises has the address .* https://"):
        load(RISES | {"source": RISES["source"] | {"address": address}})


@pytest.mark.parametrize(
    "address", ["https://lines.org", "https://a.b-c.org/x_y/(z)?q=1&r=%20#s-1:~:text=t"]
)
def test_an_address_may_have_all_that_addresses_have(load, address):
    source = RISES["source"] | {"address": address}
    assert load(RISES | {"source": source})["rises"].source_address == address


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"expected": "proved"}, "claim rises expects 'proved', which is none of reproduced, "),
        ({"expected": None}, "claim rises expects None, which is none of "),
        (
            {"deviations": ["steps", "width", "age", "zone", "height", "depth"]},
            "claim rises names deviations that .* lacks: age, depth, height, width, zone$",
        ),
    ],
)
def test_what_the_registry_does_not_know_is_named_with_its_claim(load, change, told):
    with pytest.raises(InvalidArgument, match=f"^claims.yml: {told}"):
        load(FALLS, RISES | change)


def test_a_claim_of_which_nothing_is_measured_says_why_and_has_no_test(load):
    of_a_test = ("share", "counts", "qualified")
    open_claim = {name: value for name, value in RISES.items() if name not in of_a_test}
    open_claim |= {"expected": "untested", "unmeasured": "It takes longer than we have."}
    assert load(open_claim)["rises"].unmeasured == "It takes longer than we have."
    for change, told in (
        ({"share": 0.5}, "is unmeasured, and has share"),
        ({"thresholds": {"slope": 2}}, "is unmeasured, and has thresholds"),
        ({"expected": "reproduced"}, "and so expects 'untested' alone"),
        ({"unmeasured": " "}, "does not say why it is unmeasured"),
        ({"unmeasured": True}, "does not say why it is unmeasured"),
    ):
        with pytest.raises(InvalidArgument, match=f"claim rises .*{told}"):
            load(open_claim | change)
    without_setting = {name: value for name, value in open_claim.items() if name != "setting"}
    with pytest.raises(InvalidArgument, match=r"claim rises lacks setting$"):
        load(without_setting)


def test_the_lower_mark_is_three_in_ten_or_the_share_if_nothing_else_is_said(load):
    found = [
        load(RISES | marks)["rises"].lower
        for marks in ({"share": 0.9}, {"share": 0.2}, {"share": 0.9, "lower": 0.5})
    ]
    assert found == [0.3, 0.2, 0.5]


@pytest.mark.parametrize("lower", [0.6, -0.1, "few"])
def test_a_lower_mark_that_is_no_lower_one_is_refused_with_its_claim(load, lower):
    with pytest.raises(InvalidArgument, match="claim rises has a lower mark of"):
        load(RISES | {"share": 0.5, "lower": lower})


def test_training_decides_where_an_entry_says_so(load):
    assert [load(RISES | more)["rises"].training for more in ({}, {"training": "decides"})] == [
        False, True,
    ]  # fmt: skip
    with pytest.raises(InvalidArgument, match="claim rises has training 'maybe'"):
        load(RISES | {"training": "maybe"})


@pytest.mark.parametrize("share", [80, -0.1, "most"])
def test_a_share_that_no_rate_can_have_is_refused_with_its_claim(load, share):
    with pytest.raises(InvalidArgument, match="claim rises"):
        load(RISES | {"share": share})


def test_an_id_that_is_there_twice_is_named(load):
    with pytest.raises(InvalidArgument, match=r"^claims.yml: claim rises is there twice$"):
        load(RISES, FALLS, RISES | {"statement": "Another."})


@pytest.mark.parametrize("verdict", ["reproduced", "qualified", "contradicted", "new", "untested"])
def test_every_verdict_can_be_expected(load, verdict):
    entry = RISES | {"expected": verdict, "new": verdict == "new"}
    assert load(entry)["rises"].expected == verdict


def test_new_is_expected_only_where_it_is_marked(load):
    with pytest.raises(InvalidArgument, match="claim rises expects 'new', but is not marked new"):
        load(RISES | {"expected": "new"})


def test_a_deviation_is_told_with_the_source_ours_and_what_depends_on_it():
    text = deviation_text(
        {"setting": "Length", "source": "Silent.", "ours": "Long.", "depends": "No: it holds."}
    )
    assert text == (
        "**Length.** Source: Silent. Ours: Long. Does a verdict depend on it? No: it holds."
    )


def test_a_text_of_the_registry_is_one_line_whose_stars_are_stars():
    shown = MarkdownIt().renderInline(one_line("D* falls\n  from\tD* = 1"))
    assert shown == "D* falls from D* = 1"
    text = deviation_text({name: "ab*\nD_i*" for name in ("setting", "source", "ours", "depends")})
    assert MarkdownIt().render(text).count("ab* <var>D</var><sub><var>i</var></sub>*") == 4


# The book's own


def test_the_books_registry_is_found_from_anywhere(tmp_path, monkeypatch):
    here = load_registry(ROOT / "book" / "claims.yml")
    assert len(here) > 10
    monkeypatch.chdir(tmp_path)
    assert load_registry() == here


def test_the_book_one_stands_in_goes_first(book):
    assert list(load_registry()) == ["alpha-rises", "beta-rests"]


def test_every_deviation_of_the_book_says_all_and_is_used():
    deviations = yaml.safe_load((ROOT / "book" / "deviations.yml").read_text("utf-8"))
    claims = load_registry(ROOT / "book" / "claims.yml").values()
    used = [each for claim in claims for each in claim.deviations]
    for name, deviation in deviations.items():
        assert deviation.keys() == {"setting", "source", "ours", "depends"}, name
        assert deviation in used, f"no claim names the deviation {name}"
        if not isinstance(deviation["depends"], str):
            chapters = {claim.chapter for claim in claims if deviation in claim.deviations}
            assert deviation["depends"].keys() == chapters, name
    assert len({deviation["setting"] for deviation in deviations.values()}) == len(deviations)


def test_a_claim_of_another_source_leads_to_that_source():
    """Sources on the same host are told apart by their pages."""
    pages: dict[str, set[str]] = {}
    for claim in load_registry(ROOT / "book" / "claims.yml").values():
        if claim.source_key != "superpos":
            pages.setdefault(claim.source_key, set()).add(claim.source_address.partition("#")[0])
    several = {key: found for key, found in pages.items() if len(found) > 1}
    assert several == {}


def test_every_claim_of_the_book_can_be_decided():
    for claim in load_registry(ROOT / "book" / "claims.yml").values():
        assert 0 < claim.share < 1, claim.id  # at 0 or 1 one of the verdicts is out of reach
        assert claim.id.replace("-", "").isalnum(), claim.id  # it becomes a link on the page


def test_a_claim_that_applies_the_tests_of_others_has_their_thresholds(load):
    steep = RISES | {"thresholds": {"slope": 2}, "counts": "The slope is above {slope}."}
    both = FALLS | {"thresholds_of": ["rises"], "counts": "The test of rises, downwards."}
    assert load(steep, both)["falls"].thresholds == {"slope": 2}
    with pytest.raises(InvalidArgument, match="falls has the thresholds of rises"):
        load(both, steep)
    with pytest.raises(InvalidArgument, match="its counts must name it"):
        load(steep, both | {"counts": "It falls."})


def test_thresholds_of_two_claims_may_share_a_name_only_with_the_same_value(load):
    flat = RISES | {"thresholds": {"slope": 0}, "counts": "The slope is {slope}.", "id": "flat"}
    steep = flat | {"thresholds": {"slope": 2}, "id": "steep"}
    both = FALLS | {"thresholds_of": ["flat", "steep"], "counts": "Those of flat and steep."}
    with pytest.raises(InvalidArgument, match="a threshold slope from two claims"):
        load(flat, steep, both)


# Amendments

AMENDMENT = {"date": date(2026, 11, 26), "known": True, "why": "It could not fail."}
AGAIN = RISES | {"id": "rises-2", "amends": "rises", "amendment": AMENDMENT}


def test_an_entry_takes_the_place_of_another_which_stays(load):
    found = load(RISES, AGAIN)
    assert found["rises"].amended_by == "rises-2"
    assert found["rises-2"].amends == "rises"
    assert [found[name].known for name in found] == [False, True]
    assert load(RISES | {"known": True})["rises"].known
    assert found["rises-2"].amendment == AMENDMENT | {"date": "2026-11-26"}
    assert replace(found["rises"], amended_by=None) == load(RISES)["rises"]


@pytest.mark.parametrize(
    "change",
    [
        {"amends": "falls"},  # is not there
        {"amends": "rises-2"},  # is itself
        {"chapter": "dots"},
        {"amends": None},
        {"amendment": None},
        {"amendment": AMENDMENT | {"date": "soon"}},
        {"amendment": AMENDMENT | {"known": "no"}},
        {"amendment": {"date": date(2026, 11, 26), "known": True}},
    ],
)
def test_an_amendment_that_is_none_is_refused_with_its_claim(load, change):
    with pytest.raises(InvalidArgument, match="claim rises-2"):
        load(RISES, AGAIN | change)


def test_a_claim_is_amended_once(load):
    third = AGAIN | {"id": "rises-3"}
    with pytest.raises(InvalidArgument, match="claim rises-3 amends rises: "):
        load(RISES, AGAIN, third)
    assert load(RISES, AGAIN, third | {"amends": "rises-2"})["rises-2"].amended_by == "rises-3"


def test_a_reason_for_no_weaker_reading_is_kept_and_excludes_one(load):
    assert load(FALLS | {"no_weaker": "It is exact."})["falls"].no_weaker == "It is exact."
    with pytest.raises(InvalidArgument, match="claim rises has a weaker reading, and says why"):
        load(RISES | {"no_weaker": "It is exact."})
