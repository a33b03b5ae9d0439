"""How long importing takes: `python benchmarks/imports.py [TIMES]`.

Each line is timed in a fresh interpreter, in turn, and the median is printed, less that of an
interpreter which does nothing. What counts: `import superpos` takes less than 0.1 s, and
`from superpos import train` takes at most 0.3 s more than torch, which it needs.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from statistics import median
from time import perf_counter

NOTHING, PACKAGE, TORCH, TRAIN = (
    "pass",
    "import superpos",
    "import torch",
    "from superpos import train",
)


def seconds(lines: Sequence[str], times: int) -> dict[str, float]:
    """Return the median time that each line takes in a fresh interpreter, in seconds."""
    took: dict[str, list[float]] = {line: [] for line in lines}
    for _ in range(times):
        for line in lines:  # in turn, so that all share what else the machine does
            start = perf_counter()
            subprocess.run([sys.executable, "-c", line], check=True)
            took[line].append(perf_counter() - start)
    return {line: median(each) for line, each in took.items()}


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    found = seconds((NOTHING, PACKAGE, TORCH, TRAIN), times)
    for line in (PACKAGE, TORCH, TRAIN):
        print(f"{line:28} {found[line] - found[NOTHING]:6.3f} s")
    more = found[TRAIN] - found[TORCH]
    print(
        f"training beyond torch: {more:.3f} s, {found[TRAIN] / found[TORCH]:.2f} times torch's own"
    )


if __name__ == "__main__":
    main()
