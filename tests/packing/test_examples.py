"""Example rows work as they are: sent as JSON they are the rows that they were made of."""

from __future__ import annotations

import json

import numpy as np
from tests.models import spec

from fairlead.core.signature import Signature
from fairlead.core.tensor import DTYPES
from fairlead.inputs.rows import rows_of, tensors_of
from fairlead.packing.examples import examples
from fairlead.packing.rows import Table, inputs_of

OUT = (spec("y", "FP32", [-1]),)


def sent(table, signature):
    """The inputs that a server makes of the example rows."""
    found = json.loads(json.dumps(examples(table, signature), allow_nan=False))
    return found, [t.array for t in tensors_of(rows_of(found["rows"], signature), signature)]


def test_example_rows_come_back_as_they_were_for_every_kind_of_column():
    signature = Signature(
        (
            spec("narrow", "FP32", [-1, 2], columns=("a", "b"), missing=True),
            spec("wide", "FP64", [-1, 1]),
            spec("n", "INT64", [-1, 1]),
            spec("t", "BYTES", [-1, 1]),
            spec("yes", "BOOL", [-1, 1]),
        ),
        OUT,
    )
    table = Table(
        {
            "a": np.array([0.1, 1e-8, 16777217.0]),
            "b": np.array([1.5, np.nan, -3.0]),
            "wide": np.array([1700000000.125, 0.1, 1 / 3]),
            "n": np.array([2**62, -1, 0]),
            "t": np.array(["Zürich", "", 'a "b"'], dtype=object),
            "yes": np.array([True, False, True]),
        }
    )
    found, arrays = sent(table, signature)
    for given, array in zip(inputs_of(table, signature), arrays, strict=True):
        same = (given == array) | ((given != given) & (array != array))
        assert same.all()
    assert found["rows"][0]["a"] == 0.1
    assert found["rows"][1]["b"] is None


def test_one_row_is_given_as_tensors_of_the_wire():
    signature = Signature((spec("x", "FP32", [-1, 2]), spec("t", "BYTES", [-1])), OUT)
    table = Table(
        {
            "x[0]": np.array([1.0, 3.0]),
            "x[1]": np.array([2.0, 4.0]),
            "t": np.array(["u", "v"], object),
        }
    )
    assert examples(table, signature)["inputs"] == [
        {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1.0, 2.0]},
        {"name": "t", "shape": [1], "datatype": "BYTES", "data": ["u"]},
    ]


def test_there_are_eight_rows_at_most_and_one_of_whole_inputs():
    plain = Signature((spec("x", "FP32", [-1, 1]),), OUT)
    found = examples(Table({"x": np.arange(20.0)}), plain)
    assert [row["x"] for row in found["rows"]] == list(range(8))
    whole = Signature((spec("x", "FP32", [-1, 2, 2]),), OUT)
    images = np.array([[[0.1, np.nan], [2, 3]], [[0, 0], [0, 0]]], dtype=np.float32)
    found = examples(Table({"x": images}), whole)
    assert found["rows"] == [{"x": [[0.1, None], [2, 3]]}]
    assert found["inputs"][0]["shape"] == [1, 2, 2]


def test_a_model_without_rows_has_its_tensors_only():
    fixed = Signature((spec("x", "INT64", [2]),), (spec("y", "FP32", [1]),))
    found = examples(Table({"x": np.array([[4, 5]])}), fixed)
    assert found == {
        "rows": [],
        "inputs": [{"name": "x", "shape": [2], "datatype": "INT64", "data": [4, 5]}],
    }


def test_a_narrow_float_is_its_shortest_decimal():
    for name in ("FP16", "FP32", "FP64"):
        signature = Signature((spec("x", name, [-1, 1]),), OUT)
        data = examples(Table({"x": np.array([0.1])}), signature)["inputs"][0]["data"]
        assert data == [0.1]
        assert np.array(data, DTYPES[name].numpy) == DTYPES[name].numpy.type(0.1)
