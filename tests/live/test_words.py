"""The words for what was found: shapes made by hand, in any position."""

from __future__ import annotations

import math

import pytest
import torch

from superpos.bundles.planted import summand
from superpos.codes.polytopes import square_antiprism
from superpos.codes.thomson import polygon
from superpos.geometry import random_rotations

RECOGNISE = """([W, b]) => {
  const place = [...W.flat(), ...b], its = {n: b.length, m: W.length};
  return live.toy.recognise(place, its).sentence;
}"""
LINE, ONE = torch.tensor([[1.0, -1.0]]), torch.ones(1, 1)


def together(*parts: torch.Tensor, out: int = 0) -> torch.Tensor:
    """Parts in dimensions of their own, and features of length 0."""
    W = torch.block_diag(*(part.double() for part in parts))
    return torch.cat([W, W.new_zeros(len(W), out)], dim=1)


def at(*degrees: float) -> torch.Tensor:
    angle = torch.tensor(degrees, dtype=torch.float64) * math.pi / 180
    return torch.stack([angle.cos(), angle.sin()])


SHAPES = {
    "pentagon, all five at 1.13": 1.13 * polygon(5),
    "hexagon, all six at 1.00": polygon(6),
    "triangle, three at 1.00, two left out": together(polygon(3), out=2),
    "cross, four at 1.00, one left out": together(LINE, LINE, out=1),
    "cross, all four from 0.80 to 1.00": together(LINE, 0.8 * LINE),
    "right angle, two at 1.00, three left out": together(ONE, ONE, out=3),
    "digon and one alone, all three at 1.00": together(LINE, ONE),
    "digon, both at 1.00": together(LINE, torch.zeros(1, 0)),
    "two at 60°, both at 1.00": at(0, 60),
    "two at 120°, two at 1.00, one left out": together(at(0, 120), out=1),
    "uneven triangle, all three at 1.00": at(0, 80, 200),
    "fan of three, all three at 1.00": at(0, 70, 140),
    "cross, all six at 1.00, two directions shared": at(0, 2, 90, 92, 180, 270),
    "nothing stored, one on the way, one left out": torch.tensor([[0.5, 0.0], [0.0, 0.0]]),
    "tetrahedron, all four at 1.00": summand("tetrahedron"),
    "octahedron, all six at 1.00": together(LINE, LINE, LINE),
    "triangular bipyramid, all five at 1.00": together(polygon(3), LINE),
    "pentagonal bipyramid, all seven at 1.00": together(polygon(5), LINE),
    "square antiprism, all eight at 1.00": square_antiprism(),
    "three right angles, all three at 1.00": together(ONE, ONE, ONE),
    "pentagon and one alone, all six at 1.00": together(polygon(5), ONE),
}


@pytest.fixture
def sentences(opened):
    page = opened()
    return lambda W: page.evaluate(RECOGNISE, [W.tolist(), [0.0] * W.shape[-1]])


def test_each_shape_has_its_words_however_it_is_turned(sentences):
    draws = torch.Generator().manual_seed(0)
    for words, W in SHAPES.items():
        (turn,) = random_rotations(len(W), 1, draws)
        order = torch.randperm(W.shape[-1], generator=draws)
        noise = 1e-4 * torch.randn(W.shape, generator=draws, dtype=torch.float64)
        told = sentences(turn @ W.double()[:, order] + noise * (W != 0).any(0)[order])
        assert told == words
