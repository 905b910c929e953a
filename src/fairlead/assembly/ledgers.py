"""How a command comes to the ledger of a state folder, whether a server runs there or not."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from fairlead.assembly.places import database_here
from fairlead.core.errors import FileUnreadable
from fairlead.serving.bookkeeper import Bookkeeper
from fairlead.usage.ledger import JOURNAL, Ledger, open_ledger

_LOCK = "lock"
_ALL = 1 << 62


@contextmanager
def opened(folder: Path, place: Path | str | None = None) -> Generator[Ledger, None, None]:
    """The ledger of a state folder. Where no server runs, what is left to roll up is, first.

    place: of its database; what the settings say when none is named. Raises FileUnreadable for a
    folder in which nothing was recorded, and as `open_ledger`.
    """
    if not (folder / JOURNAL).is_dir():
        raise FileUnreadable(
            "no server has recorded anything here yet",
            where=str(folder),
            fix="Name the state folder of the server with --state",
        )
    place = place or database_here()
    _catch_up(folder, place)
    ledger = open_ledger(folder, place)
    try:
        yield ledger
    finally:
        ledger.close()


def _catch_up(folder: Path, place: Path | str | None) -> None:
    """Rolls up what is left, unless a server holds the folder: then its bookkeeper does."""
    try:
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise FileUnreadable(
            f"the state folder cannot be used: {error.strerror}", where=str(folder)
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # What is kept of the journal is the server's to say, so nothing of it is removed here.
        bookkeeper = Bookkeeper(folder, place, _ALL, _ALL)
        try:
            while bookkeeper.follow():
                pass
        finally:
            bookkeeper.close()
    except BlockingIOError:
        return
    finally:
        os.close(handle)
