"""The walk over a message: every honest field, and no other exception than ours."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import AttributeProto, StringStringEntryProto

from fairlead.core.errors import UnsafeFile
from fairlead.packing import protobuf
from fairlead.packing.protobuf import BYTES, FIXED32, FIXED64, VARINT, fields, integers


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


NUMBERS = st.integers(1, (1 << 29) - 1)
FIELDS = st.one_of(
    st.tuples(NUMBERS, st.just(VARINT), st.integers(0, (1 << 64) - 1)),
    st.tuples(NUMBERS, st.just(FIXED64), st.binary(min_size=8, max_size=8)),
    st.tuples(NUMBERS, st.just(FIXED32), st.binary(min_size=4, max_size=4)),
    st.tuples(NUMBERS, st.just(BYTES), st.binary(max_size=20)),
)


def written(all_: list[tuple[int, int, int | bytes]]) -> bytes:
    out = b""
    for number, kind, value in all_:
        out += varint(number << 3 | kind)
        if isinstance(value, int):
            out += varint(value)
        else:
            out += (varint(len(value)) if kind == BYTES else b"") + value
    return out


def walked(raw: bytes, skip: re.Pattern[bytes] | None = None) -> list[tuple[int, int, int | bytes]]:
    found = fields(memoryview(raw), skip)
    return [(n, k, v if isinstance(v, int) else bytes(v)) for n, k, v in found]


@given(st.lists(FIELDS, max_size=8))
def test_every_field_comes_back(all_):
    assert walked(written(all_)) == all_


@given(st.binary(max_size=60))
def test_any_bytes_are_walked_or_refused(raw):
    try:
        walked(raw)
    except UnsafeFile as error:
        assert "damaged" in error.what  # noqa: PT017


@pytest.mark.parametrize(
    "raw",
    [
        b"\x08",  # a number that is not there
        b"\x0a\x05abc",  # bytes that are not there
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",  # more bytes than there can be
        b"\x08" + b"\xff" * 10,  # a number without end
        b"\x0b\x0c",  # groups
        b"\x0e",  # no wire type
        b"\x00\x00",  # no field number
        b"\x02\x00",
        varint((1 << 29) << 3) + b"\x01",  # a field number that none has
    ],
)
def test_what_is_no_message_is_refused(raw):
    with pytest.raises(UnsafeFile):
        walked(raw)


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), max_size=8))
def test_repeated_integers_are_signed_packed_or_not(values):
    packed = memoryview(b"".join(map(varint, values)))
    assert integers(BYTES, packed) == values
    assert [v for value in values for v in integers(VARINT, value & (1 << 64) - 1)] == values


def test_integers_of_another_wire_type_are_refused():
    with pytest.raises(UnsafeFile):
        integers(FIXED32, memoryview(b"1234"))


def test_texts_are_utf8():
    entry = StringStringEntryProto(key="ä", value="b").SerializeToString()
    assert protobuf.strings(memoryview(entry), 1) == ["ä"]
    with pytest.raises(UnsafeFile):
        protobuf.strings(memoryview(b"\x0a\x02\xff\xfe"), 1)


@given(
    st.lists(st.integers(-(1 << 63), (1 << 63) - 1), max_size=20),
    st.lists(st.floats(width=32, allow_nan=False), max_size=20),
    st.text(max_size=5),
)
def test_a_run_that_is_passed_over_leaves_the_other_fields(ints, floats, name):
    from fairlead.packing.onnx_file import _NUMBERS

    message = AttributeProto(name=name, ints=ints, floats=floats, doc_string="after")
    raw = message.SerializeToString()
    kept = [f for f in walked(raw) if not (f[0] == 8 or f[0] == 7)]
    assert walked(raw, _NUMBERS) == kept
