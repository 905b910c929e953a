"""JSON with NaN and Infinity: as strict as any other in all else."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import DuplicateName, FairleadError, JsonTooDeep, MalformedBody
from fairlead.inputs.loose_json import loads

SCALARS = (
    st.none()
    | st.booleans()
    | st.floats()
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.sampled_from("abNI")), inner),
    max_leaves=20,
)


@given(VALUES)
def test_what_python_writes_is_read_as_it_was(value):
    text = json.dumps(value)
    assert json.dumps(loads(text.encode())) == text


def test_words_within_strings_are_strings():
    text = b'{"NaN": ["NaN", "a \\\\\\" Infinity", -Infinity, Infinity]}'
    assert loads(text) == {"NaN": ["NaN", 'a \\" Infinity', -math.inf, math.inf]}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"NaN" + b"[" * 200, JsonTooDeep),
        (b"[" * 101 + b"NaN" + b"]" * 101, JsonTooDeep),
        (b'{"a": NaN, "a": 1}', DuplicateName),
        (b"[nan, NaN]", MalformedBody),
        (b"[NaN, 1", MalformedBody),
        (b"[-NaN]", MalformedBody),
        (b"[xNaN]", MalformedBody),
        (b"[NaN1]", MalformedBody),
        (b"[1Infinity]", MalformedBody),
        (b"[NaN 1]", MalformedBody),
        (b'["NaN', MalformedBody),
        (b"[--Infinity]", MalformedBody),
    ],
)
def test_everything_else_is_refused_as_ever(text, error):
    with pytest.raises(error):
        loads(text)


@given(st.binary(max_size=40).map(lambda raw: raw + b"NaN" + raw))
def test_any_bytes_are_read_or_refused(raw):
    try:
        loads(raw)
    except FairleadError:
        return
    assert json.loads(raw) is not None
