"""What a worker and its runner say to each other: fixed binary frames, never a pickle.

Standalone: the standard library and numpy only; both sides use it.

Frame: magic, kind, attempt, bytes that follow. A PREDICT or ANSWER frame is a count of tensors,
each as datatype, rank, dimensions, bytes; PREDICT begins with the positions of the wanted
outputs. Text elements are length-prefixed UTF-8. A READY or FAILED frame is a short UTF-8 text.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

PREDICT, ANSWER, READY, FAILED = 1, 2, 3, 4
MOST_BYTES = 1 << 31
_MAGIC = 0xFA17
_HEAD = struct.Struct("<HHQQ")  # magic, kind, attempt, bytes that follow
_TENSOR = struct.Struct("<BBQ")  # datatype, rank, bytes of data
_TYPES = ("?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "O")
_CODES = {np.dtype(t).str: i for i, t in enumerate(_TYPES)}
_TEXT = len(_TYPES) - 1
_MOST_RANK = 32


class BadFrame(Exception):
    """The other side broke the framing; the channel cannot be used any more."""


class Closed(Exception):
    """The other side has ended."""


def pack(arrays: Sequence[Any]) -> list[bytes]:
    """Arrays as pieces of a frame's body. Raises BadFrame for a type that does not travel."""
    pieces: list[bytes] = [struct.pack("<H", len(arrays))]
    for array in arrays:
        code, data = _data(array)
        pieces.append(_TENSOR.pack(code, array.ndim, len(data)))
        pieces.append(struct.pack(f"<{array.ndim}Q", *array.shape))
        pieces.append(data)
    return pieces


def _data(array: Any) -> tuple[int, bytes]:
    if array.dtype.kind in "OUST":
        texts = [_bytes(v) for v in array.ravel().tolist()]
        return _TEXT, b"".join([struct.pack("<I", len(t)) + t for t in texts])
    code = _CODES.get(array.dtype.newbyteorder("=").str)
    if code is None:
        raise BadFrame(f"arrays of {array.dtype} do not travel")
    return code, np.ascontiguousarray(array).tobytes()


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def unpack(body: memoryview, start: int) -> list[Any]:
    """The arrays of a frame's body from `start`. Raises BadFrame on anything else."""
    try:
        (count,) = struct.unpack_from("<H", body, start)
        start += 2
        found: list[Any] = []
        for _ in range(count):
            array, start = _unpack_one(body, start)
            found.append(array)
    except (struct.error, ValueError, IndexError, UnicodeDecodeError) as error:
        raise BadFrame(f"the frame cannot be read: {error}") from None
    if start != len(body):
        raise BadFrame("the frame is longer than its tensors")
    return found


def _unpack_one(body: memoryview, start: int) -> tuple[Any, int]:
    code, rank, size = _TENSOR.unpack_from(body, start)
    start += _TENSOR.size
    if code > _TEXT or rank > _MOST_RANK or start + 8 * rank + size > len(body):
        raise BadFrame("a tensor claims more than the frame holds")
    shape = struct.unpack_from(f"<{rank}Q", body, start)
    start += 8 * rank
    data = body[start : start + size]
    if code != _TEXT:
        return np.frombuffer(data, np.dtype(_TYPES[code])).reshape(shape), start + size
    texts: list[str] = []
    at = 0
    while at < size:
        (length,) = struct.unpack_from("<I", data, at)
        at += 4 + length
        if at > size:
            raise BadFrame("a text claims more than the frame holds")
        texts.append(str(data[at - length : at], "utf-8"))
    array: Any = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array.reshape(shape), start + size


def request(inputs: Sequence[Any], outputs: Sequence[int]) -> list[bytes]:
    """The body of a PREDICT frame."""
    return [struct.pack(f"<H{len(outputs)}H", len(outputs), *outputs), *pack(inputs)]


def wanted(body: memoryview) -> tuple[list[int], list[Any]]:
    """A PREDICT frame's output positions and input arrays. Raises BadFrame."""
    try:
        (count,) = struct.unpack_from("<H", body)
        outputs = list(struct.unpack_from(f"<{count}H", body, 2))
    except struct.error as error:
        raise BadFrame(f"the frame cannot be read: {error}") from None
    return outputs, unpack(body, 2 + 2 * count)


def send(channel: socket.socket, kind: int, attempt: int, pieces: Sequence[bytes]) -> None:
    """Writes one frame. Raises Closed, or TimeoutError when the other side does not read."""
    size = sum(map(len, pieces))
    try:
        channel.sendall(b"".join([_HEAD.pack(_MAGIC, kind, attempt, size), *pieces]))
    except TimeoutError:
        raise
    except OSError:
        raise Closed from None


def receive(channel: socket.socket) -> tuple[int, int, memoryview]:
    """Reads one frame: kind, attempt, body. Raises Closed, BadFrame or TimeoutError."""
    magic, kind, attempt, size = _HEAD.unpack(_exactly(channel, _HEAD.size))
    if magic != _MAGIC or size > MOST_BYTES:
        raise BadFrame("this is no frame of ours")
    return kind, attempt, memoryview(_exactly(channel, size))


def _exactly(channel: socket.socket, size: int) -> bytearray:
    buffer = bytearray(size)
    view = memoryview(buffer)
    at = 0
    while at < size:
        try:
            count = channel.recv_into(view[at:])
        except TimeoutError:
            raise
        except OSError:
            raise Closed from None
        if count == 0:
            raise Closed
        at += count
    return buffer
