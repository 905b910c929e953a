"""Keys in SQLite: the embedded default. Digests only; a secret never comes here.

Every change is one transaction that also raises the revision, so whoever sees a revision sees all
of it. One process writes at a time, any number read meanwhile (WAL). Nothing is ever written back
from what a reader holds, and no key is ever deleted: a revoked one stays, to be told from one that
never was.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
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
    StateInvalid,
    StateUnavailable,
)

FORMAT = 1
FILE = "keys.sqlite"
"""The database in a state folder."""

_PATIENCE_MS = 5000
_SCHEMA = """
CREATE TABLE state (format INTEGER NOT NULL, revision INTEGER NOT NULL) STRICT;
INSERT INTO state VALUES (1, 0);
CREATE TABLE key (
    id TEXT PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    name TEXT NOT NULL,
    tenant TEXT NOT NULL,
    scopes TEXT NOT NULL CHECK (json_valid(scopes)),
    created_ns INTEGER NOT NULL,
    lineage TEXT NOT NULL,
    ending TEXT NOT NULL CHECK (length(ending) = 4),
    expires_ns INTEGER,
    revoked_ns INTEGER,
    successor TEXT NOT NULL,
    retires_ns INTEGER,
    networks TEXT NOT NULL CHECK (json_valid(networks)),
    origins TEXT NOT NULL CHECK (json_valid(origins)),
    limits TEXT NOT NULL CHECK (json_valid(limits)),
    disclosure TEXT NOT NULL,
    plan TEXT NOT NULL,
    kind TEXT NOT NULL
) STRICT;
CREATE INDEX key_of_tenant ON key (tenant);
"""
_FIELDS = tuple(field.name for field in fields(Key))
_LISTS: dict[str, Callable[[list[str]], tuple[Any, ...]]] = {
    "scopes": parse_scopes,
    "limits": parse_limits,
    "networks": tuple,
    "origins": tuple,
}
_COLUMNS = ", ".join(_FIELDS)
_INSERT = f"INSERT INTO key ({_COLUMNS}, digest) VALUES ({', '.join('?' * len(_FIELDS))}, ?)"  # noqa: S608
_SELECT = f"SELECT {_COLUMNS}, digest FROM key"  # noqa: S608 - names of our own


class KeyStore:
    """The keys of one state folder. A connection for one thread of one process.

    Raises StateInvalid for a file that is damaged, of a newer format, or that others may write,
    and StateUnavailable where the disk or another writer does not let it work.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        with _told(file):
            _make_private(file)
            self._db = sqlite3.connect(file, isolation_level=None)
            try:
                self._open()
            except BaseException:
                self._db.close()
                raise

    def _open(self) -> None:
        self._db.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
        if self._format() is None:
            self._db.execute("PRAGMA journal_mode = WAL")
            with self._writing():
                if self._format() is None:  # nobody else was first
                    for statement in _SCHEMA.split(";")[:-1]:
                        self._db.execute(statement)
        self._db.execute("PRAGMA synchronous = FULL")
        found = self._format()
        if found != FORMAT:
            raise StateInvalid(
                f"the keys are of format {found}, this release knows {FORMAT}",
                where=self._file.name,
                fix="Use the release that wrote them, or restore an older backup",
            )

    def _format(self) -> int | None:
        """The format of the file, None while it is empty."""
        if self._db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'state'").fetchone() is None:
            return None
        return self._db.execute("SELECT format FROM state").fetchone()[0]

    def close(self) -> None:
        """Closes the database."""
        self._db.close()

    # --- reading ----------------------------------------------------------------------------

    def revision(self) -> int:
        """How often the keys have changed. Cheap: a reader asks it many times a second."""
        with _told(self._file):
            return self._db.execute("SELECT revision FROM state").fetchone()[0]

    def snapshot(self) -> tuple[int, list[StoredKey]]:
        """The revision, and every key as it is at that revision."""
        with _told(self._file):
            self._db.execute("BEGIN")
            try:
                revision = self._db.execute("SELECT revision FROM state").fetchone()[0]
                rows = self._db.execute(_SELECT).fetchall()
            finally:
                self._db.execute("COMMIT")
            return revision, [StoredKey(_key(row), row[-1]) for row in rows]

    def every(self, tenant: str | None = None) -> list[Key]:
        """The keys of a tenant, or of all, oldest first."""
        where = "" if tenant is None else " WHERE tenant = ?"
        given = () if tenant is None else (tenant,)
        with _told(self._file):
            rows = self._db.execute(f"{_SELECT}{where} ORDER BY created_ns, id", given)
            return [_key(row) for row in rows]

    def show(self, key_id: str, tenant: str | None = None) -> Key:
        """One key. Raises KeyNotFound, also for a key of another tenant than the one given."""
        with _told(self._file):
            row = self._db.execute(f"{_SELECT} WHERE id = ?", (key_id,)).fetchone()
        found = None if row is None else _key(row)
        if found is None or tenant not in (None, found.tenant):
            raise _not_found(key_id)
        return found

    # --- writing ----------------------------------------------------------------------------

    def create(self, key: Key, digest: bytes) -> int:
        """Keeps a new key; returns the revision. Raises KeyFieldInvalid for what cannot be kept.

        digest: 32 bytes. What is no digest (a secret by mistake) is refused here and by the
        database: ValueError.
        """
        _check_digest(digest)
        check(key)
        with _told(self._file), self._writing():
            self._insert(key, digest)
            return self._raise_revision()

    def rotate(self, key_id: str, successor: Key, digest: bytes, retires_ns: int) -> int:
        """Keeps the successor of a key, which goes on working until `retires_ns` (wall clock).

        A key that expires sooner still expires then. Returns the revision. Raises KeyNotFound, and
        KeyRetired for a key that is revoked, expired or replaced already: so of two that rotate
        one key at once, one is told.
        """
        _check_digest(digest)
        check(successor)
        with _told(self._file), self._writing():
            old = self.show(key_id)
            _check_rotates(old, successor)
            self._insert(successor, digest)
            self._db.execute(
                "UPDATE key SET successor = ?, retires_ns = ? WHERE id = ?",
                (successor.id, retires_ns, key_id),
            )
            return self._raise_revision()

    def revoke(self, pattern: str, now_ns: int, tenant: str | None = None) -> list[Key]:
        """Revokes the key with an id, or every key whose name or id fits a pattern with `*`.

        Returns those that were revoked now; a key that was revoked before keeps its time. Raises
        KeyNotFound when nothing fits, revoked or not.
        """
        with _told(self._file), self._writing():
            fitting = [
                key
                for key in self.every(tenant)
                if fnmatchcase(key.id, pattern) or fnmatchcase(key.name, pattern)
            ]
            if not fitting:
                raise _not_found(pattern)
            living = [key for key in fitting if key.revoked_ns is None]
            revoke = "UPDATE key SET revoked_ns = ? WHERE id = ?"
            self._db.executemany(revoke, [(now_ns, key.id) for key in living])
            if living:
                self._raise_revision()
        return [replace(key, revoked_ns=now_ns) for key in living]

    def _insert(self, key: Key, digest: bytes) -> None:
        values = [getattr(key, field) for field in _FIELDS]
        written = [
            json.dumps([str(part) for part in value]) if field in _LISTS else value
            for field, value in zip(_FIELDS, values, strict=True)
        ]
        self._db.execute(_INSERT, (*written, digest))

    def _raise_revision(self) -> int:
        raised = "UPDATE state SET revision = revision + 1 RETURNING revision"
        return self._db.execute(raised).fetchone()[0]

    @contextmanager
    def _writing(self) -> Generator[None, None, None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # A full disk ends the transaction by itself.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


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


def _make_private(file: Path) -> None:
    """Makes the file for its owner alone, and refuses one that others may write.

    A file that is there is not opened: closing it would end the locks of this process on it.
    """
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    if file.stat().st_mode & 0o022:
        raise StateInvalid(
            "others may write the database of keys", where=file.name, fix="Close it with chmod 600"
        )


_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


@contextmanager
def _told(file: Path) -> Generator[None, None, None]:
    """Errors of SQLite and of the disk in our words."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise KeyFieldInvalid(
            "a key with this id or this secret is kept already", fix="Make a new one"
        ) from None
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "").startswith(_DAMAGED):
            raise StateInvalid(
                "the database of keys is damaged", where=file.name, fix="Restore it from a backup"
            ) from error
        raise _unavailable(str(error)) from error
    except OSError as error:
        raise _unavailable(error.strerror or "no reason given") from error


def _unavailable(reason: str) -> StateUnavailable:
    return StateUnavailable(
        f"the database of keys does not work: {reason}",
        fix="Look whether its disk is full, read-only, or held by another process",
    )
