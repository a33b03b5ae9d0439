"""What a value is, as a text: data by content, functions by what they do and use.

A stored result may be used again only while nothing has changed that made it. So nothing is taken
on trust: a function is followed into all that it uses, whoever wrote it, this package's functions
included; what is installed is told by name and version; what cannot be followed is refused.

Why this package's functions are not told by the sources of their modules: a result would depend
on everything that stands beside what computes it, a test of a claim, a docstring; and a source is
what lies on the disk, which while somebody edits it is not what runs. An experiment that trains
uses some 260 functions and classes, told in 0.03 s, and in 0.1 s the first time. That all of the
package can be told is tested.

Not told is what a function reads while it runs (files, the clock, the environment, the network,
the global random generators), what it has kept of earlier calls (`functools.cache`), and the gate
before it (`superpos.compute.gates`), which changes no number.
"""

from __future__ import annotations

import builtins
import contextlib
import copyreg
import enum
import functools
import gc
import importlib.util
import inspect
import pkgutil
import re
import runpy
import sys
import threading
import types
from abc import ABCMeta
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path, PurePath
from reprlib import Repr
from typing import Any

import numpy as np
import torch

from superpos.compute.bytecode import Import, constant, read
from superpos.compute.fingerprint import NAME, digest
from superpos.compute.gates import behind
from superpos.compute.installed import release
from superpos.errors import InvalidArgument

# what keeps results, shows how far they are, finds who computes them and where files are: it
# changes none; and what reads the registry, whose thresholds `superpos.studies.code` tells
BESIDE = frozenset(
    f"{NAME}.{name}"
    for name in (
        *("compute.bytecode", "compute.content", "compute.fingerprint", "compute.installed"),
        *("compute.store", "compute.executors", "compute.gathering", "compute.progress", "project"),
        "claims.registry",
    )
)
_PLAIN = (bool, int, float, complex, str, bytes, range, type(None), type(...), type(NotImplemented))
_COLLECTIONS = (dict, list, tuple, set, frozenset, types.MappingProxyType)
_OF_TORCH = (torch.device, torch.dtype, torch.layout, torch.memory_format)
_BUILTIN = (
    types.BuiltinFunctionType, types.MethodWrapperType, types.MethodDescriptorType,
    types.WrapperDescriptorType, types.ClassMethodDescriptorType,
)  # fmt: skip
_LOCKS = (type(threading.Lock()), type(threading.RLock()))
# by these, or through these attributes, code reaches what its names do not tell
_REACHES_ANYTHING = (
    builtins.eval, builtins.exec, builtins.globals, builtins.__import__, importlib.import_module,
    importlib.__import__, importlib.reload, inspect.currentframe, inspect.stack, runpy.run_module,
    runpy.run_path, pkgutil.resolve_name, sys._getframe, sys.modules,
)  # fmt: skip
_REACHED_THROUGH = {"__globals__", "f_globals", "f_locals", "__subclasses__", "__builtins__"}
_NOT_OF_A_CLASS = {  # __init_subclass__ runs once, on what is then told of the subclass itself
    "__abstractmethods__", "__annotate__", "__annotations__", "__dict__", "__doc__",
    "__firstlineno__", "__init_subclass__", "__module__", "__orig_bases__", "__parameters__",
    "__slotnames__", "__static_attributes__", "__type_params__", "__weakref__", "_abc_impl",
    "_autograd_function_id",
}  # fmt: skip
_NOT_OF_A_MODULE = {
    "__annotations__", "__builtins__", "__cached__", "__doc__", "__file__", "__loader__",
    "__name__", "__package__", "__path__", "__spec__", "__warningregistry__",
}  # fmt: skip
_IS_PYTHONS = 1 << 9  # flag of classes: made while Python runs, as by a `class` statement
_MISSING = object()
_abc = importlib.import_module("_abc")  # knows which classes are registered with an abstract one
_short = Repr()
_short.maxother = _short.maxstring = 80


def described(value: Any, *, anywhere: bool = False) -> str:
    """Return a text that differs when the value does.

    Collections, arrays and objects are told by their content, functions and classes by what they
    do, with everything that they use from around them; what is installed, by name and version.

    Parameters
    ----------
    value
        Anything that holds no more than can be sent to another process.
    anywhere
        Whether the text is to be the same in another checkout, with other versions of what is
        installed, whatever has been loaded: then neither those are told nor where a module's own
        file lies.

    Raises
    ------
    InvalidArgument
        Naming the value, if it cannot be told from others of its kind, and where it was met.

    Examples
    --------
    >>> described({"n": 5, "p": (0.1, None)})
    "{'n':5,'p':(0.1,None,)}"
    >>> described(lambda x: x + 1) == described(lambda x: x + 2)
    False
    """
    return _Description(anywhere=anywhere).whole(value)


class _Description:
    """A description being made.

    Functions, classes, modules and objects are given numbers where they are first met, and told
    one after the other: they may use each other, in whatever depth.
    """

    def __init__(
        self,
        sets: tuple[int, ...] = (),
        trail: tuple[str, ...] = (),
        *,
        anywhere: bool = False,
    ) -> None:
        self.sets = sets  # those inside of which this is made
        self.open: list[int] = []  # collections that are being told
        self.numbers: dict[int, int] = {}
        self.met: list[tuple[Any, tuple[str, ...]]] = []  # and kept, so that ids stay theirs
        self.trail = trail  # of names, to the value that is being told
        self.releases: set[str] = set()
        self.anywhere = anywhere

    def whole(self, value: Any) -> str:
        told = [self.of(value)]
        for number, (met, trail) in enumerate(self.met):  # which grows meanwhile
            self.trail = trail
            told.append(f"{number}={self.inside(met)}")
        told += [] if self.anywhere else sorted(self.releases)
        return "\n".join(told)

    # What a value is

    def of(self, value: Any) -> str:
        kind = type(value)  # and not its __class__, which may be another's
        if kind is types.FunctionType:
            value = behind(value)  # a gate refuses, or writes the same numbers otherwise
        if kind in _PLAIN or kind in _OF_TORCH:
            return repr(value)
        if value is _MISSING:
            return "missing"
        if any(value is each for each in _REACHES_ANYTHING):
            where = ".".join(self.trail) or value.__name__
            raise InvalidArgument(f"{where} may reach anything, also what its names do not tell")
        if kind in _COLLECTIONS:
            return self.collection(value)
        if issubclass(kind, torch.Tensor | np.generic) or kind is np.ndarray:
            return self.array(value)
        if kind in (types.CodeType, slice):
            return constant(value)
        if kind in _LOCKS:  # which let one by after the other, and change no result
            return kind.__name__
        if kind in _BUILTIN:
            return self.builtin(value)
        if (parts := _parts(value)) is not None:
            return f"{kind.__name__}{self.of(parts)}"
        if issubclass(kind, types.FunctionType | type | types.ModuleType):
            return self.name_of(value) or self.numbered(value)
        if issubclass(kind, PurePath) and self.name_of(kind):
            return repr(value)
        return self.numbered(value)

    def numbered(self, value: Any) -> str:
        if id(value) not in self.numbers:
            self.numbers[id(value)] = len(self.met)
            self.met.append((value, self.trail))
        return f"<{self.numbers[id(value)]}>"

    def collection(self, value) -> str:
        if id(value) in (*self.open, *self.sets):
            return "<itself>"
        if _is(value, set | frozenset):  # told apart before any is numbered: in no order
            sets, anywhere = (*self.sets, id(value)), self.anywhere
            inside = (_Description(sets, self.trail, anywhere=anywhere) for _ in value)
            told = [each.whole(item) for each, item in zip(inside, value, strict=True)]
            return type(value).__name__ + "{" + ",".join(sorted(told)) + "}"
        self.open.append(id(value))
        try:
            if _is(value, list | tuple):
                inside = "".join(f"{self.of(item)}," for item in value)
                return f"({inside})" if _is(value, tuple) else f"[{inside}]"
            pairs = (f"{self.of(key)}:{self.at(key, value[key])}" for key in value)
            kind = "" if _is(value, dict) else "proxy"
            return kind + "{" + ",".join(pairs) + "}"
        finally:
            self.open.pop()

    def at(self, name: Any, value: Any) -> str:
        """Tell what stands under a name, which is told too if it is refused."""
        before = self.trail
        if _is(name, str):
            self.trail = (*before, name)
        told = self.of(value)
        self.trail = before
        return told

    def array(self, value) -> str:
        """Tell an array of numpy's, or a tensor of whatever class and type."""
        kind = f"{type(value).__name__} {value.dtype}{tuple(value.shape)}"
        if _is(value, torch.Tensor):
            kind += f"{value.device}{value.requires_grad}"
            try:
                plain = value.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
                data = plain.view(torch.uint8).numpy().tobytes()
            except (RuntimeError, NotImplementedError):  # sparse, quantised, without data
                raise self.refusal(value) from None
            if type(value) not in (torch.Tensor, torch.nn.Parameter) or vars(value):
                kind += self.of((type(value), vars(value)))
        elif value.dtype.hasobject:
            return kind + self.of(value.tolist())
        else:
            data = value.tobytes()
        return kind + digest(data)

    # What is installed

    def installed(self, module: str | None, name: str = "") -> str | None:
        """Return the name of what belongs to an installed module, and note its version."""
        if module is None or module.partition(".")[0] == NAME:
            return f"{module}.{name}" if module in BESIDE else None
        if (version := release(module)) is None:
            return None
        self.releases.add(version)
        return f"{module}.{name}"

    def name_of(self, value: Any) -> str | None:
        """Return the name of what is installed, if it is found under that name."""
        if _is(value, types.ModuleType):
            is_loaded = sys.modules.get(value.__name__) is value
            return self.installed(value.__name__) if is_loaded else None
        if _is(value, types.FunctionType):
            # a decorator may have given its own function the name of another
            if self.installed(_home(value)) is None:
                return None
        elif not value.__flags__ & _IS_PYTHONS:
            return self.installed(value.__module__, value.__qualname__)
        for home in (value.__module__, _home(value)):
            if _found(home, value.__qualname__) is value:
                return self.installed(home, value.__qualname__)
        return None

    def builtin(self, value) -> str:
        """Tell a function of C's: of a module, or bound to a value."""
        owner = getattr(value, "__self__", None)
        if owner is None or isinstance(owner, types.ModuleType):
            owner = getattr(value, "__objclass__", owner)
        if isinstance(owner, types.ModuleType) or owner is None:
            home = value.__module__ or getattr(owner, "__name__", None)
            if (name := self.installed(home, value.__qualname__)) is None:
                raise self.refusal(value)
            return name
        return f"{value.__name__} of {self.of(owner)}"

    # What functions, classes, modules and objects hold

    def inside(self, value: Any) -> str:
        if _is(value, types.FunctionType):
            return self.function(value)
        if _is(value, type):
            return self.a_class(value)
        if _is(value, types.ModuleType):
            return self.module(value)
        return self.instance(value)

    def function(self, value: types.FunctionType) -> str:
        code = value.__code__
        name = self.installed(_home(value), code.co_qualname)
        does = read(code).text
        if name == "functools.singledispatch.<locals>.wrapper":  # whose cache changes with its use
            return f"{name}{self.of(value.registry)}"
        given = self.of((value.__name__, value.__defaults__, value.__kwdefaults__, vars(value)))
        cells = dict(zip(code.co_freevars, map(_held, value.__closure__ or ()), strict=True))
        around = self.used(value, cells) if name is None else name + self.of(cells)
        return f"{does}{given}{around}"

    def used(self, function: types.FunctionType, cells: Mapping[str, Any]) -> str:
        """Tell the values that a function uses from around it, by name."""
        reading = read(function.__code__)
        if through := sorted(_REACHED_THROUGH & reading.words):
            raise self.refusal(function, f"uses {through[0]}, and so may reach anything")
        own = function.__globals__
        told = {
            f"{name} around it": self.at(name, cell)
            for name, cell in cells.items()
            if not _is_module(cell)
        }
        for use in reading.uses:
            for bound, found in reading.imports:
                if bound == use.name:
                    self.imported(told, found, use.attributes, own)
            if use.name in cells and _is_module(cells[use.name]):
                self.reached(told, cells[use.name], use.attributes, f"{use.name} around it")
            if use.is_global:
                value = own.get(use.name, getattr(builtins, use.name, _MISSING))
                self.reached(told, value, use.attributes, use.name)
        return "{" + ",".join(f"{name}:{told[name]}" for name in sorted(told)) + "}"

    def imported(
        self, told: dict[str, str], found: Import, attributes: tuple[str, ...], own: Mapping
    ) -> None:
        """Tell what a function imports, with the attributes that it goes on to."""
        package = own.get("__package__") or own.get("__name__", "").rpartition(".")[0]
        try:
            name = importlib.util.resolve_name("." * found.level + found.module, package)
        except ImportError:  # the function will say so
            return
        is_left = self.anywhere or name not in sys.modules  # it need not be loaded: that takes long
        if is_left and (home := self.installed(name)):
            told[f"{name} imported"] = home
            return
        module = _loaded(name)
        if found.from_top and module is not _MISSING:
            name = name.partition(".")[0]
            module = sys.modules[name]
        self.reached(told, module, (*found.attributes, *attributes), f"{name} imported")

    def reached(
        self, told: dict[str, str], value: Any, attributes: tuple[str, ...], name: str
    ) -> None:
        """Tell what is reached from a value through attributes, as far as these are modules'."""
        while attributes and _is_module(value) and not self.name_of(value):
            name = f"{name}.{attributes[0]}"
            value, attributes = _attribute(value, attributes[0]), attributes[1:]
        if self.anywhere and name == "__file__":
            told[name] = "where it lies"
        elif _is_module(value) and (home := self.name_of(value)):
            for attribute in attributes:
                name, home = f"{name}.{attribute}", f"{home}.{attribute}"
                value = getattr(value, attribute, None)
                is_code = _is(value, types.FunctionType | type)
                is_others = is_code and self.name_of(value) is None  # put there by somebody
                if is_others or any(value is each for each in _REACHES_ANYTHING):
                    home = self.at(name, value)
            told[name] = home
        elif name not in told:
            told[name] = self.at(name, value)

    def a_class(self, value: type) -> str:
        own = {
            name: what
            for name, what in vars(value).items()
            if name not in _NOT_OF_A_CLASS and not _is(what, types.MemberDescriptorType)
        }
        members = {}
        if issubclass(value, enum.Enum):
            members = dict(value.__members__)
            own = {
                name: what
                for name, what in own.items()
                if name not in members and (not _is_sunder(name) or callable(what))
            }
        known = {ref() for ref in _abc._get_dump(value)[0]} if _is(value, ABCMeta) else None
        parts = (type(value), value.__bases__, own, members, known)
        return f"class {value.__name__}{self.of(parts)}"

    def module(self, value: types.ModuleType) -> str:
        """Tell all of a module of one's own; of a package, the sources of what it may yet load."""
        files = {
            path.relative_to(folder).as_posix(): digest(path.read_bytes())
            for folder in getattr(value, "__path__", ())
            for path in sorted(Path(folder).rglob("*.py"))
        }
        own = {name: what for name, what in vars(value).items() if name not in _NOT_OF_A_MODULE}
        if value.__name__ == NAME:  # which needs no other that is not installed
            own = {}
        return f"module {value.__name__}{self.of((own, files))}"

    def instance(self, value: Any) -> str:
        kind = type(value)
        if kind is object:
            raise self.refusal(value)
        if _is(value, enum.Enum):
            return self.of((kind, value._name_, value._value_, _own(value)))
        if _is(value, ContextVar):
            with contextlib.suppress(LookupError):
                return self.of((kind, value.name, value.get()))
            return self.of((kind, value.name))
        if _is(value, set | frozenset):
            return self.of((kind, frozenset(value), _own(value)))
        is_installed = self.name_of(kind) is not None
        made = self.reduced(value) if is_installed or _hides(kind) else None
        if isinstance(made, str):
            return made
        return self.of((kind, made, None if is_installed else _own(value)))

    def reduced(self, value: Any) -> tuple | str:
        """Return what an object would be made of again in another process, or its name."""
        reducer = copyreg.dispatch_table.get(type(value))
        try:
            made = reducer(value) if reducer else value.__reduce_ex__(4)
        except Exception:
            raise self.refusal(value) from None
        if isinstance(made, str):  # what is found under its name, if that is an installed module's
            homes = (module for module in list(sys.modules) if _found(module, made) is value)
            if name := next(filter(None, (self.installed(home, made) for home in homes)), None):
                return name
            raise self.refusal(value)
        parts: tuple[Any, ...] = (*made, None, None, None, None)
        function, arguments, state, items, pairs = parts[:5]
        if type(value) is np.vectorize:  # which notes what it made when it was called
            state = {name: what for name, what in state.items() if name != "_ufunc"}
        items, pairs = (None if each is None else list(each) for each in (items, pairs))
        return function, arguments, state, items, pairs

    def refusal(
        self, value: object, why: str = "cannot be told from others of its kind"
    ) -> InvalidArgument:
        where, what = ".".join(self.trail), " ".join(_short.repr(value).split())
        return InvalidArgument(f"{where} ({what}) {why}" if where else f"{what} {why}")


def _parts(value: Any) -> tuple | None:
    """Return what makes a method, a property or a cached function, and would not be sent."""
    kind = type(value)
    if kind is types.MethodType:
        return (value.__func__, value.__self__)
    if kind in (staticmethod, classmethod):
        return (value.__func__,)
    if kind is property:
        return (value.fget, value.fset, value.fdel)
    if kind is functools.cached_property:
        return (value.func,)
    if kind is functools._lru_cache_wrapper:
        function = value.__wrapped__
        if any(function is each for each in gc.get_referents(value)):  # what it says is what it is
            return (function,)
    return None


def _loaded(module: str) -> Any:
    try:
        return pkgutil.resolve_name(module)
    except Exception:  # whoever imports it will say so, or do without
        return _MISSING


def _attribute(module: types.ModuleType, name: str) -> Any:
    """Return what a module has under a name, be it a part of a package that is not yet loaded."""
    try:
        return getattr(module, name)
    except Exception:
        return _loaded(f"{module.__name__}.{name}") if hasattr(module, "__path__") else _MISSING


def _home(value: Any) -> str | None:
    """Return the module in which a function or class was written, if it says so truly."""
    if _is(value, type):
        return value.__module__
    name = value.__globals__.get("__name__")
    module = sys.modules.get(name)
    return name if module is not None and vars(module) is value.__globals__ else None


def _found(module: str | None, name: str) -> Any:
    """Return what a module has under a dotted name, or None."""
    value = sys.modules.get(module or "")
    for part in name.split("."):
        value = inspect.getattr_static(value, part, None)
    return value


def _is(value: object, kind: type | types.UnionType) -> bool:
    """Return whether a value is of a kind, whatever it says itself: its ``__class__`` may lie."""
    return issubclass(type(value), kind)


def _is_sunder(name: str) -> bool:
    """Return whether a name is like ``_value_``, which enumerations keep for themselves."""
    return re.fullmatch("_[^_](.*[^_])?_", name) is not None


def _is_module(value: object) -> bool:
    return _is(value, types.ModuleType)


def _held(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not bound yet
        return _MISSING


def _hides(kind: type) -> bool:
    """Return whether objects have more than attributes, as lists and numbers do."""
    slots = sum(
        _is(what, types.MemberDescriptorType)
        for each in kind.__mro__
        for what in vars(each).values()
    )
    words = slots + (kind.__dictoffset__ > 0) + (kind.__weakrefoffset__ > 0)
    return bool(kind.__itemsize__) or kind.__basicsize__ > object.__basicsize__ + 8 * words


def _own(value: object) -> dict[str, object]:
    """Return an object's attributes that do not follow from others."""
    found = dict(getattr(value, "__dict__", {}))
    for kind in type(value).__mro__:
        for name, what in vars(kind).items():
            if _is(what, types.MemberDescriptorType):
                with contextlib.suppress(AttributeError):  # not set
                    found[name] = what.__get__(value)
    if _is(value, enum.Enum):
        own = (name for name in found if not _is_sunder(name) and name != "__objclass__")
        return {name: found[name] for name in own}
    return found
