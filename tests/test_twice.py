"""Two builds of one commit are equal, and what makes two sites differ is found."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
SPEC = importlib.util.spec_from_file_location("twice", CHECKOUT / ".ci" / "twice.py")
twice = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(twice)


def git(folder: Path, *arguments: str, **environment: str) -> None:
    known = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *known, *arguments]
    subprocess.run(command, check=True, env=os.environ | environment)


def test_two_builds_of_one_commit_are_equal_whatever_they_took(book, tmp_path):
    sites = []
    date = "2031-05-06T07:08:09+02:00"
    for name, cores in (("one", "1"), ("another-place", "2")):
        copy = shutil.copytree(book, tmp_path / name)
        (copy / ".gitignore").write_text("_build\nbook/executed\n")
        git(copy, "init", "-q")
        git(copy, "add", ".")
        git(copy, "commit", "-q", "-m", "B", GIT_AUTHOR_DATE=date, GIT_COMMITTER_DATE=date)
        subprocess.run(
            [sys.executable, "-m", "superpos", "build"], cwd=copy, check=True,
            capture_output=True, env=os.environ | {"SUPERPOS_CORES": cores},
        )  # fmt: skip
        sites.append(copy / "_build" / "html")
    assert twice.differences(*sites) == []
    page = (sites[0] / "book" / "executed" / "alpha.html").read_text("utf-8")
    assert ", of 2031-05-06 05:08 UTC" in page  # the commit's date, wherever it was made
    took = json.loads((sites[0] / "build.json").read_text("utf-8"))["chapters"]
    assert took["alpha"]["seconds"] > 0
    assert took["alpha"]["peak_memory_bytes"] > 1e6
    (sites[1] / "build.json").write_text("{}")
    assert twice.differences(*sites) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda site: (site / "claims.json").write_text("[]"), "claims.json: from byte 0"),
        (lambda site: (site / "index.html").unlink(), "index.html: only in"),
        (lambda site: (site / "new.html").write_text(""), "new.html: only in"),
        (lambda site: (site / "new").symlink_to("nowhere"), "new: only in"),
    ],
)
def test_a_file_that_differs_is_named(built_book, tmp_path, change, told):
    sites = built_book / "_build" / "html", tmp_path / "html"
    shutil.copytree(*sites)
    assert twice.differences(*sites) == []
    change(sites[1])
    (found,) = twice.differences(*sites)
    assert found.startswith(told)
    command = [sys.executable, twice.__file__, *map(str, sites)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert found in done.stdout
