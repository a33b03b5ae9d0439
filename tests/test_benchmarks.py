"""The README's table is what the last measurement says, and its picture what training does."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from torch.testing import assert_close

from superpos import geometry

ROOT = Path(__file__).parent.parent


def script(name: str):
    spec = spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[name]


@pytest.fixture(scope="module")
def results():
    yield from script("results")


@pytest.fixture(scope="module")
def picture():
    yield from script("picture")


@pytest.fixture
def measured(results) -> dict:
    return json.loads(results.RESULTS.read_text("utf-8"))


@pytest.fixture
def readme(results) -> str:
    return results.README.read_text("utf-8")


def test_the_readme_has_the_table_of_the_committed_results(results, measured, readme):
    assert results.put_in(readme, measured) == readme, "run: python benchmarks/results.py"


def changed(measured: dict, *place: str, by: float = 1.5) -> dict:
    """Return the results with one number changed."""
    other = copy.deepcopy(measured)
    inner = other
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] *= by
    return other


def test_every_time_in_the_results_is_in_the_table(results, measured):
    table = results.section(measured)
    places = [
        ("training", "experiments", name, time)
        for name in measured["training"]["experiments"]
        for time in ("seconds", "published_seconds")
    ]
    places += [("sweeps", f"{name}_seconds") for name in ("one", "two", "again", "dask")]
    places += [
        ("losses", "experiments", name, "ratio")
        for name in measured.get("losses", {}).get("experiments", ())
    ]
    for place in places:
        assert results.section(changed(measured, *place)) != table, place


def test_a_table_edited_by_hand_is_set_right(results, measured, readme):
    at = readme.index("| n = 5, m = 2")
    edited = readme[:at] + "| n = 6" + readme[at + len("| n = 5") :]
    assert results.put_in(edited, measured) == readme


def test_a_readme_without_its_place_is_refused(results, measured, readme):
    with pytest.raises(ValueError, match="0 places"):
        results.put_in(readme.replace(results.END, ""), measured)


def test_what_is_measured_anew_leaves_the_rest(results, tmp_path):
    path = tmp_path / "results.json"
    results.write("training", {"seconds": 1}, path)
    results.write("losses", {"ratio": 1.5}, path)
    results.write("training", {"seconds": 2}, path)
    assert json.loads(path.read_text()) == {"training": {"seconds": 2}, "losses": {"ratio": 1.5}}


def test_no_ratio_is_told_where_losses_were_not_compared(results, measured):
    measured.pop("losses", None)
    assert results.section(measured).count("not compared") == len(
        measured["training"]["experiments"]
    )


def test_times_on_a_gpu_have_rows_of_their_own(results, measured):
    before = results.section(measured)
    measured["training_gpu"] = copy.deepcopy(measured["training"])
    measured["training_gpu"]["machine"]["gpu"] = "NVIDIA X"
    added = set(results.section(measured).split("\n")) - set(before.split("\n"))
    assert len(added) == len(measured["training"]["experiments"])
    assert all("both on one NVIDIA X" in row and "not compared" in row for row in added)


def test_a_gpu_that_is_not_there_is_refused():
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    command = [sys.executable, str(ROOT / "benchmarks" / "bench.py"), "--device", "cuda"]
    told = subprocess.run(command, capture_output=True, text=True)
    assert told.returncode == 2
    assert "finds no GPU here" in told.stderr


def test_some_experiments_can_be_measured_again_alone(results, tmp_path):
    path = tmp_path / "results.json"
    results.write("losses", {"experiments": {"a": 1, "b": 2}}, path)
    results.write("losses", {"experiments": {"b": 3}}, path, some=True)
    assert json.loads(path.read_text()) == {"losses": {"experiments": {"a": 1, "b": 3}}}


def test_a_core_that_works_is_seen(results):
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        try:
            assert results.busy(0.5) > 0.5
        finally:
            other.kill()


def test_a_busy_machine_is_told(results, measured):
    for load, told in ((0.2, False), (3.0, True)):
        measured["training"]["machine"]["load"] = load
        assert ("Others kept" in results.section(measured)) == told


def test_the_results_tell_the_machine_without_its_name(results):
    assert set(results.machine()) == {"cores", "processor", "python", "torch", "load"}


# The moving picture


def test_the_readme_has_the_moving_picture_and_says_what_it_shows(picture, readme):
    place = picture.PICTURE.relative_to(ROOT).as_posix()
    assert f"![{picture.ALT}]({place})" in readme
    drawn = ElementTree.parse(picture.PICTURE).getroot()
    assert drawn.get("aria-label") == picture.ALT


def test_the_picture_ends_as_the_best_models_do(picture):
    """Two at a right angle, two antipodal pairs, a pentagon, each with its first feature up."""
    ends = picture.course(steps=800, seeds=8)[:, -1]
    assert geometry.represented(ends).sum(-1).tolist() == [2, 4, 5]
    assert_close(geometry.directions(ends)[:, :, 0], torch.tensor([[0.0, 1.0]] * 3))
    assert geometry.angular_gaps(ends[2]).tolist() == pytest.approx([72] * 5, abs=5)


def test_the_picture_moves_without_a_script_and_comes_to_rest(picture):
    drawn = ElementTree.fromstring(picture.drawn(picture.course(steps=60, seeds=1)))
    name = "{http://www.w3.org/2000/svg}"
    moves = list(drawn.iter(f"{name}animate"))
    assert len(moves) == 3 * 5 * 3  # a line, and a dot's two places, of each feature
    assert {(move.get("repeatCount"), move.get("fill")) for move in moves} == {("3", "freeze")}
    assert not list(drawn.iter(f"{name}script"))
