"""How the package hangs together: who may import whom."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import superpos

PACKAGE = Path(superpos.__file__).parent
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}


def imported(path: Path) -> Iterator[str]:
    """The package's modules that a file imports, wherever in it, but those for types only."""
    tree = ast.parse(path.read_text("utf-8"))
    typing = [
        node for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]  # fmt: skip
    for_types = {id(inner) for node in typing for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("superpos"):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else str(node.module)


def room(module: str) -> str:
    return ".".join(module.split(".")[:2])


@cache
def imports() -> dict[str, set[str]]:
    """By each module, those that it imports."""
    return {name: set(imported(path)) - {name} for name, path in MODULES.items()}


def test_no_module_imports_itself_through_others():
    TopologicalSorter(imports()).prepare()


def test_no_room_needs_itself_through_others():
    rooms: dict[str, set[str]] = {}
    for name, found in imports().items():
        rooms.setdefault(room(name), set()).update(set(map(room, found)) - {room(name)})
    TopologicalSorter(rooms).prepare()


def test_a_cycle_would_be_found():
    with pytest.raises(CycleError):
        TopologicalSorter({"a": {"b"}, "b": {"c"}, "c": {"a"}}).prepare()
    assert "superpos.errors" in imports()["superpos.checks"]


@pytest.mark.parametrize("upper", ["studies", "claims", "figures", "book"])
def test_no_science_uses_what_judges_or_draws(upper):
    above = {"superpos.studies", "superpos.claims", "superpos.figures", "superpos.book"}
    above |= {"superpos.cli"}
    for name, found in imports().items():
        if room(name) not in above:
            assert f"superpos.{upper}" not in set(map(room, found)), name


def test_type_checkers_are_told_what_names_are_imported_when_they_are_used():
    tree = ast.parse(MODULES["superpos"].read_text("utf-8"))
    told = {
        alias.asname: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("superpos")
        for alias in node.names
    }
    assert told == superpos._HOME
    assert (PACKAGE / "py.typed").exists()


def test_the_root_is_a_table_of_contents():
    entries = [path for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    assert len(entries) <= 30
