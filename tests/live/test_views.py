"""The other views: what they compute is what the package computes; how they are handled."""

from __future__ import annotations

import pytest
import torch

from superpos.codes.polytopes import POLYTOPES
from superpos.learning import onehot
from superpos.optima import minimise, phases
from superpos.optima.ladder import rung

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True}


def tensor(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_zones_have_the_package_s_loss_and_slopes(opened):
    page = opened(view="zones")
    draws = torch.Generator().manual_seed(0)
    for n in range(3, 9):
        W = torch.randn(20, 2, n, generator=draws, dtype=torch.float64)
        b = torch.randn(20, n, generator=draws, dtype=torch.float64) / 2
        sent = [{"W": w.T.tolist(), "b": c.tolist()} for w, c in zip(W, b, strict=True)]
        found = page.evaluate("models => models.map(live.onehot)", sent)
        by_W, by_b = onehot.gradients(W, b)
        assert torch.allclose(tensor([one["loss"] for one in found]), onehot.loss(W, b), atol=1e-12)
        assert torch.allclose(tensor([one["by"]["W"] for one in found]).mT, by_W, atol=1e-12)
        assert torch.allclose(tensor([one["by"]["b"] for one in found]), by_b, atol=1e-12)


@pytest.mark.parametrize("name", ["regular", "failure"])
def test_solutions_are_the_package_s_but_for_a_turn(opened, name):
    page = opened(view="zones")
    for n in range(4, 9):
        made = page.evaluate(f"n => live.{name}(n)", n)
        W, b = getattr(onehot, name)(n)
        found = tensor(made["W"]).T
        assert torch.allclose(found.T @ found, W.T @ W, atol=1e-12)
        assert torch.allclose(tensor(made["b"]), b, atol=1e-12)


def test_phases_are_the_package_s(opened):
    page = opened(view="phases")
    places = [(p, r) for p in (0.02, 0.1, 0.3, 0.5, 0.9) for r in (0.15, 0.7, 1.3, 6.0)]
    p, r = tensor(places).unbind(-1)
    costs = tensor(page.evaluate("all => all.map(([p, r]) => live.candidateLosses(p, r))", places))
    assert torch.allclose(costs.T, phases.candidate_losses(p, r), atol=1e-12)
    found = page.evaluate("all => all.map(([p, r]) => live.bestPair(p, r))", places)
    starts = phases.candidates()[:, None] + tensor([0.0, 0.01])
    best = minimise(
        starts.expand(3, len(places), 1, 2), torch.zeros(3, len(places), 2),
        p[:, None], phases.importances(r),
    ).best()  # fmt: skip
    assert torch.allclose(tensor([one["loss"] for one in found]), best.loss, rtol=1e-3, atol=0)
    names = [phases.TWO_FEATURES[k] for k in phases.kind(best.W).tolist()]
    assert [one["name"] for one in found] == names


def test_the_ladder_is_the_package_s(opened):
    p = tensor([0.9, 0.5, 0.2, 0.1, 0.03, 0.01])
    page = opened(view="ladder")
    for name in ("digon", "triangle", "tetrahedron", "pentagon", "square antiprism"):
        found = page.evaluate(
            "([name, all]) => all.map(p => live.saved(name, p))", [name, p.tolist()]
        )
        expected = rung(POLYTOPES[name], p)
        assert torch.allclose(tensor([one["saved"] for one in found]), expected.saved, atol=1e-5)
        lengths = tensor([one["length"] for one in found])
        assert torch.allclose(lengths, expected.size.sqrt(), atol=1e-3)


def found(page) -> str:
    return page.locator(".found").inner_text()


def test_a_lost_feature_is_drawn_to_its_place_and_descends(opened):
    page = opened(view="zones", reduced_motion="reduce")
    assert found(page) == "Feature 7 lost\nloss 0.0175"  # (1 − 1/7)/49
    lost = page.get_by_role("button", name="Feature 7")
    box = lost.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 90, y - 30, steps=4)
    page.mouse.up()
    assert "length 0.00" not in page.locator("circle[aria-label^='Feature 7']").get_attribute(
        "aria-label"
    )
    page.get_by_role("button", name="Descend").click()
    assert found(page).startswith("All seven")
    assert page.problems == []


def test_zones_are_moved_by_keyboard(opened):
    page = opened({"n": 5}, view="zones")
    page.get_by_role("button", name="All stored").click()
    assert found(page).startswith("All five, without loss")
    edge = page.get_by_role("slider", name="Bias of feature 2")
    before = float(edge.get_attribute("aria-valuenow"))
    edge.press("ArrowUp")
    assert float(edge.get_attribute("aria-valuenow")) == pytest.approx(before + 0.02, abs=0.011)
    assert "without loss" not in found(page)
    feature = page.get_by_role("button", name="Feature 1")
    told = feature.get_attribute("aria-label")
    feature.press("ArrowLeft")
    assert feature.get_attribute("aria-label") != told


def test_the_map_answers_where_it_is_pressed(opened):
    page = opened(view="phases")
    box = page.locator(".map").bounding_box()
    page.mouse.click(box["x"] + 0.03 * box["width"], box["y"] + 0.9 * box["height"])
    assert found(page).startswith("Extra left out")
    page.mouse.click(box["x"] + 0.03 * box["width"], box["y"] + 0.1 * box["height"])
    assert found(page).startswith("Other left out")
    page.mouse.click(box["x"] + 0.97 * box["width"], box["y"] + 0.5 * box["height"])
    assert found(page).startswith("Antipodal pair")
    cross = page.locator(".cross").bounding_box()
    assert abs(cross["x"] + cross["width"] / 2 - box["x"] - 0.97 * box["width"]) < 2
    page.get_by_label("Density p").press("End")
    assert not found(page).startswith("Antipodal pair")
    assert page.problems == []


def test_the_ladder_has_another_rung_for_each_density(opened):
    page = opened(view="ladder")
    slider = page.get_by_label("Density p")
    names = []
    for log in (-0.3, -2.0):
        slider.evaluate(
            "(one, to) => { one.value = to; one.dispatchEvent(new Event('input')); }", log
        )
        names.append(found(page).partition("\n")[0])
    assert names == ["Digon", "Square antiprism"]


@pytest.mark.parametrize("view", ["zones", "phases", "ladder"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_views_fit_a_phone(opened, view, theme):
    page = opened(view=view, theme=theme, **PHONE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.problems == []
