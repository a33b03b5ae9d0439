"""The rule of verdicts, in every case there is."""

from __future__ import annotations

from itertools import combinations, product

import pytest

from superpos.claims.rule import FAILS, HOLDS, SOMETIMES, standing, verdict

LEVELS = (HOLDS, SOMETIMES, FAILS)
CURVES = ("most", "few", None)
OPEN = [frozenset(some) for size in (1, 2, 3) for some in combinations(LEVELS, size)]

# as published, at rest, curve, weaker reading → verdict; the first row that fits
TABLE = [
    ("holds", "holds|none", "most|none", "*", "reproduced"),
    ("holds", "holds|none", "few", "*", "qualified"),
    ("holds|sometimes", "*", "*", "*", "qualified"),
    ("*", "holds|sometimes", "*", "*", "qualified"),
    ("fails", "fails|none", "most", "*", "qualified"),
    ("fails", "fails|none", "few|none", "holds", "qualified"),
    ("fails", "fails|none", "few|none", "sometimes|fails|none", "contradicted"),
]


def by_table(*case: str | None) -> str:
    told = ["none" if value is None else value for value in case]
    for *row, found in TABLE:
        pairs = zip(row, told, strict=True)
        if all(cell == "*" or value in cell.split("|") for cell, value in pairs):
            return found
    raise AssertionError(case)


def one(level: str) -> frozenset[str]:
    return frozenset({level})


@pytest.mark.parametrize("published", LEVELS)
def test_the_table_in_every_case(published):
    for rest, curve, weaker in product((*LEVELS, None), CURVES, (*LEVELS, None)):
        measured = [one(published), *([one(rest)] if rest else [])]
        of_weaker = [one(weaker)] if weaker else []
        expected = by_table(published, rest, curve, weaker)
        case = published, rest, curve, weaker
        assert verdict(measured, of_weaker, curve=curve) == expected, case
        missing = verdict(measured, of_weaker, curve=curve, missing=True)
        assert missing == ("untested" if expected == "contradicted" else expected), case


def test_which_came_first_does_not_matter():
    for both in product(OPEN, OPEN):
        for weaker, curve in product((*OPEN, None), CURVES):
            of_weaker = [weaker] if weaker else []
            found = verdict(both, of_weaker, curve=curve)
            assert found == verdict(both[::-1], of_weaker, curve=curve)


def test_a_weaker_reading_need_hold_in_one_of_the_measurements_only():
    fails = [one(FAILS), one(FAILS)]
    for curve, *weaker in product(("few", None), OPEN, OPEN):
        closed = {"qualified" if HOLDS in found else "contradicted" for found in product(*weaker)}
        expected = closed.pop() if len(closed) == 1 else "untested"
        assert verdict(fails, weaker, curve=curve) == expected


def test_what_is_open_is_untested_unless_it_does_not_matter():
    for published, rest, weaker in product(OPEN, OPEN, OPEN):
        for curve in CURVES:
            closed = {by_table(a, b, curve, c) for a, b, c in product(published, rest, weaker)}
            found = verdict([published, rest], [weaker], curve=curve)
            assert found == (closed.pop() if len(closed) == 1 else "untested")


MARKS = {"share": 0.5, "lower": 0.3}


@pytest.mark.parametrize(
    ("low", "high", "open_"),
    [
        (0.6, 0.9, {HOLDS}),
        (0.5, 0.9, {HOLDS, SOMETIMES}),  # at the mark is not above it
        (0.4, 0.6, {HOLDS, SOMETIMES}),
        (0.3, 0.5, {SOMETIMES}),
        (0.29, 0.5, {SOMETIMES, FAILS}),
        (0.1, 0.3, {SOMETIMES, FAILS}),
        (0.1, 0.29, {FAILS}),
        (0.0, 1.0, {HOLDS, SOMETIMES, FAILS}),
    ],
)
def test_where_a_rate_stands(low, high, open_):
    assert standing(low, high, **MARKS) == open_


@pytest.mark.parametrize(
    ("rate", "found"),
    [(1.0, HOLDS), (0.51, HOLDS), (0.5, SOMETIMES), (0.3, SOMETIMES), (0.29, FAILS)],
)
def test_a_rate_that_is_known_stands_in_one_place(rate, found):
    assert standing(rate, rate, **MARKS) == {found}


def test_with_one_mark_nothing_is_in_between_but_the_mark():
    marks = {"share": 0.5, "lower": 0.5}
    assert [standing(rate, rate, **marks) for rate in (0.6, 0.5, 0.4)] == [
        {HOLDS}, {SOMETIMES}, {FAILS},
    ]  # fmt: skip


def test_a_wider_interval_leaves_no_less_open():
    ends = [index / 20 for index in range(21)]
    for low, high in combinations(ends, 2):
        inner = standing(low + 0.01, high - 0.01, **MARKS)
        assert inner
        assert inner <= standing(low, high, **MARKS)
