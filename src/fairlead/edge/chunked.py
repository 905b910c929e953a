"""Answers that come piece by piece over HTTP/1.1 (core/call.py: Channel).

The head of the answer leaves with its first piece, so that what fails before has its own status.
A caller of HTTP/1.0 knows no chunks: its answer ends with its connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from fairlead.core.access import NOBODY, Caller
from fairlead.core.call import Call, Channel, Head, Peer, Reply, Route, Stream
from fairlead.core.errors import FairleadError, Internal
from fairlead.edge.calls import Calls
from fairlead.edge.plain import echoing, for_page
from fairlead.edge.service import HttpService

_MOST_KEPT = 64 << 10
"""Bytes kept of an answer whose turn on its connection has not come."""


class Line(Protocol):
    """What a stream needs of its connection (http1.py)."""

    peer: Peer

    def write(self, data: bytes) -> bool: ...

    def done(self, call: Any) -> None: ...


class Chunked:
    """One answer, due on a connection among others.

    begun: its head has left, or waits for its turn. payload: None until the answer is whole.
    """

    usage = -1
    told = b""
    tail = ()
    bare = False

    def __init__(self, service: HttpService, line: Line, head: Head) -> None:
        self.head = head
        self.caller: Caller = NOBODY
        self.keep_alive = head.keep_alive and not head.old and not service.parting
        self.reply: Reply | None = None
        self.payload: bytes | None = None
        self.begun = False
        self._service = service
        self._line = line
        self._wire: Stream | None = None
        self._calls = Calls(lambda: self.full)
        self._first = False
        self._free = True
        self._kept: list[bytes] = []

    def open(self, begin: Callable[[Channel], Stream], body: bytes, *, first: bool) -> None:
        """Hands the request to its wire. first: no other answer is due before this one."""
        self._first = first
        try:
            self.caller = self._service.path.admit(self.head, self._line.peer)
            wire = self._wire = begin(self)
            wire.message(body)
            wire.ended()
        except FairleadError as error:
            reply = self.head.route.error(error)
            self._service.note_refusal(self.head, reply, error)
            self.end(reply)
        except Exception:
            self.end(self.head.route.error(Internal("the server failed on this request")))
            raise

    @property
    def full(self) -> bool:
        """Whether more is unsent than should be."""
        return not self._free or sum(map(len, self._kept)) > _MOST_KEPT

    def begin(self, reply: Reply) -> None:
        """Sends status, media type and headers, once."""
        if self.begun or self.payload is not None:
            return
        self.begun = True
        reply = echoing(for_page(reply, self.head, self.caller), self.head.echo)
        lines = self._service.head_of(reply, 0, not self.keep_alive, self.usage, self.told)
        coding = b"\r\n" if self.head.old else b"\r\ntransfer-encoding: chunked\r\n"
        self._write(lines.replace(b"\r\ncontent-length: 0\r\n", coding, 1))

    def send(self, message: bytes) -> None:
        """Sends one piece."""
        if self.payload is None and message:
            self.begin(Reply(200, b""))
            chunk = b"%x\r\n%b\r\n" % (len(message), message)
            self._write(message if self.head.old else chunk)

    def end(self, reply: Reply | None = None) -> None:
        """Ends the answer; `reply` is the whole answer where nothing has left."""
        if self.payload is not None:
            return
        if self.begun:
            if not self.head.old:
                self._write(b"0\r\n\r\n")
            self.payload = b""
        else:
            reply = for_page(reply or Reply(200, b""), self.head, self.caller)
            self.reply = echoing(reply, self.head.echo)
            self.payload = reply.body
        if self._first or not self.begun:
            self._line.done(self)

    def predict(
        self,
        route: Route,
        message: bytes,
        done: Callable[[Call], None],
        piece: Callable[[Call], None] | None = None,
    ) -> Call:
        """Asks for a prediction by a message of the stream."""

        def first(one: Call) -> None:
            if not self.begun:
                self.usage, self.told = call.usage, call.told
            assert piece is not None
            piece(one)

        call = self._calls.begin(
            route, self.head, len(message), done, None if piece is None else first
        )
        self._service.path.predict(call, self.head.on(route), message, self._line.peer)
        return call

    def turn(self) -> None:
        """The answers before this one have left."""
        if self._first:
            return
        self._first = True
        kept, self._kept = self._kept, []
        if kept:
            self._free = self._line.write(b"".join(kept))
        if self.payload is not None:
            self._line.done(self)
        elif self._free:
            self.room()

    def room(self) -> None:
        """The caller takes more."""
        self._free = True
        self._calls.resume()
        if self._wire is not None:
            self._wire.room()

    def leave(self) -> None:
        """The caller is gone."""
        self.payload = b""
        self._calls.leave()
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.left()

    def _write(self, data: bytes) -> None:
        if self._first:
            self._free = self._line.write(data)
        else:
            self._kept.append(data)
