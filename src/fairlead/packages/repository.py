"""The folder that holds models and their versions: `<repository>/<model>/<version>/`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from fairlead.core.errors import FileUnreadable
from fairlead.core.names import is_name

MANIFEST = "manifest.json"
"""The file that is written last: with it a version is whole."""


@dataclass(frozen=True, slots=True)
class Found:
    """A committed version in a repository, not yet read."""

    name: str
    version: int
    folder: Path


def is_package(folder: Path) -> bool:
    """Whether `folder` is one committed version."""
    return (folder / MANIFEST).is_file()


def committed(repository: Path) -> list[Found]:
    """Every committed version, by model name and version; anything else is passed over.

    Raises FileUnreadable when the folder cannot be listed.
    """
    found: list[Found] = []
    try:
        for model in os.scandir(repository):
            if not is_name(model.name) or not model.is_dir(follow_symlinks=False):
                continue
            for version in os.scandir(model.path):
                if _is_version(version.name) and is_package(Path(version.path)):
                    found.append(Found(model.name, int(version.name), Path(version.path)))
    except OSError as error:
        raise FileUnreadable(
            f"the repository cannot be read: {error.strerror}", where=str(repository)
        ) from error
    return sorted(found, key=lambda f: (f.name, f.version))


def stamp(folder: Path) -> str:
    """What changes when any file of a version does: names, sizes and times, not what they hold.

    "" when the folder cannot be read.
    """
    told: list[str] = []
    try:
        for base, _, names in os.walk(folder):
            for name in sorted(names):
                facts = os.stat(Path(base, name))
                told.append(f"{base}/{name} {facts.st_ino} {facts.st_size} {facts.st_mtime_ns}")
    except OSError:
        return ""
    return sha256(os.fsencode("\n".join(sorted(told)))).hexdigest()[:16]


def next_version(repository: Path, name: str) -> int:
    """One above the highest version folder of the model, committed or not; 1 for a new model."""
    folder = repository / name
    taken = (
        [int(p.name) for p in folder.iterdir() if _is_version(p.name)] if folder.is_dir() else []
    )
    return max(taken, default=0) + 1


def _is_version(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) <= 18 and (name == "0" or name[0] != "0")
