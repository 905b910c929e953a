"""Example rows work as they are: sent as JSON they are the rows that they were made of."""

from __future__ import annotations

import json

import numpy as np
from tests.models import spec

from fairlead.core.datatypes import DTYPES
from fairlead.core.signature import Signature
from fairlead.guards.contract import Rule
from fairlead.inputs.rows import rows_of, tensors_of
from fairlead.packing.examples import examples, typical, usual_value, without
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


def test_a_typical_row_has_values_that_ten_rows_stand_behind():
    random = np.random.default_rng(0)
    numbers = random.normal(size=501)
    table = Table(
        {
            "number": numbers,
            "whole": np.array([3] * 300 + [9] * 201),
            "yes": np.array([True] * 400 + [False] * 101),
            "text": np.array(["a"] * 9 + ["b"] * 492, dtype=object),
            "names": np.array([f"n{i}" for i in range(501)], dtype=object),
            "few": np.append(np.full(495, np.nan), np.ones(6)),
            "image": random.normal(size=(501, 2, 2)).astype(np.float32),
            "ids": random.integers(0, 9, size=(501, 2)),
        }
    )
    row = typical(table)
    assert row.count == 1
    assert {n: v.dtype for n, v in row.columns.items()} == {
        n: v.dtype for n, v in table.columns.items()
    }
    found = {n: v[0] for n, v in row.columns.items()}
    assert abs(found["number"] - np.median(numbers)) < 0.05
    assert not np.isin(found["number"], numbers)
    assert (found["whole"], found["yes"], found["text"], found["names"]) == (3, True, "b", "")
    assert np.isnan(found["few"])
    assert found["image"].shape == (2, 2)
    assert abs(found["image"]).max() < 0.2
    assert found["ids"].tolist() == [4, 4]


def test_a_column_is_replaced_in_every_row_and_in_the_tensors_of_the_wire():
    signature = Signature(
        (
            spec("x", "FP32", [-1, 2], columns=("a", "b")),
            spec("yes", "BOOL", [-1, 1]),
            spec("n", "INT64", [-1, 1]),
            spec("t", "BYTES", [-1]),
        ),
        OUT,
    )
    columns = {"a": [1.0, 2.0], "b": [3.0, 4.0], "yes": [True, False], "n": [5, 6]}
    table = Table(
        {n: np.array(v) for n, v in columns.items()} | {"t": np.array(["u", "v"], object)}
    )
    told = examples(table, signature)
    found = without(told, signature, {"b": 9.5, "yes": 1.0, "n": 7.4, "t": "w"})
    assert [list(row.values()) for row in found["rows"]] == [
        [1.0, 9.5, True, 7, "w"],
        [2.0, 9.5, True, 7, "w"],
    ]
    assert [tensor["data"] for tensor in found["inputs"]] == [[1.0, 9.5], [True], [7], ["w"]]
    assert told["rows"][0]["b"] == 3.0


def test_what_stands_for_a_column_is_the_median_or_the_most_frequent_category():
    assert usual_value(Rule("a", "number", seen={"quantiles": [1.0, 2.5, 9.0]})) == 2.5
    assert usual_value(Rule("a", "number")) == 0.0
    assert usual_value(Rule("a", "category", seen={"shares": {"x": 0.2, "y": 0.8}})) == "y"
    assert usual_value(Rule("a", "category", choices=("p", "q"))) == "p"
    assert usual_value(Rule("a", "text")) == "text"
    assert usual_value(Rule("a", "text", required=False)) == ""
