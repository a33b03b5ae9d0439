"""The page of specification curves, and what of them stands on cards and in the ledger."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import yaml

from superpos.book import robustness, scoreboard
from superpos.book.ledger import collect
from superpos.book.robustness import Drawn
from superpos.claims.curves import Curve, Specification
from superpos.claims.registry import MIME_TYPE, load_registry
from superpos.claims.verdicts import conclude
from superpos.cli import main

DRAWN = Drawn(b"<svg/>", "Rates: 10% to 90%.", "The *curve*.", "| factor | |\n|---|---|")


def curve(claim: str, stale: str = "") -> Curve:
    found = [Specification({"p": str(k)}, k, 9, k > 4) for k in range(10)]
    return Curve(claim, "lines", 0.5, tuple(found), stale)


@pytest.fixture
def claims(book):
    return load_registry(book / "book" / "claims.yml")


POOLS = {
    "lines": SimpleNamespace(
        name="lines",
        claims=("alpha-rises", "beta-rests"),
        why="Why.",
        count=lambda _: 24,
        amendments=("On a day: because.",),
    )
}


def page(curves, claims) -> tuple[str, dict[str, bytes]]:
    files = robustness.as_files(curves, POOLS, claims, lambda _: DRAWN, least=24)
    return files.pop("book/robustness.md").decode(), files


def test_every_curve_is_shown_with_its_figure_and_its_drivers(claims):
    text, files = page({"alpha-rises": curve("alpha-rises")}, claims)
    assert '<span id="curve-alpha-rises"></span>' in text
    assert "It **holds in 5 of 10** specifications" in text
    assert "p 9: 9 of 9" in text
    assert ':alt: "Rates: 10% to 90%."' in text
    assert DRAWN.drivers in text
    assert "*Amended* On a day: because." in text
    assert files == {"book/robustness/alpha-rises.svg": b"<svg/>"}
    assert "- beta-rests (24 specifications): not computed yet" in text


def test_a_stale_curve_is_named_and_not_shown(claims):
    curves = {"alpha-rises": curve("alpha-rises", stale="its code has changed")}
    text, files = page(curves, claims)
    assert files == {}
    assert "- alpha-rises: does not count any more: its code has changed" in text
    assert "holds in" not in text


def recorded(**changes) -> dict:
    """A notebook in which a verdict on a claim with a curve was recorded."""
    found = conclude(load_registry()["alpha-rises"], torch.ones(60).bool(), **changes)
    return {"alpha": SimpleNamespace(cells=[{"outputs": [{"data": {MIME_TYPE: vars(found)}}]}])}


def test_the_ledger_and_the_scoreboard_tell_of_a_curve(claims):
    ledger = collect(claims, recorded(curve=curve("alpha-rises")))
    assert ledger[0]["curve"] == {"holds": 5, "of": 10, "favourable": "p 9: 9 of 9"}
    assert ledger[1]["curve"] is None
    text = scoreboard.as_markdown(ledger, {"alpha": "The first", "beta": "The second"})
    link = '<a href="robustness.html#curve-alpha-rises">holds in 5 of 10 specifications</a>'
    assert text.count("specifications</a>") == text.count(link) == 1


def test_the_built_site_has_the_page(copied_book, monkeypatch):
    grid = yaml.safe_dump([])
    (copied_book / "book" / "specifications.yml").write_text(grid)
    curves = {"alpha-rises": curve("alpha-rises")}
    monkeypatch.setattr("superpos.studies.grids.curves_of", lambda *_: curves)
    monkeypatch.setattr("superpos.studies.grids.pools", lambda *_: POOLS)
    assert main(["build"]) == 0
    html = copied_book / "_build" / "html" / "book"
    text = (html / "robustness.html").read_text("utf-8")
    assert 'id="curve-alpha-rises"' in text
    assert "The claim alpha-rises holds in 5 of 10 specifications." in text  # as an image's text
    assert (html.parent / "_sources" / "book" / "specifications.yml").read_text("utf-8") == grid
