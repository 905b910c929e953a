"""The payload log: a sample of the rows that were sent, for their owner to look at later.

Off unless the owner turns it on, with a list of the fields that may be kept; nothing else of a row
is. It has a folder of its own, `<model>/<version>/<writer>-<number>.segment`, and no longer life
than the owner says. Every segment begins with a frame that says which fields its rows hold.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from fairlead.core.clock import wall_ns
from fairlead.usage.segments import SEGMENT_BYTES, SegmentLog, frame, frames, remove, sealed
from fairlead.usage.segments import segments as segments

PAYLOADS = "payloads"
"""The folder below the state folder."""
KEPT_BYTES = 1 << 30
"""Of one version, whatever their time; the oldest segments go first."""
_OLDEST_S = 3600.0
_KEY, _KEY_BYTES = "key", 32
_KIND_ABOUT, _KIND_CALLS = 1, 2
_DAY_NS = 86_400 * 10**9

Value = str | float | int | bool | None


Kept = tuple[int, int, str, Sequence[Sequence[Value]]]
"""What is kept of a call: sequence number, rows it had, decision, and the fields of its rows."""


class Payload(NamedTuple):
    """What was kept of one call.

    usage: its usage id. of: rows it had; not more than the first of them are kept. decision: the
    severest on its rows. rows: the fields of each row that is kept.
    """

    usage: str
    wall_ns: int
    model: str
    version: int
    of: int
    decision: str
    rows: list[dict[str, Value]]


class PayloadLog:
    """The payloads of one version in one worker. fields: of each row, in their order."""

    def __init__(
        self, state: Path, writer: str, model: str, version: int, fields: Sequence[str], days: int
    ) -> None:
        about = {"model": model, "version": version, "fields": [*fields], "days": days}
        opening = frame(_KIND_ABOUT, json.dumps(about).encode())
        folder = state / PAYLOADS / model / str(version)
        self._log = SegmentLog(folder, writer, lambda: opening, _OLDEST_S)

    def append(self, calls: Sequence[Kept]) -> None:
        """Keeps something of some calls.

        Raises OSError, or ValueError for more than a segment takes.
        """
        told = {"wall_ns": wall_ns(), "calls": calls}
        content = json.dumps(told, allow_nan=False, separators=(",", ":")).encode()
        if len(content) > SEGMENT_BYTES:
            raise ValueError("the rows of a call are more than the payload log takes")
        self._log.append(frame(_KIND_CALLS, content))

    def rest(self) -> None:
        """Ends a segment that has become too old, also when nothing more is written."""
        self._log.rest()

    def close(self) -> None:
        """Ends the current segment."""
        self._log.close()


def read(state: Path, model: str) -> Iterator[Payload]:
    """What is kept of a model, version by version and segment by segment."""
    folder = state / PAYLOADS / model
    versions = sorted((v for v in folder.glob("*") if v.name.isdigit()), key=lambda v: int(v.name))
    for version in versions:
        for segment in segments(version):
            with suppress(FileNotFoundError):  # its time was over
                yield from _read(segment)


def _read(segment: Path) -> Iterator[Payload]:
    about: Mapping[str, Any] = {}
    writer = segment.stem.rpartition("-")[0]
    for _, kind, content in frames(segment):
        told = json.loads(content)
        if kind == _KIND_ABOUT:
            about = told
            continue
        for sequence, count, decision, rows in told["calls"]:
            yield Payload(
                f"{writer}-{sequence:x}",
                told["wall_ns"],
                about["model"],
                about["version"],
                count,
                decision,
                [dict(zip(about["fields"], row, strict=True)) for row in rows],
            )


def sweep(state: Path, kept_bytes: int = KEPT_BYTES) -> int:
    """Removes segments whose time is over, and the oldest of a version that has too many."""
    spent: list[Path] = []
    for version in (state / PAYLOADS).glob("*/*"):
        size = 0
        here = [(segment, segment.stat()) for segment in segments(version)]
        for segment, facts in sorted(here, key=lambda one: one[1].st_mtime_ns, reverse=True):
            size += facts.st_size
            over = wall_ns() - facts.st_mtime_ns > _days(segment) * _DAY_NS
            if (over or size > kept_bytes) and sealed(segment):
                spent.append(segment)
    if spent:
        remove(spent)
    return len(spent)


def _days(segment: Path) -> int:
    """How long a segment may live; not long when it does not say."""
    for _, kind, content in frames(segment):
        return json.loads(content)["days"] if kind == _KIND_ABOUT else 1
    return 1


def hash_key(state: Path) -> bytes:
    """The key under which fields are hashed here: chance, drawn once. Raises OSError.

    The same value has the same hash as long as the key is there, and none can be guessed without.
    """
    folder = state / PAYLOADS
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / _KEY
    if not file.exists():
        drawn = folder / f".{_KEY}-{os.getpid()}"
        handle = os.open(drawn, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(handle, os.urandom(_KEY_BYTES))
        finally:
            os.close(handle)
        with suppress(FileExistsError):
            os.link(drawn, file)  # another worker's, if it was first
        drawn.unlink()
    found = file.read_bytes()
    if len(found) != _KEY_BYTES:
        raise OSError("the key of the payload log is damaged")
    return found
