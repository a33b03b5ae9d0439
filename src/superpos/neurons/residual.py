"""Two residual layers that compute compositions of functions in superposition.

    s₁ = x + Vᵀ ReLU(W x + c),   s₂ = s₁ + Bᵀ ReLU(A s₁ + d),   y = output(s₂ + b)

with m neurons in each layer. What is to come out is a tent of |x_i| for each feature: one neuron in
the first layer makes x_i to |x_i|, one in the second bends that, and a single layer needs three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from superpos import checks
from superpos.errors import InvalidArgument
from superpos.models import Model, identity
from superpos.training.adam import Adam


def tent(x: Tensor) -> Tensor:
    """Return |x| up to one half and 1 − |x| from there on, for x in [−1, 1].

    Examples
    --------
    >>> tent(torch.tensor([-1.0, -0.5, 0.0, 0.25, 1.0]))
    tensor([0.0000, 0.5000, 0.0000, 0.2500, 0.0000])
    """
    return 0.5 - (checks.real("x", x).abs() - 0.5).abs()


class Residual(Model):
    """A stream of n dimensions with two layers of m neurons; `RESIDUAL` is one.

    Examples
    --------
    >>> parameters = RESIDUAL.initial(5, 2, seeds=[0, 1])
    >>> RESIDUAL.reconstruct(parameters, torch.rand(2, 1, 64, 5)).shape
    torch.Size([2, 1, 64, 5])
    """

    axes: Mapping[str, str] = {
        "W": "mn", "V": "mn", "c": "m", "A": "mn", "B": "mn", "d": "m", "b": "n",
    }  # fmt: skip

    def reconstruct(self, parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        """Return the outputs for inputs ``(..., batch, n)``."""
        at, s = self._given(parameters, x, "x")
        for into, bias, out_of in (("W", "c", "V"), ("A", "d", "B")):
            s = s + (s @ at[into].mT + at[bias][..., None, :]).relu() @ at[out_of]
        return self.output(s + at["b"][..., None, :])


RESIDUAL = Residual("two residual layers", target=tent)
"""With a ReLU at the output, to compute `tent`."""

RESIDUAL_LINEAR = Residual("two residual layers, linear output", output=identity, target=tent)
"""The same without."""


def exact(n: int, m: int) -> dict[str, Tensor]:
    """Return a model that computes the first m tents exactly, and ReLU(x_i) instead of the others.

    Parameters
    ----------
    n, m
        Features and neurons of each layer, m ≤ n.

    Examples
    --------
    >>> x = torch.tensor([[-0.25, -0.25], [1.0, 1.0]])
    >>> RESIDUAL.reconstruct(exact(2, 1), x)
    tensor([[0.2500, 0.0000],
            [0.0000, 1.0000]])
    """
    n, m = checks.whole_number("n", n), checks.whole_number("m", m)
    own = torch.eye(m, n)
    return {
        "W": -own, "V": 2 * own, "c": torch.zeros(m),
        "A": own, "B": -2 * own, "d": torch.full((m,), -0.5), "b": torch.zeros(n),
    }  # fmt: skip


def edge_code(n: int, m: int) -> dict[str, Tensor]:
    """Return a model that computes n ≤ m(m − 1)/2 tents exactly, while one feature is active.

    Each feature has two neurons of either layer, as an edge of a graph has two ends, and no two
    features the same. Neurons of the first layer hear −x of theirs; its answer turns the own
    feature round, leaves those that share a neuron as they are, and pushes all others below 0.
    Neurons of the second layer hear |x| of theirs, and bend it down.

    Parameters
    ----------
    n, m
        Features and neurons of each layer.

    Raises
    ------
    InvalidArgument
        If there are more features than pairs of neurons.

    Examples
    --------
    >>> x = torch.diag(torch.tensor([-0.25, 1.0, -0.75]))
    >>> RESIDUAL.reconstruct(edge_code(3, 3), x)
    tensor([[0.2500, 0.0000, 0.0000],
            [0.0000, 0.0000, 0.0000],
            [0.0000, 0.0000, 0.2500]])
    """
    n, m = checks.whole_number("n", n), checks.whole_number("m", m, least=2)
    ends = torch.triu_indices(m, m, 1)
    if n > ends.shape[1]:
        raise InvalidArgument(f"n is {n}: at most m (m − 1)/2 = {ends.shape[1]} is needed")
    own = torch.zeros(m, ends.shape[1]).scatter_(0, ends, 1.0)
    own = own[:, torch.linspace(0, ends.shape[1] - 1, n).round().long()]
    return {
        "W": -own, "V": 2 * own - 1, "c": torch.zeros(m),
        "A": own, "B": -own, "d": torch.full((m,), -0.5), "b": torch.zeros(n),
    }  # fmt: skip


def single_losses(
    p: Sequence[float], *, starts: int = 24, steps: int = 500, seed: int = 0
) -> Tensor:
    """Return the least that one function loses without a neuron and with one: ``(2, densities)``.

    The output is ReLU(a x + b + v ReLU(w x + c)); the best of many descents by Adam over a grid of
    x, where x is 0 with probability 1 − p and else uniform on [−1, 1].

    Parameters
    ----------
    p
        Densities in (0, 1].
    starts, steps, seed
        Of the search.

    Raises
    ------
    InvalidArgument
        If one of these is not as above.

    Examples
    --------
    >>> none, one = single_losses([0.02])[:, 0]
    >>> bool(none > one > 0)
    True
    """
    density = checks.probabilities("p", p, dtype=torch.float32).detach()
    if density.ndim != 1 or not len(density) or not density.all():
        raise InvalidArgument(f"p is {checks.shortly(p)}: densities in (0, 1], a list, are needed")
    density = density[:, None]
    starts, steps = checks.whole_number("starts", starts), checks.whole_number("steps", steps)
    draw = torch.Generator().manual_seed(checks.whole_number("seed", seed, least=0))
    x = torch.linspace(-1, 1, 101)
    found = []
    for neurons in (0, 1):
        at = torch.randn(5, 1, starts, generator=draw).repeat(1, len(density), 1)
        at[1] = -at[1].abs() / 10  # outputs that begin above 0 at x = 0 lose most
        if neurons:
            at[..., 0] = torch.tensor([0.4, 0.0, 0.8, -1.0, 0.0])[:, None]  # 0.4 |x|
        else:
            at[0] = at[0].abs()  # the other half of starts is silent where it should speak
        adam = Adam({"at": at}, beta2=0.99)
        least = torch.full((len(density),), torch.inf)
        for step in range(steps):
            leaf = at.detach().requires_grad_()
            with torch.enable_grad():
                a, b, v, w, c = leaf[..., None]
                y = (a * x + b + v * neurons * (w * x + c).relu()).relu()
                at_zero = (b + v * neurons * c.relu()).relu()[..., 0]
                active = (y - tent(x)).square().mean(-1)
                losses = density * active + (1 - density) * at_zero.square()
                (by,) = torch.autograd.grad((losses / density).sum(), leaf)
            least = torch.minimum(least, losses.detach().amin(-1))
            adam.step({"at": by}, 0.03 * (1 - step / steps))
        found.append(least)
    return torch.stack(found)


def naive_loss(n: int, m: int, single: Sequence[float] | Tensor) -> float:
    """Return the least loss of models whose neurons serve a function each, 2m neurons in all.

    A function with a neuron of either layer is exact, one with one neuron or none loses what
    `single_losses` says; the best division is taken.

    Parameters
    ----------
    n, m
        Functions, and neurons of each layer.
    single
        What a function loses without a neuron, and with one.

    Raises
    ------
    InvalidArgument
        If one of these is not as above.

    Examples
    --------
    >>> naive_loss(4, 1, [1.0, 0.8]), round(naive_loss(4, 1, [1.0, 0.2]), 4)
    (3.0, 2.4)
    """
    n, m = checks.whole_number("n", n), checks.whole_number("m", m)
    least = checks.finite("single", single, dtype=torch.float64)
    if least.shape != (2,):
        raise InvalidArgument(f"single has shape {tuple(least.shape)}: two losses are needed")
    none, one = least.tolist()
    losses = []
    for whole in range(min(m, n) + 1):
        alone = min(n - whole, 2 * (m - whole))
        losses.append(alone * one + (n - whole - alone) * none)
    return min(losses)


def linear_bound(n: int, m: int, p: float) -> float:
    """Return what models with a linear output must lose: n − 2m variances of tent(x) − x.

    The stream carries x to the output, so that tent(x) − x is what the layers must make up, and all
    that they add lies in 2m dimensions. A tent is even, so that it is uncorrelated with x: the
    variance is p/12 − p²/16 of the tent and p/3 of x.

    Parameters
    ----------
    n
        Number of features.
    m
        Neurons of each layer.
    p
        Probability that a feature is active, in [0, 1].

    Raises
    ------
    InvalidArgument
        If one of these is not as above.

    Examples
    --------
    >>> round(linear_bound(3, 1, 0.5), 6) == round(0.5 / 12 - 0.25 / 16 + 0.5 / 3, 6)
    True
    """
    n, m = checks.whole_number("n", n), checks.whole_number("m", m)
    p = checks.positive_number("p", p, allow_zero=True)
    if p > 1:
        raise InvalidArgument(f"p is {p}: one in [0, 1] is needed")
    return max(0, n - 2 * m) * (p / 12 - p * p / 16 + p / 3)
