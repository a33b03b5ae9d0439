"""What a page says of itself to those who list and share it: an icon, a title, a description."""

from __future__ import annotations

import html
import posixpath
import re

ICON = "_static/favicon.svg"
LONGEST = 200  # characters of a description

_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
_ARTICLE = re.compile(r'<article class="bd-article">(.*?)</article>', re.DOTALL)
_PARAGRAPH = re.compile(r"<p>(.*?)</p>", re.DOTALL)


def introduced(page: str, path: str) -> str:
    """Return a page's HTML whose head has the site's icon, a description and what sharing shows.

    Parameters
    ----------
    page
        As it was made. A description that it has stays.
    path
        Of the page, in the site.

    Examples
    --------
    >>> page = '<head><title>A</title></head>'
    >>> page += '<article class="bd-article"><p>B <b>c</b>.</p></article>'
    >>> print(introduced(page, "book/a.html").partition("</head>")[0])
    <head><title>A</title><link rel="icon" type="image/svg+xml" href="../_static/favicon.svg">
    <meta property="og:type" content="article">
    <meta property="og:title" content="A">
    <meta name="description" content="B c.">
    <meta property="og:description" content="B c.">
    <BLANKLINE>
    """
    icon = posixpath.relpath(ICON, posixpath.dirname(path))
    lines = [f'<link rel="icon" type="image/svg+xml" href="{icon}">']
    if title := _TITLE.search(page):
        lines.append('<meta property="og:type" content="article">')
        lines.append(f'<meta property="og:title" content="{_plain(title[1])}">')
    if '<meta name="description"' not in page and (text := description(page)):
        lines.append(f'<meta name="description" content="{text}">')
        lines.append(f'<meta property="og:description" content="{text}">')
    told = "\n".join(lines)
    return page.replace("</head>", f"{told}\n</head>", 1)


def description(page: str) -> str:
    """Return the first paragraph of a page's text, as an attribute takes it; "" if there is none.

    Where that is long, its sentences up to `LONGEST` characters, or else its words.
    """
    article = _ARTICLE.search(page)
    found = _PARAGRAPH.search(article[1]) if article else None
    text = _plain(found[1]) if found else ""
    if len(text) <= LONGEST:
        return text
    text = text[:LONGEST]
    sentence = text.rfind(". ")
    return text[: sentence + 1] if sentence > 0 else f"{text[: text.rfind(' ')]} …"


def _plain(markup: str) -> str:
    """Return HTML as plain text, escaped for an attribute."""
    text = html.unescape(re.sub(r"<[^>]+>", "", markup))
    return html.escape(" ".join(text.split()))
