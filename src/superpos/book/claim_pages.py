"""A page for each claim, at an address that does not depend on its chapter: ``claims/ID.html``.

It is made from the ledger, without Sphinx and without scripts but the one that takes over whether a
reader wants the site dark: a page to cite, light enough for any connection.
"""

from __future__ import annotations

import html
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from superpos.book.citation import Edition
from superpos.book.ledger import PAGES
from superpos.book.scoreboard import MEANING
from superpos.claims.wording import label

# What a reader has chosen on the site's other pages, or else what the system says.
_THEME = (
    '(m => document.documentElement.dataset.theme = m == "light" || m == "dark" ? m : '
    'matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")'
    '((() => { try { return localStorage.getItem("mode") } catch { return null } })())'
)


def as_pages(
    ledger: Iterable[Mapping[str, Any]],
    titles: Mapping[str, str],
    sources: Mapping[str, str],
    edition: Edition,
    styles: Sequence[str],
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
    """
    return {
        row["permalink"]: _page(row, titles, sources, edition, styles).encode() for row in ledger
    }


def _page(
    row: Mapping[str, Any],
    titles: Mapping[str, str],
    sources: Mapping[str, str],
    edition: Edition,
    styles: Sequence[str],
) -> str:
    name, statement = _text(row["id"]), _text(row["statement"])
    title = _text(titles.get(row["chapter"], row["chapter"]))
    linked = "".join(f'<link rel="stylesheet" href="{_to(style)}">\n' for style in styles)
    canonical = edition.address(row["permalink"])
    if canonical:
        linked += f'<link rel="canonical" href="{html.escape(canonical)}">\n'
    chapter = f'<a href="{_to(row["page"])}">{title}</a>' if row["page"] else title
    listed = "" if row["amended_by"] else f"#claim-{name}"  # it stands with the one in force
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name} – {_text(edition.title)}</title>
<meta name="description" content="{statement}">
{linked}<script>{_THEME}</script>
</head>
<body class="superpos-page">
<nav><a href="{_to("index.html")}">superpos</a> · \
<a href="{_to("book/scoreboard.html")}{listed}">Scoreboard</a> · {chapter}</nav>
<main>
<h1><code>{name}</code></h1>
<p class="superpos-statement">{statement}</p>
{_verdict(row)}
{_rows(_told(row, sources))}
{_left_open(row)}{_history(row)}<h2>How to cite this claim</h2>
<p>{_text(edition.in_words(row))}</p>
<pre>{html.escape(edition.as_bibtex(row))}</pre>
</main>
</body>
</html>
"""


def _verdict(row: Mapping[str, Any]) -> str:
    shown = label(row["verdict"], row["held"])
    return (
        f'<p><span class="superpos-verdict superpos-verdict-{row["verdict"]}">{shown}</span> '
        f"{_text(MEANING[shown])}</p>"
    )


def _told(row: Mapping[str, Any], sources: Mapping[str, str]) -> dict[str, str]:
    """Return all that the ledger says of a claim, in HTML, by name."""
    source = row["source"]
    who = sources.get(source["key"], source["key"])
    place = f'<a href="{html.escape(source["address"])}">{_text(source["place"])}</a>'
    told = {
        "Source": f"{_text(who)}; {_text(source['section'])}: {place}",
        "Setting": _text(row["setting"]),
        "What counts": _text(row["counts"]),
        "Mark": _text(row["mark"]),
    }
    if row["qualified"]:
        told["Weaker reading"] = _text(row["qualified"])
    elif row["no_weaker"]:
        told["Weaker reading"] = f"None. {_text(row['no_weaker'])}"
    if row["evidence"]:
        told["Evidence"] = _text(row["evidence"])
    if row["why"]:
        told["Why"] = _text(row["why"])
    for name, other in (("Amended by", row["amended_by"]), ("Amends", row["amends"])):
        if other:
            told[name] = f'<a href="{html.escape(other)}.html">{_text(other)}</a>'
    if row["amends"]:
        told["Amends"] += f" ({row['amendment']['date']}): {_text(row['amendment']['why'])}"
    told |= {_text(name): _text(text) for name, text in (row["measured"] or {}).items()}
    if row["page"]:
        card = f"#claim-{row['id']}" if row["evidence"] else ""
        told["Experiment"] = f'<a href="{_to(row["page"])}{card}">in its chapter</a>'
    if row["known"]:
        told["Registered"] = "knowing the outcome"
    if row["command"]:
        told["Run it again"] = f"<code>{_text(row['command'])}</code>"
    return told


def _left_open(row: Mapping[str, Any]) -> str:
    """Return what the source leaves open, folded."""
    if not row["deviations"]:
        return ""
    items = "".join(
        f"<li><strong>{_text(each['setting'])}.</strong> Source: {_text(each['source'])} "
        f"Ours: {_text(each['ours'])} Does a verdict depend on it? {_text(each['depends'])}</li>"
        for each in row["deviations"]
    )
    return f"<details><summary>What the source leaves open</summary><ul>{items}</ul></details>\n"


def _history(row: Mapping[str, Any]) -> str:
    """Return what was changed since the claim was registered, and what others have replied."""
    parts = []
    for name, heading in (("amendments", "Amendments"), ("responses", "Responses")):
        if told := row.get(name):
            items = "".join(f"<li>{_entry(each)}</li>" for each in told)
            parts.append(f"<h2>{heading}</h2>\n<ul>{items}</ul>\n")
    return "".join(parts)


def _entry(told: Mapping[str, Any]) -> str:
    return " ".join(
        f"<strong>{_text(name)}:</strong> {_text(str(value))}" for name, value in told.items()
    )


def _rows(told: Mapping[str, str]) -> str:
    items = "".join(f"<dt>{name}</dt><dd>{text}</dd>\n" for name, text in told.items())
    return f"<dl>\n{items}</dl>"


def _to(path: str) -> str:
    """Return a link from a claim's page to a file of the site."""
    return html.escape(posixpath.relpath(path, PAGES))


def _text(text: str) -> str:
    return html.escape(" ".join(text.split()))
