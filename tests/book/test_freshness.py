from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from superpos.book import freshness
from superpos.book.chapters import load_chapter
from superpos.book.ledger import registry


def parts(book: Path, package: Path, **values) -> dict:
    chapter = load_chapter(book, "alpha")
    claims = [claim for claim in registry(book).values() if claim.chapter == "alpha"]
    return freshness.key_parts(chapter, chapter.all_values(values), claims, package=package)


def test_a_key_stays_the_same_when_nothing_changes(book, package):
    before = parts(book, package)
    for path in (*package.rglob("*.py"), *book.rglob("*.*")):
        path.touch()
    assert freshness.key(parts(book, package)) == freshness.key(before)
    assert freshness.changes(before, parts(book, package)) == []


def test_each_change_is_noticed_and_named(book, package, monkeypatch, edit):
    source = book / "notebooks" / "alpha.md"
    edit(source, "from IPython", "from superpos import geometry\nfrom IPython")
    before = parts(book, package)

    def told() -> list[str]:
        now = parts(book, package)
        reasons = freshness.changes(before, now)
        assert bool(reasons) == (freshness.key(now) != freshness.key(before))
        return reasons

    edit(source, "The first chapter", "The very first chapter")
    assert told() == ["source changed"]
    edit(source, "The very first chapter", "The first chapter")
    assert told() == []

    geometry = (package / "geometry.py").read_text()
    (package / "geometry.py").write_text(f"{geometry}x = 1\n")
    assert told() == ["package changed: superpos.geometry"]
    (package / "geometry.py").write_text(geometry)

    for name in ("cli.py", "losses.py", "plotting/style.mplstyle"):  # not imported by it
        (package / name).write_text("# changed")
    assert told() == []

    (package / "book" / "execution.py").write_text("THREADS = 3\n")
    assert told() == ["package changed: superpos.book.execution"]
    (package / "book" / "execution.py").write_text("THREADS = 2\n")

    edit(book / "book" / "claims.yml", "the first.", "the first by 1.")
    assert told() == ["its entries in the claims registry changed"]
    edit(book / "book" / "claims.yml", "the first by 1.", "the first.")
    moved = "expected: contradicted\n  moved: Fewer points."
    edit(book / "book" / "claims.yml", "expected: reproduced", moved)
    edit(book / "book" / "claims.yml", "Nothing moves", "Nothing at all moves")  # beta's
    assert told() == []

    assert freshness.changes(before, parts(book, package, n_points=3)) == [
        "parameters changed: n_points"
    ]
    with monkeypatch.context() as patch:
        patch.setattr(freshness, "THREADS", 4)
        assert told() == ["threads changed: 1 -> 4"]
    with monkeypatch.context() as patch:
        patch.setattr(freshness, "device", lambda values: "cuda (H200)")
        assert told() == [f"device changed: {before['device']} -> cuda (H200)"]
    with monkeypatch.context() as patch:
        patch.setattr(freshness, "versions", lambda: {**before["versions"], "torch": "9.9"})
        assert told() == [f"versions changed: torch {before['versions']['torch']} -> 9.9"]


def test_what_was_measured_once_and_is_kept_is_a_part_of_the_key(book, package):
    before = parts(book, package)
    folder = book / "book" / "measured"
    folder.mkdir()
    (folder / "alpha-rises-2.published.json").write_text("{}")  # another claim's
    assert freshness.changes(before, parts(book, package)) == []
    (folder / "alpha-rises.published.json").write_text("{}")
    told = freshness.changes(before, parts(book, package))
    assert told == ["its entries in the claims registry changed"]


def test_the_chapter_is_compared_as_it_was_read(book, package):
    chapter = load_chapter(book, "alpha")
    other = replace(chapter, source=chapter.source + "\nMore.\n")
    assert (
        freshness.key_parts(other, {}, [], package=package)["source"]
        != (freshness.key_parts(chapter, {}, [], package=package)["source"])
    )
