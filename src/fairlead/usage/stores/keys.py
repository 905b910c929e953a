"""Keys in a database: digests only; a secret never comes here.

Every change is one transaction that also raises the revision, so whoever sees a revision sees all
of it. Nothing is ever written back from what a reader holds, and no key is ever deleted: a revoked
one stays, to be told from one that never was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from fairlead.core.access import Key, StoredKey, check, parse_scopes
from fairlead.core.allowance import parse_limits
from fairlead.core.errors import (
    KeyFieldInvalid,
    KeyNotFound,
    KeyRetired,
    StateConflict,
    StateValueInvalid,
)
from fairlead.usage.stores import revision
from fairlead.usage.stores.database import connection
from fairlead.usage.stores.formats import Database, Part

FILE = "keys.sqlite"
"""The database in a state folder."""

PART = Part(
    "keys",
    """
    CREATE TABLE IF NOT EXISTS key (
        id TEXT PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
        changed INTEGER NOT NULL,
        name TEXT NOT NULL,
        tenant TEXT NOT NULL,
        scopes TEXT NOT NULL,
        created_ns INTEGER NOT NULL,
        lineage TEXT NOT NULL,
        ending TEXT NOT NULL CHECK (length(ending) = 4),
        expires_ns INTEGER,
        revoked_ns INTEGER,
        successor TEXT NOT NULL,
        retires_ns INTEGER,
        networks TEXT NOT NULL,
        origins TEXT NOT NULL,
        limits TEXT NOT NULL,
        disclosure TEXT NOT NULL,
        novelty TEXT NOT NULL,
        plan TEXT NOT NULL,
        kind TEXT NOT NULL,
        priority TEXT NOT NULL DEFAULT 'interactive'
    ) STRICT;
    CREATE INDEX IF NOT EXISTS key_by_tenant ON key (tenant, created_ns, id);
    CREATE INDEX IF NOT EXISTS key_by_age ON key (created_ns, id);
    CREATE INDEX IF NOT EXISTS key_by_name ON key (name);
    CREATE INDEX IF NOT EXISTS key_by_change ON key (changed);
    """,
    2,
    {1: "ALTER TABLE key ADD COLUMN priority TEXT NOT NULL DEFAULT 'interactive'"},
)
_FIELDS = tuple(field.name for field in fields(Key))
_LISTS: dict[str, Callable[[list[str]], tuple[Any, ...]]] = {
    "scopes": parse_scopes,
    "limits": parse_limits,
    "networks": tuple,
    "origins": tuple,
}
_COLUMNS = ", ".join(_FIELDS)
_MARKS = ", ".join("?" * len(_FIELDS))
_INSERT = f"INSERT INTO key ({_COLUMNS}, digest, changed) VALUES ({_MARKS}, ?, ?)"  # noqa: S608
_SELECT = f"SELECT {_COLUMNS}, digest FROM key"  # noqa: S608 - names of our own
_WILD = frozenset("*?[")


class KeyStore:
    """The keys of one database, for one thread of one process.

    Every method raises what a `Database` raises.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        database.adopt(revision.PART)
        database.adopt(PART)

    def close(self) -> None:
        """Closes the database."""
        self._database.close()

    # --- reading ----------------------------------------------------------------------------

    def revision(self) -> int:
        """How often keys, tenants and plans have changed. Cheap: it may be asked often."""
        return revision.revision_of(self._database)

    def snapshot(self) -> tuple[int, list[StoredKey]]:
        """The revision, and every key as it is at that revision."""
        with self._database.reading():
            return self.revision(), _stored(self._database.rows(_SELECT))

    def changes(self, since: int) -> tuple[int, list[StoredKey]]:
        """The revision, and every key that was made or changed after the revision `since`.

        A revision below `since` means that an older database was restored: what was known of any
        other key is void, and the snapshot tells what is there now.
        """
        with self._database.reading():
            changed = self._database.rows(f"{_SELECT} WHERE changed > ? ORDER BY changed", (since,))
            return self.revision(), _stored(changed)

    def every(self, tenant: str | None = None) -> list[Key]:
        """The keys of a tenant, or of all, oldest first."""
        where, given = ("", ()) if tenant is None else (" WHERE tenant = ?", (tenant,))
        return [_key(row) for row in self._look(f"{_SELECT}{where} ORDER BY created_ns, id", given)]

    def page(self, tenant: str | None, after: str, most: int) -> list[Key]:
        """As `every`, at most so many, those behind the key with the id `after`; "" begins.

        Raises KeyNotFound when `after` is no key of theirs.
        """
        where, given = "1 = 1", list[object]()
        if tenant is not None:
            where, given = "tenant = ?", [tenant]
        if after:
            where += " AND (created_ns, id) > (?, ?)"
            given += [self.show(after, tenant).created_ns, after]
        sql = f"{_SELECT} WHERE {where} ORDER BY created_ns, id LIMIT ?"
        return [_key(row) for row in self._look(sql, (*given, most))]

    def show(self, key_id: str, tenant: str | None = None) -> Key:
        """One key. Raises KeyNotFound, also for a key of another tenant than the one given."""
        found = [_key(row) for row in self._look(f"{_SELECT} WHERE id = ?", (key_id,))]
        if not found or tenant not in (None, found[0].tenant):
            raise _not_found(key_id)
        return found[0]

    def _look(self, sql: str, given: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._database.rows(sql, given)
        except StateValueInvalid:
            return []  # what cannot be kept is not there

    # --- writing ----------------------------------------------------------------------------

    def create(self, key: Key, digest: bytes) -> int:
        """Keeps a new key; returns the revision. Raises KeyFieldInvalid for what cannot be kept.

        digest: 32 bytes. What is no digest (a secret by mistake) is refused here and by the
        database: ValueError.
        """
        _check_digest(digest)
        check(key)
        with self._database.writing():
            return self._insert(key, digest)

    def rotate(self, key_id: str, successor: Key, digest: bytes, retires_ns: int) -> int:
        """Keeps the successor of a key, which goes on working until `retires_ns` (wall clock).

        A key that expires sooner still expires then. Returns the revision. Raises KeyNotFound, and
        KeyRetired for a key that is revoked, expired or replaced already: so of two that rotate
        one key at once, one is told.
        """
        _check_digest(digest)
        check(successor)
        with self._database.writing():
            old = self.show(key_id)
            _check_rotates(old, successor)
            number = self._insert(successor, digest)
            self._database.rows(
                "UPDATE key SET successor = ?, retires_ns = ?, changed = ? WHERE id = ?",
                (successor.id, retires_ns, number, key_id),
            )
            return number

    def revoke(self, pattern: str, now_ns: int, tenant: str | None = None) -> list[Key]:
        """Revokes the key with an id, or every key whose name or id fits a pattern with `*`.

        Returns those that were revoked now; a key that was revoked before keeps its time. Raises
        KeyNotFound when nothing fits, revoked or not.
        """
        with self._database.writing():
            fitting = self.fitting(pattern, tenant)
            living = [key for key in fitting if key.revoked_ns is None]
            if living:
                number = revision.raise_revision(self._database)
                self._database.many(
                    "UPDATE key SET revoked_ns = ?, changed = ? WHERE id = ?",
                    [(now_ns, number, key.id) for key in living],
                )
        return [replace(key, revoked_ns=now_ns) for key in living]

    def fitting(self, pattern: str, tenant: str | None = None) -> list[Key]:
        """The keys that `revoke` is about, revoked ones too. Raises KeyNotFound for none."""
        if _WILD.isdisjoint(pattern):
            sql = f"{_SELECT} WHERE id = ? OR name = ? ORDER BY created_ns, id"
            near = [_key(row) for row in self._look(sql, (pattern, pattern))]
        else:
            near = self.every(tenant)
        found = [key for key in near if tenant in (None, key.tenant) and _fits(key, pattern)]
        if not found:
            raise _not_found(pattern)
        return found

    def _insert(self, key: Key, digest: bytes) -> int:
        values = [getattr(key, field) for field in _FIELDS]
        written = [
            json.dumps([str(part) for part in value]) if field in _LISTS else value
            for field, value in zip(_FIELDS, values, strict=True)
        ]
        number = revision.raise_revision(self._database)
        try:
            self._database.rows(_INSERT, (*written, digest, number))
        except StateConflict:
            raise KeyFieldInvalid(
                "a key with this id or this secret is kept already", fix="Make a new one"
            ) from None
        except StateValueInvalid as error:
            raise KeyFieldInvalid(error.what, fix=error.fix) from None
        return number


def open_keys(place: str | Path) -> KeyStore:
    """The keys of a file or an address, without anything else. Raises as `open_database`."""
    database = connection(place, "keys")
    try:
        return KeyStore(database)
    except BaseException:
        database.close()
        raise


def _fits(key: Key, pattern: str) -> bool:
    return fnmatchcase(key.id, pattern) or fnmatchcase(key.name, pattern)


def _stored(rows: Iterable[tuple[Any, ...]]) -> list[StoredKey]:
    return [StoredKey(_key(row), row[-1]) for row in rows]


def _key(row: tuple[Any, ...]) -> Key:
    values: dict[str, Any] = dict(zip(_FIELDS, row, strict=False))
    for field, read in _LISTS.items():
        values[field] = read(json.loads(values[field]))
    return Key(**values)


def _check_digest(digest: bytes) -> None:
    if type(digest) is not bytes or len(digest) != 32:
        raise ValueError("this is no digest of a secret")


def _check_rotates(old: Key, successor: Key) -> None:
    if (successor.lineage, successor.tenant) != (old.lineage, old.tenant):
        raise ValueError("a successor has the lineage and the tenant of the key that it replaces")
    standing = old.standing(successor.created_ns)
    if old.successor:
        raise KeyRetired(f"{old.id} was replaced already", fix=f"Rotate {old.successor}")
    if standing != "works":
        raise KeyRetired(f"{old.id} is {standing}", fix="Make a new key")


def _not_found(text: str) -> KeyNotFound:
    return KeyNotFound(f"no key fits {text[:80]!r}", fix="fairlead keys list shows them")
