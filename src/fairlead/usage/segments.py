"""Segments: append-only files of frames that survive the death of their writer.

A frame is one `write` to a file opened for appending, so a killed process loses nothing that it
acknowledged: the kernel has the bytes. A torn or damaged tail fails its checksum and ends the
segment there. One segment has one writer, which holds a lock on it until it goes on to the next;
the kernel lets go of the lock when the writer dies, so that `sealed` is never wrong.

Frame: magic, kind, bytes that follow, CRC-32 of them that begins with the kind.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from fairlead.core.clock import wall_ns

FRAME = struct.Struct("<HHII")
MAGIC = 0xFA1E
SEGMENT_BYTES = 16 << 20
SUFFIX = ".segment"


def frame(kind: int, content: bytes) -> bytes:
    """One frame, to be written in one go."""
    return FRAME.pack(MAGIC, kind, len(content), zlib.crc32(content, kind)) + content


def frames(
    path: Path, offset: int = 0, most: int = SEGMENT_BYTES
) -> Iterator[tuple[int, int, bytes]]:
    """The frames of a segment from `offset`: (offset after it, kind, content).

    Ends at the first torn or damaged frame, and at one of more than `most` bytes.
    """
    with path.open("rb") as file:
        file.seek(offset)
        while True:
            head = file.read(FRAME.size)
            if len(head) < FRAME.size:
                return
            magic, kind, size, crc = FRAME.unpack(head)
            if magic != MAGIC or size > most:
                return
            content = file.read(size)
            if len(content) < size or zlib.crc32(content, kind) != crc:
                return
            offset += FRAME.size + size
            yield offset, kind, content


def begin(folder: Path, name: str) -> int:
    """The descriptor of a new, locked segment of that name. Raises OSError."""
    hidden = folder / f".{name}"
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    handle = os.open(hidden, flags, 0o600)
    try:
        # Locked before anyone can see it, so that none is taken for left by a dead writer.
        fcntl.flock(handle, fcntl.LOCK_EX)
        hidden.rename(folder / name)
    except OSError:
        os.close(handle)
        raise
    return handle


def sealed(segment: Path) -> bool:
    """Whether nothing will be added to a segment: its writer went on, or died."""
    handle = os.open(segment, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def segments(folder: Path) -> list[Path]:
    """Every segment that can be read, oldest first within each writer."""
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith("."))


def remove(gone: list[Path]) -> None:
    """Removes segments for good: after a power cut none of them comes back."""
    for segment in gone:
        segment.unlink(missing_ok=True)
    for folder in {segment.parent for segment in gone}:
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Returns when the disk has what was added to a folder and removed from it. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class SegmentLog:
    """Frames written one after the other into `<writer>-<number>.segment` files of a folder.

    writer: a name that no other writer has or ever had. opening: gives the frame with which every
    segment begins. oldest_s: seconds after which a segment is ended, whatever it holds.
    """

    def __init__(
        self,
        folder: Path,
        writer: str,
        opening: Callable[[], bytes] = bytes,
        oldest_s: float = float("inf"),
    ) -> None:
        self._folder = folder
        self._writer = writer
        self._opening = opening
        self._oldest_ns = oldest_s * 1e9
        self._number = 0
        self._size = 0
        self._began_ns = 0
        self._handle = -1

    def append(self, written: bytes) -> None:
        """Writes whole frames in one go. Raises OSError; then none of them counts."""
        self.rest()
        if self._handle < 0 or self._size >= SEGMENT_BYTES:
            self._rotate()
        if os.write(self._handle, written) != len(written):
            # The tail is torn: seal it, so that the next append begins a clean segment.
            self.close()
            raise OSError("disk full")
        self._size += len(written)

    def rest(self) -> None:
        """Ends the segment that has become too old."""
        if self._handle >= 0 and wall_ns() - self._began_ns > self._oldest_ns:
            self.close()

    def close(self) -> None:
        """Ends the current segment; it may be read to its end and removed."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _rotate(self) -> None:
        self.close()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._number += 1
        self._handle = begin(self._folder, f"{self._writer}-{self._number:06d}{SUFFIX}")
        self._size, self._began_ns = 0, wall_ns()
        opening = self._opening()
        if opening and os.write(self._handle, opening) != len(opening):
            self.close()
            raise OSError("disk full")
