"""One connection over TLS: to the socket a protocol, to the protocol inside it a transport.

It counts as a connection of the service from the first byte on, also while it has not finished its
handshake, and it can end its half of the conversation, which a refused caller needs to see its
answer. asyncio's own TLS does neither.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from fairlead.core.call import Peer
from fairlead.core.clock import now
from fairlead.core.errors import HandshakeFailed
from fairlead.edge.certificates import subject
from fairlead.edge.peers import SUBJECT, peer_of
from fairlead.edge.service import HttpService

_PIECE = 256 << 10
_RECORD = 16 << 10
_MOST_DISCARDED = 1 << 20


class TlsConnection(asyncio.Protocol):
    """A connection whose bytes are encrypted.

    context: gives the TLS context of a handshake that begins now.
    inside:  makes the protocol that speaks over it, once the handshake is done, by what both
             sides have agreed to speak, "" for nothing.
    """

    __slots__ = (
        "_deaf",
        "_discarded",
        "_in",
        "_inside",
        "_made",
        "_out",
        "_service",
        "_subject",
        "_tls",
        "_transport",
        "peer",
        "seen",
    )

    def __init__(
        self,
        context: Callable[[], ssl.SSLContext],
        service: HttpService,
        inside: Callable[[str], asyncio.Protocol],
    ) -> None:
        self._service = service
        self._inside = inside
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context().wrap_bio(self._in, self._out, server_side=True)
        self._made: asyncio.Protocol | None = None
        self._transport: Any = None
        self._subject = ""
        self._deaf = False
        self._discarded = 0
        self.peer = Peer("")
        self.seen = 0.0

    # --- what the socket tells ------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.seen = now()
        self.peer = peer_of(transport)
        if not self._service.connected(self):
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._made is None:
            self._service.lost(self)
        else:
            self._made.connection_lost(exc)
        self._transport = None

    def pause_writing(self) -> None:
        if self._made is not None:
            self._made.pause_writing()

    def resume_writing(self) -> None:
        if self._made is not None:
            self._made.resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            self._discard(len(data))
            return
        self._in.write(data)
        try:
            if self._made is None and not self._shake():
                return
            plain, over = self._decrypted()
        except ssl.SSLError:
            self._fail()
            return
        self._flush()
        if plain and self._made is not None:
            self._made.data_received(plain)
        if over and self._transport is not None and not self._transport.is_closing():
            # The other side has ended its half: it waits for no answer that is not on its way.
            self.close()

    # --- TLS ------------------------------------------------------------------------------

    def _shake(self) -> bool:
        """Goes on with the handshake; whether it is done. Raises SSLError."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        self._subject = subject(self._tls.getpeercert())
        self._flush()
        # From here on the protocol inside is the connection that counts.
        self._service.lost(self)
        self._made = self._inside(self._tls.selected_alpn_protocol() or "")
        self._made.connection_made(_Inner(self))
        return not self._transport.is_closing()

    def _decrypted(self) -> tuple[bytes, bool]:
        """What has come, and whether the other side has ended its half. Raises SSLError."""
        pieces: list[bytes] = []
        while True:
            try:
                piece = self._tls.read(_RECORD)
            except ssl.SSLWantReadError:
                return b"".join(pieces) if len(pieces) != 1 else pieces[0], False
            except ssl.SSLZeroReturnError:
                piece = b""
            if not piece:
                return b"".join(pieces), True
            pieces.append(piece)

    def _flush(self) -> None:
        if self._out.pending:
            self._transport.write(self._out.read())

    def _discard(self, count: int) -> None:
        """Takes what comes after our last word, up to a point; it is not even decrypted."""
        self._discarded += count
        if self._discarded > _MOST_DISCARDED:
            self._transport.close()

    def _fail(self) -> None:
        """What came is no TLS, or not acceptable: the other side is told in TLS, if at all."""
        if self._made is None:
            self._service.count_refusal(HandshakeFailed("the TLS handshake failed"))
        self._flush()
        self._transport.close()

    # --- a connection of the service, until the handshake is done ---------------------------

    alone = True

    @property
    def idle(self) -> bool:
        """Nothing is owed before the handshake is done."""
        return True

    def check_time(self, moment: float) -> None:
        """Ends a handshake that is too slow."""
        if moment - self.seen > self._service.limits.head_s:
            self._service.count_refusal(HandshakeFailed("the TLS handshake was too slow"))
            self._transport.abort()

    def end(self, since: float) -> None:
        """Ends a handshake that began before a moment; a younger one may still be answered."""
        if self.seen < since:
            self._transport.abort()

    # --- what the protocol inside does with its transport ------------------------------------

    def write(self, data: bytes) -> None:
        """Sends bytes, encrypted; the whole of them is taken."""
        rest = memoryview(data)
        while rest and not self._transport.is_closing():
            try:
                sent = self._tls.write(rest[:_PIECE])
            except ssl.SSLError:
                self._transport.abort()
                return
            rest = rest[sent:]
            self._flush()

    def end_writing(self) -> None:
        """Says that nothing more comes; what the other side sends is still taken."""
        self._deaf = True
        self._say_goodbye()
        self._transport.write_eof()

    def close(self) -> None:
        """Closes the connection once everything is sent."""
        if not self._transport.is_closing():
            self._say_goodbye()
            self._transport.close()

    def _say_goodbye(self) -> None:
        with suppress(ssl.SSLError):  # it would wait for the other side's goodbye
            self._tls.unwrap()
        self._flush()

    def known(self, name: str, default: Any) -> Any:
        """What is known of the connection."""
        if name == SUBJECT:
            return self._subject
        return self._transport.get_extra_info(name, default)

    @property
    def transport(self) -> Any:
        """Of the socket."""
        return self._transport


class _Inner(asyncio.Transport):
    """The transport of the protocol inside."""

    __slots__ = ("_outer", "_socket")

    def __init__(self, outer: TlsConnection) -> None:
        self._outer = outer
        self._socket = outer.transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._outer.known(name, default)

    def write(self, data: Any) -> None:
        self._outer.write(data)

    def write_eof(self) -> None:
        self._outer.end_writing()

    def close(self) -> None:
        self._outer.close()

    def abort(self) -> None:
        self._socket.abort()

    def get_write_buffer_size(self) -> int:
        return self._socket.get_write_buffer_size()

    def is_closing(self) -> bool:
        return self._socket.is_closing()

    def pause_reading(self) -> None:
        self._socket.pause_reading()

    def resume_reading(self) -> None:
        self._socket.resume_reading()
