"""The toy models: autoencoders from n features through m dimensions and back.

A model's parameters are a dictionary of tensors with leading ensemble axes:
``W`` ``(..., m, n)``, ``b`` ``(..., n)``, ``V`` ``(..., m, n)`` where the decoder is
not tied to the encoder, and ``c`` ``(..., m)`` where hidden units have biases. A model of one's own
has others: see `Model.axes`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from superpos import checks
from superpos.compute import streams
from superpos.compute.defaults import default
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument


def identity(z: Tensor) -> Tensor:
    """Return ``z``."""
    return z


@dataclass(frozen=True)
class Model:
    """A model x → hidden(W x + c) → output(Vᵀ h + b), with V = W when tied: an autoencoder, mostly.

    Parameters
    ----------
    name
        What readers call it; models that differ in nothing else are equal.
    hidden, output
        Element-wise functions of the hidden layer and of the output.
    tied
        Whether the decoder is the encoder's transpose.
    hidden_bias
        Whether hidden units have biases c; they start at 0.
    target
        What is to come out for inputs ``(..., n)``: the inputs themselves, by default.
    start
        What an untied decoder starts as, given the encoder's initial values; by default it has
        initial values of its own. An output that starts below its kink for every input stays
        there: `torch.abs` keeps both signs of a feature above it.

    References
    ----------
    Elhage et al. 2022, "Demonstrating Superposition", The Model (x → x').

    Examples
    --------
    >>> parameters = RELU_OUTPUT.initial(5, 2, seeds=[0, 1])
    >>> RELU_OUTPUT.reconstruct(parameters, torch.rand(2, 1, 64, 5)).shape
    torch.Size([2, 1, 64, 5])

    A model of one's own names its parameters' axes and says what comes out; `Model.of` makes one
    of a function. Here a hidden layer is gated by another:

    >>> class Gated(Model):
    ...     axes = {"W": "mn", "A": "mn", "b": "n"}
    ...
    ...     def reconstruct(self, parameters, x):
    ...         W, A, b = (parameters[name] for name in "WAb")
    ...         h = (x @ W.mT) * (x @ A.mT).sigmoid()
    ...         return torch.relu(h @ W + b[..., None, :])
    >>> from superpos import IndependentFeatures, Procedure, train
    >>> quick = Procedure(steps=10)
    >>> run = train(IndependentFeatures(5, 0.1), 2, model=Gated("gated"), seeds=3, procedure=quick)
    >>> run.parameters["A"].shape, run.expected_loss(samples=100)[0].shape
    (torch.Size([3, 2, 5]), torch.Size([3]))
    """

    name: str = field(compare=False)
    hidden: Callable[[Tensor], Tensor] = identity
    output: Callable[[Tensor], Tensor] = torch.relu
    tied: bool = True
    hidden_bias: bool = False
    target: Callable[[Tensor], Tensor] = identity
    start: Callable[[Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        for name in ("hidden", "output", "target"):
            if not callable(function := getattr(self, name)):
                raise InvalidArgument(
                    f"{name} is {checks.shortly(function)}: a function of tensors is needed"
                )

    @staticmethod
    def of(
        function: Callable[..., Tensor],
        axes: Mapping[str, Sequence[str | int]],
        *,
        name: str | None = None,
        target: Callable[[Tensor], Tensor] = identity,
    ) -> Model:
        """Return the model that a function of inputs and parameters computes.

        Parameters
        ----------
        function
            Of inputs ``(batch, n)`` and of the parameters of one model, by name; it returns the
            outputs ``(batch, n)``. It is mapped over ensembles by `torch.vmap`.
        axes
            The parameters' axes, by name: n, m, or a number of entries each, as in
            ``{"W": "mn", "b": "n", "A": (3, "m")}``.
        name
            What readers call it; by default as the function is called.
        target
            As for `Model`.

        Raises
        ------
        InvalidArgument
            If one of these is not as above. What the function returns is seen by `superpos.train`,
            before any work.

        Examples
        --------
        >>> def leaky(x, W, b):
        ...     return torch.nn.functional.leaky_relu(x @ W.T @ W + b)
        >>> model = Model.of(leaky, {"W": "mn", "b": "n"})
        >>> model.reconstruct(model.initial(5, 2, seeds=[0, 1]), torch.rand(2, 1, 64, 5)).shape
        torch.Size([2, 1, 64, 5])
        """
        if not callable(function):
            raise InvalidArgument(
                f"function is {checks.shortly(function)}: a function of inputs and parameters is "
                "needed"
            )
        if not isinstance(axes, Mapping):
            raise InvalidArgument(
                f"axes is {checks.shortly(axes)}: the axes of each parameter, by name, are needed, "
                'as in {"W": "mn", "b": "n"}'
            )
        called = name or getattr(function, "__name__", type(function).__name__)
        return _Function(called, target=target, function=function, axes=dict(axes))

    @default
    def axes(self) -> Mapping[str, Sequence[str | int]]:
        """The axes of one model's parameters, by name: n, m, or a number of entries.

        A subclass has ``axes = {"W": "mn", "A": "mn", "b": "n"}``, say, and a `reconstruct` that
        uses them.

        Examples
        --------
        >>> Model("untied", tied=False).axes
        {'b': 'n', 'W': 'mn', 'V': 'mn'}
        """
        axes = {"b": "n"} | ({"c": "m"} if self.hidden_bias else {})
        return axes | {"W": "mn"} | ({} if self.tied else {"V": "mn"})

    def shapes(self, n: int, m: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of one model's parameters, by name, from their `axes`.

        Raises
        ------
        InvalidArgument
            If an axis is neither n, m nor a number of entries.

        Examples
        --------
        >>> RELU_OUTPUT.shapes(5, 2)
        {'b': (5,), 'W': (2, 5)}
        """
        sizes = {"n": checks.whole_number("n", n), "m": checks.whole_number("m", m)}
        return {
            name: tuple(
                sizes[axis]
                if isinstance(axis, str) and axis in sizes
                else checks.whole_number(f"an axis of {name} that is neither 'n' nor 'm'", axis)  # type: ignore
                for axis in axes
            )
            for name, axes in self.axes.items()
        }

    def initial(
        self,
        n: int,
        m: int,
        *,
        seeds: Sequence[int],
        count: int = 1,
        scale: float = 1.0,
        device: str | torch.device = "cpu",
    ) -> dict[str, Tensor]:
        """Return initial parameters of ``count`` models for each seed: ``(seeds, count, ...)``.

        Weights are normal with standard deviation ``scale``·√(2/(m(n + m))), which makes features
        short, ‖W_i‖² ≈ 2/(n + m); biases are 0. With longer ones and dense inputs many outputs
        start, and stay, below the ReLU's kink. The models of one seed start from the same values.
        Of parameters of one's own, those with two axes or more are weights; for n and m stand the
        lengths of their last two.
        """
        n, m = checks.whole_number("n", n), checks.whole_number("m", m)
        seeds, count = streams.seed_list(seeds), checks.whole_number("count", count)
        scale = checks.positive_number("scale", scale)
        parameters, number = {}, 0
        for name, shape in self.shapes(n, m).items():
            if len(shape) < 2:
                parameters[name] = torch.zeros(len(seeds), count, *shape, device=device)
                continue
            values = torch.empty(len(seeds), 1, *shape, device=device)
            for row, seed in zip(values, seeds, strict=True):
                key = (seed, Purpose.INITIAL_VALUES, number)
                row.normal_(generator=streams.generator(*key, device=device))
            rows, columns = shape[-2:]
            deviation = scale * (2 / (rows * (columns + rows))) ** 0.5
            parameters[name] = (values * deviation).repeat(1, count, *[1] * len(shape))
            number += 1
        if self.start is not None and "V" in parameters:
            parameters["V"] = self.start(parameters["W"])
        return parameters

    def centred(self, parameters: dict[str, Tensor], mean: Tensor) -> Tensor:
        """Return the biases ``(..., n)`` for which the mean input ``(..., n)`` comes out as it is.

        Before the output function: b = μ − Vᵀ hidden(W μ + c).

        Raises
        ------
        InvalidArgument
            Of a model that reconstructs in a way of its own, and does not say how to centre it.
        """
        if not self.is_layered:
            raise InvalidArgument(
                f"the model {self.name!r} has no centred, which says where its biases start: use a "
                "procedure with centred=False, as in Procedure.fast(n, m, centred=False)"
            )
        parameters, mean = self._given(parameters, mean, "mean")
        W = parameters["W"]
        h = self._hidden_layer(parameters, mean[..., None, :])
        return mean - (h @ parameters.get("V", W))[..., 0, :]

    @property
    def is_layered(self) -> bool:
        """Whether it computes what its hidden layer and output say, and nothing of its own."""
        kinds = type(self).__mro__
        own = [vars(self), *map(vars, kinds[: kinds.index(Model)])]
        return not any({"axes", "reconstruct", "_hidden_layer"} & each.keys() for each in own)

    def reconstruct(self, parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        """Return the reconstruction of inputs ``x`` ``(..., batch, n)``."""
        parameters, x = self._given(parameters, x, "x")
        if x.ndim < 2:
            raise InvalidArgument(f"x has shape {tuple(x.shape)}: (..., batch, n) is needed")
        W, b = parameters["W"], parameters["b"]
        V = parameters.get("V", W)
        return self.output(self._hidden_layer(parameters, x) @ V + b[..., None, :])

    def _given(
        self, parameters: Mapping[str, Tensor], x: Tensor, name: str
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Return parameters and inputs ``(..., n)``, checked by shape alone: at every step."""
        axes = self.axes
        if not isinstance(parameters, Mapping) or not axes.keys() <= parameters.keys():
            raise InvalidArgument(
                f"parameters is {checks.shortly(parameters)}: a tensor for each of "
                f"{', '.join(axes)}, by name, is needed"
            )
        own = {each: parameters[each] for each in axes}
        if not _alike(*own.values(), x):
            own = {each: checks.finite(f"parameters[{each!r}]", own[each]) for each in axes}
            own = {each: value.to(own["W"]) for each, value in own.items()}
            x = checks.finite(name, x, dtype=own["W"].dtype, device=own["W"].device)
        W = own["W"].shape
        if len(W) < 2 or not x.ndim or x.shape[-1] != W[-1]:
            raise InvalidArgument(
                f"{name} has shape {tuple(x.shape)} and parameters['W'] {tuple(W)}: (..., n) and "
                "(..., m, n) are needed"
            )
        sizes = {"n": W[-1], "m": W[-2]}
        for each, value in own.items():
            shape = tuple(sizes.get(str(axis), axis) for axis in axes[each])
            if value.shape[max(0, value.ndim - len(shape)) :] != shape:
                raise InvalidArgument(
                    f"parameters[{each!r}] has shape {tuple(value.shape)}: its last axes must be "
                    f"{shape}"
                )
        leading = {each: value.shape[: value.ndim - len(axes[each])] for each, value in own.items()}
        checks.broadcast_shape(**leading, **{name: x.shape[: -1 if name == "mean" else -2]})
        return own, x

    def _hidden_layer(self, parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        z = x @ parameters["W"].mT
        return self.hidden(z + parameters["c"][..., None, :] if "c" in parameters else z)


@dataclass(frozen=True, kw_only=True)
class _Function(Model):
    """A function of inputs and parameters as a model."""

    function: Callable[..., Tensor]
    axes: Mapping[str, Sequence[str | int]] = field(hash=False)

    def reconstruct(self, parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        axes = {name: value.ndim - len(self.axes[name]) for name, value in parameters.items()}
        leading = {name: value.shape[: axes[name]] for name, value in parameters.items()}
        shape = checks.broadcast_shape(**leading, x=x.shape[:-2])
        x = x.expand(*shape, *x.shape[-2:])
        spread = {
            name: value.expand(*shape, *value.shape[axes[name] :])
            for name, value in parameters.items()
        }
        if not shape:
            return self.function(x, **spread)
        last = len(shape) - 1
        flat = {name: value.flatten(0, last) for name, value in spread.items()}
        out = torch.vmap(lambda x, own: self.function(x, **own))(x.flatten(0, last), flat)
        return out.unflatten(0, shape)


def checked(model: Model, n: int, m: int) -> Model:
    """Return a model that computes what it should, before anything is trained.

    Raises
    ------
    InvalidArgument
        Naming what is missing, or not as it should be.

    Examples
    --------
    >>> checked(RELU_OUTPUT, 5, 2).name
    'ReLU output'
    """
    if not isinstance(model, Model):
        raise InvalidArgument(
            f"model is {checks.shortly(model)}: a superpos.Model is needed; a subclass of it, or "
            "Model.of(function, axes), makes your own"
        )
    if model in (LINEAR, RELU_OUTPUT, RELU_HIDDEN):
        return model
    told, shapes = f"the model {model.name!r}", model.shapes(n, m)
    if not shapes:
        raise InvalidArgument(f"{told} has no parameters: its axes name none")
    parameters = model.initial(n, m, seeds=[0])
    if parameters.keys() != shapes.keys():
        raise InvalidArgument(
            f"{told} starts with {', '.join(parameters)}; its axes name {', '.join(shapes)}"
        )
    for name, value in parameters.items():
        if value.shape != (1, 1, *shapes[name]):
            raise InvalidArgument(
                f"{told} starts with {name} of shape {tuple(value.shape)}: (seeds, count, ...) = "
                f"{(1, 1, *shapes[name])} is needed"
            )
    draws = torch.Generator().manual_seed(0)
    x = torch.rand(1, 1, 3, n, generator=draws, dtype=torch.get_default_dtype())
    leaves = {name: value.detach().requires_grad_() for name, value in parameters.items()}
    with torch.enable_grad():
        out, target = model.reconstruct(leaves, x), model.target(x)
    for what, values in (("reconstructs", out), ("has as its target", target)):
        if not isinstance(values, Tensor) or values.shape != x.shape:
            shape = f"shape {tuple(values.shape)}" if isinstance(values, Tensor) else type(values)
            raise InvalidArgument(
                f"{told} {what} {shape} for inputs of {tuple(x.shape)}: the same shape is needed"
            )
    slopes = [None] * len(leaves)
    if out.requires_grad:
        slopes = torch.autograd.grad(out.sum(), list(leaves.values()), allow_unused=True)
    if unused := [name for name, slope in zip(leaves, slopes, strict=True) if slope is None]:
        raise InvalidArgument(
            f"{told} does not use {', '.join(unused)}: no gradient comes from its output"
        )
    return model


def checked_parameters(
    model: Model, parameters: Mapping[str, Tensor], *, one: bool = False
) -> dict[str, Tensor]:
    """Return a model's parameters as its axes name them, finite and of one precision.

    Parameters
    ----------
    model, parameters
        With leading axes that broadcast; what the model does not name is left out.
    one
        Whether they are those of one model, without such axes.

    Raises
    ------
    InvalidArgument
        Naming what is missing, or not as it should be.

    Examples
    --------
    >>> list(checked_parameters(RELU_OUTPUT, {"W": torch.ones(2, 5), "b": torch.zeros(5)}))
    ['W', 'b']
    """
    checks.instance("model", model, Model)
    axes, one = model.axes, checks.flag("one", one)
    if not isinstance(parameters, Mapping) or not axes.keys() <= parameters.keys():
        raise InvalidArgument(
            f"parameters is {checks.shortly(parameters)}: a tensor for each of "
            f"{', '.join(axes)}, by name, is needed"
        )
    found = {
        name: checks.finite(f"parameters[{name!r}]", value)
        for name, value in parameters.items()
        if name in axes
    }
    first = next(iter(found.values()))
    found = {name: value.to(first) for name, value in found.items()}
    sizes: dict[str | int, int] = {}
    for name, value in found.items():
        count = len(axes[name])
        ends = list(value.shape[max(0, value.ndim - count) :])
        wanted = [
            sizes.setdefault(axis, size) if axis in ("n", "m") else axis
            for axis, size in zip(axes[name], ends, strict=False)
        ]
        if value.ndim < count or ends != wanted or 0 in ends or (one and value.ndim > count):
            told = ", ".join(["..."] * (not one) + [str(axis) for axis in axes[name]])
            raise InvalidArgument(
                f"parameters[{name!r}] has shape {tuple(value.shape)}: ({told}) is needed, with "
                "axes as long as the others' and none empty"
            )
    leading = {name: value.shape[: value.ndim - len(axes[name])] for name, value in found.items()}
    checks.broadcast_shape(**leading)
    return found


def _alike(*tensors: Tensor) -> bool:
    """Whether all are plain tensors of one precision, in one place."""
    first = tensors[0]
    return all(
        isinstance(each, Tensor)
        and each.dtype == first.dtype
        and each.device == first.device
        and each.layout == torch.strided
        for each in tensors
    ) and (first.is_floating_point() and first.itemsize >= 4 and first.device.type != "meta")


LINEAR = Model("linear", output=identity)
"""Wᵀ W x + b, which superposition does not pay."""

RELU_OUTPUT = Model("ReLU output")
"""ReLU(Wᵀ W x + b), the toy model of most chapters."""

RELU_HIDDEN = Model("ReLU hidden and output", hidden=torch.relu)
"""ReLU(Wᵀ ReLU(W x) + b), whose hidden axes are neurons."""
