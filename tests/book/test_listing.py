"""The ledger in a terminal: what is asked for, within its width."""

from __future__ import annotations

from pathlib import Path

import pytest

from superpos.book.ledger import collect, registry
from superpos.book.listing import chosen, listed
from superpos.errors import InvalidArgument

FOUND = {"of": 200, "as_published": None, "at_rest": None}


@pytest.fixture(scope="module")
def ledger():
    rows = collect(registry(Path(__file__).parents[2]), {})
    for number, row in enumerate(rows):
        if row["new"]:
            row |= {"verdict": "new", "held": "fails" if number % 2 else "holds"}
        if number % 3:
            row |= {"evidence": FOUND | {"shown": number}}
    return rows


def names(rows) -> set[str]:
    return {row["id"] for row in rows}


def test_what_is_asked_for_narrows_what_is_shown(ledger):
    failed, new = chosen(ledger, verdict="new: failed"), chosen(ledger, verdict="new")
    assert names(failed) == {row["id"] for row in ledger if row["held"] == "fails"}
    assert names(failed) < names(new)
    assert names(chosen(ledger, source="ours")) == names(new)
    assert len(chosen(ledger, source="ours")) + len(chosen(ledger, source="sources")) == len(ledger)
    pentagon = chosen(ledger, chapter="demonstrating_superposition", words=["PENTAGON", "sparsity"])
    assert "demo-90-pentagon" in names(pentagon)
    assert {row["chapter"] for row in pentagon} == {"demonstrating_superposition"}
    assert chosen(ledger, words=["no such word"]) == []
    assert chosen(ledger) == ledger


@pytest.mark.parametrize(
    "asked", [{"verdict": "splendid"}, {"source": "nobody"}, {"chapter": "none"}]
)
def test_what_no_claim_could_have_is_refused_by_name(ledger, asked):
    ((name, value),) = asked.items()
    with pytest.raises(InvalidArgument, match=rf"--{name} must be one of .*; got {value}"):
        chosen(ledger, **asked)


@pytest.mark.parametrize("width", [1, 40, 80, 200])
def test_no_line_is_longer_than_the_terminal(ledger, width):
    lines = listed(ledger, width=width).splitlines()
    assert max(map(len, lines)) <= max(width, 40)
    text = " ".join(" ".join(lines).split())
    for row in ledger:
        assert " ".join(row["statement"].split()) in text


def test_totals_come_first_and_count_what_is_in_force(ledger):
    text = listed(ledger, width=1000)
    force = [row for row in ledger if not row["amended_by"]]
    first = text.splitlines()[0]
    assert first.startswith(f"{len(force)} claims: ")
    assert f"{sum(row['held'] == 'fails' for row in force)} new: failed" in first
    assert first.endswith(f"; {len(ledger) - len(force)} superseded")
    assert f"{ledger[1]['id']}  untested  0.5% (1 of 200)" in text
    assert listed([], width=80) == "0 claims"
