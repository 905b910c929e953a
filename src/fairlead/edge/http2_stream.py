"""One stream of HTTP/2: what has come of its request, and what of its answer waits to be sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Protocol

from fairlead.core.access import Caller
from fairlead.core.call import Call, Head, Lines, Reply, Route
from fairlead.core.call import Stream as WireEnd
from fairlead.core.clock import now
from fairlead.core.errors import (
    BadRequestHead,
    BodyTooLarge,
    DeadlineExceeded,
    Draining,
    FairleadError,
)
from fairlead.edge import grpc
from fairlead.edge.body import Body
from fairlead.edge.calls import Calls
from fairlead.edge.grpc import Unframer
from fairlead.edge.heads import USAGE_ID, line_value
from fairlead.edge.http2_frames import literal, status

WINDOW = 256 << 10
"""Bytes that we take of a new stream before we say that we take more."""
_MOST_UNSENT = 256 << 10
"""Bytes beyond which a wire is asked to wait before it sends more."""
MOST_ASKED = 64
"""Predictions of one open stream that may be under way; beyond it, no more of it is read."""


class Sender(Protocol):
    """How the answer of a stream is sent (http2_writer.py)."""

    def begin(self, stream: Exchange, block: bytes, last: bool) -> None: ...

    def add(self, stream: Exchange, pieces: Sequence[bytes | memoryview]) -> None: ...

    def finish(self, stream: Exchange, trailers: bytes) -> None: ...


class Asker(Protocol):
    """What the stream of a wire needs of its connection (http2.py)."""

    def predict(self, call: Call, head: Head, message: bytes) -> None:
        """Hands a call of an open stream to the prediction path."""
        ...

    def read_on(self, stream: Exchange) -> None:
        """Lets the other side send more on a stream that had too much under way."""
        ...


class Exchange:
    """One request and its answer.

    window:    bytes that the other side takes at the moment. credit: bytes that we took and have
               not said so. room: bytes that it may still send.
    body:      pieces of a request's body, for plain HTTP. frames: for gRPC.
    message:   of a unary gRPC call.
    ended:     the other side has sent everything. over: our answer is sent whole, or is cut off.
    tasted:    some of our answer's body is sent.
    queue:     what waits to be sent; unsent: its bytes; trailers: what follows it, b"" for nothing.
    """

    __slots__ = (
        "begun",
        "body",
        "call",
        "channel",
        "closing",
        "credit",
        "ended",
        "frames",
        "head",
        "id",
        "message",
        "over",
        "queue",
        "refused",
        "room",
        "size",
        "tasted",
        "trailers",
        "unsent",
        "window",
    )

    def __init__(self, number: int, head: Head, window: int) -> None:
        self.id = number
        self.head = head
        self.window = window
        self.room = WINDOW
        self.credit = 0
        self.body: Body | None = None
        self.size = 0
        self.frames: Unframer | None = None
        self.message: bytes | None = None
        self.channel: GrpcChannel | None = None
        self.call: Call | None = None
        self.begun = now()
        self.ended = self.over = self.refused = self.closing = self.tasted = False
        self.queue: deque[bytes | memoryview] = deque()
        self.unsent = 0
        self.trailers: bytes | None = None

    def take(self, part: bytes, most: int) -> None:
        """A piece of the body has come. most: bytes that a body may have.

        Raises BodyTooLarge, BadRequestHead, and what `Unframer.feed` does.
        """
        channel = self.channel
        if channel is None:
            self.size += len(part)
        if self.frames is None:
            if self.size > most:
                raise BodyTooLarge(f"the body exceeds {most} bytes")
            self.body = self.body or Body()
            self.body.append(part)
            return
        if channel is None and self.message is None:
            self.message = self.frames.whole_in(part)
            if self.message is not None:
                return
        for message in self.frames.feed(part):
            if channel is not None:
                if channel.wire is not None:
                    channel.wire.message(message)
            elif self.message is not None:
                raise BadRequestHead("a unary call has one message", where="body")
            else:
                self.message = message

    def whole(self) -> bytes | None:
        """The body, once everything has come; None for a stream, which is told.

        Raises BadRequestHead for a body that is not what its head or its frames promise.
        """
        if self.channel is not None:
            if self.channel.wire is not None:
                self.channel.wire.ended()
            return None
        if self.frames is None:
            body = b"" if self.body is None else self.body.take()
            self.body = None
            if 0 <= self.head.length != len(body):
                raise BadRequestHead("the body has another length", where="content-length")
            return body
        message, self.message = self.message, None
        if message is None or not self.frames.whole:
            raise BadRequestHead("a unary call has one message", where="body")
        return message

    def late(self, moment: float, patience: float) -> bool:
        """Whether the body comes slower than 1 KiB/s beyond so many seconds."""
        if self.ended or self.over:
            return False
        return moment - self.begun > patience + self.size / 1024

    def left(self) -> None:
        """Nobody waits for the answer any more."""
        if self.call is not None:
            self.call.gone = True
        if self.channel is not None:
            self.channel.leave()
        self.queue.clear()
        self.unsent = 0
        self.over = True


class GrpcChannel:
    """The caller's end of a gRPC stream (core/call.py: Channel)."""

    def __init__(
        self, sender: Sender, asker: Asker, stream: Exchange, caller: Caller, deadline: float
    ) -> None:
        """deadline: `clock.now` after which nobody listens; 0 where the caller named none."""
        self.head = stream.head
        self.caller = caller
        self.deadline = deadline
        self._sender = sender
        self._asker = asker
        self._stream = stream
        self._begun = self._ended = self._warned = False
        self._asked = Calls(lambda: self.full)
        self.wire: WireEnd | None = None

    @property
    def full(self) -> bool:
        """Whether more is unsent than should be."""
        return self._stream.unsent > _MOST_UNSENT

    @property
    def busy(self) -> bool:
        """Whether so much is under way that no more is read."""
        return len(self._asked) >= MOST_ASKED

    def over(self, moment: float, draining: bool) -> FairleadError | None:
        """Once a second: why the stream cannot go on, if it cannot.

        While the server drains, a stream on which nothing is under way ends one second later: who
        listens may have been told something by its last beat.
        """
        if self.deadline and self.deadline < moment:
            return DeadlineExceeded("the stream's deadline has passed")
        if draining and not self._asked and not self._stream.unsent:
            if self._warned:
                return Draining("the server is ending", fix="Go on with another one")
            self._warned = True
        return None

    def begin(self, reply: Reply) -> None:
        """gRPC has one beginning."""
        if not self._begun:
            self._begun = True
            self._sender.begin(self._stream, self._first_lines(), last=False)

    def _first_lines(self) -> bytes:
        return grpc.begin() + echoed(self.head.echo)

    def send(self, message: bytes) -> None:
        """Sends one message, or keeps it until the caller takes it."""
        if self._ended or self._stream.over:
            return
        self.begin(Reply(200, b""))
        self._sender.add(self._stream, (grpc.prefix(len(message)), message))

    def end(self, reply: Reply | None = None) -> None:
        """Ends the stream with what the reply's trailers say, or well."""
        if self._ended or self._stream.over:
            return
        self._ended = True
        block = grpc.ending(reply or Reply(200, b""))
        if not self._begun:
            self._begun = True
            self._sender.begin(self._stream, self._first_lines() + block, last=True)
        else:
            self._sender.finish(self._stream, block)

    def predict(
        self,
        route: Route,
        message: bytes,
        done: Callable[[Call], None],
        piece: Callable[[Call], None] | None = None,
    ) -> Call:
        """Asks for a prediction by a message of the stream."""

        def over(call: Call) -> None:
            was_busy = len(self._asked) + 1 >= MOST_ASKED
            done(call)
            if was_busy and not self.busy:
                self._asker.read_on(self._stream)

        call = self._asked.begin(route, self.head, len(message), over, piece, self.deadline)
        self._asker.predict(call, self.head.on(route), message)
        return call

    def room(self) -> None:
        """The caller has taken what was unsent."""
        self._asked.resume()
        if self.wire is not None:
            self.wire.room()

    def leave(self) -> None:
        """The caller is gone."""
        self._ended = True
        self._asked.leave()
        if self.wire is not None:
            wire, self.wire = self.wire, None
            wire.left()


def http_block(reply: Reply, size: int | None, date: bytes) -> bytes:
    """The header lines of a plain HTTP answer with a body of so many bytes; None: not known yet."""
    lines = [
        status(reply.status),
        literal(b"content-type", reply.media_type.encode("latin-1")),
        literal(b"date", date),
    ]
    if size is not None:
        lines.append(literal(b"content-length", str(size).encode()))
    lines += [literal(n.lower().encode("latin-1"), line_value(v)) for n, v in reply.headers]
    return b"".join(lines)


def echoed(echo: Lines) -> bytes:
    """The header lines by which the caller knows its request again."""
    return b"".join([literal(name.encode(), value.encode()) for name, value in echo])


_USAGE_ID = literal(USAGE_ID.encode(), b"")[:-1]


def about(usage: bytes, told: bytes) -> bytes:
    """The header lines about the record of a call and about what is left of its limits."""
    block = b"%b%c%b" % (_USAGE_ID, len(usage), usage) if usage else b""
    return block + _about_limits(told) if told else block


@lru_cache(64)
def _about_limits(told: bytes) -> bytes:
    """Many calls of a busy caller are told the same."""
    lines = [line.partition(b": ") for line in told.split(b"\r\n") if line]
    return b"".join([literal(name.lower(), value) for name, _, value in lines])
