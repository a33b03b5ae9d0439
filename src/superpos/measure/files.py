"""One model of a file, measured."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from superpos import checks, weights
from superpos.errors import InvalidArgument
from superpos.measure.dictionary import SHORTEST, Measurement, measure

_SMALL = 2_000_000  # entries of W up to which one thread is as fast as several


def measure_file(
    path: str | os.PathLike,
    *,
    name: str | None = None,
    layout: str | None = None,
    instance: int | None = None,
    probability: float | None = None,
    shortest: float = SHORTEST,
) -> tuple[Measurement, dict[str, Any]]:
    """Measure the weights in a file.

    Parameters
    ----------
    path, name, layout
        As for `superpos.weights.load`.
    instance
        Which model, from 0, of a file with many.
    probability, shortest
        As for `measure`.

    Returns
    -------
    Measurement
    dict
        What a report tells of the file: its ``source``, and how it was ``read``.

    Raises
    ------
    InvalidArgument
        As those do; if there are many models and no instance is told, or no such one.
    """
    found = weights.load(path, name=name, layout=layout)
    read, W, b = list(found.read), found.W, found.b
    models = W.shape[:-2].numel()
    if instance is None and models > 1:
        raise InvalidArgument(
            f"{path} has {models} models, {tuple(W.shape[:-2])}: say which by --instance, "
            f"0 to {models - 1}"
        )
    chosen = checks.index("instance", 0 if instance is None else instance, models)
    if b is not None:
        b = b.expand(*W.shape[:-2], b.shape[-1]).reshape(models, -1)[chosen]
    W = W.reshape(models, *W.shape[-2:])[chosen]
    if models > 1:
        read.append(f"Of {models} models, number {chosen} is measured.")
    threads = torch.get_num_threads()
    if W.numel() <= _SMALL:
        torch.set_num_threads(1)
    try:
        tied = None if found.V is not None else b
        measured = measure(W, b=tied, probability=probability, shortest=shortest)
    finally:
        torch.set_num_threads(threads)
    return measured, {"source": Path(path).name, "read": read}
