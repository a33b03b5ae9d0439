"""Animations: figures whose lines and dots move, played in the page without a kernel.

An animation is one SVG that holds every frame as lists of places (SMIL), so that it needs no
network and nothing but the browser. It rests at its first frame until it is played or its slider is
moved; print has the last one.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from xml.etree import ElementTree

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from superpos import checks
from superpos.errors import InvalidArgument
from superpos.figures.style import Picture, svg

_SVG, _LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_POINTS_PER_INCH = 72  # an SVG of matplotlib's is drawn in points


class Animation:
    """A figure, and the lines in it that move from frame to frame.

    Parameters
    ----------
    fig
        With what stands still.
    labels
        What each frame is called beside the slider; at least two.
    seconds
        How long it plays, above 0.

    Examples
    --------
    >>> from superpos.figures.style import figure
    >>> fig, ax = figure(width=3, height=3)
    >>> limits = ax.set(xlim=(0, 1), ylim=(0, 1))
    >>> animation = Animation(fig, ["start", "middle", "end"])
    >>> animation.add(ax, torch.tensor([[0.0], [0.2], [1.0]]), torch.zeros(3, 1), marker="o", ls="")
    >>> animation.html("moving-dot", "A dot goes right.").count("<animate ")
    2
    """

    def __init__(self, fig: Figure, labels: Sequence[str], *, seconds: float = 8.0) -> None:
        if len(labels) < 2:
            raise InvalidArgument(f"labels has {len(labels)} entries: at least two are needed")
        seconds = checks.positive_number("seconds", seconds)
        self.figure, self.labels, self.seconds = fig, list(labels), float(seconds)
        self._moving: list[tuple[Axes, Tensor]] = []

    def add(self, axes: Axes, x: Tensor, y: Tensor, **style) -> None:
        """Add a line through points ``(frames, points)``, or markers at them.

        It is styled as for ``Axes.plot``. The limits of the axes must hold every frame, for what
        moves is not cut off at its edges.
        """
        places = torch.stack(torch.broadcast_tensors(checks.finite("x", x), checks.finite("y", y)))
        if places.ndim != 3 or places.shape[1] != len(self.labels) or not places.shape[2]:
            raise InvalidArgument(
                f"x and y have shape {tuple(places.shape[1:])}: ({len(self.labels)}, points) is "
                "needed, for there are as many frames as labels"
            )
        places = places.movedim(0, -1).double()
        (line,) = axes.plot(*places[-1].T.numpy(), clip_on=False, **style)
        line.set_gid(f"moving-{len(self._moving)}")
        self._moving.append((axes, places))

    def html(self, name: str, alt: str) -> str:
        """Return the animation with its button and slider, as HTML that stands by itself."""
        ElementTree.register_namespace("", _SVG)
        ElementTree.register_namespace("xlink", _LINK)
        # several figures on one page must not share the ids of their parts
        still = re.sub(r'((?: id|href)="#?|url\(#)', rf"\g<1>{name}-", svg(self.figure))
        root = ElementTree.fromstring(still)
        for size in ("width", "height"):
            del root.attrib[size]  # as wide as the column
        root.attrib |= {"role": "img", "aria-label": alt}
        for number, (axes, places) in enumerate(self._moving):
            (group,) = root.findall(f".//{{{_SVG}}}g[@id='{name}-moving-{number}']")
            self._move(group, self._on_paper(axes, places))
        return _PAGE.format(
            name=html.escape(name),
            svg=ElementTree.tostring(root, encoding="unicode"),
            last=len(self.labels) - 1,
            start=html.escape(self.labels[0]),
            labels=html.escape(json.dumps(self.labels, ensure_ascii=False)),
            seconds=self.seconds,
        )

    def forms(self, name: str, alt: str) -> dict[str, str]:
        """Return how it moves, by MIME type; see `superpos.figures.style.Picture`."""
        return {"text/html": self.html(name, alt)}

    def show(self, *, name: str, alt: str, caption: str) -> None:
        """Show the animation, and its last frame where nothing can move."""
        Picture(self, alt, caption).show(name=name)

    def _on_paper(self, axes: Axes, places: Tensor) -> Tensor:
        """Return where the places are in the SVG, which counts downwards: ``(frames, points, 2)``.

        Its layout must be done.
        """
        pixels = torch.from_numpy(axes.transData.transform(places.reshape(-1, 2).numpy()))
        points = pixels.reshape(places.shape) * _POINTS_PER_INCH / self.figure.dpi
        width, height = (inches * _POINTS_PER_INCH for inches in self.figure.get_size_inches())
        points[..., 1] = height - points[..., 1]
        outside = (points < 0) | (points > points.new_tensor([width, height]))
        if outside.any():
            frame = int(outside.any((1, 2)).nonzero()[0])
            raise InvalidArgument(f"x and y leave the figure in frame {frame}: widen the limits")
        return points

    def _move(self, group: ElementTree.Element, points: Tensor) -> None:
        """Let the line and the markers in a group go through the frames."""
        frames = [[(f"{x:.1f}", f"{y:.1f}") for x, y in frame] for frame in points.tolist()]
        if (path := group.find(f"{{{_SVG}}}path")) is not None:
            drawn = ["M" + "L".join(" ".join(place) for place in frame) for frame in frames]
            path.set("d", drawn[-1])
            self._animate(path, "d", drawn)
        # a marker has its shape in <defs>, and a <use> for each point
        for marks in group.findall(f"{{{_SVG}}}g"):
            for point, use in enumerate(marks.findall(f"{{{_SVG}}}use")):
                for axis, attribute in enumerate("xy"):
                    self._animate(use, attribute, [frame[point][axis] for frame in frames])

    def _animate(self, element: ElementTree.Element, attribute: str, values: list[str]) -> None:
        about = {"attributeName": attribute, "dur": f"{self.seconds}s", "fill": "freeze"}
        about["values"] = ";".join(values)
        ElementTree.SubElement(element, f"{{{_SVG}}}animate", about)


# Without its script the animation plays once and rests at its end; with it, it waits at its start.
_PAGE = """\
<div class="superpos-animation" id="animation-{name}" data-labels="{labels}">
{svg}
<div class="superpos-animation-controls">
<button type="button" aria-label="Play">▶</button>
<input type="range" min="0" max="{last}" value="0" aria-label="Frame" aria-valuetext="{start}">
<output>{start}</output>
</div>
<script>
(() => {{
  const place = document.getElementById("animation-{name}");
  const [svg, button, slider, told] =
    ["svg", "button", "input", "output"].map((tag) => place.querySelector(tag));
  const labels = JSON.parse(place.dataset.labels), last = labels.length - 1, seconds = {seconds};
  let playing = false;
  const tell = (frame) => {{
    slider.value = frame;
    told.textContent = labels[Math.round(frame)];
    slider.setAttribute("aria-valuetext", told.textContent);
  }};
  const go = (frame) => {{ svg.setCurrentTime(frame / last * seconds); tell(frame); }};
  const stop = () => {{
    playing = false;
    svg.pauseAnimations();
    button.textContent = "▶";
    button.setAttribute("aria-label", "Play");
  }};
  const follow = () => {{
    if (!playing) return;
    const frame = svg.getCurrentTime() / seconds * last;
    tell(Math.min(frame, last));
    if (frame < last) requestAnimationFrame(follow); else stop();
  }};
  button.addEventListener("click", () => {{
    if (playing) return stop();
    if (Number(slider.value) >= last) go(0);
    playing = true;
    svg.unpauseAnimations();
    button.textContent = "❚❚";
    button.setAttribute("aria-label", "Pause");
    follow();
  }});
  slider.addEventListener("input", () => {{ stop(); go(Number(slider.value)); }});
  window.addEventListener("beforeprint", () => {{ stop(); go(last); }});
  stop();
  go(0);
}})();
</script>
</div>
"""
