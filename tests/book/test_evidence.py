"""The numbers behind a verdict, as programs read them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from superpos.book.evidence import counted, evidence, interval
from superpos.book.failures import NotPublishable
from superpos.book.ledger import registry
from superpos.claims.verdicts import conclude
from superpos.stats import rate_interval


@pytest.fixture
def claim(book):
    return replace(registry(book)["alpha-rises"], qualified="It rises a little.")


def verdict(claim, shown: int, of: int, **options) -> dict:
    """A verdict as a notebook records it."""
    return vars(conclude(claim, torch.arange(of) < shown, **options))


@pytest.mark.parametrize(("shown", "of"), [(0, 7), (7, 7), (9, 10), (1, 3), (199, 200)])
def test_the_interval_is_the_one_that_decided(shown, of):
    assert interval(shown, of) == pytest.approx(rate_interval(torch.arange(of) < shown), abs=1e-12)


def test_a_verdicts_counts_are_numbers_with_the_marks_that_they_are_held_against(claim):
    found = evidence(claim, verdict(claim, 9, 10, weaker=torch.ones(10, dtype=torch.bool)))
    assert (found["shown"], found["of"]) == (9, 10)
    assert found["interval"] == pytest.approx([0.596, 0.982], abs=1e-3)
    assert found["weaker"] == counted(10, 10)
    assert (found["mark"], found["lower_mark"]) == (claim.share, claim.lower)
    assert (found["as_published"], found["at_rest"]) == (None, None)
    assert found["told"].startswith("shown by 9 of 10 (90%")


def test_where_all_cases_were_tried_there_is_no_interval(claim):
    whole = replace(claim, complete=True)
    found = evidence(whole, verdict(whole, 3, 4))
    assert (found["shown"], found["of"], found["interval"], found["weaker"]) == (3, 4, None, None)


def test_what_was_measured_once_is_read_from_its_file(claim, book):
    recorded = verdict(claim, 9, 10) | {"measured": {"As published": "shown by 2 of 5 …"}}
    with pytest.raises(NotPublishable, match="alpha-rises rests on a measurement as published"):
        evidence(claim, recorded)
    (book / "book" / "measured").mkdir()
    kept = {"shown": 2, "of": 5, "weaker": [4, 5], "procedure": "As the source trains."}
    path = book / "book" / "measured" / "alpha-rises.published.json"
    path.write_text(json.dumps(kept), "utf-8")
    found = evidence(claim, recorded)
    assert found["as_published"] == counted(2, 5) | {
        "weaker": counted(4, 5), "procedure": "As the source trains.",
    }  # fmt: skip
    assert found["at_rest"] is None
    assert evidence(claim, verdict(claim, 9, 10))["as_published"] is None  # it did not count then


def test_a_verdict_without_a_count_is_not_published(claim):
    assert evidence(claim, {}) is None
    with pytest.raises(NotPublishable, match="alpha-rises has no count: 'most'"):
        evidence(claim, verdict(claim, 9, 10) | {"rate": "most"})
