"""What a build took: ``build.json``, which alone of a site differs between two builds of a commit.

Dates, durations and memory are here and nowhere else on the site, so that sites can be compared
byte for byte (``make twice``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbformat import NotebookNode

PATH = "build.json"  # in the site
RUN = "run"  # in the pipeline's record of an executed notebook: what this page has of it


def as_json(notebooks: Mapping[str, NotebookNode]) -> dict[str, Any]:
    """Return when each chapter was executed, how long that took, and the memory it needed.

    Parameters
    ----------
    notebooks
        The executed notebooks, by chapter.
    """
    return {
        "about": "What it took to execute each chapter for this site; memory is that of its "
        "largest process. Nothing else on the site depends on it.",
        "chapters": {name: dict(notebook.metadata["superpos"][RUN])
                     for name, notebook in notebooks.items()},
    }  # fmt: skip


def without(notebook: NotebookNode) -> NotebookNode:
    """Take what a run took out of an executed notebook, and return the notebook."""
    notebook.metadata.get("superpos", {}).pop(RUN, None)
    return notebook
