"""The bytes of a pickle or joblib file, decompressed within a bound.

Standalone: the standard library only.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from fairlead.packing.airlock.refused import Refused

MOST_BYTES = 16 << 30
_MOST_RATIO = 200
_ANY_RATIO = 256 << 20
"""A compressed file may always become this large; beyond it, a ratio says what is a bomb."""
_PIECE = 1 << 20


def opened(path: Path) -> BinaryIO:
    """The file's bytes. Raises Refused for a compression that is not read here."""
    raw = path.open("rb")
    head = raw.read(6)
    raw.seek(0)
    for magic, unpacker in _UNPACKERS.items():
        if head.startswith(magic):
            most = min(MOST_BYTES, max(_ANY_RATIO, _MOST_RATIO * path.stat().st_size))
            bounded = _Bounded(raw, unpacker(raw), most)
            return io.BufferedReader(bounded, _PIECE)  # type: ignore[return-value]
    if head.startswith(b"\x04\x22\x4d\x18"):
        raw.close()
        raise Refused("the file is compressed by lz4: save it with another compression")
    return raw


def exactly(stream: BinaryIO, size: int) -> bytearray:
    """`size` bytes, gathered as they come, so a false claim costs nothing. Raises Refused."""
    data = bytearray()
    for piece in pieces(stream, size):
        data += piece
    return data


def pieces(stream: BinaryIO, size: int) -> Any:
    """The next `size` bytes in pieces. Raises Refused when the stream ends before."""
    left = size
    while left > 0:
        piece = stream.read(min(left, _PIECE))
        if not piece:
            raise Refused("the file is shorter than the arrays that it claims")
        left -= len(piece)
        yield piece


class _Bounded(io.RawIOBase):
    """A decompressing stream that ends the reading beyond the bound."""

    def __init__(self, raw: BinaryIO, inner: Any, most: int) -> None:
        self._raw = raw
        self._inner = inner
        self._left = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._inner.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise Refused("the file decompresses to far more than any model of its size")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Zlib:
    """Reads a bare zlib stream, a piece at a time."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._machine = zlib.decompressobj()

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, b"" at the end."""
        while not self._machine.eof:
            pending = self._machine.unconsumed_tail or self._raw.read(_PIECE)
            if not pending:
                break
            data = self._machine.decompress(pending, size)
            if data:
                return data
        return b""


_UNPACKERS: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": lambda raw: gzip.GzipFile(fileobj=raw),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
    b"\x5d\x00\x00": lzma.LZMAFile,
    b"\x78": _Zlib,
}
"""What decompresses a file, by its first bytes."""
