"""Arrays as JSON: every value as it is, row by row or at once, and never beyond a size."""

import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.models import spec

from fairlead.core.datatypes import DTYPES
from fairlead.core.errors import AnswerTooLarge
from fairlead.serving import array_json
from fairlead.serving.array_json import flat, most_rows, nested, rows, too_large

MOST = 64 << 20
SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, max_side=4)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@st.composite
def arrays(draw):
    """An array of any datatype without NaN, contiguous or not."""
    shape = draw(SHAPES)
    dtype = draw(st.sampled_from(list(DTYPES.values())))
    if dtype.is_text:
        found = draw(hnp.arrays(object, shape, elements=TEXT))
    else:
        options = {"allow_nan": False, "allow_infinity": False} if dtype.is_float else {}
        found = draw(
            hnp.arrays(dtype.numpy, shape, elements=hnp.from_dtype(dtype.numpy, **options))
        )
    return found.T if draw(st.booleans()) else found


def read(text: bytes, like):
    """JSON elements separated by commas, as an array of the same datatype."""
    values = json.loads(b"[" + text + b"]")
    if like.dtype.kind == "O":
        found = np.empty(len(values), object)
        found[:] = values
        return found
    return np.array(values, like.dtype)


@given(arrays())
def test_all_elements_come_back_exactly(array):
    found = read(flat(array, MOST), array)
    assert found.tolist() == array.reshape(-1).tolist()


@given(arrays())
def test_every_row_comes_back_exactly(array):
    written = rows(array, MOST)
    assert len(written) == len(array)
    for text, row in zip(written, array, strict=True):
        assert read(text, array).tolist() == np.asarray(row, array.dtype).reshape(-1).tolist()


@given(arrays())
def test_lists_in_lists_come_back_exactly(array):
    found = np.array(json.loads(nested(array)), array.dtype).reshape(array.shape)
    assert found.tolist() == array.tolist()


@pytest.mark.parametrize("each", [2, 3, 7])
@given(arrays())
def test_a_large_array_is_written_in_pieces_that_join(each, array):
    """What counts as large is set low here, so that small arrays take the way of large ones."""
    usual, array_json._PIECE = array_json._PIECE, each
    try:
        pieces = flat(array, MOST), rows(array, MOST)
    finally:
        array_json._PIECE = usual
    assert pieces == (flat(array, MOST), rows(array, MOST))


def test_a_text_beyond_the_limit_is_never_made():
    array = np.full((3000, 10_000), 7, np.int8)
    tracemalloc.start()
    try:
        for write in (flat, rows):
            with pytest.raises(AnswerTooLarge, match="1 MiB"):
                write(array, 1 << 20)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_a_row_that_is_large_by_itself_is_written_too():
    array = np.zeros((2, 3 << 20), np.int8)
    first, second = rows(array, MOST)
    assert first == second == b",".join([b"0"] * (3 << 20))
    with pytest.raises(AnswerTooLarge):
        rows(array, 6 << 20)


def test_the_error_says_what_to_do():
    assert too_large(3 << 20).line() == (
        "FRL-1103 the answer would be larger than 3 MiB. "
        "Ask for fewer rows or fewer outputs at once"
    )


@pytest.mark.parametrize(
    ("allowed", "outputs", "most", "rows_"),
    [
        (10_000, [(-1, 3)], 64 << 20, 10_000),
        (10_000, [(-1,)], 100, 50),
        (10_000, [(-1, 1000)], 20_000, 10),
        (10_000, [(-1, 10, 10), (-1, 900)], 20_000, 10),
        (10_000, [(-1, -1)], 100, 50),
        (5, [(-1, 1000)], 20_000, 5),
        (10, [(-1, 1_000_000)], 1000, 0),
    ],
)
def test_as_many_rows_may_be_asked_for_as_an_answer_surely_holds(allowed, outputs, most, rows_):
    specs = [spec(str(i), "FP32", shape) for i, shape in enumerate(outputs)]
    assert most_rows(allowed, specs, most) == rows_
