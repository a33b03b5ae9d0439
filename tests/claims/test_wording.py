from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from superpos.claims.registry import VERDICTS, load_registry
from superpos.claims.wording import LABELS, label, mark

CLAIM = load_registry(Path(__file__).parents[2] / "book" / "claims.yml")["loss-L0"]


@pytest.mark.parametrize(
    ("share", "complete", "told"),
    [
        (0.5, False, "more than half of the cells show it, the whole 95 % interval included."),
        (0.1, False, "more than a tenth of the cells show it, the whole 95 % interval included."),
        (0.999, False, "more than 99.9 % of the cells show it, the whole 95 % interval included."),
        (0.9, True, "more than 90 % of all cells show it."),
        (0.5, True, "more than half of all cells show it."),
    ],
)
def test_a_mark_names_the_share_the_trial_and_an_interval_where_there_is_one(share, complete, told):
    claim = replace(CLAIM, share=share, complete=complete, trials="cells")
    assert mark(claim) == f"Holds if {told}"


def test_each_verdict_has_a_label_and_new_has_two():
    assert LABELS == ("reproduced", "qualified", "contradicted", "new: held", "new: failed",
                      "untested")  # fmt: skip
    assert {shown.partition(":")[0] for shown in LABELS} == set(VERDICTS)


@pytest.mark.parametrize("held", [True, False, None])
def test_only_what_is_new_says_whether_it_held(held):
    for verdict in VERDICTS:
        if verdict != "new":
            assert label(verdict, held) == verdict
    assert label("new") == "new"
