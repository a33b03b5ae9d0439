"""Blocks of steps from a recording: the same steps, wherever a recording is possible.

There need be no GPU: a tape takes the place of its graph. It has a graph's rules: the operations
that were launched, on the same memory, with the numbers that Python had then.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from superpos import (
    LINEAR,
    RELU_OUTPUT,
    AnticorrelatedSets,
    BooleanFeatures,
    CorrelatedSets,
    Examples,
    IndependentFeatures,
    Model,
    Procedure,
    SignedFeatures,
    adversarial,
    train,
)
from superpos.compute import streams
from superpos.compute.streams import Purpose
from superpos.training import descent, objectives, replay

WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "unique2")


class Tape(TorchDispatchMode):
    """The operations that were called, to be called again on the memory they had."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.before, self.made = [], {}, set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        self.refuse(func, args, kwargs)
        for name, value in zip(func._schema.arguments, args, strict=False):
            self.keep(name, value)
        for name in func._schema.arguments:
            self.keep(name, kwargs.get(name.name))
        found = func(*args, **kwargs)
        self.made |= {one.untyped_storage().data_ptr() for one in tensors_in(found)} - self.given(
            [args, kwargs]
        )
        self.calls.append((func, args, kwargs, found))
        return found

    @staticmethod
    def refuse(func, args, kwargs) -> None:
        """Refuse what waits for the device, or copies to it."""
        if any(func.name().startswith(f"aten::{name}") for name in WAITS):
            raise RuntimeError(f"{func.name()} waits for the device")
        elsewhere = not tensors_in([args, kwargs]) and kwargs.get("device") is None
        if elsewhere or func.name().startswith("aten::lift_fresh"):
            raise RuntimeError(f"{func.name()} makes a tensor that is not on the device")

    def given(self, arguments) -> set[int]:
        return {one.untyped_storage().data_ptr() for one in tensors_in(arguments)}

    def keep(self, argument, value) -> None:
        """Keep what is about to be written over, unless it was made here."""
        if argument.alias_info is not None and argument.alias_info.is_write:
            for one in tensors_in(value):
                storage = one.untyped_storage()
                if storage.data_ptr() not in {*self.made, *self.before}:
                    self.before[storage.data_ptr()] = (storage, storage.clone())

    def undo(self) -> None:
        """Take back what recording has computed: a graph's recording computes nothing."""
        for storage, was in self.before.values():
            storage.copy_(was)

    def play(self) -> None:
        with torch.no_grad():
            for func, args, kwargs, found in self.calls:
                now = func(*args, **kwargs)
                for old, new in zip(tensors_in(found), tensors_in(now), strict=True):
                    if old.data_ptr() != new.data_ptr():  # neither a view nor written in place
                        old.copy_(new)


def tensors_in(found) -> list[Tensor]:
    return [one for one in tree_flatten(found)[0] if isinstance(one, Tensor)]


def on_tape(walk):
    tape = Tape()
    try:
        with tape:
            found = walk()
    finally:
        tape.undo()

    def again() -> Tensor:
        tape.play()
        return found.detach().clone()

    return again


def counted(patch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that tells from now on how many steps each replay took."""
    steps, call = [], replay.Replay.__call__

    def counting(self, u, rates):
        steps.append(len(rates))
        return call(self, u, rates)

    patch.setattr(replay.Replay, "__call__", counting)
    return steps


@pytest.fixture
def replays(monkeypatch) -> list[int]:
    """Record on a tape; the list tells how many steps each replay took."""
    monkeypatch.setattr(replay, "_recorded", on_tape)
    monkeypatch.setattr(descent, "can_record", lambda device: True)
    return counted(monkeypatch)


P = torch.tensor([[0.5], [0.1]])
ABSOLUTE = Model("absolute values", hidden=torch.relu, tied=False, target=torch.abs)
HIDDEN = Model("hidden ReLU", hidden=torch.relu, tied=False)
KINDS = {
    "integrated": (RELU_OUTPUT, IndependentFeatures(4, P), {}),
    "linear": (LINEAR, IndependentFeatures(4, P), {}),
    "sampled": (RELU_OUTPUT, IndependentFeatures(4, P), {"integrate": False}),
    "decay": (RELU_OUTPUT, IndependentFeatures(4, P), {"integrate": False, "weight_decay": 0.01}),
    "active": (RELU_OUTPUT, SignedFeatures(4, P), {"skip_silent": True}),
    "hidden": (HIDDEN, IndependentFeatures(4, P), {}),
    "absolute": (ABSOLUTE, SignedFeatures(4, P), {}),
    "hidden, boolean": (HIDDEN, BooleanFeatures(4, P), {}),
    "attacked": (RELU_OUTPUT, adversarial.Attacked(IndependentFeatures(4, P), 0.1), {}),
    "sets": (RELU_OUTPUT, CorrelatedSets(2, 2, P), {}),
    "one of a set": (RELU_OUTPUT, AnticorrelatedSets(2, 2, P), {}),
    "boolean": (RELU_OUTPUT, BooleanFeatures(4, P), {}),
    "examples": (RELU_OUTPUT, Examples(torch.rand(7, 4)), {}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_replayed_steps_are_the_steps(kind, replays, monkeypatch):
    model, features, changes = KINDS[kind]
    procedure = Procedure(steps=110, batch_size=8, warmup=10, **changes)
    settings = dict(model=model, seeds=2, procedure=procedure, snapshots=[0, 25, 60])
    again = train(features, 2, **settings)
    monkeypatch.setattr(descent, "can_record", lambda device: False)
    plain = train(features, 2, **settings)
    # the second block has something to keep, the last is short; the first is never recorded
    assert replays == [20, 20, 20]
    for name in plain.parameters:
        torch.testing.assert_close(again.parameters[name], plain.parameters[name])
        torch.testing.assert_close(again.trajectory[name], plain.trajectory[name])
    torch.testing.assert_close(again.loss_history, plain.loss_history)


def test_what_waits_for_the_device_is_taken_step_by_step(replays):
    class Waits(objectives.ExactLinear):
        def gradients(self, parameters, u):
            assert parameters["W"].sum().item() != 0
            return super().gradients(parameters, u)

    features = IndependentFeatures(4, P)
    walked = begun(Waits(features, torch.ones(2, 4)))
    plain = begun(objectives.ExactLinear(features, torch.ones(2, 4)))
    for each in (walked, plain):
        for _ in each.run():
            pass
    assert len(replays) == 4 - 1  # all but the first of the plain one
    torch.testing.assert_close(walked.parameters, plain.parameters)


def test_another_objective_is_recorded_anew(replays):
    targets = [objectives.ExactLinear(IndependentFeatures(4, P), I) for I in torch.rand(2, 2, 4)]
    order = [0, 0, 0, 1, 1, 1, 0, 1]
    walked, plain = (begun(targets[0], steps=160) for _ in range(2))
    for number in order:
        walked.target = plain.target = targets[number]
        walked.block()
        u = streams.uniforms([0], Purpose.INPUTS, 0, (20, 8, 5))
        plain._walk(u, [plain.procedure.rate(plain.done + step) for step in range(20)])
        plain.done += 20
    assert len(replays) == 4
    torch.testing.assert_close(walked.parameters, plain.parameters)


def begun(target, steps=80) -> descent.Descent:
    drawn = torch.Generator().manual_seed(0)
    start = {
        "W": torch.randn(1, 2, 2, 4, generator=drawn),
        "b": torch.randn(1, 2, 4, generator=drawn),
    }
    procedure = Procedure(steps=steps, batch_size=8)
    return descent.Descent(target, start, procedure, uniforms=5, seeds=[0])


@pytest.mark.gpu
def test_a_gpu_takes_the_same_steps_from_a_graph(monkeypatch):
    if not torch.cuda.is_available():
        pytest.skip("this machine has no GPU that records")
    for model, features, changes in KINDS.values():
        procedure = Procedure(steps=70, batch_size=8, **changes)
        settings = dict(model=model, seeds=2, procedure=procedure, device="cuda", progress=False)
        with monkeypatch.context() as patch:
            replays = counted(patch)
            graph = train(features, 2, **settings)
            assert len(replays) == 2  # the first block is not recorded, the last is short
            patch.setattr(descent, "can_record", lambda device: False)
            plain = train(features, 2, **settings)
        for name, value in plain.parameters.items():
            torch.testing.assert_close(graph.parameters[name], value, rtol=1e-3, atol=1e-4)
