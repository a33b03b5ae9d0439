"""An executed notebook made into a page: numbered figures with captions, and no widgets."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from copy import deepcopy
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from superpos.book import live
from superpos.book.chapters import EXECUTED
from superpos.book.failures import NotPublishable
from superpos.claims.registry import MIME_TYPE as VERDICT_MIME

if TYPE_CHECKING:
    from nbformat import NotebookNode

IMAGES = ("image/svg+xml", "image/png", "image/jpeg", "image/gif")
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
SLIDERS = (
    '<p class="superpos-note">In the notebook this picture has sliders: <code>make lab</code> '
    "opens all of them, from a copy of the source.</p>"
)


def as_page(
    notebook: NotebookNode,
    *,
    chapter: str,
    cards: Mapping[str, str] = MappingProxyType({}),
    compared: Mapping[str, str] = MappingProxyType({}),
    numbered: bool = True,
) -> NotebookNode:
    """Return a copy of an executed notebook as myst-nb is to read it.

    A figure's name, caption and alternative text move from its output to the
    metadata of a cell of its own, which is where myst-nb looks. An explorer
    leaves its still image. The verdicts leave their HTML.

    Parameters
    ----------
    notebook
        Executed.
    chapter
        Its name.
    cards
        The cards of claims as the site has them, by claim (`superpos.book.cards`): they stand where
        the notebook has its own.
    compared
        What ends the captions of figures, by name (`superpos.book.counterparts.in_captions`).
    numbered
        Whether its figures have numbers, as those of chapters have; else their captions are text.

    Raises
    ------
    NotPublishable
        If a figure has no alternative text, or a widget no still image.
    """
    page = deepcopy(notebook)
    page.metadata.pop("widgets", None)
    page.metadata.pop("superpos", None)
    page.cells = []
    number, hiding = 0, []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            page.cells.append(deepcopy(cell))
            continue
        tags = cell.metadata.get("tags", [])
        if "parameters" in tags:
            hiding = [tag for tag in tags if tag.startswith(("hide-", "remove-"))]
        if injected := "injected-parameters" in tags:  # as the cell whose values it overrides
            cell = deepcopy(cell)
            cell.metadata["tags"] = [*tags, *hiding]
        number += not injected
        where = f"chapter {chapter}, code cell {number}"
        page.cells += _split(cell, cards, compared if numbered else None, where=where)
    return page


def _split(
    cell: NotebookNode, cards: Mapping[str, str], compared: Mapping[str, str] | None, *, where: str
) -> list[NotebookNode]:
    """Return the cell as several, each with one figure or with outputs that are none.

    Without ``compared``, captions stay text. Else myst-nb wraps every output of a cell into the
    one figure that the cell's metadata describes.
    """
    groups: list[tuple[dict[str, Any], list[NotebookNode]]] = []
    for output in _published(cell.outputs, cards, captions=compared is None, where=where):
        figure = _figure_metadata(output, compared, where=where)
        if figure or not groups or groups[-1][0]:
            groups.append((figure, []))
        groups[-1][1].append(output)
    pieces = []
    groups = [group for figure, outputs in groups for group in _with_live(figure, outputs)]
    for index, (figure, outputs) in enumerate(groups or [({}, [])]):
        piece = deepcopy(cell)
        piece.outputs = outputs
        if index:
            piece.id = f"{cell.id}-{index + 1}"
            piece.source = "# as above"  # myst-nb drops a cell without source, outputs and all
            tags = [tag for tag in cell.metadata.get("tags", []) if tag.endswith("-output")]
            piece.metadata["tags"] = [*tags, "remove-input"]
        if figure:
            piece.metadata["mystnb"] = {**cell.metadata.get("mystnb", {}), **figure}
        pieces.append(piece)
    return pieces


def _with_live(
    figure: dict[str, Any], outputs: list[NotebookNode]
) -> list[tuple[dict[str, Any], list[NotebookNode]]]:
    """Return a group of outputs, and a second one with what can be played with, or where."""
    from nbformat.v4 import new_output

    told = outputs[0].get("metadata", {}).get("superpos", {}) if outputs else {}
    if "live" in told:
        up = posixpath.relpath(".", EXECUTED)
        made = live.instrument_html("", up=up, instead=told["name"], **told["live"])
    elif told.get("sliders"):
        made = SLIDERS
    else:
        return [(figure, outputs)]
    return [(figure, outputs), ({}, [new_output("display_data", {"text/html": made})])]


def _published(
    outputs: list[NotebookNode], cards: Mapping[str, str], *, captions: bool, where: str
) -> list[NotebookNode]:
    """Return the outputs that a page shows, without what only a running notebook needs."""
    kept = []
    for output in map(deepcopy, outputs):
        if not captions and "caption_of" in output.get("metadata", {}).get("superpos", {}):
            continue  # the caption a running notebook shows; the figure carries it as well
        data = output.get("data", {})
        if images := [mime for mime in IMAGES if mime in data]:
            # an image's HTML is the same figure, moving; print has the image
            moving = ["text/html"] if "text/html" in data and WIDGET_MIME not in data else []
            output.data = {mime: data[mime] for mime in (*moving, *images)}
            if WIDGET_MIME in data:
                output.metadata.setdefault("superpos", {})["sliders"] = True
        elif WIDGET_MIME in data:
            raise NotPublishable(f"{where}: a widget without a still image would be blank")
        if (verdict := data.pop(VERDICT_MIME, None)) and verdict["id"] in cards:
            data["text/html"] = cards[verdict["id"]]
        kept.append(output)
    return kept


def _figure_metadata(
    output: NotebookNode, compared: Mapping[str, str] | None, *, where: str
) -> dict[str, Any]:
    """Return myst-nb's metadata for an output that is a figure, else nothing."""
    if not set(IMAGES) & set(output.get("data", {})):
        return {}
    told = output.get("metadata", {}).get("superpos", {})
    if not (alt := " ".join((told.get("alt") or "").split())):
        raise NotPublishable(
            f"{where}: figure {told.get('name', 'without a name')} has no alternative text"
        )
    options: dict[str, Any] = {"image": {"alt": alt}}
    if told.get("caption") and compared is not None:
        caption = f"{told['caption']} {compared.get(told['name'], '')}".rstrip()
        options["figure"] = {"name": told["name"], "caption": caption}
    return options
