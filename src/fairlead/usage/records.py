"""What a segment of the journal holds: its format, and how it is read.

The first frame says the format, the writer, and the hash of the writer's segment before: taking
one out, or changing one, breaks the chain. A frame of calls holds wall clock ns, first sequence
number, model id, count of calls, then a column each of rows, bytes in, bytes out, compute ns,
status, decision, caller id and withheld rows. Frames of their own say which
model and version, and which caller, an id means within the segment, and settle a stream.

Format 1 had no first frame, no callers, and the version in each frame of calls. It is still read.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from fairlead.core.errors import StateInvalid
from fairlead.usage.segments import frames

FORMAT = 2
_Letter = Literal["I", "Q", "B", "H"]
_OLD_BATCH = struct.Struct("<QQQHH")  # wall clock ns, first sequence, version, model id, calls
_OLD_COLUMNS: tuple[tuple[_Letter, int], ...] = (
    ("I", 4), ("I", 4), ("I", 4), ("Q", 8), ("B", 1), ("B", 1),
)  # fmt: skip
BATCH = struct.Struct("<QQHH")
"""Wall clock ns, first sequence, model id, calls."""
COLUMNS: tuple[tuple[_Letter, int], ...] = (*_OLD_COLUMNS, ("H", 2), ("I", 4))
MODEL = struct.Struct("<HQ")  # id, version; the name follows
WHO = _COUNT = struct.Struct("<H")  # id; the caller follows
_OLD_KIND_BATCH, _OLD_KIND_NAME = 1, 2
KIND_HEADER, KIND_MODEL, KIND_WHO, KIND_BATCH, KIND_SETTLED = 3, 4, 5, 6, 7

SETTLED = struct.Struct("<HHQQIIQQBBI")
"""Model id, caller id, and the fields of a `Settled`."""
STATUS = ("ok", "failed", "abandoned", "interrupted")
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
    withheld: int
    key: str
    tenant: str
    plan: str
    price: str


class Columns(NamedTuple):
    """The calls of one batch, a list per quantity: what is recorded of each, in order.

    status, decision: positions in STATUS and DECISION. who: each call's caller as a JSON array of
    key, tenant, plan and price; none at all where nobody is known. withheld: of its rows, those
    that were abstained or rejected; none at all where all are 0.
    """

    rows: Sequence[int]
    bytes_in: Sequence[int]
    bytes_out: Sequence[int]
    compute_ns: Sequence[int]
    status: Sequence[int]
    decision: Sequence[int]
    who: Sequence[bytes] = ()
    withheld: Sequence[int] = ()


class Settled(NamedTuple):
    """What a call came to that was opened before its first answer left: a stream.

    It was recorded as interrupted, with no bytes out and no time, so that a crash leaves it so.
    began_ns, sequence: of that record. rows, bytes_in: as there.
    """

    began_ns: int
    sequence: int
    rows: int
    bytes_in: int
    bytes_out: int
    compute_ns: int
    status: int
    decision: int
    withheld: int


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
                calls.withheld[number],
                *who_of(calls.who[number]),
            )


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
            named, version = MODEL.unpack_from(content)
            self.models[named] = content[MODEL.size :].decode(), version
        elif kind == KIND_WHO:
            self.whos[WHO.unpack_from(content)[0]] = content[WHO.size :]
        elif kind == _OLD_KIND_NAME:
            self.models[int.from_bytes(content[:2], "little")] = content[2:].decode(), 0
        elif kind == KIND_HEADER:
            header_of(content)
        elif kind == KIND_SETTLED:
            pass
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
        columns += [NOBODY] * count, [0] * count
    else:
        columns[6] = [*map(names.whos.__getitem__, columns[6])]
    return Batch(sequence, wall, model, version, Columns(*columns))
