"""The instrument on a page: a picture and, in its place where scripts run, what one can play with.

Scripts that are modules load where the book is served. From a file, or without scripts, the page
keeps the picture, and says so.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from typing import Any

from superpos.errors import InvalidArgument
from superpos.live import SOURCE, VIEWS

PLACE = "_static"  # in the site
KINDS = ("toy", "zones", "phases", "ladder")
_MARKED = re.compile(r"<!-- live (\w+) (\{.*?\}) -->\n(.*?)\n<!-- end of live -->", re.DOTALL)


def files() -> dict[str, bytes]:
    """Return what the site serves for it, by path."""
    return {f"{PLACE}/{path.name}": path.read_bytes() for path in (SOURCE, VIEWS)}


def instrument_html(
    still: str,
    *,
    up: str,
    kind: str = "toy",
    settings: Mapping[str, Any] | None = None,
    address: bool = True,
    instead: str = "",
) -> str:
    """Return the instrument as a piece of a page.

    Parameters
    ----------
    still
        HTML that stands in its place where no script runs: a figure.
    up
        From the page to the site's root: "." or "../..".
    kind
        One of `KINDS`: the instrument, or another view.
    settings
        What it starts with, by name, as `superpos.live.Toy` takes them; the others as by default.
        Of other views: ``n`` (zones), log₁₀ ``p`` and ``r`` (phases), log₁₀ ``p`` (ladder).
    address
        Whether the page's address holds the settings. One instrument of a page may.
    instead
        The id of a figure that it takes the place of, where scripts run.

    Raises
    ------
    InvalidArgument
        If there is no such kind.

    Examples
    --------
    >>> page = instrument_html("<p>A pentagon.</p>", up="..", settings={"S": 0.8})
    >>> "<p>A pentagon.</p>" in page, "../_static/instrument.js" in page
    (True, True)
    """
    told = html.escape(json.dumps(dict(settings or {})))
    if kind not in KINDS:
        raise InvalidArgument(f"kind is {kind!r}: there are {', '.join(KINDS)}")
    view = "" if kind == "toy" else f'data-superpos-view="{kind}" '
    source = json.dumps(f"{up}/{PLACE}/{(SOURCE if kind == 'toy' else VIEWS).name}")
    hides = f" document.getElementById({json.dumps(instead)}).hidden = true;" if instead else ""
    return (
        f'<div class="superpos-live-place" data-superpos-live="{told}" '
        f'{view}data-hash="{str(address).lower()}">\n{still}\n'
        '<p class="superpos-live-note">Where scripts run and the book is served '
        "(<code>superpos serve</code>), this picture can be played with.</p>\n</div>\n"
        f'<script type="module">import {{ mount }} from {source}; mount();{hides}</script>\n'
    )


def placed(text: str, *, up: str) -> str:
    """Return a page's Markdown with instruments in the places that it marks.

    A place begins with ``<!-- live KIND SETTINGS -->``, settings in JSON, and ends with
    ``<!-- end of live -->``; between them stands what is shown where no script runs. The first
    instrument of a page has its settings in the address.

    Parameters
    ----------
    text
        The page.
    up
        From the page to the site's root.

    Raises
    ------
    InvalidArgument
        If there is no such kind, or the settings are not JSON.

    Examples
    --------
    >>> text = '<!-- live toy {"S": 0.9} -->\\nA *pentagon*.\\n<!-- end of live -->'
    >>> print(placed(text, up="..").splitlines()[2])
    A *pentagon*.
    """
    count = 0

    def instrument(found: re.Match) -> str:
        nonlocal count
        count += 1
        kind, settings, still = found.groups()
        try:
            chosen = json.loads(settings)
        except ValueError as problem:
            raise InvalidArgument(f"live {kind} {settings}: no JSON: {problem}") from None
        still = f"\n{still.strip()}\n"  # blank lines, so that it is read as Markdown
        return instrument_html(still, up=up, kind=kind, settings=chosen, address=count == 1)

    return _MARKED.sub(instrument, text)
