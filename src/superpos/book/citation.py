"""How a claim of the book is cited, in words and as BibTeX, and how the book cites its sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from superpos.book.reading import yaml_of
from superpos.claims.wording import label
from superpos.errors import InvalidArgument

_NEEDED = ("title", "authors", "version", "date-released")  # of CITATION.cff

_ESCAPED = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "{": r"\textbraceleft{}", "}": r"\textbraceright{}",  # braces must match, even \{
    **{sign: f"\\{sign}" for sign in "&%$#_"},
}  # fmt: skip


@dataclass(frozen=True)
class Edition:
    """What is cited: the book as ``CITATION.cff`` has it.

    Attributes
    ----------
    title, version, year
        As they stand there.
    authors
        By name, as ``Given Family`` or as a group's.
    site
        The address of the site, ``html: baseurl`` of ``_config.yml``; empty where it is not known.
    date
        Of the release, ``YYYY-MM-DD``.
    repository
        The address of the code, ``repository: url`` of ``_config.yml``; empty likewise.
    """

    title: str
    authors: tuple[str, ...]
    version: str
    year: int
    site: str = ""
    date: str = ""
    repository: str = ""

    def address(self, path: str) -> str:
        """Return the address of a page of the site; empty where the site's is not known."""
        return f"{self.site.rstrip('/')}/{path}" if self.site else ""

    def in_words(self, row: Mapping[str, Any]) -> str:
        """Return how to cite a claim of the ledger in a text."""
        told = [
            f"{', '.join(self.authors)} ({self.year}). Claim {row['id']}: {_plain(row)}",
            f"In: {self.title}, version {self.version}.",
            f"Verdict: {label(row['verdict'], row['held'])}.",
            self.address(row["permalink"]),
        ]
        return " ".join(filter(None, told))

    def as_bibtex(self, row: Mapping[str, Any]) -> str:
        """Return how to cite a claim of the ledger as an entry for BibTeX."""
        fields = {
            "author": " and ".join(f"{{{escaped(name)}}}" for name in self.authors),
            "title": f"{{Claim {row['id']}: {escaped(_plain(row))}}}",
            "howpublished": f"{escaped(self.title)}, version {escaped(self.version)}",
            "year": str(self.year),
            "note": f"Verdict: {label(row['verdict'], row['held'])}",
        }
        if address := self.address(row["permalink"]):
            fields["url"] = address
        lines = ",\n".join(f"  {name:12} = {{{value}}}" for name, value in fields.items())
        return f"@misc{{superpos-{row['id']},\n{lines}\n}}"


def edition(root: Path) -> Edition:
    """Return the edition of the book in ``root``."""
    told = yaml_of(root / "CITATION.cff", dict, "a citation, by fields")
    config = yaml_of(root / "_config.yml", dict, "a configuration, by names")
    if missing := [field for field in _NEEDED if not told.get(field)]:
        raise InvalidArgument(f"CITATION.cff lacks {', '.join(missing)}")
    return Edition(
        title=told["title"],
        authors=tuple(
            person.get("name") or f"{person['given-names']} {person['family-names']}"
            for person in told["authors"]
        ),
        version=str(told["version"]),
        year=int(str(told["date-released"])[:4]),
        site=(config.get("html") or {}).get("baseurl") or "",
        date=str(told["date-released"]),
        repository=(config.get("repository") or {}).get("url") or "",
    )


def sources(root: Path) -> dict[str, str]:
    """Return who wrote what and when, in words, by the keys of ``book/references.bib``."""
    return {key: _source(entry) for key, entry in _entries(root).items()}


def addresses(root: Path) -> dict[str, str]:
    """Return where the sources are that have an address, by the keys of ``book/references.bib``."""
    return {k: entry.fields["url"] for k, entry in _entries(root).items() if "url" in entry.fields}


def _entries(root: Path) -> Mapping[str, Any]:
    from pybtex.database import parse_string

    return parse_string((root / "book" / "references.bib").read_text("utf-8"), "bibtex").entries


def _source(entry: Any) -> str:
    """Return one source in words: at most two authors by name, the year, the title."""
    from pybtex.richtext import Text

    authors = [
        " ".join(map(str, person.rich_prelast_names + person.rich_last_names))
        for person in entry.persons.get("author", [])
    ]
    who = f"{authors[0]} et al." if len(authors) > 2 else " and ".join(authors)
    title = str(Text.from_latex(entry.fields["title"]))
    year = entry.fields["year"]
    return f"{who} {year}, {title}" if who else f"{title} ({year})"


def escaped(text: str) -> str:
    """Return text as BibTeX takes it.

    Examples
    --------
    >>> escaped("10 % of W_i & more")
    '10 \\\\% of W\\\\_i \\\\& more'
    """
    return "".join(_ESCAPED.get(sign, sign) for sign in text)


def _plain(row: Mapping[str, Any]) -> str:
    return " ".join(row["statement"].split())
