"""Sweeps: the same results wherever they are computed, and nothing lost when something fails."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
import warnings
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray

from superpos import IndependentFeatures, Procedure, sweep, train
from superpos.errors import InvalidArgument

GRID = {"seed": range(6), "probability": torch.tensor([1.0, 0.3, 0.05])}
linux = pytest.mark.skipif(sys.platform != "linux", reason="signals and limits as on Linux")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for name in ("SUPERPOS_STORE", "SUPERPOS_SCHEDULER", "SUPERPOS_PIECES"):
        monkeypatch.delenv(name, raising=False)


def trained(seed, probability):
    features = IndependentFeatures(5, probability[:, None])
    run = train(features, 2, seeds=seed, procedure=Procedure(steps=40))
    return {
        "W": (["dimension", "feature"], run.W),
        "loss": run.expected_loss(samples=40)[0],
        "long": run.W.norm(dim=(-2, -1)) > 1,
    }


def summed(a, b, *, log: Path | None = None, pause: float = 0.0):
    """A cheap experiment that notes when it was run."""
    if log is not None:
        with open(log, "a") as file:
            file.write("x\n")
    time.sleep(pause)
    return {"sum": torch.tensor(a)[:, None] + torch.tensor(b)}


PLANE = {"a": list(range(8)), "b": [0, 10, 20]}


def runs(log: Path) -> int:
    return len(log.read_text()) // 2 if log.exists() else 0


def pieces(store: Path) -> list[Path]:
    return sorted(store.rglob("*.safetensors"))


# What a sweep gives


def test_axes_have_the_grids_names_and_values(tmp_path):
    found = sweep(trained, GRID, store=tmp_path)
    assert dict(found.sizes) == {"seed": 6, "probability": 3, "dimension": 2, "feature": 5}
    assert found.W.dims == ("seed", "probability", "dimension", "feature")
    assert found.long.dtype == bool
    assert found.seed.values.tolist() == list(range(6))
    assert found.probability.values.tolist() == pytest.approx([1.0, 0.3, 0.05])


def test_every_point_is_where_it_belongs():
    found = sweep(summed, PLANE, cells_at_once=2, store=False)
    for a in PLANE["a"]:
        for b in PLANE["b"]:
            assert found["sum"].sel(a=a, b=b).item() == a + b


def test_a_sweep_of_one_piece_is_the_experiment_itself():
    found = sweep(trained, GRID, cells_at_once=18, store=False)
    whole = trained(**GRID)
    assert np.array_equal(found.W.values, whole["W"][1].numpy())


def assert_identical(one: xarray.Dataset, other: xarray.Dataset) -> None:
    assert one.identical(other)
    for name in one:
        assert one[name].values.tobytes() == other[name].values.tobytes()


@pytest.mark.parametrize("where", ["processes:2", "processes:1", "threads"])
def test_results_do_not_depend_on_where_they_are_computed(where):
    here = sweep(trained, GRID, cells_at_once=4, store=False)
    if where == "threads":
        with ThreadPoolExecutor(3) as pool:
            there = sweep(trained, GRID, cells_at_once=4, store=False, executor=pool)
    else:
        there = sweep(trained, GRID, cells_at_once=4, store=False, executor=where)
    assert_identical(here, there)


def test_the_environment_chooses_where_nobody_else_does(monkeypatch):
    monkeypatch.setenv("SUPERPOS_SCHEDULER", "processes:2")

    def place(seed):
        return {"pid": [os.getpid()] * len(seed)}

    assert os.getpid() not in sweep(place, {"seed": range(4)}, store=False).pid.values


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_the_default_type_is_the_same_elsewhere(start):
    def real(a):
        return {"x": torch.tensor([0.1 * value for value in a])}

    torch.set_default_dtype(torch.float64)
    try:
        context = multiprocessing.get_context(start)
        with ProcessPoolExecutor(1, context) as pool:
            here, there = (
                sweep(real, {"a": [1, 2]}, store=False, executor=where) for where in (None, pool)
            )
    finally:
        torch.set_default_dtype(torch.float32)
    assert_identical(here, there)
    assert there.x.dtype == np.float64


def test_progress_is_shown_with_the_time_left(capsys):
    sweep(partial(summed, pause=0.02), PLANE, store=False, progress=True)
    shown = capsys.readouterr().err
    assert "sweep" in shown
    assert "/24" in shown
    assert "<" in shown  # elapsed<left
    sweep(summed, PLANE, store=False)
    assert capsys.readouterr().err == ""


# What is kept


def test_what_is_stored_is_not_computed_again(tmp_path):
    log = tmp_path / "log"
    count = partial(summed, log=log)
    first = sweep(count, PLANE, cells_at_once=3, store=tmp_path / "store")
    assert runs(log) == 8
    again = sweep(count, PLANE, cells_at_once=3, store=tmp_path / "store")
    assert runs(log) == 8
    assert_identical(first, again)


def test_a_larger_grid_needs_only_its_new_pieces(tmp_path):
    log = tmp_path / "log"
    count = partial(summed, log=log)
    sweep(count, PLANE, cells_at_once=3, store=tmp_path / "store")
    more = sweep(count, PLANE | {"a": list(range(10))}, cells_at_once=3, store=tmp_path / "store")
    assert runs(log) == 10
    assert more["sum"].sel(a=9, b=20).item() == 29


@pytest.mark.parametrize("change", ["closure", "code", "values", "versions"])
def test_another_experiment_is_computed_anew(tmp_path, monkeypatch, change):
    def made(factor):
        return lambda a: {"x": torch.tensor(a) * factor}

    sweep(made(2), {"a": [1, 2]}, store=tmp_path)
    grid, experiment = {"a": [1, 2]}, made(2)
    if change == "closure":
        experiment = made(3)
    elif change == "code":

        def experiment(a):
            return {"x": torch.tensor(a) + 2}

    elif change == "values":
        grid = {"a": [2, 4]}
    else:
        monkeypatch.setattr(
            "superpos.compute.fingerprint.versions", lambda *_: {"torch": "another"}
        )
    before = len(pieces(tmp_path))
    found = sweep(experiment, grid, store=tmp_path)
    assert found.x.values.tolist() == experiment(**grid)["x"].tolist()
    fresh = len(pieces(tmp_path)) - before
    assert fresh == (1 if change == "values" else 2)


def test_files_say_what_they_hold_and_need_no_unpickling(tmp_path):
    from safetensors import safe_open

    sweep(trained, GRID, cells_at_once=18, store=tmp_path)
    (path,) = pieces(tmp_path)
    assert path.parent.name == "trained"
    with safe_open(path, framework="np") as file:
        assert {*file.keys()} == {"W", "loss", "long"}
        described = json.loads(file.metadata()["description"])
    assert described["axes"]["W"] == ["seed", "probability", "dimension", "feature"]


def test_the_names_of_the_pieces_are_noted_for_the_pipeline(tmp_path, monkeypatch):
    monkeypatch.setenv("SUPERPOS_PIECES", str(tmp_path / "used"))
    monkeypatch.setenv("SUPERPOS_STORE", str(tmp_path / "store"))
    for _ in range(2):
        sweep(summed, PLANE)
    noted = set((tmp_path / "used").read_text().split())
    assert noted == {str(path.relative_to(tmp_path / "store")) for path in pieces(tmp_path)}


# Faults


@pytest.mark.parametrize("fault", ["truncated", "altered", "emptied", "not ours"])
def test_a_damaged_file_is_found_told_and_computed_again(tmp_path, fault):
    log = tmp_path / "log"
    count = partial(summed, log=log)
    whole = sweep(count, PLANE, cells_at_once=3, store=tmp_path / "store")
    victim = pieces(tmp_path)[3]
    data = victim.read_bytes()
    damaged = {
        "truncated": data[:-5],
        "altered": data[:-1] + bytes([data[-1] ^ 1]),
        "emptied": b"",
        "not ours": b"what is this?" * 20,
    }[fault]
    victim.write_bytes(damaged)
    with pytest.warns(UserWarning, match=f"stored piece .*{victim.name} is damaged") as told:
        again = sweep(count, PLANE, cells_at_once=3, store=tmp_path / "store")
    assert len(told) == 1
    assert runs(log) == 9
    assert_identical(whole, again)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sweep(count, PLANE, cells_at_once=3, store=tmp_path / "store")
    assert runs(log) == 9


@pytest.mark.parametrize("fault", ["pipe", "device", "closed", "loop"])
def test_what_is_no_file_is_told_and_computed_again(tmp_path, fault):
    whole = sweep(summed, PLANE, cells_at_once=3, store=tmp_path)
    victim = pieces(tmp_path)[3]
    victim.unlink()
    if fault == "pipe":
        os.mkfifo(victim)
    elif fault == "device":
        victim.symlink_to("/dev/zero")
    elif fault == "loop":
        victim.symlink_to(victim)
    else:
        victim.touch(0)
    told = "" if fault == "closed" and os.geteuid() == 0 else victim.name
    with pytest.warns(UserWarning, match=f"stored piece .*{told}.* is damaged and is not used"):
        again = sweep(summed, PLANE, cells_at_once=3, store=tmp_path)
    assert_identical(whole, again)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sweep(summed, PLANE, cells_at_once=3, store=tmp_path)


def test_a_folder_in_the_place_of_a_piece_is_refused_before_any_work(tmp_path):
    log = tmp_path / "log"
    count = partial(summed, log=log)
    sweep(count, PLANE, cells_at_once=3, store=tmp_path / "store")
    victim = pieces(tmp_path)[3]
    victim.unlink()
    victim.mkdir()
    told = rf"^stored piece .*{victim.name} cannot be written: a folder stands in its place$"
    with pytest.raises(InvalidArgument, match=told):
        sweep(count, PLANE, cells_at_once=3, store=tmp_path / "store")
    assert runs(log) == 8


@linux
def test_pieces_have_the_mode_that_files_have_here(tmp_path):
    before = os.umask(0o027)
    try:
        sweep(summed, PLANE, store=tmp_path)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in pieces(tmp_path)} == {0o640}


def test_an_unwritable_store_is_refused_before_any_work(tmp_path):
    (tmp_path / "taken").write_text("a file")
    log = tmp_path / "log"
    with pytest.raises(InvalidArgument, match=r"^store .*taken.* cannot be written: "):
        sweep(partial(summed, log=log), PLANE, store=tmp_path / "taken")
    assert not runs(log)


DRIVER = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from functools import partial
from superpos import sweep
import test_sweeps
count = partial(test_sweeps.summed, log=Path({log!r}), pause={pause})
found = sweep(count, test_sweeps.PLANE, cells_at_once=1, store={store!r}, executor={executor!r})
print(int(found["sum"].sum()))
"""
TOTAL = str(3 * sum(range(8)) + 8 * 30)


def driver(tmp_path: Path, *, pause=0.05, executor=None, **settings) -> subprocess.Popen:
    code = DRIVER.format(
        tests=str(Path(__file__).parent),
        log=str(tmp_path / "log"),
        store=str(tmp_path / "store"),
        pause=pause,
        executor=executor,
    )
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        **settings,
    )  # fmt: skip


def wait_until(condition, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@linux
@pytest.mark.parametrize(("executor", "in_flight"), [(None, 1), ("processes:2", 2)])
def test_a_killed_driver_loses_only_what_was_in_flight(tmp_path, executor, in_flight):
    first = driver(tmp_path, executor=executor)
    wait_until(lambda: len(pieces(tmp_path)) >= 9)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    time.sleep(0.2)  # what its processes had begun
    kept = len(pieces(tmp_path))
    # one more may be done by a process, but not yet taken by the driver
    assert runs(tmp_path / "log") - kept <= in_flight + (executor is not None) * in_flight
    (tmp_path / "log").unlink()
    second = driver(tmp_path, pause=0)  # (another pause is another experiment)
    assert second.communicate()[0].strip() == TOTAL
    (tmp_path / "log").unlink()
    third = driver(tmp_path, executor=executor)
    assert third.communicate()[0].strip() == TOTAL
    assert runs(tmp_path / "log") == 24 - kept


@linux
def test_a_killed_process_is_replaced_and_its_piece_done_elsewhere(tmp_path):
    once = tmp_path / "once"

    def deadly(a, b):
        if 5 in a and not once.exists():
            once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return summed(a, b)

    found = sweep(deadly, PLANE, cells_at_once=1, store=False, executor="processes:2")
    assert once.exists()
    assert int(found["sum"].sum()) == int(TOTAL)


@linux
def test_a_piece_that_always_kills_is_told_not_tried_for_ever():
    def deadly(a):
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(InvalidArgument, match="killed 3 times in a row; is there enough memory"):
        sweep(deadly, {"a": [1, 2]}, store=False, executor="processes:2")


@linux
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a small file system")
def test_a_full_disk_is_one_sentence_and_no_damage(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:

        def large(a):
            return {"x": torch.zeros(len(a), 1000)}  # eight of 8 kB fit, with their folders

        with pytest.raises(InvalidArgument, match=r"^stored piece .* cannot be written: .*space"):
            sweep(large, {"a": list(range(64))}, cells_at_once=1, store=disk)
        kept = pieces(disk)
        assert kept
        assert not list(disk.rglob("*.partial"))
        # what was kept is whole, and there is no more room than before
        with pytest.raises(InvalidArgument, match="cannot be written"):
            sweep(large, {"a": list(range(64))}, cells_at_once=1, store=disk)
        assert pieces(disk) == kept
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@linux
def test_a_file_that_cannot_grow_is_one_sentence_and_no_damage(tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    failed = driver(tmp_path, pause=0, preexec_fn=limit)
    _, told = failed.communicate()
    assert failed.returncode
    assert told.strip().splitlines()[-1].startswith("superpos.errors.InvalidArgument: stored piece")
    assert not list((tmp_path / "store").rglob("*.*"))


def test_two_sweeps_at_once_do_not_harm_each_other(tmp_path):
    both = [driver(tmp_path, pause=0.01) for _ in range(2)]
    assert [one.communicate()[0].strip() for one in both] == [TOTAL, TOTAL]
    assert len(pieces(tmp_path)) == 24
    assert not list(tmp_path.rglob("*.partial"))
    last = driver(tmp_path, pause=0.01)
    assert last.communicate()[0].strip() == TOTAL
    assert runs(tmp_path / "log") <= 48


@pytest.mark.parametrize("executor", [None, "processes:2"])
def test_the_experiments_own_error_comes_through(executor):
    def wrong(a):
        raise InvalidArgument("a is not to my taste")

    with pytest.raises(InvalidArgument, match="a is not to my taste"):
        sweep(wrong, {"a": [1, 2, 3]}, store=False, executor=executor)


# A real Dask scheduler with real workers


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    pytest.importorskip("distributed")
    folder = tmp_path_factory.mktemp("dask")
    file = folder / "scheduler.json"
    environment = os.environ | {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "30s"}
    common = {
        "cwd": folder, "env": environment, "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }  # fmt: skip
    dask = [sys.executable, "-m", "dask"]
    with contextlib.ExitStack() as stack:

        def start(*arguments: str) -> subprocess.Popen:
            process = stack.enter_context(subprocess.Popen([*dask, *arguments], **common))
            stack.callback(process.terminate)
            return process

        start(
            *("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"),
            *("--scheduler-file", str(file)),
        )
        wait_until(lambda: file.exists() and file.read_text())
        address = json.loads(file.read_text())["address"]
        for _ in range(2):
            start("worker", address, "--nworkers", "1", "--nthreads", "1", "--no-dashboard")
        yield address


def test_dask_gives_the_same_by_its_address(cluster, tmp_path):
    here = sweep(trained, GRID, cells_at_once=4, store=False)
    there = sweep(trained, GRID, cells_at_once=4, store=tmp_path, executor=cluster)
    assert_identical(here, there)
    assert len(pieces(tmp_path)) == 6
    assert_identical(here, sweep(trained, GRID, cells_at_once=4, store=tmp_path))


@linux
def test_the_pieces_of_a_killed_dask_worker_go_elsewhere(cluster, tmp_path):
    once = str(tmp_path / "once")

    def deadly(a, b):
        if 5 in a and not os.path.exists(once):
            open(once, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return {"sum": torch.tensor(a)[:, None] + torch.tensor(b)}

    found = sweep(deadly, PLANE, cells_at_once=1, store=False, executor=cluster)
    assert os.path.exists(once)
    assert int(found["sum"].sum()) == int(TOTAL)


def _cascade_future(result):
    """As Dask's executor has it: an outcome of three parts is unpacked, and raised."""
    _, problem, trace = result
    raise problem.with_traceback(trace)


class Losing(ThreadPoolExecutor):
    """An executor that loses its first pieces, one way or the other, as Dask's does at times."""

    def __init__(self, lost: str, times: int):
        super().__init__(1)
        self.lost, self.times = lost, times

    def submit(self, *task):
        if not self.times:
            return super().submit(*task)
        self.times -= 1
        future = Future()
        if self.lost == "cancelled":
            future.cancel()
            future.set_running_or_notify_cancel()
        else:
            try:
                _cascade_future(())
            except ValueError as problem:
                future.set_exception(problem)
        return future


@pytest.mark.parametrize("lost", ["cancelled", "unpacked"])
def test_a_piece_that_an_executor_has_lost_is_given_to_it_again(lost):
    found = sweep(summed, PLANE, cells_at_once=3, store=False, executor=Losing(lost, 2))
    assert int(found["sum"].sum()) == int(TOTAL)


@pytest.mark.parametrize(
    ("lost", "error"), [("cancelled", CancelledError), ("unpacked", ValueError)]
)
def test_an_executor_that_loses_everything_is_given_up(lost, error):
    with pytest.raises(error):
        sweep(summed, PLANE, store=False, executor=Losing(lost, 1000))


def test_an_error_of_the_experiment_is_no_loss(tmp_path):
    log = tmp_path / "log"

    def wrong(a, b):
        with log.open("a") as file:
            file.write("called\n")
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"), ThreadPoolExecutor(1) as pool:
        sweep(wrong, {"a": [1], "b": [2]}, store=False, executor=pool)
    assert log.read_text() == "called\n"


def test_an_address_where_nobody_answers_is_told(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("superpos.compute.executors._SECONDS_TO_CONNECT", 1)
    with pytest.raises(InvalidArgument, match="no Dask scheduler can be reached at 'tcp://127"):
        sweep(summed, PLANE, store=False, executor="tcp://127.0.0.1:9")


def test_without_dask_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InvalidArgument, match=r"install superpos\[cluster\]"):
        sweep(summed, PLANE, store=False, executor="tcp://127.0.0.1:9")


# Nonsense


@pytest.mark.parametrize(
    ("experiment", "grid", "told"),
    [
        (summed, {}, "grid is empty"),
        (summed, {"a": [1], "b": 3}, "grid has 3 for b: a list of values is needed"),
        (summed, {"a": [1], "b": "xy"}, "grid has 'xy' for b"),
        (summed, {"a": [1], "b": []}, r"grid has b of shape \(0,\)"),
        (summed, {"a": [1], "b": torch.ones(2, 2)}, r"grid has b of shape \(2, 2\)"),
        (summed, {"a": [1]}, "missing a required argument: 'b'"),
        (summed, {"a": [1], "b": [1], "c": [1]}, "unexpected keyword argument 'c'"),
        (lambda a: None, {"a": [1]}, "the experiment gave NoneType: arrays by name"),
        (lambda a: {"x": torch.ones(3)}, {"a": [1]}, r"gave x of shape \(3,\), but a has 1 values"),
        (lambda a: {"x": (["a"], torch.ones(1, 2))}, {"a": [1]}, "1 new names are needed"),
        (lambda a: {"x": torch.ones(1, *a)}, {"a": [1, 2]}, "gave x other axes in another piece"),
    ],
)
def test_nonsense_is_refused_by_name(experiment, grid, told):
    with pytest.raises(InvalidArgument, match=told):
        sweep(experiment, grid, store=False)


@pytest.mark.parametrize("address", ["processes:0", "processes:x", "somewhere", "host:80"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(InvalidArgument, match=f"scheduler is '{address}'"):
        sweep(summed, PLANE, store=False, executor=address)


def test_more_than_a_whole_number_of_cells_is_refused():
    with pytest.raises(InvalidArgument, match="cells_at_once is 0"):
        sweep(summed, PLANE, cells_at_once=0, store=False)


def test_outside_a_checkout_nothing_is_stored_unless_asked(monkeypatch):
    from superpos.compute import sweeps

    def nowhere():
        raise InvalidArgument("no book")

    monkeypatch.setattr(sweeps, "find_root", nowhere)
    assert sweeps.default_store() is None
    assert int(sweep(summed, PLANE)["sum"].sum()) == int(TOTAL)


def test_the_example_of_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("SUPERPOS_STORE", str(tmp_path))
    page = (Path(__file__).parents[2] / "book" / "clusters.md").read_text("utf-8")
    example = page.split("```python\n")[1].split("```")[0]
    assert "range(20)" in example
    names = {"__name__": "__main__"}
    exec(example.replace("range(20)", "range(2)").replace("0, -2, 30", "0, -1, 3"), names)
    assert dict(names["found"].sizes) == {"seed": 2, "p": 3}
    assert len(pieces(tmp_path)) == 6
