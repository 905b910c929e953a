"""Words that the listeners and the protocols share: a request head, a route, a reply.

A wire is a table of routes. A route either answers at once from what is in memory, or decodes a
prediction into a `Call`; in both cases nothing here waits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from fairlead.core.errors import FairleadError

if TYPE_CHECKING:
    from fairlead.core.call import Call


class Head:
    """A request line and its headers, already under limits.

    method:     upper-case ASCII.
    path:       the address before any `?`, as sent (percent-encoding untouched).
    query:      what follows `?`, without it.
    headers:    lower-case names; a repeated header is joined by ", ".
    length:     bytes of the body, or -1 when it comes in chunks.
    keep_alive: whether the connection stays open after the answer.
    route:      the route that answers; its operation decides who may.
    """

    __slots__ = ("headers", "keep_alive", "length", "method", "path", "query", "route")

    def __init__(
        self,
        method: str,
        path: str,
        query: str,
        headers: dict[str, str],
        length: int,
        keep_alive: bool,
        route: Route,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.length = length
        self.keep_alive = keep_alive
        self.route = route


@dataclass(slots=True)
class Reply:
    """A whole answer: HTTP status, body, its media type, and further headers."""

    status: int
    body: bytes
    media_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


PUBLIC = "public"
"""The operation of a route that needs no caller: liveness, readiness, health probes."""

ErrorReply = Callable[[FairleadError], Reply]
"""A wire's total table: any error as that protocol's status and body."""

Answer = Callable[[Head, bytes], Reply]
Decode = Callable[["Call", Head, bytes], None]
Encode = Callable[["Sequence[Call]", "Sequence[object]"], None]


@dataclass(frozen=True, slots=True)
class Route:
    """What answers a request.

    operation: what the caller must be allowed to do, or PUBLIC.
    error:     the wire's error table.
    answer:    answers at once; exactly one of `answer` and `decode` is set.
    decode:    fills a Call from head and body. Raises FairleadError.
    model, version: what the address names, "" and -1 when it names none.
    """

    operation: str
    error: ErrorReply
    answer: Answer | None = None
    decode: Decode | None = None
    model: str = ""
    version: int = -1


class Wire(Protocol):
    """One protocol over HTTP.

    prefix: addresses below it belong to this wire, also when no route answers them.
    """

    prefix: str

    def route(self, method: str, path: str) -> Route | None:
        """The route for this address, None when the address is not this wire's.

        Raises MethodNotAllowed, ModelNotFound and the like when it is.
        """
        ...

    def error(self, error: FairleadError) -> Reply:
        """The wire's error table, for errors of its addresses that no route could answer."""
        ...
