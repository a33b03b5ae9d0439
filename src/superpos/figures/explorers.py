"""Explorers: sliders that redraw a figure in a running notebook; a still figure elsewhere."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from typing import Any

from matplotlib.figure import Figure

from superpos.errors import Diverged, InvalidArgument, need
from superpos.figures.style import Picture, svg

need("live", "ipywidgets")
import ipywidgets as widgets  # noqa: E402

_LOOK: dict[str, Any] = {
    "continuous_update": False,  # it speaks when it is let go
    "style": {"description_width": "11em"},
    "layout": widgets.Layout(width="30em"),
}


def whole(label: str, value: int, low: int, high: int) -> widgets.IntSlider:
    """Return a slider over whole numbers."""
    return widgets.IntSlider(value=value, min=low, max=high, description=label, **_LOOK)


def real(label: str, value: float, low: float, high: float, step: float) -> widgets.FloatSlider:
    """Return a slider over numbers."""
    return widgets.FloatSlider(
        value=value, min=low, max=high, step=step, description=label, readout_format=".3f", **_LOOK
    )


class Explorer:
    """A figure and the sliders that it is redrawn from.

    Parameters
    ----------
    draw
        Takes the sliders' values by name; returns a figure, and a sentence that says what
        it shows, for readers who cannot see it.
    **controls
        A widget for each of ``draw``'s parameters.

    Examples
    --------
    >>> from superpos.figures.style import figure
    >>> def draw(n):
    ...     return figure(1, n)[0], f"{n} empty panels"
    >>> explorer = Explorer(draw, n=whole("panels", 1, 1, 4))
    >>> explorer.controls["n"].value = 2
    >>> len(explorer.figure.axes), explorer.alt
    (2, '2 empty panels')
    """

    def __init__(self, draw: Callable[..., tuple[Figure, str]], **controls: widgets.Widget) -> None:
        self.draw = draw
        self.controls: dict[str, Any] = controls
        self._picture = widgets.Image(format="svg+xml", layout=widgets.Layout(max_width="100%"))
        self._note = widgets.HTML()
        self.widget = widgets.VBox([*controls.values(), self._note, self._picture])
        self.redraw()
        for control in controls.values():
            control.observe(self.redraw, names="value")

    def redraw(self, _change: object = None) -> None:
        """Draw the figure from the sliders; what cannot be drawn is told in a sentence."""
        self._note.value = "drawing …"
        try:
            values = {name: item.value for name, item in self.controls.items()}
            self.figure, self.alt = self.draw(**values)
        except (InvalidArgument, Diverged) as error:
            self._note.value = html.escape(str(error))
            return
        self._picture.value = svg(self.figure).encode()
        self._note.value = f"<small>{html.escape(self.alt)}</small>"

    def forms(self, name: str, alt: str) -> dict[str, Any]:
        """Return the sliders, by MIME type; see `superpos.figures.style.Picture`."""
        # ipywidgets offers its view through this method, under Jupyter's own MIME type
        return self.widget._repr_mimebundle_() or {}

    def picture(
        self, caption: str, *, live: tuple[str, Mapping[str, Any]] | None = None
    ) -> Picture:
        """Return the explorer as a chapter shows it: sliders, or the figure as it is now.

        On a page ``live`` stands in its place, where scripts run: see `Picture`.
        """
        return Picture(self, self.alt, caption, live=live)

    def show(self, *, name: str, caption: str) -> None:
        """Show the sliders in a running notebook, and the figure as it is now on the page."""
        self.picture(caption).show(name=name)
