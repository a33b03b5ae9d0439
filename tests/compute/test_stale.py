"""A stored piece does not outlive a change of what made it: it is computed again, or refused."""

from __future__ import annotations

import functools
import importlib
import re
import statistics
import sys
import sysconfig
import types
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
import torch

from superpos import sweep
from superpos.compute import content
from superpos.compute.installed import release
from superpos.errors import InvalidArgument


def experiment(definitions: str, value: str, n: int) -> Callable:
    """An experiment as a notebook has it, which multiplies by ``value``; N stands for a number."""
    source = f"{definitions}\ndef scaled(a):\n return {{'x': [v * ({value}) for v in a]}}"
    scope = {"__name__": "__main__"}
    exec(re.sub(r"\bN\b", str(n), source), scope)
    return scope["scaled"]


def swept(run: Callable, store: Path | bool) -> list:
    return sweep(run, {"a": [1, 10]}, store=store).x.values.tolist()


def pieces(store: Path) -> list[Path]:
    return list(store.rglob("*.safetensors"))


def cases(text: str) -> dict[str, tuple[str, str]]:
    """Read cases: a name and a value after ``##``, and below them the definitions it needs."""
    found = {}
    for case in text.split("\n## ")[1:]:
        head, _, definitions = case.partition("\n")
        name, _, value = head.partition(": ")
        found[name] = definitions, value
    return found


# What an experiment may use: 2 in place of N, then 3, then 2 again
SEEN = cases(
    r"""
# constants of classes, and what is inherited

## class constant: C.R
class C: R = N

## inherited constant: C.R
class B: R = N
class C(B): pass

## inherited method: C().f()
class B:
    def f(self): return N
class C(B): pass

## method of super: C().f()
class B:
    def f(self): return N
class C(B):
    def f(self): return super().f()

## nested class: C.D.R
class C:
    class D: R = N

## object of a nested class: d.R
class C:
    class D: R = N
d = C.D()

## constant of a metaclass: C.R
class M(type): R = N
class C(metaclass=M): pass

## method of a metaclass: len(C)
class M(type):
    def __len__(cls): return N
class C(metaclass=M): pass

## class registered with another: 2 if isinstance(1, A) else 3
import abc
class A(abc.ABC): pass
A.register({2: int, 3: str}[N])

## class changed after: C().f()
class C:
    def f(self): pass
C.f = lambda self: N

## generic class: C.R
from typing import Generic, TypeVar
class C(Generic[TypeVar('T')]): R = N

# methods and descriptors

## property: C().r
class C:
    @property
    def r(self): return N

## class method: C.r()
class C:
    @classmethod
    def r(cls): return N

## static method: C.r()
class C:
    @staticmethod
    def r(): return N

## cached property: C().r
import functools
class C:
    @functools.cached_property
    def r(self): return N

## partial method: C().f()
import functools
class C:
    def g(self, r): return r
    f = functools.partialmethod(g, N)

## dispatched method: C().f(1)
import functools
class C:
    @functools.singledispatchmethod
    def f(self, x): pass
    @f.register
    def _(self, x: int): return N

## state of a descriptor: C.r
class D:
    def __init__(self, r): self.r = r
    def __get__(self, i, o): return self.r
class C: r = D(N)

## code of a descriptor: C.r
class D:
    def __get__(self, i, o): return N
class C: r = D()

## attribute on request: C().r
class C:
    def __getattr__(self, name): return N

# enumerations

## enumeration: C.R.value
import enum
class C(enum.Enum): R = N

## member of an enumeration: r.value
import enum
class C(enum.Enum): R = N
r = C.R

## whole numbers enumerated: C.R
import enum
class C(enum.IntEnum): R = N

## flag: C.S.value.bit_length() - 1
import enum
class C(enum.Flag):
    R = 1
    S = 1 << N

## method of an enumeration: C.R.f()
import enum
class C(enum.Enum):
    R = 1
    def f(self): return N

# dataclasses and tuples with names

## default of a field: C().r
from dataclasses import dataclass
@dataclass
class C: r: int = N

## factory of a field: C().r[0]
from dataclasses import dataclass, field
@dataclass
class C: r: list = field(default_factory=lambda: [N])

## dataclass with slots: c.r
from dataclasses import dataclass
@dataclass(frozen=True, slots=True)
class C: r: int
c = C(N)

## dataclass made by a call: C().r
from dataclasses import make_dataclass
C = make_dataclass('C', [('r', int, N)])

## default of a named tuple: C().r
from typing import NamedTuple
class C(NamedTuple):
    r: int = N

# objects

## state of a callable: f()
class C:
    def __init__(self, r): self.r = r
    def __call__(self): return self.r
f = C(N)

## slots: c.r
class C: __slots__ = ('r',)
c = C()
c.r = N

## private slot: c.f()
class C:
    __slots__ = ('__r',)
    def __init__(self): self.__r = N
    def f(self): return self.__r
c = C()

## method of one object: c.f()
class C: pass
c = C()
c.f = lambda: N

## object that holds itself: c.c.c.r
class C: pass
c = C()
c.c = c
c.r = N

## object that hides what it holds: c.r
class C:
    def __init__(self): self.r = N
    def __reduce__(self): return (C, ())
c = C()

## object that forgets what it holds: c.r
class C:
    def __init__(self): self.r = N
    def __getstate__(self): return {}
c = C()

## kind of number: int(r)
class I(int): pass
r = I(N)

## attribute of a number: r.r
class F(float): pass
r = F(1)
r.r = N

## kind of text: len(r)
class S(str):
    def __len__(self): return N
r = S()

## kind of list: r[0]
class L(list): pass
r = L([N])

## kind of set: max(r)
class S(set): pass
r = S([N])

## kind of mapping: r[0]
class D(dict):
    def __missing__(self, key): return N
r = D()

## object with a lock: c.f()
import threading
class C:
    def __init__(self): self.lock, self.r = threading.RLock(), N
    def f(self):
        with self.lock: return self.r
c = C()

## exception: r.args[0]
r = ValueError(N)

## context variable: r.get()
import contextvars
r = contextvars.ContextVar('r', default=N)

# functions that are made of others

## cached function: f()
import functools
@functools.cache
def f(): return N

## what a cached function uses: f()
import functools
R = N
@functools.lru_cache(maxsize=3)
def f(): return R

## function that is wrapped: f()
import functools
def d(g):
    @functools.wraps(g)
    def w(): return g() + N - 1
    return w
@d
def f(): return 1

## wrapper of what is installed: f([1])
import functools, math
def d(g):
    @functools.wraps(g)
    def w(x): return g(x) * N
    return w
f = d(math.prod)

## wrapper of an installed function: f([1])
import functools, statistics
def d(g):
    @functools.wraps(g)
    def w(x): return g(x) * N
    return w
f = d(statistics.mean)

## partial: f()
import functools
f = functools.partial(lambda r: r, N)

## dispatched function: f(1)
import functools
@functools.singledispatch
def f(x): pass
@f.register
def _(x: int): return N

## context: g()
import contextlib
@contextlib.contextmanager
def f(): yield N
def g():
    with f() as r: return r

## order: 2 if C() <= C() else 3
import functools
@functools.total_ordering
class C:
    def __eq__(s, o): return False
    def __lt__(s, o): return N == 2

## function in a collection: T[0]['f'][0]()
T = ({'f': [lambda: N]},)

## function in a set: max(f() for f in S)
def f(): return N
def g(): return 1
S = {f, g}

## function in a set that it uses: f()
S = set()
def f(): return N if S else 0
S.add(f)

## functions that use each other: f(3)
def f(x): return g(x)
def g(x): return f(x - 1) if x else N

## attribute of a function: f.r
def f(): pass
f.r = N

## default that was changed: f()
def f(r=[1]): return r[0]
f.__defaults__[0][0] = N

## keyword's default: f()
def f(*, r=N): return r

## cell that was changed: f()
def m():
    r = 1
    def f(): return r
    r = N
    return f
f = m()

## name of a function: int(f.__name__[1])
def f2(): pass
def f3(): pass
f = {2: f2, 3: f3}[N]

## name that was given to a function: int(f.__name__)
def f(): pass
f.__name__ = str(N)

## name that hides a builtin: len([1, 1])
if N == 3:
    def len(x): return 3

## range of an attempt: f()
def g(): raise KeyError
def f():
    try:
        r = 3
        {2: g, 3: int}[N]()
    except KeyError: r = 2
    return r

# scopes

## inner scopes: f()()
R = N
def f():
    def g(): return lambda: [R for _ in 'x'][0]
    return g()

## class in a function: f()
R = N
def f():
    class C: r = R
    return C.r

## one name in two scopes: f()
r = N
def m():
    r = 0
    def f():
        def g():
            global r
            return r
        return r + g()
    return f
f = m()

# bound methods, of C's too

## method of a mapping: f('r')
f = {'r': N}.get

## method of an object: f()
class C:
    def f(self): return self.r
c = C()
c.r = N
f = c.f

## method of a class: f()
class C:
    r = N
    @classmethod
    def f(cls): return cls.r
f = C.f

## part that is taken: f([0, 1, 2, 3])
from operator import itemgetter
f = itemgetter(N)

## method that is called: f([0, 1, 2, 3])
from operator import methodcaller
f = methodcaller('index', N)

# collections

## list or tuple: 2 if isinstance(r, tuple) else 3
r = {2: (1,), 3: [1]}[N]

## order of a mapping: next(iter(r))
r = {2: {2: 0, 3: 0}, 3: {3: 0, 2: 0}}[N]

## default of a mapping: r[0]
from collections import defaultdict
r = defaultdict(lambda: N)

## counts: r['x']
from collections import Counter
r = Counter('x' * N)

## mapping that is shown: r[0]
from types import MappingProxyType
r = MappingProxyType({0: N})

## list in itself: r[1][1][0]
r = [N]
r.append(r)

## iterator: next(r)
r = iter([N] * 9)

## bytes: r[0]
r = bytearray([N])

## exact number: int(r)
from fractions import Fraction
r = Fraction(N)

## pattern: len(r.match('xxx').group())
import re
r = re.compile('x{%d}' % N)

# NumPy and torch

## vectorised function: int(f(1))
import numpy as np
f = np.vectorize(lambda x: x * N)

## one of two of NumPy's functions: int(f(3, 1))
import numpy as np
f = {2: np.subtract, 3: np.multiply}[N]

## array of objects: r[0]
import numpy as np
r = np.array([N, None])

## masked array: int(r.sum())
import numpy as np
r = np.ma.array([2, 3], mask=[N == 3, N == 2])

## array with fields: int(r['x'][0])
import numpy as np
r = np.array([(N,)], dtype=[('x', 'i4')])

## NumPy's generator: int(copy(r).integers(2, 4))
import numpy as np
from copy import deepcopy as copy
r = np.random.default_rng(N - 1)

## without gradients: f()
import torch
@torch.no_grad()
def f(): return N

## what that uses: f()
import torch
R = N
@torch.no_grad()
def f(): return R

## torch module: m(1)
import torch
class M(torch.nn.Module):
    def forward(self, x): return x * N
m = M()

## parameters of a torch module: round(m(torch.ones(1)).item())
import torch
m = torch.nn.Linear(1, 1, bias=False).requires_grad_(False)
m.weight[0, 0] = N

## torch function with a gradient: int(F.apply(torch.tensor(1)))
import torch
class F(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x): return x * N

## torch's transformed function: int(f(torch.tensor(1.0)))
import torch
f = torch.func.grad(lambda x: x * N)

## attribute put into an installed module: np.of_mine()
import numpy as np
np.of_mine = lambda: N
"""
)


@pytest.mark.parametrize("kind", SEEN)
def test_a_change_of_what_an_experiment_uses_is_seen(kind, tmp_path):
    found = [swept(experiment(*SEEN[kind], n), tmp_path) for n in (2, 3)]
    assert found == [[2, 20], [3, 30]]
    before = pieces(tmp_path)
    assert swept(experiment(*SEEN[kind], 2), tmp_path) == [2, 20]
    assert len(pieces(tmp_path)) == len(before) == 4, "what has not changed is computed again"


# What cannot be told, by the name that a message gives it
REFUSED = cases(
    """
## globals (globals): globals()['R']
R = N

## __globals__ (globals of a function): f.__globals__['R']
R = N
def f(): pass

## __globals__ (the same, asked for): getattr(f, '__globals__')['R']
R = N
def f(): pass

## eval (evaluated text): eval('R')
R = N

## value_of (eval by another name): value_of('R')
R = N
value_of = eval

## builtins.eval (eval of a module): builtins.eval('R')
import builtins
R = N

## exec (executed text): f()
R = N
def f():
    exec('r = R')
    return R

## sys.modules (loaded modules): vars(sys.modules[f.__module__])
import sys
R = N

## importlib.import_module (modules loaded by name): f() or R
import importlib
R = N
def f(): importlib.import_module('os')

## import_module (import inside, by name): f()
def f():
    from importlib import import_module as load
    load('os')
    return N

## f_globals (frames): sys._getframe().f_globals['R']
import sys
R = N

## g (generator): next(g)
g = (N for _ in range(9))

## c.g (generator in an object): c.f()
class C:
    def __init__(self): self.g = (N for _ in range(9))
    def f(self): return next(self.g)
c = C()

## w (weak reference): w().R
import weakref
class C: R = N
c = C()
w = weakref.ref(c)

## f (file): f.read() or N
import os
f = open(os.devnull)

## S (sentinel): N if S else 0
S = object()

## f (function that NumPy hides): f(1)
import numpy as np
f = np.frompyfunc(lambda x: x * N, 1, 1)

## k (key that hides a function): sorted([2, 3], key=k)[0]
import functools
k = functools.cmp_to_key(lambda x, y: (x - y) * (5 - 2 * N))

## f (cache that says another function): f()
import functools
def g(): pass
f = functools.lru_cache(lambda: N)
functools.update_wrapper(f, g)

## m. (compiled torch module): int(m(torch.ones(1, dtype=int)))
import torch
R = N
class M(torch.nn.Module):
    def forward(self, x): return x * R
m = torch.jit.trace(M(), torch.ones(1, dtype=int))
"""
)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_told_is_refused_with_its_name_and_the_way_out(kind, tmp_path):
    name = kind.partition(" (")[0]
    with pytest.raises(InvalidArgument, match=rf"{re.escape(name)}.*; sweep\(..., store=False\)"):
        swept(experiment(*REFUSED[kind], 2), tmp_path)
    assert not pieces(tmp_path)


def test_the_way_out_is_one(tmp_path):
    for n in (2, 3):
        assert swept(experiment("R = N", "globals()['R']", n), False) == [n, 10 * n]


# Modules of one's own

HELPERS = {
    "helpers.py": """
        import numpy as np
        from others import factor
        R = N
        def f(x):
            return x * g()
        def g():
            return R
        def far(x):
            return x * factor()
        """,
    "others.py": """
        def factor():
            return N
        """,
    "kit/__init__.py": "",
    "kit/part.py": """
        from . import rest
        def f(x):
            return rest.f(x)
        """,
    "kit/rest.py": """
        def f(x):
            return x * N
        """,
}
USES = cases(
    """
## attribute: helpers.f(1)
import helpers

## name: f(1)
from helpers import f

## another name: h.f(1)
import helpers as h

## constant: helpers.R
import helpers

## far: helpers.far(1)
import helpers

## part of a package: kit.part.f(1)
import kit.part

## part by name: part.f(1)
from kit import part

## import inside: f()
def f():
    import helpers
    return helpers.f(1)

## import inside, from: f()
def f():
    from helpers import f as g
    return g(1)

## import inside, part: f()
def f():
    import kit.part
    return kit.part.f(1)

## import inside, part as: f()
def f():
    import kit.part as p
    return p.f(1)

## import inside, part from: f()
def f():
    from kit import part
    return part.f(1)

## import inside, used further in: f()
def f():
    import helpers
    return [helpers.f(1) for _ in 'x'][0]

## computed name: getattr(helpers, name)(1)
import helpers
name = 'f'

## computed name in a package: getattr(kit, name).f(1)
import kit.part
name = 'part'

## value: tools[0].f(1)
import helpers
tools = [helpers]

## cell: f()
import helpers
def m(h):
    def f(): return h.f(1)
    return f
f = m(helpers)

## class: C().f()
import helpers
class C:
    def f(self): return helpers.f(1)

## vectorised: int(f(1))
import numpy as np, helpers
f = np.vectorize(helpers.f)
"""
)


@pytest.fixture
def helpers(tmp_path, monkeypatch):
    """Write modules of one's own, in which N is a number, to be imported anew."""
    monkeypatch.syspath_prepend(tmp_path / "own")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def forget() -> None:
        for name in [name for name in sys.modules if f"{name.partition('.')[0]}" in OWN]:
            del sys.modules[name]
        importlib.invalidate_caches()

    def write(n: int) -> None:
        for name, source in HELPERS.items():
            path = tmp_path / "own" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(re.sub(r"\bN\b", str(n), dedent(source)))
        forget()

    yield write
    forget()


OWN = {"helpers", "others", "kit"}


@pytest.mark.parametrize("use", USES)
def test_a_change_of_a_module_of_ones_own_is_seen(use, tmp_path, helpers):
    store = tmp_path / "store"
    for n in (2, 3, 2):
        helpers(n)
        assert swept(experiment(*USES[use], 0), store) == [n, 10 * n]
    assert len(pieces(store)) == 4, "what has not changed is computed again"


def test_what_a_module_of_ones_own_has_beside_does_not_matter(tmp_path, helpers):
    helpers(2)
    swept(experiment("import helpers", "helpers.f(1)", 0), tmp_path / "store")
    (tmp_path / "own" / "others.py").write_text("def factor():\n    return 5\n")
    for name in OWN & {*sys.modules}:
        del sys.modules[name]
    swept(experiment("import helpers", "helpers.f(1)", 0), tmp_path / "store")
    assert len(pieces(tmp_path / "store")) == 2


def test_a_module_among_the_installed_without_a_version_is_ones_own(tmp_path, monkeypatch):
    place = Path(sysconfig.get_path("purelib"))
    stray = types.ModuleType("stray_module_of_a_test")
    stray.__file__ = str(place / "stray_module_of_a_test.py")
    monkeypatch.setitem(sys.modules, stray.__name__, stray)
    for n in (2, 3):
        exec(f"def f(): return {n}", vars(stray))
        assert swept(experiment(f"import {stray.__name__} as s", "s.f()", 0), tmp_path) == [
            n,
            10 * n,
        ]


def test_a_function_put_in_the_place_of_an_installed_one_is_seen(tmp_path, monkeypatch):
    plain = statistics.mean
    for n in (2, 3):

        @functools.wraps(plain)
        def scaled(values, n=n):
            return n * plain(values)

        monkeypatch.setattr(statistics, "mean", scaled)
        use = experiment("import statistics", "statistics.mean([1])", 0)
        assert swept(use, tmp_path) == [n, 10 * n]
        use = experiment("from statistics import mean", "mean([1])", 0)
        assert swept(use, tmp_path) == [n, 10 * n]


def test_the_version_of_an_installed_package_counts_if_it_is_used(tmp_path, monkeypatch):
    def with_and_without(version):
        monkeypatch.setattr(content, "release", lambda module: version(module) or release(module))
        swept(experiment("import yaml", "yaml.safe_load('N')", 2), tmp_path)
        swept(experiment("import numpy", "numpy.add(N, 0)", 2), tmp_path)
        return len(pieces(tmp_path))

    assert with_and_without(lambda module: None) == 4
    newer = with_and_without(lambda module: "PyYAML 99" if module.startswith("yaml") else None)
    assert newer == 6


# Settings of torch


@pytest.mark.parametrize(
    ("set_to", "setting", "back"),
    [
        (torch.set_default_dtype, torch.float64, torch.float32),
        (torch.set_float32_matmul_precision, "medium", "highest"),
    ],
    ids=["type", "precision"],
)
def test_torchs_settings_belong_to_what_is_stored(set_to, setting, back, tmp_path):
    def whole(a):
        return {"x": torch.tensor([1.0 * v for v in a])}

    sweep(whole, {"a": [1, 2]}, store=tmp_path)
    try:
        set_to(setting)
        again = sweep(whole, {"a": [1, 2]}, store=tmp_path)
        assert len(pieces(tmp_path)) == 4
        assert again.x.dtype == (np.float64 if setting is torch.float64 else np.float32)
    finally:
        set_to(back)
    assert sweep(whole, {"a": [1, 2]}, store=tmp_path).x.dtype == np.float32
    assert len(pieces(tmp_path)) == 4


# What does not matter


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(): return 2", "# much\ndef f():\n  'Documented.'\n\n  # to say\n  return (\n   2)"),
        ("def f(): 'One.'; return 2", "def f(): 'Other.'; return 2"),
        ("def f(x=0): return 2", "def f(x: 'int' = 0) -> 'float': return 2"),
        (
            "class C:\n 'One.'\n R = 2\ndef f(): return C.R",
            "class C:\n R: 'x' = 2\ndef f(): return C.R",
        ),
        ("R = S = 2\ndef f(): return R", "R, S = 2, 3\ndef f(): return R"),
        ("def f(): return 2\ndef g(): return 2", "def f(): return 2\ndef g(): return 3"),
    ],
    ids=["lines", "documentation", "annotations", "of classes", "other names", "other functions"],
)
def test_what_changes_no_result_is_not_computed_again(one, other, tmp_path):
    for source in (one, other):
        assert swept(experiment(source, "f()", 0), tmp_path) == [2, 20]
    assert len(pieces(tmp_path)) == 2
