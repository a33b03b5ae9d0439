"""What a page does not show, it does not load; and what it shows is there."""

from __future__ import annotations

from io import BytesIO

import pytest
from fontTools.ttLib import TTFont

from superpos.book import weight
from superpos.book.failures import NotPublishable

ICONS = (
    '.a{color:red}.fa-list:before{content:"\\f03a"}'
    '.fa-search:before,.fa-magnifying-glass:before{content:"\\f002"}.fa-a:before{content:"a"}'
    "@font-face{font-family:Letters;src:url(letters.woff2)}"
    '@font-face{font-family:"Font Awesome 6 Free";font-weight:900;'
    'src:url(../vendor/fontawesome/fa-solid-900.woff2) format("woff2")}'
    "@font-face{font-family:Brands;src:url(../vendor/fontawesome/fa-brands-400.woff2)}"
)


def characters(font: bytes) -> set[int]:
    return {*(TTFont(BytesIO(font)).getBestCmap() or {})}


@pytest.fixture
def site(built_book):
    return built_book / "_build" / "html"


@pytest.fixture
def font(built_book) -> bytes:
    return (built_book / "_build" / "sphinx" / "_build" / "html" / weight.SOLID).read_bytes()


def test_the_style_keeps_the_icons_in_use_and_one_font():
    style, shown = weight.with_icons(ICONS, {"magnifying-glass", "lg"})
    assert shown == {0xF002}
    assert style == (
        '.a{color:red}.fa-magnifying-glass:before{content:"\\f002"}'
        "@font-face{font-family:Letters;src:url(letters.woff2)}"
        '@font-face{font-family:"Font Awesome 6 Free";font-weight:900;'
        'src:url(icons.woff) format("woff")}'
    )


def test_no_icon_of_a_page_is_missing(site):
    cut = characters((site / weight.FONT).read_bytes())
    style = (site / weight.STYLE).read_text("utf-8")
    kept = {int(code, 16) for _, code in weight._ICON_RULE.findall(style) for code in [code[1:]]}
    assert kept <= cut
    for page in site.glob("book/*.html"):
        for name in weight.icon_names(page.read_text("utf-8")) - {"lg", "solid", "regular"}:
            assert f".fa-{name}:before" in style, f"{page.name} shows {name}"
    assert ".fa-xmark:before" in style  # which a script of the theme adds to a banner
    assert 0xF107 in cut  # which is named in the theme's style alone
    assert len(cut) < 60


def test_a_font_is_cut_alike_each_time_and_says_what_it_lacks(font):
    first, second = (weight.subset(font, {0xF002, 0xF03A}, {0xF002}) for _ in range(2))
    assert first == second
    assert {0xF002, 0xF03A} == characters(first)
    with pytest.raises(NotPublishable, match="no icon 0x41424"):
        weight.subset(font, {0xF002}, {0x41424})


@pytest.mark.parametrize("formula", ['<span class="math notranslate">\\(x\\)</span>', "$$x$$"])
def test_only_pages_with_formulas_load_what_draws_them(formula):
    head = (
        '<head>\n    <script>window.MathJax = {"options": {}}</script>\n'
        '    <script defer="defer" src="../_static/mathjax/tex-chtml.js"></script>\n</head>'
    )
    assert weight.without_scripts(f"{head}<p>none</p>") == "<head>\n</head><p>none</p>"
    page = f"{head}<p>{formula}</p>"
    assert weight.without_scripts(page) == page


def test_a_page_loads_neither_the_index_of_the_search_nor_the_script_of_the_icons(site):
    for page in site.rglob("*.html"):
        text = page.read_text("utf-8")
        assert "fontawesome.js" not in text
        assert ('src="searchindex.js' in text) == (page == site / "search.html"), page
    assert weight.MATHJAX in (site / "book/executed/alpha.html").read_text("utf-8")
    assert weight.MATHJAX not in (site / "book/index.html").read_text("utf-8")


def test_the_site_holds_no_file_that_no_page_asks_for(site):
    names = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert not {name for name in names if name.endswith(".map")}
    assert not {name for name in names if "/locales/" in name or "/sre/" in name}
    assert sum((site / name).stat().st_size for name in names if "_static" in name) < 4e6
