"""Python functions: how they are found, called, and what of their answers is taken."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fairlead.runtimes import python

AGE = np.array([30, 40])
PLAN = np.array(["basic", "gold"], dtype=object)
COLUMNS = {"age": AGE, "plan": PLAN}


def given(tmp_path, source: str) -> Any:
    file = tmp_path / "model.py"
    file.write_text(dedent(source))
    return file


def called(function: Any, columns: dict[str, Any] | None = None) -> dict[str, Any]:
    """The answers of a function, as lists."""
    columns = COLUMNS if columns is None else columns
    found = python.caller(function, list(columns))(columns)
    return {name: array.tolist() for name, array in found.items()}


# --- finding ----------------------------------------------------------------------------

SOURCE = """
    from functools import partial

    def predict(x):
        return x + 1

    class Model:
        def __init__(self):
            self.one = 1
        def predict(self, x):
            return x + self.one

    class Callable:
        def __call__(self, x):
            return x + 1

    made = Model()
    part = partial(lambda y, x: x + y, 1)
    called = Callable()
    number = 7
"""


@pytest.mark.parametrize("name", ["predict", "Model", "made", "part", "called"])
def test_a_function_a_class_and_an_object_are_found(tmp_path, name):
    function = python.find(given(tmp_path, SOURCE), name)
    assert called(function, {"x": AGE}) == {"output": [31, 41]}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("absent", "model.py defines no 'absent'"),
        ("number", "'number' in model.py is neither a function nor has it a predict"),
    ],
)
def test_what_cannot_be_called_is_said(tmp_path, name, says):
    with pytest.raises(ValueError, match=says):
        python.find(given(tmp_path, SOURCE), name)


def test_what_the_file_raises_comes_through(tmp_path):
    with pytest.raises(ZeroDivisionError):
        python.find(given(tmp_path, "1 / 0"), "predict")


def test_a_file_that_is_no_python_source_is_refused(tmp_path):
    file = tmp_path / "model.txt"
    file.write_text("def predict(x): return x")
    with pytest.raises(ValueError, match="not a Python source file"):
        python.find(file, "predict")


def test_classes_in_the_file_can_be_dataclasses(tmp_path):
    """They look their module up by name."""
    source = """
        from __future__ import annotations
        from dataclasses import dataclass
        @dataclass
        class Model:
            one: int = 1
            def predict(self, x):
                return x + self.one
    """
    assert called(python.find(given(tmp_path, source), "Model"), {"x": AGE}) == {"output": [31, 41]}


# --- calling ----------------------------------------------------------------------------


def test_parameters_that_are_columns_get_their_columns():
    assert called(lambda plan, age: plan + "!") == {"output": ["basic!", "gold!"]}


def test_one_parameter_that_is_a_column_gets_this_column():
    assert called(lambda age: age) == {"output": [30, 40]}


def test_one_parameter_of_another_name_gets_all_columns():
    assert called(lambda rows: rows["age"] * 2) == {"output": [60, 80]}


def test_parameters_with_a_default_that_are_no_columns_keep_it():
    assert called(lambda age, factor=3: age * factor) == {"output": [90, 120]}
    assert called(lambda rows, factor=3: rows["age"] * factor) == {"output": [90, 120]}


def test_a_default_gives_way_to_the_column():
    assert called(lambda plan, age=None: age) == {"output": [30, 40]}


def test_named_rest_gets_every_column():
    assert called(lambda **columns: columns["age"]) == {"output": [30, 40]}


def test_positional_parameters_are_filled_by_name_too():
    def predict(plan, age, /):
        return age

    assert called(predict) == {"output": [30, 40]}


def test_a_parameter_that_is_no_column_is_refused_before_any_call():
    with pytest.raises(ValueError, match="'height', which is no column"):
        python.caller(lambda age, height: age, list(COLUMNS))


# --- answers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "wanted"),
    [
        ([1, 2], {"output": [1, 2]}),
        (np.array(["a", "b"]), {"output": ["a", "b"]}),
        (pd.Series([1.5, 2.5], name="price"), {"output": [1.5, 2.5]}),
        ({"a": [1, 2], "b": ["x", "y"]}, {"a": [1, 2], "b": ["x", "y"]}),
        (pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), {"a": [1, 2], "b": ["x", "y"]}),
        (np.array([1.5, 2.5], dtype=np.longdouble), {"output": [1.5, 2.5]}),
        ([[1, 2], [3, 4]], {"output": [[1, 2], [3, 4]]}),
    ],
    ids=["list", "text", "Series", "dict", "DataFrame", "longdouble", "table"],
)
def test_what_people_return_becomes_arrays_by_name(result, wanted):
    assert called(lambda rows: result) == wanted


def predictor(tmp_path, source: str, *outputs: tuple[str, str]) -> Any:
    signature = {
        "inputs": [{"name": "x", "datatype": "FP64", "shape": [-1]}],
        "outputs": [{"name": n, "datatype": d, "shape": [-1]} for n, d in outputs],
    }
    given(tmp_path, source)
    return python.load(tmp_path, "model.py", {"object": "predict", "signature": signature})


def test_outputs_come_in_the_order_that_is_asked_for(tmp_path):
    predict = predictor(
        tmp_path, "def predict(x): return {'a': x, 'b': -x}", ("a", "FP64"), ("b", "FP64")
    )
    assert [a.tolist() for a in predict([np.array([1.0])], [1, 0])] == [[-1.0], [1.0]]
    assert [a.tolist() for a in predict([np.array([1.0])], [0])] == [[1.0]]


@pytest.mark.parametrize(
    ("returned", "packed", "found"),
    [
        ("float32", "FP64", "float64"),
        ("float16", "FP64", "float64"),
        ("int64", "FP64", "float64"),
        ("int8", "INT64", "int64"),
        ("uint32", "INT64", "int64"),
        ("bool", "INT64", "int64"),
        (">f8", "FP64", "float64"),
        # What could change a value is left, and refused as a bad answer.
        ("uint64", "INT64", "uint64"),
        ("float64", "INT64", "float64"),
        ("float64", "BOOL", "float64"),
        ("float64", "BYTES", "float64"),
        ("object", "FP64", "object"),
    ],
)
def test_an_answer_is_widened_only_where_no_value_can_change(tmp_path, returned, packed, found):
    source = f"def predict(x): return x.astype({returned!r})"
    predict = predictor(tmp_path, source, ("output", packed))
    (array,) = predict([np.array([1.0])], [0])
    assert array.dtype == np.dtype(found)


def test_an_output_that_is_missing_this_time_is_named(tmp_path):
    source = "def predict(x): return {'a': x} if x[0] else {'b': x}"
    predict = predictor(tmp_path, source, ("a", "FP64"))
    with pytest.raises(ValueError, match="no output 'a' this time"):
        predict([np.array([0.0])], [0])
