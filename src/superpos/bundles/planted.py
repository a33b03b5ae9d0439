"""Direct sums that are known: regular summands, put together, turned and disturbed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from superpos import checks, geometry
from superpos.codes import thomson
from superpos.errors import InvalidArgument


def simplex(k: int) -> Tensor:
    """Return the corners of the regular simplex in k dimensions: unit columns ``(k, k + 1)``.

    Examples
    --------
    >>> simplex(1)
    tensor([[ 1., -1.]], dtype=torch.float64)
    """
    k = checks.whole_number("k", k)
    corners = torch.eye(k + 1, dtype=torch.float64) - 1 / (k + 1)
    corners = torch.linalg.svd(corners).U[:, :k].mT @ corners
    corners = corners / corners.norm(dim=0)
    return corners * corners[0, 0].sign()


def antiprism(n: int) -> Tensor:
    """Return the corners of an antiprism over an n-gon: unit columns ``(3, 2n)`` with WWᵀ ∝ 1.

    That of the triangle is the octahedron, which is a direct sum of three digons.

    Examples
    --------
    >>> (antiprism(4) @ antiprism(4).mT)[0, 0].item()
    2.66...
    """
    n = checks.whole_number("n", n, least=3)
    top = thomson.polygon(n)
    turn = math.pi / n
    turned = torch.tensor(
        [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]], dtype=torch.float64
    )
    flat = torch.cat([top, turned @ top], dim=1) * math.sqrt(2 / 3)
    up = torch.ones(2 * n, dtype=torch.float64) * math.sqrt(1 / 3)
    up[n:] *= -1
    return torch.cat([flat, up[None]])


def summand(name: str) -> Tensor:
    """Return the unit vectors of a summand by name: ``(dimension, features)``.

    Parameters
    ----------
    name
        ``"digon"``, ``"triangle"``, ``"tetrahedron"``, ``"polygon N"``, ``"simplex K"`` or
        ``"antiprism N"``.

    Examples
    --------
    >>> summand("polygon 5").shape, summand("antiprism 4").shape
    (torch.Size([2, 5]), torch.Size([3, 8]))
    """
    return _summand("name", name)


def _summand(argument: str, name: str) -> Tensor:
    if not isinstance(name, str):
        raise InvalidArgument(f"{argument} is {checks.shortly(name)}: a text is needed")
    short = {"digon": "simplex 1", "triangle": "simplex 2", "tetrahedron": "simplex 3"}
    kind, _, number = short.get(name, name).partition(" ")
    makers = {"polygon": thomson.polygon, "simplex": simplex}
    makers["antiprism"] = antiprism
    if kind not in makers or not number.isdecimal() or len(number) > 4:
        raise InvalidArgument(
            f"{argument} has {checks.shortly(name)}: digon, triangle, tetrahedron, or polygon, "
            "simplex or antiprism with a number below 10 000 is needed"
        )
    return makers[kind](int(number))


def direct_sum(names: Sequence[str]) -> tuple[Tensor, list[tuple[int, ...]]]:
    """Return the direct sum of summands, each in its own coordinates, and their features.

    Parameters
    ----------
    names
        As in `summand`.

    Returns
    -------
    tuple
        Unit columns ``(m, n)``, and for each summand the numbers of its features.

    Examples
    --------
    >>> W, sets = direct_sum(["digon", "triangle"])
    >>> W.shape, sets
    (torch.Size([3, 5]), [(0, 1), (2, 3, 4)])
    """
    blocks = [_summand("names", name) for name in checks.texts("names", names)]
    sets, at = [], 0
    for block in blocks:
        sets.append(tuple(range(at, at + block.shape[1])))
        at += block.shape[1]
    return torch.block_diag(*blocks), sets


def rotated(W: Tensor, generator: torch.Generator) -> Tensor:
    """Return the columns of ``(m, n)`` after a rotation drawn uniformly (or its mirror image)."""
    W = checks.one_model(W)
    checks.generator("generator", generator)
    (R,) = geometry.random_rotations(len(W), 1, generator)
    return R.to(W) @ W


def disturbed(W: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """Return ``(m, n)`` with independent normal noise of size ``sigma`` on every coordinate."""
    W = checks.one_model(W)
    checks.generator("generator", generator)
    sigma = checks.positive_number("sigma", sigma, allow_zero=True)
    noise = torch.randn(W.shape, generator=generator, dtype=W.dtype, device=generator.device)
    return W + sigma * noise.to(W.device)


def draw(
    kinds: Sequence[str], generator: torch.Generator, *, parts: tuple[int, int], most: int
) -> list[str]:
    """Return names of summands drawn at random that fit together into ``most`` dimensions.

    Parameters
    ----------
    kinds
        Names as in `summand`, each as likely.
    generator
        The source of randomness.
    parts
        The fewest and the most summands.
    most
        The most dimensions together.

    Examples
    --------
    >>> draw(["digon"], torch.Generator().manual_seed(0), parts=(2, 2), most=8)
    ['digon', 'digon']
    """
    kinds = checks.texts("kinds", kinds)
    sizes = [len(_summand("kinds", name)) for name in kinds]
    fewest_and_most = checks.whole_numbers("parts", parts)
    if len(fewest_and_most) != 2 or not 0 < fewest_and_most[0] <= fewest_and_most[1]:
        raise InvalidArgument(f"parts is {checks.shortly(parts)}: the fewest and the most, from 1")
    fewest, last = fewest_and_most
    most = checks.whole_number("most", most)
    if fewest * min(sizes) > most:
        raise InvalidArgument(f"most is {most}: {fewest} summands do not fit")
    checks.generator("generator", generator)
    while True:
        count = int(torch.randint(fewest, last + 1, (), generator=generator))
        chosen: list[int] = torch.randint(len(kinds), (count,), generator=generator).tolist()
        if sum(sizes[k] for k in chosen) <= most:
            return [kinds[k] for k in chosen]
