"""The outcome log: what was predicted for every row that was served, kept for true labels to come.

Off unless the owner turns it on, and kept no longer than they say. Each worker writes segments of
its own for each version, `<model>/<version>/<writer>-<number>.segment`. Every segment begins with a
frame that says what its rows mean; a frame of rows holds wall clock ns, how many calls and rows,
then a column each of the calls' sequence numbers, owners and rows, and of the rows' predicted
label, confidence and decision. No value of a row's input is kept. The owner decides whose labels
are believed: a usage id can be guessed.
"""

from __future__ import annotations

import json
import struct
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, NamedTuple

from fairlead.core.clock import wall_ns
from fairlead.usage.segments import SEGMENT_BYTES, SegmentLog, frame, frames

OUTCOMES = "outcomes"
"""The folder below the state folder."""
OLDEST_S = 3600.0
"""A segment is ended after so long, so that rows leave soon after their time is over."""
CLASSES, LABELS, NUMBERS = "classes", "labels", "numbers"
"""What a prediction is: a position in the classes, a label that is a number, or a measurement."""

_KIND_ABOUT, _KIND_UNOWNED, _KIND_ROWS = 1, 2, 3
"""UNOWNED: rows as they were written before calls had owners."""
_ROWS, _NUMBER = struct.Struct("<QII"), struct.Struct("<Q")
_Letter = Literal["Q", "I", "d", "f", "B"]


def owner_of(tenant: str) -> int:
    """Who may label the calls of a tenant, as 8 bytes; 0, which is anybody, without a tenant."""
    return int.from_bytes(blake2b(tenant.encode(), digest_size=8).digest()) if tenant else 0


class Outcome(NamedTuple):
    """What one call was answered, row by row.

    predicted:  as the kind of the segment says; NaN when it is not known.
    confidence: NaN where none is claimed. decision: positions in the four decisions.
    owner:      as `owner_of` says.
    """

    predicted: Sequence[float]
    confidence: Sequence[float]
    decision: Sequence[int]
    owner: int = 0


class Kept(NamedTuple):
    """One execution as it stands in the log: its calls, and the columns of their joined rows."""

    wall_ns: int
    sequences: Sequence[int]
    owners: Sequence[int]
    rows: Sequence[int]
    predicted: Sequence[float]
    confidence: Sequence[float]
    decision: Sequence[int]

    def of(self, sequence: int) -> Outcome | None:
        """What was answered to the call with this number, None when it is not here."""
        place = bisect_left(self.sequences, sequence)
        if place == len(self.sequences) or self.sequences[place] != sequence:
            return None
        start = sum(self.rows[:place])
        there = slice(start, start + self.rows[place])
        owner = self.owners[place] if self.owners else 0
        return Outcome(self.predicted[there], self.confidence[there], self.decision[there], owner)


class OutcomeLog:
    """The outcomes of one version in one worker."""

    def __init__(self, state: Path, writer: str, about: Mapping[str, Any]) -> None:
        """about: what the rows mean: model, version, kind, classes, days, evaluation, interval."""
        folder = state / OUTCOMES / str(about["model"]) / str(about["version"])
        opening = frame(_KIND_ABOUT, json.dumps(about).encode())
        self._log = SegmentLog(folder, writer, lambda: opening, OLDEST_S)

    def append(
        self,
        calls: Sequence[tuple[int, int, int]],
        predicted: bytes,
        confidence: bytes,
        decision: bytes,
    ) -> None:
        """Keeps one execution.

        calls: (sequence number, owner, rows) of each call, in rising order. predicted, confidence,
        decision: a little-endian float64, float32 and byte for each of their joined rows.
        Raises OSError, or ValueError for more rows than a segment takes.
        """
        rows = sum(count for _, _, count in calls)
        content = b"".join(
            (
                _ROWS.pack(wall_ns(), len(calls), rows),
                struct.pack(f"<{len(calls)}Q", *(sequence for sequence, _, _ in calls)),
                struct.pack(f"<{len(calls)}Q", *(owner for _, owner, _ in calls)),
                struct.pack(f"<{len(calls)}I", *(count for _, _, count in calls)),
                predicted,
                confidence,
                decision,
            )
        )
        if len(content) > SEGMENT_BYTES:
            raise ValueError(f"{rows} rows at once are more than the outcome log takes")
        self._log.append(frame(_KIND_ROWS, content))

    def rest(self) -> None:
        """Ends a segment that has become too old, also when nothing more is written."""
        self._log.rest()

    def close(self) -> None:
        """Ends the current segment."""
        self._log.close()


def about_of(segment: Path) -> dict[str, Any] | None:
    """What the rows of a segment mean; None when its first frame is not there."""
    for _, kind, content in frames(segment):
        return json.loads(content) if kind == _KIND_ABOUT else None
    return None


def read(segment: Path, offset: int = 0) -> Iterator[tuple[int, Kept | None]]:
    """The executions of a segment from `offset`: (offset after it, what was kept)."""
    for after, kind, content in frames(segment, offset):
        yield after, None if kind == _KIND_ABOUT else _kept(content, kind)


def find(segment: Path, offset: int, sequence: int) -> Outcome | None:
    """What was answered to a call; offset: of its execution's frame, or of one before it."""
    for _, kind, content in frames(segment, offset):
        if kind == _KIND_ABOUT:
            continue
        _, calls, _ = _ROWS.unpack_from(content)
        # The last number tells whether a frame is worth a closer look.
        if calls and _NUMBER.unpack_from(content, _ROWS.size + 8 * (calls - 1))[0] >= sequence:
            return _kept(content, kind).of(sequence)
    return None


def _kept(content: bytes, kind: int) -> Kept:
    wall, calls, rows = _ROWS.unpack_from(content)
    view, start = memoryview(content), _ROWS.size
    shape: tuple[tuple[_Letter, int, int], ...] = (
        ("Q", 8, calls),
        ("Q", 8, 0 if kind == _KIND_UNOWNED else calls),
        ("I", 4, calls),
        ("d", 8, rows),
        ("f", 4, rows),
        ("B", 1, rows),
    )
    columns: list[Any] = []
    for letter, size, count in shape:
        columns.append(view[start : start + count * size].cast(letter))
        start += count * size
    return Kept(wall, *columns)
