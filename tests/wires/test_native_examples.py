"""Requests that work, made of what a package holds."""

from __future__ import annotations

from typing import Any

from tests import models

from fairlead.serving.served import Served
from fairlead.wires.native_examples import example_row, example_tensors


def served(tmp_path, example: dict[str, Any]) -> Served:
    return Served(models.gaps(tmp_path), None, example)  # type: ignore[arg-type]


def test_a_value_that_is_missing_is_null_in_a_tensor(tmp_path):
    tensor = {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1.5, None, 2.0]}
    [made] = example_tensors(served(tmp_path, {"inputs": [tensor]}))
    assert made == {**tensor, "data": [[1.5, None, 2.0]]}


def test_without_reference_rows_an_example_is_of_zeros(tmp_path):
    given = served(tmp_path, {})
    assert example_row(given) == {"a": 0, "b": 0, "c": 0}
    assert example_tensors(given)[0]["data"] == [[0, 0, 0]]
