from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from superpos.claims import cards, verdicts
from superpos.claims.amendments import Amendment, Response, Rule, amendments, responses, rules
from superpos.claims.registry import VERDICTS, load_registry
from superpos.errors import InvalidArgument

BOOK = Path(__file__).parents[2] / "book"
AMENDMENT = {
    "date": "2026-11-21",
    "what": "No\n interval.",
    "why": "All cases.",
    "measured": "after",
    "was": "untested",
}
REPLY = {"who": "A. Author", "date": "2027-01-02", "text": "More.", "address": "https://a.example"}
ENTRY = {
    "id": "rises",
    "chapter": "lines",
    "source": {
        "key": "elhage2022toy",
        "section": "Introduction",
        "place": "the first figure",
        "address": "https://lines.org/toy_model",
    },
    "statement": "The line rises.",
    "setting": "n = 5",
    "share": 0.8,
    "counts": "The last point lies above the first.",
    "expected": "untested",
}


@pytest.fixture
def load(tmp_path):
    """Load a registry of one claim, with more fields."""

    def load_entry(**fields):
        (tmp_path / "deviations.yml").write_text("")
        (tmp_path / "claims.yml").write_text(yaml.safe_dump([ENTRY | fields]))
        return load_registry(tmp_path / "claims.yml")["rises"]

    return load_entry


def test_a_claim_has_its_amendments_and_responses_in_their_order(load):
    second = AMENDMENT | {"date": "2026-12-01", "measured": "before"}
    del second["was"]
    claim = load(amendments=[AMENDMENT, second], responses=[REPLY], moved="It was too short.")
    assert claim.amendments == (
        Amendment("2026-11-21", "No interval.", "All cases.", "after", "untested"),
        Amendment("2026-12-01", "No interval.", "All cases.", "before", None),
    )
    assert claim.responses == (Response(**REPLY),)
    assert claim.moved == "It was too short."


def test_most_claims_have_none(load):
    claim = load()
    assert (claim.amendments, claim.responses, claim.moved) == ((), (), None)


@pytest.mark.parametrize("quoted", [True, False])
def test_a_date_is_one_with_and_without_quotes(quoted):
    text = "'2026-11-21'" if quoted else "2026-11-21"
    (found,) = amendments([AMENDMENT | {"date": yaml.safe_load(text)}], VERDICTS, where="here")
    assert found.date == "2026-11-21"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"amendments": [{"date": "2026-11-21", "what": "x"}]}, "an amendment lacks why, measured"),
        ({"amendments": [AMENDMENT | {"measured": "during"}]}, "made 'during' measuring"),
        ({"amendments": [AMENDMENT | {"was": "true"}]}, "'true', which is none of reproduced"),
        ({"amendments": [AMENDMENT | {"who": "I"}]}, "an amendment has a field who"),
        ({"amendments": [AMENDMENT | {"date": "21 November"}]}, "the date '21 November'"),
        ({"amendments": ["All cases."]}, "an amendment is 'All cases.'"),
        ({"amendments": "All cases."}, "a list is needed, not 'All cases.'"),
        ({"responses": [{"who": "A. Author", "date": "2027-01-02"}]}, "lacks text, address"),
        ({"responses": [REPLY | {"date": "soon"}]}, "a response has the date 'soon'"),
    ],
)
def test_what_is_incomplete_or_unknown_is_named_with_its_claim(load, fields, told):
    with pytest.raises(InvalidArgument, match=f"^claims.yml: claim rises: .*{told}"):
        load(**fields)


def test_changes_of_the_rule_are_read_in_order_and_checked(tmp_path):
    path = tmp_path / "rules.yml"
    assert rules(path) == ()
    path.write_text("# none yet\n")
    assert rules(path) == ()
    change = {name: AMENDMENT[name] for name in ("date", "what", "why", "measured")}
    path.write_text(yaml.safe_dump([change | {"moved": ["rises"]}, change]))
    first, second = rules(path)
    assert first == Rule("2026-11-21", "No interval.", "All cases.", "after", ("rises",))
    assert second.moved == ()
    path.write_text(yaml.safe_dump([change | {"measured": None}]))
    with pytest.raises(InvalidArgument, match=r"rules.yml: a change lacks measured"):
        rules(path)


def test_responses_need_all_fields():
    assert responses([REPLY], where="here")[0].told().startswith("A. Author, 2027-01-02: “More.”")


def test_the_card_tells_amendments_and_responses_and_only_where_there_are_some(load):
    def card(claim):
        found = verdicts.conclude(claim, torch.tensor([True] * 20))
        return cards.card(claim, found)

    told = card(load(amendments=[AMENDMENT], responses=[REPLY | {"who": "A & B"}]))
    assert "<dt>Changed</dt><dd>2026-11-21, after measuring: No interval. All cases." in told
    assert "By the test as it was: untested.</dd>" in told
    assert "<dt>Responses</dt><dd>A &amp; B, 2027-01-02" in told
    assert "Changed" not in card(load())
    assert "Responses" not in card(load())


# The book's own


def test_the_first_amendment_of_the_book_is_the_rule_for_complete_lists_of_cases():
    registry = load_registry(BOOK / "claims.yml")
    thomson = registry["loss-thomson"]
    assert thomson.complete
    assert [(each.measured, each.was) for each in thomson.amendments[:1]] == [("after", "untested")]
    moved = [name for rule in rules(BOOK / "rules.yml") for name in rule.moved]
    assert "loss-thomson" in moved
    assert set(moved) <= set(registry)
