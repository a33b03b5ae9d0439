"""The figure of a specification curve, and its table of drivers."""

from __future__ import annotations

import itertools
import math
import re

from superpos.claims.curves import Curve, Specification
from superpos.figures import robustness as draw
from superpos.figures.palette import ACCENT, INK


def curve() -> Curve:
    """24 specifications, of which those with a density of 0.1 hold; one has nothing to count."""
    found = []
    for p, rate, batch in itertools.product(
        ("0.01", "0.1"), ("1", "2", "3"), ("8", "16", "32", "64")
    ):
        shown = (14 if p == "0.1" else 4) + int(rate)
        found.append(Specification({"p": p, "rate": rate, "batch": batch}, shown, 20, shown > 10))
    found[0] = Specification(found[0].options, 0, 0, False, why="nothing fails")
    return Curve("a-claim", "a-pool", 0.5, tuple(found))


def test_the_upper_axes_have_every_rate_sorted_and_an_interval_each():
    rates, _ = draw.specification_curve(curve()).figure.axes
    marked = [line for line in rates.lines if line.get_marker() in ("o", "x")]
    dots = sorted(
        (place, height, line.get_marker(), line.get_color())
        for line in marked
        for place, height in zip(*line.get_data(), strict=True)
    )
    heights = [height for _, height, *_ in dots]
    assert [place for place, *_ in dots] == list(range(24))
    assert heights == sorted(heights)
    assert [mark for *_, mark, _ in dots].count("x") == 1
    assert sum(colour == INK for *_, colour in dots) == 12
    assert sum(colour == ACCENT for *_, colour in dots) == 12
    (bars,) = [line for line in rates.lines if len(line.get_xdata()) > 2 and line not in marked]
    x, low, high = bars.get_xdata()[::3], bars.get_ydata()[::3], bars.get_ydata()[1::3]
    assert len(x) == 23  # one has nothing to count
    by_place = {place: height for place, height, *_ in dots}
    assert all(a < by_place[k] < b for k, a, b in zip(x, low, high, strict=True))
    assert all(math.isnan(gap) for gap in bars.get_ydata()[2::3])


def test_the_lower_axes_have_a_dot_for_every_option_of_every_specification():
    shown = curve()
    _, options = draw.specification_curve(shown).figure.axes
    squares = [line for line in options.lines if line.get_marker() == "s"]
    assert sum(len(line.get_xdata()) for line in squares) == 24 * 3
    names = [label.get_text() for label in options.get_yticklabels()]
    assert names[:2] == ["p: 0.01", "0.1"]  # what moves the rate most stands at the top
    for line in squares:
        chosen = [shown.sorted[int(k)] for k in line.get_xdata()]
        assert all(each.holds is (line.get_color() == INK) for each in chosen)
    of_sparse = [line for line in squares if line.get_ydata()[:1].tolist() == [0]]
    assert {int(k) for line in of_sparse for k in line.get_xdata()} == {
        k for k, each in enumerate(shown.sorted) if each.options["p"] == "0.01"
    }


def test_the_alternative_text_has_the_result_in_numbers():
    picture = draw.specification_curve(curve())
    assert "a-claim holds in 12 of 24 specifications" in picture.alt
    assert "from 0% to 85%" in picture.alt
    assert re.search(r"mean rate most: p, \d+% \(0.01\) to 80% \(0.1\)", picture.alt)
    assert "Most favourable: p 0.1; rate 3; batch 8: 17 of 20 (and 3 more)" in picture.alt
    assert "95 % intervals" in picture.caption


def test_the_table_has_a_row_for_each_factor_the_strongest_first():
    lines = draw.drivers(curve()).markdown.splitlines()
    assert lines[0] == "| factor | difference | mean rate under each option |"
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["p", "rate", "batch"]
    assert "0.1: 80%" in lines[2]


def test_what_a_page_takes_is_the_same_at_every_drawing():
    first, again = draw.drawn(curve()), draw.drawn(curve())
    assert first == again
    assert first.svg.startswith(b"<?xml")
