"""The journal: one append for all calls of a batch, before any of their answers leaves.

It is kept in segments (segments.py) whose first frame says the format, the writer, and the hash of
the writer's segment before: taking one out, or changing one, breaks the chain. A frame of calls
holds wall clock ns, first sequence number, model id, count of calls, then a column each of rows,
bytes in, bytes out, compute ns, status, decision and caller id: columns are packed in one call
here and summed in one call by the bookkeeper. Frames of their own say which model and version, and
which caller, an id means within the segment.

Format 1 had no first frame, no callers, and the version in each frame of calls. It is still read.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple

from fairlead.core.clock import wall_ns
from fairlead.core.errors import JournalUnavailable, StateInvalid
from fairlead.usage.segments import SUFFIX, begin, frame, frames, sync_folder
from fairlead.usage.segments import sealed as sealed
from fairlead.usage.segments import segments as segments

FORMAT = 2
_Letter = Literal["I", "Q", "B", "H"]
_OLD_BATCH = struct.Struct("<QQQHH")  # wall clock ns, first sequence, version, model id, calls
_OLD_COLUMNS: tuple[tuple[_Letter, int], ...] = (
    ("I", 4), ("I", 4), ("I", 4), ("Q", 8), ("B", 1), ("B", 1),
)  # fmt: skip
BATCH = struct.Struct("<QQHH")
"""Wall clock ns, first sequence, model id, calls."""
COLUMNS: tuple[tuple[_Letter, int], ...] = (*_OLD_COLUMNS, ("H", 2))
_MODEL = struct.Struct("<HQ")  # id, version; the name follows
_WHO = _COUNT = struct.Struct("<H")  # id; the caller follows
_MOST_CALLS = 65_535
_MOST_NAMES = 65_535
_PACKERS_KEPT = 2048
_OLD_KIND_BATCH, _OLD_KIND_NAME = 1, 2
KIND_HEADER, KIND_MODEL, KIND_WHO, KIND_BATCH = 3, 4, 5, 6
SEGMENT_BYTES = 16 << 20

STATUS = ("ok", "failed", "abandoned")
DECISION = ("serve", "warn", "abstain", "reject")
NOBODY = b'["","","",""]'
"""A caller of whom nothing is known."""


class Who(NamedTuple):
    """Whose call it was. price: the name of the price table that was valid, such as `gold@3`."""

    key: str
    tenant: str
    plan: str
    price: str

    def written(self) -> bytes:
        """As the journal writes it."""
        return json.dumps(self, separators=(",", ":")).encode()


@lru_cache(maxsize=4096)
def who_of(written: bytes) -> Who:
    """A caller as the journal writes it, read."""
    return Who(*json.loads(written))


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
    key: str
    tenant: str
    plan: str
    price: str


class Columns(NamedTuple):
    """The calls of one batch, a list per quantity: what is recorded of each, in order.

    status, decision: positions in STATUS and DECISION. who: each call's caller as a JSON array of
    key, tenant, plan and price; none at all where nobody is known.
    """

    rows: Sequence[int]
    bytes_in: Sequence[int]
    bytes_out: Sequence[int]
    compute_ns: Sequence[int]
    status: Sequence[int]
    decision: Sequence[int]
    who: Sequence[bytes] = ()


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
                *who_of(calls.who[number]),
            )


class Journal:
    """The append-only journal of one worker.

    writer: a name that no other writer has or ever had (`new_writer`); segments are
    `<writer>-<number>.segment` in `folder`. power: what is recorded survives a power cut too:
    the disk has it before `append` returns.
    """

    def __init__(self, folder: Path, writer: str, power: bool = False) -> None:
        self._folder = folder
        self._writer = writer
        self._power = power
        self._number = 0
        self._size = 0
        self._sequence = 0
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
        try:
            if self._handle < 0 or self._size >= SEGMENT_BYTES:
                self._rotate()
            made = self._frames(model, version, calls)
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
        first = self._sequence
        self._sequence += len(calls.rows)
        return first

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
        head = BATCH.pack(wall_ns(), self._sequence, named, count)
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
            parts.append(frame(KIND_MODEL, _MODEL.pack(named, version) + model.encode()))
        for who in needed:
            if who not in self._whos:
                parts.append(frame(KIND_WHO, _WHO.pack(self._give(self._whos, who)) + who))
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
        pack = self._packers.get(count)
        if pack is None:
            if len(self._packers) >= _PACKERS_KEPT:
                self._packers.clear()
            letters = "".join(f"{count}{letter}" for letter, _ in COLUMNS)
            pack = self._packers[count] = struct.Struct("<" + letters).pack
        return pack(*chain.from_iterable(calls[:-1]), *ids)

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


class Header(NamedTuple):
    """What the first frame of a segment says. previous: "" in the first segment of a writer."""

    format: int
    writer: str
    number: int
    previous: str
    sha256: str


@dataclass(slots=True)
class Names:
    """What the ids of one segment mean, as far as it was read."""

    models: dict[int, tuple[str, int]] = field(default_factory=dict[int, tuple[str, int]])
    whos: dict[int, bytes] = field(default_factory=dict[int, bytes])

    def learn(self, kind: int, content: bytes) -> None:
        """Takes a frame that gives a name, or says what the segment is.

        Raises StateInvalid for a format that is not known here.
        """
        if kind == KIND_MODEL:
            named, version = _MODEL.unpack_from(content)
            self.models[named] = content[_MODEL.size :].decode(), version
        elif kind == KIND_WHO:
            self.whos[_WHO.unpack_from(content)[0]] = content[_WHO.size :]
        elif kind == _OLD_KIND_NAME:
            self.models[int.from_bytes(content[:2], "little")] = content[2:].decode(), 0
        elif kind == KIND_HEADER:
            header_of(content)
        else:
            raise StateInvalid(f"a segment of the journal has frames of the unknown kind {kind}")


def header_of(content: bytes) -> Header:
    """The first frame, read. Raises StateInvalid for a format that is not known here."""
    told = json.loads(content)
    if told["format"] > FORMAT:
        raise StateInvalid(
            f"a segment of the journal has format {told['format']}; {FORMAT} is known here"
        )
    return Header(*(told[name] for name in Header._fields))


def read(
    path: Path, offset: int = 0, names: Names | None = None
) -> Iterator[tuple[int, Batch | None]]:
    """The batches of a segment from `offset`: (offset after it, the batch; None for a name).

    Ends at the first torn or damaged frame. `names` carries the names of earlier frames when
    reading goes on from an offset. Raises StateInvalid.
    """
    known = Names() if names is None else names
    for after, kind, content in frames(path, offset):
        if is_batch(kind):
            yield after, batch_of(kind, content, known)
        else:
            known.learn(kind, content)
            yield after, None


def names_before(path: Path, offset: int) -> Names:
    """The names that a segment gives before `offset`."""
    names = Names()
    for after, kind, content in frames(path):
        if after > offset:
            break
        if not is_batch(kind):
            names.learn(kind, content)
    return names


def is_batch(kind: int) -> bool:
    """Whether a frame of this kind holds calls."""
    return kind in (KIND_BATCH, _OLD_KIND_BATCH)


def calls_of(kind: int, content: bytes) -> int:
    """How many calls a frame of calls holds."""
    head = _OLD_BATCH if kind == _OLD_KIND_BATCH else BATCH
    return _COUNT.unpack_from(content, head.size - _COUNT.size)[0]


def batch_of(kind: int, content: bytes, names: Names) -> Batch:
    """The batch that a frame of calls holds."""
    if kind == _OLD_KIND_BATCH:
        wall, sequence, version, named, count = _OLD_BATCH.unpack_from(content)
        model, start, shape = names.models[named][0], _OLD_BATCH.size, _OLD_COLUMNS
    else:
        wall, sequence, named, count = BATCH.unpack_from(content)
        (model, version), start, shape = names.models[named], BATCH.size, COLUMNS
    view = memoryview(content)
    columns: list[Any] = []
    for letter, size in shape:
        columns.append(view[start : start + count * size].cast(letter))
        start += count * size
    if kind == _OLD_KIND_BATCH:
        columns.append([NOBODY] * count)
    else:
        columns[-1] = [*map(names.whos.__getitem__, columns[-1])]
    return Batch(sequence, wall, model, version, Columns(*columns))
