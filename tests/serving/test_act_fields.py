"""Fields from anybody: each of its type, none unknown, and the one that is wrong is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import KeyFieldInvalid
from fairlead.serving.act_fields import Fields

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def read_or_error(read):
    try:
        return read()
    except KeyFieldInvalid as error:
        return error


@given(ANYTHING)
def test_whatever_is_given_is_of_its_type_or_named(value):
    fields = Fields({"x": value}, "x")
    for read, kind in (
        (lambda: fields.text("x", "d"), str),
        (lambda: fields.texts("x"), list),
        (lambda: fields.whole("x", 1, 0, 10), int),
        (lambda: fields.truth("x"), bool),
        (lambda: fields.table("x"), dict),
    ):
        found = read_or_error(read)
        if isinstance(found, KeyFieldInvalid):
            assert found.where == "x"
            assert len(found.line()) < 200
        else:
            assert type(found) is kind


def test_what_is_not_given_is_what_is_meant_without_it():
    for fields in (Fields({}, "x"), Fields({"x": None}, "x")):
        assert (fields.text("x", "d"), fields.texts("x"), fields.whole("x", 7, 0, 9)) == (
            "d",
            [],
            7,
        )
        assert fields.truth("x") is False
        assert "x" not in fields


def test_what_is_required_and_missing_is_named():
    with pytest.raises(KeyFieldInvalid, match="name is missing"):
        Fields({}, "name").text("name")


def test_an_unknown_field_is_named_with_the_one_that_was_meant():
    with pytest.raises(KeyFieldInvalid) as caught:
        Fields({"scope": []}, "name", "scopes")
    assert (caught.value.where, caught.value.fix) == ("scope", "Did you mean scopes?")


@pytest.mark.parametrize(
    "value", ["a\0b", "x" * 65_537, ["x"] * 101, [1], 11, -1, True, 1.0], ids=lambda v: repr(v)[:20]
)
def test_what_is_too_long_or_of_another_type_is_refused(value):
    fields = Fields({"x": value}, "x")
    read = {list: lambda: fields.texts("x"), str: lambda: fields.text("x")}
    with pytest.raises(KeyFieldInvalid):
        read.get(type(value), lambda: fields.whole("x", 0, 0, 10))()
