"""What native models of tables share."""

from __future__ import annotations

import numpy as np
import pytest

from fairlead.runtimes.runner.tables import answering, counted, fitted

ABOUT = {"names": ["a", "city"], "own": [], "categories": {"city": ["Oslo", "Rome"]}}


def column(*values, kind=None):
    return np.array(values, dtype=kind).reshape(-1, 1)


def test_one_matrix_stays_as_it_is():
    found = counted([np.array([[1, 2], [3, 4]])], ABOUT | {"categories": {}})
    assert found.dtype == np.float64
    assert found.tolist() == [[1, 2], [3, 4]]


def test_categories_are_counted_and_unknown_ones_missing():
    found = counted([column(1.5, 2.5, 3.5), column("Rome", "", "Oslo", kind=object)], ABOUT)
    assert found[:, 0].tolist() == [1.5, 2.5, 3.5]
    assert found[[0, 2], 1].tolist() == [1.0, 0.0]
    assert np.isnan(found[1, 1])


def test_numbers_are_categories_too():
    about = {"names": ["n", "b"], "own": [], "categories": {"n": [10, 20], "b": [False, True]}}
    found = counted([column(20.0, 10.5), column(True, False)], about)
    assert found[0].tolist() == [1.0, 1.0]
    assert np.isnan(found[1, 0])
    assert found[1, 1] == 0.0


def test_columns_that_the_framework_counts_stay_as_they_are():
    about = {"names": ["a", "t", "n"], "own": ["t", "n"], "categories": {}}
    found = counted([column(1.0), column("x", kind=object), column(7)], about)
    assert found.tolist() == [[1.0, "x", 7]]
    assert isinstance(found[0, 2], int)


def about(answers, outputs, classes=None):
    signature = {"outputs": [{"datatype": kind, "shape": shape} for kind, shape in outputs]}
    told = {"names": ["a", "b"], "own": [], "categories": {}}
    return told | {"answers": answers, "classes": classes, "signature": signature}


ROWS = [np.zeros((2, 2))]


def test_two_classes_have_two_scores_and_the_first_wins_a_tie():
    told = about("classes", [("BYTES", [-1]), ("FP64", [-1, 2])], ["no", "yes"])
    predict = answering(told, lambda matrix: np.array([0.5, 0.7]))
    label, scores = predict(ROWS, [0, 1])
    assert label.tolist() == ["no", "yes"]
    assert np.allclose(scores, [[0.5, 0.5], [0.3, 0.7]])
    (only,) = predict(ROWS, [1])
    assert np.allclose(only, scores)


def test_several_targets_are_a_yes_or_no_each():
    told = about("labels", [("INT64", [-1, 2]), ("FP64", [-1, 2])])
    given = np.array([[0.5, 0.6], [0.9, 0.1]])
    labels, scores = answering(told, lambda matrix: given)(ROWS, [0, 1])
    assert labels.tolist() == [[0, 1], [1, 0]]
    assert np.allclose(scores, given)


def test_a_value_is_given_as_it_comes():
    told = about("value", [("FP64", [-1])])
    (found,) = answering(told, lambda matrix: np.array([[1.0], [2.0]], np.float32))(ROWS, [0])
    assert (found.dtype, found.tolist()) == (np.float64, [1.0, 2.0])


@pytest.mark.parametrize(
    ("array", "spec", "kind", "found"),
    [
        (np.array(["a", "b"]), {"datatype": "BYTES", "shape": [-1]}, "O", ["a", "b"]),
        (np.array([1, 0]), {"datatype": "BOOL", "shape": [-1]}, "b", [True, False]),
        (np.array([[1], [0]], np.int32), {"datatype": "INT64", "shape": [-1]}, "i", [1, 0]),
        (np.array([0.5, 1.5]), {"datatype": "FP64", "shape": [-1]}, "f", [0.5, 1.5]),
    ],
)
def test_an_answer_is_of_its_signature(array, spec, kind, found):
    made = fitted(array, spec)
    assert made.dtype.kind == kind
    assert made.tolist() == found
