from __future__ import annotations

import nbformat
import papermill
import pytest

from superpos.book.chapters import load_chapter, load_chapters, read_notebook
from superpos.errors import InvalidArgument


def test_chapters_come_in_the_order_of_the_table_of_contents(book, edit):
    assert [chapter.name for chapter in load_chapters(book)] == ["alpha", "beta"]
    edit(book / "_toc.yml", "executed/alpha", "executed/x")
    edit(book / "_toc.yml", "executed/beta", "executed/alpha")
    edit(book / "_toc.yml", "executed/x", "executed/beta")
    assert [chapter.name for chapter in load_chapters(book)] == ["beta", "alpha"]


def test_a_chapter_has_title_budget_and_parameters(book):
    alpha = load_chapter(book, "alpha")
    assert (alpha.title, alpha.budget_seconds) == ("The first chapter", 30)
    assert [parameter.name for parameter in alpha.parameters] == [
        *("n_points", "slope", "colour", "quick")
    ]


def test_what_is_given_wins_over_what_quick_sets(book):
    alpha = load_chapter(book, "alpha")
    assert alpha.values() == {}
    assert alpha.values(quick=True) == {"n_points": 3, "quick": True}
    assert alpha.values({"n_points": "9"}, quick=True) == {"n_points": 9, "quick": True}
    assert alpha.all_values({"n_points": 9})["slope"] == 0.5


def test_a_chapter_that_is_not_there_is_refused_by_name(book):
    with pytest.raises(InvalidArgument, match=r"no chapter alfa; did you mean alpha\?"):
        load_chapter(book, "alfa")
    (book / "notebooks" / "gamma.md").write_text("# Gamma\n")
    with pytest.raises(InvalidArgument, match=r"notebooks/gamma\.md .* list it in _toc\.yml"):
        load_chapter(book, "gamma")
    (book / "notebooks" / "beta.md").unlink()
    with pytest.raises(InvalidArgument, match=r"lists the chapter beta, but .* does not exist"):
        load_chapters(book)


def test_what_quick_sets_is_checked_as_well(book, edit):
    edit(book / "notebooks" / "alpha.md", "quick: {n_points: 3}", "quick: {n_points: 1}")
    with pytest.raises(InvalidArgument, match=r"alpha\.md, what quick sets: parameter n_points"):
        load_chapter(book, "alpha")


def test_a_notebook_reads_the_same_twice(book):
    source = (book / "notebooks" / "alpha.md").read_text("utf-8")
    assert nbformat.writes(read_notebook(source)) == nbformat.writes(read_notebook(source))


def test_papermills_own_help_lists_the_parameters(book):
    alpha = load_chapter(book, "alpha")
    nbformat.write(read_notebook(alpha.source), book / "alpha.ipynb")
    listed = papermill.inspect_notebook(book / "alpha.ipynb")
    assert [
        (told["name"], told["inferred_type_name"], told["help"]) for told in listed.values()
    ] == [(parameter.name, parameter.type, parameter.help) for parameter in alpha.parameters]
