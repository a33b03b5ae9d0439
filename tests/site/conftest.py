"""The built book, served to one Chromium that reaches nothing else."""

from __future__ import annotations

import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent.parent
SITE = Path(os.environ.get("SUPERPOS_SITE", CHECKOUT / "_build" / "html"))
# Formulas are typeset after all else is there, and their letters are fetched as they are needed.
DRAWN = """() => Promise.resolve(window.MathJax?.startup?.promise)
  .then(() => document.fonts.ready).then(() => null)"""
CLAIMS = "claims/"  # their pages are many, alike and light: looked at together


def names(*, claims: bool) -> list[str]:
    """Return the paths of the site's pages; of those of claims, or of the others."""
    found = (path.relative_to(SITE).as_posix() for path in sorted(SITE.rglob("*.html")))
    return [name for name in found if name.startswith(CLAIMS) == claims]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "name" in metafunc.fixturenames:
        metafunc.parametrize("name", names(claims=False))


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built book."""
    if not (SITE / "index.html").exists():
        pytest.fail(f"there is no site in {SITE}: run `make book`")
    return SITE


@pytest.fixture(scope="session")
def pages():
    """The benchmark of pages, which serves a site and weighs what is sent."""
    spec = spec_from_file_location("pages", CHECKOUT / "benchmarks" / "pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["pages"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["pages"]


@pytest.fixture(scope="session")
def address(site, pages):
    """Where the book is served."""
    with pages.served(site) as address:
        yield address


@pytest.fixture(scope="session")
def chromium(pages, chromium_path):
    """One Chromium for all pages."""
    with pages.chromium() as browser:
        yield browser


class Reader:
    """A page, and what goes wrong on it: errors, and requests to elsewhere, which are cut."""

    def __init__(self, browser, address: str, **context) -> None:
        self.address, self.problems = address, []
        self.page = browser.new_context(**context).new_page()
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("console", self._heard)
        self.page.route(lambda url: not url.startswith((address, "data:", "blob:")), self._cut)

    def _heard(self, message) -> None:
        if message.type == "error":
            self.problems.append(f"console: {message.text} {message.location.get('url', '')}")

    def _cut(self, route) -> None:
        self.problems.append(f"asks for {route.request.url}")
        route.abort()

    def open(self, path: str):
        """Open a page of the site, wait until all of it is there, and return it."""
        self.page.goto(self.address + path, wait_until="load")
        if not path.startswith(CLAIMS):
            self.page.wait_for_load_state("networkidle")
        self.page.evaluate(DRAWN)
        return self.page

    def close(self) -> None:
        self.page.context.close()


@pytest.fixture
def reads(chromium, address):
    """Return a reader with the given context: `reads(has_touch=True)`."""
    readers = []

    def reader(**context) -> Reader:
        readers.append(Reader(chromium, address, **{"reduced_motion": "reduce", **context}))
        return readers[-1]

    yield reader
    for each in readers:
        each.close()
