"""What a result depends on: what must change a description, and what must not."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
import xarray

import superpos
from superpos import IndependentFeatures, Procedure, geometry, train
from superpos.compute.fingerprint import described
from superpos.errors import InvalidArgument


def differ(*values) -> bool:
    return len({described(value) for value in values}) == len(values)


def test_values_are_told_apart_by_type_shape_and_content():
    assert differ(1, 1.0, True, "1", None, [1], {"1": 1}, range(1), b"1")
    assert differ(torch.ones(2), torch.ones(2, 1), torch.ones(2).double(), torch.zeros(2))
    assert differ(np.ones(2), np.ones(3), np.float64(1), np.float64(2))
    assert differ(Procedure(), Procedure(steps=5))
    assert differ(IndependentFeatures(2, 0.1), IndependentFeatures(2, torch.tensor([0.1, 0.2])))
    assert described({"a": 1, "b": 2}) == described({"b": 2, "a": 1})
    assert described({"x", "y", "z"}) == described({"z", "y", "x"})


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


def test_a_function_may_use_itself():
    text = "def f(x):\n    return f(x - 1) if x else {}"
    assert differ(compiled(text.format(1)), compiled(text.format(2)))


class Local:
    def method(self):
        return 1


def test_classes_of_a_notebook_are_told_apart_by_their_code():
    other = type("Local", (), {"method": lambda self: 2})
    assert differ(Local, other)


def test_large_tensors_of_every_class_and_type_are_told_apart():
    one, other = torch.zeros(5000), torch.zeros(5000)
    other[2500] = 1  # which is not shown when it is printed
    assert differ(torch.nn.Parameter(one), torch.nn.Parameter(other))
    assert differ(one.bfloat16(), other.bfloat16())
    assert differ(torch.float32, torch.float64, torch.device("cpu"), slice(3), ...)


@pytest.mark.parametrize(
    "value",
    [object(), np.array([object()]), xarray.Dataset({"x": ("a", np.zeros(5000))})],
    ids=["object", "array of objects", "dataset"],
)
def test_what_cannot_be_told_apart_is_refused(value):
    with pytest.raises(InvalidArgument, match="cannot be told from others"):
        described({"a": [value]})


def test_the_modules_that_a_function_uses_are_named():
    def experiment(seed):
        return geometry.represented(train(IndependentFeatures(3, 0.1), 2, seeds=seed).W)

    modules: set[str] = set()
    described(experiment, modules)
    assert modules == {"superpos.geometry", "superpos.training.train", "superpos.features"}
    described(lambda: superpos.losses, modules)
    assert "superpos" in modules


def test_a_description_is_the_same_in_every_process():
    code = (
        "from superpos.compute.fingerprint import described\n"
        "def f(x):\n"
        "    return x in {'a', 'b', 'c'} or {'d', 'e'}\n"
        "print(described([f, {'u', 'v', 'w'}]))"
    )
    seeds = ("1", "2", "3")
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True,
            text=True, check=True,
        ).stdout
        for seed in seeds
    }  # fmt: skip
    assert len(found) == 1
