from __future__ import annotations

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from superpos.book.failures import NotPublishable
from superpos.book.pages import WIDGET_MIME, as_page

SVG = "image/svg+xml"


def image(name: str = "fig", **told) -> nbformat.NotebookNode:
    told = {"name": name, "alt": f"alt of {name}", "caption": f"Caption of {name}"} | told
    return new_output("display_data", {SVG: "<svg/>"}, metadata={"superpos": told})


def caption(name: str = "fig") -> nbformat.NotebookNode:
    told = {"superpos": {"caption_of": name}}
    return new_output("display_data", {"text/markdown": "shown below"}, metadata=told)


def text(words: str) -> nbformat.NotebookNode:
    return new_output("stream", text=words)


def page(*outputs, **metadata) -> list[nbformat.NotebookNode]:
    cell = new_code_cell("draw()", outputs=list(outputs), metadata=metadata, id="draw")
    notebook = new_notebook(cells=[new_markdown_cell("# Title"), cell])
    before = nbformat.writes(notebook)
    made = as_page(notebook, chapter="shapes")
    assert nbformat.writes(notebook) == before
    nbformat.validate(made)
    return made.cells[1:]


def test_a_figures_texts_move_to_the_cell_and_its_caption_output_goes():
    (cell,) = page(image(), caption(), tags=["hide-input"])
    assert cell.metadata["mystnb"] == {
        "image": {"alt": "alt of fig"},
        "figure": {"name": "fig", "caption": "Caption of fig"},
    }
    assert [list(output.data) for output in cell.outputs] == [[SVG]]
    assert (cell.source, cell.metadata["tags"]) == ("draw()", ["hide-input"])


def test_each_of_several_figures_has_a_cell_of_its_own_and_the_source_is_shown_once():
    cells = page(text("before"), image("a"), caption("a"), image("b"), caption("b"), text("after"))
    assert [cell.metadata.get("mystnb", {}).get("figure", {}).get("name") for cell in cells] == [
        *(None, "a", "b", None)
    ]
    assert [output.text for cell in (cells[0], cells[3]) for output in cell.outputs] == [
        *("before", "after")
    ]
    assert cells[0].source == "draw()"
    assert all(cell.metadata["tags"] == ["remove-input"] for cell in cells[1:])
    assert len({cell.id for cell in cells}) == 4


def test_a_figure_without_a_caption_keeps_its_alternative_text():
    (cell,) = page(image(caption=""))
    assert cell.metadata["mystnb"] == {"image": {"alt": "alt of fig"}}


@pytest.mark.parametrize("alt", ["", "  ", None])
def test_a_figure_without_alternative_text_is_an_error(alt):
    with pytest.raises(NotPublishable, match="chapter shapes, code cell 1: figure fig has no alt"):
        page(image(alt=alt))


def test_so_is_an_image_that_the_package_did_not_show():
    with pytest.raises(NotPublishable, match="code cell 1: figure without a name has no alt"):
        page(new_output("display_data", {"image/png": "AA==", "text/plain": "<Figure>"}))


def explorer(**told) -> nbformat.NotebookNode:
    made = image("explorer", **told)
    made.data |= {WIDGET_MIME: {"model_id": "m"}, "text/plain": "VBox()", "text/html": "<b/>"}
    return made


def test_an_explorer_leaves_its_still_image_and_says_where_its_sliders_are():
    still, note = page(explorer(), caption("explorer"))
    assert list(still.outputs[0].data) == [SVG]
    assert "sliders" in note.outputs[0].data["text/html"]
    assert "mystnb" not in note.metadata
    notebook = new_notebook(metadata={"widgets": {"state": {}}})
    assert "widgets" not in as_page(notebook, chapter="shapes").metadata


def test_an_explorer_that_can_be_played_with_on_the_page_needs_no_notebook():
    _, live = page(explorer(live={"kind": "toy", "settings": {}}), caption("explorer"))
    assert "sliders" not in live.outputs[0].data["text/html"]


def test_a_widget_without_a_still_image_is_an_error():
    with pytest.raises(NotPublishable, match="code cell 1: a widget without a still image"):
        page(new_output("display_data", {WIDGET_MIME: {"model_id": "m"}, "text/plain": "VBox()"}))


def test_a_verdict_leaves_its_html():
    mime = "application/vnd.superpos.verdict+json"
    (cell,) = page(new_output("display_data", {mime: {"id": "x"}, "text/html": "<b>held</b>"}))
    assert list(cell.outputs[0].data) == ["text/html"]


def test_a_moving_figure_keeps_its_still_image_for_print():
    output = image()
    output.data["text/html"] = "<div>moving</div>"
    (cell,) = page(output, caption())
    assert set(cell.outputs[0].data) == {SVG, "text/html"}
    assert cell.metadata["mystnb"]["figure"]["name"] == "fig"


def test_injected_parameters_are_hidden_with_the_cell_that_they_override():
    tags = (["parameters", "remove-cell"], ["injected-parameters"], ["parameters"])
    cells = [new_code_cell("n = 1", metadata={"tags": each}) for each in tags]
    hidden = as_page(new_notebook(cells=cells[:2]), chapter="alpha").cells
    assert "remove-cell" in hidden[1].metadata["tags"]
    shown = as_page(new_notebook(cells=[cells[2], cells[1]]), chapter="alpha").cells
    assert shown[1].metadata["tags"] == ["injected-parameters"]


def test_what_can_be_played_with_stands_below_the_figure_that_it_replaces():
    toy = {"kind": "toy", "settings": {"S": 0.8}}
    figure, live = page(image("explorer", live=toy), caption("explorer"), tags=["hide-input"])
    assert figure.metadata["mystnb"]["figure"]["name"] == "explorer"
    (output,) = live.outputs
    assert list(output.data) == ["text/html"]
    assert '"../../_static/instrument.js"' in output.data["text/html"]
    assert '"explorer"' in output.data["text/html"]
    assert live.metadata["tags"] == ["remove-input"]
