"""The words of HTTP/2 (RFC 9113): frames, settings, and header blocks that need no table.

Nothing here knows a connection.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_BYTES = 9
"""Of a frame, before its payload."""

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 5, 6, 7, 8, 9

END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 0, 1, 2, 3
STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL = 5, 6, 7, 8
COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 9, 11

TABLE_SIZE, MOST_STREAMS, FIRST_WINDOW, MOST_FRAME, MOST_HEADERS = 1, 3, 4, 5, 6
"""Names of settings."""

LARGEST_WINDOW = (1 << 31) - 1
SMALLEST_FRAME, LARGEST_FRAME = 1 << 14, (1 << 24) - 1
"""What a receiver must take, and the most that it may allow."""

_HEAD = struct.Struct(">IBI")
_NUMBER = struct.Struct(">I")
_SETTING = struct.Struct(">HI")


class ConnectionFault(Exception):
    """The other side broke the protocol: the whole connection ends with this error code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def head(kind: int, flags: int, stream: int, size: int) -> bytes:
    """The nine bytes before a payload of so many bytes."""
    return _HEAD.pack(size << 8 | kind, flags, stream)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A whole frame."""
    return _HEAD.pack(len(payload) << 8 | kind, flags, stream) + payload


def number(value: int) -> bytes:
    """A 32-bit number, as WINDOW_UPDATE and RST_STREAM carry one."""
    return _NUMBER.pack(value)


def settings(values: Iterable[tuple[int, int]]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join([_SETTING.pack(*pair) for pair in values]))


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """The settings of a frame. Raises ConnectionFault."""
    if len(payload) % _SETTING.size:
        raise ConnectionFault(FRAME_SIZE_ERROR, "settings of a broken length")
    return list(_SETTING.iter_unpack(payload))


def unpadded(flags: int, payload: bytes) -> bytes:
    """A payload without its padding and, for HEADERS, its priority. Raises ConnectionFault."""
    start, stop = 0, len(payload)
    if flags & PADDED:
        if not payload:
            raise ConnectionFault(FRAME_SIZE_ERROR, "padding without a length")
        start, stop = 1, stop - payload[0]
    if flags & WITH_PRIORITY:
        start += 5
    if start > stop:
        raise ConnectionFault(PROTOCOL_ERROR, "more padding than payload")
    return payload[start:stop]


def literal(name: bytes, value: bytes) -> bytes:
    """A header line in HPACK that neither uses nor changes a table (RFC 7541, 6.2.2)."""
    return b"\0" + _text(name) + _text(value)


def _text(text: bytes) -> bytes:
    size = len(text)
    if size < 127:
        return bytes((size,)) + text
    out = bytearray((127,))
    size -= 127
    while size >= 128:
        out.append(size & 127 | 128)
        size >>= 7
    out.append(size)
    return bytes(out) + text


_STATUS = {200: b"\x88", 204: b"\x89", 206: b"\x8a", 304: b"\x8b", 400: b"\x8c", 404: b"\x8d",
           500: b"\x8e"}  # fmt: skip
"""Statuses that stand in the static table."""


def status(code: int) -> bytes:
    """The header line `:status`."""
    # 8 is where `:status` stands in the static table; its value follows.
    return _STATUS.get(code) or b"\x08" + _text(str(code).encode())
