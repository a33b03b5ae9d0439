"""What is read off a matrix of directions, in blocks of rows: never all pairs at once.

Columns are features, ``(..., m, n)``, none of them zero. The leading axes hold many matrices of one
shape, such as the replicates of a null.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from superpos import checks
from superpos.codes import vectors
from superpos.errors import InvalidArgument

# name → what it is, in words: the order in which they are told
STATISTICS = {
    "dimensionality": "mean D_i",
    "dimensionality_spread": "spread of D_i (sd)",
    "rms_cosine": "rms cosine of a pair",
    "worst_cosine": "largest size of a cosine",
    "mean_cosine": "mean cosine of a pair",
    "nearest": "mean cosine with nearest",
    "antipode": "mean cosine with antipode",
    "joined": "share with a close partner",
    "effective_rank": "effective rank (entropy)",
    "participation_ratio": "participation ratio",
}
OF_SPECTRUM = ("effective_rank", "participation_ratio")
DIMENSIONALITY_BINS, COSINE_BINS = 50, 80
_ENTRIES_AT_ONCE = 4_000_000  # of a block of cosines, and of one of features


@dataclass(frozen=True)
class Readings:
    """What is read off matrices ``(..., m, n)``, of which r rows are held against all features.

    Attributes
    ----------
    values
        The `STATISTICS` by name, ``(...)`` in float64; NaN where there is no pair.
    dimensionality
        D_i, ``(..., n)``.
    nearest, antipode
        The largest and the least cosine of each row's feature with another, ``(..., r)``.
    eigenvalues
        Of WWᵀ, the largest first, ``(..., m)``.
    cosines
        How many pairs lie in each of `COSINE_BINS` between −1 and 1, ``(..., bins)``; empty if they
        were not asked for.
    neighbour, opposite
        Which feature is the nearest, and which the antipode, ``(..., r)``.
    """

    values: dict[str, Tensor]
    dimensionality: Tensor
    nearest: Tensor
    antipode: Tensor
    eigenvalues: Tensor
    cosines: Tensor
    neighbour: Tensor
    opposite: Tensor


def read(W: Tensor, rows: Tensor, joined_at: float, *, histogram: bool = False) -> Readings:
    """Return the statistics of matrices, with the pairs of the features ``rows``.

    Parameters
    ----------
    W
        ``(..., m, n)``, without zero columns.
    rows
        Features whose cosines with all others are looked at: all of them, or a sample.
    joined_at
        From which |cosine| on two features count as joined.
    histogram
        Whether to count the cosines.

    Raises
    ------
    InvalidArgument
        If one of these is not as above.

    Examples
    --------
    >>> found = read(torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]]), torch.arange(3), 0.9)
    >>> found.dimensionality, found.antipode
    (tensor([0.5000, 0.5000, 1.0000]), tensor([-1., -1.,  0.]))
    """
    W, joined_at = checks.weights(W)[0].detach(), checks.number("joined_at", joined_at)
    n = W.shape[-1]
    rows = checks.whole_array("rows", rows).to(W.device)
    if rows.ndim != 1 or not len(rows) or (rows < 0).any() or (rows >= n).any():
        raise InvalidArgument(
            f"rows is {checks.shortly(rows)}: some of the features 0 to {n - 1} are needed"
        )
    histogram = checks.flag("histogram", histogram)
    length = W.norm(dim=-2, keepdim=True)
    if not W.numel() or not length.all() or not torch.isfinite(length).all():
        raise InvalidArgument(
            f"W has shape {tuple(W.shape)}, or a column that is zero, or too long or too short for "
            f"{W.dtype}: (..., m, n) with a direction for each feature is needed"
        )
    unit = W / length
    WWt = _product(W)
    D = _dimensionality(unit, length, WWt)
    eigenvalues = torch.linalg.eigvalsh(WWt).flip(-1).clamp_min(0)
    pairs = [W.new_full((*W.shape[:-2], len(rows)), torch.nan) for _ in range(2)]
    who = [torch.zeros(*W.shape[:-2], len(rows), dtype=torch.long) for _ in range(2)]
    counts = torch.zeros(*W.shape[:-2], COSINE_BINS if histogram else 0)
    if n > 1:
        for part, cosine in _blocks(unit, rows):
            if histogram:
                counts += _counted(cosine)
            own = rows[part].expand(*cosine.shape[:-1])[..., None]
            pairs[0][..., part], who[0][..., part] = cosine.scatter_(-1, own, -2.0).max(-1)
            pairs[1][..., part], who[1][..., part] = cosine.scatter_(-1, own, 2.0).min(-1)
        counts[..., -1:] -= len(rows)  # each feature with itself
    nearest, antipode = (each.clamp(-1, 1) for each in pairs)
    strongest = torch.maximum(nearest, -antipode)
    values = {
        "dimensionality": D.double().mean(-1),
        "dimensionality_spread": D.double().std(-1, correction=0),
        **_of_all_pairs(unit),
        "worst_cosine": strongest.amax(-1).double(),
        "nearest": nearest.double().mean(-1),
        "antipode": antipode.double().mean(-1),
        "joined": (strongest >= joined_at).double().mean(-1),
        "effective_rank": effective_rank(eigenvalues),
        "participation_ratio": participation_ratio(eigenvalues),
    }
    return Readings(values, D, nearest, antipode, eigenvalues, counts, who[0], who[1])


def effective_rank(eigenvalues: Tensor) -> Tensor:
    """Return e to the entropy of the shares of the eigenvalues: ``(..., m)`` to ``(...)``.

    References
    ----------
    Roy and Vetterli 2007, "The effective rank" (of singular values; here of their squares).

    Examples
    --------
    >>> effective_rank(torch.tensor([2.0, 2.0, 0.0])).round(decimals=9)
    tensor(2., dtype=torch.float64)
    """
    eigenvalues = _spectrum(eigenvalues)
    share = eigenvalues.double() / eigenvalues.double().sum(-1, keepdim=True)
    return torch.special.entr(share).sum(-1).exp()


def participation_ratio(eigenvalues: Tensor) -> Tensor:
    """Return (Σλ)²/Σλ², how many equal eigenvalues would spread so: ``(..., m)`` to ``(...)``.

    Examples
    --------
    >>> participation_ratio(torch.tensor([2.0, 2.0, 0.0]))
    tensor(2., dtype=torch.float64)
    """
    values = _spectrum(eigenvalues).double()
    return values.sum(-1).square() / values.square().sum(-1)


def _spectrum(eigenvalues: Tensor) -> Tensor:
    found = checks.finite("eigenvalues", eigenvalues)
    if not found.ndim or not found.any(-1).all() or not found.numel():
        raise InvalidArgument(
            f"eigenvalues has shape {tuple(found.shape)}, or all are 0: (..., m), some above 0, is "
            "needed"
        )
    return found


def joined_from(n: int, m: int, *, chance: float = 0.0025) -> float:
    """Return the |cosine| that any pair of n random directions exceeds with at most ``chance``.

    Examples
    --------
    >>> round(joined_from(400, 30), 3)
    0.811
    """
    n, m = checks.whole_number("n", n), checks.whole_number("m", m)
    chance = checks.positive_number("chance", chance)
    if m < 2 or n < 2:
        return 1 - 1e-6
    pairs = n * (n - 1)  # both signs of n(n − 1)/2
    low, high = 0.0, 1 - 1e-6
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if vectors.chance_above(middle, m) * pairs > chance else (low, middle)
        )
    return high


def components(W: Tensor, joined_at: float) -> Tensor:
    """Return in which part of the graph of joined features each one is, from 0: ``(n,)``.

    Parameters
    ----------
    W
        One matrix ``(m, n)``, without zero columns.
    joined_at
        From which |cosine| on two features are joined.

    Examples
    --------
    >>> components(torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]]), 0.9)
    tensor([0, 0, 1])
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    W, joined_at = checks.one_model(W).detach(), checks.number("joined_at", joined_at)
    if not W.any(0).all():
        raise InvalidArgument("W has a column of zeros, which has no direction")
    n = W.shape[-1]
    edges = [torch.zeros(2, 0, dtype=torch.long)]
    for part, cosine in _blocks(W / W.norm(dim=0), torch.arange(n)):
        first, second = (cosine.abs() >= joined_at).nonzero(as_tuple=True)
        edges.append(torch.stack([first + part.start, second]))
    first, second = torch.cat(edges, -1).numpy()
    graph = coo_matrix(([True] * len(first), (first, second)), shape=(n, n))
    return torch.from_numpy(connected_components(graph, directed=False)[1]).long()


def _blocks(unit: Tensor, rows: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield the cosines of some rows with all features, a block at a time."""
    each = unit.shape[:-2].numel() * unit.shape[-1]
    step = max(1, _ENTRIES_AT_ONCE // each)
    for start in range(0, len(rows), step):
        part = slice(start, min(start + step, len(rows)))
        yield part, unit[..., rows[part]].mT @ unit


def _product(W: Tensor) -> Tensor:
    """Return WWᵀ in double precision, summed over blocks of features."""
    m, n = W.shape[-2:]
    step = max(1, _ENTRIES_AT_ONCE // (W.shape[:-2].numel() * m))
    total = W.new_zeros(*W.shape[:-2], m, m, dtype=torch.float64)
    for start in range(0, n, step):
        block = W[..., start : start + step]
        total += block @ block.mT
    return total


def _dimensionality(unit: Tensor, length: Tensor, WWt: Tensor) -> Tensor:
    """Return D_i = ‖W_i‖² / Ŵ_iᵀ(WWᵀ)Ŵ_i: it needs m × m numbers only."""
    n = unit.shape[-1]
    step = max(1, _ENTRIES_AT_ONCE // (unit.shape[:-2].numel() * unit.shape[-2]))
    WWt = WWt.to(unit.dtype)
    along = [
        (block * (WWt @ block)).sum(-2)
        for block in (unit[..., start : start + step] for start in range(0, n, step))
    ]
    return (length.squeeze(-2).square() / torch.cat(along, -1)).clamp(0, 1)


def _of_all_pairs(unit: Tensor) -> dict[str, Tensor]:
    """Return the rms and the mean cosine of all pairs, from ‖ŴŴᵀ‖_F² and ‖ΣŴ‖²."""
    n = unit.shape[-1]
    if n < 2:
        none = torch.full(unit.shape[:-2], torch.nan, dtype=torch.float64)
        return {"rms_cosine": none, "mean_cosine": none}
    squares = (_product(unit).square().sum((-2, -1)) - n).clamp_min(0)
    total = unit.sum(-1, dtype=torch.float64).square().sum(-1) - n
    pairs = n * (n - 1)
    return {"rms_cosine": (squares / pairs).sqrt(), "mean_cosine": total / pairs}


def _counted(cosine: Tensor) -> Tensor:
    """Return how many cosines lie in each bin, those of a feature with itself among them."""
    flat = cosine.flatten(-2)
    flat = flat.reshape(-1, flat.shape[-1]).clamp(-1, 1)
    counts = torch.stack([torch.histc(each, COSINE_BINS, -1, 1) for each in flat])
    return counts.reshape(*cosine.shape[:-2], COSINE_BINS)
