"""Training: one way to train an ensemble of toy models side by side."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor
from tqdm.auto import tqdm

from superpos import checks, streams
from superpos.checkpoints import Checkpoint
from superpos.errors import Diverged, InvalidArgument
from superpos.features import FeatureDistribution
from superpos.models import RELU_OUTPUT, Model
from superpos.objectives import Objective, objective
from superpos.parallel import in_parallel
from superpos.progress import progress_bar

_BLOCK = 20  # steps whose inputs are drawn together, with one record of the loss at the end
# Entries of a piece's (models, batch, n) arrays: enough for a call to outlast its overhead, and
# few enough that every core gets a piece.
_FEWEST_ENTRIES, _MOST_ENTRIES = 100_000, 400_000
_SECONDS_BETWEEN_CHECKPOINTS = 60


@dataclass(frozen=True)
class Procedure:
    """How gradient descent is run.

    Parameters
    ----------
    steps, batch_size
        Number of updates, and of inputs drawn for each; at least 1.
    learning_rate
        The largest rate of Adam, above 0.
    warmup
        Steps over which the rate rises linearly from 0, at least 0.
    cosine
        Whether the rate then falls to 0 as half a cosine; else it stays.
    weight_decay
        AdamW's decay of the weights, at least 0.
    initial_scale
        Factor on the initial weights of `Model.initial`, above 0.
    integrate
        Whether to integrate exactly what can be (see `superpos.objectives`): the same
        expected loss with less noise; else inputs are only sampled, as in the paper.

    Examples
    --------
    >>> [round(Procedure(steps=4, warmup=2).rate(step), 5) for step in range(4)]
    [0.005, 0.01, 0.01, 0.005]
    """

    steps: int = 3000
    batch_size: int = 64
    learning_rate: float = 0.01
    warmup: int = 100
    cosine: bool = True
    weight_decay: float = 0.0
    initial_scale: float = 1.0
    integrate: bool = True

    def __post_init__(self) -> None:
        checks.whole_number("steps", self.steps)
        checks.whole_number("batch_size", self.batch_size)
        checks.whole_number("warmup", self.warmup, least=0)
        checks.positive_number("learning_rate", self.learning_rate)
        checks.positive_number("weight_decay", self.weight_decay, allow_zero=True)
        checks.positive_number("initial_scale", self.initial_scale)

    def rate(self, step: int) -> float:
        """Return the learning rate at ``step``, counted from 0."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        if not self.cosine:
            return self.learning_rate
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.learning_rate * (1 + math.cos(math.pi * done)) / 2


PUBLISHED = Procedure(
    steps=10_000,
    batch_size=1024,
    learning_rate=1e-3,
    warmup=0,
    cosine=False,
    weight_decay=0.01,  # AdamW's default, which the authors' notebook leaves as it is
    integrate=False,
)
"""The procedure of the notebook published with Elhage et al. 2022."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained ensemble. Leading axes are seeds, then the settings of the distribution.

    Attributes
    ----------
    parameters
        ``W`` ``(seeds, *settings, m, n)``, ``b`` ``(seeds, *settings, n)``, and ``V`` for an
        untied decoder.
    loss_history
        ``(records, seeds, *settings)``: the loss on the last batch before each record.
    recorded_steps
        ``(records,)``: the number of steps done at each record.
    seeds, procedure, seconds
        What was asked for, and how long it took.
    """

    model: Model
    parameters: dict[str, Tensor]
    loss_history: Tensor
    recorded_steps: Tensor
    seeds: tuple[int, ...]
    procedure: Procedure
    seconds: float

    @property
    def W(self) -> Tensor:
        """The encoder, ``(seeds, *settings, m, n)``."""
        return self.parameters["W"]

    @property
    def b(self) -> Tensor:
        """The output biases, ``(seeds, *settings, n)``."""
        return self.parameters["b"]


def train(
    features: FeatureDistribution,
    n_hidden: int,
    *,
    model: Model = RELU_OUTPUT,
    importance: Tensor | float | None = None,
    seeds: int | Sequence[int] = 10,
    procedure: Procedure | None = None,
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
    """
    started = time.perf_counter()
    checks.whole_number("n_hidden", n_hidden)
    seeds = streams.seed_list(seeds)
    procedure = procedure or Procedure()
    device = _usable(device)
    weight = checks.importances(
        "importance", importance, features.n, dtype=torch.get_default_dtype()
    ).to(device)
    shape = checks.broadcast_shape(features=features.shape, importance=weight.shape[:-1])
    count = shape.numel()
    pieces = _pieces(len(seeds), count, procedure.batch_size * features.n)
    weight = weight.expand(*shape, features.n).reshape(count, features.n)
    saved = None if checkpoint is None else Checkpoint(Path(checkpoint), {
        "model": model, "features": features, "importance": weight, "m": n_hidden,
        "seeds": seeds, "procedure": procedure,
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
    history = torch.zeros(-(-procedure.steps // _BLOCK), len(seeds), count, device=device)
    with progress_bar(len(pieces) * procedure.steps, "training", progress) as bar:

        def descend(number: int) -> None:
            of_seeds, of_settings = pieces[number]
            part = {name: value[of_seeds, of_settings] for name, value in parameters.items()}
            descent = _Descent(
                objective(
                    model,
                    features.settings(shape, of_settings.start, of_settings.stop),
                    weight[of_settings],
                    integrate=procedure.integrate,
                ),
                seeds[of_seeds],
                range(count)[of_settings],
                (procedure.batch_size, features.uniforms),
                procedure,
                {name: value.clone() for name, value in part.items()},
            )
            descent.run(bar, None if saved is None else saved.part(number, pieces[number]))
            for name, value in part.items():
                value.copy_(descent.parameters[name])
            history[:, of_seeds, of_settings] = torch.stack(descent.history)

        in_parallel(descend, range(len(pieces)))
    return Trained(
        model=model,
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
        seconds=time.perf_counter() - started,
    )


def _pieces(seeds: int, settings: int, entries: int) -> list[tuple[slice, slice]]:
    """Cut an ensemble of seeds × settings into pieces, in the same way on every machine."""
    quarter = seeds * settings * entries // 4
    models = max(1, min(max(quarter, _FEWEST_ENTRIES), _MOST_ENTRIES) // entries)
    wide = min(settings, models)  # settings of a seed share their draws: keep them together
    tall = max(1, models // wide)
    return [
        (slice(i, min(i + tall, seeds)), slice(j, min(j + wide, settings)))
        for i in range(0, seeds, tall)
        for j in range(0, settings, wide)
    ]


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
    ) -> None:
        self.target, self.seeds, self.settings, self.draws = target, seeds, settings, draws
        self.procedure, self.parameters = procedure, parameters
        self.history: list[Tensor] = []
        self.done = 0
        self.rate = torch.tensor(procedure.learning_rate)
        self.optimizer = torch.optim.AdamW(
            parameters.values(), lr=self.rate, weight_decay=procedure.weight_decay, fused=True
        )

    def run(self, bar: tqdm, checkpoint: Checkpoint | None) -> None:
        """Go on from where the checkpoint left off, to the end."""
        if checkpoint is not None and (state := checkpoint.load()) is not None:
            self.restore(state)
            bar.update(self.done)
        last_save = time.monotonic()
        while self.done < self.procedure.steps:
            bar.update(self.block())
            if checkpoint is None:
                continue
            finished = self.done == self.procedure.steps
            if finished or time.monotonic() - last_save > _SECONDS_BETWEEN_CHECKPOINTS:
                checkpoint.save(self.state())
                last_save = time.monotonic()

    def block(self) -> int:
        """Take the next few steps, whose inputs are drawn together; return how many."""
        size = min(_BLOCK, self.procedure.steps - self.done)
        device = self.parameters["W"].device
        number = self.done // _BLOCK
        u = streams.uniforms(self.seeds, streams.INPUTS, number, (size, *self.draws), device=device)
        good = {name: value.clone() for name, value in self.parameters.items()}
        for step in range(size):
            gradients = self.target.gradients(self.parameters, u[:, step])
            for name, value in self.parameters.items():
                value.grad = gradients[name]
            self.rate.fill_(self.procedure.rate(self.done + step))
            self.optimizer.step()
        loss = self.target.loss(self.parameters, u[:, -1])
        if not torch.isfinite(loss).all():
            self.diverged(loss, size, good)
        self.history.append(loss)
        self.done += size
        return size

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
        state = {f"parameter.{name}": value for name, value in self.parameters.items()}
        for name, value in self.parameters.items():
            for part, moment in self.optimizer.state[value].items():
                state[f"optimizer.{name}.{part}"] = moment
        return state | {"done": torch.tensor(self.done), "history": torch.stack(self.history)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Put a saved state back."""
        for name, value in self.parameters.items():
            value.copy_(state[f"parameter.{name}"])
            prefix = f"optimizer.{name}."
            self.optimizer.state[value] = {
                key.removeprefix(prefix): moment
                for key, moment in state.items()
                if key.startswith(prefix)
            }
        self.done, self.history = int(state["done"]), list(state["history"])
