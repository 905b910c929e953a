"""The journal: one append for all calls of a batch, before any of their answers leaves.

A frame is one `write` to a file opened for appending, so a killed process loses nothing that it
acknowledged: the kernel has the bytes. A torn or damaged tail fails its checksum and ends the
segment there. One segment has one writer.

Frame: magic, bytes, CRC-32 of what follows, wall clock ns, first sequence number, model id,
version, then one record a call: rows, bytes in, bytes out, compute ns, status, decision.
A frame of kind NAME gives a model id its name within the segment.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fairlead.core.clock import wall_ns
from fairlead.core.errors import JournalUnavailable

_FRAME = struct.Struct("<HHII")  # magic, kind, bytes that follow, CRC-32 of them
_BATCH = struct.Struct("<QQQH")  # wall clock ns, first sequence, version, model id
_RECORD = struct.Struct("<IIIQBB")  # rows, bytes in, bytes out, compute ns, status, decision
_MAGIC = 0xFA1E
_KIND_BATCH, _KIND_NAME = 1, 2
SEGMENT_BYTES = 16 << 20
SUFFIX = ".segment"

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


Entry = tuple[int, int, int, int, int, int]
"""rows, bytes in, bytes out, compute ns, position in STATUS, position in DECISION."""


class Journal:
    """The append-only journal of one worker.

    writer: a name that no other live writer uses (boot id and worker); segments are
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
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def append(self, model: str, version: int, entries: Sequence[Entry]) -> None:
        """Records the calls of one batch. Raises JournalUnavailable; then nothing is recorded."""
        try:
            if self._handle < 0 or self._size >= SEGMENT_BYTES:
                self._rotate()
            named = self._ids.get(model)
            frame = b""
            if named is None:
                named = len(self._ids)
                frame = _frame(_KIND_NAME, named.to_bytes(2, "little") + model.encode())
            head = _BATCH.pack(wall_ns(), self._sequence, version, named)
            pack = _RECORD.pack
            frame += _frame(_KIND_BATCH, head + b"".join([pack(*e) for e in entries]))
            written = os.write(self._handle, frame)
        except OSError as error:
            raise JournalUnavailable(
                f"the answer cannot be recorded: {error.strerror}", fix="Try again later"
            ) from error
        if written != len(frame):
            # The tail is torn: seal it, so that the next append begins a clean segment.
            self._size = SEGMENT_BYTES
            raise JournalUnavailable("the answer cannot be recorded: disk full")
        self._ids.setdefault(model, named)
        self._size += written
        self._sequence += len(entries)

    def close(self) -> None:
        """Closes the current segment; it may be rolled up and removed."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _rotate(self) -> None:
        self.close()
        self._number += 1
        path = self._folder / f"{self._writer}-{self._number:06d}{SUFFIX}"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._handle = os.open(path, flags, 0o600)
        self._size = 0
        self._ids = {}


def _frame(kind: int, content: bytes) -> bytes:
    return _FRAME.pack(_MAGIC, kind, len(content), zlib.crc32(content)) + content


def read(
    path: Path, offset: int = 0, names: dict[int, str] | None = None
) -> Iterator[tuple[int, list[Record]]]:
    """The batches of a segment from `offset`: (offset after the batch, its records).

    Ends at the first torn or damaged frame. `names` carries the model names of earlier frames
    when reading goes on from an offset.
    """
    known = {} if names is None else names
    with path.open("rb") as file:
        file.seek(offset)
        while True:
            head = file.read(_FRAME.size)
            if len(head) < _FRAME.size:
                return
            magic, kind, size, crc = _FRAME.unpack(head)
            if magic != _MAGIC or size > SEGMENT_BYTES:
                return
            content = file.read(size)
            if len(content) < size or zlib.crc32(content) != crc:
                return
            offset += _FRAME.size + size
            if kind == _KIND_NAME:
                known[int.from_bytes(content[:2], "little")] = content[2:].decode()
                yield offset, []
            else:
                yield offset, _records(content, known)


def _records(content: bytes, names: dict[int, str]) -> list[Record]:
    wall, sequence, version, model = _BATCH.unpack_from(content)
    found: list[Record] = []
    for number, entry in enumerate(_RECORD.iter_unpack(content[_BATCH.size :])):
        rows, bytes_in, bytes_out, compute, status, decision = entry
        found.append(
            Record(
                sequence + number,
                wall,
                names[model],
                version,
                rows,
                bytes_in,
                bytes_out,
                compute,
                STATUS[status],
                DECISION[decision],
            )
        )
    return found
