"""Names in code that lead to the reference."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from superpos.book import named, reference

FOUND = {
    f"{module}.{name}": f"book/reference/{module}.html#{module}.{name}"
    for module, names in reference.documented().items()
    for name in names
}
FOUND |= {room: f"book/reference/{room}.html" for room in reference.rooms()}
FOUND |= {"superpos.Trained.W": "book/reference/superpos.html#superpos.Trained.W"}
FOUND |= {f"superpos.studies.study.{name}": "book/reference/s.html" for name in ("Run.record",)}
LINK = re.compile(r'<a class="superpos-name" href="([^"]*)" title="([^"]*)">(.*?)</a>')


def block(source: str, kind: str = "ipython3") -> str:
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    made = highlight(source, PythonLexer(stripnl=False), HtmlFormatter())
    return f'<div class="highlight-{kind} notranslate">{made}</div>'


def names(*cells: str, hidden: tuple[str, ...] = (), found=FOUND) -> list[tuple[str, str]]:
    """What the cells of a page lead to: as written, and the full name. Nothing else changes."""
    page = "<p>train</p>".join(map(block, cells))
    made = named.linked(page, "book/executed/a.html", [*hidden, *cells], found)
    assert LINK.sub(r"\3", made) == page
    return [(text, name) for _, name, text in LINK.findall(made)]


def test_what_is_imported_and_what_is_used_lead_to_the_reference():
    code = "from superpos import geometry as g, train\nrun = train(x, 2)\ng.interference(W)"
    assert names(code) == [
        ("superpos", "superpos"), ("geometry", "superpos.geometry"), ("train", "superpos.train"),
        ("train", "superpos.train"), ("g", "superpos.geometry"),
        ("interference", "superpos.geometry.interference"),
    ]  # fmt: skip


def test_a_thing_has_one_place_wherever_it_is_imported_from():
    ((_, name),) = names("from superpos.training.train import train")
    assert name == "superpos.train"
    shown = names("import superpos\nsuperpos.losses.exact.exact_loss")
    assert shown[-1] == ("exact_loss", "superpos.losses.exact_loss")


def test_a_constant_is_known_by_its_name_not_by_its_value():
    found = {**FOUND, "superpos.weights.LAST": "a.html", "superpos.weights.FIRST": "b.html"}
    shown = names("from superpos import weights\nweights.LAST, weights.FIRST", found=found)
    assert [name for _, name in shown[2:]] == [
        "superpos.weights", "superpos.weights.LAST", "superpos.weights", "superpos.weights.FIRST",
    ]  # fmt: skip


def test_what_a_call_returns_is_read_from_what_it_says():
    assert names("from superpos import train\nrun = train(x, 2)\nrun.W")[-1] == (
        "W", "superpos.Trained.W",
    )  # fmt: skip


def test_cells_that_the_page_does_not_show_count():
    first = "from superpos.studies.uniform_superposition import study\nrun = study.run(globals())"
    assert names('run.record("a")', hidden=(first,)) == [
        ("record", "superpos.studies.study.Run.record")
    ]
    assert names('run.record("a")') == []


@pytest.mark.parametrize(
    "after",
    ["train = 1", "def train(): pass", "for train in x: pass", "from other import train",
     "import train", "a, train = x"],
)  # fmt: skip
def test_a_name_that_comes_to_stand_for_something_else_leads_nowhere(after):
    cells = ("from superpos import train", after, "train(x)")
    assert [text for text, _ in names(*cells)] == ["superpos", "train"]


def test_an_argument_hides_a_name_in_its_function_alone():
    code = "from superpos import train\ndef f(train):\n    return train(1)\ntrain(x)"
    assert [text for text, _ in names(code)] == ["superpos", "train", "train"]


@pytest.mark.parametrize(
    "code",
    ["%timeit train(x)", "train(", "print('train')  # train", "x.train", "superpos = 3", ""],
)
def test_what_is_no_use_of_a_name_is_left_alone(code):
    assert names(code, hidden=("from superpos import train",)) == []


def test_signs_of_more_than_a_byte_and_entities_shift_nothing():
    code = 'from superpos import train\nx = "λ→𝔼 & <b>"; train(x, "é", train)'
    assert [text for text, _ in names(code)] == ["superpos", "train", "train", "train"]


def test_links_are_relative_to_the_page_and_only_python_has_them():
    code = "from superpos import train"
    made = named.linked(block(code, "python"), "book/index.html", [], FOUND)
    assert 'href="reference/superpos.html#superpos.train"' in html.unescape(made)
    assert named.linked(block(code, "sh"), "book/index.html", [], FOUND) == block(code, "sh")
    assert named.linked(block(code), "book/index.html", [], {}) == block(code)


def test_places_are_those_of_sphinx_and_a_module_is_its_page(tmp_path: Path):
    import zlib

    lines = (
        "superpos.train py:function 1 book/reference/superpos.html#$ -\n"
        "book/reference/superpos.geometry std:doc -1 book/reference/superpos.geometry.html Geo\n"
        "book/index std:doc -1 book/index.html Index\n"
    )
    head = "# Sphinx inventory version 2\n# Project: p\n# Version: 1\n# zlib\n"
    (tmp_path / "objects.inv").write_bytes(head.encode() + zlib.compress(lines.encode()))
    assert named.places(tmp_path / "objects.inv") == {
        "superpos.train": "book/reference/superpos.html#superpos.train",
        "superpos.geometry": "book/reference/superpos.geometry.html",
    }
