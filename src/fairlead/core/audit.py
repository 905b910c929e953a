"""The words of the audit trail: an act, its record, and the newest record that was seen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class By:
    """Who acts, and from where.

    who:   the id of a key, or `uid 1000` for somebody at the command line.
    where: an address, or `command line`.
    """

    who: str
    where: str


@dataclass(frozen=True, slots=True)
class Act:
    """One administrative act, done or refused.

    time_ns: wall clock. act: such as `keys.revoke`. about: the id or name of what it was done to.
    before, after: what has changed, as JSON values without secrets; None where there was nothing.
    """

    time_ns: int
    by: By
    act: str
    about: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """An act in its place in the chain, every field as the database holds it.

    number:        the first is 1, and none is left out.
    before, after: canonical JSON.
    hash:          SHA-256 of the hash before it and of all other fields.
    """

    number: int
    time_ns: int
    who: str
    place: str
    act: str
    about: str
    before: str
    after: str
    hash: bytes

    def to_json(self) -> dict[str, Any]:
        """As people and programs get it."""
        return {
            "number": self.number,
            "time_ns": self.time_ns,
            "who": self.who,
            "from": self.place,
            "act": self.act,
            "object": self.about,
            "before": _read(self.before),
            "after": _read(self.after),
            "hash": self.hash.hex(),
        }


def _read(text: str) -> Any:
    """What somebody has spoilt is shown as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text


@dataclass(frozen=True, slots=True)
class Head:
    """The newest record that somebody has seen: its number and its hash."""

    number: int
    hash: bytes


NOTHING = Head(0, bytes(32))
"""The head of a trail without records."""
