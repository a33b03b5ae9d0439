"""Variants of the sparse autoencoder: what is active, and what is descended.

    z = W_e (h − b_d) + b_e,   f = what the variant lets through,   ĥ = W_d f + b_d,

with decoder columns of length 1. The first axis of every array is that of the models.

============  ==========================================  =====================================
a variant     lets through                                descends
============  ==========================================  =====================================
``l1``        ReLU(z)                                     ‖h − ĥ‖² + λ Σ_i f_i
``topk``      the k largest of ReLU(z)                    ‖h − ĥ‖²
``jumprelu``  z where it is above a threshold θ > 0       ‖h − ĥ‖² + λ Σ_i [z_i > θ_i]
============  ==========================================  =====================================

With ``prefixes`` an autoencoder is a Matryoshka: ‖h − ĥ‖² is the mean over nested dictionaries, the
first so many latents each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from superpos import checks
from superpos.checks import Numbers
from superpos.compute.gates import (
    Check,
    gate,
    instance_of,
    one_precision,
    optional,
    shapes,
    tensors,
)
from superpos.errors import InvalidArgument

KINDS = ("l1", "topk", "jumprelu")


@dataclass(frozen=True, eq=False)
class Variant:
    """What an autoencoder lets through, and what it pays for.

    Parameters
    ----------
    kind
        ``"l1"``, ``"topk"`` or ``"jumprelu"``.
    sparsity
        λ, at least 0, or for ``"topk"`` how many latents may be active, at least 1: a number, or
        one for each model, ``(models,)``.
    prefixes
        Shares of the latents that make up the nested dictionaries, increasing to 1.
    frozen
        Whether the decoder stays where it starts: a baseline, which can find nothing.
    bandwidth
        ε of JumpReLU: pre-activations within ε/2 of their threshold move it.

    Raises
    ------
    InvalidArgument
        If one of these is not as above.

    References
    ----------
    Sharkey et al. 2022 (L1); Gao et al. 2024 (TopK); Rajamanoharan et al. 2024 (JumpReLU);
    Bussmann et al. 2025 (Matryoshka); Korznikov et al. 2026 (frozen decoders).

    Examples
    --------
    >>> Variant("topk", 2, prefixes=(0.25, 0.5, 1.0)).sizes(24)
    [6, 12, 24]
    """

    kind: str
    sparsity: Numbers
    prefixes: Sequence[float] = (1.0,)
    frozen: bool = False
    bandwidth: float = 0.1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidArgument(f"kind is {self.kind!r}: one of {', '.join(KINDS)} is needed")
        own = checks.finite("sparsity", torch.as_tensor(self.sparsity), dtype=torch.float32)
        least = 1 if self.kind == "topk" else 0
        if own.ndim > 1 or (own < least).any():
            raise InvalidArgument(
                f"sparsity is {self.sparsity}: numbers of at least {least} are needed"
            )
        ends = list(self.prefixes)
        if not ends or ends[0] <= 0 or ends[-1] != 1 or sorted(set(ends)) != ends:
            raise InvalidArgument(f"prefixes is {ends}: shares that increase to 1 are needed")
        checks.positive_number("bandwidth", self.bandwidth)
        object.__setattr__(self, "sparsity", own)

    @property
    def price(self) -> Tensor:
        """The sparsity as a tensor, one number or one a model."""
        return torch.as_tensor(self.sparsity)

    def sizes(self, latents: int) -> list[int]:
        """Return how many latents each nested dictionary has."""
        return [max(1, round(share * latents)) for share in self.prefixes]

    def taken(self, part: slice) -> Variant:
        """Return that of some of the models."""
        own = self.price[part] if self.price.ndim else self.price
        return Variant(self.kind, own, self.prefixes, self.frozen, self.bandwidth)


_AXES = {
    "encoder": "models k m", "encoder_bias": "models k", "decoder": "models m k",
    "decoder_bias": "models m", "threshold": "models k",
}  # fmt: skip
_of_models = shapes(parameters=_AXES, h="models batch m")


def _parameters(*names: str) -> Check:
    """Return the check of parameters that have these; the thresholds are looked at if there."""

    def check(name: str, value: dict[str, Tensor]) -> dict[str, Tensor]:
        found = checks.tensors(name, value, names)
        return checks.tensors(name, found, ("threshold",)) if "threshold" in found else found

    return check


_all = _parameters(*(name for name in _AXES if name != "threshold"))


def _as_the_variant(given: dict[str, Any]) -> None:
    """Refuse what lacks JumpReLU's thresholds, or has prices of other models."""
    variant, parameters = given["variant"], given["parameters"]
    if variant.kind == "jumprelu":
        checks.tensors("parameters", parameters, ("threshold",))
    models = len(given["h"] if "h" in given else given["z"])
    if variant.price.ndim and len(variant.price) != models:
        raise InvalidArgument(
            f"variant has {len(variant.price)} numbers as its sparsity: one, or one for each of "
            f"{models} models is needed"
        )


_checked = gate(
    _of_models,
    _as_the_variant,
    one_precision("parameters", "h"),
    parameters=_all,
    h=checks.floating,
    variant=instance_of(Variant),
)


@_checked
def encode(parameters: dict[str, Tensor], h: Tensor, variant: Variant) -> Tensor:
    """Return the latents f of activations ``h`` ``(models, batch, m)``: ``(models, batch, k)``.

    Examples
    --------
    >>> parameters = {
    ...     "encoder": torch.eye(3)[None], "encoder_bias": torch.zeros(1, 3),
    ...     "decoder": torch.eye(3)[None], "decoder_bias": torch.zeros(1, 3),
    ... }
    >>> encode(parameters, torch.tensor([[[3.0, 2.0, 1.0]]]), Variant("topk", 2))
    tensor([[[3., 2., 0.]]])
    """
    return let_through(before(parameters, h), parameters, variant)


@gate(
    shapes(parameters=_AXES, f="models batch k"),
    one_precision("parameters", "f"),
    parameters=_all,
    f=checks.floating,
    size=optional(partial(checks.whole_number, least=0)),
)
def decode(parameters: dict[str, Tensor], f: Tensor, size: int | None = None) -> Tensor:
    """Return the reconstruction ĥ of latents ``f``, by the first ``size`` of them alone."""
    decoder = parameters["decoder"][..., :size]
    return f[..., :size] @ decoder.mT + parameters["decoder_bias"][:, None]


@gate(_of_models, one_precision("parameters", "h"), parameters=_all, h=checks.floating)
def before(parameters: dict[str, Tensor], h: Tensor) -> Tensor:
    """Return the pre-activations z, ``(models, batch, k)``."""
    centred = h - parameters["decoder_bias"][:, None]
    return torch.baddbmm(parameters["encoder_bias"][:, None], centred, parameters["encoder"].mT)


@gate(
    shapes(parameters={"threshold": "models k"}, z="models batch k"),
    _as_the_variant,
    z=checks.floating,
    parameters=_parameters(),
    variant=instance_of(Variant),
)
def let_through(z: Tensor, parameters: dict[str, Tensor], variant: Variant) -> Tensor:
    """Return f of pre-activations z."""
    if variant.kind == "jumprelu":
        return z * _step(z - thresholds(parameters))
    f = z.relu()
    if variant.kind == "l1":
        return f
    most = variant.price.to(f.device).long()
    top = f.topk(min(int(most.max()), f.shape[-1]), dim=-1)
    rank = torch.arange(top.values.shape[-1], device=f.device)
    kept = torch.where(rank < most.reshape(-1, 1, 1), top.values, 0.0)
    return torch.zeros_like(f).scatter_(-1, top.indices, kept)


def _step(x: Tensor) -> Tensor:
    """Return 1 where x > 0, and 0 elsewhere: on a CPU several times as fast as a comparison."""
    return x.relu().sign()


@gate(shapes(parameters={"threshold": "models k"}), parameters=tensors("threshold"))
def thresholds(parameters: dict[str, Tensor]) -> Tensor:
    """Return JumpReLU's θ, ``(models, 1, k)``; what is learnt is its logarithm."""
    return parameters["threshold"].exp()[:, None]


@_checked
def gradients(
    parameters: dict[str, Tensor], h: Tensor, variant: Variant
) -> tuple[dict[str, Tensor], Tensor]:
    """Return the gradient of each model's mean loss, and which latents fired ``(models, k)``.

    With r_g = ĥ_g − h for each nested dictionary g, the mean over g and inputs of 2 r_g W_d is the
    gradient by f. It passes where a latent is active. JumpReLU's threshold moves by what lies
    within half a bandwidth of it, as if each unit step were a ramp of that width.
    """
    encoder, decoder = parameters["encoder"], parameters["decoder"]
    centred = h - parameters["decoder_bias"][:, None]
    z = torch.baddbmm(parameters["encoder_bias"][:, None], centred, encoder.mT)
    f = let_through(z, parameters, variant)
    sizes, inputs = variant.sizes(f.shape[-1]), h.shape[1]
    scale = 2 / (inputs * len(sizes))
    *nested, _ = sizes
    total = torch.baddbmm(centred, f, decoder.mT, beta=-1)  # ĥ − h, with all latents
    by_f, by_decoder = torch.bmm(total, decoder), torch.bmm(total.mT, f)
    for size in nested:
        part, columns = f[..., :size], decoder[..., :size]
        residual = torch.baddbmm(centred, part, columns.mT, beta=-1)
        by_f[..., :size] += torch.bmm(residual, columns)
        by_decoder[..., :size] += torch.bmm(residual.mT, part)
        total += residual
    by_f *= scale
    by_decoder *= scale
    found: dict[str, Tensor] = {}
    price = variant.price.to(h).reshape(-1, 1, 1) / inputs
    if variant.kind == "l1":
        by_f += price
    if variant.kind == "jumprelu":
        theta = thresholds(parameters)
        near = _step(variant.bandwidth / 2 - (z - theta).abs())
        by_theta = -(near * (theta * by_f + price)).sum(1) / variant.bandwidth
        found["threshold"] = by_theta * theta[:, 0]
    by_z = by_f.mul_(f.sign())  # where a latent is active; f is nowhere below 0
    # decoder columns stay of length 1: what points along them is no use
    by_decoder -= decoder * (by_decoder * decoder).sum(1, keepdim=True)
    found |= {
        "encoder": torch.bmm(by_z.mT, centred),
        "encoder_bias": by_z.sum(1),
        "decoder": torch.zeros_like(decoder) if variant.frozen else by_decoder,
        "decoder_bias": total.sum(1) * scale - torch.bmm(by_z, encoder).sum(1),
    }
    return found, f.sum(1) > 0


@_checked
def losses(parameters: dict[str, Tensor], h: Tensor, variant: Variant) -> Tensor:
    """Return each model's mean loss on activations ``h``, ``(models,)``."""
    z = before(parameters, h)
    f = let_through(z, parameters, variant)
    sizes = variant.sizes(f.shape[-1])
    error = torch.stack([(decode(parameters, f, size) - h).square().sum(-1) for size in sizes])
    paid = {"l1": f.sum(-1), "jumprelu": (f > 0).sum(-1), "topk": 0 * f.sum(-1)}[variant.kind]
    price = variant.price.to(h).reshape(-1, 1)
    return (error.mean(0) + price * paid).mean(-1)
