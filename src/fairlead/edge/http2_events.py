"""Streams over HTTP/2: messages of gRPC both ways, or pieces of one answer to a plain request."""

from __future__ import annotations

from collections.abc import Callable

from fairlead.core.access import Caller
from fairlead.core.call import Call, Peer, Reply, Route
from fairlead.core.clock import now
from fairlead.core.errors import FairleadError, Internal, Unsupported
from fairlead.edge import grpc
from fairlead.edge.http2_stream import Asker, Exchange, GrpcChannel, about, http_block
from fairlead.edge.http2_writer import Writer
from fairlead.edge.plain import echoing, for_page
from fairlead.edge.service import HttpService


class EventsChannel(GrpcChannel):
    """The caller's end of an answer that comes piece by piece over plain HTTP/2.

    Its head leaves with its first piece, so that what fails before has its own status.
    """

    def __init__(
        self, sender: Writer, asker: Asker, stream: Exchange, caller: Caller, service: HttpService
    ) -> None:
        super().__init__(sender, asker, stream, caller, 0.0)
        self._writer = sender
        self._service = service
        self._told = b""

    def begin(self, reply: Reply) -> None:
        """Sends status, media type and headers, once."""
        if not self._begun and not self._ended:
            self._begun = True
            reply = self._dressed(reply)
            block = http_block(reply, None, self._service.date) + self._told
            self._writer.begin(self._stream, block, last=False)

    def send(self, message: bytes) -> None:
        """Sends one piece, or keeps it until the caller takes it."""
        if not self._ended and not self._stream.over:
            self.begin(Reply(200, b""))
            self._writer.add(self._stream, (message,))

    def end(self, reply: Reply | None = None) -> None:
        """Ends the answer; `reply` is the whole answer where nothing has left."""
        if self._ended or self._stream.over:
            return
        self._ended = True
        if self._begun:
            self._writer.finish(self._stream, b"")
        else:
            reply = self._dressed(reply or Reply(200, b""))
            self._writer.answer(self._stream, reply, reply.body, self._service.date)

    def predict(
        self,
        route: Route,
        message: bytes,
        done: Callable[[Call], None],
        piece: Callable[[Call], None] | None = None,
    ) -> Call:
        """Asks for a prediction; the head of the answer says where it stands in the journal."""
        asked: list[Call] = []

        def first(one: Call) -> None:
            if not self._begun and asked and asked[0].usage >= 0:
                self._told = about(self._service.usage_id(asked[0].usage), asked[0].told)
            assert piece is not None
            piece(one)

        asked.append(super().predict(route, message, done, None if piece is None else first))
        return asked[0]

    def _dressed(self, reply: Reply) -> Reply:
        return echoing(for_page(reply, self.head, self.caller), self.head.echo)


def open_stream(
    writer: Writer, asker: Asker, stream: Exchange, service: HttpService, peer: Peer
) -> None:
    """Opens the stream of the wire that the head has named. Raises FairleadError."""
    head, begin = stream.head, stream.head.route.open
    assert begin is not None
    caller = service.path.admit(head, peer)
    if stream.frames is None:
        channel = EventsChannel(writer, asker, stream, caller, service)
    else:
        deadline = now() + head.patience if grpc.TIMEOUT in head.headers else 0.0
        channel = GrpcChannel(writer, asker, stream, caller, deadline)
    stream.channel = channel
    channel.wire = begin(channel)


def open_events(
    writer: Writer, asker: Asker, stream: Exchange, body: bytes, service: HttpService, peer: Peer
) -> None:
    """Begins the answer of many pieces to a plain request that is here whole."""
    try:
        if stream.head.route.socket:
            raise Unsupported("a WebSocket begins over HTTP/1.1", fix="Ask over HTTP/1.1")
        open_stream(writer, asker, stream, service, peer)
        assert stream.channel is not None
        if (wire := stream.channel.wire) is not None:
            wire.message(body)
            wire.ended()
    except FairleadError as error:
        _refuse(writer, stream, service, error)
    except Exception:
        _refuse(writer, stream, service, Internal("the server failed on this request"))
        raise


def _refuse(writer: Writer, stream: Exchange, service: HttpService, error: FairleadError) -> None:
    reply = stream.head.route.error(error)
    service.note_refusal(stream.head, reply, error)
    if stream.channel is not None:
        stream.channel.end(reply)
    else:
        reply = echoing(reply, stream.head.echo)
        writer.answer(stream, reply, reply.body, service.date)
