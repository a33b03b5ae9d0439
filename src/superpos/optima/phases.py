"""Phase diagrams: the candidate solutions, what they cost, and which of them a model is.

Two settings, with importances 1 for all features but the last, the *extra* one, which has r, and
one density p for all: two features in one dimension, three features in two.
"""

from __future__ import annotations

import torch
from torch import Tensor

from superpos import checks, geometry
from superpos.compute.gates import gate, shapes
from superpos.errors import InvalidArgument
from superpos.losses import active_moments, exact_loss

LEFT_OUT, KEPT = 0.1, 0.5  # ‖W_i‖² of a feature that is left out, and of one that is not
PAIRED, APART = -0.9, -0.1  # the largest cosine of a pair, and of features that are joint
RIGHT_ANGLE = 0.2  # the largest size of a cosine that counts as a right angle

TWO_FEATURES = ("extra left out", "other left out", "antipodal pair", "none of these")
THREE_FEATURES = (
    "extra left out", "another left out", "extra paired", "others paired", "joint", "none of these",
)  # fmt: skip


@gate(shapes(p="...", r="..."), p=checks.floating, r=checks.floating, features=checks.whole_number)
def candidate_losses(p: Tensor, r: Tensor, *, features: int = 2) -> Tensor:
    """Return what the paper's candidates cost, with unit weights and the best biases of left ones.

    A feature that is left out costs its variance; an antipodal pair of importances I and J errs
    when both are active, each by the smaller value: (I + J) p² E[min(x, y)²] = (I + J) p²/6.

    Parameters
    ----------
    p, r
        Density in [0, 1], and importance of the extra feature, at least 0; they broadcast.
    features
        2 or 3.

    Returns
    -------
    Tensor
        ``(3, ...)`` in the order of `TWO_FEATURES`, or ``(4, ...)`` in that of `THREE_FEATURES`.

    References
    ----------
    Elhage et al. 2022, "Superposition as a Phase Change".

    Examples
    --------
    With equal importances a pair is as good as one feature alone at p = 4/7:

    >>> candidate_losses(torch.tensor(4 / 7), torch.tensor(1.0))
    tensor([0.1088, 0.1088, 0.1088])
    """
    _, left_out = active_moments(p)
    pair = p.square() / 6
    losses = [r * left_out, left_out, (1 + r) * pair]
    if features == 3:
        losses.append(2 * pair)
    elif features != 2:
        raise InvalidArgument(f"features is {features}: 2 or 3 are needed")
    return torch.stack(torch.broadcast_tensors(*losses))


@gate(features=checks.whole_number)
def candidates(features: int = 2) -> Tensor:
    """Return the candidates' weights, ``(candidates, m, n)``: the paper's, and then the joint one.

    The joint one, three features at 120°, is the orthogonal complement of (1, 1, 1). The paper's
    diagram for three features leaves it out; with two features there is none.

    Examples
    --------
    >>> candidates().squeeze()
    tensor([[ 1.,  0.],
            [ 0.,  1.],
            [ 1., -1.]], dtype=torch.float64)
    """
    if features == 2:
        rows = [[[1, 0]], [[0, 1]], [[1, -1]]]
    elif features == 3:
        rows = [
            [[1, 0, 0], [0, 1, 0]], [[1, 0, 0], [0, 0, 1]],
            [[1, 0, -1], [0, 1, 0]], [[1, -1, 0], [0, 0, 1]],
            [[1, -0.5, -0.5], [0, 0.75**0.5, -(0.75**0.5)]],
        ]  # fmt: skip
    else:
        raise InvalidArgument(f"features is {features}: 2 or 3 are needed")
    return torch.tensor(rows, dtype=torch.float64)


@gate(
    left_out=checks.number,
    kept=checks.number,
    paired=checks.number,
    right=checks.number,
    apart=checks.number,
)
def kind(
    W: Tensor,
    *,
    left_out: float = LEFT_OUT,
    kept: float = KEPT,
    paired: float = PAIRED,
    right: float = RIGHT_ANGLE,
    apart: float = APART,
) -> Tensor:
    """Return which kind of solution each model is.

    Parameters
    ----------
    W
        ``(..., 1, 2)`` or ``(..., 2, 3)``, the extra feature last.
    left_out, kept
        ‖W_i‖² of a feature that is left out, at most, and of one that is alone in its dimension or
        joint with others, at least.
    paired
        Of three features: the cosine of a pair, at most. Joint ones have cosines above it.
    right
        The size of the cosine of the third feature with either of a pair, at most.
    apart
        The cosine of joint features is below it.

    Returns
    -------
    Tensor
        ``(...)``: positions in `TWO_FEATURES` or in `THREE_FEATURES`.

    Examples
    --------
    >>> TWO_FEATURES[kind(torch.tensor([[1.1, -0.8]]))]
    'antipodal pair'
    >>> THREE_FEATURES[kind(torch.eye(2, 3))]
    'extra left out'
    """
    W, _ = checks.weights(W)
    if W.shape[-2:] not in {(1, 2), (2, 3)}:
        raise InvalidArgument(f"W has shape {tuple(W.shape)}: (..., 1, 2) or (..., 2, 3) is needed")
    size = geometry.squared_norms(W)
    out, long = size <= left_out, size >= kept
    if W.shape[-1] == 2:
        opposite = ~out.any(-1) & (W.prod(-1)[..., 0] < 0)
        tests = [long[..., 0] & out[..., 1], out[..., 0] & long[..., 1], opposite]
    else:
        cosine = geometry.cosines(W)

        def pair(i: int, j: int, alone: int) -> Tensor:
            across = (cosine[..., alone, [i, j]].abs() <= right).all(-1)
            return ~out.any(-1) & (cosine[..., i, j] <= paired) & across

        between = cosine[..., [0, 0, 1], [1, 2, 2]]
        tests = [
            out[..., 2] & ~out[..., 0] & ~out[..., 1],
            ~out[..., 2] & (out[..., 0] ^ out[..., 1]),
            pair(0, 2, 1) | pair(1, 2, 0),
            pair(0, 1, 2),
            long.all(-1) & ((between > paired) & (between < apart)).all(-1),
        ]
    found = torch.stack([*tests, torch.ones_like(tests[0])])
    return found.int().argmax(0)  # the first that fits


@gate(r=checks.floating, features=checks.whole_number)
def importances(r: Tensor, *, features: int = 2) -> Tensor:
    """Return 1 for all features but the extra one, which has r: ``(..., features)``.

    Examples
    --------
    >>> importances(torch.tensor([0.1, 10.0]))
    tensor([[ 1.0000,  0.1000],
            [ 1.0000, 10.0000]])
    """
    return torch.stack([torch.ones_like(r)] * (features - 1) + [r], dim=-1)


def onset(p: Tensor) -> Tensor:
    """Return the importance r of the extra feature above which leaving it out is no minimum.

    Two features, one dimension. Leaving the extra one out, W = (1, 0), is disturbed to W = (1, −ε):
    its own output wins r σ² ε², with σ² = p/3 − p²/4, and the other output loses f ε², at the best
    bias βε and the best change of its weight. r is f/σ².

    Parameters
    ----------
    p
        Density ``(...)``, above 0 and at most 1.

    Examples
    --------
    >>> onset(torch.tensor([1.0, 0.5], dtype=torch.float64)).round(decimals=3)
    tensor([1.0000, 0.5500], dtype=torch.float64)
    """
    p = checks.probabilities("p", p)
    if (p == 0).any():
        raise InvalidArgument("p has an entry of 0: at that density there is nothing to represent")
    p = p.double()[..., None]
    _, variance = active_moments(p)
    beta = torch.linspace(0, 1, 2001, dtype=torch.float64, device=p.device)
    silent = (1 - p) * ((1 - p) * beta.square() + p * beta**3 / 3)  # the first feature is 0
    active = p * ((1 - p) * beta.square() + p * (beta.square() - beta + 1 / 3))
    adapted = 0.75 * p * (beta - p / 2).square()  # what a change of W_1 wins back
    return ((silent + active - adapted) / variance).amin(-1)


def landscape(weight: Tensor, extra: Tensor, p: float, r: float) -> Tensor:
    """Return the loss of two features in one dimension over their weights, at the best biases.

    Parameters
    ----------
    weight, extra
        W_1 and W_2; they broadcast.
    p, r
        Density in [0, 1] and importance of the extra feature.

    Returns
    -------
    Tensor
        The exact loss, least over 81 biases of each output from −1 to 1: float64.

    Examples
    --------
    >>> one, none = torch.tensor(1.0), torch.tensor(0.0)
    >>> landscape(one, none, 1.0, 0.5)
    tensor(0.0417, dtype=torch.float64)
    """
    weight, extra = checks.finite("weight", weight), checks.finite("extra", extra)
    checks.broadcast_shape(weight=weight.shape, extra=extra.shape)
    p = checks.probabilities("p", checks.number("p", p)).item()
    r = checks.positive_number("r", r, allow_zero=True)
    weight, extra = torch.broadcast_tensors(weight.double(), extra.double())
    W = torch.stack([weight, extra], dim=-1)[..., None, :]
    b = torch.linspace(-1, 1, 81, dtype=torch.float64, device=W.device)[:, None].expand(81, 2)
    total = 0.0
    for importance in ([1.0, 0.0], [0.0, r]):  # each bias matters to its own output only
        of_one = torch.tensor(importance, dtype=torch.float64)
        losses = [exact_loss(W[..., None, :, :], some, p, of_one) for some in b.split(9)]
        total = total + torch.cat(losses, dim=-1).min(-1).values
    return total
