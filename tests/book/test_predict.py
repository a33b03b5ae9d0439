"""Predict, then see: a reader guesses each verdict before its card opens."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from superpos.book.filling import badges
from superpos.claims import verdicts
from superpos.claims.cards import card
from superpos.claims.registry import load_registry

STATIC = Path(__file__).parents[2] / "book" / "_static"
SHOWN = {"demo-90-pentagon": 20, "demo-dense-orthogonal": 20, "uniform-ladder": 20}


@pytest.fixture(scope="module")
def page():
    """A chapter's page: two claims of a source, one of ours, and one that is not decided."""
    claims, cards, recorded = load_registry(), [], {}
    for name in (*SHOWN, "demo-rescaled"):
        shown = torch.arange(20) < SHOWN.get(name, 8)
        verdict = verdicts.conclude(claims[name], shown)
        cards.append(card(claims[name], verdict))
        recorded[name] = vars(verdict)
    assert [each["verdict"] for each in recorded.values()] == [
        *("reproduced", "reproduced", "new", "untested")
    ]
    listed = badges([(name, claims[name].statement) for name in recorded], recorded)
    style, script = ((STATIC / f"predict.{kind}").read_text("utf-8") for kind in ("css", "js"))
    return (
        f"<!doctype html><title>A page</title><style>{style}</style><script>{script}</script>"
        "<article class='bd-article'><section><h1>A chapter</h1><p>What is asked?</p>"
        f"<p>What came out.</p><div>{listed}</div>"
        f"<section>{''.join(cards)}</section></section></article>"
    )


@pytest.fixture
def opened(browser, page):
    context = browser.new_context()
    context.route("**/*", lambda route: route.fulfill(body=page, content_type="text/html"))

    def visit():
        tab = context.new_page()
        tab.goto("http://site.test/")
        return tab

    yield visit
    context.close()


def evidence(tab) -> int:
    """How many cards tell what was found."""
    rows = tab.locator(".superpos-card dt").all()
    return sum(row.inner_text() == "Evidence" for row in rows if row.is_visible())


def test_off_until_it_is_asked_for(opened):
    tab = opened()
    assert evidence(tab) == 4
    assert tab.get_by_text("What came out.", exact=True).is_visible()
    assert tab.locator(".superpos-count").is_visible()
    assert not tab.get_by_text("What came out?").first.is_visible()
    toggle = tab.get_by_role("button", name="Predict, then see")
    assert toggle.get_attribute("aria-pressed") == "false"


def test_a_card_opens_when_its_verdict_is_guessed_and_the_score_is_kept(opened):
    tab = opened()
    tab.get_by_role("button", name="Predict, then see").click()
    assert evidence(tab) == 1  # the one that is not decided: there is nothing to guess
    assert not tab.get_by_text("What came out.", exact=True).is_visible()
    assert not tab.locator(".superpos-count").is_visible()
    assert tab.locator(".superpos-claims a").all_inner_texts() == ["guess"] * 3 + ["untested"]
    assert not any(each.is_visible() for each in tab.get_by_text("reproduced", exact=True).all())
    cards = tab.locator(".superpos-card")
    assert cards.nth(0).get_by_text("What counts", exact=True).is_visible()

    cards.nth(0).get_by_role("button", name="it holds").click()
    assert evidence(tab) == 2
    assert "you guessed it" in cards.nth(0).inner_text()
    cards.nth(1).get_by_role("button", name="it does not hold").click()
    assert "you guessed: it does not hold" in cards.nth(1).inner_text()
    assert tab.get_by_role("status").inner_text() == (
        "1 of 2 right here, 1 of 2 in all; 1 to guess."
    )

    tab = opened()  # again, another day
    assert evidence(tab) == 3
    cards = tab.locator(".superpos-card")
    assert cards.nth(2).get_by_role("button").all_inner_texts() == [
        *("it held", "sometimes", "it failed")
    ]
    cards.nth(2).get_by_role("button", name="it held").click()
    assert "2 of 3 right here" in tab.get_by_role("status").inner_text()
    assert tab.get_by_text("What came out.", exact=True).is_visible()

    tab.get_by_role("button", name="Forget my guesses").click()
    assert evidence(tab) == 1
    tab.get_by_role("button", name="Predict, then see").click()
    assert evidence(tab) == 4
    assert tab.locator(".superpos-claims a").first.inner_text() == "reproduced"


@pytest.mark.parametrize(
    "kept",
    ["{nonsense", "null", '"on"', '{"guesses": 5}', '{"guesses": {"claim-x": "reproduced"}}'],
)
def test_what_was_kept_may_be_nonsense(opened, kept):
    tab = opened()
    tab.evaluate("kept => localStorage.setItem('superpos-predict', kept)", kept)
    tab = opened()
    assert evidence(tab) == 4
    tab.get_by_role("button", name="Predict, then see").click()
    assert evidence(tab) == 1
