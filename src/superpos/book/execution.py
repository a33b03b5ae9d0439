"""Run one notebook: papermill, in a kernel of the running interpreter.

What this module does can change a notebook's outputs, so its source is part of
every chapter's key (see `superpos.book.freshness`). It therefore imports
nothing of the package but errors.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from superpos.book.failures import NotebookFailed
from superpos.errors import need

if TYPE_CHECKING:
    from nbformat import NotebookNode

# Threads of one tensor operation: another number rounds differently, so it is fixed, recorded and
# part of the key. Training uses every core all the same, one piece of an ensemble on each.
THREADS = 1

THREAD_ENVIRONMENT = {
    f"{library}_NUM_THREADS": str(THREADS)
    for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB_MAXIMUM")
}
KERNEL_ENVIRONMENT = {
    **THREAD_ENVIRONMENT,
    "PYTHONHASHSEED": "0",
    "SOURCE_DATE_EPOCH": "0",  # no dates inside figures
    "SUPERPOS_QUIET": "1",  # bars would garble the page; progress is shown a cell at a time
    "TQDM_DISABLE": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # or the debugger writes a warning to the terminal
}


def check_tools() -> None:
    """Refuse to go on if a package that runs or publishes notebooks is missing.

    Raises
    ------
    MissingExtra
        Naming the package and how to install it.
    """
    need("book", "jupytext", "papermill", "ipykernel", "jupyter_book", "filelock")


def execute(
    notebook: NotebookNode,
    *,
    chapter: str,
    parameters: Mapping[str, Any],
    partial: Path,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    progress: bool = False,
) -> NotebookNode:
    """Run ``notebook`` and return it with its outputs.

    Parameters
    ----------
    notebook
        The notebook; it is not changed.
    chapter
        Its name, for messages.
    parameters
        The values to put after the cell tagged ``parameters``.
    partial
        Where the outputs are saved while the notebook runs, and stay if it fails.
        The caller removes or replaces the file.
    folder
        The kernel's working folder.
    environment
        Variables for the kernel, besides `KERNEL_ENVIRONMENT`.
    progress
        Whether to show a bar that advances with each cell.

    Raises
    ------
    NotebookFailed
        If a cell raises, ends the interpreter, or the kernel dies.
    """
    import nbformat
    import papermill
    from papermill.exceptions import PapermillExecutionError

    partial = partial.absolute()
    nbformat.write(notebook, partial)
    trouble = None
    bar: Any = {"desc": chapter, "leave": False} if progress else False
    try:
        papermill.execute_notebook(
            str(partial),
            str(partial),
            dict(parameters),
            cwd=str(folder),
            progress_bar=bar,
            record_timing=False,
            shutdown_kernel="immediate",
            kernel_manager_class=_kernel_manager(environment or {}),
        )
    except PapermillExecutionError:
        pass  # the notebook itself says where and why
    except (RuntimeError, OSError) as problem:  # the kernel died, or never started
        trouble = problem
    executed = nbformat.read(partial, as_version=4)
    if failure := _failure(executed, trouble):
        raise NotebookFailed(chapter, *failure, partial)
    return _settled(executed)


def _kernel_manager(environment: Mapping[str, str]) -> type:
    """Return a kernel manager that starts this interpreter, whatever kernels are installed."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class ThisInterpreter(AsyncKernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(
                argv=[
                    *(sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"),
                    "--log-level=40",  # errors; its warnings would go to the user's terminal
                ],
                env=KERNEL_ENVIRONMENT | dict(environment),
                display_name="Python 3",
                language="python",
            )

    return ThisInterpreter


def _failure(
    notebook: NotebookNode, trouble: Exception | None
) -> tuple[int, str, str, str, str] | None:
    """Return number and first line of the cell that failed, with the error's three parts."""
    cells = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and "injected-parameters" not in cell.metadata.get("tags", [])
    ]
    started = 0
    for number, cell in enumerate(cells, start=1):
        for output in cell.outputs:
            # papermill takes SystemExit(0) for success, and leaves the rest of the cells unrun
            if output.output_type == "error":
                traceback = "\n".join(output.traceback)
                return number, _first_line(cell.source), output.ename, output.evalue, traceback
        if cell.metadata.get("papermill", {}).get("start_time"):
            started = number
    if trouble is None:
        return None
    first_line = _first_line(cells[started - 1].source) if started else "before the first cell"
    return started, first_line, type(trouble).__name__, str(trouble), ""


def _first_line(source: str) -> str:
    return next((line for line in source.splitlines() if line.strip()), "")


def _settled(notebook: NotebookNode) -> NotebookNode:
    """Drop what papermill adds and would differ at the next run: times, paths, ids."""
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell["id"] = "injected-parameters"  # papermill draws one at random
    for holder in (notebook, *notebook.cells):
        holder.metadata.pop("papermill", None)
        if holder.metadata.get("tags") == []:
            del holder.metadata["tags"]
    return notebook
