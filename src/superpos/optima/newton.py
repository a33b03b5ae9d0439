"""Optima of the exact loss: second-order descent on thousands of small models at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from superpos import checks
from superpos.checks import Numbers
from superpos.compute.processes import in_parallel
from superpos.errors import InvalidArgument
from superpos.features import FeatureDistribution, as_features
from superpos.losses import check_few_features, loss_by_active_set
from superpos.losses.ramps import count_faces, ramp_moments
from superpos.stats import best_of

_FACES_AT_ONCE = 100_000  # of all outputs of all models: bounds the memory
_FACES_IN_CACHE = 40_000  # of the same, while derivatives are taken
_MOST_DAMPING = 1e12


@dataclass(frozen=True, eq=False)
class Optimum:
    """Where second-order descent ended. Leading axes are those of the starts.

    Attributes
    ----------
    W, b
        ``(..., m, n)`` and ``(..., n)``, float64.
    loss
        The exact loss there, ``(...)``.
    gradient_norm
        The Euclidean norm of the loss's gradient by W and b together, ``(...)``.
    converged
        Whether that is at most the tolerance, ``(...)``.
    steps
        The number of steps taken, ``(...)``.
    """

    W: Tensor
    b: Tensor
    loss: Tensor
    gradient_norm: Tensor
    converged: Tensor
    steps: Tensor

    def best(self) -> Optimum:
        """Return the best of the restarts, which are the first axis.

        Examples
        --------
        >>> starts = torch.tensor([[[1.0, 0.9]], [[1.0, -0.9]]])
        >>> minimise(starts, torch.zeros(2, 2), 0.1).best().loss.shape
        torch.Size([])
        """
        return Optimum(**{name: best_of(self.loss, value) for name, value in vars(self).items()})


def minimise(
    W: Tensor,
    b: Tensor,
    probability: Numbers | FeatureDistribution,
    importance: Numbers | None = None,
    *,
    tolerance: float = 1e-8,
    max_steps: int = 500,
) -> Optimum:
    """Descend the exact loss of tied ReLU-output models from given starts to stationary points.

    Each step minimises a quadratic model in which every curvature counts by its size, so that
    saddles repel, damped until the loss really falls (Levenberg and Marquardt). A model is
    done when its gradient's norm is at most ``tolerance``.

    Parameters
    ----------
    W, b
        The starts, ``(..., m, n)`` and ``(..., n)``, with n of at most 14.
    probability, importance
        As for `superpos.losses.exact_loss`.
    tolerance
        The gradient norm to reach, above 0.
    max_steps
        When to give up, at least 1.

    Returns
    -------
    Optimum

    References
    ----------
    Dauphin et al. 2014, "Identifying and attacking the saddle point problem in high-dimensional
    non-convex optimization" (curvatures by their size).

    Examples
    --------
    Two sparse features share one dimension as an antipodal pair:

    >>> found = minimise(torch.tensor([[0.9, -0.8]]), torch.zeros(2), 0.1)
    >>> found.W.round(decimals=2), bool(found.converged)
    (tensor([[ 1.0100, -1.0100]], dtype=torch.float64), True)
    """
    tolerance = checks.positive_number("tolerance", tolerance)
    max_steps = checks.whole_number("max_steps", max_steps)
    start, chance, I, shape = _flat(W, b, probability, importance)
    n = I.shape[-1]
    m = start.shape[-1] // n - 1
    chunk = max(1, _FACES_AT_ONCE // (n * count_faces(n)))

    def descend(first: int) -> tuple[Tensor, ...]:
        some = slice(first, first + chunk)
        return _descend(start[some], chance[some], I[some], m, tolerance, max_steps)

    spread = start.device.type == "cpu"
    pieces = in_parallel(descend, range(0, len(start), chunk), spread=spread)
    place, loss, norm, steps = (torch.cat(values) for values in zip(*pieces, strict=True))
    return Optimum(
        W=place[:, : m * n].reshape(*shape, m, n),
        b=place[:, m * n :].reshape(*shape, n),
        loss=loss.reshape(shape),
        gradient_norm=norm.reshape(shape),
        converged=(norm <= tolerance).reshape(shape),
        steps=steps.reshape(shape),
    )


def hessian(
    W: Tensor,
    b: Tensor,
    probability: Numbers | FeatureDistribution,
    importance: Numbers | None = None,
) -> Tensor:
    """Return the second derivatives of the exact loss by W (row by row) and b.

    Parameters
    ----------
    W, b, probability, importance
        As for `superpos.losses.exact_loss`.

    Returns
    -------
    Tensor
        ``(..., mn + n, mn + n)``, float64.

    Examples
    --------
    Of one feature that is not represented and never active, only the bias costs: b² if positive.

    >>> hessian(torch.zeros(1, 1), torch.ones(1), 0.0)
    tensor([[0., 0.],
            [0., 2.]], dtype=torch.float64)
    """
    place, chance, I, shape = _flat(W, b, probability, importance)
    size, n = place.shape[-1], I.shape[-1]
    return _derivatives(place, chance, I, size // n - 1)[1].reshape(*shape, size, size)


def least_curvature(
    W: Tensor,
    b: Tensor,
    probability: Numbers | FeatureDistribution,
    importance: Numbers | None = None,
) -> Tensor:
    """Return the least curvature of the exact loss, along anything but a rotation of W.

    RW has the loss of W for every rotation R, so at a stationary point the loss is flat along
    these. Where the least other curvature is positive, it is a minimum; where negative, a saddle.

    Parameters
    ----------
    W, b, probability, importance
        As for `superpos.losses.exact_loss`.

    Returns
    -------
    Tensor
        The smallest eigenvalue of the `hessian` on what is orthogonal to rotations, ``(...)``.

    Examples
    --------
    Sparse features form an antipodal pair; to represent neither is a saddle:

    >>> pair = minimise(torch.tensor([[1.0, -1.0]]), torch.zeros(2), 0.1)
    >>> least_curvature(pair.W, pair.b, 0.1) > 0
    tensor(True)
    >>> nothing = minimise(torch.zeros(1, 2), torch.zeros(2), 0.1)
    >>> least_curvature(nothing.W, nothing.b, 0.1) > 0
    tensor(False)
    """
    curvature = hessian(W, b, probability, importance)
    W = checks.weights(W)[0].detach()
    m, n = W.shape[-2:]
    rows, columns = torch.triu_indices(m, m, 1)
    turns = torch.zeros(len(rows), m, m, dtype=torch.float64, device=W.device)
    turns[range(len(rows)), rows, columns], turns[range(len(rows)), columns, rows] = 1, -1
    along = (turns @ W.double()[..., None, :, :]).flatten(-2)  # (..., turns, mn): how each moves W
    along = torch.nn.functional.pad(along, (0, n)).expand(*curvature.shape[:-2], -1, -1)
    size, direction = torch.linalg.eigh(along.mT @ along)
    turning = direction * (size > 1e-12 * size.amax(-1, keepdim=True))[..., None, :]
    # what turns W is made stiffer than anything else, and so is never the least
    stiff = curvature.abs().sum(-1).amax(-1)[..., None, None] + 1
    every = torch.eye(m * n + n, dtype=torch.float64, device=W.device)
    away = every - turning @ turning.mT
    return torch.linalg.eigvalsh(away @ curvature @ away + stiff * turning @ turning.mT)[..., 0]


def _flat(
    W: Tensor,
    b: Tensor,
    probability: Numbers | FeatureDistribution,
    importance: Numbers | None,
) -> tuple[Tensor, Tensor, Tensor, torch.Size]:
    """Return models on one axis: W and b as a vector, chances of active sets, I; their shape."""
    W, b = checks.weights(W, b)
    m, n = W.shape[-2:]
    check_few_features(n)
    features = as_features(probability, n)
    I = checks.importances("importance", importance, n, dtype=torch.float64, device=W.device)
    shape = checks.broadcast_shape(
        W=W.shape[:-2], b=b.shape[:-1], probability=features.shape, importance=I.shape[:-1]
    )
    if not shape.numel():
        raise InvalidArgument(
            f"W, b, probability and importance broadcast to {tuple(shape)}: no model is there"
        )
    W, b = W.detach(), b.detach()
    place = torch.cat([
        W.double().expand(*shape, m, n).flatten(-2), b.double().expand(*shape, n),
    ], dim=-1).reshape(-1, m * n + n)  # fmt: skip
    chance, I = (
        values.detach().expand(*shape, values.shape[-1]).reshape(len(place), -1)
        for values in (features.active_sets().to(W.device), I)
    )
    return place, chance, I, shape


def _descend(
    place: Tensor, chance: Tensor, I: Tensor, m: int, tolerance: float, max_steps: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Descend from ``place`` ``(models, mn + n)``: the end, its loss, gradient norm and steps."""
    n = I.shape[-1]

    def loss_at(place: Tensor, of: Tensor) -> Tensor:
        W, b = place[:, : m * n].reshape(-1, m, n), place[:, m * n :]
        return (loss_by_active_set(W, b, I[of]) * chance[of]).sum(-1)

    place = place.clone()
    final_loss, final_norm = place.new_empty(len(place)), place.new_empty(len(place))
    steps = torch.zeros(len(place), dtype=torch.long, device=place.device)
    damping = place.new_full((len(place),), 1e-3)
    # of the loss: what is active has a mean square of 1/3, most of which its output takes off
    rounding = 4 * torch.finfo(I.dtype).eps * I.sum(-1) * (1 - chance[:, 0]) / 3
    going = torch.arange(len(place), device=place.device)
    loss = loss_at(place, going)
    for step in range(max_steps + 1):
        gradient, curvature = _derivatives(place[going], chance[going], I[going], m)
        norm = gradient.norm(dim=-1)
        final_loss[going], final_norm[going], steps[going] = loss, norm, step
        # where no damping makes the loss fall any more, rounding is all that is left
        unfinished = (norm > tolerance) & (damping[going] < _MOST_DAMPING)
        if step == max_steps or not unfinished.any():
            break
        going, loss = going[unfinished], loss[unfinished]
        gradient, curvature = gradient[unfinished], curvature[unfinished]
        size, direction = torch.linalg.eigh(curvature)
        along = (direction.mT @ gradient[..., None])[..., 0] / (size.abs() + damping[going, None])
        move = -(direction @ along[..., None])[..., 0]
        tried = loss_at(place[going] + move, going)
        # rounding of the loss must not stop the last steps, when the gradient still shrinks
        better = tried <= loss + rounding[going]
        place[going] += torch.where(better[:, None], move, 0.0)
        loss = torch.where(better, tried, loss)
        damping[going] = torch.where(better, damping[going] / 4, damping[going] * 8).clamp_min(
            1e-14
        )
    return place, final_loss, final_norm, steps


def _derivatives(place: Tensor, chance: Tensor, I: Tensor, m: int) -> tuple[Tensor, Tensor]:
    """Return each loss's gradient ``(models, mn + n)`` and matrix of curvatures."""
    n = I.shape[-1]
    chunk = max(1, _FACES_IN_CACHE // (n * count_faces(n)))
    parts = [slice(first, first + chunk) for first in range(0, len(place), chunk)]
    pieces = [_derivatives_in_cache(place[some], chance[some], I[some], m) for some in parts]
    gradient, curvature = (torch.cat(values) for values in zip(*pieces, strict=True))
    return gradient, curvature


def _derivatives_in_cache(
    place: Tensor, chance: Tensor, I: Tensor, m: int
) -> tuple[Tensor, Tensor]:
    """Return what `_derivatives` does.

    Output i depends on n + 1 numbers only, r_i = (b_i, W_i·W_1, …, W_i·W_n), and with A and B of
    `superpos.losses.ramps.ramp_moments` its error changes with them by 2 (A r_i − A_i), which in
    turn changes by 2 (A − B).
    """
    models, n = I.shape
    W, b = place[:, : m * n].reshape(models, m, n), place[:, m * n :]
    products = W.mT @ W
    own, i = torch.eye(n, dtype=W.dtype, device=W.device), torch.arange(n, device=W.device)
    A, B = ramp_moments(
        b.flatten(),
        products.flatten(0, 1),
        own.repeat(models, 1),
        chance.repeat_interleave(n, 0),
    )
    A, B = (values.unflatten(0, (models, n)) for values in (A, B))
    r = torch.cat([b[..., None], products], dim=-1)
    by_r = 2 * I[..., None] * ((A @ r[..., None])[..., 0] - A[:, i, i + 1])
    curvature_by_r = 2 * I[..., None, None] * (A - B)
    # W_i·W_j changes with W_i by W_j and with W_j by W_i
    by_W = torch.einsum("il,zaj->zijal", own, W) + torch.einsum("jl,zai->zijal", own, W)
    jacobian = W.new_zeros(models, n, n + 1, m * n + n)
    jacobian[:, :, 0, m * n :] = own
    jacobian[:, :, 1:, : m * n] = by_W.flatten(-2)
    gradient = torch.einsum("zir,zirp->zp", by_r, jacobian)
    along = (curvature_by_r @ jacobian).flatten(1, 2)
    curvature = jacobian.flatten(1, 2).mT @ along
    both = by_r[..., 1:] + by_r[..., 1:].mT
    bent = torch.einsum("ab,zkl->zakbl", torch.eye(m, dtype=W.dtype, device=W.device), both)
    curvature[:, : m * n, : m * n] += bent.reshape(models, m * n, m * n)
    return gradient, (curvature + curvature.mT) / 2
