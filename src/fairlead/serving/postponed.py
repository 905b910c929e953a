"""Acts that the database could not take: kept in the state folder until it can.

A revocation may wait for nothing. While the database is away it is written here, on the disk
before it is acknowledged, and told to the workers at once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, cast

from fairlead.core.errors import StateInvalid, StateUnavailable
from fairlead.serving.log import log

FILE = "postponed.jsonl"
"""In a state folder: one act a line. It is not there while nothing waits."""

MOST_BYTES = 32 << 20


class Postponed:
    """The acts of one state folder that wait for the database, oldest first.

    May be used from several threads. Raises StateInvalid for a file that others may write, and
    StateUnavailable where the disk does not let it work.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._lock = Lock()
        self._acts: list[Mapping[str, Any]] = []
        self._end = 0  # bytes of whole lines
        try:
            self._read()
        except FileNotFoundError:
            return
        except OSError as error:
            raise _unavailable(error) from error

    def _read(self) -> None:
        with self._file.open("rb") as opened:
            if os.fstat(opened.fileno()).st_mode & 0o022:
                raise StateInvalid(
                    "others may write what waits for the database",
                    where=FILE,
                    fix="Look at what it holds, and close it with chmod 600",
                )
            raw = opened.read()
        # What stands behind the last line break was cut off before it was acknowledged.
        whole, _, _ = raw.rpartition(b"\n")
        lines = whole.split(b"\n") if whole else []
        self._end = len(whole) + bool(whole)
        self._acts = [act for line in lines if (act := _act(line)) is not None]
        if len(self._acts) < len(lines):
            self._file.with_name(FILE + ".damaged").write_bytes(raw)
            log("bookkeeping_failed", what="postponed acts", error="some cannot be read")

    def __len__(self) -> int:
        return len(self._acts)

    def waiting(self) -> Sequence[Mapping[str, Any]]:
        """What waits now."""
        with self._lock:
            return list(self._acts)

    def add(self, act: Mapping[str, Any]) -> None:
        """Keeps an act; it is on the disk once this returns."""
        raw = _line(act)
        with self._lock:
            # Anybody who is refused makes a note: that must leave room for revocations.
            most = MOST_BYTES if act.get("do") == "revoke" else MOST_BYTES // 2
            if self._end + len(raw) > most:
                raise _unavailable(OSError("too much waits already"))
            try:
                _write(self._file, self._end, raw)
            except OSError as error:
                raise _unavailable(error) from error
            self._end += len(raw)
            self._acts.append(act)

    def done(self, count: int) -> None:
        """The first `count` acts need not wait any longer."""
        with self._lock:
            left = self._acts[count:]
            raw = b"".join(map(_line, left))
            try:
                if left:
                    new = self._file.with_name(FILE + ".new")
                    _write(new, 0, raw)
                    new.replace(self._file)
                else:
                    self._file.unlink(missing_ok=True)
            except OSError as error:
                raise _unavailable(error) from error
            self._acts, self._end = left, len(raw)


def _write(file: Path, end: int, raw: bytes) -> None:
    """Writes `raw` behind the first `end` bytes of a file, on the disk or not at all."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.ftruncate(handle, end)  # half a line would spoil the next
        os.lseek(handle, end, os.SEEK_SET)
        try:
            _write_all(handle, raw)
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, end)
            raise
    finally:
        os.close(handle)


def _write_all(handle: int, raw: bytes) -> None:
    while raw:
        raw = raw[os.write(handle, raw) :]


def _line(act: Mapping[str, Any]) -> bytes:
    return json.dumps(act, separators=(",", ":")).encode("ascii") + b"\n"


def _act(line: bytes) -> Mapping[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else None


def _unavailable(error: OSError) -> StateUnavailable:
    reason = error.strerror or str(error)
    return StateUnavailable(
        f"an act cannot be kept until the database is back: {reason}",
        where=FILE,
        fix="Look whether the disk of the state folder is full or read-only",
    )
