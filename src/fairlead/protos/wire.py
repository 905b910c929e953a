"""Protobuf's wire format, as far as messages are put together and cut apart by hand."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.core.errors import MalformedBody

BYTES = 2
"""The kind of a field of bytes, text, a message, or packed numbers."""
_FIXED = {1: 8, 5: 4}
_LONGEST_VARINT = 10
MOST_FIELDS = 8192
"""Fields of one message: two bytes make one, and reading it takes microseconds."""


def varint(value: int) -> bytes:
    """A number of 0 or more."""
    if value < 128:
        return bytes((value,))
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number: int, content: bytes) -> bytes:
    """A field of bytes, text or a message; `number` is below 16."""
    return bytes((number << 3 | BYTES,)) + varint(len(content)) + content


def fields(
    body: bytes, start: int = 0, stop: int | None = None, *, most: int = MOST_FIELDS
) -> Iterator[tuple[int, int, int, int]]:
    """The fields of a message: number, where it begins, where its content begins and ends.

    start, stop: where the message stands in `body`. most: fields that it may have.
    Raises MalformedBody for a message that is cut off, holds groups, or has too many fields.
    """
    at, size, count = start, len(body) if stop is None else stop, 0
    while at < size:
        whole = at
        tag, at = _varint(body, at)
        kind = tag & 7
        if kind == BYTES:
            length, at = _varint(body, at)
            begin, end = at, at + length
        elif kind == 0:
            begin = at
            _, end = _varint(body, at)
        elif kind in _FIXED:
            begin, end = at, at + _FIXED[kind]
        else:
            raise MalformedBody("the message holds a field of no known kind")
        if end > size:
            raise MalformedBody("a field of the message claims more than there is")
        count += 1
        if count > most:
            raise MalformedBody(f"a message has at most {most} fields")
        yield tag >> 3, whole, begin, end
        at = end


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for place in range(at, min(at + _LONGEST_VARINT, len(body))):
        byte = body[place]
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place + 1
        shift += 7
    raise MalformedBody("a number of the message is cut off or too long")
