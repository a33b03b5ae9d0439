from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from superpos.book import scoreboard
from superpos.book.failures import NotPublishable
from superpos.book.ledger import collect, registry, unexpected
from superpos.claims.amendments import Amendment, Response
from superpos.claims.wording import mark

MIME = "application/vnd.superpos.verdict+json"


def notebook(*verdicts: dict):
    outputs = [new_output("display_data", {MIME: verdict}) for verdict in verdicts]
    return new_notebook(cells=[new_code_cell("measure()", outputs=outputs)])


def verdict(name: str = "alpha-rises", **changed) -> dict:
    return {
        **{"id": name, "verdict": "reproduced", "measured": {"slope": "0.5 ± 0.1"}},
        **{"evidence": "shown by 20 of 20", "rate": "20 of 20", "seeds": 20, "quick": False},
        **changed,
    }


@pytest.fixture
def claims(book):
    return registry(book)


def test_every_claim_is_listed_in_the_registrys_order_with_what_was_found(claims):
    ledger = collect(claims, {"alpha": notebook(verdict()), "beta": notebook()})
    assert [row["id"] for row in ledger] == ["alpha-rises", "beta-rests"]
    assert [row["verdict"] for row in ledger] == ["reproduced", "untested"]
    first = ledger[0]
    assert first["source"] == {
        "key": "elhage2022toy",
        "section": "Introduction",
        "place": "the first figure & its text",
        "address": "https://lines.org/toy_model/index.html#rise",
    }
    assert first["mark"] == mark(claims["alpha-rises"])
    assert (first["held"], first["command"]) == (None, None)
    assert first["chapter"] == "alpha"
    assert first["expected"] == "reproduced"
    assert (first["measured"], first["seeds"]) == ({"slope": "0.5 ± 0.1"}, 20)
    assert first["deviations"][0]["source"] == "Silent."
    assert first["page"] == "book/executed/alpha.html"
    assert first["evidence"]["told"] == "shown by 20 of 20"
    assert (first["evidence"]["shown"], first["evidence"]["of"]) == (20, 20)
    assert json.loads(json.dumps(ledger)) == [
        {**row, "deviations": list(row["deviations"])} for row in ledger
    ]


def test_a_quick_verdict_counts_for_nothing(claims):
    quick = verdict(quick=True, verdict="new", held="holds", command="superpos retest alpha-rises")
    row = collect(claims, {"alpha": notebook(quick)})[0]
    assert (row["verdict"], row["evidence"], row["seeds"]) == ("untested", None, None)
    assert row["held"] is None
    assert row["command"] == "superpos retest alpha-rises"  # however it was measured


def test_a_stale_chapters_claims_are_untested(claims):
    assert collect(claims, {})[0]["verdict"] == "untested"
    assert collect(claims, {})[0]["page"] is None


@pytest.mark.parametrize(
    ("verdicts", "message"),
    [
        ([verdict("alpha-falls")], "records a verdict on alpha-falls, which .* not register"),
        ([verdict(), verdict()], "records a verdict on alpha-rises twice"),
        ([verdict("beta-rests")], "beta-rests, which book/claims.yml gives to chapter beta"),
        ([verdict(verdict="proved")], "records 'proved' on alpha-rises"),
    ],
)
def test_a_verdict_that_the_registry_does_not_foresee_is_an_error(claims, verdicts, message):
    with pytest.raises(NotPublishable, match=f"chapter alpha .*{message}"):
        collect(claims, {"alpha": notebook(*verdicts)})


def test_the_check_names_each_claim_that_is_not_as_expected(claims):
    good = collect(claims, {"alpha": notebook(verdict()), "beta": notebook()})
    assert unexpected(good, {}) == []
    bad = collect(claims, {"alpha": notebook(verdict(verdict="contradicted"))})
    assert unexpected(bad, {}) == ["alpha-rises: contradicted, expected reproduced"]
    assert unexpected(good, {"beta": "source changed"}) == [
        "beta-rests: untested, expected untested (beta is stale: source changed)"
    ]


def test_what_was_amended_and_replied_stands_in_the_ledger(claims):
    amended = Amendment("2026-11-21", "No interval.", "All cases.", "after", "untested")
    reply = Response("A. Author", "2027-01-02", "More seeds.", "https://a.example/1")
    rises = replace(claims["alpha-rises"], amendments=(amended,), responses=(reply,), moved="Why.")
    rows = collect({**claims, rises.id: rises}, {"alpha": notebook(verdict())})
    assert rows[0]["amendments"] == [asdict(amended)]
    assert rows[0]["responses"] == [asdict(reply)]
    assert [row["moved"] for row in rows] == ["Why.", None]
    assert rows[1]["amendments"] == rows[1]["responses"] == []
    assert json.loads(json.dumps(rows))[0]["responses"][0]["who"] == "A. Author"


def test_a_claim_of_which_nothing_is_measured_says_why_on_the_scoreboard(claims):
    alone = replace(claims["alpha-rises"], unmeasured="It takes longer.", counts="")
    (row,) = collect({"alpha-rises": alone}, {"alpha": notebook()})
    assert (row["verdict"], row["why"]) == ("untested", "It takes longer.")
    page = scoreboard.as_markdown([row], {"alpha": "Alpha"})
    assert "It takes longer." in page
    assert "<dt>What counts</dt>" not in page
    assert ">in its chapter</a>" not in page
