"""The best models known, at the paper's size: how long it takes to find them, and what they save.

    python benchmarks/best.py [--json FILE]

At the 24 values of 1/p between which the paper's triangles and digons lie, and at ten sparser
ones. A model is told by what it saves of the loss of leaving everything out, for each of its
dimensions, in units of the variance of a feature: 1 is a dimension for every represented feature.
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import torch

from superpos.losses import active_moments
from superpos.optima.search import best_known

N, M = 400, 30
DENSE = torch.linspace(1.05, 1.9, 24, dtype=torch.float64)
SPARSE = torch.tensor([2, 3, 4, 4.5, 5, 6, 7, 8, 10, 14], dtype=torch.float64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", help="write the numbers to this file")
    asked = parser.parse_args()
    inverse_p = torch.cat([DENSE, SPARSE])
    began = time.perf_counter()
    found = best_known(N, M, 1 / inverse_p)
    seconds = time.perf_counter() - began
    each = M * active_moments(1 / inverse_p)[1]
    everything = N / M
    rows = []
    for k, at in enumerate(inverse_p.tolist()):
        saved = {
            name: round((everything - loss[k] / each[k]).item(), 5)
            for name, loss in (
                ("best", found.loss), ("crowd", found.crowd_loss), ("stack", found.stack_loss)
            )
        }  # fmt: skip
        rows.append({"1/p": at, "kind": found.kind[k], **saved})
        print(
            f"{at:7.3f}", *(f"{name} {value:.5f}" for name, value in saved.items()), found.kind[k]
        )
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    memory = children.ru_maxrss / 1e6  # in GB, of the largest process
    print(f"{len(rows)} models of n = {N}, m = {M}: {seconds:.0f} s, {memory:.2f} GB a process")
    if asked.json:
        with open(asked.json, "w", encoding="utf-8") as file:
            json.dump({"seconds": seconds, "memory": memory, "models": rows}, file, indent=1)


if __name__ == "__main__":
    main()
