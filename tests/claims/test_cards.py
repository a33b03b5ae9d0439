"""A claim's card: its formulas are set, and it says what it is told and no more."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

from superpos.claims.cards import card
from superpos.claims.registry import load_registry
from superpos.claims.verdicts import conclude

CLAIMS = load_registry()


def drawn(name: str, shown: int = 20, measured=None, **told: str) -> str:
    claim = CLAIMS[name]
    return card(claim, conclude(claim, torch.arange(20) < shown, measured=measured), **told)


def row(of: str, name: str) -> str:
    found = re.search(f"<dt>{re.escape(name)}</dt><dd>(.*?)</dd>", of)
    return found[1] if found else ""


def test_formulas_are_set_in_every_row():
    made = drawn("nonuniform-radius", measured={"‖W_i‖² + b_i": "W_j up to x^2", "a < b": "1 & 2"})
    assert "‖<var>W</var><sub><var>i</var></sub>‖" in row(made, "Claim")
    assert "<sub>" in row(made, "What counts")
    index = "<sub><var>i</var></sub>"
    assert f"<dt>‖<var>W</var>{index}‖² + <var>b</var>{index}</dt>" in made
    assert "<var>x</var><sup>2</sup>" in made
    assert "&lt; <var>b</var></dt><dd>1 &amp; 2</dd>" in made


@pytest.mark.parametrize("name", [name for name, claim in CLAIMS.items() if not claim.unmeasured])
def test_no_formula_of_the_registry_is_left_as_it_is_typed(name):
    made = drawn(name)
    told = re.sub(r"<code>.*?</code>|<[^>]+>", "", made)
    assert not re.search(r"[A-Za-z‖Σ]_\{?[A-Za-z]\b|\^\(?[A-Za-z0-9]", told)


def test_the_site_adds_where_the_claim_lives_what_we_make_of_it_and_its_commit():
    alone = drawn("demo-90-pentagon")
    assert row(alone, "Our judgement") == row(alone, "Registered") == ""
    assert "claims/" not in alone
    told = drawn(
        "demo-90-pentagon", address="../claims/x.html", judgement="b_i < 0.", registered="<b>c</b>"
    )
    assert '<a href="../claims/x.html"><code>demo-90-pentagon</code></a>' in told
    assert row(told, "Our judgement") == "<var>b</var><sub><var>i</var></sub> &lt; 0."
    assert row(told, "Registered") == "<b>c</b>"


def test_without_a_commit_it_is_still_said_that_the_outcome_was_known():
    known = replace(CLAIMS["demo-90-pentagon"], known=True)
    found = conclude(known, torch.ones(20).bool())
    assert row(card(known, found), "Registered") == "knowing the outcome"
