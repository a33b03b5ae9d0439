"""Gates: checks of what a caller hands to a function, told beside it rather than inside."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from types import CodeType, FunctionType
from typing import Any, TypeVar

import torch
from torch import Tensor

from superpos import checks
from superpos.compute import streams
from superpos.errors import InvalidArgument

F = TypeVar("F", bound=Callable[..., Any])
Check = Callable[[str, Any], Any]
"""From an argument's name and value to the value as a function wants it."""
Together = Callable[[dict[str, Any]], None]
"""Of all arguments that were given, by name: refuses them, or writes some otherwise, in place."""


def gate(*together: Together, **alone: Check) -> Callable[[F], F]:
    """Return a decorator that checks arguments before a function is called.

    A check takes the argument's name and its value; it returns the value as the function wants it,
    or refuses it. It may write the same numbers otherwise, and must not change them: stored results
    do not tell a gate from none (`superpos.compute.content`), so that one may be put before a
    function that has made some. A default is not checked.

    Parameters
    ----------
    *together
        Checks of several arguments, done last, in order: `shapes`, `one_precision`.
    **alone
        Checks of one argument, by its name.

    Raises
    ------
    TypeError
        If the function has no argument of that name.

    Examples
    --------
    >>> @gate(n=checks.whole_number)
    ... def twice(n):
    ...     return 2 * n
    >>> twice("four")
    Traceback (most recent call last):
    superpos.errors.InvalidArgument: n is 'four': a whole number of at least 1 is needed
    """

    def put(function: F) -> F:
        parameters = inspect.signature(function).parameters
        if unknown := alone.keys() - parameters.keys():
            raise TypeError(f"{function.__name__} has no argument {', '.join(sorted(unknown))}")
        names = tuple(parameters)
        needed = {name for name, each in parameters.items() if each.default is each.empty}

        @functools.wraps(function)
        def gated(*args: Any, **kwargs: Any) -> Any:
            # as Signature.bind would do, which takes as long as a small function
            given = dict(zip(names, args, strict=False)) | kwargs
            if len(given) < len(args) + len(kwargs) or not needed <= given.keys():
                return function(*args, **kwargs)  # which tells what is wrong
            for name, check in alone.items():
                if name in given:
                    given[name] = check(name, given[name])
            for check in together:
                check(given)
            return function(*[given.pop(name) for name in names[: len(args)]], **given)

        _GATES.add(gated.__code__)  # type: ignore[attr-defined]
        return gated  # type: ignore[return-value]

    return put


_GATES: set[CodeType] = set()


def behind(value: FunctionType) -> FunctionType:
    """Return the function behind its gates, or the function itself where there is none.

    >>> from math import dist
    >>> behind(gate(p=lambda name, value: value)(dist)) is dist
    True
    """
    while getattr(value, "__code__", None) in _GATES:
        value = value.__wrapped__  # type: ignore[attr-defined]
    return value


def optional(check: Check) -> Check:
    """Return the check of an argument that may also be None."""
    return lambda name, value: None if value is None else check(name, value)


def instance_of(kind: type) -> Check:
    """Return the check that an argument is an object of a class."""
    return lambda name, value: checks.instance(name, value, kind)


def seeds_of(_: str, value: int | Sequence[int]) -> list[int]:
    """Check seeds, as `superpos.compute.streams.seed_list` does."""
    return streams.seed_list(value)


def tensors(*names: str) -> Check:
    """Return the check that an argument has some tensors by name; others stay as they are."""
    return lambda name, value: checks.tensors(name, value, names)


def shapes(holder: str | None = None, /, **axes: str | Mapping[str, str]) -> Together:
    """Return a check of the axes of tensors, and of lists, which have one.

    Parameters
    ----------
    holder
        The argument whose leading axes hold those of all others.
    **axes
        By argument, the names of its axes from the first to the last: ``"models m n"``. Those of
        one name are equally long; all but ``batch`` are not empty. ``...`` at the beginning stands
        for leading axes, which broadcast. A last axis ``*n`` may also have length 1, or be missing:
        the tensor is expanded to an n that was told before. For a dictionary, the same by key.

    Examples
    --------
    >>> of_models = shapes(W="... m n", b="... *n")
    >>> of_models({"W": torch.zeros(3, 2, 4), "b": torch.zeros(4)})
    >>> of_models({"W": torch.zeros(2, 4), "b": torch.zeros(3, 5)})
    Traceback (most recent call last):
    superpos.errors.InvalidArgument: b has shape (3, 5): (..., n), none empty, is needed, with n = 4
    """
    wanted = [
        (argument, key, _Axes(told))
        for argument, spec in axes.items()
        for key, told in (spec.items() if isinstance(spec, Mapping) else [(None, spec)])
    ]

    @functools.lru_cache(maxsize=256)  # what is called a thousand times has the same shapes
    def to_expand(*found: tuple[int, ...] | None) -> list[tuple[str, int]]:
        sizes: dict[str, int] = {}
        leading: dict[str, tuple[int, ...]] = {}
        expanded = []
        for (argument, key, ends), shape in zip(wanted, found, strict=True):
            if shape is None:
                continue  # one that may be missing: what is needed is told elsewhere
            name = key or argument
            if ends.star and shape[-1:] in ((), (1,)):
                expanded.append((argument, sizes[ends.names[-1]]))
                shape = (*shape[:-1], sizes[ends.names[-1]])
            leading[name] = ends.fit(name, shape, sizes)
        every = checks.broadcast_shape(**leading)
        if holder and every != leading[holder]:
            raise InvalidArgument(
                f"{holder} has leading axes {tuple(leading[holder])}: those of "
                f"{', '.join(leading)} broadcast to more, {tuple(every)}"
            )
        return expanded

    def check(given: dict[str, Any]) -> None:
        found = [
            _shape(given.get(argument) if key is None else given[argument].get(key))
            for argument, key, _ in wanted
        ]
        for argument, n in to_expand(*found):
            given[argument] = checks.per_feature(argument, given[argument], n)

    return check


def _shape(value: Tensor | list | None) -> tuple[int, ...] | None:
    return value.shape if isinstance(value, Tensor) else None if value is None else (len(value),)


class _Axes:
    """The axes that a tensor should have: see `shapes`."""

    def __init__(self, told: str) -> None:
        names = told.split()
        self.told = ", ".join(names).replace("*", "")
        self.open = names[0] == "..."
        self.star = names[-1].startswith("*")
        self.names = [name.removeprefix("*") for name in names[self.open :]]

    def fit(self, name: str, shape: tuple[int, ...], sizes: dict[str, int]) -> tuple[int, ...]:
        """Return the leading axes of what fits the sizes known so far, to which its own come."""
        start = len(shape) - len(self.names)
        fits = start == 0 or (start > 0 and self.open)
        for axis, size in zip(self.names, shape[start:], strict=False) if fits else ():
            if sizes.setdefault(axis, size) != size or not (size or axis == "batch"):
                fits = False
        if fits:
            return shape[:start]
        known = {axis: sizes[axis] for axis in self.names if sizes.get(axis)}
        told = " and ".join(f"{axis} = {size}" for axis, size in known.items())
        raise InvalidArgument(
            f"{name} has shape {tuple(shape)}: ({self.told}), none empty, is needed"
            + (f", with {told}" if told else "")
        )


def one_precision(*names: str) -> Together:
    """Return what brings tensors, also those in dictionaries, to the widest type among them.

    For what products are taken of, which torch refuses to do between two types.

    Examples
    --------
    >>> given = {"W": torch.zeros(2, 4), "x": torch.zeros(4).double()}
    >>> one_precision("W", "x")(given)
    >>> given["W"].dtype
    torch.float64
    """

    def check(given: dict[str, Any]) -> None:
        types = set()
        for name in names:
            value = given[name]
            if isinstance(value, Tensor):
                types.add(value.dtype)
            else:
                types.update(each.dtype for _, each in _tensors(value))
        if len(types) == 1:
            return
        widest = functools.reduce(torch.promote_types, types)
        for name in names:
            value = given[name]
            if isinstance(value, dict):
                given[name] = value | {key: each.to(widest) for key, each in _tensors(value)}
            else:
                given[name] = value.to(widest)

    return check


def _tensors(value: dict[str, Any]) -> list[tuple[str, Tensor]]:
    return [(key, each) for key, each in value.items() if isinstance(each, Tensor)]
