from __future__ import annotations

import math

import pytest
import torch

from superpos.codes import thomson
from superpos.codes.thomson import COULOMB, INTERFERENCE
from superpos.errors import InvalidArgument

# Lowest Coulomb energies of n points on a sphere, to 1e-8; in many tables, such as Wales and
# Ulker 2006, "Structure and dynamics of spherical crystals"
KNOWN = {
    4: 3.674234614, 5: 6.474691495, 6: 9.985281374, 7: 14.452977414, 8: 19.675287861,
    9: 25.759986531, 10: 32.716949460, 11: 40.596450510, 12: 49.165253058,
}  # fmt: skip


def random_points(n: int, m: int, seed: int = 0) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    points = torch.randn(m, n, generator=draw, dtype=torch.float64)
    return points / points.norm(dim=0)


def icosahedron() -> torch.Tensor:
    golden = (1 + 5**0.5) / 2
    rows = [[0, s, t * golden] for s in (1, -1) for t in (1, -1)]
    rows = [row[k:] + row[:k] for row in rows for k in range(3)]
    points = torch.tensor(rows, dtype=torch.float64).T
    return points / points.norm(dim=0)


def test_the_interference_of_one_active_feature_is_a_third_of_the_energy():
    """Draw inputs with one active feature, run the model, average: no formula is shared."""
    W = random_points(7, 3)
    draw = torch.Generator().manual_seed(1)
    count = 200_000
    active = torch.randint(7, (count, 1), generator=draw)
    x = torch.zeros(count, 7, dtype=torch.float64)
    x.scatter_(1, active, torch.rand(count, 1, generator=draw, dtype=torch.float64))
    loss = (x - torch.relu(x @ W.T @ W)).square().sum(-1)  # unit length: the own output is right
    expected = thomson.energy(W) / 3 / 7
    assert (loss.mean() - expected).abs() <= 5 * loss.std() / count**0.5


@pytest.mark.parametrize("potential", [INTERFERENCE, COULOMB], ids=lambda p: p.name)
def test_the_energy_does_not_change_with_rotations_or_the_order_of_points(potential):
    points = random_points(6, 3)
    turn = torch.linalg.qr(random_points(3, 3, seed=1))[0]
    same = (turn @ points)[:, torch.randperm(6, generator=torch.Generator().manual_seed(0))]
    torch.testing.assert_close(thomson.energy(same, potential), thomson.energy(points, potential))


@pytest.mark.parametrize("potential", [INTERFERENCE, COULOMB], ids=lambda p: p.name)
def test_the_gradient_is_that_of_finite_steps_along_the_sphere(potential):
    points, step = random_points(5, 3), 1e-6
    gradient = thomson.tangent_gradient(points, potential)
    assert ((gradient * points).sum(0)).abs().max() < 1e-12
    across = torch.linalg.cross(points, random_points(5, 3, seed=2), dim=0)
    across = across / across.norm(dim=0)
    ahead, behind = (
        thomson.energy(math.cos(step) * points + sign * math.sin(step) * across, potential)
        for sign in (1, -1)
    )
    slope = (ahead - behind) / (2 * step)
    torch.testing.assert_close((gradient * across).sum(), slope, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("n", KNOWN)
def test_charges_on_a_sphere_reach_the_known_energies(n):
    found = thomson.minimise(n, 3, COULOMB, tries=20)
    assert found.energy[0].item() == pytest.approx(KNOWN[n], abs=1e-8)
    assert found.gradient_norm[0] < 1e-6


@pytest.mark.parametrize("n", [3, 5, 8])
def test_charges_on_a_circle_form_the_regular_polygon(n):
    found = thomson.minimise(n, 2, COULOMB, tries=10)
    assert found.energy[0].item() == pytest.approx(thomson.energy(thomson.polygon(n), COULOMB))
    assert thomson.kinds(torch.stack([found.best, thomson.polygon(n)])) == 1


@pytest.mark.parametrize(("n", "m"), [(3, 2), (4, 2), (4, 3), (5, 3), (6, 3), (8, 4)])
def test_up_to_two_features_a_dimension_need_not_interfere(n, m):
    found = thomson.minimise(n, m, tries=10)
    assert found.energy[0] < 1e-9
    products = found.best.mT @ found.best - torch.eye(n)
    assert products.max() < 1e-4


def test_two_features_a_dimension_can_only_be_antipodal_pairs():
    found = thomson.minimise(6, 3, tries=10)
    assert thomson.kinds(found.lowest()) == 1
    assert thomson.describe(found.best) == "octahedron"
    assert thomson.kinds(thomson.minimise(5, 3, tries=10).lowest()) == 10  # a family


def test_features_on_a_circle_take_five_places():
    assert thomson.energy(thomson.polygon(5)) == pytest.approx(10 * math.cos(2 * math.pi / 5) ** 2)
    found = thomson.minimise(10, 2, tries=20)
    assert thomson.describe(found.best) == "regular pentagon, every corner doubled"
    # ten ordered pairs in one place, and four times those of a pentagon
    twice = 10 + 4 * thomson.energy(thomson.polygon(5)).item()
    assert found.energy[0].item() == pytest.approx(twice)
    assert found.energy[0] < thomson.energy(thomson.polygon(10)) - 1


def test_nine_places_beat_the_icosahedron():
    found = thomson.minimise(12, 3, tries=40, tolerance=1e-6)
    assert found.energy[0] < thomson.energy(icosahedron()) - 0.9
    assert thomson.describe(found.best) == "tricapped triangular prism, 3 corners doubled"


def test_every_tight_frame_of_antipodal_pairs_costs_the_same_and_is_stationary():
    cube = torch.tensor([[x, y, z] for x in (1, -1) for y in (1, -1) for z in (1, -1)]).T / 3**0.5
    for points in (icosahedron(), cube, thomson.polygon(8), thomson.polygon(12)):
        m, n = points.shape
        assert thomson.energy(points).item() == pytest.approx(thomson.digon_energy(n, m))
        assert thomson.tangent_gradient(points).norm() < 1e-6


def test_a_seed_selects_the_starts_and_the_lowest_comes_first():
    one, same, other = (thomson.minimise(7, 3, tries=5, seed=s, max_steps=3) for s in (1, 1, 2))
    assert torch.equal(one.points, same.points)
    assert not torch.equal(one.points, other.points)
    assert (one.energy.diff() >= 0).all()
    torch.testing.assert_close(one.energy, thomson.energy(one.points))


@pytest.mark.parametrize(
    ("n", "name"),
    [
        (4, "tetrahedron"),
        (5, "triangular bipyramid"),
        (6, "octahedron"),
        (7, "pentagonal bipyramid"),
        (8, "square antiprism"),
        (9, "tricapped triangular prism"),
        (10, "gyroelongated square bipyramid"),
        (11, "edge-contracted icosahedron"),
        (12, "icosahedron"),
    ],
)
def test_thomsons_solutions_are_called_by_their_names(n, name):
    assert thomson.describe(thomson.minimise(n, 3, COULOMB, tries=10).best) == name


def test_names_tell_polygons_and_shared_corners():
    square = thomson.polygon(4)
    assert thomson.describe(square) == "square"
    assert thomson.describe(square[:, [0, 1, 2]]) == "irregular triangle"
    assert thomson.describe(square[:, [0, 0, 0, 1, 2, 3]]) == "square, 1 corner tripled"
    cube = torch.tensor([[x, y, z] for x in (1, -1) for y in (1, -1) for z in (1, -1)]).T / 3**0.5
    assert thomson.describe(cube) == "cube"


def test_the_faces_of_a_polytope_fit_together():
    faces = thomson.faces(thomson.minimise(8, 3, COULOMB, tries=5).best)
    assert sorted(len(face.corners) for face in faces) == [3] * 8 + [4] * 2
    sides = [
        frozenset(ends)
        for face in faces
        for ends in zip(face.corners, face.corners[1:] + face.corners[:1], strict=True)
    ]
    assert all(sides.count(side) == 2 for side in sides)
    assert 8 - len(set(sides)) + len(faces) == 2  # Euler


def test_kinds_tell_arrangements_apart_whatever_their_rotation():
    points = random_points(5, 3)
    turn = torch.linalg.qr(random_points(3, 3, seed=1))[0]
    assert thomson.kinds(torch.stack([points, turn @ points])) == 1
    assert thomson.kinds(torch.stack([points, random_points(5, 3, seed=3)])) == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: thomson.energy(torch.ones(2, 3)), "column of length 1.41"),
        (lambda: thomson.minimise(1, 3), "n is 1"),
        (lambda: thomson.minimise(4, 3, tries=0), "tries is 0"),
        (lambda: thomson.minimise(4, 3, tolerance=0), "tolerance is 0"),
        (lambda: thomson.faces(thomson.polygon(4)), r"\(3, k\) is needed"),
        (lambda: thomson.describe(torch.eye(4)), "m = 4"),
        (lambda: thomson.places(torch.eye(3)[None]), r"\(m, n\) is needed"),
    ],
)
def test_a_bad_argument_is_named(call, message):
    with pytest.raises(InvalidArgument, match=message):
        call()


@pytest.mark.parametrize("alpha", [1.0, 2.0, 5.0])
@pytest.mark.parametrize("one_sided", [False, True])
def test_a_powers_slope_is_its_derivative(alpha, one_sided):
    potential = thomson.power(alpha, rounding=0.1, one_sided=one_sided)
    c = torch.linspace(-0.95, 0.95, 38, dtype=torch.float64).requires_grad_()
    (slope,) = torch.autograd.grad(potential.value(c).sum(), c)
    torch.testing.assert_close(potential.slope(c.detach()), slope)
    assert potential.value(torch.zeros(1, dtype=torch.float64)).abs() < 1e-15


def test_no_frame_costs_less_than_a_tight_one():
    found = thomson.minimise(7, 3, thomson.power(2.0), tries=5)
    torch.testing.assert_close(found.energy, torch.full((5,), 49 / 3 - 7, dtype=torch.float64))


def test_a_descent_can_start_from_given_points():
    starts = thomson.polygon(5)[None].repeat(2, 1, 1)
    found = thomson.minimise(5, 2, starts=starts)
    torch.testing.assert_close(found.points, starts)
