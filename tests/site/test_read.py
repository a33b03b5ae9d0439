"""Every page of the built book, served, in a real Chromium with the network cut."""

from __future__ import annotations

import json
import posixpath
import re
from collections import Counter
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from jsonschema import Draft202012Validator
from sphinx.util.inventory import InventoryFile

import superpos
from superpos.book import pdf
from superpos.book.reference import documented

pytestmark = pytest.mark.site

WIDTHS = (360, 390, 1280)
PRINTED = {each.path for each in pdf.sheets(Path(__file__).parents[2])}
PARTS = 8  # in which the pages of claims are read, so that no core waits long for another
FRONT, CHAPTER = 400_000, 1_000_000  # bytes sent, compressed
LIGHT = ("index.html", "book/index.html", "book/figures.html")  # as light as the front page
# Said in part by what one sees: axe has it off by default.
RULES = {"label-content-name-mismatch": {"enabled": True}}
# Sizes change as long as something slides, and what follows them is told before a picture is drawn.
STILL = """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
  .then(() => Promise.allSettled(document.getAnimations()
    .filter((each) => each.effect.getComputedTiming().endTime < Infinity)
    .map((each) => each.finished)))
  .then(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))"""
AXE = """([rules, theme]) => {
  document.documentElement.dataset.mode = document.documentElement.dataset.theme = theme;
  const tell = ({id, nodes: {length, 0: first}}) =>
    `${theme}: ${id}, ${length} times: ${first.html.slice(0, 200)}`;
  return axe.run({resultTypes: ["violations"], preload: false, rules}).then((found) =>
    found.violations.filter((each) => /critical|serious/.test(each.impact)).map(tell));
}"""


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, which the extra `test` brings."""
    return files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")


# A wide formula scrolls, and begins at its beginning.
BEGINS = """() => [...document.querySelectorAll("main div.math:has(mjx-math)")].filter((place) =>
  place.querySelector("mjx-math").getBoundingClientRect().left
    < place.getBoundingClientRect().left - 1).length"""


def too_wide(page) -> list[str]:
    """Return the widths at which a page is wider than its window, or hides how formulas begin."""
    wrong = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate(STILL)
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if over > 0:
            wrong.append(f"{over} px too wide at {width} px")
        if hidden := page.evaluate(BEGINS):
            wrong.append(f"{hidden} formulas begin out of sight at {width} px")
    return wrong


def cut_on_paper(page, name: str) -> list[str]:
    """Return what of a page that belongs to the PDF is larger than paper."""
    if name not in PRINTED:
        return []
    page.set_viewport_size({"width": pdf.WIDTH, "height": pdf.HEIGHT})
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.evaluate(pdf.DRAWN)
    return [f"{each}, on paper" for each in page.evaluate(pdf.CUT, [pdf.WIDTH, pdf.HEIGHT])]


def refused(page, axe: str) -> list[str]:
    """Return what axe finds critical or serious, in the light and in the dark."""
    page.evaluate(axe)
    themes = ("light", "dark")
    return [found for theme in themes for found in page.evaluate(AXE, [RULES, theme])]


def test_a_page_can_be_read_and_is_light(reads, axe, pages, site, name):
    reader = reads()
    page = reader.open(name)
    sent = sum(pages.weights(page, site).values())
    wrong = too_wide(page) + refused(page, axe) + cut_on_paper(page, name)
    assert wrong + reader.problems == []
    least = 5_000 if name == "404.html" else 20_000  # one comes without the theme
    assert least < sent < (FRONT if name in LIGHT else CHAPTER)


@pytest.mark.parametrize("part", range(PARTS))
def test_the_pages_of_claims_can_be_read(reads, axe, site, part):
    reader, wrong = reads(), {}
    found = sorted((site / "claims").glob("*.html"))
    assert len(found) >= PARTS
    for path in found[part::PARTS]:
        page = reader.open(f"claims/{path.name}")
        if found := too_wide(page) + refused(page, axe) + reader.problems:
            wrong[path.name] = found
        reader.problems.clear()
    assert wrong == {}


def test_icons_are_drawn(reads):
    """A missing letter of the font would be drawn as an empty box, in another font."""
    page = reads().open("book/index.html")
    page.evaluate("document.fonts.ready")
    assert page.evaluate(
        """() => {
          const icons = [...document.querySelectorAll("[class*=' fa-']")];
          return icons.length && icons.every((icon) => {
            const {content, fontFamily, fontWeight} = getComputedStyle(icon, "::before");
            return /^"[\\ue000-\\uf8ff]"$/.test(content)
              && document.fonts.check(`${fontWeight} 16px ${fontFamily}`, content.slice(1, -1));
          });
        }"""
    )


def test_the_sources_figures_have_ours_beside_them_and_captions_lead_there(reads):
    reader = reads()
    page = reader.open("book/figures.html")
    small = page.locator(".superpos-figures img")
    assert small.count() > 80
    drawn = "all => Promise.all(all.map(e => (e.loading = 'eager', e.decode())))"
    small.evaluate_all(drawn)
    assert small.evaluate_all("all => all.every(e => e.naturalWidth > 0 && e.width < 200)")
    numbers = page.locator(".superpos-figures a[href^='executed/']").all_inner_texts()
    assert {number.partition(" ")[0] for number in numbers} == {"Fig."}
    page = reader.open("book/executed/phase_change.html")
    caption = page.locator("figure#phase-two figcaption")
    assert "Compare figure 13 of Elhage et al. 2022." in caption.inner_text()
    caption.get_by_role("link", name="figure 13").click()
    line = page.locator("tr:has(:target)")
    assert "n=2, m=1" in line.inner_text()
    line.get_by_role("link", name="phase-theory-2-1").click()
    assert page.url.endswith("/claims/phase-theory-2-1.html")
    assert reader.problems == []


class Anchors(HTMLParser):
    """The links of a page, and the places in it that links may lead to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        told = dict(attrs)
        self.places |= {told[key] for key in ("id", "name") if told.get(key)}
        self.links += [told[key] for key in ("href", "src") if told.get(key)]


def test_no_link_of_any_page_is_broken(site):
    found = {path: Anchors(path) for path in site.rglob("*.html")}
    broken = set()
    for path, page in found.items():
        for link in page.links:
            if link.startswith(("http:", "https:", "mailto:", "data:", "#S=", "/")):
                continue
            target, _, anchor = link.partition("#")
            end = (path.parent / unquote(target.partition("?")[0])).resolve() if target else path
            if not end.exists() or (
                anchor and end in found and unquote(anchor) not in found[end].places
            ):
                broken.add(f"{path.relative_to(site)}: {link}")
    assert broken == set()
    assert sum(len(page.links) for page in found.values()) > 1000


@pytest.mark.parametrize("wrong", ["gone.html", "book/executed/gone.html", "a/b/c/d"])
def test_a_wrong_address_is_answered_at_any_depth(reads, wrong):
    reader = reads()
    page = reader.open(wrong)
    assert page.get_by_role("heading", name="There is no page at this address").is_visible()
    assert reader.problems == [
        "console: Failed to load resource: the server responded with a status of 404 (Not Found) "
        + reader.address + wrong
    ]  # fmt: skip
    page.get_by_role("searchbox").fill("pentagon")
    page.get_by_role("button", name="Search").click()
    page.wait_for_selector("ul.search li a")


def test_the_first_use_of_a_word_leads_to_its_meaning_by_keyboard(reads):
    page = reads().open("book/executed/uniform_superposition.html")
    word = page.locator("a.superpos-term", has_text="digons")
    assert word.count() == 1
    assert "two corners" in word.get_attribute("title")
    word.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/book/glossary.html#term-digon")
    assert page.locator("#term-digon").is_visible()


def test_names_in_code_lead_to_the_reference_and_look_like_code(reads):
    reader = reads()
    page = reader.open("book/index.html")
    name = page.locator(".highlight a.superpos-name", has_text="feature_dimensionality")
    assert name.evaluate(
        "e => getComputedStyle(e).color === getComputedStyle(e.parentElement).color"
    )
    name.click()
    page.wait_for_url("**/book/reference/superpos.geometry.html#*feature_dimensionality")
    assert page.locator("dt:target").is_visible()
    shown = reader.open("book/executed/uniform_superposition.html")
    assert shown.locator("a.superpos-name[title='superpos.studies.study.Run.record']").count() > 5
    assert reader.problems == []


def test_every_word_of_the_glossary_is_linked_at_most_once_a_chapter_and_by_some(site):
    words = re.findall('id="(term-[^"]*)"', (site / "book/glossary.html").read_text("utf-8"))
    linked: Counter[str] = Counter()
    for path in (site / "book/executed").glob("*.html"):
        links = re.findall(
            r'class="superpos-term" href="../glossary.html#([^"]*)"', path.read_text("utf-8")
        )
        assert len(links) == len(set(links)), path
        linked.update(links)
    assert set(linked) == set(words)
    assert len(words) > 40


def test_what_the_search_shows_of_a_page_reads_as_text(reads):
    shown = []
    for word in ("dimensionality", "interference", "kink"):
        page = reads().open(f"search.html?q={word}")
        page.wait_for_function(
            "document.querySelectorAll('ul.search li').length > 1 && "
            "[...document.querySelectorAll('ul.search li')].slice(1).every(e => e.children.length)"
        )
        page.wait_for_selector("ul.search p.context")
        shown += page.locator("ul.search p.context").all_inner_texts()
    text = "\n".join(shown)
    assert len(shown) > 10
    assert not re.search(r"[\\$]|Contents The", text)
    assert not re.search("(reproduced|qualified|contradicted|untested)[A-Z]", text)
    assert "√D_i" in text


def test_the_search_finds_a_word(reads):
    page = reads().open("search.html?q=pentagon")
    page.wait_for_selector("ul.search li a")
    assert page.locator("ul.search li a").count() > 3
    page.locator("ul.search li a").first.click()
    page.wait_for_load_state()
    assert "pentagon" in page.locator("main").inner_text().lower()


def test_the_ledger_is_served_and_is_as_its_schema_says(reads, site):
    page = reads().open("book/scoreboard.html")
    ledger = json.loads(page.request.get(reads().address + "claims.json").text())
    schema = json.loads(page.request.get(reads().address + ledger["$schema"]).text())
    Draft202012Validator(schema).validate(ledger)
    assert len(ledger["claims"]) == len(list((site / "claims").glob("*.html")))
    assert set(ledger["chapters"]) == {
        path.stem for path in (site / "book/executed").glob("*.html")
    }


def test_every_public_name_is_in_the_reference(site):
    with (site / "objects.inv").open("rb") as file:
        found = InventoryFile.load(file, "", posixpath.join)
    there = {name: entry[2] for kind in found for name, entry in found[kind].items()}
    places: dict[str, set[str]] = {}  # by page, each of which is read once
    for module, names in documented().items():
        for name in names:
            assert f"{module}.{name}" in there, f"{module}.{name}"
            page, _, place = there[f"{module}.{name}"].partition("#")
            if page not in places:
                places[page] = set(Anchors(site / page).places)
            assert place in places[page]
    for name in superpos.__all__:
        assert (
            f"superpos.{name}" in there or (site / f"book/reference/superpos.{name}.html").exists()
        )
