from __future__ import annotations

import os
import pickle
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from superpos.book.execution import THREADS, check_tools, execute
from superpos.book.failures import NotebookFailed
from superpos.errors import MissingExtra


def run(folder: Path, *cells: str, **parameters) -> nbformat.NotebookNode:
    parameter_cell = new_code_cell("n: int = 1", metadata={"tags": ["parameters"]}, id="first")
    others = [new_code_cell(cell, id=f"cell-{index}") for index, cell in enumerate(cells)]
    notebook = new_notebook(cells=[new_markdown_cell("# T", id="title"), parameter_cell, *others])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "", "language": "python"}
    return execute(
        notebook,
        chapter="shapes",
        parameters=parameters,
        partial=folder / "partial.ipynb",
        folder=folder,
    )


def printed(notebook: nbformat.NotebookNode) -> list[str]:
    return [
        line
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        for line in output.text.splitlines()
    ]


def test_the_kernel_is_this_interpreter_with_fixed_threads_in_the_notebooks_folder(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))  # where no kernel is installed
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    asked = "import os, sys; print(n, sys.executable, os.getcwd())"
    asked += "\nprint(os.environ['OMP_NUM_THREADS'], os.environ['PYTHONHASHSEED'])"
    executed = run(tmp_path, asked, n=7)
    assert printed(executed) == [f"7 {sys.executable} {tmp_path}", f"{THREADS} 0"]
    assert "papermill" not in executed.metadata  # it holds times and paths


def test_two_runs_give_the_same_notebook(tmp_path):
    twice = [nbformat.writes(run(tmp_path, "print(hash('a'))", n=2)) for _ in range(2)]
    assert twice[0] == twice[1]


def test_a_failure_tells_the_cell_and_keeps_what_ran(tmp_path):
    with pytest.raises(NotebookFailed) as caught:
        run(tmp_path, "print('one')", "\ndef f(): return 1 / 0\nf()", "print('never')", n=2)
    failure = caught.value
    assert (failure.cell, failure.first_line) == (3, "def f(): return 1 / 0")
    report = failure.report(colour=False)
    assert "chapter shapes failed in code cell 3 ('def f(): return 1 / 0')" in report
    assert "ZeroDivisionError: division by zero" in report
    assert "----> 3" in report or "def f()" in report
    assert "\x1b" not in report
    assert "\x1b" in failure.report(colour=True)
    kept = nbformat.read(failure.partial, as_version=4)
    assert "one" in str(kept)
    assert "never\\n" not in str(kept)
    assert str(failure.partial) in report
    assert pickle.loads(pickle.dumps(failure)).report(colour=False) == report


def test_leaving_the_interpreter_is_a_failure(tmp_path):
    with pytest.raises(NotebookFailed, match="SystemExit"):
        run(tmp_path, "raise SystemExit(0)", "print('never')")


def test_a_dead_kernel_is_a_failure_that_names_the_cell(tmp_path):
    with pytest.raises(NotebookFailed) as caught:
        run(tmp_path, "print('one')", "import os\nos._exit(9)")
    assert (caught.value.cell, caught.value.first_line) == (3, "import os")
    assert caught.value.ename == "DeadKernelError"


@pytest.mark.parametrize("package", ["ipykernel", "papermill", "jupytext"])
def test_a_missing_tool_is_told_in_one_sentence(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=rf'^{package} is missing from .*superpos\[book\]"$'):
        check_tools()


def test_the_plain_pipe_works_too(book):
    scripts = Path(sys.executable).parent
    jupytext, papermill = (shutil.which(name, path=scripts) for name in ("jupytext", "papermill"))
    pipe = f"{shlex.quote(jupytext)} --to ipynb --output - notebooks/alpha.md | "
    pipe += f"{shlex.quote(papermill)} --no-progress-bar - out.ipynb -p n_points 3"
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(pipe, shell=True, check=True, capture_output=True, env=environment)
    assert "A line through 3 points" in Path("out.ipynb").read_text("utf-8")
