"""The specification curves as pages: one of all in a table, and one for each chapter."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from superpos.book.lines import one_line
from superpos.claims.curves import FOLDER, Curve, address
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
_OF_A_CHAPTER = """\
# {title}: curves

The claims of <a href="../executed/{chapter}.html">the chapter</a> under all combinations of
choices that somebody could reasonably have made.
<a href="../robustness.html">What counts as holding, and the other chapters</a>
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
    titles: Mapping[str, str],
    draw: Callable[[Curve], Drawn],
    *,
    least: int,
) -> dict[str, bytes]:
    """Return the pages and their figures, by their paths in the site's source.

    Parameters
    ----------
    curves
        Every curve that was computed, by claim; those that are stale are named and not shown.
    pools
        The registered grids.
    claims
        The registry.
    titles
        Of the chapters, in reading order; one whose claims have no grid has no page.
    draw
        What draws a curve.
    least
        How many specifications a claim has at least.
    """
    grids = f'<a href="../_sources/book/{GRIDS}">the file</a>' if pools else "there is none yet"
    index = [_INTRODUCTION.format(least=least, grids=grids)]
    files: dict[str, bytes] = {}
    for chapter, title in titles.items():
        its = [pool for pool in pools.values() if pool.chapter == chapter]
        if not its:
            continue
        names = [name for pool in its for name in pool.claims]
        shown = {name: curves[name] for name in names if name in curves and not curves[name].stale}
        figures = {name: draw(curve) for name, curve in shown.items()}
        files |= {f"{PAGE}/{name}.svg": drawn.svg for name, drawn in figures.items()}
        index += [f"## {title}", "", *_table(shown, claims), ""]
        lines = [_OF_A_CHAPTER.format(chapter=chapter, title=title)]
        for pool in its:
            mine = [name for name in pool.claims if name in shown]
            lines += _introduced(pool) if mine else []
            for name in mine:
                lines += _section(shown[name], claims[name], figures[name])
        lines += _missing(curves, its)
        files[f"{PAGE}/{chapter}.md"] = "\n".join(lines).encode()
    return files | {f"{PAGE}.md": "\n".join(index).encode()}


def _table(shown: Mapping[str, Curve], claims: Mapping[str, Claim]) -> list[str]:
    if not shown:
        return ["None of its registered curves is shown."]
    lines = ["| Claim | | Verdict of the book |", "|---|---|---|"]
    for name, curve in shown.items():
        link = f'<a href="{address(name, claims[name].chapter)}">{name}</a>'
        by = [other.id for other in claims.values() if other.amends == name]
        verdict = f"superseded by {by[0]}" if by else claims[name].expected
        lines.append(f"| {link} | {curve.in_words} | {verdict} |")
    return lines


def _introduced(pool: Pool) -> list[str]:
    lines = [f"## {pool.name.replace('-', ' ').capitalize()}", "", one_line(pool.why), ""]
    for text in pool.amendments:
        lines += [f"*Amended* {one_line(text)}", ""]
    return lines


def _section(curve: Curve, claim: Claim, drawn: Drawn) -> list[str]:
    return [
        f'<span id="curve-{claim.id}"></span>',  # a label would lose its capitals
        "",
        f"### {claim.id}",
        "",
        f"{one_line(claim.statement)} It **{curve.in_words}** specifications; most favourable to "
        f"the claim: {one_line(curve.favourable)}. "
        f'<a href="../scoreboard.html#claim-{claim.id}">What counts</a>',
        "",
        f"```{{figure}} {claim.id}.svg",
        f":alt: {json.dumps(' '.join(drawn.alt.split()), ensure_ascii=False)}",
        f":name: figure-curve-{claim.id}",
        "",
        one_line(drawn.caption),
        "```",
        "",
        drawn.drivers,
        "",
    ]


def _missing(curves: Mapping[str, Curve], pools: Iterable[Pool]) -> list[str]:
    """Return the registered curves that are not shown, and why."""
    found = []
    for pool in pools:
        for claim in pool.claims:
            if claim not in curves:
                found.append(f"- {claim} ({pool.count(claim)} specifications): not computed yet")
            elif curves[claim].stale:
                found.append(f"- {claim}: does not count any more: {curves[claim].stale}")
    return ["## Registered and not shown", "", *found, ""] if found else []
