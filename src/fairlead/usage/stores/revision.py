"""The revision of what workers are told: keys, tenants and plans of one database share it.

It grows with every change, within its transaction: whoever sees a revision sees all of it.
"""

from __future__ import annotations

from fairlead.usage.stores.formats import Database, Part

PART = Part(
    "revision",
    """
    CREATE TABLE IF NOT EXISTS revision (
        one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL) STRICT;
    INSERT INTO revision VALUES (1, 0) ON CONFLICT DO NOTHING;
    """,
)


def revision_of(database: Database) -> int:
    """How often anything has changed. Cheap: it may be asked many times a second."""
    return database.rows("SELECT number FROM revision")[0][0]


def raise_revision(database: Database) -> int:
    """The next revision; within the transaction of a change."""
    return database.rows("UPDATE revision SET number = number + 1 RETURNING number")[0][0]
