from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
import torch

from superpos.errors import InvalidArgument
from superpos.figures import style
from superpos.figures.animations import Animation

LABELS = ["start", "middle", "end"]
SVG = "{http://www.w3.org/2000/svg}"


def animation(**line) -> Animation:
    """A line of two points that goes from the left edge to the right one, in two steps."""
    fig, ax = style.figure(width=4, height=4)
    ax.set(xlim=(0, 1), ylim=(0, 1))
    made = Animation(fig, LABELS, seconds=3)
    x = torch.tensor([[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]])
    made.add(ax, x, torch.tensor([0.0, 1.0]), **line)
    return made


def drawing(page: str) -> ElementTree.Element:
    return ElementTree.fromstring(re.search(r"<svg.*</svg>", page, re.DOTALL)[0])


def moves(page: str) -> dict[str, list[str]]:
    """What is animated, and the values it takes."""
    return {
        move.get("attributeName"): move.get("values").split(";")
        for move in drawing(page).iter(f"{SVG}animate")
    }


def test_a_line_goes_through_every_frame():
    (path,) = moves(animation().html("fig", "alt")).values()
    ends = [[float(number) for number in re.findall(r"[\d.]+", d)] for d in path]
    (left, *_), (middle, *_), (right, *_) = ends
    assert len(path) == len(LABELS)
    assert middle == pytest.approx((left + right) / 2, abs=0.1)
    for x_low, y_low, x_high, y_high in ends:
        assert x_low == x_high  # upright, and its second point is above the first
        assert y_high < y_low


def test_places_are_those_of_the_still_figure():
    made = animation(marker="o", ls="")
    found = moves(made.html("fig", "alt"))
    group = next(g for g in drawing(style.svg(made.figure)).iter() if g.get("id") == "moving-0")
    still = list(group.iter(f"{SVG}use"))[-1]
    for axis in "xy":  # the last frame's, within what is rounded off
        assert float(found[axis][-1]) == pytest.approx(float(still.get(axis)), abs=0.06)


def test_markers_move_one_by_one():
    page = animation(marker="o", ls="").html("fig", "alt")
    assert len(list(drawing(page).iter(f"{SVG}animate"))) == 4  # x and y of two points


def test_the_page_has_a_button_a_slider_and_a_label_and_loads_nothing():
    page = animation().html("fig", "it's <moving>")
    assert page.count("<button") == page.count('type="range"') == page.count("<output>") == 1
    assert 'max="2" value="0"' in page
    assert drawing(page).get("aria-label") == "it's <moving>"
    assert drawing(page).get("role") == "img"
    assert not re.search(r'(?:src|href)="(?!#)', page)


def test_two_animations_share_no_id():
    found = [
        set(re.findall(r' id="([^"]+)"', animation().html(name, "alt"))) for name in ("one", "two")
    ]
    assert found[0]
    assert not found[0] & found[1]


def test_what_refers_to_an_id_finds_it():
    page = animation(marker="o").html("fig", "alt")
    ids = set(re.findall(r' id="([^"]+)"', page))
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', page)) <= ids


def test_the_same_animation_has_the_same_bytes():
    assert animation().html("fig", "alt") == animation().html("fig", "alt")


def test_it_is_shown_with_its_last_frame_for_print(monkeypatch):
    shown = []
    monkeypatch.setattr(style, "display", lambda data, **_: shown.append(data))
    animation().show(name="fig", alt="A line moves.", caption="It moves.")
    assert {"text/html", "image/svg+xml", "text/plain"} == set(shown[0])
    assert "<animate" in shown[0]["text/html"]
    assert "<animate" not in shown[0]["image/svg+xml"]


@pytest.mark.parametrize("labels", [[], ["only"]])
def test_one_frame_is_no_animation(labels):
    with pytest.raises(InvalidArgument, match=f"labels has {len(labels)} entries"):
        Animation(style.figure()[0], labels)


@pytest.mark.parametrize("shape", [(2, 1), (3,), (3, 0), (3, 1, 1)])
def test_places_that_do_not_fit_the_frames_are_refused(shape):
    fig, ax = style.figure()
    with pytest.raises(InvalidArgument, match=r"x and y have shape .*\(3, points\) is needed"):
        Animation(fig, LABELS).add(ax, torch.zeros(shape), torch.zeros(shape))


def test_what_leaves_the_figure_is_refused_with_its_frame():
    fig, ax = style.figure()
    ax.set(xlim=(0, 1), ylim=(0, 1))
    made = Animation(fig, LABELS)
    made.add(ax, torch.tensor([[0.0], [9.0], [0.0]]), torch.zeros(3, 1))
    with pytest.raises(InvalidArgument, match="leave the figure in frame 1"):
        made.html("fig", "alt")


def test_a_reader_plays_it_stops_it_and_moves_the_slider(browser):
    page = browser.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.set_content(animation(marker="o", ls="").html("fig", "alt"))

    def place() -> float:
        return page.locator("[id*=moving] use").first.evaluate("mark => mark.x.animVal.value")

    button, slider = page.locator("button"), page.locator("input")
    start = place()
    assert (button.get_attribute("aria-label"), page.locator("output").inner_text()) == (
        *("Play", "start"),
    )
    slider.fill("2")
    end = place()
    assert start < end
    button.click()  # from the end it plays from the start
    page.wait_for_function("document.querySelector('output').textContent === 'middle'")
    button.click()
    stopped = place()
    assert start < stopped < end
    page.wait_for_timeout(100)
    assert place() == stopped
    slider.fill("0")
    assert place() < stopped
    assert slider.get_attribute("aria-valuetext") == "start"
    button.click()
    page.wait_for_function("document.querySelector('button').textContent === '▶'")
    assert place() == end
    page.emulate_media(media="print")
    assert wrong == []
    page.close()
