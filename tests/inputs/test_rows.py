"""Rows: as people write them, in JSON or CSV; every error names row and column."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models import spec

from fairlead.core.errors import (
    BodyTooLarge,
    DtypeMismatch,
    DtypeRange,
    DuplicateName,
    MalformedBody,
    MissingField,
    NotFinite,
    ShapeInvalid,
    TextInvalid,
    TooManyRows,
    UnknownName,
)
from fairlead.core.signature import Signature
from fairlead.inputs.rows import listed, rows_of, rows_of_csv, tensors_of

OUT = (spec("y", "FP32", (-1,)),)
PEOPLE = Signature(
    (
        spec("numbers", "FP64", (-1, 2), columns=("age", "height")),
        spec("children", "INT64", (-1, 1)),
        spec("colour", "BYTES", (-1,)),
        spec("married", "BOOL", (-1, 1)),
    ),
    OUT,
)
ONE = Signature((spec("x", "INT8", (-1, 1)),), OUT)
GAPS = Signature((spec("x", "FP32", (-1, 2), columns=("a", "b"), missing=True),), OUT)
GRID = Signature((spec("x", "FP32", (-1, 2, 2)), spec("z", "FP32", (-1, -1))), OUT)
ROW = {"age": 30.5, "height": 1.7, "children": 2, "colour": "red", "married": True}

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
PERSONS = st.fixed_dictionaries(
    {
        "age": FLOATS,
        "height": FLOATS,
        "children": st.integers(-(2**63), 2**63 - 1),
        "colour": TEXT,
        "married": st.booleans(),
    }
)


def arrays(value, signature=PEOPLE):
    return [t.array for t in tensors_of(rows_of(value, signature), signature)]


def csv_arrays(body, signature=PEOPLE, most=100):
    body = body if isinstance(body, bytes) else body.encode()
    return [t.array for t in tensors_of(rows_of_csv(body, signature, most), signature)]


def check(found, rows):
    """That arrays of PEOPLE hold these rows exactly."""
    numbers, children, colour, married = found
    assert numbers.tolist() == [[r["age"], r["height"]] for r in rows]
    assert children.tolist() == [[r["children"]] for r in rows]
    assert colour.tolist() == [r["colour"] for r in rows]
    assert married.tolist() == [[r["married"]] for r in rows]


# --- JSON -----------------------------------------------------------------------------------


@given(st.lists(PERSONS, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_rows_by_name_in_any_order_and_by_position_are_the_same(rows, random):
    mixed = [dict(random.sample(list(row.items()), len(row))) for row in rows]
    check(arrays(mixed), rows)
    check(arrays({"rows": mixed}), rows)
    check(arrays([[row[name] for name in ROW] for row in rows]), rows)
    either = [random.choice([row, [row[name] for name in ROW]]) for row in mixed]
    check(arrays(either), rows)


def test_one_row_may_stand_alone():
    check(arrays(ROW), [ROW])
    check(arrays(list(ROW.values())), [ROW])


def test_for_one_column_a_bare_value_is_a_row():
    assert arrays([1, [2], {"x": 3}], ONE)[0].tolist() == [[1], [2], [3]]


def test_a_model_with_a_column_named_rows_takes_it_as_a_column():
    signature = Signature((spec("rows", "FP32", (-1,)),), OUT)
    assert arrays({"rows": 1.5}, signature)[0].tolist() == [1.5]


def test_null_is_a_missing_value_where_the_model_takes_them():
    assert np.isnan(arrays([{"a": None, "b": 1}], GAPS)[0]).tolist() == [[True, False]]


@pytest.mark.parametrize(
    ("written", "exact"), [("3.0", 3), ("-0.0", 0), ("9007199254740991.0", 2**53 - 1)]
)
def test_a_whole_float_is_an_integer_as_long_as_it_cannot_have_been_rounded(written, exact):
    assert arrays([{**ROW, "children": float(written)}])[1].tolist() == [[exact]]


@pytest.mark.parametrize("value", [9007199254740993.0, 2.0**63, -(2.0**60), 1e300])
def test_a_float_that_may_have_been_rounded_is_no_integer(value):
    with pytest.raises(DtypeRange, match="not an integer") as caught:
        arrays([ROW, {**ROW, "children": value}])
    assert (caught.value.row, caught.value.column) == (1, "children")


@pytest.mark.parametrize(
    ("change", "error", "column"),
    [
        ({"age": "x"}, DtypeMismatch, "age"),
        ({"age": None}, NotFinite, "age"),
        ({"age": True}, DtypeMismatch, "age"),
        ({"age": [1]}, DtypeMismatch, "age"),
        ({"age": {}}, DtypeMismatch, "age"),
        ({"height": "1.7"}, DtypeMismatch, "height"),
        ({"children": 1.5}, DtypeRange, "children"),
        ({"children": 2**63}, DtypeRange, "children"),
        ({"children": "2"}, DtypeMismatch, "children"),
        ({"children": None}, DtypeMismatch, "children"),
        ({"colour": 1}, DtypeMismatch, "colour"),
        ({"colour": None}, DtypeMismatch, "colour"),
        ({"colour": "a\0"}, TextInvalid, "colour"),
        ({"colour": ["red"]}, DtypeMismatch, "colour"),
        ({"married": 1}, DtypeMismatch, "married"),
        ({"married": "true"}, DtypeMismatch, "married"),
        ({"agee": 1}, UnknownName, "agee"),
        ({"n" * 300: 1}, UnknownName, "n" * 80),
    ],
    ids=str,
)
@pytest.mark.parametrize("number", [0, 2])
def test_an_error_names_row_and_column(change, error, column, number):
    rows = [dict(ROW) for _ in range(4)]
    rows[number] |= change
    with pytest.raises(error) as caught:
        arrays(rows)
    assert (caught.value.row, caught.value.column) == (number, column)
    assert f"row {number}" in (caught.value.where or "")
    assert len(caught.value.line()) < 400


@pytest.mark.parametrize("column", list(ROW))
def test_a_column_that_is_missing_is_named(column):
    rows = [ROW, {k: v for k, v in ROW.items() if k != column}]
    with pytest.raises(MissingField) as caught:
        arrays(rows)
    assert (caught.value.row, caught.value.column) == (1, column)


def test_an_unknown_column_is_answered_with_the_one_that_was_meant():
    with pytest.raises(UnknownName) as caught:
        arrays([{**ROW, "heigth": 1}])
    assert caught.value.fix == "Did you mean 'height'?"


def test_a_huge_unknown_name_is_not_compared_in_full():
    with pytest.raises(UnknownName) as caught:
        arrays([{**ROW, "x" * (1 << 20): 1}])
    assert caught.value.column == "x" * 80


@pytest.mark.parametrize("row", [[1, 2, 3], [1, 2, 3, "a", True, 6], [], 5, None, "a"])
def test_a_row_of_another_length_is_refused_with_the_columns(row):
    with pytest.raises(ShapeInvalid) as caught:
        arrays([list(ROW.values()), row])
    assert caught.value.row == 1
    assert "age, height, children, colour, married" in (caught.value.fix or "")


@pytest.mark.parametrize("value", [5, "a", None, True, {"rows": 5}, {"rows": {"age": 1}}])
def test_what_is_no_list_of_rows_is_malformed(value):
    with pytest.raises(MalformedBody):
        rows_of(value, PEOPLE)


@pytest.mark.parametrize("value", [[], {"rows": []}])
def test_no_rows_are_too_few(value):
    with pytest.raises(MissingField):
        rows_of(value, PEOPLE)


def test_nothing_unknown_may_stand_beside_rows():
    with pytest.raises(UnknownName, match="'rowz'"):
        rows_of({"rows": [ROW], "rowz": 1}, PEOPLE)
    assert rows_of({"rows": [ROW], "outputs": ["y"]}, PEOPLE) == [ROW]


# --- rows that are no table -----------------------------------------------------------------

CELLS = {"x": [[1, 2], [3, 4]], "z": [5, 6, 7]}


def test_rows_of_whole_inputs_are_nested_lists_by_input_name():
    x, z = arrays([CELLS, CELLS], GRID)
    assert x.tolist() == [CELLS["x"]] * 2
    assert z.tolist() == [CELLS["z"]] * 2
    assert [a.shape for a in arrays(CELLS, GRID)] == [(1, 2, 2), (1, 3)]


def test_a_single_whole_input_needs_no_name():
    single = Signature((spec("x", "FP32", (-1, 2, 2)),), OUT)
    assert arrays([CELLS["x"]], single)[0].tolist() == [CELLS["x"]]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"x": [[1, 2], [3]]}, ShapeInvalid),
        ({"x": [[1, 2], [3, 4], [5, 6]]}, ShapeInvalid),
        ({"x": [1, 2]}, ShapeInvalid),
        ({"x": 1}, ShapeInvalid),
        ({"x": [[1, 2], [3, "a"]]}, DtypeMismatch),
        ({"x": [[1, 2], [3, None]]}, NotFinite),
        ({"z": [5, 6]}, ShapeInvalid),
        ({"z": []}, ShapeInvalid),
        ({"w": 1}, UnknownName),
    ],
    ids=str,
)
def test_an_error_in_a_whole_input_names_the_row(change, error):
    with pytest.raises(error) as caught:
        arrays([CELLS, {**CELLS, **change}], GRID)
    assert caught.value.row == 1


@pytest.mark.parametrize("missing", ["x", "z"])
def test_a_whole_input_that_is_missing_is_named(missing):
    with pytest.raises(MissingField) as caught:
        arrays([CELLS, {k: v for k, v in CELLS.items() if k != missing}], GRID)
    assert (caught.value.row, caught.value.column) == (1, missing)


def test_a_bare_row_cannot_say_which_of_several_inputs_it_is():
    with pytest.raises(MalformedBody) as caught:
        arrays([CELLS, CELLS["x"]], GRID)
    assert caught.value.row == 1


# --- CSV ------------------------------------------------------------------------------------


@given(st.lists(PERSONS, min_size=1, max_size=4))
def test_a_csv_holds_the_same_rows_as_json(rows):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(ROW))
    writer.writeheader()
    writer.writerows({**r, "married": str(r["married"]).lower()} for r in rows)
    check(csv_arrays(text.getvalue()), rows)


def test_a_csv_may_name_its_columns_in_any_order_begin_with_a_bom_and_end_lines_as_it_likes():
    body = '\ufeffmarried,colour,children,height,age\r\n1,"re,d",2,1.7,30.5\r\n\r\n0,,-1,.5,+1e0\n'
    check(csv_arrays(body), [
        {**ROW, "colour": "re,d"},
        {"age": 1, "height": 0.5, "children": -1, "colour": "", "married": False},
    ])  # fmt: skip


def test_an_empty_cell_is_a_missing_value():
    assert np.isnan(csv_arrays("a,b\n,2\n", GAPS)[0]).tolist() == [[True, False]]


HEADER = "age,height,children,colour,married\n"


@pytest.mark.parametrize(
    ("line", "error", "column"),
    [
        ("x,1,1,red,true", DtypeMismatch, "age"),
        ("1_0,1,1,red,true", DtypeMismatch, "age"),
        ("\uff11,1,1,red,true", DtypeMismatch, "age"),
        ("nan,1,1,red,true", DtypeMismatch, "age"),
        ("inf,1,1,red,true", DtypeMismatch, "age"),
        ("0x10,1,1,red,true", DtypeMismatch, "age"),
        ("1e999,1,1,red,true", NotFinite, "age"),
        ("9" * 500 + ",1,1,red,true", DtypeMismatch, "age"),
        (",1,1,red,true", NotFinite, "age"),
        ("1,1,1.5,red,true", DtypeRange, "children"),
        ("1,1,9223372036854775808,red,true", DtypeRange, "children"),
        ("1,1,9007199254740993.0,red,true", DtypeRange, "children"),
        ("1,1,,red,true", DtypeMismatch, "children"),
        ("1,1,1,red,yes", DtypeMismatch, "married"),
        ("1,1,1,red,", DtypeMismatch, "married"),
        ("1,1,1,red", ShapeInvalid, None),
        ("1,1,1,red,true,1", ShapeInvalid, None),
    ],
    ids=str,
)
def test_an_error_in_a_csv_names_row_and_column(line, error, column):
    with pytest.raises(error) as caught:
        csv_arrays(f"{HEADER}1,1,1,red,true\n{line}\n")
    assert (caught.value.row, caught.value.column) == (1, column)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("", MalformedBody),
        ("\n", MalformedBody),
        ("age\n1\n", MissingField),
        ("age,age\n1,1\n", DuplicateName),
        ("age,hieght\n1,1\n", UnknownName),
        (HEADER, MissingField),
        (HEADER + '1,1,1,"red,true\n', MalformedBody),
        (HEADER + '1,1,1,"red"x,true\n', MalformedBody),
        (HEADER + "1,1,1,re\0d,true\n", TextInvalid),
        (HEADER.encode() + b"1,1,1,\xff,true\n", TextInvalid),
        (HEADER.encode() + b"1,1,1,\xc0\xaf,true\n", TextInvalid),
        (HEADER.encode() + b"1,1,1,\xed\xa0\x80,true\n", TextInvalid),
        (HEADER + "1,1,1," + "r" * (1 << 20) + ",true\n", MalformedBody),
    ],
)
def test_what_is_no_csv_of_this_model_is_refused(body, error):
    with pytest.raises(error):
        csv_arrays(body)


def test_a_csv_is_read_no_further_than_the_rows_that_are_allowed():
    rows = HEADER + "1,1,1,red,true\n" * 3
    assert len(csv_arrays(rows, most=3)[0]) == 3
    with pytest.raises(TooManyRows, match="2 rows"):
        csv_arrays(rows + '"never closed', most=2)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", ",", ",\n"])
def test_a_csv_of_too_many_cells_is_refused_before_it_is_read_empty_ones_too(end, monkeypatch):
    monkeypatch.setattr(csv, "reader", None)
    with pytest.raises(BodyTooLarge, match="2097152 cells"):
        csv_arrays(HEADER + end * (1 + (2 << 20)))


def test_a_header_of_very_many_columns_is_refused_at_its_first_unknown_one():
    with pytest.raises(UnknownName):
        csv_arrays(",".join(f"c{i}" for i in range(200_000)))
    with pytest.raises(DuplicateName):
        csv_arrays("age," * 200_000)


def test_a_model_without_columns_takes_no_csv():
    with pytest.raises(MalformedBody):
        rows_of_csv(b"x,z\n1,2\n", GRID, 10)


def test_a_long_list_of_names_is_cut():
    assert listed([str(i) for i in range(12)]).endswith("10, 11")
    assert listed([str(i) for i in range(1000)]).endswith("11 and 988 more")
