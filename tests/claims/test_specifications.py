"""The registered grids: what they hold, and what is refused in them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import yaml

from superpos.claims.specifications import LEAST, load_pools
from superpos.errors import InvalidArgument

RISES = SimpleNamespace(chapter="lines", thresholds={"least": 0.5, "tries": 10})
FALLS = SimpleNamespace(chapter="lines", thresholds={})
REGISTRY = {
    "rises": RISES,
    "falls": FALLS,
    "turns": SimpleNamespace(chapter="circles", thresholds={}),
}
POOL = {
    "pool": "lines",
    "chapter": "lines",
    "claims": ["rises"],
    "why": "The source is silent.",
    "seconds": 5,
    "settings": {"n_seeds": 20},
    "factors": {
        "slope": {"flat": {"slope": 0.1}, "steep": {"slope": 2}},
        "rate": {"0.1": {}, "0.2": {"procedure.learning_rate": 0.2}, "0.3": {"way": "fast"}},
        "scale": {"as it is": {}, "half": {"times.initial_scale": 0.5}},
    },
    "thresholds": {"rises": {"least": {"values": [0.5, 0.8], "range": [0.3, 0.9]}}},
}


@pytest.fixture
def load(tmp_path):
    """Load a file of the given pools."""

    def load_entries(*entries):
        (tmp_path / "specifications.yml").write_text(yaml.safe_dump(list(entries), sort_keys=False))
        return load_pools(tmp_path, REGISTRY)

    return load_entries


def test_cells_are_all_combinations_in_order_each_with_all_that_it_changes(load):
    cells = load(POOL)["lines"].cells()
    assert len(cells) == 12
    assert cells[0].options == {"slope": "flat", "rate": "0.1", "scale": "as it is"}
    assert cells[0].changes.settings == {"n_seeds": 20, "slope": 0.1}
    last = cells[-1]
    assert last.options == {"slope": "steep", "rate": "0.3", "scale": "half"}
    assert last.changes.settings == {"n_seeds": 20, "slope": 2}
    assert (last.changes.way, last.changes.times) == ("fast", {"initial_scale": 0.5})
    assert cells[3].changes.fields == {"learning_rate": 0.2}
    assert len({tuple(cell.options.values()) for cell in cells}) == 12


def test_thresholds_are_crossed_with_all_cells(load):
    pool = load(POOL)["lines"]
    assert pool.detectors("rises") == [{"least": 0.5}, {"least": 0.8}]
    assert pool.count("rises") == 24


def test_a_fraction_has_every_option_equally_often(load):
    values = {"least": {"values": [0.5, 0.6, 0.7, 0.8], "range": [0.3, 0.9]}}
    pool = load(POOL | {"fraction": 2, "thresholds": {"rises": values}})["lines"]
    cells = pool.cells()
    assert len(cells) == 6
    for factor, options in pool.factors.items():
        counts = [sum(cell.options[factor] == label for cell in cells) for label in options]
        assert len(set(counts)) == 1, factor


def test_there_may_be_no_grids(tmp_path):
    assert load_pools(tmp_path, REGISTRY) == {}


def changed(*path, to):
    """A copy of the pool in which one entry is otherwise, or left out."""
    pool = yaml.safe_load(yaml.safe_dump(POOL))
    *way, last = path
    inner = pool
    for name in way:
        inner = inner[name]
    inner[last] = to
    return pool


LEAST_AT = ("thresholds", "rises", "least")


@pytest.mark.parametrize(
    ("pool", "message"),
    [
        ("lines", "'lines' is no pool: it needs a name under `pool`"),
        ({"pool": "lines"}, "pool lines lacks chapter, claims, factors, seconds, settings, why"),
        (POOL | {"colour": 1}, "pool lines has unknown fields: colour"),
        (POOL | {"seconds": 0}, "pool lines has 0 seconds: a number above 0 is needed"),
        (POOL | {"seconds": True}, "has True seconds"),
        (POOL | {"amendments": "Because."}, "has amendments 'Because.': a list of texts"),
        (POOL | {"fraction": 0.5}, "has a fraction of 0.5: a whole number is needed"),
        (POOL | {"fraction": 3}, "one combination in 3: that is balanced only where two"),
        (POOL | {"claims": []}, r"has the claims \[\]: a list is needed"),
        (POOL | {"claims": ["rises", "rises"]}, "a list is needed"),
        (POOL | {"claims": ["dives"]}, "decides dives, which claims.yml does not register"),
        (POOL | {"claims": ["turns"]}, "of the chapter lines, and turns is of circles"),
        (POOL | {"claims": ["rises", "falls"]}, f"12 specifications of falls: at least {LEAST}"),
        (POOL | {"settings": 3}, "has 3 for settings: names with values are needed"),
        (changed("factors", "slope", to={"flat": {}}), "slope needs two options or more"),
        (changed("factors", "slope", "flat", to=3), "has 3 for its changes: names with values"),
        (changed("factors", "slope", "flat", to={"a.b": 3}), "changes a.b: the name of a param"),
        (changed("factors", "scale", "half", to={"times.a": 0}), "times.a is 0: a factor above 0"),
        (changed("factors", "rate", "0.1", to={"way": 3}), "way is 3: a name is needed"),
        (changed("factors", "rate", "0.1", to={"slope": 3}), "slope is changed by two factors"),
        (changed("thresholds", "falls", to={}), "thresholds of falls, which it does not decide"),
        (changed("thresholds", "rises", "most", to={}), "most of rises is no threshold of it"),
        (changed(*LEAST_AT, to=[0.5, 0.8]), "`values` and the `range` they are from are needed"),
        (changed(*LEAST_AT, "range", to=[0.9, 0.3]), "its two ends are needed"),
        (changed(*LEAST_AT, "range", to=[0.6, 0.9]), "least of rises is 0.5, outside of its range"),
        (changed(*LEAST_AT, "values", to=[0.6, 0.8]), "lacks the registered value, 0.5"),
        (changed(*LEAST_AT, "values", to=[0.5, 1]), "is 1, outside of its range, 0.3 to 0.9"),
        (changed(*LEAST_AT, "values", to=[0.5]), "two or more are needed"),
        (changed(*LEAST_AT, "values", to=[0.5, "x"]), "is 'x': a number is needed"),
    ],
)
def test_nonsense_is_refused_in_a_sentence(load, pool, message):
    with pytest.raises(InvalidArgument, match=message) as refusal:
        load(pool)
    assert "\n" not in str(refusal.value)


def test_only_a_claim_with_a_best_of_some_runs_can_be_judged_by_it(load):
    best = {"best_of": {"values": [1, 5], "range": [1, 10]}}
    assert load(changed("thresholds", "rises", to=best))["lines"].count("rises") == 24
    pool = POOL | {"claims": ["falls"], "thresholds": {"falls": best}}
    with pytest.raises(InvalidArgument, match="best_of of falls is no threshold of it"):
        load(pool)


def test_a_factor_and_a_threshold_need_names_of_their_own(load):
    pool = POOL | {"factors": POOL["factors"] | {"least": {"0.5": {}, "0.6": {"width": 0.6}}}}
    with pytest.raises(InvalidArgument, match="a factor least, which is a threshold of rises"):
        load(pool)


def test_a_claim_has_one_curve_and_a_pool_one_entry(load):
    with pytest.raises(InvalidArgument, match="pool lines is there twice"):
        load(POOL, POOL)
    with pytest.raises(InvalidArgument, match="rises is in two pools, lines and others"):
        load(POOL, POOL | {"pool": "others"})


@pytest.mark.parametrize(
    ("text", "message"), [("{", "is not valid YAML"), ("pool: lines", "a list of pools is needed")]
)
def test_what_is_no_list_is_refused(tmp_path, text, message):
    (tmp_path / "specifications.yml").write_text(text)
    with pytest.raises(InvalidArgument, match=message):
        load_pools(tmp_path, REGISTRY)
