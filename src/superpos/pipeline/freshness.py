"""The key under which an executed notebook may be used again.

A key is a digest over *parts*, each of which can change a result. The parts
themselves are kept in the executed notebook, so that a stale one can say which
of them changed.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import superpos
from superpos.pipeline.chapters import Chapter, read_notebook
from superpos.pipeline.execution import THREADS
from superpos.pipeline.provenance import device, versions
from superpos.registry import Claim

PACKAGE = Path(superpos.__file__).parent
ALWAYS = "from superpos.pipeline import execution"  # runs every notebook


def key_parts(
    chapter: Chapter,
    values: Mapping[str, Any],
    claims: Iterable[Claim],
    *,
    package: Path | None = None,
) -> dict[str, Any]:
    """Return what the outputs of ``chapter`` depend on.

    Parameters
    ----------
    chapter
        The chapter.
    values
        All its parameters' values.
    claims
        The registry's claims that belong to it.
    package
        The folder of the package's source; by default the one that runs.
    """
    code = [cell.source for cell in read_notebook(chapter.source).cells if cell.cell_type == "code"]
    entries = []
    for claim in claims:
        entry = asdict(claim)
        del entry["expected"]  # what we expect changes no measurement
        entries.append(entry)
    return {
        "source": _digest(chapter.source),
        "parameters": dict(values),
        "modules": module_digests([*code, ALWAYS], package or PACKAGE),
        "claims": _digest(json.dumps(entries, sort_keys=True, default=str)),
        "versions": versions(),
        "device": device(values),
        "threads": THREADS,
    }


def key(parts: Mapping[str, Any]) -> str:
    """Return the digest of all parts."""
    return _digest(json.dumps(parts, sort_keys=True))


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say which parts differ, in words; an empty list means fresh."""
    reasons = []
    if before["source"] != now["source"]:
        reasons.append("source changed")
    if modules := _differing(before["modules"], now["modules"]):
        reasons.append(f"package changed: {', '.join(modules)}")
    if names := _differing(before["parameters"], now["parameters"]):
        reasons.append(f"parameters changed: {', '.join(names)}")
    if names := _differing(before["versions"], now["versions"]):
        moved = [
            f"{name} {before['versions'].get(name)} -> {now['versions'].get(name)}"
            for name in names
        ]
        reasons.append(f"versions changed: {', '.join(moved)}")
    if before["claims"] != now["claims"]:
        reasons.append("its entries in the claims registry changed")
    for name in ("device", "threads"):
        if before[name] != now[name]:
            reasons.append(f"{name} changed: {before[name]} -> {now[name]}")
    return reasons


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [name for name in sorted({*before, *now}) if before.get(name, ...) != now.get(name, ...)]


def _digest(data: str | bytes) -> str:
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
        needed[name] = _digest(source)
        here = name if modules[name].name == "__init__.py" else name.rpartition(".")[0]
        waiting += _imported(source.decode(), modules, here)
    for folder in {modules[name].parent for name in needed}:
        for path in folder.iterdir():
            if path.is_file() and path.suffix not in (".py", ".pyc", ".pyi", ".typed"):
                needed[path.relative_to(package.parent).as_posix()] = _digest(path.read_bytes())
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
