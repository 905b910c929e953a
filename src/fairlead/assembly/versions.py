"""Which versions the paths of a command line hold; trained files and SavedModels are packed first.

A folder may be laid out as TensorFlow Serving lays it out: `base/<version>/` with a SavedModel in
each, or several such bases beside each other; or it may hold one trained file, as clouds do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairlead.assembly.apart import apart
from fairlead.assembly.settings import Settings
from fairlead.core.errors import BadUsage, FairleadError, FileUnreadable
from fairlead.core.names import check_name, is_name
from fairlead.packages.read import open_package
from fairlead.packages.repository import Found, committed, is_package

CACHE = "cache"
"""Where in the state folder packed trained files are kept."""
_SAVED_MODEL = "saved_model.pb"
_DIGITS = 18
_MOST_LOOKED_AT = 100

Packing = Callable[..., Found]
"""Packs a trained file, as `pack_trained`."""


@dataclass(frozen=True, slots=True)
class SavedVersion:
    """A SavedModel whose place says its name and version."""

    name: str
    version: int
    folder: Path


def find_versions(
    paths: Sequence[str], settings: Settings, pack: Packing | None = None
) -> list[Found]:
    """Every version that the paths hold: repositories, packages, trained files (packed first).

    pack: packs a trained file in place of `pack_trained`.
    Raises BadUsage, FileUnreadable, PackageInvalid, and what packing raises.
    """
    found: list[Found] = []
    for text in paths:
        path = Path(text)
        if path.is_dir() and is_package(path):
            found.append(_single(path, settings.server.name))
        elif path.is_dir() and not (path / _SAVED_MODEL).exists():
            found += _folder(path, settings, pack)
        else:
            found.append(_trained(text, settings, settings.server.name, pack=pack))
    seen: set[tuple[str, int]] = set()
    for version in found:
        if (version.name, version.version) in seen:
            raise BadUsage(
                f"{version.name} version {version.version} is named by two paths",
                fix="Name each version once",
            )
        seen.add((version.name, version.version))
    return found


def _single(folder: Path, name: str) -> Found:
    package = open_package(folder)
    return Found(check_name(name) if name else package.name, package.version, folder)


def _folder(folder: Path, settings: Settings, pack: Packing | None) -> list[Found]:
    """The packages of a repository, and SavedModels as TensorFlow Serving lays them out."""
    name = settings.server.name
    saved = saved_versions(folder, name)
    held = [] if saved or (not name and committed(folder)) else trained_files(folder)
    if len(held) == 1:
        return [_trained(str(held[0]), settings, name, pack=pack)]
    if name and not saved:
        raise BadUsage(
            "--name is for a single package, trained file or SavedModel",
            where=str(folder),
            fix="A repository names its models by their folders",
        )
    found = [] if name else committed(folder)
    if not found and not saved:
        if held:
            raise BadUsage(
                f"the folder holds several trained files: {', '.join(f.name for f in held[:9])}",
                where=str(folder),
                fix="Name one of them",
            )
        raise FileUnreadable(
            "there is no finished version in this repository",
            where=str(folder),
            fix="Pack one: fairlead pack FILE --name NAME --repository " + str(folder),
        )
    chosen = saved if settings.models.versions == "all" else newest(saved)
    packed = [_trained(str(one.folder), settings, one.name, one.version, pack) for one in chosen]
    return [*found, *packed]


def saved_versions(folder: Path, name: str = "") -> list[SavedVersion]:
    """The SavedModels below a folder that is a base, or that holds bases; [] when there is none.

    name: of the model of a single base, whose folder names it otherwise. Only a single base is
    looked for where it is given. Raises BadUsage for a name that is none.
    """
    base = _numbered(folder)
    if base:
        named = name or folder.resolve().name
        return [SavedVersion(check_name(named), number, inner) for number, inner in base]
    if name:
        return []
    return [
        SavedVersion(model.name, number, inner)
        for model in _folders(folder)
        if is_name(model.name)
        for number, inner in _numbered(model)
    ]


def newest(saved: Sequence[SavedVersion]) -> list[SavedVersion]:
    """Of each name the highest version."""
    last = {one.name: one for one in sorted(saved, key=lambda one: one.version)}
    return [one for one in saved if one is last[one.name]]


def _numbered(base: Path) -> list[tuple[int, Path]]:
    """The SavedModels in folders that are named by a number, by that number.

    Leading zeros are allowed, as TensorFlow Serving allows them.
    """
    found = [
        (int(inner.name), inner)
        for inner in _folders(base)
        if inner.name.isascii() and inner.name.isdigit() and len(inner.name) <= _DIGITS
    ]
    return sorted((n, inner) for n, inner in found if (inner / _SAVED_MODEL).is_file())


def trained_files(folder: Path) -> list[Path]:
    """The files in a folder that are trained models by their content.

    Source files are passed over: which of their functions is meant, a folder does not say.
    """
    from fairlead.packing.formats import detect

    found: list[Path] = []
    try:
        inner = sorted(Path(one.path) for one in os.scandir(folder) if one.is_file())
    except OSError:
        return []
    for file in inner[:_MOST_LOOKED_AT]:
        if file.name.startswith(".") or file.suffix == ".py":
            continue
        with suppress(FairleadError):
            detect(str(file))
            found.append(file)
    return found


def is_saved_model(folder: Path) -> bool:
    """Whether a folder is a SavedModel."""
    return (folder / _SAVED_MODEL).exists()


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(Path(inner.path) for inner in os.scandir(folder) if inner.is_dir())
    except OSError as error:
        raise FileUnreadable(
            f"the folder cannot be read: {error.strerror}", where=str(folder)
        ) from error


def _trained(
    text: str,
    settings: Settings,
    name: str,
    version: int | None = None,
    pack: Packing | None = None,
) -> Found:
    """Packs a trained file into the state folder's cache, or finds it there."""
    return (pack or pack_trained)(
        text,
        Path(settings.server.state),
        name,
        version,
        allow=settings.airlock.allow,
        weak=settings.airlock.weak,
        say=_say,
    )


def pack_trained(
    text: str,
    state: Path,
    name: str,
    version: int | None,
    *,
    allow: tuple[str, ...],
    weak: bool,
    say: Callable[[str, str], None] = lambda step, result: None,
) -> Found:
    """Packs a trained file into the cache of a state folder, or finds it there.

    allow, weak: as for the airlock. Raises what packing raises.
    """
    from fairlead.packing.airlock.process import Airlock
    from fairlead.packing.from_file import pack_to_cache

    airlock = Airlock(allow=allow, weak=weak)
    package = pack_to_cache(text, state / CACHE, name, airlock, say, version=version)
    return Found(package.name, package.version, package.folder)


def pack_apart(text: str, *given: Any, **more: Any) -> Found:
    """`pack_trained` in a process of its own: a model that ends it ends that one alone.

    Raises ModelCrashed too.
    """

    def packed() -> list[str]:
        found = pack_trained(text, *given, **more)
        return [found.name, str(found.version), str(found.folder)]

    name, version, folder = apart(packed, text)
    return Found(name, int(version), Path(folder))


def bases_among(paths: Sequence[str]) -> list[str]:
    """The folders among the paths of a command line that may hold bases, now or later."""
    found = [Path(text) for text in paths]
    return [
        str(path.resolve())
        for path in found
        if path.is_dir() and not is_package(path) and not (path / _SAVED_MODEL).exists()
    ]


def _say(step: str, result: str) -> None:
    """Packing takes seconds: people see how far it is."""
    print(f"  {step}: {result}", flush=True)  # noqa: T201
