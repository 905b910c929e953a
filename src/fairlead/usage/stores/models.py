"""What operators have said of models, in the database of keys, under the same revision."""

from __future__ import annotations

import json

from fairlead.core.errors import StateInvalid
from fairlead.core.model_record import ModelRecord
from fairlead.usage.stores import revision
from fairlead.usage.stores.formats import Database, Part

PART = Part(
    "models",
    """
    CREATE TABLE IF NOT EXISTS model_record (
        name TEXT PRIMARY KEY,
        versions TEXT NOT NULL,
        stable INTEGER NOT NULL,
        previous INTEGER NOT NULL,
        labels TEXT NOT NULL,
        rollout TEXT NOT NULL,
        follows INTEGER NOT NULL,
        tried INTEGER NOT NULL,
        changed_ns INTEGER NOT NULL
    ) STRICT;
    """,
)

_SELECT = (
    "SELECT name, versions, stable, previous, labels, rollout, follows, tried FROM model_record"
)


class ModelStore:
    """The records of one database, for one thread of one process.

    Every method raises what a `Database` raises.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        database.adopt(revision.PART)
        database.adopt(PART)

    def record(self, name: str) -> ModelRecord:
        """What was said of a model; of one of which nothing was, that."""
        rows = self._database.rows(f"{_SELECT} WHERE name = ?", (name,))
        return _record(*rows[0]) if rows else ModelRecord(name)

    def records(self) -> dict[str, ModelRecord]:
        """What was said of every model, by name."""
        return {row[0]: _record(*row) for row in self._database.rows(f"{_SELECT} ORDER BY name")}

    def put(self, record: ModelRecord, now_ns: int) -> None:
        """Keeps what is said of a model in place of what was. now_ns: wall clock."""
        labels = json.dumps(dict(record.labels), sort_keys=True)
        rollout = record.rollout, int(record.follows), record.tried
        about = record.name, record.versions, record.stable, record.previous
        with self._database.writing():
            self._database.rows("DELETE FROM model_record WHERE name = ?", (record.name,))
            values = *about, labels, *rollout, now_ns
            self._database.rows(
                "INSERT INTO model_record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values
            )
            revision.raise_revision(self._database)


def _record(
    name: str,
    versions: str,
    stable: int,
    previous: int,
    labels: str,
    rollout: str,
    follows: int,
    tried: int,
) -> ModelRecord:
    try:
        found = {str(label): int(number) for label, number in json.loads(labels).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise StateInvalid(f"the labels of model {name!r} cannot be read: {error}") from None
    return ModelRecord(name, versions, stable, previous, found, rollout, bool(follows), tried)
