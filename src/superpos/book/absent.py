"""The page that a server sends where an address leads nowhere, ``404.html``.

It is sent for addresses of any depth, so its links start from the root of the site: from the path
of ``html: baseurl`` in ``_config.yml``, or of the host where none is configured.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from superpos.book.chapters import EXECUTED
from superpos.book.citation import Edition
from superpos.book.plain_page import plain_page

PATH = "404.html"  # where servers of files look for it
FRONT, SCOREBOARD, SEARCH = "index.html", "book/scoreboard.html", "search.html"


def as_page(titles: Mapping[str, str], edition: Edition, styles: Sequence[str]) -> str:
    """Return the page: it says where things are, and searches for the rest.

    Parameters
    ----------
    titles
        The title of each chapter, by name, in reading order.
    edition
        The book, and where it is, if that is known.
    styles
        The site's own styles, by their paths in the site.

    Examples
    --------
    >>> lines = Edition("lines", ("Ann Ruler",), "1.0", 2031, "https://host/lines")
    >>> page = as_page({"alpha": "The first"}, lines, [])
    >>> '<base href="/lines/">' in page, '<a href="book/executed/alpha.html">' in page
    (True, True)
    """
    chapters = "".join(
        f'<li><a href="{EXECUTED}/{name}.html">{html.escape(title)}</a></li>\n'
        for name, title in titles.items()
    )
    return plain_page(
        title=f"No such page – {edition.title}",
        about="There is no page at this address.",
        styles=styles,
        base=f"{urlsplit(edition.site).path.rstrip('/')}/",
        nav=f'<a href="{FRONT}">superpos</a> · <a href="{SCOREBOARD}">Scoreboard</a>',
        main=f"""<h1>There is no page at this address</h1>
<p>It may have moved, or its address was cut short. Search for it:</p>
<form class="superpos-absent" action="{SEARCH}" role="search">
<input type="search" name="q" aria-label="Search the book"> <button>Search</button>
</form>
<p>The <a href="{FRONT}">front page</a> has a model to play with, and every claim as a dot; the
<a href="{SCOREBOARD}">scoreboard</a> lists the claims with their verdicts. The chapters:</p>
<ol>
{chapters}</ol>""",
    )
