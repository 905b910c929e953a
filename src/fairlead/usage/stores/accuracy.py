"""What live accuracy keeps: places reached, sums of versions, and which calls have labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from fairlead.usage.stores.database import open_database
from fairlead.usage.stores.formats import Database, Part

FILE = "accuracy.sqlite"
"""The database in a state folder."""

PART = Part(
    "accuracy",
    """
    CREATE TABLE IF NOT EXISTS taken (segment TEXT PRIMARY KEY, offset INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS kept (
        path TEXT PRIMARY KEY, model TEXT NOT NULL, version INTEGER NOT NULL, writer TEXT NOT NULL,
        first INTEGER, last INTEGER, offset INTEGER NOT NULL, days INTEGER NOT NULL);
    CREATE INDEX IF NOT EXISTS kept_of ON kept (model, writer);
    CREATE TABLE IF NOT EXISTS mark (
        path TEXT NOT NULL, first INTEGER NOT NULL, offset INTEGER NOT NULL,
        PRIMARY KEY (path, first)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS labelled (
        path TEXT NOT NULL, sequence INTEGER NOT NULL,
        PRIMARY KEY (path, sequence)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS tally (
        model TEXT NOT NULL, version INTEGER NOT NULL, about TEXT NOT NULL, sums TEXT NOT NULL,
        recent TEXT NOT NULL, unserved INTEGER NOT NULL, repeated INTEGER NOT NULL,
        PRIMARY KEY (model, version)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS stray (model TEXT PRIMARY KEY, unmatched INTEGER NOT NULL);
    """,
)
_OPENING = "INSERT INTO kept VALUES (?, ?, ?, ?, NULL, NULL, 0, ?) ON CONFLICT DO NOTHING"
_TALLY = """
INSERT INTO tally VALUES (?, ?, ?, '{}', '[]', 0, 0)
ON CONFLICT (model, version) DO UPDATE SET about = excluded.about
"""
_SUMS = """
UPDATE tally SET sums = ?, recent = ?, unserved = unserved + ? WHERE model = ? AND version = ?
"""
_CANDIDATES = """
SELECT path, version, (SELECT max(offset) FROM mark WHERE mark.path = kept.path AND first <= ?)
FROM kept WHERE model = ? AND writer = ? AND first <= ? AND last >= ?
"""
_STRAY = """
INSERT INTO stray VALUES (?, ?)
ON CONFLICT (model) DO UPDATE SET unmatched = stray.unmatched + excluded.unmatched
"""
_INDEX = """
UPDATE kept SET offset = ?, first = coalesce(first, ?), last = coalesce(?, last) WHERE path = ?
"""
_TAKEN = """
INSERT INTO taken VALUES (?, ?) ON CONFLICT (segment) DO UPDATE SET offset = excluded.offset
"""
_LABELLED = "INSERT INTO labelled VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING 1"


class Summed(NamedTuple):
    """The sums of one version; about, sums and recent are JSON texts."""

    model: str
    version: int
    about: str
    sums: str
    recent: str
    unserved: int
    repeated: int


class AccuracyStore:
    """The tables of one state folder, for one thread of one process.

    Paths are those of segments of outcomes (model/version/name), segments those of labels. Every
    method raises what a `Database` raises; those that change something are for within `writing`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def close(self) -> None:
        """Closes the database."""
        self._database.close()

    def writing(self) -> AbstractContextManager[None]:
        """All of a block, or nothing of it."""
        return self._database.writing()

    # --- labels -----------------------------------------------------------------------------

    def taken(self, segment: str) -> int:
        """The offset in a segment of labels up to which they are joined."""
        found = self._database.rows("SELECT offset FROM taken WHERE segment = ?", (segment,))
        return found[0][0] if found else 0

    def take(self, segment: str, offset: int) -> None:
        """Notes that a segment of labels is joined up to an offset."""
        self._database.rows(_TAKEN, (segment, offset))

    def forget_taken(self, segments: Iterable[str]) -> None:
        """Forgets segments of labels that are gone for good."""
        gone = [(segment,) for segment in segments]
        self._database.many("DELETE FROM taken WHERE segment = ?", gone)

    def label(self, path: str, sequence: int) -> bool:
        """Notes that a call has labels; False when it has some already."""
        return bool(self._database.rows(_LABELLED, (path, sequence)))

    # --- outcomes ---------------------------------------------------------------------------

    def begin(
        self, path: str, model: str, version: int, writer: str, days: int, about: str
    ) -> None:
        """Notes a segment of outcomes, and what its version's rows mean (JSON)."""
        self._database.rows(_OPENING, (path, model, version, writer, days))
        self._database.rows(_TALLY, (model, version, about))

    def reached(self, path: str) -> int | None:
        """The offset up to which a segment of outcomes is indexed, None before `begin`."""
        found = self._database.rows("SELECT offset FROM kept WHERE path = ?", (path,))
        return found[0][0] if found else None

    def index(
        self, path: str, reached: int, marks: Sequence[tuple[int, int]], last: int | None
    ) -> None:
        """Notes what is new in a segment of outcomes.

        marks: (sequence number, offset where it stands) of some calls in it, in rising order.
        last: the number of the last call.
        """
        marked = [(path, first, offset) for first, offset in marks]
        self._database.many("INSERT INTO mark VALUES (?, ?, ?) ON CONFLICT DO NOTHING", marked)
        first = marks[0][0] if marks else None
        self._database.rows(_INDEX, (reached, first, last, path))

    def candidates(
        self, model: str, writer: str, sequence: int
    ) -> list[tuple[str, int, int | None]]:
        """Where a call may stand: (path, version, offset from which to look)."""
        asked = (sequence, model, writer, sequence, sequence)
        return [
            (path, version, at) for path, version, at in self._database.rows(_CANDIDATES, asked)
        ]

    def days(self) -> dict[str, int]:
        """For how many days each segment of outcomes is kept."""
        return dict(self._database.rows("SELECT path, days FROM kept"))

    def forget(self, paths: Sequence[str]) -> None:
        """Forgets segments of outcomes that are gone for good."""
        gone = [(path,) for path in paths]
        for table in ("kept", "mark", "labelled"):
            self._database.many(f"DELETE FROM {table} WHERE path = ?", gone)  # noqa: S608

    # --- sums -------------------------------------------------------------------------------

    def sums(self, model: str, version: int) -> Summed:
        """The sums of a version that has begun."""
        asked = "SELECT * FROM tally WHERE model = ? AND version = ?"
        return Summed(*self._database.rows(asked, (model, version))[0])

    def every_sum(self) -> list[Summed]:
        """The sums of every version."""
        asked = "SELECT * FROM tally ORDER BY model, version"
        return [Summed(*row) for row in self._database.rows(asked)]

    def keep(self, model: str, version: int, sums: str, recent: str, unserved: int) -> None:
        """Keeps the sums of a version; so many more of its answers were not served."""
        self._database.rows(_SUMS, (sums, recent, unserved, model, version))

    def repeat(self, model: str, version: int) -> None:
        """Counts labels of a call that had some already."""
        again = "UPDATE tally SET repeated = repeated + 1 WHERE model = ? AND version = ?"
        self._database.rows(again, (model, version))

    def stray(self, unmatched: Mapping[str, int]) -> None:
        """Counts labels of a model that belong to no call of it."""
        self._database.many(_STRAY, list(unmatched.items()))

    def strays(self) -> dict[str, int]:
        """How many of a model's labels belong to no call of it."""
        return dict(self._database.rows("SELECT model, unmatched FROM stray"))


def open_accuracy(folder: Path) -> AccuracyStore:
    """The tables of a state folder. Raises as `open_database`."""
    file = folder / FILE
    return AccuracyStore(open_database(file, PART.schema, PART.format, name=PART.name))
