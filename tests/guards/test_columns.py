"""Rows in any shape become the same columns."""

import numpy as np
import pandas as pd
import pytest

from fairlead.guards.columns import as_columns


def test_frames_mappings_and_arrays_give_equal_columns():
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [True, False]})
    from_frame = as_columns(frame)
    from_mapping = as_columns({"a": [1, 2], "b": ["x", None], "c": [True, False]})
    for name in "abc":
        assert from_frame[name].tolist() == from_mapping[name].tolist()
    assert from_frame["a"].dtype == np.float64
    assert from_frame["b"].tolist() == ["x", ""]


def test_an_array_has_names_of_its_own_or_the_given_ones():
    assert list(as_columns(np.zeros((3, 2)))) == ["x0", "x1"]
    assert list(as_columns(np.zeros((3, 2)), ["a", "b"])) == ["a", "b"]
    assert list(as_columns(np.zeros(3))) == ["x0"]


def test_a_missing_number_is_nan_and_a_missing_text_is_empty():
    found = as_columns({"n": [1, None, float("nan")], "t": ["a", None, pd.NA]})
    assert np.isnan(found["n"][1:]).all()
    assert found["t"].tolist() == ["a", "", ""]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ({"a": [1, "x"]}, "column 'a' mixes kinds of values"),
        ({"a": [1, 2], "b": [1]}, "columns differ in length"),
        ({}, "there are no rows"),
        (np.zeros((2, 2, 2)), "a table, not an array of 3 dimensions"),
        ({"a": np.zeros(2, "datetime64[s]")}, "neither number nor text"),
    ],
)
def test_what_is_no_table_is_refused_in_words(rows, says):
    with pytest.raises(ValueError, match=says):
        as_columns(rows)


def test_a_wrong_count_of_names_is_refused():
    with pytest.raises(ValueError, match="1 names are given for 2 columns"):
        as_columns(np.zeros((3, 2)), ["a"])
