from __future__ import annotations

import itertools
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
import yaml
from IPython.core.formatters import DisplayFormatter
from nbformat.v4 import new_code_cell, new_notebook, new_output
from torch import Tensor

from superpos.book import ledger
from superpos.claims import verdicts as claims
from superpos.claims.registry import MIME_TYPE, Claim, load_registry
from superpos.claims.wording import mark
from superpos.errors import InvalidArgument
from superpos.stats import rate_interval


def outcomes(shown: int, trials: int = 20) -> Tensor:
    return torch.arange(trials) < shown


def claim(share: float) -> Claim:
    return Claim(
        id="rises", chapter="lines", source_key="k", source_section="s", source_place="p",
        source_address="https://lines.org", statement="It rises.",
        setting="n = 5", share=share, counts="It does.", qualified="It does not fall.",
        expected="untested", deviations=(),
    )  # fmt: skip


# Judging (every case of the rule is in test_rule.py)


@pytest.mark.parametrize(
    ("shown", "weaker", "verdict"),
    [
        (20, None, "reproduced"),
        (10, None, "untested"),
        (0, None, "contradicted"),
        (20, 20, "reproduced"),
        (20, 0, "reproduced"),
        (10, 20, "untested"),  # with more seeds it may hold as it is
        (0, 20, "qualified"),
        (0, 10, "untested"),  # the weaker reading may still hold
        (0, 0, "contradicted"),
    ],
)
def test_a_verdict_needs_an_interval_on_one_side_of_the_marks(shown, weaker, verdict):
    weaker = None if weaker is None else outcomes(weaker)
    assert claims.judge(claim(0.5), outcomes(shown), weaker) == verdict


def test_a_rate_between_the_marks_is_qualified():
    assert claims.judge(claim(0.5), outcomes(400, 1000)) == "qualified"
    assert claims.judge(claim(0.5), outcomes(250, 1000)) == "contradicted"
    assert claims.judge(replace(claim(0.5), lower=0.2), outcomes(250, 1000)) == "qualified"


def test_where_training_decides_one_measurement_contradicts_nothing():
    trained = replace(claim(0.5), training=True)
    found = [claims.judge(trained, outcomes(shown, 1000)) for shown in (900, 400, 100)]
    assert found == ["reproduced", "qualified", "untested"]
    assert claims.judge(trained, outcomes(0), outcomes(20)) == "qualified"


@pytest.mark.parametrize(("shown", "verdict"), [(20, "new"), (10, "untested"), (0, "new")])
def test_what_goes_beyond_the_sources_is_new_once_it_is_decided(shown, verdict):
    for training in (False, True):
        ours = replace(claim(0.5), new=True, training=training)
        assert claims.judge(ours, outcomes(shown)) == verdict


@pytest.mark.parametrize(
    ("shown", "weaker", "verdict"),
    [
        (11, None, "reproduced"),
        (10, None, "qualified"),
        (6, None, "qualified"),
        (5, None, "contradicted"),
        (5, 11, "qualified"),
        (5, 10, "contradicted"),
    ],
)
def test_a_rate_over_all_the_cases_there_are_needs_no_interval(shown, weaker, verdict):
    weaker = None if weaker is None else outcomes(weaker)
    complete = replace(claim(0.5), complete=True)
    assert claims.judge(complete, outcomes(shown), weaker) == verdict


@pytest.mark.parametrize("shown", [3, 10, 16])
def test_an_interval_that_ends_at_a_mark_decides_nothing(shown):
    low, high = rate_interval(outcomes(shown))
    for share, verdict in (
        (math.nextafter(low, 0), "reproduced"),
        (low, "untested"),
        (high, "untested"),
        (math.nextafter(high, 2), "contradicted"),
    ):
        one_mark = replace(claim(share), lower=share)
        assert claims.judge(one_mark, outcomes(shown)) == verdict
    apart = replace(claim(high), lower=low)
    assert claims.judge(apart, outcomes(shown)) == "qualified"
    for lower in (math.nextafter(low, 2), high):
        assert claims.judge(replace(apart, lower=lower), outcomes(shown)) == "untested"


@pytest.mark.parametrize("weaker", [3, 10, 16])
def test_nor_does_that_of_the_weaker_reading(weaker):
    low, high = rate_interval(outcomes(weaker))
    for share, verdict in (
        (math.nextafter(low, 0), "qualified"),
        (low, "untested"),
        (high, "contradicted"),  # it does not hold, though perhaps sometimes
    ):
        nothing = torch.zeros(5000, dtype=torch.bool)
        one_mark = replace(claim(share), lower=share)
        assert claims.judge(one_mark, nothing, outcomes(weaker)) == verdict


def test_the_same_rate_decides_more_with_more_seeds():
    verdicts = [claims.judge(claim(0.5), outcomes(7 * k, 10 * k)) for k in (1, 2, 10)]
    assert verdicts == ["untested", "untested", "reproduced"]


def test_one_seed_decides_nothing_about_half():
    for shown in (0, 1):
        assert claims.judge(claim(0.5), outcomes(shown, 1)) == "untested"


def test_more_seeds_that_show_a_claim_never_make_it_worse():
    order = ["contradicted", "untested", "qualified", "untested", "reproduced"]
    found = [claims.judge(claim(0.5), outcomes(k, 300)) for k in range(301)]
    assert [verdict for verdict, _ in itertools.groupby(found)] == order


# Recording

SOURCE = {
    "key": "elhage2022toy", "section": "Geometry", "place": "the figure of <lines>",
    "address": "https://lines.org/toy?a=1&b=2#geometry",
}  # fmt: skip
CLAIMS = [
    {
        "id": name, "chapter": chapter, "source": SOURCE,
        "statement": f"{name}: $D < 1$ & more.", "setting": "n = 5", "share": 0.5,
        "counts": f"What counts for {name} is <1.", "expected": "reproduced",
        "deviations": deviations,
    } | weaker
    for name, chapter, deviations, weaker in (
        ("lines-rise", "lines", ["steps", "start"], {"qualified": "Only <some> lines rise."}),
        ("lines-meet", "lines", ["start", "width"], {}),
        ("dots-rest", "dots", ["colour"], {}),
    )
]  # fmt: skip
DEVIATIONS = {
    name: {"setting": name.title(), "source": "Silent.", "ours": "Five.", "depends": "No."}
    for name in ("colour", "start", "steps", "width")
}


@pytest.fixture(autouse=True)
def _a_book_of_lines(book):
    """A registry of three claims, found from the working folder."""
    (book / "book" / "claims.yml").write_text(yaml.safe_dump(CLAIMS))
    (book / "book" / "deviations.yml").write_text(yaml.safe_dump(DEVIATIONS))


@pytest.fixture
def displayed(monkeypatch):
    """What is displayed: MIME bundles, as a kernel would send them."""
    bundles = []

    def display(bundle, *, raw, metadata=None):
        assert raw
        bundles.append(json.loads(json.dumps(bundle)))

    monkeypatch.setattr(claims, "display", display)
    return bundles


class Card(HTMLParser):
    """The rows of a verdict's card, its label, the ids in it, and where it leads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[tuple[str, list[str]]] = []
        self.ids, self.led, self.open = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []
        names, values = (
            ["".join(text) for tag, text in self.texts if tag == kind] for kind in ("dt", "dd")
        )
        self.rows = dict(zip(names, values, strict=True))
        (self.label,) = ["".join(text) for tag, text in self.texts if tag == "span"]

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        self.led += [value for name, value in attrs if name == "href"]
        if tag in ("dt", "dd", "span"):
            self.texts.append((tag, []))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"dt", "dd", "span"} & set(self.open):
            self.texts[-1][1].append(data)


def test_a_verdict_is_left_in_the_outputs_with_its_evidence(displayed):
    verdict = claims.record("lines-rise", outcomes(19), measured={"slope": "0.5 [0.4, 0.6]"})
    (bundle,) = displayed
    assert set(bundle) == {MIME_TYPE, "text/html"}
    assert bundle[MIME_TYPE] == {
        "id": "lines-rise",
        "verdict": "reproduced",
        "evidence": "shown by 19 of 20 (95%, 95 % interval 76% to 99%) seeds",
        "measured": {"slope": "0.5 [0.4, 0.6]"},
        "seeds": 20,
        "quick": False,
        "rate": "19 of 20",
        "weaker_rate": "",
        "weaker_holds": False,
        "held": None,
        "why": "",
        "command": "",
        "curve": None,
    }
    assert vars(verdict) == bundle[MIME_TYPE]


def test_a_weaker_reading_is_part_of_the_evidence(displayed):
    verdict = claims.record("lines-rise", outcomes(2), weaker=outcomes(10, 10))
    assert verdict.verdict == "qualified"
    assert verdict.evidence == (
        "shown by 2 of 20 (10%, 95 % interval 3% to 30%) seeds; "
        "the weaker reading by 10 of 10 (100%, 95 % interval 72% to 100%)"
    )
    assert verdict.seeds == 20


def test_the_card_says_what_was_claimed_where_what_counts_and_what_was_found(displayed):
    measured = {"size < 1": "a & b"}
    command = "superpos retest lines-meet --procedure <b>"
    verdict = claims.record("lines-meet", outcomes(1), measured=measured, command=command)
    card = Card(displayed[0]["text/html"])
    assert card.label == "contradicted"
    assert card.ids == ["claim-lines-meet"]  # the scoreboard's link leads there
    assert card.rows == {
        "Claim": "lines-meet: $D < 1$ & more.",
        "Source": "Geometry: the figure of <lines>",
        "What counts": "What counts for lines-meet is <1.",
        "Mark": mark(load_registry()["lines-meet"]),
        "Evidence": verdict.evidence,
        "size < 1": "a & b",
        "Run it again": command,
    }
    assert card.led == [SOURCE["address"]]


def test_a_card_without_a_command_names_none(displayed):
    claims.record("lines-meet", outcomes(1))
    assert "Run it again" not in Card(displayed[0]["text/html"]).rows


@pytest.mark.parametrize(
    ("shown", "held", "label"),
    [(20, "holds", "new: held"), (0, "fails", "new: failed"), (10, None, "untested")],
)
def test_new_says_whether_what_we_expected_held(displayed, book, shown, held, label):
    ours = [entry | {"new": True} for entry in CLAIMS if "qualified" not in entry]
    (book / "book" / "claims.yml").write_text(yaml.safe_dump(ours))
    verdict = claims.record("lines-meet", outcomes(shown))
    assert verdict.held == held
    assert Card(displayed[0]["text/html"]).label == label
    assert displayed[0][MIME_TYPE]["held"] == held


def test_of_what_the_sources_claim_it_is_not_said_whether_it_was_expected(displayed):
    for shown in (0, 10, 20):
        assert claims.record("lines-meet", outcomes(shown)).held is None


def test_only_a_qualified_card_says_with_what_change(displayed):
    for shown, weaker in ((20, 20), (0, 20), (0, 0)):
        claims.record("lines-rise", outcomes(shown), weaker=outcomes(weaker))
    cards = [Card(bundle["text/html"]) for bundle in displayed]
    assert [card.label for card in cards] == ["reproduced", "qualified", "contradicted"]
    assert [card.rows.get("With this change") for card in cards] == [
        None, "Only <some> lines rise.", None,
    ]  # fmt: skip


@pytest.mark.parametrize("quick", [True, False])
def test_a_quick_verdict_says_so_and_never_counts(displayed, book, quick):
    claims.record("lines-meet", outcomes(20), quick=quick)
    outputs = [new_output("display_data", bundle) for bundle in displayed]
    notebook = new_notebook(cells=[new_code_cell("", outputs=outputs)])
    rows = {row["id"]: row for row in ledger.collect(load_registry(), {"lines": notebook})}
    assert rows["lines-meet"]["verdict"] == ("untested" if quick else "reproduced")
    assert rows["lines-meet"]["seeds"] == (None if quick else 20)
    assert ("does not count" in Card(displayed[0]["text/html"]).label) is quick


@pytest.mark.parametrize("shown", [[True] * 20, np.ones(20, dtype=bool), outcomes(20)])
def test_outcomes_may_be_a_list_an_array_or_a_tensor(displayed, shown):
    assert claims.record("lines-meet", shown).verdict == "reproduced"


def test_a_claim_that_is_not_registered_cannot_be_recorded(displayed):
    with pytest.raises(InvalidArgument, match=r"^claim 'lines-fall' is not in the registry"):
        claims.record("lines-fall", outcomes(20))
    assert displayed == []


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (torch.zeros(0, dtype=torch.bool), r"torch.bool and shape \(0,\)"),
        (torch.ones(20), r"torch.float32 and shape \(20,\)"),
        (torch.ones(20, dtype=torch.int64), r"torch.int64 and shape \(20,\)"),
        (outcomes(20).reshape(4, 5), r"torch.bool and shape \(4, 5\)"),
        (torch.tensor(True), r"torch.bool and shape \(\)"),
    ],
)
def test_what_is_not_one_boolean_a_trial_is_refused_by_name(displayed, value, found):
    told = f"has dtype {found}: one boolean for each trial is needed"
    with pytest.raises(InvalidArgument, match=f"^shown {told}"):
        claims.record("lines-rise", value)
    with pytest.raises(InvalidArgument, match=f"^weaker {told}"):
        claims.record("lines-rise", outcomes(20), weaker=value)
    assert displayed == []


def test_a_claim_about_models_at_rest_is_not_judged_on_others(displayed):
    with pytest.raises(
        InvalidArgument, match="'lines-rise' is about models at rest, and only 5 of 6"
    ):
        claims.record("lines-rise", outcomes(20), at_rest=outcomes(5, 6).reshape(2, 3))
    assert displayed == []
    verdict = claims.record("lines-rise", outcomes(20), at_rest=outcomes(6, 6).reshape(2, 3))
    assert verdict.measured["Models at rest"] == "6 of 6"
    quick = claims.record("lines-rise", outcomes(20), at_rest=outcomes(5, 6), quick=True)
    assert quick.measured["Models at rest"] == "5 of 6"


def test_a_weaker_reading_that_was_not_registered_is_refused(displayed):
    with pytest.raises(InvalidArgument, match="'lines-meet' has no weaker reading in the registry"):
        claims.record("lines-meet", outcomes(20), weaker=outcomes(20))
    assert displayed == []


@pytest.mark.parametrize(
    ("shown", "trials", "text"),
    [
        (0, 20, "0 of 20 (0%, 95 % interval 0% to 16%)"),
        (100, 200, "100 of 200 (50%, 95 % interval 43% to 57%)"),
        (1, 1, "1 of 1 (100%, 95 % interval 21% to 100%)"),
    ],
)
def test_a_rate_is_told_with_its_count_and_interval(shown, trials, text):
    assert claims.rate(outcomes(shown, trials)) == text


# Showing


def test_a_verdict_at_the_end_of_a_cell_is_not_shown_twice(displayed):
    verdict = claims.record("lines-meet", outcomes(20))
    assert len(displayed) == 1
    assert DisplayFormatter().format(verdict) == ({}, {})


def test_the_claims_of_a_chapter_are_listed_in_the_registrys_order(displayed):
    claims.show_claims("lines")
    (bundle,) = displayed
    assert bundle["text/plain"].split("\n") == [
        "lines-rise: lines-rise: $D < 1$ & more.",
        "lines-meet: lines-meet: $D < 1$ & more.",
    ]
    links = re.findall(r'<li><a href="#claim-([a-z-]+)">\1</a> (.*?)</li>', bundle["text/html"])
    assert links == [
        ("lines-rise", "lines-rise: $<var>D</var> &lt; 1$ &amp; more."),
        ("lines-meet", "lines-meet: $<var>D</var> &lt; 1$ &amp; more."),
    ]


def test_a_chapter_without_claims_is_refused_by_name(displayed):
    with pytest.raises(InvalidArgument, match="chapter 'circles' has no claims in the registry"):
        claims.show_claims("circles")
    assert displayed == []


def test_the_deviations_of_a_chapter_are_listed_once_each(displayed):
    claims.show_deviations("lines")
    (bundle,) = displayed
    assert bundle["text/markdown"] == bundle["text/plain"]
    lines = bundle["text/markdown"].split("\n")
    assert [line.partition("**")[2].partition(".**")[0] for line in lines] == [
        *("Steps", "Start", "Width")
    ]
    (first, *_) = load_registry()["lines-rise"].deviations
    assert lines[0] == f"- {claims.deviation_text(first)}"


def test_a_rate_is_of_what_is_true_or_false():
    with pytest.raises(
        InvalidArgument, match="outcomes has an entry that is neither true nor false"
    ):
        claims.rate(torch.tensor([0.5, 0.5]))
