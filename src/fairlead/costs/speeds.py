"""How fast the vCPU of a machine is, beside the one on which a model was measured.

Without a measurement of that machine this is a rule by the generation of its processor, and every
figure that hangs on it has a band. A profile that was taken there (`fairlead profile --offer`)
takes the rule's place.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import NamedTuple

from fairlead.costs.priced import Machine
from fairlead.costs.profile import Profile

BAND, BAND_FAMILY, BAND_MEASURED = 0.3, 0.1, 0.05
"""How far a speed may be off, up and down: by rule; measured on another size of the family, whose
neighbours differ; measured on the machine itself."""
_UNSTEADY = 1.02
_REFERENCE = "c6i"
_SIZE = re.compile(r"(?<=[A-Za-z])[0-9]+(?=[a-z]*_)|-[0-9]+$")


class Speed(NamedTuple):
    """profile: what is reckoned from. factor: so many times as fast as where that was taken. band:
    how far that may be off. baseline: the part of its time that the machine may be busy for good;
    credit: over which time that is meant, "day" or "hour"; "" for one that is never slowed down.
    """

    profile: Profile
    factor: float
    band: float
    baseline: float
    credit: str
    source: str


class _Family(NamedTuple):
    speed: float
    baseline: float
    credit: str
    note: str


@cache
def _families() -> dict[tuple[str, str], _Family]:
    place = resources.files("fairlead.costs") / "tables" / "speeds.csv"
    rows = csv.DictReader(io.StringIO(place.read_text(encoding="utf-8")))
    return {
        (row["provider"], row["family"]): _Family(
            float(row["speed"]), float(row["baseline"]), row["credit"], row["note"]
        )
        for row in rows
    }


def speed_of(machine: Machine, profile: Profile, measured: Sequence[Profile] = ()) -> Speed:
    """How fast a model would be on a machine. measured: profiles that were taken on machines."""
    family = _families().get((machine.provider, machine.family), _Family(1.0, 1.0, "", "unknown"))
    for one in measured:
        if one.offer == machine.title:
            told = f"measured on it on {one.taken}" + (", its GPU idle" if machine.gpu else "")
            told += at_its_slowest(one)
            return Speed(one, 1.0, BAND_MEASURED, family.baseline, family.credit, told)
    if not machine.gpu:
        for one in measured:
            if _family_of(one.offer) == (machine.provider, _stem(machine.name)) and not one.gpu:
                told = f"measured on {one.offer} on {one.taken}{at_its_slowest(one)}"
                return Speed(one, 1.0, BAND_FAMILY, family.baseline, family.credit, told)
    told = f"by rule, {family.speed:g} times a vCPU of {_REFERENCE}: {family.note}"
    return Speed(profile, family.speed, BAND, family.baseline, family.credit, told)


def at_its_slowest(profile: Profile) -> str:
    """That calls are taken to be as slow as they were at times, where that was slower than usual.

    Each machine that was measured is planned for so (costs/capacity.py).
    """
    if profile.unsteady < _UNSTEADY:
        return ""
    return f"; calls take {profile.unsteady:.2g} times as long as usual, as they did at times"


def _family_of(offer: str) -> tuple[str, str]:
    provider, _, name = offer.partition("/")
    return provider, _stem(name)


def _stem(name: str) -> str:
    """What the sizes of one family share: c7g of c7g.large, Standard_Ds_v5, n2-standard."""
    if "." in name:
        return name.partition(".")[0]
    return _SIZE.sub("", name, count=1)
