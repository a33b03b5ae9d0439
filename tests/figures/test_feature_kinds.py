"""Features of the chapter on demonstrating superposition, stacked by kind."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from superpos.figures import demonstrating_superposition as draw
from superpos.figures.style import figure


def polygon(k: int) -> Tensor:
    angle = torch.arange(k) * 2 * torch.pi / k
    return torch.stack([angle.cos(), angle.sin()])


def test_features_are_stacked_by_kind_per_dimension():
    # m = 3: alone, a pair, a triangle; nothing represented at the second setting
    one = torch.zeros(4, 6)
    one[0, 0] = 1
    one[1, 1:3] = torch.tensor([1.0, -1.0])
    one[2:, 3:] = polygon(3)
    W = torch.stack([torch.stack([one, 0 * one]), torch.stack([one, one])])  # two seeds
    _, ax = figure()
    draw.feature_kinds(ax, torch.tensor([1.0, 0.01]), W)
    edges = [0.0, 0.0]  # of the stack, at either setting
    for area, counts in zip(ax.collections, ([1, 0.5], [2, 1], [3, 1.5]), strict=True):
        heights = np.array(counts) / 4
        for place, low, height in zip((1.0, 0.01), edges, heights, strict=True):
            y = area.get_paths()[0].vertices
            y = y[y[:, 0] == np.float32(place), 1]
            assert (y.min(), y.max()) == pytest.approx((low, low + height))
        edges = [low + height for low, height in zip(edges, heights, strict=True)]
    labels = [area.get_label() for area in ax.collections]
    assert labels == ["own dimension", "antipodal pair", "other superposition"]
    assert ax.get_xscale() == "log"
    assert ax.get_xlim()[0] > ax.get_xlim()[1]  # from dense to sparse
    assert ax.get_ylim()[0] == 0
