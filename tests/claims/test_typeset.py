from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from superpos.claims.registry import load_registry
from superpos.claims.typeset import typeset

CLAIMS = load_registry(Path(__file__).parents[2] / "book" / "claims.yml").values()
TEXTS = [text for each in CLAIMS for text in (each.statement, each.setting, each.counts)]


def slanted(text: str) -> list[str]:
    return re.findall("<var>(.*?)</var>", typeset(text))


@pytest.mark.parametrize(
    ("written", "as_html"),
    [
        ("D_i", "<var>D</var><sub><var>i</var></sub>"),
        ("1/p", "1/<var>p</var>"),
        ("‖W‖_F²", "‖<var>W</var>‖<sub><var>F</var></sub>²"),
        ("Σ_{j≠i}", "Σ<sub><var>j</var>≠<var>i</var></sub>"),
        ("Σ_j≠i", "Σ<sub><var>j</var>≠<var>i</var></sub>"),
        ("W2_ik", "<var>W</var><sub>2,<var>ik</var></sub>"),
        ("x_{2c+1}", "<var>x</var><sub>2<var>c</var>+1</sub>"),
        ("(1 − p)^(n−k)", "(1 − <var>p</var>)<sup><var>n</var>−<var>k</var></sup>"),
        ("0.9^i, 2^bits", "0.9<sup><var>i</var></sup>, 2<sup>bits</sup>"),
        ("i^-0.5", "<var>i</var><sup>-0.5</sup>"),
        ("WᵀW", "<var>W</var>ᵀ<var>W</var>"),
        ("x'_j", "<var>x</var>'<sub><var>j</var></sub>"),
        ("within 1e-6, 3e-9", "within 10<sup>−6</sup>, 3 · 10<sup>−9</sup>"),
    ],
)
def test_formulas_are_set(written, as_html):
    assert typeset(written) == as_html


@pytest.mark.parametrize(
    "text",
    ["A model has a bias.", "(a) one, (b) another", "the model's, the model’s", "find_bundles",
     "e.g. so, i.e. so", "uniform-n-irrelevant", "L1 and E[", "ReLU, AND, ln, exp"],
)  # fmt: skip
def test_words_stay_as_they_are(text):
    assert typeset(text) == text


def test_a_letter_that_is_a_word_elsewhere_is_set_where_it_is_a_matrix():
    assert slanted("A matrix: P = AAᵀ is unique if A is reduced") == ["P", "AA", "A"]


def test_text_is_escaped():
    assert typeset("<b> & D < 1") == "&lt;<var>b</var>&gt; &amp; <var>D</var> &lt; 1"


def test_nothing_of_the_registry_is_lost_or_left_raw():
    for text in TEXTS:
        read = html.unescape(re.sub("<[^>]+>", "", typeset(text)))
        assert not re.search(r"(?<![a-z]{2})[_^](?![a-z]{3})", read)
        if not re.search(r"\de-\d|[A-Z]\d_", text):  # powers of ten and layers are rewritten
            assert re.findall(r"[^\W_]", read) == re.findall(r"[^\W_]", text)
