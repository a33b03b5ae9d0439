"""The instrument's descent in Python, to measure over many starts what a page shows one by one."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from superpos import checks
from superpos.losses import exact_loss
from superpos.training.adam import Adam
from superpos.training.procedures import Procedure

_PROCEDURE = Procedure(steps=900, warmup=50, beta2=0.99)


def descend(
    W: Tensor,
    b: Tensor,
    probability: float | Tensor,
    importance: float | Tensor = 1.0,
    *,
    learning_rate: float = 0.03,
    steps: int | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return where the instrument's descent leads from given starts, and the loss there.

    900 steps of Adam on the exact loss, without any noise; the rate rises over 50 of them, then
    falls to 0 as half a cosine.

    Parameters
    ----------
    W, b
        The starts, ``(..., m, n)`` and ``(..., n)``, n at most 14; they are left as they are.
    probability, importance
        p and I as for `superpos.losses.exact_loss`: they broadcast to ``(..., n)``.
    learning_rate
        The largest rate, above 0.
    steps
        To stop after so many, at most 900; by default all.

    Returns
    -------
    W, b, loss
        float64, of the starts' shapes; the loss is ``(...)``.

    Examples
    --------
    Four features at 80 % sparsity, from four short vectors:

    >>> start = 0.1 * torch.tensor([[1.0, 0.2, -0.8, 0.1], [0.1, 1.0, 0.3, -0.9]])
    >>> W, b, loss = descend(start, torch.zeros(4), 0.2)
    >>> (W.T @ W).round().int().tolist()
    [[1, 0, -1, 0], [0, 1, 0, -1], [-1, 0, 1, 0], [0, -1, 0, 1]]
    """
    W, b = checks.weights(W, b)
    procedure = replace(_PROCEDURE, learning_rate=learning_rate)
    at = {"W": W.double().contiguous().clone(), "b": b.double().contiguous().clone()}
    adam = Adam(at, beta2=procedure.beta2)
    for step in range(procedure.steps if steps is None else steps):
        W, b = (value.detach().requires_grad_() for value in at.values())
        with torch.enable_grad():  # whatever a notebook has set
            total = exact_loss(W, b, probability, importance).sum()  # models share no parameter
        by_W, by_b = torch.autograd.grad(total, (W, b))
        adam.step({"W": by_W, "b": by_b}, procedure.rate(step))
    return at["W"], at["b"], exact_loss(at["W"], at["b"], probability, importance)
