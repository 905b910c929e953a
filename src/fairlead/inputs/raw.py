"""Tensors whose elements come as bytes: little-endian numbers, length-prefixed texts.

Bytes are taken as they are, without a copy; what they mean is decided by the signature, and a count
that lies is found before anything is allocated for it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from fairlead.core.datatypes import DType
from fairlead.core.errors import DtypeRange, MalformedBody, ShapeInvalid, TextInvalid
from fairlead.core.tensor import Tensor

_LENGTH = struct.Struct("<I")


def raw_tensor(
    dtype: DType,
    shape: tuple[int, ...],
    count: int,
    data: memoryview,
    where: str,
    *,
    binary: bool = False,
) -> Tensor:
    """A tensor of `count` elements from the bytes that carry it.

    where: the name of the input, for errors. binary: elements of BYTES need not be text, and stay
    bytes. Raises ShapeInvalid when there are more or fewer bytes
    than elements, DtypeRange, TextInvalid, MalformedBody.
    """
    if dtype.is_text:
        return Tensor(dtype, shape, texts(data, count, where, binary=binary))
    if len(data) != count * dtype.itemsize:
        raise ShapeInvalid(
            f"input {where!r} has {len(data)} bytes; {count} elements of {dtype} have "
            f"{count * dtype.itemsize}",
            where=where,
        )
    if dtype.letter == "?" and bytes(data).translate(None, b"\0\1"):
        raise DtypeRange(f"input {where!r} holds a BOOL that is neither 0 nor 1", where=where)
    return Tensor(dtype, shape, data)


def texts(data: memoryview, count: int, where: str, *, binary: bool = False) -> list[Any]:
    """So many texts, each behind its length as four bytes.

    Raises MalformedBody for a length that is a lie, ShapeInvalid for another count, TextInvalid.
    """
    if len(data) < count * _LENGTH.size:
        raise ShapeInvalid(
            f"input {where!r} has {len(data)} bytes, too few for {count} texts", where=where
        )
    found: list[str | bytes] = []
    at, size = 0, len(data)
    while at < size:
        if size - at < _LENGTH.size:
            raise MalformedBody(f"input {where!r} ends within the length of a text", where=where)
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        if length > size - at:
            raise MalformedBody(f"a text of input {where!r} claims more than there is", where=where)
        piece = data[at : at + length]
        found.append(bytes(piece) if binary else _text(piece, len(found), where))
        at += length
    if len(found) != count:
        raise ShapeInvalid(f"input {where!r} has {len(found)} texts, not {count}", where=where)
    return found


def _text(data: memoryview, number: int, where: str) -> str:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        raise TextInvalid(
            f"element {number} of input {where!r} is not UTF-8, and this model takes text",
            where=where,
        ) from None


def packed_texts(values: Sequence[str | bytes]) -> bytes:
    """Texts, or the bytes of pictures, as they travel: each behind its length."""
    parts: list[bytes] = []
    for value in values:
        raw = value if isinstance(value, bytes) else value.encode()
        parts += (_LENGTH.pack(len(raw)), raw)
    return b"".join(parts)
