from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from superpos.claims.registry import VERDICTS, load_registry
from superpos.claims.rule import FAILS, HOLDS, SOMETIMES
from superpos.claims.wording import LABELS, label, mark, reason

CLAIM = load_registry(Path(__file__).parents[2] / "book" / "claims.yml")["loss-L0"]


@pytest.mark.parametrize(
    ("share", "complete", "told"),
    [
        (0.5, False, "more than half of the cells show it, fails if fewer than 30 % do, "),
        (0.999, False, "more than 99.9 % of the cells show it, fails if fewer than 30 % do, "),
        (0.1, False, "more than a tenth of the cells show it, fails if fewer than a tenth do, "),
        (0.9, True, "more than 90 % of all cells show it, fails if fewer than 30 % do; "),
    ],
)
def test_a_mark_names_both_shares_the_trial_and_an_interval_where_there_is_one(
    share, complete, told
):
    claim = replace(CLAIM, share=share, lower=min(share, 0.3), complete=complete, trials="cells")
    interval = "" if complete else "each by the whole 95 % interval; "
    assert mark(claim) == f"Holds if {told}{interval}in between it holds sometimes."


def test_each_verdict_has_a_label_and_new_has_three():
    assert LABELS == ("reproduced", "qualified", "contradicted", "new: held", "new: sometimes",
                      "new: failed", "untested")  # fmt: skip
    assert {shown.partition(":")[0] for shown in LABELS} == set(VERDICTS)


@pytest.mark.parametrize("held", [HOLDS, SOMETIMES, FAILS, None])
def test_only_what_is_new_says_whether_it_held(held):
    for verdict in VERDICTS:
        if verdict != "new":
            assert label(verdict, held) == verdict
    assert label("new") == "new"


def test_what_is_undecided_says_what_is_missing():
    open_, fails = frozenset({SOMETIMES, FAILS}), frozenset({FAILS})
    trained = replace(CLAIM, training=True, trials="cells")
    assert reason(trained, "untested", [open_]).endswith("more cells are needed.")
    assert reason(trained, "untested", [open_, fails]).endswith("more cells are needed.")
    told = reason(trained, "untested", [fails, fails], missing=["at rest"])
    assert told.startswith("It fails where it was measured.")
    assert told.endswith("not measured yet: at rest.")
    assert reason(CLAIM, "untested", [fails]).endswith("more random models are needed.")
    assert reason(trained, "qualified", [fails, {SOMETIMES}]) == "It holds sometimes, at this rate."
    for verdict in ("reproduced", "contradicted", "new", "qualified"):
        assert reason(trained, verdict, [fails]) == ""
    assert reason(trained, "qualified", [{HOLDS}, fails]).endswith("not both.")
    told = reason(trained, "qualified", [{HOLDS}], curve="few", decides="the rate")
    assert told == "It holds in few reasonable specifications; what decides most is the rate."
    assert reason(trained, "qualified", [{HOLDS}], curve="few") == told.partition(";")[0] + "."
    assert reason(trained, "qualified", [{HOLDS}], curve="most") == ""
    assert reason(trained, "qualified", [fails], curve="most").startswith(
        "It fails here, and holds"
    )
    assert reason(trained, "qualified", [fails], curve="few") == ""
