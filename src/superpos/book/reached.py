"""Which of the package's modules a notebook reaches, read from the sources without running them."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from superpos.compute.fingerprint import digest

# cells in other languages, and those that are kept and not run
_NOT_PYTHON = {
    "bash", "cmd", "html", "javascript", "js", "latex", "markdown", "perl", "ruby", "script", "sh",
    "svg", "system", "sx", "writefile",
}  # fmt: skip


def module_digests(code: Iterable[str], package: Path) -> dict[str, str]:
    """Return the digest of every module of the package that ``code`` reaches, by module name.

    Imports are followed wherever they stand, but those for type checkers only; where a package
    finds its names when they are asked for, to the modules that its table names. Importing a
    module runs its parent packages, so those belong to it, and so do the data files that lie
    beside a module. A package that is used as a value may be asked for anything that it holds.

    Parameters
    ----------
    code
        The source of cells, which may hold IPython's magics.
    package
        Its folder.
    """
    modules = {_module_name(path, package): path for path in package.rglob("*.py")}
    cells = _Source("")
    for cell in code:
        cells.read(_plain(cell))
    needed: dict[str, str] = {}
    waiting = list(_Reach(modules).of(cells))
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed[name] = digest(modules[name].read_bytes())
            waiting += _Reach(modules).of(_source(modules[name], name))
    for folder in {modules[name].parent for name in needed}:
        for path in folder.iterdir():
            if path.is_file() and path.suffix not in (".py", ".pyc", ".pyi", ".typed"):
                needed[path.relative_to(package.parent).as_posix()] = digest(path.read_bytes())
    return dict(sorted(needed.items()))


def _module_name(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _plain(cell: str) -> str:
    """Return the Python of a cell: magics give way to what they run."""
    first, _, rest = cell.lstrip().partition("\n")
    if first.startswith("%%"):
        words = first[2:].split()
        return _plain(rest) if words and words[0] not in _NOT_PYTHON else ""
    return "\n".join(map(_plain_line, cell.splitlines()))


def _plain_line(line: str) -> str:
    if line.lstrip()[:1] not in ("%", "!"):
        return line
    indent, run = line[: len(line) - len(line.lstrip())], line.partition(" ")[2]
    try:
        ast.parse(run)  # as after %time
    except SyntaxError:
        return indent + "pass"
    return indent + run


class _Source(ast.NodeVisitor):
    """What a source says of modules.

    Attributes
    ----------
    here
        The package that it belongs to, for relative imports.
    imported
        Dotted names that it imports.
    bound
        What a name of it may stand for, of those.
    used
        Dotted names that it uses, whatever they stand for.
    whole
        Packages of which it imports all.
    texts
        Texts in it: one may be the name of a module, to be imported while it runs.
    beginnings
        Of names of modules that are made up while it runs.
    defined
        Names that it defines itself.
    table
        Where names are that it finds when it is asked for them, by its ``__getattr__``.
    on_request
        What that may import for names that are not in the table; None if there is none.
    """

    def __init__(self, here: str) -> None:
        self.here = here
        self.imported: set[str] = set()
        self.bound: dict[str, set[str]] = {}
        self.used: set[str] = set()
        self.whole: set[str] = set()
        self.texts: set[str] = set()
        self.beginnings: set[str] = set()
        self.defined: set[str] = set()
        self.table: dict[str, str] = {}
        self.on_request: _Source | None = None

    def read(self, text: str) -> None:
        try:
            tree = ast.parse(text)
        except SyntaxError:  # whatever this is, it may use anything
            self.beginnings.add("")
            return
        lazy = any(isinstance(n, ast.FunctionDef) and n.name == "__getattr__" for n in tree.body)
        on_request = self.on_request = _Source(self.here) if lazy else None
        for node in tree.body:
            self.defined |= _defined(node)
            if on_request and _is_table(node):
                on_request.visit(node)
                self.table |= _table(node)
            else:
                self.visit(node)

    def visit_If(self, node: ast.If) -> None:
        if _name(node.test).rpartition(".")[2] != "TYPE_CHECKING":
            return self.generic_visit(node)
        for inner in node.orelse:
            self.visit(inner)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.imported.add(alias.name)
            top = alias.name.partition(".")[0]
            self.bind(alias.asname or top, alias.name if alias.asname else top)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            parents = self.here.split(".")[: self.here.count(".") + 2 - node.level]
            base = ".".join([*parents, *([base] if base else [])])
        self.imported.add(base)
        for alias in node.names:
            if alias.name == "*":
                self.whole.add(base)
            elif alias.name == "import_module" and alias.asname:  # whose calls are not known again
                self.beginnings.add("")
            else:
                self.imported.add(f"{base}.{alias.name}")
                self.bind(alias.asname or alias.name, f"{base}.{alias.name}")

    def bind(self, name: str, target: str) -> None:
        self.bound.setdefault(name, set()).add(target)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if name := _name(node):
            self.used.add(name)
        else:
            self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.used.add(node.id)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.texts.add(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        name = _name(node.func)
        if name in ("eval", "exec"):
            self.beginnings.add("")
        elif name.rpartition(".")[2] in ("import_module", "__import__"):
            asked = node.args[0] if node.args else None
            if isinstance(asked, ast.JoinedStr) and isinstance(asked.values[0], ast.Constant):
                self.beginnings.add(str(asked.values[0].value))
            elif not isinstance(asked, ast.Constant) or str(asked.value).startswith("."):
                self.beginnings.add("")
        self.generic_visit(node)


@functools.cache
def _read(text: str, here: str) -> _Source:
    source = _Source(here)
    source.read(text)
    return source


def _source(path: Path, module: str) -> _Source:
    here = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return _read(path.read_text("utf-8"), here)


def _name(node: ast.expr) -> str:
    """Return the dotted name that an expression is, or nothing."""
    if isinstance(node, ast.Attribute) and (base := _name(node.value)):
        return f"{base}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _defined(node: ast.stmt) -> set[str]:
    """Return the names that a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _is_table(node: ast.stmt) -> bool:
    """Return whether a statement says what a lazy module finds when it is asked."""
    if isinstance(node, ast.FunctionDef):
        return node.name in ("__getattr__", "__dir__")
    return isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict | ast.Tuple | ast.List)


def _table(node: ast.stmt) -> dict[str, str]:
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Dict):
        return {}
    pairs = zip(node.value.keys, node.value.values, strict=True)
    return {
        str(key.value): str(value.value)
        for key, value in pairs
        if isinstance(key, ast.Constant) and isinstance(value, ast.Constant)
    }


class _Reach:
    """The modules of a package that sources reach, by their names; each may come many times."""

    def __init__(self, modules: Mapping[str, Path]) -> None:
        self.modules = modules
        self.seen: set[tuple[str, bool]] = set()

    def of(self, source: _Source) -> Iterator[str]:
        for name in source.imported | (source.texts & self.modules.keys()):
            yield from self.along(name)
        for name in source.used:
            first, _, rest = name.partition(".")
            for target in source.bound.get(first, ()):
                yield from self.along(f"{target}.{rest}" if rest else target, is_value=True)
        for base in source.whole & self.modules.keys():
            yield from self.beginning(f"{base}.")
        for beginning in source.beginnings:
            yield from self.beginning(beginning)

    def beginning(self, text: str) -> Iterator[str]:
        return (name for name in self.modules if name.startswith(text))

    def along(self, name: str, *, is_value: bool = False) -> Iterator[str]:
        """Yield what a dotted name reaches; what it is itself may be used as a value."""
        here, *parts = name.split(".")
        if here not in self.modules or (name, is_value) in self.seen:
            return
        self.seen.add((name, is_value))
        yield here
        while parts and f"{here}.{parts[0]}" in self.modules:
            here = f"{here}.{parts.pop(0)}"
            yield here
        if not parts:
            if is_value and self.modules[here].name == "__init__.py":
                yield from self.beginning(f"{here}.")
            return
        source = _source(self.modules[here], here)
        targets = source.bound.get(parts[0], set())
        if parts[0] in source.table:
            targets = targets | {f"{source.table[parts[0]]}.{parts[0]}"}
        for target in targets:  # a name that it has from elsewhere
            yield from self.along(".".join([target, *parts[1:]]), is_value=is_value)
        is_own = parts[0].startswith("__") or parts[0] in source.defined
        if not targets and not is_own and source.on_request is not None:
            yield from self.of(source.on_request)
