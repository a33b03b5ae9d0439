"""What the theme's HTML keeps from those who listen to a page, mended after Sphinx has run."""

from __future__ import annotations

import re

# Each with its reason: a pattern, and what it becomes.
_MENDED = (
    # a list may hold items alone, and an entry of a bibliography is no longer a role
    (r'role="doc-biblioentry"', 'role="listitem"'),
    # what opens the pages below one in the list of pages is but an arrow
    (r'<summary>(<span class="toctree-toggle")', r'<summary aria-label="Pages below">\1'),
    # who says the words that they read reaches what they name
    (r'<summary aria-label="Toggle hidden content">', "<summary>"),
    (r'(<button class="btn search-button-field[^>]*?) title="Search" aria-label="Search"', r"\1"),
    # a heading of nothing would be read with every cell under it
    (r"<th([^>]*)>(?:<p>\s*</p>)?\s*</th>", r"<td\1></td>"),
    # icons are letters of a font, which mean nothing aloud
    (r'<(i|span) class="((?:fa[srb]? |fa-|[^"]* fa-)[^"]*)"', r'<\1 aria-hidden="true" class="\2"'),
    # a button of which only the icon is seen
    (
        r'(<button class="sidebar-toggle[^>]*?) title="([^"]+)"(?! aria)',
        r'\1 title="\2" aria-label="\2"',
    ),
)


def mended(page: str) -> str:
    """Return a page's HTML, with what the theme gets wrong put right.

    Examples
    --------
    >>> mended('<th class="head"><p></p></th><th class="head"><p>p</p></th>')
    '<td class="head"></td><th class="head"><p>p</p></th>'
    """
    for wrong, right in _MENDED:
        page = re.sub(wrong, right, page)
    return page
