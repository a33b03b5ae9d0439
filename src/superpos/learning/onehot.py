"""One-hot data: n features in a plane or more, and one example of each, a 1 at its own place.

Nothing is random but the start, and everything has a closed form. Output i at example j is
ReLU(z_ij) with z_ij = W_i·W_j + b_i, and should be 1 where i = j, else 0. The loss is the mean
squared error over examples *and* outputs, as ``torch.nn.MSELoss`` has it: the book's loss, which
is summed over outputs, is n times as large.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from superpos import checks
from superpos.compute.cutting import cut
from superpos.compute.gates import gate, optional, shapes
from superpos.compute.processes import in_parallel
from superpos.errors import InvalidArgument
from superpos.training.adam import Adam

_MODELS_AT_ONCE = 1024  # whose (n, n, models) arrays stay in a core's cache
_FEW_STEPS = 100_000  # of single models: done before another process has begun


def outputs(W: Tensor, b: Tensor) -> Tensor:
    """Return z_ij = W_i·W_j + b_i, output i before its ReLU at example j: ``(..., n, n)``.

    Examples
    --------
    >>> outputs(torch.eye(2), torch.zeros(2)).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    W, b = checks.weights(W, b)
    return W.mT @ W + b[..., :, None]


def loss(W: Tensor, b: Tensor) -> Tensor:
    """Return the mean squared error over examples and outputs, ``(...)``.

    Parameters
    ----------
    W, b
        ``(..., m, n)`` and ``(..., n)``.

    Examples
    --------
    A missing feature costs 1 − 1/n, over n² numbers:

    >>> round(49 * loss(*failure(7)).item(), 12) == round(6 / 7, 12)
    True
    """
    return _mean_square(*checks.weights(W, b))


def _mean_square(W: Tensor, b: Tensor) -> Tensor:
    z = W.mT @ W + b[..., :, None]
    return (
        (z.relu() - torch.eye(z.shape[-1], dtype=z.dtype, device=z.device)).square().mean((-2, -1))
    )


def gradients(W: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradient of `loss` by W and by b.

    With g_ij = ReLU(z_ij) − δ_ij where z_ij > 0, else 0:
    ∂L/∂b_i = (2/n²) Σ_j g_ij and ∂L/∂W_k = (2/n²) Σ_j (g_kj + g_jk) W_j.

    Examples
    --------
    >>> by_W, by_b = gradients(*failure(7))
    >>> bool(by_W.abs().max() < 1e-15), bool(by_b.abs().max() < 1e-15)
    (True, True)
    """
    W, b = checks.weights(W, b)
    z = outputs(W, b)
    own = torch.eye(z.shape[-1], dtype=z.dtype, device=z.device)
    g = torch.where(z > 0, z - own, 0.0) * (2 / z.shape[-1] ** 2)
    return W @ (g + g.mT), g.sum(-1)


def _of_one_shape(given: dict[str, Any]) -> None:
    """Give W and b the same leading axes."""
    W, b = given["W"], given["b"]
    shape = checks.broadcast_shape(W=W.shape[:-2], b=b.shape[:-1])
    given["W"], given["b"] = W.expand(*shape, *W.shape[-2:]), b.expand(*shape, b.shape[-1])


def _some(name: str, value: Tensor) -> Tensor:
    return checks.some(name, value).detach()


@gate(shapes(W="... m n", b="... *n"), _of_one_shape, W=checks.floating, b=checks.floating)
def hessian(W: Tensor, b: Tensor) -> Tensor:
    """Return the second derivatives of `loss`, ``(..., P, P)`` with P = (m + 1) n.

    The order is W, row by row, then b. At a kink, z_ij = 0, it is that of the flat side.

    Examples
    --------
    >>> hessian(*regular(3)).shape
    torch.Size([9, 9])
    """
    W, b = checks.weights(W, b)
    m, n = W.shape[-2:]

    def of(vector: Tensor) -> Tensor:
        return _mean_square(vector[: m * n].view(m, n), vector[m * n :])

    joined = torch.cat([W.flatten(-2), b], dim=-1)
    twice = torch.func.jacrev(torch.func.jacrev(of))  # forward mode is torch.jit's, and is to go
    found = torch.func.vmap(twice)(joined.reshape(-1, joined.shape[-1]))
    return found.view(*joined.shape, joined.shape[-1])


def regular(n: int, *, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Return the shortest regular n-gon without loss: W ``(2, n)`` and b ``(n,)``.

    Its squared radius r² = 1/(1 − cos(2π/n)) and bias 1 − r² put neighbours exactly at the edge
    of each other's zones. Feature 0 points right, the others follow anticlockwise.

    Parameters
    ----------
    n
        At least 3.

    Examples
    --------
    >>> W, b = regular(6)
    >>> [round(value, 6) for value in (W.norm(dim=0)[0].item(), b[0].item(), loss(W, b).item())]
    [1.414214, -1.0, 0.0]
    """
    n = checks.whole_number("n", n, least=3)
    angle = 2 * math.pi * torch.arange(n, dtype=dtype) / n
    square = 1 / (1 - math.cos(2 * math.pi / n))
    W = square**0.5 * torch.stack([angle.cos(), angle.sin()])
    return W, torch.full((n,), 1 - square, dtype=dtype)


def failure(n: int, *, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Return the symmetric failure: a regular (n − 1)-gon, and a last feature W_n = 0, b_n = 1/n.

    Examples
    --------
    >>> W, b = failure(7)
    >>> W.shape, W[:, 6].tolist(), round(b[6].item(), 4)
    (torch.Size([2, 7]), [0.0, 0.0], 0.1429)
    """
    n = checks.whole_number("n", n, least=4)
    W, b = regular(n - 1, dtype=dtype)
    return torch.cat([W, W.new_zeros(2, 1)], dim=-1), torch.cat([b, b.new_full((1,), 1 / n)])


Step = Callable[[Tensor], None]  # moves parameters by their gradient


class Optimiser(Protocol):
    """How a step is taken: ``begin`` gives what moves some models' parameters."""

    def begin(self, theta: Tensor, part: slice) -> Step: ...


@dataclass(frozen=True, eq=False)
class GradientDescent:
    """Plain descent, θ ← θ − rate · gradient.

    Parameters
    ----------
    rate
        At least 0: a number, or one for each model, broadcasting to the leading axes.
    """

    rate: Tensor | float

    def begin(self, theta: Tensor, part: slice) -> Step:
        rate = self.rate[part] if isinstance(self.rate, Tensor) and self.rate.ndim else self.rate

        def step(gradient: Tensor) -> None:
            theta.sub_(gradient.mul_(rate))

        return step


@dataclass(frozen=True)
class AdamW:
    """AdamW (Loshchilov and Hutter 2019) at a constant rate; Adam, where nothing decays.

    Parameters
    ----------
    rate, weight_decay
        Above 0, and at least 0.
    """

    rate: float
    weight_decay: float = 0.0

    def begin(self, theta: Tensor, part: slice) -> Step:
        adam = Adam({"theta": theta}, weight_decay=self.weight_decay)

        def step(gradient: Tensor) -> None:
            adam.step({"theta": gradient}, self.rate)

        return step


@dataclass(frozen=True, eq=False)
class Descent:
    """Where a descent ended, and where it was on the way.

    Attributes
    ----------
    W, b
        ``(..., m, n)`` and ``(..., n)``, at the end.
    W_at, b_at
        The same at each of the recorded steps, on a first axis.
    """

    W: Tensor
    b: Tensor
    W_at: Tensor
    b_at: Tensor


def _optimiser(name: str, value: Optimiser) -> Optimiser:
    if not callable(getattr(value, "begin", None)) or isinstance(value, type):
        raise InvalidArgument(
            f"{name} is {checks.shortly(value)}: one with a begin(theta, part) is needed"
        )
    return value


@gate(
    shapes("W", W="... m n", b="... *n"),
    W=checks.detached,
    b=checks.detached,
    optimiser=_optimiser,
    record=checks.whole_numbers,
    moving=optional(checks.whole_numbers),
)
def descend(
    W: Tensor,
    b: Tensor,
    optimiser: Optimiser,
    steps: int,
    *,
    record: Sequence[int] = (),
    moving: Sequence[int] | None = None,
) -> Descent:
    """Descend the loss of every model of an ensemble, with all examples at every step.

    Models are laid out along the last axis of a few small arrays, so that a step is a dozen
    element-wise passes over memory that stays in the cache: a thousand models of seven features
    take 25 000 steps in some seconds.

    Parameters
    ----------
    W, b
        Where to start: ``(..., m, n)`` and ``(..., n)``, of one floating-point type.
    optimiser
        `GradientDescent` or `AdamW`.
    steps
        At least 1.
    record
        Numbers of steps after which to keep the parameters, rising, from 0 to ``steps``.
    moving
        The features whose W_i and b_i may change; all by default.

    Returns
    -------
    Descent
        What does not stay finite is returned as it is.

    Raises
    ------
    InvalidArgument
        If an argument is not as above.

    Examples
    --------
    >>> W, b = regular(5)
    >>> end = descend(1.02 * W, b, GradientDescent(0.5), 2000)
    >>> bool(loss(end.W, end.b) < 1e-12)
    True
    """
    W, b = checks.weights(W, b)
    steps = checks.whole_number("steps", steps)
    m, n = W.shape[-2:]
    shape = W.shape[:-2]
    record = list(record)
    if record != sorted(set(record)) or (record and not 0 <= record[0] <= record[-1] <= steps):
        raise InvalidArgument(f"record is {record}: rising steps from 0 to {steps} are needed")
    if moving is not None and not {*moving} <= {*range(n)}:
        raise InvalidArgument(f"moving is {list(moving)}: features from 0 to {n - 1} are needed")
    if isinstance(optimiser, GradientDescent) and isinstance(optimiser.rate, Tensor):
        optimiser = GradientDescent(optimiser.rate.to(W).expand(shape).reshape(-1))
    theta = torch.cat([W, b.expand(*shape, n)[..., None, :]], dim=-2).reshape(-1, m + 1, n)
    mask = None
    if moving is not None:
        mask = torch.zeros(n, 1, dtype=W.dtype, device=W.device)
        mask[list(moving)] = 1

    def work(part: slice) -> tuple[Tensor, Tensor]:
        return _descend(
            theta[part].permute(1, 2, 0).contiguous(), optimiser, part, steps, record, mask
        )

    total = len(theta)
    pieces = max(1, -(-total // _MODELS_AT_ONCE))
    spread = W.device.type == "cpu" and total * steps > _FEW_STEPS
    if spread and total >= 256:
        pieces = max(pieces, 2)
    parts = [part for (part,) in cut((total,), -(-total // pieces))]
    done = in_parallel(work, parts, spread=spread)
    end = torch.cat([last for last, _ in done], dim=-1)
    kept = torch.cat([records for _, records in done], dim=-1)

    def split(t: Tensor) -> tuple[Tensor, Tensor]:
        t = t.movedim(-1, -3).reshape(*t.shape[:-3], *shape, m + 1, n)
        return t[..., :m, :].contiguous(), t[..., m, :].contiguous()

    return Descent(*split(end), *split(kept))


def _descend(
    theta: Tensor,
    optimiser: Optimiser,
    part: slice,
    steps: int,
    record: Sequence[int],
    mask: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Descend from ``theta`` ``(m + 1, n, models)``; return its end and the records."""
    m, n = theta.shape[0] - 1, theta.shape[1]
    W, b = theta[:m], theta[m]
    z, s = (theta.new_empty(n, n, theta.shape[-1]) for _ in range(2))
    own = z.diagonal().mT  # (n, models), a view: the outputs that should be 1
    gradient = torch.empty_like(theta)
    step = optimiser.begin(theta, part)
    kept = theta.new_empty(len(record), *theta.shape)
    slots = {number: slot for slot, number in enumerate(record)}
    for number in range(steps + 1):
        if number in slots:
            kept[slots[number]] = theta
        if number == steps:
            break
        torch.addcmul(b[:, None], W[0, :, None], W[0], out=z)
        for row in W[1:]:
            z.addcmul_(row[:, None], row)
        z.relu_()
        own.sub_(own.sign())  # minus 1 where the ReLU lets anything through
        torch.sum(z, 1, out=gradient[m])
        torch.add(z, z.transpose(0, 1), out=s)
        for row, by_row in zip(W, gradient, strict=False):
            torch.sum(torch.mul(s, row, out=z), 1, out=by_row)
        gradient.mul_(2 / n**2)
        if mask is not None:
            gradient.mul_(mask)
        step(gradient)
    return theta, kept


@gate(
    disturbance=_some,
    rate=_some,
    settle=checks.whole_number,
    steps=checks.whole_number,
    record=checks.whole_numbers,
)
def disturbed(
    disturbance: Tensor, rate: Tensor, *, settle: int, steps: int, record: Sequence[int] = ()
) -> Descent:
    """Descend from a disturbed hexagon in two phases: six features settle, then a seventh joins.

    The biases of two neighbours, features 0 and 5, are raised; six features descend alone. Then a
    missing feature is added, W = 0 and b = 1/7, and all seven descend.

    Parameters
    ----------
    disturbance, rate
        How much the biases are raised, and the learning rate of both phases, of shapes that
        broadcast to that of the ensemble.
    settle, steps
        Steps of the two phases, at least 1.
    record
        As for `descend`, in the second phase.

    References
    ----------
    "Optimization Failure" 2023, Asymmetric Recovery is Chaotic (its map, whose phases we inferred).

    Examples
    --------
    >>> end = disturbed(torch.tensor([0.1]), torch.tensor([1.0]), settle=500, steps=10)
    >>> end.W.shape
    torch.Size([1, 2, 7])
    """
    shape = checks.broadcast_shape(disturbance=disturbance.shape, rate=rate.shape)
    W, b = (value.to(disturbance.device) for value in regular(6))
    b = b.repeat(*shape, 1)
    b[..., [0, 5]] += disturbance.to(b).expand(shape)[..., None]
    optimiser = GradientDescent(rate.to(b).expand(shape))
    six = descend(W.repeat(*shape, 1, 1), b, optimiser, settle)
    W = torch.cat([six.W, six.W.new_zeros(*shape, 2, 1)], dim=-1)
    b = torch.cat([six.b, six.b.new_full((*shape, 1), 1 / 7)], dim=-1)
    return descend(W, b, optimiser, steps, record=record)
