"""What a state folder keeps of the guards: its database, and reading it beside a server.

The bookkeeper writes it (`standing`); it may do so while it is read here.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairlead.core.errors import FileUnreadable, NothingWatched
from fairlead.serving.log import log

FILE = "guards.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS guard_state (
    model TEXT NOT NULL, version INTEGER NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL,
    updated TEXT NOT NULL, PRIMARY KEY (model, version, kind)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS account (
    model TEXT NOT NULL, version INTEGER NOT NULL, caller TEXT NOT NULL, state BLOB NOT NULL,
    suspicion TEXT NOT NULL, updated TEXT NOT NULL, PRIMARY KEY (model, version, caller));
"""


@dataclass(frozen=True, slots=True)
class GuardState:
    """The states of one version's guards by kind ("drift", "bet", "accuracy", "about").

    updated: when the newest was written, as an ISO time.
    """

    model: str
    version: int
    states: Mapping[str, Any]
    updated: str


def read_guard_state(folder: Path, model: str, version: int | None = None) -> GuardState:
    """The state of a version, of the newest one that has any when none is named.

    Raises FileUnreadable for what is no state folder, NothingWatched when nothing is kept of it.
    """
    if not folder.is_dir():
        raise FileUnreadable(
            f"there is no state folder {folder}", fix="Name the server's with --state"
        )
    file = folder / FILE
    if not file.exists():
        raise NothingWatched("no server has watched anything here yet", where=str(folder))
    try:
        # The path as a URI, so that it can be opened without a right to write.
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
            database.execute("PRAGMA busy_timeout = 5000")
            return _read(database, model, version, folder)
    except (sqlite3.Error, ValueError) as error:
        raise FileUnreadable(
            f"the guards' state cannot be read: {error}", where=str(file)
        ) from None


def _read(
    database: sqlite3.Connection, model: str, version: int | None, folder: Path
) -> GuardState:
    query = "SELECT DISTINCT model, version FROM guard_state ORDER BY model, version"
    every: list[tuple[str, int]] = database.execute(query).fetchall()
    found = [number for name, number in every if name == model]
    wanted = found[-1] if version is None and found else version
    if wanted not in found:
        asked = model if version is None else f"{model}@{version}"
        known = ", ".join(f"{name}@{number}" for name, number in every[:20])
        raise NothingWatched(
            f"nothing has been seen of {asked}",
            where=str(folder),
            fix=f"Watched here: {known}" if known else "Send it rows first",
        )
    query = "SELECT kind, state, updated FROM guard_state WHERE model = ? AND version = ?"
    rows: list[tuple[str, str, str]] = database.execute(query, (model, wanted)).fetchall()
    states = {kind: json.loads(state) for kind, state, _ in rows}
    return GuardState(model, wanted, states, max(updated for _, _, updated in rows))


def opened(file: Path) -> sqlite3.Connection:
    """The database, with its tables. Raises sqlite3.OperationalError while it cannot be had."""
    database = sqlite3.connect(file, isolation_level=None)
    try:
        database.executescript("PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 5000;" + _SCHEMA)
    except sqlite3.OperationalError:
        database.close()
        raise
    except sqlite3.DatabaseError as error:
        database.close()
        return set_aside(file, error)
    return database


def set_aside(file: Path, error: sqlite3.DatabaseError) -> sqlite3.Connection:
    """A new database in place of one that is damaged; the damaged one is kept beside it."""
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            file.with_name(file.name + suffix).rename(f"{file}.damaged{suffix}")
    log("guard_state_dropped", file=str(file), error=repr(error))
    return opened(file)
