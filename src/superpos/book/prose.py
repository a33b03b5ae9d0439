"""What a page of prose takes from the chapters: a figure, a number, the ledger as dots.

A page in ``book/`` marks places: ``<!-- figure NAME -->`` becomes a chapter's figure, which leads
there, ``{told}`NAME: ENTRY``` what was measured (`superpos.book.filling`), ``<!-- claims -->`` the
claims as dots, ``<!-- zoo -->`` the models of the zoo. So such pages repeat nothing that could
become wrong.
"""

from __future__ import annotations

import base64
import html
import posixpath
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from superpos.book import filling, zoo
from superpos.book.chapters import EXECUTED
from superpos.book.failures import NotPublishable
from superpos.book.ledger import permalink
from superpos.claims.typeset import typeset
from superpos.claims.wording import LABELS, label

if TYPE_CHECKING:
    from nbformat import NotebookNode

CLAIMS = "<!-- claims -->"
FOLDER = "_drawn"  # of the figures, beside the page
_FIGURE = re.compile(r"<!-- figure ([\w-]+) -->")
_ENDINGS = {"image/svg+xml": "svg", "image/png": "png"}


def placed(
    path: str,
    text: str,
    notebooks: Mapping[str, NotebookNode],
    ledger: Sequence[Mapping[str, Any]],
    titles: Mapping[str, str],
) -> dict[str, bytes]:
    """Return a page with all that it marks, and the figures it needs, by path.

    Parameters
    ----------
    path
        The page's, in the site.
    text
        Its Markdown.
    notebooks
        The executed chapters, by name.
    ledger
        The claims with their verdicts, see `superpos.book.ledger.collect`.
    titles
        Of the chapters, by name, in reading order.

    Raises
    ------
    NotPublishable
        If the page asks for a figure or a number that no chapter has.
    """
    files: dict[str, bytes] = {}
    folder = posixpath.dirname(path)
    outputs = [
        (name, output)
        for name, notebook in notebooks.items()
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    ]

    def figure(found: re.Match[str]) -> str:
        for chapter, output in outputs:
            told = output.get("metadata", {}).get("superpos", {})
            kind = next((kind for kind in _ENDINGS if kind in output.get("data", {})), None)
            if told.get("name") == found[1] and kind:
                image = f"{FOLDER}/{found[1]}.{_ENDINGS[kind]}"
                data = output["data"][kind]
                files[posixpath.join(folder, image)] = (
                    data.encode() if kind.endswith("xml") else base64.b64decode(data)
                )
                to = posixpath.relpath(f"{EXECUTED}/{chapter}.html#{found[1]}", folder)
                alt = html.escape(" ".join(told["alt"].split()))
                return f'```{{image}} {image}\n:alt: "{alt}"\n:target: {to}\n```'
        raise NotPublishable(f"{path} asks for the figure {found[1]!r}, which no chapter has")

    def number(found: re.Match[str]) -> str:
        name = " ".join(found[1].split())
        if name not in known:
            raise NotPublishable(f"{path} asks for {name!r}, which no chapter has measured")
        return known[name]

    known = filling.numbers(output for _, output in outputs) if filling.PLACE.search(text) else {}
    text = filling.PLACE.sub(number, _FIGURE.sub(figure, text))
    if CLAIMS in text:
        text = text.replace(CLAIMS, dots(ledger, titles, folder=folder))
    if zoo.MARK in text:
        text = text.replace(zoo.MARK, zoo.as_markdown())
    return {path: text.encode(), **files}


def dots(ledger: Sequence[Mapping[str, Any]], titles: Mapping[str, str], *, folder: str) -> str:
    """Return the claims in force as HTML, a dot each, by chapter: it leads to the experiment.

    Parameters
    ----------
    ledger, titles
        As for `placed`.
    folder
        Of the page, in the site.
    """
    rows = [row for row in ledger if not row["amended_by"]]
    shown = [label(row["verdict"], row["held"]) for row in rows]
    counts = Counter(shown)
    legend = "".join(
        f"<li>{_dot(each)} <b>{counts[each]}</b> {each}</li>" for each in LABELS if counts[each]
    )
    lines = []
    for chapter, title in titles.items():
        own = [
            _item(row, told, folder)
            for row, told in zip(rows, shown, strict=True)
            if row["chapter"] == chapter
        ]
        if own:
            to = posixpath.relpath(f"{EXECUTED}/{chapter}.html", folder)
            lines.append(
                f'<li><a class="superpos-dots-chapter" href="{to}">{html.escape(title)}</a>'
                f"<ul>{''.join(own)}</ul></li>"
            )
    return (
        f'<div class="superpos-dots">\n<ul class="superpos-dots-legend">{legend}</ul>\n'
        f'<ul class="superpos-dots-rows">{"".join(lines)}</ul>\n</div>'
    )


def _item(row: Mapping[str, Any], told: str, folder: str) -> str:
    """Return a claim as a dot: its text shows when the dot is pointed at, or has the focus."""
    to = row["page"] and row["evidence"] and f"{row['page']}#claim-{row['id']}"
    to = posixpath.relpath(to or permalink(row["id"]), folder)
    text = typeset(row["statement"])
    return f'<li><a href="{to}">{_dot(told)}<span><b>{told}</b>: {text}</span></a></li>'


def _dot(told: str) -> str:
    return f'<i class="superpos-dot superpos-dot-{re.sub("[^a-z]+", "-", told)}"></i>'
