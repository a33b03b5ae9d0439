"""Models with a hidden ReLU: what their neurons serve, and functions that they compute."""

from superpos.neurons.serving import (
    REGIMES,
    SHARE,
    canonical,
    code_name,
    code_names,
    each_groups,
    effective_number,
    groups,
    monosemantic,
    off_sets,
    order,
    polysemantic,
    regimes,
    rotations_more_spread,
    serves,
    spread,
)

__all__ = [
    "REGIMES",
    "SHARE",
    "canonical",
    "code_name",
    "code_names",
    "each_groups",
    "effective_number",
    "groups",
    "monosemantic",
    "off_sets",
    "order",
    "polysemantic",
    "regimes",
    "rotations_more_spread",
    "serves",
    "spread",
]
