"""Procedures: how gradient descent is run, and the ones with a name."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from superpos import checks


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
    beta2
        AdamW's β₂, in [0, 1): its memory of the squared gradient is about 1/(1 − β₂) steps.
    initial_scale
        Factor on the initial weights of `Model.initial`, above 0.
    centred
        Whether biases start where the mean input comes out as it is (`Model.centred`), so that
        no output starts below its kink for every input; else they start at 0.
    integrate
        Whether to integrate exactly what can be (see `superpos.training.objectives`): the same
        expected loss with less noise; else inputs are only sampled, as in the paper.
    skip_silent
        Where inputs are only sampled, whether each is drawn with at least one active feature, and
        the silent input counted with its exact probability: the same expected loss, and as much
        noise as 1/(1 − that probability) times as many inputs.

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
    beta2: float = 0.999
    initial_scale: float = 1.0
    centred: bool = False
    integrate: bool = True
    skip_silent: bool = False

    def __post_init__(self) -> None:
        checked = {
            "steps": checks.whole_number("steps", self.steps),
            "batch_size": checks.whole_number("batch_size", self.batch_size),
            "warmup": checks.whole_number("warmup", self.warmup, least=0),
            "learning_rate": checks.positive_number("learning_rate", self.learning_rate),
            "weight_decay": checks.positive_number(
                "weight_decay", self.weight_decay, allow_zero=True
            ),
            "beta2": checks.fraction("beta2", self.beta2),
            "initial_scale": checks.positive_number("initial_scale", self.initial_scale),
        }
        for name in ("cosine", "centred", "integrate", "skip_silent"):
            checked[name] = checks.flag(name, getattr(self, name))
        for name, value in checked.items():  # numbers of any library as Python's
            object.__setattr__(self, name, value)

    @staticmethod
    def fast(n: int, m: int, **changes) -> Procedure:
        """Return a procedure that finds good optima of n features in m dimensions soon.

        For when only the optimum matters. Features start half as long as they will be, not
        near 0; biases start centred. The rate falls with n, for every feature is
        noise to the others; early noise decides how many features are represented.

        Parameters
        ----------
        n, m
            Numbers of features and of hidden dimensions, at least 1.
        changes
            Fields of the procedure that are to be otherwise.

        Raises
        ------
        InvalidArgument
            If one of these is not as above.

        Examples
        --------
        >>> Procedure.fast(200, 20, steps=500).learning_rate
        0.01
        """
        n = checks.whole_number("n", n)
        m = checks.whole_number("m", m)
        fast = Procedure(
            steps=2000,
            batch_size=64,
            learning_rate=min(0.03, 2 / n),
            warmup=50,
            beta2=0.99,
            initial_scale=0.55 / (2 / (n + m)) ** 0.5,
            centred=True,
        )
        return replace(fast, **changes)

    @staticmethod
    def converged(n: int, m: int, **changes) -> Procedure:
        """Return `fast`, for long enough that models come to rest: see `Trained.rest`.

        Ten times the steps, of twice as many inputs, at twice the rate: the noise of the first half
        is what finds better places, and its end is quiet. It is tested up to n = 10. Where n is far
        above what m dimensions hold, training of all features does not come to rest in any time
        that one would wait: see `superpos.optima.search.best_known`.

        Parameters
        ----------
        n, m, changes
            As for `fast`.

        Examples
        --------
        >>> Procedure.converged(5, 2).steps
        20000
        """
        fast = Procedure.fast(n, m)
        return replace(
            fast,
            **{
                "steps": 10 * fast.steps,
                "batch_size": 2 * fast.batch_size,
                "learning_rate": min(0.03, 2 * fast.learning_rate),
                **changes,
            },
        )

    @staticmethod
    def patient(n: int, m: int, **changes) -> Procedure:
        """Return a procedure that trains all n features for very long: patience, not rest.

        100 000 steps of 1024 inputs, at a rate of 0.003 that falls to 0: hours for n = 400 without
        a GPU. What it finds is what "with patience" means in the book.

        Parameters
        ----------
        n, m, changes
            As for `fast`.

        Examples
        --------
        >>> Procedure.patient(400, 30).batch_size
        1024
        """
        return replace(
            Procedure.fast(n, m),
            **{"steps": 100_000, "batch_size": 1024, "learning_rate": 0.003, **changes},
        )

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


def published(n: int, m: int, *, instances: int = 1, **changes) -> Procedure:
    """Return `PUBLISHED` with the initial values of the authors' notebook.

    Its weights are one array (instances, n, m), and Glorot's rule takes that array's axes for a
    convolution's: the standard deviation is √(2 / ((n + instances) m)), smaller the more models
    are trained side by side.

    Parameters
    ----------
    n, m, changes
        As for `Procedure.fast`.
    instances
        How many models the array holds, at least 1.

    Raises
    ------
    InvalidArgument
        If one of these is not as above.

    Examples
    --------
    >>> from superpos import RELU_OUTPUT
    >>> scale = published(5, 2, instances=10).initial_scale
    >>> W = RELU_OUTPUT.initial(5, 2, seeds=range(2000), scale=scale)["W"]
    >>> round(W.std().item(), 2), round((2 / 30) ** 0.5, 2)
    (0.26, 0.26)
    """
    n = checks.whole_number("n", n)
    m = checks.whole_number("m", m)
    instances = checks.whole_number("instances", instances)
    scale = ((n + m) / (n + instances)) ** 0.5  # against √(2 / (m (n + m))) of `Model.initial`
    return replace(PUBLISHED, **{"initial_scale": scale, **changes})
