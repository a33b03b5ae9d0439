"""The field's words: what they mean, and where the pages lead to them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from superpos.book import glossary
from superpos.book.chapters import load_chapters, read_notebook
from superpos.book.failures import NotPublishable
from superpos.book.glossary import Term, as_markdown, linked, terms
from superpos.claims.registry import load_registry

ROOT = Path(__file__).parent.parent.parent
WORDS = terms(ROOT)
LINE = Term("line", "The shortest way. It is straight.", "alpha", also=("straight line", "row"))
OTHER = Term("Ruler's edge", "What lines are drawn with.", "alpha")
LINK = re.compile(
    r'<a class="superpos-term" href="[^"]*#term-([^"]*)" title="[^"]*">(.*?)</a>', re.S
)


def article(body: str) -> str:
    return f'<p>line</p><article class="bd-article">{body}</article><p>line</p>'


def found(body: str, *words: Term) -> list[tuple[str, str]]:
    """The words that a page's text leads to the glossary from; the rest of it stays as it is."""
    page = article(body)
    made = linked(page, "book/executed/a.html", words or (LINE, OTHER))
    assert LINK.sub(r"\2", made) == page
    return LINK.findall(made)


def test_the_first_use_of_each_word_is_linked_and_no_other():
    assert found("<p>No.</p><p>A line, a line.</p><p>Lines; a Ruler’s edge, a line.</p>") == [
        ("line", "line"), ("Ruler-s-edge", "Ruler’s edge"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "<h2>A line</h2>", "<p><code>line</code></p>", '<p><a href="#">a line</a></p>',
        '<p><span class="math">line</span></p>', "<figure><p>A line.</p></figure>",
        '<div class="cell docutils"><p>A line.</p></div>', "<table><tr><td><p>line</p></table>",
        "<details><summary><p>A line</p></summary></details>", '<p><img alt="a line"></p>',
        "<p>outline, linear, on-line, line-up</p>", "<pre>line</pre>", "<script>line</script>",
    ],
)  # fmt: skip
def test_what_is_no_prose_is_left_alone(text):
    assert found(text) == []
    assert found(f"{text}<p>A line.</p>") == [("line", "line")]


@pytest.mark.parametrize("text", ["Straight\nlines", "ROWS", "a <em>line</em>", "&amp;\nline"])
def test_it_may_be_plural_and_go_on_in_the_next_line(text):
    assert len(found(f"<p>{text}</p>")) == 1


def test_the_longest_word_wins():
    longer = Term("line of sight", "What one sees.", "alpha")
    assert found("<p>A line of sight.</p>", LINE, longer)[0][0] == "line-of-sight"


def test_a_fold_counts_only_where_there_is_no_other_use():
    folded = "<details><summary>More</summary><p>A line, a ruler's edge.</p></details>"
    assert found(f"{folded}<p>Two lines.</p>") == [
        ("Ruler-s-edge", "ruler's edge"), ("line", "lines"),
    ]  # fmt: skip


def test_the_list_of_claims_is_read_before_the_text():
    claims = (
        '<div class="cell"><ul class="superpos-claims"><li><span>A line.</span></li></ul></div>'
    )
    assert found(f"{claims}<p>Two lines.</p>") == [("line", "line")]


def test_pointing_at_a_word_shows_its_first_sentence():
    assert 'title="The shortest way."' in linked(article("<p>line</p>"), "a/b.html", [LINE])
    assert 'href="../book/glossary.html#term-line"' in linked(
        article("<p>line</p>"), "a/b.html", [LINE]
    )


def test_a_book_without_a_glossary_has_no_links(tmp_path):
    assert terms(tmp_path) == []
    assert linked(article("<p>line</p>"), "a.html", []) == article("<p>line</p>")


def test_a_word_of_no_chapter_is_refused():
    with pytest.raises(NotPublishable, match="line is shown by 'alpha', which is no chapter"):
        as_markdown([LINE], {"beta": "The second"})


def test_every_link_of_a_built_page_leads_to_its_word(built_book):
    html = built_book / "_build" / "html" / "book"
    page = (html / "executed" / "alpha.html").read_text("utf-8")
    assert LINK.findall(page) == [("line", "line")]
    assert "How many points does a <a" in page
    assert 'title="The shortest way between points, W &amp; more."' in page
    assert 'id="term-line"' in (html / "glossary.html").read_text("utf-8")
    assert not LINK.search((html / "executed" / "beta.html").read_text("utf-8"))


@pytest.fixture(scope="module")
def read() -> dict[str, str]:
    """What a reader reads of each chapter: prose, headings and claims."""
    claims = load_registry(ROOT / "book" / "claims.yml").values()
    told = {}
    for chapter in load_chapters(ROOT):
        cells = read_notebook(chapter.source).cells
        prose = [cell.source for cell in cells if cell.cell_type == "markdown"]
        own = [claim.statement for claim in claims if claim.chapter == chapter.name]
        told[chapter.name] = re.sub(r"`[^`]*`|\$[^$]*\$", " ", "\n".join([*prose, *own]))
    return told


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.term)
def test_each_word_of_the_book_is_used_by_the_chapter_that_shows_it(word, read):
    pattern = glossary._pattern({name.casefold(): word for name in (word.term, *word.also)})
    assert pattern.search(read[word.chapter])


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.term)
def test_each_is_explained_in_few_sentences_the_first_of_them_without_a_formula(word):
    assert 1 <= len(re.findall(r"[.?](?=\s|$)", word.means)) <= 3
    assert not re.search(r"[\\${}^_]", word.short)
    assert len(word.short) <= 160


def test_no_two_words_of_the_book_are_the_same():
    names = [name.casefold() for word in WORDS for name in (word.term, *word.also)]
    assert len(names) == len(set(names))
    assert len({word.anchor for word in WORDS}) == len(WORDS) > 40
