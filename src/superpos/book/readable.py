"""A notebook's Markdown without what only the book's pages understand.

Notebooks are written in MyST, whose roles and directives other readers show as they stand. Here
citations become words, references the numbers that the page shows, folds HTML, and links that
lead to pages of the site lead there, or are words where nobody knows where it is.
"""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from superpos.book import citation
from superpos.book.chapters import EXECUTED, load_chapters
from superpos.book.tutorials import tutorials

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from superpos.book.citation import Edition

_ROLE = re.compile(r"\{(cite|doc|eq|math|numref)\}`([^`]*)`")
_EQUATION = re.compile(r"\$\$(.*?)\$\$(?: \(([\w-]+)\))?", re.DOTALL)
_LISTED = re.compile(r"```\{bibliography\}\n.*?```", re.DOTALL)
_FENCE = re.compile(r"^(`{3,}|~{3,})", re.MULTILINE)
_FOLD, _FOLD_ENDS = re.compile(r":{3,}\{(?:dropdown|admonition)\} (.*)"), re.compile(r":{3,}\s*")
_OPTION = re.compile(r":[\w-]+:.*")
_ANCHOR = re.compile(r'<a\b([^>]*?)href="([^"#][^"]*)"([^>]*)>(.*?)</a>', re.DOTALL)
_LINK = re.compile(r"(?<!!)\[([^]]*)\]\(((?![a-z]+:)[\w./-]+\.(?:html|md|rst)(?:#[\w-]+)?)\)")
_ELSEWHERE = re.compile(r"[a-z]+:")


@dataclass(frozen=True)
class Library:
    """What a notebook refers to beyond itself.

    Attributes
    ----------
    titles
        Of the chapters, by name, in reading order.
    sources
        Each in words, by its key: `superpos.book.citation.sources`.
    addresses
        Of those that have one, by their keys.
    edition
        The book, and where it is, if that is known.
    tutorials
        Which of the chapters are none: their figures have no numbers of a chapter.
    """

    titles: Mapping[str, str]
    sources: Mapping[str, str]
    addresses: Mapping[str, str]
    edition: Edition
    tutorials: frozenset[str] = frozenset()


def library(root: Path, titles: Mapping[str, str] | None = None) -> Library:
    """Return what the notebooks of the book in ``root`` refer to; its titles may be known."""
    return Library(
        titles or {chapter.name: chapter.title for chapter in load_chapters(root)},
        citation.sources(root),
        citation.addresses(root),
        citation.edition(root),
        frozenset(tutorials(root)),
    )


def unroll(notebook: NotebookNode, chapter: str, known: Library) -> None:
    """Write a notebook's Markdown, and what its outputs show of it, so that any reader can.

    Parameters
    ----------
    notebook
        Executed; it is changed.
    chapter
        Which it is.
    known
        What it refers to.
    """
    chapters = [name for name in known.titles if name not in known.tutorials]
    number = chapters.index(chapter) + 1 if chapter in chapters else None
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    figures = _numbered(_figures(notebook), number, "Fig. {}")
    labels = [found[2] for text in texts for found in _EQUATION.finditer(text) if found[2]]
    writer = _Writer(known, figures, _numbered(labels, number, "({})"))
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = writer.markdown(cell.source)
        for output in cell.get("outputs", []):
            data, told = output.get("data", {}), output.get("metadata", {}).get("superpos", {})
            if "text/markdown" in data:
                text = writer.markdown(data["text/markdown"])
                name = figures.get(told.get("caption_of", ""))
                data["text/markdown"] = f"**{name}** {text}" if name else text
            if "text/html" in data:
                data["text/html"] = writer.anchors(data["text/html"])


def _figures(notebook: NotebookNode) -> list[str]:
    """Return the names of the figures that the page numbers, in order."""
    told = [
        output.get("metadata", {}).get("superpos", {})
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if any(kind.startswith("image/") for kind in output.get("data", {}))
    ]
    return [each["name"] for each in told if each.get("caption")]


def _numbered(names: list[str], chapter: int | None, form: str) -> dict[str, str]:
    if chapter is None:
        return {}
    return {name: form.format(f"{chapter}.{k}") for k, name in enumerate(names, start=1)}


@dataclass
class _Writer:
    known: Library
    figures: Mapping[str, str]
    equations: Mapping[str, str]
    cited: dict[str, None] = field(default_factory=dict)  # keys, in the order of their first use

    def markdown(self, text: str) -> str:
        """Return Markdown for any reader."""
        text = _EQUATION.sub(self._equation, text)
        text = _ROLE.sub(lambda found: self._roles[found[1]](" ".join(found[2].split())), text)
        text = _LISTED.sub(lambda _: self._references(), text)
        text = _LINK.sub(lambda found: self._link(found[1], found[2]), text)
        return self.anchors(_unfolded(text))

    def anchors(self, markup: str) -> str:
        """Return HTML whose links lead to the site, or are words."""
        return _ANCHOR.sub(self._anchor, markup)

    @property
    def _roles(self) -> dict[str, Callable[[str], str]]:
        return {
            "cite": self._cite,
            "doc": lambda name: self._link(self.known.titles[name], f"{name}.html"),
            "eq": lambda label: self.equations.get(label, "the equation"),
            "math": lambda formula: f"${formula}$",
            "numref": lambda name: self.figures.get(name, "the figure"),
        }

    def _cite(self, keys: str) -> str:
        told = []
        for key in (each.strip() for each in keys.split(",")):
            self.cited[key] = None
            short = self.known.sources[key].split(", ")[0]
            address = self.known.addresses.get(key)
            told.append(f"[{short}]({address})" if address else short)
        return f"({'; '.join(told)})"

    def _references(self) -> str:
        lines = [
            f"- {self.known.sources[key]}."
            + (f" <{self.known.addresses[key]}>" if key in self.known.addresses else "")
            for key in self.cited
        ]
        return "\n".join(lines)

    def _equation(self, found: re.Match[str]) -> str:
        number = self.equations.get(found[2] or "", "")
        return f"$${found[1]}" + (f"\\tag{{{number.strip('()')}}}\n" if number else "") + "$$"

    def _address(self, link: str) -> str:
        path, mark, anchor = link.partition("#")
        path = re.sub(r"\.(md|rst)$", ".html", path)
        address = self.known.edition.address(posixpath.normpath(posixpath.join(EXECUTED, path)))
        return f"{address}{mark}{anchor}" if address else ""

    def _link(self, words: str, link: str) -> str:
        address = self._address(link)
        return f"[{words}]({address})" if address else words

    def _anchor(self, found: re.Match[str]) -> str:
        before, link, after, words = found.groups()
        if _ELSEWHERE.match(link):
            return found[0]
        address = self._address(html.unescape(link))
        return f'<a{before}href="{html.escape(address)}"{after}>{words}</a>' if address else words


def _unfolded(text: str) -> str:
    """Return Markdown whose folds are HTML's, which every notebook opens and closes."""
    made: list[str] = []
    depth, code, options = 0, False, False
    for line in text.split("\n"):
        code ^= bool(_FENCE.match(line))
        if not code and (opened := _FOLD.fullmatch(line)):
            made += ["<details>", f"<summary>{html.escape(opened[1])}</summary>", ""]
            depth, options = depth + 1, True
        elif options and _OPTION.fullmatch(line):
            continue
        elif depth and not code and _FOLD_ENDS.fullmatch(line):
            made += ["", "</details>", ""]
            depth, options = depth - 1, False
        else:
            made.append(line)
            options = False
    return "\n".join(made)
