"""The rule that makes a verdict of what was measured: one table.

The rate of trials that show a claim stands somewhere against the claim's two marks, ``share`` and
``lower``. It *holds* above the upper one, *fails* below the lower one, and in between it is true
*sometimes*, at that rate. An interval that reaches across a mark leaves more than one of them open.

Where training decides, a claim is measured **as published** (by its source's own procedure, at its
own size) and **at rest** (on models that further training does not change, or on exact optima), as
far as that makes sense, and a *specification curve* tells whether it holds in most of the ways to
train and to look that a reasonable person could have chosen, or in few. Elsewhere one measurement
is all there is. A claim may have a *weaker reading*.

====================================  =============  ==============  ============
as published, at rest                 curve          weaker reading  verdict
====================================  =============  ==============  ============
all that was measured holds           most, or none                  reproduced
all that was measured holds           few                            qualified
one of them holds, or is sometimes    \\                              qualified
all that was measured fails           most                           qualified
all that was measured fails           few, or none   holds           qualified
all that was measured fails           few, or none   does not, none  contradicted
====================================  =============  ==============  ============

A weaker reading holds if it holds as published or at rest: it is to be the least that is true.
Where training decides, nothing is contradicted before all three have been measured. A verdict is
given where everything that is still open leads to the same one. Else the claim is *untested*: it
needs more trials, or the measurement that is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Literal

HOLDS, SOMETIMES, FAILS = "holds", "sometimes", "fails"
Standing = frozenset[str]  # which of the three are open
Curve = Literal["most", "few"]


def standing(low: float, high: float, *, share: float, lower: float) -> Standing:
    """Return where a rate stands against its marks, as far as it is known.

    Parameters
    ----------
    low, high
        The ends of its interval, in [0, 1].
    share, lower
        The upper and the lower mark.

    Returns
    -------
    frozenset
        Of ``"holds"``, ``"sometimes"`` and ``"fails"``, those that are still open.

    Examples
    --------
    >>> sorted(standing(0.6, 0.9, share=0.5, lower=0.3))
    ['holds']
    >>> sorted(standing(0.2, 0.4, share=0.5, lower=0.3))
    ['fails', 'sometimes']
    """
    found = set()
    if high > share:
        found.add(HOLDS)
    if low < lower:
        found.add(FAILS)
    if low <= share and high >= lower:
        found.add(SOMETIMES)
    return frozenset(found)


def verdict(
    measured: Iterable[Standing],
    weaker: Iterable[Standing] = (),
    *,
    curve: Curve | None = None,
    missing: bool = False,
) -> str:
    """Return the verdict on a claim.

    Parameters
    ----------
    measured
        Where it stands as published and at rest, or by the one measurement there is; at least one.
    weaker
        Where its weaker reading stands, by the same measurements; none if it has none.
    curve
        Whether it holds in most of its specifications or in few, if it has a curve.
    missing
        Whether training decides, and one of the three measurements is missing.

    Examples
    --------
    >>> holds, fails = frozenset({"holds"}), frozenset({"fails"})
    >>> verdict([holds, holds]), verdict([holds, fails]), verdict([fails])
    ('reproduced', 'qualified', 'contradicted')
    >>> verdict([fails], missing=True), verdict([fails], [holds], missing=True)
    ('untested', 'qualified')
    """
    cases = product(product(*measured), product(*weaker))
    verdicts = {_decided(found, of_weaker, curve) for found, of_weaker in cases}
    if len(verdicts) > 1 or (missing and verdicts == {"contradicted"}):
        return "untested"
    return verdicts.pop()


def _decided(measured: Sequence[str], weaker: Sequence[str], curve: Curve | None) -> str:
    """Return the table's verdict, where nothing is open."""
    if all(found == HOLDS for found in measured):
        return "qualified" if curve == "few" else "reproduced"
    if any(found != FAILS for found in measured) or curve == "most" or HOLDS in weaker:
        return "qualified"
    return "contradicted"
