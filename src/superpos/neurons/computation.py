"""What a hidden layer computes, and how: the tasks, which neurons serve which feature, a motif.

A model y = ReLU(Vᵀ ReLU(W x) + b) has W and V, both ``(..., m, n)``: row k are the weights into and
out of neuron k. In the paper's notation these are W₁ and the transpose of W₂.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from superpos import checks, neurons
from superpos.compute import streams
from superpos.compute.gates import Together, gate, instance_of, one_precision, shapes, tensors
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument
from superpos.features import BooleanFeatures
from superpos.models import Model

SLOPE = 0.25  # that a neuron gives the output of a feature which it serves, at least


def _in_pairs(*names: str) -> Together:
    """Return what refuses an odd number of features."""

    def check(given: dict[str, Any]) -> None:
        for name in names:
            shape = tuple(given[name].shape)
            if not shape or shape[-1] % 2:
                raise InvalidArgument(f"{name} has shape {shape}: (..., n) with n even is needed")

    return check


_of_one_shape = shapes(W="... m n", V="... m n")
_truths = partial(checks.truths, least_axes=2)


@gate(_in_pairs("x"), x=lambda name, x: checks.array(name, x).detach())
def pairwise_and(x: Tensor) -> Tensor:
    """Return, of boolean features ``(..., n)``, x_{2c} AND x_{2c+1} at output 2c; 0 at the others.

    Examples
    --------
    >>> pairwise_and(torch.tensor([1.0, 1.0, 0.0, 1.0]))
    tensor([1., 0., 0., 0.])
    """
    y = torch.zeros_like(x)
    torch.mul(x[..., ::2], x[..., 1::2], out=y[..., ::2])
    return y


@gate(_in_pairs("W"), W=checks.floating)
def pair_means(W: Tensor) -> Tensor:
    """Return, for the features of each pair of ``(..., n)``, the mean of the two.

    Examples
    --------
    >>> pair_means(torch.tensor([1.0, 3.0, 0.0, 2.0]))
    tensor([2., 2., 1., 1.])
    """
    return W.unflatten(-1, (-1, 2)).mean(-1).repeat_interleave(2, -1)


# Decoders start so that no output begins below its kink where its own features are active.
ABSOLUTE_VALUE = Model(
    "absolute value", hidden=torch.relu, tied=False, target=torch.abs, start=torch.abs
)
PAIRWISE_AND = Model(
    "pairwise AND", hidden=torch.relu, tied=False, target=pairwise_and, start=pair_means
)


def pair_code(m: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return a model of m neurons that computes m (m − 1)/2 disjoint ANDs, as W, V and b.

    Each AND has two neurons, as an edge of a graph has two ends, and no two ANDs have the same.
    With at most two active features nothing is wrong: of those that share a neuron with an AND
    nothing reaches its output, and of the others only what is negative, which the ReLU removes.

    Parameters
    ----------
    m
        At least 2.

    Returns
    -------
    W, V, b
        ``(m, n)``, ``(m, n)`` and ``(n,)`` with n = m (m − 1), for `PAIRWISE_AND`.

    Examples
    --------
    >>> W, V, b = pair_code(3)
    >>> x = torch.tensor([[1.0, 1, 0, 0, 0, 0], [1, 0, 1, 0, 0, 0]])
    >>> PAIRWISE_AND.reconstruct({"W": W, "V": V, "b": b}, x)[:, ::2]
    tensor([[1., 0., 0.],
            [0., 0., 0.]])
    """
    m = checks.whole_number("m", m, least=2)
    ends = torch.triu_indices(m, m, 1)
    own = torch.zeros(m, ends.shape[1]).scatter_(0, ends, 1.0)
    W = own.repeat_interleave(2, -1)
    return W, W - 0.5, -torch.ones(W.shape[-1])


@gate(_of_one_shape, W=checks.floating, V=checks.floating)
def slopes(W: Tensor, V: Tensor) -> Tensor:
    """Return the slope that each neuron gives the output of each feature: ``(..., m, n)``.

    |W_ki| max(V_ki, 0): how fast output i rises, by neuron k, as x_i moves away from 0 to
    the side on which k is active. It does not change when a neuron's input weights are multiplied
    and its output weights divided by the same number. A neuron that lowers an output has slope 0.

    Examples
    --------
    >>> slopes(torch.tensor([[2.0, -0.5]]), torch.tensor([[0.5, 2.0]]))
    tensor([[1., 1.]])
    """
    return W.abs() * V.relu()


@gate(_of_one_shape, W=checks.floating, V=checks.floating, least=checks.number)
def serving(W: Tensor, V: Tensor, *, least: float = SLOPE) -> Tensor:
    """Return which features each neuron serves: `slopes` of ``least`` or more, ``(..., m, n)``.

    Unlike `superpos.neurons.serves`, which takes shares of what a feature gets, this measures
    against the task: an exact absolute value has slopes that add up to 1 on either side.

    Examples
    --------
    >>> serving(torch.tensor([[1.0, 0.2]]), torch.tensor([[1.0, 1.0]]))
    tensor([[ True, False]])
    """
    return slopes(W, V) >= least


@gate(
    _of_one_shape,
    _in_pairs("W"),
    W=checks.floating,
    V=checks.floating,
    least=checks.number,
)
def and_serving(W: Tensor, V: Tensor, *, least: float = SLOPE) -> Tensor:
    """Return which ANDs each neuron serves: booleans ``(..., m, n / 2)``.

    Neuron k serves AND c, of features 2c and 2c + 1, if min(W_k,2c, W_k,2c+1) V_k,2c ≥ ``least``.

    Examples
    --------
    >>> and_serving(torch.tensor([[1.0, 1.0, 1.0, 0.0]]), torch.ones(1, 4))
    tensor([[ True, False]])
    """
    return torch.minimum(W[..., ::2], W[..., 1::2]) * V[..., ::2] >= least


@gate(_of_one_shape, W=checks.floating, V=checks.floating)
def scaled(W: Tensor, V: Tensor) -> tuple[Tensor, Tensor]:
    """Return the same model with neurons scaled so that the largest input weight has size 1.

    Neurons without input weights stay as they are.

    Examples
    --------
    >>> scaled(torch.tensor([[2.0, -4.0]]), torch.tensor([[1.0, 0.5]]))
    (tensor([[ 0.5000, -1.0000]]), tensor([[4., 2.]]))
    """
    size = W.abs().amax(-1, keepdim=True)
    size = torch.where(size > 0, size, 1.0)
    return W / size, V * size


@gate(
    _of_one_shape,
    W=checks.floating,
    V=checks.floating,
    rest=checks.number,
    low=checks.number,
    high=checks.number,
)
def two_sided(
    W: Tensor, V: Tensor, *, rest: float = 0.1, low: float = 0.9, high: float = 1.1
) -> Tensor:
    """Return whether each feature has one positive and one negative neuron that do nothing else.

    Neurons are scaled as by `scaled`: the input weight is +1 or −1, the output weight to the same
    feature about 1, and all others about 0.

    Parameters
    ----------
    W, V
        ``(..., m, n)``.
    rest
        How large the other weights may be.
    low, high
        Between which the output weight must lie.

    Returns
    -------
    Tensor
        Booleans ``(...)``.

    Examples
    --------
    >>> W = torch.tensor([[3.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> two_sided(W, 1 / W.abs().amax(-1, keepdim=True) * (W != 0))
    tensor(True)
    >>> two_sided(W[:3], (W != 0)[:3] * 1.0)
    tensor(False)
    """
    W, V = scaled(W, V)
    n = W.shape[-1]
    first = torch.nn.functional.one_hot(W.abs().argmax(-1), n).bool()
    alone = [torch.where(first, 0.0, weights).abs().amax(-1) <= rest for weights in (W, V)]
    told = (~first | ((low <= V) & (high >= V))).all(-1)
    pure = (alone[0] & alone[1] & told)[..., None] & first
    # exactly one neuron of each sign, and it is such a neuron
    signs = [first & (W > 0), first & (W < 0)]
    return torch.stack(
        [((side.sum(-2) == 1) & ((side & pure).sum(-2) == 1)).all(-1) for side in signs]
    ).all(0)


@gate(served=_truths)
def pure_features(served: Tensor) -> tuple[Tensor, Tensor]:
    """Return which served features are pure, served by such neurons alone, and which are not.

    Parameters
    ----------
    served
        Booleans ``(..., m, n)``, as `serving` gives them.

    Returns
    -------
    pure, shared
        Booleans ``(..., n)``.

    Examples
    --------
    >>> pure_features(torch.tensor([[True, False, False], [False, True, True]]))
    (tensor([ True, False, False]), tensor([False,  True,  True]))
    """
    mixed = neurons.polysemantic(served)[..., None]
    shared = (served & mixed).any(-2)
    return served.any(-2) & ~shared, shared


@gate(served=partial(checks.truths, least_axes=3))
def important_stay_pure(served: Tensor) -> Tensor:
    """Return whether, wherever both kinds are, pure features are the more important ones.

    Parameters
    ----------
    served
        Booleans ``(..., settings, m, n)``, features in order of falling importance.

    Returns
    -------
    Tensor
        Booleans ``(...)``: the mean rank of the pure features is smaller at every setting that has
        both, and some setting has both.

    Examples
    --------
    >>> important_stay_pure(torch.tensor([[[True, False, False], [False, True, True]]]))
    tensor(True)
    """
    pure, shared = pure_features(served)
    rank = torch.arange(served.shape[-1], dtype=torch.float64, device=served.device)
    mean_pure, mean_shared = (
        (kind * rank).sum(-1) / kind.sum(-1).clamp_min(1) for kind in (pure, shared)
    )
    both = pure.any(-1) & shared.any(-1)
    return both.any(-1) & ((mean_pure < mean_shared) | ~both).all(-1)


@dataclass(frozen=True, eq=False)
class Motifs:
    """Where neurons superpose two features asymmetrically, and what inhibits the disturbance.

    Attributes
    ----------
    asymmetric
        Neurons that serve exactly two features, of which one, `strong`, has at least twice the
        input weight, and the other, `weak`, at least twice the output weight: ``(..., m)``.
    strong, weak
        Those features, ``(..., m)``; without meaning where a neuron is not asymmetric.
    disturbance
        T = |W_ki| V_kj, the slope that the strong feature i gives the output j of the weak one.
    inhibitor
        The other neuron that i drives with the same sign and that lowers output j most.
    single
        Whether it takes away at least half of T.
    rest
        The slope that all neurons together give output j.
    repaired
        Whether that is at most a tenth of T.
    back, back_rest
        The same two slopes the other way round: what j does to output i, by neuron k and in all.
    """

    asymmetric: Tensor
    strong: Tensor
    weak: Tensor
    disturbance: Tensor
    inhibitor: Tensor
    single: Tensor
    rest: Tensor
    repaired: Tensor
    back: Tensor
    back_rest: Tensor

    @property
    def cancelled(self) -> Tensor:
        """Asymmetric neurons whose disturbance all neurons take away but for a tenth."""
        return self.asymmetric & self.repaired

    @property
    def complete(self) -> Tensor:
        """Those of them where a single neuron takes away half of it or more: the motif."""
        return self.cancelled & self.single


@gate(
    least=checks.number,
    ratio=checks.number,
    inhibition=checks.number,
    left=checks.number,
)
def find_motifs(
    W: Tensor,
    V: Tensor,
    *,
    least: float = SLOPE,
    ratio: float = 2.0,
    inhibition: float = 0.5,
    left: float = 0.1,
) -> Motifs:
    """Find asymmetric superposition with inhibition in models of absolute values.

    Neuron k serves features i and j (see `serving`), and no other, with |W_ki| ≥ 2 |W_kj| and
    V_kj ≥ 2 V_ki. When x_i is active on the side on which k is, output j is disturbed with slope
    T = |W_ki| V_kj. The motif is complete if one other neuron l, active on the same side,
    takes away half of it or more, −|W_li| V_lj ≥ T/2, and all neurons together leave
    a tenth or less.

    Parameters
    ----------
    W, V
        ``(..., m, n)``.
    least
        The slope from which on a neuron serves a feature.
    ratio
        How unequal the two weights in, and the two out, must be.
    inhibition, left
        What a single other neuron must take away of T, and what all together may leave.

    Raises
    ------
    InvalidArgument
        If the shapes differ or an entry is NaN.

    References
    ----------
    Elhage et al. 2022, "Computation in Superposition", The Asymmetric Superposition Motif.

    Examples
    --------
    The paper's weights, 2 and −1/2 in, 1/2 and 2 out, and a second neuron that inhibits:

    >>> W = torch.tensor([[2.0, -0.5], [1.0, 0.0]])
    >>> V = torch.tensor([[0.5, 2.0], [0.0, -4.0]])
    >>> find_motifs(W, V).complete
    tensor([ True, False])
    >>> find_motifs(W, V * torch.tensor([[1.0], [0.0]])).complete
    tensor([False, False])
    """
    W, _ = checks.weights(W)
    V = checks.finite("V", V)
    if V.shape != W.shape:
        raise InvalidArgument(
            f"V has shape {tuple(V.shape)} and W {tuple(W.shape)}: they must be the same"
        )
    served, size = serving(W, V, least=least), W.abs()
    strong = torch.where(served, size, -1.0).argmax(-1)
    weak = torch.where(served, size, torch.inf).argmin(-1)

    def own(values: Tensor, feature: Tensor) -> Tensor:
        return values.gather(-1, feature[..., None])[..., 0]

    def from_all(values: Tensor, feature: Tensor) -> Tensor:
        """Entry (l, k): the value of neuron l at the feature that belongs to neuron k."""
        index = feature[..., None, :].expand(*feature.shape, feature.shape[-1])
        return values.gather(-1, index)

    def effects(source: Tensor, target: Tensor) -> Tensor:
        """Entry (l, k): the slope that l gives k's target while k's source is active alone."""
        sign = own(W, source).sign()[..., None, :]
        return (from_all(W, source) * sign).relu() * from_all(V, target)

    effect, back = effects(strong, weak), effects(weak, strong)
    disturbance = effect.diagonal(dim1=-2, dim2=-1)
    itself = torch.eye(W.shape[-2], dtype=torch.bool, device=W.device)
    taken, inhibitor = torch.where(itself, -torch.inf, -effect).max(-2)
    asymmetric = (
        (served.sum(-1) == 2)
        & (own(size, strong) >= ratio * own(size, weak))
        & (own(V, weak) >= ratio * own(V, strong))
    )
    return Motifs(
        asymmetric=asymmetric,
        strong=strong,
        weak=weak,
        disturbance=disturbance,
        inhibitor=inhibitor,
        single=taken >= inhibition * disturbance,
        rest=effect.sum(-2),
        repaired=effect.sum(-2) <= left * disturbance,
        back=back.diagonal(dim1=-2, dim2=-1),
        back_rest=back.sum(-2),
    )


@gate(served=_truths, share=checks.number)
def partly_superposed(served: Tensor, *, share: float = 0.1) -> Tensor:
    """Return whether both pure and polysemantic neurons make up a share of those that serve.

    Parameters
    ----------
    served
        Booleans ``(..., m, n)``.
    share
        Of either kind, at least.

    Returns
    -------
    Tensor
        Booleans ``(...)``.

    Examples
    --------
    >>> partly_superposed(torch.tensor([[True, False, False], [False, True, True]]))
    tensor(True)
    """
    pure, mixed = (kind(served).sum(-1) for kind in (neurons.monosemantic, neurons.polysemantic))
    used = (pure + mixed).clamp_min(1)
    return (pure >= share * used) & (mixed >= share * used) & (mixed > 0)


@gate(
    shapes("V", W="... m n", V="... m n"),
    W=checks.floating,
    V=checks.floating,
    seed=partial(checks.whole_number, least=0),
    least=checks.number,
)
def shuffled(W: Tensor, V: Tensor, *, seed: int, least: float = SLOPE) -> Tensor:
    """Return V with each output's weights permuted among the neurons that do not serve it.

    A null model for inhibition: who serves what stays, and so do the weights that each output gets;
    only which neuron inhibits which output is left to chance.

    Parameters
    ----------
    W, V
        ``(..., m, n)``.
    seed
        Selects the permutations.
    least
        The slope from which on a neuron serves a feature.

    Examples
    --------
    >>> W, V = torch.eye(3, 3), torch.tensor([[1.0, 2, 3], [4, 1, 5], [6, 7, 1]])
    >>> shuffled(W, V, seed=0).sum(0), shuffled(W, V, seed=0).diagonal()
    (tensor([11., 10.,  9.]), tensor([1., 1., 1.]))
    """
    served = serving(W, V, least=least)
    generator = streams.generator(seed, Purpose.EVALUATION, device=V.device)
    keys = torch.rand(V.shape, generator=generator, device=V.device)
    # both orders have the neurons that serve at the end, in the same order
    here = served.int().argsort(dim=-2, stable=True)
    there = keys.masked_fill(served, torch.inf).argsort(dim=-2, stable=True)
    return torch.empty_like(V).scatter_(-2, here, V.gather(-2, there))


def _of_these_features(given: dict[str, Any]) -> None:
    features, W = given["features"], given["parameters"]["W"]
    if (*W.shape[-3:-2], W.shape[-1]) != (*features.shape, features.n):
        raise InvalidArgument(
            f"W has shape {tuple(W.shape)} and features {features.n} in settings "
            f"{tuple(features.shape)}: (..., settings, m, n), and as many on one axis, are needed"
        )


@gate(
    shapes(parameters={"W": "... settings m n", "V": "... settings m n", "b": "... settings n"}),
    one_precision("parameters"),
    _of_these_features,
    parameters=tensors("W", "V", "b"),
    features=instance_of(BooleanFeatures),
    seed=partial(checks.whole_number, least=0),
)
def and_errors(
    parameters: dict[str, Tensor], features: BooleanFeatures, *, samples: int = 8000, seed: int = 0
) -> Tensor:
    """Return the expected squared error of each AND, as a share of its variance.

    Parameters
    ----------
    parameters
        W, V ``(..., settings, m, n)`` and b ``(..., settings, n)``, for `PAIRWISE_AND`.
    features
        With one axis of settings.
    samples
        How many inputs with three and more active features to sample, at least 1000: the others
        are counted exactly.
    seed
        Selects them.

    Returns
    -------
    Tensor
        ``(..., settings, n / 2)``, 0 for an exact AND and 1 for the best constant.

    Examples
    --------
    >>> W, V, b = pair_code(5)
    >>> given = {"W": W[None], "V": V[None], "b": b[None]}
    >>> bool((and_errors(given, BooleanFeatures(20, torch.tensor([[0.003]]))) < 0.03).all())
    True
    """
    samples = checks.whole_number("samples", samples, least=1000)
    device = parameters["W"].device
    features = features.to(device)
    error, batches = torch.zeros((), device=device), samples // 1000
    for number in range(batches):
        shape = (1000, features.uniforms)
        u = streams.uniforms([seed], Purpose.EVALUATION, number, shape).to(device)
        x, share = features.strata(u)[0], features.shares(u)
        y = PAIRWISE_AND.reconstruct(parameters, x)
        square = (y - pairwise_and(x)).square()[..., ::2]
        error = error + (square * share[..., None]).sum(-2)
    p = features.probability[..., :1]
    return error / batches / (p**2 * (1 - p**2)).to(error)
