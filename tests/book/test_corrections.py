from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from superpos.book import corrections, site
from superpos.book.corrections import Edition, as_markdown, first_edition, reasons
from superpos.book.ledger import collect, registry
from superpos.claims.amendments import Rule, rules

ROOT = Path(__file__).parents[2]
EDITION = Edition(
    "c0ffee",
    "2026-11-21",
    {
        name: {"id": name, "verdict": verdict}
        for name, verdict in (("rises", "contradicted"), ("falls", "new"), ("rests", "new"))
    },
)


def row(name: str = "rises", expected: str = "qualified", **fields) -> dict:
    plain = {"amendments": [], "responses": [], "moved": None, "statement": f"D* {name}."}
    plain |= {"amends": None, "amended_by": None}
    return {"id": name, "expected": expected, "verdict": "untested"} | plain | fields


def amendment(date: str) -> dict:
    return {"date": date, "what": "Longer.", "why": "It rose.", "measured": "after", "was": "new"}


def test_what_moved_is_what_expects_another_verdict_than_before():
    ledger = [row(), row("falls", "new"), row("turns", "new")]
    assert [each["id"] for each in EDITION.moved(ledger)] == ["rises"]


def test_reasons_are_the_entrys_own_then_amendments_and_rules_since():
    found = row(
        moved="The source means it.",
        amendments=[amendment("2026-11-21"), amendment("2026-12-01")],
    )
    since = Rule("2026-12-02", "Marks.", "No cliff.", "after", ("rises",))
    others = [
        Rule("2026-11-20", "Older.", "x", "after", ("rises",)),
        Rule("2026-12-02", "Of others.", "x", "after", ("falls",)),
    ]
    assert reasons(found, EDITION, [since, *others]) == [
        "The source means it.",
        "Amended 2026-12-01, after measuring: Longer. It rose. By the test as it was: new.",
        "Change of the rule, 2026-12-02, after measuring: Marks. No cliff.",
    ]
    assert reasons(row(amendments=[amendment("2026-11-21")]), EDITION, others) == []


def test_the_page_shows_both_verdicts_and_why():
    page = as_markdown([row(moved="D* counts."), row("falls", "new")], EDITION, [])
    moved = page[page.index("## Verdicts that moved") : page.index("## Claims taken out")]
    assert moved.index("superpos-verdict-contradicted") < moved.index("superpos-verdict-qualified")
    assert "D\\* rises." in moved
    assert "- D\\* counts." in moved
    assert "falls" not in moved
    assert "1 verdict moved, and 0 claims came in" in page
    assert "| First edition |  |  | 1 | 2 |  | 3 |" in page
    assert "| Now |  | 1 |  | 1 |  | 2 |" in page
    assert "`rests`" in page[page.index("## Claims taken out") :]


def test_a_claim_that_another_entry_amends_has_moved_to_that_ones_verdict():
    amendment = {"date": "2026-12-03", "known": True, "why": "It could not fail."}
    again = row("rises-2", "reproduced", amends="rises", amendment=amendment)
    old = row(expected="contradicted", amended_by="rises-2")
    assert EDITION.moved([old, again]) == [old]
    why = "Judged by rises-2 since 2026-12-03: It could not fail."
    assert reasons(old, EDITION, [], [old, again]) == [why]
    page = as_markdown([old, again], EDITION, [])
    assert "1 verdict moved, and 0 claims came in" in page
    assert "| Now | 1 |  |  |  |  | 1 |" in page
    moved = page[page.index("## Verdicts that moved") :]
    assert moved.index("superpos-verdict-contradicted") < moved.index("superpos-verdict-reproduced")
    assert "claims/rises-2.html" in moved
    same = row("rises-2", "contradicted", amends="rises", amendment=amendment)
    assert EDITION.moved([old, same]) == []


def test_the_page_says_so_where_nothing_moved():
    page = as_markdown([row(expected="contradicted")], EDITION, [])
    assert "None has moved so far." in page
    assert "No claim has been changed since it was registered." in page
    assert "had no earlier edition" in as_markdown([], None, [])


def test_the_page_tells_amendments_and_changes_of_the_rule():
    rule = Rule("2026-11-21", "Marks.", "No cliff.", "after", ("rises",))
    page = as_markdown([row(amendments=[amendment("2026-11-21")])], None, [rule])
    link = '<a href="../claims/rises.html">rises</a>'
    assert f"- {link}, 2026-11-21, after measuring: Longer." in page
    assert f"- 2026-11-21, after measuring: Marks. No cliff. It moved {link}." in page


def test_a_book_may_have_had_a_first_edition(book):
    edition = first_edition(book)
    assert (edition.date, list(edition.claims)) == ("2026-11-21", ["alpha-rises"])
    (book / "book" / corrections.FIRST_EDITION).unlink()
    assert first_edition(book) is None
    assert site._kept(book) == {}


def test_the_ledger_of_the_first_edition_is_served(built_book):
    kept = (built_book / "book" / "first_edition.json").read_bytes()
    html = built_book / "_build" / "html"
    assert (html / "first_edition.json").read_bytes() == kept
    page = (html / "book" / "corrections.html").read_text("utf-8")
    assert 'href="../first_edition.json"' in page
    assert page.index("superpos-verdict-contradicted") < page.index("superpos-verdict-reproduced")


# The book's own


def test_every_verdict_of_the_book_that_moved_has_a_reason():
    edition = first_edition(ROOT)
    changes = rules(ROOT / "book" / "rules.yml")
    ledger = collect(registry(ROOT), {})
    assert [
        each["id"] for each in edition.moved(ledger) if not reasons(each, edition, changes, ledger)
    ] == []


def test_the_ledger_of_the_first_edition_is_what_its_last_commit_expected():
    edition = first_edition(ROOT)
    assert len(edition.claims) == 113
    command = ["git", "-C", str(ROOT), "show", f"{edition.commit}:book/claims.yml"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("that commit is not here")
    then = yaml.safe_load(done.stdout)
    assert [(each["id"], each["expected"]) for each in then] == [
        (name, each["verdict"]) for name, each in edition.claims.items()
    ]
    assert corrections.FIRST_EDITION not in done.stdout.decode()
