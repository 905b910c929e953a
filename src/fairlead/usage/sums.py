"""Sums over the records of a segment, many thousand at a time.

Frames with equally many calls have the same layout, so that all of them become one table; nothing
here runs once per record. What is summed is what `journal.read` reads.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fairlead.usage.records import (
    KIND_BATCH,
    KIND_SETTLED,
    SETTLED,
    STATUS,
    Names,
    Settled,
    batch_of,
    calls_of,
    is_batch,
)
from fairlead.usage.segments import FRAME, MAGIC, SEGMENT_BYTES

QUARTER_NS = 900 * 10**9
"""A quarter of an hour: every time zone's days begin on one."""
_CHUNK_BYTES = 4 << 20
Key = tuple[int, str, int, bytes, int, int]
"""Quarter of an hour since 1970, model, version, caller, positions in STATUS and DECISION."""
Sums = dict[Key, list[int]]
"""Requests, rows, bytes in, bytes out, compute ns, withheld rows."""


@dataclass(slots=True)
class Summed:
    """A stretch of a segment. reached: the offset after it; count: of records."""

    reached: int
    count: int = 0
    sums: Sums = field(default_factory=dict[Key, list[int]])


def summed(path: Path, offset: int, names: Names, most_bytes: int = _CHUNK_BYTES) -> Summed:
    """Sums what stands from `offset` on, about `most_bytes` of it and whole frames only.

    It ends at the first torn or damaged frame; nothing new: `reached` is `offset`. names: those
    that the segment gives before; they are added to. Raises StateInvalid for a newer format.
    """
    found = Summed(offset)
    tables: dict[int, list[bytes]] = {}
    for after, kind, content in chunk_frames(path, offset, most_bytes):
        found.reached = after
        if kind == KIND_BATCH:
            count = calls_of(kind, content)
            tables.setdefault(count, []).append(content)
            found.count += count
        elif kind == KIND_SETTLED:
            _settle(found.sums, content, names)
        elif is_batch(kind):
            found.count += _add_one(found.sums, kind, content, names)
        else:
            names.learn(kind, content)
    if tables:
        # Loaded with the first records: a server without callers needs none of it.
        from fairlead.usage.tables import sums_of_tables

        for key, row in sums_of_tables(tables, names, QUARTER_NS):
            add(found.sums, key, row)
    return found


def add(sums: Sums, key: Key, values: Sequence[int]) -> None:
    """Adds quantities to what is there of a key."""
    known = sums.get(key)
    sums[key] = [*values] if known is None else [a + b for a, b in zip(known, values, strict=True)]


def _settle(sums: Sums, content: bytes, names: Names) -> None:
    """Moves a call from those that were interrupted to those that ended as it did."""
    model, who, *fields = SETTLED.unpack(content)
    one = Settled(*fields)
    key = (one.began_ns // QUARTER_NS, *names.models[model], names.whos[who])
    add(sums, (*key, STATUS.index("interrupted"), 0), (-1, -one.rows, -one.bytes_in, 0, 0, 0))
    came_to = (1, one.rows, one.bytes_in, one.bytes_out, one.compute_ns, one.withheld)
    add(sums, (*key, one.status, one.decision), came_to)


def counted(path: Path, offset: int) -> int:
    """How many records stand from `offset` on."""
    count, reached = 0, -1
    while reached != offset:
        reached = offset
        for after, kind, content in chunk_frames(path, offset, _CHUNK_BYTES):
            offset = after
            count += calls_of(kind, content) if is_batch(kind) else 0
    return count


def chunk_frames(path: Path, offset: int, most_bytes: int) -> Iterator[tuple[int, int, bytes]]:
    """The whole frames of a stretch: (offset after it, kind, content)."""
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(max(most_bytes, FRAME.size))
        if len(data) >= FRAME.size:
            # A single frame may be larger than the stretch.
            size = FRAME.size + min(FRAME.unpack_from(data)[2], SEGMENT_BYTES)
            data += file.read(max(0, size - len(data)))
    at, end, head, unpack, crc32 = 0, len(data), FRAME.size, FRAME.unpack_from, zlib.crc32
    while at + head <= end:
        magic, kind, size, crc = unpack(data, at)
        stop = at + head + size
        if magic != MAGIC or stop > end:
            return
        content = data[at + head : stop]
        if crc32(content, kind) != crc:
            return
        at = stop
        yield offset + at, kind, content


def _add_one(sums: Sums, kind: int, content: bytes, names: Names) -> int:
    """A frame of an older format, record by record."""
    batch = batch_of(kind, content, names)
    quarter, calls = batch.wall_ns // QUARTER_NS, batch.calls
    for number, who in enumerate(calls.who):
        status, decision = calls.status[number], calls.decision[number]
        values = (1, *(column[number] for column in calls[:4]), 0)
        add(sums, (quarter, batch.model, batch.version, who, status, decision), values)
    return len(calls.who)
