"""From an address to the wire that answers it.

The longest-lived rule of security here: who may is decided on the route that answers, never on
the address as text.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Protocol

from fairlead.core.call import PUBLIC, Reply, Route
from fairlead.core.errors import AddressNotFound, BadRequestHead, FairleadError, Internal

if TYPE_CHECKING:
    from fairlead.core.promises import Wire

PUBLIC_ADDRESSES = frozenset(
    (
        "/",
        "/livez",
        "/readyz",
        "/v2/health/live",
        "/v2/health/ready",
        "/ping",
        "/health",
        "/inference.GRPCInferenceService/ServerLive",
        "/inference.GRPCInferenceService/ServerReady",
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/sign-in",
        "/sign-out",
        *(f"/assets/{name}" for name in ("fairlead.css", "fairlead.js", "fairlead.svg")),
    )
)
"""Everything that is answered without a caller: whether we live and are ready, and no name; and the
way in for people. A route
that calls itself public and does not stand here is not answered at all."""


_HTML = "text/html"


class Readable(Protocol):
    """What answers whoever says that they read HTML, as browsers do."""

    def shared(self, method: str, path: str) -> Route | None:
        """The page at an address that programs ask too, None where there is none."""
        ...

    def owns(self, path: str) -> bool:
        """Whether only people ask at an address."""
        ...

    def error_at(self, path: str, error: FairleadError) -> Reply:
        """What no route could answer at an address, as a page."""
        ...


class Router:
    """All wires in order; the last one's error table answers what no wire knows.

    public: the addresses of this listener that are answered without a caller. pages: asked first
    for whoever reads HTML; None where nobody gets any.
    """

    def __init__(
        self,
        wires: Sequence[Wire],
        public: Collection[str] = PUBLIC_ADDRESSES,
        pages: Readable | None = None,
    ) -> None:
        self._wires = wires
        self._public = public
        self._pages = pages

    def route(self, method: str, path: str, accept: str = "") -> Route:
        """The route for an address. accept: what the caller says that it reads.

        Raises AddressNotFound, MethodNotAllowed and the like.
        """
        if not path.startswith("/"):
            raise BadRequestHead("the address must begin with /", where="request line")
        method = "GET" if method == "HEAD" else method
        found = self._found(method, path, accept)
        if found.operation == PUBLIC and path not in self._public:
            raise Internal("this address has no operation")
        return found

    def _found(self, method: str, path: str, accept: str) -> Route:
        if self._pages is not None and _HTML in accept:
            page = self._pages.shared(method, path)
            if page is not None:
                return page
        for wire in self._wires:
            found = wire.route(method, path)
            if found is not None:
                return found
        raise AddressNotFound("no such address", fix="GET /models lists what is served")

    def error(self, path: str, error: FairleadError, accept: str = "") -> Reply:
        """An error in the shape of the protocol that the address belongs to."""
        pages = self._pages
        if pages is not None and pages.owns(path):
            return pages.error_at(path, error)
        for wire in self._wires[:-1]:
            if wire.owns(path):
                return wire.error(error)
        if pages is not None and _HTML in accept:
            return pages.error_at(path, error)
        return self._wires[-1].error(error)
