"""Opening a database of one state folder, for the one process and thread that writes it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

_SAFE = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000;"


def opened(file: Path, schema: str, version: int) -> sqlite3.Connection:
    """The database with its tables; a new one notes the version of its format."""
    database = sqlite3.connect(file, isolation_level=None)
    database.executescript(_SAFE)
    database.executescript(schema)
    if database.execute("SELECT version FROM format").fetchone() is None:
        database.execute("INSERT INTO format VALUES (?)", (version,))
    return database
