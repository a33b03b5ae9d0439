"""An executed notebook as it leaves the book: it says what it needs, and folds what the page hides.

Its text is written for any reader (`superpos.book.readable`).

It gets its first cell here, after it has run: what runs, and what becomes a page, are the cells of
the source alone.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING

from superpos.book.readable import Library, unroll
from superpos.book.reading import yaml_of
from superpos.errors import InvalidArgument

if TYPE_CHECKING:
    from nbformat import NotebookNode

CONFIG = "superpos"  # our key in _config.yml

# JupyterLab's word for what is folded, and the tags that hide it on the page
FOLDS = {
    "source_hidden": {"hide-input", "remove-input", "hide-cell", "remove-cell"},
    "outputs_hidden": {"hide-output", "remove-output", "hide-cell", "remove-cell"},
}

_SET_UP = """\
# This notebook needs Python 3.11 or newer and the package superpos, which brings the rest.
# Where the package is missing, as on Colab or beside a copied file, this cell {does}.
import importlib.util

if importlib.util.find_spec("superpos") is None:
{then}
"""

_INSTALL = """\
    import subprocess
    import sys

    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", {install!r}], check=True)
    importlib.invalidate_caches()\
"""

_SAY = """\
    raise ModuleNotFoundError(
        "superpos is missing: get a copy of the book's repository, run "
        'pip install "PATH[book]" with its folder for PATH, and restart this notebook'
    ) from None\
"""


def portable(notebook: NotebookNode, chapter: str, known: Library, install: str) -> NotebookNode:
    """Return a copy of an executed notebook that can be used, and read, anywhere.

    Parameters
    ----------
    notebook
        With its outputs.
    chapter
        Which it is.
    known
        What it refers to, see `superpos.book.readable`.
    install
        What pip is told to install where the package is missing, see `install_from`; ``""`` if
        that is to be said in words.
    """
    from nbformat.v4 import new_code_cell

    copy = deepcopy(notebook)
    fold(copy)
    unroll(copy, chapter, known)
    set_up = new_code_cell(set_up_source(install), id="set-up", metadata={"tags": ["remove-cell"]})
    copy.cells.insert(0, set_up)
    return copy


def fold(notebook: NotebookNode) -> None:
    """Have JupyterLab fold the cells that the page hides."""
    for cell in notebook.cells:
        tags = set(cell.metadata.get("tags", []))
        if cell.cell_type == "code" and (folded := {k for k in FOLDS if FOLDS[k] & tags}):
            cell.metadata.setdefault("jupyter", {}).update(dict.fromkeys(sorted(folded), True))


def set_up_source(install: str) -> str:
    """Return the first cell, which does nothing where the package is there.

    Examples
    --------
    >>> print(set_up_source("superpos"))  # doctest: +ELLIPSIS
    # This notebook needs Python 3.11 or newer and the package superpos, which brings the rest.
    # Where the package is missing, as on Colab or beside a copied file, this cell installs it.
    import importlib.util
    ...
    """
    if install:
        source = _SET_UP.format(does="installs it", then=_INSTALL.format(install=install))
    else:
        source = _SET_UP.format(does="says how to install it", then=_SAY)
    return source.rstrip()


def install_from(root: Path) -> str:
    """Return what ``_config.yml`` has pip install the package from; ``""`` if it names nothing.

    Where it names a repository and no more, that is the package there, with what notebooks need.

    Raises
    ------
    InvalidArgument
        If the file is no YAML, or names what is no text.
    """
    config = yaml_of(root / "_config.yml", dict, "a configuration, by names")
    own = config.get(CONFIG) or {}
    install = own.get("install") or "" if isinstance(own, dict) else own
    if not isinstance(install, str) or install is own:
        raise InvalidArgument(
            f"_config.yml has {CONFIG}: {own!r}: what pip installs is needed, as in "
            f'{CONFIG}: {{install: "superpos"}}'
        )
    url = (config.get("repository") or {}).get("url")
    return install or (f"superpos[studies,plot,live] @ git+{url}" if url else "")
