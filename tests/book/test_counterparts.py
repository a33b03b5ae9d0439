"""The sources' figures beside ours: each is answered or says why not, and ours lead back."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_notebook, new_output

from superpos.book.citation import addresses, sources
from superpos.book.counterparts import Figure, as_markdown, counterparts, in_captions
from superpos.book.failures import NotPublishable
from superpos.book.ledger import collect, registry
from superpos.book.pages import as_page
from superpos.errors import InvalidArgument

ROOT = Path(__file__).parents[2]
SHOWN = re.compile(r'run\.show\(\s*[\w.]+,\s*"([\w-]+)"')
SVG = "image/svg+xml"


@pytest.fixture(scope="module")
def claims():
    return registry(ROOT)


@pytest.fixture(scope="module")
def theirs(claims):
    return counterparts(ROOT, claims)


# The book's own list


def test_each_figure_of_the_book_that_is_named_is_shown_by_a_notebook(theirs):
    texts = [path.read_text("utf-8") for path in (ROOT / "notebooks").glob("*.md")]
    shown = {name for text in texts for name in SHOWN.findall(text)}
    named = {name for figure in theirs.figures for name in figure.ours}
    assert len(named) > 40
    assert named - shown == set()


def test_every_figure_is_answered_or_says_why_not(theirs):
    for figure in theirs.figures:
        assert bool(figure.ours) is not bool(figure.why), figure.anchor
        assert figure.shows.endswith("."), figure.anchor
        assert not figure.why or figure.why.endswith("."), figure.anchor


def test_every_source_of_a_claim_has_its_figures_listed_or_none(theirs, claims):
    listed = {figure.source for figure in theirs.figures}
    listed |= {source for source, _ in theirs.without}
    assert listed == {claim.source_key for claim in claims.values()} - {"superpos"}


def test_claims_are_those_in_force_and_where_they_are_measured_ours_are_there(theirs, claims):
    """A figure of a source stands in no chapter but those that measure claims about it."""
    chapters = {path.stem: path.read_text("utf-8") for path in (ROOT / "notebooks").glob("*.md")}
    home = {name: chapter for chapter, text in chapters.items() for name in SHOWN.findall(text)}
    for figure in theirs.figures:
        assert [name for name in figure.claims if claims[name].amended_by] == [], figure.anchor
        if figure.ours and figure.claims:
            measured = {claims[name].chapter for name in figure.claims}
            assert {home[name] for name in figure.ours} <= measured, figure.anchor


def test_addresses_are_those_where_the_registry_sends_its_readers(theirs, claims):
    known = {claim.source_address for claim in claims.values()}
    known |= {address for address in addresses(ROOT).values()}
    for figure in theirs.figures:
        address = addresses(ROOT)[figure.source]
        assert (f"{address}#{figure.at}" if figure.at else address) in known, figure.anchor


def test_what_the_registry_calls_a_figure_is_on_the_list(theirs, claims):
    def plain(text: str) -> str:
        return re.sub(r"[^a-z]", "", text.lower())

    named = {(figure.source, plain(figure.named)) for figure in theirs.figures}
    quoted = re.compile(r'\b(?:figure|plot) "([^"]+)"')
    found = [
        (claim.source_key, plain(heading))
        for claim in claims.values()
        if not claim.new
        for heading in quoted.findall(claim.source_place)
    ]
    assert len(found) > 5
    assert set(found) - named == set()


# What is refused


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"shows": None}, "needs a section, and what it shows"),
        ({"colour": "green"}, "has a field colour"),
        ({"claims": ["alpha-falls"]}, "names alpha-falls: not in the registry"),
        ({"ours": []}, "either figures of ours or the reason why not"),
        ({"why": "It is ours."}, "either figures of ours or the reason why not"),
    ],
)
def test_what_is_wrong_is_refused_by_number(book, changed, told):
    good = {"section": "End", "shows": "Lines.", "ours": ["alpha-line"], "count": 2}
    listed = {"elhage2022toy": [good, good | changed]}
    (book / "book" / "figures.yml").write_text(yaml.safe_dump(listed))
    with pytest.raises(InvalidArgument, match=rf"^figures.yml: figure 3 of elhage2022toy .*{told}"):
        counterparts(book, registry(book))


# The page, and the captions


def drawing(name: str, svg: str = "<svg/>", **data) -> nbformat.NotebookNode:
    told = {"name": name, "alt": f"alt of {name}", "caption": f"Lines of {name}."}
    return new_output("display_data", {SVG: svg, **data}, metadata={"superpos": told})


@pytest.fixture
def made(book):
    """A list of figures, the chapters with ours, and the ledger."""
    listed = {
        "elhage2022toy": [
            {"section": "Intro", "shows": "W_i | D*.", "named": "Lines", "ours": ["a", "b"],
             "claims": ["alpha-rises"], "at": "rise"},
            {"section": "Sketch", "shows": "A drawing.", "count": 2, "why": "It is a drawing."},
            {"section": "End", "shows": "More.", "ours": ["a"]},
        ]
    }  # fmt: skip
    (book / "book" / "figures.yml").write_text(yaml.safe_dump(listed))
    outputs = [drawing("a"), drawing("b", "<svg>\r\n</svg>"), drawing("alone")]
    outputs[1].data["text/html"] = "<b>it moves</b>"
    table = new_output("display_data", {"text/html": "<table/>"})
    cell = new_code_cell("draw()", outputs=[*outputs, table])
    notebooks = {"alpha": new_notebook(cells=[cell]), "beta": new_notebook()}
    return counterparts(book, registry(book)), notebooks, collect(registry(book), {})


def page(book, made, **changed) -> str:
    theirs, notebooks, ledger = made
    known = {"titles": {"alpha": "Alpha"}, "sources": sources(book)}
    told = {**known, "addresses": {"elhage2022toy": "https://lines.org/"}, **changed}
    return as_markdown(theirs, notebooks, ledger, **told)


def test_a_line_has_their_figure_ours_and_the_claims_with_their_verdicts(book, made):
    text = page(book, made)
    first, drawn, end = [line for line in text.splitlines() if line.startswith("| <span")]
    assert first.startswith('| <span id="elhage2022toy-1"></span>1 | *Lines.* <var>W</var>')
    assert "\\| <var>D</var>\\*." in first
    assert '<a href="https://lines.org/#rise">Intro</a>' in first
    assert "{numref}`a`<br>{numref}`b` |" in first
    assert "[untested]{.superpos-verdict .superpos-verdict-untested}" in first
    assert '<a href="../claims/alpha-rises.html">alpha-rises</a>' in first
    assert "2–3 | A drawing." in drawn
    assert "| None. It is a drawing. |" in drawn
    assert end.startswith('| <span id="elhage2022toy-4"></span>4 ')
    assert "Of 4 figures, 2 have one of ours" in " ".join(text.split())


def test_every_figure_of_ours_is_on_the_page_those_without_counterpart_at_its_end(book, made):
    answered, _, alone = page(book, made).partition("## Figures that no source has")
    assert re.findall(r"\{numref\}`(\w+)`", answered) == ["a", "b", "a"]
    assert re.findall(r"\{numref\}`(\w+)`", alone) == ["alone"]
    assert "**Alpha**" in alone


def test_a_figure_that_no_chapter_has_is_refused(book, made):
    theirs, notebooks, ledger = made
    del notebooks["alpha"].cells[0].outputs[0]
    with pytest.raises(NotPublishable, match=r"names figures that no chapter has: \['a'\]"):
        page(book, (theirs, notebooks, ledger))


def test_captions_lead_to_the_counterparts_and_the_executed_notebook_keeps_its_own(book, made):
    theirs, notebooks, _ = made
    compared = in_captions(theirs.figures, sources(book))
    assert set(compared) == {"a", "b"}
    assert re.sub("<[^>]+>", "", compared["a"]) == (
        "Compare figures 1 and 4 of Elhage and Olah 2022."
    )
    assert 'href="../figures.html#elhage2022toy-4"' in compared["a"]
    shown = as_page(notebooks["alpha"], chapter="alpha", compared=compared)
    captions = [
        cell.metadata["mystnb"]["figure"]["caption"]
        for cell in shown.cells
        if "mystnb" in cell.metadata
    ]
    assert captions[0] == f"Lines of a. {compared['a']}"
    assert captions[2] == "Lines of alone."
    told = notebooks["alpha"].cells[0].outputs[0].metadata["superpos"]
    assert told["caption"] == "Lines of a."


def test_figures_of_two_sources_are_told_apart():
    theirs = [
        Figure("post", 2, "End", "Lines.", ours=("lines",)),
        Figure("talk", 1, "End", "Lines.", count=2, ours=("lines",)),
    ]
    told = in_captions(theirs, {"post": "Ruler 2031, On lines", "talk": "On dots (2032)"})["lines"]
    assert re.sub("<[^>]+>", "", told) == (
        "Compare figure 2 of Ruler 2031 and figures 1–2 of On dots (2032)."
    )


def test_a_book_without_the_list_has_no_such_page(book):
    assert not counterparts(book, registry(book))
