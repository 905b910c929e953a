"""Backup files: plain tar archives of plain files, written whole or not at all, read strictly.

Every tar program reads them. Read here is only what is written here: anything else in an archive
(links, devices, folders, long names by extension, sparse files) is refused before a byte of it is
taken out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, NamedTuple

from fairlead.core.errors import BackupInvalid, StateUnavailable
from fairlead.usage.segments import sync_folder

MOST_FILES = 1_000_000
_BLOCK = 512
_CHUNK = 1 << 20
_OCTAL = 8 << 30
"""Beyond so many bytes a size is written in another way (base 256)."""
_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}")
_MOST_PARTS = 8
_MAGIC = b"ustar\x0000"


class Member(NamedTuple):
    """One file of an archive. at: where its bytes begin."""

    name: str
    size: int
    at: int


def is_name(name: str) -> bool:
    """Whether a file of an archive may be called so: some/relative/path, nothing hidden."""
    parts = name.split("/")
    return len(parts) <= _MOST_PARTS and all(_PART.fullmatch(part) for part in parts)


class ArchiveWriter:
    """Adds files to an archive; what was added is told by name as (size, SHA-256)."""

    def __init__(self, written: BinaryIO, now_s: int) -> None:
        self._written = written
        self._now_s = now_s
        self.added: dict[str, tuple[int, str]] = {}

    def add(self, name: str, size: int, read: Callable[[int], bytes]) -> None:
        """Adds a file of exactly so many bytes. Raises OSError when there are fewer."""
        self._written.write(_head(name, size, self._now_s))
        digest, left = sha256(), size
        while left:
            part = read(min(_CHUNK, left))
            if not part:
                raise OSError(f"{name} has become shorter")
            digest.update(part)
            self._written.write(part)
            left -= len(part)
        self._written.write(bytes(-size % _BLOCK))
        self.added[name] = size, digest.hexdigest()

    def end(self) -> None:
        """Ends the archive."""
        self._written.write(bytes(2 * _BLOCK))


@contextmanager
def writing(file: Path, now_s: int) -> Generator[ArchiveWriter, None, None]:
    """A new archive, for its owner alone. It takes its place when all of it is on the disk.

    now_s: the time of its files, in seconds since 1970. Raises StateUnavailable.
    """
    half = file.with_name(f".{file.name}.half")
    try:
        half.unlink(missing_ok=True)
        handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(handle, "wb", buffering=_CHUNK) as written:
                writer = ArchiveWriter(written, now_s)
                yield writer
                writer.end()
                written.flush()
                os.fsync(handle)
            half.rename(file)
            sync_folder(file.parent)
        except BaseException:
            with suppress(OSError):
                half.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StateUnavailable(
            f"the backup cannot be written: {error.strerror or error}",
            where=str(file),
            fix="Look whether its disk is full and whether you may write there",
        ) from error


def members(read: BinaryIO) -> list[Member]:
    """The files of an archive. Raises BackupInvalid for anything that we did not write."""
    end = read.seek(0, os.SEEK_END)
    found: list[Member] = []
    names: set[str] = set()
    at = 0
    while True:
        read.seek(at)
        head = read.read(_BLOCK)
        if head == bytes(_BLOCK):
            return found
        if len(head) < _BLOCK:
            raise BackupInvalid("the backup is cut off: it has no end")
        name, size = _read_head(head)
        at += _BLOCK
        if at + size > end:
            raise BackupInvalid("the backup is cut off in the middle of a file", where=name)
        if name in names or len(found) == MOST_FILES:
            raise BackupInvalid("the backup holds a name twice, or too many files", where=name)
        names.add(name)
        found.append(Member(name, size, at))
        at += size + -size % _BLOCK


def content(read: BinaryIO, member: Member) -> Iterator[bytes]:
    """The bytes of a file, in pieces. Raises BackupInvalid when they end too early."""
    read.seek(member.at)
    left = member.size
    while left:
        part = read.read(min(_CHUNK, left))
        if not part:
            raise BackupInvalid("the backup is cut off in the middle of a file", where=member.name)
        left -= len(part)
        yield part


def _head(name: str, size: int, now_s: int) -> bytes:
    """The 512 bytes before a file (POSIX ustar)."""
    folder, last = _cut(name)
    fields = [
        last.encode().ljust(100, b"\0"),
        b"0000600\0" + b"0000000\0" * 2,
        _number(size),
        f"{now_s:011o}\0".encode(),
        b" " * 8,
        b"0".ljust(101, b"\0"),
        _MAGIC.ljust(88, b"\0"),
        folder.encode().ljust(155, b"\0"),
    ]
    head = b"".join(fields).ljust(_BLOCK, b"\0")
    total = f"{sum(head):06o}\0 ".encode()
    return head[:148] + total + head[156:]


def _cut(name: str) -> tuple[str, str]:
    """A name as its folder and the rest, as far as they fit their fields."""
    if not is_name(name):
        raise OSError(f"{name!r} cannot be kept under this name")
    if len(name) <= 100:
        return "", name
    folder, _, last = name.rpartition("/")
    if not folder or len(folder) > 155 or len(last) > 100:
        raise OSError(f"{name!r} is too long")
    return folder, last


def _number(size: int) -> bytes:
    if size < _OCTAL:
        return f"{size:011o}\0".encode()
    return b"\x80" + size.to_bytes(11, "big")


def _read_head(head: bytes) -> tuple[str, int]:
    """Name and size of the file behind a head."""
    total = sum(head[:148]) + 8 * 32 + sum(head[156:])
    told = head[148:156].split(b"\0")[0].strip()
    if not re.fullmatch(rb"[0-7]{1,8}", told) or int(told, 8) != total:
        raise BackupInvalid("this is no backup, or it is damaged", where="head of a file")
    name = _text(head[:100])
    folder = _text(head[345:500])
    name = f"{folder}/{name}" if folder else name
    if head[257:265] != _MAGIC or head[156:157] != b"0" or not is_name(name):
        raise BackupInvalid(
            "the backup holds something else than plain files, so Fairlead has not written it",
            where=repr(name[:80]),
        )
    return name, _size(head[124:136])


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode("ascii", "replace")


def _size(field: bytes) -> int:
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    told = field.rstrip(b"\0 ")
    if not re.fullmatch(rb"[0-7]{1,11}", told):
        raise BackupInvalid("the backup is damaged", where="size of a file")
    return int(told, 8)
