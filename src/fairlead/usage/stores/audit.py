"""The audit trail's table, in SQLite or PostgreSQL, beside what its acts have changed.

A record is written in the transaction of the change that it tells of: both are there or neither.
The newest record is also noted in a small file of the state folder, since a trail that was cut off
at its end looks whole.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from fairlead.core.audit import NOTHING, Head, Record
from fairlead.core.errors import StateInvalid
from fairlead.usage.stores.formats import Database, Part

_SCHEMA = """
CREATE TABLE IF NOT EXISTS audit (
    number INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, who TEXT NOT NULL, place TEXT NOT NULL,
    act TEXT NOT NULL, about TEXT NOT NULL, was TEXT NOT NULL, became TEXT NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)) STRICT;
CREATE INDEX IF NOT EXISTS audit_about ON audit (about, number);
CREATE INDEX IF NOT EXISTS audit_time ON audit (time_ns, number);
CREATE TABLE IF NOT EXISTS audit_head (
    one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)) STRICT;
"""
PART = Part("audit", _SCHEMA)
NOTED = "audit.head"
"""The file of the newest record in a state folder."""

MOST = 1000
"""Records of one look."""

_LONGEST = 1000
_FIELDS = "number, time_ns, who, place, act, about, was, became, hash"
_APPEND = f"INSERT INTO audit ({_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
_NOTE = re.compile(rb"([0-9]{20}) ([0-9a-f]{64})\n")


class AuditStore:
    """The trail of one database. Nothing here changes or removes a record."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.adopt(PART)

    def append(self, chain: Sequence[Callable[[Head], Record]]) -> Head:
        """Appends records; each is made of the head before it. To be called while writing.

        Whoever writes at the same time waits until this transaction is over.
        """
        head = self._take_head()
        records: list[Record] = []
        for follow in chain:
            records.append(follow(head))
            head = Head(records[-1].number, records[-1].hash)
        self._database.many(_APPEND, [_row(record) for record in records])
        self._database.rows("UPDATE audit_head SET number = ?, hash = ?", (head.number, head.hash))
        return head

    def _take_head(self) -> Head:
        """The newest record, held against other writers."""
        first = "INSERT INTO audit_head VALUES (1, 0, ?) ON CONFLICT DO NOTHING"
        self._database.rows(first, (NOTHING.hash,))
        hold = "UPDATE audit_head SET number = number RETURNING number, hash"
        number, digest = self._database.rows(hold)[0]
        return Head(number, bytes(digest))

    def head(self) -> Head:
        """The newest record."""
        found = self._database.rows("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1")
        return Head(found[0][0], bytes(found[0][1])) if found else NOTHING

    def at(self, number: int) -> Head | None:
        """The record of a number, None where there is none."""
        found = self._database.rows("SELECT hash FROM audit WHERE number = ?", (number,))
        return Head(number, bytes(found[0][0])) if found else None

    def records(
        self, since_ns: int = 0, about: str = "", after: int = 0, most: int = MOST
    ) -> list[Record]:
        """At most `most` records, oldest first: those from a wall-clock time on, about an object
        ("" for any), whose numbers are above `after`."""
        where, given = "number > ? AND time_ns >= ?", [after, since_ns]
        values: list[object] = [*given]
        if about:
            where += " AND about = ?"
            values.append(about)
        asked = f"SELECT {_FIELDS} FROM audit WHERE {where} ORDER BY number LIMIT ?"  # noqa: S608
        found = self._database.rows(asked, (*values, min(most, MOST)))
        return [Record(*row[:-1], hash=bytes(row[-1])) for row in found]

    def every(self) -> Iterator[Record]:
        """All records, oldest first, in pieces: a trail may be longer than memory."""
        after = 0
        while found := self.records(after=after):
            yield from found
            after = found[-1].number


def _row(record: Record) -> tuple[object, ...]:
    r = record
    return r.number, r.time_ns, r.who, r.place, r.act, r.about, r.before, r.after, r.hash


class Noted:
    """The newest record as the state folder remembers it. Raises StateInvalid and OSError."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / NOTED

    def read(self) -> Head:
        """What was noted last. Raises StateInvalid for what is no note, or may be another's."""
        try:
            with self._file.open("rb") as opened:
                mode = os.fstat(opened.fileno()).st_mode
                raw = opened.read(_LONGEST)
        except FileNotFoundError:
            return NOTHING
        if mode & 0o022:
            raise StateInvalid(
                "others may write the note of the newest record of the audit trail",
                where=NOTED,
                fix="Look at who changed it, and close it with chmod 600",
            )
        found = _NOTE.fullmatch(raw)
        if found is None:
            raise StateInvalid(
                "the note of the newest record of the audit trail cannot be read",
                where=NOTED,
                fix="Look at who changed it; restore it from a backup",
            )
        return Head(int(found[1]), bytes.fromhex(found[2].decode()))

    def write(self, head: Head) -> None:
        """Notes a record. The note has always the same length, and is written over at once: after a
        power cut it may be an older one, which is still in the trail, but never half of one."""
        handle = os.open(self._file, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            new = os.fstat(handle).st_size == 0
            os.pwrite(handle, f"{head.number:020d} {head.hash.hex()}\n".encode(), 0)
            if new:
                os.fsync(handle)
        finally:
            os.close(handle)
