"""What was used of limits, as it outlives a restart: a row per limit, or per day or month of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fairlead.core.metering import Kept
from fairlead.usage.stores.database import connection
from fairlead.usage.stores.formats import Database, Part

FILE = "meters.sqlite"
"""The database in a state folder."""

PART = Part(
    "meters",
    """
    CREATE TABLE IF NOT EXISTS meter (
        name TEXT NOT NULL, first TEXT NOT NULL, used INTEGER NOT NULL, at_ns INTEGER NOT NULL,
        until_ns INTEGER NOT NULL, PRIMARY KEY (name, first)) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS meter_run (
        one INTEGER PRIMARY KEY CHECK (one = 1), in_order INTEGER NOT NULL) STRICT;
    INSERT INTO meter_run VALUES (1, 1) ON CONFLICT DO NOTHING;
    """,
)
_WRITE = """
INSERT INTO meter VALUES (?, ?, ?, ?, ?) ON CONFLICT (name, first) DO UPDATE SET
    used = excluded.used, at_ns = excluded.at_ns, until_ns = excluded.until_ns
"""


class MeterTable:
    """Keeps the limits of one host; see MeterKeep. For one thread of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.adopt(PART)

    def read(self, wall_ns: int) -> tuple[bool, list[Kept]]:
        """As MeterKeep; what no longer matters is removed."""
        database = self._database
        with database.writing():
            [(in_order,)] = database.rows("SELECT in_order FROM meter_run")
            database.rows("UPDATE meter_run SET in_order = 0")
            database.rows("DELETE FROM meter WHERE until_ns <= ?", (wall_ns,))
            rows = database.rows("SELECT name, first, used, at_ns, until_ns FROM meter")
        return bool(in_order), [Kept(*row) for row in rows]

    def write(self, kept: Sequence[Kept]) -> None:
        """As MeterKeep."""
        with self._database.writing():
            self._database.many(_WRITE, kept)

    def close(self, in_order: bool) -> None:
        """As MeterKeep."""
        if in_order:
            with self._database.writing():
                self._database.rows("UPDATE meter_run SET in_order = 1")
        self._database.close()


def open_meters(folder: Path) -> MeterTable:
    """The table of a state folder. Raises as Database."""
    database = connection(folder / FILE, PART.name)
    try:
        return MeterTable(database)
    except BaseException:
        database.close()
        raise
