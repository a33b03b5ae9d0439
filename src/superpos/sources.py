"""What a result depends on besides its settings: source code and versions."""

from __future__ import annotations

import ast
import hashlib
import platform
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = Path(__file__).parent
PACKAGES = ("torch", "numpy", "scipy", "matplotlib", "networkx", "superpos")


def versions() -> dict[str, str]:
    """Return the versions that can change a result."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found


def digest(data: str | bytes) -> str:
    """Return the SHA-256 of text or bytes, in hexadecimal."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def module_digests(code: Iterable[str], package: Path) -> dict[str, str]:
    """Return the digest of every module of the package that ``code`` needs, by module name.

    Imports are followed through the source, without running it. Importing a
    module runs its parent packages, so those belong to it, and so do the data
    files that lie beside a module.
    """
    modules = {_module_name(path, package): path for path in package.rglob("*.py")}
    waiting = [name for cell in code for name in _imported(_without_magics(cell), modules, "")]
    needed: dict[str, str] = {}
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        source = modules[name].read_bytes()
        needed[name] = digest(source)
        here = name if modules[name].name == "__init__.py" else name.rpartition(".")[0]
        waiting += _imported(source.decode(), modules, here)
    for folder in {modules[name].parent for name in needed}:
        for path in folder.iterdir():
            if path.is_file() and path.suffix not in (".py", ".pyc", ".pyi", ".typed"):
                needed[path.relative_to(package.parent).as_posix()] = digest(path.read_bytes())
    return dict(sorted(needed.items()))


def _module_name(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _without_magics(cell: str) -> str:
    """Blank IPython's own lines, which are not Python."""
    if cell.startswith("%%"):
        return ""
    return "\n".join("" if line.lstrip()[:1] in ("%", "!") else line for line in cell.splitlines())


def _imported(source: str, modules: Mapping[str, Path], here: str) -> Iterator[str]:
    """Yield the package's modules that ``source`` imports; ``here`` is its own package."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # the run will say so better
        return
    names: list[str] = []
    aliases: dict[str, str] = {}  # a name in the source that is bound to a module
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names.append(alias.name)
                top = alias.name.partition(".")[0]
                aliases[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = here.split(".")[: len(here.split(".")) - node.level + 1]
                base = ".".join([*parents, *([base] if base else [])])
            for alias in node.names:
                names += [base, f"{base}.{alias.name}"]
                aliases[alias.asname or alias.name] = f"{base}.{alias.name}"
                if alias.name == "*":
                    names += [name for name in modules if name.rpartition(".")[0] == base]
    # `import superpos as sp; sp.geometry.f()` needs superpos.geometry, however it gets loaded
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (dotted := _dotted(node)):
            first, _, rest = dotted.partition(".")
            names.append(f"{aliases.get(first, '')}.{rest}")
        elif isinstance(node, ast.Constant) and node.value in modules:
            names.append(node.value)  # importlib.import_module("superpos.geometry")
    for name in names:
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            if (parent := ".".join(parts[:length])) in modules:
                yield parent


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute) and (base := _dotted(node.value)):
        return f"{base}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""
