"""What a page says of itself to those who list and share it: icon, title, description, picture.

Addresses are written out only where `Edition.site` is known: those who show a shared link read
nothing relative, and a picture that is not found is worse than none.
"""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from superpos.book import card

if TYPE_CHECKING:
    from superpos.book.citation import Edition

ICON = "_static/favicon.svg"
LONGEST = 200  # characters of a description
# Pages that nobody looks for: they list others, or lead on.
UNLISTED = ("index.html", "search.html", "genindex.html", "404.html")

_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
_DESCRIBED = re.compile(
    r'<meta (?:name="description" content="([^"]*)"|content="([^"]*)" name="description")'
)
_CANONICAL = re.compile(r'<link rel="canonical"')
_ARTICLE = re.compile(r'<article class="bd-article">(.*?)</article>', re.DOTALL)
_PARAGRAPH = re.compile(r"<p>(.*?)</p>", re.DOTALL)


def introduced(page: str, path: str, edition: Edition, picture: str = "") -> str:
    """Return a page's HTML whose head has the site's icon, a description and what sharing shows.

    Parameters
    ----------
    page
        As it was made. A description that it has stays.
    path
        Of the page, in the site.
    edition
        The book, and where it is, if that is known.
    picture
        What the site's picture (`superpos.book.card`) says; "" where there is none.

    Examples
    --------
    >>> from superpos.book.citation import Edition
    >>> page = '<head><title>A</title></head>'
    >>> page += '<article class="bd-article"><p>B <b>c</b>.</p></article>'
    >>> lines = Edition("lines", ("Ann Ruler",), "1.0", 2031)
    >>> print(introduced(page, "book/a.html", lines).partition("</head>")[0])
    <head><title>A</title><link rel="icon" type="image/svg+xml" href="../_static/favicon.svg">
    <meta name="description" content="B c.">
    <meta property="og:type" content="article">
    <meta property="og:site_name" content="lines">
    <meta property="og:title" content="A">
    <meta property="og:description" content="B c.">
    <meta name="twitter:card" content="summary">
    <BLANKLINE>
    """
    icon = posixpath.relpath(ICON, posixpath.dirname(path))
    lines = [f'<link rel="icon" type="image/svg+xml" href="{icon}">']
    page = _TITLE.sub(lambda found: f"<title>{_titled(found[1], edition)}</title>", page, count=1)
    text = description(page)
    if text and not _DESCRIBED.search(page):
        lines.append(f'<meta name="description" content="{text}">')
    address = edition.address(path)
    if address and not _CANONICAL.search(page):
        lines.append(f'<link rel="canonical" href="{html.escape(address)}">')
    title = _TITLE.search(page)
    shown = {
        "og:type": "article",
        "og:site_name": html.escape(edition.title),
        "og:title": _plain(title[1]) if title else "",
        "og:description": text,
        "og:url": html.escape(address),
    }
    if picture and address:
        shown["og:image"] = html.escape(edition.address(card.PATH))
        shown["og:image:width"], shown["og:image:height"] = map(str, card.SIZE)
        shown["og:image:alt"] = html.escape(picture)
    lines += [f'<meta property="{name}" content="{told}">' for name, told in shown.items() if told]
    kind = "summary_large_image" if "og:image" in shown else "summary"
    lines.append(f'<meta name="twitter:card" content="{kind}">')
    told = "\n".join(lines)
    return page.replace("</head>", f"{told}\n</head>", 1)


def description(page: str) -> str:
    """Return a page's description, as an attribute takes it; "" if there is none.

    That is its own, or the first paragraph of its text: where that is long, its sentences up to
    `LONGEST` characters, or else its words.
    """
    if own := _DESCRIBED.search(page):
        return own[1] or own[2] or ""
    article = _ARTICLE.search(page)
    found = _PARAGRAPH.search(article[1]) if article else None
    text = _plain(found[1]) if found else ""
    if len(text) <= LONGEST:
        return text
    text = text[:LONGEST]
    sentence = text.rfind(". ")
    return text[: sentence + 1] if sentence > 0 else f"{text[: text.rfind(' ')]} …"


def forwarding(to: str, front: str, title: str) -> str:
    """Return the page at the site's own address, which leads on to the front page.

    Parameters
    ----------
    to
        Where that is, from here.
    front
        Its HTML, whose description is this page's as well: it is the address that is shared.
    title
        Of the book.

    Examples
    --------
    >>> print(forwarding("book/a.html", "", "A"))
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta http-equiv="Refresh" content="0; url=book/a.html">
    <title>A</title>
    </head>
    <body><p><a href="book/a.html">A</a></p></body>
    </html>
    <BLANKLINE>
    """
    title, to = html.escape(title), html.escape(to)
    text = description(front)
    about = f'<meta name="description" content="{text}">\n' if text else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Refresh" content="0; url={to}">\n<title>{title}</title>\n{about}'
        f'</head>\n<body><p><a href="{to}">{title}</a></p></body>\n</html>\n'
    )


def sitemap(paths: Iterable[str], edition: Edition) -> str:
    """Return the list of the site's pages that search engines read.

    Parameters
    ----------
    paths
        Of all its files.
    edition
        With the site's address.

    Examples
    --------
    >>> from superpos.book.citation import Edition
    >>> lines = Edition("lines", ("Ann Ruler",), "1.0", 2031, "https://lines.org/")
    >>> print(sitemap(["search.html", "a.html"], lines).splitlines()[2])
    <url><loc>https://lines.org/a.html</loc></url>
    """
    listed = sorted(path for path in paths if path.endswith(".html") and path not in UNLISTED)
    entries = "".join(
        f"<url><loc>{html.escape(edition.address(path))}</loc></url>\n" for path in listed
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{entries}</urlset>\n'
    )


def _titled(title: str, edition: Edition) -> str:
    """Return a page's title; the book's for the front page, which Sphinx calls "NAME — NAME"."""
    own, dash, whole = html.unescape(title).partition(" — ")
    return html.escape(edition.title) if dash and own == whole else title


def _plain(markup: str) -> str:
    """Return HTML as plain text, escaped for an attribute."""
    text = html.unescape(re.sub(r"<[^>]+>", "", markup))
    return html.escape(" ".join(text.split()))
