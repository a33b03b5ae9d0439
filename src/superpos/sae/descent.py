"""Training of sparse autoencoders: an ensemble, seeds × settings, side by side."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from superpos import checks, geometry
from superpos.compute import streams
from superpos.compute.cutting import cut
from superpos.compute.gates import gate, instance_of
from superpos.compute.processes import in_parallel
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument
from superpos.learning.sae import State
from superpos.sae.activations import Activations
from superpos.sae.variants import Variant, gradients
from superpos.training.adam import Adam
from superpos.training.procedures import Procedure

_BLOCK = 50  # steps whose inputs are drawn together
_MODELS_AT_ONCE = 16  # whose arrays stay in a core's cache
_FEW_ENTRIES = 20_000_000  # over all steps: done before another process has begun
_DICTIONARY = 1  # the stream of initial values is not that of a toy model with the same seed


@gate(
    data=instance_of(Activations),
    latents=checks.whole_number,
    variant=instance_of(Variant),
    settings=checks.whole_number,
    threshold=checks.positive_number,
)
def start(
    data: Activations, latents: int, variant: Variant, *, settings: int = 1, threshold: float = 0.1
) -> State:
    """Return fresh autoencoders: decoder columns of unit length, the encoder their transpose.

    Parameters
    ----------
    data
        Gives m and the seeds; models of one seed start alike.
    latents
        k, at least 1.
    variant
        JumpReLU has thresholds, others do not.
    settings
        How many models each seed has: seeds × settings models, a seed's side by side.
    threshold
        Where θ starts, above 0.

    Examples
    --------
    >>> from superpos import IndependentFeatures
    >>> data = Activations(torch.eye(3)[None], IndependentFeatures(3, 0.2), [0])
    >>> start(data, 6, Variant("l1", 0.1), settings=2).parameters["decoder"].shape
    torch.Size([2, 3, 6])
    """
    checks.whole_number("latents", latents)
    checks.whole_number("settings", settings)
    checks.positive_number("threshold", threshold)
    drawn = torch.stack(
        [
            torch.randn(
                data.m,
                latents,
                generator=streams.generator(seed, Purpose.INITIAL_VALUES, _DICTIONARY),
            )
            for seed in data.seeds
        ]
    ).to(data.W)
    decoder = geometry.directions(drawn).repeat_interleave(settings, dim=0)
    models = len(decoder)
    parameters = {
        "encoder": decoder.mT.contiguous(),
        "encoder_bias": decoder.new_zeros(models, latents),
        "decoder": decoder.clone(),
        "decoder_bias": decoder.new_zeros(models, data.m),
    }
    if variant.kind == "jumprelu":
        first = torch.tensor(threshold).log().item()
        parameters["threshold"] = decoder.new_full((models, latents), first)
    mean, square = ({name: torch.zeros_like(p) for name, p in parameters.items()} for _ in "12")
    return State(parameters, mean, square, 0, decoder.new_zeros(models, latents))


@gate(
    state=instance_of(State),
    data=instance_of(Activations),
    variant=instance_of(Variant),
    procedure=instance_of(Procedure),
)
def train(state: State, data: Activations, variant: Variant, procedure: Procedure) -> State:
    """Train for a procedure's steps; return the new state, and leave the old one as it was.

    Of the procedure count ``steps``, ``batch_size``, the rate and its course, and ``beta2``.

    Raises
    ------
    InvalidArgument
        If the state is not one of these data, or is not fresh: a procedure's rate has its own
        beginning and end.

    Examples
    --------
    >>> from superpos import IndependentFeatures
    >>> data = Activations(torch.eye(3)[None], IndependentFeatures(3, 0.2), [0])
    >>> variant = Variant("l1", 0.05)
    >>> how = Procedure(steps=100, learning_rate=0.01, warmup=10)
    >>> train(start(data, 6, variant), data, variant, how).steps
    100
    """
    models, seeds = len(state.silent), len(data.W)
    if models % seeds:
        raise InvalidArgument(f"the state has {models} models: a multiple of {seeds} is needed")
    if state.steps:
        raise InvalidArgument(f"the state has done {state.steps} steps: a fresh one is needed")
    if variant.price.ndim and len(variant.price) != models:
        raise InvalidArgument(
            f"sparsity has {len(variant.price)} numbers: one, or one for each of {models} models "
            "is needed"
        )
    each = models // seeds
    entries = models * data.m * state.silent.shape[1] * procedure.steps
    spread = data.W.device.type == "cpu" and entries > _FEW_ENTRIES and seeds > 1
    most = max(1, _MODELS_AT_ONCE // each)  # seeds at once
    parts = [part for (part,) in cut((seeds,), min(most, -(-seeds // 2)) if spread else most)]

    def work(part: slice) -> State:
        own = slice(part.start * each, part.stop * each)
        return _train(state.taken(own), data.taken(part), variant.taken(own), procedure)

    return _joined(in_parallel(work, parts, spread=spread))


def _train(state: State, data: Activations, variant: Variant, procedure: Procedure) -> State:
    """Train a state that nobody else holds."""
    silent, each = state.silent, len(state.silent) // len(data.W)
    adam = Adam(state.parameters, beta2=procedure.beta2, mean=state.mean, square=state.square)
    for first in range(0, procedure.steps, _BLOCK):
        number = min(_BLOCK, procedure.steps - first)
        drawn = data.hidden(first // _BLOCK, number, batch=procedure.batch_size)
        for step, h in enumerate(drawn, first):
            found, fired = gradients(state.parameters, h.repeat_interleave(each, dim=0), variant)
            silent.add_(1).masked_fill_(fired, 0)
            adam.step(found, procedure.rate(step))
            decoder = state.parameters["decoder"]
            decoder.mul_(decoder.square().sum(1, keepdim=True).clamp_min(1e-24).rsqrt_())
    return replace(state, steps=procedure.steps)


def _joined(states: list[State]) -> State:
    def all_of(kind: str) -> dict[str, Tensor]:
        return {
            name: torch.cat([getattr(state, kind)[name] for state in states])
            for name in states[0].parameters
        }

    return State(
        all_of("parameters"), all_of("mean"), all_of("square"), states[0].steps,
        torch.cat([state.silent for state in states]),
    )  # fmt: skip
