"""The names of widgets in an executed notebook: numbers, where ipywidgets draws them at random."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbformat import NotebookNode

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
_NAME = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


def renamed(notebook: NotebookNode) -> NotebookNode:
    """Return an executed notebook whose widgets are numbered: those shown first, in order, then
    what they are made of, then the others by what they hold.

    Two runs then give the same notebook.
    """
    import nbformat

    state: dict[str, Any] = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    shown = [
        output["data"][VIEW]["model_id"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if VIEW in output.get("data", {})
    ]
    rest = sorted(state, key=lambda name: _NAME.sub("", json.dumps(state[name], sort_keys=True)))
    names: dict[str, str] = {}
    waiting = [*shown, *rest]
    while waiting:
        name = waiting.pop(0)
        if name not in names and (name in state or name in shown):
            names[name] = f"{len(names):032x}"
            told = json.dumps(state.get(name, {}), sort_keys=True)
            waiting[:0] = [found for found in _NAME.findall(told) if found in state]
    if not names:
        return notebook
    text = _NAME.sub(lambda found: names.get(found[0], found[0]), nbformat.writes(notebook))
    return nbformat.reads(text, as_version=4)
