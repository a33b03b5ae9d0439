"""A sweep over Dask whose workers are killed at random, for as long as ``SUPERPOS_SOAK`` says."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from superpos import sweep

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(sys.platform != "linux", reason="signals as on Linux"),
]

SECONDS = float(os.environ.get("SUPERPOS_SOAK", "600"))
WORKERS = 3
BETWEEN = 1.0, 3.0  # seconds between two kills
MEBIBYTES = 60.0  # that the driver may grow by between its first sweeps and its last


class Cluster:
    """A scheduler, and workers that are begun anew as they die."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "scheduler.json"
        self.killed = 0
        self.workers: list[subprocess.Popen] = []
        self.over = threading.Event()
        self.scheduler = self._start(
            *("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"),
            *("--scheduler-file", str(self.file)),
        )
        deadline = time.monotonic() + 60
        while not (self.file.exists() and self.file.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        self.address = json.loads(self.file.read_text())["address"]
        self.workers = [self._worker() for _ in range(WORKERS)]
        self.killer = threading.Thread(target=self._kill)

    def _start(self, *arguments: str) -> subprocess.Popen:
        # a piece dies with a worker more than Dask's three times, when workers die all the time
        environment = os.environ | {
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1000",
            "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "30s",
        }
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments], cwd=self.folder, env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def _worker(self) -> subprocess.Popen:
        options = ("--nworkers", "1", "--nthreads", "1", "--no-dashboard", "--no-nanny")
        return self._start("worker", self.address, *options)

    def _kill(self) -> None:
        drawn = random.Random(0)
        while not self.over.wait(drawn.uniform(*BETWEEN)):
            place = drawn.randrange(WORKERS)
            self._end(self.workers[place])
            self.killed += 1
            self.workers[place] = self._worker()

    @staticmethod
    def _end(process: subprocess.Popen) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def end(self) -> None:
        self.over.set()
        if self.killer.is_alive():
            self.killer.join()
        for process in (*self.workers, self.scheduler):
            self._end(process)


@pytest.fixture
def cluster(tmp_path):
    pytest.importorskip("distributed")
    made = Cluster(tmp_path)
    yield made
    made.end()


def mebibytes() -> float:
    """The memory that this process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_nothing_is_lost_and_memory_is_flat_while_workers_are_killed(cluster, tmp_path):
    begin, rounds, memory = time.monotonic(), 0, []
    cluster.killer.start()
    while time.monotonic() - begin < SECONDS or rounds < 2:
        number = torch.tensor(rounds)  # another experiment each time, for another store

        def slow(a, b, number=number):
            time.sleep(0.05)
            return {"x": torch.as_tensor(a)[:, None] * 100.0 + torch.as_tensor(b) + number}

        store = tmp_path / f"store-{rounds}"
        grid = {"a": list(range(12)), "b": list(range(10))}
        found = sweep(slow, grid, cells_at_once=1, store=store, executor=cluster.address)
        right = torch.arange(12.0)[:, None] * 100 + torch.arange(10.0) + rounds
        assert torch.equal(torch.tensor(found["x"].values), right)
        assert len(list(store.rglob("*.safetensors"))) == 120
        assert not list(store.rglob("*.partial"))
        again = sweep(slow, grid, cells_at_once=1, store=store, executor="tcp://nobody:1")
        assert found.identical(again)  # all of it was kept: nobody is asked
        rounds += 1
        memory.append(mebibytes())
    told = f"{rounds} sweeps, {cluster.killed} workers killed, MiB {[round(m) for m in memory]}"
    print(told)
    assert cluster.killed >= (time.monotonic() - begin) / (3 * BETWEEN[1]), told
    assert memory[-1] - memory[min(1, rounds - 1)] < MEBIBYTES, told
