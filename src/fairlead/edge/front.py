"""The first bytes of a connection decide what is spoken on it: HTTP/1.1 or HTTP/2.

A client that knows beforehand that HTTP/2 is spoken begins with a preface that is no request of
HTTP/1. Over TLS both sides have agreed in the handshake.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fairlead.core.call import Peer
from fairlead.core.clock import now
from fairlead.core.errors import BadRequestHead
from fairlead.edge.http1 import Http1
from fairlead.edge.http2 import Http2
from fairlead.edge.http2_frames import PREFACE
from fairlead.edge.peers import peer_of
from fairlead.edge.service import HttpService
from fairlead.edge.tls import HTTP2

_TELLING = 4
"""Bytes that tell the two apart."""
_ONLY_HTTP2 = b"This port speaks gRPC over HTTP/2; HTTP/1.1 is spoken on the other one.\n"
_NOT_HERE = (
    b"HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-type: text/plain\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(_ONLY_HTTP2), _ONLY_HTTP2)
)


class Front(asyncio.Protocol):
    """A connection on which nothing has been said yet."""

    __slots__ = ("_first", "_old", "_service", "_transport", "peer", "seen")

    def __init__(self, service: HttpService, old: bool = True) -> None:
        """old: whether HTTP/1.1 is spoken here too."""
        self._service = service
        self._old = old
        self._transport: Any = None
        self._first = b""
        self.peer = Peer("")
        self.seen = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.seen = now()
        self.peer = peer_of(transport)
        if not self._service.connected(self):
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._service.lost(self)

    def data_received(self, data: bytes) -> None:
        first = self._first + data
        if len(first) < _TELLING and PREFACE.startswith(first):
            self._first = first
            return
        kind = Http2 if first.startswith(PREFACE[:_TELLING]) else Http1
        transport = self._transport
        if kind is Http1 and not self._old:
            self._service.count_refusal(BadRequestHead("this port speaks HTTP/2"))
            transport.write(_NOT_HERE)
            transport.close()
            return
        made = kind(self._service)
        self._service.lost(self)
        transport.set_protocol(made)
        made.connection_made(transport)
        if not transport.is_closing():
            made.data_received(first)

    def check_time(self, moment: float) -> None:
        """Ends a connection on which nothing comes."""
        limit = self._service.limits.head_s if self._first else self._service.limits.idle_s
        if moment - self.seen > limit:
            self._transport.close()

    alone = True

    @property
    def idle(self) -> bool:
        """Nothing is being read and nothing is owed."""
        return not self._first

    def end(self, since: float) -> None:
        """Closes the connection when it is idle since a moment."""
        if self.idle and self.seen < since:
            self._transport.close()


def either(service: HttpService, agreed: str | None) -> asyncio.Protocol:
    """What speaks on a listener for both; agreed: in the TLS handshake, None without TLS."""
    if agreed is None:
        return Front(service)
    return Http2(service) if agreed == HTTP2 else Http1(service)


def http1(service: HttpService, agreed: str | None) -> asyncio.Protocol:
    """What speaks on a listener for HTTP/1.1 alone."""
    return Http1(service)


def http2(service: HttpService, agreed: str | None) -> asyncio.Protocol:
    """What speaks on a listener for HTTP/2 alone, such as that of gRPC."""
    return Front(service, old=False) if agreed is None else Http2(service)
