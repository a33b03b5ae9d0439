"""How often chance is called unusual: `superpos.measure` on fresh matrices of its own nulls.

``python benchmarks/nulls.py [COUNT]`` measures COUNT matrices (1000) of random directions, and as
many with a spectrum of their own, rotated at random, and prints how many have any unusual
statistic, by the range of 399 replicates and as predicted from 20. At most 5 % should. It takes
some minutes.
"""

from __future__ import annotations

import sys

import torch

from superpos import stats
from superpos.measure import measure
from superpos.measure.nulls import RANDOM, SPECTRUM, random_directions, same_spectrum
from superpos.measure.statistics import OF_SPECTRUM

N, M = 12, 4


def unusual(W: torch.Tensor, null: str, seed: int, replicates: int) -> set[str]:
    """The statistics that are unusual; those of the spectrum count where chance decides them."""
    found = measure(W, seed=seed, replicates=replicates, codes=0)
    told = {each.name for each in found.statistics if each.unusual}
    return told - set(OF_SPECTRUM) if null == SPECTRUM else told


def main(count: int) -> None:
    torch.set_num_threads(1)
    draws = torch.Generator().manual_seed(20_000)
    length = torch.linspace(0.5, 2, N).double()
    matrices = {
        RANDOM: random_directions(length, M, count, draws),
        SPECTRUM: same_spectrum(torch.tensor([4.0, 2.0, 1.0, 0.5]).double(), N, count, draws),
    }
    for replicates in (399, 20):
        for null, of in matrices.items():
            told = [unusual(W, null, seed, replicates) for seed, W in enumerate(of)]
            wrong = torch.tensor([bool(each) for each in told])
            low, high = stats.rate_interval(wrong)
            names = {name: sum(name in each for each in told) for name in set().union(*told)}
            print(
                f"{replicates} replicates, {null}: {int(wrong.sum())} of {count} unusual "
                f"({low:.1%} to {high:.1%}); by statistic {names}",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
