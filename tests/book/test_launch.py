"""Buttons that open a notebook elsewhere: where an address is known, and to what is there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import nbformat
import pytest
import yaml

from superpos.book.chapters import chapter_names, read_notebook
from superpos.book.launch import Launch, launch
from superpos.cli import main
from superpos.errors import InvalidArgument

CHECKOUT = Path(__file__).parents[2]
GITHUB = 'url: "https://github.com/ann/lines"'


def run(*command: str | Path, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=os.environ | environment,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("repository", "owner"),
    [
        ("", ""),
        ("repository: {url: ''}", ""),
        ("repository: {url: 'https://github.com/ann/lines'}", "ann"),
        ("repository: {url: 'https://github.com/ann/lines.git'}", "ann"),
        ("repository: {url: 'https://github.com/ann/lines/'}", "ann"),
        ("repository: {url: 'https://elsewhere.org/ann/lines'}", ""),
        ("repository: {url: 'https://github.com/ann'}", ""),
    ],
)
@pytest.mark.parametrize("notebooks", ["", "notebooks"])
def test_there_are_buttons_where_addresses_are_configured(tmp_path, repository, owner, notebooks):
    (tmp_path / "_config.yml").write_text(f"{repository}\nsuperpos: {{notebooks: '{notebooks}'}}\n")
    found = launch(tmp_path)
    assert bool(found.binder("alpha")) == bool(owner)
    assert bool(found.colab("alpha")) == bool(owner and notebooks)
    assert bool(found.buttons("alpha")) == bool(owner)
    if owner:
        assert found.name == "lines"


@pytest.mark.parametrize("branch", ["a b", "'\"><b>'", "[a]", "'x?y'"])
def test_what_is_no_branch_is_refused(tmp_path, branch):
    (tmp_path / "_config.yml").write_text(f"superpos: {{notebooks: {branch}}}\n")
    with pytest.raises(InvalidArgument, match="a branch's name is needed"):
        launch(tmp_path)


# What buttons lead to


@pytest.mark.parametrize("chapter", chapter_names(CHECKOUT))
def test_binder_opens_a_source_of_the_repository_that_runs_as_a_notebook(chapter):
    asked = urlsplit(Launch("ann", "lines").binder(chapter))
    assert asked.path == "/v2/gh/ann/lines/main"
    (place,) = parse_qs(asked.query)["urlpath"]
    path = CHECKOUT / place.removeprefix("lab/tree/")
    assert path.is_file()
    notebook = read_notebook(path.read_text("utf-8"))
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    assert any(cell.cell_type == "code" for cell in notebook.cells)


def test_binders_environment_has_this_package_and_what_opens_its_notebooks():
    """Made of a copy of the repository, since it names files of it, before ``postBuild`` runs."""
    told = yaml.safe_load((CHECKOUT / "environment.yml").read_text("utf-8"))
    (pip,) = [each["pip"] for each in told["dependencies"] if isinstance(each, dict)]
    (package,) = [line for line in pip if line.startswith("-e ")]
    extras = set(re.findall(r"[a-z]+", package.partition("[")[2]))
    assert package.startswith("-e .[")
    assert {"book", "lab"} <= extras  # jupytext, and JupyterLab to open with it
    assert (CHECKOUT / next(line for line in pip if line.startswith("-c ")).split()[1]).is_file()
    # where one of these is, Binder reads it instead, or the other files
    assert not [name for name in ("binder", ".binder", "Dockerfile") if (CHECKOUT / name).exists()]
    assert os.access(CHECKOUT / "postBuild", os.X_OK)


def test_on_binder_a_source_opens_as_a_notebook(tmp_path):
    (tmp_path / "share/jupyter/lab/settings").mkdir(parents=True)
    commands = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"NB_PYTHON_PREFIX": str(tmp_path), "PATH": commands, "HOME": str(tmp_path)}
    run("bash", CHECKOUT / "postBuild", folder=tmp_path, **environment)
    written = json.loads((tmp_path / "share/jupyter/lab/settings/overrides.json").read_text())
    viewers = written["@jupyterlab/docmanager-extension:plugin"]["defaultViewers"]
    assert viewers["markdown"] == "Jupytext Notebook"


def test_colab_opens_a_notebook_of_the_branch_that_the_command_makes(copied_book, edit):
    edit(copied_book / "_config.yml", 'url: ""', GITHUB)
    edit(copied_book / "_config.yml", 'notebooks: ""', "notebooks: executed")
    (copied_book / ".ci").mkdir()
    shutil.copy(CHECKOUT / ".ci" / "notebooks", copied_book / ".ci")
    assert main(["build"]) == 0
    git = ["git", "-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
    run("git", "init", "-q", folder=copied_book)
    (copied_book / ".gitignore").write_text("_build\nbook/executed\n")
    run(*git, "add", ".", folder=copied_book)
    run(*git, "commit", "-q", "-m", "All", folder=copied_book)
    before = run("git", "status", "--porcelain=v2", "--branch", folder=copied_book)
    who = {
        f"GIT_{role}_{what}": "n" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    script = ("bash", copied_book / ".ci" / "notebooks", "executed")
    assert "executed: 2 notebooks" in run(*script, folder=copied_book, **who)
    assert "has these notebooks already" in run(*script, folder=copied_book, **who)
    assert run("git", "status", "--porcelain=v2", "--branch", folder=copied_book) == before

    found = launch(copied_book)
    html = copied_book / "_build" / "html"
    for name in ("alpha", "beta"):
        asked = urlsplit(found.colab(name)).path.removeprefix("/github/ann/lines/blob/")
        branch, _, path = asked.partition("/")
        content = run("git", "show", f"{branch}:{path}", folder=copied_book)
        notebook = nbformat.reads(content, as_version=4)
        nbformat.validate(notebook)
        assert "git+https://github.com/ann/lines" in notebook.cells[0].source
        assert content == (html / "_sources/book/executed" / f"{name}.ipynb").read_text("utf-8")
        page = (html / "book/executed" / f"{name}.html").read_text("utf-8")
        assert f'href="{found.colab(name)}">Open in Colab</a>' in page
        assert f'href="{found.binder(name)}">Open in Binder</a>' in page
    described = re.search(r'name="description" content="([^"]*)"', page)
    assert described is None or "Open in" not in described[1]


def test_without_an_address_no_page_leads_to_either(built_book):
    for page in (built_book / "_build" / "html").rglob("*.html"):
        assert not re.search(r"mybinder|colab\.research", page.read_text("utf-8")), page


def test_what_is_downloaded_has_every_output_that_was_executed(built_book):
    served = built_book / "_build" / "html" / "_sources" / "book" / "executed"
    for path in (built_book / "book" / "executed").glob("*.ipynb"):
        executed, there = (nbformat.read(each, as_version=4) for each in (path, served / path.name))
        nbformat.validate(there)
        outputs = [
            [output.get("data", output.get("text")) for cell in book.cells
             if cell.cell_type == "code" for output in cell.outputs]
            for book in (executed, there)
        ]  # fmt: skip
        plain = [[_kinds(each) for each in one] for one in outputs]
        assert plain[0] == plain[1]
        assert any(plain[0])
        assert there.metadata.get("widgets") == executed.metadata.get("widgets")


def _kinds(data) -> list[str] | str:
    """What an output is shown as; its texts are written for any reader."""
    return sorted(data) if isinstance(data, dict) else data
