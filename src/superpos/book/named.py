"""Names in a page's code lead to the reference, wherever a cell uses them.

What a name stands for is read from the code: what was imported, what a call returns. Nothing of it
is run.
"""

from __future__ import annotations

import ast
import html
import inspect
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from superpos.book import reference

_BLOCK = re.compile(
    r'(<div class="highlight-(?:ipython3|python) [^>]*><div class="highlight"><pre>)(.*?)(</pre>)',
    re.DOTALL,
)
_PIECE = re.compile(r"<[^>]*>|&[^;\s]+;|.", re.DOTALL)  # of HTML: a tag, or what shows as one sign
_PLAIN = (bool, int, float, str, bytes, tuple, type(None))  # equal ones may be the same object


def places(inventory: Path) -> dict[str, str]:
    """Return where in the site the reference has what, by full name, from Sphinx's inventory.

    A module is at its room's page.
    """
    from sphinx.util.inventory import InventoryFile

    with inventory.open("rb") as file:
        found = InventoryFile.load(file, "", posixpath.join)
    told = {
        name: entry[2]
        for kind, entries in found.items()
        if kind.startswith("py:")
        for name, entry in entries.items()
    }
    rooms = f"{reference.FOLDER}/superpos"
    documents = found.get("std:doc", {}).items()
    pages = {name: entry[2] for name, entry in documents if name.startswith(rooms)}
    return told | {posixpath.basename(name): page for name, page in pages.items()}


def linked(page: str, path: str, code: Sequence[str], found: Mapping[str, str]) -> str:
    """Return a page's HTML whose code leads to the reference.

    Parameters
    ----------
    page
        As Sphinx made it.
    path
        Of the page, in the site.
    code
        Of all its cells, in their order, those that it hides too; none if it is no notebook.
    found
        What `places` returns.

    Examples
    --------
    >>> block = '<div class="highlight-python notranslate"><div class="highlight"><pre>{}</pre>'
    >>> page = block.format('<span class="kn">from</span> superpos <span>import</span> train')
    >>> print(linked(page, "book/a.html", [], {"superpos.train": "book/b.html#train"})[70:])
    <span class="kn">from</span> superpos <span>import</span> <a class="superpos-name" \
href="b.html#train" title="superpos.train">train</a></pre>
    """
    if not found:
        return page
    reading, waiting = _Reading(found), list(code)

    def block(match: re.Match[str]) -> str:
        before, text, after = match.groups()
        pieces = [piece for piece in _PIECE.finditer(text) if piece[0][0] != "<"]
        source = html.unescape("".join(piece[0] for piece in pieces))
        if len(source) != len(pieces):  # a sign that shows as two: nothing can be counted
            return match[0]
        stripped = [each.strip() for each in waiting]
        if source.strip() in stripped:  # what runs before it, shown or not
            at = stripped.index(source.strip())
            for hidden in waiting[:at]:
                reading.uses(hidden)
            del waiting[: at + 1]
        return before + _marked(text, pieces, reading.uses(source), path, found) + after

    return _BLOCK.sub(block, page)


def _marked(
    text: str,
    pieces: Sequence[re.Match[str]],
    uses: Iterable[tuple[int, int, str]],
    path: str,
    found: Mapping[str, str],
) -> str:
    at, made = 0, []
    for start, end, name in sorted(uses):
        first, last = pieces[start].start(), pieces[end - 1].end()
        if first < at or "<" in text[first:last]:  # across tokens
            continue
        target, mark, anchor = found[name].partition("#")
        to = posixpath.relpath(target, posixpath.dirname(path)) + mark + anchor
        made.append(
            f'{text[at:first]}<a class="superpos-name" href="{html.escape(to)}" '
            f'title="{html.escape(name)}">{text[first:last]}</a>'
        )
        at = last
    return "".join([*made, text[at:]])


@dataclass(frozen=True)
class _A:
    """Something of a class, whatever it is."""

    kind: type


@dataclass
class _Reading(ast.NodeVisitor):
    """What names stand for, line after line.

    Attributes
    ----------
    found
        Where the reference has what, by full name.
    known
        What names stand for so far: objects of the package, or something of a class.
    """

    found: Mapping[str, str]
    known: dict[str, Any] = field(default_factory=dict)

    def uses(self, source: str) -> list[tuple[int, int, str]]:
        """Return where a source uses what: first sign, the one after the last, full name."""
        try:
            tree = ast.parse(source)
        except SyntaxError:  # no Python, or IPython's
            return []
        self._lines = source.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))
        self._uses: list[tuple[int, int, str]] = []
        self.visit(tree)
        return self._uses

    # Where a name is used

    def _use(self, line: int, column: int, text: str, name: str | None) -> None:
        """Note a use, if the reference has the name; the column counts bytes, as in `ast`."""
        row = self._lines[line - 1]
        start = self._starts[line - 1] + len(row.encode()[:column].decode())
        shown = "".join(self._lines)[start : start + len(text)]
        if name and name in self.found and shown == text:
            self._uses.append((start, start + len(text), name))

    def visit_Import(self, node: ast.Import) -> None:
        for each in node.names:
            if not _ours(each.name):
                self._forget([each.asname or each.name.partition(".")[0]])
                continue
            self._use(each.lineno, each.col_offset, each.name, each.name)
            held = each.name if each.asname else each.name.partition(".")[0]
            self.known[each.asname or held] = import_module(held)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level or not node.module or not _ours(node.module):
            self._forget(each.asname or each.name for each in node.names)
            return
        home = import_module(node.module)
        self._use(node.lineno, node.col_offset + len("from "), node.module, node.module)
        for each in node.names:
            value = _part(home, each.name)
            self._use(each.lineno, each.col_offset, each.name, _name(value, home, each.name))
            self.known[each.asname or each.name] = value

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load) and node.id in self.known:
            name = _name(self.known[node.id], None, node.id)
            self._use(node.lineno, node.col_offset, node.id, name)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.visit(node.value)
        home = self._value(node.value)
        if home is not None and node.end_lineno and node.end_col_offset:
            column = node.end_col_offset - len(node.attr)
            name = _name(_part(home, node.attr), home, node.attr)
            self._use(node.end_lineno, column, node.attr, name)

    # What it stands for from then on

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        value = self._value(node.value)
        for target in node.targets:
            self.visit(target)
            self._forget(_stored(target))
            if isinstance(target, ast.Name) and value is not None:
                self.known[target.id] = value

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._forget([node.name])
        outside = dict(self.known)
        self._forget(each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg))
        self.generic_visit(node)
        self.known = outside

    def visit_For(self, node: ast.For) -> None:
        self._forget(_stored(node.target))
        self.generic_visit(node)

    def _forget(self, names: Iterable[str]) -> None:
        for name in names:
            self.known.pop(name, None)

    def _value(self, node: ast.expr) -> Any:
        """Return what an expression stands for; None if that cannot be read."""
        if isinstance(node, ast.Name):
            return self.known.get(node.id)
        if isinstance(node, ast.Attribute):
            home = self._value(node.value)
            value = None if home is None else _part(home, node.attr)
            return _returned(value.fget) if isinstance(value, property) else value
        if isinstance(node, ast.Call):
            called = self._value(node.func)
            return _A(called) if inspect.isclass(called) else _returned(called)
        return None


def _ours(module: str) -> bool:
    return module.partition(".")[0] == "superpos"


def _stored(target: ast.expr) -> Iterator[str]:
    yield from (each.id for each in ast.walk(target) if isinstance(each, ast.Name))


def _class(value: Any) -> type | None:
    """Return the class whose parts a value has, if it is one of the package's."""
    kind = value.kind if isinstance(value, _A) else value if inspect.isclass(value) else type(value)
    return kind if _ours(kind.__module__) else None


def _part(home: Any, name: str) -> Any:
    """Return what a module or a class has under a name; None if nothing."""
    if isinstance(home, ModuleType):
        return getattr(home, name, None)
    kind = _class(home)
    value = inspect.getattr_static(kind, name, None) if kind else None
    return value.__func__ if isinstance(value, classmethod | staticmethod) else value


def _name(value: Any, home: Any, name: str) -> str | None:
    """Return the full name under which the reference has something; None if it has not."""
    if isinstance(value, ModuleType):
        return value.__name__
    if value is None or isinstance(value, _A):
        return None
    if isinstance(home, ModuleType) and isinstance(value, _PLAIN):
        return f"{home.__name__}.{name}"
    told = _names()
    if id(value) in told:
        return told[id(value)]
    kind = None if home is None or isinstance(home, ModuleType) else _class(home)
    for each in kind.__mro__ if kind else ():  # the class that has the part, not one that inherits
        if name in vars(each):
            return f"{told[id(each)]}.{name}" if id(each) in told else None
    return None


def _names() -> dict[int, str]:
    """Return the full names in the reference, by the objects' identities."""
    if not _NAMES:
        for module, names in reference.documented().items():
            for name in names:
                value = getattr(import_module(module), name)
                if not isinstance(value, _PLAIN):
                    _NAMES[id(value)] = f"{module}.{name}"
    return _NAMES


_NAMES: dict[int, str] = {}  # read once: modules stay what they are


def _returned(called: Any) -> _A | None:
    """Return what a function says that it returns, where that is a class of the package."""
    told = getattr(called, "__annotations__", {}).get("return")
    kind = getattr(called, "__globals__", {}).get(told) if isinstance(told, str) else told
    return _A(kind) if inspect.isclass(kind) and _ours(kind.__module__) else None
