"""A page of the instrument in a real Chromium, from this checkout's files and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from superpos.live import SOURCE, VIEWS

PAGE = """<!doctype html><html lang="en" data-theme="{theme}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>A toy model</title></head>
<body><h1>A toy model</h1><div data-superpos-live='{settings}' {view}></div>
<script type="module">
import * as live from "/{script}";
window.live = live;
live.mount();
</script></body></html>"""
ADDRESS = "http://book.test/"
SCRIPTS = {f"{ADDRESS}{path.name}": path for path in (SOURCE, VIEWS)}


@pytest.fixture
def opened(browser) -> Callable[..., Any]:
    """Open the instrument: its settings, what follows the address, and Playwright's context."""

    def open_page(
        settings: dict | None = None,
        *,
        after: str = "",
        theme: str = "light",
        view: str = "",
        **context,
    ):
        page = browser.new_context(**context).new_page()
        page.problems = []  # errors, and requests for anything but the two files
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("console", lambda m: m.type == "error" and page.problems.append(m.text))

        def serve(route) -> None:
            url = route.request.url
            if url in SCRIPTS:
                route.fulfill(body=SCRIPTS[url].read_text("utf-8"), content_type="text/javascript")
            elif url.partition("#")[0] == ADDRESS:
                told = json.dumps(settings or {})
                script = (VIEWS if view else SOURCE).name
                of_view = view and f'data-superpos-view="{view}"'
                page_text = PAGE.format(settings=told, theme=theme, script=script, view=of_view)
                route.fulfill(body=page_text, content_type="text/html")
            else:
                page.problems.append(f"asks for {url}")
                route.abort()

        page.route("**/*", serve)
        page.goto(ADDRESS + after)
        page.wait_for_function("window.live !== undefined")
        return page

    return open_page
