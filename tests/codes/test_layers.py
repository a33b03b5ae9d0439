"""Noise through layers: what must not change, and what must."""

import pytest
import torch

from superpos import InvalidArgument, codes
from superpos.codes import layers


def boolean(inputs, n, active, seed):
    draws = torch.Generator().manual_seed(seed)
    which = torch.rand(inputs, n, generator=draws).topk(active).indices
    return torch.zeros(inputs, n).scatter_(1, which, 1.0)


CODES = [codes.random_code(128, 64, seed=k) for k in range(4)]


def test_the_first_layer_has_the_noise_of_its_code():
    found = layers.pass_through(CODES, boolean(500, 128, 2, 0), layers.unchanged)
    assert found.noise[0].item() == pytest.approx((2 / 64) ** 0.5, rel=0.2)


def test_without_a_threshold_noise_grows_and_a_threshold_slows_it():
    x = boolean(500, 128, 1, 0)
    plain, cut = (layers.pass_through(CODES, x, f) for f in (layers.unchanged, layers.step))
    assert plain.noise.diff().min() > 0
    assert cut.noise[-1] < 0.5 * plain.noise[-1]
    assert plain.noise[0] == cut.noise[0]
    assert (cut.wrong <= plain.wrong).all()


def test_a_chain_of_linear_layers_with_fitted_read_outs_loses_nothing():
    x, more = boolean(300, 128, 2, 0), boolean(1000, 128, 2, 1)
    found = layers.pass_through(CODES, x, layers.unchanged, fitted=more)
    torch.testing.assert_close(found.noise, found.noise[:1].expand(4), rtol=0.01, atol=0)


def test_a_fitted_read_out_is_the_least_squares_one():
    draws = torch.Generator().manual_seed(0)
    h, x = torch.randn(50, 4, generator=draws), torch.randn(50, 3, generator=draws)
    readout, offset = layers._least_squares(h, x)
    rest = (x - h @ readout - offset).double()
    assert rest.mean(0).abs().max() < 1e-5
    assert (h.T.double() @ rest).abs().max() < 1e-3


def test_orthogonal_codes_pass_features_on_whatever_the_response():
    x = boolean(50, 8, 3, 0)
    for response in (layers.unchanged, layers.relu, layers.saturating, layers.step):
        found = layers.pass_through([torch.eye(8)] * 3, x, response)
        assert found.noise.max() == 0
        assert found.wrong.max() == 0


def test_features_in_one_state_only_are_refused():
    with pytest.raises(InvalidArgument, match="one state only"):
        layers.pass_through(CODES, torch.zeros(3, 128), layers.unchanged)
