"""The manifest: the list of a version's files with size and SHA-256, written last.

Its presence is the commit: a folder without one is not a version. It holds no dates and no
timings, so equal input gives an equal manifest (those live in `measured.json`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from fairlead.core.errors import PackageInvalid
from fairlead.core.package import FileFact
from fairlead.packages.repository import MANIFEST

NAME = MANIFEST
FORMAT = 1
MOST_BYTES = 4 << 20
_PART = NAME + ".part"
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")

UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading a file of a package may raise when it does not hold what it should."""


def fact_of(path: Path) -> FileFact:
    """Size and SHA-256 of a file."""
    with path.open("rb") as handle:
        return FileFact(path.stat().st_size, hashlib.file_digest(handle, "sha256").hexdigest())


def files_below(folder: Path) -> dict[str, FileFact]:
    """Every file below a package folder but the manifest, by POSIX relative path.

    Raises PackageInvalid for a link or a special file: it could not be read back.
    """
    found: dict[str, FileFact] = {}
    for relative in names_below(folder):
        path = folder / relative
        if path.is_symlink() or not path.is_file():
            raise PackageInvalid(
                f"{relative} is a link or not a plain file",
                where=folder.name,
                fix="Copy the file itself into the package",
            )
        found[relative] = fact_of(path)
    return found


def names_below(folder: Path) -> list[str]:
    """Everything below a package folder that is no folder, but the manifest, sorted."""
    found: list[str] = []
    for path in folder.rglob("*"):
        relative = path.relative_to(folder).as_posix()
        if (path.is_symlink() or not path.is_dir()) and relative not in (NAME, _PART):
            found.append(relative)
    return sorted(found)


def write(folder: Path, facts: dict[str, Any]) -> None:
    """Writes the manifest of `folder` durably, as the last act of making a package."""
    files = {k: {"size": f.size, "sha256": f.sha256} for k, f in files_below(folder).items()}
    text = json.dumps({"format": FORMAT, **facts, "files": files}, indent=1, sort_keys=True)
    part = folder / _PART
    with part.open("w", encoding="utf-8") as handle:
        handle.write(text + "\n")
        handle.flush()
        os.fsync(handle.fileno())
    part.rename(folder / NAME)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Makes the folder's names durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def parse(raw: bytes, where: str) -> dict[str, Any]:
    """The manifest's content. Raises PackageInvalid on anything unexpected."""
    if len(raw) > MOST_BYTES:
        raise PackageInvalid("the manifest is larger than 4 MiB", where=where)
    try:
        data = json.loads(raw)
        if data["format"] != FORMAT:
            raise PackageInvalid(
                f"package format {data['format']!r} is not known here ({FORMAT} is)",
                where=where,
                fix="Serve it with the Fairlead that packed it, or pack the trained file again",
            )
        data["files"] = {str(k): _fact(v) for k, v in data["files"].items()}
    except UNREADABLE as error:
        raise PackageInvalid(
            f"the manifest cannot be read: {type(error).__name__}", where=where
        ) from error
    return data


def _fact(entry: dict[str, Any]) -> FileFact:
    size, sha256 = entry["size"], entry["sha256"]
    if type(size) is not int or size < 0 or not _SHA256.match(sha256):
        raise ValueError("not a size and a SHA-256")
    return FileFact(size, sha256)
