"""Tutorials: notebooks that run with the book and are no chapters, for they test no claims.

They stand in a part of ``_toc.yml`` without numbers, and are executed, kept and published as
chapters are.
"""

from __future__ import annotations

from pathlib import Path

from superpos.book.chapters import EXECUTED
from superpos.book.reading import yaml_of


def tutorials(root: Path) -> list[str]:
    """Return the names of the tutorials, in the order of ``_toc.yml``."""
    contents = yaml_of(root / "_toc.yml", dict, "a table of contents")
    return [
        page["file"].rpartition("/")[2]
        for part in contents.get("parts", ())
        if "numbered" not in part
        for page in part["chapters"]
        if str(page.get("file")).startswith(f"{EXECUTED}/")
    ]
