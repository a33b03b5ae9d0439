"""A page for each claim, at an address that does not depend on its chapter: ``claims/ID.html``.

It is made from the ledger, without Sphinx and without scripts but the one that takes over whether a
reader wants the site dark: a page to cite, light enough for any connection.
"""

from __future__ import annotations

import html
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from superpos.book.citation import Edition
from superpos.book.facts import as_list, facts
from superpos.book.ledger import PAGES
from superpos.book.plain_page import plain_page
from superpos.book.scoreboard import MEANING
from superpos.claims.typeset import typeset
from superpos.claims.wording import label

if TYPE_CHECKING:
    from superpos.claims.clone import Commit


def as_pages(
    ledger: Iterable[Mapping[str, Any]],
    titles: Mapping[str, str],
    sources: Mapping[str, str],
    edition: Edition,
    styles: Sequence[str],
    registered: Mapping[str, Commit] = MappingProxyType({}),
) -> dict[str, bytes]:
    """Return the page of every claim, by its path in the site.

    Parameters
    ----------
    ledger
        What `superpos.book.ledger.collect` returns.
    titles
        The title of each chapter, by name.
    sources
        Each source in words, by its key: `superpos.book.citation.sources`.
    edition
        The book that is cited.
    styles
        The site's own styles, by their paths in the site.
    registered
        The commits that registered the claims, by claim, as far as git knows.
    """
    return {
        row["permalink"]: _page(
            row, titles, sources, edition, styles, registered.get(row["id"])
        ).encode()
        for row in ledger
    }


def _page(
    row: Mapping[str, Any],
    titles: Mapping[str, str],
    sources: Mapping[str, str],
    edition: Edition,
    styles: Sequence[str],
    registered: Commit | None,
) -> str:
    name = _text(row["id"])
    title = _text(titles.get(row["chapter"], row["chapter"]))
    told = facts(row, sources, folder=PAGES, registered=registered)
    chapter = f'<a href="{_to(row["page"])}">{title}</a>' if row["page"] else title
    listed = "" if row["amended_by"] else f"#claim-{name}"  # it stands with the one in force
    return plain_page(
        title=f"{row['id']} – {edition.title}",
        about=" ".join(row["statement"].split()),
        styles=[posixpath.relpath(style, PAGES) for style in styles],
        nav=f'<a href="{_to("index.html")}">superpos</a> · '
        f'<a href="{_to("book/scoreboard.html")}{listed}">Scoreboard</a> · {chapter}',
        main=f"""<h1><code>{name}</code></h1>
<p class="superpos-statement">{typeset(row["statement"])}</p>
{_verdict(row)}
{as_list(told)}
{_left_open(row)}<h2>How to cite this claim</h2>
<p>{_text(edition.in_words(row))}</p>
<pre>{html.escape(edition.as_bibtex(row))}</pre>""",
    )


def _verdict(row: Mapping[str, Any]) -> str:
    shown = label(row["verdict"], row["held"])
    return (
        f'<p><span class="superpos-verdict superpos-verdict-{row["verdict"]}">{shown}</span> '
        f"{_text(MEANING[shown])}</p>"
    )


def _left_open(row: Mapping[str, Any]) -> str:
    """Return what the source leaves open, folded."""
    if not row["deviations"]:
        return ""
    items = "".join(
        f"<li><strong>{typeset(each['setting'])}.</strong> Source: {typeset(each['source'])} "
        f"Ours: {typeset(each['ours'])} Does a verdict depend on it? "
        f"{typeset(each['depends'])}</li>"
        for each in row["deviations"]
    )
    return f"<details><summary>What the source leaves open</summary><ul>{items}</ul></details>\n"


def _to(path: str) -> str:
    """Return a link from a claim's page to a file of the site."""
    return html.escape(posixpath.relpath(path, PAGES))


def _text(text: str) -> str:
    return html.escape(" ".join(text.split()))
