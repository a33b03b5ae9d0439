"""Progress bars: shown to a person who is waiting, quiet everywhere else."""

from __future__ import annotations

import os
import sys

from tqdm.auto import tqdm


def progress_bar(total: int, label: str, show: bool | None = None) -> tqdm:
    """Return a bar of ``total`` steps, drawn on a terminal or in a notebook being used.

    ``SUPERPOS_QUIET=1`` silences it: the pipeline sets this, so that no bar ends up in a page.
    """
    if show is None:
        show = os.environ.get("SUPERPOS_QUIET") != "1" and (sys.stderr.isatty() or _in_notebook())
    return tqdm(total=total, desc=label, disable=not show, leave=False)


def _in_notebook() -> bool:
    return "ipykernel" in sys.modules and "IPython" in sys.modules
