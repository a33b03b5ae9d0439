"""Models of the paper's own size, n = 400 and m = 30: as published, with patience, and the best.

They take minutes to hours, so what is drawn of them is kept beside this file: the dimensionality
of every feature. `KINDS` tells how each kind was made; the last is made again, in some minutes, by
``python -m superpos.studies.uniform_models best``, and in part by a test.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from superpos import geometry
from superpos.losses import expected_loss
from superpos.optima.search import best_known

N, M = 400, 30
FILE = Path(__file__).with_suffix(".safetensors")
KINDS = {
    "published": "the authors' loop: Glorot's rule over the array of three axes, AdamW at 0.001, "
    "1024 inputs a step, 10 000 steps, one seed",
    "patient": "Procedure.patient: 100 000 steps of 1024 inputs at 0.003, falling to 0, one seed",
    "best": "superpos.optima.search.best_known: crowds of few features, and stacks of polytopes",
}


@dataclass(frozen=True, eq=False)
class Kept:
    """Models of one kind, by 1/p.

    Attributes
    ----------
    inverse_p
        1/p, ``(k,)``.
    dimensions
        D* = m/‖W‖²_F, ``(k,)``.
    dimensionality
        D_i of the represented features, else NaN, ``(k, n)``.
    saved
        By each hidden dimension, in units of what a feature alone in it saves, ``(k,)``.
    """

    inverse_p: Tensor
    dimensions: Tensor
    dimensionality: Tensor
    saved: Tensor


def of(inverse_p: Tensor, W: Tensor, b: Tensor) -> Kept:
    """Return what is kept of models W ``(k, m, n)`` and b ``(k, n)``."""
    W, p = W.float(), 1 / inverse_p.double()
    D = geometry.feature_dimensionality(W).where(geometry.represented(W), torch.nan)
    loss, _ = expected_loss(W, b.float(), p[:, None], samples=20_000, seed=0)
    v = p / 3 - p**2 / 4  # the variance of a feature
    saved = (N * v - loss) / (M * v)
    return Kept(
        inverse_p.float(), geometry.dimensions_per_feature(W), D.half().float(), saved.float()
    )


def best(inverse_p: Tensor) -> Kept:
    """Find the best known models: some six seconds for each 1/p."""
    found = best_known(N, M, 1 / inverse_p)
    return of(inverse_p, found.W, found.b)


def kept(path: Path = FILE) -> dict[str, Kept]:
    """Return all that is kept, by kind."""
    with safe_open(path, "pt") as file:
        return {
            kind: Kept(
                *(file.get_tensor(f"{kind}.{name}").float() for name in Kept.__annotations__)
            )
            for kind in KINDS
        }


def keep(models: Mapping[str, Kept], path: Path = FILE) -> None:
    """Write them, with how they were made."""
    tensors = {
        f"{kind}.{name}": value.half() if name == "dimensionality" else value
        for kind, some in models.items()
        for name, value in vars(some).items()
    }
    save_file(tensors, path, {kind: KINDS[kind] for kind in models})


if __name__ == "__main__":
    if sys.argv[1:] != ["best"]:
        sys.exit("usage: python -m superpos.studies.uniform_models best")
    before = kept()
    places = torch.cat([torch.logspace(0, 1, 31)[1:], before["patient"].inverse_p])
    keep(before | {"best": best(places.sort().values)})
