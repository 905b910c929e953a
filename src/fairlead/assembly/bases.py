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
from fairlead.assembly.versions import CACHE, SavedVersion, pack_trained, saved_versions
from fairlead.core.errors import FairleadError, LoadFailed
from fairlead.packages.repository import Found
from fairlead.serving.exchange import error_of, error_to_json
from fairlead.serving.lifecycle import Held, packages

_PATIENCE_S = 1800.0


def bases_of(
    folders: Sequence[str], settings: Settings, state: Path
) -> Callable[[str, Sequence[Found]], Held]:
    """What adds to the packages of a model the versions that its base holds now.

    folders: bases, or what holds bases. state: the folder in whose cache they are packed.
    """

    def held(model: str, found: Sequence[Found]) -> Held:
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
