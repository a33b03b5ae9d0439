"""The book as one PDF: all of it, in order, with links and bookmarks that lead somewhere."""

from __future__ import annotations

import re
import shutil
import unicodedata
from pathlib import Path

import pytest
from pypdf import PdfReader

from superpos.book.failures import NotPublishable
from superpos.book.pdf import printed, sheets
from superpos.cli import main
from superpos.errors import InvalidArgument

ORDER = ["index", "alpha", "beta", "scoreboard", "robustness", "audit", "corrections", "glossary"]


def silent(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def pdf(built_book, chromium_path, tmp_path_factory) -> PdfReader:
    """The tiny book's first chapter and its neighbours, printed."""
    output = tmp_path_factory.mktemp("pdf") / "lines.pdf"
    only = ["index", "alpha", "scoreboard"]
    number = printed(built_book, built_book / "_build" / "html", output, only=only, say=silent)
    reader = PdfReader(output)
    assert len(reader.pages) == number
    return reader


def text(reader: PdfReader) -> list[str]:
    """The text of each page, its ligatures as letters."""
    found = [page.extract_text() for page in reader.pages]
    return [" ".join(unicodedata.normalize("NFKC", each).split()) for each in found]


def titles(outline: list) -> list:
    return [titles(each) if isinstance(each, list) else each.title for each in outline]


def test_every_page_of_the_contents_is_printed_but_the_references(built_book):
    assert [Path(each.path).stem for each in sheets(built_book)] == ORDER
    own = [each.path for each in sheets(Path(__file__).parents[2])]
    assert "book/executed/landscape.html" in own
    assert not [path for path in own if "reference" in path]


def test_it_begins_with_title_and_contents_whose_numbers_are_right(pdf):
    told = text(pdf)
    assert told[0].startswith("lines: a book & more The authors of lines, Ann Ruler Version 1.2.3")
    (contents,) = [page for page in told if page.startswith("Contents")]
    front = told.index(contents) + 1
    for title in ("A tiny book", "The first chapter", "Scoreboard"):
        number = int(re.search(rf"{title} (\d+)", contents)[1])
        assert title in told[front + number - 1]
        assert told[front + number - 1].endswith(f"lines: a book & more {number}")


def test_what_its_pages_draw_is_compressed(pdf):
    drawn = [page["/Contents"].get_object() for page in pdf.pages]
    assert all(each["/Filter"] == "/FlateDecode" for each in drawn)


def test_parts_pages_and_sections_are_bookmarks(pdf):
    found = titles(pdf.outline)
    assert found[0] == "A tiny book"
    assert found[found.index("Lines") + 1] == ["1. The first chapter"]


def test_links_lead_to_pages_of_it_and_none_to_the_machine_that_printed(pdf):
    inside, outside = 0, []
    for page in pdf.pages:
        for link in page.get("/Annots") or []:
            each = link.get_object()
            if "/Dest" in each:
                assert each["/Dest"][0].get_object()["/Type"] == "/Page"
                inside += 1
            elif "/A" in each:
                outside.append(str(each["/A"]["/URI"]))
    assert inside > 3
    assert not [uri for uri in outside if "127.0.0.1" in uri]
    assert outside


def test_where_the_sites_address_is_known_what_is_left_out_leads_there(
    copied_book, chromium_path, edit
):
    edit(copied_book / "_config.yml", "html:\n", 'html:\n  baseurl: "https://lines.org/"\n')
    output = copied_book / "one.pdf"
    printed(copied_book, copied_book / "_build" / "html", output, only=["alpha"], say=silent)
    found = [
        str(link.get_object()["/A"]["/URI"])
        for page in PdfReader(output).pages
        for link in page.get("/Annots") or []
        if "/A" in link.get_object()
    ]
    assert "https://lines.org/claims/alpha-rises.html" in found


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ('<svg width="900" height="90"></svg>', "svg is 900 × 90 pixels large"),
        ('<figure style="height: 1100px" id="tall"></figure>', "tall is"),
        (
            '<div class="math" style="width: 600px"><span class="eqno" style="float: right">(1)'
            '</span><mjx-container display="true"><mjx-math style="display: inline-block; '
            'width: 595px">x</mjx-math></mjx-container></div>',
            "a formula is 595 pixels wide",
        ),
    ],
)
def test_what_would_be_cut_is_not_printed(copied_book, chromium_path, edit, what, told):
    site = copied_book / "_build" / "html"
    edit(site / "book" / "executed" / "alpha.html", "</article>", f"{what}</article>")
    with pytest.raises(NotPublishable, match=told):
        printed(copied_book, site, copied_book / "one.pdf", only=["alpha"], say=silent)
    assert not (copied_book / "one.pdf").exists()


def test_what_is_not_there_is_told(copied_book, chromium_path, capsys):
    site = copied_book / "_build" / "html"
    with pytest.raises(InvalidArgument, match="no page gamma: one of index, alpha"):
        printed(copied_book, site, copied_book / "one.pdf", only=["gamma"])
    shutil.rmtree(site)
    assert main(["pdf"]) == 2
    assert "build the book first" in capsys.readouterr().err
