"""The journal: one append for all calls of a batch, before any of their answers leaves.

It is kept in segments (segments.py). A frame holds wall clock ns, first sequence number, version,
model id, count of calls, then a column each of rows, bytes in, bytes out, compute ns, status and
decision: columns are packed in one call here and summed in one call by the bookkeeper.
A frame of kind NAME gives a model id its name within the segment.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

from fairlead.core.clock import wall_ns
from fairlead.core.errors import JournalUnavailable
from fairlead.usage.segments import SUFFIX, begin, frame, frames
from fairlead.usage.segments import sealed as sealed
from fairlead.usage.segments import segments as segments

_BATCH = struct.Struct("<QQQHH")  # wall clock ns, first sequence, version, model id, calls
_Letter = Literal["I", "Q", "B"]
_COLUMNS: tuple[tuple[_Letter, int], ...] = (
    ("I", 4), ("I", 4), ("I", 4), ("Q", 8), ("B", 1), ("B", 1),
)  # fmt: skip
_MOST_CALLS = 65_535
_MOST_NAMES = 65_535
_PACKERS_KEPT = 2048
_KIND_BATCH, _KIND_NAME = 1, 2
SEGMENT_BYTES = 16 << 20

STATUS = ("ok", "failed", "abandoned")
DECISION = ("serve", "warn", "abstain", "reject")


@dataclass(frozen=True, slots=True)
class Record:
    """One answered call as it stands in the journal."""

    sequence: int
    wall_ns: int
    model: str
    version: int
    rows: int
    bytes_in: int
    bytes_out: int
    compute_ns: int
    status: str
    decision: str


class Columns(NamedTuple):
    """The calls of one batch, a list per quantity: what is recorded of each, in order.

    status, decision: positions in STATUS and DECISION.
    """

    rows: Sequence[int]
    bytes_in: Sequence[int]
    bytes_out: Sequence[int]
    compute_ns: Sequence[int]
    status: Sequence[int]
    decision: Sequence[int]


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch as it stands in the journal."""

    sequence: int
    wall_ns: int
    model: str
    version: int
    calls: Columns

    def records(self) -> Iterator[Record]:
        """Its calls one by one."""
        calls = self.calls
        for number, rows in enumerate(calls.rows):
            yield Record(
                self.sequence + number,
                self.wall_ns,
                self.model,
                self.version,
                rows,
                calls.bytes_in[number],
                calls.bytes_out[number],
                calls.compute_ns[number],
                STATUS[calls.status[number]],
                DECISION[calls.decision[number]],
            )


class Journal:
    """The append-only journal of one worker.

    writer: a name that no other writer has or ever had (`new_writer`); segments are
    `<writer>-<number>.segment` in `folder`.
    """

    def __init__(self, folder: Path, writer: str) -> None:
        self._folder = folder
        self._writer = writer
        self._number = 0
        self._size = 0
        self._sequence = 0
        self._handle = -1
        self._ids: dict[str, int] = {}
        self._packers: dict[int, Callable[..., bytes]] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def append(self, model: str, version: int, calls: Columns) -> int:
        """Records the calls of one batch; the first one's sequence number, the others follow.

        Raises JournalUnavailable; then nothing is recorded.
        """
        try:
            if self._handle < 0 or self._size >= SEGMENT_BYTES:
                self._rotate()
            named = self._ids.get(model)
            written = b""
            if named is None:
                named = len(self._ids)
                written = frame(_KIND_NAME, named.to_bytes(2, "little") + model.encode())
            count = len(calls.rows)
            if count <= _MOST_CALLS:
                head = _BATCH.pack(wall_ns(), self._sequence, version, named, count)
                written += frame(_KIND_BATCH, head + self._packed(count, calls))
            else:
                written += self._split(version, named, calls)
            size = os.write(self._handle, written)
        except OSError as error:
            raise JournalUnavailable(
                f"the answer cannot be recorded: {error.strerror}", fix="Try again later"
            ) from error
        if size != len(written):
            # The tail is torn: seal it, so that the next append begins a clean segment.
            self._size = SEGMENT_BYTES
            raise JournalUnavailable("the answer cannot be recorded: disk full")
        self._ids.setdefault(model, named)
        self._size += size if len(self._ids) < _MOST_NAMES else SEGMENT_BYTES
        first = self._sequence
        self._sequence += count
        return first

    def _split(self, version: int, named: int, calls: Columns) -> bytes:
        """More calls than a frame can count, as several frames for one write."""
        parts: list[bytes] = []
        for start in range(0, len(calls.rows), _MOST_CALLS):
            part = Columns(*(column[start : start + _MOST_CALLS] for column in calls))
            count = len(part.rows)
            head = _BATCH.pack(wall_ns(), self._sequence + start, version, named, count)
            parts.append(frame(_KIND_BATCH, head + self._packed(count, part)))
        return b"".join(parts)

    def _packed(self, count: int, calls: Columns) -> bytes:
        pack = self._packers.get(count)
        if pack is None:
            if len(self._packers) >= _PACKERS_KEPT:
                self._packers.clear()
            letters = "".join(f"{count}{letter}" for letter, _ in _COLUMNS)
            pack = self._packers[count] = struct.Struct("<" + letters).pack
        return pack(*chain.from_iterable(calls))

    def close(self) -> None:
        """Closes the current segment; it may be rolled up and removed."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _rotate(self) -> None:
        self.close()
        self._number += 1
        self._handle = begin(self._folder, f"{self._writer}-{self._number:06d}{SUFFIX}")
        self._size = 0
        self._ids = {}


def new_writer(index: int) -> str:
    """A writer's name: when it began, which worker it is, and chance.

    Clocks may be set back and process numbers come again: only chance makes it unique.
    """
    return f"{wall_ns() // 1_000_000:x}-{index}-{os.urandom(8).hex()}"


def read(
    path: Path, offset: int = 0, names: dict[int, str] | None = None
) -> Iterator[tuple[int, Batch | None]]:
    """The batches of a segment from `offset`: (offset after it, the batch; None for a name).

    Ends at the first torn or damaged frame. `names` carries the model names of earlier frames
    when reading goes on from an offset.
    """
    known = {} if names is None else names
    for after, kind, content in frames(path, offset, SEGMENT_BYTES):
        if kind == _KIND_NAME:
            known[int.from_bytes(content[:2], "little")] = content[2:].decode()
            yield after, None
        else:
            yield after, _batch(content, known)


def _batch(content: bytes, names: dict[int, str]) -> Batch:
    wall, sequence, version, model, count = _BATCH.unpack_from(content)
    view, start = memoryview(content), _BATCH.size
    columns: list[Sequence[int]] = []
    for letter, size in _COLUMNS:
        columns.append(view[start : start + count * size].cast(letter))
        start += count * size
    return Batch(sequence, wall, names[model], version, Columns(*columns))
