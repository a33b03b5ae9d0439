"""Trained ensembles: what training gives, how good it is, and whether it has come to rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from superpos import checks, geometry
from superpos.compute import streams
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument
from superpos.features import FeatureDistribution
from superpos.models import Model
from superpos.stats import best_of
from superpos.training.descent import Descent
from superpos.training.objectives import Objective, objective
from superpos.training.procedures import Procedure

_ENTRIES_AT_ONCE = 4_000_000  # of a (models, batch, n) array: bounds the memory
_OTHER_INPUTS = 1 << 40  # what is added to a seed that is to go on with other inputs


@dataclass(frozen=True, eq=False)
class Rest:
    """Whether models have come to rest: what they gain by going on.

    Attributes
    ----------
    fall, error
        By what share going on lowers the expected loss, and its standard error; below 0 where the
        loss rises.
    move
        By what share it changes D*.
    holds
        Whether the loss falls by less than the share that was asked for, known well enough to
        tell, and D* moves by less. All are ``(seeds, *settings)``.
    """

    fall: Tensor
    error: Tensor
    move: Tensor
    holds: Tensor


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained ensemble. Leading axes are seeds, then the settings of the distribution.

    Attributes
    ----------
    model, features, importance
        What was trained, on what: importance is ``(*settings, n)``.
    parameters
        ``W`` ``(seeds, *settings, m, n)``, ``b`` ``(seeds, *settings, n)``, ``V`` for an
        untied decoder, and ``c`` ``(seeds, *settings, m)`` for hidden biases; or those that a model
        of one's own has.
    loss_history
        ``(records, seeds, *settings)``: the loss on the last batch before each record.
    recorded_steps
        ``(records,)``: the number of steps done at each record.
    seeds, procedure, seconds
        What was asked for, and how long it took.
    snapshots
        ``(snapshots,)``: after how many steps the parameters were kept.
    trajectory
        They, by name, each with an axis of snapshots before its others:
        ``W`` ``(snapshots, seeds, *settings, m, n)`` and so on.
    """

    model: Model
    features: FeatureDistribution
    importance: Tensor
    parameters: dict[str, Tensor]
    loss_history: Tensor
    recorded_steps: Tensor
    seeds: tuple[int, ...]
    procedure: Procedure
    seconds: float
    snapshots: Tensor
    trajectory: dict[str, Tensor]

    @property
    def W(self) -> Tensor:
        """The encoder, ``(seeds, *settings, m, n)``; a model of one's own may have none."""
        return self._parameter("W")

    @property
    def b(self) -> Tensor:
        """The output biases, ``(seeds, *settings, n)``; a model of one's own may have none."""
        return self._parameter("b")

    def _parameter(self, name: str) -> Tensor:
        if name not in self.parameters:
            raise InvalidArgument(
                f"the model {self.model.name!r} has no {name}: its parameters are "
                f"{', '.join(self.parameters)}, by name in Trained.parameters"
            )
        return self.parameters[name]

    @property
    def _device(self) -> torch.device:
        return self.loss_history.device

    def expected_loss(self, *, samples: int = 10_000, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Estimate each model's expected loss on held-out inputs, with its standard error.

        All models see the same draws, and what can be integrated is. For tied ReLU-output models
        whose n is at most 14, `superpos.losses.exact_loss` has no error.

        Parameters
        ----------
        samples
            About how many inputs, at least 2.
        seed
            Selects the draws, which are not those of any training.

        Returns
        -------
        mean, standard_error
            ``(seeds, *settings)`` each.

        Examples
        --------
        >>> from superpos import IndependentFeatures, Procedure, train
        >>> run = train(IndependentFeatures(5, 0.1), 2, seeds=3, procedure=Procedure(steps=10))
        >>> mean, error = run.expected_loss(samples=100)
        >>> mean.shape
        torch.Size([3])
        """
        losses = self._losses(self._on_one_axis(), samples, seed)
        error = losses.std(0) / len(losses) ** 0.5
        shape = self.loss_history.shape[1:]
        return losses.mean(0).reshape(shape), error.reshape(shape)

    def rest(
        self,
        times: float = 9,
        *,
        samples: int = 200_000,
        most_fall: float = 1e-3,
        most_move: float = 1e-2,
    ) -> Rest:
        """Go on, and tell whether that lowers the loss or moves the features.

        Each model goes on from where it is for ``times`` as many steps, with other inputs, with
        what can be integrated, and a rate that falls to 0 in the end. It was at rest if the loss on
        held-out inputs, the same for both, then falls by less than ``most_fall``, and if
        D* = m/‖W‖² changes by less than ``most_move``; of models without a W of m × n, 1/‖θ‖² of
        all parameters θ stands for it. This tells what is to be had by going on from there, not
        whether there is something better elsewhere: see `superpos.optima.search.best_known` for
        that.

        Parameters
        ----------
        times
            How long to go on, in parts of what training took, above 0; 9 makes it ten times.
        samples
            About how many inputs to judge by, at least 2.
        most_fall, most_move
            Shares, above 0.

        Returns
        -------
        Rest

        Raises
        ------
        InvalidArgument
            If one of these is not as above.

        Examples
        --------
        >>> from superpos import IndependentFeatures, Procedure, train
        >>> features = IndependentFeatures(3, 0.1)
        >>> short = train(features, 2, seeds=1, procedure=Procedure.fast(3, 2, steps=20))
        >>> long = train(features, 2, seeds=1, procedure=Procedure.fast(3, 2, steps=1000))
        >>> short.rest().holds.tolist(), long.rest(1).holds.tolist()
        ([False], [True])
        """
        times = checks.positive_number("times", times)
        samples = checks.whole_number("samples", samples, least=2)  # before the long part
        most_fall = checks.positive_number("most_fall", most_fall)
        most_move = checks.positive_number("most_move", most_move)
        before = self._on_one_axis()
        procedure = replace(
            self.procedure, steps=max(1, round(times * self.procedure.steps)), cosine=True
        )
        after = Descent(
            self._target(),
            {name: value.clone() for name, value in before.items()},
            procedure,
            uniforms=self.features.uniforms,
            seeds=[seed + _OTHER_INPUTS for seed in self.seeds],
        )
        for _ in after.run():
            pass
        was, now = (self._losses(at, samples, 0) for at in (before, after.parameters))
        mean = was.mean(0)
        fall = (was - now).mean(0) / mean
        error = (was - now).std(0) / len(was) ** 0.5 / mean
        D_star = [self._dimensions(at) for at in (before, after.parameters)]
        move = (D_star[1] / D_star[0] - 1).abs()
        holds = (fall + 2 * error < most_fall) & (move < most_move)
        shape = self.loss_history.shape[1:]
        return Rest(*(value.reshape(shape) for value in (fall, error, move, holds)))

    def best(self, *, samples: int = 2000) -> dict[str, Tensor]:
        """Return, for each setting, the parameters of the seed with the lowest expected loss.

        Returns
        -------
        dict
            As `parameters`, without the axis of the seeds.

        Examples
        --------
        >>> from superpos import IndependentFeatures, Procedure, train
        >>> features = IndependentFeatures(5, torch.tensor([[1.0], [0.1]]))
        >>> train(features, 2, seeds=4, procedure=Procedure(steps=10)).best()["W"].shape
        torch.Size([2, 2, 5])
        """
        loss, _ = self.expected_loss(samples=samples)
        return {name: best_of(loss, value) for name, value in self.parameters.items()}

    def _dimensions(self, parameters: dict[str, Tensor]) -> Tensor:
        """Return D*, or what is in its place where there is no W, ``(seeds, settings)``."""
        if tuple(self.model.axes.get("W", ())) == ("m", "n"):
            return geometry.dimensions_per_feature(parameters["W"])
        squares = (value.square() for value in parameters.values())
        return 1 / sum(each.reshape(*each.shape[:2], -1).sum(-1) for each in squares)  # type: ignore

    def _target(self) -> Objective:
        shape = self.loss_history.shape[2:]
        count = shape.numel()
        device = self._device
        return objective(
            self.model,
            self.features.to(device).settings(shape, 0, count),
            self.importance.to(device).reshape(count, -1),
            integrate=True,
        )

    def _losses(self, parameters: dict[str, Tensor], samples: int, seed: int) -> Tensor:
        """Return held-out losses of each model, ``(batches, seeds, settings)``."""
        target = self._target()
        return torch.stack(
            [target.loss(parameters, u).double() for u in self._held_out(samples, seed)]
        )

    def _on_one_axis(self) -> dict[str, Tensor]:
        """Return the parameters with one axis of settings, ``(seeds, settings, ...)``."""
        shape = self.loss_history.shape[1:]
        return {
            name: value.reshape(len(self.seeds), -1, *value.shape[len(shape) :])
            for name, value in self.parameters.items()
        }

    def _held_out(self, samples: int, seed: int) -> Iterator[Tensor]:
        """Yield draws ``(seeds, batch, uniforms)``, in an even number of batches."""
        samples = checks.whole_number("samples", samples, least=2)
        seed = checks.whole_number("seed", seed, least=0)
        models = self.loss_history.shape[1:].numel()
        most = max(1, _ENTRIES_AT_ONCE // (models * self.features.n))
        batch = min(most, max(1, samples // 20))
        for number in range(2 * -(-samples // (2 * batch))):
            shape = (batch, self.features.uniforms)
            u = streams.uniforms([seed], Purpose.EVALUATION, number, shape, device=self._device)
            yield u.expand(len(self.seeds), -1, -1)
