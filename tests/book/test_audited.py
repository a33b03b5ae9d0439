from __future__ import annotations

import subprocess

import pytest

from superpos.book.audited import as_markdown, history, registered
from superpos.book.ledger import collect, registry

TITLES = {"alpha": "The first", "beta": "The second"}


@pytest.fixture
def commit(book):
    """Commit the tiny book as it is."""

    def commit(subject: str) -> None:
        git = ["git", "-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
        subprocess.run([*git, "init", "-q"], check=True)
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", subject], check=True)

    return commit


def page(book) -> str:
    return as_markdown(history(book), collect(registry(book), {}), TITLES)


def test_without_a_history_the_page_says_how_to_get_one(book):
    told = page(book)
    assert told.startswith("# Audit\n")
    assert "In a full clone `superpos claims --audit` shows the audit." in told
    assert "| Claim |" not in told


def test_with_one_it_shows_each_claim_by_chapter(book, commit, edit):
    commit("Register")
    edit(book / "book" / "claims.yml", "share: 0.5", "share: 0.6")
    edit(book / "book" / "claims.yml", "counts: No point moves.", "counts: No_point moves.")
    commit("Change")
    told = page(book)
    assert told.index("## The first") < told.index("alpha-rises") < told.index("## The second")
    assert "**2 claims: 2 without code yet." in told
    (row,) = (line for line in told.splitlines() if "claims/alpha-rises.html" in line)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[2:4] == ["not yet", "not yet"]
    assert cells[4].endswith("**registry: share** (before the verdict)")
    assert "How to" not in told


def test_the_commit_that_registered_a_claim_is_known_by_its_name(book, commit):
    assert registered(history(book)) == {}
    commit("Register")
    found = registered(history(book))
    assert list(found) == ["alpha-rises", "beta-rests"]
    assert {each.subject for each in found.values()} == {"Register"}


def test_a_claim_that_is_not_committed_is_there(book, commit, edit):
    (book / "book" / "claims.yml").rename(book / "claims.txt")
    commit("Begin")
    (book / "claims.txt").rename(book / "book" / "claims.yml")
    assert page(book).count("| not committed yet |  |  |  |") == 2
