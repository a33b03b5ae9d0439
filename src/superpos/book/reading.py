"""The book's own files, read: what cannot be read is told in one sentence that names the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from superpos.compute import yamls
from superpos.errors import InvalidArgument


def text_of(path: Path) -> str:
    """Return a text file of the book.

    Raises
    ------
    InvalidArgument
        If it is missing, a folder or what is no file, cannot be read, or is not UTF-8.
    """
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise InvalidArgument(f"{_where(path)} is not a file")
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise InvalidArgument(f"{_where(path)} is missing from {path.parent}") from None
    except OSError as problem:
        raise InvalidArgument(f"{_where(path)} cannot be read: {problem.strerror}") from None
    except UnicodeDecodeError as problem:
        raise InvalidArgument(
            f"{_where(path)} is not UTF-8: byte {problem.start} is {problem.object[problem.start]}"
        ) from None


def yaml_of(path: Path, kind: type, what: str) -> Any:
    """Return what a YAML file of the book holds; an empty one holds an empty ``kind``.

    Parameters
    ----------
    path
        The file.
    kind
        ``dict`` or ``list``: what it must be as a whole.
    what
        That in words, such as ``"a list of claims"``.

    Raises
    ------
    InvalidArgument
        If it cannot be read, is not valid YAML, or is something else.
    """
    found = parsed(text_of(path), _where(path))
    if found is None:
        return kind()
    if not isinstance(found, kind):
        raise InvalidArgument(f"{_where(path)} holds {shown(found)}: {what} is needed")
    return found


def parsed(text: str, where: str) -> Any:
    """Return what a YAML text says.

    Examples
    --------
    >>> parsed("a: [1, 2]", "notes.yml")
    {'a': [1, 2]}
    >>> parsed("a: [1", "notes.yml")
    Traceback (most recent call last):
        ...
    superpos.errors.InvalidArgument: notes.yml is not valid YAML: line ...
    """
    try:
        return yamls.load(text)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise InvalidArgument(f"{where} is not valid YAML: {place}{problem.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as problem:  # ValueError: no such date
        told = " ".join(str(problem).split())
        raise InvalidArgument(f"{where} is not valid YAML: {told}") from None


def shown(value: object) -> str:
    """Return a value for a message, cut where it is long.

    Examples
    --------
    >>> shown("short"), len(shown("x" * 5000))
    ("'short'", 60)
    """
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _where(path: Path) -> str:
    return path.name if path.suffix != ".md" else f"{path.parent.name}/{path.name}"
