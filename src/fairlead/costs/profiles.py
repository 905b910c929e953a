"""Where profiles are found: a file that somebody names, the state folder, the package itself.

`STATE/profiles/NAME-VERSION.json` is what was measured here; `profile.json` in a package is what
its owner put there, perhaps of another machine.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fairlead.core.errors import FairleadError, FileUnreadable, NotProfiled, ProfileInvalid
from fairlead.core.package import Package
from fairlead.costs.profile import Profile, profile_of
from fairlead.packages.read import read_verified

FOLDER = "profiles"
PACKED = "profile.json"
"""The file of a package."""
_MOST_BYTES = 16 << 20


def file_of(state: Path, model: str, version: int) -> Path:
    """Where the profile of a version is kept."""
    return state / FOLDER / f"{model}-{version}.json"


def partial_of(state: Path, model: str, version: int) -> Path:
    """Where a profile is kept that is not whole yet."""
    return state / FOLDER / f"{model}-{version}.partial.json"


def find(package: Package, state: Path, measured: Path | None = None) -> Profile | None:
    """The profile of a version: the named one, else the one that was taken here, else the packed.

    None where nothing was measured. One in the state folder is that of another model of the same
    name where the graph differs. Raises ProfileInvalid, FileUnreadable for a file that is there and
    cannot be used, and PackageInvalid.
    """
    if measured is not None:
        return read_profile(measured)
    own = file_of(state, package.name, package.version)
    if own.is_file():
        found = read_profile(own)
        fact = package.files.get(package.graph)
        if fact is None or found.graph_sha256 in ("", fact.sha256):
            return found
    return packed(package)


def needed(package: Package, state: Path) -> Profile:
    """As `find`; raises NotProfiled where nothing was measured."""
    found = find(package, state)
    if found is None:
        raise NotProfiled(
            f"{package.name} version {package.version} was never measured here",
            fix=f"Run `fairlead profile {package.name}` first; it takes about a minute",
        )
    return found


def packed(package: Package) -> Profile | None:
    """The profile inside a package. Raises PackageInvalid, ProfileInvalid."""
    if PACKED not in package.files:
        return None
    where = f"{package.name} version {package.version}, {PACKED}"
    return _profile(read_verified(package, PACKED), where)


def read_profile(file: Path) -> Profile:
    """The profile in a file. Raises FileUnreadable, ProfileInvalid."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        raise FileUnreadable(
            f"the profile cannot be read: {error.strerror}", where=str(file)
        ) from None
    if len(raw) > _MOST_BYTES:
        raise ProfileInvalid("the file is larger than 16 MiB", where=str(file))
    return _profile(raw, str(file))


def _profile(raw: bytes, where: str) -> Profile:
    try:
        told: Any = json.loads(raw)
        if not isinstance(told, dict):
            raise ValueError("no object")
    except (ValueError, RecursionError):
        raise ProfileInvalid(
            "this is no JSON object", where=where, fix="Take it again with `fairlead profile MODEL`"
        ) from None
    return profile_of(told, where)  # pyright: ignore[reportUnknownArgumentType]


def packed_or_none(package: Package) -> Profile | None:
    """As `packed`; None for one that cannot be read, for whoever has more to show."""
    try:
        return packed(package)
    except FairleadError:
        return None
