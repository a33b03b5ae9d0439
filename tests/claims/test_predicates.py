from __future__ import annotations

import textwrap

import pytest

from superpos.claims.predicates import RULE, TEST, predicates


def parts(body: str, *, before: str = "", arguments: str = "heads, *, enough") -> dict[str, str]:
    """The parts of the test whose body is given, in a module that begins with ``before``."""
    test = f'@study.test("many")\ndef many({arguments}):\n{textwrap.indent(body, "    ")}\n'
    return dict(predicates(f"{before}\n\n{test}", "coins.py")["many"].parts)


def cell(*lines: str) -> str:
    return "\n".join(["```{code-cell} ipython3", ":tags: [hide-input]", *lines, "```", ""])


PLAIN = "shown = heads > enough\nreturn Outcome(shown)"


@pytest.mark.parametrize(
    "body",
    [
        '"""Heads are many."""\nshown = heads > enough  # more\nreturn Outcome(shown)',
        "shown: Tensor = (heads\n    > enough)\nreturn Outcome(shown)",
        "low = heads.min()\nshown = heads > enough\nreturn Outcome(shown, measured={'low': low})",
        "shown = heads > enough\nreturn Outcome(shown, seen=heads, measured={'all': str(shown)})",
    ],
)
def test_what_does_not_decide_is_left_out(body):
    assert parts(body) == parts(PLAIN)


def test_neither_are_annotations_of_arguments():
    assert parts(PLAIN, arguments="heads: Tensor, *, enough: float") == parts(PLAIN)
    assert parts(PLAIN, arguments="heads, enough") != parts(PLAIN)


@pytest.mark.parametrize(
    "body",
    [
        "shown = heads >= enough\nreturn Outcome(shown)",
        "shown = heads > enough\nreturn Outcome(~shown)",
        "shown = heads > enough\nreturn Outcome(shown, weaker=shown)",
        "shown = heads > enough\nreturn Outcome(shown, at_rest=shown)",
        "shown = heads > enough\nshown[0] = True\nreturn Outcome(shown)",
        "shown = heads > enough\nshown += 1\nreturn Outcome(shown)",
        "heads = heads.sort()\nshown = heads > enough\nreturn Outcome(shown)",
        "if enough > 9:\n    return Outcome(heads)\nshown = heads > enough\nreturn Outcome(shown)",
    ],
)
def test_what_decides_is_not(body):
    assert parts(body) != parts(PLAIN)


def test_what_is_told_in_between_arguments_by_position_decides_nothing():
    short = "return Outcome(heads > enough, heads > 1)"
    assert parts("return Outcome(heads > enough, heads > 1, {'low': heads.min()})") == parts(short)


def test_values_that_are_gathered_decide():
    gathered = (
        "found = []\nfor each in heads:\n    found.append(each > enough)\nreturn Outcome(found)"
    )
    assert "found.append(each > enough)" in parts(gathered)[TEST]
    assert parts(gathered)[TEST] != parts(gathered.replace("each > enough", "True"))[TEST]


def test_functions_and_constants_of_the_file_are_followed_and_variables_are_not():
    before = '''
import torch

LEAST = 3
OTHER = 4

def lowest(heads):
    """The lowest."""
    return heads.min() - LEAST

def above(heads):
    return lowest(heads) > 0

def heads(x):
    return x
'''
    found = parts("return Outcome(above(heads))", before=before)
    assert list(found) == [TEST, "LEAST", "above", "lowest"]
    assert found["lowest"] == "heads\nreturn heads.min() - LEAST"


def test_the_name_of_the_test_and_its_place_do_not_count():
    one = '@study.test("many")\ndef many(heads):\n    return Outcome(heads > 3)\n'
    other = "x = 1\n\n\n" + one.replace("def many", "def heads_are_many")
    assert predicates(one, "a.py") == predicates(other, "b.py")
    assert predicates(other, "b.py")["many"].path == "b.py"


def test_a_notebook_decides_in_the_cell_that_records():
    text = cell(
        "def enough(x):",
        "    return x > 3",
    ) + cell(
        "%matplotlib inline",
        "fig, ax = draw(heads)",
        "shown = enough(heads)",
        'claims.record("many", shown, quick=quick, measured={"low": fig})',
    )
    found = predicates(text, "coins.md")["many"]
    assert found.in_notebook
    assert found.parts == {
        TEST: "shown = enough(heads)\nclaims.record('many', shown)",
        "enough": "x\nreturn x > 3",
    }


def test_a_notebook_that_records_in_a_loop_decides_all_claims_of_it():
    text = cell(
        'for name, rate in (("many", 3), ("few", 1)):',
        "    claims.record(name, heads > rate)",
    )
    found = predicates(text, "coins.md")
    assert set(found) >= {"many", "few"}
    assert "claims.record(name, heads > rate)" in found["few"].parts[TEST]


def test_a_notebook_that_only_names_claims_decides_none():
    assert predicates(cell('run.record("many", "few")'), "coins.md") == {}
    assert predicates(cell("run.record("), "coins.md") == {}


def test_parts_that_changed_are_named_the_test_first():
    before, after = (
        predicates(
            f"A = 3\n@study.test('many')\ndef many(heads):\n    return Outcome({code})\n", "a.py"
        )
        for code in ("heads > A", "lowest(heads)")
    )
    assert after["many"].changed(before["many"]) == [TEST, "A"]
    assert after["many"].changed(after["many"]) == []


def test_the_rule_is_the_function_that_judges_a_claim():
    text = "def judge(claim, shown):\n    return shown > claim.share\n"
    assert list(predicates(text, "verdicts.py")) == [RULE]
    assert predicates(text.replace("claim", "self"), "study.py") == {}
