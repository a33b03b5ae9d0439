"""The zoo's models on a page: a row each, with its certificate and a small picture of W.

A page of prose asks for them by ``<!-- zoo -->`` (`superpos.book.prose`).
"""

from __future__ import annotations

import html
import re
from collections import defaultdict

import torch
from torch import Tensor

from superpos.claims.typeset import typeset
from superpos.features import Examples
from superpos.models import identity
from superpos.zoo import Certificate, Specimen, load, names
from superpos.zoo.certificates import STATIONARY, with_error

MARK = "<!-- zoo -->"
_MOST_ENTRIES = 400  # of a matrix that is drawn
_SHADES = 5
_FAINT = 0.03  # of the largest entry: what is below is not drawn
_SIZE = 56  # of a picture, in pixels


def as_markdown() -> str:
    """Return the models of the zoo in MyST, a table for each group."""
    found = [load(name) for name in names()]
    lines = []
    for group in dict.fromkeys(one.group for one in found):
        rows = [one for one in found if one.group == group]
        how = {one.made for one in rows}
        shared = how.pop() if len(how) == 1 else ""  # then it is told once
        lines += [f"## {group}", "", _set(shared), "", "::::{div} superpos-zoo"]
        lines += ["| | Model | Loss | Shape, standing |", "|---|---|---|---|"]
        lines += [f"| {' | '.join(_cells(one, '' if shared else one.made))} |" for one in rows]
        lines += ["::::", ""]
    return "\n".join(lines)


def _cells(one: Specimen, made: str) -> list[str]:
    told = one.certificate
    inputs = f"{one.n} → {one.m}, {one.told_inputs}. {made}".strip()
    return [
        picture(one),
        f'<span id="{one.name}"></span>`{one.name}`<br>{_set(one.about)}<br>'
        f"<small>{_set(inputs)}</small>",
        f"{_set(with_error(told.loss, told.error))}<br><small>{_set(_gap(told))}</small>",
        f"{_set(told.shape)}<br><small>{_set(_standing(told))}</small>",
    ]


def _gap(told: Certificate) -> str:
    if told.gap is None:
        return "not compared"
    if told.is_best:
        return "none lower possible" if told.proof else "none lower known"
    return f"{told.share_above} above the lowest {'possible' if told.proof else 'known'}"


def _standing(told: Certificate) -> str:
    if told.curvature is None or told.gradient_norm is None:
        return "minimum or not: not told"
    curved = f"{told.standing}, curvature {told.curvature:.2g}"
    moving = told.gradient_norm > STATIONARY
    return f"{curved}, gradient {told.gradient_norm:.1g}" if moving else curved


def _set(text: str) -> str:
    """Return plain text as it may stand in a cell of a table."""
    text = re.sub(r"e-0?(?=\d)", "e-", text.replace("`", "")).replace(" -", " −")
    return typeset(text).replace("*", "\\*").replace("|", "\\|")


def picture(one: Specimen) -> str:
    """Return a model, small, as SVG: arrows in a plane, or else a matrix; "" of a large one.

    In a plane it is the features, or the hidden vectors of examples. Otherwise it is what an input
    does to each output, WᵀW or VᵀW, or W where hidden units are neurons.
    """
    W = one.W.double()
    V = one.parameters.get("V", one.W).double()
    if one.m <= 2 and one.model.tied:
        if isinstance(one.features, Examples):
            W = W @ one.features.x.double().T
        return _svg(_arrows(torch.nn.functional.pad(W, (0, 0, 0, 2 - len(W)))), 2, 2, "arrows")
    entries = V.T @ W if one.model.hidden is identity else W
    if entries.numel() > _MOST_ENTRIES:
        return ""
    rows, columns = entries.shape
    return _svg(_squares(entries), columns, rows, "matrix")


def _svg(inside: str, width: float, height: float, kind: str) -> str:
    shown = _SIZE * width / max(width, height), _SIZE * height / max(width, height)
    return (
        f'<svg class="superpos-zoo-{kind}" viewBox="0 0 {width:g} {height:g}" '
        f'width="{shown[0]:.0f}" height="{shown[1]:.0f}" aria-hidden="true">{inside}</svg>'
    )


def _arrows(W: Tensor) -> str:
    """Lines from the middle of a square of side 2 to the columns ``(2, n)``, the longest 0.95."""
    longest = W.norm(dim=0).max().clamp_min(1e-9)
    ends = (0.95 * W / longest).T.tolist()
    lines = "".join(f"M1 1l{x:.2f} {-y:.2f}" for x, y in ends if abs(x) + abs(y) > _FAINT)
    return f'<path d="{lines}"/><circle cx="1" cy="1" r=".06"/>'


def _squares(entries: Tensor) -> str:
    """Squares for the entries ``(rows, columns)``, in shades by size, by sign in two colours."""
    rows, columns = entries.shape
    # what outputs get of their own inputs is full, and what is larger (a free decoder's) as well
    full = entries.diagonal() if rows == columns else entries
    share = (entries / full.abs().max().clamp_min(1e-9)).clamp(-1, 1)
    drawn: defaultdict[tuple[str, int], str] = defaultdict(str)
    for y, row in enumerate(share.tolist()):
        for x, value in enumerate(row):
            if abs(value) > _FAINT:
                sign = "above" if value > 0 else "below"
                shade = max(1, round(abs(value) * _SHADES))
                drawn[sign, shade] += f"M{x} {y}h1v1h-1z"
    return "".join(
        f'<path class="{html.escape(sign)}" fill-opacity="{shade / _SHADES:g}" d="{lines}"/>'
        for (sign, shade), lines in sorted(drawn.items())
    )
