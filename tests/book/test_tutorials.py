"""Tutorials: notebooks in parts without numbers."""

from __future__ import annotations

from superpos.book.pages import as_page
from superpos.book.readable import library, unroll
from superpos.book.tutorials import tutorials

PART = """  - caption: Use it yourself
    chapters:
      - file: book/executed/alpha
      - file: book/glossary
"""


def test_those_in_parts_without_numbers_are_tutorials(book, edit):
    assert tutorials(book) == []
    edit(book / "_toc.yml", "      - file: book/executed/alpha\n", "")
    edit(book / "_toc.yml", "  - caption: Results\n", f"{PART}  - caption: Results\n")
    assert tutorials(book) == ["alpha"]


def test_their_figures_have_no_number_and_those_of_chapters_count_without_them(built_book):
    from dataclasses import replace

    import nbformat

    executed = nbformat.read(built_book / "book/executed/alpha.ipynb", as_version=4)
    known = replace(library(built_book), tutorials=frozenset({"alpha"}))
    unroll(executed, "alpha", known)
    text = "\n".join(cell.source for cell in executed.cells if cell.cell_type == "markdown")
    assert "the figure shows" in " ".join(text.split())
    assert "Fig." not in text
    beta = nbformat.read(built_book / "book/executed/beta.ipynb", as_version=4)
    beta.cells.append(nbformat.v4.new_markdown_cell("See {numref}`beta-explorer`."))
    unroll(beta, "beta", known)
    assert beta.cells[-1].source == "See Fig. 1.1."


def test_their_captions_are_text_on_the_page(built_book):
    import nbformat

    executed = nbformat.read(built_book / "book/executed/alpha.ipynb", as_version=4)

    def shown(page) -> tuple[int, list[str], int]:
        """How many figures have numbers, the captions that are text, and the alternative texts."""
        told = [cell.metadata.get("mystnb", {}) for cell in page.cells]
        outputs = [output for cell in page.cells for output in cell.get("outputs", [])]
        texts = [o.data["text/markdown"] for o in outputs if "text/markdown" in o.get("data", {})]
        return sum("figure" in each for each in told), texts, sum("image" in each for each in told)

    numbers, captions, images = shown(as_page(executed, chapter="alpha"))
    assert (numbers, captions) == (2, [])
    assert shown(as_page(executed, chapter="alpha", numbered=False)) == (
        0, ["The *line*.", "The other, $n = 2$."], images,
    )  # fmt: skip
