"""Elements: packed exactly, or refused with the element and its row."""

import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fairlead.core.datatypes import DTYPES
from fairlead.core.errors import (
    DtypeMismatch,
    DtypeRange,
    FairleadError,
    NotFinite,
    ShapeInvalid,
    TextInvalid,
)
from fairlead.core.tensor import Tensor, element_count
from fairlead.inputs.elements import pack

INTEGERS = [n for n in DTYPES if "INT" in n]
FLOATS = ["FP16", "FP32", "FP64"]
LARGEST = {name: float(np.finfo(DTYPES[name].numpy).max) for name in FLOATS}


def packed(datatype, data, shape=None, *, booleans=True, missing=False):
    dtype = DTYPES[datatype]
    shape = [len(data)] if shape is None else shape
    count = element_count(shape)
    found = pack(dtype, shape, count, data, booleans=booleans, missing=missing, where="x")
    return Tensor(dtype, tuple(shape), found).array


def bounds(datatype):
    info = np.iinfo(DTYPES[datatype].numpy)
    return int(info.min), int(info.max)


def nested(values, shape):
    """A flat list as nested lists of this shape."""
    for dim in reversed(shape[1:]):
        values = [values[i : i + dim] for i in range(0, len(values), dim)]
    return values


@st.composite
def shaped(draw):
    """A shape and as many different integers as it has elements."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    return shape, list(range(element_count(shape)))


# --- values ---------------------------------------------------------------------------------


@pytest.mark.parametrize("datatype", INTEGERS)
@given(data=st.data())
def test_an_integer_in_range_is_exact(datatype, data):
    low, high = bounds(datatype)
    values = data.draw(st.lists(st.integers(low, high), min_size=1))
    assert packed(datatype, [*values, low, high]).tolist() == [*values, low, high]


@pytest.mark.parametrize("datatype", INTEGERS)
@pytest.mark.parametrize("side", [0, 1])
def test_an_integer_out_of_range_is_refused(datatype, side):
    bad = bounds(datatype)[side] + (1 if side else -1)
    with pytest.raises(DtypeRange, match="out of range"):
        packed(datatype, [0, bad])


@pytest.mark.parametrize("datatype", INTEGERS)
@pytest.mark.parametrize("value", [1.5, 1.0, -0.0, 1e300])
def test_a_float_is_no_integer(datatype, value):
    with pytest.raises(DtypeRange, match="not an integer"):
        packed(datatype, [1, value])


@pytest.mark.parametrize("datatype", FLOATS)
@given(values=st.lists(st.floats(-6e4, 6e4) | st.integers(-(2**11), 2**11), min_size=1))
def test_a_float_is_rounded_to_the_nearest_and_not_otherwise_changed(datatype, values):
    expected = np.array(values, dtype=np.float64).astype(DTYPES[datatype].numpy)
    assert packed(datatype, values).tobytes() == expected.tobytes()


@pytest.mark.parametrize("datatype", FLOATS)
def test_the_largest_float_is_taken_and_the_next_is_refused(datatype):
    largest = LARGEST[datatype]
    assert packed(datatype, [largest, -largest]).tolist() == [largest, -largest]
    if datatype != "FP64":
        for bad in (largest * 1.01, -largest * 1.01, 1e300):
            with pytest.raises(DtypeRange, match="out of range"):
                packed(datatype, [0.0, bad])


@pytest.mark.parametrize("datatype", FLOATS)
def test_an_integer_too_large_for_a_float_is_refused(datatype):
    with pytest.raises(DtypeRange):
        packed(datatype, [10**400])


@given(st.lists(st.booleans(), min_size=1))
def test_booleans_are_true_and_false(values):
    assert packed("BOOL", values).tolist() == values


@pytest.mark.parametrize("value", [0, 1, 1.0, "true", None, {}])
def test_nothing_else_is_a_boolean(value):
    with pytest.raises(DtypeMismatch):
        packed("BOOL", [True, value])


@pytest.mark.parametrize("datatype", [n for n in DTYPES if n not in ("BOOL", "BYTES")])
@pytest.mark.parametrize("value", [True, False, "1", "", {}, {"a": 1}])
def test_nothing_else_is_a_number(datatype, value):
    with pytest.raises(DtypeMismatch):
        packed(datatype, [1, value])


@given(st.lists(st.text(st.characters(exclude_characters="\0")), min_size=1))
def test_text_is_text(values):
    assert packed("BYTES", values).tolist() == values


@pytest.mark.parametrize("value", [1, 1.5, True, None, {}])
def test_nothing_else_is_text(value):
    with pytest.raises(DtypeMismatch):
        packed("BYTES", ["a", value])


def test_text_with_a_nul_is_refused():
    with pytest.raises(TextInvalid) as caught:
        packed("BYTES", ["a", "b\0"], [2, 1])
    assert caught.value.row == 1


@pytest.mark.parametrize("datatype", FLOATS)
def test_null_is_nan_where_values_may_be_missing(datatype):
    array = packed(datatype, [1.0, None, 2, None], missing=True)
    assert np.isnan(array).tolist() == [False, True, False, True]
    with pytest.raises(NotFinite):
        packed(datatype, [1.0, None])


@pytest.mark.parametrize("datatype", ["INT32", "BOOL", "BYTES"])
def test_null_is_never_a_value_of_another_datatype(datatype):
    with pytest.raises(FairleadError):
        packed(datatype, [None], missing=True)


def test_a_bad_value_beside_an_allowed_null_is_still_found():
    with pytest.raises(DtypeMismatch) as caught:
        packed("FP32", [None, 1, "x", None], [2, 2], missing=True)
    assert caught.value.row == 1


@given(st.integers(1, 60), st.data())
@example(2, None)
def test_the_error_names_the_first_bad_element_and_its_row(rows, data):
    bad = [rows - 1] if data is None else data.draw(
        st.lists(st.integers(0, rows * 3 - 1), min_size=1, max_size=5)
    )  # fmt: skip
    values: list = [0.5] * (rows * 3)
    for index in bad:
        values[index] = "x"
    with pytest.raises(DtypeMismatch) as caught:
        packed("FP32", values, [rows, 3])
    first = min(bad)
    assert caught.value.row == first // 3
    assert caught.value.where == f"x, element {first} (row {first // 3})"


def test_an_error_shows_little_of_a_large_value():
    for value in ("s" * (1 << 20), 10**390, [1] * 1000, {"a": 1}):
        with pytest.raises(FairleadError) as caught:
            packed("FP32", [1, value])
        assert len(caught.value.what) < 120


# --- shapes ---------------------------------------------------------------------------------


@given(shaped(), st.data())
def test_flat_nested_and_mixed_lists_are_the_same_elements(case, data):
    shape, values = case

    def mixed(values, sizes):
        """Lists of any shape in which every list fills a part of the shape."""
        if not sizes or not data.draw(st.booleans()):
            return list(values)
        skip = data.draw(st.integers(0, len(sizes) - 1))
        size = sizes[skip]
        parts = [values[i : i + size] for i in range(0, len(values), size)]
        out: list = []
        for part in parts:
            if data.draw(st.booleans()):
                out.append(mixed(part, sizes[skip + 1 :]))
            else:
                out.extend(part)
        return out

    sizes = [element_count(shape[k:]) for k in range(1, len(shape))]
    for form in (values, nested(values, shape), mixed(values, sizes)):
        if form:
            assert packed("INT64", form, shape).reshape(-1).tolist() == values


@given(shaped(), st.data())
def test_one_element_more_or_less_is_refused_wherever_it_is(case, data):
    shape, values = case
    form = nested(values, shape)
    holder = form
    for _ in range(data.draw(st.integers(0, len(shape) - 1))):
        holder = data.draw(st.sampled_from(holder))
    if data.draw(st.booleans()):
        holder.append(holder[0])
    else:
        holder.pop()
    with pytest.raises(ShapeInvalid):
        packed("INT64", form, shape)


@pytest.mark.parametrize(
    ("data", "shape", "row"),
    [
        ([[1, 2, 3], [4]], [2, 2], 0),
        ([[1, 2], [3, 4, 5]], [2, 2], 1),
        ([[1], [2, 3], [4]], [2, 2], 0),
        ([1, [2, 3], 4], [2, 2], 0),
        ([[1, 2], [[3, 4]], [5]], [3, 2], 1),
        ([[[1]]], [1, 1], 0),
        ([[[[]]]], [1, 1, 1], 0),
        ([[1, 2], []], [2, 2], 1),
    ],
)
def test_a_list_that_fills_no_part_of_the_shape_is_named(data, shape, row):
    with pytest.raises(ShapeInvalid, match="fills no part") as caught:
        packed("INT64", data, shape)
    assert caught.value.row == row


@pytest.mark.parametrize("data", [[], [1], [1, 2, 3], [[1, 2]], [[1, 2], [3, 4], [5, 6]]])
def test_a_count_that_is_not_the_shapes_is_named(data):
    with pytest.raises(ShapeInvalid, match="shape \\[2, 2\\] has 4 elements"):
        packed("INT64", data, [2, 2])


@pytest.mark.parametrize(("datatype", "value"), [("FP32", 1), ("BYTES", "a"), ("BOOL", True)])
def test_a_list_where_one_value_belongs_is_refused(datatype, value):
    with pytest.raises(ShapeInvalid, match="a list"):
        packed(datatype, [value, value, value, [value]], [2, 2])


def test_a_tensor_of_rank_0_has_one_element():
    assert packed("FP32", [1.5], []).tolist() == 1.5
    for data in ([1, 2], [[1]], []):
        with pytest.raises(ShapeInvalid):
            packed("FP32", data, [])


def test_deep_rows_of_text_are_packed_too():
    assert packed("BYTES", [["a", "b"], ["c", "d"]], [2, 2]).tolist() == [["a", "b"], ["c", "d"]]


def test_the_bytes_are_little_endian_and_row_major():
    data = pack(
        DTYPES["INT16"], [2, 2], 4, [[1, 2], [3, 4]], booleans=False, missing=False, where="x"
    )
    assert data == struct.pack("<4h", 1, 2, 3, 4)


def test_a_promise_of_no_booleans_is_taken_at_its_word():
    """The caller has scanned the bytes; looking again would cost every number."""
    assert packed("FP32", [True, 2.0], booleans=False).tolist() == [1.0, 2.0]


def test_a_long_list_with_its_last_element_bad_is_refused_at_once():
    values: list = [0.5] * (1 << 20)
    values[-1] = "x"
    with pytest.raises(DtypeMismatch) as caught:
        packed("FP32", values)
    assert caught.value.row == len(values) - 1
