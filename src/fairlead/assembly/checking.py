"""Gathering what the deployment check asks about: settings, state folder, machine, the model."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from shlex import quote
from typing import Any

from fairlead.assembly.check_facts import bounds, callers, doors, machine, record
from fairlead.assembly.planned import planned
from fairlead.assembly.settings import Settings
from fairlead.assembly.trial import tried
from fairlead.assembly.versions import CACHE, find_versions, pack_trained
from fairlead.core.clock import wall_ns
from fairlead.core.errors import (
    BadUsage,
    FairleadError,
    FileUnreadable,
    ModelNotFound,
    PackageInvalid,
)
from fairlead.core.names import is_name, parse_version
from fairlead.core.package import Package
from fairlead.costs.profile import Profile
from fairlead.costs.profiles import find as find_profile
from fairlead.packages.read import open_package, read_verified
from fairlead.packages.repository import Found, committed, is_package
from fairlead.packing.profile import machine as this_machine
from fairlead.readiness.facts import FAIL, Exposure, Facts, Finding, Measured
from fairlead.readiness.report import broken, report
from fairlead.serving.check_reports import keep_report
from fairlead.serving.choosing import parse_policy

_MEASURED = "measured.json"
_USUAL = ("models", ".")


@dataclass(frozen=True, slots=True)
class _Tried:
    """A version with what was found of it: its package, unless that cannot be read."""

    found: Found
    package: Package | None
    measured: Measured | None
    error: FairleadError | None


def check(
    given: str, settings: Settings, exposure: Exposure, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """The reports of every version that `fairlead serve` would serve, kept in the state folder.

    given: a repository, a package, a model's folder, a trained file (packed into the cache first),
    or NAME or NAME@VERSION of a model in ./models or here; "" for ./models or here. say: is told
    what is done meanwhile.
    Raises FileUnreadable, BadUsage, ModelNotFound, and what packing raises.
    """
    state = Path(settings.server.state)
    _make(state)
    place, versions = versions_of(given, settings, say)
    each = [_try(found, settings, say) for found in _wanted(versions, settings)]
    when = datetime.fromtimestamp(wall_ns() / 1e9, UTC).isoformat(timespec="seconds")
    held = sum(one.measured.model for one in each if one.measured is not None)
    reports = [_report(one, place, settings, exposure, when, held) for one in each]
    for told in reports:
        keep_report(state, told)
    return reports


def _wanted(versions: Sequence[Found], settings: Settings) -> list[Found]:
    """Those that would be served."""
    choice = parse_policy(settings.models.versions)
    names = {found.name for found in versions}
    chosen = {n: choice.of([f.version for f in versions if f.name == n]) for n in names}
    return [found for found in versions if found.version in chosen[found.name]]


def _make(state: Path) -> None:
    """The state folder is its owner's alone, whoever makes it first. Raises FileUnreadable."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise FileUnreadable(
            f"the state folder cannot be used: {error.strerror}",
            where=str(state),
            fix="Name another with --state",
        ) from None


# --- which versions ------------------------------------------------------------------------------


def versions_of(
    given: str, settings: Settings, say: Callable[[str], None]
) -> tuple[str, list[Found]]:
    """What is meant, as a command line would name it to serve it, and its versions.

    given: as `check` takes it. Raises as `check` does.
    """
    if not given:
        given = next((place for place in _USUAL if _has_versions(Path(place))), _USUAL[0])
    path = Path(given)
    if path.is_dir() and is_package(path):
        return given, [_of_package(path, settings.server.name)]
    if path.is_dir() and not _has_versions(path):
        model = [
            f for f in _held(path.resolve().parent) if f.folder.parent.name == path.resolve().name
        ]
        if model:
            return str(path.parent), model
    if not path.exists() and path.suffix != ".py" and ":" not in given:
        return _named(given)
    if path.is_dir():
        with redirect_stdout(sys.stderr):  # packing says its steps, and data go to stdout
            return given, find_versions([given], settings)
    airlock = settings.airlock
    return given, [
        pack_trained(
            given,
            Path(settings.server.state),
            settings.server.name,
            None,
            allow=airlock.allow,
            weak=airlock.weak,
            say=lambda step, result: say(f"{step}: {result}"),
        )
    ]


def _has_versions(folder: Path) -> bool:
    return bool(_held(folder))


def _held(folder: Path) -> list[Found]:
    return committed(folder) if folder.is_dir() else []


def _of_package(folder: Path, name: str) -> Found:
    """One version by its folder; by the folder's names where its files cannot be read."""
    try:
        package = open_package(folder)
        return Found(name or package.name, package.version, folder)
    except FairleadError:
        inner = folder.resolve()
        named = name or (inner.parent.name if is_name(inner.parent.name) else "model")
        return Found(named, int(inner.name) if inner.name.isdecimal() else 1, folder)


def _named(given: str) -> tuple[str, list[Found]]:
    """NAME or NAME@VERSION in a usual place. Raises FileUnreadable, ModelNotFound."""
    name, at, number = given.partition("@")
    version = parse_version(number) if at else None
    for place in _USUAL:
        found = [f for f in _held(Path(place)) if f.name == name]
        chosen = [f for f in found if version in (None, f.version)]
        if chosen:
            return place, chosen
        if found:
            known = ", ".join(str(f.version) for f in found)
            raise ModelNotFound(f"there is no {given}", fix=f"Versions of {name}: {known}")
    known = {found.name for place in _USUAL for found in _held(Path(place))}
    near = get_close_matches(name, sorted(known), 1)
    raise FileUnreadable(
        f"{given[:200]} does not exist",
        fix=f"Did you mean {near[0]}?"
        if near
        else "Name a repository, a package, a trained file, or a model in ./models",
    )


def version_of(given: str, settings: Settings, say: Callable[[str], None]) -> Found:
    """The one version that is meant: of one model the newest. Raises BadUsage, and as `check`."""
    _, versions = versions_of(given, settings, say)
    names = sorted({found.name for found in versions})
    if len(names) != 1:
        raise BadUsage(
            f"{given or 'models'} holds several models: {', '.join(names[:9])}",
            fix="Name one of them, as NAME or NAME@VERSION",
        )
    return max(versions, key=lambda found: found.version)


# --- what is found of each -----------------------------------------------------------------------


def _try(found: Found, settings: Settings, say: Callable[[str], None]) -> _Tried:
    say(f"measuring {found.name} version {found.version}")
    package: Package | None = None
    isolated = found.name in settings.models.isolate
    try:
        # The folder names a version, whatever name its package was given when it was packed.
        opened = open_package(found.folder)
        package = replace(opened, name=found.name, version=found.version)
        return _Tried(found, package, tried(found, isolated=isolated), None)
    except FairleadError as error:
        return _Tried(found, package, None, error)


def _report(
    one: _Tried, place: str, settings: Settings, exposure: Exposure, when: str, held: int
) -> dict[str, Any]:
    found, error = one.found, one.error
    what = error.what if error is not None else ""
    remedy = _remedy(error, found, _repository(found, settings))
    if one.package is None:
        told = Finding(FAIL, what, remedy)
        return broken(found.name, found.version, exposure, when, told)
    own = one.measured.model if one.measured is not None else 0
    profile = _profile(one.package, Path(settings.server.state))
    facts = Facts(
        exposure=exposure,
        package=one.package,
        given=quote(place),
        repository=_repository(found, settings),
        doors=doors(settings),
        bounds=bounds(settings),
        callers=callers(settings, found.name, found.version),
        record=record(settings),
        machine=machine(settings, held - own),
        measured=one.measured,
        broken=what,
        remedy=remedy,
        evaluation=_evaluation(one.package),
        profile=profile,
        planned=planned(one.package, profile, settings),
    )
    return report(facts, when)


def _profile(package: Package, state: Path) -> Profile | None:
    """What was measured of it on a machine such as this; a file that cannot be used is none."""
    try:
        found = find_profile(package, state)
    except FairleadError:
        return None
    return found if found is not None and found.machine == this_machine() else None


def _remedy(error: FairleadError | None, found: Found, repository: str) -> str:
    """What helps against what was found; a package that is not whole is made whole or anew."""
    if error is None:
        return ""
    again = f"fairlead pack FILE --name {found.name} --repository {repository or 'models'}"
    if isinstance(error, PackageInvalid):
        return f"restore {quote(str(found.folder))} from a copy, or make the next version: {again}"
    return error.fix or again


def _repository(found: Found, settings: Settings) -> str:
    """Where it is packed, for a command line; "" for what only lies in the cache."""
    cache = (Path(settings.server.state) / CACHE).resolve()
    if found.folder.resolve().is_relative_to(cache):
        return ""
    return quote(str(found.folder.parent.parent))


def _evaluation(package: Package) -> Mapping[str, Any]:
    """What pack measured on labelled rows; {} where it did not, or nobody can read it."""
    if _MEASURED not in package.files:
        return {}
    try:
        found: Any = json.loads(read_verified(package, _MEASURED))
        return found.get("evaluation") or {}
    except (FairleadError, ValueError, AttributeError):
        return {}


def passed(reports: Sequence[Mapping[str, Any]]) -> bool:
    """Whether nothing fails."""
    return all(told["verdict"] != FAIL for told in reports)
