"""Rooms of keys that several tests work in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.access.parts import DIGESTER

from fairlead.access.audit import check_trail
from fairlead.core.audit import By
from fairlead.serving.acting import Room
from fairlead.serving.acts import do
from fairlead.usage.stores.database import connection
from fairlead.usage.stores.joint import Joint

SOMEBODY = By("uid 1000", "command line")
KEY = {"name": "web", "scopes": ["predict:iris"]}

INJECTIONS = [
    "' OR '1'='1", "'; DROP TABLE key; --", '" OR ""="', "1; SELECT pg_sleep(10)", "\\'; --",
    "%' OR name LIKE '%", "a') UNION SELECT digest FROM key --", "$1", "?", ":name", "%s", "{0}",
    "x'||(SELECT 1)||'", "\u02bc OR 1=1", "/*", "admin'/**/OR/**/1=1#",
]  # fmt: skip
"""What databases have been talked into things with."""


def room(place: Path | str, folder: Path) -> Room:
    """The stores of a database; folder: of the state."""
    return Room.of(Joint(connection(place, "keys")), folder, lambda: DIGESTER)


def act(room: Room, kind: str, /, by: By = SOMEBODY, **given: Any) -> dict[str, Any]:
    """Does an act and returns its answer."""
    return do(room, kind, given, by)


def made(room: Room, **more: Any) -> dict[str, Any]:
    """A new key."""
    return act(room, "keys.create", **(KEY | more))


def trail(room: Room) -> list[tuple[str, str]]:
    """What was done to what; the chain and its note are whole."""
    records = list(room.audit.every())
    checked = check_trail(records, [room.noted.read()])
    assert (checked.fault, checked.records) == ("", len(records))
    assert room.noted.read() == room.audit.head()
    return [(record.act, record.about) for record in records]
