"""What all connections of a worker share: limits, known heads, the router, the prediction path."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Protocol

from fairlead.core.call import Call, Head, Reply, Route
from fairlead.core.clock import now
from fairlead.core.errors import FairleadError, Internal
from fairlead.edge.heads import HttpLimits
from fairlead.edge.router import Router

_HEADS_KEPT = 1024
_HEAD_BYTES_KEPT = 2048
_LOOPBACK = ("127.", "::1", "")
_REASONS = {s.value: s.phrase for s in HTTPStatus}


class Path(Protocol):
    """What the edge needs of the prediction path."""

    def admit(self, route: Route) -> None: ...

    def predict(self, call: Call, head: Head, body: bytes) -> None: ...


class Connection(Protocol):
    """What the service needs of a connection."""

    peer: str

    @property
    def idle(self) -> bool: ...

    def check_time(self, moment: float) -> None: ...

    def end(self) -> None: ...


class HttpService:
    """One worker's side of HTTP.

    log: called with (event, fields) for faults of ours.
    when_empty: called whenever the last connection has ended.
    """

    def __init__(
        self,
        router: Router,
        path: Path,
        limits: HttpLimits,
        log: Callable[..., None],
    ) -> None:
        self.router = router
        self.path = path
        self.limits = limits
        self.heads: dict[bytes, Head] = {}
        self.draining = False
        self.refusals: dict[str, int] = {}
        self._log = log
        self._connections: set[Connection] = set()
        self._per_peer: dict[str, int] = {}
        self.when_empty: Callable[[], None] = _nothing
        self._date = b""
        self.ok_head = b""
        self.tick()

    def tick(self) -> None:
        """Once a second: the date of the answers, and the clocks of the connections."""
        self._date = formatdate(usegmt=True).encode()
        self.ok_head = (
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ndate: "
            + self._date
            + b"\r\ncontent-length: %d\r\n\r\n"
        )
        moment = now()
        for connection in list(self._connections):
            connection.check_time(moment)

    @property
    def connections(self) -> int:
        """Open connections."""
        return len(self._connections)

    def connected(self, connection: Connection) -> bool:
        """Takes a connection, or says that there are too many."""
        peer = connection.peer
        known = self._per_peer.get(peer, 0)
        full = len(self._connections) >= self.limits.connections
        crowded = known >= self.limits.connections_per_ip and not peer.startswith(_LOOPBACK)
        self._connections.add(connection)
        self._per_peer[peer] = known + 1
        return not full and not crowded

    def lost(self, connection: Connection) -> None:
        """Forgets a closed connection."""
        if connection in self._connections:
            self._connections.discard(connection)
            left = self._per_peer[connection.peer] - 1
            if left:
                self._per_peer[connection.peer] = left
            else:
                del self._per_peer[connection.peer]
            if not self._connections:
                self.when_empty()

    def drain(self) -> None:
        """From now on every answer is its connection's last; idle connections end at once."""
        self.draining = True
        self.heads.clear()
        for connection in list(self._connections):
            connection.end()

    def remember(self, raw: bytes, head: Head) -> None:
        """Keeps a parsed head, so that equal bytes need no parser."""
        if len(raw) > _HEAD_BYTES_KEPT or "expect" in head.headers or self.draining:
            return
        if len(self.heads) >= _HEADS_KEPT:
            self.heads.clear()
        self.heads[raw] = head

    def admit(self, head: Head) -> None:
        """Refuses by the head alone, before any of the body is read."""
        if head.route.decode is not None:
            self.path.admit(head.route)

    def plain(self, head: Head, body: bytes) -> Reply:
        """The answer of a route that needs no model."""
        route = head.route
        assert route.answer is not None
        try:
            return route.answer(head, body)
        except FairleadError as error:
            return route.error(error)
        except Exception as error:
            self._log("route_failed", address=head.path, error=repr(error))
            return route.error(Internal("the server failed on this request"))

    def refusal(self, head: Head, error: FairleadError) -> Reply:
        """The answer to a request that is refused by its head."""
        self.count_refusal(error)
        return self.router.error(head.path, error)

    def count_refusal(self, error: FairleadError) -> None:
        """Counts a request that never became a call."""
        self.refusals[error.name] = self.refusals.get(error.name, 0) + 1

    def head_of(self, reply: Reply | None, payload: bytes, closing: bool) -> bytes:
        """Status line and headers of an answer."""
        reply = reply or Reply(200, payload)
        lines = [
            f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Error')}",
            f"content-type: {reply.media_type}",
            f"date: {self._date.decode()}",
            f"content-length: {len(payload)}",
            *(f"{name}: {value}" for name, value in reply.headers),
        ]
        if closing:
            lines.append("connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _nothing() -> None:
    """Nobody waits for the last connection."""
