"""What all connections of a worker share: limits, known heads, the router, the prediction path."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Protocol

from fairlead.core.access import NOBODY, Caller
from fairlead.core.call import PUBLIC, Answer, Call, Head, Peer, Reply, Route, known_by
from fairlead.core.clock import now
from fairlead.core.errors import BodyTooLarge, FairleadError, Internal, ModelAsleep
from fairlead.edge.coding import decoded
from fairlead.edge.cors import OwnNames, is_preflight, preflight
from fairlead.edge.forwarded import TrustedProxies
from fairlead.edge.heads import USAGE_ID, HttpLimits, line_value
from fairlead.edge.known_heads import KnownHeads
from fairlead.edge.plain import for_page, for_reader
from fairlead.edge.router import Router
from fairlead.edge.untaken import Untaken
from fairlead.serving.requests import UNTOLD, Requests

_BEGINS_KEPT = 64
_LINGER_S = 1.0
_QUIET_S = 0.5
_LOOPBACK = re.compile(r"127\.|::1\Z|\Z")
"""A peer on this machine; one without an address comes over a Unix socket."""
_REASONS = {s.value: s.phrase for s in HTTPStatus}
_NOTHING = Reply(200, b"")


class Path(Protocol):
    """What the edge needs of the prediction path."""

    def admit(self, head: Head, peer: Peer) -> Caller: ...

    def predict(self, call: Call, head: Head, body: bytes, peer: Peer) -> None: ...


class Connection(Protocol):
    """What the service needs of a connection."""

    peer: Peer
    seen: float

    @property
    def idle(self) -> bool: ...

    @property
    def alone(self) -> bool:
        """Whether no further request of it can be under way beside the one that is being read."""
        ...

    def check_time(self, moment: float) -> None: ...

    def end(self, since: float) -> None: ...


class HttpService:
    """One worker's side of HTTP.

    log: called with (event, fields) for faults of ours.
    writer: the first half of the usage ids that this worker gives.
    proxies: those that are trusted; they come with the connections of many callers.
    listed: whether some caller may come from pages of a web origin; None to grant nothing to any.
    names: under which alone this listener may be asked; None for any.
    grpc: the router of gRPC's methods; None where none is spoken.
    bodies: bytes that a body may have for a (model, version), where that is not `limits.body`.
    requests: told of every answer that needs no model.
    quiet: whether nothing was read from any connection shortly before the last tick.
    """

    def __init__(
        self,
        router: Router,
        path: Path,
        limits: HttpLimits,
        log: Callable[..., None],
        writer: str,
        *,
        proxies: TrustedProxies | None = None,
        listed: Callable[[str], bool] | None = None,
        names: OwnNames | None = None,
        grpc: Router | None = None,
        bodies: Mapping[tuple[str, int], int] | None = None,
        requests: Requests = UNTOLD,
    ) -> None:
        self._proxies = proxies or TrustedProxies(())
        self._listed = listed
        self._names = names
        self.router = router
        self._grpc = grpc or router
        self.requests = requests
        self._bodies: Mapping[tuple[str, int], int] = {} if bodies is None else bodies
        self.path = path
        self.limits = limits
        self.untaken = Untaken(limits, log)
        self.heads = KnownHeads(limits)
        self.draining = self.parting = False
        self.quiet = True
        self.refusals: dict[str, int] = {}
        self._log = log
        self._writer_bytes = writer.encode()
        self._connections: set[Connection] = set()
        self._per_peer: dict[str, int] = {}
        self._date = b""
        self._begins: dict[tuple[Any, ...], bytes] = {}
        self._usage_line = f"{USAGE_ID}: {writer}-".encode()
        self.ok_head = self.ok_head_told = b""
        self.tick()

    def tick(self) -> None:
        """Once a second: the date of the answers, and the clocks of the connections."""
        self._date = formatdate(usegmt=True).encode()
        self._begins.clear()
        begins = (
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ndate: "
            + self._date
            + b"\r\n%b" % self._usage_line
            + b"%x\r\ncontent-length: %d\r\n"
        )
        self.ok_head, self.ok_head_told = begins + b"\r\n", begins + b"%b\r\n"
        moment = now()
        latest = 0.0
        for connection in list(self._connections):
            latest = max(latest, connection.seen)
            connection.check_time(moment)
        self.quiet = moment - latest > _QUIET_S
        self.untaken.tick(moment)

    @property
    def connections(self) -> int:
        """Open connections."""
        return len(self._connections)

    @property
    def alone(self) -> bool:
        """Whether no other request can join the one that is being read."""
        return len(self._connections) == 1 and next(iter(self._connections)).alone

    def connected(self, connection: Connection) -> bool:
        """Takes a connection, or says that there are too many."""
        peer = connection.peer.address
        known = self._per_peer.get(peer, 0)
        full = len(self._connections) >= self.limits.connections
        crowded = known >= self.limits.connections_per_ip and not (
            _LOOPBACK.match(peer) or self._proxies.trusts(peer)
        )
        self._connections.add(connection)
        self._per_peer[peer] = known + 1
        return not full and not crowded

    def lost(self, connection: Connection) -> None:
        """Forgets a closed connection."""
        if connection in self._connections:
            self._connections.discard(connection)
            peer = connection.peer.address
            left = self._per_peer[peer] - 1
            if left:
                self._per_peer[peer] = left
            else:
                del self._per_peer[peer]

    def drain(self) -> None:
        """From now on every answer is its connection's last."""
        self.draining = self.parting = True
        self.heads.forget()

    def part(self, parting: bool) -> None:
        """From now on, or no longer, every answer is its connection's last, but new ones come."""
        self.parting = parting or self.draining

    def end_idle(self) -> None:
        """Closes the connections on which nothing has come for a while.

        A caller that was answered a moment ago may be sending its next request just now.
        """
        limit = now() - _LINGER_S
        for connection in list(self._connections):
            connection.end(limit)

    def route(self, head: Head, grpc: bool = False) -> Route:
        """The route that answers. Raises what `Router.route` does, HostRefused and OriginRefused.

        A browser that asks what its page may is answered here, whatever the address.
        """
        if self._names is not None:
            self._names.check(head.headers)
        listed = self._listed
        if listed is not None and is_preflight(head):
            return Route(
                PUBLIC,
                lambda error: self.router.error(head.path, error),
                answer=lambda head, body, caller: preflight(head, listed),
            )
        router = self._grpc if grpc else self.router
        return router.route(head.method, head.path, head.headers.get("accept", ""))

    def most_body(self, route: Route) -> int:
        """Bytes that the body of a request on a route may have.

        While the model is not known, as many as the most generous of them takes.
        """
        if not self._bodies:
            return self.limits.body
        if route.resolve is not None:
            return max(self.limits.body, *self._bodies.values())
        return self._bodies.get((route.model, route.version), self.limits.body)

    def check_body(self, route: Route, size: int) -> None:
        """Raises BodyTooLarge for a body of a request on a route that has so many bytes so far."""
        most = self.most_body(route)
        if size > most:
            raise BodyTooLarge(
                f"the body has {size} bytes or more; {most} is the limit",
                fix="Send fewer rows per request",
            )

    def _resolved(self, head: Head, body: bytes) -> Head:
        """The head on the route of the model that its body names. Raises BodyTooLarge."""
        if head.route.resolve is None:
            return head
        found = head.on(head.route.resolve(head, body))
        self.check_body(found.route, len(body))
        return found

    def prepared(self, head: Head, body: bytes) -> tuple[Head, bytes]:
        """A request with its body decoded and with the route of the model that its body names.

        What cannot be so prepared has a route that says why not.
        """
        route = head.route
        try:
            if head.coding:
                body = decoded(body, head.coding, self.most_body(route))
            return self._resolved(head, body), body
        except FairleadError as error:
            refused = error
        except Exception as error:
            self._log("route_failed", address=head.path, error=repr(error), **known_by(head.echo))
            refused = Internal("the server failed on this request")
        self.count_refusal(refused)
        return head.on(Route(route.operation, route.error, answer=_refusing(refused))), body

    def plain(
        self, head: Head, body: bytes, peer: Peer, later: Callable[[Reply], None]
    ) -> Reply | None:
        """The answer of a route that needs no model; None when it is given to `later`."""
        route, caller, began = head.route, NOBODY, now()
        error: FairleadError | None = None

        def told(reply: Reply) -> Reply:
            reply = for_page(for_reader(reply, head), head, caller)
            self.requests.plain(head, reply, error, caller, len(body), began)
            return reply

        try:
            caller = self.path.admit(head, peer)
            if route.ask is not None:
                route.ask(head, body, caller, peer, lambda reply: later(told(reply)))
                return None
            assert route.answer is not None
            reply = route.answer(head, body, caller)
        except ModelAsleep as asleep:
            error = self._once_awake(asleep, head, body, peer, later)
            if error is None:
                return None
            reply = route.error(error)
        except FairleadError as raised:
            error = raised.with_traceback(None)
            reply = route.error(error)
        except Exception as raised:
            self._log("route_failed", address=head.path, error=repr(raised), **known_by(head.echo))
            error = Internal("the server failed on this request")
            reply = route.error(error)
        return told(reply)

    def _once_awake(
        self,
        asleep: ModelAsleep,
        head: Head,
        body: bytes,
        peer: Peer,
        later: Callable[[Reply], None],
    ) -> FairleadError | None:
        """Has a route answer once the model is loaded of which it tells; or why it will not be."""

        def again() -> None:
            reply = self.plain(head, body, peer, later)
            if reply is not None:
                later(reply)

        try:
            asleep.wait(again)
        except FairleadError as error:
            return error.with_traceback(None)
        return None

    def refusal(self, head: Head, error: FairleadError, grpc: bool = False) -> Reply:
        """The answer to a request that is refused by its head."""
        router = self._grpc if grpc else self.router
        reply = router.error(head.path, error, head.headers.get("accept", ""))
        self.note_refusal(head, reply, error)
        return reply

    def note_refusal(self, head: Head | None, reply: Reply, error: FairleadError) -> None:
        """Counts and tells of a request that is refused. head: None for one that has no whole."""
        self.count_refusal(error)
        self.requests.plain(head, reply, error)

    @property
    def date(self) -> bytes:
        """The date of the answers."""
        return self._date

    def usage_id(self, number: int) -> bytes:
        """The usage id of a call by its number in the journal."""
        return b"%b-%x" % (self._writer_bytes, number)

    def count_refusal(self, error: FairleadError) -> None:
        """Counts a request that never became a call."""
        self.refusals[error.name] = self.refusals.get(error.name, 0) + 1

    def head_of(
        self,
        reply: Reply | None,
        size: int,
        closing: bool,
        usage: int = -1,
        told: bytes = b"",
    ) -> bytes:
        """Status line and headers of an answer with a body of `size` bytes.

        usage: the call's number in the journal. told: further header lines, each with its end.
        """
        reply = reply or _NOTHING
        key = (reply.status, reply.media_type, reply.headers)
        begin = self._begins.get(key)
        if begin is None:
            begin = self._begin(reply)
            if len(self._begins) >= _BEGINS_KEPT:
                self._begins.clear()
            self._begins[key] = begin
        about = b"" if usage < 0 else b"%b%x\r\n" % (self._usage_line, usage)
        end = b"connection: close\r\n" if closing else b""
        return b"%bcontent-length: %d\r\n%b%b%b\r\n" % (begin, size, about, end, told)

    def _begin(self, reply: Reply) -> bytes:
        """What the heads of answers alike have in common until the next tick."""
        lines = [
            f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Error')}".encode("latin-1"),
            b"content-type: " + line_value(reply.media_type),
            b"date: " + self._date,
            *(b"%b: %b" % (name.encode(), line_value(value)) for name, value in reply.headers),
        ]
        return b"\r\n".join(lines) + b"\r\n"


def _refusing(error: FairleadError) -> Answer:
    """The answer of a route that says why the request cannot be taken."""

    def answer(head: Head, body: bytes, caller: Caller) -> Reply:
        raise error

    return answer
