"""Gradients by hand against those of the loss; what is let through; what is refused."""

from __future__ import annotations

import pytest
import torch

from superpos import RELU_OUTPUT, IndependentFeatures, Procedure
from superpos.errors import InvalidArgument
from superpos.sae import Activations, Variant, decode, descent, encode, start
from superpos.sae import train as fit
from superpos.sae.variants import gradients, losses

FEATURES = IndependentFeatures(8, 0.25)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def some(variant: Variant, models: int = 2, m: int = 4, k: int = 8):
    data = Activations(drawn(models, m, 8).float(), FEATURES, range(models))
    parameters = {
        name: value.double() + 0.1 * drawn(*value.shape, seed=place)
        for place, (name, value) in enumerate(start(data, k, variant).parameters.items())
    }
    decoder = parameters["decoder"]
    parameters["decoder"] = decoder / decoder.norm(dim=1, keepdim=True)
    return parameters, data.hidden(0, 1, batch=32)[0].double()


VARIANTS = {
    "l1": Variant("l1", [0.1, 0.3]),
    "topk": Variant("topk", [1, 3]),
    "jumprelu": Variant("jumprelu", [0.1, 0.3], bandwidth=1e-9),
    "matryoshka": Variant("topk", 2, prefixes=(0.25, 0.5, 1.0)),
    "matryoshka with a penalty": Variant("l1", 0.1, prefixes=(0.5, 1.0)),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_gradients_are_those_of_the_loss_along_decoders_of_unit_length(name):
    variant = VARIANTS[name]
    parameters, h = some(variant)
    leaves = {key: value.clone().requires_grad_() for key, value in parameters.items()}
    # a step along a column is no step: its length is put back
    unit = leaves | {"decoder": leaves["decoder"] / leaves["decoder"].norm(dim=1, keepdim=True)}
    own = [leaf for key, leaf in leaves.items() if key != "threshold"]
    expected = torch.autograd.grad(losses(unit, h, variant).sum(), own)
    found, _ = gradients(parameters, h, variant)
    for key, value in zip([key for key in leaves if key != "threshold"], expected, strict=True):
        torch.testing.assert_close(found[key], value, rtol=1e-8, atol=1e-10)


def test_a_threshold_moves_as_the_loss_of_many_inputs_does():
    """The ramp of width ε stands for a step: over many inputs it is the derivative."""
    variant = Variant("jumprelu", 0.2, bandwidth=0.02)
    data = Activations(torch.eye(3)[None], IndependentFeatures(3, 0.9), [0])
    parameters = {
        k: v.double() for k, v in start(data, 3, variant, threshold=0.5).parameters.items()
    }
    parameters["encoder"] = parameters["decoder"] = torch.eye(3, dtype=torch.float64)[None].clone()
    h = data.hidden(0, 1, batch=400_000)[0].double()
    found, _ = gradients(parameters, h, variant)
    by = 0.02

    def at(change: float) -> torch.Tensor:
        moved = parameters | {"threshold": parameters["threshold"].clone()}
        moved["threshold"][0, 0] += change
        return losses(moved, h, variant)[0]

    slope = (at(by) - at(-by)) / (2 * by)
    torch.testing.assert_close(found["threshold"][0, 0], slope, rtol=0.1, atol=0)


def test_each_variant_lets_through_what_it_says():
    z = torch.tensor([[[0.3, -1.0, 0.2, 0.9]]])
    parameters = {
        "encoder": torch.eye(4)[None], "encoder_bias": torch.zeros(1, 4),
        "decoder": torch.eye(4)[None], "decoder_bias": torch.zeros(1, 4),
        "threshold": torch.full((1, 4), 0.25).log(),
    }  # fmt: skip
    shown = {
        name: encode(parameters, z, variant)[0, 0].tolist()
        for name, variant in {
            "l1": Variant("l1", 1.0), "topk": Variant("topk", 1),
            "jumprelu": Variant("jumprelu", 1.0),
        }.items()
    }  # fmt: skip
    expected = {
        "l1": [0.3, 0, 0.2, 0.9], "topk": [0, 0, 0, 0.9], "jumprelu": [0.3, 0, 0, 0.9],
    }  # fmt: skip
    for name, values in expected.items():
        assert shown[name] == pytest.approx(values)


def test_models_have_a_sparsity_each():
    parameters, h = some(Variant("topk", [1, 3]))
    f = encode(parameters, h, Variant("topk", [1, 3]))
    assert (f > 0).sum(-1).amax(1).tolist() == [1, 3]


def test_a_nested_dictionary_reconstructs_without_the_others():
    parameters, h = some(Variant("l1", 0.1))
    f = encode(parameters, h, Variant("l1", 0.1))
    changed = f.clone()
    changed[..., 4:] += 1
    torch.testing.assert_close(decode(parameters, f, 4), decode(parameters, changed, 4))
    assert not torch.allclose(decode(parameters, f), decode(parameters, changed))


@pytest.mark.parametrize(
    ("kind", "sparsity", "other"),
    [
        ("relu", 0.1, {}), ("topk", 0, {}), ("l1", -0.1, {}), ("l1", torch.ones(2, 2), {}),
        ("l1", 0.1, {"prefixes": (0.5, 0.25, 1.0)}), ("l1", 0.1, {"prefixes": (0.5,)}),
        ("l1", 0.1, {"prefixes": ()}), ("jumprelu", 0.1, {"bandwidth": 0.0}),
    ],
)  # fmt: skip
def test_what_is_no_variant_is_refused(kind, sparsity, other):
    with pytest.raises(InvalidArgument):
        Variant(kind, sparsity, **other)


# Training


def orthogonal(seeds: int = 2) -> Activations:
    return Activations(torch.eye(4).expand(seeds, 4, 4), IndependentFeatures(4, 0.2), range(seeds))


HOW = Procedure(steps=150, batch_size=64, learning_rate=0.02, warmup=10)


@pytest.mark.parametrize(
    "variant", [Variant("l1", 0.05), Variant("topk", 1), Variant("jumprelu", 0.02)]
)
def test_training_lowers_the_loss_and_keeps_columns_of_unit_length(variant):
    data = orthogonal()
    begun = start(data, 6, variant)
    before = {name: value.clone() for name, value in begun.parameters.items()}
    done = fit(begun, data, variant, HOW)
    h = data.hidden(9, 1, batch=500)[0]
    assert (losses(done.parameters, h, variant) < 0.8 * losses(before, h, variant)).all()
    torch.testing.assert_close(done.parameters["decoder"].norm(dim=1), torch.ones(2, 6))
    assert all(torch.equal(begun.parameters[name], value) for name, value in before.items())


def test_a_frozen_decoder_stays_and_the_rest_learns():
    data, variant = orthogonal(), Variant("topk", 1, frozen=True)
    begun = start(data, 6, variant)
    done = fit(begun, data, variant, HOW)
    torch.testing.assert_close(done.parameters["decoder"], begun.parameters["decoder"])
    assert not torch.allclose(done.parameters["encoder"], begun.parameters["encoder"], atol=0.05)


def test_models_do_not_know_of_those_beside_them():
    data, prices = orthogonal(2), torch.tensor([0.05, 0.2, 0.05, 0.2])
    both = fit(start(data, 6, Variant("l1", prices), settings=2), data, Variant("l1", prices), HOW)
    one = data.taken(slice(1, 2))
    alone = fit(start(one, 6, Variant("l1", 0.2)), one, Variant("l1", 0.2), HOW)
    torch.testing.assert_close(
        both.parameters["decoder"][3:], alone.parameters["decoder"], rtol=1e-3, atol=1e-4
    )


def test_dictionaries_do_not_begin_where_toy_models_of_the_same_seed_do(monkeypatch):
    features = IndependentFeatures(20, 0.1)
    W = RELU_OUTPUT.initial(20, 8, seeds=[3])["W"][:, 0]
    data = Activations(W, features, [3])

    def likeness() -> float:
        decoder = start(data, 20, Variant("l1", 0.1)).parameters["decoder"]
        return (decoder.mT @ data.directions).diagonal(dim1=-2, dim2=-1).abs().mean().item()

    assert likeness() < 0.5
    monkeypatch.setattr(descent, "_DICTIONARY", 0)  # the stream of W
    assert likeness() > 0.99


def test_inputs_are_new_ones_and_the_same_for_the_same_seed():
    data = orthogonal()
    first, again = data.draw(0, 3, batch=5), data.draw(0, 3, batch=5)
    assert torch.equal(first, again)
    assert not torch.equal(first, data.draw(1, 3, batch=5))
    assert torch.equal(first[:, 1:], data.taken(slice(1, 2)).draw(0, 3, batch=5))


def test_what_does_not_fit_is_refused():
    data, variant = orthogonal(2), Variant("l1", 0.1)
    with pytest.raises(InvalidArgument, match="multiple of 2"):
        fit(start(data.taken(slice(0, 1)), 6, variant), data, variant, HOW)
    with pytest.raises(InvalidArgument, match="a fresh one"):
        fit(fit(start(data, 6, variant), data, variant, HOW), data, variant, HOW)
    with pytest.raises(InvalidArgument, match="sparsity has 3"):
        fit(start(data, 6, variant), data, Variant("l1", [0.1] * 3), HOW)
    with pytest.raises(InvalidArgument, match="3 seeds"):
        Activations(torch.eye(4)[None], FEATURES, range(3))
    with pytest.raises(InvalidArgument, match="8 of 1"):
        Activations(torch.eye(4)[None], FEATURES, [0])
