"""Work on several cores: real processes, and what becomes of them when something fails."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from superpos import IndependentFeatures, Procedure, train
from superpos.compute import processes
from superpos.compute.processes import in_parallel
from superpos.compute.settings import cores
from superpos.errors import Diverged, InvalidArgument
from superpos.training import train as training

linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch):
    monkeypatch.setenv("SUPERPOS_CORES", "2")


def where(_) -> tuple[int, int]:
    return os.getpid(), torch.get_num_threads()


@linux
def test_pieces_are_done_elsewhere_on_one_thread_each():
    found = in_parallel(lambda piece: where(time.sleep(0.05)), range(6))
    assert os.getpid() not in {pid for pid, _ in found}
    assert len({pid for pid, _ in found}) == 2
    assert {threads for _, threads in found} == {1}


@pytest.mark.parametrize("spread", [True, False])
def test_results_come_in_the_order_of_the_pieces(spread):
    def slow_at_first(piece):
        time.sleep(0.1 / (piece + 1))
        return torch.full((3,), piece)

    found = in_parallel(slow_at_first, range(5), spread=spread)
    assert [values[0].item() for values in found] == [0, 1, 2, 3, 4]


def test_without_much_to_do_no_process_is_begun():
    before = torch.get_num_threads()
    assert in_parallel(where, range(3), spread=False) == [(os.getpid(), 1)] * 3
    assert in_parallel(where, [0]) == [(os.getpid(), 1)]
    assert torch.get_num_threads() == before


def in_a_new_thread(work):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("platform", [sys.platform, "darwin"])
@pytest.mark.parametrize("spread", [True, False])
def test_other_threads_keep_their_number_of_threads(monkeypatch, platform, spread):
    monkeypatch.setattr(processes.sys, "platform", platform)

    def fails(piece):
        raise InvalidArgument(f"here {torch.get_num_threads()}")

    seen = []
    with ThreadPoolExecutor(1) as old:
        assert old.submit(torch.get_num_threads).result() == 3
        in_parallel(
            lambda _: seen.append(in_a_new_thread(torch.get_num_threads)), range(2), spread=spread
        )
        with pytest.raises(InvalidArgument, match="here 1"):
            in_parallel(fails, range(2), spread=spread)
        assert old.submit(torch.get_num_threads).result() == 3
    assert torch.get_num_threads() == in_a_new_thread(torch.get_num_threads) == 3
    forked = spread and platform == "linux"
    assert seen == ([] if forked else [3, 3])


@linux
def test_a_piece_does_its_own_pieces_in_turn():
    def nested(_):
        return os.getpid(), in_parallel(where, range(2))

    for own, inner in in_parallel(nested, range(2)):
        assert {pid for pid, _ in inner} == {own}


def test_elsewhere_than_on_linux_threads_do_the_same(monkeypatch):
    monkeypatch.setattr(processes.sys, "platform", "darwin")
    assert in_parallel(lambda piece: piece**2, range(5)) == [0, 1, 4, 9, 16]
    assert {pid for pid, _ in in_parallel(where, range(4))} == {os.getpid()}


def test_the_first_failure_ends_it(tmp_path):
    def fail_at_first(piece):
        if piece == 0:
            raise InvalidArgument("no")
        time.sleep(0.2)
        (tmp_path / str(piece)).touch()

    with pytest.raises(InvalidArgument, match="no"):
        in_parallel(fail_at_first, range(20))
    assert len(list(tmp_path.iterdir())) < 5
    assert not multiprocessing.active_children()


@linux
def test_a_killed_process_is_an_error_not_a_wait():
    def killed(piece):
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(RuntimeError, match="terminated abruptly"):
        in_parallel(killed, range(2))


@linux
def test_watching_sees_what_is_written_in_shared_memory():
    done, seen = torch.zeros(2).share_memory_(), []

    def work(piece):
        for _ in range(5):
            time.sleep(0.1)
            done[piece] += 1

    in_parallel(work, range(2), watch=lambda: seen.append(done.sum().item()))
    assert seen == sorted(seen)
    assert seen[-1] == 10
    assert 0 < seen[len(seen) // 2] < 10


SLEEPERS = """
import os, signal, sys, time
from superpos.compute.processes import in_parallel
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may start us deaf to it
def work(piece):
    os.write(1, b"%d\\n" % os.getpid())  # in one piece
    time.sleep(60)
in_parallel(work, range(2))
"""


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@linux
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_processes_end_with_the_one_that_began_them(how):
    with subprocess.Popen(
        [sys.executable, "-c", SLEEPERS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as driver:
        pids = [int(driver.stdout.readline()) for _ in range(2)]
        assert all(map(alive, pids))
        driver.send_signal(how)
        driver.wait(20)
    deadline = time.monotonic() + 20
    while any(map(alive, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("nonsense", ["0", "two", "-1", "1.5"])
def test_a_number_of_cores_is_a_number(monkeypatch, nonsense):
    monkeypatch.setenv("SUPERPOS_CORES", nonsense)
    with pytest.raises(InvalidArgument, match="SUPERPOS_CORES"):
        cores()


def brief(**changes):
    procedure = Procedure(steps=60, warmup=5, **changes)
    return train(IndependentFeatures(4, torch.tensor([[0.5], [0.1]])), 2, seeds=3,
                 procedure=procedure)  # fmt: skip


@linux
def test_training_is_the_same_in_processes_of_its_own(monkeypatch):
    monkeypatch.setattr(training, "_FEWEST_ENTRIES", 100)
    monkeypatch.setattr(training, "_MOST_ENTRIES", 300)
    alone = brief()
    monkeypatch.setattr(training, "_FEW_ENTRIES", 0)
    spread = brief()
    assert torch.equal(spread.W, alone.W)
    assert torch.equal(spread.b, alone.b)
    assert torch.equal(spread.loss_history, alone.loss_history)


@linux
def test_the_bar_of_training_in_processes_is_drawn_once_and_reaches_its_end(monkeypatch, capfd):
    monkeypatch.setattr(training, "_FEWEST_ENTRIES", 100)
    monkeypatch.setattr(training, "_FEW_ENTRIES", 0)
    drawn = []

    class Bar:
        n = 0

        def update(self, steps):
            self.n += steps
            drawn.append((os.getpid(), steps))
            os.write(2, b"drawn\n")

    monkeypatch.setattr(training, "progress_bar", lambda *_: contextlib.nullcontext(Bar()))
    brief()
    assert {pid for pid, _ in drawn} == {os.getpid()}
    assert sum(steps for _, steps in drawn) == 3 * 60  # three pieces
    assert capfd.readouterr().err.count("drawn") == len(drawn)  # none by the other processes


@linux
def test_what_was_trained_in_processes_keeps_no_file_open(monkeypatch):
    monkeypatch.setattr(training, "_FEWEST_ENTRIES", 100)
    monkeypatch.setattr(training, "_FEW_ENTRIES", 0)
    brief()
    before = len(os.listdir("/proc/self/fd"))
    kept = [brief() for _ in range(3)]
    assert len(os.listdir("/proc/self/fd")) == before
    assert not any(value.is_shared() for run in kept for value in run.parameters.values())


@linux
def test_divergence_brings_its_last_good_state_from_another_process(monkeypatch):
    monkeypatch.setattr(training, "_FEWEST_ENTRIES", 100)
    monkeypatch.setattr(training, "_FEW_ENTRIES", 0)
    with pytest.raises(Diverged, match="smaller learning_rate") as stopped:
        brief(learning_rate=1e12)
    assert str(stopped.value).startswith("training diverged between steps 0 and 20")
    assert stopped.value.last_good["W"].isfinite().all()
