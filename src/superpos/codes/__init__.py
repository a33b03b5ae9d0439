"""Unit vectors without a model: codes, Thomson's problem, what is read from them, layers, bits."""

from superpos.codes.vectors import (
    chance_above,
    coherence,
    harmonic_code,
    largest_cosine,
    lemma_noise,
    optimised_code,
    random_code,
    roots,
    typical_cosine,
    welch_bound,
)

__all__ = [
    "chance_above",
    "coherence",
    "harmonic_code",
    "largest_cosine",
    "lemma_noise",
    "optimised_code",
    "random_code",
    "roots",
    "typical_cosine",
    "welch_bound",
]
