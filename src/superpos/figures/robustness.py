"""Specification curves: the sorted rates, the options of each specification, what drives them."""

from __future__ import annotations

import functools
import math
import re

import torch

from superpos.book.robustness import Drawn
from superpos.claims.curves import Curve, Specification
from superpos.figures.axes import reference
from superpos.figures.palette import ACCENT, FAINT, INK, THIN
from superpos.figures.style import Picture, Table, applied, figure, svg
from superpos.stats import rate_interval

HELD, FAILED = INK, ACCENT  # specifications in which the claim holds, and in which it does not
_ROW, _CURVE = 0.17, 2.2  # heights in inches: of an option's row of dots, of the curve


def specification_curve(curve: Curve) -> Picture:
    """The rates of all specifications, sorted, above a dot for each option that they have."""
    chosen, drivers = curve.sorted, curve.drivers
    rows = [(driver.factor, option) for driver in drivers for option in driver.rates]
    fig, axes = figure(
        2, 1, height=_CURVE + _ROW * max(3, len(rows)), sharex=True,
        height_ratios=[_CURVE, _ROW * max(3, len(rows))],
    )  # fmt: skip
    _draw_rates(axes[0], chosen, curve.share)
    _draw_options(axes[1], chosen, rows)
    lowest, highest = chosen[0].rate, chosen[-1].rate
    of_drivers = "; ".join(driver_in_words(curve, k) for k in range(min(3, len(drivers))))
    return Picture(
        fig,
        f"The claim {curve.claim} {curve.in_words} specifications. Sorted, the rates rise from "
        f"{lowest:.0%} to {highest:.0%}; the middle one is "
        f"{chosen[len(chosen) // 2].rate:.0%}, and above {curve.share:.0%} the claim holds. "
        f"Below, dots say which options each has. What moves the mean rate most: {of_drivers}. "
        f"Most favourable: {curve.favourable}.",
        f"Specification curve of {curve.claim}. Above: the share of trials that show it, sorted, "
        "with 95 % intervals; dotted, the share above which it holds. Below: what was chosen; "
        "factors that move the mean rate most stand at the top.",
        {"in words": curve.in_words, "favourable": curve.favourable},
    )


def drawn(curve: Curve) -> Drawn:
    """A specification curve for a page, which has many: as light as it can be drawn."""
    with applied():  # once, not for each of its hundreds of marks
        picture = specification_curve(curve)
        drawing = svg(picture.figure)
    return Drawn(
        _lightened(drawing).encode(),
        picture.alt,
        picture.caption,
        drivers(curve).markdown,
    )


def _lightened(drawing: str) -> str:
    """A figure to a hundredth of a point, without comments, metadata and indentation.

    >>> _lightened('<g> <!-- 0.5 -->\\n  <use x="1.23456" transform="scale(0.015625)"/>\\n</g>')
    '<g> \\n<use x="1.23" transform="scale(0.015625)"/>\\n</g>'
    """
    bare = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", drawing, flags=re.S)
    places = r"(scale\([^)]*\)|\d\.\d\d)\d*"  # letters are drawn at a scale of a hundredth
    return re.sub(r"\n\s+", "\n", re.sub(places, r"\1", bare))


def _draw_rates(axes, chosen: tuple[Specification, ...], share: float) -> None:
    reference(axes, y=[share])
    size = 3.5 if len(chosen) <= 60 else 2
    # one line with gaps, and one for each kind of mark: many small ones would make the page heavy
    intervals = [
        (place, *_interval(each.shown, each.of)) for place, each in enumerate(chosen) if each.of
    ]
    places = [at for place, *_ in intervals for at in (place, place, math.nan)]
    ends = [at for _, low, high in intervals for at in (low, high, math.nan)]
    axes.plot(places, ends, color=FAINT, lw=THIN, zorder=1)
    for mark in "ox":
        for holds, colour in ((True, HELD), (False, FAILED)):
            some = [
                (place, each.rate)
                for place, each in enumerate(chosen)
                if each.holds is holds and (mark == "o") == bool(each.of)
            ]
            if some:
                axes.plot(*zip(*some, strict=True), mark, color=colour, ms=size, zorder=2)
    axes.set(ylim=(-0.03, 1.03), ylabel="rate", xlim=(-1, len(chosen)))
    axes.tick_params(bottom=False)


@functools.cache
def _interval(shown: int, of: int) -> tuple[float, float]:
    return rate_interval(torch.arange(of) < shown)


def _draw_options(axes, chosen: tuple[Specification, ...], rows: list[tuple[str, str]]) -> None:
    size = min(2.6, max(1.2, 150 / len(chosen)))
    before, names = "", []
    for row, (factor, option) in enumerate(rows):
        has = [k for k, each in enumerate(chosen) if each.options[factor] == option]
        for holds, colour in ((True, HELD), (False, FAILED)):
            some = [k for k in has if chosen[k].holds is holds]
            axes.plot(some, [row] * len(some), "s", color=colour, ms=size, mew=0)
        if before and factor != before:
            axes.axhline(row - 0.5, color=FAINT, lw=THIN)
        names.append(f"{factor}: {option}" if factor != before else option)
        before = factor
    axes.set_yticks(range(len(rows)), names, fontsize=7)
    axes.set(ylim=(len(rows) - 0.4, -0.6), xticks=[], xlabel="specifications, sorted by rate")
    axes.tick_params(left=False)


def driver_in_words(curve: Curve, place: int) -> str:
    """The factor in that place, from the one that moves the rate most, in words."""
    driver = curve.drivers[place]
    ordered = sorted(driver.rates, key=lambda option: driver.rates[option])
    low, high = ordered[0], ordered[-1]
    return f"{driver.factor}, {driver.rates[low]:.0%} ({low}) to {driver.rates[high]:.0%} ({high})"


def drivers(curve: Curve) -> Table:
    """The factors, with the mean rate under each option."""
    return Table(
        ["difference", "mean rate under each option"],
        {
            driver.factor: [
                f"{100 * driver.difference:.0f} points",
                ", ".join(f"{option}: {rate:.0%}" for option, rate in driver.rates.items()),
            ]
            for driver in curve.drivers
        },
        "factor",
    )
