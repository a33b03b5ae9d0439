"""The ledger as linked data: what it says of a source's claim, in terms that exist."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import pytest
from pyld import jsonld

from superpos.book import citation
from superpos.book.envelope import enveloped
from superpos.book.evidence import counted
from superpos.book.ledger import collect, registry
from superpos.book.linked import VOCABULARIES, as_jsonld

CHECKOUT = Path(__file__).parents[2]
CITO, FORRT = VOCABULARIES["cito"], VOCABULARIES["forrt"]
SITE = "https://lines.org/book/"


def refused(address, options):
    raise AssertionError(f"{address} is asked for: readers without a network have no context")


def expanded(document: dict) -> dict[str, dict]:
    """The nodes by address, from a processor that is told of each term that it does not know."""
    dropped: list[str] = []
    nodes = jsonld.expand(
        document, {"base": SITE, "documentLoader": refused}, on_property_dropped=dropped.append
    )
    assert dropped == []
    terms = set(re.findall(r'"([^"@]+)": \[', json.dumps(nodes)))  # a prefix left out makes others
    assert {term for term in terms if not term.startswith(tuple(VOCABULARIES.values()))} == set()
    return {node["@id"].removeprefix(SITE): node for node in nodes}


def told(book, row: dict) -> dict[str, dict]:
    record = {
        "provenance": {"commit": "c0ffee"}, "parameters": {},
        "parts": {"versions": {"python": "3.11"}, "device": "cpu", "threads": 1},
    }  # fmt: skip
    notebooks = {"alpha": SimpleNamespace(metadata={"superpos": record})}
    ledger = enveloped([row], notebooks, book)
    return expanded(as_jsonld(ledger, citation.sources(book), {}, citation.edition(book)))


@pytest.fixture
def row(book):
    found = counted(9, 10) | {"told": "shown by 9 of 10", "at_rest": None}
    kept = counted(1, 2) | {"procedure": "As the source trains."}
    return collect(registry(book), {})[0] | {
        "verdict": "reproduced",
        "evidence": found | {"as_published": kept},
        "curve": {"holds": 3, "of": 4, "favourable": "all"},
    }


def test_what_is_published_is_json_ld_without_a_term_that_is_not_known(built_book):
    site = built_book / "_build" / "html"
    nodes = expanded(json.loads((site / "claims.jsonld").read_text("utf-8")))
    outcome = nodes["claims/alpha-rises.html#outcome"]
    assert outcome[f"{CITO}confirms"] == [{"@id": f"{SITE}claims/alpha-rises.html#claim"}]
    assert "claims/beta-rests.html#outcome" not in nodes
    (run,) = outcome[f"{VOCABULARIES['prov']}wasGeneratedBy"]
    made = nodes[run["@id"].removeprefix(SITE)][f"{VOCABULARIES['prov']}generated"][0]["@id"]
    assert (site / made.removeprefix(SITE)).exists()


def test_its_words_of_schema_org_are_words_of_schema_org(book, row):
    vocabulary = json.loads((files("rocrate") / "data" / "schema.jsonld").read_text("utf-8"))
    known = {node["@id"].removeprefix("schema:") for node in vocabulary["@graph"]}
    reply = {"who": "A", "date": "2027-01-02", "text": "No.", "address": "https://a.example/1"}
    used = re.findall(
        r'"http://schema.org/(\w+)"', json.dumps(told(book, row | {"responses": [reply]}))
    )
    assert {"Claim", "Comment", "variableMeasured"} <= {*used} <= known


def test_every_claim_of_this_book_can_be_told():
    ledger = enveloped(collect(registry(CHECKOUT), {}), {}, CHECKOUT)
    document = as_jsonld(
        ledger,
        citation.sources(CHECKOUT),
        citation.addresses(CHECKOUT),
        citation.edition(CHECKOUT),
    )
    nodes = expanded(document)
    assert {f"{row['permalink']}#claim" for row in ledger["claims"]} <= nodes.keys()


@pytest.mark.parametrize(
    ("verdict", "says"),
    [
        ("reproduced", "confirms"),
        ("qualified", "qualifies"),
        ("contradicted", "disputes"),
        ("untested", None),
        ("new", None),
    ],
)
def test_a_verdict_says_of_the_claim_what_it_means(book, row, verdict, says):
    outcome = told(book, row | {"verdict": verdict})["claims/alpha-rises.html#outcome"]
    said = [name.removeprefix(CITO) for name in outcome if name.startswith(CITO)]
    assert said == ([says] if says else [])


def test_a_test_that_is_not_in_force_says_nothing_of_the_claim(book, row):
    outcome = told(book, row | {"amended_by": "alpha-rises-2"})["claims/alpha-rises.html#outcome"]
    assert not [name for name in outcome if name.startswith(CITO)]


def test_study_and_outcome_lead_to_the_claim_and_the_rates_are_numbers(book, row):
    nodes = told(book, row)
    outcome = nodes["claims/alpha-rises.html#outcome"]
    (study,) = outcome[f"{FORRT}isOutcomeOf"]
    (claim,) = nodes[study["@id"].removeprefix(SITE)][f"{FORRT}targetsClaim"]
    assert claim["@id"] == f"{SITE}claims/alpha-rises.html#claim"
    schema = VOCABULARIES["schema"]
    rates = outcome[f"{schema}variableMeasured"]
    assert [each[f"{schema}value"][0]["@value"] for each in rates] == [0.9, 0.5, 0.75]
    assert rates[0][f"{schema}minValue"][0]["@value"] == pytest.approx(0.596, abs=1e-3)
    assert f"{schema}minValue" not in rates[2]
