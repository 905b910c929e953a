"""Rows as named columns, and as the inputs of a signature."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from tests.models import spec

from fairlead.core.errors import RowsInvalid
from fairlead.core.signature import Signature
from fairlead.packing.rows import Table, inputs_of, read, table_of


def table(**columns):
    return Table(
        {
            n: np.array(v, dtype=object if isinstance(v[0], str) else None)
            for n, v in columns.items()
        }
    )


def one(*inputs):
    return Signature(tuple(inputs), (spec("y", "FP32", [-1]),))


def test_a_table_knows_its_rows_and_names():
    made = table(a=[1, 2], b=["x", "y"])
    assert (made.count, made.names) == (2, ["a", "b"])
    assert made.without("a").names == ["b"]
    assert made.head(1).columns["b"].tolist() == ["x"]
    assert Table({}).count == 0
    with pytest.raises(RowsInvalid, match="there is no column 'c'") as refused:
        made.without("c")
    assert refused.value.fix == "Columns: a, b"


def test_a_frame_keeps_names_order_and_kinds():
    frame = pd.DataFrame(
        {
            "n": [1, 2],
            "f": [0.5, None],
            "t": ["x", None],
            "c": pd.Categorical(["u", "v"]),
            "o": pd.array([1, None], dtype="Int64"),
            7: [True, False],
        }
    )
    made = table_of(frame)
    assert made.names == ["n", "f", "t", "c", "o", "7"]
    assert [a.dtype.kind for a in made.columns.values()] == ["i", "f", "O", "O", "f", "b"]
    assert made.columns["t"].tolist() == ["x", ""]
    with pytest.raises(RowsInvalid, match="the column 'a' is given twice"):
        table_of(pd.DataFrame([[1, 2]], columns=["a", "a"]))


def test_arrays_and_mappings_are_tables_too():
    assert table_of(np.arange(6).reshape(3, 2)).names == ["0", "1"]
    assert table_of([1.5, 2.5]).columns["0"].tolist() == [1.5, 2.5]
    assert table_of(["a", "b"]).columns["0"].tolist() == ["a", "b"]
    assert table_of(sparse.csr_matrix([[0, 1]])).columns["1"].tolist() == [1]
    assert table_of(np.array([[1, "x"]], dtype=object)).columns["1"].tolist() == ["x"]
    assert table_of({"a": [1], "image": np.zeros((1, 2, 2))}).columns["image"].shape == (1, 2, 2)
    assert table_of(np.zeros((4, 2, 2))).count == 4
    with pytest.raises(RowsInvalid, match="a single value is no table"):
        table_of(7)


def test_a_file_becomes_a_table(tmp_path):
    (tmp_path / "r.csv").write_text("a,b\n1,x\n")
    assert read(tmp_path / "r.csv").names == ["a", "b"]


MATRIX = one(spec("X", "FP32", [-1, 2], columns=("a", "b")))


def test_columns_find_their_place_by_name():
    (found,) = inputs_of(table(b=[3.0, 4.0], id=[8, 9], a=[1.0, 2.0]), MATRIX)
    assert found.dtype == np.float32
    assert found.tolist() == [[1, 3], [2, 4]]


def test_columns_of_other_names_are_taken_in_order_when_there_are_as_many():
    (found,) = inputs_of(table(u=[1.0], v=[3.0]), MATRIX)
    assert found.tolist() == [[1, 3]]
    with pytest.raises(RowsInvalid, match="the rows have no column 'b'") as refused:
        inputs_of(table(a=[1.0], u=[1.0], v=[1.0]), MATRIX)
    assert refused.value.fix == "The model's columns: a, b"


def test_every_input_gets_its_own_kind():
    kinds = one(
        spec("n", "INT64", [-1, 1]),
        spec("t", "BYTES", [-1, 1]),
        spec("b", "BOOL", [-1, 1]),
        spec("flat", "BYTES", [-1]),
    )
    given = table(n=[1.0, 2.0], t=[7, 8], b=[0, 1], flat=["x", "y"])
    found = inputs_of(given, kinds)
    assert [a.tolist() for a in found] == [
        [[1], [2]],
        [["7"], ["8"]],
        [[False], [True]],
        ["x", "y"],
    ]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["x", "y"], "column 'a' holds text, the model takes numbers there"),
        ([1.0, 1e300], r"row 1 of column 'a' is 1e\+300, beyond float32"),
    ],
)
def test_a_value_that_an_input_cannot_hold_is_refused_by_name(column, message):
    with pytest.raises(RowsInvalid, match=message):
        inputs_of(table(a=column, b=[1.0, 2.0]), MATRIX)


def test_whole_inputs_are_taken_by_name_or_alone():
    images = one(spec("image", "FP32", [-1, 2, 2]))
    (found,) = inputs_of(Table({"other": np.ones((3, 2, 2))}), images)
    assert (found.shape, found.dtype) == ((3, 2, 2), np.float32)
    two = one(spec("image", "FP32", [-1, 2, 2]), spec("n", "INT64", [-1, 1]))
    found = inputs_of(Table({"n": np.ones((3, 1), int), "image": np.ones((3, 2, 2))}), two)
    assert [a.shape for a in found] == [(3, 2, 2), (3, 1)]
    with pytest.raises(RowsInvalid, match=r"no tensor for input 'image' of shape \[-1, 2, 2\]"):
        inputs_of(table(a=[1.0], b=[2.0]), images)


def test_rows_of_a_model_without_rows_are_its_calls():
    fixed = Signature((spec("x", "FP32", [2, 3]),), (spec("y", "FP32", [3]),))
    (found,) = inputs_of(Table({"x": np.arange(15.0).reshape(5, 3)}), fixed)
    assert found.shape == (2, 2, 3)
    (found,) = inputs_of(Table({"x": np.zeros((4, 2, 3))}), fixed)
    assert found.shape == (4, 2, 3)
