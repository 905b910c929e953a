"""HTTP/1.1: bytes of a connection to requests, answers back in order.

httptools parses. A head that is byte for byte one that was parsed before skips the parser: equal
bytes mean an equal head. This file knows limits, order and connections; it knows no model.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import Any, cast

import httptools

from fairlead.access.origins import ORIGIN
from fairlead.core.call import Call, Head, Peer, Reply
from fairlead.core.clock import now
from fairlead.core.errors import BadRequestHead, BodyTooLarge, FairleadError, RequestTimeout
from fairlead.edge.body import Body
from fairlead.edge.chunked import Chunked
from fairlead.edge.heads import HeadParts, echo_of_broken, make_head, read_wishes
from fairlead.edge.peers import peer_of
from fairlead.edge.plain import Plain, dress, echoing, malformed
from fairlead.edge.service import HttpService

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_MOST_PIPELINED = 128
_MOST_DISCARDED = 1 << 20
_LINGER_S = 2.0
Owed = Call | Plain | Chunked


class Http1(asyncio.Protocol):
    """One connection."""

    __slots__ = (
        "_arrived", "_body", "_choked", "_chunks", "_fast", "_head", "_next", "_over", "_parser",
        "_parts", "_pending", "_refused", "_service", "_transport", "begun", "peer", "seen",
    )  # fmt: skip
    alone = True

    def __init__(self, service: HttpService) -> None:
        self._service = service
        self._transport: Any = None
        self._parser: Any = None
        self._parts: HeadParts | None = None
        self._head: Head | None = None
        self._refused = False
        self._body = Body()
        self._chunks = self._arrived = 0
        self._fast = b""
        self._over = False
        self._choked = False
        self._pending: deque[Owed] = deque()
        self._next: Any = None
        self.begun = self.seen = 0.0
        self.peer = Peer("")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.seen = now()
        self.peer = peer_of(transport)
        if not self._service.connected(self):
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._service.lost(self)
        for call in self._pending:
            if isinstance(call, Call):
                call.gone = True
            elif isinstance(call, Chunked):
                call.leave()
        self._pending.clear()
        self._transport = None
        self._parser = None

    def pause_writing(self) -> None:
        self._choked = True
        self._service.untaken.note(self._transport)
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._choked = False
        self._service.untaken.forget(self._transport)
        if self._pending and isinstance(front := self._pending[0], Chunked):
            front.room()
        self._read_on()

    def _read_on(self) -> None:
        """Reads again, unless answers are not taken or too many are owed."""
        free = not self._choked and len(self._pending) <= _MOST_PIPELINED
        if free and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self.seen = moment = now()
        self._fast = b""
        if not self.begun:
            end = data.find(b"\r\n\r\n") + 4
            raw = data[:end]
            known = self._service.heads
            head = known.exact.get(raw) or known.recall(raw)
            if head is not None and len(data) - end == head.length:
                self._begin(head, data[end:], moment)
                return
            self._fast = raw
        self._feed(data)

    # --- parsing --------------------------------------------------------------------------

    def _feed(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest and not self._over:
            rest = self._parse(rest)
        if self._next is not None:
            self._next.data_received(bytes(rest))
        elif self._over:
            self._discard(len(rest))

    def _parse(self, data: memoryview) -> memoryview:
        """Parses all of `data`, or up to a request to speak another protocol, which is ignored."""
        if self._parser is None:
            self._parser = httptools.HttpRequestParser(self)
        if not self.begun:
            self.begun = self.seen
        parts = self._parts if self._head is None else None
        try:
            self._parser.feed_data(data)
            if parts is not None and parts is self._parts and self._head is None:
                parts.check_growth(len(data), self._service.limits)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            self._break(cause if isinstance(cause, FairleadError) else malformed(error))
        except httptools.HttpParserUpgrade as upgrade:
            self._parser = None
            return data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            self._break(malformed(error))
        except FairleadError as error:
            self._break(error)
        return data[:0]

    def _discard(self, count: int) -> None:
        """Takes what a caller goes on sending after the last answer, up to a point."""
        self._arrived += count
        if self._arrived > _MOST_DISCARDED and self._transport is not None:
            self._transport.close()

    def on_message_begin(self) -> None:
        if self._over:
            raise BadRequestHead("nothing follows the last request", where="request")
        self.begun = self.seen
        self._parts = HeadParts()
        self._head = None
        self._refused = False
        self._body = Body()
        self._chunks = 0
        self._arrived = 0

    def on_url(self, url: bytes) -> None:
        cast("HeadParts", self._parts).add_url(url, self._service.limits)

    def on_header(self, name: bytes, value: bytes) -> None:
        parts = cast("HeadParts", self._parts)
        if self._head is None:
            parts.add(name, value, self._service.limits)
        else:
            # A trailer: counted, never believed.
            parts.count_header(name, value, self._service.limits)

    def on_headers_complete(self) -> None:
        parts = cast("HeadParts", self._parts)
        limits = self._service.limits
        head = make_head(parts, self._parser, limits)
        self._head = head
        try:
            read_wishes(head, limits)
            head.route = self._service.route(head)
            self._service.path.admit(head, self.peer)
            self._service.check_body(head.route, head.length)
        except FairleadError as error:
            self._refuse(head, error)
            return
        if head.headers.get("expect", "").lower() == "100-continue" and not self._pending:
            self._transport.write(_CONTINUE)

    def _refuse(self, head: Head, error: FairleadError) -> None:
        """Answers before the body; a body that need not come, or is long, ends the connection."""
        self._refused = True
        short = 0 <= head.length <= _MOST_DISCARDED and "expect" not in head.headers
        if not (short and head.keep_alive):
            head.keep_alive = False
            self._over = True
        self._answer(head, self._service.refusal(head, error))

    def on_body(self, piece: bytes) -> None:
        if self._refused:
            self._discard(len(piece))
            return
        self._body.append(piece)
        self._arrived += len(piece)
        self._service.check_body(cast("Head", self._head).route, self._arrived)

    def on_chunk_header(self) -> None:
        self._chunks += 1
        if self._chunks > self._service.limits.chunks:
            raise BodyTooLarge(f"the body has more than {self._service.limits.chunks} chunks")

    def on_message_complete(self) -> None:
        head = cast("Head", self._head)
        fast, self._fast = self._fast, b""
        if self._over:
            return
        self.begun = 0.0
        if self._refused:
            self._refused = False
            return
        if not head.keep_alive:
            self._over = True
            self.begun = self.seen
        body = self._body.take()
        if fast and head.length == len(body):
            self._service.heads.remember(fast, head)
        self._begin(head, body, self.seen)

    # --- answering ------------------------------------------------------------------------

    def _begin(self, head: Head, body: bytes, moment: float) -> None:
        """A whole request is here."""
        service = self._service
        if head.route.resolve is not None or head.coding:
            head, body = service.prepared(head, body)
        route = head.route
        if route.socket:
            return self._switch(head)
        if route.open is not None:
            stream = Chunked(service, self, head)
            self._owe(stream)
            stream.open(route.open, body, first=len(self._pending) == 1)
            return
        if route.decode is None:
            self._begin_plain(head, body)
            return
        call = Call(route, moment, moment + head.patience, len(body), head.keep_alive, self.done)
        call.head = head
        if head.echo or head.accepts or ORIGIN in head.headers:
            call.done, call.echo = partial(self._done_dressed, head), head.echo
        self._owe(call)
        service.path.predict(call, head, body, self.peer)

    def _switch(self, head: Head) -> None:
        """The connection is a WebSocket from here on (the first loads its library), or refused."""
        from fairlead.edge.websocket import switched

        given = switched(self._service, head, self, self._transport, bool(self._pending))
        if isinstance(given, Reply):
            self._finish(Plain(given, head.keep_alive, bare=False))
            return
        self._next, self._transport, self._over = given, None, True

    def _begin_plain(self, head: Head, body: bytes) -> None:
        """A whole request is here that needs no model."""
        owed = Plain(None, head.keep_alive, head.method == "HEAD")
        self._owe(owed)

        def later(reply: Reply) -> None:
            if owed.payload is None:
                owed.reply = echoing(reply, head.echo)
                owed.payload = reply.body
                self.done(owed)

        known = self._service.plain(head, body, self.peer, later)
        if known is not None:
            later(known)

    def write(self, data: bytes) -> bool:
        """Writes a piece of an answer whose turn it is; whether more may follow at once."""
        if self._transport is not None:
            self._transport.write(data)
        return not self._choked

    def _owe(self, answer: Owed) -> None:
        """From now on an answer is due; what follows waits for it."""
        self._pending.append(answer)
        if len(self._pending) > _MOST_PIPELINED:
            self._transport.pause_reading()

    def done(self, call: Owed) -> None:
        """An answer is known; it leaves when those before it have."""
        pending = self._pending
        if not pending or self._transport is None:
            return
        if len(pending) == 1 and pending[0] is call:
            pending.clear()
            self._send(call)
            return
        while pending and pending[0].payload is not None:
            self._send(pending.popleft())
        if pending and isinstance(pending[0], Chunked):
            pending[0].turn()
        self._read_on()

    def _done_dressed(self, head: Head, call: Call) -> None:
        """As `_done`; the answer carries what its caller's head asks for."""
        dress(call, head)
        self.done(call)

    def _answer(self, head: Head, reply: Reply) -> None:
        reply = echoing(reply, head.echo)
        self._finish(Plain(reply, head.keep_alive, head.method == "HEAD"))

    def _finish(self, finished: Plain) -> None:
        """Sends an answer, or lets it wait for those before it."""
        (self._owe if self._pending else self._send)(finished)

    def _send(self, done: Owed) -> None:
        transport = self._transport
        if transport is None:
            return
        service = self._service
        if isinstance(done, Chunked) and done.begun:
            if not done.keep_alive:
                self._end_writing()
            return
        payload = done.payload or b""
        closing = not done.keep_alive or (service.parting and not self._pending)
        if done.reply is None and not closing:
            # Only what was recorded is answered without a reply of its own, so it has an id.
            about = (done.usage, len(payload))
            if done.told:
                transport.write(service.ok_head_told % (*about, done.told) + payload)
            else:
                transport.write(service.ok_head % about + payload)
            return
        size = len(payload) + sum(map(len, done.tail))
        head = service.head_of(done.reply, size, closing, done.usage, done.told)
        transport.write(head + (b"" if isinstance(done, Plain) and done.bare else payload))
        for piece in done.tail:
            transport.write(piece)
        if closing:
            self._end_writing()

    def _end_writing(self) -> None:
        """Closes the connection; slowly where input is unread, or the answer would be lost.

        Closing a socket that has unread input resets it, and a reset may overtake the answer.
        """
        if not self._refused:
            self._transport.close()
            return
        self.begun = now()
        self._over = True
        self._transport.write_eof()
        self._read_on()

    def _break(self, error: FairleadError) -> None:
        """The connection cannot go on: one last answer, in order, and the end."""
        if self._over or self._transport is None or self._transport.is_closing():
            return
        self._over = self._refused = True
        self._parser = None
        self._arrived = 0
        self.begun = self.seen
        reply = self._service.router.error(self._parts.path if self._parts else "", error)
        self._service.note_refusal(self._head, reply, error)
        echo = echo_of_broken(self._parts) if self._head is None else self._head.echo
        self._finish(Plain(echoing(reply, echo), keep_alive=False, bare=False))

    def check_time(self, moment: float) -> None:
        """Ends a connection that is too slow to send, or idle too long."""
        limits = self._service.limits
        if self._over:
            if not self._pending and moment - self.begun > _LINGER_S:
                self._service.untaken.close(self._transport)
            return
        if not self.begun:
            if not self._pending and moment - self.seen > limits.idle_s:
                self._service.untaken.close(self._transport)
            return
        spent = moment - self.begun
        slow = spent > limits.head_s if self._head is None else self._too_slow(spent)
        if slow and self._refused:
            self._transport.close()
        elif slow:
            self._break(RequestTimeout(f"the request did not arrive within {spent:.0f} s"))

    def _too_slow(self, spent: float) -> bool:
        """A body must come at 1 KiB/s at least, once it has had the time of a head."""
        return spent > self._service.limits.head_s + self._arrived / 1024

    @property
    def idle(self) -> bool:
        """Nothing is being read and nothing is owed."""
        return not self.begun and not self._pending

    def end(self, since: float) -> None:
        """Closes the connection when it is idle since a moment; else its next answer does."""
        if self.idle and self.seen < since and self._transport is not None:
            self._transport.close()
