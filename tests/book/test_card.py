"""The picture that shared links show."""

from __future__ import annotations

from superpos.book.card import drawn, words

FOUND = {"shown": 7, "of": 9, "as_published": None, "at_rest": None}
ROW = {
    "id": "demo-90-pentagon", "evidence": FOUND, "verdict": "reproduced", "amended_by": None,
}  # fmt: skip


def test_it_says_what_was_measured_and_counts_the_claims_that_were():
    others = [
        ROW | {"id": "a", "verdict": "untested"},
        ROW | {"id": "b", "amended_by": "c"},
        ROW | {"id": "c"},
    ]
    told = words([*others, ROW])
    assert "7 of 9 trained models" in told
    assert told[-1] == "2 claims put to the test"


def test_without_a_measurement_there_is_none():
    assert words([]) == ()
    assert words([ROW | {"evidence": None}]) == ()


def test_two_drawings_are_the_same_and_other_numbers_another():
    title = "lines: a book"
    first = drawn(words([ROW]), title)
    assert first == drawn(words([ROW]), title)
    assert first != drawn(words([ROW | {"evidence": FOUND | {"shown": 8}}]), title)
