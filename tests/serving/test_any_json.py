"""JSON between our own processes: whatever is written is read as it was."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.serving import any_json

TEXTS = st.one_of(st.text(), st.binary().map(os.fsdecode))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False,
    allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(VALUES)
def test_what_is_written_is_read(value):
    assert any_json.loads(any_json.dumps(value)) == value
    assert any_json.loads(json.dumps(value).encode()) == value


@pytest.mark.parametrize("raw", [b"", b"{", b"[" * 100_000, b"\xff", b'"\\u12"'])
def test_what_is_no_json_is_said_to_be_none(raw):
    with pytest.raises(ValueError, match=r"."):
        any_json.loads(raw)


def test_what_json_cannot_hold_is_refused():
    with pytest.raises(TypeError):
        any_json.dumps({"a": object()})
