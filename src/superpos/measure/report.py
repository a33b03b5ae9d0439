"""What a measurement says: as text of 80 columns, as JSON, and as one page."""

from __future__ import annotations

import html
import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from superpos.measure.dictionary import (
    FALSE_POSITIVES,
    LONG,
    QUANTILES,
    SHORTEST,
    Compared,
    Interval,
    Measurement,
)
from superpos.measure.nulls import CODE, RANDOM, SPECTRUM
from superpos.measure.statistics import OF_SPECTRUM, STATISTICS

_WIDTH = 80
# what it would mean to be outside of what chance gives
_MEANING = {
    ("dimensionality", "above"): "lengths and directions are fitted to each other",
    ("dimensionality", "below"): "features share dimensions more than they need to",
    ("dimensionality_spread", "above"): "some features have far more room than others",
    ("dimensionality_spread", "below"): "all features have the same room, as in a tight frame",
    ("rms_cosine", "above"): "features crowd into some directions",
    ("rms_cosine", "below"): "features are spread evenly over the space",
    ("worst_cosine", "above"): "two features lie on one line, or nearly",
    ("worst_cosine", "below"): "features keep a distance from each other",
    ("mean_cosine", "above"): "features have a direction in common",
    ("mean_cosine", "below"): "features cancel: they sum to nearly zero",
    ("nearest", "above"): "features come in clusters or twice",
    ("nearest", "below"): "features avoid those that point the same way",
    ("antipode", "above"): "features avoid opposites",
    ("antipode", "below"): "features have opposites, as in antipodal pairs",
    ("joined", "above"): "pairs lie closer to one line than any random pair does",
    ("effective_rank", "above"): "the dimensions are used more evenly",
    ("effective_rank", "below"): "the features lie mostly in fewer dimensions",
    ("participation_ratio", "above"): "the dimensions are used more evenly",
    ("participation_ratio", "below"): "a few dimensions hold most of the lengths",
}


def as_json(found: Measurement, *, source: str, read: Sequence[str]) -> dict[str, Any]:
    """Return a measurement for programs: numbers, texts, lists; NaN is None."""
    return {
        "source": source,
        "read": list(read),
        "features": found.n,
        "dimensions": found.m,
        "features_without_direction": found.without,
        "shortest": found.shortest,
        "dimensions_per_feature": found.dimensions_per_feature,
        "dimensionality": _by_quantile(found.dimensionality),
        "lengths": _by_quantile(found.lengths),
        "false_positive_rate": FALSE_POSITIVES,
        "replicates": found.replicates,
        "intervals": "range of replicates" if found.ranked else "Student's t, Bonferroni",
        "statistics": {
            each.name: {
                "value": _or_none(each.value),
                "verdict": each.verdict,
                "standard_error": found.errors.get(each.name),
                "nulls": {
                    null: [_or_none(one.low), _or_none(one.middle), _or_none(one.high)]
                    for null, one in each.nulls.items()
                },
            }
            for each in found.statistics
        },
        "sampled_features": found.sampled,
        "welch_bound": _or_none(found.welch),
        "close_from": found.joined_at,
        "parts": None if found.parts is None else list(found.parts),
        "bundles": None
        if found.bundles is None
        else [[*kind, count] for kind, count in found.bundles.items()],
        "closest_pair": list(found.pairs[0]) if found.pairs else None,
        "most_opposed_pair": list(found.pairs[1]) if found.pairs else None,
        "loss": None if found.loss is None else list(found.loss),
    }


def as_text(found: Measurement, *, source: str, read: Sequence[str]) -> str:
    """Return a measurement as text of at most 80 columns."""
    lines = [*_wrapped(source), *(line for each in read for line in _wrapped(each)), ""]
    lines += [line for each in _basics(found) for line in _wrapped(each)]
    lines += ["", f"{'':29}{'here':>8}{RANDOM:>18}{SPECTRUM:>17}{'code':>8}"]
    for each in found.statistics:
        lines.append(
            f"{'*' if each.unusual else ' '} {STATISTICS[each.name]:27}{_number(each.value):>8}"
            f"{_range(each.nulls[RANDOM]):>18}"
            f"{'–' if each.name in OF_SPECTRUM else _range(each.nulls[SPECTRUM]):>17}"
            f"{_middle(each.nulls.get(CODE)) or '–':>8}"
        )
    lines.append("")
    for each in [*_unusual(found), _method(found)]:
        lines += _wrapped(each)
    return "\n".join(lines)


def as_page(
    found: Measurement, *, source: str, read: Sequence[str], pictures: Mapping[str, str]
) -> str:
    """Return a measurement as one page that needs no other file and no script.

    Parameters
    ----------
    found
        The measurement.
    source
        What was measured, such as the file's name.
    read
        How it was read, as in `superpos.weights.Weights`.
    pictures
        SVG by caption.
    """
    rows = "\n".join(
        f'<tr class="{each.verdict}"><th scope="row">{_text(STATISTICS[each.name])}</th>'
        f"<td><b>{_number(each.value)}</b></td><td>{_range(each.nulls[RANDOM])}</td>"
        f"<td>{'–' if each.name in OF_SPECTRUM else _range(each.nulls[SPECTRUM])}</td>"
        f"<td>{_middle(each.nulls.get(CODE)) or '–'}</td><td>{_told_verdict(each)}</td></tr>"
        for each in found.statistics
    )
    figures = "\n".join(
        f"<figure>{_themed(svg)}<figcaption>{_text(caption)}</figcaption></figure>"
        for caption, svg in pictures.items()
    )
    return _PAGE.format(
        title=_text(source),
        read=_paragraphs(read),
        basics=_paragraphs(_basics(found)),
        unusual=_paragraphs(_unusual(found)),
        rows=rows,
        figures=figures,
        method=_text(_method(found)),
    )


def _basics(found: Measurement) -> list[str]:
    several = f"{found.n} feature{'s' * (found.n > 1)} in {found.m} dimension{'s' * (found.m > 1)}"
    told = [f"{several}."]
    if found.without:
        more = "has no direction, and is" if found.without == 1 else "have no direction, and are"
        if found.shortest > SHORTEST:
            verb = "is" if found.without == 1 else "are"
            more = f"{verb} at most {found.shortest:g} times as long as the longest, and {verb}"
        told.append(f"{found.without} more {more} left out.")
    elif found.shortest > SHORTEST:
        told.append(
            f"None is left out: all are over {found.shortest:g} times as long as the longest."
        )
    q = [_number(each) for each in found.dimensionality]
    told = [" ".join(told), f"D* = {_number(found.dimensions_per_feature)} dimensions per feature."]
    told.append(f"D_i: {q[0]} to {q[-1]}, median {q[3]}, nine tenths in {q[1]} to {q[5]}.")
    q = [_number(each) for each in found.lengths]
    told.append(f"Lengths: {q[0]} to {q[-1]}, median {q[3]}.")
    if found.n < 2:
        return [*told, "There is no pair: a single feature interferes with nothing."]
    near, far = found.pairs
    told.append(
        f"Closest: features {near[0]} and {near[1]}, cosine {_number(near[2])}. "
        f"Most opposed: {far[0]} and {far[1]}, {_number(far[2])}."
    )
    told.append(
        f"Welch's bound: no {found.n} directions in {found.m} dimensions have an rms cosine below "
        f"{_number(found.welch)}."
    )
    if found.errors:
        errors = ", ".join(f"{STATISTICS[k]} ±{v:.2g}" for k, v in found.errors.items())
        told.append(
            f"Nearest, antipode and largest are of {found.sampled} features drawn at random, "
            f"against all others; standard errors: {errors}. The largest may be larger elsewhere."
        )
    if found.parts is not None:
        told.append(_told_parts(found))
    if found.bundles:
        parts = [
            f"{count} of {k} feature{'s' * (k > 1)} in {d} dimension{'s' * (d > 1)}"
            for (k, d), count in found.bundles.items()
        ]
        more = f", and {len(parts) - 6} other kinds" if len(parts) > 6 else ""
        told.append(
            f"Bundles, of features at least {LONG:g} times as long as the longest: "
            f"{', '.join(parts[:6])}{more}."
        )
    if found.loss:
        told.append(f"Expected loss: {_number(found.loss[0])} ± {found.loss[1]:.2g}.")
    elif found.no_loss != "no probability was given":
        told.append(f"No expected loss: {found.no_loss}.")
    return told


def _told_parts(found: Measurement) -> str:
    close = f"|cosine| of at least {_number(found.joined_at)}"
    if not found.parts:
        return f"No two features have a {close}: the graph of close features has no edge."
    sizes = ", ".join(map(str, found.parts[:8])) + (", …" if len(found.parts) > 8 else "")
    return (
        f"With an edge for each {close}, {sum(found.parts)} features are in {len(found.parts)} "
        f"connected part{'s' * (len(found.parts) > 1)}: of {sizes}."
    )


def _unusual(found: Measurement) -> list[str]:
    """Return what is more than chance and what is not, in sentences."""
    told = []
    for each in found.statistics:
        if each.unusual:
            meaning = _MEANING.get((each.name, each.verdict))
            told.append(
                f"Unusual: {STATISTICS[each.name]} is {_number(each.value)}, {each.verdict} what "
                f"chance gives, {_number(each.chance[0])} to {_number(each.chance[1])}"
                + (f": {meaning}." if meaning else ".")
            )
    usual = [STATISTICS[each.name] for each in found.statistics if each.verdict == "within"]
    if usual:
        told.append(f"{'Not unusual' if told else 'Nothing is unusual'}: {'; '.join(usual)}.")
    missing = [STATISTICS[each.name] for each in found.statistics if each.verdict == "none"]
    if missing:
        told.append(f"No value: {'; '.join(missing)}.")
    return told


def _method(found: Measurement) -> str:
    how = (
        f"the range of {found.replicates} replicates"
        if found.ranked
        else f"predicted from {found.replicates} replicates, by Student's t"
    )
    return (
        "Chance is random directions with the same lengths, and the same spectrum with features "
        "rotated at random (which keeps what the spectrum tells): unusual is what lies outside of "
        f"both intervals together, {how}. They are so wide that random directions have anything "
        f"unusual at most {FALSE_POSITIVES:.0%} of the time, over all statistics together. D* is "
        "the same in both, and has no verdict. A code is directions optimised for small cosines, "
        "with the same lengths."
    )


def _told_verdict(each: Compared) -> str:
    if each.unusual:
        return f"unusual, {each.verdict}"
    return "as chance" if each.verdict == "within" else "no value"


def _number(value: float) -> str:
    if math.isnan(value):
        return "–"
    size = abs(value)
    if size >= 1e6 or 0 < size < 5e-5:
        return f"{value:.1e}"
    return f"{value:.4f}" if size < 10 else f"{value:.2f}" if size < 1000 else f"{value:.0f}"


def _range(interval: Interval) -> str:
    low, high = (
        f"{each:.4f}" if abs(each) < 10 else f"{each:.1f}"
        for each in (interval.low, interval.high)
    )  # fmt: skip
    return "–" if math.isnan(interval.low) else f"{low}..{high}".replace("nan", "–")


def _middle(interval: Interval | None) -> str:
    return _number(interval.middle) if interval else ""


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _by_quantile(values: Sequence[float]) -> dict[str, float]:
    return {f"{q:g}": value for q, value in zip(QUANTILES, values, strict=True)}


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent="  ") or [""]


def _text(text: str) -> str:
    return html.escape(text)


def _paragraphs(texts: Sequence[str]) -> str:
    return "\n".join(f"<p>{_text(each)}</p>" for each in texts)


def _themed(svg: str) -> str:
    """Return an SVG for a page: without a prologue or ground, its ink that of the text."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    return svg.replace("#ffffff", "none").replace("#22272e", "currentColor")


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Measured: {title}</title>
<style>
:root {{ --ink: #22272e; --ground: #fff; --faint: #6a737d; --mark: #a33d26; --line: #d0d7de; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #dfe3e8; --ground: #16191d; --faint: #9aa4ad; --mark: #f0a08c; --line: #3a424b; }}
}}
* {{ box-sizing: border-box; }}
body {{ color: var(--ink); background: var(--ground); font: 16px/1.5 system-ui, sans-serif;
  max-width: 54rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }}
h1 {{ font-size: 1.5rem; line-height: 1.25; }}
h2 {{ font-size: 1.15rem; margin-top: 2rem; }}
p {{ margin: 0.4rem 0; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: 0.9rem; white-space: nowrap; }}
th, td {{ padding: 0.3rem 0.6rem 0.3rem 0; border-bottom: 1px solid var(--line);
  text-align: right; }}
th:first-child, td:last-child {{ text-align: left; font-weight: normal; }}
thead th {{ color: var(--faint); }}
.above td:last-child, .below td:last-child {{ color: var(--mark); font-weight: bold; }}
figure {{ margin: 1.5rem 0; max-width: 38rem; }}
figure svg {{ width: 100%; height: auto; display: block; }}
figcaption, footer {{ color: var(--faint); font-size: 0.9rem; }}
</style>
</head>
<body>
<main>
<h1>Measured: {title}</h1>
{read}
<h2>What is unusual, and what is not</h2>
{unusual}
<h2>What it is</h2>
{basics}
<h2>Beside chance</h2>
<div class="wide" tabindex="0" role="region" aria-label="Statistics beside nulls"><table>
<thead><tr><th scope="col">statistic</th><th scope="col">here</th>
<th scope="col">random directions</th><th scope="col">same spectrum</th>
<th scope="col">optimised code</th><th scope="col">verdict</th></tr></thead>
<tbody>
{rows}
</tbody></table></div>
<h2>Figures</h2>
{figures}
</main>
<footer><p>{method}</p></footer>
</body>
</html>
"""
