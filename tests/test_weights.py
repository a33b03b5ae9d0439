"""Weights from elsewhere: whatever the convention, features come out last, or it is refused."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from superpos import weights
from superpos.errors import InvalidArgument

N, M = 7, 3  # features, hidden dimensions: lengths that nothing else has
KNOWN = torch.randn(M, N, generator=torch.Generator().manual_seed(0))  # (m, n)
OTHER = torch.randn(M, N, generator=torch.Generator().manual_seed(1))
FEATURES, HIDDEN = torch.arange(float(N)), torch.arange(float(M))


def stacked(matrix: torch.Tensor) -> torch.Tensor:
    return torch.stack([matrix, 2 * matrix])


# what is stored; whether V and b are there
CONVENTIONS = {
    "the authors' notebook": (
        {"W": stacked(KNOWN.mT), "b_final": stacked(FEATURES)}, False, True,
    ),
    "ARENA": (
        {"W": stacked(KNOWN), "b_final": stacked(FEATURES), "importance": torch.ones(1, N)},
        False, True,
    ),
    "a toy model of this package": ({"W": KNOWN, "b": FEATURES, "V": OTHER}, True, True),
    "SAELens": (
        {"W_enc": OTHER, "W_dec": KNOWN.mT, "b_enc": FEATURES, "b_dec": HIDDEN}, True, True,
    ),
    "ARENA's autoencoders": (
        {"W_enc": stacked(OTHER), "W_dec": stacked(KNOWN.mT), "b_enc": stacked(FEATURES),
         "b_dec": stacked(HIDDEN)}, True, True,
    ),
    "a dictionary alone": ({"W_dec": KNOWN.mT}, False, False),
    "sparsify": (
        {"encoder.weight": OTHER.mT, "encoder.bias": FEATURES, "W_dec": KNOWN.mT,
         "b_dec": HIDDEN}, True, True,
    ),
    "a linear dictionary": (
        {"encoder.weight": OTHER.mT, "encoder.bias": FEATURES, "decoder.weight": KNOWN,
         "bias": HIDDEN}, True, True,
    ),
    "a linear bottleneck": (
        {"encoder.weight": KNOWN, "decoder.weight": OTHER.mT, "decoder.bias": FEATURES}, True, True,
    ),
    "stochastic parameter decomposition": (
        {"linear1.weight": KNOWN, "linear2.weight": OTHER.mT, "linear2.bias": FEATURES}, True, True,
    ),
    "an embedding": ({"transformer.wte.weight": KNOWN.mT, "ln.weight": HIDDEN}, False, False),
    "TransformerLens": ({"embed.W_E": KNOWN.mT}, False, False),
    "an unembedding": ({"unembed.W_U": KNOWN, "unembed.b_U": FEATURES}, False, True),
    "a checkpoint": (
        {"epoch": 3, "state_dict": {"model": {"net.W": KNOWN.mT, "net.b_final": FEATURES}}},
        False, True,
    ),
    "a name of one's own": ({"directions": KNOWN.mT}, False, False),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVENTIONS)
def test_features_come_last_whatever_the_convention(name: str):
    state, decodes, biased = CONVENTIONS[name]
    found = weights.from_state_dict(state)
    first = found.W[0] if found.W.ndim == 3 else found.W
    torch.testing.assert_close(first, KNOWN, rtol=0, atol=0)
    assert (found.V is not None, found.b is not None) == (decodes, biased)
    if found.V is not None:
        torch.testing.assert_close(found.V[0] if found.V.ndim == 3 else found.V, OTHER)
    if found.b is not None:
        torch.testing.assert_close(found.b[0] if found.b.ndim == 2 else found.b, FEATURES)
    assert all(sentence.endswith((".", "?")) for sentence in found.read)
    assert len(found.read) == 1 + decodes + biased


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.lists(st.integers(1, 3), max_size=2), st.booleans())
def test_a_bias_tells_the_axis_or_both_readings_are_told(n, m, batch, first):
    W = torch.arange(float(np.prod(batch) * n * m)).reshape(*batch, m, n)
    state = {"W": W.mT if first else W, "b_final": torch.zeros(*batch, n)}
    if n != m:
        found = weights.from_state_dict(state)
        assert torch.equal(found.W, W)
        assert found.b is not None
        assert found.b.shape == (*batch, n)
    else:
        with pytest.raises(InvalidArgument, match=r"two ways.*layout='features-first' reads"):
            weights.from_state_dict(state)
    layout = "features-first" if first else "features-last"
    assert torch.equal(weights.from_state_dict(state, layout=layout).W, W)


def test_modules_of_torch_are_read_as_what_they_are():
    sae = nn.ModuleDict({"encoder": nn.Linear(3, 7), "decoder": nn.Linear(7, 3)})
    toy = nn.ModuleDict({"encoder": nn.Linear(7, 3, bias=False), "decoder": nn.Linear(3, 7)})
    found, other = (weights.from_state_dict(each.state_dict()) for each in (sae, toy))
    assert torch.equal(found.W, sae["decoder"].weight)
    assert torch.equal(other.W, toy["encoder"].weight)
    assert "dictionary of 7 latents" in found.read[0]
    assert "toy model of 7 features" in other.read[0]


REFUSED = {
    "square": ({"W": torch.ones(3, 3)}, {}, r"3 features in 3 dimensions.*3 features"),
    "a name against a bias": (
        {"W_U": torch.ones(3, 7), "b_U": torch.ones(3)}, {}, r"'b_U' \(3,\) says features-first",
    ),
    "a layout against a bias": (
        {"W": torch.ones(10, 7, 3), "b_final": torch.ones(10, 7)}, {"layout": "features-last"},
        r"layout='features-last' disagrees with 'b_final'.*reads 7 features in 3 dim.*reads 3 feat",
    ),
    "a bias that fits nothing": (
        {"W": torch.ones(7, 3), "b_final": torch.ones(5)}, {}, r"'b_final' \(5,\) fits neither",
    ),
    "a layer's bias": (
        {"fc.weight": torch.ones(3, 7), "fc.bias": torch.ones(3)}, {}, "fits the shorter axis",
    ),
    "two": (
        {"W_E": torch.ones(7, 3), "W_U": torch.ones(3, 7)}, {}, r"name=; it has W_E \(7, 3\), W_U",
    ),
    "square autoencoder": (
        {"encoder.weight": torch.ones(3, 3), "decoder.weight": torch.ones(3, 3)}, {},
        r"name='encoder.weight' with layout='features-first' reads a dictionary of 3.*toy model",
    ),
    "a layout of a pair": (
        {"W_enc": torch.ones(3, 7), "W_dec": torch.ones(7, 3)}, {"layout": "features-last"},
        "say by name= which",
    ),
    "no fit": ({"W_enc": torch.ones(3, 7), "W_dec": torch.ones(6, 3)}, {}, "W_enc has shape"),
    "NaN": ({"W": torch.tensor([[1.0, torch.nan]])}, {}, "W has an entry that is NaN or inf"),
    "whole numbers": ({"W": torch.ones(3, 7, dtype=torch.int)}, {}, "W has dtype torch.int32"),
    "whole numbers of NumPy": ({"W": np.ones((3, 7), int)}, {}, "W has dtype int64"),
    "complex": ({"W": torch.ones(3, 7) + 1j}, {}, "W has dtype torch.complex64"),
    "empty": ({"W": torch.ones(0, 7)}, {}, r"W has shape \(0, 7\): it is empty"),
    "one axis": ({"x": torch.ones(7)}, {}, r"x has shape \(7,\): a matrix"),
    "sparse": ({"W": torch.ones(3, 7).to_sparse()}, {}, "W has layout torch.sparse_coo"),
    "nothing": ({}, {}, "state has no matrix of real numbers; it has no array"),
    "no arrays": ([1.0], {}, "state is of type list"),
    "layers of a larger net": (
        nn.TransformerEncoderLayer(4, 1, 16).state_dict(), {}, "could be W: say which by name=",
    ),
    "layers with others between": (
        {"linear1.weight": torch.ones(3, 7), "hidden_layers.0.weight": torch.ones(3, 3),
         "linear2.weight": torch.ones(7, 3), "linear2.bias": torch.ones(7)},
        {}, "say which by name",
    ),
    "no such name": ({"W": torch.ones(3, 7)}, {"name": "V"}, r"name is 'V'.*it has W \(3, 7\)"),
    "no such layout": ({"W": torch.ones(3, 7)}, {"layout": "last"}, "layout is 'last': it must be"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_be_read_in_two_ways_or_none_is_refused_in_a_sentence(name: str):
    state, options, message = REFUSED[name]
    with pytest.raises(InvalidArgument, match=message) as refused:
        weights.from_state_dict(state, **options)
    assert "\n" not in str(refused.value)


def test_what_a_refusal_of_an_autoencoder_names_can_be_asked_for():
    square = {"encoder.weight": torch.ones(3, 3), "decoder.weight": torch.ones(3, 3) * 2}
    for layout, told in (("features-first", "as told"), ("features-last", "as told")):
        found = weights.from_state_dict(square, name="encoder.weight", layout=layout)
        assert told in found.read[0]
        assert found.V is not None


def test_more_dimensions_than_features_are_worth_a_question():
    found = weights.from_state_dict({"W": torch.ones(7, 3)}, layout="features-last")
    assert any("more dimensions, 7, than features, 3" in sentence for sentence in found.read)


NUMBERS = {
    "half precision": KNOWN.half(),
    "bfloat16": KNOWN.bfloat16(),
    "double": KNOWN.double(),
    "a parameter": nn.Parameter(KNOWN.clone()),
    "not contiguous": KNOWN.mT.contiguous().mT,
    "NumPy": KNOWN.numpy(),
    "big-endian": KNOWN.numpy().astype(">f4"),
    "negative strides": KNOWN.numpy()[::-1, ::-1].copy()[::-1, ::-1],
    "half precision of NumPy": KNOWN.numpy().astype(np.float16),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_any_kind_are_copied_and_left_as_they_were(name: str):
    given = NUMBERS[name]
    before = given.detach().clone() if isinstance(given, torch.Tensor) else given.copy()
    found = weights.from_state_dict({"W": given}).W
    assert found.dtype == (torch.float64 if name == "double" else torch.float32)
    assert not found.requires_grad
    torch.testing.assert_close(found.float(), KNOWN, rtol=1e-2, atol=1e-2)
    found += 1
    assert (given == before).all()


def write(path, state) -> None:
    numbers = {key: value.numpy() for key, value in state.items()}
    if path.suffix == ".safetensors":
        save_file({key: value.contiguous() for key, value in state.items()}, path)
    elif path.suffix == ".npz":
        np.savez(path, **numbers)
    elif path.suffix == ".npy":
        np.save(path, numbers["W"])
    else:
        torch.save({"state_dict": state, "step": 3}, path)


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".npy", ".pt", ".pth"])
def test_a_file_of_each_kind_holds_the_same(tmp_path, suffix):
    write(tmp_path / f"own{suffix}", {"W": KNOWN.mT, "b_final": FEATURES})
    assert torch.equal(weights.load(tmp_path / f"own{suffix}").W, KNOWN)
    assert torch.equal(weights.load(str(tmp_path / f"own{suffix}")).W, KNOWN)


class Malicious:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".npy", ".npz", ".safetensors"])
def test_code_in_a_file_is_never_run(tmp_path, suffix):
    trap, file = tmp_path / "ran", tmp_path / f"own{suffix}"
    state = {"W": Malicious(trap)}
    if suffix in (".pt", ".pth"):
        torch.save(state, file)
    elif suffix == ".npz":
        np.savez(file, W=np.array([Malicious(trap)], dtype=object))
    elif suffix == ".npy":
        np.save(file, np.array([Malicious(trap)], dtype=object))
    else:
        file.write_bytes(pickle.dumps(state))
    with pytest.raises(InvalidArgument, match="cannot be read as numbers alone"):
        weights.load(file)
    assert not trap.exists()
    if suffix == ".npy":  # the trap is one
        np.load(file, allow_pickle=True)
        assert trap.exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [("absent.npy", "there is no file"), ("folder.npy", "there is no file"),
     ("damaged.pt", "cannot be read"), ("damaged.npz", "cannot be read"),
     ("own.csv", "none of the kinds of file"), ("own", "none of the kinds of file")],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_told_in_a_sentence(tmp_path, name, message):
    (tmp_path / "folder.npy").mkdir()
    for damaged in ("damaged.pt", "damaged.npz", "own.csv", "own"):
        (tmp_path / damaged).write_bytes(b"PK\x03\x04 not numbers")
    with pytest.raises(InvalidArgument, match=re.escape(message)) as refused:
        weights.load(tmp_path / name)
    assert "\n" not in str(refused.value)


def test_a_path_that_is_none_is_named():
    with pytest.raises(InvalidArgument, match="path is 3"):
        weights.load(3)  # pyright: ignore[reportArgumentType]
