"""Claims in the words that cards, pages and the command line share: verdicts, marks."""

from __future__ import annotations

from superpos.claims.registry import VERDICTS, Claim, in_words


def label(verdict: str, held: bool | None = None) -> str:
    """Return a verdict as it is shown: one on what goes beyond the sources says what came out.

    Parameters
    ----------
    verdict
        One of `superpos.claims.registry.VERDICTS`.
    held
        Whether what we expected held, where the verdict is ``new``.

    Examples
    --------
    >>> label("reproduced"), label("new", held=True), label("new", held=False)
    ('reproduced', 'new: held', 'new: failed')
    """
    if verdict != "new" or held is None:
        return verdict
    return "new: held" if held else "new: failed"


LABELS = tuple(
    label(verdict, held)
    for verdict in VERDICTS
    for held in ((True, False) if verdict == "new" else (None,))
)


def mark(claim: Claim) -> str:
    """Return in a sentence which share of the trials must show a claim.

    Examples
    --------
    >>> from superpos.claims.registry import load_registry
    >>> claims = load_registry()
    >>> mark(claims["demo-90-pentagon"])
    'Holds if more than half of the seeds show it, the whole 95 % interval included.'
    >>> mark(claims["tegum-domain"])
    'Holds if more than 90 % of all pairs of n and d show it.'
    """
    share = in_words(claim.share, "word")
    if share == in_words(claim.share):  # there is no word for it
        share = in_words(claim.share, "%")
    if claim.complete:
        return f"Holds if more than {share} of all {claim.trials} show it."
    trials = f"more than {share} of the {claim.trials}"
    return f"Holds if {trials} show it, the whole 95 % interval included."
