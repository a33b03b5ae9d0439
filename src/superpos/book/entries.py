"""The form of ``claims.yml`` and ``deviations.yml``, checked before they are read.

`superpos.claims.registry` says what the entries mean, and results are kept under its code; that
people who edit these files are told in a sentence what is wrong with them is the business here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from superpos.book.reading import shown, yaml_of
from superpos.errors import InvalidArgument

DEVIATIONS = "deviations.yml"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")  # it is a file's name, an address, and HTML
_LONGEST = 100
_WORDS = ("id", "chapter", "statement", "setting", "counts", "qualified", "trials", "no_weaker")
_WORDS += ("not_at_rest", "amends", "moved", "unmeasured")
_FLAGS = ("new", "complete", "known")
_OF_A_DEVIATION = ("setting", "source", "ours", "depends")


def check(claims: Path, chapters: Collection[str] = ()) -> None:
    """Refuse a registry whose files are no lists of entries, or whose fields are of another kind.

    Parameters
    ----------
    claims
        ``claims.yml``; ``deviations.yml`` lies beside it.
    chapters
        The book's chapters; a claim must name one of them, if there are any.

    Raises
    ------
    InvalidArgument
        Naming the file, the entry and the field.
    """
    deviations = yaml_of(claims.with_name(DEVIATIONS), dict, "deviations by name")
    for name, entry in deviations.items():
        _deviation(name, entry)
    for number, entry in enumerate(yaml_of(claims, list, "a list of claims"), 1):
        if not isinstance(entry, dict):
            raise InvalidArgument(f"{claims.name}: entry {number} is {shown(entry)}, and no claim")
        name = entry.get("id")
        if not isinstance(name, str) or not _ID.fullmatch(name) or len(name) > _LONGEST:
            raise InvalidArgument(
                f"{claims.name}: entry {number} has the id {shown(name)}: letters, digits and "
                f"'-', '_' or '.' between them are needed, {_LONGEST} at most"
            )
        _claim(entry, f"{claims.name}: claim {name}", chapters)


def _claim(entry: Mapping[Any, Any], where: str, chapters: Collection[str]) -> None:
    for field in _WORDS:
        if field in entry and not isinstance(entry[field], str):
            _refuse(where, field, entry, "words are")
    for field in _FLAGS:
        if field in entry and not isinstance(entry[field], bool):
            _refuse(where, field, entry, "true or false is")
    for field in ("share", "lower"):
        if field in entry and type(entry[field]) not in (int, float):
            _refuse(where, field, entry, "a rate is")
    for field in ("deviations", "thresholds_of"):
        found = entry.get(field, [])
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            _refuse(where, field, entry, "a list of names is")
    for field in ("source", "thresholds", "amendment"):
        if field in entry and not isinstance(entry[field], dict):
            _refuse(where, field, entry, "fields by name are")
    for name, value in entry.get("thresholds", {}).items():
        if not isinstance(name, str) or type(value) not in (int, float):
            raise InvalidArgument(f"{where} has the threshold {name!r} {shown(value)}: no number")
    chapter = entry.get("chapter")
    if chapters and chapter is not None and chapter not in chapters:
        raise InvalidArgument(
            f"{where} is of the chapter {shown(chapter)}; known: {', '.join(chapters)}"
        )


def _refuse(where: str, field: str, entry: Mapping[Any, Any], needed: str) -> None:
    raise InvalidArgument(f"{where} has {field} {shown(entry[field])}: {needed} needed")


def _deviation(name: object, entry: object) -> None:
    where = f"{DEVIATIONS}: {name}"
    if not isinstance(entry, dict):
        raise InvalidArgument(
            f"{where} is {shown(entry)}: its fields are {', '.join(_OF_A_DEVIATION)}"
        )
    if missing := [field for field in _OF_A_DEVIATION if not entry.get(field)]:
        raise InvalidArgument(f"{where} lacks {', '.join(missing)}")
    if others := [str(field) for field in entry if field not in _OF_A_DEVIATION]:
        raise InvalidArgument(f"{where} has a field {', '.join(others)}")
    for field in _OF_A_DEVIATION:
        value = entry[field]
        by_chapter = field == "depends" and isinstance(value, dict)
        if not all(isinstance(text, str) for text in (value.values() if by_chapter else [value])):
            raise InvalidArgument(f"{where} has {field} {shown(value)}: words are needed")
