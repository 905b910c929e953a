"""What the pages know: what is served, who comes, and whom they ask for what they do not hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fairlead.access.book import allows
from fairlead.access.sessions import Session, Sessions
from fairlead.core.access import Caller
from fairlead.core.call import Head, Peer, Route
from fairlead.core.clock import wall_ns
from fairlead.core.errors import FairleadError
from fairlead.core.plans import Plan

if TYPE_CHECKING:
    from fairlead.serving.registry import Registry
    from fairlead.serving.served import Served

Outcome = Mapping[str, Any] | FairleadError
Done = Callable[[Outcome], None]


@dataclass(frozen=True, slots=True)
class Known:
    """What pages are made from.

    whose:   who sends a request to a page; raises as admission does.
    api:     the route of our own protocol for an address. card: of a model and a version, as a
             caller may see it.
    plan:    by whose prices a caller's calls are recorded; None for none.
    left:    asks what is left of a caller's limits, by model.
    ask:     asks the bookkeeper: for usage, or to rotate a key.
    secure:  sessions travel over TLS alone.
    guest:   the id of the key of guests, "" for none.
    issuers: with which people may sign in. address: where browsers reach the pages, as far as the
             owner has said so; "" for what they ask for.
    """

    registry: Registry
    sessions: Sessions
    whose: Callable[[Head, Peer], Caller]
    api: Callable[[str, str], Route | None]
    card: Callable[[str, int, Caller], dict[str, Any]]
    plan: Callable[[Caller], Plan | None]
    left: Callable[..., None]
    ask: Callable[[Mapping[str, Any], Done], None]
    secure: bool = False
    guest: str = ""
    issuers: tuple[str, ...] = ()
    address: str = ""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks at a page.

    name: as the page greets them; "" for nobody who is known. guest: let in without signing in.
    seal: what the forms of the page carry.
    """

    caller: Caller
    name: str
    guest: bool
    seal: str
    session: Session | None

    @property
    def keyed(self) -> bool:
        """Whether a program in their place would need a key."""
        return bool(self.caller.key or self.caller.tenant)


def visitor(known: Known, head: Head, caller: Caller) -> Visitor:
    """Who looks, once admission has let them in."""
    return visitor_of(known.sessions, head, caller, known.guest)


def visitor_of(sessions: Sessions, head: Head, caller: Caller, guests: str = "") -> Visitor:
    """The same, from the sessions alone. guests: the id of the key of guests."""
    session = sessions.read(head.headers, wall_ns())
    guest = bool(guests) and caller.key == guests and session is None
    seal = sessions.form_seal(session) if session is not None else ""
    return Visitor(caller, "" if guest or session is None else caller.name, guest, seal, session)


def may_see_rows(served: Served, caller: Caller) -> bool:
    """Whether a caller is told what numbers training rows held: its owner's to say."""
    return served.package.guards.disclosure == "full" or allows(caller, "admin:models")


def base_of(known: Known, head: Head) -> str:
    """Where the server is reached, as far as the request says: a proxy may know better."""
    if known.address:
        return known.address
    scheme = "https" if known.secure else "http"
    return f"{scheme}://{head.headers.get('host', 'localhost')}"
