"""Where a chapter's notebook can be opened: Colab and Binder, for a book whose address is known.

Colab opens executed notebooks from a branch of the repository that holds these alone
(``make notebooks`` makes it); the first cell installs the package. Binder makes the environment of
``environment.yml`` from the repository itself, and opens the source there as a notebook. Both ask
GitHub, so a button is shown only where ``_config.yml`` names a repository there, and Colab's only
where it names that branch too. A build asks neither service.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from superpos.book.portable import CONFIG
from superpos.errors import InvalidArgument

_GITHUB = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?")
_BRANCH = re.compile(r"[\w.-]+(/[\w.-]+)*")


@dataclass(frozen=True)
class Launch:
    """Where the notebooks are.

    Attributes
    ----------
    owner, name
        Of the repository on GitHub; empty where none is configured, or one elsewhere.
    branch
        That has the sources.
    notebooks
        The branch that has executed notebooks; empty where there is none.
    """

    owner: str = ""
    name: str = ""
    branch: str = "main"
    notebooks: str = ""

    def colab(self, chapter: str) -> str:
        """Return the address at which Colab opens a chapter; empty where it has none.

        Examples
        --------
        >>> Launch("ann", "lines", notebooks="notebooks").colab("alpha")
        'https://colab.research.google.com/github/ann/lines/blob/notebooks/alpha.ipynb'
        >>> Launch("ann", "lines").colab("alpha")
        ''
        """
        if not (self.owner and self.notebooks):
            return ""
        branch = quote(self.notebooks, safe="/")
        path = f"{self.owner}/{self.name}/blob/{branch}/{chapter}.ipynb"
        return f"https://colab.research.google.com/github/{path}"

    def binder(self, chapter: str) -> str:
        """Return the address at which Binder opens a chapter's source; empty where it has none.

        Examples
        --------
        >>> Launch("ann", "lines").binder("alpha")
        'https://mybinder.org/v2/gh/ann/lines/main?urlpath=lab/tree/notebooks/alpha.md'
        """
        if not self.owner:
            return ""
        # a branch's own slashes would end it
        place = f"{self.owner}/{self.name}/{quote(self.branch, safe='')}"
        return f"https://mybinder.org/v2/gh/{place}?urlpath=lab/tree/notebooks/{chapter}.md"

    def buttons(self, chapter: str) -> str:
        """Return links to both as HTML, no paragraph of the text; empty where there is neither.

        Examples
        --------
        >>> print(Launch("ann", "lines").buttons("alpha"))  # doctest: +ELLIPSIS
        <div class="superpos-launch"><a href="https://mybinder.org/...">Open in Binder</a></div>
        """
        places = {"Colab": self.colab(chapter), "Binder": self.binder(chapter)}
        links = " ".join(
            f'<a href="{address}">Open in {name}</a>' for name, address in places.items() if address
        )
        return f'<div class="superpos-launch">{links}</div>' if links else ""


def launch(root: Path) -> Launch:
    """Return where the notebooks of the book in ``root`` are, by its ``_config.yml``.

    Raises
    ------
    InvalidArgument
        If a branch is named that cannot be one.
    """
    from superpos.compute import yamls

    config = yamls.load((root / "_config.yml").read_text("utf-8")) or {}
    repository = config.get("repository") or {}
    branches = {
        "repository: branch": repository.get("branch") or "main",
        f"{CONFIG}: notebooks": (config.get(CONFIG) or {}).get("notebooks") or "",
    }
    for key, branch in branches.items():
        if not isinstance(branch, str) or (branch and not _BRANCH.fullmatch(branch)):
            raise InvalidArgument(f"_config.yml has {key}: {branch!r}: a branch's name is needed")
    found = _GITHUB.fullmatch(str(repository.get("url") or ""))
    return Launch(*(found.groups() if found else ("", "")), *branches.values())
