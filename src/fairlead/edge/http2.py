"""HTTP/2 (RFC 9113): frames of a connection to requests, answers back as frames.

gRPC and plain requests take the same prediction path as over HTTP/1. What a caller may cost us is
counted here: streams, headers, frames that carry nothing, bytes that nobody takes.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from fairlead.core.call import Call, Head, Peer, Reply
from fairlead.core.clock import now
from fairlead.core.errors import BadRequestHead, FairleadError
from fairlead.edge import grpc
from fairlead.edge import http2_frames as h2
from fairlead.edge.http2_events import open_events, open_stream
from fairlead.edge.http2_frames import ConnectionFault
from fairlead.edge.http2_head import HeadReader, is_grpc
from fairlead.edge.http2_reader import MOST_FRAME, FrameReader
from fairlead.edge.http2_stream import WINDOW, Exchange, about
from fairlead.edge.http2_writer import Writer
from fairlead.edge.peers import peer_of
from fairlead.edge.plain import dress, echoing
from fairlead.edge.service import HttpService

_MOST_STREAMS = 256
_CONNECTION_WINDOW = 16 << 20
_CREDIT = 64 << 10
"""Bytes that are taken before the other side is told so."""
_MOST_RESETS = 500
"""Streams that are given up in a second before anything of their answers was sent."""
_LINGER_S = 1.0
"""Seconds in which new streams are taken yet on a connection that is told to end."""
_MOST_UNSENT = 64 << 20
"""Bytes of answers that wait on one connection; beyond them no new request is taken."""


class Http2(asyncio.Protocol):
    """One connection."""

    def __init__(self, service: HttpService) -> None:
        self._service = service
        self._limits = service.limits
        self._heads = HeadReader(service.limits)
        self._frames = FrameReader(self, service.limits.head)
        self._streams: dict[int, Exchange] = {}
        self._highest = 0
        self._room, self._credit, self._held = _CONNECTION_WINDOW, 0, 0
        self._resets = 0
        self._going = False
        self._transport: Any = None
        self.seen = 0.0
        self.peer = Peer("")

    # --- asyncio --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.seen = now()
        self.peer = peer_of(transport)
        self._writer = Writer(transport, self._streams, self._service.untaken)
        if not self._service.connected(self):
            transport.close()
            return
        own = (
            (h2.MOST_STREAMS, _MOST_STREAMS),
            (h2.FIRST_WINDOW, WINDOW),
            (h2.MOST_FRAME, MOST_FRAME),
            (h2.MOST_HEADERS, self._limits.head),
        )
        more = h2.number(_CONNECTION_WINDOW - 65_535)
        self.put(h2.settings(own) + h2.frame(h2.WINDOW_UPDATE, 0, 0, more))

    def connection_lost(self, exc: Exception | None) -> None:
        self._service.lost(self)
        for stream in self._streams.values():
            stream.left()
        self._streams.clear()
        self._writer.close()

    def pause_writing(self) -> None:
        # What asks for answers and takes none is not read on.
        self._writer.choke()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()
        self._writer.breathe()

    def data_received(self, data: bytes) -> None:
        self.seen = now()
        writer = self._writer
        writer.hold()
        try:
            if not writer.closed:
                self._frames.feed(data)
        except ConnectionFault as fault:
            self._break(fault)
        writer.release()

    # --- frames (http2_reader.py: Frames) ---------------------------------------------------

    def put(self, data: bytes) -> None:
        self._writer.put(data)

    def going(self) -> None:
        self.end(0.0)

    def setting(self, name: int, value: int) -> None:
        self._writer.setting(name, value)

    def window(self, number: int, more: int) -> None:
        if not number:
            self._writer.widen(more)
            return
        stream = self._streams.get(number)
        if stream is None:
            self._check_past(number)
            return
        stream.window += more
        if stream.window > h2.LARGEST_WINDOW:
            # Whoever makes us give a stream up has given it up.
            self._count_reset(stream)
            self._cut(stream, h2.FLOW_CONTROL_ERROR)
        elif stream.unsent:
            self._writer.pump_all()

    def _known(self, number: int) -> Exchange | None:
        """A stream that is open; None for one that is over."""
        if number not in self._streams:
            self._check_past(number)
            self._frames.count_empty()
        return self._streams.get(number)

    def _check_past(self, number: int) -> None:
        if not number or number > self._highest:
            raise ConnectionFault(h2.PROTOCOL_ERROR, "a stream that was never opened")

    def reset(self, number: int) -> None:
        stream = self._known(number)
        if stream is not None:
            self._count_reset(stream)
            self._drop(stream)

    def _count_reset(self, stream: Exchange) -> None:
        """Who waits for the answer before it leaves costs no more than who hears it to its end."""
        self._resets += not stream.tasted
        if self._resets > _MOST_RESETS:
            raise ConnectionFault(h2.ENHANCE_YOUR_CALM, "too many streams are given up")

    # --- heads ----------------------------------------------------------------------------

    def block(self, number: int, block: bytes, ending: bool) -> None:
        if number <= self._highest:
            self._trailers(number, block, ending)
            return
        self._highest = number
        head = self._heads.known(block)
        if len(self._streams) >= _MOST_STREAMS or self._writer.unsent > _MOST_UNSENT or self._going:
            if head is None:
                self._heads.lines(block)
            self._frames.count_empty()
            self.put(h2.frame(h2.RST_STREAM, 0, number, h2.number(h2.REFUSED_STREAM)))
        elif head is None:
            self._open_new(number, block, ending)
        else:
            self._open(number, head, ending)

    def _trailers(self, number: int, block: bytes, ending: bool) -> None:
        """Header lines behind a body: they keep the table as the other side has it."""
        self._heads.lines(block)
        stream = self._known(number)
        if stream is None:
            return
        if not ending or stream.ended:
            raise ConnectionFault(h2.PROTOCOL_ERROR, "trailers end a stream, once")
        self.body(stream, b"", ending)

    def _open_new(self, number: int, block: bytes, ending: bool) -> None:
        """Opens a stream whose head was not seen before; a head that is refused is answered."""
        head, refused = self._heads.head(block)
        try:
            if refused is not None:
                raise refused
            head.route = self._service.route(head, grpc=is_grpc(head))
            self._service.path.admit(head, self.peer)
            self._service.check_body(head.route, head.length)
        except FairleadError as error:
            stream = self._streams[number] = Exchange(number, head, self._writer.first_window)
            stream.ended = ending
            self._refuse(stream, error)
            return
        self._heads.keep(block, head)
        self._open(number, head, ending)

    def _open(self, number: int, head: Head, ending: bool) -> None:
        stream = self._streams[number] = Exchange(number, head, self._writer.first_window)
        if is_grpc(head):
            most = self._service.most_body(head.route)
            stream.frames = grpc.Unframer(head.headers.get("grpc-encoding", ""), most)
            if head.route.open is not None:
                self._open_channel(stream)
        if ending:
            self.body(stream, b"", ending)

    def _open_channel(self, stream: Exchange) -> None:
        """A stream of messages begins."""
        try:
            open_stream(self._writer, self, stream, self._service, self.peer)
        except FairleadError as error:
            self._refuse(stream, error)

    # --- bodies ---------------------------------------------------------------------------

    def taken(self, number: int, size: int) -> Exchange | None:
        self._room -= size
        self._credit += size
        if self._room < 0:
            raise ConnectionFault(h2.FLOW_CONTROL_ERROR, "more was sent than was allowed")
        if self._credit > _CONNECTION_WINDOW // 4:
            self.put(h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.number(self._credit)))
            self._room, self._credit = self._room + self._credit, 0
        stream = self._streams.get(number)
        if stream is None:
            # What was on its way when we ended the stream counts, and is dropped.
            self._check_past(number)
            return None
        stream.room -= size
        stream.credit += size
        if stream.room < 0:
            raise ConnectionFault(h2.FLOW_CONTROL_ERROR, "more was sent than was allowed")
        return stream

    def body(self, stream: Exchange, part: bytes, ending: bool) -> None:
        if stream.ended:
            raise ConnectionFault(h2.STREAM_CLOSED, "nothing follows the end")
        stream.ended = ending
        if stream.refused or stream.over:
            self._writer.settle(stream)
            return
        before = stream.size
        try:
            stream.take(part, self._service.most_body(stream.head.route))
            self._held += stream.size - before
            before = stream.size
            if ending:
                self._release(stream)
                body = stream.whole()
                if body is not None:
                    self._begin(stream, stream.head, body)
            elif stream.credit > _CREDIT:
                self.read_on(stream)
        except FairleadError as error:
            self._held += stream.size - before
            self._refuse(stream, error)

    def _release(self, stream: Exchange) -> None:
        """What a body held is free again; those that had to wait for it go on."""
        full = self._held > self._limits.body
        self._held -= stream.size
        stream.size = 0
        if full:
            for other in [s for s in self._streams.values() if s.credit > _CREDIT]:
                self.read_on(other)

    def read_on(self, stream: Exchange) -> None:
        """Lets the other side send more on a stream, unless too much of it is under way.

        While bodies that are not whole yet hold much, only the one that began first goes on.
        """
        busy = stream.channel is not None and (stream.channel.busy or stream.channel.full)
        if busy or stream.ended or stream.over or not stream.credit:
            return
        if self._held > self._limits.body and stream.size:
            first = next(s for s in self._streams.values() if s.size and not s.ended)
            if stream is not first:
                return
        self.put(h2.frame(h2.WINDOW_UPDATE, 0, stream.id, h2.number(stream.credit)))
        stream.room, stream.credit = stream.room + stream.credit, 0

    # --- answering ------------------------------------------------------------------------

    def _begin(self, stream: Exchange, head: Head, body: bytes) -> None:
        """A whole request is here."""
        service = self._service
        if head.route.resolve is not None or head.coding:
            head, body = service.prepared(head, body)
        route, moment = head.route, self.seen
        if route.decode is not None:
            done = partial(self._done, stream)
            call = Call(route, moment, moment + head.patience, len(body), True, done)
            stream.call, call.head, call.echo = call, head, head.echo
            service.path.predict(call, head, body, self.peer)
            return
        if route.open is not None:
            stream.head = head
            open_events(self._writer, self, stream, body, service, self.peer)
            return
        later = partial(self._reply, stream)
        if (known := service.plain(head, body, self.peer, later)) is not None:
            later(known)

    def _reply(self, stream: Exchange, reply: Reply) -> None:
        reply = echoing(reply, stream.head.echo)
        self._writer.answer(stream, reply, reply.body, self._service.date)

    def predict(self, call: Call, head: Head, message: bytes) -> None:
        self._service.path.predict(call, head, message, self.peer)

    def _refuse(self, stream: Exchange, error: FairleadError) -> None:
        """Answers before the body is whole, which is not needed any more."""
        self._release(stream)
        stream.body = stream.message = None
        stream.refused = True
        channel = stream.channel
        reply = self._service.refusal(stream.head, error, grpc=is_grpc(stream.head))
        if channel is not None:
            channel.end(reply)
            channel.leave()
        else:
            self._reply(stream, reply)

    def _done(self, stream: Exchange, call: Call) -> None:
        """A prediction has its answer."""
        stream.call = None
        usage = self._service.usage_id(call.usage) if call.usage >= 0 else b""
        if stream.frames is None:
            dress(call, stream.head)
        date, lines = self._service.date, about(usage, call.told)
        self._writer.answer(stream, call.reply, call.payload or b"", date, call.tail, lines)

    def _drop(self, stream: Exchange) -> None:
        """Forgets a stream that has no answer any more."""
        self._streams.pop(stream.id, None)
        self._release(stream)
        self._writer.unsent -= stream.unsent
        stream.left()

    def _cut(self, stream: Exchange, code: int) -> None:
        """Ends one stream by an error of the protocol."""
        self._drop(stream)
        self.put(h2.frame(h2.RST_STREAM, 0, stream.id, h2.number(code)))

    def _break(self, fault: ConnectionFault) -> None:
        """The connection cannot go on."""
        told = h2.number(self._highest) + h2.number(fault.code) + str(fault).encode()
        self.put(h2.frame(h2.GOAWAY, 0, 0, told))
        self._service.count_refusal(BadRequestHead(str(fault)))
        for stream in self._streams.values():
            stream.left()
        self._streams.clear()
        self._writer.end()

    # --- time -----------------------------------------------------------------------------

    def check_time(self, moment: float) -> None:
        """Once a second: ends what is too slow to send or to take, or idle too long."""
        self._resets = 0
        limits, silent = self._limits, moment - self.seen
        if self._writer.stuck(moment, limits.idle_s):
            self._transport.abort()
            return
        if self._frames.overdue(moment, limits.head_s):
            self._break(ConnectionFault(h2.ENHANCE_YOUR_CALM, "the request did not arrive"))
        elif self._streams and silent > limits.idle_s:
            self._break(ConnectionFault(h2.NO_ERROR, "nothing was heard"))
        for stream in [*self._streams.values()]:
            self._check_stream(stream, moment)
        if self._streams and silent > limits.idle_s / 2:
            # Who waits long for an answer is asked whether it is still there.
            self.put(h2.frame(h2.PING, 0, 0, bytes(8)))
        if self._service.parting or (self.idle and silent > limits.idle_s):
            self.end(moment - _LINGER_S if self._service.parting else 0.0)

    def _check_stream(self, stream: Exchange, moment: float) -> None:
        channel = stream.channel
        if channel is not None:
            if (why := channel.over(moment, self._service.draining)) is not None:
                self._refuse(stream, why)
        elif stream.late(moment, self._limits.head_s):
            self._cut(stream, h2.CANCEL)

    @property
    def idle(self) -> bool:
        """Nothing is being read and nothing is owed."""
        return not self._streams and self._frames.between

    @property
    def alone(self) -> bool:
        """Whether no other request of this connection is near: more frames, streams, messages."""
        streams = self._streams.values()
        return not self._frames.more and len(streams) < 2 and not any(s.channel for s in streams)

    def end(self, since: float) -> None:
        """Says that no new request is taken; closes the connection once nothing is owed."""
        self._going = self._writer.part(self._highest, since)
