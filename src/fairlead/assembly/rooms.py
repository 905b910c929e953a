"""Where the keys, tenants, plans and audit trail of a state folder are kept."""

from __future__ import annotations

from pathlib import Path

from fairlead.access.secrets import Digester, read_pepper
from fairlead.serving.acting import Room
from fairlead.usage.stores.database import connection
from fairlead.usage.stores.joint import Joint
from fairlead.usage.stores.keys import FILE


def open_room(folder: Path, place: Path | str | None = None) -> Room:
    """The stores of a state folder.

    place: of their database, if that is not in the folder. Raises as `Database`, and
    MissingExtra.
    """
    database = connection(folder / FILE if place is None else place, "keys")
    try:
        return Room.of(Joint(database), folder, lambda: Digester(read_pepper(folder)))
    except BaseException:
        database.close()
        raise
