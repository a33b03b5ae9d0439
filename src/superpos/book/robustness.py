"""The specification curves as a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from superpos.book.lines import one_line
from superpos.claims.curves import FOLDER, Curve
from superpos.claims.registry import Claim
from superpos.claims.specifications import FILE as GRIDS
from superpos.claims.specifications import Pool

PAGE = f"book/{FOLDER}"  # without an ending: of the source, or of the page
_INTRODUCTION = """\
# Robustness

A claim about what training finds may hold under one reasonable choice of optimiser, initial
values, density or threshold and fail under another. So claims that training decides are measured
under all combinations of such choices, {least} at least: the *specification curve*. The grids
were registered before any of it was run ({grids}); one that proved wrong is amended, and says so.
A specification holds if the share of its trials that show the claim lies above the share that the
registry asks for; intervals do not enter. Sizes and numbers of seeds are smaller than in the
chapters, and the seeds are others. `superpos robustness` computes the curves again.
"""


@dataclass(frozen=True)
class Drawn:
    """A curve's figure: its SVG, alternative text and caption; and its drivers, in Markdown."""

    svg: bytes
    alt: str
    caption: str
    drivers: str


def as_files(
    curves: Mapping[str, Curve],
    pools: Mapping[str, Pool],
    claims: Mapping[str, Claim],
    draw: Callable[[Curve], Drawn],
    *,
    least: int,
) -> dict[str, bytes]:
    """Return the page and its figures, by their paths in the site's source.

    Parameters
    ----------
    curves
        Every curve that was computed, by claim; those that are stale are named and not shown.
    pools
        The registered grids.
    claims
        The registry.
    draw
        What draws a curve.
    least
        How many specifications a claim has at least.
    """
    shown = {name: curve for name, curve in curves.items() if not curve.stale}
    files: dict[str, bytes] = {}
    grids = f'<a href="../_sources/book/{GRIDS}">the file</a>' if pools else "there is none yet"
    lines = [_INTRODUCTION.format(least=least, grids=grids), *_table(shown, claims), ""]
    for pool in pools.values():
        mine = [claim for claim in pool.claims if claim in shown]
        if not mine:
            continue
        lines += [f"## {pool.name.replace('-', ' ').capitalize()}", "", one_line(pool.why), ""]
        for text in pool.amendments:
            lines += [f"*Amended* {one_line(text)}", ""]
        for claim in mine:
            drawn = draw(shown[claim])
            files[f"{PAGE}/{claim}.svg"] = drawn.svg
            lines += [*_section(shown[claim], claims[claim], drawn), ""]
    lines += _missing(curves, pools)
    files[f"{PAGE}.md"] = "\n".join(lines).encode()
    return files


def _table(shown: Mapping[str, Curve], claims: Mapping[str, Claim]) -> list[str]:
    if not shown:
        return []
    lines = ["| Claim | | Verdict of the book |", "|---|---|---|"]
    for name, curve in shown.items():
        link = f'<a href="#curve-{name}">{name}</a>'
        lines.append(f"| {link} | {curve.in_words} | {claims[name].expected} |")
    return lines


def _section(curve: Curve, claim: Claim, drawn: Drawn) -> list[str]:
    return [
        f'<span id="curve-{claim.id}"></span>',  # a label would lose its capitals
        "",
        f"### {claim.id}",
        "",
        f"{one_line(claim.statement)} It **{curve.in_words}** specifications; most favourable to "
        f"the claim: {one_line(curve.favourable)}. "
        f'<a href="scoreboard.html#claim-{claim.id}">What counts</a>',
        "",
        f"```{{figure}} {FOLDER}/{claim.id}.svg",
        f":alt: {json.dumps(' '.join(drawn.alt.split()), ensure_ascii=False)}",
        f":name: figure-curve-{claim.id}",
        "",
        one_line(drawn.caption),
        "```",
        "",
        drawn.drivers,
    ]


def _missing(curves: Mapping[str, Curve], pools: Mapping[str, Pool]) -> list[str]:
    """Return the registered curves that are not shown, and why."""
    found = []
    for pool in pools.values():
        for claim in pool.claims:
            if claim not in curves:
                found.append(f"- {claim} ({pool.count(claim)} specifications): not computed yet")
            elif curves[claim].stale:
                found.append(f"- {claim}: does not count any more: {curves[claim].stale}")
    return ["## Registered and not shown", "", *found, ""] if found else []
