"""Walks the bytes of a Protocol Buffers message field by field, within limits.

Enough to look into ONNX graphs and SavedModels without a library that could do more than look.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fairlead.core.errors import UnsafeFile

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}
_MOST_NUMBER = 1 << 29


def fields(
    message: memoryview, skip: re.Pattern[bytes] | None = None
) -> Iterator[tuple[int, int, int | memoryview]]:
    """Every field as (number, wire type, value): an int for VARINT, a view of bytes otherwise.

    skip: runs of fields that it matches are passed over, as fast as the pattern goes.
    Raises UnsafeFile where the bytes are no message.
    """
    at, end = 0, len(message)
    while at < end:
        run = skip.match(message, at) if skip is not None else None
        if run is not None:
            at = run.end()
            continue
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if not 0 < number < _MOST_NUMBER:
            raise _broken()
        if kind == VARINT:
            value, at = _varint(message, at)
            yield number, kind, value
            continue
        if kind == BYTES:
            size, at = _varint(message, at)
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise _broken()
        if size > end - at:
            raise _broken()
        yield number, kind, message[at : at + size]
        at += size


def strings(message: memoryview, number: int) -> list[str]:
    """Every text of the field `number`."""
    return [text(value) for n, _, value in fields(message) if n == number]


def text(value: int | memoryview) -> str:
    """A field as text. Raises UnsafeFile when it is none."""
    try:
        return str(bytes(value), "utf-8") if isinstance(value, memoryview) else str(value)
    except UnicodeDecodeError:
        raise _broken() from None


def integers(kind: int, value: int | memoryview) -> list[int]:
    """A repeated integer field, packed or not, as signed 64-bit numbers."""
    if isinstance(value, int):
        return [_signed(value)]
    if kind != BYTES:
        raise _broken()
    found: list[int] = []
    at = 0
    while at < len(value):
        number, at = _varint(value, at)
        found.append(_signed(number))
    return found


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise _broken()
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & ((1 << 64) - 1), at
    raise _broken()


def _broken() -> UnsafeFile:
    return UnsafeFile("the file is damaged: it is not the message that its name promises")
