"""Toy Models of Superposition, executable.

The package of the book, one room a subject: how inputs are drawn (`features`), the models
(`models`), their loss (`losses`), training (`train`, or `training.drift` while a setting
changes), optima of the exact loss (`optima`), what W looks like (`geometry`, `bundles`,
`tegum`), vectors without a model (`codes`), attacks (`adversarial`), the course of learning
(`learning`), sparse autoencoders (`sae`), hidden ReLUs (`neurons`), rates with intervals (`stats`),
experiments over a grid (`sweep`), weights from elsewhere (`weights`), directions beside chance
(`measure`), models whose answer is known (`zoo`), and, for the book, what each chapter measures
(`studies`), draws (`figures`) and claims (`claims`).

Names are imported when they are first used, so that the command line need not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what `__getattr__` gives, for those who read types
    from superpos.compute.sweeps import sweep as sweep
    from superpos.errors import Diverged as Diverged
    from superpos.errors import InvalidArgument as InvalidArgument
    from superpos.features import AnticorrelatedSets as AnticorrelatedSets
    from superpos.features import BooleanFeatures as BooleanFeatures
    from superpos.features import CorrelatedSets as CorrelatedSets
    from superpos.features import Examples as Examples
    from superpos.features import FeatureDistribution as FeatureDistribution
    from superpos.features import IndependentFeatures as IndependentFeatures
    from superpos.features import SignedFeatures as SignedFeatures
    from superpos.models import LINEAR as LINEAR
    from superpos.models import RELU_HIDDEN as RELU_HIDDEN
    from superpos.models import RELU_OUTPUT as RELU_OUTPUT
    from superpos.models import Model as Model
    from superpos.training.drift import drift as drift
    from superpos.training.procedures import PUBLISHED as PUBLISHED
    from superpos.training.procedures import Procedure as Procedure
    from superpos.training.results import Trained as Trained
    from superpos.training.train import train as train

__version__ = "0.1.0"

_HOME = {
    "AnticorrelatedSets": "superpos.features",
    "BooleanFeatures": "superpos.features",
    "CorrelatedSets": "superpos.features",
    "Diverged": "superpos.errors",
    "Examples": "superpos.features",
    "FeatureDistribution": "superpos.features",
    "IndependentFeatures": "superpos.features",
    "InvalidArgument": "superpos.errors",
    "LINEAR": "superpos.models",
    "Model": "superpos.models",
    "PUBLISHED": "superpos.training.procedures",
    "Procedure": "superpos.training.procedures",
    "RELU_HIDDEN": "superpos.models",
    "RELU_OUTPUT": "superpos.models",
    "SignedFeatures": "superpos.features",
    "Trained": "superpos.training.results",
    "drift": "superpos.training.drift",
    "sweep": "superpos.compute.sweeps",
    "train": "superpos.training.train",
}
_MODULES = (
    "superpos.adversarial",
    "superpos.bundles",
    "superpos.claims",
    "superpos.codes",
    "superpos.compute",
    "superpos.features",
    "superpos.figures",
    "superpos.geometry",
    "superpos.learning",
    "superpos.losses",
    "superpos.measure",
    "superpos.models",
    "superpos.neurons",
    "superpos.optima",
    "superpos.sae",
    "superpos.stats",
    "superpos.studies",
    "superpos.tegum",
    "superpos.training",
    "superpos.weights",
    "superpos.zoo",
)

__all__ = sorted([*_HOME, *(module.rpartition(".")[2] for module in _MODULES)])


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if f"superpos.{name}" in _MODULES:
        return import_module(f"superpos.{name}")
    raise AttributeError(f"module 'superpos' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
