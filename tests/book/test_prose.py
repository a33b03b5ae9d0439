"""What a page of prose takes from the chapters."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from superpos.book import filling, prose
from superpos.book.failures import NotPublishable

ROOT = Path(__file__).parents[2]


def drawn(name: str = "line-picture", **data):
    told = {"name": name, "alt": 'A line,\n"rising".', "numbers": {"slope": "0.5"}}
    return new_output(
        "display_data", data or {"image/svg+xml": "<svg/>"}, metadata={"superpos": told}
    )


def notebook(*outputs):
    return new_notebook(cells=[new_code_cell("draw()", outputs=list(outputs))])


def row(name: str, verdict: str = "reproduced", **changed):
    return {
        **{"id": name, "chapter": "alpha", "verdict": verdict, "held": None, "amended_by": None},
        **{"statement": f"The {name}\nis < 2.", "evidence": {"told": "9 of 9"}},
        **{"page": "book/executed/alpha.html"},
        **changed,
    }


def placed(text: str, *outputs, ledger=()):
    titles = {"alpha": "The first", "beta": "The second"}
    return prose.placed("book/page.md", text, {"alpha": notebook(*outputs)}, ledger, titles)


def test_a_figure_of_a_chapter_is_a_file_beside_the_page_and_leads_to_the_chapter():
    files = placed("Before.\n\n<!-- figure line-picture -->\n\nAfter.", drawn())
    assert files["book/_drawn/line-picture.svg"] == b"<svg/>"
    page = files["book/page.md"].decode()
    assert "```{image} _drawn/line-picture.svg\n" in page
    assert ":target: executed/alpha.html#line-picture\n" in page
    assert "rising" in page
    assert page.startswith("Before.")
    assert page.endswith("After.")


def test_an_image_of_pixels_is_one_again():
    files = placed("<!-- figure line-picture -->", drawn(**{"image/png": "cGl4ZWxz\n"}))
    assert files["book/_drawn/line-picture.png"] == b"pixels"


def test_a_number_is_the_one_that_a_chapter_measured():
    files = placed("It rises by {told}`line-picture:\nslope`.", drawn())
    assert files == {"book/page.md": b"It rises by 0.5."}


def test_a_page_that_marks_nothing_stays_as_it_is():
    assert placed("# A page\n", drawn()) == {"book/page.md": b"# A page\n"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<!-- figure other -->", "the figure 'other', which no chapter has"),
        ("{told}`line-picture: other`", "'line-picture: other', which no chapter has measured"),
    ],
)
def test_what_no_chapter_has_is_refused(text, told):
    with pytest.raises(NotPublishable, match=rf"book/page\.md asks for {told}"):
        placed(text, drawn())


def test_each_claim_in_force_is_a_dot_that_leads_to_its_experiment():
    ledger = [
        row("one"),
        row("two", amended_by="two-2"),
        row("two-2", "new", held="fails"),
        row("three", "untested", evidence=None),
        row("four", chapter="beta", page=None),
    ]
    page = placed("<!-- claims -->", ledger=ledger)["book/page.md"].decode()
    rows = page[page.index("superpos-dots-rows") :]
    links = re.findall(r'<li><a href="([^"]+)"><i class="superpos-dot ([\w-]+)"', rows)
    assert links == [
        ("executed/alpha.html#claim-one", "superpos-dot-reproduced"),
        ("executed/alpha.html#claim-two-2", "superpos-dot-new-failed"),
        ("../claims/three.html", "superpos-dot-untested"),
        ("../claims/four.html", "superpos-dot-reproduced"),
    ]
    assert "<b>new: failed</b>: The two-2 is &lt; 2.</span>" in rows
    assert page.index("The first") < page.index("The second")
    legend = page[: page.index("superpos-dots-rows")]
    assert re.findall(r"<b>(\d+)</b> ([\w: ]+)<", legend) == [
        *(("2", "reproduced"), ("1", "new: failed"), ("1", "untested"))
    ]


def test_the_books_pages_ask_for_figures_that_its_chapters_show():
    chapters = "\n".join(path.read_text("utf-8") for path in (ROOT / "notebooks").glob("*.md"))
    shown = set(re.findall(r'run\.show\([\w.]+, "([\w-]+)"\)', chapters))
    recorded = set(re.findall(r'"([\w-]+)"', " ".join(re.findall(r"run\.record\(.*?\)", chapters))))
    asked = 0
    for path in (ROOT / "book").glob("*.md"):
        text = path.read_text("utf-8")
        assert set(re.findall(r"<!-- figure ([\w-]+) -->", text)) <= shown
        told = {found[1].partition(":")[0] for found in filling.PLACE.finditer(text)}
        assert told <= shown | recorded
        asked += len(told)
    assert asked
