"""What stops a build, other than bad input."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class BuildFailed(Exception):
    """The build stopped; nothing of it is published."""

    def report(self, *, colour: bool) -> str:
        """Return what happened, for a terminal."""
        return str(self)


class NotPublishable(BuildFailed):
    """An executed notebook or a page is not as it must be to be published."""


@dataclass
class NotebookFailed(BuildFailed):
    """A cell raised, or its kernel died; what ran until then is in ``partial``."""

    chapter: str
    cell: int  # among the source's code cells, from 1
    first_line: str
    ename: str
    evalue: str
    traceback: str  # may hold ANSI colours
    partial: Path

    def __reduce__(self):
        # Exceptions pickle their args; ours arrive from another process.
        return NotebookFailed, tuple(getattr(self, field.name) for field in fields(self))

    def report(self, *, colour: bool) -> str:
        """Return the chapter, the cell and the traceback as one text."""
        traceback = self.traceback if colour else _ANSI.sub("", self.traceback)
        return (
            f"chapter {self.chapter} failed in code cell {self.cell} "
            f"({self.first_line!r}): {self.ename}: {self.evalue}\n"
            f"{traceback}\nWhat ran until then: {self.partial}"
        )
