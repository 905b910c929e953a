"""Is it the same model? Tolerances at their edges, and the rows that show why not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models import spec

from fairlead.core.signature import Signature
from fairlead.packing.compare import DIFFERENCE, LABELS_EQUAL, compare, run, same_labels

LABEL = spec("label", "BYTES", [-1], role="label")
VALUE = spec("value", "FP32", [-1, 1], role="value")
ROWS = [np.zeros((2000, 1), np.float32)]


class Fixed:
    """A model that answers what it was made with, in order."""

    def __init__(self, **answers):
        self.answers, self.at, self.batches = answers, 0, []

    def predict(self, inputs, outputs):
        count = len(inputs[0])
        self.batches.append(count)
        found = [a[self.at : self.at + count] for a in self.answers.values()]
        self.at += count
        return [found[i] for i in outputs]


class Whole(Fixed):
    """The same for a model that takes one whole call at a time."""

    def predict(self, inputs, outputs):
        return [found[0] for found in super().predict([np.zeros(1)], outputs)]


def compared(outputs, mine, theirs, rows=2000):
    signature = Signature((spec("x", "FP32", [-1, 1]),), tuple(outputs))
    inputs = [np.zeros((rows, 1), np.float32)]
    return compare(Fixed(**mine), signature, inputs, theirs, sampled=False)


def labels(wrong, rows=2000):
    mine, theirs = np.full(rows, "yes", dtype=object), np.full(rows, "yes")
    mine[rows - wrong :] = "no"
    return compared([LABEL], {"label": mine}, {"label": theirs}, rows)


def values(differences, rows=2000):
    """Numbers of which the last ones differ."""
    theirs = np.zeros(rows)
    mine = theirs.copy()
    mine[rows - len(differences) :] = differences
    return compared([VALUE], {"value": mine.reshape(-1, 1)}, {"value": theirs}, rows)


def test_equal_answers_are_faithful():
    found = labels(0)
    assert (found.faithful, found.labels, found.worst) == (True, 1.0, [])
    assert found.line() == "2000 reference rows: labels equal 100.00%, " + (
        "largest difference 0, 99.9 % 0"
    )


def test_one_label_in_a_thousand_may_differ_and_no_more():
    assert labels(2).labels == LABELS_EQUAL
    assert labels(2).faithful
    found = labels(3)
    assert not found.faithful
    assert found.failure == "labels agree on 99.85% of 2000 rows only"


def test_one_number_in_a_thousand_may_differ_by_more_and_no_more():
    """Of 2000 numbers, the 99.9th percentile leaves two."""
    assert values([1.0]).faithful
    assert not values([1.0] * 3).faithful
    assert "by up to 1, more than 0.0001" in values([1.0] * 3).failure


@pytest.mark.parametrize(("difference", "faithful"), [(1.0, True), (1.01, False)])
def test_a_difference_is_bounded_at_its_edge(difference, faithful):
    found = values([DIFFERENCE * difference] * 50)
    assert found.faithful is faithful
    assert found.quantile == pytest.approx(DIFFERENCE * difference)


def test_a_difference_is_relative_to_numbers_above_one():
    theirs = np.full(2000, 1e6)
    found = compared([VALUE], {"value": (theirs + 50).reshape(-1, 1)}, {"value": theirs})
    assert found.largest == pytest.approx(5e-5)
    assert found.faithful


def test_the_worst_rows_are_shown_labels_first():
    mine = np.array(["a", "b", "a", "a", "a"], dtype=object)
    theirs = np.array(["a", "a", "a", "a", "a"])
    numbers = np.array([[0.0], [0.1], [0.0], [0.9], [0.5]])
    found = compared(
        [LABEL, VALUE],
        {"label": mine, "value": numbers},
        {"label": theirs, "value": np.zeros(5)},
        5,
    )
    assert found.worst == [
        {"row": 1, "difference": 0.1, "graph": "b", "original": "a"},
        {"row": 3, "difference": 0.9},
        {"row": 4, "difference": 0.5},
    ]


def test_rows_without_a_difference_are_not_among_the_worst():
    assert [w["row"] for w in values([0.5], rows=10).worst] == [9]


@pytest.mark.parametrize(
    ("mine", "theirs", "faithful"),
    [
        (np.nan, np.nan, True),
        (np.inf, np.inf, True),
        (np.nan, 0.0, False),
        (0.0, np.nan, False),
        (-np.inf, np.inf, False),
        (np.inf, 1e30, False),
    ],
)
def test_nan_and_infinity_are_equal_to_themselves_only(mine, theirs, faithful):
    given, original = np.zeros((2000, 1)), np.zeros(2000)
    given[7], original[7] = mine, theirs
    found = compared([VALUE], {"value": given}, {"value": original})
    assert found.faithful is faithful
    if not faithful:
        assert found.failure == (
            "row 7 has NaN or infinity in one answer and a number in the other"
        )


def test_an_output_of_another_shape_is_no_match():
    found = compared([VALUE], {"value": np.zeros((5, 2))}, {"value": np.zeros(5)}, 5)
    assert found.failure == "output 'value' has rows of shape [2], not [1]"
    open_ = spec("value", "FP32", [-1, -1])
    found = compared([open_], {"value": np.zeros((5, 4))}, {"value": np.zeros((5, 2))}, 5)
    assert found.failure == "output 'value' has rows of shape [4], the original [2]"
    assert not found.faithful


def test_an_output_that_the_original_did_not_answer_is_not_compared():
    assert compared([LABEL, VALUE], {"l": np.array(["a"]), "v": np.ones((1, 1))}, {}, 1).faithful


@pytest.mark.parametrize(
    ("mine", "theirs", "same"),
    [
        (np.array([1, 2]), np.array([1.0, 3.0]), [True, False]),
        (np.array(["1", "2"], object), np.array([1.0, 2.0]), [True, True]),
        (np.array([True, False]), np.array(["True", "True"]), [True, False]),
        (np.array([0.5]), np.array(["0.5"]), [True]),
        (np.array(["a "], object), np.array(["a"]), [False]),
    ],
)
def test_a_label_is_the_same_however_it_is_written(mine, theirs, same):
    assert same_labels(mine, theirs).tolist() == same


@given(st.integers(0, 40))
def test_labels_are_faithful_exactly_within_the_tolerance(wrong):
    assert labels(wrong).faithful == (1 - wrong / 2000 >= LABELS_EQUAL)


def test_rows_are_asked_for_a_bounded_batch_at_a_time():
    model = Fixed(value=np.arange(2000.0).reshape(-1, 1))
    signature = Signature((spec("x", "FP32", [-1, 1]),), (VALUE,))
    answers = run(model, signature, ROWS)
    assert model.batches == [1024, 976]
    assert answers["value"].ravel().tolist() == list(range(2000))


def test_a_model_without_rows_is_asked_one_call_at_a_time():
    model = Whole(y=np.arange(6.0).reshape(3, 2))
    signature = Signature((spec("x", "FP32", [1]),), (spec("y", "FP32", [2]),))
    found = compare(
        model, signature, [np.zeros((3, 1))], {"y": np.arange(6.0).reshape(3, 2)}, sampled=True
    )
    assert found.faithful
    assert model.batches == [1, 1, 1]
    assert found.line().startswith("3 sampled rows: largest")
