"""The book as it travels from the bookkeeper to the workers: keys, tenants and plans in pieces.

A book is sent whole at first and then in changes. A worker takes over nothing before the last
piece has come, so it never decides by half a book. Digests travel; secrets never do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from itertools import chain
from math import inf
from typing import Any

from fairlead.core.access import Key, StoredKey, parse_scopes
from fairlead.core.allowance import parse_limits
from fairlead.core.clock import now

KIND = "book"
"""The kind of these messages."""

_PIECE_BYTES = 1 << 20
"""What a piece holds at most, about: a line takes no message while 4 MiB wait in it."""

_LISTS = ("scopes", "limits", "networks", "origins")
_DEFAULTS = {f.name: f.default for f in fields(Key) if f.default is not MISSING}
_FIELDS = tuple(f.name for f in fields(Key))


def key_to_json(key: Key) -> dict[str, Any]:
    """A key, every field, as JSON; never its digest."""
    found: dict[str, Any] = {}
    for name in _FIELDS:
        value = getattr(key, name)
        found[name] = [str(part) for part in value] if name in _LISTS else value
    return found


def stored_to_json(stored: StoredKey) -> dict[str, Any]:
    """A key with the digest of its secret, as workers get it. Defaults are left out."""
    key = stored.key
    given = {f: v for f, v in key_to_json(key).items() if getattr(key, f) != _DEFAULTS.get(f, ...)}
    return given | {"digest": stored.digest.hex()}


def stored_from_json(value: Mapping[str, Any]) -> StoredKey:
    """The key that `stored_to_json` made a message of.

    Raises KeyError, TypeError, ValueError or KeyFieldInvalid for anything else.
    """
    given: dict[str, Any] = dict(value)
    digest = bytes.fromhex(given.pop("digest"))
    given["scopes"] = parse_scopes(given["scopes"])
    given["limits"] = parse_limits(given.get("limits", ()))
    for name in ("networks", "origins"):
        given[name] = tuple(given.get(name, ()))
    return StoredKey(Key(**given), digest)


@dataclass(frozen=True, slots=True)
class Book:
    """A book, or what has changed in one.

    revision: of the database; -1 where it has never been read, and only `revoked` is known.
    full:     what is not in it is no more; otherwise what is not in it is as before.
    tenants, plans: by name, as JSON.
    revoked:  when keys were revoked, by id, where the database could not be told yet: this holds
              also for a key that stands otherwise in `keys`, or that only the worker knows.
    age_s:    seconds since the database was read; what it has become since is not known.
    """

    revision: int
    full: bool
    keys: Iterable[StoredKey] = ()
    tenants: Mapping[str, Any] = field(default_factory=dict[str, Any])
    plans: Mapping[str, Any] = field(default_factory=dict[str, Any])
    revoked: Mapping[str, int] = field(default_factory=dict[str, int])
    age_s: float = 0.0


def pieces(book: Book) -> Iterator[dict[str, Any]]:
    """The messages that bring a book. There is one at least."""
    every = chain(
        (("keys", "", stored_to_json(stored)) for stored in book.keys),
        (("tenants", name, value) for name, value in book.tenants.items()),
        (("plans", name, value) for name, value in book.plans.items()),
        (("revoked", name, value) for name, value in book.revoked.items()),
    )
    piece, size = _piece(book, first=True), 0
    for place, name, value in every:
        if size > _PIECE_BYTES:
            yield piece | {"more": True}
            piece, size = _piece(book), 0
        if place == "keys":
            piece["keys"].append(value)
        else:
            piece[place][name] = value
        size += _size(name) + _size(value)
    yield piece


def _piece(book: Book, *, first: bool = False) -> dict[str, Any]:
    return {
        "kind": KIND,
        "revision": book.revision,
        "full": book.full,
        "age_s": book.age_s,
        "first": first,
        "more": False,
        "keys": [],
        "tenants": {},
        "plans": {},
        "revoked": {},
    }


def _size(value: Any) -> int:
    """Bytes of a value as JSON, about."""
    return len(repr(value))


class Gathered:
    """What a worker has of the book: the last one that came whole.

    revision: of the database; -1 before anything came.
    keys:     by id. tenants, plans: by name, as JSON.
    read:     when the database was read last, as `clock.now` tells it; before all time at first.
    """

    def __init__(self) -> None:
        self.revision = -1
        self.keys: dict[str, StoredKey] = {}
        self.tenants: dict[str, Any] = {}
        self.plans: dict[str, Any] = {}
        self.read = -inf
        self._begin()

    @property
    def stale_s(self) -> float:
        """Seconds since the database was read: what it has become since is not known here."""
        return now() - self.read

    def _begin(self) -> None:
        self._keys: dict[str, StoredKey] = {}
        self._tenants: dict[str, Any] = {}
        self._plans: dict[str, Any] = {}
        self._revoked: dict[str, int] = {}

    def take(self, message: Mapping[str, Any]) -> bool:
        """Takes one piece. True when the last piece of a book has come and something is new in it.

        A change before any whole book came is not taken over. Raises like `stored_from_json`;
        then what came of this book is dropped, and the old one stays.
        """
        if message["first"]:
            self._begin()
        try:
            for value in message["keys"]:
                stored = stored_from_json(value)
                self._keys[stored.key.id] = stored
            self._tenants |= message["tenants"]
            self._plans |= message["plans"]
            self._revoked |= message["revoked"]
            if message["more"]:
                return False
            return self._take_over(message["full"], message["revision"], message["age_s"])
        except BaseException:
            self._begin()
            raise

    def _take_over(self, full: bool, revision: int, age_s: float) -> bool:
        keys, tenants, plans, revoked = self._keys, self._tenants, self._plans, self._revoked
        self._begin()
        if full:
            self.keys, self.tenants, self.plans = keys, tenants, plans
        elif self.revision < 0:
            return False
        else:
            self.keys |= keys
            self.tenants |= tenants
            self.plans |= plans
        for key_id, moment in revoked.items():
            stored = self.keys.get(key_id)
            if stored is not None:
                self.keys[key_id] = revoked_at(stored, moment)
        if revision >= 0:
            self.revision, self.read = revision, now() - age_s
        return bool(full or keys or tenants or plans or revoked)

    def broke_off(self) -> None:
        """The line broke: what came of an unfinished book is dropped; a whole one comes anew."""
        self._begin()


def revoked_at(stored: StoredKey, moment: int) -> StoredKey:
    """The key, revoked at a wall-clock time in nanoseconds; one that was revoked keeps its time."""
    if stored.key.revoked_ns is not None:
        return stored
    return StoredKey(replace(stored.key, revoked_ns=moment), stored.digest)
