"""The journal: one append for all calls of a batch, before any of their answers leaves.

It is kept in segments (segments.py); records.py says what stands in them. Columns are packed in one
call here and summed in one call by the bookkeeper.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

from fairlead.core.clock import wall_ns
from fairlead.core.errors import JournalUnavailable
from fairlead.usage.records import (
    BATCH,
    COLUMNS,
    FORMAT,
    KIND_BATCH,
    KIND_HEADER,
    KIND_MODEL,
    KIND_SETTLED,
    KIND_WHO,
    MODEL,
    NOBODY,
    SETTLED,
    WHO,
    Settled,
)
from fairlead.usage.records import DECISION as DECISION
from fairlead.usage.records import STATUS as STATUS
from fairlead.usage.records import Columns as Columns
from fairlead.usage.records import read as read
from fairlead.usage.segments import SUFFIX, begin, frame, sync_folder
from fairlead.usage.segments import sealed as sealed
from fairlead.usage.segments import segments as segments

_MOST_CALLS = 65_535
_MOST_NAMES = 65_535
_PACKERS_KEPT = 2048
SEGMENT_BYTES = 16 << 20


class Journal:
    """The append-only journal of one worker.

    writer: a name that no other writer has or ever had (`new_writer`); segments are
    `<writer>-<number>.segment` in `folder`. power: what is recorded survives a power cut too:
    the disk has it before `append` returns. wall_ns: the time in the newest record.
    """

    def __init__(self, folder: Path, writer: str, power: bool = False) -> None:
        self._folder = folder
        self._writer = writer
        self._power = power
        self._number = 0
        self._size = 0
        self._sequence = 0
        self.wall_ns = 0
        self._handle = -1
        self._name = ""
        self._opening = b""
        self._hash = sha256()
        self._models: dict[tuple[str, int], int] = {}
        self._whos: dict[bytes, int] = {}
        self._fresh: list[tuple[dict[Any, int], Any]] = []
        self._packers: dict[int, Callable[..., bytes]] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def append(self, model: str, version: int, calls: Columns) -> int:
        """Records the calls of one batch; the first one's sequence number, the others follow.

        Raises JournalUnavailable; then nothing is recorded (under `power` it may be, when the disk
        fails while it is told to keep it).
        """
        self._write(lambda: self._frames(model, version, calls))
        first = self._sequence
        self._sequence += len(calls.rows)
        return first

    def settle(self, model: str, version: int, who: bytes, settled: Settled) -> None:
        """Records what a call came to that stands here as interrupted. Raises as `append` does."""
        self._write(lambda: self._settled(model, version, who, settled))

    def _settled(self, model: str, version: int, who: bytes, settled: Settled) -> bytes:
        try:
            named, whose = self._models[model, version], self._whos[who]
        except KeyError:
            given = Columns([], [], [], [], [], [], who=[who])
            return self._naming(model, version, given) + self._settled(model, version, who, settled)
        return frame(KIND_SETTLED, SETTLED.pack(named, whose, *settled))

    def _write(self, make: Callable[[], bytes]) -> None:
        """Writes frames in one go. Raises JournalUnavailable."""
        try:
            if self._handle < 0 or self._size >= SEGMENT_BYTES:
                self._rotate()
            made = make()
            written = self._opening + made
            size = os.write(self._handle, written)
        except OSError as error:
            for names, name in self._fresh:
                del names[name]
            self._fresh.clear()
            raise _unavailable(error) from error
        self._hash.update(written[:size])
        if size != len(written):
            # The tail is torn: seal it, so that the next append begins a clean segment.
            self._size = SEGMENT_BYTES
            raise JournalUnavailable("the answer cannot be recorded: disk full")
        self._opening = b""
        self._size += size
        if self._fresh:
            self._fresh.clear()
        if self._power:
            self._sync()

    def _frames(self, model: str, version: int, calls: Columns) -> bytes:
        """What is written for one batch: its frame, and names that the segment does not know."""
        count = len(calls.rows)
        try:
            named = self._models[model, version]
            ids = [*map(self._whos.__getitem__, calls.who or [NOBODY] * count)]
        except KeyError:
            return self._naming(model, version, calls) + self._frames(model, version, calls)
        if count > _MOST_CALLS:
            return self._split(named, calls, ids)
        self.wall_ns = wall_ns()
        head = BATCH.pack(self.wall_ns, self._sequence, named, count)
        return frame(KIND_BATCH, head + self._packed(count, calls, ids))

    def _naming(self, model: str, version: int, calls: Columns) -> bytes:
        """Gives ids to what has none, in the next segment when this one has too few left."""
        needed = dict.fromkeys(calls.who or (NOBODY,))
        after = len(self._whos.keys() | needed.keys())
        if max(after, len(self._models) + 1) > _MOST_NAMES:
            if len(needed) > _MOST_NAMES:
                raise JournalUnavailable("more callers at once than a segment can name")
            self._rotate()
        parts: list[bytes] = []
        if (model, version) not in self._models:
            named = self._give(self._models, (model, version))
            parts.append(frame(KIND_MODEL, MODEL.pack(named, version) + model.encode()))
        for who in needed:
            if who not in self._whos:
                parts.append(frame(KIND_WHO, WHO.pack(self._give(self._whos, who)) + who))
        return b"".join(parts)

    def _give(self, names: dict[Any, int], name: Any) -> int:
        given = names[name] = len(names)
        self._fresh.append((names, name))
        return given

    def _split(self, named: int, calls: Columns, ids: list[int]) -> bytes:
        """More calls than a frame can count, as several frames for one write."""
        parts: list[bytes] = []
        for start in range(0, len(ids), _MOST_CALLS):
            there = slice(start, start + _MOST_CALLS)
            part = Columns._make([column[there] for column in calls])
            count = len(part.rows)
            head = BATCH.pack(wall_ns(), self._sequence + start, named, count)
            parts.append(frame(KIND_BATCH, head + self._packed(count, part, ids[there])))
        return b"".join(parts)

    def _packed(self, count: int, calls: Columns, ids: list[int]) -> bytes:
        shape = count if calls.withheld else -count
        pack = self._packers.get(shape)
        if pack is None:
            if len(self._packers) >= _PACKERS_KEPT:
                self._packers.clear()
            letters = "".join(f"{count}{letter}" for letter, _ in COLUMNS)
            if shape < 0:
                letters = f"{letters.removesuffix(f'{count}I')}{4 * count}x"
            pack = self._packers[shape] = struct.Struct("<" + letters).pack
        return pack(*chain.from_iterable(calls[:6]), *ids, *calls.withheld)

    def close(self) -> None:
        """Closes the current segment; it may be rolled up and removed."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _sync(self) -> None:
        try:
            os.fdatasync(self._handle)
        except OSError as error:
            # What the kernel kept of it is not known, and asking again would not tell.
            self._size = SEGMENT_BYTES
            raise _unavailable(error) from error

    def _rotate(self) -> None:
        """Begins the next segment, in which nothing has a name yet."""
        self.close()
        self._number += 1
        name = f"{self._writer}-{self._number:06d}{SUFFIX}"
        self._handle = begin(self._folder, name)
        if self._power:
            sync_folder(self._folder)
        about = {"format": FORMAT, "writer": self._writer, "number": self._number}
        before = {"previous": self._name, "sha256": self._hash.hexdigest() if self._name else ""}
        self._opening = frame(KIND_HEADER, json.dumps(about | before).encode())
        self._name, self._hash, self._size = name, sha256(), 0
        self._models, self._whos = {}, {}
        self._fresh.clear()


def _unavailable(error: OSError) -> JournalUnavailable:
    return JournalUnavailable(
        f"the answer cannot be recorded: {error.strerror}", fix="Try again later"
    )


def new_writer(index: int) -> str:
    """A writer's name: when it began, which worker it is, and chance.

    Clocks may be set back and process numbers come again: only chance makes it unique.
    """
    return f"{wall_ns() // 1_000_000:x}-{index}-{os.urandom(8).hex()}"
