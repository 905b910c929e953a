"""Load on a gRPC server: many unary calls under way on few connections, by frames of our own.

grpcio's client is far slower than the servers that are measured, so it cannot load them.
"""

from __future__ import annotations

import selectors
import socket
import struct
import time
from collections.abc import Sequence
from itertools import cycle
from typing import Any

import hpack
import numpy as np

from benchmarks.load import Cell, Watch
from fairlead.edge import http2_frames as h2

_PATIENCE_S = 30.0
_AT_ONCE = 1 << 18
_WINDOW = h2.LARGEST_WINDOW - 65_535
_GROW = 1 << 28
_OK = (b"grpc-status", b"0")
_NUMBER = struct.Struct(">I").pack

Header = tuple[str, str]


class Broken(Exception):
    """A connection that the server has ended."""


class Line:
    """One connection with calls under way.

    waits: seconds of each call that was answered well; errors: calls that were not.
    """

    def __init__(
        self, port: int, address: str, messages: Sequence[bytes], metadata: Sequence[Header]
    ) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), _PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.waits: list[float] = []
        self.errors = 0
        self._rest = b""
        self._decoder = hpack.Decoder()
        self._known: dict[bytes, list[Any]] = {}
        self._bodies = cycle([struct.pack(">BI", 0, len(m)) + m for m in messages])
        self._window = 65_535
        self._taken = 0
        self._owed = 0
        self._next = 1
        self._sent: dict[int, float] = {}
        lines = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", address),
            (":authority", f"127.0.0.1:{port}"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            *metadata,
        ]
        encoder = hpack.Encoder()
        self._first = encoder.encode(lines)
        self._block = encoder.encode(lines)
        own = h2.settings([(h2.FIRST_WINDOW, 1 << 20)])
        more = h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.number(_WINDOW))
        self._out = [h2.PREFACE, own, more]

    def ask(self, count: int, moment: float) -> None:
        """Begins so many calls, as far as the server takes them; the others when it does."""
        count += self._owed
        out, sent = self._out, self._sent
        while count:
            body = next(self._bodies)
            if self._window < len(body):
                break
            number, self._next = self._next, self._next + 2
            block = self._first if number == 1 else self._block
            out.append(h2.frame(h2.HEADERS, h2.END_HEADERS, number, block))
            out.append(h2.frame(h2.DATA, h2.END_STREAM, number, body))
            self._window -= len(body)
            sent[number] = moment
            count -= 1
        self._owed = count
        if out:
            self.socket.sendall(b"".join(out))
            out.clear()

    def take(self, data: bytes) -> int:
        """Takes what has come; how many calls it ends. Raises Broken."""
        data = self._rest + data if self._rest else data
        at, size, done, moment = 0, len(data), 0, time.perf_counter()
        while size - at >= h2.HEAD_BYTES:
            stop = at + 9 + (data[at] << 16 | data[at + 1] << 8 | data[at + 2])
            if stop > size:
                break
            kind, flags = data[at + 3], data[at + 4]
            if kind == h2.HEADERS:
                lines = self._lines(data[at + 9 : stop])
                if flags & h2.END_STREAM:
                    began = self._sent.pop(int.from_bytes(data[at + 5 : at + 9]))
                    done += 1
                    if _OK in lines:
                        self.waits.append(moment - began)
                    else:
                        self.errors += 1
            elif kind == h2.DATA:
                self._taken += stop - at - 9
            else:
                self._other(kind, flags, data[at + 5 : at + 9], data[at + 9 : stop])
            at = stop
        self._rest = data[at:]
        return done

    def _lines(self, block: bytes) -> list[Any]:
        """Header lines; equal blocks are read once as long as the table stays as it is."""
        found = self._known.get(block)
        if found is None:
            entries: Any = self._decoder.header_table.dynamic_entries
            before = len(entries), entries[0] if entries else None
            found = [(bytes(n), bytes(v)) for n, v in self._decoder.decode(block, raw=True)]
            if before == (len(entries), entries[0] if entries else None):
                self._known[block] = found
            else:
                self._known.clear()
        return found

    def _other(self, kind: int, flags: int, number: bytes, payload: bytes) -> None:
        if kind == h2.SETTINGS and not flags & h2.ACK:
            self._out.append(h2.frame(h2.SETTINGS, h2.ACK, 0))
        elif kind == h2.PING and not flags & h2.ACK:
            self._out.append(h2.frame(h2.PING, h2.ACK, 0, payload))
        elif kind == h2.WINDOW_UPDATE and not any(number):
            self._window += int.from_bytes(payload)
        elif kind in (h2.GOAWAY, h2.RST_STREAM):
            raise Broken(f"the server ends what it has to answer: {payload!r}")
        if self._taken > _GROW:
            self._out.append(h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.number(self._taken)))
            self._taken = 0


def load(
    port: int,
    address: str,
    messages: Sequence[bytes],
    session: int,
    *,
    connections: int,
    flying: int,
    seconds: float,
    metadata: Sequence[Header] = (),
) -> Cell:
    """Load for some seconds. flying: calls under way in all. Raises Broken, TimeoutError."""
    lines = [Line(port, address, messages, metadata) for _ in range(connections)]
    watch = Watch(session)
    began = time.perf_counter()
    try:
        with selectors.DefaultSelector() as selector:
            for line in lines:
                selector.register(line.socket, selectors.EVENT_READ, line)
                line.ask(flying // connections, began)
            _run(selector, began + seconds)
        took = time.perf_counter() - began
        server, _, foreign = watch.cores()
    finally:
        for line in lines:
            line.socket.close()
    waits = np.array([wait for line in lines for wait in line.waits]) * 1e6
    p50, p99 = np.percentile(waits, (50, 99)) if len(waits) else (0.0, 0.0)
    errors = sum(line.errors for line in lines)
    return Cell(len(waits) / took, float(p50), float(p99), errors, server, 1.0, foreign)


def _run(selector: selectors.BaseSelector, end: float) -> None:
    while (moment := time.perf_counter()) < end:
        ready = selector.select(_PATIENCE_S)
        if not ready:
            raise TimeoutError("the server answers nothing")
        for key, _ in ready:
            line: Line = key.data
            data = line.socket.recv(_AT_ONCE)
            if not data:
                raise Broken("the server has ended the connection")
            line.ask(line.take(data), moment)
