"""The cards of claims as the site has them: with what only the site knows of a claim."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from superpos.book.chapters import EXECUTED
from superpos.book.facts import registration
from superpos.book.ledger import recorded
from superpos.claims.cards import card

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from superpos.claims.clone import Commit
    from superpos.claims.registry import Claim


def as_published(
    claims: Mapping[str, Claim],
    notebooks: Mapping[str, NotebookNode],
    ledger: Iterable[Mapping[str, Any]],
    registered: Mapping[str, Commit] = MappingProxyType({}),
) -> dict[str, str]:
    """Return the card of every claim that a notebook has measured, as HTML, by claim.

    Parameters
    ----------
    claims
        The registry.
    notebooks
        The executed chapters.
    ledger
        What `superpos.book.ledger.collect` returns of both.
    registered
        The commits that registered the claims, as far as git knows.
    """
    from superpos.claims.verdicts import Verdict  # which imports torch

    rows = {row["id"]: row for row in ledger}
    return {
        verdict["id"]: card(
            claims[verdict["id"]],
            Verdict(**verdict),
            address=posixpath.relpath(row["permalink"], EXECUTED),
            judgement=row["judgement"] or "",
            registered=registration(row, registered.get(verdict["id"]), folder=EXECUTED),
        )
        for notebook in notebooks.values()
        for verdict in recorded(notebook)
        if (row := rows[verdict["id"]])
    }
