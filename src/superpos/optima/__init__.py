"""Optima of the exact loss: descent to them, their branches and phases, free decoders."""

from superpos.optima.newton import Optimum, hessian, least_curvature, minimise

__all__ = [
    "Optimum",
    "hessian",
    "least_curvature",
    "minimise",
]
