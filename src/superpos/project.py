"""Where the book's files are."""

from __future__ import annotations

from pathlib import Path

from superpos.errors import InvalidArgument

_MARKS = ("_toc.yml", "notebooks", "book")


def registry_root() -> Path:
    """Return the folder of what verdicts rest on: the claims, and the chapters' parameters.

    It is the checkout; outside of one, the copy that the installed package brings (see
    ``setup.py``), which has the same files under the same names.
    """
    packaged = Path(__file__).parent / "registry"
    try:
        return find_root()
    except InvalidArgument:
        if packaged.exists():
            return packaged
        raise


def registry_file() -> Path:
    """Return where the registry of claims is: ``book/claims.yml``, its deviations beside it."""
    return registry_root() / "book" / "claims.yml"


def find_root(start: str | Path | None = None) -> Path:
    """Return the folder that holds the book: ``_toc.yml``, ``notebooks/`` and ``book/``.

    Looks upwards from ``start`` (default: the working folder), then from this
    file, which finds the book of an editable install from anywhere.

    Raises
    ------
    InvalidArgument
        If neither place lies inside a checkout of the book.
    """
    begin = Path.cwd() if start is None else Path(start).resolve()
    for place in (begin, Path(__file__).resolve()):
        for folder in (place, *place.parents):
            if all((folder / mark).exists() for mark in _MARKS):
                return folder
    raise InvalidArgument(
        f"no book found at or above {begin}: run this inside a checkout, "
        f"the folder that holds {', '.join(_MARKS)}"
    )
