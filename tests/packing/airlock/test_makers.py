"""Our own constructors: they make what numpy would, and nothing of a forged claim."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays
from sklearn.tree import DecisionTreeClassifier

from fairlead.packing.airlock import makers
from fairlead.packing.airlock.makers import Named
from fairlead.packing.airlock.refused import Refused

NDARRAY = Named("numpy", "ndarray", frozenset(), None)


@given(arrays.array_dtypes(max_size=4) | arrays.scalar_dtypes())
def test_an_element_type_comes_out_as_numpy_would_make_it(kind):
    _, (text, align, copy), state = kind.__reduce__()
    try:
        made = makers.element_type(text, align, copy)
        makers.build_element_type(made, state)
    except Refused:
        # Elements that hold arrays, or nothing at all, are of no model.
        fields = [kind.fields[name][0] for name in kind.names or ()]
        odd = any(f.subdtype or f.names is not None or f.kind in "mM" for f in [kind, *fields])
        assert odd or kind.itemsize == 0 or kind.kind == "V" or kind.hasobject
    else:
        assert made == kind


@pytest.mark.parametrize("text", ["O", "f8", "<i4", "|b1", "U5", "S3", "V16", "M8[us]", "m8", "?"])
def test_an_element_type_is_fresh_so_that_no_other_array_has_it(text):
    assert makers.element_type(text) == np.dtype(text)
    assert makers.element_type(text) is not makers.element_type(text)


@pytest.mark.parametrize(
    "text", ["f8,O", "object", "float64", "(2,)f8", "f8\n", "", "O8)", 8, None, [("a", "O")], {}]
)
def test_an_element_type_of_any_other_text_is_refused(text):
    with pytest.raises(Refused, match="unknown element type"):
        makers.element_type(text)


FIELDS = {"a": (np.dtype("f8"), 0)}
FORGED: dict[str, tuple[str, Any]] = {
    "fields of another size": ("V4", (3, "|", None, ("a",), FIELDS, 8, 1, 0)),
    "a field beyond the end": ("V8", (3, "|", None, ("a",), {"a": (np.dtype("f8"), 8)}, 8, 1, 0)),
    "a negative offset": ("V8", (3, "|", None, ("a",), {"a": (np.dtype("f4"), -4)}, 8, 1, 0)),
    "an object": ("V8", (3, "|", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 1, 0)),
    "a field without a type": ("V8", (3, "|", None, ("a",), {"a": ("O", 0)}, 8, 1, 0)),
    "names without fields": ("V8", (3, "|", None, ("a", "b"), FIELDS, 8, 1, 0)),
    "fields of a number": ("f8", (3, "|", None, ("a",), FIELDS, 8, 1, 0)),
    "an inner array": ("V8", (3, "|", (np.dtype("f8"), (1,)), None, None, 8, 1, 0)),
    "an order of bytes": ("f8", (3, "!", None, None, None, -1, -1, 0)),
    "a short state": ("f8", (3, "<")),
    "no state": ("f8", None),
    "a unit": ("M8", (4, "<", None, None, None, -1, -1, 0, ({}, (b"parsec", 1, 1, 1)))),
}


@pytest.mark.parametrize("title", FORGED)
def test_a_forged_element_type_is_refused_and_left_as_it_was(title):
    text, state = FORGED[title]
    kind = makers.element_type(text)
    with pytest.raises(Refused):
        makers.build_element_type(kind, state)
    assert kind == np.dtype(text)


def test_what_a_state_claims_of_size_and_flags_is_not_followed():
    """Arrays may have the type already: a larger one would read beyond their end."""
    for text, state in (
        ("U2", (3, "<", None, None, None, 400, 4, 8)),
        ("V8", (3, "|", None, ("a",), FIELDS, 1 << 30, 1, 0)),
        ("V8", (3, "|", None, ("a",), FIELDS, 8, 1, 63)),
    ):
        kind = makers.element_type(text)
        makers.build_element_type(kind, state)
        assert kind.itemsize == 8
        assert not kind.hasobject


@given(arrays.arrays(arrays.scalar_dtypes(), arrays.array_shapes(min_side=0)))
def test_an_array_is_filled_from_its_state(array):
    _, (_, _, code), state = array.__reduce__()
    made = makers.empty_array(NDARRAY, (0,), code)
    makers.build_array(made, state)
    np.testing.assert_array_equal(made, array)


def test_an_array_is_only_ever_an_empty_plain_one():
    for kind, shape in ((NDARRAY, (1 << 40,)), (NDARRAY, (0, 1)), (np.ndarray, (0,)), ("x", (0,))):
        with pytest.raises(Refused):
            makers.empty_array(kind, shape, b"O")


def test_objects_come_as_a_list_and_never_as_bytes():
    made = makers.empty_array(NDARRAY, (0,), b"b")
    with pytest.raises(Refused):
        makers.build_array(made, (1, (1,), np.dtype("O"), False, b"\x10" * 8))
    makers.build_array(made, (1, (2,), np.dtype("O"), False, ["a", None]))
    assert made.tolist() == ["a", None]


@pytest.mark.parametrize(
    ("data", "kind", "shape", "order"),
    [
        (b"\x00" * 8, np.dtype("O"), (1,), "C"),
        (b"\x00" * 8, "f8", (1,), "C"),
        ("\x00" * 8, np.dtype("f8"), (1,), "C"),
        (b"\x00" * 8, np.dtype("f8"), (1,), "A"),
    ],
)
def test_a_buffer_is_bytes_of_a_plain_type(data, kind, shape, order):
    with pytest.raises(Refused):
        makers.array_of_buffer(data, kind, shape, order)


def test_a_number_is_as_long_as_its_type():
    assert makers.scalar(np.dtype("f8"), np.float64(2.5).tobytes()) == 2.5
    assert makers.scalar(np.dtype("U0"), b"") == ""
    for data in (b"", b"\x00" * 4, b"\x00" * 16, 5, None):
        with pytest.raises(Refused):
            makers.scalar(np.dtype("f8"), data)


def test_masked_arrays_are_made_of_plain_ones():
    masked = Named("numpy.ma", "MaskedArray", frozenset(), None)
    made = makers.empty_masked_array(masked, NDARRAY, (0,), "b")
    makers.build_array(made, np.ma.masked_array([1.0, 2.0], mask=[0, 1]).__reduce__()[2])
    assert made.tolist() == [1.0, None]
    for given_ in ((masked, masked, (0,)), (NDARRAY, NDARRAY, (0,)), (masked, NDARRAY, (9,))):
        with pytest.raises(Refused):
            makers.empty_masked_array(*given_, "b")


def test_random_generators_are_numpys_own():
    assert isinstance(makers.bit_generator(Named("x", "PCG64", frozenset(), None)), np.random.PCG64)
    assert isinstance(makers.generator("MT19937", print), np.random.Generator)
    assert isinstance(makers.random_state(np.random.MT19937()), np.random.RandomState)
    for name in ("os", "default_rng", None, [], int):
        with pytest.raises((Refused, TypeError)):
            makers.bit_generator(name)


def test_bytes_are_decoded_by_no_codec_but_their_own():
    assert makers.text_as_bytes("é\x00", "latin1") == b"\xe9\x00"
    for text, codec in (("a", "rot13"), ("a", "utf-8"), (b"a", "latin1"), ("a", None)):
        with pytest.raises(Refused):
            makers.text_as_bytes(text, codec)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("bytearray", (1 << 40,)),
        ("bytes", (1 << 40,)),
        ("set", ("text",)),
        ("frozenset", (range(1 << 40),)),
        ("range", (0, 1.5)),
        ("slice", ("a",)),
        ("complex", ("1e400j",)),
    ],
)
def test_builtins_are_made_of_plain_values_only(name, arguments):
    with pytest.raises(Refused):
        makers.MAKERS["builtins", name](*arguments)


# --- trees --------------------------------------------------------------------------------

MODEL = DecisionTreeClassifier(max_depth=3, random_state=0).fit(
    np.arange(40.0).reshape(20, 2), np.arange(20) % 3
)


def parts() -> tuple[Any, Any]:
    """An empty tree, and the state of a fitted one."""
    kind, given_, state = MODEL.tree_.__reduce__()
    assert kind.__name__ == "Tree"
    return makers.tree(*given_), pickle.loads(pickle.dumps(state))


def test_a_tree_grows_back():
    made, state = parts()
    makers.build_tree(made, state)
    rows = np.arange(40, dtype=np.float32).reshape(20, 2)
    assert np.array_equal(made.apply(rows), MODEL.tree_.apply(rows))


@pytest.mark.parametrize(
    ("field", "at", "value"),
    [
        ("left_child", 0, 0),  # a circle
        ("left_child", 0, 1 << 40),
        ("right_child", 0, -5),
        ("right_child", 0, -1),
        ("feature", 0, 2),
    ],
)
def test_a_tree_whose_branches_lead_elsewhere_is_refused(field, at, value):
    made, state = parts()
    state["nodes"][field][at] = value
    with pytest.raises(Refused, match="branches"):
        makers.build_tree(made, state)


def test_a_tree_of_more_nodes_than_it_holds_is_refused():
    made, state = parts()
    state["node_count"] = 1 << 20
    with pytest.raises(Refused):
        makers.build_tree(made, state)


def test_a_tree_that_claims_more_classes_than_it_holds_is_refused():
    for classes, outputs in (
        (np.array([3]), 2),
        (np.array([3]), 0),
        (np.array([3.0]), 1),
        ([3], 1),
    ):
        with pytest.raises(Refused):
            makers.tree(2, classes, outputs)
