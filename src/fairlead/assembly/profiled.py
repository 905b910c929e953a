"""Taking the profile of a version that a command line names, and keeping it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from fairlead.assembly.checking import version_of
from fairlead.assembly.profile_process import Executing, Version
from fairlead.assembly.settings import Settings
from fairlead.assembly.versions import CACHE
from fairlead.core.errors import FileUnreadable
from fairlead.core.package import Package
from fairlead.costs.profiles import file_of, partial_of
from fairlead.packages.manifest import NAME as MANIFEST
from fairlead.packages.read import open_package
from fairlead.packages.repository import Found
from fairlead.packing.profile import machine
from fairlead.profiling.kept import Kept, keep
from fairlead.profiling.loopback import loopback
from fairlead.profiling.requests import asked_of
from fairlead.profiling.serving import Served
from fairlead.profiling.taking import Job, Say, Taken, take
from fairlead.serving.loading import read_example


@dataclass(frozen=True, slots=True)
class Wish:
    """What a command line asks for.

    model: as `fairlead check` takes it. rows: a file that the model is asked with, None for its own
    example. seconds: that it may take. fresh: nothing of an earlier run is used. offer: this
    machine as the price table names it, "" where it does not.
    """

    model: str
    rows: Path | None = None
    seconds: float = 60.0
    fresh: bool = False
    offer: str = ""


@dataclass(frozen=True, slots=True)
class Profiled:
    """A profile that was taken and kept.

    repository: where the version is packed; None for a trained file that is not. of: the rows that
    were asked, for people.
    """

    taken: Taken
    package: Package
    repository: Path | None
    file: Path
    of: str


def profile(wish: Wish, settings: Settings, say: Say, tell: Callable[[str], None]) -> Profiled:
    """Takes a profile and keeps it in the state folder.

    say: is told how far it is. tell: is told once what is gone on with. Raises BadUsage,
    FileUnreadable, ModelNotFound, RowsInvalid, NotProfiled, and what packing and loading raise.
    """
    found = version_of(wish.model, settings, tell)
    opened = open_package(found.folder)
    isolated = found.name in settings.models.isolate
    package = replace(
        opened,
        name=found.name,
        version=found.version,
        isolated=opened.isolated or isolated,
    )
    asked = asked_of(package, read_example(package), wish.rows)
    state = Path(settings.server.state)
    bound = {
        "package": _sha256(found.folder / MANIFEST),
        "rows": _sha256(wish.rows) if wish.rows is not None else "",
        "machine": machine(),
        "isolated": package.isolated,
        "seconds": wish.seconds,
    }
    kept = Kept(partial_of(state, found.name, found.version), bound, fresh=wish.fresh)
    if kept.resumed:
        tell(f"going on with {kept.resumed} measurements of an earlier run; --fresh begins anew")
    version = Version(
        found.name,
        found.version,
        str(found.folder.resolve()),
        isolated,
        str(wish.rows.resolve()) if wish.rows is not None else "",
    )

    @contextmanager
    def server() -> Generator[Served]:
        # this is assembly: a server inherits the environment, less our own settings
        with loopback(found, dict(os.environ), isolated=isolated) as running:  # noqa: TID251
            yield Served(package, asked, running)

    with Executing(version) as tries:
        taken = take(Job(package, wish.seconds, wish.offer), tries, server, kept, say)
    file = file_of(state, found.name, found.version)
    keep(file, json.dumps(taken.profile.to_json(), indent=1) + "\n")
    kept.remove()
    return Profiled(taken, package, _repository(found, settings), file, asked.of)


def _repository(found: Found, settings: Settings) -> Path | None:
    cache = (Path(settings.server.state) / CACHE).resolve()
    resolved = found.folder.resolve()
    return None if resolved.is_relative_to(cache) else resolved.parent.parent


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise FileUnreadable(f"it cannot be read: {error.strerror}", where=str(file)) from None
