"""What a value is, as a text: what must change it, and what must not."""

from __future__ import annotations

import copyreg
import functools
import importlib
import os
import pkgutil
import subprocess
import sys
import time
import types
from functools import partial

import numpy as np
import pytest
import torch
import xarray

import superpos
from superpos import IndependentFeatures, Procedure, checks, train
from superpos.claims.registry import thresholds
from superpos.compute.content import BESIDE, described
from superpos.compute.gates import gate, one_precision, optional, shapes, tensors
from superpos.errors import InvalidArgument


def differ(*values) -> bool:
    return len({described(value) for value in values}) == len(values)


def test_values_are_told_apart_by_type_shape_and_content():
    assert differ(1, 1.0, True, "1", None, [1], (1,), {1}, {"1": 1}, range(1), b"1")
    assert differ(torch.ones(2), torch.ones(2, 1), torch.ones(2).double(), torch.zeros(2))
    assert differ(torch.ones(2), torch.ones(2).requires_grad_(), torch.ones(2, device="cpu").int())
    assert differ(np.ones(2), np.ones(3), np.float64(1), np.float64(2))
    assert differ(Procedure(), Procedure(steps=5))
    assert differ(IndependentFeatures(2, 0.1), IndependentFeatures(2, torch.tensor([0.1, 0.2])))
    assert differ({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert described({"x", "y", "z"}) == described({"z", "y", "x"})


class Alike:
    """Objects that are found in a set in the order in which they were put there."""

    def __init__(self, value):
        self.value = value

    def __hash__(self):
        return 0


def test_sets_have_no_order():
    one, other = Alike(1), Alike(2)
    assert list({one, other}) != list({other, one})
    assert described({one, other}) == described({other, one})
    assert differ({one, other}, {one, Alike(1)}, {one}, {other}, frozenset({one}))


def made(n, inner=None):
    def experiment(seed):
        return inner(seed) if inner else [n for _ in seed]

    return experiment


def test_functions_are_told_apart_by_code_defaults_and_what_they_use():
    assert differ(lambda x: x, lambda x: x + 1, lambda y, x: x, lambda x=1: x, lambda *, x=1: x)
    assert differ(made(1), made(2), made(1, made(1)), made(1, made(2)))
    assert differ(partial(made, 1), partial(made, 2), partial(made, n=1))
    assert described(made(1)) == described(made(1))


def compiled(text: str, **names):
    exec(text, names)
    return names["f"]


def test_where_a_function_stands_and_what_its_comments_say_does_not_matter():
    plain = compiled("def f(x):\n    return x + y", y=1)
    moved = compiled("\n\n# moved\ndef f(x):\n    # much to say\n    return (x +\n        y)", y=1)
    assert described(plain) == described(moved)
    assert differ(plain, compiled("def f(x):\n    return x + y", y=2))
    nested = "def f(x):\n    return [y for _ in x]"
    assert differ(compiled(nested, y=1), compiled(nested, y=2))


def test_a_gate_before_a_function_is_not_told():
    def twice(x):
        return 2 * x

    def thrice(x):
        return 3 * x

    gated = gate(x=checks.number)(gate(x=checks.finite)(twice))
    assert described(gated) == described(twice) != described(gate(x=checks.number)(thrice))
    assert described([gated.__get__(1)]) == described([twice.__get__(1)])
    decorated = functools.wraps(twice)(lambda x: twice(x) + 1)  # which may do anything
    assert described(decorated) != described(twice)


def test_a_gate_hands_on_what_was_given_and_leaves_wrong_calls_to_the_function():
    @gate(x=checks.number, y=checks.number)
    def difference(x, *, y=1):
        return x, y

    assert difference(np.int64(3)) == (3.0, 1)  # a default is not checked
    assert difference(y=torch.tensor(2), x=3) == (3.0, 2.0)
    for wrong in (lambda: difference(), lambda: difference(1, x=2), lambda: difference(1, 2)):
        with pytest.raises(TypeError, match="difference"):
            wrong()
    with pytest.raises(TypeError, match="difference has no argument z"):
        gate(z=checks.number)(difference)


def test_a_gate_checks_several_arguments_together():
    @gate(
        shapes("W", W="... m n", b="... *n", own={"c": "m"}, seeds="m"),
        one_precision("W", "own"),
        W=checks.floating,
        b=optional(checks.floating),
        own=tensors("c"),
    )
    def told(W, b, own, seeds=None):
        return W, b, own

    W, c = torch.zeros(5, 2, 4), torch.zeros(2)
    same = told(W, torch.zeros(4), {"c": c, "d": "anything"}, seeds=[0, 1])
    assert same[0] is W
    assert same[2] == {"c": c, "d": "anything"}
    assert told(W, 0.5, {"c": c})[1].shape == (4,)
    assert told(W, None, {"c": c})[1] is None
    double = told(W, None, {"c": c.double()})
    assert double[0].dtype == double[2]["c"].dtype == torch.float64
    refused = {
        "b has shape": (W, torch.zeros(3), {"c": c}),
        "W has leading axes": (W, torch.zeros(2, 1, 4), {"c": c}),
        "c has shape": (W, None, {"c": torch.zeros(3)}),
        "own is": (W, None, {"d": c}),
        "seeds has shape": (W, None, {"c": c}, [0]),
        "W has shape": (torch.zeros(5, 0, 4), None, {"c": c}),
        "W b": (W, torch.zeros(3, 4), {"c": c}),
    }
    for message, given in refused.items():
        with pytest.raises(InvalidArgument, match=message.replace(" b", " .*b")):
            told(*given)


def test_a_function_may_use_itself():
    text = "def f(x):\n    return f(x - 1) if x else {}"
    assert differ(compiled(text.format(1)), compiled(text.format(2)))


def test_large_values_of_every_class_and_type_are_told_apart():
    one, other = torch.zeros(5000), torch.zeros(5000)
    other[2500] = 1  # which is not shown when it is printed
    assert differ(torch.nn.Parameter(one), torch.nn.Parameter(other))
    assert differ(one.bfloat16(), other.bfloat16())
    datasets = [xarray.Dataset({"x": ("a", each.numpy())}) for each in (one, other)]
    assert differ(*datasets)
    assert differ(torch.float32, torch.float64, torch.device("cpu"), slice(3), ...)


@pytest.mark.parametrize(
    "value",
    [object(), np.array([object()]), torch.eye(2).to_sparse(), torch.ones(2, device="meta")],
    ids=["object", "array of objects", "sparse", "without data"],
)
def test_what_cannot_be_told_apart_is_refused(value):
    with pytest.raises(InvalidArgument, match=r"^a \(.*\) cannot be told from others of its kind$"):
        described({"a": [value]})


class Named:
    """What says that it is something else, as decorators and stand-ins do."""

    def __init__(self, secret):
        self.secret = secret

    __class__ = type(made)  # a function
    __name__ = __qualname__ = "sqrt"
    __module__ = "math"


def test_what_says_that_it_is_another_is_not_believed():
    assert differ(Named(1), Named(2))


def test_a_description_says_from_where_a_value_is_used():
    held = Alike([number for number in ()].append)
    held.value = (number for number in ())

    def inner():
        return held

    def outer():
        return inner()

    with pytest.raises(InvalidArgument, match=r"^inner\.held\.value \(<generator"):
        described(outer)


# they load a study by its name, which may be any
BY_NAME = ("cells", "recheck", "reseed", "retest", "robustness")
SCIENCE = [
    info.name
    for info in pkgutil.walk_packages(superpos.__path__, "superpos.")
    if not info.name.startswith(("superpos.book", "superpos.cli", "superpos.figures"))
    if not info.name.startswith("superpos.claims")
    if info.name not in [f"superpos.studies.{name}" for name in BY_NAME]
    if info.name not in BESIDE
]


def of_science() -> list:
    modules = map(importlib.import_module, SCIENCE)
    return [
        what
        for module in modules
        for what in vars(module).values()
        if callable(what) and getattr(what, "__module__", "") == module.__name__
    ]


def test_every_function_of_the_package_can_be_told_and_use_changes_nothing():
    before = [described(each) for each in of_science()]
    assert len(before) > 400
    run = train(IndependentFeatures(4, 0.1), 2, seeds=2, procedure=Procedure(steps=3))
    run.expected_loss(samples=10)
    superpos.optima.minimise(run.W, run.b, 0.1, max_steps=3)
    for kind in (each for each in of_science() if isinstance(each, type)):
        copyreg._slotnames(kind)  # what pickling an object notes in its class
    assert [described(each) for each in of_science()] == before


def test_how_the_registry_is_read_is_told_by_name():
    def asks():
        return thresholds("opt-many")

    text = described(asks, anywhere=True)
    assert "superpos.claims.registry.thresholds" in text
    assert "opt-many" in text  # by which `superpos.studies.code` tells the thresholds themselves
    assert "safe_load" not in text


@pytest.mark.filterwarnings("ignore:once")
def test_what_a_module_was_warned_of_does_not_matter():
    module = types.ModuleType("superpos.own")
    before = described(module)
    exec("import warnings; warnings.warn('once')", vars(module))
    del module.warnings
    assert "__warningregistry__" in vars(module)
    assert described(module) == before


def test_a_function_that_trains_is_told_quickly():
    described(train)
    began = time.perf_counter()
    described(train)
    assert time.perf_counter() - began < 0.5  # some 0.02 where nobody else works


def test_a_description_is_the_same_in_every_process():
    code = (
        "import hashlib, numpy, torch\n"
        "from superpos import train, optima\n"
        "from superpos.compute.content import described\n"
        "def f(x):\n"
        "    return x in {'a', 'b', 'c'} or {'d', 'e'} or {f, g} or train or optima.minimise\n"
        "def g(x):\n"
        "    return {int, str, torch.relu, numpy.sqrt, len}\n"
        "told = described([f, {'u', 'v', 'w'}, {f, g, train}])\n"
        "print(hashlib.sha256(told.encode()).hexdigest())"
    )
    seeds = ("1", "2")
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in seeds
    }  # fmt: skip
    assert len(found) == 1
