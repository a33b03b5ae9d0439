from __future__ import annotations

from superpos.studies.ways import elhage_notebook
from superpos.training.procedures import published


def test_the_initial_weights_are_those_of_an_array_of_as_many_models_as_the_chapter_says():
    def instances(n, attacked=False):
        return 7 if attacked else n

    way = elhage_notebook("an array of some models", instances, {"steps": 3, "steps_long": None})
    assert way.procedure(5, 2, 30) == published(5, 2, instances=5, steps=30)
    assert way.procedure(5, 2, 30, attacked=True) == published(5, 2, instances=7, steps=30)


def test_all_steps_are_the_notebook_s_and_a_quick_retest_takes_what_it_is_told():
    way = elhage_notebook("an array of some models", 1, {"steps": 3, "steps_long": None})
    assert way.settings == {"steps": 10_000, "steps_long": 10_000}
    assert way.quick == {"steps": 3}
    assert way.told.endswith("Glorot weights over an array of some models")
