"""The page on places to publish names what is there, and leaves to people what only they can do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).parents[2]
TEXT = (CHECKOUT / "book" / "journals.md").read_text("utf-8")
# by a build, or on a branch that is to be made
MADE = ("_build/", "content/", "binder/", "paper.", "claims.json", "dist/")


def rows(section: str) -> list[list[str]]:
    lines = TEXT.partition(f"## {section}\n")[2].partition("\n## ")[0].splitlines()
    table = [line for line in lines if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


@pytest.mark.parametrize("section", ["NeuroLibre", "ReScience C"])
def test_each_point_says_what_is_here_or_what_is_left(section):
    table = rows(section)
    assert len(table) > 12
    for row in table:
        assert len(row) == 3, row
        assert row[0], row
        assert row[1] or row[2], row


def test_every_file_and_command_that_it_names_is_there():
    targets = re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text("utf-8"), re.M)
    for name in re.findall(r"`([^`\n]+)`", TEXT):
        if name.startswith("make "):
            assert name.split()[1] in targets, name
        elif is_file(name):
            assert (CHECKOUT / name).exists(), name


def is_file(name: str) -> bool:
    """Whether a word of the page is the path of a file, or of a folder, that the checkout has."""
    form = r"[\w./-]+\.(yml|md|cff|json|txt|bib)|[\w.-]+/|LICENSE[A-Z-]*"
    return bool(re.fullmatch(form, name)) and not name.startswith(MADE)


def test_as_long_as_no_author_is_named_people_are_asked_for():
    cited = yaml.safe_load((CHECKOUT / "CITATION.cff").read_text("utf-8"))
    if not any("family-names" in each for each in cited["authors"]):
        for section in ("NeuroLibre", "ReScience C"):
            (row,) = [row for row in rows(section) if "ORCIDs" in row[0]]
            assert "**a person**" in row[2]
