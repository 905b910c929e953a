"""Signatures: the JSON form is the signature, columns are named, nonsense is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models import spec

from fairlead.core.datatypes import DTYPES
from fairlead.core.signature import Signature, TensorSpec

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
DIMS = st.one_of(st.just(-1), st.integers(1, 5))


@st.composite
def specs(draw, roles=("",)):
    shape = tuple(draw(st.lists(DIMS, max_size=3)))
    width = shape[-1] if len(shape) > 1 else 1
    names = st.lists(NAMES, min_size=width, max_size=width, unique=True)
    named = shape and width != -1 and draw(st.booleans())
    return TensorSpec(
        draw(NAMES),
        draw(st.sampled_from(list(DTYPES.values()))),
        shape,
        columns=tuple(draw(names)) if named else (),
        missing=draw(st.booleans()),
        role=draw(st.sampled_from(roles)),
        classes=tuple(draw(st.lists(NAMES, max_size=3, unique=True))) if not roles[0] else (),
    )


def lists_of(one):
    return st.lists(one, min_size=1, max_size=3, unique_by=lambda s: s.name).map(tuple)


@given(lists_of(specs()), lists_of(specs(roles=("value", "label"))))
def test_a_signature_survives_its_json_form(inputs, outputs):
    signature = Signature(inputs, outputs)
    assert Signature.from_json(json.loads(json.dumps(signature.to_json()))) == signature


def test_rows_may_be_joined_only_when_every_first_dimension_is_open():
    open_, closed = spec("x", "FP32", (-1, 2)), spec("y", "FP32", (2, 2))
    assert Signature((open_,), (open_,)).batched
    assert not Signature((open_,), (closed,)).batched
    assert not Signature((spec("x", "FP32", ()),), (open_,)).batched
    assert not Signature((), (open_,)).batched


def test_columns_are_named_by_the_package_by_position_or_by_their_input():
    inputs = (
        spec("x", "FP32", (-1, 2), columns=("a", "b")),
        spec("y", "FP32", (-1, 2)),
        spec("z", "INT64", (-1,)),
        spec("w", "BYTES", (-1, 1), columns=("colour",)),
    )
    columns = Signature(inputs, (spec("o", "FP32", (-1,)),)).columns
    assert [(c.name, c.input, c.position) for c in columns] == [
        ("a", 0, 0),
        ("b", 0, 1),
        ("y[0]", 1, 0),
        ("y[1]", 1, 1),
        ("z", 2, None),
        ("colour", 3, None),
    ]


@pytest.mark.parametrize(
    "inputs",
    [
        (spec("x", "FP32", (-1, -1)),),
        (spec("x", "FP32", (-1, 2, 2)),),
        (spec("x", "FP32", (2, 2)),),
        (spec("x", "FP32", (-1, 1), columns=("a",)), spec("y", "FP32", (-1, 2), columns="ab")),
    ],
    ids=["open width", "rank 3", "no rows", "a name in two inputs"],
)
def test_what_is_no_table_has_no_columns(inputs):
    assert Signature(inputs, (spec("o", "FP32", (-1,)),)).columns == ()


def as_json(**more):
    return {"name": "x", "datatype": "FP32", "shape": [-1, 2], **more}


@pytest.mark.parametrize(
    "bad",
    [
        {"datatype": "FP31"},
        {"shape": None},
        {"shape": [0, 2]},
        {"shape": [-2]},
        {"columns": ["a"]},
        {"columns": ["a", "a"]},
        {"shape": [-1], "columns": ["a", "b"]},
        {"role": "scores", "classes": ["a", "b", "c"]},
    ],
    ids=str,
)
def test_a_tensor_that_contradicts_itself_is_refused(bad):
    with pytest.raises((KeyError, TypeError, ValueError)):
        Signature.from_json({"format": 1, "inputs": [as_json(**bad)], "outputs": [as_json()]})
    with pytest.raises((KeyError, TypeError, ValueError)):
        Signature.from_json({"format": 1, "inputs": [as_json()], "outputs": [as_json(**bad)]})


@pytest.mark.parametrize(
    "document",
    [
        {"format": 2, "inputs": [as_json()], "outputs": [as_json()]},
        {"format": 1, "inputs": [as_json(), as_json()], "outputs": [as_json()]},
        {"format": 1, "inputs": [], "outputs": [as_json()]},
        {"inputs": [as_json()], "outputs": [as_json()]},
    ],
    ids=["another format", "a name twice", "no input", "no format"],
)
def test_a_document_that_is_no_signature_is_refused(document):
    with pytest.raises((KeyError, TypeError, ValueError)):
        Signature.from_json(document)


@pytest.mark.parametrize(
    ("roles", "place"),
    [
        (["label", "scores"], 1),
        (["label", "", "value"], 2),
        (["", "label"], 1),
        (["value", "scores"], 1),
        ([""], None),
    ],
)
def test_the_answer_is_the_output_that_says_most(roles, place):
    outputs = [spec(f"y{i}", "FP32", (-1, 1), role=role) for i, role in enumerate(roles)]
    assert Signature((spec("x", "FP32", (-1, 1)),), tuple(outputs)).answer == place
