"""The field's words: a page that explains them, and a link to it at each one's first use.

The words are in ``book/glossary.yml``. The links are set in the finished pages of chapters, where
what is prose can be told from headings, code, formulas and links.
"""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from superpos.book.chapters import EXECUTED
from superpos.book.failures import NotPublishable
from superpos.book.reading import shown as as_shown
from superpos.book.reading import yaml_of
from superpos.errors import InvalidArgument

FILE = "glossary.yml"  # in book/
_NEEDED, _OPTIONAL = ("term", "means", "chapter"), ("source", "also")
PAGE = "book/glossary"  # in the site, without its ending

# Where a word in a paragraph is no use of it: in a name, a formula, what leads elsewhere already.
_NO_PROSE = {"a", "button", "code", "figure", "summary", "table"}
_NO_PROSE_CLASSES = {"cell", "math", "citation", "bibtex-citation"}
_CLAIMS = "superpos-claims"  # the list at a chapter's start is read before its text
_VOID = {
    "area",
    "base",
    "br",
    "col",
    "embed",
    "hr",
    "img",
    "input",
    "link",
    "meta",
    "source",
    "wbr",
}


@dataclass(frozen=True)
class Term:
    """A word of the field, see the head of ``book/glossary.yml``."""

    term: str
    means: str
    chapter: str
    source: str = ""
    also: tuple[str, ...] = ()

    @property
    def anchor(self) -> str:
        """Where on the page it is: as Sphinx names the terms of a glossary."""
        return f"term-{re.sub('[^a-zA-Z0-9]+', '-', self.term)}"

    @property
    def short(self) -> str:
        """Its first sentence, as plain text."""
        first = re.split(r"(?<=[.?])\s", self.means, maxsplit=1)[0]
        return first.replace("$", "")


def terms(root: Path) -> list[Term]:
    """Return the words, by the alphabet; none where the book has no glossary."""
    path = root / "book" / FILE
    if not path.exists():
        return []
    entries = yaml_of(path, list, "a list of words")
    for entry in entries:
        if not isinstance(entry, dict) or not {*_NEEDED} <= {*entry} <= {*_NEEDED, *_OPTIONAL}:
            raise InvalidArgument(
                f"{FILE} has {as_shown(entry)}: its fields are {', '.join(_NEEDED)}, and may be "
                f"{', '.join(_OPTIONAL)}"
            )
    found = [Term(**{**entry, "also": tuple(entry.get("also", ()))}) for entry in entries]
    return sorted(found, key=lambda each: each.term.casefold())


def as_markdown(found: Sequence[Term], titles: Mapping[str, str]) -> str:
    """Return the page.

    Parameters
    ----------
    found
        The words.
    titles
        Of the chapters, by name.

    Raises
    ------
    NotPublishable
        If a word names a chapter that there is not.
    """
    lines = []
    for each in found:
        if each.chapter not in titles:
            raise NotPublishable(
                f"book/{FILE}: {each.term} is shown by {each.chapter!r}, which is no chapter"
            )
        shown = posixpath.relpath(f"{EXECUTED}/{each.chapter}", posixpath.dirname(PAGE))
        source = f" {{cite}}`{each.source}`" if each.source else ""
        lines += [each.term, f"  {each.means}{source} Chapter: {{doc}}`{shown}`.", ""]
    listed = "\n".join(lines)
    return (
        "# Glossary\n\nThe field's words as this book uses them, each with the text that it comes "
        "from, where there is\none, and a chapter that shows it. In every chapter the first use of "
        f"a word leads here.\n\n```{{glossary}}\n{listed}```\n\n## References\n\n"
        "```{bibliography}\n:filter: docname in docnames\n```\n"
    )


def linked(page: str, path: str, found: Sequence[Term]) -> str:
    """Return a page's HTML in which the first use of each word leads to the glossary.

    A use in a fold counts only where there is no other.

    Parameters
    ----------
    page
        As Sphinx made it.
    path
        Of the page, in the site.
    found
        The words.

    Examples
    --------
    >>> digon = Term("digon", "A polytope with two corners.", "alpha")
    >>> page = '<article class="bd-article"><h1>Digons</h1><p>Two digons, or a digon.</p></article>'
    >>> print(linked(page, "book/executed/a.html", [digon]).partition("<p>")[2])
    Two <a class="superpos-term" href="../glossary.html#term-digon" \
title="A polytope with two corners.">digons</a>, or a digon.</p></article>
    """
    if not found:
        return page
    words = {word.casefold(): each for each in found for word in (each.term, *each.also)}
    pattern = _pattern(words)
    reading = _Prose(page)
    uses: dict[str, tuple[bool, int, int]] = {}
    for folded, start, end in reading.pieces:
        for use in pattern.finditer(page, start, end):
            term = words[" ".join(use[1].casefold().replace("’", "'").split())].term
            uses[term] = min(uses.get(term, (True, len(page), 0)), (folded, *use.span()))
    to = posixpath.relpath(f"{PAGE}.html", posixpath.dirname(path))
    at, made = 0, []
    by_name = {each.term: each for each in found}
    for term, (_, start, end) in sorted(uses.items(), key=lambda item: item[1][1]):
        told = by_name[term]
        made.append(
            f'{page[at:start]}<a class="superpos-term" href="{to}#{told.anchor}" '
            f'title="{html.escape(told.short)}">{page[start:end]}</a>'
        )
        at = end
    return "".join([*made, page[at:]])


def _pattern(words: Mapping[str, Term]) -> re.Pattern[str]:
    """Return what finds a use of any of the words: the longest that fits, in its plural as well."""
    longest = sorted(words, key=len, reverse=True)
    each = "|".join(re.escape(word).replace(r"\ ", r"\s+").replace("'", "['’]") for word in longest)
    return re.compile(rf"(?<![\w-])({each})s?(?![\w-])", re.IGNORECASE)


class _Prose(HTMLParser):
    """Finds what of a page is prose.

    Attributes
    ----------
    pieces
        Of each piece of text whether it is in a fold, and where in the page it begins and ends.
    """

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=False)
        self.pieces: list[tuple[bool, int, int]] = []
        self._open: list[tuple[str, set[str]]] = []
        self._lines = [0, *(found.end() for found in re.finditer("\n", page))]
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            self._open.append((tag, set((dict(attrs).get("class") or "").split())))

    def handle_endtag(self, tag: str) -> None:
        for k in reversed(range(len(self._open))):
            if self._open[k][0] == tag:
                del self._open[k:]
                return

    def handle_data(self, data: str) -> None:
        tags = {tag for tag, _ in self._open}
        classes = set().union(*(names for _, names in self._open))
        if "bd-article" not in classes or tags & _NO_PROSE:
            return
        if _CLAIMS in classes or ("p" in tags and not classes & _NO_PROSE_CLASSES):
            line, column = self.getpos()
            start = self._lines[line - 1] + column
            self.pieces.append(("details" in tags, start, start + len(data)))
