"""Checks of what a caller hands in; each tells in one sentence what is wrong."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from reprlib import Repr
from typing import Any, TypeVar, overload

import numpy as np
import torch
from torch import Tensor

from superpos.errors import InvalidArgument

_MOST_WHOLE = 2**64  # which is what seeds are below
_SINGLE_OR_DOUBLE = (torch.float32, torch.float64)
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 80

T = TypeVar("T")
Numbers = Tensor | np.ndarray | float | Sequence  # what makes a tensor: one, or nested ones


def whole_number(name: str, value: int, *, least: int = 1) -> int:
    """Return ``value``, a whole number of any library, as an int of at least ``least``."""
    number = _whole(value)
    if number is None:
        raise InvalidArgument(
            f"{name} is {shortly(value)}: a whole number of at least {least} is needed"
        )
    if number < least:
        raise InvalidArgument(f"{name} is {number}: it must be at least {least}")
    return number


def positive_number(name: str, value: float, *, allow_zero: bool = False) -> float:
    """Return ``value`` as a finite float above zero (or at zero, where allowed)."""
    accepted = "a finite number of at least 0" if allow_zero else "a finite number above 0"
    number = _real(value)
    if number is None:
        raise InvalidArgument(f"{name} is {shortly(value)}: {accepted} is needed")
    if not math.isfinite(number) or number < 0 or (number == 0 and not allow_zero):
        raise InvalidArgument(f"{name} is {shortly(value)}: it must be {accepted}")
    return number


def number(name: str, value: float) -> float:
    """Return ``value``, a real number of any library, as a finite float."""
    found = _real(value)
    if found is None or not math.isfinite(found):
        raise InvalidArgument(f"{name} is {shortly(value)}: a finite number is needed")
    return found


def fraction(name: str, value: float) -> float:
    """Return ``value`` as a float in [0, 1)."""
    number = _real(value)
    if number is None or not 0 <= number < 1:
        raise InvalidArgument(f"{name} is {shortly(value)}: it must be at least 0 and below 1")
    return number


def index(name: str, value: int, length: int) -> int:
    """Return ``value`` as one of the places 0 to ``length`` − 1."""
    number = _whole(value)
    if number is None or not 0 <= number < length:
        raise InvalidArgument(
            f"{name} is {shortly(value)}: a whole number from 0 to {length - 1} is needed"
        )
    return number


def whole_numbers(name: str, values: Iterable[int] | Tensor, *, least: int = 0) -> list[int]:
    """Return whole numbers of at least ``least``, from whatever holds them, as a list."""
    if isinstance(values, Tensor | np.ndarray) and not _is_abstract(values):
        values = values.tolist()
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise InvalidArgument(f"{name} is {shortly(values)}: a list of whole numbers is needed")
    return [whole_number(name, value, least=least) for value in values]  # type: ignore[arg-type]


def generator(name: str, value: torch.Generator) -> torch.Generator:
    """Return ``value``, a source of random numbers; None would be torch's own, which all share."""
    if not isinstance(value, torch.Generator):
        raise InvalidArgument(
            f"{name} is {shortly(value)}: a torch.Generator is needed, which draws the same again"
        )
    return value


def instance(name: str, value: Any, kind: type[T]) -> T:
    """Return ``value``, an object of a class of ours."""
    if not isinstance(value, kind):
        raise InvalidArgument(
            f"{name} is {shortly(value)}: a {kind.__module__}.{kind.__qualname__} is needed"
        )
    return value


def texts(name: str, values: Sequence[str]) -> list[str]:
    """Return some texts, at least one, as a list; one text alone is none."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InvalidArgument(f"{name} is {shortly(values)}: a list of texts is needed")
    found = list(values)
    if not found or not all(isinstance(each, str) for each in found):
        raise InvalidArgument(f"{name} is {shortly(values)}: a list of texts is needed")
    return found


def function(name: str, value: Callable[..., T]) -> Callable[..., T]:
    """Return ``value``, which can be called."""
    if not callable(value):
        raise InvalidArgument(f"{name} is {shortly(value)}: a function is needed")
    return value


def settings(
    function: Callable[[Tensor], tuple[Tensor, Tensor]], name: str, at: Tensor, n: int
) -> tuple[Tensor, Tensor]:
    """Return probability and importance ``(..., n)`` at values ``at`` of a setting, called so."""
    if not callable(function):
        raise InvalidArgument(f"settings is {shortly(function)}: a function is needed")
    found = function(at)
    if not isinstance(found, tuple) or len(found) != 2:
        raise InvalidArgument(
            f"settings gives {shortly(found)}: a probability and an importance are needed"
        )
    try:
        probability = per_feature("probability", probabilities("probability", found[0]), n)
        return probability, importances("importance", found[1], n)
    except InvalidArgument as refused:
        raise InvalidArgument(f"{name} leads settings to what cannot be: {refused}") from None


def flag(name: str, value: bool) -> bool:
    """Return ``value``, a truth value of Python's or NumPy's, as a bool."""
    if not isinstance(value, bool | np.bool_):
        raise InvalidArgument(f"{name} is {shortly(value)}: True or False is needed")
    return bool(value)


def _whole(value: object) -> int | None:
    """Return a whole number of any library as an int; a truth value is none."""
    if isinstance(value, bool | np.bool_) or getattr(value, "dtype", None) is torch.bool:
        return None
    if getattr(value, "ndim", 0):  # or one number in an array would be one
        return None
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError):  # those of arrays, too, and of nothing at all
        return None
    return number if abs(number) < _MOST_WHOLE else None


def _real(value: object) -> float | None:
    """Return a real number of any library as a float; a truth value is none."""
    if isinstance(value, Tensor | np.ndarray) and value.ndim == 0 and not _is_abstract(value):
        value = value.item()
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        return None
    try:
        return float(value)
    except OverflowError:  # of a whole number without end
        return math.inf


def _is_abstract(value: object) -> bool:
    """Whether a tensor is not an array of numbers in memory: sparse, quantised or without data."""
    return isinstance(value, Tensor) and (
        value.layout != torch.strided or value.is_quantized or value.device.type == "meta"
    )


def finite(
    name: str,
    value: Numbers,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
) -> Tensor:
    """Return ``value`` as a floating-point tensor without NaN or infinity.

    Half precision becomes single: sums of squares have no place in it. It is moved to ``device``,
    that of what it is computed with; by default a tensor stays where it is. NumPy's arrays may lie
    in memory as they like, and lists may hold tensors.
    """
    tensor = array(name, value, device=device)
    if tensor.dtype is torch.bool:
        raise InvalidArgument(f"{name} has dtype {tensor.dtype}: real numbers are needed")
    if dtype is not None:
        # a Python number in full precision
        tensor = torch.as_tensor(_regular(value), dtype=dtype, device=device)
    elif not tensor.is_floating_point():
        tensor = tensor.to(torch.get_default_dtype())
    elif tensor.itemsize < 4:
        tensor = tensor.float()
    if not torch.isfinite(tensor).all():
        raise InvalidArgument(
            f"{name} has an entry that is NaN or infinite: finite numbers are needed"
        )
    return tensor


def some(name: str, value: Numbers, *, dtype: torch.dtype | None = None) -> Tensor:
    """Return ``value`` as `finite` does, at least one number."""
    tensor = finite(name, value, dtype=dtype)
    if not tensor.numel():
        raise InvalidArgument(f"{name} has shape {tuple(tensor.shape)}: at least one is needed")
    return tensor


def array(name: str, value: Numbers, *, device: torch.device | None = None) -> Tensor:
    """Return ``value`` as a tensor of whatever type it has: numbers, or truth values."""
    if _is_abstract(value):
        raise InvalidArgument(
            f"{name} is {shortly(value)} that is sparse, quantised or without data: numbers in a "
            "regular array are needed"
        )
    try:
        tensor = torch.as_tensor(_regular(value), device=device)
    except (TypeError, ValueError, RuntimeError, OverflowError, RecursionError):
        raise InvalidArgument(
            f"{name} is {shortly(value)}: real numbers in a regular array are needed"
        ) from None
    if tensor.is_complex():
        raise InvalidArgument(f"{name} has dtype {tensor.dtype}: real numbers are needed")
    return tensor


def real(name: str, value: Numbers) -> Tensor:
    """Return ``value`` as `finite` does, but with NaN and infinity where it has them."""
    tensor = array(name, value)
    if tensor.dtype is torch.bool:
        raise InvalidArgument(f"{name} has dtype {tensor.dtype}: real numbers are needed")
    if not tensor.is_floating_point():
        return tensor.to(torch.get_default_dtype())
    return tensor.float() if tensor.itemsize < 4 else tensor


def floating(name: str, value: Numbers) -> Tensor:
    """Return ``value`` as `real` does; the same, and at once, where it is such a tensor already."""
    if (
        isinstance(value, Tensor)
        and value.dtype in _SINGLE_OR_DOUBLE
        and value.layout is torch.strided
        and not value.is_meta
    ):
        return value
    return real(name, value)


def detached(name: str, value: Numbers) -> Tensor:
    """Return ``value`` as `floating` does, for what nothing can be differentiated through."""
    return floating(name, value).detach()


def tensors(name: str, value: Mapping[str, Numbers], names: Sequence[str]) -> dict[str, Tensor]:
    """Return ``value``, with tensors under some names as `floating` gives them; others stay."""
    if not isinstance(value, Mapping) or not {*names} <= value.keys():
        raise InvalidArgument(
            f"{name} is {shortly(value)}: a tensor for each of {', '.join(names)}, by name, is "
            "needed"
        )
    return {**value, **{each: floating(each, value[each]) for each in names}}  # type: ignore[dict-item]


def whole_array(name: str, value: Numbers) -> Tensor:
    """Return ``value``, whole numbers or truth values, as a tensor of whole numbers."""
    tensor = array(name, value).detach()
    if (
        tensor.is_floating_point()
        and not ((tensor == tensor.round()) & (tensor.abs() < 2**53)).all()
    ):
        raise InvalidArgument(f"{name} has an entry that is no whole number")
    return tensor.long()


def truths(name: str, value: Numbers, *, least_axes: int = 0) -> Tensor:
    """Return ``value`` as truth values, with at least so many axes; 0 and 1 stand for them."""
    told = array(name, value).detach()
    if told.ndim < least_axes or (least_axes and 0 in told.shape[-least_axes:]):
        raise InvalidArgument(
            f"{name} has shape {tuple(told.shape)}: at least {least_axes} axes, none empty, "
            "are needed"
        )
    if told.dtype is not torch.bool and ((told != 0) & (told != 1)).any():
        raise InvalidArgument(f"{name} has an entry that is neither true nor false")
    return told.bool()


def along(name: str, value: Numbers, *, least: int = 1) -> Tensor:
    """Return ``value`` as finite numbers on one axis, at least so many."""
    tensor = finite(name, value)
    if tensor.ndim != 1 or len(tensor) < least:
        raise InvalidArgument(
            f"{name} has shape {tuple(tensor.shape)}: numbers on one axis, at least {least}, are "
            "needed"
        )
    return tensor


def outcomes(name: str, value: Numbers) -> Tensor:
    """Return ``value`` as truth values ``(trials,)``, at least one; 0 and 1 stand for them."""
    told = array(name, value)
    if told.ndim != 1:
        raise InvalidArgument(f"{name} has shape {tuple(told.shape)}: (trials,) is needed")
    if not len(told):
        raise InvalidArgument(f"{name} is empty: a rate needs at least one trial")
    if told.dtype is not torch.bool and ((told != 0) & (told != 1)).any():
        raise InvalidArgument(f"{name} has an entry that is neither true nor false")
    return told.bool()


def _regular(value: Numbers) -> Numbers:
    """Return what torch reads: arrays in this machine's order, without steps backwards."""
    if isinstance(value, list | tuple) and any(isinstance(each, Tensor) for each in value):
        return torch.stack([torch.as_tensor(_regular(each)) for each in value])
    if isinstance(value, list | tuple) and any(isinstance(each, np.ndarray) for each in value):
        value = np.stack(value)
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise TypeError("what is masked is no number")
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
        wide = value.dtype.kind == "f" and value.dtype.itemsize > 8  # of which torch has none
        dtype = np.dtype(float) if wide else value.dtype.newbyteorder("=")
        return np.ascontiguousarray(value, dtype).reshape(value.shape)
    return value


def shortly(value: object) -> str:
    """Return what messages call a value: its beginning, on one line, where it is long.

    Examples
    --------
    >>> shortly(list(range(1000)))
    '[0, 1, 2, 3, 4, 5, ...]'
    """
    if isinstance(value, Tensor | np.ndarray) and value.ndim:
        kind = "an array" if isinstance(value, np.ndarray) else "a tensor"
        return f"{kind} of shape {tuple(value.shape)} and dtype {value.dtype}"
    told = " ".join(_SHORT.repr(value).split())
    return told if len(told) <= 80 else f"{told[:79]}…"


def probabilities(
    name: str,
    value: Numbers,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
) -> Tensor:
    """Return ``value`` as a tensor whose entries lie in [0, 1], on ``device`` if that is given."""
    tensor = finite(name, value, dtype=dtype, device=device)
    outside = (tensor < 0) | (tensor > 1)
    if outside.any():
        raise InvalidArgument(
            f"{name} is {tensor[outside].flatten()[0].item():g}: a probability lies in [0, 1]"
        )
    return tensor


def importances(
    name: str,
    value: Numbers | None,
    n: int,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
) -> Tensor:
    """Return ``value`` (default: all ones) as non-negative weights of shape ``(..., n)``.

    On ``device``, if that is given.
    """
    tensor = finite(name, 1.0 if value is None else value, dtype=dtype, device=device)
    if (tensor < 0).any():
        raise InvalidArgument(f"{name} has a negative entry: importances are at least 0")
    return per_feature(name, tensor, n)


def per_feature(name: str, tensor: Tensor, n: int) -> Tensor:
    """Return ``tensor`` with a last axis of length ``n``; one of length 1, or none, is repeated."""
    if tensor.ndim == 0:
        return tensor.expand(n)
    if tensor.shape[-1] not in (1, n):
        raise InvalidArgument(
            f"{name} has shape {tuple(tensor.shape)}: its last axis must be 1 or n = {n} "
            "(one entry per feature); settings go on the axes before it"
        )
    return tensor.expand(*tensor.shape[:-1], n)


@overload
def weights(W: Numbers, *, name: str = "W") -> tuple[Tensor, None]: ...
@overload
def weights(W: Numbers, b: Numbers, *, name: str = "W") -> tuple[Tensor, Tensor]: ...
def weights(W: Numbers, b: Any = ..., *, name: str = "W") -> tuple[Tensor, Tensor | None]:
    """Return ``W`` as finite ``(..., m, n)`` and ``b``, if asked for, as finite ``(..., n)``."""
    W = finite(name, W)
    if W.ndim < 2 or 0 in W.shape[-2:]:
        raise InvalidArgument(
            f"{name} has shape {tuple(W.shape)}: (..., m, n) with m and n of at least 1 is needed"
        )
    if b is ...:  # which None is not: that is refused
        return W, None
    b = per_feature("b", finite("b", b, dtype=W.dtype), W.shape[-1])
    broadcast_shape(W=W.shape[:-2], b=b.shape[:-1])
    return W, b


def one_model(W: Numbers, *, name: str = "W") -> Tensor:
    """Return ``W`` as finite ``(m, n)``, without axes before these."""
    found, _ = weights(W, name=name)
    if found.ndim != 2:
        raise InvalidArgument(
            f"{name} has shape {tuple(found.shape)}: one model, (m, n), is needed"
        )
    return found


def inputs(name: str, value: Numbers, n: int, *, like: Tensor | None = None) -> Tensor:
    """Return ``value`` as finite inputs ``(..., n)``, in the precision and on the device given."""
    to = {} if like is None else {"dtype": like.dtype, "device": like.device}
    tensor = finite(name, value, **to)
    if tensor.ndim < 1 or tensor.shape[-1] != n:
        raise InvalidArgument(
            f"{name} has shape {tuple(tensor.shape)}: (..., n) with n = {n} is needed"
        )
    return tensor


def broadcast_shape(**shapes: Sequence[int]) -> torch.Size:
    """Return the shape that all of ``shapes`` broadcast to."""
    try:
        # torch's own way imports SymPy, which changes the warnings of the whole process
        return torch.Size(np.broadcast_shapes(*map(tuple, shapes.values())))
    except ValueError:
        told = ", ".join(f"{name} {tuple(shape)}" for name, shape in shapes.items())
        raise InvalidArgument(
            f"leading axes do not broadcast: {told}; on each axis they must be equal or 1"
        ) from None
