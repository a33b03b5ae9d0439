"""Gradient descent on one piece of an ensemble: the only part of training that has a state."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import NoReturn

import torch
from torch import Tensor

from superpos.compute import streams
from superpos.compute.store import Checkpoint
from superpos.compute.streams import Purpose
from superpos.errors import Diverged
from superpos.training.adam import Adam
from superpos.training.objectives import Objective
from superpos.training.procedures import Procedure
from superpos.training.replay import Replay, can_record

BLOCK = 20  # steps whose inputs are drawn together, with one record of the loss at the end
_SECONDS_BETWEEN_CHECKPOINTS = 60


class Descent:
    """Models on their way down, the inputs of some steps drawn at a time.

    Parameters
    ----------
    target
        What to descend; it may be exchanged between two blocks.
    parameters
        ``(seeds, settings, ...)`` each, by name; changed in place.
    procedure
        Its steps, batch size and rates.
    uniforms
        How many draws an input takes.
    seeds
        Select the inputs; as many as the parameters' first axis is long.
    settings
        The numbers by which messages call the settings; by default from 0.
    snapshots
        After how many steps to keep the parameters, increasing.
    block
        How many steps' inputs are drawn together: others for another number.
    """

    def __init__(
        self,
        target: Objective,
        parameters: dict[str, Tensor],
        procedure: Procedure,
        *,
        uniforms: int,
        seeds: Sequence[int],
        settings: Sequence[int] | None = None,
        snapshots: Sequence[int] = (),
        block: int = BLOCK,
    ) -> None:
        self.target, self.parameters, self.procedure = target, parameters, procedure
        self.draws, self.seeds, self.size = (procedure.batch_size, uniforms), seeds, block
        some = next(iter(parameters.values()))
        self.settings = range(some.shape[1]) if settings is None else settings
        self.device = some.device
        self.adam = Adam(parameters, beta2=procedure.beta2, weight_decay=procedure.weight_decay)
        self.done = 0
        self.history: list[Tensor] = []
        self._seen: Objective | None = None
        self._replay: Replay | None = None  # a block that descends what was seen
        self._untried = False  # to record one
        self.record = {step: place for place, step in enumerate(snapshots)}
        self.kept = {
            name: value.new_zeros(len(snapshots), *value.shape)
            for name, value in parameters.items()
        }

    def run(self, checkpoint: Checkpoint | None = None) -> Iterator[int]:
        """Go on from where the checkpoint left off, to the end; yield the steps done so far."""
        if checkpoint is not None and (state := checkpoint.load()) is not None:
            self.restore(state)
        self.keep(self.done)
        last_save = time.monotonic()
        while self.done < self.procedure.steps:
            yield self.done
            self.block()
            if checkpoint is None:
                continue
            finished = self.done == self.procedure.steps
            if finished or time.monotonic() - last_save > _SECONDS_BETWEEN_CHECKPOINTS:
                checkpoint.save(self.state())
                last_save = time.monotonic()
        self._replay = None  # its memory is of use to others
        yield self.done

    def block(self) -> None:
        """Take the next few steps, whose inputs are drawn together.

        Raises
        ------
        Diverged
            If a loss is not finite; carries the parameters from before.
        """
        steps = min(self.size, self.procedure.steps - self.done)
        number, draws = self.done // self.size, (steps, *self.draws)
        u = streams.uniforms(self.seeds, Purpose.INPUTS, number, draws, device=self.device)
        good = {name: value.clone() for name, value in self.parameters.items()}
        rates = [self.procedure.rate(self.done + step) for step in range(steps)]
        loss = (self._replayed(u) or self._walk)(u, rates)
        self.keep(self.done + steps)
        if not torch.isfinite(loss).all():
            self.diverged(loss, steps, good)
        self.history.append(loss)
        self.done += steps

    def _walk(self, u: Tensor, rates: Sequence[float] | Sequence[Tensor]) -> Tensor:
        """Take a step for each rate, with its draws; return the loss of the last draws."""
        for step, rate in enumerate(rates):
            if step:
                self.keep(self.done + step)
            self.adam.step(self.target.gradients(self.parameters, u[:, step]), rate)
        return self.target.loss(self.parameters, u[:, -1])

    def _replayed(self, u: Tensor) -> Replay | None:
        """Return what takes the steps of these draws from a recording, where there can be one."""
        between = range(self.done + 1, self.done + self.size)
        if not can_record(u.device) or u.shape[1] < self.size or self.record.keys() & between:
            return None
        if self._seen is not self.target:  # its first block makes what it needs once
            self._seen, self._replay, self._untried = self.target, None, True
        elif self._untried:
            self._untried = False
            with contextlib.suppress(RuntimeError):  # some step waits for the device
                self._replay = Replay(self._walk, u)
        return self._replay

    def keep(self, step: int) -> None:
        """Keep the parameters as they are after ``step`` steps, if asked to."""
        if (place := self.record.get(step)) is not None:
            for name, value in self.parameters.items():
                self.kept[name][place] = value

    def diverged(self, loss: Tensor, steps: int, good: dict[str, Tensor]) -> NoReturn:
        """Raise, naming the steps and the models, with the parameters from before."""
        where = (~torch.isfinite(loss)).nonzero().tolist()
        told = ", ".join(
            f"seed {self.seeds[seed]} setting {self.settings[setting]}"
            for seed, setting in where[:5]
        )
        more = f" and {len(where) - 5} more" if len(where) > 5 else ""
        raise Diverged(
            f"training diverged between steps {self.done} and {self.done + steps}: the loss of "
            f"{told}{more} is not finite; a smaller learning_rate may help",
            last_good=good,
        )

    def state(self) -> dict[str, Tensor]:
        """Return everything needed to go on, as one flat dictionary of tensors."""
        state = {
            f"{kind}.{name}": value
            for kind, values in self.kinds().items()
            for name, value in values.items()
        }
        return state | {"done": torch.tensor(self.done), "history": torch.stack(self.history)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Put a saved state back."""
        for kind, values in self.kinds().items():
            for name, value in values.items():
                value.copy_(state[f"{kind}.{name}"])
        self.done, self.history = int(state["done"]), list(state["history"])
        self.adam.resume(self.done)

    def kinds(self) -> dict[str, dict[str, Tensor]]:
        """Return what changes from step to step, by kind and parameter."""
        return {
            "parameter": self.parameters,
            "mean": self.adam.mean,
            "square": self.adam.square,
            "kept": self.kept,
        }
