"""What we make of a verdict, where test and sense of a claim differ: ``book/judgements.yml``.

A judgement is no part of a claim. It is joined to the ledger when the site is made, so that writing
one changes neither a test nor a verdict, and makes no result stale.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path

from superpos.book.reading import yaml_of
from superpos.claims.wording import LABELS
from superpos.errors import InvalidArgument

FILE = "judgements.yml"
MOST_WORDS = 40


@dataclass(frozen=True)
class Judgement:
    """A sentence of ours on a claim, and the verdict that it was written about, as it is shown."""

    of: str
    text: str


def judgements(root: Path, claims: Container[str]) -> dict[str, Judgement]:
    """Return our judgements by claim; none where there is no such file.

    Parameters
    ----------
    root
        The book.
    claims
        The ids of the registry.

    Raises
    ------
    InvalidArgument
        If a judgement is on a claim that is not registered, has other fields than ``of`` and
        ``text``, names a verdict that is none, or is not one sentence of at most `MOST_WORDS`.
    """
    path = root / "book" / FILE
    entries = yaml_of(path, dict, "judgements by claim") if path.exists() else {}
    return {name: _checked(name, entry, claims) for name, entry in entries.items()}


def _checked(name: str, entry: object, claims: Container[str]) -> Judgement:
    where = f"{FILE}: the judgement on {name}"
    if name not in claims:
        raise InvalidArgument(f"{where} is on a claim that the registry does not have")
    if not isinstance(entry, Mapping) or set(entry) != {"of", "text"}:
        raise InvalidArgument(f"{where} is {entry!r}: its fields are of, text")
    text = " ".join(str(entry["text"]).split())
    if entry["of"] not in LABELS:
        raise InvalidArgument(
            f"{where} is of {entry['of']!r}; a verdict is shown as {', '.join(LABELS)}"
        )
    words = len(text.split())
    if not text.endswith(".") or ". " in text or words > MOST_WORDS:
        raise InvalidArgument(
            f"{where} has {words} words; it is one sentence of at most {MOST_WORDS}: {text!r}"
        )
    return Judgement(entry["of"], text)
