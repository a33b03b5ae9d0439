"""A notebook's text, written for readers that know no MyST."""

from __future__ import annotations

from dataclasses import replace

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from superpos.book.citation import Edition
from superpos.book.readable import Library, library, unroll

HERE = Library(
    {"alpha": "The first", "beta": "The second"},
    {"a2022": "Ruler et al. 2022, On Lines", "b2023": "Notes on Lines (2023)"},
    {"a2022": "https://lines.org/a"},
    Edition("lines", (), "1", 2031),
)
THERE = replace(HERE, edition=replace(HERE.edition, site="https://host.org/book/"))


def written(text: str, known: Library = HERE, chapter: str = "beta", outputs=()) -> str:
    cells = [new_markdown_cell(text), new_code_cell("1", outputs=list(outputs))]
    notebook = new_notebook(cells=cells)
    unroll(notebook, chapter, known)
    return notebook.cells[0].source


def figure(name: str, **told) -> list:
    caption = {"text/markdown": "A *line*."}
    return [
        new_output("display_data", {"image/svg+xml": "<svg/>"},
                   metadata={"superpos": {"name": name, **told}}),
        new_output("display_data", caption, metadata={"superpos": {"caption_of": name}}),
    ]  # fmt: skip


def test_citations_become_words_that_lead_to_the_source():
    assert written("See {cite}`a2022,b2023`.") == (
        "See ([Ruler et al. 2022](https://lines.org/a); Notes on Lines (2023))."
    )


def test_the_list_has_what_is_cited_and_nothing_else():
    text = "{cite}`b2023`\n\n```{bibliography}\n:filter: docname in docnames\n```\n"
    assert written(text) == "(Notes on Lines (2023))\n\n- Notes on Lines (2023).\n"


def test_equations_have_the_numbers_by_which_the_text_calls_them():
    text = "$$\nx\n$$\n\nBy {eq}`eq-b`:\n\n$$\ny\n$$ (eq-a)\n\n$$ z $$ (eq-b)"
    assert written(text) == (
        "$$\nx\n$$\n\nBy (2.2):\n\n$$\ny\n\\tag{2.1}\n$$\n\n$$ z \\tag{2.2}\n$$"
    )


def test_figures_have_the_numbers_by_which_the_text_calls_them():
    outputs = figure("plain") + figure("one", caption="A.") + figure("two", caption="B.")
    assert written("{numref}`two`, {numref}`one`", outputs=outputs) == "Fig. 2.2, Fig. 2.1"
    told = [o["data"]["text/markdown"] for o in outputs if "text/markdown" in o["data"]]
    assert told == ["A *line*.", "**Fig. 2.1** A *line*.", "**Fig. 2.2** A *line*."]


def test_folds_open_and_close_anywhere():
    text = (
        "::::{dropdown} A & B\n:open:\n```\n:::\n```\n:::{admonition} C\n:class: note\n\nIn.\n:::\n"
        "::::\nOut."
    )
    lines = [line for line in written(text).split("\n") if line]
    assert lines == [
        "<details>", "<summary>A &amp; B</summary>", "```", ":::", "```",
        "<details>", "<summary>C</summary>", "In.", "</details>", "</details>", "Out.",
    ]  # fmt: skip
    assert "</summary>\n\n```" in written(text)  # Markdown goes on after an empty line
    assert "</details>\n\nOut." in written(text)


@pytest.mark.parametrize(
    ("link", "words", "address"),
    [
        ("{doc}`alpha`", "The first", "book/executed/alpha.html"),
        ("[all](../scoreboard.html#x)", "all", "book/scoreboard.html#x"),
    ],
)
def test_links_lead_to_the_site_or_are_words(link, words, address):
    assert written(link) == words
    assert written(link, THERE) == f"[{words}](https://host.org/book/{address})"


def test_links_of_outputs_lead_there_too_and_others_stay():
    made = (
        '<a class="b" href="../../claims/x.html">x</a> <a href="#y">y</a> <a href="https://z">z</a>'
    )
    for known, expected in (
        (HERE, 'x <a href="#y">y</a> <a href="https://z">z</a>'),
        (THERE, made.replace("../../", "https://host.org/book/")),
    ):
        output = new_output("display_data", {"text/html": made})
        written("", known, outputs=[output])
        assert output["data"]["text/html"] == expected


def test_what_is_markdown_already_stays():
    text = "A [link](https://a.org/b.html), $[0, 1](x)$, `code`, {math}`n`.\n\n- one: two\n"
    assert written(text) == text.replace("{math}`n`", "$n$")


def test_the_library_of_a_book_has_its_chapters_and_sources(book):
    known = library(book)
    assert list(known.titles) == ["alpha", "beta"]
    assert set(known.sources) == {"elhage2022toy"}
    assert known.addresses == {}
