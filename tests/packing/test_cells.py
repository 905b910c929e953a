"""Values as columns of one kind, and columns as a model takes them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import RowsInvalid
from fairlead.packing.cells import as_numbers, column, of_array, of_text
from fairlead.packing.converters.samples import as_text

CELLS = st.text(st.characters(codec="utf-8"), max_size=12)


@pytest.mark.parametrize(
    ("values", "kind", "found"),
    [
        ([True, False], "b", [True, False]),
        ([1, 2], "i", [1, 2]),
        ([np.int8(1), np.uint16(2)], "i", [1, 2]),
        ([1, 2.5], "f", [1.0, 2.5]),
        ([True, 2], "f", [1.0, 2.0]),
        (["a", ""], "O", ["a", ""]),
        (["a", None, float("nan")], "O", ["a", "", ""]),
        (["a", pd.NA, pd.NaT], "O", ["a", "", ""]),
        (np.array(["a", "bc"]), "O", ["a", "bc"]),
        (np.array([b"a"]), "O", ["a"]),
        (np.array([1, 2], np.uint8), "i", [1, 2]),
        (np.array([True]), "b", [True]),
    ],
)
def test_a_column_is_of_one_kind(values, kind, found):
    made = column("c", values)
    assert made.dtype.kind == kind
    assert made.tolist() == found


def test_a_missing_number_is_nan():
    for values in ([1, None], [1.0, float("nan")], [None, None], [True, None], [1, pd.NA]):
        made = column("c", values)
        assert made.dtype == np.float64
        assert np.isnan(made[1])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, None, "x"], "row 2 of column 'c' holds text after number"),
        (["x", True], "row 1 of column 'c' holds true or false after text"),
        ([[1], 2], "row 0 of column 'c' holds a list"),
        ([1, {}], "row 1 of column 'c' holds a dict"),
        ([b"x"], "row 0 of column 'c' holds a bytes"),
        ([pd.Timestamp(0)], "row 0 of column 'c' holds a Timestamp"),
        ([0, 2**63], "row 1 of column 'c' holds an integer beyond 64 bits"),
        (np.array([0, 2**63], np.uint64), "row 1 of column 'c' holds an integer beyond 64 bits"),
    ],
)
def test_what_is_of_no_kind_is_refused_by_row_and_column(values, message):
    with pytest.raises(RowsInvalid, match=message) as refused:
        column("c", values)
    assert (refused.value.row, refused.value.column) == (int(message.split()[1]), "c")


def test_arrays_that_hold_no_rows_are_refused():
    with pytest.raises(RowsInvalid, match="column 'c' is an array of complex128"):
        of_array("c", np.array([1j]))


@pytest.mark.parametrize(
    ("cells", "kind", "found"),
    [
        (["1", " 2 ", "-3"], "i", [1, 2, -3]),
        (["1", "2.5", "1e3", ".5", "+4."], "f", [1.0, 2.5, 1000.0, 0.5, 4.0]),
        (["True", "False"], "b", [True, False]),
        (["true", "FALSE"], "b", [True, False]),
        (["yes", "no"], "O", ["yes", "no"]),
        (["1", "x"], "O", ["1", "x"]),
        (["", "x"], "O", ["", "x"]),
        (["true", ""], "O", ["true", ""]),
        (["1_000"], "O", ["1_000"]),
        (["\u0661"], "O", ["\u0661"]),
        (["0x10"], "O", ["0x10"]),
        (["99999999999999999999"], "f", [1e20]),
    ],
)
def test_cells_are_numbers_only_when_all_of_them_are(cells, kind, found):
    made = of_text("c", cells)
    assert made.dtype.kind == kind
    assert made.tolist() == found


@pytest.mark.parametrize("cell", ["", "NA", "nan", "NaN", "null", "None", "  "])
def test_an_empty_cell_among_numbers_is_a_missing_number(cell):
    made = of_text("c", ["1", cell])
    assert made.dtype == np.float64
    assert np.isnan(made[1])
    assert np.isnan(of_text("c", [cell, cell])).all()


def test_a_number_beyond_float64_is_refused_by_row():
    with pytest.raises(RowsInvalid, match="row 1 of column 'c' holds a number beyond float64"):
        of_text("c", ["1.5", "1e999"])


@given(st.lists(CELLS, min_size=1, max_size=8))
def test_no_cell_is_changed_but_into_the_number_that_it_writes(cells):
    try:
        made = of_text("c", cells)
    except RowsInvalid:
        return
    for cell, value in zip(cells, made.tolist(), strict=True):
        if isinstance(value, str):
            assert value == cell
        elif isinstance(value, bool):
            assert cell.strip().lower() == str(value).lower()
        elif value == value:
            assert float(cell) == value


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (np.array([1, 20]), ["1", "20"]),
        (np.array([1.0, 2.5, np.nan]), ["1", "2.5", ""]),
        (np.array([True]), ["True"]),
        (np.array(["é"], object), ["é"]),
    ],
)
def test_numbers_as_text_are_as_people_write_them(values, found):
    assert as_text(values).tolist() == found


@pytest.mark.parametrize(
    ("values", "dtype", "message"),
    [
        (np.array(["x"], object), "f4", "column 'c' holds text, the model takes numbers there"),
        (np.array([1.0, np.nan]), "i8", "row 1 of column 'c' is empty, the model takes integers"),
        (np.array([1.0, 2.5]), "i8", "row 1 of column 'c' is 2.5, the model takes integers"),
        (np.array([1, 300]), "u1", "row 1 of column 'c' is 300, the model takes integers"),
        (np.array([0, 2]), "?", "row 1 of column 'c' is 2, the model takes true or false"),
        (np.array([1.0, 1e300]), "f4", r"row 1 of column 'c' is 1e\+300, beyond float32"),
    ],
)
def test_no_value_is_changed_on_the_way_to_an_input(values, dtype, message):
    with pytest.raises(RowsInvalid, match=message):
        as_numbers("c", values, np.dtype(dtype))


def test_floats_are_rounded_and_whole_numbers_kept():
    assert as_numbers("c", np.array([0.1]), np.dtype("f4"))[0] == np.float32(0.1)
    assert as_numbers("c", np.array([3.0]), np.dtype("i8")).tolist() == [3]
    assert as_numbers("c", np.array([1, 0]), np.dtype("?")).tolist() == [True, False]
    assert np.isnan(as_numbers("c", np.array([np.nan]), np.dtype("f4"))[0])
    assert np.isinf(as_numbers("c", np.array([np.inf]), np.dtype("f4"))[0])
