"""The reading side of an HTTP/2 connection: bytes to frames, in order and under budgets.

What a frame means to requests is the connection's business (http2.py); what may come when, how
large it may be and how often it may carry nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from fairlead.edge import http2_frames as h2
from fairlead.edge.http2_frames import ConnectionFault
from fairlead.edge.http2_stream import Exchange

MOST_FRAME = 256 << 10
"""Bytes of a frame that is taken."""
_MOST_BLOCK_PARTS = 32
_MOST_EMPTY = 10_000
"""Frames that carry nothing, in a second."""


class Frames(Protocol):
    """What takes the frames of a connection. Each may raise ConnectionFault."""

    def taken(self, number: int, size: int) -> Exchange | None:
        """A DATA frame begins: its stream, None where there is none now."""
        ...

    def body(self, stream: Exchange, part: bytes, ending: bool) -> None:
        """A piece of a body has come, and perhaps its end."""
        ...

    def block(self, number: int, block: bytes, ending: bool) -> None:
        """A whole block of header lines has come."""
        ...

    def window(self, number: int, more: int) -> None:
        """The other side takes more; number 0: on the connection."""
        ...

    def reset(self, number: int) -> None:
        """The other side gives a stream up."""
        ...

    def setting(self, name: int, value: int) -> None:
        """The other side says how it wants to be spoken to."""
        ...

    def put(self, data: bytes) -> None:
        """Sends a frame of the connection."""
        ...

    def going(self) -> None:
        """The other side opens no more streams."""
        ...


class FrameReader:
    """Reads frames and gives them on. most_block: bytes of the header lines of a request."""

    def __init__(self, frames: Frames, most_block: int) -> None:
        self._frames = frames
        self._most_block = most_block
        self._rest: bytes = b""
        self._greeted = False
        self._stream: Exchange | None = None
        self._left: int = 0
        self._flags: int = 0
        self._block_of = self._block_flags = 0
        self._block: list[bytes] = []
        self._empty = 0
        self._moved, self._begun = False, 0.0
        self.more = False
        """Whether something has come already behind the frame that is being given on."""
        self._kinds: dict[int, Callable[[int, int, bytes], None]] = {
            h2.DATA: self._data,
            h2.HEADERS: self._headers,
            h2.CONTINUATION: self._continued,
            h2.WINDOW_UPDATE: self._window,
            h2.RST_STREAM: self._reset,
            h2.SETTINGS: self._settings,
            h2.PING: self._ping,
            h2.PUSH_PROMISE: self._promise,
            h2.GOAWAY: self._goaway,
        }

    @property
    def between(self) -> bool:
        """Whether no frame, no block of headers and no preface is unfinished."""
        return self._greeted and not (self._rest or self._left or self._block_of)

    def overdue(self, moment: float, patience: float) -> bool:
        """Once a second: whether a head or another frame is unfinished for longer than patience.

        What is counted by the second begins anew. Bodies have a clock of their own.
        """
        self._empty = 0
        if self.between or self._moved or not self._begun:
            self._moved, self._begun = False, moment
        return moment - self._begun > patience

    def feed(self, data: bytes) -> None:
        """Takes what has come. Raises ConnectionFault."""
        data = self._rest + data if self._rest else data
        self._rest = b""
        at, size = 0, len(data)
        if not self._greeted:
            if not h2.PREFACE.startswith(data[:24]):
                raise ConnectionFault(h2.PROTOCOL_ERROR, "this is no HTTP/2")
            if size < 24:
                self._rest = data
                return
            self._greeted, at = True, 24
        while True:
            if self._left:
                at = self._large(data, at)
            if size - at < 9:
                break
            length = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
            kind, flags, stop = data[at + 3], data[at + 4], at + 9 + length
            if length > self._most_block:
                self._check_large(kind, length)
            number = int.from_bytes(data[at + 5 : at + 9]) & h2.LARGEST_WINDOW
            if stop <= size:
                self.more = stop < size
                self._frame(kind, flags, number, data[at + 9 : stop])
                self._moved = not self._block_of
                at = stop
            elif kind == h2.DATA and not flags & h2.PADDED and not self._block_of:
                self._stream = self._frames.taken(number, length)
                self._left, self._flags = length, flags
                at += 9
            else:
                break
        self._rest = data[at:]

    def _check_large(self, kind: int, length: int) -> None:
        """Refuses a frame by its length, before more of it is kept."""
        if length > MOST_FRAME:
            raise ConnectionFault(h2.FRAME_SIZE_ERROR, "a frame is too large")
        if kind == h2.HEADERS:
            raise ConnectionFault(h2.ENHANCE_YOUR_CALM, "the headers are too large")

    def _large(self, data: bytes, at: int) -> int:
        """A DATA frame that has not come whole is given on as it comes."""
        part = data[at : at + self._left]
        self._left -= len(part)
        self._moved = True
        if self._stream is not None and part:
            ending = not self._left and bool(self._flags & h2.END_STREAM)
            self._frames.body(self._stream, part, ending)
        if not self._left:
            self._stream = None
        return at + len(part)

    def _frame(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if self._block_of and kind != h2.CONTINUATION:
            raise ConnectionFault(h2.PROTOCOL_ERROR, "a block of headers is broken off")
        take = self._kinds.get(kind)
        if take is not None:
            take(flags, number, payload)
        else:
            self.count_empty()  # PRIORITY, and what is not known, changes nothing

    def count_empty(self) -> None:
        """Something came that carries nothing. Raises ConnectionFault when it is too much."""
        self._empty += 1
        if self._empty > _MOST_EMPTY:
            raise ConnectionFault(h2.ENHANCE_YOUR_CALM, "too many frames that carry nothing")

    def _data(self, flags: int, number: int, payload: bytes) -> None:
        stream = self._frames.taken(number, len(payload))
        if flags & h2.PADDED:
            payload = h2.unpadded(h2.PADDED, payload)
        ending = bool(flags & h2.END_STREAM)
        if not payload and not ending:
            self.count_empty()
        if stream is not None:
            self._frames.body(stream, payload, ending)

    def _headers(self, flags: int, number: int, payload: bytes) -> None:
        if not number & 1:
            raise ConnectionFault(h2.PROTOCOL_ERROR, "a client's streams have odd numbers")
        if flags & (h2.PADDED | h2.WITH_PRIORITY):
            payload = h2.unpadded(flags, payload)
        if flags & h2.END_HEADERS:
            self._frames.block(number, payload, bool(flags & h2.END_STREAM))
        else:
            self._block_of, self._block_flags, self._block = number, flags, [payload]

    def _continued(self, flags: int, number: int, payload: bytes) -> None:
        if not self._block_of or self._block_of != number:
            raise ConnectionFault(h2.PROTOCOL_ERROR, "nothing is continued here")
        self._block.append(payload)
        size = sum(map(len, self._block))
        if size > self._most_block or len(self._block) > _MOST_BLOCK_PARTS:
            raise ConnectionFault(h2.ENHANCE_YOUR_CALM, "the headers are too large")
        if flags & h2.END_HEADERS:
            block, self._block, self._block_of = b"".join(self._block), [], 0
            self._frames.block(number, block, bool(self._block_flags & h2.END_STREAM))

    def _window(self, flags: int, number: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(h2.FRAME_SIZE_ERROR, "a window has four bytes")
        more = int.from_bytes(payload) & h2.LARGEST_WINDOW
        if not more:
            raise ConnectionFault(h2.PROTOCOL_ERROR, "a window grows by nothing")
        self._frames.window(number, more)

    def _reset(self, flags: int, number: int, payload: bytes) -> None:
        if len(payload) != 4 or not number:
            raise ConnectionFault(h2.FRAME_SIZE_ERROR, "a reset has four bytes")
        self._frames.reset(number)

    def _settings(self, flags: int, number: int, payload: bytes) -> None:
        self.count_empty()
        if number or (flags & h2.ACK and payload):
            raise ConnectionFault(h2.PROTOCOL_ERROR, "settings are of the connection")
        if not flags & h2.ACK:
            # First the word that they are heard: what a wider window lets go out comes behind it.
            self._frames.put(h2.frame(h2.SETTINGS, h2.ACK, 0))
            for name, value in h2.read_settings(payload):
                self._frames.setting(name, value)

    def _ping(self, flags: int, number: int, payload: bytes) -> None:
        self.count_empty()
        if number or len(payload) != 8:
            raise ConnectionFault(h2.FRAME_SIZE_ERROR, "a ping has eight bytes")
        if not flags & h2.ACK:
            self._frames.put(h2.frame(h2.PING, h2.ACK, 0, payload))

    def _promise(self, flags: int, number: int, payload: bytes) -> None:
        raise ConnectionFault(h2.PROTOCOL_ERROR, "a client promises nothing")

    def _goaway(self, flags: int, number: int, payload: bytes) -> None:
        self._frames.going()
