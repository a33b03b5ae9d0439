"""The reference: every public name with its docstring, a page a room of the package.

Here the pages are written, of directives alone; Sphinx puts the docstrings in their place
(`sphinx.ext.autodoc`), once `setup` has made reStructuredText of what in them only looks like it.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from superpos.compute.fingerprint import digest

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FOLDER = "book/reference"

# Of rooms that hold the book's machinery too: the modules that others use. What a chapter measures
# and draws is in a file of its own, which `superpos retest --list` and its page show.
_USED = {
    "superpos.claims": ("", "registry"),
    "superpos.compute": ("sweeps", "executors"),
    "superpos.figures": (
        "style", "plane", "features", "matrices", "maps", "axes", "dictionary", "animations",
        "explorers",
    ),
    "superpos.studies": ("study", "ways", "retest", "outcomes"),
    "superpos.zoo": ("", "certificates", "layouts"),
}  # fmt: skip

# What stands for itself in a docstring: code, emphasis, roles; the rest is text.
_MARKED = re.compile(
    r"``.+?``|:[\w:]+:`[^`]+`|`[^`\n]+`_{0,2}|(?<![\w*])\*[^\s*][^*\n]*\*(?![\w*])"
)
_SPECIAL = re.compile(r"([*|])|(?<=\w)_(?=[\s.,;:!?'\")\]}/-]|$)")


def rooms() -> dict[str, list[str]]:
    """Return the documented modules of each room of the package, by the room's name.

    Examples
    --------
    >>> rooms()["superpos.geometry"], rooms()["superpos.claims"]
    (['superpos.geometry'], ['superpos.claims', 'superpos.claims.registry'])
    """
    import superpos

    told = ("superpos.errors", *superpos._MODULES)
    return {"superpos": ["superpos"]} | {room: list(_modules(room)) for room in told}


def _modules(room: str) -> Iterator[str]:
    if room in _USED:
        yield from (f"{room}.{name}".rstrip(".") for name in _USED[room])
        return
    yield room
    for found in pkgutil.iter_modules(getattr(import_module(room), "__path__", ())):
        yield f"{room}.{found.name}"


def public(module: str) -> list[str]:
    """Return the public names of a module, in the order of its source.

    They are what ``__all__`` names, or else its own functions and classes.

    Examples
    --------
    >>> public("superpos.errors")
    ['InvalidArgument', 'MissingExtra', 'need', 'Diverged']
    """
    home = import_module(module)
    if named := getattr(home, "__all__", None):
        return [name for name in named if not isinstance(getattr(home, name), ModuleType)]
    return [
        name
        for name, value in vars(home).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module
    ]


def documented() -> dict[str, list[str]]:
    """Return what the reference documents, by module: each thing once, by its shortest name."""
    modules = sorted((m for found in rooms().values() for m in found), key=lambda m: m.count("."))
    seen: set[int] = set()
    told: dict[str, list[str]] = {}
    for module in modules:
        home = import_module(module)
        told[module] = [name for name in public(module) if id(getattr(home, name)) not in seen]
        seen |= {id(getattr(home, name)) for name in told[module]}
    return told


def as_files() -> dict[str, bytes]:
    """Return the pages of the reference, as Sphinx reads them, by path."""
    told = documented()
    pages = {
        f"{FOLDER}/{room}.rst": _page(room, modules, told)
        for room, modules in rooms().items()
        if any(told[module] for module in modules)
    }
    return {
        path: page.encode() for path, page in {**pages, f"{FOLDER}/index.rst": _index()}.items()
    }


def _index() -> str:
    first = {room: _first(import_module(room)) for room in rooms()}
    lines = [f":doc:`{room}`\n   {text}\n" for room, text in first.items()]
    return (
        f"{_title('Reference', '=')}\n"
        "Every public name of the package, with shapes, units, errors, sources and examples, as\n"
        "its docstring has them. All examples run with the tests.\n\n" + "\n".join(lines)
    )


def _page(room: str, modules: list[str], told: Mapping[str, list[str]]) -> str:
    sources = "".join(digest(_source(module).encode()) for module in modules)
    parts = [f".. Of {digest(sources)}\n", _title(room, "=")]
    for module in modules:
        if module != room and told[module]:
            parts.append(_title(module, "-"))
        if told[module] or module == room:
            parts.append(_section(module, told[module]))
    return "\n".join(parts)


def _section(module: str, names: list[str]) -> str:
    home = import_module(module)
    about = _escaped((inspect.getdoc(home) or "").splitlines())
    parts = ["\n".join(about), f".. currentmodule:: {module}", _summary(home, names)]
    for name in names:
        value = getattr(home, name)
        if inspect.isclass(value):
            parts.append(f".. autoclass:: {name}\n   :members:")
        elif inspect.isroutine(value):
            parts.append(f".. autofunction:: {name}")
        else:
            parts.append(
                f".. py:data:: {name}\n   :type: {type(value).__name__}\n\n"
                f"   {_constant(module, name)}"
            )
    return "\n\n".join(part for part in parts if part) + "\n"


def _summary(home: ModuleType, names: list[str]) -> str:
    """Return a list of names with the first sentence of each: what a reader looks through."""
    lines = []
    for name in names:
        value = getattr(home, name)
        is_data = not (inspect.isclass(value) or inspect.isroutine(value))
        first = _constant(home.__name__, name) if is_data else _first(value)
        lines.append(f"- :py:obj:`{name}`: {first}")
    return "\n".join(lines)


def _first(value: Any) -> str:
    """Return the first sentence of a docstring, in one line."""
    paragraph = " ".join((inspect.getdoc(value) or "").partition("\n\n")[0].split())
    sentence = re.match(r".*?\.(?=\s|$)", paragraph)
    return _escaped([sentence[0] if sentence else f"{paragraph}."])[0]


def _source(module: str) -> str:
    return Path(inspect.getfile(import_module(module))).read_text("utf-8")


def _constant(module: str, name: str) -> str:
    """Return what stands below a constant's assignment, in the module that a room has it from."""
    from sphinx.pycode import ModuleAnalyzer

    import superpos

    homes = [superpos._HOME[name]] if module == "superpos" else _modules(module)
    for home in homes:
        if told := ModuleAnalyzer.for_module(home).find_attr_docs().get(("", name)):
            return " ".join(_escaped([line for line in told if line]))
    return ""


def _title(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n"


def _escaped(lines: list[str]) -> list[str]:
    """Return a docstring's lines with nothing in their text that only looks like markup.

    Examples: ``|cos|`` would be a substitution, and ``n_`` a link.
    """
    made, is_code = [], False
    for line in lines:
        # an example and what it prints, to the next empty line
        is_code = line.lstrip().startswith(">>>") or (is_code and bool(line.strip()))
        made.append(line if is_code or _is_field(line) else _escaped_text(line))
    return made


def _is_field(line: str) -> bool:
    """Return whether a line names parameters: ``*axes``, which is read by others."""
    return bool(re.fullmatch(r"\*{1,2}\w+", line.strip()))


def _escaped_text(line: str) -> str:
    made, end = [], 0
    for mark in _MARKED.finditer(line):
        made += [_SPECIAL.sub(r"\\\g<0>", line[end : mark.start()]), mark[0]]
        end = mark.end()
    return "".join([*made, _SPECIAL.sub(r"\\\g<0>", line[end:])])


def _docstring(
    app: Sphinx, kind: str, name: str, value: object, options: object, lines: list[str]
) -> None:
    lines[:] = _escaped(lines)


def _signature(
    app: Sphinx,
    kind: str,
    name: str,
    value: object,
    options: object,
    signature: str | None,
    returned: str | None,
) -> tuple[str | None, str | None]:
    """Leave out of a signature what has no source: a function as a default, at its address."""
    told = signature and re.sub(r"=\s*<(?:[^<>]|<[^<>]*>)*>", "= ...", signature)
    return told, returned


def setup(app: Sphinx) -> dict[str, bool]:
    """Have Sphinx read docstrings as they are written here."""
    from sphinx.domains.python import PyObject  # pyright: ignore[reportPrivateImportUsage]

    app.connect("autodoc-process-docstring", _docstring, priority=400)  # before numpydoc's sections
    app.connect("autodoc-process-signature", _signature)
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"  # as the docstrings call them
    return {"parallel_read_safe": True, "parallel_write_safe": True}
