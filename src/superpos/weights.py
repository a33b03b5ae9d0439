"""Weights from elsewhere: which matrix of a file is W, and on which of its axes features lie.

Everybody stores the same matrix in another way. What is taken, and why, is told in `Weights.read`;
what can be read in two ways is refused, with both readings and the argument that decides.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from superpos import checks
from superpos.errors import InvalidArgument

FIRST, LAST = "features-first", "features-last"
LAYOUTS = (LAST, FIRST)
_NESTED = ("state_dict", "model_state_dict", "model", "params")  # where checkpoints keep them
_SHOWN = 12  # candidates that a message lists


@dataclass(frozen=True)
class Weights:
    """Weights as the package takes them: features on the last axis.

    Attributes
    ----------
    W
        ``(..., m, n)``: column ``W[..., :, i]`` is the direction of feature i. Of a sparse
        autoencoder that is its dictionary, the decoder; its features are the latents.
    V
        ``(..., m, n)``, what reads the features back from the hidden space where that is a matrix
        of its own: a toy model's decoder, a sparse autoencoder's encoder. Else None.
    b
        ``(..., n)``, the bias of each feature. None if there is none.
    read
        What was taken from which name, in which layout and why, a sentence each.
    """

    W: Tensor
    V: Tensor | None
    b: Tensor | None
    read: tuple[str, ...]


def load(path: str | os.PathLike, *, name: str | None = None, layout: str | None = None) -> Weights:
    """Return the weights in a file. No code in it is run, whatever it holds.

    Parameters
    ----------
    path
        A ``.safetensors``, ``.npz``, ``.npy``, ``.pt`` or ``.pth`` file.
    name, layout
        As for `from_state_dict`.

    Raises
    ------
    InvalidArgument
        If there is no such file, it is of another kind or damaged, it holds more than numbers, or
        for what `from_state_dict` refuses.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/dictionary.npy", np.ones((3, 5)))
    ...     print(load(f"{folder}/dictionary.npy").W.shape)
    torch.Size([3, 5])
    """
    try:
        file = Path(path)
    except TypeError:
        raise InvalidArgument(f"path is {path!r}: the path of a file is needed") from None
    if file.suffix.lower() not in _READERS:
        kinds = ", ".join(_READERS)
        raise InvalidArgument(
            f"path is {checks.shortly(str(file))}: it is none of the kinds of file that can be "
            f"read: {kinds}"
        )
    if not file.is_file():
        raise InvalidArgument(f"there is no file {file}: path must be that of one")
    try:
        state = _READERS[file.suffix.lower()](file)
    except Exception as problem:  # each format has errors of its own
        reason = " ".join(str(problem).split())[:160] or type(problem).__name__
        raise InvalidArgument(
            f"{file} cannot be read as numbers alone, without running code in it: {reason}"
        ) from None
    return from_state_dict(state, name=name, layout=layout)


def from_state_dict(
    state: Mapping[str, Any], *, name: str | None = None, layout: str | None = None
) -> Weights:
    """Return the weights among named arrays, with features on the last axis.

    The axis of the features is that of the ``layout`` given; else the one whose length alone fits a
    bias with an entry for each feature; else that of the name's convention; else the longer one.
    Known are the authors' notebook and ARENA (``W``, ``b_final``), sparse autoencoders (``W_enc``,
    ``W_dec``, ``b_enc``, ``b_dec``), autoencoders of linear layers (``encoder.weight``,
    ``decoder.weight`` with biases), the target models of stochastic parameter decomposition
    (``linear1.weight``, ``linear2.weight``, ``linear2.bias``), embeddings (``embed.weight``,
    ``wte.weight``, ``W_E``) and unembeddings (``W_U``, ``lm_head.weight``), under any prefix.

    Parameters
    ----------
    state
        Arrays of torch or NumPy by name, possibly nested below ``state_dict`` or ``model``. It
        stays as it is, and shares no memory with the result.
    name
        Which matrix is W, where there are several.
    layout
        ``"features-last"`` if W is stored as ``(..., m, n)``, ``"features-first"`` if as
        ``(..., n, m)``. Of an encoder and a decoder, that of the one that is named.

    Returns
    -------
    Weights
        In float32, or float64 where it is stored so.

    Raises
    ------
    InvalidArgument
        If there is no matrix, there are several, it can be read in two ways or what tells the
        layout disagrees; if it is empty, holds whole numbers, NaN or infinity.

    Examples
    --------
    The layout of the authors' notebook, (instances, features, hidden):

    >>> found = from_state_dict({"W": torch.ones(10, 5, 2), "b_final": torch.zeros(10, 5)})
    >>> found.W.shape, found.b.shape
    (torch.Size([10, 2, 5]), torch.Size([10, 5]))
    >>> print(*found.read, sep="\\n")
    W is 'W' (10, 5, 2), features-first: 'b_final' has an entry for each of 5 features.
    b is 'b_final' (10, 5).
    """
    if layout is not None and layout not in LAYOUTS:
        raise InvalidArgument(
            f"layout is {checks.shortly(layout)}: it must be {LAST!r} or {FIRST!r}"
        )
    if name is not None and not isinstance(name, str):
        raise InvalidArgument(f"name is {checks.shortly(name)}: a text is needed")
    arrays = _arrays(state)
    chosen = _chosen(arrays, name)
    partner = _partner(arrays, chosen)
    if partner and name is None:
        chosen, partner, axis, why = _of_pair(arrays, chosen, partner, layout)
    else:
        axis, why = _of_one(arrays, chosen, partner, layout)
    return _weights(arrays, chosen, partner, axis, why)


# Names, without the prefix: what they tell of the layout, and which biases belong to them.

_LAYOUT = {
    "W_E": FIRST, "W_U": LAST, "W_enc": LAST, "W_dec": FIRST, "embed.weight": FIRST,
    "wte.weight": FIRST, "embed_tokens.weight": FIRST, "embedding.weight": FIRST,
    "embeddings.weight": FIRST, "word_embeddings.weight": FIRST, "lm_head.weight": FIRST,
    "unembed.weight": FIRST, "W": None, "encoder.weight": None, "decoder.weight": None,
    "linear1.weight": None, "linear2.weight": None,
}  # fmt: skip
_BIASES = {
    "W": ("b_final", "b", "bias"), "W_U": ("b_U",), "W_enc": ("b_enc",), "W_dec": ("b_dec",),
    "encoder.weight": ("encoder.bias", "b_enc", "latent_bias"),
    "decoder.weight": ("decoder.bias", "b_dec", "pre_bias", "bias"),
    "linear1.weight": ("linear1.bias",), "linear2.weight": ("linear2.bias",),
}  # fmt: skip
_ENCODERS = ("W_enc", "encoder.weight", "linear1.weight")
_DECODERS = ("W_dec", "decoder.weight", "linear2.weight")
# where the latents of an autoencoder lie: a linear layer of torch is (out, in)
_LATENTS = {
    "W_enc": LAST, "W_dec": FIRST, "encoder.weight": FIRST, "decoder.weight": LAST,
    "linear1.weight": FIRST, "linear2.weight": LAST,
}  # fmt: skip


def _arrays(state: Any) -> dict[str, Any]:
    """Return the arrays by name, from as deep as a checkpoint nests them."""
    if isinstance(state, (Tensor, np.ndarray)):  # a file that holds one array alone
        return {"array": state}
    for _ in range(4):
        if not isinstance(state, Mapping):
            raise InvalidArgument(
                f"state is of type {type(state).__name__}: arrays by name are needed, a state dict"
            )
        inner = [key for key in _NESTED if isinstance(state.get(key), Mapping)]
        if not inner:
            break
        state = state[inner[0]]
    return {
        str(key): value for key, value in state.items() if isinstance(value, (Tensor, np.ndarray))
    }


def _ends(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that ``name`` is, behind any prefix; the longest if several fit."""
    fit = [each for each in known if name == each or name.endswith("." + each)]
    return max(fit, key=len, default=None)


def _prefix(name: str) -> str:
    return name.removesuffix(_ends(name, _LAYOUT) or name.rpartition(".")[2])


def _is_matrix(array: Any) -> bool:
    kind = array.dtype.is_floating_point if isinstance(array, Tensor) else array.dtype.kind == "f"
    return bool(kind) and array.ndim >= 2


def _chosen(arrays: Mapping[str, Any], name: str | None) -> str:
    """Return the name of W; of a pair, that of the encoder."""
    if name is not None:
        if name not in arrays:
            raise InvalidArgument(f"name is {name!r}: there is no such array; {_listed(arrays)}")
        return name
    known = [
        key for key in arrays
        if _ends(key, _LAYOUT) and arrays[key].ndim >= 2 and not _is_of_a_larger_net(arrays, key)
    ]  # fmt: skip
    matrices = known or [key for key, array in arrays.items() if _is_matrix(array)]
    alone = [
        key for key in matrices
        if _ends(key, _DECODERS) is None or not any(_pairs(other, key) for other in matrices)
    ]  # fmt: skip
    if not alone:
        if len(arrays) == 1:
            return next(iter(arrays))  # refused below for what is wrong with it
        raise InvalidArgument(f"state has no matrix of real numbers; {_listed(arrays)}")
    if len(alone) > 1:
        raise InvalidArgument(
            f"state has {len(matrices)} matrices that could be W: say which by name=; "
            + _listed({key: arrays[key] for key in matrices})
        )
    return alone[0]


def _is_of_a_larger_net(arrays: Mapping[str, Any], key: str) -> bool:
    """Return whether a numbered layer is not one of a toy model, which has two and one bias."""
    if _ends(key, ("linear1.weight", "linear2.weight")) is None:
        return False
    prefix = _prefix(key)
    toy = {f"{prefix}{end}" for end in ("linear1.weight", "linear2.weight", "linear2.bias")}
    return {name for name in arrays if name.startswith(prefix)} != toy


def _listed(arrays: Mapping[str, Any]) -> str:
    shown = [f"{key} {tuple(array.shape)}" for key, array in list(arrays.items())[:_SHOWN]]
    more = f" and {len(arrays) - _SHOWN} more" if len(arrays) > _SHOWN else ""
    return f"it has {', '.join(shown)}{more}" if shown else "it has no array"


def _pairs(encoder: str, decoder: str) -> bool:
    return (
        _ends(encoder, _ENCODERS) is not None
        and _ends(decoder, _DECODERS) is not None
        and _prefix(encoder) == _prefix(decoder)
    )


def _partner(arrays: Mapping[str, Any], chosen: str) -> str | None:
    """Return the name of the other matrix of an autoencoder, or a toy model's own decoder."""
    for key in arrays:
        if _pairs(chosen, key) or _pairs(key, chosen):
            return key
    decoder = _prefix(chosen) + "V"  # a free decoder in this package's own layout, that of W
    known = _ends(chosen, _LAYOUT) == "W" and decoder in arrays
    return decoder if known and arrays[decoder].shape == arrays[chosen].shape else None


def _biases(arrays: Mapping[str, Any], matrix: str) -> str | None:
    """Return the name of the bias that belongs to a matrix."""
    known = _ends(matrix, _LAYOUT)
    if known in _BIASES:
        names = [_prefix(matrix) + each for each in _BIASES[known]]
    else:
        names = [matrix.removesuffix("weight") + "bias"] if matrix.endswith("weight") else []
    return next((each for each in names if each in arrays and arrays[each].ndim), None)


def _axes(arrays: Mapping[str, Any], matrix: str) -> tuple[int, int]:
    """Return the lengths of a matrix's last two axes, once it is known to have them."""
    shape, dtype = tuple(arrays[matrix].shape), arrays[matrix].dtype
    if len(shape) < 2:
        raise InvalidArgument(f"{matrix} has shape {shape}: a matrix, of two axes, is needed")
    if 0 in shape:
        raise InvalidArgument(f"{matrix} has shape {shape}: it is empty")
    if not _is_matrix(arrays[matrix]):
        raise InvalidArgument(f"{matrix} has dtype {dtype}: real numbers are needed")
    return shape[-2], shape[-1]


def _both(arrays: Mapping[str, Any], matrix: str, why: str) -> InvalidArgument:
    """Return the refusal that spells out both readings."""
    rows, columns = _axes(arrays, matrix)
    return InvalidArgument(
        f"{matrix} {tuple(arrays[matrix].shape)} can be read in two ways, and {why}: "
        f"layout={FIRST!r} reads {rows} features in {columns} dimensions, "
        f"layout={LAST!r} reads {columns} features in {rows} dimensions"
    )


def _of_one(
    arrays: Mapping[str, Any], matrix: str, partner: str | None, layout: str | None
) -> tuple[str, str]:
    """Return the layout of one matrix, and why."""
    rows, columns = _axes(arrays, matrix)
    known = _ends(matrix, _LAYOUT)
    convention = _LAYOUT.get(known or "")
    if layout is None and partner and convention is None and known in _LATENTS:
        encoder, decoder = sorted([matrix, partner], key=lambda key: _ends(key, _ENCODERS) is None)
        latents, why = _latents_are_features(arrays, encoder, decoder)
        return _LATENTS[known] if latents else _other(_LATENTS[known]), why
    bias = _biases(arrays, matrix)
    fits = None
    if bias and known != "W_dec":  # the bias of a dictionary's output is none of its features
        fits = {FIRST: arrays[bias].shape[-1] == rows, LAST: arrays[bias].shape[-1] == columns}
    if layout is not None:
        if fits and known == "W" and not fits[layout] and fits[_other(layout)]:
            raise _both(
                arrays, matrix, f"layout={layout!r} disagrees with {bias!r}, "
                f"{tuple(arrays[bias or ''].shape)}, which has an entry for each feature"
            )  # fmt: skip
        return layout, "as told"
    told = f"{bias!r} has an entry for each of {{}} features"
    if fits and fits[FIRST] != fits[LAST]:
        found = FIRST if fits[FIRST] else LAST
        if known in (None, "decoder.weight") and (rows < columns) == (found == FIRST):
            # a linear layer's bias is its output's, whatever the features are
            raise _both(
                arrays, matrix, f"{bias!r} {tuple(arrays[bias or ''].shape)} fits the shorter axis"
            )  # fmt: skip
        if convention and convention != found:
            raise _both(
                arrays, matrix, f"{bias!r} {tuple(arrays[bias or ''].shape)} says {found}, "
                f"its name {convention}"
            )  # fmt: skip
        return found, told.format(rows if found == FIRST else columns)
    if fits and known == "W" and not any(fits.values()):
        raise _both(
            arrays, matrix, f"{bias!r} {tuple(arrays[bias or ''].shape)} fits neither"
        )  # fmt: skip
    if convention:
        return convention, "that is what its name stands for"
    if rows == columns:
        raise _both(arrays, matrix, "nothing tells which: it is square")
    found = FIRST if rows > columns else LAST
    return found, f"nothing else tells, and features are mostly more, {max(rows, columns)}"


def _of_pair(
    arrays: Mapping[str, Any], encoder: str, partner: str, layout: str | None
) -> tuple[str, str, str, str]:
    """Return what is W, what is V, the layout of W, and why."""
    if _ends(encoder, _ENCODERS) is None:  # a toy model with a decoder of its own
        return encoder, partner, *_of_one(arrays, encoder, partner, layout)
    if layout is not None:
        raise InvalidArgument(
            f"layout is {layout!r}, and there are {encoder} {tuple(arrays[encoder].shape)} and "
            f"{partner} {tuple(arrays[partner].shape)}: say by name= which of them it is about"
        )
    latents, why = _latents_are_features(arrays, encoder, partner)
    matrix, other = (partner, encoder) if latents else (encoder, partner)
    axis = _LATENTS[_ends(matrix, _LATENTS) or ""]
    return matrix, other, axis if latents else _other(axis), why


def _latents_are_features(
    arrays: Mapping[str, Any], encoder: str, decoder: str
) -> tuple[bool, str]:
    """Return whether the features of an autoencoder are its latents, not its inputs; and why."""
    own = _LATENTS[_ends(encoder, _ENCODERS) or ""]
    axes = _axes(arrays, encoder)
    latents, inputs = axes if own == FIRST else axes[::-1]
    inside, outside = _biases(arrays, encoder), _biases(arrays, decoder)
    by_name = _ends(encoder, _ENCODERS) == "W_enc" or _ends(decoder, _DECODERS) == "W_dec"
    shapes = f"{encoder} {tuple(arrays[encoder].shape)}, {decoder} {tuple(arrays[decoder].shape)}"
    dictionary = f"a dictionary of {latents} latents in {inputs} dimensions"
    bottleneck = f"a toy model of {inputs} features in {latents} dimensions"
    if (inside and not outside) or (by_name and (inside or not outside)):
        if latents < inputs and not by_name:
            raise _two_models(shapes, dictionary, bottleneck, f"only {inside!r} is there", encoder)
        told = (
            f"{inside!r} has an entry for each latent" if inside else "its names are those of one"
        )
        return True, f"it is {dictionary}: {told}"
    if outside and not inside:
        if by_name or latents > inputs:
            raise _two_models(shapes, dictionary, bottleneck, f"only {outside!r} is there", encoder)
        return False, f"it is {bottleneck}: only the output has a bias, {outside!r}"
    if latents == inputs:
        raise _two_models(shapes, dictionary, bottleneck, "nothing tells which", encoder)
    if latents > inputs:
        return True, f"it is {dictionary}: there are more latents than inputs"
    return False, f"it is {bottleneck}: there are more inputs than latents"


def _two_models(
    shapes: str, dictionary: str, bottleneck: str, why: str, encoder: str
) -> InvalidArgument:
    own = _LATENTS[_ends(encoder, _ENCODERS) or ""]
    return InvalidArgument(
        f"{shapes} can be read in two ways, and {why}: name={encoder!r} with layout={own!r} reads "
        f"{dictionary}, with layout={_other(own)!r} {bottleneck}"
    )


def _other(layout: str) -> str:
    return FIRST if layout == LAST else LAST


def _weights(
    arrays: Mapping[str, Any], matrix: str, partner: str | None, axis: str, why: str
) -> Weights:
    """Return the matrices turned so that features are last, with what there is to tell."""
    W = _turned(matrix, arrays[matrix], axis)
    m, n = W.shape[-2:]
    read = [f"W is {matrix!r} {tuple(arrays[matrix].shape)}, {axis}: {why}."]
    if m > n:
        read.append(f"There are more dimensions, {m}, than features, {n}: is that meant?")
    V = None
    if partner:
        # an encoder and a decoder are each other's transpose, but for EleutherAI's
        same = _ends(partner, ("V",)) or (
            _LATENTS[_ends(matrix, _LATENTS) or ""] == _LATENTS[_ends(partner, _LATENTS) or ""]
        )
        other = axis if same else _other(axis)
        V = _turned(partner, arrays[partner], other)
        if V.shape[-2:] != W.shape[-2:]:
            raise InvalidArgument(
                f"{partner} has shape {tuple(arrays[partner].shape)}: it does not fit {matrix}, "
                f"{tuple(arrays[matrix].shape)}"
            )
        read.append(f"V is {partner!r} {tuple(arrays[partner].shape)}, {other}.")
    b = None
    known = _ends(matrix, _LATENTS)
    owners = [matrix]
    if known:  # the bias of latents is the encoder's, that of inputs the decoder's
        ends = _ENCODERS if axis == _LATENTS[known] else _DECODERS
        owners = [each for each in (matrix, partner) if each and _ends(each, ends)]
    for bias in (_biases(arrays, each) for each in owners):
        if bias is None:
            continue
        if arrays[bias].shape[-1] != n:
            read.append(f"{bias!r} {tuple(arrays[bias].shape)} is left out: it fits no feature.")
            continue
        b = _real(bias, arrays[bias])
        checks.broadcast_shape(**{matrix: W.shape[:-2], bias: b.shape[:-1]})
        read.append(f"b is {bias!r} {tuple(b.shape)}.")
    return Weights(W, V, b, tuple(read))


def _turned(name: str, array: Any, axis: str) -> Tensor:
    matrix = _real(name, array)
    return matrix if axis == LAST else matrix.mT.contiguous()


def _real(name: str, array: Any) -> Tensor:
    """Return a copy as a finite tensor without gradients, in single precision or wider."""
    if isinstance(array, np.ndarray):
        if array.dtype.kind != "f":
            raise InvalidArgument(f"{name} has dtype {array.dtype}: real numbers are needed")
        wide = np.float64 if array.dtype.itemsize >= 8 else np.float32
        tensor = torch.from_numpy(np.array(array, dtype=wide, order="C"))
    else:
        if not array.dtype.is_floating_point:
            raise InvalidArgument(f"{name} has dtype {array.dtype}: real numbers are needed")
        if array.layout is not torch.strided:
            raise InvalidArgument(f"{name} has layout {array.layout}: a dense array is needed")
        wide = torch.float64 if array.dtype is torch.float64 else torch.float32
        tensor = array.detach().to(wide, copy=True).contiguous()
    return checks.finite(name, tensor)


def _safetensors(file: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(file)


def _npz(file: Path) -> dict[str, np.ndarray]:
    with np.load(file, allow_pickle=False) as found:
        return {key: found[key] for key in found.files}


def _npy(file: Path) -> np.ndarray:
    return np.load(file, allow_pickle=False)


def _torch(file: Path) -> Any:
    return torch.load(file, map_location="cpu", weights_only=True)


_READERS = {
    ".safetensors": _safetensors,
    ".npz": _npz,
    ".npy": _npy,
    ".pt": _torch,
    ".pth": _torch,
}
