"""Trained ensembles: what training gives, how good it is, and whether it has come to an end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from superpos import checks
from superpos.compute import streams
from superpos.compute.streams import Purpose
from superpos.features import FeatureDistribution
from superpos.models import Model
from superpos.stats import best_of
from superpos.training.objectives import Objective, objective
from superpos.training.procedures import Procedure

_ENTRIES_AT_ONCE = 4_000_000  # of a (models, batch, n) array: bounds the memory


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained ensemble. Leading axes are seeds, then the settings of the distribution.

    Attributes
    ----------
    model, features, importance
        What was trained, on what: importance is ``(*settings, n)``.
    parameters
        ``W`` ``(seeds, *settings, m, n)``, ``b`` ``(seeds, *settings, n)``, ``V`` for an
        untied decoder, and ``c`` ``(seeds, *settings, m)`` for hidden biases.
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
        """The encoder, ``(seeds, *settings, m, n)``."""
        return self.parameters["W"]

    @property
    def b(self) -> Tensor:
        """The output biases, ``(seeds, *settings, n)``."""
        return self.parameters["b"]

    def expected_loss(self, *, samples: int = 10_000, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Estimate each model's expected loss on held-out inputs, with its standard error.

        All models see the same draws, and what can be integrated is. For tied ReLU-output models
        whose n is at most 10, `superpos.losses.exact_loss` has no error.

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
        target, parameters = self._target(), self._on_one_axis()
        losses = [target.loss(parameters, u).double() for u in self._held_out(samples, seed)]
        losses = torch.stack(losses)
        error = losses.std(0) / len(losses) ** 0.5
        shape = self.loss_history.shape[1:]
        return losses.mean(0).reshape(shape), error.reshape(shape)

    def slope(self, *, samples: int = 10_000, seed: int = 0) -> Tensor:
        """Return how far each model is from the end of its descent: ‖∇L‖ ‖θ‖ / L.

        That is by what share the loss would fall, were it to go on falling as steeply as now
        until the parameters θ (all of them, as one vector) have changed by their own length. It
        is 0 at a stationary point. ‖∇L‖² is the product of the gradients on two independent
        halves of the inputs, which is unbiased; where it comes out negative, it is taken for 0.

        Parameters
        ----------
        samples, seed
            As for `expected_loss`.

        Returns
        -------
        Tensor
            ``(seeds, *settings)``.
        """
        target, parameters = self._target(), self._on_one_axis()
        loss, halves = torch.zeros(()), [torch.zeros(()), torch.zeros(())]
        draws = list(self._held_out(samples, seed))
        for number, u in enumerate(draws):
            gradients = target.gradients(parameters, u)
            joined = torch.cat([gradients[name].flatten(2) for name in parameters], dim=-1)
            halves[number % 2] = halves[number % 2] + joined.double()
            loss = loss + target.loss(parameters, u).double()
        half = len(draws) / 2
        square = ((halves[0] / half) * (halves[1] / half)).sum(-1).clamp_min(0)
        length = sum(value.flatten(2).double().square().sum(-1) for value in parameters.values())
        return ((square * length).sqrt() / (loss / len(draws))).reshape(self.loss_history.shape[1:])

    def converged(self, tolerance: float = 0.3, *, samples: int = 10_000) -> Tensor:
        """Return whether each model's `slope` is at most ``tolerance``: ``(seeds, *settings)``.

        Examples
        --------
        >>> from superpos import IndependentFeatures, Procedure, train
        >>> features = IndependentFeatures(3, 0.1)
        >>> run = train(features, 2, seeds=1, procedure=Procedure.fast(3, 2, steps=10))
        >>> run.converged().tolist()
        [False]
        """
        checks.positive_number("tolerance", tolerance)
        return self.slope(samples=samples) <= tolerance

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

    def _target(self) -> Objective:
        shape = self.loss_history.shape[2:]
        count = shape.numel()
        device = self.W.device
        return objective(
            self.model,
            self.features.to(device).settings(shape, 0, count),
            self.importance.to(device).reshape(count, -1),
            integrate=True,
        )

    def _on_one_axis(self) -> dict[str, Tensor]:
        """Return the parameters with one axis of settings, ``(seeds, settings, ...)``."""
        shapes = self.model.shapes(self.features.n, self.W.shape[-2])
        return {
            name: value.reshape(len(self.seeds), -1, *shapes[name])
            for name, value in self.parameters.items()
        }

    def _held_out(self, samples: int, seed: int) -> Iterator[Tensor]:
        """Yield draws ``(seeds, batch, uniforms)``, in an even number of batches."""
        checks.whole_number("samples", samples, least=2)
        checks.whole_number("seed", seed, least=0)
        models = self.loss_history.shape[1:].numel()
        most = max(1, _ENTRIES_AT_ONCE // (models * self.features.n))
        batch = min(most, max(1, samples // 20))
        for number in range(2 * -(-samples // (2 * batch))):
            shape = (batch, self.features.uniforms)
            u = streams.uniforms([seed], Purpose.EVALUATION, number, shape, device=self.W.device)
            yield u.expand(len(self.seeds), -1, -1)
