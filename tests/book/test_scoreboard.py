"""The scoreboard: complete without its script; with it sorted, filtered, opened by address."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from superpos.book import scoreboard
from superpos.book.facts import Rate, rate
from superpos.book.ledger import collect, registry
from superpos.claims.amendments import Amendment, Response
from superpos.claims.registry import VERDICTS
from superpos.claims.wording import KEPT

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "book" / "_static"
TITLES = {"uniform_superposition": "Uniform", "memorization": "Memorization"}
SOURCES = {"elhage2022toy": "Elhage et al. 2022, Toy Models"}


@pytest.fixture(scope="module")
def ledger():
    """The claims of two chapters, with verdicts by turns, the first with all that there can be."""
    claims = registry(ROOT)
    amended = Amendment("2026-11-21", "No interval: D* is known.", "All.", "after", "untested")
    reply = Response("A. Author", "2027-01-02", "More <seeds>.", "https://a.example/1")
    rows = [row for row in collect(claims, {}) if row["chapter"] in TITLES]
    for number, row in enumerate(rows):
        verdict = "new" if row["new"] else [v for v in VERDICTS if v != "new"][number % 4]
        row |= {
            "verdict": verdict, "held": "fails" if row["new"] else None,
            "page": f"book/executed/{row['chapter']}.html", "measured": {"slope": "0.5 ± 0.1"},
            "evidence": None if verdict == "untested" else {
                "told": f"shown by {number} of 40 seeds", "shown": number, "of": 40,
                "as_published": None, "at_rest": None,
            },
            "command": f"superpos retest {row['id']}",
        }  # fmt: skip
    rows[0] |= {
        "amendments": [vars(amended)], "responses": [vars(reply)],
        "curve": {"holds": 5, "of": 9, "favourable": "p 9"},
    }  # fmt: skip
    return rows


@pytest.fixture(scope="module")
def text(ledger):
    return scoreboard.as_markdown(ledger, TITLES, (), SOURCES)


@pytest.fixture
def visit(browser, tmp_path, text):
    """Open the table as a file, as it was given a place in a page."""
    board = text[text.index('<div class="superpos-board') : text.index("</div>") + 6]
    assert "\n\n" not in board  # Markdown would end it there
    (tmp_path / "board.html").write_text(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Scoreboard</title>"
        "<meta name=viewport content='width=device-width'>"
        f"<link rel=stylesheet href='{(STATIC / 'scoreboard.css').as_uri()}'>"
        f"<script src='{(STATIC / 'scoreboard.js').as_uri()}'></script><main>{board}</main>",
        "utf-8",
    )
    contexts = []

    def visit(after: str = "", **options):
        contexts.append(browser.new_context(offline=True, **options))
        page = contexts[-1].new_page()
        page.wrong = []
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.goto((tmp_path / "board.html").as_uri() + after)
        return page

    yield visit
    assert [page.wrong for context in contexts for page in context.pages if page.wrong] == []
    for context in contexts:
        context.close()


def shown(page) -> list[str]:
    return [
        row.get_attribute("id").removeprefix("claim-")
        for row in page.locator("tbody tr").all()
        if row.is_visible()
    ]


def names(rows) -> set[str]:
    return {row["id"] for row in rows}


def test_the_first_table_tells_the_sources_claims_from_ours_and_held_from_failed(ledger, text):
    counts = Counter((row["new"], row["verdict"]) for row in ledger if not row["amended_by"])
    lines = {line.split("|")[1].strip(): line for line in text.splitlines() if "| **" in line}
    assert list(lines) == [*scoreboard.OUTCOMES, "in all"]
    assert f"| **{counts[False, 'reproduced']}** <a" in lines["held"]
    assert f"| **{counts[False, 'contradicted']}** <a" in lines["failed"]
    assert f"| **{counts[True, 'new']}** <a" in lines["failed"]
    assert "| **0** <a" in lines["held"]
    ours = sum(n for (new, _), n in counts.items() if new)
    assert lines["in all"].endswith(f"| **{counts.total() - ours}** | **{ours}** |")
    assert f"{counts.total() - ours} claims of the sources and {ours} of ours" in text
    assert "{cite}`elhage2022toy`" in text


def test_without_a_script_every_claim_is_there_and_opens(visit, ledger):
    page = visit(java_script_enabled=False)
    assert shown(page) == [row["id"] for row in ledger]
    assert not page.locator("form").is_visible()
    row = page.locator(f"#claim-{ledger[0]['id']}")
    assert not row.get_by_text(ledger[0]["mark"]).is_visible()
    row.locator("summary").click()
    for told in (
        ledger[0]["mark"], "0.5 ± 0.1", "holds in 5 of 9 specifications",
        "2026-11-21, after measuring: No interval", "A. Author, 2027-01-02: “More <seeds>.”",
        f"superpos retest {ledger[0]['id']}", "Elhage et al. 2022, Toy Models",
    ):  # fmt: skip
        assert told in row.inner_text()
    led = {link.get_attribute("href") for link in row.locator("a").all()}
    name, chapter = ledger[0]["id"], ledger[0]["chapter"]
    assert led >= {
        f"executed/{chapter}.html#claim-{name}", f"../claims/{name}.html",
        f"robustness/{chapter}.html#curve-{name}",
    }  # fmt: skip


def test_what_is_superseded_waits_behind_a_switch(visit, ledger):
    page = visit()
    force = [row for row in ledger if not row["amended_by"]]
    assert len(force) < len(ledger)
    assert set(shown(page)) == names(force)
    status = page.get_by_role("status")
    assert status.inner_text() == f"{len(force)} of {len(force)}"
    page.get_by_label("Superseded tests too").check()
    assert set(shown(page)) == names(ledger)
    assert status.inner_text() == f"{len(ledger)} of {len(ledger)}"


def test_filters_narrow_each_other_and_stand_in_the_address(visit, ledger):
    page = visit()
    force = [row for row in ledger if not row["amended_by"]]
    page.get_by_label("Verdict").select_option("reproduced")
    page.get_by_label("Chapter").select_option("Uniform")
    chosen = [
        row for row in force
        if row["verdict"] == "reproduced" and row["chapter"] == "uniform_superposition"
    ]  # fmt: skip
    assert 0 < len(chosen) < len(force)
    assert set(shown(page)) == names(chosen)
    assert page.get_by_role("status").inner_text() == f"{len(chosen)} of {len(force)}"
    word = chosen[0]["statement"].split()[-2]
    page.get_by_label("Words").fill(f"{word.upper()} {chosen[0]['id']}")
    assert shown(page) == [chosen[0]["id"]]
    again = visit(page.url.partition("board.html")[2])
    assert shown(again) == shown(page)
    assert again.get_by_label("Verdict").input_value() == "reproduced"
    again.get_by_role("button", name="Show all").click()
    again.wait_for_function("!location.search")
    assert set(shown(again)) == names(force)


@pytest.mark.parametrize("kind", ["sources", "ours"])
def test_the_sources_claims_and_ours_can_be_told_apart(visit, ledger, kind):
    page = visit(f"?source={kind}")
    told = [row for row in ledger if not row["amended_by"] and row["new"] is (kind == "ours")]
    assert told
    assert set(shown(page)) == names(told)


def test_a_filter_that_is_none_leaves_everything(visit, ledger):
    force = [row for row in ledger if not row["amended_by"]]
    assert len(shown(visit("?verdict=splendid"))) == len(force)


def test_a_column_sorts_by_keyboard_both_ways_and_says_so(visit, ledger):
    page = visit()
    button = page.get_by_role("button", name="Rate")
    head = page.get_by_role("columnheader", name="Rate")
    rates = {row["id"]: found.share if (found := rate(row)) else -1 for row in ledger}
    for order, falls in (("ascending", False), ("descending", True)):
        button.focus()
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == order
        found = [rates[name] for name in shown(page)]
        assert found == sorted(found, reverse=falls)
        assert len(set(found)) > 3
    others = page.locator("thead th[aria-sort=none]")
    assert others.count() == 4
    assert shown(visit("?sort=-rate")) == shown(page)


@pytest.mark.parametrize("form", ["#{}", "#claim-{}"])
def test_an_address_opens_a_claim_even_one_that_is_filtered_away(visit, ledger, form):
    old = next(row["id"] for row in ledger if row["amended_by"])
    page = visit("?verdict=reproduced" + form.format(old))
    row = page.locator(f"#claim-{old}")
    assert row.locator("details").get_attribute("open") is not None
    assert row.locator("summary").is_visible()
    assert old in shown(page)
    other = ledger[-1]["id"]
    page.evaluate(f"location.hash = 'claim-{other}'")
    page.wait_for_selector(f"#claim-{other} details[open]")


@pytest.mark.parametrize("width", [360, 390, 1280])
def test_nothing_sticks_out_closed_or_open(visit, width):
    page = visit(viewport={"width": width, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for control in page.locator("form select, form input, form button").all():
        assert control.bounding_box()["height"] >= (24 if width < 600 else 12)


def test_a_rate_is_the_one_that_decides_and_rounds_to_all_only_where_it_is_all():
    own = {"shown": 3, "of": 4, "as_published": None, "at_rest": None}
    rest = own | {"at_rest": {"shown": 0, "of": 9}}
    assert rate({"evidence": own}) == Rate(3, 4)
    assert rate({"evidence": rest}) == Rate(0, 9, "at rest")
    published = rate({"evidence": rest | {"as_published": {"shown": 199, "of": 200}}})
    assert published == Rate(199, 200, "as published")
    assert published.percent == "99.5%"
    assert rate({"evidence": None}) is None
    assert rate({"evidence": own | {"shown": 0, "of": 0}}) is None


def test_an_empty_ledger_has_no_table():
    text = scoreboard.as_markdown([], {})
    assert "superpos-board" not in text
    assert "bibliography" not in text


def test_the_scoreboard_tells_what_chapters_may_take():
    alpha = SimpleNamespace(
        chapter=SimpleNamespace(title="The first", budget_seconds=30, budget_mebibytes=None),
        seconds=42.3,
        mebibytes=456.7,
    )
    page = scoreboard.as_markdown([], {}, [alpha])
    assert "| The first | 30 s |  |" in page
    assert "42" not in page  # it would differ the next time
    assert "Time and memory" not in scoreboard.as_markdown([], {})


def test_the_words_on_the_cards_are_explained(text):
    rows = {name.lower() for name in KEPT.values()}
    assert {*scoreboard.WORDS} >= rows | {"mark", "weaker reading", "specification"}
    assert all(f"<dt>{word}</dt><dd>" in text for word in scoreboard.WORDS)
