from __future__ import annotations

import pytest
import torch

from superpos import IndependentFeatures, Procedure, train
from superpos.errors import InvalidArgument
from superpos.learning import variants
from superpos.models import RELU_OUTPUT


def test_values_keep_how_often_features_are_active_and_settings_apart():
    plain = IndependentFeatures(4, torch.tensor([[0.5], [0.1]]))
    u = torch.rand(20_000, 5, generator=torch.Generator().manual_seed(0))
    for values, lowest in ((torch.sign, 1.0), (variants.thirds, 1 / 3), (variants.upper_half, 0.5)):
        x = variants.Valued(plain, values).inputs(u)
        assert torch.equal(x > 0, plain.inputs(u) > 0)
        assert x[x > 0].min().item() == pytest.approx(lowest, abs=0.01)
        assert x.max() <= 1
    one = variants.Valued(plain, torch.sign).settings(plain.shape, 1, 2)
    assert one.shape == (1,)
    run = train(variants.Valued(plain, torch.sign), 2, seeds=2, procedure=Procedure(steps=3))
    assert run.W.shape == (2, 2, 2, 4)


def test_variance_left_is_one_for_the_mean_and_zero_for_the_target():
    features = IndependentFeatures(3, torch.tensor([[0.2], [0.6]]))
    mean = {"W": torch.zeros(2, 1, 3), "b": features.mean.float().expand(2, 3)}
    left = variants.variance_left(RELU_OUTPUT, mean, features)
    torch.testing.assert_close(left, torch.ones(2, 3), atol=0.03, rtol=0)
    exact = {"W": torch.eye(3).expand(2, 3, 3), "b": torch.zeros(2, 3)}
    assert variants.variance_left(RELU_OUTPUT, exact, features).abs().max() < 1e-5


def test_dropout_at_rate_zero_is_plain_training_and_rates_are_checked():
    features = IndependentFeatures(4, 0.3)
    kind = {"importance": torch.ones(4), "seeds": [0, 1]}
    how = Procedure(steps=400, learning_rate=0.03)
    plain = variants.with_dropout(features, 4, 0.0, how, **kind)
    left = variants.variance_left(RELU_OUTPUT, plain, features)
    assert left.max() < 0.1
    dropped = variants.with_dropout(features, 4, 0.5, how, **kind)
    assert variants.variance_left(RELU_OUTPUT, dropped, features).mean() > left.mean()
    with pytest.raises(InvalidArgument, match="rate is 1"):
        variants.with_dropout(features, 4, 1, how, **kind)


def test_classifiers_learn_to_name_features_in_two_dimensions():
    how = Procedure(steps=800, learning_rate=0.03)
    model = variants.classifiers(IndependentFeatures(5, 0.1), 2, how, seeds=[0, 1])
    assert variants.named(model).all()
    assert not variants.named({name: 0 * value for name, value in model.items()}).all()


def test_alignment_is_that_of_long_features_and_falls_when_turned():
    W = torch.eye(4).repeat(1, 2)
    short = torch.cat([W, torch.full((4, 1), 0.1)], dim=-1)
    assert variants.alignment(short) == 1
    assert variants.alignment(torch.full((4, 3), 0.5)) == pytest.approx(0.25)
