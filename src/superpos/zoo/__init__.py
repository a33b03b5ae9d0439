"""A zoo of toy models with certificates: known answers to try a method of interpretability on.

Some thirty models, small enough to come with the package: the polytopes of the paper and their
sums, models as training leaves them, minima that are not the best and saddles, correlated and
unequally important features, a free decoder, neurons, computation, memory. Each says how it was
made, on which inputs, and what is known of its loss: see `Certificate`.
"""

from superpos.zoo.certificates import Certificate, shape_of
from superpos.zoo.layouts import LAYOUTS
from superpos.zoo.specimens import Specimen, Table, load, names, table

__all__ = [
    "LAYOUTS",
    "Certificate",
    "Specimen",
    "Table",
    "load",
    "names",
    "shape_of",
    "table",
]
