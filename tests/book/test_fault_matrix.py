"""The page of faults: every test that it names is there, and every fault has one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "book" / "faults.md").read_text("utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "| Test |" not in line]


@pytest.mark.parametrize(("path", "name"), sorted(set(NAMED)))
def test_a_test_that_the_page_names_is_there(path, name):
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_fault_has_a_test_that_causes_it():
    assert len(ROWS) > 40
    assert [row for row in ROWS if not re.search(r"`tests/[\w/]+\.py::\w+`", row)] == []


def test_what_is_marked_soak_is_and_nothing_else():
    for row in ROWS:
        for mark, path, _ in re.findall(r"(\*soak\* )?`(tests/[\w/]+\.py)::(\w+)`", row):
            assert not mark or path.startswith("tests/soak/"), row


def test_every_test_of_these_files_that_causes_a_fault_is_named():
    for path in ("tests/book/test_served.py", "tests/book/test_faults.py"):
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        tests = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        told = {name for where, name in NAMED if where == path}
        rules = {"test_pages_are_served", "test_the_names_of_this_machine_are_taken",
                 "test_it_does_not_say_what_it_runs_on",
                 "test_the_limit_of_a_chapter_comes_from_its_budget"}  # fmt: skip
        assert {name for name in tests if name.startswith("test_")} - rules == told
