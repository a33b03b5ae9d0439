from __future__ import annotations

import contextlib
import io
from dataclasses import replace

import pytest
import torch

from superpos import (
    LINEAR,
    PUBLISHED,
    RELU_HIDDEN,
    RELU_OUTPUT,
    AnticorrelatedSets,
    CorrelatedSets,
    Diverged,
    Examples,
    FeatureDistribution,
    IndependentFeatures,
    InvalidArgument,
    Model,
    Procedure,
    geometry,
    losses,
    train,
)
from superpos.training import train as training

BRIEF = Procedure(steps=30, warmup=5, batch_size=16)
PROBABILITY = torch.tensor([[0.9], [0.3], [0.05]])


def brief(**settings):
    """A short run of three sparsities, n = 4, m = 2."""
    features = settings.pop("features", None) or IndependentFeatures(4, PROBABILITY)
    return train(features, 2, **{"procedure": BRIEF, "seeds": 3} | settings)


def assert_close(run, other):
    # Adam divides by the gradient's size: rounding of 1e-7 may grow, never beyond this
    for name, value in run.parameters.items():
        assert torch.allclose(value, other.parameters[name], atol=1e-5), name


def test_a_run_is_the_same_twice_to_the_last_bit():
    one, other = brief(), brief()
    for name, value in one.parameters.items():
        assert torch.equal(value, other.parameters[name])
    assert torch.equal(one.loss_history, other.loss_history)


def test_a_seed_gives_the_same_model_whichever_others_are_beside_it():
    many, one = brief(seeds=[5, 0, 9]), brief(seeds=[9])
    assert torch.allclose(many.W[2:], one.W, atol=1e-5)
    assert torch.allclose(many.b[2:], one.b, atol=1e-5)


def test_a_setting_gives_the_same_model_whichever_others_are_beside_it():
    many = brief()
    for k in range(3):
        alone = brief(features=IndependentFeatures(4, PROBABILITY[k]))
        assert torch.allclose(many.W[:, k], alone.W, atol=1e-5)


def cut_at(monkeypatch, entries: int) -> None:
    monkeypatch.setattr(training, "_FEWEST_ENTRIES", entries)
    monkeypatch.setattr(training, "_MOST_ENTRIES", entries)


@pytest.mark.parametrize("entries", [1, 2 * 16 * 4, 5 * 16 * 4])
def test_a_run_is_the_same_however_it_is_cut(monkeypatch, entries):
    whole = brief()
    cut_at(monkeypatch, entries)
    cut = brief()
    assert_close(cut, whole)
    assert torch.allclose(cut.loss_history, whole.loss_history, atol=1e-5)


@pytest.mark.parametrize(("seeds", "settings"), [(1, 1), (3, 3), (5, 2), (2, 7)])
@pytest.mark.parametrize("models", [1, 2, 3, 100])
def test_the_pieces_hold_every_model_once(monkeypatch, seeds, settings, models):
    cut_at(monkeypatch, models * 10)
    times = torch.zeros(seeds, settings)
    for piece in training._pieces(seeds, settings, 10, torch.device("cpu")):
        times[piece] += 1
        assert times[piece].numel() <= models
    assert (times == 1).all()


def test_seeds_give_different_models():
    run = brief()
    assert not torch.allclose(run.W[0], run.W[1], atol=1e-2)


def test_leading_axes_are_seeds_then_settings():
    p = torch.full((2, 3, 1), 0.3)
    run = brief(features=IndependentFeatures(4, p), procedure=replace(BRIEF, steps=45))
    assert run.W.shape == (3, 2, 3, 2, 4)
    assert run.b.shape == (3, 2, 3, 4)
    assert run.loss_history.shape == (3, 3, 2, 3)
    assert run.recorded_steps.tolist() == [20, 40, 45]
    assert run.seeds == (0, 1, 2)


def test_importances_may_bring_settings_of_their_own():
    importance = torch.tensor([[1.0, 1, 1, 1], [1, 0, 0, 0]])
    run = train(
        IndependentFeatures(4, PROBABILITY[:, None]), 2, importance=importance, seeds=1,
        procedure=BRIEF,
    )  # fmt: skip
    assert run.W.shape == (1, 3, 2, 2, 4)
    alone = brief(features=IndependentFeatures(4, PROBABILITY[1]), importance=importance[1])
    assert torch.allclose(run.W[0, 1, 1], alone.W[0], atol=1e-5)


@pytest.mark.parametrize(
    "model", [LINEAR, RELU_OUTPUT, RELU_HIDDEN, Model("untied", tied=False)], ids=lambda m: m.name
)
@pytest.mark.parametrize(
    "features",
    [IndependentFeatures(4, 0.3), CorrelatedSets(2, 2, 0.3), AnticorrelatedSets(2, 2, 0.3)],
    ids=lambda features: type(features).__name__,
)
def test_every_model_learns_from_every_distribution(model, features):
    # much data: the first record is at step 20, before the rate has risen far
    procedure = Procedure(steps=200, batch_size=128, learning_rate=0.03, warmup=50)
    run = train(features, 3, model=model, seeds=4, procedure=procedure)
    assert set(run.parameters) == ({"W", "b"} if model.tied else {"W", "V", "b"})
    first, last = run.loss_history[0].mean(), run.loss_history[-1].mean()
    assert last < 0.75 * first


@pytest.mark.parametrize("integrate", [True, False])
def test_two_sparse_features_become_an_antipodal_pair(integrate):
    p = 0.1
    procedure = Procedure(steps=800, learning_rate=0.03, batch_size=256, integrate=integrate)
    run = train(IndependentFeatures(2, p), 1, seeds=4, procedure=procedure)
    loss, error = losses.expected_loss(run.W, run.b, p, samples=20_000, seed=1)
    best = loss.argmin()
    assert geometry.cosines(run.W[best])[0, 1] == -1
    assert geometry.squared_norms(run.W[best]).tolist() == pytest.approx([1, 1], abs=0.05)
    # an exact pair without biases costs 2p²/6 (see test_losses); a little can be gained
    assert p**2 / 3 * 0.85 < loss[best] < p**2 / 3 + 5 * error[best]


def test_one_feature_gets_its_dimension_at_unit_length():
    procedure = Procedure(steps=1000, learning_rate=0.03)
    run = train(IndependentFeatures(1, 0.5), 1, seeds=4, procedure=procedure)
    assert run.W.square().flatten().tolist() == pytest.approx([1] * 4, abs=1e-3)
    assert run.b.flatten().tolist() == pytest.approx([0] * 4, abs=1e-3)


@pytest.mark.parametrize("p", [1.0, 0.05])
def test_the_linear_model_finds_the_principal_components(p):
    importance = torch.tensor([0.5, 1.0, 0.2, 0.8])
    run = train(
        IndependentFeatures(4, p), 2, model=LINEAR, importance=importance, seeds=3,
        procedure=Procedure(steps=1500, learning_rate=0.03),
    )  # fmt: skip
    kept = torch.tensor([0.0, 1, 0, 1])
    assert torch.allclose(geometry.gram(run.W), torch.diag(kept).expand(3, 4, 4), atol=0.02)
    assert torch.allclose(run.b, ((1 - kept) * p / 2).expand(3, 4), atol=0.02)


def test_the_course_of_training_is_that_of_shorter_runs():
    constant = replace(BRIEF, cosine=False, steps=45)
    run = brief(procedure=constant, snapshots=[0, 7, 20, 45])
    assert run.snapshots.tolist() == [0, 7, 20, 45]
    assert run.trajectory["W"].shape == (4, *run.W.shape)
    assert run.trajectory["b"].shape == (4, *run.b.shape)
    initial = RELU_OUTPUT.initial(4, 2, seeds=range(3), count=3)
    assert torch.equal(run.trajectory["W"][0], initial["W"])
    for place, steps in ((1, 7), (2, 20)):
        shorter = brief(procedure=replace(constant, steps=steps))
        for name, value in shorter.parameters.items():
            assert torch.allclose(run.trajectory[name][place], value, atol=1e-5), (steps, name)
    assert torch.equal(run.trajectory["W"][-1], run.W)


def test_models_start_where_they_are_told_and_what_was_given_stays():
    first = brief()
    given = {name: value.clone().requires_grad_() for name, value in first.parameters.items()}
    run = brief(start=given, seeds=[5, 6, 7], snapshots=[0, 30])
    for name, value in given.items():
        assert torch.equal(value, first.parameters[name])
        assert torch.equal(run.trajectory[name][0], value)
        assert not torch.equal(run.parameters[name], value)


def test_starting_from_a_model_s_own_initial_values_changes_nothing(monkeypatch):
    initial = RELU_OUTPUT.initial(4, 2, seeds=range(3), count=3)
    centred = {"procedure": replace(BRIEF, centred=True)}
    plain, told = brief(), brief(start=initial, **centred)  # biases are given: none is centred
    assert_close(told, plain)
    turned = {name: value.mT.contiguous().mT for name, value in initial.items()}
    assert_close(brief(start=turned), plain)  # however it lies in memory
    cut_at(monkeypatch, 16 * 4)
    assert_close(brief(start=initial), plain)


def test_a_start_is_spread_over_seeds_and_settings():
    W = torch.tensor([[1.0, -1, 0, 0], [0, 0, 1, -1]])
    run = brief(start={"W": W, "b": 0.1 * PROBABILITY}, snapshots=[0])
    assert torch.equal(run.trajectory["W"][0], W.expand(3, 3, 2, 4))
    assert torch.equal(run.trajectory["b"][0], 0.1 * PROBABILITY.expand(3, 3, 4))


def test_keeping_the_course_changes_nothing_and_none_is_kept_unasked():
    kept, plain = brief(snapshots=range(31)), brief()
    assert torch.equal(kept.W, plain.W)
    assert plain.trajectory["W"].shape == (0, *plain.W.shape)


@pytest.mark.parametrize("entries", [1, 2 * 16 * 4])
def test_the_course_is_the_same_however_the_run_is_cut(monkeypatch, entries):
    whole = brief(snapshots=[0, 10, 30])
    cut_at(monkeypatch, entries)
    monkeypatch.setattr(training, "_FEW_ENTRIES", 0)  # in processes of their own
    cut = brief(snapshots=torch.tensor([0, 10, 30]))
    assert torch.allclose(cut.trajectory["W"], whole.trajectory["W"], atol=1e-5)
    assert torch.equal(cut.trajectory["b"][-1], cut.b)


def test_skipping_the_silent_input_descends_the_same_loss_with_less_noise():
    features = CorrelatedSets(2, 2, 0.05)
    procedure = Procedure(steps=600, batch_size=16, learning_rate=0.03, integrate=False)
    losses_at_end = [
        losses.exact_loss(run.W, run.b, features).mean()
        for run in (
            train(features, 2, seeds=20, procedure=replace(procedure, skip_silent=skip))
            for skip in (True, False)
        )
    ]
    assert losses_at_end[0] < 0.9 * losses_at_end[1]


def test_the_recorded_loss_is_that_of_the_final_model():
    procedure = replace(BRIEF, batch_size=20_000, steps=20)
    run = brief(features=IndependentFeatures(4, 0.3), procedure=procedure, seeds=2)
    loss, _ = losses.expected_loss(run.W, run.b, 0.3, samples=50_000, seed=3)
    assert torch.allclose(run.loss_history[-1], loss, rtol=0.03)


def test_weight_decay_shrinks_what_is_not_needed():
    decayed = brief(procedure=replace(BRIEF, weight_decay=5.0))
    assert (decayed.W.square().sum() < 0.9 * brief().W.square().sum()).all()


def test_initial_values_are_scaled_as_asked():
    still = Procedure(steps=1, learning_rate=1e-30, warmup=0)
    one, large = (brief(procedure=replace(still, initial_scale=scale)).W for scale in (1.0, 4.0))
    assert torch.allclose(large, 4 * one)


def test_the_rate_rises_linearly_and_falls_as_half_a_cosine():
    rate = Procedure(steps=110, warmup=10, learning_rate=0.5).rate
    assert [rate(step) for step in (0, 4, 9)] == pytest.approx([0.05, 0.25, 0.5])
    assert [rate(step) for step in (10, 60, 110)] == pytest.approx([0.5, 0.25, 0])
    assert rate(35) + rate(85) == pytest.approx(0.5)


def test_the_published_rate_is_constant():
    assert {PUBLISHED.rate(step) for step in (0, 1, 5000, 9999)} == {1e-3}


def test_the_published_procedure_is_that_of_the_authors_notebook():
    # 10 000 steps of 1024 inputs with AdamW at its default weight decay of 0.01
    assert (PUBLISHED.steps, PUBLISHED.batch_size, PUBLISHED.weight_decay) == (10_000, 1024, 0.01)
    assert not PUBLISHED.integrate


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("steps", 10.0),
        ("batch_size", 0),
        ("warmup", -1),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("weight_decay", -0.1),
        ("initial_scale", 0),
        ("initial_scale", float("inf")),
    ],
)
def test_a_procedure_refuses_a_bad_setting_by_name_and_value(name, value):
    with pytest.raises(InvalidArgument, match=f"{name} is {value}"):
        Procedure(**{name: value})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"n_hidden": 0}, "n_hidden is 0: it must be at least 1"),
        ({"n_hidden": 2.0}, "n_hidden is 2.0"),
        ({"seeds": 0}, "seeds is 0"),
        ({"seeds": [-4]}, "seeds is -4"),
        ({"importance": -1.0}, "importance has a negative entry"),
        ({"importance": float("nan")}, "importance has an entry that is NaN"),
        ({"importance": torch.ones(3)}, r"importance has shape \(3,\)"),
        ({"importance": torch.ones(2, 4)}, r"features \(3,\), importance \(2,\)"),
        ({"snapshots": [0, 31]}, r"snapshots is \[0, 31\]: increasing numbers of steps, from 0 to"),
        ({"snapshots": [5, 5]}, r"snapshots is \[5, 5\]: increasing"),
        ({"snapshots": [-1]}, "snapshots is -1"),
        ({"snapshots": [0.5]}, "snapshots is 0.5"),
        ({"start": {"W": torch.eye(2, 4)}}, r"start names \['W'\]: a tensor for each of W, b"),
        ({"start": torch.eye(2, 4)}, "start is a .*Tensor.*: a tensor for each of W, b, by name"),
        (
            {"start": {"W": torch.eye(3, 4), "b": torch.zeros(4)}},
            r"start\['W'\] has shape \(3, 4\): it must broadcast to .* = \(10, 3, 2, 4\)",
        ),
        (
            {"start": {"W": torch.eye(2, 4), "b": torch.full((4,), torch.inf)}},
            r"start\['b'\] has an entry that is NaN or infinite",
        ),
        ({"device": "gpu"}, "device is 'gpu', which cannot be used"),
        ({"device": "cuda:99"}, "device is 'cuda:99', which cannot be used"),
    ],
)
def test_a_bad_argument_is_refused_by_name_before_any_work(monkeypatch, change, told):
    monkeypatch.setattr(training.Model, "initial", lambda *_, **__: pytest.fail("work began"))
    arguments = {"n_hidden": 2, "procedure": BRIEF} | change
    with pytest.raises(InvalidArgument, match=told):
        train(IndependentFeatures(4, PROBABILITY), **arguments)


def test_divergence_is_told_with_its_steps_and_seeds_and_keeps_the_last_good_state():
    hasty = replace(BRIEF, learning_rate=1e12, warmup=0)
    with pytest.raises(Diverged, match=r"steps 0 and 20.*seed 4 .*learning_rate") as stopped:
        brief(features=IndependentFeatures(4, 0.5), seeds=[4], procedure=hasty)
    kept = stopped.value.last_good
    assert kept["W"].isfinite().all()
    assert kept["b"].isfinite().all()
    assert torch.equal(kept["W"], RELU_OUTPUT.initial(4, 2, seeds=[4])["W"])


class Explosive(FeatureDistribution):
    """Features whose values grow beyond all bounds after a number of blocks."""

    calls, n, uniforms = 0, 4, 5

    def inputs(self, u):
        Explosive.calls += 1
        return IndependentFeatures(4, 0.5).inputs(u) * (1e30 if Explosive.calls > 30 else 1)


def test_the_last_good_state_is_that_of_the_block_before():
    Explosive.calls = 0
    plain = replace(BRIEF, steps=60, integrate=False)
    with pytest.raises(Diverged, match="between steps 20 and 40") as stopped:
        brief(features=Explosive(), seeds=1, procedure=plain)
    Explosive.calls = -100
    # 20 steps of a rate that is constant after its warm-up
    constant = replace(plain, cosine=False)
    good = brief(features=Explosive(), seeds=1, procedure=replace(constant, steps=20))
    Explosive.calls = 0
    with pytest.raises(Diverged) as stopped:
        brief(features=Explosive(), seeds=1, procedure=constant)
    assert torch.equal(stopped.value.last_good["W"].reshape(good.W.shape), good.W)


@pytest.mark.parametrize("entries", [1, 10**6])
def test_divergence_names_the_setting_however_the_run_is_cut(monkeypatch, entries):
    cut_at(monkeypatch, entries)
    overflowing = torch.tensor([[1.0], [1.0], [3e38]])  # finite, but its loss is not
    with pytest.raises(Diverged, match="seed 7 setting 2"):
        brief(importance=overflowing, seeds=[7])


def test_many_diverged_models_are_counted_not_listed():
    hasty = replace(BRIEF, learning_rate=1e12, warmup=0)
    with pytest.raises(Diverged, match="seed 4 setting 0 and 2 more is not finite"):
        brief(features=IndependentFeatures(4, 0.5), seeds=7, procedure=hasty)


def test_training_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    brief()
    assert torch.equal(torch.get_rng_state(), before)


def test_progress_is_shown_when_asked_for_and_quiet_otherwise():
    shown, quiet = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(shown):
        brief(progress=True)
    with contextlib.redirect_stderr(quiet):
        brief(progress=False)
    assert "training" in shown.getvalue()
    assert quiet.getvalue() == ""


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("model", [RELU_OUTPUT, LINEAR, RELU_HIDDEN], ids=lambda m: m.name)
def test_a_gpu_trains_as_well(model):
    run = brief(device="cuda", model=model, importance=0.9 ** torch.arange(4))
    assert run.W.device.type == "cuda"
    loss, _ = losses.expected_loss(run.W, run.b, PROBABILITY, samples=100, seed=0)
    assert loss.isfinite().all()


@pytest.mark.parametrize("model", [RELU_OUTPUT, Model("untied", tied=False)], ids=lambda m: m.name)
def test_training_on_examples_is_full_batch_descent_on_their_mean_loss(model):
    features = Examples(torch.stack([torch.eye(4), 2 * torch.eye(4)]))
    plain = Procedure(steps=25, batch_size=1, warmup=0, cosine=False, integrate=False)
    run = train(features, 2, model=model, seeds=2, procedure=plain)
    start = model.initial(4, 2, seeds=[0, 1], count=2)
    leaves = {name: value.clone().requires_grad_() for name, value in start.items()}
    adam = torch.optim.Adam(leaves.values(), lr=plain.learning_rate)
    for step in range(26):
        recovered = model.reconstruct(leaves, features.x)
        loss = losses.batch_loss(features.x, recovered, torch.ones(4))
        if step == 25:
            break
        adam.zero_grad()
        loss.sum().backward()
        adam.step()
    for name, value in leaves.items():
        assert torch.allclose(run.parameters[name], value, atol=1e-5), name
    mean, error = run.expected_loss(samples=4)
    assert torch.allclose(mean, loss.detach().double(), rtol=1e-4)
    assert (error < 1e-6).all()
