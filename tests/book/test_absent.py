"""The page for addresses that lead nowhere, at any depth."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

import pytest

from superpos.book.absent import as_page
from superpos.book.citation import Edition


@pytest.mark.parametrize("site", ["", "https://lines.org", "https://host.org/lines/"])
@pytest.mark.parametrize("asked", ["gone.html", "book/executed/gone.html", "a/b/c/d/"])
def test_its_links_start_from_the_root_of_the_site(built_book, site, asked):
    root = site.rstrip("/") or "http://127.0.0.1:8000"
    page = as_page({"alpha": "A"}, Edition("lines", (), "1", 2031, site), ["_static/superpos.css"])
    (base,) = re.findall('<base href="(.*?)">', page)
    links = re.findall('(?:href|action)="(?!/)([^"]*)"', page)
    assert {"search.html", "book/executed/alpha.html", "_static/superpos.css"} <= set(links)
    for link in links:
        path = urlsplit(urljoin(urljoin(f"{root}/{asked}", base), link)).path
        inside = path.removeprefix(urlsplit(root).path + "/")
        assert (built_book / "_build" / "html" / inside).exists(), link


def test_a_wrong_address_of_the_site_is_answered_with_it(built_book):
    page = (built_book / "_build" / "html" / "404.html").read_text("utf-8")
    assert "There is no page at this address" in page
    assert '<a href="book/executed/beta.html">The second chapter</a>' in page
