"""Chapters on paper, as Chromium prints them."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.site

SHOWN = "(each) => each.checkVisibility({contentVisibilityAuto: true, visibilityProperty: true})"
PAPER = {"width": 680, "height": 960}  # A4 with usual margins, in CSS pixels


@pytest.mark.parametrize("chapter", ["tegum_loss", "optimization_failure", "uniform_superposition"])
def test_folds_are_open_on_paper_and_code_that_is_hidden_stays_away(reads, chapter):
    page = reads(viewport=PAPER).open(f"book/executed/{chapter}.html")
    folds = page.locator("details.sd-dropdown, .tag_hide-cell > details")
    code = page.locator(".tag_hide-input > details")
    closed = folds.evaluate_all("(all) => all.filter((each) => !each.open).length")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert folds.evaluate_all("(all) => all.every((each) => each.open)")
    assert code.count() > 0
    assert code.evaluate_all(f"(all) => all.filter({SHOWN}).length") == 0
    words = page.locator("main .superpos-card .superpos-verdict")
    assert words.evaluate_all(f"(all) => all.every({SHOWN})")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert folds.evaluate_all("(all) => all.filter((each) => !each.open).length") == closed
    assert closed or chapter == "uniform_superposition"


def test_on_paper_a_figure_stands_where_the_page_has_an_instrument(reads):
    page = reads(viewport=PAPER).open("book/executed/demonstrating_superposition.html")
    figure = page.locator("figure#demo-explorer")
    assert not figure.is_visible()
    page.emulate_media(media="print")
    assert figure.is_visible()
    assert not page.locator(".superpos-live-place").is_visible()


@pytest.mark.parametrize("chapter", ["tegum_loss", "costs_of_superposition"])
def test_no_formula_is_cut_on_paper(reads, chapter):
    page = reads(viewport=PAPER).open(f"book/executed/{chapter}.html")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    wide = page.locator("div.math mjx-container[display=true]").evaluate_all(
        """(all) => all.filter((each) => {
          const drawn = each.querySelector("mjx-math").getBoundingClientRect();
          const place = each.closest("div.math").getBoundingClientRect();
          return drawn.left < place.left - 1 || drawn.right > place.right + 1;
        }).length"""
    )
    assert wide == 0
