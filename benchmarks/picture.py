"""The moving picture of the README: five features in two dimensions, as they are learnt.

``python benchmarks/picture.py`` trains them at three sparsities and writes ``learning.svg`` beside
itself. It plays three times, without a script, and rests where they are learnt.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch

from superpos import IndependentFeatures, Procedure, geometry, train
from superpos.figures.animations import Animation
from superpos.figures.palette import shades
from superpos.figures.style import figure

PICTURE = Path(__file__).with_name("learning.svg")
SPARSITIES = (0.0, 0.8, 0.9)
FOUND = ("a right angle", "two antipodal pairs", "a pentagon")
FRAMES, RESTING = 48, 16  # of the way, and at its end
ALT = (
    "Five features in two dimensions while they are learnt, at three sparsities: they end as a "
    "right angle without sparsity, two antipodal pairs at 80 %, a pentagon at 90 %"
)


def course(steps: int = 1500, seeds: int = 20) -> torch.Tensor:
    """Return the way of the best of some models at each sparsity: W ``(3, frames, 2, 5)``."""
    p = 1 - torch.tensor(SPARSITIES)[:, None]
    # early on features move fast: frames lie evenly in the square root of the steps
    when = torch.linspace(0, steps**0.5, FRAMES).square().round().long().unique()
    run = train(
        IndependentFeatures(5, p),
        2,
        importance=0.9 ** torch.arange(5),
        seeds=seeds,
        procedure=Procedure(steps=steps),
        snapshots=when,
    )
    loss, _ = run.expected_loss(samples=4000)
    best = loss.argmin(0)
    ways = [run.trajectory["W"][:, seed, k] for k, seed in enumerate(best.tolist())]
    return torch.stack([_turned(way) for way in ways])


def _turned(way: torch.Tensor) -> torch.Tensor:
    """Turn a way ``(frames, 2, n)`` as a whole, so that feature 0 is up in the end."""
    right, up = geometry.directions(way[-1])[:, 0]
    return torch.stack([torch.stack([up, -right]), torch.stack([right, up])]) @ way


def drawn(ways: torch.Tensor) -> str:
    """Return the picture as SVG."""
    fig, axes = figure(1, 3, height=2.6)
    fig.patch.set(facecolor="white", alpha=1)  # whatever the page's is
    held = torch.cat([ways, ways[:, -1:].expand(-1, RESTING, -1, -1)], dim=1)
    animation = Animation(fig, [str(frame) for frame in range(held.shape[1])])
    colours = shades(0.9 ** torch.arange(5), 5)
    for ax, way, sparsity, name in zip(axes, held, SPARSITIES, FOUND, strict=True):
        ax.set(xlim=(-1.5, 1.5), ylim=(-1.5, 1.5), aspect="equal", xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        ax.set_title(f"{sparsity:.0%} sparsity: {name}")
        for feature, colour in enumerate(colours):
            x, y = way[:, :, feature].unbind(-1)
            zero = torch.zeros_like(x)
            from_zero = (torch.stack([zero, place], 1) for place in (x, y))
            animation.add(ax, *from_zero, color=colour, lw=2.4)
            dot = {"marker": "o", "ls": "", "ms": 6, "mec": "white"}
            animation.add(ax, x[:, None], y[:, None], color=colour, **dot)
    page = animation.html("learning", ALT)
    (picture,) = re.findall(r"<svg .*?</svg>", page, flags=re.DOTALL)
    return picture.replace('fill="freeze"', 'fill="freeze" repeatCount="3"') + "\n"


if __name__ == "__main__":
    PICTURE.write_text(drawn(course()), "utf-8")
