"""What a chapter may take follows from what it took, by one margin, and changes no result."""

from __future__ import annotations

import json

import pytest

from superpos.book.budgets import MARGIN, STEP, follows, proposed
from superpos.book.building import statuses
from superpos.book.chapters import load_chapter
from superpos.cli import main


@pytest.mark.parametrize("unit", ["seconds", "mebibytes"])
@pytest.mark.parametrize("took", [61.0, 156.3, 1173.0])
def test_a_budget_leaves_the_margin_and_hardly_more(unit, took):
    if unit == "mebibytes":
        took += 500
    assert took * (1 + MARGIN) <= follows(took, unit) < took * (1 + MARGIN) + STEP[unit]


def ran(root, name: str, seconds: float) -> None:
    """Make a chapter's last run one that took so long."""
    path = root / "book" / "executed" / f"{name}.ipynb"
    notebook = json.loads(path.read_text("utf-8"))
    notebook["metadata"]["superpos"]["run"]["seconds"] = seconds
    path.write_text(json.dumps(notebook), "utf-8")


def test_budgets_are_written_where_they_stand_and_leave_everything_fresh(copied_book, capsys):
    ran(copied_book, "alpha", 100.0)
    capsys.readouterr()
    assert main(["budgets"]) == 0
    assert "alpha: 100 of 30 -> 125 s, over" in capsys.readouterr().out
    assert load_chapter(copied_book, "alpha").budget_seconds == 30
    before = load_chapter(copied_book, "alpha").source
    assert main(["budgets", "--write"]) == 0
    chapter = load_chapter(copied_book, "alpha")
    assert chapter.budget_seconds == 125
    assert chapter.source == before.replace("budget_seconds: 30", "budget_seconds: 125")
    assert load_chapter(copied_book, "beta").budget_seconds == 30
    assert [status.stale for status in statuses(copied_book)] == ["", ""]
    assert not any(each.differs for each in proposed(statuses(copied_book)) if each.name == "alpha")


def test_what_never_ran_proposes_nothing(book, capsys):
    assert main(["budgets", "--write"]) == 0
    assert "alpha: not run" in capsys.readouterr().out
    assert load_chapter(book, "alpha").budget_seconds == 30
    (alpha, _) = proposed(statuses(book))
    assert not alpha.differs
    assert [each.name for each in proposed(statuses(book), apart=["alpha"])] == ["beta"]
