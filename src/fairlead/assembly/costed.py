"""What a command line says of traffic, goals and profiles, read."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from fairlead.assembly.checking import version_of
from fairlead.assembly.settings import Settings
from fairlead.core.errors import BadUsage, OfferUnknown
from fairlead.costs.capacity import Goal
from fairlead.costs.profile import Profile
from fairlead.costs.profiles import needed, read_profile
from fairlead.costs.request_log import traffic_of_log
from fairlead.costs.sizing import usual_goal_s
from fairlead.costs.traffic import Traffic, traffic_of
from fairlead.packages.read import open_package

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(us|µs|ms|s|m|min)?", re.IGNORECASE)
_PARTS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0}


def profile_for(given: str, settings: Settings, measured: Sequence[str] = ()) -> Profile:
    """The profile of the model that is named; of several versions the newest.

    measured: files with profiles: the first that was taken on no machine of the price table stands
    for the model's own. Raises NotProfiled, and what finding a model raises.
    """
    for file in measured:
        profile = read_profile(Path(file))
        if not profile.offer:
            return profile
    found = version_of(given, settings, lambda told: None)
    return needed(open_package(found.folder), Path(settings.server.state))


def elsewhere(measured: Sequence[str]) -> list[Profile]:
    """The profiles in files that were taken on machines of the price table."""
    found = [read_profile(Path(file)) for file in measured]
    return [profile for profile in found if profile.offer]


def traffic_for(said: str, model: str = "") -> Traffic:
    """Traffic in words, or as the log in a file or the journal in a state folder has it."""
    path = Path(said.removeprefix("@"))
    if said.startswith("@") or os.path.exists(said):
        return traffic_of_log(path, model)
    return traffic_of(said)


def seconds_of(said: str, flag: str) -> float:
    """A duration such as "100ms", "2s" or "0.5". Raises BadUsage."""
    found = _DURATION.fullmatch(said.strip())
    if not found:
        raise BadUsage(f"{flag} {said[:40]!r} is no time", fix=f"Say it as {flag} 100ms")
    return float(found[1]) * _PARTS[(found[2] or "s").lower()]


def goal_for(p99: str, refused: float, spare: bool, profile: Profile, rows: int) -> Goal:
    """What is to be reached. p99: a time, "" for ten times what a call takes that is alone.

    refused: of all calls, in per cent. Raises BadUsage.
    """
    if not 0 <= refused < 100:
        raise BadUsage("--refused is a part of all calls in per cent, below 100")
    seconds = seconds_of(p99, "--p99") if p99 else usual_goal_s(profile, rows)
    return Goal(seconds, refused / 100, spare)


def regions_of(said: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Regions by provider, from "aws/eu-west-1". Raises OfferUnknown."""
    found: list[tuple[str, str]] = []
    for one in said:
        provider, slash, region = one.partition("/")
        if not slash or not region:
            raise OfferUnknown(
                f"{one[:60]!r} names no region", where="--region", fix="Say aws/us-east-1"
            )
        found.append((provider, region))
    return tuple(found)
