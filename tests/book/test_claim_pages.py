"""A page for each claim: what it says, and that nothing of it is broken."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from superpos.book import claim_pages
from superpos.book.chapters import load_chapters
from superpos.book.citation import edition, sources
from superpos.book.ledger import collect, registry
from superpos.claims.clone import Commit
from superpos.claims.typeset import typeset

ROOT = Path(__file__).parents[2]


class Page(HTMLParser):
    """The text of a page, its rows, where it leads, and that its tags close."""

    EMPTY = ("meta", "link", "br")

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open, self.led, self.text, self.rows = [], [], "", {}
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self.led.append(dict(attrs)["href"])
        if tag == "dt":
            self.name = ""
        if tag == "dd":
            self.rows[self.name] = ""
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "script" in self.open:
            return
        self.text += data
        if "dt" in self.open:
            self.name += data
        if "dd" in self.open:
            self.rows[self.name] += data


def pages(root: Path, ledger, titles=None, styles=("_static/tiny.css",), registered=None):
    found = claim_pages.as_pages(
        ledger, titles or {}, sources(root), edition(root), styles, registered or {}
    )
    return {path: content.decode() for path, content in found.items()}


@pytest.fixture
def row(book):
    """A claim with a verdict."""
    row = collect(registry(book), {})[0]
    source = row["source"] | {
        "section": "Lines <i>and</i> dots", "place": "the <b>first</b> figure",
        "address": "https://lines.org/?a=1&amp=2#rise",
    }  # fmt: skip
    return row | {
        "source": source,
        "verdict": "qualified", "evidence": {"told": "shown by 9 of 20"}, "seeds": 20,
        "measured": {"size < 1": "a & b"}, "qualified": "Only <some> rise.",
        "page": "book/executed/alpha.html", "command": "superpos retest alpha-rises",
    }  # fmt: skip


def page(book, row, **options) -> Page:
    ((path, source),) = pages(book, [row], **options).items()
    assert path == "claims/alpha-rises.html"
    return Page(source)


def test_the_page_says_all_that_the_ledger_says(book, row):
    shown = page(book, row, titles={"alpha": "The <first>"})
    assert shown.rows == {
        "Source": "Elhage and Olah 2022, Toy Models of Superposition; Lines <i>and</i> dots: "
        "the <b>first</b> figure",
        "Setting": "n = 5",
        "What counts": "The last point lies above the first.",
        "Mark": row["mark"],
        "Weaker reading": "Only <some> rise.",
        "Evidence": "shown by 9 of 20",
        "size < 1": "a & b",
        "Experiment": "in its chapter",
        "Run it again": "superpos retest alpha-rises",
    }
    for text in (
        "The line rises, so that $n > 1$.",
        "qualified",
        "holds with a stated change",
        "The <first>",
        "Number of steps. Source: Silent. Ours: Five.",
        edition(book).in_words(row),
        edition(book).as_bibtex(row),
    ):
        assert text in shown.text
    assert shown.led == [
        "../index.html",
        "../book/scoreboard.html#claim-alpha-rises",
        "../book/executed/alpha.html",
        "https://lines.org/?a=1&amp=2#rise",
        "../book/executed/alpha.html#claim-alpha-rises",
    ]


def test_a_claim_without_a_verdict_has_a_page_that_says_so(book):
    row = collect(registry(book), {})[0]
    shown = page(book, row)
    assert "not decided yet" in shown.text
    assert set(shown.rows) == {"Source", "Setting", "What counts", "Mark"}
    assert shown.led[2:] == [row["source"]["address"]]
    measured = page(book, row | {"page": "book/executed/alpha.html"})
    assert measured.led[-1] == "../book/executed/alpha.html"  # there is no card to lead to


@pytest.mark.parametrize(("held", "label"), [("holds", "new: held"), ("fails", "new: failed")])
def test_new_says_whether_what_we_expected_held(book, row, held, label):
    shown = page(book, row | {"verdict": "new", "held": held})
    assert f"{label} goes beyond the sources" in shown.text
    assert f"Verdict: {label}." in shown.text


def test_a_page_leads_to_the_one_that_amends_it_and_back(book, row):
    old = page(book, row | {"amended_by": "alpha-rises-2"})
    assert old.rows["Amended by"] == "alpha-rises-2"
    assert "alpha-rises-2.html" in old.led
    amendment = {"date": "2026-11-26", "known": True, "why": "It <could> not fail."}
    new = page(book, row | {"amends": "alpha-falls", "amendment": amendment, "why": "Open."})
    assert new.rows["Amends"] == "alpha-falls (2026-11-26): It <could> not fail."
    assert new.rows["Why"] == "Open."


def test_a_page_says_why_there_is_no_weaker_reading(book, row):
    shown = page(book, row | {"qualified": None, "no_weaker": "It is exact."})
    assert shown.rows["Weaker reading"] == "None. It is exact."


def test_a_page_of_a_claim_without_a_test_says_why_and_leads_to_no_experiment(book, row):
    shown = page(book, row | {"unmeasured": "It takes longer.", "why": "It takes longer."})
    assert shown.rows["Why"] == "It takes longer."
    assert not {"What counts", "Mark", "Experiment"} & shown.rows.keys()


def test_amendments_and_responses_stand_on_the_page_where_there_are_any(book, row):
    bare = page(book, row | {"amendments": (), "responses": ()}).rows
    assert not {"Changed", "Responses"} & set(bare)
    told = {"date": "2026-01-02", "what": "a & b.", "why": "It is.", "measured": "after"}
    reply = {"who": "<A>", "date": "2027-01-02", "text": "No.", "address": "https://a.example/1"}
    shown = page(book, row | {"amendments": [told], "responses": [reply]})
    assert shown.rows["Changed"] == "2026-01-02, after measuring: a & b. It is."
    assert shown.rows["Responses"] == "<A>, 2027-01-02: “No.” (in full)"
    assert "https://a.example/1" in shown.led


def test_a_page_names_the_commit_that_registered_its_claim(book, row):
    commit = Commit("0123456789abcdef", (), "fedcba", "2026-11-20 08:15", "Register")
    registered = {"alpha-rises": commit, "other": commit}
    assert (
        page(book, row, registered=registered).rows["Registered"] == f"{commit.short} {commit.date}"
    )
    known = page(book, row | {"known": True}, registered=registered).rows["Registered"]
    assert known == f"{commit.short} {commit.date}, knowing the outcome"
    assert "Registered" not in page(book, row, registered={"other": commit}).rows


def test_formulas_are_set_as_formulas(book, row):
    ((_, source),) = pages(book, [row | {"statement": "‖W_i‖² = n"}]).items()
    assert "‖<var>W</var><sub><var>i</var></sub>‖² = <var>n</var></p>" in source


def test_a_page_uses_the_sites_styles_and_knows_its_own_address(book, row, edit):
    ((_, source),) = pages(book, [row], styles=("_static/a.css", "_static/b.css")).items()
    assert re.findall('rel="stylesheet" href="([^"]*)"', source) == [
        "../_static/a.css", "../_static/b.css",
    ]  # fmt: skip
    own = "https://lines.org/book/claims/alpha-rises.html"
    assert own not in source
    edit(book / "_config.yml", "html:\n", "html:\n  baseurl: https://lines.org/book\n")
    ((_, source),) = pages(book, [row]).items()
    assert f"url          = {{{own}}}" in source


def test_every_claim_of_the_book_has_a_light_page_without_a_broken_link():
    chapters = {chapter.name: chapter.title for chapter in load_chapters(ROOT)}
    ledger = [
        row | {"page": f"book/executed/{row['chapter']}.html"}
        for row in collect(registry(ROOT), {})
    ]
    found = pages(ROOT, ledger, chapters, ("_static/superpos.css",))
    assert list(found) == [f"claims/{row['id']}.html" for row in ledger]
    served = {"index.html", "book/scoreboard.html", "claims.json", "claims.schema.json"}
    served |= {f"book/executed/{chapter}.html" for chapter in chapters}
    served |= {f"{row['id']}.html" for row in ledger}
    for row, source in zip(ledger, found.values(), strict=True):
        assert len(source.encode()) < 15_000, row["id"]
        shown = Page(source)
        assert typeset(row["source"]["place"]) in source, row["id"]
        for link in shown.led:
            path = link.partition("#")[0]
            assert link == row["source"]["address"] or path.removeprefix("../") in served, link
        assert ">None<" not in source, row["id"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("chosen", ["", "auto", "light", "dark"])
def test_a_page_is_dark_where_the_reader_chose_so_or_the_system_is(
    built_book, browser, scheme, chosen
):
    context = browser.new_context(color_scheme=scheme, offline=True)
    context.add_init_script(f"localStorage.setItem('mode', '{chosen}')" if chosen else "")
    shown = context.new_page()
    shown.goto((built_book / "_build/html/claims/alpha-rises.html").as_uri())
    dark = chosen == "dark" or (chosen != "light" and scheme == "dark")
    theme = shown.evaluate("document.documentElement.dataset.theme")
    assert theme == ("dark" if dark else "light")
    context.close()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_page_can_be_read_on_a_phone_and_in_the_dark(tmp_path, browser, width, theme):
    """Nothing sticks out, and text stands out from its ground (WCAG: 4.5 to 1)."""
    row = next(row for row in collect(registry(ROOT), {}) if row["id"] == "uniform-tegum-split")
    row |= {"command": "superpos retest uniform-tegum-split --procedure published"}
    style = (ROOT / "book/_static/superpos.css").read_text("utf-8")
    (tmp_path / "claims").mkdir()
    (tmp_path / "style.css").write_text(style, "utf-8")
    ((path, source),) = pages(ROOT, [row], styles=("style.css",)).items()
    (tmp_path / path).write_text(source, "utf-8")
    context = browser.new_context(
        viewport={"width": width, "height": 844}, color_scheme=theme, offline=True
    )
    shown = context.new_page()
    shown.goto((tmp_path / path).as_uri())
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    for selector in ("body", "dd", "dt", "pre", "a", ".superpos-statement", "summary"):
        assert shown.evaluate(CONTRAST, selector) >= 4.5, selector
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_card_can_be_read_in_the_dark(built_book, browser, theme):
    """The theme gives what a cell shows as HTML a light ground in the dark: a card has its own."""
    context = browser.new_context(color_scheme=theme, offline=True)
    shown = context.new_page()
    shown.goto((built_book / "_build/html/book/executed/alpha.html").as_uri())
    shown.wait_for_selector(f"html[data-theme={theme}]")
    for selector in (".superpos-card dt", ".superpos-card dd", ".superpos-card code"):
        assert shown.evaluate(CONTRAST, selector) >= 4.5, selector
    context.close()


CONTRAST = """selector => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number)
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0)
  const found = document.querySelector(selector)
  let ground = found
  while (rgb(getComputedStyle(ground).backgroundColor)[3] === 0) ground = ground.parentElement
  const text = light(rgb(getComputedStyle(found).color))
  const below = light(rgb(getComputedStyle(ground).backgroundColor))
  return (Math.max(text, below) + 0.05) / (Math.min(text, below) + 0.05)
}"""
