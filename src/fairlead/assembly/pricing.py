"""How a command comes to the prices that usage was recorded under."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from fairlead.assembly.places import database_here
from fairlead.assembly.rooms import open_room
from fairlead.core.plans import History
from fairlead.usage.costs import Prices
from fairlead.usage.stores.keys import FILE


def prices_of(folder: Path, place: Path | str | None = None) -> Prices:
    """Every price table of a state folder, whether a server runs there or not.

    place: of the database of keys; what the settings say when none is named. Nothing is made where
    there is none. Raises as `Database`.
    """
    place = place or database_here()
    if place is None and not (folder / FILE).exists():
        return Prices({}, History({}))
    with closing(open_room(folder, place)) as room:
        return Prices.of(room.database)
