"""Builds that are killed, or that meet another: nothing that was finished is lost or harmed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import filelock
import pytest

from superpos.book import building, stored
from superpos.book.chapters import load_chapter
from superpos.cli import main

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
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=heed_interrupts,
    )  # fmt: skip


def heed_interrupts() -> None:
    """As in a terminal, though these tests may run in a shell's background, which ignores them."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def runs(root: Path) -> int:
    return len((root / "log").read_text()) if (root / "log").exists() else 0


def pieces(root: Path) -> list[Path]:
    return list(stored.store(root).rglob("*.safetensors"))


def executed(root: Path) -> dict:
    return json.loads((root / "book" / "executed" / "beta.ipynb").read_text("utf-8"))


def wait_until(condition) -> None:
    deadline = time.monotonic() + 240  # much else may run here
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


ENDLESS = """
```{code-cell}
import time

while True:
    time.sleep(1)
```
"""


@pytest.fixture
def endless_book(copied_book: Path) -> Path:
    """The tiny book, whose second chapter never ends."""
    source = copied_book / "notebooks" / "beta.md"
    source.write_text(source.read_text("utf-8") + ENDLESS, "utf-8")
    return copied_book


def partial(root: Path) -> Path:
    return root / "book" / "executed" / "partial" / "beta.ipynb"


def test_an_interrupt_of_the_build_alone_ends_it_and_what_it_began(endless_book):
    site = (endless_book / "_build" / "html" / "index.html").stat()
    running = build(endless_book)
    wait_until(lambda: partial(endless_book).exists() and len(descendants(running.pid)) > 2)
    begun = descendants(running.pid)
    running.send_signal(signal.SIGINT)  # as `kill -INT` does; a terminal tells all of them
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 130, errors
    assert errors.splitlines()[-1] == "superpos: interrupted"
    assert "Traceback" not in errors
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in begun))
    assert (endless_book / "_build" / "html" / "index.html").stat() == site
    assert "failed or interrupted" in status_of(endless_book)


def status_of(root: Path) -> str:
    command = [sys.executable, "-m", "superpos", "status"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout


def test_a_cell_without_end_is_stopped_in_a_sentence_and_frees_the_lock(
    endless_book, capsys, monkeypatch
):
    monkeypatch.setattr(building, "LEAST_PATIENCE", 3.0)
    begin = time.monotonic()
    assert main(["build", "--patience", "0.01"]) == 1
    assert time.monotonic() - begin < 120  # most of it what else runs here
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("superpos: chapter beta was stopped after 3 s: a cell without end")
    assert told.endswith(str(partial(endless_book)))
    lock = filelock.FileLock(endless_book / "_build" / "lock")
    lock.acquire(timeout=0)
    lock.release()


@pytest.mark.parametrize(
    ("budget", "quick", "seconds"), [(None, False, 1200), (300, False, 6000), (300, True, 1200)]
)
def test_the_limit_of_a_chapter_comes_from_its_budget(book, budget, quick, seconds):
    chapter = replace(load_chapter(book, "beta"), budget_seconds=budget)
    assert building.limit(chapter, quick=quick) == seconds


def test_clean_waits_for_a_build_that_is_running(sweeping_book):
    running = build(sweeping_book)
    wait_until(lambda: len(pieces(sweeping_book)) >= 2)
    command = [sys.executable, "-m", "superpos", "clean", "--all"]
    cleaned = subprocess.run(
        command, cwd=sweeping_book, capture_output=True, text=True, check=False
    )
    _, errors = running.communicate()
    assert running.returncode == 0, errors
    assert "waiting for it" in cleaned.stderr
    assert cleaned.stdout == "removed _build\nremoved book/executed\n"
    assert not (sweeping_book / "_build").exists()
