from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from superpos import IndependentFeatures, Procedure, geometry, train
from superpos import adversarial as adv
from superpos.errors import InvalidArgument
from superpos.models import LINEAR


@pytest.fixture(autouse=True)
def _in_float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def draw(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def model(m=3, n=6, *leading):
    return draw(0, *leading, m, n) * 0.7, draw(1, *leading, n) * 0.2


def inputs(n=6, count=40, p=0.5):
    return IndependentFeatures(n, p).inputs(
        torch.rand(count, n + 1, generator=torch.Generator().manual_seed(2))
    )


def polygon(k, length=1.0):
    angle = torch.arange(k) * 2 * math.pi / k
    return length * torch.stack([angle.cos(), angle.sin()])


# The attack on one output


def test_the_square_of_leverage_is_that_of_the_length_over_the_dimensionality():
    W, _ = model(3, 6, 4)
    size, D = geometry.squared_norms(W), geometry.feature_dimensionality(W)
    assert torch.allclose(adv.leverage(W).square(), size.square() / D)


def test_the_lengths_mean_leverage_is_features_per_dimension_in_a_tight_frame_and_more_elsewhere():
    def mean(W):
        size = geometry.squared_norms(W)
        return adv.leverage(W).square().sum(-1) / size.sum(-1)

    tight, loose = polygon(5, 1.3), draw(3, 20, 3, 7)
    assert torch.allclose(mean(tight), 1 / geometry.dimensions_per_feature(tight))
    assert (mean(loose) > 1 / geometry.dimensions_per_feature(loose)).all()


@pytest.mark.parametrize("feature", range(4))
def test_no_attack_raises_an_outputs_error_more_than_the_analytic_one(feature):
    (W, b), x = model(), inputs()
    size = torch.tensor(0.3)
    chosen = torch.full((len(x),), feature)

    def error(attack):
        out = torch.relu((x + attack) @ W.mT @ W + b)
        return (out - x)[..., feature].square()

    best = error(adv.analytic(W, b, x, size, chosen))
    others = torch.nn.functional.normalize(draw(4, 500, len(x), 6), dim=-1) * size
    assert (error(others) <= best + 1e-12).all()


def test_attacks_have_the_length_asked_for():
    (W, b), x = model(), inputs()
    size = torch.linspace(0.1, 1, len(x))
    for attack in (adv.best_analytic, adv.random_analytic, adv.projected_gradient):
        assert torch.allclose(attack(W, b, x, size).norm(dim=-1), size)


def test_a_feature_without_length_cannot_be_attacked():
    W, b = torch.eye(2, 3), torch.zeros(3)
    assert torch.equal(adv.attack_directions(W)[2], torch.zeros(3))
    x = torch.rand(4, 3, generator=torch.Generator().manual_seed(0))
    attack = adv.analytic(W, b, x, torch.tensor(0.5), torch.full((4,), 2))
    assert torch.equal(attack, torch.zeros(4, 3))


# The attack on the whole loss


def test_the_best_analytic_attack_is_the_best_of_those_on_each_output_up_and_down():
    (W, b), x = model(), inputs()
    rows, size = adv.attack_directions(W), torch.tensor(0.2)
    every = torch.stack(
        [adv.attacked_loss(W, b, x, s * size * row) for row in rows for s in (1, -1)]
    )
    best = adv.attacked_loss(W, b, x, adv.best_analytic(W, b, x, size))
    assert torch.allclose(best, every.amax(0))


def test_models_are_attacked_as_if_each_were_alone(monkeypatch):
    (W, b), x = model(3, 6, 5), inputs()
    together = adv.best_analytic(W, b, x, torch.tensor(0.2))
    monkeypatch.setattr(adv, "_ENTRIES_AT_ONCE", 1)
    for k in range(5):
        assert torch.allclose(together[k], adv.best_analytic(W[k], b[k], x, torch.tensor(0.2)))


def test_climbing_finds_the_best_attack_in_the_plane():
    W, b, x = polygon(5, 1.05), torch.full((5,), -0.1), inputs(5, 30, 0.3)
    size = torch.tensor(0.1)
    # only the plane that W sees matters: try every direction in it
    plane = torch.linalg.svd(W, full_matrices=False).Vh
    angle = torch.linspace(0, 2 * math.pi, 721)[:, None, None]
    around = size * (angle.cos() * plane[0] + angle.sin() * plane[1])
    scanned = adv.attacked_loss(W, b, x, around).amax(0)
    found = adv.attacked_loss(W, b, x, adv.projected_gradient(W, b, x, size, restarts=6))
    analytic = adv.attacked_loss(W, b, x, adv.best_analytic(W, b, x, size))
    assert (found >= analytic).all()
    assert (analytic <= scanned + 1e-4).all()
    assert (found >= scanned - 3e-4).double().mean() > 0.95


# Vulnerability


@pytest.mark.parametrize("p", [1.0, 0.1])
def test_orthogonal_features_are_at_one_whatever_is_left_out(p):
    W = torch.eye(3, 6)
    b = torch.where(torch.arange(6) < 3, 0.0, p / 2)
    features = IndependentFeatures(6, p)
    attacks = [partial(adv.projected_gradient, steps=3), adv.best_analytic]
    for attack in attacks:
        found = adv.vulnerability(W, b, features, attack=attack)
        assert found.item() == pytest.approx(1, abs=0.02)


def test_vulnerability_does_not_change_with_a_rotation_or_with_the_order_of_features():
    W, b = model()
    rotation = torch.linalg.qr(draw(5, 3, 3)).Q
    features = IndependentFeatures(6, 0.3)
    as_it_is = adv.vulnerability(W, b, features)
    assert torch.allclose(adv.vulnerability(rotation @ W, b, features), as_it_is)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    other = adv.vulnerability(W[:, order], b[order], features, samples=4096)
    assert torch.allclose(other, adv.vulnerability(W, b, features, samples=4096), rtol=0.05)


def test_the_parts_of_vulnerability_make_up_the_rise_of_the_loss():
    (W, b), features = model(), IndependentFeatures(6, 0.3)
    x, weight = adv.weighted_inputs(features, samples=64, seed=0)
    size = 0.1 * adv.mean_norm(x, weight)
    attacked = adv.attacked_loss(W, b, x, adv.best_analytic(W, b, x, size))
    rise = ((attacked - adv.attacked_loss(W, b, x)) * weight).sum() / size[0] ** 2
    parts = adv.vulnerability_parts(W, b, features, samples=64)
    assert sum(parts).item() == pytest.approx(rise.item())


def test_a_feature_is_as_vulnerable_as_its_leverage_says_where_nothing_else_matters():
    W, features = (
        polygon(4, 1.0),
        IndependentFeatures(4, 1e-6),
    )  # two digons, hardly ever two active
    active, silent = adv.feature_vulnerability(W, torch.zeros(4), features)
    assert torch.allclose(active, torch.full((4,), 2.0), atol=1e-3)
    assert torch.allclose(silent, torch.full((4,), 2.0), atol=1e-3)


def test_a_negative_bias_protects_silent_outputs():
    W, features = polygon(4, 1.0), IndependentFeatures(4, 1e-3)
    active, silent = adv.feature_vulnerability(W, torch.full((4,), -0.2), features)
    assert (silent < 0.01).all()
    assert (active > 1).all()


def test_the_silent_input_has_its_probability_and_the_mean_norm_is_that_of_all_inputs():
    features = IndependentFeatures(3, torch.tensor([[0.5], [0.1]]))
    x, weight = adv.weighted_inputs(features, samples=256, seed=0)
    assert torch.allclose(weight.sum(-1), torch.ones(2))
    assert torch.allclose(weight[:, -1], (1 - torch.tensor([0.5, 0.1])) ** 3)
    assert (x[:, -1] == 0).all()
    u = torch.rand(200_000, 4, generator=torch.Generator().manual_seed(0))
    sampled = features.inputs(u).norm(dim=-1).mean(-1)
    assert torch.allclose(adv.mean_input_norm(features), sampled, rtol=0.02)


# Training


def attacked(climbs=0):
    p = torch.tensor([[0.9], [0.4], [0.05]])
    return adv.Attacked(IndependentFeatures(4, p), torch.tensor([0.0, 0.3, 0.8]), climbs)


@pytest.mark.parametrize("climbs", [0, 2])
def test_the_gradient_is_that_of_the_loss_with_the_attack_held_fixed(climbs):
    W = (draw(6, 2, 3, 2, 4) * 0.7).requires_grad_()
    b = (draw(7, 2, 3, 4) * 0.3).requires_grad_()
    features = attacked(climbs)
    importance = torch.tensor([1.0, 0.5, 2.0, 1.0]).expand(3, 4)
    target = features.objective(adv.RELU_OUTPUT, importance)
    u = torch.rand(2, 6, features.uniforms, generator=torch.Generator().manual_seed(0))
    x, moved, share = target._inputs(W.detach(), b.detach(), u)
    error = (torch.relu(moved @ W.mT @ W + b[..., None, :]) - x).square() * importance[:, None]
    loss = (error.sum(-1) * share).sum(-1)
    assert torch.allclose(target.loss({"W": W, "b": b}, u), loss)
    expected = torch.autograd.grad(loss.sum(), [W, b])
    found = target.gradients({"W": W.detach(), "b": b.detach()}, u)
    assert torch.allclose(found["W"], expected[0])
    assert torch.allclose(found["b"], expected[1])


def test_without_an_attack_the_loss_is_the_clean_one():
    features = IndependentFeatures(4, 0.2)
    run = train(
        adv.Attacked(features, torch.tensor(0.0)), 2, seeds=2, procedure=Procedure(steps=40)
    )
    clean = train(features, 2, seeds=2, procedure=Procedure(steps=1))
    clean.parameters.update(run.parameters)
    ours, error = run.expected_loss(samples=20_000)
    theirs, _ = clean.expected_loss(samples=20_000)
    assert ((ours - theirs).abs() <= 5 * error + 1e-4).all()


def test_training_under_attack_makes_the_attacked_loss_lower():
    features = IndependentFeatures(6, 0.1)
    sizes = torch.tensor([0.0, 0.6]) * adv.mean_input_norm(features)
    run = train(adv.Attacked(features, sizes), 2, seeds=2, procedure=Procedure(steps=400))
    W, b = run.W, run.b
    unguarded, guarded = adv.vulnerability(W, b, features, size=0.6).mean(0)
    assert guarded < 0.8 * unguarded


def test_a_piece_of_the_settings_is_attacked_as_in_the_whole():
    whole = adv.Attacked(IndependentFeatures(4, torch.tensor([[0.5], [0.1]])), torch.tensor(0.2))
    part = whole.settings((2,), 1, 2)
    assert part.size.tolist() == pytest.approx([0.2])
    assert part.features.probability.flatten().unique().tolist() == pytest.approx([0.1])


@pytest.mark.parametrize(
    ("size", "climbs", "named"),
    [(-0.1, 0, "size"), (float("nan"), 0, "size"), (0.1, -1, "climbs")],
)
def test_a_bad_adversary_is_refused_by_name(size, climbs, named):
    with pytest.raises(InvalidArgument, match=named):
        adv.Attacked(IndependentFeatures(2, 0.5), size, climbs)


def test_other_models_are_refused():
    features = adv.Attacked(IndependentFeatures(2, 0.5), 0.1)
    with pytest.raises(InvalidArgument, match="linear"):
        train(features, 1, model=LINEAR, seeds=1, procedure=Procedure(steps=1))


# Arrangements


def test_without_attacks_an_arrangement_costs_what_is_known():
    p, none = 0.2, torch.zeros(1)
    features = IndependentFeatures(6, p)
    out = p / 3 - p**2 / 4
    alone = adv.arrangement_loss(torch.ones(1, 1), features, 3, none, samples=4096)
    pairs = adv.arrangement_loss(torch.tensor([[1.0, -1.0]]), features, 3, none, samples=4096)
    assert alone.item() == pytest.approx(3 * out, rel=0.05)
    # three antipodal pairs of unit length cost p²/3 each; the best length is not 1
    assert 0.8 * p**2 < pairs.item() <= 1.05 * p**2


def test_features_left_out_are_attacked_only_if_they_have_length():
    features, size = IndependentFeatures(6, 0.1), torch.tensor([0.3])
    losses = [
        adv.arrangement_loss(torch.ones(1, 1), features, 3, size, left_out=length)
        for length in (0.0, 1e-6, 1e-9)
    ]
    assert losses[0] < losses[1]
    assert torch.allclose(losses[1], losses[2], rtol=1e-3)


def test_copies_must_fit():
    with pytest.raises(InvalidArgument, match="copies"):
        adv.arrangement_loss(torch.eye(2), IndependentFeatures(6, 0.1), 3, torch.zeros(1))


def test_the_best_analytic_attack_goes_down_where_the_output_is_too_low():
    one, x = torch.ones(1, 1), torch.tensor([[0.5]])
    for bias, expected in ((-0.1, -0.2), (0.1, 0.2)):
        found = adv.best_analytic(one, torch.tensor([bias]), x, torch.tensor(0.2))
        assert found.item() == pytest.approx(expected)


def test_climbing_from_the_input_finds_nothing_where_nothing_is_active_and_something_elsewhere():
    W, b = torch.eye(2), torch.full((2,), -0.2)
    x = torch.tensor([[0.0, 0.1], [0.6, 0.0]])  # no output is active on the first
    found = adv.gradient_ascent(W, b, x, torch.tensor(0.3))
    assert not found[0].any()
    assert found[1].norm() == pytest.approx(0.3)
    loss = adv.attacked_loss(W, b, x, found)
    assert (
        loss[0]
        == adv.attacked_loss(W, b, x)[0]
        < adv.attacked_loss(W, b, x, adv.best_analytic(W, b, x, torch.tensor(0.3)))[0]
    )
    assert loss[1] > adv.attacked_loss(W, b, x)[1]
    assert (
        loss
        <= adv.attacked_loss(W, b, x, adv.projected_gradient(W, b, x, torch.tensor(0.3))) + 1e-6
    ).all()
