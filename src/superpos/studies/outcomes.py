"""Whether a trained model shows what a claim says: the tests worded in ``book/claims.yml``.

Each takes an ensemble and returns one boolean for each model (or each seed), never an average.
"""

from __future__ import annotations

import torch
from torch import Tensor

from superpos import geometry

KEPT, DROPPED = 0.5, 0.1  # ‖W_i‖² of a feature that is embedded, and of one that is not
RIGHT_ANGLE = 0.1  # the largest |cosine| that counts as orthogonal
SUPERPOSED = 0.1  # the smallest interference of a feature that shares its dimension


def orthogonal_pair(W: Tensor) -> Tensor:
    """Return whether features 0 and 1 are embedded at a right angle and nothing else is.

    Parameters
    ----------
    W
        ``(..., m, n)`` with n of at least 2.

    Returns
    -------
    Tensor
        Booleans ``(...)``.

    Examples
    --------
    >>> orthogonal_pair(torch.eye(2, 5)), orthogonal_pair(torch.ones(2, 5))
    (tensor(True), tensor(False))
    """
    size = geometry.squared_norms(W)
    kept, dropped = (size[..., :2] >= KEPT).all(-1), (size[..., 2:] <= DROPPED).all(-1)
    return kept & dropped & (geometry.cosines(W)[..., 0, 1].abs() <= RIGHT_ANGLE)


def antipodal_pairs(W: Tensor) -> Tensor:
    """Return whether all features but the last form orthogonal antipodal pairs, the last dropped.

    Parameters
    ----------
    W
        ``(..., m, n)``.

    Returns
    -------
    Tensor
        Booleans ``(...)``.

    Examples
    --------
    >>> W = torch.tensor([[1.0, 0.0, -1.0, 0.0, 0.0], [0.0, 1.0, 0.0, -1.0, 0.0]])
    >>> antipodal_pairs(W), antipodal_pairs(W.roll(1, -1))
    (tensor(True), tensor(False))
    """
    size, cosine = geometry.squared_norms(W), geometry.cosines(W)[..., :-1, :-1]
    sizes_fit = (size[..., :-1] >= KEPT).all(-1) & (size[..., -1] <= DROPPED)
    paired = ((cosine <= -0.95).sum(-1) == 1).all(-1)
    angles_fit = ((cosine.abs() <= RIGHT_ANGLE) | (cosine.abs() >= 0.95)).flatten(-2).all(-1)
    return sizes_fit & paired & angles_fit


def pentagon(W: Tensor) -> Tensor:
    """Return whether five features are all embedded, with 54° to 90° between neighbours.

    Parameters
    ----------
    W
        ``(..., 2, 5)``.

    Returns
    -------
    Tensor
        Booleans ``(...)``.

    Examples
    --------
    >>> angle = torch.arange(5) * 2 * torch.pi / 5
    >>> pentagon(torch.stack([angle.cos(), angle.sin()]))
    tensor(True)
    """
    gaps = geometry.angular_gaps(W)
    embedded = (geometry.squared_norms(W) >= KEPT).all(-1)
    return embedded & ((gaps >= 54) & (gaps <= 90)).all(-1)


def regular_pentagon(W: Tensor) -> Tensor:
    """Return whether five features have 72° between neighbours within 2°, and lengths within 2 %.

    Parameters
    ----------
    W
        ``(..., 2, 5)``.

    Returns
    -------
    Tensor
        Booleans ``(...)``.

    Examples
    --------
    >>> angle = torch.arange(5) * 2 * torch.pi / 5
    >>> regular_pentagon(torch.stack([angle.cos(), angle.sin()]))
    tensor(True)
    """
    length = geometry.squared_norms(W).sqrt()
    mean = length.mean(-1, keepdim=True)
    even = ((geometry.angular_gaps(W) - 72).abs() <= 2).all(-1)
    return even & (mean[..., 0] > 0) & ((length - mean).abs() <= 0.02 * mean).all(-1)


def octahedron(W: Tensor, *, size: int = 3) -> Tensor:
    """Return whether features form antipodal pairs across sets, all at right angles.

    Every feature has ‖W_i‖² ≥ 0.5, exactly one partner at a cosine of −0.95 or less, from another
    set, and is within 0.15 of a right angle (in the cosine) to the rest.

    Parameters
    ----------
    W
        ``(..., m, n)``, with the features set by set.
    size
        Features in a set.

    Returns
    -------
    Tensor
        Booleans ``(...)``.

    References
    ----------
    Elhage et al. 2022, "Superposition and Learning Dynamics".

    Examples
    --------
    >>> axes = torch.eye(3)
    >>> octahedron(torch.cat([axes, -axes], 1)), octahedron(torch.cat([axes, axes], 1))
    (tensor(True), tensor(False))
    """
    cosine = geometry.cosines(W)
    n = W.shape[-1]
    of_set = torch.arange(n, device=W.device) // size
    partner = cosine <= -0.95
    own = torch.eye(n, dtype=torch.bool, device=W.device)
    one = (partner.sum(-1) == 1).all(-1)
    across = ~(partner & (of_set[:, None] == of_set)).any((-2, -1))
    right = ((cosine.abs() <= 0.15) | partner | own).all((-2, -1))
    return geometry.represented(W).all(-1) & one & across & right


def only_top_features(W: Tensor, *, tolerance: float = 0.1) -> Tensor:
    """Return whether WᵀW has (about) 1 or more for the first m features, and 0 elsewhere.

    Parameters
    ----------
    W
        ``(..., m, n)``.
    tolerance
        By how much those may be less than 1, and how large the other entries may be.

    Returns
    -------
    Tensor
        Booleans ``(...)``.

    Examples
    --------
    >>> only_top_features(torch.eye(2, 5)), only_top_features(torch.eye(2, 5).flip(-1))
    (tensor(True), tensor(False))
    """
    first = torch.diag(torch.arange(W.shape[-1], device=W.device) < W.shape[-2])
    G = geometry.gram(W)
    return torch.where(first, 1 - tolerance <= G, G.abs() <= tolerance).flatten(-2).all(-1)


def mean_biases(b: Tensor, mean: Tensor, *, learnt: int, tolerance: float = 0.1) -> Tensor:
    """Return whether biases are 0 for the first ``learnt`` features and E[x_i] for the others.

    Parameters
    ----------
    b
        ``(..., n)``.
    mean
        E[x_i], broadcasts to ``(..., n)``.
    learnt
        How many features are learnt.
    tolerance
        The largest error, as a share of E[x_i].

    Returns
    -------
    Tensor
        Booleans ``(...)``.

    Examples
    --------
    >>> mean_biases(torch.tensor([0.0, 0.5]), torch.tensor(0.5), learnt=1)
    tensor(True)
    """
    wanted = mean * (torch.arange(b.shape[-1], device=b.device) >= learnt)
    return ((b - wanted).abs() <= tolerance * mean).all(-1)


def superposed(W: Tensor) -> Tensor:
    """Return which represented features share their dimension: booleans ``(..., n)``.

    Examples
    --------
    >>> superposed(torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]]))
    tensor([ True,  True, False])
    """
    return geometry.represented(W) & (geometry.interference(W) >= SUPERPOSED)


def growing_number(W: Tensor) -> Tensor:
    """Return whether ever more features are represented along the last axis of settings.

    Parameters
    ----------
    W
        ``(..., settings, m, n)``, settings from dense to sparse.

    Returns
    -------
    Tensor
        Booleans ``(...)``: the number never falls, and ends larger than it began.
    """
    count = geometry.represented(W).sum(-1)
    return (count.diff(dim=-1) >= 0).all(-1) & (count[..., -1] > count[..., 0])


def unimportant_first(W: Tensor) -> Tensor:
    """Return whether, wherever both kinds exist, the superposed features are the less important.

    Parameters
    ----------
    W
        ``(..., settings, m, n)``, features in order of falling importance.

    Returns
    -------
    Tensor
        Booleans ``(...)``; False if no setting has both kinds.
    """
    shared = superposed(W)
    alone = geometry.represented(W) & ~shared
    both = shared.any(-1) & alone.any(-1)
    rank = torch.arange(W.shape[-1], device=W.device)
    ordered = _mean_where(rank, shared) > _mean_where(rank, alone)
    return both.any(-1) & (ordered | ~both).all(-1)


def antipodal_first(W: Tensor, *, share: float = 0.8) -> Tensor:
    """Return whether the first superposition to appear is mostly of antipodal pairs.

    Parameters
    ----------
    W
        ``(..., settings, m, n)``, settings from dense to sparse.
    share
        How many of the superposed features need a partner at a cosine of −0.9 or less, in
        the first setting that has any.

    Returns
    -------
    Tensor
        Booleans ``(...)``; False if nothing is superposed.
    """
    shared = superposed(W)
    paired = (shared & (geometry.antipodal_partners(W, cosine=-0.9) > 0)).sum(-1)
    any_shared = shared.any(-1)
    first = any_shared.int().argmax(-1, keepdim=True)
    fraction = paired / shared.sum(-1).clamp_min(1)
    return any_shared.any(-1) & (fraction.gather(-1, first)[..., 0] >= share)


def positive_interference(W: Tensor, *, least: float = 0.1) -> Tensor:
    """Return whether two represented features have W_i·W_j above ``least``: booleans ``(...)``.

    Examples
    --------
    >>> positive_interference(torch.tensor([[1.0, 1.0]])), positive_interference(torch.eye(2))
    (tensor(True), tensor(False))
    """
    kept = geometry.represented(W)
    pairs = kept[..., :, None] & kept[..., None, :]
    pairs = pairs & ~torch.eye(W.shape[-1], dtype=torch.bool, device=W.device)
    return ((geometry.gram(W) > least) & pairs).flatten(-2).any(-1)


def negative_biases(W: Tensor, b: Tensor, *, least: float = 0.05) -> Tensor:
    """Return whether a represented feature has a bias below −``least``: booleans ``(...)``.

    Examples
    --------
    >>> negative_biases(torch.eye(2), torch.tensor([0.0, -0.2]))
    tensor(True)
    """
    return (geometry.represented(W) & (b < -least)).any(-1)


def _mean_where(value: Tensor, chosen: Tensor) -> Tensor:
    return (value * chosen).sum(-1) / chosen.sum(-1).clamp_min(1)


def two_circles(W: Tensor) -> Tensor:
    """Return whether features come in two lengths: one gap between sorted lengths towers.

    Parameters
    ----------
    W
        ``(..., m, n)`` with n of at least 3.

    Returns
    -------
    Tensor
        Booleans ``(...)``: all but one of the gaps are below a tenth of the largest.

    Examples
    --------
    >>> two_circles(torch.diag(torch.tensor([1.0, 1.01, 2.0, 2.01])))
    tensor(True)
    >>> two_circles(torch.diag(torch.tensor([1.0, 1.5, 2.0, 2.5])))
    tensor(False)
    """
    gaps = W.norm(dim=-2).sort(-1).values.diff(dim=-1)
    return (gaps < gaps.amax(-1, keepdim=True) / 10).sum(-1) == gaps.shape[-1] - 1


def one_missing(W: Tensor, b: Tensor) -> Tensor:
    """Return whether the shortest feature is missing: ‖W_i‖ ≤ 0.05, b_i within 0.02 of 1/n.

    Parameters
    ----------
    W, b
        ``(..., m, n)`` and ``(..., n)``, trained on one-hot data.

    Returns
    -------
    Tensor
        Booleans ``(...)``.

    Examples
    --------
    >>> from superpos.learning import onehot
    >>> one_missing(*onehot.failure(7)), one_missing(*onehot.regular(7))
    (tensor(True), tensor(False))
    """
    length, which = W.norm(dim=-2).min(-1, keepdim=True)
    near = (b.gather(-1, which) - 1 / W.shape[-1]).abs() <= 0.02
    return ((length <= 0.05) & near)[..., 0]


def symmetric_failure(W: Tensor, b: Tensor) -> Tensor:
    """Return whether one feature is missing and the others form a regular polygon.

    Lengths within 5 % of their mean, gaps within 5° of an equal share; see `one_missing`.

    Parameters
    ----------
    W, b
        ``(..., 2, n)`` and ``(..., n)``, trained on one-hot data.

    Returns
    -------
    Tensor
        Booleans ``(...)``.

    Examples
    --------
    >>> from superpos.learning import onehot
    >>> symmetric_failure(*onehot.failure(7)), symmetric_failure(*onehot.regular(7))
    (tensor(True), tensor(False))
    """
    n = W.shape[-1]
    longest = W.norm(dim=-2).argsort(-1)[..., None, 1:].expand(*W.shape[:-1], n - 1)
    others = W.gather(-1, longest)
    lengths, gaps = others.norm(dim=-2), geometry.angular_gaps(others)
    even = ((lengths / lengths.mean(-1, keepdim=True) - 1).abs() <= 0.05).all(-1)
    return one_missing(W, b) & even & ((gaps - 360 / (n - 1)).abs() <= 5).all(-1)


def regular_polygon(vectors: Tensor) -> Tensor:
    """Return whether the vectors of a plane stand about evenly on a circle.

    Lengths are within 25 % of their mean, and the angles between neighbours between half of an
    equal share of 360° and twice that.

    Parameters
    ----------
    vectors
        Columns ``(..., 2, k)``: features, or hidden vectors of examples.

    Returns
    -------
    Tensor
        Booleans ``(...)``.

    Examples
    --------
    >>> angles = torch.tensor([0.0, 72.0, 144.0, 216.0, 288.0]).deg2rad()
    >>> pentagon = torch.stack([angles.cos(), angles.sin()])
    >>> regular_polygon(pentagon), regular_polygon(pentagon[:, :2])
    (tensor(True), tensor(False))
    """
    length = vectors.norm(dim=-2)
    even = ((length / length.mean(-1, keepdim=True) - 1).abs() <= 0.25).all(-1)
    gaps = geometry.angular_gaps(vectors) * vectors.shape[-1] / 360
    return even & ((gaps >= 0.5) & (gaps <= 2)).all(-1)


def rises_and_falls(loss: Tensor, *, by: float = 0.05) -> Tensor:
    """Return whether some loss is a share ``by`` above the first, and above the last.

    Parameters
    ----------
    loss
        ``(..., k)``, in order.

    Returns
    -------
    Tensor
        Booleans ``(...)``.

    Examples
    --------
    >>> rises_and_falls(torch.tensor([1.0, 1.2, 0.9])), rises_and_falls(torch.tensor([1.0, 1.2]))
    (tensor(True), tensor(False))
    """
    return ((loss >= (1 + by) * loss[..., :1]) & (loss > loss[..., -1:])).any(-1)
