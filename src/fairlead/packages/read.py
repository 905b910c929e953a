"""Reading a package so that what was checked is what is used.

A file is opened once, below the package folder, through no link, with one name only; the bytes
that are handed on are the bytes that were hashed.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tomllib
from pathlib import Path
from typing import Any

from fairlead.core.errors import PackageInvalid
from fairlead.core.package import FileFact, Limits, Package, check_name
from fairlead.core.signature import Signature
from fairlead.packages import manifest

_LIMIT_NAMES = {"max_rows": int, "time_budget_s": float, "max_batch": int}


def open_package(folder: Path) -> Package:
    """The package at `folder`. Raises PackageInvalid when it is not whole."""
    where = folder.name if not folder.parent.name else f"{folder.parent.name}/{folder.name}"
    try:
        raw = _read_file(folder, manifest.NAME)
    except FileNotFoundError:
        raise PackageInvalid(
            "no manifest: the version was never finished",
            where=where,
            fix="Pack it again; a folder counts as a version only once its manifest is there",
        ) from None
    data = manifest.parse(raw, where)
    files: dict[str, FileFact] = data["files"]
    try:
        signature = Signature.from_json(json.loads(_checked(folder, files, "signature.json")))
        words = tomllib.loads(_checked(folder, files, "model.toml").decode())
        return Package(
            name=check_name(str(data["name"])),
            version=int(data["version"]),
            folder=folder,
            runtime=str(data["runtime"]),
            isolated=bool(data["isolated"]),
            graph=str(data["graph"]),
            signature=signature,
            files=files,
            trained=dict(data.get("trained", {})),
            environment=dict(data.get("environment", {})),
            reason=str(data.get("reason", "")),
            words=words,
            limits=_limits(words, where),
        )
    except (KeyError, ValueError, TypeError, tomllib.TOMLDecodeError) as error:
        raise PackageInvalid(
            f"the package cannot be read: {type(error).__name__}: {error}", where=where
        ) from error


def read_verified(package: Package, relative: str) -> bytes:
    """The bytes of one file, equal to what the manifest says. Raises PackageInvalid."""
    return _checked(package.folder, package.files, relative)


def verify(package: Package) -> None:
    """Checks every file of the package against the manifest. Raises PackageInvalid."""
    for relative in package.files:
        _checked(package.folder, package.files, relative)


def _checked(folder: Path, files: dict[str, FileFact], relative: str) -> bytes:
    fact = files.get(relative)
    if fact is None:
        raise PackageInvalid(f"{relative} is not in the manifest", where=folder.name)
    try:
        raw = _read_file(folder, relative)
    except FileNotFoundError:
        raise PackageInvalid(f"{relative} is missing", where=folder.name) from None
    if len(raw) != fact.size or hashlib.sha256(raw).hexdigest() != fact.sha256:
        raise PackageInvalid(
            f"{relative} is not what the manifest says: it was edited or damaged",
            where=folder.name,
            fix="A version never changes: use `fairlead amend` to make the next one",
        )
    return raw


def _read_file(folder: Path, relative: str) -> bytes:
    """Reads folder/relative through no symbolic link and no second name."""
    parts = relative.split("/")
    if any(p in ("", ".", "..") for p in parts):
        raise PackageInvalid(f"{relative!r} leaves the package", where=folder.name)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
            handle = _step(handle, part, flags, folder)
        handle = _step(handle, parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, folder)
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
            raise PackageInvalid(
                f"{relative} is a link or not a plain file",
                where=folder.name,
                fix="Copy the file itself into the package",
            )
        with os.fdopen(os.dup(handle), "rb") as reader:
            return reader.read()
    finally:
        os.close(handle)


def _step(parent: int, name: str, flags: int, folder: Path) -> int:
    try:
        child = os.open(name, flags, dir_fd=parent)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise PackageInvalid(
            f"{name} cannot be opened: {error.strerror}", where=folder.name
        ) from None
    os.close(parent)
    return child


def _limits(words: dict[str, Any], where: str) -> Limits:
    given: dict[str, Any] = words.get("limits", {})
    found: dict[str, Any] = {}
    for key, value in given.items():
        kind = _LIMIT_NAMES.get(key)
        if kind is None:
            raise PackageInvalid(
                f"model.toml: [limits] {key} is not known",
                where=where,
                fix=f"Known: {', '.join(_LIMIT_NAMES)}",
            )
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise PackageInvalid(f"model.toml: [limits] {key} must be above 0", where=where)
        found[key] = kind(value)
    return Limits(**found)
