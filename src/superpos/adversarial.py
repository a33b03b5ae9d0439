"""Attacks on the ReLU-output model, how vulnerable it is to them, and training against them.

An attack moves an input x by δ, of a given length; the target stays x. Output i sees it only
through G_i·δ, with G = WᵀW, so that the best attack on it lies along G_i, up or down, and moves it
by the attack's length times ‖G_i‖ = ‖W_i‖²/√D_i before the ReLU: the *leverage* of feature i.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from superpos import checks, geometry
from superpos.compute import streams
from superpos.compute.gates import gate, shapes
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument
from superpos.features import FeatureDistribution, IndependentFeatures, checked
from superpos.models import RELU_OUTPUT, Model

Attack = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]

_ENTRIES_AT_ONCE = 200_000  # of a (models, inputs, n) array: what fits a core's cache


def leverage(W: Tensor) -> Tensor:
    """Return how far an attack of length 1 can move each output before the ReLU, ‖(WᵀW)_i‖.

    Parameters
    ----------
    W
        ``(..., m, n)``.

    Returns
    -------
    Tensor
        ``(..., n)``, which is ‖W_i‖²/√D_i.

    References
    ----------
    Elhage et al. 2022, "Superposition and Adversarial Robustness".

    Examples
    --------
    >>> leverage(torch.tensor([[1.0, -1.0]]))
    tensor([1.4142, 1.4142])
    """
    return geometry.gram(W).norm(dim=-1)


def attack_directions(W: Tensor) -> Tensor:
    """Return the unit vector along which output i changes fastest, as row i: ``(..., n, n)``.

    0 for a feature without length.

    Examples
    --------
    >>> attack_directions(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    tensor([[1., 0.],
            [0., 1.]])
    """
    return torch.nn.functional.normalize(geometry.gram(W), dim=-1)


def weighted_inputs(
    features: FeatureDistribution, *, samples: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Return inputs and the weight of each in a mean: active ones, and last the silent one.

    The active ones are spread evenly (Sobol's sequence, scrambled), alike for all settings.

    Parameters
    ----------
    features
        How inputs are drawn.
    samples
        How many active inputs, at least 1; a power of 2 is best.
    seed
        Selects the draws.

    Returns
    -------
    x, weight
        ``(*shape, samples + 1, n)`` and ``(*shape, samples + 1)``.

    Examples
    --------
    >>> from superpos import IndependentFeatures
    >>> x, weight = weighted_inputs(IndependentFeatures(2, 0.5), samples=4, seed=0)
    >>> x.shape, weight[-1]
    (torch.Size([5, 2]), tensor(0.2500))
    """
    features = checked(features)
    samples = checks.whole_number("samples", samples)
    seed = checks.whole_number("seed", seed, least=0)
    draws = torch.quasirandom.SobolEngine(features.uniforms, scramble=True, seed=seed)
    u = draws.draw(samples).to(features.silence.device, torch.get_default_dtype())
    return features.strata(u), features.shares(u)


@gate(
    shapes("x", x="... inputs n", weight="... inputs"),
    x=checks.floating,
    weight=checks.floating,
)
def mean_norm(x: Tensor, weight: Tensor) -> Tensor:
    """Return the mean length of the inputs, for each of them: ``(..., inputs)``.

    Examples
    --------
    >>> mean_norm(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.tensor([0.5, 0.5]))
    tensor([2.5000, 2.5000])
    """
    return (x.norm(dim=-1) * weight).sum(-1, keepdim=True).expand(x.shape[:-1])


def own_norm(x: Tensor, weight: Tensor) -> Tensor:
    """Return the length of each input itself: ``(..., inputs)``."""
    x = checks.finite("x", x)
    if not x.ndim:
        raise InvalidArgument(f"x has shape {tuple(x.shape)}: (..., n) is needed")
    return x.norm(dim=-1)


def mean_input_norm(features: FeatureDistribution, *, samples: int = 4096) -> Tensor:
    """Return the mean length E‖x‖ of inputs, silent ones included: ``(*shape,)``.

    Examples
    --------
    >>> from superpos import IndependentFeatures
    >>> mean_input_norm(IndependentFeatures(1, torch.tensor([[1.0], [0.1]]))).round(decimals=3)
    tensor([0.5000, 0.0500])
    """
    return mean_norm(*weighted_inputs(features, samples=samples, seed=0))[..., 0]


def attacked_loss(W: Tensor, b: Tensor, x: Tensor, attack: Tensor | float = 0.0) -> Tensor:
    """Return the squared error of x' (x + δ) against the clean x, for each input.

    Parameters
    ----------
    W, b
        ``(..., m, n)`` and ``(..., n)``.
    x, attack
        Inputs and what is added to them, ``(..., inputs, n)``.

    Returns
    -------
    Tensor
        ``(..., inputs)``.

    Examples
    --------
    >>> one = torch.ones(1, 1)
    >>> attacked_loss(one, torch.zeros(1), one, 0.1 * one)
    tensor([0.0100])
    """
    W, b, x, _ = _given(W, b, x)
    attack = checks.finite("attack", attack, dtype=W.dtype, device=W.device)
    if attack.ndim:
        checks.inputs("attack", attack, W.shape[-1])
    checks.broadcast_shape(W=W.shape[:-2], b=b.shape[:-1], x=x.shape[:-2], attack=attack.shape[:-2])
    checks.broadcast_shape(x=x.shape, attack=attack.shape)
    return _attacked_loss(W, b, x, attack)


def _attacked_loss(W: Tensor, b: Tensor, x: Tensor, attack: Tensor | float) -> Tensor:
    return (_output(W, b, x + attack) - x).square().sum(-1)


def _given(
    W: Tensor, b: Tensor, x: Tensor, size: Tensor | float = 0.0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return models, inputs ``(..., inputs, n)`` and lengths ``(..., inputs)``, checked."""
    W, b = checks.weights(W, b)
    x = checks.inputs("x", x, W.shape[-1], like=W)
    size = checks.finite("size", size, dtype=W.dtype, device=W.device)
    if x.ndim < 2 or not x.numel():
        raise InvalidArgument(f"x has shape {tuple(x.shape)}: (..., inputs, n) is needed")
    if not _shape(W, b, x).numel():
        raise InvalidArgument(f"W, b and x broadcast to {tuple(_shape(W, b, x))}: none at all")
    if (size < 0).any():
        raise InvalidArgument(f"size has an entry of {size.min():g}: lengths are at least 0")
    shape = (*_shape(W, b, x), x.shape[-2])
    if checks.broadcast_shape(models_and_x=shape, size=size.shape) != shape:
        raise InvalidArgument(
            f"size has shape {tuple(size.shape)}: it must broadcast to (..., inputs) = {shape}"
        )
    return W, b, x, size


def best_analytic(W: Tensor, b: Tensor, x: Tensor, size: Tensor) -> Tensor:
    """Return the best of 2n attacks on each input: on each output, up and down.

    Each is the best that can be done to one output's error. The one is taken that raises the whole
    loss most.

    Parameters
    ----------
    W, b
        ``(..., m, n)`` and ``(..., n)``.
    x
        ``(..., inputs, n)``.
    size
        The attacks' lengths, broadcasts to ``(..., inputs)``.

    Returns
    -------
    Tensor
        The attacks, ``(..., inputs, n)``.

    References
    ----------
    Elhage et al. 2022, "Superposition and Adversarial Robustness" (optimal attacks on a feature).

    Examples
    --------
    >>> pair = torch.tensor([[1.0, -1.0]])
    >>> best_analytic(pair, torch.zeros(2), torch.tensor([[0.05, 0.0]]), torch.tensor(0.1))
    tensor([[ 0.0707, -0.0707]])
    """
    W, b, x, size = _given(W, b, x, size)
    shape, n = _shape(W, b, x), W.shape[-1]
    directions = attack_directions(W)
    moved = directions @ geometry.gram(W)  # how an attack on each feature moves all outputs
    z = x @ W.mT @ W + b[..., None, :]
    # models on one axis, so that few at a time stay in the cache
    z, target = (t.expand(*shape, *x.shape[-2:]).reshape(-1, *x.shape[-2:]) for t in (z, x))
    size = size.expand(*shape, x.shape[-2]).reshape(-1, x.shape[-2], 1)
    directions, moved = (t.expand(*shape, n, n).reshape(-1, n, n) for t in (directions, moved))
    chunk = max(1, _ENTRIES_AT_ONCE // z[0].numel())
    found = []
    for first in range(0, len(z), chunk):
        some = slice(first, first + chunk)
        number, sign = _best_candidate(z[some], target[some], size[some], moved[some])
        along = directions[some].gather(-2, number[..., None].expand(-1, -1, n))
        found.append(sign[..., None] * size[some] * along)
    return torch.cat(found).reshape(*shape, *x.shape[-2:])


def _best_candidate(z: Tensor, x: Tensor, size: Tensor, moved: Tensor) -> tuple[Tensor, Tensor]:
    """Return which feature to attack, and whether up or down: ``(models, inputs)`` each."""
    best = torch.full(z.shape[:-1], -torch.inf, dtype=z.dtype, device=z.device)
    number, sign = torch.zeros_like(best, dtype=torch.long), torch.ones_like(best)
    for way in (1.0, -1.0):
        for i in range(z.shape[-1]):
            outputs = torch.addcmul(z, size, moved[:, i, None], value=way).relu_()
            loss = outputs.sub_(x).square_().sum(-1)
            better = loss > best
            best = torch.where(better, loss, best)
            number = torch.where(better, i, number)
            sign = torch.where(better, way, sign)
    return number, sign


def random_analytic(
    W: Tensor, b: Tensor, x: Tensor, size: Tensor, *, among: Tensor | None = None, seed: int = 0
) -> Tensor:
    """Return for each input the best attack on the output of one feature drawn at random.

    Parameters
    ----------
    W, b, x, size
        As for `best_analytic`.
    among
        Which features may be drawn, booleans ``(..., n)``; all by default. Where there is none,
        all may.
    seed
        Selects the draws.

    Returns
    -------
    Tensor
        The attacks, ``(..., inputs, n)``.
    """
    W, b, x, size = _given(W, b, x, size)
    shape, n = _shape(W, b, x), W.shape[-1]
    seed = checks.whole_number("seed", seed, least=0)
    score = torch.rand(
        *shape, x.shape[-2], n, generator=streams.generator(seed, Purpose.EVALUATION)
    ).to(W)
    if among is not None:
        some = checks.inputs("among", checks.array("among", among).to(W), n)
        if checks.broadcast_shape(models_and_x=shape, among=some.shape[:-1]) != shape:
            raise InvalidArgument(
                f"among has shape {tuple(some.shape)}: it must broadcast to {(*shape, n)}"
            )
        score = score + some[..., None, :]
    return _analytic(W, b, x, size, score.argmax(-1))


def analytic(W: Tensor, b: Tensor, x: Tensor, size: Tensor, feature: Tensor) -> Tensor:
    """Return the attack that raises the error of one output most; of each input its own.

    (x_i − ReLU(z))² first falls and then rises with z: over an interval it is largest at an end.

    Parameters
    ----------
    W, b, x, size
        As for `best_analytic`.
    feature
        Which, whole numbers ``(..., inputs)``.

    Returns
    -------
    Tensor
        The attacks, ``(..., inputs, n)``.

    Examples
    --------
    >>> pair, x = torch.tensor([[1.0, -1.0]]), torch.tensor([[0.05, 0.0]])
    >>> analytic(pair, torch.zeros(2), x, torch.tensor(0.1), torch.tensor([0]))
    tensor([[ 0.0707, -0.0707]])
    """
    W, b, x, size = _given(W, b, x, size)
    feature = checks.array("feature", feature, device=W.device)
    if feature.is_floating_point() or feature.is_complex() or feature.dtype is torch.bool:
        raise InvalidArgument(f"feature has dtype {feature.dtype}: whole numbers are needed")
    n = W.shape[-1]
    if not feature.ndim or not feature.numel() or feature.min() < 0 or feature.max() >= n:
        raise InvalidArgument(
            f"feature is {checks.shortly(feature)}: features, from 0 to {n - 1}, are needed"
        )
    shape = (*_shape(W, b, x), x.shape[-2])
    feature = feature.long().expand(checks.broadcast_shape(x=shape, feature=feature.shape))
    return _analytic(W, b, x, size, feature)


def _analytic(W: Tensor, b: Tensor, x: Tensor, size: Tensor, feature: Tensor) -> Tensor:
    n = W.shape[-1]
    rows = W.mT.expand(*feature.shape[:-1], *W.mT.shape[-2:])
    own = rows.gather(-2, feature[..., None].expand(*feature.shape, W.shape[-2]))  # W_i
    along = own @ W
    length = along.norm(dim=-1)
    own_z = ((x @ W.mT) * own).sum(-1) + b.expand(*feature.shape[:-1], n).gather(-1, feature)
    target = x.expand(*feature.shape, n).gather(-1, feature[..., None])[..., 0]
    reach = size * length
    up = (target - (own_z + reach).relu()).abs() >= (target - (own_z - reach).relu()).abs()
    signed = torch.where(up, size, -size) / torch.where(length > 0, length, 1.0)
    return signed[..., None] * along


def projected_gradient(
    W: Tensor,
    b: Tensor,
    x: Tensor,
    size: Tensor,
    *,
    steps: int = 20,
    restarts: int = 2,
    seed: int = 0,
) -> Tensor:
    """Return the best attack found by climbing the whole loss, on a sphere, in ever shorter steps.

    From the best analytic attack, and from random directions. No attack is worse than the best
    analytic one.

    Parameters
    ----------
    W, b, x, size
        As for `best_analytic`.
    steps, restarts
        Steps from each start, and the number of random starts; at least 0.
    seed
        Selects the random starts.

    Returns
    -------
    Tensor
        The attacks, ``(..., inputs, n)``.

    Examples
    --------
    >>> pair = torch.tensor([[1.0, -1.0]])
    >>> projected_gradient(pair, torch.zeros(2), torch.tensor([[0.05, 0.0]]), torch.tensor(0.1))
    tensor([[ 0.0707, -0.0707]])
    """
    W, b, x, size = _given(W, b, x, size)
    steps = checks.whole_number("steps", steps, least=0)
    restarts = checks.whole_number("restarts", restarts, least=0)
    seed = checks.whole_number("seed", seed, least=0)
    best = best_analytic(W, b, x, size)
    highest = _attacked_loss(W, b, x, best)
    draws = streams.generator(seed, Purpose.EVALUATION)
    # random directions of the row space: all others change nothing
    others = [torch.randn(*best.shape[:-1], W.shape[-2], generator=draws) for _ in range(restarts)]
    for start in [best, *(other.to(W) @ W for other in others)]:
        attack = size[..., None] * torch.nn.functional.normalize(start, dim=-1)
        for step in range(steps + 1):
            loss = _attacked_loss(W, b, x, attack)
            better = loss > highest
            highest = torch.where(better, loss, highest)
            best = torch.where(better[..., None], attack, best)
            if step < steps:
                attack = _climbed(W, b, x, size, attack, pace=2 / (1 + step))
    return best


def gradient_ascent(W: Tensor, b: Tensor, x: Tensor, size: Tensor, *, steps: int = 20) -> Tensor:
    """Return the best attack found by climbing the whole loss from the input itself.

    As one would who knows no formula. Where the loss has no gradient at the input, for instance
    because no output is active, there is no attack: zeros.

    Parameters
    ----------
    W, b, x, size
        As for `best_analytic`.
    steps
        How many, on the sphere after the first, ever shorter; at least 1.

    Returns
    -------
    Tensor
        The attacks, ``(..., inputs, n)``.

    References
    ----------
    Elhage et al. 2022, "Relationship to Adversarial Robustness" (attacks with gradient descent).

    Examples
    --------
    >>> pair, b = torch.tensor([[1.0, -1.0]]), torch.tensor([-0.1, -0.1])
    >>> gradient_ascent(pair, b, torch.tensor([[0.5, 0.0], [0.05, 0.0]]), torch.tensor(0.1))
    tensor([[-0.0707,  0.0707],
            [ 0.0000,  0.0000]])
    """
    W, b, x, size = _given(W, b, x, size)
    steps = checks.whole_number("steps", steps)
    attack = best = torch.zeros_like(_output(W, b, x))
    highest = _attacked_loss(W, b, x, best)
    for step in range(steps):
        attack = _climbed(W, b, x, size, attack, pace=2 / (1 + step))
        loss = _attacked_loss(W, b, x, attack)
        better = loss > highest
        highest = torch.where(better, loss, highest)
        best = torch.where(better[..., None], attack, best)
    return best


def _climbed(
    W: Tensor, b: Tensor, x: Tensor, size: Tensor, attack: Tensor, *, pace: float = 2.0
) -> Tensor:
    """Return the attack after a step up the loss, ``pace`` of its own length, back on the sphere.

    An attack that the loss does not depend on stays as it is.
    """
    out = _output(W, b, x + attack)
    slope = torch.where(out > 0, out - x, 0.0) @ W.mT @ W
    normalised = torch.nn.functional.normalize
    moved = attack + pace * size[..., None] * normalised(slope, dim=-1)
    return size[..., None] * normalised(moved, dim=-1)


def vulnerability(
    W: Tensor,
    b: Tensor,
    features: FeatureDistribution,
    *,
    size: float = 0.1,
    scale: Callable[[Tensor, Tensor], Tensor] = mean_norm,
    attack: Attack = best_analytic,
    samples: int = 128,
    seed: int = 0,
) -> Tensor:
    """Return by how much attacks raise the expected loss, where orthogonal features are at 1.

    Orthogonal features of unit length are best attacked along one of them, and then lose the
    square of the attack's length.

    Parameters
    ----------
    W, b
        ``(..., *shape, m, n)`` and ``(..., *shape, n)``, with the shape of the features' settings.
    features
        How inputs are drawn.
    size
        The attacks' length, as a share of ``scale``.
    scale
        What it is a share of: `mean_norm` or `own_norm`.
    attack
        How inputs are attacked: `best_analytic`, `random_analytic` or `projected_gradient`.
    samples, seed
        How many active inputs (the silent one is counted exactly), and which.

    Returns
    -------
    Tensor
        ``(..., *shape)``.

    References
    ----------
    Elhage et al. 2022, "Superposition and Adversarial Robustness".

    Examples
    --------
    >>> from superpos import IndependentFeatures
    >>> features = IndependentFeatures(2, 0.001)
    >>> vulnerability(torch.eye(2), torch.zeros(2), features).round(decimals=2)
    tensor(1.)
    >>> vulnerability(torch.tensor([[1.0, -1.0]]), torch.zeros(2), features).round(decimals=2)
    tensor(2.)
    """
    added, enlarged = vulnerability_parts(
        W, b, features, size=size, scale=scale, attack=attack, samples=samples, seed=seed
    )
    return added + enlarged


def vulnerability_parts(
    W: Tensor,
    b: Tensor,
    features: FeatureDistribution,
    *,
    size: float = 0.1,
    scale: Callable[[Tensor, Tensor], Tensor] = mean_norm,
    attack: Attack = best_analytic,
    samples: int = 128,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Return the two parts of `vulnerability`: what attacks add, and what they enlarge.

    An attack that changes the output by d, where it already errs by e, raises the loss by
    ‖d‖² + 2 e·d.

    Parameters
    ----------
    W, b, features, size, scale, attack, samples, seed
        As for `vulnerability`.

    Returns
    -------
    added, enlarged
        The means of ‖d‖² and of 2 e·d, in the same units, ``(..., *shape)`` each.

    Examples
    --------
    >>> from superpos import IndependentFeatures
    >>> W, features = torch.tensor([[1.0, -1.0]]), IndependentFeatures(2, 0.3)
    >>> added, enlarged = vulnerability_parts(W, torch.zeros(2), features)
    >>> added.round(decimals=1), bool(enlarged > 0)
    (tensor(2.), True)
    """
    size = checks.positive_number("size", size)
    W, b = checks.weights(W, b)
    x, weight = (t.to(W) for t in weighted_inputs(features, samples=samples, seed=seed))
    length = size * scale(x, weight)
    clean = _output(W, b, x)
    change = _output(W, b, x + attack(W, b, x, length)) - clean
    added, crossed = change.square().sum(-1), 2 * ((clean - x) * change).sum(-1)
    unit = (length.square() * weight).sum(-1)
    return (added * weight).sum(-1) / unit, (crossed * weight).sum(-1) / unit


def feature_vulnerability(
    W: Tensor,
    b: Tensor,
    features: FeatureDistribution,
    *,
    size: float = 0.1,
    samples: int = 512,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Return by how much the best attack on each output raises its own squared error.

    In units of the attack's length squared: what a feature of unit length without interference
    loses, and what the square of `leverage` says where the ReLU and errors do not matter.

    Parameters
    ----------
    W, b, features, size, samples, seed
        As for `vulnerability`.

    Returns
    -------
    active, silent
        The means over inputs in which the feature is active, and in which it is not,
        ``(..., *shape, n)`` each; NaN where there are none.

    Examples
    --------
    >>> from superpos import IndependentFeatures
    >>> W, features = torch.tensor([[1.0, -1.0]]), IndependentFeatures(2, 0.001)
    >>> active, silent = feature_vulnerability(W, torch.zeros(2), features)
    >>> active.round(decimals=1), silent.round(decimals=1)
    (tensor([2., 2.]), tensor([2., 2.]))
    """
    size = checks.positive_number("size", size)
    W, b = checks.weights(W, b)
    x, weight = (t.to(W) for t in weighted_inputs(features, samples=samples, seed=seed))
    length = size * mean_norm(x, weight)[..., None]
    z = x @ W.mT @ W + b[..., None, :]
    reach = length * leverage(W)[..., None, :]
    clean, up, down = ((x - to.relu()).square() for to in (z, z + reach, z - reach))
    rise = (torch.maximum(up, down) - clean) / length.square()
    active = (x > 0) * weight[..., None]
    silent = weight[..., None] - active
    by_active, by_silent = ((rise * of).sum(-2) / of.sum(-2) for of in (active, silent))
    return by_active, by_silent


@dataclass(frozen=True, eq=False)
class Attacked(FeatureDistribution):
    """Inputs that are attacked in training: a distribution with an adversary.

    `superpos.train` on it descends the expected loss under attack. Each input is moved as is worst
    for one feature, drawn at random (`analytic`), and then, if asked, further: as is worst for the
    loss. How the attack itself depends on the parameters is left out of the gradient.

    Parameters
    ----------
    features
        How clean inputs are drawn.
    size
        The attacks' length, at least 0, broadcasts with the settings of ``features``.
    climbs
        Steps up the whole loss after the analytic attack, as in `projected_gradient`; at least 0.

    References
    ----------
    Elhage et al. 2022, "Superposition and Adversarial Robustness" (adversarial training).

    Examples
    --------
    >>> from superpos import IndependentFeatures, Procedure, train
    >>> attacked = Attacked(IndependentFeatures(5, 0.1), torch.tensor([0.0, 0.1, 0.2]))
    >>> train(attacked, 2, seeds=4, procedure=Procedure(steps=10)).W.shape
    torch.Size([4, 3, 2, 5])
    """

    features: FeatureDistribution
    size: Tensor
    climbs: int = 0

    def __post_init__(self) -> None:
        size = checks.finite("size", self.size, dtype=torch.get_default_dtype())
        if (size < 0).any():
            raise InvalidArgument(f"size has an entry of {size.min():g}: lengths are at least 0")
        checks.whole_number("climbs", self.climbs, least=0)
        checks.broadcast_shape(features=self.features.shape, size=size.shape)
        object.__setattr__(self, "size", size)

    @property
    def n(self) -> int:
        return self.features.n

    @property
    def shape(self) -> torch.Size:
        return checks.broadcast_shape(features=self.features.shape, size=self.size.shape)

    @property
    def uniforms(self) -> int:
        return self.features.uniforms + 1  # the last one chooses the feature that is attacked

    @property
    def mean(self) -> Tensor:
        return self.features.mean.expand(*self.shape, -1)

    @property
    def silence(self) -> Tensor:
        return self.features.silence.expand(self.shape)

    def inputs(self, u: Tensor) -> Tensor:
        """Return clean inputs."""
        return self._of_each_size(self.features.inputs(u[..., :-1]), u.ndim - 2)

    def active_inputs(self, u: Tensor) -> Tensor:
        """Return clean inputs with at least one active feature."""
        return self._of_each_size(self.features.active_inputs(u[..., :-1]), u.ndim - 2)

    def _of_each_size(self, x: Tensor, leading: int) -> Tensor:
        """Return inputs ``(..., *features.shape, batch, n)`` for all sizes of attacks."""
        axes = [1] * (len(self.shape) - len(self.features.shape))
        x = x.reshape(*x.shape[:leading], *axes, *x.shape[leading:])
        return x.expand(*x.shape[:leading], *self.shape, *x.shape[-2:])

    def active_sets(self) -> Tensor:
        return self.features.active_sets()

    def strata(self, u: Tensor) -> Tensor:
        return self._of_each_size(self.features.strata(u[..., :-1]), u.ndim - 2)

    def shares(self, u: Tensor) -> Tensor:
        return self.features.shares(u[..., :-1]).expand(*self.shape, -1)

    def settings(self, shape: Sequence[int], start: int, stop: int) -> Attacked:
        return Attacked(
            self.features.settings(shape, start, stop),
            self.size.expand(shape).reshape(-1)[start:stop],
            self.climbs,
        )

    def to(self, device: torch.device) -> Attacked:
        return Attacked(self.features.to(device), self.size.to(device), self.climbs)

    def objective(self, model: Model, importance: Tensor) -> AttackedRelu:
        """Return what training descends; see `superpos.training.objectives.objective`."""
        if model != RELU_OUTPUT:
            raise InvalidArgument(
                f"model is {model.name!r}: attacks are for the tied ReLU-output model"
            )
        return AttackedRelu(self, importance)


@dataclass(frozen=True, eq=False)
class AttackedRelu:
    """The ReLU-output model's loss under attack.

    Sampled inputs have an active feature. The silent one is counted exactly: it is attacked on
    every feature in turn.
    """

    features: Attacked
    importance: Tensor

    def loss(self, parameters: dict[str, Tensor], u: Tensor) -> Tensor:
        W, b = parameters["W"], parameters["b"]
        x, attacked, share = self._inputs(W, b, u)
        error = (_output(W, b, attacked) - x).square() * self.importance[:, None]
        return (error.sum(-1) * share).sum(-1)

    def gradients(self, parameters: dict[str, Tensor], u: Tensor) -> dict[str, Tensor]:
        """Return the gradient at fixed attacks; e hᵀ and W e xᵀ for W, as without an adversary."""
        W, b = parameters["W"], parameters["b"]
        x, attacked, share = self._inputs(W, b, u)
        h = attacked @ W.mT
        out = (h @ W).add_(b[..., None, :]).relu_()
        weight = 2 * self.importance[:, None] * share[..., None]
        error = torch.where(out > 0, out - x, 0.0) * weight
        return {"W": h.mT @ error + (error @ W.mT).mT @ attacked, "b": error.sum(-2)}

    def _inputs(self, W: Tensor, b: Tensor, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return clean and attacked inputs, ``(seeds, settings, inputs, n)``, and their weights."""
        n, batch, (seeds, settings) = self.features.n, u.shape[-2], b.shape[:2]
        # the silent input once for each feature
        x = torch.nn.functional.pad(self.features.active_inputs(u), (0, 0, 0, n))
        x = x.expand(seeds, settings, batch + n, n)
        drawn = (u[..., -1] * n).long().clamp_max_(n - 1)
        feature = torch.cat([drawn, torch.arange(n, device=u.device).expand(seeds, n)], dim=-1)
        feature = feature[:, None].expand(seeds, settings, batch + n)
        size = self.features.size.to(W).expand(settings)[:, None]
        attack = _analytic(W, b, x, size, feature)
        for _ in range(self.features.climbs):
            attack = _climbed(W, b, x, size, attack)
        silence = self.features.silence.to(W).expand(settings)[:, None]
        share = torch.cat(
            [((1 - silence) / batch).expand(-1, batch), (silence / n).expand(-1, n)], dim=-1
        )
        return x, x + attack, share


def arrangement_loss(
    points: Tensor,
    features: IndependentFeatures,
    n_hidden: int,
    sizes: Tensor,
    *,
    left_out: float = 0.0,
    samples: int = 512,
    seed: int = 0,
) -> Tensor:
    """Return the lowest loss under attack of models made of copies of one arrangement.

    As many copies as there are dimensions for, each in a subspace of its own; all other features
    are left out. Length and bias are the best of a grid. The attacks are those of `Attacked`.

    Parameters
    ----------
    points
        Unit vectors ``(d, k)``.
    features
        Without settings, and with one p.
    n_hidden
        m, a multiple of d.
    sizes
        The attacks' lengths, ``(sizes,)``.
    left_out
        The length of the features left out. With 0 an attack on one of them does nothing; with any
        other, however small, it moves the input along that feature by its full length.
    samples, seed
        How many active inputs, and which.

    Returns
    -------
    Tensor
        ``(sizes,)``.

    Raises
    ------
    InvalidArgument
        If copies do not fit, in dimensions or in features.

    Examples
    --------
    Three features, one dimension, no attack: two features are left out, at p/3 − p²/4 each.

    >>> from superpos import IndependentFeatures
    >>> arrangement_loss(torch.ones(1, 1), IndependentFeatures(3, 0.5), 1, torch.zeros(1))
    tensor([0.2...])
    """
    points = checks.one_model(points, name="points")
    checks.instance("features", features, IndependentFeatures)
    if features.shape or (features.probability != features.probability[..., :1]).any():
        raise InvalidArgument("features has settings, or several p: one p is needed")
    n_hidden = checks.whole_number("n_hidden", n_hidden)
    left_out = checks.positive_number("left_out", left_out, allow_zero=True)
    samples = checks.whole_number("samples", samples)
    seed = checks.whole_number("seed", seed, least=0)
    sizes = checks.along("sizes", sizes)
    if (sizes < 0).any():
        raise InvalidArgument(f"sizes has an entry of {sizes.min():g}: lengths are at least 0")
    (d, k), n = points.shape, features.n
    copies = n_hidden // d
    if n_hidden % d or copies * k > n:
        raise InvalidArgument(
            f"points has shape {(d, k)}: copies must fill {n_hidden} dimensions with at most {n} "
            "features"
        )
    draws = streams.generator(seed, Purpose.EVALUATION)
    device = points.device
    kept = torch.arange(n, device=device) < copies * k
    base = torch.zeros(n_hidden, n, device=device)
    base[:, : copies * k] = torch.block_diag(*[points] * copies)
    rest = torch.randn(n_hidden, n, generator=draws).to(device)
    rest = left_out * rest.masked_fill(kept, 0.0)
    lengths = torch.linspace(0.15, 1.4, 11, device=device).sqrt()
    biases = torch.linspace(-0.45, 0.1, 12, device=device)
    mean = features.probability[..., 0].to(base) / 2  # the best bias of what is left out
    W = (lengths[:, None, None, None] * base + rest).expand(-1, len(biases), -1, -1)
    b = torch.where(kept, biases[:, None], mean).expand(len(lengths), -1, -1)
    parameters = {"W": W.reshape(1, -1, n_hidden, n), "b": b.reshape(1, -1, n)}
    u = torch.rand(1, samples, features.uniforms + 1, generator=draws).to(device)
    losses = []
    for size in sizes:
        target = AttackedRelu(Attacked(features, size), torch.ones(1, n, device=device))
        losses.append(target.loss(parameters, u).amin())
    return torch.stack(losses)


def _output(W: Tensor, b: Tensor, x: Tensor) -> Tensor:
    return torch.relu(x @ W.mT @ W + b[..., None, :])


def _shape(W: Tensor, b: Tensor, x: Tensor) -> torch.Size:
    return checks.broadcast_shape(W=W.shape[:-2], b=b.shape[:-1], x=x.shape[:-2])
