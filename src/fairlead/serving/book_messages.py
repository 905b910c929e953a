"""The book as it travels from the bookkeeper to the workers: keys, tenants and plans in pieces.

A book is sent whole at first and then in changes. A worker takes over nothing before the last
piece has come, so it never decides by half a book. Digests travel; secrets never do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, fields
from itertools import chain
from typing import Any

from fairlead.core.access import Key, StoredKey, parse_scopes
from fairlead.core.allowance import parse_limits

KIND = "book"
"""The kind of these messages."""

_PIECE_BYTES = 1 << 20
"""What a piece holds at most, about: a line takes no message while 4 MiB wait in it."""

_LISTS = ("scopes", "limits", "networks", "origins")
_DEFAULTS = {f.name: f.default for f in fields(Key) if f.default is not MISSING}
_FIELDS = tuple(field.name for field in fields(Key))


def key_to_json(key: Key) -> dict[str, Any]:
    """A key as people and messages get it; what is as it always is may be left out of it."""
    found: dict[str, Any] = {}
    for field in _FIELDS:
        value = getattr(key, field)
        if field in _LISTS:
            found[field] = [str(part) for part in value]
        else:
            found[field] = value
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
    for field in ("networks", "origins"):
        given[field] = tuple(given.get(field, ()))
    return StoredKey(Key(**given), digest)


def pieces(
    revision: int,
    full: bool,
    keys: Iterable[StoredKey],
    tenants: Mapping[str, Any],
    plans: Mapping[str, Any],
) -> Iterator[dict[str, Any]]:
    """The messages of one book, or of what has changed in it. There is one at least.

    full:           what is not in it is no more; otherwise what is not in it is as before.
    tenants, plans: by name, as JSON.
    """
    every = chain(
        (("keys", "", stored_to_json(stored)) for stored in keys),
        (("tenants", name, value) for name, value in tenants.items()),
        (("plans", name, value) for name, value in plans.items()),
    )
    piece, size = _piece(revision, full), 0
    for place, name, value in every:
        if size > _PIECE_BYTES:
            yield piece | {"more": True}
            piece, size = _piece(revision, full), 0
        if place == "keys":
            piece["keys"].append(value)
        else:
            piece[place][name] = value
        size += _size(value)
    yield piece


def _piece(revision: int, full: bool) -> dict[str, Any]:
    about = {"kind": KIND, "revision": revision, "full": full, "more": False}
    return about | {"keys": [], "tenants": {}, "plans": {}}


def _size(value: Any) -> int:
    """Bytes of a value as JSON, about."""
    return len(repr(value))


class Gathered:
    """What a worker has of the book: the last one that came whole.

    revision: of the database; -1 before anything came.
    keys:     by id. tenants, plans: by name, as JSON.
    """

    def __init__(self) -> None:
        self.revision = -1
        self.keys: dict[str, StoredKey] = {}
        self.tenants: dict[str, Any] = {}
        self.plans: dict[str, Any] = {}
        self._begin()

    def _begin(self) -> None:
        self._keys: dict[str, StoredKey] = {}
        self._tenants: dict[str, Any] = {}
        self._plans: dict[str, Any] = {}

    def take(self, message: Mapping[str, Any]) -> bool:
        """Takes one piece. True when a book, or a change of it, is whole now and taken over.

        A change before any whole book came is not taken over. Raises like `stored_from_json`;
        then what came of this book is dropped, and the old one stays.
        """
        try:
            for value in message["keys"]:
                stored = stored_from_json(value)
                self._keys[stored.key.id] = stored
            self._tenants |= message["tenants"]
            self._plans |= message["plans"]
        except BaseException:
            self._begin()
            raise
        if message["more"]:
            return False
        whole = bool(message["full"])
        if whole:
            self.keys, self.tenants, self.plans = self._keys, self._tenants, self._plans
        elif self.revision >= 0:
            self.keys |= self._keys
            self.tenants |= self._tenants
            self.plans |= self._plans
        self._begin()
        if not whole and self.revision < 0:
            return False
        self.revision = message["revision"]
        return True

    def broke_off(self) -> None:
        """The line broke: what came of an unfinished book is dropped; a whole one comes anew."""
        self._begin()
