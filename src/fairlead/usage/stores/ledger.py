"""The ledger's tables, in SQLite or PostgreSQL.

Sums stand in rows of the segment that they come from while its file exists, so that they can be
compared with it; when it is removed they are folded into the rows of segment 0. Quarters of an hour
are counted since 1970 (UTC): days and months of every time zone are made of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from fairlead.usage.records import Who, who_of
from fairlead.usage.stores.formats import Database, Migration, Part
from fairlead.usage.sums import Key, Sums

FORMAT = 2
SCHEMA = """
CREATE TABLE IF NOT EXISTS usage_segment (
    id INTEGER PRIMARY KEY, place TEXT NOT NULL, writer TEXT NOT NULL, name TEXT NOT NULL UNIQUE,
    reached INTEGER NOT NULL, events INTEGER NOT NULL, state INTEGER NOT NULL,
    sha256 TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS usage_chain (
    writer TEXT PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS usage_who (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, tenant TEXT NOT NULL, plan TEXT NOT NULL,
    price TEXT NOT NULL, UNIQUE (key, tenant, plan, price)) STRICT;
CREATE TABLE IF NOT EXISTS usage_model (
    id INTEGER PRIMARY KEY, model TEXT NOT NULL, version INTEGER NOT NULL,
    UNIQUE (model, version)) STRICT;
CREATE TABLE IF NOT EXISTS usage (
    segment INTEGER NOT NULL, quarter INTEGER NOT NULL, model INTEGER NOT NULL,
    who INTEGER NOT NULL, status INTEGER NOT NULL, decision INTEGER NOT NULL,
    requests INTEGER NOT NULL, rows INTEGER NOT NULL, bytes_in INTEGER NOT NULL,
    bytes_out INTEGER NOT NULL, compute_ns INTEGER NOT NULL, withheld INTEGER NOT NULL,
    PRIMARY KEY (segment, quarter, model, who, status, decision)) STRICT, WITHOUT ROWID;
"""
_FROM_1 = f"""
ALTER TABLE usage RENAME TO usage_1;
ALTER TABLE segment RENAME TO segment_1;
DROP TABLE segment_model;
{SCHEMA}
INSERT INTO usage_who VALUES (1, '', '', '', '');
INSERT INTO usage_model SELECT row_number() OVER (ORDER BY model, version), model, version
    FROM (SELECT DISTINCT model, version FROM usage_1);
INSERT INTO usage SELECT 0, CAST(strftime('%s', day) AS INTEGER) / 900, m.id, 1,
    CASE status WHEN 'ok' THEN 0 WHEN 'failed' THEN 1 ELSE 2 END,
    CASE decision WHEN 'serve' THEN 0 WHEN 'warn' THEN 1 WHEN 'abstain' THEN 2 ELSE 3 END,
    requests, rows, bytes_in, bytes_out, compute_ns, 0
    FROM usage_1 JOIN usage_model m ON m.model = usage_1.model AND m.version = usage_1.version;
INSERT INTO usage_segment SELECT row_number() OVER (ORDER BY name), '',
    substr(name, 1, length(name) - 15), name, offset, 0, 3, '' FROM segment_1;
DROP TABLE usage_1;
DROP TABLE segment_1;
"""  # noqa: S608 - nothing of it comes from outside
# Format 1 counted per day, in SQLite alone: a day stands in its first quarter of an hour now.
MIGRATIONS: Mapping[int, Migration] = {1: _FROM_1}
PART = Part("ledger", SCHEMA, FORMAT, MIGRATIONS)
OPEN, FINISHED, FOLDED, OLD = range(4)
"""A segment is being written; is whole and hashed; is in the common rows and goes away; was rolled
up by an earlier release, which kept no rows of its own for it (place '')."""

QUANTITIES = ("requests", "rows", "bytes_in", "bytes_out", "compute_ns", "withheld")
_ADDING = ", ".join(f"{name} = usage.{name} + excluded.{name}" for name in QUANTITIES)
_CONFLICT = f"ON CONFLICT (segment, quarter, model, who, status, decision) DO UPDATE SET {_ADDING}"
_ADD = "INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) " + _CONFLICT  # noqa: S608
_FOLD = (
    """
INSERT INTO usage SELECT 0, quarter, model, who, status, decision,
    requests, rows, bytes_in, bytes_out, compute_ns, withheld
FROM usage WHERE segment = ? ORDER BY quarter, model, who, status, decision
"""
    + _CONFLICT
)
_KEPT = 65_536


class Followed(NamedTuple):
    """What is known of a segment. events: records that were rolled up; state: OPEN to OLD."""

    id: int
    name: str
    reached: int
    events: int
    state: int
    sha256: str


class LedgerStore:
    """The tables of one ledger. place: which state folder the segments are of."""

    def __init__(self, database: Database, place: str) -> None:
        self.database = database
        self._place = place
        self._models: dict[tuple[str, int], int] = {}
        self._whos: dict[Who, int] = {}

    def followed(self) -> dict[str, Followed]:
        """Every segment of this place that is known, by name."""
        asked = (
            "SELECT id, name, reached, events, state, sha256 FROM usage_segment "
            "WHERE place IN (?, '')"
        )
        return {row[1]: Followed(*row) for row in self.database.rows(asked, (self._place,))}

    def reached(self, name: str) -> int:
        """The offset in a segment up to which it is summed."""
        asked = "SELECT reached FROM usage_segment WHERE name = ?"
        return next((row[0] for row in self.database.rows(asked, (name,))), 0)

    def is_open(self, name: str) -> bool:
        """Whether a segment has not been finished yet."""
        asked = "SELECT state FROM usage_segment WHERE name = ?"
        return all(state == OPEN for (state,) in self.database.rows(asked, (name,)))

    def add(self, name: str, offset: int, reached: int, count: int, sums: Sums) -> bool:
        """Adds the sums of a stretch of a segment; False when another has done so."""
        try:
            with self.database.writing():
                known = self._segment(name)
                if known.reached != offset:
                    return False
                rows = [self._row(known.id, key, values) for key, values in sums.items()]
                self.database.many(_ADD, sorted(rows))
                self.database.rows(
                    "UPDATE usage_segment SET reached = ?, events = events + ? WHERE id = ?",
                    (reached, count, known.id),
                )
        except BaseException:
            self._models.clear()  # ids given in vain
            self._whos.clear()
            raise
        return True

    def finish(self, name: str, sha256: str) -> None:
        """Notes the hash of a segment that will not change any more."""
        with self.database.writing():
            known = self._segment(name)
            if known.state == OPEN:
                told = (FINISHED, sha256, known.id)
                self.database.rows(
                    "UPDATE usage_segment SET state = ?, sha256 = ? WHERE id = ?", told
                )

    def fold(self, names: Iterable[str]) -> None:
        """Moves the sums of segments into the common rows. Their files must go afterwards."""
        with self.database.writing():
            for name in names:
                known = self._segment(name)
                if known.state != FOLDED:
                    self.database.rows(_FOLD, (known.id,))
                    self.database.rows("DELETE FROM usage WHERE segment = ?", (known.id,))
                    self.database.rows(
                        "UPDATE usage_segment SET state = ? WHERE id = ?", (FOLDED, known.id)
                    )
                    self._link(known)

    def _link(self, known: Followed) -> None:
        self.database.rows(
            "INSERT INTO usage_chain VALUES (?, ?, ?) ON CONFLICT (writer) DO UPDATE SET "
            "name = excluded.name, sha256 = excluded.sha256 WHERE usage_chain.name < excluded.name",
            (_writer(known.name), known.name, known.sha256),
        )

    def forget(self, names: Iterable[str]) -> None:
        """Drops what is known of segments that were folded and whose files are gone for good."""
        with self.database.writing():
            for name in names:
                self.database.rows(
                    "DELETE FROM usage_segment WHERE name = ? AND state = ?", (name, FOLDED)
                )
                # Of a writer of whom no segment is left, nothing can be missing.
                self.database.rows(
                    "DELETE FROM usage_chain WHERE writer = ? AND NOT EXISTS "
                    "(SELECT 1 FROM usage_segment s WHERE s.writer = usage_chain.writer)",
                    (_writer(name),),
                )

    def links(self) -> dict[str, tuple[str, str]]:
        """By writer, the name and hash of its last segment that was folded."""
        found = self.database.rows("SELECT writer, name, sha256 FROM usage_chain")
        return {writer: (name, sha256) for writer, name, sha256 in found}

    def sums_of(self, name: str) -> Sums:
        """What was added of a segment that is not folded."""
        asked = """
        SELECT quarter, m.model, m.version, w.key, w.tenant, w.plan, w.price, status, decision,
               requests, rows, bytes_in, bytes_out, compute_ns, withheld
        FROM usage JOIN usage_model m ON m.id = usage.model JOIN usage_who w ON w.id = usage.who
        WHERE segment = (SELECT id FROM usage_segment WHERE name = ?)
        """
        found: Sums = {}
        for row in self.database.rows(asked, (name,)):
            quarter, model, version, *who, status, decision = row[:9]
            written = Who(*who).written()
            found[quarter, model, version, written, status, decision] = [*row[9:]]
        return found

    def drop_before(self, quarter: int) -> int:
        """Drops the common rows of earlier quarters; how many there were."""
        earlier = "FROM usage WHERE segment = 0 AND quarter < ?"
        with self.database.writing():
            count: int = self.database.rows(f"SELECT count(*) {earlier}", (quarter,))[0][0]
            if count:
                self.database.rows(f"DELETE {earlier}", (quarter,))
        return count

    def grouped(
        self, by: Sequence[str], first: int, after: int, only: Mapping[str, str], most: int = 0
    ) -> list[tuple[Any, ...]]:
        """Sums of the quarters from `first` to before `after`, a row per combination of `by`.

        by: SQL expressions of this module (BY). only: values that columns must have. most: rows
        that are given, 0 for all. The quantities come last, and before them the requests of each
        decision.
        """
        each = [f"sum(CASE WHEN decision = {n} THEN requests ELSE 0 END)" for n in range(4)]
        each += [f"sum({name})" for name in QUANTITIES]
        wanted = "".join(f" AND {column} = ?" for column in only)
        asked = (
            f"SELECT {', '.join([*by, *each])} FROM usage "  # noqa: S608 - words of ours
            "JOIN usage_model m ON m.id = usage.model JOIN usage_who w ON w.id = usage.who "
            "WHERE segment IN (SELECT 0 UNION SELECT id FROM usage_segment) "
            f"AND quarter >= ? AND quarter < ?{wanted}"
        )
        if by:
            asked += f" GROUP BY {', '.join(by)}"
        if most:
            asked += f" LIMIT {int(most)}"
        return self.database.rows(asked, (first, after, *only.values()))

    def folded(self) -> int:
        """How many records the common rows hold: of these no file is left."""
        found = self.database.rows("SELECT coalesce(sum(requests), 0) FROM usage WHERE segment = 0")
        return int(found[0][0])

    def span(self) -> tuple[int, int]:
        """The first quarter with anything in it, and the one after the last; (0, 0) for none."""
        first, last = self.database.rows("SELECT min(quarter), max(quarter) FROM usage")[0]
        return (0, 0) if first is None else (first, last + 1)

    def _segment(self, name: str) -> Followed:
        """A segment that is known from now on; within a transaction."""
        asked = "SELECT id, name, reached, events, state, sha256 FROM usage_segment WHERE name = ?"
        found = self.database.rows(asked, (name,))
        if found:
            return Followed(*found[0])
        given = self._next("usage_segment")
        self.database.rows(
            "INSERT INTO usage_segment VALUES (?, ?, ?, ?, 0, 0, ?, '')",
            (given, self._place, _writer(name), name, OPEN),
        )
        return Followed(given, name, 0, 0, OPEN, "")

    def _next(self, table: str) -> int:
        return self.database.rows(f"SELECT coalesce(max(id), 0) + 1 FROM {table}")[0][0]  # noqa: S608

    def _row(self, segment: int, key: Key, values: Sequence[int]) -> tuple[int, ...]:
        quarter, model, version, who, status, decision = key
        names = self._model_id(model, version), self._who_id(who_of(who))
        return segment, quarter, *names, status, decision, *values

    def _model_id(self, model: str, version: int) -> int:
        known = self._models.get((model, version))
        if known is None:
            asked = "SELECT id FROM usage_model WHERE model = ? AND version = ?"
            known = self._id("usage_model", asked, (model, version))
            self._models[model, version] = known
        return known

    def _who_id(self, who: Who) -> int:
        known = self._whos.get(who)
        if known is None:
            asked = (
                "SELECT id FROM usage_who WHERE key = ? AND tenant = ? AND plan = ? AND price = ?"
            )
            if len(self._whos) >= _KEPT:
                self._whos.clear()
            known = self._whos[who] = self._id("usage_who", asked, who)
        return known

    def _id(self, table: str, asked: str, named: Sequence[object]) -> int:
        found = self.database.rows(asked, named)
        if found:
            return found[0][0]
        given = self._next(table)
        marks = ", ".join("?" * (len(named) + 1))
        self.database.rows(f"INSERT INTO {table} VALUES ({marks})", (given, *named))  # noqa: S608
        return given


def _writer(name: str) -> str:
    return name.rpartition("-")[0]


BY = {
    "key": "w.key",
    "tenant": "w.tenant",
    "plan": "w.plan",
    "price": "w.price",
    "model": "m.model",
    "version": "m.version",
    "status": "status",
    "decision": "decision",
}
"""What usage can be grouped by, beside time, and how the tables say it."""


def local(unit_s: int, offset_s: int) -> str:
    """An expression that numbers days or hours of a zone that is so far ahead of UTC."""
    return f"(quarter * 900 + {int(offset_s)}) / {int(unit_s)}"
