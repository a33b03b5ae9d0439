from __future__ import annotations

import pytest
import torch
from torch import Tensor

from superpos.errors import InvalidArgument
from superpos.features import BooleanFeatures, SignedFeatures
from superpos.neurons import computation
from superpos.neurons.computation import ABSOLUTE_VALUE, PAIRWISE_AND
from superpos.training.hidden import HiddenRelu
from superpos.training.procedures import Procedure
from superpos.training.train import train


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def both_sides(n: int) -> tuple[Tensor, Tensor]:
    """A positive and a negative neuron for each feature."""
    W = torch.cat([torch.eye(n), -torch.eye(n)])
    return W, W.abs()


def planted(asymmetry: float = 4.0, inhibition: float = 1.0) -> tuple[Tensor, Tensor]:
    """Feature 0 and 1 in one neuron, unequally; a second neuron inhibits output 1; a third is pure.

    ``inhibition`` is the share of the disturbance that the second takes away.
    """
    a = asymmetry**0.5
    W = torch.tensor([[a, -1 / a, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    V = torch.tensor([[1 / a, a, 0.0], [0.0, -inhibition * asymmetry, 0.0], [0.0, 0.0, 1.0]])
    return W, V


def rescaled(W: Tensor, V: Tensor) -> tuple[Tensor, Tensor]:
    scale = draw(9, *W.shape[:-1], 1).exp()
    return W * scale, V / scale


def test_slopes_serving_and_motifs_do_not_change_when_neurons_are_rescaled_or_permuted():
    W, V = draw(0, 20, 8, 12), draw(1, 20, 8, 12)
    assert torch.allclose(computation.slopes(W, V), computation.slopes(*rescaled(W, V)), rtol=1e-4)
    found = computation.find_motifs(W, V)
    again = computation.find_motifs(*rescaled(W, V))
    for name in ("asymmetric", "cancelled", "complete"):
        assert torch.equal(getattr(found, name), getattr(again, name)), name
    order = torch.randperm(8, generator=torch.Generator().manual_seed(2))
    moved = computation.find_motifs(W[:, order], V[:, order])
    assert torch.equal(moved.complete, found.complete[:, order])


def test_scaled_neurons_are_the_same_model():
    W, V = draw(0, 5, 4), draw(1, 5, 4)
    x = draw(2, 30, 4)
    given = {"W": W, "V": V, "b": draw(3, 4)}
    same = dict(zip("WV", computation.scaled(W, V), strict=True)) | {"b": given["b"]}
    expected = ABSOLUTE_VALUE.reconstruct(given, x)
    assert torch.allclose(ABSOLUTE_VALUE.reconstruct(same, x), expected, atol=1e-5)
    assert torch.allclose(same["W"].abs().amax(-1), torch.ones(5))
    assert computation.scaled(torch.zeros(1, 2), torch.ones(1, 2))[1].tolist() == [[1, 1]]


def test_two_sides_are_seen_up_to_scale_and_order_and_nothing_else_is():
    W, V = rescaled(*both_sides(3))
    assert computation.two_sided(W, V)
    assert computation.two_sided(W.flip(0), V.flip(0))
    twice = torch.cat([W[:5], W[:1]])  # one side twice, another without a neuron
    assert not computation.two_sided(twice, torch.cat([V[:5], V[:1]]))
    assert not computation.two_sided(W[:5], V[:5])
    assert not computation.two_sided(W, 1.2 * V)
    assert not computation.two_sided(*(t + 0.2 for t in both_sides(3)))
    spare = torch.cat([W, torch.zeros(1, 3)])  # a dead neuron harms nobody
    assert computation.two_sided(spare, torch.cat([V, torch.zeros(1, 3)]))


def test_pure_neurons_serve_pure_features():
    served = computation.serving(*both_sides(4))
    pure, shared = computation.pure_features(served)
    assert pure.all()
    assert not shared.any()
    assert not computation.partly_superposed(served)
    served[0, 1] = True
    pure, shared = computation.pure_features(served)
    assert pure.tolist() == [False, False, True, True]
    assert shared.tolist() == [True, True, False, False]
    assert computation.partly_superposed(served)


def test_important_features_stay_pure_only_if_they_do_at_every_setting():
    first = torch.tensor([[True, False, False], [False, True, True]])  # feature 0 is pure
    last = first.flip(-1)  # feature 2 is
    assert computation.important_stay_pure(first[None])
    assert not computation.important_stay_pure(last[None])
    assert not computation.important_stay_pure(torch.stack([first, last]))
    nothing_shared = torch.eye(3, dtype=torch.bool)
    assert not computation.important_stay_pure(nothing_shared[None])
    assert computation.important_stay_pure(torch.stack([nothing_shared[:2], first]))


def test_a_planted_motif_is_found_with_its_parts():
    found = computation.find_motifs(*planted())
    assert found.complete.tolist() == [True, False, False]
    strong, weak, inhibitor = (
        values[0].item() for values in (found.strong, found.weak, found.inhibitor)
    )
    assert (strong, weak, inhibitor) == (0, 1, 1)
    assert found.disturbance[0].item() == pytest.approx(4)
    assert found.rest[0].item() == pytest.approx(0, abs=1e-6)
    assert found.back[0].item() == pytest.approx(0.25)  # nobody repairs the small one
    assert found.back_rest[0].item() == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("changed", "asymmetric", "cancelled", "complete"),
    [
        (planted(asymmetry=1.9), False, False, False),  # shared too equally
        (planted(inhibition=0.0), True, False, False),  # nobody inhibits
        (planted(inhibition=0.8), True, False, False),  # too little
        (planted(inhibition=3.0), True, True, True),  # more than needed
    ],
    ids=["equal", "none", "little", "much"],
)
def test_what_lacks_a_part_of_the_motif_is_none(changed, asymmetric, cancelled, complete):
    found = computation.find_motifs(*changed)
    assert found.asymmetric[0].item() == asymmetric
    assert found.cancelled[0].item() == cancelled
    assert found.complete[0].item() == complete


def test_inhibition_counts_only_from_a_neuron_that_the_same_side_drives():
    W, V = planted()
    W[1] *= -1  # now active where the disturbance is not
    assert not computation.find_motifs(W, V).cancelled.any()
    W, V = planted()
    V[1, 1], V[1, 2] = 0, V[1, 1]  # inhibits another output
    assert not computation.find_motifs(W, V).cancelled.any()


def test_inhibition_by_many_repairs_without_a_single_inhibitor():
    W, V = planted(inhibition=0.0)
    W = torch.cat([W, torch.tensor([[1.0, 0.0, 0.0]]).expand(4, 3)])
    V = torch.cat([V, torch.tensor([[0.0, -1.0, 0.0]]).expand(4, 3)])
    found = computation.find_motifs(W, V)
    assert found.cancelled[0]
    assert not found.complete[0]


def test_shuffles_keep_who_serves_and_what_outputs_get_and_destroy_planted_motifs():
    blocks, lone = zip(*(planted() for _ in range(10)), strict=True)
    W, V = torch.block_diag(*blocks), torch.block_diag(*lone)
    V = V - 0.01 * draw(3, *V.shape).abs()  # so that permuting changes something everywhere
    served = computation.serving(W, V)
    assert computation.find_motifs(W, V).complete.sum() == 10
    counts = []
    for seed in range(20):
        null = computation.shuffled(W, V, seed=seed)
        assert torch.equal(null[served], V[served])
        assert torch.equal(null.sort(0).values, V.sort(0).values)
        counts.append(computation.find_motifs(W, null).complete.sum().item())
    assert max(counts) <= 5
    assert sum(counts) / 20 <= 1.5
    again = computation.shuffled(W, V, seed=3)
    assert torch.equal(again, computation.shuffled(W, V, seed=3))
    assert not torch.equal(again, V)


def test_random_weights_hold_few_motifs():
    W, V = draw(0, 50, 40, 100) * 0.3, draw(1, 50, 40, 100) * 0.3
    found = computation.find_motifs(W, V)
    assert found.complete.sum() <= 0.2 * found.asymmetric.sum().clamp_min(5)


def test_motifs_need_weights_of_one_shape():
    with pytest.raises(InvalidArgument, match=r"V has shape \(2, 3\) and W \(3, 3\)"):
        computation.find_motifs(torch.eye(3), torch.eye(3)[:2])


@pytest.mark.parametrize("m", [2, 3, 5])
def test_the_code_of_pairs_is_exact_while_at_most_two_features_are_active(m):
    W, V, b = computation.pair_code(m)
    n = m * (m - 1)
    assert W.shape == V.shape == (m, n)
    one = torch.eye(n)
    x = torch.cat([(one[:, None] + one).clamp_max(1).flatten(0, 1), torch.zeros(1, n)])
    y = PAIRWISE_AND.reconstruct({"W": W, "V": V, "b": b}, x)[:, ::2]
    assert torch.equal(y, computation.pairwise_and(x)[:, ::2])
    assert (computation.and_serving(W, V).sum(0) == 2).all()


def test_the_error_of_ands_is_a_share_of_their_variance():
    p = torch.tensor([0.5, 0.05])
    features = BooleanFeatures(6, p[:, None])
    nothing = {"W": torch.zeros(2, 3, 6), "V": torch.zeros(2, 3, 6)}
    constant = nothing | {"b": (p**2)[:, None].expand(2, 6)}
    assert torch.allclose(computation.and_errors(constant, features), torch.ones(2, 3), rtol=0.1)
    own = torch.eye(3).repeat_interleave(2, -1)
    exact = {"W": own.expand(2, 3, 6), "V": own.expand(2, 3, 6), "b": -torch.ones(2, 6)}
    assert torch.equal(computation.and_errors(exact, features), torch.zeros(2, 3))


def test_pairwise_and_is_true_where_both_are():
    x = torch.tensor([[1.0, 1, 1, 0], [0, 1, 1, 1]])
    assert computation.pairwise_and(x).tolist() == [[1, 0, 0, 0], [0, 0, 1, 0]]
    assert computation.pair_means(x).tolist() == [[1, 1, 0.5, 0.5], [0.5, 0.5, 1, 1]]


def test_training_starts_decoders_where_outputs_answer_to_their_features():
    start = ABSOLUTE_VALUE.initial(4, 6, seeds=[0])
    assert torch.equal(start["V"], start["W"].abs())
    x = torch.cat([torch.eye(4), -torch.eye(4)])
    y = ABSOLUTE_VALUE.reconstruct(start, x)[0, 0]
    assert (y.diagonal() > 0).all()
    assert (y[4:].diagonal() > 0).all()


def test_three_features_are_computed_by_six_neurons():
    run = train(
        SignedFeatures(3, 1.0), 6, model=ABSOLUTE_VALUE, seeds=20,
        procedure=Procedure(steps=800, learning_rate=0.03),
    )  # fmt: skip
    shown = computation.two_sided(run.W, run.parameters["V"])
    loss = run.expected_loss(samples=1000)[0]
    assert shown.sum() >= 8
    assert loss[shown].max() < 1e-3


def test_sparse_inputs_let_three_neurons_compute_more_than_three_ands():
    features = BooleanFeatures(10, 0.01)
    importance = 1.0 * (torch.arange(10) % 2 == 0)
    run = train(
        features, 3, model=PAIRWISE_AND, importance=importance, seeds=10,
        procedure=Procedure(
            steps=1500, batch_size=8, learning_rate=0.01, warmup=1200, beta2=0.99, initial_scale=0.1
        ),
    )  # fmt: skip
    settings = BooleanFeatures(10, torch.tensor([[0.01]]))
    given = {name: value[:, None] for name, value in run.parameters.items()}
    computed = (computation.and_errors(given, settings)[:, 0] <= 0.25).sum(-1)
    assert computed.max() > 3


def test_gradients_of_strata_are_those_of_their_mean_loss():
    features = BooleanFeatures(6, torch.tensor([[0.5], [0.05]]))
    importance = torch.tensor([1.0, 0, 0.5, 0, 0.2, 0]).expand(2, 6)
    target = HiddenRelu(PAIRWISE_AND, features, importance)
    shapes = {"W": (3, 2, 4, 6), "V": (3, 2, 4, 6), "b": (3, 2, 6)}
    given = {name: draw(k, *shape) for k, (name, shape) in enumerate(shapes.items())}
    u = torch.rand(3, 10, features.uniforms, generator=torch.Generator().manual_seed(0))
    leaves = {name: value.clone().requires_grad_() for name, value in given.items()}
    x, share = features.strata(u), features.shares(u)
    y = PAIRWISE_AND.reconstruct(leaves, x)
    square = ((y - computation.pairwise_and(x)).square() * importance[:, None]).sum(-1)
    loss = (square * share).sum(-1)
    assert torch.allclose(target.loss(given, u), loss, rtol=1e-4)
    expected = torch.autograd.grad(loss.sum(), list(leaves.values()))
    found = target.gradients(given, u)
    for name, gradient in zip(leaves, expected, strict=True):
        assert torch.allclose(found[name], gradient, rtol=1e-3, atol=1e-5), name
