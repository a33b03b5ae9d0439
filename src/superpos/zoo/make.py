"""Makes the zoo: ``python -m superpos.zoo.make``.

It takes a few minutes on one core, and writes two files beside this one: the weights, and what is
known of each model. With names, it makes these alone and prints what it finds::

    python -m superpos.zoo.make pentagon cube
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from superpos.features import Examples
from superpos.zoo.certificates import Certificate, measured, shape_of
from superpos.zoo.descents import SAME, Parameters, Recipe, search, told_inputs
from superpos.zoo.recipes import recipes
from superpos.zoo.specimens import CERTIFICATES, FOLDER, WEIGHTS


def made(recipe: Recipe) -> tuple[Parameters, Certificate]:
    """Make a model, and its certificate."""
    found = recipe.make(recipe)
    at = measured(recipe.model, found.parameters, recipe.features, recipe.weights)
    best, error, told = at.loss, at.error, found.search
    if found.best is not None:
        best, error = found.best
    elif not found.search:
        best, error, told = _known(recipe, at.loss)
    return found.parameters, Certificate(
        **asdict(at), best=best, best_error=error, search=told, proof=found.proof,
        shape=found.shape or shape_of(found.parameters["W"]), beside=dict(found.beside),
    )  # fmt: skip


def _known(recipe: Recipe, loss: float) -> tuple[float | None, float, str]:
    """Return the lowest loss known where nothing else is told: by a search, if it can be exact."""
    if recipe.starts == 0:
        return None, 0.0, ""
    searched = search(recipe)
    _, _, lowest, reached = searched.levels[0]
    came = f"of {searched.starts} random starts of second-order descent"
    if loss < lowest - SAME:
        return loss, 0.0, f"{came}, none came so low"
    return lowest, 0.0, f"{came}, {reached} came to it, and none came lower"


def write(chosen: Iterable[Recipe], folder: Path = FOLDER) -> None:
    """Make models, and write them and their certificates."""
    tensors: dict[str, Tensor] = {}
    entries: dict[str, Any] = {}
    for recipe in chosen:
        parameters, certificate = made(recipe)
        print(f"\n{recipe.name}\n{certificate}", flush=True)
        for name, value in parameters.items():
            tensors[f"{recipe.name}/{name}"] = value.contiguous().clone()
        if isinstance(recipe.features, Examples):
            tensors[f"{recipe.name}/x"] = recipe.features.x
        entries[recipe.name] = {
            "group": recipe.group, "about": recipe.about, "made": recipe.made,
            "model": recipe.model.name, "n": recipe.features.n, "m": recipe.m,
            "inputs": told_inputs(recipe.features), "importance": list(recipe.importance),
            "certificate": asdict(certificate),
        }  # fmt: skip
    save_file(tensors, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)  # it is made for its owner alone
    text = json.dumps(entries, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / CERTIFICATES).write_text(text + "\n", "utf-8")


def main(arguments: Sequence[str]) -> None:
    """Make all models, or print what is found of some."""
    known = recipes()
    if unknown := set(arguments) - known.keys():
        raise SystemExit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    for name in arguments:
        print(f"{name}\n{made(known[name])[1]}\n")
    if not arguments:
        write(known.values())


if __name__ == "__main__":
    main(sys.argv[1:])
