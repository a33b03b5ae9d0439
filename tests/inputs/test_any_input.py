"""Public functions given anything: a value comes, or a sentence that names the argument.

Nothing that was given is changed, nor is any state of the process; and an answer comes soon.
"""

from __future__ import annotations

import inspect
import math
import random
import re
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass
from fnmatch import filter as filter_names
from fnmatch import fnmatch
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from table import CALLS, Call
from torch import Tensor
from untried import UNTRIED

from superpos.book import reference
from superpos.errors import Diverged, InvalidArgument

SECONDS = 20  # a case
FEW, MANY = 3, 200  # cases of a function, in `make test` and in `make soak`


class Odd:
    """What nobody expects."""

    def __repr__(self) -> str:
        return "<odd>"


ANYTHING = [
    None, "text", Odd(), {}, {"W": 1}, [], (), [[1.0], [1.0, 2.0]], 1 + 2j, b"01", print, float,
]  # fmt: skip


def longer(t: Tensor) -> Tensor:
    return torch.cat([t, t[..., -1:]], -1) if t.ndim else t.repeat(3)


def backwards(t: Tensor) -> np.ndarray:
    return np.ascontiguousarray(t.numpy()[..., ::-1])[..., ::-1] if t.ndim else t.numpy()


# numbers that are written otherwise, or are not what is asked for
OF_NUMBERS: list[Callable[[Tensor], Any]] = [
    *(Tensor.tolist, Tensor.numpy, longer, backwards),
    lambda t: list(t) if t.ndim else [t],
    *(Tensor.double, Tensor.half, Tensor.bfloat16, Tensor.long, Tensor.bool),
    lambda t: t.to(torch.uint8),
    lambda t: t.to(torch.complex64),
    lambda t: t.numpy().astype(">f8"),
    lambda t: t.numpy().astype(np.longdouble),
    lambda t: t.numpy().astype(object),
    lambda t: t.numpy().astype(str),
    lambda t: np.asfortranarray(t.numpy()),
    lambda t: np.ma.masked_array(t.numpy(), mask=True),
    lambda t: t.numpy().astype("datetime64[s]"),
    lambda t: t.float().clone().requires_grad_(),
    lambda t: torch.nn.Parameter(t.float().clone()),
    lambda t: t.mT.contiguous().mT if t.ndim > 1 else t,
    lambda t: t.mT if t.ndim > 1 else t[None],
    lambda t: t[None],
    lambda t: t.expand(3, 1, *t.shape),
    lambda t: t.flatten()[0],
    lambda t: t[..., :0] if t.ndim else t[None][:0],
    lambda t: t[:0] if t.ndim else t[None][:0],
    lambda t: t[..., :-1] if t.ndim else t,
    lambda t: t * 0,
    lambda t: -t.float(),
    lambda t: t * math.nan,
    lambda t: t.float() / 0,
    lambda t: t.float() * 1e30,
    lambda t: t.float() * 1e-30,
    lambda t: t.to_sparse() if t.ndim else t,
    lambda t: t.to("meta"),
    lambda _: torch.empty(0),
    lambda _: torch.zeros(2, 0, 4),
    lambda t: [t, t],
    lambda t: [[t.tolist()], 1],
]
OF_WHOLE: list[Callable[[int], Any]] = [
    *(np.int64, np.uint16, np.float64, np.array, torch.tensor, float, str, bool),
    *(lambda k, other=other: other for other in (0, 1, -1, math.nan, math.inf, 10**30, -(10**30))),
    *(lambda k: -k - 1, lambda k: k + 0.5, lambda k: [k], lambda k: torch.tensor([k, k])),
    *(lambda _: np.bool_(True), lambda k: torch.tensor(k + 0.5)),
]
OF_REAL: list[Callable[[float], Any]] = [
    *(np.float32, np.float64, np.array, torch.tensor, str, bool, int),
    *(lambda x, other=other: other for other in (0, 2.0, math.nan, math.inf, -math.inf, 1e300)),
    *(lambda x: -x, lambda _: 1e-300, lambda _: 10**400, lambda x: [x], lambda _: np.bool_(True)),
    *(lambda x: torch.tensor(x).half(), lambda x: torch.tensor(x, requires_grad=True)),
    lambda x: torch.tensor([x, x]),
]
OF_LISTS: list[Callable[[Any], Any]] = [
    *(np.array, torch.tensor, tuple, set, iter),
    *(lambda v: [*map(float, v)], lambda v: [-1 - x for x in v], lambda v: [*map(str, v)]),
    *(lambda _: [None], lambda v: [*v, 10**30], lambda v: [v], lambda v: v[0], lambda _: range(2)),
    *(lambda v: torch.tensor(v).double(), lambda v: np.array(v, np.uint8), lambda _: [math.nan]),
]
OF_TEXTS: list[Callable[[Any], Any]] = [
    *(tuple, iter, lambda v: v[0], lambda v: [*v, None], lambda v: [*v, "none such"]),
    *(lambda v: [v], lambda v: [v[0], b"01"], lambda v: v[:1] * 3, lambda v: v[:0], lambda _: [1]),
]
OF_TRUTHS: list[Callable[[bool], Any]] = [np.bool_, int, str]
OF_PARAMETERS: list[Callable[[dict], Any]] = [
    *(
        lambda found, change=change: {name: change(value) for name, value in found.items()}
        for change in OF_NUMBERS
    ),
    *(lambda found: dict([*found.items()][:1]), lambda found: found | {"Z": 1}),
]


def variants(value: Any) -> list[Callable[[Any], Any]]:
    """Return what makes other values of one that is right, by its kind."""
    others = [lambda _, other=other: other for other in ANYTHING]
    if isinstance(value, list | tuple | dict) and not _is_of_numbers(value):
        return [*(OF_TEXTS if isinstance(value, list) else []), *others]
    kinds = {
        bool: OF_TRUTHS, Tensor: OF_NUMBERS, int: OF_WHOLE, float: OF_REAL, list: OF_LISTS,
        tuple: OF_LISTS, dict: OF_PARAMETERS,
    }  # fmt: skip
    return [*kinds.get(type(value), []), *others]


def _is_of_numbers(value: list | tuple | dict) -> bool:
    if isinstance(value, dict):
        return all(isinstance(each, Tensor) for each in value.values())
    return all(isinstance(each, int | float) for each in value)


def cases(call: Call) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield every argument, by name, with what makes another value for it."""
    for name, value in call.arguments.items():
        for make in variants(value):
            yield name, lambda make=make, value=value: make(value)


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Stop what takes longer."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"no answer in {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def state() -> list[Any]:
    """Return what of the process a call could change for others."""
    return [
        torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate(),  # noqa: NPY002
        torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled(),
        torch.are_deterministic_algorithms_enabled(), list(warnings.filters),
        str(np.geterr()), signal.getsignal(signal.SIGINT),
    ]  # fmt: skip


def as_it_is(value: Any) -> str:
    """Return a text of all that was given, to be compared with the same later."""
    if isinstance(value, Tensor):
        kind = f"{value.dtype}{value.shape}{value.requires_grad}{value.layout}"
        if value.device.type == "meta" or value.layout != torch.strided:
            return kind
        return kind + str(value.detach().tolist())
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}{value.tolist()}"
    if isinstance(value, dict):
        return str({name: as_it_is(each) for name, each in value.items()})
    if isinstance(value, list | tuple):
        return str([as_it_is(each) for each in value])
    return (
        type(value).__name__ if is_dataclass(value) or isinstance(value, Iterator) else repr(value)
    )


def problem(call: Call, name: str, value: Any) -> str | None:
    """Return what is wrong with the answer, or nothing."""
    given = call.arguments | {name: value}
    before, held = state(), as_it_is(given)
    try:
        with limited(SECONDS), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call.function(**given)
    except InvalidArgument as refused:
        told = str(refused)
        inside = [key for each in call.arguments.values() if isinstance(each, dict) for key in each]
        names = [*call.arguments, *_parameters(call.function), *inside]
        if not any(re.search(rf"(?<!\w){re.escape(each)}(?!\w)", told) for each in names):
            return f"names no argument: {told}"
        if "\n" in told or len(told) > 600:
            return f"is no sentence: {told[:200]}"
    except Diverged:
        pass  # which is an answer, and names the step
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:150]}"
    if as_it_is(given) != held:
        return "changed what it was given"
    changed = [
        k for k, (one, other) in enumerate(zip(before, state(), strict=True)) if one != other
    ]
    return f"changed the process: {changed}" if changed else None


def _parameters(function: Callable) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_every_public_function_is_tried_or_listed_with_the_reason_why_not():
    found = (
        getattr(import_module(module), name)
        for module, names in reference.documented().items()
        for name in names
    )
    public = {
        f"{each.__module__.removeprefix('superpos.')}.{each.__name__}"
        for each in found
        if inspect.isfunction(each)
    }
    left = public - {str(call) for call in CALLS}
    patterns = [each for names in UNTRIED.values() for each in names]
    assert [name for name in sorted(left) if not any(fnmatch(name, p) for p in patterns)] == []
    assert [pattern for pattern in patterns if not filter_names(left, pattern)] == []


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_what_is_right_has_a_value(call):
    with limited(SECONDS):
        call.function(**call.arguments)


def _tried(call: Call, count: int, seed: int) -> list[str]:
    every = list(cases(call))
    chosen = random.Random(f"{call}{seed}").sample(every, min(count, len(every)))
    found = []
    for name, make in chosen:
        value = make()
        if wrong := problem(call, name, value):
            shown = " ".join(repr(value).split())[:80]
            found.append(f"{call}({name}={shown}): {wrong}")
    return found


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_anything_else_has_a_value_or_a_sentence(call):
    assert _tried(call, FEW, 0) == []


@pytest.mark.soak
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_a_great_deal_else_has_a_value_or_a_sentence(call):
    assert _tried(call, MANY, 1) == []
