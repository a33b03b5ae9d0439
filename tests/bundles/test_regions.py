from __future__ import annotations

import math

import pytest
import torch

from superpos.bundles import planted, regions
from superpos.errors import InvalidArgument


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("n", "m"), [(3, 1), (4, 2), (7, 3), (9, 4), (3, 5)])
def test_random_hyperplanes_are_in_general_position(n, m):
    expected = regions.general_position(n, min(n, m))
    found = regions.regions(random(m, n), random(n, seed=1))
    assert found[0] == expected[0]
    assert found[1] == (expected[1] if n > m else 0)


def test_hyperplanes_through_the_origin():
    # n lines through a point make 2n regions
    assert regions.regions(random(2, 5), torch.zeros(5)) == (10, 0)


@pytest.mark.parametrize("seed", range(3))
def test_the_count_is_that_of_the_signs_in_the_plane(seed):
    W, b = random(2, 5, seed=seed), 0.3 * random(5, seed=seed + 50)
    # two crossings of each pair, and points around them, meet every region
    corners = []
    for i in range(5):
        for j in range(i):
            corners.append(torch.linalg.solve(W[:, [i, j]].mT, -b[[i, j]]))
    around = torch.linspace(0, 2 * math.pi, 721, dtype=torch.float64)
    ring = torch.stack([around.cos(), around.sin()], dim=-1)
    h = torch.cat([corner + size * ring for corner in corners for size in (1e-4, 1e3)])
    signs = (h @ W + b > 0).unique(dim=0)
    assert regions.regions(W, b)[0] == len(signs)


def test_a_direct_sum_has_the_product():
    W, sets = planted.direct_sum(["digon", "triangle", "polygon 5"])
    b = -0.1 - 0.2 * random(W.shape[1]).abs()
    parts = [regions.regions(W[:, part], b[list(part)]) for part in sets]
    whole = regions.regions(planted.rotated(W, torch.Generator().manual_seed(0)), b)
    assert whole == tuple(math.prod(counts) for counts in zip(*parts, strict=True))
    assert whole[0] < regions.general_position(10, 5)[0]


def test_a_tolerance_sees_nearly_parallel_ones_as_parallel():
    W = torch.tensor([[1.0, -1.0], [0.0, 0.01]])
    assert regions.regions(W, -torch.ones(2))[0] == 4
    assert regions.regions(W, -torch.ones(2), tolerance=0.1)[0] == 3


def test_zero_columns_and_equal_hyperplanes():
    assert regions.regions(torch.tensor([[1.0, 0.0, 2.0]]), torch.tensor([1.0, 5, 2])) == (
        2,
        0,
    )


def test_too_many_hyperplanes_are_told():
    with pytest.raises(InvalidArgument, match="at most 14"):
        regions.regions(torch.ones(2, 15), torch.zeros(15))
