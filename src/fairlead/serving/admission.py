"""Who calls, and whether they may: decided from what is in memory, for every route alike.

A worker holds a book of keys that the bookkeeper gave it, and answers nobody before it has one.
Without the bookkeeper it goes on with the book that it has, for as long as the owner allows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fairlead.access.book import KeyBook, allows, denied, describes
from fairlead.access.secrets import Digester
from fairlead.core.access import NOBODY, OPERATIONS, Caller, Operation, anybody
from fairlead.core.call import PUBLIC, Head, Peer, Route
from fairlead.core.clock import now, wall_ns
from fairlead.core.errors import KeyMalformed, PermissionDenied, StateUnavailable, Unauthenticated
from fairlead.serving.book_messages import Gathered
from fairlead.serving.log import log
from fairlead.serving.registry import Registry

STALE_MAX_S = 3600.0
"""Seconds for which a book is believed after the database was read last."""

_NO_KEYS = Digester(bytes(32))
"""Of a book without keys, which recognises nobody."""

_BY_PLATFORM: tuple[Operation, ...] = ("predict", "explain", "feedback")
"""What a caller may do whom the platform in front of us let through, and who shows no key."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How callers without a key are taken.

    platform: the platform in front of this server knows its callers. open: without any key in the
    book everybody may do everything, which is for loopback only. stale_max_s: see STALE_MAX_S.
    """

    platform: bool = False
    open: bool = False
    stale_max_s: float = STALE_MAX_S


class Admission:
    """The one place that decides who a caller is and what it may do.

    book: the keys; None until the bookkeeper has told them. newest: gives the number of the version
    that answers for a model, 0 for none. digester: the one of the state folder's keys.
    """

    def __init__(
        self,
        policy: Policy,
        newest: Callable[[str, int], int],
        digester: Callable[[], Digester],
    ) -> None:
        self._policy = policy
        self._newest = newest
        self._digester = digester
        self._gathered = Gathered()
        self._heard = 0.0
        self.book: KeyBook | None = None

    def hear(self, message: Mapping[str, Any]) -> None:
        """A piece of the book from the bookkeeper; once it is whole, it is the book."""
        try:
            found = self._gathered
            if found.take(message):
                digester = self._digester() if found.keys else _NO_KEYS
                self.adopt(KeyBook(found.keys.values(), found.revision, digester))
            if not message["more"]:
                self._heard = now() - found.age_s
        except Exception as error:
            log("book_refused", error=repr(error))

    def broke(self) -> None:
        """The line to the bookkeeper has ended: a book that was coming will not be whole."""
        self._gathered.broke_off()

    def adopt(self, book: KeyBook) -> None:
        """From now on these are the keys."""
        self.book = book
        self._heard = now()

    @property
    def stale_s(self) -> float:
        """Seconds since the database was read, as far as is known here."""
        return now() - self._heard

    def enter(self, head: Head, peer: Peer) -> Caller:
        """The caller of a request, who may do what its route does.

        Raises Unauthenticated and its kinds, PermissionDenied, ModelNotFound (of a model that the
        caller may not know of) and StateUnavailable.
        """
        route = head.route
        if route.operation == PUBLIC:
            return NOBODY
        caller = self.caller(head, peer)
        if not self._permitted(caller, route):
            raise denied(caller, route.operation, route.model)  # type: ignore[arg-type]
        return caller

    def caller(self, head: Head, peer: Peer) -> Caller:
        """Who calls. Raises Unauthenticated and its kinds, StateUnavailable."""
        book = self.book
        if book is None or self.stale_s > self._policy.stale_max_s:
            raise StateUnavailable(
                "it is not known at the moment who may call", fix="Try again in a second"
            )
        headers = head.headers
        shown = headers.get("authorization")
        if "x-api-key" in headers:
            if shown is not None:
                raise KeyMalformed("two keys were sent", fix="Send one Authorization header")
            shown = headers["x-api-key"]
        if shown is not None and len(book):
            return book.authenticate(shown, peer.address, wall_ns())
        if self._policy.platform:
            return anybody(peer.address, _BY_PLATFORM)
        if self._policy.open and not len(book):
            return anybody(peer.address)
        raise Unauthenticated("no key was sent", fix="Send Authorization: Bearer KEY")

    def _permitted(self, caller: Caller, route: Route) -> bool:
        operation, model = route.operation, route.model
        if operation not in OPERATIONS:
            raise PermissionDenied("nobody may do this here")
        if operation == "predict" and route.decode is None:
            # Lists show only what the caller may know of.
            return not model or describes(caller, model)
        if (operation, model) in caller.open or (operation, "*") in caller.open:
            return True
        version = self._newest(model, route.version) if model else 0
        return allows(caller, operation, model, version)


def known_models(registry: Registry, caller: Caller) -> list[str]:
    """The names of the models that a caller may know of."""
    return [name for name in sorted(registry.versions) if describes(caller, name)]
