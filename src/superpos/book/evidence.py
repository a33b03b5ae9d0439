"""What was counted for a claim, in numbers: what the ledger says for programs.

A notebook leaves its counts as words (`superpos.claims.verdicts`); here alone they are read. What
was measured once and is kept is read from its file. None of it needs torch, which takes seconds to
import: a listing of the claims does not wait for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import sqrt
from typing import Any

from superpos.book.failures import NotPublishable
from superpos.claims.registry import Claim, measured
from superpos.claims.wording import KEPT

_COUNTED = re.compile(r"(\d+) of (\d+)")
_NORMAL = 1.959963984540054  # of the standard normal distribution, 95 % lie between −this and this


def interval(shown: int, of: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a rate: that of `superpos.stats.rate_interval`.

    Parameters
    ----------
    shown, of
        How many of how many trials, at least one.

    Examples
    --------
    >>> [round(end, 3) for end in interval(9, 10)]
    [0.596, 0.982]
    """
    rate, spread = shown / of, _NORMAL**2 / of
    middle = (rate + spread / 2) / (1 + spread)
    half = sqrt(spread * (rate * (1 - rate) + spread / 4)) / (1 + spread)
    low = 0.0 if shown == 0 else middle - half  # not −1e-17
    return low, 1.0 if shown == of else middle + half


def counted(shown: int, of: int, *, complete: bool = False) -> dict[str, Any]:
    """Return a count as the ledger has it.

    Parameters
    ----------
    shown, of
        How many of how many trials.
    complete
        Whether these are all the cases there are: then nothing was sampled, and there is no
        interval.

    Examples
    --------
    >>> counted(5, 5, complete=True)
    {'shown': 5, 'of': 5, 'interval': None}
    """
    known = complete or not of
    return {"shown": shown, "of": of, "interval": None if known else list(interval(shown, of))}


def evidence(claim: Claim, verdict: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a recorded verdict rests on; None where nothing was recorded.

    Parameters
    ----------
    claim
        As registered.
    verdict
        What the claim's chapter has recorded.

    Returns
    -------
    dict
        ``told``, the evidence in words; ``shown`` of ``of`` trials in the chapter, with their
        ``interval``, None if they are all the cases there are; ``weaker``, the same for the weaker
        reading, where that was measured; the marks, ``mark`` and ``lower_mark``, that the rates are
        held against; ``as_published`` and ``at_rest``, counts with ``weaker`` and ``procedure``,
        where those were measured: then they decide.

    Raises
    ------
    NotPublishable
        If the verdict has no count, or rests on a measurement whose file is gone.
    """
    if not verdict:
        return None
    found = {
        "told": verdict["evidence"],
        **_of_words(claim, verdict.get("rate", "")),
        "weaker": _of_words(claim, told) if (told := verdict.get("weaker_rate")) else None,
        "mark": claim.share,
        "lower_mark": claim.lower,
    }
    files = {path.name.split(".")[-2]: path for path in measured(claim.id)}
    for kind, words in KEPT.items():
        kept = None
        if words in (verdict["measured"] or {}):
            if kind not in files:
                raise NotPublishable(
                    f"the verdict on {claim.id} rests on a measurement {words.lower()}, "
                    "which book/measured/ does not have"
                )
            kept = _of_file(claim, json.loads(files[kind].read_text("utf-8")))
        found[field(kind)] = kept
    return found


def field(kind: str) -> str:
    """Return how the ledger calls a kind of kept measurement.

    >>> field("published"), field("rest")
    ('as_published', 'at_rest')
    """
    return KEPT[kind].lower().replace(" ", "_")


def _of_words(claim: Claim, words: str) -> dict[str, Any]:
    if (found := _COUNTED.fullmatch(words)) is None:
        raise NotPublishable(f"the verdict on {claim.id} has no count: {words!r}")
    return counted(int(found[1]), int(found[2]), complete=claim.complete)


def _of_file(claim: Claim, kept: Mapping[str, Any]) -> dict[str, Any]:
    weaker = kept["weaker"] and counted(*kept["weaker"], complete=claim.complete)
    return {
        **counted(kept["shown"], kept["of"], complete=claim.complete),
        "weaker": weaker,
        "procedure": kept["procedure"],
    }
