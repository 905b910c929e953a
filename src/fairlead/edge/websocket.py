"""A WebSocket (RFC 6455): messages both ways on a connection that began as a request.

Frames are wsproto's. One message is asked at a time, in the order in which they came; while its
answers are made the others wait, and once a few wait the connection is not read. An answer is text
where its question was.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from wsproto import events as ws
from wsproto.connection import Connection, ConnectionType
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import RemoteProtocolError, generate_accept_token

from fairlead.access.origins import ORIGIN, origin_refused
from fairlead.core.access import NOBODY, Caller
from fairlead.core.call import Call, Head, Peer, Reply, Route, Stream
from fairlead.core.clock import now
from fairlead.core.errors import BadRequestHead, BodyTooLarge, FairleadError, Internal
from fairlead.edge.calls import Calls
from fairlead.edge.service import HttpService

_KEY = re.compile(r"[A-Za-z0-9+/]{22}==\Z")
_VERSION = "13"
_MOST_WAITING = 16
_SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"


def accepted(head: Head) -> bytes:
    """The head of the answer to who asks for a WebSocket. Raises BadRequestHead."""
    headers = head.headers
    if headers.get("upgrade", "").lower() != "websocket":
        raise BadRequestHead("a WebSocket is spoken at this address", fix="Send Upgrade: websocket")
    if headers.get("sec-websocket-version") != _VERSION:
        raise BadRequestHead(f"version {_VERSION} of WebSocket is spoken here")
    key = headers.get("sec-websocket-key", "")
    if not _KEY.match(key):
        raise BadRequestHead("Sec-WebSocket-Key is no key", fix="Send sixteen bytes as base64")
    lines = [(b"sec-websocket-accept", generate_accept_token(key.encode()))]
    lines += [(name.encode(), value.encode()) for name, value in head.echo]
    return _SWITCHING + b"".join([b"%b: %b\r\n" % line for line in lines]) + b"\r\n"


class Conversation:
    """The channel of a wire over a WebSocket (core/call.py: Channel).

    calls: those that are under way. text: the message that is answered now is text.
    """

    def __init__(self, line: WebSocket, service: HttpService, head: Head, caller: Caller) -> None:
        self.head = head
        self.caller = caller
        self.calls = Calls(lambda: line.choked)
        self.text = True
        self._line = line
        self._service = service

    def begin(self, reply: Reply) -> None:
        """A message has neither status nor headers."""

    def send(self, message: bytes) -> None:
        """Sends one message."""
        one = ws.TextMessage(message.decode()) if self.text else ws.BytesMessage(message)
        self._line.write(one)

    @property
    def full(self) -> bool:
        """Whether more is unsent than should be."""
        return self._line.choked

    def end(self, reply: Reply | None = None) -> None:
        """Ends the connection; an error is its last message."""
        if reply is not None:
            self.send(reply.body)
        failed = reply is not None and reply.status >= 400
        self._line.close(CloseReason.INTERNAL_ERROR if failed else CloseReason.NORMAL_CLOSURE)

    def predict(
        self,
        route: Route,
        message: bytes,
        done: Callable[[Call], None],
        piece: Callable[[Call], None] | None = None,
    ) -> Call:
        """Asks for a prediction by a message."""

        def answered(call: Call) -> None:
            done(call)
            self._line.answered()

        call = self.calls.begin(route, self.head, len(message), answered, piece)
        self._service.path.predict(call, self.head.on(route), message, self._line.peer)
        return call


class WebSocket(asyncio.Protocol):
    """One connection."""

    alone = True

    def __init__(self, service: HttpService, head: Head, peer: Peer) -> None:
        self.peer = peer
        self.choked = False
        self._head = head
        self._channel = Conversation(self, service, head, NOBODY)
        self.begun = 0.0
        self.seen = now()
        self._service = service
        self._frames = Connection(ConnectionType.SERVER)
        self._transport: Any = None
        self._wire: Stream | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._waiting: deque[tuple[bytes, bool]] = deque()
        self._over = False

    def open(self, transport: Any, before: Any) -> None:
        """Takes the connection over from what was spoken on it before.

        Raises FairleadError; then it is as it was.
        """
        begin, head = self._head.route.open, self._head
        assert begin is not None
        answer = accepted(head)
        caller = self._channel.caller = self._service.path.admit(head, self.peer)
        if ORIGIN in head.headers and head.headers[ORIGIN] not in caller.origins:
            # A browser asks nobody before it opens a WebSocket.
            raise origin_refused()
        self._wire = begin(self._channel)
        self._transport = transport
        self._service.lost(before)
        transport.write(answer)
        transport.set_protocol(self)
        self._service.connected(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._service.lost(self)
        self._over = True
        self._waiting.clear()
        self._channel.calls.leave()
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.left()

    def data_received(self, data: bytes) -> None:
        self.seen = now()
        if self._over:
            return
        try:
            self._frames.receive_data(data)
            for event in self._frames.events():
                self._take(event)
        except RemoteProtocolError as error:
            hint = error.event_hint
            code = hint.code if isinstance(hint, ws.CloseConnection) else 1002
            self.close(code, "the frames are not those of WebSocket")
        except BodyTooLarge as error:
            self._service.count_refusal(error)
            self.close(CloseReason.MESSAGE_TOO_BIG, error.what)

    def _take(self, event: ws.Event) -> None:
        if isinstance(event, ws.TextMessage):
            self._part(event.data.encode(), event.message_finished, text=True)
        elif isinstance(event, ws.BytesMessage):
            self._part(bytes(event.data), event.message_finished, text=False)
        elif isinstance(event, ws.Ping):
            self.write(event.response())
        elif isinstance(event, ws.CloseConnection) and not self._over:
            self.write(event.response())
            self._end()

    def _part(self, part: bytes, last: bool, *, text: bool) -> None:
        """A part of a message. Raises BodyTooLarge."""
        self._size += len(part)
        self.begun = self.begun or self.seen
        self._service.check_body(self._head.route, self._size)
        if part:
            self._parts.append(part)
        if not last:
            return
        whole, self._parts, self._size, self.begun = b"".join(self._parts), [], 0, 0.0
        self._waiting.append((whole, text))
        self._ask()
        if len(self._waiting) >= _MOST_WAITING:
            self._transport.pause_reading()

    def _ask(self) -> None:
        """Hands messages on, until one is being answered."""
        while self._waiting and not self._channel.calls and self._wire is not None:
            message, self._channel.text = self._waiting.popleft()
            try:
                self._wire.message(message)
            except Exception:
                failed = Internal("the server failed on this message")
                self._channel.end(self._head.route.error(failed))
                raise
        if self._service.parting and self.idle:
            self.close(CloseReason.GOING_AWAY, "the server ends")

    def answered(self) -> None:
        """A message is answered: the next one is asked, and more are read."""
        # Not at once: who answers in no time would else go ever deeper.
        asyncio.get_running_loop().call_soon(self._ask)
        if len(self._waiting) < _MOST_WAITING and not self.choked and not self._over:
            self._transport.resume_reading()

    # --- the connection -----------------------------------------------------------------------

    def pause_writing(self) -> None:
        self.choked = True
        self._transport.pause_reading()
        self._service.untaken.note(self._transport)

    def resume_writing(self) -> None:
        self.choked = False
        self._service.untaken.forget(self._transport)
        self._channel.calls.resume()
        if self._wire is not None:
            self._wire.room()
        if len(self._waiting) < _MOST_WAITING and not self._over:
            self._transport.resume_reading()

    def write(self, event: ws.Event) -> None:
        """Sends a message or what goes between them; nothing after the end."""
        if not self._over:
            self._transport.write(self._frames.send(event))

    def close(self, code: int, why: str = "") -> None:
        """Says why, and ends the connection."""
        if not self._over:
            self.write(ws.CloseConnection(code, why[:120]))
            self._end()

    def _end(self) -> None:
        self._over = True
        self._waiting.clear()
        self._service.untaken.close(self._transport)

    def check_time(self, moment: float) -> None:
        """Ends a connection on which nothing comes, or a message too slowly."""
        limits = self._service.limits
        if self.begun and moment - self.begun > limits.head_s + self._size / 1024:
            self.close(CloseReason.POLICY_VIOLATION, "the message did not arrive in time")
        elif self.idle and moment - self.seen > limits.idle_s:
            self.close(CloseReason.GOING_AWAY, "nothing was asked for a while")

    @property
    def idle(self) -> bool:
        """Nothing is being read and nothing is owed."""
        return not self.begun and not self._waiting and not self._channel.calls

    def end(self, since: float) -> None:
        """Closes it when it is idle since a moment; else it ends with what is owed."""
        if self.idle and self.seen < since:
            self.close(CloseReason.GOING_AWAY, "the server ends")


def switched(
    service: HttpService, head: Head, before: Any, transport: Any, busy: bool
) -> WebSocket | Reply:
    """The WebSocket that a connection is from here on, or the answer to who is given none.

    before: what was spoken on it until now. busy: answers to earlier requests of it are due.
    """
    socket = WebSocket(service, head, before.peer)
    try:
        if busy:
            raise BadRequestHead("a WebSocket begins once all else is answered")
        socket.open(transport, before)
    except FairleadError as error:
        reply = service.refusal(head, error)
        known = ("sec-websocket-version", _VERSION)
        return replace(reply, headers=(*reply.headers, known))
    return socket
