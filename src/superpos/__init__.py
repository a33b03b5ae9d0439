"""Toy Models of Superposition, executable.

The shared package of the book: how inputs are drawn (`features`), the models (`models`), their
loss (`losses`), their training (`train`, or `drift` while a setting changes), its optima
(`optima`) and their branches (`branches`), the best of several tries (`restarts`), experiments
over a grid (`sweep`), their geometry (`geometry`), how it is drawn (`plotting`) and moves
(`animations`), and what was claimed and found (`registry`, `claims`). Modules of one chapter
each are named after their subject.

Names are imported when they are first used, so that the command line need not wait for torch.
"""

from importlib import import_module

__version__ = "0.1.0"

_HOME = {
    "AnticorrelatedSets": "superpos.features",
    "BooleanFeatures": "superpos.features",
    "CorrelatedSets": "superpos.features",
    "Diverged": "superpos.errors",
    "Examples": "superpos.features",
    "IndependentFeatures": "superpos.features",
    "InvalidArgument": "superpos.errors",
    "LINEAR": "superpos.models",
    "Model": "superpos.models",
    "PUBLISHED": "superpos.procedures",
    "Procedure": "superpos.procedures",
    "RELU_HIDDEN": "superpos.models",
    "RELU_OUTPUT": "superpos.models",
    "SignedFeatures": "superpos.features",
    "Trained": "superpos.trained",
    "drift": "superpos.drifting",
    "sweep": "superpos.sweeps",
    "train": "superpos.training",
}
_MODULES = (
    "superpos.adversarial",
    "superpos.animations",
    "superpos.arrangements",
    "superpos.branches",
    "superpos.bundles",
    "superpos.capacity",
    "superpos.claims",
    "superpos.codes",
    "superpos.computation",
    "superpos.correlation",
    "superpos.decoders",
    "superpos.dynamics",
    "superpos.explorers",
    "superpos.features",
    "superpos.geometry",
    "superpos.hidden",
    "superpos.intervals",
    "superpos.layers",
    "superpos.losses",
    "superpos.memorization",
    "superpos.models",
    "superpos.neurons",
    "superpos.onehot",
    "superpos.optima",
    "superpos.outcomes",
    "superpos.phases",
    "superpos.planes",
    "superpos.planted",
    "superpos.plotting",
    "superpos.resampling",
    "superpos.restarts",
    "superpos.rounding",
    "superpos.sae",
    "superpos.sweeps",
    "superpos.tegum",
    "superpos.thomson",
)

__all__ = sorted([*_HOME, *(module.rpartition(".")[2] for module in _MODULES)])


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if f"superpos.{name}" in _MODULES:
        return import_module(f"superpos.{name}")
    raise AttributeError(f"module 'superpos' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
