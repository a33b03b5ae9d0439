"""The page of specification curves, and what of them stands on cards and in the ledger."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml

from superpos.book import robustness, scoreboard
from superpos.book.chapters import chapter_names
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
    name: SimpleNamespace(
        name=name,
        chapter=chapter,
        claims=(claim,),
        why="Why.",
        count=lambda _: 24,
        amendments=("On a day: because.",),
    )
    for name, chapter, claim in (
        ("lines", "alpha", "alpha-rises"),
        ("points", "beta", "beta-rests"),
    )
}
TITLES = {"alpha": "The first", "beta": "The second", "gamma": "Without curves"}


def pages(curves, claims) -> dict[str, str]:
    """Return the pages, and the figures, by path."""
    files = robustness.as_files(curves, POOLS, claims, TITLES, lambda _: DRAWN, least=24)
    return {path.removeprefix("book/"): text.decode() for path, text in files.items()}


def test_every_curve_is_shown_with_its_figure_and_its_drivers(claims):
    files = pages({"alpha-rises": curve("alpha-rises")}, claims)
    text = files["robustness/alpha.md"]
    assert '<span id="curve-alpha-rises"></span>' in text
    assert "It **holds in 5 of 10** specifications" in text
    assert "p 9: 9 of 9" in text
    assert ':alt: "Rates: 10% to 90%."' in text
    assert DRAWN.drivers in text
    assert "*Amended* On a day: because." in text
    assert "## Registered and not shown" not in text
    assert files["robustness/alpha-rises.svg"] == "<svg/>"


def test_each_chapter_has_its_own_and_one_page_leads_to_all(claims):
    files = pages({"alpha-rises": curve("alpha-rises")}, claims)
    assert {*files} == {
        "robustness.md", "robustness/alpha.md", "robustness/beta.md", "robustness/alpha-rises.svg",
    }  # fmt: skip
    index = files["robustness.md"]
    assert index.index("## The first") < index.index("## The second")
    link = '<a href="robustness/alpha.html#curve-alpha-rises">alpha-rises</a>'
    assert f"| {link} | holds in 5 of 10 |" in index
    assert "beta-rests" not in index
    assert "- beta-rests (24 specifications): not computed yet" in files["robustness/beta.md"]


def test_a_superseded_test_names_the_one_in_force(claims):
    newer = replace(claims["beta-rests"], amends="alpha-rises")
    index = pages({"alpha-rises": curve("alpha-rises")}, claims | {"beta-rests": newer})
    assert "| holds in 5 of 10 | superseded by beta-rests |" in index["robustness.md"]


def test_a_factor_that_moves_nothing_decides_nothing():
    found = [Specification({"p": str(k)}, 0, 9, False) for k in range(3)]
    assert Curve("alpha-rises", "lines", 0.5, tuple(found)).decides == ""


def test_the_table_of_contents_has_a_page_for_every_chapter_with_a_grid():
    checkout = Path(__file__).parents[2]
    listed = (checkout / "_toc.yml").read_text("utf-8").split("book/robustness/")[1:]
    grids = yaml.safe_load((checkout / "book" / "specifications.yml").read_text("utf-8"))
    grids = {pool["chapter"] for pool in grids}
    assert [line.split()[0] for line in listed] == [
        n for n in chapter_names(checkout) if n in grids
    ]


def test_a_stale_curve_is_named_and_not_shown(claims):
    curves = {"alpha-rises": curve("alpha-rises", stale="its code has changed")}
    files = pages(curves, claims)
    text = files["robustness/alpha.md"]
    assert "robustness/alpha-rises.svg" not in files
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
    link = '<a href="robustness/alpha.html#curve-alpha-rises">holds in 5 of 10 specifications</a>'
    assert text.count("specifications</a>") == text.count(link) == 1


def test_the_built_site_has_the_page(copied_book, monkeypatch):
    grid = yaml.safe_dump([])
    (copied_book / "book" / "specifications.yml").write_text(grid)
    curves = {"alpha-rises": curve("alpha-rises")}
    monkeypatch.setattr("superpos.studies.grids.curves_of", lambda *_: curves)
    monkeypatch.setattr("superpos.studies.grids.pools", lambda *_: POOLS)
    contents = (copied_book / "_toc.yml").read_text("utf-8")
    own = "".join(f"\n          - file: book/robustness/{name}" for name in ("alpha", "beta"))
    index = "      - file: book/robustness"
    contents = contents.replace(index, f"{index}\n        sections:{own}")
    (copied_book / "_toc.yml").write_text(contents, "utf-8")
    assert main(["build"]) == 0
    html = copied_book / "_build" / "html" / "book"
    index = (html / "robustness.html").read_text("utf-8")
    assert 'href="robustness/alpha.html#curve-alpha-rises"' in index
    text = (html / "robustness" / "alpha.html").read_text("utf-8")
    assert 'id="curve-alpha-rises"' in text
    assert "The claim alpha-rises holds in 5 of 10 specifications." in text  # as an image's text
    assert (html.parent / "_sources" / "book" / "specifications.yml").read_text("utf-8") == grid
