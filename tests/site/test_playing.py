"""The instrument on the built front page, as readers handle it, and what they have without it."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.site

FRONT = "book/index.html"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def slider(page):
    return page.locator(".superpos-live-place").first.get_by_label("Sparsity").first


def shows(page, sparsity: float, *names: str) -> str:
    """Wait until the instrument is at a sparsity and says one of the names; return what it says."""
    page.wait_for_function(
        """([sparsity, names]) => {
          const place = document.querySelector(".superpos-live-place");
          const told = (place.querySelector(".found")?.innerText ?? "").toLowerCase();
          return Math.abs(place.querySelector(".S input").value - sparsity) < 0.02
            && names.some((name) => told.startsWith(name));
        }""",
        arg=[sparsity, list(names)],
    )
    return page.locator(".found").first.inner_text()


def reach(page, sparsity: float, press) -> None:
    """Call ``press`` with where along the slider a sparsity is, in pixels of the page."""
    its = slider(page)
    its.scroll_into_view_if_needed()
    box = its.bounding_box()
    low, high = (float(its.get_attribute(name)) for name in ("min", "max"))
    thumb = 16
    share = (sparsity - low) / (high - low)
    x = box["x"] + thumb / 2 + share * (box["width"] - thumb)
    press(x, box["y"] + box["height"] / 2)


def test_a_mouse_finds_the_cross_and_the_pentagon(reads):
    reader = reads()
    page = reader.open(FRONT)

    def drag(x: float, y: float) -> None:
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 1, y)
        page.mouse.move(x, y)
        page.mouse.up()

    reach(page, 0.8, drag)
    shows(page, 0.8, "cross")
    reach(page, 0.9, drag)
    told = shows(page, 0.9, "pentagon")
    assert re.search(r"all five (at|from) 1\.\d\d", told)
    assert reader.problems == []


def test_a_finger_finds_them(reads):
    reader = reads(**PHONE)
    page = reader.open(FRONT)
    reach(page, 0.9, page.touchscreen.tap)
    shows(page, 0.9, "pentagon")
    reach(page, 0.8, page.touchscreen.tap)
    shows(page, 0.8, "cross")
    assert reader.problems == []


def drag_with_a_finger(page, sparsity: float) -> None:
    """Draw the slider's thumb from where it is to a sparsity, as a finger does."""
    ends: list[tuple[float, float]] = []
    for value in (float(slider(page).input_value()), sparsity):
        reach(page, value, lambda *at: ends.append(at))
    touch = page.context.new_cdp_session(page)
    steps = [tuple(a + (b - a) * k / 10 for a, b in zip(*ends, strict=True)) for k in range(11)]
    for k, (x, y) in enumerate(steps):
        kind = "touchMove" if k else "touchStart"
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def told_interval(text: str) -> tuple[int, int]:
    """Return the ends of an interval in per cent, as a table or a pile has it."""
    low, high = re.search(r"[\[(](\d+)%?(?:, | to )(\d+) ?%", text).groups()
    return int(low), int(high)


@pytest.mark.parametrize(
    ("sparsity", "shape", "column"),
    [(0.8, "cross", "two pairs, of any four, at 80 %"), (0.9, "pentagon", "pentagon at 90 %")],
)
def test_the_piles_agree_with_what_the_first_chapter_measures(reads, sparsity, shape, column):
    """Without any network once the page is there, on a phone, by dragging one slider."""
    reader = reads(**PHONE)
    page = reader.open("book/executed/demonstrating_superposition.html")
    table = page.locator("table").filter(has_text="as the instrument")
    at = table.locator("tr").first.locator("th, td").all_inner_texts().index(column)
    row = table.locator("tr").filter(has_text="as the instrument").locator("th, td")
    measured = told_interval(row.nth(at).inner_text())

    page = reader.open(FRONT)
    page.context.set_offline(True)
    for value in (0.5, sparsity):
        drag_with_a_finger(page, value)
    shows(page, sparsity, shape)
    page.get_by_role("button", name="Again, 200 times").click()
    page.wait_for_function(
        "/^Of 200 starts/.test(document.querySelector('.heard').textContent)", timeout=90_000
    )
    pile = page.locator(".piles li").first.inner_text()
    assert pile.lower().startswith(shape)
    found = told_interval(pile)
    assert max(found[0], measured[0]) <= min(found[1], measured[1]), (found, measured)
    # with each new address of the page the browser asks for the icon again
    assert [told for told in reader.problems if not told.endswith("favicon.svg")] == []


def test_keys_reach_it_and_move_it(reads):
    reader = reads()
    page = reader.open(FRONT)
    for _ in range(80):
        page.keyboard.press("Tab")
        if slider(page).evaluate("it => it === document.activeElement"):
            break
    else:
        pytest.fail("80 presses of Tab do not reach the slider")
    page.keyboard.press("Home")
    shows(page, 0, "right angle")
    value = float(slider(page).input_value())
    page.keyboard.press("ArrowRight")
    assert float(slider(page).input_value()) > value
    assert reader.problems == []


@pytest.mark.parametrize("path", [FRONT, "book/executed/demonstrating_superposition.html"])
def test_opened_as_a_file_a_page_shows_the_figure_and_says_why(chromium, site, path):
    page = chromium.new_page()
    page.goto((site / path).as_uri(), wait_until="load")
    place = page.locator(".superpos-live-place").first
    assert "this picture can be played with" in place.inner_text()
    drawn = page.evaluate(
        """() => [...document.querySelectorAll("main img")].filter((image) =>
             image.complete && image.naturalWidth > 0 && image.getClientRects().length).length"""
    )
    assert drawn > 0
    page.close()
