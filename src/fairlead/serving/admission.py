"""Who calls, and whether they may: decided from what is in memory, for every route alike.

A worker holds a book of keys that the bookkeeper gave it, and answers nobody before it has one.
Without the bookkeeper it goes on with the book that it has, for as long as the owner allows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fairlead.access.book import KeyBook, allows, denied, describes
from fairlead.access.identities import Identities
from fairlead.access.identity_rules import IdentityRules
from fairlead.access.origins import check_origin, check_own_name, check_own_page, host_in
from fairlead.access.secrets import Digester
from fairlead.access.sessions import Sessions
from fairlead.access.terms import NO_TERMS, Terms, caller_of, terms
from fairlead.access.throttle import Throttle, is_here
from fairlead.access.tokens import token_of
from fairlead.core.access import (
    ANY,
    NOBODY,
    OF_A_MODEL,
    OPERATIONS,
    Caller,
    Key,
    Operation,
    anybody,
)
from fairlead.core.call import PUBLIC, Head, Peer, Route
from fairlead.core.clock import monotonic_ns, wall_ns
from fairlead.core.errors import (
    CardIncomplete,
    KeyMalformed,
    PermissionDenied,
    PlanInvalid,
    PlanNotFound,
    StateUnavailable,
    Unauthenticated,
)
from fairlead.core.plans import Plan, Tenant, plan_from_json
from fairlead.serving.book_messages import Gathered
from fairlead.serving.log import log

if TYPE_CHECKING:
    from fairlead.serving.registry import Registry

STALE_MAX_S = 3600.0
"""Seconds for which a book is believed after the database was read last."""

_NO_KEYS = Digester(bytes(32))
"""Of a book without keys, which recognises nobody."""

_READS = ("GET", "HEAD")
"""Methods that change nothing."""

_BY_PLATFORM: tuple[Operation, ...] = ("predict", "explain", "feedback")
"""What a caller may do whom the platform in front of us let through, and who shows no key."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How callers without a key are taken.

    platform: the platform in front of this server knows its callers. loads: it loads and ends
    models too. open: without any key in the
    book everybody may do everything, which is for loopback only. stale_max_s: see STALE_MAX_S.
    guest: the id of the key under which pages are shown to whoever has not signed in, "" for none;
    it must have limits. address: where browsers reach the pages, as far as the owner has said so.
    """

    platform: bool = False
    open: bool = False
    stale_max_s: float = STALE_MAX_S
    loads: bool = False
    guest: str = ""
    address: str = ""


class Admission:
    """The one place that decides who a caller is and what it may do.

    book: the keys; None until the bookkeeper has told them. newest: gives the number of the version
    that answers for a model, 0 for none. digester: the one of the state folder's keys. agreed: is
    told what holds for each tenant. identities: callers without a key of ours. whence: gives who
    calls through a proxy that is trusted; None where none is. sessions: of those who have signed in
    to pages; None where there are none. gated: by model and version what the cards lack of versions
    that serve only who administers models.
    """

    def __init__(
        self,
        policy: Policy,
        newest: Callable[[str, int], int],
        digester: Callable[[], Digester],
        agreed: Callable[[Mapping[str, Terms]], None] = lambda terms: None,
        identities: Identities | None = None,
        whence: Callable[[Head, Peer], Peer] | None = None,
        sessions: Sessions | None = None,
        gated: Mapping[tuple[str, int], Sequence[str]] = MappingProxyType({}),
    ) -> None:
        self._policy = policy
        self._newest = newest
        self._digester = digester
        self._agreed = agreed
        self._gathered = Gathered()
        self._identities = identities or Identities(IdentityRules())
        self._whence = whence
        self._sessions = sessions
        self._gated = gated
        self._name = (host_in(policy.address) or "").lower()
        self._throttle = Throttle()
        # Whether something was heard that the book does not hold yet.
        self._behind = False
        self._read = self._gathered.read
        # Whether there ever was a key: what was closed once does not open by itself.
        self._closed = False
        self.book: KeyBook | None = None

    def hear(self, message: Mapping[str, Any]) -> None:
        """A piece of the book from the bookkeeper; once it is whole, it is the book.

        What could not be made a book, as where no file can be opened, is tried with every message:
        it may be a revocation, and nobody says it twice.
        """
        found = self._gathered
        try:
            if found.take(message) or self._behind:
                self._behind = True
                digester = self._digester() if found.keys else _NO_KEYS
                under = _Terms(found.tenants, found.plans)
                self.book = KeyBook(found.keys.values(), found.revision, digester, under.caller_of)
                self._identities.compile(under.caller_of)
                self._agreed(under.known)
                self._behind = False
                self._closed = self._closed or bool(found.keys)
        except Exception as error:
            log("book_refused", error=repr(error))
        if not self._behind:
            self._read = found.read

    def broke(self) -> None:
        """The line to the bookkeeper has ended: a book that was coming will not be whole."""
        self._gathered.broke_off()

    @property
    def stale_s(self) -> float:
        """Seconds since the database was read for the book that is used here."""
        found = self._gathered
        return found.stale_s + (found.read - self._read if self._behind else 0.0)

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
        if self._gated and route.decode is not None:
            self._check_card(caller, route)
        return caller

    def _check_card(self, caller: Caller, route: Route) -> None:
        """Raises CardIncomplete for a version whose owner has not said enough of it yet.

        Whoever comes here may know of the model, and so what its card lacks.
        """
        missing = self._gated.get((route.model, route.version))
        if missing and not allows(caller, "admin:models", "", 0):
            raise CardIncomplete(
                f"the card of {route.model} does not say enough yet for anybody to be served",
                fix=f"Its owner must say: {', '.join(missing)}",
            )

    def caller(self, head: Head, peer: Peer) -> Caller:
        """Who calls. Raises Unauthenticated and its kinds, StateUnavailable."""
        book = self.book
        if book is None or self.stale_s > self._policy.stale_max_s:
            raise StateUnavailable(
                "it is not known at the moment who may call", fix="Try again in a second"
            )
        if self._whence is not None:
            peer = self._whence(head, peer)
        shown = _shown(head.headers)
        if shown is None and head.route.page:
            return self._visitor(book, head, peer)
        if self._identities.issues and (token := token_of(shown)):
            caller = self._by_token(token, peer)
        elif shown is not None and len(book):
            caller = self._by_key(book, shown, peer)
        else:
            caller = self._without_key(head, peer)
        if caller.origins:
            check_origin(head.headers, caller)
        return caller

    def _by_key(self, book: KeyBook, shown: str, peer: Peer) -> Caller:
        try:
            return book.authenticate(shown, peer.address, wall_ns())
        except Unauthenticated as error:
            raise self._throttle.answer(error, peer.address, monotonic_ns()) from None

    def _by_token(self, token: str, peer: Peer) -> Caller:
        now_ns = wall_ns()
        known = self._identities.recall(token, now_ns)
        if known is not None:
            return known
        self._throttle.check(peer.address, monotonic_ns())
        try:
            return self._identities.verified_caller(token, now_ns)
        except Unauthenticated as error:
            raise self._throttle.answer(error, peer.address, monotonic_ns()) from None

    def _without_key(self, head: Head, peer: Peer) -> Caller:
        identities = self._identities
        if peer.subject and identities.certifies:
            return identities.certificate_caller(peer.subject)
        if self._policy.platform:
            more: tuple[Operation, ...] = ("admin:models",) if self._policy.loads else ()
            return anybody(peer.address, (*_BY_PLATFORM, *more))
        opened = self._policy.open and not self._closed and not identities
        if opened and is_here(peer.address):  # not whom a proxy on this machine calls for
            self._check_local(head, peer)
            return anybody(peer.address)
        raise Unauthenticated("no key was sent", fix="Send Authorization: Bearer KEY")

    def _check_local(self, head: Head, peer: Peer) -> None:
        """Raises OriginRefused and HostRefused where a page of the web asks through a browser here.

        It could not read the answer; but it could have models ended, or its own name point here.
        """
        if not peer.address:
            return  # no browser asks through a Unix socket
        check_own_name(head.headers, self._name)
        if head.method not in _READS:
            check_own_page(head.headers)

    def _visitor(self, book: KeyBook, head: Head, peer: Peer) -> Caller:
        """Who has come to a page: whoever has signed in, else whoever needs not, else a guest."""
        if head.method not in _READS:
            check_own_page(head.headers)
        moment = wall_ns()
        session = self._sessions.read(head.headers, moment) if self._sessions is not None else None
        if session is not None and session.key:
            return book.signed_in(session.key, peer.address, moment)
        if session is not None and self._identities.issues:
            return self._by_token(session.token, peer)
        try:
            return self._without_key(head, peer)
        except Unauthenticated:
            if not self._policy.guest:
                raise
        guest = book.signed_in(self._policy.guest, peer.address, moment)
        if not guest.limits:
            raise PermissionDenied(
                "guests are let in by a key without limits, which would let anybody use everything",
                fix="Ask the operator to give the key of guests a limit",
            )
        return guest

    def lists_origin(self, origin: str) -> bool:
        """Whether some caller may come from pages of this web origin."""
        book = self.book
        known = book is not None and book.lists_origin(origin, wall_ns())
        return known or origin in self._identities.origins

    def plan_of(self, caller: Caller) -> Plan | None:
        """The plan by whose prices a caller's calls are recorded; None for none."""
        title = json.loads(caller.who)[3]
        told = self._gathered.plans.get(title) if title else None
        return plan_from_json(told) if told is not None else None

    def _permitted(self, caller: Caller, route: Route) -> bool:
        operation = route.operation
        model = route.model if operation in OF_A_MODEL else ""
        if operation not in OPERATIONS:
            raise PermissionDenied("nobody may do this here")
        if operation == "predict" and route.decode is None:
            # Lists show only what the caller may know of.
            return not model or describes(caller, model)
        if (operation, model) in caller.open or (operation, ANY) in caller.open:
            return True
        version = self._newest(model, route.version) if model else 0
        return allows(caller, operation, model, version)


def _shown(headers: Mapping[str, str]) -> str | None:
    """What a caller shows: the one header that says who it is. Raises KeyMalformed for two."""
    shown = headers.get("authorization")
    if "x-api-key" in headers:
        if shown is not None:
            raise KeyMalformed("two keys were sent", fix="Send one Authorization header")
        shown = headers["x-api-key"]
    return shown


def known_models(registry: Registry, caller: Caller) -> list[str]:
    """The names of the models that a caller may know of."""
    return [name for name in sorted(registry.versions) if describes(caller, name)]


class _Terms:
    """What the plan of each tenant makes of its keys.

    A tenant whose plan is not known, or cannot be read, has keys that may do nothing: a book is
    never refused for it, since it may bring a revocation.
    """

    def __init__(self, tenants: Mapping[str, Any], plans: Mapping[str, Any]) -> None:
        known: dict[str, Plan] = {}
        self._terms: dict[str, Terms | None] = {}
        for title, value in plans.items():
            try:
                known[title] = plan_from_json(value)
            except PlanInvalid as error:
                log("book_refused", plan=title, error=repr(error))
        for name, value in tenants.items():
            tenant = Tenant(name=name, created_ns=0, plan=value["plan"] or "", zone=value["zone"])
            try:
                self._terms[name] = terms(tenant, known)
            except PlanNotFound:
                self._terms[name] = None

    @property
    def known(self) -> dict[str, Terms]:
        """What holds for each tenant whose plan is known."""
        return {name: its for name, its in self._terms.items() if its is not None}

    def caller_of(self, key: Key) -> Caller:
        """The caller of a key. Raises PermissionDenied where its plan is not known."""
        its = self._terms.get(key.tenant, NO_TERMS)
        if its is None:
            raise PermissionDenied(
                "the plan of your account is not known here", fix="Ask the operator to look"
            )
        return caller_of(key, its)
