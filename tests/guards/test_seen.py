"""What guards see of tensors: the same at pack and in the server, of many rows as of one."""

import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.datatypes import DTYPES
from fairlead.core.signature import Signature, TensorSpec
from fairlead.guards.seen import Seen, UnseenShape, learn_seen, seen_of


def spec(name, kind, shape, columns=()):
    return TensorSpec(name, DTYPES[kind], (-1, *shape), columns)


def signature(*inputs):
    return Signature(inputs, (spec("y", "FP32", (1,)),))


def learnt(*given):
    """Seen of (spec, rows) pairs, the rows that are left, and the arrays."""
    arrays = [rows for _, rows in given]
    seen, rest = learn_seen(signature(*(one for one, _ in given)), arrays)
    return seen, rest, arrays


IMAGES = np.random.default_rng(0).random((90, 3, 12, 9)).astype("f4")
TOKENS = np.random.default_rng(0).integers(1, 50, (90, 10))
WIDE = np.random.default_rng(0).normal(size=(90, 5000)).astype("f4")


@pytest.mark.parametrize(
    ("one", "rows", "kind"),
    [
        (spec("x", "FP32", (3, 12, 9)), IMAGES, "image"),
        (spec("x", "FP32", (12, 9, 3)), np.moveaxis(IMAGES, 1, 3), "image"),
        (spec("x", "UINT8", (-1, -1)), (IMAGES[:, 0] * 255).astype("u1"), "image"),
        (spec("x", "FP32", (12, 5)), np.ones((9, 12, 5)), ""),
        (spec("x", "FP32", (5, 12, 9, 1)), np.ones((9, 5, 12, 9, 1)), ""),
        (spec("x", "FP32", (6, 12, 9)), np.ones((9, 6, 12, 9)), ""),
        (spec("x", "INT64", (-1,)), TOKENS, "tokens"),
        (spec("input_ids", "INT32", (10,)), TOKENS, "tokens"),
        (spec("paid", "INT32", (10,)), TOKENS, "table"),
        (spec("ids", "INT32", (10,), tuple("abcdefghij")), TOKENS, "table"),
        (spec("x", "FP32", (-1,)), WIDE[:, :40], "numbers"),
        (spec("x", "FP32", (5000,)), WIDE, "sums"),
        (spec("x", "BYTES", (1,)), np.array([["a"], ["b"]], object), "table"),
        (spec("x", "INT64", (-1,)), TOKENS[:9], ""),
    ],
)
def test_each_input_is_seen_as_what_it_is(one, rows, kind):
    seen, _, _ = learnt((one, rows))
    assert seen.views[0].kind == kind
    assert seen.unguarded == ([] if kind else ["x"])


def test_what_is_learnt_here_is_learnt_of_other_rows_than_guards_learn_from():
    seen, rest, _ = learnt((spec("x", "INT64", (-1,)), TOKENS))
    first = np.setdiff1d(np.arange(90), rest)
    assert len(first) == 30
    assert set(seen.views[0].learnt.ids.tolist()) == set(np.unique(TOKENS[first]).tolist())


def test_nothing_is_kept_back_where_nothing_is_learnt_here():
    _, rest, _ = learnt((spec("x", "FP32", (3, 12, 9)), IMAGES))
    assert rest.tolist() == list(range(90))


@given(st.lists(st.integers(0, 89), min_size=1, max_size=5))
def test_a_row_is_seen_alone_as_among_others_and_as_before_it_was_saved(rows):
    given = [
        (spec("scan", "FP32", (3, 12, 9)), IMAGES),
        (spec("ids", "INT64", (-1,)), TOKENS),
        (spec("far", "FP32", (5000,)), WIDE),
        (spec("age", "FP32", (1,)), WIDE[:, :1]),
    ]
    seen, _, arrays = learnt(*given)
    again = Seen.from_bytes(seen.to_bytes())
    whole = seen.columns(arrays)
    part = again.columns([array[rows] for array in arrays])
    assert list(whole) == list(part)
    for name, values in part.items():
        assert values == pytest.approx(whole[name][rows], abs=1e-9)


def test_columns_of_several_inputs_bear_their_names():
    image = spec("left", "FP32", (3, 12, 9)), IMAGES
    seen, _, arrays = learnt(image, (spec("right", "FP32", (3, 12, 9)), IMAGES[::-1]))
    columns = seen.columns(arrays)
    assert (columns["left: brightness"] == columns["right: brightness"][::-1]).all()


def test_rows_of_another_length_are_told_from_those_seen():
    seen, _, _ = learnt((spec("x", "FP32", (-1,)), WIDE[:, :40]))
    with pytest.raises(UnseenShape, match="x has 7 numbers, training rows 40"):
        seen.columns([WIDE[:, :7]])


def test_an_image_without_a_pixel_is_told_from_those_seen():
    seen, _, _ = learnt((spec("x", "FP32", (-1, -1, -1)), IMAGES))
    with pytest.raises(UnseenShape, match="x is empty"):
        seen.columns([np.zeros((1, 3, 0, 4), "f4")])


def test_a_table_of_a_signature_is_seen_by_the_names_of_its_columns():
    table = signature(spec("t", "FP32", (2,), ("age", "height")), spec("sex", "BYTES", (1,)))
    columns = seen_of(table).columns([np.array([[1.0, 2.0]]), np.array([["f"]], object)])
    assert {name: values.tolist() for name, values in columns.items()} == {
        "age": [1.0], "height": [2.0], "sex": ["f"],
    }  # fmt: skip
    assert seen_of(table).plain


@pytest.mark.parametrize("damage", [{"format": 9}, {"kind": "smell"}])
def test_another_format_is_refused(damage):
    told = {"format": 1, "views": [{"input": "x", "kind": "table", "names": ["x"]}]}
    told |= {key: value for key, value in damage.items() if key == "format"}
    told["views"][0] |= {key: value for key, value in damage.items() if key == "kind"}
    buffer = io.BytesIO()
    np.savez(buffer, told=np.frombuffer(json.dumps(told).encode(), np.uint8))
    with pytest.raises(ValueError, match=r"format 9|no way to see"):
        Seen.from_bytes(buffer.getvalue())
