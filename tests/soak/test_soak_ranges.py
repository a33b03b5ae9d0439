"""Every chapter at the low ends of its ranges, all at once; and what lies beyond the ends."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from superpos.book.chapters import Chapter, load_chapters
from superpos.book.parameters import Parameter
from superpos.cli import main
from superpos.errors import InvalidArgument

ROOT = Path(__file__).parents[2]
CHAPTERS = {chapter.name: chapter for chapter in load_chapters(ROOT)}
SECONDS = 900  # a chapter, beside others
PARAMETERS = [
    pytest.param(parameter, id=f"{chapter.name}-{parameter.name}")
    for chapter in CHAPTERS.values()
    for parameter in chapter.parameters
    if parameter.interval
]


def lowest(parameter: Parameter) -> int | float | None:
    """The least value of a range; a little more where its end does not belong to it."""
    low, high, closed_below, _ = parameter.interval
    if math.isinf(low):
        return None
    whole = "int" in parameter.type
    if closed_below:
        return int(low) if whole else low
    return int(low) + 1 if whole else low + (min(high, low + 1) - low) / 100


def low_ends(chapter: Chapter) -> dict[str, str]:
    found = {
        each.name: lowest(each)
        for each in chapter.parameters
        if each.interval and each.name != "quick"
    }
    return {name: repr(value) for name, value in found.items() if value is not None}


@pytest.mark.soak
@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_runs_at_the_low_ends_of_its_ranges(name, tmp_path):
    """It runs to its end; a value that another excludes may be refused, by its name."""
    given = low_ends(CHAPTERS[name])
    arguments = [word for pair in given.items() for word in ("-p", *pair)]
    output = tmp_path / "out.ipynb"
    command = [sys.executable, "-m", "superpos", "run", name, "--quick", *arguments]
    environment = os.environ | {"SUPERPOS_STORE": str(tmp_path), "SUPERPOS_CORES": "1"}
    done = subprocess.run(
        [*command, "-o", str(output)], cwd=ROOT, env=environment, timeout=SECONDS,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode == 2:
        (sentence,) = done.stderr.splitlines()
        assert any(parameter in sentence for parameter in given), sentence
        return
    assert done.returncode == 0, done.stderr[-3000:]
    cells = [cell for cell in nbformat.read(output, as_version=4).cells if cell.cell_type == "code"]
    assert all(cell.outputs or cell.execution_count for cell in cells[1:])


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_the_ends_of_a_range_are_taken_and_what_lies_beyond_is_refused_by_name(parameter):
    low, high, closed_below, closed_above = parameter.interval
    whole = "int" in parameter.type
    for end, closed, beyond in ((low, closed_below, -1), (high, closed_above, 1)):
        if math.isinf(end):
            continue
        value = int(end) if whole else end
        outside = value + beyond if whole else math.nextafter(value, beyond * math.inf)
        if closed:
            assert parameter.read(str(value)) in (value, [value])
        else:
            outside = value
        with pytest.raises(InvalidArgument, match=f"parameter {parameter.name} must be"):
            parameter.read(str(outside))
    for endless in ("inf", "-inf", "nan", "1e999", "9" * 400):
        with pytest.raises(InvalidArgument, match=f"parameter {parameter.name} must be"):
            parameter.read(endless)


def test_features_that_are_too_few_are_refused_before_any_work(tmp_path, capsys):
    given = ["-p", "n_features", "20", "-p", "n_hidden", "4", "-o", str(tmp_path / "x.ipynb")]
    assert main(["run", "uniform_superposition", "--quick", *given]) == 2
    assert capsys.readouterr().err == "superpos: n_features must be 40 or more; got 20\n"
    assert list(tmp_path.iterdir()) == []
