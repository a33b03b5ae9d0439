from __future__ import annotations

import pytest
import torch

from superpos.errors import InvalidArgument
from superpos.learning import sae

DATA = sae.Superposed(12, 6, 0.1, seeds=range(3))
TRAINING = sae.Training(sparsity=0.1, rate=5e-3)


def by_autograd(state: sae.State, h: torch.Tensor, sparsity: float) -> dict[str, torch.Tensor]:
    leaves = {name: value.clone().requires_grad_() for name, value in state.parameters.items()}
    copy = sae.State(leaves, {}, {}, 0, state.silent)
    sae.example_losses(copy, h, sparsity=sparsity).mean(-1).sum().backward()
    return {name: leaf.grad for name, leaf in leaves.items()}


def test_directions_have_unit_length_and_belong_to_their_seed():
    assert torch.allclose(DATA.directions.norm(dim=1), torch.ones(3, 12))
    assert torch.equal(sae.Superposed(12, 6, 0.1, seeds=[2]).directions[0], DATA.directions[2])


def test_activations_are_sparse_sums_of_the_directions():
    h = DATA.inputs(0, 4, batch=500)
    second = torch.einsum("smbi,smbj->mij", h, h) / 2000
    x = 0.1 / 3 * torch.eye(12) + 0.1**2 / 4 * (1 - torch.eye(12))
    assert torch.allclose(second, DATA.directions @ x @ DATA.directions.mT, atol=0.03)


def test_models_of_one_seed_see_the_same_inputs_whoever_is_beside_them():
    several = sae.Superposed(12, 6, 0.1, seeds=[5, 1, 5])
    h = several.inputs(3, 2, batch=4)
    assert torch.equal(h[:, 0], h[:, 2])
    assert torch.equal(h[:, 1:2], sae.Superposed(12, 6, 0.1, seeds=[1]).inputs(3, 2, batch=4))
    assert not torch.equal(h, several.inputs(4, 2, batch=4))


def test_gradients_are_those_of_the_loss_along_the_sphere_of_decoders():
    state = sae.start(DATA, 10, bias=-0.1)
    h = DATA.inputs(0, 1, batch=32)[0]
    found, fired = sae._gradients(state.parameters, h, TRAINING, state.silent)
    expected = by_autograd(state, h, TRAINING.sparsity)
    decoder = state.parameters["decoder"]
    radial = decoder * (expected["decoder"] * decoder).sum(1, keepdim=True)
    expected["decoder"] = expected["decoder"] - radial
    for name, value in expected.items():
        assert torch.allclose(found[name], value, atol=1e-5), name
    assert torch.equal(fired, (sae.encode(state.parameters, h) > 0).any(1))


def test_training_finds_features_and_lowers_the_loss():
    data = sae.Superposed(12, 8, 0.05, seeds=range(3))
    before = sae.start(data, 12)
    after = sae.train(before, data, sae.Training(sparsity=0.1, rate=1e-2), 1500)
    assert (sae.loss(after, data, sparsity=0.1) < sae.loss(before, data, sparsity=0.1)).all()
    assert (sae.found(after, data).sum(1) >= 8).all()
    assert torch.allclose(after.parameters["decoder"].norm(dim=1), torch.ones(3, 12))


def test_a_model_is_the_same_alone_and_in_two_goes():
    whole = sae.train(sae.start(DATA, 8), DATA, TRAINING, 100)
    halves = sae.train(sae.train(sae.start(DATA, 8), DATA, TRAINING, 50), DATA, TRAINING, 50)
    one = sae.Superposed(12, 6, 0.1, seeds=[1])
    alone = sae.train(sae.start(one, 8), one, TRAINING, 100)
    for name in sae.NAMES:
        assert torch.allclose(whole.parameters[name], halves.parameters[name], atol=1e-5)
        assert torch.allclose(whole.parameters[name][1:2], alone.parameters[name], atol=1e-4)


def test_latents_that_never_fire_are_dead_and_do_not_move():
    state = sae.start(DATA, 8)
    state.parameters["encoder_bias"][:, 3] = -100.0
    after = sae.train(state, DATA, TRAINING, 100)
    assert after.dead(100)[:, 3].all()
    assert torch.equal(after.parameters["encoder"][:, 3], state.parameters["encoder"][:, 3])


def test_the_auxiliary_loss_wakes_what_is_dead():
    state = sae.start(DATA, 8)
    state.parameters["encoder_bias"][:, 3:] = -1.5
    how = sae.Training(sparsity=0.1, rate=5e-3, auxiliary=0.1, dead_after=20)
    plain = sae.train(state, DATA, TRAINING, 1000)
    woken = sae.train(state, DATA, how, 1000)
    assert woken.dead(200).sum() < plain.dead(200).sum()


def test_without_dead_latents_the_auxiliary_loss_changes_nothing():
    how = sae.Training(sparsity=0.1, rate=5e-3, auxiliary=1.0, dead_after=1000)
    plain = sae.train(sae.start(DATA, 8), DATA, TRAINING, 50)
    other = sae.train(sae.start(DATA, 8), DATA, how, 50)
    assert torch.equal(plain.parameters["encoder"], other.parameters["encoder"])


def test_taken_models_share_no_memory():
    state = sae.start(DATA, 8)
    taken = state.taken([1, 1])
    taken.parameters["encoder"][0] = 0
    assert state.parameters["encoder"][1].abs().sum() > 0
    assert taken.parameters["encoder"][1].abs().sum() > 0


def test_a_state_of_other_data_is_refused():
    with pytest.raises(InvalidArgument, match="the state has 3 models"):
        sae.train(sae.start(DATA, 8), sae.Superposed(12, 6, 0.1, seeds=[0]), TRAINING, 10)
    odd = sae.train(sae.start(DATA, 8), DATA, TRAINING, 10)
    with pytest.raises(InvalidArgument, match="the state has done 10 steps"):
        sae.train(odd, DATA, TRAINING, 10)


@pytest.mark.parametrize("wrong", [{"rate": 0.0}, {"sparsity": -1.0}, {"batch": 0}, {"most": 0}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(InvalidArgument, match=next(iter(wrong))):
        sae.Training(**wrong)
