"""Putting a backup into a state folder: all of it is verified before any of it is in place."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, cast

from fairlead.assembly.archive import Member, content, members
from fairlead.assembly.backup import FORMAT, MANIFEST, is_passing
from fairlead.core.clock import wall_ns
from fairlead.core.errors import (
    BackupInvalid,
    FileUnreadable,
    StateInvalid,
    StateNewer,
    StateNotEmpty,
    StateUnavailable,
)
from fairlead.usage.segments import sync_folder

_RESTORING, _BEFORE = "restoring-", "before-restore-"
_STAYS = frozenset({"lock", "cache"})
_MOST_MANIFEST = 256 << 20


@dataclass(frozen=True, slots=True)
class Held:
    """What a backup says of itself. made: an ISO time. elsewhere: keys and usage are not in it."""

    made: str
    elsewhere: bool
    sha256: str
    files: Sequence[Member]
    digests: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Restored:
    """held: the backup. aside: where the folder's earlier content is now, None if it had none."""

    held: Held
    aside: Path | None


def check_whole(folder: Path) -> None:
    """Raises StateInvalid for a folder into which a backup was restored in part."""
    if any(folder.glob(f"{_RESTORING}*")):
        raise StateInvalid(
            "a restore into this state folder was cut short",
            where=str(folder),
            fix="Restore the backup again, with --force",
        )


@contextmanager
def reading(file: Path) -> Generator[tuple[BinaryIO, Held], None, None]:
    """A backup of which every byte was verified. Raises FileUnreadable, BackupInvalid,
    StateNewer."""
    try:
        read = file.open("rb")
    except OSError as error:
        raise FileUnreadable(
            f"the backup cannot be read: {error.strerror}", where=str(file)
        ) from None
    with read:
        held = _held(read, members(read))
        for member in held.files:
            digest = sha256()
            for part in content(read, member):
                digest.update(part)
            _check_digest(member, digest.hexdigest(), held)
        yield read, held


def restore(folder: Path, read: BinaryIO, held: Held, *, force: bool) -> Restored:
    """Puts a verified backup into a state folder that nobody else uses, which the caller sees to.

    force: what is in the folder is moved into a folder within it. Without it, StateNotEmpty.
    Raises StateUnavailable when the disk does not let it; then nothing has changed, unless
    `check_whole` says so.
    """
    stamp = f"{datetime.fromtimestamp(wall_ns() / 1e9, UTC):%Y%m%dT%H%M%S.%fZ}"
    there = [entry for entry in _entries(folder) if entry.name not in _STAYS]
    if there and not force:
        raise StateNotEmpty(
            "the state folder is not empty",
            where=str(folder),
            fix="Name another with --state, or move aside what is there with --force",
        )
    fresh, aside = folder / f"{_RESTORING}{stamp}", folder / f"{_BEFORE}{stamp}"
    try:
        _take_out(read, held, fresh)
        if there:
            aside.mkdir(mode=0o700)
            _move(there, aside)
        _move(fresh.iterdir(), folder)
        fresh.rmdir()
        sync_folder(folder)
    except OSError as error:
        raise StateUnavailable(
            f"the backup cannot be restored: {error.strerror or error}",
            where=str(folder),
            fix="Look whether the disk is full, and restore it again",
        ) from error
    return Restored(held, aside if there else None)


def _entries(folder: Path) -> list[Path]:
    """What is in a folder, but for what earlier restores have moved aside."""
    return [e for e in folder.iterdir() if not e.name.startswith((_BEFORE, "."))]


def _move(entries: Iterable[Path], folder: Path) -> None:
    for entry in list(entries):
        entry.rename(folder / entry.name)


def _take_out(read: BinaryIO, held: Held, folder: Path) -> None:
    """Writes every file below a new folder, on the disk when this returns."""
    total = sum(member.size for member in held.files)
    if shutil.disk_usage(folder.parent).free < total:
        raise OSError(f"there is no room for {total} bytes")
    folder.mkdir(mode=0o700)
    try:
        for member in held.files:
            file = folder / member.name
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(read, member, held, file)
        for parent, _, _ in os.walk(folder):
            sync_folder(Path(parent))
    except BaseException:
        shutil.rmtree(folder)
        raise


def _write(read: BinaryIO, member: Member, held: Held, file: Path) -> None:
    digest = sha256()
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(handle, "wb") as written:
        for part in content(read, member):
            digest.update(part)
            written.write(part)
        written.flush()
        os.fsync(handle)
    _check_digest(member, digest.hexdigest(), held)  # it may have been changed since


def _check_digest(member: Member, digest: str, held: Held) -> None:
    if held.digests[member.name] != digest:
        raise BackupInvalid("a file of the backup is not what was backed up", where=member.name)


def _held(read: BinaryIO, found: list[Member]) -> Held:
    """What the manifest says, if it is about exactly these files."""
    if not found or found[-1].name != MANIFEST or found[-1].size > _MOST_MANIFEST:
        raise BackupInvalid("this is no backup of a state folder: it has no manifest")
    raw = b"".join(content(read, found[-1]))
    try:
        told: Any = json.loads(raw)
        number = told["format"]
        if type(number) is int and number > FORMAT:
            raise StateNewer(
                f"the backup is of format {number}, this release knows {FORMAT}",
                fix="Restore it with the release that wrote it",
            )
        listed = {str(one["name"]): one for one in cast("list[Any]", told["files"])}
        digests = {name: str(one["sha256"]) for name, one in listed.items()}
        sizes = {name: one["size"] for name, one in listed.items()}
        made, elsewhere = str(told["made"]), told["database"] == "elsewhere"
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BackupInvalid("the manifest of the backup is damaged") from None
    files = found[:-1]
    there = {member.name: member.size for member in files}
    if type(number) is not int or number != FORMAT or sizes != there:
        raise BackupInvalid("the backup does not hold the files that its manifest names")
    strange = [member.name for member in files if is_passing(member.name.partition("/")[0])]
    if strange:
        raise BackupInvalid("the backup holds what no backup holds", where=strange[0])
    return Held(made[:40], elsewhere, sha256(raw).hexdigest(), files, digests)
