"""What we make of verdicts: short, on claims that there are, and told wherever a claim is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from nbformat.v4 import new_code_cell, new_notebook, new_output

from superpos.book import cards, claim_pages, scoreboard
from superpos.book.citation import edition, sources
from superpos.book.facts import facts
from superpos.book.judgements import MOST_WORDS, Judgement, judgements
from superpos.book.ledger import collect, registry
from superpos.book.pages import as_page
from superpos.claims.clone import Commit
from superpos.errors import InvalidArgument

ROOT = Path(__file__).parents[2]
MIME = "application/vnd.superpos.verdict+json"
OURS = Judgement("reproduced", "It rises, but W_i is long.")
COMMIT = Commit("c0ffee0123456789", (), "", "2026-11-21 20:41", "Register")


@pytest.fixture(scope="module")
def claims():
    return registry(ROOT)


def test_the_books_judgements_are_on_its_claims_and_wait_for_no_verdict(claims):
    found = judgements(ROOT, claims)
    assert len(found) > 20
    expected = {name: claims[name].expected for name in found}
    assert {name: each.of.partition(":")[0] for name, each in found.items()} == expected


def test_each_is_a_short_sentence_without_a_measured_number(claims):
    for name, each in judgements(ROOT, claims).items():
        assert len(each.text.split()) <= MOST_WORDS, name
        assert re.search(r"\d", each.text) is None, name


def test_every_claim_that_does_not_simply_hold_has_one(claims):
    found = judgements(ROOT, claims)
    in_part = ("qualified", "contradicted")
    due = [c.id for c in claims.values() if c.expected in in_part and not c.amended_by]
    assert [name for name in due if name not in found] == []


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"alpha-falls": {"of": "new", "text": "It falls."}}, "the registry does not have"),
        ({"alpha-rises": "It rises."}, "its fields are of, text"),
        ({"alpha-rises": {"of": "qualified"}}, "its fields are of, text"),
        ({"alpha-rises": {"of": "true", "text": "It rises."}}, "of 'true'; a verdict is shown as"),
        ({"alpha-rises": {"of": "qualified", "text": "It rises. It does."}}, "one sentence"),
        ({"alpha-rises": {"of": "qualified", "text": "It rises"}}, "one sentence"),
        ({"alpha-rises": {"of": "qualified", "text": "it " * 40 + "rises."}}, "has 41 words"),
    ],
)
def test_what_is_none_is_refused_by_name(book, entry, told):
    (book / "book" / "judgements.yml").write_text(yaml.safe_dump(entry))
    with pytest.raises(InvalidArgument, match=rf"^judgements.yml: .*{told}"):
        judgements(book, registry(book))


def test_a_book_may_have_none(book):
    assert judgements(book, registry(book)) == {}


def notebook(**changed):
    found = {
        "id": "alpha-rises", "verdict": "reproduced", "measured": {}, "evidence": "20 of 20",
        "seeds": 20, "quick": False, "rate": "20 of 20",
    } | changed  # fmt: skip
    outputs = [new_output("display_data", {MIME: found, "text/html": "<b>as measured</b>"})]
    return new_notebook(cells=[new_code_cell("measure()", outputs=outputs)])


@pytest.mark.parametrize(
    ("changed", "shown"),
    [({}, True), ({"verdict": "qualified"}, False), ({"quick": True}, False)],
)
def test_it_stands_with_the_verdict_that_it_was_written_about(book, changed, shown):
    made = notebook(**changed)
    row = collect(registry(book), {"alpha": made}, {"alpha-rises": OURS})[0]
    assert row["judgement"] == (OURS.text if shown else None)
    card = cards.as_published(registry(book), {"alpha": made}, [row])["alpha-rises"]
    assert ("Our judgement" in card) is shown


def test_where_nothing_counts_there_is_nothing_to_judge(book):
    open_still = Judgement("untested", "It takes more seeds.")
    for executed in ({}, {"alpha": notebook(verdict="untested", quick=True)}):
        row = collect(registry(book), executed, {"alpha-rises": open_still})[0]
        assert (row["verdict"], row["judgement"]) == ("untested", None)
    decided = collect(
        registry(book), {"alpha": notebook(verdict="untested")}, {"alpha-rises": open_still}
    )
    assert decided[0]["judgement"] == open_still.text


def test_card_scoreboard_and_the_claims_own_page_tell_it(book):
    executed = {"alpha": notebook()}
    ledger = collect(registry(book), executed, {"alpha-rises": OURS})
    told = "<dt>Our judgement</dt><dd>It rises, but <var>W</var><sub><var>i</var></sub> is long."
    (own, *_) = claim_pages.as_pages(ledger, {}, sources(book), edition(book), ()).values()
    card = cards.as_published(registry(book), executed, ledger)["alpha-rises"]
    for text in (scoreboard.as_markdown(ledger, {"alpha": "Alpha"}), own.decode(), card):
        assert told in text
    assert "judgement" not in facts(ledger[1], {}, folder="book")


def test_a_page_has_the_sites_card_and_the_executed_notebook_keeps_its_own(book):
    executed = {"alpha": notebook()}
    ledger = collect(registry(book), executed)
    drawn = cards.as_published(registry(book), executed, ledger, {"alpha-rises": COMMIT})
    page = as_page(executed["alpha"], chapter="alpha", cards=drawn)
    (shown,) = [output.data["text/html"] for output in page.cells[0].outputs]
    assert 'href="../../claims/alpha-rises.html"' in shown
    assert 'href="../audit.html#audit-alpha-rises"><code>c0ffee012</code></a> 2026' in shown
    (kept,) = executed["alpha"].cells[0].outputs
    assert kept.data["text/html"] == "<b>as measured</b>"
    assert MIME in kept.data
