from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from superpos import LINEAR, RELU_HIDDEN, RELU_OUTPUT, Procedure, losses, sweep, train
from superpos.errors import InvalidArgument
from superpos.features import (
    AnticorrelatedSets,
    BooleanFeatures,
    CorrelatedSets,
    Examples,
    FeatureDistribution,
    IndependentFeatures,
    SignedFeatures,
    as_features,
)
from superpos.losses import exact_loss, expected_loss
from superpos.optima import newton
from superpos.optima.decoders import free_loss

DRAWS = 100_000
UNEVEN = torch.tensor([0.0, 0.3, 1.0, 0.02])
DISTRIBUTIONS = {
    "independent": IndependentFeatures(4, 0.3),
    "independent, uneven": IndependentFeatures(4, UNEVEN),
    "independent, sparse": IndependentFeatures(3, 0.01),
    "correlated": CorrelatedSets(2, 3, 0.4),
    "correlated, uneven": CorrelatedSets(4, 1, UNEVEN),
    "anticorrelated": AnticorrelatedSets(2, 3, 0.4),
    "anticorrelated, uneven": AnticorrelatedSets(4, 2, UNEVEN),
}
KINDS = {
    "independent": lambda p: IndependentFeatures(4, p),
    "correlated": lambda p: CorrelatedSets(2, 2, p),
    "anticorrelated": lambda p: AnticorrelatedSets(2, 2, p),
}

each_distribution = pytest.mark.parametrize("name", DISTRIBUTIONS)
each_kind = pytest.mark.parametrize("kind", KINDS)


def uniforms(features: FeatureDistribution, count: int = DRAWS, seed: int = 0) -> Tensor:
    return torch.rand(
        count, features.uniforms, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


def moments_in_theory(features: FeatureDistribution) -> tuple[Tensor, Tensor]:
    """E[x_i] and E[x_i x_j], from E[U] = 1/2 and E[U²] = 1/3."""
    p = features.probability.double()
    if isinstance(features, IndependentFeatures):
        share, same = p, torch.diag(p)
    else:
        p = p.repeat_interleave(features.size)
        blocks = torch.block_diag(*[torch.ones(features.size, features.size)] * features.sets)
        correlated = isinstance(features, CorrelatedSets)
        share = p if correlated else p / features.size
        same = p * blocks if correlated else torch.diag(share)
    apart = share[:, None] * share / 4
    if not isinstance(features, IndependentFeatures):
        apart = torch.where(blocks > 0, same / 4, apart)
    return share / 2, torch.where(torch.eye(features.n) > 0, torch.diag(share / 3), apart)


def assert_mean(samples: Tensor, expected: Tensor) -> None:
    """The mean over the first axis is the expected one, within 5 standard errors."""
    error = samples.std(0) / len(samples) ** 0.5
    # an event with p = 0.02² is too rare for its own error to be well estimated
    rare = (expected / len(samples)).sqrt() * 5 * 0.5
    assert ((samples.mean(0) - expected).abs() <= torch.maximum(5 * error, rare) + 1e-7).all()


@each_distribution
def test_inputs_have_the_moments_of_the_theory(name):
    features = DISTRIBUTIONS[name]
    x = features.inputs(uniforms(features))
    mean, second = moments_in_theory(features)
    assert torch.allclose(features.mean, mean)
    assert_mean(x, mean)
    assert_mean(x[:, :, None] * x[:, None, :], second)


@each_distribution
def test_silence_and_active_inputs_make_up_all_inputs(name):
    features = DISTRIBUTIONS[name]
    x, heard = features.active_inputs(uniforms(features)), 1 - features.silence.double()
    mean, second = moments_in_theory(features)
    assert_mean(heard * x, mean)
    assert_mean(heard * x[:, :, None] * x[:, None, :], second)


@each_distribution
def test_active_inputs_are_never_silent(name):
    features = DISTRIBUTIONS[name]
    assert (features.active_inputs(uniforms(features)) > 0).any(-1).all()


@each_distribution
def test_silence_is_how_often_nothing_is_active(name):
    features = DISTRIBUTIONS[name]
    silent = (features.inputs(uniforms(features)) == 0).all(-1).double()
    assert_mean(silent[:, None], features.silence.double()[None])


@each_distribution
def test_active_values_are_uniform(name):
    features = DISTRIBUTIONS[name]
    x = features.inputs(uniforms(features))
    values = x[x > 0]
    # the Kolmogorov–Smirnov distance exceeds 2.2/√N once in 8000 times; draws of one set
    # are one in value at most, never more
    grid = torch.linspace(0.05, 1, 20, dtype=torch.float64)
    distance = ((values[:, None] <= grid).double().mean(0) - grid).abs().max()
    assert values.max() < 1
    assert distance < 2.2 / len(values) ** 0.5


def test_the_members_of_a_correlated_set_are_active_together_with_values_of_their_own():
    features = CorrelatedSets(2, 3, 0.5)
    x = features.inputs(uniforms(features, 2000)).unflatten(-1, (2, 3))
    active = x > 0
    assert (active.all(-1) == active.any(-1)).all()
    assert (active[:, 0, 0] != active[:, 1, 0]).any()
    assert (x[..., 0] != x[..., 1])[active[..., 0]].all()


def test_the_members_of_an_anticorrelated_set_are_never_active_together():
    features = AnticorrelatedSets(2, 3, 0.9)
    for x in (features.inputs(uniforms(features)), features.active_inputs(uniforms(features))):
        assert ((x > 0).unflatten(-1, (2, 3)).sum(-1) <= 1).all()


@each_kind
def test_at_p_0_everything_is_silent(kind):
    features = KINDS[kind](0.0)
    assert features.silence == 1
    assert (features.inputs(uniforms(features, 1000)) == 0).all()


@each_kind
def test_at_p_1_every_input_is_as_active_as_it_can_be(kind):
    features = KINDS[kind](1.0)
    number = (features.inputs(uniforms(features, 1000)) > 0).sum(-1)
    assert features.silence == 0
    assert (number == (2 if kind == "anticorrelated" else 4)).all()


@each_kind
@settings(derandomize=True, max_examples=20, deadline=None)
@given(low=st.floats(0, 1), high=st.floats(0, 1))
def test_settings_share_their_draws_so_that_more_is_active_at_larger_p(kind, low, high):
    low, high = sorted((low, high))
    features = KINDS[kind](torch.tensor([[low], [high]]))
    sparse, dense = features.inputs(uniforms(features, 200)) > 0
    assert (dense | ~sparse).all()


@each_kind
def test_a_setting_alone_draws_what_it_draws_beside_others(kind):
    p = torch.tensor([[0.1], [0.5], [0.9]])
    u = uniforms(KINDS[kind](p), 50)
    for draw in ("inputs", "active_inputs"):
        together = getattr(KINDS[kind](p), draw)(u)
        for k in range(3):
            assert torch.equal(together[k], getattr(KINDS[kind](p[k]), draw)(u))


@each_kind
def test_leading_axes_of_draws_come_before_those_of_settings(kind):
    features = KINDS[kind](torch.full((5, 3, 1), 0.5))
    u = torch.stack([uniforms(features, 7, seed) for seed in (0, 1)])
    for x in (features.inputs(u), features.active_inputs(u)):
        assert x.shape == (2, 5, 3, 7, features.n)
    assert torch.equal(features.inputs(u)[1, 2, 1], KINDS[kind](0.5).inputs(u[1]))


@each_kind
def test_settings_are_broadcast_flattened_and_cut(kind):
    p = torch.tensor([[0.1], [0.5]])
    some = KINDS[kind](p).settings((3, 2), 1, 4)  # of (0.1, 0.5) three times over
    assert some.shape == (3,)
    assert some.probability[:, 0].tolist() == pytest.approx([0.5, 0.1, 0.5])


@each_kind
@pytest.mark.parametrize(
    ("p", "told"),
    [
        (1.5, "probability is 1.5: a probability lies in"),
        (-0.1, "probability is -0.1"),
        (float("nan"), "probability has an entry that is NaN"),
        (torch.zeros(3), r"probability has shape \(3,\): its last axis"),
    ],
)
def test_what_is_no_probability_is_refused(kind, p, told):
    with pytest.raises(InvalidArgument, match=told):
        KINDS[kind](p)


@pytest.mark.parametrize("n", [0, -1, 2.0, None])
def test_a_number_of_features_below_1_is_refused(n):
    with pytest.raises(InvalidArgument, match="n is"):
        IndependentFeatures(n, 0.5)


@pytest.mark.parametrize("kind", [CorrelatedSets, AnticorrelatedSets])
@pytest.mark.parametrize(("sets", "size", "named"), [(0, 1, "sets"), (2, 0, "size")])
def test_empty_sets_are_refused(kind, sets, size, named):
    with pytest.raises(InvalidArgument, match=f"{named} is 0"):
        kind(sets, size, 0.5)


@pytest.mark.parametrize("name", ["independent", "independent, uneven", "independent, sparse"])
def test_strata_with_their_shares_have_the_moments_of_the_theory(name):
    features = DISTRIBUTIONS[name]
    u = uniforms(features, 20_000).reshape(1000, 20, -1)
    x, share = features.strata(u), features.shares(u)
    assert x.shape == (1000, 21, features.n)
    assert (x[:, -1] == 0).all()
    assert share.sum().item() == pytest.approx(1)
    mean, second = moments_in_theory(features)
    assert_mean(share @ x, mean)
    assert_mean((share[:, None] * x).mT @ x, second)


FEW = torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.0, 1.0], [0.0, 2.0, 0.0], [0.0, 0.0, 0.0]])


def test_every_batch_of_examples_is_all_of_them_whatever_the_draws():
    features = Examples(FEW)
    for batch in (1, 7):
        assert torch.equal(features.inputs(torch.rand(batch, 1)), FEW)
    assert features.inputs(torch.rand(5, 1, 1)).shape == (5, 4, 3)


@pytest.mark.parametrize("sign", [1, -1])
def test_examples_of_either_sign_know_their_mean_and_their_silence(sign):
    features = Examples(sign * FEW)
    assert torch.allclose(features.mean, sign * FEW.mean(0))
    assert features.silence == 0.5


def test_examples_have_no_exact_loss_for_their_values_are_given():
    with pytest.raises(InvalidArgument, match="those of given examples: exact losses are for"):
        exact_loss(torch.eye(3), torch.zeros(3), Examples(FEW))


def test_active_inputs_of_examples_are_the_active_examples_equally_often():
    x = Examples(torch.stack([FEW, FEW.roll(1, 0)])).active_inputs(torch.rand(3, 4000, 1))
    assert x.shape == (3, 2, 4000, 3)
    second = (x == FEW[2]).all(-1)
    assert (second | (x == FEW[1]).all(-1)).all()
    assert ((second.double().mean(-1) - 0.5).abs() < 5 * 0.5 / 4000**0.5).all()


def test_settings_of_examples_are_broadcast_flattened_and_cut():
    several = torch.stack([FEW, 2 * FEW])
    some = Examples(several).settings((3, 2), 1, 4)
    assert some.shape == (3,)
    assert torch.equal(some.x, several[[1, 0, 1]])


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (torch.ones(3), r"x has shape \(3,\)"),
        (torch.ones(0, 3), r"x has shape \(0, 3\)"),
        (torch.full((1, 1), float("nan")), "x has an entry that is NaN"),
    ],
)
def test_what_are_no_examples_is_refused(x, told):
    with pytest.raises(InvalidArgument, match=told):
        Examples(x)


def test_examples_without_an_active_feature_have_no_active_inputs():
    with pytest.raises(InvalidArgument, match="no example has an active feature"):
        Examples(torch.zeros(2, 3)).active_inputs(torch.rand(4, 1))


def test_signed_features_are_uniform_on_both_sides_where_they_are_active():
    p = torch.tensor([[1.0], [0.2]])
    features = SignedFeatures(3, p)
    u = torch.rand(50_000, features.uniforms, generator=torch.Generator().manual_seed(0))
    x = features.inputs(u)
    assert torch.equal(x != 0, IndependentFeatures(3, p).inputs(u) > 0)
    for row, probability in zip(x, p.flatten().tolist(), strict=True):
        # uniform on [−1, 1] has mean 0 and variance 1/3
        assert row.mean().item() == pytest.approx(0, abs=0.01)
        assert row.square().mean().item() == pytest.approx(probability / 3, rel=0.03)
        assert (row != 0).float().mean().item() == pytest.approx(probability, rel=0.03)
        assert row.abs().max() <= 1
    assert (features.active_inputs(u) != 0).any(-1).all()
    assert (features.mean == 0).all()


def test_no_exact_loss_is_given_for_signed_features():
    with pytest.raises(InvalidArgument, match="signed"):
        losses.exact_loss(torch.eye(2), torch.zeros(2), SignedFeatures(2, 0.5))


def test_boolean_strata_with_their_shares_have_the_moments_of_the_theory():
    p = torch.tensor([0.5, 0.1, 0.004, 0.0, 1.0], dtype=torch.float64)
    features = BooleanFeatures(6, p[:, None])
    u = uniforms(features, 20_000)
    x, share = features.strata(u), features.shares(u)
    assert x.shape == (5, 20_000 + 15 + 6 + 1, 6)
    assert set(x.unique().tolist()) == {0, 1}
    assert torch.allclose(share.sum(-1), torch.ones(5).double())
    mean = (share[..., None] * x).sum(-2)
    assert torch.allclose(mean, p[:, None].expand(5, 6), rtol=0.03, atol=1e-6)
    triple = (share * x[..., 0] * x[..., 2] * x[..., 5]).sum(-1)
    assert torch.allclose(triple, p**3, rtol=0.15)
    assert (x[:, :20_000].sum(-1) >= 3).all()


def test_boolean_inputs_are_those_of_each_feature_alone():
    features = BooleanFeatures(4, 0.3)
    x = features.inputs(uniforms(features))
    assert set(x.unique().tolist()) == {0, 1}
    assert_mean(x, torch.full((4,), 0.3).double())
    assert (features.active_inputs(uniforms(features)).sum(-1) > 0).all()


def test_boolean_features_have_one_probability():
    with pytest.raises(InvalidArgument, match="probability differs between features"):
        BooleanFeatures(3, torch.tensor([0.1, 0.2, 0.1]))
    with pytest.raises(InvalidArgument, match="exact losses are for features on"):
        BooleanFeatures(3, 0.1).active_sets()


@pytest.mark.parametrize("written", [list, tuple, np.array, torch.DoubleTensor])
def test_probabilities_make_independent_features_however_they_are_written(written):
    features = as_features(written([0.5, 0.25]), 2)
    assert features.active_sets().tolist() == [0.375, 0.375, 0.125, 0.125]


class Echoes(FeatureDistribution):
    """Two pairs of features, each with an echo of half its size: no more than is asked for."""

    n = 4
    uniforms = 2

    def inputs(self, u):
        first = torch.where(u < 0.25, 4 * u, 0.0)
        return torch.stack([first, first / 2], dim=-1).flatten(-2)


def test_a_distribution_of_ones_own_has_a_sampled_mean():
    assert_close(Echoes().mean, torch.tensor([1 / 8, 1 / 16] * 2), atol=1e-3, rtol=0)


@pytest.mark.parametrize("model", [LINEAR, RELU_OUTPUT, RELU_HIDDEN])
@pytest.mark.parametrize("skip_silent", [True, False])
def test_it_trains_every_model_and_is_evaluated(model, skip_silent):
    how = Procedure(steps=400, learning_rate=0.02, skip_silent=skip_silent)
    run = train(Echoes(), 2, model=model, seeds=2, procedure=how)
    loss, error = run.expected_loss(samples=4000)
    nothing = 2 * (1 + 1 / 4) / 12  # Σ E x²
    best = loss.argmin()
    assert loss[best] + 4 * error[best] < nothing / 2


def test_its_models_of_several_importances_see_the_same_inputs():
    importance = torch.tensor([[1.0] * 4, [1.0, 1.0, 0.0, 0.0]])
    both = train(Echoes(), 2, seeds=1, importance=importance, procedure=Procedure(steps=40))
    alone = train(Echoes(), 2, seeds=1, importance=importance[1], procedure=Procedure(steps=40))
    assert_close(both.W[:, 1], alone.W)


def test_what_cannot_be_had_of_it_is_said_by_name():
    W, b = torch.rand(2, 4), torch.zeros(4)
    with pytest.raises(InvalidArgument, match="Echoes has no active_sets, which exact losses"):
        exact_loss(W, b, Echoes())
    assert expected_loss(W, b, Echoes(), samples=100, seed=0)[0] > 0


@pytest.mark.parametrize(
    "call",
    [
        exact_loss,
        newton.minimise,
        newton.hessian,
        newton.least_curvature,
        lambda W, b, features: free_loss(W, W, b, features),
    ],
    ids=["exact_loss", "minimise", "hessian", "least_curvature", "free_loss"],
)
def test_what_needs_a_closed_form_refuses_it_by_name_and_many_features_at_once(call):
    with pytest.raises(InvalidArgument, match="Echoes has no active_sets"):
        call(torch.rand(2, 4), torch.zeros(4), Echoes())
    with pytest.raises(InvalidArgument, match="n = 40 features: the exact loss is for n of at"):
        call(torch.rand(2, 40), torch.zeros(40), 0.1)  # whose 2⁴⁰ sets nobody has room for


@pytest.mark.parametrize("kind", [CorrelatedSets, AnticorrelatedSets])
def test_the_expected_loss_of_sets_is_their_exact_one(kind):
    generator = torch.Generator().manual_seed(1)
    W, b = torch.randn(3, 2, 4, generator=generator), 0.3 * torch.randn(3, 4, generator=generator)
    features = kind(2, 2, torch.tensor([[[0.3]], [[0.05]]]))
    mean, error = expected_loss(W, b, features, samples=20_000, seed=0)
    assert mean.shape == (2, 3)
    assert ((mean - exact_loss(W, b, features)).abs() < 5 * error).all()


def test_the_expected_loss_takes_independent_features_as_their_probability():
    W, b, p = torch.rand(2, 4), torch.zeros(4), torch.tensor([0.1, 0.2, 0.3, 0.4])
    of_features = expected_loss(W, b, IndependentFeatures(4, p), samples=100, seed=0)
    assert torch.equal(
        torch.stack(of_features), torch.stack(expected_loss(W, b, p, samples=100, seed=0))
    )


def test_it_may_be_a_dataclass_or_set_its_attributes():
    @dataclass(frozen=True)
    class Rare(FeatureDistribution):
        n: int
        p: float

        def inputs(self, u):
            return (u < self.p).to(u)

    class Common(FeatureDistribution):
        def __init__(self, n):
            self.n, self.mean = n, torch.full((n,), 0.5)

        def inputs(self, u):
            return u

    assert_close(Rare(3, p=0.25).mean, torch.full((3,), 0.25), atol=1e-3, rtol=0)
    assert Common(2).mean.tolist() == [0.5, 0.5]
    for features in Rare(3, p=0.25), Common(2):
        assert features.uniforms == features.n
        assert (
            train(features, 1, seeds=1, procedure=Procedure.fast(3, 1, steps=5)).b.isfinite().all()
        )


def test_a_mean_of_very_many_features_is_sampled_too():
    class Many(FeatureDistribution):
        n = torch.quasirandom.SobolEngine.MAXDIM + 7

        def inputs(self, u):
            return u

    assert (Many().mean - 0.5).abs().max() < 0.08


class Sparsities(FeatureDistribution):
    """Features with settings of their own."""

    n = 3

    def __init__(self, p):
        self.p = torch.as_tensor(p)

    @property
    def shape(self):
        return self.p.shape

    def inputs(self, u):
        p = self.p.to(u)[..., None, None]
        return torch.where(u[..., *[None] * self.p.ndim, :, :] < p, 1.0, 0.0)

    def settings(self, shape, start, stop):
        return Sparsities(self.p.expand(shape).flatten()[start:stop])


def test_it_may_have_settings_which_train_side_by_side():
    features = Sparsities([[0.5, 0.2, 0.1]])
    run = train(features, 2, seeds=2, procedure=Procedure(steps=20))
    assert run.W.shape == (2, 1, 3, 2, 3)
    assert features.mean.shape == (1, 3, 3)
    mean, _ = expected_loss(torch.zeros(2, 3), torch.zeros(3), features, samples=4000, seed=0)
    assert_close(mean, torch.tensor([[1.5, 0.6, 0.3]]), atol=0.1, rtol=0)


def of_densities(p, seed):
    runs = train(Sparsities(p), 2, seeds=seed, procedure=Procedure(steps=20))
    return {"loss": runs.expected_loss(samples=100)[0].mT}


def test_it_is_swept(tmp_path):
    grid = {"p": torch.tensor([0.5, 0.1]), "seed": range(3)}
    found = sweep(of_densities, grid, store=tmp_path)["loss"]
    assert found.shape == (2, 3)
    assert (found[0] > found[1]).all()
    assert (sweep(of_densities, grid, store=tmp_path)["loss"] == found).all()


def test_it_is_resumed_from_a_checkpoint_of_its_own_only(tmp_path):
    at = {"seeds": 1, "procedure": Procedure(steps=20), "checkpoint": tmp_path}
    run = train(Sparsities(0.5), 2, **at)
    assert torch.equal(train(Sparsities(0.5), 2, **at).W, run.W)
    with pytest.raises(InvalidArgument, match="other settings or other code"):
        train(Sparsities(0.4), 2, **at)


@pytest.mark.parametrize("lacking", ["settings", "objective"])
def test_settings_that_it_cannot_divide_are_refused(lacking):
    class Whole(Echoes):
        if lacking == "settings":
            shape = torch.Size([2])

            def inputs(self, u):
                return super().inputs(u)[..., None, :, :].expand(*u.shape[:-2], 2, u.shape[-2], 4)
        else:

            def objective(self, model, importance):
                raise NotImplementedError

    with pytest.raises(InvalidArgument, match=r"Whole has .*and no method settings"):
        train(Whole(), 2)


class Short(Echoes):
    def inputs(self, u):
        return super().inputs(u)[..., :3]


class Endless(Echoes):
    def inputs(self, u):
        return super().inputs(u) / 0


class Nameless:
    n = 4

    def inputs(self, u):
        return u


class Uncounted(FeatureDistribution):
    def inputs(self, u):
        return u


class Countless(Uncounted):
    n = 0


@pytest.mark.parametrize(
    ("features", "told"),
    [
        (5, "features is 5: a distribution is needed"),
        (Nameless(), "Nameless lacks uniforms, shape"),
        (Uncounted(), "Uncounted lacks n: say how many features Uncounted has"),
        (Countless(), "Countless.n is 0: it must be at least 1"),
        (FeatureDistribution(), "FeatureDistribution lacks n"),
        (Echoes, "features is <class.*Echoes.*a distribution is needed"),
        (Short(), r"Short.inputs gives shape \(2, 3, 3\)"),
        (Endless(), "Endless.inputs gives an entry that is NaN or infinite"),
    ],
)
def test_what_is_no_distribution_is_refused_before_any_work(features, told):
    with pytest.raises(InvalidArgument, match=told):
        train(features, 2)


@pytest.mark.parametrize(
    "ours", [IndependentFeatures, SignedFeatures, BooleanFeatures, CorrelatedSets]
)
@pytest.mark.parametrize("own", ["inputs", "active_inputs"])
def test_closed_forms_are_not_handed_down_to_inputs_of_ones_own(ours, own):
    told = f"Mine has {own} of its own, and {ours.__name__} has losses in closed form"
    with pytest.raises(InvalidArgument, match=told):
        type("Mine", (ours,), {own: lambda self, u: 2 * u, "__module__": "mine"})
    type("Mine", (ours,), {"told": "more than ours", "__module__": "mine"})
