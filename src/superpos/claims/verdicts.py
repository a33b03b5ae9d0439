"""The verdicts that experiments give the claims of the registry.

A notebook measures a claim over many seeds and calls `record`, which applies the registry's rule,
shows the verdict, and leaves it in the notebook's outputs: the only place where verdicts are kept.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from superpos.claims.registry import MIME_TYPE, Claim, deviation_text, load_registry
from superpos.compute.display import display
from superpos.errors import InvalidArgument
from superpos.stats import rate_interval


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
    seeds
        How many trials.
    quick
        Whether the run was a quick one, whose verdicts are never published.
    """

    id: str
    verdict: str
    evidence: str
    measured: Mapping[str, str]
    seeds: int
    quick: bool
    rate: str = ""
    weaker_rate: str = ""

    def _ipython_display_(self) -> None:
        """Show nothing at the end of a cell: `record` has shown it."""


def judge(claim: Claim, shown: Tensor, weaker: Tensor | None = None) -> str:
    """Return the verdict that the registry's rule gives a measured rate.

    What goes beyond the sources is ``new`` once the rate is decided, whichever way. Where the
    trials are all the cases there are, the rate itself decides: nothing was sampled.

    Parameters
    ----------
    claim
        With the share of seeds that must show it, and a weaker reading if it has one.
    shown
        For each seed whether it showed the claim: booleans ``(seeds,)``.
    weaker
        The same for the registry's weaker reading: booleans ``(trials,)``.

    Returns
    -------
    str
        ``untested`` where the interval straddles the share: more seeds are needed.
    """

    def interval(outcomes: Tensor) -> tuple[float, float]:
        known = outcomes.double().mean().item()
        return (known, known) if claim.complete else rate_interval(outcomes)

    low, high = interval(shown)
    if claim.new:
        return "new" if low > claim.share or high < claim.share else "untested"
    if low > claim.share:
        return "reproduced"
    if weaker is not None and interval(weaker)[0] > claim.share:
        return "qualified"
    if high < claim.share and (weaker is None or interval(weaker)[1] < claim.share):
        return "contradicted"
    return "untested"


def record(
    claim_id: str,
    shown: Tensor,
    *,
    weaker: Tensor | None = None,
    measured: Mapping[str, str] | None = None,
    at_rest: Tensor | None = None,
    quick: bool = False,
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

    Raises
    ------
    InvalidArgument
        If the id is not in the registry, a test has no seeds, a weaker reading is measured
        that the registry does not have, or a model was not at rest.
    """
    claim = _registered(claim_id)
    verdict = conclude(claim, shown, weaker=weaker, measured=measured, at_rest=at_rest, quick=quick)
    display({MIME_TYPE: vars(verdict), "text/html": _card(claim, verdict)}, raw=True)
    return verdict


def conclude(
    claim: Claim,
    shown: Tensor,
    *,
    weaker: Tensor | None = None,
    measured: Mapping[str, str] | None = None,
    at_rest: Tensor | None = None,
    quick: bool = False,
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
    return Verdict(
        id=claim.id,
        verdict=judge(claim, shown, weaker),
        evidence=_evidence(claim, shown, weaker),
        measured=told,
        seeds=len(shown),
        quick=bool(quick),
        rate=_count(shown),
        weaker_rate="" if weaker is None else _count(weaker),
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
    entries = [claim for claim in load_registry().values() if claim.chapter == chapter]
    if not entries:
        raise InvalidArgument(f"chapter {chapter!r} has no claims in the registry")
    items = "".join(
        f'<li><a href="#claim-{claim.id}">{claim.id}</a> {html.escape(claim.statement)}</li>'
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
    deviations = {item["setting"]: item for claim in entries for item in claim.deviations}
    text = "\n".join(f"- {deviation_text(item)}" for item in deviations.values())
    display({"text/markdown": text, "text/plain": text}, raw=True)


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
        held = shown.double().mean() > claim.share
        return f"what we expected {'holds' if held else 'fails'}: {text}"
    return text if weaker is None else f"{text}; the weaker reading by {told(weaker)}"


def _card(claim: Claim, verdict: Verdict) -> str:
    label = verdict.verdict + (" (quick run: does not count)" if verdict.quick else "")
    rows = {"Claim": claim.statement, "What counts": claim.counts, "Evidence": verdict.evidence}
    if verdict.verdict == "qualified" and claim.qualified:
        rows["With this change"] = claim.qualified
    rows |= verdict.measured
    if claim.amendments:
        rows["Amended"] = " ".join(each.told() for each in claim.amendments)
    if claim.responses:
        rows["Responses"] = " ".join(each.told() for each in claim.responses)
    items = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>" for name, text in rows.items()
    )
    return (
        f'<div class="superpos-card superpos-card-{verdict.verdict}" id="claim-{claim.id}">'
        f'<p><span class="superpos-verdict superpos-verdict-{verdict.verdict}">'
        f"{html.escape(label)}</span> <code>{claim.id}</code></p><dl>{items}</dl></div>"
    )
