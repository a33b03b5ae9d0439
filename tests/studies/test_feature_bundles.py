"""The tests of the claims on feature bundles, each on findings made by hand."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import Tensor

from superpos import losses, optima
from superpos.bundles import planted
from superpos.studies import feature_bundles as chapter

judged = chapter.study.judge


def subspaces(**changes) -> SimpleNamespace:
    found = {"wrong": 1e-14, "rank": 6, "expected": 6, "apart": 1e-15} | changes
    return SimpleNamespace(**{name: torch.tensor([value] * 3) for name, value in found.items()})


def test_projectors_need_their_equations_and_their_dimension():
    assert judged("bundle-projector", subspaces()).shown.all()
    assert not judged("bundle-projector", subspaces(wrong=1e-6)).shown.any()
    assert not judged("bundle-projector", subspaces(rank=5)).shown.any()


def test_a_projector_depends_on_its_basis_only_if_two_bases_give_two():
    assert not judged("bundle-basis", subspaces()).shown.any()
    assert judged("bundle-basis", subspaces(apart=0.1)).shown.all()


def test_two_planes_in_space_are_projected_as_computed_by_hand():
    wrong, rank, expected, apart = chapter.facts(3, 2, 0)
    assert wrong < 1e-12
    assert rank == expected == 2
    assert apart < 1e-12


def trials(exact: bool, among: bool) -> Tensor:
    return torch.tensor([[exact, among]] * 3)


def test_the_method_must_find_the_summands_and_nothing_else():
    for claim_id in ("bundle-hough", "bundle-perturb2"):
        assert judged(claim_id, trials(True, True)).shown.all()
        beside_others = judged(claim_id, trials(False, True))
        assert not beside_others.shown.any()
        assert beside_others.weaker.all()
        assert not judged(claim_id, trials(False, False)).weaker.any()


def test_the_method_may_find_other_planes_beside_the_summands():
    for talk, projectors in ((True, False), (False, True)):
        found = {"talk": trials(False, talk), "projectors": trials(False, projectors)}
        outcome = judged("bundle-hough-2", found)
        assert outcome.shown.tolist() == [talk] * 3
        assert outcome.weaker.tolist() == [projectors] * 3


def test_two_triangles_are_found_in_the_coordinate_planes_and_digons_are_none():
    W, sets = planted.direct_sum(["triangle", "triangle"])
    assert chapter.by_talk(W, sorted(sets)) == (True, True)
    W, sets = planted.direct_sum(["digon", "digon", "digon"])
    assert chapter.by_talk(W, sorted(sets)) == (False, False)


def found_at(*rows: list[bool]) -> Tensor:
    return torch.tensor(rows)


def test_the_method_fails_alone_if_projectors_find_what_it_does_not_at_any_radius():
    none, all_at_one = found_at([False] * 3, [False] * 3), found_at([False] * 3, [True] * 3)
    shown = judged("bundle-perturb4", {"talk": none, "projectors": all_at_one})
    assert shown.shown.all()
    both_fail = judged("bundle-perturb4", {"talk": none, "projectors": none})
    assert not both_fail.shown.any()
    assert both_fail.weaker.all()
    works = judged("bundle-perturb4", {"talk": all_at_one, "projectors": all_at_one})
    assert not works.shown.any()
    assert not works.weaker.any()


def test_the_best_radius_is_one_for_all_trials():
    found = found_at([True, False, False], [False, True, True])
    assert chapter.at_best(found).tolist() == [False, True, True]


def test_bundles_must_be_found_without_noise_and_with_it():
    right, wrong = trials(True, False), trials(False, True)
    assert judged("bundle-hardened", {0.0: right, 0.05: right}).shown.all()
    assert not judged("bundle-hardened", {0.0: right, 0.05: wrong}).shown.any()
    assert not judged("bundle-hardened", {0.0: wrong, 0.05: right}).shown.any()


def scales(**changes) -> SimpleNamespace:
    found = {"same": True, "right": True, "seconds": 0.2} | changes
    rows = {name: torch.tensor([value] * 3) for name, value in found.items()}
    return SimpleNamespace(**rows, size=(30, 400))


def test_a_large_case_must_be_right_and_done_in_time():
    assert judged("bundle-scale", scales()).shown.all()
    for change in ({"same": False}, {"right": False}, {"seconds": 25.0}):
        assert not judged("bundle-scale", scales(**change)).shown.any()


def test_holes_must_be_born_at_root_two_and_die_at_root_three():
    expected = {("a",): [(1, 1.41, 1.73), (2, 1.5, 1.6)], ("b",): [(3, 1.42, 1.74)]}
    assert judged("bundle-tda", expected).shown.all()
    later = judged("bundle-tda", {("a",): [(1, 1.41, 2.0)]})
    assert not later.shown.any()
    assert later.weaker.all()
    assert not judged("bundle-tda", {("a",): [(1, 1.0, 1.73)]}).weaker.any()


def test_every_hole_that_lasts_as_long_counts():
    two = {("a",): [(1, 1.41, 1.73), (1, 1.0, 1.32)]}
    assert not judged("bundle-tda", two).shown.any()


def test_spheres_must_be_among_the_clusters():
    found = SimpleNamespace(among=torch.tensor([True, False]), others=[0, 3])
    outcome = judged("bundle-spheres", found)
    assert outcome.shown.tolist() == [True, False]
    assert outcome.measured == {"Other spheres beside the summands": "1.5 on average"}


def arrangements(count, product) -> SimpleNamespace:
    return SimpleNamespace(counts=[count], products=[product], sharp=[count], general=(163, 35))


def test_regions_must_be_fewer_than_in_general_position_and_multiply():
    assert judged("bundle-arrangement", arrangements((16, 0), (16, 0))).shown.all()
    assert not judged("bundle-arrangement", arrangements((16, 0), (16, 1))).shown.any()
    assert not judged("bundle-arrangement", arrangements((163, 35), (163, 35))).shown.any()


def polygon(k: int) -> Tensor:
    angle = 2 * torch.pi * torch.arange(k) / k
    return torch.stack([angle.cos(), angle.sin()])


DIGON = torch.tensor([[1.0, -1.0]])


def test_a_direct_sum_has_the_same_bundles_components_and_factors():
    W = torch.block_diag(polygon(5), DIGON, DIGON)  # D* = 4/9
    models = SimpleNamespace(W=W.expand(3, 4, *W.shape))
    assert judged("bundle-trained", models).shown.all()


def test_digons_at_a_slight_angle_are_one_component_and_two_bundles():
    angle = torch.tensor([0.0, torch.pi, 1.3, 1.3 + torch.pi])
    W = torch.block_diag(torch.stack([angle.cos(), angle.sin()]), polygon(5))
    assert chapter.compared(W, edge=0.15)[:2] == (False, True)
    models = SimpleNamespace(W=W.expand(3, 4, *W.shape))
    assert not judged("bundle-trained", models).shown.any()


SUMS = [("digon", "digon"), ("digon", "polygon 5")]


def curved(simplices: list[float], pentagon: list[float], gradient: float = 1e-9):
    """Least curvatures of two sums at two densities, the sparse one last."""
    least = torch.tensor([simplices, pentagon])
    return SimpleNamespace(sums=SUMS, least=least, gradient=torch.full_like(least, gradient))


def test_simplices_must_be_minima_everywhere_and_others_only_where_dense():
    assert judged("bundle-minima", curved([0.1, 0.1], [0.1, -0.1])).shown.tolist() == [True, True]
    for wrong in (
        curved([0.1, -0.1], [0.1, 0.1]),  # a saddle where sparse; a minimum there
        curved([0.1, 1e-8], [0.1, 1e-8]),  # flat is neither
        curved([-0.1, 0.1], [-0.1, -0.1]),
        curved([0.1, 0.1], [0.1, -0.1], gradient=1e-3),  # no stationary point at all
    ):
        assert not judged("bundle-minima", wrong).shown.any()


def test_small_sums_are_those_that_fit():
    sums = chapter.small_sums()
    assert len(sums) == len(set(sums)) == 25
    assert ("triangle", "triangle", "triangle") in sums
    assert ("tetrahedron", "polygon 6") not in sums  # ten features


def test_a_sum_at_its_best_is_as_good_as_descent_makes_it_and_stays_in_its_coordinates():
    p = torch.tensor([0.3, 0.05]).double()
    W, b = chapter.at_their_best(("digon", "triangle"), p)
    found = optima.minimise(W, b, p[:, None])
    assert (found.loss - losses.exact_loss(W, b, p[:, None])).abs().max() < 1e-8
    assert (found.W - W).abs().max() < 1e-4
    assert W[:, :1, 2:].abs().max() == 0


PAIRS = [(0, 1), (2, 3), (4, 5), (6, 7)]
CROSSED = [(0, 2), (1, 3), (4, 5), (6, 7)]


def composed(below=PAIRS, above=PAIRS, split=0.97, whole=0.5):
    on_top = SimpleNamespace(below=[below] * 3, above=[above] * 3)
    nodes = {"split": torch.tensor([split] * 3), "whole": torch.tensor([whole] * 3)}
    return judged("bundle-composed", on_top, nodes).shown


def test_what_is_on_top_must_meet_the_same_pairs():
    assert composed().all()
    assert not composed(above=CROSSED).any()
    assert not composed(split=0.85).any()
    assert not composed(whole=0.7).any()
    triples = [(0, 1, 2), (3, 4, 5), (6, 7)]
    assert not composed(below=triples, above=triples).any()


def test_of_ten_second_components_the_best_must_meet_the_same_pairs():
    nodes = {"split": torch.full((2,), 0.97), "whole": torch.full((2,), 0.5)}
    for loss, shown in (([0.001, 0.02], True), ([0.02, 0.001], False)):
        on_top = SimpleNamespace(
            below=[PAIRS] * 2,
            above=[[PAIRS] * 2, *[[CROSSED] * 2] * 9],
            loss=torch.tensor([loss[:1] * 2, *[loss[1:] * 2] * 9]),
        )
        found = judged("bundle-composed-2", on_top, nodes)
        assert found.shown.tolist() == [shown] * 2
    assert found.measured["Single second components with the same bundles"].startswith("2 of 20")


def test_two_nodes_on_planted_digons_tell_members_apart_but_not_pairs():
    W = planted.direct_sum(["digon"] * 4)[0].float()[None]
    models = SimpleNamespace(W=planted.rotated(W[0], chapter.stream(0))[None])
    on_top = SimpleNamespace(below=[chapter.sets_of(models.W[0])])
    assert on_top.below == [PAIRS]
    found = chapter.two_nodes(models, on_top, 0)
    assert found["split"].item() > 0.95
    assert abs(found["whole"].item() - 0.5) < 0.1


def test_a_logistic_regression_finds_the_direction_and_the_offset():
    h = torch.randn(4000, 2, generator=chapter.stream(0))
    logit = h @ torch.tensor([2.0, -1.0]) + 0.5
    label = torch.rand(4000, generator=chapter.stream(1)) < torch.sigmoid(logit)
    direction, offset = chapter.logistic(h, label)
    torch.testing.assert_close(direction, torch.tensor([2.0, -1.0]), atol=0.2, rtol=0)
    assert abs(offset.item() - 0.5) < 0.15


def large(exclusive=0.6, joint=0.0, bundles=18):
    named = {"independent": 0.03, "together": joint, "at most one": exclusive}
    sums = {
        name: SimpleNamespace(bundles=torch.tensor([bundles] * 3), within=torch.tensor([share] * 3))
        for name, share in named.items()
    }
    return judged("bundle-large", sums).shown


def test_pairs_must_share_bundles_if_one_is_active_at_most_and_else_not():
    assert large().all()
    assert large(joint=1 / 18).all()
    assert not large(exclusive=0.4).any()
    assert not large(joint=2 / 18).any()
    assert not large(bundles=2).any()


def test_pairs_within_sets_are_counted_whole():
    assert chapter.pairs_within([(0, 1), (2, 4), (3, 5)], 6) == 1 / 3
    assert chapter.pairs_within([(0, 1, 2, 3, 4, 5)], 6) == 1


def large_again(within=(0.5, 0.6, 0.4), cosine=0.2, bundles=18):
    share = torch.tensor(within)
    kind = {"bundles": torch.full((3,), bundles), "chance": torch.full((3,), 0.03)}
    sums = {
        "at most one": SimpleNamespace(**kind, within=share, loss=0.05 * (1 - share)),
        "together": SimpleNamespace(**kind, cosine=torch.full((3,), cosine)),
    }
    return judged("bundle-large-2", sums)


def test_judged_again_pairs_share_bundles_by_more_than_chance_or_are_orthogonal():
    assert large_again().shown.all()
    assert large_again().measured["Correlation of that share with the loss"] == "-1.00"
    assert large_again(within=(0.1, 0.6, 0.4)).shown.tolist() == [False, True, True]
    assert not large_again(cosine=0.4).shown.any()
    assert not large_again(bundles=2).shown.any()
