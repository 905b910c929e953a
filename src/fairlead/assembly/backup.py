"""A backup of a state folder, taken while a server may be running in it.

What is read in which order makes it whole: acts that wait and the note of the audit trail before
the databases, databases before the segments that they were made from. So no database knows of a
byte that is not in the backup; what came later is rolled up again after a restore. Segments are
opened before the databases are copied: one that is removed meanwhile is still read.
"""

from __future__ import annotations

import json
import os
import resource
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from fairlead.assembly.archive import ArchiveWriter, is_name, writing
from fairlead.core.clock import wall_ns
from fairlead.core.errors import BadUsage, FileUnreadable, StateUnavailable
from fairlead.core.version import __version__
from fairlead.usage.segments import SUFFIX, frames, sealed
from fairlead.usage.stores.sqlite import copy_of

FORMAT = 1
MANIFEST = "manifest.json"
_DATABASE = ".sqlite"
_NOT_KEPT = frozenset({"lock", "runners", "cache"})
_PASSING = ("-wal", "-shm", "-journal", ".sock", ".damaged")
_ASIDE = ("before-restore-", "restoring-")
_MOST_PLAIN = 64 << 20
_MOST_OPEN = 1 << 17


@dataclass(frozen=True, slots=True)
class Taken:
    """What a backup holds: how many files, of how many bytes, and the SHA-256 of its manifest."""

    files: int
    size: int
    sha256: str


def back_up(folder: Path, file: Path, *, elsewhere: bool = False) -> Taken:
    """Writes a backup of a state folder.

    elsewhere: keys and usage lie in a database outside the folder, which is not in the backup.
    Raises FileUnreadable without such a folder, BadUsage for a file within it, StateUnavailable,
    and StateDamaged when a database is damaged: a backup must be good for something.
    """
    if not folder.is_dir():
        raise FileUnreadable(
            "there is no such state folder", where=str(folder), fix="Name it with --state"
        )
    if file.resolve().is_relative_to(folder.resolve()):
        raise BadUsage("a backup cannot lie in the folder that it is of", fix="Name another place")
    now = wall_ns()
    with writing(file, now // 10**9) as writer, ExitStack() as stack:
        _as_many_files_as_may_be()
        held = {name: stack.enter_context(_opened(folder, name)) for name in _segments(folder)}
        try:
            _add_all(folder, file, writer, held, stack)
        except FileNotFoundError as error:
            raise StateUnavailable(
                f"{error.filename} went away while it was read", fix="Take the backup again"
            ) from error
        return _end(writer, now, elsewhere)


def _add_all(
    folder: Path, file: Path, writer: ArchiveWriter, held: dict[str, BinaryIO], stack: ExitStack
) -> None:
    for name in names_of(folder):
        if not name.endswith((SUFFIX, _DATABASE)):
            _add_plain(folder, name, writer)
    with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as beside:
        copies = Path(beside)
        databases = [name for name in names_of(folder) if name.endswith(_DATABASE)]
        for number, name in enumerate(databases):
            copy_of(folder / name, copies / str(number), name.removesuffix(_DATABASE))
        for name in _segments(folder):
            if name not in held:
                held[name] = stack.enter_context(_opened(folder, name))
        for number, name in enumerate(databases):
            with (copies / str(number)).open("rb") as copy:
                writer.add(name, os.fstat(copy.fileno()).st_size, copy.read)
        for name, segment in sorted(held.items()):
            size = _whole(segment)
            segment.seek(0)
            writer.add(name, size, segment.read)


def _end(writer: ArchiveWriter, now_ns: int, elsewhere: bool) -> Taken:
    files = dict(writer.added)
    made = datetime.fromtimestamp(now_ns // 10**9, UTC).isoformat()
    manifest = {
        "format": FORMAT,
        "made": made,
        "fairlead": __version__,
        "database": "elsewhere" if elsewhere else "here",
        "files": [
            {"name": name, "size": size, "sha256": digest}
            for name, (size, digest) in sorted(files.items())
        ],
    }
    raw = json.dumps(manifest, indent=1).encode()
    writer.add(MANIFEST, len(raw), BytesIO(raw).read)
    return Taken(len(files), sum(size for size, _ in files.values()), writer.added[MANIFEST][1])


def names_of(folder: Path) -> list[str]:
    """The files of a state folder that outlive a server, by their path in it."""
    return sorted(_below(folder, ""))


def _below(folder: Path, before: str) -> Iterator[str]:
    for entry in os.scandir(folder):
        name = f"{before}{entry.name}"
        if entry.name.startswith(".") or (not before and is_passing(entry.name)):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _below(Path(entry.path), f"{name}/")
        elif entry.is_file(follow_symlinks=False) and is_name(name):
            yield name


def is_passing(name: str) -> bool:
    """Whether something at the top of a state folder is of one server's life only, or a copy."""
    aside = name.startswith(_ASIDE) or ".before-format-" in name
    return name in _NOT_KEPT or aside or name.endswith(_PASSING) or ".damaged-" in name


def _segments(folder: Path) -> list[str]:
    return [name for name in names_of(folder) if name.endswith(SUFFIX)]


def _opened(folder: Path, name: str) -> BinaryIO:
    try:
        handle = os.open(folder / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except PermissionError:
        raise FileUnreadable("this state folder is not yours", where=name) from None
    return open(handle, "rb", buffering=0)


def _whole(segment: BinaryIO) -> int:
    """The bytes of a segment that stay as they are: of one that is written to, whole frames."""
    again = Path(f"/dev/fd/{segment.fileno()}")  # it may have no other name any more
    if sealed(again):
        return os.fstat(segment.fileno()).st_size
    return max((after for after, _, _ in frames(again)), default=0)


def _add_plain(folder: Path, name: str, writer: ArchiveWriter) -> None:
    """Adds a small file as it is in one moment. One that is gone meanwhile is of no use."""
    try:
        with _opened(folder, name) as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                return
            raw = opened.read(_MOST_PLAIN + 1)
    except FileNotFoundError:
        return
    if len(raw) > _MOST_PLAIN:
        raise StateUnavailable("a file of the state folder is too large for what it is", where=name)
    writer.add(name, len(raw), BytesIO(raw).read)


def _as_many_files_as_may_be() -> None:
    """Every segment is open for the time of a backup."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_OPEN if most == resource.RLIM_INFINITY else min(most, _MOST_OPEN)
    if now != resource.RLIM_INFINITY and now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
