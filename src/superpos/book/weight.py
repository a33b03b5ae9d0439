"""The site without what its pages never use: icons, formulas' scripts, indices, source maps.

The theme sends two thousand icons and the script that draws them, a formula renderer and the index
of the search with every page. Here a page keeps what it shows, which a slow phone can load.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from io import BytesIO
from pathlib import Path

from superpos.book.failures import NotPublishable

# MathJax comes with every combination of input and output; the pages load this one.
MATHJAX = "tex-chtml.js"
# What no page asks for, by its path in the site. Icons: `slim` puts its own font in their place.
UNUSED = (
    ".buildinfo",
    "objects.inv.bak",
    "*.map",
    "_static/locales",
    "_static/scripts/fontawesome.js*",
    "_static/vendor/fontawesome",
    *(f"_static/{name}" for name in ("webpack-macros.html", "sbt-webpack-macros.html")),
    *(f"_static/mathjax/{name}" for name in ("a11y", "adaptors", "sre", "ui")),
    "_static/mathjax/input/*.js",
    *(f"_static/mathjax/output/{name}" for name in ("chtml.js", "svg*", "chtml/fonts/tex.js")),
)
STYLE = "_static/styles/pydata-sphinx-theme.css"
FONT = "_static/styles/icons.woff"
SOLID = "_static/vendor/fontawesome/webfonts/fa-solid-900.ttf"

_ICON_RULE = re.compile(r'((?:\.fa-[a-z0-9-]+:+before,?)+)\{content:"((?:\\.)?[^"]*)"\}')
_NAME = re.compile(r"\bfa-([a-z0-9-]+)")
_CODE = re.compile(r'"(?:\\([0-9a-f]{4})\s?|([\ue000-\uf8ff]))"')  # an icon in a style
_FACE = re.compile(r"@font-face\{[^}]*\}")
_SCRIPT = r'[ \t]*<script[^>]*\bsrc="[^"]*{name}[^"]*"[^>]*></script>\n?'
_FORMULA = re.compile(r'class="[^"]*\bmath\b|\\\(|\\\[|\$\$')


def unused(site: Path) -> Callable[[str, list[str]], set[str]]:
    """Return what says to `shutil.copytree` which files of a site to leave behind."""

    def leave(folder: str, names: list[str]) -> set[str]:
        place = Path(folder).relative_to(site)
        if place.as_posix() == "_static/mathjax":
            others = {name for name in names if name.endswith(".js") and name != MATHJAX}
        else:
            others = set()
        return others | {
            name
            for name in names
            if any(fnmatch((place / name).as_posix(), pattern) for pattern in UNUSED)
        }

    return leave


def slim(site: Path, built: Path) -> None:
    """Have a site's style and font hold the icons that its pages show, and no others.

    Parameters
    ----------
    site
        A copy of what Sphinx made, without what `unused` names; it is changed.
    built
        What Sphinx made.

    Raises
    ------
    NotPublishable
        If a page shows an icon that the theme's font does not have.
    """
    names, codes = set(), set()
    for path in site.rglob("*.html"):
        text = path.read_text("utf-8")
        names |= icon_names(text)
    for path in [*site.glob("_static/*.js"), *site.glob("_static/scripts/*.js")]:
        names |= icon_names(path.read_text("utf-8"))
    style = (built / STYLE).read_text("utf-8")
    for path in [*site.glob("_static/*.css"), *site.glob("_static/styles/*.css")]:
        codes |= _codes(_ICON_RULE.sub("", path.read_text("utf-8")))
    light, shown = with_icons(style, names)
    (site / STYLE).write_text(light, "utf-8")
    (site / FONT).write_bytes(subset((built / SOLID).read_bytes(), codes | shown, shown))


def without_scripts(page: str, *, search: bool = False) -> str:
    """Return a page's HTML without the scripts that it has no use for.

    Formulas need MathJax, only the page of the search its index, and icons no script.

    Examples
    --------
    >>> without_scripts('<script src="a/mathjax/tex-chtml.js"></script><p>No formula.</p>')
    '<p>No formula.</p>'
    >>> page = '<script src="a/mathjax/tex-chtml.js"></script><p class="math">x</p>'
    >>> without_scripts(page) == page
    True
    """
    names = ["fontawesome.js"]
    if not search:
        names += ["searchtools.js", "language_data.js", "searchindex.js", "excerpts.js"]
    body = page.partition("</head>")[2] or page
    if not _FORMULA.search(body):
        names.append(f"mathjax/{MATHJAX}")
        page = re.sub(r"[ \t]*<script>window\.MathJax = .*?</script>\n?", "", page)
    for name in names:
        page = re.sub(_SCRIPT.format(name=re.escape(name)), "", page)
    return page


def icon_names(text: str) -> set[str]:
    """Return the names of the icons that HTML or a script names: ``fa-NAME``.

    Examples
    --------
    >>> icon_names('<i class="fas fa-list"></i>')
    {'list'}
    """
    return {*_NAME.findall(text)}


def with_icons(style: str, names: Iterable[str]) -> tuple[str, set[int]]:
    """Return the theme's style with the rules of these icons alone, and their characters.

    Names that are no icons, such as a size's, are passed over.
    """
    names, shown = {*names}, set()

    def rule(found: re.Match[str]) -> str:
        used = [s for s in found[1].split(",") if _NAME.findall(s)[0] in names]
        code = found[2].strip().removeprefix("\\")
        if not used:
            return ""
        shown.add(int(code, 16) if len(code) > 1 else ord(code))
        return f'{",".join(used)}{{content:"{found[2]}"}}'

    def face(found: re.Match[str]) -> str:
        text = found[0]
        if "fontawesome" not in text:
            return text
        if "fa-solid-900" not in text or "Free" not in text:
            return ""
        source = f'src:url({Path(FONT).name}) format("woff")'
        return re.sub(r"src:.*(?=\})", source, text)

    return _FACE.sub(face, _ICON_RULE.sub(rule, style)), shown


def subset(font: bytes, codes: set[int], needed: set[int]) -> bytes:
    """Return a font with these characters alone, as WOFF, the same bytes each time.

    Raises
    ------
    NotPublishable
        If the font lacks one of ``needed``.
    """
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont

    made = TTFont(BytesIO(font), recalcTimestamp=False)
    if missing := needed - {*(made.getBestCmap() or {})}:
        raise NotPublishable(f"the theme's font has no icon {', '.join(map(hex, missing))}")
    cutter = Subsetter(Options(drop_tables=["FFTM"]))
    cutter.populate(unicodes=codes)
    cutter.subset(made)
    made.flavor = "woff"
    written = BytesIO()
    made.save(written)
    return written.getvalue()


def _codes(style: str) -> set[int]:
    return {int(code, 16) if code else ord(sign) for code, sign in _CODE.findall(style)}
