"""What a worker and its runner say to each other: fixed binary frames, never a pickle.

Standalone: the standard library and numpy only; both sides use it.

Frame: magic, kind, attempt, bytes that follow. A PREDICT or ANSWER frame is a count of tensors,
each as datatype, rank, bytes of data, dimensions, data; PREDICT begins with the positions of the
wanted outputs. Text elements are length-prefixed UTF-8. Any other frame is a short UTF-8 text.

ASK is a PREDICT behind a length-prefixed JSON object of what else the caller says. Its answer may
be the first of many (MORE): the worker asks for each further one with NEXT, or ends them with STOP;
END says that there is none left. All of these bear the attempt of their ASK.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from time import monotonic
from typing import Any

import numpy as np

PREDICT, ANSWER, READY, FAILED, UNFIT = 1, 2, 3, 4, 5
ASK, NEXT, STOP, MORE, END = 6, 7, 8, 9, 10
"""FAILED: the model raised. UNFIT: what it answered is nothing that travels."""
MOST_BYTES = 1 << 31
_MAGIC = 0xFA17
_HEAD = struct.Struct("<HHQQ")  # magic, kind, attempt, bytes that follow
_TENSOR = struct.Struct("<BBQ")  # datatype, rank, bytes of data
_TYPES = ("?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "O")
_CODES = {np.dtype(t).str: i for i, t in enumerate(_TYPES)}
_TRUTH, _TEXT = 0, len(_TYPES) - 1
_MOST_RANK = 32
_FIRST_BYTES = 1 << 20


class BadFrame(Exception):
    """Something that is no frame, or cannot be made one."""


class Closed(Exception):
    """The other side has ended."""


def pack(arrays: Sequence[Any]) -> list[bytes]:
    """Arrays as pieces of a frame's body. Raises BadFrame for what does not travel."""
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
    native = array.dtype.newbyteorder("=")
    code = _CODES.get(native.str)
    if code is None:
        raise BadFrame(f"arrays of {array.dtype} do not travel")
    return code, np.ascontiguousarray(array, native).tobytes()


def _bytes(value: Any) -> bytes:
    try:
        if isinstance(value, str):
            return value.encode()
        if isinstance(value, bytes):
            value.decode()
            return value
    except UnicodeError:
        raise BadFrame("a text is not valid Unicode") from None
    raise BadFrame(f"an object of type {type(value).__name__} stands where text should")


def unpack(body: memoryview, start: int) -> list[Any]:
    """The arrays of a frame's body from `start`. Raises BadFrame on anything else."""
    try:
        (count,) = struct.unpack_from("<H", body, start)
        start += 2
        found: list[Any] = []
        for _ in range(count):
            array, start = _unpack_one(body, start)
            found.append(array)
    except (struct.error, ValueError, OverflowError, MemoryError) as error:
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
    if code == _TEXT:
        return _texts(data).reshape(shape), start + size
    if code == _TRUTH and size and np.frombuffer(data, np.uint8).max() > 1:
        raise BadFrame("a truth value is neither true nor false")
    return np.frombuffer(data, np.dtype(_TYPES[code])).reshape(shape), start + size


def _texts(data: memoryview) -> Any:
    texts: list[str] = []
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at)
        at += 4 + length
        if at > len(data):
            raise BadFrame("a text claims more than the frame holds")
        texts.append(str(data[at - length : at], "utf-8"))
    array: Any = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array


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


def asking(inputs: Sequence[Any], outputs: Sequence[int], said: bytes) -> list[bytes]:
    """The body of an ASK frame. said: a JSON object."""
    return [struct.pack("<I", len(said)), said, *request(inputs, outputs)]


def asked(body: memoryview) -> tuple[bytes, memoryview]:
    """What an ASK frame says in JSON, and the body of a PREDICT frame. Raises BadFrame."""
    if len(body) < 4:
        raise BadFrame("the frame is too short")
    (size,) = struct.unpack_from("<I", body)
    if 4 + size > len(body):
        raise BadFrame("a text claims more than the frame holds")
    return bytes(body[4 : 4 + size]), body[4 + size :]


def send(
    channel: socket.socket,
    kind: int,
    attempt: int,
    pieces: Sequence[bytes],
    within_s: float | None = None,
) -> None:
    """Writes one frame.

    Raises BadFrame for one that is too large, Closed, or TimeoutError when the other side has
    not read it all `within_s` seconds.
    """
    size = sum(map(len, pieces))
    if size > MOST_BYTES:
        raise BadFrame(f"{size >> 20} MiB are more than a frame may have")
    try:
        channel.settimeout(within_s)  # of a channel that was closed meanwhile, it fails too
        channel.sendall(b"".join([_HEAD.pack(_MAGIC, kind, attempt, size), *pieces]))
    except TimeoutError:
        raise
    except OSError:
        raise Closed from None


def receive(channel: socket.socket, within_s: float | None = None) -> tuple[int, int, memoryview]:
    """Reads one frame: kind, attempt, body.

    Raises Closed, BadFrame, or TimeoutError when it is not whole `within_s` seconds from now.
    """
    end = None if within_s is None else monotonic() + within_s
    magic, kind, attempt, size = _HEAD.unpack(_exactly(channel, _HEAD.size, end))
    if magic != _MAGIC or size > MOST_BYTES:
        raise BadFrame("this is no frame of ours")
    return kind, attempt, memoryview(_exactly(channel, size, end))


def _exactly(channel: socket.socket, size: int, end: float | None) -> bytearray:
    """So many bytes. Memory is taken as they come: a head may claim what never follows."""
    buffer = bytearray(min(size, _FIRST_BYTES))
    at = 0
    while at < size:
        if at == len(buffer):
            buffer += bytes(min(at, size - at))
        with memoryview(buffer) as view, view[at:] as rest:
            count = _read(channel, rest, end)
        if count == 0:
            raise Closed
        at += count
    return buffer


def _read(channel: socket.socket, into: memoryview, end: float | None) -> int:
    left = None if end is None else end - monotonic()
    if left is not None and left <= 0:
        raise TimeoutError
    try:
        channel.settimeout(left)
        return channel.recv_into(into)
    except TimeoutError:
        raise
    except OSError:
        raise Closed from None
