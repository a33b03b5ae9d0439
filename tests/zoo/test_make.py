"""How the zoo is made: some of it again, from nothing."""

from __future__ import annotations

import json

import pytest
import torch

from superpos import Procedure, geometry, train, zoo
from superpos.errors import InvalidArgument
from superpos.zoo import descents, make
from superpos.zoo.recipes import recipes
from superpos.zoo.specimens import CERTIFICATES, WEIGHTS

RECIPES = recipes()


@pytest.mark.parametrize("name", ["digon", "triangle", "anticorrelated-stuck", "one-kept"])
def test_a_model_comes_out_again_with_its_certificate(name: str):
    kept = zoo.load(name, dtype=torch.float64)
    parameters, told = make.made(RECIPES[name])
    for found, old in (
        (geometry.gram(parameters["W"]), geometry.gram(kept.W)),
        (parameters["b"], kept.b),
    ):  # which of starts that come to the same loss is the lowest, rounding decides
        found, old = (each.flatten().sort().values for each in (found, old))
        torch.testing.assert_close(found, old, rtol=1e-6, atol=1e-6)
    old = kept.certificate
    assert told.loss == pytest.approx(old.loss, rel=1e-9, abs=1e-12)
    assert told.best == pytest.approx(old.best, rel=1e-9, abs=1e-12)
    assert told.curvature == pytest.approx(old.curvature, rel=1e-5)
    assert (told.standing, told.shape, told.proof) == (old.standing, old.shape, old.proof)


def test_what_training_leaves_comes_out_again_as_far_as_rounding_lets_it():
    kept = zoo.load("trained-80-20")
    recipe = RECIPES["trained-80-20"]
    found = train(
        recipe.features, recipe.m, seeds=[0], procedure=Procedure.fast(80, 20), progress=False
    )
    torch.testing.assert_close(found.W[0].norm(), kept.W.norm(), rtol=1e-2, atol=0)


def test_the_zoo_has_a_model_for_each_recipe_in_their_order():
    assert list(RECIPES) == zoo.names()
    for name, recipe in RECIPES.items():
        one = zoo.load(name)
        assert (one.group, one.about, one.made) == (recipe.group, recipe.about, recipe.made)
        assert one.model == recipe.model
        assert (one.n, one.m) == (recipe.features.n, recipe.m)
        torch.testing.assert_close(one.importance.double(), recipe.weights)
        told, asked = descents.told_inputs(one.features), descents.told_inputs(recipe.features)
        assert told.pop("probability", 0) == pytest.approx(asked.pop("probability", 0))
        assert told == asked


def test_what_is_written_is_read(tmp_path, monkeypatch, capsys):
    make.write([RECIPES["digon"], RECIPES["linear"]], tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {WEIGHTS, CERTIFICATES}
    monkeypatch.setattr(zoo.specimens, "FOLDER", tmp_path)
    zoo.specimens._entries.cache_clear()
    try:
        assert zoo.names() == ["digon", "linear"]
        assert zoo.load("linear").certificate.proof
    finally:
        monkeypatch.undo()
        zoo.specimens._entries.cache_clear()
    text = (tmp_path / CERTIFICATES).read_text("utf-8")
    assert "NaN" not in text
    assert json.loads(text)["digon"]["inputs"]["probability"] == pytest.approx(0.1)
    assert "The loss is" in capsys.readouterr().out


def test_searches_start_from_the_same_places():
    W, b = descents.random_starts(5, 2, 30)
    assert torch.equal(W, descents.random_starts(5, 2, 30)[0])
    assert W.shape == (30, 2, 5)
    assert b.abs().max() == 0
    assert not torch.equal(W, descents.random_starts(6, 2, 30)[0][..., :5])


def test_a_level_that_no_start_comes_to_is_refused():
    with pytest.raises(InvalidArgument, match="there are only"):
        descents.level(50)(RECIPES["one-kept"])


def test_from_the_command_line_some_are_made_and_nothing_is_written(capsys):
    make.main(["one-kept"])
    assert "No lower one is known" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="unknown: unicorn; there are digon"):
        make.main(["unicorn"])
