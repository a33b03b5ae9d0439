"""What `make bench` measured last, and the README's table of it: `python benchmarks/results.py`.

`results.json` has a section for each script that measures, with the machine that it ran on. The
README's table is what `section` makes of it; `tests/test_benchmarks.py` compares the two.
"""

from __future__ import annotations

import json
import os
import platform
import re
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from superpos.compute.settings import cores

RESULTS = Path(__file__).with_name("results.json")
README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- benchmarks/results.py writes this -->", "<!-- until here -->"
BUSY = 0.5  # cores that others use, from which on times are not to be trusted
_BETWEEN = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)


def machine() -> dict:
    """Return what times depend on; to be asked for before anything is measured."""
    return {
        "cores": cores(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__.partition("+")[0],
        "load": round(busy(), 1),
    }


def busy(seconds: float = 1.0) -> float:
    """Return how many cores others keep busy now (Linux; elsewhere how many were, on average)."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return os.getloadavg()[0]

    def ticks() -> tuple[int, int]:
        """Of all cores since the start: all, and idle ones."""
        numbers = [int(word) for word in stat.read_text().split("\n", 1)[0].split()[1:9]]
        return sum(numbers), numbers[3] + numbers[4]

    (all_before, idle_before), _, (all_after, idle_after) = ticks(), time.sleep(seconds), ticks()
    share = 1 - (idle_after - idle_before) / max(1, all_after - all_before)
    return share * (os.cpu_count() or 1)


def write(name: str, values: dict, path: Path = RESULTS, *, some: bool = False) -> None:
    """Put a section in place of the one measured before; with ``some``, those experiments."""
    found = json.loads(path.read_text("utf-8")) if path.exists() else {}
    if some:
        others = found.get(name, {}).get("experiments", {})
        values = values | {"experiments": others | values["experiments"]}
    path.write_text(json.dumps(found | {name: values}, indent=1) + "\n", "utf-8")


def section(results: dict) -> str:
    """Return the README's table, and on what it was measured."""
    head = "| What | published, or plainly | here | times as fast | loss, here / published |"
    lines = [head, "|---|---|---|---|---|"]
    rows = [*_training(results), *_training(results, "_gpu"), *_sweeps(results["sweeps"])]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    published = results["training"]["published"]
    on = results["training"]["machine"]
    told = (
        f"Measured on {on['cores']} cores, with Python {on['python']} and torch {on['torch']}. "
        f"Published times are those of {published['timed']} of the {published['steps']} steps, "
        f"which are equal work, times {published['steps'] / published['timed']:g}."
    )
    if on["load"] >= BUSY:
        told += (
            f" **Others kept {on['load']:g} cores busy**, which slows most what runs in threads "
            "that wait for each other: measure again on an idle machine."
        )
    return "\n".join([BEGIN, "", *lines, "", told, "", END])


def _training(results: dict, where: str = "") -> Iterator[list[str]]:
    measured = results.get(f"training{where}")
    if measured is None:
        return
    compared = results.get(f"losses{where}", {}).get("experiments", {})
    on = f", both on one {measured['machine']['gpu']}" if where else ""
    for name, one in measured["experiments"].items():
        loss = compared.get(name)
        best = f", best of {one['restarts']}" if one["restarts"] > 1 else ""
        yield [
            name + best + on,
            _seconds(one["published_seconds"]),
            _seconds(one["seconds"]),
            f"{one['published_seconds'] / one['seconds']:.0f}",
            f"{loss['ratio']:.3f} ± {loss['error']:.3f}" if loss else "not compared",
        ]


def _sweeps(found: dict) -> Iterator[list[str]]:
    one, two, again = (found[f"{name}_seconds"] for name in ("one", "two", "again"))
    sweep = f"a sweep of {found['pieces']} pieces"
    yield [f"{sweep}, by two processes", _seconds(one), _seconds(two), f"{one / two:.1f}", ""]
    yield [f"{sweep}, stored before", _seconds(one), _seconds(again), f"{one / again:.0f}", ""]
    many = f"{found['models']:,}".replace(",", " ")
    yield [f"{many} exact optima by two Dask workers", "", _seconds(found["dask_seconds"]), "", ""]


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"


def put_in(readme: str, results: dict) -> str:
    """Return the README with the table of these results."""
    text, count = _BETWEEN.subn(lambda _: section(results), readme)
    if count != 1:
        raise ValueError(f"the README has {count} places between {BEGIN} and {END}: one is needed")
    return text


def main() -> None:
    results = json.loads(RESULTS.read_text("utf-8"))
    README.write_text(put_in(README.read_text("utf-8"), results), "utf-8")
    print(section(results))


if __name__ == "__main__":
    main()
