"""The sending side of an HTTP/2 connection: windows, frames, and one write for many answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from fairlead.core.call import Reply
from fairlead.core.clock import now
from fairlead.edge import grpc
from fairlead.edge import http2_frames as h2
from fairlead.edge.http2_frames import ConnectionFault
from fairlead.edge.http2_head import is_grpc
from fairlead.edge.http2_stream import Exchange, echoed, http_block
from fairlead.edge.untaken import Untaken

_LAST = h2.END_HEADERS | h2.END_STREAM
_AT_ONCE = 1 << 20
"""Bytes after which what is gathered is written."""


class Writer:
    """Gathers frames and writes them together.

    window: bytes that the other side takes on the connection; first_window: on a new stream.
    unsent: bytes that wait for a window. choked: the socket takes nothing more at the moment.
    """

    def __init__(self, transport: Any, streams: dict[int, Exchange], untaken: Untaken) -> None:
        """streams: that are open; they are forgotten here once their answer is sent.

        untaken: told of what waits here for a window.
        """
        self._transport = transport
        self._untaken = untaken
        self._streams = streams
        self._ending = False
        self._out: list[bytes | memoryview] = []
        self._size = 0
        self._held = False
        self._armed = False
        self._moved = self._parting = 0.0
        self._parted = False
        self.window: int = 65_535
        self.first_window = 65_535
        self.most_frame = h2.SMALLEST_FRAME
        self.unsent = 0
        self.choked = self.closed = False

    def part(self, highest: int, since: float) -> bool:
        """Says that the connection ends; whether no new stream is taken from now on.

        First only that it will: what the other side sends meanwhile is taken. Then, if that was
        said before `since`, which stream is the last one. A `since` of 0 waits for nothing.
        """
        if not self.closed and not self._parted and not self._parting and since:
            self._parting = now()
            self.put(h2.frame(h2.GOAWAY, 0, 0, h2.number(h2.LARGEST_WINDOW) + h2.number(0)))
        elif not self.closed and not self._parted and (not since or self._parting < since):
            self._parted = True
            self.put(h2.frame(h2.GOAWAY, 0, 0, h2.number(highest) + h2.number(0)))
        if self._parted:
            self.end_when_done()
        return self._parted

    def choke(self) -> None:
        """The socket takes nothing more."""
        self.choked, self._moved = True, now()

    def breathe(self) -> None:
        """The socket takes more."""
        self.choked, self._moved = False, now()
        self.pump_all()

    def hold(self) -> None:
        """From now on frames are gathered."""
        self._held = True

    def release(self) -> None:
        """Writes what was gathered."""
        self._held = False
        if self._out:
            self._flush()

    def put(self, data: bytes) -> None:
        """Gathers frames that need no window."""
        self._out.append(data)
        self._size += len(data)
        self._arm()

    def _arm(self) -> None:
        if not self._held and not self._armed:
            self._armed = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._armed = False
        out, self._out, self._size = self._out, [], 0
        if out and not self.closed:
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))

    def setting(self, name: int, value: int) -> None:
        """The other side says how it wants to be spoken to. Raises ConnectionFault."""
        if name == h2.FIRST_WINDOW:
            if value > h2.LARGEST_WINDOW:
                raise ConnectionFault(h2.FLOW_CONTROL_ERROR, "the window is too large")
            for stream in self._streams.values():
                stream.window += value - self.first_window
            self.first_window = value
            self.pump_all()
        elif name == h2.MOST_FRAME:
            if not h2.SMALLEST_FRAME <= value <= h2.LARGEST_FRAME:
                raise ConnectionFault(h2.PROTOCOL_ERROR, "no such size of frames")
            self.most_frame = value

    def widen(self, more: int) -> None:
        """The other side takes more on the connection. Raises ConnectionFault."""
        self.window += more
        if self.window > h2.LARGEST_WINDOW:
            raise ConnectionFault(h2.FLOW_CONTROL_ERROR, "the window is too large")
        if self.unsent:
            self.pump_all()

    def answer(
        self,
        stream: Exchange,
        reply: Reply | None,
        payload: bytes,
        date: bytes,
        tail: Sequence[bytes | memoryview] = (),
        lines: bytes = b"",
    ) -> None:
        """Sends a whole answer.

        reply: None for a plain good one. tail: pieces behind the payload. lines: further header
        lines.
        """
        if stream.over or self.closed:
            return
        head = stream.head
        if stream.frames is not None or is_grpc(head):
            if head.echo:
                lines += echoed(head.echo)
            if reply is not None and reply.trailers:
                self.begin(stream, grpc.begin() + lines + grpc.ending(reply), last=True)
                return
            self._unary(stream, lines, (payload, *tail))
        else:
            bare = head.method == "HEAD"
            reply = reply or Reply(200, payload)
            self._plain(stream, reply, date, lines, (payload, *tail), bare)
        self.settle(stream)

    def begin(self, stream: Exchange, block: bytes, last: bool) -> None:
        """Sends the first header lines of an answer; last: nothing follows them."""
        self.block(stream.id, block, last)
        if last:
            stream.over = True
            self.settle(stream)

    def settle(self, stream: Exchange) -> None:
        """Forgets a stream whose answer is sent; a body that need not come is cut off."""
        if not stream.over or self._streams.pop(stream.id, None) is None:
            return
        if not stream.ended:
            self.put(h2.frame(h2.RST_STREAM, 0, stream.id, h2.number(h2.NO_ERROR)))
        if self._ending:
            self.end_when_done()

    def pump_all(self) -> None:
        """Sends what the other side takes now."""
        for stream in [s for s in self._streams.values() if s.unsent or s.closing]:
            channel = stream.channel
            was_full = channel is not None and channel.full
            self.pump(stream)
            self.settle(stream)
            if channel is not None and was_full and not channel.full:
                channel.room()

    def block(self, number: int, block: bytes, last: bool) -> None:
        """Header lines, in as many frames as they need."""
        flags = h2.END_STREAM if last else 0
        most = self.most_frame
        if len(block) <= most:
            self.put(h2.frame(h2.HEADERS, flags | h2.END_HEADERS, number, block))
            return
        parts = [block[at : at + most] for at in range(0, len(block), most)]
        self.put(h2.frame(h2.HEADERS, flags, number, parts[0]))
        for part in parts[1:-1]:
            self.put(h2.frame(h2.CONTINUATION, 0, number, part))
        self.put(h2.frame(h2.CONTINUATION, h2.END_HEADERS, number, parts[-1]))

    def _unary(self, stream: Exchange, lines: bytes, pieces: Sequence[bytes | memoryview]) -> None:
        """A whole answer of gRPC that ended well. lines: header lines beside the usual ones."""
        size = sum(map(len, pieces))
        coding = grpc.answer_coding(stream.head.headers, size)
        if coding:
            pieces = (grpc.coded(b"".join(pieces), coding),)
            size = len(pieces[0])
        block, prefix = grpc.begin(coding) + lines, grpc.prefix(size, bool(coding))
        number, whole = stream.id, size + len(prefix)
        if whole > min(stream.window, self.window, self.most_frame) or self.choked:
            self.block(number, block, last=False)
            self.add(stream, (prefix, *pieces))
            self.finish(stream, grpc.OK_TRAILERS)
            return
        # Nearly every answer goes out at once.
        stream.window -= whole
        self.window -= whole
        stream.over = True
        self.put(
            b"".join(
                (
                    h2.head(h2.HEADERS, h2.END_HEADERS, number, len(block)),
                    block,
                    h2.head(h2.DATA, 0, number, whole),
                    prefix,
                    *pieces,
                    h2.head(h2.HEADERS, _LAST, number, len(grpc.OK_TRAILERS)),
                    grpc.OK_TRAILERS,
                )
            )
        )

    def _plain(
        self,
        stream: Exchange,
        reply: Reply,
        date: bytes,
        lines: bytes,
        pieces: Sequence[bytes | memoryview],
        bare: bool,
    ) -> None:
        """A whole answer of plain HTTP. bare: without its body."""
        size = sum(map(len, pieces))
        last = bare or not size
        self.block(stream.id, http_block(reply, size, date) + lines, last)
        stream.over = last
        if not last:
            self.add(stream, pieces)
            self.finish(stream, b"")

    def add(self, stream: Exchange, pieces: Sequence[bytes | memoryview]) -> None:
        """Queues pieces of a body, and sends what may be sent."""
        if not self.unsent:
            self._moved = now()
        before = self.unsent
        for piece in pieces:
            if len(piece):
                stream.queue.append(piece)
                stream.unsent += len(piece)
                self.unsent += len(piece)
        more = self.unsent - before
        self.pump(stream)
        if self.unsent:
            self._untaken.note(self, more)

    def finish(self, stream: Exchange, trailers: bytes) -> None:
        """Ends a stream behind what is queued; trailers: b"" for none."""
        stream.trailers, stream.closing = trailers, True
        self.pump(stream)
        self.settle(stream)

    def pump(self, stream: Exchange) -> None:
        """Sends of one stream what the windows and the socket take."""
        queue = stream.queue
        while queue and not self.choked and not self.closed:
            piece = queue[0]
            size = min(len(piece), stream.window, self.window, self.most_frame)
            if size <= 0:
                return
            part = piece
            if size < len(piece):
                view = memoryview(piece)
                part, queue[0] = view[:size], view[size:]
            else:
                queue.popleft()
            last = not queue and stream.closing and not stream.trailers
            self._out.append(h2.head(h2.DATA, h2.END_STREAM if last else 0, stream.id, size))
            self._out.append(part)
            self._size += size
            stream.window -= size
            self.window -= size
            stream.unsent -= size
            self.unsent -= size
            self._moved = now()
            stream.tasted = True
            if last:
                stream.over = True
            if self._size > _AT_ONCE:
                self._flush()
        if self._out:
            self._arm()
        if not queue and stream.closing and not stream.over:
            stream.over = True
            if stream.trailers:
                self.block(stream.id, stream.trailers, last=True)
            else:
                self.put(h2.frame(h2.DATA, h2.END_STREAM, stream.id))

    def stuck(self, moment: float, patience: float) -> bool:
        """Whether the other side has taken nothing for so many seconds of what waits for it."""
        waits = self.unsent > 0 or self.choked or self.closed
        return waits and moment - self._moved > patience

    def get_write_buffer_size(self) -> int:
        """Bytes that the other side has not taken (edge/untaken.py)."""
        return 0 if self.closed else self.unsent + self._transport.get_write_buffer_size()

    def abort(self) -> None:
        """Ends the connection at once."""
        self._transport.abort()

    def end_when_done(self) -> None:
        """Closes the connection once no stream is open."""
        self._ending = True
        if not self._streams:
            self.end()

    def end(self) -> None:
        """Writes what is gathered and closes the connection."""
        if not self.closed:
            self._flush()
            self.closed, self._moved = True, now()
            self._transport.close()

    def close(self) -> None:
        """The connection is gone."""
        self.closed = True
        self._out = []
