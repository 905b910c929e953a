"""What is kept of the guards of a state folder: states of versions, accounts of callers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

from fairlead.core.errors import StateDamaged
from fairlead.usage.stores.database import connection
from fairlead.usage.stores.formats import Database, Part
from fairlead.usage.stores.sqlite import looked_up

FILE = "guards.sqlite"
"""The database in a state folder."""

PART = Part(
    "guards",
    """
    CREATE TABLE IF NOT EXISTS guard_state (
        model TEXT NOT NULL, version INTEGER NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL,
        updated TEXT NOT NULL, PRIMARY KEY (model, version, kind)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS account (
        model TEXT NOT NULL, version INTEGER NOT NULL, caller TEXT NOT NULL, state BLOB NOT NULL,
        suspicion TEXT NOT NULL, updated TEXT NOT NULL, PRIMARY KEY (model, version, caller));
    """,
)
_PUT_STATE = """
INSERT INTO guard_state VALUES (?, ?, ?, ?, ?) ON CONFLICT (model, version, kind)
DO UPDATE SET state = excluded.state, updated = excluded.updated
"""
_PUT_ACCOUNT = """
INSERT INTO account VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (model, version, caller)
DO UPDATE SET state = excluded.state, suspicion = excluded.suspicion, updated = excluded.updated
"""
_DROP_ACCOUNT = "DELETE FROM account WHERE model = ? AND version = ? AND caller = ?"
_STATES = "SELECT kind, state, updated FROM guard_state WHERE model = ? AND version = ?"
_VERSIONS = "SELECT DISTINCT model, version FROM guard_state ORDER BY model, version"
_COUNTED = "kind IN ('about', 'drift', 'bet')"

Place = tuple[str, int, str]
"""A caller of a version: model, version, caller."""


class State(NamedTuple):
    """One state of a version, as JSON text. updated: an ISO time."""

    model: str
    version: int
    kind: str
    state: str
    updated: str


class Kept(NamedTuple):
    """The account of a caller. suspicion: JSON text."""

    place: Place
    account: bytes
    suspicion: str


class GuardStore:
    """The guards of one database, for one thread of one process.

    Every method raises what a `Database` raises.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        database.adopt(PART)

    def close(self) -> None:
        """Closes the database."""
        self._database.close()

    def save(
        self, states: Iterable[State], accounts: Iterable[Kept], gone: Iterable[Place], updated: str
    ) -> None:
        """Keeps states and accounts, and forgets the accounts that are gone: all or nothing."""
        with self._database.writing():
            self._database.many(_PUT_STATE, list(states))
            rows = [(*k.place, k.account, k.suspicion, updated) for k in accounts]
            self._database.many(_PUT_ACCOUNT, rows)
            self._database.many(_DROP_ACCOUNT, list(gone))

    def accounts(self) -> list[Kept]:
        """Every account, in the order in which they were last written."""
        asked = "SELECT model, version, caller, state, suspicion FROM account ORDER BY updated"
        return [Kept(row[:3], *row[3:]) for row in self._database.rows(asked)]

    def states(self, model: str, version: int) -> dict[str, str]:
        """The states of a version by kind, as JSON texts."""
        return {kind: state for kind, state, _ in self._database.rows(_STATES, (model, version))}

    def forget_counts(self, model: str, version: int | None) -> set[tuple[str, int]]:
        """Drops what was counted for drift, of one version or all; of which there was anything."""
        which = "model = ?" if version is None else "model = ? AND version = ?"
        place = (model,) if version is None else (model, version)
        of = f"FROM guard_state WHERE {which} AND {_COUNTED}"
        with self._database.writing():
            found = self._database.rows(f"SELECT DISTINCT model, version {of}", place)
            self._database.rows(f"DELETE {of}", place)
        return {(name, number) for name, number in found}


def open_guards(file: Path, dropped: Callable[[StateDamaged], None]) -> GuardStore:
    """The guards in a file. One that is damaged is set aside as FILE.damaged, a new one begun, and
    `dropped` called: what guards have learnt of traffic can be learnt again."""
    try:
        return _opened(file)
    except StateDamaged as error:
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                file.with_name(file.name + suffix).rename(f"{file}.damaged{suffix}")
        dropped(error)
        return _opened(file)


def _opened(file: Path) -> GuardStore:
    database = connection(file, PART.name)
    try:
        store = GuardStore(database)
        store.accounts()  # damage shows where it is read
    except BaseException:
        database.close()
        raise
    return store


def read_versions(file: Path) -> list[tuple[str, int]]:
    """The versions of which anything is kept, only read. Raises StateUnavailable, StateInvalid."""
    with closing(looked_up(file, PART.name)) as database:
        return database.rows(_VERSIONS)


def read_states(file: Path, model: str, version: int) -> list[Any]:
    """The states of a version as (kind, JSON text, ISO time), only read. Raises as above."""
    with closing(looked_up(file, PART.name)) as database:
        return database.rows(_STATES, (model, version))
