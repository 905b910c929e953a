"""One listener's side of TLS: what speaks on a new connection, and certificates that change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fairlead.core.clock import now, wall_ns
from fairlead.core.errors import TlsInvalid
from fairlead.edge.front import either
from fairlead.edge.service import HttpService
from fairlead.edge.tls import ServerTls
from fairlead.edge.tls_connection import TlsConnection
from fairlead.serving.log import log

_DAY_S = 86_400.0
_SOON_S = 14 * _DAY_S


class Door:
    """One listener's side of TLS.

    speaks: makes what speaks over a connection, by what was agreed in the TLS handshake.
    """

    def __init__(
        self,
        tls: ServerTls | None,
        service: HttpService,
        speaks: Callable[[HttpService, str | None], asyncio.Protocol] = either,
    ) -> None:
        self._tls = tls
        self._service = service
        self._speaks = speaks
        self._warned = -_DAY_S
        self._look_at_end()

    def connection(self) -> asyncio.Protocol:
        """What a new connection is spoken to by."""
        tls = self._tls
        if tls is None:
            return self._speaks(self._service, None)
        return TlsConnection(
            lambda: tls.context, self._service, lambda agreed: self._speaks(self._service, agreed)
        )

    def tick(self) -> None:
        """Once a second: a certificate that was changed is taken, and one that ends is told."""
        if self._tls is None:
            return
        try:
            if self._tls.reload():
                log("certificate_taken", ends=self._tls.ends.isoformat())
                self._warned = -_DAY_S
        except TlsInvalid as error:
            log("certificate_refused", reason=error.line())
        self._look_at_end()

    def _look_at_end(self) -> None:
        tls = self._tls
        if tls is None or now() - self._warned < _DAY_S:
            return
        if tls.ends.timestamp() - wall_ns() / 1e9 < _SOON_S:
            self._warned = now()
            log("certificate_ends", ends=tls.ends.isoformat())
