"""The pieces of sweeps that are stored: which chapters need them, removing the others."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from superpos.book.chapters import EXECUTED
from superpos.compute.settings import STORE

PIECES = ".pieces"  # beside a notebook that is running: the names of the pieces it has used

_PIECE = re.compile(r"[\w-]+\.safetensors(\..*\.partial)?")


@dataclass(frozen=True)
class Stored:
    """What is in the store, as paths: what some chapter needs, and what none does."""

    needed: list[Path]
    others: list[Path]

    def told(self) -> str:
        """Return the numbers and sizes in words."""
        whole = self.needed + self.others
        text = f"sweeps: {len(whole)} stored pieces, {_size(whole)}"
        if self.others:
            text += f"; {len(self.others)}, {_size(self.others)}, that no chapter needs"
        return text


def store(root: Path) -> Path:
    """Return where the pieces of the book's sweeps are: in ``_build``, or where one has said."""
    return Path(os.environ.get(STORE) or root / "_build" / "sweeps")


def find(root: Path) -> Stored:
    """Return what is stored.

    Needed is what executed notebooks were made of, and what those that failed or were interrupted
    had made until then. What was being written when its process was killed is not.
    """
    used: set[str] = set()
    for path in (root / EXECUTED).rglob("*.ipynb"):
        try:
            used.update(json.loads(path.read_text("utf-8"))["metadata"]["superpos"]["pieces"])
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            continue
    for path in (root / EXECUTED).rglob(f"*{PIECES}"):
        used.update(path.read_text("utf-8").split())
    folder = store(root)
    files = sorted(  # whatever else lies there is not ours
        path for path in folder.glob("*/*") if _PIECE.fullmatch(path.name) and path.is_file()
    )
    is_needed = {path: path.relative_to(folder).as_posix() in used for path in files}
    return Stored(
        [path for path in files if is_needed[path]],
        [path for path in files if not is_needed[path]],
    )


def remove(paths: list[Path]) -> str:
    """Remove files of the store, and folders that are empty then; return what was, in words."""
    text = f"removed {len(paths)} stored pieces that no chapter needs, {_size(paths)}"
    for path in paths:
        path.unlink(missing_ok=True)
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
    return text


def _size(paths: list[Path]) -> str:
    size = float(sum(path.stat().st_size for path in paths))
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
