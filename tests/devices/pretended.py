"""A second device, pretended: tensors that compute on the CPU and are told to be elsewhere.

They say that their device is ``meta`` and hold their numbers on the CPU, so that a function runs
to its end on real values. As between a CPU and a GPU, an operation of a tensor from each raises,
save where torch allows it: a CPU's single number, a CPU's indices, and copies.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

from superpos import checks
from superpos.compute import processes

DEVICE = torch.device("meta")
_INDEXING = {"aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"}
_JOINING = {"aten::cat", "aten::stack"}  # for which a single number is no exception
_READING = {
    getattr(Tensor, name)
    for name in ("item", "tolist", "__bool__", "__int__", "__float__", "__index__", "__format__")
}


class Forked(Exception):
    """Processes were to be made, which a real second device does not survive."""


class Elsewhere(Tensor):
    """A tensor that is told to be on the second device."""

    __torch_function__ = torch._C._disabled_torch_function_impl
    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> Elsewhere:
        made = Tensor._make_wrapper_subclass(  # pyright: ignore[reportAttributeAccessIssue]
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(),
            dtype=held.dtype, device=DEVICE,
        )  # fmt: skip
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None) -> Any:
        return _compute(func, args, kwargs or {})


def _compute(func, args, kwargs) -> Any:
    """Compute on the CPU what torch would there, if it would."""
    name, draws, device = func._schema.name, kwargs.get("generator"), kwargs.get("device")
    there = any(map(_there, tree_leaves((args, kwargs))))
    lands_there = there if device is None else torch.device(device) == DEVICE
    if name == "aten::copy_":
        lands_there = _there(args[0])
    elif there and name != "aten::_to_copy":
        _refuse_two_devices(name, args, kwargs)
    if draws is not None and lands_there != (draws._cdata in _Generator.made):
        raise RuntimeError(f"a generator of another device in {name}")
    found = func(*tree_map(_held, args), **tree_map(_held, kwargs))
    if not lands_there:
        return args[0] if name == "aten::copy_" else found
    found = tree_map(lambda value: Elsewhere(value) if isinstance(value, Tensor) else value, found)
    return return_and_correct_aliasing(func, args, kwargs, found)


def _refuse_two_devices(name: str, args, kwargs) -> None:
    if name in _INDEXING and _there(args[0]):  # a tensor there may be indexed by the CPU's
        args = (args[0], *args[2:])
    for value in tree_leaves((args, kwargs)):
        if isinstance(value, Tensor) and not _there(value) and (value.ndim or name in _JOINING):
            raise RuntimeError(f"tensors on two devices in {name}")


def _held(value: Any) -> Any:
    if _there(value):
        return value.held
    return torch.device("cpu") if isinstance(value, torch.device) else value


class _AreTorchs(type(torch.Generator)):
    """What `_Generator` makes is a generator of torch, and so is one of its own."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _OF_TORCH)


class _Generator(torch.Generator, metaclass=_AreTorchs):
    """A generator of the second device, where that is asked for."""

    made: ClassVar[dict[int, torch.Generator]] = {}  # alive, so that no other gets its number

    def __new__(cls, device: str | torch.device = "cpu") -> torch.Generator:
        if torch.device(device) != DEVICE:
            return _OF_TORCH(device)
        found = _OF_TORCH()
        cls.made[found._cdata] = found  # pyright: ignore[reportAttributeAccessIssue]
        return found


_OF_TORCH = torch.Generator


class _Dispatch(TorchDispatchMode):
    """What makes tensors there when asked to, without one there among its arguments."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None) -> Any:
        return _compute(func, args, kwargs or {})


class _Functions(TorchFunctionMode):
    """What torch does for its own ``meta`` tensors, which have no numbers, before it dispatches."""

    def __torch_function__(self, func, types, args=(), kwargs=None) -> Any:
        kwargs = kwargs or {}
        if func in _READING:
            args = tree_map(lambda value: value.detach().cpu() if _there(value) else value, args)
        elif func in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            device = kwargs["device"]
            if not isinstance(args[0], Tensor) and torch.device(device) == DEVICE:
                return func(*args, **kwargs | {"device": "cpu"}).to(device)
        elif func in (Tensor.__getitem__, Tensor.__setitem__) and _there(args[0]):
            parts = args[1] if isinstance(args[1], tuple) else (args[1],)
            args = (args[0], tuple(map(_place, parts)), *args[2:])
        elif func is Tensor.new_tensor and _there(args[0]):
            return torch.tensor(args[1], dtype=kwargs.get("dtype", args[0].dtype)).to(DEVICE)
        return func(*args, **kwargs)


def _place(part: Any) -> Any:
    """Return a list of places as a tensor: torch would make it there."""
    listed = isinstance(part, list | range | np.ndarray)
    return torch.as_tensor(np.asarray(part, dtype=None if len(part) else int)) if listed else part


def _there(value: Any) -> bool:
    return isinstance(value, Elsewhere)


@contextmanager
def second_device() -> Iterator[torch.device]:
    """Give a device that is not the CPU, from which nothing can be forked, while this lasts."""

    def forked(count: int) -> Any:
        raise Forked

    with pytest.MonkeyPatch.context() as patch, _Functions(), _Dispatch():
        patch.setattr(processes, "processes", forked)
        patch.setattr(checks, "_is_abstract", lambda value: False)  # it is told to be "meta"
        patch.setattr(torch, "Generator", _Generator)
        try:
            yield DEVICE
        finally:
            _Generator.made.clear()
