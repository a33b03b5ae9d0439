"""The instrument as a reader handles it, in Chromium."""

from __future__ import annotations

import re

import pytest
import torch

from superpos.figures.palette import POLYTOPES
from superpos.live import SOURCE
from superpos.stats import rate_interval

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True}


def found(page) -> str:
    return page.locator(".found").inner_text().replace("\n", ", ")


def rest(page) -> str:
    """Wait for the descent's end; return what is told then to those who do not see it."""
    page.wait_for_function("/step 900/.test(document.querySelector('.heard').textContent)")
    return page.locator(".heard").inner_text()


def drag(page, label: str, value: float) -> None:
    """Move a slider as a reader does, through all that lies between."""
    slider = page.get_by_label(label)
    slider.evaluate(
        """(slider, end) => {
          for (let k = 1, from = Number(slider.value); k <= 8; k++) {
            slider.value = from + (end - from) * k / 8;
            slider.dispatchEvent(new Event("input", {bubbles: true}));
          }
          slider.dispatchEvent(new Event("change", {bubbles: true}));
        }""",
        value,
    )


def shows(page, text: str) -> None:
    page.wait_for_function(
        "text => document.querySelector('.found').innerText.startsWith(text)", arg=text
    )


def test_it_is_small_and_needs_nothing():
    source = SOURCE.read_text("utf-8")
    assert len(source.encode()) <= 60_000
    assert not re.search(
        r"^import |import\(|fetch\(|https?://(?!www\.w3\.org/2000/svg)", source, re.M
    )


def test_dragging_one_slider_finds_the_cross_and_the_pentagon(opened):
    page = opened()
    assert "pentagon, all five from 1.08 to 1.11" in rest(page)
    drag(page, "Sparsity", 0.8)
    shows(page, "Cross")
    assert "one left out" in found(page)
    drag(page, "Sparsity", 0)
    shows(page, "Right angle")
    drag(page, "Sparsity", 0.9)
    shows(page, "Pentagon")
    page.get_by_label("Sparsity").press("ArrowLeft")
    page.wait_for_function("/S=0.89/.test(location.hash)")
    assert page.problems == []


@pytest.mark.parametrize(("sparsity", "name"), [(0.8, "cross"), (0.9, "pentagon")])
def test_they_are_what_most_starts_find(opened, sparsity, name):
    names = opened().evaluate(
        """S => Array.from({length: 60}, (_, seed) => {
          const its = live.toy.tidy({S, seed: seed + 1000});
          return live.toy.recognise(live.toy.descend(its).place, its).name;
        })""",
        sparsity,
    )
    assert names.count(name) > 30


def test_the_address_holds_the_settings(opened):
    page = opened()
    rest(page)
    assert page.url.endswith("/")  # nothing is as nobody set it
    drag(page, "Sparsity", 0.8)
    drag(page, "Features n", 6)
    page.locator("summary").click()
    page.get_by_label("Features are").select_option("correlated")
    again = opened(after=page.url.partition("#")[1] + page.url.partition("#")[2])
    assert re.search(r"0\.80", again.locator(".S i").inner_text())
    assert again.get_by_label("Features n").input_value() == "6"
    assert again.locator("select").input_value() == "correlated"
    told = rest(again)
    drag(page, "Step of the descent", 0)
    drag(page, "Step of the descent", 150)
    assert rest(page) == told


def test_every_address_is_read_back(opened):
    off = opened().evaluate("""() => {
      const {uniform} = live.toy.random(7), wrong = [];
      for (let k = 0; k < 300; k++) {
        const some = {sets: live.toy.SETS[Math.floor(3 * uniform())]};
        for (const [name, [low, high]] of Object.entries(live.toy.RANGES)) {
          some[name] = low + uniform() * (high - low);
        }
        const its = live.toy.tidy(some), back = live.readHash(live.writeHash(its));
        if (JSON.stringify(its) !== JSON.stringify(back)) wrong.push([its, back]);
      }
      return wrong;
    }""")
    assert off == []


@pytest.mark.parametrize("hash", ["#live?S=2&n=x&m=&sets=none&seed=-3", "#live?", "#top"])
def test_a_broken_address_does_no_harm(opened, hash):
    page = opened(after=hash)
    rest(page)
    assert page.problems == []


def test_it_plays_stops_and_goes_on(opened):
    page = opened()
    rest(page)
    play = page.locator(".main")
    play.click()
    play.click()
    step = page.locator(".loss .caption").inner_text()
    page.wait_for_timeout(100)
    assert page.locator(".loss .caption").inner_text() == step
    before = int(step.split()[-1])
    assert before < 900
    page.get_by_role("button", name="Step", exact=True).press("Enter")
    page.wait_for_function(
        "step => document.querySelector('.loss .caption').innerText.endsWith(step)",
        arg=f"step {before + 1}",
    )
    play.click()
    rest(page)


def test_the_same_seed_gives_the_same_descent_in_the_worker_and_out_of_it(opened):
    page = opened({"seed": 3, "n": 9})
    told = rest(page)
    name, loss = page.evaluate("""() => {
      const its = live.toy.tidy({seed: 3, n: 9}), end = live.toy.descend(its);
      return [live.toy.recognise(end.place, its).sentence, end.loss.toPrecision(3)];
    }""")
    assert told == f"At sparsity 0.90, step 900 of 900: {name}. Loss {loss}."


def test_two_hundred_starts_fall_into_piles(opened):
    page = opened({"n": 3})  # small: the page is what is tested
    rest(page)
    page.get_by_role("button", name="Again, 200 times").click()
    page.wait_for_function(
        "/^Of 200 starts/.test(document.querySelector('.heard').textContent)", timeout=20_000
    )
    rows = page.locator(".piles li").all_inner_texts()
    counts = [
        tuple(map(int, re.search(r"(\d+) of (\d+), (\d+) % \((\d+) to (\d+) %\)", row).groups()))
        for row in rows
    ]
    assert sum(count for count, *_ in counts) == 200
    assert [count for count, *_ in counts] == sorted((count for count, *_ in counts), reverse=True)
    for count, total, percent, low, high in counts:
        assert percent == round(100 * count / total + 1e-9)
        ends = rate_interval(torch.arange(total) < count)
        assert (low, high) == pytest.approx([100 * end for end in ends], abs=0.51)
    assert page.locator(".piles circle[r='2.4']").count() == 200
    assert page.problems == []


def test_the_piles_can_be_stopped_and_lead_to_their_runs(opened):
    page = opened()
    rest(page)
    page.get_by_role("button", name="Again, 200 times").click()
    page.wait_for_function("document.querySelectorAll('.piles circle[r=\"2.4\"]').length > 5")
    page.get_by_role("button", name="Stop").click()
    stopped = page.locator(".piles circle[r='2.4']").count()
    page.wait_for_timeout(300)
    assert page.locator(".piles circle[r='2.4']").count() == stopped < 200
    last = page.locator(".piles li").last
    name = last.locator("b").inner_text()
    last.get_by_role("button").click()
    rest(page)
    shows(page, name)


def test_nothing_moves_by_itself_for_those_who_want_it_still(opened):
    page = opened(reduced_motion="reduce")
    assert rest(page).startswith("At sparsity 0.90, step 900 of 900: pentagon")
    page.get_by_role("button", name="Restart").click()
    page.wait_for_function("/step 0 /.test(document.querySelector('.heard').textContent)")
    page.wait_for_timeout(200)
    assert "step 0" in page.locator(".loss .caption").inner_text()
    page.get_by_role("button", name="Step", exact=True).click()
    assert "step 50 of" in page.locator(".heard").inner_text()
    page.get_by_role("button", name="To the end").click()
    rest(page)


@pytest.mark.parametrize("context", [PHONE, {"viewport": {"width": 1280, "height": 800}}])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_the_page(opened, context, theme):
    page = opened(theme=theme, **context)
    rest(page)
    page.locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    low = page.evaluate("""() => [...document.querySelectorAll("button, select, input, summary")]
      .filter(one => one.getBoundingClientRect().height < 24).length""")
    assert low == 0
    assert page.problems == []


def test_every_control_has_a_name_and_every_picture_a_text(opened):
    page = opened()
    rest(page)
    page.locator("summary").click()
    controls = page.locator(".superpos-live").locator("input, select, button")
    for control in controls.all():
        assert control.evaluate(
            "one => one.ariaLabel || one.labels?.[0]?.innerText || one.innerText"
        )
    pictures = page.get_by_role("img").all()
    assert len(pictures) == 4
    assert pictures[0].get_attribute("aria-label").startswith("Pentagon, all five")
    assert all(re.search(r"\d\.\d", one.get_attribute("aria-label")) for one in pictures)


def test_space_is_turned_by_a_pointer(opened):
    page = opened({"m": 3, "n": 6}, reduced_motion="reduce")
    assert "octahedron" in rest(page)
    area = page.locator(".plane svg")
    before = area.inner_html()
    box = area.bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 120)
    page.mouse.up()
    page.wait_for_function(
        "before => document.querySelector('.plane svg').innerHTML !== before", arg=before
    )


NOTEBOOK = """() => {
  const model = live.plain({hash: false, settings: {S: 0.8}});
  const el = document.body.appendChild(document.createElement("div"));
  window.linked = {model, remove: live.default.render({model, el})};
  el.scrollIntoView();
}"""


def test_a_notebook_s_model_is_linked_both_ways(opened):
    page = opened(reduced_motion="reduce")
    page.evaluate(NOTEBOOK)
    page.wait_for_function("linked.model.get('found').startsWith('cross')")
    W, b = page.evaluate("[linked.model.get('W'), linked.model.get('b')]")
    assert (len(W), len(W[0]), len(b)) == (2, 5, 5)
    sent = [[1.0, 0.0, 0.0], [0.0, 1.1, 0.0]]
    page.evaluate("W => linked.model.set('W', W)", sent)
    page.wait_for_function(
        "linked.model.get('found') === 'right angle, two from 1.00 to 1.10, one left out'"
    )
    assert page.evaluate("linked.model.get('W')") == sent  # as they came
    assert page.evaluate("linked.model.get('settings').n") == 3
    page.evaluate("linked.model.set('settings', {n: 6, m: 3, decay: 1})")
    page.wait_for_function("linked.model.get('found').startsWith('octahedron')")
    assert page.evaluate("linked.model.get('W').length") == 3
    page.evaluate("linked.remove()")
    assert page.locator(".superpos-live").count() == 1
    assert "#" not in page.url
    assert page.problems == []


def test_colours_are_those_of_the_book_s_figures():
    source = SOURCE.read_text("utf-8")
    for name, (D, colour) in POLYTOPES.items():
        rgb = ", ".join(f"0x{colour[k : k + 2].lower()}" for k in (1, 3, 5))
        line = re.search(rf'"{name}", (\d) / (\d), \[{rgb}\]', source)
        assert line is not None, name
        assert int(line[1]) / int(line[2]) == D
