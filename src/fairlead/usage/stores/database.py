"""Opening a database, of whatever kind: a SQLite file, or PostgreSQL by its address."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fairlead.usage.stores.formats import Database as Database
from fairlead.usage.stores.formats import Migration, Part
from fairlead.usage.stores.sqlite import SqliteDatabase

NONE: Mapping[int, Migration] = {}


def open_database(
    place: str | Path,
    schema: str,
    format: int = 1,
    migrations: Mapping[int, Migration] = NONE,
    name: str = "state",
) -> Database:
    """The database at a place, with the tables of one store; further ones by `adopt`.

    place: a file, or an address that begins with postgresql://. The rest is told at `Part`. The
    file of a database of an older format is copied beside it (NAME.before-format-N.sqlite) before
    anything changes; PostgreSQL keeps the copy in a schema of that name.
    Raises as Database, and DatabaseAddressInvalid and MissingExtra for PostgreSQL.
    """
    database = connection(place, name)
    try:
        database.adopt(Part(name, schema, format, migrations))
    except BaseException:
        database.close()
        raise
    return database


def connection(place: str | Path, name: str) -> Database:
    """The database at a place, with no tables yet: each store adopts its own. Raises as above."""
    if isinstance(place, str):
        from fairlead.usage.stores.postgres import PostgresDatabase

        return PostgresDatabase(place, name)
    return SqliteDatabase(place, name)
