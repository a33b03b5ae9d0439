"""The verdicts that experiments give the claims of the registry.

A notebook measures a claim over many seeds and calls `record`, which applies the registry's rule,
shows the verdict, and leaves it in the notebook's outputs: the only place where verdicts are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from superpos import checks
from superpos.claims import rule
from superpos.claims.cards import card
from superpos.claims.registry import (
    MIME_TYPE,
    Claim,
    deviation_text,
    deviations_of,
    load_registry,
)
from superpos.claims.typeset import typeset
from superpos.claims.wording import KEPT, reason
from superpos.compute.display import display
from superpos.compute.gates import gate
from superpos.errors import InvalidArgument
from superpos.stats import rate_interval

if TYPE_CHECKING:
    from superpos.claims.curves import Curve
    from superpos.studies.kept import Kept


@dataclass(frozen=True)
class Verdict:
    """What an experiment found about a claim.

    Attributes
    ----------
    verdict
        One of `superpos.claims.registry.VERDICTS`.
    evidence
        The rate of trials (seeds, if the registry names no others) that showed the claim, with
        its 95 % interval, in words.
    measured
        Further measured values, by name.
    rate, weaker_rate
        How many of the trials showed the claim, and its weaker reading if that was measured: as
        text for the prose.
    weaker_holds
        Whether the weaker reading is known to hold.
    seeds
        How many trials.
    quick
        Whether the run was a quick one, whose verdicts are never published.
    held
        Where the verdict is ``new``: where what we expected stands, in the words of
        `superpos.claims.rule`.
    why
        What makes the claim qualified or untested, where its weaker reading does not say it.
    command
        What measures the claim again, as its source has it where that trains.
    curve
        What the ledger says of its specification curve, where it has one.
    """

    id: str
    verdict: str
    evidence: str
    measured: Mapping[str, str]
    seeds: int
    quick: bool
    rate: str = ""
    weaker_rate: str = ""
    weaker_holds: bool = False
    held: str | None = None
    why: str = ""
    command: str = ""
    curve: Mapping[str, Any] | None = None

    def _ipython_display_(self) -> None:
        """Show nothing at the end of a cell: `record` has shown it."""


def judge(
    claim: Claim,
    shown: Tensor,
    weaker: Tensor | None = None,
    beside: Mapping[str, Kept] | None = None,
    curve: Curve | None = None,
) -> str:
    """Return the verdict that the registry's rule (`superpos.claims.rule`) gives a measured rate.

    What goes beyond the sources is ``new`` once it is known where it stands, wherever that is.
    Where the trials are all the cases there are, the rate itself decides: nothing was sampled.

    Parameters
    ----------
    claim
        With its marks.
    shown
        For each trial whether it showed the claim: booleans ``(trials,)``.
    weaker
        The same for the registry's weaker reading: booleans ``(trials,)``.
    beside
        What was measured as published and at rest, by these names (`superpos.studies.kept`): it
        decides in place of the other, where training does.
    curve
        Its specification curve, if it has one.

    Returns
    -------
    str
        ``untested`` where an interval reaches across a mark and that matters: more trials are
        needed.
    """
    if claim.new:
        return "new" if len(_standing(claim, shown)) == 1 else "untested"
    measured, of_weaker = _decisive(claim, shown, weaker, beside)
    return rule.verdict(
        measured,
        of_weaker,
        curve=None if curve is None else curve.stands,
        missing=bool(_missing(claim, beside, curve)),
    )


def _missing(claim: Claim, beside: Mapping[str, Kept] | None, curve: Curve | None) -> list[str]:
    """Return in words what is not known of a claim that training decides."""
    if not claim.training:
        return []
    kept = beside or {}
    wanted = {
        "as published": "published" in kept,
        "at rest": "rest" in kept or claim.not_at_rest is not None,
        "in reasonable specifications": curve is not None,
    }
    return [name for name, there in wanted.items() if not there]


def _decisive(
    claim: Claim, shown: Tensor, weaker: Tensor | None, beside: Mapping[str, Kept] | None
) -> tuple[list[rule.Standing], list[rule.Standing]]:
    """Return where the claim stands by what decides, and where its weaker reading does.

    What decides is what was measured as published and at rest, or else the book's own.
    """
    found = [kept.outcomes() for kept in (beside or {}).values()] or [(shown, weaker)]
    return (
        [_standing(claim, outcomes) for outcomes, _ in found],
        [_standing(claim, outcomes) for _, outcomes in found if outcomes is not None],
    )


def _standing(claim: Claim, outcomes: Tensor) -> rule.Standing:
    known = outcomes.double().mean().item()
    low, high = (known, known) if claim.complete else rate_interval(outcomes)
    return rule.standing(low, high, share=claim.share, lower=claim.lower)


def record(
    claim_id: str,
    shown: Tensor,
    *,
    weaker: Tensor | None = None,
    measured: Mapping[str, str] | None = None,
    at_rest: Tensor | None = None,
    quick: bool = False,
    command: str = "",
    beside: Mapping[str, Kept] | None = None,
    curve: Curve | None = None,
) -> Verdict:
    """Judge a claim, show the verdict, and leave it in the notebook's outputs.

    Parameters
    ----------
    claim_id
        As in the registry.
    shown
        For each trial (a seed, if the registry names no other kind) whether it showed what the
        registry says counts: booleans ``(trials,)``.
    weaker
        The same for the registry's weaker reading, where the claim has one.
    measured
        What else was measured, as text with its interval, by name.
    at_rest
        Where the claim is one about models at rest: for each model whether it was, booleans of any
        shape (`superpos.training.results.Rest`). One that was not is refused, but in a quick run.
    quick
        Whether this is a quick run: its verdict is shown as such and never published.
    command
        What measures the claim again: that of `superpos.studies.study.Study.command`.
    beside
        What was measured as published and at rest: that of `superpos.studies.kept.fresh`.
    curve
        Its specification curve, if it has one that counts.

    Raises
    ------
    InvalidArgument
        If the id is not in the registry, a test has no seeds, a weaker reading is measured
        that the registry does not have, or a model was not at rest.
    """
    claim = _registered(claim_id)
    verdict = conclude(
        claim, shown, weaker=weaker, measured=measured, at_rest=at_rest, quick=quick,
        command=command, beside=beside, curve=curve,
    )  # fmt: skip
    display({MIME_TYPE: vars(verdict), "text/html": card(claim, verdict)}, raw=True)
    return verdict


def conclude(
    claim: Claim,
    shown: Tensor,
    *,
    weaker: Tensor | None = None,
    measured: Mapping[str, str] | None = None,
    at_rest: Tensor | None = None,
    quick: bool = False,
    command: str = "",
    beside: Mapping[str, Kept] | None = None,
    curve: Curve | None = None,
) -> Verdict:
    """Return the verdict on a claim, with its evidence in words, without showing it.

    The arguments are those of `record`, and so are the errors.
    """
    shown = _outcomes("shown", shown)
    if weaker is not None:
        weaker = _outcomes("weaker", weaker)
        if claim.qualified is None:
            raise InvalidArgument(f"claim {claim.id!r} has no weaker reading in the registry")
    told = dict(measured or {})
    if at_rest is not None:
        told["Models at rest"] = _count(at_rest.flatten())
        if not (quick or at_rest.all()):
            raise InvalidArgument(
                f"claim {claim.id!r} is about models at rest, and only {told['Models at rest']} are"
            )
    for kind, kept in (beside or {}).items():
        told[KEPT[kind]] = f"{_evidence(claim, *kept.outcomes())}. {kept.procedure}"
    verdict = judge(claim, shown, weaker, beside, curve)
    decisive, of_weaker = _decisive(claim, shown, weaker, beside)
    return Verdict(
        id=claim.id,
        verdict=verdict,
        evidence=_evidence(claim, shown, weaker),
        measured=told,
        seeds=len(shown),
        quick=bool(quick),
        rate=_count(shown),
        weaker_rate="" if weaker is None else _count(weaker),
        weaker_holds={rule.HOLDS} in of_weaker,
        held=next(iter(_standing(claim, shown))) if verdict == "new" else None,
        why=reason(
            claim,
            verdict,
            decisive,
            curve=None if curve is None else curve.stands,
            decides="" if curve is None else curve.decides,
            missing=_missing(claim, beside, curve),
        ),
        command=command,
        curve=None if curve is None else curve.summary,
    )


def _count(outcomes: Tensor) -> str:
    return f"{int(outcomes.sum())} of {len(outcomes)}"


def _registered(claim_id: str) -> Claim:
    registry = load_registry()
    if claim_id not in registry:
        raise InvalidArgument(f"claim {claim_id!r} is not in the registry, book/claims.yml")
    return registry[claim_id]


def show_claims(chapter: str) -> None:
    """Show the claims of a chapter, each linked to its verdict further down."""
    entries = [
        claim
        for claim in load_registry().values()
        if claim.chapter == chapter and not (claim.amended_by or claim.unmeasured)
    ]
    if not entries:
        raise InvalidArgument(f"chapter {chapter!r} has no claims in the registry")
    items = "".join(
        f'<li><a href="#claim-{claim.id}">{claim.id}</a> {typeset(claim.statement)}</li>'
        for claim in entries
    )
    display(
        {
            "text/html": f'<ul class="superpos-claims">{items}</ul>',
            "text/plain": "\n".join(f"{claim.id}: {claim.statement}" for claim in entries),
        },
        raw=True,
        metadata={"superpos": {"claims": [[claim.id, claim.statement] for claim in entries]}},
    )


def show_deviations(chapter: str) -> None:
    """Show the settings that the sources of a chapter leave open, as a list."""
    entries = [claim for claim in load_registry().values() if claim.chapter == chapter]
    deviations = {item["setting"]: item for claim in entries for item in deviations_of(claim)}
    text = "\n".join(f"- {deviation_text(item)}" for item in deviations.values())
    display({"text/markdown": text, "text/plain": text}, raw=True)


@gate(outcomes=checks.outcomes)
def rate(outcomes: Tensor) -> str:
    """Return a rate of true outcomes with its 95 % interval, as text.

    Examples
    --------
    >>> rate(torch.tensor([True] * 9 + [False]))
    '9 of 10 (90%, 95 % interval 60% to 98%)'
    """
    low, high = rate_interval(outcomes)
    share = outcomes.double().mean().item()
    return (
        f"{int(outcomes.sum())} of {len(outcomes)} "
        f"({share:.0%}, 95 % interval {low:.0%} to {high:.0%})"
    )


def _outcomes(name: str, value: Tensor) -> Tensor:
    outcomes = torch.as_tensor(value)
    if outcomes.dtype is not torch.bool or outcomes.ndim != 1 or not len(outcomes):
        raise InvalidArgument(
            f"{name} has dtype {outcomes.dtype} and shape {tuple(outcomes.shape)}: "
            "one boolean for each trial is needed"
        )
    return outcomes


def _evidence(claim: Claim, shown: Tensor, weaker: Tensor | None) -> str:
    def told(outcomes: Tensor) -> str:
        if not claim.complete:
            return rate(outcomes)
        return f"{int(outcomes.sum())} of all {len(outcomes)} ({outcomes.double().mean():.0%})"

    text = f"shown by {told(shown)} {claim.trials}"
    if claim.new:
        stands = " or ".join(sorted(_standing(claim, shown)))
        return f"what we expected {stands}: {text}"
    return text if weaker is None else f"{text}; the weaker reading by {told(weaker)}"
