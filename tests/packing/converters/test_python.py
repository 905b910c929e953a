"""Python functions at packing: the reference rows say what goes in and what comes out."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import numpy as np
import pytest

from fairlead.packing.converters import python

ROWS = {
    "age": np.array([30.5, np.nan, 41.0, 50.0]),
    "count": np.array([1, 2, 3, 4], dtype=np.int32),
    "plan": np.array(["a", "b", "", "ä"]),
    "new": np.array([True, False, True, True]),
}


def convert(tmp_path, source: str, rows: dict[str, Any] | None = None) -> dict[str, Any]:
    file = tmp_path / "source.py"
    file.write_text(dedent(source))
    job: dict[str, Any] = {"path": str(file), "object": "predict"}
    if rows is None or rows:
        np.savez(tmp_path / "rows.npz", **(ROWS if rows is None else rows))
        job |= {"rows": str(tmp_path / "rows.npz"), "columns": list(ROWS if rows is None else rows)}
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    return python.convert(python.read(file, job), job, out)


def test_the_columns_are_the_inputs_with_their_datatypes(tmp_path):
    facts = convert(tmp_path, "def predict(rows): return rows['age']")
    assert facts["signature"]["inputs"] == [
        {"name": "age", "datatype": "FP64", "shape": [-1], "missing": True},
        {"name": "count", "datatype": "INT64", "shape": [-1]},
        {"name": "plan", "datatype": "BYTES", "shape": [-1]},
        {"name": "new", "datatype": "BOOL", "shape": [-1]},
    ]


@pytest.mark.parametrize(
    ("returned", "datatype", "shape"),
    [
        ("rows['age'] * 2", "FP64", [-1]),
        ("rows['age'].astype('f4')", "FP64", [-1]),
        ("rows['count'].astype('i2')", "INT64", [-1]),
        ("rows['count'].astype('u8')", "UINT64", [-1]),
        ("rows['new']", "BOOL", [-1]),
        ("rows['plan'] + '!'", "BYTES", [-1]),
        ("np.stack([rows['count']] * 3, axis=1)", "INT64", [-1, 3]),
        ("[[str(v)] for v in rows['plan']]", "BYTES", [-1, 1]),
    ],
)
def test_what_the_function_returned_is_the_output(tmp_path, returned, datatype, shape):
    facts = convert(tmp_path, f"import numpy as np\ndef predict(rows): return {returned}")
    (output,) = facts["signature"]["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("output", datatype, shape)


@pytest.mark.parametrize(
    ("returned", "roles"),
    [
        ("rows['age']", ["value"]),
        ("rows['plan']", ["label"]),
        ("{'price': rows['age']}", ["value"]),
        ("rows['count']", [None]),
        ("np.stack([rows['age']] * 2, axis=1)", [None]),
        ("{'price': rows['age'], 'offer': rows['plan']}", [None, None]),
    ],
)
def test_an_only_output_of_text_is_the_label_and_of_numbers_the_value(tmp_path, returned, roles):
    facts = convert(tmp_path, f"import numpy as np\ndef predict(rows): return {returned}")
    assert [output.get("role") for output in facts["signature"]["outputs"]] == roles


def test_the_source_goes_along_as_it_is(tmp_path):
    facts = convert(tmp_path, "# mine\ndef predict(rows): return rows['age']")
    assert (tmp_path / "out" / facts["graph"]).read_text().startswith("# mine")


def test_a_function_that_writes_into_its_rows_does_not_spoil_them(tmp_path):
    source = """
        def predict(rows):
            rows["count"] += 1
            return rows["count"]
    """
    convert(tmp_path, source)
    with np.load(tmp_path / "out/rows.npz") as rows, np.load(tmp_path / "out/original.npz") as own:
        assert rows["count"].tolist() == [1, 2, 3, 4]
        assert own["output"].tolist() == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def predict(rows): return 7", r"shape \[\] for 4 rows: .* one entry per row"),
        ("def predict(rows): return rows['age'][:3]", r"shape \[3\] for 4 rows"),
        ("def predict(rows): return {}", "returned no output"),
        ("def predict(rows): return [None] * len(rows['age'])", "holds objects: return numbers"),
        ("def predict(rows): return rows['age'] + 1j", "holds complex128: return numbers or text"),
        ("def predict(other, age): return age", "'other', which is no column of the rows"),
        ("def other(rows): return rows", "source.py defines no 'predict'"),
    ],
)
def test_what_cannot_be_served_is_refused(tmp_path, source, says):
    with pytest.raises(ValueError, match=says):
        convert(tmp_path, source)


@pytest.mark.parametrize(
    "answer",
    [
        "rows['count'] / rows['count'].sum()",
        "np.random.random(len(rows['count']))",
        "np.array(['first'] + ['later'] * (len(rows['count']) - 1))",
    ],
    ids=["a share of all rows", "random", "by position"],
)
def test_a_function_whose_answer_depends_on_neighbours_is_refused(tmp_path, answer):
    """Rows of several callers are joined, so it would answer one caller by another's rows."""
    with pytest.raises(ValueError, match="when the row is asked alone"):
        convert(tmp_path, f"import numpy as np\ndef predict(rows): return {answer}")


def test_without_rows_nobody_knows_what_it_takes(tmp_path):
    with pytest.raises(ValueError, match="needs reference rows"):
        convert(tmp_path, "def predict(rows): return rows", rows={})


def test_a_module_beside_the_file_is_not_packed_and_that_is_said(tmp_path):
    (tmp_path / "helper.py").write_text("RATE = 2")
    with pytest.raises(ValueError, match="imports 'helper' from the folder that it lies in"):
        convert(tmp_path, "import helper\ndef predict(rows): return rows['age']")


def test_a_library_that_is_absent_stays_a_missing_library(tmp_path):
    with pytest.raises(ModuleNotFoundError):
        convert(tmp_path, "import absent_library\ndef predict(rows): return rows['age']")
