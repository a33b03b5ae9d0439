"""What more cores give to one ensemble: `python benchmarks/cores.py [--json FILE]`.

Measures on one core how long a step takes with so many models in a piece, and what it costs to
begin a process; from that, how much sooner 2, 4, 8 and 16 cores should have trained an ensemble in
the parts that `train` would give them: cores take the parts in turn, and processes are begun one
after the other. In brackets: with undivided pieces. Last, what two cores really give. Takes a
minute or two; needs Linux.

A core that works alone may be quicker than one of many that share memory: these are upper bounds.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch

from superpos import RELU_OUTPUT, IndependentFeatures, Procedure, train
from superpos.compute.cutting import Piece
from superpos.compute.processes import in_parallel, on_one_core
from superpos.compute.settings import CORES
from superpos.training.descent import BLOCK
from superpos.training.train import _copy, _Ensemble

# n, m, seeds, settings
ENSEMBLES = [
    (5, 2, 40, 10), (100, 20, 1, 20), (200, 20, 1, 20), (400, 30, 1, 20), (100, 20, 20, 20),
]  # fmt: skip
STEPS = 1000
ON = [1, 2, 4, 8, 16]


def ensemble(n: int, m: int, seeds: int, settings: int, steps: int = STEPS) -> _Ensemble:
    p = torch.logspace(0, -1.3, settings)[:, None]
    return _Ensemble(
        RELU_OUTPUT, IndependentFeatures(n, p), torch.ones(settings, n), m, list(range(seeds)),
        torch.Size([settings]), Procedure(steps=steps), None, [],
    )  # fmt: skip


def seconds_a_step(of: _Ensemble, pieces: list[Piece], repetitions: int = 5) -> list[float]:
    """Return the best time of each piece's step, of pieces measured in turn, on this core alone."""
    start = of.initial()
    begun = [of.descent(piece, _copy(start, piece)) for piece in pieces]
    best = [float("inf")] * len(pieces)
    with on_one_core():
        for descent in begun:
            descent.block()
        for _ in range(repetitions):
            for place, descent in enumerate(begun):
                best[place] = min(best[place], timed(descent.block, time.thread_time) / BLOCK)
    return best


def timed(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    begin = clock()
    work()
    return clock() - begin


def sizes(piece: Piece) -> tuple[int, ...]:
    return tuple(side.stop - side.start for side in piece)


def end(durations: list[float], cores: int, beginning: float) -> float:
    """Return when all are done, each by the core that is free first."""
    free = [beginning * (core + 1) for core in range(min(cores, len(durations)))]
    for duration in durations:
        heapq.heapreplace(free, free[0] + duration)
    return max(free)


def begun_process(repetitions: int = 10) -> float:
    """Return the best time to begin and end a process."""
    os.environ[CORES] = "2"
    nothing = [timed(lambda: in_parallel(lambda _: None, range(2))) for _ in range(repetitions)]
    return min(nothing) / 2


def predicted(of: _Ensemble, beginning: float) -> dict[str, list[float]]:
    """Return the seconds on each number of cores, divided as `train` does and undivided."""
    cut = {}
    for cores in ON:
        os.environ[CORES] = str(cores)
        cut[cores] = of.parts(of.initial())
    unlike = {sizes(piece): piece for pieces in [*cut.values(), of.pieces()] for piece in pieces}
    step = dict(zip(unlike, seconds_a_step(of, list(unlike.values())), strict=True))

    def seconds(pieces: list[Piece], cores: int) -> float:
        durations = [step[sizes(piece)] * of.procedure.steps for piece in pieces]
        return end(durations, cores, beginning if cores > 1 else 0)

    return {
        "divided": [seconds(cut[cores], cores) for cores in ON],
        "undivided": [seconds(of.pieces(), cores) for cores in ON],
        "parts": [len(cut[cores]) for cores in ON],
    }


def two_against_one(n: int, m: int, seeds: int, settings: int, repetitions: int = 3) -> float:
    """Return the ratio of the best times of one core and of two, really trained in turn."""
    p, best = torch.logspace(0, -1.3, settings)[:, None], {1: float("inf"), 2: float("inf")}
    for _ in range(repetitions):
        for cores in best:
            os.environ[CORES] = str(cores)
            run = train(
                IndependentFeatures(n, p), m, seeds=seeds, procedure=Procedure(steps=400),
                progress=False,
            )  # fmt: skip
            best[cores] = min(best[cores], run.seconds)
    return best[1] / best[2]


def curve(n: int, m: int, models: list[int]) -> list[float]:
    """Return the seconds of a model's step, with so many models side by side."""
    of = ensemble(n, m, 1, max(models))
    pieces = [(slice(0, 1), slice(0, count)) for count in models]
    step = seconds_a_step(of, pieces)
    return [seconds / count for seconds, count in zip(step, models, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the results there")
    asked = parser.parse_args()
    models, curves = [1, 2, 4, 8, 16, 32], {}
    print("microseconds of a model's step, with so many models in a piece")
    print(f"{'':18}" + "".join(f"{count:>8}" for count in models))
    for n, m in dict.fromkeys(sizes[:2] for sizes in ENSEMBLES):
        curves[f"n={n} m={m}"] = found = curve(n, m, models)
        print(f"{f'n = {n}, m = {m}':18}" + "".join(f"{1e6 * each:8.1f}" for each in found))
    beginning = begun_process()
    print(f"\nto begin a process: {1e3 * beginning:.1f} ms\n")
    print(f"times as fast as one core, over {STEPS} steps; in brackets undivided")
    print(f"{'':32}" + "".join(f"{cores:>13}" for cores in ON[1:]) + f"{'2, trained':>13}")
    ensembles = {}
    for n, m, seeds, settings in ENSEMBLES:
        name = f"n = {n}, m = {m}, {seeds} × {settings} models"
        found = predicted(ensemble(n, m, seeds, settings), beginning)
        found["two trained"] = [two_against_one(n, m, seeds, settings)]
        ensembles[name] = found
        one = found["divided"][0]
        ratios = [
            f"{one / ours:.1f} ({one / whole:.1f})"
            for ours, whole in zip(found["divided"][1:], found["undivided"][1:], strict=True)
        ]
        print(
            f"{name:32}"
            + "".join(f"{ratio:>13}" for ratio in ratios)
            + f"{found['two trained'][0]:13.1f}",
            flush=True,
        )
    if asked.json:
        told = {"cores": ON, "models": models, "seconds_of_a_model's_step": curves,
                "seconds_to_begin_a_process": beginning, "seconds": ensembles}  # fmt: skip
        asked.json.write_text(json.dumps(told, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
