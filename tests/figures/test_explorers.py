from __future__ import annotations

import json

import ipywidgets
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from superpos.book.pages import WIDGET_MIME, as_page
from superpos.errors import Diverged, InvalidArgument
from superpos.figures import style
from superpos.figures.explorers import Explorer, real, whole


def draw(n, slope):
    """So many lines of a slope; refuses seven of them, and cannot do eight."""
    if n == 7:
        raise InvalidArgument("n is 7: <fewer> & other lines are needed")
    if n == 8:
        raise Diverged("training diverged between steps 0 and 20")
    fig, ax = style.figure(width=2, height=2)
    for k in range(n):
        ax.plot([0, 1], [k, k + slope])
    return fig, f"{n} lines of slope <{slope:g}>"


@pytest.fixture
def explorer():
    return Explorer(draw, n=whole("lines <n>", 2, 1, 9), slope=real("slope s", 0.5, 0.0, 1.0, 0.1))


@pytest.fixture
def displayed(monkeypatch):
    found = []
    monkeypatch.setattr(
        style, "display", lambda bundle, *, raw, metadata: found.append((bundle, metadata))
    )
    return found


def picture(explorer) -> str:
    (image,) = (each for each in explorer.widget.children if isinstance(each, ipywidgets.Image))
    assert image.format == "svg+xml"
    return bytes(image.value).decode()


def note(explorer) -> str:
    (text,) = (each for each in explorer.widget.children if isinstance(each, ipywidgets.HTML))
    return text.value


def test_an_explorer_begins_with_the_figure_of_its_first_setting(explorer):
    expected, alt = draw(2, 0.5)
    assert picture(explorer) == style.svg(expected)
    assert explorer.alt == alt
    assert note(explorer) == "<small>2 lines of slope &lt;0.5&gt;</small>"


def test_moving_any_slider_draws_anew_without_a_kernel(explorer):
    for name, value, expected in (("n", 4, (4, 0.5)), ("slope", 0.2, (4, 0.2))):
        explorer.controls[name].value = value
        figure, alt = draw(*expected)
        assert picture(explorer) == style.svg(figure)
        assert explorer.alt == alt
        assert f"{expected[0]} lines of slope &lt;{expected[1]:g}&gt;" in note(explorer)


def test_a_slider_that_rests_draws_nothing(explorer):
    drawn = []
    explorer.draw = lambda **values: drawn.append(values) or draw(**values)
    explorer.controls["n"].value = 2
    explorer.controls["n"].description = "lines"
    assert drawn == []
    explorer.controls["n"].value = 3
    assert drawn == [{"n": 3, "slope": 0.5}]


def test_while_it_draws_it_says_so(explorer):
    told = []
    explorer.draw = lambda **values: told.append(note(explorer)) or draw(**values)
    explorer.controls["n"].value = 3
    assert told == ["drawing …"]


@pytest.mark.parametrize(
    ("n", "message"),
    [
        (7, "n is 7: &lt;fewer&gt; &amp; other lines are needed"),
        (8, "training diverged between steps 0 and 20"),
    ],
)
def test_what_cannot_be_drawn_is_told_to_the_reader_who_can_go_on(explorer, n, message):
    before = picture(explorer)
    explorer.controls["n"].value = n
    assert note(explorer) == message
    assert picture(explorer) == before
    explorer.controls["n"].value = 3
    assert picture(explorer) == style.svg(draw(3, 0.5)[0])
    assert note(explorer) == "<small>3 lines of slope &lt;0.5&gt;</small>"


def test_a_mistake_in_drawing_is_not_hidden(explorer):
    explorer.draw = lambda n, slope: 1 / 0
    with pytest.raises(ZeroDivisionError):
        explorer.controls["n"].value = 3


def test_the_sliders_stand_above_the_note_and_the_picture(explorer):
    kinds = [type(each) for each in explorer.widget.children]
    assert kinds == [
        *(ipywidgets.IntSlider, ipywidgets.FloatSlider, ipywidgets.HTML, ipywidgets.Image)
    ]


def test_showing_leaves_the_widget_and_the_still_figure_as_it_is_now(explorer, displayed):
    explorer.controls["n"].value = 4
    explorer.show(name="lines", caption="The lines.")
    (bundle, metadata), _ = displayed
    assert bundle[WIDGET_MIME]["model_id"] == explorer.widget.model_id
    assert bundle["image/svg+xml"].count("<path") == style.svg(draw(4, 0.5)[0]).count("<path")
    told = {"name": "lines", "alt": "4 lines of slope <0.5>", "caption": "The lines."}
    assert metadata == {"superpos": told}
    assert bundle["text/plain"] == told["alt"]
    json.dumps([bundle, metadata])


def test_the_still_picture_is_that_of_the_running_notebook(explorer, displayed):
    explorer.show(name="lines", caption="The lines.")
    assert displayed[0][0]["image/svg+xml"] == picture(explorer)


def test_the_page_has_the_still_figure_and_its_texts(explorer, displayed):
    explorer.show(name="lines", caption="The lines.")
    outputs = [
        new_output("display_data", bundle, metadata=metadata) for bundle, metadata in displayed
    ]
    page = as_page(new_notebook(cells=[new_code_cell("", outputs=outputs)]), chapter="lines")
    cell, _ = page.cells  # and a note on where its sliders are
    assert [list(output.data) for output in cell.outputs] == [["image/svg+xml"]]
    assert cell.metadata["mystnb"] == {
        "image": {"alt": "2 lines of slope <0.5>"},
        "figure": {"name": "lines", "caption": "The lines."},
    }


@pytest.mark.parametrize(
    ("slider", "value", "step", "ends"),
    [
        (whole("label", 5, 2, 12), 5, 1, (2, 12)),
        (real("label", 0.9, 0.0, 0.99, 0.01), 0.9, 0.01, (0.0, 0.99)),
    ],
    ids=["whole", "real"],
)
def test_a_slider_has_its_range_and_speaks_when_it_is_let_go(slider, value, step, ends):
    assert (slider.value, slider.step, slider.description) == (value, step, "label")
    assert not slider.continuous_update
    assert (slider.min, slider.max) == ends
