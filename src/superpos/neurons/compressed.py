"""Compressed computation: a layer of m neurons that is to return ReLU(x) for n > m features.

The layer stands in a residual stream that carries x, imperfectly: features are embedded by W_E
and read by its transpose. What is left for the layer to make up is

    y = ReLU(x) + M x,    M = I − W_Eᵀ W_E,

with the *mixing matrix* M. It answers Vᵀ ReLU(W x) + b. Models lie along a leading axis, one for
each seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from superpos import checks, geometry
from superpos.compute import streams
from superpos.compute.gates import gate, instance_of, one_precision, seeds_of, shapes, tensors
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument
from superpos.features import SignedFeatures
from superpos.training.adam import Adam
from superpos.training.procedures import Procedure

_BLOCK = 100  # steps whose inputs are drawn together


@gate(seeds=seeds_of)
def mixing(n: int, dimensions: int | None, *, seeds: Sequence[int]) -> Tensor:
    """Return mixing matrices M = I − W_Eᵀ W_E ``(seeds, n, n)`` of random unit embeddings.

    Parameters
    ----------
    n
        Number of features.
    dimensions
        Of the stream; None for one without mixing, M = 0.
    seeds
        One for each matrix.

    Examples
    --------
    >>> M = mixing(100, 1000, seeds=[0])
    >>> bool(M[0].diagonal().abs().max() < 1e-5), round(M.std().item(), 2)
    (True, 0.03)
    """
    n = checks.whole_number("n", n)
    if dimensions is None:
        return torch.zeros(len(seeds), n, n)
    dimensions = checks.whole_number("dimensions", dimensions)
    draws = [streams.generator(seed, Purpose.TRUTH, n, dimensions) for seed in seeds]
    W = torch.stack(
        [geometry.directions(torch.randn(dimensions, n, generator=draw)) for draw in draws]
    )
    return torch.eye(n) - W.mT @ W


@gate(shapes(M="... n n"), M=checks.floating)
def covariance(M: Tensor, p: float) -> Tensor:
    """Return the covariance of y = ReLU(x) + M x, for x of both signs: ``(..., n, n)``.

    (p/6) ((1 − 3p/8) I + M + Mᵀ + 2 M Mᵀ), for x is 0 or uniform on [−1, 1], with probability p.

    Parameters
    ----------
    M
        ``(..., n, n)``.
    p
        In (0, 1].

    Examples
    --------
    >>> covariance(torch.zeros(1, 1), 0.6) * 60
    tensor([[4.6500]])
    """
    p = _density(p)
    return p / 6 * ((1 - 3 * p / 8) * torch.eye(M.shape[-1]).to(M) + M + M.mT + 2 * M @ M.mT)


@gate(shapes(M="... n n"), M=checks.finite)
def least_loss(M: Tensor, m: int, p: float) -> Tensor:
    """Return what any model that ends in a linear map of m units must lose, ``(...)``.

    Its outputs lie in an affine space of m dimensions, so that the loss, summed over outputs, is at
    least the sum of the n − m smallest eigenvalues of the targets' `covariance`.

    Parameters
    ----------
    M
        ``(..., n, n)``.
    m
        At most n.
    p
        In (0, 1].

    References
    ----------
    The best approximation of a random vector in an affine space of few dimensions is that by its
    principal components (Pearson 1901).

    Examples
    --------
    Without mixing that is n − m variances of a ReLU:

    >>> round(least_loss(torch.zeros(4, 4), 3, 0.6).item() * 60, 4)
    4.65
    """
    m = checks.whole_number("m", m)
    if m > M.shape[-1]:
        raise InvalidArgument(f"m is {m}: at most n = {M.shape[-1]} is needed")
    return torch.linalg.eigvalsh(covariance(M.double(), p))[..., : M.shape[-1] - m].sum(-1)


@gate(n=checks.whole_number, m=partial(checks.whole_number, least=0), bias=checks.flag)
def naive_loss(n: int, m: int, p: float, *, bias: bool = False) -> float:
    """Return the loss, without mixing, of m perfect functions, the others 0 or their mean.

    Parameters
    ----------
    n, m, p
        As elsewhere.
    bias
        Whether outputs have biases: then those without neurons answer with their mean.

    Examples
    --------
    >>> naive_loss(100, 50, 0.06), round(naive_loss(4, 3, 0.6, bias=True) * 60, 4)
    (0.5, 4.65)
    """
    p = _density(p)
    return (n - m) * (p / 6 - (p * p / 16 if bias else 0))


@gate(
    shapes(M="models n n", seeds="models"),
    M=checks.floating,
    procedure=instance_of(Procedure),
    seeds=seeds_of,
    bias=checks.flag,
)
def train(
    M: Tensor,
    m: int,
    p: float,
    procedure: Procedure,
    *,
    seeds: Sequence[int],
    bias: bool = False,
) -> dict[str, Tensor]:
    """Train a layer for each mixing matrix by Adam on sampled inputs with an active feature.

    Parameters
    ----------
    M
        ``(seeds, n, n)``.
    m
        Neurons.
    p
        In (0, 1].
    procedure
        Of it count the rate and its course, ``steps``, ``batch_size``, ``beta2`` and
        ``initial_scale``.
    seeds
        Which initial values and inputs; models of one seed have the same, whatever their M.
    bias
        Whether outputs have trained biases; else they are 0.

    Returns
    -------
    dict of Tensor
        W, V ``(seeds, m, n)`` and b ``(seeds, n)``.

    Examples
    --------
    >>> M = mixing(6, None, seeds=[0])
    >>> model = train(M, 6, 0.3, Procedure(steps=500, learning_rate=0.03), seeds=[0])
    >>> bool(loss(model, M, 0.3, seeds=[0])[0] < 0.5 * naive_loss(6, 0, 0.3))
    True
    """
    n, m = M.shape[-1], checks.whole_number("m", m)
    features = SignedFeatures(n, _density(p))
    draws = [streams.generator(seed, Purpose.INITIAL_VALUES, n, m) for seed in seeds]
    first = torch.stack([torch.randn(2, m, n, generator=draw) for draw in draws]).to(M)
    scale = procedure.initial_scale / n**0.5
    parameters = {
        "W": (first[:, 0] * scale).contiguous(),
        "V": (first[:, 1] * scale).contiguous(),
        "b": M.new_zeros(len(seeds), n),
    }
    adam = Adam(parameters, beta2=procedure.beta2, weight_decay=procedure.weight_decay)
    W, V, b = parameters.values()
    heard = 1 - float(features.silence)
    size = procedure.batch_size
    for step in range(procedure.steps):
        if step % _BLOCK == 0:
            shape = (_BLOCK * size, features.uniforms)
            u = streams.uniforms(seeds, Purpose.INPUTS, step, shape, device=M.device)
            x = features.active_inputs(u).to(M).unflatten(1, (_BLOCK, size))
        x_now = x[:, step % _BLOCK]
        z = x_now @ W.mT
        h = z.relu()
        error = h @ V + b[:, None] - x_now.relu() - x_now @ M.mT
        error *= 2 * heard / size
        by = {
            "W": torch.where(z > 0, error @ V.mT, 0.0).mT @ x_now,
            "V": h.mT @ error,
            "b": error.sum(1) + 2 * (1 - heard) * b if bias else 0 * b,
        }
        adam.step(by, procedure.rate(step))
    return parameters


@gate(
    shapes(
        model={"W": "models m n", "V": "models m n", "b": "models n"},
        M="models n n",
        seeds="models",
    ),
    one_precision("model", "M"),
    model=tensors("W", "V", "b"),
    M=checks.floating,
    seeds=seeds_of,
    count=checks.whole_number,
)
def loss(
    model: dict[str, Tensor], M: Tensor, p: float, *, seeds: Sequence[int], count: int = 20_000
) -> tuple[Tensor, Tensor]:
    """Return the expected squared error, summed over outputs, and its standard error: ``(seeds,)``.

    Sampled, but for the silent input, which is counted with its probability.

    Parameters
    ----------
    model
        As `train` returns it.
    M, p
        As `train` takes them.
    seeds
        Select the inputs.
    count
        How many.

    Examples
    --------
    A model that answers 0, without mixing, loses p/6 for each feature:

    >>> M = torch.zeros(1, 5, 5)
    >>> silent = {"W": torch.zeros(1, 2, 5), "V": torch.zeros(1, 2, 5), "b": torch.zeros(1, 5)}
    >>> bool((loss(silent, M, 0.3, seeds=[0])[0] - 0.25).abs() < 0.005)
    True
    """
    features = SignedFeatures(M.shape[-1], _density(p))
    u = streams.uniforms(seeds, Purpose.EVALUATION, 0, (count, features.uniforms), device=M.device)
    x = features.active_inputs(u).to(M)
    out = (x @ model["W"].mT).relu() @ model["V"] + model["b"][:, None]
    active = (out - x.relu() - x @ M.mT).square().sum(-1)
    silent = float(features.silence)
    mean = silent * model["b"].square().sum(-1) + (1 - silent) * active.mean(-1)
    return mean, (1 - silent) * active.std(-1) / count**0.5


@gate(
    shapes(W="... m n", M="... n n"),
    one_precision("W", "M"),
    W=checks.floating,
    M=checks.finite,
    count=checks.whole_number,
)
def in_top(W: Tensor, M: Tensor, count: int) -> Tensor:
    """Return which share of ‖W‖² lies in the space of M's ``count`` largest eigenvalues, ``(...)``.

    Parameters
    ----------
    W
        Weights into neurons, ``(..., m, n)``.
    M
        Symmetric, ``(..., n, n)``.
    count
        At most n.

    Examples
    --------
    >>> in_top(torch.tensor([[3.0, 4.0]]), torch.diag(torch.tensor([2.0, 1.0])), 1)
    tensor(0.3600)
    """
    vectors = torch.linalg.eigh(M).eigenvectors[..., -count:]
    return (W @ vectors).square().sum((-2, -1)) / W.square().sum((-2, -1))


def _density(p: float) -> float:
    p = checks.positive_number("p", p)
    if p > 1:
        raise InvalidArgument(f"p is {p}: one in (0, 1] is needed")
    return p
