"""The ledger as programs get it: ``claims.json``, which says which it is and what made its numbers.

Its schema, ``schemas/claims.schema.json``, stands beside it in the site.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from superpos.book import citation, provenance
from superpos.compute.fingerprint import versions

if TYPE_CHECKING:
    from nbformat import NotebookNode

PATH = "claims.json"  # in the site
SCHEMA = "claims.schema.json"
VERSION = "1.0"  # of the schema


def enveloped(
    rows: Iterable[Mapping[str, Any]],
    notebooks: Mapping[str, NotebookNode],
    root: Path,
    *,
    quick: bool = False,
) -> dict[str, Any]:
    """Return claims of the ledger with what a program needs to know of them.

    Parameters
    ----------
    rows
        Of what `superpos.book.ledger.collect` returns: all, or some.
    notebooks
        The fresh executed notebooks, by chapter.
    root
        The book.
    quick
        Whether the notebooks are those of a quick run.
    """
    edition = citation.edition(root)
    return {
        "$schema": SCHEMA,
        "schema_version": VERSION,
        "title": edition.title,
        "version": edition.version,
        "site": edition.site or None,
        "commit": provenance.commit(root),
        "quick": quick,
        "versions": versions(),
        "chapters": {name: _run(notebook) for name, notebook in notebooks.items()},
        "claims": list(rows),
    }


def schema() -> bytes:
    """Return the JSON Schema of what `enveloped` returns."""
    return (Path(__file__).parent / "schemas" / SCHEMA).read_bytes()


def _run(notebook: NotebookNode) -> dict[str, Any]:
    """Return what executed a chapter: nothing that differs between two runs of one commit."""
    record = notebook.metadata["superpos"]
    return {
        "commit": record["provenance"]["commit"],
        **{name: record["parts"][name] for name in ("versions", "device", "threads")},
        "parameters": record["parameters"],
    }
