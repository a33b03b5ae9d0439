"""Widgets whose names are drawn at random have the same names at each run."""

from __future__ import annotations

import json
import uuid

from nbformat import validate
from nbformat.v4 import new_code_cell, new_notebook, new_output

from superpos.book.widgets import STATE, VIEW, renamed


def run(*, order: int = 1):
    """Two explorers, the second without state; a slider and its layout; one that nobody shows."""
    box, slider, layout, lone, bare = (uuid.uuid4().hex for _ in range(5))
    state = {
        box: {"model_name": "VBoxModel", "state": {"children": [f"IPY_MODEL_{slider}"]}},
        slider: {"model_name": "Slider", "state": {"layout": f"IPY_MODEL_{layout}", "value": 3}},
        layout: {"model_name": "LayoutModel", "state": {}},
        lone: {"model_name": "LayoutModel", "state": {"width": "9px"}},
    }
    cells = [
        new_code_cell(
            "x", id=f"c{k}", outputs=[new_output("display_data", {VIEW: {"model_id": m}})]
        )
        for k, m in enumerate((box, bare))
    ]
    notebook = new_notebook(cells=cells)
    told = dict(sorted(state.items(), key=lambda pair: order * int(pair[0], 16)))
    notebook.metadata["widgets"] = {STATE: {"state": told, "version_major": 2, "version_minor": 0}}
    return notebook


def test_two_runs_have_widgets_of_the_same_names():
    first, second = renamed(run()), renamed(run(order=-1))
    assert json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
    validate(first)


def test_what_refers_to_a_widget_still_does():
    notebook = renamed(run())
    state = notebook.metadata["widgets"][STATE]["state"]
    shown = [cell.outputs[0].data[VIEW]["model_id"] for cell in notebook.cells]
    assert shown[0] in state
    assert len({*shown}) == 2
    (child,) = state[shown[0]]["state"]["children"]
    slider = state[child.removeprefix("IPY_MODEL_")]
    assert slider["state"]["value"] == 3
    assert state[slider["state"]["layout"].removeprefix("IPY_MODEL_")]["state"] == {}
    assert len(state) == 4


def test_a_notebook_without_widgets_is_left_alone():
    notebook = new_notebook(cells=[new_code_cell("x = 1", id="a")])
    assert renamed(notebook) is notebook
