"""Sparse autoencoders on activations in superposition, whose true features are known.

Activations are h = A x: x are sparse features, the columns of A ``(m, n)`` their directions. A
sparse autoencoder with k latents tries to find these directions again (Bricken et al. 2023):

    f = ReLU(W_e (h − b_d) + b_e),   ĥ = W_d f + b_d,   loss = ‖h − ĥ‖² + λ Σ_i f_i,

with decoder columns of length 1. Many are trained side by side: the first axis of every array is
that of the models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from superpos import checks, geometry
from superpos.compute import streams
from superpos.compute.cutting import cut
from superpos.compute.processes import in_parallel
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument
from superpos.training.adam import Adam

NAMES = ("encoder", "encoder_bias", "decoder", "decoder_bias")
_BLOCK = 50  # steps whose inputs are drawn together
_MODELS_AT_ONCE = 16  # whose arrays stay in a core's cache
_FEW_ENTRIES = 50_000_000  # over all steps: done before another process has begun


@dataclass(frozen=True, eq=False)
class Superposed:
    """Activations h = A x of sparse features in superposition, one A for each seed.

    Parameters
    ----------
    n, m
        Numbers of features and of dimensions, at least 1.
    probability
        That a feature is active, in [0, 1]; then it is uniform on [0, 1].
    seeds
        One for each model: they choose A, normal and then of unit columns, and the inputs. Models
        with the same seed see the same.

    Examples
    --------
    >>> data = Superposed(6, 3, 0.2, seeds=[0, 1, 1])
    >>> data.directions.shape, data.inputs(0, 5, batch=4).shape
    (torch.Size([3, 3, 6]), torch.Size([5, 3, 4, 3]))
    """

    n: int
    m: int
    probability: float
    seeds: Sequence[int]
    directions: Tensor = field(init=False)

    def __post_init__(self) -> None:
        checks.whole_number("n", self.n)
        checks.whole_number("m", self.m)
        checks.probabilities("probability", self.probability)
        streams.seed_list(self.seeds)
        drawn = [
            torch.randn(self.m, self.n, generator=streams.generator(seed, Purpose.TRUTH))
            for seed in self.seeds
        ]
        object.__setattr__(self, "directions", geometry.directions(torch.stack(drawn)))

    def inputs(
        self, number: int, steps: int, *, batch: int, purpose: Purpose = Purpose.INPUTS
    ) -> Tensor:
        """Return inputs of some steps, ``number`` tells which: ``(steps, models, batch, m)``."""
        own = sorted(set(self.seeds))
        u = streams.uniforms(own, purpose, number, (steps, batch, self.n))
        x = torch.where(u < self.probability, u / max(self.probability, 1e-30), 0.0)
        where = torch.tensor([own.index(seed) for seed in self.seeds])
        first = torch.tensor([list(self.seeds).index(seed) for seed in own])
        h = x @ self.directions[first].mT[:, None]
        return h[where].transpose(0, 1)


@dataclass(frozen=True, eq=False)
class State:
    """An ensemble of sparse autoencoders on its way, with what Adam remembers.

    Attributes
    ----------
    parameters
        ``encoder`` ``(models, k, m)``, ``encoder_bias`` ``(models, k)``, ``decoder``
        ``(models, m, k)`` and ``decoder_bias`` ``(models, m)``.
    mean, square
        Adam's, by the same names.
    steps
        Steps done.
    silent
        For how many steps each latent has not fired, ``(models, k)``.
    """

    parameters: dict[str, Tensor]
    mean: dict[str, Tensor]
    square: dict[str, Tensor]
    steps: int
    silent: Tensor

    def copy(self) -> State:
        """Return a state that shares no memory with this one."""
        return self.taken(slice(None))

    def taken(self, models: Tensor | slice | Sequence[int]) -> State:
        """Return some of the models, which may be taken more than once."""

        def some(values: dict[str, Tensor]) -> dict[str, Tensor]:
            return {name: value[models].clone() for name, value in values.items()}

        return replace(
            self,
            parameters=some(self.parameters),
            mean=some(self.mean),
            square=some(self.square),
            silent=self.silent[models].clone(),
        )

    def forget(self, models: Tensor, latents: Tensor) -> None:
        """Set what Adam remembers of some latents to 0; both are index tensors of one length."""
        for kind in (self.mean, self.square):
            kind["encoder"][models, latents] = 0
            kind["encoder_bias"][models, latents] = 0
            kind["decoder"][models, :, latents] = 0

    def dead(self, since: int) -> Tensor:
        """Return which latents have not fired in the last ``since`` steps: ``(models, k)``."""
        return self.silent >= since


def start(data: Superposed, latents: int, *, bias: float = 0.0) -> State:
    """Return fresh autoencoders: decoder columns of unit length, the encoder their transpose.

    Parameters
    ----------
    data
        Gives m and the seeds.
    latents
        k, at least 1.
    bias
        Where encoder biases start: below 0, many latents never fire.
    """
    checks.instance("data", data, Superposed)
    latents, bias = checks.whole_number("latents", latents), checks.number("bias", bias)
    drawn = {
        seed: torch.randn(
            data.m, latents, generator=streams.generator(seed, Purpose.INITIAL_VALUES)
        )
        for seed in set(data.seeds)
    }
    decoder = geometry.directions(torch.stack([drawn[seed] for seed in data.seeds]))
    models = len(data.seeds)
    parameters = {
        "encoder": decoder.mT.contiguous(),
        "encoder_bias": torch.full((models, latents), bias),
        "decoder": decoder.clone(),
        "decoder_bias": torch.zeros(models, data.m),
    }
    mean, square = ({name: torch.zeros_like(p) for name, p in parameters.items()} for _ in "12")
    return State(parameters, mean, square, 0, torch.zeros(models, latents))


def encode(parameters: dict[str, Tensor], h: Tensor) -> Tensor:
    """Return the latents f of activations ``h`` ``(models, batch, m)``: ``(models, batch, k)``."""
    parameters = _named(parameters)
    centred = _of_models("h", h, parameters["decoder_bias"]) - parameters["decoder_bias"][:, None]
    return (centred @ parameters["encoder"].mT + parameters["encoder_bias"][:, None]).relu()


def decode(parameters: dict[str, Tensor], f: Tensor) -> Tensor:
    """Return the reconstruction ĥ of latents ``f`` ``(models, batch, k)``."""
    parameters = _named(parameters)
    f = _of_models("f", f, parameters["encoder_bias"])
    return f @ parameters["decoder"].mT + parameters["decoder_bias"][:, None]


def _named(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return parameters, of which a diverged model's may be NaN, if there are all."""
    if not isinstance(parameters, Mapping) or any(name not in parameters for name in NAMES):
        raise InvalidArgument(
            f"parameters is {checks.shortly(parameters)}: {', '.join(NAMES)} are needed"
        )
    found = {name: checks.real(name, parameters[name]) for name in NAMES}
    shape = found["encoder"].shape
    if len(shape) != 3:
        raise InvalidArgument(f"encoder has shape {tuple(shape)}: (models, k, m) is needed")
    models, k, m = shape
    wanted = {"encoder_bias": (models, k), "decoder": (models, m, k), "decoder_bias": (models, m)}
    for name, own in wanted.items():
        if found[name].shape != own:
            raise InvalidArgument(
                f"{name} has shape {tuple(found[name].shape)}: {own} is needed with an encoder of "
                f"shape {tuple(shape)}"
            )
    return {name: value.to(found["encoder"].dtype) for name, value in found.items()}


def _of_models(name: str, values: Tensor, bias: Tensor) -> Tensor:
    """Return values ``(models, batch, ...)`` whose last axis is that of a bias."""
    found = checks.real(name, values).to(bias)
    models, size = bias.shape
    if found.ndim != 3 or found.shape[0] not in (1, models) or found.shape[-1] != size:
        raise InvalidArgument(
            f"{name} has shape {tuple(found.shape)}: (models, batch, entries) is needed, with "
            f"{models} models and {size} entries"
        )
    return found


def fitting(state: State, data: Superposed) -> None:
    """Check that a state is one of some data's, a model for each seed.

    Raises
    ------
    InvalidArgument
        If it is not.
    """
    checks.instance("state", state, State)
    checks.instance("data", data, Superposed)
    if state.parameters["encoder"].shape[0] != len(data.seeds):
        raise InvalidArgument(
            f"the state has {len(state.silent)} models: one for each of {len(data.seeds)} seeds "
            "is needed"
        )


@dataclass(frozen=True)
class Training:
    """How sparse autoencoders are trained.

    Parameters
    ----------
    sparsity
        λ, the price of activity, at least 0.
    rate
        Adam's, constant, above 0.
    batch
        Inputs a step, at least 1.
    auxiliary
        The weight of the loss by which dead latents reconstruct what the others leave over
        (Gao et al. 2024); 0 for none.
    dead_after
        Steps without firing after which a latent is dead for that loss.
    most
        How many dead latents, those with the largest pre-activations, take part at each input.
    """

    sparsity: float = 0.1
    rate: float = 3e-3
    batch: int = 64
    auxiliary: float = 0.0
    dead_after: int = 100
    most: int = 8

    def __post_init__(self) -> None:
        checks.positive_number("sparsity", self.sparsity, allow_zero=True)
        checks.positive_number("rate", self.rate)
        checks.whole_number("batch", self.batch)
        checks.positive_number("auxiliary", self.auxiliary, allow_zero=True)
        checks.whole_number("dead_after", self.dead_after)
        checks.whole_number("most", self.most)


def train(state: State, data: Superposed, training: Training, steps: int) -> State:
    """Train on for some steps; return the new state, and leave the old one as it was.

    Raises
    ------
    InvalidArgument
        If the state is not one of these data.

    Examples
    --------
    >>> data = Superposed(6, 3, 0.2, seeds=range(4))
    >>> before = start(data, 6)
    >>> after = train(before, data, Training(), 100)
    >>> bool((loss(after, data) < loss(before, data)).all())
    True
    """
    steps = checks.whole_number("steps", steps)
    fitting(state, data)
    checks.instance("training", training, Training)
    if state.steps % _BLOCK:
        raise InvalidArgument(f"the state has done {state.steps} steps: {_BLOCK} divide them")
    models = len(data.seeds)
    entries = models * data.m * state.silent.shape[1] * steps
    spread = state.silent.device.type == "cpu" and entries > _FEW_ENTRIES
    pieces = max(2 if spread and models > 1 else 1, models // _MODELS_AT_ONCE)
    parts = [part for (part,) in cut((models,), -(-models // pieces))]

    def work(part: slice) -> State:
        own = Superposed(data.n, data.m, data.probability, list(data.seeds)[part])
        return _train(state.taken(part), own, training, steps)

    return _joined(in_parallel(work, parts, spread=spread))


def _train(state: State, data: Superposed, training: Training, steps: int) -> State:
    """Train a state that nobody else holds."""
    silent, end = state.silent, state.steps + steps
    adam = Adam(state.parameters, mean=state.mean, square=state.square, steps=state.steps)
    for first in range(state.steps, end, _BLOCK):
        number = min(_BLOCK, end - first)
        for h in data.inputs(first // _BLOCK, number, batch=training.batch).to(silent.device):
            gradients, fired = _gradients(state.parameters, h, training, silent)
            silent.add_(1).masked_fill_(fired, 0)
            adam.step(gradients, training.rate)
            decoder = state.parameters["decoder"]
            decoder.div_(decoder.norm(dim=1, keepdim=True).clamp_min(1e-12))
    return replace(state, steps=end)


def _joined(states: Sequence[State]) -> State:
    parameters, mean, square = (
        {name: torch.cat([getattr(state, kind)[name] for state in states]) for name in NAMES}
        for kind in ("parameters", "mean", "square")
    )
    silent = torch.cat([state.silent for state in states])
    return State(parameters, mean, square, states[0].steps, silent)


def _gradients(
    parameters: dict[str, Tensor], h: Tensor, training: Training, silent: Tensor
) -> tuple[dict[str, Tensor], Tensor]:
    """Return the gradient of the mean loss of each model, and which latents fired."""
    encoder, decoder = parameters["encoder"], parameters["decoder"]
    centred = h - parameters["decoder_bias"][:, None]
    z = torch.baddbmm(parameters["encoder_bias"][:, None], centred, encoder.mT)
    f = z.relu()
    active = f > 0
    residual = torch.baddbmm(-centred, f, decoder.mT)  # ĥ − h
    scale = 2 / h.shape[1]
    by_f = torch.bmm(residual, decoder).mul_(scale).add_(training.sparsity / h.shape[1])
    by_z = by_f.mul_(active)
    by_decoder = torch.bmm(residual.mT, f).mul_(scale)
    if training.auxiliary:
        dead = silent >= training.dead_after
        if dead.any():
            own_z, own_decoder = _auxiliary(z, -residual, decoder, dead, training)
            by_z, by_decoder = by_z + own_z, by_decoder + own_decoder
    by_centred = torch.bmm(by_z, encoder)
    # decoder columns stay of length 1: what points along them is no use
    by_decoder -= decoder * (by_decoder * decoder).sum(1, keepdim=True)
    return {
        "encoder": torch.bmm(by_z.mT, centred),
        "encoder_bias": by_z.sum(1),
        "decoder": by_decoder,
        "decoder_bias": residual.sum(1).mul_(scale) - by_centred.sum(1),
    }, active.any(1)


def _auxiliary(
    z: Tensor, left: Tensor, decoder: Tensor, dead: Tensor, training: Training
) -> tuple[Tensor, Tensor]:
    """Return the gradients by z and the decoder of auxiliary · ‖left − W_d z_dead‖².

    The dead latents with the largest pre-activations at each input take part, through their
    ReLU's identity: were they cut off there, they would get no gradient.
    """
    masked = z.masked_fill(~dead[:, None], -torch.inf)
    count = min(training.most, z.shape[-1])
    top = masked.topk(count, dim=-1)
    chosen = torch.zeros_like(z).scatter_(-1, top.indices, (top.values > -torch.inf).to(z))
    own = chosen * z
    error = torch.bmm(own, decoder.mT) - left
    scale = 2 * training.auxiliary / z.shape[1]
    return torch.bmm(error, decoder).mul_(chosen).mul_(scale), torch.bmm(error.mT, own).mul_(scale)


def example_losses(state: State, h: Tensor, *, sparsity: float = 0.0) -> Tensor:
    """Return the loss at each input of ``h`` ``(models, batch, m)``: ``(models, batch)``."""
    checks.instance("state", state, State)
    sparsity = checks.positive_number("sparsity", sparsity, allow_zero=True)
    f = encode(state.parameters, h)
    h = checks.real("h", h).to(f)
    error = (decode(state.parameters, f) - h).square().sum(-1)
    return error + sparsity * f.sum(-1)


def loss(state: State, data: Superposed, *, sparsity: float = 0.0, samples: int = 2000) -> Tensor:
    """Return the loss of each model on inputs held out, ``(models,)``."""
    fitting(state, data)
    samples = checks.whole_number("samples", samples)
    h = data.inputs(0, 1, batch=samples, purpose=Purpose.EVALUATION)[0].to(state.silent.device)
    return example_losses(state, h, sparsity=sparsity).mean(-1)


def found(state: State, data: Superposed, *, cosine: float = 0.9) -> Tensor:
    """Return which true features have a decoder column along them: ``(models, n)``.

    Parameters
    ----------
    state, data
        The autoencoders and the truth.
    cosine
        How well a column must agree; of latents that are never active too, for what they
        would write is what counts.

    Examples
    --------
    >>> data = Superposed(3, 3, 0.2, seeds=[0])
    >>> perfect = start(data, 3)
    >>> perfect.parameters["decoder"].copy_(data.directions)[:0]
    tensor([], size=(0, 3, 3))
    >>> found(perfect, data).tolist()
    [[True, True, True]]
    """
    fitting(state, data)
    cosine = checks.number("cosine", cosine)
    decoder = geometry.directions(state.parameters["decoder"])
    product = decoder.mT @ data.directions.to(decoder.device)
    return product.amax(-2) >= cosine
