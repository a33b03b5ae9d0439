"""Layouts of the zoo: what is loaded elsewhere computes the same, and reads back as it was."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from superpos import weights, zoo
from superpos.errors import InvalidArgument

PLAIN = ["pentagon", "two-pentagons", "free-decoder", "trained-80-20", "memorised"]


class TwoLayers(nn.Module):
    """The shape of the target models of stochastic parameter decomposition."""

    def __init__(self, n: int, m: int) -> None:
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(n, m, bias=False), nn.Linear(m, n)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear2(self.linear1(x)).relu()


class Autoencoder(nn.Module):
    """The shape of a standard sparse autoencoder of SAELens."""

    def __init__(self, inputs: int, latents: int) -> None:
        super().__init__()
        self.W_enc = nn.Parameter(torch.empty(inputs, latents))
        self.W_dec = nn.Parameter(torch.empty(latents, inputs))
        self.b_enc = nn.Parameter(torch.empty(latents))
        self.b_dec = nn.Parameter(torch.empty(inputs))

    def encode(self, h: Tensor) -> Tensor:
        return (h @ self.W_enc + self.b_enc).relu()

    def decode(self, latents: Tensor) -> Tensor:
        return latents @ self.W_dec + self.b_dec


@pytest.mark.parametrize("name", PLAIN)
def test_two_linear_layers_compute_the_same(name: str):
    one = zoo.load(name)
    there = TwoLayers(one.n, one.m)
    there.load_state_dict(one.state_dict("spd"))
    x = one.inputs(100)
    torch.testing.assert_close(there(x), one.reconstruct(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", PLAIN)
def test_latents_of_the_autoencoder_are_the_models_outputs(name: str):
    one = zoo.load(name)
    there = Autoencoder(one.m, one.n)
    there.load_state_dict(one.state_dict("saelens"))
    x = one.inputs(100)
    h = x @ one.W.T
    torch.testing.assert_close(there.encode(h), one.reconstruct(x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(there.decode(torch.eye(one.n)), one.W.T)  # a feature's direction


def test_the_authors_loop_computes_the_same():
    one = zoo.load("pentagon")
    state = one.state_dict("authors")
    x = one.inputs(100)
    W, b = state["W"], state["b_final"]  # (instances, n, m), (instances, n)
    hidden = torch.einsum("bif,ifh->bih", x[:, None], W)
    out = (torch.einsum("bih,ifh->bif", hidden, W) + b).relu()
    torch.testing.assert_close(out[:, 0], one.reconstruct(x))


@pytest.mark.parametrize("name", zoo.names())
@pytest.mark.parametrize("layout", zoo.LAYOUTS)
def test_what_is_exported_reads_back_as_it_was(name: str, layout: str, tmp_path):
    one = zoo.load(name, dtype=torch.float64)
    try:
        state = one.state_dict(layout)
    except InvalidArgument:
        assert layout != "superpos"
        return
    save_file(state, tmp_path / "one.safetensors")
    found = weights.load(tmp_path / "one.safetensors")
    assert torch.equal(found.W.view_as(one.W), one.W)
    assert found.b is not None
    assert torch.equal(found.b.view_as(one.b), one.b)
    V = one.parameters.get("V", one.W)
    assert torch.equal(V if found.V is None else found.V.view_as(V), V)


def test_what_a_layout_cannot_say_is_refused_by_its_name():
    for name, layout in (
        ("free-decoder", "authors"), ("linear", "authors"), ("linear", "spd"),
        ("neurons", "authors"), ("neurons", "saelens"), ("absolute-values", "spd"),
    ):  # fmt: skip
        one = zoo.load(name)
        with pytest.raises(InvalidArgument, match=f"'{layout}', which is for.*{one.model.name!r}"):
            one.state_dict(layout)
    with pytest.raises(InvalidArgument, match="layout is 'onnx': it must be one of superpos, auth"):
        zoo.load("pentagon").state_dict("onnx")


@pytest.mark.parametrize("layout", zoo.LAYOUTS)
def test_what_is_exported_shares_no_memory_with_the_model(layout: str):
    one = zoo.load("pentagon")
    before = one.W.clone()
    for value in one.state_dict(layout).values():
        assert value.is_contiguous()
        value += 1
    assert torch.equal(one.W, before)
