"""Live accuracy: true labels joined with the outcomes of the calls that they belong to.

One process follows the outcome log and the labels that came in. The place reached in each segment
is committed together with the sums, so that dying anywhere changes nothing. An outcome stands in
its segment before its answer, and so its usage id, is known to anyone: labels that are read before
the outcomes are never too early, and what finds no outcome then is an id of no call of this model.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fairlead.core.clock import wall_ns
from fairlead.usage import feedback, outcomes
from fairlead.usage.database import opened
from fairlead.usage.feedback import FEEDBACK, Labelled
from fairlead.usage.outcomes import OUTCOMES, Outcome
from fairlead.usage.segments import SEGMENT_BYTES, SUFFIX, remove, sealed, segments
from fairlead.usage.tally import Tally, truth_of

ACCURACY = "accuracy.sqlite"
KEPT_BYTES = 1 << 30
"""Of the outcomes of one version, whatever their time; the oldest segments go first."""
_MARK_BYTES = 4 << 10
_FRAMES_AT_ONCE = 8
_SWEEP_NS = 60 * 10**9
_DAY_NS = 86_400 * 10**9
FORMAT = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS format (version INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS taken (segment TEXT PRIMARY KEY, offset INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS kept (
    path TEXT PRIMARY KEY, model TEXT NOT NULL, version INTEGER NOT NULL, writer TEXT NOT NULL,
    first INTEGER, last INTEGER, offset INTEGER NOT NULL, days INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS kept_of ON kept (model, writer);
CREATE TABLE IF NOT EXISTS mark (
    path TEXT NOT NULL, first INTEGER NOT NULL, offset INTEGER NOT NULL,
    PRIMARY KEY (path, first)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS labelled (
    path TEXT NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (path, sequence)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tally (
    model TEXT NOT NULL, version INTEGER NOT NULL, about TEXT NOT NULL, sums TEXT NOT NULL,
    recent TEXT NOT NULL, unserved INTEGER NOT NULL, repeated INTEGER NOT NULL,
    PRIMARY KEY (model, version)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stray (model TEXT PRIMARY KEY, unmatched INTEGER NOT NULL);
"""
_OPENING = "INSERT OR IGNORE INTO kept VALUES (?, ?, ?, ?, NULL, NULL, 0, ?)"
_TALLY = """
INSERT INTO tally VALUES (?, ?, ?, '{}', '[]', 0, 0)
ON CONFLICT DO UPDATE SET about = excluded.about
"""
_SUMS = """
UPDATE tally SET sums = ?, recent = ?, unserved = unserved + ? WHERE model = ? AND version = ?
"""
_CANDIDATES = """
SELECT path, version, (SELECT max(offset) FROM mark WHERE mark.path = kept.path AND first <= ?)
FROM kept WHERE model = ? AND writer = ? AND first <= ? AND last >= ?
"""
_STRAY = """
INSERT INTO stray VALUES (?, ?) ON CONFLICT DO UPDATE SET unmatched = unmatched + excluded.unmatched
"""

Key = tuple[str, int]


class LiveAccuracy:
    """The live accuracy of every version of one state folder. Open it in one thread only."""

    def __init__(self, state: Path, kept_bytes: int = KEPT_BYTES) -> None:
        self._outcomes = state / OUTCOMES
        self._feedback = state / FEEDBACK
        self._kept_bytes = kept_bytes
        self._ended: set[str] = set()
        self._swept_ns = 0
        self._db = opened(state / ACCURACY, _SCHEMA, FORMAT)

    def close(self) -> None:
        """Closes the database."""
        self._db.close()

    def follow(self) -> int:
        """One round: joins the labels that have come in, and removes what has had its time.

        So much at most is joined at once; returns of how many calls the labels were.
        """
        came = {s: self._taken(s) for s in segments(self._feedback)}
        over = {s for s in came if sealed(s)} if came else set[Path]()
        read = {s: list(self._read(s, offset)) for s, offset in came.items()}
        self._index()
        done = sum(self._join(s, came[s], found) for s, found in read.items() if found)
        spent = [s for s in over if not read[s]]
        if abs(wall_ns() - self._swept_ns) > _SWEEP_NS:
            self._swept_ns = wall_ns()
            self._remove_outcomes()
        if spent:
            remove(spent)
            with _Transaction(self._db):
                names = [(segment.name,) for segment in spent]
                self._db.executemany("DELETE FROM taken WHERE segment = ?", names)
        return done

    def facts(self) -> dict[Key, dict[str, Any]]:
        """What is known of each version with an outcome log, by (model, version), as plain JSON.

        `unmatched` counts calls of the model, whatever the version: their ids are of none.
        """
        unmatched = dict(self._db.execute("SELECT model, unmatched FROM stray"))
        found: dict[Key, dict[str, Any]] = {}
        for model, version, about, sums, recent, unserved, repeated in self._db.execute(
            "SELECT * FROM tally ORDER BY model, version"
        ):
            tally = Tally(json.loads(about), json.loads(sums), json.loads(recent))
            found[model, version] = {
                **tally.facts(),
                "unserved": unserved,
                "repeated": repeated,
                "unmatched": unmatched.get(model, 0),
            }
        return found

    # --- labels -----------------------------------------------------------------------------

    def _taken(self, segment: Path) -> int:
        asked = "SELECT offset FROM taken WHERE segment = ?"
        row = self._db.execute(asked, (segment.name,)).fetchone()
        return row[0] if row else 0

    @staticmethod
    def _read(segment: Path, offset: int) -> Iterable[tuple[int, str, list[Labelled]]]:
        for number, found in enumerate(feedback.read(segment, offset), 1):
            yield found
            if number == _FRAMES_AT_ONCE or found[0] - offset > SEGMENT_BYTES:
                return

    def _join(
        self, segment: Path, offset: int, found: Sequence[tuple[int, str, list[Labelled]]]
    ) -> int:
        """Adds the labels of some frames to the sums, in one transaction with their place."""
        with _Transaction(self._db):
            if self._taken(segment) != offset:
                return 0  # another who follows was faster
            joining = _Joining(self._db, self._outcomes)
            for _, model, given in found:
                for labelled in given:
                    joining.add(model, labelled)
            joining.save()
            place = (segment.name, found[-1][0])
            self._db.execute("INSERT OR REPLACE INTO taken VALUES (?, ?)", place)
        return sum(len(given) for _, _, given in found)

    # --- outcomes ---------------------------------------------------------------------------

    def _index(self) -> None:
        """Notes which calls stand where in the outcome log, as far as it is written."""
        for path in self._paths():
            if path not in self._ended:
                segment = self._outcomes / path
                over = sealed(segment)  # asked first: what is indexed afterwards is all there is
                if self._known(segment, path) and over:
                    self._ended.add(path)

    def _known(self, segment: Path, path: str) -> bool:
        """Indexes what is new in a segment; False while it does not say what its rows mean."""
        row = self._db.execute("SELECT offset FROM kept WHERE path = ?", (path,)).fetchone()
        if row is None:
            about = outcomes.about_of(segment)
            if about is None:
                return False  # its writer has not come further
            writer = segment.stem.rpartition("-")[0]
            where = (path, about["model"], about["version"])
            with _Transaction(self._db):
                self._db.execute(_OPENING, (*where, writer, about["days"]))
                self._db.execute(_TALLY, (*where[1:], json.dumps(about)))
        offset = row[0] if row else 0
        if segment.stat().st_size > offset:
            self._index_segment(segment, path, offset)
        return True

    def _index_segment(self, segment: Path, path: str, offset: int) -> None:
        marks: list[tuple[str, int, int]] = []
        reached, last, next_mark = offset, None, 0
        for after, kept in outcomes.read(segment, offset):
            if kept is not None and len(kept.sequences):
                last = kept.sequences[-1]
                if reached >= next_mark:
                    marks.append((path, kept.sequences[0], reached))
                    next_mark = reached + _MARK_BYTES
            reached = after
        if reached == offset:
            return
        with _Transaction(self._db):
            self._db.executemany("INSERT OR IGNORE INTO mark VALUES (?, ?, ?)", marks)
            self._db.execute(
                "UPDATE kept SET offset = ?, first = coalesce(first, ?), last = coalesce(?, last) "
                "WHERE path = ?",
                (reached, marks[0][1] if marks else None, last, path),
            )

    def _paths(self) -> list[str]:
        """Every segment of outcomes, as model/version/name."""
        if not self._outcomes.is_dir():
            return []
        return [
            f"{model.name}/{version.name}/{segment.name}"
            for model in os.scandir(self._outcomes)
            if model.is_dir()
            for version in os.scandir(model)
            if version.is_dir()
            for segment in os.scandir(version)
            if segment.name.endswith(SUFFIX) and not segment.name.startswith(".")
        ]

    def _remove_outcomes(self) -> None:
        """Removes segments whose time is over, and the oldest of a version that has too many."""
        days = dict(self._db.execute("SELECT path, days FROM kept"))
        here = {path: (self._outcomes / path).stat() for path in self._paths()}
        newest = sorted(here, key=lambda path: here[path].st_mtime_ns, reverse=True)
        spent: list[str] = []
        sizes: dict[str, int] = {}
        for path in newest:
            version = path.rpartition("/")[0]
            sizes[version] = sizes.get(version, 0) + here[path].st_size
            limit = wall_ns() - days.get(path, 1) * _DAY_NS
            gone = sizes[version] > self._kept_bytes or here[path].st_mtime_ns < limit
            if gone and sealed(self._outcomes / path):
                spent.append(path)
        if spent:
            remove([self._outcomes / path for path in spent])
            self._ended.difference_update(spent)
        lost = [(path,) for path in days.keys() - (here.keys() - {*spent})]
        if lost:
            with _Transaction(self._db):
                for table in ("kept", "mark", "labelled"):
                    self._db.executemany(f"DELETE FROM {table} WHERE path = ?", lost)  # noqa: S608


class _Joining:
    """Labels on their way into the sums, within one transaction."""

    def __init__(self, db: sqlite3.Connection, folder: Path) -> None:
        self._db = db
        self._folder = folder
        self._tallies: dict[Key, Tally] = {}
        self._unserved: dict[Key, int] = {}
        self._unmatched: dict[str, int] = {}

    def add(self, model: str, labelled: Labelled) -> None:
        """Counts the labels of one call, unless it is none of this model's or has some already."""
        writer, _, number = labelled.usage.rpartition("-")
        sequence = int(number, 16)
        found = self._find(model, writer, sequence)
        if found is None or len(found[2].decision) != len(labelled.labels):
            self._unmatched[model] = self._unmatched.get(model, 0) + 1
            return
        path, version, outcome = found
        # The first labels count: a later word on the same call would change what was told before.
        added = "INSERT OR IGNORE INTO labelled VALUES (?, ?)"
        if not self._db.execute(added, (path, sequence)).rowcount:
            again = "UPDATE tally SET repeated = repeated + 1 WHERE model = ? AND version = ?"
            self._db.execute(again, (model, version))
            return
        key = model, version
        tally = self._tallies.get(key) or self._load(key)
        _, unserved = tally.add(outcome, truth_of(tally.about, labelled.labels))
        self._unserved[key] = self._unserved.get(key, 0) + unserved

    def save(self) -> None:
        """Writes the sums."""
        for key, tally in self._tallies.items():
            sums = json.dumps(tally.sums), json.dumps(tally.recent)
            self._db.execute(_SUMS, (*sums, self._unserved[key], *key))
        self._db.executemany(_STRAY, self._unmatched.items())

    def _load(self, key: Key) -> Tally:
        asked = "SELECT about, sums, recent FROM tally WHERE model = ? AND version = ?"
        about, sums, recent = map(json.loads, self._db.execute(asked, key).fetchone())
        tally = self._tallies[key] = Tally(about, sums, recent)
        return tally

    def _find(self, model: str, writer: str, sequence: int) -> tuple[str, int, Outcome] | None:
        asked = (sequence, model, writer, sequence, sequence)
        for path, version, offset in self._db.execute(_CANDIDATES, asked).fetchall():
            try:
                outcome = outcomes.find(self._folder / path, offset or 0, sequence)
            except FileNotFoundError:
                continue  # its time was over
            if outcome is not None:
                return path, version, outcome
        return None


class _Transaction:
    """All of a block, or nothing of it."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if kind is None:
                self._db.execute("COMMIT")
        finally:
            # A full disk ends the transaction by itself, and may do so at the very end.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
