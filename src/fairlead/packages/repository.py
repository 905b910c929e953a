"""The folder that holds models and their versions: `<repository>/<model>/<version>/`."""

from __future__ import annotations

import os
from collections.abc import Callable
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


def committed(
    repository: Path, unread: Callable[[str, FileUnreadable], object] | None = None
) -> list[Found]:
    """Every committed version, by model name and version; anything else is passed over.

    unread: is told of each model whose folder cannot be read, by its name.
    Raises FileUnreadable when the repository cannot be listed; without `unread`, for a model too.
    """
    found: list[Found] = []
    try:
        models = [model for model in os.scandir(repository) if is_name(model.name)]
    except OSError as error:
        raise _unreadable("repository", repository, error) from error
    for model in models:
        try:
            if model.is_dir(follow_symlinks=False):
                found += _versions(model)
        except OSError as error:
            told = _unreadable("model", Path(model.path), error)
            if unread is None:
                raise told from error
            unread(model.name, told)
    return sorted(found, key=lambda f: (f.name, f.version))


def _versions(model: os.DirEntry[str]) -> list[Found]:
    return [
        Found(model.name, int(version.name), Path(version.path))
        for version in os.scandir(model.path)
        if _is_version(version.name) and is_package(Path(version.path))
    ]


def _unreadable(what: str, folder: Path, error: OSError) -> FileUnreadable:
    return FileUnreadable(f"the {what} cannot be read: {error.strerror}", where=str(folder))


def stamp(folder: Path) -> str:
    """What changes when any file of a version does: names, sizes and times, not what they hold.

    "" when the folder cannot be read.
    """
    told: list[str] = []
    try:
        for base, _, names in os.walk(folder):
            for name in names:
                file = f"{base}/{name}"
                facts = os.stat(file)
                told.append(f"{file} {facts.st_ino} {facts.st_size} {facts.st_mtime_ns}")
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
