"""Tensors may be on a second device: every public function computes, and returns, there.

A pretended device shows it on any machine; with ``-m gpu`` the same is tried on a real one.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import torch
from cases import CASES, SAE_DATA, B, Case, Place, W, best_known, sae_state, tensors
from pretended import Forked, second_device

import superpos
from superpos import IndependentFeatures, Procedure, losses, optima
from superpos.learning import onehot, sae
from superpos.optima import decoders


def real_device() -> torch.device:
    """A second device of this machine, with the double precision that exact losses need."""
    for kind in ("cuda", "xpu"):
        if getattr(torch, kind).is_available():
            return torch.device(kind, 0)
    if torch.backends.mps.is_available():
        pytest.skip("the second device is MPS, which has no double precision")
    pytest.skip("this machine has no second device")


@pytest.fixture(params=["pretended", pytest.param("real", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    """A second device, of either kind."""
    if request.param == "real":
        yield real_device()
    else:
        with second_device() as found:
            yield found


MIXED = {
    "a sum": lambda there, here: there + here,
    "a sum, the CPU's first": lambda there, here: here + there[0],
    "a product": lambda there, here: there @ here,
    "a choice": lambda there, here: torch.where(there > 0, here, 0.0),
    "the CPU's numbers, indexed from there": lambda there, here: here[there.argmax()[None]],
    "single numbers, joined": lambda there, here: torch.stack([there[0], here[0]]),
    "draws there by the CPU's generator": lambda there, here: torch.rand(
        3, generator=torch.Generator(), device=there.device
    ),
    "numpy": lambda there, here: there.numpy(),
}
TAKEN = {
    "a single number": lambda there, here: there + here[0],
    "the CPU's places": lambda there, here: there[here.long()],
    "lists of places": lambda there, here: there[[2, 0]],
    "the CPU's marks": lambda there, here: there[here > 0],
    "a copy": lambda there, here: there.clone().copy_(here),
    "new numbers": lambda there, here: there + torch.tensor([1.0, 2.0, 3.0], device=there.device),
    "its own type": lambda there, here: there * there.new_tensor([1.0, 2.0, 3.0]),
    "its own draws": lambda there, here: (
        0 * torch.rand(3, generator=torch.Generator(there.device), device=there.device)
    ),
}


@pytest.mark.parametrize("name", MIXED)
def test_tensors_of_two_devices_do_not_mix(name: str, device: torch.device):
    with pytest.raises((RuntimeError, TypeError)):
        MIXED[name](torch.arange(3.0).to(device), torch.arange(3.0))


@pytest.mark.parametrize("name", TAKEN)
def test_a_second_device_takes_of_the_cpu_what_torch_lets_it(name: str, device: torch.device):
    numbers = torch.arange(3.0)
    found = TAKEN[name](numbers.to(device), numbers)
    assert found.device == device
    assert found.tolist() == TAKEN[name](numbers, numbers).tolist()


def check(case: Case, device: torch.device, at: Place, here: Any) -> None:
    """Hold a result on a device against the CPU's."""
    there = case.call(at, device)
    found, expected = (list(tensors(result, case.on_cpu)) for result in (there, here))
    assert case.no_tensor == (not expected)
    assert {value.device for value in found} <= {device}
    for value, own in zip(found, expected, strict=True):
        assert value.shape == own.shape
        assert value.dtype == own.dtype
        if not case.own_draws:
            torch.testing.assert_close(value.cpu(), own, rtol=1e-4, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_function_computes_and_returns_where_its_tensors_are(case: Case):
    if case.real_only:
        pytest.skip(case.real_only)
    here = case.call(lambda value: value, torch.device("cpu"))
    with second_device() as device:
        check(case, device, lambda value: value.to(device), here)


SPREAD = {  # what is worth several processes on the CPU, and what makes it so for little work
    "minimise": (
        lambda at: optima.minimise(at(W), at(B), 0.3, max_steps=2),
        ("optima.newton._FACES_AT_ONCE", 1),
    ),
    "decoders": (
        lambda at: decoders.descend(at(W), at(W), at(B), 0.3, steps=1),
        ("optima.decoders._MODELS_AT_ONCE", 1),
    ),
    "best_known": (lambda at: best_known(at, at(W).device),),
    "onehot": (
        lambda at: onehot.descend(at(W), at(B), onehot.GradientDescent(0.1), 2),
        ("learning.onehot._FEW_STEPS", 1),
        ("learning.onehot._MODELS_AT_ONCE", 1),
    ),
    "sae": (
        lambda at: sae.train(sae_state(at), SAE_DATA, sae.Training(), 2),
        ("learning.sae._FEW_ENTRIES", 1),
    ),
}


@pytest.mark.parametrize("name", SPREAD)
def test_work_is_spread_over_processes_on_the_cpu_alone(name: str, monkeypatch: pytest.MonkeyPatch):
    call, *sizes = SPREAD[name]
    monkeypatch.setattr("superpos.compute.processes.at_once", lambda: 2)
    monkeypatch.setattr("sys.platform", "linux")
    for place, size in sizes:
        monkeypatch.setattr(f"superpos.{place}", size)
    with second_device() as device:  # which nothing can be forked from
        with pytest.raises(Forked):
            call(lambda value: value)
        call(lambda value: value.to(device))


@pytest.mark.gpu
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_function_computes_and_returns_on_a_real_device(case: Case):
    device = real_device()
    here = case.call(lambda value: value, torch.device("cpu"))
    check(case, device, lambda value: value.to(device), here)


def test_models_are_trained_judged_and_brought_to_rest_on_a_device(device: torch.device):
    procedure = Procedure.fast(4, 2, steps=100)
    run = superpos.train(
        IndependentFeatures(4, 0.1), 2, seeds=2, procedure=procedure, device=device, progress=False
    )
    exact = losses.exact_loss(run.W, run.b, 0.1)
    for estimate in (losses.expected_loss, losses.even_loss):
        mean, error = estimate(run.W, run.b, 0.1, samples=10_000, seed=0)
        assert ((mean - exact).abs() < 6 * error).all()
    found = optima.minimise(run.W, run.b, 0.1)
    assert {found.W.device, found.loss.device, mean.device, run.W.device} == {device}
    assert found.converged.all()
    assert (found.loss <= exact).all()
    # from the same starts the CPU comes to the same optima
    own = optima.minimise(run.W.cpu(), run.b.cpu(), 0.1)
    torch.testing.assert_close(found.loss.cpu(), own.loss, rtol=1e-9, atol=0)


ROOMS = (
    "losses", "geometry", "bundles", "tegum", "codes", "optima", "features", "models", "training",
    "learning", "neurons", "adversarial", "stats",
)  # fmt: skip


def public_functions() -> list[Any]:
    """The functions of these rooms that are given tensors."""
    found = []
    for room in ROOMS:
        home = import_module(f"superpos.{room}")
        parts = pkgutil.iter_modules(getattr(home, "__path__", []), f"superpos.{room}.")
        for module in (home, *(import_module(part.name) for part in parts)):
            for name, value in vars(module).items():
                if inspect.isfunction(value) and value.__module__ == module.__name__:
                    given = inspect.get_annotations(value)
                    given.pop("return", None)
                    takes = any("Tensor" in str(a) or "Numbers" in str(a) for a in given.values())
                    if takes and not name.startswith("_"):
                        found.append(value)
    return found


def test_every_public_function_that_is_given_tensors_is_tried():
    tried = {function for case in CASES for function in case.of}
    left_out = {f"{f.__module__}.{f.__name__}" for f in public_functions() if f not in tried}
    assert left_out == set()
