"""The system's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from superpos.errors import InvalidArgument, need

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield a Chromium without a window.

    Raises
    ------
    MissingExtra
        Without Playwright.
    InvalidArgument
        If the system has none.
    """
    need("pdf", "playwright")
    from playwright.sync_api import sync_playwright

    binary = next(filter(None, map(shutil.which, NAMES)), None)
    if binary is None:
        raise InvalidArgument("no Chromium is installed, which pages are printed with")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        yield browser
        browser.close()
