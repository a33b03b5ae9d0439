"""The style of figures, and how they are shown."""

from __future__ import annotations

import contextlib
import functools
import io
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType, MethodType
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from superpos.compute.display import display
from superpos.errors import InvalidArgument
from superpos.figures.palette import FAINT, INK

LOW, MIDDLE, HIGH, TALL, PAGE = 2.4, 3.0, 3.6, 4.9, 8.0  # heights of figures, in inches

_STYLE: dict[Any, Any] = {
    "figure.dpi": 110,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "svg.hashsalt": "superpos",  # with no date: two builds of a figure are the same bytes
    "svg.fonttype": "path",
}

_inside = ContextVar("_inside", default=False)  # a block of `applied`
_one_at_a_time = threading.RLock()  # matplotlib's settings are those of every thread


def figure(rows: int = 1, columns: int = 1, *, width: float = 7.2, height: float = 3.2, **kinds):
    """Return a figure in the book's style and its axes, as ``matplotlib.pyplot.subplots`` does.

    Parameters
    ----------
    rows, columns
        The grid of axes.
    width, height
        In inches; 7.2 fills a page's column.
    **kinds
        Handed on to ``Figure.subplots``: ``sharex``, ``sharey``, ``squeeze``, ``width_ratios``, …

    Examples
    --------
    >>> fig, axes = figure(1, 2)
    >>> len(axes)
    2
    """
    with applied():
        fig = _styled(Figure)(figsize=(width, height), layout="constrained")
        fig.add_axobserver(_style_axes)
        return fig, fig.subplots(rows, columns, **kinds)


@contextlib.contextmanager
def applied() -> Iterator[None]:
    """Draw in the book's style within the block; afterwards matplotlib is set as before.

    What is called on a figure of `figure` or on its axes needs no such block: it is in one.

    Examples
    --------
    >>> before = mpl.rcParams["font.size"]
    >>> with applied():
    ...     mpl.rcParams["font.size"]
    9.0
    >>> mpl.rcParams["font.size"] == before
    True
    """
    if _inside.get():
        yield
        return
    with _one_at_a_time, mpl.rc_context(_STYLE):
        token = _inside.set(True)
        try:
            yield
        finally:
            _inside.reset(token)


class _Styled:
    """A figure or axes whose methods run in the book's style.

    Lines and texts look their sizes up when they are made, long after `figure` has returned.
    """

    __slots__ = ()

    def __getattribute__(self, name: str):
        found = super().__getattribute__(name)
        if name.startswith("_") or not isinstance(found, MethodType) or _inside.get():
            return found

        @functools.wraps(found)
        def in_style(*arguments, **options):
            with applied():
                return found(*arguments, **options)

        return in_style


@functools.cache
def _styled(kind: type) -> type:
    return type(kind.__name__, (kind, _Styled), {})  # this order keeps the layout of objects


def _style_axes(fig: Figure) -> None:
    for axes in fig.axes:
        if not isinstance(axes, _Styled):
            axes.__class__ = _styled(type(axes))


def svg(fig: Figure) -> str:
    """Return a figure as SVG: the same bytes for the same figure, at any time."""
    buffer = io.StringIO()
    with applied():
        if fig.get_layout_engine() is not None:
            fig.draw_without_rendering()
            fig.set_layout_engine("none")  # laid out once: again would move everything a little
        fig.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


@dataclass(frozen=True)
class Picture:
    """A figure with its texts: what a drawing of a chapter returns.

    Attributes
    ----------
    figure
        A figure of `figure`; or an animation or an explorer, which have a still ``figure`` and
        other ``forms``.
    alt
        What a reader who cannot see it should know, with the result in numbers.
    caption
        The text below it, in Markdown.
    numbers
        What the prose tells of it, in words, by name: ``{told}`NAME: NUMBER``` in the text.
    live
        What can be played with in its place where a page's scripts run: a kind and its settings, as
        `superpos.book.live.instrument_html` takes them.

    Examples
    --------
    >>> fig, ax = figure()
    >>> Picture(fig, alt="Nothing is drawn.", caption="An empty panel.").numbers
    {}
    """

    figure: Any
    alt: str
    caption: str
    numbers: Mapping[str, str] = field(default_factory=dict)
    live: tuple[str, Mapping[str, Any]] | None = None

    def show(self, *, name: str) -> None:
        """Show it in a notebook, and on the page as a numbered figure of that name."""
        still = getattr(self.figure, "figure", self.figure)
        forms = self.figure.forms(name, self.alt) if hasattr(self.figure, "forms") else {}
        texts = {"name": name, "alt": self.alt, "caption": self.caption}
        show(still, forms=forms, numbers=self.numbers, live=self.live, **texts)


@dataclass(frozen=True)
class Table:
    """A table of texts: what a drawing of a chapter returns where there is nothing to draw.

    Attributes
    ----------
    columns
        The heads of the columns.
    rows
        The cells of each row by its name.
    corner
        The head of the column of names.
    numbers
        As for `Picture`.
    """

    columns: Sequence[str]
    rows: Mapping[str, Sequence[str]]
    corner: str = ""
    numbers: Mapping[str, str] = field(default_factory=dict)

    @property
    def markdown(self) -> str:
        """The table as Markdown."""
        lines = [[self.corner, *self.columns], ["---"] * (len(self.columns) + 1)]
        lines += [[row, *cells] for row, cells in self.rows.items()]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)

    def show(self, *, name: str) -> None:
        """Show it, as Markdown."""
        text = self.markdown
        told = {"name": name, "numbers": dict(self.numbers)}
        display({"text/markdown": text, "text/plain": text}, raw=True, metadata={"superpos": told})


def show(
    fig: Figure,
    *,
    name: str,
    alt: str,
    caption: str,
    forms: Mapping[str, Any] = MappingProxyType({}),
    numbers: Mapping[str, str] = MappingProxyType({}),
    live: tuple[str, Mapping[str, Any]] | None = None,
) -> None:
    """Show a figure in a notebook, and on the page as a numbered figure.

    Parameters
    ----------
    fig
        The figure.
    name
        What the text refers to it by, unique in the book: letters, digits and hyphens.
    alt, caption, numbers, live
        As for `Picture`.
    forms
        Other forms of it, by MIME type.

    Raises
    ------
    InvalidArgument
        If the name, the alternative text or the caption is missing.
    """
    told: dict[str, Any] = {"name": name, "alt": alt, "caption": caption}
    for argument, value in told.items():
        if not isinstance(value, str) or not value.strip():
            raise InvalidArgument(f"{argument} is {value!r}: every figure needs a text for it")
    told |= {"numbers": dict(numbers)} if numbers else {}
    told |= {"live": {"kind": live[0], "settings": dict(live[1])}} if live else {}
    drawn = {**forms, "image/svg+xml": svg(fig), "text/plain": alt}
    display(drawn, raw=True, metadata={"superpos": told})
    below = {"text/markdown": f"*{caption}*", "text/plain": caption}
    display(below, raw=True, metadata={"superpos": {"caption_of": name}})
