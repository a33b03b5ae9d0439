"""The ways to train that several chapters have: as published, and until models are at rest.

Where no training comes to rest, the best models known are searched for in its place (`Search`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from superpos.optima.search import best_known
from superpos.studies.study import Way
from superpos.training.procedures import Procedure, published

STEPS = 10_000
BEST_KNOWN = (
    "the best models known: each a crowd of few features that was trained without the others, 3000 "
    "steps from one start, or a stack of exact polytopes, whichever loses less"
)


def elhage_notebook(
    array: str, instances: int | Callable[..., int], steps: Mapping[str, int | None]
) -> Way:
    """Return the procedure of the notebook, with as many models in an array as a chapter has.

    Parameters
    ----------
    array
        In words: which models the array holds; what the source says of all this.
    instances
        How many they are; or that from n, and by name what else the chapter's experiments say.
    steps
        The chapter's parameters that count steps, and how many of them quick retests take; None
        where that is the chapter's own.

    Examples
    --------
    >>> way = elhage_notebook("an array of 10 models, biases 0", 10, {"steps": 1000})
    >>> way.procedure(5, 2, 1000) == published(5, 2, instances=10, steps=1000)
    True
    >>> way.settings, way.quick
    ({'steps': 10000}, {'steps': 1000})
    """

    count = (lambda n: instances) if isinstance(instances, int) else instances

    def procedure(n: int, m: int, steps: int, **kind) -> Procedure:
        return published(n, m, instances=count(n, **kind), steps=steps)

    return Way(
        "AdamW at a constant 0.001 with weight decay 0.01, 10 000 steps of 1024 inputs, Glorot "
        f"weights over {array}",
        procedure,
        settings=dict.fromkeys(steps, STEPS),
        quick={name: count for name, count in steps.items() if count is not None},
    )


def at_rest(steps: Mapping[str, int]) -> Way:
    """Return the procedure after which further training changes small models no more.

    `Procedure.converged`, which is tested up to ten features: beyond that it is merely longer than
    the chapter's own.

    Parameters
    ----------
    steps
        The chapter's parameters that count steps, and how many of them.

    Examples
    --------
    >>> at_rest({"steps": 20_000}).procedure(5, 2, 20_000) == Procedure.converged(5, 2)
    True
    """

    def procedure(n: int, m: int, steps: int, **kind) -> Procedure:
        return Procedure.converged(n, m, steps=steps)

    return Way(
        "Adam at a rate of at most 0.03 or 4/n, warmed up and lowered to 0 as a cosine, 128 inputs "
        "a step, centred biases, ten times as many steps as the chapter",
        procedure,
        settings=dict(steps),
        quick={name: count // 20 for name, count in steps.items()},
    )


@dataclass(frozen=True)
class Search:
    """In place of a procedure: models are not trained, but the best known are searched for.

    No training of all n features that we know comes to rest (`superpos.optima.search`).

    Attributes
    ----------
    steps
        For which a crowd is trained.
    """

    steps: int

    def models(self, n: int, m: int, p: Tensor, seeds: Sequence[int]) -> Tensor:
        """Return W ``(seeds, k, m, n)`` for seeds and p ``(k,)``.

        >>> Search(200).models(6, 2, torch.tensor([0.5, 0.2]), [0]).shape
        torch.Size([1, 2, 2, 6])
        """
        found = [best_known(n, m, p, seeds=[seed], steps=self.steps) for seed in seeds]
        return torch.stack([each.W for each in found])


def search(n: int, m: int, steps: int) -> Search:
    """The best models known, whatever n and m."""
    return Search(steps)
