"""A tiny book: two notebooks that train nothing, for the tests of the pipeline."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest

from superpos.cli import main

CHECKOUT = Path(__file__).parent.parent
CHAPTERS = ("alpha", "beta")

FRONT_MATTER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
superpos:
  budget_seconds: 30
  quick: {n_points: 3}
---
"""

ALPHA = (
    FRONT_MATTER
    + '''
# The first chapter

How many points does a line need? {cite}`elhage2022toy` has $n \\ge 2$, and
{numref}`alpha-line` shows {math}`n` of them:

$$ \\lVert W \\rVert_F^2 = \\sum_i \\lVert W_i \\rVert^2 $$

```{code-cell}
:tags: [parameters]
n_points: int = 5  # number of points [2, inf)
slope: float = 0.5  # rise per step (0, 1]
colour: str = "green"  # of the line {green, blue}
quick: bool = False  # a small run
```

```{code-cell}
:tags: [hide-input]
from IPython.display import display


class InvalidArgument(ValueError):
    """As superpos.errors has it; this notebook imports nothing that takes seconds to load."""


if n_points == 13:
    raise InvalidArgument("n_points must not be 13; got 13")


def figure(name, *, height, alt, caption):
    """Show a figure as superpos.figures.style does: an image that carries its texts."""
    points = " ".join(f"{10 * i},{height - slope * 10 * i:g}" for i in range(n_points))
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="600" height="120">'
        f'<polyline points="{points}" fill="none" stroke="{colour}"/></svg>'
    )
    told = {"name": name, "alt": alt, "caption": caption}
    display({"image/svg+xml": svg}, raw=True, metadata={"superpos": told})
    caption_of = {"superpos": {"caption_of": name}}
    display({"text/markdown": caption}, raw=True, metadata=caption_of)


print("two lines follow")
figure("alpha-line", height=60, alt=f"A line through {n_points} points", caption="The *line*.")
figure("alpha-other", height=90, alt="Another line", caption="The other, $n = 2$.")
```

```{code-cell}
verdict = {
    "id": "alpha-rises", "verdict": "reproduced", "measured": {"slope": "0.5"},
    "evidence": "20 of 20", "seeds": 20, "quick": quick, "rate": "20 of 20",
}
display(
    {
        "application/vnd.superpos.verdict+json": verdict,
        "text/html": '<div class="superpos-card" id="claim-alpha-rises"><p>'
        '<span class="superpos-verdict superpos-verdict-reproduced">reproduced: it rises</span> '
        "<code>alpha-rises</code></p><dl><dt>Evidence</dt><dd>20 of 20</dd></dl></div>",
    },
    raw=True,
)
```

```{bibliography}
:filter: docname in docnames
```
'''
)

BETA = (
    FRONT_MATTER
    + """
# The second chapter

```{code-cell}
:tags: [parameters]
n_points: int = 4  # number of points [2, inf)
quick: bool = False  # a small run
```

```{code-cell}
from IPython.display import display

display(
    {
        "application/vnd.jupyter.widget-view+json": {"model_id": "m", "version_major": 2},
        "image/svg+xml": '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="90"/>',
        "text/plain": "VBox()",
    },
    raw=True,
    metadata={"superpos": {"name": "beta-explorer", "alt": "An explorer, at rest",
                           "caption": "Try it."}},
)
```
"""
)

CLAIMS = """\
- id: alpha-rises
  chapter: alpha
  source:
    key: elhage2022toy
    section: Introduction
    place: the first figure & its text
    address: https://lines.org/toy_model/index.html#rise
  statement: The line rises, so that $n > 1$.
  setting: n = 5
  share: 0.5
  counts: The last point lies above the first.
  expected: reproduced
  deviations: [steps]
- id: beta-rests
  chapter: beta
  source: {key: elhage2022toy, section: Geometry, place: the end, address: "https://lines.org/"}
  statement: Nothing moves.
  setting: n = 4
  share: 0.5
  counts: No point moves.
  expected: untested
  deviations: []
"""

CITATION = """\
title: "lines: a book & more"
version: 1.2.3
date-released: "2031-05-06"
authors:
  - name: The authors of lines
  - {family-names: Ruler, given-names: Ann}
"""

DEVIATIONS = """\
steps: {setting: Number of steps, source: Silent., ours: Five., depends: "No, both agree."}
"""

GLOSSARY = """\
- term: line
  also: [straight line]
  means: The shortest way between points, $W$ & more. In formulas $x_i = 1$.
  source: elhage2022toy
  chapter: alpha
"""

FIRST_EDITION = """\
{
 "commit": "c0ffee", "date": "2026-11-21",
 "claims": [{"id": "alpha-rises", "verdict": "contradicted", "statement": "The line rises."}]
}
"""

MODULES = {  # the tiny book's package, for what depends on what
    "__init__.py": "",
    "errors.py": "class Wrong(ValueError): pass\n",
    "geometry.py": "from superpos.errors import Wrong\n",
    "losses.py": "import superpos.geometry as g\n",
    "plotting/__init__.py": "from . import colours\n",
    "plotting/colours.py": "from ..geometry import norm\n",
    "plotting/style.mplstyle": "axes.grid: False\n",
    "lazy.py": "import importlib\nf = importlib.import_module('superpos.losses')\n",
    "cli.py": "from superpos import losses\n",
    "book/__init__.py": "",
    "book/execution.py": "THREADS = 2\n",
}

INDEX = "# A tiny book\n\nWith a scoreboard and nothing else.\n"


def write_book(root: Path) -> Path:
    """Write the tiny book into ``root``."""
    (root / "notebooks").mkdir(parents=True)
    (root / "book" / "_static").mkdir(parents=True)
    for name, source in zip(CHAPTERS, (ALPHA, BETA), strict=True):
        (root / "notebooks" / f"{name}.md").write_text(source, "utf-8")
    (root / "book" / "index.md").write_text(INDEX, "utf-8")
    (root / "book" / "claims.yml").write_text(CLAIMS, "utf-8")
    (root / "book" / "deviations.yml").write_text(DEVIATIONS, "utf-8")
    for name in ("superpos.css", "scoreboard.css", "scoreboard.js", "favicon.svg"):
        shutil.copy(CHECKOUT / "book" / "_static" / name, root / "book" / "_static")
    (root / "book" / "glossary.yml").write_text(GLOSSARY, "utf-8")
    (root / "book" / "first_edition.json").write_text(FIRST_EDITION, "utf-8")
    (root / "book" / "references.bib").write_text(
        "@article{elhage2022toy, title={Toy Models of Superposition}, "
        "author={Elhage, Nelson and Olah, Chris}, journal={Transformer Circuits}, year={2022}}\n"
    )
    shutil.copy(CHECKOUT / "_config.yml", root)
    (root / "CITATION.cff").write_text(CITATION, "utf-8")
    pages = "".join(f"      - file: book/executed/{name}\n" for name in CHAPTERS)
    (root / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nparts:\n  - caption: Lines\n    numbered: 1\n"
        f"    chapters:\n{pages}  - caption: Results\n    chapters:\n"
        "      - file: book/scoreboard\n      - file: book/robustness\n"
        "      - file: book/audit\n      - file: book/corrections\n"
        "      - file: book/glossary\n"
    )
    return root


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The source that keys are made from: small, and still while the real one is worked on."""
    folder = write_package(tmp_path / "superpos")
    monkeypatch.setattr("superpos.book.freshness.PACKAGE", folder)
    return folder


def write_package(folder: Path) -> Path:
    """Write the tiny package into ``folder``."""
    for name, source in MODULES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(source)
    return folder


@pytest.fixture
def book(tmp_path: Path, package: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny book of one's own, not yet built; it is the working folder."""
    root = write_book(tmp_path / "book-of-lines")
    monkeypatch.chdir(root)
    return root


@pytest.fixture(scope="session")
def built_book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny book, built once for all tests and workers: not to be changed."""
    shared = tmp_path_factory.getbasetemp().parent if _worker() else tmp_path_factory.getbasetemp()
    root = shared / "built-book"
    with filelock.FileLock(str(shared / "built-book.lock")):
        if not (root / "_build" / "published").exists():
            write_book(root)
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(root)
                package = write_package(shared / "superpos")
                patch.setattr("superpos.book.freshness.PACKAGE", package)
                assert main(["build"]) == 0
    return root


def _worker() -> str | None:
    return os.environ.get("PYTEST_XDIST_WORKER")


@pytest.fixture
def copied_book(
    built_book: Path, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A built copy of the tiny book, to be changed; it is the working folder."""
    root = tmp_path / "book-of-lines"
    shutil.copytree(built_book, root)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def edit() -> Callable[[Path, str, str], None]:
    """Replace a piece of a text file, which must be there, by another."""

    def replace(path: Path, old: str, new: str) -> None:
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")

    return replace


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Where the system's Chromium is: tests that need one are skipped without, or fail in CI."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    binary = next(filter(None, map(shutil.which, names)), None)
    if binary is None:
        if os.environ.get("SUPERPOS_REQUIRE_BROWSER") == "1":
            pytest.fail("no Chromium is installed, and SUPERPOS_REQUIRE_BROWSER=1 asks for one")
        pytest.skip("no Chromium is installed")
    return binary


@pytest.fixture
def browser(chromium_path):
    """Chromium, as installed on the system."""
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=flags)
        yield browser
        browser.close()
