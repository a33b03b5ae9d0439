"""Training: one way to train an ensemble of toy models side by side."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor

from superpos import checks
from superpos.compute import streams
from superpos.compute.cutting import cut
from superpos.compute.processes import in_parallel
from superpos.compute.progress import progress_bar
from superpos.compute.store import Checkpoint
from superpos.errors import Diverged, InvalidArgument
from superpos.features import FeatureDistribution
from superpos.models import RELU_OUTPUT, Model
from superpos.training.adam import Adam
from superpos.training.objectives import Objective, objective
from superpos.training.procedures import Procedure
from superpos.training.results import Trained

_BLOCK = 20  # steps whose inputs are drawn together, with one record of the loss at the end
# Entries of a piece's (models, batch, n) arrays: two halves if each has so many that its calls
# outlast their overhead, and more if they have too many for a core's cache.
_FEWEST_ENTRIES, _MOST_ENTRIES = 50_000, 200_000
_MOST_ENTRIES_ON_GPU = 40_000_000
_FEW_ENTRIES = 50_000_000  # over all steps: done before another process has begun
_SECONDS_BETWEEN_CHECKPOINTS = 60


def train(
    features: FeatureDistribution,
    n_hidden: int,
    *,
    model: Model = RELU_OUTPUT,
    importance: Tensor | float | None = None,
    seeds: int | Sequence[int] = 10,
    procedure: Procedure | None = None,
    snapshots: Sequence[int] | Tensor = (),
    device: str | torch.device = "cpu",
    checkpoint: str | Path | None = None,
    progress: bool | None = None,
) -> Trained:
    """Train one model for every seed and every setting of a feature distribution.

    A seed selects initial values and batches. The settings of one seed share both, so that
    they differ in nothing but the setting; a seed gives the same model whichever others are
    trained beside it.

    Parameters
    ----------
    features
        How inputs are drawn: gives n, and the settings (say, sparsities).
    n_hidden
        m, the number of hidden dimensions, at least 1.
    model
        Which autoencoder.
    importance
        I ≥ 0, broadcasts to ``(*settings, n)``; all ones by default.
    seeds
        Whole numbers, or how many of them, counted from 0.
    procedure
        How gradient descent is run; ``Procedure()`` by default, ``PUBLISHED`` is the paper's.
    snapshots
        After how many steps to keep the parameters, increasing, from 0 (the initial values) to
        ``procedure.steps``: the course of training, `Trained.trajectory`.
    device
        Where to train.
    checkpoint
        A folder to continue from and to save to about every minute; it must not hold
        another run's checkpoints.
    progress
        Whether to show a bar; by default on a terminal and in a notebook being used.

    Returns
    -------
    Trained

    Raises
    ------
    InvalidArgument
        If an argument is not as above; before any work.
    Diverged
        If a loss stops being finite; carries the last good parameters.

    References
    ----------
    Elhage et al. 2022, "Demonstrating Superposition".

    Examples
    --------
    >>> from superpos import IndependentFeatures, Procedure, train
    >>> run = train(IndependentFeatures(5, 0.1), 2, seeds=3, procedure=Procedure(steps=10))
    >>> run.W.shape, run.b.shape
    (torch.Size([3, 2, 5]), torch.Size([3, 5]))

    The course of training, every five steps:

    >>> run = train(
    ...     IndependentFeatures(5, 0.1), 2, seeds=3, procedure=Procedure(steps=10),
    ...     snapshots=range(0, 11, 5),
    ... )
    >>> run.trajectory["W"].shape
    torch.Size([3, 3, 2, 5])
    """
    started = time.perf_counter()
    checks.whole_number("n_hidden", n_hidden)
    seeds = streams.seed_list(seeds)
    procedure = procedure or Procedure()
    snapshots = _snapshots(snapshots, procedure.steps)
    device = _usable(device)
    weight = checks.importances(
        "importance", importance, features.n, dtype=torch.get_default_dtype()
    ).to(device)
    shape = checks.broadcast_shape(features=features.shape, importance=weight.shape[:-1])
    count = shape.numel()
    entries = procedure.batch_size * features.n
    pieces = _pieces(len(seeds), count, entries, device)
    weight = weight.expand(*shape, features.n).reshape(count, features.n)
    saved = None if checkpoint is None else Checkpoint(Path(checkpoint), {
        "model": model, "features": features, "importance": weight, "m": n_hidden,
        "seeds": seeds, "procedure": procedure, "snapshots": snapshots,
    })  # fmt: skip
    if saved is not None:
        saved.prepare()
    features = features.to(device)
    parameters = model.initial(
        features.n,
        n_hidden,
        seeds=seeds,
        count=count,
        scale=procedure.initial_scale,
        device=device,
    )
    if procedure.centred:
        mean = features.mean.expand(*shape, -1).reshape(count, -1)
        parameters["b"] = model.centred(parameters, mean.to(parameters["b"]))
    history = torch.zeros(-(-procedure.steps // _BLOCK), len(seeds), count, device=device)
    trajectory = {
        name: value.new_zeros(len(snapshots), *value.shape) for name, value in parameters.items()
    }
    done = torch.zeros(len(pieces), dtype=torch.long)
    spread = device.type == "cpu" and count * len(seeds) * entries * procedure.steps > _FEW_ENTRIES
    if spread:  # other processes fill them
        for value in (*parameters.values(), *trajectory.values(), history, done):
            value.share_memory_()
    here = os.getpid()
    with progress_bar(len(pieces) * procedure.steps, "training", progress) as bar:
        shown = 0

        def show() -> None:
            nonlocal shown
            now = int(done.sum())
            bar.update(now - shown)
            shown = now

        def descend(number: int) -> None:
            of_seeds, of_settings = pieces[number]
            part = {name: value[of_seeds, of_settings] for name, value in parameters.items()}
            descent = _Descent(
                objective(
                    model,
                    features.settings(shape, of_settings.start, of_settings.stop),
                    weight[of_settings],
                    integrate=procedure.integrate,
                    skip_silent=procedure.skip_silent,
                ),
                seeds[of_seeds],
                range(count)[of_settings],
                (procedure.batch_size, features.uniforms),
                procedure,
                {name: value.clone() for name, value in part.items()},
                snapshots,
            )
            place = None if saved is None else saved.part(number, pieces[number])
            for steps in descent.run(place):
                done[number] = steps
                if os.getpid() == here:  # the bar is this process's
                    show()
            for name, value in part.items():
                value.copy_(descent.parameters[name])
                trajectory[name][:, of_seeds, of_settings] = descent.kept[name]
            history[:, of_seeds, of_settings] = torch.stack(descent.history)

        in_parallel(descend, range(len(pieces)), spread=spread, watch=show)
    if spread:  # shared memory is an open file each
        parameters = {name: value.clone() for name, value in parameters.items()}
        trajectory = {name: value.clone() for name, value in trajectory.items()}
        history = history.clone()
    return Trained(
        model=model,
        features=features,
        importance=weight.reshape(*shape, features.n),
        parameters={
            name: value.reshape(len(seeds), *shape, *value.shape[2:])
            for name, value in parameters.items()
        },
        loss_history=history.reshape(len(history), len(seeds), *shape),
        recorded_steps=torch.tensor(
            [min(first + _BLOCK, procedure.steps) for first in range(0, procedure.steps, _BLOCK)]
        ),
        seeds=tuple(seeds),
        procedure=procedure,
        snapshots=torch.tensor(snapshots, dtype=torch.long),
        trajectory={
            name: value.reshape(len(snapshots), len(seeds), *shape, *value.shape[3:])
            for name, value in trajectory.items()
        },
        seconds=time.perf_counter() - started,
    )


def _pieces(
    seeds: int, settings: int, entries: int, device: torch.device
) -> list[tuple[slice, slice]]:
    """Cut an ensemble of seeds × settings into pieces, in the same way on every machine."""
    most = _MOST_ENTRIES if device.type == "cpu" else _MOST_ENTRIES_ON_GPU
    total = seeds * settings * entries
    cuts = 2 if device.type == "cpu" and total >= 2 * _FEWEST_ENTRIES else 1
    while total > most * cuts:
        cuts *= 2
    # settings of a seed share their draws: they are the axis to keep whole
    return cut((seeds, settings), math.ceil(seeds * settings / cuts))


def _snapshots(snapshots: Sequence[int] | Tensor, steps: int) -> list[int]:
    """Return the numbers of steps after which to keep the parameters, checked."""
    asked = [
        checks.whole_number("snapshots", step, least=0)
        for step in (snapshots.tolist() if isinstance(snapshots, Tensor) else snapshots)
    ]
    if any(later <= step for step, later in pairwise(asked)) or (asked and asked[-1] > steps):
        raise InvalidArgument(
            f"snapshots is {snapshots!r}: increasing numbers of steps, from 0 to the procedure's "
            f"{steps}, are needed"
        )
    return asked


def _usable(device: str | torch.device) -> torch.device:
    try:
        return torch.zeros((), device=device).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidArgument(
            f"device is {str(device)!r}, which cannot be used: {reason}"
        ) from None


class _Descent:
    """Gradient descent on one piece of an ensemble: the only state of training."""

    def __init__(
        self,
        target: Objective,
        seeds: Sequence[int],
        settings: Sequence[int],
        draws: tuple[int, int],
        procedure: Procedure,
        parameters: dict[str, Tensor],
        snapshots: Sequence[int],
    ) -> None:
        self.target, self.seeds, self.settings, self.draws = target, seeds, settings, draws
        self.procedure, self.parameters = procedure, parameters
        self.history: list[Tensor] = []
        self.record = {step: place for place, step in enumerate(snapshots)}
        self.kept = {
            name: value.new_zeros(len(snapshots), *value.shape)
            for name, value in parameters.items()
        }
        self.done = 0
        self.adam = Adam(parameters, beta2=procedure.beta2, weight_decay=procedure.weight_decay)

    def run(self, checkpoint: Checkpoint | None) -> Iterator[int]:
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
        yield self.done

    def block(self) -> None:
        """Take the next few steps, whose inputs are drawn together."""
        size = min(_BLOCK, self.procedure.steps - self.done)
        device = self.parameters["W"].device
        number = self.done // _BLOCK
        u = streams.uniforms(self.seeds, streams.INPUTS, number, (size, *self.draws), device=device)
        good = {name: value.clone() for name, value in self.parameters.items()}
        for step in range(size):
            gradients = self.target.gradients(self.parameters, u[:, step])
            self.adam.step(gradients, self.procedure.rate(self.done + step))
            self.keep(self.done + step + 1)
        loss = self.target.loss(self.parameters, u[:, -1])
        if not torch.isfinite(loss).all():
            self.diverged(loss, size, good)
        self.history.append(loss)
        self.done += size

    def keep(self, step: int) -> None:
        """Keep the parameters as they are after ``step`` steps, if asked to."""
        if (place := self.record.get(step)) is not None:
            for name, value in self.parameters.items():
                self.kept[name][place] = value

    def diverged(self, loss: Tensor, size: int, good: dict[str, Tensor]) -> NoReturn:
        """Raise, naming the steps and the models, with the parameters from before."""
        where = (~torch.isfinite(loss)).nonzero().tolist()
        told = ", ".join(
            f"seed {self.seeds[seed]} setting {self.settings[setting]}"
            for seed, setting in where[:5]
        )
        more = f" and {len(where) - 5} more" if len(where) > 5 else ""
        raise Diverged(
            f"training diverged between steps {self.done} and {self.done + size}: the loss of "
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
