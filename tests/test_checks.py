from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from superpos import checks
from superpos.errors import InvalidArgument


@pytest.mark.parametrize("value", [1, 2, 10**9])
def test_a_whole_number_comes_back(value):
    assert checks.whole_number("count", value) == value


@pytest.mark.parametrize("value", [0, -3, 1.0, 2.5, math.nan, True, "3", None])
def test_what_is_no_whole_number_is_named_with_its_value_and_the_least(value):
    with pytest.raises(InvalidArgument, match=r"count is .*at least 1") as refused:
        checks.whole_number("count", value)
    assert repr(value) in str(refused.value)


def test_the_least_whole_number_is_accepted_itself():
    assert checks.whole_number("count", 0, least=0) == 0
    with pytest.raises(InvalidArgument, match=r"count is 1: it must be at least 2"):
        checks.whole_number("count", 1, least=2)


@pytest.mark.parametrize("value", [0, 0.0, -1, math.nan, math.inf, -math.inf, True, "1", None])
def test_what_is_no_positive_number_is_named_with_its_value(value):
    with pytest.raises(InvalidArgument, match=r"rate is .*a finite number above 0") as refused:
        checks.positive_number("rate", value)
    assert str(value) in str(refused.value)


def test_zero_is_positive_only_where_it_is_allowed():
    assert checks.positive_number("decay", 0, allow_zero=True) == 0.0
    with pytest.raises(InvalidArgument, match="decay is -1: it must be a finite number of at"):
        checks.positive_number("decay", -1, allow_zero=True)


@pytest.mark.parametrize("value", [3, [1, 2], torch.tensor([1, 2]), torch.tensor(1.5).double()])
def test_real_numbers_become_a_floating_point_tensor(value):
    assert checks.finite("values", value).is_floating_point()
    assert checks.finite("values", value, dtype=torch.float64).dtype is torch.float64


@pytest.mark.parametrize("value", [math.nan, math.inf, [0.0, -math.inf]])
def test_nan_and_infinity_are_refused(value):
    with pytest.raises(InvalidArgument, match="values has an entry that is NaN or infinite"):
        checks.finite("values", value)


@pytest.mark.parametrize("value", [torch.tensor(1j), torch.tensor([True])])
def test_complex_numbers_and_booleans_are_refused(value):
    with pytest.raises(InvalidArgument, match=r"values has dtype .*real numbers are needed"):
        checks.finite("values", value)


@pytest.mark.parametrize("value", ["many", None, [[1.0], [1.0, 2.0]]])
def test_what_is_no_array_of_numbers_is_refused_by_name(value):
    with pytest.raises((InvalidArgument, TypeError), match="values"):
        checks.finite("values", value)


@pytest.mark.parametrize(("value", "told"), [(1.5, "1.5"), ([0.1, -0.25], "-0.25"), (2, "2")])
def test_a_probability_outside_0_and_1_is_told(value, told):
    with pytest.raises(InvalidArgument, match=f"p is {told}: a probability lies in"):
        checks.probabilities("p", value)


def test_the_ends_of_the_unit_interval_are_probabilities():
    assert checks.probabilities("p", [0.0, 1.0]).tolist() == [0.0, 1.0]


def test_importances_are_all_ones_by_default():
    assert torch.equal(checks.importances("importance", None, 3), torch.ones(3))


@pytest.mark.parametrize("shape", [(), (1,), (4,), (2, 1), (2, 4)])
def test_importances_get_one_entry_a_feature(shape):
    assert checks.importances("importance", torch.ones(shape), 4).shape == (*shape[:-1], 4)


def test_a_negative_importance_is_refused_and_zero_is_not():
    assert checks.importances("importance", 0.0, 2).tolist() == [0, 0]
    with pytest.raises(InvalidArgument, match="importance has a negative entry"):
        checks.importances("importance", [1.0, -0.1], 2)


def test_a_last_axis_that_is_not_the_features_is_refused_with_its_shape():
    with pytest.raises(InvalidArgument, match=r"p has shape \(2, 3\): .* 1 or n = 4"):
        checks.per_feature("p", torch.zeros(2, 3), 4)


@pytest.mark.parametrize("shape", [(), (3,), (0, 3), (3, 0)])
def test_weights_that_are_no_matrix_are_refused_with_their_shape(shape):
    with pytest.raises(InvalidArgument, match=r"W has shape .*\(\.\.\., m, n\)"):
        checks.weights(torch.zeros(shape))


def test_biases_take_the_type_of_the_weights_and_one_entry_a_feature():
    _, b = checks.weights(torch.zeros(2, 3, dtype=torch.float64), torch.zeros(7, 1))
    assert b.shape == (7, 3)
    assert b.dtype is torch.float64
    with pytest.raises(InvalidArgument, match=r"b has shape \(4,\)"):
        checks.weights(torch.zeros(2, 3), torch.zeros(4))


def test_leading_axes_that_do_not_broadcast_are_told_by_name_and_shape():
    with pytest.raises(InvalidArgument, match=r"W \(2, 5\), b \(3, 5\)"):
        checks.weights(torch.zeros(2, 5, 2, 3), torch.zeros(3, 5, 3))
    assert checks.broadcast_shape(W=(2, 1), b=(1, 5)) == (2, 5)


@pytest.mark.parametrize("number", [np.int64, np.uint8, np.array, torch.tensor])
def test_whole_numbers_of_any_library_become_pythons(number):
    assert type(checks.whole_number("count", number(3))) is int


@pytest.mark.parametrize("value", [10**30, -(10**30), [3], np.array([3]), np.bool_(True)])
def test_what_is_too_large_or_in_an_array_is_no_whole_number(value):
    with pytest.raises(InvalidArgument, match=r"^count is "):
        checks.whole_number("count", value, least=0)


def test_a_number_without_end_is_not_finite():
    with pytest.raises(InvalidArgument, match="rate is"):
        checks.positive_number("rate", 10**400)


@pytest.mark.parametrize(
    "value",
    [torch.eye(2).to_sparse(), torch.eye(2, device="meta"), np.ma.masked_array([1.0], mask=True)],
    ids=["sparse", "without data", "masked"],
)
def test_what_holds_no_numbers_in_memory_is_refused_by_name(value):
    with pytest.raises(InvalidArgument, match="W is"):
        checks.finite("W", value)


@pytest.mark.parametrize(
    "write",
    [
        lambda t: t.numpy().astype(">f8"),
        lambda t: t.numpy()[::-1, ::-1],
        lambda t: list(t),
        lambda t: [[*row] for row in t],
        lambda t: t.numpy().astype(np.longdouble),
    ],
    ids=["big-endian", "backwards", "a list of tensors", "lists of numbers", "long doubles"],
)
def test_numbers_may_be_written_as_one_likes(write):
    t = torch.tensor([[1.0, 2.0], [2.0, 1.0]])
    assert checks.finite("W", write(t)).tolist() == t.tolist()


def test_biases_that_are_asked_for_may_not_be_missing():
    W = torch.eye(2)
    assert checks.weights(W)[1] is None
    with pytest.raises(InvalidArgument, match="b is None"):
        checks.weights(W, None)
    with pytest.raises(InvalidArgument, match="points has shape"):
        checks.weights(W[0], name="points")


@pytest.mark.parametrize("values", [3, "12", {"a": 1}, [1.5], [-1], None])
def test_what_is_no_list_of_whole_numbers_is_refused(values):
    with pytest.raises(InvalidArgument, match="sizes is"):
        checks.whole_numbers("sizes", values)


def test_lists_of_whole_numbers_come_from_whatever_holds_them():
    for values in (range(3), np.arange(3), torch.arange(3), (0, 1, 2), iter([0, 1, 2])):
        assert checks.whole_numbers("sizes", values) == [0, 1, 2]


def test_outcomes_are_true_or_false():
    assert checks.outcomes("shown", [True, False]).tolist() == [True, False]
    assert checks.outcomes("shown", np.array([1, 0])).dtype is torch.bool
    for wrong in ([0.5, 1.0], [[True]], []):
        with pytest.raises(InvalidArgument, match="shown"):
            checks.outcomes("shown", wrong)


@pytest.mark.parametrize("value", [1, "yes", None, torch.tensor(True)])
def test_a_truth_value_is_pythons_or_numpys(value):
    assert checks.flag("tied", np.bool_(True)) is True
    with pytest.raises(InvalidArgument, match="tied is"):
        checks.flag("tied", value)
