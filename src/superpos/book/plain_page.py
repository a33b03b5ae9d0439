"""A page without Sphinx, and without scripts but the one that chooses between light and dark."""

from __future__ import annotations

import html
from collections.abc import Iterable

# What a reader has chosen on the site's other pages, or else what the system says.
_THEME = (
    '(m => document.documentElement.dataset.theme = m == "light" || m == "dark" ? m : '
    'matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")'
    '((() => { try { return localStorage.getItem("mode") } catch { return null } })())'
)


def plain_page(
    *, title: str, about: str, styles: Iterable[str], nav: str, main: str, base: str = ""
) -> str:
    """Return a page, light enough for any connection.

    Parameters
    ----------
    title, about
        Its title and description, as text.
    styles
        Links to its styles.
    nav, main
        What it holds, as HTML.
    base
        Where its links start; by default where the page is.

    Examples
    --------
    >>> page = plain_page(title="A & B", about="", styles=["a.css"], nav="", main="<h1>A</h1>")
    >>> "<title>A &amp; B</title>" in page, "<base" in page
    (True, False)
    """
    based = f'<base href="{html.escape(base)}">\n' if base else ""
    linked = "".join(f'<link rel="stylesheet" href="{html.escape(path)}">\n' for path in styles)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{based}<title>{html.escape(title)}</title>
<meta name="description" content="{html.escape(about)}">
{linked}<script>{_THEME}</script>
</head>
<body class="superpos-page">
<nav>{nav}</nav>
<main>
{main}
</main>
</body>
</html>
"""
