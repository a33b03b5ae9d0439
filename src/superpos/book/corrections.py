"""The verdicts that moved since the first edition, as a page.

``book/first_edition.json`` is the ledger of the first edition, frozen: the verdicts that the
registry expected in its last commit. The evidence was not committed, and is not in it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from superpos.book.lines import one_line
from superpos.book.scoreboard import badge
from superpos.claims.amendments import Amendment, Rule
from superpos.claims.registry import VERDICTS
from superpos.claims.wording import plural

FIRST_EDITION = "first_edition.json"


@dataclass(frozen=True)
class Edition:
    """The ledger of an edition: its last commit, that one's day, and by id what was found."""

    commit: str
    date: str
    claims: Mapping[str, Mapping[str, str]]

    def moved(self, ledger: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Return the rows of a ledger that expect another verdict than this edition.

        Where another entry has amended one of this edition's, it is that one's verdict.
        """
        ledger = list(ledger)
        return [
            row
            for row in ledger
            if row["id"] in self.claims
            and self.claims[row["id"]]["verdict"] != in_force(row, ledger)["expected"]
        ]


def first_edition(root: Path) -> Edition | None:
    """Return the ledger of the first edition; None in a book that has had none."""
    path = root / "book" / FIRST_EDITION
    if not path.exists():
        return None
    kept = json.loads(path.read_text("utf-8"))
    return Edition(kept["commit"], kept["date"], {row["id"]: row for row in kept["claims"]})


def in_force(row: Mapping[str, Any], ledger: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the row that a claim is judged by: its own, or the last that amends it."""
    known = {each["id"]: each for each in ledger}
    while row["amended_by"]:
        row = known[row["amended_by"]]
    return row


def reasons(
    row: Mapping[str, Any],
    edition: Edition,
    rules: Iterable[Rule],
    ledger: Iterable[Mapping[str, Any]] = (),
) -> list[str]:
    """Return why a claim's verdict is no longer that of an edition: what its entry says of it, the
    entry that amends it, the amendments since, and the changes of the rule since that moved it."""
    amendments = [Amendment(**each) for each in row["amendments"]]
    now = in_force(row, ledger)
    return [
        *(
            [f"Judged by {now['id']} since {now['amendment']['date']}: {now['amendment']['why']}"]
            if now is not row
            else []
        ),
        *([row["moved"]] if row["moved"] else []),
        *(f"Amended {each.told()}" for each in amendments if each.date > edition.date),
        *(
            f"Change of the rule, {rule.told()}"
            for rule in rules
            if rule.date > edition.date and row["id"] in rule.moved
        ),
    ]


def as_markdown(
    ledger: Sequence[Mapping[str, Any]], edition: Edition | None, rules: Sequence[Rule]
) -> str:
    """Return the page of corrections in MyST.

    Parameters
    ----------
    ledger
        What `superpos.book.ledger.collect` returns. The verdicts compared are those that the
        registry expects.
    edition
        The first edition's ledger.
    rules
        The changes of the rule.
    """
    lines = ["# Corrections", ""]
    if edition is None:
        lines += ["This book has had no earlier edition.", ""]
    else:
        lines += _moved(ledger, edition, rules)
    lines += ["## Amendments", ""]
    amended = [
        f"- {_link(row['id'])}, {one_line(Amendment(**each).told())}"
        for row in ledger
        for each in row["amendments"]
    ]
    lines += [
        "What was changed of single claims after they were registered, in the test or in its code. "
        "Where the test as it was gave another verdict, that stands beside it. All changes that "
        "git knows of are in the [audit](audit)."
        if amended
        else "No claim has been changed since it was registered.",
        "",
        *amended,
        "",
    ]
    if rules:
        lines += ["## Changes of the rule", ""]
        lines += [
            "What turns rates into verdicts was changed since the first claims were registered."
        ]
        lines += ["", *(f"- {one_line(rule.told())}{_names(rule.moved)}" for rule in rules), ""]
    return "\n".join(lines)


def _moved(
    ledger: Sequence[Mapping[str, Any]], edition: Edition, rules: Sequence[Rule]
) -> list[str]:
    known = {row["id"] for row in ledger}
    added = [row["id"] for row in ledger if row["id"] not in edition.claims and not row["amends"]]
    gone = [name for name in edition.claims if name not in known]
    moved = edition.moved(ledger)
    counts = {
        "First edition": Counter(row["verdict"] for row in edition.claims.values()),
        "Now": Counter(row["expected"] for row in ledger if not row["amended_by"]),
    }
    lines = [
        f'The <a href="../{FIRST_EDITION}">ledger of the first edition</a> is kept as it was. '
        f"Since then {plural(len(moved), 'verdict')} moved, and {plural(len(added), 'claim')} "
        "came in.",
        "",
        f"| | {' | '.join(VERDICTS)} | together |",
        f"|---|{'--:|' * (len(VERDICTS) + 1)}",
        *(
            f"| {name} | {' | '.join(str(count[v] or '') for v in VERDICTS)} | {count.total()} |"
            for name, count in counts.items()
        ),
        "",
        "## Verdicts that moved",
        "",
    ]
    for row in moved:
        was, now = edition.claims[row["id"]]["verdict"], in_force(row, ledger)
        lines += [
            "::::{div} superpos-claim",
            f"{badge(was)} → {badge(now['expected'])} {one_line(now['statement'])}",
            "",
            _link(now["id"]),
            "",
            *(f"- {one_line(why)}" for why in reasons(row, edition, rules, ledger)),
            "::::",
            "",
        ]
    if not moved:
        lines += ["None has moved so far.", ""]
    if gone:
        lines += ["## Claims taken out", "", ", ".join(f"`{name}`" for name in gone) + ".", ""]
    return lines


def _names(moved: Sequence[str]) -> str:
    return f" It moved {', '.join(map(_link, moved))}." if moved else ""


def _link(name: str) -> str:
    return f'<a href="../claims/{name}.html">{name}</a>'
