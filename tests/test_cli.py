from __future__ import annotations

import json
import socket
import subprocess
import sys
import urllib.request
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest

from superpos.book.building import Status
from superpos.cli import main


def refused(capsys, *arguments: str) -> str:
    """Run a command that is to be refused; return the one sentence."""
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("superpos: ")
    assert told.err.count("\n") == 1
    return told.err.removeprefix("superpos: ").rstrip()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("run alfa", "the book has no chapter alfa; did you mean alpha? known: alpha, beta"),
        ("run alpha -p n_pts 3", "chapter alpha has no parameter n_pts; did you mean n_points?"),
        ("run alpha -p slope nan", "parameter slope must be a number in (0, 1]; got nan"),
        ("run alpha -p n_points 1", "parameter n_points must be a whole number in [2, inf); got 1"),
        ("run alpha -p n_points", "expected 2 arguments"),
        ("run alpha -o absent/out.ipynb", "there is no folder"),
        ("run", "required: CHAPTER"),
        ("bild", "invalid choice: 'bild'"),
        ("", "required: COMMAND"),
        ("build --jobs 0", "--jobs must be at least 1; got 0"),
        ("build --scheduler here", "scheduler is 'here': 'processes'"),
        ("run alpha --scheduler processes:none", "scheduler is 'processes:none'"),
        ("build --jobs two", "a whole number is needed; got 'two'"),
        ("serve", "there is no site in _build/html yet: run `superpos build`"),
        ("serve --port 70000", "--port must be in [0, 65535]; got 70000"),
    ],
)
def test_bad_input_gets_one_sentence_and_leaves_nothing(book, capsys, arguments, message):
    before = sorted(book.rglob("*"))
    assert message in refused(capsys, *arguments.split())
    assert sorted(path for path in book.rglob("*") if path.name != "runs") == before


def test_list_tells_what_a_chapter_can_be_run_with(book, capsys):
    assert main(["list"]) == 0
    told = capsys.readouterr().out
    assert told.index("alpha: The first chapter, budget 30 s") < told.index("beta:")
    assert "    slope: float = 0.5  rise per step (0, 1]" in told


def test_run_executes_with_the_parameters_given(book, capsys):
    assert main(["run", "alpha", "-p", "n_points", "7", "-o", "out.ipynb"]) == 0
    assert "into out.ipynb" in capsys.readouterr().out
    assert "A line through 7 points" in Path("out.ipynb").read_text("utf-8")
    assert not Path("book/executed").exists()


def test_bad_input_that_the_notebook_finds_is_told_without_a_traceback(book, capsys):
    sentence = refused(capsys, *["run", "alpha", "-p", "n_points", "13", "-o", "out.ipynb"])
    assert sentence == "n_points must not be 13; got 13"
    assert list(book.glob("*.ipynb")) == []


def test_a_failing_notebook_is_told_with_chapter_cell_and_traceback(book, capsys, edit):
    edit(book / "notebooks" / "beta.md", "from IPython.display", "1 / 0\nfrom IPython.display")
    assert main(["run", "beta", "--quick"]) == 1
    told = capsys.readouterr().err
    assert "chapter beta failed in code cell 2 ('1 / 0'): ZeroDivisionError" in told
    assert "Traceback" in told
    assert "\x1b" not in told
    assert (book / "runs" / "beta.partial.ipynb").exists()
    assert not (book / "runs" / "beta.ipynb").exists()


def test_status_says_what_is_missing(book, capsys):
    assert main(["status"]) == 0
    assert "alpha  not run of 30 s  stale: missing" in capsys.readouterr().out


def test_the_version_is_that_of_the_package(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"superpos {version('superpos')}\n"


def test_status_marks_what_is_over_its_budget(book):
    chapter = SimpleNamespace(budget_seconds=30, budget_mebibytes=500)
    assert Status(chapter, book, {}, "", 42.3, 400.0).over == ["over its budget of 30 s (42 s)"]
    assert Status(chapter, book, {}, "", 30.0, 501.0).over == [
        "over its budget of 500 MiB (501 MiB)"
    ]
    assert Status(chapter, book, {}, "", None, None).over == []


def test_claims_are_listed_with_totals_and_filtered(copied_book, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    assert main(["claims"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(
        "2 claims: 1 reproduced, 1 untested\n\nalpha-rises  reproduced  100% (20 of 20)\n"
    )
    assert max(map(len, told.splitlines())) <= 50
    assert main(["claims", "--verdict", "untested", "--json", "moves"]) == 0
    assert [row["id"] for row in json.loads(capsys.readouterr().out)["claims"]] == ["beta-rests"]
    assert "--verdict must be one of" in refused(capsys, "claims", "--verdict", "splendid")


def test_claims_of_a_built_book_are_as_expected(copied_book, capsys, edit):
    assert main(["claims", "--check"]) == 0
    assert "alpha-rises  reproduced" in capsys.readouterr().out
    assert main(["claims", "--json"]) == 0
    ledger = json.loads(capsys.readouterr().out)
    assert ledger == json.loads(Path("_build/html/claims.json").read_text("utf-8"))

    edit(copied_book / "book" / "claims.yml", "expected: untested", "expected: reproduced")
    assert main(["claims", "--check"]) == 1
    told = capsys.readouterr().err
    assert "1 of 2 claims:\n  beta-rests: untested, expected reproduced" in told

    edit(copied_book / "notebooks" / "alpha.md", "The first chapter", "The first")
    assert main(["claims", "--check"]) == 1
    told = capsys.readouterr().err
    assert "alpha-rises: untested, expected reproduced (alpha is stale: source changed)" in told


def test_the_audit_of_a_clone_is_a_table_or_json(book, capsys, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(book.parent))
    assert main(["claims", "--audit"]) == 2
    assert "is not a git clone with commits" in capsys.readouterr().err
    git = ["git", "-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "book/claims.yml"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "Register the claims"], check=True)
    assert main(["claims", "--audit"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[1].split()[0] == "alpha-rises"
    assert told[-1].startswith("2 claims: 2 without code yet.")
    assert main(["claims", "--audit", "--json"]) == 0
    claims = json.loads(capsys.readouterr().out)["claims"]
    assert [claim["registered"]["subject"] for claim in claims] == ["Register the claims"] * 2
    assert "not allowed with argument" in refused(capsys, "claims", "--audit", "--check")


def test_clean_all_says_what_it_removes(copied_book, capsys):
    assert main(["clean", "--all"]) == 0
    assert capsys.readouterr().out == "removed _build\nremoved book/executed\n"
    assert not Path("_build").exists()
    assert Path("book/index.md").exists()
    assert main(["clean", "--all"]) == 0
    assert capsys.readouterr().out == "nothing to remove\n"


def test_serve_shows_the_site_on_this_machine_only(built_book):
    command = [sys.executable, "-m", "superpos.cli", "serve", "--port", "0"]
    server = subprocess.Popen(
        command, cwd=built_book, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        url = server.stdout.readline().split()[0]
        assert url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{url}claims.json") as answer:
            assert json.load(answer)["claims"][0]["id"] == "alpha-rises"
    finally:
        server.terminate()
        server.communicate()


def test_serve_refuses_a_port_that_is_taken(built_book, capsys, monkeypatch):
    monkeypatch.chdir(built_book)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port} cannot be used" in refused(capsys, "serve", "--port", str(port))


def test_outside_a_book_the_command_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("superpos.project.__file__", str(tmp_path / "project.py"))
    assert "no book found at or above" in refused(capsys, "list")
