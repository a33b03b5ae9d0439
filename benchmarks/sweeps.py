"""What sweeps cost and gain: `make bench` runs this after `bench.py`.

Two worker processes against one on 32 pieces; a finished sweep run again; and a million models of
two features in one dimension, optimised on the exact loss by the workers of a Dask scheduler on
this machine, with the memory of each process. Needs superpos[cluster]. Results go into a file that
`results.py` makes the README's table of.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import results
import torch

from superpos import IndependentFeatures, Procedure, optima, sweep, train


def trained(seed, p):
    """About a second's training."""
    procedure = Procedure(steps=1500)
    run = train(IndependentFeatures(20, p[:, None]), 5, seeds=seed, procedure=procedure)
    return {"W": (["dimension", "feature"], run.W)}


def optimised(seed, p):
    """Optima of the exact loss of two features in one dimension, from random starts."""
    starts = [torch.randn(1, 2, generator=torch.Generator().manual_seed(k)) for k in seed]
    W = torch.stack(starts)[:, None].expand(-1, len(p), -1, -1)
    found = optima.minimise(W, torch.zeros(2), p[:, None])
    return {"loss": found.loss, "gradient": found.gradient_norm}


def timed(experiment, grid, **settings) -> float:
    begin = time.perf_counter()
    sweep(experiment, grid, progress=False, **settings)
    return time.perf_counter() - begin


@contextmanager
def cluster(workers: int) -> Iterator[tuple[str, list[int]]]:
    """Give a Dask scheduler's address, and the process numbers of its workers."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        file = Path(folder) / "scheduler.json"

        def start(*arguments: str) -> int:
            command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard"]
            process = stack.enter_context(
                subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
            )
            stack.callback(process.terminate)
            return process.pid

        start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
        while not (file.exists() and file.read_text()):
            time.sleep(0.05)
        address = json.loads(file.read_text())["address"]
        one = ("--nworkers", "1", "--nthreads", "1", "--no-nanny")
        yield address, [start("worker", address, *one) for _ in range(workers)]


def peak_mebibytes(process: int) -> float:
    """Return the most memory that a process has had (Linux)."""
    path = Path(f"/proc/{process}/status")
    if not path.exists():
        return float("nan")
    (line,) = (line for line in path.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=1_000_000, help="default: a million")
    parser.add_argument("--json", type=Path, default=results.RESULTS, help="write there")
    asked = parser.parse_args()
    measured: dict[str, object] = {"machine": results.machine(), "pieces": 32}
    p = torch.logspace(0, -2, 10)
    grid = {"seed": range(64), "p": p}
    at_once = {"cells_at_once": 20}
    timed(trained, {"seed": range(2), "p": p}, store=False, **at_once)  # a first run begins slowly
    for name, count in (("one", 1), ("two", 2)):
        executor = f"processes:{count}"
        measured[f"{name}_seconds"] = timed(
            trained, grid, store=False, executor=executor, **at_once
        )
    with tempfile.TemporaryDirectory() as store:
        timed(trained, grid, store=store, executor="processes", **at_once)
        measured["again_seconds"] = timed(trained, grid, store=store, **at_once)
    side = round(asked.models**0.5)
    grid = {"seed": range(side), "p": torch.logspace(0, -2, side, dtype=torch.float64)}
    with cluster(2) as (address, workers), tempfile.TemporaryDirectory() as store:
        begin = time.perf_counter()
        found = sweep(
            optimised, grid, executor=address, store=store, cells_at_once=10_000, progress=False
        )
        measured |= {
            "models": found.loss.size,
            "dask_seconds": time.perf_counter() - begin,
            "share_to_a_gradient_of_1e-8": float((found.gradient <= 1e-8).mean()),
            "mebibytes": round(peak_mebibytes(os.getpid())),
            "mebibytes_of_workers": [round(peak_mebibytes(worker)) for worker in workers],
        }
    for name, value in measured.items():
        print(f"{name}: {value}")
    results.write("sweeps", measured, asked.json)


if __name__ == "__main__":
    main()
