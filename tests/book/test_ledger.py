from __future__ import annotations

import json
from dataclasses import asdict, replace
from types import SimpleNamespace

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
        **{"evidence": "20 of 20", "seeds": 20, "quick": False},
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


def test_the_scoreboard_counts_and_cites(claims):
    ledger = collect(claims, {"alpha": notebook(verdict()), "beta": notebook()})
    page = scoreboard.as_markdown(ledger, {"alpha": "The first", "beta": "The second"})
    assert "[reproduced]{.superpos-verdict .superpos-verdict-reproduced} **1**" in page
    assert "[contradicted]{.superpos-verdict .superpos-verdict-contradicted} **0**" in page
    assert page.index("## The first") < page.index("The line rises") < page.index("## The second")
    assert (
        "{cite}`elhage2022toy`, Introduction: [the first figure & its text]"
        "(<https://lines.org/toy_model/index.html#rise>)"
    ) in page
    assert f"- {mark(claims['alpha-rises'])}\n- Evidence: 20 of 20" in page
    assert "- Evidence: 20 of 20" in page
    assert "- slope: 0.5 ± 0.1" in page
    assert '<a href="executed/alpha.html#claim-alpha-rises">' in page
    assert '<a href="executed/beta.html">' in page
    told = "- **Number of steps.** Source: Silent. Ours: Five. Does a verdict depend on it? "
    assert told in page


def test_the_scoreboard_says_whether_what_we_expected_held(claims):
    found = [
        collect(claims, {"alpha": notebook(verdict(verdict="new", held=held)), "beta": notebook()})
        for held in ("holds", "fails")
    ]
    pages = [scoreboard.as_markdown(rows, {"alpha": "The first", "beta": "B"}) for rows in found]
    for page, label, other in zip(pages, ("held", "failed"), ("failed", "held"), strict=True):
        assert f"[new: {label}]{{.superpos-verdict .superpos-verdict-new}} **1**" in page
        assert f"[new: {other}]{{.superpos-verdict .superpos-verdict-new}} **0**" in page
        assert f"[new: {label}]{{.superpos-verdict .superpos-verdict-new}} The line rises" in page


def test_the_scoreboard_names_the_command_where_there_is_one(claims):
    command = "superpos retest alpha-rises --procedure published"
    ledger = collect(claims, {"alpha": notebook(verdict(command=command)), "beta": notebook()})
    page = scoreboard.as_markdown(ledger, {"alpha": "The first", "beta": "The second"})
    assert page.count("Run it again") == 1
    assert f"Run it again: `{command}`" in page


def test_what_was_amended_and_replied_stands_in_the_ledger_and_on_the_scoreboard(claims):
    amended = Amendment(
        "2026-11-21", "No interval: D* is known.", "All cases.", "after", "untested"
    )
    reply = Response("A. Author", "2027-01-02", "More seeds.", "https://a.example/1")
    rises = replace(claims["alpha-rises"], amendments=(amended,), responses=(reply,), moved="Why.")
    rows = collect({**claims, rises.id: rises}, {"alpha": notebook(verdict())})
    assert rows[0]["amendments"] == [asdict(amended)]
    assert rows[0]["responses"] == [asdict(reply)]
    assert [row["moved"] for row in rows] == ["Why.", None]
    assert rows[1]["amendments"] == rows[1]["responses"] == []
    assert json.loads(json.dumps(rows))[0]["responses"][0]["who"] == "A. Author"
    page = scoreboard.as_markdown(rows, {})
    told = (
        "- Amended 2026-11-21, after measuring: No interval: D\\* is known. All cases. By the test"
    )
    assert f"{told} as it was: untested." in page
    assert "- Response of A. Author, 2027-01-02: “More seeds.” ([in full](https://a.ex" in page
    assert page.count("- Amended") == 1


def test_the_scoreboard_is_in_reading_order_and_counts_by_chapter(claims):
    ledger = collect(claims, {"alpha": notebook(verdict()), "beta": notebook()})
    page = scoreboard.as_markdown(ledger, {"beta": "The second", "alpha": "The first"})
    assert page.index("## The second") < page.index("## The first")
    rows = [line for line in page.splitlines() if line.startswith("| The")]
    count = sum(row["chapter"] == "alpha" for row in ledger)
    cells = [cell.strip() for cell in rows[1].strip("|").split("|")]
    assert cells[:2] == ["The first", "1"]
    assert sum(int(cell or 0) for cell in cells[1:]) == count


def test_the_scoreboard_tells_what_chapters_took_and_may_take(claims):
    alpha = SimpleNamespace(
        chapter=SimpleNamespace(title="The first", budget_seconds=30, budget_mebibytes=None),
        seconds=12.3,
        mebibytes=456.7,
    )
    page = scoreboard.as_markdown([], {}, [alpha])
    assert "| The first | 12 s | 30 s | 457 MiB |  |" in page
    assert "Time and memory" not in scoreboard.as_markdown([], {})


def test_a_claim_of_which_nothing_is_measured_says_why_on_the_scoreboard(claims):
    alone = replace(claims["alpha-rises"], unmeasured="It takes longer.", counts="")
    (row,) = collect({"alpha-rises": alone}, {"alpha": notebook()})
    assert (row["verdict"], row["why"]) == ("untested", "It takes longer.")
    page = scoreboard.as_markdown([row], {"alpha": "Alpha"})
    assert "Not measured: It takes longer." in page
    assert "What counts" not in page
    assert ">experiment</a>" not in page
    assert page.count("::::{div}") == page.count("\n::::\n") == 1


def test_a_claim_that_was_amended_is_counted_once_and_its_old_outcome_stays(claims):
    amendment = {"date": "2026-11-26", "known": True, "why": "It could not fail."}
    old = replace(claims["alpha-rises"], amended_by="alpha-rises-2")
    new = replace(old, id="alpha-rises-2", amends="alpha-rises", amended_by=None,
                  amendment=amendment)  # fmt: skip
    found = notebook(verdict(), verdict("alpha-rises-2", verdict="qualified", evidence="9 of 20"))
    ledger = collect({"alpha-rises": old, "alpha-rises-2": new}, {"alpha": found})
    assert [row["amended_by"] for row in ledger] == ["alpha-rises-2", None]
    page = scoreboard.as_markdown(ledger, {"alpha": "Alpha"})
    assert "1 claim of the sources" in page
    assert "**0** holds as stated" in page
    assert "Amended on 2026-11-26, knowing the outcome\nIt could not fail." in page
    assert page.index("9 of 20") < page.index("The test before, alpha-rises: ")
    assert page.count(":::{dropdown}") == 2
    assert page.count("::::{div}") == page.count("\n::::\n") == 1
