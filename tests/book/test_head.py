"""What a page says of itself."""

from __future__ import annotations

import re
import struct
from dataclasses import replace

import pytest

from superpos.book import card
from superpos.book.citation import Edition
from superpos.book.head import LONGEST, description, introduced
from superpos.cli import main

LINES = Edition("lines: a book", ("Ann Ruler",), "1.0", 2031)
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


def test_every_page_says_what_it_is_and_without_an_address_nothing_of_where(built_book):
    site = built_book / "_build" / "html"
    for page in site.rglob("*.html"):
        text = page.read_text("utf-8")
        assert text.count('rel="icon"') == 1, page
        assert text.count('property="og:title"') == 1, page
        for absent in ("og:image", "og:url", 'rel="canonical"', "summary_large_image"):
            assert absent not in text, page
    assert 'content="How many points does a line need?' in (
        site / "book/executed/alpha.html"
    ).read_text("utf-8")
    assert not (site / "sitemap.xml").exists()


def test_with_an_address_every_page_says_where_it_is_and_shows_the_picture(
    copied_book, edit, monkeypatch
):
    monkeypatch.setattr(card, "CLAIM", "alpha-rises")
    edit(copied_book / "_config.yml", "html:\n", "html:\n  baseurl: https://lines.org/book/\n")
    assert main(["build"]) == 0
    site = copied_book / "_build" / "html"
    pages = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    for page in pages:
        text = (site / page).read_text("utf-8")
        at = f"https://lines.org/book/{page}"
        assert re.findall('rel="canonical" href="([^"]*)"', text) == [at]
        assert re.findall('property="og:url" content="([^"]*)"', text) == [at]
        (image,) = re.findall('property="og:image" content="([^"]*)"', text)
        assert text.count('name="twitter:card" content="summary_large_image"') == 1
        assert "20 of 20 trained models" in text
    picture = (site / image.removeprefix("https://lines.org/book/")).read_bytes()
    assert struct.unpack(">II", picture[16:24]) == (1200, 630)
    assert len(picture) < 40_000
    listed = re.findall(
        "<loc>https://lines.org/book/(.*?)</loc>", (site / "sitemap.xml").read_text()
    )
    assert set(listed) == pages - {"index.html", "404.html", "search.html", "genindex.html"}
    assert {"book/index.html", "book/executed/beta.html", "claims/beta-rests.html"} <= set(listed)
    assert '<base href="/book/">' in (site / "404.html").read_text("utf-8")


def test_a_picture_is_named_only_where_the_sites_address_is_known():
    page = "<head><title>A</title></head>"
    assert "og:image" not in introduced(page, "a.html", LINES, "A pentagon")
    there = replace(LINES, site="https://lines.org")
    assert 'og:image" content="https://lines.org/_static/card.png"' in introduced(
        page, "a.html", there, "A pentagon"
    )
    assert "og:image" not in introduced(page, "a.html", there)


def test_a_description_of_its_own_stays_and_is_shared():
    for described in ('name="description" content="own"', 'content="own" name="description"'):
        page = introduced(f"<head><title>A</title><meta {described}></head>", "a.html", LINES)
        assert page.count('="description"') == 1
        assert '<meta property="og:description" content="own">' in page


def test_the_front_page_has_the_books_title_and_others_keep_their_own():
    front = introduced("<head><title>lines &#8212; lines</title></head>", "a.html", LINES)
    assert "<title>lines: a book</title>" in front
    assert "<title>A &#8212; lines</title>" in introduced(
        "<head><title>A &#8212; lines</title></head>", "a.html", LINES
    )


def test_the_address_of_the_site_leads_to_its_first_page(built_book):
    text = (built_book / "_build" / "html" / "index.html").read_text("utf-8")
    assert 'http-equiv="Refresh" content="0; url=book/index.html"' in text
    assert '<meta property="og:description" content="With a scoreboard and nothing else.">' in text
