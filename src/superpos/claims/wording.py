"""Claims in the words that cards, pages and the command line share: verdicts, marks, reasons."""

from __future__ import annotations

from collections.abc import Sequence

from superpos.claims.registry import VERDICTS, Claim, in_words
from superpos.claims.rule import FAILS, HOLDS, SOMETIMES, Curve, Standing

KEPT = {"published": "As published", "rest": "At rest"}  # measurements that are kept, in words
_OF_NEW = {HOLDS: "new: held", SOMETIMES: "new: sometimes", FAILS: "new: failed"}


def label(verdict: str, held: str | None = None) -> str:
    """Return a verdict as it is shown: one on what goes beyond the sources says what came out.

    Parameters
    ----------
    verdict
        One of `superpos.claims.registry.VERDICTS`.
    held
        Where what we expected stands, if the verdict is ``new``: one of `superpos.claims.rule`'s.

    Examples
    --------
    >>> label("reproduced"), label("new", held="holds"), label("new", held="fails")
    ('reproduced', 'new: held', 'new: failed')
    """
    return _OF_NEW[held] if verdict == "new" and held else verdict


LABELS = tuple(
    label(verdict, held)
    for verdict in VERDICTS
    for held in (_OF_NEW if verdict == "new" else (None,))
)


def mark(claim: Claim) -> str:
    """Return in a sentence how many of the trials must show a claim, and how many are too few.

    Examples
    --------
    >>> from superpos.claims.registry import load_registry
    >>> claims = load_registry()
    >>> print(mark(claims["demo-90-pentagon"]))
    Holds if more than half of the seeds show it, fails if fewer than 30 % do, each by the whole
    95 % interval; in between it holds sometimes.
    >>> mark(claims["cost-correction"])  # has no test
    ''
    >>> print(mark(claims["tegum-domain"]))
    Holds if more than 90 % of all pairs of n and d show it, fails if fewer than 30 % do; in between
    it holds sometimes.
    """
    if claim.unmeasured:
        return ""
    whole = "" if claim.complete else ", each by the whole 95 % interval"
    return (
        f"Holds if more than {_share(claim.share)} of {'all' if claim.complete else 'the'} "
        f"{claim.trials} show it, fails if fewer than {_share(claim.lower)} do{whole}; in between "
        "it holds sometimes."
    )


def _share(share: float) -> str:
    told = in_words(share, "word")
    return in_words(share, "%") if told == in_words(share) else told  # there may be no word for it


def reason(
    claim: Claim,
    verdict: str,
    measured: Sequence[Standing],
    *,
    curve: Curve | None = None,
    decides: str = "",
    missing: Sequence[str] = (),
) -> str:
    """Return why a claim is qualified or untested, where its weaker reading does not say it.

    Parameters
    ----------
    claim, verdict
        The claim, and the verdict on it.
    measured
        Where it stands: by each of the measurements that decide.
    curve
        Whether it holds in most of its specifications or in few, if it has a curve.
    decides
        What moves its rate among them most, in words.
    missing
        What was not measured of a claim that training decides, in words.

    Examples
    --------
    >>> from superpos.claims.registry import load_registry
    >>> claims = load_registry()
    >>> reason(claims["demo-90-pentagon"], "qualified", [frozenset({"sometimes"})])
    'It holds sometimes, at this rate.'
    """
    if verdict == "qualified" and {SOMETIMES} in measured:
        return "It holds sometimes, at this rate."
    if verdict == "qualified" and all(stands == {HOLDS} for stands in measured):
        most = f"; what decides most is {decides}" if decides else ""
        return f"It holds in few reasonable specifications{most}." if curve == "few" else ""
    if verdict == "qualified" and {HOLDS} in measured:
        return "It holds as published or at rest, not both."
    if verdict == "qualified" and curve == "most":
        return "It fails here, and holds in most reasonable specifications."
    if verdict != "untested":
        return ""
    if missing and all(stands == {FAILS} for stands in measured):
        return (
            "It fails where it was measured. It is contradicted only if it fails as published, at "
            "rest, and in most reasonable specifications; not measured yet: "
            f"{', '.join(missing)}."
        )
    return f"The interval reaches across a mark: more {claim.trials} are needed."


def plural(number: int, noun: str) -> str:
    """Return a number of things in words.

    >>> plural(1, "claim"), plural(0, "claim")
    ('1 claim', '0 claims')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
