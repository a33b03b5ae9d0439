"""The chapters: the notebook sources that the table of contents lists, in its order."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from superpos.book.parameters import Parameter, choose, read_cell, unknown
from superpos.book.reading import parsed, shown, text_of, yaml_of
from superpos.errors import InvalidArgument

if TYPE_CHECKING:
    from nbformat import NotebookNode

EXECUTED = "book/executed"
_HEAD = re.compile(r"\A---\n(.*?)^---\s*$", re.MULTILINE | re.DOTALL)
_SETTINGS = ("budget_seconds", "budget_mebibytes", "quick")
_LONGEST_NAME = 200  # more than that no file system has, with an ending
_TITLE = re.compile(r"^#\s+(.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Chapter:
    """One notebook source, as it was when it was read."""

    name: str
    path: Path
    source: str
    title: str
    budget_seconds: float | None
    budget_mebibytes: float | None  # of its largest process
    quick: dict[str, Any]  # what --quick sets, besides quick=True
    parameters: tuple[Parameter, ...]

    def values(self, given: dict[str, Any] | None = None, *, quick: bool = False) -> dict[str, Any]:
        """Return the parameters that differ from the notebook's own text, checked.

        What is ``given`` wins over what ``--quick`` sets.
        """
        preset = {"quick": True, **self.quick} if quick else {}
        return choose(self.parameters, {**preset, **(given or {})}, chapter=self.name)

    def all_values(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return every parameter with the value it has when ``values`` are set."""
        return {parameter.name: parameter.default for parameter in self.parameters} | values


def chapter_names(root: Path) -> list[str]:
    """Return the names of the chapters, in the order of ``_toc.yml``."""
    contents = yaml_of(root / "_toc.yml", dict, "a table of contents")
    pages = list(_files(contents))
    return [page.rpartition("/")[2] for page in pages if page.startswith(f"{EXECUTED}/")]


def _files(node: Any):
    """Every ``file:`` entry below a node of the table of contents, in order."""
    if isinstance(node, dict):
        if "file" in node:
            yield str(node["file"])
        for value in node.values():
            yield from _files(value)
    elif isinstance(node, list):
        for value in node:
            yield from _files(value)


def load_chapters(root: Path) -> list[Chapter]:
    """Return all chapters, in reading order."""
    return [load_chapter(root, name) for name in chapter_names(root)]


def load_chapter(root: Path, name: str) -> Chapter:
    """Return the chapter ``name``.

    Raises
    ------
    InvalidArgument
        If ``_toc.yml`` does not list it, or its source is missing or unreadable.
    """
    names = chapter_names(root)
    path = root / "notebooks" / f"{name}.md"
    if name not in names:
        if len(name) <= _LONGEST_NAME and "\0" not in name and path.exists():
            raise InvalidArgument(f"notebooks/{name}.md is no chapter yet: list it in _toc.yml")
        raise InvalidArgument(unknown("chapter", name, names, owner="the book"))
    if not path.exists():
        raise InvalidArgument(f"_toc.yml lists the chapter {name}, but {path} does not exist")
    return _read(name, path)


def _read(name: str, path: Path) -> Chapter:
    source = text_of(path)
    where = f"notebooks/{path.name}"
    settings = _settings(source, where)
    try:
        notebook = read_notebook(source)
    except Exception as problem:  # jupytext has no errors of its own
        told = " ".join(f"{type(problem).__name__}: {problem}".split())
        raise InvalidArgument(f"{where} cannot be read as a notebook: {told}") from None
    title = next(
        (
            found.group(1)
            for cell in notebook.cells
            if cell.cell_type == "markdown" and (found := _TITLE.search(cell.source))
        ),
        name,
    )
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    chapter = Chapter(
        name=name,
        path=path,
        source=source,
        title=title,
        budget_seconds=settings.get("budget_seconds"),
        budget_mebibytes=settings.get("budget_mebibytes"),
        quick=dict(settings.get("quick") or {}),
        parameters=read_cell(cells[0].source, where=where) if cells else (),
    )
    try:
        choose(chapter.parameters, chapter.quick, chapter=name)
    except InvalidArgument as problem:
        raise InvalidArgument(f"{where}, what quick sets: {problem}") from None
    return chapter


def _settings(source: str, where: str) -> Mapping[str, Any]:
    """Return what a chapter's front matter says under ``superpos``, checked."""
    head = _HEAD.match(source)
    front = parsed(head.group(1), f"{where}, front matter,") if head else None
    if not isinstance(front, dict) or "superpos" not in front:
        return {}
    settings = front["superpos"]
    if not isinstance(settings, dict):
        raise InvalidArgument(
            f"{where}: superpos is {shown(settings)}: {', '.join(_SETTINGS)} by name are needed"
        )
    if others := [str(name) for name in settings if name not in _SETTINGS]:
        raise InvalidArgument(
            f"{where}: superpos has {', '.join(others)}; known: {', '.join(_SETTINGS)}"
        )
    for name in _SETTINGS[:2]:
        value = settings.get(name, 1)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 < value < math.inf:
            raise InvalidArgument(f"{where}: {name} is {shown(value)}: a number above 0 is needed")
    quick = settings.get("quick")
    if quick is not None and not (isinstance(quick, dict) and all(map(_is_name, quick))):
        raise InvalidArgument(f"{where}: quick is {shown(quick)}: parameters by name are needed")
    return settings


def _is_name(value: object) -> bool:
    return isinstance(value, str)


def read_notebook(source: str) -> NotebookNode:
    """Return a MyST-Markdown notebook as a Jupyter notebook without outputs."""
    return copy.deepcopy(_parsed(source))


@lru_cache(maxsize=64)  # a tenth of a second each, and all that knows chapters asks for it
def _parsed(source: str) -> NotebookNode:
    import jupytext

    notebook = jupytext.reads(source, fmt="md:myst")
    for number, cell in enumerate(notebook.cells, start=1):
        cell["id"] = f"cell-{number:03d}"  # jupytext draws ids anew at every reading
    return notebook


def without_budgets(source: str) -> str:
    """Return a chapter's source without its budgets: what its outputs depend on.

    Examples
    --------
    >>> without_budgets("superpos:\\n  budget_seconds: 30\\n  quick: {}\\n")
    'superpos:\\n  quick: {}\\n'
    """
    return re.sub(r"^  budget_(seconds|mebibytes):.*\n", "", source, flags=re.M)
