"""The figures of the sources, and which of ours show the same: a page, and a line in our captions.

``book/figures.yml`` lists them by hand. The sources do not number their figures: we count them.
"""

from __future__ import annotations

import hashlib
import html
import posixpath
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from superpos.book.chapters import EXECUTED
from superpos.book.failures import NotPublishable
from superpos.book.reading import yaml_of
from superpos.book.scoreboard import badge
from superpos.claims.typeset import typeset
from superpos.claims.wording import label, plural
from superpos.errors import InvalidArgument

if TYPE_CHECKING:
    from nbformat import NotebookNode

FILE = "figures.yml"
PAGE = "book/figures"  # without an ending: of the source, or of the page
_FOLDER = posixpath.dirname(PAGE)
_FIELDS = {"section", "at", "named", "shows", "count", "ours", "claims", "why"}
_INTRODUCTION = """\
# Figures, theirs and ours

What each figure of the sources shows, which of ours show the same, and what became of the claims
about it. The sources do not number their figures: we count them, in their order. Of {theirs},
{answered} have one of ours beside them; the others have the reason why not. At the end are
[the figures that no source has](#figures-of-ours).
"""


@dataclass(frozen=True)
class Figure:
    """A figure of a source, or some in a row that show the same.

    Attributes
    ----------
    source
        Its key in ``book/references.bib``.
    first, count
        The number of the (first) figure, as we count, and how many there are.
    section, at, named, shows
        Where it is, that section's anchor, its own heading, and what it shows in our words.
    ours
        Our figures that show the same, by name.
    claims
        The claims that are about what it shows.
    why
        Why we have none, where we have none.
    """

    source: str
    first: int
    section: str
    shows: str
    count: int = 1
    at: str = ""
    named: str = ""
    ours: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    why: str = ""

    @property
    def anchor(self) -> str:
        """Its place on the page."""
        return f"{self.source}-{self.first}"

    @property
    def number(self) -> str:
        """Its number, or the numbers, as we count.

        >>> Figure("talk", 4, "End", "Lines.").number, Figure("talk", 4, "End", "", count=3).number
        ('4', '4–6')
        """
        return f"{self.first}–{self.first + self.count - 1}" if self.count > 1 else f"{self.first}"


@dataclass(frozen=True)
class Counterparts:
    """The figures of all sources, in their order, and why the other sources have none."""

    figures: tuple[Figure, ...] = ()
    without: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.figures)


def counterparts(root: Path, claims: Container[str]) -> Counterparts:
    """Return the figures of the sources that ``book/figures.yml`` lists; none without that file.

    Parameters
    ----------
    root
        The book.
    claims
        The ids of the registry.

    Raises
    ------
    InvalidArgument
        If a figure lacks its section or what it shows, has a field that is unknown, names a claim
        that is not registered, or has neither a figure of ours beside it nor the reason why not.
    """
    path = root / "book" / FILE
    listed = yaml_of(path, dict, "figures by source") if path.exists() else {}
    figures: list[Figure] = []
    for source, entries in listed.items():
        first = 1
        for entry in entries if isinstance(entries, list) else ():
            figures.append(_checked(source, first, entry, claims))
            first += figures[-1].count
    without = tuple((source, why) for source, why in listed.items() if isinstance(why, str))
    return Counterparts(tuple(figures), without)


def _checked(source: str, first: int, entry: Any, claims: Container[str]) -> Figure:
    where = f"{FILE}: figure {first} of {source}"
    if not isinstance(entry, Mapping) or not entry.get("section") or not entry.get("shows"):
        raise InvalidArgument(f"{where} is {entry!r}: it needs a section, and what it shows")
    if unknown := [str(name) for name in entry if name not in _FIELDS]:
        raise InvalidArgument(f"{where} has a field {', '.join(unknown)}")
    if missing := [name for name in entry.get("claims", ()) if name not in claims]:
        raise InvalidArgument(f"{where} names {', '.join(missing)}: not in the registry")
    if bool(entry.get("ours")) is bool(entry.get("why")):
        raise InvalidArgument(f"{where} has either figures of ours or the reason why not")
    lists = {name: tuple(entry.get(name, ())) for name in ("ours", "claims")}
    texts = {name: " ".join(v.split()) if isinstance(v, str) else v for name, v in entry.items()}
    return Figure(**{**texts, **lists, "source": source, "first": first})


def in_captions(figures: Iterable[Figure], sources: Mapping[str, str]) -> dict[str, str]:
    """Return for each of our figures that has counterparts a sentence that leads to them.

    Parameters
    ----------
    figures
        Those of the sources.
    sources
        Each source in words, by its key: `superpos.book.citation.sources`.

    Examples
    --------
    >>> theirs = [Figure("post", 2, "End", "Lines.", ours=("lines",))]
    >>> in_captions(theirs, {"post": "Ruler 2031, On lines"})["lines"]
    'Compare <a href="../figures.html#post-2">figure 2</a> of Ruler 2031.'
    """
    found: dict[str, dict[str, list[Figure]]] = {}
    for figure in figures:
        for name in figure.ours:
            found.setdefault(name, {}).setdefault(figure.source, []).append(figure)
    return {
        name: f"Compare {_listed(_of(theirs, sources[key]) for key, theirs in each.items())}."
        for name, each in found.items()
    }


def _of(figures: Sequence[Figure], source: str) -> str:
    page = posixpath.relpath(f"{PAGE}.html", EXECUTED)
    several = len(figures) > 1 or figures[0].count > 1
    numbers = [f"{'figures' if several else 'figure'} {figures[0].number}"]
    numbers += [figure.number for figure in figures[1:]]
    links = (
        f'<a href="{page}#{figure.anchor}">{number}</a>'
        for figure, number in zip(figures, numbers, strict=True)
    )
    return f"{_listed(links)} of {source.partition(',')[0]}"


def _listed(parts: Iterable[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def as_markdown(
    theirs: Counterparts,
    notebooks: Mapping[str, NotebookNode],
    ledger: Iterable[Mapping[str, Any]],
    titles: Mapping[str, str],
    sources: Mapping[str, str],
    addresses: Mapping[str, str],
) -> str:
    """Return the page in MyST.

    Parameters
    ----------
    theirs
        What `counterparts` returns.
    notebooks
        The executed chapters, by name, in reading order.
    ledger
        What `superpos.book.ledger.collect` returns.
    titles
        Of the chapters, by name.
    sources, addresses
        Each source in words, and its address, by its key (`superpos.book.citation`).

    Raises
    ------
    NotPublishable
        If no chapter has a figure that the list names.
    """
    ours = {chapter: _drawings(notebook) for chapter, notebook in notebooks.items()}
    drawn = {name: output for figures in ours.values() for name, output in figures.items()}
    rows = {row["id"]: row for row in ledger}
    if unknown := {name for figure in theirs.figures for name in figure.ours} - drawn.keys():
        raise NotPublishable(f"{FILE} names figures that no chapter has: {sorted(unknown)}")
    told = plural(sum(figure.count for figure in theirs.figures), "figure")
    answered = sum(figure.count for figure in theirs.figures if figure.ours)
    lines = [_INTRODUCTION.format(theirs=told, answered=answered)]
    for source in dict.fromkeys(figure.source for figure in theirs.figures):
        lines += [f"## {sources[source]}", "", "::::{div} superpos-figures"]
        lines += ["| No. | Theirs | Ours | Claims |", "|--:|---|---|---|"]
        lines += [
            f"| {' | '.join(_cells(figure, addresses.get(source, ''), drawn, rows))} |"
            for figure in theirs.figures
            if figure.source == source
        ]
        lines += ["::::", ""]
    for source, why in theirs.without:
        lines += [f"## {sources[source]}", "", why, ""]
    lines += ["(figures-of-ours)=", "## Figures that no source has", ""]
    answering = {name for figure in theirs.figures for name in figure.ours}
    for chapter, figures in ours.items():
        alone = [name for name in figures if name not in answering]
        if alone:
            lines += [f"**{titles[chapter]}**", "", "::::{div} superpos-figures"]
            lines += [f"- {_named(name, figures)}" for name in alone]
            lines += ["::::", ""]
    return "\n".join(lines)


def _drawings(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """Return the outputs of a notebook that are figures with a number, by name."""
    return {
        told["name"]: output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if (told := output.get("metadata", {}).get("superpos", {})).get("caption")
        and any(kind.startswith("image/") for kind in output.get("data", {}))
    }


def _cells(
    figure: Figure,
    address: str,
    drawn: Mapping[str, NotebookNode],
    rows: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    """Return the cells of a line: the number, theirs, ours, and the claims with their verdicts."""
    to = html.escape(f"{address}#{figure.at}" if figure.at else address)
    place = f'<a href="{to}">{_set(figure.section)}</a>'
    named = f"*{_set(figure.named.rstrip('.'))}.* " if figure.named else ""
    ours = [_named(name, drawn) for name in figure.ours]
    claims = [
        f"{badge(label(row['verdict'], row['held']))} "
        f'<a href="{posixpath.relpath(row["permalink"], _FOLDER)}">{row["id"]}</a>'
        for row in (rows[name] for name in figure.claims)
    ]
    return [
        f'<span id="{figure.anchor}"></span>{figure.number}',
        f"{named}{_set(figure.shows)} {place}",
        "<br>".join(ours) or f"None. {_set(figure.why)}",
        "<br>".join(claims),
    ]


def _set(text: str) -> str:
    """Return plain text as it may stand in a cell of a table."""
    return typeset(text).replace("*", "\\*").replace("|", "\\|")


def _named(name: str, drawn: Mapping[str, NotebookNode]) -> str:
    """Return a figure of ours, small, with its number, which leads to it."""
    return f"{_thumbnail(drawn[name])}{{numref}}`{name}`"


def _thumbnail(output: NotebookNode) -> str:
    """Return a figure, small; nothing where it moves, for then its page has no image of it.

    It is the file of its chapter, which myst-nb names by what is in it.
    """
    data = output["data"]
    if "image/svg+xml" not in data or "text/html" in data:
        return ""
    content = "\n".join(data["image/svg+xml"].splitlines()).encode()
    image = posixpath.relpath(f"_images/{hashlib.sha256(content).hexdigest()}.svg", _FOLDER)
    return f'<img src="{image}" alt="" loading="lazy"> '
