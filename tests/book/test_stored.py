"""Stored pieces of sweeps: what chapters need is kept, whatever else there is can be removed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from superpos.book import stored
from superpos.cli import main


@pytest.fixture
def pieces(copied_book: Path) -> dict[str, Path]:
    """Pieces as builds leave them: used, half written, used by a failed chapter, by none."""
    folder = stored.store(copied_book)
    made = {
        name: folder / "experiment" / f"{name}.safetensors"
        for name in ("used", "failed", "quick", "orphan")
    }
    made["half"] = folder / "experiment" / "used.safetensors.here-7.partial"
    made["alone"] = folder / "another" / "alone.safetensors"
    for path in made.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(1000))
    executed = copied_book / "book" / "executed"
    note(executed / "alpha.ipynb", "experiment/used.safetensors")
    (executed / "quick").mkdir(exist_ok=True)
    note(executed / "quick" / "alpha.ipynb", "experiment/quick.safetensors", new=True)
    (executed / "partial").mkdir(exist_ok=True)
    (executed / "partial" / "beta.pieces").write_text("experiment/failed.safetensors\n" * 2)
    return made


def note(path: Path, *names: str, new: bool = False) -> None:
    notebook = {"metadata": {"superpos": {}}} if new else json.loads(path.read_text())
    notebook["metadata"]["superpos"]["pieces"] = list(names)
    path.write_text(json.dumps(notebook))


def test_needed_is_what_executed_and_interrupted_chapters_used(copied_book, pieces):
    found = stored.find(copied_book)
    assert set(found.needed) == {pieces[name] for name in ("used", "failed", "quick")}
    assert set(found.others) == {pieces[name] for name in ("half", "orphan", "alone")}


def test_status_shows_what_is_stored(pieces, capsys):
    assert main(["status"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "sweeps: 6 stored pieces, 5.9 KiB; 3, 2.9 KiB, that no chapter needs"


def test_clean_removes_what_no_chapter_needs_and_nothing_else(copied_book, pieces, capsys):
    before = {path for path in copied_book.rglob("*") if path.is_file()}
    assert main(["clean"]) == 0
    told = "removed 3 stored pieces that no chapter needs, 2.9 KiB\n"
    assert capsys.readouterr().out == told
    after = {path for path in copied_book.rglob("*") if path.is_file()}
    assert before - after == {pieces[name] for name in ("half", "orphan", "alone")}
    assert not (stored.store(copied_book) / "another").exists()
    assert main(["clean"]) == 0
    assert capsys.readouterr().out == "nothing to remove\n"


def test_a_book_without_sweeps_has_nothing_stored(copied_book, capsys):
    assert main(["status"]) == 0
    assert capsys.readouterr().out.endswith("sweeps: 0 stored pieces, 0 bytes\n")
