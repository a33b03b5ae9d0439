"""The book on paper: one PDF, its pages printed by Chromium one by one and joined.

Pages stand in the order of ``_toc.yml``, without the reference, behind a title and a table of
contents. Links within the book lead to pages of the PDF, those to pages that it leaves out to the
site, where its address is known. Sections are bookmarks.
"""

from __future__ import annotations

import html
import io
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from superpos.book import reference
from superpos.book.chromium import chromium
from superpos.book.citation import Edition, edition
from superpos.book.failures import NotPublishable
from superpos.book.serving import Pages
from superpos.book.site import QUICK_BANNER
from superpos.errors import InvalidArgument, need

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pypdf import PdfReader, PdfWriter

WIDTH, HEIGHT = 680, 1000  # of what is printed, in CSS pixels: A4 within these margins
MARGINS = {"top": "15mm", "bottom": "17mm", "left": "15mm", "right": "15mm"}

DRAWN = """() => Promise.resolve(window.MathJax?.startup?.promise)
  .then(() => document.fonts.ready)
  .then(() => Promise.all([...document.images].map((each) => {
    each.loading = "eager";
    return each.decode().catch(() => null);
  }))).then(() => null)"""
# What would be cut: sizes are those on paper, since the window is as wide as a sheet's text.
CUT = """([width, height]) => {
  const wrong = [];
  for (const each of document.querySelectorAll("main figure, main img, main svg")) {
    const {width: w, height: h} = each.getBoundingClientRect();
    if (w > width + 1 || h > height + 1)
      wrong.push(`${each.id || each.tagName} is ${Math.round(w)} × ${Math.round(h)} pixels large`);
  }
  for (const each of document.querySelectorAll("main mjx-container[display=true] mjx-math")) {
    const {left, right} = each.getBoundingClientRect();
    const place = (each.closest("div.math") ?? each.closest("mjx-container").parentElement)
      .getBoundingClientRect();
    const number = each.closest("div.math")?.querySelector(".eqno")?.getBoundingClientRect();
    if (left < place.left - 1 || right > (number?.left ?? place.right) + 1)
      wrong.push(`a formula is ${Math.round(right - left)} pixels wide, its place ${
        Math.round(place.width)}`);
  }
  return wrong;
}"""

# Formulas among them have their text in a form for those who listen, too: left out here.
_UNBROKEN = 12  # letters of a title that fit on any line
_HEADINGS = """() => [...document.querySelectorAll("main article :is(h1, h2)")].map((each) => {
  const copy = each.cloneNode(true);
  for (const other of copy.querySelectorAll(".headerlink, mjx-assistive-mml")) other.remove();
  return copy.textContent.replace(/\\s+/g, " ").trim();
})"""


@dataclass(frozen=True)
class Sheet:
    """A page of the site that is printed.

    Attributes
    ----------
    path
        In the site.
    part
        Under which caption of ``_toc.yml`` it stands; empty for the first page.
    """

    path: str
    part: str


def sheets(root: Path) -> list[Sheet]:
    """Return what is printed, in the order of ``_toc.yml``: all pages but the reference's."""
    from superpos.compute import yamls

    contents = yamls.load((root / "_toc.yml").read_text("utf-8"))
    found = [Sheet(f"{contents['root']}.html", "")]
    for part in contents.get("parts", []):
        for entry in part.get("chapters", []):
            if not entry.get("file", "").startswith(reference.FOLDER):
                found += [Sheet(f"{file}.html", part["caption"]) for file in _files(entry)]
    return found


def default_output(root: Path, *, quick: bool = False) -> Path:
    """Return where the PDF is put unless somebody says otherwise."""
    return root / "_build" / ("quick" if quick else "") / "superpos.pdf"


def _files(entry: Mapping[str, Any]) -> Iterator[str]:
    if "file" in entry:
        yield entry["file"]
    for section in entry.get("sections", []):
        yield from _files(section)


def printed(
    root: Path,
    site: Path,
    output: Path,
    *,
    only: Sequence[str] = (),
    quick: bool = False,
    say: Callable[[str], None] = print,
) -> int:
    """Print a built site into one PDF, and return its number of pages.

    Parameters
    ----------
    root
        The book.
    site
        The folder of its pages.
    output
        Where to put the PDF; it appears only when it is whole.
    only
        Names of pages, such as ``uniform_superposition``; by default all.
    quick
        Whether the site is that of a quick run: every page then says so.
    say
        Told which page is printed.

    Raises
    ------
    InvalidArgument
        If there is no site, no Chromium, or no page of a name.
    NotPublishable
        If a figure or a formula is larger than paper.
    """
    need("pdf", "playwright", "pypdf")
    from pypdf import PdfReader, PdfWriter

    chosen = sheets(root)
    names = {Path(each.path).stem: each for each in chosen}
    if unknown := [name for name in only if name not in names]:
        raise InvalidArgument(f"the book has no page {unknown[0]}: one of {', '.join(names)}")
    chosen = [each for each in chosen if not only or Path(each.path).stem in only]
    if missing := [each.path for each in chosen if not (site / each.path).exists()]:
        raise InvalidArgument(f"there is no {missing[0]} in {site}: build the book first")
    told = edition(root)
    with _served(site) as address, chromium() as browser:
        made: dict[str, tuple[str, list[str], PdfReader]] = {}
        for each in chosen:
            say(f"printing {each.path}")
            title, sections, content = _page(browser, address, each.path)
            made[each.path] = (title, sections, PdfReader(io.BytesIO(content)))
        starts, number = {}, 0
        for each in chosen:
            starts[each.path] = number
            number += len(made[each.path][2].pages)
        lines = [(each, made[each.path][0], starts[each.path] + 1) for each in chosen]
        front = PdfReader(io.BytesIO(_drawn(browser, _front(told, lines, address, quick=quick))))
        note = QUICK_BANNER if quick else told.title
        feet = PdfReader(io.BytesIO(_drawn(browser, _feet(number, note), bare=True)))
    writer = PdfWriter()
    first = len(front.pages)
    inside = {address + path: first + start for path, start in starts.items()}
    _added(writer, front)
    for each in chosen:
        _added(writer, made[each.path][2])
    for page, foot in zip(writer.pages[first:], feet.pages, strict=True):
        page.merge_page(foot)
        page.compress_content_streams()  # which are plain once they are merged
    _lead(writer, inside, address, told)
    _bookmarks(writer, chosen, made, {path: first + start for path, start in starts.items()})
    writer.page_layout = "/OneColumn"
    writer.add_metadata({"/Title": told.title, "/Author": ", ".join(told.authors)})
    writer.compress_identical_objects()
    unfinished = output.with_name(f"{output.name}.partial")
    writer.write(unfinished)
    unfinished.replace(output)
    return len(writer.pages)


class _Quiet(Pages):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def _served(site: Path) -> Iterator[str]:
    pages = partial(_Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), pages) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{serving.server_port}/"
        finally:
            serving.shutdown()


def _page(browser: Browser, address: str, path: str) -> tuple[str, list[str], bytes]:
    """Return a page's title, those of its sections, and the page as PDF."""
    page = browser.new_page(
        viewport={"width": WIDTH, "height": HEIGHT}, reduced_motion="reduce", color_scheme="light"
    )
    try:
        page.goto(address + path, wait_until="load")
        page.emulate_media(media="print", reduced_motion="reduce", color_scheme="light")
        page.evaluate("document.documentElement.dataset.theme = 'light'")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")  # opens what is folded
        page.evaluate(DRAWN)
        if wrong := page.evaluate(CUT, [WIDTH, HEIGHT]):
            raise NotPublishable(f"{path} does not fit on paper: {'; '.join(wrong)}")
        title, *sections = page.evaluate(_HEADINGS)
        return title, sections, _as_pdf(page)
    finally:
        page.close()


def _drawn(browser: Browser, text: str, *, bare: bool = False) -> bytes:
    """Return a page of our own as PDF; ``bare``: without margins or ground."""
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    try:
        page.set_content(text, wait_until="load")
        return _as_pdf(page, bare=bare)
    finally:
        page.close()


def _as_pdf(page: Page, *, bare: bool = False) -> bytes:
    margins: Any = dict.fromkeys(MARGINS, "0") if bare else MARGINS
    return page.pdf(format="A4", margin=margins, outline=not bare, tagged=not bare)


def _front(
    told: Edition, lines: Sequence[tuple[Sheet, str, int]], address: str, *, quick: bool
) -> str:
    """Return title and contents as HTML; its links are those of the site."""
    rows, part = [], ""
    for sheet, title, number in lines:
        if sheet.part != part:
            part = sheet.part
            rows.append(f'<tr><th colspan="2">{html.escape(part)}</th></tr>')
        link = f'<a href="{address}{html.escape(sheet.path)}">{html.escape(title)}</a>'
        rows.append(f"<tr><td>{link}</td><td>{number}</td></tr>")
    facts = [", ".join(told.authors), f"Version {told.version}, {told.date}", told.site]
    if quick:
        facts.insert(0, QUICK_BANNER)
    about = "".join(f"<p>{html.escape(fact)}</p>" for fact in facts if fact)
    return f"""<!DOCTYPE html><html lang="en"><meta charset="utf-8"><style>
body {{ font: 11pt/1.45 system-ui, "DejaVu Sans", sans-serif; color: #222832; margin: 0; }}
header {{ padding-top: 60mm; height: 150mm; break-after: page; }}
h1 {{ font-size: 26pt; }} h2 {{ font-size: 16pt; }}
table {{ width: 100%; border-collapse: collapse; }} tr {{ break-inside: avoid; }}
th {{ text-align: left; padding-top: 1em; break-after: avoid; }}
td:last-child {{ text-align: right; vertical-align: bottom; width: 4em; }}
a {{ color: inherit; text-decoration: none; }}
</style><header><h1>{html.escape(told.title)}</h1>{about}</header>
<h2>Contents</h2><table>{"".join(rows)}</table></html>"""


def _feet(pages: int, note: str) -> str:
    """Return as many sheets, each with its number and a note at its foot, as HTML."""
    sheets = "".join(
        f"<div><span>{html.escape(note)}</span><b>{number}</b></div>"
        for number in range(1, pages + 1)
    )
    return f"""<!DOCTYPE html><meta charset="utf-8"><style>
@page {{ size: A4; margin: 0; }} body {{ margin: 0; background: none; }}
div {{ position: relative; height: 297mm; break-after: page; overflow: hidden; }}
div:last-child {{ break-after: auto; }}
span, b {{ position: absolute; bottom: 8mm; color: #555; }}
span, b {{ font: 8.5pt system-ui, "DejaVu Sans", sans-serif; }}
span {{ left: 15mm; right: 35mm; }} b {{ right: 15mm; }}
</style>{sheets}"""


def _added(writer: PdfWriter, reader: PdfReader) -> None:
    """Add a document's pages; links to its own places, which have names there, get numbers."""
    from pypdf.generic import ArrayObject, FloatObject, NameObject, NullObject

    before, places = len(writer.pages), reader.named_destinations
    for page in reader.pages:
        writer.add_page(page)
    for page in writer.pages[before:]:
        kept = ArrayObject()
        for link in page.get("/Annots") or []:
            name = link.get_object().get("/Dest")
            if isinstance(name, str):
                place = places.get(name)
                at = None if place is None else reader.get_destination_page_number(place)
                if at is None:
                    continue  # it leads nowhere, here as on the page
                top = place.get("/Top")  # pyright: ignore[reportOptionalMemberAccess]
                link.get_object()[NameObject("/Dest")] = ArrayObject(
                    [
                        writer.pages[before + at].indirect_reference,
                        NameObject("/XYZ"),
                        FloatObject(0),
                        FloatObject(float(top)) if isinstance(top, int | float) else NullObject(),
                        NullObject(),
                    ]
                )
            kept.append(link)
        if "/Annots" in page:
            page[NameObject("/Annots")] = kept


def _lead(writer: PdfWriter, inside: Mapping[str, int], address: str, told: Edition) -> None:
    """Turn links to the served site into ones that last: to a page here, to the site, or none."""
    from pypdf.generic import ArrayObject, NameObject, TextStringObject

    for page in writer.pages:
        kept = ArrayObject()
        for link in page.get("/Annots") or []:
            each = link.get_object()
            action = (each.get("/A") or {}) if "/A" in each else {}
            uri = str(action.get("/URI", "")) if action else ""
            if uri.startswith(address):
                whole = unquote(uri)
                number = inside.get(whole.partition("#")[0].partition("?")[0])
                if number is not None:
                    del each[NameObject("/A")]
                    each[NameObject("/Dest")] = ArrayObject(
                        [writer.pages[number].indirect_reference, NameObject("/Fit")]
                    )
                elif told.site:
                    outside = told.address(uri.removeprefix(address))
                    action[NameObject("/URI")] = TextStringObject(outside)
                else:
                    continue
            kept.append(link)
        if "/Annots" in page:
            page[NameObject("/Annots")] = kept


def _bookmarks(
    writer: PdfWriter,
    chosen: Sequence[Sheet],
    made: Mapping[str, tuple[str, list[str], PdfReader]],
    starts: Mapping[str, int],
) -> None:
    """Add parts, pages and their sections as bookmarks."""
    parts: dict[str, Any] = {}
    for sheet in chosen:
        title, sections, reader = made[sheet.path]
        start = starts[sheet.path]
        if sheet.part and sheet.part not in parts:
            parts[sheet.part] = writer.add_outline_item(title=sheet.part, page_number=start)
        own = writer.add_outline_item(title=title, page_number=start, parent=parts.get(sheet.part))
        # Chromium's own outline has the sections too, with titles that a broken line garbles
        entries, next_one, page = list(_entries(reader.outline)), 0, 0
        for section in sections:
            begins = _squeezed(section)[:_UNBROKEN]
            for number, entry in enumerate(entries[next_one:], next_one):
                if _squeezed(str(entry.title)).startswith(begins):
                    page, next_one = reader.get_destination_page_number(entry) or 0, number + 1
                    break
            writer.add_outline_item(title=section, page_number=start + page, parent=own)


def _entries(outline: Sequence[Any]) -> Iterator[Any]:
    for each in outline:
        if isinstance(each, list):
            yield from _entries(each)
        elif each.title:
            yield each


def _squeezed(text: str) -> str:
    return "".join(text.split())
