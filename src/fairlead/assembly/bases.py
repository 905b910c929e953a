"""Bases of SavedModels while a server runs: what they hold now, packed once it is wanted.

A worker packs in a process of its own, so that what packing needs is not carried along. Several
workers are told at once: the first packs, and the others find what it has packed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fairlead.assembly.settings import Settings
from fairlead.assembly.versions import (
    CACHE,
    SavedVersion,
    is_saved_model,
    pack_trained,
    saved_versions,
    trained_files,
)
from fairlead.core.errors import BadUsage, FairleadError, LoadFailed, ModelNotFound
from fairlead.packages.read import open_package
from fairlead.packages.repository import Found, committed, is_package
from fairlead.serving.exchange import error_of, error_to_json
from fairlead.serving.shelf import Held, packages

_PATIENCE_S = 1800.0


def bases_of(
    folders: Sequence[str], settings: Settings, state: Path
) -> Callable[[str, Sequence[Found], str], Held]:
    """What adds to the packages of a model the versions that its base holds now.

    folders: bases, or what holds bases. state: the folder in whose cache they are packed.
    """

    def held(model: str, found: Sequence[Found], source: str = "") -> Held:
        if source:
            return _at(Path(source), model, settings, state)
        saved = [
            one
            for folder in folders
            for one in saved_versions(Path(folder), settings.server.name)
            if one.name == model
        ]
        if not saved:
            return packages(found)
        # What was packed of a version that the base holds no more is not served again.
        own = [one for one in found if not one.folder.is_relative_to(state / CACHE)]
        return packages(own) | {
            one.version: partial(_packed, one, settings, state) for one in saved
        }

    return held


def _at(place: Path, model: str, settings: Settings, state: Path) -> Held:
    """What a place holds that a platform names: a package, a repository of one model, a SavedModel,
    a base of them, a trained file, or a folder with one. Raises ModelNotFound, BadUsage.
    """
    if not place.exists():
        raise ModelNotFound(f"there is nothing at {str(place)[:200]}")
    if place.is_dir() and is_package(place):
        version = open_package(place).version
        return packages([Found(model, version, place)])
    inside = committed(place) if place.is_dir() else []
    if len({found.name for found in inside}) == 1:
        return packages([Found(model, found.version, found.folder) for found in inside])
    if place.is_dir() and not is_saved_model(place):
        bases = saved_versions(place, model)
        if bases:
            return {one.version: partial(_packed, one, settings, state) for one in bases}
        files = trained_files(place)
        if len(files) != 1:
            raise BadUsage(
                f"the folder holds {len(files) or 'no'} trained files", where=str(place)[:200]
            )
        place = files[0]
    return {1: partial(_packed, SavedVersion(model, 1, place), settings, state)}


def _packed(saved: SavedVersion, settings: Settings, state: Path) -> Found:
    """Packs a version in another process. Raises what packing raises."""
    job = {
        "folder": str(saved.folder),
        "state": str(state),
        "name": saved.name,
        "version": saved.version,
        "allow": settings.airlock.allow,
        "weak": settings.airlock.weak,
    }
    where = f"{saved.name} version {saved.version}"
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "fairlead.assembly.bases", json.dumps(job)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_S,
            check=True,
        )
        told: Mapping[str, Any] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise LoadFailed(f"it could not be packed: {type(error).__name__}", where=where) from None
    if "error" in told:
        raise error_of(told["error"])
    return Found(saved.name, saved.version, Path(told["folder"]))


def packing(settings: Settings, state: Path) -> Callable[[Found], Found]:
    """What packs a SavedModel that has appeared in a repository."""
    return lambda one: _packed(SavedVersion(one.name, one.version, one.folder), settings, state)


def main(arguments: Sequence[str]) -> int:
    """Packs the SavedModel that the only argument tells of, and says where."""
    job: dict[str, Any] = json.loads(arguments[0])
    try:
        found = pack_trained(
            job["folder"],
            Path(job["state"]),
            job["name"],
            job["version"],
            allow=tuple(job["allow"]),
            weak=job["weak"],
        )
        told: dict[str, Any] = {"folder": str(found.folder.resolve())}
    except FairleadError as error:
        told = {"error": error_to_json(error)}
    sys.stdout.write(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
