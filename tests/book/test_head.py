"""What a page says of itself."""

from __future__ import annotations

import pytest

from superpos.book.head import LONGEST, description, introduced

PAGE = '<head><title>A &amp; b</title></head><article class="bd-article">{}</article>'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<h1>No</h1><p>One <em>two</em>\n&amp; three.</p><p>Four.</p>", "One two &amp; three."),
        ("<p>" + "A word. " * 40 + "</p>", ("A word. " * 25).strip()),
        ("<h1>No text</h1>", ""),
    ],
)
def test_the_first_paragraph_describes_a_page(text, told):
    assert description(PAGE.format(text)) == told


def test_a_long_sentence_ends_between_words():
    told = description(PAGE.format("<p>" + "word " * 100 + "</p>"))
    assert told.endswith("word …")
    assert len(told) <= LONGEST + 2


def test_every_page_has_an_icon_and_a_title_to_share(built_book):
    site = built_book / "_build" / "html"
    for page in (p for p in site.rglob("*.html") if p.name != "index.html" or p.parent != site):
        text = page.read_text("utf-8")
        assert text.count('rel="icon"') == 1, page
        assert text.count('property="og:title"') == 1, page
    assert 'content="How many points does a line need?' in (
        site / "book/executed/alpha.html"
    ).read_text("utf-8")


def test_a_description_of_its_own_stays():
    page = '<head><meta name="description" content="own"></head>'
    assert introduced(page, "a.html").count("description") == 1
