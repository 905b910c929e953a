"""A database in one SQLite file: the embedded default.

One process writes at a time, any number read meanwhile (WAL), and what was committed survives a
power cut (synchronous = FULL). The file is for its owner alone.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from fairlead.core.errors import (
    StateConflict,
    StateDamaged,
    StateInvalid,
    StateUnavailable,
    StateValueInvalid,
)
from fairlead.usage.stores.formats import Part, bring_up

_PATIENCE_MS = 5000
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_NO_TABLES = ("SQLITE_ERROR", "SQLITE_SCHEMA")
_UNSOUND = "its pages do not fit together"
_FORMATS = "CREATE TABLE format (name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT"


class SqliteDatabase:
    """The database of one file, which is made when it is missing; its folder is not.

    Raises StateInvalid for a file that is damaged or that others may write, StateUnavailable
    where the disk or another writer does not let it work.
    """

    def __init__(self, file: Path, what: str, *, read_only: bool = False) -> None:
        self._file = file
        self._what = what
        self._read_only = read_only
        self._parts: list[Part] = []
        self._db: sqlite3.Connection | None = None
        self._inode = (0, 0)

    def adopt(self, part: Part) -> None:
        self._opened()
        bring_up(self, part)
        self._parts = [*(p for p in self._parts if p.name != part.name), part]

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        db = self._opened()
        with self._told():
            return db.execute(sql, values).fetchall()  # pyright: ignore[reportArgumentType]

    def many(self, sql: str, values: Iterable[Sequence[object]]) -> None:
        db = self._opened()
        with self._told():
            db.executemany(sql, values)  # pyright: ignore[reportArgumentType]

    @contextmanager
    def writing(self) -> Generator[None, None, None]:
        with self._transaction("BEGIN IMMEDIATE"):
            yield

    @contextmanager
    def reading(self) -> Generator[None, None, None]:
        with self._transaction("BEGIN"):
            yield

    @contextmanager
    def _transaction(self, begin: str) -> Generator[None, None, None]:
        db = self._opened()
        with self._told():
            db.execute(begin)
        try:
            yield
            with self._told():
                db.execute("COMMIT")
        except BaseException:
            # A full disk ends the transaction by itself.
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    # --- formats ----------------------------------------------------------------------------

    def noted(self, name: str) -> int | None:
        columns = {row[1] for row in self.rows("PRAGMA table_info(format)")}
        if not columns:
            return None
        if "name" not in columns:  # of before one file could hold several parts
            return next((row[0] for row in self.rows("SELECT version FROM format")), None)
        found = self.rows("SELECT version FROM format WHERE name = ?", (name,))
        return found[0][0] if found else None

    def note(self, name: str, number: int) -> None:
        if not any(row[1] == "name" for row in self.rows("PRAGMA table_info(format)")):
            self.rows("DROP TABLE IF EXISTS format")
            self.rows(_FORMATS)
        note = "INSERT INTO format VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET version = ?"
        self.rows(note, (name, number, number))

    def script(self, statements: str) -> None:
        for statement in _split(statements):
            self.rows(statement)

    def keep_copy(self, part: Part) -> None:
        copy = self._file.with_name(f"{self._file.stem}.before-format-{part.format}.sqlite")
        copy_of(self._file, copy, self._what)

    # --- the file ---------------------------------------------------------------------------

    def _opened(self) -> sqlite3.Connection:
        """The connection; a new one where another file has taken the place of the old one."""
        if self._db is not None:
            if self._db.in_transaction or self._there() == self._inode:
                return self._db
            self.close()
        with self._told():
            self._db = db = self._connected()
            try:
                db.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
                if not self._read_only:
                    db.execute("PRAGMA journal_mode = WAL")
                    db.execute("PRAGMA synchronous = FULL")
                self._inode = self._there()
                for part in self._parts:
                    bring_up(self, part)
            except BaseException:
                self.close()
                raise
        return db

    def _connected(self) -> sqlite3.Connection:
        if self._read_only:
            # As a URI, so that it can be opened without a right to write.
            uri = f"{self._file.absolute().as_uri()}?mode=ro"
            return sqlite3.connect(uri, uri=True, isolation_level=None)
        _make_private(self._file, self._what)
        return sqlite3.connect(self._file, isolation_level=None)

    def _there(self) -> tuple[int, int]:
        """Which file stands at our path."""
        try:
            facts = self._file.stat()
        except OSError as error:
            raise self._unavailable(f"{self._file.name}: {error.strerror}") from None
        return facts.st_dev, facts.st_ino

    @contextmanager
    def _told(self) -> Generator[None, None, None]:
        """Errors of SQLite and of the disk in our words."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._error(error) from error
        except (UnicodeEncodeError, OverflowError) as error:
            raise _no_value() from error
        except OSError as error:
            raise self._unavailable(error.strerror or "no reason given") from error

    def _error(self, error: sqlite3.Error) -> Exception:
        name = getattr(error, "sqlite_errorname", "") or ""
        if isinstance(error, sqlite3.IntegrityError):
            return StateConflict("a rule of the database forbids this", where=str(error))
        if name.startswith(_DAMAGED) or str(error) == _UNSOUND:
            return StateDamaged(
                f"the database of {self._what} is damaged",
                where=self._file.name,
                fix="Restore it from a backup",
            )
        if name in _NO_TABLES and isinstance(error, sqlite3.OperationalError):
            return StateInvalid(
                f"the database of {self._what} is not of the form that is expected: {error}",
                where=self._file.name,
                fix="Restore it from a backup",
            )
        if name.startswith("SQLITE_TOOBIG"):
            return _no_value()
        if isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError):
            return error  # a mistake of ours
        return self._unavailable(str(error))

    def _unavailable(self, reason: str) -> StateUnavailable:
        return StateUnavailable(
            f"the database of {self._what} does not work: {reason}",
            fix="Look whether its disk is full, read-only, or held by another process",
        )


def copy_of(file: Path, copy: Path, what: str) -> None:
    """Writes a copy of a database, as it was committed last, for its owner alone.

    It is there whole or not at all. Others may write meanwhile. Raises StateUnavailable, or
    StateDamaged.
    """
    half = copy.with_name(f".{copy.name}.half")
    source = SqliteDatabase(file, what)
    with source._told():  # pyright: ignore[reportPrivateUsage]
        half.unlink(missing_ok=True)
        os.close(os.open(half, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            # As a URI, so that it can be read without a right to write.
            uri = f"{file.absolute().as_uri()}?mode=ro"
            with (
                closing(sqlite3.connect(uri, uri=True)) as read,
                closing(sqlite3.connect(half, isolation_level=None)) as written,
            ):
                read.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
                read.backup(written)
                written.execute("PRAGMA journal_mode = DELETE")
                if written.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                    raise sqlite3.DatabaseError(_UNSOUND)
            with half.open("rb") as handle:
                os.fsync(handle.fileno())
            half.rename(copy)
        except BaseException:
            half.unlink(missing_ok=True)
            raise


def looked_up(file: Path, what: str) -> SqliteDatabase:
    """A database that is only read, and not made when it is missing. It is no copy: others may
    write to it meanwhile."""
    return SqliteDatabase(file, what, read_only=True)


def formats_of(file: Path, what: str) -> dict[str, int]:
    """The formats of the parts in a database, which is only read. Raises as `copy_of`."""
    with closing(looked_up(file, what)) as database:
        columns = {row[1] for row in database.rows("PRAGMA table_info(format)")}
        if not columns:
            return {}
        name = "name" if "name" in columns else "'tables'"
        return dict(database.rows(f"SELECT {name}, version FROM format ORDER BY 1"))  # noqa: S608


def _split(statements: str) -> Iterable[str]:
    """Single statements: a semicolon within a string or a trigger ends none."""
    whole = ""
    for piece in statements.split(";"):
        whole += piece
        if whole.strip() and sqlite3.complete_statement(f"{whole};"):
            yield whole
            whole = ""
        else:
            whole = f"{whole};" if whole.strip() else ""


def _no_value() -> StateValueInvalid:
    return StateValueInvalid(
        "a value cannot be kept: text with half a character, or a number too large"
    )


def _make_private(file: Path, what: str) -> None:
    """Makes the file for its owner alone, and refuses one that others may write.

    A file that is there is not opened: closing it would end the locks of this process on it.
    """
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    if file.stat().st_mode & 0o022:
        raise StateInvalid(
            f"others may write the database of {what}",
            where=file.name,
            fix="Close it with chmod 600",
        )
