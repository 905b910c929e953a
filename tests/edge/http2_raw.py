"""A raw HTTP/2 client for tests: frames as they are wished, right or wrong."""

from __future__ import annotations

import socket
import struct
from typing import Any

import hpack

from fairlead.edge import http2_frames as h2

GRPC = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/echo.Echo/Unary"),
    (":authority", "127.0.0.1"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
]
GET = [
    (":method", "GET"),
    (":scheme", "http"),
    (":path", "/plain"),
    (":authority", "127.0.0.1"),
]


def message(body: bytes, flag: int = 0) -> bytes:
    """A gRPC message with its prefix."""
    return struct.pack(">BI", flag, len(body)) + body


def path(address: str, lines: list[tuple[str, str]] = GRPC) -> list[tuple[str, str]]:
    """Header lines with another address."""
    return [(n, address if n == ":path" else v) for n, v in lines]


class RawHttp2:
    """One connection. Frames that come are kept as (kind, flags, stream, payload)."""

    def __init__(self, port: int, greet: bool = True) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self.rest = b""
        self.next = 1
        if greet:
            self.send(h2.PREFACE, h2.settings([]))

    def __enter__(self) -> RawHttp2:
        return self

    def __exit__(self, *args: object) -> None:
        self.socket.close()

    def send(self, *pieces: bytes) -> None:
        self.socket.sendall(b"".join(pieces))

    def block(self, lines: list[tuple[str, str]]) -> bytes:
        return self.encoder.encode(lines)

    def opening(
        self, lines: list[tuple[str, str]], ending: bool = False, number: int = 0
    ) -> tuple[int, bytes]:
        """The next stream's number and the HEADERS frame that opens it."""
        number = number or self.next
        self.next = number + 2
        flags = h2.END_HEADERS | (h2.END_STREAM if ending else 0)
        return number, h2.frame(h2.HEADERS, flags, number, self.block(lines))

    def ask(self, lines: list[tuple[str, str]], body: bytes = b"") -> int:
        """Sends a whole request; its stream."""
        number, head = self.opening(lines, ending=not body)
        self.send(head, h2.frame(h2.DATA, h2.END_STREAM, number, body) if body else b"")
        return number

    def frame(self) -> tuple[int, int, int, bytes] | None:
        """The next frame, None at the end of the connection."""
        while True:
            if len(self.rest) >= 9:
                size = int.from_bytes(self.rest[:3])
                if len(self.rest) >= 9 + size:
                    kind, flags = self.rest[3], self.rest[4]
                    number = int.from_bytes(self.rest[5:9])
                    payload = self.rest[9 : 9 + size]
                    self.rest = self.rest[9 + size :]
                    return kind, flags, number, payload
            try:
                more = self.socket.recv(1 << 16)
            except ConnectionError:
                return None
            if not more:
                return None
            self.rest += more

    def answer(self, number: int) -> dict[str, Any]:
        """All of the answer to a stream: headers, body, trailers, whether it was reset."""
        found: dict[str, Any] = {"headers": {}, "body": b"", "trailers": {}, "reset": None}
        while True:
            one = self.frame()
            assert one is not None, "the connection has ended"
            kind, flags, stream, payload = one
            if kind == h2.GOAWAY:
                found["goaway"] = int.from_bytes(payload[4:8])
            lines = dict(self.decoder.decode(payload)) if kind == h2.HEADERS else None
            if stream != number:
                continue
            if lines is not None:
                found["trailers" if found["headers"] else "headers"] = lines
            elif kind == h2.DATA:
                found["body"] += payload
            elif kind == h2.RST_STREAM:
                found["reset"] = int.from_bytes(payload)
                return found
            if flags & h2.END_STREAM and kind in (h2.DATA, h2.HEADERS):
                return found

    def goaway(self) -> int | None:
        """The error code of the connection's end; None when it ends without a word."""
        while (one := self.frame()) is not None:
            if one[0] == h2.GOAWAY:
                return int.from_bytes(one[3][4:8])
        return None
