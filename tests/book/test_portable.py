"""A notebook that has left the book: what its first cell does, and what JupyterLab folds."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from superpos.book.citation import Edition
from superpos.book.portable import install_from, portable
from superpos.book.readable import Library
from superpos.errors import InvalidArgument

ADDRESS = "superpos[book] @ git+https://host/it's \\ here"

KNOWN = Library({"alpha": "A"}, {}, {}, Edition("lines", (), "1", 2031))

# A pip that notes what it is told, and "installs" the package beside itself.
PIP = """
import pathlib, sys
here = pathlib.Path(__file__).parent.parent
(here / "told").write_text(repr(sys.argv[1:]))
(here / "superpos.py").write_text("there = True")
"""


def notebook(*tags: str) -> nbformat.NotebookNode:
    cells = [new_markdown_cell("# Title", id="a"), new_code_cell("x = 1", id="b")]
    cells[1].metadata["tags"] = list(tags)
    return new_notebook(cells=cells)


def first(install: str) -> str:
    made = portable(notebook(), "alpha", KNOWN, install)
    nbformat.validate(made)
    assert [cell.id for cell in made.cells] == ["set-up", "a", "b"]
    assert made.cells[0].metadata["tags"] == ["remove-cell"]
    assert not made.cells[0].outputs
    return made.cells[0].source


@pytest.fixture
def anywhere(tmp_path):
    """Run code in an empty folder, with a pip of ours and without any installed package."""
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__init__.py").touch()
    (tmp_path / "pip" / "__main__.py").write_text(PIP)

    def run(code: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-S", "-c", code]  # no site-packages
        return subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True)

    return run


@pytest.mark.parametrize("install", ["", ADDRESS])
def test_it_says_what_it_needs_before_anything_else(install):
    words = [line for line in first(install).splitlines() if line.startswith("#")]
    assert first(install).startswith("\n".join(words))
    assert "Python 3.11 or newer" in words[0]
    assert "the package superpos" in words[0]


def test_where_the_package_is_missing_it_is_installed_from_the_configured_address(
    anywhere, tmp_path
):
    done = anywhere(f"{first(ADDRESS)}\nimport superpos\nassert superpos.there")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "told").read_text() == repr(["install", "--quiet", ADDRESS])


def test_where_no_address_is_configured_one_sentence_says_how_to_install_it(anywhere, tmp_path):
    done = anywhere(first(""))
    assert done.returncode == 1
    sentence = done.stderr.splitlines()[-1]
    assert re.match(r"ModuleNotFoundError: superpos is missing: .*pip install \"PATH", sentence)
    assert not (tmp_path / "told").exists()


@pytest.mark.parametrize("install", ["", ADDRESS])
def test_where_the_package_is_there_nothing_runs(anywhere, tmp_path, install):
    (tmp_path / "superpos.py").write_text("raise RuntimeError('the cell need not load it')")
    done = anywhere(f"import sys\n{first(install)}\nassert 'subprocess' not in sys.modules")
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("", "")
    assert not (tmp_path / "told").exists()


@pytest.mark.parametrize(
    ("tags", "folded"),
    [
        ([], None),
        (["parameters"], None),
        (["hide-input"], {"source_hidden": True}),
        (["remove-input", "parameters"], {"source_hidden": True}),
        (["hide-output"], {"outputs_hidden": True}),
        (["remove-output"], {"outputs_hidden": True}),
        (["hide-cell"], {"source_hidden": True, "outputs_hidden": True}),
        (["remove-cell"], {"source_hidden": True, "outputs_hidden": True}),
        (["hide-input", "hide-output"], {"source_hidden": True, "outputs_hidden": True}),
    ],
)
def test_what_the_page_hides_is_folded_in_jupyterlab(tags, folded):
    given = notebook(*tags)
    before = nbformat.writes(given)
    cell = portable(given, "alpha", KNOWN, "").cells[-1]
    assert cell.metadata.get("jupyter") == folded
    assert cell.metadata["tags"] == tags
    assert nbformat.writes(given) == before


def test_the_first_cell_itself_is_to_be_read():
    assert "jupyter" not in portable(notebook(), "alpha", KNOWN, "").cells[0].metadata


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("", ""),
        ("title: none of it\n", ""),
        ("superpos:\n", ""),
        ("superpos: {install: }\n", ""),
        ("superpos: {install: superpos}\n", "superpos"),
        ("repository: {url: 'https://h/n'}\nsuperpos: {install: superpos}\n", "superpos"),
        ("repository: {url: 'https://h/n'}\n", "superpos[studies,plot,live] @ git+https://h/n"),
        ("repository: {url: ''}\nsuperpos: {install: ''}\n", ""),
    ],
)
def test_the_address_is_that_of_the_configuration(tmp_path: Path, config, expected):
    (tmp_path / "_config.yml").write_text(config)
    assert install_from(tmp_path) == expected


@pytest.mark.parametrize("config", ["superpos: here", "superpos: [a]", "superpos: {install: [a]}"])
def test_an_address_that_is_none_is_refused_with_an_example(tmp_path: Path, config):
    (tmp_path / "_config.yml").write_text(config)
    with pytest.raises(InvalidArgument, match=r'has superpos: .* as in superpos: \{install: "'):
        install_from(tmp_path)


def test_a_configuration_that_is_no_yaml_is_refused_in_a_sentence(tmp_path: Path):
    (tmp_path / "_config.yml").write_text("a: [")
    with pytest.raises(InvalidArgument, match=r"_config\.yml is not valid YAML"):
        install_from(tmp_path)
