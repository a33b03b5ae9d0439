"""Ways to bring dead latents of a sparse autoencoder back, and missing features of a toy model.

Each takes an ensemble (`superpos.learning.sae.State`) and returns a new one, in which dead latents
have new values. The auxiliary loss of Gao et al. 2024 acts at every step instead, and belongs to
`superpos.learning.sae.Training`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from superpos import checks
from superpos.compute import streams
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument
from superpos.learning import sae

_SAMPLES = 2000  # inputs by whose loss new directions are drawn


def published(
    state: sae.State,
    data: sae.Superposed,
    dead: Tensor,
    *,
    norm: float = 0.2,
    sparsity: float = 0.0,
) -> sae.State:
    """Return a state whose dead latents point at inputs that are reconstructed badly.

    For each dead latent an input is drawn with a probability proportional to the square of its
    loss. The decoder column becomes that input at unit length, the encoder row the same at
    ``norm`` of the mean length of the living rows; the bias becomes 0, and Adam forgets all three.

    Parameters
    ----------
    state, data
        The autoencoders, and where their inputs come from.
    dead
        Which latents: booleans ``(models, k)``.
    norm
        0.2 as published.
    sparsity
        λ, as in the loss.

    References
    ----------
    Bricken et al. 2023, "Towards Monosemanticity", Neuron Resampling.

    Examples
    --------
    >>> data = sae.Superposed(6, 3, 0.2, seeds=[0])
    >>> state = sae.start(data, 6)
    >>> new = published(state, data, torch.arange(6)[None] == 2)
    >>> round(new.parameters["encoder"][0, 2].norm().item(), 4)
    0.2
    """
    dead = _check(state, data, dead)
    sparsity = checks.positive_number("sparsity", sparsity, allow_zero=True)
    norm = checks.positive_number("norm", norm)
    state = state.copy()
    number = state.steps
    h = data.inputs(number, 1, batch=_SAMPLES, purpose=Purpose.RESAMPLING)[0].to(dead.device)
    chance = sae.example_losses(state, h, sparsity=sparsity).square()
    lengths = mean_length(state.parameters["encoder"], ~dead)
    for model, seed in enumerate(data.seeds):
        latents = dead[model].nonzero()[:, 0]
        if not len(latents):
            continue
        generator = streams.generator(seed, Purpose.RESAMPLING, number)
        chosen = torch.multinomial(chance[model].cpu(), len(latents), generator=generator)
        x = h[model, chosen]
        unit = x / x.norm(dim=-1, keepdim=True).clamp_min(1e-12)
        state.parameters["decoder"][model][:, latents] = unit.mT
        state.parameters["encoder"][model, latents] = norm * lengths[model] * unit
        state.parameters["encoder_bias"][model, latents] = 0
    return _revived(state, dead)


def attractor_repulsor(
    state: sae.State,
    data: sae.Superposed,
    dead: Tensor,
    *,
    bias: Tensor | float,
    fraction: Tensor | float = 0.05,
    noise: float = 1e-3,
) -> sae.State:
    """Return a state that is pushed from one side, the method its author proposed and never ran.

    Let Σ be the sum of the living encoder rows, at unit length. Dead rows become −Σ at ``fraction``
    of the living rows' mean length, and a little noise to tell them apart; and every latent whose
    row has a positive product with −Σ, dead or alive, has its bias raised by ``bias``. Decoders
    stay. Of Adam's memory nothing is said; here it forgets the dead latents only.

    Parameters
    ----------
    state, data, dead
        As for `published`.
    bias, fraction
        Δ, and 0.05 as proposed: numbers, or one for each model.
    noise
        Standard deviation of the noise, as a share of the mean length.

    References
    ----------
    "Optimization Failure" 2023, A Possible New Method.

    Examples
    --------
    >>> data = sae.Superposed(6, 3, 0.2, seeds=[0])
    >>> state = sae.start(data, 6)
    >>> new = attractor_repulsor(state, data, torch.arange(6)[None] == 2, bias=0.1, noise=0)
    >>> round(new.parameters["encoder"][0, 2].norm().item(), 4)
    0.05
    """
    dead = _check(state, data, dead)
    noise = checks.positive_number("noise", noise, allow_zero=True)
    state = state.copy()
    encoder = state.parameters["encoder"]
    models = len(encoder)
    each = [
        (name, checks.finite(name, value).to(encoder))
        for name, value in (("bias", bias), ("fraction", fraction))
    ]
    for name, value in each:
        if value.shape not in ((), (1,), (models,)):
            raise InvalidArgument(
                f"{name} has shape {tuple(value.shape)}: a number, or one for each of {models} "
                "models, is needed"
            )
    bias, fraction = (value.expand(models) for _, value in each)
    alive = (~dead).to(encoder)
    total = (alive[..., None] * encoder).sum(1)
    repulsor = -total / total.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    length = mean_length(encoder, ~dead)
    drawn = torch.stack(
        [
            torch.randn(
                encoder.shape[1:],
                generator=streams.generator(seed, Purpose.RESAMPLING, state.steps),
            )
            for seed in data.seeds
        ]
    )
    rows = fraction[:, None, None] * repulsor[:, None] + noise * drawn.to(encoder)
    rows = length[:, None, None] * rows
    encoder.copy_(torch.where(dead[..., None], rows, encoder))
    raised = (encoder * repulsor[:, None]).sum(-1) > 0
    touched = dead.any(-1, keepdim=True)  # a model without dead latents is left alone
    state.parameters["encoder_bias"].add_(bias[:, None] * (raised & touched))
    return _revived(state, dead)


def mean_length(encoder: Tensor, alive: Tensor) -> Tensor:
    """Return the mean length of the living rows of ``encoder`` ``(models, k, m)``: ``(models,)``.

    Where none lives, 1.
    """
    encoder, alive = checks.real("encoder", encoder), checks.truths("alive", alive)
    if encoder.ndim < 2 or alive.shape != encoder.shape[:-1]:
        raise InvalidArgument(
            f"encoder has shape {tuple(encoder.shape)} and alive {tuple(alive.shape)}: "
            "(models, k, m) and (models, k) are needed"
        )
    count = alive.sum(-1)
    mean = (encoder.norm(dim=-1) * alive).sum(-1) / count.clamp_min(1)
    return torch.where(count > 0, mean, 1.0)


def _revived(state: sae.State, dead: Tensor) -> sae.State:
    state.forget(*dead.nonzero(as_tuple=True))
    state.silent.masked_fill_(dead, 0)  # it is given the time it needs to show itself
    return state


def _check(state: sae.State, data: sae.Superposed, dead: Tensor) -> Tensor:
    sae.fitting(state, data)
    dead = checks.array("dead", dead)
    if dead.dtype is not torch.bool or dead.shape != state.silent.shape:
        raise InvalidArgument(
            f"dead has dtype {dead.dtype} and shape {tuple(dead.shape)}: booleans of shape "
            f"{tuple(state.silent.shape)} are needed"
        )
    return dead
