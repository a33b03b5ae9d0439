"""Specification curves made by hand: counting, sorting, drivers, files."""

from __future__ import annotations

import itertools
import json

import pytest

from superpos.claims import curves
from superpos.claims.curves import Curve, Specification
from superpos.errors import InvalidArgument


def specification(shown, of=10, share=0.5, **options):
    return Specification(options, shown, of, of > 0 and shown / of > share)


def crossed(rate) -> Curve:
    """All combinations of two factors with three and two options; ``rate`` says how many of ten."""
    found = [
        specification(rate(a, b), density=str(a), batch=str(b))
        for a, b in itertools.product((1, 2, 3), (64, 256))
    ]
    return Curve("rises", "lines", 0.5, tuple(found))


def test_a_curve_counts_where_the_claim_holds():
    curve = crossed(lambda a, b: 2 * a + (b == 256))  # 2 3 4 5 6 7: half is not above one half
    assert (curve.holds, curve.of, curve.in_words) == (2, 6, "holds in 2 of 6")


def test_it_is_sorted_by_rate_and_names_the_most_favourable():
    curve = crossed(lambda a, b: 5 - a + (b == 256))
    rates = [each.rate for each in curve.sorted]
    assert rates == sorted(rates)
    assert sorted(rates) == sorted(each.rate for each in curve.specifications)
    assert curve.favourable == "density 1; batch 256: 5 of 10"
    assert crossed(lambda a, b: 3).favourable == "density 1; batch 64: 3 of 10 (and 5 more)"


def test_what_moves_the_mean_rate_most_comes_first():
    curve = crossed(lambda a, b: a + 4 * (b == 256))
    first, second = curve.drivers
    assert (first.factor, second.factor) == ("batch", "density")
    assert first.difference == pytest.approx(0.4)
    assert first.rates == pytest.approx({"64": 0.2, "256": 0.6})
    assert second.rates == pytest.approx({"1": 0.3, "2": 0.4, "3": 0.5})
    assert crossed(lambda a, b: 4 * a // 2 - a).drivers[0].factor == "density"


def test_where_no_trial_shows_it_nothing_is_favourable():
    assert crossed(lambda a, b: 0).favourable == "none, for no trial of any shows it"


def test_where_nothing_was_counted_the_rate_is_0_and_words_say_why():
    none = Specification({"p": "1"}, 0, 0, False, why="no model fails")
    assert none.rate == 0
    assert none.in_words == "p 1: no model fails"


STORED = {
    "pool": "lines",
    "keys": {"rises": "abc"},
    "made": [{"torch": "2"}],
    "cells": [
        {
            "head": {"options": {"slope": "flat"}},
            "made": 0,
            "seconds": 2,
            "claims": {
                "rises": [
                    {"options": {"least": "0.5"}, "shown": 6, "of": 10, "holds": True, "weaker": 7,
                     "weaker_of": 10},
                    {"options": {"least": "0.8"}, "shown": 2, "of": 10, "holds": False},
                ]
            },
        }
    ],
}  # fmt: skip


def test_what_is_written_is_read_again_the_same(tmp_path):
    curves.write(tmp_path, STORED)
    assert curves.read(tmp_path, "lines") == STORED
    assert [path.name for path in (tmp_path / "robustness").iterdir()] == ["lines.json"]
    assert curves.read(tmp_path, "others")["cells"] == []


def test_one_changed_count_changes_one_line(tmp_path):
    before = curves.laid_out(STORED).splitlines()
    other = json.loads(json.dumps(STORED))
    other["cells"][0]["claims"]["rises"][0]["shown"] = 7
    after = curves.laid_out(other).splitlines()
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 1
    shuffled = dict(reversed(STORED.items()))
    assert curves.laid_out(shuffled).splitlines() == before


@pytest.mark.parametrize("text", ["{", "[]", '{"pool": "lines"}'])
def test_a_file_that_is_none_of_ours_is_refused(tmp_path, text):
    (tmp_path / "robustness").mkdir()
    (tmp_path / "robustness" / "lines.json").write_text(text)
    with pytest.raises(InvalidArgument, match=r"lines\.json is no"):
        curves.read(tmp_path, "lines")


def curve_of(stored, **kind):
    return curves.curve_of("rises", 0.5, "lines", ["slope"], stored["cells"], **kind)


def test_a_curve_has_the_options_of_its_cells_and_then_its_thresholds():
    curve = curve_of(STORED)
    assert curve.specifications[0] == Specification(
        {"slope": "flat", "least": "0.5"}, 6, 10, True, 7, 10
    )
    assert curve.in_words == "holds in 1 of 2"


@pytest.mark.parametrize("changes", [{"shown": 4}, {"shown": 11}, {"holds": False}])
def test_counts_that_contradict_themselves_are_refused(changes):
    other = json.loads(json.dumps(STORED))
    other["cells"][0]["claims"]["rises"][0].update(changes)
    with pytest.raises(InvalidArgument, match=r"lines\.json: rises, slope flat; least 0\.5"):
        curve_of(other)
    assert curve_of(other, stale="its share has changed").stale  # which does not count anyway
