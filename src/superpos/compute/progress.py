"""Progress bars: shown to a person who is waiting, quiet everywhere else."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Protocol


class Bar(Protocol):
    """What tells how far some work is: ``n`` steps are done."""

    n: float

    def update(self, n: float | None = 1) -> object:
        """Say that so many more steps are done."""


class _Quiet:
    n = 0.0

    def update(self, n: float | None = 1) -> None:
        self.n += n or 0


def progress_bar(
    total: int, label: str, show: bool | None = None
) -> contextlib.AbstractContextManager[Bar]:
    """Return a bar of ``total`` steps, drawn on a terminal or in a notebook being used.

    ``SUPERPOS_QUIET=1`` silences it: the pipeline sets this, so that no bar ends up in a page.
    """
    if show is None:
        show = os.environ.get("SUPERPOS_QUIET") != "1" and (sys.stderr.isatty() or _in_notebook())
    if not show:
        return contextlib.nullcontext(_Quiet())
    from tqdm.auto import tqdm

    return tqdm(total=total, desc=label, leave=False)


def _in_notebook() -> bool:
    return "ipykernel" in sys.modules and "IPython" in sys.modules
