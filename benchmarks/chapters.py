"""How much of a chapter is prose: `python benchmarks/chapters.py`.

Counts the lines that are not empty: of prose, between the cells, and of code, in them, without a
cell's options. QuantEcon's lectures have 57 % prose and a median cell of 8 lines, d2l 62 % and 4;
the first edition of this book had 18 % and 23, its longest cell 118.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from statistics import median

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
_CELL = re.compile(r"^```\{code-cell\}.*?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_OPTIONS = re.compile(r"\A(?:---\n.*?\n---\n|(?::[^\n]*\n)+)", re.DOTALL)
_FRONT = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


@dataclass(frozen=True)
class Shape:
    """Of one chapter: lines and words of prose, and the lines of each code cell."""

    prose: int
    words: int
    cells: tuple[int, ...]

    @property
    def code(self) -> int:
        return sum(self.cells)

    @property
    def share(self) -> float:
        return self.prose / (self.prose + self.code)


def shape(source: str) -> Shape:
    """Return the shape of a chapter's source."""
    body = _FRONT.sub("", source)
    cells = [_OPTIONS.sub("", cell) for cell in _CELL.findall(body)]
    prose = _CELL.sub("", body)
    return Shape(_lines(prose), len(prose.split()), tuple(map(_lines, cells)))


def _lines(text: str) -> int:
    return sum(bool(line.strip()) for line in text.splitlines())


def main() -> None:
    shapes = {path.stem: shape(path.read_text("utf-8")) for path in sorted(NOTEBOOKS.glob("*.md"))}
    together = Shape(
        sum(each.prose for each in shapes.values()),
        sum(each.words for each in shapes.values()),
        tuple(lines for each in shapes.values() for lines in each.cells),
    )
    width = max(map(len, shapes))
    print(f"{'':{width}}  prose  share  words  code  words/line  cell: median  longest")
    for name, each in [*shapes.items(), ("together", together)]:
        print(
            f"{name:{width}}  {each.prose:5}  {each.share:5.0%}  {each.words:5}  {each.code:4}  "
            f"{each.words / each.code:10.1f}  {median(each.cells):12g}  {max(each.cells):7}"
        )


if __name__ == "__main__":
    main()
