"""Certificates: what is known of a model's loss, and how. All of it can be computed again.

Where a loss has a closed form it is exact, and so are its derivatives: whether the model is at a
minimum is then a matter of two numbers, the gradient's norm and the least curvature. Whether there
is a better one elsewhere is, as a rule, not proved by anyone: a certificate tells how long was
looked for one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from superpos import checks, geometry, optima
from superpos.bundles import find_bundles
from superpos.codes import thomson
from superpos.codes.polytopes import POLYTOPES
from superpos.errors import InvalidArgument
from superpos.features import Examples, FeatureDistribution, IndependentFeatures, checked
from superpos.losses import batch_loss, even_loss, exact_loss, linear_loss
from superpos.losses.exact import MOST_FEATURES
from superpos.models import LINEAR, RELU_OUTPUT, Model, checked_parameters, identity
from superpos.optima.decoders import free_loss
from superpos.training import hidden

STATIONARY = 1e-7
"""The gradient norm up to which a model counts as stationary: well above rounding."""

CURVED = 1e-6
"""How far from 0 a curvature must lie to count as positive or negative: well above rounding."""

SAMPLES = 262_144
"""Inputs of which losses without a closed form are a mean."""

_ALIKE = 0.02  # how far the cosines of a polytope in four or more dimensions may be off
_ROUNDING = 1e-15  # of an exact loss
_EVEN = 5.0  # degrees by which the gaps of a nearly regular polygon may be off
_STRAIGHT = 0.05  # how far a bundle of a polytope may be from its subspace


@dataclass(frozen=True)
class Certificate:
    """What is known of a model's loss on its inputs.

    Attributes
    ----------
    loss, error
        The expected loss, Σ_i I_i E (y_i − t_i)², and its standard error: 0 where it is exact.
    gradient_norm
        The Euclidean norm of the exact loss's gradient by all parameters; None where the loss has
        no closed form.
    curvature
        The least eigenvalue of the exact loss's Hessian on what is orthogonal to the directions of
        its symmetries (rotations of W; with a free decoder, W → AW and V → A⁻ᵀV).
    best, best_error
        The lowest loss known for the same inputs and sizes, and its standard error; None where a
        lower one was not looked for.
    search
        How that was looked for, in words: no proof, unless there is one.
    proof
        Why no model has a lower loss than `best`, where that is proved; else "".
    shape
        Which polytopes the features form (`shape_of`), or what else there is to see in W.
    beside
        Other numbers, by what they are.
    """

    loss: float
    error: float
    gradient_norm: float | None
    curvature: float | None
    best: float | None
    best_error: float
    search: str
    shape: str
    proof: str = ""
    beside: Mapping[str, float] = field(default_factory=dict)

    @property
    def standing(self) -> str:
        """What the model is to its loss, by the gradient's norm and the curvature.

        ``"minimum"``, ``"saddle"``, ``"flat"`` (stationary, with a curvature that cannot be told
        from 0), ``"not at rest"``, or ``"not told"`` where there is no closed form.
        """
        if self.gradient_norm is None or self.curvature is None:
            return "not told"
        if self.gradient_norm > STATIONARY:
            return "not at rest"
        if abs(self.curvature) <= CURVED:
            return "flat"
        return "minimum" if self.curvature > 0 else "saddle"

    @property
    def gap(self) -> float | None:
        """How far the loss lies above the best known, never below 0; None where none is known."""
        return None if self.best is None else max(0.0, self.loss - self.best)

    @property
    def is_best(self) -> bool:
        """Whether a lower loss was looked for and none is known.

        The gap is then within rounding, or within two standard errors.
        """
        error = math.hypot(self.error, self.best_error)
        return self.gap is not None and self.gap <= 1e-9 + 2 * error

    @property
    def share_above(self) -> str:
        """The gap as a share of the best known loss: "7.4%".

        It is "0" of the best, "?" where none is known, and the gap itself where the best is 0.
        """
        if self.gap is None:
            return "?"
        if self.is_best:
            return "0"
        return f"{_rounded(100 * self.gap / self.best)}%" if self.best else f"{self.gap:.2g}"

    def sentences(self) -> list[str]:
        """Return all of it in words.

        Examples
        --------
        >>> from superpos import zoo
        >>> zoo.load("saddle-nothing").certificate.sentences()[0]
        'The loss is 0.0802083, exact.'
        """
        told = [f"The loss is {_loss(self.loss, self.error)}."]
        if self.gradient_norm is None or self.curvature is None:
            why = "It has no closed form: whether" if self.error else "Whether"
            told.append(f"{why} it is a minimum is not told.")
        else:
            standing = {
                "minimum": "It is a minimum", "saddle": "It is a saddle", "flat": "It is flat",
                "not at rest": "It is not at rest",
            }[self.standing]  # fmt: skip
            told.append(
                f"{standing}: the gradient's norm is {self.gradient_norm:.1g}, the least curvature "
                f"{self.curvature:.2g}, directions of symmetry apart."
            )
        if self.best is None:
            told.append("A lower one was not looked for.")
        elif self.is_best:
            told.append(
                f"No model has a lower one: {self.proof}."
                if self.proof
                else f"No lower one is known: {self.search}."
            )
        else:
            lowest = f"the lowest {'possible' if self.proof else 'known'}"
            told.append(
                f"It lies {self.share_above} above {lowest}, {_loss(self.best, self.best_error)}: "
                f"{self.proof or self.search}."
            )
        told.append(f"Shape: {self.shape}.")
        return told + [f"{name}: {value:.4g}." for name, value in self.beside.items()]

    def __str__(self) -> str:
        """Return the sentences, a line each."""
        return "\n".join(self.sentences())


def _rounded(value: float) -> str:
    """Return two digits that count, and no exponent."""
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def with_error(value: float, error: float) -> str:
    """Return a loss in figures: to the first digit of its error, or to six digits if it is exact.

    Examples
    --------
    >>> with_error(0.123456, 0.00213), with_error(0.1, 0.0), with_error(5.8991e-8, 5e-10)
    ('0.123 ± 0.002', '0.1', '5.9e-08 ± 5e-10')
    >>> with_error(1234.6, 31.4)
    '1235 ± 31'
    """
    value, error = (
        checks.number("value", value), checks.positive_number("error", error, allow_zero=True),
    )  # fmt: skip
    if not error:
        return f"{value:.6g}"
    digits = max(0, -math.floor(math.log10(error)))
    return f"{value:.{digits}f} ± {error:.{digits}f}" if digits < 8 else (
        f"{value:.2g} ± {error:.1g}"
    )  # fmt: skip


def _loss(value: float, error: float) -> str:
    return with_error(value, error) + ("" if error else ", exact")


@dataclass(frozen=True)
class Measured:
    """What of a certificate is computed from the parameters alone, as there."""

    loss: float
    error: float
    gradient_norm: float | None
    curvature: float | None


def measured(
    model: Model,
    parameters: Mapping[str, Tensor],
    features: FeatureDistribution,
    importance: Tensor,
    *,
    seed: int = 0,
) -> Measured:
    """Return a model's loss and, where it has a closed form, its gradient's norm and curvature.

    Parameters
    ----------
    model, parameters
        One model: ``W`` ``(m, n)``, ``b`` ``(n,)``, ``V`` ``(m, n)`` where the decoder is free.
    features
        A distribution with a single setting.
    importance
        I, ``(n,)``.
    seed
        Selects the inputs, where the loss is sampled.

    Raises
    ------
    InvalidArgument
        If one of these is not as above, or the loss is beyond what float64 holds.

    Examples
    --------
    >>> pair = {"W": torch.tensor([[1.0, -1.0]]), "b": torch.zeros(2)}
    >>> found = measured(RELU_OUTPUT, pair, IndependentFeatures(2, 0.3), torch.ones(2))
    >>> round(found.loss, 9), found.error
    (0.03, 0.0)
    """
    found = checked_parameters(model, parameters, one=True)
    parameters = {name: value.detach().double() for name, value in found.items()}
    features = checked(features)
    if features.n != parameters["W"].shape[-1] or features.shape.numel() != 1:
        raise InvalidArgument(
            f"features are {features.n} of {features.shape.numel()} settings: "
            f"{parameters['W'].shape[-1]} of one are needed"
        )
    like: dict[str, Any] = {"dtype": torch.float64, "device": parameters["W"].device}
    I = checks.importances("importance", importance, features.n, **like).detach()
    if I.ndim != 1:
        raise InvalidArgument(f"importance has shape {tuple(I.shape)}: (n,) is needed")
    seed = checks.whole_number("seed", seed, least=0)
    loss_of = _closed_form(model, features, I)
    if loss_of is None:
        return Measured(*_sampled(model, parameters, features, I, seed), None, None)
    loss = loss_of(parameters).item()
    if not math.isfinite(loss):
        raise InvalidArgument("parameters has entries so large that the loss has no float64")
    if abs(loss) < _ROUNDING:
        loss = 0.0
    if isinstance(features, Examples):  # trained with a decay of the weights: see `make`
        return Measured(loss, 0.0, None, None)
    norm = _gradient(loss_of, parameters).norm().item()
    W, b = parameters["W"], parameters["b"]
    if model == RELU_OUTPUT:  # in a tenth of the time
        return Measured(loss, 0.0, norm, optima.least_curvature(W, b, features, I).item())
    return Measured(loss, 0.0, norm, curvature_apart(_hessian(loss_of, parameters), parameters))


LossOf = Callable[[Mapping[str, Tensor]], Tensor]


def _closed_form(model: Model, features: FeatureDistribution, I: Tensor) -> LossOf | None:
    """Return the exact loss as a function of the parameters, where there is one."""
    if isinstance(features, Examples):
        x = features.x.double()
        return lambda at: batch_loss(x, model.reconstruct(dict(at), x), I)
    if model == LINEAR and isinstance(features, IndependentFeatures):
        return lambda at: linear_loss(at["W"], at["b"], features.probability, I)
    plain = model.hidden is identity and model.output is torch.relu and model.target is identity
    if not plain or model.hidden_bias or features.n > MOST_FEATURES:
        return None
    if model.tied:
        return lambda at: exact_loss(at["W"], at["b"], features, I)
    return lambda at: free_loss(at["W"], at["V"], at["b"], features, I)


def _sampled(
    model: Model,
    parameters: dict[str, Tensor],
    features: FeatureDistribution,
    I: Tensor,
    seed: int,
) -> tuple[float, float]:
    if model == RELU_OUTPUT and isinstance(features, IndependentFeatures):
        at = parameters["W"], parameters["b"], features.probability, I
        mean, error = even_loss(*at, samples=SAMPLES, seed=seed)
    else:
        batch = {name: value.float()[None] for name, value in parameters.items()}
        mean, error = hidden.expected_loss(
            model, batch, features, I.float(), samples=SAMPLES, seed=seed
        )
    return mean.item(), error.item()


def _flat(parameters: Mapping[str, Tensor]) -> Tensor:
    return torch.cat([value.flatten() for value in parameters.values()])


def _named(place: Tensor, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    parts = place.split([value.numel() for value in like.values()])
    return {name: part.view(like[name].shape) for name, part in zip(like, parts, strict=True)}


def _gradient(loss_of: LossOf, parameters: Mapping[str, Tensor]) -> Tensor:
    place = _flat(parameters).requires_grad_()
    with torch.enable_grad():  # whatever a notebook has set
        return torch.autograd.grad(loss_of(_named(place, parameters)), place)[0]


def _hessian(loss_of: LossOf, parameters: Mapping[str, Tensor]) -> Tensor:
    with torch.enable_grad():
        found: Any = torch.autograd.functional.hessian(
            lambda place: loss_of(_named(place, parameters)), _flat(parameters)
        )
    return (found + found.T) / 2


def curvature_apart(hessian: Tensor, parameters: Mapping[str, Tensor]) -> float:
    """Return the least eigenvalue of a Hessian on what is orthogonal to its symmetries.

    A tied model has the loss of RW for every rotation R, one with a free decoder that of AW, A⁻ᵀV
    for every invertible A.

    Parameters
    ----------
    hessian
        By all parameters, in their order: ``(k, k)``.
    parameters
        One model's, ``W`` ``(m, n)`` and so on.

    Raises
    ------
    InvalidArgument
        If one of these is not as above.

    Examples
    --------
    A feature alone in a plane can be turned, which costs nothing; what is left costs something:

    >>> W, b = torch.tensor([[1.0], [0.0]]).double(), torch.zeros(1).double()
    >>> there = optima.hessian(W, b, 0.5)
    >>> bool(curvature_apart(there, {"W": W, "b": b}) > 1e-3)
    True
    """
    if not isinstance(parameters, Mapping) or "W" not in parameters:
        raise InvalidArgument(
            f"parameters is {checks.shortly(parameters)}: W and others, by name, are needed"
        )
    hessian = checks.finite("hessian", hessian).detach()
    parameters = {
        name: checks.finite(str(name), value, dtype=hessian.dtype).detach()
        for name, value in parameters.items()
    }
    m = checks.one_model(parameters["W"]).shape[0]
    if parameters.get("V", parameters["W"]).shape != parameters["W"].shape:
        raise InvalidArgument(f"V has shape {tuple(parameters['V'].shape)}: that of W is needed")
    size = sum(value.numel() for value in parameters.values())
    if hessian.shape != (size, size):
        raise InvalidArgument(
            f"hessian has shape {tuple(hessian.shape)}: {(size, size)} is needed for parameters of "
            f"{size} entries"
        )
    along = []
    for row in range(m):
        for column in range(m):
            A = hessian.new_zeros(m, m)
            A[row, column] = 1
            if "V" in parameters:
                move = {"W": A @ parameters["W"], "V": -A.T @ parameters["V"]}
            elif row < column:
                move = {"W": (A - A.T) @ parameters["W"]}
            else:
                continue
            still = {name: torch.zeros_like(value) for name, value in parameters.items()}
            along.append(_flat({name: move.get(name, still[name]) for name in parameters}))
    if not along:
        return torch.linalg.eigvalsh(hessian)[0].item()
    U, size, _ = torch.linalg.svd(torch.stack(along, dim=-1))
    away = U[:, int((size > 1e-6 * size[0]).sum()) :]
    return torch.linalg.eigvalsh(away.T @ hessian @ away)[0].item()


def shape_of(W: Tensor) -> str:
    """Return which polytopes the represented features of one model form, in words.

    Those with ‖W_i‖² of at least 0.5, bundle by bundle (`superpos.bundles.find_bundles`).

    Parameters
    ----------
    W
        ``(m, n)``.

    Examples
    --------
    >>> shape_of(torch.tensor([[1.0, -1.0, 0.0, 0.1], [0.0, 0.0, 1.0, 0.0]]))
    'digon + single feature, 1 left out'
    """
    W = checks.one_model(W).detach()
    there = geometry.represented(W)
    if not there.any():
        return "no feature is represented"
    kept = geometry.directions(W[:, there]).double()
    names = Counter(_named_bundle(kept[:, list(each.features)], each.dimension)
                    for each in find_bundles(kept))  # fmt: skip
    told = " + ".join(name if count == 1 else f"{count} × {name}" for name, count in names.items())
    missing = int((~there).sum())
    return ", ".join(filter(None, [told, f"{missing} left out" if missing else ""]))


def _named_bundle(points: Tensor, dimension: int) -> str:
    """Return the name of unit vectors ``(m, k)`` that span so many dimensions."""
    k = points.shape[1]
    other = f"{k} in {dimension} dimensions" if dimension > 1 else f"{k} on a line"
    own = torch.linalg.svd(points).U[:, :dimension].T @ points
    length = own.norm(dim=0)
    if (length - 1).abs().max() > _STRAIGHT or k == dimension > 1:
        return other
    own = own / length
    if dimension in (2, 3) and k > dimension:
        told = thomson.describe(own).removeprefix("regular ")
        if dimension == 2 and (geometry.angular_gaps(own) - 360 / k).abs().max() < _EVEN:
            told = told.replace("irregular", "nearly regular")
        return other if told.startswith("polytope") else told
    cosines = (own.T @ own).sort(-1).values
    for name, known in POLYTOPES.items():
        if (known.dimension, known.corners) == (dimension, k):
            ideal = (known.points.T @ known.points).sort(-1).values
            if (cosines - ideal).abs().max() < _ALIKE:
                return name
    return other
