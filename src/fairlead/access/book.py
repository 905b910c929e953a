"""The book of keys: who presents what, and what that caller may do. RAM only, nothing waits.

A book is a snapshot with a revision. It never changes: a key that is made, rotated or revoked
comes with the next book, and whatever the old one remembered goes with it. So no answer that was
under way can bring a revoked key back.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from fairlead.access.scopes import selectors
from fairlead.access.secrets import Digester, presented
from fairlead.core.access import (
    ANY,
    HELD_BACK,
    OF_A_MODEL,
    Caller,
    Key,
    Network,
    Operation,
    StoredKey,
    parse_network,
)
from fairlead.core.errors import (
    FairleadError,
    KeyExpired,
    KeyReplaced,
    KeyRevoked,
    KeyUnknown,
    ModelNotFound,
    NetworkRefused,
    PermissionDenied,
    Unauthenticated,
)

REMEMBERED = 16_384
"""Presented texts that a book remembers at least; at most twice as many."""

_NEVER = 1 << 63
_PEOPLE = 4096
"""Who has signed in, as far as it is remembered."""


class _Known:
    """A key as the book checks it on every call: what may end it, and where it may be used."""

    __slots__ = ("caller", "ends", "key", "networks")

    def __init__(self, stored: StoredKey, caller_of: Callable[[Key], Caller]) -> None:
        key = stored.key
        self.key = key
        self.networks = tuple(parse_network(text) for text in key.networks)
        self.caller = caller_of(key)
        self.ends = _ends(key)


def _ends(key: Key) -> int:
    """When a key ends; a revocation counts from when it is known, whatever its own time says."""
    ends = (key.expires_ns, key.retires_ns, _NEVER)
    return 0 if key.revoked_ns is not None else min(n for n in ends if n is not None)


def _origins(keys: Iterable[StoredKey]) -> dict[str, int]:
    """Every web origin that a key lists, and when the last such key ends."""
    found: dict[str, int] = {}
    for stored in keys:
        for origin in stored.key.origins:
            found[origin] = max(found.get(origin, 0), _ends(stored.key))
    return found


class KeyBook:
    """Every key at one revision, found by what a caller presents.

    keys:      what the database holds. digester: the one that made their digests.
    revision:  of the database, when the keys were read.
    caller_of: makes a key's caller, once it is presented; by default from the key alone.
    """

    def __init__(
        self,
        keys: Iterable[StoredKey],
        revision: int,
        digester: Digester,
        caller_of: Callable[[Key], Caller] = Caller.of,
    ) -> None:
        self.revision = revision
        self._caller_of = caller_of
        self._digester = digester
        self._stored = {stored.digest: stored for stored in keys}
        # Two generations: what was not presented for a whole generation is forgotten.
        self._seen: dict[str, _Known] = {}
        self._before: dict[str, _Known] = {}
        self._people: dict[str, _Known] = {}
        self._origins = _origins(self._stored.values())

    def lists_origin(self, origin: str, now_ns: int) -> bool:
        """Whether a key that works now may be used from pages of this web origin."""
        return now_ns < self._origins.get(origin, 0)

    def __len__(self) -> int:
        return len(self._stored)

    def __repr__(self) -> str:
        return f"KeyBook({len(self)} keys, revision {self.revision})"

    def authenticate(self, header: str, address: str, now_ns: int) -> Caller:
        """Who presents this value of an `Authorization` or `X-API-Key` header.

        address: of the peer, as text; "" where it has none (a Unix socket).
        now_ns:  wall clock.
        Raises Unauthenticated and its kinds, and NetworkRefused. A wrong key costs one hash at
        most and is not remembered.
        """
        known = self._seen.get(header)
        if known is None:
            known = self._find(header)
        if now_ns >= known.ends or known.networks:
            _refuse(known, address, now_ns)
        return known.caller

    def signed_in(self, key: str, address: str, now_ns: int) -> Caller:
        """Who has shown the key with this id before, and signed in with it.

        Raises as `authenticate` does: a session is worth no more than its key.
        """
        known = self._people.get(key)
        if known is None:
            stored = next((s for s in self._stored.values() if s.key.id == key), None)
            if stored is None:
                raise KeyUnknown("nobody has this key here", fix="Sign in again")
            if len(self._people) >= _PEOPLE:
                self._people.clear()
            known = self._people[key] = _Known(stored, self._caller_of)
        _refuse(known, address, now_ns)
        return known.caller

    def _find(self, header: str) -> _Known:
        known = self._before.get(header)
        if known is None:
            if not header.strip():
                raise Unauthenticated("no key was sent", fix="Send Authorization: Bearer KEY")
            digest = self._digester.digest(presented(header))
            stored = self._stored.get(digest)
            if stored is None or not hmac.compare_digest(stored.digest, digest):
                raise KeyUnknown("nobody has this key here", fix="Ask the operator for a key")
            known = _Known(stored, self._caller_of)
        if len(self._seen) >= REMEMBERED:
            self._before, self._seen = self._seen, {}
        self._seen[header] = known
        return known


_AGAIN = "Ask the operator for a new key"
_ENDED: dict[str, tuple[type[Unauthenticated], str, str]] = {
    "revoked": (KeyRevoked, "this key was revoked", _AGAIN),
    "expired": (KeyExpired, "this key has expired", _AGAIN),
    "replaced": (KeyReplaced, "this key was replaced", "Use the key that has replaced it"),
}


def _refuse(known: _Known, address: str, now_ns: int) -> None:
    """The one decision about a known key; every kind of key comes through here."""
    standing = known.key.standing(now_ns)
    if standing != "works":
        error, what, fix = _ENDED[standing]
        raise error(what, fix=fix)
    if known.networks and not _is_within(address, known.networks):
        raise NetworkRefused(
            "this key may not be used from here", fix="Ask the operator to allow your network"
        )


def _is_within(address: str, networks: tuple[Network, ...]) -> bool:
    found = _parse(address)
    return found is not None and any(found in network for network in networks)


@lru_cache(maxsize=4096)
def _parse(address: str) -> IPv4Address | IPv6Address | None:
    """An address; one of IPv4 that IPv6 carries counts as of IPv4. None for anything else."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    carried = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return carried or found


# --- what a caller may ----------------------------------------------------------------------


def allows(
    caller: Caller, operation: Operation, model: str = "", version: int = 0, label: str = ""
) -> bool:
    """Whether the scopes of a caller allow an operation. What no scope allows is forbidden.

    model:   "" where the operation concerns none.
    version: the one that would answer; 0 where none is chosen yet.
    label:   by which that version is reached or on trial, such as `stable`, `candidate` or
             `shadow`; "" for none. A version on trial must be named by a scope.
    """
    if label not in HELD_BACK:
        scopes = caller.open
        if (operation, model) in scopes or (model and (operation, ANY) in scopes):
            return True
    return bool(caller.named) and _is_named(caller, operation, model, version, label)


def _is_named(caller: Caller, operation: str, model: str, version: int, label: str) -> bool:
    wanted = selectors(version, label)
    return any((operation, m, w) in caller.named for m in (model, ANY) for w in wanted)


def describes(caller: Caller, model: str) -> bool:
    """Whether a caller may know of a model: its metadata, readiness, card and limits.

    Whoever may predict with any version of it may.
    """
    if ("predict", model) in caller.open or ("predict", ANY) in caller.open:
        return True
    return any(o == "predict" and m in (model, ANY) for o, m, _ in caller.named)


def denied(caller: Caller, operation: Operation, model: str = "") -> FairleadError:
    """The error for what `allows` does not allow.

    A model that the caller may not know of is answered as one that does not exist.
    """
    if operation in OF_A_MODEL and not _knows(caller, model):
        return ModelNotFound(f"no model {model!r} is served here", fix="GET /models lists them")
    what = f"{operation}:{model}" if model else operation
    return PermissionDenied(f"this key does not allow {what}", fix="Ask the operator for the scope")


def _knows(caller: Caller, model: str) -> bool:
    """Whether any scope is about the model: then its existence is no news."""
    names = {m for _, m in caller.open} | {m for _, m, _ in caller.named}
    return model in names or ANY in names
