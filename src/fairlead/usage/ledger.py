"""The ledger: journal records rolled up per day, model, version, status and decision.

Rolling up is idempotent: the offset reached in each segment is committed together with the sums,
so replaying a segment, or dying anywhere, changes nothing. One process writes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from fairlead.usage.database import opened
from fairlead.usage.records import DECISION, STATUS, Batch, names_before, read

FORMAT = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS format (version INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS segment (name TEXT PRIMARY KEY, offset INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS segment_model (
    segment TEXT NOT NULL, id INTEGER NOT NULL, model TEXT NOT NULL, PRIMARY KEY (segment, id));
CREATE TABLE IF NOT EXISTS usage (
    day TEXT NOT NULL, model TEXT NOT NULL, version INTEGER NOT NULL,
    status TEXT NOT NULL, decision TEXT NOT NULL,
    requests INTEGER NOT NULL, rows INTEGER NOT NULL, bytes_in INTEGER NOT NULL,
    bytes_out INTEGER NOT NULL, compute_ns INTEGER NOT NULL,
    PRIMARY KEY (day, model, version, status, decision)) WITHOUT ROWID;
"""
_ADD = """
INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
    requests = requests + excluded.requests, rows = rows + excluded.rows,
    bytes_in = bytes_in + excluded.bytes_in, bytes_out = bytes_out + excluded.bytes_out,
    compute_ns = compute_ns + excluded.compute_ns
"""
_BATCHES_AT_ONCE = 20_000

Sums = dict[tuple[str, str, int, str, str], list[int]]
"""By day, model, version, status, decision: requests, rows, bytes in, bytes out, compute ns."""


class Ledger:
    """The usage database of one state folder. Open it in one process only."""

    def __init__(self, file: Path) -> None:
        self._db = opened(file, _SCHEMA, FORMAT)

    def close(self) -> None:
        """Closes the database."""
        self._db.close()

    def roll_up(self, segment: Path) -> int:
        """Adds what is new in a segment; returns how many records that were.

        So many frames at most are read at once; 0 means that the segment holds nothing more now.
        """
        name = segment.name
        row = self._db.execute("SELECT offset FROM segment WHERE name = ?", (name,)).fetchone()
        offset = row[0] if row else 0
        if segment.stat().st_size <= offset:
            return 0
        names = names_before(segment, offset)
        sums: Sums = defaultdict(lambda: [0] * 5)
        count = 0
        reached = offset
        for number, (after, batch) in enumerate(read(segment, offset, names)):
            reached = after
            if batch is not None:
                _add(sums, batch)
                count += len(batch.calls.rows)
            if number >= _BATCHES_AT_ONCE:
                break
        if reached == offset:
            return 0
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany(_ADD, [(*key, *values) for key, values in sums.items()])
            self._db.execute("INSERT OR REPLACE INTO segment VALUES (?, ?)", (name, reached))
            self._db.execute("COMMIT")
        except BaseException:
            # A full disk ends the transaction by itself.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return count

    def followed(self) -> set[str]:
        """The names of the segments of which an offset is kept."""
        return {name for (name,) in self._db.execute("SELECT name FROM segment")}

    def forget(self, names: Iterable[str]) -> None:
        """Drops the offsets of segments whose files are gone for good."""
        for name in names:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("DELETE FROM segment WHERE name = ?", (name,))
            self._db.execute("DELETE FROM segment_model WHERE segment = ?", (name,))
            self._db.execute("COMMIT")

    def totals(self) -> list[dict[str, object]]:
        """Every row of the usage table."""
        cursor = self._db.execute("SELECT * FROM usage ORDER BY day, model, version, status")
        columns = [column[0] for column in cursor.description]
        return [dict(zip(columns, row, strict=True)) for row in cursor]


def _add(sums: Sums, batch: Batch) -> None:
    day = datetime.fromtimestamp(batch.wall_ns // 1_000_000_000, UTC).date().isoformat()
    calls = batch.calls
    if not any(calls.status) and not any(calls.decision):
        # Nearly every batch: all answered, all served. Columns sum without a loop of ours.
        values = sums[day, batch.model, batch.version, STATUS[0], DECISION[0]]
        values[0] += len(calls.rows)
        values[1] += sum(calls.rows)
        values[2] += sum(calls.bytes_in)
        values[3] += sum(calls.bytes_out)
        values[4] += sum(calls.compute_ns)
        return
    for record in batch.records():
        values = sums[day, batch.model, batch.version, record.status, record.decision]
        values[0] += 1
        values[1] += record.rows
        values[2] += record.bytes_in
        values[3] += record.bytes_out
        values[4] += record.compute_ns
