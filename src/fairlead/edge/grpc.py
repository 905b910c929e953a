"""Messages of gRPC within the bodies of HTTP/2: five bytes before each, coded or not.

What a message means is a wire's business; how a call ended stands in trailers.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from fairlead.core.call import Reply
from fairlead.core.errors import BodyTooLarge, MalformedBody, MediaTypeUnsupported
from fairlead.edge.body import Body
from fairlead.edge.http2_frames import literal, status

PREFIX = 5
TIMEOUT = "grpc-timeout"
"""The header by which a caller says how long it waits."""
CODINGS = ("gzip", "deflate")
_PREFIX = struct.Struct(">BI")
_HEADER = status(200) + literal(b"content-type", b"application/grpc")
ACCEPTED = literal(b"grpc-accept-encoding", b"identity, gzip, deflate")
_ENCODED = {coding: literal(b"grpc-encoding", coding.encode()) for coding in CODINGS}
OK_TRAILERS = literal(b"grpc-status", b"0")
_WBITS = {"gzip": 31, "deflate": 15}
_LEAST_CODED = 1024
"""Smaller messages are not worth coding."""


def begin(coding: str = "") -> bytes:
    """The header lines with which every answer begins."""
    return _HEADER + _ENCODED[coding] if coding else _HEADER


def prefix(size: int, coded: bool = False) -> bytes:
    """What stands before a message of so many bytes."""
    return _PREFIX.pack(coded, size)


def ending(reply: Reply) -> bytes:
    """The header lines that say how a call ended."""
    if not reply.trailers:
        return OK_TRAILERS
    return b"".join(
        [literal(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.trailers]
    )


def answer_coding(headers: dict[str, str], size: int) -> str:
    """How an answer is coded: as the request was, where the caller takes it; "" for not at all."""
    coding = headers.get("grpc-encoding", "") if size >= _LEAST_CODED else ""
    if coding not in CODINGS:
        return ""
    taken = headers.get("grpc-accept-encoding", "").replace(" ", "").split(",")
    return coding if coding in taken else ""


def coded(message: bytes, coding: str) -> bytes:
    """A message in a coding."""
    squeezer = zlib.compressobj(1, zlib.DEFLATED, _WBITS[coding])
    return squeezer.compress(message) + squeezer.flush()


class Unframer:
    """Takes the bytes of a body and gives its messages.

    coding: of the messages that say that they are coded. most: bytes that one may have, which a
    caller is held to before more of it is kept.
    """

    __slots__ = ("_coding", "_left", "_pieces", "_start", "most")

    def __init__(self, coding: str, most: int) -> None:
        self._coding = coding
        self.most = most
        self._start = b""
        self._left = -1
        self._pieces: Body | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing of a further message has come."""
        return self._left < 0 and not self._start

    def whole_in(self, data: bytes) -> bytes | None:
        """The message, where `data` is exactly one that is not coded; else nothing is taken."""
        size = len(data) - PREFIX
        if not self.whole or not 0 <= size <= self.most:
            return None
        return data[PREFIX:] if data[0] == 0 and int.from_bytes(data[1:PREFIX]) == size else None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The messages that are whole with `data`. Raises MalformedBody, BodyTooLarge."""
        at, size = 0, len(data)
        while at < size or self._left == 0:
            if self._left < 0:
                need = PREFIX - len(self._start)
                self._start += data[at : at + need]
                at += need
                if len(self._start) < PREFIX:
                    return
                self._left = self._length()
                continue
            piece = data[at : at + self._left] if at or self._left < size else data
            if self._pieces is None:
                self._pieces = Body()
            self._pieces.append(piece)
            self._left -= len(piece)
            at += len(piece)
            if self._left == 0:
                yield self._message()

    def _length(self) -> int:
        flag, length = _PREFIX.unpack(self._start)
        if flag > 1:
            raise MalformedBody("a message begins with 0 or 1", where="body")
        if flag and self._coding not in CODINGS:
            raise MediaTypeUnsupported(
                f"messages coded as {self._coding[:40]!r} are not taken here",
                fix="Use identity, gzip or deflate",
            )
        if length > self.most:
            raise BodyTooLarge(f"a message has {length} bytes; {self.most} is the limit")
        return length

    def _message(self) -> bytes:
        pieces, self._pieces = self._pieces, None
        whole = b"" if pieces is None else pieces.take()
        flag, self._start, self._left = self._start[0], b"", -1
        return self._decoded(whole) if flag else whole

    def _decoded(self, message: bytes) -> bytes:
        reader = zlib.decompressobj(_WBITS[self._coding])
        try:
            plain = reader.decompress(message, self.most + 1)
        except zlib.error as error:
            raise MalformedBody(f"a message is not {self._coding}: {error}", where="body") from None
        if len(plain) > self.most:
            raise BodyTooLarge(f"a message has more than {self.most} bytes once it is decoded")
        if not reader.eof or reader.unused_data:
            raise MalformedBody(f"a message is not one whole {self._coding} stream", where="body")
        return plain
