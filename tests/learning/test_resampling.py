from __future__ import annotations

import pytest
import torch

from superpos.errors import InvalidArgument
from superpos.learning import resampling, sae

DATA = sae.Superposed(12, 6, 0.1, seeds=range(3))
DEAD = torch.zeros(3, 8, dtype=torch.bool)
DEAD[0, [2, 5]] = True
DEAD[1, 0] = True


def trained() -> sae.State:
    return sae.train(sae.start(DATA, 8), DATA, sae.Training(), 100)


METHODS = {
    "published": lambda state: resampling.published(state, DATA, DEAD),
    "repulsor": lambda state: resampling.attractor_repulsor(state, DATA, DEAD, bias=0.2),
}
each_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


@each_method
def test_a_repair_leaves_the_state_it_was_given_and_models_without_dead_latents_alone(method):
    state = trained()
    before = state.copy()
    new = method(state)
    for name in sae.NAMES:
        assert torch.equal(state.parameters[name], before.parameters[name])
        assert torch.equal(new.parameters[name][2], before.parameters[name][2])


@each_method
def test_adam_forgets_the_dead_and_only_them(method):
    state = trained()
    new = method(state)
    assert (new.square["encoder"][DEAD] == 0).all()
    assert (new.mean["encoder_bias"][DEAD] == 0).all()
    assert (new.square["decoder"].mT[DEAD] == 0).all()
    assert torch.equal(new.square["encoder"][~DEAD], state.square["encoder"][~DEAD])


def test_resampled_latents_fire_for_inputs_that_were_reconstructed_badly():
    state = trained()
    new = resampling.published(state, DATA, DEAD)
    rows, columns = new.parameters["encoder"][DEAD], new.parameters["decoder"].mT[DEAD]
    assert torch.allclose(columns.norm(dim=1), torch.ones(3))
    assert torch.allclose(torch.cosine_similarity(rows, columns), torch.ones(3))
    assert (new.parameters["encoder_bias"][DEAD] == 0).all()
    mean = resampling.mean_length(state.parameters["encoder"], ~DEAD)
    assert torch.allclose(rows.norm(dim=1), 0.2 * mean[[0, 0, 1]])
    for name in ("encoder", "encoder_bias"):
        assert torch.equal(new.parameters[name][~DEAD], state.parameters[name][~DEAD])
    h = DATA.inputs(0, 1, batch=2000)[0]
    assert (sae.encode(new.parameters, h) > 0).any(1)[DEAD].all()


def test_the_repulsor_points_the_dead_away_from_the_living_and_raises_biases_there():
    state = trained()
    new = resampling.attractor_repulsor(state, DATA, DEAD, bias=0.2, noise=0.0)
    encoder = new.parameters["encoder"]
    away = -(encoder * ~DEAD[..., None]).sum(1)
    away = away / away.norm(dim=1, keepdim=True)
    assert torch.allclose(torch.cosine_similarity(encoder[0, [2, 5]], away[[0, 0]]), torch.ones(2))
    mean = resampling.mean_length(state.parameters["encoder"], ~DEAD)
    assert encoder[1, 0].norm().item() == pytest.approx(0.05 * mean[1].item(), rel=1e-4)
    raised = new.parameters["encoder_bias"] - state.parameters["encoder_bias"]
    expected = 0.2 * ((encoder * away[:, None]).sum(-1) > 0) * DEAD.any(1, keepdim=True)
    assert torch.allclose(raised, expected, atol=1e-6)
    assert torch.equal(new.parameters["decoder"], state.parameters["decoder"])


def test_each_model_may_have_a_push_of_its_own():
    state = trained()
    bias = torch.tensor([0.1, 0.3, 0.5])
    new = resampling.attractor_repulsor(state, DATA, DEAD, bias=bias)
    raised = (new.parameters["encoder_bias"] - state.parameters["encoder_bias"]).amax(1)
    assert raised.tolist() == pytest.approx([0.1, 0.3, 0.0], abs=1e-6)


def test_mean_length_leaves_the_dead_out():
    encoder = torch.tensor([[[3.0, 4.0], [1.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]]])
    alive = torch.tensor([[True, False], [False, False]])
    assert resampling.mean_length(encoder, alive).tolist() == [5.0, 1.0]


@each_method
def test_dead_latents_are_given_as_booleans(method, monkeypatch):
    monkeypatch.setitem(globals(), "DEAD", torch.zeros(3, 7, dtype=torch.bool))
    with pytest.raises(InvalidArgument, match=r"dead has dtype torch.bool and shape \(3, 7\)"):
        method(trained())
