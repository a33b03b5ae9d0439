"""What a listener meets on a page is named as it is seen."""

from __future__ import annotations

import pytest

from superpos.book.accessible import mended


@pytest.mark.parametrize(
    ("made", "mend"),
    [
        (
            '<div role="list" class="citation-list">\n<div role="doc-biblioentry">',
            '<div role="list" class="citation-list">\n<div role="listitem">',
        ),
        ('<summary aria-label="Toggle hidden content">', "<summary>"),
        (
            '<button class="btn search-button-field x" title="Search" aria-label="Search">',
            '<button class="btn search-button-field x">',
        ),
        ('<th class="head stub"> </th>', '<td class="head stub"></td>'),
        ('<th class="head"><p></p></th>', '<td class="head"></td>'),
        ('<i class="fas fa-file"></i>', '<i aria-hidden="true" class="fas fa-file"></i>'),
        (
            '<i class="theme-switch fa-solid fa-sun   fa-lg" title="Light">',
            '<i aria-hidden="true" class="theme-switch fa-solid fa-sun   fa-lg" title="Light">',
        ),
        (
            '<button class="sidebar-toggle btn" title="Toggle">',
            '<button class="sidebar-toggle btn" title="Toggle" aria-label="Toggle">',
        ),
    ],
)
def test_what_the_theme_gets_wrong_is_put_right(made, mend):
    assert mended(made) == mend
    assert mended(mend) == mend


@pytest.mark.parametrize(
    "page",
    [
        '<th class="head"><p>p</p></th>',
        '<button class="btn search-button" title="Search" aria-label="Search">',
        '<i class="family">a far cry</i>',
    ],
)
def test_the_rest_stays(page):
    assert mended(page) == page
