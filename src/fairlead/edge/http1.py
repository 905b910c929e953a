"""HTTP/1.1: bytes of a connection to requests, answers back in order.

httptools parses. A request whose head is byte for byte one that was parsed before skips the
parser: equal bytes mean an equal head, so nothing is trusted that was not checked. This file
knows limits, order and connections; it knows no model.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, cast

import httptools

from fairlead.core.call import Call, Head, Reply, Route
from fairlead.core.clock import now
from fairlead.core.errors import (
    BadRequestHead,
    BodyTooLarge,
    FairleadError,
    RequestTimeout,
)
from fairlead.edge.heads import HeadParts, make_head
from fairlead.edge.service import HttpService

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_MOST_PIPELINED = 128
_MOST_DISCARDED = 1 << 20


class Finished:
    """An answer that needed no model, waiting for its turn on the connection."""

    __slots__ = ("bare", "keep_alive", "payload", "reply")

    def __init__(self, reply: Reply, keep_alive: bool, bare: bool) -> None:
        self.reply = reply
        self.payload = reply.body
        self.keep_alive = keep_alive
        self.bare = bare


class Http1(asyncio.Protocol):
    """One connection."""

    __slots__ = (
        "_body",
        "_chunks",
        "_discarded",
        "_fast",
        "_head",
        "_parser",
        "_parts",
        "_pending",
        "_refused",
        "_service",
        "_transport",
        "begun",
        "peer",
        "seen",
    )

    def __init__(self, service: HttpService) -> None:
        self._service = service
        self._transport: Any = None
        self._parser: Any = None
        self._parts: HeadParts | None = None
        self._head: Head | None = None
        self._refused = False
        self._body: list[bytes] = []
        self._chunks = 0
        self._discarded = 0
        self._fast = b""
        self._pending: deque[Call | Finished] = deque()
        self.begun = 0.0
        self.seen = 0.0
        self.peer = ""

    # --- asyncio --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.seen = now()
        peer: Any = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if peer.__class__ is tuple else ""
        if not self._service.connected(self):
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._service.lost(self)
        for call in self._pending:
            if isinstance(call, Call):
                call.gone = True
        self._pending.clear()
        self._transport = None
        self._parser = None

    def pause_writing(self) -> None:
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self.seen = moment = now()
        if not self.begun:
            end = data.find(b"\r\n\r\n") + 4
            raw = data[:end]
            head = self._service.heads.get(raw)
            if head is not None and len(data) - end == head.length:
                self._begin(head, data[end:], moment)
                return
            self._fast = raw
        else:
            self._fast = b""
        self._feed(data)

    # --- parsing --------------------------------------------------------------------------

    def _feed(self, data: bytes) -> None:
        if self._parser is None:
            self._parser = httptools.HttpRequestParser(self)
        try:
            if not self.begun:
                self.begun = self.seen
            self._parser.feed_data(data)
            parts = self._parts
            if parts is not None and self._head is None and not self._refused:
                parts.check_growth(len(data), self._service.limits)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            self._break(cause if isinstance(cause, FairleadError) else _malformed(error))
        except httptools.HttpParserUpgrade:
            self._break(BadRequestHead("protocol upgrades are not taken here", where="upgrade"))
        except httptools.HttpParserError as error:
            self._break(_malformed(error))
        except FairleadError as error:
            self._break(error)

    def on_message_begin(self) -> None:
        self.begun = self.seen
        self._parts = HeadParts()
        self._head = None
        self._refused = False
        self._body = []
        self._chunks = 0
        self._discarded = 0

    def on_url(self, url: bytes) -> None:
        cast("HeadParts", self._parts).add_url(url, self._service.limits)

    def on_header(self, name: bytes, value: bytes) -> None:
        cast("HeadParts", self._parts).add(name, value, self._service.limits)

    def on_headers_complete(self) -> None:
        parts = cast("HeadParts", self._parts)
        limits = self._service.limits
        head = make_head(parts, self._parser, limits)
        self._head = head
        try:
            head.route = self._service.router.route(head.method, head.path)
            self._service.admit(head)
            if head.length > limits.body:
                raise BodyTooLarge(
                    f"the body has {head.length} bytes; {limits.body} is the limit",
                    fix="Send fewer rows per request",
                )
        except FairleadError as error:
            self._refused = True
            self._answer(head, self._service.refusal(head, error))
            return
        if head.headers.get("expect", "").lower() == "100-continue" and not self._pending:
            self._transport.write(_CONTINUE)

    def on_body(self, piece: bytes) -> None:
        head = cast("Head", self._head)
        if self._refused:
            self._discarded += len(piece)
            if self._discarded > _MOST_DISCARDED and self._transport is not None:
                self._transport.close()
            return
        self._body.append(piece)
        if head.length < 0:
            self._discarded += len(piece)
            if self._discarded > self._service.limits.body:
                raise BodyTooLarge(f"the body exceeds {self._service.limits.body} bytes")

    def on_chunk_header(self) -> None:
        self._chunks += 1
        if self._chunks > self._service.limits.chunks:
            raise BodyTooLarge(f"the body has more than {self._service.limits.chunks} chunks")

    def on_message_complete(self) -> None:
        head = cast("Head", self._head)
        fast, self._fast = self._fast, b""
        self.begun = 0.0
        if self._refused:
            return
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []
        if fast and head.length == len(body):
            self._service.remember(fast, head)
        self._begin(head, body, self.seen)

    # --- answering ------------------------------------------------------------------------

    def _begin(self, head: Head, body: bytes, moment: float) -> None:
        """A whole request is here."""
        service = self._service
        route: Route = head.route
        if route.decode is None:
            self._answer(head, service.plain(head, body))
            return
        call = Call(
            route, moment, moment + service.limits.request_s, len(body), head.keep_alive, self._done
        )
        self._pending.append(call)
        if len(self._pending) > _MOST_PIPELINED:
            self._transport.pause_reading()
        service.path.predict(call, head, body)

    def _done(self, call: Call) -> None:
        """A call is finished; it leaves when those before it have."""
        pending = self._pending
        if not pending or self._transport is None:
            return
        if len(pending) == 1 and pending[0] is call:
            pending.clear()
            self._send(call)
            return
        while pending and pending[0].payload is not None:
            self._send(pending.popleft())
        if len(pending) <= _MOST_PIPELINED and self._transport is not None:
            self._transport.resume_reading()

    def _answer(self, head: Head, reply: Reply) -> None:
        finished = Finished(reply, head.keep_alive, head.method == "HEAD")
        if self._pending:
            self._pending.append(finished)
        else:
            self._send(finished)

    def _send(self, done: Call | Finished) -> None:
        transport = self._transport
        if transport is None:
            return
        service = self._service
        payload = done.payload or b""
        closing = not done.keep_alive or service.draining
        if done.reply is None and not closing:
            transport.write(service.ok_head % len(payload) + payload)
            return
        bare = isinstance(done, Finished) and done.bare
        transport.write(service.head_of(done.reply, payload, closing) + (b"" if bare else payload))
        if closing:
            transport.close()

    def _break(self, error: FairleadError) -> None:
        """The connection cannot go on: one last answer, in order, and the end."""
        if self._transport is None or self._transport.is_closing():
            return
        path = self._parts.path if self._parts is not None else ""
        reply = self._service.router.error(path, error)
        self._service.count_refusal(error)
        self._transport.pause_reading()
        finished = Finished(reply, keep_alive=False, bare=False)
        if self._pending:
            self._pending.append(finished)
        else:
            self._send(finished)

    def check_time(self, moment: float) -> None:
        """Ends a connection that is too slow to send, or idle too long."""
        limits = self._service.limits
        if not self.begun:
            if not self._pending and moment - self.seen > limits.idle_s:
                self._transport.close()
            return
        spent = moment - self.begun
        slow = spent > limits.head_s if self._head is None else self._too_slow(spent)
        if slow:
            self._break(RequestTimeout(f"the request did not arrive within {spent:.0f} s"))
            self.begun = 0.0

    def _too_slow(self, spent: float) -> bool:
        """A body must come at 1 KiB/s at least, once it has had the time of a head."""
        arrived = sum(map(len, self._body)) + self._discarded
        return spent > self._service.limits.head_s + arrived / 1024

    @property
    def idle(self) -> bool:
        """Nothing is being read and nothing is owed."""
        return not self.begun and not self._pending

    def end(self) -> None:
        """Closes the connection when it is idle; otherwise its next answer closes it."""
        if self.idle and self._transport is not None:
            self._transport.close()


def _malformed(error: Exception) -> FairleadError:
    text = " ".join(str(error).split())[:120]
    return BadRequestHead(f"this is not valid HTTP/1.1: {text}", where="request")
