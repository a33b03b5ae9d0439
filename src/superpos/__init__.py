"""Toy Models of Superposition, executable.

The shared package of the book: how inputs are drawn (`features`), the models (`models`),
their loss (`losses`), their training (`train`), what their geometry is (`geometry`), how it is
drawn (`plotting`), and what was claimed and found (`claims`).
"""

from superpos import claims, geometry, losses, models, plotting
from superpos.errors import Diverged, InvalidArgument
from superpos.features import AnticorrelatedSets, CorrelatedSets, IndependentFeatures
from superpos.models import LINEAR, RELU_HIDDEN, RELU_OUTPUT, Model
from superpos.training import PUBLISHED, Procedure, Trained, train

__version__ = "0.1.0"

__all__ = [
    "LINEAR",
    "PUBLISHED",
    "RELU_HIDDEN",
    "RELU_OUTPUT",
    "AnticorrelatedSets",
    "CorrelatedSets",
    "Diverged",
    "IndependentFeatures",
    "InvalidArgument",
    "Model",
    "Procedure",
    "Trained",
    "claims",
    "geometry",
    "losses",
    "models",
    "plotting",
    "train",
]
