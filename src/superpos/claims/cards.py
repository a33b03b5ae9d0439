"""A claim's card: what was claimed, what counts, what was found, as HTML.

A notebook shows it where the claim is measured; there it depends on the measurement and on the
registry alone. A site draws it anew with what only the site knows: the claim's own page, the commit
that registered it, and what we make of the verdict.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from superpos.claims import curves
from superpos.claims.registry import Claim
from superpos.claims.typeset import typeset
from superpos.claims.wording import label, mark

if TYPE_CHECKING:
    from superpos.claims.verdicts import Verdict

JUDGEMENT = "Our judgement"


def card(
    claim: Claim,
    verdict: Verdict,
    *,
    address: str = "",
    judgement: str = "",
    registered: str = "",
) -> str:
    """Return the card of a claim.

    Parameters
    ----------
    claim
        As registered.
    verdict
        What was found.
    address
        Of the claim's own page, where there is one.
    judgement
        What we make of the verdict, where it does not say all (`superpos.book.judgements`).
    registered
        When the claim was registered, in HTML; without it the card says only whether the outcome
        was known then.
    """
    section, of_source = map(html.escape, (claim.source_section, claim.source_address))
    rows = {
        "Claim": typeset(claim.statement),
        "Source": f'{section}: <a href="{of_source}">{typeset(claim.source_place)}</a>',
        "What counts": typeset(claim.counts),
        "Mark": typeset(mark(claim)),
        "Evidence": typeset(verdict.evidence),
    }
    if verdict.why:
        rows["Why"] = typeset(verdict.why)
    if verdict.verdict == "qualified" and verdict.weaker_holds:
        rows["With this change"] = typeset(claim.qualified or "")
    if judgement:
        rows[JUDGEMENT] = typeset(judgement)
    if claim.amended_by:
        rows["Amended"] = (
            "This test proved wrong. The claim is judged by "
            f'<a href="#claim-{claim.amended_by}">{claim.amended_by}</a>.'
        )
    if claim.amends:
        rows["Amends"] = (
            f'<a href="#claim-{claim.amends}">{claim.amends}</a>, on {claim.amendment["date"]}: '
            + typeset(claim.amendment["why"])
        )
    rows |= {typeset(name): typeset(text) for name, text in verdict.measured.items()}
    if claim.amendments:
        rows["Changed"] = typeset(" ".join(each.told() for each in claim.amendments))
    if claim.responses:
        rows["Responses"] = html.escape(" ".join(each.told() for each in claim.responses))
    if verdict.curve:
        rows["Robustness"] = (
            f'<a href="../{curves.address(claim.id, claim.chapter)}">holds in '
            f"{verdict.curve['holds']} of {verdict.curve['of']} specifications</a>; "
            "most favourable: " + typeset(verdict.curve["favourable"])
        )
    if when := registered or ("knowing the outcome" if claim.known else ""):
        rows["Registered"] = when
    if verdict.command:
        rows["Run it again"] = f"<code>{html.escape(verdict.command)}</code>"
    items = "".join(f"<dt>{name}</dt><dd>{row}</dd>" for name, row in rows.items())
    shown = label(verdict.verdict, verdict.held)
    shown += " (quick run: does not count)" if verdict.quick else ""
    name = f"<code>{claim.id}</code>"
    if address:
        name = f'<a href="{html.escape(address)}">{name}</a>'
    return (
        f'<div class="superpos-card superpos-card-{verdict.verdict}" id="claim-{claim.id}">'
        f'<p><span class="superpos-verdict superpos-verdict-{verdict.verdict}">'
        f"{html.escape(shown)}</span> {name}</p><dl>{items}</dl></div>"
    )
