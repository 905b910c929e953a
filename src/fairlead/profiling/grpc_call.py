"""One call over gRPC, counted in bytes: HTTP/2 frames of our own, so that no client is needed.

What a client sends with its first call is remembered by the connection, so the second is counted,
as all that follow are.
"""

from __future__ import annotations

import socket
import struct
from contextlib import closing
from typing import Any

from fairlead.profiling.callers import NotAnswered

_METHOD = "/inference.GRPCInferenceService/ModelInfer"
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS = 1, 1, 4
_FIRST_WINDOW, _MOST = 4, (1 << 31) - 1
_USUAL_WINDOW, _FRAME = 65_535, 1 << 14
_HEAD = struct.Struct(">IBI")
_TABLE = 62
"""Where the first header line stands that a connection has remembered."""
_PATIENCE_S = 60.0


def grpc_call(port: int, request: bytes) -> tuple[int, int]:
    """Bytes of one call and of its answer, with their frames. Raises NotAnswered, OSError."""
    with closing(socket.create_connection(("127.0.0.1", port), _PATIENCE_S)) as line:
        talk = _Talk(line, port)
        talk.call(1, request)
        return talk.call(3, request)


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return _HEAD.pack(len(payload) << 8 | kind, flags, stream) + payload


class _Talk:
    """A connection with one call at a time."""

    def __init__(self, line: socket.socket, port: int) -> None:
        self._line = line
        self._rest = b""
        self._window: int = _USUAL_WINDOW
        self._first_window: int = _USUAL_WINDOW
        self._of_stream: int = 0
        self._lines = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", _METHOD),
            (":authority", f"127.0.0.1:{port}"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ]
        own = _frame(_SETTINGS, 0, 0, struct.pack(">HI", _FIRST_WINDOW, _MOST))
        more = _frame(_WINDOW, 0, 0, struct.pack(">I", _MOST - _USUAL_WINDOW))
        line.sendall(_PREFACE + own + more)
        while not self._take(0)[0]:
            pass  # until the server's settings have come

    def call(self, stream: int, request: bytes) -> tuple[int, int]:
        """Bytes of a call and of its answer."""
        block = self._literal() if stream == 1 else self._known()
        out = _frame(_HEADERS, _END_HEADERS, stream, block)
        self._line.sendall(out)
        sent, received, data = len(out), 0, False
        message = struct.pack(">BI", 0, len(request)) + request
        self._of_stream = self._first_window
        while message:
            size = min(len(message), _FRAME, self._window, self._of_stream)
            if size <= 0:
                self._take(stream)
                continue
            flags = _END_STREAM if size == len(message) else 0
            frame = _frame(_DATA, flags, stream, message[:size])
            self._line.sendall(frame)
            sent, message = sent + len(frame), message[size:]
            self._window, self._of_stream = self._window - size, self._of_stream - size
        ended = False
        while not ended:
            _, size, held, ended = self._take(stream)
            received, data = received + size, data or held
        if not data:
            raise NotAnswered("the call over gRPC was refused")
        return sent, received

    def _literal(self) -> bytes:
        """Header lines in full, to be remembered."""
        made = [
            b"\x40" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
            for name, value in self._lines
        ]
        return b"".join(made)

    def _known(self) -> bytes:
        """The same lines, by where they are remembered: the last one first."""
        count = len(self._lines)
        return bytes([0x80 | (_TABLE + count - 1 - place) for place in range(count)])

    def _take(self, stream: int) -> tuple[bool, int, bool, bool]:
        """The next frame: whether it is settings, bytes of the stream, data, the stream's end."""
        while len(self._rest) < 9 or len(self._rest) < 9 + int.from_bytes(self._rest[:3]):
            more = self._line.recv(1 << 18)
            if not more:
                raise NotAnswered("the connection over gRPC was ended")
            self._rest += more
        size = 9 + int.from_bytes(self._rest[:3])
        frame, self._rest = self._rest[:size], self._rest[size:]
        kind, flags, of = frame[3], frame[4], int.from_bytes(frame[5:9])
        if kind in (_RESET, _GOAWAY):
            raise NotAnswered("the call over gRPC was refused")
        if kind in (_HEADERS, _DATA) and of == stream:
            return False, size, kind == _DATA, bool(flags & _END_STREAM)
        self._other(kind, flags, of, frame[9:])
        return kind == _SETTINGS and not flags & _ACK, 0, False, False

    def _other(self, kind: int, flags: int, of: int, payload: bytes) -> None:
        if kind == _SETTINGS and not flags & _ACK:
            pairs: Any = struct.iter_unpack(">HI", payload)
            told: dict[int, int] = dict(pairs)
            self._first_window = told.get(_FIRST_WINDOW, self._first_window)
            self._line.sendall(_frame(_SETTINGS, _ACK, 0))
        elif kind == _PING and not flags & _ACK:
            self._line.sendall(_frame(_PING, _ACK, 0, payload))
        elif kind == _WINDOW:
            grown = int.from_bytes(payload)
            self._window += 0 if of else grown
            self._of_stream += grown if of else 0
