"""What is executed, what is kept, what is refused: with notebooks that only pretend to run."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import nbformat
import pytest

from superpos.book import building, freshness
from superpos.book.building import executed_path, run, statuses
from superpos.book.chapters import load_chapter
from superpos.book.failures import BuildFailed, NotebookFailed
from superpos.cli import main
from superpos.errors import InvalidArgument


@pytest.fixture
def pretend(monkeypatch):
    """Let notebooks succeed at once, or fail with the exception that is set."""
    told = {"failure": None, "ran": []}

    def execute(notebook, *, chapter, parameters, partial, folder, environment, progress):
        told["environment"] = environment
        told["ran"].append((chapter, parameters))
        nbformat.write(notebook, partial)
        if told["failure"]:
            raise NotebookFailed(chapter, 2, "x = 1", *told["failure"], "trace", partial)
        return notebook

    monkeypatch.setattr(building, "execute", execute)
    return told


def execute_here(root, name: str, *, quick: bool = False) -> None:
    """Execute one chapter as `superpos build` does, but in this process."""
    status = next(s for s in statuses(root, quick=quick) if s.chapter.name == name)
    building.execute_chapter(
        root,
        status.chapter,
        status.chapter.values(quick=quick),
        parts=status.parts,
        partial=building.partial_path(status.executed),
        output=status.executed,
        quick=quick,
        progress=False,
    )


def stale(root, *, quick: bool = False) -> dict[str, str]:
    return {status.chapter.name: status.stale for status in statuses(root, quick=quick)}


def test_a_chapter_is_missing_then_fresh_then_stale_when_its_own_source_changes(
    book, pretend, edit
):
    assert stale(book) == {"alpha": "missing", "beta": "missing"}
    execute_here(book, "alpha")
    execute_here(book, "beta")
    assert stale(book) == {"alpha": "", "beta": ""}
    for path in (book / "notebooks").iterdir():
        path.touch()
    assert stale(book) == {"alpha": "", "beta": ""}
    edit(book / "notebooks" / "alpha.md", "The first chapter", "The first")
    assert stale(book) == {"alpha": "source changed", "beta": ""}


def test_quick_results_are_kept_apart(book, pretend):
    execute_here(book, "alpha", quick=True)
    assert pretend["ran"] == [("alpha", {"n_points": 3, "quick": True})]
    assert stale(book) == {"alpha": "missing", "beta": "missing"}
    assert stale(book, quick=True) == {"alpha": "", "beta": "missing"}
    assert executed_path(book, "alpha", quick=True).parent.name == "quick"


def test_a_quick_notebook_in_the_place_of_a_full_one_is_not_taken_for_it(book, pretend):
    execute_here(book, "alpha", quick=True)
    os.replace(executed_path(book, "alpha", quick=True), executed_path(book, "alpha"))
    assert stale(book)["alpha"] == "parameters changed: n_points, quick"


def test_a_failure_keeps_the_old_output_and_what_ran(book, pretend, edit):
    execute_here(book, "alpha")
    old = executed_path(book, "alpha").read_bytes()
    edit(book / "notebooks" / "alpha.md", "The first chapter", "The first")
    pretend["failure"] = ("ValueError", "no")
    with pytest.raises(NotebookFailed):
        execute_here(book, "alpha")
    assert executed_path(book, "alpha").read_bytes() == old
    assert stale(book)["alpha"] == ("failed or interrupted, see book/executed/partial/alpha.ipynb")
    edit(book / "notebooks" / "alpha.md", "The first", "The first chapter")
    assert stale(book)["alpha"] == ""  # the old output is of the old source


def test_a_file_that_is_no_notebook_counts_as_missing(book):
    executed_path(book, "alpha").parent.mkdir(parents=True)
    for rubbish in ("", "{", "[]", "{}", json.dumps({"nbformat": 4, "cells": []})):
        executed_path(book, "alpha").write_text(rubbish)
        assert stale(book)["alpha"] == "missing"


def test_an_executed_notebook_says_where_it_comes_from(book, pretend):
    execute_here(book, "alpha")
    notebook = nbformat.read(executed_path(book, "alpha"), as_version=4)
    record = notebook.metadata["superpos"]
    assert record["key"] == freshness.key(record["parts"])
    assert record["parameters"]["slope"] == 0.5
    note = notebook.cells[-1].source
    for part in (
        "**Commit:**",
        "not in a git checkout",
        "slope = 0.5",
        "Threads of an operation",
        "torch",
    ):
        assert part in note


def test_running_with_parameters_writes_the_output_alone(book, pretend, tmp_path):
    output = tmp_path / "out.ipynb"
    run(book, load_chapter(book, "alpha"), {"n_points": "9"}, output=output)
    assert pretend["ran"] == [("alpha", {"n_points": 9})]
    assert "n_points = 9" in nbformat.read(output, as_version=4).cells[-1].source
    assert [path.name for path in tmp_path.glob("*.ipynb")] == ["out.ipynb"]
    assert not (book / "book" / "executed").exists()


def test_running_without_an_output_writes_into_the_ignored_folder(book, pretend):
    output, _ = run(book, load_chapter(book, "beta"), {})
    assert output == book / "runs" / "beta.ipynb"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("absent/out.ipynb", "there is no folder .*absent"),
        ("notebooks", "no name of a notebook"),
        ("book/executed/alpha.ipynb", "where `superpos build` keeps"),
        ("_toc.yml/out.ipynb", "there is no folder"),
        ("/proc/out.ipynb", "cannot be written"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_anything_runs(book, pretend, output, message):
    (book / "book" / "executed").mkdir()
    before = sorted(book.rglob("*"))
    with pytest.raises(InvalidArgument, match=f"^output .*{message}"):
        run(book, load_chapter(book, "alpha"), {}, output=book / output)
    assert pretend["ran"] == []
    assert sorted(book.rglob("*")) == before


def test_bad_input_that_only_the_notebook_can_see_leaves_no_file(book, pretend):
    pretend["failure"] = ("InvalidArgument", "n_points must not be 13; got 13")
    output = book / "out.ipynb"
    output.write_text("an older result")
    with pytest.raises(InvalidArgument, match=r"^n_points must not be 13; got 13$"):
        run(book, load_chapter(book, "alpha"), {}, output=output)
    assert output.read_text() == "an older result"
    assert list(book.glob("*.ipynb")) == [output]


def test_a_run_leaves_a_notebook_that_works_anywhere(book, pretend):
    output, _ = run(book, load_chapter(book, "alpha"), {}, output=book / "out.ipynb")
    found = building.read_executed(output)
    assert [cell.id for cell in found.cells][:2] == ["set-up", "cell-001"]
    assert [path.name for path in book.glob("*.ipynb")] == ["out.ipynb"]


def test_another_failure_keeps_what_ran_beside_the_output(book, pretend):
    pretend["failure"] = ("ValueError", "no")
    with pytest.raises(NotebookFailed):
        run(book, load_chapter(book, "alpha"), {}, output=book / "out.ipynb")
    assert [path.name for path in book.glob("*.ipynb")] == ["out.partial.ipynb"]


def test_sweeps_are_told_where_to_compute_and_to_store_and_are_noted(book, pretend, monkeypatch):
    def execute(notebook, *, partial, environment, **_):
        nbformat.write(notebook, partial)
        with open(environment["SUPERPOS_PIECES"], "a") as file:
            file.write("experiment/b.safetensors\nexperiment/a.safetensors\n" * 2)
        pretend["environment"] = environment
        return notebook

    monkeypatch.setattr(building, "execute", execute)
    status = statuses(book)[0]
    building.execute_chapter(
        book,
        status.chapter,
        {},
        parts=status.parts,
        partial=building.partial_path(status.executed),
        output=status.executed,
        quick=False,
        progress=False,
        scheduler="tcp://host:8786",
        cores=3,
    )
    environment = pretend["environment"]
    assert environment["SUPERPOS_SCHEDULER"] == "tcp://host:8786"
    assert environment["SUPERPOS_CORES"] == "3"
    assert environment["SUPERPOS_STORE"] == str(book / "_build" / "sweeps")
    assert environment["MALLOC_TRIM_THRESHOLD_"] == str(2**28)
    record = building.read_executed(status.executed).metadata["superpos"]
    assert record["pieces"] == ["experiment/a.safetensors", "experiment/b.safetensors"]
    assert not list(book.rglob("*.pieces"))


@pytest.mark.parametrize(("jobs", "cores"), [(1, 0), (2, 2), (3, 1), (9, 1)])
def test_chapters_side_by_side_share_the_cores(book, pretend, monkeypatch, jobs, cores):
    given = []
    monkeypatch.setenv("SUPERPOS_CORES", "4")
    monkeypatch.setattr(building, "_in_own_process", lambda *args: given.append(args[-1]))
    monkeypatch.setattr(building, "_finished", lambda *_, **__: "")
    building.execute_stale(book, jobs=jobs, say=lambda _: None)
    assert given == [cores, cores]


@pytest.mark.parametrize(("jobs", "order"), [(1, "alpha beta"), (2, "beta alpha")])
def test_of_chapters_side_by_side_the_longest_begins_first(book, pretend, monkeypatch, jobs, order):
    budgets = {"alpha": 20, "beta": 70}
    known = [
        replace(each, chapter=replace(each.chapter, budget_seconds=budgets[each.chapter.name]))
        for each in statuses(book)
    ]
    begun = []
    one = building.ThreadPoolExecutor(1)  # so that they are noted in the order in which they begin
    monkeypatch.setattr(building, "ThreadPoolExecutor", lambda _: one)
    monkeypatch.setattr(building, "statuses", lambda *_, **__: known)
    monkeypatch.setattr(
        building, "_in_own_process", lambda _, status, *__: begun.append(status.chapter.name)
    )
    monkeypatch.setattr(building, "_finished", lambda *_, **__: "")
    building.execute_stale(book, jobs=jobs, say=lambda _: None)
    assert begun == order.split()


@pytest.mark.parametrize(
    ("seconds", "memory", "told"),
    [
        (29.0, 99.0, "executed in 29 s, 99 MiB"),
        (31.0, 99.0, "executed in 31 s, 99 MiB, over its budget of 30 s"),
        (29.0, 101.0, "executed in 29 s, 101 MiB, over its budget of 100 MiB"),
    ],
)
def test_what_is_over_its_budget_is_named(book, pretend, monkeypatch, seconds, memory, told):
    execute_here(book, "alpha")
    status = statuses(book)[0]
    status = replace(status, chapter=replace(status.chapter, budget_mebibytes=100))
    facts = {"seconds": seconds, "peak_memory_bytes": memory * 2**20}
    monkeypatch.setattr(building, "_record", lambda _: {"run": facts})
    assert building._finished(status, quick=False) == f"alpha: {told}"


@pytest.mark.parametrize(
    ("options", "jobs"),
    [([], 1), (["--quick"], 3), (["--quick", "--jobs", "2"], 2), (["--jobs", "2"], 2)],
)
def test_quick_chapters_run_on_all_cores_side_by_side(book, monkeypatch, options, jobs):
    class Stop(BuildFailed):
        pass

    def executed(root, *, jobs, quick, **_):
        assert quick == ("--quick" in options)
        asked.append(jobs)
        raise Stop("far enough")

    asked = []
    monkeypatch.setenv("SUPERPOS_CORES", "3")
    monkeypatch.setattr(building, "execute_stale", executed)
    assert main(["build", *options]) == 1
    assert asked == [jobs]
