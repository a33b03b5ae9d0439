"""Training: one way to train an ensemble of toy models side by side."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from superpos import checks, models
from superpos.checks import Numbers
from superpos.compute import streams
from superpos.compute.cutting import Piece, cut
from superpos.compute.processes import at_once, in_parallel
from superpos.compute.progress import progress_bar
from superpos.compute.store import Checkpoint
from superpos.errors import InvalidArgument
from superpos.features import FeatureDistribution, checked
from superpos.models import RELU_OUTPUT, Model
from superpos.training.descent import BLOCK, Descent
from superpos.training.division import divided, exact, parts_of_each
from superpos.training.objectives import objective
from superpos.training.procedures import Procedure
from superpos.training.results import Trained

# Entries of a piece's (models, batch, n) arrays: two halves if each has so many that its calls
# outlast their overhead, and more if they have too many for a core's cache.
_FEWEST_ENTRIES, _MOST_ENTRIES = 50_000, 200_000
_MOST_ENTRIES_ON_GPU = 40_000_000
_FEW_ENTRIES = 50_000_000  # over all steps: done before another process has begun


def train(
    features: FeatureDistribution,
    n_hidden: int,
    *,
    model: Model = RELU_OUTPUT,
    importance: Numbers | None = None,
    seeds: int | Sequence[int] = 10,
    procedure: Procedure | None = None,
    start: Mapping[str, Tensor] | None = None,
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
    start
        Where to start instead of the model's initial values: all of its parameters by name (``W``
        and ``b``; ``V`` where the decoder is free, ``c`` where hidden units have biases), finite,
        each broadcasting to ``(seeds, *settings, ...)``, as `Trained.parameters` are. A seed then
        selects batches only, and nothing is scaled or centred.
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

    Training on, with other inputs:

    >>> on = train(
    ...     IndependentFeatures(5, 0.1), 2, seeds=[7, 8, 9], procedure=Procedure(steps=10),
    ...     start=run.parameters, snapshots=[0],
    ... )
    >>> torch.equal(on.trajectory["W"][0], run.W)
    True
    """
    started = time.perf_counter()
    features = checked(features)
    n_hidden = checks.whole_number("n_hidden", n_hidden)
    model = models.checked(model, features.n, n_hidden)
    seeds = streams.seed_list(seeds)
    if procedure is None:
        procedure = Procedure()
    if not isinstance(procedure, Procedure):
        raise InvalidArgument(
            f"procedure is {checks.shortly(procedure)}: a superpos.Procedure is needed"
        )
    snapshots = _snapshots(snapshots, procedure.steps)
    device = _usable(device)
    weight = checks.importances(
        "importance", importance, features.n, dtype=torch.get_default_dtype()
    ).to(device)
    shape = checks.broadcast_shape(features=features.shape, importance=weight.shape[:-1])
    if not shape.numel():
        raise InvalidArgument(f"features and importance have settings {tuple(shape)}: none at all")
    ensemble = _Ensemble(
        model=model,
        features=features.to(device),
        importance=weight.expand(*shape, features.n).reshape(-1, features.n),
        n_hidden=n_hidden,
        seeds=seeds,
        shape=shape,
        procedure=procedure,
        start=_start(start, model.shapes(features.n, n_hidden), (len(seeds), *shape)),
        snapshots=snapshots,
    )
    saved = None
    if checkpoint is not None:
        saved = Checkpoint(Path(checkpoint), ensemble.described())
        saved.prepare()
    course = _descend(ensemble, saved, progress)
    return course.trained(ensemble, time.perf_counter() - started)


@dataclass(frozen=True, eq=False)
class _Ensemble:
    """What is to be trained: models for seeds × settings, the settings on one axis."""

    model: Model
    features: FeatureDistribution
    importance: Tensor  # (settings, n)
    n_hidden: int
    seeds: list[int]
    shape: torch.Size  # the axes that the settings have outside
    procedure: Procedure
    start: dict[str, Tensor] | None  # (seeds, settings, ...) each
    snapshots: list[int]

    @property
    def entries(self) -> int:
        """How many inputs' features a model sees in a step."""
        return self.procedure.batch_size * self.features.n

    @property
    def work(self) -> int:
        """The entries of all models, over all steps."""
        return len(self.importance) * len(self.seeds) * self.entries * self.procedure.steps

    @property
    def spread(self) -> bool:
        """Whether there is work for other processes."""
        return self.importance.device.type == "cpu" and self.work > _FEW_ENTRIES

    def described(self) -> dict[str, object]:
        """Return what makes this run another one than others."""
        return {
            "model": (type(self.model), vars(self.model) | {"name": None}),  # whatever it is called
            "features": self.features, "importance": self.importance,
            "m": self.n_hidden, "seeds": self.seeds, "procedure": self.procedure,
            "start": self.start, "snapshots": self.snapshots,
        }  # fmt: skip

    def pieces(self) -> list[Piece]:
        """Cut into pieces of some seeds and settings, in the same way on every machine."""
        return _pieces(len(self.seeds), len(self.importance), self.entries, self.importance.device)

    def parts(self, start: dict[str, Tensor]) -> list[Piece]:
        """Return the pieces, divided for more cores if they have the same numbers in parts.

        Parameters
        ----------
        start
            The parameters to start from.
        """
        pieces, steps = self.pieces(), self.procedure.steps
        # where pieces are threads, small operations only wait for each other's turns
        cores = at_once() if self.spread and sys.platform == "linux" else 1
        count = parts_of_each(len(pieces), self.work / steps / len(pieces), steps, cores)
        if count == 1:
            return pieces
        found, tried = [], {}
        for piece in pieces:
            parts = divided(piece, count, self.features.n)
            sides = tuple(side.stop - side.start for side in piece)
            if sides not in tried:
                tried[sides] = exact(
                    piece, parts, lambda some: self.descent(some, _copy(start, some))
                )
            found += parts if tried[sides] else [piece]
        return found

    def initial(self) -> dict[str, Tensor]:
        """Return the parameters to start from, ``(seeds, settings, ...)`` each."""
        device, count = self.importance.device, len(self.importance)
        if self.start is not None:
            whole = torch.contiguous_format
            return {
                name: value.to(device, copy=True, memory_format=whole)
                for name, value in self.start.items()
            }
        parameters = self.model.initial(
            self.features.n,
            self.n_hidden,
            seeds=self.seeds,
            count=count,
            scale=self.procedure.initial_scale,
            device=device,
        )
        if self.procedure.centred:
            mean = self.features.mean.expand(*self.shape, -1).reshape(count, -1)
            parameters["b"] = self.model.centred(parameters, mean.to(self.importance))
        return parameters

    def descent(self, piece: Piece, parameters: dict[str, Tensor]) -> Descent:
        """Return the descent of a piece, from and in its parameters."""
        of_seeds, of_settings = piece
        target = objective(
            self.model,
            self.features.settings(self.shape, of_settings.start, of_settings.stop),
            self.importance[of_settings],
            integrate=self.procedure.integrate,
            skip_silent=self.procedure.skip_silent,
        )
        return Descent(
            target,
            parameters,
            self.procedure,
            uniforms=self.features.uniforms,
            seeds=self.seeds[of_seeds],
            settings=range(len(self.importance))[of_settings],
            snapshots=self.snapshots,
        )


@dataclass(frozen=True, eq=False)
class _Course:
    """Where all models are and have been; pieces fill in their parts, in whatever process."""

    parameters: dict[str, Tensor]  # (seeds, settings, ...)
    trajectory: dict[str, Tensor]  # (snapshots, seeds, settings, ...)
    history: Tensor  # (records, seeds, settings)
    pieces: list[Piece]
    done: Tensor  # the steps of each piece

    @staticmethod
    def begun(ensemble: _Ensemble, *, whole: bool) -> _Course:
        """Return the course before the first step; ``whole`` pieces are those of any machine."""
        parameters = ensemble.initial()
        pieces = ensemble.pieces() if whole else ensemble.parts(parameters)
        records = -(-ensemble.procedure.steps // BLOCK)
        shape = len(ensemble.seeds), len(ensemble.importance)
        return _Course(
            parameters,
            {
                name: value.new_zeros(len(ensemble.snapshots), *value.shape)
                for name, value in parameters.items()
            },
            torch.zeros(records, *shape, device=ensemble.importance.device),
            pieces,
            torch.zeros(len(pieces), dtype=torch.long),
        )

    def share(self) -> None:
        """Put everything where other processes can write."""
        for value in (*self.parameters.values(), *self.trajectory.values(), self.history):
            value.share_memory_()
        self.done.share_memory_()

    def taken_back(self) -> _Course:
        """Return the same in memory of this process: shared memory is an open file each."""
        return _Course(
            {name: value.clone() for name, value in self.parameters.items()},
            {name: value.clone() for name, value in self.trajectory.items()},
            self.history.clone(),
            self.pieces,
            self.done.clone(),
        )

    def put(self, piece: Piece, descent: Descent) -> None:
        """Fill in what a piece has come to."""
        for name, value in self.parameters.items():
            value[piece] = descent.parameters[name]
            self.trajectory[name][:, *piece] = descent.kept[name]
        self.history[:, *piece] = torch.stack(descent.history)

    def trained(self, ensemble: _Ensemble, seconds: float) -> Trained:
        """Return the trained ensemble, with the settings' own axes."""
        seeds, shape, steps = len(ensemble.seeds), ensemble.shape, ensemble.procedure.steps
        return Trained(
            model=ensemble.model,
            features=ensemble.features,
            importance=ensemble.importance.reshape(*shape, ensemble.features.n),
            parameters={
                name: value.reshape(seeds, *shape, *value.shape[2:])
                for name, value in self.parameters.items()
            },
            loss_history=self.history.reshape(len(self.history), seeds, *shape),
            recorded_steps=torch.tensor(
                [min(first + BLOCK, steps) for first in range(0, steps, BLOCK)]
            ),
            seeds=tuple(ensemble.seeds),
            procedure=ensemble.procedure,
            snapshots=torch.tensor(ensemble.snapshots, dtype=torch.long),
            trajectory={
                name: value.reshape(len(value), seeds, *shape, *value.shape[3:])
                for name, value in self.trajectory.items()
            },
            seconds=seconds,
        )


def _descend(ensemble: _Ensemble, saved: Checkpoint | None, progress: bool | None) -> _Course:
    """Train every piece, on as many cores as there are."""
    # what is saved is to be found again by a machine with other cores
    course, spread = _Course.begun(ensemble, whole=saved is not None), ensemble.spread
    pieces = course.pieces
    if spread:
        course.share()
    here = os.getpid()
    with progress_bar(len(pieces) * ensemble.procedure.steps, "training", progress) as bar:

        def show() -> None:
            bar.update(int(course.done.sum()) - bar.n)

        def work(number: int) -> None:
            piece = pieces[number]
            descent = ensemble.descent(piece, _copy(course.parameters, piece))
            for steps in descent.run(None if saved is None else saved.part(number, piece)):
                course.done[number] = steps
                if os.getpid() == here:  # the bar is this process's
                    show()
            course.put(piece, descent)

        in_parallel(work, range(len(pieces)), spread=spread, watch=show)
    return course.taken_back() if spread else course


def _copy(parameters: dict[str, Tensor], piece: Piece) -> dict[str, Tensor]:
    """Return a copy of a piece's parameters."""
    return {name: value[piece].clone() for name, value in parameters.items()}


def _pieces(seeds: int, settings: int, entries: int, device: torch.device) -> list[Piece]:
    """Cut an ensemble of seeds × settings into pieces, in the same way on every machine."""
    most = _MOST_ENTRIES if device.type == "cpu" else _MOST_ENTRIES_ON_GPU
    total = seeds * settings * entries
    cuts = 2 if device.type == "cpu" and total >= 2 * _FEWEST_ENTRIES else 1
    while total > most * cuts:
        cuts *= 2
    # settings of a seed share their draws: they are the axis to keep whole
    return cut((seeds, settings), math.ceil(seeds * settings / cuts))


def _start(
    start: Mapping[str, Tensor] | None,
    shapes: dict[str, tuple[int, ...]],
    ensemble: tuple[int, ...],
) -> dict[str, Tensor] | None:
    """Return given initial parameters, checked, with one axis of seeds and one of settings."""
    if start is None:
        return None
    if not isinstance(start, Mapping) or start.keys() != shapes.keys():
        told = f"names {list(start)}" if isinstance(start, Mapping) else f"is a {type(start)}"
        raise InvalidArgument(
            f"start {told}: a tensor for each of {', '.join(sorted(shapes))}, by name, is needed"
        )
    given = {}
    for name, own in shapes.items():
        value = checks.finite(f"start[{name!r}]", start[name], dtype=torch.get_default_dtype())
        try:
            value = value.detach().expand(*ensemble, *own)
        except RuntimeError:
            raise InvalidArgument(
                f"start[{name!r}] has shape {tuple(value.shape)}: it must broadcast to "
                f"(seeds, *settings, ...) = {(*ensemble, *own)}"
            ) from None
        given[name] = value.reshape(ensemble[0], -1, *own)
    return given


def _snapshots(snapshots: Sequence[int] | Tensor, steps: int) -> list[int]:
    """Return the numbers of steps after which to keep the parameters, checked."""
    asked = checks.whole_numbers("snapshots", snapshots)
    if any(later <= step for step, later in pairwise(asked)) or (asked and asked[-1] > steps):
        raise InvalidArgument(
            f"snapshots is {checks.shortly(snapshots)}: increasing numbers of steps, from 0 to the "
            f"procedure's {steps}, are needed"
        )
    return asked


def _usable(device: str | torch.device) -> torch.device:
    try:
        return torch.zeros((), device=device).device
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidArgument(
            f"device is {checks.shortly(device)}, which cannot be used: {reason}"
        ) from None
