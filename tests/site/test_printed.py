"""Chapters on paper, as Chromium prints them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pypdf import PdfReader

CHECKOUT = Path(__file__).parents[2]
PRINT = """
import sys
from pathlib import Path
from superpos.book.pdf import printed
root, site, output, *only = sys.argv[1:]
printed(Path(root), Path(site), Path(output), only=only, say=lambda _: None)
"""

pytestmark = pytest.mark.site

SHOWN = "(each) => each.checkVisibility({contentVisibilityAuto: true, visibilityProperty: true})"
PAPER = {"width": 680, "height": 960}  # A4 with usual margins, in CSS pixels


@pytest.mark.parametrize("chapter", ["tegum_loss", "optimization_failure", "uniform_superposition"])
def test_folds_are_open_on_paper_and_code_that_is_hidden_stays_away(reads, chapter):
    page = reads(viewport=PAPER).open(f"book/executed/{chapter}.html")
    folds = page.locator("details.sd-dropdown, .tag_hide-cell > details")
    code = page.locator(".tag_hide-input > details")
    closed = folds.evaluate_all("(all) => all.filter((each) => !each.open).length")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert folds.evaluate_all("(all) => all.every((each) => each.open)")
    assert code.count() > 0
    assert code.evaluate_all(f"(all) => all.filter({SHOWN}).length") == 0
    words = page.locator("main .superpos-card .superpos-verdict")
    assert words.evaluate_all(f"(all) => all.every({SHOWN})")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert folds.evaluate_all("(all) => all.filter((each) => !each.open).length") == closed
    assert closed or chapter == "uniform_superposition"


def test_on_paper_a_figure_stands_where_the_page_has_an_instrument(reads):
    page = reads(viewport=PAPER).open("book/executed/demonstrating_superposition.html")
    figure = page.locator("figure#demo-explorer")
    assert not figure.is_visible()
    page.emulate_media(media="print")
    assert figure.is_visible()
    assert not page.locator(".superpos-live-place").is_visible()


def test_a_chapter_as_pdf_has_all_its_figures_and_sections(reads, site, tmp_path, chromium_path):
    """In a process of its own, since this one drives a Chromium already."""
    chapter = "tegum_loss"
    page = reads(viewport=PAPER).open(f"book/executed/{chapter}.html")
    sections = page.locator("main article h2").evaluate_all(
        "(all) => all.map((e) => e.firstChild.data)"
    )
    numbers = page.locator("figcaption .caption-number").all_inner_texts()
    assert len(sections) > 5
    assert len(numbers) > 3
    output = tmp_path / "book.pdf"
    command = [sys.executable, "-c", PRINT, CHECKOUT, site, output, chapter, "journals"]
    subprocess.run(list(map(str, command)), check=True)
    reader = PdfReader(output)
    text = " ".join(" ".join(each.extract_text() for each in reader.pages).split())
    for number in numbers:
        assert number.strip() in text
    marks = [str(each.title) for each in flat(reader.outline)]
    assert set(map(str.strip, sections)) <= set(marks)


def flat(outline: list) -> list:
    return [
        inner for each in outline for inner in (flat(each) if isinstance(each, list) else [each])
    ]
