"""Where the keys, tenants, plans and audit trail of a state folder are kept."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from fairlead.access.secrets import Digester, read_pepper
from fairlead.serving.acting import Room
from fairlead.serving.postponed import Postponed
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


def check_room(folder: Path, place: Path | str | None = None) -> None:
    """What can be said of the stores before a server starts; a database elsewhere may be away.

    Raises StateInvalid and FileUnreadable for what is damaged, or what others may write or read.
    """
    Postponed(folder)
    if place is None and (folder / FILE).exists():
        with closing(open_room(folder)) as room:
            room.digester()
