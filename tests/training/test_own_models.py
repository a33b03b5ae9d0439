"""Models of one's own: subclasses of `Model`, and functions with parameters of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from superpos import (
    LINEAR,
    RELU_HIDDEN,
    RELU_OUTPUT,
    CorrelatedSets,
    IndependentFeatures,
    Model,
    Procedure,
    sweep,
    train,
)
from superpos.errors import InvalidArgument
from superpos.figures.matrices import products
from superpos.losses import batch_loss
from superpos.training.descent import Descent
from superpos.training.hidden import expected_loss
from superpos.training.objectives import IntegratedRelu, objective

QUICK = Procedure(steps=60)
FEATURES = IndependentFeatures(4, torch.tensor([[0.5], [0.1]]))


class Gated(Model):
    """A hidden layer, gated by another: no more than is asked for."""

    axes = {"W": "mn", "A": "mn", "b": "n"}  # noqa: RUF012

    def reconstruct(self, parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        W, A, b = (parameters[name] for name in "WAb")
        h = (x @ W.mT) * (x @ A.mT).sigmoid()
        return torch.relu(h @ W + b[..., None, :])


def gated(x, W, A, b):
    return torch.relu((x @ W.T) * (x @ A.T).sigmoid() @ W + b)


def scaled(x, s, D):
    """Bottleneck-free: no parameter is called W or b, and one is a single number."""
    return s * torch.relu(x @ D) @ D.T


SCALED = Model.of(scaled, {"s": "", "D": ["n", 3]})
GATED = Model.of(gated, {"W": "mn", "A": "mn", "b": "n"})


@pytest.mark.parametrize("model", [Gated("gated"), GATED], ids=["subclass", "function"])
def test_a_model_of_ones_own_trains_and_is_evaluated(model):
    run = train(FEATURES, 2, model=model, seeds=3, procedure=replace(QUICK, steps=600))
    assert {name: value.shape for name, value in run.parameters.items()} == {
        "W": (3, 2, 2, 4), "A": (3, 2, 2, 4), "b": (3, 2, 4),
    }  # fmt: skip
    before = train(FEATURES, 2, model=model, seeds=3, procedure=QUICK, snapshots=[0])
    loss, error = run.expected_loss(samples=2000)
    start = before.trajectory["W"][0]
    assert not torch.equal(run.W, start)
    assert (loss + 4 * error < before.expected_loss(samples=2000)[0]).any()
    best = run.best(samples=200)
    assert best["A"].shape == (2, 2, 4)


def test_a_function_and_a_subclass_that_compute_the_same_train_alike():
    runs = [
        train(FEATURES, 2, model=model, seeds=2, procedure=QUICK)
        for model in (Gated("gated"), GATED)
    ]
    for name in "WAb":
        assert_close(runs[0].parameters[name], runs[1].parameters[name], atol=1e-4, rtol=1e-4)


def test_a_subclass_that_computes_what_a_model_of_ours_does_trains_as_it_does():
    class Mine(Model):
        def reconstruct(self, parameters, x):
            W, b = parameters["W"], parameters["b"]
            return torch.relu(x @ W.mT @ W + b[..., None, :])

    plain = replace(QUICK, integrate=False)
    mine, ours = (
        train(FEATURES, 2, model=model, seeds=2, procedure=plain)
        for model in (Mine("mine"), RELU_OUTPUT)
    )
    assert_close(mine.W, ours.W, atol=1e-4, rtol=1e-4)


def test_the_hand_written_gradients_are_not_taken_for_what_a_subclass_computes():
    class Doubled(Model):
        def reconstruct(self, parameters, x):
            return 2 * super().reconstruct(parameters, x)

    model = Doubled("doubled", hidden=torch.relu)  # as those of HiddenRelu, but for what it does
    run = train(FEATURES, 2, model=model, seeds=2, procedure=QUICK)
    x = FEATURES.inputs(torch.rand(20_000, 5, generator=torch.Generator().manual_seed(0)))
    told, error = run.expected_loss(samples=20_000)
    true = batch_loss(x, model.reconstruct(run.parameters, x), torch.ones(4))
    assert ((told - true).abs() < 6 * error + 0.02 * true).all()
    with pytest.raises(InvalidArgument, match="model is 'doubled': one whose hidden layer and"):
        expected_loss(model, run.parameters, FEATURES)


def test_parameters_may_have_any_axes_and_names():
    run = train(FEATURES, 1, model=SCALED, seeds=2, procedure=QUICK, snapshots=[0, 60])
    assert run.parameters["s"].shape == (2, 2)
    assert run.trajectory["D"].shape == (2, 2, 2, 4, 3)
    assert run.expected_loss(samples=100)[0].shape == (2, 2)


@pytest.mark.parametrize("name", ["W", "b"])
def test_what_a_model_has_not_is_said_by_name(name):
    run = train(FEATURES, 1, model=SCALED, seeds=1, procedure=QUICK)
    told = f"the model 'scaled' has no {name}: its parameters are s, D"
    with pytest.raises(InvalidArgument, match=told):
        getattr(run, name)


def test_the_encoder_of_a_model_of_ones_own_is_drawn_and_one_without_is_not():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    at = {"seeds": 1, "procedure": QUICK}
    products(axes, train(FEATURES, 2, model=GATED, **at).W[0, 0])
    assert axes.images
    with pytest.raises(InvalidArgument, match="has no W"):
        products(axes, train(FEATURES, 2, model=SCALED, **at).W[0, 0])


def test_training_on_from_where_it_was_begins_there():
    run = train(FEATURES, 2, model=GATED, seeds=2, procedure=QUICK)
    on = train(
        FEATURES, 2, model=GATED, seeds=2, procedure=QUICK, start=run.parameters, snapshots=[0]
    )
    assert all(torch.equal(on.trajectory[name][0], run.parameters[name]) for name in "WAb")
    with pytest.raises(InvalidArgument, match="a tensor for each of A, W, b, by name"):
        train(FEATURES, 2, model=GATED, procedure=QUICK, start={"W": run.W})


@pytest.mark.parametrize("model", [GATED, SCALED])
def test_whether_it_is_at_rest_can_be_told(model):
    run = train(FEATURES, 2, model=model, seeds=2, procedure=QUICK)
    rest = run.rest(1, samples=400)
    assert rest.fall.shape == rest.move.shape == (2, 2)
    assert (rest.move > 0).all()


def test_it_is_resumed_from_a_checkpoint_of_its_own_only(tmp_path):
    at = {"seeds": 2, "procedure": QUICK, "checkpoint": tmp_path}
    run = train(FEATURES, 2, model=GATED, **at)
    again = train(FEATURES, 2, model=GATED, **at)
    assert all(torch.equal(again.parameters[name], run.parameters[name]) for name in "WAb")
    renamed = train(FEATURES, 2, model=replace(GATED, name="another name"), **at)
    assert torch.equal(renamed.W, run.W)

    def harder(x, W, A, b):
        return gated(x, W, 2 * A, b)

    with pytest.raises(InvalidArgument, match="other settings or other code"):
        train(FEATURES, 2, model=Model.of(harder, {"W": "mn", "A": "mn", "b": "n"}), **at)


def test_a_killed_run_goes_on_and_comes_to_the_same(tmp_path, monkeypatch):
    whole = train(FEATURES, 2, model=GATED, seeds=1, procedure=QUICK)
    monkeypatch.setattr("superpos.training.descent._SECONDS_BETWEEN_CHECKPOINTS", -1)
    block = Descent.block

    def killed(self):
        if self.done == 40:
            raise KeyboardInterrupt
        block(self)

    at = {"model": GATED, "seeds": 1, "procedure": QUICK, "checkpoint": tmp_path}
    with monkeypatch.context() as patch:
        patch.setattr(Descent, "block", killed)
        with pytest.raises(KeyboardInterrupt):
            train(FEATURES, 2, **at)
    resumed = train(FEATURES, 2, **at)
    assert all(torch.equal(resumed.parameters[name], whole.parameters[name]) for name in "WAb")


def of_widths(width, seed):
    """Losses of models ``(widths, seeds)``."""
    models = [Model.of(scaled, {"s": "", "D": ("n", each)}) for each in width.tolist()]
    runs = [train(FEATURES, 1, model=model, seeds=seed, procedure=QUICK) for model in models]
    return {"loss": torch.stack([run.expected_loss(samples=100)[0][:, 0] for run in runs])}


def test_it_is_swept_and_its_results_are_kept(tmp_path):
    grid = {"width": torch.tensor([1, 2]), "seed": range(3)}
    found = sweep(of_widths, grid, store=tmp_path)["loss"]
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    assert found.shape == (2, 3)
    again = sweep(of_widths, grid, store=tmp_path)["loss"]
    assert (again == found).all()
    assert kept
    assert kept == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}


# Equality


def test_the_name_of_a_model_tells_it_apart_from_none():
    mine = Model("my relu")
    assert mine == RELU_OUTPUT
    assert hash(mine) == hash(RELU_OUTPUT)
    assert mine not in (LINEAR, RELU_HIDDEN, Model("my relu", tied=False))
    features = CorrelatedSets(2, 2, torch.tensor([[0.5]]))
    assert isinstance(objective(mine, FEATURES, torch.ones(2, 4), integrate=True), IntegratedRelu)
    assert type(objective(mine, features, torch.ones(1, 4), integrate=True)) is not IntegratedRelu
    run, ours = (
        train(FEATURES, 2, model=each, seeds=2, procedure=QUICK) for each in (mine, RELU_OUTPUT)
    )
    assert torch.equal(run.W, ours.W)
    assert run.model.name == "my relu"


def test_models_of_other_functions_or_classes_are_others():
    axes = {"W": "mn", "A": "mn", "b": "n"}
    assert Model.of(gated, axes, name="a") == Model.of(gated, axes, name="b")
    assert Model.of(gated, axes) != Model.of(scaled, axes)
    assert Model.of(gated, axes) != Model.of(gated, axes | {"b": "m"})
    assert Gated("ReLU output") != RELU_OUTPUT
    assert not Gated("gated").is_layered
    assert Model("untied", tied=False).is_layered


# What is refused, before any work


class Forgetful(Gated):
    def reconstruct(self, parameters, x):
        return super().reconstruct(parameters | {"A": torch.ones(2, 4)}, x)


class Narrow(Gated):
    def reconstruct(self, parameters, x):
        return super().reconstruct(parameters, x)[..., :3]


class Stubborn(Gated):
    def initial(self, n, m, **at):
        return {name: value for name, value in super().initial(n, m, **at).items() if name != "A"}


class Nothing(Gated):
    axes = {}  # noqa: RUF012


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (gated, r"model is <function gated.*: a superpos.Model is needed; .*Model.of\(function"),
        (Forgetful("it"), "the model 'it' does not use A"),
        (Narrow("it"), r"'it' reconstructs shape \(1, 1, 3, 3\) for inputs of \(1, 1, 3, 4\)"),
        (Stubborn("it"), "'it' starts with W, b; its axes name W, A, b"),
        (Nothing("it"), "'it' has no parameters"),
        (Model.of(gated, {"W": "mk"}), "an axis of W that is neither 'n' nor 'm' is 'k'"),
        (Model("it", target=lambda x: x[..., 0]), r"'it' has as its target shape \(1, 1, 3\)"),
        (Model("it", output=torch.detach), "'it' does not use b, W"),
    ],
)
def test_what_is_no_model_is_refused_before_any_work(model, told):
    with pytest.raises(InvalidArgument, match=told):
        train(FEATURES, 2, model=model)


def test_biases_that_cannot_be_centred_are_refused_with_the_way_out():
    with pytest.raises(InvalidArgument, match=r"'gated' has no centred.*centred=False\)"):
        train(FEATURES, 2, model=GATED, seeds=1, procedure=Procedure.fast(4, 2, steps=20))
    way_out = Procedure.fast(4, 2, steps=20, centred=False)
    assert train(FEATURES, 2, model=GATED, seeds=1, procedure=way_out).W.isfinite().all()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Model("it", hidden=3), "hidden is 3: a function of tensors is needed"),
        (lambda: Model.of("relu", {"W": "mn"}), "function is 'relu': a function of inputs"),
        (lambda: Model.of(gated, "Wab"), "axes is 'Wab': the axes of each parameter, by name"),
    ],
)
def test_a_model_is_made_of_functions(make, told):
    with pytest.raises(InvalidArgument, match=told):
        make()


def test_a_dataclass_may_have_settings_of_its_own():
    @dataclass(frozen=True)
    class Wide(Model):
        width: int = 3

        @property
        def axes(self):
            return {"D": ("n", self.width)}

        def reconstruct(self, parameters, x):
            return torch.relu(x @ parameters["D"]) @ parameters["D"].mT

    run = train(FEATURES, 1, model=Wide("wide", width=5), seeds=1, procedure=QUICK)
    assert run.parameters["D"].shape == (1, 2, 4, 5)
    assert Wide("wide", width=5) != Wide("wide", width=4)
