"""The picture that a shared link shows: a pentagon, and how often models form one.

Its numbers are the ledger's, so it is drawn anew with the site.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import BytesIO
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from superpos.book.facts import rate
from superpos.claims.wording import plural

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH = "_static/card.png"  # in the site
SIZE = (1200, 630)  # pixels, as those who show links ask for
CLAIM = "demo-90-pentagon"
INK, GREEN, BLUE, GREY = "#22272e", "#00694d", "#00548a", "#5c6670"  # as book/_static/favicon.svg


def words(ledger: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return what the picture says, in lines; nothing where the pentagon was not measured.

    Parameters
    ----------
    ledger
        The claims with their verdicts, see `superpos.book.ledger.collect`.

    Examples
    --------
    >>> found = {"shown": 9, "of": 10, "as_published": None, "at_rest": None}
    >>> row = {"id": "demo-90-pentagon", "verdict": "reproduced", "evidence": found}
    >>> words([row | {"amended_by": None}])[1:]
    ('9 of 10 trained models', 'form a pentagon.', '1 claim put to the test')
    """
    found = next((rate(row) for row in ledger if row["id"] == CLAIM), None)
    if found is None:
        return ()
    tested = sum(row["verdict"] != "untested" and not row["amended_by"] for row in ledger)
    return (
        "Five features in two dimensions, inputs 90 % sparse:",
        f"{found.shown} of {found.of} trained models",
        "form a pentagon.",
        f"{plural(tested, 'claim')} put to the test",
    )


def drawn(lines: Sequence[str], title: str) -> bytes:
    """Return the picture as a PNG.

    Parameters
    ----------
    lines
        What `words` returns.
    title
        Of the book: ``NAME: WHAT IT IS``.

    Examples
    --------
    >>> drawn(("Of ten:", "nine", "pentagons", "1 claim"), "lines: a book")[1:4]
    b'PNG'
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=(SIZE[0] / 100, SIZE[1] / 100), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, SIZE[0]), ylim=(0, SIZE[1]))
    axes.axis("off")
    x, y, length = 925, 305, 215
    corners = [
        (x + length * math.sin(turn), y + length * math.cos(turn))
        for turn in (2 * math.pi * k / 5 for k in range(5))
    ]
    axes.plot(*zip(*corners, corners[0], strict=True), color=BLUE, linewidth=3)
    for corner in corners:
        axes.plot(*zip((x, y), corner, strict=True), color=GREEN, linewidth=7)
        axes.plot(*corner, "o", color=GREEN, markersize=18)
    name, _, about = title.partition(": ")
    head = wrap(about or name, 26)
    for height, text, size, colour, weight in (
        *((545 - 52 * k, text, 26, INK, "bold") for k, text in enumerate(head)),
        (355, lines[0], 15.5, GREY, "normal"),
        (285, lines[1], 28, GREEN, "bold"),
        (228, lines[2], 28, GREEN, "bold"),
        (70, f"{name} · {lines[3]}", 15.5, GREY, "normal"),
    ):
        axes.text(64, height, text, size=size, color=colour, weight=weight, family="DejaVu Sans")
    made = BytesIO()
    figure.savefig(made, format="png")
    few = BytesIO()  # 32 shades of three colours are enough, and a quarter of the size
    Image.open(made).convert("RGB").quantize(32).save(few, "png", optimize=True)
    return few.getvalue()
