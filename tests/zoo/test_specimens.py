"""What is in the zoo, by name."""

from __future__ import annotations

import json
import re

import pytest
import torch
from safetensors import safe_open

from superpos import geometry, zoo
from superpos.errors import InvalidArgument
from superpos.zoo.specimens import CERTIFICATES, FOLDER, WEIGHTS


def test_there_are_thirty_models_or_more_in_less_than_a_tenth_of_a_mebibyte_each_way():
    assert len(zoo.names()) == len(set(zoo.names())) >= 30
    assert (FOLDER / WEIGHTS).stat().st_size < 1e5
    assert (FOLDER / CERTIFICATES).stat().st_size < 1e5


@pytest.mark.parametrize("name", zoo.names())
def test_each_model_is_whole(name: str):
    one = zoo.load(name)
    entry = json.loads((FOLDER / CERTIFICATES).read_text("utf-8"))[name]
    assert (one.name, one.n, one.m) == (name, entry["n"], entry["m"])
    shapes = one.model.shapes(one.n, one.m)
    assert {key: tuple(value.shape) for key, value in one.parameters.items()} == shapes
    assert one.importance.shape == (one.n,)
    assert one.features.n == one.n
    x = one.inputs(7)
    assert x.dtype == one.reconstruct(x).dtype == torch.float32
    assert one.reconstruct(x).shape == x.shape
    assert all(torch.isfinite(value).all() for value in one.parameters.values())
    for sentence in (one.about, one.made, *one.certificate.sentences()):
        assert re.match(r"[A-Z].*\.$", sentence), sentence


def test_nothing_is_stored_that_no_model_has():
    with safe_open(FOLDER / WEIGHTS, "pt") as file:
        stored = set(file.keys())
    wanted = {f"{name}/{key}" for name in zoo.names() for key in zoo.load(name).parameters}
    assert stored == wanted | {"memorised/x"}


def test_shapes_that_are_told_are_those_of_the_weights():
    geometric = [one for one in map(zoo.load, zoo.names()) if " of " not in one.certificate.shape]
    geometric = [one for one in geometric if "neurons" not in one.certificate.shape]
    assert len(geometric) > 25
    for one in geometric:
        assert zoo.shape_of(one.W) == one.certificate.shape, one.name


@pytest.mark.parametrize(
    ("name", "share"),
    [("digon", 1 / 2), ("triangle", 2 / 3), ("tetrahedron", 3 / 4), ("pentagon", 2 / 5),
     ("square-antiprism", 3 / 8), ("rectified-5-cell", 2 / 5)],
)  # fmt: skip
def test_polytopes_have_the_papers_fractions(name: str, share: float):
    D = geometry.feature_dimensionality(zoo.load(name).W)
    torch.testing.assert_close(D, torch.full_like(D, share), rtol=1e-2, atol=0)


def test_a_group_is_of_what_it_says():
    for name in zoo.names():
        one = zoo.load(name)
        told = one.certificate
        if one.group == "Polytopes":
            assert told.is_best, name
            assert told.standing == "minimum", name
        if one.group.startswith("Minima that are not the best"):
            assert not told.is_best, name
            assert told.standing in ("minimum", "saddle"), name
        if one.group == "As training leaves them":
            assert told.standing == "not at rest", name


def test_examples_are_the_inputs_of_the_model_that_has_learnt_them():
    one = zoo.load("memorised")
    assert torch.equal(one.inputs(3), one.inputs(50))
    torch.testing.assert_close(one.inputs(1).norm(dim=-1), torch.ones(5))
    assert (one.reconstruct(one.inputs(1)) - one.inputs(1)).abs().max() < 1e-3


def test_inputs_are_the_seeds_alone():
    one = zoo.load("pentagon")
    assert torch.equal(one.inputs(9), one.inputs(9, seed=0))
    assert not torch.equal(one.inputs(900), one.inputs(900, seed=1))


def test_precision_is_what_is_asked_for():
    exact, single = zoo.load("cube", dtype=torch.float64), zoo.load("cube")
    assert (exact.W.dtype, single.W.dtype) == (torch.float64, torch.float32)
    assert not torch.equal(exact.W, single.W.double())
    assert torch.equal(exact.W.float(), single.W)


def test_what_cannot_be_loaded_is_named():
    with pytest.raises(InvalidArgument, match="name is 'Pentagon': there are digon, triangle"):
        zoo.load("Pentagon")
    with pytest.raises(InvalidArgument, match=r"dtype is torch.int32: one of real numbers"):
        zoo.load("pentagon", dtype=torch.int32)
    with pytest.raises(InvalidArgument, match="count"):
        zoo.load("pentagon").inputs(0)


def test_the_table_has_a_line_for_each_model_in_columns():
    table = zoo.table()
    lines = str(table).splitlines()
    assert [row.name for row in table] == zoo.names()
    shown = {line.split()[0]: line for line in lines if line}
    assert shown.keys() >= set(zoo.names())
    head = lines[0]
    for row in table:
        assert shown[row.name].index(row.size) == head.index("n → m")
        assert shown[row.name][head.index("standing") :].startswith(row.standing)
    assert repr(table) == str(table)
    assert table._repr_html_().count("<tr>") == 1 + len(table) + len(list(table.groups()))


def test_a_model_tells_about_itself():
    told = str(zoo.load("stuck-cross"))
    assert told.startswith("stuck-cross: 5 features in 2 dimensions, p = 0.05\n")
    assert "99% above the lowest known" in told
