"""Polytopes whose corners are alike: known numbers, and what they are refused for."""

from __future__ import annotations

import pytest
import torch

from superpos import geometry
from superpos.codes import polytopes
from superpos.codes.polytopes import POLYTOPES, Polytope
from superpos.errors import InvalidArgument

# dimension, corners, and the cosines of a corner with the others (Ballinger et al. 2009, table 1,
# and the eigenvalues of the strongly regular graphs)
KNOWN = {
    "5-cell": (4, 5, {-1 / 4: 4}),
    "rectified 5-cell": (4, 10, {-2 / 3: 3, 1 / 6: 6}),
    "icosahedron": (3, 12, {-1: 1, -(5**-0.5): 5, 5**-0.5: 5}),
    "half 5-cube": (5, 16, {-3 / 5: 5, 1 / 5: 10}),
    "Schläfli's 27": (6, 27, {-1 / 2: 10, 1 / 4: 16}),
    "Gosset's 56": (7, 56, {-1: 1, -1 / 3: 27, 1 / 3: 27}),
    "40 in ten dimensions": (10, 40, {-1 / 2: 8, -1 / 3: 3, 0: 4, 1 / 6: 24}),
    "64 in fourteen dimensions": (14, 64, {-3 / 7: 14, -1 / 7: 7, 1 / 7: 42}),
    "Higman-Sims 100": (22, 100, {-4 / 11: 22, 1 / 11: 77}),
    "112 beside McLaughlin's": (21, 112, {-1 / 3: 30, 1 / 9: 81}),
    "162 beside McLaughlin's": (21, 162, {-2 / 7: 56, 1 / 7: 105}),
    "McLaughlin's 275": (22, 275, {-1 / 4: 112, 1 / 6: 162}),
}


@pytest.mark.parametrize("name", KNOWN)
def test_the_cosines_are_those_that_are_known(name):
    polytope = POLYTOPES[name]
    dimension, corners, cosines = KNOWN[name]
    assert (polytope.dimension, polytope.corners) == (dimension, corners)
    assert [count for _, count in polytope.cosines] == list(cosines.values())
    assert [value for value, _ in polytope.cosines] == pytest.approx(list(cosines), abs=1e-9)


@pytest.mark.parametrize("name", POLYTOPES)
def test_corners_share_their_space_evenly(name):
    polytope = POLYTOPES[name]
    D = geometry.feature_dimensionality(polytope.points)
    if name != "square antiprism":  # which is not a tight frame at its best height
        assert torch.allclose(D, torch.full_like(D, polytope.fraction))
    assert torch.allclose(D, D[0].expand_as(D))


def test_columns_that_are_not_corners_of_such_a_polytope_are_refused():
    wide = Polytope("wide", lambda: torch.eye(3).double() * 2)
    with pytest.raises(InvalidArgument, match="wide has a corner that is not of length 1"):
        _ = wide.points
    uneven = torch.tensor([[1.0, 0, -1], [0, 1, 0]]).double()
    with pytest.raises(InvalidArgument, match="corners of uneven are not alike"):
        _ = Polytope("uneven", lambda: uneven).cosines


def test_the_antiprism_is_at_its_best_height_where_it_is_the_best_polytope():
    from superpos.optima.ladder import rung

    heights = [0.535, 0.555, 0.575]
    saved = [
        rung(Polytope("antiprism", lambda h=h: polytopes.square_antiprism(h)), 0.2).saved
        for h in heights
    ]
    assert saved[1] > max(saved[0], saved[2])
