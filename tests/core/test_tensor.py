"""Tensors: what goes in comes out, joined rows are the rows, sizes are exact integers."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fairlead.core.datatypes import DTYPES
from fairlead.core.tensor import Tensor, dtype_of, element_count, join

NUMBERS = [d for d in DTYPES.values() if not d.is_text]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@st.composite
def arrays(draw, shapes=SHAPES):
    dtype = draw(st.sampled_from(NUMBERS))
    return draw(hnp.arrays(dtype.numpy, shapes))


@given(arrays())
def test_an_array_survives_being_a_tensor(array):
    tensor = Tensor.of(array)
    assert tensor.dtype is dtype_of(array)
    assert tensor.shape == array.shape
    assert tensor.array.tobytes() == array.tobytes()
    assert tensor.array.shape == array.shape
    assert tensor.array.dtype == array.dtype


@given(st.lists(TEXT, max_size=6))
def test_text_survives_being_a_tensor(texts):
    array = np.empty(len(texts), object)
    array[:] = texts
    tensor = Tensor.of(array)
    assert tensor.dtype is DTYPES["BYTES"]
    assert tensor.array.tolist() == texts


def test_text_of_every_numpy_kind_becomes_str():
    for array in (np.array(["ä", "b"]), np.array([b"\xc3\xa4", b"b"])):
        assert Tensor.of(array).data == ["ä", "b"]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=5), st.sampled_from(NUMBERS), st.data())
def test_joined_tensors_are_their_rows_in_order(rows, dtype, data):
    parts = [data.draw(hnp.arrays(dtype.numpy, (count, 2))) for count in rows]
    joined = join([Tensor.of(part) for part in parts])
    expected = np.concatenate(parts)
    assert joined.shape == expected.shape
    assert joined.tobytes() == expected.tobytes()


@given(st.lists(st.lists(TEXT, min_size=1, max_size=3), min_size=1, max_size=4))
def test_joined_text_is_its_rows_in_order(parts):
    text = DTYPES["BYTES"]
    joined = join([Tensor(text, (len(part), 1), part) for part in parts])
    assert joined.tolist() == [[value] for part in parts for value in part]


def test_a_view_of_a_tensor_cannot_be_written():
    view = Tensor(DTYPES["FP32"], (1,), struct.pack("<f", 1.0)).array
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 2


def test_a_big_endian_array_is_the_datatype_of_its_values():
    assert dtype_of(np.array([1], ">i4")) is DTYPES["INT32"]


def test_a_complex_array_has_no_datatype():
    with pytest.raises(KeyError):
        dtype_of(np.array([1j]))


@given(st.lists(st.integers(0, 2**63), max_size=5))
def test_sizes_are_multiplied_exactly(shape):
    product = 1
    for dim in shape:
        product *= dim
    assert element_count(shape) == product


def test_a_size_beyond_64_bits_does_not_wrap_around():
    assert element_count([2**32, 2**32]) == 2**64
    assert element_count([16, 2**60 + 2]) == 2**64 + 32


def test_many_packers_do_not_pile_up():
    dtype = DTYPES["INT8"]
    for count in range(1, 2000):
        dtype.packer(count)
    assert len(dtype._packers) < 2000
    assert dtype.packer(3)(1, -2, 3) == b"\x01\xfe\x03"
