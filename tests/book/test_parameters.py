from __future__ import annotations

import math

import pytest

from superpos.book.parameters import Parameter, choose, read_cell
from superpos.errors import InvalidArgument

CELL = """\
n: int = 5  # number of features [1, inf)
p: float = 0.1  # probability of a feature (0, 1]
device: str = "cpu"  # where to train {cpu, cuda}
sizes: list[int] = [5, 20]  # hidden sizes [1, 100]
label: str = "a"
quick: bool = False  # a small run
"""
PARAMETERS = read_cell(CELL, where="here")


def test_a_cell_gives_names_types_defaults_and_help_in_its_order():
    assert [parameter.name for parameter in PARAMETERS] == [
        *("n", "p", "device", "sizes", "label", "quick")
    ]
    assert PARAMETERS[0] == Parameter("n", "int", 5, "number of features [1, inf)")
    assert PARAMETERS[3].default == [5, 20]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("n", "7", 7),
        ("p", "1", 1.0),
        ("p", "1e-3", 0.001),
        ("device", "cuda", "cuda"),
        ("sizes", "3,4", [3, 4]),
        ("quick", "true", True),
        ("quick", "0", False),
        ("label", "any text", "any text"),
    ],
)
def test_text_becomes_a_value_of_the_parameters_type(name, text, value):
    chosen = choose(PARAMETERS, {name: text}, chapter="c")
    assert chosen == {name: value}
    assert type(chosen[name]) is type(value)


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("n", "0", "a whole number in [1, inf)"),
        ("n", "2.5", "a whole number in [1, inf)"),
        ("n", "many", "a whole number in [1, inf)"),
        ("n", 2.0, "a whole number in [1, inf)"),
        ("n", True, "a whole number in [1, inf)"),
        ("p", "0", "a number in (0, 1]"),
        ("p", "1.01", "a number in (0, 1]"),
        ("p", "nan", "a number in (0, 1]"),
        ("p", math.nan, "a number in (0, 1]"),
        ("device", "tpu", "one of cpu, cuda"),
        ("sizes", "3,101", "a comma-separated list, each a whole number in [1, 100]"),
        ("sizes", "", "a comma-separated list, each a whole number in [1, 100]"),
        ("quick", "maybe", "true or false"),
    ],
)
def test_a_refusal_names_the_parameter_the_value_and_what_is_accepted(name, value, accepted):
    with pytest.raises(InvalidArgument) as refused:
        choose(PARAMETERS, {name: value}, chapter="c")
    assert str(refused.value) == f"parameter {name} must be {accepted}; got {value}"


def test_numbers_without_an_interval_must_be_finite():
    parameters = read_cell("x: float = 0.0", where="here")
    for value in ("nan", "inf", "-inf"):
        with pytest.raises(InvalidArgument, match="parameter x must be a number"):
            choose(parameters, {"x": value}, chapter="c")


def test_an_unknown_name_is_refused_with_the_nearest_known_one():
    with pytest.raises(InvalidArgument, match=r"chapter c has no parameter sise.*mean sizes\?"):
        choose(PARAMETERS, {"sise": "3"}, chapter="c")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("n = 5  # a = b", "papermill cannot read the parameter n"),
        ("n = 5", "parameter n has the type None"),
        ("n: dict = {}", "parameter n has the type dict"),
        ("n: int = 0  # size [1, 9]", r"the default of parameter n must be .* \[1, 9\]; got 0"),
        ("n: int =", "parameters: invalid syntax"),
    ],
)
def test_a_line_that_cannot_be_checked_is_an_error_in_the_notebook(line, message):
    with pytest.raises(InvalidArgument, match=f"notebooks/c.md.*{message}"):
        read_cell(line, where="notebooks/c.md")
