"""Certificates of the zoo: each is computed again from the weights that come with the package."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from superpos import losses, optima, zoo
from superpos.codes import thomson
from superpos.codes.polytopes import POLYTOPES, signs
from superpos.features import IndependentFeatures
from superpos.models import RELU_OUTPUT
from superpos.zoo import certificates
from superpos.zoo.certificates import CURVED, STATIONARY, Certificate, measured

ALL = {name: zoo.load(name, dtype=torch.float64) for name in zoo.names()}
EXACT = [name for name, each in ALL.items() if not each.certificate.error]
SAMPLED = [name for name in ALL if name not in EXACT]


def again(name: str, seed: int = 0) -> certificates.Measured:
    one = ALL[name]
    return measured(one.model, one.parameters, one.features, one.importance, seed=seed)


@pytest.mark.parametrize("name", EXACT)
def test_what_is_said_of_an_exact_loss_comes_out_again(name: str):
    told, found = ALL[name].certificate, again(name)
    assert found.error == 0
    assert found.loss == pytest.approx(told.loss, rel=1e-9, abs=1e-12)
    if told.curvature is None or told.gradient_norm is None:
        assert (found.gradient_norm, found.curvature) == (None, None)
        return
    assert found.gradient_norm == pytest.approx(told.gradient_norm, rel=1e-3, abs=1e-9)
    assert found.curvature == pytest.approx(told.curvature, rel=1e-3, abs=1e-7)
    assert replace(told, **vars(found)).standing == told.standing


@pytest.mark.parametrize("name", SAMPLED)
def test_what_is_said_of_a_sampled_loss_holds_on_other_inputs(name: str):
    told, found = ALL[name].certificate, again(name, seed=1)
    assert (told.gradient_norm, told.curvature) == (None, None)
    assert abs(found.loss - told.loss) < 5 * (found.error**2 + told.error**2) ** 0.5
    assert found.loss != told.loss  # other inputs, indeed


@pytest.mark.parametrize("name", [name for name in EXACT if ALL[name].n <= 5])
def test_an_exact_loss_is_that_of_inputs(name: str):
    one = ALL[name]
    x = one.inputs(400_000)
    errors = ((one.reconstruct(x) - one.model.target(x)).square() * one.importance).sum(-1)
    error = errors.std().item() / len(x) ** 0.5
    assert abs(errors.mean().item() - one.certificate.loss) < 5 * error + 1e-12


def test_derivatives_that_are_told_are_those_of_newtons_method_and_of_torch():
    one = ALL["trained-p-0.2"]
    loss_of = certificates._closed_form(one.model, one.features, one.importance)
    assert loss_of is not None
    hessian = certificates._hessian(loss_of, one.parameters)
    own = certificates.curvature_apart(hessian, one.parameters)
    newton = optima.least_curvature(one.W, one.b, one.features)
    assert own == pytest.approx(newton.item(), rel=1e-6)
    assert torch.linalg.eigvalsh(hessian)[0] < own  # a rotation is flatter than all else
    step = 1e-6 * torch.randn(one.W.shape, generator=torch.Generator().manual_seed(0)).double()
    up, down = (losses.exact_loss(one.W + k * step, one.b, one.features) for k in (1, -1))
    assert abs(up - down) / (2 * step.norm()) <= one.certificate.gradient_norm


def test_directions_that_cost_a_free_decoder_nothing_are_no_curvature():
    one = ALL["free-decoder"]
    loss_of = certificates._closed_form(one.model, one.features, one.importance)
    assert loss_of is not None
    A = torch.tensor([[1.1, -0.2], [0.3, 1.0]], dtype=torch.float64)

    def moved(A: Tensor) -> dict[str, Tensor]:
        V = torch.linalg.inv(A).T @ one.parameters["V"]
        return one.parameters | {"W": A @ one.W, "V": V}

    assert loss_of(moved(A)).item() == pytest.approx(one.certificate.loss, rel=1e-9)
    hessian = certificates._hessian(loss_of, one.parameters)
    apart = certificates.curvature_apart(hessian, one.parameters)
    values = torch.linalg.eigvalsh(hessian)  # of which four are flat, as far as it is at rest
    assert values[:4].abs().max() < apart / 2
    assert apart == pytest.approx(values[4].item(), rel=0.05)
    turn = torch.linalg.qr(A).Q
    there = certificates._hessian(loss_of, moved(turn))
    assert certificates.curvature_apart(there, moved(turn)) == pytest.approx(apart, rel=1e-6)


def test_models_of_one_problem_have_one_best():
    problems: dict[tuple, set[float | None]] = {}
    for one in ALL.values():
        if not one.certificate.search.startswith("of "):
            continue
        p = one.features.probability.flatten().tolist()  # pyright: ignore[reportAttributeAccessIssue]
        kind = type(one.features).__name__
        key = one.n, one.m, kind, round(p[0], 6), tuple(one.importance.tolist())
        problems.setdefault(key, set()).add(one.certificate.best)
    assert len(problems) >= 15
    assert all(len(best) == 1 for best in problems.values())


def test_the_gap_is_to_the_lowest_loss_that_is_known():
    for one in ALL.values():
        told = one.certificate
        if told.best is not None:
            error = (told.error**2 + told.best_error**2) ** 0.5
            assert told.loss >= told.best - 1e-9 - 3 * error, one.name
            assert told.search or told.proof, one.name


def test_what_is_no_minimum_is_left_at_once_and_what_is_one_is_not():
    for name, leaves in (("cube", True), ("saddle-line", True), ("stuck-cross", False)):
        one = ALL[name]
        beside = 1e-3 * torch.randn(one.W.shape, generator=torch.Generator().manual_seed(0))
        end = optima.minimise(one.W + beside, one.b, one.features)
        assert bool(end.loss < one.certificate.loss - 1e-4) == leaves, name


def test_a_proof_is_that_of_its_bound():
    linear = ALL["linear"]
    variance = 0.05 / 3 - 0.05**2 / 4
    left_out = variance * linear.importance.sort().values[: linear.n - linear.m].sum().item()
    assert linear.certificate.best == pytest.approx(left_out)
    assert {name for name, one in ALL.items() if one.certificate.proof} == {
        "linear", "anticorrelated-pairs", "anticorrelated-stuck",
    }  # fmt: skip
    assert ALL["anticorrelated-pairs"].certificate.loss == 0


def certificate(**changes) -> Certificate:
    plain = Certificate(0.2, 0.0, 1e-9, 0.1, 0.2, 0.0, "of 3 starts all came to it", "digon")
    return replace(plain, **changes)


@pytest.mark.parametrize(
    ("changes", "standing"),
    [
        ({}, "minimum"),
        ({"curvature": -0.1}, "saddle"),
        ({"curvature": CURVED / 2}, "flat"),
        ({"gradient_norm": 2 * STATIONARY}, "not at rest"),
        ({"gradient_norm": None, "curvature": None}, "not told"),
    ],
)
def test_standing_follows_from_the_two_numbers(changes, standing):
    assert certificate(**changes).standing == standing


def test_words_tell_what_is_known_and_what_is_not():
    assert str(certificate()) == (
        "The loss is 0.2, exact.\nIt is a minimum: the gradient's norm is 1e-09, the least "
        "curvature 0.1, directions of symmetry apart.\nNo lower one is known: of 3 starts all came "
        "to it.\nShape: digon."
    )
    above = certificate(loss=0.3, gradient_norm=None, curvature=None, error=0.01)
    assert above.sentences()[:3] == [
        "The loss is 0.30 ± 0.01.",
        "It has no closed form: whether it is a minimum is not told.",
        "It lies 50% above the lowest known, 0.2, exact: of 3 starts all came to it.",
    ]
    assert above.share_above == "50%"
    assert certificate(loss=0.21, error=0.006).is_best  # within two errors
    assert not certificate(loss=0.21, error=0.004).is_best
    unknown = certificate(best=None)
    assert (unknown.gap, unknown.share_above, unknown.is_best) == (None, "?", False)
    assert "A lower one was not looked for." in unknown.sentences()
    nothing = certificate(best=0.0, proof="squares are not negative")
    assert nothing.share_above == "0.2"
    assert nothing.sentences()[2].startswith("It lies 0.2 above the lowest possible, 0, exact")
    proved = certificate(proof="of its rank").sentences()
    assert "No model has a lower one: of its rank." in proved


def turned(*parts: Tensor) -> Tensor:
    W = torch.block_diag(*parts)
    g = torch.Generator().manual_seed(0)
    R = torch.linalg.qr(torch.randn(len(W), len(W), generator=g, dtype=torch.float64)).Q
    return 1.1 * R @ W


SHAPES = {
    "digon": [POLYTOPES["digon"].points],
    "pentagon + digon": [POLYTOPES["digon"].points, thomson.polygon(5)],
    "2 × triangle": [thomson.polygon(3), thomson.polygon(3)],
    "cube": [signs(torch.arange(8)[:, None] >> torch.arange(3) & 1)],
    "square antiprism": [POLYTOPES["square antiprism"].points],
    "rectified 5-cell": [POLYTOPES["rectified 5-cell"].points],
    "2 × single feature": [torch.eye(2).double()],
    "single feature, 2 left out": [torch.tensor([[1.0, 0.0, 0.5]]).double()],
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_told_whatever_the_turn(name: str):
    assert zoo.shape_of(turned(*SHAPES[name])) == name


def test_a_shape_that_is_nearly_regular_says_so_and_one_that_is_nothing_has_no_name():
    beside = thomson.polygon(5)
    beside[:, 0] = beside[:, 0] + torch.tensor([0.0, 0.02])
    assert zoo.shape_of(beside) == "nearly regular pentagon"
    g = torch.Generator().manual_seed(0)
    assert zoo.shape_of(torch.randn(6, 20, generator=g)) == "20 in 6 dimensions"
    assert zoo.shape_of(torch.zeros(2, 5)) == "no feature is represented"


def test_what_is_measured_needs_no_double_precision_and_changes_nothing():
    one = zoo.load("pentagon")
    before = {name: value.clone() for name, value in one.parameters.items()}
    found = measured(RELU_OUTPUT, one.parameters, IndependentFeatures(5, 0.05), torch.ones(5))
    assert found.loss == pytest.approx(ALL["pentagon"].certificate.loss, rel=1e-9)
    assert found.gradient_norm is not None
    assert 1e-10 < found.gradient_norm < 1e-6  # of rounding to single precision
    assert all(torch.equal(value, one.parameters[name]) for name, value in before.items())
