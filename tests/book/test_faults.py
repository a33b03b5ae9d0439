"""Builds that are killed, or that meet another: nothing that was finished is lost or harmed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from superpos.book import stored

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals as on Linux")

SWEEP = """
```{code-cell}
import os
import time

from superpos import sweep


def slow(a):
    time.sleep(0.2)
    with open("LOG", "a") as file:
        file.write("x")
    return {"x": [value**2 for value in a]}


print(int(sweep(slow, {"a": range(30)}, cells_at_once=1).x.sum()))
```
"""
TOTAL = sum(k**2 for k in range(30))


@pytest.fixture
def sweeping_book(copied_book: Path) -> Path:
    """The tiny book, whose second chapter has a sweep of 30 pieces and is to be executed."""
    source = copied_book / "notebooks" / "beta.md"
    log = str(copied_book / "log")
    source.write_text(source.read_text("utf-8") + SWEEP.replace("LOG", log), "utf-8")
    return copied_book


def build(root: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "superpos.cli", "build"]
    return subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def runs(root: Path) -> int:
    return len((root / "log").read_text()) if (root / "log").exists() else 0


def pieces(root: Path) -> list[Path]:
    return list(stored.store(root).rglob("*.safetensors"))


def executed(root: Path) -> dict:
    return json.loads((root / "book" / "executed" / "beta.ipynb").read_text("utf-8"))


def wait_until(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def descendants(process: int) -> set[int]:
    """The processes that a process has begun, and those that they have."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                status = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has just ended
                continue
            if status[0] != "Z":
                parents[int(folder.name)] = int(status[1])
    found = {process}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {process}


def test_a_killed_build_goes_on_where_it_was(sweeping_book):
    first = build(sweeping_book)
    wait_until(lambda: len(pieces(sweeping_book)) >= 8)
    begun = descendants(first.pid)
    assert len(begun) > 2  # the chapter's process, its kernel, the sweep's processes
    first.send_signal(signal.SIGKILL)
    first.communicate()
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in begun))
    kept = len(pieces(sweeping_book))
    before = runs(sweeping_book)
    assert 8 <= kept < 30
    assert before - kept <= 4  # in flight, on two cores: being computed, and not yet taken
    assert len(stored.find(sweeping_book).needed) == kept
    second = build(sweeping_book)
    errors = second.communicate()[1]
    assert second.returncode == 0, errors
    assert "beta: to execute (failed or interrupted" in errors
    assert runs(sweeping_book) - before == 30 - kept
    record = executed(sweeping_book)
    assert str(TOTAL) in json.dumps(record["cells"])
    assert len(record["metadata"]["superpos"]["pieces"]) == 30
    assert not stored.find(sweeping_book).others


def test_two_builds_at_once_do_not_harm_each_other(sweeping_book):
    both = [build(sweeping_book) for _ in range(2)]
    told = [one.communicate() for one in both]
    assert [one.returncode for one in both] == [0, 0], told
    assert sum("waiting for it" in errors for _, errors in told) == 1
    assert runs(sweeping_book) == 30
    assert str(TOTAL) in json.dumps(executed(sweeping_book)["cells"])
    assert sorted(out for out, _ in told) == [
        "nothing changed: _build/html/index.html\n",
        "site built: _build/html/index.html\n",
    ]
