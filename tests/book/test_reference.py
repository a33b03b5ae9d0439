"""The reference: what it documents, and what is made of docstrings."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import superpos
from superpos.book import reference
from superpos.book.chapters import load_chapters, read_notebook

ROOT = Path(__file__).parents[2]
PACKAGE = Path(superpos.__file__).parent
CHAPTERS = {chapter.name for chapter in load_chapters(ROOT)}
TOLD = reference.documented()


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {path: page.decode() for path, page in reference.as_files().items()}


def values() -> set[int]:
    return {id(getattr(import_module(m), name)) for m, names in TOLD.items() for name in names}


def test_each_public_name_of_the_package_has_its_place(pages):
    for name in superpos.__all__:
        if isinstance(getattr(superpos, name), ModuleType):
            assert f"book/reference/superpos.{name}.rst" in pages
        else:
            assert name in TOLD["superpos"]


def test_each_thing_is_documented_once_by_its_shortest_name():
    assert len(values()) == sum(map(len, TOLD.values()))
    assert "train" not in TOLD["superpos.training.train"]
    assert "exact_loss" in TOLD["superpos.losses"]
    assert "exact_loss" not in TOLD.get("superpos.losses.exact", [])


def used(source: str) -> set[tuple[str, str]]:
    """The names that a source takes from the package: (module, name)."""
    return {
        (node.module, alias.name)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("superpos")
        for alias in node.names
    }


def of_pages() -> set[tuple[str, str]]:
    """What the chapters, the README and other pages import from the package."""
    found = set()
    for path in (ROOT / "notebooks").glob("*.md"):
        cells = read_notebook(path.read_text("utf-8")).cells
        found |= {pair for c in cells if c.cell_type == "code" for pair in used(c.source)}
    for path in (ROOT / "README.md", *(ROOT / "book").glob("*.md")):
        for block in re.findall(r"^```python\n(.*?)^```", path.read_text("utf-8"), re.M | re.S):
            found |= used(block)
    return found


def test_what_pages_and_studies_import_is_documented_but_for_what_is_a_chapters():
    found = of_pages()
    for path in (PACKAGE / "studies").glob("*.py"):
        taken = used(path.read_text("utf-8"))
        machinery = ("superpos.book", "superpos.claims", "superpos.compute", "superpos.project")
        found |= {pair for pair in taken if not pair[0].startswith(machinery)}
    there, missing = values(), []
    for module, name in found:
        value = getattr(import_module(module), name, None) or import_module(f"{module}.{name}")
        of_a_chapter = {name, module.rpartition(".")[2]} & CHAPTERS
        is_room = isinstance(value, ModuleType) or not callable(value)
        inner = module.startswith("superpos.studies")
        if not (of_a_chapter or is_room or inner or id(value) in there):
            missing.append(f"{module}.{name}")
    assert len(found) > 60
    assert missing == []


def test_every_entry_has_a_sentence(pages):
    entries = [e for page in pages.values() for e in re.findall(r"^- :py:obj:.*$", page, re.M)]
    assert len(entries) == sum(map(len, TOLD.values()))
    assert [entry for entry in entries if not re.search(r"`: \S.*\.$", entry)] == []


def test_a_page_is_another_when_a_docstring_is(monkeypatch, pages):
    source = reference._source
    other = {"superpos.geometry": "another docstring"}
    monkeypatch.setattr(reference, "_source", lambda name: other.get(name) or source(name))
    now = {path: page.decode() for path, page in reference.as_files().items()}
    changed = {path for path in pages if now[path] != pages[path]}
    assert changed == {"book/reference/superpos.geometry.rst"}


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("the largest |cosine| of a pair", r"the largest \|cosine\| of a pair"),
        ("D* = m/‖W‖_F²", r"D\* = m/‖W‖_F²"),
        ("arrays of n_ and *args here", r"arrays of n\_ and \*args here"),
        ("W_i·W_j and Σ_{j≠i}", "W_i·W_j and Σ_{j≠i}"),
        ("a *key*, `name_`, ``|x| * y_``", "a *key*, `name_`, ``|x| * y_``"),
        ("**settings", "**settings"),
        (">>> a * b | c_", ">>> a * b | c_"),
    ],
)
def test_text_that_only_looks_like_markup_is_escaped(text, made):
    assert reference._escaped([text]) == [made]


def test_what_an_example_prints_stays_as_it_is():
    lines = [">>> print('|')", "|x|", "", "|y|"]
    assert reference._escaped(lines) == [">>> print('|')", "|x|", "", r"\|y\|"]


def test_a_signature_has_no_address():
    told = "(name: str, hidden: Callable[[Tensor], Tensor] = <function relu at 0x7f>, n=<lambda>)"
    made, _ = reference._signature(None, "class", "Model", None, None, told, None)
    assert made == "(name: str, hidden: Callable[[Tensor], Tensor] = ..., n= ...)"


def test_a_book_that_lists_no_reference_gets_none(built_book):
    assert not list((built_book / "_build" / "source").rglob("reference"))
